//! Values as each system writes them in JSON. Numbers stay digits; none passes through a float on its way.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Number, Value as Json};

use super::Dialect;
use crate::value::{Date, Decimal, EnumType, Float, Kind, Text, Time, Uuid, Value};

/// Most members of a multi-choice set (Microsoft, multi-select-picklist.md).
const CHOICES_MAX: usize = 150;

/// A stored value in JSON.
pub fn to_json(dialect: Dialect, kind: &Kind, value: &Value) -> Json {
    match value {
        Value::Absent | Value::Null => Json::Null,
        Value::Bool(it) => Json::Bool(*it),
        Value::Int(it) => Json::Number((*it).into()),
        Value::Decimal(it) => Json::Number(number(&it.to_string())),
        Value::Float(it) => Number::from_f64(it.0).map_or(Json::Null, Json::Number),
        Value::Text(it) => Json::String(it.to_string()),
        Value::Guid(it) => Json::String(it.to_string()),
        Value::Date(it) => Json::String(date_text(dialect, *it)),
        Value::Time(it) => time_json(dialect, *it),
        Value::DateTime(it) => Json::String(it.to_string()),
        Value::Set(it) => Json::String(it.iter().map(i64::to_string).collect::<Vec<_>>().join(",")),
        Value::Binary(_) | Value::Tuple(_) => unreachable!("{kind} is refused when the sandbox starts"),
    }
}

fn number(text: &str) -> Number {
    text.parse().expect("a decimal's text is a JSON number")
}

// F&O has no type of date alone: a date is an instant at noon.
fn date_text(dialect: Dialect, date: Date) -> String {
    match dialect {
        Dialect::Dataverse => date.to_string(),
        Dialect::Finops => format!("{date}T12:00:00Z"),
    }
}

fn time_json(dialect: Dialect, time: Time) -> Json {
    match dialect {
        Dialect::Dataverse => Json::String(time.strftime("%H:%M:%S").to_string()),
        Dialect::Finops => {
            let seconds = i64::from(time.hour()) * 3600 + i64::from(time.minute()) * 60 + i64::from(time.second());
            Json::Number(seconds.into())
        }
    }
}

/// A JSON value as a value of this kind. The error says what was expected.
pub fn from_json(dialect: Dialect, kind: &Kind, json: &Json) -> Result<Value, String> {
    match json {
        Json::Null => Ok(Value::Null),
        Json::Bool(it) if matches!(kind, Kind::Bool) => Ok(Value::Bool(*it)),
        Json::Number(it) => from_literal(dialect, kind, it.as_str()),
        Json::String(it) if is_text_on_the_wire(dialect, kind) => from_literal(dialect, kind, it),
        other => Err(format!("Cannot convert the literal '{other}' to the expected type '{}'.", edm(dialect, kind))),
    }
}

// A number in quotes is refused, as both systems do.
fn is_text_on_the_wire(dialect: Dialect, kind: &Kind) -> bool {
    match kind {
        Kind::Text { .. } | Kind::Guid | Kind::Date | Kind::DateTime | Kind::Binary | Kind::Lookup(_) | Kind::Choices(_) => true,
        Kind::Time => dialect == Dialect::Dataverse,
        Kind::Enum(it) => !is_numbered(it),
        Kind::Bool | Kind::Int32 | Kind::Int64 | Kind::Decimal { .. } | Kind::Float64 => false,
    }
}

/// The text of a literal (without quotes) as a value of this kind.
pub fn from_literal(dialect: Dialect, kind: &Kind, text: &str) -> Result<Value, String> {
    let wrong = || format!("Cannot convert the literal '{text}' to the expected type '{}'.", edm(dialect, kind));
    match kind {
        Kind::Bool => text.parse().map(Value::Bool).map_err(|_| wrong()),
        Kind::Int32 => text.parse::<i32>().map(|it| Value::Int(it.into())).map_err(|_| wrong()),
        Kind::Int64 => text.parse().map(Value::Int).map_err(|_| wrong()),
        Kind::Decimal { .. } => text.parse::<Decimal>().map(Value::Decimal).map_err(|_| wrong()),
        Kind::Float64 => text.parse::<f64>().map(|it| Value::Float(Float(it))).map_err(|_| wrong()),
        Kind::Text { .. } => Ok(Value::Text(Text::new(text))),
        Kind::Guid => text.parse::<Uuid>().map(Value::Guid).map_err(|_| wrong()),
        Kind::Lookup(_) => Ok(text.parse::<Uuid>().map_or_else(|_| Value::text(text), Value::Guid)),
        Kind::Date => date(text).map(Value::Date).ok_or_else(wrong),
        Kind::Time => time(text).map(Value::Time).ok_or_else(wrong),
        Kind::DateTime => instant(text).map(Value::DateTime).ok_or_else(wrong),
        Kind::Enum(members) => member(members, text),
        Kind::Choices(members) => choices(members, text),
        Kind::Binary => Err(wrong()),
    }
}

fn date(text: &str) -> Option<Date> {
    text.parse::<Date>().ok().or_else(|| Some(instant(text)?.to_zoned(TimeZone::UTC).date()))
}

fn time(text: &str) -> Option<Time> {
    match text.parse::<i64>() {
        Ok(seconds) if (0..86_400).contains(&seconds) => Some(Time::midnight() + SignedDuration::from_secs(seconds)),
        Ok(_) => None,
        Err(_) => text.parse().ok(),
    }
}

// A value without an offset is taken as UTC.
fn instant(text: &str) -> Option<Timestamp> {
    text.parse::<Timestamp>()
        .ok()
        .or_else(|| format!("{text}Z").parse().ok())
        .or_else(|| format!("{text}T00:00:00Z").parse().ok())
}

pub fn is_numbered(members: &EnumType) -> bool {
    members.members.first().is_some_and(|it| matches!(it.value, Value::Int(_)))
}

fn member(members: &EnumType, text: &str) -> Result<Value, String> {
    let value =
        if is_numbered(members) { text.parse().map_or_else(|_| Value::text(text), Value::Int) } else { Value::text(text) };
    let found = members.by_value(&value).map(|it| it.value.clone());
    found.ok_or_else(|| format!("The value {text} of '{}' is outside the valid range.", members.name))
}

fn choices(members: &EnumType, text: &str) -> Result<Value, String> {
    let numbers = text.split(',').map(str::trim).filter(|it| !it.is_empty()).map(|it| match member(members, it)? {
        Value::Int(number) => Ok(number),
        _ => Err(format!("The value {it} of '{}' is outside the valid range.", members.name)),
    });
    let mut numbers = numbers.collect::<Result<Vec<i64>, _>>()?;
    numbers.sort_unstable();
    numbers.dedup();
    if numbers.len() > CHOICES_MAX {
        return Err(format!("'{}' takes at most {CHOICES_MAX} values.", members.name));
    }
    Ok(if numbers.is_empty() { Value::Null } else { Value::Set(numbers.into()) })
}

/// The name of a kind in CSDL.
pub fn edm(dialect: Dialect, kind: &Kind) -> String {
    let name = match kind {
        Kind::Bool => "Boolean",
        Kind::Int32 => "Int32",
        Kind::Int64 => "Int64",
        Kind::Decimal { .. } => "Decimal",
        Kind::Float64 => "Double",
        Kind::Text { .. } | Kind::Choices(_) => "String",
        Kind::Guid | Kind::Lookup(_) => "Guid",
        Kind::Date if dialect == Dialect::Dataverse => "Date",
        Kind::Date | Kind::DateTime => "DateTimeOffset",
        Kind::Time if dialect == Dialect::Dataverse => "TimeOfDay",
        Kind::Time => "Int32",
        Kind::Binary => "Binary",
        Kind::Enum(members) if is_numbered(members) => "Int32",
        Kind::Enum(members) => return format!("{ENUM_NAMESPACE}.{}", members.name),
    };
    format!("Edm.{name}")
}

/// Where F&O declares its enums (Microsoft, data-entities/odata.md).
pub const ENUM_NAMESPACE: &str = "Microsoft.Dynamics.DataEntities";
