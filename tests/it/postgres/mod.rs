//! PostgreSQL: a real server, and users who work with `psql`.
#![expect(clippy::unwrap_used, reason = "helpers of tests may fail as loudly as the tests")]

mod encrypted;
mod pairs;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use dwmap::change::{Answer, Change, Class, LinkId, Page, Seen, Token, Write};
use dwmap::connect::Connector;
use dwmap::connect::postgres::{Postgres, Settings};
use dwmap::schema::{Shape, ShapeField};
use dwmap::value::{Kind, Record, Uuid, Value};

use super::connectors::{System, conforms};
use super::folder;

/// One server for all tests of this process; it ends with it.
struct Server {
    folder: PathBuf,
}

/// The server's programs do not stand in the search path on Debian.
fn program(name: &str) -> PathBuf {
    let debian =
        std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|it| it.path().join("bin").join(name));
    let mut found: Vec<PathBuf> = debian.filter(|it| it.is_file()).collect();
    found.sort();
    found.pop().unwrap_or_else(|| PathBuf::from(name))
}

fn is_root() -> bool {
    let own = Command::new("id").arg("-u").output().unwrap();
    String::from_utf8_lossy(&own.stdout).trim() == "0"
}

/// As somebody else where this process is root, because the server refuses to run as root; and never longer than this process.
fn as_server(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]);
    if is_root() {
        command.args(["--reuid", "postgres", "--regid", "postgres", "--clear-groups"]);
    }
    command.arg(program).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| {
        let folder = std::env::temp_dir().join(format!("dwmap-postgres-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        if is_root() {
            assert!(Command::new("chown").arg("postgres").arg(&folder).status().unwrap().success());
        }
        start(&folder, &["listen_addresses=".to_owned()], PORT)
    })
}

/// The port by which the server's socket is called unless it is told otherwise.
const PORT: u16 = 5432;

/// Starts a server with its data and its socket in the folder.
fn start(folder: &Path, settings: &[String], port: u16) -> Server {
    let data = folder.join("data");
    let mut init = as_server(&program("initdb"));
    init.args(["--auth", "trust", "--username", "postgres", "--no-sync", "--encoding", "UTF8", "--pgdata"]).arg(&data);
    assert!(init.status().unwrap().success(), "is postgresql installed?");
    let mut start = as_server(&program("postgres"));
    start.arg("-D").arg(&data).arg("-k").arg(folder);
    for setting in ["fsync=off", "max_connections=60"].into_iter().chain(settings.iter().map(String::as_str)) {
        start.args(["-c", setting]);
    }
    // The signal comes with the end of the thread that started it, so that thread stays.
    std::thread::spawn(move || {
        let ended = start.spawn().and_then(|mut it| it.wait());
        eprintln!("the server ended: {ended:?}");
    });
    let server = Server { folder: folder.to_owned() };
    for _ in 0..600 {
        if psql_at(&server, port, "postgres", "SELECT 1").is_ok() {
            return server;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("the server did not start")
}

fn psql(server: &Server, database: &str, sql: &str) -> Result<String, String> {
    psql_at(server, PORT, database, sql)
}

fn psql_at(server: &Server, port: u16, database: &str, sql: &str) -> Result<String, String> {
    let mut command = Command::new("psql");
    command.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", database, "-c", sql, "-h"]);
    let done = command.arg(&server.folder).args(["-p", &port.to_string()]).output().unwrap();
    let text = |it: &[u8]| String::from_utf8_lossy(it).trim().to_owned();
    if done.status.success() { Ok(text(&done.stdout)) } else { Err(text(&done.stderr)) }
}

/// A feed stops before the oldest open transaction of the whole server. Those of other tests' databases that are older than what a
/// user just did are waited for, 20 seconds at most.
const OTHERS_HAVE_ENDED: &str = "DO $$
    DECLARE ours xid := pg_current_xact_id()::xid;
    BEGIN
        FOR _ IN 1..2000 LOOP
            PERFORM pg_stat_clear_snapshot();
            EXIT WHEN NOT EXISTS (SELECT FROM pg_stat_activity
                WHERE datname IS DISTINCT FROM current_database() AND age(backend_xid) > age(ours));
            PERFORM pg_sleep(0.01);
        END LOOP;
    END $$";

/// A database of its own, and the connector.
struct Database {
    name: String,
    ours: Postgres,
}

impl Database {
    fn new(tables: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("system_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        psql(server(), "postgres", &format!("CREATE DATABASE {name}")).unwrap();
        psql(server(), &name, tables).unwrap();
        let ours = connector(&name);
        Self { name, ours }
    }

    fn user(&self, sql: &str) -> String {
        let said = psql(server(), &self.name, sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
        psql(server(), &self.name, OTHERS_HAVE_ENDED).unwrap();
        said
    }
}

fn url(database: &str) -> String {
    let folder = server().folder.display().to_string().replace('/', "%2F");
    format!("postgres://postgres@{folder}/{database}")
}

fn connector(database: &str) -> Postgres {
    Postgres::new(&Settings { url: url(database), password: None, authority: None }).unwrap().with_page_max(3)
}

const ITEM: &str = "CREATE TABLE item(code varchar(20) PRIMARY KEY CHECK (code <> ''), name text, amount numeric, \
    count bigint, open boolean, day date, moment timestamptz, ref uuid)";

type Fields = BTreeMap<String, Value>;

fn quoted(value: &Value) -> String {
    format!("'{}'", value.as_text().unwrap().replace('\'', "''"))
}

impl System for Database {
    fn connector(&self) -> &dyn Connector {
        &self.ours
    }

    fn insert(&self, fields: Fields) {
        self.user(&format!("INSERT INTO item(code, name) VALUES ({}, {})", quoted(&fields["code"]), quoted(&fields["name"])));
    }

    fn update(&self, code: &str, fields: Fields) {
        self.user(&format!("UPDATE item SET name = {} WHERE code = '{code}'", quoted(&fields["name"])));
    }

    fn delete(&self, code: &str) {
        self.user(&format!("DELETE FROM item WHERE code = '{code}'"));
    }
}

#[test]
fn postgres_conforms() {
    conforms(|| Database::new(ITEM));
}

fn shape() -> Shape {
    let field = |(name, kind): (&str, Kind)| ShapeField {
        name: name.to_owned(),
        kind,
        nullable: true,
        readonly: false,
        lookup_sets: Vec::new(),
    };
    let fields = [("code", Kind::Text { max: Some(20) }), ("name", Kind::Text { max: None })].map(field).to_vec();
    let mut shape = Shape { entity: "item".to_owned(), set: "item".to_owned(), fields, key: Vec::new(), modified: None };
    shape.key = vec![shape.slot("code").unwrap()];
    shape
}

fn create(link: u128, code: &str, name: &str) -> Write {
    Write::Create { link: LinkId(Uuid::from_u128(link)), record: Record::from_values(vec![Value::text(code), Value::text(name)]) }
}

fn names(changes: &[Change]) -> Vec<String> {
    let one = |it: &Change| match it {
        Change::Upsert(Seen { record, .. }) => record.get(dwmap::value::Slot(0)).as_text().unwrap().to_owned(),
        Change::Delete { id } => format!("-{}", id.0),
    };
    changes.iter().map(one).collect()
}

async fn drain(connector: &Postgres, mut after: Option<Token>) -> (Vec<String>, Token) {
    let mut all = Vec::new();
    loop {
        let Page { changes, next, is_last } = connector.feed(&shape(), after.as_ref()).await.unwrap();
        all.extend(names(&changes));
        if is_last {
            return (all, next);
        }
        after = Some(next);
    }
}

/// A user who keeps a transaction open.
struct Session(Child);

impl Session {
    fn begin(database: &Database, sql: &str) -> Self {
        use std::io::Write as _;
        let mut command = Command::new("psql");
        command.args(["-X", "-q", "-U", "postgres", "-d", &database.name, "-h"]).arg(&server().folder);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        writeln!(child.stdin.as_mut().unwrap(), "BEGIN; {sql};").unwrap();
        Self(child)
    }

    fn commit(mut self) {
        use std::io::Write as _;
        writeln!(self.0.stdin.as_mut().unwrap(), "COMMIT;").unwrap();
        drop(self.0.stdin.take());
        assert!(self.0.wait().unwrap().success());
    }
}

#[tokio::test]
async fn line_27_what_commits_late_is_not_passed_over() {
    let database = Database::new(ITEM);
    let (_, start) = drain(&database.ours, None).await;
    let late = Session::begin(&database, "INSERT INTO item(code) VALUES ('late')");
    while database.user("SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction' AND application_name = 'psql' AND datname = current_database()") != "1" {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    database.user("INSERT INTO item(code) VALUES ('early')");
    // The later entry is committed, and held back until the earlier one is.
    let (told, token) = drain_once(&database.ours, &start).await;
    assert_eq!(told, Vec::<String>::new());
    late.commit();
    let (mut told, token) = drain(&database.ours, Some(token)).await;
    told.sort();
    assert_eq!(told, ["early", "late"]);
    assert_eq!(drain(&database.ours, Some(token)).await.0, Vec::<String>::new());
}

async fn drain_once(connector: &Postgres, after: &Token) -> (Vec<String>, Token) {
    let page = connector.feed(&shape(), Some(after)).await.unwrap();
    (names(&page.changes), page.next)
}

#[tokio::test]
async fn line_27_large_columns_that_an_update_leaves_alone_stay_what_they_are() {
    let database = Database::new(ITEM);
    database.user("INSERT INTO item(code, name) SELECT 'big', string_agg(md5(it::text), '') FROM generate_series(1, 4000) AS it");
    let (_, start) = drain(&database.ours, None).await;
    database.user("UPDATE item SET count = 1 WHERE code = 'big'");
    let page = database.ours.feed(&shape(), Some(&start)).await.unwrap();
    let [Change::Upsert(seen)] = page.changes.as_slice() else { panic!("{:?}", page.changes) };
    assert_eq!(seen.record.get(dwmap::value::Slot(1)).as_text().unwrap().len(), 128_000);
}

#[tokio::test]
async fn line_27_a_feed_without_its_triggers_or_after_a_truncate_starts_anew() {
    let database = Database::new(ITEM);
    database.user("INSERT INTO item(code) VALUES ('a')");
    for harm in ["DROP TRIGGER dwmap_rows ON item", "TRUNCATE item", "ALTER TABLE item DISABLE TRIGGER dwmap_rows"] {
        let (_, token) = drain(&database.ours, None).await;
        database.user(harm);
        let expired = database.ours.feed(&shape(), Some(&token)).await.unwrap_err();
        assert_eq!((expired.class, expired.is_ambiguous), (Class::Schema, false), "{harm}");
    }
}

#[tokio::test]
async fn line_27_our_own_write_comes_back_in_its_version_whoever_writes_by_the_same_role() {
    let database = Database::new(ITEM);
    let (_, token) = drain(&database.ours, None).await;
    let Answer::Written(mine) = database.ours.write(&shape(), &[create(1, "a", "A")]).await.remove(0) else {
        panic!("not written")
    };
    let versions = async |token: &Token| {
        let page = database.ours.feed(&shape(), Some(token)).await.unwrap();
        let version = |it: Change| if let Change::Upsert(seen) = it { seen.version } else { panic!("{it:?}") };
        (page.changes.into_iter().map(version).collect::<Vec<_>>(), page.next)
    };
    psql(server(), &database.name, OTHERS_HAVE_ENDED).unwrap();
    let (echo, token) = versions(&token).await;
    assert!(echo.len() == 1 && echo[0] == mine.version, "{echo:?}");
    // The same role and the same values: only the version tells that it was not we.
    database.user("UPDATE item SET name = name");
    let (theirs, _) = versions(&token).await;
    assert!(theirs.len() == 1 && theirs[0] != mine.version, "{theirs:?}");
}

#[tokio::test]
async fn a_changed_key_is_a_delete_and_a_row_that_keeps_its_correlation() {
    let database = Database::new(ITEM);
    let (_, start) = drain(&database.ours, None).await;
    let answers = database.ours.write(&shape(), &[create(1, "a", "A")]).await;
    assert!(matches!(&answers[0], Answer::Written(seen) if seen.correlation.is_some()), "{answers:?}");
    database.user("UPDATE item SET code = 'b'");
    let (told, _) = drain(&database.ours, Some(start)).await;
    assert_eq!(told, ["b", r#"-["a"]"#]);
    let found = database.ours.find_created(&shape(), &create(1, "a", "A")).await.unwrap().unwrap();
    assert_eq!(found.id.0, r#"["b"]"#);
}

#[tokio::test]
async fn refusals_say_who_can_mend_them() {
    let database = Database::new(&format!(
        "{ITEM}; CREATE TABLE part(code varchar(20) PRIMARY KEY, name text NOT NULL UNIQUE REFERENCES item(code) DEFERRABLE INITIALLY DEFERRED)"
    ));
    let part = Shape { entity: "part".to_owned(), set: "part".to_owned(), ..shape() };
    let mut class = Vec::new();
    for write in [create(1, "p", "no such item"), create(2, &"x".repeat(21), "a"), create(3, "p", "nul \0")] {
        let answers = database.ours.write(&part, &[write]).await;
        let [Answer::Failed(failure)] = answers.as_slice() else { panic!("{answers:?}") };
        class.push((failure.class, failure.is_ambiguous));
    }
    assert_eq!(class, [(Class::Reference, false), (Class::Validation, false), (Class::Validation, false)]);
    let missing = Shape { set: "no such".to_owned(), ..shape() };
    assert_eq!(database.ours.feed(&missing, None).await.unwrap_err().class, Class::Schema);
    // One that fails at the commit does not take the others with it.
    let answers = database.ours.write(&part, &[create(4, "p", "gone"), create(5, "q", "gone too")]).await;
    assert!(answers.iter().all(|it| matches!(it, Answer::Failed(it) if it.class == Class::Reference)), "{answers:?}");
}

#[tokio::test]
async fn a_server_that_went_away_is_connected_to_again() {
    let database = Database::new(ITEM);
    drain(&database.ours, None).await;
    database.user("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'dwmap' AND datname = current_database()");
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(drain(&database.ours, None).await.0, Vec::<String>::new());
}

#[tokio::test]
async fn who_only_looks_leaves_nothing_behind() {
    let database = Database::new(ITEM);
    database.user("INSERT INTO item(code) SELECT 'c' || it FROM generate_series(1, 5) AS it");
    let looking = connector(&database.name).only_looking();
    let (told, _) = drain(&looking, None).await;
    assert_eq!(told, ["c1", "c2", "c3", "c4", "c5"]);
    assert!(looking.find_created(&shape(), &create(1, "c1", "")).await.unwrap().is_some());
    assert_eq!(database.user("SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'dwmap%'"), "0");
    assert_eq!(database.user("SELECT count(*) FROM pg_namespace WHERE nspname = 'dwmap'"), "0");
}

#[test]
fn another_machine_and_a_written_password_are_refused() {
    let refused =
        |url: &str| Postgres::new(&Settings { url: url.to_owned(), password: None, authority: None }).err().unwrap().message;
    assert!(refused("postgres://dwmap@db.example.com/shop?sslmode=disable").contains("leave out `sslmode=disable`"));
    let text = refused("postgres://dwmap:s3cret@localhost/shop");
    assert!(text.contains("it holds a password"), "{text}");
    assert!(!text.contains("s3cret"), "{text}");
}

#[tokio::test]
async fn tables_become_a_schema() {
    let database = Database::new(
        "CREATE TABLE grp(code varchar(10) PRIMARY KEY); COMMENT ON TABLE grp IS 'Groups';
         CREATE TABLE item(id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, number varchar(20) NOT NULL UNIQUE, price numeric(12,2),
             grp varchar(10) REFERENCES grp, at timestamptz NOT NULL DEFAULT now(), twice numeric GENERATED ALWAYS AS (price * 2) STORED)",
    );
    let schema = database.ours.discover().await.unwrap();
    let item = &schema.entities["item"];
    assert_eq!((item.key.as_slice(), item.unique.as_slice()), (&["id".to_owned()][..], &[vec!["number".to_owned()]][..]));
    let shown: Vec<String> = item
        .fields
        .values()
        .map(|it| {
            format!(
                "{} {}{}{}",
                it.name,
                it.kind,
                if it.required { " required" } else { "" },
                if it.readonly { " readonly" } else { "" }
            )
        })
        .collect();
    let expected = [
        "id int64 readonly",
        "number text<20> required",
        "price decimal<12,2>",
        "grp lookup grp",
        "at datetime",
        "twice decimal<38,10> readonly",
    ];
    assert_eq!(shown, expected);
    assert_eq!(schema.entities["grp"].doc.as_deref(), Some("Groups"));
}

#[tokio::test]
async fn what_a_start_would_add_is_told_by_reading_alone() {
    let database = Database::new(ITEM);
    let looking = connector(&database.name).only_looking();
    let added = "SELECT (SELECT count(*) FROM pg_trigger) + (SELECT count(*) FROM pg_namespace WHERE nspname = 'dwmap')";
    let addition = looking.addition(&shape()).await.unwrap();
    assert_eq!(addition.as_deref(), Some("two triggers on `item`, with a log in the schema `dwmap`"));
    assert_eq!(looking.feed(&shape(), None).await.unwrap().changes, []);
    assert_eq!(database.user(added), "0");
    let role = format!("reader_of_{}", database.name);
    database.user(&format!("CREATE ROLE {role} LOGIN; GRANT SELECT ON item TO {role}"));
    let reader = url(&database.name).replace("postgres@", &format!("{role}@"));
    let reader = Postgres::new(&Settings { url: reader, password: None, authority: None }).unwrap().only_looking();
    let rights = [
        (format!("`{role}` may not add triggers and a log: grant TRIGGER on `item`"), format!("GRANT TRIGGER ON item TO {role}")),
        (
            format!("`{role}` may not add triggers and a log: grant CREATE on the database"),
            format!("GRANT CREATE ON DATABASE {} TO {role}", database.name),
        ),
    ];
    for (expected, grant) in rights {
        let refused = reader.addition(&shape()).await.unwrap_err();
        assert_eq!((refused.class, refused.message), (Class::Auth, expected));
        database.user(&grant);
    }
    assert!(reader.addition(&shape()).await.unwrap().is_some());
    drain(&database.ours, None).await;
    assert_eq!(looking.addition(&shape()).await.unwrap(), None);
}

#[tokio::test]
async fn a_create_that_is_sent_again_does_not_undo_a_truncate() {
    let database = Database::new(ITEM);
    let (sent, earlier) = (create(1, "a", "A"), create(2, "b", "B"));
    let answers = database.ours.write(&shape(), &[sent.clone(), earlier.clone()]).await;
    assert!(answers.iter().all(|it| matches!(it, Answer::Written(_))), "{answers:?}");
    database.user("DELETE FROM item WHERE code = 'b'");
    database.user("TRUNCATE item");
    for late in [sent, earlier] {
        assert_eq!(database.ours.write(&shape(), std::slice::from_ref(&late)).await, [Answer::Gone]);
        assert_eq!(database.ours.find_created(&shape(), &late).await.unwrap(), None);
    }
    assert_eq!(database.user("SELECT count(*) FROM item"), "0");
    let answers = database.ours.write(&shape(), &[create(3, "a", "A")]).await;
    assert!(matches!(answers[0], Answer::Written(_)), "the place of the row is free for others: {answers:?}");
    assert_eq!(drain(&database.ours, None).await.0.len(), 1);
}
