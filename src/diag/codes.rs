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
pub const UNKNOWN_NAME: Code = Code(101);
pub const ACCESS: Code = Code(102);
pub const NO_COMMON_TYPE: Code = Code(103);
pub const SCHEMA: Code = Code(104);
pub const REQUIRED: Code = Code(201);
pub const NULLABLE: Code = Code(202);
pub const TOO_LONG: Code = Code(203);
pub const NARROWS: Code = Code(204);
pub const DATE_LOSS: Code = Code(205);
pub const PARTIAL: Code = Code(206);
pub const NOT_COVERED: Code = Code(207);
pub const NO_SUCH_MEMBER: Code = Code(208);
pub const OPEN_SET: Code = Code(209);
pub const UNREACHABLE: Code = Code(210);
pub const LOST: Code = Code(302);
pub const ONE_WAY_FUNCTION: Code = Code(304);
pub const SECTION: Code = Code(305);
pub const NOT_IDEMPOTENT: Code = Code(306);
pub const ABSORPTION: Code = Code(307);
pub const AMBIGUOUS_SPLIT: Code = Code(308);
pub const PREFERRED_REVERSE: Code = Code(309);
pub const NO_LOSES: Code = Code(310);
pub const TWO_WRITERS: Code = Code(311);
pub const CYCLE: Code = Code(312);
pub const GUARD: Code = Code(313);
pub const KEY: Code = Code(401);
pub const KEY_NOT_UNIQUE: Code = Code(402);
pub const REKEY: Code = Code(403);
pub const PARTITION_RULE: Code = Code(406);
pub const LOOKUP: Code = Code(407);
pub const NO_CONFLICT_POLICY: Code = Code(601);
pub const NO_DELETE_POLICY: Code = Code(604);
pub const CLOCK: Code = Code(803);

const fn row(code: Code, severity: Severity, title: &'static str) -> Info {
    Info { code, severity, title, explanation: "" }
}

pub static ALL: &[Info] = &[
    row(SYNTAX, Severity::Error, "the text is not in the form of the language"),
    row(UNKNOWN_NAME, Severity::Error, "a name that does not exist"),
    row(ACCESS, Severity::Error, "a field cannot be read or written in the direction that the arrow needs"),
    row(NO_COMMON_TYPE, Severity::Error, "the two sides have no common type"),
    row(SCHEMA, Severity::Error, "a schema snapshot is missing, or is not the locked one"),
    row(REQUIRED, Severity::Error, "a field that is required on create has no source"),
    row(NULLABLE, Severity::Error, "a value that may be null meets a field that may not"),
    row(TOO_LONG, Severity::Error, "a text may be longer than its target"),
    row(NARROWS, Severity::Error, "a number may not fit its target"),
    row(DATE_LOSS, Severity::Error, "a part of a date or time is lost"),
    row(PARTIAL, Severity::Error, "an operation can fail and nothing says what then happens"),
    row(NOT_COVERED, Severity::Error, "a value map leaves out a member of its source"),
    row(NO_SUCH_MEMBER, Severity::Error, "a value map yields a member that its target lacks"),
    row(OPEN_SET, Severity::Error, "a set to which members may be added has no `else`"),
    row(UNREACHABLE, Severity::Warning, "a row, default or `else` that is never used"),
    row(LOST, Severity::Error, "`<->` is claimed, but essential information is lost"),
    row(ONE_WAY_FUNCTION, Severity::Error, "a one-way function stands in a two-way rule"),
    row(SECTION, Severity::Error, "one side can hold a value that the other cannot equal"),
    row(NOT_IDEMPOTENT, Severity::Error, "a composition of functions is not idempotent"),
    row(ABSORPTION, Severity::Error, "a store changes what is written so that the rule sees it"),
    row(AMBIGUOUS_SPLIT, Severity::Error, "a joined text can be split in two ways"),
    row(PREFERRED_REVERSE, Severity::Error, "a right value has no or two preferred reverses"),
    row(NO_LOSES, Severity::Warning, "`<~>` does not say what is lost"),
    row(TWO_WRITERS, Severity::Error, "two active rules write one field"),
    row(CYCLE, Severity::Error, "fields are derived from each other in a circle"),
    row(GUARD, Severity::Error, "a guard cannot be evaluated in a direction"),
    row(KEY, Severity::Error, "the map has no key, or its key is not an equation of equals"),
    row(KEY_NOT_UNIQUE, Severity::Error, "the key is not unique on a side that must be matched"),
    row(REKEY, Severity::Warning, "a key field can change and no `on rekey` says what then happens"),
    row(PARTITION_RULE, Severity::Error, "the partition's field stands in an ordinary rule"),
    row(LOOKUP, Severity::Error, "the target of `via` is missing or not unique"),
    row(NO_CONFLICT_POLICY, Severity::Error, "nothing says who wins when both sides change"),
    row(NO_DELETE_POLICY, Severity::Error, "nothing says what a delete does to the other side"),
    row(CLOCK, Severity::Error, "clock or randomness outside `on create`"),
];

/// The row of a code.
pub fn info(code: Code) -> &'static Info {
    ALL.iter().find(|it| it.code == code).expect("every code that is reported has a row in the table")
}
