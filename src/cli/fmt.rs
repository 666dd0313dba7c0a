//! `dwmap fmt`

use std::path::{Path, PathBuf};

use super::output::{self, Color};
use super::project::{Project, read_text};
use super::{Exit, Result, Stopped};
use crate::diag::render;
use crate::syntax::format::{self, Unformatted};

#[derive(clap::Args)]
pub struct Args {
    /// Map files, or folders that hold some. Default: this folder.
    paths: Vec<PathBuf>,
    /// Write nothing; exit with 1 when a file is not formatted.
    #[arg(long)]
    check: bool,
    /// Write nothing; print what would change, and exit with 1 when something would.
    #[arg(long)]
    diff: bool,
}

pub fn run(args: &Args, color: Color) -> Result {
    let project = Project::find(&args.paths)?;
    let (mut changed, mut broken) = (0, 0);
    for path in &project.paths {
        let (name, old) = (path.display().to_string(), read_text(path)?);
        match format::format_text(&name, &old) {
            Ok(new) if new == old => {}
            Ok(new) => {
                changed += 1;
                change(args, path, &name, &old, &new)?;
            }
            Err(Unformatted::Broken { sources, diagnostics }) => {
                broken += 1;
                eprint!("{}", render::emit(&diagnostics.sorted(), &sources, color.of_messages()));
                eprintln!("`{name}` was left as it is, because it does not parse");
            }
            Err(Unformatted::TooLong(it)) => return Err(Stopped::usage(format!("`{name}` is too long: {} bytes", it.bytes))),
        }
    }
    let is_found = broken > 0 || ((args.check || args.diff) && changed > 0);
    Ok(if is_found { Exit::Found } else { Exit::Success })
}

fn change(args: &Args, path: &Path, name: &str, old: &str, new: &str) -> std::result::Result<(), Stopped> {
    if args.diff {
        output::print(&format::diff(name, old, new));
    } else if args.check {
        eprintln!("`{name}` is not formatted");
    } else {
        replace(path, new)?;
        eprintln!("formatted `{name}`");
    }
    Ok(())
}

/// Writes beside the file and renames, so that a full disk or a crash cannot leave half a map.
fn replace(path: &Path, text: &str) -> std::result::Result<(), Stopped> {
    let beside = path.with_extension("dwmap.new");
    let written = std::fs::write(&beside, text).and_then(|()| std::fs::rename(&beside, path));
    written.map_err(|error| {
        drop(std::fs::remove_file(&beside));
        Stopped::environment(format!("`{}` cannot be written: {error}", path.display()))
    })
}
