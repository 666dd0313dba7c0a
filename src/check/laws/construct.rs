//! What holds by the form of a rule alone: both ends show fields as they are, or through the same function, and are written
//! with what they are given.

use crate::change::Side;
use crate::functions::{self, Law};
use crate::ir::{End, Expr, Plan, RuleId};
use crate::schema::Profile;
use crate::value::{Kind, Slot, Value};

use super::super::lens::{Split, divide, part};
use super::super::premise::{Premise, Premises};
use super::trial::is_default;

/// How the round trip follows from the form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Both ends show what they hold, or the same canonical form of it: nothing is lost, whatever the stores do.
    Faithful,
    /// One end shows a part of what it holds, or joins fields: what is written reads back as itself.
    Settled,
}

/// One value of an end: a field, or a part of the key behind a reference, perhaps in a canonical or shortened form.
#[derive(PartialEq)]
struct Atom<'e> {
    slot: Slot,
    is_key: bool,
    applied: Option<Applied<'e>>,
}

#[derive(PartialEq)]
struct Applied<'e> {
    function: &'e str,
    constants: &'e [Expr],
    law: Law,
}

/// The form of a two-way rule; `None`: it must be tried.
pub fn form(plan: &Plan, id: RuleId, premises: Premises) -> Option<Form> {
    let rule = plan.rule(id);
    let [left, right] = [&rule.ends[Side::Left], &rule.ends[Side::Right]];
    match (atoms(plan, Side::Left, left), atoms(plan, Side::Right, right)) {
        (Some(a), Some(b)) => {
            let is_written = a.len() == b.len()
                && writes_plainly(plan, Side::Left, left, &a, &b, &rule.kind)
                && writes_plainly(plan, Side::Right, right, &b, &a, &rule.kind);
            let looks_at_ends = |it: &Atom<'_>| {
                let function = it.applied.as_ref().and_then(|it| functions::find(it.function));
                function.is_some_and(|it| it.looks_at_ends)
            };
            // In the other case a letter can become several, and a function may drop one of them: İ is i with a dot of its own.
            let is_cased = plan.profiles.iter().any(|(_, it)| it.text.upper || it.text.lower);
            if is_cased && a.iter().chain(&b).any(|it| it.applied.is_some()) {
                return None;
            }
            let is_single = a.len() == 1 || !premises.hold(Premise::Parts);
            let is_folded = (is_single || Side::BOTH.into_iter().all(|side| parts_are_folded(plan, id, side)))
                && (!a.iter().chain(&b).any(looks_at_ends) || stores_keep(plan, id) || !premises.hold(Premise::Affixes));
            if is_written && is_folded { of_atoms(&a, &b, premises) } else { None }
        }
        (Some(plain), None) if is_joined(right) => settled_beside(plan, Side::Left, left, &plain, &rule.kind),
        (None, Some(plain)) if is_joined(left) => settled_beside(plan, Side::Right, right, &plain, &rule.kind),
        _ => None,
    }
}

/// The parts of a tuple are compared in the form of one kind; what the store does to those of another is not folded away.
fn parts_are_folded(plan: &Plan, id: RuleId, side: Side) -> bool {
    let rule = plan.rule(id);
    let is_folded = |kind: &Kind| {
        let is_kept = plan.profiles.iter().all(|(_, it)| keeps(it, kind));
        is_kept || std::mem::discriminant(kind) == std::mem::discriminant(&rule.kind)
    };
    rule.ends[side].read.slots().iter().all(|slot| is_folded(&plan.shapes[side].field(*slot).kind))
}

fn of_atoms(left: &[Atom<'_>], right: &[Atom<'_>], premises: Premises) -> Option<Form> {
    let is_lossy =
        |it: &Atom<'_>| it.applied.as_ref().is_some_and(|it| it.law != Law::Canon) && premises.hold(Premise::Forgetting);
    let pair = |(a, b): (&Atom<'_>, &Atom<'_>)| match (&a.applied, &b.applied) {
        (left, right) if left == right && !is_lossy(a) => Some(Form::Faithful),
        (left, right) if left == right => Some(Form::Settled),
        (Some(it), None) | (None, Some(it)) if it.law == Law::Retract => Some(Form::Settled),
        _ => None,
    };
    let forms: Vec<Form> = left.iter().zip(right).map(pair).collect::<Option<_>>()?;
    Some(if forms.contains(&Form::Settled) { Form::Settled } else { Form::Faithful })
}

fn settled_beside(plan: &Plan, side: Side, end: &End, plain: &[Atom<'_>], kind: &Kind) -> Option<Form> {
    let [atom] = plain else { return None };
    let is_plain = atom.applied.is_none() && writes_plainly(plan, side, end, plain, &[], kind);
    is_plain.then_some(Form::Settled)
}

fn atoms<'e>(plan: &Plan, side: Side, end: &'e End) -> Option<Vec<Atom<'e>>> {
    match &end.read {
        Expr::Tuple(parts) => parts.iter().map(|it| atom(plan, side, it)).collect(),
        single => Some(vec![atom(plan, side, single)?]),
    }
}

fn atom<'e>(plan: &Plan, side: Side, expr: &'e Expr) -> Option<Atom<'e>> {
    let atom = |expr: &'e Expr| atom(plan, side, expr);
    let plain = |slot: Slot, is_key: bool| Some(Atom { slot, is_key, applied: None });
    match expr {
        Expr::Slot(slot) => plain(*slot, false),
        Expr::KeyOf { operand, .. } => match &**operand {
            Expr::Slot(slot) => plain(*slot, true),
            _ => None,
        },
        Expr::Part { operand, .. } if matches!(&**operand, Expr::KeyOf { .. }) => atom(operand),
        Expr::Convert { to, operand } => {
            atom(operand).filter(|it| !it.is_key && is_same_family(to, &plan.shapes[side].field(it.slot).kind))
        }
        // A default is no part of what is shown: the author has said what null becomes.
        // One beside a function is: what the function makes of it may be something else.
        Expr::Coalesce(inner, default) if matches!(&**default, Expr::Const(_)) => atom(inner).filter(|it| it.applied.is_none()),
        Expr::If { then, otherwise, .. } if is_default(expr) && matches!(&**then, Expr::Const(_)) => {
            atom(otherwise).filter(|it| it.applied.is_none())
        }
        Expr::Call { function, arguments } => {
            let law = functions::find(function)?.law;
            let [first, constants @ ..] = arguments.as_slice() else { return None };
            let inner = atom(first)?;
            let is_plain = inner.applied.is_none() && constants.iter().all(|it| matches!(it, Expr::Const(_)));
            (law != Law::OneWay && is_plain).then_some(Atom { applied: Some(Applied { function, constants, law }), ..inner })
        }
        _ => None,
    }
}

/// Every value goes back where it came from, converted at most in a manner that refuses and never changes it.
fn writes_plainly(plan: &Plan, side: Side, end: &End, own: &[Atom<'_>], other: &[Atom<'_>], kind: &Kind) -> bool {
    let count = own.len();
    let given = |expr: &Expr, index: usize| {
        let source = other.get(index).filter(|it| !it.is_key).map(|it| &plan.shapes[side.other()].field(it.slot).kind);
        let source = if count == 1 { Some(kind) } else { source };
        match expr {
            Expr::Convert { to, operand } => {
                **operand == part(Expr::It, index, count) && source.is_some_and(|it| is_same_family(to, it))
            }
            plain => *plain == part(Expr::It, index, count),
        }
    };
    let is_written = |index: usize, atom: &Atom<'_>| {
        let Some((_, expr)) = end.write.iter().find(|(slot, _)| *slot == atom.slot) else { return false };
        match (expr, atom.is_key) {
            (Expr::IdOf { operand, .. }, true) => match &**operand {
                Expr::Tuple(parts) => parts.len() == count && given(&parts[index], index),
                single => given(single, index),
            },
            (plain, false) => given(plain, index),
            _ => false,
        }
    };
    own.iter().enumerate().all(|(index, atom)| is_written(index, atom))
}

/// A conversion between these only refuses; it never changes the value.
fn is_same_family(to: &Kind, from: &Kind) -> bool {
    let whole = |it: &Kind| matches!(it, Kind::Int32 | Kind::Int64 | Kind::Decimal { .. });
    matches!((to, from), (Kind::Text { .. }, Kind::Text { .. })) || (whole(to) && whole(from)) || to == from
}

/// Fields with fixed texts between them, divided at these texts: what is divided is joined to the same again.
fn is_joined(end: &End) -> bool {
    let Expr::Concat(parts) = &end.read else { return false };
    let (mut slots, mut separators) = (Vec::new(), Vec::new());
    for (index, piece) in parts.iter().enumerate() {
        match piece {
            Expr::Slot(slot) if index % 2 == 0 => slots.push(*slot),
            Expr::Const(Value::Text(text)) if index % 2 == 1 => separators.push(text.to_string()),
            _ => return false,
        }
    }
    let is_divided = |split: Split| {
        let pieces = divide(&Expr::It, &separators, split);
        let written = end.write.iter().map(|(slot, expr)| (*slot, unconverted(expr)));
        slots.len() == pieces.len() && written.eq(slots.iter().copied().zip(&pieces))
    };
    is_divided(Split::First) || is_divided(Split::Last)
}

/// A text cut to the field's length is refused, not changed.
fn unconverted(expr: &Expr) -> &Expr {
    match expr {
        Expr::Convert { to: Kind::Text { .. }, operand } => operand,
        other => other,
    }
}

/// The stores of both sides keep every value of the rule's fields as it is written.
pub fn stores_keep(plan: &Plan, id: RuleId) -> bool {
    Side::BOTH.into_iter().all(|side| {
        let slots = plan.rule(id).ends[side].read.slots();
        slots.iter().all(|slot| keeps(&plan.profiles[side], &plan.shapes[side].field(*slot).kind))
    })
}

fn keeps(profile: &Profile, kind: &Kind) -> bool {
    match kind {
        Kind::Text { .. } => {
            let facts = &profile.text;
            let changes = [
                facts.null_is_blank,
                facts.blank_is_null,
                facts.padded.is_some(),
                facts.trailing_blanks_dropped,
                facts.leading_blanks_dropped,
                facts.upper,
                facts.lower,
            ];
            !changes.contains(&true)
        }
        Kind::Date => profile.null_date.is_none(),
        Kind::DateTime => profile.null_date.is_none() && profile.datetime_step_us <= 1,
        Kind::Decimal { scale, .. } => profile.decimal_scale.is_none_or(|it| it >= *scale),
        Kind::Bool
        | Kind::Int32
        | Kind::Int64
        | Kind::Float64
        | Kind::Guid
        | Kind::Time
        | Kind::Binary
        | Kind::Enum(_)
        | Kind::Choices(_)
        | Kind::Lookup(_) => true,
    }
}

/// The rule as it looks when references are their keys: what `via` reads is what it writes, so that the rest can be tried.
pub fn without_references(plan: &mut Plan, id: RuleId) {
    for side in Side::BOTH {
        let mut end = plan.rules[id.index()].ends[side].clone();
        for slot in end.read.slots() {
            if let Some(kind) = key_kind(plan, &end.read, slot) {
                plan.shapes[side].fields[usize::from(slot.0)].kind = kind;
            }
        }
        end.read = end.read.rewritten(&plain_key);
        end.write.iter_mut().for_each(|(_, it)| *it = it.rewritten(&plain_key));
        plan.rules[id.index()].ends[side] = end;
    }
}

fn plain_key(expr: &Expr) -> Option<Expr> {
    match expr {
        Expr::KeyOf { operand, .. } | Expr::IdOf { operand, .. } => Some(operand.rewritten(&plain_key)),
        _ => None,
    }
}

/// The kind of the key that this slot's reference is read as, where it is one value.
fn key_kind(plan: &Plan, expr: &Expr, slot: Slot) -> Option<Kind> {
    if let Expr::KeyOf { reference, operand } = expr
        && **operand == Expr::Slot(slot)
    {
        let reference = plan.reference(*reference);
        let target = reference.targets.first()?;
        let column = target.columns.last()?;
        let is_single = target.columns.len() == 1 + usize::from(reference.is_partitioned) && column.via.is_none();
        return is_single.then(|| target.shape.field(column.slot).kind.clone());
    }
    expr.operands().into_iter().find_map(|it| key_kind(plan, it, slot))
}

/// The expression asks for the partition, which a rule alone does not know.
pub fn needs_partition(expr: &Expr) -> bool {
    *expr == Expr::Partition || expr.operands().into_iter().any(needs_partition)
}
