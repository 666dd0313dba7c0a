//! From the tree to lines: items, their bodies, and what stands between them.

use std::ops::Range;

use super::rows::{self, Class, Clause, Row};
use super::spacing::{self, Kind, Unit};
use crate::syntax::ast::{ClauseKind, File, ItemKind, Member, MemberKind, Rule};
use crate::syntax::lexer::{Lexeme, Token, lex};
use crate::syntax::slice::{self, Braced, Piece};

/// What a file is made of once its line ends are decided.
enum Entry {
    Blank,
    /// A comment on a line of its own.
    Comment {
        indent: usize,
        text: String,
    },
    Row(Row),
}

/// Prints a file that parsed as a whole.
pub fn file(source: &str, file: &File) -> String {
    let tokens = lex(source);
    let mut printer = Printer { source, tokens: &tokens, entries: Vec::new() };
    printer.items(file);
    printer.print()
}

struct Printer<'a> {
    source: &'a str,
    tokens: &'a [Lexeme],
    entries: Vec<Entry>,
}

/// Items that may stand close together.
fn is_line(kind: &ItemKind) -> bool {
    match kind {
        ItemKind::Use { .. } | ItemKind::System { .. } | ItemKind::Function(_) | ItemKind::Param { .. } => true,
        ItemKind::Entity(_)
        | ItemKind::Profile(_)
        | ItemKind::Values(_)
        | ItemKind::Iso(_)
        | ItemKind::Map(_)
        | ItemKind::Test(_) => false,
    }
}

impl Printer<'_> {
    fn items(&mut self, file: &File) {
        let pieces = slice::items(self.source, self.tokens);
        let mut at = 0;
        let mut before: Option<&ItemKind> = None;
        for (piece, item) in pieces.iter().zip(&file.items) {
            let first = self.entries.len();
            self.between(at..piece.tokens.start, 0);
            let may_touch = before.is_none_or(|before| is_line(before) && is_line(&item.kind));
            if !may_touch && !self.entries[first..].iter().any(|it| matches!(it, Entry::Blank)) {
                self.entries.insert(first, Entry::Blank);
            }
            self.item(piece, &item.kind);
            at = piece.tokens.end;
            before = Some(&item.kind);
        }
        self.between(at..self.tokens.len(), 0);
        self.drop_blank();
    }

    fn item(&mut self, piece: &Piece, kind: &ItemKind) {
        match kind {
            ItemKind::Use { .. } | ItemKind::System { .. } => self.alone(piece.tokens.clone(), Kind::Expression, 0),
            ItemKind::Function(_) | ItemKind::Param { .. } => self.alone(piece.tokens.clone(), Kind::Types, 0),
            ItemKind::Entity(_) => self.lines(piece, |it, line, _| it.field(line)),
            ItemKind::Profile(_) => self.lines(piece, |it, line, _| it.named(line, Class::Fact, Kind::Facts)),
            ItemKind::Test(_) => self.lines(piece, |it, line, _| it.worded(line, Class::Step)),
            ItemKind::Iso(_) => self.iso(piece),
            ItemKind::Values(_) => {
                let braced = self.open(piece.tokens.clone(), Kind::Expression, 0);
                let pieces = slice::lines(self.source, self.tokens, braced.body.clone(), false, true);
                self.body(&braced, &pieces, 0, |it, line, _| it.value_row(line));
            }
            ItemKind::Map(map) => {
                let braced = self.open(piece.tokens.clone(), Kind::Expression, 0);
                self.members(&braced, &map.members, 0);
            }
        }
    }

    /// An item whose body is lines without clauses.
    fn lines(&mut self, piece: &Piece, line: fn(&mut Self, Range<usize>, usize)) {
        let braced = self.open(piece.tokens.clone(), Kind::Expression, 0);
        let pieces = slice::lines(self.source, self.tokens, braced.body.clone(), false, false);
        self.body(&braced, &pieces, 0, line);
    }

    /// Two directions, each on its line.
    fn iso(&mut self, piece: &Piece) {
        let braced = self.open(piece.tokens.clone(), Kind::Types, 0);
        let arrows: Vec<usize> = braced.body.clone().filter(|&it| self.tokens[it].token == Token::Arrow).collect();
        let ends = arrows.iter().skip(1).copied().chain(std::iter::once(braced.body.end));
        let direction = |(&start, end)| Piece { docs: Vec::new(), tokens: start..slice::trim_end(self.tokens, start, end) };
        let pieces: Vec<Piece> = arrows.iter().zip(ends).map(direction).collect();
        self.body(&braced, &pieces, 0, |it, line, _| it.alone(line, Kind::Expression, INDENT));
    }

    /// Prints a head with its brace.
    fn open(&mut self, tokens: Range<usize>, kind: Kind, indent: usize) -> Braced {
        let braced = slice::braced(self.tokens, tokens).expect("an item that parsed has its braces");
        self.alone(braced.head.start..braced.body.start, kind, indent);
        braced
    }

    /// The lines of a body and the closing brace.
    fn body(&mut self, braced: &Braced, pieces: &[Piece], indent: usize, mut line: impl FnMut(&mut Self, Range<usize>, usize)) {
        let first = self.entries.len();
        let mut at = braced.body.start;
        for (index, piece) in pieces.iter().enumerate() {
            self.between(at..piece.tokens.start, indent + INDENT);
            line(self, piece.tokens.clone(), index);
            at = piece.tokens.end;
        }
        self.between(at..braced.body.end, indent + INDENT);
        if matches!(self.entries.get(first), Some(Entry::Blank)) {
            self.entries.remove(first);
        }
        self.drop_blank();
        self.entries.push(Entry::Row(Row::alone(indent, "}".to_owned())));
    }

    /// Comments and blank lines between two pieces.
    fn between(&mut self, range: Range<usize>, indent: usize) {
        let mut newlines = 0;
        for it in &self.tokens[range] {
            match it.token {
                Token::Newline => newlines += 1,
                Token::Comment | Token::Doc => {
                    let text = it.text(self.source).trim_end().to_owned();
                    self.comment(text, indent, newlines);
                    newlines = 0;
                }
                // Commas between the rows of a value map: a line end says the same.
                Token::Comma => {}
                Token::Text
                | Token::OpenText
                | Token::Number
                | Token::Word
                | Token::Quoted
                | Token::Arrow
                | Token::OpenBrace
                | Token::CloseBrace
                | Token::OpenParen
                | Token::CloseParen
                | Token::Colon
                | Token::Dot
                | Token::Operator
                | Token::Stray => unreachable!("a file that parsed has nothing but comments between its pieces"),
            }
        }
        if newlines >= 2 {
            self.blank();
        }
    }

    fn comment(&mut self, text: String, indent: usize, newlines: usize) {
        if let (0, Some(Entry::Row(row))) = (newlines, self.entries.last_mut()) {
            row.comment = Some(text);
            return;
        }
        if newlines >= 2 {
            self.blank();
        }
        self.entries.push(Entry::Comment { indent, text });
    }

    fn blank(&mut self) {
        if !self.entries.is_empty() {
            self.entries.push(Entry::Blank);
        }
    }

    fn drop_blank(&mut self) {
        if matches!(self.entries.last(), Some(Entry::Blank)) {
            self.entries.pop();
        }
    }

    fn units(&self, tokens: Range<usize>, kind: Kind) -> Vec<Unit<'_>> {
        spacing::units(self.source, self.tokens, tokens, kind)
    }

    fn flat(&self, tokens: Range<usize>, kind: Kind) -> String {
        spacing::flat(&self.units(tokens, kind))
    }

    fn alone(&mut self, tokens: Range<usize>, kind: Kind, indent: usize) {
        let units = self.units(tokens, kind);
        let text = if spacing::is_flat(&units) { spacing::flat(&units) } else { spacing::wrapped(&units, indent) };
        self.entries.push(Entry::Row(Row::alone(indent, text)));
    }

    /// A line with comments or broken brackets inside is printed by itself and shares no columns.
    fn is_alone(&mut self, tokens: &Range<usize>, kind: Kind, indent: usize) -> bool {
        let is_flat = spacing::is_flat(&self.units(tokens.clone(), kind));
        if !is_flat {
            self.alone(tokens.clone(), kind, indent);
        }
        !is_flat
    }

    /// `partition key name: type marks`, `unique (a, b)`
    fn field(&mut self, tokens: Range<usize>) {
        self.named(tokens, Class::Field, Kind::Types);
    }

    /// `name: the rest`
    fn named(&mut self, tokens: Range<usize>, class: Class, kind: Kind) {
        let colon = tokens.clone().find(|&it| self.tokens[it].token == Token::Colon);
        let Some(colon) = colon else { return self.alone(tokens, kind, INDENT) };
        if self.is_alone(&tokens, kind, INDENT) {
            return;
        }
        let mut row = Row::new(class, INDENT, self.flat(tokens.start..colon + 1, Kind::Expression));
        row.right = self.flat(colon + 1..tokens.end, kind);
        self.entries.push(Entry::Row(row));
    }

    /// `word the rest`
    fn worded(&mut self, tokens: Range<usize>, class: Class) {
        if self.is_alone(&tokens, Kind::Expression, INDENT) {
            return;
        }
        let mut row = Row::new(class, INDENT, self.flat(tokens.start + 1..tokens.end, Kind::Expression));
        row.prefix = self.flat(tokens.start..tokens.start + 1, Kind::Expression);
        self.entries.push(Entry::Row(row));
    }

    fn value_row(&mut self, tokens: Range<usize>) {
        if self.is_alone(&tokens, Kind::Expression, INDENT) {
            return;
        }
        let row = Row::new(Class::ValueRow, INDENT, String::new());
        self.sided(row, tokens.start, tokens, &[]);
    }

    /// Left side, arrow, right side and clauses of a line; the left side begins at `left`.
    fn sided(&mut self, mut row: Row, left: usize, tokens: Range<usize>, clauses: &[Clause]) {
        let arrow = tokens.clone().find(|&it| self.tokens[it].token == Token::Arrow).expect("the line has an arrow");
        row.left = self.flat(left..arrow, Kind::Expression);
        row.arrow = self.tokens[arrow].text(self.source).to_owned();
        row.right = self.flat(arrow + 1..tokens.end, Kind::Expression);
        row.clauses = clauses.to_vec();
        self.entries.push(Entry::Row(row));
    }

    fn members(&mut self, braced: &Braced, members: &[Member], indent: usize) {
        let pieces = slice::lines(self.source, self.tokens, braced.body.clone(), true, false);
        self.body(braced, &pieces, indent, |it, line, index| it.member(line, &members[index], indent + INDENT));
    }

    fn member(&mut self, tokens: Range<usize>, member: &Member, indent: usize) {
        if let MemberKind::For { members, .. } = &member.kind {
            let braced = self.open(tokens, Kind::Expression, indent);
            return self.members(&braced, members, indent);
        }
        if self.is_alone(&tokens, Kind::Expression, indent) {
            return;
        }
        let start = tokens.start;
        match &member.kind {
            MemberKind::Version(_) | MemberKind::Drop { .. } | MemberKind::Seal(_) => {
                self.alone(tokens, Kind::Expression, indent);
            }
            MemberKind::PartitionIn(_) | MemberKind::Filter { .. } => self.prefixed(tokens, indent),
            MemberKind::Partition(rule) | MemberKind::Key(rule) => self.rule(Class::Head, tokens, start + 1, rule, indent),
            MemberKind::Rule(rule) => self.rule(Class::Rule, tokens, start, rule, indent),
            MemberKind::Override { rule, .. } => self.rule(Class::Override, tokens, start + 3, rule, indent),
            MemberKind::Policy(_) => self.policy(tokens, indent),
            MemberKind::For { .. } => unreachable!("`for` blocks were printed above"),
        }
    }

    /// A condition is not a side: it stands behind its word and moves no arrow.
    fn prefixed(&mut self, tokens: Range<usize>, indent: usize) {
        let mut row = Row::new(Class::Head, indent, self.flat(tokens.start + 1..tokens.end, Kind::Expression));
        row.prefix = self.flat(tokens.start..tokens.start + 1, Kind::Expression);
        self.entries.push(Entry::Row(row));
    }

    /// What stands before `left` is the line's word or label.
    fn rule(&mut self, class: Class, tokens: Range<usize>, left: usize, rule: &Rule, indent: usize) {
        let mut row = Row::new(class, indent, String::new());
        row.prefix = self.flat(tokens.start..left, Kind::Expression);
        let starts: Vec<usize> = rule.clauses.iter().map(|it| self.token_at(it.span.range().start)).collect();
        let ends = starts.iter().skip(1).copied().chain(std::iter::once(tokens.end));
        let clauses: Vec<Clause> = rule
            .clauses
            .iter()
            .zip(starts.iter().zip(ends))
            .map(|(clause, (&start, end))| Clause {
                text: self.flat(start..end, Kind::Expression),
                may_begin_line: may_begin_line(&clause.kind),
            })
            .collect();
        let end = starts.first().copied().unwrap_or(tokens.end);
        self.sided(row, left, tokens.start..end, &clauses);
    }

    fn policy(&mut self, tokens: Range<usize>, indent: usize) {
        if tokens.clone().any(|it| self.tokens[it].token == Token::Arrow) {
            let row = Row::new(Class::Policy, indent, String::new());
            return self.sided(row, tokens.start, tokens, &[]);
        }
        let row = Row::new(Class::Policy, indent, self.flat(tokens, Kind::Expression));
        self.entries.push(Entry::Row(row));
    }

    fn token_at(&self, offset: usize) -> usize {
        self.tokens.partition_point(|it| it.start < offset)
    }

    fn print(self) -> String {
        let mut out = String::new();
        let mut block: Vec<Row> = Vec::new();
        for entry in self.entries {
            let goes_on = match (&entry, block.last()) {
                (Entry::Row(row), Some(last)) => {
                    row.class == last.class && row.indent == last.indent && row.class != Class::Alone
                }
                (Entry::Row(_) | Entry::Blank | Entry::Comment { .. }, _) => false,
            };
            if !goes_on && !block.is_empty() {
                rows::print(&block, &mut out);
                block.clear();
            }
            match entry {
                Entry::Blank => out.push('\n'),
                Entry::Comment { indent, text } => {
                    out.extend(std::iter::repeat_n(' ', indent));
                    out.push_str(&text);
                    out.push('\n');
                }
                Entry::Row(row) => block.push(row),
            }
        }
        if !block.is_empty() {
            rows::print(&block, &mut out);
        }
        out
    }
}

/// Columns before the lines of a body.
const INDENT: usize = 2;

/// `on …` at the start of a line would be a policy of the map.
fn may_begin_line(clause: &ClauseKind) -> bool {
    match clause {
        ClauseKind::Via(_)
        | ClauseKind::ViaTables(_)
        | ClauseKind::ViaRows(_)
        | ClauseKind::Modulo(_)
        | ClauseKind::Split(_)
        | ClauseKind::Loses(_)
        | ClauseKind::When(_)
        | ClauseKind::Else { .. } => true,
        ClauseKind::OnCreate | ClauseKind::OnUpdate | ClauseKind::OnMissing(_) | ClauseKind::OnConflict(_) => false,
    }
}
