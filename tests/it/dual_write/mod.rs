//! The road from dual-write and back, over all standard maps and over what is odd.

mod engine;
mod export;
mod facts;
mod import;
mod layer;
mod odd;
mod over_http;

use std::io::Write;
use std::path::{Path, PathBuf};

use dwmap::change::{Side, Sides};
use dwmap::check::{self, Checked, SchemaProblem, Schemas};
use dwmap::diag::{Diagnostics, Severity};
use dwmap::import::{File, Imported, Keys, Options};
use dwmap::schema::{Schema, snapshot};
use dwmap::source::{FileId, Sources};
use dwmap::syntax::{self, ast};

/// The folder of the imported standard maps.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("maps/dual-write")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn schema(name: &str) -> Schema {
    snapshot::parse(&read(&folder().join(format!("schemas/{name}.json")))).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// With the schemas and keys that the standard maps were imported with.
fn options() -> Options {
    Options { keys: keys(), schemas: Sides::new(Some(schema("fo")), Some(schema("dv"))) }
}

fn keys() -> Keys {
    Keys::parse(&facts::keys().to_string()).expect("the key list is one")
}

struct Snapshots;

impl Schemas for Snapshots {
    fn load(&self, _: FileId, path: &str) -> Result<std::sync::Arc<Schema>, SchemaProblem> {
        let name = path.trim_start_matches("schemas/").trim_end_matches(".json");
        Ok(std::sync::Arc::new(schema(name)))
    }
}

/// Parses and checks files together; returns the trees, what was made of them, and every error and warning.
fn check(files: &[File]) -> (Vec<ast::File>, Checked, Vec<String>) {
    let (mut sources, mut diags) = (Sources::default(), Diagnostics::default());
    let parse = |it: &File| {
        let id = sources.add(it.name.clone(), it.text.clone()).expect("the text is short");
        syntax::parse(&sources, id, &mut diags)
    };
    let trees: Vec<ast::File> = files.iter().map(parse).collect();
    let checked = check::check(&trees, &sources, &Snapshots, &mut diags);
    let found = diags.sorted().into_iter().filter(|it| it.severity != Severity::Hint);
    let messages = found.map(|it| format!("{}: {}: {}", sources.file(it.primary().file).name, it.code, it.message)).collect();
    (trees, checked, messages)
}

/// The errors among the notes of an import.
fn errors(imported: &Imported) -> Vec<String> {
    imported.notes.iter().filter(|it| it.is_error).map(ToString::to_string).collect()
}

/// What stands in a mapping of dual-write on one side.
fn end(side: Side) -> &'static str {
    if side == Side::Left { "sourceField" } else { "destinationField" }
}

fn zip(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        writer.start_file(*name, zip::write::SimpleFileOptions::default()).expect("memory is there");
        writer.write_all(bytes).expect("memory is there");
    }
    writer.finish().expect("memory is there").into_inner()
}
