//! What stops a map, what is left alone, and who is served first.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use dwmap::change::{Answer, Class, Failure, Page, RemoteId, Seen, Side, Token, Write};
use dwmap::connect::memory::Memory;
use dwmap::connect::{Capabilities, Connector};
use dwmap::runtime::control::states::Hand;
use dwmap::runtime::deployment::{Deployment, Settings};
use dwmap::runtime::pipe::PipeId;
use dwmap::runtime::world::Scripted;
use dwmap::schema::Shape;
use dwmap::store::{Phase, Sqlite};
use dwmap::value::{Slot, Value};

use super::folder::Folder;
use super::stage::{Stage, fields_of, memory, program};

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
async fn a_command_to_several_maps_moves_all_of_them_or_none() {
    let mut stage = stage_with(1);
    stage.deployment.initial(None).await.unwrap();
    let program = stage.deployment.program.clone();
    let world = Scripted::default();
    let store = stage.deployment.store.as_mut();
    let mut hand = Hand { store, program: &program, world: &world, who: "ann", why: "" };
    let both = ["People".to_owned(), "Towns".to_owned()];
    hand.pause(&both[..1]).unwrap();
    hand.stop(&both[1..]).unwrap();
    let refused = hand.resume(&both, None).unwrap_err();
    assert!(refused.to_string().contains("the map Towns is stopped, not paused\n  = fix: `dwmap start Towns`"), "{refused}");
    assert_eq!(hand.store.standing("People").unwrap().phase, Phase::Paused, "nothing has moved");
    hand.resume(&both[..1], None).unwrap();
    hand.pause(&both).unwrap_err();
    assert_eq!(hand.store.standing("People").unwrap().phase, Phase::CatchingUp, "nothing has moved");
    hand.resume(&[], None).unwrap();
    hand.pause(&[]).unwrap();
    let phases = both.map(|it| hand.store.standing(&it).unwrap().phase);
    assert_eq!(phases, [Phase::Paused, Phase::Stopped], "maps that nobody named are left as they are");
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

/// A system that asks the next writers for ten minutes.
struct Busy {
    inner: Memory,
    refusals_left: AtomicUsize,
    asked: AtomicUsize,
}

#[async_trait]
impl Connector for Busy {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn feed(&self, shape: &Shape, after: Option<&Token>) -> Result<Page, Failure> {
        self.inner.feed(shape, after).await
    }

    async fn fetch(&self, shape: &Shape, ids: &[RemoteId]) -> Result<Vec<Option<Seen>>, Failure> {
        self.inner.fetch(shape, ids).await
    }

    async fn find(&self, shape: &Shape, slots: &[Slot], values: &[Value], limit: usize) -> Result<Vec<Seen>, Failure> {
        self.inner.find(shape, slots, values, limit).await
    }

    async fn find_created(&self, shape: &Shape, write: &Write) -> Result<Option<Seen>, Failure> {
        self.inner.find_created(shape, write).await
    }

    async fn write(&self, shape: &Shape, writes: &[Write]) -> Vec<Answer> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if self.refusals_left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |it| it.checked_sub(1)).is_err() {
            return self.inner.write(shape, writes).await;
        }
        let wait = Some(Duration::from_secs(600));
        let failure = Failure { retry_after: wait, ..Failure::new(Class::Throttled, "too many requests") };
        writes.iter().map(|_| Answer::Failed(failure.clone())).collect()
    }

    async fn scan(&self, shape: &Shape, after: Option<&Token>, limit: usize) -> Result<Page, Failure> {
        self.inner.scan(shape, after, limit).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_system_that_asks_for_time_gets_it_from_the_next_process_too() {
    let (folder, program, world) = (Folder::new("left-alone"), program(MAPS), Arc::new(Scripted::default()));
    let people = Arc::new(memory(&program, 0));
    let busy = Arc::new(Busy { inner: memory(&program, 1), refusals_left: AtomicUsize::new(0), asked: AtomicUsize::new(0) });
    let systems: [Arc<dyn Connector>; 2] = [people.clone(), busy.clone()];
    let open = || {
        let store = Box::new(Sqlite::open(folder.path.join("state.db")).unwrap());
        Deployment::open(program.clone(), &systems, store, world.clone(), Settings::default()).unwrap()
    };
    let mut first = open();
    first.initial(None).await.unwrap();
    busy.refusals_left.store(1, Ordering::SeqCst);
    people.insert("Person", fields_of(&[("Id", Value::text("k")), ("Name", Value::text("x"))])).unwrap();
    first.settle().await.unwrap();
    let told = |it: &Deployment| -> Vec<String> { it.left_alone().iter().map(|it| format!("{it:?}")).collect() };
    let before = told(&first);
    assert_eq!(before.len(), 1);
    drop(first);

    let mut second = open();
    assert_eq!(told(&second), before);
    second.settle().await.unwrap();
    assert_eq!(busy.asked.load(Ordering::SeqCst), 1, "it is not asked again");
    world.advance(Duration::from_secs(601));
    second.settle().await.unwrap();
    assert_eq!(busy.inner.rows("contact").len(), 1);
    drop(second);
    assert_eq!(told(&open()), Vec::<String>::new());
}
