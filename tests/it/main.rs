//! All integration tests in one binary.

mod maps;
mod metadata;
mod syntax;
