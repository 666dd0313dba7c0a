//! All integration tests in one binary.

mod broken;
mod editors;
mod format;
mod pages;
mod syntax;
