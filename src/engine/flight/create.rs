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
            return self.make(at, target, write);
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
                self.make(at, target, write)
            }
        }
    }

    /// What is on file is sent, or looked for first.
    fn make(&mut self, at: Moment, side: Side, write: Write) -> Effect {
        let then = if self.looks_first && !self.has_looked {
            AfterCommit::Find { side, write }
        } else {
            AfterCommit::Send { side, write }
        };
        self.commit_then(at, then)
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
            (None, _) if self.looks_first && !self.has_looked => {
                self.has_looked = true;
                let write = Write::Create { link: self.link.id, record: intent.payload };
                self.make(at, target, write)
            }
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
                // Where the state may be older than the row, so may the create that made it: what was sent then is not known.
                let is_as_sent = || settle::holds(&self.plan, target, &intent.payload, &seen.record);
                let is_known = is_ours && (!self.looks_first || is_as_sent());
                self.link_up(at, target, seen, is_known.then_some(intent))
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
            let row = self.as_made(target, &intent, &before, seen.record.clone());
            self.agree_on_create(target, row, &intent, &before);
        }
        self.lookups.forget_missing();
        self.tally.linked = true;
        self.note(at, ActivityKind::Linked, format!("with {}", seen.id.0));
        self.seen[target] = Some(seen);
        self.commit_then(at, AfterCommit::Look)
    }

    /// The row as the create made it, whatever stands there now.
    fn as_made(&self, target: Side, create: &Intent, before: &Sides<Option<Record>>, now: Record) -> Record {
        let mut row = now;
        for (slot, sent) in interp::normalise(&self.plan, target, &create.payload).slots() {
            if sent.is_known() {
                row.set(slot, sent.clone());
            }
        }
        // A new row had nothing there: what stands there now came later, and counts as an edit.
        for rule in self.left_out(target, &create.payload, before) {
            for (slot, _) in &self.plan.rule(rule).ends[target].write {
                row.set(*slot, Value::Null);
            }
        }
        row
    }

    /// The agreement after a create: the source as the create knew it, and the new row. `before` has the marks of rules that came
    /// while it was under way. Fields that follow from the new row, and those that the create left out, are not agreed upon yet.
    fn agree_on_create(&mut self, target: Side, mut row: Record, create: &Intent, before: &Sides<Option<Record>>) {
        let (plan, source) = (self.plan.clone(), target.other());
        let mut base = create.base.clone();
        let mut marks = before.clone();
        for id in self.left_out(target, &create.payload, before) {
            let rule = plan.rule(id);
            if rule.is_two_way() {
                merge::rule_slots(&plan, id, source).into_iter().for_each(|slot| base.set(slot, Value::Absent));
                for side in Side::BOTH {
                    let Some(marks) = &mut marks[side] else { continue };
                    merge::rule_slots(&plan, id, side).into_iter().for_each(|slot| marks.set(slot, Value::Absent));
                }
            } else {
                // They do not follow their source yet.
                for (slot, _) in &rule.ends[target].write {
                    let old = stale(row.get(*slot));
                    row.set(*slot, old);
                }
            }
        }
        for rule in plan.rules.iter().filter(|it| it.writes(source) && !it.writes(target)) {
            rule.ends[source].write.iter().for_each(|(slot, _)| base.set(*slot, Value::Absent));
        }
        keep_rebased(marks[source].as_ref(), &mut base);
        keep_rebased(marks[target].as_ref(), &mut row);
        self.link.shadows[source] = Some(base);
        self.link.shadows[target] = Some(row);
    }

    /// Rules of which the create says nothing: their reference could wait, and did, or they are newer than the create.
    fn left_out(&self, target: Side, payload: &Record, before: &Sides<Option<Record>>) -> Vec<RuleId> {
        let plan = &self.plan;
        let can_wait = |rule: &Rule| rule.refers(target).iter().any(|&it| plan.reference(it).is_deferrable);
        let may_dangle = |id: RuleId| plan.rule(id).reads_keys(target.other()) && interp::may_be_left_out(plan, id, target);
        let is_newer = |id: RuleId| merge::has_rebased(plan, id, &before.as_ref());
        let is_left_out = |id: &RuleId| {
            let rule = plan.rule(*id);
            !rule.on_update
                && (can_wait(rule) || may_dangle(*id) || is_newer(*id))
                && rule.ends[target].write.iter().all(|(slot, _)| !payload.get(*slot).is_known())
        };
        plan.rule_ids().filter(is_left_out).collect()
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
        let before = std::mem::take(&mut self.link.shadows);
        if self.looks_first {
            // The row that is gone was made by an earlier create, and what that sent is not known.
            self.link.shadows[side.other()] = Some(Record::absent(intent.base.len()));
        } else {
            let row = self.as_made(side, &intent, &before, Record::absent(intent.payload.len()));
            self.agree_on_create(side, row, &intent, &before);
        }
        self.decide_delete(at, side)
    }

    pub(super) fn created(&mut self, at: Moment, side: Side, seen: Seen) -> Effect {
        let intent = self.intent_under_way().expect("a create has an intent");
        self.link.intents.clear();
        self.link.ids[side] = Some(seen.id.clone());
        self.link.state = LinkState::Live;
        let before = std::mem::take(&mut self.link.shadows);
        self.agree_on_create(side, seen.record.clone(), &intent, &before);
        self.lookups.forget_missing();
        self.tally.created[side] += 1;
        self.note_answer(at, ActivityKind::Created, &intent, &seen);
        self.seen[side] = Some(seen);
        self.decide(at)
    }
}
