//! A test that cannot fail shows nothing: each piece of the checker's argument is taken away in turn, and the soundness test must
//! see a broken promise among the maps that are then accepted.

use dwmap::check::premise::{Premise, Premises};

use super::Report;
use super::families::Family;

/// Maps until the fault is seen.
const MAPS_MAX: u64 = 500;

/// What is taken away, and the family of rules that shows it.
const FAULTS: &[(Premise, Family)] = &[
    (Premise::Section, Family::Canon),
    (Premise::Rest, Family::Mixed),
    (Premise::OneWrite, Family::Mixed),
    (Premise::Distinction, Family::Retract),
    (Premise::Stores, Family::Affixed),
    (Premise::Affixes, Family::Canon),
    (Premise::Parts, Family::Tuple),
    (Premise::Forgetting, Family::Retract),
    (Premise::Joining, Family::Joined),
    (Premise::Constants, Family::Affixed),
    (Premise::Letters, Family::Mixed),
    (Premise::Lengths, Family::Resized),
    (Premise::Digits, Family::Resized),
    (Premise::Growth, Family::Canon),
    (Premise::Sum, Family::Joined),
    (Premise::Nulls, Family::Plain),
    (Premise::NullDates, Family::Dates),
    (Premise::Coverage, Family::Members),
    (Premise::OpenSets, Family::Members),
    (Premise::Instants, Family::Dates),
    (Premise::Writers, Family::Twins),
    (Premise::Image, Family::Filtered),
    (Premise::Missing, Family::Referred),
    (Premise::Laws, Family::Canon),
];

/// The first map on which the fault is seen.
fn seen(missing: Premise, family: Family) -> Option<u64> {
    (0..MAPS_MAX).find(|seed| {
        let is_broken = |premises: Premises| {
            let mut report = Report::default();
            report.add(*seed, Some(family), premises);
            !report.broken.is_empty()
        };
        is_broken(Premises::without(missing)) && !is_broken(Premises::default())
    })
}

#[test]
fn every_piece_that_is_taken_away_is_missed() {
    let mut unseen = Vec::new();
    for (missing, family) in FAULTS {
        match seen(*missing, *family) {
            Some(seed) => println!("without {missing:?}: seen at map {seed} of {family:?}"),
            None => unseen.push(format!("{missing:?}")),
        }
    }
    assert!(unseen.is_empty(), "not seen: {}", unseen.join(", "));
}
