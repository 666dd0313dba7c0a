//! Push messages at a real receiver: the sandboxes send, a deployment listens whose polls are an hour apart.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use dwmap::connect::Connector;
use dwmap::connect::memory::Memory;
use dwmap::connect::odata::notice::Sender;
use dwmap::connect::odata::{Dataverse, Finops, Polling};
use dwmap::runtime::config::{Config, HookAuth};
use dwmap::runtime::deployment::{Deployment, Settings};
use dwmap::runtime::live::Shutdown;
use dwmap::runtime::receive::{self, Hook, Receiving, Surroundings};
use dwmap::runtime::world::Real;
use dwmap::sandbox::{self, Dialect, Mishap, Running};
use dwmap::store::{Sqlite, Store};
use serde_json::json as literal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::{json, settings, start};
use crate::folder::Folder;
use crate::stage::{memory, program};

const KEY: &str = "a long key of the receiver & 50%";
const OLD_KEY: &str = "the key that was before it";

const DATAVERSE: &str = r#"{ "format_version": 1, "entities": { "account": {
    "key": ["accountid"], "unique": [["accountnumber"]],
    "fields": { "accountid": "guid", "accountnumber": "text<20>", "name": "text?", "description": "text?" } } } }"#;

const TO_DATAVERSE: &str = "\
profile loose {
  text: compare ignoring case, compare ignoring trailing blanks
}
system erp profile loose
system dv profile dataverse
entity erp.Customer {
  key Number: text<20>
  Name:       text<100>?
}
entity dv.account {
  key accountid: guid
  unique (accountnumber)
  accountnumber: text<20>
  name:          text<100>?
}
map Customers: erp.Customer <-> dv.account {
  version 1.0.0
  key Number <-> accountnumber
  Name <-> name
  on conflict prefer erp
  on delete <-> delete
}
";

const FINOPS: &str = r#"{ "format_version": 1, "entities": { "CustomersV3": {
    "key": ["dataAreaId", "CustomerAccount"], "partition": "dataAreaId",
    "fields": { "dataAreaId": "text<4>", "CustomerAccount": "text<20>", "Name": "text<100>?",
        "ModifiedDateTime": {"type": "datetime?", "modified": true, "readonly": true} } } } }"#;

const TO_FINOPS: &str = "\
profile loose {
  text: compare ignoring case, compare ignoring trailing blanks
}
system erp profile loose
system fo profile finops
entity erp.Customer {
  key Company: text<4>
  key Number:  text<20>
  Name:        text<100>
}
entity fo.CustomersV3 {
  key dataAreaId:      text<4>
  key CustomerAccount: text<20>
  Name:                text<100>
  ModifiedDateTime:    datetime? readonly modified
}
map Customers: erp.Customer <-> fo.CustomersV3 {
  version 1.0.0
  key Company <-> dataAreaId
  key Number <-> CustomerAccount
  Name <-> Name
  on conflict prefer erp
  on delete <-> delete
}
";

/// A deployment between a system in memory and a sandbox, with a receiver.
struct Rig {
    folder: Folder,
    sandbox: Running,
    erp: Arc<Memory>,
    deployment: Deployment,
    receiving: Receiving,
}

fn settings_without_polls() -> Settings {
    Settings { poll_every: Duration::from_secs(3600), ..Settings::default() }
}

fn hook(system: &str, sender: Sender, auth: HookAuth) -> Hook {
    let names = BTreeMap::from([("CustomersV3BusinessEvent".to_owned(), "CustomersV3".to_owned())]);
    let keys = [KEY, OLD_KEY].map(|it| it.to_owned().into()).into();
    Hook::new(system.to_owned(), sender, auth, keys, names).unwrap()
}

async fn rig(dialect: Dialect, auth: HookAuth) -> Rig {
    let (map, schema, system, sender) = match dialect {
        Dialect::Dataverse => (TO_DATAVERSE, DATAVERSE, "dv", Sender::Dataverse),
        Dialect::Finops => (TO_FINOPS, FINOPS, "fo", Sender::Finops),
    };
    let sandbox = start(dialect, schema, |_| {}).await;
    let program = program(map);
    let erp = Arc::new(memory(&program, 0));
    let polling = Polling { sweep_every: Duration::from_secs(3600), ..Polling::default() };
    let other: Arc<dyn Connector> = match dialect {
        Dialect::Dataverse => Arc::new(Dataverse::new(settings(&sandbox, "sandbox-secret"), 100).unwrap()),
        Dialect::Finops => Arc::new(Finops::new(settings(&sandbox, "sandbox-secret"), polling).unwrap()),
    };
    let folder = Folder::new("receive");
    let state = folder.path.join("state.db");
    let store = Box::new(Sqlite::open(&state).unwrap());
    let systems: [Arc<dyn Connector>; 2] = [erp.clone(), other];
    let mut deployment = Deployment::open(program, &systems, store, Arc::new(Real), settings_without_polls()).unwrap();
    deployment.initial(None).await.unwrap();
    let around = Surroundings { programs: deployment.programs(), world: Arc::new(Real), bell: deployment.bell() };
    let listen = "127.0.0.1:0".parse().unwrap();
    let receiving = receive::serve(listen, vec![hook(system, sender, auth)], &state, around).await.unwrap();
    Rig { folder, sandbox, erp, deployment, receiving }
}

impl Rig {
    fn address(&self, system: &str) -> String {
        format!("http://{}/hooks/{system}", self.receiving.address)
    }

    /// Runs the deployment beside the script.
    async fn run(&mut self, script: impl AsyncFnOnce(&Running, &Memory)) {
        let (ender, shutdown) = Shutdown::new();
        let Self { sandbox, erp, deployment, .. } = self;
        let script = async {
            // The first polls are over, and the next ones an hour away.
            tokio::time::sleep(Duration::from_millis(300)).await;
            script(sandbox, erp).await;
            ender.end();
        };
        let (ran, ()) = tokio::join!(deployment.run(shutdown), script);
        ran.unwrap();
    }

    fn waiting(&self) -> usize {
        Sqlite::open_read_only(self.folder.path.join("state.db")).unwrap().hints(1000).unwrap().len()
    }
}

fn names(erp: &Memory) -> Vec<String> {
    let mut all: Vec<String> =
        erp.rows("Customer").into_iter().filter_map(|(_, row)| Some(row.get("Name")?.as_text()?.to_owned())).collect();
    all.sort();
    all
}

/// Waits until it holds; ten seconds at most.
async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..500 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{what}");
}

fn at(url: String) -> sandbox::Hook {
    sandbox::Hook { url, header: None, is_business: false, timeout_ms: None }
}

/// What a client has to send, and what it is told.
async fn post(url: &str, header: Option<(&str, &str)>, body: &str) -> u16 {
    let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = tokio::net::TcpStream::connect(host).await.unwrap();
    let header = header.map_or_else(String::new, |(name, value)| format!("{name}: {value}\r\n"));
    let head =
        format!("POST /{path} HTTP/1.1\r\nhost: {host}\r\ncontent-length: {}\r\n{header}connection: close\r\n\r\n", body.len());
    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(!answer.contains(KEY) && !answer.contains("long%20key"), "{answer}");
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

/// The first answers of a receiver that is not ours; `None`: it says nothing. Then always 204.
async fn scripted(answers: Vec<Option<u16>>) -> (String, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let heard = Arc::new(AtomicU64::new(0));
    let count = heard.clone();
    tokio::spawn(async move {
        let mut answers = answers.into_iter();
        while let Ok((mut stream, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::Relaxed);
            let answer = answers.next().unwrap_or(Some(204));
            tokio::spawn(async move {
                let mut bytes = vec![0; 64 * 1024];
                let _ = stream.read(&mut bytes).await;
                match answer {
                    Some(status) => {
                        let text = format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                        let _ = stream.write_all(text.as_bytes()).await;
                    }
                    None => tokio::time::sleep(Duration::from_secs(60)).await,
                }
            });
        }
    });
    (url, heard)
}

fn escaped(key: &str) -> String {
    key.replace('%', "%25").replace('&', "%26").replace(' ', "%20")
}

#[tokio::test]
async fn messages_are_known_by_each_of_the_three_styles_and_by_each_key() {
    for auth in [HookAuth::Header("x-dwmap-key".to_owned()), HookAuth::Code, HookAuth::Query("key".to_owned())] {
        let mut rig = rig(Dialect::Dataverse, auth.clone()).await;
        let url = rig.address("dv");
        let (query, own) = match &auth {
            HookAuth::Header(name) => (None, at(url.clone())).clone_with(|it| it.header = Some((name.clone(), KEY.to_owned()))),
            HookAuth::Code => (Some("code"), at(format!("{url}?code={}", escaped(KEY)))),
            HookAuth::Query(name) => (Some(name.as_str()), at(format!("{url}?a=b&{name}={}", escaped(OLD_KEY)))),
        };
        let foreign = match query {
            None => post(&url, Some(("x-dwmap-key", "a long key of somebody else")), "{}").await,
            Some(name) => post(&format!("{url}?{name}=a+long+key+of+somebody+else"), None, "{}").await,
        };
        assert_eq!((foreign, post(&url, None, "{}").await), (401, 401), "{auth:?}");
        assert_eq!(post(&url.replace("/dv", "/other"), Some(("x-dwmap-key", KEY)), "{}").await, 401);
        rig.sandbox.add_hook(own);
        rig.run(async |sandbox, erp| {
            let id = sandbox.insert("account", json(r#"{"accountnumber": "1", "name": "Ana"}"#)).unwrap();
            until("the new row is carried over", || names(erp) == ["Ana"]).await;
            sandbox.update("account", &id, json(r#"{"name": "Bo"}"#)).unwrap();
            until("the change is carried over", || names(erp) == ["Bo"]).await;
            sandbox.delete("account", &id).unwrap();
            until("the delete is carried over", || names(erp).is_empty()).await;
        })
        .await;
        assert!(rig.sandbox.deliveries().iter().all(sandbox::Delivery::has_arrived), "{:?}", rig.sandbox.deliveries());
        assert_eq!(rig.waiting(), 0);
    }
}

trait CloneWith {
    fn clone_with(self, change: impl FnOnce(&mut sandbox::Hook)) -> Self;
}

impl<T> CloneWith for (T, sandbox::Hook) {
    fn clone_with(mut self, change: impl FnOnce(&mut sandbox::Hook)) -> Self {
        change(&mut self.1);
        self
    }
}

fn keyed(url: &str) -> sandbox::Hook {
    at(format!("{url}?code={}", escaped(KEY)))
}

#[tokio::test]
async fn line_06_a_message_that_was_stripped_for_its_size_names_its_row_all_the_same() {
    let mut rig = rig(Dialect::Dataverse, HookAuth::Code).await;
    let hook = keyed(&rig.address("dv"));
    rig.sandbox.add_hook(hook);
    rig.run(async |sandbox, erp| {
        let row = literal!({"accountnumber": "1", "name": "Ana", "description": "x".repeat(300_000)});
        sandbox.insert("account", row.as_object().unwrap().clone()).unwrap();
        until("the large row is carried over", || names(erp) == ["Ana"]).await;
    })
    .await;
    let [delivery] = rig.sandbox.deliveries().try_into().unwrap();
    assert!(delivery.is_stripped && delivery.has_arrived(), "{delivery:?}");
}

#[tokio::test]
async fn line_07_a_message_is_answered_when_it_is_on_file_and_sent_again_after_503_alone() {
    // The sandbox sends as Dataverse does.
    for (answers, expected) in [
        (vec![Some(502)], vec![Some(502), Some(204)]),
        (vec![Some(503), Some(504)], vec![Some(503), Some(504)]),
        (vec![Some(500)], vec![Some(500)]),
        (vec![None], vec![None]),
    ] {
        let sandbox = start(Dialect::Dataverse, DATAVERSE, |_| {}).await;
        let (url, heard) = scripted(answers).await;
        sandbox.add_hook(sandbox::Hook { timeout_ms: Some(300), ..at(url) });
        sandbox.insert("account", json(r#"{"accountnumber": "1"}"#)).unwrap();
        until("it was delivered", || sandbox.deliveries().len() == 1).await;
        assert_eq!(sandbox.deliveries()[0].tries, expected);
        assert_eq!(heard.load(Ordering::Relaxed), expected.len() as u64);
    }
    // The receiver answers before anything is done with the message, when it is on the disk: nobody runs the deployment here.
    let mut rig = rig(Dialect::Dataverse, HookAuth::Code).await;
    let hook = keyed(&rig.address("dv"));
    rig.sandbox.add_hook(hook);
    rig.sandbox.insert("account", json(r#"{"accountnumber": "1", "name": "Ana"}"#)).unwrap();
    until("it was delivered", || rig.sandbox.deliveries().len() == 1).await;
    assert!(rig.sandbox.deliveries()[0].has_arrived());
    assert_eq!((rig.waiting(), names(&rig.erp)), (1, Vec::new()));
    // While the state cannot be written the answer is 503, and the second message arrives when it can be.
    let folder = rig.folder.path.clone();
    let lock = rusqlite_lock(&folder);
    rig.sandbox.insert("account", json(r#"{"accountnumber": "2", "name": "Bo"}"#)).unwrap();
    tokio::time::sleep(Duration::from_millis(6_500)).await;
    drop(lock);
    until("it was sent again", || rig.sandbox.deliveries().len() == 2).await;
    assert_eq!(rig.sandbox.deliveries()[1].tries, [Some(503), Some(204)]);
    rig.run(async |_, erp| until("what was on file is done", || names(erp) == ["Ana", "Bo"]).await).await;
}

/// Another process that holds the state file's write lock until it is dropped.
fn rusqlite_lock(folder: &std::path::Path) -> impl Drop {
    struct Held(std::process::Child);
    impl Drop for Held {
        fn drop(&mut self) {
            self.0.kill().unwrap();
            self.0.wait().unwrap();
        }
    }
    let mut child = std::process::Command::new("sqlite3")
        .arg(folder.join("state.db"))
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    std::io::Write::write_all(&mut input, b"BEGIN IMMEDIATE;\nSELECT 'held';\n").unwrap();
    let mut said = [0; 5];
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut said).unwrap();
    assert_eq!(&said, b"held\n");
    // Without its end the program waits for the next line.
    child.stdin = Some(input);
    Held(child)
}

#[tokio::test]
async fn line_08_business_events_may_come_twice_late_with_gaps_or_not_at_all() {
    let mut rig = rig(Dialect::Finops, HookAuth::Code).await;
    let hook = sandbox::Hook { is_business: true, ..keyed(&rig.address("fo")) };
    rig.sandbox.add_hook(hook);
    for mishap in [Mishap::Late, Mishap::Twice, Mishap::Late, Mishap::Lost, Mishap::Twice] {
        rig.sandbox.mislay(mishap);
    }
    rig.run(async |sandbox, erp| {
        let id = sandbox.insert("CustomersV3", json(r#"{"CustomerAccount": "1", "Name": "Ana"}"#)).unwrap();
        sandbox.update("CustomersV3", &id, json(r#"{"Name": "Bo"}"#)).unwrap();
        sandbox.update("CustomersV3", &id, json(r#"{"Name": "Cy"}"#)).unwrap();
        sandbox.insert("CustomersV3", json(r#"{"CustomerAccount": "2", "Name": "lost"}"#)).unwrap();
        sandbox.insert("CustomersV3", json(r#"{"CustomerAccount": "3", "Name": "Dee"}"#)).unwrap();
        until("what was told is carried over", || names(erp) == ["Cy", "Dee"]).await;
        until("all was delivered", || sandbox.deliveries().len() == 6).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(sandbox.counters("dwmap").writes, 0, "nothing is written back");
    })
    .await;
    let controls: Vec<u64> = rig.sandbox.deliveries().iter().map(|it| it.control).collect();
    assert_eq!(controls, [6, 6, 3, 9, 15, 15], "twice, late and with gaps");
    // What was lost on the way is the poll's to find.
    rig.deployment.settle().await.unwrap();
    assert_eq!(names(&rig.erp), ["Cy", "Dee", "lost"]);
}

#[tokio::test]
async fn a_data_event_names_the_row_of_its_virtual_table_and_a_delete_wakes_the_poll() {
    let mut rig = rig(Dialect::Finops, HookAuth::Code).await;
    let hook = keyed(&rig.address("fo"));
    rig.sandbox.add_hook(hook);
    rig.run(async |sandbox, erp| {
        let id = sandbox.insert("CustomersV3", json(r#"{"CustomerAccount": "1", "Name": "Ana"}"#)).unwrap();
        until("the new row is carried over", || names(erp) == ["Ana"]).await;
        let before = sandbox.counters("dwmap").requests;
        sandbox.delete("CustomersV3", &id).unwrap();
        until("the feed is read at once", || sandbox.counters("dwmap").requests > before).await;
    })
    .await;
    assert!(rig.sandbox.deliveries().iter().all(sandbox::Delivery::has_arrived));
}

#[tokio::test]
async fn what_is_no_message_is_refused_and_what_no_map_reads_is_taken_and_dropped() {
    let rig = rig(Dialect::Dataverse, HookAuth::Code).await;
    let url = format!("{}?code={}", rig.address("dv"), escaped(KEY));
    assert_eq!(post(&url, None, "<html>").await, 400);
    assert_eq!(post(&url, None, "[]").await, 400);
    assert_eq!(post(&url, None, r#"{"MessageName": "Create"}"#).await, 400);
    assert_eq!(post(&url, None, &format!("\"{}\"", "x".repeat(2_000_000))).await, 413);
    assert_eq!(post(&url, None, r#"{"PrimaryEntityName": "contact", "PrimaryEntityId": "x"}"#).await, 204);
    assert_eq!(rig.waiting(), 0);
    // A made-up row is looked for, and that is all.
    assert_eq!(
        post(&url, None, r#"{"primaryentityname": "ACCOUNT", "PrimaryEntityId": "{0F8FAD5B-D9CB-469F-A165-70867728950E}"}"#)
            .await,
        204
    );
    assert_eq!(
        post(&url, None, r#"{"PrimaryEntityName": "account", "PrimaryEntityId": "0f8fad5b-d9cb-469f-a165-70867728950e"}"#).await,
        204
    );
    assert_eq!(rig.waiting(), 1, "one row is looked at once");
    let mut rig = rig;
    let folder = rig.folder.path.clone();
    rig.run(async |_, erp| {
        let waiting = || Sqlite::open_read_only(folder.join("state.db")).unwrap().hints(10).unwrap().len();
        until("it is struck out", || waiting() == 0).await;
        assert_eq!(names(erp), Vec::<String>::new());
    })
    .await;
}

#[tokio::test]
async fn a_system_that_cannot_be_read_keeps_what_was_told_on_file() {
    let mut rig = rig(Dialect::Dataverse, HookAuth::Code).await;
    let hook = keyed(&rig.address("dv"));
    rig.sandbox.add_hook(hook);
    rig.run(async |sandbox, erp| {
        sandbox.next_n(2, sandbox::Target::Reads, sandbox::Fault::Status(503));
        sandbox.insert("account", json(r#"{"accountnumber": "1", "name": "Ana"}"#)).unwrap();
        until("the third try carries it over", || names(erp) == ["Ana"]).await;
    })
    .await;
    assert_eq!(rig.waiting(), 0);
}

/// A process that only brings both sides into step, and ends.
#[tokio::test]
async fn what_was_told_before_is_looked_at_by_a_process_that_runs_once() {
    let mut rig = rig(Dialect::Dataverse, HookAuth::Code).await;
    let hook = keyed(&rig.address("dv"));
    rig.sandbox.add_hook(hook);
    rig.sandbox.insert("account", json(r#"{"accountnumber": "1", "name": "Ana"}"#)).unwrap();
    until("the message is on file", || rig.waiting() == 1).await;
    rig.deployment.settle().await.unwrap();
    assert_eq!((names(&rig.erp), rig.waiting()), (vec!["Ana".to_owned()], 0));

    rig.sandbox.insert("account", json(r#"{"accountnumber": "2", "name": "Bo"}"#)).unwrap();
    until("the message is on file", || rig.waiting() == 1).await;
    rig.sandbox.next_n(1, sandbox::Target::Reads, sandbox::Fault::Status(503));
    drop(rig.deployment.settle().await);
    assert_eq!(rig.waiting(), 1, "what could not be read stays on file");
}

#[test]
fn a_short_key_and_a_strange_header_are_refused() {
    let hook =
        |auth, key: &str| Hook::new("dv".to_owned(), Sender::Dataverse, auth, vec![key.to_owned().into()], BTreeMap::new()).err();
    assert!(hook(HookAuth::Code, "short").unwrap().contains("16 characters"));
    assert!(hook(HookAuth::Header("no header".to_owned()), KEY).unwrap().contains("`no header`"));
}

#[test]
fn settings_that_would_let_anybody_send_or_nobody_hear_are_refused() {
    let system = "[systems.dv]\nconnector = \"dataverse\"\nurl = \"https://x.example\"\n\
        auth = { tenant = \"t\", client_id = \"c\", client_secret = { env = \"S\" } }\n";
    let parse = |more: &str| Config::parse(Path::new("dwmap.toml"), &format!("{system}{more}"));
    let message = |more: &str| parse(more).unwrap_err().to_string();
    let hook = "webhook = { auth = { header = \"x-key\" }, keys = [{ env = \"K\" }] }\n";
    assert!(message(hook).contains("system `dv` has a webhook, and nobody listens for it\n  = fix: add `[receiver]`"));
    let without_keys = "webhook = { auth = \"code\", keys = [] }\n[receiver]\n";
    assert!(message(without_keys).contains("the webhook of system `dv` has no keys\n  = fix: "));
    let config = parse(&format!("{hook}[receiver]\n")).unwrap();
    assert_eq!(config.receiver.unwrap().listen.to_string(), "127.0.0.1:7080");
}
