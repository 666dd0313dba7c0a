//! Compiled maps shown to people: how they depend on each other, what differs between two versions, and their documentation.
//!
//! Everything here is made from a program and what was written of it; the caller reads and writes files.

pub mod diff;
pub mod doc;
pub mod graph;
pub mod words;
