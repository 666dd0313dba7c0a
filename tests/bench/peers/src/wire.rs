//! The records as JSON: what the peers start from.

use dwmap::value::{Record, Value};
use serde_json::{Map, Value as Json, json};

use crate::job::source;

/// Fields that are sent and that no rule reads.
const UNREAD: usize = 7;

/// A customer as a system would send it, with the fields that the map does not read.
pub fn customer(record: &Record, number: usize) -> Json {
    let mut out: Map<String, Json> =
        source::NAMES.iter().zip(record.values()).map(|(name, value)| ((*name).to_owned(), json(value))).collect();
    let unread = json!({
        "Warehouse": format!("WH-{:02}", number % 40),
        "Route": format!("R{:03}", number % 300),
        "CommissionGroup": "Standard",
        "Sequence": number * 10,
        "Discount": 2.5,
        "Rank": number % 9,
        "IsInternal": number.is_multiple_of(20),
    });
    let Json::Object(unread) = unread else { unreachable!("it is written as an object") };
    assert_eq!(unread.len(), UNREAD);
    out.extend(unread);
    Json::Object(out)
}

/// A value in its plainest form.
pub fn json(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(it) => Json::Bool(*it),
        Value::Int(it) => Json::from(*it),
        Value::Decimal(it) => it.to_string().parse().map(Json::Number).expect("a decimal is a number"),
        Value::Text(it) => Json::String(it.to_string()),
        Value::Date(it) => Json::String(it.to_string()),
        Value::DateTime(it) => Json::String(it.to_string()),
        other => unreachable!("the job has no {other:?}"),
    }
}

/// Numbers are the same by value, all else as it is written.
pub fn is_same(one: &Json, other: &Json) -> bool {
    match (one, other) {
        (Json::Number(one), Json::Number(other)) => one.as_f64() == other.as_f64(),
        (one, other) => one == other,
    }
}

/// Not more than a cent apart.
pub fn is_near(one: &Json, other: &Json) -> bool {
    let (Some(one), Some(other)) = (one.as_f64(), other.as_f64()) else { return false };
    (one - other).abs() < 0.0101
}
