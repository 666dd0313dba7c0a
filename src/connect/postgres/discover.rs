//! The schema of a database, from its catalogue.

use tokio_postgres::Client;

use super::{Fault, rows};
use crate::connect::sql;
use crate::schema::{Entity, Field, Schema, kinds};
use crate::value::Kind;

/// Reads the tables of the current schema.
pub async fn discover(client: &Client) -> Result<Schema, Fault> {
    let sql = "SELECT c.relname::text, obj_description(c.oid, 'pg_class') FROM pg_class c
         WHERE c.relnamespace = to_regnamespace(quote_ident(current_schema())) AND c.relkind IN ('r', 'p') AND NOT c.relispartition
         ORDER BY c.relname";
    let mut schema = Schema::default();
    for row in client.query(sql, &[]).await? {
        let name: String = row.get(0);
        let entity = entity(client, &name, row.get(1)).await?;
        schema.entities.insert(name, entity);
    }
    Ok(schema)
}

async fn entity(client: &Client, name: &str, doc: Option<String>) -> Result<Entity, Fault> {
    let table = sql::quoted(name);
    let mut unique = rows::unique_keys(client, &table).await?;
    let is_keyed =
        client.query_opt("SELECT 1 FROM pg_index WHERE indrelid = to_regclass($1) AND indisprimary", &[&table]).await?;
    let key = if is_keyed.is_some() { unique.remove(0) } else { Vec::new() };
    // A column that alone refers to another table.
    let sql = "SELECT a.attname::text, r.relname::text FROM pg_constraint f JOIN pg_class r ON r.oid = f.confrelid
         JOIN pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = f.conkey[1]
         WHERE f.conrelid = to_regclass($1) AND f.contype = 'f' AND cardinality(f.conkey) = 1";
    let references: Vec<(String, String)> =
        client.query(sql, &[&table]).await?.iter().map(|row| (row.get(0), row.get(1))).collect();
    let sql = "SELECT a.attname::text, format_type(a.atttypid, a.atttypmod), a.attnotnull,
         a.atthasdef OR a.attidentity <> '' OR a.attgenerated <> '', a.attgenerated <> '' OR a.attidentity = 'a',
         col_description(a.attrelid, a.attnum)
         FROM pg_attribute a WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum";
    let mut fields = indexmap::IndexMap::new();
    for row in client.query(sql, &[&table]).await? {
        let (name, ty): (String, String) = (row.get(0), row.get(1));
        let (is_not_null, is_given, is_readonly): (bool, bool, bool) = (row.get(2), row.get(3), row.get(4));
        let target = references.iter().find(|(column, _)| *column == name);
        let kind = target.map_or_else(|| kind(&ty), |(_, table)| Kind::Lookup([table.clone()].into()));
        let field = Field {
            name: name.clone(),
            kind,
            nullable: !is_not_null,
            required: is_not_null && !is_given,
            readonly: is_readonly,
            modified: false,
            meaning: None,
            doc: row.get(5),
        };
        fields.insert(name, field);
    }
    Ok(Entity { name: name.to_owned(), set: None, doc, fields, key, unique, partition: None })
}

/// The kind of a type such as `character varying(20)`; what cannot be told is a text.
fn kind(ty: &str) -> Kind {
    let (name, rest) = ty.split_once('(').unwrap_or((ty, ""));
    let (numbers, tail) = rest.split_once(')').unwrap_or(("", ""));
    let numbers: Vec<u32> = numbers.split(',').filter_map(|it| it.trim().parse().ok()).collect();
    match format!("{}{tail}", name.trim()).as_str() {
        "boolean" => Kind::Bool,
        "smallint" | "integer" => Kind::Int32,
        "bigint" => Kind::Int64,
        "numeric" => kinds::built_in("decimal", &numbers).unwrap_or(Kind::Decimal { precision: 38, scale: 10 }),
        "real" | "double precision" => Kind::Float64,
        "uuid" => Kind::Guid,
        "date" => Kind::Date,
        "time without time zone" => Kind::Time,
        "timestamp without time zone" | "timestamp with time zone" => Kind::DateTime,
        "bytea" => Kind::Binary,
        "character varying" | "character" => Kind::Text { max: numbers.first().copied().filter(|it| *it > 0) },
        _ => Kind::Text { max: None },
    }
}
