//! dwmap: a typed two-way mapping language and the runtime that executes it.
//!
//! The layers, in reading order; a layer uses only those above it (`tests/it/tidy.rs` holds this).

pub mod crew;

pub mod source;

pub mod diag;

pub mod value;

pub mod schema;

pub mod change;

pub mod syntax;

pub mod functions;

pub mod ir;

pub mod interp;

pub mod check;

pub mod import;

pub mod view;

pub mod engine;
pub mod failpoint;

pub mod connect;

pub mod store;

pub mod runtime;

pub mod sandbox;

pub mod cli;
