//! What must be true of any input whatever. The fuzz targets and the tests that replay their inputs share it.

pub mod check;
pub mod format;
pub mod parse;
pub mod program;

use dwmap::diag::{Diagnostic, Diagnostics};
use dwmap::source::{FileId, Sources, Span};
use dwmap::syntax::{self, ast};

/// A text with its tree, and what was said of it.
pub fn parsed(text: &str) -> (Sources, ast::File, Diagnostics) {
    let mut sources = Sources::default();
    let id = sources.add("test.dwmap", text).expect("the text is short");
    let mut diags = Diagnostics::default();
    let tree = syntax::parse(&sources, id, &mut diags);
    (sources, tree, diags)
}

/// Items as text, without their places.
pub fn erased(items: &[ast::Item]) -> String {
    let text = format!("{items:?}");
    let mut parts = text.split("Span {");
    let mut out = parts.next().expect("a split has a first part").to_owned();
    for part in parts {
        out.push_str(part.split_once('}').expect("a span ends").1);
    }
    out
}

/// The place lies within its text, between letters.
pub fn is_inside(sources: &Sources, span: Span) -> bool {
    let is_file = |file: FileId| sources.files().any(|(id, _)| id == file);
    is_file(span.file) && sources.file(span.file).text.get(span.range()).is_some()
}

/// Every place that a message names is one of the texts', and so is every text that a fix would change.
pub fn places_hold(sources: &Sources, diagnostics: &[Diagnostic]) {
    for it in diagnostics {
        assert!(it.labels.iter().any(|label| label.primary), "no place: {it:?}");
        let labels = it.labels.iter().map(|label| label.span);
        let edits = it.fixes.iter().flat_map(|fix| &fix.edits).map(|edit| edit.span);
        for span in labels.chain(edits) {
            assert!(is_inside(sources, span), "outside of the text: {it:?}");
        }
        assert!(!it.message.is_empty(), "no message: {it:?}");
    }
}
