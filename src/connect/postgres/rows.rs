//! Reading rows: by address, by content, and page by page in key order.

use tokio_postgres::types::ToSql;
use tokio_postgres::{GenericClient, Row};

use super::install::{Target, literal};
use super::{Fault, cells, expired};
use crate::change::{LinkId, RemoteId, Seen, Version, Write};
use crate::connect::sql::quoted;
use crate::schema::Shape;
use crate::value::{Record, Slot, Uuid, Value};

/// `SELECT` of rows as one map sees them; `rest` begins with `WHERE` or `ORDER BY`.
fn select(target: &Target, shape: &Shape, rest: &str) -> String {
    let columns: String = shape.fields.iter().map(|it| format!(", t.{}::text", quoted(&it.name))).collect();
    let (address, tab) = (target.address("t"), literal(&target.name));
    if !target.is_watched {
        return format!("SELECT {address}, t.xmin::text, NULL::text{columns} FROM {} AS t {rest}", target.table);
    }
    format!(
        "SELECT {address}, t.xmin::text, l.link::text{columns} FROM {} AS t \
         LEFT JOIN dwmap.link AS l ON l.tab = {tab} AND l.address = {address} {rest}",
        target.table
    )
}

async fn read(
    client: &impl GenericClient,
    target: &Target,
    shape: &Shape,
    rest: &str,
    texts: &[Option<String>],
) -> Result<Vec<Seen>, Fault> {
    let params: Vec<&(dyn ToSql + Sync)> = texts.iter().map(|it| it as &(dyn ToSql + Sync)).collect();
    let rows = client.query(&select(target, shape, rest), &params).await?;
    Ok(rows.iter().map(|row| seen(target, shape, row)).collect())
}

fn seen(target: &Target, shape: &Shape, row: &Row) -> Seen {
    let address: String = row.get(0);
    let (mut values, mut problem) = (Vec::with_capacity(shape.fields.len()), None);
    for (field, column) in shape.fields.iter().zip(3..) {
        values.push(cells::decode(&field.kind, row.get(column)).unwrap_or_else(|why| {
            problem.get_or_insert(format!("table `{}`, row {address}, column `{}` {why}", target.name, field.name));
            Value::Absent
        }));
    }
    let record = Record::from_values(values);
    let modified = match shape.modified.map(|slot| record.get(slot)) {
        Some(Value::DateTime(at)) => Some(*at),
        Some(_) | None => None,
    };
    let link: Option<String> = row.get(2);
    let correlation = link.and_then(|it| Uuid::parse_str(&it).ok()).map(LinkId);
    Seen { id: RemoteId(address), version: Version(row.get(1)), record, modified, correlation, problem }
}

/// The texts of an address; `None`: no address of ours.
pub fn parts(target: &Target, address: &str) -> Option<Vec<Option<String>>> {
    let parts: Vec<serde_json::Value> = serde_json::from_str(address).ok()?;
    let text = |part: serde_json::Value| match part {
        serde_json::Value::String(text) => Some(Some(text)),
        serde_json::Value::Number(_) | serde_json::Value::Bool(_) => Some(Some(part.to_string())),
        serde_json::Value::Null | serde_json::Value::Array(_) | serde_json::Value::Object(_) => None,
    };
    let parts = parts.into_iter().map(text).collect::<Option<Vec<_>>>()?;
    (parts.len() == target.key.len()).then_some(parts)
}

/// A parameter as a value of the column's type.
pub fn cast(number: usize, ty: &str) -> String {
    format!("CAST(${number}::text AS {ty})")
}

/// `t."a" = $1 AND t."b" = $2` over the address.
pub fn addressed(target: &Target) -> String {
    let part = |(number, (name, ty)): (usize, &(String, String))| format!("t.{} = {}", quoted(name), cast(number, ty));
    (1..).zip(&target.key).map(part).collect::<Vec<_>>().join(" AND ")
}

pub async fn by_address(
    client: &impl GenericClient,
    target: &Target,
    shape: &Shape,
    address: &str,
) -> Result<Option<Seen>, Fault> {
    let Some(parts) = parts(target, address) else { return Ok(None) };
    Ok(read(client, target, shape, &format!("WHERE {}", addressed(target)), &parts).await?.pop())
}

/// Rows whose columns equal these values, null like null.
pub async fn by_content(
    client: &impl GenericClient,
    target: &Target,
    shape: &Shape,
    slots: &[Slot],
    values: &[Value],
    limit: usize,
) -> Result<Vec<Seen>, Fault> {
    let (mut conditions, mut texts) = (Vec::with_capacity(slots.len()), Vec::with_capacity(slots.len()));
    for (number, (slot, value)) in (1..).zip(slots.iter().zip(values)) {
        let name = &shape.field(*slot).name;
        let (Ok(text), Some(ty)) = (cells::encode(value), target.type_of(name)) else { return Ok(Vec::new()) };
        conditions.push(format!("t.{} IS NOT DISTINCT FROM {}", quoted(name), cast(number, ty)));
        texts.push(text);
    }
    let rest = format!("WHERE {} ORDER BY {} LIMIT {limit}", conditions.join(" AND "), order(target));
    read(client, target, shape, &rest, &texts).await
}

fn order(target: &Target) -> String {
    target.key.iter().map(|(name, _)| format!("t.{}", quoted(name))).collect::<Vec<_>>().join(", ")
}

/// The rows after this address in key order. Rows whose key is null have no address and are not read.
pub async fn after(
    client: &impl GenericClient,
    target: &Target,
    shape: &Shape,
    address: Option<&str>,
    limit: usize,
) -> Result<Vec<Seen>, Fault> {
    let mut conditions: Vec<String> = target.key.iter().map(|(name, _)| format!("t.{} IS NOT NULL", quoted(name))).collect();
    let mut texts = Vec::new();
    if let Some(address) = address {
        texts = parts(target, address).ok_or_else(expired)?;
        let places: Vec<String> = (1..).zip(&target.key).map(|(number, (_, ty))| cast(number, ty)).collect();
        conditions.push(format!("({}) > ({})", order(target), places.join(", ")));
    }
    let rest = format!("WHERE {} ORDER BY {} LIMIT {limit}", conditions.join(" AND "), order(target));
    read(client, target, shape, &rest, &texts).await
}

/// The row that a create of this link made.
pub async fn by_link(client: &impl GenericClient, target: &Target, shape: &Shape, link: LinkId) -> Result<Option<Seen>, Fault> {
    if !target.is_watched {
        return Ok(None);
    }
    let sql = "SELECT address FROM dwmap.link WHERE tab = $1 AND link = CAST($2::text AS uuid) AND gone IS NULL";
    match client.query_opt(sql, &[&target.name, &link.to_string()]).await? {
        Some(row) => by_address(client, target, shape, row.get(0)).await,
        None => Ok(None),
    }
}

/// A create of this link made a row, and somebody deleted it.
pub async fn was_deleted(client: &impl GenericClient, target: &Target, link: LinkId) -> Result<bool, Fault> {
    let sql = "SELECT 1 FROM dwmap.link WHERE tab = $1 AND link = CAST($2::text AS uuid) AND gone IS NOT NULL";
    Ok(target.is_watched && client.query_opt(sql, &[&target.name, &link.to_string()]).await?.is_some())
}

/// The row that the create made, or the one it met: same link, else the same content of a unique key.
pub async fn created(client: &impl GenericClient, target: &Target, shape: &Shape, write: &Write) -> Result<Option<Seen>, Fault> {
    let (link, record) = match write {
        Write::Create { link, record } => (*link, record),
        Write::Update { id, .. } | Write::Delete { id, .. } => return by_address(client, target, shape, &id.0).await,
    };
    if let Some(seen) = by_link(client, target, shape, link).await? {
        return Ok(Some(seen));
    }
    for key in unique_keys(client, &target.table).await? {
        let Some(slots) = key.iter().map(|it| shape.slot(it)).collect::<Option<Vec<Slot>>>() else { continue };
        let values: Vec<Value> = slots.iter().map(|slot| record.get(*slot).clone()).collect();
        if values.iter().all(Value::is_value)
            && let Some(seen) = by_content(client, target, shape, &slots, &values, 1).await?.pop()
        {
            return Ok(Some(seen));
        }
    }
    Ok(None)
}

/// The primary key and all unique indexes over plain columns, the primary key first.
pub async fn unique_keys(client: &impl GenericClient, table: &str) -> Result<Vec<Vec<String>>, Fault> {
    let sql = "SELECT array_agg(a.attname::text ORDER BY k.n) FROM pg_index i
         CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k(number, n)
         JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
         WHERE i.indrelid = to_regclass($1) AND i.indisunique AND i.indpred IS NULL AND i.indexprs IS NULL AND k.n <= i.indnkeyatts
         GROUP BY i.indexrelid, i.indisprimary ORDER BY i.indisprimary DESC, i.indexrelid";
    Ok(client.query(sql, &[&table]).await?.iter().map(|row| row.get(0)).collect())
}
