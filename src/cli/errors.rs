//! `dwmap errors`: the desk for records that stand still.

use clap::Subcommand;

use super::desk::{Common, ask, ask_and_show};
use super::states::show;
use super::{Exit, Result, Stopped, output, trace};
use crate::runtime::control::ask::{Ask, Held, Reply};

/// Records that are listed where no number is given.
const LISTED: usize = 50;

#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    common: Common,
}

#[derive(Subcommand)]
enum Verb {
    /// Held records, grouped by what they have in common.
    List {
        maps: Vec<String>,
        #[arg(long, default_value_t = LISTED)]
        limit: usize,
    },
    /// Everything on file of one record.
    Show { map: String, key: String },
    /// Try one record again now, or all held records of a map.
    Retry { map: String, key: Option<String> },
    /// Give up what is held: both sides stay as they are until somebody edits the record; what was not carried over is on file.
    Discard { map: String, key: String },
    /// Mend one field of the record in one system; the rest follows as from any edit.
    Edit {
        map: String,
        key: String,
        /// `left`, `right`, or a system.
        #[arg(long, value_name = "SIDE")]
        on: String,
        /// The field and its value, as in `name=Chair`; `null` empties it.
        #[arg(long, value_name = "FIELD=VALUE")]
        set: String,
    },
    /// All held records as CSV lines.
    Export { maps: Vec<String> },
}

pub fn run(args: &Args) -> Result {
    let common = &args.common;
    match &args.verb {
        Verb::List { maps, limit } => ask_and_show(common, Ask::Errors { maps: maps.clone(), limit: *limit }, list),
        Verb::Show { map, key } => ask_and_show(common, Ask::ShowError { map: map.clone(), key: key.clone() }, trace::show),
        Verb::Retry { map, key } => ask_and_show(common, Ask::Retry { map: map.clone(), key: key.clone() }, show),
        Verb::Discard { map, key } => ask_and_show(common, Ask::Discard { map: map.clone(), key: key.clone() }, show),
        Verb::Edit { map, key, on, set } => {
            let Some((field, value)) = set.split_once('=') else {
                return Err(Stopped::usage(format!("`{set}` names no field and value\n  = fix: write `--set FIELD=VALUE`")));
            };
            let (field, value) = (field.trim().to_owned(), value.to_owned());
            ask_and_show(common, Ask::Edit { map: map.clone(), key: key.clone(), system: on.clone(), field, value }, show)
        }
        Verb::Export { maps } => export(common, maps),
    }
}

fn list(reply: &Reply) {
    let Reply::Errors { groups, records } = reply else { return };
    if groups.is_empty() {
        output::print_line("nothing is held");
    }
    for it in groups {
        let rule = it.rule.as_ref().map_or(String::new(), |rule| format!(", rule `{rule}`"));
        let code = it.code.as_ref().map_or(String::new(), |code| format!(", {code}"));
        output::print_line(&format!("{}: {} of class {}{rule}{code}, as in: {}", it.map, it.records, it.class, it.example));
    }
    for it in records {
        output::print_line(&format!("  {}", line(it)));
    }
}

/// One held record on one line.
pub fn line(it: &Held) -> String {
    let next = match (&it.retry_at, &it.waits_for) {
        (_, Some(row)) => format!("waits for {row}"),
        (Some(at), None) => format!("next try {at}"),
        (None, None) => "waits for an edit".to_owned(),
    };
    format!("{} {}: {} (since {}, tried {} times, {next})", it.map, it.key, it.message, it.since, it.attempts)
}

fn export(common: &Common, maps: &[String]) -> Result {
    let reply = ask(common, Ask::Errors { maps: maps.to_vec(), limit: crate::runtime::control::read::LINES_MAX })?;
    let Reply::Errors { records, .. } = reply else { return Ok(Exit::Success) };
    if common.format == output::Format::Json {
        return Ok(Exit::Success);
    }
    output::print_line("map,key,link,class,rule,code,since,attempts,retry_at,waits_for,message");
    for it in &records {
        let attempts = it.attempts.to_string();
        let text = |it: &Option<String>| it.clone().unwrap_or_default();
        let cells = [
            &it.map,
            &it.key,
            &it.link,
            &it.class,
            &text(&it.rule),
            &text(&it.code),
            &it.since,
            &attempts,
            &text(&it.retry_at),
            &text(&it.waits_for),
            &it.message,
        ]
        .map(|cell| quoted(cell));
        output::print_line(&cells.join(","));
    }
    Ok(Exit::Success)
}

/// A cell that no comma, quote or line end can break, and that no table program takes for a formula.
fn quoted(cell: &str) -> String {
    let guard = if cell.starts_with(['=', '+', '-', '@']) { "'" } else { "" };
    format!("\"{guard}{}\"", cell.replace('"', "\"\""))
}
