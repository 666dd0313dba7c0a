//! The match phase: the first reading of both sides, grouped by key.

use rusqlite::{Connection, params};

use super::image::{Bytes, Nanos, SideNumber, read_value, write_record, write_value};
use super::journal::seen;
use super::{Outcome, bound};
use crate::change::{RemoteId, Side, Sides};
use crate::store::{Match, Staged};

/// A row that was staged before is replaced: the later reading is the truer one.
pub fn stage(db: &Connection, plan: i64, side: Side, rows: &[Staged]) -> Outcome<()> {
    let mut insert = db.prepare_cached(
        "INSERT OR REPLACE INTO staged(plan, side, row, key, version, image, modified, correlation, problem)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?;
    for Staged { seen, key } in rows {
        insert.execute(params![
            plan,
            SideNumber(side),
            seen.id.0,
            key.as_ref().map(write_value),
            seen.version.0,
            write_record(&seen.record),
            seen.modified.map(Nanos),
            seen.correlation.map(Bytes::from),
            seen.problem,
        ])?;
    }
    Ok(())
}

/// Whole groups until there are `limit` rows: a group that was cut would hide that its key is not unique.
pub fn matches(db: &Connection, plan: i64, limit: usize) -> Outcome<Vec<Match>> {
    let mut out = keyed(db, plan, limit)?;
    let read: usize = out.iter().map(|it| it.rows.0[0].len() + it.rows.0[1].len()).sum();
    if read < limit {
        out.extend(keyless(db, plan, limit - read)?);
    }
    Ok(out)
}

fn keyed(db: &Connection, plan: i64, limit: usize) -> Outcome<Vec<Match>> {
    let mut select = db.prepare_cached(
        "SELECT row, version, image, modified, correlation, problem, side, key FROM staged
         WHERE plan = ?1 AND key IS NOT NULL ORDER BY key, side, row",
    )?;
    let mut rows = select.query(params![plan])?;
    let (mut out, mut last, mut read) = (Vec::<Match>::new(), String::new(), 0);
    while let Some(row) = rows.next()? {
        let key: String = row.get(7)?;
        if out.is_empty() || key != last {
            if read >= limit {
                break;
            }
            out.push(Match { key: Some(read_value(&key)?), rows: Sides::default() });
            last = key;
        }
        let side: SideNumber = row.get(6)?;
        let group = out.last_mut().expect("a group was begun for the first row");
        group.rows[side.0].push(seen(row)?);
        read += 1;
    }
    Ok(out)
}

/// Rows without a key have nothing in common: each is a group of its own.
fn keyless(db: &Connection, plan: i64, limit: usize) -> Outcome<Vec<Match>> {
    let mut select = db.prepare_cached(
        "SELECT row, version, image, modified, correlation, problem, side FROM staged
         WHERE plan = ?1 AND key IS NULL ORDER BY side, row LIMIT ?2",
    )?;
    let mut rows = select.query(params![plan, bound(limit)])?;
    let mut out = Vec::new();
    while let Some(row) = rows.next()? {
        let side: SideNumber = row.get(6)?;
        let mut group = Match { key: None, rows: Sides::default() };
        group.rows[side.0].push(seen(row)?);
        out.push(group);
    }
    Ok(out)
}

pub fn unstage(db: &Connection, plan: i64, rows: &[(Side, RemoteId)]) -> Outcome<()> {
    let mut delete = db.prepare_cached("DELETE FROM staged WHERE plan = ?1 AND side = ?2 AND row = ?3")?;
    for (side, id) in rows {
        delete.execute(params![plan, SideNumber(*side), id.0])?;
    }
    Ok(())
}

pub fn count(db: &Connection, plan: i64) -> Outcome<Sides<u64>> {
    let mut select = db.prepare_cached("SELECT count(*) FROM staged WHERE plan = ?1 AND side = ?2")?;
    let mut count = |side| select.query_row(params![plan, SideNumber(side)], |row| row.get::<_, i64>(0));
    Ok(Sides::new(count(Side::Left)?.unsigned_abs(), count(Side::Right)?.unsigned_abs()))
}
