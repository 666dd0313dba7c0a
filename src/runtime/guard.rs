//! Stops a map that is about to delete or change too much at once: somebody emptied a table, or moved a filter.
//!
//! What is stopped was not sent and is not forgotten: its changes wait in the journal until a person lets the map go on.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde::Deserialize;

use super::pipe::PipeId;
use crate::change::Side;
use crate::value::Timestamp;

/// Over how long writes are counted, and for how long a map that was let go on is not stopped again.
pub const WINDOW: Duration = Duration::from_secs(600);
/// Most writes of one map and side that are counted.
const COUNTED_MAX: usize = 100_000;

/// How much is too much, in ten minutes, on one side of a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bound {
    /// More than this share of the map's links…
    pub percent: u64,
    /// … if it is also more than this.
    pub at_least: u64,
    /// More than this in any case.
    pub at_most: u64,
}

/// What a map may do at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guards {
    pub deletes: Option<Bound>,
    /// Changes of rows that are there. Off unless asked for: a new price list is no accident.
    pub changes: Option<Bound>,
}

impl Default for Guards {
    fn default() -> Self {
        Self { deletes: Some(Bound { percent: 2, at_least: 10, at_most: 1_000 }), changes: None }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Deed {
    Delete,
    Change,
}

/// The writes of the last minutes.
#[derive(Default)]
pub struct Guard {
    pub guards: Guards,
    counted: BTreeMap<(PipeId, Side, Deed), VecDeque<Timestamp>>,
    released: BTreeMap<PipeId, Timestamp>,
}

impl Guard {
    pub fn new(guards: Guards) -> Self {
        Self { guards, ..Self::default() }
    }

    /// A person has looked: the map goes on, and is not stopped again for a while.
    pub fn release(&mut self, pipe: PipeId, now: Timestamp) {
        self.counted.retain(|(counted, ..), _| *counted != pipe);
        if let Ok(until) = now.checked_add(WINDOW) {
            self.released.insert(pipe, until);
        }
    }

    /// Maps have other numbers now, or are gone.
    pub fn renumber(&mut self, place: impl Fn(PipeId) -> Option<PipeId>) {
        let counted = std::mem::take(&mut self.counted).into_iter();
        self.counted = counted.filter_map(|((pipe, side, deed), it)| Some(((place(pipe)?, side, deed), it))).collect();
        let released = std::mem::take(&mut self.released).into_iter();
        self.released = released.filter_map(|(pipe, until)| Some((place(pipe)?, until))).collect();
    }

    /// Counts a write that is about to be made. The reason, if it must not be. `links`: how many links the map has.
    pub fn stops(
        &mut self,
        (pipe, side, deed): (PipeId, Side, Deed),
        now: Timestamp,
        links: impl FnOnce() -> u64,
    ) -> Option<String> {
        let bound = match deed {
            Deed::Delete => self.guards.deletes,
            Deed::Change => self.guards.changes,
        }?;
        if self.released.get(&pipe).is_some_and(|until| now < *until) {
            return None;
        }
        let counted = self.counted.entry((pipe, side, deed)).or_default();
        while counted.front().is_some_and(|it| Duration::try_from(now.duration_since(*it)).is_ok_and(|age| age > WINDOW)) {
            counted.pop_front();
        }
        let count = counted.len() as u64 + 1;
        if count > bound.at_least && (count > bound.at_most || count * 100 > links() * bound.percent) {
            return Some(describe(side, deed, count));
        }
        if counted.len() < COUNTED_MAX {
            counted.push_back(now);
        }
        None
    }
}

fn describe(side: Side, deed: Deed, count: u64) -> String {
    let side = side.word();
    let deed = match deed {
        Deed::Delete => "deleted",
        Deed::Change => "changed",
    };
    format!(
        "{count} rows would be {deed} on the {side} within ten minutes, which is more than the map may; look at them, then resume the map"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + seconds).expect("it is within jiff's range")
    }

    fn deletes(guard: &mut Guard, count: u64, seconds: i64, links: u64) -> u64 {
        let delete = (PipeId(0), Side::Right, Deed::Delete);
        (0..count).filter(|_| guard.stops(delete, at(seconds), || links).is_none()).count() as u64
    }

    #[test]
    fn a_share_of_the_links_is_too_much_if_it_is_more_than_a_handful() {
        assert_eq!(deletes(&mut Guard::default(), 50, 0, 100), 10);
        assert_eq!(deletes(&mut Guard::default(), 50, 0, 1_000), 20);
    }

    #[test]
    fn a_thousand_is_too_much_of_anything() {
        assert_eq!(deletes(&mut Guard::default(), 5_000, 0, 10_000_000), 1_000);
    }

    #[test]
    fn what_was_deleted_long_ago_does_not_count_and_a_release_lets_the_rest_pass() {
        let mut guard = Guard::default();
        assert_eq!(deletes(&mut guard, 10, 0, 10), 10);
        assert_eq!(deletes(&mut guard, 11, 601, 10), 10);
        guard.release(PipeId(0), at(602));
        assert_eq!(deletes(&mut guard, 3_000, 603, 10), 3_000);
        assert_eq!(deletes(&mut guard, 3_000, 1_300, 10), 10, "it is on guard again");
    }

    #[test]
    fn changes_are_not_counted_unless_somebody_asks() {
        let change = (PipeId(0), Side::Left, Deed::Change);
        assert!((0..5_000).all(|_| Guard::default().stops(change, at(0), || 1).is_none()));
    }
}
