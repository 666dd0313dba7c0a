//! `dwmap doc`

use std::path::PathBuf;

use clap::ValueEnum;

use super::output::Color;
use super::project::Project;
use super::{Exit, Result, Stopped};
use crate::view::doc;

#[derive(clap::Args)]
pub struct Args {
    /// Map files, or folders that hold some. Default: this folder.
    paths: Vec<PathBuf>,
    /// The folder that the pages go to; files of the same names are replaced.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    #[default]
    Html,
    Markdown,
}

pub fn run(args: &Args, color: Color) -> Result {
    let compiled = Project::find(&args.paths)?.compile()?.or_stop(color)?;
    let form = match args.format {
        Format::Html => doc::Form::Html,
        Format::Markdown => doc::Form::Markdown,
    };
    let pages = doc::pages(&compiled.checked, form);
    let unwritten = |path: &PathBuf, error| Stopped::environment(format!("`{}` cannot be written: {error}", path.display()));
    std::fs::create_dir_all(&args.out).map_err(|error| unwritten(&args.out, error))?;
    for page in &pages {
        let path = args.out.join(&page.name);
        std::fs::write(&path, &page.text).map_err(|error| unwritten(&path, error))?;
    }
    let first = args.out.join(pages.first().map_or("", |it| &it.name));
    eprintln!("wrote {} pages, begin with {}", pages.len(), first.display());
    Ok(Exit::Success)
}
