//! The model of the kernel: the real engine in a world that is out to break it, schedule after schedule.
//!
//! `DWMAP_SCHEDULES` sets how many schedules run and `DWMAP_THREADS` on how many threads; `DWMAP_SEED` prints one schedule of
//! every map step by step.

mod checks;
mod crash_points;
mod driver;
mod mutants;
mod plans;
mod renewal;
mod rivals;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use driver::Driver;
use dwmap::change::Sides;
use mutants::Mutant;
use plans::{Case, Setup, torn_apart};
use world::Halt;

/// Progress is told every so many schedules.
const PROGRESS_EVERY: u64 = 100_000;
/// Another version of the map is taken up once in so many rounds.
const RENEWAL_ONE_IN: u64 = 12;
/// A copy of the state is kept once in so many rounds, and put in its place once in so many restarts.
const COPY_ONE_IN: u64 = 8;
const RESTORE_ONE_IN: u64 = 3;
/// Most schedules that a mutant may survive.
const MUTANT_SCHEDULES_MAX: u64 = 100_000;

/// One schedule from its seed; the number of crashes in it.
fn run(setup: &Setup, seed: u64, mutant: Option<Mutant>, is_traced: bool) -> Result<u64, String> {
    let mut driver = Driver::new(seed, setup);
    let world = &mut driver.world;
    world.has_correlation = setup.case != Case::NaturalKey;
    if setup.case == Case::Unguarded {
        world.is_guarded = Sides::new(world.random.one_in(2), false);
    }
    world.keeps_unmapped = setup.case == Case::Renewed && world.random.one_in(2);
    world.has_rivals = world.has_correlation && world.random.one_in(2);
    world.mutant = mutant;
    world.is_traced = is_traced;
    world.has_users = true;
    world.crash_one_in = 4 + world.random.below(40);
    world.forgets_deleted = world.random.one_in(2);
    world.fail_one_in = [0, 0, 8, 20][world.random.below(4) as usize];
    world.budget = 5 + world.random.below(40);
    if mutant == Some(Mutant::GroupTornApart) {
        driver.plan = torn_apart(&driver.plan);
    }
    let (mut rounds, mut copy) = (0, None);
    loop {
        rounds += 1;
        if rounds > 20_000 {
            return Err("it never comes to rest under crashes".to_owned());
        }
        driver.world.user();
        if driver.versions.len() > 1 && driver.world.budget > 0 && driver.world.random.one_in(RENEWAL_ONE_IN) {
            driver.renew();
        }
        if setup.case == Case::Restored && driver.world.random.one_in(COPY_ONE_IN) {
            copy = Some(driver.store.clone());
        }
        match driver.pump() {
            Ok(is_busy) => {
                if !is_busy && driver.world.budget == 0 {
                    break;
                }
            }
            Err(Halt::Crash | Halt::Stall) => match copy.take_if(|_| driver.world.random.one_in(RESTORE_ONE_IN)) {
                Some(copy) => driver.restore(&copy).map_err(|it| format!("{it:?}"))?,
                None => driver.restart(),
            },
            Err(Halt::Broken(why)) => return Err(why),
        }
    }
    driver.world.has_users = false;
    driver.world.crash_one_in = 0;
    driver.world.fail_one_in = 0;
    driver.end_stalled().map_err(|it| format!("{it:?}"))?;
    while !driver.world.late.is_empty() {
        driver.world.land();
    }
    driver.settle().map_err(|it| format!("{it:?}"))?;
    if setup.case == Case::Manual {
        driver.resolve_by_hand().map_err(|it| format!("{it:?}"))?;
    }
    checks::check(&mut driver)?;
    Ok(driver.world.crashes)
}

/// The same; a panic of the engine is a failure like any other.
fn run_caught(setup: &Setup, seed: u64, mutant: Option<Mutant>) -> Result<u64, String> {
    catch_unwind(AssertUnwindSafe(|| run(setup, seed, mutant, false))).unwrap_or_else(|_| Err("a panic".to_owned()))
}

fn schedules() -> u64 {
    let default = if cfg!(debug_assertions) { 5_000 } else { 200_000 };
    std::env::var("DWMAP_SCHEDULES").map_or(default, |it| it.parse().expect("DWMAP_SCHEDULES is a number"))
}

fn threads() -> usize {
    std::env::var("DWMAP_THREADS").map_or(2, |it| it.parse().expect("DWMAP_THREADS is a number"))
}

/// Runs the seeds on all threads; the failures by seed, and the crashes.
fn run_all(setup: &Setup, seeds: u64) -> (Vec<(u64, String)>, u64) {
    let (next, done, crashes) = (AtomicU64::new(1), AtomicU64::new(0), AtomicU64::new(0));
    let failures = Mutex::new(Vec::new());
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed > seeds {
                return;
            }
            match run_caught(setup, seed, None) {
                Ok(count) => drop(crashes.fetch_add(count, Ordering::Relaxed)),
                Err(why) => {
                    let mut failures = failures.lock().expect("no worker panics while it holds the list");
                    failures.push((seed, why));
                    if failures.len() >= 1_000 {
                        next.store(seeds + 1, Ordering::Relaxed);
                    }
                }
            }
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            if done.is_multiple_of(PROGRESS_EVERY) {
                let failed = failures.lock().expect("no worker panics while it holds the list").len();
                let crashes = crashes.load(Ordering::Relaxed);
                println!("{:?}: {done} schedules done, {crashes} crashes, {failed} failures", setup.case);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..threads() {
            scope.spawn(work);
        }
    });
    let mut failures = failures.into_inner().expect("no worker panicked");
    failures.sort();
    (failures, crashes.into_inner())
}

#[expect(clippy::disallowed_methods, reason = "the report says how fast the schedules ran")]
fn check_schedules(case: Case, share: u64) {
    let setup = case.setup();
    if let Ok(seed) = std::env::var("DWMAP_SEED") {
        println!("{:?}", run(&setup, seed.parse().expect("DWMAP_SEED is a number"), None, true));
        return;
    }
    let seeds = schedules() / share;
    let start = std::time::Instant::now();
    let (failures, crashes) = run_all(&setup, seeds);
    let rate = seeds as f64 / start.elapsed().as_secs_f64();
    println!("{case:?}: {seeds} schedules, {rate:.0}/s, {crashes} crashes, {} failures", failures.len());
    let first = failures.iter().take(8).map(|(seed, why)| format!("\n  seed {seed}: {why}")).collect::<String>();
    assert!(failures.is_empty(), "{} of {seeds} schedules fail:{first}", failures.len());
}

#[test]
fn kernel_keeps_its_promises() {
    check_schedules(Case::Plain, 1);
}

#[test]
fn kernel_keeps_its_promises_with_values_that_repeat() {
    check_schedules(Case::Toggles, 10);
}

#[test]
fn kernel_keeps_its_promises_with_derived_fields() {
    check_schedules(Case::Derived, 10);
}

#[test]
fn kernel_keeps_its_promises_when_people_decide_conflicts() {
    check_schedules(Case::Manual, 10);
}

#[test]
fn kernel_keeps_its_promises_when_rows_leave_and_enter_the_filter() {
    check_schedules(Case::Filter, 10);
}

#[test]
fn kernel_keeps_its_promises_when_rows_are_marked_while_out_of_the_filter() {
    check_schedules(Case::Marked, 10);
}

#[test]
fn kernel_keeps_its_promises_when_rows_refer_to_each_other() {
    check_schedules(Case::Lookup, 10);
}

#[test]
fn kernel_keeps_its_promises_when_rows_that_are_missed_are_made_before_their_turn() {
    check_schedules(Case::Summoned, 10);
}

#[test]
fn kernel_keeps_its_promises_without_correlation() {
    check_schedules(Case::NaturalKey, 10);
}

#[test]
fn kernel_keeps_a_weaker_promise_where_systems_compare_no_versions() {
    check_schedules(Case::Unguarded, 10);
}

#[test]
fn kernel_keeps_its_promises_when_fields_win_or_lose_together() {
    check_schedules(Case::Grouped, 10);
}

#[test]
fn kernel_keeps_its_promises_when_the_map_changes_meanwhile() {
    check_schedules(Case::Renewed, 10);
}

#[test]
fn kernel_keeps_its_promises_when_older_copies_of_the_state_are_put_back() {
    check_schedules(Case::Restored, 10);
}

#[test]
fn kernel_mutants_are_caught() {
    let mut survivors = Vec::new();
    for mutant in Mutant::ALL {
        let setup = mutant.case().setup();
        let caught = (1..=MUTANT_SCHEDULES_MAX).find_map(|seed| Some((seed, run_caught(&setup, seed, Some(mutant)).err()?)));
        match caught {
            Some((seed, why)) => println!("{mutant:?}: seed {seed}: {why}"),
            None => survivors.push(mutant),
        }
    }
    assert_eq!(survivors, [], "these defects go unnoticed");
}
