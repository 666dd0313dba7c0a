//! The synchronisation protocol as a state machine: one event in, effects out. No IO, clock, randomness or thread.

pub mod awaited;
pub mod flight;
pub mod link;
pub mod merge;
mod settle;
