//! Which kinds hold the values of which others.

use crate::diag::{Code, codes};
use crate::functions;
use crate::value::{EnumType, Kind};

/// Digits of the largest whole numbers.
const INT32_DIGITS: u8 = 10;
const INT64_DIGITS: u8 = 19;
/// Digits of a decimal that is the result of a calculation.
pub const DIGITS_MAX: u8 = 38;

/// How values of one kind become values of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// As they are.
    Same,
    /// In another form, and every value has one.
    Converted,
    /// Some values do not fit; the code says in what manner.
    Narrow(Code),
    /// The two have nothing in common.
    Never,
}

pub fn fit(from: &Kind, to: &Kind) -> Fit {
    if from == to {
        return Fit::Same;
    }
    match (from, to) {
        (Kind::Text { .. }, Kind::Text { max: None }) | (Kind::Int32, Kind::Int64) => Fit::Same,
        (Kind::Text { max: Some(from) }, Kind::Text { max: Some(to) }) if from <= to => Fit::Same,
        (Kind::Text { .. }, Kind::Text { .. }) => Fit::Narrow(codes::TOO_LONG),
        (Kind::Int64, Kind::Int32 | Kind::Float64) => Fit::Narrow(codes::NARROWS),
        (Kind::Int32, Kind::Float64) | (Kind::Date, Kind::DateTime) => Fit::Converted,
        (Kind::DateTime, Kind::Date) => Fit::Narrow(codes::DATE_LOSS),
        (Kind::Enum(from), Kind::Enum(to)) | (Kind::Choices(from), Kind::Choices(to)) if same_members(from, to) => Fit::Same,
        _ => match (decimal_form(from), decimal_form(to)) {
            (Some((digits, scale)), Some((to_digits, to_scale))) => {
                let whole_fits = digits <= to_digits && !(matches!(to, Kind::Int32 | Kind::Int64) && digits == to_digits);
                if scale <= to_scale && whole_fits { Fit::Converted } else { Fit::Narrow(codes::NARROWS) }
            }
            _ => Fit::Never,
        },
    }
}

/// Digits before and after the point.
fn decimal_form(kind: &Kind) -> Option<(u8, u8)> {
    match kind {
        Kind::Int32 => Some((INT32_DIGITS, 0)),
        Kind::Int64 => Some((INT64_DIGITS, 0)),
        Kind::Decimal { precision, scale } => Some((precision - scale, *scale)),
        _ => None,
    }
}

/// Digits that may stand before the point.
pub fn whole_digits(kind: &Kind) -> Option<u8> {
    decimal_form(kind).map(|(whole, _)| whole)
}

pub fn same_members(left: &EnumType, right: &EnumType) -> bool {
    left.open == right.open && left.members == right.members
}

pub fn is_number(kind: &Kind) -> bool {
    decimal_form(kind).is_some() || *kind == Kind::Float64
}

/// The kind in which values of both can be compared without loss.
pub fn join(left: &Kind, right: &Kind) -> Option<Kind> {
    if left == right {
        return Some(left.clone());
    }
    match (left, right) {
        (Kind::Text { max: Some(left) }, Kind::Text { max: Some(right) }) => Some(Kind::Text { max: Some(*left.max(right)) }),
        (Kind::Text { .. }, Kind::Text { .. }) => Some(Kind::Text { max: None }),
        (Kind::Int32 | Kind::Int64, Kind::Int32 | Kind::Int64) => Some(Kind::Int64),
        (Kind::Int32, Kind::Float64) | (Kind::Float64, Kind::Int32) => Some(Kind::Float64),
        (Kind::Enum(a), Kind::Enum(b)) | (Kind::Choices(a), Kind::Choices(b)) if same_members(a, b) => Some(left.clone()),
        _ => match (decimal_form(left), decimal_form(right)) {
            (Some((left, left_scale)), Some((right, right_scale))) => {
                let scale = left_scale.max(right_scale);
                Some(Kind::Decimal { precision: left.max(right).saturating_add(scale).min(DIGITS_MAX), scale })
            }
            _ => None,
        },
    }
}

/// What is known of a value of `kind` once it is held in the joined kind.
pub fn carried(kind: &Kind, joined: &Kind) -> Kind {
    match (kind, joined) {
        (Kind::Int32, Kind::Decimal { .. }) => Kind::Decimal { precision: INT32_DIGITS, scale: 0 },
        (Kind::Int64, Kind::Decimal { .. }) => Kind::Decimal { precision: INT64_DIGITS, scale: 0 },
        (Kind::Int32, Kind::Float64) => Kind::Float64,
        _ => kind.clone(),
    }
}

/// What can stand between two kinds that have nothing in common, lookups apart.
pub fn bridges(from: &Kind, to: &Kind) -> Vec<&'static str> {
    if matches!(from, Kind::Lookup(_)) || matches!(to, Kind::Lookup(_)) {
        return vec!["via MAP", "via SYSTEM.table(column)"];
    }
    let mut out = Vec::new();
    if matches!(from, Kind::Enum(_) | Kind::Bool) || matches!(to, Kind::Enum(_) | Kind::Bool) {
        out.push("via { left <-> right, … }");
    }
    let call = match to {
        Kind::Text { .. } => Some(("text", "text(…)")),
        Kind::Int32 | Kind::Int64 => Some(("int", "int(…)")),
        Kind::Decimal { .. } => Some(("decimal", "decimal(…, places)")),
        Kind::Date => Some(("date", "date(…)")),
        Kind::Guid => Some(("guid", "guid(…)")),
        _ => None,
    };
    let admits = |name: &str| functions::find(name).is_some_and(|it| it.parameters[0].accepts.admits(from));
    out.extend(call.filter(|(name, _)| admits(name)).map(|(_, call)| call));
    out
}
