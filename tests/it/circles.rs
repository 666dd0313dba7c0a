//! Rows that refer to each other in a circle, or to themselves: made in two steps, and never stuck.

use dwmap::change::Side;
use dwmap::check::{self, NoSchemas};
use dwmap::diag::Diagnostics;
use dwmap::source::Sources;
use dwmap::syntax;
use dwmap::value::Value;

use super::stage::{Stage, fields_of, program};

/// A customer is paid for by another one, or by itself.
const PAYERS: &str = "\
profile loose {
  text: compare ignoring case, compare ignoring trailing blanks
}

system a profile loose
system b profile dataverse

entity a.Customer {
  key Id: text<20>
  Name:   text<60>
  Payer:  text<20>?
}

entity b.account {
  key accountid: guid
  unique (number)
  number: text<20>
  name:   text<60> required
  payer:  lookup b.account?
}

map Customers: a.Customer <-> b.account {
  key Id <-> number
  Name  <-> name
  Payer <-> payer via Customers
  on conflict prefer a
  on delete <-> delete
}
";

/// A department has a head, and a person a department.
const STAFF: &str = "\
profile loose {
  text: compare ignoring case, compare ignoring trailing blanks
}

system a profile loose
system b profile dataverse

entity a.Department {
  key Code: text<20>
  Head:     text<20>?
}
entity a.Person {
  key Id:     text<20>
  Department: text<20>?
}

entity b.department {
  key departmentid: guid
  unique (code)
  code: text<20>
  head: lookup b.person?
}

entity b.person {
  key personid: guid
  unique (id)
  id:         text<20>
  department: lookup b.department?
}

map Departments: a.Department <-> b.department {
  key Code <-> code
  Head <-> head via People
  on conflict prefer a
  on delete <-> refuse
}

map People: a.Person <-> b.person {
  key Id <-> id
  Department <-> department via Departments
  on conflict prefer a
  on delete <-> refuse
}
";

fn customer(id: &str, payer: &str) -> [(&'static str, Value); 3] {
    [("Id", Value::text(id)), ("Name", Value::text(format!("name of {id}"))), ("Payer", Value::text(payer))]
}

/// The number of the account that pays for this one.
fn payer(stage: &Stage, number: &str) -> String {
    let id = stage.value(1, "account", ("number", number), "payer");
    let accounts = stage.systems[1].rows("account");
    let row = accounts.iter().find(|(_, row)| row["accountid"] == id);
    row.map_or_else(|| format!("nobody ({id})"), |(_, row)| row["number"].as_text().unwrap_or("no text").to_owned())
}

fn check_payers(stage: &mut Stage, expected: &[(&str, &str)]) {
    for (number, wanted) in expected {
        assert_eq!(payer(stage, number), *wanted, "pays for {number}");
    }
    let held = stage.deployment.store.held("Customers", 100).expect("the state can be read");
    assert_eq!(held.into_iter().map(|it| it.hold).collect::<Vec<_>>(), []);
}

const RING: [(&str, &str); 4] = [("1", "2"), ("2", "3"), ("3", "1"), ("4", "4")];

#[tokio::test]
async fn initial_sync_makes_a_ring_and_a_self_reference() {
    let mut stage = Stage::new(PAYERS);
    for (id, payer) in RING {
        stage.insert(0, "Customer", &customer(id, payer));
    }
    stage.deployment.initial(None).await.expect("both systems answer");
    check_payers(&mut stage, &RING);
}

#[tokio::test]
async fn live_creates_make_a_ring_and_a_self_reference() {
    let mut stage = Stage::new(PAYERS);
    stage.deployment.initial(None).await.expect("both systems answer");
    for (id, payer) in RING {
        stage.insert(0, "Customer", &customer(id, payer));
    }
    stage.deployment.settle().await.expect("both systems answer");
    check_payers(&mut stage, &RING);
}

#[tokio::test]
async fn nothing_is_written_again_after_two_steps() {
    let mut stage = Stage::new(PAYERS);
    for (id, payer) in RING {
        stage.insert(0, "Customer", &customer(id, payer));
    }
    stage.deployment.initial(None).await.expect("both systems answer");
    let writes = |stage: &Stage| [stage.systems[0].engine_writes("Customer"), stage.systems[1].engine_writes("account")];
    let before = writes(&stage);
    assert_eq!(before, [0, 8], "four creates, and one update each");
    stage.deployment.replay().await.expect("both systems answer");
    assert_eq!(writes(&stage), before);
}

#[tokio::test]
async fn a_row_waits_for_its_reference_alone_and_the_rest_flows() {
    let mut stage = Stage::new(PAYERS);
    let row = stage.insert(0, "Customer", &customer("1", "2"));
    stage.deployment.initial(None).await.expect("both systems answer");
    assert_eq!(stage.value(1, "account", ("number", "1"), "payer"), Value::Null);
    stage.systems[0].update("Customer", &row, fields_of(&[("Name", Value::text("new"))])).expect("the row is there");
    stage.deployment.settle().await.expect("both systems answer");
    assert_eq!(stage.value(1, "account", ("number", "1"), "name"), Value::text("new"));
    assert_eq!(stage.deployment.store.held("Customers", 10).expect("the state can be read").len(), 1);

    stage.insert(0, "Customer", &customer("2", "2"));
    stage.deployment.settle().await.expect("both systems answer");
    check_payers(&mut stage, &[("1", "2"), ("2", "2")]);
}

#[tokio::test]
async fn a_reference_set_on_the_other_side_meanwhile_is_a_conflict_and_not_lost() {
    let mut stage = Stage::new(PAYERS);
    stage.insert(0, "Customer", &customer("1", "9"));
    stage.insert(0, "Customer", &customer("2", "2"));
    stage.deployment.initial(None).await.expect("both systems answer");
    let two = stage.value(1, "account", ("number", "2"), "accountid");
    let rows = stage.systems[1].rows("account");
    let one = rows.iter().find(|(_, row)| row["number"] == Value::text("1")).expect("it was made").0.clone();
    stage.systems[1].update("account", &one, fields_of(&[("payer", two)])).expect("the row is there");
    stage.deployment.settle().await.expect("both systems answer");
    stage.insert(0, "Customer", &customer("9", "9"));
    stage.deployment.settle().await.expect("both systems answer");
    check_payers(&mut stage, &[("1", "9"), ("2", "2"), ("9", "9")]);
    let lost = stage.deployment.store.ledger("Customers", 10).expect("the state can be read");
    let lost: Vec<(Side, Value)> = lost.into_iter().map(|it| (it.side, it.loser)).collect();
    assert_eq!(lost, [(Side::Right, Value::text("2"))]);
}

/// The codes of what is referred to, by the row's own.
async fn check_staff(is_live: bool) {
    let mut stage = Stage::new(STAFF);
    if is_live {
        stage.deployment.initial(None).await.expect("both systems answer");
    }
    for (code, head) in [("x", "1"), ("y", "2")] {
        stage.insert(0, "Department", &[("Code", Value::text(code)), ("Head", Value::text(head))]);
    }
    for (id, department) in [("1", "x"), ("2", "x"), ("3", "y")] {
        stage.insert(0, "Person", &[("Id", Value::text(id)), ("Department", Value::text(department))]);
    }
    if is_live {
        stage.deployment.settle().await.expect("both systems answer");
    } else {
        stage.deployment.initial(None).await.expect("both systems answer");
    }
    let (person, department) = (("person", "id", "personid"), ("department", "code", "departmentid"));
    let id = |stage: &Stage, of: (&str, &str, &str), key: &str| stage.value(1, of.0, (of.1, key), of.2);
    for (code, head) in [("x", "1"), ("y", "2")] {
        assert_eq!(stage.value(1, "department", ("code", code), "head"), id(&stage, person, head), "head of {code}");
    }
    for (key, code) in [("1", "x"), ("2", "x"), ("3", "y")] {
        assert_eq!(stage.value(1, "person", ("id", key), "department"), id(&stage, department, code), "department of {key}");
    }
    for plan in ["Departments", "People"] {
        assert!(stage.deployment.store.held(plan, 10).expect("the state can be read").is_empty(), "{plan}");
    }
}

#[tokio::test]
async fn initial_sync_of_two_maps_that_refer_to_each_other() {
    check_staff(false).await;
}

#[tokio::test]
async fn live_creates_of_two_maps_that_refer_to_each_other() {
    check_staff(true).await;
}

fn codes(text: &str) -> Vec<(String, Option<String>)> {
    let mut sources = Sources::default();
    let file = sources.add("test.dwmap", text.to_owned()).expect("the text is short");
    let mut diags = Diagnostics::default();
    let tree = syntax::parse(&sources, file, &mut diags);
    check::check(&[tree], &sources, &NoSchemas, &mut diags);
    diags.sorted().into_iter().map(|it| (it.code.to_string(), it.rule)).collect()
}

#[test]
fn a_circle_with_an_open_end_is_told() {
    let told = |rules: &[&str]| rules.iter().map(|it| ("DW0409".to_owned(), Some((*it).to_owned()))).collect::<Vec<_>>();
    assert_eq!(codes(PAYERS), told(&["payer"]));
    assert_eq!(codes(STAFF), told(&["head", "department"]));
}

#[test]
fn a_circle_without_an_open_end_is_an_error() {
    let closed = STAFF.replace("lookup b.person?", "lookup b.person").replace("lookup b.department?", "lookup b.department");
    let closed =
        closed.replace("Head:     text<20>?", "Head:     text<20>").replace("Department: text<20>?", "Department: text<20>");
    let codes: Vec<String> = codes(&closed).into_iter().map(|(code, _)| code).collect();
    assert!(codes.contains(&"DW0408".to_owned()), "{codes:?}");
    let half = STAFF.replace("lookup b.person?", "lookup b.person").replace("Head:     text<20>?", "Head:     text<20>");
    let references = program(&half).plans.into_iter().flat_map(|it| it.references).map(|it| it.is_deferrable);
    assert_eq!(references.collect::<Vec<_>>(), [false, true], "one open end is enough");
}

#[test]
fn a_reference_out_of_the_circle_is_not_deferred() {
    let plain = STAFF.replace("  Department <-> department via Departments\n", "");
    let references = program(&plain).plans.into_iter().flat_map(|it| it.references).map(|it| it.is_deferrable);
    assert_eq!(references.collect::<Vec<_>>(), [false]);
}

/// The order names its customer by the table's key, and stands before the map that makes the rows of that table.
const ORDERS: &str = "
system a profile exact
system b profile exact

entity a.Order {
  key No:   text<20>
  Customer: text<20>?
}
entity a.Customer {
  key Id: text<20>
  Order:  text<20>?
}

entity b.order {
  key orderid: guid
  unique (no)
  no:       text<20>
  customer: lookup b.customer?
}

entity b.customer {
  key customerid: guid
  unique (id)
  id:        text<20>
  lastorder: lookup b.order?
}

map Orders: a.Order <-> b.order {
  key No <-> no
  Customer <-> customer via b.customer(id)
  on conflict prefer a
  on delete <-> refuse
}

map Customers: a.Customer <-> b.customer {
  key Id <-> id
  on conflict prefer a
  on delete <-> refuse
}
";

#[test]
fn the_map_that_alone_makes_the_rows_of_a_table_comes_before_those_that_name_the_table() {
    let program = crate::stage::program(ORDERS);
    let order: Vec<&str> = program.order.iter().flatten().map(|it| program.plans[it.index()].name.as_str()).collect();
    assert_eq!(order, ["Customers", "Orders"]);
    // Two maps that reach each other by their tables only: the first reference counts, and no circle is closed.
    let both = ORDERS.replace("key Id <-> id\n", "key Id <-> id\n  Order <-> lastorder via b.order(no)\n");
    assert_ne!(both, ORDERS);
    let program = crate::stage::program(&both);
    let awaited: Vec<Option<&str>> = program.plans.iter().map(|it| it.references[0].plan.as_deref()).collect();
    assert_eq!(awaited, [Some("Customers"), None]);
}

#[tokio::test]
async fn a_row_that_waits_for_a_row_of_a_table_goes_on_when_its_map_has_made_it() {
    let mut stage = Stage::new(ORDERS);
    stage.deployment.initial(None).await.expect("both systems answer");
    stage.insert(0, "Order", &[("No", Value::text("1")), ("Customer", Value::text("C"))]);
    stage.deployment.settle().await.expect("both systems answer");
    assert_eq!(stage.systems[1].rows("order").len(), 0, "its customer is not there");
    stage.insert(0, "Customer", &[("Id", Value::text("C"))]);
    stage.deployment.settle().await.expect("both systems answer");
    assert_eq!(stage.systems[1].rows("order").len(), 1, "no hour has passed");
}
