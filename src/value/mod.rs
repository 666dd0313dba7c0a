//! Values, kinds and records: what a field can hold, exactly.
//!
//! A record is an array of small values addressed by slot number. Names are looked up once, when a map is
//! compiled; after that no name is compared and no map is built (measured: six to ten times faster than
//! records that are hash maps or ordered maps). Texts are compact strings, so that short ones cost no
//! allocation; the others are plain 8- or 16-byte values.
//!
//! Enum members are values too: a symbol (`Value::Text`, Finance & Operations) or a number (`Value::Int`,
//! Dataverse choices), so that a member which the schema does not know can still be held and shown.

mod case;
mod decimal;
mod kind;

use std::sync::Arc;

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

pub use case::{fold_case, to_small_letters};
pub use decimal::{DIGITS_MAX, Decimal, DecimalError, Rounding};
pub use jiff::{Timestamp, civil::Date, civil::Time};
pub use kind::{EnumType, Kind, Member};
pub use uuid::Uuid;

pub type Text = CompactString;

/// One field's content. Three states are kept apart everywhere: absent (this change says nothing of the
/// field), null, and a value; `""`, `0` and `false` are values.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Value {
    #[default]
    #[serde(rename = "absent")]
    Absent,
    #[serde(rename = "null")]
    Null,
    #[serde(rename = "bool")]
    Bool(bool),
    #[serde(rename = "int")]
    Int(i64),
    #[serde(rename = "dec")]
    Decimal(Decimal),
    #[serde(rename = "float")]
    Float(Float),
    #[serde(rename = "text")]
    Text(Text),
    #[serde(rename = "guid")]
    Guid(Uuid),
    #[serde(rename = "date")]
    Date(Date),
    #[serde(rename = "time")]
    Time(Time),
    #[serde(rename = "at")]
    DateTime(Timestamp),
    /// A multi-choice set, sorted.
    #[serde(rename = "set")]
    Set(Arc<[i64]>),
    #[serde(rename = "bytes")]
    Binary(Arc<[u8]>),
    /// Several values that stand for one thing: a composite key, a tuple in a rule.
    #[serde(rename = "tuple")]
    Tuple(Arc<[Value]>),
}

/// A 64-bit float with total order and equality by bits, so that records can be compared and hashed.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Float(pub f64);

impl PartialEq for Float {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}
impl Eq for Float {}
impl PartialOrd for Float {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Float {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}
impl std::hash::Hash for Float {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.to_bits().hash(state);
    }
}

impl Value {
    pub fn text(text: impl AsRef<str>) -> Self {
        Self::Text(Text::new(text))
    }

    /// Neither absent nor null.
    pub fn is_value(&self) -> bool {
        !matches!(self, Self::Absent | Self::Null)
    }

    /// Said at all: null or a value.
    pub fn is_known(&self) -> bool {
        *self != Self::Absent
    }

    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Null, or a text of nothing but white space.
    pub fn is_blank(&self) -> bool {
        match self {
            Self::Absent | Self::Null => true,
            Self::Text(text) => text.trim().is_empty(),
            _ => false,
        }
    }
}

/// The form that messages, traces and keys show: texts in double quotes, everything else as the language writes it.
impl std::fmt::Display for Value {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Absent => out.write_str("absent"),
            Self::Null => out.write_str("null"),
            Self::Bool(it) => write!(out, "{it}"),
            Self::Int(it) => write!(out, "{it}"),
            Self::Decimal(it) => write!(out, "{it}"),
            Self::Float(it) => write!(out, "{}", it.0),
            Self::Text(it) => write!(out, "{:?}", it.as_str()),
            Self::Guid(it) => write!(out, "{it}"),
            Self::Date(it) => write!(out, "{it}"),
            Self::Time(it) => write!(out, "{it}"),
            Self::DateTime(it) => write!(out, "{it}"),
            Self::Set(it) => write!(out, "{{{}}}", it.iter().map(i64::to_string).collect::<Vec<_>>().join(", ")),
            Self::Binary(it) => write!(out, "{} bytes", it.len()),
            Self::Tuple(it) => {
                out.write_str("(")?;
                for (index, value) in it.iter().enumerate() {
                    if index > 0 {
                        out.write_str(", ")?;
                    }
                    write!(out, "{value}")?;
                }
                out.write_str(")")
            }
        }
    }
}

/// The position of a field in a record; what it names is said by the shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Slot(pub u16);

/// The fields of one record that a map looks at, by slot.
#[derive(Clone, Debug, Default, Eq, Hash, Serialize, Deserialize)]
#[expect(clippy::derived_hash_with_manual_eq, reason = "records are equal as derived, only sooner")]
#[serde(transparent)]
pub struct Record(Vec<Value>);

/// As it would be derived, but texts first: most fields are texts, and a row is compared with its shadow whenever it is seen.
impl PartialEq for Record {
    fn eq(&self, other: &Self) -> bool {
        let is_same = |pair: (&Value, &Value)| match pair {
            (Value::Text(left), Value::Text(right)) => is_same_text(left.as_bytes(), right.as_bytes()),
            (left, right) => left == right,
        };
        self.0.len() == other.0.len() && self.0.iter().zip(&other.0).all(is_same)
    }
}

/// A short text is its two ends, which may overlap: a few words, where calling for a comparison costs more than it finds.
#[inline]
fn is_same_text(left: &[u8], right: &[u8]) -> bool {
    left.len() == right.len()
        && match left.len() {
            0 => true,
            1 => left == right,
            2..4 => has_same_ends::<2>(left, right),
            4..8 => has_same_ends::<4>(left, right),
            8..16 => has_same_ends::<8>(left, right),
            16..=32 => has_same_ends::<16>(left, right),
            _ => left == right,
        }
}

#[inline]
fn has_same_ends<const N: usize>(left: &[u8], right: &[u8]) -> bool {
    left.first_chunk::<N>() == right.first_chunk::<N>() && left.last_chunk::<N>() == right.last_chunk::<N>()
}

impl Record {
    /// A record of `slots` absent fields.
    pub fn absent(slots: usize) -> Self {
        let mut values = Vec::new();
        values.resize_with(slots, Value::default);
        Self(values)
    }

    pub fn from_values(values: Vec<Value>) -> Self {
        Self(values)
    }

    pub fn get(&self, slot: Slot) -> &Value {
        &self.0[slot.0 as usize]
    }

    pub fn set(&mut self, slot: Slot, value: Value) {
        self.0[slot.0 as usize] = value;
    }

    pub fn values(&self) -> &[Value] {
        &self.0
    }

    pub fn slots(&self) -> impl Iterator<Item = (Slot, &Value)> {
        self.0.iter().enumerate().map(|(index, value)| (Slot(index as u16), value))
    }

    /// Takes over every field of `change` that is not absent.
    pub fn overlay(&mut self, change: &Record) {
        for (own, new) in self.0.iter_mut().zip(&change.0) {
            if *new != Value::Absent {
                own.clone_from(new);
            }
        }
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn texts_are_the_same_letter_by_letter(text in "[a-c]{0,40}", other in "[a-c]{0,3}", at in any::<proptest::sample::Index>(), letter in "[a-c]") {
            let mut changed = text.clone();
            if !text.is_empty() {
                let at = at.index(text.len());
                changed.replace_range(at..=at, &letter);
            }
            let record = |text: &str| Record::from_values(vec![Value::Null, Value::text(text)]);
            for other in [&text, &changed, &other] {
                prop_assert_eq!(record(&text) == record(other), text == *other);
            }
        }
    }
}
