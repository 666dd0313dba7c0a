//! Text to tree and back. Knows no schema and no function.

pub mod ast;
pub mod format;
mod lexer;
mod parser;
mod slice;
pub mod words;

pub use parser::{ERRORS_PER_FILE_MAX, ITEMS_MAX, parse, parse_all};
