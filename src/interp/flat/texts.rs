//! Fast forms of text functions: for plain letters here, for all others by the function itself.

use compact_str::ToCompactString;

use crate::functions;
use crate::value::{Text, Value};

pub fn lower(text: &str) -> Text {
    if !text.is_ascii() {
        return Text::from(text.to_lowercase());
    }
    let mut out = Text::new(text);
    out.as_mut_str().make_ascii_lowercase();
    out
}

pub fn upper(text: &str) -> Text {
    if !text.is_ascii() {
        return Text::from(text.to_uppercase());
    }
    let mut out = Text::new(text);
    out.as_mut_str().make_ascii_uppercase();
    out
}

pub fn title(text: &str) -> Text {
    if !text.is_ascii() {
        return Text::from(functions::title(text));
    }
    let mut out = lower(text);
    let mut at_start = true;
    for (index, letter) in text.bytes().enumerate() {
        if at_start && letter.is_ascii_lowercase() | letter.is_ascii_uppercase() {
            out.as_mut_str()[index..=index].make_ascii_uppercase();
        }
        at_start = !letter.is_ascii_alphanumeric();
    }
    out
}

/// The first so many UTF-16 units; no text has more of them than bytes.
pub fn take(text: &str, units: u32) -> &str {
    if text.len() <= units as usize { text } else { functions::prefix(text, i64::from(units)) }
}

/// UTF-16 units.
pub fn length(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.encode_utf16().count() }
}

/// A value in its plain form.
pub fn plain(value: &Value) -> Text {
    match value {
        Value::Text(text) => text.clone(),
        Value::Int(number) => number.to_compact_string(),
        other => Text::from(other.to_string()),
    }
}
