//! `dwmap schema`

use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::output::{self, Color};
use super::project::{Compiled, Project, named, read_text, shown};
use super::{Exit, Result, Stopped, block_on, systems};
use crate::change::Side;
use crate::connect::sqlite;
use crate::diag::suggest::nearest;
use crate::diag::{Diagnostic, codes, render};
use crate::ir::{Plan, Program, Rule};
use crate::runtime::config::{self, Config, System};
use crate::schema::drift::{Drift, drift};
use crate::schema::lock::{self, Lock};
use crate::schema::{Schema, csdl, snapshot};

#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Write the content hashes of these snapshots into dwmap.lock, beside which they stand.
    Lock {
        #[arg(required = true)]
        snapshots: Vec<PathBuf>,
    },
    /// Write the base rules that layers override into dwmap.lock, as they are now.
    LockOverrides {
        /// Map files, or folders that hold some. Default: this folder.
        paths: Vec<PathBuf>,
    },
    /// Make a snapshot of a system that dwmap.toml names, as it is now.
    Pull {
        system: String,
        /// An entity to take in; may be repeated. Default: those of the snapshot that is there.
        #[arg(long = "entity", value_name = "NAME")]
        entities: Vec<String>,
        /// Where the snapshot goes.
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
    },
    /// Say how a system that dwmap.toml names differs from its snapshot, and which rules that touches.
    Diff {
        system: String,
        /// The snapshot that the maps are checked against.
        snapshot: PathBuf,
    },
    /// Make a snapshot from an OData `$metadata` file (XML) or a SQLite database.
    Read {
        /// A `$metadata` file that was downloaded, or a SQLite database.
        from: PathBuf,
        /// The name that maps give the system; it is only written down.
        #[arg(long, default_value = "")]
        system: String,
        /// Where the snapshot goes; without it, to standard output.
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
}

pub fn run(args: &Args, color: Color) -> Result {
    match &args.verb {
        Verb::Lock { snapshots } => lock_all(snapshots),
        Verb::LockOverrides { paths } => lock_overrides(paths),
        Verb::Pull { system, entities, output } => block_on(pull(system, entities, output)),
        Verb::Diff { system, snapshot } => block_on(diff(system, snapshot, color)),
        Verb::Read { from, system, output } => read(from, system, output.as_deref()),
    }
}

fn lock_all(snapshots: &[PathBuf]) -> Result {
    let path = PathBuf::from(lock::FILE_NAME);
    let mut all = if path.is_file() { Lock::parse(&read_text(&path)?).map_err(Stopped::usage)? } else { Lock::default() };
    for file in snapshots {
        let text = read_text(file)?;
        snapshot::parse(&text).map_err(|error| Stopped::usage(format!("`{}` is no snapshot: {error}", file.display())))?;
        all.set(&named(Path::new("."), file), &text);
    }
    write(&path, &all.format())?;
    eprintln!("{} holds {} snapshots", path.display(), all.schemas.len());
    Ok(Exit::Success)
}

fn lock_overrides(paths: &[PathBuf]) -> Result {
    let project = Project::find(paths)?;
    let compiled = project.compile()?;
    if compiled.has_errors {
        return Err(Stopped::new(Exit::Found, "the maps have errors, see `dwmap check`; nothing was locked"));
    }
    let path = project.root.join(lock::FILE_NAME);
    let mut all = if path.is_file() { Lock::parse(&read_text(&path)?).map_err(Stopped::usage)? } else { Lock::default() };
    all.overrides = compiled.checked.overrides;
    write(&path, &all.format())?;
    let rules = if all.overrides.len() == 1 { "base rule" } else { "base rules" };
    eprintln!("{} holds {} {rules}", shown(&path), all.overrides.len());
    Ok(Exit::Success)
}

fn read(from: &Path, system: &str, to: Option<&Path>) -> Result {
    let text = snapshot::to_json(&schema_of(from)?, system, &from.display().to_string());
    match to {
        None => output::print_line(text.trim_end()),
        Some(path) => write(path, &text)?,
    }
    Ok(Exit::Success)
}

/// What dwmap.toml of this folder says of a system.
fn system(name: &str) -> std::result::Result<System, Stopped> {
    let mut config = Config::read(Path::new(config::FILE)).map_err(Stopped::usage)?;
    config.systems.remove(name).ok_or_else(|| {
        let near = nearest(name, config.systems.keys().map(String::as_str));
        let help = near.map_or_else(String::new, |it| format!("\n  = fix: `{it}`"));
        Stopped::usage(format!("{} has no system `{name}`{help}", config::FILE))
    })
}

fn parse(path: &Path) -> std::result::Result<Schema, Stopped> {
    let text = read_text(path)?;
    snapshot::parse(&text).map_err(|error| Stopped::usage(format!("`{}` is no snapshot: {error}", path.display())))
}

/// The lock is left alone: what was pulled is reviewed first, then locked.
async fn pull(name: &str, entities: &[String], output: &Path) -> Result {
    let system = system(name)?;
    let mut wanted = entities.to_vec();
    if wanted.is_empty() && output.is_file() {
        wanted = parse(output)?.entities.into_keys().collect();
    }
    if wanted.is_empty() && matches!(system, System::Dataverse { .. } | System::Finops { .. }) {
        let text =
            format!("`{}` is not there, so it is not known which entities to take\n  = fix: `--entity NAME`", output.display());
        return Err(Stopped::usage(text));
    }
    let found = systems::discover(&system, Path::new("."), &wanted).await?;
    write(output, &snapshot::to_json(&found.schema, name, ""))?;
    found.notes.iter().for_each(|it| eprintln!("note: {it}"));
    eprintln!("{} holds {} entities; review it, then `dwmap schema lock`", output.display(), found.schema.entities.len());
    Ok(Exit::Success)
}

async fn diff(name: &str, file: &Path, color: Color) -> Result {
    let system = system(name)?;
    let old = parse(file)?;
    let wanted: Vec<String> = old.entities.keys().cloned().collect();
    // An entity that is gone is a finding, so all are asked for where one of them is missing.
    let found = match systems::discover(&system, Path::new("."), &wanted).await {
        Ok(found) => found,
        Err(_) => systems::discover(&system, Path::new("."), &[]).await?,
    };
    let compiled = Project::find(&[]).and_then(|it| it.compile()).ok();
    let drifts = drift(&old, &found.schema);
    let mut warnings = Vec::new();
    for it in &drifts {
        let field = it.field.as_ref().map_or_else(String::new, |field| format!(".{field}"));
        let touched = compiled.as_ref().map_or_else(Vec::new, |compiled| touched(&compiled.checked.program, name, it));
        let names: Vec<String> = touched.iter().map(Touched::name).collect();
        let rules = if names.is_empty() { String::new() } else { format!("   (touches {})", names.join(", ")) };
        let line = format!("{}{field} {}", it.entity, it.text);
        output::print_line(&format!("{line}{rules}"));
        warnings.extend(
            compiled.iter().flat_map(|compiled| touched.iter().filter_map(|it| it.warning(compiled, &line, (name, file)))),
        );
    }
    if let Some(compiled) = compiled.as_ref().filter(|_| !warnings.is_empty()) {
        eprint!("{}", render::emit(&warnings, &compiled.sources, color.of_messages()));
    }
    found.notes.iter().for_each(|it| eprintln!("note: {it}"));
    Ok(if drifts.is_empty() { Exit::Success } else { Exit::Found })
}

/// What a drift touches: a rule, or of a whole entity its map.
struct Touched<'p> {
    plan: &'p Plan,
    rule: Option<&'p Rule>,
}

impl Touched<'_> {
    fn name(&self) -> String {
        self.rule.map_or_else(|| self.plan.name.clone(), |rule| format!("{}.{}", self.plan.name, rule.label))
    }

    /// `line`: the drift in words. `None`: what is touched stands in no file of the project.
    fn warning(&self, compiled: &Compiled, line: &str, (system, snapshot): (&str, &Path)) -> Option<Diagnostic> {
        let origin = self.rule.map_or(&self.plan.origin, |it| &it.origin);
        let span = compiled.sources.line_span(&origin.file, origin.line as usize)?;
        let message = format!("`{}` uses what has changed in the live system: {line}", self.name());
        let advice =
            format!("`dwmap schema pull {system} -o {}`, look at the difference, then `dwmap check`", snapshot.display());
        let label = self.rule.map(|it| it.label.as_str());
        Some(
            Diagnostic::new(codes::DRIFT, span, message, "checked against the old state")
                .advice(advice)
                .in_rule(&self.plan.name, label),
        )
    }
}

fn touched<'p>(program: &'p Program, system: &str, drift: &Drift) -> Vec<Touched<'p>> {
    let mut out = Vec::new();
    for plan in &program.plans {
        for side in Side::BOTH {
            let shape = &plan.shapes[side];
            if program.system(plan, side) != system || shape.entity != drift.entity {
                continue;
            }
            let Some(field) = &drift.field else {
                out.push(Touched { plan, rule: None });
                continue;
            };
            let Some(slot) = shape.slot(field) else { continue };
            let uses = |it: &&Rule| it.ends[side].slots().contains(&slot);
            out.extend(plan.rules.iter().filter(uses).map(|rule| Touched { plan, rule: Some(rule) }));
        }
    }
    out
}

fn schema_of(from: &Path) -> std::result::Result<Schema, Stopped> {
    let head =
        std::fs::read(from).map_err(|error| Stopped::environment(format!("`{}` cannot be read: {error}", from.display())))?;
    if head.starts_with(b"SQLite format 3\0") {
        return sqlite::discover(from).map_err(Stopped::environment);
    }
    let text = String::from_utf8(head).map_err(|_| Stopped::usage(format!("`{}` is neither XML nor SQLite", from.display())))?;
    csdl::parse(&text).map_err(|error| Stopped::usage(format!("`{}`: {error}", from.display())))
}

fn write(path: &Path, text: &str) -> std::result::Result<(), Stopped> {
    std::fs::write(path, text).map_err(|error| Stopped::environment(format!("`{}` cannot be written: {error}", path.display())))
}
