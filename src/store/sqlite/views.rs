//! What people look at: phases, figures, histories, and the values that were displaced.

use rusqlite::{Connection, Row, Rows, params};

use super::image::{Bytes, Nanos, SideNumber, read_value, write_value};
use super::links::state_number;
use super::{Fault, Outcome, bound, plan_number};
use crate::change::LinkId;
use crate::engine::link::{Activity, ActivityKind, LedgerEntry, LinkState, OpId};
use crate::store::{Figures, Phase};
use crate::value::Timestamp;

const PHASES: [(Phase, &str); 6] = [
    (Phase::Stopped, "stopped"),
    (Phase::Initializing, "initializing"),
    (Phase::CatchingUp, "catching_up"),
    (Phase::Running, "running"),
    (Phase::Paused, "paused"),
    (Phase::Blocked, "blocked"),
];

/// The name of a phase in the file and in all answers.
pub fn phase_name(phase: Phase) -> &'static str {
    PHASES.iter().find(|(known, _)| *known == phase).expect("the table has every phase").1
}

pub fn phase(db: &Connection, plan: &str) -> Outcome<(Phase, String)> {
    let plan = plan_number(db, plan)?;
    let (name, why): (String, String) = db
        .prepare_cached("SELECT phase, why FROM plan WHERE num = ?1")?
        .query_row([plan], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let known = PHASES.iter().find(|(_, known)| *known == name);
    let (phase, _) = known.ok_or_else(|| Fault::Said(format!("`{name}` is no phase; use the dwmap that wrote it")))?;
    Ok((*phase, why))
}

pub fn set_phase(db: &Connection, plan: &str, phase: Phase, why: &str) -> Outcome<()> {
    let plan = plan_number(db, plan)?;
    db.prepare_cached("UPDATE plan SET phase = ?2, why = ?3 WHERE num = ?1")?.execute(params![plan, phase_name(phase), why])?;
    Ok(())
}

pub fn figures(db: &Connection, plan: i64) -> Outcome<Figures> {
    let count = |sql: &str| Ok::<_, Fault>(db.prepare_cached(sql)?.query_row([plan], |row| row.get::<_, i64>(0))?.unsigned_abs());
    let links = |state| {
        let sum = "SELECT coalesce(sum(links), 0) FROM tally WHERE plan = ?1 AND state = ?2";
        let found = db.prepare_cached(sum)?.query_row(params![plan, state_number(state)], |row| row.get::<_, i64>(0))?;
        Ok::<_, Fault>(found.unsigned_abs())
    };
    let oldest: Option<Nanos> = db
        .prepare_cached(
            "SELECT min(at) FROM (
               SELECT * FROM (SELECT at FROM journal WHERE plan = ?1 AND side = 0 ORDER BY seq LIMIT 1)
               UNION ALL SELECT * FROM (SELECT at FROM journal WHERE plan = ?1 AND side = 1 ORDER BY seq LIMIT 1))",
        )?
        .query_row([plan], |row| row.get(0))?;
    Ok(Figures {
        live: links(LinkState::Live)?,
        pending: links(LinkState::PendingCreate)?,
        dormant: links(LinkState::Dormant)?,
        dead: links(LinkState::Dead)?,
        held: count("SELECT count(*) FROM hold WHERE plan = ?1")?,
        conflicts: count("SELECT count(*) FROM conflict WHERE plan = ?1")?,
        queued: count("SELECT count(*) FROM journal WHERE plan = ?1")?,
        oldest_queued: oldest.map(|it| it.0),
        ledger: count("SELECT count(*) FROM ledger WHERE plan = ?1")?,
    })
}

pub fn put_activity(db: &Connection, lines: &[Activity]) -> Outcome<()> {
    for line in lines {
        db.prepare_cached("INSERT INTO activity(link, op, at, kind, text) VALUES (?1, ?2, ?3, ?4, ?5)")?.execute(params![
            Bytes::from(line.link),
            Bytes::from(line.op),
            Nanos(line.at),
            serde_json::to_string(&line.kind)?,
            line.text
        ])?;
    }
    Ok(())
}

/// The last lines of a link's history, the latest first.
pub fn activity(db: &Connection, link: LinkId, limit: usize) -> Outcome<Vec<Activity>> {
    let mut select =
        db.prepare_cached("SELECT link, op, at, kind, text FROM activity WHERE link = ?1 ORDER BY num DESC LIMIT ?2")?;
    let mut rows = select.query(params![Bytes::from(link), bound(limit)])?;
    let mut out = Vec::new();
    while let Some(row) = rows.next()? {
        out.push(line(row)?);
    }
    Ok(out)
}

/// The same of all links that carry this key, as people write it.
pub fn activity_of(db: &Connection, plan: i64, key: &str, limit: usize) -> Outcome<Vec<Activity>> {
    let mut select = db.prepare_cached(
        "SELECT activity.link, op, at, kind, text FROM activity JOIN link ON link.id = activity.link
         WHERE link.plan = ?1 AND link.key = ?2 ORDER BY num DESC LIMIT ?3",
    )?;
    let mut rows = select.query(params![plan, key, bound(limit)])?;
    let mut out = Vec::new();
    while let Some(row) = rows.next()? {
        out.push(line(row)?);
    }
    Ok(out)
}

pub fn line(row: &Row<'_>) -> Outcome<Activity> {
    let (link, op, at): (Bytes, Bytes, Nanos) = (row.get(0)?, row.get(1)?, row.get(2)?);
    let kind: ActivityKind = serde_json::from_str(&row.get::<_, String>(3)?)?;
    Ok(Activity { link: LinkId(link.0), op: OpId(op.0), at: at.0, kind, text: row.get(4)? })
}

/// Lines are numbered as they are written, so the oldest stand first; those of records with open matters stay, and so does
/// every displaced value. Looks at no more lines than it may forget, and at those that stay.
pub fn forget_activity(db: &Connection, before: Timestamp, limit: usize) -> Outcome<u64> {
    let open = "SELECT link FROM hold UNION SELECT link FROM conflict";
    let kept: i64 =
        db.prepare_cached(&format!("SELECT count(*) FROM activity WHERE link IN ({open})"))?.query_row([], |row| row.get(0))?;
    let forgotten = db
        .prepare_cached(&format!(
            "DELETE FROM activity WHERE num IN (SELECT num FROM activity ORDER BY num LIMIT ?2) AND at < ?1 AND link NOT IN ({open})"
        ))?
        .execute(params![Nanos(before), bound(limit).saturating_add(kept)])?;
    db.prepare_cached("DELETE FROM act WHERE num IN (SELECT num FROM act ORDER BY num LIMIT ?2) AND at < ?1")?
        .execute(params![Nanos(before), bound(limit)])?;
    Ok(forgotten as u64)
}

pub fn put_ledger(db: &Connection, plan: i64, entries: &[LedgerEntry]) -> Outcome<()> {
    for entry in entries {
        db.prepare_cached(
            "INSERT INTO ledger(plan, link, op, at, rule, side, loser, winner, policy) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?
        .execute(params![
            plan,
            Bytes::from(entry.link),
            Bytes::from(entry.op),
            Nanos(entry.at),
            entry.rule,
            SideNumber(entry.side),
            write_value(&entry.loser),
            write_value(&entry.winner),
            entry.policy
        ])?;
    }
    Ok(())
}

/// The last displaced values, the latest first.
pub fn ledger(db: &Connection, plan: i64, limit: usize) -> Outcome<Vec<LedgerEntry>> {
    let mut select = db.prepare_cached(
        "SELECT link, op, at, rule, side, loser, winner, policy FROM ledger WHERE plan = ?1 ORDER BY num DESC LIMIT ?2",
    )?;
    entries(select.query(params![plan, bound(limit)])?)
}

/// The same of one record.
pub fn ledger_of(db: &Connection, link: LinkId, limit: usize) -> Outcome<Vec<LedgerEntry>> {
    let mut select = db.prepare_cached(
        "SELECT link, op, at, rule, side, loser, winner, policy FROM ledger WHERE link = ?1 ORDER BY num DESC LIMIT ?2",
    )?;
    entries(select.query(params![Bytes::from(link), bound(limit)])?)
}

fn entries(mut rows: Rows<'_>) -> Outcome<Vec<LedgerEntry>> {
    let mut out = Vec::new();
    while let Some(row) = rows.next()? {
        let (link, op, at, side): (Bytes, Bytes, Nanos, SideNumber) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(4)?);
        out.push(LedgerEntry {
            link: LinkId(link.0),
            op: OpId(op.0),
            at: at.0,
            rule: row.get(3)?,
            side: side.0,
            loser: read_value(&row.get::<_, String>(5)?)?,
            winner: read_value(&row.get::<_, String>(6)?)?,
            policy: row.get(7)?,
        });
    }
    Ok(out)
}
