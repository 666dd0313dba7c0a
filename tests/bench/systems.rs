//! What lies around the mapping: JSON to slots and back, loading a program, commits of the store, the engine end to end.

use std::hint::black_box;
use std::path::PathBuf;
use std::sync::Arc;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput};
use dwmap::change::{LinkId, RemoteId, Side, Sides, Version};
use dwmap::connect::Connector;
use dwmap::connect::odata::rows::{self, Columns, Part};
use dwmap::connect::sqlite::Sqlite as Database;
use dwmap::engine::link::{Commit, Link, LinkState};
use dwmap::interp::{Lookups, Prepared};
use dwmap::ir::Program;
use dwmap::runtime::deployment::{Deployment, Settings};
use dwmap::runtime::world::Real;
use dwmap::store::{Outline, Sqlite, Store};
use dwmap::value::{Record, Uuid};

use super::{generate, job, program};

/// Rows of one page.
const PAGE_ROWS: usize = 200;
/// Rows of the pair of databases.
const PAIR_ROWS: usize = 2_000;
/// Commits of one turn of the store.
const COMMITS: usize = 1_000;

/// A folder that is removed in the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("dwmap-bench-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder can be made");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).expect("the folder is ours");
    }
}

/// A page of customers as it comes, its accounts as they are sent.
pub fn json(criterion: &mut Criterion) {
    let (prepared, lookups) = (Prepared::new(job::plan()), Lookups::default());
    let from = Columns::finops(&prepared.shapes[Side::Left]);
    let to = Columns::dataverse(&prepared.shapes[Side::Right]);
    let text = |it: &Record| from.body(it, |_, _| Ok(Part::Plain)).expect("all of it can be sent");
    let texts: Vec<String> = job::records::records(7, PAGE_ROWS).iter().map(text).collect();
    let page = format!("{{\"value\":[{}]}}", texts.join(","));
    let read = |page: &str| rows::page(&from, page.as_bytes(), |it| Ok(it.record().0)).expect("it is JSON").rows.expect("rows");
    let map = |it: &Record| {
        let is_meant = prepared.in_scope(&lookups, Side::Left, it).expect("it is right");
        is_meant.then(|| prepared.put(&lookups, Side::Right, it, None).expect("it is right"))
    };
    let sent = |it: &Record| to.body(it, |_, _| Ok(Part::Plain)).expect("all of it can be sent");
    let records = read(&page);
    let accounts: Vec<Record> = records.iter().filter_map(map).collect();
    let mut group = criterion.benchmark_group("json");
    group.sample_size(20).throughput(Throughput::Elements(PAGE_ROWS as u64));
    group.bench_function("to slots", |it| it.iter(|| read(black_box(&page))));
    group.bench_function("from slots", |it| it.iter(|| accounts.iter().map(sent).map(black_box).count()));
    group.bench_function("to slots, mapped, from slots", |it| {
        it.iter(|| read(black_box(&page)).iter().filter_map(map).for_each(|it| drop(black_box(sent(&it)))));
    });
    group.finish();
}

/// A compiled program, read and prepared.
pub fn loading(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("load");
    group.sample_size(10);
    for maps in [10, 100, 1_000] {
        let text = program(&[("project.dwmap".to_owned(), generate::project(maps, 60))]).to_json();
        group.bench_function(format!("{maps} maps of 60 rules"), |it| {
            it.iter(|| Program::parse_json(black_box(&text)).expect("it was just written"));
        });
        let loaded = Program::parse_json(&text).expect("it was just written");
        group.bench_function(format!("prepare {maps} maps of 60 rules"), |it| {
            it.iter_batched(
                || loaded.plans.clone(),
                |plans| plans.into_iter().map(Prepared::new).collect::<Vec<_>>(),
                BatchSize::LargeInput,
            );
        });
    }
    group.finish();
}

fn link(number: usize, shadows: &Sides<Record>) -> Commit {
    let link = Link {
        id: LinkId(Uuid::from_u128(number as u128 + 1)),
        plan: "Job".to_owned(),
        state: LinkState::Live,
        ids: Sides::new(Some(RemoteId(format!("l{number}"))), Some(RemoteId(format!("r{number}")))),
        versions: Sides::new(Some(Version("1".to_owned())), Some(Version("1".to_owned()))),
        shadows: shadows.map(|it| Some(it.clone())),
        intents: Vec::new(),
        hold: None,
        conflicts: Vec::new(),
        key: format!("US-{number}"),
    };
    Commit::of(link)
}

/// A thousand links of the job put on file, so many in a transaction.
pub fn commits(criterion: &mut Criterion) {
    let prepared = Prepared::new(job::plan());
    let pair = job::records::records(7, 100).into_iter().find_map(|from| {
        let is_meant = prepared.in_scope(&Lookups::default(), Side::Left, &from).expect("it is right");
        is_meant.then(|| {
            let made = prepared.put(&Lookups::default(), Side::Right, &from, None).expect("it is right");
            Sides::new(from, made)
        })
    });
    let shadows = pair.expect("one of a hundred is an organisation");
    let folder = Folder::new("store");
    let mut store = Sqlite::open(folder.0.join("state.db")).expect("the file is new");
    let outline = Outline { shapes: prepared.shapes.clone(), rules: Vec::new(), scope: String::new(), policies: String::new() };
    store.open_plan("Job", &outline).expect("the plan is new");
    let links: Vec<Commit> = (0..COMMITS).map(|number| link(number, &shadows)).collect();
    let mut group = criterion.benchmark_group("store");
    group.sample_size(10).throughput(Throughput::Elements(COMMITS as u64));
    for batch in [1, 100, 1_000] {
        // One by one, a thousand would take too long: fewer are measured.
        let links = if batch == 1 { &links[..100] } else { &links[..] };
        group.throughput(Throughput::Elements(links.len() as u64));
        group.bench_function(BenchmarkId::new("links, in transactions of", batch), |it| {
            it.iter(|| {
                for some in links.chunks(batch) {
                    assert_eq!(store.commit(some, &[]).expect("it is on file"), []);
                }
            });
        });
    }
    group.finish();
}

const PAIR: &str = "\
system left profile exact
system right profile exact

entity left.person {
  key id: int64
  name: text<60>
  email: text<60>
  city: text<40>
  age: int32?
  limit: decimal<12,2>?
}

entity right.contact {
  key id: int64
  name: text<60>
  email: text<60>
  city: text<40>
  age: int32?
  credit: decimal<12,2>?
}

map People: left.person <-> right.contact {
  key id <-> id
  name <-> name modulo trim
  email <-> email
  city <-> city
  age <-> age
  limit <-> credit
  on conflict prefer left
  on delete <-> refuse
}
";

/// A pair of databases with people on the left, and what keeps them in step.
fn pair(folder: &Folder, number: usize) -> (rusqlite::Connection, Deployment) {
    let file = |name: &str| folder.0.join(format!("{name}{number}.db"));
    let made = |name: &str, table: &str, last: &str| {
        let db = rusqlite::Connection::open(file(name)).expect("the file is new");
        db.execute_batch(&format!(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
             CREATE TABLE {table} (id INTEGER PRIMARY KEY, name TEXT NOT NULL, email TEXT NOT NULL, city TEXT NOT NULL, age INTEGER, {last} TEXT)"
        ))
        .expect("the file is empty");
        db
    };
    let (left, right) = (made("left", "person", "\"limit\""), made("right", "contact", "credit"));
    drop(right);
    left.execute_batch(&format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {PAIR_ROWS})
         INSERT INTO person SELECT i, 'Person number ' || i, 'p' || i || '@example.com', 'Villingen', i % 90, i || '.25' FROM n"
    ))
    .expect("the table is empty");
    let systems: Vec<Arc<dyn Connector>> =
        ["left", "right"].map(|it| Arc::new(Database::open(file(it)).expect("it was just made")) as Arc<dyn Connector>).into();
    let store = Sqlite::open(file("state")).expect("the file is new");
    let program = program(&[("pair.dwmap".to_owned(), PAIR.to_owned())]);
    let deployment = Deployment::open(program, &systems, Box::new(store), Arc::new(Real), Settings::default());
    (left, deployment.expect("the state is new"))
}

/// Initial sync, a full compare where nothing changed, and one edit of every row.
pub fn engine(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Runtime::new().expect("threads can be had");
    let folder = Folder::new("pair");
    let mut group = criterion.benchmark_group("engine over a pair of SQLite databases");
    group.sample_size(10).throughput(Throughput::Elements(PAIR_ROWS as u64));
    let mut number = 0;
    group.bench_function("initial sync", |it| {
        it.iter_batched(
            || {
                number += 1;
                pair(&folder, number)
            },
            |(left, mut deployment)| {
                runtime.block_on(deployment.initial(None)).expect("both sides answer");
                (left, deployment)
            },
            BatchSize::PerIteration,
        );
    });
    let (left, mut deployment) = pair(&folder, 0);
    runtime.block_on(deployment.initial(None)).expect("both sides answer");
    let map = deployment.pipe_ids().next().expect("there is one map");
    group.bench_function("verify, nothing changed", |it| {
        it.iter(|| {
            let found = runtime.block_on(deployment.compare(map)).expect("both sides answer");
            assert!(found.agrees() && found.pairs == PAIR_ROWS as u64, "{:?}", found.shown);
        });
    });
    group.bench_function("an edit of every row", |it| {
        it.iter_batched(
            || left.execute_batch("UPDATE person SET age = age + 1").expect("nobody else writes now"),
            |()| runtime.block_on(deployment.settle()).expect("both sides answer"),
            BatchSize::PerIteration,
        );
    });
    group.finish();
}
