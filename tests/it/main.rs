//! All integration tests in one binary.

mod kernel;
mod syntax;
