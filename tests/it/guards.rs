//! What stops a map, what is left alone, and who is served first.

use dwmap::change::{Class, Side};
use dwmap::runtime::pipe::PipeId;
use dwmap::store::Phase;
use dwmap::value::Value;

use super::stage::{Stage, fields_of};

const MAPS: &str = "\
system a profile exact
system b profile exact

entity a.Person {
  key Id: text<20>
  Name:   text<60>
}

entity b.contact {
  key id: text<20>
  name:   text<20>
}

entity a.Town {
  key Code: text<20>
  Name:     text<60>
}

entity b.town {
  key code: text<20>
  name:     text<60>
}

map People: a.Person <-> b.contact {
  key Id <-> id
  Name -> name else reject
  on conflict prefer a
  on delete <-> delete
  on error pause
}

map Towns: a.Town <-> b.town {
  key Code <-> code
  Name <-> name
  on conflict prefer a
  on delete <-> delete
}
";

fn stage_with(people: u64) -> Stage {
    let stage = Stage::new(MAPS);
    for number in 0..people {
        stage.insert(0, "Person", &[("Id", Value::text(format!("k{number}"))), ("Name", Value::text("x"))]);
    }
    stage
}

#[tokio::test(start_paused = true)]
async fn a_table_that_somebody_emptied_blocks_the_map_until_a_person_lets_it_go_on() {
    let mut stage = stage_with(200);
    stage.deployment.initial(None).await.unwrap();
    for (id, _) in stage.systems[0].rows("Person").into_iter().take(150) {
        stage.systems[0].delete("Person", &id).unwrap();
    }
    stage.deployment.settle().await.unwrap();
    assert_eq!(stage.systems[1].rows("contact").len(), 190, "ten rows are no accident");
    let (phase, why) = stage.deployment.store.phase("People").unwrap();
    assert_eq!(phase, Phase::Blocked);
    assert!(why.starts_with("11 rows would be deleted on the right"), "{why}");

    stage.insert(0, "Town", &[("Code", Value::text("t")), ("Name", Value::text("T"))]);
    stage.deployment.settle().await.unwrap();
    assert_eq!(stage.systems[1].rows("town").len(), 1, "other maps go on");
    assert_eq!(stage.systems[1].rows("contact").len(), 190);

    stage.deployment.set_phase(PipeId(0), Phase::Running, "").unwrap();
    stage.deployment.settle().await.unwrap();
    assert_eq!(stage.systems[1].rows("contact").len(), 50);
    assert!(stage.deployment.compare(PipeId(0)).await.unwrap().agrees());
}

#[tokio::test(start_paused = true)]
async fn a_record_that_cannot_be_carried_pauses_a_map_that_says_so_and_loses_nothing() {
    let mut stage = stage_with(3);
    stage.deployment.initial(None).await.unwrap();
    let rows = stage.systems[0].rows("Person");
    let edit = |row: usize, name: &str| {
        stage.systems[0].update("Person", &rows[row].0, fields_of(&[("Name", Value::text(name))])).unwrap();
    };
    edit(0, "a name that is longer than twenty letters");
    stage.deployment.settle().await.unwrap();
    assert_eq!(stage.deployment.store.phase("People").unwrap().0, Phase::Paused);
    edit(1, "later");
    stage.deployment.settle().await.unwrap();
    assert_eq!(stage.value(1, "contact", ("id", "k1"), "name"), Value::text("x"), "it waits");
    edit(0, "short");
    stage.deployment.set_phase(PipeId(0), Phase::Running, "").unwrap();
    stage.deployment.settle().await.unwrap();
    assert_eq!(stage.value(1, "contact", ("id", "k0"), "name"), Value::text("short"));
    assert_eq!(stage.value(1, "contact", ("id", "k1"), "name"), Value::text("later"));
    assert_eq!(
        stage
            .deployment
            .store
            .held("People", 9)
            .unwrap()
            .iter()
            .filter(|it| it.hold.as_ref().unwrap().class == Class::Validation)
            .count(),
        0
    );
}

#[tokio::test(start_paused = true)]
async fn a_long_queue_of_one_map_does_not_keep_another_waiting() {
    let mut stage = stage_with(0);
    stage.deployment.initial(None).await.unwrap();
    for number in 0..500 {
        stage.insert(0, "Person", &[("Id", Value::text(format!("k{number}"))), ("Name", Value::text("x"))]);
    }
    stage.insert(0, "Town", &[("Code", Value::text("t")), ("Name", Value::text("T"))]);
    for id in stage.deployment.pipe_ids() {
        let pipe = stage.deployment.pipes[id.0].clone();
        let token = stage.deployment.store.stream(&pipe.plan.name, Side::Left).unwrap().token;
        let page = pipe.systems[Side::Left].feed(&pipe.plan.shapes[Side::Left], token.as_ref()).await.unwrap();
        let now = stage.deployment.world.now();
        stage.deployment.store.append(&pipe.plan.name, Side::Left, &page.changes, &page.next, true, now).unwrap();
    }
    assert!(stage.deployment.work(false).await.unwrap());
    assert_eq!(stage.systems[1].rows("town").len(), 1);
    assert!(stage.systems[1].rows("contact").len() < 100);
}
