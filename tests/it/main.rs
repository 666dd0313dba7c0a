//! All integration tests in one binary.

mod broken;
mod format;
mod syntax;
