//! Date functions. Instants are cut in UTC.

use super::{Accepts, Example, Function, Law, Parameter, int_of, parameter};
use crate::value::{Date, Kind, Value};

fn day(value: &Value) -> Result<Date, String> {
    match value {
        Value::Date(date) => Ok(*date),
        Value::DateTime(at) => Ok(at.to_zoned(jiff::tz::TimeZone::UTC).date()),
        other => Err(format!("{other} is not a date")),
    }
}

fn int32(_: &[Kind], _: &[Option<Value>]) -> Kind {
    Kind::Int32
}

const DATE: &[Parameter] = &[parameter("date", Accepts::Date)];

pub const ALL: &[Function] = &[
    Function {
        name: "date",
        parameters: DATE,
        result: |_, _| Kind::Date,
        law: Law::Retract,
        takes_null: false,
        is_partial: false,
        doc: "The UTC day of an instant.",
        examples: &[Example { call: "date(2024-02-29T23:59:00Z)", result: "2024-02-29" }],
        eval: |args| day(&args[0]).map(Value::Date),
    },
    Function {
        name: "year",
        parameters: DATE,
        result: int32,
        law: Law::OneWay,
        takes_null: false,
        is_partial: false,
        doc: "The year.",
        examples: &[Example { call: "year(2024-02-29)", result: "2024" }],
        eval: |args| Ok(Value::Int(i64::from(day(&args[0])?.year()))),
    },
    Function {
        name: "month",
        parameters: DATE,
        result: int32,
        law: Law::OneWay,
        takes_null: false,
        is_partial: false,
        doc: "The month, 1 to 12.",
        examples: &[Example { call: "month(2024-02-29)", result: "2" }],
        eval: |args| Ok(Value::Int(i64::from(day(&args[0])?.month()))),
    },
    Function {
        name: "day",
        parameters: DATE,
        result: int32,
        law: Law::OneWay,
        takes_null: false,
        is_partial: false,
        doc: "The day of the month.",
        examples: &[Example { call: "day(2024-02-29)", result: "29" }],
        eval: |args| Ok(Value::Int(i64::from(day(&args[0])?.day()))),
    },
    Function {
        name: "add_days",
        parameters: &[parameter("date", Accepts::Date), parameter("days", Accepts::Number)],
        result: |_, _| Kind::Date,
        law: Law::OneWay,
        takes_null: false,
        is_partial: true,
        doc: "The day so many days later.",
        examples: &[Example { call: "add_days(2024-02-28, 2)", result: "2024-03-01" }],
        eval: |args| {
            let days = jiff::Span::new().try_days(int_of(&args[1])?).map_err(|error| error.to_string())?;
            day(&args[0])?.checked_add(days).map(Value::Date).map_err(|error| error.to_string())
        },
    },
];
