//! What must be remembered of one logical record so that no crash can lose or double anything.

use serde::{Deserialize, Serialize};

use crate::change::{Class, LinkId, RemoteId, Seen, Side, Sides, Version};
use crate::value::{Record, Timestamp, Uuid, Value};

/// The name of one operation of the engine; stands in the trace and in every row it causes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OpId(pub Uuid);

/// One logical record on both sides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    pub id: LinkId,
    /// The plan's name.
    pub plan: String,
    pub state: LinkState,
    /// Immutable addresses, never natural keys, where the system has them.
    pub ids: Sides<Option<RemoteId>>,
    /// The version of each side that was last compared.
    pub versions: Sides<Option<Version>>,
    /// The mapped fields as each side returned them when the two were last in agreement. One per side: a single
    /// common image corrupts data as soon as a side trims, rounds or truncates.
    pub shadows: Sides<Option<Record>>,
    /// Requests that were, or may have been, sent and may still land.
    pub intents: Vec<Intent>,
    pub hold: Option<Hold>,
    /// Rules in conflict that a person must decide.
    pub conflicts: Vec<OpenConflict>,
    /// The record's key as people write it, for traces and messages.
    pub key: String,
}

/// Why a row is held whose key stands in more than one row of a side.
pub const AMBIGUOUS: &str = "DW0404";

impl Link {
    /// Why its row waits for a person to say which rows belong together; nothing was sent for it. `None`: it does not.
    pub fn ambiguity(&self) -> Option<&Hold> {
        let is_unsent = self.state == LinkState::PendingCreate && self.intents.is_empty();
        self.hold.as_ref().filter(|it| is_unsent && it.code.as_deref() == Some(AMBIGUOUS))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkState {
    /// One side is known; the other is being made.
    PendingCreate,
    Live,
    /// Out of scope; kept so that a return links again instead of doubling.
    Dormant,
    /// Gone on both sides. Kept as a tombstone: a late create with its id must be undone.
    Dead,
}

/// A request with effect: written down before it is sent, dropped when it can no longer land.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    pub op: OpId,
    /// The side that is written.
    pub side: Side,
    /// The version the request is conditional on; `None`: a create.
    pub expected: Option<Version>,
    /// Exactly what was sent; absent fields were not. A delete sends nothing.
    pub payload: Record,
    /// The source record that the payload was computed from.
    pub base: Record,
    /// Rules that the payload carries.
    pub rules: Vec<u16>,
    pub is_delete: bool,
}

/// Why a link stands still.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    pub class: Class,
    /// `DW0212` and the like, where a rule refused the row.
    pub code: Option<String>,
    /// The rule's label, where a rule refused the row.
    pub rule: Option<String>,
    pub message: String,
    pub since: Timestamp,
    pub attempts: u32,
    /// Try again then; `None`: when something changes.
    pub retry_at: Option<Timestamp>,
    /// The plan and name of the row it waits for, in the form of [`awaited`](super::awaited).
    pub waits_on: Option<(String, Value)>,
    /// The map of that row was asked to make it (`on missing create`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_summoned: bool,
}

/// Both sides changed and the map says that a person decides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenConflict {
    pub label: String,
    pub values: Sides<Value>,
    pub agreed: Option<Value>,
}

/// A value that the engine displaced although the new one does not descend from it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerEntry {
    pub link: LinkId,
    pub op: OpId,
    pub at: Timestamp,
    pub rule: String,
    /// The side that lost.
    pub side: Side,
    pub loser: Value,
    pub winner: Value,
    pub policy: String,
}

/// One line of a record's history: what was seen, decided or done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activity {
    pub link: LinkId,
    pub op: OpId,
    pub at: Timestamp,
    pub kind: ActivityKind,
    pub text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActivityKind {
    Linked,
    Created,
    Updated,
    Deleted,
    Adopted,
    Held,
    Released,
    Conflict,
    Resolved,
    Detached,
}

/// Marks an agreed value as one to look at again: what it follows from has changed, or could not be carried. The mark is a tuple
/// of one, which no field holds; the value inside still tells an edit of the field from its rest.
pub fn stale(agreed: &Value) -> Value {
    match agreed {
        Value::Absent | Value::Tuple(_) => agreed.clone(),
        value => Value::Tuple(vec![value.clone()].into()),
    }
}

/// Marks a value that was agreed upon under another version of the map: what the rules make of it now is not known yet. The mark
/// is a tuple of two, which no field holds.
pub fn rebased(agreed: &Value) -> Value {
    Value::Tuple(vec![unmarked(agreed).clone(), Value::Null].into())
}

pub fn is_rebased(shadow: &Value) -> bool {
    matches!(shadow, Value::Tuple(parts) if parts.len() == 2)
}

/// Moves an agreement on, and keeps the marks of another version of the map.
pub fn keep_rebased(before: Option<&Record>, after: &mut Record) {
    let Some(before) = before else { return };
    for (slot, _) in before.slots().filter(|(_, value)| is_rebased(value)) {
        let value = rebased(after.get(slot));
        after.set(slot, value);
    }
}

/// What was agreed upon, without the mark.
pub fn unmarked(shadow: &Value) -> &Value {
    match shadow {
        Value::Tuple(parts) => parts.first().unwrap_or(shadow),
        value => value,
    }
}

/// What one step of the engine makes durable, all or nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    pub link: Link,
    pub ledger: Vec<LedgerEntry>,
    pub activity: Vec<Activity>,
    /// A row of another map that is to be looked at before those that wait there.
    pub summons: Option<Summons>,
}

impl Commit {
    /// The link as it is now, and nothing else.
    pub fn of(link: Link) -> Self {
        Self { link, ledger: Vec::new(), activity: Vec::new(), summons: None }
    }
}

/// A row that another one waits for, and that its map has not made on the other side yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summons {
    pub plan: String,
    pub side: Side,
    pub row: Seen,
    pub at: Timestamp,
}
