//! `dwmap deliver`: for whoever wrote a row and wants to know that the other side has it.

use super::desk::{Common, ask};
use super::output::{self, Format};
use super::{Exit, Result};
use crate::runtime::control::ask::{Ask, Delivered, Outcome, Reply};

#[derive(clap::Args)]
pub struct Args {
    map: String,
    /// Where the row was written: `left`, `right`, or the system's name.
    system: String,
    /// The record's key as people write it, with commas between its parts, or the id of its row.
    row: String,
    /// Seconds to wait for both sides.
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(0..=50))]
    within: u64,
    /// What is not carried by then, or stands still, goes back to what both sides agreed upon.
    #[arg(long)]
    or_undo: bool,
    #[command(flatten)]
    common: Common,
}

pub fn run(args: &Args) -> Result {
    let (map, system, row) = (args.map.clone(), args.system.clone(), args.row.clone());
    let reply = ask(&args.common, Ask::Deliver { map, system, row, within_ms: args.within * 1000, or_undo: args.or_undo })?;
    let Reply::Delivered(delivered) = reply else { return Ok(Exit::Success) };
    if args.common.format == Format::Text {
        output::print_line(&line(&delivered));
    }
    Ok(match delivered.outcome {
        Outcome::Agreed | Outcome::Gone => Exit::Success,
        Outcome::Pending => Exit::Pending,
        Outcome::Held | Outcome::Conflict | Outcome::LeftOut | Outcome::Undone => Exit::Partial,
    })
}

fn line(it: &Delivered) -> String {
    let what = match it.outcome {
        Outcome::Agreed => "both sides agree",
        Outcome::Gone => "gone on both sides, as far as the map says so",
        Outcome::Pending => "not yet; it goes on by itself",
        Outcome::Held => "stands still",
        Outcome::Conflict => "a person must decide",
        Outcome::LeftOut => "not carried",
        Outcome::Undone => "not carried, and undone",
    };
    let why = if it.why.is_empty() { String::new() } else { format!(": {}", it.why) };
    format!("{} {}: {what}{why}", it.map, it.key)
}
