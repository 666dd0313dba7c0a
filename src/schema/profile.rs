//! Profiles: claims about what a store does to the values that are written to it.
//!
//! The checker proves with them that such changes are invisible to a rule (absorption); the runtime applies
//! them to what it compares; `doctor` probes them against the live system.

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use crate::value::{Date, Kind, Rounding, Text, Timestamp, Value, fold_case, to_small_letters};

/// What a store does to texts, dates, times and decimals.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    pub name: String,
    #[serde(default)]
    pub text: TextFacts,
    /// The date that stands for null, also as an instant at midnight UTC.
    #[serde(default)]
    pub null_date: Option<Date>,
    /// Finest step of an instant in microseconds; 0: no rounding.
    #[serde(default)]
    pub datetime_step_us: i64,
    /// Digits kept after the point, where the field's own scale is larger.
    #[serde(default)]
    pub decimal_scale: Option<u8>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextFacts {
    /// `null is blank`: null and `""` are one state, held as `""`.
    pub null_is_blank: bool,
    /// `blank is null`: `""` is stored as null.
    pub blank_is_null: bool,
    /// Padded with blanks to this length.
    pub padded: Option<u32>,
    pub trailing_blanks_dropped: bool,
    pub leading_blanks_dropped: bool,
    pub upper: bool,
    pub lower: bool,
    pub compare_ignoring_case: bool,
    pub compare_ignoring_trailing_blanks: bool,
}

impl Profile {
    /// A store that keeps what it is given.
    pub fn exact() -> Self {
        Self { name: "exact".to_owned(), text: TextFacts::default(), null_date: None, datetime_step_us: 0, decimal_scale: None }
    }

    /// Finance & Operations: texts are never null, compare without case, lose trailing blanks; 1900-01-01 is "no date";
    /// whole seconds (Microsoft, data-entities/odata.md and business-event samples).
    pub fn finops() -> Self {
        Self {
            name: "finops".to_owned(),
            text: TextFacts {
                null_is_blank: true,
                trailing_blanks_dropped: true,
                compare_ignoring_case: true,
                compare_ignoring_trailing_blanks: true,
                ..TextFacts::default()
            },
            null_date: Some(Date::constant(1900, 1, 1)),
            datetime_step_us: 1_000_000,
            ..Self::exact()
        }
    }

    /// Dataverse: `""` comes back as null, comparison ignores case and trailing blanks, whole seconds
    /// (Microsoft, developer/data-platform/behavior-format-date-time-attribute.md).
    pub fn dataverse() -> Self {
        Self {
            name: "dataverse".to_owned(),
            text: TextFacts {
                blank_is_null: true,
                compare_ignoring_case: true,
                compare_ignoring_trailing_blanks: true,
                ..TextFacts::default()
            },
            datetime_step_us: 1_000_000,
            ..Self::exact()
        }
    }

    /// The profiles that need no declaration.
    pub fn built_in(name: &str) -> Option<Self> {
        let named = |profile: Self| Some(Self { name: name.to_owned(), ..profile });
        match name {
            "exact" | "odata" | "postgres" | "sqlite" => named(Self::exact()),
            "finops" => named(Self::finops()),
            "dataverse" => named(Self::dataverse()),
            _ => None,
        }
    }

    pub const BUILT_IN: &[&str] = &["exact", "finops", "dataverse", "odata", "postgres", "sqlite"];

    /// What the store holds after `value` was written to a field of this kind.
    pub fn store(&self, kind: &Kind, value: &Value) -> Value {
        match (kind, value) {
            (Kind::Text { .. }, Value::Null) if self.text.null_is_blank => self.store_text(""),
            (Kind::Text { .. }, Value::Text(text)) => self.store_text(text),
            (Kind::Date, Value::Date(date)) if Some(*date) == self.null_date => Value::Null,
            (Kind::DateTime, Value::DateTime(at)) => self.store_instant(*at),
            (Kind::Decimal { scale, .. }, Value::Decimal(it)) => {
                let scale = self.decimal_scale.map_or(*scale, |own| own.min(*scale));
                Value::Decimal(it.round(scale, Rounding::HalfUp))
            }
            _ => value.clone(),
        }
    }

    /// The store has a value of this kind that stands for null, so that even a field without null takes one.
    pub fn has_word_for_null(&self, kind: &Kind) -> bool {
        match kind {
            Kind::Text { .. } => self.text.null_is_blank,
            Kind::Date | Kind::DateTime => self.null_date.is_some(),
            Kind::Bool
            | Kind::Int32
            | Kind::Int64
            | Kind::Decimal { .. }
            | Kind::Float64
            | Kind::Guid
            | Kind::Time
            | Kind::Binary
            | Kind::Enum(_)
            | Kind::Choices(_)
            | Kind::Lookup(_) => false,
        }
    }

    fn store_text(&self, text: &str) -> Value {
        let facts = &self.text;
        let mut text = std::borrow::Cow::Borrowed(text);
        if facts.trailing_blanks_dropped {
            text = text.trim_end_matches(' ').to_owned().into();
        }
        if facts.leading_blanks_dropped {
            text = text.trim_start_matches(' ').to_owned().into();
        }
        if facts.upper {
            text = text.to_uppercase().into();
        }
        if facts.lower {
            text = to_small_letters(&text).into();
        }
        if let Some(length) = facts.padded {
            let missing = (length as usize).saturating_sub(text.encode_utf16().count());
            text = format!("{text}{}", " ".repeat(missing)).into();
        }
        if facts.blank_is_null && text.is_empty() { Value::Null } else { Value::Text(Text::new(text)) }
    }

    fn store_instant(&self, at: Timestamp) -> Value {
        if self.null_date.is_some_and(|date| at.to_zoned(jiff::tz::TimeZone::UTC).date() == date) {
            return Value::Null;
        }
        if self.datetime_step_us <= 1 {
            return Value::DateTime(at);
        }
        let rest = at.as_microsecond().rem_euclid(self.datetime_step_us);
        Value::DateTime(at.checked_sub(SignedDuration::from_micros(rest)).unwrap_or(at))
    }

    /// The form in which the store's own unique keys compare two values: equal keys have equal folds.
    pub fn fold_key(&self, value: &Value) -> Value {
        match value {
            Value::Text(text) => {
                let mut text = std::borrow::Cow::Borrowed(text.as_str());
                if self.text.compare_ignoring_trailing_blanks {
                    text = text.trim_end_matches(' ').to_owned().into();
                }
                if self.text.compare_ignoring_case {
                    text = fold_case(&text).into();
                }
                Value::Text(Text::new(text))
            }
            Value::Tuple(parts) => Value::Tuple(parts.iter().map(|it| self.fold_key(it)).collect()),
            other => other.clone(),
        }
    }
}
