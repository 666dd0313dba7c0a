//! CSV as RFC 4180 has it: commas, quotes around what needs them, a header line. An empty cell is null, `""` the empty text.

use std::iter::Peekable;
use std::str::Chars;

/// A line of cells, with the number of the line on which it begins.
pub type Line = (usize, Vec<Option<String>>);

/// The lines of a text; blank ones are passed over. The error says on which line something is wrong.
pub fn parse(text: &str) -> Result<Vec<Line>, String> {
    let (mut chars, mut number, mut lines) = (text.chars().peekable(), 1, Vec::new());
    while chars.peek().is_some() {
        let (first, mut cells) = (number, Vec::new());
        loop {
            cells.push(cell(&mut chars, &mut number)?);
            match chars.next() {
                Some(',') => {}
                Some('\n') => break number += 1,
                Some('\r') if chars.next_if_eq(&'\n').is_some() => break number += 1,
                None => break,
                Some(other) => return Err(format!("line {number}: `{other}` stands behind a closing quote")),
            }
        }
        if cells != [None] {
            lines.push((first, cells));
        }
    }
    Ok(lines)
}

fn cell(chars: &mut Peekable<Chars<'_>>, number: &mut usize) -> Result<Option<String>, String> {
    if chars.next_if_eq(&'"').is_some() {
        return quoted(chars, number).map(Some);
    }
    let mut text = String::new();
    while let Some(&next) = chars.peek() {
        let mut after = chars.clone();
        after.next();
        if matches!(next, ',' | '\n') || next == '\r' && after.peek() == Some(&'\n') {
            break;
        }
        text.push(next);
        chars.next();
    }
    Ok((!text.is_empty()).then_some(text))
}

fn quoted(chars: &mut Peekable<Chars<'_>>, number: &mut usize) -> Result<String, String> {
    let (first, mut text) = (*number, String::new());
    while let Some(next) = chars.next() {
        match next {
            '"' if chars.next_if_eq(&'"').is_some() => text.push('"'),
            '"' => return Ok(text),
            other => {
                *number += usize::from(other == '\n');
                text.push(other);
            }
        }
    }
    Err(format!("line {first}: a quote is not closed; the file may be half written"))
}

/// Appends a line.
pub fn write<'a>(out: &mut String, cells: impl Iterator<Item = Option<&'a str>>, line_end: &str) {
    for (number, cell) in cells.enumerate() {
        if number > 0 {
            out.push(',');
        }
        let Some(text) = cell else { continue };
        if text.is_empty() || text.contains([',', '"', '\n', '\r']) || text.trim() != text {
            out.push_str(&format!("\"{}\"", text.replace('"', "\"\"")));
        } else {
            out.push_str(text);
        }
    }
    out.push_str(line_end);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_read_back_as_they_were_written() {
        let cells = [None, Some(""), Some(" a "), Some("a,b"), Some("say \"so\""), Some("two\r\nlines"), Some("ž𝄞"), Some("x")];
        for line_end in ["\n", "\r\n"] {
            let mut text = String::new();
            write(&mut text, cells.into_iter(), line_end);
            write(&mut text, [Some("b"), None].into_iter(), line_end);
            let lines = parse(&text).expect("it is CSV");
            assert_eq!(lines[0], (1, cells.map(|it| it.map(str::to_owned)).to_vec()));
            assert_eq!(lines[1], (3, vec![Some("b".to_owned()), None]));
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        assert_eq!(parse("a,b\n1,\"x"), Err("line 2: a quote is not closed; the file may be half written".to_owned()));
        assert_eq!(parse("a\n\"x\"y\n"), Err("line 2: `y` stands behind a closing quote".to_owned()));
        assert_eq!(parse("\n\r\n"), Ok(Vec::new()));
        assert_eq!(parse("a,"), Ok(vec![(1, vec![Some("a".to_owned()), None])]));
    }
}
