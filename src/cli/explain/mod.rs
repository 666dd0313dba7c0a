//! `dwmap explain`

mod rule;

use std::path::PathBuf;

use super::output::{self, Color};
use super::project::{Compiled, Project};
use super::{Exit, Result, Stopped};
use crate::diag::suggest::nearest;
use crate::diag::{Diagnostic, Severity, codes, render};
use crate::ir::{Plan, Program};

#[derive(clap::Args)]
pub struct Args {
    /// A code, such as DW0305, a map, or a rule by its label, `Map.label`; without one, all codes are listed.
    name: Option<String>,
    /// Map files, or folders that hold some, where a map or rule is asked for. Default: this folder.
    paths: Vec<PathBuf>,
}

pub fn run(args: &Args, color: Color) -> Result {
    let Some(wanted) = &args.name else {
        for info in codes::ALL {
            output::print_line(&format!("{} {}", info.code, info.title));
        }
        return Ok(Exit::Success);
    };
    if let Some(info) = codes::ALL.iter().find(|it| it.code.to_string().eq_ignore_ascii_case(wanted)) {
        let (code, title, severity) = (info.code, info.title, info.severity.word());
        output::print_line(&format!("{code}: {title} ({severity})\n\n{}", info.explanation.trim()));
        return Ok(Exit::Success);
    }
    if is_like_a_code(wanted) { Err(no_code(wanted)) } else { of_map(wanted, &args.paths, color) }
}

/// `DW` and a figure, however it goes on.
fn is_like_a_code(wanted: &str) -> bool {
    let upper = wanted.to_ascii_uppercase();
    upper.strip_prefix("DW").is_some_and(|rest| rest.starts_with(|it: char| it.is_ascii_digit())) || wanted.parse::<u32>().is_ok()
}

fn no_code(wanted: &str) -> Stopped {
    let names: Vec<String> = codes::ALL.iter().map(|it| it.code.to_string()).collect();
    let near = nearest(&wanted.to_uppercase(), names.iter().map(String::as_str));
    let help = near.map_or_else(|| "\n  = fix: `dwmap explain` lists all".to_owned(), |it| format!("\n  = fix: `{it}`"));
    Stopped::usage(format!("there is no code `{wanted}`{help}"))
}

fn of_map(wanted: &str, paths: &[PathBuf], color: Color) -> Result {
    let (map, label) = wanted.split_once('.').map_or((wanted, None), |(map, label)| (map, Some(label)));
    let compiled = Project::find(paths)?.compile()?;
    let program = &compiled.checked.program;
    let right = program.plan(map).map(|(_, it)| it);
    let wrong = compiled.checked.wrong.iter().find(|it| it.name == map);
    if let (None, Some(plan)) = (right, wrong) {
        return of_wrong_map(&compiled, plan, label, color);
    }
    let Some(plan) = right else {
        if compiled.has_errors {
            compiled.or_stop(color)?;
            return Ok(Exit::Found);
        }
        return Err(unknown("map", map, program.plans.iter().map(|it| it.name.as_str())));
    };
    match label {
        None => output::print(&rule::map(program, plan)),
        Some(label) => output::print(&one(program, plan, label)?),
    }
    Ok(Exit::Success)
}

/// What is wrong with the map or its rule comes first; then what the rules that could be read would do.
fn of_wrong_map(compiled: &Compiled, plan: &Plan, label: Option<&str>, color: Color) -> Result {
    let is_meant = |it: &&Diagnostic| {
        let is_of_map = it.map.as_ref().is_none_or(|map| *map == plan.name);
        is_of_map && it.severity == Severity::Error && (label.is_none() || it.rule.as_deref() == label)
    };
    let found: Vec<Diagnostic> = compiled.diagnostics.iter().filter(is_meant).cloned().collect();
    if !found.is_empty() {
        eprint!("{}", render::emit(&found, &compiled.sources, color.of_messages()));
    }
    let program = &compiled.checked.program;
    let text = match label {
        None => rule::map(program, plan),
        // A rule that could not be read has nothing but its messages.
        Some(label) if !found.is_empty() && !plan.rules.iter().any(|it| it.label == label) => return Ok(Exit::Found),
        Some(label) => one(program, plan, label)?,
    };
    let where_from = if found.is_empty() { " elsewhere, which `dwmap check` shows" } else { "" };
    output::print_line(&format!(
        "`{}` has errors{where_from}; this is what the rest of it says, and nothing of it runs",
        plan.name
    ));
    output::print(&text);
    Ok(Exit::Found)
}

/// Several rules can have one label where their guards exclude each other.
fn one(program: &Program, plan: &Plan, label: &str) -> std::result::Result<String, Stopped> {
    let meant: Vec<_> = plan.rule_ids().filter(|it| plan.rule(*it).label == label).collect();
    if meant.is_empty() {
        return Err(unknown("rule", label, plan.rules.iter().map(|it| it.label.as_str())));
    }
    Ok(meant.into_iter().map(|it| rule::rule(program, plan, it)).collect::<Vec<_>>().join("\n"))
}

fn unknown<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a str>) -> Stopped {
    let known: Vec<&str> = known.collect();
    let help = match nearest(name, known.iter().copied()) {
        Some(near) => format!("`{near}`"),
        None => format!("one of {}", known.join(", ")),
    };
    Stopped::usage(format!("there is no {what} `{name}`\n  = fix: {help}"))
}
