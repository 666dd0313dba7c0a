//! All integration tests in one binary.

mod connectors;
mod demo_data;
mod diag;
mod format;
mod kernel;
mod maps;
mod metadata;
mod odata;
mod store;
mod syntax;
