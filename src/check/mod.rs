//! Where text meets meaning: names, kinds and laws are checked, and correct maps become plans.
//!
//! No stage fails or stops the next one. What is already wrong is not reported again: a rule with a wrong name is left out,
//! and a map that lost a rule is not asked for what may have been in it.

mod build;
pub mod built;
mod expr;
mod fit;
mod graph;
mod inline;
mod laws;
mod lens;
mod lookup;
mod names;
mod policy;
mod rule;
mod scope;
mod table;
mod tests;

use std::sync::Arc;

use crate::diag::Diagnostics;
use crate::ir::{self, FORMAT, Program};
use crate::schema::Schema;
use crate::source::{FileId, Sources};
use crate::syntax::ast;

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

/// The compiled maps that have no error, and the tests of those maps.
pub struct Checked {
    pub program: Program,
    pub tests: Vec<ir::Test>,
}

/// Checks all files of a project together.
pub fn check(files: &[ast::File], sources: &Sources, schemas: &dyn Schemas, diags: &mut Diagnostics) -> Checked {
    let world = names::collect(files, sources, schemas, diags);
    let mut built = build::plans(&world, sources, diags);
    for it in &mut built {
        laws::check(&world, it, sources, diags);
    }
    policy::check(&world, &mut built, sources, diags);
    graph::defer(&world, &mut built, diags);
    built.retain(|it| !it.is_wrong);
    let tests = tests::lower(&world, sources, &mut built, diags);
    let plans: Vec<ir::Plan> = built.into_iter().map(|it| it.plan).collect();
    let order = graph::order(&plans);
    let systems = world.systems.values().map(|it| ir::System { name: it.name.clone(), profile: it.profile.clone() }).collect();
    let mut program = Program { format: FORMAT, hash: String::new(), systems, plans, order };
    program.seal();
    Checked { program, tests }
}
