//! Kinds: the types that a schema gives to fields.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Value;

/// The type of a field. Nullability stands beside it, in the field.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Kind {
    Bool,
    Int32,
    Int64,
    /// `decimal<P,S>`: at most `precision` digits, `scale` of them after the point.
    Decimal {
        precision: u8,
        scale: u8,
    },
    Float64,
    /// `text<N>`, `text` without a limit. Lengths count UTF-16 code units.
    Text {
        max: Option<u32>,
    },
    Guid,
    Date,
    Time,
    /// An instant; whole seconds or finer as the profile says.
    DateTime,
    Binary,
    /// Closed set of symbols or numbers (`enum`) or open set of numbers (`choice`).
    Enum(Arc<EnumType>),
    /// Several members at once.
    Choices(Arc<EnumType>),
    /// A reference to a row of one of these entities, held as that row's primary key.
    Lookup(Arc<[String]>),
}

/// A set of members with names.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct EnumType {
    /// The schema's name, or `entity.field` where the set belongs to one field.
    pub name: String,
    /// Members may be added later: a mapping must say what it does with them.
    pub open: bool,
    pub members: Vec<Member>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Member {
    pub name: String,
    /// What the record holds: the symbol itself, or the number.
    pub value: Value,
}

impl EnumType {
    /// A member by name; symbols compare without case, as Finance & Operations does.
    pub fn member(&self, name: &str) -> Option<&Member> {
        self.members
            .iter()
            .find(|it| it.name == name)
            .or_else(|| self.members.iter().find(|it| it.name.eq_ignore_ascii_case(name)))
    }

    pub fn by_value(&self, value: &Value) -> Option<&Member> {
        self.members.iter().find(|it| it.value == *value).or_else(|| {
            let text = value.as_text()?;
            self.members.iter().find(|it| it.value.as_text().is_some_and(|own| own.eq_ignore_ascii_case(text)))
        })
    }
}

/// As the language writes it.
impl std::fmt::Display for Kind {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bool => out.write_str("bool"),
            Self::Int32 => out.write_str("int32"),
            Self::Int64 => out.write_str("int64"),
            Self::Decimal { precision, scale } => write!(out, "decimal<{precision},{scale}>"),
            Self::Float64 => out.write_str("float64"),
            Self::Text { max: Some(max) } => write!(out, "text<{max}>"),
            Self::Text { max: None } => out.write_str("text"),
            Self::Guid => out.write_str("guid"),
            Self::Date => out.write_str("date"),
            Self::Time => out.write_str("time"),
            Self::DateTime => out.write_str("datetime"),
            Self::Binary => out.write_str("binary"),
            Self::Enum(it) if it.open => write!(out, "choice {}", it.name),
            Self::Enum(it) => write!(out, "enum {}", it.name),
            Self::Choices(it) => write!(out, "choices {}", it.name),
            Self::Lookup(targets) => write!(out, "lookup {}", targets.join(" | ")),
        }
    }
}
