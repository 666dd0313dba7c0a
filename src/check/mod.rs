//! Where text meets meaning: names, kinds and laws are checked, and correct maps become plans.
//!
//! No stage fails or stops the next one. What is already wrong is not reported again: a rule with a wrong name is left out,
//! and a map that lost a rule is not asked for what may have been in it.

pub mod built;
pub mod graph;
pub mod laws;
pub mod names;
pub mod policy;

use std::sync::Arc;

use crate::schema::Schema;
use crate::source::FileId;

/// Why a schema that a map names is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SchemaProblem {
    Missing(String),
    Unreadable(String),
    LockMismatch { locked: String, found: String },
}

/// Reads schema files; the caller does the IO.
pub trait Schemas {
    fn load(&self, from: FileId, path: &str) -> Result<Arc<Schema>, SchemaProblem>;
}

/// For texts whose entities all stand in the text itself.
pub struct NoSchemas;

impl Schemas for NoSchemas {
    fn load(&self, _: FileId, path: &str) -> Result<Arc<Schema>, SchemaProblem> {
        Err(SchemaProblem::Missing(path.to_owned()))
    }
}
