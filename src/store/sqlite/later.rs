//! What is looked at again: changes that a look did not show as they were told, and links that somebody asked for.

use rusqlite::{Connection, params};

use super::image::{Bytes, Nanos, SideNumber};
use super::journal::{self, seen};
use super::{Outcome, bound, plan_number};
use crate::change::{Change, LinkId, RemoteId, Side};
use crate::engine::link::Summons;
use crate::store::{Entry, Kept};
use crate::value::Timestamp;

/// Rows of a map that are to be looked at now, beyond which no row is summoned.
const SUMMONED_MAX: usize = 1_000;

pub fn due(db: &Connection, plan: i64, now: Timestamp, limit: usize) -> Outcome<Vec<Entry>> {
    let mut select = db.prepare_cached(
        "SELECT row, version, image, modified, correlation, problem, side, seq, at, since FROM later
         WHERE plan = ?1 AND due <= ?2 ORDER BY due, side, seq LIMIT ?3",
    )?;
    let mut rows = select.query(params![plan, Nanos(now), bound(limit)])?;
    let mut out = Vec::new();
    while let Some(row) = rows.next()? {
        let change = match row.get::<_, Option<String>>(1)? {
            Some(_) => Change::Upsert(seen(row)?),
            None => Change::Delete { id: RemoteId(row.get(0)?) },
        };
        let (side, at): (SideNumber, Nanos) = (row.get(6)?, row.get(8)?);
        let unconfirmed_since = row.get::<_, Option<Nanos>>(9)?.map(|it| it.0);
        out.push(Entry { side: side.0, seq: row.get::<_, i64>(7)?.unsigned_abs(), change, at: at.0, unconfirmed_since });
    }
    Ok(out)
}

/// Moves an entry out of the journal, or to a later hour.
pub fn keep(db: &Connection, plan: i64, kept: &Kept) -> Outcome<()> {
    let seq = i64::try_from(kept.seq).unwrap_or(i64::MAX);
    let (side, since) = (SideNumber(kept.side), kept.since.map(Nanos));
    db.prepare_cached(
        "INSERT INTO later(plan, side, seq, at, row, version, image, modified, correlation, problem, due)
         SELECT plan, side, seq, at, row, version, image, modified, correlation, problem, ?4 FROM journal
         WHERE plan = ?1 AND side = ?2 AND seq = ?3",
    )?
    .execute(params![plan, side, seq, Nanos(kept.due)])?;
    db.prepare_cached("UPDATE later SET due = ?4, since = ?5 WHERE plan = ?1 AND side = ?2 AND seq = ?3")?.execute(params![
        plan,
        side,
        seq,
        Nanos(kept.due),
        since
    ])?;
    db.prepare_cached("DELETE FROM journal WHERE plan = ?1 AND side = ?2 AND seq = ?3")?.execute(params![plan, side, seq])?;
    Ok(())
}

/// Has a row looked at before those that wait in the journal. One that is to be looked at by then already is not noted twice, and
/// where too many are, none is noted: whoever waits for the row asks again.
pub fn summon(db: &Connection, summons: &Summons) -> Outcome<()> {
    let (Summons { side, row, at, .. }, plan) = (summons, plan_number(db, &summons.plan)?);
    let (count, is_due): (usize, bool) = db
        .prepare_cached(
            "SELECT count(*), coalesce(max(side = ?3 AND row = ?4), 0)
             FROM (SELECT side, row FROM later WHERE plan = ?1 AND due <= ?2 LIMIT ?5)",
        )?
        .query_row(params![plan, Nanos(*at), SideNumber(*side), row.id.0, bound(SUMMONED_MAX)], |it| {
            Ok((it.get::<_, i64>(0)?.unsigned_abs() as usize, it.get(1)?))
        })?;
    if is_due || count >= SUMMONED_MAX {
        return Ok(());
    }
    note(db, &summons.plan, *side, &Change::Upsert(row.clone()), *at).map(drop)
}

/// Has a change looked at before those that wait in the journal; its number.
pub fn note(db: &Connection, name: &str, side: Side, change: &Change, at: Timestamp) -> Outcome<u64> {
    let plan = plan_number(db, name)?;
    journal::append(db, plan, side, std::slice::from_ref(change), at)?;
    let seq = journal::stream(db, plan, side)?.last_seq;
    keep(db, plan, &Kept { plan: name.to_owned(), side, seq, due: at, since: None })?;
    Ok(seq)
}

pub fn hasten(db: &Connection, now: Timestamp) -> Outcome<()> {
    db.prepare_cached("UPDATE later SET due = ?1 WHERE due > ?1")?.execute(params![Nanos(now)])?;
    db.prepare_cached("UPDATE asked SET due = ?1 WHERE due > ?1")?.execute(params![Nanos(now)])?;
    Ok(())
}

pub fn ask_for_all(db: &Connection, plan: i64, due: Timestamp) -> Outcome<()> {
    db.prepare_cached(
        "INSERT OR REPLACE INTO asked(link, plan, due) SELECT id, plan, ?2 FROM link WHERE plan = ?1 AND state <> 3",
    )?
    .execute(params![plan, Nanos(due)])?;
    Ok(())
}

/// A link that was asked for already keeps its earlier hour.
pub fn ask(db: &Connection, links: &[(LinkId, Timestamp)]) -> Outcome<()> {
    for (link, due) in links {
        db.prepare_cached(
            "INSERT INTO asked(link, plan, due) SELECT id, plan, ?2 FROM link WHERE id = ?1
             ON CONFLICT DO UPDATE SET due = min(due, excluded.due)",
        )?
        .execute(params![Bytes::from(*link), Nanos(*due)])?;
    }
    Ok(())
}

pub fn answer(db: &Connection, links: &[LinkId]) -> Outcome<()> {
    for link in links {
        db.prepare_cached("DELETE FROM asked WHERE link = ?1")?.execute(params![Bytes::from(*link)])?;
    }
    Ok(())
}
