//! Requests for rows, and answers with rows.

use serde_json::{Map, Value as Json};

use super::error;
use crate::change::{Class, Failure};
use crate::connect::http::{Answer, Client, Method, Request};

/// A page as the server sent it.
#[derive(Debug, Default)]
pub struct RawPage {
    pub rows: Vec<Map<String, Json>>,
    /// Path and query of the next page.
    pub next: Option<String>,
    /// Path and query of the next reading of changes.
    pub delta: Option<String>,
}

/// Most pages of the answer to one query; a server that never ends one is not followed for ever.
const PAGES_PER_QUERY_MAX: usize = 1000;

/// What is in all pages of a query, at most about `limit`. The server may cut any page short, and a row that is on a later page
/// must not be taken for one that is gone. `read` reads one page and tells the next; `set` is what is read.
pub async fn all<T, Reading>(set: &str, path: String, limit: usize, read: impl Fn(String) -> Reading) -> Result<Vec<T>, Failure>
where
    Reading: Future<Output = Result<(Vec<T>, Option<String>), Failure>>,
{
    let (mut all, mut next) = (Vec::new(), Some(path));
    for _ in 0..PAGES_PER_QUERY_MAX {
        let Some(path) = next.filter(|_| all.len() < limit) else { return Ok(all) };
        let (found, after) = read(path).await?;
        all.extend(found);
        next = after;
    }
    Err(endless(set))
}

pub fn endless(set: &str) -> Failure {
    Failure::new(Class::Transient, format!("reading `{set}`: the answer has no end"))
}

/// A request with the headers that both dialects want (Microsoft, webapi/compose-http-requests-handle-errors.md).
pub fn request(client: &Client, method: Method, path_and_query: &str) -> Result<Request, Failure> {
    let request = Request::new(method, client.url(path_and_query)?);
    Ok(request.with("accept", "application/json").with("odata-version", "4.0").with("odata-maxversion", "4.0"))
}

/// Sends a GET and reads a page.
pub async fn get(client: &Client, what: &str, path_and_query: &str, prefer: &str) -> Result<RawPage, Failure> {
    let mut request = request(client, Method::GET, path_and_query)?;
    if !prefer.is_empty() {
        request = request.with("prefer", prefer);
    }
    let answer = client.send(&request).await?;
    if !answer.is_success() {
        return Err(error::failure(client, what, &answer));
    }
    page(client, what, &answer)
}

fn page(client: &Client, what: &str, answer: &Answer) -> Result<RawPage, Failure> {
    let mut body = object(what, &answer.body)?;
    let Some(Json::Array(values)) = body.remove("value") else {
        return Err(unreadable(what, "there is no list `value` in it"));
    };
    let mut rows = Vec::with_capacity(values.len());
    for value in values {
        match value {
            Json::Object(row) => rows.push(row),
            _ => return Err(unreadable(what, "an entry of `value` is no object")),
        }
    }
    let mut link = |name: &str| match body.remove(name) {
        Some(Json::String(link)) => client.path_of(&link).map(Some),
        _ => Ok(None),
    };
    Ok(RawPage { rows, next: link("@odata.nextLink")?, delta: link("@odata.deltaLink")? })
}

/// A body that must be a JSON object. What was cut off, or came from a gateway, is worth another try.
pub fn object(what: &str, body: &[u8]) -> Result<Map<String, Json>, Failure> {
    serde_json::from_slice(body).map_err(|error| unreadable(what, &error.to_string()))
}

fn unreadable(what: &str, why: &str) -> Failure {
    Failure::new(Class::Transient, format!("{what}: the answer cannot be read: {why}"))
}
