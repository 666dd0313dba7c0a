//! Cuts a text into items and the bodies of items into lines, so that one broken line never hides the next.

use super::lexer::{Lexeme, Token};
use super::words;

/// Deepest nesting of brackets, conditions and negations in one piece.
pub const NESTING_MAX: usize = 48;

/// A chain of operators is a deep tree as well; so many count as one level.
const OPERATORS_PER_LEVEL: usize = 16;

/// A run of tokens: indices into the file's tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    pub docs: Vec<usize>,
    pub tokens: std::ops::Range<usize>,
}

/// A head and the tokens between its last pair of braces, where it has one.
pub struct Braced {
    pub head: std::ops::Range<usize>,
    pub body: std::ops::Range<usize>,
    pub is_closed: bool,
}

/// The items of a file. Text before the first item is a piece of its own.
pub fn items(source: &str, tokens: &[Lexeme]) -> Vec<Piece> {
    let in_first_column = |it: Lexeme| {
        it.token == Token::Word
            && (it.start == 0 || source.as_bytes()[it.start - 1] == b'\n' || source[..it.start].ends_with('\u{feff}'))
    };
    let is_name =
        |index: usize| tokens.get(index + 1).is_some_and(|next: &Lexeme| matches!(next.token, Token::Colon | Token::Arrow));
    let (mut starts, mut body) = (Vec::new(), Body::default());
    for (index, &it) in tokens.iter().enumerate() {
        let is_first = in_first_column(it) && !is_name(index);
        // Behind the end of a body there is only another item, even if its keyword is none.
        if is_first && (words::ITEMS.contains(&it.text(source)) || body.is_over) {
            starts.push(index);
            body = Body { is_wanted: !words::WITHOUT_BODY.contains(&it.text(source)), ..Body::default() };
        }
        body.take(it.token);
    }
    if let Some(first) = tokens.iter().position(|it| !it.is_trivia()).filter(|first| starts.first() != Some(first)) {
        starts.insert(0, first);
    }
    let ends = starts.iter().skip(1).copied().chain(std::iter::once(tokens.len()));
    starts
        .iter()
        .zip(ends)
        .map(|(&start, end)| Piece { docs: docs_before(tokens, start), tokens: start..trim_end(tokens, start, end) })
        .collect()
}

/// How far the braces of an item are read.
#[derive(Default)]
struct Body {
    is_wanted: bool,
    depth: usize,
    is_over: bool,
}

impl Body {
    fn take(&mut self, token: Token) {
        match token {
            Token::OpenBrace => self.depth += 1,
            Token::CloseBrace => {
                self.is_over = self.is_wanted && self.depth == 1;
                self.depth = self.depth.saturating_sub(1);
            }
            _ => {}
        }
    }
}

/// The documentation lines directly before a token.
fn docs_before(tokens: &[Lexeme], start: usize) -> Vec<usize> {
    let mut docs = Vec::new();
    let mut at = start;
    // One behind something on its line documents nothing.
    let is_own_line = |doc: usize| doc == 0 || tokens[doc - 1].token == Token::Newline;
    while at >= 2 && tokens[at - 1].token == Token::Newline && tokens[at - 2].token == Token::Doc && is_own_line(at - 2) {
        docs.push(at - 2);
        at -= 2;
    }
    docs.reverse();
    docs
}

/// The end of a run without the comments and line ends behind it.
pub fn trim_end(tokens: &[Lexeme], start: usize, mut end: usize) -> usize {
    while end > start && tokens[end - 1].is_trivia() {
        end -= 1;
    }
    end
}

/// Splits at the last top-level braces: `map N: A <-> B { … }`.
pub fn braced(tokens: &[Lexeme], piece: std::ops::Range<usize>) -> Option<Braced> {
    let mut depth = 0usize;
    let mut open = None;
    for index in piece.clone() {
        match tokens[index].token {
            Token::OpenBrace => {
                if depth == 0 {
                    open = Some(index);
                }
                depth += 1;
            }
            Token::CloseBrace => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    let open = open?;
    // A brace in the first column ends the item, even where a line inside forgot to close its own.
    let last = tokens[piece.end - 1];
    let ends_item = tokens[piece.end - 2].token == Token::Newline && tokens[piece.end - 2].end == last.start;
    let is_closed = piece.end > open + 1 && last.token == Token::CloseBrace && (depth == 0 || ends_item);
    let end = if is_closed { piece.end - 1 } else { piece.end };
    Some(Braced { head: piece.start..open, body: open + 1..end, is_closed })
}

/// The lines of a body. A line end inside brackets does not count; neither does one before a clause word, where `clauses` says so.
pub fn lines(source: &str, tokens: &[Lexeme], body: std::ops::Range<usize>, clauses: bool, commas: bool) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut depth = 0usize;
    let mut start: Option<usize> = None;
    let mut goes_on_until = 0;
    let unmatched = unmatched(tokens, body.clone());
    let mut close = |start: &mut Option<usize>, end: usize| {
        if let Some(from) = start.take() {
            pieces.push(Piece { docs: docs_before(tokens, from), tokens: from..trim_end(tokens, from, end) });
        }
    };
    for index in body.clone() {
        let it = tokens[index];
        match it.token {
            Token::OpenBrace | Token::OpenParen if unmatched.binary_search(&index).is_err() => depth += 1,
            Token::CloseBrace | Token::CloseParen if unmatched.binary_search(&index).is_err() => depth = depth.saturating_sub(1),
            Token::Newline if depth == 0 && start.is_some() && index >= goes_on_until => {
                match continuation(source, tokens, index, body.end).filter(|_| clauses) {
                    Some(next) => goes_on_until = next,
                    None => close(&mut start, index),
                }
            }
            Token::Comma if depth == 0 && commas => {
                close(&mut start, index);
                continue;
            }
            _ => {}
        }
        if start.is_none() && !it.is_trivia() {
            start = Some(index);
        }
    }
    close(&mut start, body.end);
    pieces
}

/// The clause word that the next line starts with, if it is not a field's name.
fn continuation(source: &str, tokens: &[Lexeme], newline: usize, end: usize) -> Option<usize> {
    let next = (newline..end).find(|&it| !tokens[it].is_trivia())?;
    let word = tokens[next].text(source);
    let after = tokens.get(next + 1).filter(|_| next + 1 < end).map(|it| (it.token, it.text(source)));
    let is_name = match after {
        Some((Token::Colon, _)) => true,
        // `else -> park`, `else <- skip`: the one clause that has arrows of its own.
        Some((Token::Arrow, arrow)) => word != "else" || !matches!(arrow, "->" | "<-"),
        _ => false,
    };
    (tokens[next].token == Token::Word && words::CLAUSES.contains(&word) && !is_name).then_some(next)
}

/// The brackets of a run that have no partner, in order. A line with one ends at its end all the same.
pub fn unmatched(tokens: &[Lexeme], run: std::ops::Range<usize>) -> Vec<usize> {
    let mut open: Vec<usize> = Vec::new();
    let mut open_braces = 0usize;
    let mut alone: Vec<usize> = Vec::new();
    for index in run {
        match tokens[index].token {
            Token::OpenParen => open.push(index),
            Token::OpenBrace => {
                open_braces += 1;
                open.push(index);
            }
            Token::CloseParen if open.last().is_some_and(|&it| tokens[it].token == Token::OpenParen) => {
                open.pop();
            }
            Token::CloseBrace if open_braces > 0 => {
                open_braces -= 1;
                while let Some(last) = open.pop().filter(|&it| tokens[it].token == Token::OpenParen) {
                    alone.push(last);
                }
            }
            Token::CloseParen | Token::CloseBrace => alone.push(index),
            _ => {}
        }
    }
    alone.extend(open);
    alone.sort_unstable();
    alone
}

/// How deep the brackets of a run nest.
pub fn bracket_depth(tokens: &[Lexeme]) -> usize {
    let (mut depth, mut deepest) = (0usize, 0);
    for it in tokens {
        match it.token {
            Token::OpenBrace | Token::OpenParen => depth += 1,
            Token::CloseBrace | Token::CloseParen => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// What one level of brackets adds to the depth of the tree, since its last comma.
#[derive(Clone, Copy, Default)]
struct Level {
    prefixes: usize,
    operators: usize,
}

impl Level {
    fn depth(self) -> usize {
        self.prefixes + self.operators / OPERATORS_PER_LEVEL
    }
}

/// How deep a piece nests, for the limit that keeps the parser's stack small.
pub fn nesting(source: &str, tokens: &[Lexeme]) -> usize {
    let mut levels = vec![Level::default()];
    let mut outer = 0usize;
    let mut deepest = 0;
    for it in tokens {
        let is_inner = levels.len() > 1;
        let level = levels.last_mut().expect("the outermost level is never closed");
        match it.token {
            Token::OpenBrace | Token::OpenParen => {
                outer += 1 + level.depth();
                levels.push(Level::default());
            }
            Token::CloseBrace | Token::CloseParen if is_inner => {
                levels.pop();
                outer -= 1 + levels.last().map_or(0, |it| it.depth());
            }
            Token::Word if matches!(it.text(source), "if" | "not") => level.prefixes += 1,
            Token::Word if matches!(it.text(source), "and" | "or" | "in") => level.operators += 1,
            Token::Operator => level.operators += 1,
            Token::Comma => *level = Level::default(),
            _ => {}
        }
        deepest = deepest.max(outer + levels.last().map_or(0, |it| it.depth()));
    }
    deepest
}
