//! `dwmap check`

use std::path::PathBuf;

use clap::ValueEnum;

use super::mend::mend;
use super::output::{self, Color};
use super::project::{Looked, Project};
use super::{Exit, Result};
use crate::diag::{Severity, annotations, render, report, sarif};
use crate::ir::Strength;

#[derive(clap::Args)]
pub struct Args {
    /// Map files, or folders that hold some. Default: this folder.
    paths: Vec<PathBuf>,
    /// `short` prints one line a message, for editors; `json` a report for programs; `sarif` a log for code scanners;
    /// `github` and `azure` lines that build servers show beside the code.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Make the changes that messages are sure of, and check again. Never makes a map worse.
    #[arg(long)]
    fix: bool,
    /// With `--fix`: write nothing, say what would be changed; exit with 1 when something would.
    #[arg(long, requires = "fix")]
    dry_run: bool,
    /// With `--fix`: write nothing, print what would change; exit with 1 when something would.
    #[arg(long, requires = "fix")]
    diff: bool,
    /// `warnings`: exit with 1 on warnings, too.
    #[arg(long, value_enum)]
    deny: Option<Deny>,
    /// How sure each law of each rule must be: `proved` by its form, `enumerated` over every value, or `tested` at least.
    #[arg(long, value_enum)]
    require: Option<Require>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    #[default]
    Text,
    Short,
    Json,
    Sarif,
    Github,
    Azure,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Deny {
    Warnings,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Require {
    Proved,
    Enumerated,
    Tested,
}

impl Require {
    fn strength(self) -> Strength {
        match self {
            Self::Proved => Strength::Proved,
            Self::Enumerated => Strength::Enumerated,
            Self::Tested => Strength::Tested,
        }
    }
}

pub fn run(args: &Args, color: Color) -> Result {
    let project = Project::find(&args.paths)?;
    let required = args.require.map(Require::strength);
    let looked = project.look(required)?;
    if !args.fix {
        return Ok(tell(args, &looked, color));
    }
    let mended = mend(&project, looked, required)?;
    let is_dry = args.dry_run || args.diff;
    if args.diff {
        mended.print_difference();
    } else {
        mended.tell(is_dry);
    }
    if is_dry {
        return Ok(if mended.made.is_empty() { Exit::Success } else { Exit::Found });
    }
    mended.write()?;
    Ok(tell(args, &mended.looked, color))
}

/// Prints the messages in the form that was asked for.
fn tell(args: &Args, looked: &Looked, color: Color) -> Exit {
    let (diagnostics, sources) = (&looked.diagnostics, &looked.sources);
    match args.format {
        Format::Text => eprint!("{}", render::emit(diagnostics, sources, color.of_messages())),
        Format::Short => output::print(&short(looked)),
        Format::Json => output::print_line(&report::to_json(diagnostics, sources)),
        Format::Sarif => output::print_line(&sarif::to_sarif(diagnostics, sources)),
        Format::Github => output::print(&annotations::to_github(diagnostics, sources)),
        Format::Azure => output::print(&annotations::to_azure(diagnostics, sources)),
    }
    let has_warnings = looked.diagnostics.iter().any(|it| it.severity == Severity::Warning);
    let is_found = looked.has_errors || (args.deny.is_some() && has_warnings);
    if is_found { Exit::Found } else { Exit::Success }
}

/// `file:line:column: error[DW0101]: message`
fn short(looked: &Looked) -> String {
    let line = |it: &crate::diag::Diagnostic| {
        let (file, place) = (&looked.sources.file(it.primary().file).name, looked.sources.position(it.primary()));
        format!("{file}:{}:{}: {}[{}]: {}\n", place.line, place.column, it.severity.word(), it.code, it.message)
    };
    looked.diagnostics.iter().map(line).collect()
}
