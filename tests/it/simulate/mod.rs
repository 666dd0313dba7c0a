//! The real deployment between two bad systems, on a clock that is turned by hand: seed after seed, each run twice.
//!
//! `DWMAP_SEEDS` sets how many seeds run, `DWMAP_SEED` prints one of them step by step.

mod faulty;
pub mod history;
mod users;

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dwmap::connect::Connector;
use dwmap::runtime::deployment::{Deployment, Settings};
use dwmap::runtime::live::Shutdown;
use dwmap::runtime::world::Scripted;
use dwmap::store::Sqlite;

use super::stage::{memory, program};
use faulty::{Faulty, Shared, Turmoil, land_all, lock};
use users::Users;

const MAPS: &str = "\
profile loose {
  text: compare ignoring case, compare ignoring trailing blanks
}

system a profile loose
system b profile dataverse

entity a.Group {
  key Code: text<20>
  Name:     text<60>
}

entity a.Customer {
  key Id: text<20>
  Name:   text<60>
  Note:   text<60>
  Group:  text<20>?
  Payer:  text<20>?
}

entity b.grp {
  key grpid: guid
  unique (code)
  code: text<20>
  name: text<60> required
}

entity b.account {
  key accountid: guid
  unique (number)
  number: text<20>
  name:   text<60> required
  note:   text<60> required
  grp:    lookup b.grp?
  payer:  lookup b.account?
}

map Groups: a.Group <-> b.grp {
  key Code <-> code
  Name <-> name
  on conflict prefer a
  on delete <-> refuse
  on error retry 1000000
}

map Customers: a.Customer <-> b.account {
  key Id <-> number
  Name  <-> name
  Note  <-> note    on conflict prefer b
  Group <-> grp     via Groups     on missing create
  Payer <-> payer   via Customers  on missing create
  on conflict prefer a
  on delete <-> delete
  on error retry 1000000
}
";

/// Rounds of rest after which everything must be quiet.
const ROUNDS_MAX: u32 = 200;
/// What a record says that waits for a row which its own map makes.
const SUMMONED: &str = "is asked to make it now";
/// Longer than any wait of the runtime.
const LONG: Duration = Duration::from_secs(600);

struct Simulation {
    deployment: Deployment,
    users: Users,
    world: Arc<Scripted>,
    shared: Shared,
}

impl Simulation {
    fn new(seed: u64, is_printed: bool) -> Self {
        let program = program(MAPS);
        let world = Arc::new(Scripted::default());
        let shared: Shared = Arc::new(Mutex::new(Turmoil::new(seed, is_printed, world.clone())));
        let page_max = 1 + lock(&shared).random.below(8) as usize;
        let systems = [0, 1].map(|it| Arc::new(memory(&program, it).with_page_max(page_max)));
        let faulty =
            |index: usize, name| -> Arc<dyn Connector> { Arc::new(Faulty::new(systems[index].clone(), name, shared.clone())) };
        let connectors = [faulty(0, "left"), faulty(1, "right")];
        let store = Box::new(Sqlite::in_memory().expect("memory is there"));
        let deployment = Deployment::open(program, &connectors, store, world.clone(), Settings::default());
        let deployment = deployment.expect("an empty state can be opened");
        Self { deployment, users: Users::new(systems, shared.clone()), world, shared }
    }

    async fn run(&mut self) -> Result<(), String> {
        let rows = lock(&self.shared).random.below(30);
        for _ in 0..rows {
            self.users.act();
        }
        self.deployment.initial(None).await.map_err(|it| format!("initial sync: {it}"))?;
        let (ender, shutdown) = Shutdown::new();
        let Self { deployment, users, world, shared } = self;
        let work = async {
            let actions = 10 + lock(shared).random.below(60);
            for _ in 0..actions {
                let pause = Duration::from_millis(lock(shared).random.below(3_000));
                tokio::time::sleep(pause).await;
                world.advance(pause);
                users.act();
            }
            lock(shared).has_faults = false;
            // Feeds that were refused are read again after a minute at the latest.
            for _ in 0..20 {
                tokio::time::sleep(Duration::from_secs(10)).await;
                world.advance(Duration::from_secs(10));
            }
            ender.end();
        };
        let (ran, ()) = tokio::join!(deployment.run(shutdown), work);
        ran.map_err(|it| it.to_string())?;
        land_all(shared).await;
        self.rest().await?;
        while self.users.mend() {
            self.rest().await?;
        }
        self.check().await
    }

    /// Works until nothing is left to do, whatever its hour.
    async fn rest(&mut self) -> Result<(), String> {
        for _ in 0..ROUNDS_MAX {
            let before = lock(&self.shared).trace.iter().filter(|it| it.contains(" write ")).count();
            self.deployment.settle().await.map_err(|it| it.to_string())?;
            self.world.advance(LONG);
            let after = lock(&self.shared).trace.iter().filter(|it| it.contains(" write ")).count();
            let now = self.held()?;
            if before == after && self.unconfirmed()? == 0 && now.iter().all(|it| it.contains("Reference")) {
                return Ok(());
            }
        }
        Err(format!("it never comes to rest: {:?}", self.held()?))
    }

    /// What was told and not seen yet, and what somebody asked to look at.
    fn unconfirmed(&mut self) -> Result<u64, String> {
        let mut count = 0;
        for plan in self.plans() {
            let figures = self.deployment.store.figures(&plan).map_err(|it| it.to_string())?;
            count += figures.unconfirmed + figures.asked + figures.queued;
        }
        Ok(count)
    }

    fn plans(&self) -> Vec<String> {
        self.deployment.pipes.iter().map(|it| it.plan.name.clone()).collect()
    }

    /// Why links stand still.
    fn held(&mut self) -> Result<Vec<String>, String> {
        let mut out = Vec::new();
        for plan in self.plans() {
            let links = self.deployment.store.held(&plan, 10_000).map_err(|it| it.to_string())?;
            out.extend(links.into_iter().filter_map(|it| it.hold).map(|it| format!("{plan}: {:?} {}", it.class, it.message)));
        }
        Ok(out)
    }

    /// Each row that was made before its turn, because another one missed it.
    fn summoned(&mut self) -> Vec<String> {
        let mut out = Vec::new();
        for plan in self.plans() {
            let lines = self.deployment.store.history(Some(&plan), 100_000).expect("the state can be read");
            let asked = lines.into_iter().filter(|it| it.activity.text.ends_with(SUMMONED));
            out.extend(asked.map(|it| format!("{plan} {}: {}", it.key, it.activity.text)));
        }
        out
    }

    async fn check(&mut self) -> Result<(), String> {
        let held = self.held()?;
        if !held.is_empty() {
            return Err(format!("links are still held: {held:?}"));
        }
        for id in self.deployment.pipe_ids() {
            let comparison = self.deployment.compare(id).await.map_err(|it| it.to_string())?;
            if !comparison.agrees() {
                return Err(format!("the sides differ: {:?}", comparison.shown));
            }
        }
        let mut ledger = HashSet::new();
        for plan in self.plans() {
            for entry in self.deployment.store.ledger(&plan, 100_000).map_err(|it| it.to_string())? {
                ledger.extend(history::numbers_in(&entry.loser.to_string()));
            }
        }
        lock(&self.shared).history.check(&ledger)?;
        for (side, entity) in [(0, "Customer"), (0, "Group"), (1, "account"), (1, "grp")] {
            let rows: Vec<_> = self.users.systems[side].rows(entity).into_iter().map(|(_, row)| row).collect();
            history::check_single(&rows)?;
        }
        self.replay_writes_nothing().await
    }

    async fn replay_writes_nothing(&mut self) -> Result<(), String> {
        let writes = |it: &Self| {
            let of = |side: usize, entity| it.users.systems[side].engine_writes(entity);
            [of(0, "Customer"), of(0, "Group"), of(1, "account"), of(1, "grp")]
        };
        let before = writes(self);
        self.deployment.replay().await.map_err(|it| it.to_string())?;
        if writes(self) == before { Ok(()) } else { Err("a full replay of the feeds causes writes".to_owned()) }
    }
}

/// One seed: what happened, and whether all went well.
fn simulate(seed: u64, is_printed: bool) -> (Vec<String>, Result<(), String>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime without threads can be made").block_on(async {
        let mut simulation = Simulation::new(seed, is_printed);
        let result = simulation.run().await;
        let mut trace = std::mem::take(&mut lock(&simulation.shared).trace);
        trace.extend(simulation.summoned());
        (trace, result)
    })
}

fn seeds() -> u64 {
    let default = if cfg!(debug_assertions) { 20 } else { 200 };
    std::env::var("DWMAP_SEEDS").map_or(default, |it| it.parse().expect("DWMAP_SEEDS is a number"))
}

#[test]
fn a_deployment_keeps_two_bad_systems_in_step() {
    if let Ok(seed) = std::env::var("DWMAP_SEED") {
        println!("{:?}", simulate(seed.parse().expect("DWMAP_SEED is a number"), true).1);
        return;
    }
    let mut failures = Vec::new();
    let (mut steps, mut summoned) = (0, 0);
    for seed in 1..=seeds() {
        let (trace, result) = simulate(seed, false);
        steps += trace.len();
        summoned += trace.iter().filter(|it| it.ends_with(SUMMONED)).count();
        if let Err(why) = result {
            failures.push(format!("\n  seed {seed}: {why}"));
        }
        let (again, _) = simulate(seed, false);
        if let Some(at) = trace.iter().zip(&again).position(|(one, two)| one != two) {
            failures.push(format!("\n  seed {seed} runs differently at {at}: {} and {}", trace[at], again[at]));
        } else if trace.len() != again.len() {
            failures.push(format!("\n  seed {seed} has {} steps, and then {}", trace.len(), again.len()));
        }
    }
    println!("{} seeds, {steps} calls and edits, {summoned} rows summoned, {} failures", seeds(), failures.len());
    assert!(summoned > 0, "no row is missed by another one");
    assert!(failures.is_empty(), "{} failures:{}", failures.len(), failures.iter().take(8).cloned().collect::<String>());
}
