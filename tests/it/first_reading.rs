//! The initial sync reads no page twice, and maps that have nothing to do with each other at the same time.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use dwmap::change::{Answer, Class, Failure, Page, RemoteId, Seen, Token, Write};
use dwmap::connect::memory::Memory;
use dwmap::connect::{Capabilities, Connector};
use dwmap::runtime::deployment::{Deployment, Settings};
use dwmap::runtime::world::Scripted;
use dwmap::schema::Shape;
use dwmap::store::Sqlite;
use dwmap::value::{Slot, Value};

use super::folder::Folder;
use super::stage::{fields_of, memory, program};

const ROWS: usize = 95;
const PAGE_ROWS: usize = 10;

const ONE_MAP: &str = r#"
system a profile exact
system b profile exact
entity a.item {
  key number: text<20>
  name: text<50>?
}
entity b.product {
  key sku: text<20>
  title: text<50>?
}
map Items: a.item <-> b.product {
  key number <-> sku
  name <-> title
  on conflict prefer a
  on delete -> delete
  on delete <- delete
}
"#;

/// A second map, of other entities.
const SECOND_MAP: &str = r#"
entity a.unit {
  key code: text<20>
  name: text<50>?
}
entity b.measure {
  key code: text<20>
  title: text<50>?
}
map Units: a.unit <-> b.measure {
  key code <-> code
  name <-> title
  on conflict prefer a
  on delete -> delete
  on delete <- delete
}
"#;

/// A system that counts what is read of it, and refuses after so many pages.
struct Counted {
    inner: Memory,
    pages_left: AtomicUsize,
    /// Entity and position of every page that was read.
    read: Mutex<Vec<(String, Option<String>)>>,
    under_way: Arc<AtomicUsize>,
    most_under_way: Arc<AtomicUsize>,
}

impl Counted {
    fn new(inner: Memory, under_way: &Arc<AtomicUsize>, most: &Arc<AtomicUsize>) -> Self {
        Self {
            inner: inner.with_page_max(PAGE_ROWS),
            pages_left: AtomicUsize::new(usize::MAX),
            read: Mutex::default(),
            under_way: under_way.clone(),
            most_under_way: most.clone(),
        }
    }

    fn read(&self) -> Vec<(String, Option<String>)> {
        self.read.lock().expect("no test panics while it holds this").clone()
    }
}

#[async_trait]
impl Connector for Counted {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn feed(&self, shape: &Shape, after: Option<&Token>) -> Result<Page, Failure> {
        let now = self.under_way.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_under_way.fetch_max(now, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(2)).await;
        self.under_way.fetch_sub(1, Ordering::SeqCst);
        if self.pages_left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |it| it.checked_sub(1)).is_err() {
            return Err(Failure::new(Class::Auth, "nobody may read here now"));
        }
        let page = self.inner.feed(shape, after).await?;
        self.read.lock().expect("no test panics while it holds this").push((shape.entity.clone(), after.map(|it| it.0.clone())));
        Ok(page)
    }

    async fn fetch(&self, shape: &Shape, ids: &[RemoteId]) -> Result<Vec<Option<Seen>>, Failure> {
        self.inner.fetch(shape, ids).await
    }

    async fn find(&self, shape: &Shape, slots: &[Slot], values: &[Value], limit: usize) -> Result<Vec<Seen>, Failure> {
        self.inner.find(shape, slots, values, limit).await
    }

    async fn find_created(&self, shape: &Shape, write: &Write) -> Result<Option<Seen>, Failure> {
        self.inner.find_created(shape, write).await
    }

    async fn write(&self, shape: &Shape, writes: &[Write]) -> Vec<Answer> {
        self.inner.write(shape, writes).await
    }

    async fn scan(&self, shape: &Shape, after: Option<&Token>, limit: usize) -> Result<Page, Failure> {
        self.inner.scan(shape, after, limit).await
    }
}

struct Scene {
    text: String,
    folder: Folder,
    systems: [Arc<Counted>; 2],
    most_under_way: Arc<AtomicUsize>,
}

impl Scene {
    fn new(text: String) -> Self {
        let (under_way, most_under_way) = (Arc::default(), Arc::default());
        let program = program(&text);
        let systems = [0, 1].map(|it| Arc::new(Counted::new(memory(&program, it), &under_way, &most_under_way)));
        Self { text, folder: Folder::new("first-reading"), systems, most_under_way }
    }

    fn fill(&self, system: usize, entity: &str, key: &str, name: &str) {
        for row in 0..ROWS {
            let fields = [(key, Value::text(format!("K-{row:03}"))), (name, Value::text(format!("name {row}")))];
            self.systems[system].inner.insert(entity, fields_of(&fields)).expect("the row is new");
        }
    }

    fn open(&self) -> Deployment {
        let connectors = self.systems.clone().map(|it| -> Arc<dyn Connector> { it });
        let store = Sqlite::open(self.folder.path.join("state.db")).expect("the folder can be written");
        let world = Arc::new(Scripted::default());
        Deployment::open(program(&self.text), &connectors, Box::new(store), world, Settings::default())
            .expect("the state is ours")
    }
}

#[tokio::test]
async fn a_first_reading_that_was_cut_off_reads_no_page_again() {
    let scene = Scene::new(ONE_MAP.to_owned());
    scene.fill(0, "item", "number", "name");
    scene.fill(1, "product", "sku", "title");
    for cut in [3, 2, 4] {
        scene.systems[0].pages_left.store(cut, Ordering::SeqCst);
        let mut deployment = scene.open();
        assert!(deployment.initial(None).await.is_err(), "the system refuses after {cut} pages");
    }
    scene.systems[0].pages_left.store(usize::MAX, Ordering::SeqCst);
    let mut deployment = scene.open();
    deployment.initial(None).await.expect("both systems answer");
    let read = scene.systems[0].read();
    let distinct: BTreeSet<_> = read.iter().collect();
    assert_eq!(distinct.len(), read.len(), "a page was read twice: {read:?}");
    assert_eq!(read.len(), ROWS.div_ceil(PAGE_ROWS));
    assert_eq!(deployment.store.figures("Items").expect("the state can be read").live, ROWS as u64);
}

#[tokio::test]
async fn rows_that_were_dealt_with_before_a_cut_are_not_dealt_with_again() {
    let scene = Scene::new(ONE_MAP.to_owned());
    scene.fill(0, "item", "number", "name");
    let mut deployment = scene.open();
    deployment.initial(None).await.expect("both systems answer");
    drop(deployment);
    let mut again = scene.open();
    again.initial(None).await.expect("both systems answer");
    assert_eq!(again.stats[0].total_writes(), 0);
    assert_eq!(scene.systems[1].inner.rows("product").len(), ROWS);
}

#[tokio::test]
async fn maps_that_do_not_refer_to_each_other_are_read_at_once() {
    let scene = Scene::new(format!("{ONE_MAP}{SECOND_MAP}"));
    scene.fill(0, "item", "number", "name");
    scene.fill(0, "unit", "code", "name");
    let mut deployment = scene.open();
    deployment.initial(None).await.expect("both systems answer");
    assert_eq!(scene.most_under_way.load(Ordering::SeqCst), 4, "two maps with two sides each");
    for plan in ["Items", "Units"] {
        assert_eq!(deployment.store.figures(plan).expect("the state can be read").live, ROWS as u64);
        assert_eq!(deployment.store.standing(plan).expect("the state can be read").phase, dwmap::store::Phase::Running);
    }
}

#[tokio::test]
async fn a_sync_that_goes_on_keeps_its_master() {
    let scene = Scene::new(ONE_MAP.to_owned());
    scene.fill(0, "item", "number", "name");
    let other = [("sku", Value::text("K-001")), ("title", Value::text("the other name"))];
    scene.systems[1].inner.insert("product", fields_of(&other)).expect("the row is new");
    scene.systems[0].pages_left.store(2, Ordering::SeqCst);
    assert!(scene.open().initial(Some(dwmap::change::Side::Right)).await.is_err(), "the system refuses after 2 pages");
    scene.systems[0].pages_left.store(usize::MAX, Ordering::SeqCst);
    let mut deployment = scene.open();
    deployment.initial(None).await.expect("both systems answer");
    let rows = scene.systems[0].inner.rows("item");
    let name = rows.iter().find(|(_, row)| row["number"] == Value::text("K-001")).map(|(_, row)| row["name"].clone());
    assert_eq!(name, Some(Value::text("the other name")));
}
