//! The schema of a database, from what its tables declare.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::install::Target;
use super::{Fault, at, rows};
use crate::change::Failure;
use crate::schema::{Entity, Field, Schema, kinds};
use crate::value::Kind;

/// Reads the tables of a database, without our own. Nothing is changed.
pub fn discover(path: impl AsRef<Path>) -> Result<Schema, Failure> {
    let path = path.as_ref();
    let read = || -> Result<Schema, Fault> {
        let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        let names: Vec<String> = db
            .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT GLOB 'sqlite_*' AND name NOT GLOB '_dwmap_*' ORDER BY name")?
            .query_map([], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        let mut schema = Schema::default();
        for name in names {
            schema.entities.insert(name.clone(), entity(&db, name)?);
        }
        Ok(schema)
    };
    read().map_err(|fault| at(&path.display().to_string(), fault))
}

struct Column {
    name: String,
    declared: String,
    not_null: bool,
    has_default: bool,
    key_place: i64,
}

fn entity(db: &Connection, name: String) -> Result<Entity, Fault> {
    let columns: Vec<Column> = db
        .prepare("SELECT name, type, \"notnull\", dflt_value IS NOT NULL, pk FROM pragma_table_info(?1) ORDER BY cid")?
        .query_map([&name], |row| {
            Ok(Column {
                name: row.get(0)?,
                declared: row.get(1)?,
                not_null: row.get(2)?,
                has_default: row.get(3)?,
                key_place: row.get(4)?,
            })
        })?
        .collect::<Result<_, _>>()?;
    let mut key: Vec<&Column> = columns.iter().filter(|it| it.key_place > 0).collect();
    key.sort_by_key(|it| it.key_place);
    let key: Vec<String> = key.into_iter().map(|it| it.name.clone()).collect();
    let target = Target { table: name.clone(), key: key.clone() };
    let unique = rows::unique_keys(db, &target)?.into_iter().filter(|it| *it != key).collect();
    let references = references(db, &name)?;
    let fields = columns.iter().map(|it| {
        let target = references.iter().find(|(column, _)| *column == it.name);
        let kind = target.map_or_else(|| kind(&it.declared), |(_, table)| Kind::Lookup([table.clone()].into()));
        (it.name.clone(), field(it, kind, &key))
    });
    Ok(Entity { fields: fields.collect(), set: None, doc: None, partition: None, key, unique, name })
}

/// A single `INTEGER PRIMARY KEY` is numbered by the database, so nobody has to give it.
fn field(column: &Column, kind: Kind, key: &[String]) -> Field {
    let is_numbered = column.declared.eq_ignore_ascii_case("INTEGER") && key == [column.name.clone()];
    Field {
        name: column.name.clone(),
        kind,
        nullable: !column.not_null && column.key_place == 0,
        required: (column.not_null || column.key_place > 0) && !column.has_default && !is_numbered,
        readonly: false,
        modified: false,
        meaning: None,
        doc: None,
    }
}

/// Columns that alone refer to another table.
fn references(db: &Connection, table: &str) -> Result<Vec<(String, String)>, Fault> {
    let mut select = db.prepare(
        "SELECT \"from\", \"table\" FROM pragma_foreign_key_list(?1) AS one
         WHERE (SELECT count(*) FROM pragma_foreign_key_list(?1) AS other WHERE other.id = one.id) = 1",
    )?;
    let found = select.query_map([table], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
    Ok(found)
}

/// The kind of a declared type such as `VARCHAR(20)`; what cannot be told is a text.
fn kind(declared: &str) -> Kind {
    let declared = declared.to_ascii_lowercase();
    let (name, numbers) = declared.split_once('(').unwrap_or((&declared, ""));
    let numbers: Vec<u32> = numbers.trim_end_matches([')', ' ']).split(',').filter_map(|it| it.trim().parse().ok()).collect();
    let name = name.trim();
    match name {
        "decimal" | "numeric" | "number" | "money" => {
            let declared = kinds::built_in("decimal", &if numbers.len() == 1 { vec![numbers[0], 0] } else { numbers });
            declared.unwrap_or(Kind::Decimal { precision: 38, scale: 10 })
        }
        "bool" | "boolean" | "bit" => Kind::Bool,
        "int" | "integer" | "bigint" | "int8" | "int64" => Kind::Int64,
        "smallint" | "mediumint" | "tinyint" | "int2" | "int4" | "int32" => Kind::Int32,
        "real" | "double" | "double precision" | "float" => Kind::Float64,
        "date" => Kind::Date,
        "time" => Kind::Time,
        "datetime" | "timestamp" | "timestamptz" | "datetimeoffset" | "datetime2" => Kind::DateTime,
        "uuid" | "guid" | "uniqueidentifier" => Kind::Guid,
        "blob" | "binary" | "varbinary" | "bytea" => Kind::Binary,
        _ => Kind::Text { max: numbers.first().copied().filter(|it| *it > 0) },
    }
}
