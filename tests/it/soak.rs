//! The real program for a long time: people work on both databases, some of them on the same row at once, and every so often
//! something goes wrong. In the end both sides agree, nothing is held or queued, and memory has not grown.
//!
//! `DWMAP_SOAK_MINUTES` and `DWMAP_SOAK_RATE` make it long; see `tests/README.md`.

use std::process::Child;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::control::{json, synced_pair, wait};
use super::folder::Folder;

/// Rows that people edit.
const ROWS: u64 = 400;
/// Of a hundred changes, so many are made on both sides at once, to the same field.
const CONFLICTS_PERCENT: u64 = 1;
/// How long a fault lasts.
const FAULT: Duration = Duration::from_secs(2);
/// From this length on the slope of the memory says something: the caches of a new process are full by then.
const SLOPE_FROM: Duration = Duration::from_secs(60 * 60);
/// Kilobytes an hour by which the memory may grow.
const SLOPE_MAX: f64 = 1024.0;
/// Between two looks at the memory.
const SAMPLE_EVERY: Duration = Duration::from_secs(1);

struct Plan {
    length: Duration,
    changes_per_second: f64,
    fault_every: Duration,
}

impl Plan {
    fn from_environment() -> Self {
        let number = |name: &str| std::env::var(name).ok().map(|it| it.parse::<f64>().expect("it is a number"));
        let rate = number("DWMAP_SOAK_RATE").unwrap_or(50.0);
        match number("DWMAP_SOAK_MINUTES") {
            Some(minutes) => Self {
                length: Duration::from_secs_f64(minutes * 60.0),
                changes_per_second: rate,
                fault_every: Duration::from_secs(60),
            },
            None => Self { length: Duration::from_secs(20), changes_per_second: rate, fault_every: Duration::from_secs(6) },
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a soak lasts as long as the clock says")]
fn now() -> Instant {
    Instant::now()
}

/// What happened meanwhile.
#[derive(Debug, Default)]
struct Count {
    changes: u64,
    conflicts: u64,
    faults: u64,
}

struct People {
    erp: Connection,
    shop: Connection,
    random: u64,
}

impl People {
    fn new(folder: &Folder) -> Self {
        let open = |name: &str| {
            let db = Connection::open(folder.path.join(name)).expect("the database is there");
            db.busy_timeout(Duration::from_secs(60)).expect("a connection can wait");
            db
        };
        let rows = format!(
            "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {ROWS})
             INSERT INTO item(number, name, price, stock, status, is_heavy) SELECT 'F-' || i, 'Thing ' || i, '1.00', i, 'Active', 0 FROM n"
        );
        let (erp, shop) = (open("erp.db"), open("shop.db"));
        erp.execute(&rows, []).expect("the table takes rows");
        Self { erp, shop, random: 0x9E37_79B9_7F4A_7C15 }
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 1) % limit
    }

    /// One change, or one on each side. A row that is not on a side yet is not changed there.
    fn change(&mut self, count: &mut Count) {
        let (key, number) = (format!("F-{}", self.below(ROWS)), count.changes);
        let is_name = self.below(2) == 0;
        let (erp, shop) = match is_name {
            true => (
                "UPDATE item SET name = 'erp ' || ?2 WHERE number = ?1",
                "UPDATE product SET title = 'shop ' || ?2 WHERE sku = ?1",
            ),
            false => {
                ("UPDATE item SET stock = ?2 * 2 WHERE number = ?1", "UPDATE product SET quantity = ?2 * 2 + 1 WHERE sku = ?1")
            }
        };
        let is_conflict = self.below(100) < CONFLICTS_PERCENT;
        let is_left = self.below(2) == 0;
        let number = number as i64;
        if is_conflict || is_left {
            count.changes += self.erp.execute(erp, rusqlite::params![key, number]).expect("the row can be written") as u64;
        }
        if is_conflict || !is_left {
            count.changes += self.shop.execute(shop, rusqlite::params![key, number]).expect("the row can be written") as u64;
        }
        count.conflicts += u64::from(is_conflict);
    }
}

/// Something that goes wrong for a while, one after the other; the process is not ended, for its memory is watched.
fn fault(folder: &Folder, process: &Child, nth: u64) {
    match nth % 3 {
        0 | 1 => {
            let path = folder.path.join(["erp.db", "shop.db"][(nth % 3) as usize]);
            std::thread::spawn(move || {
                let db = Connection::open(path).expect("the database is there");
                db.busy_timeout(Duration::from_secs(60)).expect("a connection can wait");
                db.execute_batch("BEGIN IMMEDIATE").expect("the database can be locked");
                std::thread::sleep(FAULT);
                db.execute_batch("ROLLBACK").expect("a lock can be given back");
            });
        }
        _ => {
            let line = format!("kill -STOP {0}; sleep {1}; kill -CONT {0}", process.id(), FAULT.as_secs());
            assert_eq!(folder.shell(&line).exit, Some(0), "our own process can be stopped for a while");
        }
    }
}

/// Kilobytes of memory of the process, where the system tells.
fn memory(process: &Child) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).ok()?;
    let line = status.lines().find_map(|it| it.strip_prefix("VmRSS:"))?;
    line.trim().trim_end_matches("kB").trim().parse().ok()
}

/// Kilobytes an hour, by least squares over the second half: the first one fills caches.
fn slope(samples: &[(f64, f64)]) -> f64 {
    let late = &samples[samples.len() / 2..];
    let count = late.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| late.iter().map(of).sum::<f64>() / count;
    let (at, size) = (mean(|it| it.0), mean(|it| it.1));
    let (over, under) =
        late.iter().fold((0.0, 0.0), |(over, under), it| (over + (it.0 - at) * (it.1 - size), under + (it.0 - at).powi(2)));
    if under == 0.0 { 0.0 } else { over / under * 3600.0 }
}

#[test]
fn both_sides_agree_after_people_and_faults_and_memory_stays() {
    let plan = Plan::from_environment();
    let folder = synced_pair();
    let mut people = People::new(&folder);
    let mut process = folder.start(&["run"]);
    wait("the process is live", || folder.path.join("dwmap-state.db.process").exists() && folder.read("log").contains("live;"));
    let (mut count, mut samples) = (Count::default(), Vec::new());
    let (start, mut made) = (now(), 0u64);
    loop {
        let passed = start.elapsed();
        if passed >= plan.length {
            break;
        }
        while (made as f64) < passed.as_secs_f64() * plan.changes_per_second {
            people.change(&mut count);
            made += 1;
        }
        if passed >= plan.fault_every * u32::try_from(count.faults + 1).expect("a soak ends") {
            fault(&folder, &process, count.faults);
            count.faults += 1;
        }
        if passed >= SAMPLE_EVERY * u32::try_from(samples.len()).expect("a soak ends") {
            samples.push((passed.as_secs_f64(), memory(&process).unwrap_or(0.0)));
        }
        assert!(process.try_wait().expect("it is our child").is_none(), "the process ended: {}", folder.read("log"));
        std::thread::sleep(Duration::from_millis(5));
    }
    wait("what was changed is carried", || {
        let map = &json(&folder, &["status"])["maps"][0];
        (&map["queued"], &map["held"], &map["conflicts"]) == (&0.into(), &0.into(), &0.into())
    });
    let said = folder.dwmap(&["verify", "--format", "json"]);
    let found: serde_json::Value = serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}: {said:?}"));
    let status = json(&folder, &["status"]);
    process.kill().expect("a process can be killed");
    process.wait().expect("a killed process ends");
    let (first, last) = (samples.first().expect("one was taken at once").1, samples.last().expect("one was taken at once").1);
    let slope = slope(&samples);
    println!(
        "soak: {:.0} s, {} changes ({} pairs at once), {} faults; memory {:.1} MB at first, {:.1} MB at last, {:.2} MB/h; {} pairs compared, drift {}; {} displaced values on file",
        plan.length.as_secs_f64(),
        count.changes,
        count.conflicts,
        count.faults,
        first / 1024.0,
        last / 1024.0,
        slope / 1024.0,
        found["maps"][0]["pairs"],
        found["maps"][0]["differing"],
        status["maps"][0]["ledger"],
    );
    assert_eq!(found["maps"][0]["differing"], 0, "{found}");
    assert!(count.changes > 0 && count.faults > 0, "{count:?}");
    let differing = "ATTACH 'shop.db' AS s; SELECT number, name, title, stock, quantity FROM item JOIN s.product ON sku = number
        WHERE trim(name) <> trim(title) OR stock <> quantity";
    assert_eq!(folder.sql("erp.db", differing), "", "the databases themselves agree");
    let missing = "ATTACH 'shop.db' AS s; SELECT count(*) FROM item WHERE number NOT IN (SELECT sku FROM s.product)";
    assert_eq!(folder.sql("erp.db", missing).trim(), "0");
    if plan.length >= SLOPE_FROM {
        assert!(slope < SLOPE_MAX, "the memory grows by {slope:.0} KB an hour");
    }
}

#[test]
fn a_slope_is_told_from_noise() {
    let noisy = |growth: f64| {
        (0..1000).map(|it| (f64::from(it), 5000.0 + growth * f64::from(it) / 3600.0 + f64::from(it % 7))).collect::<Vec<_>>()
    };
    assert!(slope(&noisy(0.0)).abs() < 100.0, "{}", slope(&noisy(0.0)));
    assert!((slope(&noisy(4096.0)) - 4096.0).abs() < 100.0, "{}", slope(&noisy(4096.0)));
}
