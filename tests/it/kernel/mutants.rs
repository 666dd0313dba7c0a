//! Broken surroundings and broken engines: the same model must notice each of them.

use super::plans::Case;

/// One broken rule. They are played at the boundary of the engine, so that the product has no switch for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// The target ignores the expected version.
    NoIfMatch,
    /// The feed's position is released before the work is done.
    OffsetBeforeCommit,
    /// Creates carry no correlation id.
    NoCorrelation,
    /// One common shadow instead of one per side.
    SingleShadow,
    NoLedger,
    /// A new worker does not read the intents of links.
    IntentsDroppedAtLoad,
    /// A create is sent again with the source as it is now.
    CreatePayloadNotKept,
    /// A row that carries the id of a dead link is left alone.
    NoTombstoneRouting,
    /// An intent is dropped although the version has not moved.
    OpenIntentForgotten,
    /// The target's shadow is what was sent, not what was returned.
    ShadowFromSent,
    /// Held links are never tried again.
    HoldsIgnored,
    /// The version is newer than the content that was decided on.
    StaleContent,
    /// The intent becomes durable only after the request.
    SentBeforeDurable,
    /// A refused request is sent again with the row's new version.
    BlindRetry,
    /// A row that carries the id of a link that waits for it gets a link of its own.
    TwinGetsOwnLink,
    /// Nobody is told that the row that they wait for is there.
    NoWakeUp,
    /// The ledger is written after the link, not together with it.
    LedgerAfterLink,
}

impl Mutant {
    pub const ALL: [Self; 17] = [
        Self::NoIfMatch,
        Self::OffsetBeforeCommit,
        Self::NoCorrelation,
        Self::SingleShadow,
        Self::NoLedger,
        Self::IntentsDroppedAtLoad,
        Self::CreatePayloadNotKept,
        Self::NoTombstoneRouting,
        Self::OpenIntentForgotten,
        Self::ShadowFromSent,
        Self::HoldsIgnored,
        Self::StaleContent,
        Self::SentBeforeDurable,
        Self::BlindRetry,
        Self::TwinGetsOwnLink,
        Self::NoWakeUp,
        Self::LedgerAfterLink,
    ];

    /// The map on which the defect shows.
    pub fn case(self) -> Case {
        if self == Self::NoWakeUp { Case::Lookup } else { Case::Plain }
    }
}
