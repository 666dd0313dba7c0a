//! `dwmap schema`

use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::project::{Project, read_text, shown};
use super::{Exit, Result, Stopped, output};
use crate::connect::sqlite;
use crate::schema::lock::{self, Lock};
use crate::schema::{Schema, csdl, snapshot};

#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Write the content hashes of these snapshots into dwmap.lock, beside which they stand.
    Lock {
        #[arg(required = true)]
        snapshots: Vec<PathBuf>,
    },
    /// Write the base rules that layers override into dwmap.lock, as they are now.
    LockOverrides {
        /// Map files, or folders that hold some. Default: this folder.
        paths: Vec<PathBuf>,
    },
    /// Make a snapshot from an OData `$metadata` file (XML) or a SQLite database.
    Read {
        /// A `$metadata` file that was downloaded, or a SQLite database.
        from: PathBuf,
        /// The name that maps give the system; it is only written down.
        #[arg(long, default_value = "")]
        system: String,
        /// Where the snapshot goes; without it, to standard output.
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
}

pub fn run(args: &Args) -> Result {
    match &args.verb {
        Verb::Lock { snapshots } => lock_all(snapshots),
        Verb::LockOverrides { paths } => lock_overrides(paths),
        Verb::Read { from, system, output } => read(from, system, output.as_deref()),
    }
}

fn lock_all(snapshots: &[PathBuf]) -> Result {
    let path = PathBuf::from(lock::FILE_NAME);
    let mut all = if path.is_file() { Lock::parse(&read_text(&path)?).map_err(Stopped::usage)? } else { Lock::default() };
    for file in snapshots {
        let text = read_text(file)?;
        snapshot::parse(&text).map_err(|error| Stopped::usage(format!("`{}` is no snapshot: {error}", file.display())))?;
        all.set(&file.strip_prefix(".").unwrap_or(file).display().to_string(), &text);
    }
    write(&path, &all.format())?;
    eprintln!("{} holds {} snapshots", path.display(), all.schemas.len());
    Ok(Exit::Success)
}

fn lock_overrides(paths: &[PathBuf]) -> Result {
    let project = Project::find(paths)?;
    let compiled = project.compile()?;
    if compiled.has_errors {
        return Err(Stopped::new(Exit::Found, "the maps have errors, see `dwmap check`; nothing was locked"));
    }
    let path = project.root.join(lock::FILE_NAME);
    let mut all = if path.is_file() { Lock::parse(&read_text(&path)?).map_err(Stopped::usage)? } else { Lock::default() };
    all.overrides = compiled.checked.overrides;
    write(&path, &all.format())?;
    let rules = if all.overrides.len() == 1 { "base rule" } else { "base rules" };
    eprintln!("{} holds {} {rules}", shown(&path), all.overrides.len());
    Ok(Exit::Success)
}

fn read(from: &Path, system: &str, to: Option<&Path>) -> Result {
    let text = snapshot::to_json(&schema_of(from)?, system, &from.display().to_string());
    match to {
        None => output::print_line(text.trim_end()),
        Some(path) => write(path, &text)?,
    }
    Ok(Exit::Success)
}

fn schema_of(from: &Path) -> std::result::Result<Schema, Stopped> {
    let head =
        std::fs::read(from).map_err(|error| Stopped::environment(format!("`{}` cannot be read: {error}", from.display())))?;
    if head.starts_with(b"SQLite format 3\0") {
        return sqlite::discover(from).map_err(Stopped::environment);
    }
    let text = String::from_utf8(head).map_err(|_| Stopped::usage(format!("`{}` is neither XML nor SQLite", from.display())))?;
    csdl::parse(&text).map_err(|error| Stopped::usage(format!("`{}`: {error}", from.display())))
}

fn write(path: &Path, text: &str) -> std::result::Result<(), Stopped> {
    std::fs::write(path, text).map_err(|error| Stopped::environment(format!("`{}` cannot be written: {error}", path.display())))
}
