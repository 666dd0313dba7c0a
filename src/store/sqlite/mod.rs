//! The state in one SQLite file: write-ahead log, every commit on the disk before it counts.
//!
//! One process holds the file (a lock beside it, and an epoch inside: every change first checks that the epoch is still
//! its own, so that a process which was taken over cannot write any more). Another may look at it meanwhile. The tables
//! are in `tables.sql`; each method of [`Store`] is one transaction.

mod desk;
mod hints;
mod image;
mod journal;
mod later;
mod links;
mod open;
mod revise;
mod shapes;
mod staging;
mod views;

pub use hints::Inbox;
pub use open::is_held;
pub use views::phase_name;

use std::fs::File;

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use super::outline::{Outline, Revision};
use super::{Conclusion, Entry, Figures, HintNumber, Match, Noted, Phase, Result, Staged, Store, Stream};
use crate::change::{Change, LinkId, RemoteId, Side, Sides, Token};
use crate::engine::link::{Activity, Commit, LedgerEntry, Link};
use crate::failpoint;
use crate::value::{Timestamp, Value};

/// A state file that this process may read and, unless opened for reading only, write.
#[derive(Debug)]
pub struct Sqlite {
    db: Connection,
    /// For messages.
    path: String,
    /// The number of our ownership; a later owner has a larger one.
    epoch: i64,
    /// Held while the file is ours; the system frees it with the process. It has a number in it ([`raise_mark`](super::Desk::raise_mark)).
    lock: Option<File>,
}

/// Why a transaction was given up.
#[derive(Debug)]
enum Fault {
    Sql(rusqlite::Error),
    /// What is wrong, in words.
    Said(String),
    /// Another owner has the file now.
    Lost,
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<serde_json::Error> for Fault {
    fn from(error: serde_json::Error) -> Self {
        Self::Said(format!("a row of the state cannot be read ({error}); put a backup in its place, or sync anew"))
    }
}

type Outcome<T> = std::result::Result<T, Fault>;

impl Sqlite {
    /// Runs `work` as one transaction under our epoch: all of it is on the disk, or nothing.
    fn write<T>(&mut self, what: &str, work: impl FnOnce(&Connection) -> Outcome<T>) -> Result<T> {
        let epoch = self.epoch;
        let transact = |db: &mut Connection| -> Outcome<T> {
            let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
            failpoint::pass(what, "begun");
            let beaten =
                tx.prepare_cached("UPDATE shard SET beat = beat + 1 WHERE id = 0 AND epoch = ?1")?.execute(params![epoch])?;
            if beaten == 0 {
                return Err(Fault::Lost);
            }
            let out = work(&tx)?;
            failpoint::pass(what, "written");
            tx.commit()?;
            failpoint::pass(what, "durable");
            Ok(out)
        };
        transact(&mut self.db).map_err(|fault| fault.at(&self.path))
    }

    /// Runs `work` on one state of the file, whatever others write meanwhile.
    fn read<T>(&mut self, work: impl FnOnce(&Connection) -> Outcome<T>) -> Result<T> {
        let look = |db: &mut Connection| -> Outcome<T> {
            let tx = db.transaction()?;
            let out = work(&tx)?;
            tx.commit()?;
            Ok(out)
        };
        look(&mut self.db).map_err(|fault| fault.at(&self.path))
    }
}

/// The number of a plan that was opened before.
fn plan_number(db: &Connection, plan: &str) -> Outcome<i64> {
    let found = db.prepare_cached("SELECT num FROM plan WHERE name = ?1")?.query_row([plan], |row| row.get(0)).optional()?;
    found.ok_or_else(|| Fault::Said(format!("the state knows no map `{plan}`; start the map first")))
}

/// A bound as SQL wants it.
fn bound(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

impl Store for Sqlite {
    fn hints(&mut self, limit: usize) -> Result<Vec<Noted>> {
        self.read(|db| hints::hints(db, limit))
    }

    fn strike_out(&mut self, hints: &[HintNumber]) -> Result<()> {
        self.write("strike_out", |db| hints::strike_out(db, hints))
    }

    fn open_plan(&mut self, plan: &str, outline: &Outline) -> Result<Revision> {
        self.write("open_plan", |db| shapes::open_plan(db, plan, outline))
    }

    fn phase(&mut self, plan: &str) -> Result<(Phase, String)> {
        self.read(|db| views::phase(db, plan))
    }

    fn set_phase(&mut self, plan: &str, phase: Phase, why: &str) -> Result<()> {
        self.write("set_phase", |db| views::set_phase(db, plan, phase, why))
    }

    fn stream(&mut self, plan: &str, side: Side) -> Result<Stream> {
        self.read(|db| journal::stream(db, plan_number(db, plan)?, side))
    }

    fn append(
        &mut self,
        plan: &str,
        side: Side,
        changes: &[Change],
        next: &Token,
        is_live: bool,
        at: Timestamp,
    ) -> Result<Stream> {
        self.write("append", |db| {
            let plan = plan_number(db, plan)?;
            journal::append(db, plan, side, changes, at)?;
            journal::move_token(db, plan, side, Some(next), is_live)?;
            journal::stream(db, plan, side)
        })
    }

    fn note(&mut self, plan: &str, side: Side, change: &Change, at: Timestamp) -> Result<u64> {
        self.write("note", |db| later::note(db, plan, side, change, at))
    }

    fn is_noted(&mut self, plan: &str, side: Side, seq: u64) -> Result<bool> {
        self.read(|db| journal::is_there(db, plan_number(db, plan)?, side, seq))
    }

    fn rewind(&mut self, plan: &str, side: Side) -> Result<()> {
        self.write("rewind", |db| journal::rewind(db, plan_number(db, plan)?, side))
    }

    fn pending(&mut self, plan: &str, limit: usize) -> Result<Vec<Entry>> {
        self.read(|db| journal::pending(db, plan_number(db, plan)?, limit))
    }

    fn later(&mut self, plan: &str, now: Timestamp, limit: usize) -> Result<Vec<Entry>> {
        self.read(|db| later::due(db, plan_number(db, plan)?, now, limit))
    }

    fn stage(&mut self, plan: &str, side: Side, rows: &[Staged], next: &Token, is_complete: bool) -> Result<()> {
        self.write("stage", |db| {
            let plan = plan_number(db, plan)?;
            staging::stage(db, plan, side, rows)?;
            journal::move_token(db, plan, side, Some(next), is_complete)
        })
    }

    fn matches(&mut self, plan: &str, limit: usize) -> Result<Vec<Match>> {
        self.read(|db| staging::matches(db, plan_number(db, plan)?, limit))
    }

    fn unstage(&mut self, plan: &str, rows: &[(Side, RemoteId)]) -> Result<()> {
        self.write("unstage", |db| staging::unstage(db, plan_number(db, plan)?, rows))
    }

    fn staged_count(&mut self, plan: &str) -> Result<Sides<u64>> {
        self.read(|db| staging::count(db, plan_number(db, plan)?))
    }

    fn link(&mut self, id: LinkId) -> Result<Option<Link>> {
        self.read(|db| links::link(db, id))
    }

    fn links_of(&mut self, plan: &str, side: Side, ids: &[RemoteId]) -> Result<Vec<Option<Link>>> {
        self.read(|db| links::links_of(db, plan_number(db, plan)?, side, ids))
    }

    fn links(&mut self, plan: &str, after: Option<LinkId>, limit: usize) -> Result<Vec<Link>> {
        self.read(|db| links::links(db, plan_number(db, plan)?, after, limit))
    }

    fn due(&mut self, plan: &str, now: Timestamp, limit: usize) -> Result<Vec<Link>> {
        self.read(|db| links::due(db, plan_number(db, plan)?, now, limit))
    }

    fn asked(&mut self, plan: &str, now: Timestamp, limit: usize) -> Result<Vec<Link>> {
        self.read(|db| links::asked(db, plan_number(db, plan)?, now, limit))
    }

    fn hasten(&mut self, now: Timestamp) -> Result<()> {
        self.write("hasten", |db| later::hasten(db, now))
    }

    fn ask_for_all(&mut self, plan: &str, due: Timestamp) -> Result<()> {
        self.write("ask_for_all", |db| later::ask_for_all(db, plan_number(db, plan)?, due))
    }

    fn waiting_for(&mut self, awaited_plan: &str, key: Option<&Value>, limit: usize) -> Result<Vec<Link>> {
        self.read(|db| links::waiting_for(db, awaited_plan, key, limit))
    }

    fn held(&mut self, plan: &str, limit: usize) -> Result<Vec<Link>> {
        self.read(|db| links::held(db, plan_number(db, plan)?, limit))
    }

    fn commit(&mut self, commits: &[Commit], done: &[(String, Side, u64)]) -> Result<Vec<LinkId>> {
        self.write("commit", |db| {
            let mut gone = Vec::new();
            for commit in commits {
                let plan = plan_number(db, &commit.link.plan)?;
                gone.extend(links::put(db, plan, &commit.link)?);
                failpoint::pass("commit", "link");
                views::put_ledger(db, plan, &commit.ledger)?;
                failpoint::pass("commit", "ledger");
                views::put_activity(db, &commit.activity)?;
                if let Some(summons) = &commit.summons {
                    later::summon(db, summons)?;
                    failpoint::pass("commit", "summons");
                }
            }
            for (plan, side, seq) in done {
                journal::finish(db, plan_number(db, plan)?, *side, *seq)?;
            }
            Ok(gone)
        })
    }

    fn conclude(&mut self, end: &Conclusion) -> Result<()> {
        self.write("conclude", |db| {
            for (plan, side, seq) in &end.done {
                journal::finish(db, plan_number(db, plan)?, *side, *seq)?;
            }
            failpoint::pass("conclude", "finished");
            for kept in &end.kept {
                later::keep(db, plan_number(db, &kept.plan)?, kept)?;
            }
            later::answer(db, &end.answered)?;
            later::ask(db, &end.asked)
        })
    }

    fn figures(&mut self, plan: &str) -> Result<Figures> {
        self.read(|db| views::figures(db, plan_number(db, plan)?))
    }

    fn activity(&mut self, link: LinkId, limit: usize) -> Result<Vec<Activity>> {
        self.read(|db| views::activity(db, link, limit))
    }

    fn activity_of(&mut self, plan: &str, key: &str, limit: usize) -> Result<Vec<Activity>> {
        self.read(|db| views::activity_of(db, plan_number(db, plan)?, key, limit))
    }

    fn forget_activity(&mut self, before: Timestamp, limit: usize) -> Result<u64> {
        self.write("forget_activity", |db| views::forget_activity(db, before, limit))
    }

    fn ledger(&mut self, plan: &str, limit: usize) -> Result<Vec<LedgerEntry>> {
        self.read(|db| views::ledger(db, plan_number(db, plan)?, limit))
    }
}
