//! `dwmap verify`: compares both sides field by field, and repairs what differs.

use super::desk::{Answered, Common, Desk, Via, request, stopped};
use super::output::{self, Format};
use super::{Exit, Result, Stopped, block_on, systems};
use crate::runtime::control::ask::{Ask, Compared, FORMAT_VERSION, Reply, Request};
use crate::runtime::control::place::Holder;
use crate::runtime::deployment::Deployment;
use crate::runtime::world::Real;
use crate::store::Sqlite;

#[derive(clap::Args)]
pub struct Args {
    /// Maps; all of them without a name.
    maps: Vec<String>,
    /// Read every row again and let the maps deal with what differs; then compare once more.
    #[arg(long)]
    repair: bool,
    #[command(flatten)]
    common: Common,
}

pub fn run(args: &Args) -> Result {
    let desk = Desk::find(&args.common)?;
    desk.must_exist()?;
    let request = request(&args.common, Ask::Verify { maps: args.maps.clone(), repair: args.repair });
    let answered = match desk.holder() {
        Holder::Nobody => here(&desk, &request)?,
        Holder::Process(_) | Holder::Silent => desk.ask(&request)?,
    };
    let Reply::Verified { maps } = &answered.reply else {
        return Err(Stopped::environment("the process answers something else than a compare"));
    };
    let differs = maps.iter().any(|it| it.left_after_repair.unwrap_or(it.differing) > 0);
    match args.common.format {
        Format::Json => output::print_json(&answered),
        Format::Text => {
            eprintln!(
                "{}",
                if answered.via == Via::Process { "compared by the running process" } else { "no process runs; compared here" }
            );
            maps.iter().for_each(show);
        }
    }
    Ok(if differs { Exit::Partial } else { Exit::Success })
}

/// No process runs: this one compares, and holds the state meanwhile.
fn here(desk: &Desk, request: &Request) -> std::result::Result<Answered, Stopped> {
    let config = desk.project.config()?.clone();
    let connectors = systems::connect(&desk.program, &config, &desk.project.root)?;
    let store = Sqlite::open(&desk.state).map_err(Stopped::environment)?;
    let settings = config.sync.settings();
    let mut deployment =
        Deployment::open(desk.program.clone(), &connectors, Box::new(store), std::sync::Arc::new(Real), settings)
            .map_err(Stopped::environment)?;
    let answer = block_on(async { Ok(deployment.answer(request).await) })?;
    Ok(Answered { format_version: FORMAT_VERSION, via: Via::State, reply: answer.map_err(stopped)? })
}

fn show(it: &Compared) {
    let [left, right] = it.rows;
    output::print_line(&format!("{}: {left} rows left, {right} right, {} pairs, {} differ", it.map, it.pairs, it.differing));
    it.shown.iter().for_each(|text| output::print_line(&format!("  {text}")));
    if let Some(rest) = it.left_after_repair {
        output::print_line(&format!("  after the repair: {rest} differ"));
    }
}
