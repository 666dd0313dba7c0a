//! Names and literals as each store writes them.

use super::{Dialect, Store};
use crate::schema::ShapeField;
use crate::value::{Kind, Value};

/// Where F&O declares its enums (Microsoft, data-entities/odata.md).
const ENUM_NAMESPACE: &str = "Microsoft.Dynamics.DataEntities";

/// Letters that some stores read as wildcards.
const WILDCARDS: &[char] = &['%', '_', '[', ']', '^', '*', '?', '\\'];

impl Store<'_> {
    /// Lookups of Dataverse are `_name_value` (Microsoft, webapi/web-api-properties.md).
    pub fn name(&self, field: &ShapeField) -> String {
        match (self.dialect, &field.kind) {
            (Dialect::Dataverse, Kind::Lookup(_)) => format!("_{}_value", field.name),
            (Dialect::Sqlite, _) => format!("\"{}\"", field.name.replace('"', "\"\"")),
            (Dialect::OData | Dialect::Dataverse | Dialect::Finops, _) => field.name.clone(),
        }
    }

    pub fn null_test(&self, name: &str) -> String {
        if self.dialect == Dialect::Sqlite { format!("{name} is null") } else { format!("{name} eq null") }
    }

    pub fn no_null_test(&self, name: &str) -> String {
        if self.dialect == Dialect::Sqlite { format!("{name} is not null") } else { format!("{name} ne null") }
    }

    /// A value of this field as a literal; `None`: it has none that is safe.
    pub fn literal(&self, field: &ShapeField, value: &Value) -> Option<String> {
        let is_sql = self.dialect == Dialect::Sqlite;
        match value {
            Value::Bool(it) if is_sql => Some(u8::from(*it).to_string()),
            Value::Bool(it) => Some(it.to_string()),
            // As plain digits, the smallest number would be read as a positive one with a sign before it, which is too large.
            Value::Int(i64::MIN) => None,
            Value::Int(it) => Some(it.to_string()),
            Value::Decimal(it) if !is_sql => Some(it.to_string()),
            Value::Text(it) => match &field.kind {
                Kind::Enum(members) if self.dialect == Dialect::Finops => {
                    let member = members.members.iter().find(|member| member.value == *value)?;
                    Some(format!("{ENUM_NAMESPACE}.{}'{}'", members.name, member.name.replace('\'', "''")))
                }
                _ => quoted(it),
            },
            Value::Guid(it) if !is_sql => Some(it.hyphenated().to_string()),
            Value::Date(it) if !is_sql => Some(it.to_string()),
            Value::DateTime(it) if !is_sql => Some(it.to_string()),
            Value::Absent
            | Value::Null
            | Value::Decimal(_)
            | Value::Float(_)
            | Value::Guid(_)
            | Value::Date(_)
            | Value::Time(_)
            | Value::DateTime(_)
            | Value::Set(_)
            | Value::Binary(_)
            | Value::Tuple(_) => None,
        }
    }

    /// A part of a text that no store takes for a pattern.
    pub fn part_literal(&self, part: &str) -> Option<String> {
        let has_wildcard = matches!(self.dialect, Dialect::Dataverse | Dialect::Finops) && part.contains(WILDCARDS);
        if part.is_empty() || has_wildcard { None } else { quoted(part) }
    }
}

/// Control characters end or change statements and addresses.
fn quoted(text: &str) -> Option<String> {
    (!text.contains(char::is_control)).then(|| format!("'{}'", text.replace('\'', "''")))
}
