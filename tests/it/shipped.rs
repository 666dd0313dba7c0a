//! Mistakes that another product shipped and mended: one test each, by the wrong outcome that people saw. The ones that a compiler
//! or another test of ours rules out are listed in `tests/README.md`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use dwmap::change::RemoteId;
use dwmap::runtime::deployment::Settings;
use dwmap::runtime::guard::Guards;
use dwmap::runtime::pipe::PipeId;
use dwmap::store::Phase;
use dwmap::value::{Decimal, Timestamp, Value};

use super::stage::{Stage, fields_of};

const MAP: &str = "\
system fo profile exact
system dv profile exact

entity fo.Warehouse {
  key Id:  text<10>
  Name:    text<60>?
  Short:   text<60>?
  Price:   decimal<18,2>?
  Expires: datetime?
  Parent:  text<10>?
}

entity dv.warehouse {
  key id:  text<10>
  name:    text<60>?
  short:   text<5>?
  price:   decimal<18,2>?
  expires: datetime?
  parent:  lookup dv.warehouse?
}

map Warehouses: fo.Warehouse <-> dv.warehouse {
  key Id <-> id
  Name           <-> name
  take(Short, 5) <~> short   loses \"what stands after 5 letters when it is edited there\"
  Price          <-> price
  Expires        <-> expires
  Parent         <-> parent via Warehouses
  on conflict prefer fo
  on delete <-> delete
}
";

const LEFT: (usize, &str, &str) = (0, "Warehouse", "Id");
const RIGHT: (usize, &str, &str) = (1, "warehouse", "id");

struct Pair(Stage);

impl Pair {
    /// Two systems with a warehouse, in step.
    async fn new(fields: &[(&str, Value)]) -> Self {
        let stage = Stage::new(MAP);
        let mut row = vec![("Id", Value::text("w"))];
        row.extend(fields.iter().cloned());
        stage.insert(0, "Warehouse", &row);
        let mut pair = Self(stage);
        pair.0.deployment.initial(None).await.unwrap();
        pair
    }

    fn id(&self, (system, entity, key): (usize, &str, &str), of: &str) -> RemoteId {
        let rows = self.0.systems[system].rows(entity);
        rows.into_iter().find(|(_, row)| row.get(key) == Some(&Value::text(of))).expect("the row is there").0
    }

    fn edit(&self, side: (usize, &str, &str), field: &str, value: Value) {
        let id = self.id(side, "w");
        self.0.systems[side.0].update(side.1, &id, fields_of(&[(field, value)])).unwrap();
    }

    fn value(&self, (system, entity, key): (usize, &str, &str), of: &str, field: &str) -> Value {
        self.0.value(system, entity, (key, of), field)
    }

    async fn settle(&mut self) {
        self.0.deployment.settle().await.unwrap();
    }
}

fn at(text: &str) -> Value {
    Value::DateTime(text.parse::<Timestamp>().expect("it is an instant"))
}

#[tokio::test(start_paused = true)]
async fn text_that_is_shorter_than_the_cut_is_no_error() {
    for (long, short) in [("ab", "ab"), ("", ""), ("abcde", "abcde"), ("abcdefg", "abcde")] {
        let pair = Pair::new(&[("Short", Value::text(long))]).await;
        assert_eq!(pair.value(RIGHT, "w", "short"), Value::text(short));
    }
    let pair = Pair::new(&[("Short", Value::Null)]).await;
    assert_eq!(pair.value(RIGHT, "w", "short"), Value::Null);
}

#[tokio::test(start_paused = true)]
async fn zero_is_a_value() {
    let price = |cents: i128| Value::Decimal(Decimal::new(cents, 2).expect("it is small"));
    let mut pair = Pair::new(&[("Price", price(1_050))]).await;
    pair.edit(RIGHT, "price", price(0));
    pair.settle().await;
    assert_eq!(pair.value(LEFT, "w", "Price"), price(0));
}

#[tokio::test(start_paused = true)]
async fn null_empty_and_untouched_are_three_things() {
    let mut pair = Pair::new(&[("Name", Value::text("North"))]).await;
    pair.edit(RIGHT, "name", Value::text(""));
    pair.settle().await;
    assert_eq!(pair.value(LEFT, "w", "Name"), Value::text(""));
    pair.edit(RIGHT, "name", Value::Null);
    pair.settle().await;
    assert_eq!(pair.value(LEFT, "w", "Name"), Value::Null);
    pair.edit(LEFT, "Name", Value::text("South"));
    pair.settle().await;
    pair.edit(LEFT, "Short", Value::text("S"));
    pair.settle().await;
    assert_eq!(pair.value(RIGHT, "w", "name"), Value::text("South"));
}

/// Also where the other side was edited in another field at the same time.
#[tokio::test(start_paused = true)]
async fn write_of_one_field_leaves_all_others_as_they_are() {
    let mut pair = Pair::new(&[("Name", Value::text("North")), ("Short", Value::text("N"))]).await;
    pair.edit(LEFT, "Short", Value::text("NN"));
    pair.edit(RIGHT, "name", Value::text("North pole"));
    pair.settle().await;
    for (side, name, short) in [(LEFT, "Name", "Short"), (RIGHT, "name", "short")] {
        assert_eq!(pair.value(side, "w", name), Value::text("North pole"));
        assert_eq!(pair.value(side, "w", short), Value::text("NN"));
    }
}

/// Unless the map says that it follows (`on rekey rename`), a person has to look.
#[tokio::test(start_paused = true)]
async fn another_key_makes_no_second_row() {
    let mut pair = Pair::new(&[]).await;
    pair.edit(LEFT, "Id", Value::text("v"));
    pair.settle().await;
    assert_eq!([0, 1].map(|it| pair.0.systems[it].rows([LEFT.1, RIGHT.1][it]).len()), [1, 1]);
    let held = pair.0.deployment.store.held("Warehouses", 10).unwrap();
    let codes: Vec<_> = held.iter().filter_map(|it| it.hold.as_ref()?.code.as_deref()).collect();
    assert_eq!(codes, ["DW0403"]);
    pair.0.systems[0].update(LEFT.1, &pair.id(LEFT, "v"), fields_of(&[("Id", Value::text("w"))])).unwrap();
    pair.settle().await;
    assert_eq!(pair.0.deployment.store.held("Warehouses", 10).unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn an_instant_is_the_same_by_the_initial_sync_live_and_from_a_queue() {
    // The last one is what a system says instead of `never`.
    let instants = ["2025-03-30T01:30:00Z", "1900-01-01T00:00:00Z", "2154-12-31T23:59:59Z"];
    for instant in instants {
        let mut pair = Pair::new(&[("Expires", at(instant))]).await;
        assert_eq!(pair.value(RIGHT, "w", "expires"), at(instant), "by the initial sync");
        for phase in [Phase::Running, Phase::Paused] {
            pair.edit(LEFT, "Expires", Value::Null);
            pair.settle().await;
            pair.0.deployment.set_phase(PipeId(0), phase, "").unwrap();
            pair.edit(LEFT, "Expires", at(instant));
            pair.settle().await;
            pair.0.deployment.set_phase(PipeId(0), Phase::Running, "").unwrap();
            pair.settle().await;
            assert_eq!(pair.value(RIGHT, "w", "expires"), at(instant), "{phase:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn queue_that_is_caught_up_does_not_undo_what_came_later() {
    let mut pair = Pair::new(&[("Name", Value::text("one")), ("Short", Value::text("s"))]).await;
    pair.0.deployment.set_phase(PipeId(0), Phase::Paused, "").unwrap();
    for name in ["two", "three"] {
        pair.edit(LEFT, "Name", Value::text(name));
        pair.settle().await;
    }
    pair.edit(RIGHT, "short", Value::text("later"));
    pair.0.deployment.set_phase(PipeId(0), Phase::Running, "").unwrap();
    pair.edit(LEFT, "Name", Value::text("four"));
    pair.settle().await;
    assert_eq!(pair.value(RIGHT, "w", "name"), Value::text("four"));
    assert_eq!(pair.value(LEFT, "w", "Short"), Value::text("later"));
    assert_eq!(
        pair.0.deployment.stats[0].total_writes(),
        3,
        "the create, one write to each side, and none of the states between"
    );
}

#[tokio::test(start_paused = true)]
async fn reference_to_nothing_is_nothing() {
    let mut pair = Pair::new(&[("Parent", Value::Null)]).await;
    assert_eq!(pair.value(RIGHT, "w", "parent"), Value::Null);
    pair.edit(LEFT, "Parent", Value::text("w"));
    pair.settle().await;
    assert_ne!(pair.value(RIGHT, "w", "parent"), Value::Null);
    pair.edit(RIGHT, "parent", Value::Null);
    pair.settle().await;
    assert_eq!(pair.value(LEFT, "w", "Parent"), Value::Null);
}

#[tokio::test(start_paused = true)]
async fn rows_that_are_edited_during_the_initial_sync_are_all_there() {
    let stage = Stage::new(MAP);
    for number in 0..1_500 {
        stage.insert(0, "Warehouse", &[("Id", Value::text(format!("w{number}"))), ("Name", Value::text("old"))]);
    }
    let Stage { systems, mut deployment } = stage;
    // Nobody is alarmed by the deletes.
    deployment.set_settings(Settings { guards: Guards { deletes: None, changes: None }, ..deployment.settings });
    let people = async {
        let ids: Vec<RemoteId> = systems[0].rows("Warehouse").into_iter().map(|(id, _)| id).collect();
        for (number, id) in ids.iter().enumerate().step_by(7) {
            match number % 3 {
                0 => systems[0].update("Warehouse", id, fields_of(&[("Name", Value::text("new"))])).unwrap(),
                1 => systems[0].delete("Warehouse", id).unwrap(),
                _ => {
                    let (system, entity, key) = if number % 2 == 0 { LEFT } else { RIGHT };
                    systems[system].insert(entity, fields_of(&[(key, Value::text(format!("n{number}")))])).map(drop).unwrap();
                }
            }
            tokio::task::yield_now().await;
        }
    };
    let (done, ()) = tokio::join!(deployment.initial(None), people);
    done.unwrap();
    deployment.settle().await.unwrap();
    let names = |system: usize, entity: &str, key: &str, name: &str| {
        let rows = systems[system].rows(entity);
        let mut all: Vec<_> = rows.into_iter().map(|(_, it)| (it.get(key).cloned(), it.get(name).cloned())).collect();
        all.sort();
        all
    };
    assert_eq!(names(0, "Warehouse", "Id", "Name"), names(1, "warehouse", "id", "name"));
    assert!(deployment.compare(PipeId(0)).await.unwrap().agrees());
}

/// Nothing is passed over without a trace: what is held stands on the desk, and what was decided in the record's history.
#[tokio::test(start_paused = true)]
async fn row_that_is_not_carried_says_so() {
    let mut pair = Pair::new(&[]).await;
    pair.edit(LEFT, "Parent", Value::text("nobody"));
    pair.settle().await;
    let held = pair.0.deployment.store.held("Warehouses", 10).unwrap();
    let [link] = held.as_slice() else { panic!("one link is held: {held:?}") };
    let hold = link.hold.as_ref().expect("it is held");
    assert!(hold.message.contains("nobody"), "{hold:?}");
    let history = pair.0.deployment.store.activity(link.id, 10).unwrap();
    assert!(history.iter().any(|it| it.text == hold.message), "{history:?}");
}
