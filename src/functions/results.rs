//! The kinds that functions give, from those of their arguments.

use super::{int_of, units};
use crate::value::{Kind, Value};

/// Digits that a decimal can hold.
pub const DIGITS_MAX: u8 = 38;

/// Upper- or lower-casing one UTF-16 unit gives at most three.
const CASE_GROWTH: u32 = 3;

pub fn same(kinds: &[Kind], _: &[Option<Value>]) -> Kind {
    kinds[0].clone()
}

pub fn boolean(_: &[Kind], _: &[Option<Value>]) -> Kind {
    Kind::Bool
}

pub fn int32(_: &[Kind], _: &[Option<Value>]) -> Kind {
    Kind::Int32
}

pub fn int64(_: &[Kind], _: &[Option<Value>]) -> Kind {
    Kind::Int64
}

pub fn date(_: &[Kind], _: &[Option<Value>]) -> Kind {
    Kind::Date
}

pub fn time(_: &[Kind], _: &[Option<Value>]) -> Kind {
    Kind::Time
}

pub fn datetime(_: &[Kind], _: &[Option<Value>]) -> Kind {
    Kind::DateTime
}

pub fn guid(_: &[Kind], _: &[Option<Value>]) -> Kind {
    Kind::Guid
}

/// The first argument in another case.
pub fn cased(kinds: &[Kind], _: &[Option<Value>]) -> Kind {
    grown(&kinds[0], CASE_GROWTH, 0)
}

/// At most as long as the literal count says.
pub fn taken(kinds: &[Kind], constants: &[Option<Value>]) -> Kind {
    let limit = known(constants, 1);
    Kind::Text { max: Some(length(&kinds[0]).map_or(limit, |it| it.min(limit))) }
}

/// The first argument with the second, a literal, put to it once.
pub fn joined(kinds: &[Kind], constants: &[Option<Value>]) -> Kind {
    grown(&kinds[0], 1, literal_length(constants, 1))
}

/// A text of so many times the length of this one, and some more.
pub fn grown(kind: &Kind, factor: u32, more: u32) -> Kind {
    Kind::Text { max: length(kind).map(|it| it.saturating_mul(factor).saturating_add(more)) }
}

pub fn length(kind: &Kind) -> Option<u32> {
    match kind {
        Kind::Text { max } => *max,
        _ => None,
    }
}

/// A literal count or length, 0 where it is not known.
pub fn known(constants: &[Option<Value>], index: usize) -> u32 {
    let value = constants.get(index).and_then(Option::as_ref);
    value.and_then(|it| int_of(it).ok()).map_or(0, |it| u32::try_from(it.max(0)).unwrap_or(u32::MAX))
}

/// The length of a literal text, 0 where it is not known.
pub fn literal_length(constants: &[Option<Value>], index: usize) -> u32 {
    let text = constants.get(index).and_then(Option::as_ref).and_then(Value::as_text);
    text.map_or(0, |it| units(it) as u32)
}

/// Longest printed form of a kind.
pub fn printed(kind: &Kind) -> Option<u32> {
    match kind {
        Kind::Text { max } => *max,
        Kind::Bool => Some(5),
        Kind::Int32 => Some(11),
        Kind::Int64 => Some(20),
        // A sign, a point, and the 0 before it.
        Kind::Decimal { precision, .. } => Some(u32::from(*precision) + 3),
        Kind::Guid => Some(36),
        Kind::Date => Some(10),
        Kind::Time => Some(18),
        Kind::DateTime => Some(30),
        Kind::Enum(members) => {
            // A member that the schema does not know yet is a number.
            let unknown = members.open.then_some(20);
            members.members.iter().map(|it| units(&it.value.to_string()) as u32).chain(unknown).max()
        }
        Kind::Float64 | Kind::Binary | Kind::Choices(_) | Kind::Lookup(_) => None,
    }
}

/// The kind in which two or more numbers are compared.
pub fn common(kinds: &[Kind], _: &[Option<Value>]) -> Kind {
    if kinds.contains(&Kind::Float64) {
        return Kind::Float64;
    }
    if kinds.iter().all(|it| matches!(it, Kind::Int32)) {
        return Kind::Int32;
    }
    if kinds.iter().all(|it| matches!(it, Kind::Int32 | Kind::Int64)) {
        return Kind::Int64;
    }
    let digits = |it: &Kind| match it {
        Kind::Int32 => (10, 0),
        Kind::Decimal { precision, scale } => (precision - scale, *scale),
        _ => (19, 0),
    };
    let (whole, scale) = kinds.iter().map(digits).fold((1, 0), |(a, b), (c, d)| (a.max(c), b.max(d)));
    Kind::Decimal { precision: (whole + scale).min(DIGITS_MAX), scale }
}
