//! What must hold when users rest, every request has landed and the worker has come to rest.

use std::collections::HashSet;

use dwmap::change::{Seen, Side};
use dwmap::engine::link::{Link, LinkState};
use dwmap::value::{Record, Slot, Value};

use super::driver::Driver;
use super::plans::{Case, Field};
use super::world::{Halt, World, address, number, pair};

type Checked = Result<(), String>;

/// Every promise, in turn.
pub fn check(driver: &mut Driver) -> Checked {
    replay_writes_nothing(driver)?;
    both_sides_agree(driver)?;
    every_row_has_one_link(driver)?;
    nothing_is_doubled(driver)?;
    // Where a create cannot be told from a user's row with the same key, the two are matched by policy: an older value may
    // win, but the loser is in the ledger.
    if driver.world.has_correlation {
        nothing_is_corrupted(driver)?;
        nothing_is_put_back(driver)?;
    }
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
        for (value, field) in row.record.values().iter().zip(&left.fields) {
            if !matches!(field, Field::Text | Field::Amount) {
                continue;
            }
            let Some(number) = number(value) else {
                // A version of the map that leaves the field alone makes rows without it.
                if driver.case == Case::Renewed && *value == Value::Null {
                    continue;
                }
                return Err(format!("{value} was never written"));
            };
            // What came back by a write over an unseen edit came by way of the other side.
            if driver.world.lineage.raced.iter().any(|(_, by)| *by == number) {
                continue;
            }
            let (side, written) = &driver.world.lineage.origins[number as usize];
            let wanted = driver.world.systems[*side].keep(written);
            if wanted != *value {
                return Err(format!("{wanted} was written and became {value}"));
            }
        }
    }
    Ok(())
}

fn nothing_is_put_back(driver: &Driver) -> Checked {
    let (lineage, ledger) = (&driver.world.lineage, &driver.store.ledger);
    // Where a rule is new, nobody knows which of the two values is the older one: the policy decides, and the ledger keeps the other.
    // Where fields lose together, one goes back that only its fellow was edited against.
    let is_decided = |old: u64| matches!(driver.case, Case::Renewed | Case::Grouped) && ledger.contains(&old);
    let is_put_back =
        |(old, new): &(u64, u64)| lineage.descends(*old, *new) && !is_decided(*old) && !lineage.follows_a_race(*old, *new);
    match lineage.overwritten.iter().find(|it| is_put_back(it)) {
        Some((old, new)) => Err(format!("{old} was put back to the older {new}")),
        None => Ok(()),
    }
}

fn nothing_is_lost(driver: &Driver) -> Checked {
    let (lineage, ledger) = (&driver.world.lineage, &driver.store.ledger);
    for &(old, new) in &lineage.overwritten {
        if !lineage.descends(new, old) && !ledger.contains(&old) && !lineage.follows_a_race(old, new) {
            return Err(format!("{old} was overwritten by {new} and is not in the ledger"));
        }
    }
    for &removed in &lineage.removed {
        let is_known = lineage.abandoned.iter().any(|it| lineage.descends(*it, removed));
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
