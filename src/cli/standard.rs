//! The standard maps and schemas that stand in the program itself, for the demo and the sandbox.

use std::sync::Arc;

use crate::check::uses::STANDARD;
use crate::check::{self, SchemaProblem, Schemas};
use crate::diag::Diagnostics;
use crate::ir::Program;
use crate::sandbox::Dialect;
use crate::schema::{Schema, snapshot};
use crate::source::{FileId, Sources};
use crate::syntax;

const MAPS: &[(&str, &str)] = &[
    ("maps/organization.dwmap", include_str!("../../maps/organization.dwmap")),
    ("maps/customers.dwmap", include_str!("../../maps/customers.dwmap")),
];
const FINOPS: &str = include_str!("../../maps/schemas/fo.json");
const DATAVERSE: &str = include_str!("../../maps/schemas/dv.json");

struct Included;

impl Schemas for Included {
    fn load(&self, _: FileId, path: &str) -> Result<Arc<Schema>, SchemaProblem> {
        snapshot_of(path)
    }
}

/// The schema that a standard map names.
pub fn snapshot_of(path: &str) -> Result<Arc<Schema>, SchemaProblem> {
    match path {
        "schemas/fo.json" => Ok(Arc::new(schema(Dialect::Finops))),
        "schemas/dv.json" => Ok(Arc::new(schema(Dialect::Dataverse))),
        other => Err(SchemaProblem::Missing(other.to_owned())),
    }
}

/// The standard map that `use "std/NAME"` means.
pub fn text(name: &str) -> Option<&'static str> {
    let plain = name.strip_prefix(STANDARD)?;
    MAPS.iter().find(|(path, _)| path.strip_prefix("maps/") == Some(plain)).map(|(_, text)| *text)
}

/// The schema that the standard maps are checked against.
pub fn schema(dialect: Dialect) -> Schema {
    let text = match dialect {
        Dialect::Finops => FINOPS,
        Dialect::Dataverse => DATAVERSE,
    };
    snapshot::parse(text).expect("the snapshot stands in the program and a test reads it")
}

/// The standard maps, compiled now: what runs is what the text says.
pub fn program() -> Program {
    let (mut sources, mut diags) = (Sources::default(), Diagnostics::default());
    let parse = |&(name, text): &(&str, &str)| {
        let id = sources.add(name, text).expect("the text stands in the program and is short");
        syntax::parse(&sources, id, &mut diags)
    };
    let files: Vec<_> = MAPS.iter().map(parse).collect();
    let checked = check::check(&files, &sources, &Included, &mut diags);
    assert!(!diags.has_errors(), "the standard maps are checked by a test");
    checked.program
}
