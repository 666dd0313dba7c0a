//! Where text meets meaning: names, kinds and laws are checked, and correct maps become plans.
//!
//! No stage fails or stops the next one. What is already wrong is not reported again: a rule with a wrong name is left out,
//! and a map that lost a rule is not asked for what may have been in it.

mod build;
pub mod built;
mod circles;
mod expr;
mod fit;
mod functions;
mod graph;
mod guard;
mod inline;
mod label;
mod laws;
mod layers;
mod lens;
mod lookup;
mod memory;
mod missing;
mod names;
mod once;
mod params;
mod paths;
mod policy;
pub mod premise;
mod rule;
mod scope;
mod session;
mod table;
mod tests;
pub mod texts;
mod usage;
pub mod uses;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::crew;
use crate::diag::Diagnostics;
use crate::ir::{self, FORMAT, Program};
use crate::schema::Schema;
use crate::source::{FileId, Sources, Span};
use crate::syntax::ast;
use crate::value::Value;
use memory::{Judged, Memory};
use uses::Project;

pub use session::Session;

/// Maps whose texts are gathered by one hand before it takes others.
const MAPS_AT_A_TIME: usize = 8;

/// Why a schema that a map names is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SchemaProblem {
    Missing(String),
    Unreadable(String),
    LockMismatch {
        locked: String,
        found: String,
    },
    /// The lock names other snapshots, and not this one, which stands at this path.
    NotLocked(String),
}

/// Reads what maps name; the caller does the IO.
pub trait Schemas {
    fn load(&self, from: FileId, path: &str) -> Result<Arc<Schema>, SchemaProblem>;

    /// The text of a file that a `use` names. The name is of the kind that the project's files have in [`Sources`];
    /// `std/NAME.dwmap` are the standard maps. The error says why there is none.
    fn used(&self, _name: &str) -> Result<String, String> {
        Err("no files are read here".to_owned())
    }
}

/// What a run brings besides the texts.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// Values of parameters, by name.
    pub params: BTreeMap<String, Setting>,
    /// Where they are set, if that is in a text.
    pub places: BTreeMap<String, Span>,
    /// The base rules that overrides were written against, by `Map.label`; from the lock.
    pub overrides: BTreeMap<String, String>,
    /// How sure every law of every rule must be.
    pub required: Option<ir::Strength>,
    /// All of them, but in a test of the checker.
    pub premises: premise::Premises,
}

/// The value of a parameter, before it is given the parameter's type.
#[derive(Clone, Debug, PartialEq)]
pub enum Setting {
    One(Value),
    Several(Vec<Value>),
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
    /// What could be made of maps that have errors: for people to look at, never to run.
    pub wrong: Vec<ir::Plan>,
    pub tests: Vec<ir::Test>,
    /// The base rules that overrides replace now, by `Map.label`: what the lock keeps.
    pub overrides: BTreeMap<String, String>,
    /// What was written of each plan, in the order of the plans.
    pub texts: Vec<texts::MapText>,
    /// What each system offers, by its name in the maps.
    pub schemas: BTreeMap<String, Schema>,
}

/// Checks all files of a project together; a `use` can only name one of them.
pub fn check(files: &[ast::File], sources: &Sources, schemas: &dyn Schemas, diags: &mut Diagnostics) -> Checked {
    let project = uses::among(files, sources, diags);
    check_project(&project, &Given::default(), sources, schemas, diags)
}

/// Checks a project with the files that it uses, see [`uses::load`].
pub fn check_project(
    project: &Project,
    given: &Given,
    sources: &Sources,
    schemas: &dyn Schemas,
    diags: &mut Diagnostics,
) -> Checked {
    Memory::default().judge(project, given, sources, schemas, diags, |it| program(project, sources, it))
}

/// Checks a project of which nothing is wanted but what is said of it.
pub fn look(project: &Project, given: &Given, sources: &Sources, schemas: &dyn Schemas, diags: &mut Diagnostics) {
    Memory::default().judge(project, given, sources, schemas, diags, |_| ());
}

fn program(project: &Project, sources: &Sources, judged: Judged<'_>) -> Checked {
    let Judged { world, layered, built, wrong, tests } = judged;
    let wrong = wrong.into_iter().map(|it| Arc::unwrap_or_clone(it.plan)).collect();
    let texts = crew::each(&built, MAPS_AT_A_TIME, |it| texts::of(project, sources, it));
    let plans: Vec<ir::Plan> = built.into_iter().map(|it| Arc::unwrap_or_clone(it.plan)).collect();
    let order = graph::order(&plans);
    let systems = world.systems.values().map(|it| ir::System { name: it.name.clone(), profile: it.profile.clone() }).collect();
    let mut program = Program { format: FORMAT, hash: String::new(), systems, plans, order };
    program.seal();
    let overrides = layered.iter().filter(|it| it.is_active).flat_map(layers::Layered::locked).collect();
    let schemas = world.systems.iter().map(|(name, it)| (name.clone(), it.schema.clone())).collect();
    Checked { program, wrong, tests, overrides, schemas, texts }
}
