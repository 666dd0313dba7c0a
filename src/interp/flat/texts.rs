//! Fast forms of text functions: for plain letters here, for all others by the function itself.

use compact_str::ToCompactString;

use crate::functions;
use crate::value::{Text, Value};

/// Bytes of a text that is put together before it becomes one.
const SHORT_MAX: usize = 64;

/// A part of a text that is looked for.
#[derive(Debug)]
pub enum Needle {
    /// One plain letter: for these the general search costs more than it finds.
    Byte(u8),
    Text(Text),
}

impl Needle {
    pub fn new(part: &str) -> Self {
        match part.as_bytes() {
            [byte] if byte.is_ascii() => Self::Byte(*byte),
            _ => Self::Text(Text::new(part)),
        }
    }

    /// Both sides of the first such part, or of the last one.
    #[inline]
    pub fn split<'a>(&self, text: &'a str, from_end: bool) -> Option<(&'a str, &'a str)> {
        match self {
            Self::Byte(byte) => {
                let (mut bytes, is_it) = (text.bytes(), |it: u8| it == *byte);
                let at = if from_end { bytes.rposition(is_it) } else { bytes.position(is_it) }?;
                Some((&text[..at], &text[at + 1..]))
            }
            Self::Text(part) if from_end => text.rsplit_once(part.as_str()),
            Self::Text(part) => text.split_once(part.as_str()),
        }
    }
}

pub fn lower(text: &str) -> Text {
    let is_low = |letter: char| letter.is_ascii() || letter.to_lowercase().eq([letter]);
    if !text.is_ascii() && !text.chars().all(is_low) {
        return Text::from(text.to_lowercase());
    }
    let mut out = Text::new(text);
    out.as_mut_str().make_ascii_lowercase();
    out
}

pub fn upper(text: &str) -> Text {
    let is_high = |letter: char| letter.is_ascii() || letter.to_uppercase().eq([letter]);
    if !text.is_ascii() && !text.chars().all(is_high) {
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
    let mut out = [0; SHORT_MAX];
    let Some(out) = out.get_mut(..text.len()) else { return Text::from(functions::title(text)) };
    let mut at_start = true;
    for (made, letter) in out.iter_mut().zip(text.bytes()) {
        *made = if at_start { letter.to_ascii_uppercase() } else { letter.to_ascii_lowercase() };
        at_start = !letter.is_ascii_alphanumeric();
    }
    Text::from_utf8(out).expect("plain letters stay plain letters")
}

/// The first so many UTF-16 units; no text has more of them than bytes.
pub fn take(text: &str, units: u32) -> &str {
    match text.as_bytes().get(..units as usize) {
        None => text,
        // Of plain letters, each is one unit.
        Some(head) if head.is_ascii() => &text[..units as usize],
        Some(_) => functions::prefix(text, i64::from(units)),
    }
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
