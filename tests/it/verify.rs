//! Verify finds every bent field and nothing else, while people work.

use std::collections::BTreeSet;

use dwmap::change::{RemoteId, Side};
use dwmap::runtime::pipe::PipeId;
use dwmap::runtime::verify::{Repair, Verification, Verify};
use dwmap::value::Value;

use super::stage::{Stage, fields_of};

const MAP: &str = "\
system a profile exact
system b profile exact

entity a.Person {
  key Id: text<20>
  Name:   text<60>
  Town:   text<60>
}

entity b.contact {
  key id: text<20>
  name:   text<60>
  town:   text<60>
}

map People: a.Person <-> b.contact {
  key Id <-> id
  Name <-> name
  Town <-> town
  on conflict prefer a
  on delete <-> delete
}
";

const ROWS: u64 = 160;
/// Rows that people edit; the others are bent.
const BUSY: u64 = 80;
const PIPE: PipeId = PipeId(0);

struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 1) % limit
    }
}

const ENTITIES: [&str; 2] = ["Person", "contact"];
const FIELDS: [[&str; 2]; 2] = [["Name", "Town"], ["name", "town"]];

async fn stage() -> Stage {
    let mut stage = Stage::new(MAP);
    for number in 0..ROWS {
        let text = |it: &str| Value::text(format!("{it}{number}"));
        stage.insert(0, "Person", &[("Id", text("k")), ("Name", text("n")), ("Town", text("t"))]);
    }
    stage.deployment.initial(None).await.expect("both systems answer");
    stage
}

/// The row with this key.
fn row(stage: &Stage, side: usize, key: u64) -> RemoteId {
    let key = Value::text(format!("k{key}"));
    let rows = stage.systems[side].rows(ENTITIES[side]);
    rows.into_iter().find(|(_, row)| row.values().any(|it| *it == key)).expect("no key changes").0
}

fn edit(stage: &Stage, random: &mut Random, count: u64) {
    let side = random.below(2) as usize;
    let id = row(stage, side, random.below(BUSY));
    let field = FIELDS[side][random.below(2) as usize];
    let fields = fields_of(&[(field, Value::text(format!("edit {count}")))]);
    stage.systems[side].update(ENTITIES[side], &id, fields).expect("the row is there");
}

/// Bends fields of quiet rows; the rows of the left that they belong to.
fn bend(stage: &Stage, random: &mut Random) -> BTreeSet<RemoteId> {
    let mut bent = BTreeSet::new();
    for number in 0..40 {
        let side = random.below(2) as usize;
        let key = BUSY + random.below(ROWS - BUSY);
        let id = row(stage, side, key);
        let field = FIELDS[side][random.below(2) as usize];
        stage.systems[side]
            .corrupt(ENTITIES[side], &id, fields_of(&[(field, Value::text(format!("bent {number}")))]))
            .expect("the row is there");
        bent.insert(row(stage, 0, key));
    }
    bent
}

fn lefts(found: &Verification) -> BTreeSet<RemoteId> {
    found.drift.iter().filter_map(|it| it.rows[Side::Left].clone()).collect()
}

#[tokio::test(start_paused = true)]
async fn every_bent_field_is_found_and_no_edit_is_taken_for_one() {
    for seed in 1..=3 {
        let mut stage = stage().await;
        let mut random = Random(seed * 7_919);
        let mut count = 0;
        let bent = bend(&stage, &mut random);
        for _ in 0..50 {
            count += 1;
            edit(&stage, &mut random, count);
        }
        let found = {
            let systems = stage.systems.clone();
            let other = Stage { systems, deployment: Stage::new(MAP).deployment };
            let traffic = async {
                loop {
                    tokio::time::sleep(std::time::Duration::from_millis(30)).await;
                    count += 1;
                    edit(&other, &mut random, count);
                }
            };
            tokio::select! {
                found = stage.deployment.verify(PIPE, Verify::default()) => found.expect("both systems answer"),
                () = traffic => unreachable!("people never stop"),
            }
        };
        assert!(count > 60, "people worked meanwhile: {count} edits");
        assert_eq!(lefts(&found), bent, "seed {seed}");
        assert_eq!((found.drift.len(), found.known.len()), (bent.len(), 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_master_repairs_what_was_bent_and_the_ledger_keeps_what_went() {
    let mut stage = stage().await;
    let id = row(&stage, 1, 3);
    stage.systems[1].corrupt("contact", &id, fields_of(&[("name", Value::text("bent"))])).unwrap();
    let repair = Verify { repair: Some(Repair::Master(Side::Left)), ..Verify::default() };
    let found = stage.deployment.verify(PIPE, repair).await.unwrap();
    assert_eq!((found.drift.len(), found.repaired, found.is_clean()), (1, 1, true));
    assert_eq!(stage.value(1, "contact", ("id", "k3"), "name"), Value::text("n3"));
    let ledger = stage.deployment.store.ledger("People", 10).unwrap();
    assert_eq!(ledger.iter().map(|it| it.loser.clone()).collect::<Vec<_>>(), [Value::text("bent")]);
    assert!(stage.deployment.verify(PIPE, Verify::default()).await.unwrap().is_clean());
}

#[tokio::test(start_paused = true)]
async fn a_change_that_no_feed_told_of_is_carried_when_nobody_is_master() {
    let mut stage = stage().await;
    let id = row(&stage, 0, 5);
    stage.systems[0].corrupt("Person", &id, fields_of(&[("Town", Value::text("moved"))])).unwrap();
    let repair = Verify { repair: Some(Repair::Newer), ..Verify::default() };
    let found = stage.deployment.verify(PIPE, repair).await.unwrap();
    assert_eq!((found.drift.len(), found.repaired), (1, 1));
    assert_eq!(stage.value(1, "contact", ("id", "k5"), "town"), Value::text("moved"));
}
