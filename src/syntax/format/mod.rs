//! The tree and its comments, printed in the one form that maps have.
//!
//! Only blanks and line ends are decided here. The tree says where items, rules and clauses begin, but what is printed are the
//! author's own tokens, so that escapes, backticks, parentheses and comments cannot change or get lost. The few line ends
//! that a reader uses to say something stay: blank lines (one at most) and the lines of a bracket opened at a line's end.

mod body;
mod rows;
mod spacing;

use super::{ast, parse};
use crate::diag::Diagnostics;
use crate::source::{Sources, TooLong};

/// Why a text was not formatted.
#[derive(Debug)]
pub enum Unformatted {
    TooLong(TooLong),
    /// The text does not parse: what is missing from the tree would be missing from the output.
    Broken {
        sources: Sources,
        diagnostics: Diagnostics,
    },
}

/// Formats a parsed file. `None` when some of it did not parse.
pub fn format(sources: &Sources, file: &ast::File) -> Option<String> {
    let text = &sources.file(file.id).text;
    (!file.is_broken).then(|| {
        let out = body::file(text, file);
        assert!(letters(text).eq(letters(&out)), "formatting changes blanks, line ends and commas at line ends only");
        out
    })
}

/// Rows that were on one line lose the commas between them.
fn letters(text: &str) -> impl Iterator<Item = char> {
    text.chars().filter(|it| !it.is_whitespace() && *it != ',')
}

/// Parses and formats a text that belongs to no project.
pub fn format_text(name: &str, text: &str) -> Result<String, Unformatted> {
    let mut sources = Sources::default();
    let id = sources.add(name, text).map_err(Unformatted::TooLong)?;
    let mut diagnostics = Diagnostics::default();
    let file = parse(&sources, id, &mut diagnostics);
    format(&sources, &file).ok_or(Unformatted::Broken { sources, diagnostics })
}

/// Unchanged lines around each difference.
const DIFF_CONTEXT_LINES: usize = 3;

/// What formatting would change, as a unified difference; empty when nothing changes.
pub fn diff(name: &str, old: &str, new: &str) -> String {
    if old == new {
        return String::new();
    }
    similar::TextDiff::from_lines(old, new).unified_diff().context_radius(DIFF_CONTEXT_LINES).header(name, name).to_string()
}
