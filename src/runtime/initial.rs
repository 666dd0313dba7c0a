//! The first sync of a map: read both sides, match rows by key, then let the engine make them agree.
//!
//! The feed's own first reading is the snapshot: its position was taken before the first page, so that a change made
//! meanwhile comes again with the live feed. Rows wait in the store until both sides are complete; a restart repeats at
//! most one page. Applying is reconciling: correctness never depends on the pages being of one moment.

use std::collections::HashSet;

use super::deployment::{Deployment, Note, Watcher};
use super::evaluate::evaluate;
use super::pipe::{Cause, Job, Pipe, PipeId};
use super::round::LINKS_MAX;
use crate::change::{Class, Failure, LinkId, Page, Side, Sides, Token};
use crate::engine::flight::{Event, Flight};
use crate::engine::link::{Commit, Hold, Link, LinkState};
use crate::failpoint;
use crate::interp;
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

/// Most tries to read one page.
const TRIES_MAX: u32 = 6;

impl Deployment {
    /// Brings all maps from nothing to live, those that others refer to first. `master` wins where rows differ.
    pub async fn initial(&mut self, master: Option<Side>) -> Result<(), Error> {
        for group in self.program.clone().order.clone() {
            let pipes: Vec<PipeId> = group.iter().map(|it| PipeId(it.index())).collect();
            for &pipe in &pipes {
                self.set_phase(pipe, Phase::Initializing, "initial sync")?;
                self.read_all(pipe).await?;
            }
            for &pipe in &pipes {
                self.apply(pipe, master).await?;
            }
            // What waited for a row of this group can go on now.
            while self.work(false).await? {}
            for &pipe in &pipes {
                self.set_phase(pipe, Phase::Running, "")?;
            }
        }
        Ok(())
    }

    /// Every map has had its initial sync.
    pub fn is_initialised(&mut self) -> store::Result<bool> {
        for id in self.pipe_ids() {
            let plan = self.name(id).to_owned();
            let staged = self.store.staged_count(&plan)?;
            let is_live = self.store.stream(&plan, Side::Left)?.is_live && self.store.stream(&plan, Side::Right)?.is_live;
            if !is_live || staged != Sides::new(0, 0) || self.store.phase(&plan)?.0 == Phase::Stopped {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Reads both sides to the end of their first reading, a page of each at a time.
    async fn read_all(&mut self, id: PipeId) -> Result<(), Error> {
        let plan = self.name(id).to_owned();
        loop {
            let left = self.store.stream(&plan, Side::Left)?;
            let right = self.store.stream(&plan, Side::Right)?;
            if left.is_live && right.is_live {
                return Ok(());
            }
            let (pipe, watcher) = (self.pipes[id.0].clone(), self.watcher.clone());
            let read = |side: Side, stream: store::Stream| {
                let (pipe, watcher) = (pipe.clone(), watcher.clone());
                async move {
                    if stream.is_live {
                        return Ok(None);
                    }
                    let page = patiently(&pipe, side, stream.token.as_ref(), watcher.as_ref()).await;
                    page.map(Some).map_err(|failure| Error::System { plan: pipe.plan.name.clone(), side, failure })
                }
            };
            let (left, right) = futures::try_join!(read(Side::Left, left), read(Side::Right, right))?;
            for (side, page) in [(Side::Left, left), (Side::Right, right)] {
                if let Some(page) = page {
                    self.stage_page(id, side, page).await?;
                }
            }
        }
    }

    async fn stage_page(&mut self, id: PipeId, side: Side, page: Page) -> Result<(), Error> {
        let (next, is_last) = (page.next.clone(), page.is_last);
        let rows = page.into_rows();
        failpoint::pass("stage", "read");
        let keys = evaluate(&self.pipes, &mut self.references, id, &rows, |cx, row| interp::key(cx, side, &row.record)).await;
        let staged: Vec<Staged> =
            rows.into_iter().zip(keys).map(|(seen, key)| Staged { seen, key: key.ok().flatten() }).collect();
        let plan = self.name(id).to_owned();
        self.store.stage(&plan, side, &staged, &next, is_last)?;
        let rows = self.store.staged_count(&plan)?[side];
        self.watcher.note(&plan, Note::Read { side, rows, is_complete: is_last });
        Ok(())
    }

    /// Reconciles everything that was staged.
    async fn apply(&mut self, id: PipeId, master: Option<Side>) -> Result<(), Error> {
        let plan = self.name(id).to_owned();
        let left_to_do = |it: Sides<u64>| it.0[0] + it.0[1];
        let total = left_to_do(self.store.staged_count(&plan)?);
        loop {
            let groups = self.store.matches(&plan, LINKS_MAX)?;
            if groups.is_empty() {
                return Ok(());
            }
            let rows: Vec<_> = groups
                .iter()
                .flat_map(|group| group.rows.iter().flat_map(|(side, rows)| rows.iter().map(move |it| (side, it.id.clone()))))
                .collect();
            let mut jobs = Vec::with_capacity(groups.len());
            let mut busy = HashSet::new();
            for group in groups {
                jobs.extend(self.job_for(id, group, master)?.filter(|it| busy.insert(it.link())));
            }
            failpoint::pass("apply", "matched");
            self.fly(jobs).await?;
            failpoint::pass("apply", "flown");
            self.store.unstage(&plan, &rows)?;
            let done = total.saturating_sub(left_to_do(self.store.staged_count(&plan)?));
            self.watcher.note(&plan, Note::Applied { done, total });
        }
    }

    /// The reconcile of one group of rows with one key. `None`: there is nothing to do, or too many rows to choose from.
    fn job_for(&mut self, id: PipeId, group: Match, master: Option<Side>) -> Result<Option<Job>, Error> {
        let pipe = self.pipes[id.0].clone();
        let seen = match group.rows.map(|rows| rows.first().cloned()) {
            _ if group.rows.iter().any(|(_, rows)| rows.len() > 1) => {
                self.hold_ambiguous(id, &group)?;
                return Ok(None);
            }
            seen => seen,
        };
        let mut known = None;
        for (side, row) in seen.iter() {
            if let Some(row) = row {
                let links = self.store.links_of(&pipe.plan.name, side, std::slice::from_ref(&row.id))?;
                known = known.or(links.into_iter().flatten().find(|it| it.state != LinkState::Dead));
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
        // A link that stands already may have another row than this page says: look anew.
        let event = if is_stored { Event::Begin } else { Event::Observed(seen) };
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
            for row in rows {
                let mut link = Link::new(LinkId(self.world.fresh_id()), &plan, side, row.id.clone());
                link.key.clone_from(&key);
                link.hold = Some(Hold {
                    class: Class::Conflict,
                    code: None,
                    rule: None,
                    message: format!(
                        "more than one row of one side has the key {key}: which one belongs to the other side's row?"
                    ),
                    since: now,
                    attempts: 1,
                    retry_at: None,
                    waits_on: None,
                });
                commits.push(Commit { link, ledger: Vec::new(), activity: Vec::new() });
            }
        }
        self.store.commit(&commits, &[]).map(drop)
    }
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
