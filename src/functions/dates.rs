//! Dates, times and instants: their parts, their texts, and zones. Instants are cut in UTC.
//!
//! Zones come from the tables that are compiled in, so that a result does not depend on the machine.

use std::sync::LazyLock;

use jiff::tz::{TimeZone, TimeZoneDatabase};

use super::pattern::{Moment, Pattern, Use};
use super::results::{date, datetime, int32, int64, time};
use super::{Accepts, Example, Function, Law, PLAIN, Parameter, Push, constant, int_of, parameter, text_of};
use crate::value::{Date, Kind, Time, Timestamp, Value};

/// The zones that are compiled in. A zone is read when it is first asked for.
static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

pub fn day(value: &Value) -> Result<Date, String> {
    match value {
        Value::Date(date) => Ok(*date),
        Value::DateTime(at) => Ok(at.to_zoned(TimeZone::UTC).date()),
        other => Err(format!("{other} is not a date")),
    }
}

fn clock(value: &Value) -> Result<Time, String> {
    match value {
        Value::Time(time) => Ok(*time),
        Value::DateTime(at) => Ok(at.to_zoned(TimeZone::UTC).time()),
        other => Err(format!("{other} is not a time")),
    }
}

pub fn instant(value: &Value) -> Result<Timestamp, String> {
    match value {
        Value::DateTime(at) => Ok(*at),
        other => Err(format!("{other} is not an instant")),
    }
}

fn at(date: Date, time: Time, zone: TimeZone) -> Result<Value, String> {
    let zoned = date.to_datetime(time).to_zoned(zone).map_err(|error| error.to_string())?;
    Ok(Value::DateTime(zoned.timestamp()))
}

fn zone(value: &Value) -> Result<TimeZone, String> {
    let name = text_of(value);
    ZONES.get(name).map_err(|_| format!("{name:?} is no time zone; they are named like `Europe/Berlin`"))
}

fn moment(value: &Value) -> Result<Moment, String> {
    Ok(match value {
        Value::Date(date) => Moment { date: *date, time: Time::midnight() },
        Value::Time(time) => Moment { date: Date::constant(1, 1, 1), time: *time },
        other => Moment { date: day(other)?, time: clock(other)? },
    })
}

fn format(args: &[Value], purpose: Use) -> Result<Value, String> {
    Ok(Value::text(Pattern::parse(text_of(&args[1]), purpose)?.format(&moment(&args[0])?)))
}

fn read(args: &[Value], purpose: Use) -> Result<Moment, String> {
    Pattern::parse_readable(text_of(&args[1]), purpose)?.read(text_of(&args[0]))
}

/// The longest text that a literal pattern gives.
fn formatted(_: &[Kind], constants: &[Option<Value>]) -> Kind {
    let pattern = constants.get(1).and_then(Option::as_ref).and_then(Value::as_text);
    Kind::Text { max: pattern.and_then(|it| Pattern::parse(it, Use::DateTime).ok()).map(|it| it.length_max()) }
}

macro_rules! pattern_parameters {
    ($name:ident, $first:expr, $parse:path, $purpose:expr) => {
        const $name: &[Parameter] =
            &[$first, constant("pattern", Accepts::Text, |value| $parse(text_of(value), $purpose).map(|_| ()))];
    };
}

const DATE: &[Parameter] = &[parameter("date", Accepts::Date)];
const TIME: &[Parameter] = &[parameter("time", Accepts::Time)];
const AT: &[Parameter] = &[parameter("at", Accepts::DateTime)];
const IN_ZONE: &[Parameter] =
    &[parameter("at", Accepts::DateTime), constant("zone", Accepts::Text, |value| zone(value).map(|_| ()))];
pattern_parameters!(FORMAT_DATE, parameter("date", Accepts::Date), Pattern::parse, Use::Date);
pattern_parameters!(FORMAT_TIME, parameter("time", Accepts::Time), Pattern::parse, Use::Time);
pattern_parameters!(FORMAT_AT, parameter("at", Accepts::DateTime), Pattern::parse, Use::DateTime);
pattern_parameters!(PARSE_DATE, parameter("text", Accepts::Text), Pattern::parse_readable, Use::Date);
pattern_parameters!(PARSE_TIME, parameter("text", Accepts::Text), Pattern::parse_readable, Use::Time);
pattern_parameters!(PARSE_AT, parameter("text", Accepts::Text), Pattern::parse_readable, Use::DateTime);

pub const ALL: &[Function] = &[
    Function {
        name: "date",
        parameters: DATE,
        result: date,
        law: Law::Retract,
        doc: "The UTC day of an instant.",
        examples: &[Example { call: r#"date(whole_seconds("2024-02-29T23:59:00Z"))"#, result: r#"2024-02-29"# }],
        eval: |args| day(&args[0]).map(Value::Date),
        ..PLAIN
    },
    Function {
        name: "time",
        parameters: TIME,
        result: time,
        law: Law::Retract,
        doc: "The UTC time of day of an instant.",
        examples: &[Example { call: r#"time(whole_seconds("2024-02-29T23:59:00Z"))"#, result: r#"23:59:00"# }],
        eval: |args| clock(&args[0]).map(Value::Time),
        ..PLAIN
    },
    Function {
        name: "datetime",
        parameters: &[parameter("date", Accepts::Date), parameter("time", Accepts::Time)],
        result: datetime,
        is_partial: true,
        doc: "The instant at this day and time in UTC.",
        examples: &[Example { call: r#"datetime("2024-02-29", "12:30:00")"#, result: r#"2024-02-29T12:30:00Z"# }],
        eval: |args| at(day(&args[0])?, clock(&args[1])?, TimeZone::UTC),
        ..PLAIN
    },
    Function {
        name: "year",
        parameters: DATE,
        result: int32,
        push: Push::odata("year({0})"),
        doc: "The year.",
        examples: &[Example { call: r#"year("2024-02-29")"#, result: r#"2024"# }],
        eval: |args| Ok(Value::Int(i64::from(day(&args[0])?.year()))),
        ..PLAIN
    },
    Function {
        name: "month",
        parameters: DATE,
        result: int32,
        push: Push::odata("month({0})"),
        doc: "The month, 1 to 12.",
        examples: &[Example { call: r#"month("2024-02-29")"#, result: r#"2"# }],
        eval: |args| Ok(Value::Int(i64::from(day(&args[0])?.month()))),
        ..PLAIN
    },
    Function {
        name: "day",
        parameters: DATE,
        result: int32,
        push: Push::odata("day({0})"),
        doc: "The day of the month.",
        examples: &[Example { call: r#"day("2024-02-29")"#, result: r#"29"# }],
        eval: |args| Ok(Value::Int(i64::from(day(&args[0])?.day()))),
        ..PLAIN
    },
    Function {
        name: "hour",
        parameters: TIME,
        result: int32,
        doc: "The hour in UTC, 0 to 23.",
        examples: &[Example { call: r#"hour("12:30:15")"#, result: r#"12"# }],
        eval: |args| Ok(Value::Int(i64::from(clock(&args[0])?.hour()))),
        ..PLAIN
    },
    Function {
        name: "minute",
        parameters: TIME,
        result: int32,
        doc: "The minute, 0 to 59.",
        examples: &[Example { call: r#"minute("12:30:15")"#, result: r#"30"# }],
        eval: |args| Ok(Value::Int(i64::from(clock(&args[0])?.minute()))),
        ..PLAIN
    },
    Function {
        name: "second",
        parameters: TIME,
        result: int32,
        doc: "The second, 0 to 59.",
        examples: &[Example { call: r#"second("12:30:15")"#, result: r#"15"# }],
        eval: |args| Ok(Value::Int(i64::from(clock(&args[0])?.second()))),
        ..PLAIN
    },
    Function {
        name: "format_date",
        parameters: FORMAT_DATE,
        result: formatted,
        doc: "The date in a Unicode date pattern.",
        examples: &[Example { call: r#"format_date("2024-02-09", "dd.MM.yyyy")"#, result: r#""09.02.2024""# }],
        eval: |args| format(args, Use::Date),
        ..PLAIN
    },
    Function {
        name: "format_time",
        parameters: FORMAT_TIME,
        result: formatted,
        doc: "The time of day in a Unicode date pattern, in UTC.",
        examples: &[Example { call: r#"format_time("09:05:00", "H:mm")"#, result: r#""9:05""# }],
        eval: |args| format(args, Use::Time),
        ..PLAIN
    },
    Function {
        name: "format_datetime",
        parameters: FORMAT_AT,
        result: formatted,
        doc: "The instant in a Unicode date pattern, in UTC.",
        examples: &[Example {
            call: r#"format_datetime("2024-02-29T12:30:00Z", "yyyyMMdd'T'HHmmss")"#,
            result: r#""20240229T123000""#,
        }],
        eval: |args| format(args, Use::DateTime),
        ..PLAIN
    },
    Function {
        name: "parse_date",
        parameters: PARSE_DATE,
        result: date,
        is_partial: true,
        doc: "The date that a text gives in a Unicode date pattern.",
        examples: &[Example { call: r#"parse_date("29.2.2024", "d.M.yyyy")"#, result: r#"2024-02-29"# }],
        eval: |args| read(args, Use::Date).map(|it| Value::Date(it.date)),
        ..PLAIN
    },
    Function {
        name: "parse_time",
        parameters: PARSE_TIME,
        result: time,
        is_partial: true,
        doc: "The time of day that a text gives in a Unicode date pattern.",
        examples: &[Example { call: r#"parse_time("0930", "HHmm")"#, result: r#"09:30:00"# }],
        eval: |args| read(args, Use::Time).map(|it| Value::Time(it.time)),
        ..PLAIN
    },
    Function {
        name: "parse_datetime",
        parameters: PARSE_AT,
        result: datetime,
        is_partial: true,
        doc: "The instant that a text gives in a Unicode date pattern, in UTC.",
        examples: &[Example {
            call: r#"parse_datetime("2024-02-29 12:30", "yyyy-MM-dd HH:mm")"#,
            result: r#"2024-02-29T12:30:00Z"#,
        }],
        eval: |args| {
            let moment = read(args, Use::DateTime)?;
            at(moment.date, moment.time, TimeZone::UTC)
        },
        ..PLAIN
    },
    Function {
        name: "in_zone",
        parameters: IN_ZONE,
        result: datetime,
        doc: "What the clocks of the zone show at this instant, held as if it were UTC; the last hours of the calendar stay as they are.",
        examples: &[Example { call: r#"in_zone("2024-07-01T12:00:00Z", "Europe/Berlin")"#, result: r#"2024-07-01T14:00:00Z"# }],
        eval: |args| {
            let zoned = instant(&args[0])?.to_zoned(zone(&args[1])?);
            Ok(at(zoned.date(), zoned.time(), TimeZone::UTC).unwrap_or_else(|_| args[0].clone()))
        },
        ..PLAIN
    },
    Function {
        name: "from_zone",
        parameters: IN_ZONE,
        result: datetime,
        doc: "The instant at which the clocks of the zone show this; of two such instants the first, and in a gap the time that clocks not set forward would show.",
        examples: &[Example { call: r#"from_zone("2024-07-01T14:00:00Z", "Europe/Berlin")"#, result: r#"2024-07-01T12:00:00Z"# }],
        eval: |args| {
            let moment = moment(&args[0])?;
            Ok(at(moment.date, moment.time, zone(&args[1])?).unwrap_or_else(|_| args[0].clone()))
        },
        ..PLAIN
    },
    Function {
        name: "date_in_zone",
        parameters: IN_ZONE,
        result: date,
        doc: "The day that the zone has at this instant.",
        examples: &[Example { call: r#"date_in_zone("2024-06-30T23:00:00Z", "Europe/Berlin")"#, result: r#"2024-07-01"# }],
        eval: |args| Ok(Value::Date(instant(&args[0])?.to_zoned(zone(&args[1])?).date())),
        ..PLAIN
    },
    Function {
        name: "unix_seconds",
        parameters: AT,
        result: int64,
        doc: "Whole seconds since 1970 in UTC.",
        examples: &[Example { call: r#"unix_seconds("1970-01-02T00:00:00Z")"#, result: r#"86400"# }],
        eval: |args| Ok(Value::Int(instant(&args[0])?.as_second())),
        ..PLAIN
    },
    Function {
        name: "from_unix_seconds",
        parameters: &[parameter("seconds", Accepts::Number)],
        result: datetime,
        is_partial: true,
        doc: "The instant so many seconds after 1970 began in UTC.",
        examples: &[Example { call: r#"from_unix_seconds(86400)"#, result: r#"1970-01-02T00:00:00Z"# }],
        eval: |args| {
            Timestamp::from_second(int_of(&args[0])?)
                .map(Value::DateTime)
                .map_err(|_| format!("{} is outside the years", args[0]))
        },
        ..PLAIN
    },
];
