//! Where systems tell of changes: webhooks of Dataverse, data events and business events of F&O.
//!
//! A message is answered when what it names is on the disk (Dataverse waits 60 seconds and repeats a message once, after 502, 503
//! or 504 alone: Microsoft, use-webhooks.md). It is known by a key, because there is no signature; it names rows, and is never taken
//! for data. What is lost on the way here is found by the feeds.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Path as Named, Request, State as Shared};
use axum::http::{HeaderName, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use secrecy::{ExposeSecret, SecretString};
use tokio::net::TcpListener;
use tokio::sync::{Notify, Semaphore, watch};

use super::config::HookAuth;
use super::control::server::{Answering, is_secret, whole_body};
use super::world::World;
use crate::change::{Hint, Side};
use crate::connect::odata::notice::{self, Sender};
use crate::ir::Program;
use crate::schema::Shape;
use crate::store::{self, Inbox};

/// Largest message that is read. Dataverse leaves out what would make one larger than 256 KB (Microsoft, use-webhooks.md).
const BODY_BYTES_MAX: usize = 1024 * 1024;
/// Longest wait for the disk. F&O itself waits ten seconds (Microsoft, business-events/home-page.md).
const DISK_TIME_MAX: Duration = Duration::from_secs(8);
/// Messages that are taken at once.
const AT_ONCE_MAX: usize = 64;
/// Shortest key that is taken for one.
const KEY_CHARS_MIN: usize = 16;
/// The header in which Dataverse names the table (Microsoft, use-webhooks.md).
const TABLE_HEADER: &str = "x-ms-dynamics-entity-name";

/// A system that sends, and how its messages are known.
pub struct Hook {
    system: String,
    sender: Sender,
    place: KeyPlace,
    keys: Vec<SecretString>,
    /// Entities by the names of tables and events.
    names: BTreeMap<String, String>,
}

/// Where the key of a message stands.
enum KeyPlace {
    Header(HeaderName),
    Query(String),
}

impl Hook {
    pub fn new(
        system: String,
        sender: Sender,
        auth: HookAuth,
        keys: Vec<SecretString>,
        names: BTreeMap<String, String>,
    ) -> Result<Self, String> {
        if keys.iter().any(|it| it.expose_secret().chars().count() < KEY_CHARS_MIN) {
            return Err(format!("a key has fewer than {KEY_CHARS_MIN} characters\n  = fix: take a long random one"));
        }
        let place = match auth {
            HookAuth::Code => KeyPlace::Query("code".to_owned()),
            HookAuth::Query(name) => KeyPlace::Query(name),
            HookAuth::Header(name) => KeyPlace::Header(name.parse().map_err(|_| format!("`{name}` is no name of a header"))?),
        };
        Ok(Self { system, sender, place, keys, names })
    }

    pub fn system(&self) -> &str {
        &self.system
    }

    fn knows(&self, request: &Request) -> bool {
        let given = match &self.place {
            KeyPlace::Header(name) => request.headers().get(name).and_then(|it| it.to_str().ok()).map(str::to_owned),
            KeyPlace::Query(name) => query_value(request.uri(), name),
        };
        given.is_some_and(|given| self.keys.iter().fold(false, |known, key| known | is_secret(&given, key)))
    }
}

fn query_value(uri: &Uri, name: &str) -> Option<String> {
    let pairs = uri.query()?.split('&').filter_map(|it| it.split_once('='));
    let decoded = |text: &str| unescape(&text.replace('+', " "));
    pairs.into_iter().find(|(it, _)| decoded(it).as_deref() == Some(name)).and_then(|(_, value)| decoded(value))
}

/// `%41` as `A`; `None`: it is cut off, or no text.
fn unescape(text: &str) -> Option<String> {
    let (mut out, bytes, mut at) = (Vec::with_capacity(text.len()), text.as_bytes(), 0);
    while at < bytes.len() {
        if bytes[at] != b'%' {
            out.push(bytes[at]);
            at += 1;
            continue;
        }
        out.push(u8::from_str_radix(text.get(at + 1..at + 3)?, 16).ok()?);
        at += 3;
    }
    String::from_utf8(out).ok()
}

struct Desk {
    hooks: Vec<Hook>,
    programs: watch::Receiver<Arc<Program>>,
    inbox: Arc<Mutex<Inbox>>,
    world: Arc<dyn World>,
    /// Rung when a hint is on the disk.
    bell: Arc<Notify>,
    room: Semaphore,
}

/// The receiver is up until this ends.
pub struct Receiving {
    pub address: SocketAddr,
    #[expect(dead_code, reason = "it is up by being here")]
    answering: Answering,
}

/// What a receiver needs of the deployment whose state file it writes to.
pub struct Surroundings {
    pub programs: watch::Receiver<Arc<Program>>,
    pub world: Arc<dyn World>,
    pub bell: Arc<Notify>,
}

/// Why there is no receiver.
#[derive(Debug)]
pub enum Error {
    Bind(std::io::Error),
    Store(store::Error),
}

impl std::fmt::Display for Error {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bind(error) => write!(out, "the receiver cannot listen: {error}"),
            Self::Store(error) => error.fmt(out),
        }
    }
}

impl std::error::Error for Error {}

/// Listens for messages to `/hooks/SYSTEM`.
pub async fn serve(listen: SocketAddr, hooks: Vec<Hook>, state: &Path, around: Surroundings) -> Result<Receiving, Error> {
    let listener = TcpListener::bind(listen).await.map_err(Error::Bind)?;
    let address = listener.local_addr().map_err(Error::Bind)?;
    let inbox = Arc::new(Mutex::new(Inbox::open(state).map_err(Error::Store)?));
    let Surroundings { programs, world, bell } = around;
    let desk = Desk { hooks, programs, inbox, world, bell, room: Semaphore::new(AT_ONCE_MAX) };
    let router = Router::new().route("/hooks/{system}", post(told)).with_state(Arc::new(desk));
    Ok(Receiving { address, answering: Answering::at(listener, router, "the receiver") })
}

async fn told(Shared(desk): Shared<Arc<Desk>>, Named(system): Named<String>, request: Request) -> Response {
    match take(&desk, &system, request).await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err((status, text)) => {
            // The address of the request may hold a key, so it is not part of the text.
            tracing::warn!(system, status = status.as_u16(), "push message: {text}");
            (status, format!("{text}\n")).into_response()
        }
    }
}

type Refused = (StatusCode, String);

async fn take(desk: &Desk, system: &str, request: Request) -> Result<(), Refused> {
    let hook = desk.hooks.iter().find(|it| it.system == system && it.knows(&request));
    let hook = hook.ok_or_else(|| (StatusCode::UNAUTHORIZED, "no system has this name and this key".to_owned()))?;
    let busy = |_| (StatusCode::SERVICE_UNAVAILABLE, "too many messages at once".to_owned());
    let _room = desk.room.try_acquire().map_err(busy)?;
    let table = request.headers().get(TABLE_HEADER).and_then(|it| it.to_str().ok()).map(str::to_owned);
    let body = whole_body(request.into_body(), "message", BODY_BYTES_MAX).await?;
    let program = desk.programs.borrow().clone();
    let hint = notice::hint(hook.sender, &hook.names, &shapes(&program, system), table.as_deref(), &body);
    match hint.map_err(|text| (StatusCode::BAD_REQUEST, text))? {
        // No map reads this entity.
        None => Ok(()),
        Some(hint) => put_on_file(desk, system.to_owned(), hint).await,
    }
}

/// What the maps read of a system.
fn shapes<'a>(program: &'a Program, system: &str) -> Vec<&'a Shape> {
    let of_plan = |plan: &'a crate::ir::Plan| {
        let is_ours = |side: &Side| program.system(plan, *side) == system;
        Side::BOTH.into_iter().filter(is_ours).map(|side| &plan.shapes[side])
    };
    program.plans.iter().flat_map(of_plan).collect()
}

/// 503 is one of the answers after which Dataverse sends a message once more.
async fn put_on_file(desk: &Desk, system: String, hint: Hint) -> Result<(), Refused> {
    let (inbox, now) = (desk.inbox.clone(), desk.world.now());
    let write = move || inbox.lock().expect("no code panics while it holds this lock").note(&system, &hint, now);
    let full = |text: String| (StatusCode::SERVICE_UNAVAILABLE, text);
    match tokio::time::timeout(DISK_TIME_MAX, tokio::task::spawn_blocking(write)).await {
        Ok(Ok(Ok(()))) => {
            desk.bell.notify_one();
            Ok(())
        }
        Ok(Ok(Err(error))) => Err(full(error.to_string())),
        Ok(Err(_)) | Err(_) => Err(full("the state cannot be written now".to_owned())),
    }
}
