//! Finance & Operations.

use std::time::Duration;

use dwmap::change::{Answer, Change, Class, RemoteId, Token, Write};
use dwmap::connect::Connector;
use dwmap::connect::odata::{Finops, finops::Polling};
use dwmap::sandbox::{Config, Dialect, Fault, Running, Target};
use dwmap::schema::Shape;
use dwmap::value::Value;

use super::{create, drain, failure, json, link, record, settings, value, write};

const SCHEMA: &str = r#"{
  "format_version": 1,
  "enums": {"NoYes": {"members": ["No", "Yes"]}},
  "entities": {
    "CustomersV3": {
      "key": ["dataAreaId", "CustomerAccount"], "partition": "dataAreaId",
      "fields": {
        "dataAreaId": "text<4>",
        "CustomerAccount": {"type": "text<20>", "required": true},
        "OrganizationName": "text<100>?",
        "CreditLimit": "decimal<32,6>?",
        "OnHold": "NoYes",
        "Opened": "date?",
        "CalledAt": "datetime?",
        "RecordId": "int64?",
        "ModifiedDateTime": {"type": "datetime?", "modified": true, "readonly": true}
      }
    }
  }
}"#;

fn connector(sandbox: &Running, sweep_every: u64) -> Finops {
    let polling = Polling { page_size: 3, overlap: Duration::from_secs(5), sweep_every: Duration::from_secs(sweep_every) };
    Finops::new(settings(sandbox, "sandbox-secret"), polling).unwrap()
}

/// The connector sweeps with every poll.
async fn start(change: impl FnOnce(&mut Config)) -> (Running, Finops, Shape) {
    let sandbox = super::start(Dialect::Finops, SCHEMA, change).await;
    let connector = connector(&sandbox, 0);
    (sandbox, connector, super::shape(SCHEMA, "CustomersV3"))
}

fn text(it: &str) -> Value {
    Value::text(it)
}

fn customer<'a>(company: &str, account: &str) -> Vec<(&'a str, Value)> {
    vec![("dataAreaId", text(company)), ("CustomerAccount", text(account))]
}

fn insert(sandbox: &Running, account: &str) -> String {
    sandbox.insert("CustomersV3", json(&format!(r#"{{"CustomerAccount": "{account}"}}"#))).unwrap()
}

/// `US-1` for a row that is there, `- US-1` for one that is gone.
fn names(changes: &[Change]) -> Vec<String> {
    let account = |id: &RemoteId| json(&id.0)["CustomerAccount"].as_str().unwrap().to_owned();
    let name = |it: &Change| match it {
        Change::Upsert(seen) => account(&seen.id),
        Change::Delete { id } => format!("- {}", account(id)),
    };
    let mut names: Vec<String> = changes.iter().map(name).collect();
    names.sort();
    names
}

async fn poll(connector: &Finops, shape: &Shape, token: &mut Token) -> Vec<String> {
    let (changes, page) = drain(connector, shape, Some(token)).await;
    *token = page.next;
    names(&changes)
}

#[tokio::test]
async fn a_row_of_another_company_goes_there_and_comes_back_exactly() {
    let (_sandbox, connector, shape) = start(|_| {}).await;
    let fields = [
        ("dataAreaId", text("demf")),
        ("CustomerAccount", text("O'Br/ien & 50% +ž")),
        ("OrganizationName", text("Žofie")),
        ("CreditLimit", Value::Decimal("12345678901234567890123456.789123".parse().unwrap())),
        ("OnHold", text("Yes")),
        ("Opened", Value::Date("2024-02-29".parse().unwrap())),
        ("CalledAt", Value::Null),
        ("RecordId", Value::Int(9_007_199_254_740_993)),
    ];
    let seen = create(&connector, &shape, 1, &fields).await;
    for (name, expected) in &fields {
        assert_eq!(value(&shape, &seen, name), expected, "{name}");
    }
    assert_eq!(seen.id.0, r#"{"dataAreaId":"demf","CustomerAccount":"O'Br/ien & 50% +ž"}"#);
    assert_eq!(connector.fetch(&shape, std::slice::from_ref(&seen.id)).await.unwrap(), [Some(seen.clone())]);
    let update = [("OrganizationName", text("New  ")), ("Opened", Value::Null)];
    let update = Write::Update { id: seen.id.clone(), expected: seen.version, record: record(&shape, &update) };
    let Answer::Written(after) = write(&connector, &shape, update).await else { panic!("not written") };
    assert_eq!((value(&shape, &after, "OrganizationName"), value(&shape, &after, "Opened")), (&text("New"), &Value::Null));
    let delete = Write::Delete { id: after.id, expected: after.version };
    assert_eq!(write(&connector, &shape, delete).await, Answer::Deleted);
}

#[tokio::test]
async fn nothing_is_null_where_the_system_has_no_nulls() {
    let (sandbox, connector, shape) = start(|_| {}).await;
    let mut fields = customer("usmf", "US-1");
    fields.extend([("OrganizationName", Value::Null), ("CreditLimit", Value::Null), ("OnHold", Value::Null)]);
    let seen = create(&connector, &shape, 1, &fields).await;
    assert_eq!(*value(&shape, &seen, "OrganizationName"), text(""));
    assert_eq!(*value(&shape, &seen, "CreditLimit"), Value::Decimal("0".parse().unwrap()));
    assert_eq!(*value(&shape, &seen, "OnHold"), text("No"));
    assert_eq!(*value(&shape, &seen, "CalledAt"), Value::Null);
    assert_eq!(sandbox.row("CustomersV3", &seen.id.0).unwrap()["CalledAt"], "1900-01-01T00:00:00Z");
}

#[tokio::test]
async fn a_create_that_meets_its_key_says_exists_whatever_the_case() {
    let (sandbox, connector, shape) = start(|_| {}).await;
    insert(&sandbox, "us-1");
    let sent = Write::Create { link: link(1), record: record(&shape, &customer("USMF", "US-1")) };
    assert_eq!(write(&connector, &shape, sent.clone()).await, Answer::Exists);
    let found = connector.find_created(&shape, &sent).await.unwrap().unwrap();
    assert_eq!((found.id.0.as_str(), found.correlation), (r#"{"dataAreaId":"usmf","CustomerAccount":"us-1"}"#, None));
}

#[tokio::test]
async fn writes_to_an_older_version_or_a_lost_row_change_nothing() {
    let (sandbox, connector, shape) = start(|_| {}).await;
    let seen = create(&connector, &shape, 1, &customer("usmf", "US-1")).await;
    sandbox.update("CustomersV3", &seen.id.0, json(r#"{"OrganizationName": "User's"}"#)).unwrap();
    let record = record(&shape, &[("OrganizationName", text("B"))]);
    let update = Write::Update { id: seen.id.clone(), expected: seen.version.clone(), record };
    assert_eq!(write(&connector, &shape, update.clone()).await, Answer::Moved);
    let delete = Write::Delete { id: seen.id.clone(), expected: seen.version };
    assert_eq!(write(&connector, &shape, delete.clone()).await, Answer::Moved);
    sandbox.delete("CustomersV3", &seen.id.0).unwrap();
    assert_eq!(write(&connector, &shape, update).await, Answer::Gone);
    assert_eq!(write(&connector, &shape, delete).await, Answer::Gone);
}

#[tokio::test]
async fn a_business_error_is_a_validation_failure_with_its_infolog() {
    let (_sandbox, connector, shape) = start(|_| {}).await;
    let mut fields = customer("usmf", "US-1");
    fields.push(("OrganizationName", text(&"x".repeat(101))));
    let sent = Write::Create { link: link(1), record: record(&shape, &fields) };
    let refused = failure(write(&connector, &shape, sent).await);
    assert_eq!(refused.class, Class::Validation);
    assert!(refused.message.contains("Infolog: Error: Field OrganizationName takes at most 100 characters"), "{refused}");
}

#[tokio::test]
async fn the_feed_reads_all_rows_and_then_what_changed_once() {
    let (sandbox, connector, shape) = start(|_| {}).await;
    for number in 1..=7 {
        insert(&sandbox, &format!("US-{number}"));
    }
    let first = connector.feed(&shape, None).await.unwrap();
    assert_eq!((names(&first.changes), first.is_last), (vec!["US-1".into(), "US-2".into(), "US-3".into()], false));
    // A change behind the first reading's back is found by the first poll.
    let id = first.changes[0].id().0.clone();
    sandbox.update("CustomersV3", &id, json(r#"{"OrganizationName": "between"}"#)).unwrap();
    let mut token = first.next;
    assert_eq!(poll(&connector, &shape, &mut token).await, ["US-4", "US-5", "US-6", "US-7"]);
    assert_eq!(poll(&connector, &shape, &mut token).await, ["US-1"]);
    assert_eq!(poll(&connector, &shape, &mut token).await, [""; 0]);
    insert(&sandbox, "US-8");
    sandbox.delete("CustomersV3", &id).unwrap();
    assert_eq!(poll(&connector, &shape, &mut token).await, ["- US-1", "US-8"]);
    assert_eq!(poll(&connector, &shape, &mut token).await, [""; 0]);
}

#[tokio::test]
async fn a_page_that_was_not_stored_comes_again() {
    let (sandbox, connector, shape) = start(|_| {}).await;
    let id = insert(&sandbox, "US-1");
    let (_, page) = drain(&connector, &shape, None).await;
    let mut token = page.next;
    assert_eq!(poll(&connector, &shape, &mut token).await, [""; 0]);
    sandbox.delete("CustomersV3", &id).unwrap();
    insert(&sandbox, "US-2");
    let lost = connector.feed(&shape, Some(&token)).await.unwrap();
    assert_eq!(names(&lost.changes), ["- US-1", "US-2"]);
    assert_eq!(poll(&connector, &shape, &mut token).await, ["- US-1", "US-2"]);
}

#[tokio::test]
async fn what_was_deleted_while_nobody_looked_is_found_from_the_remembered_ids() {
    let (sandbox, first, shape) = start(|_| {}).await;
    let (kept, gone) = (insert(&sandbox, "US-1"), insert(&sandbox, "US-2"));
    let (_, page) = drain(&first, &shape, None).await;
    let mut token = page.next;
    drop(first);
    sandbox.delete("CustomersV3", &gone).unwrap();
    let second = connector(&sandbox, 3600);
    second.remember(&shape, &[RemoteId(kept), RemoteId(gone)]);
    // The rows of the overlap come once more, as the new process does not know them.
    assert_eq!(poll(&second, &shape, &mut token).await, ["- US-2", "US-1"]);
    assert_eq!(poll(&second, &shape, &mut token).await, [""; 0]);
}

#[tokio::test]
async fn an_update_that_the_stamp_hid_is_found_by_the_sweep() {
    let (sandbox, connector, mut shape) = start(|_| {}).await;
    let id = insert(&sandbox, "US-1");
    shape.modified = None;
    let (_, page) = drain(&connector, &shape, None).await;
    let mut token = page.next;
    assert_eq!(poll(&connector, &shape, &mut token).await, [""; 0]);
    sandbox.update("CustomersV3", &id, json(r#"{"OrganizationName": "New"}"#)).unwrap();
    assert_eq!(poll(&connector, &shape, &mut token).await, ["US-1"]);
    assert_eq!(poll(&connector, &shape, &mut token).await, [""; 0]);
}

#[tokio::test]
async fn a_throttled_client_without_a_time_waits_half_a_minute() {
    let (sandbox, connector, shape) = start(|_| {}).await;
    sandbox.next_n(1, Target::Any, Fault::Throttle { retry_after: None });
    let throttled = connector.feed(&shape, None).await.unwrap_err();
    assert_eq!((throttled.class, throttled.retry_after), (Class::Throttled, Some(Duration::from_secs(30))));
}

#[tokio::test]
async fn a_scan_reads_every_row_of_every_company_once() {
    let (_sandbox, connector, shape) = start(|_| {}).await;
    for (number, company) in ["usmf", "demf", "usmf", "frrt"].into_iter().enumerate() {
        create(&connector, &shape, 1, &customer(company, &format!("{number}"))).await;
    }
    let (mut accounts, mut after) = (Vec::new(), None);
    loop {
        let page = connector.scan(&shape, after.as_ref(), 2).await.unwrap();
        accounts.extend(names(&page.changes));
        if page.is_last {
            break;
        }
        after = Some(page.next);
    }
    assert_eq!(accounts, ["1", "3", "0", "2"]);
}

#[tokio::test]
async fn a_row_is_found_beyond_the_first_page_and_a_star_is_no_wildcard() {
    let (sandbox, connector, shape) = start(|it| it.page_size = 1).await;
    for account in ["A1", "A2", "A*", "B"] {
        sandbox.insert("CustomersV3", json(&format!(r#"{{"CustomerAccount": "{account}", "OrganizationName": "N"}}"#))).unwrap();
    }
    let found = async |field: &str, wanted: &str, limit| {
        let found = connector.find(&shape, &[shape.slot(field).unwrap()], &[text(wanted)], limit).await.unwrap();
        found.iter().map(|it| value(&shape, it, "CustomerAccount").to_string()).collect::<Vec<_>>()
    };
    assert_eq!(found("OrganizationName", "N", 3).await.len(), 3, "each on a page of its own");
    assert_eq!(found("CustomerAccount", "a*", 10).await, ["\"A*\""]);
    let ids = ["A*", "B", "C*"].map(|it| RemoteId(format!(r#"{{"dataAreaId":"usmf","CustomerAccount":"{it}"}}"#)));
    let rows = connector.fetch(&shape, &ids).await.unwrap();
    assert_eq!(rows.iter().map(Option::is_some).collect::<Vec<_>>(), [true, true, false]);
}

#[tokio::test]
async fn an_answer_without_an_end_is_given_up() {
    let (sandbox, connector, shape) = start(|_| {}).await;
    insert(&sandbox, "1");
    sandbox.next_n(5000, Target::Reads, Fault::EndlessPages);
    let failure =
        connector.fetch(&shape, &[RemoteId(r#"{"dataAreaId":"usmf","CustomerAccount":"1"}"#.to_owned())]).await.unwrap_err();
    assert!(failure.message.contains("has no end"), "{failure}");
    assert_eq!(failure.class, Class::Transient);
}
