//! A worker with one thread: it plays the runtime for the engine. Its rules are the contract of any runtime.
//!
//! 1. *Order.* Entries of one side's feed are taken in order. The position moves past an entry only after the flight that
//!    it caused has finished, and its commits are durable.
//! 2. *Routing.* An entry belongs to (a) the link that has the row and is not dead; else (b) the link whose id the row
//!    carries as correlation, dead or not; else (c) for a row that is there, a new link that is not in the store yet. A
//!    delete of a row without a link that is not dead goes to the dead link if there is one, else nowhere.
//! 3. *Skipping.* An entry that its link already knows ([`Link::knows`]) needs no flight.
//! 4. *One flight per link* at a time. What it decided is in its commits; everything else may be lost at any point.
//! 5. *Observe* fetches the rows by the link's ids. A dead link that an entry leads to by correlation is given the entry's
//!    row as its own before it flies: this is how a late create is found and undone, even if the first try fails.
//! 6. *Commit* is atomic: link, rows' owners and ledger together. A dead or pending link gives up its row to a link that
//!    takes it, and is dead then.
//! 7. *Send* is carried out at most once per effect, only after the commit before it. No answer is an ambiguous failure.
//! 8. *Find* looks for the correlation id first, then for the key; the owner is a link that has the row and is not dead.
//! 9. *Holds.* A held link with a time is tried again at that time, dead or not; one without waits for the next entry.
//! 10. *Strays.* A row that carries the id of a living link which has another row on that side is a late create whose first
//!     landing was deleted. Its entry waits, durably, until that link is dead, and is taken then.
//! 11. *Waiting.* A held link that waits for a row is tried again when a flight lands that says the row has arrived
//!     ([`Tally::arrived`]); a new worker tries all of them once. Its time is a precaution that this model does not need.
//!     A row that is summoned is on file with the commit that says so, and is routed like an entry of the feed.
//! 12. *Next.* A link that a flight names in `look_at` gets a flight before the entry is finished.
//! 13. *Fence.* A worker that takes over raises the epoch. Every change of the state first checks, in the same transaction, that
//!     the epoch is still the worker's own ([`rivals`](super::rivals)).
//! 14. *Restores.* A worker that begins with an older copy of the state looks for a row before it makes one, until it has caught
//!     up: the link that knew of it may be lost.
//! 15. *Versions.* Another version of the map is taken up between two flights; what is on file is carried over, and every link is
//!     asked for ([`renewal`](super::renewal)).

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use dwmap::change::{Answer, Change, Class, Failure, LinkId, RemoteId, Seen, Side, Sides, Write};
use dwmap::engine::flight::{Effect, Event, Flight, Moment, Owner, Summoned, Tally};
use dwmap::engine::link::{Commit, Hold, Link, LinkState, OpId};
use dwmap::interp::{Prepared, Query, Resolution};
use dwmap::value::{Slot, Timestamp, Uuid, Value};

use super::mutants::Mutant;
use super::plans::{CODE, Case, Setup};
use super::rivals::{Next, Stalled};
use super::world::{Halt, Point, World, address};

/// More steps than any flight needs.
const STEPS_MAX: u32 = 400;

/// What survives a crash.
#[derive(Clone, Default)]
pub struct Store {
    pub links: BTreeMap<LinkId, Link>,
    pub owners: Sides<HashMap<RemoteId, LinkId>>,
    /// Numbers of the values in the ledger.
    pub ledger: HashSet<u64>,
    pub offsets: Sides<usize>,
    /// Entries that are not finished although the position has passed them: they wait for this link's end.
    pub strays: Vec<(LinkId, Side, Change)>,
    /// Links that are to be looked at although no feed tells of them.
    pub asked: BTreeSet<LinkId>,
    /// Rows that others miss on the other side.
    pub summoned: Vec<(Side, Change)>,
    /// Raised by every worker that takes over.
    pub epoch: u64,
}

pub struct Driver {
    pub case: Case,
    /// The versions of the map, and the one that is in force.
    pub versions: Vec<Arc<Prepared>>,
    pub version: usize,
    pub plan: Arc<Prepared>,
    pub world: World,
    pub store: Store,
    /// Ids given out; they are never given again.
    ids: u128,
    now: Timestamp,
    /// Links that may go on. Lost in a crash.
    woken: BTreeSet<LinkId>,
    /// Workers that were taken over and do not know it.
    pub stalled: Vec<Stalled>,
    /// The state is an older copy, and what came after it was not taken again yet.
    looks_first: bool,
}

/// A flight and what the mutants need to know of it.
struct Trip {
    flight: Flight,
    /// What the flight saw before, for one of the mutants.
    earlier: Sides<Option<Seen>>,
    /// A commit that a mutant keeps back.
    kept_back: Option<Commit>,
    /// What comes next, where the worker stood still.
    next: Option<Next>,
}

impl Trip {
    fn stop(&mut self, next: Next, halt: Halt) -> Result<Event, Halt> {
        self.next = Some(next);
        Err(halt)
    }
}

impl Driver {
    pub fn new(seed: u64, setup: &Setup) -> Self {
        let mut world = World::new(seed, setup.fields.clone());
        world.unmapped = Some(Slot(CODE)).filter(|it| setup.case.is_unmapped(0, *it));
        Self {
            case: setup.case,
            versions: setup.versions.clone(),
            version: 0,
            plan: setup.versions[0].clone(),
            world,
            store: Store::default(),
            ids: 0,
            now: Timestamp::UNIX_EPOCH,
            woken: BTreeSet::new(),
            stalled: Vec::new(),
            looks_first: false,
        }
    }

    /// Time passes, also for those who were taken over.
    fn tick(&mut self, point: Point) -> Result<(), Halt> {
        if self.world.has_users && !self.stalled.is_empty() && self.world.random.one_in(4) {
            self.go_on()?;
        }
        self.world.tick(point)
    }

    /// A new worker takes over, and does not know who was told what.
    pub fn restart(&mut self) {
        self.store.epoch += 1;
        let waits = |it: &&Link| it.hold.as_ref().is_some_and(|it| it.waits_on.is_some());
        self.woken = self.store.links.values().filter(waits).map(|it| it.id).collect();
    }

    /// An older copy of the state is put in its place, which takes longer than any request lives. What the ledger was told meanwhile
    /// is gone with the state; the checks remember it.
    pub fn restore(&mut self, copy: &Store) -> Result<(), Halt> {
        self.end_stalled()?;
        while !self.world.late.is_empty() {
            self.world.land();
        }
        self.world.say(|| "RESTORE".to_owned());
        let (epoch, ledger) = (self.store.epoch, std::mem::take(&mut self.store.ledger));
        self.store = Store { epoch, ledger, ..copy.clone() };
        self.restart();
        (self.looks_first, self.world.was_restored) = (!self.world.is(Mutant::RestoredBlindly), true);
        Ok(())
    }

    /// Takes the next entry of each feed, and a held link. False: there was nothing to do.
    pub fn pump(&mut self) -> Result<bool, Halt> {
        let mut is_busy = false;
        for side in Side::BOTH {
            if let Some(change) = self.world.systems[side].log.get(self.store.offsets[side]).cloned() {
                is_busy = true;
                self.take(side, &change, true)?;
            }
        }
        is_busy |= self.take_stray()? || self.take_asked()? || self.take_summoned()?;
        if !is_busy || self.world.random.one_in(4) {
            is_busy |= self.retry()?;
        }
        self.looks_first &= is_busy || self.store.links.values().any(|it| it.state == LinkState::PendingCreate);
        Ok(is_busy)
    }

    /// Works until both feeds are at their end and nothing waits for its time.
    pub fn settle(&mut self) -> Result<(), Halt> {
        for _ in 0..5_000 {
            if !self.pump()? {
                return Ok(());
            }
        }
        Err(Halt::Broken("it never comes to rest".to_owned()))
    }

    /// A person decides every conflict: the left value counts, and a row whose other side was deleted goes too.
    pub fn resolve_by_hand(&mut self) -> Result<(), Halt> {
        let links: Vec<Link> = self.store.links.values().filter(|it| it.state == LinkState::Live).cloned().collect();
        for link in links {
            let there = |side: Side| link.ids[side].clone().filter(|it| self.world.systems[side].rows.contains_key(it));
            match (there(Side::Left), there(Side::Right)) {
                (Some(left), Some(right)) if !link.conflicts.is_empty() => self.world.user_copies(&left, &right, Slot(3)),
                (Some(left), None) => self.world.user_deletes(Side::Left, &left),
                (None, Some(right)) => self.world.user_deletes(Side::Right, &right),
                (Some(_), Some(_)) | (None, None) => {}
            }
        }
        self.settle()
    }

    /// Takes every entry of both feeds again, and trusts no token.
    pub fn replay(&mut self) -> Result<(), Halt> {
        self.store.offsets = Sides::default();
        for side in Side::BOTH {
            while let Some(change) = self.world.systems[side].log.get(self.store.offsets[side]).cloned() {
                self.take(side, &change, false)?;
                if self.store.offsets[side] > 20_000 {
                    return Err(Halt::Broken("the replay feeds itself".to_owned()));
                }
            }
        }
        Ok(())
    }

    fn take(&mut self, side: Side, change: &Change, may_skip: bool) -> Result<(), Halt> {
        self.tick(Point::Take)?;
        if self.world.is(Mutant::OffsetBeforeCommit) {
            self.store.offsets[side] += 1;
        }
        if let Some(link) = self.stray_of(side, change) {
            self.store.strays.push((link, side, change.clone()));
            self.store.offsets[side] += 1;
            return Ok(());
        }
        if let Some((link, is_stored)) = self.route(side, change) {
            let is_ours = matches!(change, Change::Upsert(seen) if seen.correlation.is_some());
            let is_known = may_skip && is_stored && link.knows(side, change) || (is_ours && self.world.is(Mutant::EchoByAuthor));
            if !is_known {
                self.fly(link, is_stored)?;
            }
        }
        self.tick(Point::BeforeRelease)?;
        if !self.world.is(Mutant::OffsetBeforeCommit) {
            self.store.offsets[side] += 1;
        }
        Ok(())
    }

    /// Takes an entry whose link has died.
    fn take_stray(&mut self) -> Result<bool, Halt> {
        let is_due = |(link, _, _): &(LinkId, Side, Change)| self.store.links[link].state == LinkState::Dead;
        let Some(index) = self.store.strays.iter().position(is_due) else { return Ok(false) };
        let (_, side, change) = self.store.strays[index].clone();
        if let Some((link, is_stored)) = self.route(side, &change) {
            self.fly(link, is_stored)?;
        }
        self.store.strays.remove(index);
        Ok(true)
    }

    /// Looks at a link that somebody asked for.
    fn take_asked(&mut self) -> Result<bool, Halt> {
        let Some(&id) = self.store.asked.first() else { return Ok(false) };
        if let Some(link) = self.store.links.get(&id).filter(|it| it.state != LinkState::Dead).cloned() {
            let link = self.load(link);
            self.fly(link, true)?;
        }
        self.store.asked.remove(&id);
        Ok(true)
    }

    /// Looks at a row that another one misses.
    fn take_summoned(&mut self) -> Result<bool, Halt> {
        let Some((side, change)) = self.store.summoned.first().cloned() else { return Ok(false) };
        let is_known = |(link, is_stored): &(Link, bool)| *is_stored && link.knows(side, &change);
        let routed = if self.world.is(Mutant::SummonedBlindly) {
            self.ids += 1;
            let id = LinkId(Uuid::from_u128(self.ids));
            Some((Link::new(id, &self.plan.name, side, change.id().clone()), false))
        } else {
            self.route(side, &change).filter(|it| !is_known(it))
        };
        if let Some((link, is_stored)) = routed {
            self.fly(link, is_stored)?;
        }
        self.store.summoned.remove(0);
        Ok(true)
    }

    /// The row with this key on the left, if its link may make the other one now.
    pub fn summon(&self, query: &Query) -> Event {
        let Query::IdOf { key, .. } = query else { unreachable!("what is missed is looked up by its key") };
        let left = &self.world.systems[Side::Left];
        let Some(row) = left.find(&[Slot(0)], std::slice::from_ref(key)).cloned() else {
            return Event::Summoned(Summoned::Stays("nor is there one on the left".to_owned()));
        };
        let link = self.store.owners[Side::Left].get(&row.id).and_then(|it| self.store.links.get(it));
        match link.and_then(|it| it.hold.as_ref()) {
            Some(hold) => Event::Summoned(Summoned::Stays(hold.message.clone())),
            None => Event::Summoned(Summoned::Coming { plan: self.plan.name.clone(), side: Side::Left, row }),
        }
    }

    /// The living link whose late create this row is.
    fn stray_of(&self, side: Side, change: &Change) -> Option<LinkId> {
        let Change::Upsert(seen) = change else { return None };
        let link = self.store.links.get(&seen.correlation?)?;
        let has_another = link.ids[side].as_ref().is_some_and(|it| *it != seen.id);
        (link.state != LinkState::Dead && has_another).then_some(link.id)
    }

    fn route(&mut self, side: Side, change: &Change) -> Option<(Link, bool)> {
        let own = self.store.owners[side].get(change.id()).and_then(|it| self.store.links.get(it));
        if let Some(link) = own.filter(|it| it.state != LinkState::Dead) {
            return Some((self.load(link.clone()), true));
        }
        let Change::Upsert(seen) = change else { return own.map(|it| (it.clone(), true)) };
        let correlated = seen.correlation.and_then(|it| self.store.links.get(&it));
        if let Some(link) = correlated.filter(|_| !self.world.is(Mutant::TwinGetsOwnLink)) {
            if self.world.is(Mutant::NoTombstoneRouting) && link.state == LinkState::Dead {
                return None;
            }
            let mut link = self.load(link.clone());
            if link.state == LinkState::Dead {
                link.ids[side] = Some(seen.id.clone());
            }
            return Some((link, true));
        }
        self.ids += 1;
        let id = LinkId(Uuid::from_u128(self.ids));
        Some((Link::new(id, &self.plan.name, side, change.id().clone()), false))
    }

    fn load(&self, mut link: Link) -> Link {
        match self.world.mutant {
            Some(Mutant::IntentsDroppedAtLoad) if link.state == LinkState::Live => link.intents.clear(),
            Some(Mutant::CreatePayloadNotKept) if link.state == LinkState::PendingCreate => link.intents.clear(),
            Some(Mutant::OpenIntentForgotten) if link.state == LinkState::Live => {
                let world = &self.world;
                let version = |side: Side| Some(world.systems[side].rows.get(link.ids[side].as_ref()?)?.version.clone());
                let versions = Sides::new(version(Side::Left), version(Side::Right));
                link.intents.retain(|it| it.expected != versions[it.side]);
            }
            _ => {}
        }
        link
    }

    /// Tries one held link again; time jumps to its hour.
    fn retry(&mut self) -> Result<bool, Halt> {
        if self.world.is(Mutant::HoldsIgnored) {
            return Ok(false);
        }
        let may_go_on = |it: &Hold, id| it.retry_at.is_some() && (it.waits_on.is_none() || self.woken.contains(&id));
        let waiting = |it: &&Link| it.hold.as_ref().is_some_and(|hold| may_go_on(hold, it.id));
        let Some(link) = self.store.links.values().find(waiting).cloned() else { return Ok(false) };
        let retry_at = link.hold.as_ref().and_then(|it| it.retry_at);
        self.now = self.now.max(retry_at.unwrap_or(self.now));
        self.woken.remove(&link.id);
        let link = self.load(link);
        self.fly(link, true)?;
        Ok(true)
    }

    pub fn fly(&mut self, link: Link, is_stored: bool) -> Result<Tally, Halt> {
        let flight = Flight::new(self.plan.clone(), link, is_stored, None).looking_first(self.looks_first);
        let mut trip = Trip { flight, earlier: Sides::default(), kept_back: None, next: None };
        let mut event = Event::Begin;
        for _ in 0..STEPS_MAX {
            let effect = self.step(&mut trip.flight, event);
            if let Effect::Finish(tally) = effect {
                self.world.say(|| format!("  FINISH {tally:?}"));
                if !self.world.is(Mutant::NoWakeUp) {
                    self.wake(&tally);
                }
                if let Some(link) = tally.look_at.and_then(|it| self.store.links.get(&it)).cloned() {
                    let link = self.load(link);
                    self.fly(link, true)?;
                }
                return Ok(tally);
            }
            event = match self.carry_out(&mut trip, effect) {
                Ok(event) => event,
                Err(halt) => {
                    if let (Halt::Stall, Some(next)) = (&halt, trip.next.take()) {
                        self.stalled.push(Stalled::new(self.store.epoch, trip.flight, next, self.world.unmapped));
                    }
                    return Err(halt);
                }
            };
        }
        Err(Halt::Broken("a flight never lands".to_owned()))
    }

    fn wake(&mut self, tally: &Tally) {
        let awaited = |it: &&Link| {
            let row = it.hold.as_ref().and_then(|it| it.waits_on.as_ref());
            row.is_some_and(|(plan, row)| *plan == self.plan.name && tally.arrived.contains(row))
        };
        self.woken.extend(self.store.links.values().filter(awaited).map(|it| it.id));
    }

    pub fn step(&mut self, flight: &mut Flight, event: Event) -> Effect {
        self.ids += 1;
        let moment = Moment { now: self.now, op: OpId(Uuid::from_u128(self.ids)) };
        flight.step(moment, event)
    }

    fn carry_out(&mut self, trip: &mut Trip, effect: Effect) -> Result<Event, Halt> {
        match effect {
            Effect::Observe => self.observe(trip),
            Effect::Resolve(queries) => match self.tick(Point::Observed) {
                Ok(()) => Ok(self.resolved(queries)),
                Err(halt) => trip.stop(Next::Do(Effect::Resolve(queries)), halt),
            },
            Effect::Commit(commit) => {
                if let Err(halt) = self.tick(Point::BeforeCommit) {
                    return trip.stop(Next::Do(Effect::Commit(commit)), halt);
                }
                if self.world.is(Mutant::SentBeforeDurable) {
                    trip.kept_back = Some(*commit);
                    return Ok(Event::Committed);
                }
                self.commit(*commit)?;
                match self.tick(Point::Committed) {
                    Ok(()) => Ok(Event::Committed),
                    Err(halt) => trip.stop(Next::Hear(Event::Committed), halt),
                }
            }
            Effect::Send { side, write } => self.send(trip, side, write),
            Effect::Find { side, write, slots, values } => match self.tick(Point::Observed) {
                Ok(()) => Ok(self.find(side, &write, &slots, &values)),
                Err(halt) => trip.stop(Next::Do(Effect::Find { side, write, slots, values }), halt),
            },
            Effect::Summon(query) => match self.tick(Point::Observed) {
                Ok(()) => Ok(self.summon(&query)),
                Err(halt) => trip.stop(Next::Do(Effect::Summon(query)), halt),
            },
            Effect::Finish(_) => unreachable!("a finished flight is not carried on"),
        }
    }

    pub fn resolved(&self, queries: Vec<Query>) -> Event {
        Event::Resolved(queries.into_iter().map(|it| (it.clone(), self.resolve(&it))).collect())
    }

    fn resolve(&self, query: &Query) -> Resolution {
        let found = match query {
            Query::IdOf { key, .. } => {
                let row = self.world.systems[Side::Right].find(&[Slot(0)], std::slice::from_ref(key));
                row.map(|it| address(&it.id))
            }
            Query::KeyOf { id, .. } => self.world.row_at(id).map(|it| it.record.values()[0].clone()),
        };
        found.map_or(Resolution::Missing, Resolution::Found)
    }

    pub fn row(&self, link: &Link, side: Side) -> Option<Seen> {
        self.world.systems[side].rows.get(link.ids[side].as_ref()?).cloned()
    }

    fn observe(&mut self, trip: &mut Trip) -> Result<Event, Halt> {
        let mut seen = Sides::default();
        for side in Side::BOTH {
            if let Err(halt) = self.tick(Point::Observed) {
                return trip.stop(Next::Do(Effect::Observe), halt);
            }
            seen[side] = self.row(trip.flight.link(), side);
        }
        if self.world.fails() {
            return Ok(Event::Failed(Failure::new(Class::Transient, "no answer to a fetch")));
        }
        if self.world.is(Mutant::StaleContent) {
            for side in Side::BOTH {
                if let (Some(seen), Some(earlier)) = (seen[side].as_mut(), &trip.earlier[side]) {
                    seen.record = earlier.record.clone();
                }
            }
            trip.earlier = seen.clone();
        }
        self.world.say(|| format!("  OBSERVED {seen:?} of {:?}", trip.flight.link()));
        Ok(Event::Observed(seen))
    }

    pub fn commit(&mut self, commit: Commit) -> Result<(), Halt> {
        let Commit { mut link, ledger, activity, summons } = commit;
        self.world.say(|| format!("  COMMIT {link:?} {ledger:?} {activity:?}"));
        if self.world.is(Mutant::SingleShadow) {
            for slot in (0..4).map(Slot) {
                if let Sides([Some(left), Some(right)]) = &mut link.shadows {
                    right.set(slot, left.get(slot).clone());
                }
            }
        }
        for side in Side::BOTH {
            if let Some(id) = &link.ids[side] {
                let other = self.store.owners[side].get(id).filter(|it| **it != link.id);
                let is_taken = other.and_then(|it| self.store.links.get(it)).is_some_and(|it| it.state != LinkState::Dead);
                if is_taken && link.state == LinkState::Dead {
                    continue;
                }
                let pending = other.and_then(|it| self.store.links.get_mut(it)).filter(|it| it.state == LinkState::PendingCreate);
                if let Some(other) = pending {
                    other.state = LinkState::Dead;
                    other.intents.clear();
                    other.hold = None;
                } else if is_taken {
                    return Err(Halt::Broken(format!("two links own the row {} of {side:?}", id.0)));
                }
                self.store.owners[side].insert(id.clone(), link.id);
            }
        }
        if self.world.is(Mutant::ShadowsNotKept) {
            link.shadows = Sides::default();
        }
        self.store.links.insert(link.id, link);
        self.store.summoned.extend(summons.map(|it| (it.side, Change::Upsert(it.row))));
        if self.world.is(Mutant::LedgerAfterLink) {
            self.tick(Point::BeforeCommit)?;
        }
        if !self.world.is(Mutant::NoLedger) {
            self.store.ledger.extend(ledger.iter().flat_map(|it| numbers_in(&it.loser)));
        }
        Ok(())
    }

    fn send(&mut self, trip: &mut Trip, side: Side, mut write: Write) -> Result<Event, Halt> {
        if let Some(answer) = self.world.refuses(side, &write) {
            return Ok(Event::Answered(answer));
        }
        if let Err(halt) = self.tick(Point::BeforeSend) {
            let may_be_late = self.world.has_correlation || !matches!(write, Write::Create { .. });
            if halt == Halt::Crash && may_be_late && (self.world.is_always_late || self.world.random.one_in(2)) {
                self.world.delay(side, write);
                return Err(halt);
            }
            return trip.stop(Next::Do(Effect::Send { side, write }), halt);
        }
        if self.world.fails() {
            return Ok(Event::Answered(self.failed_send(side, write)));
        }
        let mut answer = self.world.apply(side, &write);
        if self.world.is(Mutant::BlindRetry) && answer == Answer::Moved {
            if let Write::Update { id, expected, .. } | Write::Delete { id, expected } = &mut write {
                *expected = self.world.systems[side].rows[id].version.clone();
            }
            answer = self.world.apply(side, &write);
        }
        if let (true, Answer::Moved, Write::Update { id, .. }) = (self.world.is(Mutant::LateTakenForWritten), &answer, &write) {
            answer = Answer::Written(self.world.systems[side].rows[id].clone());
        }
        self.world.say(|| format!("  SENT {side:?} {write:?} -> {answer:?}"));
        if let (true, Answer::Written(seen), Write::Update { record, .. } | Write::Create { record, .. }) =
            (self.world.is(Mutant::ShadowFromSent), &mut answer, &write)
        {
            seen.record.overlay(record);
        }
        if let Err(halt) = self.tick(Point::Applied) {
            return trip.stop(Next::Hear(Event::Answered(answer)), halt);
        }
        if let Some(commit) = trip.kept_back.take() {
            self.commit(commit)?;
        }
        Ok(Event::Answered(answer))
    }

    /// The request was refused for now, or its answer was lost: it took effect, will do so later, or never.
    fn failed_send(&mut self, side: Side, write: Write) -> Answer {
        // A store without correlation promises nothing for creates that time out; the model holds it to the rest.
        let is_unsafe = !self.world.has_correlation && matches!(write, Write::Create { .. });
        let is_ambiguous = !is_unsafe && !self.world.random.one_in(3);
        if is_ambiguous {
            match self.world.random.below(3) {
                0 => drop(self.world.apply(side, &write)),
                1 => self.world.delay(side, write.clone()),
                _ => {}
            }
        }
        self.world.say(|| format!("  FAILED {side:?} {write:?} ambiguous {is_ambiguous}"));
        let is_ambiguous = is_ambiguous && !self.world.is(Mutant::LostTakenForRefused);
        Answer::Failed(Failure { is_ambiguous, ..Failure::new(Class::Transient, "the system did not answer") })
    }

    pub fn find(&mut self, side: Side, write: &Write, slots: &[Slot], values: &[Value]) -> Event {
        let Write::Create { link, .. } = write else { unreachable!("only creates are looked for") };
        let system = &self.world.systems[side];
        let correlated = system.rows.values().find(|it| it.correlation == Some(*link));
        let seen = correlated.or_else(|| system.find(slots, values)).cloned();
        let owner = seen.as_ref().and_then(|it| self.store.owners[side].get(&it.id)).and_then(|it| self.store.links.get(it));
        let owner = owner.filter(|it| it.state != LinkState::Dead && !self.world.is(Mutant::OwnerNotTold));
        let owner = owner.map(|it| Owner { link: it.id, is_pending: it.state == LinkState::PendingCreate });
        self.world.say(|| format!("  FOUND {seen:?} of {owner:?}"));
        Event::Found { seen, owner }
    }
}

/// Every number of a write that is named in a value of the ledger; a whole row stands there as a text.
fn numbers_in(value: &Value) -> Vec<u64> {
    let text = value.to_string();
    let without_tenths = text.split(['.']).enumerate().map(|(nth, it)| if nth == 0 { it } else { it.get(1..).unwrap_or("") });
    let numbers = without_tenths.flat_map(|it| it.split(|it: char| !it.is_ascii_digit()));
    numbers.filter_map(|it| it.parse().ok()).collect()
}
