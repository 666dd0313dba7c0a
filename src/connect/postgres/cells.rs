//! Values as PostgreSQL writes and reads them as texts, in a session that is set to UTC and ISO.

use crate::value::{Date, Decimal, Float, Kind, Text, Time, Timestamp, Uuid, Value};

/// The text of a value; `None` inside: null. An error says why no column holds it.
pub fn encode(value: &Value) -> Result<Option<String>, String> {
    Ok(Some(match value {
        Value::Absent | Value::Tuple(_) => return Err(format!("{value} is nothing that a column holds")),
        Value::Null => return Ok(None),
        Value::Bool(it) => it.to_string(),
        Value::Int(it) => it.to_string(),
        Value::Decimal(it) => it.to_string(),
        Value::Float(it) => it.0.to_string(),
        // PostgreSQL's texts cannot hold it, and dropping it would change the value in silence.
        Value::Text(it) if it.as_str().contains('\0') => return Err("a text with the character U+0000 cannot be held".to_owned()),
        Value::Text(it) => it.to_string(),
        Value::Guid(it) => it.hyphenated().to_string(),
        Value::Date(it) => it.to_string(),
        Value::Time(it) => it.to_string(),
        Value::DateTime(it) => it.to_string(),
        Value::Set(it) => format!("[{}]", it.iter().map(i64::to_string).collect::<Vec<_>>().join(",")),
        Value::Binary(it) => format!("\\x{}", it.iter().map(|byte| format!("{byte:02x}")).collect::<String>()),
    }))
}

/// What a cell holds; an error says what was expected.
pub fn decode(kind: &Kind, cell: Option<&str>) -> Result<Value, String> {
    let Some(text) = cell else { return Ok(Value::Null) };
    let value = match kind {
        Kind::Bool => boolean(text).map(Value::Bool),
        Kind::Int32 => text.parse::<i32>().ok().map(|it| Value::Int(it.into())),
        Kind::Int64 => text.parse().ok().map(Value::Int),
        // `NaN` and `Infinity` are no decimals.
        Kind::Decimal { .. } => text.parse::<Decimal>().ok().map(Value::Decimal),
        Kind::Float64 => text.parse().ok().map(|it| Value::Float(Float(it))),
        Kind::Text { .. } => Some(Value::Text(Text::new(text))),
        Kind::Guid => Uuid::parse_str(text).ok().map(Value::Guid),
        Kind::Date => text.parse::<Date>().ok().map(Value::Date),
        Kind::Time => text.parse::<Time>().ok().map(Value::Time),
        Kind::DateTime => instant(text).map(Value::DateTime),
        Kind::Binary => binary(text),
        Kind::Enum(members) => Some(member(members, text)),
        Kind::Choices(_) => set(text),
        Kind::Lookup(_) => Some(reference(text)),
    };
    value.ok_or_else(|| {
        let shown: String = text.chars().take(60).collect();
        format!("holds '{shown}', which is no {kind}")
    })
}

fn boolean(text: &str) -> Option<bool> {
    match text {
        "t" | "true" | "1" => Some(true),
        "f" | "false" | "0" => Some(false),
        _ => None,
    }
}

/// `2024-02-29 23:59:58.5+00`; without an offset it is a wall clock, which is taken as UTC.
fn instant(text: &str) -> Option<Timestamp> {
    let text = text.replacen(' ', "T", 1);
    let text = text.strip_suffix("+00").unwrap_or(&text);
    if text.ends_with('Z') { text.parse().ok() } else { format!("{text}Z").parse().ok() }
}

fn binary(text: &str) -> Option<Value> {
    let digits = text.strip_prefix("\\x")?;
    let byte = |it: usize| u8::from_str_radix(digits.get(it..it + 2)?, 16).ok();
    let bytes: Option<Vec<u8>> = (0..digits.len()).step_by(2).map(byte).collect();
    bytes.map(|it| Value::Binary(it.into()))
}

fn member(members: &crate::value::EnumType, text: &str) -> Value {
    let is_numbered = members.members.first().is_some_and(|it| matches!(it.value, Value::Int(_)));
    match text.parse::<i64>() {
        Ok(number) if is_numbered => Value::Int(number),
        Ok(_) | Err(_) => Value::text(text),
    }
}

fn set(text: &str) -> Option<Value> {
    let mut numbers: Vec<i64> = serde_json::from_str(text).ok()?;
    numbers.sort_unstable();
    numbers.dedup();
    Some(Value::Set(numbers.into()))
}

/// A reference holds the other row's key; its form tells what it is.
fn reference(text: &str) -> Value {
    let guid = Some(text).filter(|it| it.len() == 36).and_then(|it| Uuid::parse_str(it).ok());
    match (guid, text.parse::<i64>()) {
        (Some(guid), _) => Value::Guid(guid),
        (None, Ok(number)) if number.to_string() == text => Value::Int(number),
        (None, _) => Value::text(text),
    }
}
