//! JSON as both services send it, at a glance: objects and lists without spaces, texts without escapes, plain numbers.
//!
//! It finds where things stand and copies nothing. What is not as usual it leaves to `serde_json`, value by value, and where
//! a text is no JSON at all it only says so: the general reader knows why. Whatever it takes is what `serde_json` takes.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::wire;

/// A place in a text that is read from its beginning to its end. `None` is answered where the general reader must say.
pub struct Scan<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scan<'a> {
    pub fn new(text: &'a [u8]) -> Option<Self> {
        std::str::from_utf8(text).ok().map(|text| Self { text, at: 0 })
    }

    /// Goes through an object. `member` is asked at each name, and must pass over the name and its value.
    pub fn object(&mut self, member: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.all(b'{', b'}', member)
    }

    /// Goes through a list. `entry` must pass over each.
    pub fn list(&mut self, entry: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.all(b'[', b']', entry)
    }

    fn all(&mut self, open: u8, close: u8, mut one: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.take(open)?;
        if self.take(close).is_some() {
            return Some(());
        }
        loop {
            one(self)?;
            if self.take(b',').is_none() {
                return self.take(close);
            }
        }
    }

    /// Whether this name stands here, as it stands in JSON; then it is passed over.
    #[inline]
    pub fn is_name(&mut self, quoted: &str) -> Option<bool> {
        if !self.rest().starts_with(quoted.as_bytes()) {
            return Some(false);
        }
        self.at += quoted.len();
        self.take(b':')?;
        Some(true)
    }

    /// Any name.
    pub fn name(&mut self) -> Option<Cow<'a, str>> {
        let name = wire::unescaped(self.value()?)?;
        self.take(b':')?;
        Some(name)
    }

    /// The value that stands here, as it stands.
    #[inline]
    pub fn value(&mut self) -> Option<&'a str> {
        let usual = match self.rest().first()? {
            b'"' => plain_text(self.rest()),
            b't' | b'n' => word(self.rest(), 4),
            b'f' => word(self.rest(), 5),
            b'-' | b'0'..=b'9' => plain_number(self.rest()),
            _ => None,
        };
        let Some(length) = usual else { return self.odd() };
        let value = &self.text[self.at..self.at + length];
        self.at += length;
        Some(value)
    }

    /// Nothing follows but spaces.
    pub fn is_end(&mut self) -> bool {
        self.spaces();
        self.at == self.text.len()
    }

    /// A value that is an object, a list, or not as usual.
    fn odd(&mut self) -> Option<&'a str> {
        let mut values = serde_json::Deserializer::from_str(&self.text[self.at..]).into_iter::<&RawValue>();
        let value = values.next()?.ok()?.get();
        self.at += values.byte_offset();
        Some(value)
    }

    fn rest(&self) -> &'a [u8] {
        &self.text.as_bytes()[self.at..]
    }

    /// Passes over this letter, and spaces around it.
    #[inline]
    fn take(&mut self, letter: u8) -> Option<()> {
        self.spaces();
        (self.rest().first() == Some(&letter)).then(|| self.at += 1)?;
        self.spaces();
        Some(())
    }

    #[inline]
    fn spaces(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.rest().first() {
            self.at += 1;
        }
    }
}

fn word(text: &[u8], length: usize) -> Option<usize> {
    matches!(text.get(..length)?, b"true" | b"null" | b"false").then_some(length)
}

/// The length of a text with its quotes.
#[inline]
fn plain_text(text: &[u8]) -> Option<usize> {
    let mut at = 1;
    while let Some(eight) = text[at..].first_chunk() {
        let ends = ends(u64::from_le_bytes(*eight));
        if ends != 0 {
            at += ends.trailing_zeros() as usize / 8;
            return (text[at] == b'"').then_some(at + 1);
        }
        at += 8;
    }
    let end = text[at..].iter().position(|it| matches!(it, b'"' | b'\\' | 0..0x20))?;
    (text[at + end] == b'"').then_some(at + end + 1)
}

/// Has a bit where the first quote, backslash or control letter of eight is, and none below (Sean Anderson, Bit Twiddling
/// Hacks, "Determine if a word has a byte less than n").
fn ends(eight: u64) -> u64 {
    const ONES: u64 = u64::MAX / 255;
    const HIGH: u64 = ONES << 7;
    let below = |of: u64, bound: u64| of.wrapping_sub(ONES * bound) & !of;
    let is = |letter: u8| below(eight ^ (ONES * u64::from(letter)), 1);
    (below(eight, 0x20) | is(b'"') | is(b'\\')) & HIGH
}

/// The length of a number without an exponent.
#[inline]
fn plain_number(text: &[u8]) -> Option<usize> {
    let digits = |from: usize| text[from..].iter().take_while(|it| it.is_ascii_digit()).count();
    let start = usize::from(text[0] == b'-');
    let whole = digits(start);
    let end = start + whole;
    if whole == 0 || (whole > 1 && text[start] == b'0') {
        return None;
    }
    let end = match text.get(end) {
        Some(b'.') => match digits(end + 1) {
            0 => return None,
            count => end + 1 + count,
        },
        _ => end,
    };
    (!matches!(text.get(end), Some(b'e' | b'E' | b'.'))).then_some(end)
}
