//! Requests for rows, and answers with rows.

use serde_json::{Map, Value as Json};

use super::error;
use super::rows::{self, Columns, Row};
use crate::change::{Class, Failure};
use crate::connect::http::{Answer, Client, Method, Request};

/// What was made of the rows of a page.
#[derive(Debug, Default)]
pub struct Page<T> {
    pub rows: Vec<T>,
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

/// Sends a GET, reads a page, and makes something of every row.
pub async fn read<T>(
    client: &Client,
    path_and_query: &str,
    prefer: &str,
    columns: &Columns<'_>,
    make: impl Fn(&Row<'_, '_>) -> Result<T, Failure>,
) -> Result<Page<T>, Failure> {
    let what = format!("reading `{}`", columns.set());
    let answer = get(client, &what, path_and_query, prefer).await?;
    let page = rows::page(columns, &answer.body, make).map_err(|error| unreadable(&what, &error.to_string()))?;
    let path = |link: Option<String>| link.map(|it| client.path_of(&it)).transpose();
    Ok(Page { rows: page.rows?, next: path(page.next)?, delta: path(page.delta)? })
}

/// Sends a GET and reads a list of objects of which nothing is known before.
pub async fn objects(client: &Client, what: &str, path_and_query: &str) -> Result<Vec<Map<String, Json>>, Failure> {
    let answer = get(client, what, path_and_query, "").await?;
    let Some(Json::Array(values)) = object(what, &answer.body)?.remove("value") else {
        return Err(unreadable(what, "there is no list `value` in it"));
    };
    let object = |value| match value {
        Json::Object(row) => Ok(row),
        _ => Err(unreadable(what, "an entry of `value` is no object")),
    };
    values.into_iter().map(object).collect()
}

async fn get(client: &Client, what: &str, path_and_query: &str, prefer: &str) -> Result<Answer, Failure> {
    let mut request = request(client, Method::GET, path_and_query)?;
    if !prefer.is_empty() {
        request = request.with("prefer", prefer);
    }
    let answer = client.send(&request).await?;
    if answer.is_success() { Ok(answer) } else { Err(error::failure(client, what, &answer)) }
}

/// A body that must be one row.
pub fn row<'a, 'b>(columns: &'a Columns<'a>, what: &str, body: &'b [u8]) -> Result<Row<'a, 'b>, Failure> {
    columns.row(body).map_err(|error| unreadable(what, &error.to_string()))
}

/// A body that must be a JSON object. What was cut off, or came from a gateway, is worth another try.
pub fn object(what: &str, body: &[u8]) -> Result<Map<String, Json>, Failure> {
    serde_json::from_slice(body).map_err(|error| unreadable(what, &error.to_string()))
}

fn unreadable(what: &str, why: &str) -> Failure {
    Failure::new(Class::Transient, format!("{what}: the answer cannot be read: {why}"))
}
