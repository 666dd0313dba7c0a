//! Single tests: one field against a constant.

use jiff::{SignedDuration, ToSpan};

use super::{Dialect, Lowered, Store, any, both};
use crate::functions::{self, Push};
use crate::ir::{Compare, Expr};
use crate::schema::ShapeField;
use crate::value::{Date, Kind, Timestamp, Value};

/// Longest set behind `in` that is written out.
const SET_MAX: usize = 50;

/// `field op constant`, and whether a field that is null passes.
struct Test<'a> {
    op: Compare,
    null_passes: bool,
    constant: &'a Value,
}

pub fn lower(store: Store<'_>, expr: &Expr, is_negated: bool) -> Option<Lowered> {
    match expr {
        Expr::Compare { op, left, right } => match (&**left, &**right) {
            (operand, Expr::Const(constant)) => comparison(store, operand, *op, constant, is_negated),
            (Expr::Const(constant), operand) => comparison(store, operand, flipped(*op), constant, is_negated),
            _ => None,
        },
        Expr::In { operand, set } if set.len() <= SET_MAX => membership(store, operand, set, is_negated),
        Expr::Call { function, arguments } => call(store, function, arguments, is_negated),
        Expr::Slot(slot) if store.shape.field(*slot).kind == Kind::Bool => {
            comparison(store, expr, Compare::Equal, &Value::Bool(true), is_negated)
        }
        _ => None,
    }
}

fn comparison(store: Store<'_>, operand: &Expr, op: Compare, constant: &Value, is_negated: bool) -> Option<Lowered> {
    let (op, null_passes) = if is_negated { (opposite(op), op != Compare::NotEqual) } else { (op, op == Compare::NotEqual) };
    let test = Test { op, null_passes, constant };
    match operand {
        Expr::Slot(slot) => of_field(store, store.shape.field(*slot), &test),
        Expr::Call { function, arguments } => of_result(store, function, arguments, &test),
        _ => None,
    }
}

fn flipped(op: Compare) -> Compare {
    match op {
        Compare::Equal | Compare::NotEqual => op,
        Compare::Less => Compare::Greater,
        Compare::LessEqual => Compare::GreaterEqual,
        Compare::Greater => Compare::Less,
        Compare::GreaterEqual => Compare::LessEqual,
    }
}

fn opposite(op: Compare) -> Compare {
    match op {
        Compare::Equal => Compare::NotEqual,
        Compare::NotEqual => Compare::Equal,
        Compare::Less => Compare::GreaterEqual,
        Compare::LessEqual => Compare::Greater,
        Compare::Greater => Compare::LessEqual,
        Compare::GreaterEqual => Compare::Less,
    }
}

fn membership(store: Store<'_>, operand: &Expr, set: &[Value], is_negated: bool) -> Option<Lowered> {
    let each = set.iter().filter(|it| it.is_value()).map(|it| comparison(store, operand, Compare::Equal, it, is_negated));
    if is_negated {
        return each.reduce(both).flatten();
    }
    any(each.collect::<Option<Vec<Lowered>>>()?)
}

fn of_field(store: Store<'_>, field: &ShapeField, test: &Test<'_>) -> Option<Lowered> {
    if !test.constant.is_value() {
        return of_null(store, field, test.op);
    }
    let lowered = of_value(store, field, test)?;
    if test.null_passes { with_null(store, field, lowered) } else { Some(lowered) }
}

/// `field == null`. A store whose nulls are other values has none to ask for.
fn of_null(store: Store<'_>, field: &ShapeField, op: Compare) -> Option<Lowered> {
    let has_null = store.dialect != Dialect::Finops && !has_other_null(store, &field.kind);
    if !has_null {
        return None;
    }
    let name = store.name(field);
    let text = match op {
        Compare::Equal => store.null_test(&name),
        Compare::NotEqual => store.no_null_test(&name),
        Compare::Less | Compare::LessEqual | Compare::Greater | Compare::GreaterEqual => return None,
    };
    Some(Lowered { text, is_exact: true })
}

/// The profile makes null of some values of this kind, or values of null.
fn has_other_null(store: Store<'_>, kind: &Kind) -> bool {
    let is_finops = store.dialect == Dialect::Finops;
    match kind {
        Kind::Text { .. } => is_finops || store.profile.text.null_is_blank,
        Kind::Date | Kind::DateTime => is_finops || store.profile.null_date.is_some(),
        _ => false,
    }
}

/// The test, or null.
fn with_null(store: Store<'_>, field: &ShapeField, lowered: Lowered) -> Option<Lowered> {
    match (store.dialect, &field.kind) {
        (_, kind @ (Kind::Date | Kind::DateTime)) if has_other_null(store, kind) => None,
        (Dialect::Finops, _) => Some(lowered),
        (Dialect::OData | Dialect::Dataverse | Dialect::Sqlite, _) => {
            let null = store.null_test(&store.name(field));
            Some(Lowered { text: format!("({null} or {})", lowered.text), ..lowered })
        }
    }
}

fn of_value(store: Store<'_>, field: &ShapeField, test: &Test<'_>) -> Option<Lowered> {
    let is_equality = matches!(test.op, Compare::Equal | Compare::NotEqual);
    let is_odata = store.dialect != Dialect::Sqlite;
    match (&field.kind, test.constant) {
        (Kind::Bool, Value::Bool(_)) if is_equality => plain(store, field, test),
        (Kind::Int32 | Kind::Int64, Value::Int(_)) => plain(store, field, test),
        (Kind::Int32 | Kind::Int64, Value::Decimal(_)) if is_odata => plain(store, field, test),
        (Kind::Decimal { .. }, Value::Int(_) | Value::Decimal(_)) if is_odata && store.profile.decimal_scale.is_none() => {
            plain(store, field, test)
        }
        (Kind::Text { .. }, Value::Text(text)) if is_equality => of_text(store, field, test, text),
        (Kind::Guid, Value::Guid(_)) if is_equality && is_odata => plain(store, field, test),
        (Kind::Lookup(_), Value::Guid(_)) if is_equality && store.dialect == Dialect::Dataverse => plain(store, field, test),
        (Kind::Date, Value::Date(date)) if is_odata => of_date(store, field, test, *date),
        (Kind::DateTime, Value::DateTime(at)) if is_odata => of_instant(store, field, test.op, *at),
        (Kind::Enum(_), Value::Text(_)) if is_equality && store.dialect == Dialect::Finops => plain(store, field, test),
        (Kind::Enum(_), Value::Int(_)) if is_equality && store.dialect == Dialect::Dataverse => plain(store, field, test),
        // A member can be a number in one row and a symbol in another; `+` keeps SQLite from making one of the other.
        (Kind::Enum(_), Value::Int(_) | Value::Text(_)) if is_equality && !is_odata => {
            let name = format!("+{} collate binary", store.name(field));
            Some(exact(store, &name, test.op, &store.literal(field, test.constant)?))
        }
        _ => None,
    }
}

fn plain(store: Store<'_>, field: &ShapeField, test: &Test<'_>) -> Option<Lowered> {
    Some(exact(store, &store.name(field), test.op, &store.literal(field, test.constant)?))
}

fn exact(store: Store<'_>, operand: &str, op: Compare, literal: &str) -> Lowered {
    Lowered { text: format!("{operand} {} {literal}", sign(store.dialect, op)), is_exact: true }
}

fn sign(dialect: Dialect, op: Compare) -> &'static str {
    match (dialect == Dialect::Sqlite, op) {
        (false, Compare::Equal) => "eq",
        (false, Compare::NotEqual) => "ne",
        (false, Compare::Less) => "lt",
        (false, Compare::LessEqual) => "le",
        (false, Compare::Greater) => "gt",
        (false, Compare::GreaterEqual) => "ge",
        (true, Compare::Equal) => "=",
        (true, Compare::NotEqual) => "<>",
        (true, Compare::Less) => "<",
        (true, Compare::LessEqual) => "<=",
        (true, Compare::Greater) => ">",
        (true, Compare::GreaterEqual) => ">=",
    }
}

fn of_text(store: Store<'_>, field: &ShapeField, test: &Test<'_>, text: &str) -> Option<Lowered> {
    let facts = &store.profile.text;
    let is_changed = facts.padded.is_some() || facts.upper || facts.lower || facts.leading_blanks_dropped;
    let is_null_here = text.is_empty() && (facts.blank_is_null || facts.null_is_blank);
    // A blank at the end may be one that the store drops when it compares, or one that it never stored.
    if is_changed || is_null_here {
        return None;
    }
    let operand = match store.dialect {
        Dialect::Sqlite => format!("{} collate binary", store.name(field)),
        Dialect::OData | Dialect::Dataverse | Dialect::Finops => store.name(field),
    };
    let lowered = exact(store, &operand, test.op, &store.literal(field, test.constant)?);
    match (compares_exactly(store), test.op) {
        (true, _) => Some(lowered),
        (false, Compare::Equal) => Some(Lowered { is_exact: false, ..lowered }),
        (false, _) => None,
    }
}

fn compares_exactly(store: Store<'_>) -> bool {
    let facts = &store.profile.text;
    let is_strict = !facts.compare_ignoring_case && !facts.compare_ignoring_trailing_blanks && !facts.trailing_blanks_dropped;
    is_strict && matches!(store.dialect, Dialect::OData | Dialect::Sqlite)
}

/// A date of Finance & Operations is an instant of that day, and 1900-01-01 is none.
fn of_date(store: Store<'_>, field: &ShapeField, test: &Test<'_>, date: Date) -> Option<Lowered> {
    match (store.dialect, has_other_null(store, &field.kind)) {
        (Dialect::OData | Dialect::Dataverse, false) => plain(store, field, test),
        (Dialect::Finops, _) => {
            let next = date.checked_add(1.days()).ok()?;
            range(store, field, test.op, &format!("{date}T00:00:00Z"), &format!("{next}T00:00:00Z"))
        }
        (Dialect::OData | Dialect::Dataverse, true) | (Dialect::Sqlite, _) => None,
    }
}

/// The store may hold finer steps than are read, so that one instant here is many there.
fn of_instant(store: Store<'_>, field: &ShapeField, op: Compare, at: Timestamp) -> Option<Lowered> {
    let step = store.profile.datetime_step_us;
    if store.dialect != Dialect::Finops && has_other_null(store, &field.kind) {
        return None;
    }
    if step <= 1 && !has_other_null(store, &field.kind) {
        return Some(exact(store, &store.name(field), op, &at.to_string()));
    }
    let next = at.checked_add(SignedDuration::from_micros(step.max(1))).ok()?;
    range(store, field, op, &at.to_string(), &next.to_string())
}

/// A test of what counts from `from` to before `next` as one value: a sieve that lets the whole range through.
fn range(store: Store<'_>, field: &ShapeField, op: Compare, from: &str, next: &str) -> Option<Lowered> {
    let name = store.name(field);
    let text = match op {
        Compare::Equal => format!("{name} ge {from} and {name} lt {next}"),
        Compare::NotEqual => return None,
        Compare::Less | Compare::LessEqual => format!("{name} lt {next}"),
        Compare::Greater | Compare::GreaterEqual => format!("{name} ge {from}"),
    };
    Some(Lowered { text, is_exact: false })
}

/// A function of the library that is a condition itself.
fn call(store: Store<'_>, function: &str, arguments: &[Expr], is_negated: bool) -> Option<Lowered> {
    let Some(Expr::Slot(slot)) = arguments.first() else { return None };
    let field = store.shape.field(*slot);
    match (function, arguments) {
        ("is_null", _) => comparison(store, &arguments[0], Compare::Equal, &Value::Null, is_negated),
        (_, [_, Expr::Const(Value::Text(part))]) if matches!(field.kind, Kind::Text { .. }) => {
            let form = form(store, functions::find(function)?.push)?;
            let text = form.replace("{0}", &store.name(field)).replace("{1}", &store.part_literal(part)?);
            let is_exact = compares_exactly(store);
            match (is_negated, is_exact) {
                (false, _) => Some(Lowered { text, is_exact }),
                (true, true) => with_null(store, field, Lowered { text: format!("not ({text})"), is_exact }),
                (true, false) => None,
            }
        }
        _ => None,
    }
}

/// A function of a field, compared with a number: `year(Day) == 2024`.
fn of_result(store: Store<'_>, function: &str, arguments: &[Expr], test: &Test<'_>) -> Option<Lowered> {
    let [Expr::Slot(slot)] = arguments else { return None };
    let field = store.shape.field(*slot);
    let form = form(store, functions::find(function)?.push)?;
    // The parts of an instant are those of its own zone there; those of a date are the same everywhere.
    let is_same = match field.kind {
        Kind::Date => store.profile.null_date.is_none(),
        Kind::Decimal { .. } => store.profile.decimal_scale.is_none(),
        _ => false,
    };
    if !is_same || !matches!(test.constant, Value::Int(_) | Value::Decimal(_)) {
        return None;
    }
    let operand = form.replace("{0}", &store.name(field));
    let lowered = exact(store, &operand, test.op, &store.literal(field, test.constant)?);
    if test.null_passes { with_null(store, field, lowered) } else { Some(lowered) }
}

fn form(store: Store<'_>, push: Push) -> Option<&'static str> {
    match store.dialect {
        Dialect::OData => push.odata,
        Dialect::Dataverse => push.dataverse,
        Dialect::Finops => push.finops,
        Dialect::Sqlite => push.sql,
    }
}
