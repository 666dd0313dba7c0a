//! Two SQLite databases under `dwmap run`, edited by the `sqlite3` program, while the process is killed again and again.
//!
//! What must come out is worked out here, from the edits alone, and the rows are read by the `sqlite3` program.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::folder::Folder;

/// Kills of one scenario, from the initial sync on.
const KILLS_EARLY: u64 = 8;
/// Kills after the initial sync.
const KILLS: u64 = 24;
/// Longest life of one process.
const LIFE_MS_MAX: u64 = 500;

/// The same row, read from each side in the words of the ERP. What the shop cannot hold is cut by SQL's own means.
const ITEMS: &str = "SELECT number, trim(name), coalesce(ean, '-'), printf('%.2f', price), stock, status, is_heavy, coalesce(sold_since, '-'), coalesce(counted, '-'), coalesce(substr(remark, 1, 40), '-') FROM item ORDER BY number";
const PRODUCTS: &str = "SELECT sku, trim(title), coalesce(barcode, '-'), printf('%.2f', price), quantity, CASE state WHEN 'live' THEN 'Active' WHEN 'paused' THEN 'Paused' WHEN 'gone' THEN 'Retired' ELSE '?' END, freight, coalesce(release_date, '-'), coalesce(counted_at, '-'), coalesce(description, '-') FROM product ORDER BY sku";

/// Columns of both questions; the eighth is edited on both sides.
const COLUMNS: usize = 10;
const SHARED: usize = 7;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Screen {
    Erp,
    Shop,
}

/// What a row must show at the end.
struct Expected {
    cells: [String; COLUMNS],
    /// The last value that each screen gave the shared column; either may win.
    shared: BTreeMap<&'static str, String>,
}

struct Scene {
    folder: Folder,
    random: u64,
    count: u64,
    rows: BTreeMap<String, Expected>,
    /// Rows that nobody edits, until somebody deletes them.
    doomed: BTreeSet<String>,
}

impl Screen {
    fn database(self) -> &'static str {
        match self {
            Self::Erp => "erp.db",
            Self::Shop => "shop.db",
        }
    }

    /// Runs a change; false: it found no row.
    fn change(self, folder: &Folder, sql: &str) -> bool {
        folder.sql(self.database(), &format!("{sql}; SELECT changes();")).trim() == "1"
    }
}

impl Scene {
    fn new(name: &str, seed: u64) -> Self {
        let folder = Folder::of_corpus("sqlite-pair");
        folder.sql("erp.db", &folder.read("erp.sql"));
        folder.sql("shop.db", &folder.read("shop.sql"));
        println!("{name}: seed {seed}");
        let mut scene = Self { folder, random: seed | 1, count: 0, rows: BTreeMap::new(), doomed: BTreeSet::new() };
        // The initial rows: the ERP wins where both have the row.
        for line in scene.folder.sql("erp.db", ITEMS).lines().chain(scene.folder.sql("shop.db", PRODUCTS).lines()) {
            let cells: Vec<String> = line.split('|').map(str::to_owned).collect();
            let cells: [String; COLUMNS] = cells.try_into().expect("the question has ten columns");
            scene.rows.entry(cells[0].clone()).or_insert(Expected { cells, shared: BTreeMap::new() });
        }
        scene
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % bound
    }

    /// One edit of one person. Each screen edits its own columns, so that every edit must be there at the end.
    fn edit(&mut self) {
        self.count += 1;
        let screen = if self.below(2) == 0 { Screen::Erp } else { Screen::Shop };
        match self.below(8) {
            0 => self.create(screen),
            1 => self.doom(screen),
            2 => self.delete(screen),
            3 => self.edit_shared(screen),
            _ => self.edit_own(screen),
        }
    }

    fn some_row(&mut self) -> String {
        let at = self.below(self.rows.len() as u64) as usize;
        self.rows.keys().nth(at).expect("it is below the length").clone()
    }

    fn insert(&mut self, screen: Screen, number: &str) {
        let title = format!("Thing {number}");
        let sql = match screen {
            Screen::Erp => format!(
                "INSERT INTO item(number, name, price, stock, status, is_heavy) VALUES ('{number}', '{title}', '1.50', 1, 'Active', 0)"
            ),
            Screen::Shop => format!(
                "INSERT INTO product(sku, title, price, quantity, state, freight) VALUES ('{number}', '{title}', '1.50', 1, 'live', 0)"
            ),
        };
        assert!(screen.change(&self.folder, &sql));
    }

    fn create(&mut self, screen: Screen) {
        let number = format!("N-{}", self.count);
        self.insert(screen, &number);
        let cells = [&number, &format!("Thing {number}"), "-", "1.50", "1", "Active", "0", "-", "-", "-"].map(str::to_owned);
        self.rows.insert(number, Expected { cells, shared: BTreeMap::new() });
    }

    fn doom(&mut self, screen: Screen) {
        let number = format!("D-{}", self.count);
        self.insert(screen, &number);
        self.doomed.insert(number);
    }

    /// Deletes what is there on this screen, maybe before it has reached the other one.
    fn delete(&mut self, screen: Screen) {
        let Some(number) = self.doomed.first().cloned() else { return };
        let sql = match screen {
            Screen::Erp => format!("DELETE FROM item WHERE number = '{number}'"),
            Screen::Shop => format!("DELETE FROM product WHERE sku = '{number}'"),
        };
        if screen.change(&self.folder, &sql) {
            self.doomed.remove(&number);
        }
    }

    fn edit_shared(&mut self, screen: Screen) {
        let number = self.some_row();
        let date = format!("{}-{:02}-{:02}", 2000 + self.count % 1000, 1 + self.below(12), 1 + self.below(28));
        let (name, sql) = match screen {
            Screen::Erp => ("erp", format!("UPDATE item SET sold_since = '{date}' WHERE number = '{number}'")),
            Screen::Shop => ("shop", format!("UPDATE product SET release_date = '{date}' WHERE sku = '{number}'")),
        };
        if screen.change(&self.folder, &sql) {
            self.rows.get_mut(&number).expect("it was chosen from the rows").shared.insert(name, date);
        }
    }

    fn edit_own(&mut self, screen: Screen) {
        let (number, count) = (self.some_row(), self.count);
        let (column, of_item, of_product, cell) = match (screen, self.below(4)) {
            (Screen::Erp, 0) => (1, "name", "", format!("Renamed {count}")),
            (Screen::Erp, 1) => (4, "stock", "", count.to_string()),
            (Screen::Erp, 2) => (5, "status", "", ["Active", "Paused", "Retired"][(count % 3) as usize].to_owned()),
            (Screen::Erp, _) => (9, "remark", "", format!("remark {count} {}", "long ".repeat((count % 12) as usize))),
            (Screen::Shop, 0) => (2, "", "barcode", format!("{count:013}")),
            (Screen::Shop, 1) => (3, "", "price", format!("{count}.{:02}", 1 + count % 99)),
            (Screen::Shop, 2) => (6, "", "freight", (count % 2).to_string()),
            (Screen::Shop, _) => {
                (8, "", "counted_at", format!("2025-10-26T{:02}:{:02}:{:02}Z", count % 24, count / 24 % 60, count / 1440))
            }
        };
        let sql = match screen {
            Screen::Erp => format!("UPDATE item SET {of_item} = '{cell}' WHERE number = '{number}'"),
            Screen::Shop => format!("UPDATE product SET {of_product} = '{cell}' WHERE sku = '{number}'"),
        };
        if screen.change(&self.folder, &sql) {
            let shown: String = cell.chars().take(if column == 9 { 40 } else { 100 }).collect();
            self.rows.get_mut(&number).expect("it was chosen from the rows").cells[column] = shown;
        }
    }

    /// One life of the process: edits before it, edits while it runs, and the end at any moment.
    fn live_and_die(&mut self) {
        for _ in 0..self.below(4) {
            self.edit();
        }
        let mut process = self.folder.start(&["run", "--initial"]);
        let mut life = self.below(LIFE_MS_MAX);
        while life > 20 {
            let rest = self.below(life.min(60));
            std::thread::sleep(Duration::from_millis(rest));
            self.edit();
            life = life.saturating_sub(rest + 10);
        }
        std::thread::sleep(Duration::from_millis(life));
        let ended = process.try_wait().expect("the process can be asked");
        assert!(ended.is_none(), "it ended by itself: {ended:?}\n{}", self.folder.read("log"));
        process.kill().expect("the process can be killed");
        process.wait().expect("a killed process ends");
    }

    fn settle(&self) {
        let done = self.folder.dwmap(&["run", "--initial", "--once"]);
        assert!(done.exit == Some(0), "{done:?}\n{}", self.folder.read("log"));
    }

    /// Both sides show what the edits ask for, and nothing else.
    fn check_rows(&self) {
        let (items, products) = (self.folder.sql("erp.db", ITEMS), self.folder.sql("shop.db", PRODUCTS));
        let only = |from: &str, other: &str| {
            let other: BTreeSet<&str> = other.lines().collect();
            from.lines().filter(|it| !other.contains(it)).collect::<Vec<_>>().join("\n")
        };
        assert!(items == products, "only erp:\n{}\nonly shop:\n{}", only(&items, &products), only(&products, &items));
        let mut left: BTreeSet<&str> =
            self.rows.keys().map(String::as_str).chain(self.doomed.iter().map(String::as_str)).collect();
        for line in items.lines() {
            let cells: Vec<&str> = line.split('|').collect();
            assert!(left.remove(cells[0]), "nobody asked for {line}, or it is there twice");
            if let Some(expected) = self.rows.get(cells[0]) {
                expected.check(&cells);
            }
        }
        assert_eq!(left, BTreeSet::new(), "these rows are lost");
    }

    /// No row was made twice, as the databases themselves saw it.
    fn check_inserts(&self) {
        let twice = "SELECT number, count(*) FROM audit WHERE what = 'insert' GROUP BY number HAVING count(*) > 1";
        assert_eq!(self.folder.sql("shop.db", twice), "");
        assert_eq!(self.folder.sql("erp.db", twice), "");
        let searched = "SELECT sku FROM product WHERE search <> upper(title)";
        assert_eq!(self.folder.sql("shop.db", searched), "", "the derived column follows");
    }

    fn writes(&self) -> [String; 2] {
        ["erp.db", "shop.db"].map(|it| self.folder.sql(it, "SELECT max(seq) FROM audit"))
    }

    /// Every change that ever was is told again; nothing may be written.
    fn check_replay(&self) {
        self.settle();
        let before = self.writes();
        self.settle();
        assert_eq!(self.writes(), before, "a second run had nothing to do");
        self.folder.sql("erp.db", "UPDATE item SET name = name");
        self.folder.sql("shop.db", "UPDATE product SET title = title");
        let touched = self.writes();
        self.settle();
        assert_eq!(self.writes(), touched, "an update that changes nothing is no news");
        std::fs::remove_file(self.folder.path.join("dwmap-state.db")).expect("the state is a file");
        self.settle();
        assert_eq!(self.writes(), touched, "sides that agree are not written by an initial sync");
    }
}

impl Expected {
    fn check(&self, cells: &[&str]) {
        for (column, (expected, cell)) in self.cells.iter().zip(cells).enumerate() {
            let is_right = if column == SHARED && !self.shared.is_empty() {
                self.shared.values().any(|it| it == cell)
            } else {
                expected == cell
            };
            assert!(is_right, "{}: column {column} is {cell}, not {expected} or {:?}", cells[0], self.shared);
        }
    }
}

fn check_scene(name: &str, seed: u64) {
    let mut scene = Scene::new(name, seed);
    // Of a row that both sides brought nobody knows yet what it was; until the initial sync is done, the ERP's is right.
    let both = scene.rows.remove("A-1").expect("the corpus has a row that both sides bring");
    for _ in 0..KILLS_EARLY {
        scene.live_and_die();
    }
    scene.settle();
    scene.rows.insert("A-1".to_owned(), both);
    for _ in 0..KILLS {
        scene.live_and_die();
    }
    scene.settle();
    println!("{name}: {} edits, {} rows", scene.count, scene.rows.len());
    assert!(!scene.folder.read("log").contains("defect"), "{}", scene.folder.read("log"));
    scene.check_rows();
    scene.check_inserts();
    scene.check_replay();
}

#[test]
fn two_databases_stay_in_step_through_kills() {
    check_scene("first", 1);
}

#[test]
fn two_databases_stay_in_step_through_other_kills() {
    check_scene("second", 0x5eed_cafe);
}
