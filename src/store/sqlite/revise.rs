//! A map becomes another version of itself: what is on file keeps its meaning, and what has a new meaning is looked at anew.
//!
//! Open requests name rules by number, so they are renumbered. Fields that belong to a rule which is new, or means something
//! else, are marked: the next look compares what stands there by the new rule, and writes only where the two sides differ.

use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};

use super::image::{Bytes, SideNumber, read_record, write_record};
use super::shapes::restart_match_phase;
use super::{Outcome, bound, journal, later};
use crate::change::{Side, Sides};
use crate::engine::link::rebased;
use crate::store::desk::Load;
use crate::store::outline::{KnownRule, Outline, Revision};
use crate::value::{Record, Slot, Timestamp};

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
            Renumbering::new(&known, outline).carry_out(db, plan, &known, outline)?
        }
        Some(_) => return Ok(Revision::default()),
        None => Revision::default(),
    };
    db.execute("INSERT OR REPLACE INTO outline(plan, body) VALUES (?1, ?2)", params![plan, body])?;
    Ok(revision)
}

/// From old rules to new ones.
struct Renumbering {
    /// For each old rule, its number now.
    successor: Vec<Option<u16>>,
    /// New rules that mean what no old one meant.
    changed: Vec<usize>,
}

impl Renumbering {
    fn new(old: &Known, new: &Outline) -> Self {
        let find = |is_it: &dyn Fn(&KnownRule) -> bool| new.rules.iter().position(|it| is_it(&it.known)).map(|it| it as u16);
        // A rule with another label and the same meaning is the same rule; one that kept its label took the place of the old one.
        let successor = |rule: &KnownRule| {
            find(&|it| it == rule).or_else(|| find(&|it| it.form == rule.form)).or_else(|| find(&|it| it.label == rule.label))
        };
        let is_changed = |index: &usize| old.rules.iter().all(|it| it.form != new.rules[*index].known.form);
        Self { successor: old.rules.iter().map(successor).collect(), changed: (0..new.rules.len()).filter(is_changed).collect() }
    }

    fn carry_out(&self, db: &Connection, plan: i64, old: &Known, new: &Outline) -> Outcome<Revision> {
        let label = |rule: &KnownRule| rule.label.clone();
        let gone = old.rules.iter().zip(&self.successor).filter(|(_, to)| to.is_none()).map(|(it, _)| label(it));
        let revision = Revision {
            is_new: false,
            rules: self.changed.iter().map(|&it| label(&new.rules[it].known)).collect(),
            gone: gone.collect(),
            has_other_scope: old.scope != new.scope,
            has_other_policies: old.policies != new.policies,
        };
        self.carry_links(db, plan, new)?;
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

    fn carry_links(&self, db: &Connection, plan: i64, new: &Outline) -> Outcome<()> {
        let marked = |side: Side| self.changed.iter().flat_map(|&it| new.rules[it].agreed[side].clone()).collect::<Vec<_>>();
        let marked = Sides::new(marked(Side::Left), marked(Side::Right));
        let mut after = Vec::new();
        loop {
            let links: Vec<(Bytes, bool)> = db
                .prepare_cached("SELECT id, state = 0 FROM link WHERE plan = ?1 AND id > ?2 ORDER BY id LIMIT ?3")?
                .query_map(params![plan, after, bound(PAGE_MAX)], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect::<rusqlite::Result<_>>()?;
            let Some((last, _)) = links.last() else { return Ok(()) };
            after = last.0.as_bytes().to_vec();
            for (id, is_pending) in links {
                self.renumber(db, id, new)?;
                for side in Side::BOTH {
                    mark(db, id, (side, &marked[side]), new.shapes[side].fields.len(), is_pending)?;
                }
            }
        }
    }

    /// A request whose rule is gone belongs to the rules that write its fields now. Without any, its fields are none of the map's
    /// business, and neither is it.
    fn renumber(&self, db: &Connection, id: Bytes, new: &Outline) -> Outcome<()> {
        let intents: Vec<(i64, SideNumber, String, String)> = db
            .prepare_cached("SELECT place, side, payload, rules FROM intent WHERE link = ?1 AND rules <> '[]'")?
            .query_map([id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?
            .collect::<rusqlite::Result<_>>()?;
        for (place, side, payload, rules) in intents {
            let rules: Vec<u16> = serde_json::from_str(&rules)?;
            let mut now: Vec<u16> =
                rules.iter().filter_map(|&it| self.successor.get(usize::from(it)).copied().flatten()).collect();
            if now.len() < rules.len() {
                let payload = read_record(&payload)?;
                let writes = |it: &usize| new.rules[*it].written[side.0].iter().any(|&slot| payload.get(slot).is_known());
                now.extend((0..new.rules.len()).filter(writes).map(|it| it as u16));
            }
            now.sort_unstable();
            now.dedup();
            if now.is_empty() {
                db.prepare_cached("DELETE FROM intent WHERE link = ?1 AND place = ?2")?.execute(params![id, place])?;
            } else {
                let sql = "UPDATE intent SET rules = ?3 WHERE link = ?1 AND place = ?2";
                db.prepare_cached(sql)?.execute(params![id, place, serde_json::to_string(&now)?])?;
            }
        }
        Ok(())
    }
}

/// Marks the agreement on these fields. A create that is under way has none yet, and is told what will not be agreed upon.
fn mark(db: &Connection, id: Bytes, (side, slots): (Side, &[Slot]), fields: usize, is_pending: bool) -> Outcome<()> {
    if slots.is_empty() {
        return Ok(());
    }
    let shadow: Option<String> = db
        .prepare_cached("SELECT image FROM shadow WHERE link = ?1 AND side = ?2")?
        .query_row(params![id, SideNumber(side)], |row| row.get(0))
        .optional()?;
    let mut shadow = match shadow {
        Some(text) => read_record(&text)?,
        None if is_pending => Record::absent(fields),
        None => return Ok(()),
    };
    for &slot in slots {
        let value = rebased(shadow.get(slot));
        shadow.set(slot, value);
    }
    db.prepare_cached("INSERT OR REPLACE INTO shadow(link, side, image) VALUES (?1, ?2, ?3)")?.execute(params![
        id,
        SideNumber(side),
        write_record(&shadow)
    ])?;
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
