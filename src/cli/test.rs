//! `dwmap test`

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::output::{self, Color};
use super::project::Project;
use super::{Exit, Result, Stopped, block_on};
use crate::diag::suggest::nearest;
use crate::ir::{Program, Test};
use crate::runtime::rehearse::{Outcome, rehearse};

#[derive(clap::Args)]
pub struct Args {
    /// Map files, or folders that hold some. Default: this folder.
    paths: Vec<PathBuf>,
    /// Only tests whose name or map has this text.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
}

pub fn run(args: &Args, color: Color) -> Result {
    let compiled = Project::find(&args.paths)?.compile()?.or_stop(color)?;
    let program = &compiled.checked.program;
    let wanted = |it: &&Test| {
        let map = &program.plans[it.plan.index()].name;
        args.only.as_ref().is_none_or(|text| it.name.contains(text) || map.contains(text))
    };
    if let Some(text) = args.only.as_ref().filter(|_| !compiled.checked.tests.iter().any(|it| wanted(&it))) {
        return Err(nothing_like(text, program, &compiled.checked.tests));
    }
    let outcomes: Vec<Outcome> = block_on(async {
        let mut outcomes = Vec::new();
        for test in compiled.checked.tests.iter().filter(wanted) {
            let outcome = rehearse(program, test).await;
            output::print_line(&line(&outcome));
            outcomes.push(outcome);
        }
        Ok(outcomes)
    })?;
    let failed = outcomes.iter().filter(|it| !it.has_passed()).count();
    output::print_line(&format!("{} passed, {failed} failed", outcomes.len() - failed));
    Ok(if failed > 0 { Exit::Found } else { Exit::Success })
}

fn nothing_like(text: &str, program: &Program, tests: &[Test]) -> Stopped {
    let maps = tests.iter().map(|it| program.plans[it.plan.index()].name.as_str());
    let known: BTreeSet<&str> = tests.iter().map(|it| it.name.as_str()).chain(maps).collect();
    let help = match nearest(text, known) {
        Some(near) => format!("`--only \"{near}\"`"),
        None => "leave `--only` out to see all".to_owned(),
    };
    Stopped::usage(format!("no test and no map that has tests has `{text}` in its name\n  = fix: {help}"))
}

fn line(outcome: &Outcome) -> String {
    let name = format!("{}: {}", outcome.map, outcome.name);
    match &outcome.failure {
        None => format!("ok      {name}"),
        Some((origin, message)) => format!("FAILED  {name}\n        {}:{}: {message}", origin.file, origin.line),
    }
}
