//! `dwmap.lock`: the content hash of every schema snapshot, and the base rule behind every override of a layer, so that what
//! changed is seen and reviewed.
//!
//! A base rule is kept as text, not as hash: it is short, two texts are as easily compared, and the old one can be shown.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::snapshot;

/// The file's name, beside `dwmap.toml`.
pub const FILE_NAME: &str = "dwmap.lock";

/// The version of the file's form.
pub const FORMAT: u32 = 1;

/// Hash by the path that the map file names, in order of path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lock {
    pub schemas: BTreeMap<String, String>,
    /// The base rule that an override was written against, by `Map.label`.
    pub overrides: BTreeMap<String, String>,
}

/// Why a lock was not read, or what does not agree with it. Each says the way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LockError {
    Unreadable {
        reason: String,
    },
    Format {
        found: u32,
    },
    /// The snapshot is not in the lock.
    Missing {
        path: String,
    },
    Changed {
        path: String,
        locked: String,
        found: String,
    },
}

impl std::fmt::Display for LockError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unreadable { reason } => write!(out, "{FILE_NAME} cannot be read: {reason}"),
            Self::Format { found } => {
                write!(out, "{FILE_NAME} has format {found}, this dwmap reads format {FORMAT}; make it again")
            }
            Self::Missing { path } => write!(out, "`{path}` is not in {FILE_NAME}; review the snapshot, then lock it"),
            Self::Changed { path, locked, found } => {
                write!(
                    out,
                    "`{path}` changed since it was locked: {FILE_NAME} holds {locked}, the file is {found}; review the difference, then lock it again"
                )
            }
        }
    }
}

impl std::error::Error for LockError {}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    format_version: u32,
    #[serde(default)]
    schemas: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    overrides: BTreeMap<String, String>,
}

impl Lock {
    pub fn parse(text: &str) -> Result<Self, LockError> {
        let document: Document = toml::from_str(text).map_err(|error| LockError::Unreadable { reason: error.to_string() })?;
        if document.format_version != FORMAT {
            return Err(LockError::Format { found: document.format_version });
        }
        Ok(Self { schemas: document.schemas, overrides: document.overrides })
    }

    /// Takes a snapshot's text as it is now.
    pub fn set(&mut self, path: &str, text: &str) {
        self.schemas.insert(path.to_owned(), snapshot::hash(text));
    }

    pub fn verify(&self, path: &str, text: &str) -> Result<(), LockError> {
        let found = snapshot::hash(text);
        match self.schemas.get(path) {
            None => Err(LockError::Missing { path: path.to_owned() }),
            Some(locked) if *locked == found => Ok(()),
            Some(locked) => Err(LockError::Changed { path: path.to_owned(), locked: locked.clone(), found }),
        }
    }

    /// The same lock is the same text.
    pub fn format(&self) -> String {
        let document = Document { format_version: FORMAT, schemas: self.schemas.clone(), overrides: self.overrides.clone() };
        let body = toml::to_string(&document).expect("a lock holds only texts and one number");
        format!("# Content hashes of the schema snapshots. Written by dwmap; review the snapshots, not this file.\n{body}")
    }
}
