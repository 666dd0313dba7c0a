//! Files as a system: CSV and JSON Lines in a folder, a file for each entity, as people and other programs leave them there.
//!
//! A file knows no versions and no deletes. What was read last is remembered in a folder `.dwmap` beside it, and what differs has changed.
//! So only the state of a row at a look is seen, not what it was between two looks. A file is written as a whole, under another name first,
//! and only while it still is what was read; between that look and the renaming nothing guards it, so writes are not conditional in the
//! sense that the engine relies on, and the grade says so.

mod cells;
mod discover;
mod marks;
mod separated;
mod sheet;
mod write;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use serde_json::Value as Json;

use super::{Capabilities, Connector};
use crate::change::{Answer, Change, Class, Failure, Page, RemoteId, Seen, Token, Write};
use crate::schema::{Schema, Shape};
use crate::value::{Record, Slot, Uuid, Value};

use marks::Marks;
use sheet::{Format, Index, Sheet};

const PAGE_MAX: usize = 500;
const BATCH_MAX: usize = 100;
/// Largest file.
const FILE_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Files up to this size are read at each look, larger ones when their length or the time of their last change is another one.
const READ_ALWAYS_BYTES: u64 = 4 * 1024 * 1024;
/// A file that is being written is left alone until it stays as it is for so long.
const SETTLE: Duration = Duration::from_millis(200);
/// How often a file that does not come to rest is looked at before it is left for later.
const LOOKS_MAX: usize = 5;

/// A folder of files.
#[derive(Clone, Debug)]
pub struct Files {
    folder: PathBuf,
    page_max: usize,
    settle: Duration,
    /// Nothing is left beside the files.
    only_looks: bool,
    tables: Arc<Mutex<HashMap<String, Table>>>,
}

/// A file as it was read last, with what is remembered of it.
#[derive(Clone, Debug)]
struct Table {
    path: PathBuf,
    /// Of the file's bytes.
    digest: Uuid,
    /// Length and time of the last change, where the file's system tells them.
    stat: Option<(u64, SystemTime)>,
    sheet: Sheet,
    index: Index,
    marks: Marks,
}

/// Where a feed stands.
enum Position {
    /// Reading all rows; what changed after `seq` follows.
    Rows {
        seq: u64,
        after: String,
    },
    Log(u64),
}

impl Position {
    fn token(&self, marks: &Marks) -> Token {
        let born = marks.born.simple();
        match self {
            Self::Rows { seq, after } => Token(format!("rows:{born}:{seq}:{after}")),
            Self::Log(seq) => Token(format!("log:{born}:{seq}")),
        }
    }

    /// The position is good while nothing after it can be missing.
    fn parse(token: &Token, marks: &Marks) -> Result<Self, Failure> {
        let expired = || {
            let text =
                "the change token has expired (what was remembered of the file is gone or newer); read the feed from its start";
            Failure::new(Class::Schema, text)
        };
        let born = marks.born.simple().to_string();
        let number =
            |text: &str| text.parse::<u64>().ok().filter(|it| (marks.since..=marks.seq).contains(it)).ok_or_else(expired);
        match token.0.splitn(4, ':').collect::<Vec<_>>().as_slice() {
            ["rows", own, seq, after] if *own == born => Ok(Self::Rows { seq: number(seq)?, after: (*after).to_owned() }),
            ["log", own, seq] if *own == born => Ok(Self::Log(number(seq)?)),
            _ => Err(expired()),
        }
    }
}

impl Files {
    /// The folder must be there.
    pub fn open(folder: impl AsRef<Path>) -> Result<Self, Failure> {
        let folder = folder.as_ref().to_owned();
        if !folder.is_dir() {
            return Err(Failure::new(Class::Auth, format!("{} is no folder; make it, or check its rights", folder.display())));
        }
        Ok(Self { folder, page_max: PAGE_MAX, settle: SETTLE, only_looks: false, tables: Arc::default() })
    }

    /// With pages of at most this many rows.
    pub fn with_page_max(self, page_max: usize) -> Self {
        Self { page_max: page_max.max(1), ..self }
    }

    /// A changed file must stay as it is for so long before it is read.
    pub fn with_settle(self, settle: Duration) -> Self {
        Self { settle, ..self }
    }

    /// To look only: nothing is remembered beside the files.
    pub fn only_looking(self) -> Self {
        Self { only_looks: true, ..self }
    }

    /// Entities by the files of the folder. CSV tells names alone: its fields are texts, and the first column is taken for the key.
    pub fn discover(&self) -> Result<Schema, Failure> {
        discover::discover(&self.folder)
    }

    /// Does work on the table of a shape, where it may block, as the file is now.
    async fn run<T: Send + 'static>(
        &self,
        shape: &Shape,
        work: impl FnOnce(&mut Table, &Shape) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let (own, shape) = (self.clone(), shape.clone());
        let task = tokio::task::spawn_blocking(move || {
            let mut tables = own.tables.lock().unwrap_or_else(PoisonError::into_inner);
            let known = tables.remove(&shape.set);
            let mut table = own.look(&shape, known)?;
            let done = work(&mut table, &shape);
            tables.insert(shape.set.clone(), table);
            done
        });
        task.await.unwrap_or_else(|error| Err(Failure::new(Class::Bug, format!("{}: {error}", self.folder.display()))))
    }

    /// The table as its file is now; changes since the last look get their numbers.
    fn look(&self, shape: &Shape, known: Option<Table>) -> Result<Table, Failure> {
        let (path, format) = file_of(&self.folder, shape)?;
        let key: Vec<String> = shape.key.iter().map(|slot| shape.field(*slot).name.clone()).collect();
        let known = known.filter(|it| it.path == path && it.marks.key == key);
        let stat = stat_of(&path);
        let bytes = match (rested(&path, known.as_ref(), self.settle)?, known) {
            (None, Some(known)) => return Ok(known),
            (Some(bytes), _) => bytes,
            (None, None) => unreachable!("what is not known is read"),
        };
        let digest = marks::digest(&bytes);
        let wrong = |why: String| Failure::new(Class::Schema, format!("{}: {why}", path.display()));
        let text = String::from_utf8(bytes);
        let text = text.map_err(|error| wrong(format!("byte {} is not UTF-8", error.utf8_error().valid_up_to())))?;
        let sheet = Sheet::parse(format, &text).map_err(wrong)?;
        let beside = marks::path(&path);
        let remembered = marks::load(&beside, digest).map_err(|error| io(&beside, &error))?.filter(|it| it.key == key);
        if stat.is_none() && remembered.as_ref().is_some_and(|it| !it.rows.is_empty()) {
            let text = format!("{} is gone; put it back, or leave an empty file", path.display());
            return Err(Failure::new(Class::Transient, text));
        }
        let marks = remembered.clone().unwrap_or_else(|| Marks::new(digest, key));
        let mut table = Table { path, digest, stat, sheet, index: Index::default(), marks };
        table.compare(shape)?;
        if !self.only_looks && remembered.as_ref() != Some(&table.marks) {
            marks::save(&beside, &table.marks, None).map_err(|error| io(&beside, &error))?;
        }
        Ok(table)
    }
}

/// The file of an entity: `NAME.csv` or `NAME.jsonl`. A new one is CSV.
fn file_of(folder: &Path, shape: &Shape) -> Result<(PathBuf, Format), Failure> {
    let name = &shape.set;
    if name.is_empty() || name.starts_with('.') || name.contains(['/', '\\', ':', '\0']) {
        return Err(Failure::new(Class::Schema, format!("`{name}` is no name of a file; give the entity another set")));
    }
    let of = |ending: &str| folder.join(format!("{name}.{ending}"));
    let (csv, lines) = (of("csv"), of("jsonl"));
    match (csv.exists(), lines.exists()) {
        (true, true) => {
            let text = format!("{} and {} stand for one entity; remove one of them", csv.display(), lines.display());
            Err(Failure::new(Class::Schema, text))
        }
        (false, true) => Ok((lines, Format::Lines)),
        (_, false) => Ok((csv, Format::Csv)),
    }
}

fn io(path: &Path, error: &std::io::Error) -> Failure {
    let class = match error.kind() {
        std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => Class::Auth,
        _ => Class::Transient,
    };
    Failure::new(class, format!("{}: {error}", path.display()))
}

fn stat_of(path: &Path) -> Option<(u64, SystemTime)> {
    let it = std::fs::metadata(path).ok()?;
    Some((it.len(), it.modified().ok()?))
}

/// The bytes of a file, none where there is no file.
fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    match std::fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Ok(it) if it.len() > FILE_BYTES_MAX => {
            let text = format!("{} is larger than {FILE_BYTES_MAX} bytes; split it", path.display());
            return Err(Failure::new(Class::TooLarge, text));
        }
        Ok(_) | Err(_) => {}
    }
    std::fs::read(path).map_err(|error| io(path, &error))
}

/// The bytes of a file that has come to rest; `None`: they are those that are known.
fn rested(path: &Path, known: Option<&Table>, settle: Duration) -> Result<Option<Vec<u8>>, Failure> {
    let known = known.filter(|it| it.path == path);
    // Two edits within one tick of the file's clock show in the bytes alone, so small files are always read.
    let is_same = |it: &Table| it.stat.is_some_and(|(length, _)| length > READ_ALWAYS_BYTES) && it.stat == stat_of(path);
    if known.is_some_and(is_same) {
        return Ok(None);
    }
    let mut bytes = read(path)?;
    if known.is_some_and(|it| it.digest == marks::digest(&bytes)) {
        return Ok(None);
    }
    if settle.is_zero() {
        return Ok(Some(bytes));
    }
    for _ in 0..LOOKS_MAX {
        std::thread::sleep(settle);
        let again = read(path)?;
        if again == bytes {
            return Ok(Some(bytes));
        }
        bytes = again;
    }
    Err(Failure::new(Class::Transient, format!("{} is being written", path.display())))
}

/// The content of a row, whatever columns a map uses.
fn digest_of(columns: &[String], row: &[Option<Json>]) -> Uuid {
    let named: BTreeMap<&String, &Json> = columns.iter().zip(row).filter_map(|(name, it)| Some((name, it.as_ref()?))).collect();
    let text = named.iter().map(|(name, it)| format!("{}:{it}\n", Json::from(name.as_str()))).collect::<String>();
    marks::digest(text.as_bytes())
}

impl Table {
    fn wrong(&self, why: &str) -> Failure {
        Failure::new(Class::Schema, format!("{}: {why}", self.path.display()))
    }

    fn places(&mut self, shape: &Shape) -> Result<Vec<usize>, Failure> {
        if self.sheet.columns.is_empty() {
            self.sheet.begin(shape);
        }
        let places = self.sheet.places(shape);
        places.map_err(|why| self.wrong(&why))
    }

    /// Gives numbers to what differs from what is remembered.
    fn compare(&mut self, shape: &Shape) -> Result<(), Failure> {
        let places = self.places(shape)?;
        self.index = Index::of(&self.sheet, shape, &places).map_err(|why| self.wrong(&why))?;
        let gone: Vec<String> = self.marks.rows.keys().filter(|it| !self.index.rows.contains_key(*it)).cloned().collect();
        let mut in_order: Vec<(&usize, &String)> = self.index.rows.iter().map(|(address, row)| (row, address)).collect();
        in_order.sort_unstable();
        for (row, address) in in_order {
            let digest = digest_of(&self.sheet.columns, &self.sheet.rows[*row]);
            let mark = self.marks.rows.get(address);
            if mark.is_none_or(|it| it.digest != digest) {
                let link = mark.and_then(|it| it.link);
                self.marks.set(address, digest, link);
            }
        }
        gone.iter().for_each(|it| self.marks.remove(it));
        Ok(())
    }

    fn seen(&self, shape: &Shape, places: &[usize], address: &str) -> Option<Seen> {
        let (row, mark) = (&self.sheet.rows[*self.index.rows.get(address)?], self.marks.rows.get(address)?);
        let (mut values, mut problem) = (Vec::with_capacity(places.len()), None);
        for (field, place) in shape.fields.iter().zip(places) {
            let cell = row[*place].as_ref().unwrap_or(&Json::Null);
            values.push(cells::decode(self.sheet.format, &field.kind, cell).unwrap_or_else(|| {
                let shown: String = cell.to_string().chars().take(100).collect();
                problem.get_or_insert(format!(
                    "{}: row {address}, column `{}` holds {shown}, not {}",
                    self.path.display(),
                    field.name,
                    field.kind
                ));
                Value::Absent
            }));
        }
        if let Some(count) = self.index.doubled.get(address) {
            problem = Some(format!(
                "{}: {count} rows have the key {address}; only one of them can be kept in step",
                self.path.display()
            ));
        }
        let record = Record::from_values(values);
        let modified = match shape.modified.map(|slot| record.get(slot)) {
            Some(Value::DateTime(at)) => Some(*at),
            Some(_) | None => None,
        };
        Some(Seen {
            id: RemoteId(address.to_owned()),
            version: mark.version(),
            record,
            modified,
            correlation: mark.link,
            problem,
        })
    }

    /// The rows with these addresses.
    fn rows<'a>(&mut self, shape: &Shape, addresses: impl Iterator<Item = &'a str>) -> Result<Vec<Option<Seen>>, Failure> {
        let places = self.places(shape)?;
        Ok(addresses.map(|it| self.seen(shape, &places, it)).collect())
    }

    /// Rows after this address in the order of addresses.
    fn after(&mut self, shape: &Shape, after: &str, limit: usize) -> Result<Vec<Seen>, Failure> {
        use std::ops::Bound::{Excluded, Unbounded};
        let addresses: Vec<String> =
            self.marks.rows.range::<str, _>((Excluded(after), Unbounded)).take(limit).map(|(it, _)| it.clone()).collect();
        Ok(self.rows(shape, addresses.iter().map(String::as_str))?.into_iter().flatten().collect())
    }

    fn feed(&mut self, shape: &Shape, after: Option<&Token>, page_max: usize) -> Result<Page, Failure> {
        match after.map(|it| Position::parse(it, &self.marks)).transpose()? {
            None => self.first_reading(shape, self.marks.seq, "", page_max),
            Some(Position::Rows { seq, after }) => self.first_reading(shape, seq, &after, page_max),
            Some(Position::Log(seq)) => self.changes(shape, seq, page_max),
        }
    }

    fn first_reading(&mut self, shape: &Shape, seq: u64, after: &str, page_max: usize) -> Result<Page, Failure> {
        let rows = self.after(shape, after, page_max)?;
        let last = rows.last().filter(|_| rows.len() == page_max).map(|it| it.id.0.clone());
        let is_last = last.is_none() && seq == self.marks.seq;
        let next = last.map_or(Position::Log(seq), |after| Position::Rows { seq, after });
        Ok(Page { changes: rows.into_iter().map(Change::Upsert).collect(), next: next.token(&self.marks), is_last })
    }

    fn changes(&mut self, shape: &Shape, seq: u64, page_max: usize) -> Result<Page, Failure> {
        let found: Vec<(u64, String)> =
            self.marks.after(seq, page_max).into_iter().map(|(seq, address)| (seq, address.to_owned())).collect();
        let is_last = found.len() < page_max;
        let seq = found.last().filter(|_| !is_last).map_or(self.marks.seq, |(seq, _)| *seq);
        let rows = self.rows(shape, found.iter().map(|(_, it)| it.as_str()))?;
        let change = |((_, address), seen): ((u64, String), Option<Seen>)| {
            seen.map_or(Change::Delete { id: RemoteId(address) }, Change::Upsert)
        };
        let changes = found.into_iter().zip(rows).map(change).collect();
        Ok(Page { changes, next: Position::Log(seq).token(&self.marks), is_last })
    }

    fn find(&mut self, shape: &Shape, slots: &[Slot], values: &[Value], limit: usize) -> Result<Vec<Seen>, Failure> {
        let places = self.places(shape)?;
        let fits = |it: &Seen| slots.iter().zip(values).all(|(slot, value)| it.record.get(*slot) == value);
        let all = self.index.rows.keys().filter_map(|it| self.seen(shape, &places, it));
        Ok(all.filter(fits).take(limit).collect())
    }

    fn created(&mut self, shape: &Shape, write: &Write) -> Result<Option<Seen>, Failure> {
        let address = match write {
            Write::Create { link, record } => match self.marks.by_link(*link) {
                Some(address) => Some(address.to_owned()),
                None if self.marks.is_gone(*link) => None,
                None => write::address_of(shape, record).ok(),
            },
            Write::Update { id, .. } | Write::Delete { id, .. } => Some(id.0.clone()),
        };
        Ok(self.rows(shape, address.iter().map(String::as_str))?.into_iter().flatten().next())
    }
}

#[async_trait]
impl Connector for Files {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            conditional_write: false,
            correlated_create: true,
            remembers_deletes: true,
            ordered_feed: true,
            read_back: true,
            batch_max: BATCH_MAX,
        }
    }

    async fn feed(&self, shape: &Shape, after: Option<&Token>) -> Result<Page, Failure> {
        let (after, page_max) = (after.cloned(), self.page_max);
        self.run(shape, move |table, shape| table.feed(shape, after.as_ref(), page_max)).await
    }

    async fn fetch(&self, shape: &Shape, ids: &[RemoteId]) -> Result<Vec<Option<Seen>>, Failure> {
        let ids = ids.to_vec();
        self.run(shape, move |table, shape| table.rows(shape, ids.iter().map(|it| it.0.as_str()))).await
    }

    async fn find(&self, shape: &Shape, slots: &[Slot], values: &[Value], limit: usize) -> Result<Vec<Seen>, Failure> {
        let (slots, values) = (slots.to_vec(), values.to_vec());
        self.run(shape, move |table, shape| table.find(shape, &slots, &values, limit)).await
    }

    async fn find_created(&self, shape: &Shape, write: &Write) -> Result<Option<Seen>, Failure> {
        let write = write.clone();
        self.run(shape, move |table, shape| table.created(shape, &write)).await
    }

    async fn write(&self, shape: &Shape, writes: &[Write]) -> Vec<Answer> {
        let (asked, settle) = (writes.to_vec(), self.settle);
        let answers = self.run(shape, move |table, shape| write::all(table, shape, &asked, settle)).await;
        answers.unwrap_or_else(|failure| writes.iter().map(|_| Answer::Failed(failure.clone())).collect())
    }

    async fn scan(&self, shape: &Shape, after: Option<&Token>, limit: usize) -> Result<Page, Failure> {
        let after = after.map(|it| it.0.clone()).unwrap_or_default();
        self.run(shape, move |table, shape| {
            let limit = limit.max(1);
            let mut rows = table.after(shape, &after, limit + 1)?;
            let is_last = rows.len() <= limit;
            rows.truncate(limit);
            let next = rows.last().map_or(after, |it| it.id.0.clone());
            Ok(Page { changes: rows.into_iter().map(Change::Upsert).collect(), next: Token(next), is_last })
        })
        .await
    }
}
