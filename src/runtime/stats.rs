//! What a run has done so far, map by map.

use std::time::Duration;

use hdrhistogram::Histogram;

use super::pipe::Landed;
use super::world::World;
use crate::change::Sides;

/// Longest delay that is told apart; longer ones count as this.
const DELAY_MAX: Duration = Duration::from_secs(3600);

/// Counts of one map since the run began.
#[derive(Clone, Debug)]
pub struct Stats {
    pub created: u64,
    pub updated: u64,
    pub deleted: u64,
    /// Rows and changes that asked for no write.
    pub skipped: u64,
    /// Writes that had no other cause than our own writes coming back. Anything but 0 is a defect.
    pub echo_writes: u64,
    /// Requests that changed a system, by side.
    pub writes: Sides<u64>,
    /// From the moment a change was seen to the end of what it caused, in microseconds.
    delays: Histogram<u64>,
}

impl Default for Stats {
    fn default() -> Self {
        let longest = u64::try_from(DELAY_MAX.as_micros()).expect("an hour in microseconds fits");
        let delays = Histogram::new_with_bounds(1, longest, 2).expect("the bounds are in order");
        Self { created: 0, updated: 0, deleted: 0, skipped: 0, echo_writes: 0, writes: Sides::default(), delays }
    }
}

impl Stats {
    /// Takes in a finished reconcile.
    pub fn count(&mut self, landed: &Landed, world: &dyn World) {
        let tally = &landed.tally;
        let sum = |it: &Sides<u32>| u64::from(it.0[0]) + u64::from(it.0[1]);
        let writes = sum(&tally.created) + sum(&tally.updated) + sum(&tally.deleted);
        self.created += sum(&tally.created);
        self.updated += sum(&tally.updated);
        self.deleted += sum(&tally.deleted);
        for (side, own) in [&tally.created, &tally.updated, &tally.deleted].iter().flat_map(|it| it.iter()) {
            self.writes[side] += u64::from(*own);
        }
        if landed.cause.is_echo {
            self.echo_writes += writes;
        } else if writes == 0 && tally.held.is_none() {
            self.skipped += 1;
        }
        if let Some(since) = landed.cause.since.filter(|_| writes > 0) {
            let micros = u64::try_from(world.since(since).as_micros()).unwrap_or(u64::MAX);
            self.delays.saturating_record(micros.max(1));
        }
    }

    /// The delay that this share (0 to 1) of the changes did not exceed; `None` before the first.
    pub fn delay(&self, share: f64) -> Option<Duration> {
        (!self.delays.is_empty()).then(|| Duration::from_micros(self.delays.value_at_quantile(share)))
    }

    pub fn total_writes(&self) -> u64 {
        self.writes.0[0] + self.writes.0[1]
    }
}
