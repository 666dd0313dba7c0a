//! Everything that runs together: the maps, their systems, the state, and what is known for a while.

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::control::Call;
use super::control::tend::Tending;
use super::pipe::{Cause, Job, Landed, Pipe, PipeId};
use super::references::References;
use super::round::{LINKS_MAX, Round};
use super::stats::Stats;
use super::take::take;
use super::world::World;
use crate::change::{LinkId, RemoteId, Side, Sides, Version};
use crate::connect::Connector;
use crate::engine::flight::Flight;
use crate::engine::link::LinkState;
use crate::ir::Program;
use crate::store::{self, Phase, Store};
use crate::value::{Timestamp, Value};

/// Own writes that are remembered, to tell their echo from other changes in the figures.
const OWN_WRITES_MAX: usize = 200_000;
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
}

impl Default for Settings {
    fn default() -> Self {
        Self { poll_every: Duration::from_millis(500) }
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
    /// Maps whose every link must be looked at: a feed lost its place, and may have lost a delete.
    pub(super) look_at_all: BTreeSet<PipeId>,
    /// What each map is to do, as the store has it.
    pub(super) phases: Vec<Phase>,
    /// Maps with a range of keys to be read again.
    pub(super) has_load: Vec<bool>,
    pub(super) loads_rest_until: Option<Timestamp>,
    /// Rows of an initial sync that is under way, for its progress.
    pub(super) staged_at_first: Vec<u64>,
    /// Where commands come from, if anybody may give any.
    pub(super) calls: Option<mpsc::Receiver<Call>>,
    /// Settings that can change meanwhile, and alerts.
    pub(super) tending: Option<Tending>,
    own_writes: OwnWrites,
    /// Links that another link's reconcile asked to look at.
    asked_for: VecDeque<(PipeId, LinkId)>,
    /// Maps that others refer to: their links may be waited for.
    is_referred_to: Vec<bool>,
}

impl Deployment {
    /// Opens every plan of the program in the store. `systems`: by the program's own numbering.
    pub fn open(
        program: Program,
        systems: &[Arc<dyn Connector>],
        mut store: Box<dyn Store>,
        world: Arc<dyn World>,
        settings: Settings,
    ) -> store::Result<Self> {
        let pipe = |plan: &crate::ir::Plan| Pipe {
            plan: Arc::new(plan.clone()),
            systems: plan.systems.map(|&index| systems[index as usize].clone()),
        };
        let pipes: Vec<Pipe> = program.plans.iter().map(pipe).collect();
        for pipe in &pipes {
            store.open_plan(&pipe.plan.name, &pipe.plan.shapes)?;
        }
        let is_awaited = |name: &str| pipes.iter().flat_map(|it| &it.plan.references).any(|it| it.plan.as_deref() == Some(name));
        let mut deployment = Self {
            stats: vec![Stats::default(); pipes.len()],
            is_referred_to: pipes.iter().map(|it| is_awaited(&it.plan.name)).collect(),
            program: Arc::new(program),
            pipes,
            store,
            world,
            references: References::default(),
            watcher: Arc::new(Unwatched),
            settings,
            look_at_all: BTreeSet::new(),
            phases: Vec::new(),
            has_load: Vec::new(),
            loads_rest_until: None,
            staged_at_first: Vec::new(),
            calls: None,
            tending: None,
            own_writes: OwnWrites::default(),
            asked_for: VecDeque::new(),
        };
        let count = deployment.pipes.len();
        deployment.phases = vec![Phase::Stopped; count];
        deployment.has_load = vec![false; count];
        deployment.staged_at_first = vec![0; count];
        deployment.refresh_phases()?;
        // What arrived just before the last end may not have been told to those who waited for it.
        for id in deployment.pipe_ids() {
            deployment.wake(id, None)?;
        }
        Ok(deployment)
    }

    /// Puts those who wait for this row of the map, or for any, on the list.
    fn wake(&mut self, awaited: PipeId, row: Option<&Value>) -> store::Result<()> {
        let waiting = self.store.waiting_for(&self.pipes[awaited.0].plan.name, row, WOKEN_MAX)?;
        for link in waiting {
            if let Some(id) = self.pipe_ids().find(|&it| self.name(it) == link.plan) {
                self.asked_for.push_back((id, link.id));
            }
        }
        Ok(())
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

    /// Carries out one round of what is waiting; false: nothing was. `is_replay` looks at links even where the journal
    /// tells nothing new.
    pub async fn work(&mut self, is_replay: bool) -> store::Result<bool> {
        let mut jobs = Vec::new();
        let mut busy = HashSet::new();
        let mut done = Vec::new();
        self.ask_for_all()?;
        self.take_asked_for(&mut jobs, &mut busy)?;
        self.take_due(&mut jobs, &mut busy)?;
        for id in self.pipe_ids() {
            let room = LINKS_MAX.saturating_sub(jobs.len());
            if room == 0 {
                break;
            }
            if !self.flows(id) {
                continue;
            }
            let own = |side, version: &Version| self.own_writes.holds(id, side, version);
            let taken = take(self.store.as_mut(), self.world.as_ref(), (id, &self.pipes[id.0]), room, &mut busy, is_replay, own)?;
            self.stats[id.0].skipped += taken.skipped;
            for (side, row) in taken.quiet {
                self.watcher.note(self.name(id), Note::Done { side, row });
            }
            done.extend(taken.done.into_iter().map(|(side, seq)| (self.pipes[id.0].plan.name.clone(), side, seq)));
            jobs.extend(taken.jobs);
        }
        if jobs.is_empty() && done.is_empty() {
            return Ok(false);
        }
        if !done.is_empty() {
            self.store.commit(&[], &done)?;
        }
        self.fly(jobs).await?;
        Ok(true)
    }

    /// Flies the jobs, finishes their journal entries and counts them.
    pub async fn fly(&mut self, jobs: Vec<Job>) -> store::Result<()> {
        if jobs.is_empty() {
            return Ok(());
        }
        let mut round = Round {
            pipes: &self.pipes,
            store: self.store.as_mut(),
            world: self.world.as_ref(),
            references: &mut self.references,
            void: HashSet::new(),
        };
        let landed = round.fly(jobs).await?;
        let name = |it: &Landed| self.pipes[it.pipe.0].plan.name.clone();
        let done: Vec<(String, Side, u64)> =
            landed.iter().flat_map(|it| it.cause.entries.iter().map(move |&(side, seq)| (name(it), side, seq))).collect();
        if !done.is_empty() {
            self.store.commit(&[], &done)?;
        }
        for it in &landed {
            self.stats[it.pipe.0].count(it, self.world.as_ref());
            self.own_writes.remember(it);
            for (side, row) in &it.cause.rows {
                self.watcher.note(self.name(it.pipe), Note::Done { side: *side, row: row.clone() });
            }
            if it.tally.deleted != Sides::default() {
                self.references.forget();
            }
            if let Some(link) = it.tally.look_at {
                self.asked_for.push_back((it.pipe, link));
            }
        }
        for it in &landed {
            if self.is_referred_to[it.pipe.0] {
                for row in &it.tally.arrived {
                    self.wake(it.pipe, Some(row))?;
                }
            }
        }
        Ok(())
    }

    /// Puts every link of a map on the list once its feed has been read again.
    fn ask_for_all(&mut self) -> store::Result<()> {
        for id in std::mem::take(&mut self.look_at_all) {
            let plan = self.pipes[id.0].plan.name.clone();
            let mut after = None;
            loop {
                let links = self.store.links(&plan, after, LINKS_MAX)?;
                let Some(last) = links.last() else { break };
                after = Some(last.id);
                self.asked_for.extend(links.iter().filter(|it| it.state != LinkState::Dead).map(|it| (id, it.id)));
            }
        }
        Ok(())
    }

    fn take_asked_for(&mut self, jobs: &mut Vec<Job>, busy: &mut HashSet<LinkId>) -> store::Result<()> {
        for _ in 0..self.asked_for.len() {
            let Some((pipe, id)) = self.asked_for.pop_front() else { break };
            if !self.flows(pipe) {
                self.asked_for.push_back((pipe, id));
                continue;
            }
            if let Some(link) = self.store.link(id)?.filter(|it| busy.insert(it.id)) {
                let flight = Flight::new(self.pipes[pipe.0].plan.clone(), link, true, None);
                jobs.push(Job::new(pipe, flight, Cause::default()));
            }
            if jobs.len() >= LINKS_MAX {
                break;
            }
        }
        Ok(())
    }

    /// Held links whose time has come.
    fn take_due(&mut self, jobs: &mut Vec<Job>, busy: &mut HashSet<LinkId>) -> store::Result<()> {
        let now = self.world.now();
        for id in self.pipe_ids() {
            if !self.flows(id) {
                continue;
            }
            let room = LINKS_MAX.saturating_sub(jobs.len());
            let links = self.store.due(&self.pipes[id.0].plan.name, now, room)?;
            for link in links.into_iter().filter(|it| busy.insert(it.id)) {
                let flight = Flight::new(self.pipes[id.0].plan.clone(), link, true, None);
                jobs.push(Job::new(id, flight, Cause::default()));
            }
        }
        Ok(())
    }
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
