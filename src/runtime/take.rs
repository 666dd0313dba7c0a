//! From journal entries to reconciles: which link a changed row belongs to.

use std::collections::HashSet;

use super::pipe::{Cause, Job, Pipe, PipeId, Told};
use super::world::World;
use crate::change::{Change, LinkId, RemoteId, Side, Version};
use crate::engine::flight::Flight;
use crate::engine::link::{Link, LinkState};
use crate::store::{self, Entry, Store};
use crate::value::Timestamp;

/// What was taken from the journal.
#[derive(Default)]
pub struct Taken {
    pub jobs: Vec<Job>,
    /// Entries that need no reconcile, and their rows.
    pub done: Vec<Told>,
    pub quiet: Vec<(Side, RemoteId)>,
    /// How many of those were rows that nobody has to write, and not our own writes coming back.
    pub skipped: u64,
}

/// All waiting entries of one row. Feeds may tell them out of order, so none of them is the newest for sure.
struct Row {
    side: Side,
    /// The last one that shows the row; if there is none, its delete.
    change: Change,
    others: Vec<Change>,
    cause: Cause,
}

impl Row {
    fn join(&mut self, change: Change, cause: Cause) {
        self.cause.join(cause);
        match change {
            shown @ Change::Upsert(_) => self.others.push(std::mem::replace(&mut self.change, shown)),
            delete @ Change::Delete { .. } => self.others.push(delete),
        }
    }

    /// The link has seen all of it.
    fn is_known_to(&self, link: &Link) -> bool {
        std::iter::once(&self.change).chain(&self.others).all(|it| link.knows(self.side, it))
    }
}

/// What is taken at most.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    pub room: usize,
    /// Links are looked at even where the journal tells nothing new.
    pub is_replay: bool,
    /// Only what was told by then.
    pub settled: Timestamp,
}

/// Takes the next entries, at most one reconcile a link. Entries of links in `busy` stay for a later round.
pub fn take(
    store: &mut dyn Store,
    world: &dyn World,
    (id, pipe): (PipeId, &Pipe),
    bounds: Bounds,
    busy: &mut HashSet<LinkId>,
    is_own: impl Fn(Side, &Version) -> bool,
) -> store::Result<Taken> {
    let mut taken = Taken::default();
    // What is due by now was told before, or is asked for: nobody waits for more edits of it.
    let mut entries = store.later(&pipe.plan.name, world.now(), bounds.room)?;
    entries.extend(store.pending(&pipe.plan.name, bounds.room)?.into_iter().filter(|it| it.at <= bounds.settled));
    let rows = fold(entries, is_own);
    let links = links_of(store, &pipe.plan.name, &rows)?;
    let mut own: Vec<(LinkId, usize)> = Vec::new();
    for (row, link) in rows.into_iter().zip(links) {
        let link = owner(store, &pipe.plan.name, &row, link)?;
        match link {
            Some(link) if !bounds.is_replay && row.is_known_to(&link) => {
                taken.skipped += u64::from(!row.cause.is_echo);
                taken.done.extend(row.cause.entries);
                taken.quiet.extend(row.cause.rows);
            }
            // A late create whose first landing was deleted by a user: it waits, on file, until its link is dead.
            Some(link) if is_stray(&link, &row) => {}
            None if matches!(row.change, Change::Delete { .. }) => taken.done.extend(row.cause.entries),
            Some(link) => match own.iter().find(|(known, _)| *known == link.id) {
                Some(&(_, index)) => taken.jobs[index].cause.join(row.cause),
                None if busy.insert(link.id) => {
                    own.push((link.id, taken.jobs.len()));
                    taken.jobs.push(job_for(id, pipe, link, row));
                }
                None => {}
            },
            None => {
                let link = Link::new(LinkId(world.fresh_id()), &pipe.plan.name, row.side, row.change.id().clone());
                busy.insert(link.id);
                taken.jobs.push(Job::new(id, Flight::new(pipe.plan.clone(), link, false, None), row.cause));
            }
        }
    }
    Ok(taken)
}

/// The row carries the id of a living link that has another row on that side.
fn is_stray(link: &Link, row: &Row) -> bool {
    link.state != LinkState::Dead && link.ids[row.side].as_ref().is_some_and(|it| it != row.change.id())
}

fn job_for(id: PipeId, pipe: &Pipe, mut link: Link, row: Row) -> Job {
    if link.state == LinkState::Dead {
        // A create that landed late: the row is the link's own until it is undone, even if the first try fails.
        link.ids[row.side] = Some(row.change.id().clone());
    }
    Job::new(id, Flight::new(pipe.plan.clone(), link, true, None), row.cause)
}

/// One entry a row, in the order of their first appearance.
fn fold(entries: Vec<Entry>, is_own: impl Fn(Side, &Version) -> bool) -> Vec<Row> {
    let mut folded: Vec<Row> = Vec::new();
    let mut index = std::collections::HashMap::new();
    for entry in entries {
        let is_echo = matches!(&entry.change, Change::Upsert(seen) if is_own(entry.side, &seen.version));
        let rows = vec![(entry.side, entry.change.id().clone())];
        let told = Told {
            side: entry.side,
            seq: entry.seq,
            row: entry.change.id().clone(),
            version: if let Change::Upsert(seen) = &entry.change { Some(seen.version.clone()) } else { None },
            unconfirmed_since: entry.unconfirmed_since,
        };
        let cause = Cause { entries: vec![told], rows, since: Some(entry.at), is_echo, is_asked: false };
        match index.get(&(entry.side, entry.change.id().clone())) {
            Some(&at) => {
                let row: &mut Row = &mut folded[at];
                row.join(entry.change, cause);
            }
            None => {
                index.insert((entry.side, entry.change.id().clone()), folded.len());
                folded.push(Row { side: entry.side, change: entry.change, others: Vec::new(), cause });
            }
        }
    }
    folded
}

impl Cause {
    fn join(&mut self, other: Self) {
        self.entries.extend(other.entries);
        self.rows.extend(other.rows);
        self.since = self.since.into_iter().chain(other.since).min();
        self.is_echo &= other.is_echo;
    }
}

fn links_of(store: &mut dyn Store, plan: &str, rows: &[Row]) -> store::Result<Vec<Option<Link>>> {
    let mut links = vec![None; rows.len()];
    for side in Side::BOTH {
        let (indices, ids): (Vec<usize>, Vec<RemoteId>) =
            rows.iter().enumerate().filter(|(_, it)| it.side == side).map(|(at, it)| (at, it.change.id().clone())).unzip();
        for (at, link) in indices.into_iter().zip(store.links_of(plan, side, &ids)?) {
            links[at] = link;
        }
    }
    Ok(links)
}

/// The link that the row belongs to. A row with the id of one of our links was made by that link's create, even if the
/// link is dead by now; a row at the address of a dead link that does not carry its id is a new record.
fn owner(store: &mut dyn Store, plan: &str, row: &Row, known: Option<Link>) -> store::Result<Option<Link>> {
    let Change::Upsert(seen) = &row.change else { return Ok(known) };
    match known {
        Some(link) if link.state != LinkState::Dead || seen.correlation == Some(link.id) => Ok(Some(link)),
        Some(_) | None => match seen.correlation {
            Some(id) => Ok(store.link(id)?.filter(|it| it.plan == plan)),
            None => Ok(None),
        },
    }
}
