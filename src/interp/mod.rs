//! Runs compiled rules on records. Pure: what it cannot know it asks for, see [`Stop::Unresolved`].

mod convert;
mod eval;
mod flat;
mod lookups;
mod rules;

pub use convert::{convert, round, to_decimal, utf16_length};
pub use flat::Prepared;
pub use lookups::{Lookups, Query, Resolution, Stamp};
pub use rules::{
    Rows, agree, guard_holds, in_scope, is_no_key, key, may_be_left_out, normalise, partition, put, read, refer_alike, referring,
    write,
};

use crate::change::Class;
use crate::ir::Plan;

/// A plan and what is known of the references it meets.
#[derive(Clone, Copy)]
pub struct Cx<'a> {
    pub plan: &'a Plan,
    pub lookups: &'a Lookups,
}

/// Why an expression has no value.
#[derive(Clone, Debug, PartialEq)]
pub enum Stop {
    /// A reference must be looked up first; ask again with the answer.
    Unresolved(Query),
    /// The row cannot be carried: refused, or parked until something changes.
    Refused(Refusal),
    /// The rule does not take part for this row (`else skip`).
    Skip,
}

/// Which rule could not carry which value, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// `DW0212`, `DW0213`; the code that a `test` item expects.
    pub code: &'static str,
    pub rule: String,
    pub message: String,
    pub class: Class,
    /// Parked: to be tried again when something changes; else rejected.
    pub is_parked: bool,
    /// The row that is waited for.
    pub waits_on: Option<Query>,
    /// The map of that row is asked to make it now (`on missing create`).
    pub is_summoned: bool,
}
