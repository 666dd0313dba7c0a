//! Value maps: rows to pairs, and whether they cover what a rule sends through them.

use std::collections::BTreeMap;

use super::expr::bare;
use super::fit::{self, Fit};
use super::names::{World, unknown};
use super::premise::Premise;
use super::scope::Scope;
use crate::change::{Side, Sides};
use crate::diag::{Code, Diagnostic, Diagnostics, codes};
use crate::interp;
use crate::ir::{Expr, Fallback, TableId, ValueTable};
use crate::schema::kinds;
use crate::source::Span;
use crate::syntax::ast::{self, Action, ActionKind, Arrow, ExprKind, RowEnd, UnaryOp, ValueRow};
use crate::value::{EnumType, Kind, Value};

/// The rows of a value map, for both directions.
#[derive(Clone, Debug)]
pub struct Rows {
    pub name: String,
    pub span: Span,
    pub kinds: Sides<Kind>,
    /// Pairs by the side that they lead to.
    pub pairs: Sides<Vec<(Value, Value)>>,
    pub otherwise: Sides<Option<Fallback>>,
}

impl Rows {
    fn flipped(&self) -> Self {
        fn swap<T: Clone>(it: &Sides<T>) -> Sides<T> {
            Sides::new(it[Side::Right].clone(), it[Side::Left].clone())
        }
        Self {
            name: self.name.clone(),
            span: self.span,
            kinds: swap(&self.kinds),
            pairs: swap(&self.pairs),
            otherwise: swap(&self.otherwise),
        }
    }

    /// The side whose members stand for a pair: the coarser one, so that an existing finer member agrees and is kept.
    pub fn canonical(&self) -> Side {
        let is_merging = |towards: Side| {
            let pairs = &self.pairs[towards];
            pairs.iter().enumerate().any(|(index, (_, to))| pairs[..index].iter().any(|(_, other)| other == to))
        };
        if is_merging(Side::Left) && !is_merging(Side::Right) { Side::Left } else { Side::Right }
    }
}

/// The kind that a path names: a type, a member set, or the field that holds one.
fn kind_of(world: &World<'_>, path: &ast::Path, diags: &mut Diagnostics) -> Option<Kind> {
    let words: Vec<&str> = path.segments.iter().map(|it| it.text.as_str()).collect();
    if let [word] = words.as_slice()
        && let Some(kind) = kinds::built_in(word, &[])
    {
        return Some(kind);
    }
    let Some(system) = world.systems.get(words[0]) else {
        let known = world.systems.keys().map(String::as_str);
        diags.push(unknown("system", words[0], path.segments[0].span, known, "not declared"));
        return None;
    };
    let schema = &system.schema;
    let found = match words[1..] {
        [name] => schema.enums.get(name).map(|it| Kind::Enum(it.clone())),
        [entity, field] => schema.entities.get(entity).and_then(|it| it.fields.get(field)).map(|it| it.kind.clone()),
        _ => None,
    };
    if found.is_none() && !system.is_unknown {
        let fields =
            schema.entities.values().flat_map(|entity| entity.fields.keys().map(move |it| format!("{}.{it}", entity.name)));
        let known: Vec<String> = schema.enums.keys().cloned().chain(fields).collect();
        let last = path.segments[path.segments.len() - 1].span;
        let span = path.segments.get(1).map_or(path.span, |it| it.span.to(last));
        diags.push(unknown("member set", &words[1..].join("."), span, known.iter().map(String::as_str), "no enum and no field"));
    }
    found
}

/// The rows of a `values` item; `None`: something in it is wrong, and that was reported.
pub fn item(world: &World<'_>, values: &ast::Values, diags: &mut Diagnostics) -> Option<Rows> {
    let (left, right) = super::expr::both(kind_of(world, &values.left, diags), kind_of(world, &values.right, diags))?;
    rows(&values.rows, &values.name.text, values.name.span, Sides::new(left, right), diags)
}

/// Most rows of one value map; each is compared with all before it. A larger set of values is a table to look up.
const ROWS_MAX: usize = 2_000;

/// The rows of an inline map, against the kinds of the rule's two ends.
pub fn rows(list: &[ValueRow], name: &str, span: Span, kinds: Sides<Kind>, diags: &mut Diagnostics) -> Option<Rows> {
    let mut out =
        Rows { name: name.to_owned(), span, kinds, pairs: Sides::new(Vec::new(), Vec::new()), otherwise: Sides::new(None, None) };
    let mut is_right = true;
    if let Some(row) = list.get(ROWS_MAX) {
        let message = format!("`{name}` has {} rows, and a value map has {ROWS_MAX} at most", list.len());
        let diagnostic = Diagnostic::new(codes::SYNTAX, row.span, message, "the first row too many");
        diags.push(diagnostic.advice("keep such a set in a table, and use `via SYSTEM.table(column)`"));
        return None;
    }
    let mut first = Sides::default();
    for row in list {
        is_right &= add_row(&mut out, row, &mut first, diags).is_some();
    }
    for side in Side::BOTH {
        out.pairs[side].sort();
    }
    is_right.then_some(out)
}

fn writes(arrow: Arrow, side: Side) -> bool {
    match arrow {
        Arrow::Both | Arrow::Lossy => true,
        Arrow::Right => side == Side::Right,
        Arrow::Left => side == Side::Left,
    }
}

/// The row that leads from a value to a side.
type First<'r> = Sides<BTreeMap<Value, &'r ValueRow>>;

fn add_row<'r>(out: &mut Rows, row: &'r ValueRow, first: &mut First<'r>, diags: &mut Diagnostics) -> Option<()> {
    let ends = Sides::new(&row.left, &row.right);
    for towards in Side::BOTH.into_iter().filter(|&it| writes(row.arrow, it)) {
        match (ends[towards.other()], ends[towards]) {
            (RowEnd::Else(_), RowEnd::Action(action)) => out.otherwise[towards] = Some(fallback(action)?),
            (RowEnd::Else(_), RowEnd::Value(value)) => {
                out.otherwise[towards] = Some(Fallback::Value(member(value, &out.kinds[towards], codes::NO_SUCH_MEMBER, diags)?));
            }
            (RowEnd::Value(from), RowEnd::Value(to)) => {
                let is_target = writes(row.arrow, towards.other());
                let code = if is_target { codes::NO_SUCH_MEMBER } else { codes::UNKNOWN_NAME };
                let (from, to) = super::expr::both(
                    member(from, &out.kinds[towards.other()], code, diags),
                    member(to, &out.kinds[towards], codes::NO_SUCH_MEMBER, diags),
                )?;
                add_pair(out, towards, (from, to), row, first, diags);
            }
            (_, RowEnd::Else(span)) | (RowEnd::Action(Action { span, .. }), _) => {
                let message = "this row has nothing to read on its other end";
                let advice = "write `member -> member`, or `else` at the end that is read";
                diags.push(Diagnostic::new(codes::SYNTAX, *span, message, "cannot be read or written here").advice(advice));
                return None;
            }
            (RowEnd::Value(_), RowEnd::Action(action)) => {
                let message = "an action stands opposite `else` only";
                diags.push(Diagnostic::new(codes::SYNTAX, action.span, message, "no member"));
                return None;
            }
        }
    }
    Some(())
}

fn add_pair<'r>(
    out: &mut Rows,
    towards: Side,
    (from, to): (Value, Value),
    row: &'r ValueRow,
    first: &mut First<'r>,
    diags: &mut Diagnostics,
) {
    let Some(known) = first[towards].get(&from) else {
        first[towards].insert(from.clone(), row);
        out.pairs[towards].push((from, to));
        return;
    };
    let name = |row: &ValueRow| match if towards == Side::Left { &row.right } else { &row.left } {
        RowEnd::Value(ast::Expr { kind: ExprKind::Path(path), .. }) => path.segments.last().map(|it| it.text.clone()),
        RowEnd::Value(_) | RowEnd::Else(_) | RowEnd::Action(_) => None,
    };
    let (code, what) = match towards {
        Side::Left => (codes::PREFERRED_REVERSE, "has two rows that lead to the left"),
        Side::Right => (codes::UNREACHABLE, "has two rows that lead to the right; this one is never used"),
    };
    let message = match (name(known), name(row)) {
        (Some(known), Some(again)) if known != again => format!("`{known}` and `{again}` are one value, and it {what}"),
        (_, again) => format!("`{}` {what}", again.unwrap_or_else(|| from.to_string())),
    };
    let diagnostic = Diagnostic::new(code, row.span, message, "the second one").because(known.span, "the first one");
    diags.push(diagnostic.advice("keep one of them, and write the other for the opposite direction only"));
}

fn fallback(action: &Action) -> Option<Fallback> {
    match &action.kind {
        ActionKind::Reject => Some(Fallback::Reject),
        ActionKind::Park => Some(Fallback::Park),
        ActionKind::Skip => Some(Fallback::Skip),
        ActionKind::Null => Some(Fallback::Value(Value::Null)),
        ActionKind::Create | ActionKind::Value(_) => None,
    }
}

/// The value of a row's end in the form of its side.
fn member(expr: &ast::Expr, kind: &Kind, code: Code, diags: &mut Diagnostics) -> Option<Value> {
    let literal = match &bare(expr).kind {
        ExprKind::Null => return Some(Value::Null),
        ExprKind::Bool(it) => Value::Bool(*it),
        ExprKind::Text(text) => Value::text(text),
        ExprKind::Number(digits) => digits.parse().map_or_else(|_| Value::text(digits), Value::Int),
        ExprKind::Unary { op: UnaryOp::Negate, operand } => match &operand.kind {
            ExprKind::Number(digits) => format!("-{digits}").parse().map_or(Value::Null, Value::Int),
            _ => Value::Null,
        },
        ExprKind::Path(path) => return named(path, kind, code, diags),
        _ => Value::Null,
    };
    match interp::convert(kind, &literal) {
        Ok(value) if value.is_value() => Some(value),
        Ok(_) => {
            diags.push(Diagnostic::new(codes::SYNTAX, expr.span, "a row has fixed values at both ends", "this is none"));
            None
        }
        Err(problem) => {
            diags.push(Diagnostic::new(code, expr.span, problem, format!("this side is `{kind}`")));
            None
        }
    }
}

fn named(path: &ast::Path, kind: &Kind, code: Code, diags: &mut Diagnostics) -> Option<Value> {
    let name = path.segments.last().expect("a path is never empty");
    match kind {
        Kind::Enum(members) => match members.member(&name.text) {
            Some(member) => Some(member.value.clone()),
            None => {
                let known = members.members.iter().map(|it| it.name.as_str());
                let diagnostic = unknown("member", &name.text, name.span, known, "not a member");
                let message = format!("`{}` has no member `{}`", members.name, name.text);
                diags.push(Diagnostic { code, message, ..diagnostic });
                None
            }
        },
        _ => {
            let message = format!("`{}` is no value of `{kind}`", name.text);
            diags.push(Diagnostic::new(codes::NO_COMMON_TYPE, name.span, message, format!("this side is `{kind}`")));
            None
        }
    }
}

/// Both directions of a value map in a plan.
pub struct Tables {
    pub rows: Rows,
    /// By the side that they lead to.
    pub ids: Sides<TableId>,
}

impl Scope<'_, '_> {
    /// Puts a value map into the plan and looks whether it covers what the rule sends through it.
    pub fn tables(&mut self, rows: &Rows, ends: &Sides<Kind>, towards: &[Side], via: Span) -> Option<Tables> {
        let accepts = |rows: &Rows, side: Side| {
            matches!(fit::fit(&ends[side], &rows.kinds[side]), Fit::Same | Fit::Converted | Fit::Narrow(_))
        };
        let rows = if Side::BOTH.iter().all(|&it| accepts(rows, it)) {
            rows.clone()
        } else {
            let flipped = rows.flipped();
            if !Side::BOTH.iter().all(|&it| accepts(&flipped, it)) {
                let wrong = if accepts(rows, Side::Left) { Side::Right } else { Side::Left };
                let message = format!("`{}` maps `{}`, and the rule has `{}` there", rows.name, rows.kinds[wrong], ends[wrong]);
                let diagnostic = Diagnostic::new(codes::NO_COMMON_TYPE, via, message, "another value map is needed");
                self.report(
                    diagnostic.because(rows.span, "declared here").advice("a bridge between them: `via { left <-> right, … }`"),
                );
                return None;
            }
            flipped
        };
        for &side in towards {
            self.coverage(&rows, side, via);
        }
        let first = self.tables.len() as u16;
        for side in Side::BOTH {
            let is_symbol = |it: &EnumType| it.members.iter().any(|it| it.value.as_text().is_some());
            let ignore_case = matches!(&rows.kinds[side.other()], Kind::Enum(members) if is_symbol(members));
            self.tables.push(ValueTable {
                name: rows.name.clone(),
                pairs: rows.pairs[side].clone(),
                otherwise: rows.otherwise[side].clone(),
                ignore_case,
            });
        }
        Some(Tables { rows, ids: Sides::new(TableId(first), TableId(first + 1)) })
    }

    fn coverage(&mut self, rows: &Rows, towards: Side, via: Span) {
        if rows.otherwise[towards].is_some() {
            return;
        }
        let from = &rows.kinds[towards.other()];
        let is_covered = |value: &Value| rows.pairs[towards].iter().any(|(known, _)| known == value);
        let missing: Vec<String> = match from {
            Kind::Enum(members) => {
                members.members.iter().filter(|it| !is_covered(&it.value)).map(|it| format!("`{}`", it.name)).collect()
            }
            Kind::Bool => [true, false].iter().filter(|it| !is_covered(&Value::Bool(**it))).map(|it| format!("`{it}`")).collect(),
            _ => Vec::new(),
        };
        let is_open = match from {
            Kind::Enum(members) => members.open,
            other => *other != Kind::Bool,
        };
        let (arrow, else_row) = match towards {
            Side::Right => ("->", "`else -> reject`"),
            Side::Left => ("<-", "`reject <- else`"),
        };
        let diagnostic = if !missing.is_empty() {
            let code = if towards == Side::Right { codes::NOT_COVERED } else { codes::PREFERRED_REVERSE };
            let message = format!("`{}` has no row with `{arrow}` for {}", rows.name, missing.join(", "));
            Diagnostic::new(code, via, message, format!("used with `{arrow}` here"))
        } else if is_open {
            let what = if matches!(from, Kind::Enum(_)) { "members can be added to" } else { "there are more values of" };
            let message = format!("{what} `{from}`, and `{}` does not say what becomes of them", rows.name);
            Diagnostic::new(codes::OPEN_SET, via, message, format!("used with `{arrow}` here"))
        } else {
            return;
        };
        let premise = if missing.is_empty() { Premise::OpenSets } else { Premise::Coverage };
        if self.has_else(towards) || !self.world.premises.hold(premise) {
            return;
        }
        let mut diagnostic = diagnostic.because(rows.span, "the value map");
        if let Some(end) = self.rule_end() {
            diagnostic = diagnostic.replace("add `else reject`", end, "   else reject", false);
        }
        self.report(diagnostic.advice(format!("or add the rows, or {else_row}")));
    }
}

/// The value that a table gives for an operand.
pub fn through(table: TableId, operand: Expr) -> Expr {
    Expr::Table { table, operand: operand.boxed() }
}

/// Every value map by its key. What a library holds is looked at where it is used.
pub fn collect(
    world: &World<'_>,
    used: &std::collections::HashSet<String>,
    diags: &mut Diagnostics,
) -> indexmap::IndexMap<String, Option<Rows>> {
    let is_meant = |key: &String, values: &ast::Values| !world.project.is_library(values.name.span.file) || used.contains(key);
    let meant = world.values.iter().filter(|(key, values)| is_meant(key, values));
    meant.map(|(key, values)| (key.clone(), item(world, values, diags))).collect()
}
