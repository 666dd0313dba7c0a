//! `dwmap doctor`: what each system can do, probed by reading, and what `dwmap run` would add to it.

use std::path::PathBuf;

use super::output::{self, Color};
use super::probe::{Finding, probe};
use super::project::Project;
use super::{Exit, Result, block_on, systems};
use crate::change::Side;
use crate::connect::{Capabilities, Grade};
use crate::ir::Program;
use crate::runtime::config::Config;
use crate::schema::Shape;

#[derive(clap::Args)]
pub struct Args {
    /// Map files, or folders that hold some. Default: this folder.
    paths: Vec<PathBuf>,
}

pub fn run(args: &Args, color: Color) -> Result {
    let project = Project::find(&args.paths)?;
    let config = project.config()?;
    let program = project.compile()?.or_stop(color)?.checked.program;
    let connectors = systems::connect_to_probe(&program, config, &project.root)?;
    block_on(async {
        let mut exit = Exit::Success;
        for (number, system) in program.systems.iter().enumerate() {
            let shapes = shapes(&program, number);
            let mut capabilities = connectors[number].capabilities();
            let mut lines = Vec::new();
            for shape in &shapes {
                match probe(connectors[number].as_ref(), shape, &system.profile).await {
                    Ok(probed) => {
                        if probed.findings.iter().any(|it| matches!(it, Finding::Fails(_))) {
                            exit = worse(exit, Exit::Found);
                        }
                        capabilities.conditional_write &= probed.capabilities.conditional_write;
                        capabilities.ordered_feed &= probed.capabilities.ordered_feed;
                        lines.push(format!("  {}", shape.entity));
                        lines.extend(probed.findings.iter().map(|it| format!("    {it}")));
                    }
                    Err(failure) => {
                        exit = worse(exit, Exit::Environment);
                        lines.push(format!("  {}: cannot be read: {}", shape.entity, failure.message));
                    }
                }
            }
            output::print_line(&format!("{}: grade {:?}, {}", system.name, capabilities.grade(), meaning(capabilities.grade())));
            for line in abilities(capabilities) {
                output::print_line(&format!("  {line}"));
            }
            for line in notes(config, &project, &system.name, &shapes).await {
                output::print_line(&format!("  note: {line}"));
            }
            lines.iter().for_each(|it| output::print_line(it));
        }
        Ok(exit)
    })
}

fn meaning(grade: Grade) -> &'static str {
    match grade {
        Grade::A => "nothing is overwritten unseen, nothing is made twice, deletes are seen as they come",
        Grade::B => "nothing is overwritten unseen, nothing is made twice; deletes are found by looking over the keys",
        Grade::C => "nothing is overwritten unseen; a create whose answer is lost is found by its key only",
        Grade::D => {
            "a write can displace an edit that was made in the moment before it, and one whose answer was lost can land later, over a newer value: what it brings back counts as an edit then"
        }
    }
}

fn abilities(it: Capabilities) -> [String; 5] {
    let line = |what: &str, has: bool| format!("{} {what}", if has { "yes" } else { "no " });
    [
        line("writes are guarded by the row's version", it.conditional_write),
        line("a create that is repeated finds its row", it.correlated_create),
        line("a create that arrives after its row was deleted makes nothing", it.remembers_deletes),
        line("the feed is ordered and tells deletes", it.ordered_feed),
        line("a write answers with the row as it is afterwards", it.read_back),
    ]
}

/// The shapes that maps use of a system, one for each entity.
fn shapes(program: &Program, system: usize) -> Vec<&Shape> {
    let mut out: Vec<&Shape> = Vec::new();
    for plan in &program.plans {
        for side in Side::BOTH {
            let shape = &plan.shapes[side];
            if plan.systems[side] as usize == system && !out.iter().any(|it| it.entity == shape.entity) {
                out.push(shape);
            }
        }
    }
    out
}

/// What the system's own description says against its use; nothing where it cannot be had, which the readings tell better.
async fn notes(config: &Config, project: &Project, system: &str, shapes: &[&Shape]) -> Vec<String> {
    let Some(bound) = config.systems.get(system) else { return Vec::new() };
    let wanted: Vec<String> = shapes.iter().map(|it| it.entity.clone()).collect();
    systems::discover(bound, &project.root, &wanted).await.map(|it| it.notes).unwrap_or_default()
}

/// A system that cannot be read weighs more than a claim that does not hold.
fn worse(one: Exit, other: Exit) -> Exit {
    if matches!(one, Exit::Environment) { one } else { other }
}
