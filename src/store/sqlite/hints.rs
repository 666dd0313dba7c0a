//! Rows that push messages named: written by the receiver, struck out by whoever has looked.

use std::path::Path;

use rusqlite::{Connection, params};

use super::image::Nanos;
use super::{Outcome, Sqlite, bound};
use crate::change::{Hint, RemoteId};
use crate::store::{HintNumber, Noted, Result};
use crate::value::Timestamp;

/// Most rows of one system that wait by name; beyond it only their entity is noted, and the feed tells which they were.
const HINTS_MAX: i64 = 100_000;

/// A second way into the state file of this process, on which nothing but hints is written: the receiver answers when a hint is on
/// the disk, and does not wait for a round to end.
#[derive(Debug)]
pub struct Inbox {
    db: Connection,
    path: String,
}

impl Inbox {
    /// Opens the state file that this process holds.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let name = path.display().to_string();
        let db = Sqlite::second_connection(path)?;
        Ok(Self { db, path: name })
    }

    /// On the disk when it returns.
    pub fn note(&mut self, system: &str, hint: &Hint, at: Timestamp) -> Result<()> {
        let write = |db: &mut Connection| -> Outcome<()> {
            let tx = db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
            put(&tx, system, hint, at)?;
            tx.commit()?;
            Ok(())
        };
        write(&mut self.db).map_err(|fault| fault.at(&self.path))
    }
}

fn put(db: &Connection, system: &str, hint: &Hint, at: Timestamp) -> Outcome<()> {
    let waiting: i64 = db.prepare_cached("SELECT count(*) FROM hint WHERE system = ?1")?.query_row([system], |row| row.get(0))?;
    let row = hint.row.as_ref().filter(|_| waiting < HINTS_MAX).map_or("", |it| it.0.as_str());
    db.prepare_cached("INSERT OR REPLACE INTO hint(system, entity, row, at) VALUES (?1, ?2, ?3, ?4)")?.execute(params![
        system,
        hint.entity,
        row,
        Nanos(at)
    ])?;
    Ok(())
}

/// The oldest hints.
pub fn hints(db: &Connection, limit: usize) -> Outcome<Vec<Noted>> {
    let mut select = db.prepare_cached("SELECT num, system, entity, row FROM hint ORDER BY num LIMIT ?1")?;
    let noted = |row: &rusqlite::Row<'_>| {
        let name: String = row.get(3)?;
        let hint = Hint { entity: row.get(2)?, row: (!name.is_empty()).then_some(RemoteId(name)) };
        Ok(Noted { number: HintNumber(row.get(0)?), system: row.get(1)?, hint })
    };
    let all = select.query_map([bound(limit)], noted)?.collect::<rusqlite::Result<_>>()?;
    Ok(all)
}

/// Strikes hints out. One that came again meanwhile has another number, and stays.
pub fn strike_out(db: &Connection, numbers: &[HintNumber]) -> Outcome<()> {
    let mut delete = db.prepare_cached("DELETE FROM hint WHERE num = ?1")?;
    for number in numbers {
        delete.execute([number.0])?;
    }
    Ok(())
}
