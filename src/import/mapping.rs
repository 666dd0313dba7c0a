//! A mapping as dual-write stores it, in either dialect, with what could not be read said row by row.

use indexmap::IndexMap;
use serde_json::{Map, Value};

use super::Note;
use super::path::Target;
use super::records::Record;

/// Which way a row carries values. The numbers are those of `syncDirection`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// 1: Finance & Operations to Dataverse.
    Right,
    /// 2: Dataverse to Finance & Operations.
    Left,
    /// 3
    Both,
}

impl Direction {
    pub fn number(self) -> u8 {
        match self {
            Self::Right => 1,
            Self::Left => 2,
            Self::Both => 3,
        }
    }

    pub fn leads_right(self) -> bool {
        self != Self::Left
    }

    pub fn leads_left(self) -> bool {
        self != Self::Right
    }

    /// Carries in every direction in which one of both does.
    pub fn with(self, other: Self) -> Self {
        if self == other { self } else { Self::Both }
    }

    /// As the documents of dual-write print it.
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Right => ">",
            Self::Left => "<",
            Self::Both => "=",
        }
    }

    pub fn of_symbol(symbol: &str) -> Option<Self> {
        [Self::Right, Self::Left, Self::Both].into_iter().find(|it| it.symbol() == symbol)
    }
}

/// What a row does to a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transform {
    Default(String),
    /// From the value of Finance & Operations to that of Dataverse, whatever the direction.
    Values(IndexMap<String, String>),
}

/// One element of `fieldMappings`.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// From 1, as it stands in the file.
    pub number: usize,
    pub direction: Direction,
    /// The column of Finance & Operations; empty: a constant for Dataverse.
    pub left: String,
    /// `None`: a constant for Finance & Operations.
    pub right: Option<Target>,
    /// The entity set that a lookup leads to, where it is said.
    pub related: Option<String>,
    pub transform: Option<Transform>,
    /// Keys that are not among the known ones, or have unusual values; kept for the way back.
    pub extra: Map<String, Value>,
}

impl Row {
    /// `SALESCURRENCYCODE = transactioncurrencyid.isocurrencycode`
    pub fn text(&self) -> String {
        let left = if self.left.is_empty() { "none" } else { &self.left };
        let right = self.right.as_ref().map_or_else(|| "none".to_owned(), Target::to_string);
        let symbol = match (self.direction, &self.transform) {
            (Direction::Both, Some(_)) => "><",
            (Direction::Right, Some(_)) => ">>",
            (Direction::Left, Some(_)) => "<<",
            (direction, None) => direction.symbol(),
        };
        format!("{left} {symbol} {right}")
    }
}

/// One map of one version.
#[derive(Clone, Debug, PartialEq)]
pub struct Mapping {
    /// `msdyn_[accounts - Customers V3]`
    pub full_name: String,
    /// The label of the data entity: `Customers V3`.
    pub label: String,
    /// The entity set of Dataverse: `accounts`.
    pub set: String,
    pub version: Option<String>,
    pub description: Option<String>,
    pub left_filter: String,
    pub right_filter: String,
    pub rows: Vec<Row>,
    /// Rows that could not be read, by number, with the reason.
    pub refused: Vec<(usize, String)>,
}

impl Mapping {
    /// What names the map apart from its version: `accounts - Customers V3`.
    pub fn identity(&self) -> String {
        format!("{} - {}", self.set, self.label)
    }
}

/// Reads a record. `None`: there is no map in it, and a note says why.
pub fn read(record: &Record, notes: &mut Vec<Note>) -> Option<Mapping> {
    let shown = if record.name.is_empty() { record.source.clone() } else { record.name.clone() };
    let legs = record.mapping.get("legs").and_then(Value::as_array);
    let Some(leg) = legs.and_then(|it| it.first()).and_then(Value::as_object) else {
        notes.push(Note::error(&shown, None, "has no leg, so there is nothing to map"));
        return None;
    };
    let text = |name: &str| leg.get(name).and_then(Value::as_str).unwrap_or_default().trim().to_owned();
    let (label, set) = (text("sourceSchema"), text("destinationSchema"));
    if label.is_empty() || set.is_empty() {
        notes.push(Note::error(&shown, None, "names no `sourceSchema` or no `destinationSchema`"));
        return None;
    }
    let identity = format!("{set} - {label}");
    let environment = |name: &str| leg.get(name).and_then(Value::as_str).unwrap_or_default();
    if environment("sourceEnvironmentType") == "CRM" || environment("destinationEnvironmentType") == "AX" {
        let text = "leads from Dataverse (`CRM`) to Finance & Operations (`AX`); the source of a map is Finance & Operations, so it is \
                    not imported: exchange both sides of the leg, and 1 and 2 of each `syncDirection`";
        notes.push(Note::error(&identity, None, text));
        return None;
    }
    not_carried(&identity, record, leg, notes);
    if legs.is_some_and(|it| it.len() > 1) {
        notes.push(Note::error(&identity, None, "has several legs; dual-write runs the first one only, and so does this"));
    }
    let list = leg.get("fieldMappings").and_then(Value::as_array).cloned().unwrap_or_default();
    let said = notes.len();
    let rows = list.iter().enumerate().filter_map(|(index, it)| row(&identity, index + 1, it, notes)).collect();
    let refused = notes[said..].iter().filter(|it| it.is_error).filter_map(|it| Some((it.row?, it.text.clone()))).collect();
    Some(Mapping {
        full_name: if record.name.is_empty() { format!("msdyn_[{identity}]") } else { record.name.clone() },
        version: record.version.clone().filter(|it| is_version(&identity, it, notes)),
        description: description(&identity, record.properties.as_deref(), notes),
        left_filter: text("sourceFilter"),
        right_filter: text("reversedSourceFilter"),
        label,
        set,
        rows,
        refused,
    })
}

/// Keys of the mapping that are read, or tell of one installation only.
const MAPPING_KEYS: &[&str] = &[
    "name",
    "legs",
    "leftEnvironment",
    "leftEnvironmentType",
    "centerEnvironment",
    "centerEnvironmentType",
    "rightEnvironmentType",
];
const LEG_KEYS: &[&str] = &[
    "id",
    "sourceEnvironment",
    "sourceSchema",
    "sourceEnvironmentType",
    "sourceFilter",
    "destinationEnvironment",
    "destinationSchema",
    "destinationEnvironmentType",
    "reversedSourceFilter",
    "fieldMappings",
];
const PROPERTY_KEYS: &[&str] = &["Description", "IsDualWriteProject", "SkipInitialSync", "AreKeysMismatched", "TargetTypeList"];

/// Says which keys have a value that is nowhere in the text, so an export will not write it.
fn not_carried(identity: &str, record: &Record, leg: &Map<String, Value>, notes: &mut Vec<Note>) {
    let properties = record.properties.as_deref().and_then(|it| serde_json::from_str(it.trim_start_matches('\u{feff}')).ok());
    let properties: Value = properties.unwrap_or_default();
    let objects = [(record.mapping.as_object(), MAPPING_KEYS), (Some(leg), LEG_KEYS), (properties.as_object(), PROPERTY_KEYS)];
    for (object, known) in objects {
        for (key, value) in object.into_iter().flatten() {
            // How the service writes that there is nothing.
            let is_empty = match value {
                Value::Null => true,
                Value::Bool(it) => !it,
                Value::Number(it) => it.as_f64() == Some(0.0),
                Value::String(it) => it.trim().is_empty(),
                Value::Array(it) => it.is_empty(),
                Value::Object(it) => it.is_empty(),
            };
            if !is_empty && !known.contains(&key.as_str()) {
                notes.push(Note::warning(identity, None, format!("`{key}` is {value}, which the text does not carry")));
            }
        }
    }
}

fn is_version(identity: &str, version: &str, notes: &mut Vec<Note>) -> bool {
    let is_fine = version.split('.').all(|it| !it.is_empty() && it.bytes().all(|byte| byte.is_ascii_digit()));
    if !is_fine {
        notes.push(Note::warning(identity, None, format!("`{version}` is no version of numbers and dots; it is left out")));
    }
    is_fine
}

/// Broken properties are said, and cost the description only.
fn description(identity: &str, properties: Option<&str>, notes: &mut Vec<Note>) -> Option<String> {
    match serde_json::from_str::<Value>(properties?.trim_start_matches('\u{feff}')) {
        Ok(value) => {
            let text = value.get("Description").and_then(Value::as_str).unwrap_or_default().trim();
            (!text.is_empty()).then(|| text.split_whitespace().collect::<Vec<_>>().join(" "))
        }
        Err(error) => {
            let text = format!("msdyn_properties is no readable JSON ({error}); the map is imported without its description");
            notes.push(Note::warning(identity, None, text));
            None
        }
    }
}

/// Keys that are read, or say nothing that the map does not say.
const ROW_KEYS: &[&str] =
    &["syncDirection", "sourceField", "destinationField", "destinationLookupFieldRelatedEntity", "valueTransforms"];

fn row(map: &str, number: usize, value: &Value, notes: &mut Vec<Note>) -> Option<Row> {
    let Some(object) = value.as_object() else {
        notes.push(Note::error(map, Some(number), "is no object"));
        return None;
    };
    let text = |name: &str| object.get(name).and_then(Value::as_str).unwrap_or_default().trim().to_owned();
    let (left, right) = (text("sourceField"), text("destinationField"));
    let place = format!("{left} … {right}");
    let Some(direction) = direction(object.get("syncDirection")) else {
        let found = object.get("syncDirection").map_or_else(|| "nothing".to_owned(), Value::to_string);
        let text = format!("{place}: `syncDirection` is {found}, not 1, 2 or 3; a direction is not guessed");
        notes.push(Note::error(map, Some(number), text));
        return None;
    };
    let target = match Target::parse(&right) {
        Ok(target) => target,
        Err(error) => {
            notes.push(Note::error(map, Some(number), format!("{place}: {error}")));
            return None;
        }
    };
    let transform = transform(map, number, &place, object, notes)?;
    let mut extra: Map<String, Value> =
        object.iter().filter(|(key, _)| !ROW_KEYS.contains(&key.as_str())).map(|(key, it)| (key.clone(), it.clone())).collect();
    if extra.get("isSystemGenerated") == Some(&Value::Bool(false)) {
        extra.remove("isSystemGenerated");
    }
    extra.retain(|_, it| !it.is_null());
    let related = Some(text("destinationLookupFieldRelatedEntity")).filter(|it| !it.is_empty());
    let row = Row { number, direction, left, right: target, related, transform, extra };
    misplaced(&row).map_or(Some(row.clone()), |problem| {
        notes.push(Note::error(map, Some(number), format!("{}: {problem}", row.text())));
        None
    })
}

/// A missing column stands for a constant, and a constant needs its value and leads away from it.
fn misplaced(row: &Row) -> Option<&'static str> {
    let is_constant = matches!(row.transform, Some(Transform::Default(_)));
    match (row.left.is_empty(), row.right.is_none()) {
        (true, true) => Some("names no column on either side"),
        (true, false) if !is_constant || row.direction.leads_left() => {
            Some("names no column of Finance & Operations and is no constant for Dataverse")
        }
        (false, true) if !is_constant || row.direction.leads_right() => {
            Some("names no column of Dataverse and is no constant for Finance & Operations")
        }
        _ => None,
    }
}

fn direction(value: Option<&Value>) -> Option<Direction> {
    let number = match value? {
        Value::Number(it) => it.to_string(),
        Value::String(it) => it.trim().to_owned(),
        _ => return None,
    };
    match number.as_str() {
        "1" => Some(Direction::Right),
        "2" => Some(Direction::Left),
        "3" => Some(Direction::Both),
        _ => None,
    }
}

/// The one transform of a row. `None`: one that is not understood, and a note says so.
#[expect(clippy::option_option, reason = "no transform is not the same as one that was refused")]
fn transform(
    map: &str,
    number: usize,
    place: &str,
    row: &Map<String, Value>,
    notes: &mut Vec<Note>,
) -> Option<Option<Transform>> {
    let list = match row.get("valueTransforms") {
        None | Some(Value::Null) => return Some(None),
        Some(Value::Array(list)) => list.as_slice(),
        Some(single) => std::slice::from_ref(single),
    };
    let mut refuse = |text: String| {
        notes.push(Note::error(map, Some(number), format!("{place}: {text}")));
        None
    };
    let first = match list {
        [] => return Some(None),
        [one] => one,
        [..] => return refuse("has several transforms, and dual-write does not say how they follow each other".to_owned()),
    };
    if first.get("createValuesOnDestination") == Some(&Value::Bool(true)) {
        return refuse("`createValuesOnDestination` is true, which is not documented".to_owned());
    }
    let kind = first.get("transformType").and_then(Value::as_str).unwrap_or_default();
    match kind.to_lowercase().as_str() {
        "default" => match first.get("defaultValue") {
            Some(Value::String(it)) => Some(Some(Transform::Default(it.clone()))),
            Some(it @ (Value::Bool(_) | Value::Number(_))) => Some(Some(Transform::Default(it.to_string()))),
            Some(_) | None => refuse("its default has no value".to_owned()),
        },
        "valuemap" => match first.get("valueMap").and_then(Value::as_object) {
            Some(pairs) if !pairs.is_empty() => {
                let text = |it: &Value| {
                    it.as_str().map_or_else(|| if it.is_null() { String::new() } else { it.to_string() }, str::to_owned)
                };
                Some(Some(Transform::Values(pairs.iter().map(|(key, it)| (key.clone(), text(it))).collect())))
            }
            Some(_) | None => refuse("its value map has no pairs".to_owned()),
        },
        _ => refuse(format!("there is no transform `{kind}`")),
    }
}
