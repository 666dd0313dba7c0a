//! `dwmap doctor`: what is claimed of a system is asked of the system, by reading.

use dwmap::sandbox::{Config, Dialect, Sandbox};
use serde_json::json;

use super::folder::{Folder, Said};

/// Two databases; `profile` is what the map claims of the first one.
fn pair(profile: &str) -> Folder {
    let folder = Folder::new("doctor");
    folder.sql(
        "erp.db",
        "CREATE TABLE item (number TEXT PRIMARY KEY, name TEXT NOT NULL); INSERT INTO item VALUES ('A-1', 'Chair')",
    );
    folder.sql("shop.db", "CREATE TABLE product (sku TEXT PRIMARY KEY, title TEXT NOT NULL)");
    folder.write(
        "items.dwmap",
        &format!(
            "system erp profile {profile}\nsystem shop profile sqlite\n\nentity erp.item {{\n  key number: text<20>\n  name: text<100>\n}}\n\n\
             entity shop.product {{\n  key sku: text<20>\n  title: text<100>\n}}\n\nmap Items: erp.item -> shop.product {{\n  \
             key number <-> sku\n  name -> title\n  on delete -> delete\n}}\n"
        ),
    );
    folder.write(
        "dwmap.toml",
        "[systems.erp]\nconnector = \"sqlite\"\npath = \"erp.db\"\n\n[systems.shop]\nconnector = \"sqlite\"\npath = \"shop.db\"\n",
    );
    folder
}

fn lines(said: &Said) -> Vec<&str> {
    said.out.lines().map(str::trim).collect()
}

#[test]
fn a_system_that_is_as_claimed_keeps_its_grade() {
    let said = pair("sqlite").dwmap(&["doctor"]);
    assert_eq!(said.exit, Some(0), "{}{}", said.out, said.messages);
    let lines = lines(&said);
    for line in [
        "yes values stand as the profile `sqlite` says, in 1 rows",
        "yes rows are found again by their ids, in the version that was read, all 1",
        "yes comparisons heed case, asked for `number`",
        "yes comparisons heed blanks at the end, asked for `number`",
        "yes its changes can be followed; `dwmap run` adds three triggers on `item`, with their notes in tables named `_dwmap_…`",
        // Nothing is claimed of what no row can show.
        "?   values stand as the profile `sqlite` says: there is no row",
    ] {
        assert!(lines.contains(&line), "{line}: {}", said.out);
    }
    assert!(lines[0].starts_with("erp: grade A, "), "{}", said.out);
}

#[test]
fn a_database_is_probed_without_a_trace_and_told_apart_from_one_that_is_followed() {
    let folder = pair("sqlite");
    let bytes = |name: &str| std::fs::read(folder.path.join(name)).expect("it is there");
    let before = (bytes("erp.db"), bytes("shop.db"));
    assert_eq!(folder.dwmap(&["doctor"]).exit, Some(0));
    assert_eq!((bytes("erp.db"), bytes("shop.db")), before);
    assert!(!folder.path.join("erp.db-wal").exists() && !folder.path.join("erp.db-journal").exists());
    let said = folder.dwmap(&["run", "--initial", "--once"]);
    assert_eq!(said.exit, Some(0), "{}{}", said.out, said.messages);
    let (after, said) = (bytes("erp.db"), folder.dwmap(&["doctor"]));
    assert_eq!(bytes("erp.db"), after);
    assert!(lines(&said).contains(&"yes its changes can be followed"), "{}", said.out);
    assert!(lines(&said).contains(&"yes rows are found again by their ids, in the version that was read, all 1"), "{}", said.out);
}

#[test]
fn a_claim_that_the_system_belies_is_found() {
    let said = pair("finops").dwmap(&["doctor"]);
    assert_eq!(said.exit, Some(1), "{}{}", said.out, said.messages);
    let lines = lines(&said);
    for line in [
        "NO  comparisons ignore case, asked for `number`",
        "NO  comparisons ignore blanks at the end, asked for `number`",
        "yes values stand as the profile `finops` says, in 1 rows",
    ] {
        assert!(lines.contains(&line), "{line}: {}", said.out);
    }
}

#[test]
fn values_that_the_profile_rules_out_are_shown() {
    let folder = pair("finops");
    folder.sql("erp.db", "INSERT INTO item VALUES ('A-2', 'blanks  ')");
    let said = folder.dwmap(&["doctor"]);
    assert_eq!(said.exit, Some(1), "{}{}", said.out, said.messages);
    let found =
        lines(&said).into_iter().find(|it| it.starts_with("NO  values stand as the profile `finops` says: `name` of row"));
    assert!(found.is_some(), "{}", said.out);
}

const ACCOUNTS: &str = r#"{ "format_version": 1, "entities": { "account": {
    "set": "accounts", "key": ["accountid"], "unique": [["accountnumber"]],
    "fields": { "accountid": "guid", "accountnumber": "text<20>?", "name": "text<160>?" } } } }"#;

#[tokio::test(flavor = "multi_thread")]
async fn dataverse_is_probed_over_http_and_nothing_is_written() {
    let schema = dwmap::schema::snapshot::parse(ACCOUNTS).expect("the snapshot is one");
    let system = Sandbox::start(Config::new(Dialect::Dataverse, schema)).await.expect("a port is free");
    let row = json!({ "accountnumber": "US-001", "name": "Contoso" });
    system.insert("account", row.as_object().expect("it is one").clone()).expect("the row is new");
    let folder = pair("sqlite");
    folder.write("secret", "sandbox-secret");
    folder.write("dv.json", ACCOUNTS);
    folder.write(
        "items.dwmap",
        "system erp profile finops\nsystem dv from \"dv.json\" profile dataverse\n\nentity erp.item {\n  key number: text<20>\n  \
         name: text<100>\n}\n\nmap Items: erp.item -> dv.account {\n  key number <-> accountnumber\n  name -> name\n  on delete -> delete\n}\n",
    );
    let url = system.url();
    let bound = format!(
        "[systems.erp]\nconnector = \"sqlite\"\npath = \"erp.db\"\n\n[systems.dv]\nconnector = \"dataverse\"\nurl = \"{url}\"\n\
         auth = {{ token_url = \"{url}/sandbox/oauth2/v2.0/token\", client_id = \"dwmap\", client_secret = {{ file = \"secret\" }} }}\n"
    );
    folder.write("dwmap.toml", &bound);
    let said = folder.dwmap(&["doctor"]);
    let account = said.out.split_once("  account\n").unwrap_or_else(|| panic!("{}{}", said.out, said.messages)).1;
    for claim in ["yes comparisons ignore case", "yes comparisons ignore blanks at the end", "yes its changes can be followed"] {
        assert!(account.contains(claim), "{claim}: {}", said.out);
    }
    assert_eq!(system.counters("dwmap").writes, 0);
    system.stop().await;
}
