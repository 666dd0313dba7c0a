//! A map becomes another version of itself: what is on file keeps its meaning, and what has a new meaning is looked at anew.
//!
//! Open requests name rules by number, so they are renumbered. Fields that belong to a rule which is new, or means something
//! else, are marked: the next look compares what stands there by the new rule, and writes only where the two sides differ.

use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};

use super::image::{Bytes, SideNumber, read_record, write_record};
use super::shapes::restart_match_phase;
use super::{Outcome, bound, journal, later};
use crate::change::Side;
use crate::store::desk::Load;
use crate::store::outline::{KnownRule, Outline, Revision, Succession};
use crate::value::Timestamp;

/// Links that are read at once.
const PAGE_MAX: usize = 500;

/// What was known of the map before.
#[derive(Serialize, Deserialize)]
struct Known {
    rules: Vec<KnownRule>,
    scope: String,
    policies: String,
}

impl Known {
    fn of(outline: &Outline) -> Self {
        let rules = outline.rules.iter().map(|it| it.known.clone()).collect();
        Self { rules, scope: outline.scope.clone(), policies: outline.policies.clone() }
    }
}

/// The shapes are carried over already.
pub fn revise(db: &Connection, plan: i64, outline: &Outline) -> Outcome<Revision> {
    let known: Option<String> =
        db.prepare_cached("SELECT body FROM outline WHERE plan = ?1")?.query_row([plan], |row| row.get(0)).optional()?;
    let body = serde_json::to_string(&Known::of(outline))?;
    // A state of an earlier dwmap says nothing of its rules, and is taken at its word.
    let revision = match known {
        Some(text) if text != body => {
            let known: Known = serde_json::from_str(&text)?;
            carry_out(db, plan, &known, outline)?
        }
        Some(_) => return Ok(Revision::default()),
        None => Revision::default(),
    };
    db.execute("INSERT OR REPLACE INTO outline(plan, body) VALUES (?1, ?2)", params![plan, body])?;
    Ok(revision)
}

fn carry_out(db: &Connection, plan: i64, old: &Known, new: &Outline) -> Outcome<Revision> {
    let succession = Succession::new(&old.rules, new);
    let revision = Revision {
        is_new: false,
        rules: succession.changed(),
        gone: succession.gone(&old.rules).into_iter().map(|it| it.label.clone()).collect(),
        has_other_scope: old.scope != new.scope,
        has_other_policies: old.policies != new.policies,
    };
    carry_links(db, plan, &succession)?;
    if revision.has_other_scope {
        restart_match_phase(db, plan)?;
        db.execute("UPDATE link SET key = '' WHERE plan = ?1 AND state = 1", [plan])?;
        read_all_again(db, plan)?;
    }
    if !revision.is_empty() {
        later::ask_for_all(db, plan, Timestamp::UNIX_EPOCH)?;
    }
    Ok(revision)
}

fn carry_links(db: &Connection, plan: i64, succession: &Succession<'_>) -> Outcome<()> {
    let mut after = Vec::new();
    loop {
        let links: Vec<(Bytes, bool)> = db
            .prepare_cached("SELECT id, state = 0 FROM link WHERE plan = ?1 AND id > ?2 ORDER BY id LIMIT ?3")?
            .query_map(params![plan, after, bound(PAGE_MAX)], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<rusqlite::Result<_>>()?;
        let Some((last, _)) = links.last() else { return Ok(()) };
        after = last.0.as_bytes().to_vec();
        for (id, is_pending) in links {
            renumber(db, id, succession)?;
            for side in Side::BOTH {
                mark(db, id, side, is_pending, succession)?;
            }
        }
    }
}

fn renumber(db: &Connection, id: Bytes, succession: &Succession<'_>) -> Outcome<()> {
    let intents: Vec<(i64, SideNumber, String, String)> = db
        .prepare_cached("SELECT place, side, payload, rules FROM intent WHERE link = ?1 AND rules <> '[]'")?
        .query_map([id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?
        .collect::<rusqlite::Result<_>>()?;
    for (place, side, payload, rules) in intents {
        let rules: Vec<u16> = serde_json::from_str(&rules)?;
        let now = succession.rules(side.0, &rules, &read_record(&payload)?);
        if now.is_empty() {
            db.prepare_cached("DELETE FROM intent WHERE link = ?1 AND place = ?2")?.execute(params![id, place])?;
        } else {
            let sql = "UPDATE intent SET rules = ?3 WHERE link = ?1 AND place = ?2";
            db.prepare_cached(sql)?.execute(params![id, place, serde_json::to_string(&now)?])?;
        }
    }
    Ok(())
}

fn mark(db: &Connection, id: Bytes, side: Side, is_pending: bool, succession: &Succession<'_>) -> Outcome<()> {
    if succession.has_no_marks(side) {
        return Ok(());
    }
    let shadow: Option<String> = db
        .prepare_cached("SELECT image FROM shadow WHERE link = ?1 AND side = ?2")?
        .query_row(params![id, SideNumber(side)], |row| row.get(0))
        .optional()?;
    let shadow = shadow.map(|it| read_record(&it)).transpose()?;
    if let Some(shadow) = succession.marked(side, shadow, is_pending) {
        db.prepare_cached("INSERT OR REPLACE INTO shadow(link, side, image) VALUES (?1, ?2, ?3)")?.execute(params![
            id,
            SideNumber(side),
            write_record(&shadow)
        ])?;
    }
    Ok(())
}

/// Rows that have no link may take part now. A map whose first reading is not finished reads them anyway.
fn read_all_again(db: &Connection, plan: i64) -> Outcome<()> {
    let is_live = journal::stream(db, plan, Side::Left)?.is_live && journal::stream(db, plan, Side::Right)?.is_live;
    if is_live {
        let load = Load { from: None, to: None, side: Side::Left, after: None, rows_read: 0, rows_taken: 0 };
        db.prepare_cached("INSERT OR REPLACE INTO load(plan, body) VALUES (?1, ?2)")?
            .execute(params![plan, serde_json::to_string(&load)?])?;
    }
    Ok(())
}
