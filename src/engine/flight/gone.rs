//! Rows that are gone or no longer take part, and what this means for the other side's row.

use super::*;
use crate::engine::link::unmarked;
use crate::ir::RuleId;

impl Flight {
    // One side is gone: the policy of that side says what it means for the other.
    pub(super) fn decide_delete(&mut self, at: Moment, gone: Side) -> Effect {
        let kept = gone.other();
        let action = self.plan.on_delete[gone].clone();
        if self.link.state == LinkState::Dormant {
            return self.decide_dormant(at, gone);
        }
        match action {
            DeleteAction::Delete => {
                if let Some(label) = self.edited_since(kept).filter(|_| self.is_manual()) {
                    let message =
                        format!("deleted on one side, `{label}` edited on the other; resolve by hand (`on conflict manual`)");
                    return self.hold(at, Class::Conflict, None, Some(label), message);
                }
                self.delete_row(at, kept, "deleted on the other side")
            }
            DeleteAction::Refuse => {
                let message = "deleted on one side, and the map refuses the delete on the other (`on delete … refuse`)";
                self.hold(at, Class::Conflict, None, None, message.to_owned())
            }
            DeleteAction::Ignore => {
                self.forget_row(gone);
                self.detach(at, "deleted on the other side, ignored by the map")
            }
            DeleteAction::Set { slot, value } => {
                let row = self.seen[kept].clone().expect("decide_delete is called with one row there");
                if *row.record.get(slot) == value {
                    self.forget_row(gone);
                    return self.detach(at, "deleted on the other side, marked here");
                }
                let mut record = Record::absent(row.record.len());
                record.set(slot, value);
                self.send_mark(at, kept, row, record)
            }
        }
    }

    /// A row that was left alone while the link slept is gone. If the row that is left can come back into its filter, a partner
    /// is made for it then; else it was detached for good, and stays so.
    fn decide_dormant(&mut self, at: Moment, gone: Side) -> Effect {
        let kept = gone.other();
        let was_forgotten = self.link.ids[gone].is_none();
        let has_filter = self.plan.scope[kept].is_some() || self.plan.partition_in.is_some();
        if has_filter && !was_forgotten {
            self.note(at, ActivityKind::Deleted, format!("{}, while detached", gone.word()));
            return self.bury(at);
        }
        self.forget_row(gone);
        self.stay_dormant(at)
    }

    /// The row will not come back under this address, and what was sent to it cannot land.
    pub(super) fn forget_row(&mut self, side: Side) {
        self.link.ids[side] = None;
        self.link.versions[side] = None;
        self.link.shadows[side] = None;
        self.link.intents.retain(|it| it.side != side);
    }

    pub(super) fn send_mark(&mut self, at: Moment, side: Side, row: Seen, record: Record) -> Effect {
        self.intend(Intent {
            op: at.op,
            side,
            expected: Some(row.version.clone()),
            payload: record.clone(),
            base: Record::default(),
            rules: Vec::new(),
            is_delete: false,
        });
        self.commit_then(at, AfterCommit::Send { side, write: Write::Update { id: row.id, expected: row.version, record } })
    }

    pub(super) fn is_manual(&self) -> bool {
        self.plan.groups.iter().any(|it| it.conflict == Conflict::Manual)
    }

    /// The label of a rule whose fields changed on this side since the last agreement.
    pub(super) fn edited_since(&self, side: Side) -> Option<String> {
        let row = self.seen[side].as_ref()?;
        let Some(shadow) = &self.link.shadows[side] else { return Some("row".to_owned()) };
        let edited = |id: &RuleId| {
            let slots = merge::rule_slots(&self.plan, *id, side);
            slots.into_iter().any(|slot| row.record.get(slot) != unmarked(shadow.get(slot))) || self.was_never_agreed(*id)
        };
        self.plan.rule_ids().find(edited).map(|id| self.plan.rule(id).label.clone())
    }

    /// The rule is newer than the agreement, and what the two sides showed then differs by it: neither side knew the other's value.
    fn was_never_agreed(&self, id: RuleId) -> bool {
        if !self.plan.rule(id).is_two_way() || !merge::has_rebased(&self.plan, id, &self.link.shadows.as_ref()) {
            return false;
        }
        let then = self.link.shadows.as_ref().map(|it| it.map(merge::unmarked_record));
        let read = |side: Side| self.plan.read(&self.lookups, id, side, then[side].as_ref()?).ok().filter(|it| it.is_known());
        match (read(Side::Left), read(Side::Right)) {
            (Some(left), Some(right)) => !interp::agree(&self.plan, id, &left, &right),
            (Some(_) | None, Some(_) | None) => true,
        }
    }

    pub(super) fn delete_row(&mut self, at: Moment, side: Side, why: &str) -> Effect {
        let row = self.seen[side].clone().expect("a row to delete was seen");
        if let Some(label) = self.edited_since(side).or_else(|| (self.link.state == LinkState::Dead).then(|| "row".to_owned())) {
            let whole = describe(&self.plan.shapes[side], &row.record);
            self.lose(at, side, label, Value::text(whole), Value::Null, why);
        }
        self.intend(Intent {
            op: at.op,
            side,
            expected: Some(row.version.clone()),
            payload: Record::absent(row.record.len()),
            base: Record::default(),
            rules: Vec::new(),
            is_delete: true,
        });
        let write = Write::Delete { id: row.id, expected: row.version };
        self.commit_then(at, AfterCommit::Send { side, write })
    }

    // A row that carries the id of a dead link is a create that landed late: it is undone.
    pub(super) fn decide_dead(&mut self, at: Moment) -> Effect {
        let id = self.link.id;
        let twin = Side::BOTH.into_iter().find(|&side| self.seen[side].as_ref().is_some_and(|it| it.correlation == Some(id)));
        match twin {
            Some(side) => self.delete_row(at, side, "late create of a row that is gone"),
            None => self.bury(at),
        }
    }

    pub(super) fn bury(&mut self, at: Moment) -> Effect {
        self.link.state = LinkState::Dead;
        self.link.intents.clear();
        self.release(at);
        self.finish(at)
    }

    pub(super) fn exit(&mut self, at: Moment, side: Side) -> Effect {
        if self.link.state == LinkState::Dormant {
            return self.stay_dormant(at);
        }
        match self.plan.on_exit[side].clone() {
            Some(Exit::Delete) => self.delete_row(at, side.other(), "left the filter"),
            Some(Exit::Reject) => {
                let message = "the row left the map's filter, and the map rejects that (`on exit reject`)";
                self.hold(at, Class::Validation, None, None, message.to_owned())
            }
            Some(Exit::Set { slot, value }) => self.mark(at, side.other(), slot, value),
            Some(Exit::Detach) | None => self.detach(at, "left the filter"),
        }
    }

    /// Whether a mark stands is kept in the link's state: dormant once it is known to be on the row, live again once it is known
    /// to be off. Requests that landed without an answer are seen here; those that did not land leave the state as it is.
    pub(super) fn settle_marks(&mut self, at: Moment) {
        if !matches!(self.link.state, LinkState::Live | LinkState::Dormant) {
            return;
        }
        for kept in Side::BOTH {
            let (Some(Exit::Set { slot, value }), Some(row)) = (&self.plan.on_exit[kept.other()], &self.seen[kept]) else {
                continue;
            };
            let now = row.record.get(*slot);
            let has_landed = |it: &Intent| {
                let is_mark = it.side == kept && it.rules.is_empty() && !it.is_delete && it.payload.get(*slot).is_known();
                is_mark && it.expected.as_ref().is_some_and(|version| *version != row.version) && it.payload.get(*slot) == now
            };
            if !self.link.intents.iter().any(has_landed) {
                continue;
            }
            if now != value {
                self.link.state = LinkState::Live;
            } else if self.seen[kept.other()].is_some() && self.link.state == LinkState::Live {
                // Where the partner is gone by now, that decides.
                self.link.state = LinkState::Dormant;
                self.note(at, ActivityKind::Detached, "left the filter".to_owned());
            }
        }
    }

    /// Marks the row of this side, whose partner left the filter. What stood in the field stays in the shadow until it returns.
    fn mark(&mut self, at: Moment, kept: Side, slot: Slot, value: Value) -> Effect {
        let row = self.seen[kept].clone().expect("both rows are there when one leaves the filter");
        if *row.record.get(slot) == value {
            // A person was there first: the mark is theirs, and stays when the partner returns.
            if let Some(shadow) = &mut self.link.shadows[kept] {
                shadow.set(slot, value);
            }
            return self.detach(at, "left the filter");
        }
        let mut record = Record::absent(row.record.len());
        record.set(slot, value);
        self.send_mark(at, kept, row, record)
    }

    /// The partner of a marked row is back in the filter: the field gets back what stood in it.
    pub(super) fn unmark(&mut self, at: Moment) -> Option<Effect> {
        if self.link.state != LinkState::Dormant {
            return None;
        }
        let (kept, slot, before) = Side::BOTH.into_iter().find_map(|side| {
            let Some(Exit::Set { slot, value }) = &self.plan.on_exit[side] else { return None };
            let (row, kept) = (self.seen[side].as_ref()?, self.seen[side.other()].as_ref()?);
            let before = self.link.shadows[side.other()].as_ref().map(|it| unmarked(it.get(*slot)))?;
            let is_marked = kept.record.get(*slot) == value && before.is_known() && before != value;
            let is_back = is_marked && self.plan.in_scope(&self.lookups, side, &row.record) == Ok(true);
            is_back.then(|| (side.other(), *slot, before.clone()))
        })?;
        let row = self.seen[kept].clone()?;
        let mut record = Record::absent(row.record.len());
        record.set(slot, before);
        Some(self.send_mark(at, kept, row, record))
    }

    /// What was sent marks a row whose partner is gone or has left.
    pub(super) fn is_mark(&self, side: Side, sent: &Record) -> bool {
        let on_delete = match &self.plan.on_delete[side.other()] {
            DeleteAction::Set { slot, value } => sent.get(*slot) == value,
            DeleteAction::Delete | DeleteAction::Refuse | DeleteAction::Ignore => false,
        };
        let on_exit = match &self.plan.on_exit[side.other()] {
            Some(Exit::Set { slot, value }) => sent.get(*slot) == value,
            Some(Exit::Detach | Exit::Delete | Exit::Reject) | None => false,
        };
        on_delete || on_exit
    }

    /// Open requests stay on file: they may land while nobody looks, and must not be taken for an edit on return.
    fn stay_dormant(&mut self, at: Moment) -> Effect {
        self.release(at);
        self.finish(at)
    }

    pub(super) fn detach(&mut self, at: Moment, why: &str) -> Effect {
        self.link.state = LinkState::Dormant;
        self.note(at, ActivityKind::Detached, why.to_owned());
        self.stay_dormant(at)
    }
}
