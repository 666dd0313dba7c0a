//! The calendar: weekdays, quarters, beginnings and ends, distances.

use jiff::civil::Weekday;
use jiff::{SignedDuration, Span, ToSpan};

use super::dates::{day, instant};
use super::results::{boolean, date, datetime, int32, int64};
use super::{Accepts, Example, Function, Law, PLAIN, Parameter, int_of, parameter};
use crate::value::{Date, Value};

const DATE: &[Parameter] = &[parameter("date", Accepts::Date)];
const AT: &[Parameter] = &[parameter("at", Accepts::DateTime)];

/// A count of days, months or years; the calendar has fewer than four million days.
fn counted(value: &Value, span: impl Fn(i32) -> Result<Span, jiff::Error>) -> Result<Span, String> {
    let count = i32::try_from(int_of(value)?).map_err(|_| format!("{value} is too large"))?;
    span(count).map_err(|error| error.to_string())
}

fn later(args: &[Value], span: impl Fn(i32) -> Result<Span, jiff::Error>) -> Result<Value, String> {
    let span = counted(&args[1], span)?;
    day(&args[0])?.checked_add(span).map(Value::Date).map_err(|error| error.to_string())
}

fn later_at(args: &[Value], unit_seconds: i64) -> Result<Value, String> {
    let seconds = int_of(&args[1])?.checked_mul(unit_seconds).ok_or("too large")?;
    let at = instant(&args[0])?.checked_add(SignedDuration::from_secs(seconds));
    at.map(Value::DateTime).map_err(|error| error.to_string())
}

/// The Monday of the week; the first days of the calendar have none.
fn monday(date: Date) -> Date {
    let back = i32::from(date.weekday().to_monday_zero_offset());
    date.checked_sub(back.days()).unwrap_or(date)
}

fn quarter(date: Date) -> i8 {
    (date.month() - 1) / 3 + 1
}

fn first_of(date: Date, month: i8) -> Date {
    Date::new(date.year(), month, 1).expect("every month of a year has a first day")
}

/// The instant without what goes beyond whole steps of so many seconds.
fn cut(value: &Value, seconds: i64) -> Result<Value, String> {
    let at = instant(value)?;
    let rest = at.as_nanosecond().rem_euclid(i128::from(seconds) * 1_000_000_000);
    let rest = SignedDuration::from_nanos(i64::try_from(rest).expect("a day has fewer nanoseconds than 64 bits hold"));
    Ok(Value::DateTime(at.checked_sub(rest).unwrap_or(at)))
}

const LATER_DAYS: &[Parameter] = &[parameter("date", Accepts::Date), parameter("days", Accepts::Number)];
const LATER_MONTHS: &[Parameter] = &[parameter("date", Accepts::Date), parameter("months", Accepts::Number)];
const LATER_YEARS: &[Parameter] = &[parameter("date", Accepts::Date), parameter("years", Accepts::Number)];
const LATER_HOURS: &[Parameter] = &[parameter("at", Accepts::DateTime), parameter("hours", Accepts::Number)];
const LATER_MINUTES: &[Parameter] = &[parameter("at", Accepts::DateTime), parameter("minutes", Accepts::Number)];
const LATER_SECONDS: &[Parameter] = &[parameter("at", Accepts::DateTime), parameter("seconds", Accepts::Number)];

pub const ALL: &[Function] = &[
    Function {
        name: "add_days",
        parameters: LATER_DAYS,
        result: date,
        is_partial: true,
        doc: "The day so many days later.",
        examples: &[Example { call: r#"add_days("2024-02-28", 2)"#, result: r#"2024-03-01"# }],
        eval: |args| later(args, |it| Span::new().try_days(it)),
        ..PLAIN
    },
    Function {
        name: "add_months",
        parameters: LATER_MONTHS,
        result: date,
        is_partial: true,
        doc: "The day so many months later; the last of the month where it is shorter.",
        examples: &[Example { call: r#"add_months("2024-01-31", 1)"#, result: r#"2024-02-29"# }],
        eval: |args| later(args, |it| Span::new().try_months(it)),
        ..PLAIN
    },
    Function {
        name: "add_years",
        parameters: LATER_YEARS,
        result: date,
        is_partial: true,
        doc: "The day so many years later; the last of February where it is shorter.",
        examples: &[Example { call: r#"add_years("2024-02-29", 1)"#, result: r#"2025-02-28"# }],
        eval: |args| later(args, |it| Span::new().try_years(it)),
        ..PLAIN
    },
    Function {
        name: "add_hours",
        parameters: LATER_HOURS,
        result: datetime,
        is_partial: true,
        doc: "The instant so many hours later.",
        examples: &[Example { call: r#"add_hours("2024-02-29T23:00:00Z", 2)"#, result: r#"2024-03-01T01:00:00Z"# }],
        eval: |args| later_at(args, 3600),
        ..PLAIN
    },
    Function {
        name: "add_minutes",
        parameters: LATER_MINUTES,
        result: datetime,
        is_partial: true,
        doc: "The instant so many minutes later.",
        examples: &[Example { call: r#"add_minutes("2024-02-29T23:00:00Z", -1)"#, result: r#"2024-02-29T22:59:00Z"# }],
        eval: |args| later_at(args, 60),
        ..PLAIN
    },
    Function {
        name: "add_seconds",
        parameters: LATER_SECONDS,
        result: datetime,
        is_partial: true,
        doc: "The instant so many seconds later.",
        examples: &[Example { call: r#"add_seconds("2024-02-29T23:00:00Z", 5)"#, result: r#"2024-02-29T23:00:05Z"# }],
        eval: |args| later_at(args, 1),
        ..PLAIN
    },
    Function {
        name: "weekday",
        parameters: DATE,
        result: int32,
        doc: "The day of the week, 1 for Monday to 7 for Sunday.",
        examples: &[Example { call: r#"weekday("2024-02-29")"#, result: r#"4"# }],
        eval: |args| Ok(Value::Int(i64::from(day(&args[0])?.weekday().to_monday_one_offset()))),
        ..PLAIN
    },
    Function {
        name: "is_weekend",
        parameters: DATE,
        result: boolean,
        doc: "Whether it is a Saturday or a Sunday.",
        examples: &[Example { call: r#"is_weekend("2024-03-02")"#, result: r#"true"# }],
        eval: |args| Ok(Value::Bool(matches!(day(&args[0])?.weekday(), Weekday::Saturday | Weekday::Sunday))),
        ..PLAIN
    },
    Function {
        name: "week",
        parameters: DATE,
        result: int32,
        doc: "The week of the year, 1 to 53 (ISO 8601).",
        examples: &[Example { call: r#"week("2024-12-30")"#, result: r#"1"# }],
        eval: |args| Ok(Value::Int(i64::from(day(&args[0])?.iso_week_date().week()))),
        ..PLAIN
    },
    Function {
        name: "quarter",
        parameters: DATE,
        result: int32,
        doc: "The quarter, 1 to 4.",
        examples: &[Example { call: r#"quarter("2024-05-01")"#, result: r#"2"# }],
        eval: |args| Ok(Value::Int(i64::from(quarter(day(&args[0])?)))),
        ..PLAIN
    },
    Function {
        name: "day_of_year",
        parameters: DATE,
        result: int32,
        doc: "The day of the year, 1 to 366.",
        examples: &[Example { call: r#"day_of_year("2024-12-31")"#, result: r#"366"# }],
        eval: |args| Ok(Value::Int(i64::from(day(&args[0])?.day_of_year()))),
        ..PLAIN
    },
    Function {
        name: "start_of_week",
        parameters: DATE,
        result: date,
        law: Law::Retract,
        doc: "The Monday of the week.",
        examples: &[Example { call: r#"start_of_week("2024-02-29")"#, result: r#"2024-02-26"# }],
        eval: |args| Ok(Value::Date(monday(day(&args[0])?))),
        ..PLAIN
    },
    Function {
        name: "start_of_month",
        parameters: DATE,
        result: date,
        law: Law::Retract,
        doc: "The first day of the month.",
        examples: &[Example { call: r#"start_of_month("2024-02-29")"#, result: r#"2024-02-01"# }],
        eval: |args| Ok(Value::Date(day(&args[0])?.first_of_month())),
        ..PLAIN
    },
    Function {
        name: "end_of_month",
        parameters: DATE,
        result: date,
        law: Law::Retract,
        doc: "The last day of the month.",
        examples: &[Example { call: r#"end_of_month("2024-02-01")"#, result: r#"2024-02-29"# }],
        eval: |args| Ok(Value::Date(day(&args[0])?.last_of_month())),
        ..PLAIN
    },
    Function {
        name: "start_of_quarter",
        parameters: DATE,
        result: date,
        law: Law::Retract,
        doc: "The first day of the quarter.",
        examples: &[Example { call: r#"start_of_quarter("2024-05-17")"#, result: r#"2024-04-01"# }],
        eval: |args| {
            let it = day(&args[0])?;
            Ok(Value::Date(first_of(it, quarter(it) * 3 - 2)))
        },
        ..PLAIN
    },
    Function {
        name: "end_of_quarter",
        parameters: DATE,
        result: date,
        law: Law::Retract,
        doc: "The last day of the quarter.",
        examples: &[Example { call: r#"end_of_quarter("2024-05-17")"#, result: r#"2024-06-30"# }],
        eval: |args| {
            let it = day(&args[0])?;
            Ok(Value::Date(first_of(it, quarter(it) * 3).last_of_month()))
        },
        ..PLAIN
    },
    Function {
        name: "start_of_year",
        parameters: DATE,
        result: date,
        law: Law::Retract,
        doc: "The first day of the year.",
        examples: &[Example { call: r#"start_of_year("2024-05-17")"#, result: r#"2024-01-01"# }],
        eval: |args| Ok(Value::Date(day(&args[0])?.first_of_year())),
        ..PLAIN
    },
    Function {
        name: "end_of_year",
        parameters: DATE,
        result: date,
        law: Law::Retract,
        doc: "The last day of the year.",
        examples: &[Example { call: r#"end_of_year("2024-05-17")"#, result: r#"2024-12-31"# }],
        eval: |args| Ok(Value::Date(day(&args[0])?.last_of_year())),
        ..PLAIN
    },
    Function {
        name: "start_of_day",
        parameters: AT,
        result: datetime,
        law: Law::Retract,
        doc: "The instant at which the UTC day began.",
        examples: &[Example { call: r#"start_of_day("2024-02-29T23:59:00Z")"#, result: r#"2024-02-29T00:00:00Z"# }],
        eval: |args| cut(&args[0], 86_400),
        ..PLAIN
    },
    Function {
        name: "start_of_hour",
        parameters: AT,
        result: datetime,
        law: Law::Retract,
        doc: "The instant at which the hour began.",
        examples: &[Example { call: r#"start_of_hour("2024-02-29T23:59:00Z")"#, result: r#"2024-02-29T23:00:00Z"# }],
        eval: |args| cut(&args[0], 3_600),
        ..PLAIN
    },
    Function {
        name: "whole_seconds",
        parameters: AT,
        result: datetime,
        law: Law::Retract,
        doc: "The instant without fractions of a second.",
        examples: &[Example { call: r#"whole_seconds("2024-02-29T23:59:01.5Z")"#, result: r#"2024-02-29T23:59:01Z"# }],
        eval: |args| cut(&args[0], 1),
        ..PLAIN
    },
    Function {
        name: "days_between",
        parameters: &[parameter("from", Accepts::Date), parameter("to", Accepts::Date)],
        result: int32,
        doc: "How many days lie from the first date to the second; negative where it is earlier.",
        examples: &[Example { call: r#"days_between("2024-02-28", "2024-03-01")"#, result: r#"2"# }],
        eval: |args| {
            let distance = day(&args[1])?.duration_since(day(&args[0])?);
            Ok(Value::Int(distance.as_hours() / 24))
        },
        ..PLAIN
    },
    Function {
        name: "seconds_between",
        parameters: &[parameter("from", Accepts::DateTime), parameter("to", Accepts::DateTime)],
        result: int64,
        doc: "How many whole seconds lie from the first instant to the second.",
        examples: &[Example { call: r#"seconds_between("2024-02-29T00:00:00Z", "2024-02-29T00:01:00Z")"#, result: r#"60"# }],
        eval: |args| Ok(Value::Int(instant(&args[1])?.duration_since(instant(&args[0])?).as_secs())),
        ..PLAIN
    },
];
