//! All integration tests in one binary.

mod lowering;
mod syntax;
