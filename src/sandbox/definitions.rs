//! `EntityDefinitions`: what `$metadata` does not say of a table.
//!
//! Rules: Microsoft, webapi/query-metadata-web-api.md and webapi/retrieve-metadata-name-metadataid.md. Served are the tables, their
//! columns (all, or one type of them by a cast), their keys and their many-to-one relationships.

use serde_json::{Map, Value as Json, json};

use crate::schema::{Entity, Field, Meaning};
use crate::value::{EnumType, Kind, Uuid, Value};

use super::address::{self, KeyText, decode};
use super::reply::{Refusal, Reply};
use super::route::{self, Request, root};
use super::state::State;
use super::{Dialect, money, navigation, rules};

const PREFIX: &str = "Microsoft.Dynamics.CRM.";
/// The largest amount, without its digits after the point.
const MONEY_MAX: i64 = 922_337_203_685_477;
/// English, United States.
const LANGUAGE: u32 = 1033;

/// The answer to a request below `EntityDefinitions`.
pub fn answer(state: &State, segments: &[&str], request: &Request<'_>) -> Result<Reply, Refusal> {
    if request.method != axum::http::Method::GET {
        return Err(route::not_allowed(request.method));
    }
    let query = Query::parse(request.query)?;
    let address = address::parse(segments[0])?;
    if address.set != "EntityDefinitions" {
        return Err(missing(&address.set));
    }
    let Some(key) = address.key else {
        let all = state.schema.entities.values().filter(|it| query.filter.as_ref().is_none_or(|filter| filter.is_met(it)));
        return Ok(list(state, "EntityDefinitions", all.map(|it| table(state, it, &query)).collect()));
    };
    let entity = entity(state, &key)?;
    match segments[1..] {
        [] => Ok(Reply::json(200, table(state, entity, &query))),
        ["Attributes"] => Ok(list(state, "Attributes", columns(state, entity, None, &query))),
        ["Attributes", cast] => Ok(list(state, "Attributes", columns(state, entity, cast.strip_prefix(PREFIX), &query))),
        ["Keys"] => Ok(list(state, "Keys", keys(entity).into_iter().map(|it| query.pick(it)).collect())),
        ["ManyToOneRelationships"] => {
            Ok(list(state, "ManyToOneRelationships", relationships(state, entity).into_iter().map(|it| query.pick(it)).collect()))
        }
        _ => Err(missing(segments.last().copied().unwrap_or_default())),
    }
}

fn missing(segment: &str) -> Refusal {
    Refusal::new(404, "0x80060888", format!("Resource not found for the segment '{segment}'."))
}

fn list(state: &State, what: &str, value: Vec<Json>) -> Reply {
    let context = format!("{}{}$metadata#{what}", state.url, root(state.dialect));
    Reply::json(200, json!({"@odata.context": context, "value": value}))
}

/// A table by its logical name or the id of its metadata.
fn entity<'a>(state: &'a State, key: &KeyText) -> Result<&'a Entity, Refusal> {
    let is_named = |it: &&Entity| match key {
        KeyText::Single(id) => metadata_id(&it.name).to_string() == id.to_lowercase(),
        KeyText::Named(named) => named.iter().any(|(name, text)| name == "LogicalName" && *text == it.name),
    };
    state.schema.entities.values().find(is_named).ok_or_else(|| {
        let name = match key {
            KeyText::Single(text) => text.clone(),
            KeyText::Named(named) => named.iter().map(|(_, it)| it.as_str()).collect::<Vec<_>>().join(","),
        };
        Refusal::new(404, "0x80060888", format!("Could not find an entity with name {name}"))
    })
}

/// `$select`, `$filter` and `$expand` of a metadata query.
#[derive(Default)]
struct Query {
    select: Option<Vec<String>>,
    filter: Option<NameFilter>,
    expand: Vec<(String, Query)>,
}

/// The one filter that discovery needs: a property equals a text.
struct NameFilter {
    property: String,
    text: String,
}

impl NameFilter {
    fn is_met(&self, entity: &Entity) -> bool {
        match self.property.as_str() {
            "EntitySetName" => entity.set.as_deref().unwrap_or(&entity.name) == self.text,
            _ => entity.name == self.text,
        }
    }
}

impl Query {
    fn parse(query: &str) -> Result<Self, Refusal> {
        Self::of(query.split('&').filter(|it| !it.is_empty()).map(|it| decode(it, true)).collect())
    }

    fn of(options: Vec<String>) -> Result<Self, Refusal> {
        let mut query = Self::default();
        for option in options {
            match option.split_once('=') {
                Some(("$select", names)) => query.select = Some(names.split(',').map(|it| it.trim().to_owned()).collect()),
                Some(("$filter", text)) => query.filter = Some(filter(text)?),
                Some(("$expand", text)) => query.expand = expands(text)?,
                _ => return Err(Refusal::bad_request(format!("The option '{option}' is not supported for metadata."))),
            }
        }
        Ok(query)
    }

    fn expanded(&self, name: &str) -> Option<&Self> {
        self.expand.iter().find(|(it, _)| it == name).map(|(_, query)| query)
    }

    /// The selected properties; type and id always come.
    fn pick(&self, mut object: Map<String, Json>) -> Json {
        if let Some(select) = &self.select {
            object.retain(|name, _| name.starts_with('@') || name == "MetadataId" || select.contains(name));
        }
        Json::Object(object)
    }
}

fn filter(text: &str) -> Result<NameFilter, Refusal> {
    let parts = text.trim().splitn(3, ' ').collect::<Vec<_>>();
    match parts[..] {
        [property @ ("LogicalName" | "SchemaName" | "EntitySetName"), "eq", literal] => {
            Ok(NameFilter { property: property.to_owned(), text: address::unquote(literal.trim()) })
        }
        _ => Err(Refusal::bad_request(format!("The filter '{text}' is not supported for metadata."))),
    }
}

/// `A,B($select=C;$expand=D)`.
fn expands(text: &str) -> Result<Vec<(String, Query)>, Refusal> {
    let mut out = Vec::new();
    for part in split(text, ',') {
        let (name, inside) = part.split_once('(').unwrap_or((part, ""));
        let options = inside.strip_suffix(')').unwrap_or(inside);
        let options = split(options, ';').into_iter().filter(|it| !it.is_empty()).map(str::to_owned).collect();
        out.push((name.trim().to_owned(), Query::of(options)?));
    }
    Ok(out)
}

fn split(text: &str, separator: char) -> Vec<&str> {
    let mut depth = 0_usize;
    let is_cut = move |it: char| {
        depth = match it {
            '(' => depth + 1,
            ')' => depth.saturating_sub(1),
            _ => depth,
        };
        it == separator && depth == 0
    };
    text.split(is_cut).collect()
}

/// An id that stays the same for a name.
fn metadata_id(name: &str) -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes())
}

fn table(state: &State, entity: &Entity, query: &Query) -> Json {
    let primary_name = entity.fields.values().find(|it| matches!(it.kind, Kind::Text { .. }) && it.name.ends_with("name"));
    let Json::Object(all) = json!({
        "MetadataId": metadata_id(&entity.name),
        "LogicalName": entity.name,
        "SchemaName": entity.name,
        "EntitySetName": entity.set.as_deref().unwrap_or(&entity.name),
        "LogicalCollectionName": entity.set.as_deref().unwrap_or(&entity.name),
        "PrimaryIdAttribute": entity.key.first(),
        "PrimaryNameAttribute": primary_name.map(|it| it.name.as_str()),
        "ChangeTrackingEnabled": true,
        "IsOptimisticConcurrencyEnabled": true,
        "DisplayName": label(&entity.name),
    }) else {
        unreachable!("the literal is an object")
    };
    let Json::Object(mut shown) = query.pick(all) else { unreachable!("what is picked of an object is an object") };
    if let Some(query) = query.expanded("Attributes") {
        shown.insert("Attributes".to_owned(), Json::Array(columns(state, entity, None, query)));
    }
    if let Some(query) = query.expanded("Keys") {
        shown.insert("Keys".to_owned(), keys(entity).into_iter().map(|it| query.pick(it)).collect());
    }
    Json::Object(shown)
}

fn columns(state: &State, entity: &Entity, cast: Option<&str>, query: &Query) -> Vec<Json> {
    let fits = |field: &&Field| cast.is_none_or(|cast| cast == format!("{}AttributeMetadata", type_of(field).0));
    entity.fields.values().filter(fits).map(|it| column(state, entity, it, query)).collect()
}

fn column(state: &State, entity: &Entity, field: &Field, query: &Query) -> Json {
    let (class, ty) = type_of(field);
    let is_kept =
        field.readonly || rules::is_kept(Dialect::Dataverse, field) || money::is_computed(Dialect::Dataverse, entity, field);
    let is_primary = entity.key.contains(&field.name);
    let level = match (field.required, is_primary) {
        (_, true) => "SystemRequired",
        (true, false) => "ApplicationRequired",
        (false, false) => "None",
    };
    let Json::Object(mut all) = json!({
        "@odata.type": format!("#{PREFIX}{class}AttributeMetadata"),
        "MetadataId": metadata_id(&format!("{}.{}", entity.name, field.name)),
        "LogicalName": field.name,
        "SchemaName": field.name,
        "AttributeType": ty,
        "AttributeTypeName": {"Value": format!("{class}Type")},
        "IsPrimaryId": is_primary,
        "IsValidForRead": true,
        "IsValidForCreate": !is_kept,
        "IsValidForUpdate": !is_kept && !is_primary,
        "RequiredLevel": {"Value": level},
        "DisplayName": label(&field.name),
    }) else {
        unreachable!("the literal is an object")
    };
    all.extend(own_properties(state, field));
    let Json::Object(mut shown) = query.pick(all) else { unreachable!("what is picked of an object is an object") };
    if let (Some(query), Some(members)) = (query.expanded("OptionSet"), members(&field.kind)) {
        shown.insert("OptionSet".to_owned(), query.pick(option_set(state, entity, field, members)));
    }
    Json::Object(shown)
}

/// The class of the column's metadata, and the name of its type.
fn type_of(field: &Field) -> (&'static str, &'static str) {
    match &field.kind {
        Kind::Bool => ("Boolean", "Boolean"),
        Kind::Int32 => ("Integer", "Integer"),
        Kind::Int64 => ("BigInt", "BigInt"),
        Kind::Decimal { .. } if field.meaning == Some(Meaning::Money) => ("Money", "Money"),
        Kind::Decimal { .. } => ("Decimal", "Decimal"),
        Kind::Float64 => ("Double", "Double"),
        Kind::Text { max: None } => ("Memo", "Memo"),
        Kind::Text { max: Some(_) } => ("String", "String"),
        Kind::Guid => ("UniqueIdentifier", "Uniqueidentifier"),
        Kind::Date | Kind::DateTime => ("DateTime", "DateTime"),
        Kind::Time => ("Attribute", "Virtual"),
        Kind::Binary => ("Attribute", "Virtual"),
        Kind::Enum(_) if field.name == "statecode" => ("State", "State"),
        Kind::Enum(_) if field.name == "statuscode" => ("Status", "Status"),
        Kind::Enum(_) => ("Picklist", "Picklist"),
        Kind::Choices(_) => ("MultiSelectPicklist", "Virtual"),
        Kind::Lookup(_) => ("Lookup", "Lookup"),
    }
}

/// The properties that only some classes have.
fn own_properties(state: &State, field: &Field) -> Map<String, Json> {
    let value = match &field.kind {
        // Microsoft, webapi/query-metadata-web-api.md: a memo without a limit of its own has the largest there is.
        Kind::Text { max } => json!({"MaxLength": max.unwrap_or(1_048_576)}),
        // Microsoft, MoneyAttributeMetadata: 0, the column's own precision; 2, that of the row's currency.
        Kind::Decimal { scale, .. } if field.meaning == Some(Meaning::Money) => {
            let source = if money::rounds_by_currency(state) { 2 } else { 0 };
            let is_base = field.name.ends_with(money::BASE);
            json!({"Precision": scale, "PrecisionSource": source, "MinValue": -MONEY_MAX, "MaxValue": MONEY_MAX, "IsBaseCurrency": is_base})
        }
        Kind::Decimal { precision, scale } => {
            let digits = i32::from(precision.saturating_sub(*scale)).min(12);
            let most = 10_i64.pow(u32::try_from(digits).unwrap_or_default()) - 1;
            json!({"Precision": scale, "MinValue": -most, "MaxValue": most})
        }
        Kind::Int32 => json!({"MinValue": i32::MIN, "MaxValue": i32::MAX, "Format": "None"}),
        Kind::Float64 => json!({"Precision": 5}),
        // Microsoft, behavior-format-date-time-attribute.md.
        Kind::Date => json!({"Format": "DateOnly", "DateTimeBehavior": {"Value": "DateOnly"}}),
        Kind::DateTime => {
            let behavior = if field.meaning == Some(Meaning::WallClock) { "TimeZoneIndependent" } else { "UserLocal" };
            json!({"Format": "DateAndTime", "DateTimeBehavior": {"Value": behavior}})
        }
        Kind::Lookup(targets) => json!({"Targets": targets.iter().collect::<Vec<_>>()}),
        Kind::Bool | Kind::Int64 | Kind::Guid | Kind::Time | Kind::Binary | Kind::Enum(_) | Kind::Choices(_) => json!({}),
    };
    if let Json::Object(it) = value { it } else { Map::new() }
}

fn members(kind: &Kind) -> Option<&EnumType> {
    match kind {
        Kind::Enum(members) | Kind::Choices(members) => Some(members),
        _ => None,
    }
}

fn option_set(state: &State, entity: &Entity, field: &Field, members: &EnumType) -> Map<String, Json> {
    // A set that the schema names for itself is a global one.
    let is_global = state.schema.enums.contains_key(&members.name);
    let own = format!("{}_{}", entity.name, field.name);
    let name = if is_global { &members.name } else { &own };
    let options: Vec<Json> =
        members.members.iter().map(|it| json!({"Value": number(&it.value), "Label": label(&it.name)})).collect();
    Map::from_iter([
        ("MetadataId".to_owned(), json!(metadata_id(name))),
        ("Name".to_owned(), json!(name)),
        ("IsGlobal".to_owned(), json!(is_global)),
        ("Options".to_owned(), json!(options)),
    ])
}

fn number(value: &Value) -> Json {
    match value {
        Value::Int(it) => json!(it),
        _ => Json::Null,
    }
}

fn label(text: &str) -> Json {
    let own = json!({"Label": text, "LanguageCode": LANGUAGE});
    json!({"LocalizedLabels": [own], "UserLocalizedLabel": own})
}

/// The alternate keys (Microsoft, define-alternate-keys-entity.md: usable where the status is `Active`).
fn keys(entity: &Entity) -> Vec<Map<String, Json>> {
    let key = |fields: &Vec<String>| {
        let name = format!("{}_{}_key", entity.name, fields.join("_"));
        Map::from_iter([
            ("MetadataId".to_owned(), json!(metadata_id(&name))),
            ("LogicalName".to_owned(), json!(name)),
            ("SchemaName".to_owned(), json!(name)),
            ("KeyAttributes".to_owned(), json!(fields)),
            ("EntityKeyIndexStatus".to_owned(), json!("Active")),
        ])
    };
    entity.unique.iter().map(key).collect()
}

fn relationships(state: &State, entity: &Entity) -> Vec<Map<String, Json>> {
    let of_field = |field: &Field| {
        let one = |(navigation, target): (String, String)| {
            let name = format!("{}_{}_{target}", entity.name, field.name);
            Map::from_iter([
                ("MetadataId".to_owned(), json!(metadata_id(&name))),
                ("SchemaName".to_owned(), json!(name)),
                ("ReferencingEntity".to_owned(), json!(entity.name)),
                ("ReferencingAttribute".to_owned(), json!(field.name)),
                ("ReferencedEntity".to_owned(), json!(target)),
                ("ReferencedAttribute".to_owned(), json!(state.schema.entities.get(&target).and_then(|it| it.key.first()))),
                ("ReferencingEntityNavigationPropertyName".to_owned(), json!(navigation)),
            ])
        };
        navigation::all(state, entity, field).into_iter().map(one).collect::<Vec<_>>()
    };
    entity.fields.values().flat_map(of_field).collect()
}
