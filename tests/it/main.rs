//! All integration tests in one binary.

mod demo_data;
mod maps;
mod metadata;
mod syntax;
