//! Text to tree and back. Knows no schema and no function.

pub mod ast;
