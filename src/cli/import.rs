//! `dwmap import`

use std::path::{Path, PathBuf};

use super::project::read_text;
use super::{Exit, Result, Stopped};
use crate::change::{Side, Sides};
use crate::import::{self, Imported, Keys, LEFT, Options, RIGHT};
use crate::schema::{Schema, csdl, snapshot};

#[derive(clap::Args)]
pub struct Args {
    /// Saved dual-write maps: JSON, a Web API answer, a solution's customizations.xml, or the zip or cabinet that holds it.
    #[arg(required = true)]
    inputs: Vec<PathBuf>,
    /// The folder that the maps are written into.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Integration keys: JSON from map names to columns, or the configuration of the automation tool.
    #[arg(long, value_name = "FILE")]
    keys: Option<PathBuf>,
    /// `fo=FILE` or `dv=FILE`: a schema, as a snapshot or as `$metadata`. Without it, entities are inferred.
    #[arg(long, value_name = "SYSTEM=FILE")]
    schema: Vec<String>,
    /// Write over files that are there.
    #[arg(long)]
    force: bool,
}

/// What an input may be.
const INPUTS: &str = "saved maps as JSON, a Web API answer, a solution's customizations.xml, or the zip or cabinet that holds it";

/// Largest file that is read.
const INPUT_BYTES_MAX: u64 = 256 * 1024 * 1024;

pub fn run(args: &Args) -> Result {
    let keys = args.keys.as_deref().map(keys).transpose()?.unwrap_or_default();
    let mut schemas: Sides<Option<Schema>> = Sides::new(None, None);
    for given in &args.schema {
        let (side, schema) = schema(given)?;
        schemas[side] = Some(schema);
    }
    let inputs: std::result::Result<Vec<_>, Stopped> = args.inputs.iter().map(|it| input(it)).collect();
    let imported = import::import(&inputs?, &Options { keys, schemas: schemas.clone() });
    for note in &imported.notes {
        eprintln!("{note}");
    }
    if imported.maps == 0 {
        return Err(Stopped::new(Exit::Found, "there is no dual-write map in what was given, so nothing was written"));
    }
    write_all(args, &imported, &schemas)?;
    let errors = imported.notes.iter().filter(|it| it.is_error).count();
    let (maps, warnings) = (imported.maps, imported.notes.len() - errors);
    eprintln!(
        "{maps} maps in {} files, {errors} errors, {warnings} warnings; next: dwmap check {}",
        imported.files.len(),
        args.out.display()
    );
    Ok(if errors > 0 { Exit::Found } else { Exit::Success })
}

fn input(path: &Path) -> std::result::Result<(String, Vec<u8>), Stopped> {
    let unreadable = |error: std::io::Error| Stopped::environment(format!("`{}` cannot be read: {error}", path.display()));
    let found = std::fs::metadata(path).map_err(unreadable)?;
    if found.is_dir() {
        let text = format!("`{}` is a folder\n  = fix: name the files in it: {INPUTS}", path.display());
        return Err(Stopped::usage(text));
    }
    let length = found.len();
    if length > INPUT_BYTES_MAX {
        return Err(Stopped::usage(format!("`{}` has {length} bytes; at most {INPUT_BYTES_MAX} are read", path.display())));
    }
    Ok((path.display().to_string(), std::fs::read(path).map_err(unreadable)?))
}

fn keys(path: &Path) -> std::result::Result<Keys, Stopped> {
    Keys::parse(&read_text(path)?).map_err(|error| Stopped::usage(format!("`{}` is no key list: {error}", path.display())))
}

/// `fo=schemas/fo.json`
fn schema(given: &str) -> std::result::Result<(Side, Schema), Stopped> {
    let (name, file) = given.split_once('=').unwrap_or((given, ""));
    let side = match name {
        LEFT => Side::Left,
        RIGHT => Side::Right,
        _ => return Err(Stopped::usage(format!("--schema wants `{LEFT}=FILE` or `{RIGHT}=FILE`, not `{given}`"))),
    };
    let text = read_text(Path::new(file))?;
    let read = if text.trim_start_matches('\u{feff}').trim_start().starts_with('<') {
        csdl::parse(&text).map_err(|error| error.to_string())
    } else {
        snapshot::parse(&text).map_err(|error| error.to_string())
    };
    read.map(|it| (side, it)).map_err(|error| Stopped::usage(format!("`{file}` is no schema: {error}")))
}

/// Writes the maps and the schemas that they name; nothing is written if a file is in the way.
fn write_all(args: &Args, imported: &Imported, schemas: &Sides<Option<Schema>>) -> std::result::Result<(), Stopped> {
    let mut files: Vec<(PathBuf, String)> = imported.files.iter().map(|it| (args.out.join(&it.name), it.text.clone())).collect();
    for (side, name) in [(Side::Left, LEFT), (Side::Right, RIGHT)] {
        let path = args.out.join(format!("schemas/{name}.json"));
        if let Some(schema) = &schemas[side]
            && !path.is_file()
        {
            files.push((path, snapshot::to_json(schema, name, "given to dwmap import")));
        }
    }
    if let Some((path, _)) = files.iter().find(|(it, _)| it.exists() && !args.force) {
        return Err(Stopped::usage(format!("`{}` is there already; choose another folder, or say --force", path.display())));
    }
    for (path, text) in files {
        let failed = |error: std::io::Error| Stopped::environment(format!("`{}` cannot be written: {error}", path.display()));
        path.parent().map_or(Ok(()), std::fs::create_dir_all).map_err(failed)?;
        std::fs::write(&path, text).map_err(failed)?;
    }
    Ok(())
}
