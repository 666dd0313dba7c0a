//! Fixes as changes of texts: which ones may be made together, and what the text is afterwards.

use super::{Diagnostic, Edit, Fix};
use crate::source::{FileId, Sources, Span};

/// The fixes that may be made without asking: of each diagnostic the first safe one with edits, in the order given. One that
/// touches text which an earlier one changes is left for the next time.
pub fn safe_fixes(diagnostics: &[Diagnostic]) -> Vec<(&Diagnostic, &Fix)> {
    let mut out: Vec<(&Diagnostic, &Fix)> = Vec::new();
    for diagnostic in diagnostics {
        let Some(fix) = diagnostic.fixes.iter().find(|it| it.safe && !it.edits.is_empty()) else { continue };
        let taken = || out.iter().flat_map(|(_, it)| &it.edits);
        let is_free = fix.edits.iter().all(|edit| taken().all(|other| !meet(edit, other)));
        let is_sound = fix.edits.iter().enumerate().all(|(at, edit)| fix.edits[..at].iter().all(|it| !meet(edit, it)));
        if is_free && is_sound {
            out.push((diagnostic, fix));
        }
    }
    out
}

/// Two edits that share a letter, or begin at one place: their order would decide what comes out.
fn meet(a: &Edit, b: &Edit) -> bool {
    let (a, b) = (a.span, b.span);
    a.file == b.file && (a.start < b.end && b.start < a.end || a.start == b.start)
}

/// The text of a file with these edits made; edits of other files are left out. They must not meet.
pub fn apply<'a>(file: FileId, text: &str, edits: impl IntoIterator<Item = &'a Edit>) -> String {
    let mut edits: Vec<&Edit> = edits.into_iter().filter(|it| it.span.file == file).collect();
    edits.sort_by_key(|it| it.span.start);
    let (mut out, mut at) = (String::with_capacity(text.len()), 0);
    for edit in edits {
        let range = edit.span.range();
        out.push_str(&text[at..range.start]);
        out.push_str(&edit.text);
        at = range.end;
    }
    out.push_str(&text[at..]);
    out
}

/// A place with the blanks that would be left over when it is taken out: those before it, and its whole line where nothing else
/// stands on it.
pub fn with_blanks(sources: &Sources, span: Span) -> Span {
    let text = &sources.file(span.file).text;
    let before = text[..span.start as usize].trim_end_matches([' ', '\t']);
    let after = text[span.end as usize..].trim_start_matches([' ', '\t']);
    let is_first = before.is_empty() || before.ends_with('\n');
    let is_last = after.is_empty() || after.starts_with(['\n', '\r']);
    match (is_first, is_last) {
        (true, false) => Span::new(span.file, span.start as usize, text.len() - after.len()),
        (true, true) => {
            let line = before.strip_suffix('\n').unwrap_or(before);
            Span::new(span.file, line.strip_suffix('\r').unwrap_or(line).len(), text.len() - after.len())
        }
        (false, _) => Span::new(span.file, before.len(), span.end as usize),
    }
}

#[cfg(test)]
mod tests {
    use super::{apply, safe_fixes, with_blanks};
    use crate::diag::{Diagnostic, Edit, codes};
    use crate::source::{FileId, Sources, Span};

    fn edit(start: usize, end: usize, text: &str) -> Edit {
        Edit { span: Span::new(FileId(0), start, end), text: text.to_owned() }
    }

    #[test]
    fn edits_are_made_from_left_to_right() {
        assert_eq!(apply(FileId(0), "eam <-> bar", &[edit(8, 11, "baz"), edit(0, 3, "ean")]), "ean <-> baz");
        assert_eq!(apply(FileId(0), "ab", &[edit(2, 2, "c")]), "abc");
        assert_eq!(apply(FileId(1), "ab", &[edit(0, 2, "c")]), "ab");
    }

    #[test]
    fn a_fix_that_meets_an_earlier_one_waits() {
        let problem = |start, end, safe| {
            let span = Span::new(FileId(0), start, end);
            Diagnostic::new(codes::UNKNOWN_NAME, span, "wrong", "here").replace("so", span, "right", safe)
        };
        let given = [problem(0, 4, true), problem(3, 6, true), problem(6, 8, false), problem(8, 9, true)];
        let starts: Vec<u32> = safe_fixes(&given).iter().map(|(it, _)| it.primary().start).collect();
        assert_eq!(starts, [0, 8]);
    }
    fn check_taken_out(before: &str, after: &str) {
        let mut sources = Sources::default();
        let file = sources.add("a", before).expect("it is short");
        let start = before.find("loses").expect("it is there");
        let span = with_blanks(&sources, Span::new(file, start, start + "loses".len()));
        assert_eq!(apply(file, before, &[Edit { span, text: String::new() }]), after);
    }

    #[test]
    fn what_is_taken_out_leaves_no_blanks() {
        check_taken_out("a <-> b   loses   else x // c\n", "a <-> b   else x // c\n");
        check_taken_out("a <-> b   loses // c\n", "a <-> b // c\n");
        check_taken_out("a <-> b // c\n    loses   else x\n", "a <-> b // c\n    else x\n");
        check_taken_out("a <-> b // c\n    loses\n", "a <-> b // c\n");
        check_taken_out("a <-> b\r\n    loses\r\n", "a <-> b\r\n");
    }
}
