//! One table: rows by primary key, unique keys, and the order of changes.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::schema::{Entity, Profile};
use crate::value::Value;

/// A key as the system compares it: folded values.
pub type Key = Vec<Value>;

/// A row: a value for each field of the entity, in the order of the schema.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub values: Vec<Value>,
    /// Rises with every change in the whole system.
    pub version: u64,
}

/// A row that was there.
#[derive(Clone, Debug, PartialEq)]
pub struct Tombstone {
    pub id: Value,
    pub at: Timestamp,
}

/// The unique key that a row would break.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Duplicate {
    pub fields: Vec<String>,
    /// The primary key, not an alternate one.
    pub is_primary: bool,
}

/// The field numbers of the keys of an entity.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    pub primary: Vec<usize>,
    pub unique: Vec<Vec<usize>>,
}

impl Keys {
    pub fn of(entity: &Entity) -> Self {
        let numbers = |names: &[String]| names.iter().filter_map(|name| entity.fields.get_index_of(name)).collect::<Vec<_>>();
        Self { primary: numbers(&entity.key), unique: entity.unique.iter().map(|it| numbers(it)).collect() }
    }
}

/// The rows of one entity.
#[derive(Debug)]
pub struct Table {
    pub keys: Keys,
    profile: Profile,
    rows: BTreeMap<Key, Row>,
    unique: Vec<BTreeMap<Key, Key>>,
    by_version: BTreeMap<u64, Key>,
    tombstones: BTreeMap<u64, Tombstone>,
}

impl Table {
    pub fn new(entity: &Entity, profile: Profile) -> Self {
        let keys = Keys::of(entity);
        let unique = vec![BTreeMap::new(); keys.unique.len()];
        Self { keys, profile, rows: BTreeMap::new(), unique, by_version: BTreeMap::new(), tombstones: BTreeMap::new() }
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn get(&self, key: &Key) -> Option<&Row> {
        self.rows.get(key)
    }

    /// A row with its own key.
    pub fn entry(&self, key: &Key) -> Option<(&Key, &Row)> {
        self.rows.get_key_value(key)
    }

    pub fn rows(&self) -> impl Iterator<Item = (&Key, &Row)> {
        self.rows.iter()
    }

    /// Rows after this key, in key order.
    pub fn after(&self, key: Option<&Key>) -> impl Iterator<Item = (&Key, &Row)> {
        use std::ops::Bound::{Excluded, Unbounded};
        let from = key.map_or(Unbounded, Excluded);
        self.rows.range::<Key, _>((from, Unbounded))
    }

    /// Rows changed after this version, oldest change first.
    pub fn changed_after(&self, version: u64) -> impl Iterator<Item = (&Key, &Row)> {
        let keys = self.by_version.range(version.saturating_add(1)..).map(|(_, key)| key);
        keys.filter_map(|key| Some((key, self.rows.get(key)?)))
    }

    /// All rows, the latest change first. Stamps never run against this order: the clock of a sandbox only goes forward.
    pub fn latest(&self) -> impl Iterator<Item = (&Key, &Row)> {
        self.by_version.values().rev().filter_map(|key| Some((key, self.rows.get(key)?)))
    }

    /// Rows deleted after this version, oldest first.
    pub fn deleted_after(&self, version: u64) -> impl Iterator<Item = (u64, &Tombstone)> {
        self.tombstones.range(version.saturating_add(1)..).map(|(version, it)| (*version, it))
    }

    /// The folded values of these fields.
    pub fn fold(&self, values: impl Iterator<Item = Value>) -> Key {
        values.map(|it| self.profile.fold_key(&it)).collect()
    }

    fn key_of(&self, fields: &[usize], values: &[Value]) -> Key {
        self.fold(fields.iter().map(|&it| values[it].clone()))
    }

    pub fn primary_of(&self, values: &[Value]) -> Key {
        self.key_of(&self.keys.primary, values)
    }

    /// The row with this alternate key.
    pub fn by_unique(&self, index: usize, key: &Key) -> Option<&Key> {
        self.unique[index].get(key)
    }

    fn duplicate(&self, entity: &Entity, own: Option<&Key>, values: &[Value]) -> Option<Duplicate> {
        for (index, fields) in self.keys.unique.iter().enumerate() {
            let key = self.key_of(fields, values);
            let is_other = self.unique[index].get(&key).is_some_and(|it| Some(it) != own);
            if is_other && is_complete(&key) {
                return Some(Duplicate { fields: entity.unique[index].clone(), is_primary: false });
            }
        }
        None
    }

    pub fn insert(&mut self, entity: &Entity, row: Row) -> Result<Key, Duplicate> {
        let key = self.primary_of(&row.values);
        if self.rows.contains_key(&key) {
            return Err(Duplicate { fields: entity.key.clone(), is_primary: true });
        }
        if let Some(duplicate) = self.duplicate(entity, None, &row.values) {
            return Err(duplicate);
        }
        self.put(key.clone(), row);
        Ok(key)
    }

    /// Replaces a row; its primary key stays.
    pub fn replace(&mut self, entity: &Entity, key: &Key, row: Row) -> Result<(), Duplicate> {
        if let Some(duplicate) = self.duplicate(entity, Some(key), &row.values) {
            return Err(duplicate);
        }
        self.take(key);
        self.put(key.clone(), row);
        Ok(())
    }

    pub fn remove(&mut self, key: &Key, version: u64, at: Timestamp) -> Option<Row> {
        let row = self.take(key)?;
        let id = self.keys.primary.first().map_or(Value::Null, |&it| row.values[it].clone());
        self.tombstones.insert(version, Tombstone { id, at });
        Some(row)
    }

    /// Forgets rows that were deleted before this instant.
    pub fn forget_before(&mut self, instant: Timestamp) {
        while self.tombstones.first_key_value().is_some_and(|(_, it)| it.at < instant) {
            self.tombstones.pop_first();
        }
    }

    /// Makes a row what it was before a change that does not stand, and forgets the deletes since `version`.
    pub fn restore(&mut self, key: &Key, row: Option<Row>, version: u64) {
        self.take(key);
        if let Some(row) = row {
            self.put(key.clone(), row);
        }
        self.tombstones.split_off(&version.saturating_add(1));
    }

    fn put(&mut self, key: Key, row: Row) {
        for (index, fields) in self.keys.unique.iter().enumerate() {
            let unique = self.key_of(fields, &row.values);
            if is_complete(&unique) {
                self.unique[index].insert(unique, key.clone());
            }
        }
        self.by_version.insert(row.version, key.clone());
        self.rows.insert(key, row);
    }

    fn take(&mut self, key: &Key) -> Option<Row> {
        let row = self.rows.remove(key)?;
        self.by_version.remove(&row.version);
        for (index, fields) in self.keys.unique.iter().enumerate() {
            let unique = self.key_of(fields, &row.values);
            if self.unique[index].get(&unique) == Some(key) {
                self.unique[index].remove(&unique);
            }
        }
        Some(row)
    }
}

/// A key with a null in it is not unique.
fn is_complete(key: &Key) -> bool {
    key.iter().all(Value::is_value)
}
