//! `dwmap start`, `pause`, `resume`, `stop` and `reload`: what maps are to do.

use clap::ValueEnum;

use super::desk::{Common, ask_and_show};
use super::output::Color;
use super::project::Project;
use super::{Result, Stopped, output};
use crate::runtime::control::ask::{Ask, Reply, Skip};

#[derive(clap::Args)]
pub struct StartArgs {
    /// Maps to start; all of them without a name.
    maps: Vec<String>,
    /// Read both sides, match rows by key, make them agree; then go on live.
    #[arg(long)]
    initial: bool,
    /// With --initial: the side (`left`, `right`, or a system) whose values win where two matched rows differ.
    #[arg(long, value_name = "SIDE", requires = "initial")]
    master: Option<String>,
    /// Start the maps that refer to these too, those that others refer to first.
    #[arg(long)]
    with_dependants: bool,
    #[command(flatten)]
    common: Common,
}

#[derive(clap::Args)]
pub struct MapsArgs {
    /// Maps; all of them without a name.
    maps: Vec<String>,
    #[command(flatten)]
    common: Common,
}

#[derive(clap::Args)]
pub struct ResumeArgs {
    /// Maps to go on with; all paused ones without a name.
    maps: Vec<String>,
    /// Do not catch up: `keep` makes an error of every queued record, `discard` forgets the queued changes.
    #[arg(long, value_enum)]
    skip: Option<SkipArg>,
    #[command(flatten)]
    common: Common,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum SkipArg {
    Keep,
    Discard,
}

#[derive(clap::Args)]
pub struct ReloadArgs {
    /// The map whose rows are read again. Without one the running process takes up all maps as their files stand now.
    map: Option<String>,
    /// The keys, both ends included; an end may be left out, as in `A-100..`. Default: all rows.
    #[arg(long, value_name = "FROM..TO", default_value = "..", requires = "map")]
    keys: String,
    #[command(flatten)]
    common: Common,
}

pub fn start(args: &StartArgs) -> Result {
    let ask = Ask::Start {
        maps: args.maps.clone(),
        initial: args.initial,
        master: args.master.clone(),
        with_dependants: args.with_dependants,
    };
    ask_and_show(&args.common, ask, show)
}

pub fn pause(args: &MapsArgs) -> Result {
    ask_and_show(&args.common, Ask::Pause { maps: args.maps.clone() }, show)
}

pub fn stop(args: &MapsArgs) -> Result {
    ask_and_show(&args.common, Ask::Stop { maps: args.maps.clone() }, show)
}

pub fn resume(args: &ResumeArgs) -> Result {
    let skip = args.skip.map(|it| match it {
        SkipArg::Keep => Skip::Keep,
        SkipArg::Discard => Skip::Discard,
    });
    ask_and_show(&args.common, Ask::Resume { maps: args.maps.clone(), skip }, show)
}

pub fn reload(args: &ReloadArgs, color: Color) -> Result {
    let Some(map) = &args.map else { return renew(&args.common, color) };
    let Some((from, to)) = args.keys.split_once("..") else {
        let text = format!("`{}` is no range of keys\n  = fix: write FROM..TO, as in `--keys A-100..A-200`", args.keys);
        return Err(Stopped::usage(text));
    };
    let end = |it: &str| (!it.is_empty()).then(|| it.to_owned());
    ask_and_show(&args.common, Ask::Reload { map: map.clone(), from: end(from), to: end(to) }, show)
}

/// Errors are shown here, as `dwmap check` shows them; the process compiles for itself.
fn renew(common: &Common, color: Color) -> Result {
    Project::find(std::slice::from_ref(&common.project))?.compile()?.or_stop(color)?;
    ask_and_show(common, Ask::Renew, show)
}

/// Shows the states of maps, and what became of other commands.
pub fn show(reply: &Reply) {
    match reply {
        Reply::Moved { maps } => {
            for it in maps {
                let change =
                    if it.before == it.now { format!("stays {}", it.now) } else { format!("{}, was {}", it.now, it.before) };
                output::print_line(&format!("{}: {change}", it.map));
                it.notes.iter().for_each(|note| output::print_line(&format!("  {note}")));
            }
            if maps.is_empty() {
                output::print_line("no map had to change");
            }
        }
        Reply::Decided { map, key, outcome, .. } => output::print_line(&format!("{map} {key}: {outcome}")),
        Reply::Woken { map, records } => output::print_line(&format!("{map}: {records} records are tried again now")),
        Reply::Loading { map, keys, outcome } => output::print_line(&format!("{map} {keys}: {outcome}")),
        Reply::Renewed { maps } => {
            for it in maps {
                let rules = if it.rules.is_empty() { String::new() } else { format!(": {}", it.rules.join(", ")) };
                output::print_line(&format!("{}: {}{rules}", it.map, it.state));
                it.notes.iter().for_each(|note| output::print_line(&format!("  {note}")));
            }
        }
        Reply::Status { .. }
        | Reply::Queue { .. }
        | Reply::Errors { .. }
        | Reply::Conflicts { .. }
        | Reply::Record(_)
        | Reply::Activity { .. }
        | Reply::Verified { .. }
        | Reply::Delivered(_) => {}
    }
}
