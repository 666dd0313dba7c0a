//! `dwmap deliver`: whoever wrote a row waits until the other side has it. Feeds are read once an hour here, and changes wait a minute
//! for others, so that what is carried sooner was carried for whoever waits.

use std::io::Write;
use std::process::{Child, Command, Stdio};

use serde_json::Value as Json;

use super::control::{Process, answer_of, json, synced_pair, wait};
use super::folder::Folder;

fn slow_pair() -> Folder {
    let folder = synced_pair();
    let settings = folder.read("dwmap.toml").replace("poll_ms = 20", "poll_ms = 3600000\nsettle_ms = 60000");
    folder.write("dwmap.toml", &settings);
    folder
}

/// The answer and the exit code.
fn deliver(folder: &Folder, system: &str, row: &str, within: &str) -> (Json, Option<i32>) {
    let said = folder.dwmap(&["deliver", "Items", system, row, "--within", within, "--format", "json"]);
    (serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}: {said:?}")), said.exit)
}

fn outcome(folder: &Folder, system: &str, row: &str, within: &str) -> (String, Option<i32>) {
    let (answer, exit) = deliver(folder, system, row, within);
    (answer["outcome"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned(), exit)
}

fn rename(folder: &Folder, name: &str) {
    folder.sql("erp.db", &format!("UPDATE item SET name = '{name}' WHERE number = 'A-1'"));
}

fn title(folder: &Folder) -> String {
    folder.sql("shop.db", "SELECT title FROM product WHERE sku = 'A-1'").trim().to_owned()
}

/// Nobody else writes to the database until this ends.
struct Locked(Child);

impl Locked {
    fn new(folder: &Folder, database: &str) -> Self {
        let mut child = Command::new("sqlite3")
            .arg(folder.path.join(database))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("the program of the database is there");
        let input = child.stdin.as_mut().expect("it has an input");
        let marker = folder.path.join("locked");
        let shown = marker.display();
        writeln!(input, "BEGIN IMMEDIATE;\n.shell touch '{shown}'").expect("it reads its input");
        wait("the database is locked", || marker.exists());
        std::fs::remove_file(marker).expect("the mark was there");
        Self(child)
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn the_other_side_has_it_when_the_answer_comes() {
    let folder = slow_pair();
    let process = Process::start(&folder, &["run"]);
    rename(&folder, "Chair of oak");
    let (answer, exit) = deliver(&folder, "erp", "A-1", "30");
    assert_eq!((title(&folder), exit), ("Chair of oak".to_owned(), Some(0)), "{answer}");
    assert_eq!(
        (&answer["outcome"], &answer["map"], &answer["rows"][0]),
        (&"agreed".into(), &"Items".into(), &"[\"A-1\"]".into())
    );
    assert!(answer["versions"].as_array().expect("both sides").iter().all(Json::is_string), "{answer}");
    folder.sql("shop.db", "UPDATE product SET price = '51.00' WHERE sku = 'A-1'");
    assert_eq!(outcome(&folder, "right", answer["rows"][1].as_str().expect("it is linked"), "30"), ("agreed".into(), Some(0)));
    assert_eq!(folder.sql("erp.db", "SELECT price FROM item WHERE number = 'A-1'").trim(), "51");
    process.kill();
}

#[test]
fn a_program_can_ask_by_itself() {
    let folder = slow_pair();
    let process = Process::start(&folder, &["run"]);
    let file: Json = serde_json::from_str(&folder.read("dwmap-state.db.process")).expect("the file is JSON");
    let (port, token) = (file["port"].as_u64().expect("a port"), file["token"].as_str().expect("a token"));
    rename(&folder, "Chair of oak");
    let ask = r#"{"do": "deliver", "map": "Items", "system": "erp", "row": "A-1", "within_ms": 30000}"#;
    let body = format!(r#"{{"format_version": 1, "who": "shop", "ask": {ask}}}"#);
    let answer = answer_of(port, &format!("Authorization: Bearer {token}\r\n"), &body);
    let (_, body) = answer.split_once("\r\n\r\n").expect("an answer has a body");
    let answer: Json = serde_json::from_str(body).expect("the body is JSON");
    assert_eq!((&answer["Ok"]["kind"], &answer["Ok"]["outcome"]), (&"delivered".into(), &"agreed".into()), "{answer}");
    assert_eq!(title(&folder), "Chair of oak");
    process.kill();
}

#[test]
fn a_new_row_and_one_that_is_gone_are_carried_too() {
    let folder = slow_pair();
    let process = Process::start(&folder, &["run"]);
    folder.sql("erp.db", "INSERT INTO item VALUES ('B-1', 'Bench', NULL, '5.00', 1, 'Active', 0, NULL, NULL, NULL)");
    assert_eq!(outcome(&folder, "erp", "B-1", "30"), ("agreed".into(), Some(0)));
    let count = || folder.sql("shop.db", "SELECT count(*) FROM product WHERE sku = 'B-1'").trim().to_owned();
    assert_eq!(count(), "1");
    folder.sql("erp.db", "DELETE FROM item WHERE number = 'B-1'");
    assert_eq!(outcome(&folder, "erp", "B-1", "30"), ("gone".into(), Some(0)));
    assert_eq!(count(), "0");
    assert_eq!(outcome(&folder, "erp", "Z-1", "30"), ("gone".into(), Some(0)), "it was never there");
    process.kill();
}

#[test]
fn what_stands_still_says_why_at_once() {
    let folder = slow_pair();
    let text = folder.read("items.dwmap").replace("on conflict prefer erp", "on conflict manual");
    folder.write("items.dwmap", &text);
    let process = Process::start(&folder, &["run"]);
    let product = folder.sql("shop.db", "SELECT id FROM product WHERE sku = 'A-1'");
    let row = json(&folder, &["trace", "Items", "A-1"])["sides"][1]["row"].as_str().expect("it is linked").to_owned();
    folder.sql("shop.db", &format!("UPDATE product SET state = 'odd' WHERE id = {product}"));
    let (answer, exit) = deliver(&folder, "shop", &row, "50");
    assert_eq!((answer["outcome"].as_str(), exit), (Some("held"), Some(4)));
    assert!(answer["why"].as_str().expect("a text").contains("\"odd\""), "{answer}");
    folder.sql("shop.db", &format!("UPDATE product SET state = 'live', title = 'White chair' WHERE id = {product}"));
    rename(&folder, "Chair of oak");
    let (answer, exit) = deliver(&folder, "erp", "A-1", "50");
    assert_eq!((answer["outcome"].as_str(), exit), (Some("conflict"), Some(4)), "{answer}");
    assert!(answer["why"].as_str().expect("a text").contains("title"), "{answer}");
    process.kill();
}

#[test]
fn a_map_that_is_paused_keeps_it_for_later() {
    let folder = slow_pair();
    let process = Process::start(&folder, &["run"]);
    json(&folder, &["pause", "Items"]);
    rename(&folder, "Chair of oak");
    let (answer, exit) = deliver(&folder, "erp", "A-1", "50");
    assert_eq!((answer["outcome"].as_str(), answer["why"].as_str(), exit), (Some("pending"), Some("the map is paused"), Some(5)));
    json(&folder, &["resume", "Items"]);
    wait("it is carried when the map goes on", || title(&folder) == "Chair of oak");
    process.kill();
}

#[test]
fn what_takes_longer_goes_on_by_itself_also_after_a_kill() {
    let folder = slow_pair();
    let process = Process::start(&folder, &["run"]);
    rename(&folder, "Chair of oak");
    let locked = Locked::new(&folder, "shop.db");
    assert_eq!(outcome(&folder, "erp", "A-1", "1"), ("pending".into(), Some(5)));
    process.kill();
    drop(locked);
    let writes = || folder.sql("shop.db", "SELECT count(*) FROM audit WHERE number = 'A-1' AND what = 'update'");
    let before: u32 = writes().trim().parse().expect("a number");
    let process = Process::start(&folder, &["run"]);
    wait("the next process carries it", || title(&folder) == "Chair of oak");
    assert_eq!(outcome(&folder, "erp", "A-1", "30"), ("agreed".into(), Some(0)));
    assert_eq!(writes().trim(), (before + 1).to_string(), "once");
    process.kill();
}

/// The same, for whoever wants both sides or neither.
fn deliver_or_undo(folder: &Folder, system: &str, row: &str, within: &str) -> (Json, Option<i32>) {
    let said =
        folder.dwmap(&["deliver", "Items", system, row, "--or-undo", "--within", within, "--by", "ann", "--format", "json"]);
    (serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}: {said:?}")), said.exit)
}

fn shop(folder: &Folder, field: &str) -> String {
    folder.sql("shop.db", &format!("SELECT {field} FROM product WHERE sku = 'A-1'")).trim().to_owned()
}

#[test]
fn what_the_other_side_refuses_is_undone_where_neither_is_wanted() {
    let folder = slow_pair();
    let process = Process::start(&folder, &["run"]);
    folder.sql("shop.db", "UPDATE product SET state = 'odd', price = '77.00' WHERE sku = 'A-1'");
    let (answer, exit) = deliver_or_undo(&folder, "shop", "A-1", "30");
    assert_eq!((answer["outcome"].as_str(), exit), (Some("undone"), Some(4)), "{answer}");
    assert!(answer["why"].as_str().expect("a text").contains("\"odd\""), "{answer}");
    assert_eq!((shop(&folder, "state"), shop(&folder, "price")), ("live".to_owned(), "49.9".to_owned()));
    assert_eq!(json(&folder, &["status"])["maps"][0]["held"], 0);
    let trace = json(&folder, &["trace", "Items", "A-1"]);
    let lost: Vec<&Json> = trace["displaced"].as_array().expect("a list").iter().map(|it| &it["loser"]).collect();
    assert!(lost.contains(&&Json::from("\"odd\"")) && lost.len() >= 2, "{trace}");
    assert_eq!(outcome(&folder, "shop", "A-1", "30"), ("agreed".into(), Some(0)));
    // The price was carried before the state was refused, and is taken back with it.
    assert_eq!(folder.sql("erp.db", "SELECT price FROM item WHERE number = 'A-1'").trim(), "49.9");
    process.kill();
}

#[test]
fn a_record_that_both_sides_never_agreed_on_stays_as_it_is() {
    let folder = slow_pair();
    let process = Process::start(&folder, &["run"]);
    let fields = "sku, title, price, quantity, state, freight";
    folder.sql("shop.db", &format!("INSERT INTO product ({fields}) VALUES ('N-1', 'New', '1', 1, 'odd', 0)"));
    let (answer, exit) = deliver_or_undo(&folder, "shop", "N-1", "30");
    assert_eq!((answer["outcome"].as_str(), exit), (Some("held"), Some(4)), "{answer}");
    assert!(
        answer["why"].as_str().expect("a text").ends_with("it is not undone: both sides had never agreed on this record"),
        "{answer}"
    );
    assert_eq!(folder.sql("shop.db", "SELECT count(*) FROM product WHERE sku = 'N-1'").trim(), "1");
    process.kill();
}

#[test]
fn what_takes_too_long_is_undone_and_comes_to_the_same_on_both_sides() {
    let folder = slow_pair();
    let process = Process::start(&folder, &["run"]);
    rename(&folder, "Chair of oak");
    let locked = Locked::new(&folder, "shop.db");
    let (answer, exit) = deliver_or_undo(&folder, "erp", "A-1", "1");
    // Undone by the answer, or by the time that the round is over in which the process was.
    let is_told = matches!((answer["outcome"].as_str(), exit), (Some("undone"), Some(4)) | (Some("pending"), Some(5)));
    assert!(is_told, "{answer}");
    let name = || folder.sql("erp.db", "SELECT name FROM item WHERE number = 'A-1'").trim().to_owned();
    wait("it is undone", || name() == "Chair");
    drop(locked);
    wait("nothing stands still", || json(&folder, &["status"])["maps"][0]["held"] == 0);
    assert_eq!(outcome(&folder, "erp", "A-1", "30"), ("agreed".into(), Some(0)));
    assert_eq!((name(), title(&folder)), ("Chair".to_owned(), "Chair".to_owned()));
    process.kill();
}

#[test]
fn a_process_that_dies_before_it_undoes_has_it_undone_by_the_next() {
    for place in ["decide.durable", "displace.durable", "settle_decision.begun"] {
        let folder = slow_pair();
        let mut command = folder.command(&["run"]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut dying = command.env(dwmap::failpoint::VARIABLE, place).spawn().expect("the program is there");
        wait("the process announces itself", || folder.path.join("dwmap-state.db.process").exists());
        folder.sql("shop.db", "UPDATE product SET state = 'odd' WHERE sku = 'A-1'");
        let said = folder.dwmap(&["deliver", "Items", "shop", "A-1", "--or-undo", "--within", "30"]);
        assert_eq!(said.exit, Some(3), "{place}: nobody answers any more: {said:?}");
        assert!(!dying.wait().expect("it can be waited for").success(), "{place}");
        let process = Process::start(&folder, &["run"]);
        wait("the next process undoes it", || shop(&folder, "state") == "live");
        wait("nothing stands still", || json(&folder, &["status"])["maps"][0]["held"] == 0);
        process.kill();
    }
}

#[test]
fn it_needs_a_process_and_names_that_exist() {
    let folder = slow_pair();
    let said = folder.dwmap(&["deliver", "Items", "erp", "A-1"]);
    assert_eq!(said.exit, Some(3), "{said:?}");
    assert!(said.messages.contains("no process runs"), "{said:?}");
    let said = folder.dwmap(&["deliver", "Itens", "erp", "A-1"]);
    assert!(said.exit == Some(2) && said.messages.contains("`Items`"), "{said:?}");
    let said = folder.dwmap(&["deliver", "Items", "erp", "A-1", "--within", "51"]);
    assert_eq!(said.exit, Some(2), "{said:?}");
    let process = Process::start(&folder, &["run"]);
    let said = folder.dwmap(&["deliver", "Items", "epr", "A-1"]);
    assert!(said.exit == Some(2) && said.messages.contains("`erp`"), "{said:?}");
    process.kill();
}
