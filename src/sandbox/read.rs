//! Reading: one row, a page of rows, a page of changes.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

use crate::schema::Entity;
use crate::value::{Kind, Value};

use super::address::{decode, encode};
use super::expand::{self, Expand};
use super::filter::{self, Filter, Operator};
use super::reply::{Body, Refusal, Reply};
use super::state::State;
use super::table::{Key, Row, Table};
use super::{Dialect, money, rules, wire};

/// Most rows that `$count` counts.
const COUNT_MAX: usize = 5000;

/// The name of a field on the wire.
pub fn wire_name(dialect: Dialect, name: &str, kind: &Kind) -> String {
    match (dialect, kind) {
        (Dialect::Dataverse, Kind::Lookup(_)) => format!("_{name}_value"),
        _ => name.to_owned(),
    }
}

/// The change token of a row.
pub fn etag(row: &Row) -> String {
    format!("W/\"{}\"", row.version)
}

pub fn all_fields(dialect: Dialect, entity: &Entity, row: &Row) -> Map<String, Json> {
    fields(dialect, entity, row, None)
}

/// A row as the options want it.
fn shown(state: &State, entity: &Entity, options: &Options, row: &Row) -> Map<String, Json> {
    let mut out = fields(state.dialect, entity, row, options.select.as_deref());
    if options.annotates && state.dialect == Dialect::Dataverse {
        expand::annotate(state, entity, row, &mut out);
    }
    for it in &options.expand {
        out.insert(it.name.clone(), it.value(state, row));
    }
    out
}

pub fn fields(dialect: Dialect, entity: &Entity, row: &Row, select: Option<&[usize]>) -> Map<String, Json> {
    let mut out = Map::new();
    out.insert("@odata.etag".to_owned(), Json::String(etag(row)));
    for (number, field) in entity.fields.values().enumerate() {
        // Microsoft, webapi/query/select-columns.md: the primary key always comes.
        let is_key = dialect == Dialect::Dataverse && entity.key.contains(&field.name);
        if is_key || select.is_none_or(|it| it.contains(&number)) {
            let name = wire_name(dialect, &field.name, &field.kind);
            let json = match &row.values[number] {
                Value::Decimal(amount) if money::is_money(field) => money::to_json(*amount),
                value => wire::to_json(dialect, &field.kind, value),
            };
            out.insert(name, json);
        }
    }
    // Microsoft, webapi/query/select-columns.md: with an amount comes the currency of its row.
    let shows_money = || entity.fields.values().any(|it| money::is_money(it) && out.contains_key(&it.name));
    if let Some((number, _, currency)) = entity.fields.get_full(money::CURRENCY).filter(|_| shows_money()) {
        let name = wire_name(dialect, &currency.name, &currency.kind);
        out.insert(name, wire::to_json(dialect, &currency.kind, &row.values[number]));
    }
    out
}

/// The options of a query string.
#[derive(Debug, Default)]
pub struct Options {
    pub select: Option<Vec<usize>>,
    pub filter: Option<Filter>,
    order: Vec<(usize, bool)>,
    top: Option<usize>,
    wants_count: bool,
    /// Where the page starts.
    resume: Option<Resume>,
    delta: Option<String>,
    pub cross_company: bool,
    pub expand: Vec<Expand>,
    /// The client asked for annotations.
    pub annotates: bool,
}

impl Options {
    fn is_restricted(&self) -> bool {
        self.filter.is_some() || !self.order.is_empty() || self.top.is_some() || !self.expand.is_empty()
    }
}

/// The state of a reading that goes on with another page.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Resume {
    /// The last row of the page before, in key order.
    after: Option<Key>,
    /// Rows passed so far, for readings with an order of their own.
    skipped: usize,
    /// Rows handed out so far.
    given: usize,
    /// The version at which a tracked reading began.
    began: Option<u64>,
    /// The version up to which changes were handed out, and whether the deleted rows have begun.
    changes: Option<(u64, bool)>,
}

/// What a client prefers (the header `Prefer`).
#[derive(Clone, Copy, Debug, Default)]
pub struct Prefer {
    pub page_size: Option<usize>,
    pub track_changes: bool,
    pub representation: bool,
    pub annotates: bool,
    pub continue_on_error: bool,
}

impl Prefer {
    pub fn parse(header: &str) -> Self {
        let mut prefer = Self::default();
        for part in header.split(',').map(str::trim) {
            match part.split_once('=') {
                Some(("odata.maxpagesize", size)) => prefer.page_size = size.trim().parse().ok(),
                Some(("return", how)) => prefer.representation = how.trim() == "representation",
                // Microsoft, webapi/compose-http-requests-handle-errors.md; this simulator sends all that it has.
                Some(("odata.include-annotations", _)) => prefer.annotates = true,
                _ if part == "odata.continue-on-error" => prefer.continue_on_error = true,
                _ if part == "odata.track-changes" => prefer.track_changes = true,
                _ => {}
            }
        }
        prefer
    }
}

/// Reads a query string, still escaped.
pub fn options(state: &State, entity: &Entity, query: &str) -> Result<Options, Refusal> {
    let mut options = Options::default();
    for part in query.split('&').filter(|it| !it.is_empty()) {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let value = decode(value, true);
        match decode(name, true).as_str() {
            "$select" => options.select = Some(select(state, entity, &value)?),
            "$filter" => options.filter = Some(filter::parse(&value, state.dialect, entity, &state.profile)?),
            "$orderby" => options.order = order(state, entity, &value)?,
            "$top" => options.top = Some(count(&value)?),
            "$count" => options.wants_count = value == "true",
            "$expand" if state.dialect == Dialect::Dataverse => options.expand = expand::parse(state, entity, &value)?,
            "$skiptoken" => options.resume = Some(resume(&value)?),
            "$deltatoken" if state.dialect == Dialect::Dataverse => options.delta = Some(value),
            "$skip" if state.dialect == Dialect::Finops => {
                options.resume = Some(Resume { skipped: count(&value)?, ..Resume::default() });
            }
            // Microsoft, data-entities/odata.md: without it only the user's own company is seen.
            "cross-company" => options.cross_company = value.eq_ignore_ascii_case("true"),
            // Microsoft, webapi/query/page-results.md: `$skip` is not supported.
            other if other.starts_with('$') => {
                return Err(Refusal::new(400, "0x80060888", format!("The query parameter {other} is not supported.")));
            }
            _ => {}
        }
    }
    Ok(options)
}

fn count(text: &str) -> Result<usize, Refusal> {
    text.parse().map_err(|_| Refusal::bad_request(format!("'{text}' is not a number of rows.")))
}

fn resume(text: &str) -> Result<Resume, Refusal> {
    // The token is escaped twice on its way (webapi/query/page-results.md), so that a client that touches it breaks it.
    let text = decode(text, false);
    serde_json::from_str(&text).map_err(|_| Refusal::new(400, "0x80060888", "Malformed paging cookie."))
}

pub fn select(state: &State, entity: &Entity, text: &str) -> Result<Vec<usize>, Refusal> {
    let number = |name: &str| {
        let found = filter::field_number(state.dialect, entity, name.trim());
        found.ok_or_else(|| filter::unknown(entity, name.trim()))
    };
    text.split(',').map(number).collect()
}

fn order(state: &State, entity: &Entity, text: &str) -> Result<Vec<(usize, bool)>, Refusal> {
    let one = |part: &str| {
        let (name, is_descending) = match part.trim().split_once(' ') {
            Some((name, "desc")) => (name, true),
            Some((name, "asc")) => (name, false),
            Some(_) => return Err(Refusal::bad_request(format!("Syntax error in $orderby at '{part}'."))),
            None => (part.trim(), false),
        };
        let number = filter::field_number(state.dialect, entity, name).ok_or_else(|| filter::unknown(entity, name))?;
        Ok((number, is_descending))
    };
    text.split(',').map(one).collect()
}

/// The row of a key that is visible to this request.
pub fn visible<'a>(state: &'a State, entity: &Entity, options: &Options, key: &Key) -> Option<&'a Row> {
    let row = state.table(entity).get(key)?;
    is_visible(state, entity, options, row).then_some(row)
}

fn is_visible(state: &State, entity: &Entity, options: &Options, row: &Row) -> bool {
    let partition = entity.partition.as_ref().and_then(|it| entity.fields.get_index_of(it));
    match partition {
        Some(field) if state.dialect == Dialect::Finops && !options.cross_company => {
            row.values[field].as_text() == Some(rules::DEFAULT_COMPANY)
        }
        Some(_) | None => true,
    }
}

/// One row.
pub fn one(state: &State, entity: &Entity, options: &Options, row: &Row) -> Map<String, Json> {
    let mut out = Map::new();
    out.insert("@odata.context".to_owned(), Json::String(format!("{}/$entity", context(state, entity))));
    out.extend(shown(state, entity, options, row));
    out
}

fn set_of(entity: &Entity) -> &str {
    entity.set.as_deref().unwrap_or(&entity.name)
}

fn context(state: &State, entity: &Entity) -> String {
    format!("{}{}$metadata#{}", state.url, super::route::root(state.dialect), set_of(entity))
}

/// A page: of rows, or of changes.
pub fn page(state: &mut State, entity: &Entity, query: &str, prefer: Prefer) -> Result<Reply, Refusal> {
    let options = Options { annotates: prefer.annotates, ..options(state, entity, query)? };
    let size = prefer.page_size.unwrap_or(state.page_size).clamp(1, state.page_size);
    let tracks = prefer.track_changes && state.dialect == Dialect::Dataverse;
    if (tracks || options.delta.is_some()) && (options.is_restricted()) {
        let text = "The query options $filter, $orderby, $expand and $top are not supported with change tracking.";
        return Err(Refusal::new(400, "0x80060888", text));
    }
    match &options.delta {
        Some(token) => changes(state, entity, &options, token, query, size),
        None => Ok(rows(state, entity, &options, query, size, tracks)),
    }
}

/// How many rows there are (Microsoft, webapi/query/count-rows.md): at most 5,000 are counted.
pub fn total(state: &State, entity: &Entity, query: &str) -> Result<Reply, Refusal> {
    let options = options(state, entity, query)?;
    let count = selected(state, entity, &options, &Resume::default(), COUNT_MAX).len();
    Ok(Reply { status: 200, body: Body::Plain(count.to_string()), ..Reply::default() })
}

fn rows(state: &State, entity: &Entity, options: &Options, query: &str, size: usize, tracks: bool) -> Reply {
    let mut resume = options.resume.clone().unwrap_or_default();
    let began = resume.began.or(tracks.then_some(state.version));
    let room = options.top.map_or(usize::MAX, |top| top.saturating_sub(resume.given));
    let wanted = size.min(room);
    let found = selected(state, entity, options, &resume, wanted.saturating_add(1));
    let has_more = found.len() > wanted && room > wanted;
    let found = &found[..found.len().min(wanted)];
    let value: Vec<Json> = found.iter().map(|(_, row)| Json::Object(shown(state, entity, options, row))).collect();
    resume.given += found.len();
    resume.skipped += found.len();
    resume.after = found.last().map(|(key, _)| (*key).clone()).or(resume.after);
    resume.began = began;
    let mut body = Map::new();
    body.insert("@odata.context".to_owned(), Json::String(context(state, entity)));
    if options.wants_count {
        body.insert("@odata.count".to_owned(), json!(selected(state, entity, options, &Resume::default(), usize::MAX).len()));
    }
    body.insert("value".to_owned(), Json::Array(value));
    match began {
        _ if has_more => insert_link(&mut body, "@odata.nextLink", next_link(state, entity, query, &resume)),
        Some(version) => insert_link(&mut body, "@odata.deltaLink", delta_link(state, entity, query, version)),
        None => {}
    }
    let reply = Reply::json(200, Json::Object(body));
    if tracks { reply.with("preference-applied", "odata.track-changes") } else { reply }
}

/// At most `limit` rows from where the reading stands.
fn selected<'a>(state: &'a State, entity: &Entity, options: &Options, resume: &Resume, limit: usize) -> Vec<(&'a Key, &'a Row)> {
    let table = state.table(entity);
    let fits = |row: &Row| {
        is_visible(state, entity, options, row) && options.filter.as_ref().is_none_or(|it| it.is_met(&state.profile, &row.values))
    };
    if !options.order.is_empty() && !is_key_order(table, &options.order) {
        let recent = options.filter.as_ref().and_then(|it| changed_since(entity, it));
        let mut all: Vec<_> = match recent {
            Some((stamp, since)) => {
                table.latest().take_while(|(_, row)| row.values[stamp] >= since).filter(|(_, row)| fits(row)).collect()
            }
            None => table.rows().filter(|(_, row)| fits(row)).collect(),
        };
        all.sort_by(|left, right| by_order(state, &options.order, left.1, right.1));
        return all.into_iter().skip(resume.skipped).take(limit).collect();
    }
    let skipped = if resume.after.is_none() { resume.skipped } else { 0 };
    if let Some(keys) = options.filter.as_ref().and_then(|it| candidates(table, it)) {
        let after = |key: &Key| resume.after.as_ref().is_none_or(|it| key > it);
        let found = keys.iter().filter(|key| after(key)).filter_map(|key| table.entry(key));
        return found.filter(|(_, row)| fits(row)).skip(skipped).take(limit).collect();
    }
    table.after(resume.after.as_ref()).filter(|(_, row)| fits(row)).skip(skipped).take(limit).collect()
}

/// The order is the one in which rows are held anyway.
fn is_key_order(table: &Table, order: &[(usize, bool)]) -> bool {
    order.iter().map(|(field, _)| field).eq(&table.keys.primary) && order.iter().all(|(_, is_descending)| !is_descending)
}

/// The filter asks for rows that changed at or after an instant: the field of the stamp, and the instant.
fn changed_since(entity: &Entity, filter: &Filter) -> Option<(usize, Value)> {
    let stamp = entity.modified().and_then(|it| entity.fields.get_index_of(&it.name))?;
    match filter {
        Filter::And(all) => all.iter().find_map(|it| changed_since(entity, it)),
        Filter::Compare { field, operator: Operator::Ge | Operator::Gt, value } if *field == stamp => {
            Some((stamp, value.clone()))
        }
        Filter::Compare { .. } | Filter::Text { .. } | Filter::Like { .. } | Filter::Or(_) | Filter::Not(_) => None,
    }
}

fn by_order(state: &State, order: &[(usize, bool)], left: &Row, right: &Row) -> std::cmp::Ordering {
    let one = |&(field, is_descending): &(usize, bool)| {
        let order = state.profile.fold_key(&left.values[field]).cmp(&state.profile.fold_key(&right.values[field]));
        if is_descending { order.reverse() } else { order }
    };
    order.iter().map(one).find(|it| it.is_ne()).unwrap_or(std::cmp::Ordering::Equal)
}

/// The keys of all rows that can meet the filter, where it names whole keys: a look-up instead of a walk. In key order.
fn candidates(table: &Table, filter: &Filter) -> Option<Vec<Key>> {
    let mut keys = match filter {
        Filter::Or(any) => any.iter().map(|it| candidates(table, it)).collect::<Option<Vec<_>>>()?.concat(),
        Filter::And(all) => all.iter().find_map(|it| candidates(table, it)).or_else(|| by_key(table, all))?,
        Filter::Compare { .. } => by_key(table, std::slice::from_ref(filter))?,
        Filter::Text { .. } | Filter::Like { .. } | Filter::Not(_) => return None,
    };
    keys.sort();
    keys.dedup();
    Some(keys)
}

fn by_key(table: &Table, all: &[Filter]) -> Option<Vec<Key>> {
    let value_of = |field: &usize| {
        all.iter().find_map(|it| match it {
            Filter::Compare { field: own, operator: Operator::Eq, value } if own == field => Some(value.clone()),
            _ => None,
        })
    };
    let whole = |fields: &[usize]| fields.iter().map(value_of).collect::<Option<Key>>();
    if let Some(key) = whole(&table.keys.primary) {
        return Some(vec![key]);
    }
    let unique = table.keys.unique.iter().enumerate().find_map(|(index, fields)| Some((index, whole(fields)?)));
    let (index, key) = unique.filter(|(_, key)| key.iter().all(Value::is_value))?;
    Some(table.by_unique(index, &key).cloned().into_iter().collect())
}

/// Changes since a delta token (Microsoft, use-change-tracking-synchronize-data-external-systems.md): new and updated rows by
/// version, then deleted ones.
fn changes(state: &State, entity: &Entity, options: &Options, token: &str, query: &str, size: usize) -> Result<Reply, Refusal> {
    let since = delta_version(state, token)?;
    let mut resume = options.resume.clone().unwrap_or_default();
    let began = resume.began.unwrap_or(state.version);
    let (mut from, mut in_deletes) = resume.changes.unwrap_or((since, false));
    let mut value = Vec::new();
    let table = state.table(entity);
    if !in_deletes {
        for (_, row) in table.changed_after(from).take_while(|(_, row)| row.version <= began).take(size) {
            value.push(Json::Object(shown(state, entity, options, row)));
            from = row.version;
        }
        if value.len() < size {
            (from, in_deletes) = (since, true);
        }
    }
    if in_deletes {
        let room = size - value.len();
        for (version, it) in table.deleted_after(from).take_while(|(version, _)| *version <= began).take(room) {
            let id = wire::to_json(state.dialect, &Kind::Guid, &it.id);
            let context = format!("{}/$deletedEntity", context(state, entity));
            value.push(json!({"@odata.context": context, "id": id, "reason": "deleted"}));
            from = version;
        }
    }
    let is_full = value.len() == size;
    resume.changes = Some((from, in_deletes));
    resume.began = Some(began);
    let mut body = Map::new();
    body.insert("@odata.context".to_owned(), Json::String(format!("{}/$delta", context(state, entity))));
    body.insert("value".to_owned(), Json::Array(value));
    if is_full {
        insert_link(&mut body, "@odata.nextLink", next_link(state, entity, query, &resume));
    } else {
        insert_link(&mut body, "@odata.deltaLink", delta_link(state, entity, query, began));
    }
    Ok(Reply::json(200, Json::Object(body)))
}

fn delta_version(state: &State, token: &str) -> Result<u64, Refusal> {
    let malformed = || Refusal::new(400, "0x80060888", "Malformed delta token.");
    let (version, second) = token.split_once('!').ok_or_else(malformed)?;
    let (version, second) = (version.parse::<u64>(), second.parse::<i64>());
    let (Ok(version), Ok(second)) = (version, second) else { return Err(malformed()) };
    let age = state.clock.now().as_second().saturating_sub(second);
    // Microsoft, use-change-tracking-synchronize-data-external-systems.md: an older token is an error; start over.
    if age > i64::try_from(state.delta_life.as_secs()).unwrap_or(i64::MAX) {
        let text = "Version stamp associated with the client has expired. Please perform a full sync.";
        return Err(Refusal::new(400, "0x80044352", text));
    }
    Ok(version)
}

fn insert_link(body: &mut Map<String, Json>, name: &str, link: String) {
    body.insert(name.to_owned(), Json::String(link));
}

fn base(state: &State, entity: &Entity, query: &str) -> String {
    let kept = query.split('&').filter(|it| {
        let name = decode(it.split('=').next().unwrap_or_default(), true);
        !it.is_empty() && name != "$skiptoken" && name != "$skip"
    });
    let kept: Vec<&str> = kept.collect();
    format!("{}{}{}?{}", state.url, super::route::root(state.dialect), set_of(entity), kept.join("&"))
}

fn next_link(state: &State, entity: &Entity, query: &str, resume: &Resume) -> String {
    let text = serde_json::to_string(resume).expect("a reading's state has text keys only");
    let base = base(state, entity, query);
    let joint = if base.ends_with('?') { "" } else { "&" };
    format!("{base}{joint}$skiptoken={}", encode(&encode(&text)))
}

fn delta_link(state: &State, entity: &Entity, query: &str, version: u64) -> String {
    let kept: Vec<&str> = query.split('&').filter(|it| it.starts_with("$select") || it.starts_with("%24select")).collect();
    let base = base(state, entity, &kept.join("&"));
    let joint = if base.ends_with('?') { "" } else { "&" };
    format!("{base}{joint}$deltatoken={}", encode(&format!("{version}!{}", state.clock.now().as_second())))
}
