//! The HTTP face: who asks, what is asked, and how the answer is written.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body as HttpBody, Bytes};
use axum::extract::{DefaultBodyLimit, State as Shared};
use axum::http::{HeaderMap, Method, Response, Uri, header};
use serde_json::{Map, Value as Json, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::schema::{Entity, Schema};

use super::address::{self, Address, KeyText, URL_MAX};
use super::fault::Fault;
use super::read::{self, Prefer};
use super::reply::{Body, Refusal, Reply};
use super::state::{self, State};
use super::table::Key;
use super::{Dialect, csdl, rules, write};

/// Largest body that is read.
const BODY_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Where the interface lives.
pub fn root(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Dataverse => "/api/data/v9.2/",
        Dialect::Finops => "/data/",
    }
}

/// Serves until `stopped` is dropped or told.
pub async fn serve(listener: TcpListener, state: Arc<Mutex<State>>, stopped: oneshot::Receiver<()>) {
    let router = Router::new().fallback(answer).layer(DefaultBodyLimit::max(BODY_BYTES_MAX)).with_state(state);
    let until = async {
        let _ = stopped.await;
    };
    if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(until).await {
        tracing::error!(%error, "the sandbox stopped");
    }
}

struct Request<'a> {
    method: &'a Method,
    query: &'a str,
    headers: &'a HeaderMap,
    body: &'a [u8],
}

impl Request<'_> {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|it| it.to_str().ok())
    }

    fn is_write(&self) -> bool {
        self.method != Method::GET && self.method != Method::HEAD
    }

    fn json(&self) -> Result<Map<String, Json>, Refusal> {
        serde_json::from_slice(self.body).map_err(|error| Refusal::bad_request(format!("The body is not a JSON object: {error}")))
    }

    fn prefer(&self) -> Prefer {
        let all: Vec<&str> = self.headers.get_all("prefer").iter().filter_map(|it| it.to_str().ok()).collect();
        Prefer::parse(&all.join(","))
    }
}

async fn answer(
    Shared(shared): Shared<Arc<Mutex<State>>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<HttpBody> {
    let request = Request { method: &method, query: uri.query().unwrap_or_default(), headers: &headers, body: &body };
    let mut state = state::lock(&shared);
    if uri.path().ends_with("/oauth2/v2.0/token") {
        return http(&token(&mut state, &request));
    }
    let dialect = state.dialect;
    let Some(client) = authorized(&state, &request) else {
        let refusal = Refusal::new(401, "0x80040220", "The access token is missing, wrong or expired.");
        return http(&Reply::refused(dialect, &refusal).with("www-authenticate", "Bearer"));
    };
    let counters = state.counters_of(&client);
    counters.requests += 1;
    counters.writes += u64::from(request.is_write());
    match state.faults.take(request.is_write()) {
        None => http(&true_answer(&mut state, uri.path(), &request)),
        Some(fault) => faulty(&mut state, &client, uri.path(), &request, fault),
    }
}

fn authorized(state: &State, request: &Request<'_>) -> Option<String> {
    state.client(request.header("authorization")?.strip_prefix("Bearer ")?)
}

fn token(state: &mut State, request: &Request<'_>) -> Reply {
    let body = String::from_utf8_lossy(request.body);
    let field = |name: &str| {
        let pairs = body.split('&').filter_map(|it| it.split_once('='));
        pairs.into_iter().find(|(it, _)| *it == name).map(|(_, value)| address::decode(value, true)).unwrap_or_default()
    };
    if field("grant_type") != "client_credentials" {
        return Reply::json(
            400,
            json!({"error": "unsupported_grant_type", "error_description": "only client_credentials is known"}),
        );
    }
    match state.grant(&field("client_id"), &field("client_secret")) {
        Some((token, life)) => Reply::json(200, json!({"token_type": "Bearer", "expires_in": life, "access_token": token})),
        None => Reply::json(
            401,
            json!({"error": "invalid_client", "error_description": "AADSTS7000215: Invalid client secret provided."}),
        ),
    }
}

fn faulty(state: &mut State, client: &str, path: &str, request: &Request<'_>, fault: Fault) -> Response<HttpBody> {
    let dialect = state.dialect;
    match fault {
        Fault::Throttle { retry_after } => {
            state.counters_of(client).throttled += 1;
            let refusal = match dialect {
                // Microsoft, api-limits.md.
                Dialect::Dataverse => Refusal::new(
                    429,
                    "0x80072322",
                    "Number of requests exceeded the limit of 6000 over time window of 300 seconds.",
                ),
                // Microsoft, data-entities/service-protection-api-limits.md.
                Dialect::Finops => Refusal::new(
                    429,
                    "",
                    "This request could not be processed at this time due to system experiencing high resource utilization.",
                ),
            };
            let reply = Reply::refused(dialect, &refusal);
            http(&match retry_after {
                Some(text) => reply.with("retry-after", text),
                None => reply,
            })
        }
        Fault::Status(status) => http(&Reply::refused(dialect, &Refusal::new(status, "", "The service is not available."))),
        Fault::Html(status) => {
            let page = "<html><body><h1>Bad gateway</h1></body></html>".to_owned();
            http(&Reply { status, body: Body::Html(page), ..Reply::default() })
        }
        Fault::Unauthorized => http(&Reply::refused(dialect, &Refusal::new(401, "0x80040220", "The access token expired."))),
        Fault::ResetAfterCommit => {
            let _ = true_answer(state, path, request);
            let broken = futures::stream::once(async { Err::<Bytes, _>(std::io::Error::other("connection reset")) });
            Response::new(HttpBody::from_stream(broken))
        }
        Fault::ForeignNextLink(host) => {
            let mut reply = true_answer(state, path, request);
            if let Body::Json(Json::Object(body)) = &mut reply.body {
                body.insert("@odata.nextLink".to_owned(), Json::String(format!("{host}{}stolen", root(dialect))));
            }
            http(&reply)
        }
    }
}

fn true_answer(state: &mut State, path: &str, request: &Request<'_>) -> Reply {
    let dialect = state.dialect;
    route(state, path, request).unwrap_or_else(|refusal| Reply::refused(dialect, &refusal))
}

fn route(state: &mut State, path: &str, request: &Request<'_>) -> Result<Reply, Refusal> {
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
    let Address { set, key } = address::parse(rest)?;
    let schema = state.schema.clone();
    let entity = served(&schema, state, &set)?;
    match (request.method, key) {
        (&Method::GET, None) => read::page(state, entity, request.query, request.prefer()),
        (&Method::GET, Some(key)) => get(state, entity, &key, request),
        (&Method::POST, None) => post(state, entity, request),
        (&Method::PATCH, Some(key)) => patch(state, entity, &key, request),
        (&Method::DELETE, Some(key)) => delete(state, entity, &key, request),
        (method, _) => Err(Refusal::new(405, "", format!("The method {method} is not allowed here."))),
    }
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
    let options = read::options(state, entity, request.query)?;
    let found = state.find(entity, key)?;
    let row = found.and_then(|it| read::visible(state, entity, &options, &it)).ok_or_else(|| missing(state, entity, key))?;
    let etag = read::etag(row);
    // Microsoft, webapi/perform-conditional-operations-using-web-api.md: 304 where the row is still the one the client has.
    if request.header("if-none-match") == Some(etag.as_str()) {
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
        return Ok(Reply::empty(204).with("odata-entityid", address).with("etag", etag));
    }
    let options = read::options(state, entity, request.query)?;
    let status = if is_new { 201 } else { 200 };
    let reply = Reply::json(status, Json::Object(read::one(state, entity, &options, row))).with("etag", etag);
    Ok(reply.with("preference-applied", "return=representation"))
}

fn missing(state: &State, entity: &Entity, key: &KeyText) -> Refusal {
    write::not_found(state.dialect, entity, &write::key_text(key))
}

fn http(reply: &Reply) -> Response<HttpBody> {
    let (kind, body) = match &reply.body {
        Body::Empty => (None, HttpBody::empty()),
        Body::Json(json) => (Some("application/json; odata.metadata=minimal; charset=utf-8"), HttpBody::from(json.to_string())),
        Body::Xml(text) => (Some("application/xml"), HttpBody::from(text.clone())),
        Body::Html(text) => (Some("text/html"), HttpBody::from(text.clone())),
    };
    let mut response = Response::builder().status(reply.status).header("odata-version", "4.0");
    for (name, value) in &reply.headers {
        response = response.header(*name, value);
    }
    if let Some(kind) = kind {
        response = response.header(header::CONTENT_TYPE, kind);
    }
    response.body(body).expect("the sandbox writes only headers that HTTP allows")
}
