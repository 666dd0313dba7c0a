//! Everything a sandbox remembers.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value as Json};

use crate::schema::{Entity, Profile, Schema};
use crate::value::{Kind, Value};

use super::address::KeyText;
use super::clock::Clock;
use super::fault::Faults;
use super::hooks::Outbox;
use super::reply::Refusal;
use super::table::{Key, Row, Table};
use super::{Config, Credentials, Dialect, Error, read, rules, wire, write};

/// What one client asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    pub requests: u64,
    pub writes: u64,
    pub throttled: u64,
    /// Access tokens that were handed out.
    pub tokens: u64,
}

/// A row as it was before a change, and the system's version then.
#[derive(Debug)]
struct Undo {
    entity: String,
    key: Key,
    row: Option<Row>,
    version: u64,
}

/// The system.
#[derive(Debug)]
pub struct State {
    pub dialect: Dialect,
    pub profile: Profile,
    pub url: String,
    pub schema: Arc<Schema>,
    pub tables: HashMap<String, Table>,
    pub version: u64,
    pub page_size: usize,
    pub delta_life: Duration,
    pub clock: Clock,
    pub faults: Faults,
    pub counters: BTreeMap<String, Counters>,
    /// Navigation properties that are not named like their column, by `entity.column`.
    pub navigation: BTreeMap<String, String>,
    pub defaults: BTreeMap<String, Json>,
    pub sequences: Vec<String>,
    /// Push messages.
    pub outbox: Outbox,
    /// What changes to take back if a group of them fails; `None` outside of groups.
    undo: Option<Vec<Undo>>,
    credentials: Credentials,
    token_life: Duration,
    /// Who holds which access token, until when.
    tokens: HashMap<String, (String, Timestamp)>,
}

/// The state, also after a request that panicked while it held the lock: each request leaves it whole or untouched.
pub fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    pub fn new(config: Config, url: &str) -> Result<Self, Error> {
        let Config {
            dialect,
            schema,
            credentials,
            page_size,
            token_life,
            delta_life,
            faults,
            navigation,
            defaults,
            sequences,
            ..
        } = config;
        check_schema(dialect, &schema)?;
        let profile = rules::profile(dialect);
        let tables = schema.entities.iter().map(|(name, it)| (name.clone(), Table::new(it, profile.clone()))).collect();
        Ok(Self {
            dialect,
            profile,
            url: url.to_owned(),
            schema: Arc::new(schema),
            tables,
            version: 1000,
            page_size: page_size.max(1),
            delta_life,
            clock: Clock::default(),
            faults: Faults::new(faults),
            counters: BTreeMap::new(),
            navigation,
            defaults,
            sequences,
            outbox: Outbox::default(),
            undo: None,
            credentials,
            token_life,
            tokens: HashMap::new(),
        })
    }

    /// The next version, with which one change is stamped.
    pub fn next_version(&mut self) -> u64 {
        self.version += 1;
        self.version
    }

    /// Does work whose changes stand together: if it fails, none of them does.
    pub fn atomically<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, Refusal>) -> Result<T, Refusal> {
        let (outer, told) = (self.undo.replace(Vec::new()), self.outbox.events.len());
        let done = work(self);
        let mine = self.undo.take().unwrap_or_default();
        self.undo = outer;
        if done.is_err() {
            self.take_back(mine);
            self.outbox.events.truncate(told);
        } else if let Some(outer) = &mut self.undo {
            outer.extend(mine);
        }
        done
    }

    fn take_back(&mut self, changes: Vec<Undo>) {
        for Undo { entity, key, row, version } in changes.into_iter().rev() {
            if let Some(table) = self.tables.get_mut(&entity) {
                table.restore(&key, row, version);
            }
        }
    }

    /// A row is about to change.
    pub fn note(&mut self, entity: &Entity, key: &Key) {
        if self.undo.is_none() {
            return;
        }
        let (row, version) = (self.table(entity).get(key).cloned(), self.version);
        let change = Undo { entity: entity.name.clone(), key: key.clone(), row, version };
        self.undo.get_or_insert_default().push(change);
    }

    pub fn counters_of(&mut self, client: &str) -> &mut Counters {
        self.counters.entry(client.to_owned()).or_default()
    }

    /// A new access token, if the credentials are right. The answer is the token and its life in seconds.
    pub fn grant(&mut self, client_id: &str, client_secret: &str) -> Option<(String, u64)> {
        if client_id != self.credentials.client_id || client_secret != self.credentials.client_secret {
            return None;
        }
        let now = self.clock.now();
        self.tokens.retain(|_, (_, until)| *until > now);
        let token = format!("sandbox-{}", self.clock.new_id().simple());
        let life = SignedDuration::try_from(self.token_life).unwrap_or(SignedDuration::from_hours(1));
        self.tokens.insert(token.clone(), (client_id.to_owned(), now.checked_add(life).unwrap_or(now)));
        self.counters_of(client_id).tokens += 1;
        Some((token, self.token_life.as_secs()))
    }

    /// The client that this token belongs to, while it is good.
    pub fn client(&self, token: &str) -> Option<String> {
        let (client, until) = self.tokens.get(token)?;
        (*until > self.clock.now()).then(|| client.clone())
    }

    /// An entity by the name of its set.
    pub fn entity_of_set(&self, set: &str) -> Option<&Entity> {
        self.schema.entities.values().find(|it| it.set.as_deref().unwrap_or(&it.name) == set)
    }

    pub fn entity(&self, name: &str) -> Result<&Entity, Refusal> {
        let found = self.schema.entities.get(name).or_else(|| self.entity_of_set(name));
        found.ok_or_else(|| Refusal::new(404, "0x80060888", format!("Resource not found for the segment '{name}'.")))
    }

    pub fn table(&self, entity: &Entity) -> &Table {
        self.tables.get(&entity.name).expect("every entity has a table")
    }

    pub fn table_mut(&mut self, entity: &Entity) -> &mut Table {
        self.tables.get_mut(&entity.name).expect("every entity has a table")
    }

    /// The row that a key in a URL means: its primary key, or an alternate one.
    pub fn find(&self, entity: &Entity, key: &KeyText) -> Result<Option<Key>, Refusal> {
        self.find_by(entity, &rules::key_values(self.dialect, entity, key)?)
    }

    pub fn find_by(&self, entity: &Entity, values: &[(usize, Value)]) -> Result<Option<Key>, Refusal> {
        let table = self.table(entity);
        let value_of = |field: &usize| values.iter().find(|(it, _)| it == field).map(|(_, value)| value.clone());
        let covers = |fields: &[usize]| fields.len() == values.len() && fields.iter().all(|it| value_of(it).is_some());
        let fold = |fields: &[usize]| table.fold(fields.iter().filter_map(value_of));
        if covers(&table.keys.primary) {
            let key = fold(&table.keys.primary);
            return Ok(table.get(&key).is_some().then_some(key));
        }
        if let Some(index) = table.keys.unique.iter().position(|it| covers(it)) {
            return Ok(table.by_unique(index, &fold(&table.keys.unique[index])).cloned());
        }
        Err(Refusal::new(
            400,
            "0x80060888",
            format!("The specified key properties aren't defined as a key of '{}'.", entity.name),
        ))
    }

    pub fn user_insert(&mut self, entity: &str, fields: Map<String, Json>) -> Result<String, Refusal> {
        let schema = self.schema.clone();
        let entity = self.entity(entity)?.name.clone();
        let entity = &schema.entities[&entity];
        let key = write::create(self, entity, &fields, None)?;
        self.outbox.flush();
        Ok(self.id_text(entity, &key))
    }

    pub fn user_update(&mut self, entity: &str, id: &str, fields: Map<String, Json>) -> Result<(), Refusal> {
        let schema = self.schema.clone();
        let entity = self.entity(entity)?.name.clone();
        let entity = &schema.entities[&entity];
        let key = self.user_key(entity, id)?.ok_or_else(|| write::not_found(self.dialect, entity, id))?;
        write::update(self, entity, &key, &fields)?;
        self.outbox.flush();
        Ok(())
    }

    pub fn user_delete(&mut self, entity: &str, id: &str) -> Result<(), Refusal> {
        let schema = self.schema.clone();
        let entity = self.entity(entity)?.name.clone();
        let entity = &schema.entities[&entity];
        let key = self.user_key(entity, id)?.ok_or_else(|| write::not_found(self.dialect, entity, id))?;
        write::delete(self, entity, &key)?;
        self.outbox.flush();
        Ok(())
    }

    pub fn user_row(&self, entity: &str, id: &str) -> Option<Map<String, Json>> {
        let entity = self.entity(entity).ok()?;
        let key = self.user_key(entity, id).ok()??;
        self.table(entity).get(&key).map(|row| read::all_fields(self.dialect, entity, row))
    }

    pub fn user_rows(&self, entity: &str) -> Vec<Map<String, Json>> {
        let Ok(entity) = self.entity(entity) else { return Vec::new() };
        self.table(entity).rows().map(|(_, row)| read::all_fields(self.dialect, entity, row)).collect()
    }

    pub fn len(&self, entity: &str) -> usize {
        self.entity(entity).map_or(0, |it| self.table(it).len())
    }

    fn user_key(&self, entity: &Entity, id: &str) -> Result<Option<Key>, Refusal> {
        let key = match serde_json::from_str::<Map<String, Json>>(id) {
            Ok(named) => {
                let text = |it: Json| it.as_str().map_or_else(|| it.to_string(), str::to_owned);
                KeyText::Named(named.into_iter().map(|(name, it)| (name, text(it))).collect())
            }
            Err(_) => KeyText::Single(id.to_owned()),
        };
        self.find(entity, &key)
    }

    /// The id of a row as the handle gives it out.
    fn id_text(&self, entity: &Entity, key: &Key) -> String {
        let table = self.table(entity);
        let row = table.get(key).expect("the row was just written");
        if let ([number], Dialect::Dataverse) = (table.keys.primary.as_slice(), self.dialect)
            && let Value::Guid(id) = row.values[*number]
        {
            return id.to_string();
        }
        let fields = table.keys.primary.iter().filter_map(|&it| Some((entity.fields.get_index(it)?.1, &row.values[it])));
        // In the order of the key, which a JSON map would not keep.
        let part = |(field, value): (&crate::schema::Field, &Value)| {
            format!("{}:{}", Json::from(field.name.as_str()), super::wire::to_json(self.dialect, &field.kind, value))
        };
        format!("{{{}}}", fields.map(part).collect::<Vec<_>>().join(","))
    }
}

fn check_schema(dialect: Dialect, schema: &Schema) -> Result<(), Error> {
    for entity in schema.entities.values() {
        if let Some(field) = entity.fields.values().find(|it| matches!(it.kind, Kind::Binary)) {
            return Err(Error::Schema(format!("{}.{}: the sandbox holds no binary fields", entity.name, field.name)));
        }
        check_dialect(dialect, entity)?;
        let has_guid_key = entity.key.len() == 1 && matches!(entity.fields[&entity.key[0]].kind, Kind::Guid);
        if dialect == Dialect::Dataverse && !has_guid_key {
            return Err(Error::Schema(format!("{}: a Dataverse table has one primary key field of type `guid`", entity.name)));
        }
        if entity.key.is_empty() {
            return Err(Error::Schema(format!("{}: an entity without a key cannot be addressed", entity.name)));
        }
    }
    Ok(())
}

/// A schema of the other system would be served under rules that no such system has.
fn check_dialect(dialect: Dialect, entity: &Entity) -> Result<(), Error> {
    // F&O refers by natural keys and has enums of symbols (Microsoft, data-entities/odata.md); Dataverse has numbered choices
    // (webapi/web-api-properties.md).
    let is_foreign = |kind: &Kind| match (dialect, kind) {
        (Dialect::Finops, Kind::Lookup(_) | Kind::Choices(_)) => true,
        (Dialect::Finops, Kind::Enum(members)) => wire::is_numbered(members),
        (Dialect::Dataverse, Kind::Enum(members)) => !members.members.is_empty() && !wire::is_numbered(members),
        (
            Dialect::Dataverse | Dialect::Finops,
            Kind::Bool
            | Kind::Int32
            | Kind::Int64
            | Kind::Decimal { .. }
            | Kind::Float64
            | Kind::Text { .. }
            | Kind::Guid
            | Kind::Date
            | Kind::Time
            | Kind::DateTime
            | Kind::Binary,
        )
        | (Dialect::Dataverse, Kind::Lookup(_) | Kind::Choices(_)) => false,
    };
    let (own, other) = match dialect {
        Dialect::Dataverse => ("Dataverse", "Finance & Operations (`dwmap sandbox finops`)"),
        Dialect::Finops => ("Finance & Operations", "Dataverse (`dwmap sandbox dataverse`)"),
    };
    if let Some(field) = entity.fields.values().find(|it| is_foreign(&it.kind)) {
        let text = format!(
            "{}.{}: {own} has no fields of the type `{}`; this looks like a schema of {other}",
            entity.name, field.name, field.kind
        );
        return Err(Error::Schema(text));
    }
    Ok(())
}
