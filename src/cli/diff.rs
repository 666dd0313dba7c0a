//! `dwmap diff`

use std::path::{Path, PathBuf};

use clap::ValueEnum;

use super::output::{self, Color, Format};
use super::project::{Compiled, Project};
use super::revision::Revision;
use super::{Exit, Result, Stopped};
use crate::diag::render;
use crate::view::diff;

#[derive(clap::Args)]
pub struct Args {
    /// The version before: a file, a folder, or a Git revision such as `HEAD~1` or `v1.0:maps`.
    old: String,
    /// The version after, named in the same ways. Default: what stands in that place now.
    new: Option<String>,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Exit with 1 when a map changed by this much or more, whatever its version says.
    #[arg(long, value_enum, value_name = "LEVEL")]
    deny: Option<Level>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Level {
    Patch,
    Minor,
    Major,
}

impl From<Level> for diff::Level {
    fn from(level: Level) -> Self {
        match level {
            Level::Patch => Self::Patch,
            Level::Minor => Self::Minor,
            Level::Major => Self::Major,
        }
    }
}

/// One of the two versions.
enum Place {
    Here(PathBuf),
    Revision(Revision),
}

impl Place {
    /// A file or folder goes before a revision of the same name.
    fn find(text: &str) -> std::result::Result<Self, Stopped> {
        if Path::new(text).exists() { Ok(Self::Here(PathBuf::from(text))) } else { Revision::find(text).map(Self::Revision) }
    }

    fn path(&self) -> &Path {
        match self {
            Self::Here(path) => path,
            Self::Revision(revision) => &revision.place,
        }
    }

    fn compile(&self, which: &str, color: Color) -> std::result::Result<Compiled, Stopped> {
        let named = |text: &str| match self {
            Self::Here(_) => text.to_owned(),
            Self::Revision(revision) => revision.named(text),
        };
        let compiled = Project::find(&[self.path().to_owned()])
            .and_then(|it| it.compile())
            .map_err(|it| Stopped::new(it.exit, named(&it.message)))?;
        if !compiled.has_errors {
            return Ok(compiled);
        }
        eprint!("{}", named(&render::emit(&compiled.diagnostics, &compiled.sources, color.of_messages())));
        Err(Stopped::new(Exit::Found, format!("the {which} version has errors, so nothing was compared")))
    }
}

pub fn run(args: &Args, color: Color) -> Result {
    let old = Place::find(&args.old)?;
    let new = match (&args.new, &old) {
        (Some(new), _) => Place::find(new)?,
        (None, Place::Revision(revision)) => Place::Here(revision.here.clone()),
        (None, Place::Here(_)) => Place::Here(PathBuf::from(".")),
    };
    let (before, after) = (old.compile("old", color)?, new.compile("new", color)?);
    let found = diff::difference(&before.checked, &after.checked);
    match args.format {
        Format::Text => output::print(&diff::to_text(&found)),
        Format::Json => output::print_json(&found),
    }
    let is_denied = args.deny.is_some_and(|it| found.level.is_some_and(|level| level >= it.into()));
    Ok(if is_denied || !found.versions_are_raised { Exit::Found } else { Exit::Success })
}
