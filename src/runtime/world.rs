//! The only clock, and the only source of fresh ids.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::engine::flight::Moment;
use crate::engine::link::OpId;
use crate::value::{Timestamp, Uuid};

/// Time and fresh ids. The real one asks the operating system; a test's own is turned by hand.
pub trait World: Send + Sync {
    fn now(&self) -> Timestamp;
    /// Rises in time order (UUIDv7).
    fn fresh_id(&self) -> Uuid;

    /// Random bits that nobody can guess; for tokens, never for ids.
    fn fresh_secret(&self) -> [u8; 16] {
        self.fresh_id().into_bytes()
    }

    fn moment(&self) -> Moment {
        Moment { now: self.now(), op: OpId(self.fresh_id()) }
    }

    /// Time since `earlier`; zero where the clock was turned back.
    fn since(&self, earlier: Timestamp) -> Duration {
        Duration::try_from(self.now().duration_since(earlier)).unwrap_or(Duration::ZERO)
    }
}

/// The operating system's clock and randomness.
#[derive(Clone, Copy, Debug, Default)]
pub struct Real;

#[expect(clippy::disallowed_methods, reason = "this is the one place that may ask")]
impl World for Real {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn fresh_id(&self) -> Uuid {
        Uuid::now_v7()
    }

    fn fresh_secret(&self) -> [u8; 16] {
        Uuid::new_v4().into_bytes()
    }
}

/// A clock that moves a millisecond with every look, and ids that are counted: two runs are equal.
#[derive(Debug, Default)]
pub struct Scripted {
    ticks: AtomicU64,
}

impl Scripted {
    /// Lets time pass.
    pub fn advance(&self, by: Duration) {
        self.ticks.fetch_add(u64::try_from(by.as_millis()).unwrap_or(u64::MAX / 2), Ordering::Relaxed);
    }

    fn tick(&self) -> u64 {
        self.ticks.fetch_add(1, Ordering::Relaxed)
    }
}

impl World for Scripted {
    fn now(&self) -> Timestamp {
        let start = 1_767_225_600_000; // 2026-01-01T00:00:00Z
        let now = start + i64::try_from(self.tick()).expect("a test ends before 292 million years are over");
        Timestamp::from_millisecond(now).expect("a test ends within jiff's range")
    }

    fn fresh_id(&self) -> Uuid {
        uuid::Builder::from_unix_timestamp_millis(self.tick(), &[0; 10]).into_uuid()
    }
}
