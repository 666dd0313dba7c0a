//! The function library: a table of entries that describe themselves.
//!
//! Checking, evaluation, documentation and tests read the same entry. A new function is one entry in its family's file.

mod choice;
mod dates;
mod numbers;
mod text;

use crate::value::{Kind, Value};

/// One function of the language.
pub struct Function {
    pub name: &'static str,
    pub parameters: &'static [Parameter],
    /// The kind of the result, from the kinds of the arguments and their values where they are constant. Text growth is part of it.
    pub result: fn(&[Kind], &[Option<Value>]) -> Kind,
    pub law: Law,
    /// Otherwise a null argument gives null without a call.
    pub takes_null: bool,
    /// It has no value for some arguments: the rule needs an `else`.
    pub is_partial: bool,
    pub doc: &'static str,
    pub examples: &'static [Example],
    pub eval: fn(&[Value]) -> Result<Value, String>,
}

pub struct Parameter {
    pub name: &'static str,
    pub accepts: Accepts,
    /// Must be a literal.
    pub is_constant: bool,
}

/// Which kinds an argument may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepts {
    Text,
    Number,
    Date,
    DateTime,
    Any,
}

/// How a function behaves in a two-way rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Law {
    /// Idempotent: applying it again changes nothing. What it forgets is inessential, and both sides must apply it.
    Canon,
    /// Idempotent, and it forgets something: `<~>`.
    Retract,
    OneWay,
}

/// A call and what it gives, both as the language writes them.
pub struct Example {
    pub call: &'static str,
    pub result: &'static str,
}

const FAMILIES: &[(&str, &[Function])] =
    &[("Text", text::ALL), ("Numbers", numbers::ALL), ("Dates", dates::ALL), ("Choice", choice::ALL)];

/// Every entry with its family's name.
pub fn all() -> impl Iterator<Item = (&'static str, &'static Function)> {
    FAMILIES.iter().flat_map(|(family, entries)| entries.iter().map(move |entry| (*family, entry)))
}

pub fn find(name: &str) -> Option<&'static Function> {
    all().map(|(_, entry)| entry).find(|entry| entry.name == name)
}

impl Accepts {
    pub fn admits(self, kind: &Kind) -> bool {
        match self {
            Self::Any => true,
            Self::Text => matches!(kind, Kind::Text { .. }),
            Self::Number => matches!(kind, Kind::Int32 | Kind::Int64 | Kind::Decimal { .. } | Kind::Float64),
            Self::Date => matches!(kind, Kind::Date | Kind::DateTime),
            Self::DateTime => matches!(kind, Kind::DateTime),
        }
    }

    pub fn words(self) -> &'static str {
        match self {
            Self::Any => "any value",
            Self::Text => "a text",
            Self::Number => "a number",
            Self::Date => "a date",
            Self::DateTime => "a datetime",
        }
    }
}

/// The page `grammar/functions.md`.
pub fn reference() -> String {
    let mut out = String::from("# Functions\n\nWritten by the function table in `src/functions`; a test holds it equal.\n");
    for (family, entries) in FAMILIES {
        out.push_str(&format!("\n## {family}\n\n| function | in a two-way rule | meaning | example |\n|---|---|---|---|\n"));
        for entry in *entries {
            let names: Vec<&str> = entry.parameters.iter().map(|it| it.name).collect();
            let law = match entry.law {
                Law::Canon => "on both sides, or `modulo`",
                Law::Retract => "with `<~>`",
                Law::OneWay => "no",
            };
            let partial = if entry.is_partial { "; may fail: needs `else`" } else { "" };
            let example = &entry.examples[0];
            let (name, doc) = (entry.name, entry.doc);
            out.push_str(&format!(
                "| `{name}({})` | {law} | {doc}{partial} | `{}` → `{}` |\n",
                names.join(", "),
                example.call,
                example.result
            ));
        }
    }
    out
}

const fn parameter(name: &'static str, accepts: Accepts) -> Parameter {
    Parameter { name, accepts, is_constant: false }
}

const fn constant(name: &'static str, accepts: Accepts) -> Parameter {
    Parameter { name, accepts, is_constant: true }
}

/// An argument that the checker has proved to be a text.
fn text_of(value: &Value) -> &str {
    value.as_text().unwrap_or("")
}

fn int_of(value: &Value) -> Result<i64, String> {
    match value {
        Value::Int(number) => Ok(*number),
        Value::Decimal(number) => number.to_int().ok_or_else(|| format!("{number} is not a whole number")),
        other => Err(format!("{other} is not a whole number")),
    }
}

/// A constant count or length, 0 where it is not known.
fn known(constants: &[Option<Value>], index: usize) -> u32 {
    match constants.get(index) {
        Some(Some(Value::Int(number))) => u32::try_from(*number).unwrap_or(0),
        _ => 0,
    }
}
