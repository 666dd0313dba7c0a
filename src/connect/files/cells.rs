//! Values as they stand in files: as texts in CSV, as JSON's own kinds in JSON Lines.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::{Number, Value as Json};

use super::sheet::Format;
use crate::value::{Decimal, EnumType, Float, Kind, Text, Uuid, Value};

/// The value of a cell; `None`: it is no value of this kind.
pub fn decode(format: Format, kind: &Kind, cell: &Json) -> Option<Value> {
    match (cell, format) {
        (Json::Null, _) => Some(Value::Null),
        (Json::String(text), Format::Csv) => of_text(kind, text),
        (Json::String(text), Format::Lines) if !is_number(kind) => of_text(kind, text),
        (Json::Number(number), Format::Lines) if is_number(kind) => of_text(kind, number.as_str()),
        (Json::Bool(it), Format::Lines) => matches!(kind, Kind::Bool).then_some(Value::Bool(*it)),
        (Json::String(_) | Json::Number(_) | Json::Bool(_) | Json::Array(_) | Json::Object(_), _) => None,
    }
}

fn is_number(kind: &Kind) -> bool {
    match kind {
        Kind::Int32 | Kind::Int64 | Kind::Decimal { .. } | Kind::Float64 => true,
        Kind::Enum(members) => is_numbered(members),
        Kind::Bool
        | Kind::Text { .. }
        | Kind::Guid
        | Kind::Date
        | Kind::Time
        | Kind::DateTime
        | Kind::Choices(_)
        | Kind::Lookup(_)
        | Kind::Binary => false,
    }
}

fn is_numbered(members: &EnumType) -> bool {
    members.members.first().is_some_and(|it| matches!(it.value, Value::Int(_)))
}

fn of_text(kind: &Kind, text: &str) -> Option<Value> {
    match kind {
        Kind::Bool => match text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "1" => Some(Value::Bool(true)),
            "false" | "no" | "0" => Some(Value::Bool(false)),
            _ => None,
        },
        Kind::Int32 => text.parse::<i32>().ok().map(|it| Value::Int(it.into())),
        Kind::Int64 => text.parse().ok().map(Value::Int),
        Kind::Decimal { .. } => text.parse::<Decimal>().ok().map(Value::Decimal),
        Kind::Float64 => text.parse::<f64>().ok().filter(|it| it.is_finite()).map(|it| Value::Float(Float(it))),
        Kind::Text { .. } => Some(Value::Text(Text::new(text))),
        Kind::Guid => text.parse::<Uuid>().ok().map(Value::Guid),
        Kind::Date => text.parse().ok().map(Value::Date),
        Kind::Time => text.parse().ok().map(Value::Time),
        Kind::DateTime => instant(text),
        // A member that the schema does not know is held as it came, so that a rule can say what happens with it.
        Kind::Enum(members) => {
            let value = if is_numbered(members) { Value::Int(text.parse().ok()?) } else { Value::text(text) };
            Some(members.by_value(&value).map_or(value, |it| it.value.clone()))
        }
        Kind::Choices(_) => {
            let numbers: Result<Vec<i64>, _> = text.split(',').map(|it| it.trim().parse()).collect();
            let mut numbers = numbers.ok()?;
            numbers.sort_unstable();
            numbers.dedup();
            Some(Value::Set(numbers.into()))
        }
        Kind::Lookup(_) => Some(text.parse::<Uuid>().map_or_else(|_| Value::text(text), Value::Guid)),
        Kind::Binary => None,
    }
}

/// An instant with its offset, or date and time in UTC without one.
fn instant(text: &str) -> Option<Value> {
    let at = text.parse().ok().or_else(|| Some(text.parse::<DateTime>().ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp()));
    at.map(Value::DateTime)
}

/// The cell of a value; `None`: no cell can hold it.
pub fn encode(format: Format, value: &Value) -> Option<Json> {
    let number = |text: String| match format {
        Format::Csv => Some(Json::String(text)),
        Format::Lines => text.parse::<Number>().ok().map(Json::Number),
    };
    match value {
        Value::Null => Some(Json::Null),
        Value::Bool(it) if format == Format::Lines => Some(Json::Bool(*it)),
        Value::Bool(it) => Some(Json::String(it.to_string())),
        Value::Int(it) => number(it.to_string()),
        Value::Decimal(it) => number(it.to_string()),
        Value::Float(it) => number(it.0.to_string()),
        Value::Text(it) => Some(Json::String(it.to_string())),
        Value::Guid(it) => Some(Json::String(it.to_string())),
        Value::Date(it) => Some(Json::String(it.to_string())),
        Value::Time(it) => Some(Json::String(it.to_string())),
        Value::DateTime(it) => Some(Json::String(it.to_string())),
        Value::Set(it) => Some(Json::String(it.iter().map(i64::to_string).collect::<Vec<_>>().join(","))),
        Value::Absent | Value::Binary(_) | Value::Tuple(_) => None,
    }
}
