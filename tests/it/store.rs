//! The state: what it keeps, what it refuses, and that a change is whole or not there.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use dwmap::change::{Change, Class, LinkId, RemoteId, Seen, Side, Sides, Token, Version};
use dwmap::engine::link::{Activity, ActivityKind, Commit, Hold, Intent, LedgerEntry, Link, LinkState, OpId, OpenConflict};
use dwmap::schema::{Shape, ShapeField};
use dwmap::store::desk::LeftAlone;
use dwmap::store::{Desk, Error, Outline, Phase, Sqlite, Staged, Store};
use dwmap::value::{Kind, Record, Slot, Timestamp, Uuid, Value};
use proptest::prelude::*;

const PLAN: &str = "Customers";

/// A folder of its own that goes away with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("dwmap-store-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("the folder for temporary files can be written");
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("state.db")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + seconds).unwrap()
}

fn field(name: &str, kind: Kind) -> ShapeField {
    ShapeField { name: name.to_owned(), kind, nullable: true, readonly: false, lookup_sets: Vec::new() }
}

fn text() -> Kind {
    Kind::Text { max: None }
}

fn shape(fields: Vec<ShapeField>) -> Shape {
    Shape { entity: "customer".to_owned(), set: "customers".to_owned(), fields, key: vec![Slot(0)], modified: None }
}

fn shapes() -> Sides<Shape> {
    Sides::new(
        shape(vec![field("id", text()), field("name", text()), field("city", text())]),
        shape(vec![field("key", text()), field("title", text())]),
    )
}

fn record(items: &[&str]) -> Record {
    Record::from_values(items.iter().map(Value::text).collect())
}

fn link_id(number: u128) -> LinkId {
    LinkId(Uuid::from_u128(number))
}

fn op(number: u128) -> OpId {
    OpId(Uuid::from_u128(number))
}

fn link(number: u128) -> Link {
    Link {
        id: link_id(number),
        plan: PLAN.to_owned(),
        state: LinkState::Live,
        ids: Sides::new(Some(RemoteId(format!("l{number}"))), Some(RemoteId(format!("r{number}")))),
        versions: Sides::new(Some(Version("1".to_owned())), None),
        shadows: Sides::new(Some(record(&["a", "b", "c"])), Some(record(&["d", "e"]))),
        intents: Vec::new(),
        hold: None,
        conflicts: Vec::new(),
        key: format!("US-{number}"),
    }
}

fn hold(retry_at: Option<Timestamp>, waits_on: Option<(&str, Value)>) -> Hold {
    Hold {
        class: Class::Reference,
        code: Some("DW0212".to_owned()),
        rule: Some("city".to_owned()),
        message: "waits".to_owned(),
        since: at(1),
        attempts: 2,
        retry_at,
        waits_on: waits_on.map(|(plan, key)| (plan.to_owned(), key)),
        has_summoned: false,
    }
}

/// A link with everything a link can have.
fn full_link(number: u128) -> Link {
    let values = vec![Value::Absent, Value::Null, Value::Decimal("12345678901234567890123456789012345678".parse().unwrap())];
    Link {
        state: LinkState::PendingCreate,
        shadows: Sides::new(Some(Record::from_values(values)), None),
        intents: vec![
            Intent {
                op: op(1),
                side: Side::Right,
                expected: None,
                payload: record(&["x", "y"]),
                base: record(&["a", "b", "c"]),
                rules: vec![0, 3],
                is_delete: false,
            },
            Intent {
                op: op(2),
                side: Side::Left,
                expected: Some(Version("7".to_owned())),
                payload: Record::absent(3),
                base: Record::absent(2),
                rules: Vec::new(),
                is_delete: true,
            },
        ],
        hold: Some(hold(Some(at(50)), Some(("Sites", Value::text("S1"))))),
        conflicts: vec![OpenConflict {
            label: "name".to_owned(),
            values: Sides::new(Value::text("one"), Value::Null),
            agreed: Some(Value::Int(i64::MAX)),
        }],
        ..link(number)
    }
}

fn commit(link: Link) -> Commit {
    Commit::of(link)
}

fn seen(id: &str) -> Seen {
    Seen {
        id: RemoteId(id.to_owned()),
        version: Version("1".to_owned()),
        record: record(&["a", "b", "c"]),
        modified: Some(at(9)),
        correlation: Some(link_id(77)),
        problem: Some("`name` cannot be read".to_owned()),
    }
}

fn upsert(id: &str) -> Change {
    Change::Upsert(seen(id))
}

fn staged(id: &str, key: Option<&str>) -> Staged {
    Staged { seen: seen(id), key: key.map(Value::text) }
}

fn token(text: &str) -> Token {
    Token(text.to_owned())
}

/// A map of which only the shapes matter.
fn outline(shapes: Sides<Shape>) -> Outline {
    Outline { shapes, rules: Vec::new(), scope: String::new(), policies: String::new() }
}

fn memory() -> Sqlite {
    let mut store = Sqlite::in_memory().unwrap();
    store.open_plan(PLAN, &outline(shapes())).unwrap();
    store
}

fn at_file(path: &Path) -> Sqlite {
    let mut store = Sqlite::open(path).unwrap();
    store.open_plan(PLAN, &outline(shapes())).unwrap();
    store
}

fn seqs(store: &mut Sqlite, limit: usize) -> Vec<(Side, u64)> {
    store.pending(PLAN, limit).unwrap().iter().map(|it| (it.side, it.seq)).collect()
}

fn ids(links: &[Link]) -> Vec<LinkId> {
    links.iter().map(|it| it.id).collect()
}

#[test]
fn a_plan_starts_stopped_and_keeps_its_phase_with_the_reason() {
    let mut store = memory();
    assert_eq!(store.phase(PLAN).unwrap(), (Phase::Stopped, String::new()));
    for phase in [Phase::Initializing, Phase::Running, Phase::Paused, Phase::Blocked, Phase::Stopped] {
        store.set_phase(PLAN, phase, "a person said so").unwrap();
        assert_eq!(store.phase(PLAN).unwrap(), (phase, "a person said so".to_owned()));
    }
}

#[test]
fn an_unknown_plan_is_refused_by_name() {
    let error = memory().stream("Vendors", Side::Left).unwrap_err();
    assert!(matches!(&error, Error::Failed(text) if text.contains("`Vendors`")), "{error}");
}

#[test]
fn appended_changes_come_back_whole_and_in_order() {
    let mut store = memory();
    let changes = [upsert("l1"), Change::Delete { id: RemoteId("l2".to_owned()) }];
    let stream = store.append(PLAN, Side::Left, &changes, &token("t1"), true, at(1)).unwrap();
    assert_eq!((stream.token.clone(), stream.is_live, stream.last_seq, stream.done_seq), (Some(token("t1")), true, 2, 0));
    let entries = store.pending(PLAN, 10).unwrap();
    assert_eq!(entries.iter().map(|it| it.change.clone()).collect::<Vec<_>>(), changes);
    assert_eq!(entries.iter().map(|it| (it.seq, it.at)).collect::<Vec<_>>(), [(1, at(1)), (2, at(1))]);
    assert_eq!(store.stream(PLAN, Side::Left).unwrap(), stream);
}

#[test]
fn sides_are_mixed_by_time_and_a_clock_that_jumps_back_changes_no_order_within_a_side() {
    let mut store = memory();
    store.append(PLAN, Side::Left, &[upsert("l1")], &token("a"), true, at(5)).unwrap();
    store.append(PLAN, Side::Right, &[upsert("r1")], &token("a"), true, at(3)).unwrap();
    store.append(PLAN, Side::Left, &[upsert("l2")], &token("b"), true, at(1)).unwrap();
    assert_eq!(seqs(&mut store, 10), [(Side::Right, 1), (Side::Left, 1), (Side::Left, 2)]);
    assert_eq!(seqs(&mut store, 2), [(Side::Right, 1), (Side::Left, 1)]);
}

#[test]
fn done_stands_below_the_oldest_unfinished_entry() {
    let mut store = memory();
    store.append(PLAN, Side::Left, &[upsert("a"), upsert("b"), upsert("c")], &token("t"), true, at(1)).unwrap();
    let mut done_after = |seq| {
        store.commit(&[], &[(PLAN.to_owned(), Side::Left, seq)]).unwrap();
        store.stream(PLAN, Side::Left).unwrap().done_seq
    };
    assert_eq!([done_after(2), done_after(1), done_after(3)], [0, 2, 3]);
    let stream = store.append(PLAN, Side::Left, &[upsert("d")], &token("u"), true, at(2)).unwrap();
    assert_eq!((stream.last_seq, stream.done_seq), (4, 3));
}

#[test]
fn rewinding_forgets_the_token_only() {
    let mut store = memory();
    store.append(PLAN, Side::Left, &[upsert("a")], &token("t"), true, at(1)).unwrap();
    store.rewind(PLAN, Side::Left).unwrap();
    let stream = store.stream(PLAN, Side::Left).unwrap();
    assert_eq!((stream.token, stream.is_live, stream.last_seq), (None, true, 1));
    assert_eq!(seqs(&mut store, 10), [(Side::Left, 1)]);
}

#[test]
fn staged_rows_are_grouped_by_key_and_keyless_ones_stand_alone_at_the_end() {
    let mut store = memory();
    let left = [staged("l2", Some("k2")), staged("l1", Some("k1")), staged("l9", None), staged("l8", None)];
    store.stage(PLAN, Side::Left, &left, &token("a"), false).unwrap();
    store.stage(PLAN, Side::Right, &[staged("r1", Some("k1")), staged("r1b", Some("k1"))], &token("b"), true).unwrap();
    assert_eq!(store.staged_count(PLAN).unwrap(), Sides::new(4, 2));
    let shown = |store: &mut Sqlite, limit| {
        let names = |rows: &[Seen]| rows.iter().map(|it| it.id.0.clone()).collect::<Vec<_>>().join(" ");
        let groups = store.matches(PLAN, limit).unwrap();
        groups.iter().map(|it| format!("{}|{}", names(&it.rows[Side::Left]), names(&it.rows[Side::Right]))).collect::<Vec<_>>()
    };
    assert_eq!(shown(&mut store, 100), ["l1|r1 r1b", "l2|", "l8|", "l9|"]);
    assert_eq!(shown(&mut store, 1), ["l1|r1 r1b"], "a group is never cut");
    store.unstage(PLAN, &[(Side::Left, RemoteId("l1".to_owned())), (Side::Left, RemoteId("l9".to_owned()))]).unwrap();
    assert_eq!(shown(&mut store, 100), ["|r1 r1b", "l2|", "l8|"]);
    assert_eq!(store.matches(PLAN, 1).unwrap()[0].key, Some(Value::text("k1")));
    assert!(!store.stream(PLAN, Side::Left).unwrap().is_live);
    assert!(store.stream(PLAN, Side::Right).unwrap().is_live);
}

#[test]
fn a_row_that_is_staged_again_replaces_itself() {
    let mut store = memory();
    store.stage(PLAN, Side::Left, &[staged("l1", Some("old")), staged("l1", Some("new"))], &token("a"), false).unwrap();
    let groups = store.matches(PLAN, 10).unwrap();
    assert_eq!(groups.iter().map(|it| it.key.clone()).collect::<Vec<_>>(), [Some(Value::text("new"))]);
}

#[test]
fn a_link_comes_back_with_all_its_parts_and_loses_those_it_has_no_more() {
    let mut store = memory();
    let full = full_link(1);
    store.commit(&[commit(full.clone())], &[]).unwrap();
    assert_eq!(store.link(full.id).unwrap(), Some(full));
    let plain = Link { shadows: Sides::default(), ids: Sides::default(), ..link(1) };
    store.commit(&[commit(plain.clone())], &[]).unwrap();
    assert_eq!(store.link(plain.id).unwrap(), Some(plain));
    assert_eq!(store.link(link_id(2)).unwrap(), None);
}

#[test]
fn every_kind_of_value_survives() {
    let values = vec![
        Value::Absent,
        Value::Null,
        Value::Bool(true),
        Value::Int(i64::MIN),
        Value::Decimal("-0.00000000000000000000000000000000000001".parse().unwrap()),
        Value::Float(dwmap::value::Float(0.1)),
        Value::text(""),
        Value::text("\u{1F600}\"\\\u{0}"),
        Value::Guid(Uuid::from_u128(5)),
        Value::Date("2024-02-29".parse().unwrap()),
        Value::Time("23:59:59.123".parse().unwrap()),
        Value::DateTime("2024-02-29T23:59:59.123456789Z".parse().unwrap()),
        Value::Set(vec![1, 2].into()),
        Value::Binary(vec![0, 255].into()),
        Value::Tuple(vec![Value::text("a"), Value::Null, Value::Int(1)].into()),
    ];
    let mut store = memory();
    let kept = Link { shadows: Sides::new(Some(Record::from_values(values)), None), ..link(1) };
    store.commit(&[commit(kept.clone())], &[]).unwrap();
    assert_eq!(store.link(kept.id).unwrap(), Some(kept));
}

#[test]
fn rows_find_their_living_link_and_else_the_dead_one() {
    let mut store = memory();
    let dead = Link { state: LinkState::Dead, ..link(1) };
    store.commit(&[commit(dead.clone())], &[]).unwrap();
    let find = |store: &mut Sqlite, side, id: &str| store.links_of(PLAN, side, &[RemoteId(id.to_owned())]).unwrap().remove(0);
    assert_eq!(find(&mut store, Side::Left, "l1"), Some(dead));
    let again = Link { ids: link(1).ids, ..link(2) };
    store.commit(&[commit(again.clone())], &[]).unwrap();
    assert_eq!(find(&mut store, Side::Left, "l1"), Some(again.clone()));
    assert_eq!(find(&mut store, Side::Right, "r1"), Some(again));
    assert_eq!(find(&mut store, Side::Right, "l1"), None);
}

#[test]
fn two_living_links_cannot_own_one_row_and_the_whole_commit_is_refused() {
    let mut store = memory();
    store.commit(&[commit(link(1))], &[]).unwrap();
    let thief = Link { ids: Sides::new(link(1).ids[Side::Left].clone(), None), ..link(3) };
    let error = store.commit(&[commit(link(2)), commit(thief)], &[]).unwrap_err();
    assert!(matches!(&error, Error::Failed(text) if text.contains("another link owns a row")), "{error}");
    assert_eq!(store.link(link_id(2)).unwrap(), None);
}

#[test]
fn links_are_paged_by_id() {
    let mut store = memory();
    store.commit(&[3, 1, 2].map(|it| commit(link(it))), &[]).unwrap();
    assert_eq!(ids(&store.links(PLAN, None, 2).unwrap()), [link_id(1), link_id(2)]);
    assert_eq!(ids(&store.links(PLAN, Some(link_id(2)), 2).unwrap()), [link_id(3)]);
}

#[test]
fn holds_are_found_by_time_by_awaited_row_and_by_plan() {
    let mut store = memory();
    let held = |number, retry_at, waits_on| Link { hold: Some(hold(retry_at, waits_on)), ..link(number) };
    let links = [
        held(1, Some(at(20)), None),
        held(2, Some(at(10)), None),
        held(3, None, Some(("Sites", Value::text("S1")))),
        held(4, None, Some(("Sites", Value::Int(1)))),
        held(5, None, Some(("Units", Value::text("S1")))),
        link(6),
    ];
    store.commit(&links.map(commit), &[]).unwrap();
    assert_eq!(ids(&store.due(PLAN, at(9), 9).unwrap()), []);
    assert_eq!(ids(&store.due(PLAN, at(10), 9).unwrap()), [link_id(2)]);
    assert_eq!(ids(&store.due(PLAN, at(20), 9).unwrap()), [link_id(2), link_id(1)]);
    assert_eq!(ids(&store.due(PLAN, at(20), 1).unwrap()), [link_id(2)]);
    assert_eq!(ids(&store.waiting_for("Sites", Some(&Value::text("S1")), 9).unwrap()), [link_id(3)]);
    assert_eq!(store.waiting_for("Sites", None, 9).unwrap().len(), 2);
    assert_eq!(store.held(PLAN, 9).unwrap().len(), 5);
    assert_eq!(ids(&store.held(PLAN, 1).unwrap()), [link_id(1)]);
    store.commit(&[commit(link(3))], &[]).unwrap();
    assert_eq!(ids(&store.waiting_for("Sites", Some(&Value::text("S1")), 9).unwrap()), []);
}

#[test]
fn figures_count_what_is_there() {
    let mut store = memory();
    let dormant = Link { state: LinkState::Dormant, ..link(3) };
    let dead = Link { state: LinkState::Dead, ..link(4) };
    let links = [full_link(1), link(2), dormant, dead].map(commit);
    store.commit(&links, &[]).unwrap();
    store.append(PLAN, Side::Left, &[upsert("a"), upsert("b")], &token("t"), true, at(8)).unwrap();
    store.append(PLAN, Side::Right, &[upsert("a")], &token("t"), true, at(6)).unwrap();
    let figures = store.figures(PLAN).unwrap();
    assert_eq!([figures.pending, figures.live, figures.dormant, figures.dead], [1, 1, 1, 1]);
    assert_eq!([figures.held, figures.conflicts, figures.queued, figures.ledger], [1, 1, 3, 0]);
    assert_eq!(figures.oldest_queued, Some(at(6)));
    store.commit(&[commit(link(1)), commit(link(4))], &[]).unwrap();
    let figures = store.figures(PLAN).unwrap();
    assert_eq!([figures.pending, figures.live, figures.dead, figures.held, figures.conflicts], [0, 3, 0, 0, 0]);
}

#[test]
fn history_and_ledger_are_read_latest_first_by_link_and_by_key() {
    let mut store = memory();
    let line = |number: u128, text: &str| Activity {
        link: link_id(number),
        op: op(9),
        at: at(number as i64),
        kind: ActivityKind::Updated,
        text: text.to_owned(),
    };
    let entry = LedgerEntry {
        link: link_id(1),
        op: op(9),
        at: at(1),
        rule: "name".to_owned(),
        side: Side::Right,
        loser: Value::Null,
        winner: Value::text("b"),
        policy: "prefer left".to_owned(),
    };
    let first = Commit { ledger: vec![entry.clone()], activity: vec![line(1, "one"), line(1, "two")], ..commit(link(1)) };
    let other = Commit { activity: vec![line(2, "other")], ..commit(link(2)) };
    store.commit(&[first, other], &[]).unwrap();
    assert_eq!(store.activity(link_id(1), 9).unwrap(), [line(1, "two"), line(1, "one")]);
    assert_eq!(store.activity(link_id(1), 1).unwrap(), [line(1, "two")]);
    assert_eq!(store.activity_of(PLAN, "US-2", 9).unwrap(), [line(2, "other")]);
    assert_eq!(store.activity_of(PLAN, "US-3", 9).unwrap(), []);
    assert_eq!(store.ledger(PLAN, 9).unwrap(), [entry]);
    assert_eq!(store.forget_activity(at(2), 1).unwrap(), 1);
    assert_eq!(store.forget_activity(at(2), 9).unwrap(), 1);
    assert_eq!(store.activity(link_id(1), 9).unwrap(), []);
    assert_eq!(store.activity(link_id(2), 9).unwrap().len(), 1);
}

#[test]
fn everything_is_there_after_reopening() {
    let folder = Folder::new();
    let mut store = at_file(&folder.file());
    store.append(PLAN, Side::Left, &[upsert("a")], &token("t"), true, at(1)).unwrap();
    store.commit(&[commit(full_link(1))], &[]).unwrap();
    drop(store);
    let mut store = at_file(&folder.file());
    assert_eq!(store.link(link_id(1)).unwrap(), Some(full_link(1)));
    assert_eq!(store.stream(PLAN, Side::Left).unwrap().token, Some(token("t")));
    assert_eq!(seqs(&mut store, 9), [(Side::Left, 1)]);
}

#[test]
fn a_file_of_another_program_is_refused_and_left_as_it_is() {
    let folder = Folder::new();
    let other = rusqlite::Connection::open(folder.file()).unwrap();
    other.execute_batch("CREATE TABLE customer(id INTEGER PRIMARY KEY)").unwrap();
    drop(other);
    let before = std::fs::read(folder.file()).unwrap();
    assert!(matches!(Sqlite::open(folder.file()).unwrap_err(), Error::Foreign(text) if text.contains("another program")));
    assert_eq!(std::fs::read(folder.file()).unwrap(), before);
}

#[test]
fn a_file_that_is_no_database_is_refused() {
    let folder = Folder::new();
    std::fs::write(folder.file(), "id;name\n1;Contoso\n".repeat(200)).unwrap();
    assert!(matches!(Sqlite::open(folder.file()).unwrap_err(), Error::Foreign(text) if text.contains("no database")));
}

#[test]
fn a_state_of_another_version_is_refused_with_both_numbers() {
    let folder = Folder::new();
    drop(at_file(&folder.file()));
    let raw = rusqlite::Connection::open(folder.file()).unwrap();
    raw.pragma_update(None, "user_version", 99).unwrap();
    drop(raw);
    let error = Sqlite::open(folder.file()).unwrap_err();
    assert!(matches!(&error, Error::Foreign(text) if text.contains("version 99") && text.contains("version 2")), "{error}");
}

#[test]
fn a_held_file_is_locked_but_can_be_looked_at() {
    let folder = Folder::new();
    let mut store = at_file(&folder.file());
    assert!(matches!(Sqlite::open(folder.file()).unwrap_err(), Error::Locked(_)));
    let mut looker = Sqlite::open_read_only(folder.file()).unwrap();
    store.commit(&[commit(link(1))], &[]).unwrap();
    assert_eq!(looker.figures(PLAN).unwrap().live, 1);
    assert!(matches!(looker.commit(&[commit(link(2))], &[]), Err(Error::Failed(_))));
    drop(store);
    assert_eq!(looker.figures(PLAN).unwrap().live, 1);
    assert_eq!(at_file(&folder.file()).figures(PLAN).unwrap().live, 1);
}

#[test]
fn a_state_that_nobody_runs_can_be_looked_at_and_a_missing_one_is_not_made() {
    let folder = Folder::new();
    assert!(matches!(Sqlite::open_read_only(folder.file()), Err(Error::Failed(text)) if text.contains("no state file")));
    assert!(!folder.file().exists());
    drop(at_file(&folder.file()));
    assert_eq!(Sqlite::open_read_only(folder.file()).unwrap().phase(PLAN).unwrap().0, Phase::Stopped);
}

#[test]
fn an_owner_that_was_taken_over_cannot_write_any_more() {
    let folder = Folder::new();
    let mut store = at_file(&folder.file());
    let raw = rusqlite::Connection::open(folder.file()).unwrap();
    raw.execute("UPDATE shard SET epoch = epoch + 1", []).unwrap();
    assert!(matches!(store.commit(&[commit(link(1))], &[]), Err(Error::Locked(_))));
    assert_eq!(store.link(link_id(1)).unwrap(), None);
}

#[test]
fn an_older_copy_is_known_by_the_mark_beside_it() {
    let folder = Folder::new();
    let copy = folder.file().with_extension("copy");
    let put_back = || {
        std::fs::copy(&copy, folder.file()).unwrap();
        at_file(&folder.file())
    };
    drop(at_file(&folder.file()));
    std::fs::copy(folder.file(), &copy).unwrap();
    assert!(!at_file(&folder.file()).is_behind(PLAN).unwrap(), "it is the file that was there");
    assert!(put_back().is_behind(PLAN).unwrap(), "another process had it since");
    assert!(at_file(&folder.file()).is_behind(PLAN).unwrap(), "it stays so");
    let mut store = at_file(&folder.file());
    store.has_caught_up(PLAN).unwrap();
    drop(store);
    assert!(!at_file(&folder.file()).is_behind(PLAN).unwrap(), "until it has caught up");
    std::fs::remove_file(folder.file().with_extension("db.lock")).unwrap();
    assert!(at_file(&folder.file()).is_behind(PLAN).unwrap(), "where it comes from is not known");
}

#[test]
fn a_copy_from_the_time_of_the_same_process_is_known_too() {
    let folder = Folder::new();
    let copy = folder.file().with_extension("copy");
    let mut store = at_file(&folder.file());
    rusqlite::Connection::open(folder.file()).unwrap().execute("VACUUM INTO ?1", [copy.to_str().unwrap()]).unwrap();
    store.raise_mark().unwrap();
    drop(store);
    std::fs::copy(&copy, folder.file()).unwrap();
    assert!(at_file(&folder.file()).is_behind(PLAN).unwrap());
}

#[test]
fn systems_that_are_left_alone_are_on_file() {
    let folder = Folder::new();
    let how = LeftAlone { until: at(60), is_asked_for: true, times: 3, why: "busy".to_owned() };
    at_file(&folder.file()).set_left_alone("dv", Some(&how)).unwrap();
    let mut store = at_file(&folder.file());
    assert_eq!(store.left_alone().unwrap(), [("dv".to_owned(), how)]);
    store.set_left_alone("dv", None).unwrap();
    assert_eq!(store.left_alone().unwrap(), []);
}

#[test]
fn a_full_disk_changes_nothing_and_says_so() {
    let folder = Folder::new();
    let mut store = at_file(&folder.file());
    store.commit(&[commit(link(1))], &[]).unwrap();
    store.set_size_max(1).unwrap();
    let many: Vec<Commit> = (2..2000).map(|it| commit(link(it))).collect();
    let error = store.commit(&many, &[]).unwrap_err();
    assert!(matches!(&error, Error::Failed(text) if text.contains("full") && text.contains("state.db")), "{error}");
    assert_eq!(ids(&store.links(PLAN, None, 9).unwrap()), [link_id(1)]);
    store.set_size_max(1 << 30).unwrap();
    store.commit(&many, &[]).unwrap();
    assert_eq!(store.figures(PLAN).unwrap().live, 1999);
}

#[test]
fn a_crash_in_the_middle_of_a_change_leaves_the_last_whole_state() {
    let folder = Folder::new();
    let mut store = at_file(&folder.file());
    store.commit(&[commit(link(1))], &[]).unwrap();
    let raw = rusqlite::Connection::open(folder.file()).unwrap();
    raw.execute_batch("PRAGMA cache_size = 1; PRAGMA cache_spill = 1; BEGIN IMMEDIATE; DELETE FROM shadow; DELETE FROM link;")
        .unwrap();
    raw.execute_batch(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
         INSERT INTO activity(link, op, at, kind, text) SELECT x'00', x'00', i, 'updated', hex(randomblob(50)) FROM n;",
    )
    .unwrap();
    let wal = std::fs::metadata(folder.file().with_extension("db-wal")).unwrap().len();
    assert!(wal > 1_000_000, "half of the change is on the disk already");
    // What a killed process leaves: the files as they are at this instant.
    let copy = Folder::new();
    std::fs::copy(folder.file(), copy.file()).unwrap();
    std::fs::copy(folder.file().with_extension("db-wal"), copy.file().with_extension("db-wal")).unwrap();
    let mut found = at_file(&copy.file());
    assert_eq!(found.link(link_id(1)).unwrap(), Some(link(1)));
    assert_eq!(found.activity(LinkId(Uuid::nil()), 9).unwrap(), []);
    drop(raw);
    store.commit(&[commit(link(2))], &[]).unwrap();
}

#[test]
fn new_shapes_take_over_what_is_remembered_by_field_name() {
    let mut store = memory();
    let intent = |side, payload, base| Intent {
        op: op(1),
        side,
        expected: Some(Version("1".to_owned())),
        payload,
        base,
        rules: vec![0],
        is_delete: false,
    };
    let intents = vec![
        intent(Side::Left, record(&["p0", "p1", "p2"]), record(&["b0", "b1"])),
        intent(Side::Right, record(&["q0", "q1"]), record(&["c0", "c1", "c2"])),
    ];
    store.commit(&[commit(Link { intents, ..link(1) })], &[]).unwrap();
    store.append(PLAN, Side::Left, &[upsert("l1")], &token("t"), true, at(1)).unwrap();
    let left = shape(vec![field("city", text()), field("new", text()), field("name", Kind::Int64), field("id", text())]);
    store.open_plan(PLAN, &outline(Sides::new(left, shapes()[Side::Right].clone()))).unwrap();
    let carried =
        |city: &str, id: &str| Record::from_values(vec![Value::text(city), Value::Absent, Value::Absent, Value::text(id)]);
    let now = store.link(link_id(1)).unwrap().unwrap();
    assert_eq!(now.shadows, Sides::new(Some(carried("c", "a")), Some(record(&["d", "e"]))));
    assert_eq!((&now.intents[0].payload, &now.intents[0].base), (&carried("p2", "p0"), &record(&["b0", "b1"])));
    assert_eq!((&now.intents[1].payload, &now.intents[1].base), (&record(&["q0", "q1"]), &carried("c2", "c0")));
    let entry = store.pending(PLAN, 1).unwrap().remove(0);
    assert!(matches!(entry.change, Change::Upsert(seen) if seen.record == carried("c", "a")));
    assert_eq!(store.stream(PLAN, Side::Left).unwrap().token, Some(token("t")));
}

#[test]
fn a_new_shape_restarts_a_first_reading_that_is_not_finished() {
    let mut store = memory();
    store.stage(PLAN, Side::Left, &[staged("l1", Some("k"))], &token("a"), false).unwrap();
    store.open_plan(PLAN, &outline(shapes())).unwrap();
    assert_eq!(store.staged_count(PLAN).unwrap(), Sides::new(1, 0), "the same shapes change nothing");
    let left = shape(vec![field("id", text())]);
    store.open_plan(PLAN, &outline(Sides::new(left, shapes()[Side::Right].clone()))).unwrap();
    assert_eq!(store.staged_count(PLAN).unwrap(), Sides::new(0, 0));
    assert_eq!(store.stream(PLAN, Side::Left).unwrap().token, None);
}

#[derive(Clone, Debug)]
enum Step {
    Append(Side, usize, i64),
    /// Finish the unfinished entry at this place, modulo their number.
    Finish(usize),
    Look(usize),
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let side = prop_oneof![Just(Side::Left), Just(Side::Right)];
    let step = prop_oneof![
        3 => (side, 0..5usize, 0..100i64).prop_map(|(side, count, at)| Step::Append(side, count, at)),
        4 => (0..50usize).prop_map(Step::Finish),
        2 => (0..20usize).prop_map(Step::Look),
        1 => Just(Step::Reopen),
    ];
    prop::collection::vec(step, 1..40)
}

/// What the journal must do, as simply as it can be said.
#[derive(Default)]
struct Model {
    last: Sides<u64>,
    open: Sides<Vec<(u64, i64)>>,
}

impl Model {
    fn pending(&self, limit: usize) -> Vec<(Side, u64)> {
        let (mut left, mut right) = (self.open[Side::Left].clone(), self.open[Side::Right].clone());
        let mut out = Vec::new();
        while out.len() < limit && !(left.is_empty() && right.is_empty()) {
            let is_left = right.is_empty() || !left.is_empty() && left[0].1 <= right[0].1;
            let (side, queue) = if is_left { (Side::Left, &mut left) } else { (Side::Right, &mut right) };
            out.push((side, queue.remove(0).0));
        }
        out
    }

    fn done(&self, side: Side) -> u64 {
        self.open[side].first().map_or(self.last[side], |(seq, _)| seq - 1)
    }
}

fn play(steps: &[Step]) {
    let folder = Folder::new();
    let mut store = at_file(&folder.file());
    let mut model = Model::default();
    for step in steps {
        match step {
            Step::Append(side, count, seconds) => {
                let changes = vec![upsert("row"); *count];
                store.append(PLAN, *side, &changes, &token("t"), true, at(*seconds)).unwrap();
                for _ in 0..*count {
                    model.last[*side] += 1;
                    let seq = model.last[*side];
                    model.open[*side].push((seq, *seconds));
                }
            }
            Step::Finish(place) => {
                let open = model.pending(usize::MAX);
                if !open.is_empty() {
                    let (side, seq) = open[place % open.len()];
                    store.commit(&[], &[(PLAN.to_owned(), side, seq)]).unwrap();
                    model.open[side].retain(|it| it.0 != seq);
                }
            }
            Step::Look(limit) => assert_eq!(seqs(&mut store, *limit), model.pending(*limit)),
            Step::Reopen => {
                drop(store);
                store = at_file(&folder.file());
            }
        }
        for side in Side::BOTH {
            let stream = store.stream(PLAN, side).unwrap();
            assert_eq!((stream.last_seq, stream.done_seq), (model.last[side], model.done(side)));
        }
    }
    assert_eq!(seqs(&mut store, 1000), model.pending(1000));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_journal_agrees_with_its_model(steps in steps()) {
        play(&steps);
    }
}
