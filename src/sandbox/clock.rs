//! The sandbox's time: the wall clock, turned forward by tests.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// The wall clock and what was added to it.
#[derive(Debug, Default)]
pub struct Clock {
    ahead: Duration,
}

impl Clock {
    #[expect(clippy::disallowed_methods, reason = "the sandbox stands for a foreign system, which has a clock of its own")]
    pub fn now(&self) -> Timestamp {
        let now = Timestamp::now();
        SignedDuration::try_from(self.ahead).ok().and_then(|ahead| now.checked_add(ahead).ok()).unwrap_or(now)
    }

    pub fn advance(&mut self, by: Duration) {
        self.ahead = self.ahead.saturating_add(by);
    }

    #[expect(clippy::disallowed_methods, reason = "a foreign system makes its own ids")]
    pub fn new_id(&self) -> uuid::Uuid {
        uuid::Uuid::new_v4()
    }
}
