//! Tokens and grammar together: text to tree.
//!
//! pest stops at its first error, so every item, and inside an item every line, is parsed on its own with its base offset.
//! A piece that does not parse costs one message; the rest of the file is still there for everybody else.

mod expr;
mod items;
mod lines;
mod message;
mod steps;

use std::collections::HashSet;

use pest::Parser;
use pest::iterators::Pair;

use super::ast::{Comment, File, Item, Name, Path, Quoted};
use super::lexer::{Lexeme, Token, lex};
use super::slice::{self, NESTING_MAX, Piece};
use crate::crew;
use crate::diag::{Diagnostic, Diagnostics, codes};
use crate::source::{FileId, Sources, Span};

#[derive(pest_derive::Parser)]
#[grammar = "../grammar/dwmap.pest"]
struct Grammar;

/// Most items of one file.
pub const ITEMS_MAX: usize = 20_000;

/// Most messages about one file; what follows them is not parsed, only known to be broken.
pub const ERRORS_PER_FILE_MAX: usize = 1_000;

/// Items that are parsed by one hand before it takes others.
const ITEMS_AT_A_TIME: usize = 32;

/// Parses one file. What does not parse is reported and left out.
pub fn parse(sources: &Sources, file: FileId, diags: &mut Diagnostics) -> File {
    parse_by(sources, file, ITEMS_AT_A_TIME, diags)
}

/// Parses several files, as [`parse`] does one after the other.
pub fn parse_all(sources: &Sources, files: &[FileId], diags: &mut Diagnostics) -> Vec<File> {
    if let [single] = files {
        return vec![parse(sources, *single, diags)];
    }
    let parsed = crew::each(files, 1, |file| {
        let mut diags = Diagnostics::default();
        // Every hand has files of its own.
        let file = parse_by(sources, *file, usize::MAX, &mut diags);
        (file, diags)
    });
    let mut out = Vec::with_capacity(parsed.len());
    for (file, found) in parsed {
        diags.append(found);
        out.push(file);
    }
    out
}

fn parse_by(sources: &Sources, file: FileId, items_at_a_time: usize, diags: &mut Diagnostics) -> File {
    let source = &sources.file(file).text;
    let tokens = lex(source);
    let mut own = Diagnostics::default();
    let mut parser = FileParser { source, tokens: &tokens, file, diags: &mut own, errors: 0, unread: None };
    let pieces = slice::items(source, &tokens);
    if pieces.len() > ITEMS_MAX {
        parser.report(tokens[pieces[ITEMS_MAX].tokens.start], &format!("a file has at most {ITEMS_MAX} items"), "split the file");
    }
    let (errors, mut unread) = (parser.errors, parser.unread);
    let pieces = &pieces[..pieces.len().min(ITEMS_MAX)];
    let parsed = crew::each(pieces, items_at_a_time, |it| parse_one(source, &tokens, file, it, 0));
    let mut items = Vec::with_capacity(pieces.len());
    if errors + parsed.iter().map(|it| it.errors).sum::<usize>() < ERRORS_PER_FILE_MAX {
        for it in parsed {
            join(&mut unread, it.unread);
            items.extend(it.item);
            own.append(it.diags);
        }
    } else {
        // How far such a file is parsed depends on all errors before.
        let mut errors = errors;
        for piece in pieces {
            let it = parse_one(source, &tokens, file, piece, errors);
            errors = it.errors;
            join(&mut unread, it.unread);
            items.extend(it.item);
            own.append(it.diags);
        }
    }
    diags.append(own);
    let (is_broken, unread) = (unread.is_some(), unread.unwrap_or_default());
    File { id: file, items, comments: comments(source, &tokens, file), is_broken, unread }
}

/// The words of what did not parse, where something did not.
type Unread = Option<HashSet<String>>;

fn join(unread: &mut Unread, more: Unread) {
    if let Some(more) = more {
        unread.get_or_insert_default().extend(more);
    }
}

/// One item, and what was said of it.
struct Parsed {
    item: Option<Item>,
    diags: Diagnostics,
    /// Errors of the file so far.
    errors: usize,
    unread: Unread,
}

fn parse_one(source: &str, tokens: &[Lexeme], file: FileId, piece: &Piece, errors: usize) -> Parsed {
    let mut diags = Diagnostics::default();
    let mut parser = FileParser { source, tokens, file, diags: &mut diags, errors, unread: None };
    let item = parser.item(piece);
    let (errors, unread) = (parser.errors, parser.unread);
    Parsed { item, diags, errors, unread }
}

fn comments(source: &str, tokens: &[Lexeme], file: FileId) -> Vec<Comment> {
    let comment = |(index, it): (usize, &Lexeme)| Comment {
        span: Span::new(file, it.start, it.end),
        is_doc: it.token == Token::Doc,
        is_trailing: index > 0
            && tokens[index - 1].token != Token::Newline
            && !source[..it.start].trim_end_matches([' ', '\t']).ends_with('\n'),
    };
    tokens.iter().enumerate().filter(|(_, it)| matches!(it.token, Token::Comment | Token::Doc)).map(comment).collect()
}

/// What all pieces of a file share.
struct FileParser<'a> {
    source: &'a str,
    tokens: &'a [Lexeme],
    file: FileId,
    diags: &'a mut Diagnostics,
    errors: usize,
    unread: Unread,
}

/// Turns pairs of one piece into tree nodes: it knows where the piece begins.
#[derive(Clone, Copy)]
struct Builder {
    file: FileId,
    base: usize,
}

impl<'a> FileParser<'a> {
    /// Parses a piece with one rule of the grammar.
    fn pair(&mut self, rule: Rule, tokens: std::ops::Range<usize>) -> Option<(Builder, Pair<'a, Rule>)> {
        let found = self.try_pair(rule, tokens.clone());
        if found.is_none() && !tokens.is_empty() {
            self.leave_unread(tokens);
        }
        found
    }

    fn leave_unread(&mut self, tokens: std::ops::Range<usize>) {
        let words = self.tokens[tokens].iter().filter(|it| matches!(it.token, Token::Word | Token::Quoted));
        let words = words.map(|it| it.text(self.source).trim_matches('`').to_owned());
        self.unread.get_or_insert_default().extend(words);
    }

    fn try_pair(&mut self, rule: Rule, tokens: std::ops::Range<usize>) -> Option<(Builder, Pair<'a, Rule>)> {
        if tokens.is_empty() || self.errors >= ERRORS_PER_FILE_MAX {
            return None;
        }
        let lexemes = &self.tokens[tokens.clone()];
        let (start, end) = (lexemes[0].start, lexemes[lexemes.len() - 1].end);
        if slice::nesting(self.source, lexemes) > NESTING_MAX {
            self.report(
                lexemes[0],
                &format!("this is nested more than {NESTING_MAX} levels deep"),
                "name parts of it as functions",
            );
            return None;
        }
        if let Some(open) = lexemes.iter().find(|it| it.token == Token::OpenText) {
            self.report(*open, "this text has no closing quote", "close the text with `\"` on the same line");
            return None;
        }
        if let [first, second, ..] = lexemes
            && (first.text(self.source), second.text(self.source), first.end) == ("-", "-", second.start)
        {
            self.stray(Lexeme { end: second.end, ..*first });
            return None;
        }
        if let Some(stray) = lexemes.iter().find(|it| it.token == Token::Stray) {
            self.stray(*stray);
            return None;
        }
        if let Some(&bracket) = slice::unmatched(self.tokens, tokens).first().filter(|_| rule != Rule::profile_line) {
            self.bracket(self.tokens[bracket]);
            return None;
        }
        let builder = Builder { file: self.file, base: start };
        match Grammar::parse(rule, &self.source[start..end]) {
            Ok(mut pairs) => pairs.next().map(|pair| (builder, pair)),
            Err(error) => {
                let diagnostic = message::syntax_error(self, rule, &error, start, end);
                self.push(diagnostic);
                None
            }
        }
    }

    fn stray(&mut self, at: Lexeme) {
        let letter = at.text(self.source);
        // A quote needs no backslash between backticks.
        let shown = if letter == "'" { letter.to_owned() } else { letter.escape_debug().to_string() };
        let (advice, text) = message::stray(letter, &self.source[at.end..]);
        let span = Span::new(self.file, at.start, at.end);
        let diagnostic = Diagnostic::new(codes::SYNTAX, span, format!("`{shown}` means nothing here"), "here");
        self.push(match text {
            Some(text) => diagnostic.replace(advice, span, text, false),
            None => diagnostic.advice(advice),
        });
    }

    fn bracket(&mut self, at: Lexeme) {
        let text = at.text(self.source);
        let partner = match text {
            "(" => ")",
            "{" => "}",
            _ => return self.report(at, &format!("`{text}` closes nothing"), "remove it, or open it before"),
        };
        self.report(at, &format!("`{text}` is not closed"), &format!("close it with `{partner}`"));
    }

    fn report(&mut self, at: Lexeme, message: &str, advice: &str) {
        let span = Span::new(self.file, at.start, at.end);
        self.push(Diagnostic::new(codes::SYNTAX, span, message, "here").advice(advice));
    }

    fn push(&mut self, diagnostic: Diagnostic) {
        self.unread.get_or_insert_default();
        if self.errors < ERRORS_PER_FILE_MAX {
            self.errors += 1;
            self.diags.push(diagnostic);
        }
    }

    fn docs(&self, piece: &Piece) -> Vec<String> {
        let text = |&index: &usize| self.tokens[index].text(self.source).trim_start_matches('/').trim().to_owned();
        piece.docs.iter().map(text).collect()
    }

    fn span(&self, tokens: &std::ops::Range<usize>) -> Span {
        Span::new(self.file, self.tokens[tokens.start].start, self.tokens[tokens.end - 1].end)
    }

    fn word(&self, index: usize) -> &'a str {
        self.tokens.get(index).filter(|it| it.token == Token::Word).map_or("", |it| it.text(self.source))
    }

    fn is_call(&self, index: usize, end: usize) -> bool {
        index + 1 < end && self.tokens[index + 1].token == Token::OpenParen
    }

    /// The token after a keyword says whether the keyword is a name instead.
    fn is_name(&self, index: usize, end: usize) -> bool {
        index + 1 < end && matches!(self.tokens[index + 1].token, Token::Colon | Token::Arrow)
    }
}

impl Builder {
    fn span(self, pair: &Pair<'_, Rule>) -> Span {
        let span = pair.as_span();
        // Implicit white space at the end belongs to nobody.
        let text = span.as_str().trim_end();
        Span::new(self.file, self.base + span.start(), self.base + span.start() + text.len())
    }

    fn name(self, pair: Pair<'_, Rule>) -> Name {
        Name { text: pair.as_str().trim().trim_matches('`').to_owned(), span: self.span(&pair) }
    }

    fn path(self, pair: Pair<'_, Rule>) -> Path {
        let span = self.span(&pair);
        Path { segments: pair.into_inner().map(|it| self.name(it)).collect(), span }
    }

    fn quoted(self, pair: &Pair<'_, Rule>) -> Quoted {
        Quoted { text: unescape(pair.as_str()), span: self.span(pair) }
    }
}

/// `"a\"b"` to `a"b`.
fn unescape(literal: &str) -> String {
    let inner = &literal[1..literal.len() - 1];
    let mut out = String::with_capacity(inner.len());
    let mut letters = inner.chars();
    while let Some(letter) = letters.next() {
        match (letter, letter == '\\') {
            (_, true) => match letters.next() {
                Some('n') => out.push('\n'),
                Some('t') => out.push('\t'),
                Some('r') => out.push('\r'),
                Some(other) => out.push(other),
                None => {}
            },
            (other, false) => out.push(other),
        }
    }
    out
}
