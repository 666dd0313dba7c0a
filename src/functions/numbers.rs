//! Number functions: exact, half away from zero.

use super::{Accepts, Example, Function, Law, Parameter, constant, int_of, known, parameter};
use crate::value::{Decimal, Kind, Rounding, Value};

fn same(kinds: &[Kind], _: &[Option<Value>]) -> Kind {
    kinds[0].clone()
}

fn rounded(kinds: &[Kind], constants: &[Option<Value>]) -> Kind {
    let places = known(constants, 1).min(38) as u8;
    match &kinds[0] {
        // One digit more before the point: 9.99 rounds to 10.0.
        Kind::Decimal { precision, scale } if places < *scale => {
            Kind::Decimal { precision: (precision - scale + places + 1).min(38), scale: places }
        }
        other => other.clone(),
    }
}

fn whole(kinds: &[Kind], _: &[Option<Value>]) -> Kind {
    match &kinds[0] {
        Kind::Decimal { precision, scale } => Kind::Decimal { precision: (precision - scale + 1).max(1), scale: 0 },
        other => other.clone(),
    }
}

fn number(value: &Value) -> Result<Decimal, String> {
    match value {
        Value::Int(it) => Ok(Decimal::from_int(*it)),
        Value::Decimal(it) => Ok(*it),
        Value::Float(it) => it.0.to_string().parse().map_err(|_| format!("{} is not a number", it.0)),
        other => Err(format!("{other} is not a number")),
    }
}

/// A result in the form of the argument: whole numbers stay whole numbers.
fn like(argument: &Value, result: Decimal) -> Value {
    match (argument, result.to_int()) {
        (Value::Int(_), Some(it)) => Value::Int(it),
        _ => Value::Decimal(result),
    }
}

fn round(args: &[Value], how: Rounding, places: u8) -> Result<Value, String> {
    Ok(like(&args[0], number(&args[0])?.round(places, how)))
}

fn places(args: &[Value]) -> Result<u8, String> {
    u8::try_from(int_of(&args[1])?).map_err(|_| "the number of places is from 0 to 38".to_owned())
}

const NUMBER: &[Parameter] = &[parameter("number", Accepts::Number)];
const TWO: &[Parameter] = &[parameter("a", Accepts::Number), parameter("b", Accepts::Number)];

pub const ALL: &[Function] = &[
    Function {
        name: "round",
        parameters: &[parameter("number", Accepts::Number), constant("places", Accepts::Number)],
        result: rounded,
        law: Law::Retract,
        takes_null: false,
        is_partial: false,
        doc: "To so many digits after the point, half away from zero.",
        examples: &[Example { call: "round(2.345, 2)", result: "2.35" }, Example { call: "round(-2.5, 0)", result: "-3" }],
        eval: |args| round(args, Rounding::HalfUp, places(args)?),
    },
    Function {
        name: "floor",
        parameters: NUMBER,
        result: whole,
        law: Law::Retract,
        takes_null: false,
        is_partial: false,
        doc: "The largest whole number that is not larger.",
        examples: &[Example { call: "floor(-1.5)", result: "-2" }],
        eval: |args| round(args, Rounding::Floor, 0),
    },
    Function {
        name: "ceil",
        parameters: NUMBER,
        result: whole,
        law: Law::Retract,
        takes_null: false,
        is_partial: false,
        doc: "The smallest whole number that is not smaller.",
        examples: &[Example { call: "ceil(1.2)", result: "2" }],
        eval: |args| round(args, Rounding::Ceil, 0),
    },
    Function {
        name: "abs",
        parameters: NUMBER,
        result: same,
        law: Law::Retract,
        takes_null: false,
        is_partial: false,
        doc: "Without its sign.",
        examples: &[Example { call: "abs(-3)", result: "3" }],
        eval: |args| {
            let it = number(&args[0])?;
            Ok(like(&args[0], if it < Decimal::ZERO { it.negated() } else { it }))
        },
    },
    Function {
        name: "min",
        parameters: TWO,
        result: same,
        law: Law::OneWay,
        takes_null: false,
        is_partial: false,
        doc: "The smaller of two numbers.",
        examples: &[Example { call: "min(2, 3)", result: "2" }],
        eval: |args| Ok(args[usize::from(number(&args[1])? < number(&args[0])?)].clone()),
    },
    Function {
        name: "max",
        parameters: TWO,
        result: same,
        law: Law::OneWay,
        takes_null: false,
        is_partial: false,
        doc: "The larger of two numbers.",
        examples: &[Example { call: "max(2, 3)", result: "3" }],
        eval: |args| Ok(args[usize::from(number(&args[1])? > number(&args[0])?)].clone()),
    },
    Function {
        name: "int",
        parameters: &[parameter("value", Accepts::Any)],
        result: |_, _| Kind::Int64,
        law: Law::OneWay,
        takes_null: false,
        is_partial: true,
        doc: "A whole number, from a number without fraction or from a text.",
        examples: &[Example { call: r#"int("42")"#, result: "42" }],
        eval: |args| match &args[0] {
            Value::Text(text) => text.parse().map(Value::Int).map_err(|_| format!("{} is not a whole number", args[0])),
            Value::Bool(it) => Ok(Value::Int(i64::from(*it))),
            other => int_of(other).map(Value::Int),
        },
    },
    Function {
        name: "decimal",
        parameters: &[parameter("value", Accepts::Any), constant("places", Accepts::Number)],
        result: |_, constants| Kind::Decimal { precision: 38, scale: known(constants, 1).min(38) as u8 },
        law: Law::OneWay,
        takes_null: false,
        is_partial: true,
        doc: "A decimal with at most so many digits after the point, from a number or a text.",
        examples: &[Example { call: r#"decimal("1.250", 2)"#, result: "1.25" }],
        eval: |args| {
            let it = match &args[0] {
                Value::Text(text) => text.parse().map_err(|error| format!("{}: {error}", args[0]))?,
                other => number(other)?,
            };
            let limit = places(args)?;
            if it.scale() > limit {
                Err(format!("{it} has more than {limit} digits after the point"))
            } else {
                Ok(Value::Decimal(it))
            }
        },
    },
];
