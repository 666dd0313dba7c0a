//! Literals, keys and escapes in URLs.

use std::fmt::Write as _;

use super::{Dialect, wire};
use crate::change::{Class, Failure};
use crate::schema::{Shape, ShapeField};
use crate::value::{Kind, Slot, Value};

/// Where F&O declares its enums (Microsoft, data-entities/odata.md).
const ENUM_NAMESPACE: &str = "Microsoft.Dynamics.DataEntities";

/// Escapes everything but letters, digits and `-_.~`.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02X}").expect("writing to a string cannot fail");
        }
    }
    out
}

/// A value as a literal of a filter or a key, not yet escaped.
pub fn literal(dialect: Dialect, field: &ShapeField, value: &Value) -> Result<String, Failure> {
    let json = wire::to_json(dialect, field, value)?;
    Ok(match (&field.kind, json) {
        (_, serde_json::Value::Null) => "null".to_owned(),
        (Kind::Enum(members), serde_json::Value::String(symbol)) => {
            format!("{ENUM_NAMESPACE}.{}'{}'", members.name, symbol.replace('\'', "''"))
        }
        (Kind::Guid | Kind::Date | Kind::DateTime | Kind::Time, serde_json::Value::String(text)) => text,
        (Kind::Lookup(_), serde_json::Value::String(text)) if dialect == Dialect::Dataverse => text,
        (_, serde_json::Value::String(text)) => format!("'{}'", text.replace('\'', "''")),
        (_, other) => other.to_string(),
    })
}

/// `a eq 1 and b eq 'x'`.
pub fn equals(dialect: Dialect, shape: &Shape, slots: &[Slot], values: &[Value]) -> Result<String, Failure> {
    let mut parts = Vec::with_capacity(slots.len());
    for (slot, value) in slots.iter().zip(values) {
        let field = shape.field(*slot);
        if !value.is_known() {
            return Err(Failure::new(Class::Bug, format!("a look-up of `{}` says nothing of `{}`", shape.entity, field.name)));
        }
        parts.push(format!("{} eq {}", wire::name(dialect, field), literal(dialect, field, value)?));
    }
    Ok(parts.join(" and "))
}
