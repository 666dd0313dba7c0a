//! All standard maps at work over HTTP: both simulated systems serve the schemas of the maps, and are reached by their connectors alone.

use std::sync::Arc;
use std::time::Duration;

use dwmap::change::{Side, Sides};
use dwmap::connect::Connector;
use dwmap::connect::memory::Fields;
use dwmap::connect::odata::{Dataverse, Finops, Polling};
use dwmap::sandbox::{Config, Dialect, Running, Sandbox};
use dwmap::value::{Kind, Value};
use serde_json::{Map, Value as Json, json};

use super::engine::{Pair, check_full_agreement};
use super::schema;
use crate::odata::settings;

/// Rows of a page: under the six rows that most entities have, so that everything is read in pages.
const PAGE_ROWS: usize = 4;

struct Served {
    systems: Sides<Running>,
    connectors: Sides<Arc<dyn Connector>>,
}

impl Served {
    async fn start() -> Self {
        let start = async |dialect, name, change: fn(&mut Config)| {
            let mut config = Config { page_size: PAGE_ROWS, ..Config::new(dialect, schema(name)) };
            change(&mut config);
            Sandbox::start(config).await.expect("a port is free")
        };
        let fo = start(Dialect::Finops, "fo", |_| {}).await;
        let dv =
            start(Dialect::Dataverse, "dv", |it| drop(it.defaults.insert("contact.msdyn_sellable".to_owned(), json!(false))))
                .await;
        // These entities show no stamp, so every look at a feed looks over the keys and ETags of all rows.
        let polling = Polling { page_size: PAGE_ROWS, sweep_every: Duration::ZERO, ..Polling::default() };
        let left = Finops::new(settings(&fo, "sandbox-secret"), polling).expect("the settings are right");
        let right = Dataverse::new(settings(&dv, "sandbox-secret"), PAGE_ROWS).expect("the settings are right");
        Self { systems: Sides::new(fo, dv), connectors: Sides::new(Arc::new(left), Arc::new(right)) }
    }
}

/// The fields of a body: references are bound by address, and numbers stay digits.
fn body(side: Side, entity: &str, fields: Fields) -> Map<String, Json> {
    let schema = schema(if side == Side::Left { "fo" } else { "dv" });
    let field = |(name, value): (String, Value)| match &schema.entities[entity].fields[&name].kind {
        Kind::Lookup(targets) => {
            let target = &schema.entities[&targets[0]];
            let set = target.set.as_ref().unwrap_or(&target.name);
            let Value::Guid(id) = value else { panic!("{entity}.{name} is bound to {value:?}") };
            (format!("{name}@odata.bind"), json!(format!("/{set}({id})")))
        }
        _ => {
            let json = match &value {
                Value::Bool(it) => json!(it),
                Value::Int(it) => json!(it),
                Value::Float(it) => json!(it.0),
                Value::Decimal(it) => Json::Number(it.to_string().parse().expect("digits")),
                Value::Text(it) => json!(it.to_string()),
                Value::Date(it) => json!(it.to_string()),
                Value::DateTime(it) => json!(it.to_string()),
                other => panic!("{entity}.{name}: {other:?}"),
            };
            (name, json)
        }
    };
    fields.into_iter().map(field).collect()
}

impl Pair for Served {
    fn connector(&self, side: Side) -> Arc<dyn Connector> {
        self.connectors[side].clone()
    }

    fn insert(&self, side: Side, entity: &str, fields: Fields) {
        let made = self.systems[side].insert(entity, body(side, entity, fields));
        made.unwrap_or_else(|refusal| panic!("{entity}: {refusal}"));
    }

    fn is_empty(&self, side: Side, entity: &str) -> bool {
        self.systems[side].is_empty(entity)
    }

    fn company(&self, code: &str) -> Value {
        let rows = self.systems[Side::Right].rows("cdm_company");
        let row = rows.iter().find(|it| it["cdm_companycode"] == json!(code)).expect("the company was made");
        Value::Guid(row["cdm_companyid"].as_str().expect("an id").parse().expect("a GUID"))
    }

    // The column has its default here.
    fn default_contacts(&self) {}

    fn writes(&self, side: Side) -> u64 {
        self.systems[side].counters("dwmap").writes
    }
}

#[tokio::test]
async fn all_standard_maps_come_to_full_agreement_over_http_and_nothing_echoes() {
    let served = Served::start().await;
    check_full_agreement(&served, 30).await;
    let asked = Side::BOTH.map(|it| served.systems[it].counters("dwmap").requests);
    assert!(asked.iter().all(|it| *it > 1000), "{asked:?}: everything went over HTTP");
}
