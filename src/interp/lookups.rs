//! What is known of references: questions that an expression asks, and their answers.

use std::collections::HashMap;

use crate::ir::RefId;
use crate::value::{Timestamp, Uuid, Value};

/// A question about a reference that only a system can answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Query {
    /// The key of the row that this id refers to.
    KeyOf { reference: RefId, id: Value },
    /// The id of the row with this key. One column: its value; several: a tuple. Where the reference is
    /// partitioned, the tuple starts with the partition's canonical value.
    IdOf { reference: RefId, key: Value },
}

impl Query {
    pub fn reference(&self) -> RefId {
        match self {
            Self::KeyOf { reference, .. } | Self::IdOf { reference, .. } => *reference,
        }
    }
}

/// What is known of a reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution {
    Found(Value),
    /// There is no such row now.
    Missing,
}

/// The answers that one decision may use. They are collected before it is made, so that it stays pure.
#[derive(Clone, Debug, Default)]
pub struct Lookups {
    known: HashMap<Query, Resolution>,
    stamp: Option<Stamp>,
}

/// The instant of a step and its name: what `now()` gives, and what `uuid()` is made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    pub now: Timestamp,
    pub op: Uuid,
}

impl Lookups {
    /// The step that decides now. What it makes is written down before it is sent, so that a retry sends the same.
    pub fn begin(&mut self, stamp: Stamp) {
        self.stamp = Some(stamp);
    }

    pub fn stamp(&self) -> Option<Stamp> {
        self.stamp
    }

    pub fn insert(&mut self, query: Query, resolution: Resolution) {
        self.known.insert(query, resolution);
    }

    /// What was missing may be there by now.
    pub fn forget_missing(&mut self) {
        self.known.retain(|_, it| *it != Resolution::Missing);
    }

    pub fn get(&self, query: &Query) -> Option<&Resolution> {
        self.known.get(query)
    }
}
