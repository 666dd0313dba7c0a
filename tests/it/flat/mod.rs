//! Prepared code does what the plain evaluation of the tree does, on every record, bit by bit.

#[path = "../../bench/job/mod.rs"]
pub mod job;
mod merge;
mod random;

use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dwmap::change::Side;
use dwmap::check::{self, SchemaProblem, Schemas};
use dwmap::diag::Diagnostics;
use dwmap::interp::{self, Cx, Lookups, Prepared, Query, Resolution, Stamp, Stop};
use dwmap::ir::Plan;
use dwmap::schema::{Schema, snapshot};
use dwmap::source::{FileId, Sources};
use dwmap::syntax;
use dwmap::value::{Record, Timestamp, Uuid, Value};

/// Records of the job that are compared.
const RECORDS: usize = 2_000;
/// Programs that are made up, and the records that each is given.
const PROGRAMS: u64 = 1_500;
const RECORDS_OF_A_PROGRAM: usize = 6;
/// Records that each map of the project is given.
const RECORDS_OF_A_MAP: usize = 60;
/// Pairs of rows that each is given, with what was agreed on them.
const PAIRS_OF_A_PROGRAM: usize = 3;
const PAIRS_OF_A_MAP: usize = 20;
/// Rounds of references that lead to further ones.
const ROUNDS: usize = 100;

/// The snapshots beside the standard maps.
struct Folder(PathBuf);

impl Schemas for Folder {
    fn load(&self, _: FileId, path: &str) -> Result<Arc<Schema>, SchemaProblem> {
        let text = std::fs::read_to_string(self.0.join(path)).map_err(|_| SchemaProblem::Missing(path.to_owned()))?;
        snapshot::parse(&text).map(Arc::new).map_err(|error| SchemaProblem::Unreadable(error.to_string()))
    }
}

fn maps_below(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("the folder can be listed").path();
        match () {
            () if path.is_dir() => maps_below(&path, out),
            () if path.extension().is_some_and(|it| it == "dwmap") => out.push(path),
            () => {}
        }
    }
    out.sort();
}

/// The compiled maps of these files, read together.
fn plans(paths: &[PathBuf], schemas: &Path) -> Vec<Plan> {
    let (mut sources, mut diags) = (Sources::default(), Diagnostics::default());
    let mut trees = Vec::new();
    for path in paths {
        let text = std::fs::read_to_string(path).expect("the file can be read");
        let file = sources.add(path.display().to_string(), text).expect("the file is short");
        trees.push(syntax::parse(&sources, file, &mut diags));
    }
    check::check(&trees, &sources, &Folder(schemas.to_owned()), &mut diags).program.plans
}

/// An answer that depends on nothing but the question; some rows are missing.
fn answer(query: &Query) -> Resolution {
    let text = format!("{query:?}");
    let number = text.bytes().fold(0u128, |it, byte| it.wrapping_mul(31).wrapping_add(u128::from(byte)));
    match query {
        _ if number % 5 == 0 => Resolution::Missing,
        Query::KeyOf { .. } => Resolution::Found(Value::text(format!("k{}", number % 1_000))),
        Query::IdOf { .. } => Resolution::Found(Value::Guid(Uuid::from_u128(number))),
    }
}

/// Asks both the same, and answers the references that the plain evaluation asks for.
fn check_put(plan: &Prepared, towards: Side, from: &Record, onto: Option<&Record>, place: &str) -> Result<Record, Stop> {
    let both = |known: &Lookups| (plan.put(known, towards, from, onto), interp::put(plan.cx(known), towards, from, onto));
    asked(&both, || format!("{place}: towards {towards:?} from {from:?} onto {onto:?}"))
}

/// By prepared code, and by the plain evaluation.
type Answers<T> = (Result<T, Stop>, Result<T, Stop>);

/// Both answers, which are equal, once all references were answered.
fn asked<T: PartialEq + Debug>(ask: &dyn Fn(&Lookups) -> Answers<T>, place: impl Fn() -> String) -> Result<T, Stop> {
    let mut lookups = Lookups::default();
    lookups.begin(Stamp { now: Timestamp::UNIX_EPOCH, op: Uuid::from_u128(1) });
    for _ in 0..ROUNDS {
        let (found, expected) = ask(&lookups);
        assert_eq!(found, expected, "{}", place());
        match expected {
            Err(Stop::Unresolved(query)) => {
                let known = answer(&query);
                lookups.insert(query, known);
            }
            settled => return settled,
        }
    }
    panic!("{}: references without end", place());
}

/// Rows of both sides, made, sent again, and written over other rows.
fn check_plan(plan: &Prepared, seed: u64, records: usize, place: &str) {
    let mut it = job::records::Seeded(seed);
    for _ in 0..records {
        for towards in Side::BOTH {
            let from = random::record(&mut it, plan, towards.other());
            let other = random::record(&mut it, plan, towards);
            let lookups = Lookups::default();
            let plain = interp::in_scope(plan.cx(&lookups), towards.other(), &from);
            assert_eq!(plan.in_scope(&lookups, towards.other(), &from), plain, "{place}: scope of {from:?}");
            let _ = check_put(plan, towards, &from, Some(&other), place);
            if let Ok(made) = check_put(plan, towards, &from, None, place) {
                // What was just made agrees, mostly: the usual course of an echo.
                let _ = check_put(plan, towards, &from, Some(&made), place);
                let _ = check_put(plan, towards.other(), &made, Some(&from), place);
            }
        }
    }
}

#[test]
fn programs_that_were_made_up_mean_the_same() {
    let base = job::plan();
    let (mut rules, mut plain) = (0, 0);
    for seed in 0..PROGRAMS {
        let plan = Prepared::new(random::plan(&mut job::records::Seeded(seed), &base));
        rules += plan.rules.iter().filter(|it| it.writes(Side::Right) && !it.on_update).count();
        plain += plan.plain_rules(Side::Right).len();
        check_plan(&plan, seed, RECORDS_OF_A_PROGRAM, &format!("seed {seed}: {:#?}", plan.rules));
    }
    assert!(plain * 4 < rules * 3, "flat code is what this tests: {plain} of {rules} rules have none");
}

/// Rules one by one, and pairs of rows compared three ways.
fn check_pairs(plan: Plan, seed: u64, pairs: usize, place: &str) {
    let both = merge::Both::new(plan);
    let it = &mut job::records::Seeded(seed);
    for _ in 0..pairs {
        both.check_rules(it, place);
        both.check_merge(it, place);
    }
}

#[test]
fn pairs_of_made_up_programs_are_compared_the_same() {
    let base = job::plan();
    for seed in 0..PROGRAMS {
        let mut plan = random::plan(&mut job::records::Seeded(seed), &base);
        plan.groups = random::groups(&mut job::records::Seeded(seed), &plan);
        plan.key = plan.rule_ids().take(1).collect();
        let place = format!("seed {seed}: {:#?}", plan.rules);
        check_pairs(plan, seed, PAIRS_OF_A_PROGRAM, &place);
    }
}

#[test]
fn pairs_of_every_map_of_the_project_are_compared_the_same() {
    for (number, plan) in all_plans().into_iter().enumerate() {
        let name = plan.name.clone();
        check_pairs(plan, number as u64, PAIRS_OF_A_MAP, &name);
    }
}

/// The standard maps, and those of the corpus.
fn all_plans() -> Vec<Plan> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut standard = Vec::new();
    maps_below(&root.join("maps"), &mut standard);
    let mut all = plans(&standard, &root.join("maps"));
    assert!(!all.is_empty(), "the standard maps compile");
    let mut cases = Vec::new();
    for folder in ["clauses", "lowering", "layers", "sqlite-pair"] {
        maps_below(&root.join("tests/corpus").join(folder), &mut cases);
    }
    for path in cases {
        all.extend(plans(std::slice::from_ref(&path), path.parent().expect("a file has a folder")));
    }
    all
}

#[test]
fn every_map_of_the_project_means_the_same() {
    for (number, plan) in all_plans().into_iter().enumerate() {
        let name = plan.name.clone();
        check_plan(&Prepared::new(plan), number as u64, RECORDS_OF_A_MAP, &name);
    }
}

#[test]
fn the_job_means_the_same() {
    let plan = Prepared::new(job::plan());
    assert_eq!(plan.plain_rules(Side::Right), [], "every rule of the job has code");
    for from in job::records::records(2, RECORDS) {
        let made = check_put(&plan, Side::Right, &from, None, "job").expect("the record can be carried");
        assert_eq!(
            check_put(&plan, Side::Right, &from, Some(&made), "job"),
            Ok(Record::absent(made.len())),
            "an echo says nothing"
        );
    }
}

#[test]
fn the_job_by_hand_is_the_job() {
    let plan = job::plan();
    let lookups = Lookups::default();
    let cx = Cx { plan: &plan, lookups: &lookups };
    for from in job::records::records(1, RECORDS) {
        let in_scope = interp::in_scope(cx, Side::Left, &from).expect("the filter can be judged");
        let mapped = in_scope.then(|| interp::put(cx, Side::Right, &from, None).expect("the record can be carried"));
        assert_eq!(job::twin::account(&from), Ok(mapped), "{from:?}");
    }
}
