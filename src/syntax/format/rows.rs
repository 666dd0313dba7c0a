//! Lines in columns: consecutive lines of one kind share the places of their arrows, clauses and comments.
//!
//! Alignment is bounded. A side longer than its column's limit stands where it ends and does not move its neighbours.

use super::spacing::{COMMENT_GAP, CONTINUATION_INDENT};

/// Widest left side, and right side, that its neighbours are moved for.
const SIDE_WIDTH_MAX: usize = 44;

/// Widest keyword or label column.
const PREFIX_WIDTH_MAX: usize = 24;

/// A rule longer than this continues on the next lines, clause by clause.
const LINE_WIDTH_MAX: usize = 130;

/// Rightmost column that comments behind lines are moved to.
const COMMENT_COLUMN_MAX: usize = 100;

/// Blanks before each clause.
const CLAUSE_GAP: &str = "   ";

/// Lines of one class stand in one block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// `partition`, `key`, `filter`
    Head,
    Rule,
    Override,
    Policy,
    ValueRow,
    Field,
    Fact,
    Step,
    /// Shares no columns.
    Alone,
}

/// One line and its columns; empty columns are left out.
#[derive(Clone, Debug)]
pub struct Row {
    pub class: Class,
    pub indent: usize,
    pub prefix: String,
    pub left: String,
    pub arrow: String,
    pub right: String,
    pub clauses: Vec<Clause>,
    pub comment: Option<String>,
}

#[derive(Clone, Debug)]
pub struct Clause {
    pub text: String,
    /// A line may begin with it.
    pub may_begin_line: bool,
}

impl Row {
    pub fn alone(indent: usize, text: String) -> Self {
        Self::new(Class::Alone, indent, text)
    }

    pub fn new(class: Class, indent: usize, left: String) -> Self {
        Self {
            class,
            indent,
            prefix: String::new(),
            left,
            arrow: String::new(),
            right: String::new(),
            clauses: Vec::new(),
            comment: None,
        }
    }

    fn has_right(&self) -> bool {
        !self.arrow.is_empty() || !self.right.is_empty()
    }
}

/// The columns of a block.
struct Columns {
    prefix: usize,
    left: usize,
    arrow: usize,
    right: usize,
}

impl Columns {
    fn of(rows: &[Row]) -> Self {
        let widest = |max: usize, widths: &mut dyn Iterator<Item = usize>| widths.filter(|&it| it <= max).max().unwrap_or(0);
        let has = |arrow: &str| rows.iter().any(|it| it.arrow == arrow);
        let is_wide = rows.iter().any(|it| width(&it.arrow) == 3) || (has("->") && has("<-"));
        let is_policy = rows.iter().any(|it| it.class == Class::Policy);
        Self {
            prefix: widest(PREFIX_WIDTH_MAX, &mut rows.iter().map(|it| width(&it.prefix))),
            left: widest(SIDE_WIDTH_MAX, &mut rows.iter().filter(|it| it.has_right()).map(|it| width(&it.left))),
            arrow: if is_wide && !is_policy { 3 } else { 0 },
            right: widest(SIDE_WIDTH_MAX, &mut rows.iter().filter(|it| !it.clauses.is_empty()).map(|it| width(&it.right))),
        }
    }
}

/// Prints a block of one class, one line end behind every line.
pub fn print(rows: &[Row], out: &mut String) {
    let columns = Columns::of(rows);
    let lines: Vec<String> = rows.iter().map(|row| line(row, &columns)).collect();
    let ends = lines.iter().zip(rows).filter(|(_, row)| row.comment.is_some()).map(|(line, _)| last_width(line));
    let column = ends.filter(|&it| it <= COMMENT_COLUMN_MAX).max().unwrap_or(0);
    for (line, row) in lines.iter().zip(rows) {
        out.push_str(line);
        if let Some(comment) = &row.comment {
            pad(out, column.saturating_sub(last_width(line)));
            out.push_str(COMMENT_GAP);
            out.push_str(comment);
        }
        out.push('\n');
    }
}

fn line(row: &Row, columns: &Columns) -> String {
    let mut out = String::new();
    pad(&mut out, row.indent);
    if !row.prefix.is_empty() {
        cell(&mut out, &row.prefix, columns.prefix);
        out.push(' ');
    }
    if !row.has_right() {
        out.push_str(&row.left);
        return out;
    }
    cell(&mut out, &row.left, columns.left);
    if !row.arrow.is_empty() {
        out.push_str(if out.trim().is_empty() { "" } else { " " });
        out.push_str(&arrow(&row.arrow, columns.arrow));
    }
    if !row.right.is_empty() {
        out.push(' ');
    }
    with_clauses(out, row, columns)
}

/// `->` ends and `<-` begins where the long arrows do.
fn arrow(arrow: &str, width: usize) -> String {
    if arrow == "->" { format!("{arrow:>width$}") } else { format!("{arrow:<width$}") }
}

fn with_clauses(mut out: String, row: &Row, columns: &Columns) -> String {
    if row.clauses.is_empty() {
        out.push_str(&row.right);
        return out;
    }
    let mut flat = out.clone();
    cell(&mut flat, &row.right, columns.right);
    for clause in &row.clauses {
        flat.push_str(CLAUSE_GAP);
        flat.push_str(&clause.text);
    }
    if width(&flat) <= LINE_WIDTH_MAX || !row.clauses.iter().any(|it| it.may_begin_line) {
        return flat;
    }
    out.push_str(&row.right);
    broken(out, row)
}

/// The clauses on lines of their own, as many on each as fit.
fn broken(mut out: String, row: &Row) -> String {
    let mut is_first = true;
    for clause in &row.clauses {
        let is_full = last_width(&out) + CLAUSE_GAP.len() + width(&clause.text) > LINE_WIDTH_MAX;
        if clause.may_begin_line && (is_first || is_full) {
            is_first = false;
            out.push('\n');
            pad(&mut out, row.indent + CONTINUATION_INDENT);
        } else {
            out.push_str(CLAUSE_GAP);
        }
        out.push_str(&clause.text);
    }
    out
}

fn cell(out: &mut String, text: &str, column: usize) {
    out.push_str(text);
    pad(out, column.saturating_sub(width(text)));
}

fn pad(out: &mut String, blanks: usize) {
    out.extend(std::iter::repeat_n(' ', blanks));
}

fn width(text: &str) -> usize {
    text.chars().count()
}

fn last_width(text: &str) -> usize {
    width(text.rsplit('\n').next().unwrap_or(text))
}
