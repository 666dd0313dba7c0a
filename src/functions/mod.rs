//! The function library: a table of entries that describe themselves.
//!
//! Checking, evaluation, documentation and tests read the same entry. A new function is one entry in its family's file.

mod business;
mod calendar;
mod choice;
mod dates;
mod encoding;
mod ids;
mod numbers;
mod parts;
mod pattern;
mod patterns;
mod results;
mod text;
mod whole;

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::value::{Decimal, Kind, Value};
pub use encoding::html_escape;
pub use pattern::{Moment, Pattern, Use};
pub use text::{prefix, title};

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
    /// How a store says the same in a condition, where it does exactly that.
    pub push: Push,
    /// It looks at where its text begins or ends, and a store that pads or cuts moves that place.
    pub looks_at_ends: bool,
    /// The texts that it looks for: beside a constant or at a cut they make it answer otherwise, and there the laws are tried.
    pub sought: &'static [&'static str],
    /// The word of `modulo` under which values compare as they do after this function.
    pub modulo: Option<&'static str>,
    pub doc: &'static str,
    pub examples: &'static [Example],
    pub eval: fn(&[Value]) -> Result<Value, String>,
}

pub struct Parameter {
    pub name: &'static str,
    pub accepts: Accepts,
    /// Must be a literal.
    pub is_constant: bool,
    /// What is wrong with a literal for this parameter.
    pub check: fn(&Value) -> Result<(), String>,
}

/// One form per backend, `{0}` for the first argument. `None`: the store has no such function, or one that differs somewhere.
#[derive(Clone, Copy, Debug)]
pub struct Push {
    /// OData 4.
    pub odata: Option<&'static str>,
    pub dataverse: Option<&'static str>,
    pub finops: Option<&'static str>,
    /// SQLite.
    pub sql: Option<&'static str>,
}

impl std::fmt::Debug for Function {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.name)
    }
}

impl Push {
    const NONE: Self = Self { odata: None, dataverse: None, finops: None, sql: None };

    const fn odata(form: &'static str) -> Self {
        Self { odata: Some(form), ..Self::NONE }
    }
}

/// For functions of white space: a store drops blanks, and nothing else that is white.
const WHITE: &[&str] = &["\t"];

/// What most entries have in common; each names all the rest.
const PLAIN: Function = Function {
    name: "",
    parameters: &[],
    result: results::boolean,
    law: Law::OneWay,
    takes_null: false,
    is_partial: false,
    push: Push::NONE,
    looks_at_ends: false,
    sought: &[],
    modulo: None,
    doc: "",
    examples: &[],
    eval: |_| Ok(Value::Null),
};

/// Which kinds an argument may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepts {
    Text,
    Number,
    Bool,
    Guid,
    /// A day, or an instant of which the UTC day counts.
    Date,
    /// A time of day, or an instant of which the UTC time counts.
    Time,
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

const FAMILIES: &[(&str, &[Function])] = &[
    ("Text", text::ALL),
    ("Parts of texts", parts::ALL),
    ("Text patterns", patterns::ALL),
    ("Business texts", business::ALL),
    ("Numbers", numbers::ALL),
    ("Whole numbers and shares", whole::ALL),
    ("Dates and times", dates::ALL),
    ("The calendar", calendar::ALL),
    ("Choice", choice::ALL),
    ("Ids", ids::ALL),
    ("Encodings", encoding::ALL),
];

/// Every entry with its family's name.
pub fn all() -> impl Iterator<Item = (&'static str, &'static Function)> {
    FAMILIES.iter().flat_map(|(family, entries)| entries.iter().map(move |entry| (*family, entry)))
}

/// All entries by name.
static BY_NAME: LazyLock<HashMap<&str, &Function>> = LazyLock::new(|| all().map(|(_, entry)| (entry.name, entry)).collect());

pub fn find(name: &str) -> Option<&'static Function> {
    BY_NAME.get(name).copied()
}

impl Accepts {
    pub fn admits(self, kind: &Kind) -> bool {
        match self {
            Self::Any => true,
            Self::Text => matches!(kind, Kind::Text { .. }),
            Self::Number => matches!(kind, Kind::Int32 | Kind::Int64 | Kind::Decimal { .. } | Kind::Float64),
            Self::Bool => matches!(kind, Kind::Bool),
            Self::Guid => matches!(kind, Kind::Guid),
            Self::Date => matches!(kind, Kind::Date | Kind::DateTime),
            Self::Time => matches!(kind, Kind::Time | Kind::DateTime),
            Self::DateTime => matches!(kind, Kind::DateTime),
        }
    }

    /// The kind that a text literal takes in this place: `year("2024-02-29")`.
    pub fn literal(self) -> Option<Kind> {
        match self {
            Self::Guid => Some(Kind::Guid),
            Self::Date => Some(Kind::Date),
            Self::Time => Some(Kind::Time),
            Self::DateTime => Some(Kind::DateTime),
            Self::Text | Self::Number | Self::Bool | Self::Any => None,
        }
    }

    pub fn words(self) -> &'static str {
        match self {
            Self::Any => "any value",
            Self::Text => "a text",
            Self::Number => "a number",
            Self::Bool => "yes or no",
            Self::Guid => "a GUID",
            Self::Date => "a date",
            Self::Time => "a time",
            Self::DateTime => "a datetime",
        }
    }
}

const PAGE_HEAD: &str = "# Functions

Written by the function table in `src/functions`; a test holds it equal. A parameter in *italics* is a literal. Null gives null,
unless the entry says otherwise. Lengths are UTF-16 units, instants are cut in UTC.

*In a two-way rule*: **both** – stands on both sides, or is written as `modulo` where there is one; **`<~>`** – loses something, so the
rule says what; **no** – only in one-way rules, filters and conditions. *Filters*: the stores that answer it themselves.
";

/// The page `grammar/functions.md`.
pub fn reference() -> String {
    let mut out = PAGE_HEAD.to_owned();
    for (family, entries) in FAMILIES {
        out.push_str(&format!("\n## {family}\n\n| function | two-way | meaning | example | filters |\n|---|---|---|---|---|\n"));
        for entry in *entries {
            out.push_str(&entry.row());
        }
    }
    out
}

impl Function {
    fn row(&self) -> String {
        let name = |it: &Parameter| if it.is_constant { format!("*{}*", it.name) } else { it.name.to_owned() };
        let names: Vec<String> = self.parameters.iter().map(name).collect();
        let law = match self.law {
            Law::Canon => "both",
            Law::Retract => "`<~>`",
            Law::OneWay => "no",
        };
        let partial = if self.is_partial { " *May fail: needs `else`.*" } else { "" };
        let null = if self.takes_null { " *Takes null.*" } else { "" };
        let example = &self.examples[0];
        let call = format!("`{}` → `{}`", example.call, example.result).replace('|', "\\|");
        format!(
            "| {}({}) | {law} | {}{partial}{null} | {call} | {} |\n",
            self.name,
            names.join(", "),
            self.doc,
            self.push.stores()
        )
    }
}

impl Push {
    fn stores(&self) -> String {
        let all = [("OData", self.odata), ("Dataverse", self.dataverse), ("F&O", self.finops), ("SQLite", self.sql)];
        all.iter().filter(|(_, form)| form.is_some()).map(|(store, _)| *store).collect::<Vec<_>>().join(", ")
    }
}

const fn parameter(name: &'static str, accepts: Accepts) -> Parameter {
    Parameter { name, accepts, is_constant: false, check: |_| Ok(()) }
}

/// A literal.
const fn constant(name: &'static str, accepts: Accepts, check: fn(&Value) -> Result<(), String>) -> Parameter {
    Parameter { name, accepts, is_constant: true, check }
}

/// A literal count, from 0.
const fn count(name: &'static str) -> Parameter {
    constant(name, Accepts::Number, |value| match int_of(value)? {
        0..=COUNT_MAX => Ok(()),
        other => Err(format!("{other} is no count from 0 to {COUNT_MAX}")),
    })
}

/// A literal text, which may be empty.
const fn words(name: &'static str) -> Parameter {
    constant(name, Accepts::Text, |value| value.as_text().map(|_| ()).ok_or_else(|| format!("{value} is no text")))
}

/// A literal text that says something.
const fn filled(name: &'static str) -> Parameter {
    constant(name, Accepts::Text, |value| match value.as_text() {
        Some(text) if !text.is_empty() => Ok(()),
        Some(_) | None => Err("the text is empty".to_owned()),
    })
}

/// Largest literal count; also the longest text that padding makes.
const COUNT_MAX: i64 = 100_000;

/// An argument that the checker has proved to be a text.
fn text_of(value: &Value) -> &str {
    value.as_text().unwrap_or("")
}

fn int_of(value: &Value) -> Result<i64, String> {
    match value {
        Value::Int(number) => Ok(*number),
        Value::Decimal(number) => number.to_int().ok_or_else(|| format!("{number} is not a whole number")),
        Value::Float(number) => {
            let whole = number.0.to_string().parse::<Decimal>().ok().and_then(Decimal::to_int);
            whole.ok_or_else(|| format!("{} is not a whole number", number.0))
        }
        other => Err(format!("{other} is not a whole number")),
    }
}

/// UTF-16 units of a text.
fn units(text: &str) -> usize {
    text.encode_utf16().count()
}
