//! All integration tests in one binary.

mod connectors;
mod store;
mod syntax;
