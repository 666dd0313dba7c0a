//! Create, update and delete, as both the interface and a user do them.

use std::sync::Arc;

use serde_json::{Map, Value as Json};

use crate::schema::{Entity, Schema};
use crate::value::{Kind, Value};

use super::hooks::Message;
use super::reply::Refusal;
use super::rules::{self, Change};
use super::state::State;
use super::table::{Duplicate, Key, Row};
use super::{Dialect, money, wire};

/// Makes a row. `key` is what the URL says of it.
pub fn create(
    state: &mut State,
    entity: &Entity,
    body: &Map<String, Json>,
    key: Option<&[(usize, Value)]>,
) -> Result<Key, Refusal> {
    let dialect = state.dialect;
    let mut values = rules::blank(dialect, entity);
    for (field, value) in key.unwrap_or_default() {
        values[*field] = value.clone();
    }
    // Microsoft, use-upsert-insert-update-record.md: on create the body wins over the key of the URL.
    apply(state, entity, body, &mut values)?;
    own_logic(state, entity, body, &mut values)?;
    if dialect == Dialect::Dataverse {
        let primary = state.table(entity).keys.primary[0];
        if values[primary] == Value::Null {
            values[primary] = Value::Guid(state.clock.new_id());
        }
    }
    money::settle(state, entity, &mut values);
    rules::check_required(dialect, entity, &values)?;
    let key = state.table(entity).primary_of(&values);
    state.note(entity, &key);
    let version = stamp(state, entity, &mut values, true);
    let row = Row { values, version };
    let key = state.table_mut(entity).insert(entity, row.clone()).map_err(|it| duplicate(dialect, entity, &it))?;
    state.tell(entity, Message::Create, &row, None);
    Ok(key)
}

/// What the system itself puts into fields of a new row that the request does not name.
fn own_logic(state: &State, entity: &Entity, body: &Map<String, Json>, values: &mut [Value]) -> Result<(), Refusal> {
    for (number, field) in entity.fields.values().enumerate().filter(|(_, it)| !body.contains_key(&it.name)) {
        let name = format!("{}.{}", entity.name, field.name);
        if let Some(json) = state.defaults.get(&name) {
            values[number] = wire::from_json(state.dialect, &field.kind, json).map_err(Refusal::bad_request)?;
        } else if state.sequences.contains(&name) {
            values[number] = Value::text(format!("{:06}", state.version + 1));
        }
    }
    Ok(())
}

/// Changes a row.
pub fn update(state: &mut State, entity: &Entity, key: &Key, body: &Map<String, Json>) -> Result<(), Refusal> {
    let dialect = state.dialect;
    let old = state.table(entity).get(key).map(|it| it.values.clone()).unwrap_or_default();
    let mut values = old.clone();
    apply(state, entity, body, &mut values)?;
    keep_keys(state, entity, &old, &mut values)?;
    money::settle(state, entity, &mut values);
    rules::check_required(dialect, entity, &values)?;
    // Microsoft, update-delete-entities-using-web-api.md: every column that is sent counts as an update, also with the same value.
    state.note(entity, key);
    let version = stamp(state, entity, &mut values, false);
    let row = Row { values, version };
    state.table_mut(entity).replace(entity, key, row.clone()).map_err(|it| duplicate(dialect, entity, &it))?;
    state.tell(entity, Message::Update, &row, Some(body));
    Ok(())
}

// Dataverse drops key columns of an update (use-upsert-insert-update-record.md); F&O refuses to change one.
fn keep_keys(state: &State, entity: &Entity, old: &[Value], values: &mut [Value]) -> Result<(), Refusal> {
    for &field in &state.table(entity).keys.primary {
        let is_same = state.profile.fold_key(&old[field]) == state.profile.fold_key(&values[field]);
        if !is_same && state.dialect == Dialect::Finops {
            let name = entity.fields.get_index(field).map(|(name, _)| name.as_str()).unwrap_or_default();
            return Err(rules::infolog(entity, &format!("Field {name} is part of the key and cannot be changed")));
        }
        values[field].clone_from(&old[field]);
    }
    Ok(())
}

/// Removes a row and the references to it.
pub fn delete(state: &mut State, entity: &Entity, key: &Key) -> Result<(), Refusal> {
    let primary = state.table(entity).keys.primary[0];
    let id = state.table(entity).get(key).map(|it| it.values[primary].clone());
    state.note(entity, key);
    let (version, now) = (state.next_version(), state.clock.now());
    let oldest = jiff::SignedDuration::try_from(state.delta_life).ok().and_then(|life| now.checked_sub(life).ok());
    let table = state.table_mut(entity);
    // A delta token that is older than this is refused, so nobody can ask for these rows any more.
    table.forget_before(oldest.unwrap_or(jiff::Timestamp::MIN));
    if let Some(row) = table.remove(key, version, now) {
        state.tell(entity, Message::Delete, &row, None);
    }
    if let (Dialect::Dataverse, Some(id)) = (state.dialect, id) {
        let schema = state.schema.clone();
        unlink(state, &schema, entity, &id);
    }
    Ok(())
}

// The cascade `Remove Link`, which is the default of a referential relationship: lookups to a deleted row become null.
fn unlink(state: &mut State, schema: &Arc<Schema>, target: &Entity, id: &Value) {
    for entity in schema.entities.values() {
        let points_here = |kind: &Kind| matches!(kind, Kind::Lookup(targets) if targets.contains(&target.name));
        let lookups: Vec<usize> = (0..entity.fields.len()).filter(|&it| points_here(&entity.fields[it].kind)).collect();
        if lookups.is_empty() {
            continue;
        }
        let refers = |row: &Row| lookups.iter().any(|&it| row.values[it] == *id);
        let keys: Vec<Key> = state.table(entity).rows().filter(|(_, row)| refers(row)).map(|(key, _)| key.clone()).collect();
        for key in keys {
            let Some(mut values) = state.table(entity).get(&key).map(|it| it.values.clone()) else { continue };
            for &it in lookups.iter().filter(|&&it| values[it] == *id).collect::<Vec<_>>() {
                values[it] = Value::Null;
            }
            state.note(entity, &key);
            let version = stamp(state, entity, &mut values, false);
            let replaced = state.table_mut(entity).replace(entity, &key, Row { values, version });
            debug_assert!(replaced.is_ok(), "a key with a null in it is not unique");
        }
    }
}

fn apply(state: &State, entity: &Entity, body: &Map<String, Json>, values: &mut [Value]) -> Result<(), Refusal> {
    for change in rules::changes(state, entity, body)? {
        match change {
            Change::Set(field, value) => values[field] = value,
            Change::Bind { field, set, key } => values[field] = bound(state, &set, &key)?,
        }
    }
    Ok(())
}

fn bound(state: &State, set: &str, key: &super::address::KeyText) -> Result<Value, Refusal> {
    let target = state.entity(set)?;
    let found = state.find(target, key)?;
    let row = found.as_ref().and_then(|it| state.table(target).get(it));
    let primary = state.table(target).keys.primary[0];
    row.map(|it| it.values[primary].clone()).ok_or_else(|| not_found(state.dialect, target, &key_text(key)))
}

pub fn key_text(key: &super::address::KeyText) -> String {
    match key {
        super::address::KeyText::Single(text) => text.clone(),
        super::address::KeyText::Named(named) => {
            named.iter().map(|(name, it)| format!("{name}={it}")).collect::<Vec<_>>().join(",")
        }
    }
}

/// Fills what the system keeps itself; answers the row's new version.
fn stamp(state: &mut State, entity: &Entity, values: &mut [Value], is_new: bool) -> u64 {
    let version = state.next_version();
    let now = state.clock.now();
    let now = Value::DateTime(jiff::Timestamp::from_second(now.as_second()).unwrap_or(now));
    for (field, value) in entity.fields.values().zip(values) {
        let is_created = field.name == "createdon" && state.dialect == Dialect::Dataverse;
        if is_created && !is_new || !rules::is_kept(state.dialect, field) {
            continue;
        }
        *value = if matches!(field.kind, Kind::Int64) { Value::Int(version as i64) } else { now.clone() };
    }
    version
}

fn duplicate(dialect: Dialect, entity: &Entity, duplicate: &Duplicate) -> Refusal {
    match dialect {
        Dialect::Dataverse if duplicate.is_primary => {
            Refusal::new(412, "0x80040237", "A record with matching key values already exists.")
        }
        Dialect::Dataverse => {
            let fields = duplicate.fields.join(", ");
            Refusal::new(412, "0x80060892", format!("A record that has the attribute values {fields} already exists."))
        }
        Dialect::Finops => {
            rules::infolog(entity, &format!("Cannot create a record in {}. The record already exists", entity.name))
        }
    }
}

pub fn not_found(dialect: Dialect, entity: &Entity, id: &str) -> Refusal {
    match dialect {
        Dialect::Dataverse => Refusal::new(404, "0x80040217", format!("Entity '{}' With Id = {id} Does Not Exist", entity.name)),
        Dialect::Finops => {
            Refusal::new(404, "", format!("No resources were found when selecting for '{}' with {id}.", entity.name))
        }
    }
}
