//! How records, values, ids and instants are written into columns.
//!
//! An image is a JSON array that a person can read with any SQLite tool. The frequent values have the short forms of
//! JSON (`null`, `true`, `"text"`); an absent field is `[]`; the others carry their tag, as in `{"dec":"1.50"}`.

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeSeq, Serializer};

use crate::change::{LinkId, Side};
use crate::engine::link::OpId;
use crate::value::{Record, Timestamp, Uuid, Value};

struct Short<'a>(&'a Value);

impl Serialize for Short<'_> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Absent => out.serialize_seq(Some(0))?.end(),
            Value::Null => out.serialize_unit(),
            Value::Bool(it) => out.serialize_bool(*it),
            Value::Text(it) => out.serialize_str(it),
            Value::Int(_)
            | Value::Decimal(_)
            | Value::Float(_)
            | Value::Guid(_)
            | Value::Date(_)
            | Value::Time(_)
            | Value::DateTime(_)
            | Value::Set(_)
            | Value::Binary(_)
            | Value::Tuple(_) => self.0.serialize(out),
        }
    }
}

struct Long(Value);

impl<'de> Deserialize<'de> for Long {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        input.deserialize_any(ShortForms).map(Self)
    }
}

struct ShortForms;

impl<'de> Visitor<'de> for ShortForms {
    type Value = Value;

    fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("a value of a record image")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, it: bool) -> Result<Value, E> {
        Ok(Value::Bool(it))
    }

    fn visit_str<E>(self, it: &str) -> Result<Value, E> {
        Ok(Value::text(it))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        match items.next_element::<IgnoredAny>()? {
            None => Ok(Value::Absent),
            Some(_) => Err(serde::de::Error::custom("a list stands for an absent field and has no items")),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Value, A::Error> {
        Value::deserialize(MapAccessDeserializer::new(map))
    }
}

/// The text of a record.
pub fn write_record(record: &Record) -> String {
    let items: Vec<Short<'_>> = record.values().iter().map(Short).collect();
    serde_json::to_string(&items).expect("a value has no map with keys that JSON cannot hold")
}

pub fn read_record(text: &str) -> Result<Record, serde_json::Error> {
    let items: Vec<Long> = serde_json::from_str(text)?;
    Ok(Record::from_values(items.into_iter().map(|it| it.0).collect()))
}

/// The text of one value. Equal values have equal texts, so that keys can be looked up by it.
pub fn write_value(value: &Value) -> String {
    serde_json::to_string(&Short(value)).expect("a value has no map with keys that JSON cannot hold")
}

pub fn read_value(text: &str) -> Result<Value, serde_json::Error> {
    serde_json::from_str::<Long>(text).map(|it| it.0)
}

/// 16 bytes in a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bytes(pub Uuid);

impl From<LinkId> for Bytes {
    fn from(id: LinkId) -> Self {
        Self(id.0)
    }
}

impl From<OpId> for Bytes {
    fn from(id: OpId) -> Self {
        Self(id.0)
    }
}

impl ToSql for Bytes {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Blob(self.0.as_bytes())))
    }
}

impl FromSql for Bytes {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Uuid::from_slice(value.as_blob()?).map(Self).map_err(|error| FromSqlError::Other(Box::new(error)))
    }
}

/// Nanoseconds since 1970. Instants past the year 2262 are held as that year: no clock of ours shows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nanos(pub Timestamp);

impl ToSql for Nanos {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let nanos = self.0.as_nanosecond();
        let bounded = i64::try_from(nanos).unwrap_or(if nanos < 0 { i64::MIN } else { i64::MAX });
        Ok(ToSqlOutput::from(bounded))
    }
}

impl FromSql for Nanos {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let at = Timestamp::from_nanosecond(i128::from(value.as_i64()?));
        at.map(Self).map_err(|error| FromSqlError::Other(Box::new(error)))
    }
}

/// A side in a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SideNumber(pub Side);

impl ToSql for SideNumber {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(self.0.index() as i64))
    }
}

impl FromSql for SideNumber {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        match value.as_i64()? {
            0 => Ok(Self(Side::Left)),
            1 => Ok(Self(Side::Right)),
            other => Err(FromSqlError::OutOfRange(other)),
        }
    }
}
