//! Schema snapshots: a system's schema as a JSON file that is reviewed and locked like code.

use std::sync::Arc;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::{Entity, Field, Meaning, Schema, kinds};
use crate::value::{EnumType, Kind, Member, Value};

/// The version of the file's form.
pub const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    format_version: u32,
    #[serde(default)]
    system: String,
    #[serde(default)]
    source: String,
    #[serde(default)]
    enums: IndexMap<String, EnumForm>,
    entities: IndexMap<String, EntityForm>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EnumForm {
    #[serde(default)]
    open: bool,
    members: Members,
}

/// A list: symbols. A table: names with their numbers.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Members {
    Symbols(Vec<String>),
    Numbers(IndexMap<String, i64>),
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct EntityForm {
    #[serde(skip_serializing_if = "Option::is_none")]
    set: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    doc: Option<String>,
    key: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unique: Vec<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    partition: Option<String>,
    fields: IndexMap<String, FieldForm>,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum FieldForm {
    Short(String),
    Long(LongField),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LongField {
    #[serde(rename = "type")]
    ty: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    required: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    readonly: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    modified: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    meaning: Option<Meaning>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    doc: Option<String>,
}

/// Why a snapshot was not read; says where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotError(pub String);

impl std::fmt::Display for SnapshotError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for SnapshotError {}

/// Reads a snapshot.
pub fn parse(text: &str) -> Result<Schema, SnapshotError> {
    let document: Document = serde_json::from_str(text).map_err(|error| SnapshotError(error.to_string()))?;
    if document.format_version != FORMAT {
        let found = document.format_version;
        return Err(SnapshotError(format!("the snapshot has format {found}, this dwmap reads format {FORMAT}; make it again")));
    }
    let mut schema = Schema::default();
    for (name, form) in document.enums {
        let members = match form.members {
            Members::Symbols(symbols) => symbols.into_iter().map(|name| Member { value: Value::text(&name), name }).collect(),
            Members::Numbers(numbers) => {
                numbers.into_iter().map(|(name, number)| Member { name, value: Value::Int(number) }).collect()
            }
        };
        schema.enums.insert(name.clone(), Arc::new(EnumType { name, open: form.open, members }));
    }
    for (name, form) in document.entities {
        let entity = entity(&name, form, &schema.enums)?;
        schema.entities.insert(name, entity);
    }
    Ok(schema)
}

fn entity(name: &str, form: EntityForm, enums: &IndexMap<String, Arc<EnumType>>) -> Result<Entity, SnapshotError> {
    let mut fields = IndexMap::new();
    for (field, form) in form.fields {
        let long = match form {
            FieldForm::Short(ty) => LongField { ty, required: false, readonly: false, modified: false, meaning: None, doc: None },
            FieldForm::Long(long) => long,
        };
        let (kind, nullable) =
            kinds::parse(&long.ty, enums).map_err(|error| SnapshotError(format!("{name}.{field}: {error}")))?;
        let LongField { required, readonly, modified, meaning, doc, .. } = long;
        if let Some(meaning) = meaning.filter(|it| !fits(*it, &kind)) {
            return Err(SnapshotError(format!("{name}.{field}: a field of type `{kind}` cannot mean {meaning}")));
        }
        fields.insert(field.clone(), Field { name: field, kind, nullable, required, readonly, modified, meaning, doc });
    }
    let named = form.key.iter().chain(form.unique.iter().flatten()).chain(&form.partition);
    if let Some(missing) = named.into_iter().find(|it| !fields.contains_key(*it)) {
        return Err(SnapshotError(format!("{name}: a key names `{missing}`, which is no field")));
    }
    Ok(Entity {
        name: name.to_owned(),
        set: form.set,
        doc: form.doc,
        fields,
        key: form.key,
        unique: form.unique,
        partition: form.partition,
    })
}

fn fits(meaning: Meaning, kind: &Kind) -> bool {
    match meaning {
        Meaning::Money => matches!(kind, Kind::Decimal { .. }),
        Meaning::WallClock => matches!(kind, Kind::DateTime),
    }
}

/// Writes a snapshot; reading it gives the same schema.
pub fn to_json(schema: &Schema, system: &str, source: &str) -> String {
    let members = |it: &EnumType| {
        let numbers = it.members.iter().map(|it| match it.value {
            Value::Int(number) => Some((it.name.clone(), number)),
            _ => None,
        });
        match numbers.collect::<Option<IndexMap<String, i64>>>() {
            Some(numbers) if !numbers.is_empty() => Members::Numbers(numbers),
            Some(_) | None => Members::Symbols(it.members.iter().map(|it| it.name.clone()).collect()),
        }
    };
    let enums = schema.enums.iter().map(|(name, it)| (name.clone(), EnumForm { open: it.open, members: members(it) })).collect();
    let document = Document {
        format_version: FORMAT,
        system: system.to_owned(),
        source: source.to_owned(),
        enums,
        entities: schema.entities.iter().map(|(name, it)| (name.clone(), entity_form(it))).collect(),
    };
    serde_json::to_string_pretty(&document).expect("a snapshot's names are texts") + "\n"
}

fn entity_form(entity: &Entity) -> EntityForm {
    let field = |it: &Field| {
        let ty = format!("{}{}", type_text(&it.kind), if it.nullable { "?" } else { "" });
        if it.required || it.readonly || it.modified || it.meaning.is_some() || it.doc.is_some() {
            FieldForm::Long(LongField {
                ty,
                required: it.required,
                readonly: it.readonly,
                modified: it.modified,
                meaning: it.meaning,
                doc: it.doc.clone(),
            })
        } else {
            FieldForm::Short(ty)
        }
    };
    EntityForm {
        set: entity.set.clone(),
        doc: entity.doc.clone(),
        key: entity.key.clone(),
        unique: entity.unique.clone(),
        partition: entity.partition.clone(),
        fields: entity.fields.iter().map(|(name, it)| (name.clone(), field(it))).collect(),
    }
}

fn type_text(kind: &Kind) -> String {
    match kind {
        Kind::Enum(members) => members.name.clone(),
        other => other.to_string(),
    }
}

/// The content hash that the lock holds.
pub fn hash(text: &str) -> String {
    use sha2::Digest;
    let digest = sha2::Sha256::digest(text.as_bytes());
    format!("sha256:{}", digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}
