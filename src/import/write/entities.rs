//! `entity` items for what was inferred, so that the maps can be checked before somebody brings the schemas.

use crate::change::Side;
use crate::import::names::written;
use crate::import::{World, system};
use crate::schema::{Entity, Field};
use crate::value::{Kind, Value};

/// The file of inferred entities; empty when both schemas were given.
pub fn text(world: &World) -> String {
    let mut out = String::new();
    for side in Side::BOTH.into_iter().filter(|&it| !world.is_given[it]) {
        for entity in world.schemas[side].entities.values() {
            out.push('\n');
            out.push_str(&item(side, entity));
        }
    }
    if out.is_empty() {
        return out;
    }
    let head = "// Inferred: the maps imply these entities, and no schema was given. Lengths and types are not known; read the real\n\
                // schemas with `dwmap schema read` and import again with `--schema` before anything runs.\n\n";
    format!("{head}{}{out}", super::systems(world))
}

fn item(side: Side, entity: &Entity) -> String {
    let mut text = format!("entity {}.{} {{\n", system(side), written(&entity.name));
    let single = if entity.key.len() == 1 && entity.partition.is_none() { entity.key.first() } else { None };
    for field in entity.fields.values() {
        let key = if single == Some(&field.name) { "key " } else { "" };
        let partition = if entity.partition.as_ref() == Some(&field.name) { "partition " } else { "" };
        text.push_str(&format!(
            "  {partition}{key}{}: {}{}\n",
            written(&field.name),
            kind(side, field),
            if field.nullable { "?" } else { "" }
        ));
    }
    if single.is_none() && !entity.key.is_empty() {
        text.push_str(&format!("  key ({})\n", list(&entity.key)));
    }
    for unique in &entity.unique {
        text.push_str(&format!("  unique ({})\n", list(unique)));
    }
    text + "}\n"
}

fn list(names: &[String]) -> String {
    names.iter().map(|it| written(it)).collect::<Vec<_>>().join(", ")
}

fn kind(side: Side, field: &Field) -> String {
    match &field.kind {
        Kind::Lookup(targets) => {
            let targets: Vec<String> = targets.iter().map(|it| format!("{}.{}", system(side), written(it))).collect();
            format!("lookup {}", targets.join(" | "))
        }
        Kind::Enum(set) => {
            let members = set.members.iter().map(|it| match &it.value {
                Value::Int(number) => format!("{} = {number}", written(&it.name)),
                _ => written(&it.name),
            });
            format!("{} {{ {} }}", if set.open { "choice" } else { "enum" }, members.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}
