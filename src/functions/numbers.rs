//! Number functions: exact, half away from zero. Floats stay floats.

use super::results::{DIGITS_MAX, common, known};
use super::{Accepts, Example, Function, Law, PLAIN, Parameter, Push, constant, int_of, parameter, text_of};
use crate::value::{Decimal, Float, Kind, Rounding, Value};

fn rounded(kinds: &[Kind], constants: &[Option<Value>]) -> Kind {
    let places = known(constants, 1).min(u32::from(DIGITS_MAX)) as u8;
    match &kinds[0] {
        // One digit more before the point: 9.99 rounds to 10.0.
        Kind::Decimal { precision, scale } if places < *scale => {
            Kind::Decimal { precision: (precision - scale + places + 1).min(DIGITS_MAX), scale: places }
        }
        other => other.clone(),
    }
}

fn integral(kinds: &[Kind], _: &[Option<Value>]) -> Kind {
    match &kinds[0] {
        Kind::Decimal { precision, scale: 0 } => Kind::Decimal { precision: *precision, scale: 0 },
        Kind::Decimal { precision, scale } => Kind::Decimal { precision: (precision - scale + 1).min(DIGITS_MAX), scale: 0 },
        other => other.clone(),
    }
}

/// The smallest whole number of 32 bits needs more of them with the other sign.
fn unsigned(kinds: &[Kind], _: &[Option<Value>]) -> Kind {
    match &kinds[0] {
        Kind::Int32 => Kind::Int64,
        other => other.clone(),
    }
}

/// The number as an exact one; fails for floats that have no exact decimal of 38 digits.
pub fn number(value: &Value) -> Result<Decimal, String> {
    match value {
        Value::Int(it) => Ok(Decimal::from_int(*it)),
        Value::Decimal(it) => Ok(*it),
        Value::Float(it) => it.0.to_string().parse().map_err(|_| format!("{} has more than 38 digits", it.0)),
        other => Err(format!("{other} is not a number")),
    }
}

fn float(value: &Value) -> f64 {
    match value {
        Value::Float(it) => it.0,
        Value::Int(it) => *it as f64,
        Value::Decimal(it) => it.to_float(),
        _ => 0.0,
    }
}

fn is_less(left: &Value, right: &Value) -> bool {
    match (number(left), number(right)) {
        (Ok(left), Ok(right)) => left < right,
        (Err(_), _) | (_, Err(_)) => float(left) < float(right),
    }
}

/// The chosen argument in the form that all of them share.
fn shared(chosen: &Value, args: &[Value]) -> Value {
    if args.iter().any(|it| matches!(it, Value::Float(_))) {
        return Value::Float(Float(float(chosen)));
    }
    match (chosen, args.iter().any(|it| matches!(it, Value::Decimal(_)))) {
        (Value::Int(it), true) => Value::Decimal(Decimal::from_int(*it)),
        (other, _) => other.clone(),
    }
}

fn smaller<'a>(left: &'a Value, right: &'a Value) -> &'a Value {
    if is_less(right, left) { right } else { left }
}

fn larger<'a>(left: &'a Value, right: &'a Value) -> &'a Value {
    if is_less(left, right) { right } else { left }
}

/// Rounds in the form of the argument. A float too large for a decimal has no digits after the point; one too small is nearly 0.
fn round(value: &Value, places: u8, how: Rounding, coarse: fn(f64) -> f64) -> Value {
    match (value, number(value)) {
        (Value::Float(_), Ok(it)) => Value::Float(Float(it.round(places, how).to_float())),
        (Value::Float(it), Err(_)) => Value::Float(Float(coarse(it.0))),
        (Value::Decimal(it), _) => Value::Decimal(it.round(places, how)),
        (other, _) => other.clone(),
    }
}

fn places(value: &Value) -> Result<u8, String> {
    match int_of(value)? {
        places @ 0..=38 => Ok(places as u8),
        other => Err(format!("{other} is no number of places from 0 to 38")),
    }
}

fn is_places(value: &Value) -> Result<(), String> {
    places(value).map(|_| ())
}

/// Half to the even neighbour.
fn round_even(value: Decimal, places: u8) -> Decimal {
    let (down, up) = (value.round(places, Rounding::Floor), value.round(places, Rounding::Ceil));
    let distance = |to: Decimal| if to < value { value.checked_sub(to) } else { to.checked_sub(value) };
    let is_even = |it: Decimal| {
        let shift = u32::from(places - it.scale().min(places));
        shift > 0 || it.mantissa() % 2 == 0
    };
    match (distance(down), distance(up)) {
        (Ok(below), Ok(above)) if below < above => down,
        (Ok(below), Ok(above)) if below == above && is_even(down) => down,
        _ => up,
    }
}

/// Refuses what has more digits before the point than the kind has room for.
pub fn within(value: Decimal, scale: u8) -> Result<Value, String> {
    if value.integer_digits() > u32::from(DIGITS_MAX - scale) {
        return Err(format!("{value} has more than {} digits before the point", DIGITS_MAX - scale));
    }
    Ok(Value::Decimal(value))
}

fn is_power(value: &Value) -> Result<(), String> {
    match int_of(value)? {
        -18..=18 => Ok(()),
        other => Err(format!("{other} is no number of places from -18 to 18")),
    }
}

const NUMBER: &[Parameter] = &[parameter("number", Accepts::Number)];
const PLACES: &[Parameter] = &[parameter("number", Accepts::Number), constant("places", Accepts::Number, is_places)];
const TWO: &[Parameter] = &[parameter("a", Accepts::Number), parameter("b", Accepts::Number)];

pub const ALL: &[Function] = &[
    Function {
        name: "round",
        parameters: PLACES,
        result: rounded,
        law: Law::Retract,
        doc: "To so many digits after the point, half away from zero.",
        examples: &[
            Example { call: r#"round(2.345, 2)"#, result: r#"2.35"# },
            Example { call: r#"round(-2.5, 0)"#, result: r#"-3"# },
        ],
        eval: |args| Ok(round(&args[0], places(&args[1])?, Rounding::HalfUp, f64::round)),
        ..PLAIN
    },
    Function {
        name: "round_even",
        parameters: PLACES,
        result: rounded,
        law: Law::Retract,
        doc: "To so many digits after the point, half to the even neighbour.",
        examples: &[
            Example { call: r#"round_even(2.5, 0)"#, result: r#"2"# },
            Example { call: r#"round_even(0.375, 2)"#, result: r#"0.38"# },
        ],
        eval: |args| {
            let digits = places(&args[1])?;
            Ok(match (&args[0], number(&args[0])) {
                (Value::Float(_), Ok(it)) => Value::Float(Float(round_even(it, digits).to_float())),
                (Value::Float(it), Err(_)) => Value::Float(Float(it.0.round())),
                (Value::Decimal(it), _) => Value::Decimal(round_even(*it, digits)),
                (other, _) => other.clone(),
            })
        },
        ..PLAIN
    },
    Function {
        name: "floor",
        parameters: NUMBER,
        result: integral,
        law: Law::Retract,
        push: Push::odata("floor({0})"),
        doc: "The largest whole number that is not larger.",
        examples: &[Example { call: r#"floor(-1.5)"#, result: r#"-2"# }],
        eval: |args| Ok(round(&args[0], 0, Rounding::Floor, f64::floor)),
        ..PLAIN
    },
    Function {
        name: "ceil",
        parameters: NUMBER,
        result: integral,
        law: Law::Retract,
        push: Push::odata("ceiling({0})"),
        doc: "The smallest whole number that is not smaller.",
        examples: &[Example { call: r#"ceil(1.2)"#, result: r#"2"# }],
        eval: |args| Ok(round(&args[0], 0, Rounding::Ceil, f64::ceil)),
        ..PLAIN
    },
    Function {
        name: "trunc",
        parameters: NUMBER,
        result: integral,
        law: Law::Retract,
        doc: "Without the digits after the point.",
        examples: &[Example { call: r#"trunc(-1.7)"#, result: r#"-1"# }],
        eval: |args| Ok(round(&args[0], 0, Rounding::Truncate, f64::trunc)),
        ..PLAIN
    },
    Function {
        name: "abs",
        parameters: NUMBER,
        result: unsigned,
        law: Law::Retract,
        doc: "Without its sign; the smallest whole number of 64 bits gives the largest.",
        examples: &[Example { call: r#"abs(-3)"#, result: r#"3"# }],
        eval: |args| {
            Ok(match &args[0] {
                Value::Float(it) => Value::Float(Float(it.0.abs())),
                Value::Int(it) => Value::Int(it.saturating_abs()),
                Value::Decimal(it) if *it < Decimal::ZERO => Value::Decimal(it.negated()),
                other => other.clone(),
            })
        },
        ..PLAIN
    },
    Function {
        name: "negate",
        parameters: NUMBER,
        result: unsigned,
        doc: "With the other sign; the smallest whole number of 64 bits gives the largest.",
        examples: &[Example { call: r#"negate(2.5)"#, result: r#"-2.5"# }],
        eval: |args| {
            Ok(match &args[0] {
                Value::Float(it) => Value::Float(Float(-it.0)),
                Value::Int(it) => Value::Int(it.saturating_neg()),
                Value::Decimal(it) => Value::Decimal(it.negated()),
                other => other.clone(),
            })
        },
        ..PLAIN
    },
    Function {
        name: "sign",
        parameters: NUMBER,
        result: super::results::int32,
        doc: "-1, 0 or 1.",
        examples: &[Example { call: r#"sign(-2.5)"#, result: r#"-1"# }],
        eval: |args| {
            Ok(Value::Int(match float(&args[0]) {
                it if it < 0.0 => -1,
                it if it > 0.0 => 1,
                _ => 0,
            }))
        },
        ..PLAIN
    },
    Function {
        name: "min",
        parameters: TWO,
        result: common,
        doc: "The smaller of two numbers.",
        examples: &[Example { call: r#"min(2, 3)"#, result: r#"2"# }],
        eval: |args| Ok(shared(smaller(&args[0], &args[1]), args)),
        ..PLAIN
    },
    Function {
        name: "max",
        parameters: TWO,
        result: common,
        doc: "The larger of two numbers.",
        examples: &[Example { call: r#"max(2, 2.5)"#, result: r#"2.5"# }],
        eval: |args| Ok(shared(larger(&args[0], &args[1]), args)),
        ..PLAIN
    },
    Function {
        name: "clamp",
        parameters: &[
            parameter("number", Accepts::Number),
            constant("low", Accepts::Number, is_number),
            constant("high", Accepts::Number, is_number),
        ],
        result: common,
        law: Law::Retract,
        doc: "The number, or the bound that it is beyond.",
        examples: &[
            Example { call: r#"clamp(120, 0, 100)"#, result: r#"100"# },
            Example { call: r#"clamp(-1, 0, 100)"#, result: r#"0"# },
        ],
        eval: |args| Ok(shared(larger(smaller(&args[0], &args[2]), &args[1]), args)),
        ..PLAIN
    },
    Function {
        name: "scale",
        parameters: &[parameter("number", Accepts::Number), constant("places", Accepts::Number, is_power)],
        result: |_, _| Kind::Decimal { precision: DIGITS_MAX, scale: 18 },
        is_partial: true,
        doc: "With the point so many places to the right, or to the left where negative; exact.",
        examples: &[
            Example { call: r#"scale(1.25, 2)"#, result: r#"125"# },
            Example { call: r#"scale(125, -2)"#, result: r#"1.25"# },
        ],
        eval: |args| {
            let power = int_of(&args[1])?;
            let by = Decimal::new(10i128.pow(power.unsigned_abs().min(18) as u32), 0).map_err(|error| error.to_string())?;
            let it = number(&args[0])?;
            let result = if power < 0 { it.checked_div(by) } else { it.checked_mul(by) }.map_err(|error| error.to_string())?;
            if result.scale() > 18 {
                Err(format!("{result} has more than 18 digits after the point"))
            } else {
                within(result, 18)
            }
        },
        ..PLAIN
    },
    Function {
        name: "decimal",
        parameters: &[parameter("value", Accepts::Any), constant("places", Accepts::Number, is_places)],
        result: |_, constants| Kind::Decimal { precision: DIGITS_MAX, scale: known(constants, 1).min(38) as u8 },
        is_partial: true,
        doc: "A decimal with at most so many digits after the point, from a number or a text.",
        examples: &[Example { call: r#"decimal("1.250", 2)"#, result: r#"1.25"# }],
        eval: |args| {
            let it = match &args[0] {
                Value::Text(text) => text.parse().map_err(|error| format!("{}: {error}", args[0]))?,
                other => number(other)?,
            };
            let limit = places(&args[1])?;
            if it.scale() > limit { Err(format!("{it} has more than {limit} digits after the point")) } else { within(it, limit) }
        },
        ..PLAIN
    },
    Function {
        name: "parse_decimal",
        parameters: &[parameter("text", Accepts::Text), constant("mark", Accepts::Text, is_mark)],
        result: |_, _| Kind::Decimal { precision: DIGITS_MAX, scale: 18 },
        is_partial: true,
        doc: "A number written with this decimal mark, `.` or `,`; blanks, apostrophes and the other mark group digits.",
        examples: &[Example { call: r#"parse_decimal("1.234,50", ",")"#, result: r#"1234.5"# }],
        eval: |args| parse_decimal(text_of(&args[0]), text_of(&args[1])),
        ..PLAIN
    },
    Function {
        name: "number_text",
        parameters: &[parameter("number", Accepts::Number), constant("places", Accepts::Number, is_places)],
        result: |kinds, constants| Kind::Text {
            max: super::results::printed(&kinds[0]).map(|it| it.saturating_add(known(constants, 1) + 1)),
        },
        doc: "The number with exactly so many digits after the point, half away from zero.",
        examples: &[
            Example { call: r#"number_text(12.5, 2)"#, result: r#""12.50""# },
            Example { call: r#"number_text(-3, 0)"#, result: r#""-3""# },
        ],
        eval: |args| {
            let digits = places(&args[1])?;
            Ok(Value::text(match (&args[0], number(&args[0])) {
                (_, Ok(it)) => with_places(it.round(digits, Rounding::HalfUp), digits),
                (other, Err(_)) => format!("{:.*}", usize::from(digits), float(other)),
            }))
        },
        ..PLAIN
    },
];

fn is_number(value: &Value) -> Result<(), String> {
    number(value).map(|_| ())
}

fn is_mark(value: &Value) -> Result<(), String> {
    match text_of(value) {
        "." | "," => Ok(()),
        other => Err(format!("{other:?} is neither \".\" nor \",\"")),
    }
}

fn parse_decimal(text: &str, mark: &str) -> Result<Value, String> {
    let other = if mark == "," { '.' } else { ',' };
    let wrong = || format!("{text:?} is no number with the decimal mark {mark:?}");
    let is_group = |it: char| it.is_whitespace() || it == '\'' || it == other;
    let (whole, rest) = text.trim().split_once(mark).unwrap_or((text.trim(), ""));
    if rest.contains(is_group) {
        return Err(wrong());
    }
    let plain: String = whole.chars().filter(|it| !is_group(*it)).chain(['.']).chain(rest.chars()).collect();
    let plain = plain.trim_end_matches('.');
    let it: Decimal = plain.parse().map_err(|_| wrong())?;
    if it.scale() > 18 { Err(format!("{it} has more than 18 digits after the point")) } else { within(it, 18) }
}

fn with_places(value: Decimal, places: u8) -> String {
    let mut out = value.to_string();
    if places > 0 {
        if value.scale() == 0 {
            out.push('.');
        }
        out.extend(std::iter::repeat_n('0', usize::from(places - value.scale().min(places))));
    }
    out
}
