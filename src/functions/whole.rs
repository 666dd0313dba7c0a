//! Whole numbers, remainders and shares.

use super::numbers::{number, within};
use super::results::{DIGITS_MAX, boolean, int64};
use super::{Accepts, Example, Function, PLAIN, Parameter, int_of, parameter, text_of};
use crate::value::{Decimal, Kind, Rounding, Value};

/// Digits after the point that a share can have.
const SHARE_SCALE: u8 = 18;

const TWO: &[Parameter] = &[parameter("number", Accepts::Number), parameter("by", Accepts::Number)];

pub const ALL: &[Function] = &[
    Function {
        name: "int",
        parameters: &[parameter("value", Accepts::Any)],
        result: int64,
        is_partial: true,
        doc: "A whole number, from a number without fraction or from a text.",
        examples: &[Example { call: r#"int("42")"#, result: r#"42"# }],
        eval: |args| match &args[0] {
            Value::Text(text) => text.parse().map(Value::Int).map_err(|_| format!("{} is not a whole number", args[0])),
            Value::Bool(it) => Ok(Value::Int(i64::from(*it))),
            other => int_of(other).map(Value::Int),
        },
        ..PLAIN
    },
    Function {
        name: "mod",
        parameters: TWO,
        result: int64,
        is_partial: true,
        doc: "What is left of a whole number after division; it has the sign of the divisor.",
        examples: &[Example { call: r#"mod(17, 5)"#, result: r#"2"# }, Example { call: r#"mod(-1, 5)"#, result: r#"4"# }],
        eval: |args| {
            let (number, by) = (int_of(&args[0])?, int_of(&args[1])?);
            let rest = i128::from(number).checked_rem(i128::from(by)).ok_or("division by zero")?;
            let is_other_sign = rest != 0 && (rest < 0) != (by < 0);
            let rest = if is_other_sign { rest + i128::from(by) } else { rest };
            i64::try_from(rest).map(Value::Int).map_err(|_| "too large".to_owned())
        },
        ..PLAIN
    },
    Function {
        name: "quotient",
        parameters: TWO,
        result: int64,
        is_partial: true,
        doc: "How often the divisor goes into the number, without the rest.",
        examples: &[Example { call: r#"quotient(17, 5)"#, result: r#"3"# }],
        eval: |args| {
            let (number, by) = (int_of(&args[0])?, int_of(&args[1])?);
            number.checked_div(by).map(Value::Int).ok_or_else(|| "division by zero, or too large".to_owned())
        },
        ..PLAIN
    },
    Function {
        name: "percent",
        parameters: &[parameter("part", Accepts::Number), parameter("whole", Accepts::Number)],
        result: |_, _| Kind::Decimal { precision: DIGITS_MAX, scale: SHARE_SCALE },
        is_partial: true,
        doc: "How many hundredths of the whole the part is.",
        examples: &[Example { call: r#"percent(1, 8)"#, result: r#"12.5"# }],
        eval: |args| {
            let (part, whole) = (number(&args[0])?, number(&args[1])?);
            let share = part.checked_mul(Decimal::from_int(100)).and_then(|it| it.checked_div(whole));
            within(share.map_err(|error| error.to_string())?.round(SHARE_SCALE, Rounding::HalfUp), SHARE_SCALE)
        },
        ..PLAIN
    },
    Function {
        name: "is_number",
        parameters: &[parameter("text", Accepts::Text)],
        result: boolean,
        doc: "Whether the text is a number as the language writes it.",
        examples: &[
            Example { call: r#"is_number("-1.5")"#, result: r#"true"# },
            Example { call: r#"is_number("1,5")"#, result: r#"false"# },
        ],
        eval: |args| Ok(Value::Bool(text_of(&args[0]).parse::<Decimal>().is_ok())),
        ..PLAIN
    },
    Function {
        name: "is_whole",
        parameters: &[parameter("number", Accepts::Number)],
        result: boolean,
        doc: "Whether the number has no digits after the point and fits 64 bits.",
        examples: &[Example { call: r#"is_whole(1.5)"#, result: r#"false"# }],
        eval: |args| Ok(Value::Bool(int_of(&args[0]).is_ok())),
        ..PLAIN
    },
];
