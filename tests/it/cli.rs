//! The program as people and scripts meet it: exit codes, messages, and what bad input leads to.

use insta::assert_snapshot;

use super::folder::{Folder, Said};

/// A pair of databases with their map, as the corpus has it.
fn pair() -> Folder {
    let folder = Folder::of_corpus("sqlite-pair");
    folder.sql("erp.db", &folder.read("erp.sql"));
    folder.sql("shop.db", &folder.read("shop.sql"));
    folder
}

/// The pair after its initial sync.
fn synced_pair() -> Folder {
    let folder = pair();
    let done = folder.dwmap(&["run", "--initial", "--once"]);
    assert_eq!(done.exit, Some(0), "{done:?}");
    folder
}

/// All that was said, and the exit code.
fn shown(said: Said) -> String {
    format!("{}{}exit {}", said.out, said.messages, said.exit.expect("it was not killed"))
}

fn with_edit(folder: &Folder, name: &str, from: &str, to: &str) {
    let text = folder.read(name);
    assert!(text.contains(from), "{name} has `{from}`");
    folder.write(name, &text.replacen(from, to, 1));
}

/// Nothing but the initial rows.
fn check_untouched(folder: &Folder) {
    assert_eq!(folder.sql("erp.db", "SELECT count(*) FROM item").trim(), "3");
    assert_eq!(folder.sql("shop.db", "SELECT count(*) FROM product").trim(), "2");
}

#[test]
fn a_clean_project_has_no_problems() {
    assert_snapshot!(shown(pair().dwmap(&["check"])), @r#"
    no problems in 1 file
    exit 0
    "#);
}

#[test]
fn a_half_typed_file_gets_one_message_a_piece() {
    let folder = Folder::new("half");
    folder.write("half.dwmap", "map A: x.Y <->\n\nsystem erp profile sqlite\nmap Items");
    assert_snapshot!(shown(folder.dwmap(&["check"])), @r#"
    error[DW0001]: this item has no body
      ┌─ half.dwmap:1:12
      │
    1 │ map A: x.Y <->
      │            ^^^ here
      │
      = fix: write its lines between `{` and `}`

    error[DW0001]: this item has no body
      ┌─ half.dwmap:4:5
      │
    4 │ map Items
      │     ^^^^^ here
      │
      = fix: write its lines between `{` and `}`

    2 errors in 1 file
    exit 1
    "#);
}

#[test]
fn an_unknown_field_gets_the_nearest_name() {
    let folder = pair();
    with_edit(&folder, "items.dwmap", "ean              <->", "eam              <->");
    assert_snapshot!(shown(folder.dwmap(&["check"])), @r#"
    error[DW0101]: `item` has no field `eam`
       ┌─ items.dwmap:38:3
       │
    38 │   eam              <-> barcode
       │   ^^^ not declared
       │
       = fix: `ean`

    1 error in 1 file
    exit 1
    "#);
}

#[test]
fn short_messages_stand_on_one_line_each() {
    let folder = pair();
    with_edit(&folder, "items.dwmap", "ean              <->", "eam              <->");
    assert_snapshot!(shown(folder.dwmap(&["check", "--format", "short"])), @r#"
    items.dwmap:38:3: error[DW0101]: `item` has no field `eam`
    exit 1
    "#);
}

#[test]
fn a_json_report_has_its_documented_shape() {
    let folder = pair();
    with_edit(&folder, "items.dwmap", "ean              <->", "eam              <->");
    let said = folder.dwmap(&["check", "--format", "json"]);
    assert_eq!((said.exit, said.messages.as_str()), (Some(1), ""));
    let report: serde_json::Value = serde_json::from_str(&said.out).expect("the report is JSON");
    assert_eq!(report["format_version"], 1);
    assert_eq!(report["summary"], serde_json::json!({ "errors": 1, "warnings": 0, "hints": 0 }));
    let mut keys: Vec<&str> = report["diagnostics"][0].as_object().expect("a message").keys().map(String::as_str).collect();
    keys.sort_unstable();
    assert_snapshot!(keys.join(" "), @r#"
    code column counterexample end_column end_line file fixes labels line map message notes rule severity
    "#);
    assert_eq!(report["diagnostics"][0]["rule"], "barcode");
}

#[test]
fn a_map_with_errors_is_not_run() {
    let folder = pair();
    with_edit(&folder, "items.dwmap", "ean              <->", "eam              <->");
    let said = folder.dwmap(&["run", "--initial", "--once"]);
    assert_eq!(said.exit, Some(1));
    assert!(said.messages.ends_with("error: the maps have errors, so nothing was done\n"), "{}", said.messages);
    assert!(!folder.path.join("dwmap-state.db").exists());
    check_untouched(&folder);
}

#[test]
fn a_missing_schema_is_named_with_its_place() {
    let folder = pair();
    with_edit(&folder, "items.dwmap", "system erp profile", "system erp from \"schemas/erp.json\" profile");
    assert_snapshot!(shown(folder.dwmap(&["check"])), @r#"
    error[DW0104]: there is no schema `schemas/erp.json`
      ┌─ items.dwmap:1:17
      │
    1 │ system erp from "schemas/erp.json" profile sqlite
      │                 ^^^^^^^^^^^^^^^^^^ named here
      │
      = fix: put the snapshot at schemas/erp.json, or declare the entities in this file with `entity`

    1 error in 1 file
    exit 1
    "#);
}

fn check_settings(from: &str, to: &str) -> String {
    let folder = pair();
    with_edit(&folder, "dwmap.toml", from, to);
    let said = shown(folder.dwmap(&["run", "--initial", "--once"]));
    check_untouched(&folder);
    said
}

#[test]
fn an_unknown_setting_gets_the_nearest_name() {
    assert_snapshot!(check_settings("poll_ms", "pol_ms"), @r#"
    error: ./dwmap.toml:10:1: unknown field `pol_ms`, expected one of `poll_ms`, `settle_ms`, `verify_per_minute`, `guard_deletes`, `guard_changes`
      = fix: `poll_ms`
    exit 2
    "#);
}

#[test]
fn a_misspelt_key_of_a_system_has_its_place() {
    assert_snapshot!(check_settings("path = \"shop.db\"", "pth = \"shop.db\""), @r#"
    error: ./dwmap.toml:7:1: unknown field `pth`, expected `path`
      = fix: `path`
    exit 2
    "#);
}

#[test]
fn a_misspelt_connector_key_is_found() {
    assert_snapshot!(check_settings("connector", "conector"), @r#"
    error: ./dwmap.toml:2:1: missing field `connector`
      = fix: `connector`
    exit 2
    "#);
}

#[test]
fn an_unknown_connector_gets_the_nearest_name() {
    assert_snapshot!(check_settings("\"sqlite\"", "\"sqlit\""), @r#"
    error: ./dwmap.toml:2:13: unknown variant `sqlit`, expected one of `sqlite`, `files`, `postgres`, `dataverse`, `finops`
      = fix: `sqlite`
    exit 2
    "#);
}

#[test]
fn a_system_that_no_map_names_gets_the_nearest_name() {
    assert_snapshot!(check_settings("[systems.erp]", "[systems.epr]"), @r#"
    error: no map speaks of the system `epr` of dwmap.toml
      = fix: `erp`
    exit 2
    "#);
}

#[test]
fn settings_that_are_no_toml_have_a_place() {
    assert_snapshot!(check_settings("[sync]", "[sync"), @r#"
    error: ./dwmap.toml:9:6: unclosed table, expected `]`
    exit 2
    "#);
}

#[test]
fn a_project_without_settings_is_not_run() {
    let folder = pair();
    std::fs::remove_file(folder.path.join("dwmap.toml")).expect("the corpus has settings");
    assert_snapshot!(shown(folder.dwmap(&["run"])), @r#"
    error: there is no dwmap.toml here
      = fix: write one that says which systems the maps' names stand for, see README.md
    exit 2
    "#);
}

#[test]
fn a_database_that_is_not_there_is_named_and_not_made() {
    assert_snapshot!(check_settings("erp.db", "no.db"), @r#"
    error: system `erp`: ./no.db: the file cannot be opened; check its path and rights (unable to open database file: ./no.db)
    exit 3
    "#);
}

#[test]
fn a_secret_that_is_not_set_is_named() {
    let said = check_settings(
        "connector = \"sqlite\"\npath = \"shop.db\"",
        "connector = \"dataverse\"\nurl = \"http://127.0.0.1:9\"\nauth = { tenant = \"t\", client_id = \"c\", client_secret = { env = \"DWMAP_TEST_NOT_SET\" } }",
    );
    assert_snapshot!(said, @r#"
    error: system `shop`: the environment variable `DWMAP_TEST_NOT_SET` is not set, or is not text
    exit 3
    "#);
}

/// The shop is Dataverse at that address, with that secret.
fn with_dataverse(url: &str, secret: &str) -> Folder {
    let folder = pair();
    folder.write("secret", secret);
    let bound = format!(
        "connector = \"dataverse\"\nurl = \"{url}\"\nauth = {{ token_url = \"{url}/sandbox/oauth2/v2.0/token\", client_id = \"dwmap\", client_secret = {{ file = \"secret\" }} }}"
    );
    with_edit(&folder, "dwmap.toml", "connector = \"sqlite\"\npath = \"shop.db\"", &bound);
    folder
}

#[test]
fn an_unreachable_system_is_tried_again_and_then_named() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free").local_addr().expect("it has an address");
    let folder = with_dataverse(&format!("http://{free}"), "x");
    let said = folder.dwmap(&["run", "--initial", "--once"]);
    assert_eq!(said.exit, Some(3), "{}", said.messages);
    let tries = said.messages.lines().filter(|it| it.starts_with("Items: shop cannot be read, next try in ")).count();
    assert_eq!(tries, 6, "{}", said.messages);
    let last: Vec<&str> = said.messages.lines().skip_while(|it| !it.starts_with("error")).collect();
    let (first, rest) = last.split_first().expect("it ends with an error");
    assert!(first.starts_with("error: system `shop`, map Items: the system cannot be reached: "), "{first}");
    assert_snapshot!(rest.join("\n"), @r#"
    = fix: look at `[systems.shop]` of dwmap.toml and at the system itself
    = note: what was done is kept; the same command goes on from here
    "#);
    check_untouched(&folder);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusing_system_is_named_without_the_secret() {
    use dwmap::sandbox::{Config, Dialect, Sandbox};
    let schema = dwmap::schema::snapshot::parse(include_str!("../../maps/schemas/dv.json")).expect("a test reads it");
    let system = Sandbox::start(Config::new(Dialect::Dataverse, schema)).await.expect("a port is free");
    let folder = with_dataverse(system.url(), "not-the-secret");
    let said = folder.dwmap(&["run", "--initial", "--once"]);
    assert_eq!(said.exit, Some(3), "{}", said.messages);
    assert!(!said.messages.contains("not-the-secret"), "{}", said.messages);
    assert_snapshot!(said.messages, @r#"
    error: system `shop`, map Items: no access token (401 invalid_client): AADSTS7000215: Invalid client secret provided.
      = fix: look at `[systems.shop]` of dwmap.toml and at the system itself
      = note: what was done is kept; the same command goes on from here
    "#);
    check_untouched(&folder);
    system.stop().await;
}

#[test]
fn a_run_needs_an_initial_sync_first() {
    assert_snapshot!(shown(pair().dwmap(&["run", "--once"])), @r#"
    error: these maps have not had their initial sync
      = fix: `dwmap run --initial` reads both sides and makes them agree
    exit 2
    "#);
}

#[test]
fn a_state_file_of_another_version_is_left_alone() {
    let folder = synced_pair();
    folder.sql("dwmap-state.db", "PRAGMA user_version = 7");
    assert_snapshot!(shown(folder.dwmap(&["run", "--once"])), @r#"
    error: ./dwmap-state.db holds a dwmap state of version 7, this dwmap reads version 2; use the dwmap that made it
    exit 3
    "#);
    assert_snapshot!(shown(folder.dwmap(&["status"])), @r#"
    error: ./dwmap-state.db holds a dwmap state of version 7, this dwmap reads version 2; use the dwmap that made it
    exit 3
    "#);
    assert_eq!(folder.sql("dwmap-state.db", "PRAGMA user_version").trim(), "7");
}

#[test]
fn a_state_file_of_another_program_is_left_alone() {
    let folder = pair();
    std::fs::copy(folder.path.join("erp.db"), folder.path.join("dwmap-state.db")).expect("a file can be copied");
    let before = folder.sql("dwmap-state.db", ".dump");
    assert_snapshot!(shown(folder.dwmap(&["run", "--initial", "--once"])), @r#"
    error: ./dwmap-state.db is a database of another program; name another file for the state
    exit 3
    "#);
    assert_eq!(folder.sql("dwmap-state.db", ".dump"), before);
}

#[test]
fn a_state_file_that_is_no_database_is_left_alone() {
    let folder = pair();
    folder.write("dwmap-state.db", "not a database, and long enough to see that at once");
    assert_snapshot!(shown(folder.dwmap(&["run", "--initial", "--once"])), @r#"
    error: ./dwmap-state.db is no database; name another file for the state
    exit 3
    "#);
    assert!(folder.read("dwmap-state.db").starts_with("not a database"));
}

#[test]
fn a_second_process_does_not_touch_the_state_of_the_first() {
    let folder = synced_pair();
    let mut first = folder.start(&["run"]);
    while !std::fs::read_to_string(folder.path.join("log")).unwrap_or_default().contains("live") {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let said = shown(folder.dwmap(&["run", "--once"]));
    let status = folder.dwmap(&["status"]);
    first.kill().expect("the process can be killed");
    first.wait().expect("a killed process ends");
    assert_snapshot!(said, @r#"
    error: ./dwmap-state.db is held by another dwmap; stop that one, or look at it with `dwmap status`
    exit 3
    "#);
    assert_eq!(status.exit, Some(0), "looking is allowed: {}", status.messages);
}

#[test]
fn status_tells_before_and_after() {
    let folder = pair();
    assert_snapshot!(shown(folder.dwmap(&["status"])), @r#"
    error: there is no state at `./dwmap-state.db` yet
      = fix: `dwmap run --initial` makes it
    exit 3
    "#);
    let done = folder.dwmap(&["run", "--initial", "--once"]);
    assert_snapshot!(shown(done), @r#"
    Items: 3 rows read from erp
    Items: 2 rows read from shop
    Items: 5 of 5 rows dealt with
    Items: in step
    Items: 3 created, 2 updated, 0 deleted, 0 skipped; 4 linked, 0 held, 0 conflicts
    exit 0
    "#);
    assert_snapshot!(shown(folder.dwmap(&["status"])), @r#"
    Items: running; 4 linked, 0 being made, 0 detached, 0 held, 0 conflicts, 0 queued, 8 displaced values on file
    exit 0
    "#);
    let report: serde_json::Value =
        serde_json::from_str(&folder.dwmap(&["status", "--format", "json"]).out).expect("the report is JSON");
    assert_eq!((&report["format_version"], &report["maps"][0]["linked"]), (&1.into(), &4.into()));
}

#[test]
fn a_row_that_the_map_refuses_is_held_and_shown() {
    let folder = synced_pair();
    folder.sql("shop.db", "UPDATE product SET state = 'burnt' WHERE sku = 'A-1'");
    let run = folder.dwmap(&["run", "--once"]);
    assert_eq!(run.exit, Some(4), "{}", run.messages);
    let status = folder.dwmap(&["status"]).out;
    assert!(
        status.contains("1 held") && status.contains("held (\"A-1\"): `state`: the value map state refuses \"burnt\""),
        "{status}"
    );
    folder.sql("shop.db", "UPDATE product SET state = 'gone' WHERE sku = 'A-1'");
    let run = folder.dwmap(&["run", "--once"]);
    assert_eq!(run.exit, Some(0), "{}", run.messages);
    assert_eq!(folder.sql("erp.db", "SELECT status FROM item WHERE number = 'A-1'").trim(), "Retired");
}

#[test]
fn formatting_twice_changes_nothing_more() {
    let folder = pair();
    with_edit(&folder, "items.dwmap", "  ean              <-> barcode", "      ean<->barcode");
    assert_snapshot!(shown(folder.dwmap(&["fmt", "--check"])), @r#"
    `items.dwmap` is not formatted
    exit 1
    "#);
    assert_snapshot!(shown(folder.dwmap(&["fmt"])), @r#"
    formatted `items.dwmap`
    exit 0
    "#);
    let once = folder.read("items.dwmap");
    assert_snapshot!(shown(folder.dwmap(&["fmt"])), @r#"
    exit 0
    "#);
    assert_eq!(folder.read("items.dwmap"), once);
    assert_eq!(folder.dwmap(&["fmt", "--check"]).exit, Some(0));
}

#[test]
fn a_file_that_does_not_parse_is_not_formatted() {
    let folder = Folder::new("half");
    folder.write("half.dwmap", "map   A: x.Y <->\n");
    let said = folder.dwmap(&["fmt"]);
    assert_eq!(said.exit, Some(1));
    assert!(said.messages.ends_with("`half.dwmap` was left as it is, because it does not parse\n"), "{}", said.messages);
    assert_eq!(folder.read("half.dwmap"), "map   A: x.Y <->\n");
}

#[test]
fn standard_input_is_formatted_to_standard_output() {
    let folder = Folder::new("pipe");
    folder.write("in", "system   erp profile   sqlite\n");
    assert_snapshot!(shown(folder.shell("dwmap fmt - < in")), @r#"
    system erp profile sqlite
    exit 0
    "#);
    folder.write("in", "map   A: x.Y <->\n");
    let said = folder.shell("dwmap fmt - < in");
    assert_eq!((said.exit, said.out.as_str()), (Some(1), "map   A: x.Y <->\n"));
}

#[test]
fn completions_are_scripts_of_their_shells() {
    let folder = Folder::new("completions");
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let said = folder.dwmap(&["completions", shell]);
        assert_eq!(said.exit, Some(0));
        assert!(said.out.contains("dwmap") && said.out.contains("sandbox"), "{shell}");
    }
    let said = folder.shell("dwmap completions bash > it && bash -n it && . ./it && complete -p dwmap");
    assert_eq!(said.exit, Some(0), "{}", said.messages);
}

#[test]
fn wrong_usage_is_said_with_the_usage() {
    let folder = Folder::new("usage");
    assert_snapshot!(shown(folder.dwmap(&["frob"])), @r#"
    error: unrecognized subcommand 'frob'

    Usage: dwmap [OPTIONS] <COMMAND>

    For more information, try '--help'.
    exit 2
    "#);
    assert_snapshot!(shown(folder.dwmap(&["check", "nowhere"])), @r#"
    error: there is no file or folder `nowhere`
    exit 3
    "#);
    assert_snapshot!(shown(folder.dwmap(&["check"])), @r#"
    error: there is no .dwmap file in .
    exit 2
    "#);
    assert_snapshot!(shown(folder.dwmap(&["explain", "DW0102x"])), @r#"
    error: there is no code `DW0102x`
      = fix: `DW0102`
    exit 2
    "#);
    assert_eq!(folder.dwmap(&["--help"]).exit, Some(0));
}

#[test]
fn every_verb_has_help() {
    let folder = Folder::new("help");
    for verb in ["check", "compile", "fmt", "test", "explain", "run", "status", "demo", "sandbox", "schema", "completions"] {
        let said = folder.dwmap(&[verb, "--help"]);
        assert!(said.exit == Some(0) && said.out.contains("Usage:"), "{verb}");
    }
}

/// Runs `dwmap run --initial --once` with `disk/` on a disk of half a megabyte that only this process sees; without the right
/// to mount one, under a bound on the size of files. What the disk holds in the end is put into the folder itself.
fn run_on_a_small_disk(folder: &Folder) -> Said {
    let work = "cp disk/* small/; dwmap run --initial --once; code=$?; cp small/* disk/; exit $code";
    let mounted = format!("mount -t tmpfs -o size=512k none small && {{ {work}; }}");
    folder.write("small/.keep", "");
    with_edit(folder, "dwmap.toml", "disk/", "small/");
    let is_mountable = folder.shell("unshare --mount --map-root-user mount -t tmpfs none small").exit == Some(0);
    let said = match is_mountable {
        true => folder.shell(&format!("exec unshare --mount --map-root-user bash -c '{mounted}'")),
        false => folder.shell(&format!("trap '' XFSZ; ulimit -f 400; {work}")),
    };
    with_edit(folder, "dwmap.toml", "small/", "disk/");
    said
}

/// The pair with that many rows more in the ERP.
fn large_pair(rows: u32) -> Folder {
    let folder = pair();
    folder.write("disk/.keep", "");
    let rows = format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})
         INSERT INTO item(number, name, price, stock, status, is_heavy) SELECT 'F-' || i, 'Thing ' || i, '1.00', i, 'Active', 0 FROM n"
    );
    folder.sql("erp.db", &rows);
    folder
}

/// There is room again: all rows are on both sides, once. Rows that are held are tried again when their time has come.
fn check_large(folder: &Folder, shop: &str, rows: u32) {
    let mut said = folder.dwmap(&["run", "--initial", "--once"]);
    for _ in 0..60 {
        if said.exit == Some(4) {
            std::thread::sleep(std::time::Duration::from_secs(1));
            said = folder.dwmap(&["run", "--initial", "--once"]);
        }
    }
    assert_eq!(said.exit, Some(0), "{said:?}");
    let count = |database: &str, what: &str| folder.sql(database, what).trim().to_owned();
    let expected = format!("{0}|{0}", rows + 4);
    assert_eq!(count(shop, "SELECT count(*), count(DISTINCT sku) FROM product"), expected);
    assert_eq!(count("erp.db", "SELECT count(*), count(DISTINCT number) FROM item"), expected);
}

#[test]
fn a_full_disk_under_the_state_is_said_and_nothing_is_lost() {
    let folder = large_pair(3000);
    with_edit(&folder, "dwmap.toml", "[sync]", "[store]\npath = \"disk/state.db\"\n\n[sync]");
    let said = run_on_a_small_disk(&folder);
    assert_eq!(said.exit, Some(3), "{said:?}");
    assert!(said.messages.contains("small/state.db"), "{}", said.messages);
    check_large(&folder, "shop.db", 3000);
}

#[test]
fn a_full_disk_under_a_system_is_waited_for() {
    let folder = large_pair(600);
    assert_eq!(folder.shell("sqlite3 shop.db 'PRAGMA wal_checkpoint(TRUNCATE)' && mv shop.db disk/").exit, Some(0));
    with_edit(&folder, "dwmap.toml", "\"shop.db\"", "\"disk/shop.db\"");
    let said = run_on_a_small_disk(&folder);
    assert_eq!(said.exit, Some(4), "{said:?}");
    check_large(&folder, "disk/shop.db", 600);
}

#[test]
fn a_locked_database_is_waited_for() {
    let folder = synced_pair();
    let release = "while [ ! -e released ]; do sleep 0.1; done; echo 'COMMIT;'";
    let lock = format!("(echo \"BEGIN IMMEDIATE; SELECT 'locked';\"; {release}) | sqlite3 shop.db > locked");
    std::thread::scope(|scope| {
        scope.spawn(|| folder.shell(&lock));
        while !std::fs::read_to_string(folder.path.join("locked")).is_ok_and(|it| it.contains("locked")) {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        folder.sql("erp.db", "UPDATE item SET stock = 77 WHERE number = 'A-1'");
        let said = folder.dwmap(&["run", "--once"]);
        folder.write("released", "");
        assert_eq!(said.exit, Some(4), "{said:?}");
    });
    let status = folder.dwmap(&["status"]).out;
    assert!(status.contains("another program is writing (database is locked)"), "{status}");
    std::thread::sleep(std::time::Duration::from_secs(2));
    let said = folder.dwmap(&["run", "--once"]);
    assert_eq!(said.exit, Some(0), "{said:?}");
    assert_eq!(folder.sql("shop.db", "SELECT quantity FROM product WHERE sku = 'A-1'").trim(), "77");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let folder = pair();
    let said = folder.shell("dwmap explain | head -1; echo ${PIPESTATUS[0]}");
    assert_eq!(said.out.lines().last(), Some("0"), "{said:?}");
    let said = folder.shell("dwmap completions bash | head -1 > first; echo ${PIPESTATUS[0]}");
    assert_eq!(said.out.lines().last(), Some("0"), "{said:?}");
}

#[test]
fn an_output_that_cannot_be_written_is_said() {
    let said = pair().shell("dwmap explain > /dev/full");
    assert_eq!(said.exit, Some(3), "{said:?}");
    assert!(said.messages.contains("the output cannot be written"), "{said:?}");
}

#[test]
fn an_encrypted_sandbox_says_whom_to_trust_and_which_tables_it_has() {
    use std::io::{BufRead, BufReader};
    let folder = Folder::new("sandbox");
    let mut command = folder.command(&["sandbox", "dataverse", "--tls", "ca.pem", "--customers", "1"]);
    let mut child = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().expect("it starts");
    let lines = |from: Box<dyn std::io::Read>, last: &str| {
        let mut said = Vec::new();
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            let is_last = line.contains(last);
            said.push(line);
            if is_last {
                break;
            }
        }
        said
    };
    let out = lines(Box::new(child.stdout.take().expect("it is piped")), "authority = ");
    let messages = lines(Box::new(child.stderr.take().expect("it is piped")), "Ctrl-C ends it");
    child.kill().expect("it runs");
    child.wait().expect("it ends");
    let authority = out.last().and_then(|it| it.strip_prefix("authority = '")?.strip_suffix('\'')).expect("it is said");
    assert!(std::fs::read_to_string(authority).expect("it is written").starts_with("-----BEGIN CERTIFICATE-----"));
    assert!(messages.iter().any(|it| it.contains("six maps of `maps/` alone")), "{messages:?}");
}

const PARAMETERS: &str = r#"system a
system b

param most: int32 = 3

entity a.Item {
  key Id: text<5>
  Name:   text<9>
}

entity b.item {
  key id: text<5>
  name:   text<9>
}

map Items: a.Item -> b.item {
  key Id <-> id
  Name -> name
  filter length(Name) <= most ->
  on exit detach
  on delete -> refuse
  on rekey reject
}

test "short names" in Items {
  given a { Id: "1", Name: "ab" }
  expect b { id: "1", name: "ab" }
}
"#;

#[test]
fn a_wrong_parameter_is_pointed_at_where_it_is_set() {
    let folder = Folder::new("parameters");
    folder.write("items.dwmap", PARAMETERS);
    folder.write("dwmap.toml", "[params]\nmost = \"many\"\nmist = 4\n");
    let said = folder.dwmap(&["check", "--format", "short"]);
    let lines: Vec<&str> = said.out.lines().collect();
    assert_eq!(said.exit, Some(1), "{said:?}");
    assert!(lines.iter().any(|it| it.starts_with("dwmap.toml:2:1: error[DW0103]")), "{said:?}");
    assert!(lines.iter().any(|it| it.starts_with("dwmap.toml:3:1: error[DW0101]: there is no parameter `mist`")), "{said:?}");
}

#[test]
fn a_test_that_nobody_wrote_is_not_passed() {
    let folder = Folder::new("tests-of-nothing");
    folder.write("items.dwmap", PARAMETERS);
    let said = folder.dwmap(&["test", "--only", "short nemes"]);
    assert_eq!(said.exit, Some(2), "{said:?}");
    assert!(said.messages.contains("has `short nemes` in its name\n  = fix: `--only \"short names\"`"), "{said:?}");
    assert_eq!(folder.dwmap(&["test", "--only", "short"]).exit, Some(0));
}

#[test]
fn a_desk_says_which_maps_it_cannot_show() {
    let folder = synced_pair();
    with_edit(&folder, "items.dwmap", "ean              <->", "eam              <->");
    let said = folder.dwmap(&["errors", "list"]);
    assert!(said.messages.contains("maps with errors are not shown where no process runs: `"), "{said:?}");
}

/// A map for dual-write.
const WIDGETS: &str = "system fo profile finops\nsystem dv profile dataverse\n\n\
    entity fo.Widgets {\n  key Number: text<20>\n}\n\nentity dv.xyz_widget {\n  key xyz_widgetid: guid\n  unique (xyz_number)\n  xyz_number: text<20>?\n}\n\n\
    map Widgets: fo.Widgets <-> dv.xyz_widget {\n  version 1.0.0.3\n  key Number <-> xyz_number\n  on conflict prefer dv\n  on delete <-> delete\n}\n";

#[test]
fn an_export_writes_over_nothing_unless_it_is_told_to() {
    let folder = Folder::new("export");
    folder.write("widgets.dwmap", WIDGETS);
    let export =
        |more: &[&str]| folder.dwmap(&[&["export", "widgets.dwmap", "--to", "dual-write", "--out", "out"], more].concat());
    let first = export(&[]);
    assert_eq!(first.exit, Some(0), "{first:?}");
    let name = std::fs::read_dir(folder.path.join("out")).expect("it was made").next().expect("it holds a file");
    let name = format!("out/{}", name.expect("it can be listed").file_name().to_string_lossy());
    folder.write(&name, "mine");
    let again = export(&[]);
    assert_eq!((again.exit, folder.read(&name)), (Some(2), "mine".to_owned()), "{again:?}");
    assert!(again.messages.contains("is there already; choose another folder, or say --force"), "{again:?}");
    assert_eq!(export(&["--force"]).exit, Some(0));
    assert!(folder.read(&name).contains("1.0.0.3"));
}

#[test]
fn an_import_of_a_folder_says_what_it_wants() {
    let folder = Folder::new("import");
    std::fs::create_dir(folder.path.join("saved")).expect("a folder can be made");
    let said = folder.dwmap(&["import", "saved", "--out", "maps"]);
    assert_eq!(said.exit, Some(2), "{said:?}");
    assert!(said.messages.contains("`saved` is a folder") && said.messages.contains("fix: name the files in it"), "{said:?}");
}

#[test]
fn overrides_are_locked_beside_snapshots_that_are_not_or_lie_elsewhere() {
    let folder = Folder::new("lock");
    for name in ["base", "layer"] {
        std::fs::create_dir(folder.path.join(name)).expect("a folder can be made");
    }
    folder.sql("a.db", "CREATE TABLE item (number TEXT PRIMARY KEY, name TEXT)");
    assert_eq!(folder.dwmap(&["schema", "read", "a.db", "-o", "base/a.json"]).exit, Some(0));
    let systems =
        |place: &str| format!("system a from \"{place}a.json\" profile exact\nsystem b from \"{place}a.json\" profile exact\n");
    let lines = "  key number <-> number\n  name <-> name\n  on conflict prefer a\n  on delete <-> refuse\n";
    folder.write("base/base.dwmap", &format!("{}map Items: a.item <-> b.item {{\n{lines}}}\n", systems("")));
    let layer = "map Items extends base.Items {\n  override name: trim(name) <-> trim(name)\n}\n";
    folder.write("layer/layer.dwmap", &format!("use \"../base/base.dwmap\" as base\n{}{layer}", systems("../base/")));
    let ok = |arguments: &[&str]| {
        let said = folder.dwmap(arguments);
        assert_eq!(said.exit, Some(0), "{arguments:?}: {said:?}");
    };
    ok(&["check", "base", "layer"]);
    // A lock of overrides alone asks for no snapshot.
    ok(&["schema", "lock-overrides", "base", "layer"]);
    ok(&["check", "base", "layer"]);
    // Whichever way a map takes to a snapshot, the lock has one name for it.
    ok(&["schema", "lock", "layer/../base/a.json"]);
    assert!(folder.read("dwmap.lock").contains("\"base/a.json\"") && folder.read("dwmap.lock").contains("Items.name"));
    ok(&["check", "base", "layer"]);
    folder.write("base/b.json", &folder.read("base/a.json"));
    with_edit(&folder, "layer/layer.dwmap", "system b from \"../base/a.json\"", "system b from \"../base/b.json\"");
    let said = folder.dwmap(&["check", "base", "layer"]);
    assert!(
        said.out.contains("dwmap schema lock base/b.json") || said.messages.contains("dwmap schema lock base/b.json"),
        "{said:?}"
    );
}

#[test]
fn a_desk_says_that_maps_with_errors_are_not_shown() {
    let folder = synced_pair();
    with_edit(&folder, "items.dwmap", "map Items: erp.item", "map Items: erp.itm");
    let listed = folder.dwmap(&["errors", "list"]);
    assert!(listed.messages.contains("maps with errors are not shown"), "{listed:?}");
    let shown = folder.dwmap(&["errors", "show", "Items", "A-1"]);
    assert_eq!(shown.exit, Some(2), "{shown:?}");
    assert!(shown.messages.contains("maps with errors are not among them; see `dwmap check`"), "{shown:?}");
    // A text that does not even parse hides its map as well.
    folder.write("items.dwmap", "map Items: erp.item <->\n");
    let listed = folder.dwmap(&["errors", "list"]);
    assert!(listed.messages.contains("maps with errors are not shown"), "{listed:?}");
}
