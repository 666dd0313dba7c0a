//! Any SQLite database as a system.
//!
//! SQLite has no change feed and knows no users. Triggers write down which row was touched, in the transaction that
//! touched it, whatever program that was; the number of the last note is the row's version, so it never repeats. All
//! work runs on a blocking thread.

mod cells;
mod copy;
mod discover;
mod feed;
mod install;
mod rows;
mod write;

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, ffi};

use super::{Capabilities, Connector, order_of_numbers};
use crate::change::{Answer, Class, Failure, Page, RemoteId, Seen, Token, Version, Write};
use crate::schema::Shape;
use crate::value::{Slot, Value};

pub use copy::copy;
pub use discover::discover;
use install::Target;

const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
const STATEMENTS_MAX: usize = 64;
/// Rows or log entries in one page, unless told otherwise.
const PAGE_MAX: usize = 500;
const BATCH_MAX: usize = 100;

/// One database.
#[derive(Clone, Debug)]
pub struct Sqlite {
    path: String,
    page_max: usize,
    open: Arc<Mutex<Open>>,
}

#[derive(Debug)]
struct Open {
    db: Connection,
    /// Tables whose triggers were there at this `schema_version`.
    checked: BTreeMap<String, (i64, Target)>,
    /// For each table, the state of the file in which the feed had nothing after this token.
    quiet: BTreeMap<String, (i64, u64, Token)>,
    /// Our own transactions: `data_version` does not count them.
    own_writes: u64,
    /// Nothing is added to the database.
    only_looks: bool,
}

/// Why something was not done.
#[derive(Debug)]
enum Fault {
    Sql(rusqlite::Error),
    Said(Failure),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

fn expired() -> Failure {
    Failure::new(
        Class::Schema,
        "the change token has expired (log trimmed, triggers removed or a backup put back); read the feed from its start",
    )
}

impl Fault {
    fn schema(message: String) -> Self {
        Self::Said(Failure::new(Class::Schema, message))
    }

    fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Sql(error) => error.sqlite_error_code(),
            Self::Said(_) => None,
        }
    }

    fn extended_code(&self) -> Option<i32> {
        match self {
            Self::Sql(rusqlite::Error::SqliteFailure(error, _)) => Some(error.extended_code),
            Self::Sql(_) | Self::Said(_) => None,
        }
    }

    fn is_constraint(&self) -> bool {
        self.code() == Some(ErrorCode::ConstraintViolation)
    }

    fn is_duplicate(&self) -> bool {
        matches!(
            self.extended_code(),
            Some(ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY | ffi::SQLITE_CONSTRAINT_ROWID)
        )
    }

    /// The whole transaction is lost, not only one write.
    fn ends_transaction(&self) -> bool {
        matches!(
            self.code(),
            Some(
                ErrorCode::DiskFull
                    | ErrorCode::SystemIoFailure
                    | ErrorCode::OutOfMemory
                    | ErrorCode::DatabaseBusy
                    | ErrorCode::DatabaseCorrupt
                    | ErrorCode::ReadOnly
                    | ErrorCode::OperationInterrupted
            )
        )
    }

    fn failure(self) -> Failure {
        let (code, extended) = (self.code(), self.extended_code());
        let error = match self {
            Self::Said(failure) => return failure,
            Self::Sql(error) => error,
        };
        let (class, what) = match code {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => (Class::Transient, "another program is writing"),
            Some(ErrorCode::DiskFull) => (Class::Transient, "the disk is full; make room"),
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::AuthorizationForStatementDenied) => {
                (Class::Auth, "the file cannot be written; check its rights and those of its folder")
            }
            Some(ErrorCode::CannotOpen) => (Class::Auth, "the file cannot be opened; check its path and rights"),
            Some(ErrorCode::SystemIoFailure) => (Class::Transient, "the disk does not answer"),
            Some(ErrorCode::ConstraintViolation) if extended == Some(ffi::SQLITE_CONSTRAINT_FOREIGNKEY) => {
                (Class::Reference, "a referenced row is not there, or this row is still referred to")
            }
            Some(ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch) => (Class::Validation, "the table refuses the row"),
            Some(ErrorCode::TooBig) => (Class::TooLarge, "the row is too large"),
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => (Class::Auth, "the file is damaged or no database"),
            Some(ErrorCode::Unknown | ErrorCode::SchemaChanged) => (Class::Schema, "the database has another shape"),
            _ => (Class::Bug, "a request that SQLite did not understand"),
        };
        Failure::new(class, format!("{what} ({error})"))
    }
}

impl Sqlite {
    /// Opens an existing database. Nothing is changed in it before a map uses a table.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Failure> {
        Self::with(path.as_ref(), OpenFlags::SQLITE_OPEN_READ_WRITE)
    }

    /// Opens an existing database to look only: it is not written to, and its feed is one reading of all rows.
    pub fn open_to_look(path: impl AsRef<Path>) -> Result<Self, Failure> {
        Self::with(path.as_ref(), OpenFlags::SQLITE_OPEN_READ_ONLY)
    }

    fn with(path: &Path, access: OpenFlags) -> Result<Self, Failure> {
        let path = path.display().to_string();
        let connect = || -> Result<Connection, Fault> {
            let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let db = Connection::open_with_flags(&path, flags)?;
            db.busy_timeout(BUSY_TIMEOUT)?;
            db.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
            // A value that is bound must not have its statement compiled anew; with conditions on indexes, it would.
            db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
            db.pragma_update(None, "foreign_keys", true)?;
            Ok(db)
        };
        let db = connect().map_err(|fault| at(&path, fault))?;
        let only_looks = access == OpenFlags::SQLITE_OPEN_READ_ONLY;
        let open = Open { db, checked: BTreeMap::new(), quiet: BTreeMap::new(), own_writes: 0, only_looks };
        Ok(Self { path, page_max: PAGE_MAX, open: Arc::new(Mutex::new(open)) })
    }

    /// With pages of at most this many rows.
    pub fn with_page_max(self, page_max: usize) -> Self {
        Self { page_max: page_max.max(1), ..self }
    }

    /// Runs `work` where it may block, with the table's triggers in place.
    async fn run<T: Send + 'static>(
        &self,
        shape: &Shape,
        work: impl FnOnce(&mut Open, &Target, &Shape) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Failure> {
        let (open, shape) = (self.open.clone(), shape.clone());
        let task = tokio::task::spawn_blocking(move || {
            let mut open = open.lock().unwrap_or_else(PoisonError::into_inner);
            let target = open.target(&shape)?;
            work(&mut open, &target, &shape)
        });
        match task.await {
            Ok(done) => done.map_err(|fault| at(&self.path, fault)),
            Err(error) => Err(Failure::new(Class::Bug, format!("{}: {error}", self.path))),
        }
    }
}

/// The rights on the file do not allow to write to it. Nothing is written to find that out.
fn is_read_only(path: &str) -> bool {
    std::fs::metadata(path).is_ok_and(|it| it.permissions().readonly())
}

fn at(path: &str, fault: Fault) -> Failure {
    let failure = fault.failure();
    Failure { message: format!("{path}: {}", failure.message), ..failure }
}

impl Open {
    /// The table, after a look whether our triggers are still there: an owner who alters a table may have removed them.
    fn target(&mut self, shape: &Shape) -> Result<Target, Fault> {
        let version = self.number("schema_version")?;
        if let Some((checked, target)) = self.checked.get(&shape.set)
            && *checked == version
        {
            return Ok(target.clone());
        }
        let target = Target::of(&self.db, shape)?;
        match (target.is_installed(&self.db)?, self.only_looks) {
            (true, _) => {}
            (false, true) => target.stand_in(&self.db)?,
            (false, false) => {
                target.install(&mut self.db)?;
                self.own_writes += 1;
            }
        }
        let version = self.number("schema_version")?;
        self.checked.insert(shape.set.clone(), (version, target.clone()));
        Ok(target)
    }

    fn number(&self, pragma: &str) -> Result<i64, Fault> {
        Ok(self.db.pragma_query_value(None, pragma, |row| row.get(0))?)
    }

    fn feed(&mut self, target: &Target, shape: &Shape, after: Option<&Token>, page_max: usize) -> Result<Page, Fault> {
        let now = (self.number("data_version")?, self.own_writes);
        if let (Some(token), Some((data, own, quiet))) = (after, self.quiet.get(&target.table))
            && (now, token) == ((*data, *own), quiet)
        {
            return Ok(Page { changes: Vec::new(), next: token.clone(), is_last: true });
        }
        let page = feed::page(&mut self.db, target, shape, after, page_max)?;
        if page.is_last {
            feed::trim(&self.db)?;
            self.quiet.insert(target.table.clone(), (now.0, now.1, page.next.clone()));
        }
        Ok(page)
    }

    fn write(&mut self, target: &Target, shape: &Shape, writes: &[Write]) -> Vec<Answer> {
        self.own_writes += 1;
        write::all(&mut self.db, target, shape, writes)
    }
}

#[async_trait]
impl Connector for Sqlite {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            conditional_write: true,
            correlated_create: true,
            remembers_deletes: true,
            ordered_feed: true,
            read_back: true,
            batch_max: BATCH_MAX,
        }
    }

    async fn addition(&self, shape: &Shape) -> Result<Option<String>, Failure> {
        let (open, path, shape) = (self.open.clone(), self.path.clone(), shape.clone());
        let task = tokio::task::spawn_blocking(move || {
            let open = open.lock().unwrap_or_else(PoisonError::into_inner);
            let addition = Target::of(&open.db, &shape)?.addition(&open.db)?;
            match addition {
                Some(_) if is_read_only(&path) => {
                    let text = "the file may not be written to, and triggers would have to be added; check its rights and those of its folder";
                    Err(Fault::Said(Failure::new(Class::Auth, text)))
                }
                other => Ok(other),
            }
        });
        match task.await {
            Ok(done) => done.map_err(|fault| at(&self.path, fault)),
            Err(error) => Err(Failure::new(Class::Bug, format!("{}: {error}", self.path))),
        }
    }

    async fn feed(&self, shape: &Shape, after: Option<&Token>) -> Result<Page, Failure> {
        let (after, page_max) = (after.cloned(), self.page_max);
        self.run(shape, move |open, target, shape| open.feed(target, shape, after.as_ref(), page_max)).await
    }

    async fn fetch(&self, shape: &Shape, ids: &[RemoteId]) -> Result<Vec<Option<Seen>>, Failure> {
        let ids = ids.to_vec();
        self.run(shape, move |open, target, shape| {
            let tx = open.db.transaction()?;
            ids.iter().map(|id| rows::by_address(&tx, target, shape, &id.0)).collect()
        })
        .await
    }

    async fn find(&self, shape: &Shape, slots: &[Slot], values: &[Value], limit: usize) -> Result<Vec<Seen>, Failure> {
        let (slots, values) = (slots.to_vec(), values.to_vec());
        self.run(shape, move |open, target, shape| rows::by_content(&open.db, target, shape, &slots, &values, limit)).await
    }

    async fn find_created(&self, shape: &Shape, write: &Write) -> Result<Option<Seen>, Failure> {
        let write = write.clone();
        self.run(shape, move |open, target, shape| rows::created(&open.db, target, shape, &write)).await
    }

    async fn write(&self, shape: &Shape, writes: &[Write]) -> Vec<Answer> {
        let asked = writes.to_vec();
        let answers = self.run(shape, move |open, target, shape| Ok(open.write(target, shape, &asked))).await;
        answers.unwrap_or_else(|failure| writes.iter().map(|_| Answer::Failed(failure.clone())).collect())
    }

    fn order(&self, one: &Version, other: &Version) -> Option<Ordering> {
        order_of_numbers(&one.0, &other.0)
    }

    async fn scan(&self, shape: &Shape, after: Option<&Token>, limit: usize) -> Result<Page, Failure> {
        let after = after.cloned();
        self.run(shape, move |open, target, shape| feed::scan(&mut open.db, target, shape, after.as_ref(), limit)).await
    }
}
