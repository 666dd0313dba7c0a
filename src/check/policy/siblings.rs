//! Maps beside each other: rows of one entity that several maps take, or none, and references between the entities of two maps.

use std::cell::LazyCell;
use std::collections::HashMap;

use super::entity;
use super::filters::place;
use super::kin::Kin;
use super::overlap::allowed;
use crate::change::{Side, Sides};
use crate::check::built::Built;
use crate::check::names::World;
use crate::diag::{Diagnostic, Diagnostics, codes};
use crate::ir::DeleteAction;
use crate::schema::Field;
use crate::syntax::ast::{MemberKind, PolicyKind};
use crate::value::Kind;

pub fn check(world: &World<'_>, built: &[Built<'_>], kin: &Kin, diags: &mut Diagnostics) {
    gaps(built, kin, diags);
    orphans(world, built, diags);
    loose_keys(built, kin, diags);
}

/// Filters that share out the members of one enum, and leave some.
fn gaps(built: &[Built<'_>], kin: &Kin, diags: &mut Diagnostics) {
    for side in Side::BOTH {
        for (index, last) in built.iter().enumerate() {
            let group = kin.of(side, index);
            if group.len() < 2 || group.last() != Some(&index) {
                continue;
            }
            let siblings: Vec<&Built<'_>> = group.iter().map(|it| &built[*it]).collect();
            if siblings.iter().any(|it| it.is_partial || !it.plan.writes[side.other()]) {
                continue;
            }
            if let Some((field, missing)) = uncovered(&siblings, side) {
                let message =
                    format!("rows whose `{field}` is {missing} are in none of the maps of `{}`", last.plan.shapes[side].entity);
                let names = siblings.iter().map(|it| it.plan.name.as_str()).collect::<Vec<_>>().join(", ");
                let diagnostic = Diagnostic::new(codes::GAP, place(last, side), message, "nor here").note("maps", names);
                diags.push(diagnostic.advice("take them in one of the maps").in_rule(&last.plan.name, None));
            }
        }
    }
}

/// The members of the enum that all filters test, which none of them takes.
fn uncovered(siblings: &[&Built<'_>], side: Side) -> Option<(String, String)> {
    let first = siblings[0];
    let shape = &first.plan.shapes[side];
    let slots = first.plan.scope[side].as_ref()?.slots();
    let [slot] = slots.as_slice() else { return None };
    let field = shape.field(*slot);
    let Kind::Enum(members) = &field.kind else { return None };
    let mut taken = Vec::new();
    for it in siblings {
        let scope = it.plan.scope[side].as_ref()?;
        if scope.slots().len() != 1 {
            return None;
        }
        taken.extend(allowed((scope, &it.plan.shapes[side]), &field.name)?);
    }
    let left: Vec<String> =
        members.members.iter().filter(|it| !taken.contains(&it.value)).map(|it| format!("`{}`", it.name)).collect();
    (!members.open && !left.is_empty()).then(|| (field.name.clone(), left.join(", ")))
}

/// A map deletes rows that rows of another map must refer to.
fn orphans(world: &World<'_>, built: &[Built<'_>], diags: &mut Diagnostics) {
    let referring = Sides(Side::BOTH.map(|side| LazyCell::new(move || referring(world, built, side))));
    for deleting in built {
        for side in Side::BOTH.into_iter().filter(|it| deleting.plan.on_delete[it.other()] == DeleteAction::Delete) {
            let target = &deleting.plan.shapes[side].entity;
            let others = referring[side].get(&(deleting.plan.systems[side], target.as_str()));
            let other = others.into_iter().flatten().find(|(it, _)| it.plan.name != deleting.plan.name);
            let Some((other, field)) = other else { continue };
            let span = deleting.map.members.iter().find_map(|it| match &it.kind {
                MemberKind::Policy(policy) if matches!(policy.kind, PolicyKind::Delete { .. }) => Some(policy.span),
                _ => None,
            });
            let message = format!(
                "deleting rows of `{target}` on the {} orphans rows of `{}`, whose `{}` must refer to one",
                side.word(),
                other.plan.shapes[side].entity,
                field.name
            );
            let diagnostic = Diagnostic::new(codes::ORPHANS, span.unwrap_or(deleting.map.name.span), message, "deletes them");
            let diagnostic = diagnostic.because(other.map.name.span, "the map of the rows that refer to them");
            diags.push(diagnostic.advice("write `refuse`, or `set` a state").in_rule(&deleting.plan.name, None));
        }
    }
}

/// By system and entity: the maps on this side whose rows must refer to one of it, with the field that does.
fn referring<'b, 'a>(world: &'b World<'_>, built: &'b [Built<'a>], side: Side) -> Referring<'b, 'a> {
    let mut out = Referring::new();
    for it in built {
        let Some(entity) = entity(world, &it.plan, side) else { continue };
        for field in entity.fields.values().filter(|it| it.required || !it.nullable) {
            let Kind::Lookup(targets) = &field.kind else { continue };
            for target in targets.iter() {
                let known = out.entry((it.plan.systems[side], target.as_str())).or_default();
                if known.last().is_none_or(|(last, _)| !std::ptr::eq(*last, it)) {
                    known.push((it, field));
                }
            }
        }
    }
    out
}

type Referring<'b, 'a> = HashMap<(u16, &'b str), Vec<(&'b Built<'a>, &'b Field)>>;

/// `modulo` on a field by which another map knows its rows.
fn loose_keys(built: &[Built<'_>], kin: &Kin, diags: &mut Diagnostics) {
    for (index, it) in built.iter().enumerate() {
        if Side::BOTH.into_iter().all(|side| kin.of(side, index).len() < 2) {
            continue;
        }
        for (rule, written) in it.plan.rules.iter().zip(&it.rules) {
            if rule.modulo == crate::ir::Modulo::default() || it.plan.key.iter().any(|id| it.plan.rule(*id).label == rule.label) {
                continue;
            }
            let keyed = Side::BOTH.into_iter().find_map(|side| {
                let names: Vec<&str> =
                    rule.ends[side].read.slots().into_iter().map(|slot| it.plan.shapes[side].field(slot).name.as_str()).collect();
                let is_key = |other: &&Built<'_>| {
                    let slots = other.plan.key.iter().flat_map(|id| other.plan.rule(*id).ends[side].read.slots());
                    slots.into_iter().any(|slot| names.contains(&other.plan.shapes[side].field(slot).name.as_str()))
                };
                let others = kin.of(side, index).iter().map(|it| &built[*it]).filter(|other| other.plan.name != it.plan.name);
                { others }.find(is_key)
            });
            if let Some(other) = keyed {
                let message =
                    format!("the two sides may spell `{}` differently, and it is the key of `{}`", rule.label, other.plan.name);
                let diagnostic =
                    Diagnostic::new(codes::LOOSE_FIELD, written.span, message, "`modulo` leaves the spellings as they are");
                let diagnostic = diagnostic.because(other.map.name.span, "the map that matches by it");
                diags.push(diagnostic.advice("leave `modulo` out").in_rule(&it.plan.name, Some(&rule.label)));
            }
        }
    }
}
