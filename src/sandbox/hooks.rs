//! Push messages: the sandbox tells an address of every change.
//!
//! Dataverse posts a `RemoteExecutionContext`, leaves out its large parts where it would be larger than 256 KB, waits 60 seconds for
//! the answer, and sends a message once more after 502, 503 and 504 alone (Microsoft, use-webhooks.md). F&O posts data events in the
//! same form, or business events with a control number that rises with gaps; it tries three times more, a second apart, and waits ten
//! seconds (Microsoft, business-events/home-page.md, data-events.md).

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value as Json, json};
use tokio::sync::mpsc;

use super::state::{self, State};
use super::table::Row;
use super::{Dialect, read, wire};
use crate::schema::{Entity, Field};
use crate::value::{Kind, Value};

/// Largest message with all its parts (Microsoft, use-webhooks.md).
const WHOLE_BYTES_MAX: usize = 256 * 1024;
/// Messages that wait to be sent; what comes while so many wait is lost, as messages may be.
const WAITING_MAX: usize = 10_000;
/// Deliveries that are remembered, the latest ones.
const DELIVERIES_MAX: usize = 10_000;
/// Rest between two tries of F&O.
const RETRY_REST: Duration = Duration::from_secs(1);
/// Tries of F&O after the first.
const RETRIES_MAX: usize = 3;
/// By how much control numbers rise: there are gaps (Microsoft, business-events/home-page.md).
const CONTROL_STEP: u64 = 3;

/// Where messages go.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hook {
    /// The address, with what stands in its query.
    pub url: String,
    /// A header and its value.
    #[serde(default)]
    pub header: Option<(String, String)>,
    /// F&O: business events instead of data events.
    #[serde(default)]
    pub is_business: bool,
    /// Longest wait for an answer; the system's own by default.
    #[serde(default)]
    pub timeout_ms: Option<u64>,
}

/// What happens to a message on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mishap {
    /// It never arrives.
    Lost,
    Twice,
    /// It arrives after the next one.
    Late,
}

/// How a delivery went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    pub control: u64,
    /// The status of each try; `None`: no answer in time.
    pub tries: Vec<Option<u16>>,
    pub is_stripped: bool,
}

impl Delivery {
    pub fn has_arrived(&self) -> bool {
        self.tries.last().copied().flatten().is_some_and(|it| (200..300).contains(&it))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    Create,
    Update,
    Delete,
}

/// A change to tell of.
#[derive(Clone, Debug)]
pub struct Event {
    message: Message,
    entity: String,
    /// Table or event, as messages call it.
    name: String,
    id: String,
    columns: Vec<(String, Json)>,
    control: u64,
    at_ms: i64,
}

/// What of push messages belongs to the state.
#[derive(Debug, Default)]
pub struct Outbox {
    pub hooks: Vec<Hook>,
    pub mishaps: VecDeque<Mishap>,
    pub deliveries: VecDeque<Delivery>,
    /// Told when the work that made them stands.
    pub events: Vec<Event>,
    control: u64,
    courier: Option<mpsc::Sender<Event>>,
}

impl Outbox {
    /// Hands the events over, in the order in which they happened.
    pub fn flush(&mut self) {
        for event in self.events.drain(..) {
            if let Some(courier) = &self.courier {
                // Who has no room loses messages, as the real systems may.
                let _ = courier.try_send(event);
            }
        }
    }
}

impl State {
    /// Notes a change that hooks will be told of.
    pub fn tell(&mut self, entity: &Entity, message: Message, row: &Row, sent: Option<&Map<String, Json>>) {
        if self.outbox.hooks.is_empty() {
            return;
        }
        self.outbox.control += CONTROL_STEP;
        let is_told = |field: &&Field| match (message, self.dialect) {
            (Message::Create, _) => true,
            (Message::Update, _) => sent.is_none_or(|it| it.contains_key(&field.name)) || entity.key.contains(&field.name),
            // A reference to the row, without its columns.
            (Message::Delete, _) => false,
        };
        let all = read::all_fields(self.dialect, entity, row);
        let id = entity.key.first().and_then(|it| all.get(it)).and_then(Json::as_str).unwrap_or_default().to_owned();
        let values = entity.fields.values().zip(&row.values).filter(|(field, _)| is_told(field));
        let columns = values.map(|(field, value)| (field.name.clone(), attribute(self.dialect, field, value))).collect();
        let name = match self.dialect {
            Dialect::Dataverse => entity.name.clone(),
            Dialect::Finops => format!("mserp_{}", entity.name.to_lowercase()),
        };
        let (control, at_ms) = (self.outbox.control, self.clock.now().as_millisecond());
        self.outbox.events.push(Event { message, entity: entity.name.clone(), name, id, columns, control, at_ms });
    }
}

/// A value as a message writes it (Microsoft, use-webhooks.md, its example).
fn attribute(dialect: Dialect, field: &Field, value: &Value) -> Json {
    match (&field.kind, value) {
        (Kind::DateTime, Value::DateTime(at)) => json!(format!("/Date({})/", at.as_millisecond())),
        (Kind::Lookup(targets), Value::Guid(id)) => json!({
            "__type": "EntityReference:http://schemas.microsoft.com/xrm/2011/Contracts",
            "Id": id.to_string(), "LogicalName": targets.first(),
        }),
        (Kind::Enum(_), Value::Int(number)) => {
            json!({"__type": "OptionSetValue:http://schemas.microsoft.com/xrm/2011/Contracts", "Value": number})
        }
        (kind, value) => wire::to_json(dialect, kind, value),
    }
}

/// Sends events to the hooks, until the sandbox ends.
pub fn start(state: &Arc<Mutex<State>>) -> tokio::task::JoinHandle<()> {
    let (courier, events) = mpsc::channel(WAITING_MAX);
    let mut own = state::lock(state);
    own.outbox.courier = Some(courier);
    let (dialect, shared) = (own.dialect, Arc::downgrade(state));
    tokio::spawn(async move {
        let client = reqwest::Client::builder().no_proxy().build();
        if let Ok(client) = client {
            deliver_all(&client, dialect, &shared, events).await;
        }
    })
}

async fn deliver_all(
    client: &reqwest::Client,
    dialect: Dialect,
    shared: &std::sync::Weak<Mutex<State>>,
    mut events: mpsc::Receiver<Event>,
) {
    let mut late: Option<Event> = None;
    while let Some(event) = events.recv().await {
        let Some(state) = shared.upgrade() else { return };
        let (hooks, mishap) = {
            let mut state = state::lock(&state);
            (state.outbox.hooks.clone(), state.outbox.mishaps.pop_front())
        };
        drop(state);
        let mut sending = match mishap {
            None => vec![event],
            Some(Mishap::Lost) => Vec::new(),
            Some(Mishap::Twice) => vec![event.clone(), event],
            Some(Mishap::Late) => {
                late = Some(event);
                continue;
            }
        };
        sending.extend(late.take());
        for event in &sending {
            for hook in &hooks {
                let delivery = deliver(client, dialect, hook, event).await;
                let Some(state) = shared.upgrade() else { return };
                let mut state = state::lock(&state);
                state.outbox.deliveries.push_back(delivery);
                if state.outbox.deliveries.len() > DELIVERIES_MAX {
                    state.outbox.deliveries.pop_front();
                }
            }
        }
    }
}

async fn deliver(client: &reqwest::Client, dialect: Dialect, hook: &Hook, event: &Event) -> Delivery {
    let (body, is_stripped) = body(dialect, hook, event);
    let usual = match dialect {
        Dialect::Dataverse => Duration::from_secs(60),
        Dialect::Finops => Duration::from_secs(10),
    };
    let timeout = hook.timeout_ms.map_or(usual, Duration::from_millis);
    let mut tries = Vec::new();
    loop {
        let mut request = client.post(&hook.url).timeout(timeout).header("content-type", "application/json");
        if let Some((name, value)) = &hook.header {
            request = request.header(name, value);
        }
        request = request.header("x-ms-dynamics-entity-name", &event.name).header("x-ms-dynamics-request-name", word(event));
        if is_stripped {
            request = request.header("x-ms-dynamics-msg-size-exceeded", "true");
        }
        let answer = request.body(body.clone()).send().await.ok().map(|it| it.status().as_u16());
        tries.push(answer);
        let goes_on = match dialect {
            Dialect::Dataverse => tries.len() == 1 && matches!(answer, Some(502..=504)),
            Dialect::Finops => tries.len() <= RETRIES_MAX && !answer.is_some_and(|it| (200..300).contains(&it)),
        };
        if !goes_on {
            return Delivery { control: event.control, tries, is_stripped };
        }
        if dialect == Dialect::Finops {
            tokio::time::sleep(RETRY_REST).await;
        }
    }
}

fn word(event: &Event) -> &'static str {
    match event.message {
        Message::Create => "Create",
        Message::Update => "Update",
        Message::Delete => "Delete",
    }
}

/// The body, and whether its large parts were left out.
fn body(dialect: Dialect, hook: &Hook, event: &Event) -> (String, bool) {
    if dialect == Dialect::Finops && hook.is_business {
        return (business(event).to_string(), false);
    }
    let mut context = context(dialect, event);
    let whole = context.to_string();
    if whole.len() <= WHOLE_BYTES_MAX {
        return (whole, false);
    }
    if let Json::Object(context) = &mut context {
        for part in ["ParentContext", "InputParameters", "PreEntityImages", "PostEntityImages"] {
            context.remove(part);
        }
    }
    (context.to_string(), true)
}

fn context(dialect: Dialect, event: &Event) -> Json {
    let external = match event.message {
        Message::Create => "OnExternalCreated",
        Message::Update => "OnExternalUpdated",
        Message::Delete => "OnExternalDeleted",
    };
    let (message, prefix) = match dialect {
        Dialect::Dataverse => (word(event), ""),
        Dialect::Finops => (external, "mserp_"),
    };
    // A virtual row has an id of its own, which says nothing of its key.
    let id =
        if dialect == Dialect::Dataverse { event.id.clone() } else { uuid::Uuid::from_u128(event.control.into()).to_string() };
    let name = |it: &String| if prefix.is_empty() { it.clone() } else { format!("{prefix}{}", it.to_lowercase()) };
    let columns: Vec<Json> = event.columns.iter().map(|(it, value)| json!({"key": name(it), "value": value})).collect();
    let target = match event.message {
        Message::Create | Message::Update => json!({
            "__type": "Entity:http://schemas.microsoft.com/xrm/2011/Contracts",
            "Attributes": columns, "Id": id, "LogicalName": event.name,
        }),
        Message::Delete => json!({
            "__type": "EntityReference:http://schemas.microsoft.com/xrm/2011/Contracts", "Id": id, "LogicalName": event.name,
        }),
    };
    json!({
        "MessageName": message, "PrimaryEntityName": event.name, "PrimaryEntityId": id, "Depth": 1,
        "OperationCreatedOn": format!("/Date({})/", event.at_ms),
        "InputParameters": [{"key": "Target", "value": target}],
        "PreEntityImages": [], "PostEntityImages": [], "SharedVariables": [], "ParentContext": null,
    })
}

/// A business event has fields of its own; here these are the row's.
fn business(event: &Event) -> Json {
    let mut out = Map::new();
    for (name, value) in &event.columns {
        let name = if name == "dataAreaId" { "BusinessEventLegalEntity" } else { name };
        out.insert(name.to_owned(), value.clone());
    }
    out.insert("BusinessEventId".to_owned(), json!(format!("{}BusinessEvent", event.entity)));
    out.insert("ControlNumber".to_owned(), json!(event.control));
    out.insert("EventTime".to_owned(), json!(format!("/Date({})/", event.at_ms)));
    Json::Object(out)
}
