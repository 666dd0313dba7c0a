//! `dwmap status`

use std::path::PathBuf;

use serde::Serialize;

use super::output::{self, Format};
use super::project::Project;
use super::{Exit, Result, Stopped};
use crate::runtime::config::StorePlace;
use crate::store::{Sqlite, Store, phase_name};

/// Held records that are shown.
const HELD_SHOWN_MAX: usize = 20;

#[derive(clap::Args)]
pub struct Args {
    /// The project's folder, or its files. Default: this folder.
    paths: Vec<PathBuf>,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Serialize)]
struct Report {
    format_version: u32,
    maps: Vec<Map>,
}

#[derive(Serialize)]
struct Map {
    map: String,
    state: &'static str,
    why: String,
    linked: u64,
    pending: u64,
    detached: u64,
    held: u64,
    conflicts: u64,
    queued: u64,
    oldest_queued: Option<String>,
    ledger: u64,
    held_records: Vec<Held>,
}

#[derive(Serialize)]
struct Held {
    key: String,
    rule: Option<String>,
    code: Option<String>,
    message: String,
    since: String,
    attempts: u32,
}

pub fn run(args: &Args) -> Result {
    let project = Project::find(&args.paths)?;
    let place = project.config.as_ref().map_or_else(StorePlace::default, |it| it.store.clone());
    let path = project.root.join(&place.path);
    if !path.is_file() {
        return Err(Stopped::environment(format!(
            "there is no state at `{}` yet\n  = fix: `dwmap run --initial` makes it",
            path.display()
        )));
    }
    let compiled = project.compile()?;
    let mut store = Sqlite::open_read_only(&path).map_err(Stopped::environment)?;
    let plans = compiled.checked.program.plans.iter();
    let maps: std::result::Result<Vec<Map>, Stopped> = plans.map(|it| map(&mut store, &it.name)).collect();
    let report = Report { format_version: 1, maps: maps? };
    match args.format {
        Format::Json => output::print_json(&report),
        Format::Text => report.maps.iter().for_each(print),
    }
    Ok(Exit::Success)
}

fn map(store: &mut dyn Store, plan: &str) -> std::result::Result<Map, Stopped> {
    let (phase, why) = store.phase(plan).map_err(Stopped::environment)?;
    let figures = store.figures(plan).map_err(Stopped::environment)?;
    let held = store.held(plan, HELD_SHOWN_MAX).map_err(Stopped::environment)?;
    let held_records = held.into_iter().filter_map(|link| {
        let hold = link.hold?;
        let since = hold.since.to_string();
        Some(Held { key: link.key, rule: hold.rule, code: hold.code, message: hold.message, since, attempts: hold.attempts })
    });
    Ok(Map {
        map: plan.to_owned(),
        state: phase_name(phase),
        why,
        linked: figures.live,
        pending: figures.pending,
        detached: figures.dormant,
        held: figures.held,
        conflicts: figures.conflicts,
        queued: figures.queued,
        oldest_queued: figures.oldest_queued.map(|it| it.to_string()),
        ledger: figures.ledger,
        held_records: held_records.collect(),
    })
}

fn print(map: &Map) {
    let why = if map.why.is_empty() { String::new() } else { format!(" ({})", map.why) };
    output::print_line(&format!(
        "{}: {}{why}; {} linked, {} being made, {} detached, {} held, {} conflicts, {} queued, {} displaced values on file",
        map.map, map.state, map.linked, map.pending, map.detached, map.held, map.conflicts, map.queued, map.ledger
    ));
    for held in &map.held_records {
        output::print_line(&format!(
            "  held {}: {} (since {}, tried {} times)",
            held.key, held.message, held.since, held.attempts
        ));
    }
}
