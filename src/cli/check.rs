//! `dwmap check`

use std::path::PathBuf;

use clap::ValueEnum;

use super::output::{self, Color};
use super::project::{Compiled, Project};
use super::{Exit, Result};
use crate::diag::{Severity, render, report};
use crate::ir::Strength;

#[derive(clap::Args)]
pub struct Args {
    /// Map files, or folders that hold some. Default: this folder.
    paths: Vec<PathBuf>,
    /// `short` prints one line a message, for editors; `json` a report for programs.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
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
    let compiled = Project::find(&args.paths)?.compile_requiring(args.require.map(Require::strength))?;
    match args.format {
        Format::Text => eprint!("{}", render::emit(&compiled.diagnostics, &compiled.sources, color.of_messages())),
        Format::Short => output::print(&short(&compiled)),
        Format::Json => output::print_line(&report::to_json(&compiled.diagnostics, &compiled.sources)),
    }
    let has_warnings = compiled.diagnostics.iter().any(|it| it.severity == Severity::Warning);
    let is_found = compiled.has_errors || (args.deny.is_some() && has_warnings);
    Ok(if is_found { Exit::Found } else { Exit::Success })
}

/// `file:line:column: error[DW0101]: message`
fn short(compiled: &Compiled) -> String {
    let line = |it: &crate::diag::Diagnostic| {
        let (file, place) = (&compiled.sources.file(it.primary().file).name, compiled.sources.position(it.primary()));
        format!("{file}:{}:{}: {}[{}]: {}\n", place.line, place.column, it.severity.word(), it.code, it.message)
    };
    compiled.diagnostics.iter().map(line).collect()
}
