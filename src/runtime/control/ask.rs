//! The words between a command and a deployment: what is asked, and what is answered.

use serde::{Deserialize, Serialize};

/// The version of these words; both ends must speak the same.
pub const FORMAT_VERSION: u32 = 1;

/// One command, and who gave it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    pub format_version: u32,
    pub who: String,
    #[serde(default)]
    pub why: String,
    pub ask: Ask,
}

/// What is asked. Without maps: all of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum Ask {
    Start {
        maps: Vec<String>,
        initial: bool,
        master: Option<String>,
        with_dependants: bool,
    },
    Pause {
        maps: Vec<String>,
    },
    Resume {
        maps: Vec<String>,
        skip: Option<Skip>,
    },
    Stop {
        maps: Vec<String>,
    },
    Reload {
        map: String,
        from: Option<String>,
        to: Option<String>,
    },
    /// Take up the maps as they stand now.
    Renew,
    Status,
    Queue {
        maps: Vec<String>,
        limit: usize,
    },
    Errors {
        maps: Vec<String>,
        limit: usize,
    },
    ShowError {
        map: String,
        key: String,
    },
    Retry {
        map: String,
        key: Option<String>,
    },
    Discard {
        map: String,
        key: String,
    },
    Edit {
        map: String,
        key: String,
        system: String,
        field: String,
        value: String,
    },
    Conflicts {
        maps: Vec<String>,
        limit: usize,
    },
    ShowConflict {
        map: String,
        key: String,
    },
    Resolve {
        map: String,
        key: String,
        rule: Option<String>,
        choice: Choice,
    },
    Trace {
        map: String,
        key: String,
        limit: usize,
    },
    Activity {
        maps: Vec<String>,
        limit: usize,
    },
    Verify {
        maps: Vec<String>,
        repair: bool,
    },
    /// Carry a row over now, and answer when both sides agree, or after so long.
    Deliver {
        map: String,
        system: String,
        row: String,
        within_ms: u64,
        /// What is not carried by then goes back to what both sides agreed upon.
        #[serde(default)]
        or_undo: bool,
    },
}

/// What becomes of the queue of a map that goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Skip {
    /// Every queued record becomes an error to look at.
    Keep,
    /// Queued changes are forgotten; a record follows again when it is edited the next time.
    Discard,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Choice {
    /// The value of `left`, `right`, or the system of this name.
    Take(String),
    Value(String),
}

impl Ask {
    /// It changes nothing: the state can answer it.
    pub fn is_question(&self) -> bool {
        match self {
            Self::Status
            | Self::Queue { .. }
            | Self::Errors { .. }
            | Self::ShowError { .. }
            | Self::Conflicts { .. }
            | Self::ShowConflict { .. }
            | Self::Trace { .. }
            | Self::Activity { .. } => true,
            Self::Start { .. }
            | Self::Pause { .. }
            | Self::Resume { .. }
            | Self::Stop { .. }
            | Self::Reload { .. }
            | Self::Renew
            | Self::Retry { .. }
            | Self::Discard { .. }
            | Self::Edit { .. }
            | Self::Resolve { .. }
            | Self::Verify { .. }
            | Self::Deliver { .. } => false,
        }
    }
}

/// Why a command was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "message", rename_all = "snake_case")]
pub enum Problem {
    /// The command does not fit: a name, a state, a value.
    Usage(String),
    /// A file, a system, the process.
    Failed(String),
}

impl From<crate::store::Error> for Problem {
    fn from(error: crate::store::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Usage(text) | Self::Failed(text) => out.write_str(text),
        }
    }
}

impl std::error::Error for Problem {}

pub type Answer = Result<Reply, Problem>;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Reply {
    Moved { maps: Vec<Moved> },
    Status { maps: Vec<MapStatus> },
    Queue { maps: Vec<Queue> },
    Errors { groups: Vec<Group>, records: Vec<Held> },
    Conflicts { records: Vec<Conflicted> },
    Record(Box<Trace>),
    Activity { lines: Vec<Line> },
    Verified { maps: Vec<Compared> },
    Decided { map: String, key: String, outcome: String, is_done: bool },
    Woken { map: String, records: u64 },
    Loading { map: String, keys: String, outcome: String },
    Renewed { maps: Vec<Renewed> },
    Delivered(Box<Delivered>),
}

/// What became of a row that somebody waited for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivered {
    pub map: String,
    /// The record's key; of a row that is no record of the map, its id.
    pub key: String,
    pub outcome: Outcome,
    /// Why it is not `agreed`; empty where nothing is to be said.
    pub why: String,
    /// The rows of both sides and the versions in which they agree, or last agreed.
    pub rows: [Option<String>; 2],
    pub versions: [Option<String>; 2],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Both sides have it.
    Agreed,
    /// The row is gone, and what the map says of that is done.
    Gone,
    /// Not yet; it goes on by itself.
    Pending,
    /// It stands still until somebody acts.
    Held,
    /// A person must decide.
    Conflict,
    /// The map does not carry this row.
    LeftOut,
    /// It was not carried, and the row is as both sides agreed before.
    Undone,
}

/// What became of a map when the maps were taken up again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Renewed {
    pub map: String,
    /// `new`, `changed`, `unchanged` or `gone`.
    pub state: String,
    /// Rules that are new or mean something else.
    pub rules: Vec<String>,
    pub notes: Vec<String>,
}

/// A map that changed its state, or did not have to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    pub map: String,
    pub before: String,
    pub now: String,
    pub notes: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MapStatus {
    pub map: String,
    pub state: String,
    pub why: String,
    pub since: Option<String>,
    pub who: String,
    pub linked: u64,
    pub pending: u64,
    pub detached: u64,
    pub held: u64,
    pub conflicts: u64,
    pub queued: u64,
    pub oldest_queued: Option<String>,
    pub ledger: u64,
    /// Rows that an initial sync has read and not yet dealt with, left and right.
    pub staged: [u64; 2],
    pub held_records: Vec<Held>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    #[serde(default)]
    pub map: String,
    pub key: String,
    pub link: String,
    pub class: String,
    pub rule: Option<String>,
    pub code: Option<String>,
    pub message: String,
    pub since: String,
    pub attempts: u32,
    pub retry_at: Option<String>,
    pub waits_for: Option<String>,
}

/// Errors with one cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    pub map: String,
    pub class: String,
    pub rule: Option<String>,
    pub code: Option<String>,
    pub records: u64,
    pub example: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queue {
    pub map: String,
    pub queued: u64,
    pub oldest: Option<String>,
    pub next: Vec<Waiting>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    pub system: String,
    pub row: String,
    pub is_delete: bool,
    pub seen: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conflicted {
    pub map: String,
    pub key: String,
    pub link: String,
    pub rules: Vec<Dispute>,
}

/// A rule in conflict, with its three values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dispute {
    pub rule: String,
    pub left: String,
    pub right: String,
    pub agreed: Option<String>,
}

/// Everything that is known of one record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trace {
    pub map: String,
    pub key: String,
    pub link: String,
    pub state: String,
    pub sides: [TraceSide; 2],
    pub held: Option<Held>,
    pub conflicts: Vec<Dispute>,
    /// Requests that may still arrive.
    pub open: Vec<Open>,
    /// The latest first.
    pub lines: Vec<Line>,
    pub displaced: Vec<Displaced>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceSide {
    pub system: String,
    pub row: Option<String>,
    pub version: Option<String>,
    /// The fields as they were when the two sides last agreed.
    pub agreed: Vec<(String, String)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Open {
    pub op: String,
    pub system: String,
    pub sends: String,
    pub rules: Vec<String>,
    pub expected: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Displaced {
    pub op: String,
    pub at: String,
    pub rule: String,
    pub system: String,
    pub loser: String,
    pub winner: String,
    pub policy: String,
}

/// One line of a history; `who` is empty where the engine did it by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    pub at: String,
    pub map: String,
    pub key: String,
    pub op: String,
    pub what: String,
    pub text: String,
    pub who: String,
    /// When the operation was named: of a write, just before it was sent.
    pub decided: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compared {
    pub map: String,
    pub rows: [u64; 2],
    pub pairs: u64,
    pub differing: u64,
    pub shown: Vec<String>,
    /// Differences that are left after the repair; `None`: no repair was asked for.
    pub left_after_repair: Option<u64>,
}
