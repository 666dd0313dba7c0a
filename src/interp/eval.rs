//! Evaluates expressions over one record: a plain walk of the tree.
//!
//! This is the meaning of the language at run time. Faster forms may stand before it; it stays their oracle.

use std::sync::Arc;

use super::convert::{convert, to_decimal};
use super::lookups::{Query, Resolution, Stamp};
use super::{Cx, Refusal, Stop};
use crate::change::Class;
use crate::functions;
use crate::ir::{Compare, Expr, Fallback, Math, Missing, RefId, Rule, TableId};
use crate::value::{Decimal, DecimalError, Record, Text, Uuid, Value};

/// What an expression may look at.
#[derive(Clone, Copy)]
pub struct Scope<'a> {
    pub cx: Cx<'a>,
    pub rule: Option<&'a Rule>,
    pub record: &'a Record,
    pub it: &'a Value,
    /// Known where the rule looks up a partitioned reference.
    pub partition: &'a Value,
}

/// Why an expression has no value, before the rule's `else` was asked.
#[derive(Clone, Debug, PartialEq)]
pub enum Trouble {
    Unresolved(Query),
    /// A value cannot be carried; the rule's `else` decides.
    Misfit(String),
    /// A referenced row is not there.
    Missing {
        query: Query,
        message: String,
        /// What the rule says of it; never `null`.
        outcome: Missing,
    },
    Fallback(Fallback, String),
}

type Result<T> = std::result::Result<T, Trouble>;

pub fn eval(scope: Scope<'_>, expr: &Expr) -> Result<Value> {
    let value = |expr: &Expr| eval(scope, expr);
    match expr {
        Expr::Const(constant) => Ok(constant.clone()),
        Expr::Slot(slot) => Ok(scope.record.get(*slot).clone()),
        Expr::It => Ok(scope.it.clone()),
        Expr::Partition => Ok(scope.partition.clone()),
        Expr::Now => stamp(scope).map(|it| Value::DateTime(it.now)),
        Expr::Fresh(number) => stamp(scope).map(|it| Value::Guid(fresh(scope, it, *number))),
        Expr::Call { function, arguments } => call(scope, function, arguments),
        Expr::Convert { to, operand } => convert(to, &value(operand)?).map_err(Trouble::Misfit),
        Expr::Concat(parts) => concat(scope, parts),
        Expr::SplitPart { operand, separator, from_end, tail } => split(&value(operand)?, separator, *from_end, *tail),
        Expr::Math { op, left, right } => math(*op, &value(left)?, &value(right)?),
        Expr::Compare { op, left, right } => Ok(Value::Bool(compare(*op, &value(left)?, &value(right)?))),
        Expr::In { operand, set } => {
            let operand = value(operand)?;
            Ok(Value::Bool(operand.is_value() && set.iter().any(|it| compare(Compare::Equal, it, &operand))))
        }
        Expr::And(left, right) => Ok(Value::Bool(truth(scope, left)? && truth(scope, right)?)),
        Expr::Or(left, right) => Ok(Value::Bool(truth(scope, left)? || truth(scope, right)?)),
        Expr::Not(operand) => Ok(Value::Bool(!truth(scope, operand)?)),
        Expr::Coalesce(first, second) => {
            let first = value(first)?;
            if first.is_value() { Ok(first) } else { value(second) }
        }
        Expr::If { condition, then, otherwise } => value(if truth(scope, condition)? { then } else { otherwise }),
        Expr::Tuple(parts) => Ok(Value::Tuple(parts.iter().map(value).collect::<Result<Arc<[Value]>>>()?)),
        Expr::Part { operand, index } => match value(operand)? {
            Value::Tuple(parts) => parts
                .get(usize::from(*index))
                .cloned()
                .ok_or_else(|| Trouble::Misfit(format!("a tuple of {} parts has no part {index}", parts.len()))),
            other => Ok(other),
        },
        Expr::Table { table, operand } => table_lookup(scope, *table, value(operand)?),
        Expr::KeyOf { reference, operand } => key_of(scope, *reference, value(operand)?),
        Expr::IdOf { reference, operand } => id_of(scope, *reference, value(operand)?),
    }
}

/// A condition: null is false.
pub fn truth(scope: Scope<'_>, expr: &Expr) -> Result<bool> {
    Ok(eval(scope, expr)? == Value::Bool(true))
}

fn call(scope: Scope<'_>, name: &str, arguments: &[Expr]) -> Result<Value> {
    let function = functions::find(name).expect("the checker knows every function that it lowers");
    let mut values = Vec::with_capacity(arguments.len());
    for argument in arguments {
        values.push(eval(scope, argument)?);
    }
    if !function.takes_null && values.iter().any(|it| !it.is_value()) {
        // Of what was not said, nothing follows.
        return Ok(if values.contains(&Value::Absent) { Value::Absent } else { Value::Null });
    }
    (function.eval)(&values).map_err(|error| Trouble::Misfit(format!("{name}: {error}")))
}

/// The step that is under way. Where rows are only compared there is none, and no rule needs it.
fn stamp(scope: Scope<'_>) -> Result<Stamp> {
    scope.cx.lookups.stamp().ok_or_else(|| Trouble::Misfit("there is no clock where rows are only compared".to_owned()))
}

fn fresh(scope: Scope<'_>, stamp: Stamp, number: u32) -> Uuid {
    let rule = scope.rule.map_or("", |it| it.label.as_str());
    Uuid::new_v5(&stamp.op, format!("{}.{rule}#{number}", scope.cx.plan.name).as_bytes())
}

fn concat(scope: Scope<'_>, parts: &[Expr]) -> Result<Value> {
    let mut out = Text::default();
    for part in parts {
        match eval(scope, part)? {
            Value::Text(text) => out.push_str(&text),
            Value::Null => return Ok(Value::Null),
            Value::Absent => return Ok(Value::Absent),
            other => out.push_str(&other.to_string()),
        }
    }
    Ok(Value::Text(out))
}

fn split(value: &Value, separator: &str, from_end: bool, tail: bool) -> Result<Value> {
    let Value::Text(text) = value else { return Ok(value.clone()) };
    let found = if from_end { text.rsplit_once(separator) } else { text.split_once(separator) };
    let (head, rest) = found.ok_or_else(|| Trouble::Misfit(format!("{value} does not contain the separator {separator:?}")))?;
    Ok(Value::text(if tail { rest } else { head }))
}

pub(super) fn math(op: Math, left: &Value, right: &Value) -> Result<Value> {
    if !left.is_value() || !right.is_value() {
        return Ok(Value::Null);
    }
    let number = |value: &Value| to_decimal(value).ok_or_else(|| Trouble::Misfit(format!("{value} is not a number")));
    let result = reckon(op, number(left)?, number(right)?).map_err(|error| Trouble::Misfit(error.to_string()))?;
    let is_whole = matches!((left, right), (Value::Int(_), Value::Int(_))) && op != Math::Divide;
    match result.to_int() {
        Some(whole) if is_whole => Ok(Value::Int(whole)),
        None if is_whole => Err(Trouble::Misfit(format!("{result} is too large for a whole number"))),
        Some(_) | None => Ok(Value::Decimal(result)),
    }
}

pub(super) fn reckon(op: Math, left: Decimal, right: Decimal) -> std::result::Result<Decimal, DecimalError> {
    match op {
        Math::Add => left.checked_add(right),
        Math::Subtract => left.checked_sub(right),
        Math::Multiply => left.checked_mul(right),
        Math::Divide => left.checked_div(right),
    }
}

/// Two-valued comparison. Numbers compare by value, symbols and other texts exactly.
pub fn compare(op: Compare, left: &Value, right: &Value) -> bool {
    let ordering = match (left, right) {
        (Value::Int(left), Value::Int(right)) => left.cmp(right),
        (Value::Int(_) | Value::Decimal(_) | Value::Float(_), Value::Int(_) | Value::Decimal(_) | Value::Float(_)) => {
            to_decimal(left).cmp(&to_decimal(right))
        }
        (Value::Absent, Value::Null) | (Value::Null, Value::Absent) => std::cmp::Ordering::Equal,
        (left, right) => left.cmp(right),
    };
    let both = left.is_value() && right.is_value();
    match op {
        Compare::Equal => ordering.is_eq(),
        Compare::NotEqual => ordering.is_ne(),
        Compare::Less => both && ordering.is_lt(),
        Compare::LessEqual => both && ordering.is_le(),
        Compare::Greater => both && ordering.is_gt(),
        Compare::GreaterEqual => both && ordering.is_ge(),
    }
}

fn table_lookup(scope: Scope<'_>, table: TableId, value: Value) -> Result<Value> {
    let table = scope.cx.plan.table(table);
    // What was not said has no row, and an `else` must not make something of it.
    if !value.is_known() {
        return Ok(value);
    }
    if let Ok(index) = table.pairs.binary_search_by(|(from, _)| from.cmp(&value)) {
        return Ok(table.pairs[index].1.clone());
    }
    if let (true, Value::Text(text)) = (table.ignore_case, &value) {
        let same = |from: &Value| from.as_text().is_some_and(|it| it.eq_ignore_ascii_case(text));
        if let Some((_, to)) = table.pairs.iter().find(|(from, _)| same(from)) {
            return Ok(to.clone());
        }
    }
    match &table.otherwise {
        Some(Fallback::Value(constant)) => Ok(constant.clone()),
        Some(Fallback::Expr(expr)) => eval(scope, expr),
        Some(other) => Err(Trouble::Fallback(other.clone(), format!("the value map {} refuses {value}", table.name))),
        None if !value.is_value() => Ok(value),
        None => Err(Trouble::Misfit(format!("{value} has no row in the value map {}", table.name))),
    }
}

fn key_of(scope: Scope<'_>, reference: RefId, id: Value) -> Result<Value> {
    if !id.is_value() {
        return Ok(id);
    }
    let query = Query::KeyOf { reference, id };
    match scope.cx.lookups.get(&query) {
        Some(Resolution::Found(key)) => Ok(key.clone()),
        Some(Resolution::Missing) => {
            let message = "the row that is referred to is not there".to_owned();
            Err(Trouble::Missing { query, message, outcome: Missing::Park })
        }
        None => Err(Trouble::Unresolved(query)),
    }
}

fn id_of(scope: Scope<'_>, reference: RefId, key: Value) -> Result<Value> {
    if super::rules::is_no_key(&key) {
        return Ok(Value::Null);
    }
    let shown = key.to_string();
    let key = if scope.cx.plan.reference(reference).is_partitioned { with_partition(scope.partition, key) } else { key };
    let query = Query::IdOf { reference, key };
    match scope.cx.lookups.get(&query) {
        Some(Resolution::Found(id)) => Ok(id.clone()),
        Some(Resolution::Missing) => {
            let on_missing = scope.rule.map_or(Missing::Park, |it| it.on_missing);
            let entity = scope.cx.plan.reference(reference).targets.first().map_or("", |it| it.shape.entity.as_str());
            let message = format!("there is no {entity} with the key {shown}");
            match on_missing {
                Missing::Null => Ok(Value::Null),
                outcome @ (Missing::Park | Missing::Reject | Missing::Create) => {
                    Err(Trouble::Missing { query, message, outcome })
                }
            }
        }
        None => Err(Trouble::Unresolved(query)),
    }
}

fn with_partition(partition: &Value, key: Value) -> Value {
    let mut parts = vec![partition.clone()];
    match key {
        Value::Tuple(rest) => parts.extend(rest.iter().cloned()),
        single => parts.push(single),
    }
    Value::Tuple(parts.into())
}

/// What trouble means for the row: the rule's `else` for the side that is being written decides.
pub fn settle_trouble(scope: Scope<'_>, otherwise: Option<&Fallback>, trouble: Trouble) -> std::result::Result<Value, Stop> {
    let refused = |message: String| {
        let rule = scope.rule.map_or_else(String::new, |it| it.label.clone());
        let message = format!("`{rule}`: {message}");
        let class = Class::Validation;
        Refusal { code: "DW0212", message, rule, class, is_parked: false, waits_on: None, is_summoned: false }
    };
    let refusal = |message: String, is_parked: bool| Stop::Refused(Refusal { is_parked, ..refused(message) });
    let missing = |query: Query, message: String, outcome: Missing| {
        let (class, waits_on) = (Class::Reference, Some(query));
        let (is_parked, is_summoned) = (outcome != Missing::Reject, outcome == Missing::Create);
        Stop::Refused(Refusal { class, waits_on, is_parked, is_summoned, ..refused(message) })
    };
    let (fallback, message) = match trouble {
        Trouble::Unresolved(query) => return Err(Stop::Unresolved(query)),
        Trouble::Missing { query, message, outcome } => return Err(missing(query, message, outcome)),
        Trouble::Fallback(fallback, message) => (Some(fallback), message),
        Trouble::Misfit(message) => (otherwise.cloned(), message),
    };
    match fallback {
        Some(Fallback::Reject) => Err(refusal(message, false)),
        Some(Fallback::Park) => Err(refusal(message, true)),
        Some(Fallback::Skip) => Err(Stop::Skip),
        Some(Fallback::Value(value)) => Ok(value),
        Some(Fallback::Expr(expr)) => match eval(scope, &expr) {
            Ok(value) => Ok(value),
            Err(Trouble::Unresolved(query)) => Err(Stop::Unresolved(query)),
            Err(Trouble::Misfit(also)) => Err(refusal(format!("{message}; the `else` fails too: {also}"), false)),
            Err(Trouble::Missing { query, message, .. }) => Err(missing(query, message, Missing::Park)),
            Err(Trouble::Fallback(..)) => Err(refusal(message, false)),
        },
        None => Err(refusal(format!("{message}; the rule has no `else` for this"), false)),
    }
}
