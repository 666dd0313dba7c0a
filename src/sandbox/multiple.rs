//! `CreateMultiple`, `UpdateMultiple`, `UpsertMultiple`: many rows of one table, all or none.
//!
//! Rules: Microsoft, bulk-operations.md. "Any error that occurs in a bulk operation with a standard table causes the entire
//! operation to roll back."

use serde_json::{Map, Value as Json, json};

use crate::schema::Entity;
use crate::value::{Kind, Value};

use super::address;
use super::reply::{Refusal, Reply};
use super::route::{Request, root};
use super::state::State;
use super::table::Key;
use super::{Dialect, rules, wire, write};

const PREFIX: &str = "Microsoft.Dynamics.CRM.";

/// Carries out an action on a table; `name` is the last segment of the path.
pub fn run(state: &mut State, entity: &Entity, name: &str, request: &Request<'_>) -> Result<Reply, Refusal> {
    let unknown = || Refusal::new(404, "0x80060888", format!("Resource not found for the segment '{name}'."));
    let action = name.strip_prefix(PREFIX).filter(|_| state.dialect == Dialect::Dataverse).ok_or_else(unknown)?;
    let one = match action {
        "CreateMultiple" => create,
        "UpdateMultiple" => update,
        "UpsertMultiple" => upsert,
        _ => return Err(unknown()),
    };
    let targets = targets(entity, request.json()?)?;
    let keys =
        state.atomically(|state| targets.iter().map(|it| one(state, entity, it)).collect::<Result<Vec<Key>, Refusal>>())?;
    if action != "CreateMultiple" {
        return Ok(Reply::empty(204));
    }
    let ids: Vec<Json> =
        keys.iter().filter_map(|it| it.first()).map(|it| wire::to_json(state.dialect, &Kind::Guid, it)).collect();
    let context = format!("{}{}$metadata#{PREFIX}CreateMultipleResponse", state.url, root(state.dialect));
    Ok(Reply::json(200, json!({"@odata.context": context, "Ids": ids})))
}

fn targets(entity: &Entity, mut body: Map<String, Json>) -> Result<Vec<Map<String, Json>>, Refusal> {
    let Some(Json::Array(targets)) = body.remove("Targets") else {
        return Err(Refusal::bad_request("The parameter 'Targets' is missing."));
    };
    let ty = format!("{PREFIX}{}", entity.name);
    let one = |target: Json| match target {
        // "You must set the `@odata.type` property for each item in the `Targets` parameter."
        Json::Object(it) if it.get("@odata.type").and_then(Json::as_str).map(|it| it.trim_start_matches('#')) == Some(&ty) => {
            Ok(it)
        }
        _ => Err(Refusal::bad_request(format!("Each item of 'Targets' is an object with the '@odata.type' {ty}."))),
    };
    targets.into_iter().map(one).collect()
}

fn create(state: &mut State, entity: &Entity, target: &Map<String, Json>) -> Result<Key, Refusal> {
    write::create(state, entity, target, None)
}

fn update(state: &mut State, entity: &Entity, target: &Map<String, Json>) -> Result<Key, Refusal> {
    let named = named(state, entity, target)?;
    let found = match &named {
        Some(values) => state.find_by(entity, values)?,
        None => return Err(Refusal::bad_request("A row to update has neither its primary key nor an '@odata.id'.")),
    };
    let id = target.get(&entity.key[0]).and_then(Json::as_str).unwrap_or_default();
    let key = found.ok_or_else(|| write::not_found(state.dialect, entity, id))?;
    write::update(state, entity, &key, target)?;
    Ok(key)
}

fn upsert(state: &mut State, entity: &Entity, target: &Map<String, Json>) -> Result<Key, Refusal> {
    let values = named(state, entity, target)?.unwrap_or_default();
    let found = if values.is_empty() { None } else { state.find_by(entity, &values)? };
    match found {
        Some(key) => write::update(state, entity, &key, target).map(|()| key),
        None => write::create(state, entity, target, Some(&values)),
    }
}

/// What addresses the row: its `@odata.id`, else the primary key among its fields.
fn named(state: &State, entity: &Entity, target: &Map<String, Json>) -> Result<Option<Vec<(usize, Value)>>, Refusal> {
    if let Some(id) = target.get("@odata.id").and_then(Json::as_str) {
        let segment = id.rsplit_once(root(state.dialect)).map_or(id, |(_, it)| it).trim_start_matches('/');
        let key = address::parse(segment)?.key;
        let key = key.ok_or_else(|| Refusal::bad_request(format!("'{id}' does not address a row.")))?;
        return rules::key_values(state.dialect, entity, &key).map(Some);
    }
    let primary = state.table(entity).keys.primary[0];
    let Some(id) = target.get(&entity.key[0]) else { return Ok(None) };
    let value = wire::from_json(state.dialect, &Kind::Guid, id).map_err(Refusal::bad_request)?;
    Ok(Some(vec![(primary, value)]))
}
