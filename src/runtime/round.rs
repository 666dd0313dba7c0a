//! Many reconciles at once, in step: what they make durable shares a transaction, what they ask shares a call.
//!
//! Each turn every flight takes one step. The commits of the turn are one transaction of the store; only after it are
//! requests sent, so nothing is sent that is not on file. Observations, look-ups and writes are grouped by map and side.
//! Creates that met a row are looked into one after the other, each with its commit: two links that want the same row
//! must see each other.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use futures::future::{BoxFuture, join_all};

use super::confirm::{STALE, StaleReads};
use super::endpoint::Endpoint;
use super::guard::{Deed, Guard};
use super::pipe::{Job, Landed, Pipe, PipeId};
use super::references::References;
use super::world::World;
use crate::change::{Answer, Class, Failure, LinkId, RemoteId, Seen, Side, Sides, Write};
use crate::connect::Connector;
use crate::engine::flight::{Effect, Event, LOOKS_MAX, Owner, Tally, resolve_rounds_max};
use crate::engine::link::{Commit, LinkState, OpId};
use crate::failpoint;
use crate::interp::Query;
use crate::schema::Shape;
use crate::store::{self, Phase, Store};
use crate::value::{Slot, Timestamp, Value};

/// Most links that share a round.
pub const LINKS_MAX: usize = 100;
/// Wait before a row that was read in an older state is read again.
const STALE_WAIT: Duration = Duration::from_secs(1);
/// Turns between two looks of a flight that are no look-ups.
const STEPS_MAX: u32 = 8;

/// What a round works with.
pub struct Round<'a> {
    pub pipes: &'a [Pipe],
    pub store: &'a mut dyn Store,
    pub world: &'a dyn World,
    pub references: &'a mut References,
    pub stale: &'a mut StaleReads,
    /// By the program's numbering of systems.
    pub endpoints: &'a mut [Endpoint],
    pub guard: &'a mut Guard,
    /// What each map is to do.
    pub phases: &'a [Phase],
    /// Maps that were stopped in this round, and why. Their reconciles are dropped, as by a crash, and taken again later.
    pub stopped: BTreeMap<PipeId, String>,
    /// Links that gave up their row to another one meanwhile: their flights are void, as after a crash.
    pub void: HashSet<LinkId>,
}

/// The effects of one turn, each with the flight that asked.
#[derive(Default)]
struct Turn {
    observe: Vec<Job>,
    resolve: Vec<(Job, Vec<Query>)>,
    commit: Vec<(Job, Commit)>,
    send: Vec<(Job, Side, Write)>,
    find: Vec<(Job, Wanted)>,
    summon: Vec<(Job, Query)>,
    landed: Vec<Landed>,
}

/// The row that a create made or met.
struct Wanted {
    side: Side,
    write: Write,
    slots: Vec<Slot>,
    values: Vec<Value>,
}

impl Round<'_> {
    /// Carries all jobs to their end. An error of the store stops everything; nothing that is not on file was sent.
    pub async fn fly(&mut self, mut jobs: Vec<Job>) -> store::Result<Vec<Landed>> {
        let mut landed = Vec::with_capacity(jobs.len());
        let look_ups = self.pipes.iter().map(|it| resolve_rounds_max(&it.plan)).max().unwrap_or_default();
        // Most turns of a round: every flight ends long before.
        let turns_max = LOOKS_MAX * (look_ups + STEPS_MAX);
        for _ in 0..turns_max {
            if jobs.is_empty() {
                return Ok(landed);
            }
            let mut turn = Turn::default();
            for job in jobs.drain(..) {
                self.step(&mut turn, job);
            }
            landed.append(&mut turn.landed);
            jobs = self.carry_out(turn, &mut landed).await?;
        }
        panic!("a flight took more than {turns_max} turns: {:?}", jobs.iter().map(Job::link).collect::<Vec<_>>());
    }

    /// The commit leads to a write that the map must not make. Its reconcile is dropped: nothing of it is on file.
    fn is_stopped(&mut self, pipe: PipeId, op: OpId, commit: &Commit) -> bool {
        let Some(intent) = commit.link.intents.iter().find(|it| it.op == op && it.expected.is_some()) else { return false };
        if self.stopped.contains_key(&pipe) {
            return true;
        }
        let deed = if intent.is_delete { Deed::Delete } else { Deed::Change };
        let (store, plan) = (&mut *self.store, &self.pipes[pipe.0].plan.name);
        let links = || store.figures(plan).map_or(0, |it| it.live);
        let why = self.guard.stops((pipe, intent.side, deed), self.world.now(), links);
        let is_stopped = why.is_some();
        self.stopped.extend(why.map(|it| (pipe, it)));
        is_stopped
    }

    fn step(&mut self, turn: &mut Turn, mut job: Job) {
        if self.void.contains(&job.link()) {
            let (link, tally) = (job.flight.link().clone(), Tally::default());
            turn.landed.push(Landed { pipe: job.pipe, link, tally, cause: job.cause });
            return;
        }
        let event = std::mem::replace(&mut job.event, Event::Begin);
        let moment = self.world.moment();
        match job.flight.step(moment, event) {
            Effect::Commit(commit) if self.is_stopped(job.pipe, moment.op, &commit) => {}
            Effect::Observe => turn.observe.push(job),
            Effect::Resolve(queries) => turn.resolve.push((job, queries)),
            Effect::Commit(commit) => turn.commit.push((job, *commit)),
            Effect::Send { side, write } => turn.send.push((job, side, write)),
            Effect::Find { side, write, slots, values } => turn.find.push((job, Wanted { side, write, slots, values })),
            Effect::Summon(query) => turn.summon.push((job, query)),
            Effect::Finish(tally) => {
                turn.landed.push(Landed { pipe: job.pipe, link: job.flight.link().clone(), tally, cause: job.cause });
            }
        }
    }

    async fn carry_out(&mut self, turn: Turn, landed: &mut Vec<Landed>) -> store::Result<Vec<Job>> {
        let mut next = self.commit(turn.commit)?;
        pass_if("round", "before_observe", !turn.observe.is_empty());
        pass_if("round", "before_send", !turn.send.is_empty());
        let pipes = self.pipes;
        let resolving = resolve(pipes, self.references, turn.resolve);
        let now = self.world.now();
        let (observed, resolved, sent) =
            futures::join!(observe(pipes, self.stale, now, turn.observe), resolving, send(pipes, turn.send));
        if sent
            .iter()
            .any(|it| matches!(&it.event, Event::Answered(Answer::Failed(failure)) if failure.class == Class::Reference))
        {
            self.references.forget();
        }
        pass_if("round", "observed", !observed.is_empty());
        pass_if("round", "sent", !sent.is_empty());
        self.listen(&observed, &sent);
        next.extend(observed);
        next.extend(resolved);
        next.extend(sent);
        for (job, wanted) in turn.find {
            next.extend(self.find(job, wanted, landed).await?);
        }
        next.extend(self.summon(turn.summon).await?);
        Ok(next)
    }

    /// What the systems' answers say of the systems themselves: one word for each call.
    fn listen(&mut self, observed: &[Job], sent: &[Job]) {
        let now = self.world.now();
        let mut heard: BTreeMap<(u16, bool), Option<Failure>> = BTreeMap::new();
        for (job, is_write) in observed.iter().map(|it| (it, false)).chain(sent.iter().map(|it| (it, true))) {
            let plan = &self.pipes[job.pipe.0].plan;
            for (side, system) in plan.systems.iter().filter(|(side, _)| job.asked[*side]) {
                let failure = match &job.event {
                    Event::Answered(Answer::Failed(failure)) => Some(failure),
                    Event::Failed(failure) if job.failed_at == Some(side) => Some(failure),
                    _ => None,
                };
                let word = heard.entry((*system, is_write)).or_default();
                if word.is_none() {
                    *word = failure.cloned();
                }
            }
        }
        for ((system, _), failure) in heard {
            let endpoint = &mut self.endpoints[usize::from(system)];
            match failure {
                Some(failure) if failure.message != STALE => endpoint.failed(now, &failure),
                Some(_) | None => endpoint.went_well(),
            }
        }
    }

    fn commit(&mut self, commits: Vec<(Job, Commit)>) -> store::Result<Vec<Job>> {
        if commits.is_empty() {
            return Ok(Vec::new());
        }
        let (mut jobs, commits): (Vec<Job>, Vec<Commit>) = commits.into_iter().unzip();
        self.void.extend(self.store.commit(&commits, &[])?);
        for job in &mut jobs {
            job.event = Event::Committed;
        }
        Ok(jobs)
    }

    /// Looks into one create, and makes what follows from it durable before the next one is looked into.
    async fn find(&mut self, mut job: Job, wanted: Wanted, landed: &mut Vec<Landed>) -> store::Result<Option<Job>> {
        let pipe = &self.pipes[job.pipe.0];
        let (shape, system) = (&pipe.plan.shapes[wanted.side], &pipe.systems[wanted.side]);
        let found = match system.find_created(shape, &wanted.write).await {
            Ok(None) if !wanted.slots.is_empty() => {
                system.find(shape, &wanted.slots, &wanted.values, 1).await.map(|rows| rows.into_iter().next())
            }
            other => other,
        };
        failpoint::pass("round", "found");
        job.event = match found {
            Err(failure) => Event::Failed(failure),
            Ok(seen) => {
                let owner = match &seen {
                    Some(seen) => self.owner(job.pipe, wanted.side, &seen.id)?,
                    None => None,
                };
                Event::Found { seen, owner }
            }
        };
        let mut turn = Turn::default();
        self.step(&mut turn, job);
        landed.append(&mut turn.landed);
        let mut committed = self.commit(std::mem::take(&mut turn.commit))?;
        assert!(
            turn.observe.is_empty() && turn.resolve.is_empty() && turn.send.is_empty() && turn.summon.is_empty(),
            "after a find comes a commit or the end"
        );
        Ok(committed.pop())
    }

    fn owner(&mut self, pipe: PipeId, side: Side, row: &RemoteId) -> store::Result<Option<Owner>> {
        let links = self.store.links_of(&self.pipes[pipe.0].plan.name, side, std::slice::from_ref(row))?;
        let link = links.into_iter().next().flatten().filter(|it| it.state != LinkState::Dead);
        Ok(link.map(|it| Owner { link: it.id, is_pending: it.state == LinkState::PendingCreate }))
    }
}

fn pass_if(what: &str, when: &str, is_so: bool) {
    if is_so {
        failpoint::pass(what, when);
    }
}

/// Fetches the rows of all links, one call a map and side.
async fn observe(pipes: &[Pipe], stale: &mut StaleReads, now: Timestamp, mut jobs: Vec<Job>) -> Vec<Job> {
    let mut wanted: BTreeMap<(PipeId, Side), Vec<(usize, RemoteId)>> = BTreeMap::new();
    for (index, job) in jobs.iter_mut().enumerate() {
        job.failed_at = None;
        for side in Side::BOTH {
            job.asked[side] = job.flight.link().ids[side].is_some();
            if let Some(id) = &job.flight.link().ids[side] {
                wanted.entry((job.pipe, side)).or_default().push((index, id.clone()));
            }
        }
    }
    let calls = wanted.into_iter().map(|((pipe, side), rows)| async move {
        let (indices, ids): (Vec<usize>, Vec<RemoteId>) = rows.into_iter().unzip();
        let pipe = &pipes[pipe.0];
        let seen = pipe.systems[side].fetch(&pipe.plan.shapes[side], &ids).await;
        (side, indices, seen)
    });
    let mut seen: Vec<Sides<Option<Seen>>> = vec![Sides::default(); jobs.len()];
    let mut failed: Vec<Option<Failure>> = vec![None; jobs.len()];
    for (side, indices, answer) in join_all(calls).await {
        match answer {
            Ok(rows) => {
                for (index, row) in indices.into_iter().zip(rows) {
                    let (link, system) = (jobs[index].flight.link(), pipes[jobs[index].pipe.0].systems[side].as_ref());
                    if row.as_ref().is_some_and(|it| stale.is_stale(system, link, side, &it.version, now)) {
                        failed[index] = Some(Failure { retry_after: Some(STALE_WAIT), ..Failure::new(Class::Transient, STALE) });
                    }
                    seen[index][side] = row;
                }
            }
            Err(failure) => {
                for index in indices {
                    failed[index] = Some(failure.clone());
                    jobs[index].failed_at = Some(side);
                }
            }
        }
    }
    for ((job, seen), failed) in jobs.iter_mut().zip(seen).zip(failed) {
        job.event = failed.map_or(Event::Observed(seen), Event::Failed);
    }
    jobs
}

async fn resolve(pipes: &[Pipe], references: &mut References, asked: Vec<(Job, Vec<Query>)>) -> Vec<Job> {
    let all = asked.iter().flat_map(|(job, queries)| queries.iter().map(|it| (job.pipe, it.clone()))).collect();
    let answers = references.resolve(pipes, all).await;
    let answer = |pipe: PipeId, query: &Query| answers[&(pipe, query.clone())].clone();
    asked
        .into_iter()
        .map(|(mut job, queries)| {
            let pipe = job.pipe;
            let resolved: Result<Vec<_>, Failure> =
                queries.into_iter().map(|query| answer(pipe, &query).map(|it| (query, it))).collect();
            job.event = resolved.map_or_else(Event::Failed, Event::Resolved);
            job
        })
        .collect()
}

/// Sends all writes, one call a map and side.
async fn send(pipes: &[Pipe], sends: Vec<(Job, Side, Write)>) -> Vec<Job> {
    let mut groups: BTreeMap<(PipeId, Side), (Vec<Job>, Vec<Write>)> = BTreeMap::new();
    for (job, side, write) in sends {
        let (jobs, writes) = groups.entry((job.pipe, side)).or_default();
        jobs.push(job);
        writes.push(write);
    }
    let calls = groups.into_iter().map(|((pipe, side), (mut jobs, writes))| async move {
        let pipe = &pipes[pipe.0];
        let answers = write_all(pipe.systems[side].as_ref(), &pipe.plan.shapes[side], &writes).await;
        for (job, answer) in jobs.iter_mut().zip(answers) {
            job.asked = Sides::default();
            job.asked[side] = true;
            job.event = Event::Answered(answer);
        }
        jobs
    });
    join_all(calls).await.into_iter().flatten().collect()
}

/// Writes of one call. Where all are refused alike, one of them may have spoilt it for the others: each half is tried alone.
fn write_all<'a>(system: &'a dyn Connector, shape: &'a Shape, writes: &'a [Write]) -> BoxFuture<'a, Vec<Answer>> {
    Box::pin(async move {
        let answers = system.write(shape, writes).await;
        assert_eq!(answers.len(), writes.len(), "a connector answers every write");
        if writes.len() < 2 || !are_refused_together(&answers) {
            return answers;
        }
        let (first, second) = writes.split_at(writes.len() / 2);
        let mut answers = write_all(system, shape, first).await;
        answers.extend(write_all(system, shape, second).await);
        answers
    })
}

/// None took effect, for one and the same reason, which lies in the content.
fn are_refused_together(answers: &[Answer]) -> bool {
    let reason = |answer: &Answer| match answer {
        Answer::Failed(failure) if !failure.is_ambiguous => match failure.class {
            Class::Validation | Class::Reference | Class::TooLarge | Class::Bug => Some(failure.message.clone()),
            Class::Transient | Class::Throttled | Class::Auth | Class::Conflict | Class::Schema => None,
        },
        Answer::Failed(_) | Answer::Written(_) | Answer::Deleted | Answer::Exists | Answer::Moved | Answer::Gone => None,
    };
    let first = answers.first().and_then(reason);
    first.is_some() && answers.iter().all(|it| reason(it) == first)
}
