//! A system in memory: what tests and trial runs speak to.
//!
//! It behaves like a good real one: it treats values as its profile says, keeps its unique keys under the profile's
//! comparison, never repeats a version, and remembers which link made a row.

mod table;

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::{Capabilities, Connector, order_of_numbers};
use crate::change::{Answer, Change, Class, Failure, Page, RemoteId, Seen, Token, Version, Write};
use crate::schema::{Profile, Schema, Shape};
use crate::value::{Record, Slot, Timestamp, Value};

pub use table::Fields;
use table::{Refusal, Table};

/// Rows or log entries in one page, unless told otherwise.
const PAGE_MAX: usize = 500;
const BATCH_MAX: usize = 100;

/// One system; share it with an `Arc`.
#[derive(Debug)]
pub struct Memory {
    profile: Profile,
    page_max: usize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    tables: BTreeMap<String, Table>,
    /// What the system's clock shows; rows with a modification time get it.
    now: Option<Timestamp>,
}

impl Memory {
    pub fn new(schema: &Schema, profile: Profile) -> Self {
        let tables = schema.entities.iter().map(|(name, it)| (name.clone(), Table::new(it.clone()))).collect();
        Self { profile, page_max: PAGE_MAX, state: Mutex::new(State { tables, now: None }) }
    }

    /// With pages of at most this many rows.
    pub fn with_page_max(self, page_max: usize) -> Self {
        Self { page_max: page_max.max(1), ..self }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Turns the system's clock.
    pub fn set_now(&self, now: Timestamp) {
        self.state().now = Some(now);
    }

    /// A user makes a row.
    pub fn insert(&self, entity: &str, fields: Fields) -> Result<RemoteId, Failure> {
        let mut state = self.state();
        let now = state.now;
        let number = state.table(entity)?.insert(&self.profile, fields, None, now).map_err(|it| refused(entity, it))?;
        Ok(RemoteId(number.to_string()))
    }

    /// A user changes some fields of a row.
    pub fn update(&self, entity: &str, id: &RemoteId, fields: Fields) -> Result<(), Failure> {
        let mut state = self.state();
        let now = state.now;
        let table = state.table(entity)?;
        let number = existing(table, id).ok_or_else(|| missing(entity, id))?;
        table.update(&self.profile, number, fields, now).map_err(|it| refused(entity, it))
    }

    /// Fields of a row are bent behind everybody's back: no version moves, and no feed tells of it.
    pub fn corrupt(&self, entity: &str, id: &RemoteId, fields: Fields) -> Result<(), Failure> {
        let mut state = self.state();
        let table = state.table(entity)?;
        let number = existing(table, id).ok_or_else(|| missing(entity, id))?;
        let row = table.rows.get_mut(&number).expect("it is existing");
        row.fields.extend(fields);
        Ok(())
    }

    /// A user removes a row.
    pub fn delete(&self, entity: &str, id: &RemoteId) -> Result<(), Failure> {
        let mut state = self.state();
        let table = state.table(entity)?;
        let number = existing(table, id).ok_or_else(|| missing(entity, id))?;
        table.delete(&self.profile, number);
        Ok(())
    }

    /// All rows of an entity, the oldest first; none if there is no such entity.
    pub fn rows(&self, entity: &str) -> Vec<(RemoteId, Fields)> {
        let state = self.state();
        let rows = state.tables.get(entity).into_iter().flat_map(|it| &it.rows);
        rows.map(|(number, row)| (RemoteId(number.to_string()), row.fields.clone())).collect()
    }

    /// How many changes of an entity came through the connector.
    pub fn engine_writes(&self, entity: &str) -> u64 {
        self.state().tables.get(entity).map_or(0, |it| it.engine_writes)
    }

    /// Makes all feed tokens expire, as real systems do after some days.
    pub fn expire_tokens(&self) {
        self.state().tables.values_mut().for_each(Table::drop_log);
    }

    fn create(&self, state: &mut State, shape: &Shape, write: &Write) -> Result<Answer, Failure> {
        let Write::Create { link, record } = write else { unreachable!("the caller matched a create") };
        let now = state.now;
        let table = state.table(&shape.entity)?;
        match table.insert(&self.profile, fields(shape, record), Some(*link), now) {
            Ok(number) => {
                table.engine_writes += 1;
                Ok(Answer::Written(table.seen(shape, number).expect("the row was just made")))
            }
            Err(Refusal::Exists) => Ok(Answer::Exists),
            Err(Refusal::Gone) => Ok(Answer::Gone),
            Err(Refusal::Failed(failure)) => Err(failure),
        }
    }

    fn change(
        &self,
        state: &mut State,
        shape: &Shape,
        id: &RemoteId,
        expected: &Version,
        record: &Record,
    ) -> Result<Answer, Failure> {
        let now = state.now;
        let table = state.table(&shape.entity)?;
        let Some(number) = existing(table, id) else { return Ok(Answer::Gone) };
        if table.rows[&number].version.to_string() != expected.0 {
            return Ok(Answer::Moved);
        }
        table.update(&self.profile, number, fields(shape, record), now).map_err(|it| refused(&shape.entity, it))?;
        table.engine_writes += 1;
        Ok(Answer::Written(table.seen(shape, number).expect("the row was just updated")))
    }

    fn remove(&self, state: &mut State, shape: &Shape, id: &RemoteId, expected: &Version) -> Result<Answer, Failure> {
        let table = state.table(&shape.entity)?;
        let Some(number) = existing(table, id) else { return Ok(Answer::Gone) };
        if table.rows[&number].version.to_string() != expected.0 {
            return Ok(Answer::Moved);
        }
        table.delete(&self.profile, number);
        table.engine_writes += 1;
        Ok(Answer::Deleted)
    }

    fn write_one(&self, state: &mut State, shape: &Shape, write: &Write) -> Answer {
        let answer = match write {
            Write::Create { .. } => self.create(state, shape, write),
            Write::Update { id, expected, record } => self.change(state, shape, id, expected, record),
            Write::Delete { id, expected } => self.remove(state, shape, id, expected),
        };
        answer.unwrap_or_else(Answer::Failed)
    }

    /// The rows after this number, and the number to go on after; no number: these were the last.
    fn rows_after(&self, table: &Table, shape: &Shape, after: u64, limit: usize) -> (Vec<Change>, Option<u64>) {
        let numbers: Vec<u64> = table.rows.range(after + 1..).map(|(number, _)| *number).take(limit).collect();
        let rest = numbers.last().filter(|last| table.rows.range(**last + 1..).next().is_some()).copied();
        let seen = numbers.iter().filter_map(|number| table.seen(shape, *number));
        (seen.map(Change::Upsert).collect(), rest)
    }

    fn logged(&self, table: &Table, shape: &Shape, position: u64) -> Result<Page, Failure> {
        let entries = table.log_from(position).ok_or_else(expired)?;
        let read = &entries[..entries.len().min(self.page_max)];
        let mut changes = Vec::new();
        for (place, number) in read.iter().enumerate() {
            if read[place + 1..].contains(number) {
                continue;
            }
            changes.push(match table.seen(shape, *number) {
                Some(seen) => Change::Upsert(seen),
                None => Change::Delete { id: RemoteId(number.to_string()) },
            });
        }
        let next = Position::Log(position + read.len() as u64);
        Ok(Page { changes, next: next.token(), is_last: read.len() == entries.len() })
    }
}

impl State {
    fn table(&mut self, entity: &str) -> Result<&mut Table, Failure> {
        let table = self.tables.get_mut(entity);
        table.ok_or_else(|| Failure::new(Class::Schema, format!("the system has no entity `{entity}`")))
    }
}

fn existing(table: &Table, id: &RemoteId) -> Option<u64> {
    Table::number_of(id).filter(|it| table.rows.contains_key(it))
}

fn missing(entity: &str, id: &RemoteId) -> Failure {
    Failure::new(Class::Validation, format!("`{entity}` has no row {}", id.0))
}

fn refused(entity: &str, refusal: Refusal) -> Failure {
    match refusal {
        Refusal::Gone => Failure::new(Class::Bug, format!("a user's row of `{entity}` has a link")),
        Refusal::Exists => Failure::new(Class::Validation, format!("another row of `{entity}` has the same key")),
        Refusal::Failed(failure) => failure,
    }
}

fn expired() -> Failure {
    Failure::new(Class::Schema, "the change token has expired; read the feed from its start")
}

/// What a write says, by field name.
fn fields(shape: &Shape, record: &Record) -> Fields {
    let said = record.slots().filter(|(_, value)| value.is_known());
    said.map(|(slot, value)| (shape.field(slot).name.clone(), value.clone())).collect()
}

/// Where a feed stands.
enum Position {
    /// Reading all rows; what happened since `log` follows.
    Rows {
        after: u64,
        log: u64,
    },
    Log(u64),
}

impl Position {
    fn token(&self) -> Token {
        match self {
            Self::Rows { after, log } => Token(format!("rows:{after}:{log}")),
            Self::Log(position) => Token(format!("log:{position}")),
        }
    }

    fn parse(token: &Token) -> Result<Self, Failure> {
        let number = |text: Option<&str>| text.and_then(|it| it.parse::<u64>().ok()).ok_or_else(expired);
        let mut parts = token.0.split(':');
        match parts.next() {
            Some("rows") => Ok(Self::Rows { after: number(parts.next())?, log: number(parts.next())? }),
            Some("log") => Ok(Self::Log(number(parts.next())?)),
            Some(_) | None => Err(expired()),
        }
    }
}

#[async_trait]
impl Connector for Memory {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            conditional_write: true,
            correlated_create: true,
            remembers_deletes: true,
            ordered_feed: true,
            read_back: true,
            batch_max: BATCH_MAX,
        }
    }

    async fn feed(&self, shape: &Shape, after: Option<&Token>) -> Result<Page, Failure> {
        let mut state = self.state();
        let table = state.table(&shape.entity)?;
        let position = match after {
            Some(token) => Position::parse(token)?,
            None => Position::Rows { after: 0, log: table.log_end() },
        };
        match position {
            Position::Log(position) => self.logged(table, shape, position),
            Position::Rows { after, log } => {
                let (changes, rest) = self.rows_after(table, shape, after, self.page_max);
                let is_last = rest.is_none() && log == table.log_end();
                let next = rest.map_or(Position::Log(log), |after| Position::Rows { after, log });
                Ok(Page { changes, next: next.token(), is_last })
            }
        }
    }

    async fn fetch(&self, shape: &Shape, ids: &[RemoteId]) -> Result<Vec<Option<Seen>>, Failure> {
        let mut state = self.state();
        let table = state.table(&shape.entity)?;
        Ok(ids.iter().map(|id| table.seen(shape, existing(table, id)?)).collect())
    }

    async fn find(&self, shape: &Shape, slots: &[Slot], values: &[Value], limit: usize) -> Result<Vec<Seen>, Failure> {
        let mut state = self.state();
        let table = state.table(&shape.entity)?;
        let sought: Vec<(&str, Value)> = slots
            .iter()
            .zip(values)
            .map(|(slot, value)| {
                let field = shape.field(*slot);
                (field.name.as_str(), self.profile.fold_key(&self.profile.store(&field.kind, value)))
            })
            .collect();
        let is_equal = |own: &Fields| {
            sought.iter().all(|(name, value)| own.get(*name).is_some_and(|it| self.profile.fold_key(it) == *value))
        };
        let found = table.rows.iter().filter(|(_, row)| is_equal(&row.fields)).take(limit);
        Ok(found.filter_map(|(number, _)| table.seen(shape, *number)).collect())
    }

    async fn find_created(&self, shape: &Shape, write: &Write) -> Result<Option<Seen>, Failure> {
        let Write::Create { link, record } = write else { return Ok(None) };
        let mut state = self.state();
        let table = state.table(&shape.entity)?;
        let found = table.by_correlation(*link).or_else(|| {
            let mut fields = fields(shape, record);
            for field in &shape.fields {
                fields.entry(field.name.clone()).and_modify(|it| *it = self.profile.store(&field.kind, it));
            }
            table.by_unique_key(&self.profile, &fields)
        });
        Ok(found.and_then(|number| table.seen(shape, number)))
    }

    async fn write(&self, shape: &Shape, writes: &[Write]) -> Vec<Answer> {
        let mut state = self.state();
        writes.iter().map(|write| self.write_one(&mut state, shape, write)).collect()
    }

    fn order(&self, one: &Version, other: &Version) -> Option<Ordering> {
        order_of_numbers(&one.0, &other.0)
    }

    async fn scan(&self, shape: &Shape, after: Option<&Token>, limit: usize) -> Result<Page, Failure> {
        let mut state = self.state();
        let table = state.table(&shape.entity)?;
        let start = match after.map(Position::parse).transpose()? {
            Some(Position::Rows { after, .. }) => after,
            Some(Position::Log(_)) => return Err(expired()),
            None => 0,
        };
        let (changes, rest) = self.rows_after(table, shape, start, limit.max(1));
        let last = changes.last().and_then(|it| Table::number_of(it.id())).unwrap_or(start);
        Ok(Page { changes, next: Position::Rows { after: last, log: 0 }.token(), is_last: rest.is_none() })
    }
}
