//! Paths and keys in URLs: `accounts(9f…)`, `accounts(accountnumber='A1')`, `CustomersV3(dataAreaId='usmf',CustomerAccount='1')`.

use super::reply::Refusal;

/// Longest URL that is read (Microsoft, webapi/execute-batch-operations-using-web-api.md gives 32,768 characters).
pub const URL_MAX: usize = 32_768;

/// What stands between the parentheses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyText {
    /// The value alone.
    Single(String),
    /// Names with values.
    Named(Vec<(String, String)>),
}

/// A set, or one row of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    pub set: String,
    pub key: Option<KeyText>,
}

/// Turns `%41` into `A`. A wrong escape stays as it is.
pub fn decode(text: &str, plus_is_blank: bool) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = bytes.get(at + 1..at + 3).and_then(|it| std::str::from_utf8(it).ok());
        match (bytes[at], hex.and_then(|it| u8::from_str_radix(it, 16).ok())) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 3;
                continue;
            }
            (b'+', _) if plus_is_blank => out.push(b' '),
            (byte, _) => out.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Escapes everything but letters, digits and `-_.~`.
pub fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// The segments of a path, still escaped. A slash within quotes belongs to its key.
pub fn segments(path: &str) -> Vec<&str> {
    split_outside_quotes(path, '/')
}

/// Reads one path segment, still escaped.
pub fn parse(segment: &str) -> Result<Address, Refusal> {
    let Some((set, rest)) = segment.split_once('(') else {
        return Ok(Address { set: decode(segment, false), key: None });
    };
    let inside = rest.strip_suffix(')').ok_or_else(|| Refusal::bad_request("Bad Request - Error in query syntax."))?;
    Ok(Address { set: decode(set, false), key: Some(parse_key(&decode(inside, false))?) })
}

/// Reads what stands between the parentheses, escapes resolved.
pub fn parse_key(text: &str) -> Result<KeyText, Refusal> {
    let parts = split_outside_quotes(text, ',');
    let named: Option<Vec<_>> = parts.iter().map(|it| named(it)).collect();
    match named {
        Some(named) => Ok(KeyText::Named(named)),
        None if parts.len() == 1 => Ok(KeyText::Single(unquote(parts[0].trim()))),
        None => Err(Refusal::bad_request("Bad Request - Error in query syntax.")),
    }
}

fn named(part: &str) -> Option<(String, String)> {
    let (name, value) = part.split_once('=')?;
    let is_name = !name.contains('\'');
    is_name.then(|| (name.trim().to_owned(), unquote(value.trim())))
}

/// The text of a quoted literal, with doubled quotes made single; other literals, and enum literals, without their dress.
pub fn unquote(text: &str) -> String {
    match text.split_once('\'') {
        Some((prefix, rest)) if prefix.is_empty() || prefix.contains('.') => {
            rest.strip_suffix('\'').unwrap_or(rest).replace("''", "'")
        }
        Some(_) | None => text.to_owned(),
    }
}

fn split_outside_quotes(text: &str, separator: char) -> Vec<&str> {
    let mut is_quoted = false;
    let split = text.split(move |it: char| {
        is_quoted ^= it == '\'';
        it == separator && !is_quoted
    });
    split.collect()
}
