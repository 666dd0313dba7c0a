//! A running map takes a new version of itself: what is on file keeps its meaning, and only what differs by the new rules is written.

use std::sync::Arc;

use dwmap::change::{LinkId, Side};
use dwmap::connect::Connector;
use dwmap::engine::link::{Commit, Intent, Link, OpId};
use dwmap::ir::Program;
use dwmap::runtime::pipe::PipeId;
use dwmap::store::Revision;
use dwmap::value::{Record, Uuid, Value};

use super::control::{Process, json, synced_pair, wait};
use super::stage::{Stage, fields_of, program};

const PIPE: PipeId = PipeId(0);

const ENTITIES: &str = "\
system a profile exact
system b profile exact

entity a.Person {
  key Id: text<20>
  Name:   text<60>
  Town:   text<60>
  Note:   text<60>
}

entity b.contact {
  key id: text<20>
  name:   text<60>
  town:   text<60>
  note:   text<60>
}

";

const RULES: &str = "\
  Name <-> name
  Town <-> town
  Note <-> note
";

/// The map with these rules and lines between its key and its end.
fn map(rules: &str) -> String {
    format!(
        "{ENTITIES}map People: a.Person <-> b.contact {{\n  key Id <-> id\n\n{rules}\n  on conflict prefer a\n  on delete <-> delete\n}}\n"
    )
}

/// Two persons, in step by the three plain rules.
async fn stage() -> Stage {
    let mut stage = Stage::new(&map(RULES));
    for key in ["k1", "k2"] {
        let text = |it: &str| Value::text(format!("{it} of {key}"));
        let fields = [("Id", Value::text(key)), ("Name", text("name")), ("Town", text("town")), ("Note", text("note"))];
        stage.insert(0, "Person", &fields);
    }
    stage.deployment.initial(None).await.expect("both systems answer");
    stage.deployment.settle().await.expect("both systems answer");
    stage
}

fn take_up(stage: &mut Stage, program: Program) -> Revision {
    let systems = stage.systems.clone().map(|it| -> Arc<dyn Connector> { it });
    let mut revisions = stage.deployment.take_up(program, &systems).expect("the state can be written");
    revisions.pop().expect("there is one map").1
}

async fn settle(stage: &mut Stage) {
    stage.deployment.settle().await.expect("both systems answer");
}

fn writes(stage: &Stage) -> [u64; 2] {
    [stage.systems[0].engine_writes("Person"), stage.systems[1].engine_writes("contact")]
}

fn edit(stage: &Stage, system: usize, key: &str, field: &str, value: &str) {
    let entity = ["Person", "contact"][system];
    let rows = stage.systems[system].rows(entity);
    let (id, _) = rows.into_iter().find(|(_, row)| row.values().any(|it| *it == Value::text(key))).expect("the row is there");
    stage.systems[system].update(entity, &id, fields_of(&[(field, Value::text(value))])).expect("the row is there");
}

fn left(stage: &Stage, key: &str, field: &str) -> Value {
    stage.value(0, "Person", ("Id", key), field)
}

fn right(stage: &Stage, key: &str, field: &str) -> Value {
    stage.value(1, "contact", ("id", key), field)
}

fn first_link(stage: &mut Stage) -> Link {
    stage.deployment.store.links("People", None, 1).expect("the state can be read").remove(0)
}

#[tokio::test]
async fn the_same_map_in_another_order_changes_nothing() {
    let mut stage = stage().await;
    let before = writes(&stage);
    let revision = take_up(&mut stage, program(&map("  Note <-> note\n  Town <-> town\n  Name <-> name\n")));
    assert_eq!(revision, Revision::default());
    settle(&mut stage).await;
    assert_eq!(writes(&stage), before);
    edit(&stage, 0, "k1", "Town", "Aarhus");
    settle(&mut stage).await;
    assert_eq!(right(&stage, "k1", "town"), Value::text("Aarhus"));
}

#[tokio::test]
async fn an_open_request_keeps_its_rules_by_another_number() {
    let mut stage = stage().await;
    let mut link = first_link(&mut stage);
    let key = link.key.trim_matches(|it: char| !it.is_alphanumeric()).to_owned();
    let plan = stage.deployment.pipes[PIPE.0].plan.clone();
    let town = plan.rule_ids().find(|&it| plan.rule(it).label == "town").expect("the map has the rule");
    let slot = |side: Side, name: &str| plan.shapes[side].slot(name).expect("the map reads the field");
    // A user moved the person; the request for it was sent, and its answer never came.
    edit(&stage, 0, &key, "Town", "Aarhus");
    let mut payload = Record::absent(plan.shapes[Side::Right].fields.len());
    payload.set(slot(Side::Right, "town"), Value::text("Aarhus"));
    let mut base = link.shadows[Side::Left].clone().expect("the link is live");
    base.set(slot(Side::Left, "Town"), Value::text("Aarhus"));
    let expected = link.versions[Side::Right].clone();
    let op = OpId(Uuid::from_u128(7));
    link.intents.push(Intent { op, side: Side::Right, expected, payload, base, rules: vec![town.0], is_delete: false });
    let commit = Commit::of(link);
    stage.deployment.store.commit(&[commit], &[]).expect("the state can be written");

    take_up(&mut stage, program(&map("  Town <-> town\n  Note <-> note\n  Name <-> name\n")));
    let plan = stage.deployment.pipes[PIPE.0].plan.clone();
    let rules = first_link(&mut stage).intents.remove(0).rules;
    let labels: Vec<&str> = rules.iter().map(|&it| plan.rule(dwmap::ir::RuleId(it)).label.as_str()).collect();
    assert_eq!(labels, ["town"]);
    assert_ne!(rules, [town.0], "the test would show nothing without another number");

    // It lands now, and another user moves the person on: the request is known as ours, and the edit as theirs.
    edit(&stage, 1, &key, "town", "Aarhus");
    edit(&stage, 1, &key, "town", "Odense");
    settle(&mut stage).await;
    assert_eq!((left(&stage, &key, "Town"), right(&stage, &key, "town")), (Value::text("Odense"), Value::text("Odense")));
}

#[tokio::test]
async fn a_request_whose_rule_is_gone_belongs_to_nobody() {
    let mut stage = stage().await;
    let mut link = first_link(&mut stage);
    let plan = stage.deployment.pipes[PIPE.0].plan.clone();
    let town = plan.rule_ids().find(|&it| plan.rule(it).label == "town").expect("the map has the rule");
    let mut payload = Record::absent(plan.shapes[Side::Right].fields.len());
    payload.set(plan.shapes[Side::Right].slot("town").expect("the map reads the field"), Value::text("Aarhus"));
    let base = link.shadows[Side::Left].clone().expect("the link is live");
    let expected = link.versions[Side::Right].clone();
    let op = OpId(Uuid::from_u128(7));
    link.intents.push(Intent { op, side: Side::Right, expected, payload, base, rules: vec![town.0], is_delete: false });
    let commit = Commit::of(link);
    stage.deployment.store.commit(&[commit], &[]).expect("the state can be written");
    let revision = take_up(&mut stage, program(&map("  Name <-> name\n  Note <-> note\n")));
    assert_eq!(revision.gone, ["town"]);
    assert_eq!(first_link(&mut stage).intents, []);
}

#[tokio::test]
async fn a_create_that_was_sent_by_the_old_rules_is_looked_at_by_the_new_ones() {
    let mut stage = stage().await;
    let text = |it: &str| Value::text(it);
    let fields = [("Id", text("k3")), ("Name", text("one")), ("Town", text("Aarhus")), ("Note", text("rare"))];
    let row = stage.insert(0, "Person", &fields);
    // Its create was about to be sent when the process ended.
    let plan = stage.deployment.pipes[PIPE.0].plan.clone();
    let record = |side: Side, values: [(&str, &str); 4]| {
        let shape = &plan.shapes[side];
        let mut record = Record::absent(shape.fields.len());
        values
            .iter()
            .for_each(|(name, value)| record.set(shape.slot(name).expect("the map reads the field"), Value::text(value)));
        record
    };
    let base = record(Side::Left, [("Id", "k3"), ("Name", "one"), ("Town", "Aarhus"), ("Note", "rare")]);
    let payload = record(Side::Right, [("id", "k3"), ("name", "one"), ("town", "Aarhus"), ("note", "rare")]);
    let mut link = Link::new(LinkId(Uuid::from_u128(77)), "People", Side::Left, row);
    let op = OpId(Uuid::from_u128(7));
    link.intents.push(Intent { op, side: Side::Right, expected: None, payload, base, rules: Vec::new(), is_delete: false });
    let commit = Commit::of(link);
    stage.deployment.store.commit(&[commit], &[]).expect("the state can be written");
    take_up(&mut stage, program(&map("  Note <-> name\n  Town <-> town\n  Name <-> note\n")));
    settle(&mut stage).await;
    let row = ["name", "town", "note"].map(|it| right(&stage, "k3", it));
    assert_eq!(row, ["rare", "Aarhus", "one"].map(Value::text), "what was sent again is compared by the rules of today");
}

#[tokio::test]
async fn an_update_that_lands_by_the_old_rules_is_looked_at_by_the_new_ones() {
    let mut stage = stage().await;
    let mut link = first_link(&mut stage);
    let key = link.key.trim_matches(|it: char| !it.is_alphanumeric()).to_owned();
    let plan = stage.deployment.pipes[PIPE.0].plan.clone();
    let name = plan.rule_ids().find(|&it| plan.rule(it).label == "name").expect("the map has the rule");
    edit(&stage, 0, &key, "Name", "sent");
    let slot = |side: Side, name: &str| plan.shapes[side].slot(name).expect("the map reads the field");
    let mut payload = Record::absent(plan.shapes[Side::Right].fields.len());
    payload.set(slot(Side::Right, "name"), Value::text("sent"));
    let mut base = link.shadows[Side::Left].clone().expect("the link is live");
    base.set(slot(Side::Left, "Name"), Value::text("sent"));
    let expected = link.versions[Side::Right].clone();
    let op = OpId(Uuid::from_u128(7));
    link.intents.push(Intent { op, side: Side::Right, expected, payload, base, rules: vec![name.0], is_delete: false });
    let commit = Commit::of(link);
    stage.deployment.store.commit(&[commit], &[]).expect("the state can be written");
    take_up(&mut stage, program(&map("  Note <-> name\n  Town <-> town\n")));
    edit(&stage, 1, &key, "name", "sent");
    settle(&mut stage).await;
    let note = format!("note of {key}");
    assert_eq!(right(&stage, &key, "name"), Value::text(&note), "nobody edited the name in b, so a's note is what counts");
    assert_eq!(left(&stage, &key, "Note"), Value::text(&note));
}

#[tokio::test]
async fn a_changed_rule_writes_nothing_where_both_sides_agree_by_it() {
    let mut stage = stage().await;
    let before = writes(&stage);
    let revision = take_up(&mut stage, program(&map("  Name <-> name modulo trim\n  Town <-> town\n  Note <-> note\n")));
    assert_eq!(revision.rules, ["name"]);
    settle(&mut stage).await;
    assert_eq!(writes(&stage), before);
    let links = stage.deployment.store.links("People", None, 10).expect("the state can be read");
    let is_marked = |link: &Link| {
        link.shadows.iter().any(|(_, it)| it.iter().any(|it| it.values().iter().any(dwmap::engine::link::is_rebased)))
    };
    assert!(!links.iter().any(is_marked), "every link was looked at: {links:?}");
}

#[tokio::test]
async fn a_changed_rule_decides_where_the_sides_differ_by_it_and_what_loses_is_on_file() {
    let mut stage = stage().await;
    // Until now the note went across; from now on it is the town that stands there.
    take_up(&mut stage, program(&map("  Name <-> name\n  Town <-> note\n")));
    settle(&mut stage).await;
    assert_eq!(right(&stage, "k1", "note"), Value::text("town of k1"), "nobody edited anything: the policy prefers a");
    assert_eq!(left(&stage, "k1", "Town"), Value::text("town of k1"));
    let lost = stage.deployment.store.ledger("People", 10).expect("the state can be read");
    let lost: Vec<String> = lost.into_iter().map(|it| it.loser.to_string()).collect();
    assert_eq!(lost.len(), 2, "{lost:?}");
    assert!(lost.iter().any(|it| it.contains("note of k1")), "{lost:?}");
}

#[tokio::test]
async fn an_edit_that_waits_is_no_part_of_the_quarrel() {
    let mut stage = stage().await;
    edit(&stage, 1, "k1", "name", "edited in b");
    take_up(&mut stage, program(&map("  Note <-> name\n  Town <-> town\n")));
    settle(&mut stage).await;
    assert_eq!(left(&stage, "k1", "Note"), Value::text("edited in b"), "a is preferred, but only b was edited");
    assert_eq!(right(&stage, "k1", "name"), Value::text("edited in b"));
    assert_eq!(right(&stage, "k2", "name"), Value::text("note of k2"), "nobody edited this one");
}

#[tokio::test]
async fn a_rule_that_is_new_is_compared_by_value() {
    let mut stage = stage().await;
    take_up(&mut stage, program(&map("  Name <-> name\n")));
    for (system, key, field) in [(0, "k1", "Town"), (1, "k1", "town"), (0, "k2", "Town")] {
        edit(&stage, system, key, field, "Aarhus");
    }
    settle(&mut stage).await;
    let before = writes(&stage);
    let revision = take_up(&mut stage, program(&map("  Name <-> name\n  Town <-> town\n")));
    assert_eq!(revision.rules, ["town"]);
    settle(&mut stage).await;
    assert_eq!(right(&stage, "k2", "town"), Value::text("Aarhus"));
    assert_eq!(writes(&stage), [before[0], before[1] + 1], "k1 agreed already");
}

#[tokio::test]
async fn a_conflict_stays_open_and_is_about_the_same_rule() {
    let manual = |rules: &str| map(rules).replace("prefer a", "manual");
    let mut stage = Stage::new(&manual(RULES));
    stage.insert(0, "Person", &[("Id", Value::text("k1")), ("Name", Value::text("one")), ("Town", Value::text("Aarhus"))]);
    stage.deployment.initial(None).await.expect("both systems answer");
    settle(&mut stage).await;
    edit(&stage, 0, "k1", "Town", "Odense");
    edit(&stage, 1, "k1", "town", "Ribe");
    settle(&mut stage).await;
    let conflicts = first_link(&mut stage).conflicts;
    assert_eq!(conflicts.iter().map(|it| it.label.as_str()).collect::<Vec<_>>(), ["town"]);
    take_up(&mut stage, program(&manual("  Town <-> town\n  Name <-> name modulo trim\n  Note <-> note\n")));
    settle(&mut stage).await;
    assert_eq!(first_link(&mut stage).conflicts, conflicts);
    assert_eq!((left(&stage, "k1", "Town"), right(&stage, "k1", "town")), (Value::text("Odense"), Value::text("Ribe")));
}

#[tokio::test]
async fn rows_that_take_part_from_now_on_are_made() {
    let filter = "  Name <-> name\n\n  filter Town == \"Aarhus\" <-> town == \"Aarhus\"\n  on exit <-> detach\n";
    let mut stage = Stage::new(&map(&format!("  Town <-> town\n{filter}")));
    for (key, town) in [("k1", "Aarhus"), ("k2", "Odense")] {
        stage.insert(0, "Person", &[("Id", Value::text(key)), ("Name", Value::text(key)), ("Town", Value::text(town))]);
    }
    stage.deployment.initial(None).await.expect("both systems answer");
    settle(&mut stage).await;
    assert_eq!(stage.systems[1].rows("contact").len(), 1);
    let revision = take_up(&mut stage, program(&map("  Town <-> town\n  Name <-> name\n")));
    assert!(revision.has_other_scope, "{revision:?}");
    settle(&mut stage).await;
    assert_eq!(right(&stage, "k2", "name"), Value::text("k2"));
}

#[test]
fn a_running_process_takes_up_changed_maps_with_its_queue() {
    let folder = synced_pair();
    let process = Process::start(&folder, &["run"]);
    json(&folder, &["pause"]);
    folder.sql("erp.db", "UPDATE item SET name = 'Armchair' WHERE number = 'A-1'");
    wait("the change is queued", || json(&folder, &["queue"])["maps"][0]["queued"] == 1);
    let text = folder.read("items.dwmap");
    folder.write("items.dwmap", &text.replace("  ean              <-> barcode\n", "").replace("upper(name) ", "lower(name) "));
    let said = json(&folder, &["reload", "--by", "ann"]);
    let map = &said["maps"][0];
    assert_eq!((&map["map"], &map["state"]), (&"Items".into(), &"changed".into()));
    assert_eq!(map["rules"], serde_json::json!(["search"]));
    assert_eq!(json(&folder, &["queue"])["maps"][0]["queued"], 1);
    json(&folder, &["resume"]);
    let search = || folder.sql("shop.db", "SELECT title || '/' || search FROM product WHERE sku = 'A-1'").trim().to_owned();
    wait("the queue is carried by the new rules", || search() == "Armchair/armchair");
    let others = || folder.sql("shop.db", "SELECT search FROM product WHERE sku = 'A-2'").trim().to_owned();
    wait("the others follow", || others() == "table");
    folder.sql("erp.db", "UPDATE item SET ean = NULL, name = 'Seat' WHERE number = 'A-1'");
    let now = || folder.sql("shop.db", "SELECT title || '/' || barcode FROM product WHERE sku = 'A-1'").trim().to_owned();
    wait("a rule that is gone carries nothing", || now() == "Seat/4006381333931");
    let activity = folder.dwmap(&["activity", "Items"]).out;
    assert!(activity.contains("new version of the map: changed (search) by ann"), "{activity}");
    process.kill();
}

#[test]
fn broken_maps_are_refused_and_the_old_ones_go_on() {
    let folder = synced_pair();
    let process = Process::start(&folder, &["run"]);
    let text = folder.read("items.dwmap");
    folder.write("items.dwmap", &text.replace("<-> title", "<-> titel"));
    let said = folder.dwmap(&["reload"]);
    assert_eq!(said.exit, Some(1), "{said:?}");
    assert!(said.messages.contains("titel"), "{}", said.messages);
    folder.sql("erp.db", "UPDATE item SET name = 'Armchair' WHERE number = 'A-1'");
    let title = || folder.sql("shop.db", "SELECT title FROM product WHERE sku = 'A-1'").trim().to_owned();
    wait("the old rules carry it", || title() == "Armchair");
    process.kill();
}

#[test]
fn without_a_process_the_next_one_takes_the_maps_up() {
    let folder = synced_pair();
    let said = folder.dwmap(&["reload"]);
    assert_eq!(said.exit, Some(2), "{said:?}");
    assert!(said.messages.contains("the next `dwmap run` takes up the maps as they stand"), "{}", said.messages);
    let text = folder.read("items.dwmap");
    folder.write("items.dwmap", &text.replace("upper(name) ", "lower(name) "));
    assert_eq!(folder.dwmap(&["run", "--once"]).exit, Some(0));
    assert_eq!(folder.sql("shop.db", "SELECT search FROM product WHERE sku = 'A-2'").trim(), "table");
}
