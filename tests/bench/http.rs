//! What the connector adds to a plain HTTP client: the same requests to the same sandbox, by `reqwest` alone and by the connector.
//!
//! Read are all accounts by the change feed, page by page, as the first reading of a map does; written is a conditional update that
//! answers with its row. Both clients send the same addresses, headers and bodies, over connections that stay open. What `reqwest` alone
//! gets stays bytes; "and serde_json" makes a general tree of them, which is the least that anybody needs who wants to see a row;
//! the connector makes typed records and checks them.
//!
//! The sandbox has a thread of its own, the client under test has this one. So there are two answers: by the clock, where waiting for
//! the system counts for both; and in the client's own time on a processor, where nothing of the system does. The sandbox sends plain
//! JSON, whatever it is asked for, so no unpacking is in either.

use std::cell::{LazyCell, RefCell};
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput};
use dwmap::change::{Answer, Change, RemoteId, Seen, Side, Version, Write};
use dwmap::connect::Connector;
use dwmap::connect::http::Settings;
use dwmap::connect::odata::Dataverse;
use dwmap::connect::odata::rows::{Columns, Part};
use dwmap::interp::{Lookups, Prepared};
use dwmap::sandbox::{Config, Dialect, Running, Sandbox};
use dwmap::schema::{Entity, Field, Schema, Shape, ShapeField};
use dwmap::value::{Kind, Record, Slot, Value};
use futures::{StreamExt, stream};
use reqwest::{Method, RequestBuilder};
use serde_json::{Map, Value as Json};
use tokio::runtime::{Builder, Runtime};

use super::job;

/// Accounts in the sandbox, and rows of one page of them.
const ROWS: usize = 600;
const PAGE_ROWS: usize = 200;
/// Readings of all accounts in one round, and updates in one.
const READS: usize = 64;
const UPDATES: usize = 512;
/// Requests under way at once.
const AT_ONCE: [usize; 3] = [1, 16, 64];
/// Rounds in turn where nothing else is asked for.
const ROUNDS: usize = 21;
/// How far before the end of a page its link begins, at most.
const LINK_BYTES_MAX: usize = 4096;
/// The fields that an update sends.
const CHANGED: [&str; 5] = ["telephone", "street", "city", "credit_cents", "balance"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    Reading,
    Updating,
}

const WORKS: [Work; 2] = [Work::Reading, Work::Updating];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Raw,
    Parsed,
    Connector,
}

const WAYS: [Way; 3] = [Way::Raw, Way::Parsed, Way::Connector];

impl Way {
    fn name(self) -> &'static str {
        match self {
            Self::Raw => "reqwest",
            Self::Parsed => "reqwest and serde_json",
            Self::Connector => "connector",
        }
    }
}

/// A plain client, with the headers of the connector.
struct Raw {
    http: reqwest::Client,
    url: String,
    token: String,
    select: String,
}

impl Raw {
    async fn open(settings: &Settings, secret: &str, select: String) -> Self {
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).gzip(true).build();
        let http = http.expect("the client can be made");
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", &settings.client_id),
            ("client_secret", secret),
            ("scope", &settings.scope),
        ];
        let answer = http.post(&settings.token_url).form(&form).send().await.expect("the sandbox listens");
        let granted: Json = answer.json().await.expect("it is JSON");
        let token = granted["access_token"].as_str().expect("the secret is right").to_owned();
        Self { http, url: settings.url.clone(), token, select }
    }

    fn request(&self, method: Method, url: &str, prefer: &str) -> RequestBuilder {
        let request = self.http.request(method, url).bearer_auth(&self.token).header("prefer", prefer);
        request.header("accept", "application/json").header("odata-version", "4.0").header("odata-maxversion", "4.0")
    }

    /// Reads all pages, and gives each to `look`.
    async fn read(&self, mut look: impl FnMut(&[u8])) {
        let prefer = format!("odata.track-changes,odata.maxpagesize={PAGE_ROWS}");
        let mut next = Some(format!("{}/api/data/v9.2/accounts?$select={}", self.url, self.select));
        while let Some(url) = next {
            let answer = self.request(Method::GET, &url, &prefer).send().await.expect("the sandbox answers");
            assert_eq!(answer.status(), 200);
            let body = answer.bytes().await.expect("the sandbox answers to the end");
            look(&body);
            next = next_link(&body);
        }
    }

    /// Changes a row; `look` is given the answer. The new version.
    async fn update(&self, id: &str, version: &str, body: &str, look: impl FnOnce(&[u8])) -> String {
        let url = format!("{}/api/data/v9.2/accounts({id})?$select={}", self.url, self.select);
        let request = self.request(Method::PATCH, &url, "return=representation").header("if-match", version);
        let sending = request.header("content-type", "application/json").body(body.to_owned()).send();
        let answer = sending.await.expect("the sandbox answers");
        assert_eq!(answer.status(), 200);
        let version = answer.headers()["etag"].to_str().expect("it is a text").to_owned();
        look(&answer.bytes().await.expect("the sandbox answers to the end"));
        version
    }
}

/// The link stands behind the rows; a page that is not the last one has it.
fn next_link(page: &[u8]) -> Option<String> {
    const NAME: &str = "\"@odata.nextLink\":\"";
    let end = String::from_utf8_lossy(&page[page.len().saturating_sub(LINK_BYTES_MAX)..]);
    let link = &end[end.find(NAME)? + NAME.len()..];
    Some(link[..link.find('"').expect("the text ends")].to_owned())
}

fn parsed(body: &[u8]) -> Json {
    serde_json::from_slice(body).expect("it is JSON")
}

/// A sandbox with accounts, and both clients.
struct Bench {
    /// It runs the sandbox.
    _server: Runtime,
    sandbox: Running,
    client: Runtime,
    raw: Raw,
    connector: Dataverse,
    shape: Shape,
    ids: Vec<String>,
    /// By account, as the last answer told it.
    versions: RefCell<Vec<String>>,
    change: Record,
    body: String,
}

impl Bench {
    fn new() -> Self {
        let prepared = Prepared::new(job::plan());
        let account = &prepared.shapes[Side::Right];
        let (schema, shape) = in_dataverse(account);
        let server = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("threads can be had");
        let config = Config::new(Dialect::Dataverse, schema);
        let secret = config.credentials.client_secret.clone();
        let sandbox = server.block_on(Sandbox::start(config)).expect("a port is free");
        let accounts = accounts(&prepared);
        let body = |it: &Record| Columns::dataverse(account).body(it, |_, _| Ok(Part::Plain)).expect("all of it can be sent");
        let insert = |it: &Record| {
            let fields: Map<String, Json> = serde_json::from_str(&body(it)).expect("it is an object");
            sandbox.insert("account", fields).expect("the row is right")
        };
        let mut ids: Vec<String> = accounts.iter().map(insert).collect();
        ids.truncate(UPDATES);
        let version = |id: &String| sandbox.row("account", id).expect("it is there")["@odata.etag"].as_str().map(str::to_owned);
        let versions = ids.iter().map(|id| version(id).expect("a row has a version")).collect();
        let settings = Settings {
            url: sandbox.url().to_owned(),
            token_url: sandbox.token_url(),
            client_id: "dwmap".to_owned(),
            client_secret: secret.clone().into(),
            scope: format!("{}/.default", sandbox.url()),
            authority: None,
        };
        let select = shape.fields.iter().map(|it| it.name.as_str()).collect::<Vec<_>>().join(",");
        let client = Builder::new_current_thread().enable_all().build().expect("this thread is there");
        let raw = client.block_on(Raw::open(&settings, &secret, select));
        let connector = Dataverse::new(settings, PAGE_ROWS).expect("the settings are right");
        let change = changed(account, &shape, &accounts[0]);
        let body = Columns::dataverse(&shape).body(&change, |_, _| Ok(Part::Plain)).expect("all of it can be sent");
        let versions = RefCell::new(versions);
        Self { _server: server, sandbox, client, raw, connector, shape, ids, versions, change, body }
    }

    fn compared() -> Self {
        let bench = Self::new();
        bench.compare();
        bench
    }

    /// All of the work once.
    fn round(&self, work: Work, way: Way, at_once: usize) {
        match work {
            Work::Reading => {
                self.client.block_on(stream::iter(0..READS).map(|_| self.read(way)).buffer_unordered(at_once).collect())
            }
            Work::Updating => {
                let mut versions = self.versions.borrow_mut();
                let updates = self.ids.iter().zip(versions.iter_mut()).map(|(id, version)| self.update(way, id, version));
                self.client.block_on(stream::iter(updates).buffer_unordered(at_once).collect())
            }
        }
    }

    async fn read(&self, way: Way) {
        let mut pages = 0;
        match way {
            Way::Raw => self.raw.read(|_| pages += 1).await,
            Way::Parsed => {
                let mut rows = 0;
                self.raw
                    .read(|page| {
                        pages += 1;
                        rows += parsed(page)["value"].as_array().expect("a list").len();
                    })
                    .await;
                assert_eq!(rows, ROWS);
            }
            Way::Connector => {
                let mut rows = 0;
                self.feed(|changes| {
                    pages += 1;
                    rows += changes.len();
                })
                .await;
                assert_eq!(rows, ROWS);
            }
        }
        assert_eq!(pages, ROWS / PAGE_ROWS);
    }

    async fn feed(&self, mut look: impl FnMut(&[Change])) {
        let mut page = self.connector.feed(&self.shape, None).await.expect("the sandbox answers");
        look(&page.changes);
        while !page.is_last {
            page = self.connector.feed(&self.shape, Some(&page.next)).await.expect("the sandbox answers");
            look(&page.changes);
        }
    }

    async fn update(&self, way: Way, id: &str, version: &mut String) {
        *version = match way {
            Way::Raw => self.raw.update(id, version, &self.body, |_| {}).await,
            Way::Parsed => self.raw.update(id, version, &self.body, |it| drop(parsed(it))).await,
            Way::Connector => {
                let (id, expected) = (RemoteId(id.to_owned()), Version(version.clone()));
                let write = Write::Update { id, expected, record: self.change.clone() };
                match self.connector.write(&self.shape, &[write]).await.remove(0) {
                    Answer::Written(seen) => seen.version.0,
                    other => panic!("{other:?}"),
                }
            }
        };
    }

    /// Both see the same rows, in the same order, with the same values in them, and ask the system as often.
    fn compare(&self) {
        let (mut by_raw, mut by_connector) = (Vec::new(), Vec::new());
        self.client.block_on(self.raw.read(|page| by_raw.extend(parsed(page)["value"].as_array().expect("a list").clone())));
        self.client.block_on(self.feed(|changes| by_connector.extend(changes.iter().map(|it| row(it).clone()))));
        assert_eq!((by_raw.len(), by_connector.len()), (ROWS, ROWS));
        let columns = Columns::dataverse(&self.shape);
        for (raw, seen) in by_raw.iter().zip(&by_connector) {
            assert_eq!(raw["@odata.etag"], seen.version.0);
            let text = raw.to_string();
            assert_eq!(columns.row(text.as_bytes()).expect("it is JSON").record(), (seen.record.clone(), None));
        }
        for work in WORKS {
            let asked = WAYS.map(|way| {
                let before = self.sandbox.counters("dwmap");
                self.round(work, way, 16);
                let after = self.sandbox.counters("dwmap");
                (after.requests - before.requests, after.writes - before.writes)
            });
            let expected = match work {
                Work::Reading => ((READS * ROWS / PAGE_ROWS) as u64, 0),
                Work::Updating => (UPDATES as u64, UPDATES as u64),
            };
            assert_eq!(asked, [expected; 3], "{work:?}");
        }
    }
}

fn row(change: &Change) -> &Seen {
    match change {
        Change::Upsert(seen) => seen,
        Change::Delete { id } => panic!("nobody deleted {}", id.0),
    }
}

/// The account of the job, with the id that every table of Dataverse has: what the sandbox offers, and what is read of it.
fn in_dataverse(account: &Shape) -> (Schema, Shape) {
    let id =
        ShapeField { name: "accountid".to_owned(), kind: Kind::Guid, nullable: false, readonly: false, lookup_sets: Vec::new() };
    let fields: Vec<ShapeField> = std::iter::once(id).chain(account.fields.iter().cloned()).collect();
    let field = |it: &ShapeField| Field {
        name: it.name.clone(),
        kind: it.kind.clone(),
        nullable: it.nullable,
        required: false,
        readonly: false,
        modified: false,
        meaning: None,
        doc: None,
    };
    let entity = Entity {
        name: "account".to_owned(),
        set: Some("accounts".to_owned()),
        fields: fields.iter().map(|it| (it.name.clone(), field(it))).collect(),
        key: vec!["accountid".to_owned()],
        unique: vec![vec!["number".to_owned()]],
        ..Entity::default()
    };
    let schema = Schema { entities: [("account".to_owned(), entity)].into(), ..Schema::default() };
    let shape = Shape { entity: "account".to_owned(), set: "accounts".to_owned(), fields, key: vec![Slot(0)], modified: None };
    (schema, shape)
}

/// What the map of the job makes.
fn accounts(prepared: &Prepared) -> Vec<Record> {
    let lookups = Lookups::default();
    let made = |from: &Record| {
        let is_meant = prepared.in_scope(&lookups, Side::Left, from).expect("it is right");
        is_meant.then(|| prepared.put(&lookups, Side::Right, from, None).expect("it is right"))
    };
    // One in ten is a person, who is no account.
    let accounts: Vec<Record> = job::records::records(7, 2 * ROWS).iter().filter_map(made).take(ROWS).collect();
    assert_eq!(accounts.len(), ROWS);
    accounts
}

/// Some fields of an account.
fn changed(account: &Shape, shape: &Shape, from: &Record) -> Record {
    let mut change = Record::absent(shape.fields.len());
    for name in CHANGED {
        let value: Value = from.get(account.slot(name).expect("the job has it")).clone();
        change.set(shape.slot(name).expect("the account has it"), value);
    }
    change
}

/// Each way by itself.
pub fn http(criterion: &mut Criterion) {
    // Not made where nobody asks for it.
    let bench = LazyCell::new(Bench::compared);
    let mut group = criterion.benchmark_group("http");
    group.sample_size(10);
    for work in WORKS {
        group.throughput(Throughput::Elements(match work {
            Work::Reading => (READS * ROWS) as u64,
            Work::Updating => UPDATES as u64,
        }));
        for at_once in AT_ONCE {
            for way in WAYS {
                let name = format!("{work:?}, {at_once} at once/{}", way.name());
                group.bench_function(name, |it| {
                    let bench: &Bench = &bench;
                    it.iter(|| bench.round(work, way, at_once));
                });
            }
        }
    }
    group.finish();
}

/// All ways in turn, so that what else the machine does hits all alike; prints medians, and medians of the ratios within a round.
pub fn in_turn(rounds: Option<usize>) {
    let (bench, rounds) = (Bench::compared(), rounds.unwrap_or(ROUNDS).max(1));
    println!("{rounds} rounds of {READS} readings of {ROWS} rows in pages of {PAGE_ROWS}, or of {UPDATES} updates\n");
    println!("| work | at once | client | ms by the clock | against reqwest | ms of the client's own | against reqwest |");
    println!("|---|---|---|---|---|---|---|");
    for work in WORKS {
        for at_once in AT_ONCE {
            print(work, at_once, &measure(&bench, work, at_once, rounds));
        }
    }
}

/// The times of each way, round by round.
fn measure(bench: &Bench, work: Work, at_once: usize, rounds: usize) -> [Vec<Time>; 3] {
    let mut times = WAYS.map(|_| Vec::with_capacity(rounds));
    for round in 0..rounds {
        for turn in 0..WAYS.len() {
            // Nobody always comes first.
            let index = (turn + round) % WAYS.len();
            times[index].push(timed(|| bench.round(work, WAYS[index], at_once)));
        }
    }
    times
}

fn print(work: Work, at_once: usize, times: &[Vec<Time>; 3]) {
    for (way, own) in WAYS.iter().zip(times) {
        let pairs = || own.iter().zip(&times[0]);
        let clock = median(own.iter().map(|it| Some(it.clock_ms)).collect());
        let by_clock = median(pairs().map(|(it, raw)| Some(it.clock_ms / raw.clock_ms)).collect());
        let processor = median(own.iter().map(|it| it.processor_ms).collect());
        let by_processor = median(pairs().map(|(it, raw)| Some(it.processor_ms? / raw.processor_ms?)).collect());
        println!("| {work:?} | {at_once} | {} | {clock} | {by_clock} | {processor} | {by_processor} |", way.name());
    }
}

struct Time {
    clock_ms: f64,
    /// `None` where the machine does not tell.
    processor_ms: Option<f64>,
}

#[expect(clippy::disallowed_methods, reason = "what is measured is the clock")]
fn timed(work: impl FnOnce()) -> Time {
    let before = processor_ms();
    let start = Instant::now();
    work();
    let clock_ms = start.elapsed().as_secs_f64() * 1e3;
    let processor_ms = before.zip(processor_ms()).map(|(before, after)| after - before);
    Time { clock_ms, processor_ms }
}

/// What this thread has spent on a processor (Linux, Documentation/scheduler/sched-stats.rst).
fn processor_ms() -> Option<f64> {
    // The kernel brings the sum up to date when a thread leaves the processor.
    std::thread::sleep(Duration::from_millis(1));
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let spent_ns: f64 = text.split_whitespace().next()?.parse().ok()?;
    (spent_ns > 0.0).then_some(spent_ns / 1e6)
}

/// As it is printed; a dash where any of them is missing.
fn median(of: Vec<Option<f64>>) -> String {
    let Some(mut of) = of.into_iter().collect::<Option<Vec<f64>>>() else { return "–".to_owned() };
    of.sort_by(f64::total_cmp);
    format!("{:.2}", of[of.len() / 2])
}
