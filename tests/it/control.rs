//! Commands to a running process, and to the state where none runs: states, queues, desks, and what becomes of dead processes.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Child;
use std::time::Duration;

use insta::assert_snapshot;
use serde_json::Value as Json;

use super::folder::{Folder, Said};

/// Longest wait for something that a process does.
const PATIENCE: Duration = Duration::from_secs(60);

/// A pair of databases with their map, as the corpus has it.
pub fn pair() -> Folder {
    let folder = Folder::of_corpus("sqlite-pair");
    folder.sql("erp.db", &folder.read("erp.sql"));
    folder.sql("shop.db", &folder.read("shop.sql"));
    folder
}

/// The pair after its initial sync.
pub fn synced_pair() -> Folder {
    let folder = pair();
    let done = folder.dwmap(&["run", "--initial", "--once"]);
    assert_eq!(done.exit, Some(0), "{done:?}");
    folder
}

/// A `dwmap run` that hears commands; killed with this value.
pub struct Process {
    child: Child,
}

impl Process {
    pub fn start(folder: &Folder, arguments: &[&str]) -> Self {
        let process = Self { child: folder.start(arguments) };
        wait("the process announces itself", || folder.path.join("dwmap-state.db.process").exists());
        wait("the process is live", || folder.read("log").contains("live;"));
        process
    }

    pub fn kill(mut self) {
        self.child.kill().expect("a process can be killed");
        self.child.wait().expect("a killed process ends");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

pub fn wait(what: &str, mut is_there: impl FnMut() -> bool) {
    let mut waited = Duration::ZERO;
    while !is_there() {
        assert!(waited < PATIENCE, "{what}: not in {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(20));
        waited += Duration::from_millis(20);
    }
}

/// The JSON answer of a command that succeeds.
pub fn json(folder: &Folder, arguments: &[&str]) -> Json {
    let mut all = arguments.to_vec();
    all.extend(["--format", "json"]);
    let said = folder.dwmap(&all);
    assert_eq!(said.exit, Some(0), "{arguments:?}: {said:?}");
    serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {}", said.out))
}

fn ok(folder: &Folder, arguments: &[&str]) -> Said {
    let said = folder.dwmap(arguments);
    assert_eq!(said.exit, Some(0), "{arguments:?}: {said:?}");
    said
}

fn title(folder: &Folder, sku: &str) -> String {
    folder.sql("shop.db", &format!("SELECT title FROM product WHERE sku = '{sku}'")).trim().to_owned()
}

fn rename(folder: &Folder, number: &str, name: &str) {
    folder.sql("erp.db", &format!("UPDATE item SET name = '{name}' WHERE number = '{number}'"));
}

fn with_manual_conflicts(folder: &Folder) {
    let text = folder.read("items.dwmap");
    folder.write("items.dwmap", &text.replace("on conflict prefer erp", "on conflict manual"));
}

/// A synced pair whose item A-1 was renamed on both sides.
fn disputed_pair() -> Folder {
    let folder = synced_pair();
    with_manual_conflicts(&folder);
    rename(&folder, "A-1", "Chair of oak");
    folder.sql("shop.db", "UPDATE product SET title = 'White chair' WHERE sku = 'A-1'");
    let said = folder.dwmap(&["run", "--once"]);
    assert_eq!(said.exit, Some(4), "{said:?}");
    folder
}

#[test]
fn a_paused_map_queues_and_catches_up() {
    let folder = synced_pair();
    let process = Process::start(&folder, &["run"]);
    let paused = json(&folder, &["pause", "Items", "--by", "ann", "--why", "stock taking"]);
    assert_eq!((&paused["via"], &paused["maps"][0]["now"]), (&"process".into(), &"paused".into()));
    rename(&folder, "A-1", "Armchair");
    wait("the change is queued", || json(&folder, &["queue"])["maps"][0]["queued"] == 1);
    assert_eq!(title(&folder, "A-1"), "Chair");
    let status = json(&folder, &["status"]);
    let map = &status["maps"][0];
    assert_eq!((&map["state"], &map["who"], &map["why"]), (&"paused".into(), &"ann".into(), &"stock taking".into()));
    ok(&folder, &["resume"]);
    wait("the change is carried over", || title(&folder, "A-1") == "Armchair");
    wait("the map has caught up", || json(&folder, &["status"])["maps"][0]["state"] == "running");
    let activity = ok(&folder, &["activity", "Items"]).out;
    assert!(activity.contains("pause by ann: stock taking"), "{activity}");
    process.kill();
}

#[test]
fn a_state_survives_the_process() {
    let folder = synced_pair();
    let said = ok(&folder, &["pause"]);
    assert_snapshot!(format!("{}{}", said.out, said.messages), @r"
    Items: paused, was running
    no process runs; on file for the next `dwmap run`
    ");
    rename(&folder, "A-1", "Armchair");
    let once = ok(&folder, &["run", "--once"]);
    assert!(once.messages.contains("paused: Items; `dwmap resume` lets them go on"), "{}", once.messages);
    assert_eq!(title(&folder, "A-1"), "Chair");
    ok(&folder, &["resume", "Items"]);
    ok(&folder, &["run", "--once"]);
    assert_eq!(title(&folder, "A-1"), "Armchair");
}

#[test]
fn a_stopped_map_reads_nothing_and_goes_on_where_it_was() {
    let folder = synced_pair();
    let process = Process::start(&folder, &["run"]);
    ok(&folder, &["stop", "Items"]);
    rename(&folder, "A-1", "Armchair");
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(json(&folder, &["queue"])["maps"][0]["queued"], 0);
    ok(&folder, &["start", "Items"]);
    wait("the change is carried over", || title(&folder, "A-1") == "Armchair");
    process.kill();
}

#[test]
fn a_process_without_started_maps_keeps_serving() {
    let folder = pair();
    let process = Process::start(&folder, &["run"]);
    assert!(folder.read("log").contains("stopped: Items; `dwmap start --initial` reads their rows"), "{}", folder.read("log"));
    let refused = folder.dwmap(&["start", "Items"]);
    assert_eq!(refused.exit, Some(2));
    assert_snapshot!(refused.messages, @r"
    error: the map Items has not had its initial sync
      = fix: `dwmap start Items --initial` reads both sides and makes them agree
    ");
    ok(&folder, &["start", "Items", "--initial", "--master", "shop"]);
    wait("the map runs", || json(&folder, &["status"])["maps"][0]["state"] == "running");
    assert_eq!(folder.sql("erp.db", "SELECT name FROM item WHERE number = 'A-1'").trim(), "Chair, old title");
    assert_eq!(folder.sql("shop.db", "SELECT count(*) FROM product").trim(), "4");
    process.kill();
}

#[test]
fn a_skipped_queue_is_kept_as_errors() {
    let folder = synced_pair();
    ok(&folder, &["pause"]);
    rename(&folder, "A-1", "Armchair");
    // The queue is written by a process that listens while the map is paused.
    let process = Process::start(&folder, &["run"]);
    wait("the change is queued", || json(&folder, &["queue"])["maps"][0]["queued"] == 1);
    let said = ok(&folder, &["resume", "--skip", "keep", "--by", "ann"]);
    assert!(said.out.contains("1 queued changes are errors now"), "{}", said.out);
    let errors = json(&folder, &["errors", "list"]);
    assert_eq!(errors["records"][0]["message"], "skipped by ann when the map went on; a retry carries it over");
    assert_eq!(title(&folder, "A-1"), "Chair");
    ok(&folder, &["errors", "retry", "Items", "A-1"]);
    wait("the change is carried over", || title(&folder, "A-1") == "Armchair");
    process.kill();
}

#[test]
fn a_discarded_queue_waits_for_the_next_edit() {
    let folder = synced_pair();
    let process = Process::start(&folder, &["run"]);
    ok(&folder, &["pause"]);
    rename(&folder, "A-1", "Armchair");
    wait("the change is queued", || json(&folder, &["queue"])["maps"][0]["queued"] == 1);
    ok(&folder, &["resume", "--skip", "discard"]);
    wait("the map runs", || json(&folder, &["status"])["maps"][0]["state"] == "running");
    assert_eq!(title(&folder, "A-1"), "Chair");
    folder.sql("erp.db", "UPDATE item SET stock = 99 WHERE number = 'A-1'");
    wait("the next edit carries both", || title(&folder, "A-1") == "Armchair");
    process.kill();
}

#[test]
fn a_resolved_conflict_never_returns() {
    let folder = disputed_pair();
    let process = Process::start(&folder, &["run"]);
    let listed = ok(&folder, &["conflicts", "list"]).out;
    assert_snapshot!(listed, @r#"
    Items ("A-1")
      title: left "Chair of oak", right "White chair", agreed "Chair"
    "#);
    let said =
        ok(&folder, &["conflicts", "resolve", "Items", "A-1", "--take", "shop", "--by", "ann", "--why", "the label is printed"]);
    assert_eq!(said.out.trim(), r#"Items ("A-1"): ann resolved title: right wins"#);
    let name = || folder.sql("erp.db", "SELECT name FROM item WHERE number = 'A-1'").trim().to_owned();
    wait("the shop's title is in the ERP", || name() == "White chair");
    wait("no conflict is left", || json(&folder, &["status"])["maps"][0]["conflicts"] == 0);
    let trace = json(&folder, &["trace", "Items", "A-1"]);
    let displaced: Vec<&str> =
        trace["displaced"].as_array().expect("a list").iter().filter_map(|it| it["policy"].as_str()).collect();
    assert!(displaced.contains(&"resolved by ann: the label is printed"), "{displaced:?}");
    process.kill();
    // The same state, read by a new process, has no conflict either, and both sides are as they were decided.
    ok(&folder, &["run", "--once"]);
    assert_eq!((name().as_str(), title(&folder, "A-1").as_str()), ("White chair", "White chair"));
}

#[test]
fn a_conflict_is_resolved_by_a_third_value_without_a_process() {
    let folder = disputed_pair();
    let said = ok(&folder, &["conflicts", "resolve", "Items", "A-1", "--value", "Oak chair, white"]);
    assert!(said.messages.contains("on file for the next `dwmap run`"), "{}", said.messages);
    ok(&folder, &["run", "--once"]);
    assert_eq!(folder.sql("erp.db", "SELECT name FROM item WHERE number = 'A-1'").trim(), "Oak chair, white");
    assert_eq!(title(&folder, "A-1"), "Oak chair, white");
    let activity = ok(&folder, &["activity", "Items"]).out;
    assert!(activity.contains("resolved title: neither side wins, left `name` was given \"Oak chair, white\""), "{activity}");
    assert_eq!(json(&folder, &["status"])["maps"][0]["conflicts"], 0);
    let trace = ok(&folder, &["trace", "Items", "A-1"]).out;
    for lost in ["Chair of oak", "White chair"] {
        assert!(trace.lines().any(|it| it.contains("displaced") && it.contains(lost)), "{lost} is on file: {trace}");
    }
}

#[test]
fn an_edit_after_the_decision_is_an_edit() {
    let folder = disputed_pair();
    ok(&folder, &["conflicts", "resolve", "Items", "A-1", "--take", "left"]);
    folder.sql("shop.db", "UPDATE product SET price = '51.00' WHERE sku = 'A-1'");
    ok(&folder, &["run", "--once"]);
    assert_eq!(title(&folder, "A-1"), "Chair of oak");
    assert_eq!(folder.sql("erp.db", "SELECT price FROM item WHERE number = 'A-1'").trim(), "51");
}

/// A synced pair, and a product whose state the map refuses.
fn refused_pair() -> Folder {
    let folder = synced_pair();
    folder.sql("shop.db", "UPDATE product SET state = 'odd' WHERE sku = 'A-1'");
    let said = folder.dwmap(&["run", "--once"]);
    assert_eq!(said.exit, Some(4), "{said:?}");
    folder
}

#[test]
fn a_held_record_is_mended_by_an_edit() {
    let folder = refused_pair();
    let listed = json(&folder, &["errors", "list", "Items"]);
    assert_eq!((&listed["groups"][0]["records"], &listed["groups"][0]["class"]), (&1.into(), &"validation".into()));
    let process = Process::start(&folder, &["run"]);
    ok(&folder, &["errors", "edit", "Items", "A-1", "--on", "shop", "--set", "state=gone", "--by", "ann"]);
    let status = || folder.sql("erp.db", "SELECT status FROM item WHERE number = 'A-1'").trim().to_owned();
    wait("the mended value is carried over", || status() == "Retired");
    wait("nothing is held", || json(&folder, &["status"])["maps"][0]["held"] == 0);
    process.kill();
}

#[test]
fn a_discarded_error_leaves_both_values_on_file() {
    let folder = refused_pair();
    ok(&folder, &["errors", "discard", "Items", "A-1", "--by", "ann", "--why", "a test row"]);
    ok(&folder, &["run", "--once"]);
    let status = json(&folder, &["status"]);
    assert_eq!((&status["maps"][0]["held"], &status["maps"][0]["state"]), (&0.into(), &"running".into()));
    assert_eq!(folder.sql("erp.db", "SELECT status FROM item WHERE number = 'A-1'").trim(), "Active");
    let trace = json(&folder, &["trace", "Items", "A-1"]);
    let entry = trace["displaced"].as_array().expect("a list").iter().find(|it| it["policy"] == "discarded by ann: a test row");
    let entry = entry.unwrap_or_else(|| panic!("the ledger has it: {trace:#}"));
    assert_eq!((&entry["loser"], &entry["winner"]), (&"\"odd\"".into(), &"\"live\"".into()));
    folder.sql("shop.db", "UPDATE product SET state = 'paused' WHERE sku = 'A-1'");
    ok(&folder, &["run", "--once"]);
    assert_eq!(folder.sql("erp.db", "SELECT status FROM item WHERE number = 'A-1'").trim(), "Paused");
}

#[test]
fn held_records_are_exported_as_a_table() {
    let folder = refused_pair();
    let said = ok(&folder, &["errors", "export"]);
    let lines: Vec<&str> = said.out.lines().collect();
    assert_eq!(lines.len(), 2, "{}", said.out);
    assert!(lines[1].starts_with(r#""Items","(""A-1"")","#), "{}", lines[1]);
}

#[test]
fn a_trace_explains_a_write() {
    let folder = synced_pair();
    rename(&folder, "A-1", "Armchair");
    ok(&folder, &["run", "--once"]);
    let trace = json(&folder, &["trace", "Items", "A-1"]);
    let line = &trace["lines"][0];
    let text = line["text"].as_str().expect("a text");
    let parts = [
        r#"right: title: "Armchair""#,
        r#"for the edit left name: "Chair" -> "Armchair""#,
        "by title",
        "sent for version",
        "answered with version",
    ];
    for part in parts {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!((&line["what"], line["op"].as_str().map(str::len)), (&"updated".into(), Some(36)));
    let (decided, at) = (line["decided"].as_str().expect("a time"), line["at"].as_str().expect("a time"));
    assert!(decided[..16] <= at[..16], "it was named before it was answered: {decided} {at}");
}

#[test]
fn histories_are_kept_for_so_many_days_and_open_matters_for_ever() {
    let folder = refused_pair();
    // As if all of it had happened a hundred days ago.
    folder.sql("dwmap-state.db", "UPDATE activity SET at = at - 8640000000000000");
    let count = |what: &str| folder.sql("dwmap-state.db", &format!("SELECT count(*) FROM {what}")).trim().to_owned();
    let displaced = count("ledger");
    let held = "activity WHERE link IN (SELECT link FROM hold)";
    let (of_held, all) = (count(held), count("activity"));
    assert!(of_held != "0" && of_held != all, "{of_held} of {all} lines are of held records");
    let process = Process::start(&folder, &["run"]);
    wait("old lines are forgotten", || count("activity WHERE link NOT IN (SELECT link FROM hold)") == "0");
    assert_eq!((count(held), count("ledger")), (of_held, displaced));
    process.kill();
}

#[test]
fn names_that_do_not_exist_get_the_nearest() {
    let folder = refused_pair();
    let messages = |arguments: &[&str]| {
        let said = folder.dwmap(arguments);
        assert_eq!(said.exit, Some(2), "{said:?}");
        said.messages
    };
    assert_snapshot!(messages(&["pause", "Itens"]), @r"
    error: there is no map `Itens`
      = fix: `Items`
    ");
    assert_snapshot!(messages(&["errors", "retry", "Items", "A-11"]), @r"
    error: the map Items has no record `A-11`
      = fix: `A-1`
    ");
    assert_snapshot!(messages(&["errors", "edit", "Items", "A-1", "--on", "shopp", "--set", "state=gone"]), @r"
    error: `shopp` is no side of the map Items
      = fix: `shop`
    ");
    assert_snapshot!(messages(&["errors", "edit", "Items", "A-1", "--on", "shop", "--set", "sate=gone"]), @r"
    error: the map Items uses no field `sate` of product
      = fix: `state`
    ");
    assert_snapshot!(messages(&["errors", "edit", "Items", "A-1", "--on", "shop", "--set", "quantity=many"]), @r#"
    error: `quantity`: "many" does not fit int64
      = fix: write it as int64
    "#);
    assert_snapshot!(messages(&["conflicts", "resolve", "Items", "A-1", "--take", "left"]), @r"
    error: the record `A-1` of Items has no open conflict
      = fix: `dwmap conflicts list Items` shows those that have
    ");
}

#[test]
fn what_a_dead_process_left_behind_is_not_believed() {
    let folder = synced_pair();
    Process::start(&folder, &["run"]).kill();
    let left = folder.read("dwmap-state.db.process");
    let said = ok(&folder, &["pause"]);
    assert!(said.messages.contains("no process runs"), "{}", said.messages);
    ok(&folder, &["resume"]);
    let process = Process::start(&folder, &["run"]);
    wait("the new process says where it is", || folder.read("dwmap-state.db.process") != left);
    assert_eq!(json(&folder, &["pause"])["via"], "process");
    process.kill();
}

#[test]
fn a_process_that_ends_takes_its_file_along() {
    let folder = synced_pair();
    let process = Process::start(&folder, &["run"]);
    let id = process.child.id().to_string();
    folder.shell(&format!("kill -TERM {id}"));
    wait("the file is gone", || !folder.path.join("dwmap-state.db.process").exists());
}

/// The status line of the answer to a command.
fn status_of(port: u64, head: &str, body: &str) -> String {
    answer_of(port, head, body).lines().next().unwrap_or_default().to_owned()
}

/// The whole answer to a command over HTTP.
pub fn answer_of(port: u64, head: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", u16::try_from(port).expect("a port"))).expect("the process listens");
    let request = format!(
        "POST /api/v1/ask HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{head}Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    // A server that refuses early may close before it has read everything.
    drop(stream.write_all(request.as_bytes()));
    let mut answer = String::new();
    drop(stream.read_to_string(&mut answer));
    answer
}

#[test]
fn commands_need_the_token_which_only_the_owner_can_read() {
    let folder = synced_pair();
    let process = Process::start(&folder, &["run"]);
    let file: Json = serde_json::from_str(&folder.read("dwmap-state.db.process")).expect("the file is JSON");
    let (port, token) = (file["port"].as_u64().expect("a port"), file["token"].as_str().expect("a token"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(folder.path.join("dwmap-state.db.process")).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let body = r#"{"format_version":1,"who":"eve","ask":{"do":"pause","maps":[]}}"#;
    let bearer = |token: &str| format!("Authorization: Bearer {token}\r\n");
    assert_eq!(status_of(port, "", body), "HTTP/1.1 401 Unauthorized");
    assert_eq!(status_of(port, &bearer(&token[1..]), body), "HTTP/1.1 401 Unauthorized");
    assert_eq!(json(&folder, &["status"])["maps"][0]["state"], "running");
    assert_eq!(status_of(port, &bearer(token), "{"), "HTTP/1.1 400 Bad Request");
    assert_eq!(status_of(port, &bearer(token), &format!("\"{}\"", "x".repeat(300_000))), "HTTP/1.1 413 Payload Too Large");
    assert_eq!(status_of(port, &bearer(token), body), "HTTP/1.1 200 OK");
    assert_eq!(json(&folder, &["status"])["maps"][0]["state"], "paused");
    process.kill();
}

#[test]
fn commands_at_the_same_time_are_all_answered() {
    let folder = synced_pair();
    let process = Process::start(&folder, &["run"]);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| ok(&folder, &["pause"]));
            scope.spawn(|| ok(&folder, &["trace", "Items", "A-1"]));
            scope.spawn(|| ok(&folder, &["status"]));
        }
    });
    assert_eq!(json(&folder, &["status"])["maps"][0]["state"], "paused");
    process.kill();
}

#[test]
fn a_plan_counts_and_writes_nothing() {
    let folder = pair();
    let before = [folder.sql("erp.db", ".dump"), folder.sql("shop.db", ".dump")];
    let said = folder.dwmap(&["plan", "--detailed-exitcode"]);
    assert_eq!(said.exit, Some(5), "{said:?}");
    assert_snapshot!(said.out, @r#"
    Items: 3 rows left, 2 right
      1 to create on the left
        ("S-9"): number: "S-9", name: "Voucher", ean: null, price: 25, stock: 100, status: "Active", is_heavy: false, sold_since: null, counted: null, remark: "made in the shop"
      2 to create on the right
        ("A-2"): sku: "A-2", title: "Table", barcode: null, price: 199, quantity: 3, state: "paused", freight: true, release_date: null, counted_at: null, description: "a long remark that the shop can only sho", search: "TABLE"
        ("A-3"): sku: "A-3", title: "Stool", barcode: null, price: 0.01, quantity: 0, state: "gone", freight: false, release_date: null, counted_at: null, description: null, search: "STOOL"
      1 to update on the right
        ("A-1"): title: "Chair", barcode: "4006381333931", quantity: 12, release_date: 2024-02-29, counted_at: 2025-03-30T01:30:00Z, description: "oak", search: "CHAIR"
    "#);
    assert_eq!([folder.sql("erp.db", ".dump"), folder.sql("shop.db", ".dump")], before);
    assert!(!folder.path.join("dwmap-state.db").exists());
}

#[test]
fn a_plan_after_the_sync_has_nothing_to_do() {
    let folder = synced_pair();
    let said = folder.dwmap(&["plan", "--detailed-exitcode", "--format", "json"]);
    assert_eq!(said.exit, Some(0), "{said:?}");
    let report: Json = serde_json::from_str(&said.out).expect("the report is JSON");
    assert_eq!((&report["to_do"], &report["maps"][0]["actions"]), (&0.into(), &serde_json::json!({ "equal": 4 })));
}

#[test]
fn a_plan_knows_ambiguous_rows_and_the_master() {
    let folder = pair();
    folder.sql("shop.db", "INSERT INTO product (sku, title, price, quantity, state, freight) VALUES ('A-2', 'Table', '199.00', 3, 'paused', 1), ('A-2', 'Table', '199.00', 3, 'paused', 1)");
    let report = json(&folder, &["plan", "--master", "shop"]);
    let actions = &report["maps"][0]["actions"];
    assert_eq!(
        actions,
        &serde_json::json!({ "create_left": 1, "create_right": 1, "update_left": 1, "update_right": 1, "ambiguous": 1 })
    );
}

#[test]
fn a_backup_that_was_put_back_is_read_from_its_start() {
    let folder = synced_pair();
    std::fs::copy(folder.path.join("erp.db"), folder.path.join("backup.db")).expect("erp.db is there");
    folder.sql("erp.db", "UPDATE item SET name = 'Stool' WHERE number = 'A-1'");
    assert_eq!(folder.dwmap(&["run", "--once"]).exit, Some(0));
    std::fs::copy(folder.path.join("backup.db"), folder.path.join("erp.db")).expect("the backup is there");
    // The row that was edited since stands still until somebody decides; nothing else does.
    let said = folder.dwmap(&["run", "--once"]);
    assert!(matches!(said.exit, Some(0 | 4)), "{said:?}");
    folder.sql("erp.db", "UPDATE item SET name = 'Bench' WHERE number = 'A-2'");
    assert!(matches!(folder.dwmap(&["run", "--once"]).exit, Some(0 | 4)));
    assert_eq!(folder.sql("shop.db", "SELECT title FROM product WHERE sku = 'A-2'").trim(), "Bench");
}

#[test]
fn an_older_state_that_was_put_back_doubles_nothing() {
    let folder = synced_pair();
    let (state, copy) = (folder.path.join("dwmap-state.db"), folder.path.join("copy.db"));
    std::fs::copy(&state, &copy).expect("the state is there");
    folder.sql(
        "erp.db",
        "INSERT INTO item SELECT 'N-1', 'New', ean, price, stock, status, is_heavy, NULL, NULL, NULL FROM item LIMIT 1",
    );
    let columns = "title, price, quantity, state, freight";
    folder.sql("shop.db", &format!("INSERT INTO product (sku, {columns}) SELECT 'N-2', {columns} FROM product LIMIT 1"));
    rename(&folder, "A-2", "Bench");
    ok(&folder, &["run", "--once"]);
    let writes = || ["erp.db", "shop.db"].map(|it| folder.sql(it, "SELECT count(*) FROM audit").trim().to_owned());
    let before = writes();

    std::fs::copy(&copy, &state).expect("the copy is there");
    for beside in ["dwmap-state.db-wal", "dwmap-state.db-shm"] {
        drop(std::fs::remove_file(folder.path.join(beside)));
    }
    let said = ok(&folder, &["run", "--once"]);
    assert!(said.messages.contains("the state is an older copy of itself (Items)"), "{}", said.messages);
    assert_eq!(writes(), before, "what both sides hold already is adopted");
    for (database, table, key) in [("erp.db", "item", "number"), ("shop.db", "product", "sku")] {
        assert_eq!(folder.sql(database, &format!("SELECT count(*) FROM {table} WHERE {key} LIKE 'N-%'")).trim(), "2");
    }
    rename(&folder, "N-1", "Newer");
    let said = ok(&folder, &["run", "--once"]);
    assert!(!said.messages.contains("older copy"), "{}", said.messages);
    assert_eq!(title(&folder, "N-1"), "Newer", "both new rows are linked again");
}

#[test]
fn ambiguous_rows_are_left_alone_until_one_of_them_is_gone() {
    let folder = pair();
    folder.sql("erp.db", "DELETE FROM item WHERE number <> 'A-1'");
    folder.sql("shop.db", "DELETE FROM product");
    let twin =
        "INSERT INTO product (sku, title, price, quantity, state, freight) VALUES ('A-1', 'Twin', '199.00', 3, 'paused', 1)";
    folder.sql("shop.db", &format!("{twin}; {twin}"));
    assert_eq!(folder.dwmap(&["run", "--initial", "--once"]).exit, Some(4));
    let rows = || {
        let of = |database, sql| folder.sql(database, sql).trim().to_owned();
        [of("erp.db", "SELECT name FROM item"), of("shop.db", "SELECT title FROM product")]
    };
    let before = rows();
    for ask in [&["errors", "retry", "Items"][..], &["reload", "Items"]] {
        ok(&folder, ask);
        assert_eq!(folder.dwmap(&["run", "--once"]).exit, Some(4), "{ask:?}");
        assert_eq!(rows(), before, "{ask:?}");
    }
    folder.sql("shop.db", "DELETE FROM product WHERE rowid = (SELECT max(rowid) FROM product)");
    // Told of the delete, the link of that row ends; the others are matched anew.
    assert_eq!(folder.dwmap(&["run", "--once"]).exit, Some(4));
    ok(&folder, &["stop", "Items"]);
    ok(&folder, &["start", "Items", "--initial"]);
    let done = folder.dwmap(&["run", "--once"]);
    assert_eq!(done.exit, Some(0), "{done:?} {:?}", folder.dwmap(&["errors", "list", "Items"]));
    assert_eq!(folder.sql("shop.db", "SELECT count(*) FROM product").trim(), "1");
    assert_eq!(folder.sql("erp.db", "SELECT count(*) FROM item").trim(), "1");
}

#[test]
fn a_range_of_keys_is_read_again() {
    let folder = synced_pair();
    let process = Process::start(&folder, &["run"]);
    ok(&folder, &["reload", "Items", "--keys", "A-2..A-3"]);
    wait("the reload ends", || ok(&folder, &["activity"]).out.contains("reload ended"));
    let activity = ok(&folder, &["activity"]).out;
    assert!(activity.contains("reload ended: 8 rows read, 4 looked at"), "{activity}");
    assert_eq!(folder.sql("erp.db", "SELECT count(*) FROM audit WHERE what = 'update'").trim(), "0");
    process.kill();
}

#[test]
fn a_verify_finds_and_repairs() {
    let folder = synced_pair();
    let said = ok(&folder, &["verify"]);
    assert_snapshot!(said.out, @"Items: 4 rows left, 4 right, 4 pairs, 0 differ");
    // Nobody tells of this edit: the triggers that feed the map are gone for a moment.
    let triggers = folder.sql("shop.db", "SELECT sql || ';' FROM sqlite_schema WHERE type = 'trigger' AND name LIKE '%dwmap%'");
    let names = folder.sql("shop.db", "SELECT name FROM sqlite_schema WHERE type = 'trigger' AND name LIKE '%dwmap%'");
    assert!(names.lines().count() >= 3, "{names}");
    let drop: String = names.lines().map(|it| format!("DROP TRIGGER \"{it}\";")).collect();
    folder.sql("shop.db", &format!("{drop} UPDATE product SET title = 'Armchair' WHERE sku = 'A-1'; {triggers}"));
    let process = Process::start(&folder, &["run"]);
    let found = folder.dwmap(&["verify"]);
    assert_eq!(found.exit, Some(4), "{found:?}");
    let repaired = json(&folder, &["verify", "--repair"]);
    let map = &repaired["maps"][0];
    assert_eq!((&repaired["via"], &map["differing"], &map["left_after_repair"]), (&"process".into(), &1.into(), &0.into()));
    assert_eq!(folder.sql("erp.db", "SELECT name FROM item WHERE number = 'A-1'").trim(), "Armchair");
    process.kill();
}
