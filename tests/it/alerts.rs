//! Alerts of a running process, with real receivers: who is told, how often, and what changes without a restart.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::Json;
use axum::routing::post;
use serde_json::Value;

use super::control::{Process, json, synced_pair, wait};
use super::folder::Folder;

/// Long enough for several looks at the alerts.
const LOOKS: Duration = Duration::from_millis(2500);

type Heard<T> = Arc<Mutex<Vec<T>>>;

/// A webhook on a port of its own, as long as the test runs.
fn webhook() -> (String, Heard<Value>) {
    let heard: Heard<Value> = Heard::default();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = format!("http://{}/hook?key=secret", listener.local_addr().expect("it is bound"));
    listener.set_nonblocking(true).expect("a listener can be");
    let hear = heard.clone();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("threads are to be had");
        runtime.block_on(async move {
            let hook = post(move |Json(body): Json<Value>| async move {
                hear.lock().expect("no test panics while it holds this").push(body);
            });
            let listener = tokio::net::TcpListener::from_std(listener).expect("it is bound");
            axum::serve(listener, Router::new().route("/hook", hook)).await.expect("it is served");
        });
    });
    (address, heard)
}

/// A mail server that takes everything, on a port of its own.
fn mail_server() -> (u16, Heard<String>) {
    let heard: Heard<String> = Heard::default();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = listener.local_addr().expect("it is bound").port();
    let hear = heard.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a client connects");
            let mut lines = BufReader::new(stream.try_clone().expect("a stream can be cloned")).lines();
            let (mut mail, mut in_data) = (String::new(), false);
            stream.write_all(b"220 localhost at your service\r\n").expect("the client listens");
            while let Some(Ok(line)) = lines.next() {
                if in_data && line != "." {
                    mail.push_str(&line);
                    mail.push('\n');
                    continue;
                }
                let answer: &[u8] = match line.split(' ').next().unwrap_or_default() {
                    "EHLO" => b"250-localhost\r\n250 8BITMIME\r\n",
                    "DATA" => {
                        in_data = true;
                        b"354 go on\r\n"
                    }
                    "." => {
                        in_data = false;
                        hear.lock().expect("no test panics while it holds this").push(std::mem::take(&mut mail));
                        b"250 taken\r\n"
                    }
                    "QUIT" => b"221 bye\r\n",
                    _ => b"250 well\r\n",
                };
                if stream.write_all(answer).is_err() {
                    break;
                }
            }
        }
    });
    (port, heard)
}

fn heard<T: Clone>(it: &Heard<T>) -> Vec<T> {
    it.lock().expect("no test panics while it holds this").clone()
}

fn states(hook: &Heard<Value>) -> Vec<String> {
    heard(hook).iter().map(|it| it["state"].as_str().expect("a text").to_owned()).collect()
}

fn with_settings(folder: &Folder, more: &str) {
    let text = folder.read("dwmap.toml");
    let own = text.split("# alerts").next().expect("a split has a first part").to_owned();
    folder.write("dwmap.toml", &format!("{own}# alerts\n{more}"));
}

fn refuse(folder: &Folder) {
    folder.sql("shop.db", "UPDATE product SET state = 'odd' WHERE sku = 'A-1'");
}

fn mend(folder: &Folder) {
    folder.sql("shop.db", "UPDATE product SET state = 'live' WHERE sku = 'A-1'");
}

#[test]
fn an_alert_fires_once_and_clears_once_also_over_a_restart() {
    let folder = synced_pair();
    let (address, hook) = webhook();
    with_settings(
        &folder,
        &format!(
            "[[alerts]]\nname = \"refusals\"\nwhen = {{ errors = 1, class = \"validation\", minutes = 60 }}\ndo = [{{ webhook = \"{address}\" }}]\n"
        ),
    );
    let process = Process::start(&folder, &["run"]);
    std::thread::sleep(LOOKS);
    assert_eq!(states(&hook), Vec::<String>::new(), "nothing is held");
    refuse(&folder);
    wait("the alert fires", || states(&hook) == ["firing"]);
    let told = &heard(&hook)[0];
    assert_eq!((&told["alert"], &told["map"]), (&"refusals".into(), &"Items".into()));
    assert_eq!(told["text"], "1 errors of class validation in 60 minutes");
    process.kill();
    let process = Process::start(&folder, &["run"]);
    std::thread::sleep(LOOKS);
    assert_eq!(states(&hook), ["firing"], "it is told once");
    mend(&folder);
    wait("the alert clears", || states(&hook) == ["firing", "cleared"]);
    std::thread::sleep(LOOKS);
    assert_eq!(states(&hook), ["firing", "cleared"]);
    process.kill();
}

#[test]
fn an_alert_is_mailed() {
    let folder = synced_pair();
    let (port, mails) = mail_server();
    with_settings(
        &folder,
        &format!(
            "[mail]\nserver = \"127.0.0.1\"\nport = {port}\ntls = \"none\"\nfrom = \"dwmap@example.org\"\n\n[[alerts]]\nname = \"refusals\"\nmaps = [\"Items\"]\nwhen = {{ errors = 1 }}\ndo = [{{ mail = \"ops@example.org\" }}]\n"
        ),
    );
    let process = Process::start(&folder, &["run"]);
    refuse(&folder);
    wait("the mail arrives", || heard(&mails).len() == 1);
    let mail = &heard(&mails)[0];
    for part in
        ["From: dwmap@example.org", "To: ops@example.org", "Subject: [dwmap] refusals firing: Items", "1 errors in 5 minutes"]
    {
        assert!(mail.contains(part), "{part}: {mail}");
    }
    mend(&folder);
    wait("the end of it is mailed too", || heard(&mails).len() == 2);
    process.kill();
}

#[test]
fn settings_are_read_again_and_broken_ones_are_not() {
    let folder = synced_pair();
    let process = Process::start(&folder, &["run"]);
    with_settings(&folder, "[[alerts]]\nname = \"broken\"\nwhen = {}\ndo = [\"pause\"]\n");
    wait("the broken settings are reported", || folder.read("log").contains("settings are broken; the old ones stay in force"));
    assert!(folder.read("log").contains("`when` asks for nothing"), "{}", folder.read("log"));
    with_settings(&folder, "[[alerts]]\nname = \"refusals\"\nwhen = { errors = 1 }\ndo = [\"pause\"]\n");
    wait("the settings are read again", || folder.read("log").contains("settings were read again"));
    let text = folder.read("dwmap.toml");
    folder.write("dwmap.toml", &format!("{text}\n[params]\nunused = 1\n\n[receiver]\nlisten = \"127.0.0.1:0\"\n"));
    wait("it is said what waits, and for what", || {
        let waits = "`[params]` count from `dwmap reload` or the next start on; `[receiver]` count from the next start on";
        folder.read("log").contains(waits)
    });
    refuse(&folder);
    wait("the alert pauses the map", || json(&folder, &["status"])["maps"][0]["state"] == "paused");
    let map = &json(&folder, &["status"])["maps"][0];
    assert_eq!((&map["who"], &map["why"]), (&"alert `refusals`".into(), &"1 errors in 5 minutes".into()));
    process.kill();
}

#[test]
fn a_queue_that_grows_old_is_told() {
    let folder = synced_pair();
    let (address, hook) = webhook();
    with_settings(
        &folder,
        &format!("[[alerts]]\nname = \"old queue\"\nwhen = {{ queue_age_s = 1 }}\ndo = [{{ webhook = \"{address}\" }}]\n"),
    );
    let process = Process::start(&folder, &["run"]);
    assert_eq!(folder.dwmap(&["pause"]).exit, Some(0));
    folder.sql("erp.db", "UPDATE item SET stock = 77 WHERE number = 'A-1'");
    wait("the alert fires", || states(&hook) == ["firing"]);
    assert_eq!(folder.dwmap(&["resume"]).exit, Some(0));
    wait("the alert clears", || states(&hook) == ["firing", "cleared"]);
    process.kill();
}

#[test]
fn a_webhook_that_is_not_there_is_reported_without_its_address() {
    let folder = synced_pair();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = format!("http://{}/hook?key=secret", listener.local_addr().expect("it is bound"));
    drop(listener);
    with_settings(&folder, &format!("[[alerts]]\nname = \"x\"\nwhen = {{ errors = 1 }}\ndo = [{{ webhook = \"{address}\" }}]\n"));
    let process = Process::start(&folder, &["run"]);
    refuse(&folder);
    wait("the failure is reported", || folder.read("log").contains("alert `x` could not be told"));
    assert!(!folder.read("log").contains("secret"), "{}", folder.read("log"));
    process.kill();
}

/// Rules of this kind, one for each condition, that tell the hook.
fn rules(conditions: &[(&str, &str)], address: &str) -> String {
    let rule = |(name, when): &(&str, &str)| {
        format!("[[alerts]]\nname = \"{name}\"\nwhen = {{ {when} }}\ndo = [{{ webhook = \"{address}\" }}]\n\n")
    };
    conditions.iter().map(rule).collect()
}

/// What was told of this rule.
fn told(hook: &Heard<Value>, rule: &str) -> Vec<String> {
    let of_rule = heard(hook).into_iter().filter(|it| it["alert"] == rule);
    of_rule.map(|it| it["state"].as_str().expect("a text").to_owned()).collect()
}

#[test]
fn a_system_of_another_shape_is_told_as_such_as_a_breaker_and_as_silence_until_the_map_is_resumed() {
    let folder = synced_pair();
    let (address, hook) = webhook();
    let conditions = [("shape", "profile_broken = true"), ("breaker", "breaker = true"), ("silence", "freshness_s = 2")];
    with_settings(&folder, &rules(&conditions, &address));
    let process = Process::start(&folder, &["run"]);
    folder.sql("shop.db", "ALTER TABLE product RENAME TO elsewhere");
    folder.sql("erp.db", "UPDATE item SET stock = 77 WHERE number = 'A-1'");
    for (rule, _) in conditions {
        wait(rule, || told(&hook, rule) == ["firing"]);
    }
    let status = json(&folder, &["status"]);
    assert_eq!(status["maps"][0]["state"], "blocked", "{status}");
    assert_eq!(json(&folder, &["resume"])["maps"], serde_json::json!([]), "without its name a blocked map stays as it is");
    folder.sql("shop.db", "ALTER TABLE elsewhere RENAME TO product");
    json(&folder, &["resume", "Items"]);
    for (rule, _) in conditions {
        wait(rule, || told(&hook, rule) == ["firing", "cleared"]);
    }
    assert_eq!(folder.sql("shop.db", "SELECT quantity FROM product WHERE sku = 'A-1'").trim(), "77");
    process.kill();
}

#[test]
fn drift_that_a_compare_found_is_told_until_a_compare_finds_none() {
    let folder = synced_pair();
    let (address, hook) = webhook();
    with_settings(&folder, &rules(&[("drift", "drift = 1")], &address));
    let process = Process::start(&folder, &["run"]);
    refuse(&folder);
    wait("the row is held", || json(&folder, &["status"])["maps"][0]["held"] == 1);
    assert_eq!(folder.dwmap(&["verify"]).exit, Some(4));
    wait("it is told", || states(&hook) == ["firing"]);
    mend(&folder);
    wait("the row is not held", || json(&folder, &["status"])["maps"][0]["held"] == 0);
    assert_eq!(folder.dwmap(&["verify"]).exit, Some(0));
    wait("its end is told", || states(&hook) == ["firing", "cleared"]);
    process.kill();
}

#[test]
fn more_alerts_than_can_be_under_way_are_all_told() {
    let folder = synced_pair();
    let (address, hook) = webhook();
    let names: Vec<String> = (0..100).map(|it| format!("rule {it}")).collect();
    let conditions: Vec<(&str, &str)> = names.iter().map(|it| (it.as_str(), "errors = 1")).collect();
    with_settings(&folder, &rules(&conditions, &address));
    let process = Process::start(&folder, &["run"]);
    refuse(&folder);
    wait("all are told", || heard(&hook).len() == 100);
    std::thread::sleep(LOOKS);
    assert_eq!(heard(&hook).len(), 100, "each once");
    process.kill();
}

#[test]
fn guards_and_the_settle_time_are_settings_that_count_at_once() {
    let folder = synced_pair();
    let process = Process::start(&folder, &["run"]);
    let text = folder.read("dwmap.toml").replace("[sync]", "[sync]\nguard_changes = { percent = 1, at_least = 1, at_most = 2 }");
    folder.write("dwmap.toml", &text);
    wait("the settings are read again", || folder.read("log").contains("settings were read again"));
    folder.sql("erp.db", "UPDATE item SET stock = stock + 1");
    wait("the map is blocked", || json(&folder, &["status"])["maps"][0]["state"] == "blocked");
    folder
        .write("dwmap.toml", &text.replace("guard_changes = { percent = 1, at_least = 1, at_most = 2 }", "settle_ms = 3600000"));
    let count = || folder.read("log").matches("settings were read again").count();
    wait("the settings are read again", || count() == 2);
    json(&folder, &["resume", "Items"]);
    std::thread::sleep(LOOKS);
    assert_eq!(json(&folder, &["queue"])["maps"][0]["queued"], 4, "every change waits for an hour");
    folder
        .write("dwmap.toml", &text.replace("guard_changes = { percent = 1, at_least = 1, at_most = 2 }", "settle_ms = 3600001"));
    wait("a wait without reason is refused", || folder.read("log").contains("`settle_ms` is 3600001"));
    folder.write("dwmap.toml", &text.replace("guard_changes = { percent = 1, at_least = 1, at_most = 2 }", ""));
    wait("the changes arrive", || json(&folder, &["queue"])["maps"][0]["queued"] == 0);
    process.kill();
}
