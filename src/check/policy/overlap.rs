//! Whether two conditions can hold for one row. Only what is certain counts: tests of one field against constants.

use std::collections::HashSet;

use crate::interp::to_decimal;
use crate::ir::{Compare, Expr};
use crate::schema::Shape;
use crate::value::{Kind, Value};

/// What a condition says of one field.
enum Fact {
    OneOf(Vec<Value>),
    NoneOf(Vec<Value>),
    /// `< value`, or `<=` where the value itself counts. Null is never below or above.
    Below(Value, bool),
    Above(Value, bool),
}

/// Values to look things up in; few are looked through.
enum Values<'v> {
    Few(&'v [Value]),
    Many(HashSet<&'v Value>),
}

/// From so many values on, a table is worth its making.
const FEW: usize = 16;

impl<'v> Values<'v> {
    fn of(values: &'v [Value]) -> Self {
        if values.len() < FEW { Self::Few(values) } else { Self::Many(values.iter().collect()) }
    }

    fn contains(&self, value: &Value) -> bool {
        match self {
            Self::Few(values) => values.contains(value),
            Self::Many(values) => values.contains(value),
        }
    }
}

/// A value stands in both.
pub fn have_common(some: &[Value], others: &[Value]) -> bool {
    let (few, many) = if some.len() < others.len() { (some, others) } else { (others, some) };
    let few = Values::of(few);
    many.iter().any(|it| few.contains(it))
}

/// No row passes both; the conditions read rows of the same entity, each through its own shape.
pub fn are_disjoint(left: (&Expr, &Shape), right: (&Expr, &Shape)) -> bool {
    let (left, right) = (facts(left.0, left.1), facts(right.0, right.1));
    left.iter().any(|(field, fact)| right.iter().any(|(other, against)| field == other && excludes(fact, against)))
}

/// The condition is false for rows whose field has this value.
pub fn excludes_value(condition: (&Expr, &Shape), field: &str, value: &Value) -> bool {
    let only = Fact::OneOf(vec![value.clone()]);
    facts(condition.0, condition.1).iter().any(|(other, fact)| *other == field && excludes(fact, &only))
}

/// The only values that the condition lets through for the field, where it names them.
pub fn allowed(condition: (&Expr, &Shape), field: &str) -> Option<Vec<Value>> {
    facts(condition.0, condition.1).into_iter().find_map(|(other, fact)| match fact {
        Fact::OneOf(values) if other == field => Some(values),
        Fact::OneOf(_) | Fact::NoneOf(_) | Fact::Below(..) | Fact::Above(..) => None,
    })
}

/// One of the conditions holds for every row: two are opposites, or they share out all members of one field.
pub fn cover_all(conditions: &[&Expr], shape: &Shape) -> bool {
    let not = |it: &Expr| Expr::Not(it.clone().boxed());
    let are_opposites = conditions.iter().enumerate().any(|(index, first)| {
        conditions[index + 1..].iter().any(|second| are_disjoint((&not(first), shape), (&not(second), shape)))
    });
    are_opposites || share_out(conditions, shape).unwrap_or(false)
}

/// `None`: the conditions are not all tests of one field with few values.
fn share_out(conditions: &[&Expr], shape: &Shape) -> Option<bool> {
    let [slot] = conditions.first()?.slots()[..] else { return None };
    let field = shape.field(slot);
    let every: Vec<Value> = match &field.kind {
        Kind::Bool => vec![Value::Bool(false), Value::Bool(true)],
        Kind::Enum(members) if !members.open => members.members.iter().map(|it| it.value.clone()).collect(),
        _ => return None,
    };
    let mut taken = Vec::new();
    for condition in conditions {
        let is_single = condition.slots() == [slot] && !matches!(condition, Expr::And(..));
        taken.extend(allowed((condition, shape), &field.name).filter(|_| is_single).unwrap_or_default());
    }
    let needed = every.into_iter().chain(field.nullable.then_some(Value::Null));
    Some(needed.into_iter().all(|it| taken.contains(&it)))
}

/// `for … in` blocks whose partitions together are all that take part.
pub fn cover_partitions(conditions: &[&Expr], selected: Option<&[Value]>) -> bool {
    let is_partition = |it: &Expr| {
        *it == Expr::Partition || matches!(it, Expr::Call { arguments, .. } if arguments.as_slice() == [Expr::Partition])
    };
    let mut taken = HashSet::new();
    for condition in conditions {
        if let Expr::In { operand, set } = condition
            && is_partition(operand)
        {
            taken.extend(set);
        }
    }
    let is_taken = |value: &Value| {
        let lower = value.as_text().map(|it| Value::text(it.to_lowercase()));
        taken.contains(value) || lower.is_some_and(|it| taken.contains(&it))
    };
    selected.is_some_and(|it| it.iter().all(is_taken))
}

fn excludes(left: &Fact, right: &Fact) -> bool {
    match (left, right) {
        (Fact::OneOf(some), Fact::OneOf(others)) => !have_common(some, others),
        (Fact::OneOf(some), Fact::NoneOf(others)) | (Fact::NoneOf(others), Fact::OneOf(some)) => {
            let others = Values::of(others);
            some.iter().all(|it| others.contains(it))
        }
        (Fact::OneOf(some), Fact::Below(bound, inclusive)) | (Fact::Below(bound, inclusive), Fact::OneOf(some)) => {
            !some.iter().any(|it| is_below(it, bound, *inclusive))
        }
        (Fact::OneOf(some), Fact::Above(bound, inclusive)) | (Fact::Above(bound, inclusive), Fact::OneOf(some)) => {
            !some.iter().any(|it| is_below(bound, it, *inclusive))
        }
        (Fact::Below(high, has_high), Fact::Above(low, has_low)) | (Fact::Above(low, has_low), Fact::Below(high, has_high)) => {
            !is_below(low, high, *has_high && *has_low)
        }
        (Fact::NoneOf(_), Fact::NoneOf(_) | Fact::Below(..) | Fact::Above(..))
        | (Fact::Below(..) | Fact::Above(..), Fact::NoneOf(_))
        | (Fact::Below(..), Fact::Below(..))
        | (Fact::Above(..), Fact::Above(..)) => false,
    }
}

/// As the interpreter compares: numbers by value, nothing with null.
fn is_below(left: &Value, right: &Value, inclusive: bool) -> bool {
    if !left.is_value() || !right.is_value() {
        return false;
    }
    let order = match (to_decimal(left), to_decimal(right)) {
        (Some(a), Some(b)) if left.as_text().is_none() && right.as_text().is_none() => a.cmp(&b),
        _ => left.cmp(right),
    };
    order.is_lt() || (inclusive && order.is_eq())
}

fn facts<'a>(expr: &Expr, shape: &'a Shape) -> Vec<(&'a str, Fact)> {
    let mut out = Vec::new();
    collect(expr, shape, &mut out);
    out
}

fn collect<'a>(expr: &Expr, shape: &'a Shape, out: &mut Vec<(&'a str, Fact)>) {
    match expr {
        Expr::And(left, right) => {
            collect(left, shape, out);
            collect(right, shape, out);
        }
        Expr::Not(inner) => match &**inner {
            Expr::Not(twice) => collect(twice, shape, out),
            Expr::Or(left, right) => {
                let not = |it: &Expr| Expr::Not(it.clone().boxed());
                collect(&not(left), shape, out);
                collect(&not(right), shape, out);
            }
            inner => out.extend(fact(inner, shape).and_then(|(field, fact)| Some((field, negated(fact)?)))),
        },
        other => out.extend(fact(other, shape)),
    }
}

fn negated(fact: Fact) -> Option<Fact> {
    match fact {
        Fact::OneOf(values) => Some(Fact::NoneOf(values)),
        Fact::NoneOf(values) => Some(Fact::OneOf(values)),
        // What is not below may also be null.
        Fact::Below(..) | Fact::Above(..) => None,
    }
}

fn fact<'a>(expr: &Expr, shape: &'a Shape) -> Option<(&'a str, Fact)> {
    match expr {
        Expr::Slot(_) => Some((field(expr, shape)?, Fact::OneOf(vec![Value::Bool(true)]))),
        Expr::Compare { op: op @ (Compare::Equal | Compare::NotEqual), left, right } => {
            let (field, value) = match (field(left, shape), field(right, shape), constant(left), constant(right)) {
                (Some(field), _, _, Some(value)) | (_, Some(field), Some(value), _) => (field, value),
                _ => return None,
            };
            Some((field, if *op == Compare::Equal { Fact::OneOf(vec![value]) } else { Fact::NoneOf(vec![value]) }))
        }
        Expr::Compare { op, left, right } => {
            let inclusive = matches!(op, Compare::LessEqual | Compare::GreaterEqual);
            let is_less = matches!(op, Compare::Less | Compare::LessEqual);
            let (field, value, below) = match (field(left, shape), field(right, shape), constant(left), constant(right)) {
                (Some(field), _, _, Some(value)) => (field, value, is_less),
                (_, Some(field), Some(value), _) => (field, value, !is_less),
                _ => return None,
            };
            Some((field, if below { Fact::Below(value, inclusive) } else { Fact::Above(value, inclusive) }))
        }
        Expr::In { operand, set } => Some((field(operand, shape)?, Fact::OneOf(set.clone()))),
        Expr::Call { function, arguments } if function == "is_null" => {
            Some((field(arguments.first()?, shape)?, Fact::OneOf(vec![Value::Null])))
        }
        _ => None,
    }
}

fn field<'a>(expr: &Expr, shape: &'a Shape) -> Option<&'a str> {
    match expr {
        Expr::Slot(slot) => Some(&shape.field(*slot).name),
        Expr::Convert { operand, .. } => field(operand, shape),
        _ => None,
    }
}

fn constant(expr: &Expr) -> Option<Value> {
    if let Expr::Const(value) = expr { Some(value.clone()) } else { None }
}
