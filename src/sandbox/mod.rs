//! Simulated Dataverse and Finance & Operations over HTTP, for demos, tests and people without a tenant.
//!
//! Each rule that comes from a document names it. The documents are Microsoft's: `webapi/…`, `use-change-tracking-…` and
//! the like are pages of the Dataverse developer guide; `data-entities/…` are pages of the Finance & Operations one.
//! A rule without a name is a decision of this simulator, on the strict side of what the real system may do.
//!
//! Everything is held in memory. The same state is reached over HTTP and, for a scripted user, through [`Running`]:
//! both go through the same rules, so a user cannot make a row that the interface would refuse.

mod address;
mod admin;
mod batch;
mod clock;
mod csdl;
pub mod data;
mod definitions;
mod expand;
mod fault;
mod filter;
mod hooks;
mod money;
mod multipart;
mod multiple;
mod navigation;
mod property;
mod read;
mod reply;
mod route;
mod rules;
mod server;
mod state;
mod table;
mod tls;
mod wire;
mod write;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde_json::{Map, Value as Json};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::schema::Schema;

pub use fault::{Fault, Target};
pub use hooks::{Delivery, Hook, Mishap};
pub use reply::Refusal;
pub use state::Counters;

use state::State;

/// The system that is simulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    Dataverse,
    Finops,
}

/// What a client proves itself with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    pub client_id: String,
    pub client_secret: String,
}

/// How a sandbox is started.
#[derive(Clone, Debug)]
pub struct Config {
    pub dialect: Dialect,
    pub schema: Schema,
    /// 0: any free port.
    pub port: u16,
    pub credentials: Credentials,
    /// Most rows of a page.
    pub page_size: usize,
    /// How long an access token is good for.
    pub token_life: Duration,
    /// How long a delta token is good for.
    pub delta_life: Duration,
    /// Answers to give instead of the true ones, first come first served.
    pub faults: Vec<(Target, Fault)>,
    /// Navigation properties that are not named like their column, by `entity.column`.
    pub navigation: BTreeMap<String, String>,
    /// What F&O puts into a field of a new row that the request does not name, by `entity.field`, as its own logic does
    /// (`initValue`, `defaultRow`).
    pub defaults: BTreeMap<String, Json>,
    /// Key fields of F&O that a number sequence fills where the request names none, as `entity.field`.
    pub sequences: Vec<String>,
    /// Serve over HTTPS, with a certificate of an authority that [`Running::authority`] shows.
    pub is_encrypted: bool,
}

impl Config {
    pub fn new(dialect: Dialect, schema: Schema) -> Self {
        Self {
            dialect,
            schema,
            port: 0,
            credentials: Credentials { client_id: "dwmap".to_owned(), client_secret: "sandbox-secret".to_owned() },
            // Microsoft, webapi/query/page-results.md: 5000; data-entities/odata.md: 10,000.
            page_size: match dialect {
                Dialect::Dataverse => 5000,
                Dialect::Finops => 10_000,
            },
            token_life: Duration::from_secs(3600),
            // Microsoft, use-change-tracking-synchronize-data-external-systems.md: seven days by default.
            delta_life: Duration::from_secs(7 * 24 * 3600),
            faults: Vec::new(),
            navigation: BTreeMap::new(),
            defaults: BTreeMap::new(),
            sequences: Vec::new(),
            is_encrypted: false,
        }
    }
}

/// Why a sandbox did not start.
#[derive(Debug)]
pub enum Error {
    /// The port is taken, or the like.
    Bind(std::io::Error),
    /// The schema cannot be served in this dialect.
    Schema(String),
    /// HTTPS cannot be offered.
    Encryption(String),
}

impl std::fmt::Display for Error {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bind(error) => write!(out, "the sandbox cannot listen: {error}"),
            Self::Schema(text) | Self::Encryption(text) => out.write_str(text),
        }
    }
}

impl std::error::Error for Error {}

/// The simulator.
pub struct Sandbox;

impl Sandbox {
    /// Starts to listen on 127.0.0.1.
    pub async fn start(config: Config) -> Result<Running, Error> {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", config.port)).await.map_err(Error::Bind)?;
        let identity = config.is_encrypted.then(tls::Identity::new).transpose().map_err(Error::Encryption)?;
        let scheme = if identity.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://{}", listener.local_addr().map_err(Error::Bind)?);
        let state = Arc::new(Mutex::new(State::new(config, &url)?));
        let courier = hooks::start(&state);
        let (stop, stopped) = oneshot::channel();
        let authority = identity.as_ref().map(|it| it.authority.clone());
        let task = match identity {
            Some(it) => tokio::spawn(server::serve(it.listen(listener).map_err(Error::Bind)?, state.clone(), stopped)),
            None => tokio::spawn(server::serve(listener, state.clone(), stopped)),
        };
        Ok(Running { url, authority, state, stop: Some(stop), task: Some(task), courier })
    }
}

/// A sandbox that listens, and a user who sits at its screen. Dropping it stops it.
pub struct Running {
    url: String,
    authority: Option<String>,
    state: Arc<Mutex<State>>,
    stop: Option<oneshot::Sender<()>>,
    task: Option<JoinHandle<()>>,
    courier: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.courier.abort();
    }
}

impl Running {
    /// Scheme, host and port, without a slash at the end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The certificate of the authority that clients must trust, as PEM; with HTTPS only.
    pub fn authority(&self) -> Option<&str> {
        self.authority.as_deref()
    }

    pub fn token_url(&self) -> String {
        format!("{}/sandbox/oauth2/v2.0/token", self.url)
    }

    /// Lets running requests finish, and frees the port.
    pub async fn stop(mut self) {
        self.stop.take();
        if let Some(task) = self.task.take() {
            let _ = task.await;
        }
    }

    /// A user makes a row. Answers its id: a GUID, or the key fields as a JSON object.
    pub fn insert(&self, entity: &str, fields: Map<String, Json>) -> Result<String, Refusal> {
        self.state().user_insert(entity, fields)
    }

    /// A user changes a row. `id` is what `insert` answered, or a JSON object with the fields of any key.
    pub fn update(&self, entity: &str, id: &str, fields: Map<String, Json>) -> Result<(), Refusal> {
        self.state().user_update(entity, id, fields)
    }

    /// A user deletes a row.
    pub fn delete(&self, entity: &str, id: &str) -> Result<(), Refusal> {
        self.state().user_delete(entity, id)
    }

    /// One row, all fields, as the interface shows it.
    pub fn row(&self, entity: &str, id: &str) -> Option<Map<String, Json>> {
        self.state().user_row(entity, id)
    }

    /// All rows in key order.
    pub fn rows(&self, entity: &str) -> Vec<Map<String, Json>> {
        self.state().user_rows(entity)
    }

    pub fn len(&self, entity: &str) -> usize {
        self.state().len(entity)
    }

    pub fn is_empty(&self, entity: &str) -> bool {
        self.len(entity) == 0
    }

    /// What this client has asked for so far.
    pub fn counters(&self, client_id: &str) -> Counters {
        self.state().counters.get(client_id).copied().unwrap_or_default()
    }

    /// The next `count` requests of this kind get this answer instead of the true one.
    pub fn next_n(&self, count: usize, target: Target, fault: Fault) {
        self.state().faults.add(count, target, &fault);
    }

    /// Turns the sandbox's clock forward: access tokens and delta tokens grow old.
    pub fn advance(&self, by: Duration) {
        self.state().clock.advance(by);
    }

    /// Tells this address of every change from now on.
    pub fn add_hook(&self, hook: Hook) {
        self.state().outbox.hooks.push(hook);
    }

    /// What happens to the next push message that has no other mishap.
    pub fn mislay(&self, mishap: Mishap) {
        self.state().outbox.mishaps.push_back(mishap);
    }

    /// How the latest push messages were answered.
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.state().outbox.deliveries.iter().cloned().collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        state::lock(&self.state)
    }
}
