//! Places at which a test can end the process, on the spot, as a power failure would.
//!
//! `DWMAP_FAILPOINT=PLACE:N` ends it when PLACE is passed for the N-th time. Without the variable a place costs one look at a
//! value that never changes.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// The variable that arms a place.
pub const VARIABLE: &str = "DWMAP_FAILPOINT";

struct Armed {
    place: String,
    passings_left: AtomicU32,
}

static ARMED: OnceLock<Option<Armed>> = OnceLock::new();

fn armed() -> Option<Armed> {
    let text = std::env::var(VARIABLE).ok()?;
    let (place, count) = text.split_once(':').unwrap_or((&text, "1"));
    Some(Armed { place: place.to_owned(), passings_left: AtomicU32::new(count.parse().ok()?) })
}

/// The process passes the place `WHAT.WHEN`.
pub fn pass(what: &str, when: &str) {
    let Some(armed) = ARMED.get_or_init(armed) else { return };
    let is_here = armed.place.split_once('.') == Some((what, when));
    if is_here && armed.passings_left.fetch_sub(1, Ordering::Relaxed) == 1 {
        std::process::abort();
    }
}
