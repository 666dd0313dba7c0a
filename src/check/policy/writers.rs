//! One writer per field and direction, within a map and between maps of the same pair of entities; no circles.

use std::collections::BTreeMap;

use super::has_lookup;
use super::overlap::are_disjoint;
use crate::change::Side;
use crate::check::built::{Built, Role};
use crate::diag::{Diagnostic, Diagnostics, codes};
use crate::ir::{Plan, Rule};
use crate::syntax::ast::ClauseKind;
use crate::value::Slot;

/// A rule of one of the maps.
#[derive(Clone, Copy)]
struct Writer {
    map: usize,
    rule: usize,
    slot: Slot,
}

pub fn check(built: &mut [Built<'_>], diags: &mut Diagnostics) {
    let mut clashes = Vec::new();
    for side in Side::BOTH {
        for writers in by_field(built, side).into_values() {
            let pairs =
                writers.iter().enumerate().flat_map(|(index, first)| writers[index + 1..].iter().map(move |it| (*first, *it)));
            clashes.extend(pairs.filter(|(first, second)| can_clash(built, side, *first, *second)).take(1).map(|it| (side, it)));
        }
    }
    for (side, (first, second)) in &clashes {
        diags.push(clash(built, *side, *first, *second));
        built[second.map].is_wrong = true;
    }
    for it in built.iter_mut() {
        if let Some(diagnostic) = twin_labels(it) {
            diags.push(diagnostic);
            it.is_wrong = true;
        }
    }
    for (first, second) in overlapping(built) {
        let is_reported = |(_, (a, b)): &(Side, (Writer, Writer))| (a.map, b.map) == (first, second);
        if !clashes.iter().any(is_reported) {
            diags.push(overlap(&built[first], &built[second]));
            built[second].is_wrong = true;
        }
    }
    for (index, it) in built.iter_mut().enumerate() {
        let reported = |rule: usize| clashes.iter().any(|(_, (a, b))| [a, b].iter().any(|it| (it.map, it.rule) == (index, rule)));
        if let Some(diagnostic) = circle(it, reported) {
            diags.push(diagnostic);
            it.is_wrong = true;
        }
    }
}

/// Rules that write a field which others write too, where nothing in the maps keeps the two from one row.
pub fn shared(built: &[Built<'_>]) -> Vec<(usize, usize)> {
    let mut out = Vec::new();
    for side in Side::BOTH {
        for writers in by_field(built, side).into_values() {
            for (index, first) in writers.iter().enumerate() {
                let counts = |it: &Writer| !built[it.map].plan.rules[it.rule].on_create;
                for second in
                    writers[index + 1..].iter().filter(|it| counts(first) && counts(it) && !is_apart(built, *first, **it))
                {
                    out.extend([(first.map, first.rule), (second.map, second.rule)]);
                }
            }
        }
    }
    out
}

fn is_apart(built: &[Built<'_>], first: Writer, second: Writer) -> bool {
    let (a, b) = (&built[first.map].plan, &built[second.map].plan);
    (first.map, first.rule) == (second.map, second.rule)
        || guards_exclude(a, &a.rules[first.rule], b, &b.rules[second.rule])
        || (first.map != second.map && scopes_exclude(a, b))
}

/// The ordinary rules that write each field of each entity of this side, in the order of the text.
fn by_field(built: &[Built<'_>], side: Side) -> BTreeMap<(u16, String, String), Vec<Writer>> {
    let mut out: BTreeMap<_, Vec<Writer>> = BTreeMap::new();
    for (map, it) in built.iter().enumerate() {
        let shape = &it.plan.shapes[side];
        for (index, rule) in it.plan.rules.iter().enumerate() {
            if it.rules[index].role != Role::Ordinary {
                continue;
            }
            for (slot, _) in &rule.ends[side].write {
                let key = (it.plan.systems[side], shape.entity.clone(), shape.field(*slot).name.clone());
                out.entry(key).or_default().push(Writer { map, rule: index, slot: *slot });
            }
        }
    }
    out
}

/// Guarded twins on one field, or rules that were given one label, cannot be told apart in messages, tests and layers.
fn twin_labels(built: &Built<'_>) -> Option<Diagnostic> {
    let (plan, written) = (&built.plan, &built.rules);
    let has_when = |it: usize| written[it].rule.clauses.iter().any(|it| matches!(it.kind, ClauseKind::When(_)));
    let same = |a: usize, b: usize| {
        let both_labelled = written[a].rule.label.is_some() && written[b].rule.label.is_some();
        let is_twin = has_when(a)
            && has_when(b)
            && plan.rules[a].guard.is_some()
            && guards_exclude(plan, &plan.rules[a], plan, &plan.rules[b]);
        plan.rules[a].label == plan.rules[b].label && (both_labelled || is_twin)
    };
    let (first, second) = (0..written.len()).find_map(|b| (0..b).find(|&a| same(a, b)).map(|a| (a, b)))?;
    let message = format!("two rules are called `{}`", plan.rules[second].label);
    Some(
        Diagnostic::new(codes::SYNTAX, written[second].span, message, "the second one")
            .because(written[first].span, "the first one")
            .advice("write a label of its own before one of them: `label: …`")
            .in_rule(&plan.name, Some(&plan.rules[second].label)),
    )
}

/// Maps between the same two entities that can both take one row.
fn overlapping(built: &[Built<'_>]) -> Vec<(usize, usize)> {
    let mut out = Vec::new();
    for (second, b) in built.iter().enumerate() {
        for (first, a) in built[..second].iter().enumerate() {
            let is_same_pair = Side::BOTH.into_iter().all(|side| {
                a.plan.systems[side] == b.plan.systems[side] && a.plan.shapes[side].entity == b.plan.shapes[side].entity
            });
            let shares_target = Side::BOTH.into_iter().any(|side| a.plan.writes[side] && b.plan.writes[side]);
            if is_same_pair && shares_target && !a.is_partial && !b.is_partial && !scopes_exclude(&a.plan, &b.plan) {
                out.push((first, second));
            }
        }
    }
    out
}

fn overlap(first: &Built<'_>, second: &Built<'_>) -> Diagnostic {
    let (a, b) = (&first.plan, &second.plan);
    let message = format!("a row can be in `{}` and in `{}`, and both keep a partner for it", a.name, b.name);
    Diagnostic::new(codes::OVERLAP, second.map.name.span, message, "takes the same rows")
        .because(first.map.name.span, "takes them already")
        .advice("give both a `filter`, or a `partition in`, that excludes the other")
        .in_rule(&b.name, None)
}

fn can_clash(built: &[Built<'_>], side: Side, first: Writer, second: Writer) -> bool {
    let (a, b) = (&built[first.map].plan, &built[second.map].plan);
    let (left, right) = (&a.rules[first.rule], &b.rules[second.rule]);
    let is_apart_in_time = left.on_create && right.on_update || left.on_update && right.on_create;
    if (first.map, first.rule) == (second.map, second.rule) || has_lookup(left) && has_lookup(right) || is_apart_in_time {
        return false;
    }
    if first.map == second.map {
        return !guards_exclude(a, left, b, right);
    }
    // What another map gives to rows that it makes is gone from then on: whoever makes the row says it.
    if left.on_create || right.on_create {
        return false;
    }
    let is_same_pair =
        a.shapes[side.other()].entity == b.shapes[side.other()].entity && a.systems[side.other()] == b.systems[side.other()];
    is_same_pair && !guards_exclude(a, left, b, right) && !scopes_exclude(a, b)
}

fn guards_exclude(a: &Plan, left: &Rule, b: &Plan, right: &Rule) -> bool {
    match (&left.guard, &right.guard) {
        (Some(first), Some(second)) if first.side == second.side => {
            are_disjoint((&first.condition, &a.shapes[first.side]), (&second.condition, &b.shapes[second.side]))
        }
        _ => false,
    }
}

fn scopes_exclude(a: &Plan, b: &Plan) -> bool {
    let by_filter = Side::BOTH.into_iter().any(|side| match (&a.scope[side], &b.scope[side]) {
        (Some(first), Some(second)) => are_disjoint((first, &a.shapes[side]), (second, &b.shapes[side])),
        _ => false,
    });
    let by_partition = match (&a.partition_in, &b.partition_in) {
        (Some(first), Some(second)) => !first.iter().any(|it| second.contains(it)),
        _ => false,
    };
    by_filter || by_partition
}

fn clash(built: &[Built<'_>], side: Side, first: Writer, second: Writer) -> Diagnostic {
    let plan = &built[second.map].plan;
    let field = &plan.shapes[side].field(second.slot).name;
    let message = format!("two rules write `{field}` on the {}, and both can be active for one row", side.word());
    let (one, two) = (built[first.map].rules[first.rule].span, built[second.map].rules[second.rule].span);
    Diagnostic::new(codes::TWO_WRITERS, two, message, "writes it too")
        .because(one, format!("writes `{field}`"))
        .advice("drop one of them, or give both a `when` that excludes the other")
        .in_rule(&plan.name, Some(&plan.rules[second.rule].label))
}

/// Fields that two-way rules hold equal are one class; one-way rules must not lead from a class back to itself.
fn circle(built: &Built<'_>, is_reported: impl Fn(usize) -> bool) -> Option<Diagnostic> {
    let plan = &built.plan;
    let width = plan.shapes[Side::Left].fields.len();
    let node = |side: Side, slot: Slot| usize::from(slot.0) + if side == Side::Right { width } else { 0 };
    let mut class: Vec<usize> = (0..width + plan.shapes[Side::Right].fields.len()).collect();
    let counts = |rule: &Rule| !rule.on_create && rule.guard.is_none();
    for rule in plan.rules.iter().filter(|it| it.is_two_way() && counts(it)) {
        let nodes: Vec<usize> = Side::BOTH
            .into_iter()
            .flat_map(|side| rule.ends[side].write.iter().map(move |(slot, _)| node(side, *slot)))
            .collect();
        for pair in nodes.windows(2) {
            let (from, to) = (class[pair[0]], class[pair[1]]);
            class.iter_mut().filter(|it| **it == from).for_each(|it| *it = to);
        }
    }
    let mut edges: Vec<(usize, usize, usize)> = Vec::new();
    for (index, rule) in
        plan.rules.iter().enumerate().filter(|(index, it)| !it.is_two_way() && counts(it) && !is_reported(*index))
    {
        for side in Side::BOTH {
            for (slot, _) in &rule.ends[side].write {
                let sources = rule.ends[side.other()].read.slots();
                edges.extend(sources.into_iter().map(|it| (class[node(side.other(), it)], class[node(side, *slot)], index)));
            }
        }
    }
    let (_, _, rule) = *edges.iter().find(|(from, to, _)| reaches(&edges, *to, *from))?;
    let message = "fields are derived from each other in a circle";
    let mut diagnostic = Diagnostic::new(codes::CYCLE, built.rules[rule].span, message, "leads back to where it came from");
    let closing = edges.iter().find(|(from, to, other)| *other != rule && reaches(&edges, *to, *from));
    if let Some((_, _, other)) = closing {
        diagnostic = diagnostic.because(built.rules[*other].span, "part of the same circle");
    }
    Some(
        diagnostic
            .advice("write one two-way rule instead, or drop one of these")
            .in_rule(&plan.name, Some(&plan.rules[rule].label)),
    )
}

fn reaches(edges: &[(usize, usize, usize)], start: usize, goal: usize) -> bool {
    let (mut seen, mut todo) = (vec![start], vec![start]);
    while let Some(next) = todo.pop() {
        if next == goal {
            return true;
        }
        for (_, to, _) in edges.iter().filter(|(from, _, _)| *from == next) {
            if !seen.contains(to) {
                seen.push(*to);
                todo.push(*to);
            }
        }
    }
    false
}
