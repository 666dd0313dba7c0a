//! What the poller of one feed remembers: which rows it has handed out, in which version.
//!
//! It lives as long as the process. What is lost with it is cheap: rows of the overlap come once more, and rows that were
//! deleted while nobody looked are found from the ids that the caller hands to
//! [`remember`](crate::connect::Connector::remember).

use std::collections::HashMap;

use tokio::time::Instant;

use crate::change::{Change, RemoteId, Token, Version};

/// Most rows of a feed that are remembered; beyond it deletes are found by a full compare only.
pub const ROWS_MAX: usize = 2_000_000;

/// One feed's memory.
#[derive(Debug, Default)]
pub struct Memory {
    rows: HashMap<RemoteId, Known>,
    /// What went out with the last page; believed once the caller comes back with its token, which shows that it was stored.
    handed: Option<Handed>,
    /// All rows of the system are in here.
    pub is_complete: bool,
    pub swept_at: Option<Instant>,
    sweep: u64,
}

#[derive(Debug)]
struct Handed {
    token: Token,
    /// `None`: the row is gone.
    rows: Vec<(RemoteId, Option<Version>)>,
}

#[derive(Debug, Default)]
struct Known {
    /// `None`: the id is known from elsewhere.
    version: Option<Version>,
    /// The last sweep that saw it.
    sweep: u64,
}

impl Memory {
    /// The caller comes with this token: what went out with it has arrived.
    pub fn arrive(&mut self, after: &Token) {
        let Some(Handed { token, rows }) = self.handed.take() else { return };
        if token != *after {
            return;
        }
        for (id, version) in rows {
            match version {
                Some(_) => self.note(id, version),
                None => {
                    self.rows.remove(&id);
                }
            }
        }
    }

    pub fn hand_out(&mut self, token: &Token, changes: &[Change]) {
        let row = |it: &Change| match it {
            Change::Upsert(seen) => (seen.id.clone(), Some(seen.version.clone())),
            Change::Delete { id } => (id.clone(), None),
        };
        self.handed = Some(Handed { token: token.clone(), rows: changes.iter().map(row).collect() });
    }

    /// The row has gone out in this version.
    pub fn has(&self, id: &RemoteId, version: &Version) -> bool {
        self.rows.get(id).is_some_and(|it| it.version.as_ref() == Some(version))
    }

    fn note(&mut self, id: RemoteId, version: Option<Version>) {
        if self.rows.len() < ROWS_MAX || self.rows.contains_key(&id) {
            let sweep = self.sweep;
            self.rows.insert(id, Known { version, sweep });
        }
    }

    /// Ids that are known from elsewhere.
    pub fn add(&mut self, ids: &[RemoteId]) {
        for id in ids {
            if !self.rows.contains_key(id) {
                self.note(id.clone(), None);
            }
        }
    }

    pub fn begin_sweep(&mut self) {
        self.sweep += 1;
    }

    /// A row that the sweep saw. Answers whether it went out in another version, or never.
    pub fn sweep_over(&mut self, id: RemoteId, version: Version) -> bool {
        let sweep = self.sweep;
        if let Some(known) = self.rows.get_mut(&id) {
            known.sweep = sweep;
            return *known.version.get_or_insert(version.clone()) != version;
        }
        if !self.is_complete {
            self.note(id, Some(version));
            return false;
        }
        true
    }

    /// Rows that the sweep did not see; at most `limit`, in order.
    pub fn unseen(&self, limit: usize) -> Vec<RemoteId> {
        let mut ids: Vec<_> = self.rows.iter().filter(|(_, it)| it.sweep != self.sweep).map(|(id, _)| id.clone()).collect();
        ids.sort_unstable();
        ids.truncate(limit);
        ids
    }
}
