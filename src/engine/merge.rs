//! The three-way compare: what each side showed when the two last agreed, what it shows now, and what follows.
//!
//! The unit of merge is the rule; rules that share a field win or lose together, as a group. A rule whose fields
//! nobody touched is not even evaluated: this is what makes an echo cheap, and what keeps a value that the other
//! store rounded or cut from being taken for an edit.

use std::borrow::Cow;

use crate::change::{Class, Seen, Side, Sides};
use crate::interp::{self, Lookups, Prepared, Query, Refusal, Rows, Stop};
use crate::ir::{Conflict, Group, Plan, Rekey, RuleId};
use crate::schema::Shape;
use crate::value::{Record, Slot, Value};

use super::link::{OpenConflict, is_rebased, stale, unmarked};

/// The key of a linked row changed: nothing of the row is carried until that is mended.
const REKEYED: &str = "DW0403";

/// What one look at both rows asks for.
#[derive(Clone, Debug)]
pub struct Merge {
    /// What to write to each side; absent fields are left alone.
    pub plans: Sides<Option<Planned>>,
    /// The agreement as far as it is known now: fields that wait for a write keep their old shadow.
    pub shadows: Sides<Record>,
    /// Groups that a person must decide.
    pub conflicts: Vec<OpenConflict>,
    /// Groups that cannot be carried now, each by its first refusal; the others go on without them.
    pub refused: Vec<Refusal>,
}

/// One request to one side.
#[derive(Clone, Debug)]
pub struct Planned {
    pub record: Record,
    pub rules: Vec<RuleId>,
    /// Values that the request displaces although it does not descend from them.
    pub losses: Vec<Loss>,
}

impl Planned {
    fn nothing(fields: usize) -> Self {
        Self { record: Record::absent(fields), rules: Vec::new(), losses: Vec::new() }
    }
}

/// A displaced value.
#[derive(Clone, Debug)]
pub struct Loss {
    pub rule: RuleId,
    pub loser: Value,
    pub winner: Value,
    pub policy: String,
}

/// Why there is no merge yet, or none at all.
#[derive(Clone, Debug)]
pub enum Blocked {
    /// These references must be looked up first.
    Unresolved(Vec<Query>),
    Refused(Refusal),
}

/// How a rule stands.
#[derive(Clone, Debug, PartialEq)]
enum Standing {
    /// Nothing to do; the fields as seen are the agreement.
    Agreed,
    /// The canonical values differ and these sides changed.
    Differs { values: Sides<Value>, changed: Sides<bool> },
}

/// Everything that one look needs.
pub struct Look<'a> {
    pub plan: &'a Prepared,
    pub lookups: &'a Lookups,
    pub seen: Sides<&'a Seen>,
    pub shadows: Sides<Option<&'a Record>>,
    /// Wins where no agreement is known (initial sync with a master side).
    pub master: Option<Side>,
}

impl Look<'_> {
    /// Both rows are as they were agreed upon, and no rule looks at more than its fields: nobody has to ask the rules.
    fn is_echo(&self) -> bool {
        let is_same = |side: Side| self.shadows[side] == Some(&self.seen[side].record);
        Side::BOTH.into_iter().all(is_same) && self.plan.rules.iter().all(|it| it.guard.is_none())
    }
}

struct Merging<'a> {
    look: &'a Look<'a>,
    plans: Sides<Option<Planned>>,
    /// Slots that must keep their old shadow.
    waiting: Sides<Vec<Slot>>,
    /// Slots that follow from the other side, and do not do so yet.
    stale: Sides<Vec<Slot>>,
    /// Slots of rules that hold again since the last look: no agreement on them is known.
    reopened: Sides<Vec<Slot>>,
    conflicts: Vec<OpenConflict>,
    refused: Vec<Refusal>,
    unresolved: Vec<Query>,
}

/// Compares both rows with their last agreement.
pub fn merge(look: &Look<'_>) -> Result<Merge, Blocked> {
    if look.is_echo() {
        let shadows = look.seen.map(|it| it.record.clone());
        return Ok(Merge { plans: Sides::default(), shadows, conflicts: Vec::new(), refused: Vec::new() });
    }
    let mut merging = Merging {
        look,
        plans: Sides::default(),
        waiting: Sides::default(),
        stale: Sides::default(),
        reopened: Sides::default(),
        conflicts: Vec::new(),
        refused: Vec::new(),
        unresolved: Vec::new(),
    };
    for group in &look.plan.groups {
        if let Err(blocked) = merging.two_way(group) {
            merging.keep_apart(group, blocked)?;
        }
    }
    merging.drop_empty_plans();
    if merging.unresolved.is_empty() {
        for rule in look.plan.rule_ids() {
            if let Err(blocked) = merging.derived(rule) {
                merging.follow_later(rule, blocked)?;
            }
        }
    }
    if !merging.unresolved.is_empty() {
        return Err(Blocked::Unresolved(merging.unresolved));
    }
    let shadows = Sides::new(merging.agreement(Side::Left), merging.agreement(Side::Right));
    merging.drop_empty_plans();
    Ok(Merge { plans: merging.plans, shadows, conflicts: merging.conflicts, refused: merging.refused })
}

impl<'a> Merging<'a> {
    fn plan(&self) -> &'a Prepared {
        self.look.plan
    }

    /// A request after which the row is as it was is not sent, and nothing waits for it.
    fn drop_empty_plans(&mut self) {
        for side in Side::BOTH {
            let own = &self.look.seen[side].record;
            if self.plans[side].as_ref().is_some_and(|it| changes_nothing(self.plan(), side, &it.record, own)) {
                self.plans[side] = None;
            }
        }
    }

    /// A rule of the group refused: the whole group waits, as if nobody had touched its fields.
    fn keep_apart(&mut self, group: &Group, blocked: Blocked) -> Result<(), Blocked> {
        let refusal = refusal_of(blocked)?;
        for side in Side::BOTH {
            let plan = self.plan();
            let two_way = group.rules.iter().filter(|&&it| plan.rule(it).is_two_way());
            self.waiting[side].extend(two_way.flat_map(|&id| plan.slots(id, side)));
        }
        self.refused.push(refusal);
        Ok(())
    }

    /// A one-way rule refused: its target is looked at again whenever the row is.
    fn follow_later(&mut self, id: RuleId, blocked: Blocked) -> Result<(), Blocked> {
        let refusal = refusal_of(blocked)?;
        self.leave_stale(id);
        self.refused.push(refusal);
        Ok(())
    }

    /// The fields that a one-way rule writes do not follow their source yet.
    fn leave_stale(&mut self, id: RuleId) {
        for side in Side::BOTH {
            let slots = self.plan().rule(id).ends[side].write.iter().map(|(slot, _)| *slot);
            self.stale[side].extend(slots);
        }
    }

    /// Decides the two-way rules of one group together.
    fn two_way(&mut self, group: &Group) -> Result<(), Blocked> {
        let mut differing = Vec::new();
        for &id in &group.rules {
            let rule = self.plan().rule(id);
            if rule.on_create || !rule.is_two_way() || !self.guard_holds(id)? {
                continue;
            }
            if let Some(Standing::Differs { values, changed }) = self.standing(id)? {
                differing.push((id, values, changed));
            }
        }
        for (id, ..) in &differing {
            if self.is_reopened(*id) {
                for side in Side::BOTH {
                    self.reopened[side].extend(self.look.plan.slots(*id, side));
                }
            }
        }
        if differing.is_empty() {
            return Ok(());
        }
        if let Some((id, values, _)) = differing.iter().find(|(id, ..)| self.is_fixed(*id)) {
            return Err(self.rekeyed(*id, values));
        }
        let any = |side: Side| differing.iter().any(|(_, _, changed)| changed[side]);
        let (winner, policy) = match (any(Side::Left), any(Side::Right)) {
            (true, false) => (Side::Left, None),
            (false, true) => (Side::Right, None),
            (false, false) => return Ok(()),
            (true, true) => match self.winner(group.conflict) {
                Some((side, policy)) => (side, Some(policy)),
                None => {
                    self.open_conflict(&differing);
                    return Ok(());
                }
            },
        };
        let before = (differing.len() > 1).then(|| self.plans.clone());
        for (id, values, changed) in differing {
            if !changed[Side::Left] && !changed[Side::Right] {
                continue;
            }
            if let Err(blocked) = self.plan_write(id, winner, values, policy.as_deref()) {
                self.plans = before.unwrap_or_else(|| std::mem::take(&mut self.plans));
                return Err(blocked);
            }
        }
        Ok(())
    }

    /// One-way rules follow their source; they wait for a round in which the source itself is not written.
    fn derived(&mut self, id: RuleId) -> Result<(), Blocked> {
        let rule = self.plan().rule(id);
        if rule.on_create || rule.is_two_way() {
            return Ok(());
        }
        let Some(target) = Side::BOTH.into_iter().find(|&side| rule.writes(side)) else { return Ok(()) };
        if !self.guard_holds(id)? {
            return Ok(());
        }
        if self.plans[target.other()].is_some() && !rule.ends[target.other()].read.slots().is_empty() {
            self.leave_stale(id);
            return Ok(());
        }
        match self.standing(id)? {
            Some(Standing::Differs { values, .. }) => self.plan_write(id, target.other(), values, Some("one-way rule")),
            Some(Standing::Agreed) | None => Ok(()),
        }
    }

    /// `None`: undecided, because a reference is unknown yet, or the rule does not take part.
    fn standing(&mut self, id: RuleId) -> Result<Option<Standing>, Blocked> {
        let touched = Sides::new(self.touched(id, Side::Left), self.touched(id, Side::Right));
        if !touched[Side::Left] && !touched[Side::Right] {
            return Ok(Some(Standing::Agreed));
        }
        let left = self.read(id, Side::Left)?;
        let right = self.read(id, Side::Right)?;
        let (Some(left), Some(right)) = (left, right) else { return Ok(None) };
        if interp::agree(self.plan(), id, &left, &right) {
            return Ok(Some(Standing::Agreed));
        }
        let values = Sides::new(left.into_owned(), right.into_owned());
        if self.is_rebased(id) {
            return Ok(Some(Standing::Differs { values, changed: self.changed_since(id) }));
        }
        let mut changed = Sides::new(false, false);
        for side in Side::BOTH {
            let counts = self.plan().rule(id).is_two_way();
            changed[side] = counts && touched[side] && !self.unchanged(id, side, &values[side])?;
        }
        Ok(Some(Standing::Differs { values, changed }))
    }

    /// A field of the rule on this side is not what it was at the last agreement.
    fn touched(&self, id: RuleId, side: Side) -> bool {
        let Some(shadow) = self.look.shadows[side] else { return true };
        let record = &self.look.seen[side].record;
        self.is_reopened(id) || self.slots(id, side).iter().any(|&slot| record.get(slot) != shadow.get(slot))
    }

    /// The rule's guard holds now, and did not at the last look: what either side did meanwhile was no business of the rule.
    fn is_reopened(&self, id: RuleId) -> bool {
        let Some(guard) = &self.plan().rule(id).guard else { return false };
        let Some(shadow) = self.look.shadows[guard.side] else { return false };
        // A guard that the old row leaves open was not false.
        let is_known = guard.condition.slots().into_iter().all(|slot| shadow.get(slot).is_known());
        is_known && self.plan().guard_holds(self.look.lookups, id, guard.side, &unmarked_record(shadow)) == Ok(false)
    }

    /// The rule is another than when the two last agreed.
    fn is_rebased(&self, id: RuleId) -> bool {
        has_rebased(self.plan(), id, &self.look.shadows)
    }

    /// Sides that count as changed where the rule itself has changed, and the two differ by it: the one that was edited since. If
    /// nobody edited anything, or both did, no side is nearer to what the rule wants now, and the policy decides.
    fn changed_since(&self, id: RuleId) -> Sides<bool> {
        if !self.plan().rule(id).is_two_way() {
            return Sides::new(false, false);
        }
        let is_edited = |side: Side| {
            let Some(shadow) = self.look.shadows[side] else { return true };
            let now = &self.look.seen[side].record;
            let then = |slot| unmarked(shadow.get(slot));
            self.slots(id, side).iter().any(|&slot| then(slot).is_known() && then(slot) != now.get(slot))
        };
        match (is_edited(Side::Left), is_edited(Side::Right)) {
            (true, false) => Sides::new(true, false),
            (false, true) => Sides::new(false, true),
            (true, true) | (false, false) => Sides::new(true, true),
        }
    }

    /// The same, but for fields that only have to be looked at again.
    fn edited(&self, id: RuleId, side: Side) -> bool {
        let Some(shadow) = self.look.shadows[side] else { return true };
        let record = &self.look.seen[side].record;
        self.slots(id, side).iter().any(|&slot| record.get(slot) != unmarked(shadow.get(slot)))
    }

    /// The rule reads the same from the shadow: an edit that this rule cannot see.
    fn unchanged(&mut self, id: RuleId, side: Side, now: &Value) -> Result<bool, Blocked> {
        if self.is_reopened(id) {
            return Ok(false);
        }
        let Some(shadow) = self.look.shadows[side] else { return Ok(false) };
        match self.plan().read(self.look.lookups, id, side, shadow) {
            Ok(then) => Ok(then.is_known() && interp::agree(self.plan(), id, &then, now)),
            Err(Stop::Unresolved(query)) => {
                self.unresolved.push(query);
                Ok(false)
            }
            // The old value cannot be read any more: whatever stands there now is new.
            Err(Stop::Refused(_) | Stop::Skip) => Ok(false),
        }
    }

    /// What the rule sees on this side now.
    fn read(&mut self, id: RuleId, side: Side) -> Result<Option<Cow<'a, Value>>, Blocked> {
        let look = self.look;
        match look.plan.read(look.lookups, id, side, &look.seen[side].record) {
            Ok(value) => Ok(Some(value)),
            Err(stop) => self.stopped(stop).map(|()| None),
        }
    }

    fn stopped(&mut self, stop: Stop) -> Result<(), Blocked> {
        match stop {
            Stop::Unresolved(query) => {
                self.unresolved.push(query);
                Ok(())
            }
            Stop::Refused(refusal) => Err(Blocked::Refused(refusal)),
            Stop::Skip => Ok(()),
        }
    }

    fn guard_holds(&mut self, id: RuleId) -> Result<bool, Blocked> {
        let Some(guard) = &self.plan().rule(id).guard else { return Ok(true) };
        let side = guard.side;
        let mut record = Cow::Borrowed(&self.look.seen[side].record);
        if let Some(planned) = &self.plans[side] {
            record.to_mut().overlay(&interp::normalise(self.plan(), side, &planned.record));
        }
        match self.plan().guard_holds(self.look.lookups, id, side, &record) {
            Ok(holds) => Ok(holds),
            Err(stop) => self.stopped(stop).map(|()| false),
        }
    }

    /// A part of the key that does not change while a row is linked. The partition never does.
    fn is_fixed(&self, id: RuleId) -> bool {
        let plan = self.plan();
        plan.key.contains(&id) && (plan.on_rekey == Rekey::Reject || plan.partition == Some(id))
    }

    fn rekeyed(&self, id: RuleId, values: &Sides<Value>) -> Blocked {
        let rule = self.plan().rule(id);
        Blocked::Refused(Refusal {
            code: REKEYED,
            rule: rule.label.clone(),
            message: format!(
                "the key `{}` is {} on one side and {} on the other; a key does not change while a row is linked (`on rekey reject`)",
                rule.label, values.0[0], values.0[1]
            ),
            class: Class::Conflict,
            is_parked: true,
            waits_on: None,
            is_summoned: false,
        })
    }

    /// The side that wins under the policy, and the policy in words.
    fn winner(&self, conflict: Conflict) -> Option<(Side, String)> {
        let has_baseline = self.look.shadows.iter().all(|(_, it)| it.is_some());
        if let (Some(master), false) = (self.look.master, has_baseline) {
            return Some((master, format!("initial sync, {} is master", master.word())));
        }
        match conflict {
            Conflict::Manual => None,
            Conflict::Prefer(side) => Some((side, format!("prefer {}", side.word()))),
            Conflict::Newest { tie } => {
                let side = match (self.look.seen[Side::Left].modified, self.look.seen[Side::Right].modified) {
                    (Some(left), Some(right)) if left > right => Side::Left,
                    (Some(left), Some(right)) if left < right => Side::Right,
                    (Some(_) | None, Some(_) | None) => tie,
                };
                Some((side, format!("newest, {}", side.word())))
            }
        }
    }

    fn open_conflict(&mut self, differing: &[(RuleId, Sides<Value>, Sides<bool>)]) {
        for (id, values, _) in differing {
            for side in Side::BOTH {
                self.waiting[side].extend(self.look.plan.slots(*id, side));
            }
            // What was agreed upon by another version of the rule is shown as well, as far as this one can read it.
            let shadow = self.look.shadows[Side::Left].map(unmarked_record);
            let read = |it: Record| Some(self.plan().read(self.look.lookups, *id, Side::Left, &it).ok()?.into_owned());
            let agreed = shadow.and_then(read);
            self.conflicts.push(OpenConflict { label: self.plan().rule(*id).label.clone(), values: values.clone(), agreed });
        }
    }

    /// Adds the rule to the request toward the side that did not win.
    fn plan_write(&mut self, id: RuleId, winner: Side, values: Sides<Value>, policy: Option<&str>) -> Result<(), Blocked> {
        let target = winner.other();
        if !self.plan().writes[target] || !self.plan().rule(id).writes(target) {
            return Ok(());
        }
        let look = self.look;
        let partition = match look.plan.partition_of(look.lookups, winner, &look.seen[winner].record) {
            Ok(partition) => partition,
            Err(stop) => return self.stopped(stop),
        };
        let (own, from) = (&look.seen[target].record, &look.seen[winner].record);
        let before = self.plans[target].take();
        let was_planned = before.is_some();
        let mut planned = before.unwrap_or_else(|| Planned::nothing(own.len()));
        let rows = Rows { own, from };
        let written = look.plan.write(look.lookups, id, target, &values[winner], &partition, rows, &mut planned.record);
        self.plans[target] = (was_planned || written.is_ok()).then_some(planned);
        if let Err(stop) = written {
            return self.stopped(stop);
        }
        // What stands there is displaced; if it is not what we left there, somebody's value is lost and must be kept on file.
        let is_anew = self.is_reopened(id) || self.is_rebased(id);
        let displaced = self.edited(id, target) || (self.plan().rule(id).is_two_way() && is_anew);
        let planned = self.plans[target].as_mut().expect("it was written to above");
        planned.rules.push(id);
        if displaced {
            planned.losses.push(Loss {
                rule: id,
                loser: values[target].clone(),
                winner: values[winner].clone(),
                policy: policy.unwrap_or(if is_anew { "the rule is new" } else { "edit that the rule does not see" }).to_owned(),
            });
        }
        if !self.plan().rule(id).is_two_way() {
            self.leave_stale(id);
            return Ok(());
        }
        for side in Side::BOTH {
            self.waiting[side].extend(self.look.plan.slots(id, side));
        }
        Ok(())
    }

    /// Fields of the rule on this side, read or written.
    fn slots(&self, id: RuleId, side: Side) -> &'a [Slot] {
        self.look.plan.slots(id, side)
    }

    /// The shadow after this look: what is seen, but for fields that wait.
    fn agreement(&self, side: Side) -> Record {
        let mut shadow = self.look.seen[side].record.clone();
        for &slot in &self.stale[side] {
            shadow.set(slot, self.look.shadows[side].map_or(Value::Absent, |it| stale(it.get(slot))));
        }
        for &slot in &self.waiting[side] {
            shadow.set(slot, self.look.shadows[side].map_or(Value::Absent, |it| it.get(slot).clone()));
        }
        for &slot in &self.reopened[side] {
            let old = stale(shadow.get(slot));
            shadow.set(slot, old);
        }
        shadow
    }
}

/// The rule is another than when these shadows were agreed upon.
pub fn has_rebased(plan: &Prepared, id: RuleId, shadows: &Sides<Option<&Record>>) -> bool {
    let has_mark = |side: Side| shadows[side].is_some_and(|it| plan.slots(id, side).iter().any(|&slot| is_rebased(it.get(slot))));
    Side::BOTH.into_iter().any(has_mark)
}

/// The values of a shadow without the marks.
pub fn unmarked_record(shadow: &Record) -> Record {
    Record::from_values(shadow.values().iter().map(|it| unmarked(it).clone()).collect())
}

fn refusal_of(blocked: Blocked) -> Result<Refusal, Blocked> {
    match blocked {
        Blocked::Refused(refusal) if refusal.code != REKEYED => Ok(refusal),
        other => Err(other),
    }
}

/// Fields of a rule on one side, read or written.
pub fn rule_slots(plan: &Plan, id: RuleId, side: Side) -> Vec<Slot> {
    plan.rule(id).ends[side].slots()
}

/// The store would hold the same afterwards as now.
pub fn changes_nothing(plan: &Plan, side: Side, change: &Record, own: &Record) -> bool {
    let is_there = |(slot, value): (Slot, &Value)| {
        !value.is_known() || plan.profiles[side].store(&plan.shapes[side].field(slot).kind, value) == *own.get(slot)
    };
    change.slots().all(is_there)
}

/// The fields of a shape with their contents, for messages.
pub fn describe(shape: &Shape, record: &Record) -> String {
    let fields = record.slots().filter(|(_, value)| **value != Value::Absent);
    fields.map(|(slot, value)| format!("{}: {value}", shape.field(slot).name)).collect::<Vec<_>>().join(", ")
}
