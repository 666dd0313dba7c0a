//! A copy of a database to look at: everything that a connector leaves in a database is left in the copy.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::{BUSY_TIMEOUT, Fault, at};
use crate::change::Failure;

/// Copies the database as it is at one moment, whoever writes to it meanwhile. It is opened for reading only.
pub fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    let copied = || -> Result<(), Fault> {
        let db = Connection::open_with_flags(from, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        db.busy_timeout(BUSY_TIMEOUT)?;
        db.execute("VACUUM INTO ?1", [to.display().to_string()])?;
        Ok(())
    };
    copied().map_err(|fault| at(&from.display().to_string(), fault))
}
