//! Which rules of a map a test sees at work, and towards which side.
//!
//! A rule has been at work when the engine wrote one of its fields and its guard holds for the two rows as they are then. A null
//! in a new row does not count: nothing was carried.

use std::collections::BTreeSet;

use crate::change::{Seen, Side, Sides, Write};
use crate::interp::{self, Cx, Lookups};
use crate::ir::{Plan, RuleId};
use crate::value::{Record, Value};

/// Rules by their place in the plan, with the side that they wrote.
pub type Exercised = BTreeSet<(usize, Side)>;

/// A write that a system took: what was sent, and the row as it was afterwards.
#[derive(Clone, Debug)]
pub struct Taken {
    pub side: Side,
    pub is_create: bool,
    pub sent: Record,
    pub seen: Seen,
}

impl Taken {
    /// `None` for a delete: no rule writes it.
    pub fn new(side: Side, write: &Write, seen: &Seen) -> Option<Self> {
        let (is_create, sent) = match write {
            Write::Create { record, .. } => (true, record),
            Write::Update { record, .. } => (false, record),
            Write::Delete { .. } => return None,
        };
        Some(Self { side, is_create, sent: sent.clone(), seen: seen.clone() })
    }
}

/// The rules behind one write. `other`: the row on the other side, where it is known.
pub fn rules_of(plan: &Plan, taken: &Taken, other: Option<&Record>) -> Vec<usize> {
    let mut rows = Sides::new(None, None);
    rows[taken.side] = Some(&taken.seen.record);
    rows[taken.side.other()] = other;
    let lookups = Lookups::default();
    let cx = Cx { plan, lookups: &lookups };
    let is_behind = |id: &RuleId| {
        let rule = plan.rule(*id);
        let takes_part = if taken.is_create { !rule.on_update } else { !rule.on_create };
        let carries = |it: &Value| if taken.is_create { it.is_value() } else { it.is_known() };
        let is_sent = rule.ends[taken.side].write.iter().any(|(slot, _)| carries(taken.sent.get(*slot)));
        takes_part && is_sent && holds(cx, *id, &rows)
    };
    plan.rule_ids().filter(is_behind).map(|it| usize::from(it.0)).collect()
}

/// What cannot be asked (a reference, a row that is not known) is taken for true.
fn holds(cx: Cx<'_>, id: RuleId, rows: &Sides<Option<&Record>>) -> bool {
    let Some(guard) = &cx.plan.rule(id).guard else { return true };
    rows[guard.side].is_none_or(|row| interp::guard_holds(cx, id, guard.side, row).unwrap_or(true))
}

/// The sides that a rule writes and that no test saw it write.
pub fn left_out(plan: &Plan, rule: usize, exercised: &Exercised) -> Vec<Side> {
    Side::BOTH.into_iter().filter(|side| plan.rules[rule].writes(*side) && !exercised.contains(&(rule, *side))).collect()
}
