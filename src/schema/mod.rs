//! Schemas: which entities and fields a system has, and how its store treats what is written to it.

pub mod csdl;
pub mod drift;
pub mod kinds;
pub mod lock;
pub mod profile;
pub mod snapshot;

use std::sync::Arc;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::value::{EnumType, Kind, Slot};

pub use profile::Profile;

/// What a system offers, by entity name. Read from a snapshot, from CSDL, or from `entity` items.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Schema {
    pub entities: IndexMap<String, Entity>,
    /// Named member sets that several fields share.
    pub enums: IndexMap<String, Arc<EnumType>>,
}

/// A table, data entity or entity set.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Entity {
    pub name: String,
    /// The name that stands in a URL, where it differs (`accounts` for `account`).
    pub set: Option<String>,
    pub doc: Option<String>,
    pub fields: IndexMap<String, Field>,
    /// The primary key: what addresses one row.
    pub key: Vec<String>,
    /// Further unique combinations (alternate keys).
    pub unique: Vec<Vec<String>>,
    /// The field that holds the legal entity; part of every key.
    pub partition: Option<String>,
}

/// A column or property.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    pub name: String,
    pub kind: Kind,
    pub nullable: bool,
    /// No null and no blank on create.
    pub required: bool,
    pub readonly: bool,
    /// The store's own time of last change; what `newest` compares.
    pub modified: bool,
    /// What the values mean beyond their kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meaning: Option<Meaning>,
    pub doc: Option<String>,
}

/// What the values of a field mean beyond its kind, where its system says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Meaning {
    /// An amount in the row's own currency.
    Money,
    /// Date and time of a clock on some wall: no instant, though it is written as one in UTC. It is never converted.
    WallClock,
}

impl std::fmt::Display for Meaning {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Self::Money => "money",
            Self::WallClock => "a wall clock",
        })
    }
}

impl Entity {
    /// The field that `newest` compares, if there is one.
    pub fn modified(&self) -> Option<&Field> {
        self.fields.values().find(|it| it.modified)
    }

    /// All unique combinations, the primary key first.
    pub fn keys(&self) -> impl Iterator<Item = &[String]> {
        std::iter::once(&self.key).chain(&self.unique).filter(|it| !it.is_empty()).map(Vec::as_slice)
    }
}

/// The part of an entity that one map uses: fields by slot, as connectors read and write them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    pub entity: String,
    /// The table or entity set to address.
    pub set: String,
    pub fields: Vec<ShapeField>,
    /// Slots of the primary key, in order.
    pub key: Vec<Slot>,
    /// The slot of the store's modification time, where there is one.
    pub modified: Option<Slot>,
}

/// One slot of a [`Shape`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShapeField {
    pub name: String,
    pub kind: Kind,
    pub nullable: bool,
    pub readonly: bool,
    /// For a lookup: the entity sets of its targets, in the order of the kind's targets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lookup_sets: Vec<String>,
}

impl Shape {
    pub fn slot(&self, name: &str) -> Option<Slot> {
        self.fields.iter().position(|it| it.name == name).map(|it| Slot(it as u16))
    }

    pub fn field(&self, slot: Slot) -> &ShapeField {
        &self.fields[slot.0 as usize]
    }
}
