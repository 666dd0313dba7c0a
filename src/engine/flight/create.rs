//! The other side's row is made, or found where it was made already.

use super::hold::retried;
use super::*;
use crate::engine::link::{keep_rebased, stale};
use crate::interp::Stamp;
use crate::ir::{Rule, RuleId};

impl Flight {
    pub(super) fn decide_create(&mut self, at: Moment) -> Effect {
        let source = if self.link.ids[Side::Left].is_some() { Side::Left } else { Side::Right };
        let target = source.other();
        let Some(row) = self.seen[source].clone() else { return self.source_vanished(at, target) };
        if let Some(intent) = self.link.intents.first() {
            self.under_way = Some((intent.op, true));
            // What was sent is sent again, to the letter: the row may be there already.
            let write = Write::Create { link: self.link.id, record: intent.payload.clone() };
            return self.commit_then(at, AfterCommit::Send { side: target, write });
        }
        if !self.plan.writes[target] {
            return self.skip(at);
        }
        if let Some(hold) = self.link.ambiguity().filter(|_| self.has_same_key(source, &row)).cloned() {
            // Another try would make one more row with this key.
            return self.hold(at, hold.class, hold.code, hold.rule, hold.message);
        }
        self.lookups.begin(Stamp { now: at.now, op: at.op.0 });
        let planned = self.plan.in_scope(&self.lookups, source, &row.record).and_then(|in_scope| {
            let key = self.plan.key_of(&self.lookups, source, &row.record)?;
            Ok((in_scope, key, if in_scope { Some(self.plan.put(&self.lookups, target, &row.record, None)?) } else { None }))
        });
        match planned {
            Err(stop) => self.stopped(at, stop),
            Ok((_, _, None)) => self.skip(at),
            Ok((_, None, Some(_))) => {
                self.hold(at, Class::Validation, None, None, "the row's key is empty on this side".to_owned())
            }
            Ok((_, Some(key), Some(payload))) => {
                self.link.key = key.to_string();
                // A later read that shows an older row is known for what it is.
                self.link.versions[source] = Some(row.version);
                self.intend(Intent {
                    op: at.op,
                    side: target,
                    expected: None,
                    payload: payload.clone(),
                    base: row.record,
                    rules: Vec::new(),
                    is_delete: false,
                });
                let write = Write::Create { link: self.link.id, record: payload };
                self.commit_then(at, AfterCommit::Send { side: target, write })
            }
        }
    }

    fn has_same_key(&self, source: Side, row: &Seen) -> bool {
        match self.plan.key_of(&self.lookups, source, &row.record) {
            Ok(key) => key.is_some_and(|it| it.to_string() == self.link.key),
            Err(_) => false,
        }
    }

    // The source of a create is gone. A twin that was made already is looked for; one that lands later is undone then.
    pub(super) fn source_vanished(&mut self, at: Moment, target: Side) -> Effect {
        match self.link.intents.first() {
            Some(intent) => {
                let write = Write::Create { link: self.link.id, record: intent.payload.clone() };
                self.find(target, write)
            }
            None => self.skip(at),
        }
    }

    pub(super) fn find(&mut self, side: Side, write: Write) -> Effect {
        let Write::Create { record, .. } = &write else { unreachable!("only creates are looked for") };
        let keys = self.plan.key.iter().flat_map(|&id| self.plan.rule(id).ends[side].write.iter());
        let (slots, values) =
            keys.map(|(slot, _)| (*slot, record.get(*slot).clone())).filter(|(_, value)| value.is_value()).unzip();
        Effect::Find { side, write, slots, values }
    }

    pub(super) fn found(&mut self, at: Moment, seen: Option<Seen>, owner: Option<Owner>) -> Effect {
        let source = if self.link.ids[Side::Left].is_some() { Side::Left } else { Side::Right };
        let target = source.other();
        let intent = self.link.intents.first().cloned().expect("a create that is looked for has an intent");
        let other_owner = owner.filter(|it| it.link != self.link.id);
        if let Some(seen) = &seen {
            self.tally.saw.push((target, seen.id.clone(), Some(seen.version.clone())));
        }
        match (seen, other_owner) {
            // Neither our row nor any use for it.
            (_, Some(_)) if self.seen[source].is_none() => self.bury(at),
            // Both sides made the row at once, and each has a pending link. The older link takes the other one's row, and its
            // commit ends the younger one; until then the younger waits, so that nobody is left behind if the older one ends.
            (Some(seen), Some(owner)) if owner.is_pending && self.link.id < owner.link => self.link_up(at, target, seen, None),
            (Some(_), Some(owner)) if owner.is_pending => {
                self.tally.look_at = Some(owner.link);
                let message = format!("the other side made this row too, and the link {} matches them", owner.link);
                let effect = self.hold(at, Class::Conflict, None, None, message);
                retried(at, effect)
            }
            (Some(seen), Some(owner)) => {
                let message = format!("a row with this key ({}) exists and belongs to the link {}", seen.id.0, owner.link);
                let effect = self.hold(at, Class::Conflict, None, None, message);
                retried(at, effect)
            }
            (None, _) if self.seen[source].is_none() => self.bury(at),
            (None, _) => {
                let failure = Failure::new(Class::Transient, "the create met a row that cannot be found; trying again");
                self.hold_failure(at, &failure)
            }
            (Some(seen), None) => {
                let is_ours = seen.correlation == Some(self.link.id)
                    || (seen.correlation.is_none() && settle::holds(&self.plan, target, &intent.payload, &seen.record));
                if self.seen[source].is_none() {
                    self.link.ids[target] = is_ours.then(|| seen.id.clone());
                    self.link.state = LinkState::Dead;
                    self.seen[target] = Some(seen);
                    return if is_ours { self.delete_row(at, target, "its source is gone") } else { self.bury(at) };
                }
                self.link_up(at, target, seen, is_ours.then_some(intent))
            }
        }
    }

    /// Both rows are known. With the intent: the row is ours, and what was sent is the agreement; edits made on it since count as edits.
    pub(super) fn link_up(&mut self, at: Moment, target: Side, seen: Seen, ours: Option<Intent>) -> Effect {
        self.link.intents.clear();
        self.link.ids[target] = Some(seen.id.clone());
        self.link.state = LinkState::Live;
        let before = std::mem::take(&mut self.link.shadows);
        if let Some(intent) = ours {
            let mut shadow = seen.record.clone();
            for (slot, sent) in interp::normalise(&self.plan, target, &intent.payload).slots() {
                if sent.is_known() {
                    shadow.set(slot, sent.clone());
                }
            }
            // A new row had nothing there: what stands there now came later, and counts as an edit.
            for slot in self.left_out_slots(target, &intent.payload) {
                shadow.set(slot, Value::Null);
            }
            self.link.shadows[target] = Some(self.without_left_out(target, shadow, &intent.payload));
            self.link.shadows[target.other()] = Some(self.baseline(target.other(), &intent));
            self.keep_rebased(&before);
        }
        self.lookups.forget_missing();
        self.tally.linked = true;
        self.note(at, ActivityKind::Linked, format!("with {}", seen.id.0));
        self.seen[target] = Some(seen);
        self.commit_then(at, AfterCommit::Look)
    }

    /// The create may be older than the rules of today.
    fn keep_rebased(&mut self, before: &Sides<Option<Record>>) {
        for side in Side::BOTH {
            if let Some(after) = &mut self.link.shadows[side] {
                keep_rebased(before[side].as_ref(), after);
            }
        }
    }

    /// The source as the create knew it. Its fields that follow from the new row, and those that the create left out, are not
    /// agreed upon yet.
    fn baseline(&self, source: Side, create: &Intent) -> Record {
        let mut base = create.base.clone();
        for rule in self.left_out(source.other(), &create.payload).into_iter().filter(|&it| self.plan.rule(it).is_two_way()) {
            for slot in merge::rule_slots(&self.plan, rule, source) {
                base.set(slot, Value::Absent);
            }
        }
        for rule in self.plan.rules.iter().filter(|it| it.writes(source) && !it.writes(source.other())) {
            for (slot, _) in &rule.ends[source].write {
                base.set(*slot, Value::Absent);
            }
        }
        base
    }

    /// Rules whose reference could wait, and did: the create says nothing of their fields.
    fn left_out(&self, target: Side, payload: &Record) -> Vec<RuleId> {
        let plan = &self.plan;
        let can_wait = |rule: &Rule| rule.refers(target).iter().any(|&it| plan.reference(it).is_deferrable);
        let may_dangle = |id: RuleId| plan.rule(id).reads_keys(target.other()) && interp::may_be_left_out(plan, id, target);
        let is_left_out = |id: &RuleId| {
            let rule = plan.rule(*id);
            !rule.on_update
                && (can_wait(rule) || may_dangle(*id))
                && rule.ends[target].write.iter().all(|(slot, _)| !payload.get(*slot).is_known())
        };
        plan.rule_ids().filter(is_left_out).collect()
    }

    fn left_out_slots(&self, target: Side, payload: &Record) -> Vec<Slot> {
        let rules = self.left_out(target, payload);
        rules.into_iter().flat_map(|it| self.plan.rule(it).ends[target].write.iter().map(|(slot, _)| *slot)).collect()
    }

    /// The new row, with the fields of one-way rules that were left out marked: they do not follow their source yet.
    fn without_left_out(&self, target: Side, mut shadow: Record, payload: &Record) -> Record {
        for rule in self.left_out(target, payload).into_iter().filter(|&it| !self.plan.rule(it).is_two_way()) {
            for (slot, _) in &self.plan.rule(rule).ends[target].write {
                let old = stale(shadow.get(*slot));
                shadow.set(*slot, old);
            }
        }
        shadow
    }

    /// An earlier copy of the create made the row, its answer was lost, and somebody deleted the row before it was linked: a
    /// delete like any other, after an agreement on what was sent.
    pub(super) fn twin_was_deleted(&mut self, at: Moment, side: Side) -> Effect {
        let intent = self.intent_under_way().expect("a create has an intent");
        self.link.intents.clear();
        self.link.ids[side] = None;
        if self.seen[side.other()].is_none() {
            return self.bury(at);
        }
        self.link.state = LinkState::Live;
        self.link.shadows[side.other()] = Some(self.baseline(side.other(), &intent));
        self.decide_delete(at, side)
    }

    pub(super) fn created(&mut self, at: Moment, side: Side, seen: Seen) -> Effect {
        let intent = self.intent_under_way().expect("a create has an intent");
        self.link.intents.clear();
        self.link.ids[side] = Some(seen.id.clone());
        self.link.state = LinkState::Live;
        let before = std::mem::take(&mut self.link.shadows);
        self.link.shadows[side] = Some(self.without_left_out(side, seen.record.clone(), &intent.payload));
        self.link.shadows[side.other()] = Some(self.baseline(side.other(), &intent));
        self.keep_rebased(&before);
        self.lookups.forget_missing();
        self.tally.created[side] += 1;
        self.note_answer(at, ActivityKind::Created, &intent, &seen);
        self.seen[side] = Some(seen);
        self.decide(at)
    }
}
