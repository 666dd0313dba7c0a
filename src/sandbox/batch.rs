//! `$batch`: many requests in one, alone or in change sets that take effect together or not at all.
//!
//! Rules: Microsoft, webapi/execute-batch-operations-using-web-api.md; for F&O data-entities/odata.md, which has change sets, too.

use std::collections::HashMap;

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use serde_json::Value as Json;

use super::multipart::{self, Part};
use super::reply::{Body, Refusal, Reply};
use super::route::{self, Request, root};
use super::server::JSON_TYPE;
use super::state::State;

/// "Batch requests can contain up to 1000 individual requests and can't contain other batch requests."
const OPERATIONS_MAX: usize = 1000;

/// One request of a batch.
struct Operation {
    content_id: Option<String>,
    method: Method,
    /// Path and query, or `$1` and what follows it.
    target: String,
    headers: HeaderMap,
    body: Vec<u8>,
}

enum Item {
    Single(Operation),
    ChangeSet(Vec<Operation>),
}

/// An answered operation.
struct Answered {
    content_id: Option<String>,
    reply: Reply,
}

/// Carries out a batch.
pub fn run(state: &mut State, request: &Request<'_>) -> Result<Reply, Refusal> {
    if request.method != Method::POST {
        return Err(Refusal::new(405, "", "A batch is posted."));
    }
    let boundary = request.header("content-type").and_then(multipart::boundary);
    let boundary =
        boundary.ok_or_else(|| Refusal::bad_request("The content type of a batch is multipart/mixed with a boundary."))?;
    let body = std::str::from_utf8(request.body).map_err(|_| Refusal::bad_request("The batch is not UTF-8."))?;
    let items = multipart::parts(body, &boundary)?.iter().map(item).collect::<Result<Vec<_>, _>>()?;
    let count: usize = items.iter().map(|it| if let Item::ChangeSet(all) = it { all.len() } else { 1 }).sum();
    if count > OPERATIONS_MAX {
        let text = format!("The batch holds {count} requests; at most {OPERATIONS_MAX} are allowed.");
        return Err(Refusal::bad_request(text));
    }
    let goes_on = request.prefer().continue_on_error;
    let own = format!("batchresponse_{}", state.clock.new_id());
    let (mut text, mut status) = (String::new(), 200);
    for item in &items {
        let (part, failed) = answered(state, item);
        text.push_str(&format!("--{own}\r\n{part}\r\n"));
        // "The error for that request will be returned for the batch request and more requests won't be processed."
        if let (Some(failed), false) = (failed, goes_on) {
            status = failed;
            break;
        }
    }
    text.push_str(&format!("--{own}--\r\n"));
    Ok(Reply { status, body: Body::Multipart { boundary: own, text }, ..Reply::default() })
}

/// How many requests of a batch may change something; 0 where it cannot be read.
pub fn writes(request: &Request<'_>) -> u64 {
    let boundary = request.header("content-type").and_then(multipart::boundary).unwrap_or_default();
    let items = std::str::from_utf8(request.body).ok().and_then(|body| multipart::parts(body, &boundary).ok());
    let items = items.iter().flatten().filter_map(|it| item(it).ok());
    let of_item = |it: Item| match it {
        Item::Single(operation) => u64::from(operation.method != Method::GET),
        Item::ChangeSet(all) => all.iter().filter(|it| it.method != Method::GET).count() as u64,
    };
    items.map(of_item).sum()
}

fn item(part: &Part<'_>) -> Result<Item, Refusal> {
    let kind = part.header("content-type").unwrap_or_default();
    if !kind.to_ascii_lowercase().starts_with("multipart/mixed") {
        return operation(part).map(Item::Single);
    }
    let boundary = multipart::boundary(kind).ok_or_else(|| Refusal::bad_request("A change set has no boundary."))?;
    let parts = multipart::parts(part.body, &boundary)?;
    parts.iter().map(operation).collect::<Result<_, _>>().map(Item::ChangeSet)
}

fn operation(part: &Part<'_>) -> Result<Operation, Refusal> {
    let wrong = |text: &str| Refusal::bad_request(format!("The batch holds a request that cannot be read: {text}"));
    let (line, rest) = part.body.split_once('\n').unwrap_or((part.body, ""));
    // Clients send blanks in URLs, so the target is all between the method and the protocol.
    let line = line.trim();
    let (method, target) = line.split_once(' ').ok_or_else(|| wrong(line))?;
    let target = target.rsplit_once(" HTTP/").map_or(target, |(it, _)| it).trim();
    let method = Method::from_bytes(method.as_bytes()).map_err(|_| wrong(line))?;
    let inner = multipart::head_and_body(rest);
    let mut headers = HeaderMap::new();
    for (name, value) in &inner.head {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong(name))?;
        headers.append(name, HeaderValue::from_str(value).map_err(|_| wrong(value))?);
    }
    let content_id = part.header("content-id").map(str::to_owned);
    Ok(Operation { content_id, method, target: target.to_owned(), headers, body: inner.body.trim().as_bytes().to_vec() })
}

/// The text of the answer's part, and the status if it is a failure.
fn answered(state: &mut State, item: &Item) -> (String, Option<u16>) {
    match item {
        Item::Single(operation) => {
            let reply = single(state, operation, &HashMap::new());
            let reply = reply.unwrap_or_else(|refusal| Reply::refused(state.dialect, &refusal));
            let failed = (reply.status >= 400).then_some(reply.status);
            (part_text(&Answered { content_id: operation.content_id.clone(), reply }), failed)
        }
        Item::ChangeSet(operations) => match state.atomically(|state| change_set(state, operations)) {
            Ok(answers) => (set_text(state, &answers), None),
            // One answer stands for the whole set.
            Err(refusal) => {
                let reply = Reply::refused(state.dialect, &refusal);
                (part_text(&Answered { content_id: None, reply }), Some(refusal.status))
            }
        },
    }
}

fn change_set(state: &mut State, operations: &[Operation]) -> Result<Vec<Answered>, Refusal> {
    let mut made: HashMap<String, String> = HashMap::new();
    let mut answers = Vec::with_capacity(operations.len());
    for operation in operations {
        // "`GET` requests are not allowed within change sets."
        if operation.method == Method::GET {
            return Err(Refusal::bad_request("A change set cannot hold a GET request."));
        }
        let reply = single(state, operation, &made)?;
        let address = reply.headers.iter().find(|(name, _)| *name == "odata-entityid").map(|(_, it)| it.clone());
        let address = address.or_else(|| reply.headers.iter().find(|(name, _)| *name == "location").map(|(_, it)| it.clone()));
        if let (Some(id), Some(address)) = (&operation.content_id, address) {
            made.insert(id.clone(), address);
        }
        answers.push(Answered { content_id: operation.content_id.clone(), reply });
    }
    Ok(answers)
}

fn single(state: &mut State, operation: &Operation, made: &HashMap<String, String>) -> Result<Reply, Refusal> {
    let target = referred(&operation.target, made)?;
    let target = path_of(state, &target);
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let body = with_references(&operation.body, made)?;
    let request = Request { method: &operation.method, query, headers: &operation.headers, body: &body };
    if path.strip_prefix(root(state.dialect)) == Some("$batch") {
        return Err(Refusal::bad_request("A batch cannot hold another batch."));
    }
    route::answer(state, path, &request)
}

/// The path of an address that is absolute, rooted, or relative to the service.
fn path_of(state: &State, target: &str) -> String {
    let rooted = match target.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("/", |slash| &rest[slash..]),
        None => target,
    };
    if rooted.starts_with('/') { rooted.to_owned() } else { format!("{}{rooted}", root(state.dialect)) }
}

/// "Referencing a `Content-ID` before it has been declared in the request body will return the error HTTP 400."
fn referred(text: &str, made: &HashMap<String, String>) -> Result<String, Refusal> {
    let Some(rest) = text.strip_prefix('$') else { return Ok(text.to_owned()) };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let address = made.get(&rest[..end]);
    let missing =
        || Refusal::bad_request(format!("Content-ID Reference: '${}' does not exist in the batch context.", &rest[..end]));
    address.map(|it| format!("{it}{}", &rest[end..])).ok_or_else(missing)
}

/// A body in which `$1` of a binding is the address that it stands for.
fn with_references(body: &[u8], made: &HashMap<String, String>) -> Result<Vec<u8>, Refusal> {
    let Ok(Json::Object(mut fields)) = serde_json::from_slice::<Json>(body) else { return Ok(body.to_vec()) };
    for (name, value) in &mut fields {
        if let (true, Json::String(text)) = (name.ends_with("@odata.bind") || name == "@odata.id", &*value) {
            *value = Json::String(referred(text, made)?);
        }
    }
    Ok(Json::Object(fields).to_string().into_bytes())
}

fn set_text(state: &State, answers: &[Answered]) -> String {
    let own = format!("changesetresponse_{}", state.clock.new_id());
    let parts: String = answers.iter().map(|it| format!("--{own}\r\n{}\r\n", part_text(it))).collect();
    format!("Content-Type: multipart/mixed; boundary={own}\r\n\r\n{parts}--{own}--")
}

fn part_text(answer: &Answered) -> String {
    let reply = &answer.reply;
    let mut text = "Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n".to_owned();
    if let Some(id) = &answer.content_id {
        text.push_str(&format!("Content-ID: {id}\r\n"));
    }
    let reason = StatusCode::from_u16(reply.status).ok().and_then(|it| it.canonical_reason()).unwrap_or("Unknown");
    text.push_str(&format!("\r\nHTTP/1.1 {} {reason}\r\n", reply.status));
    let (kind, body) = match &reply.body {
        Body::Json(json) => (JSON_TYPE, json.to_string()),
        Body::Xml(body) => ("application/xml", body.clone()),
        Body::Plain(body) | Body::Html(body) | Body::Multipart { text: body, .. } => ("text/plain", body.clone()),
        Body::Empty => ("", String::new()),
    };
    if !kind.is_empty() {
        text.push_str(&format!("Content-Type: {kind}\r\n"));
    }
    text.push_str("OData-Version: 4.0\r\n");
    for (name, value) in &reply.headers {
        text.push_str(&format!("{}: {value}\r\n", spelled(name)));
    }
    format!("{text}\r\n{body}")
}

// Clients read the parts as text and look for the documented spelling.
fn spelled(name: &str) -> &str {
    match name {
        "odata-entityid" => "OData-EntityId",
        "location" => "Location",
        "etag" => "ETag",
        "preference-applied" => "Preference-Applied",
        other => other,
    }
}
