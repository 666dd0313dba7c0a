//! What people set and say: states of maps, decisions about records, acts with their authors, loads, alerts.
//!
//! Everything here is a wish or a fact on file. A running process acts upon it at once, and a later one when it starts: so a
//! command means the same whether or not a process runs.

use serde::{Deserialize, Serialize};

use super::{Phase, Result};
use crate::change::{Class, LinkId, Side, Token, Version};
use crate::engine::link::{Activity, Commit, LedgerEntry, Link, OpId};
use crate::value::{Record, Timestamp};

/// How a map stands, and who wanted it so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    pub phase: Phase,
    pub why: String,
    /// `None`: it never moved.
    pub since: Option<Timestamp>,
    pub who: String,
    /// The side that wins in an initial sync where no agreement is known.
    pub master: Option<Side>,
}

/// Something that a person, an alert or the process itself did to a map or a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Act {
    pub op: OpId,
    pub at: Timestamp,
    /// `None`: it was about no map.
    pub plan: Option<String>,
    pub link: Option<LinkId>,
    pub who: String,
    pub what: String,
    pub why: String,
}

/// What a person decided about one record. It stays on file until it was carried out or refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    pub op: OpId,
    pub plan: String,
    pub link: LinkId,
    pub who: String,
    pub why: String,
    pub at: Timestamp,
    pub what: Verdict,
}

/// The decision itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// This side's value is right: of the conflict of this rule, or of all conflicts of the record.
    Take { side: Side, rule: Option<String> },
    /// Neither value is right, this one is; it is given to the first side whose field can hold it alone.
    Give { rule: String, value: String },
    /// Leave both sides as they are until somebody edits the record again.
    Discard,
    /// Mend one field on one side; the rest follows as from any edit.
    Edit { side: Side, field: String, value: String },
    /// Give the row of this side back what both sides had agreed upon before, if it is still in this version.
    Undo { side: Side, version: Version, before: Record },
}

/// The reading of a range of keys, page by page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Load {
    /// Both ends belong to the range; `None`: no end.
    pub from: Option<String>,
    pub to: Option<String>,
    pub side: Side,
    /// After this place of that side.
    pub after: Option<Token>,
    pub rows_read: u64,
    pub rows_taken: u64,
}

/// One line of the history of a map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub plan: String,
    pub key: String,
    pub activity: Activity,
}

/// The outcome of the last full compare of a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    pub at: Timestamp,
    pub pairs: u64,
    pub differing: u64,
}

/// How far the steady watch over a map's links has come, and what it found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sampled {
    /// It goes on after this link; `None`: from the start.
    pub after: Option<LinkId>,
    /// Pairs that were compared since it last began, and the drift among them.
    pub links: u64,
    pub drift: u64,
    /// The same of the last time through, and when that ended.
    pub last_links: u64,
    pub last_drift: u64,
    pub at: Option<Timestamp>,
}

/// A system that failed again and again, or asked for time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftAlone {
    pub until: Timestamp,
    /// It asked for this time itself. One that merely failed may be well again: it is tried with care at once.
    pub is_asked_for: bool,
    /// How often it was left alone without a good call in between.
    pub times: u32,
    pub why: String,
}

/// The part of the state that people look at and change. Every method is one transaction.
pub trait Desk {
    /// The maps that were opened, by name.
    fn plans(&mut self) -> Result<Vec<String>>;
    fn standing(&mut self, plan: &str) -> Result<Standing>;
    fn stand(&mut self, plan: &str, standing: &Standing) -> Result<()>;
    /// Forgets how far the first reading of both sides came; links and shadows stay.
    fn restart(&mut self, plan: &str) -> Result<()>;

    fn record(&mut self, act: &Act) -> Result<()>;
    /// The latest first.
    fn acts(&mut self, plan: Option<&str>, limit: usize) -> Result<Vec<Act>>;
    fn acts_on(&mut self, link: LinkId, limit: usize) -> Result<Vec<Act>>;

    fn decide(&mut self, decision: &Decision) -> Result<i64>;
    /// Decisions that wait, the oldest first.
    fn decisions(&mut self, limit: usize) -> Result<Vec<(i64, Decision)>>;
    /// The one that was put on file last.
    fn last_decision(&mut self) -> Result<Option<(i64, Decision)>>;
    /// A decision was carried out or refused: what it changes, who did it, and its end, all at once.
    fn settle_decision(&mut self, number: i64, commit: Option<&Commit>, act: &Act) -> Result<()>;
    /// Displaced values of a write that is about to be made for a person.
    fn displace(&mut self, plan: &str, entries: &[LedgerEntry]) -> Result<()>;

    /// The living links with this key as people write it.
    fn links_with_key(&mut self, plan: &str, key: &str, limit: usize) -> Result<Vec<Link>>;
    /// Links with open conflicts, by id.
    fn conflicted(&mut self, plan: &str, limit: usize) -> Result<Vec<Link>>;
    /// The histories of all records of a map, or of all maps, the latest line first.
    fn history(&mut self, plan: Option<&str>, limit: usize) -> Result<Vec<Line>>;
    /// Displaced values of one record, the latest first.
    fn displaced(&mut self, link: LinkId, limit: usize) -> Result<Vec<LedgerEntry>>;
    /// Records that are held since then or later, of one class or of all.
    fn held_since(&mut self, plan: &str, class: Option<Class>, since: Timestamp) -> Result<u64>;

    fn load(&mut self, plan: &str) -> Result<Option<Load>>;
    fn set_load(&mut self, plan: &str, load: Option<&Load>) -> Result<()>;

    fn verified(&mut self, plan: &str) -> Result<Option<Verified>>;
    fn set_verified(&mut self, plan: &str, verified: Verified) -> Result<()>;

    fn sampled(&mut self, plan: &str) -> Result<Option<Sampled>>;
    /// `None`: the steady watch begins anew.
    fn set_sampled(&mut self, plan: &str, sampled: Option<&Sampled>) -> Result<()>;

    /// Alerts that fired and did not clear yet: rule, map, since when.
    fn firing(&mut self) -> Result<Vec<(String, String, Timestamp)>>;
    fn set_firing(&mut self, rule: &str, plan: &str, since: Option<Timestamp>) -> Result<()>;

    /// Systems by name that are left alone, or are to be asked with care after it.
    fn left_alone(&mut self) -> Result<Vec<(String, LeftAlone)>>;
    fn set_left_alone(&mut self, system: &str, how: Option<&LeftAlone>) -> Result<()>;

    /// Copies of the state from before this are known for older ones when they are opened in its place.
    fn raise_mark(&mut self) -> Result<()>;
    /// The state was put back as an older copy, and this map has not caught up with its systems since: they may hold rows that
    /// were made under links that it does not know.
    fn is_behind(&mut self, plan: &str) -> Result<bool>;
    fn has_caught_up(&mut self, plan: &str) -> Result<()>;
}
