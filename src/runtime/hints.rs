//! What push messages told: the named rows are read, and go into the journal like those of the feed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use super::deployment::{Deployment, Note};
use super::errand::Errand;
use super::live::backoff;
use super::pipe::PipeId;
use crate::change::{Change, Failure, RemoteId, Side};
use crate::store::{self, HintNumber, Noted};
use crate::value::Timestamp;

/// Hints that are looked at together.
const TOGETHER_MAX: usize = 500;

/// Rows of one side of one map that messages named.
struct Wanted {
    pipe: PipeId,
    side: Side,
    ids: Vec<RemoteId>,
}

/// What is to be journalled of one feed.
type Found = (PipeId, Side, Vec<Change>);

/// What a reading of named rows brought.
pub(super) struct Looked {
    numbers: Vec<HintNumber>,
    generation: u64,
    found: Result<Vec<Found>, (PipeId, Side, Failure)>,
}

/// The looks at named rows of one deployment.
#[derive(Default)]
pub struct Hints {
    pub(super) errand: Errand<Looked>,
    /// Rung when a message is on file.
    pub(super) bell: Arc<Notify>,
    /// Rung for a feed that is to be read now, whatever rest it has.
    feeds: BTreeMap<(PipeId, Side), Arc<Notify>>,
    failures: u32,
    rest_until: Option<Timestamp>,
}

impl Hints {
    /// What cuts short the rest of a feed.
    pub(super) fn feed_bell(&mut self, id: PipeId, side: Side) -> Arc<Notify> {
        self.feeds.entry((id, side)).or_default().clone()
    }
}

impl Deployment {
    /// To be rung by whoever puts a message on file.
    pub fn bell(&self) -> Arc<Notify> {
        self.hints.bell.clone()
    }

    /// Deals with the rows that were read, and begins to read those that were named meanwhile.
    pub(super) fn hint_turn(&mut self) -> store::Result<()> {
        if let Some(looked) = self.hints.errand.take() {
            self.take_looked(looked)?;
        }
        let now = self.world.now();
        if self.hints.errand.is_under_way() || self.hints.rest_until.is_some_and(|it| now < it) {
            return Ok(());
        }
        let noted = self.store.hints(TOGETHER_MAX)?;
        if noted.is_empty() {
            return Ok(());
        }
        let wanted = self.wanted(&noted)?;
        let (numbers, generation) = (noted.iter().map(|it| it.number).collect(), self.generation);
        let asked: Vec<_> = wanted.into_iter().map(|it| (self.pipes[it.pipe.0].clone(), it)).collect();
        self.hints.errand = Errand::start(async move {
            let mut found = Vec::with_capacity(asked.len());
            for (pipe, Wanted { pipe: id, side, ids }) in asked {
                match pipe.systems[side].fetch(&pipe.plan.shapes[side], &ids).await {
                    Ok(rows) => found.push((id, side, changes(ids, rows))),
                    Err(failure) => return Looked { numbers, generation, found: Err((id, side, failure)) },
                }
            }
            Looked { numbers, generation, found: Ok(found) }
        });
        Ok(())
    }

    /// Deals with all messages on file. True: there were some. What cannot be read now stays on file.
    pub(super) async fn look_at_hints(&mut self) -> store::Result<bool> {
        let mut had_some = false;
        self.hint_turn()?;
        while self.hints.errand.is_under_way() {
            self.hints.errand.ready().await;
            had_some = true;
            self.hint_turn()?;
        }
        Ok(had_some)
    }

    /// The rows by map and side; a feed of which no row is named is read at once.
    fn wanted(&mut self, noted: &[Noted]) -> store::Result<Vec<Wanted>> {
        let mut out = Vec::new();
        for id in self.pipe_ids() {
            for side in Side::BOTH {
                let plan = self.pipes[id.0].plan.clone();
                let system = self.program.system(&plan, side);
                let own = noted.iter().filter(|it| it.system == system && it.hint.entity == plan.shapes[side].entity);
                let own: Vec<Option<RemoteId>> = own.map(|it| it.hint.row.clone()).collect();
                if own.is_empty() || !self.listens(id) {
                    continue;
                }
                // A feed that is not live yet has not read past these rows, or reads them again.
                let stream = self.store.stream(&plan.name, side)?;
                if !stream.is_live || stream.token.is_none() {
                    continue;
                }
                if own.iter().any(Option::is_none) {
                    self.hints.feed_bell(id, side).notify_one();
                }
                let ids: Vec<RemoteId> = own.into_iter().flatten().collect();
                if !ids.is_empty() {
                    out.push(Wanted { pipe: id, side, ids });
                }
            }
        }
        Ok(out)
    }

    fn take_looked(&mut self, looked: Looked) -> store::Result<()> {
        if looked.generation != self.generation {
            // Read for the fields of the old maps; it is read again for the new ones.
            return Ok(());
        }
        match looked.found {
            Ok(found) => {
                for (id, side, changes) in found {
                    let plan = self.name(id).to_owned();
                    let stream = self.store.stream(&plan, side)?;
                    if let Some(token) = stream.token.filter(|_| stream.is_live) {
                        self.store.append(&plan, side, &changes, &token, true, self.world.now())?;
                    }
                }
                self.store.strike_out(&looked.numbers)?;
                (self.hints.failures, self.hints.rest_until) = (0, None);
            }
            Err((id, side, failure)) => {
                let wait = failure.retry_after.unwrap_or_else(|| backoff(self.hints.failures));
                self.hints.failures = self.hints.failures.saturating_add(1);
                self.hints.rest_until = self.world.now().checked_add(wait).ok();
                self.say_unreadable(id, side, &failure, wait);
            }
        }
        Ok(())
    }

    fn say_unreadable(&self, id: PipeId, side: Side, failure: &Failure, retry_in: Duration) {
        let plan = self.name(id);
        tracing::warn!(map = plan, ?side, class = ?failure.class, "rows that a message named: {failure}");
        self.watcher.note(plan, Note::Unreadable { side, message: failure.message.clone(), retry_in });
    }
}

/// A row that is not there is gone, or was never there; the engine looks for itself before it does anything.
fn changes(ids: Vec<RemoteId>, rows: Vec<Option<crate::change::Seen>>) -> Vec<Change> {
    ids.into_iter().zip(rows).map(|(id, row)| row.map_or(Change::Delete { id }, Change::Upsert)).collect()
}
