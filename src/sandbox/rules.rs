//! What a system accepts: bodies become typed changes, and values become what the store holds.

use jiff::Timestamp;
use serde_json::{Map, Value as Json};

use crate::schema::{Entity, Field, Meaning, Profile};
use crate::value::{Date, Decimal, Kind, Rounding, Time, Uuid, Value};

use super::address::{self, KeyText};
use super::filter;
use super::reply::Refusal;
use super::state::State;
use super::{Dialect, money, navigation, wire};

/// The company that a user of F&O works in unless told otherwise.
pub const DEFAULT_COMPANY: &str = "usmf";

/// Characters that a text of an alternate key cannot hold where a URL names it.
const UNADDRESSABLE: &[char] = &['/', '<', '>', '*', '%', '&', ':', '\\', '?', '+'];

/// A lookup that a body binds: the field and the address of its target.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    Set(usize, Value),
    Bind { field: usize, set: String, key: KeyText },
}

/// Reads a body. Fields that the system keeps itself are passed over.
pub fn changes(state: &State, entity: &Entity, body: &Map<String, Json>) -> Result<Vec<Change>, Refusal> {
    let dialect = state.dialect;
    let mut changes = Vec::with_capacity(body.len());
    for (name, json) in body {
        if let Some(nav) = name.strip_suffix("@odata.bind") {
            changes.push(bind(state, entity, nav, json)?);
        } else if !name.contains("@odata.") && !name.starts_with('@') {
            changes.extend(set(dialect, entity, name, json)?);
        }
    }
    Ok(changes)
}

fn set(dialect: Dialect, entity: &Entity, name: &str, json: &Json) -> Result<Option<Change>, Refusal> {
    let number = entity.fields.get_index_of(name);
    let Some((number, field)) = number.and_then(|it| Some((it, entity.fields.get_index(it)?.1))) else {
        return Err(no_property(dialect, entity, name));
    };
    if field.readonly || is_kept(dialect, field) || money::is_computed(dialect, entity, field) {
        return Ok(None);
    }
    let is_lookup = matches!(field.kind, Kind::Lookup(_)) && dialect == Dialect::Dataverse;
    // Microsoft, webapi/associate-disassociate-entities-using-web-api.md: a navigation property may be set to null.
    if is_lookup && !json.is_null() {
        return Err(no_property(dialect, entity, name));
    }
    let value = wire::from_json(dialect, &field.kind, json).map_err(|error| wrong_value(dialect, entity, field, error))?;
    check_date(dialect, field, json).map_err(|error| wrong_value(dialect, entity, field, error))?;
    Ok(Some(Change::Set(number, settle(dialect, entity, field, value)?)))
}

/// Dates and wall clocks know no zone, so Dataverse is not asked to convert them: a date comes without a time of day, and a wall clock
/// without an offset but `Z` (Microsoft, behavior-format-date-time-attribute.md: "no time zone conversion is performed").
fn check_date(dialect: Dialect, field: &Field, json: &Json) -> Result<(), String> {
    let (Json::String(text), Dialect::Dataverse) = (json, dialect) else { return Ok(()) };
    let is_right = match (&field.kind, field.meaning) {
        (Kind::Date, _) => text.parse::<Date>().is_ok() && !text.contains(['T', ' ']),
        (Kind::DateTime, Some(Meaning::WallClock)) => {
            let time = text.split_once(['T', 't']).map_or("", |(_, time)| time);
            !time.contains(['+', '-'])
        }
        _ => true,
    };
    let ty = wire::edm(dialect, &field.kind);
    if is_right { Ok(()) } else { Err(format!("Cannot convert the literal '{text}' to the expected type '{ty}'.")) }
}

fn bind(state: &State, entity: &Entity, nav: &str, json: &Json) -> Result<Change, Refusal> {
    let (number, field, own) =
        navigation::lookup(state, entity, nav).ok_or_else(|| no_property(Dialect::Dataverse, entity, nav))?;
    let target = match json {
        Json::Null => return Ok(Change::Set(number, Value::Null)),
        Json::String(text) => text.trim_start_matches('/'),
        _ => return Err(Refusal::bad_request(format!("The value of '{nav}@odata.bind' must be the address of a row."))),
    };
    let segments = address::segments(target);
    let target = segments.last().copied().unwrap_or(target);
    let address = address::parse(target)?;
    let key =
        address.key.ok_or_else(|| Refusal::bad_request(format!("'{target}' does not address a row of '{}'.", field.name)))?;
    // Each target of a lookup has a navigation property of its own (webapi/associate-disassociate-entities-using-web-api.md).
    if state.entity(&address.set)?.name != own {
        let text = format!("A row of '{}' cannot be bound through '{nav}', which leads to '{own}'.", address.set);
        return Err(Refusal::bad_request(text));
    }
    Ok(Change::Bind { field: number, set: address.set, key })
}

/// Fields that the system writes by itself.
pub fn is_kept(dialect: Dialect, field: &Field) -> bool {
    field.modified || dialect == Dialect::Dataverse && matches!(field.name.as_str(), "createdon" | "modifiedon" | "versionnumber")
}

/// The value as the store will hold it, or why it will not.
pub fn settle(dialect: Dialect, entity: &Entity, field: &Field, value: Value) -> Result<Value, Refusal> {
    let value = match (&field.kind, value) {
        (Kind::Text { max }, Value::Text(text)) => text_value(dialect, entity, field, *max, &text)?,
        (Kind::Decimal { precision, scale }, Value::Decimal(it)) => {
            let rounded = it.round(*scale, Rounding::HalfUp);
            if rounded.integer_digits() > u32::from(precision - scale) {
                let text = format!(
                    "A validation error occurred. The value of '{}' on record of type '{}' is outside the valid range.",
                    field.name, entity.name
                );
                return Err(Refusal::new(400, "0x80044330", text));
            }
            Value::Decimal(rounded)
        }
        // Microsoft, behavior-format-date-time-attribute.md: nothing before 1753-01-01.
        (Kind::Date, Value::Date(it)) if dialect == Dialect::Dataverse && it < FIRST_DATE => {
            return Err(too_early(entity, field));
        }
        (Kind::DateTime, Value::DateTime(it)) if dialect == Dialect::Dataverse && it < FIRST_INSTANT => {
            return Err(too_early(entity, field));
        }
        (Kind::DateTime, Value::DateTime(at)) => Value::DateTime(whole_seconds(at)),
        // A float is rounded to the column's precision: the sample of webapi/create-entity-web-api.md shows five digits.
        (Kind::Float64, Value::Float(it)) if dialect == Dialect::Dataverse => {
            Value::Float(crate::value::Float((it.0 * FLOAT_SCALE).round() / FLOAT_SCALE))
        }
        (_, other) => other,
    };
    Ok(if dialect == Dialect::Finops && value == Value::Null { unset(&field.kind) } else { value })
}

/// The first day that Dataverse holds.
const FIRST_DATE: Date = Date::constant(1753, 1, 1);
const FIRST_INSTANT: Timestamp = Timestamp::constant(-6_847_804_800, 0);
const FLOAT_SCALE: f64 = 1e5;

fn too_early(entity: &Entity, field: &Field) -> Refusal {
    let text = format!("DateTime is less than minimum value supported by CrmDateTime: '{}' of '{}'.", field.name, entity.name);
    Refusal::new(400, "0x80040239", text)
}

fn text_value(dialect: Dialect, entity: &Entity, field: &Field, max: Option<u32>, text: &str) -> Result<Value, Refusal> {
    let text = match dialect {
        Dialect::Dataverse => text,
        Dialect::Finops => text.trim_end_matches(' '),
    };
    if max.is_some_and(|max| text.encode_utf16().count() > max as usize) {
        return Err(too_long(dialect, entity, field, max.unwrap_or_default()));
    }
    let is_partition = entity.partition.as_deref() == Some(&field.name);
    Ok(match dialect {
        Dialect::Dataverse if text.is_empty() => Value::Null,
        Dialect::Finops if is_partition => Value::text(text.to_lowercase()),
        Dialect::Dataverse | Dialect::Finops => Value::text(text),
    })
}

fn too_long(dialect: Dialect, entity: &Entity, field: &Field, max: u32) -> Refusal {
    let text = format!(
        "A validation error occurred. The length of the '{}' attribute of the '{}' entity exceeded the maximum allowed length of '{max}'.",
        field.name, entity.name
    );
    match dialect {
        Dialect::Dataverse => Refusal::new(400, "0x80044331", text),
        Dialect::Finops => infolog(entity, &format!("Field {} takes at most {max} characters.", field.name)),
    }
}

// Microsoft, behavior-format-date-time-attribute.md: seconds on the wire.
fn whole_seconds(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

/// What F&O holds where another system would hold null.
pub fn unset(kind: &Kind) -> Value {
    match kind {
        Kind::Bool => Value::Bool(false),
        Kind::Int32 | Kind::Int64 => Value::Int(0),
        Kind::Decimal { .. } => Value::Decimal(Decimal::ZERO),
        Kind::Float64 => Value::Float(crate::value::Float(0.0)),
        Kind::Text { .. } | Kind::Lookup(_) => Value::text(""),
        Kind::Guid => Value::Guid(Uuid::nil()),
        Kind::Date => Value::Date(UNSET_DATE),
        Kind::Time => Value::Time(Time::midnight()),
        Kind::DateTime => Value::DateTime(Timestamp::constant(-2_208_988_800, 0)),
        Kind::Enum(members) => members.members.first().map_or(Value::Null, |it| it.value.clone()),
        Kind::Binary | Kind::Choices(_) => Value::Null,
    }
}

const UNSET_DATE: Date = Date::constant(1900, 1, 1);

/// Every field of a new row before its body is laid over it.
pub fn blank(dialect: Dialect, entity: &Entity) -> Vec<Value> {
    let of = |field: &Field| match dialect {
        Dialect::Dataverse => Value::Null,
        Dialect::Finops if entity.partition.as_deref() == Some(&field.name) => Value::text(DEFAULT_COMPANY),
        Dialect::Finops => unset(&field.kind),
    };
    entity.fields.values().map(of).collect()
}

/// Refuses a row that lacks what it must have.
pub fn check_required(dialect: Dialect, entity: &Entity, values: &[Value]) -> Result<(), Refusal> {
    for (field, value) in entity.fields.values().zip(values) {
        let is_key = entity.key.contains(&field.name);
        if (field.required || is_key) && !is_kept(dialect, field) && value.is_blank() {
            let text = format!("A required field is missing: '{}' of '{}'.", field.name, entity.name);
            return Err(match dialect {
                Dialect::Dataverse => Refusal::new(400, "0x80040203", text),
                Dialect::Finops => infolog(entity, &format!("Field {} must be filled in.", field.name)),
            });
        }
    }
    Ok(())
}

/// A business error of F&O.
pub fn infolog(entity: &Entity, text: &str) -> Refusal {
    Refusal::new(400, "", format!("Write failed for table row of type '{}Entity'. Infolog: Error: {text}.", entity.name))
}

/// Reads the values of a key in a URL; the fields, too, where they are named.
pub fn key_values(dialect: Dialect, entity: &Entity, key: &KeyText) -> Result<Vec<(usize, Value)>, Refusal> {
    let single;
    let named = match key {
        KeyText::Named(named) => named,
        KeyText::Single(text) if entity.key.len() == 1 => {
            single = vec![(entity.key[0].clone(), text.clone())];
            &single
        }
        KeyText::Single(_) => return Err(Refusal::bad_request(format!("All key fields of '{}' must be given.", entity.name))),
    };
    let value = |(name, text): &(String, String)| {
        let field = filter::field_number(dialect, entity, name).ok_or_else(|| filter::unknown(entity, name))?;
        let kind = &entity.fields[field].kind;
        // Microsoft, define-alternate-keys-entity.md: with these characters "get or patch operations will not work".
        if dialect == Dialect::Dataverse && matches!(kind, Kind::Text { .. }) && text.contains(UNADDRESSABLE) {
            return Err(Refusal::bad_request("Bad Request - Error in query syntax."));
        }
        let value = wire::from_literal(dialect, kind, text).map_err(Refusal::bad_request)?;
        Ok((field, value))
    };
    named.iter().map(value).collect()
}

/// How texts compare in this system.
pub fn profile(dialect: Dialect) -> Profile {
    match dialect {
        Dialect::Dataverse => Profile::dataverse(),
        Dialect::Finops => Profile::finops(),
    }
}

fn no_property(dialect: Dialect, entity: &Entity, name: &str) -> Refusal {
    let text = format!(
        "The property '{name}' does not exist on type '{}'. Make sure to only use property names that are defined by the type.",
        entity.name
    );
    match dialect {
        Dialect::Dataverse => {
            Refusal::new(400, "0x80048d19", format!("Error identified in Payload provided by the user: {text}"))
        }
        Dialect::Finops => Refusal::bad_request(text),
    }
}

fn wrong_value(dialect: Dialect, entity: &Entity, field: &Field, error: String) -> Refusal {
    let text = format!("{}.{}: {error}", entity.name, field.name);
    match dialect {
        Dialect::Dataverse => Refusal::new(400, "0x80048d19", text),
        Dialect::Finops => Refusal::bad_request(text),
    }
}
