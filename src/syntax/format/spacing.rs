//! Blanks between tokens. Only white space is decided here: every token is printed as it was written.

use std::ops::Range;

use crate::syntax::lexer::{Lexeme, Token};
use crate::syntax::words;

/// What a run of tokens is, for the few signs that mean two things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `<` compares.
    Expression,
    /// `<` opens a type's numbers, up to `=` or `in`.
    Types,
    /// A profile's facts: words are what stands between blanks.
    Facts,
}

/// A token as the printer sees it.
#[derive(Clone, Copy, Debug)]
pub struct Unit<'a> {
    pub token: Token,
    pub text: &'a str,
    /// A blank stands before it when it follows another token on its line.
    pub is_apart: bool,
}

impl Unit<'_> {
    pub fn opens(&self) -> bool {
        matches!(self.token, Token::OpenBrace | Token::OpenParen)
    }

    pub fn closes(&self) -> bool {
        matches!(self.token, Token::CloseBrace | Token::CloseParen)
    }

    pub fn is_comment(&self) -> bool {
        matches!(self.token, Token::Comment | Token::Doc)
    }

    fn is_operand(&self) -> bool {
        match self.token {
            Token::Word => !words::OPERATORS.contains(&self.text) && !matches!(self.text, "when" | "via"),
            Token::Text | Token::Number | Token::Quoted | Token::CloseParen | Token::CloseBrace => true,
            Token::Newline
            | Token::Doc
            | Token::Comment
            | Token::OpenText
            | Token::Arrow
            | Token::OpenBrace
            | Token::OpenParen
            | Token::Comma
            | Token::Colon
            | Token::Dot
            | Token::Operator
            | Token::Stray => false,
        }
    }
}

/// Where the walk over a run of tokens stands.
struct Walk {
    kind: Kind,
    in_types: bool,
    depth: usize,
    /// Depth of the `=` that turned a type's text into an expression.
    expression_depth: usize,
    angles: usize,
    after_sign: bool,
    previous_end: usize,
}

/// The tokens of a range with their blanks decided.
pub fn units<'a>(source: &'a str, tokens: &[Lexeme], range: Range<usize>, kind: Kind) -> Vec<Unit<'a>> {
    let mut walk = Walk {
        kind,
        in_types: kind == Kind::Types,
        depth: 0,
        expression_depth: 0,
        angles: 0,
        after_sign: false,
        previous_end: 0,
    };
    let mut out: Vec<Unit<'a>> = Vec::with_capacity(range.len());
    for &it in &tokens[range] {
        let text = it.text(source);
        if walk.in_types && text == ">=" {
            // `set<text<4>>= …`: longest match joined the end of a type with the sign behind it.
            walk.push(&mut out, Token::Operator, &text[..1], it.start);
            walk.push(&mut out, Token::Operator, &text[1..], it.start + 1);
        } else {
            let text = if it.is_trivia() { text.trim_end() } else { text };
            walk.push(&mut out, it.token, text, it.start);
        }
    }
    out
}

impl Walk {
    fn push<'a>(&mut self, out: &mut Vec<Unit<'a>>, token: Token, text: &'a str, start: usize) {
        let previous = out.iter().rev().find(|it| it.token != Token::Newline && !it.is_comment());
        let mut unit = Unit { token, text, is_apart: true };
        if unit.is_comment() || token == Token::Newline {
            out.push(unit);
            return;
        }
        let is_sign = text == "-" && token == Token::Operator && !previous.is_some_and(Unit::is_operand);
        unit.is_apart = match previous {
            None => false,
            Some(previous) if self.kind == Kind::Facts => self.is_apart_in_facts(previous, unit, start),
            Some(_) if self.after_sign => false,
            Some(previous) => self.is_apart(previous, unit),
        };
        self.note(unit, is_sign);
        self.previous_end = start + text.len();
        out.push(unit);
    }

    /// What a profile's words are is known to the profile alone: `1900-01-01` is one word.
    fn is_apart_in_facts(&self, previous: &Unit<'_>, unit: Unit<'_>, start: usize) -> bool {
        unit.token != Token::Comma && (previous.token == Token::Comma || start > self.previous_end)
    }

    fn is_apart(&self, previous: &Unit<'_>, unit: Unit<'_>) -> bool {
        let is_angle = |it: &Unit<'_>| self.in_types && matches!(it.text, "<" | ">");
        if matches!(unit.token, Token::Comma | Token::Colon | Token::Dot | Token::CloseParen) || unit.text == "?" {
            return false;
        }
        if matches!(previous.token, Token::Dot | Token::OpenParen) || (is_angle(previous) && previous.text == "<") {
            return false;
        }
        if is_angle(&unit) || (self.angles > 0 && previous.token == Token::Comma) {
            return false;
        }
        match unit.token {
            Token::OpenParen => !is_callee(previous),
            Token::CloseBrace => previous.token != Token::OpenBrace,
            Token::Newline
            | Token::Doc
            | Token::Comment
            | Token::Text
            | Token::OpenText
            | Token::Number
            | Token::Word
            | Token::Quoted
            | Token::Arrow
            | Token::OpenBrace
            | Token::CloseParen
            | Token::Comma
            | Token::Colon
            | Token::Dot
            | Token::Operator
            | Token::Stray => true,
        }
    }

    /// Remembers what the next token needs to know.
    fn note(&mut self, unit: Unit<'_>, is_sign: bool) {
        self.after_sign = is_sign;
        if unit.opens() {
            self.depth += 1;
        } else if unit.closes() {
            self.depth = self.depth.saturating_sub(1);
        }
        if self.kind != Kind::Types {
            return;
        }
        if self.in_types {
            match unit.text {
                "<" => self.angles += 1,
                ">" => self.angles = self.angles.saturating_sub(1),
                _ => {}
            }
            if unit.text == "=" || (unit.text == "in" && unit.token == Token::Word && self.depth == 0) {
                self.in_types = false;
                self.angles = 0;
                self.expression_depth = self.depth;
            }
        } else if self.expression_depth > 0 {
            // A member's number has ended: `choice { None = 0, Some = 1 }`.
            let is_end = unit.token == Token::Comma && self.depth == self.expression_depth;
            self.in_types = is_end || self.depth < self.expression_depth;
        }
    }
}

/// A parenthesis directly behind it holds arguments.
fn is_callee(previous: &Unit<'_>) -> bool {
    const SPACED: &[&str] = &["via", "when", "for", "key", "unique", "partition", "filter"];
    match previous.token {
        Token::Word => !words::OPERATORS.contains(&previous.text) && !SPACED.contains(&previous.text),
        Token::Quoted => true,
        Token::Newline
        | Token::Doc
        | Token::Comment
        | Token::Text
        | Token::OpenText
        | Token::Number
        | Token::Arrow
        | Token::OpenBrace
        | Token::CloseBrace
        | Token::OpenParen
        | Token::CloseParen
        | Token::Comma
        | Token::Colon
        | Token::Dot
        | Token::Operator
        | Token::Stray => false,
    }
}

/// Nothing in it needs a line of its own: no comment, and no bracket that the author opened at a line's end.
pub fn is_flat(units: &[Unit<'_>]) -> bool {
    let breaks = |at: usize| units[at].opens() && units.get(at + 1).is_some_and(|it| it.token == Token::Newline);
    !units.iter().any(Unit::is_comment) && !(0..units.len()).any(breaks)
}

/// All on one line.
pub fn flat(units: &[Unit<'_>]) -> String {
    let mut out = String::new();
    for it in units.iter().filter(|it| it.token != Token::Newline) {
        if it.is_apart && !out.is_empty() {
            out.push(' ');
        }
        out.push_str(it.text);
    }
    out
}

/// Columns before the second and later lines of one piece.
pub const CONTINUATION_INDENT: usize = 2;

/// Blanks before a comment behind something.
pub const COMMENT_GAP: &str = "   ";

/// On several lines: comments end theirs, and a bracket that was opened at a line's end keeps its line ends.
pub fn wrapped(units: &[Unit<'_>], indent: usize) -> String {
    let mut out = String::new();
    let mut groups: Vec<bool> = Vec::new();
    let (mut saw_newline, mut must_break) = (false, false);
    for (at, it) in units.iter().enumerate() {
        if it.token == Token::Newline {
            saw_newline = true;
            continue;
        }
        let closes_broken = it.closes() && groups.pop() == Some(true);
        let in_broken = saw_newline && groups.last() == Some(&true) && !it.closes();
        if !out.is_empty() {
            if must_break || closes_broken || in_broken || (saw_newline && it.is_comment()) {
                break_line(&mut out, indent, &groups, closes_broken);
            } else if it.is_comment() {
                out.push_str(COMMENT_GAP);
            } else if it.is_apart {
                out.push(' ');
            }
        }
        out.push_str(it.text);
        must_break = it.is_comment();
        saw_newline = false;
        if it.opens() {
            groups.push(units.get(at + 1).is_some_and(|next| next.token == Token::Newline || next.is_comment()));
        }
    }
    out
}

fn break_line(out: &mut String, indent: usize, groups: &[bool], closes_broken: bool) {
    let broken = groups.iter().filter(|&&it| it).count();
    let extra = if broken == 0 && !closes_broken { CONTINUATION_INDENT } else { 2 * broken };
    out.push('\n');
    out.extend(std::iter::repeat_n(' ', indent + extra));
}
