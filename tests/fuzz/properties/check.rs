//! Of the checker: it ends soon, what it says has places, and what it makes can be written, read back and run.

use std::time::{Duration, Instant};

use super::{parsed, places_hold, program};
use dwmap::check::{self, Given, NoSchemas, Session};
use dwmap::diag::{Diagnostic, mend, render, report, sarif};
use dwmap::ir::Program;
use dwmap::source::Sources;

/// Longest time for one text of a few kilobytes, with room for a busy machine and a build without optimisation.
const TIME_MAX: Duration = Duration::from_secs(20);

#[expect(clippy::disallowed_methods, reason = "the time that a check takes is what is held")]
pub fn hold(text: &str) {
    let begin = Instant::now();
    let (sources, tree, mut diags) = parsed(text);
    let checked = check::check(std::slice::from_ref(&tree), &sources, &NoSchemas, &mut diags);
    let took = begin.elapsed();
    assert!(took < TIME_MAX, "checking took {took:?}");
    let said = diags.sorted();
    places_hold(&sources, &said);
    messages_hold(&sources, &said);
    let mut again = dwmap::diag::Diagnostics::default();
    let same = check::check(&[tree], &sources, &NoSchemas, &mut again);
    assert_eq!(checked.program.hash, same.program.hash, "two checks make two programs");
    program_holds(&checked.program);
    edits_hold(text);
}

/// A check after an edit says what a check from the beginning says.
fn edits_hold(text: &str) {
    let middle = (text.len() / 2..text.len()).find(|it| text.is_char_boundary(*it)).unwrap_or(text.len());
    let afresh = |text: &str| check_in(&mut Session::new(Given::default()), text);
    let mut edited = Session::new(Given::default());
    for state in [text, &text[..middle], text] {
        assert_eq!(check_in(&mut edited, state), afresh(state), "after an edit, something else is said");
    }
}

fn check_in(session: &mut Session, text: &str) -> Vec<Diagnostic> {
    session.put("test.dwmap", text).expect("the text is short");
    session.check(&NoSchemas)
}

/// Every form of the messages can be made, and the safe fixes can be applied.
fn messages_hold(sources: &Sources, said: &[Diagnostic]) {
    render::emit(said, sources, render::Color::Never);
    report::to_json(said, sources);
    sarif::to_sarif(said, sources);
    for (id, file) in sources.files() {
        let fixes = mend::safe_fixes(said);
        let edits = fixes.iter().flat_map(|(_, fix)| &fix.edits).filter(|it| it.span.file == id);
        mend::apply(id, &file.text, edits);
    }
}

fn program_holds(made: &Program) {
    if let Err(error) = dwmap::ir::check_valid(made) {
        panic!("the checker made a program that does not fit together: {error}");
    }
    let read = Program::parse_json(&made.to_json()).unwrap_or_else(|error| panic!("the program is not read back: {error}"));
    assert!(read == *made, "the program that is read back is another");
    program::runs(made);
}
