//! Connectors: how rows are read from and written to real systems. They know shapes and changes, never maps.

pub mod files;
pub mod http;
pub mod memory;
pub mod odata;
pub mod postgres;
mod sql;
pub mod sqlite;

use std::cmp::Ordering;

use async_trait::async_trait;

use crate::change::{Answer, Failure, Page, RemoteId, Seen, Token, Version, Write};
use crate::schema::Shape;
use crate::value::{Slot, Value};

/// What a system can do; the engine's guarantees follow from it and are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Updates and deletes can be made conditional on a version that never repeats.
    pub conditional_write: bool,
    /// A create carries the link id, and a second create with it finds the first row.
    pub correlated_create: bool,
    /// A create that arrives again after its row was deleted is told from a new one, and makes nothing. Where it is not, the feed
    /// tells of the row, which is deleted again by its link id; a system that keeps no link ids shows it as anybody's row.
    pub remembers_deletes: bool,
    /// The feed is ordered, complete and reports deletes.
    pub ordered_feed: bool,
    /// A write answers with the row as it is afterwards.
    pub read_back: bool,
    /// Most writes of one request; 1 where there is no batch.
    pub batch_max: usize,
}

/// The order of versions that are whole numbers.
pub fn order_of_numbers(one: &str, other: &str) -> Option<Ordering> {
    Some(one.parse::<u64>().ok()?.cmp(&other.parse::<u64>().ok()?))
}

/// How far the engine's promises hold for a system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grade {
    /// Nothing is overwritten unseen, nothing is made twice, changes and deletes are seen as they come.
    A,
    /// The same, but changes are polled for, and deletes are found by looking over the keys.
    B,
    /// A create whose answer is lost is found by its key only; without one it may be made twice.
    C,
    /// A write can displace an edit that was made in the moment before it.
    D,
}

impl Capabilities {
    pub fn grade(&self) -> Grade {
        match (self.conditional_write, self.correlated_create, self.ordered_feed) {
            (false, _, _) => Grade::D,
            (true, false, _) => Grade::C,
            (true, true, false) => Grade::B,
            (true, true, true) => Grade::A,
        }
    }
}

/// A system that holds one side of a map.
#[async_trait]
pub trait Connector: Send + Sync {
    fn capabilities(&self) -> Capabilities;

    /// The next piece of the change feed. Without a token the feed starts with every row there is, and then goes on
    /// with what changed since it was started: nothing falls between the two. An expired token is a failure of
    /// class [`Schema`](crate::change::Class::Schema) with `is_ambiguous` false and the message saying so.
    async fn feed(&self, shape: &Shape, after: Option<&Token>) -> Result<Page, Failure>;

    /// The rows with these ids, in the same order; `None` where there is none.
    async fn fetch(&self, shape: &Shape, ids: &[RemoteId]) -> Result<Vec<Option<Seen>>, Failure>;

    /// Rows whose slots equal these values, under the system's own comparison; at most `limit`.
    async fn find(&self, shape: &Shape, slots: &[Slot], values: &[Value], limit: usize) -> Result<Vec<Seen>, Failure>;

    /// The row that the create of this link made, where the system can say so, else the one with the natural key.
    async fn find_created(&self, shape: &Shape, write: &Write) -> Result<Option<Seen>, Failure>;

    /// Carries out the writes, each on its own; the answers stand in the order of the writes.
    async fn write(&self, shape: &Shape, writes: &[Write]) -> Vec<Answer>;

    /// Which of two versions of one row is the newer one, where the tokens tell. A read can be told for stale then.
    fn order(&self, _one: &Version, _other: &Version) -> Option<Ordering> {
        None
    }

    /// All rows in key order, page by page; for a full compare.
    async fn scan(&self, shape: &Shape, after: Option<&Token>, limit: usize) -> Result<Page, Failure>;

    /// What has to be added to the system before this entity can be followed, in words; `None`: nothing. It is found out by reading alone,
    /// and where it may not be added, that is the failure.
    async fn addition(&self, _shape: &Shape) -> Result<Option<String>, Failure> {
        Ok(None)
    }

    /// Rows that are linked already, told once after a start. A system whose feed does not report deletes finds with them what
    /// was deleted while nobody looked.
    fn remember(&self, _shape: &Shape, _ids: &[RemoteId]) {}
}
