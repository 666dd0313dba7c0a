//! One table in memory: rows by number, unique keys, and the log of what happened to them.

use std::collections::{BTreeMap, BTreeSet};

use crate::change::{Class, Failure, LinkId, RemoteId, Seen, Version};
use crate::schema::{Entity, Field, Profile, Shape};
use crate::value::{Decimal, Float, Kind, Record, Timestamp, Uuid, Value};

/// Field contents by name: every map sees other slots.
pub type Fields = BTreeMap<String, Value>;

#[derive(Clone, Debug)]
pub struct Row {
    pub fields: Fields,
    /// Taken from a counter of the table, so that it never comes back.
    pub version: u64,
    pub correlation: Option<LinkId>,
}

/// Why a row was not taken.
#[derive(Debug)]
pub enum Refusal {
    /// Another row has one of its unique keys or its correlation.
    Exists,
    /// The row of this correlation was made before, and deleted since.
    Gone,
    Failed(Failure),
}

#[derive(Debug)]
pub struct Table {
    pub entity: Entity,
    pub rows: BTreeMap<u64, Row>,
    /// Numbers of touched rows in order; whether a row is still there is asked when the log is read.
    log: Vec<u64>,
    /// The position of the log's first entry: older ones were dropped.
    log_start: u64,
    next_row: u64,
    next_version: u64,
    /// For each unique key, the row with it.
    unique: Vec<BTreeMap<Value, u64>>,
    correlations: BTreeMap<LinkId, u64>,
    /// Links whose row was made here and is gone.
    gone: BTreeSet<LinkId>,
    /// Changes that came through the connector.
    pub engine_writes: u64,
}

fn invalid(message: String) -> Refusal {
    Refusal::Failed(Failure::new(Class::Validation, message))
}

impl Table {
    pub fn new(entity: Entity) -> Self {
        let unique = vec![BTreeMap::new(); entity.keys().count()];
        Self {
            entity,
            rows: BTreeMap::new(),
            log: Vec::new(),
            log_start: 0,
            next_row: 1,
            next_version: 1,
            unique,
            correlations: BTreeMap::new(),
            gone: BTreeSet::new(),
            engine_writes: 0,
        }
    }

    /// The log's position after its last entry.
    pub fn log_end(&self) -> u64 {
        self.log_start + self.log.len() as u64
    }

    /// The touched rows from this position on; `None`: they were dropped.
    pub fn log_from(&self, position: u64) -> Option<&[u64]> {
        let offset = usize::try_from(position.checked_sub(self.log_start)?).ok()?;
        self.log.get(offset..)
    }

    /// Drops the log, as systems do after some days.
    pub fn drop_log(&mut self) {
        self.log_start = self.log_end();
        self.log.clear();
    }

    pub fn number_of(id: &RemoteId) -> Option<u64> {
        id.0.parse().ok()
    }

    pub fn by_correlation(&self, link: LinkId) -> Option<u64> {
        self.correlations.get(&link).copied()
    }

    /// The row that shares a unique key with these fields.
    pub fn by_unique_key(&self, profile: &Profile, fields: &Fields) -> Option<u64> {
        let keys = self.entity.keys().zip(&self.unique);
        keys.filter_map(|(key, rows)| rows.get(&folded(profile, key, fields)?)).next().copied()
    }

    pub fn insert(
        &mut self,
        profile: &Profile,
        mut fields: Fields,
        link: Option<LinkId>,
        now: Option<Timestamp>,
    ) -> Result<u64, Refusal> {
        if link.is_some_and(|it| self.correlations.contains_key(&it)) {
            return Err(Refusal::Exists);
        }
        if link.is_some_and(|it| self.gone.contains(&it)) {
            return Err(Refusal::Gone);
        }
        let number = self.next_row;
        self.fill(&mut fields, link, number, now);
        let fields = self.stored(profile, fields)?;
        if self.by_unique_key(profile, &fields).is_some() {
            return Err(Refusal::Exists);
        }
        self.next_row += 1;
        self.index(profile, number, &fields);
        if let Some(link) = link {
            self.correlations.insert(link, number);
        }
        let version = self.touch(number);
        self.rows.insert(number, Row { fields, version, correlation: link });
        Ok(number)
    }

    pub fn update(&mut self, profile: &Profile, number: u64, change: Fields, now: Option<Timestamp>) -> Result<(), Refusal> {
        let old = self.rows.get(&number).expect("the caller looked the row up").fields.clone();
        let mut fields = old.clone();
        fields.extend(change);
        self.stamp(&mut fields, now);
        let fields = self.stored(profile, fields)?;
        self.unindex(profile, &old);
        if self.by_unique_key(profile, &fields).is_some() {
            self.index(profile, number, &old);
            return Err(Refusal::Exists);
        }
        self.index(profile, number, &fields);
        let version = self.touch(number);
        let row = self.rows.get_mut(&number).expect("the caller looked the row up");
        row.fields = fields;
        row.version = version;
        Ok(())
    }

    pub fn delete(&mut self, profile: &Profile, number: u64) {
        if let Some(row) = self.rows.remove(&number) {
            self.unindex(profile, &row.fields);
            if let Some(link) = row.correlation {
                self.correlations.remove(&link);
                self.gone.insert(link);
            }
            self.touch(number);
        }
    }

    /// What one map sees of a row.
    pub fn seen(&self, shape: &Shape, number: u64) -> Option<Seen> {
        let row = self.rows.get(&number)?;
        let value = |name: &str| row.fields.get(name).cloned().unwrap_or(Value::Null);
        let record = Record::from_values(shape.fields.iter().map(|it| value(&it.name)).collect());
        let modified = match shape.modified.map(|slot| record.get(slot)) {
            Some(Value::DateTime(at)) => Some(*at),
            Some(_) | None => None,
        };
        Some(Seen {
            id: RemoteId(number.to_string()),
            version: Version(row.version.to_string()),
            record,
            modified,
            correlation: row.correlation,
            problem: None,
        })
    }

    fn touch(&mut self, number: u64) -> u64 {
        self.log.push(number);
        self.next_version += 1;
        self.next_version - 1
    }

    fn index(&mut self, profile: &Profile, number: u64, fields: &Fields) {
        for (key, rows) in self.entity.keys().zip(&mut self.unique) {
            if let Some(key) = folded(profile, key, fields) {
                rows.insert(key, number);
            }
        }
    }

    fn unindex(&mut self, profile: &Profile, fields: &Fields) {
        for (key, rows) in self.entity.keys().zip(&mut self.unique) {
            if let Some(key) = folded(profile, key, fields) {
                rows.remove(&key);
            }
        }
    }

    /// What the system adds to a new row: its own key, its own time, and the contents of fields that nobody gave.
    fn fill(&self, fields: &mut Fields, link: Option<LinkId>, number: u64, now: Option<Timestamp>) {
        for field in self.entity.fields.values() {
            let is_own_key = field.kind == Kind::Guid && self.entity.key.contains(&field.name);
            let given = fields.get(&field.name);
            if given.is_some_and(|it| !is_own_key || it.is_value()) {
                continue;
            }
            let value = if is_own_key {
                Value::Guid(own_guid(&self.entity.name, link, number))
            } else if field.nullable || field.required {
                Value::Null
            } else {
                initial(&field.kind)
            };
            fields.insert(field.name.clone(), value);
        }
        self.stamp(fields, now);
    }

    fn stamp(&self, fields: &mut Fields, now: Option<Timestamp>) {
        if let (Some(field), Some(now)) = (self.entity.modified(), now) {
            fields.insert(field.name.clone(), Value::DateTime(now));
        }
    }

    fn stored(&self, profile: &Profile, fields: Fields) -> Result<Fields, Refusal> {
        let store = |(name, value): (String, Value)| {
            let entity = &self.entity.name;
            let field = self.entity.fields.get(&name);
            let field = field.ok_or_else(|| invalid(format!("`{entity}` has no field `{name}`")))?;
            let value = profile.store(&field.kind, &value);
            accept(entity, field, &value)?;
            Ok((name, value))
        };
        fields.into_iter().map(store).collect()
    }
}

fn accept(entity: &str, field: &Field, value: &Value) -> Result<(), Refusal> {
    let name = &field.name;
    if *value == Value::Null && !field.nullable && field.required {
        return Err(invalid(format!("`{entity}.{name}` must not be empty")));
    }
    if let (Kind::Text { max: Some(max) }, Value::Text(text)) = (&field.kind, value)
        && text.encode_utf16().count() > *max as usize
    {
        return Err(invalid(format!("`{entity}.{name}` takes at most {max} characters")));
    }
    Ok(())
}

/// The folded content of a key; `None`: a part is missing, and such rows are never equal.
fn folded(profile: &Profile, key: &[String], fields: &Fields) -> Option<Value> {
    let part = |name: &String| fields.get(name).filter(|it| it.is_value()).map(|it| profile.fold_key(it));
    Some(Value::Tuple(key.iter().map(part).collect::<Option<Vec<_>>>()?.into()))
}

/// A key that depends on nothing but what is created, so that runs can be repeated.
fn own_guid(entity: &str, link: Option<LinkId>, number: u64) -> Uuid {
    let space = link.map_or(Uuid::NAMESPACE_OID, |it| it.0);
    let name = if link.is_some() { entity.to_owned() } else { format!("{entity}/{number}") };
    Uuid::new_v5(&space, name.as_bytes())
}

/// What a field that cannot be null holds when nobody said anything.
fn initial(kind: &Kind) -> Value {
    match kind {
        Kind::Bool => Value::Bool(false),
        Kind::Int32 | Kind::Int64 => Value::Int(0),
        Kind::Decimal { .. } => Value::Decimal(Decimal::ZERO),
        Kind::Float64 => Value::Float(Float(0.0)),
        Kind::Text { .. } => Value::text(""),
        Kind::Enum(members) => members.members.first().map_or(Value::Null, |it| it.value.clone()),
        Kind::Choices(_) => Value::Set(Vec::new().into()),
        Kind::Guid | Kind::Date | Kind::Time | Kind::DateTime | Kind::Binary | Kind::Lookup(_) => Value::Null,
    }
}
