//! Which request means what: paths, methods and conditional headers.

use axum::http::{HeaderMap, Method};
use serde_json::{Map, Value as Json, json};

use crate::schema::{Entity, Schema};

use super::address::{self, Address, KeyText, URL_MAX};
use super::read::{self, Prefer};
use super::reply::{Body, Refusal, Reply};
use super::state::State;
use super::table::Key;
use super::{Dialect, csdl, definitions, multiple, property, rules, write};

/// Where the interface lives.
pub fn root(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Dataverse => "/api/data/v9.2/",
        Dialect::Finops => "/data/",
    }
}

/// A request, or one operation of a batch.
pub struct Request<'a> {
    pub method: &'a Method,
    pub query: &'a str,
    pub headers: &'a HeaderMap,
    pub body: &'a [u8],
}

impl Request<'_> {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|it| it.to_str().ok())
    }

    pub fn is_write(&self) -> bool {
        self.method != Method::GET && self.method != Method::HEAD
    }

    pub fn json(&self) -> Result<Map<String, Json>, Refusal> {
        serde_json::from_slice(self.body).map_err(|error| Refusal::bad_request(format!("The body is not a JSON object: {error}")))
    }

    pub fn prefer(&self) -> Prefer {
        let all: Vec<&str> = self.headers.get_all("prefer").iter().filter_map(|it| it.to_str().ok()).collect();
        Prefer::parse(&all.join(","))
    }
}

/// The answer to a request for rows.
pub fn answer(state: &mut State, path: &str, request: &Request<'_>) -> Result<Reply, Refusal> {
    if path.len() + request.query.len() > URL_MAX {
        return Err(Refusal::new(414, "", "The URL is too long."));
    }
    let rest = path.strip_prefix(root(state.dialect)).ok_or_else(|| Refusal::new(404, "", "There is nothing here."))?;
    if rest == "$metadata" {
        return Ok(Reply { status: 200, body: Body::Xml(csdl::document(state)), ..Reply::default() });
    }
    if rest.is_empty() {
        return Ok(service_document(state));
    }
    let segments = address::segments(rest);
    if state.dialect == Dialect::Dataverse && segments[0].starts_with("EntityDefinitions") {
        return definitions::answer(state, &segments, request);
    }
    let Address { set, key } = address::parse(segments[0])?;
    let schema = state.schema.clone();
    let entity = served(&schema, state, &set)?;
    match (&segments[1..], key) {
        ([], key) => rows(state, entity, key, request),
        (["$count"], None) => read::total(state, entity, request.query),
        ([action], None) if *request.method == Method::POST => multiple::run(state, entity, action, request),
        ([name], Some(key)) if state.dialect == Dialect::Dataverse => property::column(state, entity, &key, name, request),
        ([nav, "$ref"], Some(key)) if state.dialect == Dialect::Dataverse => {
            property::reference(state, entity, &key, nav, request)
        }
        (segments, _) => {
            let last = segments.last().copied().unwrap_or_default();
            Err(Refusal::new(404, "0x80060888", format!("Resource not found for the segment '{last}'.")))
        }
    }
}

fn rows(state: &mut State, entity: &Entity, key: Option<KeyText>, request: &Request<'_>) -> Result<Reply, Refusal> {
    match (request.method, key) {
        (&Method::GET, None) => read::page(state, entity, request.query, request.prefer()),
        (&Method::GET, Some(key)) => get(state, entity, &key, request),
        (&Method::POST, None) => post(state, entity, request),
        (&Method::PATCH, Some(key)) => patch(state, entity, &key, request),
        (&Method::DELETE, Some(key)) => delete(state, entity, &key, request),
        (method, _) => Err(not_allowed(method)),
    }
}

/// A user sets a field of the row that a path addresses.
pub fn edit(state: &mut State, path: &str, field: &str, value: Json) -> Result<(), Refusal> {
    let rest = path.strip_prefix(root(state.dialect)).unwrap_or(path);
    let Address { set, key } = address::parse(address::segments(rest)[0])?;
    let schema = state.schema.clone();
    let entity = served(&schema, state, &set)?;
    let key = key.ok_or_else(|| Refusal::bad_request("The path addresses no row."))?;
    let found = state.find(entity, &key)?.ok_or_else(|| missing(state, entity, &key))?;
    write::update(state, entity, &found, &Map::from_iter([(field.to_owned(), value)]))
}

pub fn not_allowed(method: &Method) -> Refusal {
    Refusal::new(405, "", format!("The method {method} is not allowed here."))
}

fn served<'a>(schema: &'a Schema, state: &State, set: &str) -> Result<&'a Entity, Refusal> {
    let missing = || Refusal::new(404, "0x80060888", format!("Resource not found for the segment '{set}'."));
    let name = &state.entity_of_set(set).ok_or_else(missing)?.name;
    schema.entities.get(name).ok_or_else(missing)
}

fn service_document(state: &State) -> Reply {
    let sets = state.schema.entities.values().map(|it| {
        let set = it.set.as_deref().unwrap_or(&it.name);
        json!({"name": set, "kind": "EntitySet", "url": set})
    });
    let context = format!("{}{}$metadata", state.url, root(state.dialect));
    Reply::json(200, json!({"@odata.context": context, "value": sets.collect::<Vec<_>>()}))
}

fn get(state: &State, entity: &Entity, key: &KeyText, request: &Request<'_>) -> Result<Reply, Refusal> {
    let mut options = read::options(state, entity, request.query)?;
    options.annotates = request.prefer().annotates;
    let found = state.find(entity, key)?;
    let row = found.and_then(|it| read::visible(state, entity, &options, &it)).ok_or_else(|| missing(state, entity, key))?;
    let etag = read::etag(row);
    // Microsoft, webapi/perform-conditional-operations-using-web-api.md: 304 where the row is still the one the client has; never
    // with annotations or `$expand`.
    if request.header("if-none-match") == Some(etag.as_str()) && !options.annotates && options.expand.is_empty() {
        return Ok(Reply::empty(304).with("etag", etag));
    }
    Ok(Reply::json(200, Json::Object(read::one(state, entity, &options, row))).with("etag", etag))
}

fn post(state: &mut State, entity: &Entity, request: &Request<'_>) -> Result<Reply, Refusal> {
    let key = write::create(state, entity, &request.json()?, None)?;
    written(state, entity, &key, request, true)
}

/// What a conditional header says of the row.
enum Condition<'a> {
    None,
    /// `If-Match: *`
    MustExist,
    /// `If-None-Match: *`
    MustNotExist,
    Version(&'a str),
}

fn condition<'a>(request: &'a Request<'_>) -> Condition<'a> {
    match (request.header("if-match"), request.header("if-none-match")) {
        (Some("*"), _) => Condition::MustExist,
        (Some(version), _) => Condition::Version(version),
        (None, Some("*")) => Condition::MustNotExist,
        (None, _) => Condition::None,
    }
}

// Microsoft, webapi/perform-conditional-operations-using-web-api.md; F&O has no upsert.
fn patch(state: &mut State, entity: &Entity, key: &KeyText, request: &Request<'_>) -> Result<Reply, Refusal> {
    let body = request.json()?;
    let options = read::options(state, entity, request.query)?;
    let found = state.find(entity, key)?.filter(|it| read::visible(state, entity, &options, it).is_some());
    match (found, condition(request)) {
        (Some(_), Condition::MustNotExist) => {
            Err(Refusal::new(412, "0x80040237", "A record with matching key values already exists."))
        }
        (Some(key), Condition::Version(version)) => {
            check_version(state, entity, &key, version)?;
            change(state, entity, &key, &body, request)
        }
        (Some(key), Condition::None | Condition::MustExist) => change(state, entity, &key, &body, request),
        (None, Condition::None | Condition::MustNotExist) if state.dialect == Dialect::Dataverse => {
            let values = rules::key_values(state.dialect, entity, key)?;
            let key = write::create(state, entity, &body, Some(&values))?;
            written(state, entity, &key, request, true)
        }
        (None, _) => Err(missing(state, entity, key)),
    }
}

fn change(
    state: &mut State,
    entity: &Entity,
    key: &Key,
    body: &Map<String, Json>,
    request: &Request<'_>,
) -> Result<Reply, Refusal> {
    write::update(state, entity, key, body)?;
    written(state, entity, key, request, false)
}

fn delete(state: &mut State, entity: &Entity, key: &KeyText, request: &Request<'_>) -> Result<Reply, Refusal> {
    let options = read::options(state, entity, request.query)?;
    let found = state.find(entity, key)?.filter(|it| read::visible(state, entity, &options, it).is_some());
    let found = found.ok_or_else(|| missing(state, entity, key))?;
    if let Condition::Version(version) = condition(request) {
        check_version(state, entity, &found, version)?;
    }
    write::delete(state, entity, &found)?;
    Ok(Reply::empty(204))
}

fn check_version(state: &State, entity: &Entity, key: &Key, version: &str) -> Result<(), Refusal> {
    let own = state.table(entity).get(key).map(read::etag);
    if own.as_deref() == Some(version) {
        return Ok(());
    }
    let text = "The version of the existing record doesn't match the RowVersion property provided.";
    Err(Refusal::new(412, "0x80060882", text))
}

// Microsoft, webapi/create-entity-web-api.md: 204 with the row's address; with `return=representation` 201 (200) and the row.
// F&O answers a create with 201 and the row in any case.
fn written(state: &State, entity: &Entity, key: &Key, request: &Request<'_>, is_new: bool) -> Result<Reply, Refusal> {
    let row = state.table(entity).get(key).ok_or_else(|| Refusal::new(500, "", "The row is gone."))?;
    let etag = read::etag(row);
    let is_shown = request.prefer().representation || is_new && state.dialect == Dialect::Finops;
    if !is_shown {
        let id = read::all_fields(state.dialect, entity, row);
        let id = entity.key.first().and_then(|it| id.get(it)).and_then(Json::as_str).unwrap_or_default();
        let set = entity.set.as_deref().unwrap_or(&entity.name);
        let address = format!("{}{}{set}({})", state.url, root(state.dialect), address::encode(id));
        let reply = Reply::empty(204).with("odata-entityid", address.clone()).with("etag", etag);
        return Ok(if is_new { reply.with("location", address) } else { reply });
    }
    let mut options = read::options(state, entity, request.query)?;
    options.annotates = request.prefer().annotates;
    let status = if is_new { 201 } else { 200 };
    let reply = Reply::json(status, Json::Object(read::one(state, entity, &options, row))).with("etag", etag);
    Ok(reply.with("preference-applied", "return=representation"))
}

/// The refusal of a row that is not there.
pub fn missing(state: &State, entity: &Entity, key: &KeyText) -> Refusal {
    write::not_found(state.dialect, entity, &write::key_text(key))
}
