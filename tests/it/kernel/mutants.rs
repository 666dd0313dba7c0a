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
    /// A request whose answer was lost is taken for one that was refused.
    LostTakenForRefused,
    /// A request that came too late is taken for one that took effect.
    LateTakenForWritten,
    /// A change of a row that we made is taken for our own write.
    EchoByAuthor,
    /// What the two sides agreed upon is not on file.
    ShadowsNotKept,
    /// Nobody is told to whom a row belongs that a create has met.
    OwnerNotTold,
    /// A worker that was taken over may change the state.
    NoFence,
    /// The epoch is looked at before the transaction, not in it.
    FencedTooEarly,
    /// A system that compares no versions is not asked for the row before it is written.
    UncheckedWrites,
    /// Fields that win or lose together are decided one by one.
    GroupTornApart,
    /// Open requests keep the numbers that their rules had in the earlier version of the map.
    NotRenumbered,
    /// What was agreed upon by an earlier version of a rule counts for the later one.
    NotMarked,
    /// Nobody looks at the links when another version of the map is taken up.
    NotAskedFor,
    /// Nobody knows that the state is an older copy.
    RestoredBlindly,
    /// A row that is summoned gets a link of its own, whatever link it has.
    SummonedBlindly,
}

impl Mutant {
    pub const ALL: [Self; 31] = [
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
        Self::LostTakenForRefused,
        Self::LateTakenForWritten,
        Self::EchoByAuthor,
        Self::ShadowsNotKept,
        Self::OwnerNotTold,
        Self::NoFence,
        Self::FencedTooEarly,
        Self::UncheckedWrites,
        Self::GroupTornApart,
        Self::NotRenumbered,
        Self::NotMarked,
        Self::NotAskedFor,
        Self::RestoredBlindly,
        Self::SummonedBlindly,
    ];

    /// The map on which the defect shows.
    pub fn case(self) -> Case {
        match self {
            Self::NoWakeUp => Case::Lookup,
            Self::OwnerNotTold => Case::NaturalKey,
            Self::UncheckedWrites => Case::Unguarded,
            Self::GroupTornApart => Case::Grouped,
            Self::NotRenumbered | Self::NotMarked | Self::NotAskedFor => Case::Renewed,
            Self::RestoredBlindly => Case::Restored,
            Self::SummonedBlindly => Case::Summoned,
            _ => Case::Plain,
        }
    }
}
