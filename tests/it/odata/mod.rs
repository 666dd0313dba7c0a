//! The OData connectors against the sandboxes, over real HTTP.
#![expect(clippy::unwrap_used, reason = "helpers of tests may fail as loudly as the tests")]

mod batch;
mod checklist;
mod conform;
mod dataverse;
mod discover;
mod finops;
mod receive;

use dwmap::change::{Answer, Change, Failure, LinkId, Page, Seen, Write};
use dwmap::connect::Connector;
use dwmap::connect::http::Settings;
use dwmap::sandbox::{Config, Dialect, Running, Sandbox};
use dwmap::schema::{Entity, Schema, Shape, ShapeField, snapshot};
use dwmap::value::{Kind, Record, Uuid, Value};
use serde_json::{Map, Value as Json};

/// Starts a sandbox; `change` adjusts how.
pub async fn start(dialect: Dialect, schema: &str, change: impl FnOnce(&mut Config)) -> Running {
    let mut config = Config::new(dialect, snapshot::parse(schema).unwrap());
    change(&mut config);
    Sandbox::start(config).await.unwrap()
}

pub fn settings(sandbox: &Running, secret: &str) -> Settings {
    Settings {
        url: sandbox.url().to_owned(),
        token_url: sandbox.token_url(),
        client_id: "dwmap".to_owned(),
        client_secret: secret.to_owned().into(),
        scope: format!("{}/.default", sandbox.url()),
        authority: None,
    }
}

/// A shape of all fields.
pub fn shape(schema: &str, entity: &str) -> Shape {
    let schema: Schema = snapshot::parse(schema).unwrap();
    let own: &Entity = &schema.entities[entity];
    let set_of = |name: &String| schema.entities[name].set.clone().unwrap_or_else(|| name.clone());
    let field = |it: &dwmap::schema::Field| ShapeField {
        name: it.name.clone(),
        kind: it.kind.clone(),
        nullable: it.nullable,
        readonly: it.readonly,
        lookup_sets: match &it.kind {
            Kind::Lookup(targets) => targets.iter().map(set_of).collect(),
            _ => Vec::new(),
        },
    };
    let mut shape = Shape {
        entity: entity.to_owned(),
        set: set_of(&entity.to_owned()),
        fields: own.fields.values().map(field).collect(),
        key: Vec::new(),
        modified: None,
    };
    shape.key = own.key.iter().map(|it| shape.slot(it).unwrap()).collect();
    shape.modified = own.modified().and_then(|it| shape.slot(&it.name));
    shape
}

pub fn record(shape: &Shape, fields: &[(&str, Value)]) -> Record {
    let mut record = Record::absent(shape.fields.len());
    for (name, value) in fields {
        record.set(shape.slot(name).unwrap(), value.clone());
    }
    record
}

pub fn value<'a>(shape: &Shape, seen: &'a Seen, name: &str) -> &'a Value {
    seen.record.get(shape.slot(name).unwrap())
}

pub fn json(text: &str) -> Map<String, Json> {
    serde_json::from_str(text).unwrap()
}

pub fn link(number: u128) -> LinkId {
    LinkId(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 + number))
}

pub async fn write(connector: &dyn Connector, shape: &Shape, write: Write) -> Answer {
    connector.write(shape, &[write]).await.remove(0)
}

pub async fn create(connector: &dyn Connector, shape: &Shape, number: u128, fields: &[(&str, Value)]) -> Seen {
    let sent = Write::Create { link: link(number), record: record(shape, fields) };
    match write(connector, shape, sent).await {
        Answer::Written(seen) => seen,
        other => panic!("{other:?}"),
    }
}

pub fn failure(answer: Answer) -> Failure {
    match answer {
        Answer::Failed(failure) => failure,
        other => panic!("{other:?}"),
    }
}

/// Follows the feed to its present end.
pub async fn drain(connector: &dyn Connector, shape: &Shape, after: Option<&dwmap::change::Token>) -> (Vec<Change>, Page) {
    let mut changes = Vec::new();
    let mut page = connector.feed(shape, after).await.unwrap();
    while !page.is_last {
        changes.append(&mut page.changes);
        page = connector.feed(shape, Some(&page.next)).await.unwrap();
    }
    changes.append(&mut page.changes);
    (changes, page)
}
