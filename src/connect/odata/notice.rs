//! Push messages: which row a webhook, a data event or a business event speaks of.
//!
//! Nothing of a message but names is used. It can be doubled, late, out of order, cut off or made up; the row is read, and the
//! row is the truth. So neither the order of the messages nor a gap in their control numbers means anything here.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};

use super::finops;
use crate::change::{Hint, RemoteId};
use crate::schema::Shape;
use crate::value::{Slot, Uuid};

/// Who sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    Dataverse,
    Finops,
}

/// The name that virtual tables of F&O and their columns begin with (Microsoft, power-platform/virtual-entities-overview.md).
const VIRTUAL: &str = "mserp_";
/// Where a business event names its company; the name differs by version (Microsoft, business-events/home-page.md).
const COMPANIES: [&str; 2] = ["BusinessEventLegalEntity", "LegalEntity"];

/// What the message names, among these shapes; nothing where no shape is of its entity. `table` is the header
/// `x-ms-dynamics-entity-name`, and `names` says which entity stands behind a table's or an event's name.
pub fn hint(
    sender: Sender,
    names: &BTreeMap<String, String>,
    shapes: &[&Shape],
    table: Option<&str>,
    body: &[u8],
) -> Result<Option<Hint>, String> {
    let body: Map<String, Json> = serde_json::from_slice(body).map_err(|error| format!("this is no message: {error}"))?;
    let told = text(&body, "PrimaryEntityName").or_else(|| text(&body, "BusinessEventId")).or(table);
    let told = told.ok_or_else(|| "the message names neither `PrimaryEntityName` nor `BusinessEventId`".to_owned())?;
    let Some(shape) = shapes.iter().find(|it| is_of(it, told, names)) else { return Ok(None) };
    let row = match sender {
        Sender::Dataverse => text(&body, "PrimaryEntityId").and_then(guid),
        Sender::Finops => key_of(shape, &fields(&body)),
    };
    Ok(Some(Hint { entity: shape.entity.clone(), row }))
}

fn is_of(shape: &Shape, told: &str, names: &BTreeMap<String, String>) -> bool {
    if let Some((_, entity)) = names.iter().find(|(name, _)| name.eq_ignore_ascii_case(told)) {
        return *entity == shape.entity;
    }
    let told = without_prefix(told);
    [&shape.entity, &shape.set].iter().any(|it| it.eq_ignore_ascii_case(told))
}

fn without_prefix(name: &str) -> &str {
    match name.get(..VIRTUAL.len()) {
        Some(start) if start.eq_ignore_ascii_case(VIRTUAL) => &name[VIRTUAL.len()..],
        _ => name,
    }
}

/// The row with the nil id is none.
fn guid(text: &str) -> Option<RemoteId> {
    let id: Uuid = text.trim_matches(['{', '}']).parse().ok()?;
    (!id.is_nil()).then(|| RemoteId(id.to_string()))
}

/// A field of the message by its name; serialisers differ in upper and lower case.
fn of<'a>(body: &'a Map<String, Json>, name: &str) -> Option<&'a Json> {
    body.get(name).or_else(|| body.iter().find(|(it, _)| it.eq_ignore_ascii_case(name)).map(|(_, value)| value))
}

fn text<'a>(body: &'a Map<String, Json>, name: &str) -> Option<&'a str> {
    of(body, name)?.as_str().filter(|it| !it.is_empty())
}

/// The fields of the row that the message speaks of: the columns of `Target`, or the event's own.
fn fields(body: &Map<String, Json>) -> Map<String, Json> {
    let mut out: Map<String, Json> = columns_of_target(body).unwrap_or_default().into_iter().collect();
    if out.is_empty() {
        out.extend(body.iter().map(|(name, value)| (name.to_lowercase(), value.clone())));
        if let Some(company) = COMPANIES.iter().find_map(|name| of(body, name)) {
            out.entry("dataareaid").or_insert_with(|| company.clone());
        }
    }
    out
}

fn columns_of_target(body: &Map<String, Json>) -> Option<Vec<(String, Json)>> {
    let pair = |it: &Json| Some((text(it.as_object()?, "key")?.to_owned(), of(it.as_object()?, "value")?.clone()));
    let inputs = of(body, "InputParameters")?.as_array()?.iter().filter_map(pair);
    let target = inputs.into_iter().find(|(name, _)| name == "Target")?.1;
    let columns = of(target.as_object()?, "Attributes")?.as_array()?.iter().filter_map(pair);
    Some(columns.map(|(name, value)| (without_prefix(&name).to_lowercase(), plain(value))).collect())
}

// Choices and money come wrapped: `{"__type": …, "Value": 1}`.
fn plain(value: Json) -> Json {
    match &value {
        Json::Object(wrapped) => of(wrapped, "Value").cloned().unwrap_or(value),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Array(_) => value,
    }
}

/// The row's id, where all fields of its key are told.
fn key_of(shape: &Shape, told: &Map<String, Json>) -> Option<RemoteId> {
    let told = |slot: Slot| told.get(&shape.field(slot).name.to_lowercase()).filter(|it| it.is_string() || it.is_number());
    finops::id(shape, |slot| told(slot).map(|it| it.to_string().into())).ok()
}
