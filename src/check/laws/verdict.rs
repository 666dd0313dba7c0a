//! What trials found, kept so that rules that look alike are tried once.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};

use super::alone::Alone;
use super::samples;
use super::trial::{Finding, Trial};
use crate::change::{Side, Sides};
use crate::check::premise::Premises;
use crate::ir::{Certificate, Plan, RuleId};

/// Most verdicts that are kept; a rule that looks like none of them is tried each time.
const KEPT_MAX: usize = 100_000;

/// What a rule's text says of it, and what the checker relies on.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Claim {
    /// The arrow claims that nothing is lost.
    pub is_lossless: bool,
    /// The side is read through a canoniser of the file.
    pub is_canon: Sides<bool>,
    pub premises: Premises,
}

/// What came of a trial.
#[derive(Clone)]
pub struct Verdict {
    pub tried: Certificate,
    pub finding: Option<Finding>,
}

/// All that a trial depends on: the claim, the sides that refer, and the SHA-256 of the canonical form of the plan of the rule alone.
type Key = (Claim, Vec<Side>, [u8; 32]);

/// Verdicts by what they depend on. A verdict is worked out from its key and nothing else, so it holds in any map and any run.
#[derive(Default)]
pub struct Verdicts {
    kept: Mutex<HashMap<Key, Verdict>>,
}

impl Verdicts {
    /// The verdict on a two-way rule; its records are of the map's shapes.
    pub fn of(&self, plan: &Plan, id: RuleId, claim: Claim) -> Verdict {
        let alone = Alone::new(plan, id);
        if !alone.is_apart() {
            return tried(&alone, &claim);
        }
        let key = (claim.clone(), alone.referring.clone(), fingerprint(&alone.plan));
        let known = self.kept.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        let verdict = known.unwrap_or_else(|| {
            let verdict = tried(&alone, &claim);
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            if kept.len() < KEPT_MAX {
                kept.insert(key, verdict.clone());
            }
            verdict
        });
        Verdict { finding: verdict.finding.map(|it| it.with_records(|side, record| alone.in_map(side, record))), ..verdict }
    }
}

fn fingerprint(plan: &Plan) -> [u8; 32] {
    let text = serde_json::to_vec(plan).expect("a plan has no map with keys that JSON cannot hold");
    Sha256::digest(&text).into()
}

/// Tries a rule alone.
pub(super) fn tried(alone: &Alone, claim: &Claim) -> Verdict {
    let trial = Trial::new(alone, claim.premises);
    let tried = match (trial.cases(), trial.is_complete) {
        (0, _) => Certificate::Assumed,
        (cases, true) => Certificate::Enumerated { cases },
        (cases, false) => Certificate::Tested { cases, seed: samples::SEED },
    };
    Verdict { tried, finding: trial.run(claim.is_lossless, &claim.is_canon) }
}
