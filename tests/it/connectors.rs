//! What every connector must do, as one suite that runs over each of them.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;

use dwmap::change::{Answer, Change, Class, LinkId, Page, RemoteId, Seen, Token, Version, Write};
use dwmap::connect::Connector;
use dwmap::connect::memory::Memory;
use dwmap::connect::sqlite::{self, Sqlite};
use dwmap::schema::{Profile, Schema, Shape, ShapeField, snapshot};
use dwmap::value::{Kind, Record, Slot, Uuid, Value};

use super::referring::Referring;

type Fields = BTreeMap<String, Value>;

/// Rows in one page of the systems under test.
pub const PAGE_MAX: usize = 3;

/// A system with the entity `item`, empty at first, and the users who work in it.
pub trait System {
    fn connector(&self) -> &dyn Connector;
    fn insert(&self, fields: Fields);
    fn update(&self, code: &str, fields: Fields);
    fn delete(&self, code: &str);

    /// `code` and `name` come first.
    fn shape(&self) -> Shape {
        shape()
    }

    /// A user's write that changes nothing moves the row's version all the same.
    fn notices_touches(&self) -> bool {
        true
    }

    /// A table whose rows refer to rows of several tables, in a system that has such references.
    fn referring(&self) -> Option<Referring> {
        None
    }

    /// A value as this system holds it: some have no blank text, some no null.
    fn held(&self, _: &ShapeField, value: Value) -> Value {
        value
    }
}

/// The entity, for systems that are made from a schema.
pub const SCHEMA: &str = r#"{ "format_version": 1, "entities": { "item": {
    "key": ["code"],
    "fields": { "code": "text<20>", "name": "text?", "amount": "decimal<38,10>?", "count": "int64?", "open": "bool?",
        "day": "date?", "moment": "datetime?", "ref": "guid?" } } } }"#;

const CODE: Slot = Slot(0);
const NAME: Slot = Slot(1);

/// The suite: every case on a new system.
pub fn conforms<S: System>(make: impl Fn() -> S) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        the_feed_starts_with_every_row_and_goes_on_with_changes(&make()).await;
        nothing_falls_between_the_first_reading_and_the_changes(&make()).await;
        deletes_are_reported(&make()).await;
        a_create_answers_with_the_row_and_its_correlation(&make()).await;
        a_second_create_of_a_link_finds_the_first_row(&make()).await;
        a_create_that_is_sent_again_does_not_undo_a_delete(&make()).await;
        a_natural_key_is_not_taken_twice(&make()).await;
        updates_are_conditional_on_the_version(&make()).await;
        deletes_are_conditional_on_the_version(&make()).await;
        versions_never_repeat(&make()).await;
        fetch_answers_in_the_order_of_the_ids(&make()).await;
        find_takes_all_slots_together_and_keeps_the_limit(&make()).await;
        every_value_survives(&make()).await;
        super::referring::references_to_several_tables_lead_to_the_right_one(&make()).await;
        an_update_leaves_absent_fields_alone(&make()).await;
        one_bad_write_does_not_harm_the_others(&make()).await;
        a_scan_shows_each_row_once(&make()).await;
    });
}

fn shape() -> Shape {
    let field = |(name, kind): (&str, Kind)| ShapeField {
        name: name.to_owned(),
        kind,
        nullable: name != "code",
        readonly: false,
        lookup_sets: Vec::new(),
    };
    let fields = [
        ("code", Kind::Text { max: Some(20) }),
        ("name", Kind::Text { max: None }),
        ("amount", Kind::Decimal { precision: 38, scale: 10 }),
        ("count", Kind::Int64),
        ("open", Kind::Bool),
        ("day", Kind::Date),
        ("moment", Kind::DateTime),
        ("ref", Kind::Guid),
    ];
    Shape { entity: "item".to_owned(), set: "item".to_owned(), fields: fields.map(field).into(), key: vec![CODE], modified: None }
}

fn row(code: &str, name: &str) -> Fields {
    BTreeMap::from([("code".to_owned(), Value::text(code)), ("name".to_owned(), Value::text(name))])
}

fn named(name: &str) -> Fields {
    BTreeMap::from([("name".to_owned(), Value::text(name))])
}

fn record(code: Value, name: Value) -> Record {
    let mut record = Record::absent(shape().fields.len());
    record.set(CODE, code);
    record.set(NAME, name);
    record
}

fn create(link: u128, code: &str, name: &str) -> Write {
    Write::Create { link: LinkId(Uuid::from_u128(link)), record: record(Value::text(code), Value::text(name)) }
}

fn update(seen: &Seen, name: &str) -> Write {
    Write::Update { id: seen.id.clone(), expected: seen.version.clone(), record: record(Value::Absent, Value::text(name)) }
}

async fn write(system: &impl System, write: Write) -> Answer {
    system.connector().write(&system.shape(), &[write]).await.remove(0)
}

pub fn written(answer: Answer) -> Seen {
    match answer {
        Answer::Written(seen) => seen,
        other => panic!("not written: {other:?}"),
    }
}

async fn page(system: &impl System, after: Option<&Token>) -> Page {
    let page = system.connector().feed(&system.shape(), after).await.unwrap();
    assert!(page.changes.len() <= PAGE_MAX, "a page has at most {PAGE_MAX} changes");
    page
}

/// Reads to the end of the feed.
async fn drain(system: &impl System, mut after: Option<Token>) -> (Vec<Change>, Token) {
    let mut changes = Vec::new();
    for _ in 0..100 {
        let page = page(system, after.as_ref()).await;
        changes.extend(page.changes);
        if page.is_last {
            return (changes, page.next);
        }
        after = Some(page.next);
    }
    panic!("the feed has no end");
}

/// `code=name` for rows, `-` for deletes.
fn shown(changes: &[Change]) -> Vec<String> {
    let text = |seen: &Seen, slot| seen.record.get(slot).as_text().unwrap_or("-").to_owned();
    let show = |it: &Change| match it {
        Change::Upsert(seen) => format!("{}={}", text(seen, CODE), text(seen, NAME)),
        Change::Delete { .. } => "-".to_owned(),
    };
    changes.iter().map(show).collect()
}

async fn only_row(system: &impl System) -> Seen {
    let (changes, _) = drain(system, None).await;
    match changes.as_slice() {
        [Change::Upsert(seen)] => seen.clone(),
        other => panic!("not one row: {other:?}"),
    }
}

async fn the_feed_starts_with_every_row_and_goes_on_with_changes(system: &impl System) {
    for number in 1..=7 {
        system.insert(row(&format!("c{number}"), "old"));
    }
    let (changes, token) = drain(system, None).await;
    let mut first = shown(&changes);
    first.sort();
    assert_eq!(first, (1..=7).map(|it| format!("c{it}=old")).collect::<Vec<_>>());
    let (changes, token) = drain(system, Some(token)).await;
    assert_eq!(shown(&changes), [""; 0]);
    system.update("c2", named("new"));
    system.insert(row("c8", "made"));
    let (changes, token) = drain(system, Some(token)).await;
    assert_eq!(shown(&changes), ["c2=new", "c8=made"]);
    assert_eq!(shown(&drain(system, Some(token)).await.0), [""; 0]);
}

async fn nothing_falls_between_the_first_reading_and_the_changes(system: &impl System) {
    for number in 1..=5 {
        system.insert(row(&format!("c{number}"), "old"));
    }
    let first = page(system, None).await;
    assert!(!first.is_last);
    system.update("c1", named("new"));
    system.delete("c2");
    system.delete("c5");
    system.insert(row("c0", "made"));
    let (rest, token) = drain(system, Some(first.next)).await;
    // A feed that polls tells with the next poll what its first reading missed.
    let (polled, _) = drain(system, Some(token)).await;
    let mut known = BTreeMap::new();
    for change in first.changes.iter().chain(&rest).chain(&polled) {
        match change {
            Change::Upsert(seen) => known.insert(seen.id.clone(), shown(std::slice::from_ref(change))[0].clone()),
            Change::Delete { id } => known.remove(id),
        };
    }
    let mut known: Vec<String> = known.into_values().collect();
    known.sort();
    assert_eq!(known, ["c0=made", "c1=new", "c3=old", "c4=old"]);
}

async fn deletes_are_reported(system: &impl System) {
    system.insert(row("a", "x"));
    let seen = only_row(system).await;
    let (_, token) = drain(system, None).await;
    system.delete("a");
    let (changes, _) = drain(system, Some(token)).await;
    assert_eq!(changes, [Change::Delete { id: seen.id }]);
}

async fn a_create_answers_with_the_row_and_its_correlation(system: &impl System) {
    let seen = written(write(system, create(1, "a", "x")).await);
    assert_eq!((seen.record.get(CODE), seen.record.get(NAME)), (&Value::text("a"), &Value::text("x")));
    let empty = system.held(system.shape().field(Slot(2)), Value::Null);
    assert_eq!(seen.record.get(Slot(2)), &empty, "a field that nobody wrote is empty, not absent");
    if system.connector().capabilities().correlated_create {
        assert_eq!(seen.correlation, Some(LinkId(Uuid::from_u128(1))));
    }
    assert_eq!(only_row(system).await, seen);
    let fetched = system.connector().fetch(&system.shape(), std::slice::from_ref(&seen.id)).await.unwrap();
    assert_eq!(fetched, [Some(seen)]);
}

async fn a_second_create_of_a_link_finds_the_first_row(system: &impl System) {
    if !system.connector().capabilities().correlated_create {
        return;
    }
    let first = written(write(system, create(1, "a", "x")).await);
    let again = create(1, "b", "y");
    assert_eq!(write(system, again.clone()).await, Answer::Exists);
    assert_eq!(system.connector().find_created(&system.shape(), &again).await.unwrap(), Some(first.clone()));
    assert_eq!(only_row(system).await, first);
}

async fn a_create_that_is_sent_again_does_not_undo_a_delete(system: &impl System) {
    if !system.connector().capabilities().remembers_deletes {
        return;
    }
    let sent = create(1, "a", "x");
    written(write(system, sent.clone()).await);
    system.delete("a");
    assert_eq!(write(system, sent.clone()).await, Answer::Gone);
    assert_eq!(system.connector().find_created(&shape(), &sent).await.unwrap(), None);
    let (changes, _) = drain(system, None).await;
    assert_eq!(shown(&changes), [""; 0]);
    written(write(system, create(2, "a", "y")).await);
    assert_eq!(write(system, sent).await, Answer::Gone);
}

async fn a_natural_key_is_not_taken_twice(system: &impl System) {
    system.insert(row("a", "x"));
    let twin = create(1, "a", "y");
    assert_eq!(write(system, twin.clone()).await, Answer::Exists);
    // Where another key is the primary one, the row that took this one is nobody's answer to the create.
    let found = system.connector().find_created(&system.shape(), &twin).await.unwrap();
    let is_primary = system.shape().key.contains(&CODE);
    assert_eq!(found.as_ref().map(|it| (it.record.get(NAME), it.correlation)), is_primary.then_some((&Value::text("x"), None)));
    assert_eq!(system.connector().find_created(&system.shape(), &create(2, "b", "y")).await.unwrap(), None);
}

async fn updates_are_conditional_on_the_version(system: &impl System) {
    let first = written(write(system, create(1, "a", "x")).await);
    let second = written(write(system, update(&first, "y")).await);
    assert_ne!(first.version, second.version);
    assert_eq!(write(system, update(&first, "late")).await, Answer::Moved);
    system.update("a", named("user"));
    assert_eq!(write(system, update(&second, "late")).await, Answer::Moved);
    assert_eq!(only_row(system).await.record.get(NAME), &Value::text("user"));
    system.delete("a");
    assert_eq!(write(system, update(&second, "late")).await, Answer::Gone);
}

async fn deletes_are_conditional_on_the_version(system: &impl System) {
    let first = written(write(system, create(1, "a", "x")).await);
    let delete = |version: Version| Write::Delete { id: first.id.clone(), expected: version };
    system.update("a", named("user"));
    assert_eq!(write(system, delete(first.version.clone())).await, Answer::Moved);
    let now = only_row(system).await;
    assert_eq!(write(system, delete(now.version.clone())).await, Answer::Deleted);
    assert_eq!(write(system, delete(now.version)).await, Answer::Gone);
    assert_eq!(system.connector().fetch(&system.shape(), &[first.id]).await.unwrap(), [None]);
}

async fn versions_never_repeat(system: &impl System) {
    let mut versions = Vec::new();
    for round in 0..3 {
        system.insert(row("a", "x"));
        versions.push(only_row(system).await.version);
        system.update("a", named(if round == 1 && system.notices_touches() { "x" } else { "y" }));
        versions.push(only_row(system).await.version);
        system.delete("a");
    }
    let all = versions.len();
    versions.sort();
    versions.dedup();
    assert_eq!(versions.len(), all);
}

async fn fetch_answers_in_the_order_of_the_ids(system: &impl System) {
    let mut ids = Vec::new();
    for (link, code) in [(1, "a"), (2, "b"), (3, "c")] {
        ids.push(written(write(system, create(link, code, "x")).await).id);
    }
    system.delete("b");
    let asked: Vec<RemoteId> = [2, 1, 0, 2].map(|it: usize| ids[it].clone()).into();
    let seen = system.connector().fetch(&system.shape(), &asked).await.unwrap();
    let codes: Vec<Option<&str>> = seen.iter().map(|it| it.as_ref().and_then(|it| it.record.get(CODE).as_text())).collect();
    assert_eq!(codes, [Some("c"), None, Some("a"), Some("c")]);
}

async fn find_takes_all_slots_together_and_keeps_the_limit(system: &impl System) {
    for (code, name) in [("a", "x"), ("b", "x"), ("c", "y")] {
        system.insert(row(code, name));
    }
    let find = async |slots: &[Slot], values: &[&str], limit| {
        let values: Vec<Value> = values.iter().map(Value::text).collect();
        let found = system.connector().find(&system.shape(), slots, &values, limit).await.unwrap();
        let mut codes: Vec<String> = found.iter().map(|it| it.record.get(CODE).as_text().unwrap().to_owned()).collect();
        codes.sort();
        codes
    };
    assert_eq!(find(&[NAME], &["x"], 10).await, ["a", "b"]);
    assert_eq!(find(&[NAME], &["x"], 1).await.len(), 1);
    assert_eq!(find(&[CODE, NAME], &["b", "x"], 10).await, ["b"]);
    assert_eq!(find(&[CODE, NAME], &["b", "y"], 10).await, [""; 0]);
    let empty = system.held(system.shape().field(Slot(3)), Value::Null);
    let without = system.connector().find(&system.shape(), &[Slot(3)], &[empty], 10).await.unwrap();
    assert_eq!(without.len(), 3, "what is empty is found as such");
}

/// Rows of contents that are easily spoiled.
fn hard_values() -> Vec<[Value; 7]> {
    let decimal = |text: &str| Value::Decimal(text.parse().unwrap());
    let full = [
        Value::text("Zo\u{eb} \u{1F600} ' \" \\ % \n\t"),
        decimal("1234567890123456789012345678.0123456789"),
        Value::Int(i64::MAX),
        Value::Bool(true),
        Value::Date("2024-02-29".parse().unwrap()),
        Value::DateTime("2024-02-29T23:59:59Z".parse().unwrap()),
        Value::Guid(Uuid::from_u128(0xABCD_EF00_0000_0000_0000_0000_0000_0001)),
    ];
    let empty = [Value::text(""), decimal("0"), Value::Int(0), Value::Bool(false), Value::Null, Value::Null, Value::Null];
    let null = std::array::from_fn(|_| Value::Null);
    let small = [
        Value::text("0012.50"),
        decimal("-0.0000000001"),
        Value::Int((1 << 53) + 1),
        Value::Bool(true),
        Value::Date("1900-01-01".parse().unwrap()),
        Value::DateTime("1969-12-31T23:59:59Z".parse().unwrap()),
        Value::Guid(Uuid::nil()),
    ];
    vec![full, empty, null, small]
}

async fn every_value_survives(system: &impl System) {
    for (number, values) in (1u128..).zip(hard_values()) {
        let mut record = Record::absent(system.shape().fields.len());
        record.set(CODE, Value::text(format!("c{number}")));
        let shape = system.shape();
        let mut held = record.clone();
        // A key that the system makes itself is not sent.
        for (slot, value) in (1..).map(Slot).zip(values).filter(|(slot, _)| !shape.key.contains(slot)) {
            held.set(slot, system.held(shape.field(slot), value.clone()));
            record.set(slot, value);
        }
        let link = LinkId(Uuid::from_u128(number));
        let seen = written(write(system, Write::Create { link, record }).await);
        for (slot, value) in held.slots().filter(|(slot, _)| *slot == CODE || !shape.key.contains(slot)) {
            assert_eq!(seen.record.get(slot), value, "{}", shape.field(slot).name);
        }
        let fetched = system.connector().fetch(&system.shape(), std::slice::from_ref(&seen.id)).await.unwrap();
        assert_eq!(fetched, [Some(seen)]);
    }
}

async fn an_update_leaves_absent_fields_alone(system: &impl System) {
    system.insert(row("a", "x"));
    let seen = only_row(system).await;
    let mut change = Record::absent(system.shape().fields.len());
    change.set(Slot(3), Value::Int(5));
    let answer = write(system, Write::Update { id: seen.id, expected: seen.version, record: change }).await;
    let now = written(answer);
    assert_eq!((now.record.get(NAME), now.record.get(Slot(3))), (&Value::text("x"), &Value::Int(5)));
}

async fn one_bad_write_does_not_harm_the_others(system: &impl System) {
    system.insert(row("b", "user"));
    let writes = [create(1, "a", "x"), create(2, "b", "x"), create(3, "c", "x")];
    let answers = system.connector().write(&system.shape(), &writes).await;
    assert!(matches!(&answers[..], [Answer::Written(_), Answer::Exists, Answer::Written(_)]), "{answers:?}");
    assert_eq!(drain(system, None).await.0.len(), 3);
}

async fn a_scan_shows_each_row_once(system: &impl System) {
    for number in 1..=5 {
        system.insert(row(&format!("c{number}"), "x"));
    }
    let (mut after, mut all) = (None, Vec::new());
    loop {
        let page = system.connector().scan(&system.shape(), after.as_ref(), 2).await.unwrap();
        assert!(page.changes.len() <= 2);
        all.extend(page.changes);
        if page.is_last {
            break;
        }
        after = Some(page.next);
    }
    let mut all = shown(&all);
    if system.shape().key == [CODE] {
        assert!(all.is_sorted(), "in the order of the key: {all:?}");
    }
    all.sort();
    assert_eq!(all, ["c1=x", "c2=x", "c3=x", "c4=x", "c5=x"]);
}

fn schema() -> Schema {
    snapshot::parse(SCHEMA).unwrap()
}

impl System for Memory {
    fn connector(&self) -> &dyn Connector {
        self
    }

    fn insert(&self, fields: Fields) {
        Memory::insert(self, "item", fields).unwrap();
    }

    fn update(&self, code: &str, fields: Fields) {
        Memory::update(self, "item", &by_code(self, code), fields).unwrap();
    }

    fn delete(&self, code: &str) {
        Memory::delete(self, "item", &by_code(self, code)).unwrap();
    }
}

fn by_code(system: &Memory, code: &str) -> RemoteId {
    let rows = system.rows("item");
    rows.into_iter().find(|(_, row)| row["code"] == Value::text(code)).expect("the test made this row").0
}

#[test]
fn memory_conforms() {
    conforms(|| Memory::new(&schema(), Profile::exact()).with_page_max(PAGE_MAX));
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
}

#[test]
fn memory_treats_texts_as_its_profile_says() {
    let system = Memory::new(&schema(), Profile::finops());
    block_on(async {
        let seen = written(write(&system, create(1, "Abc  ", "x ")).await);
        assert_eq!((seen.record.get(CODE), seen.record.get(NAME)), (&Value::text("Abc"), &Value::text("x")));
        assert_eq!(write(&system, create(2, "ABC", "y")).await, Answer::Exists);
        let found = system.connector().find(&shape(), &[CODE], &[Value::text("aBC ")], 9).await.unwrap();
        assert_eq!(found, [seen]);
        assert_eq!(system.engine_writes("item"), 1);
    });
}

#[test]
fn memory_makes_the_same_guid_key_for_the_same_link() {
    let schema = snapshot::parse(
        r#"{ "format_version": 1, "entities": { "item": { "key": ["id"], "fields": { "id": "guid", "code": "text?", "name": "text?" } } } }"#,
    )
    .unwrap();
    let mut shape = shape();
    shape.fields.truncate(2);
    shape.fields.push(ShapeField { name: "id".into(), kind: Kind::Guid, nullable: false, readonly: false, lookup_sets: vec![] });
    let made = |link: u128| {
        let system = Memory::new(&schema, Profile::dataverse());
        let mut record = Record::absent(3);
        record.set(CODE, Value::text("a"));
        let write = Write::Create { link: LinkId(Uuid::from_u128(link)), record };
        written(block_on(system.write(&shape, &[write])).remove(0)).record.get(Slot(2)).clone()
    };
    assert!(matches!(made(1), Value::Guid(_)));
    assert_eq!(made(1), made(1));
    assert_ne!(made(1), made(2));
}

#[test]
fn memory_refuses_a_token_that_has_expired() {
    let system = Memory::new(&schema(), Profile::exact());
    system.insert("item", row("a", "x")).unwrap();
    block_on(async {
        let (_, token) = drain(&system, None).await;
        system.insert("item", row("b", "x")).unwrap();
        system.expire_tokens();
        let failure = system.feed(&shape(), Some(&token)).await.unwrap_err();
        assert_eq!(failure.class, Class::Schema);
        assert!(failure.message.contains("expired") && !failure.is_ambiguous);
        assert_eq!(drain(&system, None).await.0.len(), 2);
    });
}

#[test]
fn memory_refuses_texts_that_are_too_long() {
    let system = Memory::new(&schema(), Profile::exact());
    let answer = block_on(write(&system, create(1, "123456789012345678901", "x")));
    assert!(matches!(answer, Answer::Failed(it) if it.class == Class::Validation && it.message.contains("item.code")));
    assert_eq!(system.rows("item"), []);
}

/// A database with one writer besides ours, as another program would be.
struct Database {
    folder: std::path::PathBuf,
    user: rusqlite::Connection,
    ours: Sqlite,
}

const ITEM: &str = "CREATE TABLE item(code TEXT PRIMARY KEY, name TEXT, amount TEXT, count INTEGER, open INTEGER, day TEXT, moment TEXT, ref TEXT)";

impl Database {
    fn new(tables: &str) -> Self {
        use std::sync::atomic::{AtomicU32, Ordering};
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("dwmap-system-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let user = rusqlite::Connection::open(folder.join("system.db")).unwrap();
        user.execute_batch(tables).unwrap();
        let ours = Sqlite::open(folder.join("system.db")).unwrap().with_page_max(PAGE_MAX);
        Self { folder, user, ours }
    }

    fn user(&self, sql: &str) {
        self.user.execute_batch(sql).unwrap();
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.folder).ok();
    }
}

impl System for Database {
    fn connector(&self) -> &dyn Connector {
        &self.ours
    }

    fn insert(&self, fields: Fields) {
        let text = |name: &str| fields[name].as_text().unwrap().to_owned();
        self.user.execute("INSERT INTO item(code, name) VALUES (?1, ?2)", [text("code"), text("name")]).unwrap();
    }

    fn update(&self, code: &str, fields: Fields) {
        let name = fields["name"].as_text().unwrap();
        assert_eq!(self.user.execute("UPDATE item SET name = ?2 WHERE code = ?1", [code, name]).unwrap(), 1);
    }

    fn delete(&self, code: &str) {
        assert_eq!(self.user.execute("DELETE FROM item WHERE code = ?1", [code]).unwrap(), 1);
    }
}

#[test]
fn sqlite_conforms() {
    conforms(|| Database::new(ITEM));
}

#[test]
fn sqlite_conforms_in_write_ahead_mode_and_in_strict_tables_without_rowids() {
    conforms(|| Database::new(&format!("PRAGMA journal_mode = wal; {ITEM} STRICT, WITHOUT ROWID")));
}

#[test]
fn line_28_sqlite_sees_every_form_of_a_users_write() {
    let system = Database::new(ITEM);
    block_on(async {
        let mut token = drain(&system, None).await.1;
        let cases: [(&str, &[&str]); 7] = [
            ("INSERT OR REPLACE INTO item(code, name) VALUES ('a', 'x')", &["a=x"]),
            ("INSERT OR REPLACE INTO item(code, name) VALUES ('a', 'y')", &["a=y"]),
            ("INSERT OR IGNORE INTO item(code, name) VALUES ('a', 'lost')", &[]),
            ("INSERT INTO item(code, name) VALUES ('a', 'z') ON CONFLICT DO UPDATE SET name = 'up'", &["a=up"]),
            ("UPDATE OR IGNORE item SET name = 'again'", &["a=again"]),
            ("UPDATE item SET code = 'b'", &["-", "b=again"]),
            ("BEGIN; DELETE FROM item; ROLLBACK", &[]),
        ];
        for (sql, expected) in cases {
            let before = system.connector().find(&shape(), &[CODE], &[Value::text("a")], 1).await.unwrap().pop();
            system.user(sql);
            let (changes, next) = drain(&system, Some(token)).await;
            assert_eq!(shown(&changes), expected, "{sql}");
            if let (Some(before), Some(Change::Upsert(now))) = (before, changes.first()) {
                assert_ne!(before.version, now.version, "{sql}");
            }
            token = next;
        }
    });
}

#[test]
fn line_28_sqlite_writes_though_others_wrote_since_it_read() {
    let system = Database::new(&format!("PRAGMA journal_mode = wal; {ITEM}"));
    block_on(async {
        system.insert(row("a", "x"));
        let seen = only_row(&system).await;
        for name in ["y", "z"] {
            // A transaction that read before somebody else wrote could not write any more.
            system.connector().scan(&shape(), None, 10).await.unwrap();
            system.insert(row(name, "theirs"));
        }
        assert_eq!(written(write(&system, update(&seen, "ours")).await).record.get(NAME), &Value::text("ours"));
    });
}

#[test]
fn sqlite_changes_neither_of_two_rows_with_one_key() {
    let system = Database::new(&ITEM.replace(" PRIMARY KEY", ""));
    block_on(async {
        system.insert(row("a", "x"));
        system.insert(row("a", "y"));
        let (changes, _) = drain(&system, None).await;
        let Some(Change::Upsert(seen)) = changes.first() else { panic!("{changes:?}") };
        for write in [update(seen, "ours"), Write::Delete { id: seen.id.clone(), expected: seen.version.clone() }] {
            let answers = system.connector().write(&shape(), &[write]).await;
            let [Answer::Failed(failure)] = answers.as_slice() else { panic!("{answers:?}") };
            assert_eq!(failure.class, Class::Validation);
            assert!(failure.message.contains("2 rows with the key [\"a\"]"), "{}", failure.message);
        }
        let names: String = system.user.query_row("SELECT group_concat(name) FROM item", [], |it| it.get(0)).unwrap();
        assert_eq!(names, "x,y");
    });
}

#[test]
fn sqlite_keeps_the_correlation_over_a_change_of_key_and_not_over_a_delete() {
    let system = Database::new(ITEM);
    block_on(async {
        written(write(&system, create(1, "a", "x")).await);
        system.user("UPDATE item SET code = 'b'");
        assert_eq!(only_row(&system).await.correlation, Some(LinkId(Uuid::from_u128(1))));
        system.user("DELETE FROM item; INSERT INTO item(code, name) VALUES ('b', 'other')");
        assert_eq!(only_row(&system).await.correlation, None);
    });
}

#[test]
fn line_28_sqlite_puts_removed_triggers_back_and_asks_for_a_new_reading() {
    let system = Database::new(ITEM);
    block_on(async {
        let made = written(write(&system, create(1, "a", "x")).await);
        let (_, token) = drain(&system, None).await;
        system.user("DROP TRIGGER _dwmap_item_update; UPDATE item SET name = 'unseen'");
        let failure = system.connector().feed(&shape(), Some(&token)).await.unwrap_err();
        assert!(failure.class == Class::Schema && failure.message.contains("expired"), "{failure}");
        assert_eq!(write(&system, update(&made, "late")).await, Answer::Moved, "what was not seen counts as a change");
        let (changes, token) = drain(&system, None).await;
        assert_eq!(shown(&changes), ["a=unseen"]);
        system.user("UPDATE item SET name = 'seen'");
        assert_eq!(shown(&drain(&system, Some(token)).await.0), ["a=seen"]);
    });
}

#[test]
fn sqlite_says_which_cell_is_not_of_its_fields_kind_and_reads_on() {
    let cases = [
        ("count = 'abc'", "row [\"a\"], column `count` holds the TEXT 'abc', not an integer"),
        ("count = 1.5", "column `count` holds the REAL 1.5, not an integer"),
        ("open = 2", "column `open` holds the INTEGER 2, not 0 or 1"),
        ("amount = 'much'", "column `amount` holds the TEXT 'much', not a decimal number"),
        ("amount = x'00'", "column `amount` holds a BLOB of 1 bytes, not a decimal number"),
        ("day = '31.12.2024'", "column `day` holds the TEXT '31.12.2024', not a date"),
        ("ref = 'none'", "column `ref` holds the TEXT 'none', not a GUID"),
    ];
    for (set, expected) in cases {
        let system = Database::new(ITEM);
        system.user(&format!("INSERT INTO item(code) VALUES ('a'); UPDATE item SET {set}; INSERT INTO item(code) VALUES ('b')"));
        let (changes, _) = block_on(drain(&system, None));
        let problems: Vec<String> = changes.into_iter().filter_map(problem_of).collect();
        assert!(matches!(problems.as_slice(), [it] if it.contains("table `item`") && it.contains(expected)), "{problems:?}");
    }
}

#[test]
fn sqlite_reads_instants_in_both_forms() {
    let system = Database::new(ITEM);
    system.user("INSERT INTO item(code, moment) VALUES ('a', '2024-12-31 23:59:59'), ('b', '2024-12-31T23:59:59Z')");
    let (changes, _) = block_on(drain(&system, None));
    let moment = Value::DateTime("2024-12-31T23:59:59Z".parse().unwrap());
    for change in changes {
        assert!(matches!(change, Change::Upsert(seen) if *seen.record.get(Slot(6)) == moment));
    }
}

#[test]
fn sqlite_never_lets_a_decimal_lose_digits_in_a_numeric_column() {
    let system = Database::new(
        "CREATE TABLE item(code TEXT PRIMARY KEY, name TEXT, amount DECIMAL(38,10), count, open, day, moment, ref)",
    );
    let amount = |text: &str| Value::Decimal(text.parse().unwrap());
    block_on(async {
        let attempt = async |link: u128, value: &str| {
            let mut record = record(Value::text(format!("c{link}")), Value::Null);
            record.set(Slot(2), amount(value));
            write(&system, Write::Create { link: LinkId(Uuid::from_u128(link)), record }).await
        };
        assert_eq!(written(attempt(1, "0.1").await).record.get(Slot(2)), &amount("0.1"));
        assert_eq!(written(attempt(2, "123456789012.125").await).record.get(Slot(2)), &amount("123456789012.125"));
        let answer = attempt(3, "12345678901234567890.123456").await;
        assert!(
            matches!(&answer, Answer::Failed(it) if it.class == Class::Validation && it.message.contains("TEXT")),
            "{answer:?}"
        );
        assert_eq!(drain(&system, None).await.0.len(), 2, "nothing of the refused row is left");
        system.user("INSERT INTO item(code, amount) VALUES ('user', 12345678901234567890.5)");
        let problems: Vec<String> = drain(&system, None).await.0.into_iter().filter_map(problem_of).collect();
        assert!(matches!(problems.as_slice(), [it] if it.contains("column `amount` holds the REAL")), "{problems:?}");
    });
}

fn problem_of(change: Change) -> Option<String> {
    match change {
        Change::Upsert(seen) => seen.problem,
        Change::Delete { .. } => None,
    }
}

#[test]
fn sqlite_tells_apart_who_can_mend_a_refused_row() {
    let system = Database::new(&format!(
        "CREATE TABLE day(day TEXT PRIMARY KEY); {}",
        ITEM.replace("name TEXT", "name TEXT CHECK (name <> 'bad')").replace("day TEXT", "day TEXT REFERENCES day(day)")
    ));
    block_on(async {
        let answer = write(&system, create(1, "a", "bad")).await;
        assert!(matches!(&answer, Answer::Failed(it) if it.class == Class::Validation), "{answer:?}");
        let mut record = record(Value::text("a"), Value::Null);
        record.set(Slot(4), Value::Null);
        record.set(Slot(5), Value::Date("2024-01-01".parse().unwrap()));
        let answer = write(&system, Write::Create { link: LinkId(Uuid::from_u128(1)), record }).await;
        assert!(matches!(&answer, Answer::Failed(it) if it.class == Class::Reference), "{answer:?}");
        let other = Shape { set: "nothing".to_owned(), ..shape() };
        let failure = system.ours.feed(&other, None).await.unwrap_err();
        assert!(failure.class == Class::Schema && failure.message.contains("no table `nothing`"), "{failure}");
    });
}

#[test]
fn sqlite_addresses_rows_by_composite_keys_and_odd_names() {
    let system = Database::new(r#"CREATE TABLE "it's ""x"""(a INTEGER, "b'" TEXT, name TEXT, PRIMARY KEY (a, "b'"))"#);
    let field = |name: &str, kind| ShapeField { name: name.into(), kind, nullable: true, readonly: false, lookup_sets: vec![] };
    let shape = Shape {
        entity: "x".into(),
        set: "it's \"x\"".into(),
        fields: vec![field("a", Kind::Int64), field("b'", Kind::Text { max: None }), field("name", Kind::Text { max: None })],
        key: vec![Slot(0), Slot(1)],
        modified: None,
    };
    block_on(async {
        let record = Record::from_values(vec![Value::Int((1 << 53) + 1), Value::text("\"'\u{e9}"), Value::text("n")]);
        let write = Write::Create { link: LinkId(Uuid::from_u128(1)), record: record.clone() };
        let seen = written(system.ours.write(&shape, std::slice::from_ref(&write)).await.remove(0));
        assert_eq!(seen.record, record);
        assert_eq!(system.ours.fetch(&shape, std::slice::from_ref(&seen.id)).await.unwrap(), [Some(seen.clone())]);
        assert_eq!(system.ours.find_created(&shape, &write).await.unwrap(), Some(seen));
    });
}

#[test]
fn sqlite_tables_become_a_schema() {
    let system = Database::new(
        "CREATE TABLE site(id INTEGER PRIMARY KEY, code VARCHAR(20) NOT NULL UNIQUE, area DECIMAL(12,3), open BOOLEAN NOT NULL DEFAULT 1);
         CREATE TABLE unit(site INTEGER NOT NULL REFERENCES site(id), day DATE, PRIMARY KEY (site, day));",
    );
    system.user("CREATE TABLE _dwmap_log(seq INTEGER)");
    let schema = sqlite::discover(system.folder.join("system.db")).unwrap();
    let expected = snapshot::parse(
        r#"{ "format_version": 1, "entities": {
            "site": { "key": ["id"], "unique": [["code"]], "fields": { "id": "int64",
                "code": { "type": "text<20>", "required": true }, "area": "decimal<12,3>?", "open": "bool" } },
            "unit": { "key": ["site", "day"], "fields": { "site": { "type": "lookup site", "required": true },
                "day": { "type": "date", "required": true } } } } }"#,
    );
    assert_eq!(schema, expected.unwrap());
}
