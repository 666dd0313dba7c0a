//! What became of requests whose answer never came.
//!
//! A request is conditional on a version. While the row still has that version the request may yet land, and stays on
//! file. Once the version has moved it has landed, or never will: the row's content tells which.

use crate::change::{Seen, Side};
use crate::interp;
use crate::ir::{Plan, RuleId};
use crate::value::{Record, Slot, Value};

use super::link::{Intent, Link, keep_rebased, stale, unmarked};
use super::merge::rule_slots;

/// Settles the open requests to one side by the row as it is now. Returns values of ours that were displaced since, by rule label.
///
/// A request that landed becomes part of the agreement. Where nothing can be told from the content, it is taken to have
/// landed and been overwritten: the person's value wins, ours goes to the ledger.
pub fn settle(plan: &Plan, link: &mut Link, side: Side, seen: Option<&Seen>) -> Vec<(String, Value)> {
    let now = seen.map(|it| &it.version);
    let is_settled = |it: &Intent| it.side == side && it.expected.is_some() && it.expected.as_ref() != now;
    let settled: Vec<Intent> = link.intents.iter().filter(|it| is_settled(it)).cloned().collect();
    link.intents.retain(|it| !is_settled(it));
    let Some(seen) = seen else { return Vec::new() };
    let updates: Vec<&Intent> = settled.iter().filter(|it| !it.is_delete && !it.rules.is_empty()).collect();
    let shadow = link.shadows[side].clone().unwrap_or_else(|| Record::absent(seen.record.len()));
    let mut displaced = Vec::new();
    let best = updates.iter().filter(|it| matching(plan, side, it, &seen.record) > 0).max_by_key(|it| {
        let sent = it.payload.slots().filter(|(_, value)| value.is_known()).count();
        (!was_left_alone(plan, side, it, &seen.record, &shadow), matching(plan, side, it, &seen.record), sent)
    });
    if let Some(intent) = best {
        let intent = landed_part(plan, side, intent, &seen.record, &shadow);
        displaced.extend(overwritten(plan, side, &intent, &seen.record));
        adopt_sent(plan, link, side, &intent, &seen.record);
        return displaced;
    }
    for intent in updates {
        let intent = landed_part(plan, side, intent, &seen.record, &shadow);
        displaced.extend(overwritten(plan, side, &intent, &seen.record));
        adopt_sent(plan, link, side, &intent, &seen.record);
    }
    displaced
}

/// The row holds everything that was sent, as the store would return it.
pub fn holds(plan: &Plan, side: Side, sent: &Record, row: &Record) -> bool {
    interp::normalise(plan, side, sent).slots().all(|(slot, value)| !value.is_known() || value == row.get(slot))
}

/// How many sent fields the row shows.
fn matching(plan: &Plan, side: Side, intent: &Intent, row: &Record) -> usize {
    let sent = interp::normalise(plan, side, &intent.payload);
    sent.slots().filter(|(slot, value)| value.is_known() && *value == row.get(*slot)).count()
}

/// A sent field still has its old content, which is not what was sent: the request did not land.
fn was_left_alone(plan: &Plan, side: Side, intent: &Intent, row: &Record, shadow: &Record) -> bool {
    let sent = interp::normalise(plan, side, &intent.payload);
    sent.slots().any(|(slot, value)| value.is_known() && row.get(slot) == unmarked(shadow.get(slot)) && row.get(slot) != value)
}

/// The request without the rules that look as if it had never landed. Where values repeat, a row can show both signs: a
/// person wrote one of our values, or put an old one back. Such rules are simply written again, and nothing is reverted.
fn landed_part(plan: &Plan, side: Side, intent: &Intent, row: &Record, shadow: &Record) -> Intent {
    let mut part = intent.clone();
    let written = |rule: u16| plan.rule(RuleId(rule)).ends[side].write.iter().map(|(slot, _)| *slot);
    part.rules.retain(|&rule| {
        let mut own = Record::absent(row.len());
        written(rule).for_each(|slot| own.set(slot, intent.payload.get(slot).clone()));
        !was_left_alone(plan, side, &Intent { payload: own, ..intent.clone() }, row, shadow)
    });
    let kept: Vec<_> = part.rules.iter().flat_map(|&rule| written(rule)).collect();
    for (slot, _) in intent.payload.slots().filter(|(slot, _)| !kept.contains(slot)) {
        part.payload.set(slot, Value::Absent);
    }
    part
}

/// Our values that are not there any more, by the rule that sent them.
fn overwritten(plan: &Plan, side: Side, intent: &Intent, row: &Record) -> Vec<(String, Value)> {
    let sent = interp::normalise(plan, side, &intent.payload);
    let label = |slot| {
        let rule = intent.rules.iter().map(|&it| RuleId(it)).find(|&it| rule_slots(plan, it, side).contains(&slot));
        rule.map_or_else(String::new, |it| plan.rule(it).label.clone())
    };
    sent.slots()
        .filter(|(slot, value)| value.is_known() && *value != row.get(*slot))
        .map(|(slot, value)| (label(slot), value.clone()))
        .collect()
}

/// The agreement after a request that landed at an unknown time: what was sent is the baseline, so that a later edit counts as one.
fn adopt_sent(plan: &Plan, link: &mut Link, side: Side, intent: &Intent, row: &Record) {
    let mut returned = row.clone();
    for (slot, value) in interp::normalise(plan, side, &intent.payload).slots() {
        if value.is_known() {
            returned.set(slot, value.clone());
        }
    }
    // The request may be older than the rules of today: whether they agree with its outcome is still to be seen.
    let before = link.shadows.clone();
    adopt(plan, link, side, intent, &returned);
    for side in Side::BOTH {
        if let Some(after) = &mut link.shadows[side] {
            keep_rebased(before[side].as_ref(), after);
        }
    }
}

/// Moves the agreement to a request's outcome: the source as it was when the request was computed, the target as returned.
pub fn adopt(plan: &Plan, link: &mut Link, side: Side, intent: &Intent, returned: &Record) {
    let source = side.other();
    let (two_way, one_way): (Vec<RuleId>, Vec<RuleId>) =
        intent.rules.iter().map(|&it| RuleId(it)).partition(|&it| plan.rule(it).is_two_way());
    for &rule in &two_way {
        let shadow = link.shadows[source].get_or_insert_with(|| Record::absent(intent.base.len()));
        for slot in rule_slots(plan, rule, source) {
            shadow.set(slot, intent.base.get(slot).clone());
        }
    }
    let moved: Vec<Slot> = two_way.iter().flat_map(|&it| rule_slots(plan, it, source)).collect();
    for rule in two_way.into_iter().chain(one_way) {
        // What a one-way rule wrote is the agreement if it was computed from the source that is agreed upon.
        let follows = |slot| link.shadows[source].as_ref().is_some_and(|it| it.get(slot) == intent.base.get(slot));
        let is_current = plan.rule(rule).is_two_way() || rule_slots(plan, rule, source).into_iter().all(follows);
        let shadow = link.shadows[side].get_or_insert_with(|| Record::absent(returned.len()));
        for (slot, _) in &plan.rule(rule).ends[side].write {
            let value = returned.get(*slot);
            shadow.set(*slot, if is_current { value.clone() } else { stale(value) });
        }
    }
    let is_sent = |rule: usize| intent.rules.contains(&(rule as u16));
    forget_derived(plan, link, side, |rule, slot| !is_sent(rule) && moved.contains(&slot));
    forget_derived(plan, link, source, |_, slot| intent.payload.get(slot).is_known());
}

/// One-way rules that write `target` and read what has changed on the other side have to be looked at again.
fn forget_derived(plan: &Plan, link: &mut Link, target: Side, has_changed: impl Fn(usize, Slot) -> bool) {
    let Some(shadow) = &mut link.shadows[target] else { return };
    let source = target.other();
    for (index, rule) in plan.rules.iter().enumerate().filter(|(_, it)| it.writes(target) && !it.writes(source)) {
        if !rule.on_create && rule.ends[source].read.slots().into_iter().any(|slot| has_changed(index, slot)) {
            for (slot, _) in &rule.ends[target].write {
                let old = stale(shadow.get(*slot));
                shadow.set(*slot, old);
            }
        }
    }
}
