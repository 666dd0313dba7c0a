//! All integration tests in one binary.

mod metadata;
mod syntax;
