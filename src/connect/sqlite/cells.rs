//! Cells and values. SQLite's column types are advice only, so every cell is checked against the field's kind.
//!
//! Decimals are TEXT. A cell that SQLite turned into a REAL (its NUMERIC and REAL columns do that) is read only while
//! its shortest text has at most 15 digits: every decimal of that length survives a double unchanged, so the text is
//! what was written. A longer one is refused, because digits may be lost already.

use rusqlite::types::{Value as Cell, ValueRef};

use crate::change::{Class, Failure};
use crate::value::{Date, Decimal, Float, Kind, Text, Time, Timestamp, Uuid, Value};

/// Digits that a double keeps, whatever they are.
const REAL_DIGITS_MAX: usize = 15;

/// What goes into the cell; `None`: a value that no cell holds.
pub fn encode(value: &Value) -> Option<Cell> {
    Some(match value {
        Value::Absent | Value::Tuple(_) => return None,
        Value::Null => Cell::Null,
        Value::Bool(it) => Cell::Integer(i64::from(*it)),
        Value::Int(it) => Cell::Integer(*it),
        Value::Decimal(it) => Cell::Text(it.to_string()),
        Value::Float(it) => Cell::Real(it.0),
        Value::Text(it) => Cell::Text(it.to_string()),
        Value::Guid(it) => Cell::Text(it.hyphenated().to_string()),
        Value::Date(it) => Cell::Text(it.to_string()),
        Value::Time(it) => Cell::Text(it.to_string()),
        Value::DateTime(it) => Cell::Text(it.to_string()),
        Value::Set(it) => Cell::Text(format!("[{}]", it.iter().map(i64::to_string).collect::<Vec<_>>().join(","))),
        Value::Binary(it) => Cell::Blob(it.to_vec()),
    })
}

/// What the cell holds, or what is wrong with it.
pub fn decode(kind: &Kind, cell: ValueRef<'_>) -> Result<Value, String> {
    if cell == ValueRef::Null {
        return Ok(Value::Null);
    }
    match kind {
        Kind::Bool => match cell {
            ValueRef::Integer(0) => Ok(Value::Bool(false)),
            ValueRef::Integer(1) => Ok(Value::Bool(true)),
            other => Err(unlike("0 or 1", other)),
        },
        Kind::Int32 => match cell {
            ValueRef::Integer(it) if i32::try_from(it).is_ok() => Ok(Value::Int(it)),
            other => Err(unlike("an integer of 32 bits", other)),
        },
        Kind::Int64 => match cell {
            ValueRef::Integer(it) => Ok(Value::Int(it)),
            other => Err(unlike("an integer", other)),
        },
        Kind::Decimal { .. } => decimal(cell).map(Value::Decimal),
        Kind::Float64 => match cell {
            ValueRef::Real(it) => Ok(Value::Float(Float(it))),
            ValueRef::Integer(it) => Ok(Value::Float(Float(it as f64))),
            other => Err(unlike("a number", other)),
        },
        Kind::Text { .. } => text(cell, "a text").map(|it| Value::Text(Text::new(it))),
        Kind::Guid => parsed(cell, "a GUID", |it| Uuid::parse_str(it).ok()).map(Value::Guid),
        Kind::Date => parsed(cell, "a date like 2024-12-31", |it| it.parse::<Date>().ok()).map(Value::Date),
        Kind::Time => parsed(cell, "a time like 23:59:59", |it| it.parse::<Time>().ok()).map(Value::Time),
        Kind::DateTime => parsed(cell, "an instant like 2024-12-31T23:59:59Z", instant).map(Value::DateTime),
        Kind::Binary => match cell {
            ValueRef::Blob(it) => Ok(Value::Binary(it.into())),
            other => Err(unlike("a BLOB", other)),
        },
        Kind::Enum(_) => symbol(cell),
        Kind::Choices(_) => parsed(cell, "a list of numbers like [1,2]", numbers).map(|it| Value::Set(it.into())),
        Kind::Lookup(_) => reference(cell),
    }
}

fn decimal(cell: ValueRef<'_>) -> Result<Decimal, String> {
    match cell {
        ValueRef::Integer(it) => Ok(Decimal::from_int(it)),
        ValueRef::Text(_) => parsed(cell, "a decimal number", |it| it.parse::<Decimal>().ok()),
        ValueRef::Real(it) => {
            let shortest = it.to_string();
            let digits = shortest.trim_start_matches(['-', '0', '.']).bytes().filter(u8::is_ascii_digit).count();
            let exact = shortest.parse::<Decimal>().ok().filter(|_| digits <= REAL_DIGITS_MAX);
            exact.ok_or_else(|| format!("holds the REAL {shortest}, whose last digits may be lost already; make the column TEXT"))
        }
        other @ (ValueRef::Null | ValueRef::Blob(_)) => Err(unlike("a decimal number", other)),
    }
}

/// RFC 3339, or SQLite's own form, which is UTC.
fn instant(text: &str) -> Option<Timestamp> {
    text.parse().ok().or_else(|| format!("{text}Z").parse().ok())
}

fn numbers(text: &str) -> Option<Vec<i64>> {
    let mut numbers: Vec<i64> = serde_json::from_str(text).ok()?;
    numbers.sort_unstable();
    numbers.dedup();
    Some(numbers)
}

fn symbol(cell: ValueRef<'_>) -> Result<Value, String> {
    match cell {
        ValueRef::Integer(it) => Ok(Value::Int(it)),
        other => text(other, "a symbol or a number").map(|it| Value::Text(Text::new(it))),
    }
}

/// A reference holds the other row's key; whether that is a GUID can only be seen from its form.
fn reference(cell: ValueRef<'_>) -> Result<Value, String> {
    let value = symbol(cell)?;
    let guid = value.as_text().filter(|it| it.len() == 36).and_then(|it| Uuid::parse_str(it).ok());
    Ok(guid.map_or(value, Value::Guid))
}

fn text<'a>(cell: ValueRef<'a>, what: &str) -> Result<&'a str, String> {
    match cell {
        ValueRef::Text(bytes) => std::str::from_utf8(bytes).map_err(|_| "holds a text that is not UTF-8".to_owned()),
        other @ (ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) | ValueRef::Blob(_)) => Err(unlike(what, other)),
    }
}

fn parsed<T>(cell: ValueRef<'_>, what: &str, parse: impl Fn(&str) -> Option<T>) -> Result<T, String> {
    parse(text(cell, what)?).ok_or_else(|| unlike(what, cell))
}

/// Longest part of a cell in a message.
const SHOWN_MAX: usize = 60;

fn unlike(what: &str, cell: ValueRef<'_>) -> String {
    let shown = match cell {
        ValueRef::Null => "NULL".to_owned(),
        ValueRef::Integer(it) => format!("the INTEGER {it}"),
        ValueRef::Real(it) => format!("the REAL {it}"),
        ValueRef::Text(it) => {
            format!("the TEXT '{}'", String::from_utf8_lossy(it).chars().take(SHOWN_MAX).collect::<String>())
        }
        ValueRef::Blob(it) => format!("a BLOB of {} bytes", it.len()),
    };
    format!("holds {shown}, not {what}")
}

/// A cell that cannot be read, with its place.
pub fn unreadable(table: &str, column: &str, row: &str, problem: &str) -> Failure {
    Failure::new(Class::Validation, format!("table `{table}`, row {row}, column `{column}` {problem}"))
}
