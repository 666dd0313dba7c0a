//! What travels between systems: rows as they were seen, the changes of a feed, writes and their answers.
//!
//! Connectors speak these words and know nothing of maps; the engine speaks them and knows nothing of connectors.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::value::{Record, Timestamp, Uuid};

/// One of the two systems of a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    Left,
    Right,
}

impl Side {
    pub const BOTH: [Side; 2] = [Side::Left, Side::Right];

    pub fn other(self) -> Self {
        match self {
            Self::Left => Self::Right,
            Self::Right => Self::Left,
        }
    }

    /// As maps and messages call it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Right => "right",
        }
    }

    pub fn index(self) -> usize {
        match self {
            Self::Left => 0,
            Self::Right => 1,
        }
    }
}

/// A pair with one thing for each side.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Sides<T>(pub [T; 2]);

impl<T> std::ops::Index<Side> for Sides<T> {
    type Output = T;
    fn index(&self, side: Side) -> &T {
        &self.0[side.index()]
    }
}

impl<T> std::ops::IndexMut<Side> for Sides<T> {
    fn index_mut(&mut self, side: Side) -> &mut T {
        &mut self.0[side.index()]
    }
}

impl<T> Sides<T> {
    pub fn new(left: T, right: T) -> Self {
        Self([left, right])
    }

    pub fn map<U>(&self, mut f: impl FnMut(&T) -> U) -> Sides<U> {
        Sides([f(&self.0[0]), f(&self.0[1])])
    }

    pub fn iter(&self) -> impl Iterator<Item = (Side, &T)> {
        Side::BOTH.into_iter().zip(&self.0)
    }
}

impl<T> Sides<Option<T>> {
    pub fn as_ref(&self) -> Sides<Option<&T>> {
        Sides([self.0[0].as_ref(), self.0[1].as_ref()])
    }
}

/// A system's own immutable address of a row: a GUID, a row number, a composite key. Opaque outside its connector.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RemoteId(pub String);

/// A change token of one row (ETag, row version, hash). Opaque; only equality means something.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Version(pub String);

/// A durable position in a change feed. Opaque outside its connector.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Token(pub String);

/// One logical record that lives on both sides. A UUIDv7, never a sequence, so that ids are not reissued after a restore.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LinkId(pub Uuid);

impl std::fmt::Display for LinkId {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(out)
    }
}

/// A row as its system returned it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    pub id: RemoteId,
    pub version: Version,
    pub record: Record,
    /// The store's own time of last change, where it has one.
    pub modified: Option<Timestamp>,
    /// The link whose create made this row, where the system can say so.
    pub correlation: Option<LinkId>,
    /// Why a field could not be read; it is absent in the record then. The row stands still until it is mended, and holds up
    /// no other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// One entry of a change feed: a hint to look at a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// The row is there, as it is now.
    Upsert(Seen),
    /// The row is gone. Feeds report deletes of rows that nobody ever saw, too.
    Delete { id: RemoteId },
}

/// What a push message told: that a row is to be looked at, or something of an entity. It names, and is never taken for data.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hint {
    pub entity: String,
    /// `None`: the message does not say which; the feed is read at once.
    pub row: Option<RemoteId>,
}

impl Change {
    pub fn id(&self) -> &RemoteId {
        match self {
            Self::Upsert(seen) => &seen.id,
            Self::Delete { id } => id,
        }
    }
}

/// A piece of a feed. The next piece may be asked for only after this one is durable.
#[derive(Clone, Debug)]
pub struct Page {
    pub changes: Vec<Change>,
    /// Where to go on.
    pub next: Token,
    /// The feed had nothing more when this page was read.
    pub is_last: bool,
}

impl Page {
    /// The rows that are there.
    pub fn into_rows(self) -> Vec<Seen> {
        let row = |change| match change {
            Change::Upsert(seen) => Some(seen),
            Change::Delete { .. } => None,
        };
        self.changes.into_iter().filter_map(row).collect()
    }
}

/// A request that may change a system. `op` is written into logs and, where possible, sent along.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Write {
    /// Make a row. `link` is the correlation key: a second create with it must find the first row, not make another.
    Create { link: LinkId, record: Record },
    /// Set the fields that are not absent, if the row still has this version.
    Update { id: RemoteId, expected: Version, record: Record },
    /// Remove the row, if it still has this version.
    Delete { id: RemoteId, expected: Version },
}

/// What a system answered to one [`Write`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Done. For create and update: the row as the system returned it afterwards.
    Written(Seen),
    Deleted,
    /// A create met a row with the same correlation or natural key; look it up.
    Exists,
    /// The row's version is not the expected one any more.
    Moved,
    /// The row to update or delete is not there. To a create: an earlier copy of it made the row, which was deleted since.
    Gone,
    Failed(Failure),
}

/// A refused or unclear request: what the caller may do is in the class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    pub class: Class,
    /// The system's own words, without secrets.
    pub message: String,
    /// How long the system asked us to wait.
    pub retry_after: Option<Duration>,
    /// The request may have taken effect all the same (time-out or reset after it was sent).
    pub is_ambiguous: bool,
}

/// Who can mend a failure, and so what happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Network, 5xx: try again later.
    Transient,
    /// 429: try again when the system says so.
    Throttled,
    /// Credentials or rights: the side stands still until a person acts.
    Auth,
    /// The system refuses this row's content.
    Validation,
    /// A referenced row is not there.
    Reference,
    /// The two sides disagree and a person decides.
    Conflict,
    /// The system no longer has the shape we know.
    Schema,
    TooLarge,
    /// We are wrong.
    Bug,
}

impl Failure {
    pub fn new(class: Class, message: impl Into<String>) -> Self {
        Self { class, message: message.into(), retry_after: None, is_ambiguous: false }
    }

    pub fn is_retriable(&self) -> bool {
        matches!(self.class, Class::Transient | Class::Throttled)
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}
