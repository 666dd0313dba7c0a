//! The change feed: first every row in key order, then what the triggers wrote down since before the first page.

use std::collections::BTreeSet;

use rusqlite::{Connection, params};

use super::install::Target;
use super::{Fault, expired, rows};
use crate::change::{Change, Page, RemoteId, Token};
use crate::schema::Shape;

/// Entries that the log keeps at most; older tokens expire.
const LOG_MAX: i64 = 1_000_000;
/// Entries that are dropped at once.
const LOG_PIECE: i64 = 10_000;

/// Where a feed stands.
enum Position {
    /// Reading all rows; what the log says after `log` follows.
    Rows {
        log: i64,
        after: String,
    },
    Log(i64),
}

impl Position {
    fn token(&self) -> Token {
        match self {
            Self::Rows { log, after } => Token(format!("rows:{log}:{after}")),
            Self::Log(seq) => Token(format!("log:{seq}")),
        }
    }

    fn parse(token: &Token) -> Result<Self, Fault> {
        let number = |text: &str| text.parse::<i64>().map_err(|_| Fault::from(expired()));
        let parts: Vec<&str> = token.0.splitn(3, ':').collect();
        match parts.as_slice() {
            ["rows", log, after] => Ok(Self::Rows { log: number(log)?, after: (*after).to_owned() }),
            ["log", seq] => Ok(Self::Log(number(seq)?)),
            _ => Err(expired().into()),
        }
    }
}

pub fn page(db: &mut Connection, target: &Target, shape: &Shape, after: Option<&Token>, page_max: usize) -> Result<Page, Fault> {
    let tx = db.transaction()?;
    let position = after.map(Position::parse).transpose()?;
    let page = match position {
        None => first_reading(&tx, target, shape, log_end(&tx)?, None, page_max),
        Some(Position::Rows { log, after }) => {
            check(&tx, target, log)?;
            first_reading(&tx, target, shape, log, Some(&after), page_max)
        }
        Some(Position::Log(seq)) => {
            check(&tx, target, seq)?;
            logged(&tx, target, shape, seq, page_max)
        }
    }?;
    tx.commit()?;
    Ok(page)
}

/// The number of the last entry that was ever written.
fn log_end(db: &Connection) -> Result<i64, Fault> {
    let end = db.prepare_cached("SELECT coalesce(max(seq), 0) FROM _dwmap_log")?.query_row([], |row| row.get(0))?;
    Ok(end)
}

/// The position is good while nothing after it can be missing: it is not older than our triggers or the log's first
/// entry, and not newer than its last, as it would be after a backup was put back.
fn check(db: &Connection, target: &Target, seq: i64) -> Result<(), Fault> {
    let since: i64 =
        db.prepare_cached("SELECT since FROM _dwmap_table WHERE tab = ?1")?.query_row([&target.table], |row| row.get(0))?;
    let first: i64 = db.prepare_cached("SELECT coalesce(min(seq), 1) FROM _dwmap_log")?.query_row([], |row| row.get(0))?;
    if seq < since || seq < first - 1 || seq > log_end(db)? { Err(expired().into()) } else { Ok(()) }
}

fn first_reading(
    db: &Connection,
    target: &Target,
    shape: &Shape,
    log: i64,
    after: Option<&str>,
    page_max: usize,
) -> Result<Page, Fault> {
    let seen = rows::after(db, target, shape, after, page_max)?;
    let last = seen.last().filter(|_| seen.len() == page_max).map(|it| it.id.0.clone());
    let is_last = last.is_none() && log == log_end(db)?;
    let next = last.map_or(Position::Log(log), |after| Position::Rows { log, after });
    Ok(Page { changes: seen.into_iter().map(Change::Upsert).collect(), next: next.token(), is_last })
}

fn logged(db: &Connection, target: &Target, shape: &Shape, seq: i64, page_max: usize) -> Result<Page, Fault> {
    let entries: Vec<(i64, String)> = db
        .prepare_cached("SELECT seq, row FROM _dwmap_log WHERE tab = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3")?
        .query_map(params![target.table, seq, i64::try_from(page_max).unwrap_or(i64::MAX)], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    let is_last = entries.len() < page_max;
    let next = match entries.last() {
        Some((last, _)) if !is_last => *last,
        Some(_) | None => log_end(db)?,
    };
    let mut later = BTreeSet::new();
    let mut changes = Vec::new();
    for (_, row) in entries.into_iter().rev() {
        if later.insert(row.clone()) {
            let seen = rows::by_address(db, target, shape, &row)?;
            changes.push(seen.map_or(Change::Delete { id: RemoteId(row) }, Change::Upsert));
        }
    }
    changes.reverse();
    Ok(Page { changes, next: Position::Log(next).token(), is_last })
}

/// Drops what is over the log's bound, in pieces that are worth a transaction.
pub fn trim(db: &Connection) -> Result<(), Fault> {
    let kept: i64 = db
        .prepare_cached("SELECT coalesce((SELECT max(seq) FROM _dwmap_log) - (SELECT min(seq) FROM _dwmap_log), 0)")?
        .query_row([], |row| row.get(0))?;
    if kept > LOG_MAX + LOG_PIECE {
        db.prepare_cached("DELETE FROM _dwmap_log WHERE seq <= (SELECT max(seq) FROM _dwmap_log) - ?1")?.execute([LOG_MAX])?;
        // No request is sent again so much later.
        db.prepare_cached(
            "DELETE FROM _dwmap_link WHERE row GLOB 'gone:*' AND rowid <= (SELECT max(rowid) FROM _dwmap_link) - ?1",
        )?
        .execute([LOG_MAX])?;
    }
    Ok(())
}

/// Rows in key order; the token is the last row's address.
pub fn scan(db: &mut Connection, target: &Target, shape: &Shape, after: Option<&Token>, limit: usize) -> Result<Page, Fault> {
    let limit = limit.max(1);
    let tx = db.transaction()?;
    let mut seen = rows::after(&tx, target, shape, after.map(|it| it.0.as_str()), limit + 1)?;
    tx.commit()?;
    let is_last = seen.len() <= limit;
    seen.truncate(limit);
    let next = seen.last().map(|it| it.id.0.clone()).or_else(|| after.map(|it| it.0.clone()));
    Ok(Page { changes: seen.into_iter().map(Change::Upsert).collect(), next: Token(next.unwrap_or_default()), is_last })
}
