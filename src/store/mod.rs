//! What must survive a crash. One trait; embedded SQLite is the first that holds it.

pub mod desk;
pub mod outline;
pub mod sqlite;

pub use desk::Desk;
pub use outline::{Outline, Revision};
pub use sqlite::{Inbox, Sqlite, is_held, phase_name};

use crate::change::{Change, Hint, LinkId, RemoteId, Seen, Side, Sides, Token};
use crate::engine::link::{Activity, Commit, LedgerEntry, Link};
use crate::value::{Timestamp, Value};

/// Where one side's feed of one plan stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stream {
    /// The feed's position after the last page that was appended.
    pub token: Option<Token>,
    /// The feed has passed its first full reading.
    pub is_live: bool,
    /// Sequence number of the last appended entry.
    pub last_seq: u64,
    /// Every entry up to here is finished.
    pub done_seq: u64,
}

/// A change that waits to be looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub side: Side,
    pub seq: u64,
    pub change: Change,
    /// When it was appended.
    pub at: Timestamp,
    /// When a look first did not show what it tells; `None`: nobody has looked.
    pub unconfirmed_since: Option<Timestamp>,
}

/// A change that was looked at, and is to be looked at again then: the look did not show what the feed had told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    pub plan: String,
    pub side: Side,
    pub seq: u64,
    pub due: Timestamp,
    pub since: Option<Timestamp>,
}

/// The end of a round: what of it is finished, and what it asks for. One transaction, so that nothing is forgotten in between.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conclusion {
    /// Changes that are finished.
    pub done: Vec<(String, Side, u64)>,
    pub kept: Vec<Kept>,
    /// Links to look at, and when.
    pub asked: Vec<(LinkId, Timestamp)>,
    /// Links that were looked at.
    pub answered: Vec<LinkId>,
}

impl Conclusion {
    pub fn is_empty(&self) -> bool {
        self.done.is_empty() && self.kept.is_empty() && self.asked.is_empty() && self.answered.is_empty()
    }
}

/// Names one hint on file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HintNumber(pub i64);

/// What a push message of a system told, on file until somebody has looked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Noted {
    pub number: HintNumber,
    pub system: String,
    pub hint: Hint,
}

/// A row of the match phase of an initial sync.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Staged {
    pub seen: Seen,
    /// The folded key; `None`: the row has no key, or cannot be read, and will not be matched.
    pub key: Option<Value>,
}

/// One group of the match phase: the rows of both sides with one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    pub key: Option<Value>,
    /// More than one row on a side: ambiguous.
    pub rows: Sides<Vec<Seen>>,
}

/// What a map is doing, as a person set it or the runtime found it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Stopped,
    Initializing,
    /// It runs again, and what was queued meanwhile is not done yet.
    CatchingUp,
    Running,
    Paused,
    Blocked,
}

/// Figures of one plan, read from the state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    pub live: u64,
    pub pending: u64,
    pub dormant: u64,
    pub dead: u64,
    pub held: u64,
    pub conflicts: u64,
    pub queued: u64,
    pub oldest_queued: Option<Timestamp>,
    /// Changes that were looked at and not seen yet as the feed told them.
    pub unconfirmed: u64,
    /// Links that are to be looked at although no feed tells of them.
    pub asked: u64,
    pub ledger: u64,
}

/// Why the state could not be read or written. Nothing was changed.
#[derive(Debug)]
pub enum Error {
    /// The file is not a dwmap state file, or of another version.
    Foreign(String),
    /// Another process holds it.
    Locked(String),
    /// Disk full, permission, damage.
    Failed(String),
}

impl std::fmt::Display for Error {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Foreign(text) | Self::Locked(text) | Self::Failed(text) => out.write_str(text),
        }
    }
}

impl std::error::Error for Error {}

pub type Result<T> = std::result::Result<T, Error>;

/// The durable state of one deployment. Every method is one transaction: all of it happened, or nothing.
pub trait Store: Desk + Send {
    /// Makes a plan known, or another version of it. Shadows, intents and journal are carried over to its shapes, field by field
    /// name; a field that was not there before is absent, which means: no agreement is known yet. Intents are carried over to its
    /// rules. The agreement on fields of rules that are new or mean something else is marked ([`rebased`](crate::engine::link::rebased)),
    /// and every link is asked for; where other rows take part than before, all rows are read again.
    fn open_plan(&mut self, plan: &str, outline: &Outline) -> Result<Revision>;

    /// What push messages told and nobody has looked at, the oldest first; at most `limit`.
    fn hints(&mut self, limit: usize) -> Result<Vec<Noted>>;
    fn strike_out(&mut self, hints: &[HintNumber]) -> Result<()>;

    fn phase(&mut self, plan: &str) -> Result<(Phase, String)>;
    fn set_phase(&mut self, plan: &str, phase: Phase, why: &str) -> Result<()>;

    fn stream(&mut self, plan: &str, side: Side) -> Result<Stream>;
    /// Appends a page and moves the token, together. Returns the stream as it is now.
    fn append(
        &mut self,
        plan: &str,
        side: Side,
        changes: &[Change],
        next: &Token,
        is_live: bool,
        at: Timestamp,
    ) -> Result<Stream>;
    /// Has this change looked at before those that wait; its number.
    fn note(&mut self, plan: &str, side: Side, change: &Change, at: Timestamp) -> Result<u64>;
    /// The change with this number is not finished.
    fn is_noted(&mut self, plan: &str, side: Side, seq: u64) -> Result<bool>;
    /// Forgets where the feed stands, and nothing else: it is read again from its start.
    fn rewind(&mut self, plan: &str, side: Side) -> Result<()>;
    /// Entries that are not finished, in the order of their sequence numbers, both sides mixed by time; at most `limit`.
    fn pending(&mut self, plan: &str, limit: usize) -> Result<Vec<Entry>>;
    /// Kept entries whose time has come, the longest due first.
    fn later(&mut self, plan: &str, now: Timestamp, limit: usize) -> Result<Vec<Entry>>;

    /// First reading of a side: rows wait here until both sides are complete.
    fn stage(&mut self, plan: &str, side: Side, rows: &[Staged], next: &Token, is_complete: bool) -> Result<()>;
    /// Groups of staged rows in key order, whole, until there are `limit` rows; those without a key last, each alone.
    /// A shape that changes meanwhile starts the first reading anew.
    fn matches(&mut self, plan: &str, limit: usize) -> Result<Vec<Match>>;
    /// Removes staged rows.
    fn unstage(&mut self, plan: &str, rows: &[(Side, RemoteId)]) -> Result<()>;

    fn staged_count(&mut self, plan: &str) -> Result<Sides<u64>>;

    fn link(&mut self, id: LinkId) -> Result<Option<Link>>;
    /// The links (dead ones too, if no other has the id) of these rows, in the same order.
    fn links_of(&mut self, plan: &str, side: Side, ids: &[RemoteId]) -> Result<Vec<Option<Link>>>;
    /// All links of a plan by id, page by page.
    fn links(&mut self, plan: &str, after: Option<LinkId>, limit: usize) -> Result<Vec<Link>>;
    /// Held links whose time has come.
    fn due(&mut self, plan: &str, now: Timestamp, limit: usize) -> Result<Vec<Link>>;
    /// Links that somebody asked to look at by now, the longest due first; those that were answered are not among them.
    fn asked(&mut self, plan: &str, now: Timestamp, limit: usize) -> Result<Vec<Link>>;
    /// Brings everything that waits to be looked at, or looked at again, forward to this time.
    fn hasten(&mut self, now: Timestamp) -> Result<()>;
    /// Asks for every link of a plan that is not dead, at that time.
    fn ask_for_all(&mut self, plan: &str, due: Timestamp) -> Result<()>;
    /// Held links that wait for this row, or (without a key) for any row of this plan.
    fn waiting_for(&mut self, awaited_plan: &str, key: Option<&Value>, limit: usize) -> Result<Vec<Link>>;

    /// All held links of a plan, by id.
    fn held(&mut self, plan: &str, limit: usize) -> Result<Vec<Link>>;

    /// Writes links with their ledger and activity, has summoned rows looked at next, and finishes journal entries, together. A row belongs to one link: a link
    /// that waits for its other side gives up its row to one that takes it, and is dead then. Returns those that did.
    fn commit(&mut self, commits: &[Commit], done: &[(String, Side, u64)]) -> Result<Vec<LinkId>>;
    fn conclude(&mut self, end: &Conclusion) -> Result<()>;

    fn figures(&mut self, plan: &str) -> Result<Figures>;
    /// The history of a link, the latest line first.
    fn activity(&mut self, link: LinkId, limit: usize) -> Result<Vec<Activity>>;
    /// The history of the links with this key as people write it (`Link::key`), the latest line first.
    fn activity_of(&mut self, plan: &str, key: &str, limit: usize) -> Result<Vec<Activity>>;
    /// Drops lines that were written before this, the oldest first, at most `limit`. Returns how many.
    fn forget_activity(&mut self, before: Timestamp, limit: usize) -> Result<u64>;
    /// Displaced values, the latest first.
    fn ledger(&mut self, plan: &str, limit: usize) -> Result<Vec<LedgerEntry>>;
}
