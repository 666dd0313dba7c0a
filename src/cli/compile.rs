//! `dwmap compile`

use std::path::PathBuf;

use super::output::{self, Color};
use super::project::Project;
use super::{Exit, Result, Stopped};

#[derive(clap::Args)]
pub struct Args {
    /// Map files, or folders that hold some. Default: this folder.
    paths: Vec<PathBuf>,
    /// Where the program goes; without it, to standard output.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub fn run(args: &Args, color: Color) -> Result {
    let compiled = Project::find(&args.paths)?.compile()?.or_stop(color)?;
    let text = compiled.checked.program.to_json();
    match &args.output {
        None => output::print_line(&text),
        Some(path) => {
            std::fs::write(path, text + "\n")
                .map_err(|error| Stopped::environment(format!("`{}` cannot be written: {error}", path.display())))?;
            let plans = compiled.checked.program.plans.len();
            eprintln!("{} holds {plans} compiled maps, {}", path.display(), compiled.checked.program.hash);
        }
    }
    Ok(Exit::Success)
}
