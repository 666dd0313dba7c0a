//! `dwmap status`

use std::path::PathBuf;

use super::desk::{Common, Desk, request};
use super::output::{self, Format};
use super::{Exit, Result};
use crate::runtime::control::ask::{Ask, MapStatus, Reply};

#[derive(clap::Args)]
pub struct Args {
    /// The project's folder, or its files. Default: this folder.
    paths: Vec<PathBuf>,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub fn run(args: &Args) -> Result {
    let desk = Desk::of(&args.paths)?;
    desk.must_exist()?;
    let common = Common { project: PathBuf::from("."), format: args.format, by: None, why: String::new() };
    let answered = desk.ask(&request(&common, Ask::Status))?;
    match (args.format, &answered.reply) {
        (Format::Json, _) => output::print_json(&answered),
        (Format::Text, Reply::Status { maps }) => maps.iter().for_each(print),
        (Format::Text, _) => {}
    }
    Ok(Exit::Success)
}

fn print(map: &MapStatus) {
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
