//! How much is asked of one system at once, and when it is left alone.
//!
//! The window grows by a little with every call that goes well and halves with every one that does not. A system that asks for
//! time gets it to the letter. One that fails again and again is left alone for a while, then asked by a single link: if that
//! goes well, work goes on with a small window, else it is left alone for twice as long. Meanwhile changes wait in the journal.

use std::time::Duration;

use super::round::LINKS_MAX;
use crate::change::{Class, Failure};
use crate::store::desk::LeftAlone;
use crate::value::Timestamp;

/// Links that a system is asked for at once when nothing is known of it, and after it was left alone.
const WINDOW_START: usize = 20;
/// By how much the window grows with a call that went well.
const WINDOW_STEP: usize = 5;
/// Failures in a row after which a system is left alone.
const FAILURES_MAX: u32 = 5;
const LEFT_ALONE_MIN: Duration = Duration::from_secs(2);
const LEFT_ALONE_MAX: Duration = Duration::from_secs(300);
/// A system that refuses our credentials: a person must act first.
const REFUSED: Duration = Duration::from_secs(60);
/// Longest wait that a system is believed to mean.
const ASKED_MAX: Duration = Duration::from_secs(3600);

/// What is known of one system.
#[derive(Clone, Debug)]
pub struct Endpoint {
    window: usize,
    failures: u32,
    /// How often it was left alone without a good call in between.
    shuts: u32,
    shut_until: Option<Timestamp>,
    /// Why it is left alone.
    why: String,
    /// A later process is to leave it alone too. Refused credentials are another matter: a person mends them and starts anew.
    is_lasting: bool,
    /// It asked for the time itself.
    is_asked_for: bool,
}

impl Default for Endpoint {
    fn default() -> Self {
        Self {
            window: WINDOW_START,
            failures: 0,
            shuts: 0,
            shut_until: None,
            why: String::new(),
            is_lasting: false,
            is_asked_for: false,
        }
    }
}

impl Endpoint {
    /// What an earlier process left on file.
    pub fn from_file(it: LeftAlone) -> Self {
        let until = if it.is_asked_for { it.until } else { Timestamp::MIN };
        let (shut_until, is_asked_for) = (Some(until), it.is_asked_for);
        Self { shuts: it.times, shut_until, why: it.why, is_lasting: true, is_asked_for, ..Self::default() }
    }

    /// What a later process must know.
    pub fn to_file(&self) -> Option<LeftAlone> {
        let until = self.shut_until.filter(|_| self.is_lasting)?;
        Some(LeftAlone { until, is_asked_for: self.is_asked_for, times: self.shuts, why: self.why.clone() })
    }

    /// How many links may be worked on now; 1 of a system that was left alone and may be well again.
    pub fn room(&self, now: Timestamp) -> usize {
        match self.shut_until {
            Some(until) if now < until => 0,
            Some(_) => 1,
            None => self.window,
        }
    }

    /// Until when it is left alone, and why.
    pub fn shut(&self, now: Timestamp) -> Option<(Timestamp, &str)> {
        self.shut_until.filter(|it| now < *it).map(|it| (it, self.why.as_str()))
    }

    /// It is left alone because it said so.
    pub fn has_asked_for_time(&self, now: Timestamp) -> bool {
        self.is_asked_for && self.shut(now).is_some()
    }

    pub fn went_well(&mut self) {
        self.failures = 0;
        self.shuts = 0;
        self.window = if self.shut_until.take().is_some() { WINDOW_START } else { self.window + WINDOW_STEP }.min(LINKS_MAX);
    }

    pub fn failed(&mut self, now: Timestamp, failure: &Failure) {
        match failure.class {
            Class::Throttled => {
                self.window = (self.window / 2).max(1);
                self.shut_for(now, failure.retry_after.unwrap_or(LEFT_ALONE_MIN).min(ASKED_MAX), failure);
            }
            Class::Transient => {
                self.window = (self.window / 2).max(1);
                self.failures += 1;
                if self.failures >= FAILURES_MAX || self.shut_until.is_some() {
                    let wait = LEFT_ALONE_MIN.saturating_mul(1 << self.shuts.min(10)).min(LEFT_ALONE_MAX);
                    self.shuts += 1;
                    self.shut_for(now, failure.retry_after.unwrap_or(wait), failure);
                }
            }
            Class::Auth => {
                self.shut_for(now, REFUSED, failure);
                self.is_lasting = false;
            }
            // The request is to blame, not the system.
            Class::Validation | Class::Reference | Class::Conflict | Class::Schema | Class::TooLarge | Class::Bug => {
                self.went_well();
            }
        }
    }

    fn shut_for(&mut self, now: Timestamp, wait: Duration, failure: &Failure) {
        let until = now.checked_add(wait).ok();
        self.shut_until = self.shut_until.max(until);
        self.why.clone_from(&failure.message);
        self.is_lasting = true;
        self.is_asked_for = failure.retry_after.is_some();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + seconds).expect("it is within jiff's range")
    }

    fn failure(class: Class, wait: Option<u64>) -> Failure {
        Failure { retry_after: wait.map(Duration::from_secs), ..Failure::new(class, "no") }
    }

    #[test]
    fn the_window_grows_slowly_and_halves_at_once() {
        let mut endpoint = Endpoint::default();
        (0..3).for_each(|_| endpoint.went_well());
        assert_eq!(endpoint.room(at(0)), WINDOW_START + 3 * WINDOW_STEP);
        endpoint.failed(at(0), &failure(Class::Transient, None));
        assert_eq!(endpoint.room(at(0)), 17);
        (0..100).for_each(|_| endpoint.went_well());
        assert_eq!(endpoint.room(at(0)), LINKS_MAX);
    }

    #[test]
    fn a_system_that_asks_for_time_gets_it_to_the_second() {
        let mut endpoint = Endpoint::default();
        endpoint.failed(at(0), &failure(Class::Throttled, Some(17)));
        assert_eq!((endpoint.room(at(16)), endpoint.room(at(17))), (0, 1));
    }

    #[test]
    fn one_that_fails_again_and_again_is_left_alone_for_longer_each_time() {
        let mut endpoint = Endpoint::default();
        (0..FAILURES_MAX - 1).for_each(|_| endpoint.failed(at(0), &failure(Class::Transient, None)));
        assert_ne!(endpoint.room(at(0)), 0);
        endpoint.failed(at(0), &failure(Class::Transient, None));
        assert_eq!((endpoint.room(at(1)), endpoint.room(at(2))), (0, 1));
        endpoint.failed(at(2), &failure(Class::Transient, None));
        assert_eq!((endpoint.room(at(5)), endpoint.room(at(6))), (0, 1), "the probe failed: four seconds");
        endpoint.went_well();
        assert_eq!(endpoint.room(at(6)), WINDOW_START);
    }

    #[test]
    fn a_later_process_goes_on_where_this_one_left_it_alone() {
        let mut endpoint = Endpoint::default();
        assert_eq!(endpoint.to_file(), None);
        (0..=FAILURES_MAX).for_each(|_| endpoint.failed(at(0), &failure(Class::Transient, None)));
        let mut later = Endpoint::from_file(endpoint.to_file().expect("it is left alone"));
        assert_eq!(later.room(at(0)), 1, "whoever starts anew may have mended it: one link asks");
        later.failed(at(4), &failure(Class::Transient, None));
        assert_eq!((later.room(at(11)), later.room(at(12))), (0, 1), "twice as long as the last time");
        later.went_well();
        assert_eq!(later.to_file(), None);
    }

    #[test]
    fn refused_credentials_are_tried_at_once_by_a_later_process() {
        let mut endpoint = Endpoint::default();
        endpoint.failed(at(0), &failure(Class::Auth, None));
        assert_eq!((endpoint.room(at(1)), endpoint.to_file()), (0, None));
    }

    #[test]
    fn a_refused_row_says_nothing_of_its_system() {
        let mut endpoint = Endpoint::default();
        (0..100).for_each(|_| endpoint.failed(at(0), &failure(Class::Validation, None)));
        assert_eq!(endpoint.room(at(0)), LINKS_MAX);
    }
}
