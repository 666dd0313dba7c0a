//! `on missing create`: a row that another one refers to and that is not there yet is made by its own map, before its turn.

use std::sync::Arc;

use dwmap::change::RemoteId;
use dwmap::connect::Connector;
use dwmap::connect::memory::Memory;
use dwmap::runtime::deployment::{Deployment, Settings};
use dwmap::runtime::pipe::PipeId;
use dwmap::runtime::world::Scripted;
use dwmap::store::{Phase, Sqlite};
use dwmap::value::Value;

use super::folder::Folder;
use super::stage::{Stage, fields_of, memory, program};

const SALES: &str = "
system a profile exact
system b profile exact

entity a.Order {
  key No:   text<20>
  Customer: text<20> required
}
entity a.Customer {
  key Id: text<20>
  Name:   text<40>
  Kind:   text<10>
}

entity b.order {
  key orderid: guid
  unique (no)
  no:       text<20> required
  customer: lookup b.customer
}

entity b.customer {
  key customerid: guid
  unique (id)
  id:   text<20> required
  name: text<40> required
}

map Customers: a.Customer <-> b.customer {
  key Id <-> id
  filter Kind != \"private\" ->
  on exit detach
  if Name == \"\" then null else Name -> name   else reject
  Kind <- \"trade\" on create
  on conflict prefer a
  on delete <-> refuse
}

map Orders: a.Order <-> b.order {
  key No <-> no
  Customer <-> customer via Customers on missing create
  on conflict prefer a
  on delete <-> refuse
}
";

const CUSTOMERS: PipeId = PipeId(0);
const ORDERS: PipeId = PipeId(1);

fn order(stage: &Stage, number: &str, customer: &str) -> RemoteId {
    stage.insert(0, "Order", &[("No", Value::text(number)), ("Customer", Value::text(customer))])
}

fn customer(stage: &Stage, id: &str, name: &str, kind: &str) -> RemoteId {
    stage.insert(0, "Customer", &[("Id", Value::text(id)), ("Name", Value::text(name)), ("Kind", Value::text(kind))])
}

/// What waits in a map, in words.
fn held(stage: &mut Stage, plan: &str) -> Vec<String> {
    let links = stage.deployment.store.held(plan, 100).expect("the state can be read");
    links.into_iter().filter_map(|it| it.hold).map(|it| it.message).collect()
}

fn count(stage: &Stage, entity: &str) -> usize {
    stage.systems[1].rows(entity).len()
}

async fn running() -> Stage {
    let mut stage = Stage::new(SALES);
    stage.deployment.initial(None).await.expect("both systems answer");
    stage
}

/// Customers that no queue knows of: what was told of them was thrown away.
async fn with_forgotten(ids: &[&str]) -> Stage {
    let mut stage = running().await;
    for id in ids {
        customer(&stage, id, "name", "trade");
    }
    forget_queue(&mut stage).await;
    stage
}

async fn forget_queue(stage: &mut Stage) {
    stage.deployment.set_phase(CUSTOMERS, Phase::Paused, "").expect("the state can be written");
    stage.deployment.settle().await.expect("both systems answer");
    let store = &mut stage.deployment.store;
    let queued = store.pending("Customers", 1000).expect("the state can be read");
    let done: Vec<_> = queued.iter().map(|it| ("Customers".to_owned(), it.side, it.seq)).collect();
    store.commit(&[], &done).expect("the state can be written");
    stage.deployment.set_phase(CUSTOMERS, Phase::Running, "").expect("the state can be written");
}

#[tokio::test]
async fn a_row_that_is_missed_is_made_although_no_feed_tells_of_it() {
    let mut stage = with_forgotten(&["C", "D"]).await;
    order(&stage, "1", "C");
    stage.deployment.settle().await.expect("both systems answer");
    assert_eq!((count(&stage, "order"), count(&stage, "customer")), (1, 1), "C alone is missed");
    assert_eq!(held(&mut stage, "Orders"), Vec::<String>::new());
    assert_eq!(stage.value(1, "customer", ("id", "C"), "name"), Value::text("name"));
}

#[tokio::test]
async fn what_waits_without_create_waits_for_ever() {
    let parked = SALES.replace(" on missing create", "");
    let mut stage = Stage::new(&parked);
    stage.deployment.initial(None).await.expect("both systems answer");
    customer(&stage, "C", "name", "trade");
    forget_queue(&mut stage).await;
    order(&stage, "1", "C");
    stage.deployment.settle().await.expect("both systems answer");
    assert_eq!((count(&stage, "order"), count(&stage, "customer")), (0, 0));
}

/// Both sides refer to rows, in companies of their own.
const COMPANIES: &str = "
system a profile exact
system b profile exact

entity a.Order {
  partition key Company: text<4>
  key No:   text<20>
  Customer: lookup a.Customer?
}
entity a.Customer {
  key RecId: guid
  unique (Company, Number)
  partition Company: text<4>
  Number:   text<20>
}

entity b.order {
  key orderid: guid
  unique (company, no)
  partition company: text<4>
  no:       text<20>
  customer: lookup b.customer?
}
entity b.customer {
  key customerid: guid
  unique (company, number)
  partition company: text<4>
  number:  text<20>
}

map Customers: a.Customer <-> b.customer {
  partition Company <-> company
  key Number <-> number
  on conflict prefer a
  on delete <-> refuse
}

map Orders: a.Order <-> b.order {
  partition Company <-> company
  key No <-> no
  Customer <-> customer via Customers on missing create
  on conflict prefer a
  on delete <-> refuse
}
";

fn guid(number: u128) -> Value {
    Value::Guid(dwmap::value::Uuid::from_u128(number))
}

/// The company is a part of every key.
fn address(id: &Value) -> Value {
    Value::Tuple(vec![id.clone(), Value::text("demf")].into())
}

#[tokio::test]
async fn a_row_of_a_company_is_made_on_either_side() {
    // Where the orders are told, and the names of the fields there and on the other side.
    let names = [
        ["Company", "Number", "RecId", "Customer", "Order", "Customer"],
        ["company", "number", "customerid", "customer", "order", "customer"],
    ];
    for from in [0, 1] {
        let [own, other] = [names[from], names[1 - from]];
        let mut stage = Stage::new(COMPANIES);
        stage.deployment.initial(None).await.expect("both systems answer");
        for (number, company) in [(1, "usmf"), (2, "demf")] {
            let fields = [(own[2], guid(number)), (own[0], Value::text(company)), (own[1], Value::text("C"))];
            stage.insert(from, own[5], &fields);
        }
        forget_queue(&mut stage).await;
        let number = if from == 0 { "No" } else { "no" };
        let mut fields = vec![(own[0], Value::text("demf")), (number, Value::text("1")), (own[3], address(&guid(2)))];
        fields.extend((from == 1).then(|| ("orderid", guid(3))));
        stage.insert(from, own[4], &fields);
        stage.deployment.settle().await.expect("both systems answer");
        assert_eq!(held(&mut stage, "Orders"), Vec::<String>::new());
        let made = stage.systems[1 - from].rows(other[5]);
        assert_eq!(made.len(), 1, "that of the other company is not missed: {made:?}");
        assert_eq!(made[0].1[other[0]], Value::text("demf"));
        let orders = stage.systems[1 - from].rows(other[4]);
        assert_eq!(orders[0].1[other[3]], address(&made[0].1[other[2]]));
    }
}

#[tokio::test]
async fn it_comes_before_those_that_wait_in_its_queue() {
    let mut stage = running().await;
    stage.deployment.set_phase(CUSTOMERS, Phase::Paused, "").expect("the state can be written");
    for number in 0..1000 {
        customer(&stage, &format!("C{number}"), "name", "trade");
    }
    order(&stage, "1", "C999");
    stage.deployment.settle().await.expect("both systems answer");
    stage.deployment.set_phase(CUSTOMERS, Phase::Running, "").expect("the state can be written");
    let mut rounds = 0;
    while count(&stage, "order") == 0 {
        rounds += 1;
        assert!(stage.deployment.work(false).await.expect("the state can be written"), "the order is made some time");
    }
    assert!(rounds <= 4 && count(&stage, "customer") < 500, "{rounds} rounds, {} customers", count(&stage, "customer"));
    stage.deployment.settle().await.expect("both systems answer");
    assert_eq!(count(&stage, "customer"), 1000, "the others follow, each once");
}

#[tokio::test]
async fn a_worker_that_dies_in_between_loses_nothing() {
    let program = program(SALES);
    let systems = [0, 1].map(|it| Arc::new(memory(&program, it)));
    let folder = Folder::new("summon");
    let file = folder.path.join("state.sqlite");
    let open = |systems: &[Arc<Memory>; 2]| {
        let connectors = systems.clone().map(|it| -> Arc<dyn Connector> { it });
        let store = Sqlite::open(&file).expect("nobody else has the file");
        let world = Arc::new(Scripted::default());
        let deployment = Deployment::open(program.clone(), &connectors, Box::new(store), world, Settings::default());
        Stage { systems: systems.clone(), deployment: deployment.expect("the state can be opened") }
    };
    let mut stage = open(&systems);
    stage.deployment.initial(None).await.expect("both systems answer");
    customer(&stage, "C", "name", "trade");
    forget_queue(&mut stage).await;
    stage.deployment.set_phase(ORDERS, Phase::Paused, "").expect("the state can be written");
    order(&stage, "1", "C");
    stage.deployment.settle().await.expect("both systems answer");
    stage.deployment.set_phase(ORDERS, Phase::Running, "").expect("the state can be written");
    // One round: the order is parked, and its customer noted. Then the worker is gone, with all that it knew.
    assert!(stage.deployment.work(false).await.expect("the state can be written"));
    assert_eq!((count(&stage, "order"), count(&stage, "customer")), (0, 0));
    assert_eq!(stage.deployment.store.figures("Customers").expect("the state can be read").unconfirmed, 1);
    drop(stage);
    let mut stage = open(&systems);
    stage.deployment.settle().await.expect("both systems answer");
    assert_eq!((count(&stage, "order"), count(&stage, "customer")), (1, 1));
}

/// The order waits, and says why in these words.
async fn check_waits(stage: &mut Stage, why: &str) {
    stage.deployment.settle().await.expect("both systems answer");
    assert_eq!(count(stage, "order"), 0);
    let said = held(stage, "Orders");
    assert_eq!(said, [format!("`customer`: there is no customer with the key \"C\"; {why}")]);
}

#[tokio::test]
async fn a_map_that_does_not_run_is_named_and_asked_when_it_does() {
    let mut stage = with_forgotten(&["C"]).await;
    stage.deployment.set_phase(CUSTOMERS, Phase::Paused, "").expect("the state can be written");
    order(&stage, "1", "C");
    check_waits(&mut stage, "Customers cannot make it: it is paused").await;
    stage.deployment.set_phase(CUSTOMERS, Phase::Running, "").expect("the state can be written");
    stage.deployment.settle().await.expect("both systems answer");
    assert_eq!(count(&stage, "order"), 1, "no hour has passed");
}

#[tokio::test]
async fn a_row_outside_of_the_filter_is_not_made() {
    let mut stage = running().await;
    let row = customer(&stage, "C", "name", "private");
    order(&stage, "1", "C");
    check_waits(&mut stage, "the filter of Customers leaves it out on the left").await;
    assert_eq!(count(&stage, "customer"), 0);
    stage.systems[0].update("Customer", &row, fields_of(&[("Kind", Value::text("trade"))])).expect("the row is there");
    stage.deployment.settle().await.expect("both systems answer");
    assert_eq!(count(&stage, "order"), 1);
}

#[tokio::test]
async fn a_row_that_its_map_refuses_is_the_reason() {
    let mut stage = running().await;
    let row = customer(&stage, "C", "", "trade");
    forget_queue(&mut stage).await;
    order(&stage, "1", "C");
    stage.deployment.settle().await.expect("both systems answer");
    let refused = held(&mut stage, "Customers");
    assert_eq!(refused.len(), 1, "{refused:?}");
    check_waits(&mut stage, &format!("Customers holds it: {}", refused[0])).await;
    stage.systems[0].update("Customer", &row, fields_of(&[("Name", Value::text("n"))])).expect("the row is there");
    stage.deployment.settle().await.expect("both systems answer");
    assert_eq!(count(&stage, "order"), 1);
}

#[tokio::test]
async fn a_row_that_is_nowhere_is_not_made_up() {
    let mut stage = running().await;
    order(&stage, "1", "C");
    check_waits(&mut stage, "nor is there one on the left of Customers to make it from").await;
    assert_eq!(count(&stage, "customer"), 0);
    customer(&stage, "C", "name", "trade");
    stage.deployment.settle().await.expect("both systems answer");
    assert_eq!((count(&stage, "order"), count(&stage, "customer")), (1, 1));
}

#[tokio::test]
async fn many_that_miss_one_row_make_it_once() {
    let mut stage = with_forgotten(&["C"]).await;
    for number in 0..250 {
        order(&stage, &number.to_string(), "C");
    }
    stage.deployment.settle().await.expect("both systems answer");
    assert_eq!((count(&stage, "order"), count(&stage, "customer")), (250, 1));
    assert_eq!(stage.systems[1].engine_writes("customer"), 1);
    assert_eq!(stage.deployment.store.figures("Customers").expect("the state can be read").unconfirmed, 0);
}

/// People and departments refer to each other, and people to those that they report to.
const STAFF: &str = "
system a profile exact
system b profile exact

entity a.Department {
  key Code: text<20>
  Head:     text<20>?
}
entity a.Person {
  key Id:     text<20>
  Department: text<20>?
  Boss:       text<20>?
}

entity b.department {
  key departmentid: guid
  unique (code)
  code: text<20> required
  head: lookup b.person?
}
entity b.person {
  key personid: guid
  unique (id)
  id:         text<20> required
  department: lookup b.department?
  boss:       lookup b.person?
}

map Departments: a.Department <-> b.department {
  key Code <-> code
  Head <-> head via People
  on missing create
  on conflict prefer a
  on delete <-> refuse
}

map People: a.Person <-> b.person {
  key Id <-> id
  Department <-> department via Departments
  Boss <-> boss via People
  on missing create
  on conflict prefer a
  on delete <-> refuse
}
";

#[tokio::test]
async fn circles_and_rows_that_refer_to_themselves_are_made_whole() {
    let mut stage = Stage::new(STAFF);
    stage.deployment.initial(None).await.expect("both systems answer");
    stage.insert(0, "Department", &[("Code", Value::text("x")), ("Head", Value::text("1"))]);
    for (id, boss) in [("1", "1"), ("2", "1"), ("3", "2")] {
        let fields = [("Id", Value::text(id)), ("Department", Value::text("x")), ("Boss", Value::text(boss))];
        stage.insert(0, "Person", &fields);
    }
    for id in [PipeId(0), PipeId(1)] {
        stage.deployment.set_phase(id, Phase::Paused, "").expect("the state can be written");
    }
    stage.deployment.settle().await.expect("both systems answer");
    // Of all that was told, only the last person is left in a queue.
    for plan in ["Departments", "People"] {
        let store = &mut stage.deployment.store;
        let queued = store.pending(plan, 100).expect("the state can be read");
        let others = queued.iter().filter(|it| it.change.id().0 != "3");
        let done: Vec<_> = others.map(|it| (plan.to_owned(), it.side, it.seq)).collect();
        store.commit(&[], &done).expect("the state can be written");
    }
    for id in [PipeId(0), PipeId(1)] {
        stage.deployment.set_phase(id, Phase::Running, "").expect("the state can be written");
    }
    stage.deployment.settle().await.expect("both systems answer");
    let id = |stage: &Stage, key: &str| stage.value(1, "person", ("id", key), "personid");
    for (person, boss) in [("1", "1"), ("2", "1"), ("3", "2")] {
        assert_eq!(stage.value(1, "person", ("id", person), "boss"), id(&stage, boss), "boss of {person}");
        let department = stage.value(1, "department", ("code", "x"), "departmentid");
        assert_eq!(stage.value(1, "person", ("id", person), "department"), department, "department of {person}");
    }
    assert_eq!(stage.value(1, "department", ("code", "x"), "head"), id(&stage, "1"));
    for plan in ["Departments", "People"] {
        assert_eq!(held(&mut stage, plan), Vec::<String>::new(), "{plan}");
    }
}

const REAL: &str = "\
system a profile sqlite
system b profile sqlite

entity a.customer {
  key id: text<20>
  name:   text<60>
}
entity a.purchase {
  key no:   text<20>
  customer: text<20>
}
entity b.client {
  key number: text<20>
  title:      text<60>
}
entity b.sale {
  key no: text<20>
  client: lookup b.client
}

map Customers: a.customer <-> b.client {
  key id <-> number
  name <-> title
  on conflict prefer a
  on delete <-> refuse
}

map Orders: a.purchase <-> b.sale {
  key no <-> no
  customer <-> client via Customers on missing create
  on conflict prefer a
  on delete <-> refuse
}
";

const SETTINGS: &str =
    "[systems.a]\nconnector = \"sqlite\"\npath = \"a.db\"\n[systems.b]\nconnector = \"sqlite\"\npath = \"b.db\"\n";

/// A customer whose change was thrown away, and an order of it that waits in the queue.
fn real_pair() -> Folder {
    let folder = Folder::new("summon");
    folder.write("maps.dwmap", REAL);
    folder.write("dwmap.toml", SETTINGS);
    folder.sql(
        "a.db",
        "CREATE TABLE customer(id TEXT PRIMARY KEY, name TEXT); CREATE TABLE purchase(no TEXT PRIMARY KEY, customer TEXT);",
    );
    folder.sql(
        "b.db",
        "CREATE TABLE client(number TEXT PRIMARY KEY, title TEXT); CREATE TABLE sale(no TEXT PRIMARY KEY, client TEXT);",
    );
    let ok = |arguments: &[&str]| {
        let said = folder.dwmap(arguments);
        assert_eq!(said.exit, Some(0), "{arguments:?}: {said:?}");
    };
    ok(&["run", "--initial", "--once"]);
    ok(&["pause"]);
    folder.sql("a.db", "INSERT INTO customer VALUES ('C', 'Ada'), ('D', 'Bo'); INSERT INTO purchase VALUES ('1', 'C');");
    ok(&["run", "--once"]);
    ok(&["resume", "Customers", "--skip", "discard"]);
    ok(&["resume", "Orders"]);
    folder
}

#[test]
fn the_real_program_makes_it_once_wherever_it_is_ended() {
    let places = [
        "work.taken",
        "commit.begun",
        "commit.link",
        "commit.summons",
        "commit.written",
        "commit.durable",
        "round.sent",
        "round.landed",
        "conclude.written",
    ];
    for place in places {
        for nth in 1..=3 {
            let folder = real_pair();
            let mut command = folder.command(&["run", "--once"]);
            let ended = command.env(dwmap::failpoint::VARIABLE, format!("{place}:{nth}")).output().expect("the program is there");
            let again = folder.dwmap(&["run", "--once"]);
            assert_eq!(again.exit, Some(0), "{place}:{nth}: {again:?}");
            let there = folder.sql("b.db", "SELECT number, title FROM client; SELECT no, client FROM sale;");
            assert_eq!(there.trim(), "C|Ada\n1|C", "{place}:{nth}");
            if nth == 1 {
                assert!(!ended.status.success(), "{place} is passed");
            }
        }
    }
}
