//! Conversions between kinds: exact, or refused.

use crate::value::{Date, Decimal, Kind, Rounding, Text, Time, Timestamp, Uuid, Value};

/// Why a value does not fit a kind, in words.
pub type Misfit = String;

/// The value as this kind holds it. Null stays null.
pub fn convert(to: &Kind, value: &Value) -> Result<Value, Misfit> {
    if !value.is_value() {
        return Ok(value.clone());
    }
    let misfit = || format!("{value} does not fit {to}");
    match (to, value) {
        (Kind::Text { max }, _) => to_text(*max, value).ok_or_else(misfit),
        (Kind::Bool, Value::Bool(_)) => Ok(value.clone()),
        (Kind::Bool, Value::Int(number @ (0 | 1))) => Ok(Value::Bool(*number == 1)),
        (Kind::Bool, Value::Text(text)) => match text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "1" => Ok(Value::Bool(true)),
            "false" | "no" | "0" => Ok(Value::Bool(false)),
            _ => Err(misfit()),
        },
        (Kind::Int32, _) => to_int(value).filter(|it| i32::try_from(*it).is_ok()).map(Value::Int).ok_or_else(misfit),
        (Kind::Int64, _) => to_int(value).map(Value::Int).ok_or_else(misfit),
        (Kind::Decimal { precision, scale }, _) => {
            let number = to_decimal(value).ok_or_else(misfit)?;
            let fits = number.scale() <= *scale && number.integer_digits() <= u32::from(precision - scale);
            if fits { Ok(Value::Decimal(number)) } else { Err(misfit()) }
        }
        (Kind::Float64, Value::Float(_)) => Ok(value.clone()),
        (Kind::Float64, _) => to_decimal(value).map(|it| Value::Float(crate::value::Float(it.to_float()))).ok_or_else(misfit),
        (Kind::Guid, Value::Guid(_)) => Ok(value.clone()),
        (Kind::Guid, Value::Text(text)) => Uuid::try_parse(text).map(Value::Guid).map_err(|_| misfit()),
        (Kind::Date, Value::Date(_)) => Ok(value.clone()),
        (Kind::Date, Value::DateTime(at)) => Ok(Value::Date(at.to_zoned(jiff::tz::TimeZone::UTC).date())),
        (Kind::Date, Value::Text(text)) => text.parse::<Date>().map(Value::Date).map_err(|_| misfit()),
        (Kind::Time, Value::Time(_)) => Ok(value.clone()),
        (Kind::Time, Value::Text(text)) => text.parse::<Time>().map(Value::Time).map_err(|_| misfit()),
        (Kind::DateTime, Value::DateTime(_)) => Ok(value.clone()),
        (Kind::DateTime, Value::Date(date)) => {
            date.to_zoned(jiff::tz::TimeZone::UTC).map(|it| Value::DateTime(it.timestamp())).map_err(|_| misfit())
        }
        (Kind::DateTime, Value::Text(text)) => text.parse::<Timestamp>().map(Value::DateTime).map_err(|_| misfit()),
        (Kind::Enum(members), _) => match members.by_value(value) {
            Some(member) => Ok(member.value.clone()),
            None if members.open && matches!(value, Value::Int(_)) => Ok(value.clone()),
            None => Err(format!("{value} is no member of {}", members.name)),
        },
        (Kind::Choices(_), Value::Set(_)) | (Kind::Binary, Value::Binary(_)) => Ok(value.clone()),
        (Kind::Lookup(_), _) => Ok(value.clone()),
        (Kind::Bool | Kind::Guid | Kind::Date | Kind::Time | Kind::DateTime | Kind::Choices(_) | Kind::Binary, _) => {
            Err(misfit())
        }
    }
}

/// Length as stores count it: UTF-16 code units.
pub fn utf16_length(text: &str) -> usize {
    text.encode_utf16().count()
}

fn to_text(max: Option<u32>, value: &Value) -> Option<Value> {
    let text = match value {
        Value::Text(text) => text.clone(),
        Value::Bool(_)
        | Value::Int(_)
        | Value::Decimal(_)
        | Value::Float(_)
        | Value::Guid(_)
        | Value::Date(_)
        | Value::Time(_)
        | Value::DateTime(_) => Text::new(value.to_string()),
        Value::Absent | Value::Null | Value::Set(_) | Value::Binary(_) | Value::Tuple(_) => return None,
    };
    let fits = max.is_none_or(|max| text.len() <= max as usize || utf16_length(&text) <= max as usize);
    fits.then_some(Value::Text(text))
}

fn to_int(value: &Value) -> Option<i64> {
    match value {
        Value::Int(number) => Some(*number),
        Value::Decimal(number) => number.to_int(),
        Value::Bool(flag) => Some(i64::from(*flag)),
        Value::Text(text) => text.parse().ok(),
        _ => None,
    }
}

/// A number as an exact decimal; floats through their shortest text.
pub fn to_decimal(value: &Value) -> Option<Decimal> {
    match value {
        Value::Int(number) => Some(Decimal::from_int(*number)),
        Value::Decimal(number) => Some(*number),
        Value::Float(number) => number.0.to_string().parse().ok(),
        Value::Text(text) => text.parse().ok(),
        _ => None,
    }
}

/// Half away from zero, for functions and profiles.
pub fn round(number: Decimal, scale: u8) -> Decimal {
    number.round(scale, Rounding::HalfUp)
}
