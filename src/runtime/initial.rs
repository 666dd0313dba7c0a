//! The first sync of a map: read both sides, match rows by key, then let the engine make them agree.
//!
//! The feed's own first reading is the snapshot: its position was taken before the first page, so that a change made
//! meanwhile comes again with the live feed. Rows wait in the store until both sides are complete; a restart repeats at
//! most one page. Applying is reconciling: correctness never depends on the pages being of one moment.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use futures::StreamExt;
use futures::stream::FuturesUnordered;

use super::control::states::had_initial_sync;
use super::deployment::{Deployment, Note, Watcher};
use super::evaluate::evaluate;
use super::pipe::{Cause, Job, Pipe, PipeId};
use super::round::LINKS_MAX;
use crate::change::{Class, Failure, LinkId, Page, RemoteId, Seen, Side, Sides, Token};
use crate::engine::flight::{Event, Flight};
use crate::engine::link::{AMBIGUOUS, Commit, Hold, Link, LinkState};
use crate::failpoint;
use crate::interp::{Lookups, Prepared};
use crate::store::desk::Standing;
use crate::store::{self, Match, Phase, Staged};

/// Why an initial sync stopped. What was read and written so far is kept; the next start goes on from there.
#[derive(Debug)]
pub enum Error {
    Store(store::Error),
    /// A system could not be read.
    System {
        plan: String,
        side: Side,
        failure: Failure,
    },
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        Self::Store(error)
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Store(error) => error.fmt(out),
            Self::System { plan, failure, .. } => write!(out, "map {plan}: {failure}"),
        }
    }
}

impl std::error::Error for Error {}

/// Maps that are read, or dealt with, at once.
const MAPS_AT_ONCE: usize = 8;
/// Most tries to read one page.
const TRIES_MAX: u32 = 6;

impl Deployment {
    /// Brings all maps from nothing to live, those that others refer to first. `master` wins where rows differ.
    pub async fn initial(&mut self, master: Option<Side>) -> Result<(), Error> {
        self.begin_all(master)?;
        self.finish_initial().await
    }

    /// Carries initial syncs that began to their end.
    pub async fn finish_initial(&mut self) -> Result<(), Error> {
        let waiting = self.pipe_ids().filter(|it| self.phases[it.0] == Phase::Initializing).collect();
        self.read_all(waiting).await?;
        loop {
            let has_applied = self.initial_turn().await?;
            // What waited for a row that is there now can go on.
            if !self.work(false).await? && !has_applied {
                return Ok(());
            }
        }
    }

    /// Lets the initial sync of every map begin, or go on, that has not had it.
    pub fn begin_all(&mut self, master: Option<Side>) -> store::Result<()> {
        for id in self.pipe_ids() {
            if !self.is_in_step(id)? {
                self.begin_initial(id, master)?;
            }
        }
        Ok(())
    }

    /// Every map has had its initial sync.
    pub fn is_initialised(&mut self) -> store::Result<bool> {
        for id in self.pipe_ids() {
            if !self.is_in_step(id)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn is_in_step(&mut self, id: PipeId) -> store::Result<bool> {
        let plan = self.name(id).to_owned();
        Ok(had_initial_sync(self.store.as_mut(), &plan)? && self.store.phase(&plan)?.0 != Phase::Stopped)
    }

    /// A sync that was cut off goes on with the master that it had.
    fn begin_initial(&mut self, id: PipeId, master: Option<Side>) -> store::Result<()> {
        let plan = self.name(id).to_owned();
        let before = self.store.standing(&plan)?;
        let master = master.or(before.master.filter(|_| before.phase == Phase::Initializing));
        let since = Some(self.world.now());
        let why = "initial sync".to_owned();
        self.store.stand(&plan, &Standing { phase: Phase::Initializing, why, since, who: String::new(), master })?;
        self.refresh_phases()
    }

    /// Reads both sides of these maps to the end of their first reading, several maps at once, a page of each side at a time.
    async fn read_all(&mut self, maps: Vec<PipeId>) -> Result<(), Error> {
        let mut waiting = VecDeque::from(maps);
        let mut under_way = FuturesUnordered::new();
        loop {
            while under_way.len() < MAPS_AT_ONCE
                && let Some(id) = waiting.pop_front()
            {
                let plan = self.name(id).to_owned();
                let streams = Sides::new(self.store.stream(&plan, Side::Left)?, self.store.stream(&plan, Side::Right)?);
                if streams.iter().any(|(_, it)| !it.is_live) {
                    under_way.push(read_pages(id, self.pipes[id.0].clone(), streams, self.watcher.clone()));
                }
            }
            let Some(read) = under_way.next().await else { return Ok(()) };
            let (id, pages) = read?;
            for (side, page) in Side::BOTH.into_iter().zip(pages) {
                if let Some(page) = page {
                    self.stage_page(id, side, page).await?;
                }
            }
            waiting.push_back(id);
        }
    }

    /// Puts a page of the first reading aside until both sides are complete.
    pub(super) async fn stage_page(&mut self, id: PipeId, side: Side, page: Page) -> store::Result<()> {
        let (next, is_last) = (page.next.clone(), page.is_last);
        let rows = page.into_rows();
        failpoint::pass("stage", "read");
        let key = |plan: &Prepared, lookups: &Lookups, row: &Seen| plan.key_of(lookups, side, &row.record);
        let keys = evaluate(&self.pipes, &mut self.references, id, &rows, key).await;
        let staged: Vec<Staged> =
            rows.into_iter().zip(keys).map(|(seen, key)| Staged { seen, key: key.ok().flatten() }).collect();
        let plan = self.name(id).to_owned();
        self.store.stage(&plan, side, &staged, &next, is_last)?;
        let rows = self.store.staged_count(&plan)?[side];
        self.watcher.note(&plan, Note::Read { side, rows, is_complete: is_last });
        Ok(())
    }

    /// Deals with the next rows of every map whose both sides are read and whose references are there. False: nothing to do.
    pub(super) async fn initial_turn(&mut self) -> store::Result<bool> {
        let ready = self.ready_to_apply()?;
        let (mut jobs, mut busy, mut taken) = (Vec::new(), HashSet::new(), Vec::new());
        for &id in &ready {
            let plan = self.name(id).to_owned();
            let total = self.staged_rows(&plan)?;
            self.staged_at_first[id.0] = self.staged_at_first[id.0].max(total);
            let groups = self.store.matches(&plan, LINKS_MAX)?;
            if groups.is_empty() {
                self.end_initial(id)?;
                continue;
            }
            let rows_of = |group: &Match| {
                let ids = |(side, rows): (Side, &Vec<Seen>)| rows.iter().map(|it| (side, it.id.clone())).collect::<Vec<_>>();
                group.rows.iter().flat_map(ids).collect::<Vec<_>>()
            };
            taken.push((id, groups.iter().flat_map(rows_of).collect::<Vec<_>>()));
            let master = self.store.standing(&plan)?.master;
            for group in groups {
                jobs.extend(self.job_for(id, group, master)?.filter(|it| busy.insert(it.link())));
            }
        }
        failpoint::pass("apply", "matched");
        self.fly(jobs).await?;
        failpoint::pass("apply", "flown");
        for (id, rows) in taken {
            let plan = self.name(id).to_owned();
            self.store.unstage(&plan, &rows)?;
            let total = self.staged_at_first[id.0];
            let done = total.saturating_sub(self.staged_rows(&plan)?);
            self.watcher.note(&plan, Note::Applied { done, total });
        }
        Ok(!ready.is_empty())
    }

    fn staged_rows(&mut self, plan: &str) -> store::Result<u64> {
        Ok(self.store.staged_count(plan)?.0.iter().sum())
    }

    fn end_initial(&mut self, id: PipeId) -> store::Result<()> {
        self.staged_at_first[id.0] = 0;
        let plan = self.name(id).to_owned();
        let before = self.store.standing(&plan)?;
        let since = Some(self.world.now());
        self.store.stand(&plan, &Standing { phase: Phase::Running, why: String::new(), since, ..before })?;
        self.refresh_phases()
    }

    /// Maps that wait for nothing but their own rows. Those of a circle wait for each other's reading, not for its end.
    fn ready_to_apply(&mut self) -> store::Result<Vec<PipeId>> {
        let mut out = Vec::new();
        for group in self.program.clone().order.iter() {
            let maps: Vec<PipeId> = group.iter().map(|it| PipeId(it.index())).collect();
            if !maps.iter().any(|it| self.phases[it.0] == Phase::Initializing) || !self.are_read(&maps)? {
                continue;
            }
            let is_open =
                |name: &String| self.pipe_ids().any(|it| self.name(it) == name && self.phases[it.0] == Phase::Initializing);
            let outside = |name: &&String| !maps.iter().any(|&it| self.name(it) == *name);
            let awaited = maps.iter().flat_map(|it| &self.pipes[it.0].plan.references).filter_map(|it| it.plan.as_ref());
            if !awaited.filter(outside).any(is_open) {
                out.extend(maps.iter().filter(|it| self.phases[it.0] == Phase::Initializing));
            }
        }
        out.truncate(MAPS_AT_ONCE);
        Ok(out)
    }

    /// The first reading of these maps, where they have one under way, is complete.
    fn are_read(&mut self, maps: &[PipeId]) -> store::Result<bool> {
        for &id in maps.iter().filter(|it| self.phases[it.0] == Phase::Initializing).collect::<Vec<_>>() {
            let plan = self.name(id).to_owned();
            for side in Side::BOTH {
                if !self.store.stream(&plan, side)?.is_live {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// The reconcile of one group of rows with one key. `None`: there is nothing to do, or too many rows to choose from.
    pub(super) fn job_for(&mut self, id: PipeId, group: Match, master: Option<Side>) -> store::Result<Option<Job>> {
        let pipe = self.pipes[id.0].clone();
        let seen = match group.rows.map(|rows| rows.first().cloned()) {
            _ if group.rows.iter().any(|(_, rows)| rows.len() > 1) => {
                self.hold_ambiguous(id, &group)?;
                return Ok(None);
            }
            seen => seen,
        };
        let (mut known, mut has_died) = (None, false);
        for (side, row) in seen.iter() {
            if let Some(row) = row {
                let mut links: Vec<Link> =
                    self.store.links_of(&pipe.plan.name, side, std::slice::from_ref(&row.id))?.into_iter().flatten().collect();
                // Of all rows of both sides one a side has this key now, so nobody has to choose any more.
                for link in links.iter_mut().filter(|it| it.ambiguity().is_some() && group.key.is_some()) {
                    (link.state, link.hold) = (LinkState::Dead, None);
                    self.store.commit(&[Commit::of(link.clone())], &[])?;
                }
                has_died |= links.iter().any(|it| it.state == LinkState::Dead);
                known = known.or(links.into_iter().find(|it| it.state != LinkState::Dead));
            }
        }
        let fresh = LinkId(self.world.fresh_id());
        let (link, is_stored) = match (known, &seen.0) {
            (Some(link), _) => (link, true),
            (None, [Some(left), Some(right)]) => {
                (Link::matched(fresh, &pipe.plan.name, left.id.clone(), right.id.clone()), false)
            }
            (None, [Some(row), None]) => (Link::new(fresh, &pipe.plan.name, Side::Left, row.id.clone()), false),
            (None, [None, Some(row)]) => (Link::new(fresh, &pipe.plan.name, Side::Right, row.id.clone()), false),
            (None, [None, None]) => return Ok(None),
        };
        // A link that stands already may have another row than this page says, and a row whose link has died may have been deleted
        // since: look anew.
        let event = if is_stored || has_died { Event::Begin } else { Event::Observed(seen) };
        let flight = Flight::new(pipe.plan, link, is_stored, master);
        Ok(Some(Job { event, ..Job::new(id, flight, Cause::default()) }))
    }

    /// Several rows of one side have one key: a person decides. Each is kept on file, none is linked.
    fn hold_ambiguous(&mut self, id: PipeId, group: &Match) -> store::Result<()> {
        let plan = self.name(id).to_owned();
        let now = self.world.now();
        let key = group.key.as_ref().map_or_else(String::new, ToString::to_string);
        let mut commits = Vec::new();
        for (side, rows) in group.rows.iter() {
            let ids: Vec<RemoteId> = rows.iter().map(|it| it.id.clone()).collect();
            let links = self.store.links_of(&plan, side, &ids)?;
            let is_on_file = |it: &Option<Link>| it.as_ref().is_some_and(|it| it.state != LinkState::Dead);
            for (row, _) in rows.iter().zip(&links).filter(|(_, link)| !is_on_file(link)) {
                let mut link = Link::new(LinkId(self.world.fresh_id()), &plan, side, row.id.clone());
                link.key.clone_from(&key);
                link.hold = Some(Hold {
                    class: Class::Conflict,
                    code: Some(AMBIGUOUS.to_owned()),
                    rule: None,
                    message: format!(
                        "more than one row of one side has the key {key}: leave one of them with it, then `dwmap stop {plan}` and `dwmap start {plan} --initial`"
                    ),
                    since: now,
                    attempts: 1,
                    retry_at: None,
                    waits_on: None,
                    has_summoned: false,
                });
                commits.push(Commit::of(link));
            }
        }
        self.store.commit(&commits, &[]).map(drop)
    }
}

/// The next page of each side that is not at its end.
async fn read_pages(
    id: PipeId,
    pipe: Pipe,
    streams: Sides<store::Stream>,
    watcher: Arc<dyn Watcher>,
) -> Result<(PipeId, [Option<Page>; 2]), Error> {
    let read = |side: Side| {
        let (pipe, stream, watcher) = (&pipe, &streams[side], watcher.as_ref());
        async move {
            if stream.is_live {
                return Ok(None);
            }
            let page = patiently(pipe, side, stream.token.as_ref(), watcher).await;
            page.map(Some).map_err(|failure| Error::System { plan: pipe.plan.name.clone(), side, failure })
        }
    };
    let (left, right) = futures::try_join!(read(Side::Left), read(Side::Right))?;
    Ok((id, [left, right]))
}

/// Reads a page, and tries again where that can help.
async fn patiently(pipe: &Pipe, side: Side, after: Option<&Token>, watcher: &dyn Watcher) -> Result<Page, Failure> {
    let mut tries = 0;
    loop {
        match pipe.systems[side].feed(&pipe.plan.shapes[side], after).await {
            Err(failure) if failure.is_retriable() && tries < TRIES_MAX => {
                let retry_in = failure.retry_after.unwrap_or_else(|| super::live::backoff(tries));
                watcher.note(&pipe.plan.name, Note::Unreadable { side, message: failure.message, retry_in });
                tokio::time::sleep(retry_in).await;
                tries += 1;
            }
            other => return other,
        }
    }
}
