//! The HTTP face: who asks, what is asked, and how the answer is written.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body as HttpBody, Bytes};
use axum::extract::{DefaultBodyLimit, State as Shared};
use axum::http::{HeaderMap, Method, Response, Uri, header};
use serde_json::{Value as Json, json};
use tokio::sync::oneshot;

use super::address;
use super::clock::Clock;
use super::fault::Fault;
use super::reply::{Body, Refusal, Reply};
use super::route::{self, Request, root};
use super::state::{self, State};
use super::{Dialect, admin, batch};

/// Largest body that is read.
const BODY_BYTES_MAX: usize = 8 * 1024 * 1024;

/// The type of every answer with rows.
pub const JSON_TYPE: &str = "application/json; odata.metadata=minimal; charset=utf-8";

/// Serves until `stopped` is dropped or told.
pub async fn serve<L>(listener: L, state: Arc<Mutex<State>>, stopped: oneshot::Receiver<()>)
where
    L: axum::serve::Listener,
    L::Addr: std::fmt::Debug,
{
    let router = Router::new().fallback(answer).layer(DefaultBodyLimit::max(BODY_BYTES_MAX)).with_state(state);
    let until = async {
        let _ = stopped.await;
    };
    if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(until).await {
        tracing::error!(%error, "the sandbox stopped");
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
    if let Some(what) = uri.path().strip_prefix("/sandbox/") {
        return http(&admin::answer(&mut state, what, &request));
    }
    let dialect = state.dialect;
    let Some(client) = authorized(&state, &request) else {
        let refusal = Refusal::new(401, "0x80040220", "The access token is missing, wrong or expired.");
        return http(&Reply::refused(dialect, &refusal).with("www-authenticate", "Bearer"));
    };
    let counters = state.counters_of(&client);
    counters.requests += 1;
    counters.writes += if is_batch(dialect, uri.path()) { batch::writes(&request) } else { u64::from(request.is_write()) };
    let answer = match state.faults.take(request.is_write()) {
        None => http(&true_answer(&mut state, uri.path(), &request)),
        Some(fault) => faulty(&mut state, &client, uri.path(), &request, fault),
    };
    state.outbox.flush();
    answer
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
        Fault::Refuse { status, code, message } => http(&Reply::refused(dialect, &Refusal::new(status, code, message))),
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
        Fault::Truncated => {
            let mut reply = true_answer(state, path, request);
            reply.body = match reply.body {
                Body::Json(json) => Body::Plain(half(&json.to_string())),
                Body::Multipart { boundary, text } => Body::Multipart { boundary, text: half(&text) },
                whole @ (Body::Empty | Body::Xml(_) | Body::Html(_) | Body::Plain(_)) => whole,
            };
            http(&reply)
        }
        Fault::IgnoresPreferences => http(&true_answer(state, path, &Request { headers: &plain(request), ..*request })),
        Fault::EditAfter { field, value } => {
            let reply = true_answer(state, path, &Request { headers: &plain(request), ..*request });
            if let Err(refusal) = route::edit(state, path, &field, Json::String(value)) {
                tracing::error!(%refusal, "the user's edit was refused");
            }
            http(&reply)
        }
        Fault::EndlessPages => {
            let mut reply = true_answer(state, path, request);
            if let Body::Json(Json::Object(body)) = &mut reply.body {
                body.insert("@odata.nextLink".to_owned(), Json::String(format!("{}{path}?{}", state.url, request.query)));
            }
            http(&reply)
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

fn half(text: &str) -> String {
    text.chars().take(text.chars().count() / 2).collect()
}

/// The headers without what the client prefers.
fn plain(request: &Request<'_>) -> HeaderMap {
    let mut headers = request.headers.clone();
    headers.remove("prefer");
    headers
}

fn true_answer(state: &mut State, path: &str, request: &Request<'_>) -> Reply {
    let dialect = state.dialect;
    let reply = if is_batch(dialect, path) { batch::run(state, request) } else { route::answer(state, path, request) };
    reply.unwrap_or_else(|refusal| Reply::refused(dialect, &refusal))
}

fn is_batch(dialect: Dialect, path: &str) -> bool {
    path.strip_prefix(root(dialect)) == Some("$batch")
}

fn http(reply: &Reply) -> Response<HttpBody> {
    let (kind, body) = match &reply.body {
        Body::Empty => (None, HttpBody::empty()),
        Body::Json(json) => (Some(JSON_TYPE.to_owned()), HttpBody::from(json.to_string())),
        Body::Xml(text) => (Some("application/xml".to_owned()), HttpBody::from(text.clone())),
        Body::Html(text) => (Some("text/html".to_owned()), HttpBody::from(text.clone())),
        Body::Plain(text) => (Some("text/plain".to_owned()), HttpBody::from(text.clone())),
        Body::Multipart { boundary, text } => {
            (Some(format!("multipart/mixed; boundary={boundary}")), HttpBody::from(text.clone()))
        }
    };
    // By this id the operator of the system finds the request (Microsoft, webapi/compose-http-requests-handle-errors.md).
    let id = Clock::default().new_id().to_string();
    let mut response =
        Response::builder().status(reply.status).header("odata-version", "4.0").header("x-ms-service-request-id", id);
    for (name, value) in &reply.headers {
        response = response.header(*name, value);
    }
    if let Some(kind) = kind {
        response = response.header(header::CONTENT_TYPE, kind);
    }
    response.body(body).expect("the sandbox writes only headers that HTTP allows")
}
