//! How often memory is asked for: counts, which no machine makes larger or smaller.

use allocation_counter::{AllocationInfo, measure};
use dwmap::change::{Change, Page, Side, Token};
use dwmap::connect::Connector;
use dwmap::connect::odata::Dataverse;
use dwmap::connect::odata::rows::{Columns, Part};
use dwmap::interp::{Lookups, Prepared};
use dwmap::sandbox::Dialect;
use dwmap::schema::Shape;
use dwmap::value::{Record, Slot, Value};
use tokio::runtime::{Builder, Runtime};

use crate::flat::job;
use crate::odata;

/// Longest text that a value holds without memory of its own.
const SHORT_MAX: usize = 24;

fn is_long(value: &Value) -> bool {
    value.as_text().is_some_and(|it| it.len() > SHORT_MAX)
}

/// Allocations of one `put`, with what it gave.
fn counted(plan: &Prepared, from: &Record, onto: Option<&Record>) -> (u64, Record) {
    let lookups = Lookups::default();
    let mut out = None;
    let counts = measure(|| out = Some(plan.put(&lookups, Side::Right, from, onto)));
    (counts.count_total, out.expect("it ran").expect("the record can be carried"))
}

#[test]
fn a_new_row_costs_itself_and_its_long_texts() {
    let plan = Prepared::new(job::plan());
    for from in job::records::records(3, 500) {
        let (count, made) = counted(&plan, &from, None);
        let long = made.values().iter().filter(|it| is_long(it)).count() as u64;
        assert!(count <= 1 + long, "{count} allocations for a row of {long} long texts: {made:?}");
    }
}

#[test]
fn a_text_that_is_passed_on_costs_its_copy_only() {
    let plan = Prepared::new(job::plan());
    let short = |value: &Value| if is_long(value) { Value::text("x@example.com") } else { value.clone() };
    for from in job::records::records(3, 500) {
        let from = Record::from_values(from.values().iter().map(short).collect());
        let (count, made) = counted(&plan, &from, None);
        let long = made.values().iter().filter(|it| is_long(it)).count() as u64;
        assert_eq!(count, 1 + long, "the row, and what its rules made longer: {made:?}");
    }
}

/// Fields whose texts are made letter by letter; those of all others are parts of texts that stand already.
const BUILT: &[&str] = &["emailaddress", "country", "contact", "title", "employees", "sic"];

#[test]
fn that_nothing_changed_is_found_without_a_copy_of_what_is_passed_on() {
    let plan = Prepared::new(job::plan());
    let is_built = |slot: Slot| BUILT.contains(&plan.shapes[Side::Right].field(slot).name.as_str());
    let mut passed_on = 0;
    for from in job::records::records(3, 500) {
        let (_, made) = counted(&plan, &from, None);
        let long: Vec<Slot> = made.slots().filter(|(_, it)| is_long(it)).map(|(slot, _)| slot).collect();
        let built = long.iter().filter(|it| is_built(**it)).count();
        passed_on += long.len() - built;
        let count = measure(|| assert!(plan.agrees(Side::Right, &from, &made))).count_total;
        assert!(count <= built as u64, "{count} allocations to find that nothing changed in {made:?}");
    }
    assert!(passed_on > 500, "records with long texts are what this is about: {passed_on}");
}

#[test]
fn an_echo_costs_the_empty_answer_only() {
    let plan = Prepared::new(job::plan());
    for from in job::records::records(3, 500) {
        let (_, made) = counted(&plan, &from, None);
        let (count, change) = counted(&plan, &from, Some(&made));
        assert_eq!(change, Record::absent(made.len()));
        // What the sides are compared by is made again: the long texts that functions give letter by letter.
        let is_built = |slot: Slot| BUILT.contains(&plan.shapes[Side::Right].field(slot).name.as_str());
        let long = made.slots().filter(|(slot, it)| is_long(it) && is_built(*slot)).count() as u64;
        assert!(count <= 1 + long, "{count} allocations to find that nothing changed");
    }
}

#[test]
fn a_row_equals_its_shadow_without_memory() {
    let plan = Prepared::new(job::plan());
    for from in job::records::records(3, 500) {
        let shadow = from.clone();
        assert_eq!(measure(|| assert!(std::hint::black_box(&from) == std::hint::black_box(&shadow))).count_total, 0);
        let lookups = Lookups::default();
        assert_eq!(measure(|| assert!(plan.in_scope(&lookups, Side::Left, &from).is_ok())).count_total, 0, "nor does a filter");
    }
}

/// Bytes that a record holds: its fields, and what its long texts need.
fn bytes_of(record: &Record) -> usize {
    let long = record.values().iter().filter(|it| is_long(it)).filter_map(Value::as_text);
    size_of_val(record.values()) + long.map(|it| it.len().max(LONG_BYTES_MIN)).sum::<usize>()
}

/// The least that a text asks for that has memory of its own.
const LONG_BYTES_MIN: usize = 32;

/// Most bytes of a customer of 33 fields that are read, and of its account of 30.
const BYTES_MAX: [usize; 2] = [1_300, 1_200];

#[test]
fn a_record_in_flight_holds_its_fields_and_its_long_texts() {
    let plan = Prepared::new(job::plan());
    let records = job::records::records(3, 1_000);
    let mut held = [0, 0];
    for from in &records {
        let mut both = None;
        let own = measure(|| both = Some(from.clone()));
        assert_eq!(own.bytes_current, bytes_of(from) as i64);
        let made = measure(|| both = plan.put(&Lookups::default(), Side::Right, from, None).ok());
        let account = both.expect("the record can be carried");
        // A text that was put together or cut may have room left.
        assert!(made.bytes_max <= 2 * bytes_of(&account) as u64, "nothing is made in vain: {} bytes", made.bytes_max);
        held[0] += own.bytes_current as usize;
        held[1] += bytes_of(&account);
    }
    let held = held.map(|it| it / records.len());
    println!("a customer holds {} bytes, its account {}", held[0], held[1]);
    assert!(held[0] <= BYTES_MAX[0] && held[1] <= BYTES_MAX[1], "{held:?}");
}

#[test]
fn a_row_of_json_costs_itself_and_its_long_texts() {
    let plan = Prepared::new(job::plan());
    let columns = Columns::finops(&plan.shapes[Side::Left]);
    for from in job::records::records(3, 500) {
        let long = from.values().iter().filter(|it| is_long(it)).count() as u64;
        let mut body = String::new();
        let sent = measure(|| body = columns.body(&from, |_, _| Ok(Part::Plain)).expect("all of it can be sent"));
        // The text, and three null texts and dates whose word is looked up; a text with an escape may grow it.
        assert!(sent.count_total <= 8, "{} allocations to send {body}", sent.count_total);
        let mut read = None;
        let costs = measure(|| read = Some(columns.row(body.as_bytes()).expect("it is JSON").record().0));
        assert!(costs.count_total <= 2 + long, "{} allocations to read {body}", costs.count_total);
    }
}

const ACCOUNTS: &str = r#"{
  "format_version": 1,
  "entities": {
    "account": {
      "set": "accounts", "key": ["accountid"],
      "fields": {"accountid": "guid", "name": {"type": "text<160>", "required": true}, "description": "text<2000>?"}
    }
  }
}"#;

/// Rows of a page.
const PAGE_ROWS: usize = 100;

type Reading = fn(&Runtime, &Dataverse, &Shape, Option<&Token>) -> Page;

/// Reads all accounts of a sandbox that holds so many pages of them, each page gone before the next is asked for.
fn read_pages(pages: usize, read: Reading) -> AllocationInfo {
    // The sandbox lives on threads of its own, whose memory is not counted.
    let server = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("threads can be had");
    let sandbox = server.block_on(odata::start(Dialect::Dataverse, ACCOUNTS, |_| {}));
    for number in 0..pages * PAGE_ROWS {
        let (name, description) = (format!("Account {number:06}"), "It is long. ".repeat(40));
        let row = serde_json::json!({"name": name, "description": description});
        sandbox.insert("account", row.as_object().expect("an object").clone()).expect("the row is right");
    }
    let client = Builder::new_current_thread().enable_all().build().expect("this thread is there");
    let connector = Dataverse::new(odata::settings(&sandbox, "sandbox-secret"), PAGE_ROWS).expect("the settings are right");
    let shape = odata::shape(ACCOUNTS, "account");
    // What is made once, the connection and the token, is not what is asked about.
    drop(read(&client, &connector, &shape, None));
    let mut rows = 0;
    let costs = measure(|| {
        let mut after: Option<Token> = None;
        loop {
            let page = read(&client, &connector, &shape, after.as_ref());
            rows += page.changes.iter().filter(|it| matches!(it, Change::Upsert(_))).count();
            if page.is_last {
                break;
            }
            after = Some(page.next);
        }
    });
    assert_eq!(rows, pages * PAGE_ROWS);
    costs
}

#[test]
fn a_reading_of_many_pages_holds_one_page() {
    let readings: [Reading; 2] = [
        |client, connector, shape, after| client.block_on(connector.feed(shape, after)).expect("the sandbox answers"),
        |client, connector, shape, after| client.block_on(connector.scan(shape, after, PAGE_ROWS)).expect("the sandbox answers"),
    ];
    for read in readings {
        let (few, many) = (read_pages(2, read), read_pages(20, read));
        println!("2 pages hold {} bytes at most, 20 pages {}", few.bytes_max, many.bytes_max);
        assert!(many.bytes_total > 5 * few.bytes_total, "ten times the pages were read: {few:?}, {many:?}");
        assert!(2 * many.bytes_max <= 3 * few.bytes_max, "20 pages hold what 2 pages hold: {few:?}, {many:?}");
    }
}
