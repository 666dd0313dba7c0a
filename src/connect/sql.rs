//! What the connectors of SQL databases share.

use uuid::Uuid;

use crate::change::LinkId;
use crate::schema::Shape;
use crate::value::{Kind, Record, Value};

/// A name inside SQL.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text inside SQL, where a backslash means nothing.
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A GUID key that nobody gave is made from the link, so that a repeated create makes the same one.
pub fn with_own_key(shape: &Shape, link: LinkId, record: &Record) -> Record {
    let mut record = record.clone();
    for slot in &shape.key {
        if shape.field(*slot).kind == Kind::Guid && !record.get(*slot).is_value() {
            record.set(*slot, Value::Guid(Uuid::new_v5(&link.0, shape.entity.as_bytes())));
        }
    }
    record
}
