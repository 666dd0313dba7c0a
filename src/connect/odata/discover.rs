//! The schema of a live system: `$metadata`, and for Dataverse what `EntityDefinitions` adds to it.
//!
//! `$metadata` of Dataverse has no lengths, required levels, option labels and alternate keys
//! (Microsoft, webapi/web-api-properties.md), so each table is asked for once more.

use std::sync::Arc;

use serde_json::{Map, Value as Json};

use super::{error, page, text};
use crate::change::{Class, Failure};
use crate::connect::http::{Client, Method, Request};
use crate::schema::{Entity, Field, Meaning, Schema, csdl};
use crate::value::{EnumType, Kind, Member, Value};

/// The classes of columns that choose from a set, with whether the set holds several at once.
const CHOICE_CLASSES: &[(&str, bool)] =
    &[("Picklist", false), ("State", false), ("Status", false), ("MultiSelectPicklist", true)];

/// Digits after the point of a column that names none, and the most that an amount of money has.
const SCALE_DEFAULT: u8 = 4;
const DIGITS_MAX: u8 = 38;

/// A schema, and what a person should know of it.
#[derive(Clone, Debug, Default)]
pub struct Discovered {
    pub schema: Schema,
    /// What keeps a table from being followed or guarded, one sentence each.
    pub notes: Vec<String>,
}

/// Reads `$metadata` and keeps these entities; all, if none is named.
pub async fn metadata(client: &Client, root: &str, wanted: &[String]) -> Result<Discovered, Failure> {
    let request = Request::new(Method::GET, client.url(&format!("{root}$metadata"))?).with("accept", "application/xml");
    let answer = client.send(&request).await?;
    if !answer.is_success() {
        return Err(error::failure(client, "reading `$metadata`", &answer));
    }
    let unreadable = |why: String| Failure::new(Class::Schema, format!("`$metadata` cannot be read: {why}"));
    let xml = std::str::from_utf8(&answer.body).map_err(|error| unreadable(error.to_string()))?;
    let mut schema = csdl::parse(xml).map_err(|error| unreadable(error.to_string()))?;
    if let Some(missing) = wanted.iter().find(|it| !schema.entities.contains_key(*it)) {
        return Err(Failure::new(Class::Schema, format!("the system has no entity `{missing}`")));
    }
    if !wanted.is_empty() {
        let all = std::mem::take(&mut schema.entities);
        schema.entities = kept(&all, wanted);
    }
    let used = |name: &str| schema.entities.values().flat_map(|it| it.fields.values()).any(|it| set_name(&it.kind) == Some(name));
    let enums: Vec<String> = schema.enums.keys().filter(|it| used(it)).cloned().collect();
    schema.enums.retain(|name, _| enums.contains(name));
    Ok(Discovered { schema, notes: Vec::new() })
}

/// The wanted entities, and of those that their lookups lead to the key alone.
fn kept(all: &indexmap::IndexMap<String, Entity>, wanted: &[String]) -> indexmap::IndexMap<String, Entity> {
    let mut kept: indexmap::IndexMap<String, Entity> = wanted.iter().map(|it| (it.clone(), all[it].clone())).collect();
    let targets = |it: &Entity| it.fields.values().flat_map(|it| lookup_targets(&it.kind).to_vec()).collect::<Vec<_>>();
    for target in wanted.iter().flat_map(|it| targets(&all[it])).collect::<Vec<_>>() {
        if let (false, Some(found)) = (kept.contains_key(&target), all.get(&target)) {
            let mut stub = Entity { unique: Vec::new(), ..found.clone() };
            stub.fields.retain(|name, _| stub.key.contains(name));
            kept.insert(target, stub);
        }
    }
    kept
}

fn lookup_targets(kind: &Kind) -> &[String] {
    match kind {
        Kind::Lookup(targets) => targets,
        _ => &[],
    }
}

fn set_name(kind: &Kind) -> Option<&str> {
    match kind {
        Kind::Enum(members) | Kind::Choices(members) => Some(&members.name),
        _ => None,
    }
}

/// Lays over each wanted table what its definition says.
pub async fn definitions(client: &Client, root: &str, wanted: &[String], found: &mut Discovered) -> Result<(), Failure> {
    for name in wanted {
        let quoted = text::escape(&format!("'{}'", name.replace('\'', "''")));
        let path = format!("{root}EntityDefinitions(LogicalName={quoted})");
        let query = "?$select=LogicalName,EntitySetName,PrimaryIdAttribute,ChangeTrackingEnabled,IsOptimisticConcurrencyEnabled\
                     &$expand=Attributes,Keys($select=KeyAttributes,EntityKeyIndexStatus)";
        let definition = one(client, name, &format!("{path}{query}")).await?;
        let Some(mut entity) = found.schema.entities.shift_remove(name) else { continue };
        table(&definition, &mut entity, &mut found.notes);
        for (class, is_several) in CHOICE_CLASSES {
            let cast = format!(
                "{path}/Attributes/Microsoft.Dynamics.CRM.{class}AttributeMetadata?$select=LogicalName&$expand=OptionSet"
            );
            for column in page::objects(client, &format!("reading the choices of `{name}`"), &cast).await? {
                choices(&column, *is_several, &mut entity, &mut found.schema);
            }
        }
        found.schema.entities.insert(name.clone(), entity);
    }
    Ok(())
}

async fn one(client: &Client, name: &str, path: &str) -> Result<Map<String, Json>, Failure> {
    let what = format!("reading the definition of `{name}`");
    let answer = client.send(&page::request(client, Method::GET, path)?).await?;
    if !answer.is_success() {
        return Err(error::failure(client, &what, &answer));
    }
    page::object(&what, &answer.body)
}

fn table(definition: &Map<String, Json>, entity: &mut Entity, notes: &mut Vec<String>) {
    let name = entity.name.clone();
    if definition.get("ChangeTrackingEnabled") == Some(&Json::Bool(false)) {
        notes.push(format!("`{name}`: change tracking is off, so its changes cannot be followed"));
    }
    if definition.get("IsOptimisticConcurrencyEnabled") == Some(&Json::Bool(false)) {
        notes.push(format!("`{name}`: optimistic concurrency is off, so a write cannot be guarded against others"));
    }
    for attribute in list(definition.get("Attributes")) {
        if let Some(field) = text_of(attribute, "LogicalName").and_then(|it| entity.fields.get_mut(it)) {
            column(attribute, entity.key.contains(&field.name), field);
            notes.extend(odd(attribute, field).map(|it| format!("`{name}.{}`: {it}", field.name)));
        }
    }
    entity.unique.clear();
    for key in list(definition.get("Keys")) {
        let fields: Vec<String> = list(key.get("KeyAttributes")).filter_map(Json::as_str).map(str::to_owned).collect();
        let status = text_of(key, "EntityKeyIndexStatus").unwrap_or("unknown");
        // Microsoft, define-alternate-keys-entity.md: a key is usable when its index is active.
        match (status, fields.iter().all(|it| entity.fields.contains_key(it)) && !fields.is_empty()) {
            ("Active", true) => entity.unique.push(fields),
            ("Active", false) => {}
            (status, _) => notes.push(format!("`{name}`: the key ({}) is not active but {status}", fields.join(", "))),
        }
    }
}

fn column(attribute: &Json, is_key: bool, field: &mut Field) {
    let says_no = |name: &str| attribute.get(name) == Some(&Json::Bool(false));
    field.readonly |= says_no("IsValidForCreate") && says_no("IsValidForUpdate");
    let level = attribute.pointer("/RequiredLevel/Value").and_then(Json::as_str).unwrap_or_default();
    field.required = matches!(level, "ApplicationRequired" | "SystemRequired") && !is_key && !field.readonly;
    let number = |name: &str| attribute.get(name).and_then(Json::as_u64);
    // Microsoft, behavior-format-date-time-attribute.md, on the three behaviours.
    (field.kind, field.meaning) = match (&field.kind, text_of(attribute, "AttributeType"), behavior(attribute)) {
        (Kind::Text { .. }, _, _) => (Kind::Text { max: number("MaxLength").and_then(|it| u32::try_from(it).ok()) }, None),
        (Kind::Decimal { .. }, Some("Money"), _) => {
            let own = if precision_source(attribute) == PrecisionSource::Column { number("Precision") } else { None };
            (decimal(attribute, own), Some(Meaning::Money))
        }
        (Kind::Decimal { .. }, _, _) => (decimal(attribute, number("Precision")), None),
        (Kind::DateTime, _, Some("DateOnly")) => (Kind::Date, None),
        (Kind::DateTime, _, Some("TimeZoneIndependent")) => (Kind::DateTime, Some(Meaning::WallClock)),
        (own, _, _) => (own.clone(), None),
    };
}

fn behavior(attribute: &Json) -> Option<&str> {
    attribute.pointer("/DateTimeBehavior/Value").and_then(Json::as_str)
}

/// Where the digits of an amount come from (Microsoft, MoneyAttributeMetadata.PrecisionSource).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PrecisionSource {
    Column,
    Organization,
    Currency,
}

/// "If this property is not assigned a value, it defaults to 2."
fn precision_source(attribute: &Json) -> PrecisionSource {
    match attribute.get("PrecisionSource").and_then(Json::as_u64) {
        Some(0) => PrecisionSource::Column,
        Some(1) => PrecisionSource::Organization,
        Some(_) | None => PrecisionSource::Currency,
    }
}

/// What a person should know of a column before a map relies on it.
fn odd(attribute: &Json, field: &Field) -> Option<&'static str> {
    if field.readonly {
        return None;
    }
    match (field.meaning, &field.kind) {
        (Some(Meaning::Money), _) => match precision_source(attribute) {
            PrecisionSource::Column => None,
            PrecisionSource::Organization => Some("amounts are rounded to the digits that the organization sets for prices"),
            PrecisionSource::Currency => Some("amounts are rounded to the digits of the row's currency"),
        },
        // It looks like a day and is an instant: the day differs from zone to zone.
        (None, Kind::DateTime) if text_of(attribute, "Format") == Some("DateOnly") => {
            Some("shows a day and holds an instant, midnight where the user is that set it")
        }
        (Some(Meaning::WallClock) | None, _) => None,
    }
}

/// The digits that the range leaves room for.
fn decimal(attribute: &Json, scale: Option<u64>) -> Kind {
    let most = attribute.get("MaxValue").map(ToString::to_string).unwrap_or_default();
    let whole = most.split('.').next().unwrap_or_default().bytes().filter(u8::is_ascii_digit).count();
    let scale = scale.and_then(|it| u8::try_from(it).ok()).unwrap_or(SCALE_DEFAULT).min(DIGITS_MAX);
    let whole = u8::try_from(whole).unwrap_or(DIGITS_MAX).max(1);
    Kind::Decimal { precision: whole.saturating_add(scale).min(DIGITS_MAX), scale }
}

/// A column that chooses gets its set: numbers with their labels in the user's language.
fn choices(column: &Map<String, Json>, is_several: bool, entity: &mut Entity, schema: &mut Schema) {
    let name = column.get("LogicalName").and_then(Json::as_str).unwrap_or_default();
    let Some(field) = entity.fields.get_mut(name) else { return };
    let set = column.get("OptionSet").unwrap_or(&Json::Null);
    let set_name = text_of(set, "Name").map_or_else(|| format!("{}_{name}", entity.name), str::to_owned);
    let mut members: Vec<Member> = Vec::new();
    for option in list(set.get("Options")) {
        let Some(number) = option.get("Value").and_then(Json::as_i64) else { continue };
        let label =
            option.pointer("/Label/UserLocalizedLabel/Label").or_else(|| option.pointer("/Label/LocalizedLabels/0/Label"));
        let label = label.and_then(Json::as_str).filter(|it| !it.is_empty()).map_or_else(|| number.to_string(), str::to_owned);
        // Two options may have the same label; only the number tells them apart.
        let is_taken = members.iter().any(|it| it.name == label);
        let name = if is_taken { format!("{label} ({number})") } else { label };
        members.push(Member { name, value: Value::Int(number) });
    }
    let members =
        schema.enums.entry(set_name.clone()).or_insert_with(|| Arc::new(EnumType { name: set_name, open: true, members }));
    field.kind = if is_several { Kind::Choices(members.clone()) } else { Kind::Enum(members.clone()) };
}

fn list(value: Option<&Json>) -> impl Iterator<Item = &Json> {
    value.and_then(Json::as_array).into_iter().flatten()
}

fn text_of<'a>(object: &'a Json, name: &str) -> Option<&'a str> {
    object.get(name).and_then(Json::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn field(kind: Kind) -> Field {
        let name = "x".to_owned();
        Field { name, kind, nullable: true, required: false, readonly: false, modified: false, meaning: None, doc: None }
    }

    #[test]
    fn the_digits_of_an_amount_come_from_the_column_the_organization_or_the_currency() {
        let most = 922_337_203_685_477_u64;
        for (source, scale, note) in [
            (json!(0), 2, None),
            (json!(1), 4, Some("amounts are rounded to the digits that the organization sets for prices")),
            (json!(2), 4, Some("amounts are rounded to the digits of the row's currency")),
            (Json::Null, 4, Some("amounts are rounded to the digits of the row's currency")),
        ] {
            let attribute = json!({"AttributeType": "Money", "Precision": 2, "PrecisionSource": source, "MaxValue": most});
            let mut field = field(Kind::Decimal { precision: 38, scale: 10 });
            column(&attribute, false, &mut field);
            assert_eq!(field.kind, Kind::Decimal { precision: 15 + scale, scale }, "{source}");
            assert_eq!((field.meaning, odd(&attribute, &field)), (Some(Meaning::Money), note), "{source}");
        }
    }

    #[test]
    fn each_behaviour_of_dates_is_told_apart() {
        let days = "shows a day and holds an instant, midnight where the user is that set it";
        for (behavior, format, expected) in [
            ("UserLocal", "DateAndTime", (Kind::DateTime, None, None)),
            ("UserLocal", "DateOnly", (Kind::DateTime, None, Some(days))),
            ("DateOnly", "DateOnly", (Kind::Date, None, None)),
            ("TimeZoneIndependent", "DateAndTime", (Kind::DateTime, Some(Meaning::WallClock), None)),
            ("TimeZoneIndependent", "DateOnly", (Kind::DateTime, Some(Meaning::WallClock), None)),
        ] {
            let attribute = json!({"AttributeType": "DateTime", "Format": format, "DateTimeBehavior": {"Value": behavior}});
            let mut field = field(Kind::DateTime);
            column(&attribute, false, &mut field);
            let note = odd(&attribute, &field);
            assert_eq!((field.kind, field.meaning, note), expected, "{behavior} {format}");
        }
    }
}
