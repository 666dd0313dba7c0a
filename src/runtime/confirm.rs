//! Whether a look showed what the feed had told of a row.
//!
//! Some systems answer reads from a copy that lags behind their own feed. An entry of the journal is finished only when a
//! look has shown the version that it tells, or a newer one; until then the row is looked at again, for so long as such a copy
//! may lag. A version that is never seen in that time was overtaken by a later one, which the feed tells by itself.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::time::Duration;

use super::pipe::{Landed, Pipe, Told};
use crate::change::{LinkId, Side, Version};
use crate::connect::Connector;
use crate::engine::link::Link;
use crate::store::Kept;
use crate::value::Timestamp;

/// Longest time that a read may lag behind what the system has told or shown before.
pub const STALE_MAX: Duration = Duration::from_secs(30);
/// Shortest wait before a row is looked at again.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Most rows that are remembered as stale; then all are forgotten.
const STALE_ROWS_MAX: usize = 100_000;

/// Why a row was not taken as it was read.
pub const STALE: &str = "the system answered with an older state of the row than it showed before; looking again";

/// The entry is not finished by this reconcile: when to look again.
pub fn keep(pipe: &Pipe, landed: &Landed, told: &Told, now: Timestamp) -> Option<Kept> {
    let system = pipe.systems[told.side].as_ref();
    let mut looks = landed.tally.saw.iter().filter(|(side, row, _)| *side == told.side && *row == told.row).peekable();
    let (due, since) = if looks.peek().is_none() {
        (unseen_until(landed, now)?, told.unconfirmed_since)
    } else if looks.any(|(_, _, version)| is_confirmed(system, told.version.as_ref(), version.as_ref())) {
        return None;
    } else {
        let since = told.unconfirmed_since.unwrap_or(now);
        (next_look(since, now)?, Some(since))
    };
    Some(Kept { plan: pipe.plan.name.clone(), side: told.side, seq: told.seq, due, since })
}

/// Nobody could look: with the link's next try. A link that is not tried again by itself stands on file, and a person acts.
fn unseen_until(landed: &Landed, now: Timestamp) -> Option<Timestamp> {
    match &landed.link.hold {
        Some(hold) => hold.retry_at,
        None => now.checked_add(LOOK_AGAIN).ok(),
    }
}

fn is_confirmed(system: &dyn Connector, told: Option<&Version>, seen: Option<&Version>) -> bool {
    match (told, seen) {
        (Some(told), Some(seen)) => told == seen || system.order(told, seen) == Some(Ordering::Less),
        (told, seen) => told == seen,
    }
}

/// After one second, two, four, …, and for the last time when no read can lag so far any more. `None`: that was it.
fn next_look(since: Timestamp, now: Timestamp) -> Option<Timestamp> {
    let waited = Duration::try_from(now.duration_since(since)).unwrap_or(Duration::ZERO);
    if waited >= STALE_MAX {
        return None;
    }
    let last = since.checked_add(STALE_MAX).ok()?;
    let next = now.checked_add(waited.max(LOOK_AGAIN)).ok()?;
    Some(next.min(last))
}

/// Rows that are read in an older state than before, and since when.
#[derive(Default)]
pub struct StaleReads {
    since: HashMap<(LinkId, Side), Timestamp>,
}

impl StaleReads {
    /// The read shows the row as it was before it was last compared. A system that goes on with it for long was put back to an
    /// older state as a whole, and is believed then.
    pub fn is_stale(&mut self, system: &dyn Connector, link: &Link, side: Side, seen: &Version, now: Timestamp) -> bool {
        let expected = link.intents.iter().filter(|it| it.side == side).filter_map(|it| it.expected.as_ref());
        let mut known = link.versions[side].iter().chain(expected);
        if !known.any(|it| system.order(it, seen) == Some(Ordering::Greater)) {
            self.since.remove(&(link.id, side));
            return false;
        }
        if self.since.len() >= STALE_ROWS_MAX {
            self.since.clear();
        }
        let since = *self.since.entry((link.id, side)).or_insert(now);
        !Duration::try_from(now.duration_since(since)).is_ok_and(|it| it >= STALE_MAX)
    }
}
