//! Writing: all writes of a call go into one new file, each answered on its own.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::Value as Json;

use super::marks::{self, Marks};
use super::sheet::{self, Index, Sheet};
use super::{Table, cells, digest_of, io, rested, stat_of};
use crate::change::{Answer, Class, Failure, RemoteId, Version, Write};
use crate::schema::Shape;
use crate::value::{Kind, Record, Value};

/// What becomes of a write before the file is written.
enum Done {
    Answer(Answer),
    /// The row with this address is made or changed.
    Row(String),
    Deleted,
}

pub fn all(table: &mut Table, shape: &Shape, writes: &[Write], settle: Duration) -> Result<Vec<Answer>, Failure> {
    let places = table.places(shape)?;
    let (sheet, index, marks) = (table.sheet.clone(), table.index.clone(), table.marks.clone());
    let mut draft = Draft { sheet, index, marks, shape, places: &places, removed: HashSet::new() };
    let mut done = Vec::with_capacity(writes.len());
    for write in writes {
        done.push(draft.carry_out(write).unwrap_or_else(|failure| Done::Answer(Answer::Failed(failure))));
    }
    let Draft { mut sheet, marks, removed, .. } = draft;
    if marks != table.marks {
        let mut number = 0..;
        sheet.rows.retain(|_| number.next().is_none_or(|it| !removed.contains(&it)));
        store(table, sheet, marks, settle)?;
        table.index = Index::of(&table.sheet, shape, &places).map_err(|why| table.wrong(&why))?;
    }
    let answer = |it: Done| match it {
        Done::Answer(answer) => answer,
        Done::Deleted => Answer::Deleted,
        // Another write of the same call may have taken it away again.
        Done::Row(address) => table.seen(shape, &places, &address).map_or(Answer::Gone, Answer::Written),
    };
    Ok(done.into_iter().map(answer).collect())
}

/// Puts the new file in the place of the old one, if that still is what was read.
fn store(table: &mut Table, sheet: Sheet, marks: Marks, settle: Duration) -> Result<(), Failure> {
    let text = sheet.text();
    let (digest, beside) = (marks::digest(text.as_bytes()), marks::path(&table.path));
    marks::save(&beside, &table.marks, Some((digest, &marks))).map_err(|error| io(&beside, &error))?;
    if rested(&table.path, Some(table), settle)?.is_some() {
        let text = format!("{} was changed while it was to be written", table.path.display());
        return Err(Failure::new(Class::Transient, text));
    }
    marks::replace(&table.path, text.as_bytes()).map_err(|error| io(&table.path, &error))?;
    let (path, index) = (table.path.clone(), Index::default());
    *table = Table { digest, stat: stat_of(&path), path, sheet, index, marks };
    // The rows are there; the marks that were saved with them count, should this not succeed.
    let failure = |error| Failure { is_ambiguous: true, ..io(&beside, &error) };
    marks::save(&beside, &table.marks, None).map_err(failure)
}

/// The file as it will be.
struct Draft<'a> {
    sheet: Sheet,
    index: Index,
    marks: Marks,
    shape: &'a Shape,
    places: &'a [usize],
    /// Rows that are left out when the file is written; until then they keep their place, so that the index holds.
    removed: HashSet<usize>,
}

impl Draft<'_> {
    fn carry_out(&mut self, write: &Write) -> Result<Done, Failure> {
        match write {
            Write::Create { link, record } => {
                if self.marks.is_gone(*link) {
                    return Ok(Done::Answer(Answer::Gone));
                }
                let address = address_of(self.shape, record)?;
                if self.marks.by_link(*link).is_some() || self.marks.rows.contains_key(&address) {
                    return Ok(Done::Answer(Answer::Exists));
                }
                // Where a file has columns that no map names, they stay empty.
                let blank = if self.sheet.format == sheet::Format::Csv { Some(Json::Null) } else { None };
                let mut row = vec![blank; self.sheet.columns.len()];
                self.fill(&mut row, record)?;
                self.marks.set(&address, digest_of(&self.sheet.columns, &row), Some(*link));
                self.index.rows.insert(address.clone(), self.sheet.rows.len());
                self.sheet.rows.push(row);
                Ok(Done::Row(address))
            }
            Write::Update { id, expected, record } => self.update(id, expected, record),
            Write::Delete { id, expected } => match self.find(id, expected)? {
                Ok(row) => {
                    self.removed.insert(row);
                    self.index.rows.remove(&id.0);
                    self.marks.remove(&id.0);
                    Ok(Done::Deleted)
                }
                Err(answer) => Ok(Done::Answer(answer)),
            },
        }
    }

    fn update(&mut self, id: &RemoteId, expected: &Version, record: &Record) -> Result<Done, Failure> {
        let row = match self.find(id, expected)? {
            Ok(row) => row,
            Err(answer) => return Ok(Done::Answer(answer)),
        };
        let mut cells = self.sheet.rows[row].clone();
        self.fill(&mut cells, record)?;
        let address = sheet::address(&self.sheet, self.shape, self.places, &cells).map_err(refused)?;
        if address != id.0 && self.marks.rows.contains_key(&address) {
            return Err(refused(format!("there is another row with the key {address}")));
        }
        let link = self.marks.rows.get(&id.0).and_then(|it| it.link);
        if address != id.0 {
            self.index.rows.remove(&id.0);
            self.index.rows.insert(address.clone(), row);
            self.marks.remove(&id.0);
            // The row goes on under its new key.
            self.marks.gone.values_mut().filter(|it| it.address == id.0).for_each(|it| it.link = None);
        }
        self.marks.set(&address, digest_of(&self.sheet.columns, &cells), link);
        self.sheet.rows[row] = cells;
        Ok(Done::Row(address))
    }

    /// The row in its expected version, or why it is not written.
    fn find(&self, id: &RemoteId, expected: &Version) -> Result<Result<usize, Answer>, Failure> {
        let (Some(row), Some(mark)) = (self.index.rows.get(&id.0), self.marks.rows.get(&id.0)) else {
            return Ok(Err(Answer::Gone));
        };
        if let Some(count) = self.index.doubled.get(&id.0) {
            return Err(refused(format!("{count} rows have the key {}", id.0)));
        }
        Ok(if mark.version() == *expected { Ok(*row) } else { Err(Answer::Moved) })
    }

    fn fill(&self, row: &mut [Option<Json>], record: &Record) -> Result<(), Failure> {
        for (slot, value) in record.slots().filter(|(_, value)| value.is_known()) {
            let field = self.shape.field(slot);
            if field.readonly {
                continue;
            }
            if *value == Value::Null && !field.nullable {
                return Err(refused(format!("`{}` cannot be null", field.name)));
            }
            let is_long = match (&field.kind, value) {
                (Kind::Text { max: Some(max) }, Value::Text(text)) => text.encode_utf16().count() > *max as usize,
                _ => false,
            };
            let cell = cells::encode(self.sheet.format, value).filter(|_| !is_long);
            let cell = cell.ok_or_else(|| refused(format!("{value} is no {} for `{}`", field.kind, field.name)))?;
            row[self.places[usize::from(slot.0)]] = Some(cell);
        }
        Ok(())
    }
}

fn refused(why: String) -> Failure {
    Failure::new(Class::Validation, why)
}

/// The address that a new row will have.
pub fn address_of(shape: &Shape, record: &Record) -> Result<String, Failure> {
    let part = |slot: &crate::value::Slot| sheet::of_key(shape.field(*slot), record.get(*slot)).map_err(refused);
    let parts = shape.key.iter().map(part).collect::<Result<Vec<_>, _>>()?;
    Ok(Json::from(parts).to_string())
}
