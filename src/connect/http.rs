//! The HTTP client that connectors share: tokens, retries of the token alone, classes of failures, and limits.
//!
//! It decides what can be decided without knowing what was asked: whether a request was sent at all, whether it may
//! have taken effect, how long to wait. It never repeats a request whose effect is unclear; that is the engine's to decide,
//! who can read back first.

use std::collections::VecDeque;
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
pub use reqwest::{Method, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::change::{Class, Failure};

/// Largest answer that is read, after decompression.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Largest answer of a token endpoint.
const TOKEN_BYTES_MAX: usize = 256 * 1024;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const READ_TIMEOUT: Duration = Duration::from_secs(60);
const WRITE_TIMEOUT: Duration = Duration::from_secs(120);
/// How long a throttled client waits that was not told how long.
const THROTTLE_DEFAULT: Duration = Duration::from_secs(30);
/// Longest wait that is believed.
const THROTTLE_MAX: Duration = Duration::from_secs(3600);
/// Access tokens that are covered in foreign messages: requests of the one before may still be answered.
const TOKENS_MAX: usize = 2;
/// Longest part of a foreign message that is passed on.
pub const MESSAGE_CHARS_MAX: usize = 2000;

/// Where a system is and how a client proves itself to it (OAuth 2 client credentials).
#[derive(Clone, Debug)]
pub struct Settings {
    /// Scheme, host and port of the system.
    pub url: String,
    pub token_url: String,
    pub client_id: String,
    pub client_secret: SecretString,
    pub scope: String,
    /// Certificates of further authorities to trust, as PEM.
    pub authority: Option<String>,
}

/// A client of one system with one identity.
pub struct Client {
    http: reqwest::Client,
    settings: Settings,
    base: Url,
    token: Mutex<Option<Token>>,
    /// The latest tokens, the newest first: what must not be told.
    tokens: std::sync::Mutex<VecDeque<SecretString>>,
    /// Nothing is sent before this instant: the system said so.
    closed_until: std::sync::Mutex<Option<Instant>>,
}

#[derive(Clone)]
struct Token {
    text: SecretString,
    refresh_at: Instant,
}

/// What is sent.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: Method,
    pub url: Url,
    pub headers: Vec<(&'static str, String)>,
    pub body: Option<String>,
    /// Of the body.
    pub content_type: &'static str,
}

impl Request {
    pub fn new(method: Method, url: Url) -> Self {
        Self { method, url, headers: Vec::new(), body: None, content_type: "application/json" }
    }

    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub fn with_body(mut self, body: String) -> Self {
        self.body = Some(body);
        self
    }

    /// A body of several parts; the content type names what stands between them.
    pub fn with_parts(self, content_type: &'static str, body: String) -> Self {
        Self { content_type, ..self.with_body(body) }
    }

    fn is_write(&self) -> bool {
        self.method != Method::GET
    }
}

/// What came back, whatever its status.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    /// An answer that came inside of another one. Headers that HTTP does not allow are passed over.
    pub fn of(status: u16, headers: &[(&str, &str)], body: Vec<u8>) -> Self {
        let header = |(name, value): &(&str, &str)| Some((name.parse::<HeaderName>().ok()?, HeaderValue::from_str(value).ok()?));
        Self { status, headers: headers.iter().filter_map(header).collect(), body }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|it| it.to_str().ok())
    }

    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

impl Client {
    pub fn new(settings: Settings) -> Result<Self, Failure> {
        let base = Url::parse(&settings.url).map_err(|error| bug(format!("`{}` is no URL: {error}", settings.url)))?;
        if !matches!(base.scheme(), "http" | "https") || base.host_str().is_none() {
            return Err(bug(format!("`{}` is no http or https URL", settings.url)));
        }
        // Redirects are off: a bearer token must not travel to another host, and a POST must not become a GET.
        let mut building = reqwest::Client::builder();
        for certificate in authorities(settings.authority.as_deref())? {
            building = building.add_root_certificate(certificate);
        }
        let http = building
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .gzip(true)
            .user_agent(concat!("dwmap/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| bug(format!("the HTTP client cannot be made: {error}")))?;
        Ok(Self {
            http,
            settings,
            base,
            token: Mutex::new(None),
            tokens: std::sync::Mutex::default(),
            closed_until: std::sync::Mutex::new(None),
        })
    }

    /// A URL under the system's own, from a path and query that are escaped already.
    pub fn url(&self, path_and_query: &str) -> Result<Url, Failure> {
        let origin = self.base.origin().ascii_serialization();
        self.own(&format!("{origin}{path_and_query}"))
    }

    /// A link that the system gave; refused unless it leads to the same scheme, host and port.
    pub fn own(&self, link: &str) -> Result<Url, Failure> {
        let url = self.base.join(link).map_err(|error| bug(format!("the system sent a link that is no URL: {error}")))?;
        if url.origin() == self.base.origin() {
            return Ok(url);
        }
        let (host, own) = (url.host_str().unwrap_or_default(), self.base.host_str().unwrap_or_default());
        let text = format!("the system sent a link to `{host}`, which is not `{own}`; it was not followed");
        Err(Failure::new(Class::Schema, text))
    }

    /// The part of a link after scheme, host and port, as the system wrote it.
    pub fn path_of(&self, link: &str) -> Result<String, Failure> {
        self.own(link)?;
        if link.starts_with('/') {
            return Ok(link.to_owned());
        }
        let host = link.split_once("://").map_or("", |(_, rest)| rest);
        let path = host.find('/').map(|slash| host[slash..].to_owned());
        path.ok_or_else(|| Failure::new(Class::Schema, "the system sent a link without a path"))
    }

    /// Sends; a refused token is renewed once. The failures are those in which there is no answer, 401, 429 and 5xx of
    /// a gateway; every other status is an answer.
    pub async fn send(&self, request: &Request) -> Result<Answer, Failure> {
        self.check_open()?;
        let token = self.token(None).await?;
        let mut answer = self.send_with(request, &token).await?;
        if answer.status == 401 {
            let token = self.token(Some(&token)).await?;
            answer = self.send_with(request, &token).await?;
        }
        self.checked(answer)
    }

    /// An answer, unless it concerns more than the one request: the token is refused, or the identity is throttled.
    pub fn checked(&self, answer: Answer) -> Result<Answer, Failure> {
        match answer.status {
            401 => Err(Failure::new(Class::Auth, "the system refuses the access token (401)")),
            429 => Err(self.close(&answer)),
            _ => Ok(answer),
        }
    }

    fn check_open(&self) -> Result<(), Failure> {
        let until = *self.closed_until.lock().expect("no code panics while it holds this lock");
        let Some(wait) = until.and_then(|until| until.checked_duration_since(Instant::now())).filter(|it| !it.is_zero()) else {
            return Ok(());
        };
        Err(throttled("the system asked to wait", wait))
    }

    // One 429 stops everything of this identity: a client that pushes on is made to wait longer.
    fn close(&self, answer: &Answer) -> Failure {
        let wait = retry_after(&answer.headers).unwrap_or(THROTTLE_DEFAULT).min(THROTTLE_MAX);
        *self.closed_until.lock().expect("no code panics while it holds this lock") = Instant::now().checked_add(wait);
        throttled("the system is throttling (429)", wait)
    }

    async fn send_with(&self, request: &Request, token: &SecretString) -> Result<Answer, Failure> {
        let timeout = if request.is_write() { WRITE_TIMEOUT } else { READ_TIMEOUT };
        let mut building =
            self.http.request(request.method.clone(), request.url.clone()).timeout(timeout).headers(headers(request)?);
        building = building.bearer_auth(token.expose_secret());
        if let Some(body) = &request.body {
            building = building.header("content-type", request.content_type).body(body.clone());
        }
        let sent = building.send().await.map_err(|error| self.broken(request.is_write(), error))?;
        let (status, headers) = (sent.status().as_u16(), sent.headers().clone());
        let is_unclear = request.is_write() && (200..300).contains(&status);
        let body = self.read(sent, ANSWER_BYTES_MAX, is_unclear).await?;
        log(request, status, &headers);
        Ok(Answer { status, headers, body })
    }

    async fn read(&self, mut answer: reqwest::Response, bytes_max: usize, is_write: bool) -> Result<Vec<u8>, Failure> {
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| self.broken(is_write, error))? {
            if body.len() + chunk.len() > bytes_max {
                let text = format!("the answer is larger than {bytes_max} bytes; ask for smaller pages");
                return Err(Failure { is_ambiguous: is_write, ..Failure::new(Class::TooLarge, text) });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    // A request that found no connection was not sent; after that nobody knows.
    fn broken(&self, is_write: bool, error: reqwest::Error) -> Failure {
        let is_ambiguous = is_write && !error.is_connect() && !error.is_builder();
        let what = match () {
            () if error.is_connect() => "the system cannot be reached",
            () if error.is_timeout() => "the system did not answer in time",
            () => "the connection broke",
        };
        let message = self.without_secret(&format!("{what}: {}", chain(&error.without_url())));
        Failure { is_ambiguous, ..Failure::new(Class::Transient, message) }
    }

    /// The token; a new one if there is none, if it grows old, or if it is the refused one. Only one request asks for it.
    async fn token(&self, refused: Option<&SecretString>) -> Result<SecretString, Failure> {
        let mut held = self.token.lock().await;
        if let Some(token) = held.as_ref() {
            let is_refused = refused.is_some_and(|it| it.expose_secret() == token.text.expose_secret());
            if !is_refused && Instant::now() < token.refresh_at {
                return Ok(token.text.clone());
            }
        }
        let token = self.fetch_token().await?;
        *held = Some(token.clone());
        Ok(token.text)
    }

    async fn fetch_token(&self) -> Result<Token, Failure> {
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", &self.settings.client_id),
            ("client_secret", self.settings.client_secret.expose_secret()),
            ("scope", &self.settings.scope),
        ];
        let sending = self.http.post(&self.settings.token_url).timeout(READ_TIMEOUT).form(&form).send();
        let sent = sending.await.map_err(|error| self.broken(false, error))?;
        let status = sent.status().as_u16();
        let headers = sent.headers().clone();
        let body = self.read(sent, TOKEN_BYTES_MAX, false).await?;
        match status {
            200 => {}
            429 => return Err(throttled("the token endpoint is throttling", retry_after(&headers).unwrap_or(THROTTLE_DEFAULT))),
            500.. => return Err(Failure::new(Class::Transient, format!("the token endpoint answered {status}"))),
            _ => return Err(Failure::new(Class::Auth, self.without_secret(&token_refusal(status, &body)))),
        }
        let granted: Granted = serde_json::from_slice(&body)
            .map_err(|_| Failure::new(Class::Auth, "the token endpoint's answer holds no access token"))?;
        let life = Duration::from_secs(granted.expires_in.unwrap_or(3600));
        let refresh_at = Instant::now().checked_add(life * 4 / 5).unwrap_or_else(Instant::now);
        let text = SecretString::from(granted.access_token);
        let mut tokens = self.tokens.lock().expect("no code panics while it holds this lock");
        tokens.push_front(text.clone());
        tokens.truncate(TOKENS_MAX);
        Ok(Token { text, refresh_at })
    }

    /// A foreign text in which secrets, should they be quoted, are covered: plainly, in the form of a token request, and in JSON.
    pub fn without_secret(&self, text: &str) -> String {
        let tokens = self.tokens.lock().expect("no code panics while it holds this lock");
        let secrets = std::iter::once(&self.settings.client_secret).chain(tokens.iter());
        let mut covered = text.to_owned();
        for secret in secrets.map(ExposeSecret::expose_secret).filter(|it| !it.is_empty()) {
            let in_json = serde_json::Value::from(secret).to_string();
            for form in [secret, &in_form(secret), in_json.trim_matches('"')] {
                covered = covered.replace(form, "***");
            }
        }
        covered.chars().take(MESSAGE_CHARS_MAX).collect()
    }
}

/// A text as it stands in a form that is sent.
fn in_form(text: &str) -> String {
    let url = Url::parse_with_params("http://form", [("", text)]);
    url.ok().and_then(|it| Some(it.query()?.trim_start_matches('=').to_owned())).unwrap_or_else(|| text.to_owned())
}

fn authorities(pem: Option<&str>) -> Result<Vec<reqwest::Certificate>, Failure> {
    let Some(pem) = pem else { return Ok(Vec::new()) };
    let found = reqwest::Certificate::from_pem_bundle(pem.as_bytes());
    let found = found.map_err(|error| bug(format!("the authority's certificate cannot be read: {}", chain(&error))))?;
    if found.is_empty() { Err(bug("the authority's file holds no certificate")) } else { Ok(found) }
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    expires_in: Option<u64>,
}

fn token_refusal(status: u16, body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Refused {
        error: String,
        #[serde(default)]
        error_description: String,
    }
    match serde_json::from_slice::<Refused>(body) {
        Ok(Refused { error, error_description }) => format!("no access token ({status} {error}): {error_description}"),
        Err(_) => format!("no access token: the token endpoint answered {status}"),
    }
}

fn headers(request: &Request) -> Result<HeaderMap, Failure> {
    let mut headers = HeaderMap::new();
    for (name, value) in &request.headers {
        let value =
            HeaderValue::from_str(value).map_err(|_| bug(format!("the header `{name}` would hold control characters")))?;
        headers.append(HeaderName::from_static(name), value);
    }
    Ok(headers)
}

// The ids by which the operator of the system finds the request in its own logs.
fn log(request: &Request, status: u16, headers: &HeaderMap) {
    let id = ["x-ms-service-request-id", "req_id", "x-ms-request-id", "traceparent"];
    let id = id.iter().find_map(|it| headers.get(*it)?.to_str().ok()).unwrap_or_default();
    tracing::debug!(method = %request.method, path = request.url.path(), status, id, "request");
}

/// All causes of an error in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(it) = cause {
        text = format!("{text}: {it}");
        cause = it.source();
    }
    text
}

fn bug(message: impl Into<String>) -> Failure {
    Failure::new(Class::Bug, message)
}

fn throttled(message: &str, wait: Duration) -> Failure {
    Failure { retry_after: Some(wait), ..Failure::new(Class::Throttled, message) }
}

/// The wait that a server asks for: seconds, or a date, which is read against the server's own clock.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let until = jiff::fmt::rfc2822::parse(text).ok()?;
    let now = jiff::fmt::rfc2822::parse(headers.get("date")?.to_str().ok()?).ok()?;
    let seconds = until.timestamp().as_second().saturating_sub(now.timestamp().as_second());
    Some(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
}

/// The class of a status that says nothing more (statuses below 400 are not failures).
pub fn class_of(status: u16) -> Class {
    match status {
        401 | 403 => Class::Auth,
        408 | 500.. => Class::Transient,
        409 | 412 | 428 => Class::Conflict,
        410 => Class::Schema,
        413 => Class::TooLarge,
        429 => Class::Throttled,
        _ => Class::Validation,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(retry_after: &str, date: Option<&str>) -> Option<u64> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, retry_after.parse().expect("a header"));
        if let Some(date) = date {
            headers.insert("date", date.parse().expect("a header"));
        }
        super::retry_after(&headers).map(|it| it.as_secs())
    }

    #[test]
    fn a_wait_is_seconds_or_a_date_by_the_servers_own_clock() {
        let date = Some("Wed, 21 Oct 2026 07:28:00 GMT");
        assert_eq!(wait("17", None), Some(17));
        assert_eq!(wait("Wed, 21 Oct 2026 07:29:30 GMT", date), Some(90));
        assert_eq!(wait("Wed, 21 Oct 2026 07:00:00 GMT", date), Some(0));
        assert_eq!(wait("Wed, 21 Oct 2026 07:29:30 GMT", None), None);
        assert_eq!(wait("soon", date), None);
    }

    #[tokio::test]
    async fn links_are_followed_on_the_same_scheme_host_and_port_only() {
        let text = |it: &str| it.to_owned();
        let settings = Settings {
            url: text("https://org.example.com"),
            token_url: text("https://login.example.com/token"),
            client_id: text("id"),
            client_secret: text("s3cret").into(),
            scope: text("s"),
            authority: None,
        };
        let client = Client::new(settings.clone()).expect("good settings");
        let path = |link: &str| client.path_of(link).map_err(|it| it.class);
        assert_eq!(path("https://org.example.com/data/A?$skiptoken=%253C'x"), Ok(text("/data/A?$skiptoken=%253C'x")));
        assert_eq!(path("/data/A?x=a://b/c"), Ok(text("/data/A?x=a://b/c")));
        for foreign in
            ["https://org.example.com.evil.net/a", "http://org.example.com/a", "https://org.example.com:8443/a", "//evil.net/a"]
        {
            assert_eq!(path(foreign), Err(Class::Schema), "{foreign}");
        }
        assert_eq!(path("https://org.example.com@evil.net/a"), Err(Class::Schema));
        assert!(!format!("{settings:?}").contains("s3cret"));
    }
}
