//! How each promise of a rule was decided.

use serde::{Deserialize, Serialize};

/// How one promise was decided, strongest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Certificate {
    /// One way: nothing to prove.
    OneWay,
    /// By construction.
    Proved,
    /// Every value was tried.
    Enumerated { cases: u64 },
    /// Hard values were tried, and none broke it.
    Tested { cases: u64, seed: u64 },
    /// The author's word, or watched at run time.
    Assumed,
}

/// How sure a certificate makes; a later one is surer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Strength {
    Assumed,
    Tested,
    Enumerated,
    Proved,
}

/// The four promises of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Law {
    /// What a side is written to hold is what it then shows.
    Section,
    /// What a store does to a value behind our back is not taken for an edit.
    Absorption,
    /// Nobody else writes the rule's fields for the same row, and no field follows from itself.
    Independence,
    /// A write leaves the row in its scope, with its guard true and its key as it was.
    Stability,
}

/// How each promise of one rule was decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Laws {
    pub section: Certificate,
    pub absorption: Certificate,
    pub independence: Certificate,
    pub stability: Certificate,
}

impl Certificate {
    pub fn strength(&self) -> Strength {
        match self {
            Self::OneWay | Self::Proved => Strength::Proved,
            Self::Enumerated { .. } => Strength::Enumerated,
            Self::Tested { .. } => Strength::Tested,
            Self::Assumed => Strength::Assumed,
        }
    }
}

impl std::fmt::Display for Certificate {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::OneWay => out.write_str("one way, nothing to prove"),
            Self::Proved => out.write_str("proved"),
            Self::Enumerated { cases } => write!(out, "enumerated ({cases} cases, all there are)"),
            Self::Tested { cases, seed } => write!(out, "tested ({cases} cases, seed {seed})"),
            Self::Assumed => out.write_str("assumed"),
        }
    }
}

impl Law {
    pub const ALL: [Law; 4] = [Law::Section, Law::Absorption, Law::Independence, Law::Stability];

    /// The law's number and name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Section => "L1 section",
            Self::Absorption => "L2 absorption",
            Self::Independence => "L3 independence",
            Self::Stability => "L4 stability",
        }
    }
}

impl Laws {
    /// All four decided in the same way.
    pub fn all(certificate: Certificate) -> Self {
        Self {
            section: certificate.clone(),
            absorption: certificate.clone(),
            independence: certificate.clone(),
            stability: certificate,
        }
    }

    pub fn get(&self, law: Law) -> &Certificate {
        match law {
            Law::Section => &self.section,
            Law::Absorption => &self.absorption,
            Law::Independence => &self.independence,
            Law::Stability => &self.stability,
        }
    }

    /// The law that is least sure.
    pub fn weakest(&self) -> (Law, &Certificate) {
        let all = Law::ALL.map(|law| (law, self.get(law)));
        all.into_iter().min_by_key(|(_, it)| it.strength()).expect("there are four laws")
    }
}
