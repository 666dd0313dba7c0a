//! `dwmap conflicts`: the desk for records that both sides changed, where the map leaves it to a person.

use clap::Subcommand;

use super::desk::{Common, ask_and_show};
use super::states::show;
use super::{Result, output, trace};
use crate::runtime::control::ask::{Ask, Choice, Conflicted, Dispute, Reply};

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
    /// Open conflicts with their three values.
    List {
        maps: Vec<String>,
        #[arg(long, default_value_t = LISTED)]
        limit: usize,
    },
    /// Everything on file of one record.
    Show { map: String, key: String },
    /// Decide: one side's value, or a third one. What loses is kept on file.
    Resolve {
        map: String,
        key: String,
        /// The side whose value is right: `left`, `right`, or a system.
        #[arg(long, value_name = "SIDE", required_unless_present = "value", conflicts_with = "value")]
        take: Option<String>,
        /// The value that is right, where neither side's is.
        #[arg(long, value_name = "VALUE")]
        value: Option<String>,
        /// The rule to decide; with `--take`, all open conflicts of the record where none is given.
        #[arg(long, value_name = "RULE")]
        rule: Option<String>,
    },
}

pub fn run(args: &Args) -> Result {
    let common = &args.common;
    match &args.verb {
        Verb::List { maps, limit } => ask_and_show(common, Ask::Conflicts { maps: maps.clone(), limit: *limit }, list),
        Verb::Show { map, key } => ask_and_show(common, Ask::ShowConflict { map: map.clone(), key: key.clone() }, trace::show),
        Verb::Resolve { map, key, take, value, rule } => {
            let choice = match (take, value) {
                (Some(side), _) => Choice::Take(side.clone()),
                (None, value) => Choice::Value(value.clone().unwrap_or_default()),
            };
            ask_and_show(common, Ask::Resolve { map: map.clone(), key: key.clone(), rule: rule.clone(), choice }, show)
        }
    }
}

fn list(reply: &Reply) {
    let Reply::Conflicts { records } = reply else { return };
    if records.is_empty() {
        output::print_line("no conflict is open");
    }
    for Conflicted { map, key, rules, .. } in records {
        output::print_line(&format!("{map} {key}"));
        rules.iter().for_each(|it| output::print_line(&format!("  {}", line(it))));
    }
}

/// One rule in conflict on one line.
pub fn line(Dispute { rule, left, right, agreed }: &Dispute) -> String {
    let agreed = agreed.as_ref().map_or("never".to_owned(), Clone::clone);
    format!("{rule}: left {left}, right {right}, agreed {agreed}")
}
