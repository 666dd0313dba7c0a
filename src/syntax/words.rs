//! The words of the language, said once: the slicer, the formatter and the editors' grammars read them here.
//!
//! All of them are contextual: each may also name a field, and backticks always make a name.

/// Words that open an item when they stand in the first column.
pub const ITEMS: &[&str] = &["use", "system", "entity", "profile", "values", "fn", "canon", "iso", "param", "map", "test"];

/// Items that end with their line and what continues it; the others have a body in braces.
pub const WITHOUT_BODY: &[&str] = &["use", "system", "fn", "canon", "param"];

/// Words inside the head of an item.
pub const HEADS: &[&str] = &["as", "from", "extends", "in"];

/// Words that open a line of a map; without one, the line is a rule.
pub const MEMBERS: &[&str] = &["version", "partition", "key", "filter", "override", "drop", "seal", "for", "on"];

/// Words that open a clause and continue the line before when they start a line inside a map.
pub const CLAUSES: &[&str] = &["via", "modulo", "when", "else", "loses", "split"];

/// What `on` may be followed by, in a clause or in a policy.
pub const EVENTS: &[&str] = &["create", "update", "missing", "conflict", "delete", "exit", "rekey", "error"];

/// Those of a rule's own clauses, and those of a policy.
pub const RULE_EVENTS: &[&str] = &["create", "update", "missing", "conflict"];
pub const MAP_EVENTS: &[&str] = &["conflict", "delete", "exit", "rekey", "error", "missing"];

/// Who wins a conflict.
pub const CONFLICTS: &[&str] = &["newest", "prefer", "manual"];

/// What a deletion does on the other side.
pub const DELETIONS: &[&str] = &["delete", "set", "refuse", "ignore"];

/// What happens to a value or a row that a rule cannot carry; `null` is a constant as well.
pub const ACTIONS: &[&str] = &["reject", "park", "skip", "create"];

/// The answers of policies and clauses.
pub const POLICIES: &[&str] = &[
    "newest",
    "prefer",
    "manual",
    "delete",
    "set",
    "refuse",
    "ignore",
    "detach",
    "deactivate",
    "reject",
    "rename",
    "retry",
    "park",
    "pause",
    "first",
    "last",
    "because",
];

/// Words before a field of an entity.
pub const ROLES: &[&str] = &["partition", "key", "unique"];

/// Words behind the type of a field of an entity.
pub const MARKS: &[&str] = &["required", "readonly", "modified"];

/// Words that open a step of a test.
pub const STEPS: &[&str] = &["given", "edit", "delete", "expect", "roundtrip"];

/// Words inside a step of a test.
pub const EXPECTATIONS: &[&str] = &["nothing", "writes", "reject", "park", "conflict", "seed"];

/// Operators that are words.
pub const OPERATORS: &[&str] = &["and", "or", "not", "in", "if", "then", "else"];

/// Values that are words; `it` is the argument of an `iso`.
pub const CONSTANTS: &[&str] = &["true", "false", "null", "it"];

/// The built-in types, and the words that make one out of others.
pub const TYPES: &[&str] = &[
    "bool", "int32", "int64", "decimal", "float64", "text", "guid", "date", "time", "datetime", "binary", "lookup", "enum",
    "choice", "choices", "set",
];

/// Every table of words, by the name that editors use.
pub const ALL: &[(&str, &[&str])] = &[
    ("items", ITEMS),
    ("heads", HEADS),
    ("members", MEMBERS),
    ("clauses", CLAUSES),
    ("events", EVENTS),
    ("actions", ACTIONS),
    ("policies", POLICIES),
    ("roles", ROLES),
    ("marks", MARKS),
    ("steps", STEPS),
    ("expectations", EXPECTATIONS),
    ("operators", OPERATORS),
    ("constants", CONSTANTS),
    ("types", TYPES),
];

/// A list in a sentence: `use`, `system`, … in backticks.
pub fn listed(words: &[&str]) -> String {
    words.iter().map(|it| format!("`{it}`")).collect::<Vec<_>>().join(", ")
}
