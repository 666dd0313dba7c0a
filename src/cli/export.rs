//! `dwmap export`

use std::path::PathBuf;

use clap::ValueEnum;

use super::output::Color;
use super::project::Project;
use super::{Exit, Result, Stopped};
use crate::import::export;

#[derive(clap::Args)]
pub struct Args {
    /// Map files, or folders that hold some. Default: this folder.
    paths: Vec<PathBuf>,
    /// The form that is written: `dual-write`, one file a map, as its table stores it.
    #[arg(long, value_enum)]
    to: Form,
    /// The folder that the files are written into.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Write over files that are there.
    #[arg(long)]
    force: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    DualWrite,
}

pub fn run(args: &Args, color: Color) -> Result {
    let compiled = Project::find(&args.paths)?.compile()?.or_stop(color)?;
    let exported = match args.to {
        Form::DualWrite => export::export(&compiled.files, &compiled.checked.schemas),
    };
    for note in &exported.notes {
        eprintln!("{note}");
    }
    let paths = exported.files.iter().map(|it| args.out.join(&it.name));
    if let Some(path) = paths.filter(|it| it.exists()).find(|_| !args.force) {
        return Err(Stopped::usage(format!("`{}` is there already; choose another folder, or say --force", path.display())));
    }
    for file in &exported.files {
        let path = args.out.join(&file.name);
        let failed = |error: std::io::Error| Stopped::environment(format!("`{}` cannot be written: {error}", path.display()));
        std::fs::create_dir_all(&args.out).and_then(|()| std::fs::write(&path, &file.text)).map_err(failed)?;
    }
    let refused = exported.notes.iter().filter(|it| it.is_error).count();
    eprintln!("{} maps written, {refused} refusals", exported.maps);
    Ok(if refused > 0 { Exit::Found } else { Exit::Success })
}
