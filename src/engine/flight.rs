//! One reconcile of one link, as a state machine: the caller carries out an effect and comes back with its answer.
//!
//! The order of effects is the protocol. What may be sent is durable before it is sent ([`Effect::Commit`] comes first),
//! and stays on file until it can no longer land. The agreement moves only together with the proof that it was reached.
//! A flight can be dropped at any point, as a crash would; what is in the store is enough to go on.

use std::sync::Arc;

use crate::change::{Answer, Change, Class, Failure, LinkId, RemoteId, Seen, Side, Sides, Write};
use crate::interp::{self, Cx, Lookups, Query, Refusal, Resolution, Stop};
use crate::ir::{Conflict, DeleteAction, Exit, OnError, Plan};
use crate::value::{Record, Slot, Timestamp, Value};

use super::link::{Activity, ActivityKind, Commit, Hold, Intent, LedgerEntry, Link, LinkState, OpId};
use super::merge::{self, Blocked, Look, Loss, Merge, Planned, describe};
use super::settle;

/// Most looks at the rows in one flight; then the link is held and tried again later.
pub const LOOKS_MAX: u32 = 16;
/// Most rounds of reference look-ups between two looks: references can depend on each other.
pub const RESOLVE_ROUNDS_MAX: u32 = 8;

/// The instant of a step, and a fresh name for what it decides.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    pub now: Timestamp,
    pub op: OpId,
}

/// What the caller brings.
#[derive(Clone, Debug)]
pub enum Event {
    /// Start by looking.
    Begin,
    /// Both rows as they are now; `None`: not there, or not known yet.
    Observed(Sides<Option<Seen>>),
    Resolved(Vec<(Query, Resolution)>),
    Committed,
    Answered(Answer),
    /// The row that a create met, and the link that it already belongs to.
    Found {
        seen: Option<Seen>,
        owner: Option<Owner>,
    },
    /// The caller could not carry out the effect.
    Failed(Failure),
}

/// The link to which a found row belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    pub link: LinkId,
    /// It is itself waiting for its other side.
    pub is_pending: bool,
}

/// What the caller shall do.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Fetch the rows of the link's ids.
    Observe,
    Resolve(Vec<Query>),
    /// Make this durable, all of it or nothing.
    Commit(Box<Commit>),
    Send {
        side: Side,
        write: Write,
    },
    /// Look for the row that a create with this write made or met: by correlation, else by these fields.
    Find {
        side: Side,
        write: Write,
        slots: Vec<Slot>,
        values: Vec<Value>,
    },
    /// Done; the journal entry is finished.
    Finish(Tally),
}

/// What a flight did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub created: Sides<u32>,
    pub updated: Sides<u32>,
    pub deleted: Sides<u32>,
    /// Nothing had to be written.
    pub is_quiet: bool,
    pub conflicts: u32,
    /// Why the link stands still now.
    pub held: Option<(Class, String)>,
    /// This link should be looked at next: it owns the row that was found.
    pub look_at: Option<LinkId>,
}

#[derive(Debug)]
enum AfterCommit {
    Send { side: Side, write: Write },
    Look,
    Finish,
}

/// A reconcile in progress.
#[derive(Debug)]
pub struct Flight {
    plan: Arc<Plan>,
    link: Link,
    /// The link as the store has it; `None`: not there yet.
    stored: Option<Link>,
    lookups: Lookups,
    seen: Sides<Option<Seen>>,
    master: Option<Side>,
    sent: Option<(Side, Write)>,
    after_commit: Option<AfterCommit>,
    ledger: Vec<LedgerEntry>,
    activity: Vec<Activity>,
    looks: u32,
    resolves: u32,
    tally: Tally,
}

impl Link {
    /// A link for a row that nobody knew.
    pub fn new(id: LinkId, plan: &str, side: Side, row: RemoteId) -> Self {
        let mut ids = Sides::default();
        ids[side] = Some(row);
        Self { state: LinkState::PendingCreate, ..Self::empty(id, plan, ids) }
    }

    /// A link for two rows that belong together.
    pub fn matched(id: LinkId, plan: &str, left: RemoteId, right: RemoteId) -> Self {
        Self::empty(id, plan, Sides::new(Some(left), Some(right)))
    }

    fn empty(id: LinkId, plan: &str, ids: Sides<Option<RemoteId>>) -> Self {
        Self {
            id,
            plan: plan.to_owned(),
            state: LinkState::Live,
            ids,
            versions: Sides::default(),
            shadows: Sides::default(),
            intents: Vec::new(),
            hold: None,
            conflicts: Vec::new(),
            key: String::new(),
        }
    }

    /// The change is what the link already knows: our own write coming back, or a feed told twice. No call is needed.
    pub fn knows(&self, side: Side, change: &Change) -> bool {
        match change {
            Change::Upsert(seen) => {
                self.intents.is_empty() && self.versions[side].as_ref() == Some(&seen.version) && self.hold.is_none()
            }
            Change::Delete { .. } => self.state == LinkState::Dead,
        }
    }
}

impl Flight {
    /// `stored`: the link is in the store. `master` wins where no agreement is known.
    pub fn new(plan: Arc<Plan>, link: Link, stored: bool, master: Option<Side>) -> Self {
        let stored = stored.then(|| link.clone());
        Self {
            plan,
            link,
            stored,
            lookups: Lookups::default(),
            seen: Sides::default(),
            master,
            sent: None,
            after_commit: None,
            ledger: Vec::new(),
            activity: Vec::new(),
            looks: 0,
            resolves: 0,
            tally: Tally::default(),
        }
    }

    pub fn link(&self) -> &Link {
        &self.link
    }

    /// One step of the protocol.
    pub fn step(&mut self, at: Moment, event: Event) -> Effect {
        match event {
            Event::Begin => Effect::Observe,
            Event::Observed(seen) => self.observed(at, seen),
            Event::Resolved(answers) => {
                for (query, resolution) in answers {
                    self.lookups.insert(query, resolution);
                }
                self.decide(at)
            }
            Event::Committed => self.committed(at),
            Event::Answered(answer) => self.answered(at, answer),
            Event::Found { seen, owner } => self.found(at, seen, owner),
            Event::Failed(failure) => self.hold_failure(at, &failure),
        }
    }

    fn observed(&mut self, at: Moment, seen: Sides<Option<Seen>>) -> Effect {
        self.looks += 1;
        self.resolves = 0;
        if self.looks > LOOKS_MAX {
            let failure = Failure::new(Class::Transient, format!("the rows kept changing through {LOOKS_MAX} looks"));
            return self.hold_failure(at, &failure);
        }
        self.seen = seen;
        for side in Side::BOTH {
            let displaced = settle::settle(&self.plan, &mut self.link, side, self.seen[side].as_ref());
            for (rule, value) in displaced {
                self.lose(at, side, rule, value, Value::Absent, "landed late, and was edited since");
            }
        }
        self.decide(at)
    }

    fn decide(&mut self, at: Moment) -> Effect {
        match self.link.state {
            LinkState::Dead => self.decide_dead(at),
            LinkState::PendingCreate => self.decide_create(at),
            LinkState::Live | LinkState::Dormant => match (&self.seen[Side::Left], &self.seen[Side::Right]) {
                (Some(_), Some(_)) => self.decide_pair(at),
                (None, None) => self.bury(at),
                (None, Some(_)) => self.decide_delete(at, Side::Left),
                (Some(_), None) => self.decide_delete(at, Side::Right),
            },
        }
    }

    // A row that carries the id of a dead link is a create that landed late: it is undone.
    fn decide_dead(&mut self, at: Moment) -> Effect {
        let id = self.link.id;
        let twin = Side::BOTH.into_iter().find(|&side| self.seen[side].as_ref().is_some_and(|it| it.correlation == Some(id)));
        match twin {
            Some(side) => self.delete_row(at, side, "late create of a row that is gone"),
            None => self.bury(at),
        }
    }

    fn decide_create(&mut self, at: Moment) -> Effect {
        let source = if self.link.ids[Side::Left].is_some() { Side::Left } else { Side::Right };
        let target = source.other();
        let Some(row) = self.seen[source].clone() else { return self.source_vanished(at, target) };
        if let Some(intent) = self.link.intents.first() {
            // What was sent is sent again, to the letter: the row may be there already.
            let write = Write::Create { link: self.link.id, record: intent.payload.clone() };
            return self.commit_then(at, AfterCommit::Send { side: target, write });
        }
        if !self.plan.writes[target] {
            return self.skip(at);
        }
        let cx = Cx { plan: &self.plan, lookups: &self.lookups };
        let planned = interp::in_scope(cx, source, &row.record).and_then(|in_scope| {
            let key = interp::key(cx, source, &row.record)?;
            Ok((in_scope, key, if in_scope { Some(interp::put(cx, target, &row.record, None)?) } else { None }))
        });
        match planned {
            Err(stop) => self.stopped(at, stop),
            Ok((_, _, None)) => self.skip(at),
            Ok((_, None, Some(_))) => {
                self.hold(at, Class::Validation, None, None, "the row's key is empty on this side".to_owned())
            }
            Ok((_, Some(key), Some(payload))) => {
                self.link.key = key.to_string();
                self.link.intents.push(Intent {
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

    fn decide_pair(&mut self, at: Moment) -> Effect {
        let (Some(left), Some(right)) = (self.seen[Side::Left].clone(), self.seen[Side::Right].clone()) else {
            unreachable!("decide looks before it leaps: both rows are there")
        };
        let plan = self.plan.clone();
        let cx = Cx { plan: &plan, lookups: &self.lookups };
        for (side, row) in [(Side::Left, &left), (Side::Right, &right)] {
            match interp::in_scope(cx, side, &row.record) {
                Ok(true) => {}
                Ok(false) => return self.exit(at, side),
                Err(stop) => return self.stopped(at, stop),
            }
        }
        if self.link.key.is_empty() {
            match interp::key(cx, Side::Left, &left.record) {
                Ok(key) => self.link.key = key.map_or_else(String::new, |it| it.to_string()),
                Err(stop) => return self.stopped(at, stop),
            }
        }
        let look = Look { cx, seen: Sides::new(&left, &right), shadows: self.link.shadows.as_ref(), master: self.master };
        match merge::merge(&look) {
            Err(Blocked::Unresolved(queries)) => self.resolve(at, queries),
            Err(Blocked::Refused(refusal)) => self.refused(at, refusal),
            Ok(merge) => self.carry_out(at, merge, &left, &right),
        }
    }

    fn carry_out(&mut self, at: Moment, merge: Merge, left: &Seen, right: &Seen) -> Effect {
        let Merge { plans, shadows, conflicts } = merge;
        let is_new = self.link.shadows[Side::Left].is_none();
        self.link.state = LinkState::Live;
        self.link.shadows = shadows.map(|it| Some(it.clone()));
        self.link.versions = Sides::new(Some(left.version.clone()), Some(right.version.clone()));
        if !conflicts.is_empty() && conflicts != self.link.conflicts {
            self.note(at, ActivityKind::Conflict, conflicts.iter().map(|it| it.label.clone()).collect::<Vec<_>>().join(", "));
        } else if conflicts.is_empty() && !self.link.conflicts.is_empty() {
            self.note(at, ActivityKind::Resolved, String::new());
        }
        self.tally.conflicts = conflicts.len() as u32;
        self.link.conflicts = conflicts;
        if is_new && self.tally.created == Sides::default() {
            self.note(at, ActivityKind::Adopted, format!("two rows with the key {}", self.link.key));
        }
        match self.next_side(&plans) {
            None => {
                self.release(at);
                self.finish(at)
            }
            Some(side) => {
                let planned = plans.0[side.index()].clone().expect("next_side names a side with a plan");
                self.send_update(at, side, planned)
            }
        }
    }

    /// Derived fields wait for the side they derive from, so that side goes first where it feeds one-way rules.
    fn next_side(&self, plans: &Sides<Option<Planned>>) -> Option<Side> {
        let feeds = |side: Side| self.plan.rules.iter().any(|it| !it.on_create && !it.is_two_way() && it.writes(side.other()));
        match (&plans[Side::Left], &plans[Side::Right]) {
            (None, None) => None,
            (Some(_), None) => Some(Side::Left),
            (None, Some(_)) => Some(Side::Right),
            (Some(_), Some(_)) => Some(if feeds(Side::Left) { Side::Left } else { Side::Right }),
        }
    }

    fn send_update(&mut self, at: Moment, side: Side, planned: Planned) -> Effect {
        let source = side.other();
        let (row, base) = match (&self.seen[side], &self.seen[source]) {
            (Some(row), Some(base)) => (row.clone(), base.record.clone()),
            _ => unreachable!("an update is planned from two rows"),
        };
        for Loss { rule, loser, winner, policy } in planned.losses {
            let label = self.plan.rule(rule).label.clone();
            self.lose(at, side, label, loser, winner, &policy);
        }
        self.link.intents.push(Intent {
            op: at.op,
            side,
            expected: Some(row.version.clone()),
            payload: planned.record.clone(),
            base,
            rules: planned.rules.iter().map(|it| it.0).collect(),
            is_delete: false,
        });
        let write = Write::Update { id: row.id, expected: row.version, record: planned.record };
        self.commit_then(at, AfterCommit::Send { side, write })
    }

    // One side is gone: the policy of that side says what it means for the other.
    fn decide_delete(&mut self, at: Moment, gone: Side) -> Effect {
        let kept = gone.other();
        let action = self.plan.on_delete[gone].clone();
        if self.link.state == LinkState::Dormant {
            return self.finish(at);
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
            DeleteAction::Ignore => self.detach(at, "deleted on the other side, ignored by the map"),
            DeleteAction::Set { slot, value } => {
                let row = self.seen[kept].clone().expect("decide_delete is called with one row there");
                if *row.record.get(slot) == value {
                    return self.detach(at, "deleted on the other side, marked here");
                }
                let mut record = Record::absent(row.record.len());
                record.set(slot, value);
                self.send_mark(at, kept, row, record)
            }
        }
    }

    fn send_mark(&mut self, at: Moment, side: Side, row: Seen, record: Record) -> Effect {
        self.link.intents.push(Intent {
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

    fn is_manual(&self) -> bool {
        self.plan.groups.iter().any(|it| it.conflict == Conflict::Manual)
    }

    /// The label of a rule whose fields changed on this side since the last agreement.
    fn edited_since(&self, side: Side) -> Option<String> {
        let (row, shadow) = (self.seen[side].as_ref()?, self.link.shadows[side].as_ref()?);
        let edited = |id: &crate::ir::RuleId| {
            let slots = merge::rule_slots(&self.plan, *id, side);
            slots.into_iter().any(|slot| row.record.get(slot) != shadow.get(slot))
        };
        self.plan.rule_ids().find(edited).map(|id| self.plan.rule(id).label.clone())
    }

    fn delete_row(&mut self, at: Moment, side: Side, why: &str) -> Effect {
        let row = self.seen[side].clone().expect("a row to delete was seen");
        if let Some(label) = self.edited_since(side).or_else(|| (self.link.state == LinkState::Dead).then(|| "row".to_owned())) {
            let whole = describe(&self.plan.shapes[side], &row.record);
            self.lose(at, side, label, Value::text(whole), Value::Null, why);
        }
        self.link.intents.push(Intent {
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

    // The source of a create is gone. A twin that was made already is looked for; one that lands later is undone then.
    fn source_vanished(&mut self, at: Moment, target: Side) -> Effect {
        match self.link.intents.first() {
            Some(intent) => {
                let write = Write::Create { link: self.link.id, record: intent.payload.clone() };
                self.find(target, write)
            }
            None => self.skip(at),
        }
    }

    fn find(&mut self, side: Side, write: Write) -> Effect {
        let Write::Create { record, .. } = &write else { unreachable!("only creates are looked for") };
        let keys = self.plan.key.iter().flat_map(|&id| self.plan.rule(id).ends[side].write.iter());
        let (slots, values) =
            keys.map(|(slot, _)| (*slot, record.get(*slot).clone())).filter(|(_, value)| value.is_value()).unzip();
        Effect::Find { side, write, slots, values }
    }

    fn found(&mut self, at: Moment, seen: Option<Seen>, owner: Option<Owner>) -> Effect {
        let source = if self.link.ids[Side::Left].is_some() { Side::Left } else { Side::Right };
        let target = source.other();
        let intent = self.link.intents.first().cloned().expect("a create that is looked for has an intent");
        let other_owner = owner.filter(|it| it.link != self.link.id);
        match (seen, other_owner) {
            (Some(_), Some(owner)) if owner.is_pending => {
                // Both sides made the row at once and each has a pending link: the owner's create will find our row.
                self.tally.look_at = Some(owner.link);
                self.bury(at)
            }
            (Some(seen), Some(owner)) => {
                let message = format!("a row with this key ({}) exists and belongs to the link {}", seen.id.0, owner.link);
                self.hold(at, Class::Conflict, None, None, message)
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
                    return if is_ours { self.delete_row(at, target, "its source is gone") } else { self.finish(at) };
                }
                self.link_up(at, target, seen, is_ours.then_some(intent))
            }
        }
    }

    /// Both rows are known. With the intent: the row is ours, and what was sent is the agreement; edits made on it since count as edits.
    fn link_up(&mut self, at: Moment, target: Side, seen: Seen, ours: Option<Intent>) -> Effect {
        self.link.intents.clear();
        self.link.ids[target] = Some(seen.id.clone());
        self.link.state = LinkState::Live;
        if let Some(intent) = ours {
            let mut shadow = seen.record.clone();
            for (slot, sent) in interp::normalise(&self.plan, target, &intent.payload).slots() {
                if sent.is_known() {
                    shadow.set(slot, sent.clone());
                }
            }
            self.link.shadows[target] = Some(shadow);
            self.link.shadows[target.other()] = Some(intent.base);
        }
        self.note(at, ActivityKind::Linked, format!("with {}", seen.id.0));
        self.seen[target] = Some(seen);
        self.commit_then(at, AfterCommit::Look)
    }

    fn answered(&mut self, at: Moment, answer: Answer) -> Effect {
        let (side, write) = self.sent.take().expect("an answer follows a request");
        match (answer, write) {
            (Answer::Written(seen), Write::Create { .. }) => self.created(at, side, seen),
            (Answer::Written(seen), Write::Update { record, .. }) => self.updated(at, side, seen, &record),
            (Answer::Deleted | Answer::Gone, Write::Delete { .. }) => {
                self.tally.deleted[side] += 1;
                self.note(at, ActivityKind::Deleted, describe_side(side).to_owned());
                self.bury(at)
            }
            (Answer::Exists, write @ Write::Create { .. }) => self.find(side, write),
            (Answer::Moved | Answer::Gone, Write::Update { .. } | Write::Delete { .. }) => {
                // It was sent once and refused: this one request cannot land any more.
                self.link.intents.pop();
                Effect::Observe
            }
            (Answer::Failed(failure), _) => {
                if !failure.is_ambiguous && !failure.is_retriable() {
                    self.link.intents.pop();
                }
                self.hold_failure(at, &failure)
            }
            (answer, write) => {
                let failure = Failure {
                    is_ambiguous: true,
                    ..Failure::new(Class::Transient, format!("an answer that does not fit: {answer:?} to {}", verb(&write)))
                };
                self.hold_failure(at, &failure)
            }
        }
    }

    fn created(&mut self, at: Moment, side: Side, seen: Seen) -> Effect {
        let intent = self.link.intents.pop().expect("a create has an intent");
        self.link.intents.clear();
        self.link.ids[side] = Some(seen.id.clone());
        self.link.state = LinkState::Live;
        self.link.shadows[side] = Some(seen.record.clone());
        self.link.shadows[side.other()] = Some(intent.base);
        self.tally.created[side] += 1;
        self.note(at, ActivityKind::Created, format!("{} as {}", describe_side(side), seen.id.0));
        self.seen[side] = Some(seen);
        self.decide(at)
    }

    fn updated(&mut self, at: Moment, side: Side, seen: Seen, sent: &Record) -> Effect {
        let intent = self.link.intents.pop().expect("an update has an intent");
        self.link.intents.retain(|it| it.side != side);
        self.tally.updated[side] += 1;
        self.note(at, ActivityKind::Updated, format!("{}: {}", describe_side(side), describe(&self.plan.shapes[side], sent)));
        if intent.rules.is_empty() {
            return self.detach(at, "deleted on the other side, marked here");
        }
        settle::adopt(&self.plan, &mut self.link, side, &intent, &seen.record);
        self.seen[side] = Some(seen);
        self.decide(at)
    }

    fn exit(&mut self, at: Moment, side: Side) -> Effect {
        if self.link.state == LinkState::Dormant {
            return self.finish(at);
        }
        match self.plan.on_exit[side] {
            Some(Exit::Delete) => self.delete_row(at, side.other(), "left the filter"),
            Some(Exit::Reject) => {
                let message = "the row left the map's filter, and the map rejects that (`on exit reject`)";
                self.hold(at, Class::Validation, None, None, message.to_owned())
            }
            Some(Exit::Deactivate) => {
                let message = "the row left the map's filter; `on exit deactivate` is not carried out by this version";
                self.hold(at, Class::Validation, None, None, message.to_owned())
            }
            Some(Exit::Detach) | None => self.detach(at, "left the filter"),
        }
    }

    fn detach(&mut self, at: Moment, why: &str) -> Effect {
        self.link.state = LinkState::Dormant;
        self.link.intents.clear();
        self.note(at, ActivityKind::Detached, why.to_owned());
        self.release(at);
        self.finish(at)
    }

    fn bury(&mut self, at: Moment) -> Effect {
        self.link.state = LinkState::Dead;
        self.link.intents.clear();
        self.release(at);
        self.finish(at)
    }

    /// The row is none of this map's business. A link that is on file for it is closed.
    fn skip(&mut self, at: Moment) -> Effect {
        self.tally.is_quiet = true;
        if self.stored.is_some() { self.bury(at) } else { Effect::Finish(std::mem::take(&mut self.tally)) }
    }

    fn resolve(&mut self, at: Moment, mut queries: Vec<Query>) -> Effect {
        self.resolves += 1;
        if self.resolves > RESOLVE_ROUNDS_MAX {
            let failure = Failure::new(Class::Bug, format!("references are still unknown after {RESOLVE_ROUNDS_MAX} rounds"));
            return self.hold_failure(at, &failure);
        }
        let mut seen = std::collections::HashSet::new();
        queries.retain(|it| seen.insert(it.clone()));
        Effect::Resolve(queries)
    }

    fn stopped(&mut self, at: Moment, stop: Stop) -> Effect {
        match stop {
            Stop::Unresolved(query) => self.resolve(at, vec![query]),
            Stop::Refused(refusal) => self.refused(at, refusal),
            Stop::Skip => self.skip(at),
        }
    }

    fn refused(&mut self, at: Moment, refusal: Refusal) -> Effect {
        let waits_on = refusal.waits_on.as_ref().map(|query| {
            let awaited = self.plan.reference(query.reference()).plan.clone();
            let key = match query {
                Query::IdOf { key, .. } => key.clone(),
                Query::KeyOf { id, .. } => id.clone(),
            };
            (awaited.unwrap_or_default(), key)
        });
        let effect = self.hold(at, refusal.class, Some(refusal.code.to_owned()), Some(refusal.rule), refusal.message);
        let Effect::Commit(mut commit) = effect else { return effect };
        if let Some(hold) = &mut commit.link.hold {
            hold.waits_on = waits_on;
            if refusal.is_parked && hold.retry_at.is_none() {
                hold.retry_at = at.now.checked_add(retry_delay(hold.attempts)).ok();
            }
        }
        Effect::Commit(commit)
    }

    fn hold_failure(&mut self, at: Moment, failure: &Failure) -> Effect {
        let attempts = self.link.hold.as_ref().map_or(0, |it| it.attempts);
        let exhausted = matches!(self.plan.on_error, OnError::Retry(most) if attempts >= most);
        let effect = self.hold(at, failure.class, None, None, failure.message.clone());
        let Effect::Commit(mut commit) = effect else { return effect };
        if let Some(hold) = commit.link.hold.as_mut().filter(|_| is_worth_retrying(failure.class) && !exhausted) {
            let delay = failure.retry_after.unwrap_or_else(|| retry_delay(attempts));
            hold.retry_at = at.now.checked_add(delay).ok();
        }
        Effect::Commit(commit)
    }

    fn hold(&mut self, at: Moment, class: Class, code: Option<String>, rule: Option<String>, message: String) -> Effect {
        let before = self.link.hold.take();
        self.tally.held = Some((class, message.clone()));
        if before.as_ref().is_none_or(|it| it.message != message) {
            self.note(at, ActivityKind::Held, message.clone());
        }
        self.link.hold = Some(Hold {
            class,
            code,
            rule,
            message,
            since: before.as_ref().map_or(at.now, |it| it.since),
            attempts: before.map_or(0, |it| it.attempts) + 1,
            retry_at: None,
            waits_on: None,
        });
        self.commit_then(at, AfterCommit::Finish)
    }

    fn release(&mut self, at: Moment) {
        if self.link.hold.take().is_some() {
            self.note(at, ActivityKind::Released, String::new());
        }
    }

    fn finish(&mut self, at: Moment) -> Effect {
        let is_unchanged = self.stored.as_ref() == Some(&self.link) && self.ledger.is_empty() && self.activity.is_empty();
        if is_unchanged {
            self.tally.is_quiet = self.tally.created == Sides::default() && self.tally.updated == Sides::default();
            return Effect::Finish(std::mem::take(&mut self.tally));
        }
        self.commit_then(at, AfterCommit::Finish)
    }

    fn commit_then(&mut self, _at: Moment, then: AfterCommit) -> Effect {
        self.after_commit = Some(then);
        Effect::Commit(Box::new(Commit {
            link: self.link.clone(),
            ledger: std::mem::take(&mut self.ledger),
            activity: std::mem::take(&mut self.activity),
        }))
    }

    fn committed(&mut self, at: Moment) -> Effect {
        self.stored = Some(self.link.clone());
        match self.after_commit.take().expect("a commit was asked for") {
            AfterCommit::Finish => {
                let tally = &self.tally;
                let wrote = [&tally.created, &tally.updated, &tally.deleted].iter().any(|it| **it != Sides::default());
                self.tally.is_quiet = !wrote && tally.held.is_none();
                Effect::Finish(std::mem::take(&mut self.tally))
            }
            AfterCommit::Look => self.decide(at),
            AfterCommit::Send { side, write } => {
                self.sent = Some((side, write.clone()));
                Effect::Send { side, write }
            }
        }
    }

    fn lose(&mut self, at: Moment, side: Side, rule: String, loser: Value, winner: Value, policy: &str) {
        let entry =
            LedgerEntry { link: self.link.id, op: at.op, at: at.now, rule, side, loser, winner, policy: policy.to_owned() };
        self.ledger.push(entry);
    }

    fn note(&mut self, at: Moment, kind: ActivityKind, text: String) {
        self.activity.push(Activity { link: self.link.id, op: at.op, at: at.now, kind, text });
    }
}

/// Time or another row's arrival can mend it, without a change of this row.
fn is_worth_retrying(class: Class) -> bool {
    match class {
        Class::Transient | Class::Throttled | Class::Auth | Class::Reference => true,
        Class::Validation | Class::Conflict | Class::Schema | Class::TooLarge | Class::Bug => false,
    }
}

/// Seconds before the next try: 1, 2, 4, … up to five minutes.
fn retry_delay(attempts: u32) -> std::time::Duration {
    std::time::Duration::from_secs(1u64 << attempts.min(8)).min(std::time::Duration::from_secs(300))
}

fn describe_side(side: Side) -> &'static str {
    match side {
        Side::Left => "left",
        Side::Right => "right",
    }
}

fn verb(write: &Write) -> &'static str {
    match write {
        Write::Create { .. } => "a create",
        Write::Update { .. } => "an update",
        Write::Delete { .. } => "a delete",
    }
}
