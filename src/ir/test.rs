//! Compiled `test` items: what is written to which side, and what must come of it.

use serde::{Deserialize, Serialize};

use super::{Origin, PlanId};
use crate::change::Side;
use crate::value::{Slot, Value};

/// `test "…" in Map { … }`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Test {
    pub name: String,
    pub plan: PlanId,
    pub steps: Vec<(Origin, TestStep)>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TestStep {
    /// Makes a row on this side and lets the engine settle. A lookup slot holds the referenced row's key, not its id.
    Given {
        side: Side,
        fields: Vec<(Slot, Value)>,
    },
    /// Changes the row (the one whose key fields are given, else the only one) and lets the engine settle.
    Edit {
        side: Side,
        fields: Vec<(Slot, Value)>,
    },
    Delete {
        side: Side,
        fields: Vec<(Slot, Value)>,
    },
    Expect(Expectation),
    /// The round-trip law on random records.
    Roundtrip {
        count: u32,
        seed: u64,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expectation {
    /// One row of this side has these fields.
    Record {
        side: Side,
        fields: Vec<(Slot, Value)>,
    },
    Nothing {
        side: Side,
    },
    /// Writes of the engine since the last `given` or `edit`; `None`: of both sides together.
    Writes(Vec<(Option<Side>, u32)>),
    /// The row was refused with this code.
    Reject(String),
    Park,
    Conflict,
}
