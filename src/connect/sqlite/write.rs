//! Writing rows: one transaction for a batch, a savepoint for each write, the row read back inside.

use rusqlite::types::Value as Cell;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params, params_from_iter};

use super::cells::encode;
use super::install::Target;
use super::{Fault, rows};
use crate::change::{Answer, Class, Failure, LinkId, RemoteId, Seen, Version, Write};
use crate::connect::sql::{quoted, with_own_key};
use crate::failpoint;
use crate::schema::Shape;
use crate::value::{Record, Slot, Value};

/// The answers stand in the order of the writes. A check that the database defers to the commit fails them together; then each is done alone.
pub fn all(db: &mut Connection, target: &Target, shape: &Shape, writes: &[Write]) -> Vec<Answer> {
    match batch(db, target, shape, writes) {
        Ok(answers) => answers,
        Err(fault) if fault.is_constraint() && writes.len() > 1 => {
            writes.iter().flat_map(|it| all(db, target, shape, std::slice::from_ref(it))).collect()
        }
        Err(fault) => {
            let failure = fault.failure();
            writes.iter().map(|_| Answer::Failed(failure.clone())).collect()
        }
    }
}

fn batch(db: &mut Connection, target: &Target, shape: &Shape, writes: &[Write]) -> Result<Vec<Answer>, Fault> {
    let mut tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    failpoint::pass("system", "begun");
    let mut answers = Vec::with_capacity(writes.len());
    for write in writes {
        let savepoint = tx.savepoint()?;
        match one(&savepoint, target, shape, write) {
            Ok(answer) => {
                savepoint.commit()?;
                failpoint::pass("system", "row");
                answers.push(answer);
            }
            Err(fault) if fault.ends_transaction() => return Err(fault),
            Err(fault) => {
                let is_create = matches!(write, Write::Create { .. });
                answers.push(if is_create && fault.is_duplicate() { Answer::Exists } else { Answer::Failed(fault.failure()) });
            }
        }
    }
    failpoint::pass("system", "written");
    tx.commit()?;
    failpoint::pass("system", "durable");
    Ok(answers)
}

fn one(db: &Connection, target: &Target, shape: &Shape, write: &Write) -> Result<Answer, Fault> {
    match write {
        Write::Create { link, record } => create(db, target, shape, *link, record),
        Write::Update { id, expected, record } => match current(db, target, shape, id, expected)? {
            Ok(_) => update(db, target, shape, id, record),
            Err(answer) => Ok(answer),
        },
        Write::Delete { id, expected } => match current(db, target, shape, id, expected)? {
            Ok(_) => delete(db, target, id),
            Err(answer) => Ok(answer),
        },
    }
}

/// The version is all that is asked, so a row with an unreadable cell can still be mended or removed.
fn current(
    db: &Connection,
    target: &Target,
    shape: &Shape,
    id: &RemoteId,
    expected: &Version,
) -> Result<Result<(), Answer>, Fault> {
    let bare = Shape { fields: Vec::new(), modified: None, ..shape.clone() };
    Ok(match rows::by_address(db, target, &bare, &id.0)? {
        None => Err(Answer::Gone),
        Some(seen) if seen.version != *expected => Err(Answer::Moved),
        Some(_) => Ok(()),
    })
}

/// Columns and cells of what is said.
fn said(shape: &Shape, record: &Record) -> Result<Vec<(String, Cell)>, Fault> {
    let mut out = Vec::new();
    for (slot, value) in record.slots().filter(|(_, value)| value.is_known()) {
        let name = &shape.field(slot).name;
        let refused = || Failure::new(Class::Validation, format!("column `{name}` cannot hold the tuple {value}"));
        out.push((name.clone(), encode(value).ok_or_else(refused)?));
    }
    Ok(out)
}

fn create(db: &Connection, target: &Target, shape: &Shape, link: LinkId, record: &Record) -> Result<Answer, Fault> {
    if rows::by_link(db, target, shape, link)?.is_some() {
        return Ok(Answer::Exists);
    }
    if db
        .prepare_cached("SELECT 1 FROM _dwmap_link WHERE tab = ?1 AND row = 'gone:' || ?2")?
        .exists([&target.table, &link.to_string()])?
    {
        return Ok(Answer::Gone);
    }
    let record = with_own_key(shape, link, record);
    let said = said(shape, &record)?;
    let columns: Vec<String> = said.iter().map(|(name, _)| quoted(name)).collect();
    let places: Vec<String> = (1..=said.len()).map(|it| format!("?{it}")).collect();
    let content = if said.is_empty() {
        "DEFAULT VALUES".to_owned()
    } else {
        format!("({}) VALUES ({})", columns.join(", "), places.join(", "))
    };
    let table = quoted(&target.table);
    let sql = format!("INSERT INTO {table} {content} RETURNING {}", target.address(&table));
    let address = returned(db, &sql, said.into_iter().map(|(_, cell)| cell).collect())?;
    let address = address.ok_or_else(|| Failure::new(Class::Validation, "the database made no row"))?;
    db.prepare_cached("DELETE FROM _dwmap_link WHERE tab = ?1 AND row = ?2")?.execute([&target.table, &address])?;
    db.prepare_cached("INSERT INTO _dwmap_link(tab, row, link) VALUES (?1, ?2, ?3)")?.execute(params![
        target.table,
        address,
        link.to_string()
    ])?;
    read_back(db, target, shape, &address, &record)
}

fn update(db: &Connection, target: &Target, shape: &Shape, id: &RemoteId, record: &Record) -> Result<Answer, Fault> {
    let said = said(shape, record)?;
    if said.is_empty() {
        return read_back(db, target, shape, &id.0, record);
    }
    let mut cells = rows::cells(target, &id.0).ok_or_else(super::expired)?;
    let start = cells.len() + 1;
    let sets: Vec<String> = (start..).zip(&said).map(|(number, (name, _))| format!("{} = ?{number}", quoted(name))).collect();
    cells.extend(said.into_iter().map(|(_, cell)| cell));
    let table = quoted(&target.table);
    let (sets, rows, address) = (sets.join(", "), rows::addressed(target), target.address(&table));
    let address = returned(db, &format!("UPDATE {table} SET {sets} WHERE {rows} RETURNING {address}"), cells)?;
    refuse_twins(target, id, db.changes())?;
    match address {
        Some(address) => read_back(db, target, shape, &address, record),
        None => Ok(Answer::Gone),
    }
}

fn delete(db: &Connection, target: &Target, id: &RemoteId) -> Result<Answer, Fault> {
    let cells = rows::cells(target, &id.0).ok_or_else(super::expired)?;
    let sql = format!("DELETE FROM {} WHERE {}", quoted(&target.table), rows::addressed(target));
    let deleted = db.prepare_cached(&sql)?.execute(params_from_iter(cells))?;
    refuse_twins(target, id, deleted as u64)?;
    Ok(if deleted > 0 { Answer::Deleted } else { Answer::Gone })
}

/// A table whose key nobody declared can hold two rows with it. Neither is ours to choose; the savepoint takes the write back.
fn refuse_twins(target: &Target, id: &RemoteId, rows: u64) -> Result<(), Fault> {
    if rows <= 1 {
        return Ok(());
    }
    let (table, key) = (&target.table, target.key.join(", "));
    let message = format!("table `{table}` has {rows} rows with the key {}; declare PRIMARY KEY or UNIQUE ({key})", id.0);
    Err(Failure::new(Class::Validation, message).into())
}

fn returned(db: &Connection, sql: &str, cells: Vec<Cell>) -> Result<Option<String>, Fault> {
    let mut statement = db.prepare_cached(sql)?;
    Ok(statement.query_row(params_from_iter(cells), |row| row.get(0)).optional()?)
}

/// The row as it is now. A decimal that came back otherwise was bent by the column's numeric type: refused, nothing is written.
fn read_back(db: &Connection, target: &Target, shape: &Shape, address: &str, sent: &Record) -> Result<Answer, Fault> {
    let seen = rows::by_address(db, target, shape, address)?;
    let Some(seen) = seen else { return Ok(Answer::Gone) };
    if let Some(slot) = bent(&seen, sent) {
        let (name, table) = (&shape.field(slot).name, &target.table);
        let (sent, held) = (sent.get(slot), seen.record.get(slot));
        let message = format!("table `{table}`, column `{name}` turns {sent} into {held}; make the column TEXT");
        return Err(Failure::new(Class::Validation, message).into());
    }
    Ok(Answer::Written(seen))
}

fn bent(seen: &Seen, sent: &Record) -> Option<Slot> {
    let differs = |(slot, value): &(Slot, &Value)| matches!(value, Value::Decimal(_)) && seen.record.get(*slot) != *value;
    sent.slots().find(differs).map(|(slot, _)| slot)
}
