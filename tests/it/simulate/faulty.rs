//! A system that is slow, refuses, forgets to answer, answers late, reads from a copy that lags behind, and tells its feed
//! twice and out of order.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use dwmap::change::{Answer, Change, Class, Failure, Page, RemoteId, Seen, Token, Version, Write};
use dwmap::connect::memory::{Fields, Memory};
use dwmap::connect::{Capabilities, Connector};
use dwmap::runtime::world::{Scripted, World};
use dwmap::schema::Shape;
use dwmap::value::{Slot, Timestamp, Value};
use jiff::SignedDuration;

use super::history::History;

/// A small generator of its own, so that a seed means the same for ever.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 1) % limit
    }

    /// True once in so many times.
    pub fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }
}

/// What both systems share: chance, what is still on its way, and what was seen.
pub struct Turmoil {
    pub random: Random,
    pub has_faults: bool,
    pub history: History,
    /// Every call and its answer, in order.
    pub trace: Vec<String>,
    pub is_printed: bool,
    late: Vec<(Arc<Memory>, Shape, Write)>,
    world: Arc<Scripted>,
}

/// Oldest state that a read may show. The runtime allows for more.
const LAG_MAX: Duration = Duration::from_secs(20);

pub type Shared = Arc<Mutex<Turmoil>>;

pub fn lock(shared: &Shared) -> MutexGuard<'_, Turmoil> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Turmoil {
    pub fn new(seed: u64, is_printed: bool, world: Arc<Scripted>) -> Self {
        Self {
            world,
            random: Random::new(seed),
            has_faults: true,
            history: History::default(),
            trace: Vec::new(),
            is_printed,
            late: Vec::new(),
        }
    }

    pub fn say(&mut self, text: String) {
        if self.is_printed {
            println!("{text}");
        }
        self.trace.push(text);
    }

    fn fault(&mut self, one_in: u64) -> bool {
        self.has_faults && self.random.one_in(one_in)
    }
}

/// One system behind a bad line.
pub struct Faulty {
    inner: Arc<Memory>,
    name: &'static str,
    shared: Shared,
    /// The caller can tell an old version from a new one, so that a read may show any state; else never an older one than
    /// an earlier read.
    is_ordered: bool,
    told: Mutex<Told>,
}

/// What was told of each table, and what it was like a while ago.
#[derive(Default)]
struct Told {
    /// The newest version that a read or a write has shown of a row; `None`: that it is gone.
    floors: HashMap<(String, RemoteId), Option<u64>>,
    page: Vec<(String, Vec<Change>)>,
    states: Vec<(Timestamp, String, HashMap<RemoteId, Seen>)>,
}

fn version(seen: &Seen) -> u64 {
    seen.version.0.parse().expect("versions are numbers here")
}

fn row(memory: &Memory, shape: &Shape, id: &RemoteId) -> Option<Fields> {
    memory.rows(&shape.entity).into_iter().find(|(it, _)| it == id).map(|(_, row)| row)
}

/// Carries out one write and notes what it displaced.
async fn apply(shared: &Shared, memory: &Memory, shape: &Shape, write: &Write) -> Answer {
    let id = match write {
        Write::Create { .. } => None,
        Write::Update { id, .. } | Write::Delete { id, .. } => Some(id),
    };
    let before = id.and_then(|it| row(memory, shape, it));
    let answer = memory.write(shape, std::slice::from_ref(write)).await.remove(0);
    let history = &mut lock(shared).history;
    match (&before, &answer) {
        (Some(before), Answer::Written(seen)) => {
            history.changed(before, &row(memory, shape, &seen.id).expect("it was just written"));
        }
        (Some(before), Answer::Deleted) => history.removed_by_the_engine(before),
        _ => {}
    }
    answer
}

/// A request that was given up reaches its system.
async fn land(shared: &Shared) -> bool {
    let (memory, shape, write) = {
        let mut turmoil = lock(shared);
        let count = turmoil.late.len() as u64;
        if count == 0 {
            return false;
        }
        let nth = turmoil.random.below(count) as usize;
        turmoil.late.swap_remove(nth)
    };
    let answer = apply(shared, &memory, &shape, &write).await;
    lock(shared).say(format!("late {} {write:?} -> {answer:?}", shape.entity));
    true
}

pub async fn land_all(shared: &Shared) {
    while land(shared).await {}
}

impl Faulty {
    pub fn new(inner: Arc<Memory>, name: &'static str, shared: Shared) -> Self {
        let is_ordered = lock(&shared).random.one_in(2);
        Self { inner, name, shared, is_ordered, told: Mutex::default() }
    }

    /// Keeps the table's state for later stale reads.
    async fn keep_state(&self, shape: &Shape) {
        let page = self.inner.scan(shape, None, usize::MAX).await.expect("the table is there");
        let rows = page.into_rows().into_iter().map(|it| (it.id.clone(), it)).collect();
        let now = lock(&self.shared).world.now();
        let mut told = self.told();
        let is_young = |at: Timestamp| now.duration_since(at) <= SignedDuration::try_from(LAG_MAX).expect("it is short");
        told.states.retain(|(at, ..)| is_young(*at));
        told.states.push((now, shape.entity.clone(), rows));
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The way there, or back.
    async fn travel(&self) {
        let (time, lands) = {
            let mut turmoil = lock(&self.shared);
            (turmoil.random.below(200), turmoil.fault(5))
        };
        tokio::time::sleep(Duration::from_millis(time)).await;
        if lands {
            land(&self.shared).await;
        }
    }

    fn refusal(&self, one_in: u64) -> Option<Failure> {
        let mut turmoil = lock(&self.shared);
        if !turmoil.fault(one_in) {
            return None;
        }
        Some(match turmoil.random.below(3) {
            0 => Failure {
                retry_after: Some(Duration::from_secs(1 + turmoil.random.below(20))),
                ..Failure::new(Class::Throttled, "429: too many requests")
            },
            1 => Failure::new(Class::Transient, "503: not now"),
            _ => Failure::new(Class::Transient, "no answer"),
        })
    }

    /// Remembers the newest that was shown of each row.
    fn tell(&self, shape: &Shape, rows: &[Seen]) {
        for seen in rows {
            let mut told = self.told();
            let floor = told.floors.entry((shape.entity.clone(), seen.id.clone())).or_insert(Some(0));
            // A row that was not there yet is there now.
            *floor = Some(floor.unwrap_or(0).max(version(seen)));
        }
    }

    /// The row as it was some time ago. That it is there, or is gone, is never taken back once a read has shown it.
    fn as_it_was(&self, shape: &Shape, id: &RemoteId, now: Option<Seen>) -> Option<Seen> {
        let told = self.told();
        let states: Vec<_> = told.states.iter().filter(|(_, entity, _)| *entity == shape.entity).collect();
        let nth = lock(&self.shared).random.below(states.len().max(1) as u64) as usize;
        let Some((_, _, rows)) = states.get(nth) else { return now };
        let then = rows.get(id).cloned();
        let is_possible = match (told.floors.get(&(shape.entity.clone(), id.clone())), &then) {
            (None, _) => true,
            (Some(None), then) => then.is_none(),
            (Some(Some(_)), None) => false,
            (Some(Some(floor)), Some(then)) => self.is_ordered || version(then) >= *floor,
        };
        if is_possible { then } else { now }
    }

    async fn write_one(&self, shape: &Shape, write: &Write) -> Answer {
        let lot = {
            let mut turmoil = lock(&self.shared);
            if turmoil.fault(5) { turmoil.random.below(5) } else { 9 }
        };
        let lost = || Failure { is_ambiguous: true, ..Failure::new(Class::Transient, "time-out") };
        let failure = match lot {
            0 => {
                Failure { retry_after: Some(Duration::from_secs(2)), ..Failure::new(Class::Throttled, "429: too many requests") }
            }
            1 => Failure::new(Class::Transient, "503: not now"),
            2 => lost(),
            3 => {
                lock(&self.shared).late.push((self.inner.clone(), shape.clone(), write.clone()));
                lost()
            }
            4 => {
                apply(&self.shared, &self.inner, shape, write).await;
                lost()
            }
            _ => return apply(&self.shared, &self.inner, shape, write).await,
        };
        Answer::Failed(failure)
    }

    fn say(&self, text: String) {
        lock(&self.shared).say(format!("{} {text}", self.name));
    }

    /// The page, with the one before it once more, and in another order.
    fn disturb(&self, shape: &Shape, page: &mut Page) {
        let mut told = self.told();
        let mut turmoil = lock(&self.shared);
        let own = page.changes.clone();
        let before = told.page.iter().position(|(entity, _)| *entity == shape.entity);
        if let Some(index) = before.filter(|_| turmoil.fault(6)) {
            page.changes.extend(told.page[index].1.iter().cloned());
        }
        if turmoil.fault(6) {
            for at in (1..page.changes.len()).rev() {
                let with = turmoil.random.below(at as u64 + 1) as usize;
                page.changes.swap(at, with);
            }
        }
        match before {
            Some(index) => told.page[index].1 = own,
            None => told.page.push((shape.entity.clone(), own)),
        }
    }
}

#[async_trait]
impl Connector for Faulty {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn order(&self, one: &Version, other: &Version) -> Option<Ordering> {
        if self.is_ordered { self.inner.order(one, other) } else { None }
    }

    async fn feed(&self, shape: &Shape, after: Option<&Token>) -> Result<Page, Failure> {
        self.keep_state(shape).await;
        self.travel().await;
        if let Some(failure) = self.refusal(12) {
            return Err(failure);
        }
        if lock(&self.shared).fault(80) {
            self.say("all tokens expire".to_owned());
            self.inner.expire_tokens();
        }
        let mut page = self.inner.feed(shape, after).await;
        if let Ok(page) = &mut page {
            // The first reading is itself a look at the rows; later pages only say where to look.
            if after.is_none_or(|it| it.0.starts_with("rows")) {
                let shown =
                    page.changes.iter().filter_map(|it| if let Change::Upsert(seen) = it { Some(seen.clone()) } else { None });
                self.tell(shape, &shown.collect::<Vec<_>>());
            }
            self.disturb(shape, page);
        }
        self.say(format!("feed {} {after:?} -> {page:?}", shape.entity));
        self.travel().await;
        page
    }

    async fn fetch(&self, shape: &Shape, ids: &[RemoteId]) -> Result<Vec<Option<Seen>>, Failure> {
        self.keep_state(shape).await;
        self.travel().await;
        if let Some(failure) = self.refusal(12) {
            return Err(failure);
        }
        let mut rows = self.inner.fetch(shape, ids).await?;
        for (row, id) in rows.iter_mut().zip(ids) {
            if lock(&self.shared).fault(8) {
                *row = self.as_it_was(shape, id, row.take());
            }
            if row.is_none() {
                self.told().floors.insert((shape.entity.clone(), id.clone()), None);
            }
        }
        self.tell(shape, &rows.iter().flatten().cloned().collect::<Vec<_>>());
        self.say(format!("fetch {} {ids:?} -> {rows:?}", shape.entity));
        self.travel().await;
        Ok(rows)
    }

    async fn find(&self, shape: &Shape, slots: &[Slot], values: &[Value], limit: usize) -> Result<Vec<Seen>, Failure> {
        self.travel().await;
        if let Some(failure) = self.refusal(12) {
            return Err(failure);
        }
        let mut rows = self.inner.find(shape, slots, values, limit).await?;
        if lock(&self.shared).fault(20) {
            rows.clear();
        }
        self.say(format!("find {} {values:?} -> {rows:?}", shape.entity));
        self.travel().await;
        Ok(rows)
    }

    async fn find_created(&self, shape: &Shape, write: &Write) -> Result<Option<Seen>, Failure> {
        self.travel().await;
        if let Some(failure) = self.refusal(12) {
            return Err(failure);
        }
        let found = self.inner.find_created(shape, write).await?;
        self.tell(shape, found.as_slice());
        self.say(format!("find {} {write:?} -> {found:?}", shape.entity));
        self.travel().await;
        Ok(found)
    }

    async fn write(&self, shape: &Shape, writes: &[Write]) -> Vec<Answer> {
        self.travel().await;
        let mut answers = Vec::new();
        for write in writes {
            let answer = self.write_one(shape, write).await;
            match (&answer, write) {
                (Answer::Written(seen), _) => self.tell(shape, std::slice::from_ref(seen)),
                (Answer::Deleted, Write::Delete { id, .. }) => {
                    self.told().floors.insert((shape.entity.clone(), id.clone()), None);
                }
                _ => {}
            }
            self.say(format!("write {} {write:?} -> {answer:?}", shape.entity));
            answers.push(answer);
        }
        self.travel().await;
        answers
    }

    async fn scan(&self, shape: &Shape, after: Option<&Token>, limit: usize) -> Result<Page, Failure> {
        self.inner.scan(shape, after, limit).await
    }
}
