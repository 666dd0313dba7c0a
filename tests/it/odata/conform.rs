//! The suite that every connector passes, over both dialects against their sandboxes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use dwmap::change::RemoteId;
use dwmap::connect::Connector;
use dwmap::connect::odata::{Dataverse, Finops, Polling};
use dwmap::sandbox::{Dialect, Running};
use dwmap::schema::{Shape, ShapeField};
use dwmap::value::{Date, Decimal, Kind, Uuid, Value};
use serde_json::{Map, Value as Json, json as literal};

use super::{settings, shape, start};
use crate::connectors::{PAGE_MAX, SCHEMA, System, conforms};
use crate::referring::Referring;

type Fields = BTreeMap<String, Value>;

/// The same entity with the key that Dataverse gives every table, in the place of the GUID.
const DATAVERSE: &str = r#"{ "format_version": 1, "entities": { "item": {
    "set": "items", "key": ["itemid"], "unique": [["code"]],
    "fields": { "code": "text<20>", "name": "text?", "amount": "decimal<38,10>?", "count": "int64?", "open": "bool?",
        "day": "date?", "moment": "datetime?", "itemid": "guid" } },
    "order": { "set": "orders", "key": ["orderid"], "fields": { "orderid": "guid", "customerid": "lookup firm | person?" } },
    "firm": { "set": "firms", "key": ["firmid"], "fields": { "firmid": "guid", "name": "text?" } },
    "person": { "set": "people", "key": ["personid"], "fields": { "personid": "guid", "name": "text?" } } } }"#;

struct Served {
    sandbox: Arc<Running>,
    connector: Box<dyn Connector>,
    dialect: Dialect,
}

impl Served {
    fn start(dialect: Dialect) -> Self {
        let runtime = tokio::runtime::Handle::current();
        let schema = if dialect == Dialect::Dataverse { DATAVERSE } else { SCHEMA };
        let start = start(dialect, schema, |it| it.page_size = PAGE_MAX);
        let sandbox = tokio::task::block_in_place(|| runtime.block_on(start));
        let settings = settings(&sandbox, "sandbox-secret");
        let connector: Box<dyn Connector> = match dialect {
            Dialect::Dataverse => Box::new(Dataverse::new(settings, PAGE_MAX).unwrap()),
            Dialect::Finops => {
                let polling = Polling { page_size: PAGE_MAX, sweep_every: Duration::ZERO, ..Polling::default() };
                Box::new(Finops::new(settings, polling).unwrap())
            }
        };
        Self { sandbox: Arc::new(sandbox), connector, dialect }
    }

    fn key(&self, code: &str) -> String {
        literal!({ "code": code }).to_string()
    }
}

fn body(fields: Fields) -> Map<String, Json> {
    fields.into_iter().map(|(name, value)| (name, literal!(value.as_text().unwrap()))).collect()
}

impl System for Served {
    fn connector(&self) -> &dyn Connector {
        &*self.connector
    }

    fn insert(&self, fields: Fields) {
        self.sandbox.insert("item", body(fields)).unwrap();
    }

    fn update(&self, code: &str, fields: Fields) {
        self.sandbox.update("item", &self.key(code), body(fields)).unwrap();
    }

    fn delete(&self, code: &str) {
        self.sandbox.delete("item", &self.key(code)).unwrap();
    }

    fn shape(&self) -> Shape {
        shape(if self.dialect == Dialect::Dataverse { DATAVERSE } else { SCHEMA }, "item")
    }

    fn referring(&self) -> Option<Referring> {
        if self.dialect != Dialect::Dataverse {
            return None;
        }
        let row = |table: &'static str| (table, self.sandbox.insert(table, Map::new()).unwrap().parse().unwrap());
        let shape = shape(DATAVERSE, "order");
        let reference = shape.slot("customerid").unwrap();
        let sandbox = self.sandbox.clone();
        let told = move |id: &RemoteId| {
            let target = sandbox.row("order", &id.0)?["_customerid_value"].as_str()?.to_owned();
            ["firm", "person"].into_iter().find(|it| sandbox.row(it, &target).is_some()).map(str::to_owned)
        };
        Some(Referring { shape, reference, targets: vec![row("firm"), row("person")], told: Box::new(told) })
    }

    // Dataverse holds a blank text as none. Finance & Operations has no null, and says 1900-01-01 where there is no date.
    fn held(&self, field: &ShapeField, value: Value) -> Value {
        match (self.dialect, &field.kind, value) {
            (Dialect::Dataverse, _, value) if value == Value::text("") => Value::Null,
            (Dialect::Finops, Kind::Decimal { .. }, Value::Null) => Value::Decimal(Decimal::ZERO),
            (Dialect::Finops, Kind::Int64, Value::Null) => Value::Int(0),
            (Dialect::Finops, Kind::Bool, Value::Null) => Value::Bool(false),
            (Dialect::Finops, Kind::Text { .. }, Value::Null) => Value::text(""),
            (Dialect::Finops, Kind::Guid, Value::Null) => Value::Guid(Uuid::nil()),
            (Dialect::Finops, Kind::Date, value) if value == Value::Date(Date::constant(1900, 1, 1)) => Value::Null,
            (_, _, value) => value,
        }
    }
}

#[test]
fn dataverse_conforms() {
    conforms(|| Served::start(Dialect::Dataverse));
}

#[test]
fn finops_conforms() {
    conforms(|| Served::start(Dialect::Finops));
}
