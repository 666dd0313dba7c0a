//! The row of the map table that holds a mapping: the service's own dialect, key by key in its order.

use serde_json::{Map, Value, json};

use crate::import::mapping::{Mapping, Row, Transform};
use crate::import::path::Target;

/// A name that every file system takes.
pub fn file_name(mapping: &Mapping) -> String {
    let plain: String =
        mapping.identity().chars().map(|it| if it.is_alphanumeric() || "-_ ".contains(it) { it } else { '_' }).collect();
    format!("{plain}.json")
}

/// The same mapping is the same text.
pub fn text(mapping: &Mapping) -> String {
    let properties = json!({
        "Description": mapping.description.clone().unwrap_or_default(),
        "IsDualWriteProject": true,
        "SkipInitialSync": false,
        "AreKeysMismatched": false,
        "TargetTypeList": [3, 1],
    });
    let row = json!({
        "msdyn_name": mapping.full_name,
        "msdyn_displayname": mapping.identity(),
        "msdyn_version": mapping.version.clone().unwrap_or_else(|| "1.0.0.0".to_owned()),
        "msdyn_mapping": body(mapping).to_string(),
        "msdyn_properties": properties.to_string(),
    });
    serde_json::to_string_pretty(&row).expect("the row has text keys only") + "\n"
}

fn body(mapping: &Mapping) -> Value {
    let rows: Vec<Value> = mapping.rows.iter().map(row).collect();
    json!({
        "name": format!("[{}] - [{}]", mapping.label, mapping.set),
        "entityName": null,
        "order": 0,
        "connectionSetName": null,
        "leftEnvironmentType": "AX",
        "centerEnvironmentType": "CRM",
        "rightEnvironmentType": "UNDEFINED",
        "leftEnvironment": "",
        "centerEnvironment": "",
        "leftPartitionName": null,
        "centerPartitionName": null,
        "legs": [{
            "id": "001",
            "sourceEnvironment": "",
            "sourceSchema": mapping.label,
            "sourceSchemaDistinctName": null,
            "sourceEnvironmentType": "AX",
            "sourceFilter": mapping.left_filter,
            "isSourceFilterEditable": null,
            "destinationEnvironment": "",
            "destinationSchema": mapping.set,
            "destinationSchemaDistinctName": null,
            "destinationEnvironmentType": "CRM",
            "reversedSourceFilter": mapping.right_filter,
            "fieldMappings": rows,
            "sourceMQuery": null,
            "mashup": null,
            "sourceEntitySchema": null,
            "sourceProjectName": null,
            "entityFile": null,
            "entityFileFormat": 0,
            "entityFileInfo": null,
            "deleteNonMatchingData": false,
        }],
    })
}

fn row(row: &Row) -> Value {
    let mut out = Map::new();
    out.insert("syncDirection".to_owned(), row.direction.number().into());
    out.insert("sourceField".to_owned(), row.left.clone().into());
    out.insert("destinationField".to_owned(), row.right.as_ref().map(Target::to_string).unwrap_or_default().into());
    if let Some(related) = &row.related {
        out.insert("destinationLookupFieldRelatedEntity".to_owned(), related.clone().into());
    }
    let transform = row.transform.as_ref().map(|it| match it {
        Transform::Default(value) => json!({ "transformType": "Default", "defaultValue": value }),
        Transform::Values(pairs) => json!({ "transformType": "ValueMap", "valueMap": pairs, "createValuesOnDestination": false }),
    });
    if let Some(transform) = transform {
        out.insert("valueTransforms".to_owned(), json!([transform]));
    }
    out.insert("isSystemGenerated".to_owned(), row.extra.get("isSystemGenerated").cloned().unwrap_or(false.into()));
    let others = row.extra.iter().filter(|(key, _)| *key != "isSystemGenerated");
    out.extend(others.map(|(key, value)| (key.clone(), value.clone())));
    Value::Object(out)
}
