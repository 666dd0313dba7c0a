//! Reading rows: by address, by content, and page by page in key order.

use rusqlite::types::Value as Cell;
use rusqlite::{Connection, Params, Row, params_from_iter};

use super::Fault;
use super::cells::{decode, encode, unreadable};
use super::install::Target;
use crate::change::{Failure, LinkId, RemoteId, Seen, Version, Write};
use crate::connect::sql::{literal, quoted};
use crate::schema::Shape;
use crate::value::{Record, Slot, Uuid, Value};

/// `SELECT` of rows as one map sees them; `rest` begins with `WHERE` or `ORDER BY`.
fn select(target: &Target, shape: &Shape, rest: &str) -> String {
    let columns: String = shape.fields.iter().map(|it| format!(", t.{}", quoted(&it.name))).collect();
    let (address, tab, table) = (target.address("t"), literal(&target.table), quoted(&target.table));
    format!(
        "SELECT {address}, coalesce(v.seq, (SELECT since FROM _dwmap_table WHERE tab = {tab})), l.link{columns} FROM {table} AS t \
         LEFT JOIN _dwmap_version AS v ON v.tab = {tab} AND v.row = {address} \
         LEFT JOIN _dwmap_link AS l ON l.tab = {tab} AND l.row = {address} {rest}"
    )
}

fn read(db: &Connection, target: &Target, shape: &Shape, rest: &str, params: impl Params) -> Result<Vec<Seen>, Fault> {
    let mut select = db.prepare_cached(&select(target, shape, rest))?;
    let mut rows = select.query(params)?;
    let mut out = Vec::new();
    while let Some(row) = rows.next()? {
        out.push(seen(target, shape, row)?);
    }
    Ok(out)
}

fn seen(target: &Target, shape: &Shape, row: &Row<'_>) -> Result<Seen, Fault> {
    let address: String = row.get(0)?;
    let (mut values, mut problem) = (Vec::with_capacity(shape.fields.len()), None);
    for (field, column) in shape.fields.iter().zip(3..) {
        values.push(decode(&field.kind, row.get_ref(column)?).unwrap_or_else(|why| {
            problem.get_or_insert(unreadable(&target.table, &field.name, &address, &why).message);
            Value::Absent
        }));
    }
    let record = Record::from_values(values);
    let modified = match shape.modified.map(|slot| record.get(slot)) {
        Some(Value::DateTime(at)) => Some(*at),
        Some(_) | None => None,
    };
    let link: Option<String> = row.get(2)?;
    Ok(Seen {
        id: RemoteId(address),
        version: Version(row.get::<_, i64>(1)?.to_string()),
        record,
        modified,
        correlation: link.and_then(|it| Uuid::parse_str(&it).ok()).map(LinkId),
        problem,
    })
}

/// The cells of an address; `None`: no address of ours.
pub fn cells(target: &Target, address: &str) -> Option<Vec<Cell>> {
    let parts: Vec<serde_json::Value> = serde_json::from_str(address).ok()?;
    let cell = |part: &serde_json::Value| match part {
        serde_json::Value::String(text) => Some(Cell::Text(text.clone())),
        serde_json::Value::Number(number) => number.as_i64().map(Cell::Integer).or_else(|| number.as_f64().map(Cell::Real)),
        serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::Array(_) | serde_json::Value::Object(_) => None,
    };
    let cells = parts.iter().map(cell).collect::<Option<Vec<_>>>()?;
    (cells.len() == target.key.len()).then_some(cells)
}

/// `"a" = ?1 AND "b" = ?2` over the address.
pub fn addressed(target: &Target) -> String {
    let parts: Vec<String> = (1..).zip(&target.key).map(|(number, name)| format!("{} = ?{number}", quoted(name))).collect();
    parts.join(" AND ")
}

pub fn by_address(db: &Connection, target: &Target, shape: &Shape, address: &str) -> Result<Option<Seen>, Fault> {
    let Some(cells) = cells(target, address) else { return Ok(None) };
    let parts: Vec<String> = (1..).zip(&target.key).map(|(number, name)| format!("t.{} = ?{number}", quoted(name))).collect();
    let rest = format!("WHERE {}", parts.join(" AND "));
    Ok(read(db, target, shape, &rest, params_from_iter(cells))?.pop())
}

/// Rows whose columns equal these values, null like null.
pub fn by_content(
    db: &Connection,
    target: &Target,
    shape: &Shape,
    slots: &[Slot],
    values: &[Value],
    limit: usize,
) -> Result<Vec<Seen>, Fault> {
    let Some(mut cells) = values.iter().map(encode).collect::<Option<Vec<_>>>() else { return Ok(Vec::new()) };
    let part = |(number, slot): (usize, &Slot)| format!("t.{} IS ?{number}", quoted(&shape.field(*slot).name));
    let conditions: Vec<String> = (1..).zip(slots).map(part).collect();
    let rest = format!("WHERE {} ORDER BY {} LIMIT ?{}", conditions.join(" AND "), order(target), cells.len() + 1);
    cells.push(Cell::Integer(i64::try_from(limit).unwrap_or(i64::MAX)));
    read(db, target, shape, &rest, params_from_iter(cells))
}

fn order(target: &Target) -> String {
    target.key.iter().map(|it| format!("t.{}", quoted(it))).collect::<Vec<_>>().join(", ")
}

/// The rows after this address in key order. Rows whose key is null have no address and are not read.
pub fn after(db: &Connection, target: &Target, shape: &Shape, address: Option<&str>, limit: usize) -> Result<Vec<Seen>, Fault> {
    let mut conditions: Vec<String> = target.key.iter().map(|it| format!("t.{} IS NOT NULL", quoted(it))).collect();
    let mut params = Vec::new();
    if let Some(address) = address {
        params = cells(target, address).ok_or_else(super::expired)?;
        let places: Vec<String> = (1..=params.len()).map(|it| format!("?{it}")).collect();
        conditions.push(format!("({}) > ({})", order(target), places.join(", ")));
    }
    let rest = format!(
        "WHERE {} ORDER BY {} LIMIT {}",
        conditions.join(" AND "),
        order(target),
        i64::try_from(limit).unwrap_or(i64::MAX)
    );
    read(db, target, shape, &rest, params_from_iter(params))
}

/// The row that a create of this link made.
pub fn by_link(db: &Connection, target: &Target, shape: &Shape, link: LinkId) -> Result<Option<Seen>, Fault> {
    let mut select = db.prepare_cached("SELECT row FROM _dwmap_link WHERE tab = ?1 AND link = ?2 AND row NOT GLOB 'gone:*'")?;
    let mut rows = select.query([&target.table, &link.to_string()])?;
    while let Some(row) = rows.next()? {
        if let Some(seen) = by_address(db, target, shape, &row.get::<_, String>(0)?)? {
            return Ok(Some(seen));
        }
    }
    Ok(None)
}

/// The row that the create made, or the one it met: same link, else the same content of a unique key.
pub fn created(db: &Connection, target: &Target, shape: &Shape, write: &Write) -> Result<Option<Seen>, Fault> {
    let Write::Create { link, record } = write else { return Ok(None) };
    if let Some(seen) = by_link(db, target, shape, *link)? {
        return Ok(Some(seen));
    }
    for key in unique_keys(db, target)? {
        let Some(slots) = key.iter().map(|it| shape.slot(it)).collect::<Option<Vec<Slot>>>() else { continue };
        let values: Vec<Value> = slots.iter().map(|slot| record.get(*slot).clone()).collect();
        if values.iter().all(Value::is_value)
            && let Some(seen) = by_content(db, target, shape, &slots, &values, 1)?.pop()
        {
            return Ok(Some(seen));
        }
    }
    Ok(None)
}

/// The primary key and all unique indexes over plain columns.
pub fn unique_keys(db: &Connection, target: &Target) -> Result<Vec<Vec<String>>, Fault> {
    let names: Vec<String> = db
        .prepare_cached("SELECT name FROM pragma_index_list(?1) WHERE \"unique\" = 1 AND partial = 0 ORDER BY seq")?
        .query_map([&target.table], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let mut out = vec![target.key.clone()];
    for name in names {
        let columns: Vec<Option<String>> = db
            .prepare_cached("SELECT name FROM pragma_index_info(?1) ORDER BY seqno")?
            .query_map([&name], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        let columns: Option<Vec<String>> = columns.into_iter().collect();
        out.extend(columns.filter(|it| *it != target.key));
    }
    Ok(out)
}

impl From<Failure> for Fault {
    fn from(failure: Failure) -> Self {
        Self::Said(failure)
    }
}
