//! One writer per field and direction, within a map and between maps of the same pair of entities; no circles.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::has_lookup;
use super::kin::Kin;
use super::overlap::{are_disjoint, have_common};
use crate::change::{Side, Sides};
use crate::check::built::{Built, Role};
use crate::check::circles;
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

/// What the rules of one map are to each other, where no other map writes the entity.
pub struct Writers {
    clashes: Sides<Vec<(Writer, Writer)>>,
    /// Rules that share a field for which both may write.
    shared: Sides<Vec<usize>>,
    twins: Option<Diagnostic>,
    /// The circle of fields, where no rule is reported already.
    circle: Option<Diagnostic>,
}

/// Looks at one map alone.
pub fn of_map(built: &Built<'_>) -> Writers {
    let alone = std::slice::from_ref(built);
    let found = |side: Side| shared_in(alone, side, &[0]).into_iter().map(|(_, rule)| rule).collect();
    Writers {
        clashes: Sides(Side::BOTH.map(|side| clashes_in(alone, side, &[0]))),
        shared: Sides(Side::BOTH.map(found)),
        twins: twin_labels(built),
        circle: circle(built, |_| false),
    }
}

/// Most rules that write one field of an entity, in all maps together: each is compared with all others.
pub const WRITERS_MAX: usize = 200;

pub fn check(built: &mut [Built<'_>], own: &[&Writers], kin: &Kin, diags: &mut Diagnostics) {
    for it in too_many(built, kin) {
        diags.push(crowd(built, &it));
        built[it.0.map].is_wrong = true;
    }
    let mut clashes = clashes(built, own, kin);
    // Two layers that brought one line of their base are in each other's way as maps, not rule by rule.
    let is_one_line = |(_, (a, b)): &(Side, (Writer, Writer))| built[a.map].rules[a.rule].span == built[b.map].rules[b.rule].span;
    let twins: HashSet<(usize, usize)> =
        clashes.iter().filter(|it| is_one_line(it)).map(|(_, (a, b))| (a.map, b.map)).filter(|(a, b)| a != b).collect();
    let overlapping = overlapping(built, kin);
    clashes.retain(|(_, (a, b))| !twins.contains(&(a.map, b.map)) || !overlapping.contains(&(a.map, b.map)));
    for (side, (first, second)) in &clashes {
        diags.push(clash(built, *side, *first, *second));
        built[second.map].is_wrong = true;
    }
    for (it, own) in built.iter_mut().zip(own) {
        if let Some(diagnostic) = &own.twins {
            diags.push(diagnostic.clone());
            it.is_wrong = true;
        }
    }
    let reported: HashSet<(usize, usize)> = clashes.iter().map(|(_, (a, b))| (a.map, b.map)).collect();
    for (first, second) in overlapping.into_iter().filter(|it| !reported.contains(it)) {
        diags.push(overlap(&built[first], &built[second]));
        built[second].is_wrong = true;
    }
    let clashing: HashSet<(usize, usize)> = clashes.iter().flat_map(|(_, (a, b))| [(a.map, a.rule), (b.map, b.rule)]).collect();
    let has_clash: HashSet<usize> = clashing.iter().map(|(map, _)| *map).collect();
    for (index, (it, own)) in built.iter_mut().zip(own).enumerate() {
        let found = match has_clash.contains(&index) {
            true => circle(it, |rule| clashing.contains(&(index, rule))),
            false => own.circle.clone(),
        };
        if let Some(diagnostic) = found {
            diags.push(diagnostic);
            it.is_wrong = true;
        }
    }
}

/// One pair of rules for each field that two rules write for one row.
fn clashes(built: &[Built<'_>], own: &[&Writers], kin: &Kin) -> Vec<(Side, (Writer, Writer))> {
    let mut out = Vec::new();
    for side in Side::BOTH {
        for group in kin.groups(side) {
            match group.as_slice() {
                &[map] => {
                    let here = |it: Writer| Writer { map, ..it };
                    out.extend(own[map].clashes[side].iter().map(|(a, b)| (side, (here(*a), here(*b)))));
                }
                several => out.extend(clashes_in(built, side, several).into_iter().map(|it| (side, it))),
            }
        }
    }
    out
}

fn clashes_in(built: &[Built<'_>], side: Side, group: &[usize]) -> Vec<(Writer, Writer)> {
    let mut out = Vec::new();
    for writers in by_field(built, side, group).into_values() {
        let pairs =
            writers.iter().enumerate().flat_map(|(index, first)| writers[index + 1..].iter().map(move |it| (*first, *it)));
        out.extend(pairs.filter(|(first, second)| can_clash(built, side, *first, *second)).take(1));
    }
    out
}

/// Rules that write a field which others write too, where nothing in the maps keeps the two from one row.
pub fn shared(built: &[Built<'_>], own: &[&Writers], kin: &Kin) -> Vec<(usize, usize)> {
    let mut out = Vec::new();
    for side in Side::BOTH {
        for group in kin.groups(side) {
            match group.as_slice() {
                &[map] => out.extend(own[map].shared[side].iter().map(|rule| (map, *rule))),
                several => out.extend(shared_in(built, side, several)),
            }
        }
    }
    out
}

fn shared_in(built: &[Built<'_>], side: Side, group: &[usize]) -> Vec<(usize, usize)> {
    let mut out = Vec::new();
    for writers in by_field(built, side, group).into_values() {
        for (index, first) in writers.iter().enumerate() {
            let counts = |it: &Writer| !built[it.map].plan.rules[it.rule].on_create;
            for second in writers[index + 1..].iter().filter(|it| counts(first) && counts(it) && !is_apart(built, *first, **it)) {
                out.extend([(first.map, first.rule), (second.map, second.rule)]);
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

/// The first rule too many for each field that too many write, with the side.
fn too_many(built: &[Built<'_>], kin: &Kin) -> Vec<(Writer, Side)> {
    let groups = Side::BOTH.into_iter().flat_map(|side| kin.groups(side).iter().map(move |it| (side, it)));
    let found = groups.flat_map(|(side, group)| {
        let writers = all_by_field(built, side, group).into_values().filter_map(|it| it.get(WRITERS_MAX).copied());
        writers.map(|it| (it, side)).collect::<Vec<_>>()
    });
    found.collect()
}

fn crowd(built: &[Built<'_>], (writer, side): &(Writer, Side)) -> Diagnostic {
    let it = &built[writer.map];
    let shape = &it.plan.shapes[*side];
    let message = format!("more than {WRITERS_MAX} rules write `{}` of `{}`", shape.field(writer.slot).name, shape.entity);
    Diagnostic::new(codes::SYNTAX, it.rules[writer.rule].span, message, "the first rule too many")
        .advice("make one rule of several with a value map, or `if`")
        .in_rule(&it.plan.name, Some(&it.plan.rules[writer.rule].label))
}

/// The ordinary rules of these maps of one entity that write each field, in the order of the text; past [`WRITERS_MAX`] they are
/// left out.
fn by_field<'b>(built: &'b [Built<'_>], side: Side, group: &[usize]) -> BTreeMap<&'b str, Vec<Writer>> {
    let mut out = all_by_field(built, side, group);
    out.values_mut().for_each(|it| it.truncate(WRITERS_MAX));
    out
}

fn all_by_field<'b>(built: &'b [Built<'_>], side: Side, group: &[usize]) -> BTreeMap<&'b str, Vec<Writer>> {
    let mut out: BTreeMap<_, Vec<Writer>> = BTreeMap::new();
    for &map in group {
        let it = &built[map];
        let shape = &it.plan.shapes[side];
        for (index, rule) in it.plan.rules.iter().enumerate().filter(|(index, _)| it.rules[*index].role == Role::Ordinary) {
            for (slot, _) in &rule.ends[side].write {
                let writer = Writer { map, rule: index, slot: *slot };
                out.entry(shape.field(*slot).name.as_str()).or_default().push(writer);
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
        both_labelled || is_twin
    };
    let mut by_label: HashMap<&str, Vec<usize>> = HashMap::new();
    let (first, second) = plan.rules.iter().enumerate().find_map(|(b, rule)| {
        let earlier = by_label.entry(&rule.label).or_default();
        let found = earlier.iter().find(|&&a| same(a, b)).map(|&a| (a, b));
        earlier.push(b);
        found
    })?;
    let message = format!("two rules are called `{}`", plan.rules[second].label);
    Some(
        Diagnostic::new(codes::SYNTAX, written[second].span, message, "the second one")
            .because(written[first].span, "the first one")
            .advice("write a label of its own before one of them: `label: …`")
            .in_rule(&plan.name, Some(&plan.rules[second].label)),
    )
}

/// Maps between the same two entities that can both take one row.
fn overlapping(built: &[Built<'_>], kin: &Kin) -> Vec<(usize, usize)> {
    let mut out = Vec::new();
    for (second, b) in built.iter().enumerate() {
        let earlier = kin.of(Side::Left, second).iter().take_while(|it| **it < second);
        for &first in earlier.filter(|it| kin.are_kin(Side::Right, **it, second)) {
            let a = &built[first];
            let shares_target = Side::BOTH.into_iter().any(|side| a.plan.writes[side] && b.plan.writes[side]);
            if shares_target && !a.is_partial && !b.is_partial && !scopes_exclude(&a.plan, &b.plan) {
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
        (Some(first), Some(second)) => !have_common(first, second),
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
    let mut leads = vec![Vec::new(); class.len()];
    edges.iter().for_each(|(from, to, _)| leads[*from].push(*to));
    let circles = circles::of(&leads);
    let is_closed = |(from, to, _): &&(usize, usize, usize)| circles[*from].is_some() && circles[*from] == circles[*to];
    let (from, _, rule) = *edges.iter().find(is_closed)?;
    let message = "fields are derived from each other in a circle";
    let mut diagnostic = Diagnostic::new(codes::CYCLE, built.rules[rule].span, message, "leads back to where it came from");
    let closing = edges.iter().filter(is_closed).find(|(other, _, of)| *of != rule && circles[*other] == circles[from]);
    if let Some((_, _, other)) = closing {
        diagnostic = diagnostic.because(built.rules[*other].span, "part of the same circle");
    }
    Some(
        diagnostic
            .advice("write one two-way rule instead, or drop one of these")
            .in_rule(&plan.name, Some(&plan.rules[rule].label)),
    )
}
