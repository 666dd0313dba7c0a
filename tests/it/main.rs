//! All integration tests in one binary.

mod connectors;
mod maps;
mod metadata;
mod store;
mod syntax;
