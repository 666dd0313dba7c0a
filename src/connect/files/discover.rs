//! Entities by the files of a folder.

use std::path::Path;

use indexmap::IndexMap;
use serde_json::Value as Json;

use super::sheet::{Format, Sheet};
use super::{FILE_BYTES_MAX, io};
use crate::change::{Class, Failure};
use crate::schema::{Entity, Field, Schema};
use crate::value::Kind;

/// Digits of a number of which nothing is known.
const DECIMAL: Kind = Kind::Decimal { precision: 38, scale: 10 };

pub fn discover(folder: &Path) -> Result<Schema, Failure> {
    let mut schema = Schema::default();
    let entries = std::fs::read_dir(folder).map_err(|error| io(folder, &error))?;
    let mut paths: Vec<_> = entries.flatten().map(|it| it.path()).filter(|it| it.is_file()).collect();
    paths.sort();
    for path in paths {
        let ending = path.extension().and_then(|it| it.to_str()).unwrap_or_default();
        let format = match ending {
            "csv" => Format::Csv,
            "jsonl" => Format::Lines,
            _ => continue,
        };
        let Some(name) = path.file_stem().and_then(|it| it.to_str()).filter(|it| !it.starts_with('.')) else { continue };
        if std::fs::metadata(&path).is_ok_and(|it| it.len() > FILE_BYTES_MAX) {
            return Err(Failure::new(
                Class::TooLarge,
                format!("{} is larger than {FILE_BYTES_MAX} bytes; split it", path.display()),
            ));
        }
        let text = std::fs::read_to_string(&path).map_err(|error| io(&path, &error))?;
        let sheet =
            Sheet::parse(format, &text).map_err(|why| Failure::new(Class::Schema, format!("{}: {why}", path.display())))?;
        if let Some(entity) = entity(name, &sheet) {
            schema.entities.insert(name.to_owned(), entity);
        }
    }
    Ok(schema)
}

fn entity(name: &str, sheet: &Sheet) -> Option<Entity> {
    let key = sheet.columns.first()?;
    let field = |(place, name): (usize, &String)| {
        let kind = kind(sheet.rows.iter().filter_map(|row| row[place].as_ref()));
        let is_key = name == key;
        let field = Field {
            name: name.clone(),
            kind,
            nullable: !is_key,
            required: is_key,
            readonly: false,
            modified: false,
            meaning: None,
            doc: None,
        };
        (name.clone(), field)
    };
    let fields: IndexMap<String, Field> = sheet.columns.iter().enumerate().map(field).collect();
    Some(Entity { name: name.to_owned(), key: vec![key.clone()], fields, ..Entity::default() })
}

/// What all cells of a column are; texts where they differ, and where they are texts.
fn kind<'a>(mut cells: impl Iterator<Item = &'a Json>) -> Kind {
    let of = |cell: &Json| match cell {
        Json::Bool(_) => Some(Kind::Bool),
        Json::Number(it) if it.as_i64().is_some() => Some(Kind::Int64),
        Json::Number(_) => Some(DECIMAL),
        Json::Null => None,
        Json::String(_) | Json::Array(_) | Json::Object(_) => Some(Kind::Text { max: None }),
    };
    let joined = cells.try_fold(None, |so_far: Option<Kind>, cell| match (so_far, of(cell)) {
        (None, found) | (found, None) => Ok(found),
        (Some(one), Some(other)) if one == other => Ok(Some(one)),
        (Some(Kind::Int64), Some(DECIMAL)) | (Some(DECIMAL), Some(Kind::Int64)) => Ok(Some(DECIMAL)),
        (Some(_), Some(_)) => Err(Kind::Text { max: None }),
    });
    joined.unwrap_or_else(Some).unwrap_or(Kind::Text { max: None })
}
