//! `dwmap test`

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::output::{self, Color};
use super::project::{Compiled, Project};
use super::{Exit, Result, Stopped, block_on};
use crate::change::Side;
use crate::diag::suggest::nearest;
use crate::diag::{Diagnostic, codes, render};
use crate::ir::{Plan, Program, Rule, Test};
use crate::runtime::rehearse::coverage::{self, Exercised};
use crate::runtime::rehearse::{Outcome, rehearse};

#[derive(clap::Args)]
pub struct Args {
    /// Map files, or folders that hold some. Default: this folder.
    paths: Vec<PathBuf>,
    /// Only tests whose name or map has this text.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Also list the rules that no test sees at work, with the direction that is missing.
    #[arg(long, conflicts_with = "only")]
    coverage: bool,
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
    if args.coverage {
        tell_coverage(&compiled, &outcomes, color);
    }
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

/// Hints at the rules of the project's own files that were not at work, and how many were.
fn tell_coverage(compiled: &Compiled, outcomes: &[Outcome], color: Color) {
    let own: Vec<&str> = compiled.files.iter().map(|it| compiled.sources.file(it.id).name.as_str()).collect();
    let (mut hints, mut rules) = (Vec::new(), 0);
    for plan in &compiled.checked.program.plans {
        let tests = outcomes.iter().filter(|it| it.map == plan.name);
        let exercised: Exercised = tests.flat_map(|it| it.exercised.iter().copied()).collect();
        for (index, rule) in plan.rules.iter().enumerate().filter(|(_, it)| own.contains(&it.origin.file.as_str())) {
            rules += 1;
            let missing = coverage::left_out(plan, index, &exercised);
            hints.extend(hint(compiled, plan, rule, &missing));
        }
    }
    eprint!("{}", render::emit(&hints, &compiled.sources, color.of_messages()));
    output::print_line(&format!("coverage: {} of {rules} rules in every direction that they have", rules - hints.len()));
}

/// `None`: the rule was at work in each of its directions.
fn hint(compiled: &Compiled, plan: &Plan, rule: &Rule, missing: &[Side]) -> Option<Diagnostic> {
    let span = compiled.sources.line_span(&rule.origin.file, rule.origin.line as usize)?;
    let systems: Vec<&str> = missing.iter().map(|it| compiled.checked.program.system(plan, *it)).collect();
    let first = systems.first()?;
    let message = format!("no test sees `{}` write {}", rule.label, systems.join(" or "));
    let advice = format!("a test of `{}` in which this reaches {first}", plan.name);
    Some(
        Diagnostic::new(codes::NOT_EXERCISED, span, message, "not exercised")
            .advice(advice)
            .in_rule(&plan.name, Some(&rule.label)),
    )
}
