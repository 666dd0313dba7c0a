//! Dataverse: delta links as the feed, the link's id as the primary key of what we create.
//!
//! The primary key of a row that we make is the id of its link. A create is `PATCH set(id)` with `If-None-Match: *`, so a
//! create that is sent twice makes one row, and a row tells by its id alone whose create made it: [`Seen::correlation`]
//! is the row's id, for every row. Rows that users made have ids that no link has.
//!
//! The value of a reference is the id of its row alone, also where the row can be of several tables: an id is given once in an
//! environment. The table is needed where a reference is written, and is known from rows that were read, or asked for.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use futures::{StreamExt, stream};
use serde_json::Value as Json;
use tokio::sync::Mutex;

use super::discover::{self, Discovered};
use super::navigation::{self, Navigation};
use super::page::{self, Page as Read};
use super::rows::{Columns, Part, Row, TARGET};
use super::{Dialect, batch, error, text, wire};
use crate::change::{Answer, Change, Class, Failure, LinkId, Page, RemoteId, Seen, Token, Version, Write};
use crate::connect::http::{self, Client, Method, Request, Settings};
use crate::connect::{Capabilities, Connector, order_of_numbers};
use crate::schema::{Shape, ShapeField};
use crate::value::{Kind, Record, Slot, Uuid, Value};

const ROOT: &str = "/api/data/v9.2/";
/// Most batches of writes under way at once; Dataverse wants small ones in parallel rather than large ones (Microsoft, api-limits.md).
const BATCHES_AT_ONCE: usize = 8;
/// Most ids whose table is remembered; then all are forgotten.
const TABLES_MAX: usize = 100_000;
/// Most ids of one look-up request: with 50 the URL stays far below its limit.
const IDS_PER_REQUEST: usize = 50;
/// Largest page (Microsoft, webapi/query/page-results.md).
pub const PAGE_MAX: usize = 5000;

/// A Dataverse environment.
pub struct Dataverse {
    client: Client,
    page_size: usize,
    /// By entity, as read at the first write that needs them.
    navigation: Mutex<HashMap<String, Arc<Navigation>>>,
    /// Which table a row is of, for rows that are referred to.
    tables: std::sync::Mutex<HashMap<Uuid, String>>,
}

impl Dataverse {
    /// `page_size` is cut to what the system allows.
    pub fn new(settings: Settings, page_size: usize) -> Result<Self, Failure> {
        let (navigation, tables) = (Mutex::default(), std::sync::Mutex::default());
        Ok(Self { client: Client::new(settings)?, page_size: page_size.clamp(1, PAGE_MAX), navigation, tables })
    }

    /// The schema of the live system: these entities, or all of them without lengths, choices and keys if none is named.
    pub async fn discover(&self, wanted: &[String]) -> Result<Discovered, Failure> {
        let mut found = discover::metadata(&self.client, ROOT, wanted).await?;
        discover::definitions(&self.client, ROOT, wanted, &mut found).await?;
        Ok(found)
    }

    /// The names under which the lookups of this record are written; read once for each entity.
    async fn navigation(&self, shape: &Shape, record: &Record) -> Result<Arc<Navigation>, Failure> {
        let is_needed = |(slot, value): (Slot, &Value)| value.is_known() && matches!(shape.field(slot).kind, Kind::Lookup(_));
        if !record.slots().any(is_needed) {
            return Ok(Arc::default());
        }
        let mut known = self.navigation.lock().await;
        if let Some(names) = known.get(&shape.entity) {
            return Ok(names.clone());
        }
        let names = Arc::new(navigation::fetch(&self.client, ROOT, &shape.entity).await?);
        known.insert(shape.entity.clone(), names.clone());
        Ok(names)
    }

    async fn body(&self, shape: &Shape, record: &Record) -> Result<String, Failure> {
        let navigation = self.navigation(shape, record).await?;
        let mut record = record.clone();
        for (slot, field) in shape.fields.iter().enumerate().filter(|(_, it)| wire::is_polymorphic(Dialect::Dataverse, it)) {
            let slot = Slot(slot as u16);
            if let Value::Guid(id) = *record.get(slot) {
                let table = self.table_of(field, id, &navigation).await?;
                record.set(slot, Value::Tuple([Value::text(table), Value::Guid(id)].into()));
            }
        }
        body(shape, &record, &navigation)
    }

    /// The table of the row that a reference leads to: remembered, else asked for, one table after the other.
    async fn table_of(&self, field: &ShapeField, id: Uuid, navigation: &Navigation) -> Result<String, Failure> {
        let Kind::Lookup(targets) = &field.kind else { return Err(no_target(field, id)) };
        let known = self.tables.lock().expect("no code panics while it holds this lock").get(&id).cloned();
        if let Some(table) = known.filter(|it| targets.contains(it)) {
            return Ok(table);
        }
        for (target, set) in targets.iter().zip(&field.lookup_sets) {
            let key = &navigation.to(&field.name, target)?.key;
            let path = format!("{ROOT}{}({id})?$select={}", text::escape(set), text::escape(key));
            let answer = self.client.send(&page::request(&self.client, Method::GET, &path)?).await?;
            match answer.status {
                404 => {}
                _ if answer.is_success() => {
                    self.note(id, target);
                    return Ok(target.clone());
                }
                _ => return Err(error::failure(&self.client, &format!("looking for {id} in `{set}`"), &answer)),
            }
        }
        Err(no_target(field, id))
    }

    fn note(&self, id: Uuid, table: &str) {
        let mut tables = self.tables.lock().expect("no code panics while it holds this lock");
        if tables.len() >= TABLES_MAX {
            tables.clear();
        }
        tables.insert(id, table.to_owned());
    }

    /// Remembers what a row says of the tables of its references.
    fn note_targets(&self, shape: &Shape, row: &Row<'_, '_>, record: &Record) {
        for slot in (0..shape.fields.len()).map(|it| Slot(it as u16)) {
            if let (Some(table), Value::Guid(id)) = (row.target(slot), record.get(slot)) {
                self.note(*id, &table);
            }
        }
    }

    fn prefer(&self, shape: &Shape, limit: usize) -> String {
        format!("odata.maxpagesize={}{}", limit.clamp(1, self.page_size), annotations(shape))
    }

    fn seen(&self, shape: &Shape, row: &Row<'_, '_>) -> Result<Seen, Failure> {
        let seen = seen(shape, row)?;
        self.note_targets(shape, row, &seen.record);
        Ok(seen)
    }

    fn change(&self, shape: &Shape, row: &Row<'_, '_>) -> Result<Change, Failure> {
        match deleted(shape, row)? {
            Some(id) => Ok(Change::Delete { id }),
            None => self.seen(shape, row).map(Change::Upsert),
        }
    }

    async fn read<T>(
        &self,
        shape: &Shape,
        path: &str,
        prefer: &str,
        make: impl Fn(&Shape, &Row<'_, '_>) -> Result<T, Failure>,
    ) -> Result<Read<T>, Failure> {
        page::read(&self.client, path, prefer, &Columns::dataverse(shape), |row| make(shape, row)).await
    }

    /// Rows of a query, over all its pages, at most about `limit`.
    async fn rows(&self, shape: &Shape, path: String, prefer: &str, limit: usize) -> Result<Vec<Seen>, Failure> {
        let read = async |path: String| {
            let page = self.read(shape, &path, prefer, |shape, row| self.seen(shape, row)).await?;
            Ok((page.rows, page.next))
        };
        page::all(&shape.set, path, limit, read).await
    }

    /// Sends writes together; the answers stand in their order.
    async fn send(&self, shape: &Shape, writes: &[Write]) -> Vec<Answer> {
        let (mut requests, mut unsent) = (Vec::with_capacity(writes.len()), Vec::with_capacity(writes.len()));
        for write in writes {
            unsent.push(self.request(shape, write).await.map(|it| requests.push(it)).err());
        }
        let mut answers = batch::send(&self.client, ROOT, &requests).await.into_iter();
        let answer = |(write, unsent): (&Write, Option<Failure>)| {
            let answer = match unsent {
                Some(failure) => Err(failure),
                None => answers.next().expect("every request is answered").and_then(|it| self.answer(shape, write, &it)),
            };
            answer.unwrap_or_else(Answer::Failed)
        };
        writes.iter().zip(unsent).map(answer).collect()
    }

    async fn request(&self, shape: &Shape, write: &Write) -> Result<Request, Failure> {
        let (id, condition, record) = match write {
            Write::Create { link, record } => (own_id(shape, *link, record)?.to_string(), ("if-none-match", "*"), record),
            Write::Update { id, expected, record } => (text::escape(&id.0), ("if-match", expected.0.as_str()), record),
            Write::Delete { id, expected } => {
                let path = format!("{ROOT}{}({})", text::escape(&shape.set), text::escape(&id.0));
                return Ok(page::request(&self.client, Method::DELETE, &path)?.with("if-match", expected.0.clone()));
            }
        };
        let path = format!("{ROOT}{}({id})?$select={}", text::escape(&shape.set), select(shape)?);
        let request = page::request(&self.client, Method::PATCH, &path)?
            .with(condition.0, condition.1)
            .with("prefer", format!("return=representation{}", annotations(shape)));
        Ok(request.with_body(self.body(shape, record).await?))
    }

    fn answer(&self, shape: &Shape, write: &Write, answer: &http::Answer) -> Result<Answer, Failure> {
        match write {
            Write::Create { .. } => self.created(shape, answer),
            Write::Update { id, .. } => self.updated(shape, id, answer),
            Write::Delete { id, .. } => self.deleted(shape, id, answer),
        }
    }

    fn created(&self, shape: &Shape, answer: &http::Answer) -> Result<Answer, Failure> {
        let what = format!("creating a row of `{}`", shape.set);
        match answer.status {
            // The row with this id, or another one with the same alternate key, is there.
            412 if precondition(answer) != Precondition::DuplicateRule => Ok(Answer::Exists),
            404 => Err(reference(error::failure(&self.client, &what, answer))),
            _ => self.written(shape, &what, answer),
        }
    }

    fn updated(&self, shape: &Shape, id: &RemoteId, answer: &http::Answer) -> Result<Answer, Failure> {
        let what = format!("changing {} of `{}`", id.0, shape.set);
        match answer.status {
            412 if precondition(answer) == Precondition::Unmet => Ok(Answer::Moved),
            404 if is_about(answer, id) => Ok(Answer::Gone),
            404 => Err(reference(error::failure(&self.client, &what, answer))),
            _ => self.written(shape, &what, answer),
        }
    }

    fn deleted(&self, shape: &Shape, id: &RemoteId, answer: &http::Answer) -> Result<Answer, Failure> {
        match answer.status {
            404 => Ok(Answer::Gone),
            412 => Ok(Answer::Moved),
            _ if answer.is_success() => Ok(Answer::Deleted),
            _ => Err(error::failure(&self.client, &format!("deleting {} of `{}`", id.0, shape.set), answer)),
        }
    }

    fn written(&self, shape: &Shape, what: &str, answer: &http::Answer) -> Result<Answer, Failure> {
        if !answer.is_success() {
            return Err(unclear(error::failure(&self.client, what, answer)));
        }
        // A write whose answer cannot be read has taken effect all the same.
        let columns = Columns::dataverse(shape);
        let row = page::row(&columns, what, &answer.body).and_then(|row| self.seen(shape, &row));
        row.map(Answer::Written).map_err(|failure| Failure { is_ambiguous: true, ..failure })
    }
}

#[async_trait]
impl Connector for Dataverse {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            conditional_write: true,
            correlated_create: true,
            remembers_deletes: false,
            ordered_feed: true,
            read_back: true,
            batch_max: batch::OPERATIONS_MAX,
        }
    }

    async fn feed(&self, shape: &Shape, after: Option<&Token>) -> Result<Page, Failure> {
        let prefer = format!("odata.track-changes,{}", self.prefer(shape, self.page_size));
        let path = match after {
            None => format!("{ROOT}{}?$select={}", text::escape(&shape.set), select(shape)?),
            Some(token) => token.0.clone(),
        };
        let page = self.read(shape, &path, &prefer, |shape, row| self.change(shape, row)).await?;
        let changes = page.rows;
        match (page.next, page.delta) {
            (Some(next), _) => Ok(Page { changes, next: Token(next), is_last: false }),
            (None, Some(delta)) => Ok(Page { changes, next: Token(delta), is_last: true }),
            // Without a delta link there is no feed; "no changes" would be a lie.
            (None, None) => {
                let text = format!("`{}` sends no delta link: change tracking is not enabled for it", shape.set);
                Err(Failure::new(Class::Schema, text))
            }
        }
    }

    async fn fetch(&self, shape: &Shape, ids: &[RemoteId]) -> Result<Vec<Option<Seen>>, Failure> {
        let mut found = HashMap::with_capacity(ids.len());
        let key = &shape.field(key_slot(shape)?).name;
        for chunk in ids.chunks(IDS_PER_REQUEST) {
            let any: Vec<String> = chunk.iter().filter(|it| is_id(it)).map(|it| format!("{key} eq {}", it.0)).collect();
            if any.is_empty() {
                continue;
            }
            let filter = text::escape(&any.join(" or "));
            let path = format!("{ROOT}{}?$select={}&$filter={filter}", text::escape(&shape.set), select(shape)?);
            for seen in self.rows(shape, path, &self.prefer(shape, IDS_PER_REQUEST), chunk.len()).await? {
                found.insert(seen.id.0.clone(), seen);
            }
        }
        Ok(ids.iter().map(|id| found.get(&id.0).cloned()).collect())
    }

    async fn find(&self, shape: &Shape, slots: &[Slot], values: &[Value], limit: usize) -> Result<Vec<Seen>, Failure> {
        // A filter, not the key in the path: alternate keys with `/ < > * % & : \ ? +` cannot be addressed
        // (Microsoft, define-alternate-keys-entity.md).
        let filter = text::escape(&text::equals(Dialect::Dataverse, shape, slots, values)?);
        let limit = limit.clamp(1, PAGE_MAX);
        let path = format!("{ROOT}{}?$select={}&$filter={filter}&$top={limit}", text::escape(&shape.set), select(shape)?);
        let found = self.rows(shape, path, annotations(shape).trim_start_matches(','), limit).await?;
        // A row that is looked for is often referred to next.
        found.iter().filter_map(|it| it.id.0.parse().ok()).for_each(|id| self.note(id, &shape.entity));
        Ok(found)
    }

    async fn find_created(&self, shape: &Shape, write: &Write) -> Result<Option<Seen>, Failure> {
        let id = match write {
            Write::Create { link, record } => RemoteId(own_id(shape, *link, record)?.to_string()),
            Write::Update { id, .. } | Write::Delete { id, .. } => id.clone(),
        };
        Ok(self.fetch(shape, &[id]).await?.into_iter().next().flatten())
    }

    async fn write(&self, shape: &Shape, writes: &[Write]) -> Vec<Answer> {
        let sends: Vec<_> = writes.chunks(batch::OPERATIONS_MAX).map(|it| self.send(shape, it)).collect();
        stream::iter(sends).buffered(BATCHES_AT_ONCE).concat().await
    }

    fn order(&self, one: &Version, other: &Version) -> Option<Ordering> {
        order_of_numbers(row_version(one)?, row_version(other)?)
    }

    async fn scan(&self, shape: &Shape, after: Option<&Token>, limit: usize) -> Result<Page, Failure> {
        let path = match after {
            None => {
                let key = &shape.field(key_slot(shape)?).name;
                format!("{ROOT}{}?$select={}&$orderby={key}", text::escape(&shape.set), select(shape)?)
            }
            Some(token) => token.0.clone(),
        };
        let page = self.read(shape, &path, &self.prefer(shape, limit), |shape, row| self.change(shape, row)).await?;
        let is_last = page.next.is_none();
        Ok(Page { changes: page.rows, next: Token(page.next.unwrap_or_default()), is_last })
    }
}

fn key_slot(shape: &Shape) -> Result<Slot, Failure> {
    match shape.key.as_slice() {
        [slot] => Ok(*slot),
        _ => Err(Failure::new(Class::Schema, format!("`{}` must have one primary key field", shape.entity))),
    }
}

fn is_id(id: &RemoteId) -> bool {
    id.0.parse::<Uuid>().is_ok()
}

/// The id of a row that is made: the record's own, else the link's.
fn own_id(shape: &Shape, link: LinkId, record: &Record) -> Result<Uuid, Failure> {
    match record.get(key_slot(shape)?) {
        Value::Guid(id) => Ok(*id),
        _ => Ok(link.0),
    }
}

fn select(shape: &Shape) -> Result<String, Failure> {
    key_slot(shape)?;
    Ok(shape.fields.iter().map(|it| wire::name(Dialect::Dataverse, it)).collect::<Vec<_>>().join(","))
}

/// The preference for what is wanted beside the columns, behind a comma: the tables of references that can lead to several.
fn annotations(shape: &Shape) -> String {
    let is_needed = shape.fields.iter().any(|it| wire::is_polymorphic(Dialect::Dataverse, it));
    if is_needed { format!(",odata.include-annotations=\"{TARGET}\"") } else { String::new() }
}

/// The id of a row that the feed tells as deleted.
fn deleted(shape: &Shape, row: &Row<'_, '_>) -> Result<Option<RemoteId>, Failure> {
    // Microsoft, use-change-tracking-synchronize-data-external-systems.md: a deleted row is an id with a context of its own.
    let is_deleted = row.context().is_some_and(|it| it.ends_with("/$deletedEntity"));
    if !is_deleted {
        return Ok(None);
    }
    let id = row.id().and_then(|it| it.parse::<Uuid>().ok());
    let id = id.ok_or_else(|| Failure::new(Class::Schema, format!("`{}`: a deleted row has no id", shape.set)))?;
    Ok(Some(RemoteId(id.to_string())))
}

/// The database's row version in an ETag, `W/"1234"`. It rises with every change of any row.
fn row_version(version: &Version) -> Option<&str> {
    version.0.strip_prefix("W/\"")?.strip_suffix('"')
}

fn seen(shape: &Shape, row: &Row<'_, '_>) -> Result<Seen, Failure> {
    let (record, problem) = row.record();
    let missing = |what: &str| Failure::new(Class::Schema, format!("`{}`: a row has no {what}", shape.set));
    let Value::Guid(id) = *record.get(key_slot(shape)?) else { return Err(missing("primary key")) };
    let version = row.etag().ok_or_else(|| missing("ETag"))?;
    let modified = match shape.modified.map(|it| record.get(it)) {
        Some(Value::DateTime(at)) => Some(*at),
        _ => None,
    };
    let (id, version) = (RemoteId(id.to_string()), Version(version.into_owned()));
    let correlation = id.0.parse().ok().map(LinkId);
    Ok(Seen { id, version, record, modified, correlation, problem })
}

/// Only what the record says; the key stands in the URL.
fn body(shape: &Shape, record: &Record, navigation: &Navigation) -> Result<String, Failure> {
    Columns::dataverse(shape).body(record, |slot, value| {
        let field = shape.field(slot);
        match &field.kind {
            _ if field.readonly || shape.key.contains(&slot) => Ok(Part::LeftOut),
            Kind::Lookup(targets) => bind(field, targets, value, navigation).map(|(name, json)| Part::Bound { name, json }),
            _ => Ok(Part::Plain),
        }
    })
}

// Microsoft, webapi/associate-disassociate-entities-using-web-api.md. A lookup with several targets has a navigation property
// for each; its value is here the target's name and its key.
fn bind(field: &ShapeField, targets: &[String], value: &Value, navigation: &Navigation) -> Result<(String, Json), Failure> {
    let (target, key) = match value {
        Value::Tuple(parts) => match parts.as_ref() {
            [Value::Text(target), key] => (targets.iter().position(|it| it == target.as_str()), key),
            _ => (None, value),
        },
        other => (Some(0), other),
    };
    let target = target.filter(|&it| it < targets.len());
    let target =
        target.ok_or_else(|| Failure::new(Class::Validation, format!("{}: {value} is no row of its targets", field.name)))?;
    let nav = &navigation.to(&field.name, &targets[target])?.name;
    let json = match (key, field.lookup_sets.get(target)) {
        (Value::Null, _) => Json::Null,
        (Value::Guid(id), Some(set)) => Json::String(format!("/{set}({id})")),
        (Value::Guid(_), None) => {
            return Err(Failure::new(
                Class::Schema,
                format!("{}: the entity set of `{}` is not known", field.name, targets[target]),
            ));
        }
        (other, _) => return Err(Failure::new(Class::Validation, format!("{}: {other} is no id of a row", field.name))),
    };
    Ok((format!("{nav}@odata.bind"), json))
}

fn no_target(field: &ShapeField, id: Uuid) -> Failure {
    let targets = match &field.kind {
        Kind::Lookup(targets) => targets.join("`, `"),
        _ => String::new(),
    };
    Failure::new(Class::Reference, format!("{}: there is no row {id} in `{targets}`", field.name))
}

/// What a 412 says (Microsoft, webapi/perform-conditional-operations-using-web-api.md, optional-parameters.md).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Precondition {
    /// The version is another one, or the row is there already.
    Unmet,
    /// Another row has the same primary or alternate key.
    KeyTaken,
    /// A duplicate detection rule of the customer's.
    DuplicateRule,
}

fn precondition(answer: &http::Answer) -> Precondition {
    match error::body(answer).code.as_str() {
        "0x80040237" | "0x80060892" => Precondition::KeyTaken,
        "0x80040333" => Precondition::DuplicateRule,
        _ => Precondition::Unmet,
    }
}

// The row that is missing can be the one that is written, or one that it refers to.
fn is_about(answer: &http::Answer, id: &RemoteId) -> bool {
    let message = error::body(answer).message.to_lowercase();
    message.is_empty() || message.contains(&id.0.to_lowercase())
}

fn reference(failure: Failure) -> Failure {
    Failure { class: if failure.class == Class::Schema { Class::Schema } else { Class::Reference }, ..failure }
}

// A server that fails with 5xx may have done the work before.
fn unclear(failure: Failure) -> Failure {
    Failure { is_ambiguous: failure.class == Class::Transient, ..failure }
}
