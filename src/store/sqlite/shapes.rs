//! Plans become known; when their shapes change, what is remembered is carried over by field name.

use rusqlite::{Connection, OptionalExtension, params};

use super::image::{Bytes, SideNumber, read_record, write_record};
use super::revise::revise;
use super::{Outcome, bound, journal};
use crate::change::Side;
use crate::schema::Shape;
use crate::store::outline::{Outline, Revision};
use crate::value::{Record, Slot};

/// Rows that are read at once while they are carried over.
const PAGE_MAX: usize = 500;

pub fn open_plan(db: &Connection, plan: &str, outline: &Outline) -> Outcome<Revision> {
    let shapes = &outline.shapes;
    let known: Option<(i64, String, String)> = db
        .prepare_cached("SELECT num, left_shape, right_shape FROM plan WHERE name = ?1")?
        .query_row([plan], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let texts = [serde_json::to_string(&shapes[Side::Left])?, serde_json::to_string(&shapes[Side::Right])?];
    let Some((num, left, right)) = known else {
        db.execute(
            "INSERT INTO plan(name, left_shape, right_shape, phase, why) VALUES (?1, ?2, ?3, 'stopped', '')",
            params![plan, texts[0], texts[1]],
        )?;
        let revision = revise(db, db.last_insert_rowid(), outline)?;
        return Ok(Revision { is_new: true, ..revision });
    };
    for (side, old) in [(Side::Left, left), (Side::Right, right)] {
        let old: Shape = serde_json::from_str(&old)?;
        if old != shapes[side] {
            carry_over(db, num, side, &Carrier::new(&old, &shapes[side]))?;
        }
    }
    db.execute("UPDATE plan SET left_shape = ?2, right_shape = ?3 WHERE num = ?1", params![num, texts[0], texts[1]])?;
    revise(db, num, outline)
}

/// From old slots to new ones.
struct Carrier {
    /// For each new slot the old one with the same name and type family.
    from: Vec<Option<Slot>>,
}

impl Carrier {
    /// A field whose type is of another family now is as good as new: its old content would be compared with unlike things.
    fn new(old: &Shape, new: &Shape) -> Self {
        let from = |name: &str, kind: &crate::value::Kind| {
            let slot = old.slot(name)?;
            (std::mem::discriminant(&old.field(slot).kind) == std::mem::discriminant(kind)).then_some(slot)
        };
        Self { from: new.fields.iter().map(|it| from(&it.name, &it.kind)).collect() }
    }

    fn carry(&self, text: &str) -> Outcome<String> {
        let old = read_record(text)?;
        let mut new = Record::absent(self.from.len());
        for (slot, from) in (0u16..).map(Slot).zip(&self.from) {
            if let Some(from) = from
                && (from.0 as usize) < old.len()
            {
                new.set(slot, old.get(*from).clone());
            }
        }
        Ok(write_record(&new))
    }
}

fn carry_over(db: &Connection, plan: i64, side: Side, carrier: &Carrier) -> Outcome<()> {
    carry_links(db, plan, side, carrier)?;
    carry_journal(db, plan, side, carrier)?;
    restart_match_phase(db, plan)
}

fn carry_links(db: &Connection, plan: i64, side: Side, carrier: &Carrier) -> Outcome<()> {
    let mut after = Vec::new();
    loop {
        let ids: Vec<Bytes> = db
            .prepare_cached("SELECT id FROM link WHERE plan = ?1 AND id > ?2 ORDER BY id LIMIT ?3")?
            .query_map(params![plan, after, bound(PAGE_MAX)], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        let Some(last) = ids.last() else { return Ok(()) };
        after = last.0.as_bytes().to_vec();
        for id in ids {
            carry_link(db, id, side, carrier)?;
        }
    }
}

/// A payload has the shape of the side that is written, its base that of the other.
fn carry_link(db: &Connection, id: Bytes, side: Side, carrier: &Carrier) -> Outcome<()> {
    let shadow: Option<String> = db
        .prepare_cached("SELECT image FROM shadow WHERE link = ?1 AND side = ?2")?
        .query_row(params![id, SideNumber(side)], |row| row.get(0))
        .optional()?;
    if let Some(shadow) = shadow {
        db.prepare_cached("UPDATE shadow SET image = ?3 WHERE link = ?1 AND side = ?2")?.execute(params![
            id,
            SideNumber(side),
            carrier.carry(&shadow)?
        ])?;
    }
    let intents: Vec<(i64, SideNumber, String, String)> = db
        .prepare_cached("SELECT place, side, payload, base FROM intent WHERE link = ?1")?
        .query_map(params![id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?
        .collect::<rusqlite::Result<_>>()?;
    for (place, target, payload, base) in intents {
        let (sql, text) = if target.0 == side {
            ("UPDATE intent SET payload = ?3 WHERE link = ?1 AND place = ?2", payload)
        } else {
            ("UPDATE intent SET base = ?3 WHERE link = ?1 AND place = ?2", base)
        };
        db.prepare_cached(sql)?.execute(params![id, place, carrier.carry(&text)?])?;
    }
    Ok(())
}

fn carry_journal(db: &Connection, plan: i64, side: Side, carrier: &Carrier) -> Outcome<()> {
    carry_images(db, "journal", plan, side, carrier)?;
    carry_images(db, "later", plan, side, carrier)
}

fn carry_images(db: &Connection, table: &str, plan: i64, side: Side, carrier: &Carrier) -> Outcome<()> {
    let select = format!("SELECT seq, image FROM {table} WHERE plan = ?1 AND side = ?2 AND seq > ?3 ORDER BY seq LIMIT ?4");
    let update = format!("UPDATE {table} SET image = ?4 WHERE plan = ?1 AND side = ?2 AND seq = ?3");
    let mut after = 0i64;
    loop {
        let entries: Vec<(i64, Option<String>)> = db
            .prepare_cached(&select)?
            .query_map(params![plan, SideNumber(side), after, bound(PAGE_MAX)], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<rusqlite::Result<_>>()?;
        let Some((last, _)) = entries.last() else { return Ok(()) };
        after = *last;
        for (seq, image) in entries {
            if let Some(image) = image {
                db.prepare_cached(&update)?.execute(params![plan, SideNumber(side), seq, carrier.carry(&image)?])?;
            }
        }
    }
}

/// Staged rows were keyed by the old map and show its fields: the first reading starts anew.
pub fn restart_match_phase(db: &Connection, plan: i64) -> Outcome<()> {
    let is_matching: bool = db.query_row("SELECT EXISTS(SELECT 1 FROM staged WHERE plan = ?1)", [plan], |row| row.get(0))?;
    if is_matching {
        db.execute("DELETE FROM staged WHERE plan = ?1", [plan])?;
        for side in Side::BOTH {
            journal::move_token(db, plan, side, None, false)?;
        }
    }
    Ok(())
}
