//! The job by hand: what a person would write in Rust over the same records, without the language.

use dwmap::value::{Date, Decimal, Record, Text, Timestamp, Value};
use jiff::tz::Offset;

use super::source as at;

/// Why a record has no account, where it should have one.
#[derive(Debug, PartialEq)]
pub struct Wrong(pub &'static str);

type Result<T> = std::result::Result<T, Wrong>;

/// The account of a customer; `None`: not an organisation.
pub fn account(from: &Record) -> Result<Option<Record>> {
    let from = from.values();
    if text(from, at::PARTY_TYPE)? != "Organization" {
        return Ok(None);
    }
    let copy = |slot: u16| from[slot as usize].clone();
    let sales = text(from, at::SALES_PERSON)?;
    let (agent_first, agent_last) = sales.split_once(' ').unwrap_or((sales, ""));
    let out = vec![
        copy(at::ACCOUNT),
        copy(at::PHONE),
        copy(at::FAX),
        copy(at::WEBSITE),
        copy(at::STREET),
        copy(at::CITY),
        copy(at::POSTAL_CODE),
        copy(at::STATE),
        Value::Text(Text::new(text(from, at::NAME)?.trim())),
        Value::Text(lower(text(from, at::EMAIL)?.trim())),
        Value::Text(upper(text(from, at::COUNTRY)?)),
        Value::Text(contact(text(from, at::FIRST_NAME)?, text(from, at::LAST_NAME)?)),
        Value::Text(title(text(from, at::CONTACT_TITLE)?)),
        Value::Text(Text::new(agent_first)),
        Value::Text(Text::new(agent_last)),
        Value::Text(Text::new(first_100(text(from, at::NOTES)?))),
        Value::Int(hold(text(from, at::HOLD_STATUS)?)?),
        Value::Text(Text::const_new(segment(int(from, at::SEGMENT)?))),
        or_else(from, at::LANGUAGE, "en-us"),
        or_else(from, at::CURRENCY, "EUR"),
        or_else(from, at::PAYMENT_TERMS, "N30"),
        Value::Text(digits(int(from, at::EMPLOYEES)?)),
        Value::Text(digits(int(from, at::LINE_OF_BUSINESS)?)),
        Value::Int(cents(decimal(from, at::CREDIT_LIMIT)?)?),
        Value::Decimal(decimal(from, at::BALANCE)?.round(2, dwmap::value::Rounding::HalfUp)),
        parse_date(text(from, at::FOUNDED)?).map_or(Value::Null, Value::Date),
        first_order(&from[at::FIRST_ORDER as usize])?,
        Value::Date(day(instant(from, at::APPROVED)?)),
        Value::Bool(!flag(from, at::IS_TAX_EXEMPT)? && !flag(from, at::IS_BLOCKED)? && !text(from, at::VAT)?.is_empty()),
        Value::Int(3),
    ];
    Ok(Some(Record::from_values(out)))
}

fn text(from: &[Value], slot: u16) -> Result<&str> {
    if let Value::Text(text) = &from[slot as usize] { Ok(text) } else { Err(Wrong("not a text")) }
}

fn int(from: &[Value], slot: u16) -> Result<i64> {
    if let Value::Int(number) = &from[slot as usize] { Ok(*number) } else { Err(Wrong("not a whole number")) }
}

fn decimal(from: &[Value], slot: u16) -> Result<Decimal> {
    if let Value::Decimal(number) = &from[slot as usize] { Ok(*number) } else { Err(Wrong("not a decimal")) }
}

fn flag(from: &[Value], slot: u16) -> Result<bool> {
    if let Value::Bool(flag) = &from[slot as usize] { Ok(*flag) } else { Err(Wrong("not a flag")) }
}

fn instant(from: &[Value], slot: u16) -> Result<Timestamp> {
    if let Value::DateTime(at) = &from[slot as usize] { Ok(*at) } else { Err(Wrong("not an instant")) }
}

fn or_else(from: &[Value], slot: u16, default: &'static str) -> Value {
    match &from[slot as usize] {
        Value::Absent | Value::Null => Value::Text(Text::const_new(default)),
        value => value.clone(),
    }
}

fn lower(text: &str) -> Text {
    if text.is_ascii() {
        let mut out = Text::new(text);
        out.as_mut_str().make_ascii_lowercase();
        return out;
    }
    Text::from(text.to_lowercase())
}

fn upper(text: &str) -> Text {
    if text.is_ascii() {
        let mut out = Text::new(text);
        out.as_mut_str().make_ascii_uppercase();
        return out;
    }
    Text::from(text.to_uppercase())
}

fn contact(first: &str, last: &str) -> Text {
    let mut out = Text::with_capacity(first.len() + 1 + last.len());
    out.push_str(first);
    out.push(' ');
    out.push_str(last);
    out
}

fn title(text: &str) -> Text {
    let mut out = Text::with_capacity(text.len());
    let mut at_start = true;
    for letter in text.chars() {
        if letter.is_ascii() {
            out.push(if at_start { letter.to_ascii_uppercase() } else { letter.to_ascii_lowercase() });
        } else if at_start {
            out.extend(letter.to_uppercase());
        } else {
            out.extend(letter.to_lowercase());
        }
        at_start = !letter.is_alphanumeric();
    }
    out
}

/// The first 100 UTF-16 units.
fn first_100(text: &str) -> &str {
    if text.len() <= 100 {
        return text;
    }
    let mut left = 100;
    for (at, letter) in text.char_indices() {
        if letter.len_utf16() > left {
            return &text[..at];
        }
        left -= letter.len_utf16();
    }
    text
}

fn hold(symbol: &str) -> Result<i64> {
    match symbol {
        "No" | "Never" => Ok(0),
        "Invoice" => Ok(1),
        "All" | "Payment" | "Requisition" => Ok(2),
        _ => Err(Wrong("no such hold status")),
    }
}

fn segment(number: i64) -> &'static str {
    match number {
        1 => "retail",
        2 => "wholesale",
        3 => "public",
        _ => "other",
    }
}

fn digits(number: i64) -> Text {
    use compact_str::ToCompactString;
    number.to_compact_string()
}

fn cents(limit: Decimal) -> Result<i64> {
    limit.checked_mul(Decimal::from_int(100)).ok().and_then(Decimal::to_int).ok_or(Wrong("cents do not fit"))
}

fn parse_date(text: &str) -> Option<Date> {
    let bytes: &[u8; 10] = text.as_bytes().try_into().ok()?;
    let number = |digits: &[u8]| {
        digits.iter().try_fold(0i16, |it, digit| digit.is_ascii_digit().then(|| it * 10 + i16::from(digit - b'0')))
    };
    if bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    Date::new(number(&bytes[..4])?, number(&bytes[5..7])? as i8, number(&bytes[8..])? as i8).ok()
}

fn first_order(value: &Value) -> Result<Value> {
    let date = match value {
        Value::Null => return Ok(Value::Null),
        Value::Date(date) => date,
        _ => return Err(Wrong("not a date")),
    };
    let (day, month, year) = (date.day() as u8, date.month() as u8, date.year().unsigned_abs());
    let digit = |number: u16| char::from(b'0' + (number % 10) as u8);
    let mut out = Text::default();
    for letter in
        [digit(u16::from(day) / 10), digit(u16::from(day)), '.', digit(u16::from(month) / 10), digit(u16::from(month)), '.']
    {
        out.push(letter);
    }
    for power in [1000, 100, 10, 1] {
        out.push(digit(year / power));
    }
    Ok(Value::Text(out))
}

fn day(at: Timestamp) -> Date {
    Offset::UTC.to_datetime(at).date()
}
