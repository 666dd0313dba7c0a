//! Regular expressions: matched in time linear in the text, with a bound on the size of the compiled form.
//!
//! The `regex` crate is the one engine with that guarantee; a backtracking one would let a text stop the service.

use std::cell::RefCell;

use regex::{Regex, RegexBuilder};

use super::results::{boolean, same};
use super::{Accepts, Example, Function, PLAIN, Parameter, constant, parameter, text_of};
use crate::value::Value;

/// Longest pattern in bytes.
const PATTERN_MAX: usize = 1_000;

/// Largest compiled pattern in bytes.
const COMPILED_MAX: usize = 1 << 20;

/// Compiled patterns that are remembered per thread.
const REMEMBERED_MAX: usize = 64;

const MATCH: &[Parameter] = &[parameter("text", Accepts::Text), constant("pattern", Accepts::Text, is_pattern)];

pub const ALL: &[Function] = &[
    Function {
        name: "matches",
        parameters: MATCH,
        result: boolean,
        doc: "Whether the whole text has this form, a regular expression.",
        examples: &[
            Example { call: r#"matches("US-001", "[A-Z]{2}-[0-9]+")"#, result: r#"true"# },
            Example { call: r#"matches("US-001 ", "[A-Z]{2}-[0-9]+")"#, result: r#"false"# },
        ],
        eval: |args| {
            compiled(text_of(&args[1]), |it| {
                let text = text_of(&args[0]);
                Value::Bool(it.whole.is_match(text))
            })
        },
        ..PLAIN
    },
    Function {
        name: "has_match",
        parameters: MATCH,
        result: boolean,
        doc: "Whether some part of the text has this form, a regular expression.",
        examples: &[Example { call: r#"has_match("Box 17", "[0-9]")"#, result: r#"true"# }],
        eval: |args| compiled(text_of(&args[1]), |it| Value::Bool(it.part.is_match(text_of(&args[0])))),
        ..PLAIN
    },
    Function {
        name: "extract",
        parameters: MATCH,
        result: same,
        is_partial: true,
        doc: "The first part of this form: its first group, or all of it without one; fails where there is none.",
        examples: &[
            Example { call: r#"extract("Order 4711 of May", "[0-9]+")"#, result: r#""4711""# },
            Example { call: r#"extract("id=7;", "id=([0-9]+)")"#, result: r#""7""# },
        ],
        eval: |args| extract(text_of(&args[0]), text_of(&args[1])),
        ..PLAIN
    },
];

struct Compiled {
    part: Regex,
    whole: Regex,
}

fn compile(pattern: &str) -> Result<Compiled, String> {
    if pattern.len() > PATTERN_MAX {
        return Err(format!("the pattern is longer than {PATTERN_MAX} bytes"));
    }
    let build = |pattern: &str| RegexBuilder::new(pattern).size_limit(COMPILED_MAX).build();
    // The pattern alone must be right, so that its parentheses cannot close the ones around it.
    let part = build(pattern).map_err(|error| in_one_line(&error.to_string()))?;
    let whole = build(&format!(r"\A(?:{pattern})\z")).map_err(|error| in_one_line(&error.to_string()))?;
    Ok(Compiled { part, whole })
}

/// The engine draws the place over several lines; its last one says what is wrong.
fn in_one_line(message: &str) -> String {
    let last = message.lines().last().unwrap_or(message);
    format!("no regular expression: {}", last.trim_start_matches("error: "))
}

fn is_pattern(value: &Value) -> Result<(), String> {
    compile(text_of(value)).map(|_| ())
}

/// Compiling costs a thousand times what matching costs, so the last patterns are remembered. This changes no result.
fn compiled<T>(pattern: &str, use_it: impl FnOnce(&Compiled) -> T) -> Result<T, String> {
    thread_local! {
        static REMEMBERED: RefCell<Vec<(String, Compiled)>> = const { RefCell::new(Vec::new()) };
    }
    REMEMBERED.with_borrow_mut(|remembered| {
        let index = match remembered.iter().position(|(known, _)| known == pattern) {
            Some(index) => index,
            None => {
                let new = compile(pattern)?;
                if remembered.len() >= REMEMBERED_MAX {
                    remembered.remove(0);
                }
                remembered.push((pattern.to_owned(), new));
                remembered.len() - 1
            }
        };
        Ok(use_it(&remembered[index].1))
    })
}

fn extract(text: &str, pattern: &str) -> Result<Value, String> {
    let found = compiled(pattern, |it| {
        let groups = it.part.captures(text)?;
        groups.get(1).or_else(|| groups.get(0)).map(|it| Value::text(it.as_str()))
    })?;
    found.ok_or_else(|| format!("{text:?} has no part of the form {pattern}"))
}
