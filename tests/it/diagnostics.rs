//! Maps with marks under what is wrong: `//~ ^^^^ DW0101`. A file without marks must be clean.
//!
//! A file begins with the number of its code. What it uses stands in `used/`; `//@ locked Map.label: RULE` is a line of its lock.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dwmap::check::premise::Premises;
use dwmap::check::{self, Checked, Given, SchemaProblem, Schemas, uses};
use dwmap::diag::render::{self, Color};
use dwmap::diag::{Diagnostic, Diagnostics, codes};
use dwmap::schema::{Schema, snapshot};
use dwmap::source::{FileId, Sources};
use dwmap::syntax;

/// Line, first and last column of the marked text, and the code; all counted from 1.
type Mark = (usize, usize, usize, String);

fn marks(text: &str) -> BTreeSet<Mark> {
    let mut out = BTreeSet::new();
    let mut marked_line = 0;
    for (index, line) in text.lines().enumerate() {
        let Some((before, mark)) = line.split_once("//~") else {
            marked_line = index + 1;
            continue;
        };
        assert!(before.trim().is_empty(), "a mark stands on its own line: {line}");
        let carets = mark.chars().filter(|it| *it == '^').count();
        let code = mark.trim().trim_start_matches('^').trim();
        let first = line.chars().position(|it| it == '^').expect("a mark has carets") + 1;
        assert!(code.len() == 6 && code.starts_with("DW"), "a mark names a code: {line}");
        out.insert((marked_line, first, first + carets - 1, code.to_owned()));
    }
    out
}

/// A text of several lines is marked on its first.
fn mark(diagnostic: &Diagnostic, sources: &Sources) -> Mark {
    let span = diagnostic.primary();
    let start = sources.position(span);
    let first_line = sources.text(span).lines().next().unwrap_or("");
    (start.line, start.column, start.column + first_line.chars().count().max(1) - 1, diagnostic.code.to_string())
}

/// The files of `used/`.
struct Beside;

impl Schemas for Beside {
    fn load(&self, _: FileId, path: &str) -> Result<Arc<Schema>, SchemaProblem> {
        let text = std::fs::read_to_string(used(path)).map_err(|_| SchemaProblem::Missing(path.to_owned()))?;
        snapshot::parse(&text).map(Arc::new).map_err(|it| SchemaProblem::Unreadable(it.to_string()))
    }

    fn used(&self, name: &str) -> Result<String, String> {
        std::fs::read_to_string(used(name)).map_err(|it| it.to_string())
    }
}

fn used(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/diagnostics/used").join(name)
}

fn locked(text: &str) -> BTreeMap<String, String> {
    let lines = text.lines().filter_map(|it| it.strip_prefix("//@ locked ")?.split_once(": "));
    lines.map(|(label, rule)| (label.to_owned(), rule.to_owned())).collect()
}

fn problems(name: &str, text: &str) -> (Sources, Vec<Diagnostic>) {
    let (sources, _, found) = compiled(name, text, Premises::default());
    (sources, found)
}

/// One text with what stands in `used/`, by a checker that relies on these premises.
pub fn compiled(name: &str, text: &str, premises: Premises) -> (Sources, Checked, Vec<Diagnostic>) {
    let mut sources = Sources::default();
    let file = sources.add(name, text).expect("a fixture is short");
    let mut diags = Diagnostics::default();
    let files = vec![syntax::parse(&sources, file, &mut diags)];
    let project = uses::load(files, &mut sources, &Beside, &mut diags);
    let given = Given { overrides: locked(text), premises, ..Given::default() };
    let checked = check::check_project(&project, &given, &sources, &Beside, &mut diags);
    (sources, checked, diags.sorted())
}

fn check_marks(path: &Path) -> Result<BTreeSet<String>, String> {
    let name = path.file_name().expect("a listed file has a name").to_string_lossy().into_owned();
    let text = std::fs::read_to_string(path).expect("a listed file can be read");
    let (sources, found) = problems(&name, &text);
    let (wanted, seen) = (marks(&text), found.iter().map(|it| mark(it, &sources)).collect::<BTreeSet<_>>());
    if wanted == seen {
        return Ok(wanted.into_iter().map(|(_, _, _, code)| code).collect());
    }
    let missing: Vec<_> = wanted.difference(&seen).collect();
    let extra: Vec<_> = seen.difference(&wanted).collect();
    Err(format!("{name}\nmissing: {missing:?}\nunmarked: {extra:?}\n{}", render::emit(&found, &sources, Color::Never)))
}

pub fn fixtures() -> Vec<PathBuf> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/diagnostics");
    let entries = std::fs::read_dir(folder).expect("the fixtures are there").map(|it| it.expect("a folder can be listed").path());
    let mut files: Vec<PathBuf> = entries.filter(|it| it.extension().is_some_and(|it| it == "dwmap")).collect();
    files.sort();
    files
}

#[test]
fn every_mark_is_reported_and_nothing_else() {
    let results: Vec<_> = fixtures().iter().map(|it| check_marks(it)).collect();
    let failures: Vec<String> = results.iter().filter_map(|it| it.as_ref().err().cloned()).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    let clean = results.iter().filter(|it| it.as_ref().is_ok_and(BTreeSet::is_empty)).count();
    assert!(clean >= 3 && results.len() > clean, "there are passing and failing fixtures");
}

/// Codes of a running program or of a live system, which no map shows by itself, and the tests that see them.
const ELSEWHERE: &[(&str, &str)] = &[
    ("DW0105", "drift::a_drift_points_at_the_rules_that_it_touches"),
    ("DW0212", "clauses::every_clause_does_what_it_says"),
    ("DW0213", "clauses::every_clause_does_what_it_says"),
    ("DW0802", "coverage::rules_that_no_test_sees_are_told_with_their_direction"),
];

#[test]
fn every_code_has_a_map_that_shows_it_and_one_that_does_not() {
    let names: Vec<String> = fixtures().iter().map(|it| it.file_name().expect("listed").to_string_lossy().into_owned()).collect();
    let shown: Vec<(String, bool)> = names
        .iter()
        .map(|name| {
            let text = std::fs::read_to_string(used("..").join(name)).expect("a listed file can be read");
            let code = format!("DW{}", &name[..4]);
            let has = marks(&text).iter().any(|(.., it)| *it == code);
            (code, has)
        })
        .collect();
    let mut missing = Vec::new();
    for code in codes::ALL.iter().map(|it| it.code.to_string()) {
        let is_elsewhere = ELSEWHERE.iter().any(|(it, _)| *it == code);
        let lacks = |has: bool| !is_elsewhere && !shown.contains(&(code.clone(), has));
        missing.extend(lacks(true).then(|| format!("{code}: no map shows it")));
        missing.extend(lacks(false).then(|| format!("{code}: no map is free of it")));
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}
