//! All integration tests in one binary.

mod odata;
mod syntax;
