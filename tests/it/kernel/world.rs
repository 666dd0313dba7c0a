//! Two systems of record with a version per row, a change feed and correlated creates; the right one keeps less than it is given.
//!
//! At every tick users may write, a request of a dead worker may land, and the worker may crash. The world remembers
//! which value was written over which, so that the checks can tell a loss from an edit.

use std::collections::{BTreeMap, HashMap, HashSet};

use dwmap::change::{Answer, Change, LinkId, RemoteId, Seen, Side, Sides, Version, Write};
use dwmap::value::{Decimal, Record, Rounding, Slot, Value};

use super::mutants::Mutant;
use super::plans::Field;

/// Xorshift: small, fast, and the same everywhere.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 >> 1
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// True once in so many times.
    pub fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }
}

/// Why the worker stopped.
#[derive(Debug, PartialEq, Eq)]
pub enum Halt {
    Crash,
    /// It stands still, and another takes over. It does not know, and goes on some day.
    Stall,
    /// The engine broke a promise while it ran.
    Broken(String),
}

/// The places at which a script lets the worker crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    Take,
    Observed,
    BeforeCommit,
    Committed,
    BeforeSend,
    Applied,
    BeforeRelease,
}

pub struct System {
    pub rows: BTreeMap<RemoteId, Seen>,
    pub log: Vec<Change>,
    pub fields: Vec<Field>,
    /// Requests of the engine that changed something.
    pub engine_writes: u64,
    is_lossy: bool,
    rows_made: u64,
    versions: u64,
    /// Links whose row was made here and is gone.
    gone: HashSet<LinkId>,
    /// Rows that a request made, not a person.
    pub made: HashSet<RemoteId>,
    /// What every row showed in every version.
    history: HashMap<Version, Record>,
}

/// A value that the engine wrote over.
pub struct Overwrite {
    /// The request, by its number on its side.
    pub write: (Side, u64),
    pub slot: Slot,
    pub old: u64,
    pub new: u64,
    /// The row had moved since the engine looked, and the system did not mind.
    pub is_unseen: bool,
}

/// A request of a dead worker that may still land.
pub struct Late {
    pub side: Side,
    pub write: Write,
    /// What the map left alone when the request was decided.
    pub unmapped: Option<Slot>,
}

/// Which write made which value.
#[derive(Default)]
pub struct Lineage {
    /// By number: the value that the writer saw, or 0.
    pub parents: Vec<u64>,
    /// By number: who wrote it, and exactly what.
    pub origins: Vec<(Side, Value)>,
    /// In the order in which it happened.
    pub overwritten: Vec<Overwrite>,
    /// What the engine deleted.
    pub removed: Vec<u64>,
    /// The same, where the value came after the engine had looked, and the system did not mind.
    pub removed_unseen: HashSet<u64>,
    /// What users deleted.
    pub abandoned: HashSet<u64>,
}

pub struct World {
    pub systems: Sides<System>,
    pub lineage: Lineage,
    pub random: Random,
    pub late: Vec<Late>,
    /// Edits that users may still make.
    pub budget: u64,
    pub has_users: bool,
    /// The state was an older copy once: of what came after it, nobody knows any more which value was made from which.
    pub was_restored: bool,
    /// A crash once in so many ticks; 0: never.
    pub crash_one_in: u64,
    /// A failed call once in so many; 0: never.
    pub fail_one_in: u64,
    /// A script's crash: at the n-th passing of this point.
    pub crash_at: Option<(Point, u32)>,
    /// The script's worker stands still there instead.
    pub is_stall: bool,
    pub has_correlation: bool,
    /// Other workers may take over from one that stands still.
    pub has_rivals: bool,
    /// The system compares the version of a row when it writes. One that does not is asked for the row just before.
    pub is_guarded: Sides<bool>,
    /// A field that the version of the map that is in force leaves alone: what becomes of it is none of the map's business.
    pub unmapped: Option<Slot>,
    /// The field stays in the map's shape meanwhile, as other rules may read it; else the state forgets what stood there.
    pub keeps_unmapped: bool,
    /// Name and code of every row as a person left it.
    pub pairs: HashSet<(Value, Value)>,
    /// A create is not told that its row was made before and deleted since.
    pub forgets_deleted: bool,
    /// A request under way when the worker dies will land; else only sometimes.
    pub is_always_late: bool,
    pub mutant: Option<Mutant>,
    pub is_traced: bool,
    pub crashes: u64,
}

/// The number of the write that made this value.
pub fn number(value: &Value) -> Option<u64> {
    match value {
        Value::Decimal(it) => it.round(0, Rounding::Truncate).to_int().map(|it| it as u64),
        Value::Int(it) => Some(*it as u64),
        Value::Text(it) => it.trim_end_matches(|it: char| !it.is_ascii_digit()).parse().ok(),
        _ => None,
    }
}

impl Lineage {
    fn next(&mut self, side: Side, parent: u64, make: impl FnOnce(u64) -> Value) -> Value {
        if self.parents.is_empty() {
            self.parents.push(0);
            self.origins.push((Side::Left, Value::Absent));
        }
        let value = make(self.parents.len() as u64);
        self.parents.push(parent);
        self.origins.push((side, value.clone()));
        value
    }

    /// `old` is `new`, or was seen by the writer of `new` or of one before it.
    pub fn descends(&self, new: u64, old: u64) -> bool {
        std::iter::successors(Some(new), |it| Some(self.parents[*it as usize]).filter(|it| *it != 0)).any(|it| it == old)
    }
}

impl System {
    pub fn new(side: Side, fields: Vec<Field>) -> Self {
        Self {
            rows: BTreeMap::new(),
            log: Vec::new(),
            fields,
            engine_writes: 0,
            is_lossy: side == Side::Right,
            rows_made: 0,
            versions: 0,
            gone: HashSet::new(),
            made: HashSet::new(),
            history: HashMap::new(),
        }
    }

    /// What this store keeps of a value. Written apart from the product's own idea of it.
    pub fn keep(&self, value: &Value) -> Value {
        match value {
            Value::Text(it) if self.is_lossy => Value::text(it.trim_end_matches(' ').to_uppercase()),
            Value::Decimal(it) if self.is_lossy => Value::Decimal(it.round(0, Rounding::HalfUp)),
            other => other.clone(),
        }
    }

    fn put(&mut self, id: RemoteId, record: &Record, correlation: Option<LinkId>) -> Seen {
        self.versions += 1;
        let record = Record::from_values(record.values().iter().map(|it| self.keep(it)).collect());
        let version = Version(self.versions.to_string());
        let seen = Seen { id: id.clone(), version, record, modified: None, correlation, problem: None };
        self.history.insert(seen.version.clone(), seen.record.clone());
        self.rows.insert(id, seen.clone());
        self.log.push(Change::Upsert(seen.clone()));
        seen
    }

    pub fn insert(&mut self, record: &Record, correlation: Option<LinkId>) -> Seen {
        self.rows_made += 1;
        self.put(RemoteId(format!("{:03}", self.rows_made)), record, correlation)
    }

    pub fn remove(&mut self, id: &RemoteId) -> Option<Seen> {
        let row = self.rows.remove(id)?;
        self.gone.extend(row.correlation);
        self.log.push(Change::Delete { id: id.clone() });
        Some(row)
    }

    pub fn find(&self, slots: &[Slot], values: &[Value]) -> Option<&Seen> {
        let is_match = |row: &&Seen| slots.iter().zip(values).all(|(slot, value)| *row.record.get(*slot) == self.keep(value));
        self.rows.values().find(is_match).filter(|_| !slots.is_empty())
    }

    fn numbers<'a>(&'a self, record: &'a Record) -> impl Iterator<Item = (Slot, u64)> + 'a {
        let has_number = |slot: Slot| matches!(self.fields[slot.0 as usize], Field::Text | Field::Amount);
        record.slots().filter(move |(slot, _)| has_number(*slot)).filter_map(|(slot, value)| Some((slot, number(value)?)))
    }
}

/// Letters only, so that no key looks like a number.
fn key(number: u64) -> Value {
    let letters = number.to_string().bytes().map(|it| char::from(b'A' + (it - b'0'))).collect::<String>();
    Value::text(letters)
}

/// Name and code of a row, without what one side keeps and the other does not.
pub fn pair(row: &Seen) -> (Value, Value) {
    let bare = |slot: u16| number(row.record.get(Slot(slot))).map_or(Value::Null, |it| Value::Int(it as i64));
    (bare(1), bare(3))
}

/// How a row of the right side is referred to: letters, so that nothing takes it for the number of a write.
pub fn address(id: &RemoteId) -> Value {
    let Value::Text(letters) = key(id.0.parse().expect("ids are numbers here")) else { unreachable!("a key is a text") };
    Value::text(format!("@{letters}"))
}

impl World {
    pub fn new(seed: u64, fields: Sides<Vec<Field>>) -> Self {
        let Sides([left, right]) = fields;
        Self {
            systems: Sides::new(System::new(Side::Left, left), System::new(Side::Right, right)),
            lineage: Lineage::default(),
            random: Random::new(seed),
            late: Vec::new(),
            budget: 0,
            has_users: false,
            was_restored: false,
            crash_one_in: 0,
            fail_one_in: 0,
            crash_at: None,
            is_stall: false,
            has_correlation: true,
            has_rivals: false,
            is_guarded: Sides::new(true, true),
            unmapped: None,
            keeps_unmapped: false,
            pairs: HashSet::new(),
            forgets_deleted: false,
            is_always_late: false,
            mutant: None,
            is_traced: false,
            crashes: 0,
        }
    }

    pub fn is(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    pub fn say(&self, text: impl FnOnce() -> String) {
        if self.is_traced {
            println!("{}", text());
        }
    }

    /// Time passes.
    pub fn tick(&mut self, point: Point) -> Result<(), Halt> {
        if let Some((_, count)) = self.crash_at.as_mut().filter(|(at, _)| *at == point) {
            *count -= 1;
            if *count == 0 {
                self.crash_at = None;
                return Err(if self.is_stall { Halt::Stall } else { Halt::Crash });
            }
        }
        if self.has_users && !self.late.is_empty() && self.random.one_in(6) {
            self.land();
        }
        while self.has_users && self.random.one_in(3) {
            self.user();
        }
        if self.crash_one_in > 0 && self.random.one_in(self.crash_one_in) {
            self.crashes += 1;
            if self.has_rivals && self.random.one_in(2) {
                self.say(|| format!("STALL at {point:?}"));
                return Err(Halt::Stall);
            }
            self.say(|| format!("CRASH at {point:?}"));
            return Err(Halt::Crash);
        }
        Ok(())
    }

    pub fn fails(&mut self) -> bool {
        self.fail_one_in > 0 && self.random.one_in(self.fail_one_in)
    }

    /// A late request reaches its system.
    pub fn land(&mut self) {
        let index = self.random.below(self.late.len() as u64) as usize;
        let Late { side, write, unmapped } = self.late.swap_remove(index);
        let answer = self.apply_as(side, &write, unmapped);
        self.say(|| format!("  LATE {side:?} {write:?} -> {answer:?}"));
    }

    /// Some user's edit, somewhere.
    pub fn user(&mut self) {
        if self.budget == 0 {
            return;
        }
        self.budget -= 1;
        let side = Side::BOTH[self.random.below(2) as usize];
        let count = self.systems[side].rows.len() as u64;
        let action = self.random.below(10);
        if count == 0 || action == 0 {
            self.user_creates(side);
            return;
        }
        let nth = self.random.below(count) as usize;
        let id = self.systems[side].rows.keys().nth(nth).expect("it is below the count").clone();
        if action == 1 && count > 1 {
            self.user_deletes(side, &id);
        } else {
            let editable: Vec<usize> = (1..self.systems[side].fields.len()).filter(|&it| self.is_editable(side, it)).collect();
            let slot = editable[self.random.below(editable.len() as u64) as usize];
            self.user_edits(side, &id, Slot(slot as u16));
        }
    }

    fn is_editable(&self, side: Side, slot: usize) -> bool {
        !matches!(self.systems[side].fields[slot], Field::Derived | Field::State)
    }

    pub fn user_creates(&mut self, side: Side) -> RemoteId {
        let fields = self.systems[side].fields.clone();
        let name = self.shared_key(side).unwrap_or_else(|| key(self.lineage.parents.len() as u64 + 1));
        let values = fields.iter().map(|&field| if field == Field::Key { name.clone() } else { self.fresh(side, field, 0) });
        let record = Record::from_values(values.collect());
        let seen = self.systems[side].insert(&record, None);
        self.remember_pair(&seen);
        self.say(|| format!("  USER creates {side:?} {seen:?}"));
        seen.id
    }

    /// Where rows are told apart by their key alone, users of both sides sometimes make the same row.
    fn shared_key(&mut self, side: Side) -> Option<Value> {
        if self.has_correlation || !self.random.one_in(3) {
            return None;
        }
        let mut keys = self.systems[side.other()].rows.values().rev().map(|it| it.record.values()[0].clone());
        keys.find(|it| self.systems[side].find(&[Slot(0)], std::slice::from_ref(it)).is_none())
    }

    pub fn user_deletes(&mut self, side: Side, id: &RemoteId) {
        let row = self.systems[side].remove(id).expect("users delete what is there");
        let numbers: Vec<u64> = self.systems[side].numbers(&row.record).map(|(_, it)| it).collect();
        self.lineage.abandoned.extend(numbers);
        self.say(|| format!("  USER deletes {side:?} {row:?}"));
    }

    pub fn user_edits(&mut self, side: Side, id: &RemoteId, slot: Slot) -> Value {
        let row = self.systems[side].rows[id].clone();
        let parent = number(row.record.get(slot)).unwrap_or(0);
        let field = self.systems[side].fields[slot.0 as usize];
        let mut record = row.record;
        record.set(slot, self.fresh(side, field, parent));
        let seen = self.systems[side].put(row.id, &record, row.correlation);
        self.remember_pair(&seen);
        self.say(|| {
            format!("  USER edits {side:?} {} {slot:?} {} -> {} v{}", seen.id.0, parent, seen.record.get(slot), seen.version.0)
        });
        seen.record.get(slot).clone()
    }

    fn remember_pair(&mut self, row: &Seen) {
        self.pairs.insert(pair(row));
    }

    /// A person who looks at both rows gives the right one the left one's value.
    pub fn user_copies(&mut self, left: &RemoteId, right: &RemoteId, slot: Slot) {
        let value = self.systems[Side::Left].rows[left].record.get(slot).clone();
        let row = self.systems[Side::Right].rows[right].clone();
        let mut record = row.record;
        record.set(slot, value);
        self.systems[Side::Right].put(row.id, &record, row.correlation);
    }

    fn fresh(&mut self, side: Side, field: Field, parent: u64) -> Value {
        let dirt = self.random.below(4) as usize;
        match field {
            Field::Text => self.lineage.next(side, parent, |it| Value::text(format!("{it}{}", ["", "a", " ", "a "][dirt]))),
            Field::Amount => {
                let tenths = [0, 1, 2, 4][dirt];
                self.lineage.next(side, parent, |it| {
                    Value::Decimal(Decimal::new(i128::from(it) * 10 + tenths, 1).expect("it has few digits"))
                })
            }
            Field::Parent => self.some_parent(side),
            Field::Toggle => Value::text(if dirt < 2 { "on" } else { "off" }),
            Field::Active => Value::text(if dirt < 3 { "on" } else { "off" }),
            Field::State => Value::text("IN"),
            Field::Key | Field::Derived => Value::Null,
        }
    }

    /// Some row of this side, nobody, or (on the left, where a key can be typed) a row that only the other side has yet.
    fn some_parent(&mut self, side: Side) -> Value {
        let other = side == Side::Left && self.random.one_in(3);
        let rows = &self.systems[if other { Side::Right } else { side }].rows;
        let nth = self.random.below(rows.len() as u64 + 1) as usize;
        match (rows.iter().nth(nth), side) {
            (None, _) => Value::Null,
            (Some((_, row)), Side::Left) => row.record.values()[0].clone(),
            (Some((id, _)), Side::Right) => address(id),
        }
    }

    /// The row of the right side that is referred to by this.
    pub fn row_at(&self, reference: &Value) -> Option<&Seen> {
        self.systems[Side::Right].rows.values().find(|it| address(&it.id) == *reference)
    }

    /// What is told to a request whose row is not as it was looked at, where the system itself does not compare.
    pub fn refuses(&self, side: Side, write: &Write) -> Option<Answer> {
        if self.is_guarded[side] || self.is(Mutant::UncheckedWrites) {
            return None;
        }
        match write {
            Write::Create { .. } => None,
            Write::Update { id, expected, .. } | Write::Delete { id, expected } => match self.systems[side].rows.get(id) {
                None => Some(Answer::Gone),
                Some(row) => (row.version != *expected).then_some(Answer::Moved),
            },
        }
    }

    /// The request will land some day, whatever the worker does.
    pub fn delay(&mut self, side: Side, write: Write) {
        self.late.push(Late { side, write, unmapped: self.unmapped });
    }

    /// A request reaches its system.
    pub fn apply(&mut self, side: Side, write: &Write) -> Answer {
        self.apply_as(side, write, self.unmapped)
    }

    /// The same for a request that was decided when the map left this field alone.
    pub fn apply_as(&mut self, side: Side, write: &Write, unmapped: Option<Slot>) -> Answer {
        match write {
            Write::Create { link, record } => self.create(side, *link, record),
            Write::Update { id, expected, record } => self.update(side, id, expected, record),
            Write::Delete { id, expected } => self.delete(side, id, expected, unmapped),
        }
    }

    fn create(&mut self, side: Side, link: LinkId, record: &Record) -> Answer {
        let correlates = self.has_correlation && !self.is(Mutant::NoCorrelation);
        let system = &mut self.systems[side];
        if correlates && system.rows.values().any(|it| it.correlation == Some(link)) {
            return Answer::Exists;
        }
        if correlates && system.gone.contains(&link) && !self.forgets_deleted {
            return Answer::Gone;
        }
        if !self.has_correlation && system.find(&[Slot(0)], &record.values()[..1]).is_some() {
            return Answer::Exists;
        }
        system.engine_writes += 1;
        let filled = record.values().iter().zip(&system.fields).map(|(value, field)| match (value, field) {
            (Value::Absent, Field::Active) => Value::text("on"),
            (Value::Absent, Field::State) => Value::text("IN"),
            (Value::Absent, _) => Value::Null,
            (value, _) => value.clone(),
        });
        let filled = Record::from_values(filled.collect());
        let seen = system.insert(&filled, correlates.then_some(link));
        system.made.insert(seen.id.clone());
        Answer::Written(seen)
    }

    fn update(&mut self, side: Side, id: &RemoteId, expected: &Version, change: &Record) -> Answer {
        let Some(row) = self.systems[side].rows.get(id).cloned() else { return Answer::Gone };
        let has_moved = row.version != *expected;
        if has_moved && self.is_guarded[side] && !self.is(Mutant::NoIfMatch) {
            return Answer::Moved;
        }
        let is_unseen = has_moved && !self.is_guarded[side] && !self.is(Mutant::UncheckedWrites);
        let system = &mut self.systems[side];
        system.engine_writes += 1;
        let write = (side, system.engine_writes);
        for (slot, new) in system.numbers(change) {
            if let Some(old) = number(row.record.get(slot)).filter(|old| *old != new) {
                self.lineage.overwritten.push(Overwrite { write, slot, old, new, is_unseen });
            }
        }
        let mut record = row.record;
        record.overlay(change);
        Answer::Written(system.put(row.id, &record, row.correlation))
    }

    fn delete(&mut self, side: Side, id: &RemoteId, expected: &Version, unmapped: Option<Slot>) -> Answer {
        let is_checked = self.is_guarded[side] && !self.is(Mutant::NoIfMatch);
        let is_unseen = !self.is_guarded[side] && !self.is(Mutant::UncheckedWrites);
        let system = &mut self.systems[side];
        let Some(row) = system.rows.get(id) else { return Answer::Gone };
        let has_moved = row.version != *expected;
        if has_moved && is_checked {
            return Answer::Moved;
        }
        let row = system.remove(id).expect("it was there");
        system.engine_writes += 1;
        let mapped = system.numbers(&row.record).filter(|(slot, _)| Some(*slot) != unmapped);
        let then = system.history.get(expected);
        for (slot, value) in mapped {
            let was_there = then.is_some_and(|it| number(it.get(slot)) == Some(value));
            if has_moved && is_unseen && !was_there {
                self.lineage.removed_unseen.insert(value);
            }
            self.lineage.removed.push(value);
        }
        Answer::Deleted
    }
}
