//! Everything that runs together: the maps, their systems, the state, and what is known for a while.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::confirm::{self, StaleReads};
use super::control::Call;
use super::control::deliver::Deliveries;
use super::control::load;
use super::control::renew::{Compiler, Renewal};
use super::control::tend::Tending;
use super::endpoint::Endpoint;
use super::errand::Errand;
use super::guard::{Guard, Guards};
use super::hints::Hints;
use super::pipe::{Cause, Job, Landed, Pipe, PipeId, Told};
use super::references::References;
use super::round::{LINKS_MAX, Round};
use super::stats::Stats;
use super::survey::Surveys;
use super::take::{Bounds, take};
use super::world::World;
use crate::change::{Class, LinkId, RemoteId, Side, Sides, Version};
use crate::connect::Connector;
use crate::engine::flight::Flight;
use crate::engine::link::{Hold, LinkState};
use crate::failpoint;
use crate::interp::Prepared;
use crate::ir::{OnError, Program};
use crate::store::desk::LeftAlone;
use crate::store::{self, Conclusion, Outline, Phase, Revision, Store};
use crate::value::{Timestamp, Value};

/// Own writes that are remembered, to tell their echo from other changes in the figures.
const OWN_WRITES_MAX: usize = 50_000;
/// Most links that one arrival wakes; the others wait for their hour.
const WOKEN_MAX: usize = 10_000;

/// What a person can watch while it works.
pub trait Watcher: Send + Sync {
    fn note(&self, plan: &str, note: Note);
}

/// One thing that can be watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// Rows of a side were read for the initial sync.
    Read {
        side: Side,
        rows: u64,
        is_complete: bool,
    },
    /// Rows of the initial sync were dealt with.
    Applied {
        done: u64,
        total: u64,
    },
    /// What a change of this row asked for is done.
    Done {
        side: Side,
        row: RemoteId,
    },
    /// A system could not be read; the next try is in so long.
    Unreadable {
        side: Side,
        message: String,
        retry_in: Duration,
    },
    Phase(Phase),
    /// Something about no map in particular.
    Said(String),
}

/// Watches nothing.
pub struct Unwatched;

impl Watcher for Unwatched {
    fn note(&self, _: &str, _: Note) {}
}

/// How the deployment goes about it.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Between two readings of a feed that had nothing new.
    pub poll_every: Duration,
    /// How long a change waits for others of the same row before it is carried.
    pub settle_time: Duration,
    pub guards: Guards,
    /// Links that the steady watch compares in a minute; 0: there is none.
    pub sample_per_minute: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            poll_every: Duration::from_millis(500),
            settle_time: Duration::ZERO,
            guards: Guards::default(),
            sample_per_minute: 0,
        }
    }
}

/// The maps of one program at work.
pub struct Deployment {
    pub program: Arc<Program>,
    pub pipes: Vec<Pipe>,
    pub store: Box<dyn Store>,
    pub world: Arc<dyn World>,
    pub references: References,
    pub stats: Vec<Stats>,
    pub watcher: Arc<dyn Watcher>,
    pub settings: Settings,
    /// What each map is to do, as the store has it.
    pub(super) phases: Vec<Phase>,
    /// Maps with a range of keys to be read again.
    pub(super) has_load: Vec<bool>,
    pub(super) loads_rest_until: Option<Timestamp>,
    pub(super) loading: Errand<load::Told>,
    /// Rows of an initial sync that is under way, for its progress.
    pub(super) staged_at_first: Vec<u64>,
    /// Where commands come from, if anybody may give any.
    pub(super) calls: Option<mpsc::Receiver<Call>>,
    /// How the maps are compiled anew, and the time when that is being done.
    pub(super) compiler: Option<Compiler>,
    pub(super) renewal: Option<Renewal>,
    /// Counts the programs that were taken up: what was begun under an earlier one is not looked at.
    pub(super) generation: u64,
    /// Tells those who answer questions of the program in force.
    programs: watch::Sender<Arc<Program>>,
    /// Compares that go on beside the work.
    pub(super) surveys: Surveys,
    /// Those who wait for a row.
    pub(super) deliveries: Deliveries,
    /// When decisions are tried again about which a system could not be asked.
    pub(super) decisions_due: Option<Timestamp>,
    /// What push messages told.
    pub(super) hints: Hints,
    /// When the last reading of a feed began that came to the feed's end.
    pub(super) read_through: BTreeMap<(PipeId, Side), Timestamp>,
    /// Settings that can change meanwhile, and alerts.
    pub(super) tending: Option<Tending>,
    own_writes: OwnWrites,
    stale: StaleReads,
    endpoints: Vec<Endpoint>,
    /// Maps whose state is older than their systems.
    pub(super) behind: Vec<bool>,
    guard: Guard,
    /// Changes are carried at once, whatever the settle time.
    pub(super) is_hasty: bool,
    /// The map whose turn it is to be served first.
    turn: usize,
    /// Maps that others refer to: their links may be waited for.
    is_referred_to: Vec<bool>,
}

impl Deployment {
    /// Opens every plan of the program in the store. `systems`: by the program's own numbering.
    pub fn open(
        program: Program,
        systems: &[Arc<dyn Connector>],
        store: Box<dyn Store>,
        world: Arc<dyn World>,
        settings: Settings,
    ) -> store::Result<Self> {
        let program = Arc::new(program);
        let mut deployment = Self {
            stats: Vec::new(),
            is_referred_to: Vec::new(),
            program: program.clone(),
            pipes: Vec::new(),
            store,
            world,
            references: References::default(),
            watcher: Arc::new(Unwatched),
            settings,
            phases: Vec::new(),
            has_load: Vec::new(),
            loads_rest_until: None,
            loading: Errand::default(),
            staged_at_first: Vec::new(),
            calls: None,
            compiler: None,
            renewal: None,
            generation: 0,
            surveys: Surveys::default(),
            deliveries: Deliveries::default(),
            decisions_due: None,
            hints: Hints::default(),
            read_through: BTreeMap::new(),
            programs: watch::channel(program.clone()).0,
            tending: None,
            own_writes: OwnWrites::default(),
            stale: StaleReads::default(),
            endpoints: Vec::new(),
            behind: Vec::new(),
            guard: Guard::new(settings.guards),
            is_hasty: false,
            turn: 0,
        };
        deployment.put_in_force(program, systems)?;
        for (system, how) in deployment.store.left_alone()? {
            if let Some(at) = deployment.program.systems.iter().position(|it| it.name == system) {
                deployment.endpoints[at] = Endpoint::from_file(how);
            }
        }
        Ok(deployment)
    }

    /// Goes on with another program: nothing is under way between two rounds. Figures and guards stay with their maps, and what is
    /// on file is carried over to the new rules; a map that is gone keeps its state. What each map's new version changed, by map.
    pub fn take_up(&mut self, program: Program, systems: &[Arc<dyn Connector>]) -> store::Result<Vec<(String, Revision)>> {
        let names = |pipes: &[Pipe]| pipes.iter().map(|it| it.plan.name.clone()).collect::<Vec<_>>();
        let (before, old_stats) = (names(&self.pipes), std::mem::take(&mut self.stats));
        let revisions = self.put_in_force(Arc::new(program), systems)?;
        let after = names(&self.pipes);
        let place = |old: PipeId| after.iter().position(|it| *it == before[old.0]).map(PipeId);
        for (old, it) in old_stats.into_iter().enumerate() {
            if let Some(new) = place(PipeId(old)) {
                self.stats[new.0] = it;
            }
        }
        self.guard.renumber(place);
        if let Some(tending) = &mut self.tending {
            tending.renumber(place);
        }
        self.remind()?;
        Ok(revisions)
    }

    /// The program becomes that of this deployment, and everything that counts by its numbers starts anew.
    fn put_in_force(&mut self, program: Arc<Program>, systems: &[Arc<dyn Connector>]) -> store::Result<Vec<(String, Revision)>> {
        let pipe = |plan: &crate::ir::Plan| Pipe {
            plan: Arc::new(Prepared::new(plan.clone())),
            systems: plan.systems.map(|&index| systems[index as usize].clone()),
        };
        let pipes: Vec<Pipe> = program.plans.iter().map(pipe).collect();
        let mut revisions = Vec::with_capacity(pipes.len());
        for it in &pipes {
            revisions.push((it.plan.name.clone(), self.store.open_plan(&it.plan.name, &Outline::of(&it.plan))?));
        }
        let is_awaited = |name: &str| pipes.iter().flat_map(|it| &it.plan.references).any(|it| it.plan.as_deref() == Some(name));
        self.is_referred_to = pipes.iter().map(|it| is_awaited(&it.plan.name)).collect();
        self.generation += 1;
        self.program = program;
        self.programs.send_replace(self.program.clone());
        let count = pipes.len();
        self.behind = pipes.iter().map(|it| self.store.is_behind(&it.plan.name)).collect::<store::Result<_>>()?;
        self.pipes = pipes;
        self.stats = vec![Stats::default(); count];
        self.phases = vec![Phase::Stopped; count];
        self.has_load = vec![false; count];
        self.staged_at_first = vec![0; count];
        self.endpoints = vec![Endpoint::default(); systems.len()];
        self.references = References::default();
        self.own_writes = OwnWrites::default();
        self.read_through.clear();
        self.loading = Errand::default();
        self.surveys.give_up("the maps were taken up anew meanwhile\n  = fix: compare again");
        self.refresh_phases()?;
        // What a map that is new here keeps in step may be waited for already.
        let mut end = Conclusion::default();
        for id in self.pipe_ids() {
            self.wake(id, None, |_| true, &mut end)?;
        }
        self.conclude(&end)?;
        Ok(revisions)
    }

    /// Goes about it in another way from now on.
    pub fn set_settings(&mut self, settings: Settings) {
        self.settings = settings;
        self.guard.guards = settings.guards;
    }

    /// The program in force, now and later.
    pub fn programs(&self) -> watch::Receiver<Arc<Program>> {
        self.programs.subscribe()
    }

    /// Asks for those who wait for this row of the map, or for any.
    fn wake(
        &mut self,
        awaited: PipeId,
        row: Option<&Value>,
        is_meant: impl Fn(&Hold) -> bool,
        end: &mut Conclusion,
    ) -> store::Result<()> {
        let now = self.world.now();
        let waiting = self.store.waiting_for(&self.pipes[awaited.0].plan.name, row, WOKEN_MAX)?;
        let meant = waiting.into_iter().filter(|it| it.hold.as_ref().is_some_and(&is_meant));
        end.asked.extend(meant.map(|it| (it.id, now)));
        Ok(())
    }

    /// The map has come to work: those who have summoned a row of it summon it again.
    pub(super) fn wake_summoners(&mut self, id: PipeId) -> store::Result<()> {
        let mut end = Conclusion::default();
        self.wake(id, None, |it| it.has_summoned, &mut end)?;
        self.conclude(&end)
    }

    fn conclude(&mut self, end: &Conclusion) -> store::Result<()> {
        if end.is_empty() { Ok(()) } else { self.store.conclude(end) }
    }

    /// Tells the systems which rows are linked, so that those which cannot report a delete can notice one that happened
    /// while nobody listened.
    pub fn remind(&mut self) -> store::Result<()> {
        for pipe in self.pipes.clone() {
            let mut after = None;
            loop {
                let links = self.store.links(&pipe.plan.name, after, LINKS_MAX)?;
                let Some(last) = links.last() else { break };
                after = Some(last.id);
                for side in Side::BOTH {
                    let live = links.iter().filter(|it| it.state != LinkState::Dead);
                    let ids: Vec<RemoteId> = live.filter_map(|it| it.ids[side].clone()).collect();
                    pipe.systems[side].remember(&pipe.plan.shapes[side], &ids);
                }
            }
        }
        Ok(())
    }

    pub fn pipe_ids(&self) -> impl Iterator<Item = PipeId> + use<> {
        (0..self.pipes.len()).map(PipeId)
    }

    pub fn name(&self, pipe: PipeId) -> &str {
        &self.pipes[pipe.0].plan.name
    }

    pub fn set_phase(&mut self, pipe: PipeId, phase: Phase, why: &str) -> store::Result<()> {
        let name = self.pipes[pipe.0].plan.name.clone();
        self.store.set_phase(&name, phase, why)?;
        self.refresh_phases()
    }

    /// A map that stood still goes on: what it was stopped for is let pass, and what a person may have mended is tried again.
    pub(super) fn release(&mut self, pipe: PipeId) -> store::Result<()> {
        let now = self.world.now();
        self.guard.release(pipe, now);
        let name = self.name(pipe).to_owned();
        let held = self.store.held(&name, WOKEN_MAX)?;
        let is_mendable = |class: Class| matches!(class, Class::Schema | Class::Auth);
        let mendable = held.into_iter().filter(|it| it.hold.as_ref().is_some_and(|hold| is_mendable(hold.class)));
        let asked = mendable.map(|it| (it.id, now)).collect();
        self.conclude(&Conclusion { asked, ..Conclusion::default() })
    }

    /// How many links of a map may be worked on now, for its systems' sake.
    fn room(&self, pipe: PipeId, now: Timestamp) -> usize {
        if !self.flows(pipe) {
            return 0;
        }
        let systems = &self.pipes[pipe.0].plan.systems;
        systems.iter().map(|(_, &it)| self.endpoints[usize::from(it)].room(now)).min().unwrap_or(0)
    }

    /// Until when a map has to wait for one of its systems.
    pub(super) fn shut_until(&self, pipe: PipeId, now: Timestamp) -> Option<Timestamp> {
        let systems = &self.pipes[pipe.0].plan.systems;
        let shut = systems.iter().filter_map(|(_, &it)| self.endpoints[usize::from(it)].shut(now));
        shut.map(|(until, _)| until).max().filter(|_| self.flows(pipe))
    }

    /// One of the map's systems is left alone because it asked for it.
    pub(super) fn has_asked_for_time(&self, pipe: PipeId, now: Timestamp) -> bool {
        let systems = &self.pipes[pipe.0].plan.systems;
        systems.iter().any(|(_, &it)| self.endpoints[usize::from(it)].has_asked_for_time(now))
    }

    /// Systems that are left alone: until when, and why.
    pub fn left_alone(&self) -> Vec<(&str, Timestamp, &str)> {
        let now = self.world.now();
        let systems = self.program.systems.iter().zip(&self.endpoints);
        systems.filter_map(|(system, it)| it.shut(now).map(|(until, why)| (system.name.as_str(), until, why))).collect()
    }

    /// Carries out one round of what is waiting; false: nothing was. `is_replay` looks at links even where the journal
    /// tells nothing new.
    pub async fn work(&mut self, is_replay: bool) -> store::Result<bool> {
        let mut jobs = Vec::new();
        let mut busy = HashSet::new();
        let mut done = Vec::new();
        failpoint::pass("work", "begun");
        self.turn = self.turn.wrapping_add(1);
        let count = self.pipes.len();
        let now = self.world.now();
        for nth in 0..count {
            // Each map has its share of what is left; what it does not need is the others'.
            let id = PipeId((self.turn + nth) % count);
            let room = LINKS_MAX.saturating_sub(jobs.len()).div_ceil(count - nth).min(self.room(id, now));
            if room == 0 {
                continue;
            }
            let before = jobs.len();
            self.take_asked(id, room.div_ceil(2), &mut jobs, &mut busy)?;
            self.take_due(id, room.div_ceil(4), &mut jobs, &mut busy)?;
            let room = room.saturating_sub(jobs.len() - before).max(1);
            let own = |side, version: &Version| self.own_writes.holds(id, side, version);
            let settled = now.checked_sub(if self.is_hasty { Duration::ZERO } else { self.settings.settle_time });
            let bounds = Bounds { room, is_replay, settled: settled.unwrap_or(now) };
            let taken = take(self.store.as_mut(), self.world.as_ref(), (id, &self.pipes[id.0]), bounds, &mut busy, own)?;
            self.stats[id.0].skipped += taken.skipped;
            for (side, row) in taken.quiet {
                self.watcher.note(self.name(id), Note::Done { side, row });
            }
            done.extend(taken.done.into_iter().map(|it| (self.pipes[id.0].plan.name.clone(), it.side, it.seq)));
            jobs.extend(taken.jobs);
        }
        if jobs.is_empty() && done.is_empty() {
            return Ok(false);
        }
        failpoint::pass("work", "taken");
        self.conclude(&Conclusion { done, ..Conclusion::default() })?;
        failpoint::pass("work", "skipped");
        self.fly(jobs).await?;
        Ok(true)
    }

    /// Flies the jobs, finishes their journal entries and counts them.
    pub async fn fly(&mut self, jobs: Vec<Job>) -> store::Result<()> {
        if jobs.is_empty() {
            return Ok(());
        }
        let before: Vec<_> = self.endpoints.iter().map(Endpoint::to_file).collect();
        let behind = &self.behind;
        let jobs = jobs.into_iter().map(|job| Job { flight: job.flight.looking_first(behind[job.pipe.0]), ..job }).collect();
        let mut round = Round {
            pipes: &self.pipes,
            store: self.store.as_mut(),
            world: self.world.as_ref(),
            references: &mut self.references,
            stale: &mut self.stale,
            endpoints: &mut self.endpoints,
            guard: &mut self.guard,
            phases: &self.phases,
            stopped: BTreeMap::new(),
            void: HashSet::new(),
        };
        let landed = round.fly(jobs).await?;
        for (pipe, why) in std::mem::take(&mut round.stopped) {
            self.set_phase(pipe, Phase::Blocked, &why)?;
        }
        self.keep_left_alone(&before)?;
        self.stop_after_errors(&landed)?;
        failpoint::pass("round", "landed");
        let end = self.conclusion(&landed)?;
        failpoint::pass("round", "concluding");
        self.conclude(&end)?;
        failpoint::pass("round", "over");
        for it in &landed {
            self.stats[it.pipe.0].count(it, self.world.as_ref());
            self.own_writes.remember(it);
            for (side, row) in &it.cause.rows {
                self.watcher.note(self.name(it.pipe), Note::Done { side: *side, row: row.clone() });
            }
            if it.tally.deleted != Sides::default() {
                self.references.forget();
            }
        }
        Ok(())
    }

    /// Puts on file which systems are left alone, where that has changed.
    fn keep_left_alone(&mut self, before: &[Option<LeftAlone>]) -> store::Result<()> {
        for ((system, endpoint), before) in self.program.systems.iter().zip(&self.endpoints).zip(before) {
            let now = endpoint.to_file();
            if now != *before {
                self.store.set_left_alone(&system.name, now.as_ref())?;
            }
        }
        Ok(())
    }

    /// Maps whose state was put back as an older copy, and that have not caught up since.
    pub fn behind(&self) -> Vec<&str> {
        self.pipe_ids().filter(|it| self.behind[it.0]).map(|it| self.name(it)).collect()
    }

    /// A record that cannot be carried pauses a map that says so (`on error pause`); a system of another shape blocks any map.
    fn stop_after_errors(&mut self, landed: &[Landed]) -> store::Result<()> {
        for it in landed {
            let Some((class, message)) = &it.tally.held else { continue };
            let pauses = self.pipes[it.pipe.0].plan.on_error == OnError::Pause;
            let (phase, why) = match class {
                Class::Schema => (Phase::Blocked, format!("the system is not as the map knows it: {message}")),
                Class::Validation | Class::Conflict | Class::TooLarge | Class::Bug if pauses => {
                    (Phase::Paused, format!("record {} (`on error pause`): {message}", it.link.key))
                }
                Class::Validation | Class::Conflict | Class::TooLarge | Class::Bug => continue,
                Class::Transient | Class::Throttled | Class::Auth | Class::Reference => continue,
            };
            if self.flows(it.pipe) {
                self.set_phase(it.pipe, phase, &why)?;
            }
        }
        Ok(())
    }

    /// What is finished by these reconciles, what must be looked at again, and who can go on.
    fn conclusion(&mut self, landed: &[Landed]) -> store::Result<Conclusion> {
        let now = self.world.now();
        let mut end = Conclusion::default();
        for it in landed {
            let pipe = &self.pipes[it.pipe.0];
            for told in &it.cause.entries {
                match confirm::keep(pipe, it, told, now) {
                    Some(kept) => end.kept.push(kept),
                    None => end.done.push(finished(pipe, told)),
                }
            }
            if it.cause.is_asked {
                end.answered.push(it.link.id);
            }
            end.asked.extend(it.tally.look_at.map(|link| (link, now)));
            if self.is_referred_to[it.pipe.0] {
                for row in &it.tally.arrived {
                    self.wake(it.pipe, Some(row), |_| true, &mut end)?;
                }
                for row in &it.tally.stuck {
                    // Whoever has summoned it says from now on why it does not come.
                    self.wake(it.pipe, Some(row), |it| it.has_summoned, &mut end)?;
                }
            }
        }
        Ok(end)
    }

    /// Links that somebody asked to look at.
    fn take_asked(&mut self, id: PipeId, room: usize, jobs: &mut Vec<Job>, busy: &mut HashSet<LinkId>) -> store::Result<()> {
        let pipe = &self.pipes[id.0];
        let links = self.store.asked(&pipe.plan.name, self.world.now(), room)?;
        for link in links.into_iter().filter(|it| busy.insert(it.id)) {
            let flight = Flight::new(pipe.plan.clone(), link, true, None);
            jobs.push(Job::new(id, flight, Cause { is_asked: true, ..Cause::default() }));
        }
        Ok(())
    }

    /// Held links whose time has come.
    fn take_due(&mut self, id: PipeId, room: usize, jobs: &mut Vec<Job>, busy: &mut HashSet<LinkId>) -> store::Result<()> {
        let pipe = &self.pipes[id.0];
        let links = self.store.due(&pipe.plan.name, self.world.now(), room)?;
        for link in links.into_iter().filter(|it| busy.insert(it.id)) {
            let flight = Flight::new(pipe.plan.clone(), link, true, None);
            jobs.push(Job::new(id, flight, Cause::default()));
        }
        Ok(())
    }
}

fn finished(pipe: &Pipe, told: &Told) -> (String, Side, u64) {
    (pipe.plan.name.clone(), told.side, told.seq)
}

/// Versions that our own writes made, the latest ones.
#[derive(Default)]
struct OwnWrites {
    known: HashSet<(PipeId, Side, Version)>,
    order: VecDeque<(PipeId, Side, Version)>,
}

impl OwnWrites {
    fn holds(&self, pipe: PipeId, side: Side, version: &Version) -> bool {
        self.known.contains(&(pipe, side, version.clone()))
    }

    fn remember(&mut self, landed: &Landed) {
        for side in Side::BOTH {
            let wrote = landed.tally.created[side] + landed.tally.updated[side] > 0;
            if let Some(version) = landed.link.versions[side].clone().filter(|_| wrote) {
                let key = (landed.pipe, side, version);
                if self.known.insert(key.clone()) {
                    self.order.push_back(key);
                }
            }
        }
        while self.order.len() > OWN_WRITES_MAX {
            let oldest = self.order.pop_front().expect("it is longer than its bound");
            self.known.remove(&oldest);
        }
    }
}
