//! The table of diagnostic codes. A number is never reused.
//!
//! The pages that `dwmap explain` shows stand in `explain/`, one file per code.

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
pub const DRIFT: Code = Code(105);
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
pub const OUTSIDE_MAP: Code = Code(212);
pub const PARTS_DIFFER: Code = Code(213);
pub const LOST: Code = Code(302);
pub const WEAKER: Code = Code(303);
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
pub const NOT_STABLE: Code = Code(314);
pub const LOOSE_FIELD: Code = Code(315);
pub const SAMPLED: Code = Code(316);
pub const KEY: Code = Code(401);
pub const KEY_NOT_UNIQUE: Code = Code(402);
pub const REKEY: Code = Code(403);
pub const KEY_COLLISION: Code = Code(404);
pub const GLOBAL: Code = Code(405);
pub const PARTITION_RULE: Code = Code(406);
pub const LOOKUP: Code = Code(407);
pub const NO_WAY_IN: Code = Code(408);
pub const TWO_PHASES: Code = Code(409);
pub const NOBODY_MAKES: Code = Code(410);
pub const IMAGE_OUT_OF_SCOPE: Code = Code(501);
pub const NO_EXIT: Code = Code(502);
pub const CONSTANT_OUT_OF_SCOPE: Code = Code(503);
pub const PARTLY_PUSHED: Code = Code(504);
pub const NULL_MEANING: Code = Code(505);
pub const OVERLAP: Code = Code(506);
pub const GAP: Code = Code(507);
pub const NO_CONFLICT_POLICY: Code = Code(601);
pub const NEWEST: Code = Code(602);
pub const NO_DELETE_POLICY: Code = Code(604);
pub const ORPHANS: Code = Code(605);
pub const NO_SUCH_RULE: Code = Code(702);
pub const SEALED: Code = Code(703);
pub const EQUAL_RANK: Code = Code(704);
pub const BASE_CHANGED: Code = Code(705);
pub const NEEDED: Code = Code(706);
pub const UNUSED: Code = Code(707);
pub const DEAD_RULE: Code = Code(801);
pub const NOT_EXERCISED: Code = Code(802);
pub const CLOCK: Code = Code(803);

const fn error(code: Code, title: &'static str, explanation: &'static str) -> Info {
    Info { code, severity: Severity::Error, title, explanation }
}

const fn warning(code: Code, title: &'static str, explanation: &'static str) -> Info {
    Info { code, severity: Severity::Warning, title, explanation }
}

const fn hint(code: Code, title: &'static str, explanation: &'static str) -> Info {
    Info { code, severity: Severity::Hint, title, explanation }
}

/// Every code, by number.
pub static ALL: &[Info] = &[
    error(SYNTAX, "the text is not in the form of the language", include_str!("explain/0001.md")),
    error(UNKNOWN_NAME, "a name that nothing has", include_str!("explain/0101.md")),
    error(ACCESS, "a field cannot be read or written in the direction that the arrow needs", include_str!("explain/0102.md")),
    error(NO_COMMON_TYPE, "the two sides have no common type", include_str!("explain/0103.md")),
    error(SCHEMA, "a schema snapshot is missing, or is not the one in the lock", include_str!("explain/0104.md")),
    warning(DRIFT, "the live system is not as its snapshot says", include_str!("explain/0105.md")),
    error(REQUIRED, "a field that new rows need has no source", include_str!("explain/0201.md")),
    error(NULLABLE, "null may come where the target holds no null", include_str!("explain/0202.md")),
    error(TOO_LONG, "a text may be longer than the target", include_str!("explain/0203.md")),
    error(NARROWS, "a number may not fit the target's range or digits", include_str!("explain/0204.md")),
    error(DATE_LOSS, "a part of a date or time would be lost", include_str!("explain/0205.md")),
    error(PARTIAL, "an operation that can fail has no `else`", include_str!("explain/0206.md")),
    error(NOT_COVERED, "a value map has no row for a member of the source", include_str!("explain/0207.md")),
    error(NO_SUCH_MEMBER, "a value map yields a member that the target lacks", include_str!("explain/0208.md")),
    error(OPEN_SET, "members may be added later, and nothing says what becomes of them", include_str!("explain/0209.md")),
    warning(UNREACHABLE, "a row, default or `else` is never reached", include_str!("explain/0210.md")),
    error(OUTSIDE_MAP, "at run time: a value that the map refuses", include_str!("explain/0212.md")),
    error(PARTS_DIFFER, "at run time: two rules give one field different values", include_str!("explain/0213.md")),
    error(LOST, "`<->` claims that nothing is lost, and something is", include_str!("explain/0302.md")),
    hint(WEAKER, "the arrow says that something is lost, and nothing is", include_str!("explain/0303.md")),
    error(ONE_WAY_FUNCTION, "a two-way rule uses a function that has no way back", include_str!("explain/0304.md")),
    error(SECTION, "one side can hold a value that the other cannot equal", include_str!("explain/0305.md")),
    error(NOT_IDEMPOTENT, "what a side writes does not read back as itself", include_str!("explain/0306.md")),
    error(ABSORPTION, "the rule never settles, because a store changes what it is given", include_str!("explain/0307.md")),
    error(AMBIGUOUS_SPLIT, "a joined text can be taken apart in more than one way", include_str!("explain/0308.md")),
    error(PREFERRED_REVERSE, "a value has no preferred reverse, or two", include_str!("explain/0309.md")),
    warning(NO_LOSES, "`<~>` does not say what it loses", include_str!("explain/0310.md")),
    error(TWO_WRITERS, "two active rules write one field in one direction", include_str!("explain/0311.md")),
    error(CYCLE, "fields are derived from each other in a circle", include_str!("explain/0312.md")),
    error(GUARD, "a guard has no answer in one direction", include_str!("explain/0313.md")),
    error(NOT_STABLE, "a write takes the row out of its scope, guard or key", include_str!("explain/0314.md")),
    warning(LOOSE_FIELD, "`modulo` on a field that a filter or another map's key reads", include_str!("explain/0315.md")),
    hint(SAMPLED, "a law of a rule was tried on many values and not proved", include_str!("explain/0316.md")),
    error(KEY, "a map has no key, or one that is not exact both ways", include_str!("explain/0401.md")),
    error(KEY_NOT_UNIQUE, "the key does not cover a unique key of a side that is searched", include_str!("explain/0402.md")),
    warning(REKEY, "a key field can change, and no policy says what then", include_str!("explain/0403.md")),
    error(KEY_COLLISION, "keys that one store tells apart are one for the other", include_str!("explain/0404.md")),
    error(GLOBAL, "one side keeps its rows per company, the other does not", include_str!("explain/0405.md")),
    error(PARTITION_RULE, "the partition column stands in an ordinary rule", include_str!("explain/0406.md")),
    error(LOOKUP, "the target of `via` is missing or not unique", include_str!("explain/0407.md")),
    error(NO_WAY_IN, "maps refer to each other in a circle that no new row can enter", include_str!("explain/0408.md")),
    hint(TWO_PHASES, "rows that refer to each other are made in two steps", include_str!("explain/0409.md")),
    error(NOBODY_MAKES, "`on missing create`, and no map can make the row", include_str!("explain/0410.md")),
    error(
        IMAGE_OUT_OF_SCOPE,
        "a row in scope on one side arrives outside of the other's filter",
        include_str!("explain/0501.md"),
    ),
    error(NO_EXIT, "a row can leave the filter, and nothing says what then happens", include_str!("explain/0502.md")),
    error(CONSTANT_OUT_OF_SCOPE, "a constant contradicts the filter", include_str!("explain/0503.md")),
    hint(PARTLY_PUSHED, "a filter that the system answers only in part", include_str!("explain/0504.md")),
    warning(
        NULL_MEANING,
        "a comparison means something else for the store where the field is null",
        include_str!("explain/0505.md"),
    ),
    error(OVERLAP, "two maps can take the same row to the same target", include_str!("explain/0506.md")),
    warning(GAP, "maps that share out the rows of an entity leave some", include_str!("explain/0507.md")),
    error(NO_CONFLICT_POLICY, "both sides can change a field, and no policy says who wins", include_str!("explain/0601.md")),
    warning(NEWEST, "`newest` has no times to compare", include_str!("explain/0602.md")),
    error(NO_DELETE_POLICY, "nothing says what a delete does to the other side", include_str!("explain/0604.md")),
    warning(ORPHANS, "a delete would orphan rows of another map", include_str!("explain/0605.md")),
    error(NO_SUCH_RULE, "a layer changes a rule that its base does not have", include_str!("explain/0702.md")),
    error(SEALED, "a layer changes a rule that its base has sealed", include_str!("explain/0703.md")),
    error(EQUAL_RANK, "two layers of equal rank change one rule", include_str!("explain/0704.md")),
    warning(BASE_CHANGED, "a base rule changed since the override was written", include_str!("explain/0705.md")),
    error(NEEDED, "a layer drops a key, a required field or a field of the filter", include_str!("explain/0706.md")),
    warning(UNUSED, "nothing uses this name", include_str!("explain/0707.md")),
    warning(DEAD_RULE, "a guard never holds under the filter", include_str!("explain/0801.md")),
    hint(NOT_EXERCISED, "no test sees the rule at work", include_str!("explain/0802.md")),
    error(CLOCK, "the clock or a fresh id outside `on create`", include_str!("explain/0803.md")),
];

/// The row of a code.
pub fn info(code: Code) -> &'static Info {
    find(code).expect("every code that is reported has a row in the table")
}

/// The row of a code that somebody typed.
pub fn find(code: Code) -> Option<&'static Info> {
    ALL.iter().find(|it| it.code == code)
}

/// The page `grammar/codes.md`.
pub fn reference() -> String {
    let mut out = String::from("# Diagnostic codes\n\nWritten by the table in `src/diag/codes.rs`; a test holds it equal.\n\n");
    out.push_str("| code | | meaning |\n|---|---|---|\n");
    for info in ALL {
        out.push_str(&format!(
            "| [{code}](#{anchor}) | {} | {} |\n",
            info.severity.word(),
            info.title,
            code = info.code,
            anchor = anchor(info.code)
        ));
    }
    for info in ALL {
        out.push_str(&format!("\n## {}\n\n*{}: {}.*\n\n{}", info.code, info.severity.word(), info.title, info.explanation));
    }
    out
}

fn anchor(code: Code) -> String {
    code.to_string().to_lowercase()
}
