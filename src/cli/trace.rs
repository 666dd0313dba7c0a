//! `dwmap trace`, `dwmap activity` and `dwmap queue`: what happened, and what waits.

use super::desk::{Common, ask_and_show};
use super::{Result, conflicts, errors, output};
use crate::runtime::control::ask::{Ask, Line, Reply, Trace};

#[derive(clap::Args)]
pub struct Args {
    map: String,
    /// The record's key as messages show it, its link id, or the id of one of its rows.
    key: String,
    /// Lines of history.
    #[arg(long, default_value_t = 200)]
    limit: usize,
    #[command(flatten)]
    common: Common,
}

#[derive(clap::Args)]
pub struct ActivityArgs {
    /// Maps; all of them without a name.
    maps: Vec<String>,
    /// Lines, the latest first.
    #[arg(long, default_value_t = 50)]
    limit: usize,
    #[command(flatten)]
    common: Common,
}

#[derive(clap::Args)]
pub struct QueueArgs {
    /// Maps; all of them without a name.
    maps: Vec<String>,
    /// Waiting changes that are shown of each map.
    #[arg(long, default_value_t = 10)]
    limit: usize,
    #[command(flatten)]
    common: Common,
}

pub fn run(args: &Args) -> Result {
    let ask = Ask::Trace { map: args.map.clone(), key: args.key.clone(), limit: args.limit };
    ask_and_show(&args.common, ask, show)
}

pub fn activity(args: &ActivityArgs) -> Result {
    ask_and_show(&args.common, Ask::Activity { maps: args.maps.clone(), limit: args.limit }, |reply| {
        let Reply::Activity { lines } = reply else { return };
        lines.iter().for_each(|it| output::print_line(&line(it, true)));
    })
}

pub fn queue(args: &QueueArgs) -> Result {
    ask_and_show(&args.common, Ask::Queue { maps: args.maps.clone(), limit: args.limit }, |reply| {
        let Reply::Queue { maps } = reply else { return };
        for it in maps {
            let oldest = it.oldest.as_ref().map_or(String::new(), |at| format!(", the oldest since {at}"));
            output::print_line(&format!("{}: {} queued{oldest}", it.map, it.queued));
            for next in &it.next {
                let what = if next.is_delete { "is gone" } else { "changed" };
                output::print_line(&format!("  {} {} {what} (seen {})", next.system, next.row, next.seen));
            }
        }
    })
}

/// Everything on file of a record.
pub fn show(reply: &Reply) {
    let Reply::Record(trace) = reply else { return };
    head(trace);
    for it in &trace.open {
        let version = it.expected.as_ref().map_or("if there is none".to_owned(), |it| format!("if its version is {it}"));
        output::print_line(&format!("  open {}: {} gets {} {version}, by {}", it.op, it.system, it.sends, it.rules.join(", ")));
    }
    for it in &trace.displaced {
        output::print_line(&format!(
            "  displaced {} {}: {} of {} by {} ({}) [{}]",
            it.at, it.rule, it.loser, it.system, it.winner, it.policy, it.op
        ));
    }
    trace.lines.iter().for_each(|it| output::print_line(&format!("  {}", line(it, false))));
}

fn head(trace: &Trace) {
    output::print_line(&format!("{} {}: {}, link {}", trace.map, trace.key, trace.state, trace.link));
    for side in &trace.sides {
        let row = side.row.as_ref().map_or("no row".to_owned(), |it| format!("row {it}"));
        let version = side.version.as_ref().map_or(String::new(), |it| format!(", version {it}"));
        let fields: Vec<String> = side.agreed.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        output::print_line(&format!("  {}: {row}{version}, agreed {{ {} }}", side.system, fields.join(", ")));
    }
    if let Some(held) = &trace.held {
        output::print_line(&format!("  held: {}", errors::line(held)));
    }
    trace.conflicts.iter().for_each(|it| output::print_line(&format!("  conflict {}", conflicts::line(it))));
}

fn line(it: &Line, with_record: bool) -> String {
    let record = if with_record { format!("{} {} ", it.map, it.key) } else { String::new() };
    let who = if it.who.is_empty() { String::new() } else { format!(" by {}", it.who) };
    let text = if it.text.is_empty() { String::new() } else { format!(": {}", it.text) };
    let sent =
        it.decided.as_ref().filter(|at| !with_record && **at != it.at).map_or(String::new(), |at| format!(", decided {at}"));
    format!("{} {record}{}{who}{text} [{}{sent}]", it.at, it.what, it.op)
}
