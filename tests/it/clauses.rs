//! Every clause at work in both directions: the `test` items of `tests/corpus/clauses`, through the real interpreter and engine.

use std::path::{Path, PathBuf};

use dwmap::check::{self, NoSchemas};
use dwmap::diag::Diagnostics;
use dwmap::diag::render::{self, Color};
use dwmap::runtime::rehearse::rehearse;
use dwmap::source::Sources;
use dwmap::syntax;

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/clauses");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).expect("the corpus is there").map(|it| it.expect("it can be listed").path()).collect();
    files.sort();
    files
}

/// What went wrong in one file, and how many tests it has.
async fn problems(path: &Path) -> (Vec<String>, usize) {
    let name = path.file_name().expect("a listed file has a name").to_string_lossy().into_owned();
    let mut sources = Sources::default();
    let text = std::fs::read_to_string(path).expect("a listed file can be read");
    let file = sources.add(&name, text).expect("a case is short");
    let mut diags = Diagnostics::default();
    let tree = syntax::parse(&sources, file, &mut diags);
    let checked = check::check(&[tree], &sources, &NoSchemas, &mut diags);
    if diags.has_errors() {
        return (vec![render::emit(&diags.sorted(), &sources, Color::Never)], 0);
    }
    let mut out = Vec::new();
    for test in &checked.tests {
        if let Some((origin, why)) = rehearse(&checked.program, test).await.failure {
            out.push(format!("{name}:{}: {}: {why}", origin.line, test.name));
        }
    }
    (out, checked.tests.len())
}

#[tokio::test(start_paused = true)]
async fn every_clause_does_what_it_says() {
    let (mut wrong, mut count) = (Vec::new(), 0);
    for path in cases() {
        let (problems, tests) = problems(&path).await;
        wrong.extend(problems);
        count += tests;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count >= 8, "{count} tests are too few to be all");
}
