//! Verify in a process that works on: nothing waits for it, and it finds the same; a steady watch finds drift by itself.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use dwmap::change::{Answer, Failure, Page, RemoteId, Seen, Token, Version, Write};
use dwmap::connect::{Capabilities, Connector};
use dwmap::runtime::control::ask::{Ask, FORMAT_VERSION, Reply, Request};
use dwmap::runtime::deployment::{Deployment, Settings};
use dwmap::runtime::live::Shutdown;
use dwmap::runtime::world::World;
use dwmap::schema::Shape;
use dwmap::store::Sqlite;
use dwmap::value::{Slot, Timestamp, Uuid, Value};

use super::stage::{Stage, fields_of, program};

const MAP: &str = "\
system a profile exact
system b profile exact

entity a.Person {
  key Id: text<20>
  Name: text<60>
}

entity b.contact {
  key id: text<20>
  name: text<60>
}

map People: a.Person <-> b.contact {
  key Id <-> id
  Name <-> name
  on conflict prefer a
  on delete <-> delete
}
";

const ROWS: usize = 450;
/// How long a system takes for a page of a full reading.
const SLOW: Duration = Duration::from_secs(600);

/// Answers at once, but for full readings.
struct Slow(Arc<dyn Connector>);

#[async_trait]
impl Connector for Slow {
    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }
    async fn feed(&self, shape: &Shape, after: Option<&Token>) -> Result<Page, Failure> {
        self.0.feed(shape, after).await
    }
    async fn fetch(&self, shape: &Shape, ids: &[RemoteId]) -> Result<Vec<Option<Seen>>, Failure> {
        self.0.fetch(shape, ids).await
    }
    async fn find(&self, shape: &Shape, slots: &[Slot], values: &[Value], limit: usize) -> Result<Vec<Seen>, Failure> {
        self.0.find(shape, slots, values, limit).await
    }
    async fn find_created(&self, shape: &Shape, write: &Write) -> Result<Option<Seen>, Failure> {
        self.0.find_created(shape, write).await
    }
    async fn write(&self, shape: &Shape, writes: &[Write]) -> Vec<Answer> {
        self.0.write(shape, writes).await
    }
    fn order(&self, one: &Version, other: &Version) -> Option<std::cmp::Ordering> {
        self.0.order(one, other)
    }
    async fn scan(&self, shape: &Shape, after: Option<&Token>, limit: usize) -> Result<Page, Failure> {
        tokio::time::sleep(SLOW).await;
        self.0.scan(shape, after, limit).await
    }
}

/// The clock of the test's own runtime, which jumps to the next thing that is due.
struct Paused {
    start: tokio::time::Instant,
    ids: std::sync::atomic::AtomicU64,
}

impl World for Paused {
    fn now(&self) -> Timestamp {
        let start = Timestamp::from_second(1_767_225_600).expect("it is within jiff's range");
        start.checked_add(self.start.elapsed()).expect("a test ends")
    }
    fn fresh_id(&self) -> Uuid {
        Uuid::from_u128(u128::from(self.ids.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) + 1)
    }
}

/// The map at work on many rows, with this many links a minute under the steady watch.
async fn stage(sample_per_minute: u32) -> Stage {
    let program = program(MAP);
    let systems = [0, 1].map(|it| Arc::new(super::stage::memory(&program, it)));
    let connectors = systems.clone().map(|it| -> Arc<dyn Connector> { Arc::new(Slow(it)) });
    let world = Arc::new(Paused { start: tokio::time::Instant::now(), ids: Default::default() });
    let settings = Settings { sample_per_minute, ..Settings::default() };
    let store = Box::new(Sqlite::in_memory().expect("memory is there"));
    let deployment = Deployment::open(program, &connectors, store, world, settings).expect("an empty state can be opened");
    let mut stage = Stage { systems, deployment };
    for number in 0..ROWS {
        let text = |it: &str| Value::text(format!("{it}{number}"));
        stage.insert(0, "Person", &[("Id", text("k")), ("Name", text("n"))]);
    }
    stage.deployment.initial(None).await.expect("both systems answer");
    stage.deployment.settle().await.expect("both systems answer");
    stage
}

fn row(stage: &Stage, side: usize, key: &str) -> RemoteId {
    let rows = stage.systems[side].rows(["Person", "contact"][side]);
    rows.into_iter().find(|(_, row)| row.values().any(|it| *it == Value::text(key))).expect("the row is there").0
}

fn bend(stage: &Stage, keys: &[&str]) {
    for key in keys {
        let id = row(stage, 1, key);
        stage.systems[1].corrupt("contact", &id, fields_of(&[("name", Value::text("bent"))])).expect("the row is there");
    }
}

#[tokio::test(start_paused = true)]
async fn changes_are_carried_while_a_slow_system_is_compared() {
    let mut stage = stage(0).await;
    bend(&stage, &["k7", "k300", "k449"]);
    let (busy, left, right) = (row(&stage, 0, "k5"), stage.systems[0].clone(), stage.systems[1].clone());
    let caller = stage.deployment.listen();
    let (ender, shutdown) = Shutdown::new();
    let begun = tokio::time::Instant::now();
    let people = async {
        let ask = Ask::Verify { maps: Vec::new(), repair: false };
        let request = Request { format_version: FORMAT_VERSION, who: "ann".to_owned(), why: String::new(), ask };
        let verify = caller.ask(request);
        tokio::pin!(verify);
        for number in 1..=20 {
            let name = Value::text(format!("edit {number}"));
            left.update("Person", &busy, fields_of(&[("Name", name.clone())])).expect("the row is there");
            tokio::select! {
                _ = &mut verify => panic!("six slow pages take longer than this"),
                () = tokio::time::sleep(Duration::from_secs(30)) => {}
            }
            let rows = right.rows("contact");
            assert!(rows.iter().any(|(_, row)| row["name"] == name), "edit {number} was carried meanwhile");
        }
        let answer = verify.await.expect("both systems answer");
        ender.end();
        answer
    };
    let (ran, answer) = tokio::join!(stage.deployment.run(shutdown), people);
    ran.expect("the state can be written");
    let Reply::Verified { maps } = answer else { panic!("{answer:?}") };
    assert_eq!((maps[0].rows, maps[0].pairs, maps[0].differing), ([ROWS as u64; 2], ROWS as u64, 3));
    assert!(begun.elapsed() >= SLOW * 6, "three pages of each side were read");
}

#[tokio::test(start_paused = true)]
async fn a_repair_mends_what_was_bent_while_it_runs() {
    let mut stage = stage(0).await;
    bend(&stage, &["k7", "k300"]);
    let caller = stage.deployment.listen();
    let (ender, shutdown) = Shutdown::new();
    let people = async {
        let ask = Ask::Verify { maps: vec!["People".to_owned()], repair: true };
        let request = Request { format_version: FORMAT_VERSION, who: "ann".to_owned(), why: String::new(), ask };
        let answer = caller.ask(request).await.expect("both systems answer");
        ender.end();
        answer
    };
    let (ran, answer) = tokio::join!(stage.deployment.run(shutdown), people);
    ran.expect("the state can be written");
    let Reply::Verified { maps } = answer else { panic!("{answer:?}") };
    assert_eq!((maps[0].differing, maps[0].left_after_repair), (2, Some(0)));
}

#[tokio::test(start_paused = true)]
async fn the_steady_watch_comes_by_every_link_and_counts_drift() {
    let mut stage = stage(150).await;
    bend(&stage, &["k7", "k300"]);
    let (ender, shutdown) = Shutdown::new();
    let watch = async {
        // Three pages of 150, one a minute, and time to look at suspects again.
        tokio::time::sleep(Duration::from_secs(4 * 60)).await;
        ender.end();
    };
    let (ran, ()) = tokio::join!(stage.deployment.run(shutdown), watch);
    ran.expect("the state can be written");
    let found = stage.deployment.store.sampled("People").expect("the state can be read").expect("it was written");
    assert_eq!((found.last_drift.max(found.drift), found.last_links.max(found.links)), (2, ROWS as u64), "{found:?}");
}

#[tokio::test(start_paused = true)]
async fn too_many_compares_at_once_are_refused_and_not_forgotten() {
    let mut stage = stage(0).await;
    let caller = stage.deployment.listen();
    let (ender, shutdown) = Shutdown::new();
    let people = async {
        let asks: VecDeque<_> = (0..20)
            .map(|_| {
                let ask = Ask::Verify { maps: Vec::new(), repair: false };
                caller.ask(Request { format_version: FORMAT_VERSION, who: "ann".to_owned(), why: String::new(), ask })
            })
            .collect();
        let answers = futures::future::join_all(asks).await;
        ender.end();
        answers
    };
    let (ran, answers) = tokio::join!(stage.deployment.run(shutdown), people);
    ran.expect("the state can be written");
    let refused =
        answers.iter().filter(|it| matches!(it, Err(problem) if problem.to_string().contains("too many compares"))).count();
    let answered = answers.iter().filter(|it| it.is_ok()).count();
    assert_eq!(refused + answered, 20);
    assert!(answered >= 16 && refused > 0, "{answered} answered, {refused} refused");
}
