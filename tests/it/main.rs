//! All integration tests in one binary.

mod diag;
mod diagnostics;
mod lowering;
mod syntax;
