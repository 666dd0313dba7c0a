//! What a connector of this kind meets in the real world, one case a line, against the sandbox.

use std::time::Duration;

use dwmap::change::{Answer, Change, Class, Write};
use dwmap::connect::Connector;
use dwmap::connect::odata::finops::Polling;
use dwmap::connect::odata::{Dataverse, Finops};
use dwmap::sandbox::{Config, Dialect, Fault, Running, Target};
use dwmap::schema::Shape;
use dwmap::value::{Float, Value};
use serde_json::json as literal;

use super::{create, drain, failure, json, link, record, settings, value, write};

const DATAVERSE: &str = r#"{
  "format_version": 1,
  "enums": {"Topics": {"open": true, "members": {"One": 1, "Two": 2, "Nine": 9}}},
  "entities": {
    "account": {
      "set": "accounts", "key": ["accountid"], "unique": [["accountnumber"]],
      "fields": {
        "accountid": "guid",
        "accountnumber": "text<40>?",
        "name": {"type": "text<160>", "required": true},
        "revenue": {"type": "decimal<19,4>?", "meaning": "money"},
        "revenue_base": {"type": "decimal<19,4>?", "meaning": "money", "readonly": true},
        "exchangerate": {"type": "decimal<28,12>?", "readonly": true},
        "transactioncurrencyid": "lookup transactioncurrency?",
        "latitude": "float64?",
        "topics": "choices Topics?",
        "since": "date?",
        "calledon": "datetime?",
        "checkin": {"type": "datetime?", "meaning": "wall-clock"},
        "new_parentid": "lookup account?",
        "modifiedon": {"type": "datetime?", "modified": true, "readonly": true}
      }
    },
    "transactioncurrency": {
      "set": "transactioncurrencies", "key": ["transactioncurrencyid"], "unique": [["isocurrencycode"]],
      "fields": {"transactioncurrencyid": "guid", "isocurrencycode": "text<5>", "currencyprecision": "int32",
        "exchangerate": "decimal<28,12>"}
    }
  }
}"#;

const FINOPS: &str = r#"{
  "format_version": 1,
  "entities": {
    "CustomersV3": {
      "key": ["dataAreaId", "CustomerAccount"], "partition": "dataAreaId",
      "fields": {
        "dataAreaId": "text<4>",
        "CustomerAccount": "text<20>",
        "Name": "text<100>?",
        "Terms": "text<20>?",
        "Opened": "date?",
        "ModifiedDateTime": {"type": "datetime?", "modified": true, "readonly": true}
      }
    }
  }
}"#;

async fn dataverse(change: impl FnOnce(&mut Config)) -> (Running, Dataverse, Shape) {
    let sandbox = super::start(Dialect::Dataverse, DATAVERSE, change).await;
    let connector = Dataverse::new(settings(&sandbox, "sandbox-secret"), 5000).unwrap();
    (sandbox, connector, super::shape(DATAVERSE, "account"))
}

async fn finops(change: impl FnOnce(&mut Config)) -> (Running, Finops, Shape) {
    let sandbox = super::start(Dialect::Finops, FINOPS, change).await;
    let connector = Finops::new(settings(&sandbox, "sandbox-secret"), Polling::default()).unwrap();
    (sandbox, connector, super::shape(FINOPS, "CustomersV3"))
}

fn text(it: &str) -> Value {
    Value::text(it)
}

fn named(shape: &Shape, number: u128, name: &str) -> Write {
    Write::Create { link: link(number), record: record(shape, &[("name", text(name))]) }
}

fn refuse(status: u16, code: &str, message: &str) -> Fault {
    Fault::Refuse { status, code: code.to_owned(), message: message.to_owned() }
}

/// What a feed tells: names, and ids behind a dash.
fn told(shape: &Shape, changes: &[Change]) -> Vec<String> {
    let one = |it: &Change| match it {
        Change::Upsert(seen) => value(shape, seen, "name").to_string(),
        Change::Delete { id } => format!("-{}", id.0),
    };
    changes.iter().map(one).collect()
}

#[tokio::test]
async fn line_01_a_throttled_client_waits_as_long_as_it_is_told() {
    let date = |text: &str| Some(text.to_owned());
    for (header, expected) in [(date("17"), 17), (date("45"), 45), (None, 30)] {
        let (sandbox, connector, shape) = dataverse(|_| {}).await;
        sandbox.next_n(1, Target::Any, Fault::Throttle { retry_after: header.clone() });
        let throttled = connector.feed(&shape, None).await.unwrap_err();
        assert_eq!(
            (throttled.class, throttled.retry_after),
            (Class::Throttled, Some(Duration::from_secs(expected))),
            "{header:?}"
        );
    }
    let (sandbox, connector, shape) = dataverse(|_| {}).await;
    sandbox.next_n(1, Target::Any, Fault::Throttle { retry_after: date("Wed, 21 Oct 2099 07:28:00 GMT") });
    let throttled = connector.feed(&shape, None).await.unwrap_err();
    // A date far away is believed for an hour.
    assert_eq!((throttled.class, throttled.retry_after), (Class::Throttled, Some(Duration::from_secs(3600))));
}

#[tokio::test]
async fn line_02_each_of_the_three_limits_stops_the_identity_and_no_other() {
    for code in ["0x80072322", "0x80072321", "0x80072326"] {
        let (sandbox, connector, shape) = dataverse(|_| {}).await;
        let other = Dataverse::new(settings(&sandbox, "sandbox-secret"), 5000).unwrap();
        sandbox.next_n(1, Target::Any, refuse(429, code, "Number of requests exceeded the limit."));
        assert_eq!(failure(write(&connector, &shape, named(&shape, 1, "A")).await).class, Class::Throttled, "{code}");
        let before = sandbox.counters("dwmap").requests;
        assert_eq!(connector.feed(&shape, None).await.unwrap_err().class, Class::Throttled);
        assert_eq!(sandbox.counters("dwmap").requests, before);
        assert!(other.feed(&shape, None).await.is_ok());
    }
}

#[tokio::test]
async fn line_03_a_token_that_expires_between_two_pages_is_renewed() {
    let (sandbox, connector, shape) = dataverse(|it| it.page_size = 2).await;
    for number in 0..5 {
        sandbox.insert("account", json(&format!(r#"{{"name": "N{number}"}}"#))).unwrap();
    }
    let first = connector.feed(&shape, None).await.unwrap();
    sandbox.advance(Duration::from_secs(2 * 3600));
    let (rest, _) = drain(&connector, &shape, Some(&first.next)).await;
    assert_eq!((first.changes.len(), rest.len()), (2, 3));
    assert_eq!(sandbox.counters("dwmap").tokens, 2);
}

#[tokio::test]
async fn line_04_a_delta_tells_what_became_of_each_row_and_expires() {
    let (sandbox, connector, shape) = dataverse(|it| it.page_size = 2).await;
    let row = |name: &str| sandbox.insert("account", json(&format!(r#"{{"name": "{name}"}}"#))).unwrap();
    let (changed, gone) = (row("changed"), row("gone"));
    let (_, start) = drain(&connector, &shape, None).await;
    let (none, start) = drain(&connector, &shape, Some(&start.next)).await;
    assert_eq!(none, []);
    row("made");
    sandbox.update("account", &changed, json(r#"{"name": "changed once"}"#)).unwrap();
    sandbox.update("account", &changed, json(r#"{"name": "changed twice"}"#)).unwrap();
    let flash = row("made and deleted");
    sandbox.delete("account", &gone).unwrap();
    sandbox.delete("account", &flash).unwrap();
    let (changes, _) = drain(&connector, &shape, Some(&start.next)).await;
    let expected = ["made".to_owned(), "changed twice".to_owned(), format!("-{gone}"), format!("-{flash}")];
    assert_eq!(told(&shape, &changes).into_iter().map(|it| it.replace('"', "")).collect::<Vec<_>>(), expected);
    for (life, is_good) in [(6, true), (8, false)] {
        let (sandbox, connector, shape) = dataverse(|_| {}).await;
        let (_, page) = drain(&connector, &shape, None).await;
        sandbox.advance(Duration::from_secs(life * 24 * 3600));
        let read = connector.feed(&shape, Some(&page.next)).await;
        assert_eq!(read.as_ref().map_err(|it| (it.class, it.is_ambiguous)).err(), (!is_good).then_some((Class::Schema, false)));
    }
}

#[tokio::test]
async fn line_05_a_server_that_passes_over_change_tracking_is_not_believed() {
    let (sandbox, connector, shape) = dataverse(|_| {}).await;
    sandbox.insert("account", json(r#"{"name": "A"}"#)).unwrap();
    sandbox.next_n(1, Target::Reads, Fault::IgnoresPreferences);
    let failure = connector.feed(&shape, None).await.unwrap_err();
    assert_eq!(failure.class, Class::Schema);
    assert!(failure.message.contains("no delta link"), "{failure}");
}

#[tokio::test]
async fn line_09_the_three_meanings_of_412_are_told_apart() {
    let (sandbox, connector, shape) = dataverse(|_| {}).await;
    let seen = create(&connector, &shape, 1, &[("name", text("A"))]).await;
    sandbox.update("account", &seen.id.0, json(r#"{"name": "B"}"#)).unwrap();
    let update = Write::Update { id: seen.id.clone(), expected: seen.version, record: record(&shape, &[("name", text("C"))]) };
    assert_eq!(write(&connector, &shape, update).await, Answer::Moved);
    assert_eq!(write(&connector, &shape, named(&shape, 1, "A")).await, Answer::Exists);
    sandbox.next_n(1, Target::Writes, refuse(412, "0x80040333", "A record was not created because a duplicate rule found one."));
    assert_eq!(failure(write(&connector, &shape, named(&shape, 2, "A")).await).class, Class::Validation);
}

#[tokio::test]
async fn line_10_a_create_that_loses_a_race_for_its_key_exists() {
    let (sandbox, connector, shape) = dataverse(|_| {}).await;
    sandbox.next_n(1, Target::Writes, refuse(412, "0x80040237", "A record with matching key values already exists."));
    assert_eq!(write(&connector, &shape, named(&shape, 1, "A")).await, Answer::Exists);
}

#[tokio::test]
async fn line_11_and_12_keys_of_any_characters_are_found_and_never_addressed() {
    let (sandbox, connector, shape) = dataverse(|_| {}).await;
    let slot = shape.slot("accountnumber").unwrap();
    for (number, key) in
        ["O'Br/ien & 50%", "a\\b:c?d+e#f", "Žluťoučký <kůň> *", "'", "''", "%27", "𝄞 \u{7f}"].into_iter().enumerate()
    {
        let fields = [("name", text("A")), ("accountnumber", text(key))];
        let seen = create(&connector, &shape, number as u128, &fields).await;
        assert_eq!(value(&shape, &seen, "accountnumber"), &text(key));
        let found = connector.find(&shape, &[slot], &[text(key)], 2).await.unwrap();
        assert_eq!(found.iter().map(|it| &it.id).collect::<Vec<_>>(), [&seen.id], "{key}");
        let changed = Write::Update { id: seen.id, expected: seen.version, record: record(&shape, &[("name", text("B"))]) };
        assert!(matches!(write(&connector, &shape, changed).await, Answer::Written(_)), "{key}");
    }
    assert_eq!(sandbox.len("account"), 7);
}

#[tokio::test]
async fn line_15_what_the_system_rounds_is_told_as_it_is_held() {
    let (_sandbox, connector, shape) = dataverse(|_| {}).await;
    let fields = [
        ("name", text("A")),
        ("revenue", Value::Decimal("5.00005".parse().unwrap())),
        ("latitude", Value::Float(Float(47.639_583))),
    ];
    let seen = create(&connector, &shape, 1, &fields).await;
    assert_eq!(value(&shape, &seen, "revenue"), &Value::Decimal("5.0001".parse().unwrap()));
    assert_eq!(value(&shape, &seen, "latitude"), &Value::Float(Float(47.639_58)));
}

#[tokio::test]
async fn line_15_amounts_have_the_digits_of_their_currency_and_an_equivalent_that_nobody_writes() {
    let (sandbox, connector, shape) = dataverse(|_| {}).await;
    let currency = |code: &str, digits: u8, rate: &str| {
        let row = format!(r#"{{"isocurrencycode": "{code}", "currencyprecision": {digits}, "exchangerate": {rate}}}"#);
        Value::Guid(sandbox.insert("transactioncurrency", json(&row)).unwrap().parse().unwrap())
    };
    let decimal = |it: &str| Value::Decimal(it.parse().unwrap());
    let yen = currency("JPY", 0, "150");
    let cases = [
        (Value::Null, "12.34565", "12.3457", "12.3457", "12.3457"),
        (currency("EUR", 2, "1"), "5000000", "5000000", "5000000", "5000000.0000"),
        (currency("USD", 2, "1.25"), "-0.005", "-0.01", "-0.008", "-0.0100"),
        (yen.clone(), "1234.5", "1235", "8.2333", "1235.0000"),
    ];
    for (number, (currency, sent, held, base, shown)) in cases.into_iter().enumerate() {
        let fields = [("name", text("A")), ("revenue", decimal(sent)), ("transactioncurrencyid", currency.clone())];
        let seen = create(&connector, &shape, number as u128, &fields).await;
        assert_eq!(value(&shape, &seen, "revenue"), &decimal(held), "{sent}");
        assert_eq!(value(&shape, &seen, "revenue_base"), &decimal(base), "{sent}");
        assert_eq!(value(&shape, &seen, "transactioncurrencyid"), &currency);
        assert_eq!(sandbox.row("account", &seen.id.0).unwrap()["revenue"].to_string(), shown);
        // What was read and sent back changes nothing, whatever the digits on the wire.
        let same = Write::Update {
            id: seen.id.clone(),
            expected: seen.version.clone(),
            record: record(&shape, &[("revenue", decimal(held)), ("revenue_base", decimal("7"))]),
        };
        let Answer::Written(again) = write(&connector, &shape, same).await else { panic!("not written") };
        assert_eq!(again.record.get(shape.slot("revenue_base").unwrap()), &decimal(base));
        assert_eq!(again.record.get(shape.slot("revenue").unwrap()), &decimal(held));
        // Another currency is another amount.
        let yens = Write::Update {
            id: again.id,
            expected: again.version,
            record: record(&shape, &[("transactioncurrencyid", yen.clone())]),
        };
        let Answer::Written(again) = write(&connector, &shape, yens).await else { panic!("not written") };
        assert_eq!(value(&shape, &again, "exchangerate"), &decimal("150"));
    }
    let most =
        Write::Create { link: link(9), record: record(&shape, &[("name", text("A")), ("revenue", decimal("1000000000000000"))]) };
    assert_eq!(failure(write(&connector, &shape, most).await).class, Class::Validation);
}

#[tokio::test]
async fn line_16_the_order_of_several_choices_means_nothing() {
    let (sandbox, connector, shape) = dataverse(|_| {}).await;
    let id = sandbox.insert("account", json(r#"{"name": "A", "topics": "9, 1"}"#)).unwrap();
    let (changes, _) = drain(&connector, &shape, None).await;
    let Change::Upsert(seen) = &changes[0] else { panic!("{changes:?}") };
    assert_eq!((seen.id.0.as_str(), value(&shape, seen, "topics")), (id.as_str(), &Value::Set([1, 9].into())));
}

#[tokio::test]
async fn line_17_dates_stay_days_and_instants_stay_instants_from_1753_on() {
    let (_sandbox, connector, shape) = dataverse(|_| {}).await;
    let day = |it: &str| Value::Date(it.parse().unwrap());
    let at = |it: &str| Value::DateTime(it.parse().unwrap());
    for (number, (since, called)) in
        [("1753-01-01", "1753-01-01T00:00:00Z"), ("1900-01-01", "1900-01-01T00:00:00Z"), ("2024-02-29", "2024-12-31T23:59:59Z")]
            .into_iter()
            .enumerate()
    {
        let fields = [("name", text("A")), ("since", day(since)), ("calledon", at(called))];
        let seen = create(&connector, &shape, number as u128, &fields).await;
        assert_eq!((value(&shape, &seen, "since"), value(&shape, &seen, "calledon")), (&day(since), &at(called)));
    }
    for early in [("since", day("1752-12-31")), ("calledon", at("1752-12-31T23:59:59Z")), ("checkin", at("1752-12-31T23:59:59Z"))]
    {
        let sent = Write::Create { link: link(9), record: record(&shape, &[("name", text("A")), early]) };
        assert_eq!(failure(write(&connector, &shape, sent).await).class, Class::Validation);
    }
    // Finance & Operations says "none" by 1900-01-01.
    let (sandbox, connector, shape) = finops(|_| {}).await;
    sandbox.insert("CustomersV3", json(r#"{"CustomerAccount": "1"}"#)).unwrap();
    assert_eq!(sandbox.rows("CustomersV3")[0]["Opened"], "1900-01-01T12:00:00Z");
    let (changes, _) = drain(&connector, &shape, None).await;
    let Change::Upsert(seen) = &changes[0] else { panic!("{changes:?}") };
    assert_eq!(value(&shape, seen, "Opened"), &Value::Null);
}

#[tokio::test]
async fn line_17_each_of_the_three_behaviours_of_dates_is_kept() {
    let (sandbox, connector, shape) = dataverse(|_| {}).await;
    let user =
        r#"{"name": "A", "since": "2024-03-31", "calledon": "2024-03-31T02:30:00+02:00", "checkin": "2024-03-31T02:30:00"}"#;
    let id = sandbox.insert("account", json(user)).unwrap();
    let (changes, _) = drain(&connector, &shape, None).await;
    let Change::Upsert(seen) = &changes[0] else { panic!("{changes:?}") };
    let at = |it: &str| Value::DateTime(it.parse().unwrap());
    let read = ["since", "calledon", "checkin"].map(|it| value(&shape, seen, it).clone());
    // An instant goes by its offset; the wall clock shows half past two, an hour that did not exist in that night in Berlin.
    let expected = [Value::Date("2024-03-31".parse().unwrap()), at("2024-03-31T00:30:00Z"), at("2024-03-31T02:30:00Z")];
    assert_eq!(read, expected);
    let back = ["since", "calledon", "checkin"].into_iter().zip(read.clone()).collect::<Vec<_>>();
    let update = Write::Update { id: seen.id.clone(), expected: seen.version.clone(), record: record(&shape, &back) };
    let Answer::Written(again) = write(&connector, &shape, update).await else { panic!("not written") };
    assert_eq!(["since", "calledon", "checkin"].map(|it| value(&shape, &again, it).clone()), read);
    let row = sandbox.row("account", &id).unwrap();
    let shown = ["since", "calledon", "checkin"].map(|it| row[it].as_str().unwrap().to_owned());
    assert_eq!(shown, ["2024-03-31", "2024-03-31T00:30:00Z", "2024-03-31T02:30:00Z"]);
    // The sandbox converts neither a day nor a wall clock.
    for (field, text) in
        [("since", "2024-03-31T00:00:00Z"), ("checkin", "2024-03-31T02:30:00+02:00"), ("checkin", "2024-03-31T02:30:00-05:00")]
    {
        let refused = sandbox.update("account", &id, json(&format!(r#"{{"{field}": "{text}"}}"#))).unwrap_err();
        assert_eq!(refused.status, 400, "{field} {text}");
    }
    let slot = shape.slot("checkin").unwrap();
    let found = connector.find(&shape, &[slot], &[at("2024-03-31T02:30:00Z")], 2).await.unwrap();
    assert_eq!(found.len(), 1, "a wall clock is found by the time that it shows");
}

#[tokio::test]
async fn line_18_rows_of_every_company_are_read_and_written() {
    let (sandbox, connector, shape) = finops(|_| {}).await;
    for company in ["usmf", "demf"] {
        sandbox.insert("CustomersV3", json(&format!(r#"{{"dataAreaId": "{company}", "CustomerAccount": "1"}}"#))).unwrap();
    }
    let (changes, _) = drain(&connector, &shape, None).await;
    assert_eq!(changes.len(), 2);
    for change in changes {
        let Change::Upsert(seen) = change else { panic!("{change:?}") };
        let update =
            Write::Update { id: seen.id.clone(), expected: seen.version, record: record(&shape, &[("Name", text("N"))]) };
        let Answer::Written(seen) = write(&connector, &shape, update).await else { panic!("not written") };
        let delete = Write::Delete { id: seen.id, expected: seen.version };
        assert_eq!(write(&connector, &shape, delete).await, Answer::Deleted);
    }
}

#[tokio::test]
async fn line_19_what_the_system_fills_in_comes_back_with_the_write() {
    let (_sandbox, connector, shape) =
        finops(|it| it.defaults = [("CustomersV3.Terms".to_owned(), literal!("Net30"))].into()).await;
    let seen = create(&connector, &shape, 1, &[("dataAreaId", text("usmf")), ("CustomerAccount", text("1"))]).await;
    assert_eq!(value(&shape, &seen, "Terms"), &text("Net30"));
}

#[tokio::test]
async fn line_20_an_infolog_is_a_refusal_whatever_its_status() {
    let (sandbox, connector, shape) = finops(|_| {}).await;
    let message = "Write failed for table row of type 'CustCustomerV3Entity'. Infolog: Error: Customer group is blocked.";
    sandbox.next_n(1, Target::Writes, refuse(500, "", message));
    let before = sandbox.counters("dwmap").writes;
    let fields = [("dataAreaId", text("usmf")), ("CustomerAccount", text("1"))];
    let sent = Write::Create { link: link(1), record: record(&shape, &fields) };
    let refused = failure(write(&connector, &shape, sent).await);
    assert_eq!((refused.class, refused.is_ambiguous), (Class::Validation, false));
    assert!(refused.message.contains("Customer group is blocked"), "{refused}");
    assert_eq!(sandbox.counters("dwmap").writes, before + 1);
}

#[tokio::test]
async fn line_21_a_create_whose_answer_is_lost_is_found_though_the_system_made_its_key() {
    let (sandbox, connector, shape) = finops(|it| it.sequences = vec!["CustomersV3.CustomerAccount".to_owned()]).await;
    sandbox.next_n(1, Target::Writes, Fault::ResetAfterCommit);
    let sent = Write::Create { link: link(1), record: record(&shape, &[("dataAreaId", text("usmf")), ("Name", text("Ana"))]) };
    let lost = failure(write(&connector, &shape, sent.clone()).await);
    assert_eq!((lost.class, lost.is_ambiguous), (Class::Transient, true));
    let found = connector.find_created(&shape, &sent).await.unwrap().unwrap();
    assert_eq!(value(&shape, &found, "Name"), &text("Ana"));
    // With a second one like it, only a person can tell which is ours.
    sandbox.insert("CustomersV3", json(r#"{"Name": "Ana"}"#)).unwrap();
    assert_eq!(connector.find_created(&shape, &sent).await.unwrap_err().class, Class::Conflict);
}

#[tokio::test]
async fn line_23_a_next_link_to_a_foreign_host_is_refused() {
    let (sandbox, connector, shape) = finops(|_| {}).await;
    sandbox.next_n(1, Target::Reads, Fault::ForeignNextLink("https://evil.example".to_owned()));
    let refused = connector.scan(&shape, None, 10).await.unwrap_err();
    assert_eq!(refused.class, Class::Schema);
    assert!(refused.message.contains("evil.example"), "{refused}");
}

#[tokio::test]
async fn line_24_a_gateways_page_of_html_is_worth_another_try() {
    let (sandbox, connector, shape) = finops(|_| {}).await;
    sandbox.next_n(1, Target::Any, Fault::Html(502));
    let failed = connector.scan(&shape, None, 10).await.unwrap_err();
    assert_eq!((failed.class, failed.is_ambiguous), (Class::Transient, false));
    assert!(connector.scan(&shape, None, 10).await.is_ok());
}

#[tokio::test]
async fn line_25_half_an_answer_leaves_a_write_unclear_and_a_read_to_be_repeated() {
    let (sandbox, connector, shape) = dataverse(|_| {}).await;
    for fault in [Fault::Truncated, Fault::ResetAfterCommit] {
        sandbox.next_n(1, Target::Reads, fault.clone());
        let broken = connector.feed(&shape, None).await.unwrap_err();
        assert_eq!((broken.class, broken.is_ambiguous), (Class::Transient, false), "{fault:?}");
    }
    for (number, fault) in [Fault::Truncated, Fault::ResetAfterCommit].into_iter().enumerate() {
        sandbox.next_n(1, Target::Writes, fault.clone());
        let sent = named(&shape, number as u128, "A");
        let broken = failure(write(&connector, &shape, sent.clone()).await);
        assert!(broken.is_ambiguous, "{fault:?}: {broken:?}");
        assert!(connector.find_created(&shape, &sent).await.unwrap().is_some(), "{fault:?}");
    }
    assert_eq!(sandbox.len("account"), 2);
}

#[tokio::test]
async fn line_26_our_own_write_comes_back_in_its_version_and_a_users_edit_in_another() {
    let (sandbox, connector, shape) = dataverse(|_| {}).await;
    let (_, start) = drain(&connector, &shape, None).await;
    let mine = create(&connector, &shape, 1, &[("name", text("A"))]).await;
    let (changes, page) = drain(&connector, &shape, Some(&start.next)).await;
    assert_eq!(changes, [Change::Upsert(mine.clone())]);
    let update = Write::Update { id: mine.id.clone(), expected: mine.version, record: record(&shape, &[("name", text("B"))]) };
    let Answer::Written(after) = write(&connector, &shape, update).await else { panic!("not written") };
    sandbox.update("account", &mine.id.0, json(r#"{"revenue": 1}"#)).unwrap();
    let (changes, _) = drain(&connector, &shape, Some(&page.next)).await;
    let [Change::Upsert(seen)] = changes.as_slice() else { panic!("{changes:?}") };
    assert_ne!(seen.version, after.version);
    assert_eq!(value(&shape, seen, "name"), &text("B"));
}

#[tokio::test]
async fn an_edit_between_a_write_and_its_reading_is_not_taken_for_ours() {
    let (sandbox, connector, shape) = finops(|_| {}).await;
    let seen = create(&connector, &shape, 1, &[("dataAreaId", text("usmf")), ("CustomerAccount", text("1"))]).await;
    let update = |name: &str, seen: &dwmap::change::Seen| Write::Update {
        id: seen.id.clone(),
        expected: seen.version.clone(),
        record: record(&shape, &[("Name", text(name))]),
    };
    // Without the row in the answer it is read again, and is ours by its version.
    sandbox.next_n(1, Target::Writes, Fault::IgnoresPreferences);
    let Answer::Written(seen) = write(&connector, &shape, update("A", &seen)).await else { panic!("not written") };
    assert_eq!(value(&shape, &seen, "Name"), &text("A"));
    sandbox.next_n(1, Target::Writes, Fault::EditAfter { field: "Terms".to_owned(), value: "Net10".to_owned() });
    let unclear = failure(write(&connector, &shape, update("B", &seen)).await);
    assert!(unclear.is_ambiguous, "{unclear:?}");
}

#[tokio::test]
async fn lookups_are_written_by_the_names_of_the_metadata() {
    let (_sandbox, connector, shape) =
        dataverse(|it| it.navigation = [("account.new_parentid".to_owned(), "new_ParentId".to_owned())].into()).await;
    let parent = create(&connector, &shape, 1, &[("name", text("P"))]).await;
    let own = Value::Guid(parent.id.0.parse().unwrap());
    let child = create(&connector, &shape, 2, &[("name", text("C")), ("new_parentid", own.clone())]).await;
    assert_eq!(value(&shape, &child, "new_parentid"), &own);
}
