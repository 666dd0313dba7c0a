//! `dwmap graph`

use std::path::PathBuf;

use clap::ValueEnum;

use super::output::{self, Color};
use super::project::Project;
use super::{Exit, Result};
use crate::view::graph;

#[derive(clap::Args)]
pub struct Args {
    /// Map files, or folders that hold some. Default: this folder.
    paths: Vec<PathBuf>,
    /// `dot` is for Graphviz, `mermaid` for wikis and pull requests.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    #[default]
    Text,
    Dot,
    Mermaid,
}

pub fn run(args: &Args, color: Color) -> Result {
    let program = Project::find(&args.paths)?.compile()?.or_stop(color)?.checked.program;
    output::print(&match args.format {
        Format::Text => graph::to_text(&program),
        Format::Dot => graph::to_dot(&program),
        Format::Mermaid => graph::to_mermaid(&program),
    });
    Ok(Exit::Success)
}
