//! Files as a system: what every connector must do, and what only files do.
#![expect(clippy::unwrap_used, reason = "helpers of tests may fail as loudly as the tests")]

use std::collections::BTreeMap;
use std::time::Duration;

use dwmap::change::{Answer, Change, Class, LinkId, Token, Write};
use dwmap::connect::Connector;
use dwmap::connect::files::Files;
use dwmap::schema::{Shape, ShapeField, snapshot};
use dwmap::value::{Kind, Record, Slot, Uuid, Value};
use serde_json::{Map, Value as Json};

use super::connectors::{PAGE_MAX, System, conforms};
use super::folder::Folder;

type Fields = BTreeMap<String, Value>;

/// A folder with one file, and a person who edits it line by line.
struct Person {
    folder: Folder,
    ours: Files,
    file: &'static str,
}

impl Person {
    fn new(file: &'static str, text: &str) -> Self {
        let folder = Folder::new("files");
        folder.write(file, text);
        let ours = Files::open(&folder.path).unwrap().with_page_max(PAGE_MAX).with_settle(Duration::ZERO);
        Self { folder, ours, file }
    }

    fn lines(&self) -> Vec<String> {
        self.folder.read(self.file).lines().map(str::to_owned).collect()
    }

    fn save(&self, lines: &[String]) {
        self.folder.write(self.file, &lines.iter().map(|it| format!("{it}\n")).collect::<String>());
    }

    fn is_csv(&self) -> bool {
        self.file.ends_with(".csv")
    }

    /// The line of a row.
    fn place(&self, lines: &[String], code: &str) -> usize {
        let start = if self.is_csv() { format!("{code},") } else { format!("{{\"code\":\"{code}\"") };
        lines.iter().position(|it| it.starts_with(&start)).unwrap()
    }
}

impl System for Person {
    fn connector(&self) -> &dyn Connector {
        &self.ours
    }

    fn insert(&self, fields: Fields) {
        let text = |name: &str| fields[name].as_text().unwrap().to_owned();
        let mut lines = self.lines();
        let (code, name) = (text("code"), text("name"));
        lines.push(if self.is_csv() {
            format!("{code},{name},,,,,,")
        } else {
            format!(r#"{{"code":"{code}","name":"{name}"}}"#)
        });
        self.save(&lines);
    }

    fn update(&self, code: &str, fields: Fields) {
        let (mut lines, name) = (self.lines(), fields["name"].as_text().unwrap());
        let place = self.place(&lines, code);
        lines[place] = if self.is_csv() {
            let mut cells: Vec<&str> = lines[place].split(',').collect();
            cells[1] = name;
            cells.join(",")
        } else {
            let mut row: Map<String, Json> = serde_json::from_str(&lines[place]).unwrap();
            row.insert("name".to_owned(), name.into());
            Json::Object(row).to_string()
        };
        self.save(&lines);
    }

    fn delete(&self, code: &str) {
        let mut lines = self.lines();
        lines.remove(self.place(&lines, code));
        self.save(&lines);
    }

    // A file shows what it holds, not that somebody wrote the same again.
    fn notices_touches(&self) -> bool {
        false
    }
}

const HEADER: &str = "code,name,amount,count,open,day,moment,ref\n";

#[test]
fn csv_conforms() {
    conforms(|| Person::new("item.csv", HEADER));
}

#[test]
fn json_lines_conform() {
    conforms(|| Person::new("item.jsonl", ""));
}

fn shape(names: &[(&str, Kind)]) -> Shape {
    let field = |(name, kind): &(&str, Kind)| ShapeField {
        name: (*name).to_owned(),
        kind: kind.clone(),
        nullable: true,
        readonly: false,
        lookup_sets: Vec::new(),
    };
    let fields = names.iter().map(field).collect();
    Shape { entity: "item".to_owned(), set: "item".to_owned(), fields, key: vec![Slot(0)], modified: None }
}

fn text() -> Kind {
    Kind::Text { max: Some(20) }
}

async fn drain(files: &Files, shape: &Shape, mut after: Option<Token>) -> (Vec<Change>, Token) {
    let mut changes = Vec::new();
    for _ in 0..100 {
        let page = files.feed(shape, after.as_ref()).await.unwrap();
        changes.extend(page.changes);
        if page.is_last {
            return (changes, page.next);
        }
        after = Some(page.next);
    }
    panic!("the feed has no end")
}

#[tokio::test]
async fn the_file_of_a_data_package_keeps_all_that_no_map_names() {
    // Names in capitals, a mark at the start, lines that end as Windows has them.
    let package = "\u{feff}CUSTOMERACCOUNT,ADDRESS,CREDITLIMIT,ORGANIZATIONNAME\r\n\
                   US-001,\"1 Way\r\nRedmond, WA\",0.00,Contoso\r\nUS-002,,7.50,\"The \"\"second\"\"\"\r\n";
    let person = Person::new("item.csv", package);
    let decimal = Kind::Decimal { precision: 20, scale: 2 };
    let shape = shape(&[("CustomerAccount", text()), ("OrganizationName", text()), ("CreditLimit", decimal)]);
    let (changes, _) = drain(&person.ours, &shape, None).await;
    let Change::Upsert(second) = &changes[1] else { panic!("{changes:?}") };
    assert_eq!(second.record.get(Slot(1)), &Value::text("The \"second\""));
    let mut record = Record::absent(3);
    record.set(Slot(2), Value::Decimal("12.5".parse().unwrap()));
    let update = Write::Update { id: second.id.clone(), expected: second.version.clone(), record };
    assert!(matches!(person.ours.write(&shape, &[update]).await[..], [Answer::Written(_)]));
    assert_eq!(person.folder.read("item.csv"), package.replace("7.50", "12.5"), "all else is what it was, byte by byte");
    let mut record = Record::absent(3);
    record.set(Slot(0), Value::text("US-003"));
    let create = Write::Create { link: LinkId(Uuid::from_u128(1)), record };
    assert!(matches!(person.ours.write(&shape, &[create]).await[..], [Answer::Written(_)]));
    assert!(person.folder.read("item.csv").ends_with("\r\nUS-003,,,\r\n"));
}

#[tokio::test]
async fn what_is_wrong_with_a_file_is_told_with_its_place() {
    let shape = shape(&[("code", text()), ("count", Kind::Int64)]);
    for (file, content, expected) in [
        ("item.csv", "code,count\na,1\nb\n", "item.csv: line 3: 1 cells, where the header has 2"),
        ("item.csv", "code,count\na,\"1\n", "item.csv: line 2: a quote is not closed; the file may be half written"),
        ("item.csv", "code\na\n", "item.csv: there is no column `count`; it has code"),
        ("item.csv", "code,,count\n", "item.csv: line 1: column 2 has no name"),
        ("item.csv", "code,code\n", "item.csv: line 1: two columns are called `code`"),
        ("item.csv", "code,count\n,1\n", "item.csv: row 1: the key field `code` is empty"),
        ("item.jsonl", "{\"code\":\"a\"}\n{\"code\":\n", "item.jsonl: line 2: "),
        ("item.jsonl", "[1]\n", "item.jsonl: line 1: "),
    ] {
        let person = Person::new(file, content);
        let failure = person.ours.feed(&shape, None).await.unwrap_err();
        assert_eq!(failure.class, Class::Schema, "{content}");
        assert!(failure.message.contains(expected), "{content}: {failure}");
        assert_eq!(person.folder.read(file), content);
    }
    let person = Person::new("item.csv", "code,count\na,much\nb,2\nb,3\nc,4\n");
    let (changes, _) = drain(&person.ours, &shape, None).await;
    let problem = |it: &Change| if let Change::Upsert(seen) = it { seen.problem.clone() } else { None };
    let problems: Vec<Option<String>> = changes.iter().map(problem).collect();
    assert!(
        problems[0].as_ref().is_some_and(|it| it.ends_with("row [\"a\"], column `count` holds \"much\", not int64")),
        "{problems:?}"
    );
    assert!(problems[1].as_ref().is_some_and(|it| it.contains("2 rows have the key [\"b\"]")), "{problems:?}");
    assert_eq!(problems[2], None);
    std::fs::write(person.folder.path.join("item.csv"), [b'c', 0xff]).unwrap();
    let failure = person.ours.feed(&shape, None).await.unwrap_err();
    assert!(failure.message.ends_with("byte 1 is not UTF-8"), "{failure}");
    person.folder.write("item.jsonl", "");
    assert!(person.ours.feed(&shape, None).await.unwrap_err().message.contains("stand for one entity"));
}

#[tokio::test]
async fn a_file_that_is_gone_or_half_written_is_no_delete() {
    let person = Person::new("item.csv", "code,name\na,x\nb,y\n");
    let shape = shape(&[("code", text()), ("name", text())]);
    let (_, token) = drain(&person.ours, &shape, None).await;
    let path = person.folder.path.join("item.csv");
    std::fs::remove_file(&path).unwrap();
    let failure = person.ours.feed(&shape, Some(&token)).await.unwrap_err();
    assert!(failure.class == Class::Transient && failure.message.contains("put it back, or leave an empty file"), "{failure}");
    // A program that takes its time: between its pieces stands a file that looks whole.
    let patient = person.ours.clone().with_settle(Duration::from_millis(150));
    std::fs::write(&path, "code,name\n").unwrap();
    let writer = std::thread::spawn(move || {
        for piece in ["a,x\n", "b,y\n", "c,z\n"] {
            std::thread::sleep(Duration::from_millis(60));
            let mut file = std::fs::File::options().append(true).open(&path).unwrap();
            std::io::Write::write_all(&mut file, piece.as_bytes()).unwrap();
        }
    });
    let (changes, _) = drain(&patient, &shape, Some(token)).await;
    writer.join().unwrap();
    let ids: Vec<&str> = changes.iter().map(|it| it.id().0.as_str()).collect();
    assert_eq!(ids, ["[\"c\"]"], "{changes:?}");
}

#[tokio::test]
async fn an_edit_that_came_in_between_is_not_written_over_and_what_was_remembered_survives_a_restart() {
    let person = Person::new("item.csv", "code,name\na,x\n");
    let shape = shape(&[("code", text()), ("name", text())]);
    let mut record = Record::absent(2);
    record.set(Slot(0), Value::text("b"));
    let create = Write::Create { link: LinkId(Uuid::from_u128(7)), record };
    let Answer::Written(made) = person.ours.write(&shape, std::slice::from_ref(&create)).await.remove(0) else {
        panic!("not written")
    };
    let (_, token) = drain(&person.ours, &shape, None).await;
    person.folder.write("item.csv", "code,name\na,user's\nb,\n");
    let again = Files::open(&person.folder.path).unwrap().with_settle(Duration::ZERO);
    assert_eq!(again.write(&shape, std::slice::from_ref(&create)).await, [Answer::Exists]);
    assert_eq!(again.find_created(&shape, &create).await.unwrap(), Some(made));
    let (changes, _) = drain(&again, &shape, Some(token.clone())).await;
    assert_eq!(changes.iter().map(|it| it.id().0.as_str()).collect::<Vec<_>>(), ["[\"a\"]"]);
    // Without what was remembered, the feed starts anew.
    std::fs::remove_dir_all(person.folder.path.join(".dwmap")).unwrap();
    let fresh = Files::open(&person.folder.path).unwrap().with_settle(Duration::ZERO);
    let failure = fresh.feed(&shape, Some(&token)).await.unwrap_err();
    assert!(failure.class == Class::Schema && failure.message.contains("expired"), "{failure}");
}

#[test]
fn a_folder_becomes_a_schema() {
    let folder = Folder::new("files");
    folder.write("item.csv", "code,name\na,1\n");
    folder.write("order.jsonl", "{\"id\":1,\"sum\":1}\n{\"id\":2,\"sum\":2.50,\"paid\":true,\"note\":null}\n");
    folder.write("readme.txt", "nothing");
    let schema = Files::open(&folder.path).unwrap().discover().unwrap();
    let expected = r#"{ "format_version": 1, "entities": {
        "item": { "key": ["code"], "fields": { "code": { "type": "text", "required": true }, "name": "text?" } },
        "order": { "key": ["id"], "fields": { "id": { "type": "int64", "required": true }, "sum": "decimal<38,10>?",
            "paid": "bool?", "note": "text?" } } } }"#;
    assert_eq!(schema, snapshot::parse(expected).unwrap());
    let missing = Files::open(folder.path.join("nothing")).unwrap_err();
    assert!(missing.message.contains("is no folder"), "{missing}");
}

#[test]
fn a_file_and_a_database_are_kept_in_step_both_ways() {
    let folder = Folder::new("files");
    folder.write("in/item.csv", "code,name,remark\nA-1,Chair,\"old, brown\"\nA-2,Table,\n");
    folder.sql("shop.db", "CREATE TABLE product (sku TEXT PRIMARY KEY, title TEXT)");
    folder.write(
        "items.dwmap",
        "system sheet profile exact\nsystem shop profile sqlite\n\nentity sheet.item {\n  key code: text<20>\n  name: text<100>?\n}\n\n\
         entity shop.product {\n  key sku: text<20>\n  title: text<100>?\n}\n\nmap Items: sheet.item <-> shop.product {\n  \
         key code <-> sku\n  name <-> title\n  on delete -> delete\n  on delete <- delete\n  on conflict prefer sheet\n}\n",
    );
    folder.write(
        "dwmap.toml",
        "[systems.sheet]\nconnector = \"files\"\npath = \"in\"\n\n[systems.shop]\nconnector = \"sqlite\"\npath = \"shop.db\"\n",
    );
    let done = |arguments: &[&str]| {
        let said = folder.dwmap(arguments);
        assert_eq!(said.exit, Some(0), "{arguments:?}: {}{}", said.out, said.messages);
        said.out
    };
    let probed = done(&["doctor"]);
    assert!(probed.contains("sheet: grade D, ") && probed.contains("no  writes are guarded by the row's version"), "{probed}");
    assert!(!folder.path.join("in/.dwmap").exists(), "a probe leaves nothing behind");
    done(&["run", "--initial", "--once"]);
    assert_eq!(folder.sql("shop.db", "SELECT * FROM product ORDER BY sku").trim(), "A-1|Chair\nA-2|Table");
    folder.sql(
        "shop.db",
        "UPDATE product SET title = 'Armchair' WHERE sku = 'A-1'; INSERT INTO product VALUES ('A-3', 'Lamp, tall')",
    );
    folder.write("in/item.csv", "code,name,remark\nA-1,Chair,\"old, brown\"\n");
    done(&["run", "--once"]);
    assert_eq!(folder.read("in/item.csv"), "code,name,remark\nA-1,Armchair,\"old, brown\"\nA-3,\"Lamp, tall\",\n");
    assert_eq!(folder.sql("shop.db", "SELECT group_concat(sku) FROM product").trim(), "A-1,A-3");
    let before = folder.read("in/item.csv");
    done(&["run", "--once"]);
    assert_eq!(folder.read("in/item.csv"), before, "nothing echoes");
}
