//! PostgreSQL as a system (13 or later).
//!
//! Triggers write down which row was touched, in the transaction that touched it. A log entry is read only when every transaction
//! that began before its own has ended: a sequence gives numbers in the order of asking, not of commits, so a reader that went by
//! the number alone would pass over what commits late. The version of a row is the transaction that wrote it (`xmin`).
//!
//! Cells travel as texts that PostgreSQL itself writes and reads, so no digit is lost and every type works that has a text form.

mod cells;
mod discover;
mod feed;
mod install;
mod rows;
mod tls;
mod write;

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::{Mutex, MutexGuard};
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, NoTls};

use super::{Capabilities, Connector};
use crate::change::{Answer, Class, Failure, Page, RemoteId, Seen, Token, Write};
use crate::schema::{Schema, Shape};
use crate::value::{Slot, Value};

use install::Target;
use tls::Tls;

/// Rows or log entries in one page.
const PAGE_MAX: usize = 500;
const BATCH_MAX: usize = 100;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// What every session is told: how texts look, and how long anything may take.
const SESSION: &str = "SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'; SET IntervalStyle = 'iso_8601'; SET bytea_output = 'hex'; \
    SET extra_float_digits = 1; SET statement_timeout = '60s'; SET lock_timeout = '10s'; \
    SET idle_in_transaction_session_timeout = '60s'; SET application_name = 'dwmap'";

/// Where a database is.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `postgres://user@host:port/database`; without the password.
    pub url: String,
    pub password: Option<SecretString>,
    /// Certificates of further authorities to trust, as PEM.
    pub authority: Option<String>,
}

/// One database.
pub struct Postgres {
    config: tokio_postgres::Config,
    /// `None`: connections are not encrypted.
    tls: Option<Tls>,
    page_max: usize,
    /// Nothing is added to the database; its feed is one reading of all rows.
    only_looks: bool,
    session: Mutex<Option<Session>>,
}

struct Session {
    client: Client,
    /// Tables whose triggers were seen to be there in this session.
    checked: BTreeMap<String, Target>,
}

/// Why something was not done.
#[derive(Debug)]
enum Fault {
    Sql(tokio_postgres::Error),
    Said(Failure),
}

impl From<tokio_postgres::Error> for Fault {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<Failure> for Fault {
    fn from(failure: Failure) -> Self {
        Self::Said(failure)
    }
}

fn expired() -> Failure {
    Failure::new(
        Class::Schema,
        "the change token has expired (log trimmed, table truncated, triggers removed or a backup put back); read the feed from its start",
    )
}

impl Fault {
    fn schema(message: String) -> Self {
        Self::Said(Failure::new(Class::Schema, message))
    }

    fn state(&self) -> Option<&SqlState> {
        match self {
            Self::Sql(error) => error.code(),
            Self::Said(_) => None,
        }
    }

    fn is_duplicate(&self) -> bool {
        self.state() == Some(&SqlState::UNIQUE_VIOLATION)
    }

    /// The connection is gone, or the whole transaction is lost with it.
    fn ends_transaction(&self) -> bool {
        match self {
            Self::Said(_) => false,
            Self::Sql(error) => error.code().is_none_or(|it| class_of(it) == Class::Transient),
        }
    }

    fn failure(self) -> Failure {
        let error = match self {
            Self::Said(failure) => return failure,
            Self::Sql(error) => error,
        };
        let Some(database) = error.as_db_error() else {
            if is_refused_by_us(&error) {
                return Failure::new(Class::Auth, format!("the database's certificate is not trusted ({})", causes(&error)));
            }
            return Failure::new(Class::Transient, format!("the database does not answer ({error})"));
        };
        let detail = database.constraint().map_or_else(String::new, |it| format!(", constraint `{it}`"));
        let class = class_of(database.code());
        Failure::new(class, format!("{} ({}{detail})", database.message(), database.code().code()))
    }
}

/// An error with what caused it.
fn causes(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |cause| format!("{error}: {}", causes(cause)))
}

/// A certificate was not good, as rustls tells through an error of the stream.
fn is_refused_by_us(error: &tokio_postgres::Error) -> bool {
    let cause = std::error::Error::source(error).and_then(|it| it.downcast_ref::<std::io::Error>());
    cause.is_some_and(|it| it.kind() == std::io::ErrorKind::InvalidData)
}

/// Who can mend a refusal, by its SQLSTATE.
fn class_of(state: &SqlState) -> Class {
    match state.code() {
        "23503" => Class::Reference,
        // Serialisation, deadlock, lock not available, shut down, too many connections, statement time-out.
        "40001" | "40P01" | "55P03" | "57P01" | "57P02" | "57P03" | "57014" | "53300" | "53100" | "53200" => Class::Transient,
        "42501" | "25006" => Class::Auth,
        "42P01" | "42703" | "42883" | "3F000" => Class::Schema,
        "54000" => Class::TooLarge,
        code if code.starts_with("08") => Class::Transient,
        code if code.starts_with("28") => Class::Auth,
        code if code.starts_with("42") => Class::Bug,
        _ => Class::Validation,
    }
}

impl Postgres {
    /// Nothing is sent and nothing is changed before a map uses a table.
    pub fn new(settings: &Settings) -> Result<Self, Failure> {
        // The address is not repeated: it may hold a password that should not be there.
        let wrong = |why: String| Failure::new(Class::Bug, format!("this is no address of a database to work with: {why}"));
        let mut config: tokio_postgres::Config = settings.url.parse().map_err(|error| wrong(format!("{error}")))?;
        if config.get_password().is_some() {
            return Err(wrong("it holds a password, which has a setting of its own".to_owned()));
        }
        config.ssl_mode(encryption(&config).map_err(wrong)?);
        if let Some(password) = &settings.password {
            config.password(password.expose_secret());
        }
        config.connect_timeout(CONNECT_TIMEOUT);
        let tls = match config.get_ssl_mode() {
            SslMode::Disable => None,
            _ => Some(Tls::new(settings.authority.as_deref()).map_err(|why| Failure::new(Class::Bug, why))?),
        };
        Ok(Self { config, tls, page_max: PAGE_MAX, only_looks: false, session: Mutex::default() })
    }

    /// With pages of at most this many rows.
    pub fn with_page_max(self, page_max: usize) -> Self {
        Self { page_max: page_max.max(1), ..self }
    }

    /// To look only: no triggers are added, and changes are not told.
    pub fn only_looking(self) -> Self {
        Self { only_looks: true, ..self }
    }

    /// The tables of the search path, without our own. Nothing is changed.
    pub async fn discover(&self) -> Result<Schema, Failure> {
        let mut session = self.session().await?;
        let done = discover::discover(&session.as_mut().expect("a session was just made").client).await;
        done.map_err(Fault::failure)
    }

    async fn session(&self) -> Result<MutexGuard<'_, Option<Session>>, Failure> {
        let mut session = self.session.lock().await;
        if session.as_ref().is_none_or(|it| it.client.is_closed()) {
            *session = Some(self.connect().await.map_err(|fault| self.without_password(fault.failure()))?);
        }
        Ok(session)
    }

    async fn connect(&self) -> Result<Session, Fault> {
        let client = match &self.tls {
            Some(tls) => {
                let (client, connection) = self.config.connect(tls.clone()).await?;
                tokio::spawn(attend(connection));
                client
            }
            None => {
                let (client, connection) = self.config.connect(NoTls).await?;
                tokio::spawn(attend(connection));
                client
            }
        };
        client.batch_execute(SESSION).await?;
        Ok(Session { client, checked: BTreeMap::new() })
    }

    /// A server may repeat what it was given.
    fn without_password(&self, failure: Failure) -> Failure {
        match self.config.get_password() {
            Some(password) if !password.is_empty() => {
                let password = String::from_utf8_lossy(password);
                Failure { message: failure.message.replace(password.as_ref(), "***"), ..failure }
            }
            Some(_) | None => failure,
        }
    }

    /// The session and the table, with its triggers in place.
    async fn target(&self, shape: &Shape) -> Result<(MutexGuard<'_, Option<Session>>, Target), Failure> {
        let mut guard = self.session().await?;
        let session = guard.as_mut().expect("a session was just made");
        let target = session.target(shape, self.only_looks).await.map_err(Fault::failure)?;
        Ok((guard, target))
    }
}

/// Carries a connection until it ends.
async fn attend(connection: impl Future<Output = Result<(), tokio_postgres::Error>>) {
    if let Err(error) = connection.await {
        tracing::debug!(%error, "a connection to PostgreSQL ended");
    }
}

/// Another machine is spoken to under TLS alone. This one is where the address says `sslmode=require`; else its certificate, which is seldom
/// one of an authority, is not asked for.
fn encryption(config: &tokio_postgres::Config) -> Result<SslMode, String> {
    let other = config.get_hosts().iter().find(|it| !is_local(it));
    // A socket of this machine leaves it in no case, and PostgreSQL does not encrypt it.
    let has_network = config.get_hosts().iter().any(|it| matches!(it, Host::Tcp(_)));
    match (other, config.get_ssl_mode()) {
        (Some(host), SslMode::Disable) => Err(format!("{host:?} is another machine; leave out `sslmode=disable`")),
        (Some(_), _) => Ok(SslMode::Require),
        (None, SslMode::Require) if has_network => Ok(SslMode::Require),
        (None, _) => Ok(SslMode::Disable),
    }
}

fn is_local(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|it| it.is_loopback()),
        #[cfg(unix)]
        Host::Unix(_) => true,
    }
}

impl Session {
    async fn target(&mut self, shape: &Shape, only_looks: bool) -> Result<Target, Fault> {
        if only_looks {
            return Ok(Target { is_watched: false, ..Target::of(&self.client, shape).await? });
        }
        if let Some(target) = self.checked.get(&shape.set) {
            // An owner who alters or restores a table may have removed our triggers.
            if target.is_installed(&self.client).await? {
                return Ok(target.clone());
            }
        }
        let target = Target::of(&self.client, shape).await?;
        if !target.is_installed(&self.client).await? {
            target.install(&mut self.client).await?;
        }
        self.checked.insert(shape.set.clone(), target.clone());
        Ok(target)
    }
}

/// The client of a session that [`Postgres::target`] handed out.
fn client<'a>(guard: &'a mut MutexGuard<'_, Option<Session>>) -> &'a mut Client {
    &mut guard.as_mut().expect("the session was handed out").client
}

#[async_trait]
impl Connector for Postgres {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            conditional_write: true,
            correlated_create: true,
            remembers_deletes: true,
            ordered_feed: true,
            read_back: true,
            batch_max: BATCH_MAX,
        }
    }

    async fn addition(&self, shape: &Shape) -> Result<Option<String>, Failure> {
        let session = self.session().await?;
        let client = &session.as_ref().expect("a session was just made").client;
        let target = Target::of(client, shape).await.map_err(Fault::failure)?;
        target.addition(client).await.map_err(Fault::failure)
    }

    async fn feed(&self, shape: &Shape, after: Option<&Token>) -> Result<Page, Failure> {
        let (mut session, target) = self.target(shape).await?;
        feed::page(client(&mut session), &target, shape, after, self.page_max).await.map_err(Fault::failure)
    }

    async fn fetch(&self, shape: &Shape, ids: &[RemoteId]) -> Result<Vec<Option<Seen>>, Failure> {
        let (mut session, target) = self.target(shape).await?;
        let client = client(&mut session);
        let mut out = Vec::with_capacity(ids.len());
        for id in ids {
            out.push(rows::by_address(client, &target, shape, &id.0).await.map_err(Fault::failure)?);
        }
        Ok(out)
    }

    async fn find(&self, shape: &Shape, slots: &[Slot], values: &[Value], limit: usize) -> Result<Vec<Seen>, Failure> {
        let (mut session, target) = self.target(shape).await?;
        rows::by_content(client(&mut session), &target, shape, slots, values, limit).await.map_err(Fault::failure)
    }

    async fn find_created(&self, shape: &Shape, write: &Write) -> Result<Option<Seen>, Failure> {
        let (mut session, target) = self.target(shape).await?;
        rows::created(client(&mut session), &target, shape, write).await.map_err(Fault::failure)
    }

    async fn write(&self, shape: &Shape, writes: &[Write]) -> Vec<Answer> {
        match self.target(shape).await {
            Ok((mut session, target)) => write::all(client(&mut session), &target, shape, writes).await,
            Err(failure) => writes.iter().map(|_| Answer::Failed(failure.clone())).collect(),
        }
    }

    async fn scan(&self, shape: &Shape, after: Option<&Token>, limit: usize) -> Result<Page, Failure> {
        let (mut session, target) = self.target(shape).await?;
        feed::scan(client(&mut session), &target, shape, after, limit).await.map_err(Fault::failure)
    }
}
