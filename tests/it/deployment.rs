//! The runtime between two real SQLite databases: what happens to a row must not happen to its neighbours.

use std::sync::Arc;

use dwmap::check::{self, NoSchemas};
use dwmap::connect::Connector;
use dwmap::connect::sqlite::Sqlite as Database;
use dwmap::diag::Diagnostics;
use dwmap::ir::Program;
use dwmap::runtime::deployment::{Deployment, Settings};
use dwmap::runtime::world::Real;
use dwmap::source::Sources;
use dwmap::store::Sqlite;
use dwmap::syntax;

const MAP: &str = "\
system a profile exact
system b profile exact

entity a.person {
  key id: int64
  name: text<40>
  age: int32?
}

entity b.contact {
  key id: int64
  name: text<40>
  age: int32?
}

map People: a.person <-> b.contact {
  key id <-> id

  name <-> name
  age <-> age

  on conflict prefer a
  on delete <-> delete
}
";

fn program() -> Program {
    let (mut sources, mut diags) = (Sources::default(), Diagnostics::default());
    let id = sources.add("people.dwmap", MAP).expect("the text is short");
    let file = syntax::parse(&sources, id, &mut diags);
    let checked = check::check(&[file], &sources, &NoSchemas, &mut diags);
    assert_eq!(diags.iter().map(|it| it.message.clone()).collect::<Vec<_>>(), Vec::<String>::new());
    checked.program
}

struct Pair {
    left: rusqlite::Connection,
    right: rusqlite::Connection,
    deployment: Deployment,
    _folder: Folder,
}

struct Folder(std::path::PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).expect("the folder is ours");
    }
}

fn pair(name: &str) -> Pair {
    let folder = std::env::temp_dir().join(format!("dwmap-deployment-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("folders can be made");
    let (left, right) = (folder.join("a.db"), folder.join("b.db"));
    let open = |path: &std::path::Path, table: &str| {
        let db = rusqlite::Connection::open(path).expect("the file can be made");
        db.execute_batch(&format!("CREATE TABLE {table}(id INTEGER PRIMARY KEY, name TEXT NOT NULL, age INTEGER)"))
            .expect("the table is right");
        db
    };
    let (left_db, right_db) = (open(&left, "person"), open(&right, "contact"));
    let systems: Vec<Arc<dyn Connector>> = vec![
        Arc::new(Database::open(&left).expect("it was just made")),
        Arc::new(Database::open(&right).expect("it was just made")),
    ];
    let store = Sqlite::in_memory().expect("memory is there");
    let deployment =
        Deployment::open(program(), &systems, Box::new(store), Arc::new(Real), Settings::default()).expect("the state is new");
    Pair { left: left_db, right: right_db, deployment, _folder: Folder(folder) }
}

fn names(db: &rusqlite::Connection, table: &str) -> Vec<String> {
    let mut select = db.prepare(&format!("SELECT name FROM {table} ORDER BY id")).expect("the table is there");
    select.query_map([], |row| row.get(0)).and_then(Iterator::collect).expect("names are texts")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_cannot_be_read_stands_still_alone_and_goes_on_when_it_is_mended() {
    let mut pair = pair("unreadable");
    pair.left.execute_batch("INSERT INTO person VALUES (1, 'Ann', 30), (2, 'Bob', 'old'), (3, 'Cid', 50)").unwrap();
    pair.deployment.initial(None).await.unwrap();
    assert_eq!(names(&pair.right, "contact"), ["Ann", "Cid"]);
    let held = pair.deployment.store.held("People", 10).unwrap();
    let messages: Vec<&str> = held.iter().map(|it| it.hold.as_ref().unwrap().message.as_str()).collect();
    assert_eq!(messages.len(), 1);
    assert!(messages[0].contains("`person`") && messages[0].contains("`age`"), "{messages:?}");

    pair.left.execute_batch("UPDATE person SET age = 'older' WHERE id = 1; UPDATE person SET name = 'Cyd' WHERE id = 3").unwrap();
    pair.deployment.settle().await.unwrap();
    assert_eq!(names(&pair.right, "contact"), ["Ann", "Cyd"]);

    pair.left
        .execute_batch("UPDATE person SET age = 41, name = 'Bo' WHERE id = 2; UPDATE person SET age = 31 WHERE id = 1")
        .unwrap();
    pair.deployment.settle().await.unwrap();
    assert_eq!(names(&pair.right, "contact"), ["Ann", "Bo", "Cyd"]);
    assert_eq!(pair.deployment.store.held("People", 10).unwrap().len(), 0);
    let id = pair.deployment.pipe_ids().next().unwrap();
    assert!(pair.deployment.compare(id).await.unwrap().agrees());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_record_made_on_both_sides_at_once_becomes_one_link() {
    let mut pair = pair("both");
    pair.deployment.initial(None).await.unwrap();
    pair.left.execute_batch("INSERT INTO person VALUES (7, 'Left', 1)").unwrap();
    pair.right.execute_batch("INSERT INTO contact VALUES (7, 'Right', 1)").unwrap();
    pair.deployment.settle().await.unwrap();
    assert_eq!(names(&pair.left, "person"), ["Left"]);
    assert_eq!(names(&pair.right, "contact"), ["Left"]);
    let figures = pair.deployment.store.figures("People").unwrap();
    assert_eq!((figures.live, figures.held, figures.ledger), (1, 0, 1), "the loser is on file");
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_all_feeds_again_writes_nothing() {
    let mut pair = pair("replay");
    pair.left.execute_batch("INSERT INTO person VALUES (1, 'Ann', 30), (2, 'Bob', NULL)").unwrap();
    pair.right.execute_batch("INSERT INTO contact VALUES (2, 'Rob', 20), (3, 'Cid', 50)").unwrap();
    pair.deployment.initial(None).await.unwrap();
    pair.deployment.settle().await.unwrap();
    let writes = pair.deployment.stats[0].total_writes();
    pair.deployment.replay().await.unwrap();
    assert_eq!(pair.deployment.stats[0].total_writes(), writes);
    assert_eq!(names(&pair.left, "person"), ["Ann", "Bob", "Cid"]);
}

/// A parent cannot go before its children; which delete is tried first is a matter of chance.
#[tokio::test(flavor = "multi_thread")]
async fn parents_and_children_that_go_together_are_gone_on_the_other_side_too() {
    const FAMILY: &str = "\
system a profile exact
system b profile exact

entity a.child {
  key id: int64
  parent: int64
}
entity b.child {
  key id: int64
  parent: int64
}
entity a.parent { key id: int64 }
entity b.parent { key id: int64 }

map Children: a.child <-> b.child {
  key id <-> id
  parent <-> parent
  on conflict prefer a
  on delete <-> delete
}
map Parents: a.parent <-> b.parent {
  key id <-> id
  on delete <-> delete
}
";
    let folder = Folder(std::env::temp_dir().join(format!("dwmap-deployment-family-{}", std::process::id())));
    std::fs::create_dir_all(&folder.0).expect("folders can be made");
    let tables = "CREATE TABLE parent(id INTEGER PRIMARY KEY);
                  CREATE TABLE child(id INTEGER PRIMARY KEY, parent INTEGER NOT NULL REFERENCES parent(id));";
    let [left, right] = ["a.db", "b.db"].map(|name| {
        let db = rusqlite::Connection::open(folder.0.join(name)).expect("the file can be made");
        db.execute_batch(tables).expect("the tables are right");
        db
    });
    left.execute_batch("INSERT INTO parent VALUES (1), (2); INSERT INTO child VALUES (11, 1), (12, 1), (21, 2)").unwrap();
    let open = |name: &str| -> Arc<dyn Connector> { Arc::new(Database::open(folder.0.join(name)).expect("it was just made")) };
    let store = Box::new(Sqlite::in_memory().expect("memory is there"));
    let systems = [open("a.db"), open("b.db")];
    let mut deployment =
        Deployment::open(super::stage::program(FAMILY), &systems, store, Arc::new(Real), Settings::default()).unwrap();
    deployment.initial(None).await.unwrap();
    let count = |table: &str| -> i64 {
        right.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).expect("the table is there")
    };
    // A child that came before its parent is refused by the database, and tried again half a second later.
    for _ in 0..50 {
        deployment.settle().await.unwrap();
        if count("child") == 3 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert_eq!([count("parent"), count("child")], [2, 3]);
    left.execute_batch("BEGIN; DELETE FROM child WHERE parent = 1; DELETE FROM parent WHERE id = 1; COMMIT").unwrap();
    for _ in 0..50 {
        deployment.settle().await.unwrap();
        if count("parent") == 1 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert_eq!([count("parent"), count("child")], [1, 1]);
    for map in ["Parents", "Children"] {
        assert_eq!(deployment.store.held(map, 10).unwrap(), []);
    }
}
