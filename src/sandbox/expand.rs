//! What stands in a row beside its columns: expanded references and annotations.

use serde_json::{Map, Value as Json, json};

use crate::schema::{Entity, Field};
use crate::value::{EnumType, Kind, Value};

use super::read;
use super::reply::Refusal;
use super::state::State;
use super::table::Row;
use super::{Dialect, navigation};

const FORMATTED: &str = "OData.Community.Display.V1.FormattedValue";
const LOGICAL_NAME: &str = "Microsoft.Dynamics.CRM.lookuplogicalname";
const NAVIGATION: &str = "Microsoft.Dynamics.CRM.associatednavigationproperty";

/// One reference that is shown with its row.
#[derive(Clone, Debug)]
pub struct Expand {
    pub name: String,
    field: usize,
    target: String,
    select: Option<Vec<usize>>,
}

/// Reads `$expand`: single-valued navigation properties, each with its own `$select`
/// (Microsoft, webapi/query/join-tables.md). Collections are refused.
pub fn parse(state: &State, entity: &Entity, text: &str) -> Result<Vec<Expand>, Refusal> {
    split(text, ',').into_iter().map(|it| one(state, entity, it.trim())).collect()
}

fn one(state: &State, entity: &Entity, text: &str) -> Result<Expand, Refusal> {
    let (name, inside) = text.split_once('(').unwrap_or((text, ""));
    let (field, _, target) = navigation::lookup(state, entity, name).ok_or_else(|| {
        let text = format!("Could not find a property named '{name}' on type 'Microsoft.Dynamics.CRM.{}'.", entity.name);
        Refusal::new(400, "0x80060888", text)
    })?;
    let mut select = None;
    for option in split(inside.trim_end_matches(')'), ';').into_iter().filter(|it| !it.is_empty()) {
        let columns = option.trim().strip_prefix("$select=");
        let columns =
            columns.ok_or_else(|| Refusal::bad_request(format!("The option '{option}' is not supported in $expand.")))?;
        select = Some(read::select(state, state.entity(&target)?, columns)?);
    }
    Ok(Expand { name: name.to_owned(), field, target, select })
}

/// Splits outside of parentheses.
fn split(text: &str, separator: char) -> Vec<&str> {
    let mut depth = 0_usize;
    let is_cut = move |it: char| {
        match it {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        it == separator && depth == 0
    };
    text.split(is_cut).collect()
}

impl Expand {
    /// The row behind the reference, or null.
    pub fn value(&self, state: &State, row: &Row) -> Json {
        let Ok(target) = state.entity(&self.target) else { return Json::Null };
        let key = vec![row.values[self.field].clone()];
        let found = state.table(target).get(&key);
        found.map_or(Json::Null, |row| Json::Object(read::fields(state.dialect, target, row, self.select.as_deref())))
    }
}

/// Lays the annotations of the columns over a row.
pub fn annotate(state: &State, entity: &Entity, row: &Row, out: &mut Map<String, Json>) {
    for (field, value) in entity.fields.values().zip(&row.values) {
        let name = read::wire_name(Dialect::Dataverse, &field.name, &field.kind);
        if !value.is_value() || !out.contains_key(&name) {
            continue;
        }
        if let Kind::Lookup(_) = field.kind {
            of_lookup(state, entity, field, value, &name, out);
        } else if let Some(text) = formatted(&field.kind, value) {
            out.insert(format!("{name}@{FORMATTED}"), Json::String(text));
        }
    }
}

fn of_lookup(state: &State, entity: &Entity, field: &Field, value: &Value, name: &str, out: &mut Map<String, Json>) {
    let holds = |target: &str| state.entity(target).is_ok_and(|it| state.table(it).get(&vec![value.clone()]).is_some());
    let Some((navigation, target)) = navigation::all(state, entity, field).into_iter().find(|(_, it)| holds(it)) else { return };
    out.insert(format!("{name}@{LOGICAL_NAME}"), json!(target));
    out.insert(format!("{name}@{NAVIGATION}"), json!(navigation));
}

fn formatted(kind: &Kind, value: &Value) -> Option<String> {
    let label = |members: &EnumType, value: &Value| members.by_value(value).map(|it| it.name.clone());
    match (kind, value) {
        (Kind::Bool, Value::Bool(it)) => Some(if *it { "Yes" } else { "No" }.to_owned()),
        (Kind::Enum(members), _) => label(members, value),
        (Kind::Choices(members), Value::Set(all)) => {
            let labels: Option<Vec<String>> = all.iter().map(|it| label(members, &Value::Int(*it))).collect();
            labels.map(|it| it.join("; "))
        }
        _ => None,
    }
}
