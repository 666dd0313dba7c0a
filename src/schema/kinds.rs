//! The written form of types: `text<20>?`, `decimal<32,6>`, `lookup account | contact`, the name of a member set.

use std::sync::Arc;

use indexmap::IndexMap;

use crate::value::{EnumType, Kind};

/// Most digits of a declared decimal.
const PRECISION_MAX: u32 = 38;

/// A kind from its name and numbers; `None`: no such built-in type, or numbers that do not fit it.
pub fn built_in(name: &str, arguments: &[u32]) -> Option<Kind> {
    match (name, arguments) {
        ("bool", []) => Some(Kind::Bool),
        ("int32", []) => Some(Kind::Int32),
        ("int64", []) => Some(Kind::Int64),
        ("float64", []) => Some(Kind::Float64),
        ("text", []) => Some(Kind::Text { max: None }),
        ("text", [max]) if *max > 0 => Some(Kind::Text { max: Some(*max) }),
        ("guid", []) => Some(Kind::Guid),
        ("date", []) => Some(Kind::Date),
        ("time", []) => Some(Kind::Time),
        ("datetime", []) => Some(Kind::DateTime),
        ("binary", []) => Some(Kind::Binary),
        ("decimal", [precision, scale]) if *precision > 0 && *precision <= PRECISION_MAX && scale <= precision => {
            Some(Kind::Decimal { precision: *precision as u8, scale: *scale as u8 })
        }
        _ => None,
    }
}

/// The built-in type names, for suggestions.
pub const BUILT_IN: &[&str] = &[
    "bool", "int32", "int64", "decimal", "float64", "text", "guid", "date", "time", "datetime", "binary", "lookup", "enum",
    "choice", "choices",
];

/// How a built-in type is written; `None`: there is none of this name.
pub fn form(name: &str) -> Option<&'static str> {
    Some(match name {
        "text" => "`text`, or `text<LENGTH>` with a length of at least 1",
        "decimal" => "`decimal<DIGITS,SCALE>` with 1 to 38 digits, SCALE of them behind the point",
        "lookup" => "`lookup SYSTEM.ENTITY`",
        "enum" => "`enum { A, B }`",
        "choice" => "`choice { A = 1, B = 2 }`",
        "choices" => "`choices { A = 1, B = 2 }`",
        other if BUILT_IN.contains(&other) => "the name alone, without numbers",
        _ => return None,
    })
}

/// Reads a type with its `?`. The error says what is wrong with it.
pub fn parse(text: &str, enums: &IndexMap<String, Arc<EnumType>>) -> Result<(Kind, bool), String> {
    let (text, nullable) = match text.trim().strip_suffix('?') {
        Some(rest) => (rest.trim(), true),
        None => (text.trim(), false),
    };
    if let Some(targets) = text.strip_prefix("lookup ") {
        return Ok((Kind::Lookup(targets.split('|').map(|it| it.trim().to_owned()).collect()), nullable));
    }
    if let Some(name) = text.strip_prefix("choices ") {
        let members = enums.get(name.trim()).ok_or_else(|| format!("there is no member set `{}`", name.trim()))?;
        return Ok((Kind::Choices(members.clone()), nullable));
    }
    if let Some(members) = enums.get(text) {
        return Ok((Kind::Enum(members.clone()), nullable));
    }
    let (name, arguments) = match text.split_once('<') {
        Some((name, rest)) => {
            let numbers = rest.strip_suffix('>').ok_or_else(|| format!("`{text}` has no closing `>`"))?;
            let numbers: Result<Vec<u32>, _> = numbers.split(',').map(|it| it.trim().parse::<u32>()).collect();
            (name, numbers.map_err(|_| format!("`{text}` has something else than numbers between `<` and `>`"))?)
        }
        None => (text, Vec::new()),
    };
    let kind = built_in(name, &arguments).ok_or_else(|| format!("`{text}` is no type and no member set of this schema"))?;
    Ok((kind, nullable))
}
