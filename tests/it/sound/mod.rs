//! The law engine is believed only as far as this goes: random schemas, stores and maps are compiled by the real checker, and
//! what it accepts is run through the real interpreter. An accepted rule that breaks its promise is an error of the checker.

mod case;
pub mod dice;
mod families;
mod faults;
mod judge;
mod printed;
mod refused;
mod values;
mod world;
mod written;

use std::collections::BTreeMap;

use case::Case;
use dice::Dice;
use dwmap::check::premise::Premises;
use dwmap::check::{self, Checked, Given, NoSchemas};
use dwmap::diag::{Diagnostic, Diagnostics, Severity};
use dwmap::source::Sources;
use dwmap::syntax;
use families::Family;
use judge::{Broken, Judge};

/// Maps of a short run.
const MAPS: u64 = if cfg!(debug_assertions) { 400 } else { 2_000 };
/// Maps of each family alone.
const MAPS_OF_FAMILY: u64 = if cfg!(debug_assertions) { 30 } else { 150 };
/// Maps that broke a promise once, of all families.
const BROKE_ONCE: &[u64] = &[166_728, 212_889, 392_213, 443_001];
/// Of a hundred rules so many are right at least; else the test would try little.
const ACCEPTED_PERCENT: u64 = 60;
/// So many failures are shown.
const SHOWN_MAX: usize = 60;

fn compile(text: &str, premises: Premises) -> (Checked, Vec<Diagnostic>) {
    let mut sources = Sources::default();
    let file = sources.add("case.dwmap", text).expect("a case is short");
    let mut diags = Diagnostics::default();
    let tree = syntax::parse(&sources, file, &mut diags);
    let files = [tree];
    let project = check::uses::among(&files, &sources, &mut diags);
    let checked = check::check_project(&project, &Given { premises, ..Given::default() }, &sources, &NoSchemas, &mut diags);
    (checked, diags.sorted())
}

/// The rules that an error names.
fn refused(case: &Case, found: &[Diagnostic]) -> Vec<usize> {
    let is_refused = |label: &str| {
        let mut errors = found.iter().filter(|it| it.severity == Severity::Error);
        let own = format!("`own_{label}`");
        errors.any(|it| it.rule.as_deref().is_some_and(|rule| rule.starts_with(label)) || it.message.contains(&own))
    };
    (0..case.rules.len()).filter(|it| is_refused(&case.rules[*it].label)).collect()
}

/// What became of the rules of one family.
#[derive(Default, Clone, Copy)]
struct Count {
    rules: u64,
    accepted: u64,
}

#[derive(Default)]
struct Report {
    counts: BTreeMap<Family, Count>,
    edits: u64,
    writes: u64,
    refused: u64,
    broken: Vec<String>,
    unplanned: Vec<String>,
}

impl Report {
    /// One map: what the checker refuses is taken out, the rest is run.
    fn add(&mut self, seed: u64, family: Option<Family>, premises: Premises) {
        let mut case = Case::draw(seed, family);
        let families: Vec<Family> = case.rules.iter().filter_map(|it| it.family).collect();
        families.iter().for_each(|it| self.counts.entry(*it).or_default().rules += 1);
        let (mut checked, mut found) = compile(&case.text(), premises);
        // One mistake hides what may follow from it, so a second look can find more.
        loop {
            let wrong = refused(&case, &found);
            if wrong.is_empty() {
                break;
            }
            let mut index = 0;
            case.rules.retain(|_| {
                index += 1;
                !wrong.contains(&(index - 1))
            });
            if case.rules.is_empty() {
                return;
            }
            (checked, found) = compile(&case.text(), premises);
        }
        let Some(plan) = checked.program.plan("M").map(|(_, plan)| plan) else {
            let errors = found.iter().filter(|it| it.severity == Severity::Error);
            let errors: Vec<String> = errors.map(|it| format!("{} {}", it.code, it.message)).collect();
            self.unplanned.push(format!("seed {seed} of {family:?}: {}\n{}", errors.join("\n"), case.text()));
            return;
        };
        case.rules.iter().filter_map(|it| it.family).for_each(|it| self.counts.entry(it).or_default().accepted += 1);
        match Judge::new(&case, plan).run(&mut Dice::new(!seed)) {
            Ok(tally) => {
                self.edits += tally.edits;
                self.writes += tally.writes;
                self.refused += tally.refused;
            }
            Err(Broken { promise, trace }) => {
                self.broken.push(format!(
                    "seed {seed}: {promise} {:?}\n  {}\n{}",
                    case.rules.iter().map(|it| it.family).collect::<Vec<_>>(),
                    trace.join("\n  "),
                    case.text()
                ));
            }
        }
    }

    fn total(&self) -> Count {
        let sum = |part: fn(&Count) -> u64| self.counts.values().map(part).sum();
        Count { rules: sum(|it| it.rules), accepted: sum(|it| it.accepted) }
    }
}

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|it| it.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

#[test]
fn what_the_checker_accepts_keeps_its_promises() {
    let mut report = Report::default();
    let chosen = setting("DWMAP_SEED");
    let family = std::env::var("DWMAP_FAMILY").ok().map(|name| {
        let named = Family::ALL.iter().find(|it| format!("{it:?}") == name);
        *named.unwrap_or_else(|| panic!("{name} is no family: {:?}", Family::ALL))
    });
    let seeds = match chosen {
        Some(seed) => seed..seed + 1,
        None => {
            let first = setting("DWMAP_FIRST").unwrap_or(0);
            first..first + setting("DWMAP_TRIALS").map_or(MAPS, |it| it / 2)
        }
    };
    seeds.clone().for_each(|seed| report.add(seed, family, Premises::default()));
    let mut maps = seeds.end - seeds.start;
    if chosen.is_none() && family.is_none() {
        for family in Family::ALL {
            (0..MAPS_OF_FAMILY).for_each(|seed| report.add(seed, Some(*family), Premises::default()));
            maps += MAPS_OF_FAMILY;
        }
        BROKE_ONCE.iter().for_each(|seed| report.add(*seed, None, Premises::default()));
        maps += BROKE_ONCE.len() as u64;
    }
    let total = report.total();
    for (family, count) in &report.counts {
        println!("{family:?}: {} of {} rules accepted", count.accepted, count.rules);
    }
    println!(
        "{} of {} rules accepted in {maps} maps; {} edits, {} writes, {} refused; {} violations",
        total.accepted,
        total.rules,
        report.edits,
        report.writes,
        report.refused,
        report.broken.len()
    );
    let shown = |all: &[String]| all.iter().take(SHOWN_MAX).cloned().collect::<Vec<_>>().join("\n");
    assert!(report.unplanned.is_empty(), "no rule is wrong, and yet there is no plan\n{}", shown(&report.unplanned));
    assert!(report.broken.is_empty(), "{} violations\n{}", report.broken.len(), shown(&report.broken));
    if maps > 1 && family.is_none() {
        assert!(total.accepted * 100 >= total.rules * ACCEPTED_PERCENT, "only {} of {}", total.accepted, total.rules);
    }
}
