//! The examples of the pages are in the language.

use dwmap::diag::Diagnostics;
use dwmap::source::Sources;
use dwmap::syntax::{self, format};

/// The fences of a page: what stands behind their marks, and their text.
fn fences(page: &str) -> Vec<(String, String)> {
    let mut out = Vec::new();
    let mut open: Option<(String, String)> = None;
    for line in page.lines() {
        match (line.strip_prefix("```"), open.take()) {
            (Some(word), None) => open = Some((word.trim().to_owned(), String::new())),
            (Some(_), Some(fence)) => out.push(fence),
            (None, Some((word, text))) => open = Some((word, text + line + "\n")),
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "every fence is closed");
    out
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

#[test]
fn whole_examples_parse_and_are_formatted() {
    let whole: Vec<String> = fences(LANGUAGE).into_iter().filter(|(word, _)| word == "dwmap").map(|it| it.1).collect();
    assert!(whole.len() >= 3);
    for text in whole {
        assert_eq!(check_parses(&text), Ok(()), "{text}");
        let formatted = format::format_text("page", &text).expect("the text parses");
        assert!(formatted == text, "{}", format::diff("grammar/README.md", &text, &formatted));
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
