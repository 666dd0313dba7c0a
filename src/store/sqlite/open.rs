//! Opening a state file: whose it is, who else holds it, and what to say when it cannot be used.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::{Fault, Sqlite};
use crate::store::{Error, Result};

/// `dwmp`: says in the file's head whose it is.
const APPLICATION_ID: i32 = 0x6477_6d70;
/// The version of the tables. A file of any other is refused.
const VERSION: i32 = 2;
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Prepared statements that are kept; more than there are in this folder.
const STATEMENTS_MAX: usize = 128;
/// Memory for pages, in KiB.
const CACHE_KIB: i32 = 32 * 1024;

/// Bytes of the number in the lock file, with the end of its line.
const MARK_LENGTH: usize = 20;

const TABLES: &str = include_str!("tables.sql");
/// Tables that came later; they are made where they are missing.
const DESK_TABLES: &str = include_str!("desk.sql");
/// Tries to get the lock, and the rest between them: a command that only looks whether somebody holds it holds it for an instant.
const LOCK_TRIES_MAX: u32 = 5;
const LOCK_REST: Duration = Duration::from_millis(40);

/// Lets a statement be compiled once. Where a value is compared and an index has a condition, as those of links have, SQLite would
/// else compile the statement anew each time a value is bound (c3ref/prepare.html, and `exprCompareVariable` in its source).
fn keep_statements(db: &Connection) -> rusqlite::Result<()> {
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(|_| ())
}

impl Sqlite {
    /// Opens the state file, or makes it. The process holds it alone until this is dropped.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let name = path.display().to_string();
        let lock = lock(path, &name)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db = Connection::open_with_flags(path, flags).map_err(|error| Fault::from(error).at(&name))?;
        let mut store = Self { db, path: name, epoch: 0, lock: Some(lock) };
        store.take_over()?;
        Ok(store)
    }

    /// A state that ends with this value; for tests and trial runs.
    pub fn in_memory() -> Result<Self> {
        let name = ":memory:".to_owned();
        let db = Connection::open_in_memory().map_err(|error| Fault::from(error).at(&name))?;
        let mut store = Self { db, path: name, epoch: 0, lock: None };
        store.take_over()?;
        Ok(store)
    }

    /// Opens an existing state file for reading, also while a runtime holds it. Every change is refused.
    pub fn open_read_only(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let name = path.display().to_string();
        if !path.exists() {
            return Err(Error::Failed(format!("there is no state file at {name}; it is made when a map is first started")));
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db = Connection::open_with_flags(path, flags).map_err(|error| Fault::from(error).at(&name))?;
        let store = Self { db, path: name, epoch: 0, lock: None };
        store.settings().map_err(|fault| fault.at(&store.path))?;
        match store.owner().map_err(|fault| fault.at(&store.path))? {
            Owner::Ours if store.has_desk().map_err(|fault| fault.at(&store.path))? => Ok(store),
            Owner::Ours => {
                Err(Error::Foreign(format!("{} was made by an earlier dwmap; `dwmap run` brings it up to date", store.path)))
            }
            Owner::Nobody => Err(Error::Foreign(format!("{} is an empty file, not a dwmap state file", store.path))),
            Owner::Other(what) => Err(store.foreign(&what)),
        }
    }

    /// Another connection to the state file of this process.
    pub(super) fn second_connection(path: &Path) -> Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let open = || -> std::result::Result<Connection, Fault> {
            let db = Connection::open_with_flags(path, flags)?;
            db.busy_timeout(BUSY_TIMEOUT)?;
            db.pragma_update(None, "synchronous", "full")?;
            Ok(db)
        };
        open().map_err(|fault| fault.at(&path.display().to_string()))
    }

    /// Limits the size of the file. A change that would need more fails and changes nothing.
    pub fn set_size_max(&mut self, bytes: u64) -> Result<()> {
        let limit = || -> std::result::Result<(), Fault> {
            let page: i64 = self.db.pragma_query_value(None, "page_size", |row| row.get(0))?;
            let pages = (bytes / page.unsigned_abs().max(1)).max(1);
            self.db.pragma_update_and_check(None, "max_page_count", pages as i64, |row| row.get::<_, i64>(0))?;
            Ok(())
        };
        limit().map_err(|fault| fault.at(&self.path))
    }

    fn take_over(&mut self) -> Result<()> {
        self.settings().map_err(|fault| fault.at(&self.path))?;
        match self.owner().map_err(|fault| fault.at(&self.path))? {
            Owner::Ours => {}
            Owner::Nobody => self.make().map_err(|fault| fault.at(&self.path))?,
            Owner::Other(what) => return Err(self.foreign(&what)),
        }
        self.claim().map_err(|fault| fault.at(&self.path))
    }

    fn settings(&self) -> std::result::Result<(), Fault> {
        self.db.busy_timeout(BUSY_TIMEOUT)?;
        self.db.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
        keep_statements(&self.db)?;
        self.db.pragma_update(None, "cache_size", -CACHE_KIB)?;
        self.db.pragma_update(None, "foreign_keys", true)?;
        Ok(())
    }

    /// Looks only: nothing is written to a file before it is known to be ours.
    fn owner(&self) -> std::result::Result<Owner, Fault> {
        let number = |name: &str| self.db.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
        let tables: i64 = self.db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        let (application, version) = (number("application_id")?, number("user_version")?);
        Ok(match (application, version, tables) {
            (APPLICATION_ID, VERSION, _) => Owner::Ours,
            (APPLICATION_ID, other, _) => Owner::Other(format!(
                "holds a dwmap state of version {other}, this dwmap reads version {VERSION}; use the dwmap that made it"
            )),
            (0, 0, 0) => Owner::Nobody,
            _ => Owner::Other("is a database of another program; name another file for the state".to_owned()),
        })
    }

    fn has_desk(&self) -> std::result::Result<bool, Fault> {
        let sql = "SELECT EXISTS(SELECT 1 FROM sqlite_schema WHERE name = 'behind')";
        Ok(self.db.query_row(sql, [], |row| row.get(0))?)
    }

    fn foreign(&self, what: &str) -> Error {
        Error::Foreign(format!("{} {what}", self.path))
    }

    /// Makes the tables and marks the file as ours in one transaction, so that a crash leaves an empty file.
    fn make(&mut self) -> std::result::Result<(), Fault> {
        let tx = self.db.transaction()?;
        tx.execute_batch(TABLES)?;
        tx.pragma_update(None, "application_id", APPLICATION_ID)?;
        tx.pragma_update(None, "user_version", VERSION)?;
        tx.commit()?;
        Ok(())
    }

    /// Becomes the owner: whoever held the file before cannot change it any more.
    fn claim(&mut self) -> std::result::Result<(), Fault> {
        self.db.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get::<_, String>(0))?;
        self.db.pragma_update(None, "synchronous", "full")?;
        self.db.execute_batch(DESK_TABLES)?;
        self.epoch =
            self.db.query_row("UPDATE shard SET epoch = epoch + 1 WHERE id = 0 RETURNING epoch", [], |row| row.get(0))?;
        self.compare_marks()
    }

    /// Notices that somebody put an older copy of the file in its place: the lock file beside it knows of a later time.
    fn compare_marks(&mut self) -> std::result::Result<(), Fault> {
        let Some(lock) = &self.lock else { return Ok(()) };
        let noted = read_mark(lock);
        let own: i64 = self.db.query_row("SELECT num FROM mark", [], |row| row.get(0))?;
        // A file that was marked, and has no lock file beside it, came from elsewhere.
        if noted.map_or(own > 0, |it| it > own) {
            self.db.execute("INSERT OR IGNORE INTO behind(plan) SELECT num FROM plan", [])?;
            self.db.execute("UPDATE mark SET num = max(num, ?1)", [noted.unwrap_or(own)])?;
        }
        self.raise_mark_of_file()
    }

    /// Copies of the file from before this can be told from it.
    pub(super) fn raise_mark_of_file(&mut self) -> std::result::Result<(), Fault> {
        let Some(lock) = &self.lock else { return Ok(()) };
        let num: i64 = self.db.query_row("UPDATE mark SET num = num + 1 RETURNING num", [], |row| row.get(0))?;
        write_mark(lock, num).map_err(|error| Fault::Said(format!("the lock file beside it cannot be written: {error}")))
    }
}

enum Owner {
    Ours,
    Nobody,
    /// What it is instead, as the end of a sentence about the file.
    Other(String),
}

/// A process holds this state file now. Whoever only wants to know must not hold it longer than the question takes.
pub fn is_held(path: &Path) -> bool {
    let file = File::options().read(true).open(beside(path));
    file.is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

/// The number in the lock file. `None`: there is none that can be read.
fn read_mark(mut lock: &File) -> Option<i64> {
    let mut text = String::new();
    lock.seek(SeekFrom::Start(0)).ok()?;
    lock.take(MARK_LENGTH as u64).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

/// Always of one length, so that there is never half of a number.
fn write_mark(mut lock: &File, num: i64) -> std::io::Result<()> {
    lock.seek(SeekFrom::Start(0))?;
    lock.write_all(format!("{num:0width$}\n", width = MARK_LENGTH - 1).as_bytes())
}

fn beside(path: &Path) -> PathBuf {
    let target = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let mut beside = target.into_os_string();
    beside.push(".lock");
    PathBuf::from(beside)
}

/// A lock file beside the state file: the system gives it back when the process ends, however it ends.
fn lock(path: &Path, name: &str) -> Result<File> {
    let beside = beside(path);
    let refused =
        |error: std::io::Error| Error::Failed(format!("{}: {error}; check the folder and its rights", beside.display()));
    let file = File::options().create(true).truncate(false).read(true).write(true).open(&beside).map_err(refused)?;
    let mut tried = file.try_lock();
    for _ in 1..LOCK_TRIES_MAX {
        if !matches!(tried, Err(TryLockError::WouldBlock)) {
            break;
        }
        std::thread::sleep(LOCK_REST);
        tried = file.try_lock();
    }
    match tried {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(Error::Locked(format!("{name} is held by another dwmap; stop that one, or look at it with `dwmap status`")))
        }
        Err(TryLockError::Error(error)) => Err(refused(error)),
    }
}

impl Fault {
    /// What to tell a person of it, with the file and a way out.
    pub(super) fn at(self, path: &str) -> Error {
        let error = match self {
            Self::Said(text) => return Error::Failed(format!("{path}: {text}")),
            Self::Lost => return Error::Locked(format!("{path} was taken over by another dwmap; this one stops")),
            Self::Sql(error) => error,
        };
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Error::Failed(format!(
                "{path}: the disk or the size limit of the state file is full; nothing was changed, make room and go on"
            )),
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
                Error::Failed(format!("{path} cannot be written ({error}); check the file, the folder and their rights"))
            }
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                Error::Locked(format!("{path} is held by another program ({error}); close it and go on"))
            }
            Some(ErrorCode::NotADatabase) => Error::Foreign(format!("{path} is no database; name another file for the state")),
            Some(ErrorCode::DatabaseCorrupt) => {
                Error::Failed(format!("{path} is damaged ({error}); put a backup in its place, or move it away and sync anew"))
            }
            _ => Error::Failed(format!("{path}: {error}; nothing was changed")),
        }
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::{StatementStatus, params};

    use super::Sqlite;

    #[test]
    fn a_statement_is_compiled_once_whatever_is_bound() {
        let store = Sqlite::in_memory().expect("memory is there");
        let sql = "SELECT id FROM link WHERE plan = ?1 AND left_row = ?2 AND state <> 3";
        let mut select = store.db.prepare(sql).expect("the table is there");
        for row in ["1", "2", "3"] {
            assert!(!select.exists(params![1, row]).expect("it is read"));
        }
        assert_eq!(select.get_status(StatementStatus::RePrepare), 0);
    }
}
