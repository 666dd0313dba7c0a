//! What the filters of a map ask for: that rows which leave are answered for, that what rules write stays in scope, and that a
//! row in scope on one side is so on the other.

use super::overlap::{allowed, are_disjoint, excludes_value};
use super::{because, carried, declared, entity, policies};
use crate::change::{Side, Sides};
use crate::check::built::{Built, Role};
use crate::check::laws::{samples, show_record};
use crate::check::names::World;
use crate::check::premise::Premise;
use crate::check::rule::towards;
use crate::diag::{Diagnostic, codes};
use crate::interp::{self, Cx, Lookups};
use crate::ir::{Compare, Expr, Plan, Rule, RuleId};
use crate::source::Span;
use crate::syntax::ast::{Arrow, ClauseKind, MemberKind, Policy, PolicyKind};
use crate::value::{Record, Slot, Value};

pub fn check(world: &World<'_>, built: &Built<'_>, out: &mut Vec<Diagnostic>) {
    exits(world, built, out);
    null_meaning(built, out);
    for (index, rule) in built.plan.rules.iter().enumerate() {
        let tried = || if world.premises.hold(Premise::Image) { image_of_samples(built, index) } else { None };
        let found = constant(built, index).or_else(|| image(built, index)).or_else(tried).or_else(|| dead(built, index));
        let loose = loose_in_filter(built, index);
        out.extend(found.into_iter().chain(loose).map(|it| Diagnostic { rule: Some(rule.label.clone()), ..it }));
    }
}

/// Where the filter of this side stands.
pub fn place(built: &Built<'_>, side: Side) -> Span {
    let conditions = built.map.members.iter().filter_map(|it| match &it.kind {
        MemberKind::Filter { left, right, .. } => {
            if side == Side::Left {
                left.as_ref()
            } else {
                right.as_ref()
            }
        }
        _ => None,
    });
    conditions.map(|it| it.span).next().unwrap_or(built.map.name.span)
}

/// A row whose fields change may leave; what then becomes of its partner has no default.
fn exits(world: &World<'_>, built: &Built<'_>, out: &mut Vec<Diagnostic>) {
    let plan = &built.plan;
    if built.is_partial {
        return;
    }
    for side in Side::BOTH.into_iter().filter(|it| plan.writes[it.other()] && !is_answered(built, *it)) {
        let (Some(scope), Some(entity)) = (&plan.scope[side], entity(world, plan, side)) else { continue };
        let changing = scope.slots().into_iter().map(|it| plan.shapes[side].field(it)).find(|field| {
            let is_fixed = entity.key.contains(&field.name) || entity.partition.as_ref() == Some(&field.name);
            !is_fixed && !field.readonly
        });
        if let Some(field) = changing {
            let message =
                format!("a row whose `{}` changes can leave this filter, and nothing says what then happens", field.name);
            let diagnostic = Diagnostic::new(codes::NO_EXIT, place(built, side), message, "can become false")
                .advice("add `on exit detach`, `deactivate`, `delete` or `reject`");
            out.push(because(diagnostic, declared(world, plan, side, &field.name), "can change"));
            return;
        }
    }
}

/// A policy says what becomes of a row that leaves this side. One that is wrong was reported where it stands.
fn is_answered(built: &Built<'_>, side: Side) -> bool {
    let covers = |arrow: &Option<Arrow>| arrow.is_none_or(|it| towards(it)[side.other()]);
    let is_said = |it: &Policy| matches!(&it.kind, PolicyKind::Exit { arrow, .. } if covers(arrow));
    built.plan.on_exit[side].is_some() || policies(built).any(is_said)
}

/// `x != 1` is true for a null here and not in SQL.
fn null_meaning(built: &Built<'_>, out: &mut Vec<Diagnostic>) {
    for side in Side::BOTH {
        let Some(scope) = &built.plan.scope[side] else { continue };
        let (mut unequal, mut tested) = (Vec::new(), Vec::new());
        null_tests(scope, &mut unequal, &mut tested);
        let shape = &built.plan.shapes[side];
        let has_null = |it: &Slot| {
            let field = shape.field(*it);
            field.nullable && built.plan.profiles[side].store(&field.kind, &Value::Null) == Value::Null
        };
        if let Some(slot) = unequal.into_iter().find(|it| has_null(it) && !tested.contains(it)) {
            let name = &shape.field(slot).name;
            let message = format!("where `{name}` is null, this is true here and unknown to the store");
            out.push(
                Diagnostic::new(codes::NULL_MEANING, place(built, side), message, "what of null?")
                    .advice(format!("say it: add `and not is_null({name})`, or `or is_null({name})`")),
            );
        }
    }
}

/// Fields that are compared with `!=`, and fields whose null is asked for.
fn null_tests(expr: &Expr, unequal: &mut Vec<Slot>, tested: &mut Vec<Slot>) {
    match expr {
        Expr::Compare { op: Compare::Equal | Compare::NotEqual, left, right } if **right == Expr::Const(Value::Null) => {
            tested.extend(left.slots());
        }
        Expr::Compare { op: Compare::NotEqual, left, .. } => unequal.extend(left.slots()),
        Expr::Call { function, arguments } if matches!(function.as_str(), "is_null" | "is_blank") => {
            tested.extend(arguments.iter().flat_map(Expr::slots));
        }
        other => other.operands().into_iter().for_each(|it| null_tests(it, unequal, tested)),
    }
}

/// The constant that the rule writes to this field of this side.
fn written_constant(rule: &Rule, side: Side) -> Option<(Slot, Value)> {
    let Expr::Const(value) = &rule.ends[side.other()].read else { return None };
    match rule.ends[side].write.as_slice() {
        [(slot, Expr::It)] => Some((*slot, value.clone())),
        _ => None,
    }
}

/// A constant that the filter of its side refuses, or that makes the rule's own guard false.
fn constant(built: &Built<'_>, index: usize) -> Option<Diagnostic> {
    let (plan, rule) = (&built.plan, &built.plan.rules[index]);
    let (side, (slot, value)) = Side::BOTH.into_iter().find_map(|side| Some((side, written_constant(rule, side)?)))?;
    let (shape, name) = (&plan.shapes[side], &plan.shapes[side].field(slot).name);
    let refuses = |condition: &Expr| excludes_value((condition, shape), name, &value);
    let (span, label) = (built.rules[index].span, format!("writes {value} to `{name}`"));
    if plan.scope[side].as_ref().is_some_and(refuses) {
        let message = format!("every row that gets this `{name}` is outside of the filter of the {} side", side.word());
        let diagnostic =
            Diagnostic::new(codes::CONSTANT_OUT_OF_SCOPE, span, message, label).because(place(built, side), "the filter");
        return Some(diagnostic.advice("write what the filter asks for"));
    }
    rule.guard.as_ref().filter(|it| it.side == side && !rule.on_create && refuses(&it.condition))?;
    let clause = built.rules[index].rule.clauses.iter().find(|it| matches!(it.kind, ClauseKind::When(_)));
    let diagnostic = Diagnostic::new(codes::NOT_STABLE, span, "this rule makes its own guard false", label);
    let diagnostic = because(diagnostic, clause.map(|it| it.span), "then no longer holds");
    Some(diagnostic.advice("test another field, or write the value `on create`"))
}

/// Values that the filter of one side lets through, carried by the rule, against the filter of the other.
fn image(built: &Built<'_>, index: usize) -> Option<Diagnostic> {
    let (plan, rule) = (&built.plan, &built.plan.rules[index]);
    let ordinary = built.rules[index].role == Role::Ordinary && rule.guard.is_none() && !rule.on_create;
    let towards = Side::BOTH.into_iter().filter(|it| ordinary && rule.writes(*it)).find_map(|side| {
        let sources = rule.ends[side.other()].read.slots();
        let ([from], [(to, _)]) = (sources.as_slice(), rule.ends[side].write.as_slice()) else { return None };
        let (near, far) = (plan.scope[side.other()].as_ref()?, plan.scope[side].as_ref()?);
        let values = allowed((near, &plan.shapes[side.other()]), &plan.shapes[side.other()].field(*from).name)?;
        let far = (far, &plan.shapes[side]);
        let is_held = |it: &Value| stored(plan, side.other(), *from, it) == *it;
        let carried = values.into_iter().filter(is_held).find_map(|it| {
            let carried = carry(plan, index, side, *from, *to, &it)?;
            excludes_value(far, &plan.shapes[side].field(*to).name, &carried).then_some((it, carried))
        });
        Some((side, *from, *to, carried?))
    });
    let (side, from, to, (value, carried)) = towards?;
    Some(out_of_scope(built, index, side, (from, &value), (to, &carried)))
}

/// The same where the filters say more than which values they let through: they are asked about many values.
fn image_of_samples(built: &Built<'_>, index: usize) -> Option<Diagnostic> {
    let (plan, rule) = (&built.plan, &built.plan.rules[index]);
    let is_asked = built.rules[index].role == Role::Ordinary && rule.guard.is_none() && !rule.on_create;
    Side::BOTH.into_iter().filter(|it| is_asked && rule.writes(*it)).find_map(|side| {
        let sources = rule.ends[side.other()].read.slots();
        let ([from], [(to, _)]) = (sources.as_slice(), rule.ends[side].write.as_slice()) else { return None };
        let (near, far) = (plan.scope[side.other()].as_ref()?, plan.scope[side].as_ref()?);
        let (near, far) = (about(near, *from)?, about(far, *to)?);
        let mut constants = Vec::new();
        [&near, &far].into_iter().for_each(|it| samples::constants(it, &mut constants));
        // A rule alone does not know the partition, nor what the other parts of a filter read.
        let mut scope = Sides::new(Some(near), Some(far));
        if side == Side::Left {
            scope.0.reverse();
        }
        let unselected = Plan { partition_in: None, scope, ..Plan::clone(plan) };
        let field = plan.shapes[side.other()].field(*from);
        let null = field.nullable.then_some(Value::Null);
        let held = |it: Value| stored(plan, side.other(), *from, &it);
        samples::nasty(&field.kind, &constants).into_iter().chain(null).map(held).find_map(|value| {
            let carried = carry(plan, index, side, *from, *to, &value)?;
            let leaves = passes(&unselected, side.other(), *from, &value) && !passes(&unselected, side, *to, &carried);
            leaves.then(|| out_of_scope(built, index, side, (*from, &value), (*to, &carried)))
        })
    })
}

/// What a filter asks of this field alone. `None`: nothing, or not of this field alone.
fn about(scope: &Expr, slot: Slot) -> Option<Expr> {
    match scope {
        Expr::And(left, right) if scope.slots().len() > 1 => {
            match (left.slots().contains(&slot), right.slots().contains(&slot)) {
                (true, true) => Some(Expr::And(about(left, slot)?.boxed(), about(right, slot)?.boxed())),
                (true, false) => about(left, slot),
                (false, true) => about(right, slot),
                (false, false) => None,
            }
        }
        whole => (whole.slots() == [slot]).then(|| whole.clone()),
    }
}

/// A row of which only this field is known passes the filter of its side.
fn passes(plan: &Plan, side: Side, slot: Slot, value: &Value) -> bool {
    let (lookups, record) = (Lookups::default(), only(plan, side, slot, value));
    interp::in_scope(Cx { plan, lookups: &lookups }, side, &record).unwrap_or(false)
}

fn out_of_scope(built: &Built<'_>, index: usize, side: Side, from: (Slot, &Value), to: (Slot, &Value)) -> Diagnostic {
    let plan = &built.plan;
    let show =
        |side: Side, (slot, value): (Slot, &Value)| show_record(plan, RuleId(index as u16), side, &only(plan, side, slot, value));
    let message = format!(
        "a row that is in scope on the {} arrives outside of the filter of the {} side",
        side.other().word(),
        side.word()
    );
    Diagnostic::new(codes::IMAGE_OUT_OF_SCOPE, built.rules[index].span, message, "carried by this rule")
        .because(place(built, side.other()), "in scope here")
        .because(place(built, side), "not here")
        .counterexample(format!("{}  →  {}", show(side.other(), from), show(side, to)))
        .advice("make the filters each other's image, or map the value otherwise")
}

/// The value as its store gives it back.
fn stored(plan: &Plan, side: Side, slot: Slot, value: &Value) -> Value {
    plan.profiles[side].store(&plan.shapes[side].field(slot).kind, value)
}

/// The value after the rule has carried it and the store has it, where no reference is needed for that.
fn carry(plan: &Plan, index: usize, towards: Side, from: Slot, to: Slot, value: &Value) -> Option<Value> {
    let source = only(plan, towards.other(), from, value);
    Some(carried(plan, RuleId(index as u16), towards, &source)?.get(to).clone()).filter(Value::is_known)
}

/// A row of which only this field is known.
fn only(plan: &Plan, side: Side, slot: Slot, value: &Value) -> Record {
    let mut record = Record::absent(plan.shapes[side].fields.len());
    record.set(slot, value.clone());
    record
}

/// A guard that never holds for rows in scope.
fn dead(built: &Built<'_>, index: usize) -> Option<Diagnostic> {
    let (plan, rule) = (&built.plan, &built.plan.rules[index]);
    let guard = rule.guard.as_ref()?;
    let scope = plan.scope[guard.side].as_ref()?;
    let shape = &plan.shapes[guard.side];
    if !are_disjoint((&guard.condition, shape), (scope, shape)) {
        return None;
    }
    let clause = built.rules[index].rule.clauses.iter().find(|it| matches!(it.kind, ClauseKind::When(_)));
    let span = clause.map_or(built.rules[index].span, |it| it.span);
    let diagnostic = Diagnostic::new(codes::DEAD_RULE, span, "this rule never does anything", "false for every row in scope");
    Some(diagnostic.because(place(built, guard.side), "the filter").advice("remove the rule, or change its guard"))
}

/// `modulo` leaves spellings apart that a filter can tell apart.
fn loose_in_filter(built: &Built<'_>, index: usize) -> Option<Diagnostic> {
    let (plan, rule) = (&built.plan, &built.plan.rules[index]);
    let clause = built.rules[index].rule.clauses.iter().find(|it| matches!(it.kind, ClauseKind::Modulo(_)))?;
    let in_filter = |side: Side| {
        let scope = plan.scope[side].as_ref()?.slots();
        let written = rule.ends[side].read.slots();
        written.into_iter().find(|it| scope.contains(it)).map(|it| (side, it))
    };
    let (side, slot) = Side::BOTH.into_iter().find_map(in_filter)?;
    let name = &plan.shapes[side].field(slot).name;
    let message = format!("the two sides may spell `{name}` differently, and the filter reads it");
    let diagnostic = Diagnostic::new(codes::LOOSE_FIELD, clause.span, message, "leaves the spellings as they are");
    Some(
        diagnostic.because(place(built, side), "reads it").advice("leave `modulo` out, or apply the same function on both sides"),
    )
}
