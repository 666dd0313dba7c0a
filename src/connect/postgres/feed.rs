//! The change feed: first every row in key order, then what the triggers wrote down since before the first page.

use std::collections::BTreeSet;

use tokio_postgres::{Client, IsolationLevel, Transaction};

use super::install::Target;
use super::{Fault, expired, rows};
use crate::change::{Change, Page, RemoteId, Token};
use crate::schema::Shape;

/// Entries that the log keeps at most; older tokens expire.
const LOG_MAX: i64 = 1_000_000;
/// Entries that are dropped at once.
const LOG_PIECE: i64 = 10_000;

/// Where a feed stands: after this entry, and before every transaction that was under way then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    /// The transaction that installed the triggers, or emptied the table, before the feed began; another one by now: it is over.
    born: i64,
    xid: i64,
    seq: i64,
}

enum Position {
    /// Reading all rows; what the log says after `place` follows.
    Rows {
        place: Place,
        after: String,
    },
    Log(Place),
}

impl Position {
    fn token(&self) -> Token {
        match self {
            Self::Rows { place: Place { born, xid, seq }, after } => Token(format!("rows:{born}:{xid}:{seq}:{after}")),
            Self::Log(Place { born, xid, seq }) => Token(format!("log:{born}:{xid}:{seq}")),
        }
    }

    fn parse(token: &Token) -> Result<Self, Fault> {
        let place = |born: &str, xid: &str, seq: &str| match (born.parse(), xid.parse(), seq.parse()) {
            (Ok(born), Ok(xid), Ok(seq)) => Ok(Place { born, xid, seq }),
            (_, _, _) => Err(Fault::from(expired())),
        };
        match token.0.splitn(5, ':').collect::<Vec<_>>().as_slice() {
            ["rows", born, xid, seq, after] => Ok(Self::Rows { place: place(born, xid, seq)?, after: (*after).to_owned() }),
            ["log", born, xid, seq] => Ok(Self::Log(place(born, xid, seq)?)),
            _ => Err(expired().into()),
        }
    }
}

/// One piece of the feed, as one moment of the database shows it.
pub async fn page(
    client: &mut Client,
    target: &Target,
    shape: &Shape,
    after: Option<&Token>,
    page_max: usize,
) -> Result<Page, Fault> {
    if !target.is_watched {
        return scan(client, target, shape, after, page_max).await;
    }
    let position = after.map(Position::parse).transpose()?;
    let tx = client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true).start().await?;
    let page = match position {
        None => first_reading(&tx, target, shape, ended(&tx, target).await?, None, page_max).await,
        Some(Position::Rows { place, after }) => {
            check(&tx, target, place).await?;
            first_reading(&tx, target, shape, place, Some(&after), page_max).await
        }
        Some(Position::Log(place)) => {
            check(&tx, target, place).await?;
            logged(&tx, target, shape, place, page_max).await
        }
    }?;
    tx.commit().await?;
    if page.is_last {
        trim(client).await?;
    }
    Ok(page)
}

/// The place after everything whose transaction, and every one before it, has ended.
async fn ended(tx: &Transaction<'_>, target: &Target) -> Result<Place, Fault> {
    let sql = "SELECT coalesce((SELECT since::text::bigint FROM dwmap.watched WHERE tab = $1), 0),
         pg_snapshot_xmin(pg_current_snapshot())::text::bigint - 1";
    let row = tx.query_one(sql, &[&target.name]).await?;
    Ok(Place { born: row.get(0), xid: row.get(1), seq: i64::MAX })
}

/// The position is good while nothing after it can be missing: the triggers are the same, nobody emptied the table, the entries
/// after it were not dropped, and it is not newer than the database, as it would be after a backup was put back.
async fn check(tx: &Transaction<'_>, target: &Target, place: Place) -> Result<(), Fault> {
    let end = ended(tx, target).await?;
    let sql = "SELECT coalesce((SELECT since::text::bigint FROM dwmap.watched WHERE tab = ''), 0)";
    let dropped: i64 = tx.query_one(sql, &[]).await?.get(0);
    let is_good = place.born == end.born && place.xid >= dropped && place.xid <= end.xid;
    if is_good { Ok(()) } else { Err(expired().into()) }
}

async fn first_reading(
    tx: &Transaction<'_>,
    target: &Target,
    shape: &Shape,
    place: Place,
    after: Option<&str>,
    page_max: usize,
) -> Result<Page, Fault> {
    let seen = rows::after(tx, target, shape, after, page_max).await?;
    let last = seen.last().filter(|_| seen.len() == page_max).map(|it| it.id.0.clone());
    let is_last = last.is_none() && place == ended(tx, target).await?;
    let next = last.map_or(Position::Log(place), |after| Position::Rows { place, after });
    Ok(Page { changes: seen.into_iter().map(Change::Upsert).collect(), next: next.token(), is_last })
}

async fn logged(tx: &Transaction<'_>, target: &Target, shape: &Shape, place: Place, page_max: usize) -> Result<Page, Fault> {
    let end = ended(tx, target).await?;
    let limit = i64::try_from(page_max).unwrap_or(i64::MAX);
    let sql = "SELECT xid::text::bigint, seq, address FROM dwmap.log
         WHERE tab = $1 AND (xid, seq) > (CAST($2::text AS xid8), $3) AND xid <= CAST($4::text AS xid8) ORDER BY xid, seq LIMIT $5";
    let found = tx.query(sql, &[&target.name, &place.xid.to_string(), &place.seq, &end.xid.to_string(), &limit]).await?;
    let is_last = found.len() < page_max;
    let next = match found.last() {
        Some(row) if !is_last => Place { born: place.born, xid: row.get(0), seq: row.get(1) },
        Some(_) | None => end,
    };
    let mut later = BTreeSet::new();
    let mut changes = Vec::new();
    for row in found.iter().rev() {
        let address: String = row.get(2);
        if later.insert(address.clone()) {
            let seen = rows::by_address(tx, target, shape, &address).await?;
            changes.push(seen.map_or(Change::Delete { id: RemoteId(address) }, Change::Upsert));
        }
    }
    changes.reverse();
    Ok(Page { changes, next: Position::Log(next).token(), is_last })
}

/// Drops what is over the log's bound, in pieces that are worth a transaction.
async fn trim(client: &mut Client) -> Result<(), Fault> {
    let kept: i64 = client.query_one("SELECT coalesce(max(seq) - min(seq), 0) FROM dwmap.log", &[]).await?.get(0);
    if kept <= LOG_MAX + LOG_PIECE {
        return Ok(());
    }
    // The newest transaction of which entries are dropped is kept under no table's name.
    let sql = "WITH gone AS (DELETE FROM dwmap.log WHERE seq <= (SELECT max(seq) FROM dwmap.log) - $1 RETURNING xid)
         INSERT INTO dwmap.watched(tab, since) SELECT '', xid FROM gone ORDER BY xid DESC LIMIT 1
         ON CONFLICT (tab) DO UPDATE SET since = excluded.since";
    client.execute(sql, &[&LOG_MAX]).await?;
    client.execute("DELETE FROM dwmap.link WHERE gone <= (SELECT max(seq) FROM dwmap.log) - $1", &[&LOG_MAX]).await?;
    Ok(())
}

/// Rows in key order; the token is the last row's address.
pub async fn scan(
    client: &mut Client,
    target: &Target,
    shape: &Shape,
    after: Option<&Token>,
    limit: usize,
) -> Result<Page, Fault> {
    let limit = limit.max(1);
    let mut seen = rows::after(client, target, shape, after.map(|it| it.0.as_str()), limit + 1).await?;
    let is_last = seen.len() <= limit;
    seen.truncate(limit);
    let next = seen.last().map(|it| it.id.0.clone()).or_else(|| after.map(|it| it.0.clone()));
    Ok(Page { changes: seen.into_iter().map(Change::Upsert).collect(), next: Token(next.unwrap_or_default()), is_last })
}
