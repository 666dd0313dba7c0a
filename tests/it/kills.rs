//! The real program over two SQLite databases, ended at every named place and at random instants while people work on both.
//!
//! The databases note every change by their own triggers. A history that knows nothing of the engine but its ledger explains
//! each of them: what was displaced was known to whoever wrote the new value, or is on file; no row is made twice, none is lost.
//!
//! `DWMAP_KILLS` sets how often each place is used, `DWMAP_RANDOM_KILLS` how many random instants there are.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::process::{Child, Stdio};
use std::time::Duration;

use dwmap::connect::memory::Fields;
use dwmap::failpoint;
use dwmap::store::{Sqlite, Store};
use dwmap::value::Value;
use rusqlite::{Connection, TransactionBehavior};

use super::folder::Folder;
use super::simulate::history::{History, check_single, numbers_in};

const MAP: &str = "\
system a profile exact
system b profile exact

entity a.person {
  key id: text<20>
  Name: text<60>
  Note: text<60>
}

entity b.contact {
  key number: text<20>
  name: text<60>
  note: text<60>
}

map People: a.person <-> b.contact {
  key id <-> number
  Name <-> name
  Note <-> note  on conflict prefer b
  on conflict prefer a
  on delete <-> delete
  on error retry 1000000
}
";

const CONFIG: &str = "\
[systems.a]
connector = \"sqlite\"
path = \"a.db\"
[systems.b]
connector = \"sqlite\"
path = \"b.db\"
[sync]
poll_ms = 10
";

/// Places that a run of this map passes again and again.
const LIVE: [&str; 32] = [
    "page.read",
    "page.empty",
    "append.begun",
    "append.written",
    "append.durable",
    "work.begun",
    "work.taken",
    "work.skipped",
    "round.before_observe",
    "round.observed",
    "commit.begun",
    "link.row",
    "link.shadows",
    "link.intents",
    "link.hold",
    "commit.link",
    "commit.ledger",
    "commit.written",
    "commit.durable",
    "round.before_send",
    "system.begun",
    "system.row",
    "system.written",
    "system.durable",
    "round.sent",
    "round.landed",
    "round.concluding",
    "conclude.begun",
    "conclude.finished",
    "conclude.written",
    "conclude.durable",
    "round.over",
];
/// Places that come by once in the life of a state: of its opening, and of the initial sync.
const EARLY: [&str; 12] = [
    "open_plan.begun",
    "open_plan.written",
    "open_plan.durable",
    "stage.read",
    "stage.begun",
    "stage.written",
    "stage.durable",
    "apply.matched",
    "apply.flown",
    "unstage.begun",
    "unstage.written",
    "unstage.durable",
];
/// Kills between two checks.
const KILLS_A_CHECK: u64 = 12;
/// Longest life of a process that is to be killed.
const LIFE_MAX: Duration = Duration::from_millis(3_000);
const TABLES: [[&str; 4]; 2] = [["person", "id", "Name", "Note"], ["contact", "number", "name", "note"]];

struct Scene {
    folder: Folder,
    databases: [Connection; 2],
    random: u64,
    history: History,
    /// What people wrote, by side.
    written: [HashSet<String>; 2],
    /// Keys that were given out, and those that somebody deleted.
    keys: BTreeSet<String>,
    deleted: BTreeSet<String>,
    deleted_on: [HashSet<String>; 2],
    edits: u64,
    kills: u64,
    unreached: BTreeMap<String, u64>,
}

fn make(folder: &Folder, name: &str, [table, key, first, second]: [&str; 4]) -> Connection {
    let db = Connection::open(folder.path.join(name)).expect("the file can be made");
    db.busy_timeout(Duration::from_secs(20)).expect("it is no long time");
    db.execute_batch(&format!(
        "PRAGMA journal_mode = WAL;
         CREATE TABLE {table}({key} TEXT PRIMARY KEY, {first} TEXT NOT NULL, {second} TEXT NOT NULL);
         CREATE TABLE audit(seq INTEGER PRIMARY KEY, what TEXT, key TEXT, old_name TEXT, name TEXT, old_note TEXT, note TEXT);
         CREATE TRIGGER audit_i AFTER INSERT ON {table} BEGIN
           INSERT INTO audit(what, key, name, note) VALUES ('insert', new.{key}, new.{first}, new.{second}); END;
         CREATE TRIGGER audit_u AFTER UPDATE ON {table} BEGIN
           INSERT INTO audit(what, key, old_name, name, old_note, note)
           VALUES ('update', new.{key}, old.{first}, new.{first}, old.{second}, new.{second}); END;
         CREATE TRIGGER audit_d AFTER DELETE ON {table} BEGIN
           INSERT INTO audit(what, key, old_name, old_note) VALUES ('delete', old.{key}, old.{first}, old.{second}); END;"
    ))
    .expect("the tables are right");
    db
}

fn fields(name: Option<String>, note: Option<String>) -> Fields {
    let named = [("Name", name), ("Note", note)];
    named.into_iter().filter_map(|(field, value)| Some((field.to_owned(), Value::text(value?)))).collect()
}

impl Scene {
    fn new(seed: u64) -> Self {
        let folder = Folder::new("kills");
        folder.write("people.dwmap", MAP);
        folder.write("dwmap.toml", CONFIG);
        let databases = [make(&folder, "a.db", TABLES[0]), make(&folder, "b.db", TABLES[1])];
        let mut scene = Self {
            folder,
            databases,
            random: seed | 1,
            history: History::default(),
            written: Default::default(),
            keys: BTreeSet::new(),
            deleted: BTreeSet::new(),
            deleted_on: Default::default(),
            edits: 0,
            kills: 0,
            unreached: BTreeMap::new(),
        };
        (0..20).for_each(|_| scene.insert());
        scene
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 1) % limit
    }

    fn fresh(&mut self, side: usize, seen: Option<&str>) -> String {
        let parent = seen.and_then(|it| numbers_in(it).pop());
        let text = self.history.fresh(parent).to_string();
        let text = text.trim_matches('"').to_owned();
        self.written[side].insert(text.clone());
        text
    }

    fn insert(&mut self) {
        let side = self.below(2) as usize;
        let key = format!("k{}", self.keys.len());
        let (name, note) = (self.fresh(side, None), self.fresh(side, None));
        let [table, ..] = TABLES[side];
        self.databases[side]
            .execute(&format!("INSERT INTO {table} VALUES (?1, ?2, ?3)"), [&key, &name, &note])
            .expect("the key is new");
        self.keys.insert(key);
    }

    /// Somebody does something, knowing what stands there.
    fn edit(&mut self) {
        self.edits += 1;
        let (side, deed, nth) = (self.below(2) as usize, self.below(40), self.below(1 << 30) as i64);
        if deed < 2 {
            return self.insert();
        }
        let [table, key, first, second] = TABLES[side];
        let column = if self.below(2) == 0 { first } else { second };
        let fresh = |it: &mut Self, seen: &str| it.fresh(side, Some(seen));
        let mut db = std::mem::replace(&mut self.databases[side], Connection::open_in_memory().expect("memory is there"));
        {
            let tx = db.transaction_with_behavior(TransactionBehavior::Immediate).expect("writers wait for each other");
            let count: i64 = tx.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).expect("it is a table");
            if count > 5 {
                let sql = format!("SELECT {key}, {column}, {first}, {second} FROM {table} ORDER BY {key} LIMIT 1 OFFSET ?1");
                let (id, seen, name, note): (String, String, String, String) = tx
                    .query_row(&sql, [nth % count], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
                    .expect("there are so many rows");
                // Few deletes, or the guard against an emptied table would rightly stop the map.
                if deed == 2 {
                    tx.execute(&format!("DELETE FROM {table} WHERE {key} = ?1"), [&id]).expect("it is there");
                    self.history.removed_by_a_user(&fields(Some(name), Some(note)));
                    self.deleted_on[side].insert(id.clone());
                    self.deleted.insert(id);
                } else {
                    let value = fresh(self, &seen);
                    tx.execute(&format!("UPDATE {table} SET {column} = ?2 WHERE {key} = ?1"), [&id, &value])
                        .expect("it is there");
                }
            }
            tx.commit().expect("the disk has room");
        }
        self.databases[side] = db;
    }

    fn start(&self, place: Option<&str>) -> Child {
        let log =
            std::fs::File::options().create(true).append(true).open(self.folder.path.join("log")).expect("a log can be made");
        let mut command = self.folder.command(&["run", "--initial"]);
        if let Some(place) = place {
            command.env(failpoint::VARIABLE, place);
        }
        command.stdout(Stdio::null()).stderr(log).spawn().expect("the program can be started")
    }

    /// A life that ends at this place, or by a kill if it does not come by.
    fn die_at(&mut self, place: &str) {
        self.edit();
        let nth = if EARLY.contains(&place) { 1 } else { 1 + self.below(3) };
        let mut process = self.start(Some(&format!("{place}:{nth}")));
        let mut life = Duration::ZERO;
        while life < LIFE_MAX && process.try_wait().expect("the process can be asked").is_none() {
            if life.as_millis() < 1_000 {
                self.edit();
            }
            let pause = Duration::from_millis(5 + self.below(20));
            std::thread::sleep(pause);
            life += pause;
        }
        if life >= LIFE_MAX {
            *self.unreached.entry(place.to_owned()).or_default() += 1;
        }
        self.end(process);
    }

    fn die_at_random(&mut self) {
        (0..self.below(3)).for_each(|_| self.edit());
        let process = self.start(None);
        let mut life = self.below(250);
        while life > 0 {
            let pause = self.below(life.min(25)) + 1;
            std::thread::sleep(Duration::from_millis(pause));
            self.edit();
            life = life.saturating_sub(pause);
        }
        self.end(process);
    }

    fn end(&mut self, mut process: Child) {
        // A process that has ended already cannot be killed, which is what is wanted.
        drop(process.kill());
        process.wait().expect("an ended process can be waited for");
        self.kills += 1;
    }

    fn check(&mut self) {
        let done = self.folder.dwmap(&["run", "--initial", "--once"]);
        assert!(done.exit == Some(0), "{done:?}\n{}", self.folder.read("log"));
        let rows = |side: usize| -> Vec<(String, String, String)> {
            let [table, key, first, second] = TABLES[side];
            let mut select = self.databases[side]
                .prepare(&format!("SELECT {key}, {first}, {second} FROM {table} ORDER BY {key}"))
                .expect("the files are the test's own");
            select
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
                .and_then(Iterator::collect)
                .expect("the files are the test's own")
        };
        let (left, right) = (rows(0), rows(1));
        assert_eq!(left, right, "the sides differ");
        let there: BTreeSet<String> = left.iter().map(|it| it.0.clone()).collect();
        let wanted: BTreeSet<String> = self.keys.difference(&self.deleted).cloned().collect();
        assert_eq!(there, wanted, "rows are lost or came back");
        check_single(&left.into_iter().map(|(_, name, note)| fields(Some(name), Some(note))).collect::<Vec<_>>())
            .expect("the files are the test's own");
        self.explain();
    }

    /// Everything that is known of a record.
    fn story(&self, key: &str) -> String {
        let mut out = String::new();
        for (side, db) in self.databases.iter().enumerate() {
            let sql = "SELECT seq || ' ' || what || ' ' || ifnull(old_name, '') || ' -> ' || ifnull(name, '') || '; '
                || ifnull(old_note, '') || ' -> ' || ifnull(note, '') FROM audit WHERE key = ?1 ORDER BY seq";
            let mut select = db.prepare(sql).expect("the files are the test's own");
            let lines: Vec<String> =
                select.query_map([key], |row| row.get(0)).and_then(Iterator::collect).expect("the files are the test's own");
            out.push_str(&format!(
                "side {side}: deleted by a user: {}\n{}\n",
                self.deleted_on[side].contains(key),
                lines.join("\n")
            ));
        }
        let mut store = Sqlite::open_read_only(self.folder.path.join("dwmap-state.db")).expect("nobody holds it");
        for link in store.links("People", None, 10_000).expect("the map is known") {
            let history = store.activity(link.id, 100).expect("the state can be read");
            if link.key.contains(&format!("\"{key}\"")) || history.iter().any(|it| it.text.contains(&format!("\"{key}\""))) {
                let lines: Vec<String> = history.iter().rev().map(|it| format!("{} {:?} {}", it.at, it.kind, it.text)).collect();
                out.push_str(&format!("{:?} {:?} {:?}\n{}\n", link.id, link.state, link.ids, lines.join("\n")));
            }
        }
        out
    }

    /// Takes in what the triggers noted, and lets the history judge it.
    fn explain(&mut self) {
        for side in 0..2 {
            let mut made: BTreeMap<String, u64> = BTreeMap::new();
            let mut select = self.databases[side]
                .prepare("SELECT what, key, old_name, name, old_note, note FROM audit ORDER BY seq")
                .expect("the files are the test's own");
            let lines = select.query_map([], |row| {
                Ok((
                    row.get::<_, String>(0)?,
                    row.get::<_, String>(1)?,
                    fields(row.get(2)?, row.get(4)?),
                    fields(row.get(3)?, row.get(5)?),
                ))
            });
            for line in lines.expect("the files are the test's own") {
                let (what, key, before, after) = line.expect("the files are the test's own");
                let is_own = |it: &Value| it.as_text().is_some_and(|it| self.written[side].contains(it));
                match what.as_str() {
                    "insert" => *made.entry(key).or_default() += 1,
                    "update" => {
                        let news: Fields =
                            after.into_iter().filter(|(name, it)| before.get(name) != Some(it) && !is_own(it)).collect();
                        self.history.changed(&before, &news);
                    }
                    _ if self.deleted_on[side].contains(&key) => {}
                    _ => self.history.removed_by_the_engine(&before),
                }
            }
            if let Some((key, _)) = made.iter().find(|(_, it)| **it > 1) {
                panic!("after {} kills, side {side}: the row {key} was made twice\n{}", self.kills, self.story(key));
            }
        }
        let mut store = Sqlite::open_read_only(self.folder.path.join("dwmap-state.db")).expect("nobody holds it");
        let ledger = store.ledger("People", 1_000_000).expect("the map is known");
        let ledger: HashSet<u64> = ledger.iter().flat_map(|it| numbers_in(&it.loser.to_string())).collect();
        self.history.check(&ledger).unwrap_or_else(|why| panic!("after {} kills: {why}", self.kills));
    }
}

fn count(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |it| it.parse().unwrap_or_else(|_| panic!("{variable} is a number")))
}

#[test]
fn nothing_is_lost_torn_or_doubled_at_any_named_place() {
    let rounds = count("DWMAP_KILLS", 1);
    let (mut kills, mut edits) = (0, 0);
    let mut unreached: BTreeMap<String, u64> = BTreeMap::new();
    for round in 0..rounds {
        let mut scene = Scene::new(0x5eed + round);
        for place in EARLY {
            let mut early = Scene::new(0xea41 + round);
            early.die_at(place);
            early.check();
            kills += early.kills;
            edits += early.edits;
            early.unreached.into_iter().for_each(|(place, count)| *unreached.entry(place).or_default() += count);
        }
        scene.check();
        for places in LIVE.chunks(KILLS_A_CHECK as usize) {
            places.iter().for_each(|it| scene.die_at(it));
            scene.check();
        }
        kills += scene.kills;
        edits += scene.edits;
        scene.unreached.into_iter().for_each(|(place, count)| *unreached.entry(place).or_default() += count);
        println!("{kills} kills, {edits} edits; places that did not come by in time: {unreached:?}");
    }
    let never: Vec<_> = unreached.iter().filter(|(_, count)| **count == rounds).collect();
    assert!(never.is_empty(), "these places are never passed: {never:?}");
}

#[test]
fn nothing_is_lost_torn_or_doubled_at_random_instants() {
    let rounds = count("DWMAP_RANDOM_KILLS", 24);
    let mut scene = Scene::new(0xfeed);
    for nth in 1..=rounds {
        scene.die_at_random();
        if nth % KILLS_A_CHECK == 0 || nth == rounds {
            scene.check();
        }
        if nth % 100 == 0 {
            println!("{nth} kills, {} edits", scene.edits);
        }
        if nth % 120 == 0 {
            // Every scene has an initial sync of its own, and histories grow with the square of their length.
            scene = Scene::new(0xfeed + nth);
        }
    }
    println!("{} kills at random instants in the last scene, {} edits", scene.kills, scene.edits);
}
