//! One reconcile of one link, as a state machine: the caller carries out an effect and comes back with its answer.
//!
//! The order of effects is the protocol. What may be sent is durable before it is sent ([`Effect::Commit`] comes first),
//! and stays on file until it can no longer land. The agreement moves only together with the proof that it was reached.
//! A flight can be dropped at any point, as a crash would; what is in the store is enough to go on.

mod create;
mod gone;
mod hold;
mod told;

use std::sync::Arc;

use crate::change::{Answer, Change, Class, Failure, LinkId, RemoteId, Seen, Side, Sides, Version, Write};
use crate::interp::{self, Lookups, Prepared, Query, Refusal, Resolution, Stop};
use crate::ir::{Conflict, DeleteAction, Exit, OnError, Plan, Rekey};
use crate::value::{Record, Slot, Timestamp, Value};

use super::awaited;
use super::link::{Activity, ActivityKind, Commit, Hold, Intent, LedgerEntry, Link, LinkState, OpId, Summons};
use super::merge::{self, Blocked, Look, Loss, Merge, Planned, describe};
use super::settle;

/// Most looks at the rows in one flight; then the link is held and tried again later.
pub const LOOKS_MAX: u32 = 16;
/// Most rounds of reference look-ups between two looks beyond those of [`resolve_rounds_max`]: references can depend on each other.
const RESOLVE_ROUNDS_MAX: u32 = 8;

/// Most rounds of reference look-ups between two looks. A write asks for one reference after the other, on either side.
pub fn resolve_rounds_max(plan: &Plan) -> u32 {
    let rules = u32::try_from(plan.rules.len()).expect("a plan numbers its rules with 16 bits");
    RESOLVE_ROUNDS_MAX + 2 * rules
}

/// Most different requests to one row that are open at once, all for one version of it. Then the last of them is sent again until
/// the row moves: it is on file already, so nothing new can land, and what has changed since follows after it.
pub const INTENTS_MAX: usize = 16;

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
    Summoned(Summoned),
    /// The caller could not carry out the effect.
    Failed(Failure),
}

/// What becomes of a row that is summoned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Summoned {
    /// Its map, by name, looks at this row of this side next, once that is durable.
    Coming { plan: String, side: Side, row: Seen },
    /// Its map does not make it now: why, in words.
    Stays(String),
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
    /// Look for the row with this key where its map makes it from ([`Source`](crate::ir::Source)).
    Summon(Query),
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
    /// Two rows were recognised as one record.
    pub linked: bool,
    /// The record has another key than before.
    pub renamed: bool,
    /// What others may wait for and is there now, in the form of [`awaited`].
    pub arrived: Vec<Value>,
    /// What others may have summoned, and cannot be made for a reason that is new.
    pub stuck: Vec<Value>,
    /// This link should be looked at next: it owns the row that was found.
    pub look_at: Option<LinkId>,
    /// Every look at a row, and the version that it showed; `None`: it was not there.
    pub saw: Vec<(Side, RemoteId, Option<Version>)>,
}

impl Tally {
    /// A row of this map can be referred to now that could not before.
    pub fn has_linked(&self) -> bool {
        self.created != Sides::default() || self.linked || self.renamed
    }
}

#[derive(Debug)]
enum AfterCommit {
    Find { side: Side, write: Write },
    Send { side: Side, write: Write },
    Look,
    Finish,
}

/// A reconcile in progress.
#[derive(Debug)]
pub struct Flight {
    plan: Arc<Prepared>,
    link: Link,
    /// The link as the store has it; `None`: not there yet.
    stored: Option<Link>,
    lookups: Lookups,
    seen: Sides<Option<Seen>>,
    master: Option<Side>,
    /// Before a row is made, one with its key is looked for.
    looks_first: bool,
    has_looked: bool,
    sent: Option<(Side, Write)>,
    /// The intent of the request that is being sent, and whether the same request may have been sent before.
    under_way: Option<(OpId, bool)>,
    after_commit: Option<AfterCommit>,
    /// What the row is refused for, while the row that it misses is summoned.
    refusal: Option<Refusal>,
    /// The reason for which it stands still is another than before.
    is_newly_held: bool,
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
            Change::Delete { .. } => self.intents.is_empty() && self.state == LinkState::Dead,
        }
    }
}

impl Flight {
    /// `stored`: the link is in the store. `master` wins where no agreement is known.
    pub fn new(plan: Arc<Prepared>, link: Link, stored: bool, master: Option<Side>) -> Self {
        let stored = stored.then(|| link.clone());
        Self {
            plan,
            link,
            stored,
            lookups: Lookups::default(),
            seen: Sides::default(),
            master,
            looks_first: false,
            has_looked: false,
            sent: None,
            under_way: None,
            after_commit: None,
            refusal: None,
            is_newly_held: false,
            ledger: Vec::new(),
            activity: Vec::new(),
            looks: 0,
            resolves: 0,
            tally: Tally::default(),
        }
    }

    /// For a state that may be older than the systems: a create first looks for a row with its key, which an earlier worker may
    /// have made under a link that the state does not know.
    pub fn looking_first(mut self, looks_first: bool) -> Self {
        self.looks_first = looks_first;
        self
    }

    pub fn link(&self) -> &Link {
        &self.link
    }

    /// One step of the protocol.
    pub fn step(&mut self, at: Moment, event: Event) -> Effect {
        let effect = self.react(at, event);
        if let Effect::Commit(commit) = &effect {
            // What a hold waits for is added to the commit alone; the caller asks the link.
            self.link.hold.clone_from(&commit.link.hold);
        }
        effect
    }

    fn react(&mut self, at: Moment, event: Event) -> Effect {
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
            Event::Summoned(answer) => self.summoned(at, answer),
            Event::Failed(failure) => self.hold_failure(at, &failure),
        }
    }

    fn observed(&mut self, at: Moment, seen: Sides<Option<Seen>>) -> Effect {
        self.looks += 1;
        self.resolves = 0;
        self.lookups.forget_missing();
        if self.looks > LOOKS_MAX {
            let failure = Failure::new(Class::Transient, format!("the rows kept changing through {LOOKS_MAX} looks"));
            return self.hold_failure(at, &failure);
        }
        for (side, id) in self.link.ids.iter() {
            if let Some(id) = id {
                self.tally.saw.push((side, id.clone(), seen[side].as_ref().map(|it| it.version.clone())));
            }
        }
        self.seen = seen;
        let problem = self.seen.0.iter().flatten().find_map(|it| it.problem.clone());
        if let Some(problem) = problem.filter(|_| self.link.state != LinkState::Dead) {
            // What cannot be read can be neither compared nor settled.
            return self.hold(at, Class::Validation, None, None, problem);
        }
        self.settle_marks(at);
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

    fn decide_pair(&mut self, at: Moment) -> Effect {
        let (Some(left), Some(right)) = (self.seen[Side::Left].clone(), self.seen[Side::Right].clone()) else {
            unreachable!("decide looks before it leaps: both rows are there")
        };
        if let Some(effect) = self.unmark(at) {
            return effect;
        }
        let plan = self.plan.clone();
        for (side, row) in [(Side::Left, &left), (Side::Right, &right)] {
            match plan.in_scope(&self.lookups, side, &row.record) {
                Ok(true) => {}
                Ok(false) => return self.exit(at, side),
                Err(stop) => return self.stopped(at, stop),
            }
        }
        if self.link.key.is_empty() || plan.on_rekey == Rekey::Rename {
            match plan.key_of(&self.lookups, Side::Left, &left.record) {
                Ok(key) => {
                    let key = key.map_or_else(String::new, |it| it.to_string());
                    self.tally.renamed |= !self.link.key.is_empty() && self.link.key != key;
                    self.link.key = key;
                }
                Err(stop) => return self.stopped(at, stop),
            }
        }
        let (seen, shadows) = (Sides::new(&left, &right), self.link.shadows.as_ref());
        let look = Look { plan: &plan, lookups: &self.lookups, seen, shadows, master: self.master };
        match merge::merge(&look) {
            Err(Blocked::Unresolved(queries)) => self.resolve(at, queries),
            Err(Blocked::Refused(refusal)) => self.refused(at, refusal),
            Ok(merge) => self.carry_out(at, merge, &left, &right),
        }
    }

    fn carry_out(&mut self, at: Moment, merge: Merge, left: &Seen, right: &Seen) -> Effect {
        let Merge { mut plans, shadows, conflicts, refused } = merge;
        let is_new = self.link.shadows[Side::Left].is_none();
        self.link.state = LinkState::Live;
        self.link.shadows = Sides(shadows.0.map(Some));
        self.link.versions = Sides::new(Some(left.version.clone()), Some(right.version.clone()));
        if !conflicts.is_empty() && conflicts != self.link.conflicts {
            self.note(at, ActivityKind::Conflict, conflicts.iter().map(|it| it.label.clone()).collect::<Vec<_>>().join(", "));
        } else if conflicts.is_empty() && !self.link.conflicts.is_empty() {
            self.note(at, ActivityKind::Resolved, String::new());
        }
        self.tally.conflicts = conflicts.len() as u32;
        self.link.conflicts = conflicts;
        if is_new && self.tally.created == Sides::default() {
            self.tally.linked = true;
            self.note(at, ActivityKind::Adopted, format!("two rows with the key {}", self.link.key));
        }
        match self.next_side(&plans) {
            None => match refused.into_iter().next() {
                Some(refusal) => self.refused(at, refusal),
                None => {
                    self.release(at);
                    self.finish(at)
                }
            },
            Some(side) => {
                let planned = plans[side].take().expect("next_side names a side with a plan");
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
        let intent = Intent {
            op: at.op,
            side,
            expected: Some(row.version.clone()),
            payload: planned.record,
            base,
            rules: planned.rules.iter().map(|it| it.0).collect(),
            is_delete: false,
        };
        let record = self.intend_or_repeat(intent);
        let write = Write::Update { id: row.id, expected: row.version, record };
        self.commit_then(at, AfterCommit::Send { side, write })
    }

    fn answered(&mut self, at: Moment, answer: Answer) -> Effect {
        let (side, write) = self.sent.take().expect("an answer follows a request");
        match (answer, write) {
            (Answer::Written(seen), Write::Create { .. }) => self.created(at, side, seen),
            (Answer::Written(seen), Write::Update { .. }) => self.updated(at, side, seen),
            (Answer::Deleted | Answer::Gone, Write::Delete { .. }) => {
                self.tally.deleted[side] += 1;
                self.note(at, ActivityKind::Deleted, side.word().to_owned());
                self.bury(at)
            }
            (Answer::Exists, write @ Write::Create { .. }) => self.find(side, write),
            (Answer::Gone, Write::Create { .. }) => self.twin_was_deleted(at, side),
            (Answer::Moved | Answer::Gone, Write::Update { .. } | Write::Delete { .. }) => {
                self.withdraw(false);
                Effect::Observe
            }
            (Answer::Failed(failure), write) => {
                if !failure.is_ambiguous {
                    // A create is refused for what it says; its copies say the same.
                    self.withdraw(matches!(write, Write::Create { .. }) && !failure.is_retriable());
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

    /// Writes down what will be sent. A request that is on file already is not written down twice, so that retries do not pile up.
    fn intend(&mut self, intent: Intent) {
        let is_same = |it: &&mut Intent| {
            (it.side, it.is_delete) == (intent.side, intent.is_delete)
                && (&it.expected, &it.payload, &it.rules) == (&intent.expected, &intent.payload, &intent.rules)
        };
        if let Some(same) = self.link.intents.iter_mut().find(is_same) {
            same.base = intent.base;
            self.under_way = Some((same.op, true));
        } else {
            self.under_way = Some((intent.op, false));
            self.link.intents.push(intent);
        }
    }

    /// Writes down an update, or takes up the last one again where too many are open; its payload.
    fn intend_or_repeat(&mut self, intent: Intent) -> Record {
        let is_open = |it: &&Intent| it.side == intent.side && it.expected == intent.expected && !it.rules.is_empty();
        let open: Vec<&Intent> = self.link.intents.iter().filter(is_open).collect();
        let is_on_file = open.iter().any(|it| it.payload == intent.payload && it.rules == intent.rules);
        if let Some(last) = open.last().filter(|_| open.len() >= INTENTS_MAX && !is_on_file) {
            self.under_way = Some((last.op, true));
            return last.payload.clone();
        }
        let payload = intent.payload.clone();
        self.intend(intent);
        payload
    }

    fn intent_under_way(&self) -> Option<Intent> {
        let (op, _) = self.under_way?;
        self.link.intents.iter().find(|it| it.op == op).cloned()
    }

    /// The request had no effect. Its intent goes, unless an earlier copy of it may have landed or land yet.
    fn withdraw(&mut self, with_copies: bool) {
        if let Some((op, is_repeat)) = self.under_way.take()
            && (!is_repeat || with_copies)
        {
            self.link.intents.retain(|it| it.op != op);
        }
    }

    fn updated(&mut self, at: Moment, side: Side, seen: Seen) -> Effect {
        let intent = self.intent_under_way().expect("an update has an intent");
        self.link.intents.retain(|it| it.side != side);
        self.tally.updated[side] += 1;
        self.note_answer(at, ActivityKind::Updated, &intent, &seen);
        if intent.rules.is_empty() {
            self.seen[side] = Some(seen);
            if !self.is_mark(side, &intent.payload) {
                return self.decide(at);
            }
            if self.seen[side.other()].is_none() {
                self.forget_row(side.other());
            }
            return self.detach(at, "gone from the other side, marked here");
        }
        settle::adopt(&self.plan, &mut self.link, side, &intent, &seen.record);
        self.seen[side] = Some(seen);
        self.decide(at)
    }

    /// The row is none of this map's business. A link that is on file for it is closed.
    fn skip(&mut self, at: Moment) -> Effect {
        self.tally.is_quiet = true;
        if self.stored.is_some() { self.bury(at) } else { self.land() }
    }

    fn finish(&mut self, at: Moment) -> Effect {
        let is_unchanged = self.stored.as_ref() == Some(&self.link) && self.ledger.is_empty() && self.activity.is_empty();
        if is_unchanged {
            self.tally.is_quiet = self.tally.created == Sides::default() && self.tally.updated == Sides::default();
            return self.land();
        }
        self.commit_then(at, AfterCommit::Finish)
    }

    fn land(&mut self) -> Effect {
        let mut tally = std::mem::take(&mut self.tally);
        if tally.has_linked() {
            tally.arrived = awaited::arrived(&self.plan, &self.lookups, &self.seen);
        } else if self.is_newly_held && self.link.state == LinkState::PendingCreate {
            tally.stuck = awaited::arrived(&self.plan, &self.lookups, &self.seen);
        }
        Effect::Finish(tally)
    }

    fn commit_then(&mut self, _at: Moment, then: AfterCommit) -> Effect {
        self.after_commit = Some(then);
        Effect::Commit(Box::new(Commit {
            link: self.link.clone(),
            ledger: std::mem::take(&mut self.ledger),
            activity: std::mem::take(&mut self.activity),
            summons: None,
        }))
    }

    fn committed(&mut self, at: Moment) -> Effect {
        self.stored = Some(self.link.clone());
        match self.after_commit.take().expect("a commit was asked for") {
            AfterCommit::Finish => {
                let tally = &self.tally;
                let wrote = [&tally.created, &tally.updated, &tally.deleted].iter().any(|it| **it != Sides::default());
                self.tally.is_quiet = !wrote && tally.held.is_none();
                self.land()
            }
            AfterCommit::Look => self.decide(at),
            AfterCommit::Find { side, write } => self.find(side, write),
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

fn verb(write: &Write) -> &'static str {
    match write {
        Write::Create { .. } => "a create",
        Write::Update { .. } => "an update",
        Write::Delete { .. } => "a delete",
    }
}
