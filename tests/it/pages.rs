//! The examples of the pages are in the language.

use dwmap::diag::Diagnostics;
use dwmap::source::Sources;
use dwmap::syntax::{self, format};

use super::folder::Folder;

/// The fences of a page: the name in backticks at the end of the line before, what stands behind their marks, and their text.
pub fn fences_with_names(page: &str) -> Vec<(Option<String>, String, String)> {
    let mut out = Vec::new();
    let mut open: Option<(Option<String>, String, String)> = None;
    let mut before = "";
    for line in page.lines() {
        match (line.strip_prefix("```"), open.take()) {
            (Some(word), None) => {
                let name = before.strip_suffix("`:").and_then(|it| it.rsplit('`').next()).map(str::to_owned);
                open = Some((name, word.trim().to_owned(), String::new()));
            }
            (Some(_), Some(fence)) => out.push(fence),
            (None, Some((name, word, text))) => open = Some((name, word, text + line + "\n")),
            (None, None) if !line.is_empty() => before = line,
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "every fence is closed");
    out
}

fn fences(page: &str) -> Vec<(String, String)> {
    fences_with_names(page).into_iter().map(|(_, word, text)| (word, text)).collect()
}

fn whole_examples() -> Vec<String> {
    let fences = [LANGUAGE, README].into_iter().flat_map(fences);
    fences.filter(|(word, _)| word == "dwmap").map(|it| it.1).collect()
}

fn check_parses(text: &str) -> Result<(), Vec<String>> {
    let mut sources = Sources::default();
    let id = sources.add("page", text).expect("the text is short");
    let mut diags = Diagnostics::default();
    syntax::parse(&sources, id, &mut diags);
    let messages: Vec<String> = diags.sorted().into_iter().map(|it| it.message).collect();
    if messages.is_empty() { Ok(()) } else { Err(messages) }
}

const LANGUAGE: &str = include_str!("../../grammar/README.md");
const README: &str = include_str!("../../README.md");

#[test]
fn whole_examples_parse_and_are_formatted() {
    let whole = whole_examples();
    assert!(whole.len() >= 4);
    for text in whole {
        assert_eq!(check_parses(&text), Ok(()), "{text}");
        let formatted = format::format_text("page", &text).expect("the text parses");
        assert!(formatted == text, "{}", format::diff("page", &text, &formatted));
    }
}

#[test]
fn fragments_parse_as_items_or_as_lines_of_a_map() {
    let fragments: Vec<String> =
        fences(LANGUAGE).into_iter().filter(|(word, _)| word == "dwmap-fragment").map(|it| it.1).collect();
    assert!(fragments.len() >= 3);
    for text in fragments {
        let as_lines = check_parses(&format!("map Fragment: a.A <-> b.B {{\n{text}}}\n"));
        if let (Err(lines), Err(items)) = (as_lines, check_parses(&text)) {
            panic!("{text}\nas lines: {lines:?}\nas items: {items:?}");
        }
    }
}

#[test]
fn every_fence_says_what_it_is() {
    for (word, text) in fences(LANGUAGE) {
        assert!(matches!(word.as_str(), "dwmap" | "dwmap-fragment"), "`{word}`:\n{text}");
    }
}

/// Checks a page's example as a project of its own.
fn checked(text: &str) -> (Vec<String>, dwmap::check::Checked) {
    let mut sources = Sources::default();
    let id = sources.add("page", text).expect("the text is short");
    let mut diags = Diagnostics::default();
    let files = [syntax::parse(&sources, id, &mut diags)];
    let checked = dwmap::check::check(&files, &sources, &dwmap::check::NoSchemas, &mut diags);
    (diags.sorted().into_iter().map(|it| format!("{}: {}", it.code, it.message)).collect(), checked)
}

#[tokio::test]
async fn whole_examples_check_and_their_tests_pass() {
    let mut tests = 0;
    for text in whole_examples().into_iter().filter(|it| !it.contains(USED)) {
        let (messages, checked) = checked(&text);
        assert_eq!(messages, Vec::<String>::new(), "{text}");
        for test in &checked.tests {
            let outcome = dwmap::runtime::rehearse::rehearse(&checked.program, test).await;
            assert!(outcome.has_passed(), "{}: {:?}\n{text}", outcome.name, outcome.failure.map(|it| it.1));
            tests += 1;
        }
    }
    assert!(tests >= 2);
}

/// The layers of the pages stand on maps that come with the program.
const USED: &str = "use \"std/";

#[test]
fn layers_of_the_pages_stand_on_the_standard_maps() {
    let layers: Vec<String> = whole_examples().into_iter().filter(|it| it.contains(USED)).collect();
    assert!(!layers.is_empty());
    for text in layers {
        let folder = Folder::new("page");
        folder.write("layer.dwmap", &text);
        let said = folder.dwmap(&["check"]);
        let is_right = said.exit == Some(0) && !said.messages.contains("warning[");
        assert!(is_right, "{}", said.messages);
    }
}

/// A layer in a fragment would be read by nobody.
#[test]
fn no_fragment_is_a_layer() {
    for (word, text) in fences(LANGUAGE) {
        assert!(word == "dwmap" || !text.contains(" extends "), "{text}");
    }
}

/// Most examples of an `explain` page are lines of maps, so a map stands around them. Whether they lead to their code is said by
/// the marked maps of `tests/diagnostics`.
#[test]
fn examples_of_explain_pages_are_in_the_language() {
    for info in dwmap::diag::codes::ALL {
        let fences = fences(info.explanation);
        assert!(fences.len() >= 2, "{} has a wrong and a right example", info.code);
        let broken = fences.iter().filter(|(word, text)| {
            assert_eq!(word, "dwmap", "{}", info.code);
            let lines = text.lines().map(|it| format!("  {it}\n")).collect::<String>();
            check_parses(text).is_err() && check_parses(&format!("map M: a.A <-> b.B {{\n{lines}}}\n")).is_err()
        });
        let expected = if info.code == dwmap::diag::codes::SYNTAX { 1 } else { 0 };
        assert_eq!(broken.count(), expected, "{}", info.code);
    }
}
