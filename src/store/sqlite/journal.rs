//! Where the feeds stand, and the changes that wait.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::image::{Bytes, Nanos, SideNumber, read_record, write_record};
use super::{Outcome, bound};
use crate::change::{Change, LinkId, RemoteId, Seen, Side, Token, Version};
use crate::store::{Entry, Stream};
use crate::value::Timestamp;

pub fn stream(db: &Connection, plan: i64, side: Side) -> Outcome<Stream> {
    let found = db
        .prepare_cached("SELECT token, is_live, last_seq FROM stream WHERE plan = ?1 AND side = ?2")?
        .query_row(params![plan, SideNumber(side)], |row| {
            Ok(Stream {
                token: row.get::<_, Option<String>>(0)?.map(Token),
                is_live: row.get(1)?,
                last_seq: row.get::<_, i64>(2)?.unsigned_abs(),
                done_seq: 0,
            })
        })
        .optional()?;
    let mut stream = found.unwrap_or_default();
    let first: Option<i64> = db
        .prepare_cached("SELECT min(seq) FROM journal WHERE plan = ?1 AND side = ?2")?
        .query_row(params![plan, SideNumber(side)], |row| row.get(0))?;
    stream.done_seq = first.map_or(stream.last_seq, |it| it.unsigned_abs() - 1);
    Ok(stream)
}

/// Sets the token; the sequence numbers go on.
pub fn move_token(db: &Connection, plan: i64, side: Side, token: Option<&Token>, is_live: bool) -> Outcome<()> {
    db.prepare_cached(
        "INSERT INTO stream(plan, side, token, is_live, last_seq) VALUES (?1, ?2, ?3, ?4, 0)
         ON CONFLICT DO UPDATE SET token = excluded.token, is_live = excluded.is_live",
    )?
    .execute(params![plan, SideNumber(side), token.map(|it| it.0.as_str()), is_live])?;
    Ok(())
}

pub fn rewind(db: &Connection, plan: i64, side: Side) -> Outcome<()> {
    db.prepare_cached("UPDATE stream SET token = NULL WHERE plan = ?1 AND side = ?2")?
        .execute(params![plan, SideNumber(side)])?;
    Ok(())
}

pub fn append(db: &Connection, plan: i64, side: Side, changes: &[Change], at: Timestamp) -> Outcome<()> {
    let last: i64 = db
        .prepare_cached(
            "INSERT INTO stream(plan, side, is_live, last_seq) VALUES (?1, ?2, 0, ?3)
             ON CONFLICT DO UPDATE SET last_seq = last_seq + excluded.last_seq RETURNING last_seq",
        )?
        .query_row(params![plan, SideNumber(side), bound(changes.len())], |row| row.get(0))?;
    let mut insert = db.prepare_cached(
        "INSERT INTO journal(plan, side, seq, at, row, version, image, modified, correlation, problem)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?;
    for (seq, change) in (last - bound(changes.len()) + 1..).zip(changes) {
        let seen = match change {
            Change::Upsert(seen) => Some(seen),
            Change::Delete { .. } => None,
        };
        insert.execute(params![
            plan,
            SideNumber(side),
            seq,
            Nanos(at),
            change.id().0,
            seen.map(|it| it.version.0.as_str()),
            seen.map(|it| write_record(&it.record)),
            seen.and_then(|it| it.modified).map(Nanos),
            seen.and_then(|it| it.correlation).map(Bytes::from),
            seen.and_then(|it| it.problem.as_deref()),
        ])?;
    }
    Ok(())
}

pub fn finish(db: &Connection, plan: i64, side: Side, seq: u64) -> Outcome<()> {
    let seq = i64::try_from(seq).unwrap_or(i64::MAX);
    for sql in [
        "DELETE FROM journal WHERE plan = ?1 AND side = ?2 AND seq = ?3",
        "DELETE FROM later WHERE plan = ?1 AND side = ?2 AND seq = ?3",
    ] {
        if db.prepare_cached(sql)?.execute(params![plan, SideNumber(side), seq])? > 0 {
            return Ok(());
        }
    }
    Ok(())
}

pub fn is_there(db: &Connection, plan: i64, side: Side, seq: u64) -> Outcome<bool> {
    let found = db
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM journal WHERE plan = ?1 AND side = ?2 AND seq = ?3)
                 OR EXISTS (SELECT 1 FROM later WHERE plan = ?1 AND side = ?2 AND seq = ?3)",
        )?
        .query_row(params![plan, SideNumber(side), i64::try_from(seq).unwrap_or(i64::MAX)], |row| row.get(0))?;
    Ok(found)
}

/// The first entries of each side, merged by their times; within a side the sequence numbers decide, whatever the clock said.
pub fn pending(db: &Connection, plan: i64, limit: usize) -> Outcome<Vec<Entry>> {
    let mut left = first(db, plan, Side::Left, limit)?.into_iter().peekable();
    let mut right = first(db, plan, Side::Right, limit)?.into_iter().peekable();
    let mut out = Vec::new();
    while out.len() < limit {
        let is_left = match (left.peek(), right.peek()) {
            (Some(left), Some(right)) => left.at <= right.at,
            (Some(_), None) => true,
            (None, _) => false,
        };
        match if is_left { left.next() } else { right.next() } {
            Some(entry) => out.push(entry),
            None => break,
        }
    }
    Ok(out)
}

fn first(db: &Connection, plan: i64, side: Side, limit: usize) -> Outcome<Vec<Entry>> {
    let mut select = db.prepare_cached(
        "SELECT row, version, image, modified, correlation, problem, seq, at FROM journal
         WHERE plan = ?1 AND side = ?2 ORDER BY seq LIMIT ?3",
    )?;
    let mut rows = select.query(params![plan, SideNumber(side), bound(limit)])?;
    let mut out = Vec::new();
    while let Some(row) = rows.next()? {
        let change = match row.get::<_, Option<String>>(1)? {
            Some(_) => Change::Upsert(seen(row)?),
            None => Change::Delete { id: RemoteId(row.get(0)?) },
        };
        let at: Nanos = row.get(7)?;
        out.push(Entry { side, seq: row.get::<_, i64>(6)?.unsigned_abs(), change, at: at.0, unconfirmed_since: None });
    }
    Ok(out)
}

/// A seen row from the columns row, version, image, modified, correlation, problem, in this order from the first.
pub fn seen(row: &Row<'_>) -> Outcome<Seen> {
    Ok(Seen {
        id: RemoteId(row.get(0)?),
        version: Version(row.get(1)?),
        record: read_record(row.get_ref(2)?.as_str().map_err(rusqlite::Error::from)?)?,
        modified: row.get::<_, Option<Nanos>>(3)?.map(|it| it.0),
        correlation: row.get::<_, Option<Bytes>>(4)?.map(|it| LinkId(it.0)),
        problem: row.get(5)?,
    })
}
