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
/// The maps as Microsoft publishes them: no part of the demo, there for `use "std/dual-write/NAME"`.
const DUAL_WRITE: &[(&str, &str)] = &[
    ("maps/dual-write/assets.dwmap", include_str!("../../maps/dual-write/assets.dwmap")),
    ("maps/dual-write/attachments.dwmap", include_str!("../../maps/dual-write/attachments.dwmap")),
    ("maps/dual-write/common.dwmap", include_str!("../../maps/dual-write/common.dwmap")),
    ("maps/dual-write/customers.dwmap", include_str!("../../maps/dual-write/customers.dwmap")),
    ("maps/dual-write/finance.dwmap", include_str!("../../maps/dual-write/finance.dwmap")),
    ("maps/dual-write/organization.dwmap", include_str!("../../maps/dual-write/organization.dwmap")),
    ("maps/dual-write/parties.dwmap", include_str!("../../maps/dual-write/parties.dwmap")),
    ("maps/dual-write/products.dwmap", include_str!("../../maps/dual-write/products.dwmap")),
    ("maps/dual-write/purchasing.dwmap", include_str!("../../maps/dual-write/purchasing.dwmap")),
    ("maps/dual-write/sales.dwmap", include_str!("../../maps/dual-write/sales.dwmap")),
    ("maps/dual-write/terms.dwmap", include_str!("../../maps/dual-write/terms.dwmap")),
    ("maps/dual-write/transfers.dwmap", include_str!("../../maps/dual-write/transfers.dwmap")),
    ("maps/dual-write/vendors.dwmap", include_str!("../../maps/dual-write/vendors.dwmap")),
    ("maps/dual-write/warehouses.dwmap", include_str!("../../maps/dual-write/warehouses.dwmap")),
    ("maps/dual-write/workers.dwmap", include_str!("../../maps/dual-write/workers.dwmap")),
];
const FINOPS: &str = include_str!("../../maps/schemas/fo.json");
const DATAVERSE: &str = include_str!("../../maps/schemas/dv.json");
const DUAL_WRITE_FINOPS: &str = include_str!("../../maps/dual-write/schemas/fo.json");
const DUAL_WRITE_DATAVERSE: &str = include_str!("../../maps/dual-write/schemas/dv.json");

struct Included;

impl Schemas for Included {
    fn load(&self, _: FileId, path: &str) -> Result<Arc<Schema>, SchemaProblem> {
        snapshot_of(path)
    }
}

/// The schema that a standard map names; the path is as `std/` has it.
pub fn snapshot_of(path: &str) -> Result<Arc<Schema>, SchemaProblem> {
    match path {
        "schemas/fo.json" => Ok(Arc::new(schema(Dialect::Finops))),
        "schemas/dv.json" => Ok(Arc::new(schema(Dialect::Dataverse))),
        "dual-write/schemas/fo.json" => Ok(Arc::new(included(DUAL_WRITE_FINOPS))),
        "dual-write/schemas/dv.json" => Ok(Arc::new(included(DUAL_WRITE_DATAVERSE))),
        other => Err(SchemaProblem::Missing(other.to_owned())),
    }
}

/// The standard map that `use "std/NAME"` means.
pub fn text(name: &str) -> Option<&'static str> {
    let plain = name.strip_prefix(STANDARD)?;
    MAPS.iter().chain(DUAL_WRITE).find(|(path, _)| path.strip_prefix("maps/") == Some(plain)).map(|(_, text)| *text)
}

/// The schema that the standard maps are checked against.
pub fn schema(dialect: Dialect) -> Schema {
    let text = match dialect {
        Dialect::Finops => FINOPS,
        Dialect::Dataverse => DATAVERSE,
    };
    included(text)
}

fn included(text: &str) -> Schema {
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
