//! Verify: are both sides as the map wants them, while people go on working?
//!
//! A first compare of everything names suspects. A difference that is on its way is none, so the feeds are read and everything
//! that waits is carried out; what still differs then, although nobody has touched it in between, is drift. A suspect that was
//! touched meanwhile is looked at again; one that never stands still is named apart and is no alarm.

use std::collections::HashMap;
use std::time::Duration;

use super::compare::{Comparison, Suspect};
use super::deployment::Deployment;
use super::initial::Error;
use super::pipe::{Cause, Job, PipeId};
use super::round::LINKS_MAX;
use crate::change::{LinkId, RemoteId, Seen, Side, Sides, Version};
use crate::engine::flight::Flight;
use crate::engine::link::Link;

/// Most looks at a suspect that does not stand still.
pub(super) const LOOKS_MAX: u32 = 8;
/// Most rounds of work between two looks; with more to do the suspects wait for the next look.
const ROUNDS_MAX: u32 = 10_000;
/// Rows that are fetched again at once.
pub(super) const PAGE_ROWS: usize = 200;

/// How to verify.
#[derive(Clone, Copy, Debug)]
pub struct Verify {
    /// Between two looks at a suspect. A system whose reads lag behind needs as much.
    pub wait: Duration,
    pub repair: Option<Repair>,
}

impl Default for Verify {
    fn default() -> Self {
        Self { wait: Duration::from_secs(2), repair: None }
    }
}

/// Who is right where the two sides differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repair {
    /// The side that is not as it was when the two last agreed: its change was never told. As for any other change.
    Newer,
    /// This side. What the other one loses is in the ledger.
    Master(Side),
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verification {
    pub rows: Sides<u64>,
    pub pairs: u64,
    /// Differences that nothing will mend by itself.
    pub drift: Vec<Suspect>,
    /// Differences that a person knows of: held, or in conflict.
    pub known: Vec<Suspect>,
    /// Rows that were changed during every look, or whose map stands still.
    pub restless: Vec<Suspect>,
    /// Of the drift, how much is gone after the repair.
    pub repaired: u64,
}

impl Verification {
    pub fn is_clean(&self) -> bool {
        self.drift.len() as u64 == self.repaired && self.known.is_empty()
    }
}

type Sighting = (Sides<Option<RemoteId>>, Sides<Option<Version>>);

pub(super) fn sighting(suspect: &Suspect) -> Sighting {
    (suspect.rows.clone(), suspect.versions.clone())
}

impl Deployment {
    /// Compares every row of a map, and mends what differs if asked to. Changes are carried meanwhile.
    pub async fn verify(&mut self, id: PipeId, how: Verify) -> Result<Verification, Error> {
        let compared = self.compare(id).await?;
        let mut out = Verification { rows: compared.rows.clone(), pairs: compared.pairs, ..Verification::default() };
        self.judge(id, how, compared.suspects, &mut out).await?;
        if let Some(repair) = how.repair {
            self.mend(id, repair, &mut out).await?;
        }
        Ok(out)
    }

    /// Tells drift from what is on its way.
    async fn judge(&mut self, id: PipeId, how: Verify, mut suspects: Vec<Suspect>, out: &mut Verification) -> Result<(), Error> {
        for _ in 0..LOOKS_MAX {
            if suspects.is_empty() {
                return Ok(());
            }
            if !self.flows(id) {
                // A map that stands still has differences on their way, and nobody can tell them from others.
                break;
            }
            tokio::time::sleep(how.wait).await;
            self.world.waited(how.wait);
            let is_up_to_date = self.catch_up(id).await?;
            let before: HashMap<_, _> = suspects.iter().map(sighting).collect();
            let again = self.compare_rows(id, suspects.iter().map(|it| it.rows.clone()).collect()).await?;
            suspects.clear();
            for suspect in again.suspects {
                if suspect.is_known {
                    out.known.push(suspect);
                } else if is_up_to_date && before.get(&suspect.rows) == Some(&suspect.versions) {
                    out.drift.push(suspect);
                } else {
                    suspects.push(suspect);
                }
            }
        }
        out.restless = suspects;
        Ok(())
    }

    /// Reads the map's feeds once to their end and carries out what waits. False: something is left to do.
    async fn catch_up(&mut self, id: PipeId) -> Result<bool, Error> {
        for side in Side::BOTH {
            self.read_to_end(id, side).await?;
        }
        self.store.hasten(self.world.now())?;
        for _ in 0..ROUNDS_MAX {
            if !self.work(false).await? {
                break;
            }
        }
        let plan = self.name(id).to_owned();
        let figures = self.store.figures(&plan)?;
        Ok(figures.queued == 0 && figures.asked == 0)
    }

    /// Fetches these rows and compares them with what belongs to them.
    async fn compare_rows(&mut self, id: PipeId, rows: Vec<Sides<Option<RemoteId>>>) -> Result<Comparison, Error> {
        let mut out = Comparison::default();
        let (lefts, rights): (Vec<_>, Vec<_>) = rows.into_iter().map(|it| (it.0[0].clone(), it.0[1].clone())).unzip();
        for (side, ids) in [(Side::Left, lefts), (Side::Right, rights)] {
            let ids: Vec<RemoteId> = ids.into_iter().flatten().collect();
            for page in ids.chunks(PAGE_ROWS) {
                let rows = self.fetch_rows(id, side, page).await?;
                self.compare_page(id, side, rows, &mut out).await?;
            }
        }
        Ok(out)
    }

    async fn fetch_rows(&self, id: PipeId, side: Side, ids: &[RemoteId]) -> Result<Vec<Seen>, Error> {
        let pipe = &self.pipes[id.0];
        let rows = pipe.systems[side].fetch(&pipe.plan.shapes[side], ids).await;
        let rows = rows.map_err(|failure| Error::System { plan: pipe.plan.name.clone(), side, failure })?;
        Ok(rows.into_iter().flatten().collect())
    }

    /// Lets the engine decide the drift, and looks whether it is gone.
    async fn mend(&mut self, id: PipeId, repair: Repair, out: &mut Verification) -> Result<(), Error> {
        for page in out.drift.chunks(LINKS_MAX) {
            self.mend_all(id, repair, page).await?;
        }
        let left = self.compare_rows(id, out.drift.iter().map(|it| it.rows.clone()).collect()).await?;
        out.repaired = (out.drift.len() as u64).saturating_sub(left.differing);
        Ok(())
    }

    pub(super) async fn mend_all(&mut self, id: PipeId, repair: Repair, suspects: &[Suspect]) -> Result<(), Error> {
        let mut jobs = Vec::with_capacity(suspects.len());
        for suspect in suspects {
            jobs.push(self.mending(id, repair, suspect)?);
        }
        Ok(self.fly(jobs).await?)
    }

    fn mending(&mut self, id: PipeId, repair: Repair, suspect: &Suspect) -> Result<Job, Error> {
        let plan = self.pipes[id.0].plan.clone();
        let known = match suspect.link {
            Some(link) => self.store.link(link)?,
            None => None,
        };
        let is_stored = known.is_some();
        let mut link = known.unwrap_or_else(|| {
            let fresh = LinkId(self.world.fresh_id());
            let side = if suspect.rows[Side::Left].is_some() { Side::Left } else { Side::Right };
            let row = suspect.rows[side].clone().expect("a suspect has a row");
            Link::new(fresh, &plan.name, side, row)
        });
        let master = match repair {
            Repair::Newer => None,
            Repair::Master(side) => {
                // As in an initial sync: nothing is agreed upon, and this side is right.
                link.shadows = Sides::default();
                Some(side)
            }
        };
        Ok(Job::new(id, Flight::new(plan, link, is_stored, master), Cause::default()))
    }
}
