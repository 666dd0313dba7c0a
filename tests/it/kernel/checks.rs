//! What must hold when users rest, every request has landed and the worker has come to rest.

use std::collections::HashSet;

use dwmap::change::{Seen, Side};
use dwmap::engine::link::{Link, LinkState};
use dwmap::value::{Record, Slot, Value};

use super::driver::Driver;
use super::plans::{CODE, Case, Field, GROUPED};
use super::world::{Halt, Overwrite, World, address, number, pair};

type Checked = Result<(), String>;

/// Every promise, in turn.
pub fn check(driver: &mut Driver) -> Checked {
    replay_writes_nothing(driver)?;
    both_sides_agree(driver)?;
    every_row_has_one_link(driver)?;
    nothing_is_doubled(driver)?;
    nothing_is_corrupted(driver)?;
    nothing_is_put_back(driver)?;
    nothing_is_lost(driver)?;
    nothing_is_torn_apart(driver)?;
    no_intent_is_open_on_a_moved_row(driver)
}

fn replay_writes_nothing(driver: &mut Driver) -> Checked {
    let writes = |driver: &Driver| driver.world.systems.map(|it| it.engine_writes);
    let before = writes(driver);
    let halted = |halt: Halt| match halt {
        Halt::Crash | Halt::Stall => "a crash at rest".to_owned(),
        Halt::Broken(why) => why,
    };
    driver.replay().map_err(halted)?;
    driver.settle().map_err(halted)?;
    if writes(driver) == before { Ok(()) } else { Err("a full replay of the feeds causes writes".to_owned()) }
}

fn both_sides_agree(driver: &Driver) -> Checked {
    let right = &driver.world.systems[Side::Right];
    for link in driver.store.links.values().filter(|it| it.state != LinkState::Dead) {
        if link.state == LinkState::Dormant {
            is_out(&driver.world, link)?;
            is_marked(&driver.world, link)?;
            continue;
        }
        if link.state == LinkState::PendingCreate {
            if waits_for_ever(&driver.world, link) {
                continue;
            }
            return Err(format!("a link is still pending: {:?}", link.hold));
        }
        let rows = link.ids.map(|it| it.clone()).0;
        let row = |side: Side| driver.world.systems[side].rows.get(rows[side.index()].as_ref()?);
        let (Some(a), Some(b)) = (row(Side::Left), row(Side::Right)) else {
            return Err(format!("a link has only one row: {:?} {:?}", link.ids, link.hold));
        };
        let parents = || dangles(&driver.world, &a.record, &b.record);
        if let Some(hold) = link.hold.as_ref().filter(|it| it.waits_on.is_none() || !parents()) {
            return Err(format!("a link is still held: {hold:?}"));
        }
        for ((slot, value), field) in b.record.slots().zip(&right.fields) {
            let shouted = a.record.get(driver.case.shouted(driver.version)).as_text();
            let wanted = match field {
                _ if driver.case.is_unmapped(driver.version, slot) => continue,
                // Nobody can shout what is not there.
                Field::Derived => shouted.map_or(Value::Null, |it| Value::text(it.to_uppercase())),
                Field::Parent if parents() => continue,
                Field::State => Value::text("IN"),
                Field::Parent => parent_of(&driver.world, a.record.get(slot)),
                Field::Key | Field::Text | Field::Amount | Field::Toggle | Field::Active => a.record.get(slot).clone(),
            };
            if right.keep(&wanted) != *value {
                return Err(format!("the sides differ in {field:?}: {wanted} and {value}"));
            }
        }
    }
    Ok(())
}

/// The row of a link that sleeps is out of the filter.
fn is_out(world: &World, link: &Link) -> Checked {
    let left = &world.systems[Side::Left];
    let active = left.fields.iter().position(|it| *it == Field::Active).map(|it| Slot(it as u16));
    let row = link.ids[Side::Left].as_ref().and_then(|it| left.rows.get(it));
    match (active, row) {
        (Some(slot), Some(row)) if *row.record.get(slot) != Value::text("on") => Ok(()),
        // It was deleted while it was out, and its partner was detached for good.
        (Some(_), None) => Ok(()),
        (_, row) => Err(format!("a link sleeps whose row takes part: {row:?}")),
    }
}

/// The partner of a row that left the filter, where the map marks it.
fn is_marked(world: &World, link: &Link) -> Checked {
    let right = &world.systems[Side::Right];
    let row = link.ids[Side::Right].as_ref().and_then(|it| right.rows.get(it));
    let state = right.fields.iter().position(|it| *it == Field::State).map(|it| Slot(it as u16));
    let (Some(row), Some(slot)) = (row, state) else { return Ok(()) };
    let is_out = *row.record.get(slot) == Value::text("OUT");
    if is_out { Ok(()) } else { Err(format!("a row whose partner left is not marked: {}", row.record.get(slot))) }
}

/// A row of the right side that refers to one that is gone cannot be made on the left.
fn waits_for_ever(world: &World, link: &Link) -> bool {
    let row = link.ids[Side::Right].as_ref().and_then(|it| world.systems[Side::Right].rows.get(it));
    let is_waiting = link.hold.as_ref().is_some_and(|it| it.waits_on.is_some());
    row.is_some_and(|it| is_waiting && dangles(world, &Record::absent(it.record.len()), &it.record))
}

/// What a reference of the left side is on the right.
fn parent_of(world: &World, key: &Value) -> Value {
    let right = &world.systems[Side::Right];
    right.find(&[Slot(0)], std::slice::from_ref(key)).map_or(Value::Null, |it| address(&it.id))
}

/// One of the rows refers to a row that is not there: nobody can carry that.
fn dangles(world: &World, left: &Record, right: &Record) -> bool {
    let parent = world.systems[Side::Right].fields.iter().position(|it| *it == Field::Parent);
    let Some(slot) = parent.map(|it| Slot(it as u16)) else { return false };
    let (left, right) = (left.get(slot), right.get(slot));
    (left.is_value() && parent_of(world, left) == Value::Null) || (right.is_value() && world.row_at(right).is_none())
}

fn every_row_has_one_link(driver: &Driver) -> Checked {
    for side in Side::BOTH {
        let links = driver.store.links.values().filter(|it| it.state != LinkState::Dead);
        let mut linked = HashSet::new();
        if !links.filter_map(|it| it.ids[side].as_ref()).all(|it| linked.insert(it)) {
            return Err("two links have the same row".to_owned());
        }
        let takes_part = |row: &Seen| {
            let fields = &driver.world.systems[side].fields;
            fields.iter().zip(row.record.values()).all(|(field, value)| *field != Field::Active || *value == Value::text("on"))
        };
        if let Some(row) = driver.world.systems[side].rows.values().find(|it| takes_part(it) && !linked.contains(&it.id)) {
            return Err(format!("the row {} of {side:?} has no link", row.id.0));
        }
    }
    Ok(())
}

fn nothing_is_doubled(driver: &Driver) -> Checked {
    for (side, system) in driver.world.systems.iter() {
        let mut seen = HashSet::new();
        for row in system.rows.values() {
            for (value, field) in row.record.values().iter().zip(&system.fields) {
                let is_numbered = matches!(field, Field::Text | Field::Amount);
                if is_numbered && number(value).is_some_and(|it| !seen.insert(it)) {
                    return Err(format!("{value} stands in two rows of {side:?}"));
                }
            }
        }
    }
    Ok(())
}

/// A value that came from the left stands there as it was written; one that came from the right as the right keeps it.
fn nothing_is_corrupted(driver: &Driver) -> Checked {
    let left = &driver.world.systems[Side::Left];
    for row in left.rows.values() {
        for ((slot, value), field) in row.record.slots().zip(&left.fields) {
            if !matches!(field, Field::Text | Field::Amount) {
                continue;
            }
            let Some(number) = number(value) else {
                // A version of the map that leaves the field alone makes rows without it.
                if driver.case == Case::Renewed && slot == Slot(CODE) && *value == Value::Null {
                    continue;
                }
                return Err(format!("{value} was never written"));
            };
            let (side, written) = &driver.world.lineage.origins[number as usize];
            let wanted = driver.world.systems[*side].keep(written);
            let by_way_of_the_right = driver.world.systems[Side::Right].keep(written);
            // An edited twin of a row is a user's row where no id says otherwise, or nobody knows the id any more. It gets a partner
            // of its own.
            let has_unknown_twins = matches!(driver.case, Case::NaturalKey | Case::Restored);
            let is_twins = has_unknown_twins && left.made.contains(&row.id);
            let came_by_the_right = is_twins || has_come_back(driver, slot, number);
            if wanted != *value && !(by_way_of_the_right == *value && came_by_the_right) {
                return Err(format!("{wanted} was written and became {value}"));
            }
        }
    }
    Ok(())
}

/// The left has the value back from the right, and is allowed to: it displaced a newer one.
fn has_come_back(driver: &Driver, slot: Slot, number: u64) -> bool {
    let written = driver.world.lineage.overwritten.iter().enumerate().filter(|(_, it)| it.slot == slot && it.new == number);
    written.into_iter().any(|(nth, it)| it.write.0 == Side::Left && (it.is_unseen || may_go_back(driver, nth)))
}

fn nothing_is_put_back(driver: &Driver) -> Checked {
    let lineage = &driver.world.lineage;
    for (nth, Overwrite { old, new, is_unseen, .. }) in lineage.overwritten.iter().enumerate() {
        if lineage.descends(*old, *new) && !is_unseen && !may_go_back(driver, nth) {
            return Err(format!("{old} was put back to the older {new}"));
        }
    }
    Ok(())
}

/// Why an older value may have displaced a newer one.
fn may_go_back(driver: &Driver, nth: usize) -> bool {
    let (lineage, ledger) = (&driver.world.lineage, &driver.store.ledger);
    let it = &lineage.overwritten[nth];
    let is_on_file = ledger.contains(&it.old);
    match driver.case {
        // Where a rule is new, nobody knows which of the two values is the older one: the policy decides.
        Case::Renewed => is_on_file && it.slot == Slot(CODE),
        // The field lost together with its fellow, which was edited on the winning side.
        Case::Grouped => {
            let is_fellow = |other: &&Overwrite| other.write == it.write && other.slot != it.slot;
            let fellows = lineage.overwritten.iter().filter(is_fellow);
            is_on_file && GROUPED.contains(&it.slot) && fellows.into_iter().any(|it| !lineage.descends(it.old, it.new))
        }
        // A row that one side made is matched with a user's row of the same key: no agreement is known, and the policy decides.
        Case::NaturalKey => is_on_file,
        // An older agreement takes what was carried since for an edit: two edits, and the policy decides.
        Case::Restored => is_on_file && driver.world.was_restored,
        Case::Unguarded => follows_a_race(driver, nth),
        Case::Plain
        | Case::Toggles
        | Case::Manual
        | Case::Derived
        | Case::Filter
        | Case::Marked
        | Case::Lookup
        | Case::Summoned => false,
    }
}

/// A late request had put an older value back before, into a row that had moved, in a system that did not mind. That value looks like
/// an edit since, and may win a conflict; and whoever edits it further knows nothing of what it displaced, nor of what that was
/// made from.
fn follows_a_race(driver: &Driver, nth: usize) -> bool {
    let (lineage, ledger) = (&driver.world.lineage, &driver.store.ledger);
    let it = &lineage.overwritten[nth];
    let mut races = lineage.overwritten[..nth].iter().filter(|race| race.is_unseen && race.slot == it.slot);
    races.any(|race| {
        let wins = race.new == it.new && ledger.contains(&it.old);
        wins || (lineage.descends(it.new, race.new) && lineage.descends(race.old, it.old))
    })
}

fn nothing_is_lost(driver: &Driver) -> Checked {
    let (lineage, ledger) = (&driver.world.lineage, &driver.store.ledger);
    for (nth, Overwrite { old, new, is_unseen, .. }) in lineage.overwritten.iter().enumerate() {
        let is_known = lineage.descends(*new, *old) || ledger.contains(old);
        if !is_known && !is_unseen && !follows_a_race(driver, nth) {
            return Err(format!("{old} was overwritten by {new} and is not in the ledger"));
        }
    }
    for &removed in &lineage.removed {
        // Whoever deletes a row that a late request had reached knows nothing of what that displaced.
        let mut races = lineage.overwritten.iter().filter(|race| race.is_unseen && lineage.descends(race.old, removed));
        let is_known = lineage.abandoned.iter().any(|it| lineage.descends(*it, removed))
            || races.any(|race| lineage.abandoned.iter().any(|it| lineage.descends(*it, race.new)));
        if !is_known && !ledger.contains(&removed) && !lineage.removed_unseen.contains(&removed) {
            return Err(format!("{removed} was deleted with its row and is not in the ledger"));
        }
    }
    Ok(())
}

/// Fields that win or lose together stand as some person left them together.
fn nothing_is_torn_apart(driver: &Driver) -> Checked {
    if driver.case != Case::Grouped {
        return Ok(());
    }
    let rows = driver.world.systems.0.iter().flat_map(|it| it.rows.values());
    match rows.map(pair).find(|it| !driver.world.pairs.contains(it)) {
        Some((name, code)) => Err(format!("nobody wrote {name} and {code} together")),
        None => Ok(()),
    }
}

fn no_intent_is_open_on_a_moved_row(driver: &Driver) -> Checked {
    // Without correlation, a dead link cannot tell its late create from another row, and never looks again.
    let counts = |link: &&Link| driver.world.has_correlation || link.state != LinkState::Dead;
    for link in driver.store.links.values().filter(counts) {
        for intent in &link.intents {
            let row = link.ids[intent.side].as_ref().and_then(|it| driver.world.systems[intent.side].rows.get(it));
            if row.map(|it| &it.version) != intent.expected.as_ref() {
                return Err(format!("an intent can never land and is still on file: {intent:?}"));
            }
        }
    }
    Ok(())
}
