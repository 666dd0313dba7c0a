//! All integration tests in one binary.

mod odata;
mod sandbox;
mod syntax;
