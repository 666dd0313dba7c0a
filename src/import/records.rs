//! Rows of the map table, in whatever they arrive: a Web API answer, a solution, a bare mapping, a project of the service.

use serde_json::Value;

use super::archive::Text;
use super::solution;

/// One saved version of a map, its columns still text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    /// Where it was found.
    pub source: String,
    /// `msdyn_[accounts - Customers V3]`; empty for a bare mapping.
    pub name: String,
    pub version: Option<String>,
    pub mapping: Value,
    /// The text of `msdyn_properties`, which may be broken.
    pub properties: Option<String>,
}

/// Most values that are read as text within text.
const ENCODINGS_MAX: usize = 3;

/// A row, or why it could not be read; the others are none the worse for it.
pub type Read = Result<Record, String>;

/// All map rows of a text. The error says why the text holds none.
pub fn read(text: &Text) -> Result<Vec<Read>, String> {
    let body = text.text.trim();
    if body.starts_with('<') {
        let rows = solution::map_rows(body).map_err(|error| format!("`{}`: {error}", text.name))?;
        return Ok(rows.into_iter().map(|row| of_columns(&text.name, row)).collect());
    }
    let value = parse(body).map_err(|error| format!("`{}` is no readable JSON: {error}", text.name))?;
    let mut out = Vec::new();
    of_value(&text.name, value, &mut out);
    Ok(out)
}

/// Parses, and once more where the result is a text: double encoding occurs in the field.
fn parse(text: &str) -> Result<Value, serde_json::Error> {
    let mut value: Value = serde_json::from_str(text.trim_start_matches('\u{feff}').trim())?;
    for _ in 0..ENCODINGS_MAX {
        match &value {
            Value::String(inner) => value = serde_json::from_str(inner.trim())?,
            _ => break,
        }
    }
    Ok(value)
}

fn of_columns(source: &str, columns: Vec<(String, String)>) -> Result<Record, String> {
    let column = |name: &str| columns.iter().find(|(it, _)| it == name).map(|(_, text)| text.trim().to_owned());
    let name = column("msdyn_name").unwrap_or_default();
    let text = column("msdyn_mapping").ok_or_else(|| format!("`{source}`: the row `{name}` has no msdyn_mapping"))?;
    let mapping = parse(&text).map_err(|error| format!("`{source}`: msdyn_mapping of `{name}` is no readable JSON: {error}"))?;
    let properties = column("msdyn_properties").filter(|it| !it.is_empty());
    Ok(Record { source: source.to_owned(), name, version: column("msdyn_version"), mapping, properties })
}

fn of_value(source: &str, value: Value, out: &mut Vec<Read>) {
    match value {
        Value::Array(list) => list.into_iter().for_each(|it| of_value(source, it, out)),
        Value::Object(mut object) => {
            for list in ["value", "entityMappingTasks"] {
                if let Some(Value::Array(list)) = object.remove(list) {
                    return list.into_iter().for_each(|it| of_value(source, it, out));
                }
            }
            if object.contains_key("legs") {
                let record = Record { source: source.to_owned(), mapping: Value::Object(object), ..Record::default() };
                return out.push(Ok(record));
            }
            if !object.contains_key("msdyn_mapping") {
                let name = object.get("msdyn_name").and_then(Value::as_str).map(|it| format!(" in `{it}`")).unwrap_or_default();
                let text =
                    format!("`{source}` holds JSON, but no dual-write map{name}: neither `msdyn_mapping` nor `legs` nor `value`");
                return out.push(Err(text));
            }
            let text = |it: Value| match it {
                Value::String(text) => text,
                other => other.to_string(),
            };
            let columns = object.into_iter().filter(|(_, it)| !it.is_null()).map(|(name, it)| (name, text(it))).collect();
            out.push(of_columns(source, columns));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            out.push(Err(format!("`{source}` holds JSON, but no dual-write map")));
        }
    }
}
