//! `dwmap.toml`: which systems the maps' names stand for, and where the state lives. Secrets are named, never held.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::SecretString;
use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::control::alerts::{Action, Alert};
use super::deployment::Settings;
use super::guard::{Bound, Guards};
use crate::diag::suggest::nearest;

/// The file's name.
pub const FILE: &str = "dwmap.toml";

/// A project's settings.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Files of the project, relative to the file; `*` stands for any part of a name. Default: every `.dwmap` below.
    pub maps: Option<Vec<String>>,
    #[serde(default)]
    pub systems: BTreeMap<String, System>,
    /// Values of the maps' parameters, by name.
    #[serde(default)]
    pub params: BTreeMap<String, Param>,
    #[serde(default)]
    pub store: StorePlace,
    #[serde(default)]
    pub sync: Sync,
    /// Rules by which people are told.
    #[serde(default)]
    pub alerts: Vec<Alert>,
    /// The server that sends mails of alerts.
    #[serde(default)]
    pub mail: Option<Mail>,
    /// Where push messages of systems come in.
    #[serde(default)]
    pub receiver: Option<Receiver>,
}

/// The address at which systems tell of changes.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receiver {
    /// On this machine unless told otherwise: it speaks HTTP, and a proxy in front of it speaks HTTPS.
    #[serde(default = "loopback")]
    pub listen: SocketAddr,
}

fn loopback() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 7080))
}

/// How a system proves that a message is its own.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    pub auth: HookAuth,
    /// Any of them is good, so that one can be replaced by another without a gap.
    pub keys: Vec<Secret>,
    /// Entities by the names that messages give them, where these differ.
    #[serde(default)]
    pub events: BTreeMap<String, String>,
}

/// Where the key of a message stands (Microsoft, register-web-hook.md: HttpHeader, WebhookKey, HttpQueryString).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum HookAuth {
    /// In the header with this name.
    Header(String),
    /// In the address, as `code`.
    Code,
    /// In the address, under this name.
    Query(String),
}

/// A mail server.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mail {
    /// Its name or address.
    pub server: String,
    /// Default: what is usual for `tls`.
    #[serde(default)]
    pub port: Option<u16>,
    #[serde(default)]
    pub tls: MailTls,
    /// The sender's address.
    pub from: String,
    #[serde(default)]
    pub user: Option<String>,
    #[serde(default)]
    pub password: Option<Secret>,
}

/// How the way to a mail server is kept secret.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MailTls {
    /// For a server on this machine.
    None,
    #[default]
    Starttls,
    Implicit,
}

/// The value of a parameter: one, or a list for a set.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Param {
    Bool(bool),
    Int(i64),
    /// A text. Decimals are written as texts, so that they stay exact.
    Text(String),
    Several(Vec<Param>),
}

/// What a system's name stands for.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "connector", rename_all = "lowercase", deny_unknown_fields)]
pub enum System {
    Sqlite {
        /// The database file, relative to `dwmap.toml`.
        path: PathBuf,
    },
    Files {
        /// The folder of the files, relative to `dwmap.toml`.
        path: PathBuf,
    },
    Postgres {
        /// `postgres://user@localhost/database`, without the password.
        url: String,
        #[serde(default)]
        password: Option<Secret>,
        /// A file with certificates (PEM) of authorities to trust besides the usual ones.
        #[serde(default)]
        authority: Option<PathBuf>,
    },
    Dataverse {
        /// The environment's root, `https://contoso.crm.dynamics.com`.
        url: String,
        auth: Auth,
        /// A file with certificates (PEM) of authorities to trust besides the usual ones.
        #[serde(default)]
        authority: Option<PathBuf>,
        /// Push messages of this system.
        #[serde(default)]
        webhook: Option<Webhook>,
    },
    Finops {
        /// The environment's root, `https://contoso.operations.dynamics.com`.
        url: String,
        auth: Auth,
        /// A file with certificates (PEM) of authorities to trust besides the usual ones.
        #[serde(default)]
        authority: Option<PathBuf>,
        /// Push messages of this system.
        #[serde(default)]
        webhook: Option<Webhook>,
    },
}

/// OAuth 2 client credentials.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Auth {
    /// The directory that issues tokens; not needed with `token_url`.
    #[serde(default)]
    pub tenant: Option<String>,
    #[serde(default)]
    pub token_url: Option<String>,
    pub client_id: String,
    pub client_secret: Secret,
}

/// Where a secret is to be found.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Secret {
    /// An environment variable.
    Env(String),
    /// A file; white space at its end does not count.
    File(PathBuf),
}

/// Where the state is kept.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StorePlace {
    /// A SQLite file, relative to `dwmap.toml`.
    pub path: PathBuf,
    /// Days that the histories of records are kept. Displaced values, and what is open, are kept whatever their age.
    pub keep_days: u32,
}

/// Longest time that histories can be kept.
const KEEP_DAYS_MAX: u32 = 36_500;

impl Default for StorePlace {
    fn default() -> Self {
        Self { path: PathBuf::from("dwmap-state.db"), keep_days: 90 }
    }
}

/// How live sync goes about it.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sync {
    /// Milliseconds between two readings of a feed that had nothing new.
    pub poll_ms: u64,
    /// Milliseconds that a change waits for others of the same row before it is carried.
    pub settle_ms: u64,
    /// Links that are compared in a minute while nothing else is to do; 0: none.
    pub verify_per_minute: u32,
    /// How much may be deleted at once.
    pub guard_deletes: Allowed,
    /// How much may be changed at once.
    pub guard_changes: Allowed,
}

/// How much a map may do to one side in ten minutes before it is blocked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Allowed {
    /// `false`: no bound; `true`: the usual one of deletes.
    Usual(bool),
    Bound(Bound),
}

impl Allowed {
    fn bound(self) -> Option<Bound> {
        match self {
            Self::Usual(false) => None,
            Self::Usual(true) => Guards::default().deletes,
            Self::Bound(bound) => Some(bound),
        }
    }
}

impl Default for Sync {
    fn default() -> Self {
        let (guard_deletes, guard_changes) = (Allowed::Usual(true), Allowed::Usual(false));
        Self { poll_ms: 500, settle_ms: 0, verify_per_minute: 200, guard_deletes, guard_changes }
    }
}

/// Longest time that a change may be made to wait.
const SETTLE_MS_MAX: u64 = 3_600_000;

impl Sync {
    pub fn settings(&self) -> Settings {
        Settings {
            poll_every: Duration::from_millis(self.poll_ms.max(1)),
            settle_time: Duration::from_millis(self.settle_ms),
            guards: Guards { deletes: self.guard_deletes.bound(), changes: self.guard_changes.bound() },
            sample_per_minute: self.verify_per_minute,
        }
    }
}

/// Why a `dwmap.toml` was not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    pub file: PathBuf,
    /// Line and column, from 1.
    pub place: Option<(usize, usize)>,
    pub message: String,
    pub help: Option<String>,
}

impl std::fmt::Display for Error {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}", self.file.display())?;
        if let Some((line, column)) = self.place {
            write!(out, ":{line}:{column}")?;
        }
        write!(out, ": {}", self.message)?;
        match &self.help {
            Some(help) => write!(out, "\n  = fix: {help}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {}

impl Config {
    /// Reads the file at `path`.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(|error| Error {
            file: path.to_owned(),
            place: None,
            message: format!("cannot be read: {error}"),
            help: None,
        })?;
        Self::parse(path, &text)
    }

    pub fn parse(path: &Path, text: &str) -> Result<Self, Error> {
        let config = Self::parse_unchecked(path, text)?;
        match config.problem() {
            Some((message, help)) => Err(Error { file: path.to_owned(), place: None, message, help: Some(help) }),
            None => Ok(config),
        }
    }

    /// Where the keys of `[params]` stand in a text that was read.
    pub fn param_places(text: &str) -> BTreeMap<String, Range<usize>> {
        let document = DeTable::parse(text).ok();
        let params = document.as_ref().and_then(|it| it.get_ref().get("params")?.get_ref().as_table());
        params.into_iter().flat_map(|it| it.keys()).map(|key| (key.get_ref().to_string(), key.span())).collect()
    }

    /// Settings that a running process does not take over from a new file: those that wait for `dwmap reload`, and those that wait
    /// for the next start.
    pub fn differences_that_wait(&self, other: &Self) -> [Vec<&'static str>; 2] {
        let shown = |it: &dyn std::fmt::Debug| format!("{it:?}");
        let webhooks = |it: &Self| it.systems.iter().map(|(name, it)| format!("{name} {:?}", it.webhook())).collect::<Vec<_>>();
        let differing =
            |pairs: &[(&'static str, bool)]| pairs.iter().filter(|(_, differs)| *differs).map(|(name, _)| *name).collect();
        let for_reload = differing(&[
            ("`maps`", self.maps != other.maps),
            ("`[systems]`", shown(&self.systems) != shown(&other.systems)),
            ("`[params]`", self.params != other.params),
        ]);
        let for_start = differing(&[
            ("`[receiver]`", shown(&self.receiver) != shown(&other.receiver)),
            ("webhooks", webhooks(self) != webhooks(other)),
            ("the path of `[store]`", self.store.path != other.store.path),
        ]);
        [for_reload, for_start]
    }

    /// What no single key is to blame for, and the way out.
    fn problem(&self) -> Option<(String, String)> {
        if !(1..=KEEP_DAYS_MAX).contains(&self.store.keep_days) {
            return Some((format!("`keep_days` is {}", self.store.keep_days), format!("a number from 1 to {KEEP_DAYS_MAX}")));
        }
        if self.sync.settle_ms > SETTLE_MS_MAX {
            let help = format!("a number up to {SETTLE_MS_MAX}, which is an hour");
            return Some((format!("`settle_ms` is {}", self.sync.settle_ms), help));
        }
        for (name, system) in &self.systems {
            let Some(webhook) = system.webhook() else { continue };
            if webhook.keys.is_empty() {
                let help = "add `keys = [{ env = \"…\" }]`: without a key anybody could send".to_owned();
                return Some((format!("the webhook of system `{name}` has no keys"), help));
            }
            if self.receiver.is_none() {
                let help = "add `[receiver]` with `listen = \"127.0.0.1:7080\"`".to_owned();
                return Some((format!("system `{name}` has a webhook, and nobody listens for it"), help));
            }
        }
        for (index, alert) in self.alerts.iter().enumerate() {
            if let Some(problem) = alert.when.problem() {
                return Some((format!("alert `{}`", alert.name), problem.to_owned()));
            }
            if self.alerts[..index].iter().any(|it| it.name == alert.name) {
                return Some((format!("two alerts have the name `{}`", alert.name), "give each its own".to_owned()));
            }
            if self.mail.is_none() && alert.actions.iter().any(|it| matches!(it, Action::Mail(_))) {
                let help = "add `[mail]` with `server` and `from`".to_owned();
                return Some((format!("alert `{}` sends a mail, and there is no mail server", alert.name), help));
            }
        }
        None
    }

    fn parse_unchecked(path: &Path, text: &str) -> Result<Self, Error> {
        toml::from_str(text).map_err(|error| {
            let message = error.message().replace('\n', " ");
            let offset = error.span().map(|it| it.start);
            let is_in_systems = offset.is_none_or(|it| it == 0 || text[it..].starts_with("[systems"));
            let found = at_key(text, &message).filter(|_| is_in_systems);
            let offset = found.map(|(offset, _)| offset).or(offset);
            let help = nearest_key(&message).or_else(|| found.and_then(|(_, help)| help).map(|it| format!("`{it}`")));
            Error { file: path.to_owned(), place: offset.map(|it| place(text, it)), message, help }
        })
    }
}

/// Where the keys of systems are wrong, serde has lost the place, because `connector` decides what they mean. So the key
/// is looked for again: the one that nothing knows, or the one that was written instead of a missing one, with that one.
fn at_key<'a>(text: &str, message: &'a str) -> Option<(usize, Option<&'a str>)> {
    let word = message.split('`').nth(1)?;
    let document = DeTable::parse(text).ok()?;
    let systems = document.get_ref().get("systems")?.get_ref().as_table()?;
    match message.split('`').next()? {
        "unknown field " => {
            let mut keys = systems.values().flat_map(|it| keys(it.get_ref(), 0));
            keys.find(|(key, _)| key == word).map(|(_, offset)| (offset, None))
        }
        "missing field " => systems.iter().find_map(|(_, bound)| {
            let keys = keys(bound.get_ref(), 0);
            let slip = keys.iter().find(|(key, _)| key != word && nearest(key, [word]).is_some());
            slip.map(|(_, offset)| (*offset, Some(word)))
        }),
        _ => None,
    }
}

/// Tables within tables that are looked into.
const DEPTH_MAX: usize = 4;

/// All keys of a table with their places.
fn keys(value: &DeValue<'_>, depth: usize) -> Vec<(String, usize)> {
    let Some(table) = value.as_table().filter(|_| depth < DEPTH_MAX) else { return Vec::new() };
    let own = |(key, value): (&Spanned<DeString<'_>>, &Spanned<DeValue<'_>>)| {
        let mut out = vec![(key.get_ref().to_string(), key.span().start)];
        out.extend(keys(value.get_ref(), depth + 1));
        out
    };
    table.iter().flat_map(own).collect()
}

fn place(text: &str, offset: usize) -> (usize, usize) {
    let before = &text[..text.floor_char_boundary(offset)];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |it| it.chars().count()) + 1;
    (line, column)
}

/// The key that was meant, from serde's list of those that exist.
fn nearest_key(message: &str) -> Option<String> {
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let (word, known) = quoted.split_first()?;
    message.starts_with("unknown").then(|| nearest(word, known.iter().copied()).map(|it| format!("`{it}`")))?
}

impl System {
    /// How its push messages come, if it sends any.
    pub fn webhook(&self) -> Option<&Webhook> {
        match self {
            Self::Dataverse { webhook, .. } | Self::Finops { webhook, .. } => webhook.as_ref(),
            Self::Sqlite { .. } | Self::Files { .. } | Self::Postgres { .. } => None,
        }
    }
}

impl Secret {
    /// Fetches the secret. The error names the place, never the content.
    pub fn fetch(&self, base: &Path) -> Result<SecretString, String> {
        match self {
            Self::Env(name) => std::env::var(name)
                .map(SecretString::from)
                .map_err(|_| format!("the environment variable `{name}` is not set, or is not text")),
            Self::File(path) => std::fs::read_to_string(base.join(path))
                .map(|text| SecretString::from(text.trim_end()))
                .map_err(|error| format!("the secret file `{}` cannot be read: {error}", path.display())),
        }
    }
}

impl Auth {
    /// Where tokens come from: as given, else Microsoft Entra's address of the tenant.
    pub fn token_address(&self) -> Result<String, String> {
        match (&self.token_url, &self.tenant) {
            (Some(url), _) => Ok(url.clone()),
            (None, Some(tenant)) => Ok(format!("https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token")),
            (None, None) => Err("`auth` needs `tenant` or `token_url`".to_owned()),
        }
    }
}
