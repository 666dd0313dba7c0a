//! `dwmap check --fix`: makes the changes that diagnostics are sure of, and looks whether they help.
//!
//! A round makes all safe fixes at once and checks the project again, with the new texts in memory. If that brings an error or
//! warning that was not there before, each fix is tried alone, and only those that bring none are kept. Files are written when
//! nothing is left to mend, each only if it still reads as it did when it was checked.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;

use super::project::{Looked, Project, read_text, shown};
use super::{Stopped, fmt, output};
use crate::diag::{Diagnostic, Edit, Fix, Severity, mend};
use crate::ir::Strength;
use crate::syntax::format;

/// A fix may lay open a problem that has a fix of its own; a chain of them ends here.
const ROUNDS_MAX: usize = 16;
/// Most fixes that are tried one by one in a round.
const TRIALS_MAX: usize = 200;

/// What was mended, and how the project stands with it.
pub struct Mended {
    /// One line for each fix that was made.
    pub made: Vec<String>,
    /// One line for each fix that would have brought another problem.
    pub left: Vec<String>,
    /// The files that read otherwise now: their texts before and after.
    changed: BTreeMap<PathBuf, (String, String)>,
    pub looked: Looked,
    /// How sure each law of each rule must be, when it is checked again.
    required: Option<Strength>,
}

pub fn mend(project: &Project, looked: Looked, required: Option<Strength>) -> Result<Mended, Stopped> {
    let mut out = Mended { made: Vec::new(), left: Vec::new(), changed: BTreeMap::new(), looked, required };
    for _ in 0..ROUNDS_MAX {
        let wanted = wanted(project, &out.looked);
        if wanted.is_empty() {
            break;
        }
        let is_done = match round(project, &mut out, &wanted)? {
            Round::Made => false,
            Round::Nothing => true,
        };
        if is_done {
            break;
        }
    }
    Ok(out)
}

/// A safe fix of the project's own files, as data that outlives the check which asked for it.
#[derive(Clone)]
struct Wanted {
    line: String,
    edits: Vec<Edit>,
}

fn wanted(project: &Project, looked: &Looked) -> Vec<Wanted> {
    let own: HashSet<String> = project.paths.iter().map(|it| shown(it)).collect();
    let is_own = |fix: &Fix| fix.edits.iter().all(|it| own.contains(&looked.sources.file(it.span.file).name));
    let fixes = mend::safe_fixes(&looked.diagnostics).into_iter().filter(|(_, fix)| is_own(fix));
    fixes.map(|(diagnostic, fix)| Wanted { line: line(looked, diagnostic, fix), edits: fix.edits.clone() }).collect()
}

/// `items.dwmap:38:3: eam → ean (DW0101)`
fn line(looked: &Looked, diagnostic: &Diagnostic, fix: &Fix) -> String {
    let change = |edit: &Edit| match (looked.sources.text(edit.span), edit.text.trim()) {
        ("", new) => format!("added `{new}`"),
        (old, "") => format!("removed `{old}`"),
        (old, new) => format!("`{old}` → `{new}`"),
    };
    let span = fix.edits[0].span;
    let (name, place) = (&looked.sources.file(span.file).name, looked.sources.position(span));
    let changes: Vec<String> = fix.edits.iter().map(change).collect();
    format!("{name}:{}:{}: {} ({})", place.line, place.column, changes.join(", "), diagnostic.code)
}

enum Round {
    Made,
    Nothing,
}

fn round(project: &Project, out: &mut Mended, wanted: &[Wanted]) -> Result<Round, Stopped> {
    let all: Vec<&Wanted> = wanted.iter().collect();
    if let Some(better) = attempt(project, out, &all)? {
        keep(project, out, &all, better);
        return Ok(Round::Made);
    }
    let mut good = Vec::new();
    let mut left = Vec::new();
    for (number, one) in wanted.iter().enumerate() {
        let is_good = wanted.len() > 1 && number < TRIALS_MAX && attempt(project, out, &[one])?.is_some();
        if is_good { good.push(one) } else { left.push(one.line.clone()) }
    }
    // Each is good alone; together they may still get into each other's way.
    while !good.is_empty() {
        if let Some(better) = attempt(project, out, &good)? {
            keep(project, out, &good, better);
            return Ok(Round::Made);
        }
        left.extend(good.pop().map(|it| it.line.clone()));
    }
    out.left = left;
    Ok(Round::Nothing)
}

/// How the project would stand with these fixes; nothing if that is not better in every respect.
fn attempt(project: &Project, out: &Mended, fixes: &[&Wanted]) -> Result<Option<Looked>, Stopped> {
    let looked = project.look_with(&texts(project, out, fixes), out.required)?;
    let before: HashSet<_> = out.looked.diagnostics.iter().filter_map(identity).collect();
    let brings_none = looked.diagnostics.iter().filter_map(identity).all(|it| before.contains(&it));
    let is_better = weight(&looked.diagnostics) < weight(&out.looked.diagnostics);
    Ok((brings_none && is_better).then_some(looked))
}

/// What a problem is, wherever it stands. A hint may come where an error was.
fn identity(it: &Diagnostic) -> Option<(crate::diag::Code, &str, Option<&str>)> {
    (it.severity != Severity::Hint).then_some((it.code, it.message.as_str(), it.map.as_deref()))
}

fn weight(diagnostics: &[Diagnostic]) -> [usize; 3] {
    [Severity::Error, Severity::Warning, Severity::Hint].map(|it| diagnostics.iter().filter(|own| own.severity == it).count())
}

/// The files' texts with the fixes of earlier rounds and these.
fn texts(project: &Project, out: &Mended, fixes: &[&Wanted]) -> BTreeMap<PathBuf, String> {
    let mut texts: BTreeMap<PathBuf, String> = out.changed.iter().map(|(path, (_, new))| (path.clone(), new.clone())).collect();
    let edits = || fixes.iter().flat_map(|it| &it.edits);
    for (id, file) in out.looked.sources.files() {
        if edits().any(|it| it.span.file == id)
            && let Some(path) = project.paths.iter().find(|it| shown(it) == file.name)
        {
            texts.insert(path.clone(), mend::apply(id, &file.text, edits()));
        }
    }
    texts
}

fn keep(project: &Project, out: &mut Mended, fixes: &[&Wanted], better: Looked) {
    for (path, new) in texts(project, out, fixes) {
        let now = out.looked.sources.files().find(|(_, it)| it.name == shown(&path)).map(|(_, it)| it.text.to_string());
        let old = out.changed.get(&path).map(|(old, _)| old.clone()).or(now).expect("only files that were read are changed");
        out.changed.insert(path, (old, new));
    }
    out.made.extend(fixes.iter().map(|it| it.line.clone()));
    out.left.clear();
    out.looked = better;
}

impl Mended {
    /// Writes the changed files. One that somebody else changed meanwhile is left as it is, and said.
    pub fn write(&self) -> Result<(), Stopped> {
        let mut moved = Vec::new();
        for (path, (old, new)) in &self.changed {
            if read_text(path)? == *old {
                fmt::replace(path, new)?;
            } else {
                moved.push(format!("`{}`", shown(path)));
            }
        }
        if moved.is_empty() {
            return Ok(());
        }
        let text = format!("{} changed on disk meanwhile and was left as it is\n  = fix: run it again", moved.join(", "));
        Err(Stopped::environment(text))
    }

    /// What would change, as a unified difference.
    pub fn print_difference(&self) {
        for (path, (old, new)) in &self.changed {
            output::print(&format::diff(&shown(path), old, new));
        }
    }

    /// Says what was done, or what would be.
    pub fn tell(&self, is_dry: bool) {
        let word = if is_dry { "would fix" } else { "fixed" };
        for line in &self.made {
            eprintln!("{word} {line}");
        }
        for line in &self.left {
            eprintln!("left as it is {line}: the change would bring another problem");
        }
        if self.made.is_empty() && self.left.is_empty() {
            eprintln!("nothing that could be mended without asking");
        }
    }
}
