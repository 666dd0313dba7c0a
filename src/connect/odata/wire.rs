//! Values as the two dialects write them in JSON, by kind. Numbers are read and written as digits.

use std::borrow::Cow;
use std::io::Write as _;
use std::sync::Arc;

use compact_str::ToCompactString;
use jiff::civil::DateTime;
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Number, Value as Json};

use super::Dialect;
use crate::change::{Class, Failure};
use crate::schema::{Shape, ShapeField};
use crate::value::{Date, Decimal, EnumType, Float, Kind, Record, Text, Time, Uuid, Value};

/// The date by which F&O says "none" (Microsoft, business-event samples).
const UNSET_DATE: Date = Date::constant(1900, 1, 1);

/// The name under which a field is read: lookups of Dataverse are `_name_value` (Microsoft, webapi/web-api-properties.md).
pub fn name(dialect: Dialect, field: &ShapeField) -> String {
    match (dialect, &field.kind) {
        (Dialect::Dataverse, Kind::Lookup(_)) => format!("_{}_value", field.name),
        _ => field.name.clone(),
    }
}

/// A reference that can lead to rows of several tables.
pub fn is_polymorphic(dialect: Dialect, field: &ShapeField) -> bool {
    dialect == Dialect::Dataverse && matches!(&field.kind, Kind::Lookup(targets) if targets.len() > 1)
}

/// A row of an answer as a record, and why a field of it could not be read.
pub fn record(dialect: Dialect, shape: &Shape, row: &Map<String, Json>) -> (Record, Option<String>) {
    let (mut values, mut problem) = (Vec::with_capacity(shape.fields.len()), None);
    for field in &shape.fields {
        let name = name(dialect, field);
        values.push(match row.get(&name) {
            Some(json) => from_json(dialect, &field.kind, json).unwrap_or_else(|| {
                problem.get_or_insert(strange(shape, field, &json.to_string()));
                Value::Absent
            }),
            None => Value::Absent,
        });
    }
    (Record::from_values(values), problem)
}

/// Why this JSON is no value of the field.
pub fn strange(shape: &Shape, field: &ShapeField, json: &str) -> String {
    let shown: String = json.chars().take(100).collect();
    format!("{}.{}: {shown} is no {}", shape.entity, field.name, field.kind)
}

fn from_json(dialect: Dialect, kind: &Kind, json: &Json) -> Option<Value> {
    match json {
        Json::Null => Some(Value::Null),
        Json::Bool(it) => matches!(kind, Kind::Bool).then_some(Value::Bool(*it)),
        Json::Number(it) => from_text(dialect, kind, it.as_str()),
        Json::String(it) => from_text(dialect, kind, it),
        Json::Array(_) | Json::Object(_) => None,
    }
}

/// As `from_json`, of JSON as it stands in an answer, without spaces around it.
pub fn from_raw(dialect: Dialect, kind: &Kind, json: &str) -> Option<Value> {
    match json.as_bytes().first()? {
        b'n' => Some(Value::Null),
        b't' | b'f' => matches!(kind, Kind::Bool).then(|| Value::Bool(json == "true")),
        b'"' => from_text(dialect, kind, &unescaped(json)?),
        b'[' | b'{' => None,
        _ => from_text(dialect, kind, &number(json)),
    }
}

/// A number or a word as a general value prints it: exponents have a form of their own there.
pub fn number(json: &str) -> Cow<'_, str> {
    let is_plain = !json.bytes().any(|it| matches!(it, b'e' | b'E')) || json.starts_with(['t', 'f']);
    let number = if is_plain { None } else { serde_json::from_str::<Number>(json).ok() };
    number.map_or(Cow::Borrowed(json), |it| Cow::Owned(it.to_string()))
}

/// What a JSON text says; `None`: it is no text, or half a letter.
pub fn unescaped(json: &str) -> Option<Cow<'_, str>> {
    let inner = json.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') { serde_json::from_str(json).ok().map(Cow::Owned) } else { Some(Cow::Borrowed(inner)) }
}

fn from_text(dialect: Dialect, kind: &Kind, text: &str) -> Option<Value> {
    match kind {
        Kind::Bool => text.parse().ok().map(Value::Bool),
        Kind::Int32 | Kind::Int64 => int(text).map(Value::Int),
        Kind::Decimal { .. } => text.parse().ok().map(Value::Decimal),
        Kind::Float64 => text.parse().ok().map(|it| Value::Float(Float(it))),
        Kind::Text { .. } => Some(Value::Text(Text::new(text))),
        Kind::Guid => text.parse::<Uuid>().ok().map(Value::Guid),
        Kind::Lookup(_) => Some(text.parse::<Uuid>().map_or_else(|_| Value::text(text), Value::Guid)),
        Kind::Date => date(text).map(|it| if is_unset(dialect, it) { Value::Null } else { Value::Date(it) }),
        Kind::Time => time(text).map(Value::Time),
        Kind::DateTime => instant(dialect, text),
        Kind::Enum(members) => Some(member(members, text)),
        Kind::Choices(_) => choices(text),
        Kind::Binary => None,
    }
}

// `5.0` and `5e0` are whole numbers, too.
fn int(text: &str) -> Option<i64> {
    text.parse().ok().or_else(|| text.parse::<Decimal>().ok()?.to_int())
}

// A date of F&O is an instant of which only the date counts.
fn date(text: &str) -> Option<Date> {
    let plain = text.as_bytes().as_array().and_then(plain_date).or_else(|| plain_instant(text).map(DateTime::date));
    plain.or_else(|| text.parse().ok()).or_else(|| Some(Offset::UTC.to_datetime(text.parse().ok()?).date()))
}

/// `2024-02-29`, as both dialects write a date; other forms, and what is no date, are for the general reader.
fn plain_date(text: &[u8; 10]) -> Option<Date> {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = text else { return None };
    let year = i16::from(pair(*y1, *y2)?) * 100 + i16::from(pair(*y3, *y4)?);
    Date::new(year, pair(*m1, *m2)?, pair(*d1, *d2)?).ok()
}

/// `2024-02-29T12:00:00Z`, as both dialects write an instant.
fn plain_instant(text: &str) -> Option<DateTime> {
    let (date, time) = text.as_bytes().split_first_chunk()?;
    let [b'T', h1, h2, b':', m1, m2, b':', s1, s2, b'Z'] = time else { return None };
    let time = Time::new(pair(*h1, *h2)?, pair(*m1, *m2)?, pair(*s1, *s2)?, 0).ok()?;
    Some(plain_date(date)?.to_datetime(time))
}

fn pair(tens: u8, ones: u8) -> Option<i8> {
    let digit = |it: u8| it.is_ascii_digit().then(|| (it - b'0') as i8);
    Some(digit(tens)? * 10 + digit(ones)?)
}

fn is_unset(dialect: Dialect, date: Date) -> bool {
    dialect == Dialect::Finops && date == UNSET_DATE
}

fn time(text: &str) -> Option<Time> {
    match text.parse::<i64>() {
        Ok(seconds) if (0..86_400).contains(&seconds) => Some(Time::midnight() + SignedDuration::from_secs(seconds)),
        Ok(_) => None,
        Err(_) => text.parse().ok(),
    }
}

fn instant(dialect: Dialect, text: &str) -> Option<Value> {
    let at = match plain_instant(text) {
        Some(plain) => Offset::UTC.to_timestamp(plain).ok()?,
        None => text.parse::<Timestamp>().ok()?,
    };
    let is_none = dialect == Dialect::Finops && is_unset(dialect, Offset::UTC.to_datetime(at).date());
    Some(if is_none { Value::Null } else { Value::DateTime(at) })
}

// A member that the schema does not know is held as it came, so that a rule can say what happens with it.
fn member(members: &EnumType, text: &str) -> Value {
    let number = if is_numbered(members) { text.parse().ok() } else { None };
    let value = number.map_or_else(|| Value::text(text), Value::Int);
    members.by_value(&value).map_or(value, |it| it.value.clone())
}

fn is_numbered(members: &EnumType) -> bool {
    members.members.first().is_some_and(|it| matches!(it.value, Value::Int(_)))
}

// The order of the numbers means nothing (Microsoft, multi-select-picklist.md).
fn choices(text: &str) -> Option<Value> {
    let numbers: Result<Vec<i64>, _> = text.split(',').map(str::trim).filter(|it| !it.is_empty()).map(str::parse).collect();
    let mut numbers = numbers.ok()?;
    numbers.sort_unstable();
    numbers.dedup();
    Some(if numbers.is_empty() { Value::Null } else { Value::Set(Arc::from(numbers)) })
}

/// A value as it is sent.
pub fn to_json(dialect: Dialect, field: &ShapeField, value: &Value) -> Result<Json, Failure> {
    let mut out = Vec::new();
    write(&mut out, dialect, field, value)?;
    Ok(serde_json::from_slice(&out).expect("what is sent is JSON"))
}

/// Appends a value as it is sent.
pub fn write(out: &mut Vec<u8>, dialect: Dialect, field: &ShapeField, value: &Value) -> Result<(), Failure> {
    let written = match (dialect, value) {
        (Dialect::Finops, Value::Null) => write!(out, "{}", unset(&field.kind)),
        (_, Value::Null) => out.write_all(b"null"),
        (_, Value::Bool(it)) => out.write_all(if *it { b"true" } else { b"false" }),
        (_, Value::Int(it)) => out.write_all(it.to_compact_string().as_bytes()),
        (_, Value::Decimal(it)) => write!(out, "{it}"),
        (_, Value::Float(it)) => write!(out, "{}", Number::from_f64(it.0).ok_or_else(|| unsendable(field, value))?),
        (_, Value::Text(it)) => write_text(out, it),
        (_, Value::Guid(it)) => write!(out, "\"{it}\""),
        (Dialect::Dataverse, Value::Date(it)) => write_date(out, *it, "\""),
        (Dialect::Finops, Value::Date(it)) => write_date(out, *it, "T12:00:00Z\""),
        (Dialect::Dataverse, Value::Time(it)) => write!(out, "\"{}\"", it.strftime("%H:%M:%S")),
        (Dialect::Finops, Value::Time(it)) => {
            let seconds = i64::from(it.hour()) * 3600 + i64::from(it.minute()) * 60 + i64::from(it.second());
            write!(out, "{seconds}")
        }
        (_, Value::DateTime(it)) => write!(out, "\"{it}\""),
        (_, Value::Set(it)) => write!(out, "\"{}\"", it.iter().map(i64::to_string).collect::<Vec<_>>().join(",")),
        (_, Value::Absent | Value::Binary(_) | Value::Tuple(_)) => return Err(unsendable(field, value)),
    };
    written.expect("writing to memory cannot fail");
    Ok(())
}

fn write_text(out: &mut Vec<u8>, text: &str) -> std::io::Result<()> {
    // Of all letters, so that many are looked at in one go.
    let is_odd = text.bytes().fold(false, |is_odd, it| is_odd | (it < 0x20) | (it == b'"') | (it == b'\\'));
    if is_odd {
        return serde_json::to_writer(out, text).map_err(Into::into);
    }
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
    Ok(())
}

/// A date in quotes, the second of which stands in what follows.
fn write_date(out: &mut Vec<u8>, date: Date, then: &str) -> std::io::Result<()> {
    let (year, month, day) = (date.year(), date.month() as u8, date.day() as u8);
    // Years before Christ have a sign and six digits.
    let Ok(year) = u16::try_from(year) else { return write!(out, "\"{date}{then}") };
    let pair = |number: u8| [b'0' + number / 10, b'0' + number % 10];
    let ([y1, y2], [y3, y4]) = (pair((year / 100) as u8), pair((year % 100) as u8));
    let ([m1, m2], [d1, d2]) = (pair(month), pair(day));
    out.extend_from_slice(&[b'"', y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2]);
    out.extend_from_slice(then.as_bytes());
    Ok(())
}

fn unsendable(field: &ShapeField, value: &Value) -> Failure {
    Failure::new(Class::Validation, format!("{}: {value} cannot be sent to this system", field.name))
}

// F&O has no nulls: the empty text, zero, the first member and 1900-01-01 mean the same (Microsoft, data-entities/odata.md).
fn unset(kind: &Kind) -> Json {
    match kind {
        Kind::Bool => Json::Bool(false),
        Kind::Int32 | Kind::Int64 | Kind::Decimal { .. } | Kind::Float64 | Kind::Time => Json::Number(0.into()),
        Kind::Text { .. } | Kind::Lookup(_) | Kind::Choices(_) | Kind::Binary => Json::String(String::new()),
        Kind::Guid => Json::String(Uuid::nil().to_string()),
        Kind::Date | Kind::DateTime => Json::String("1900-01-01T00:00:00Z".to_owned()),
        Kind::Enum(members) => members.members.first().map_or(Json::Null, |it| Json::String(it.name.clone())),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn field(kind: Kind) -> ShapeField {
        ShapeField { name: "field".to_owned(), kind, nullable: true, readonly: false, lookup_sets: Vec::new() }
    }

    fn written(dialect: Dialect, value: &Value) -> String {
        let mut out = Vec::new();
        write(&mut out, dialect, &field(Kind::Text { max: None }), value).expect("it can be sent");
        String::from_utf8(out).expect("JSON is UTF-8")
    }

    /// As the library reads a date, or an instant of which only the date counts.
    fn date_by_library(text: &str) -> Option<Date> {
        text.parse().ok().or_else(|| Some(text.parse::<Timestamp>().ok()?.to_zoned(jiff::tz::TimeZone::UTC).date()))
    }

    fn moment() -> impl Strategy<Value = String> {
        prop_oneof![
            "[0-9]{4}-[01][0-9]-[0-3][0-9]",
            "[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9]Z",
            "[12][0-9]{3}-0[1-9]-[0-3][0-9][Tt ]12:00:0[0-9](\\.[0-9]{1,3})?(Z|z|\\+02:00)?",
            "[-+0-9TZ:]{0,21}",
        ]
    }

    proptest! {
        #[test]
        fn moments_are_read_as_the_library_reads_them(text in moment()) {
            // Its instants end a day before its dates do, which is no reason to refuse a date.
            prop_assume!(!text.starts_with("9999-12-3"));
            prop_assert_eq!(date(&text), date_by_library(&text));
            let expected = text.parse::<Timestamp>().ok().map(Value::DateTime);
            prop_assert_eq!(instant(Dialect::Dataverse, &text), expected);
        }

        #[test]
        fn dates_are_written_as_the_library_writes_them(days in -7_000_000..3_000_000i32) {
            let date = Date::constant(1970, 1, 1).checked_add(SignedDuration::from_hours(24 * i64::from(days)));
            let date = date.unwrap_or(Date::MIN);
            prop_assert_eq!(written(Dialect::Dataverse, &Value::Date(date)), format!("\"{date}\""));
            prop_assert_eq!(written(Dialect::Finops, &Value::Date(date)), format!("\"{date}T12:00:00Z\""));
        }

        #[test]
        fn texts_are_written_as_the_library_writes_them(text in any::<String>(), odd in "[\"\\\\\u{1}\u{7f}a]{0,2}") {
            let text = text + &odd;
            prop_assert_eq!(written(Dialect::Finops, &Value::text(&text)), Json::from(text).to_string());
        }
    }

    #[test]
    fn the_unset_date_is_the_whole_day_and_no_more() {
        for (text, is_unset) in [
            ("1899-12-31T23:59:59Z", false),
            ("1900-01-01T00:00:00Z", true),
            ("1900-01-01T23:59:59Z", true),
            ("1900-01-02T00:00:00Z", false),
            ("1900-01-01T01:00:00+02:00", false),
        ] {
            assert_eq!(instant(Dialect::Finops, text) == Some(Value::Null), is_unset, "{text}");
            assert_ne!(instant(Dialect::Dataverse, text), Some(Value::Null), "{text}");
        }
    }
}
