//! Text to tree and back. Knows no schema and no function.

pub mod ast;
mod lexer;
mod parser;
mod slice;

pub use parser::parse;
