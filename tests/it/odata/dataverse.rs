//! Dataverse.

use std::time::Duration;

use dwmap::change::{Answer, Change, Class, RemoteId, Version, Write};
use dwmap::connect::Connector;
use dwmap::connect::odata::Dataverse;
use dwmap::sandbox::{Config, Dialect, Fault, Running, Target};
use dwmap::schema::Shape;
use dwmap::value::{Decimal, Value};

use super::{create, drain, failure, json, link, record, settings, value, write};

const SCHEMA: &str = r#"{
  "format_version": 1,
  "enums": {"Hold": {"open": true, "members": {"Open": 1, "All": 3}}},
  "entities": {
    "account": {
      "set": "accounts", "key": ["accountid"], "unique": [["accountnumber"]],
      "fields": {
        "accountid": "guid",
        "accountnumber": "text<40>?",
        "name": {"type": "text<160>", "required": true},
        "creditlimit": "decimal<30,4>?",
        "visits": "int64?",
        "hold": "Hold?",
        "since": "date?",
        "calledon": "datetime?",
        "topics": "choices Hold?",
        "primarycontactid": "lookup contact?",
        "customerid": "lookup account | contact?",
        "modifiedon": {"type": "datetime?", "modified": true, "readonly": true}
      }
    },
    "contact": {"set": "contacts", "key": ["contactid"], "fields": {"contactid": "guid", "fullname": "text<160>?"}}
  }
}"#;

async fn start(change: impl FnOnce(&mut Config)) -> (Running, Dataverse, Shape) {
    let sandbox = super::start(Dialect::Dataverse, SCHEMA, change).await;
    let connector = Dataverse::new(settings(&sandbox, "sandbox-secret"), 5000).unwrap();
    (sandbox, connector, super::shape(SCHEMA, "account"))
}

fn text(it: &str) -> Value {
    Value::text(it)
}

#[tokio::test]
async fn a_row_goes_there_and_comes_back_exactly() {
    let (sandbox, connector, shape) = start(|_| {}).await;
    let contact = sandbox.insert("contact", json(r#"{"fullname": "Ana"}"#)).unwrap();
    let fields = [
        ("name", text("Žofie \"quoted\" & 'co' / 100 %")),
        ("accountnumber", text("A1")),
        ("creditlimit", Value::Decimal("12345678901234567890123456.7891".parse().unwrap())),
        ("visits", Value::Int(9_007_199_254_740_993)),
        ("hold", Value::Int(3)),
        ("since", Value::Date("2024-02-29".parse().unwrap())),
        ("calledon", Value::DateTime("2024-02-29T23:59:58Z".parse().unwrap())),
        ("topics", Value::Set([1, 3].into())),
        ("primarycontactid", Value::Guid(contact.parse().unwrap())),
        ("customerid", Value::Null),
    ];
    let seen = create(&connector, &shape, 1, &fields).await;
    for (name, expected) in &fields {
        assert_eq!(value(&shape, &seen, name), expected, "{name}");
    }
    assert_eq!(seen.id.0, link(1).to_string());
    assert_eq!(seen.correlation, Some(link(1)));
    assert!(seen.modified.is_some());
    let fetched = connector.fetch(&shape, &[RemoteId("no guid".to_owned()), seen.id.clone()]).await.unwrap();
    assert_eq!(fetched, [None, Some(seen)]);
}

#[tokio::test]
async fn a_create_sent_twice_makes_one_row() {
    let (sandbox, connector, shape) = start(|_| {}).await;
    let first = create(&connector, &shape, 1, &[("name", text("A"))]).await;
    let again = Write::Create { link: link(1), record: record(&shape, &[("name", text("A"))]) };
    assert_eq!(write(&connector, &shape, again.clone()).await, Answer::Exists);
    assert_eq!(connector.find_created(&shape, &again).await.unwrap(), Some(first));
    assert_eq!(sandbox.len("account"), 1);
}

#[tokio::test]
async fn a_create_that_meets_an_alternate_key_says_exists() {
    let (sandbox, connector, shape) = start(|_| {}).await;
    let id = sandbox.insert("account", json(r#"{"name": "Theirs", "accountnumber": "a1"}"#)).unwrap();
    let ours = Write::Create { link: link(1), record: record(&shape, &[("name", text("Ours")), ("accountnumber", text("A1"))]) };
    assert_eq!(write(&connector, &shape, ours.clone()).await, Answer::Exists);
    assert_eq!(connector.find_created(&shape, &ours).await.unwrap(), None);
    let number = shape.slot("accountnumber").unwrap();
    let found = connector.find(&shape, &[number], &[text("A1")], 2).await.unwrap();
    assert_eq!(found.iter().map(|it| it.id.0.as_str()).collect::<Vec<_>>(), [id]);
    assert_ne!(found[0].correlation, Some(link(1)));
}

#[tokio::test]
async fn an_update_sends_only_what_the_record_says() {
    let (sandbox, connector, shape) = start(|_| {}).await;
    let seen = create(&connector, &shape, 1, &[("name", text("A")), ("visits", Value::Int(1))]).await;
    let update =
        Write::Update { id: seen.id.clone(), expected: seen.version, record: record(&shape, &[("visits", Value::Null)]) };
    let Answer::Written(after) = write(&connector, &shape, update).await else { panic!("not written") };
    assert_eq!((value(&shape, &after, "name"), value(&shape, &after, "visits")), (&text("A"), &Value::Null));
    assert_eq!(sandbox.row("account", &seen.id.0).unwrap()["@odata.etag"], after.version.0);
}

#[tokio::test]
async fn an_update_or_delete_of_an_older_version_moves_nothing() {
    let (sandbox, connector, shape) = start(|_| {}).await;
    let seen = create(&connector, &shape, 1, &[("name", text("A"))]).await;
    sandbox.update("account", &seen.id.0, json(r#"{"name": "User's"}"#)).unwrap();
    let update =
        Write::Update { id: seen.id.clone(), expected: seen.version.clone(), record: record(&shape, &[("name", text("B"))]) };
    assert_eq!(write(&connector, &shape, update).await, Answer::Moved);
    let delete = Write::Delete { id: seen.id.clone(), expected: seen.version };
    assert_eq!(write(&connector, &shape, delete).await, Answer::Moved);
    assert_eq!(sandbox.row("account", &seen.id.0).unwrap()["name"], "User's");
}

#[tokio::test]
async fn an_update_to_a_taken_alternate_key_is_a_validation_failure() {
    let (sandbox, connector, shape) = start(|_| {}).await;
    sandbox.insert("account", json(r#"{"name": "Theirs", "accountnumber": "A1"}"#)).unwrap();
    let seen = create(&connector, &shape, 1, &[("name", text("Ours"))]).await;
    let taken = record(&shape, &[("accountnumber", text("a1"))]);
    let update = Write::Update { id: seen.id, expected: seen.version, record: taken };
    assert_eq!(failure(write(&connector, &shape, update).await).class, Class::Validation);
}

#[tokio::test]
async fn a_row_that_is_gone_is_gone() {
    let (sandbox, connector, shape) = start(|_| {}).await;
    let seen = create(&connector, &shape, 1, &[("name", text("A"))]).await;
    let delete = Write::Delete { id: seen.id.clone(), expected: seen.version.clone() };
    assert_eq!(write(&connector, &shape, delete.clone()).await, Answer::Deleted);
    assert_eq!(sandbox.len("account"), 0);
    assert_eq!(write(&connector, &shape, delete).await, Answer::Gone);
    let update = Write::Update { id: seen.id, expected: seen.version, record: record(&shape, &[("name", text("B"))]) };
    assert_eq!(write(&connector, &shape, update).await, Answer::Gone);
}

#[tokio::test]
async fn a_missing_lookup_target_is_a_reference_failure() {
    let (_sandbox, connector, shape) = start(|_| {}).await;
    let seen = create(&connector, &shape, 1, &[("name", text("A"))]).await;
    let lost = [("name", text("B")), ("primarycontactid", Value::Guid(link(99).0))];
    let create = Write::Create { link: link(2), record: record(&shape, &lost) };
    assert_eq!(failure(write(&connector, &shape, create).await).class, Class::Reference);
    let update = Write::Update { id: seen.id, expected: seen.version, record: record(&shape, &lost) };
    assert_eq!(failure(write(&connector, &shape, update).await).class, Class::Reference);
}

#[tokio::test]
async fn a_lookup_with_several_targets_binds_to_the_named_one() {
    let (sandbox, connector, shape) = start(|_| {}).await;
    let contact = sandbox.insert("contact", json(r#"{"fullname": "Ana"}"#)).unwrap();
    let contact = Value::Guid(contact.parse().unwrap());
    let target = Value::Tuple([text("contact"), contact.clone()].into());
    let seen = create(&connector, &shape, 1, &[("name", text("A")), ("customerid", target)]).await;
    assert_eq!(*value(&shape, &seen, "customerid"), contact);
}

#[tokio::test]
async fn refused_content_is_a_validation_failure_with_the_systems_words() {
    let (_sandbox, connector, shape) = start(|_| {}).await;
    let long = Write::Create { link: link(1), record: record(&shape, &[("name", text(&"x".repeat(161)))]) };
    let refused = failure(write(&connector, &shape, long).await);
    assert_eq!(refused.class, Class::Validation);
    assert!(refused.message.contains("exceeded the maximum allowed length of '160'"), "{refused}");
    let nameless = Write::Create { link: link(1), record: record(&shape, &[("name", text(""))]) };
    assert_eq!(failure(write(&connector, &shape, nameless).await).class, Class::Validation);
    let unknown = Write::Create { link: link(1), record: record(&shape, &[("name", text("A")), ("hold", Value::Int(2))]) };
    assert_eq!(failure(write(&connector, &shape, unknown).await).class, Class::Validation);
}

#[tokio::test]
async fn the_system_rounds_and_takes_blank_for_null() {
    let (_sandbox, connector, shape) = start(|_| {}).await;
    let number: Decimal = "1.00005".parse().unwrap();
    let fields = [("name", text("A")), ("accountnumber", text("")), ("creditlimit", Value::Decimal(number))];
    let seen = create(&connector, &shape, 1, &fields).await;
    assert_eq!(*value(&shape, &seen, "accountnumber"), Value::Null);
    assert_eq!(*value(&shape, &seen, "creditlimit"), Value::Decimal("1.0001".parse().unwrap()));
}

#[tokio::test]
async fn the_feed_reads_all_rows_in_pages_and_then_what_changed() {
    let (sandbox, connector, shape) = start(|config| config.page_size = 3).await;
    for number in 0..7 {
        create(&connector, &shape, number, &[("name", text(&format!("N{number}")))]).await;
    }
    let first = connector.feed(&shape, None).await.unwrap();
    assert_eq!((first.changes.len(), first.is_last), (3, false));
    // A change between two pages of the first reading is not lost.
    sandbox.update("account", first.changes[0].id().0.as_str(), json(r#"{"name": "between"}"#)).unwrap();
    let (rest, last) = drain(&connector, &shape, Some(&first.next)).await;
    assert_eq!(rest.len(), 4);
    sandbox.delete("account", &link(6).to_string()).unwrap();
    let (changes, last) = drain(&connector, &shape, Some(&last.next)).await.map_names(&shape);
    assert_eq!(changes, ["between", "- 6"]);
    let (changes, _) = drain(&connector, &shape, Some(&last.next)).await;
    assert_eq!(changes, []);
}

trait Names {
    fn map_names(self, shape: &Shape) -> (Vec<String>, dwmap::change::Page);
}

impl Names for (Vec<Change>, dwmap::change::Page) {
    fn map_names(self, shape: &Shape) -> (Vec<String>, dwmap::change::Page) {
        let name = |it: &Change| match it {
            Change::Upsert(seen) => value(shape, seen, "name").as_text().unwrap_or_default().to_owned(),
            Change::Delete { id } => {
                format!("- {}", id.0.trim_start_matches(|it: char| it != '-').rsplit('0').next().unwrap_or_default())
            }
        };
        (self.0.iter().map(name).collect(), self.1)
    }
}

#[tokio::test]
async fn a_delta_of_many_changes_comes_in_pages_with_deletes_last() {
    let (sandbox, connector, shape) = start(|config| config.page_size = 2).await;
    let (_, start) = drain(&connector, &shape, None).await;
    let rows: Vec<String> =
        (0..5).map(|it| sandbox.insert("account", json(&format!(r#"{{"name": "N{it}"}}"#))).unwrap()).collect();
    for id in &rows[..3] {
        sandbox.delete("account", id).unwrap();
    }
    let (changes, _) = drain(&connector, &shape, Some(&start.next)).await;
    let (upserts, deletes) = changes.split_at(2);
    assert!(upserts.iter().all(|it| matches!(it, Change::Upsert(_))), "{upserts:?}");
    let deleted: Vec<&str> = deletes.iter().map(|it| it.id().0.as_str()).collect();
    assert_eq!(deleted, rows[..3]);
}

#[tokio::test]
async fn an_expired_delta_token_asks_for_a_new_start() {
    let (sandbox, connector, shape) = start(|_| {}).await;
    let (_, page) = drain(&connector, &shape, None).await;
    sandbox.advance(Duration::from_secs(8 * 24 * 3600));
    let expired = connector.feed(&shape, Some(&page.next)).await.unwrap_err();
    assert_eq!((expired.class, expired.is_ambiguous), (Class::Schema, false));
    assert!(expired.message.contains("expired"), "{expired}");
}

#[tokio::test]
async fn rows_on_later_pages_of_an_answer_are_not_taken_for_gone() {
    let (sandbox, connector, shape) = start(|it| it.page_size = 2).await;
    let insert = |name: &str| RemoteId(sandbox.insert("account", json(&format!(r#"{{"name": "{name}"}}"#))).unwrap());
    let ids: Vec<RemoteId> = ["Ana", "Ana", "Ana", "Bo", "Cy"].map(insert).into();
    let found = connector.fetch(&shape, &ids).await.unwrap();
    let found: Vec<_> = found.into_iter().map(|it| it.map(|it| it.id)).collect();
    assert_eq!(found, ids.iter().cloned().map(Some).collect::<Vec<_>>());
    let name = [shape.slot("name").unwrap()];
    assert_eq!(connector.find(&shape, &name, &[text("Ana")], 3).await.unwrap().len(), 3);
}

#[tokio::test]
async fn keys_with_any_characters_are_found() {
    let (sandbox, connector, shape) = start(|_| {}).await;
    let slot = shape.slot("accountnumber").unwrap();
    for key in ["O'Br/ien & 50%", "a+b c", "x\\y?#:*<>", "Žluťoučký 🐎", "''", "or eq (1)"] {
        let id = sandbox.insert("account", json(&serde_json::json!({"name": "A", "accountnumber": key}).to_string())).unwrap();
        let found = connector.find(&shape, &[slot], &[text(key)], 2).await.unwrap();
        assert_eq!(found.iter().map(|it| it.id.0.clone()).collect::<Vec<_>>(), [id], "{key}");
    }
}

#[tokio::test]
async fn an_old_access_token_is_renewed_and_a_wrong_secret_is_not_shown() {
    let (sandbox, connector, shape) = start(|_| {}).await;
    create(&connector, &shape, 1, &[("name", text("A"))]).await;
    sandbox.advance(Duration::from_secs(2 * 3600));
    create(&connector, &shape, 2, &[("name", text("B"))]).await;
    assert_eq!(sandbox.counters("dwmap").tokens, 2);
    sandbox.next_n(1, Target::Writes, Fault::Unauthorized);
    create(&connector, &shape, 3, &[("name", text("C"))]).await;
    assert_eq!(sandbox.counters("dwmap").tokens, 3);
    sandbox.next_n(2, Target::Reads, Fault::Unauthorized);
    assert_eq!(connector.feed(&shape, None).await.unwrap_err().class, Class::Auth);
    let wrong = Dataverse::new(settings(&sandbox, "s3cret-of-mine"), 10).unwrap();
    let refused = wrong.feed(&shape, None).await.unwrap_err();
    assert_eq!(refused.class, Class::Auth);
    assert!(!format!("{refused} {refused:?}").contains("s3cret"), "{refused:?}");
}

#[tokio::test]
async fn a_throttled_client_is_told_how_long_and_sends_nothing_meanwhile() {
    let (sandbox, connector, shape) = start(|_| {}).await;
    sandbox.next_n(1, Target::Any, Fault::Throttle { retry_after: Some("17".to_owned()) });
    let throttled = connector.feed(&shape, None).await.unwrap_err();
    assert_eq!((throttled.class, throttled.retry_after), (Class::Throttled, Some(Duration::from_secs(17))));
    let before = sandbox.counters("dwmap").requests;
    let closed = connector.feed(&shape, None).await.unwrap_err();
    assert_eq!(closed.class, Class::Throttled);
    assert_eq!(sandbox.counters("dwmap").requests, before);
}

#[tokio::test]
async fn a_break_after_the_effect_is_ambiguous_for_writes_only() {
    let (sandbox, connector, shape) = start(|_| {}).await;
    sandbox.next_n(1, Target::Writes, Fault::ResetAfterCommit);
    let sent = Write::Create { link: link(1), record: record(&shape, &[("name", text("A"))]) };
    let broken = failure(write(&connector, &shape, sent.clone()).await);
    assert_eq!((broken.class, broken.is_ambiguous), (Class::Transient, true));
    assert!(connector.find_created(&shape, &sent).await.unwrap().is_some());
    sandbox.next_n(1, Target::Reads, Fault::ResetAfterCommit);
    let broken = connector.feed(&shape, None).await.unwrap_err();
    assert_eq!((broken.class, broken.is_ambiguous), (Class::Transient, false));
}

#[tokio::test]
async fn a_gateways_html_is_a_transient_failure() {
    let (sandbox, connector, shape) = start(|_| {}).await;
    sandbox.next_n(1, Target::Any, Fault::Html(502));
    assert_eq!(connector.feed(&shape, None).await.unwrap_err().class, Class::Transient);
    sandbox.next_n(1, Target::Any, Fault::Html(200));
    assert_eq!(connector.feed(&shape, None).await.unwrap_err().class, Class::Transient);
}

#[tokio::test]
async fn a_next_link_to_another_host_is_refused() {
    let (sandbox, connector, shape) = start(|_| {}).await;
    sandbox.next_n(1, Target::Reads, Fault::ForeignNextLink("http://127.0.0.1:9".to_owned()));
    let refused = connector.feed(&shape, None).await.unwrap_err();
    assert_eq!(refused.class, Class::Schema);
}

#[tokio::test]
async fn many_writes_answer_in_order_and_each_on_its_own() {
    let (sandbox, connector, shape) = start(|_| {}).await;
    let name = |it: u128| if it == 10 { String::new() } else { format!("N{it}") };
    let writes: Vec<Write> =
        (0..40).map(|it| Write::Create { link: link(it), record: record(&shape, &[("name", text(&name(it)))]) }).collect();
    let answers = connector.write(&shape, &writes).await;
    for (number, answer) in answers.into_iter().enumerate() {
        match answer {
            Answer::Written(seen) => assert_eq!(seen.id.0, link(number as u128).to_string()),
            other => assert_eq!((number, failure(other).class), (10, Class::Validation)),
        }
    }
    assert_eq!(sandbox.len("account"), 39);
    // Eight requests at once wait for one token.
    let counters = sandbox.counters("dwmap");
    assert_eq!((counters.tokens, counters.writes), (1, 40));
    // Connections that stay open do not keep a sandbox alive.
    assert!(tokio::time::timeout(Duration::from_secs(5), sandbox.stop()).await.is_ok());
}

#[tokio::test]
async fn a_scan_reads_every_row_once_in_key_order() {
    let (_sandbox, connector, shape) = start(|_| {}).await;
    for number in (0..7).rev() {
        create(&connector, &shape, number, &[("name", text("A"))]).await;
    }
    let (mut ids, mut after) = (Vec::new(), None);
    loop {
        let page = connector.scan(&shape, after.as_ref(), 2).await.unwrap();
        assert!(page.changes.len() <= 2);
        ids.extend(page.changes.iter().map(|it| it.id().0.clone()));
        if page.is_last {
            break;
        }
        after = Some(page.next);
    }
    assert_eq!(ids, (0..7).map(|it| link(it).to_string()).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_table_that_the_system_does_not_have_is_a_schema_failure() {
    let (_sandbox, connector, mut shape) = start(|_| {}).await;
    shape.set = "acounts".to_owned();
    assert_eq!(connector.feed(&shape, None).await.unwrap_err().class, Class::Schema);
    let gone = Write::Delete { id: RemoteId(link(1).to_string()), expected: Version("W/\"1\"".to_owned()) };
    assert_eq!(write(&connector, &super::shape(SCHEMA, "account"), gone).await, Answer::Gone);
}
