//! `dwmap demo`: the whole way on one machine. Two simulated systems, the standard maps, a scripted user at each screen.

mod report;
mod script;
mod stage;

use std::time::Duration;

use super::output::Format;
use super::{Result, Stopped, block_on};
use crate::change::Side;
use crate::runtime::live::Shutdown;

#[derive(clap::Args)]
pub struct Args {
    /// Customers in Finance & Operations; the first three are real ones.
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u32).range(10..=1_000_000))]
    customers: u32,
    /// The same seed gives the same rows and the same edits.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Edits that the scripted users make while the systems are kept in step.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(0..=100_000))]
    edits: u32,
    /// End after the report. Otherwise, on a terminal, the systems stay up until Ctrl-C.
    #[arg(long)]
    once: bool,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Rest between two edits of the script.
const EDIT_EVERY: Duration = Duration::from_millis(25);
/// Most times that the demo waits for a last change before it compares what there is.
const CALM_TRIES_MAX: u32 = 10;

pub fn run(args: &Args) -> Result {
    block_on(play(args))
}

async fn play(args: &Args) -> Result {
    let mut stage = stage::Stage::set(args.customers as usize, args.seed).await?;
    eprintln!("Finance & Operations: {}", stage.fo.url());
    eprintln!("Dataverse:            {}", stage.dv.url());
    eprintln!("initial sync; Finance & Operations wins where rows differ");
    stage.deployment.initial(Some(Side::Left)).await.map_err(Stopped::environment)?;
    eprintln!("live sync; {} edits on both sides", args.edits);
    live(args, &mut stage).await?;
    let maps = calm(&mut stage).await?;
    let exit = report::print(args.format, &maps, &stage.delays);
    if !args.once && std::io::IsTerminal::is_terminal(&std::io::stdin()) {
        stay(&mut stage).await?;
    }
    stage.end().await;
    Ok(exit)
}

/// Live sync while the script runs.
async fn live(args: &Args, stage: &mut stage::Stage) -> std::result::Result<(), Stopped> {
    let (ender, shutdown) = Shutdown::new();
    let script = script::Script::new(args.seed, &stage.fo, &stage.dv, &stage.delays);
    let users = async {
        let done = script.play(args.edits, EDIT_EVERY).await;
        tokio::time::sleep(stage.sweep_every).await;
        ender.end();
        done
    };
    let (ran, done) = tokio::join!(stage.deployment.run(shutdown), users);
    ran.map_err(Stopped::environment)?;
    done.map_err(Stopped::environment)
}

/// Lets the last changes through, then compares everything and reads all feeds again.
async fn calm(stage: &mut stage::Stage) -> std::result::Result<Vec<report::Map>, Stopped> {
    eprintln!("comparing both sides");
    let mut maps = Vec::new();
    for _ in 0..CALM_TRIES_MAX {
        // A deleted row is believed gone only after a second look, one sweep later.
        tokio::time::sleep(stage.sweep_every).await;
        stage.deployment.settle().await.map_err(Stopped::environment)?;
        maps = report::compare(&mut stage.deployment).await?;
        if maps.iter().all(|it| it.agree) {
            break;
        }
    }
    eprintln!("reading all feeds again from their start: nothing may be written");
    report::replay(&mut stage.deployment, &mut maps).await?;
    Ok(maps)
}

/// Keeps the systems up and in step, so that a person can try them.
async fn stay(stage: &mut stage::Stage) -> std::result::Result<(), Stopped> {
    eprintln!("\nboth systems stay up and in step; Ctrl-C ends it. For example:\n{}", stage.example());
    let (ender, shutdown) = Shutdown::new();
    let person = async {
        // Without signals nobody can ask for the end; then there is none but the process's own.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        ender.end();
    };
    let (ran, ()) = tokio::join!(stage.deployment.run(shutdown), person);
    ran.map_err(Stopped::environment)
}
