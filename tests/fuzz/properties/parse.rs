//! Of the parser: every letter is accounted for, every place lies in the text, and an item cut out is the same item.

use super::{erased, is_inside, parsed, places_hold};
use dwmap::diag::Diagnostics;
use dwmap::source::{FileId, Sources, Span};
use dwmap::syntax::ast;

pub fn hold(text: &str) {
    let (sources, tree, diags) = parsed(text);
    assert_eq!(tree.is_broken, diags.has_errors(), "what is broken is reported, and nothing else: {diags:?}");
    places_hold(&sources, &diags.sorted());
    spans_hold(&sources, &tree);
    if !tree.is_broken {
        nothing_is_lost(text, &tree);
        items_stand_alone(text, &tree);
    }
}

/// Every place in the tree lies in the text.
fn spans_hold(sources: &Sources, tree: &ast::File) {
    for span in spans(tree) {
        assert!(is_inside(sources, span), "{span:?} is outside of the text: {tree:?}");
    }
    let mut end = 0;
    for item in &tree.items {
        assert!(item.span.start >= end, "items overlap: {:?}", item.span);
        end = item.span.end;
    }
}

/// All places of a tree, from its form for programmers: it shows every one.
fn spans(tree: &ast::File) -> Vec<Span> {
    let shown = format!("{tree:?}");
    let number = |text: &str, name: &str| {
        let digits = text.split_once(name)?.1;
        digits[..digits.find(|it: char| !it.is_ascii_digit())?].parse::<usize>().ok()
    };
    let span = |part: &str| {
        let part = &part[..part.find('}')?];
        Some(Span { file: FileId(0), start: number(part, "start: ")? as u32, end: number(&format!("{part} "), "end: ")? as u32 })
    };
    shown.split("Span {").skip(1).filter_map(span).collect()
}

/// What is in no item and no comment is blank.
fn nothing_is_lost(text: &str, tree: &ast::File) {
    let mut taken: Vec<Span> = tree.items.iter().map(|it| it.span).chain(tree.comments.iter().map(|it| it.span)).collect();
    taken.sort();
    let mut end = 0;
    for span in taken {
        let between = text.get(end..span.range().start).unwrap_or("");
        assert!(is_blank(between), "lost: {between:?}");
        end = end.max(span.range().end);
    }
    assert!(is_blank(&text[end..]), "lost at the end: {:?}", &text[end..]);
}

fn is_blank(text: &str) -> bool {
    text.chars().all(|it| it.is_whitespace() || it == '\u{feff}')
}

/// The text of an item alone gives that item.
fn items_stand_alone(text: &str, tree: &ast::File) {
    for item in &tree.items {
        let cut = &text[item.span.range()];
        let (_, alone, diags): (_, _, Diagnostics) = parsed(cut);
        assert!(!diags.has_errors(), "an item is broken when it stands alone: {cut:?} {diags:?}");
        let bare = ast::Item { docs: Vec::new(), ..item.clone() };
        assert_eq!(erased(&alone.items), erased(&[bare]), "an item is another when it stands alone: {cut:?}");
    }
}
