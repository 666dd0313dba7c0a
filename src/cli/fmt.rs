//! `dwmap fmt`

use std::io::Read;
use std::path::{Path, PathBuf};

use super::output::{self, Color};
use super::project::{Project, read_text, shown};
use super::{Exit, Result, Stopped};
use crate::diag::render;
use crate::source::FILE_BYTES_MAX;
use crate::syntax::format::{self, Unformatted};

#[derive(clap::Args)]
pub struct Args {
    /// Map files, or folders that hold some; `-` formats standard input to standard output. Default: this folder.
    paths: Vec<PathBuf>,
    /// Write nothing; exit with 1 when a file is not formatted.
    #[arg(long)]
    check: bool,
    /// Write nothing; print what would change, and exit with 1 when something would.
    #[arg(long)]
    diff: bool,
}

pub fn run(args: &Args, color: Color) -> Result {
    if args.paths == [PathBuf::from("-")] {
        return pipe(args, color);
    }
    let project = Project::find(&args.paths)?;
    let (mut changed, mut broken) = (0, 0);
    for path in &project.paths {
        let (name, old) = (shown(path), read_text(path)?);
        match format::format_text(&name, &old) {
            Ok(new) if new == old => {}
            Ok(new) => {
                changed += 1;
                change(args, path, &name, &old, &new)?;
            }
            Err(why) => {
                broken += 1;
                explain(&name, why, color)?;
            }
        }
    }
    let is_found = broken > 0 || ((args.check || args.diff) && changed > 0);
    Ok(if is_found { Exit::Found } else { Exit::Success })
}

/// Says why a text was not formatted.
fn explain(name: &str, why: Unformatted, color: Color) -> std::result::Result<(), Stopped> {
    match why {
        Unformatted::Broken { sources, diagnostics } => {
            eprint!("{}", render::emit(&diagnostics.sorted(), &sources, color.of_messages()));
            eprintln!("`{name}` was left as it is, because it does not parse");
            Ok(())
        }
        Unformatted::TooLong(it) => Err(Stopped::usage(format!("`{name}` is too long: {} bytes", it.bytes))),
    }
}

/// Standard input to standard output, for editors. A text that does not parse comes out as it went in.
fn pipe(args: &Args, color: Color) -> Result {
    let mut old = String::new();
    std::io::stdin()
        .take(FILE_BYTES_MAX as u64 + 1)
        .read_to_string(&mut old)
        .map_err(|error| Stopped::environment(format!("standard input cannot be read: {error}")))?;
    let name = "standard input";
    let is_writing = !args.check && !args.diff;
    match format::format_text(name, &old) {
        Ok(new) if is_writing => {
            output::print(&new);
            Ok(Exit::Success)
        }
        Ok(new) if new == old => Ok(Exit::Success),
        Ok(new) => {
            change(args, Path::new(name), name, &old, &new)?;
            Ok(Exit::Found)
        }
        Err(why) => {
            if is_writing {
                output::print(&old);
            }
            explain(name, why, color)?;
            Ok(Exit::Found)
        }
    }
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

/// Writes beside the file and renames, so that a full disk or a crash cannot leave half a map. A link stays a link, and the
/// file keeps its permissions.
pub(super) fn replace(path: &Path, text: &str) -> std::result::Result<(), Stopped> {
    let unwritten = |error| Stopped::environment(format!("`{}` cannot be written: {error}", path.display()));
    let place = std::fs::canonicalize(path).map_err(unwritten)?;
    let beside = place.with_extension("dwmap.new");
    let permissions = std::fs::metadata(&place).map(|it| it.permissions());
    let written = std::fs::write(&beside, text)
        .and_then(|()| std::fs::set_permissions(&beside, permissions?))
        .and_then(|()| std::fs::rename(&beside, &place));
    written.map_err(|error| {
        drop(std::fs::remove_file(&beside));
        unwritten(error)
    })
}
