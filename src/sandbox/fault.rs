//! Injected faults: what the network and an overloaded system do, on demand.

use std::collections::VecDeque;

use serde::Deserialize;

/// Most faults that wait.
const FAULTS_MAX: usize = 10_000;

/// What happens instead of, or after, the true answer.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// 429; `retry_after` is the header's text (seconds or an HTTP date), `None`: no header.
    Throttle { retry_after: Option<String> },
    /// This status with an error body.
    Status(u16),
    /// This refusal, in the system's own form.
    Refuse { status: u16, code: String, message: String },
    /// This status with a page of HTML, as a gateway sends it.
    Html(u16),
    /// The request takes effect, then the connection breaks.
    ResetAfterCommit,
    /// The request takes effect, and half of the answer arrives.
    Truncated,
    /// The token is refused once, although it is good.
    Unauthorized,
    /// Next links point at this host.
    ForeignNextLink(String),
    /// The next link leads to the same page again.
    EndlessPages,
    /// The header `Prefer` is passed over in silence, as some servers do.
    IgnoresPreferences,
    /// The header `Prefer` is passed over, and a user sets this field of the row right after the answer was made.
    EditAfter { field: String, value: String },
}

/// Which requests a fault waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    Any,
    Reads,
    Writes,
}

/// Faults that wait for their request.
#[derive(Debug, Default)]
pub struct Faults {
    waiting: VecDeque<(Target, Fault)>,
}

impl Faults {
    pub fn new(faults: Vec<(Target, Fault)>) -> Self {
        Self { waiting: faults.into() }
    }

    pub fn add(&mut self, count: usize, target: Target, fault: &Fault) {
        let room = FAULTS_MAX.saturating_sub(self.waiting.len());
        self.waiting.extend(std::iter::repeat_n((target, fault.clone()), count.min(room)));
    }

    /// The fault for a request that comes now.
    pub fn take(&mut self, is_write: bool) -> Option<Fault> {
        let fits = |target: Target| match target {
            Target::Any => true,
            Target::Reads => !is_write,
            Target::Writes => is_write,
        };
        let index = self.waiting.iter().position(|(target, _)| fits(*target))?;
        self.waiting.remove(index).map(|(_, fault)| fault)
    }
}
