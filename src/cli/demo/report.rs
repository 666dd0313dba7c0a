//! What the demo says at its end.

use serde::Serialize;

use super::super::output::{self, Format};
use super::super::{Exit, Stopped};
use super::stage::Delays;
use crate::runtime::deployment::Deployment;

/// The whole answer of `--format json`.
#[derive(Serialize)]
struct Report<'a> {
    format_version: u32,
    maps: &'a [Map],
}

/// Figures of one map.
#[derive(Serialize)]
pub struct Map {
    pub map: String,
    pub created: u64,
    pub updated: u64,
    pub skipped: u64,
    /// Values that a conflict policy displaced, and conflicts that wait for a person.
    pub conflicts: u64,
    /// Records that stand still.
    pub errors: u64,
    /// Writes that had no other cause than our own writes, live and when all feeds are read again.
    pub echo_writes: u64,
    /// A full compare found nothing.
    pub agree: bool,
    #[serde(skip)]
    pub deleted: u64,
    #[serde(skip)]
    pub pairs: u64,
    /// The first differences, and why records stand still.
    #[serde(skip)]
    pub remarks: Vec<String>,
}

/// Held records that are shown.
const HELD_SHOWN_MAX: usize = 5;

/// Compares both sides of every map.
pub async fn compare(deployment: &mut Deployment) -> Result<Vec<Map>, Stopped> {
    let mut maps = Vec::new();
    for id in deployment.pipe_ids() {
        let name = deployment.name(id).to_owned();
        let comparison = deployment.compare(id).await.map_err(Stopped::environment)?;
        let figures = deployment.store.figures(&name).map_err(Stopped::environment)?;
        let held = deployment.store.held(&name, HELD_SHOWN_MAX).map_err(Stopped::environment)?;
        let stats = &deployment.stats[id.0];
        let holds = held.into_iter().filter_map(|it| Some(format!("held {}: {}", it.key, it.hold?.message)));
        maps.push(Map {
            created: stats.created,
            updated: stats.updated,
            skipped: stats.skipped,
            conflicts: figures.ledger + figures.conflicts,
            errors: figures.held,
            echo_writes: stats.echo_writes,
            agree: comparison.agrees(),
            deleted: stats.deleted,
            pairs: comparison.pairs,
            remarks: comparison.shown.into_iter().chain(holds).collect(),
            map: name,
        });
    }
    Ok(maps)
}

/// Reads all feeds from their start; whatever is written now is an echo.
pub async fn replay(deployment: &mut Deployment, maps: &mut [Map]) -> Result<(), Stopped> {
    let before: Vec<u64> = deployment.stats.iter().map(|it| it.total_writes()).collect();
    deployment.replay().await.map_err(Stopped::environment)?;
    for (map, (stats, before)) in maps.iter_mut().zip(deployment.stats.iter().zip(before)) {
        map.echo_writes = stats.echo_writes.max(map.echo_writes) + (stats.total_writes() - before);
    }
    Ok(())
}

/// Prints the figures. Anything that is not as it should be makes the demo fail.
pub fn print(format: Format, maps: &[Map], delays: &Delays) -> Exit {
    match format {
        Format::Json => output::print_json(&Report { format_version: 1, maps }),
        Format::Text => print_table(maps, delays),
    }
    for map in maps {
        for remark in &map.remarks {
            eprintln!("{}: {remark}", map.map);
        }
    }
    let is_right = |it: &Map| it.agree && it.errors == 0 && it.echo_writes == 0;
    if maps.iter().all(is_right) { Exit::Success } else { Exit::Partial }
}

fn print_table(maps: &[Map], delays: &Delays) {
    output::print_line(&format!(
        "\n{:<16}{:>9}{:>9}{:>9}{:>9}{:>11}{:>8}{:>6}{:>19}  {}",
        "map", "created", "updated", "deleted", "skipped", "conflicts", "errors", "echo", "delay p50 / p99", "both sides"
    ));
    for map in maps {
        let delay = delays.shares(&map.map);
        let delay =
            delay.map_or_else(|| "-".to_owned(), |[half, most]| format!("{} / {} ms", half.as_millis(), most.as_millis()));
        let verdict = if map.agree { format!("agree ({} pairs)", map.pairs) } else { "DIFFER".to_owned() };
        output::print_line(&format!(
            "{:<16}{:>9}{:>9}{:>9}{:>9}{:>11}{:>8}{:>6}{:>19}  {verdict}",
            map.map, map.created, map.updated, map.deleted, map.skipped, map.conflicts, map.errors, map.echo_writes, delay
        ));
    }
    let all_agree = maps.iter().all(|it| it.agree);
    output::print_line(if all_agree { "\nboth sides agree" } else { "\nthe sides differ" });
}
