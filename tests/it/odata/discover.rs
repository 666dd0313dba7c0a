//! Schemas of live systems.

use dwmap::connect::odata::finops::Polling;
use dwmap::connect::odata::{Dataverse, Finops};
use dwmap::sandbox::Dialect;
use dwmap::schema::drift::drift;
use dwmap::schema::snapshot;

use super::settings;

const DATAVERSE: &str = r#"{
  "format_version": 1,
  "enums": {"hold": {"open": true, "members": {"No": 1, "All": 3}}, "topics": {"open": true, "members": {"One": 1}}},
  "entities": {
    "account": {
      "set": "accounts", "key": ["accountid"], "unique": [["accountnumber"]],
      "fields": {
        "accountid": "guid",
        "accountnumber": "text<20>?",
        "name": {"type": "text<160>?", "required": true},
        "limit": "decimal<14,4>?",
        "hold": "hold?",
        "topics": "choices topics?",
        "since": "date?",
        "revenue": {"type": "decimal<19,4>?", "meaning": "money"},
        "revenue_base": {"type": "decimal<19,4>?", "meaning": "money", "readonly": true},
        "checkin": {"type": "datetime?", "meaning": "wall-clock"},
        "calledon": "datetime?",
        "parentid": "lookup account | contact?",
        "modifiedon": {"type": "datetime?", "modified": true, "readonly": true}
      }
    },
    "contact": {"set": "contacts", "key": ["contactid"], "fields": {"contactid": "guid", "fullname": "text<10>?"}}
  }
}"#;

#[tokio::test]
async fn a_dataverse_table_is_discovered_with_lengths_choices_and_keys() {
    let sandbox = super::start(Dialect::Dataverse, DATAVERSE, |_| {}).await;
    let connector = Dataverse::new(settings(&sandbox, "sandbox-secret"), 10).unwrap();
    let both = ["account".to_owned(), "contact".to_owned()];
    let found = connector.discover(&both).await.unwrap();
    let expected = snapshot::parse(DATAVERSE).unwrap();
    assert_eq!(found.notes, Vec::<String>::new());
    assert_eq!(drift(&expected, &found.schema), []);
    assert_eq!(drift(&found.schema, &expected), []);
    for (name, field) in &expected.entities["account"].fields {
        assert_eq!(found.schema.entities["account"].fields[name].meaning, field.meaning, "{name}");
    }
    // A snapshot of it reads back.
    let text = snapshot::to_json(&found.schema, "dv", "");
    assert_eq!(snapshot::parse(&text).unwrap(), found.schema);
    // Of a table that is only referred to, the key is enough.
    let one = connector.discover(&both[..1]).await.unwrap().schema;
    assert_eq!(one.entities["contact"].fields.len(), 1);
    let missing = connector.discover(&["acount".to_owned()]).await.unwrap_err();
    assert!(missing.message.contains("acount"), "{missing}");
}

#[tokio::test]
async fn a_finops_entity_is_discovered_with_its_enums() {
    let schema = r#"{
      "format_version": 1,
      "enums": {"NoYes": {"members": ["No", "Yes"]}},
      "entities": {"Items": {"key": ["dataAreaId", "Item"], "partition": "dataAreaId",
        "fields": {"dataAreaId": "text<4>", "Item": "text<20>", "Stopped": "NoYes?", "Weight": "decimal<38,6>?"}}}
    }"#;
    let sandbox = super::start(Dialect::Finops, schema, |_| {}).await;
    let connector = Finops::new(settings(&sandbox, "sandbox-secret"), Polling::default()).unwrap();
    let found = connector.discover(&["Items".to_owned()]).await.unwrap().schema;
    assert_eq!(drift(&snapshot::parse(schema).unwrap(), &found), []);
}
