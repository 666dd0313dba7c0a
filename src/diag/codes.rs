//! The table of diagnostic codes. A number is never reused.

use super::{Code, Severity};

/// One row: what a code means, for everybody who reads about it.
pub struct Info {
    pub code: Code,
    pub severity: Severity,
    /// One sentence.
    pub title: &'static str,
    /// The `explain` page: why it matters, a wrong and a right example.
    pub explanation: &'static str,
}

pub const SYNTAX: Code = Code(1);

pub static ALL: &[Info] =
    &[Info { code: SYNTAX, severity: Severity::Error, title: "the text is not in the form of the language", explanation: "" }];

/// The row of a code.
pub fn info(code: Code) -> &'static Info {
    ALL.iter().find(|it| it.code == code).expect("every code that is reported has a row in the table")
}
