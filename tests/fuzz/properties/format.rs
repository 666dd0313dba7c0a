//! Of the formatter: one form, the same tree, every comment.

use super::{erased, parsed};
use dwmap::syntax::format;

pub fn hold(text: &str) {
    formatted(text);
}

/// Formats a text and holds what is true of every formatted text. `None`: the text does not parse.
pub fn formatted(text: &str) -> Option<String> {
    let (sources, tree, _) = parsed(text);
    let Some(formatted) = format::format(&sources, &tree) else {
        assert!(tree.is_broken, "only a broken file is refused");
        return None;
    };
    let (again_sources, again, _) = parsed(&formatted);
    assert!(!again.is_broken, "the output does not parse:\n{text}\n=>\n{formatted}");
    assert_eq!(erased(&tree.items), erased(&again.items), "the tree changed:\n{text}\n=>\n{formatted}");
    assert_eq!(comments(text), comments(&formatted), "a comment moved:\n{text}\n=>\n{formatted}");
    assert_eq!(format::format(&again_sources, &again).as_deref(), Some(formatted.as_str()), "not settled:\n{text}");
    assert!(formatted.lines().all(|line| line.trim_end() == line), "blanks at a line's end:\n{formatted}");
    Some(formatted)
}

fn comments(text: &str) -> Vec<(String, bool)> {
    let (sources, tree, _) = parsed(text);
    tree.comments.iter().map(|it| (sources.text(it.span).trim_end().to_owned(), it.is_trailing)).collect()
}
