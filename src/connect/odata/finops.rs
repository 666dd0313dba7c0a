//! Finance & Operations: rows by their whole key, changes by polling a stamp, deletes by sweeping over the keys.
//!
//! `/data` has no delta links. The feed therefore asks for rows whose stamp is not older than the last one seen, less an
//! overlap: stamps have whole seconds, and a transaction shows its rows some time after it stamped them. What comes
//! twice is dropped by (key, ETag). From time to time a sweep reads the keys and ETags of all rows: a key that is missing is
//! asked for once more and, if it is still missing, deleted; a row with another ETag than the one that went out was
//! missed by the poll and goes out now.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use async_trait::async_trait;
use futures::{StreamExt, stream};
use indexmap::IndexMap;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::discover::{self, Discovered};
use super::memory::Memory;
use super::page::{self, Page as Read};
use super::rows::{Columns, Part, Row};
use super::{Dialect, error, text, wire};
use crate::change::{Answer, Change, Class, Failure, Page, RemoteId, Seen, Token, Version, Write};
use crate::connect::http::{self, Client, Method, Settings};
use crate::connect::{Capabilities, Connector};
use crate::schema::{Profile, Shape, ShapeField};
use crate::value::{Record, Slot, Value};

const ROOT: &str = "/data/";
/// Most writes under way at once: throttling follows the load (Microsoft, data-entities/service-protection-api-limits.md).
const WRITES_AT_ONCE: usize = 8;
/// Most keys of one look-up request; a composite key takes some 100 characters of the URL.
const IDS_PER_REQUEST: usize = 20;
/// Most pages of one sweep; a server that never ends one is not followed for ever.
const PAGES_PER_SWEEP_MAX: usize = 1_000_000;
/// Largest page (Microsoft, data-entities/odata.md).
pub const PAGE_MAX: usize = 10_000;
/// Most rows that one sweep reports; what is left is found by the next one, which follows at once.
const SWEEP_FINDS_MAX: usize = 1000;
/// Most feeds whose memory is kept.
const FEEDS_MAX: usize = 256;

/// How changes are found.
#[derive(Clone, Debug)]
pub struct Polling {
    pub page_size: usize,
    /// How far before the last stamp a poll starts: at least the longest transaction.
    pub overlap: Duration,
    /// How often deletes are looked for.
    pub sweep_every: Duration,
}

impl Default for Polling {
    fn default() -> Self {
        Self { page_size: 1000, overlap: Duration::from_secs(60), sweep_every: Duration::from_secs(900) }
    }
}

/// A Finance & Operations environment.
pub struct Finops {
    client: Client,
    polling: Polling,
    feeds: Mutex<IndexMap<u64, Memory>>,
    /// Ids that the caller knows, by entity set.
    remembered: std::sync::Mutex<HashMap<String, Vec<RemoteId>>>,
}

/// Where a feed stands; the text of its token.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Position {
    feed: u64,
    /// Rises with every page, so that no two tokens are equal.
    number: u64,
    /// The first reading is not over.
    is_first: bool,
    /// Path and query of the next page; `None`: a new poll.
    path: Option<String>,
    /// The stamp at which the next poll starts.
    since: Option<Timestamp>,
    /// The highest stamp of the poll so far.
    top: Option<Timestamp>,
}

impl Position {
    fn parse(token: &Token) -> Result<Self, Failure> {
        let wrong = |_| Failure::new(Class::Schema, "the position in the feed cannot be read; the feed must start anew");
        serde_json::from_str(&token.0).map_err(wrong)
    }

    fn token(&self) -> Token {
        Token(serde_json::to_string(self).expect("a position has text keys only"))
    }
}

impl Finops {
    pub fn new(settings: Settings, polling: Polling) -> Result<Self, Failure> {
        let polling = Polling { page_size: polling.page_size.clamp(1, PAGE_MAX), ..polling };
        let (feeds, remembered) = (Mutex::default(), std::sync::Mutex::default());
        Ok(Self { client: Client::new(settings)?, polling, feeds, remembered })
    }

    /// The schema of the live system: these entities, or all of them.
    pub async fn discover(&self, wanted: &[String]) -> Result<Discovered, Failure> {
        discover::metadata(&self.client, ROOT, wanted).await
    }

    async fn read<T>(
        &self,
        shape: &Shape,
        path: &str,
        limit: usize,
        make: impl Fn(&Shape, &Row<'_, '_>) -> Result<T, Failure>,
    ) -> Result<Read<T>, Failure> {
        let prefer = format!("odata.maxpagesize={}", limit.clamp(1, self.polling.page_size));
        page::read(&self.client, path, &prefer, &Columns::finops(shape), |row| make(shape, row)).await
    }

    async fn rows(&self, shape: &Shape, path: &str, limit: usize) -> Result<(Vec<Seen>, Option<String>), Failure> {
        let page = self.read(shape, path, limit, seen).await?;
        Ok((page.rows, page.next))
    }

    /// The rows of a query that are meant, over all its pages, at most about `limit`.
    async fn all_rows(
        &self,
        shape: &Shape,
        path: String,
        page_size: usize,
        is_meant: impl Fn(&Record) -> bool,
        limit: usize,
    ) -> Result<Vec<Seen>, Failure> {
        let is_meant = &is_meant;
        let read = async |path: String| {
            let (mut rows, next) = self.rows(shape, &path, page_size).await?;
            rows.retain(|it| is_meant(&it.record));
            Ok((rows, next))
        };
        page::all(&shape.set, path, limit, read).await
    }

    /// Where a new feed starts: the newest stamp there is, so that nothing falls between the first reading and the polls.
    async fn start(&self, shape: &Shape) -> Result<Position, Failure> {
        let feed = RandomState::new().build_hasher().finish();
        let since = match shape.modified.map(|it| &shape.field(it).name) {
            Some(stamp) => {
                let path = format!("{}&$orderby={stamp} desc&$top=1", query(shape)).replace(' ', "%20");
                let (rows, _) = self.rows(shape, &path, 1).await?;
                rows.first().and_then(|it| it.modified).map(|it| self.before(it))
            }
            None => None,
        };
        let path = Some(format!("{}&$orderby={}", query(shape), keys(shape)));
        Ok(Position { feed, number: 0, is_first: true, path, since, top: None })
    }

    fn before(&self, at: Timestamp) -> Timestamp {
        let overlap = SignedDuration::try_from(self.polling.overlap).unwrap_or(SignedDuration::MAX);
        at.checked_sub(overlap).unwrap_or(Timestamp::MIN)
    }

    fn poll_path(&self, shape: &Shape, since: Option<Timestamp>) -> Option<String> {
        let stamp = &shape.field(shape.modified?).name;
        let order = format!("$orderby={stamp},{}", keys(shape));
        Some(match since {
            Some(at) => format!("{}&$filter={}&{order}", query(shape), text::escape(&format!("{stamp} ge {at}"))),
            None => format!("{}&{order}", query(shape)),
        })
    }

    /// Reads the page of a position; answers the rows and the position after it.
    async fn step(&self, shape: &Shape, at: &Position) -> Result<(Vec<Seen>, Position), Failure> {
        let mut next = Position { number: at.number + 1, ..at.clone() };
        let Some(path) = at.path.clone().or_else(|| self.poll_path(shape, at.since)) else { return Ok((Vec::new(), next)) };
        let (rows, path) = self.rows(shape, &path, self.polling.page_size).await?;
        next.path = path;
        if !at.is_first {
            next.top = rows.iter().filter_map(|it| it.modified).chain(at.top).max();
        }
        if next.path.is_none() {
            next.is_first = false;
            next.since = next.top.take().map(|it| self.before(it)).max(next.since);
        }
        Ok((rows, next))
    }

    /// Looks over all keys; answers what the polls did not see.
    async fn sweep(&self, shape: &Shape, memory: &mut Memory) -> Result<Vec<Change>, Failure> {
        memory.add(
            self.remembered.lock().expect("no code panics while it holds this lock").get(&shape.set).map_or(&[], Vec::as_slice),
        );
        memory.begin_sweep();
        let names = key_fields(shape).map(|it| it.name.as_str()).collect::<Vec<_>>().join(",");
        let mut path = Some(format!("{}?cross-company=true&$select={names}&$orderby={}", set(shape), keys(shape)));
        let mut changed = Vec::new();
        for nth in 0.. {
            let Some(own) = path else { break };
            if nth == PAGES_PER_SWEEP_MAX {
                return Err(page::endless(&shape.set));
            }
            let address = |shape: &Shape, row: &Row<'_, '_>| Ok((row_id(shape, row)?, version(shape, row)?));
            let page = self.read(shape, &own, self.polling.page_size, address).await?;
            for (id, version) in page.rows {
                if memory.sweep_over(id.clone(), version) && changed.len() < SWEEP_FINDS_MAX {
                    changed.push(id);
                }
            }
            path = page.next;
        }
        memory.is_complete = true;
        let unseen = memory.unseen(SWEEP_FINDS_MAX);
        let is_over = changed.len() < SWEEP_FINDS_MAX && unseen.len() < SWEEP_FINDS_MAX;
        memory.swept_at = is_over.then(Instant::now);
        let mut changes: Vec<Change> = self.fetch(shape, &changed).await?.into_iter().flatten().map(Change::Upsert).collect();
        // The second look: a row can slip through between two pages.
        let again = self.fetch(shape, &unseen).await?;
        let gone = unseen.into_iter().zip(again).filter(|(_, row)| row.is_none());
        changes.extend(gone.map(|(id, _)| Change::Delete { id }));
        Ok(changes)
    }

    fn is_sweep_due(&self, memory: &Memory) -> bool {
        memory.swept_at.is_none_or(|at| at.elapsed() >= self.polling.sweep_every)
    }

    async fn send(&self, shape: &Shape, write: &Write) -> Answer {
        let sent = match write {
            Write::Create { record, .. } => self.create(shape, record).await,
            Write::Update { id, expected, record } => self.update(shape, id, expected, record).await,
            Write::Delete { id, expected } => self.delete(shape, id, expected).await,
        };
        sent.unwrap_or_else(Answer::Failed)
    }

    async fn create(&self, shape: &Shape, record: &Record) -> Result<Answer, Failure> {
        let body = body(shape, record, None)?;
        let request = page::request(&self.client, Method::POST, &format!("{}?cross-company=true", set(shape)))?.with_body(body);
        let answer = self.client.send(&request).await?;
        let what = format!("creating a row of `{}`", shape.set);
        if answer.is_success() {
            let columns = Columns::finops(shape);
            let row = page::row(&columns, &what, &answer.body).and_then(|row| seen(shape, &row));
            return row.map(Answer::Written).map_err(|failure| Failure { is_ambiguous: true, ..failure });
        }
        let failure = error::failure(&self.client, &what, &answer);
        // A key that is taken is told in words, and in the language of the system's user; so the row is looked for.
        let is_refused = matches!(failure.class, Class::Validation | Class::Conflict);
        if is_refused && self.find_by_key(shape, record).await?.is_some() {
            return Ok(Answer::Exists);
        }
        Err(unclear(failure))
    }

    async fn find_by_key(&self, shape: &Shape, record: &Record) -> Result<Option<Seen>, Failure> {
        if !has_key(shape, record) {
            return Ok(None);
        }
        let values: Vec<Value> = shape.key.iter().map(|it| record.get(*it).clone()).collect();
        Ok(self.find(shape, &shape.key, &values, 1).await?.into_iter().next())
    }

    /// The row that a create without a key made: a number sequence gave it one, so only what was sent can tell. Two rows with
    /// the same content are for a person to tell apart.
    async fn find_by_content(&self, shape: &Shape, record: &Record) -> Result<Option<Seen>, Failure> {
        let is_sent = |(slot, value): &(Slot, &Value)| value.is_value() && !shape.field(*slot).readonly;
        let (slots, values): (Vec<Slot>, Vec<Value>) =
            record.slots().filter(is_sent).map(|(slot, value)| (slot, value.clone())).unzip();
        let mut found = self.find(shape, &slots, &values, 2).await?;
        match found.len() {
            0 | 1 => Ok(found.pop()),
            _ => {
                let text = format!("`{}` has several rows with what was sent, and the system gave them their keys", shape.set);
                Err(Failure::new(Class::Conflict, text))
            }
        }
    }

    async fn update(&self, shape: &Shape, id: &RemoteId, expected: &Version, record: &Record) -> Result<Answer, Failure> {
        let body = body(shape, record, Some(&key_values(shape, id)?))?;
        let request = page::request(&self.client, Method::PATCH, &address(shape, id)?)?
            .with("if-match", expected.0.clone())
            .with("prefer", "return=representation")
            .with_body(body);
        let answer = self.client.send(&request).await?;
        let what = format!("changing {} of `{}`", id.0, shape.set);
        match answer.status {
            404 => Ok(Answer::Gone),
            412 => Ok(Answer::Moved),
            _ if !answer.is_success() => Err(unclear(error::failure(&self.client, &what, &answer))),
            _ => self.after_update(shape, id, &what, &answer).await.map_err(|failure| Failure { is_ambiguous: true, ..failure }),
        }
    }

    // The system runs its own logic and changes other fields, too, so the row is read back where it did not come along. Between
    // the two somebody else may have edited it; only the version that came with the answer tells. Where it does not, the outcome
    // is unclear, and the engine looks for itself what of the row is ours.
    async fn after_update(&self, shape: &Shape, id: &RemoteId, what: &str, answer: &http::Answer) -> Result<Answer, Failure> {
        if !answer.body.is_empty() {
            let columns = Columns::finops(shape);
            return Ok(Answer::Written(seen(shape, &page::row(&columns, what, &answer.body)?)?));
        }
        let row = self.fetch(shape, std::slice::from_ref(id)).await?.into_iter().next().flatten();
        match row {
            Some(row) if answer.header("etag") == Some(row.version.0.as_str()) => Ok(Answer::Written(row)),
            Some(_) | None => Err(Failure::new(Class::Transient, format!("{what}: the row was changed again at once"))),
        }
    }

    async fn delete(&self, shape: &Shape, id: &RemoteId, expected: &Version) -> Result<Answer, Failure> {
        let request = page::request(&self.client, Method::DELETE, &address(shape, id)?)?.with("if-match", expected.0.clone());
        let answer = self.client.send(&request).await?;
        match answer.status {
            404 => Ok(Answer::Gone),
            412 => Ok(Answer::Moved),
            _ if answer.is_success() => Ok(Answer::Deleted),
            _ => Err(unclear(error::failure(&self.client, &format!("deleting {} of `{}`", id.0, shape.set), &answer))),
        }
    }
}

#[async_trait]
impl Connector for Finops {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            conditional_write: true,
            correlated_create: false,
            remembers_deletes: false,
            ordered_feed: false,
            read_back: true,
            batch_max: WRITES_AT_ONCE,
        }
    }

    async fn feed(&self, shape: &Shape, after: Option<&Token>) -> Result<Page, Failure> {
        let at = match after {
            None => self.start(shape).await?,
            Some(token) => Position::parse(token)?,
        };
        let mut memory = self.feeds.lock().await.shift_remove(&at.feed).unwrap_or_default();
        match after {
            // A reading from the start will have handed out every row.
            None => (memory.is_complete, memory.swept_at) = (true, Some(Instant::now())),
            Some(token) => memory.arrive(token),
        }
        let page = self.next_page(shape, &at, &mut memory).await;
        self.keep(at.feed, memory).await;
        page
    }

    async fn fetch(&self, shape: &Shape, ids: &[RemoteId]) -> Result<Vec<Option<Seen>>, Failure> {
        let mut found = HashMap::with_capacity(ids.len());
        for chunk in ids.chunks(IDS_PER_REQUEST) {
            let mut any = Vec::with_capacity(chunk.len());
            for id in chunk {
                let values = key_values(shape, id)?;
                any.push(format!("({})", text::equals(Dialect::Finops, shape, &shape.key, &values)?));
            }
            let path = format!("{}&$filter={}", query(shape), text::escape(&any.join(" or ")));
            // More rows than were asked for come where a key holds a `*`.
            let rows = self.all_rows(shape, path, IDS_PER_REQUEST, |_| true, usize::MAX).await?;
            found.extend(rows.into_iter().map(|it| (folded_key(shape, &it.record), it)));
        }
        let row = |id: &RemoteId| Ok(found.get(&fold(&key_values(shape, id)?)).cloned());
        ids.iter().map(row).collect()
    }

    async fn find(&self, shape: &Shape, slots: &[Slot], values: &[Value], limit: usize) -> Result<Vec<Seen>, Failure> {
        let filter = text::escape(&text::equals(Dialect::Finops, shape, slots, values)?);
        let has_star = values.iter().filter_map(Value::as_text).any(|it| it.contains('*'));
        let limit = limit.clamp(1, self.polling.page_size);
        let own = |record: &Record| slots.iter().map(|it| record.get(*it).clone()).collect::<Vec<_>>();
        let wanted = fold(values);
        let is_meant = |record: &Record| !has_star || fold(&own(record)) == wanted;
        // `eq 'A*'` finds whatever begins with A (Microsoft, data-entities/odata.md), so the first rows need not be those meant.
        let top = if has_star { String::new() } else { format!("&$top={limit}") };
        let mut rows = self.all_rows(shape, format!("{}&$filter={filter}{top}", query(shape)), limit, is_meant, limit).await?;
        rows.truncate(limit);
        Ok(rows)
    }

    async fn find_created(&self, shape: &Shape, write: &Write) -> Result<Option<Seen>, Failure> {
        match write {
            Write::Create { record, .. } if has_key(shape, record) => self.find_by_key(shape, record).await,
            Write::Create { record, .. } => self.find_by_content(shape, record).await,
            Write::Update { id, .. } | Write::Delete { id, .. } => {
                Ok(self.fetch(shape, std::slice::from_ref(id)).await?.into_iter().next().flatten())
            }
        }
    }

    async fn write(&self, shape: &Shape, writes: &[Write]) -> Vec<Answer> {
        let sends: Vec<_> = writes.iter().map(|write| self.send(shape, write)).collect();
        stream::iter(sends).buffered(WRITES_AT_ONCE).collect().await
    }

    async fn scan(&self, shape: &Shape, after: Option<&Token>, limit: usize) -> Result<Page, Failure> {
        let path = after.map_or_else(|| format!("{}&$orderby={}", query(shape), keys(shape)), |token| token.0.clone());
        let (rows, next) = self.rows(shape, &path, limit).await?;
        let changes = rows.into_iter().map(Change::Upsert).collect();
        let is_last = next.is_none();
        Ok(Page { changes, next: Token(next.unwrap_or_default()), is_last })
    }

    fn remember(&self, shape: &Shape, ids: &[RemoteId]) {
        let mut remembered = self.remembered.lock().expect("no code panics while it holds this lock");
        let own = remembered.entry(shape.set.clone()).or_default();
        let room = super::memory::ROWS_MAX.saturating_sub(own.len());
        own.extend(ids.iter().take(room).cloned());
    }
}

impl Finops {
    async fn next_page(&self, shape: &Shape, at: &Position, memory: &mut Memory) -> Result<Page, Failure> {
        let (rows, next) = self.step(shape, at).await?;
        let is_last = next.path.is_none();
        let is_news = |it: &Seen| at.is_first || !memory.has(&it.id, &it.version);
        let mut changes: Vec<Change> = rows.into_iter().filter(is_news).map(Change::Upsert).collect();
        if is_last && !at.is_first && self.is_sweep_due(memory) {
            let found = self.sweep(shape, memory).await?;
            let is_new = |it: &Change| !changes.iter().any(|own| own.id() == it.id());
            let found: Vec<Change> = found.into_iter().filter(is_new).collect();
            changes.extend(found);
        }
        let token = next.token();
        memory.hand_out(&token, &changes);
        Ok(Page { changes, next: token, is_last })
    }

    async fn keep(&self, feed: u64, memory: Memory) {
        let mut feeds = self.feeds.lock().await;
        feeds.insert(feed, memory);
        if feeds.len() > FEEDS_MAX {
            feeds.shift_remove_index(0);
        }
    }
}

fn has_key(shape: &Shape, record: &Record) -> bool {
    shape.key.iter().all(|it| record.get(*it).is_value())
}

fn set(shape: &Shape) -> String {
    format!("{ROOT}{}", text::escape(&shape.set))
}

/// The start of every reading. `cross-company` stands on each request: without it other companies are invisible
/// (Microsoft, data-entities/odata.md).
fn query(shape: &Shape) -> String {
    let select = shape.fields.iter().map(|it| it.name.as_str()).collect::<Vec<_>>().join(",");
    format!("{}?cross-company=true&$select={select}", set(shape))
}

fn key_fields(shape: &Shape) -> impl Iterator<Item = &ShapeField> {
    shape.key.iter().map(|it| shape.field(*it))
}

fn keys(shape: &Shape) -> String {
    key_fields(shape).map(|it| it.name.as_str()).collect::<Vec<_>>().join(",")
}

/// The id of a row: its key fields as a JSON object, in the order of the key. `json` gives a field's JSON, without spaces.
pub(super) fn id<'a>(shape: &Shape, json: impl Fn(Slot) -> Option<Cow<'a, str>>) -> Result<RemoteId, Failure> {
    let mut out = String::from("{");
    for (slot, field) in shape.key.iter().zip(key_fields(shape)) {
        let value = json(*slot).ok_or_else(|| lacks(shape, &format!("`{}`, which is part of its key", field.name)))?;
        let comma = if out.len() == 1 { "" } else { "," };
        write!(out, "{comma}{}:{value}", Json::from(field.name.as_str())).expect("writing to a string cannot fail");
    }
    if out.len() == 1 {
        return Err(Failure::new(Class::Schema, format!("`{}` has no key", shape.entity)));
    }
    out.push('}');
    Ok(RemoteId(out))
}

fn row_id(shape: &Shape, row: &Row<'_, '_>) -> Result<RemoteId, Failure> {
    id(shape, |slot| row.json(slot))
}

fn key_values(shape: &Shape, id: &RemoteId) -> Result<Vec<Value>, Failure> {
    let foreign = || Failure::new(Class::Bug, format!("{} is no id of `{}`", id.0, shape.entity));
    let row: Map<String, Json> = serde_json::from_str(&id.0).map_err(|_| foreign())?;
    let (record, _) = wire::record(Dialect::Finops, shape, &row);
    let values: Vec<Value> = shape.key.iter().map(|it| record.get(*it).clone()).collect();
    if values.iter().all(Value::is_known) { Ok(values) } else { Err(foreign()) }
}

/// The key as the system compares it.
fn fold(values: &[Value]) -> Vec<Value> {
    let profile = Profile::finops();
    values.iter().map(|it| profile.fold_key(it)).collect()
}

fn folded_key(shape: &Shape, record: &Record) -> Vec<Value> {
    fold(&shape.key.iter().map(|it| record.get(*it).clone()).collect::<Vec<_>>())
}

fn address(shape: &Shape, id: &RemoteId) -> Result<String, Failure> {
    let mut parts = Vec::with_capacity(shape.key.len());
    for (field, value) in key_fields(shape).zip(key_values(shape, id)?) {
        let literal = text::literal(Dialect::Finops, field, &value)?;
        parts.push(format!("{}={}", field.name, text::escape(&literal)));
    }
    Ok(format!("{}({})?cross-company=true", set(shape), parts.join(",")))
}

fn version(shape: &Shape, row: &Row<'_, '_>) -> Result<Version, Failure> {
    row.etag().map(|it| Version(it.into_owned())).ok_or_else(|| lacks(shape, "ETag"))
}

fn lacks(shape: &Shape, what: &str) -> Failure {
    Failure::new(Class::Schema, format!("`{}`: a row has no {what}", shape.set))
}

fn seen(shape: &Shape, row: &Row<'_, '_>) -> Result<Seen, Failure> {
    let (record, problem) = row.record();
    let modified = match shape.modified.map(|it| record.get(it)) {
        Some(Value::DateTime(at)) => Some(*at),
        _ => None,
    };
    Ok(Seen { id: row_id(shape, row)?, version: version(shape, row)?, record, modified, correlation: None, problem })
}

/// Only what the record says. A key field goes along on create, or where it is to become another one, which the system
/// refuses in its own words.
fn body(shape: &Shape, record: &Record, own_key: Option<&[Value]>) -> Result<String, Failure> {
    Columns::finops(shape).body(record, |slot, value| {
        let key = shape.key.iter().position(|it| *it == slot);
        let is_own_key = key.zip(own_key).is_some_and(|(key, own)| own.get(key) == Some(value));
        Ok(if shape.field(slot).readonly || is_own_key { Part::LeftOut } else { Part::Plain })
    })
}

// A server that fails with 5xx may have done the work before.
fn unclear(failure: Failure) -> Failure {
    Failure { is_ambiguous: failure.class == Class::Transient, ..failure }
}
