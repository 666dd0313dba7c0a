//! One map with the two systems that it keeps in step.

use std::sync::Arc;

use crate::change::{LinkId, RemoteId, Side, Sides, Version};
use crate::connect::Connector;
use crate::engine::flight::{Event, Flight, Tally};
use crate::engine::link::Link;
use crate::interp::Prepared;
use crate::value::Timestamp;

/// A plan and its connectors.
#[derive(Clone)]
pub struct Pipe {
    pub plan: Arc<Prepared>,
    pub systems: Sides<Arc<dyn Connector>>,
}

/// A pipe of the deployment, by its place in the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PipeId(pub usize);

/// A reconcile to be carried out, and what called for it.
pub struct Job {
    pub pipe: PipeId,
    pub flight: Flight,
    /// What the flight hears next.
    pub event: Event,
    pub cause: Cause,
    /// The sides that the last call was made to, and the one that failed.
    pub asked: Sides<bool>,
    pub failed_at: Option<Side>,
}

/// What called for a reconcile.
#[derive(Clone, Debug, Default)]
pub struct Cause {
    /// Journal entries that are finished by it, if it sees what they tell.
    pub entries: Vec<Told>,
    /// The rows that these entries speak of.
    pub rows: Vec<(Side, RemoteId)>,
    /// When the oldest of them was seen.
    pub since: Option<Timestamp>,
    /// Nothing but our own writes coming back.
    pub is_echo: bool,
    /// Somebody asked to look at this link.
    pub is_asked: bool,
}

/// What a feed told of a row, in one entry of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    pub side: Side,
    pub seq: u64,
    pub row: RemoteId,
    /// `None`: that it is gone.
    pub version: Option<Version>,
    /// When a look first did not show it.
    pub unconfirmed_since: Option<Timestamp>,
}

impl Job {
    pub fn new(pipe: PipeId, flight: Flight, cause: Cause) -> Self {
        Self { pipe, flight, event: Event::Begin, cause, asked: Sides::default(), failed_at: None }
    }

    pub fn link(&self) -> LinkId {
        self.flight.link().id
    }
}

/// A finished reconcile.
pub struct Landed {
    pub pipe: PipeId,
    pub link: Link,
    pub tally: Tally,
    pub cause: Cause,
}
