//! The facts of the standard maps, and the JSON that dual-write would have stored for them, in both of its dialects.

use serde_json::{Map, Value, json};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// As the service writes it: numbers, nulls, no `$type`.
    Full,
    /// As older scripts wrote it: texts, `$type`, empty lists, and no nulls.
    Sparse,
}

fn facts() -> Value {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/dual-write/standard-maps.json");
    serde_json::from_str(&super::read(&path)).expect("the facts are JSON")
}

/// One row of a map.
#[derive(Clone, Debug)]
pub struct Row {
    pub left: String,
    pub symbol: String,
    pub right: String,
    pub default: Option<String>,
    pub values: Option<Map<String, Value>>,
    pub lookup: Option<String>,
}

impl Row {
    pub fn direction(&self) -> u8 {
        match self.symbol.as_str() {
            "=" | "><" => 3,
            ">" | ">>" => 1,
            "<" | "<<" => 2,
            other => panic!("`{other}` is no symbol"),
        }
    }
}

#[derive(Clone, Debug)]
pub struct Facts {
    pub name: String,
    pub description: String,
    pub left_filter: String,
    pub right_filter: String,
    pub key: Option<Value>,
    pub rows: Vec<Row>,
}

impl Facts {
    pub fn set_and_label(&self) -> (&str, &str) {
        self.name.split_once(" - ").expect("a name has both parts")
    }
}

/// All maps of the published tables.
pub fn all() -> Vec<Facts> {
    let facts = facts();
    let text = |it: &Value, key: &str| it.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let row = |it: &Value| {
        let more = it.get(3).cloned().unwrap_or_default();
        let values = more
            .get("values")
            .and_then(Value::as_u64)
            .map(|it| facts["values"][it as usize].as_object().expect("a dictionary").clone());
        let word = |at: usize| it[at].as_str().expect("a text").to_owned();
        let own = |key: &str| more.get(key).and_then(Value::as_str).map(str::to_owned);
        Row { left: word(0), symbol: word(1), right: word(2), default: own("default"), values, lookup: own("lookup") }
    };
    let map = |it: &Value| Facts {
        name: text(it, "name"),
        description: text(it, "description"),
        left_filter: text(it, "source_filter"),
        right_filter: text(it, "reverse_filter"),
        key: it.get("key").cloned(),
        rows: it["rows"].as_array().expect("a list").iter().map(row).collect(),
    };
    facts["maps"].as_array().expect("a list").iter().map(map).collect()
}

/// The key list, as `--keys` takes it.
pub fn keys() -> Value {
    all().into_iter().filter_map(|it| Some((it.name, it.key?))).collect::<Map<String, Value>>().into()
}

const PACKAGE: &str = "Microsoft.Dynamics.Integrator.Contracts.External";

fn transforms(row: &Row, dialect: Dialect) -> Vec<Value> {
    let typed = |kind: &str, mut it: Value| {
        if dialect == Dialect::Sparse {
            it["$type"] = json!(format!("{PACKAGE}.{kind}TransformDetails, Microsoft.Dynamics.Integrator"));
        }
        it
    };
    let values = row
        .values
        .iter()
        .map(|it| typed("ValueMap", json!({ "transformType": "ValueMap", "valueMap": it, "createValuesOnDestination": false })));
    let default = row.default.iter().map(|it| typed("DefaultValue", json!({ "transformType": "Default", "defaultValue": it })));
    values.chain(default).collect()
}

fn field(row: &Row, dialect: Dialect) -> Value {
    let direction = row.direction();
    let mut out = json!({
        "syncDirection": if dialect == Dialect::Full { json!(direction) } else { json!(direction.to_string()) },
        "sourceField": row.left,
        "destinationField": row.right,
    });
    if let Some(lookup) = &row.lookup {
        out["destinationLookupFieldRelatedEntity"] = json!(lookup);
    }
    let transforms = transforms(row, dialect);
    if dialect == Dialect::Sparse || !transforms.is_empty() {
        out["valueTransforms"] = transforms.into();
    }
    out["isSystemGenerated"] = json!(false);
    out
}

/// The column `msdyn_mapping` of a map.
pub fn mapping(map: &Facts, dialect: Dialect) -> Value {
    let (set, label) = map.set_and_label();
    let fields: Vec<Value> = map.rows.iter().map(|it| field(it, dialect)).collect();
    let mut leg = json!({
        "id": "001", "sourceEnvironment": "", "sourceSchema": label, "sourceEnvironmentType": "AX", "sourceFilter": map.left_filter,
        "destinationEnvironment": "", "destinationSchema": set, "destinationEnvironmentType": "CRM",
        "reversedSourceFilter": map.right_filter, "fieldMappings": fields, "deleteNonMatchingData": false,
    });
    if dialect == Dialect::Full {
        leg["mashup"] = Value::Null;
        leg["entityFileFormat"] = json!(0);
    } else {
        leg["entityFileFormat"] = json!("CSV");
    }
    json!({ "name": format!("[{label}] - [{set}]"), "order": 0, "leftEnvironmentType": "AX", "centerEnvironmentType": "CRM", "legs": [leg] })
}

/// One row of the map table.
pub fn record(map: &Facts, dialect: Dialect) -> Value {
    json!({
        "msdyn_name": format!("msdyn_[{}]", map.name),
        "msdyn_displayname": map.name,
        "msdyn_version": "1.0.0.0",
        "msdyn_mapping": mapping(map, dialect).to_string(),
        "msdyn_properties": json!({ "Description": map.description, "IsDualWriteProject": true }).to_string(),
    })
}

/// The answer of the Web API that holds all maps.
pub fn answer(dialect: Dialect) -> Vec<u8> {
    let rows: Vec<Value> = all().iter().map(|it| record(it, dialect)).collect();
    json!({ "@odata.context": "…", "value": rows }).to_string().into_bytes()
}
