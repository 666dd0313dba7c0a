//! Runs `test` items: the real interpreter and engine between two systems in memory that behave as the profiles say.
//!
//! A reference to a record that the test does not give resolves to a made-up one with that key. Made-up records live
//! beside the systems' own tables, so that they are found but never synchronised.

pub mod coverage;
mod roundtrip;
mod system;

use std::sync::Arc;
use std::time::Duration;

use self::coverage::Exercised;
use self::system::System;
use super::deployment::{Deployment, Settings};
use super::pipe::PipeId;
use super::references::References;
use super::world::{Scripted, World};
use crate::change::{Class, Failure, RemoteId, Side, Sides};
use crate::connect::Connector;
use crate::connect::memory::Fields;
use crate::interp::{Prepared, Query, Resolution};
use crate::ir::{Expectation, Origin, Plan, PlanId, Program, RefId, Test, TestStep};
use crate::store::Sqlite;
use crate::value::{Kind, Slot, Value};

/// Time between two steps of a test, so that `newest` can tell them apart.
const STEP_TIME: Duration = Duration::from_secs(60);
/// Links that a test looks at when it asks for refusals.
const HELD_MAX: usize = 1000;

/// What came of one test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    pub name: String,
    pub map: String,
    /// Steps that did not come out as expected; the first one ends the test.
    pub failure: Option<(Origin, String)>,
    /// The rules of the map that its steps saw at work.
    pub exercised: Exercised,
}

impl Outcome {
    pub fn has_passed(&self) -> bool {
        self.failure.is_none()
    }
}

/// Runs one test on fresh systems and a fresh state.
pub async fn rehearse(program: &Program, test: &Test) -> Outcome {
    let plan = &program.plans[test.plan.index()];
    let mut outcome = Outcome { name: test.name.clone(), map: plan.name.clone(), failure: None, exercised: Exercised::new() };
    let mut stage = match Stage::set(program, plan) {
        Ok(stage) => stage,
        Err(message) => {
            outcome.failure = Some((plan.origin.clone(), message));
            return outcome;
        }
    };
    for (origin, step) in &test.steps {
        if let Err(message) = stage.play(step).await {
            outcome.failure = Some((origin.clone(), message));
            break;
        }
    }
    outcome.exercised = stage.exercised;
    outcome
}

struct Stage {
    plan: Arc<Prepared>,
    systems: Sides<Arc<System>>,
    deployment: Deployment,
    world: Arc<Scripted>,
    /// Engine writes when the last `given`, `edit` or `delete` began.
    writes_before: Sides<u64>,
    exercised: Exercised,
}

impl Stage {
    fn set(program: &Program, plan: &Plan) -> Result<Self, String> {
        let world = Arc::new(Scripted::default());
        let systems = Sides::new(Arc::new(System::new(plan, Side::Left)), Arc::new(System::new(plan, Side::Right)));
        let alone = Plan { systems: Sides::new(0, 1), ..plan.clone() };
        let program = Program { plans: vec![alone], order: vec![vec![PlanId(0)]], ..program.clone() };
        let store = Sqlite::in_memory().map_err(|it| it.to_string())?;
        let connectors = systems.map(|it| -> Arc<dyn Connector> { it.clone() }).0;
        let deployment = Deployment::open(program, &connectors, Box::new(store), world.clone(), Settings::default());
        let mut deployment = deployment.map_err(|it| it.to_string())?;
        deployment.let_all_run().map_err(|it| it.to_string())?;
        let plan = deployment.pipes[0].plan.clone();
        Ok(Self { plan, systems, deployment, world, writes_before: Sides::default(), exercised: Exercised::new() })
    }

    async fn play(&mut self, step: &TestStep) -> Result<(), String> {
        match step {
            TestStep::Given { side, fields } => {
                let fields = self.written(*side, fields, &Fields::new()).await?;
                self.act(*side, |system| system.own.insert(&system.entity, fields).map(drop)).await
            }
            TestStep::Edit { side, fields } => {
                let (id, row) = self.row_to_change(*side, fields).await?;
                let fields = self.written(*side, fields, &row).await?;
                self.act(*side, |system| system.own.update(&system.entity, &id, fields)).await
            }
            TestStep::Delete { side, fields } => {
                let (id, _) = self.row_to_change(*side, fields).await?;
                self.act(*side, |system| system.own.delete(&system.entity, &id)).await
            }
            TestStep::Expect(expectation) => self.expect(expectation).await,
            TestStep::Roundtrip { count, seed } => roundtrip::roundtrip(&self.plan, *count, *seed),
        }
    }

    /// A user does something on one side; then everything settles.
    async fn act(&mut self, side: Side, deed: impl FnOnce(&System) -> Result<(), Failure>) -> Result<(), String> {
        self.world.advance(STEP_TIME);
        let now = self.world.now();
        for (_, system) in self.systems.iter() {
            system.own.set_now(now);
        }
        self.writes_before = self.writes();
        deed(&self.systems[side]).map_err(|it| format!("the {} side refuses this: {it}", side.word()))?;
        self.deployment.settle().await.map_err(|it| it.to_string())?;
        self.note_writes()
    }

    /// Notes which rules were behind what the engine wrote.
    fn note_writes(&mut self) -> Result<(), String> {
        for side in Side::BOTH {
            for taken in self.systems[side].take_writes() {
                let links = self.deployment.store.links_of(&self.plan.name, side, std::slice::from_ref(&taken.seen.id));
                let link = links.map_err(|it| it.to_string())?.into_iter().flatten().next();
                let other = link.as_ref().and_then(|it| it.shadows[side.other()].as_ref());
                let rules = coverage::rules_of(&self.plan, &taken, other);
                self.exercised.extend(rules.into_iter().map(|it| (it, side)));
            }
        }
        Ok(())
    }

    fn writes(&self) -> Sides<u64> {
        self.systems.map(|it| it.own.engine_writes(&it.entity))
    }

    /// The test's values by field name; keys of references become ids. `row`: what is there already.
    async fn written(&self, side: Side, fields: &[(Slot, Value)], row: &Fields) -> Result<Fields, String> {
        let mut out = Fields::new();
        for (slot, value) in fields {
            let field = self.plan.shapes[side].field(*slot);
            let reference =
                self.plan.reference_at(side, *slot).filter(|_| value.is_value() && matches!(field.kind, Kind::Lookup(_)));
            let value = match reference {
                None => value.clone(),
                Some(reference) => {
                    let partition = self.partition(side, fields, row).await?;
                    self.ask(Query::IdOf { reference, key: self.whole_key(reference, partition, value) }).await?
                }
            };
            out.insert(field.name.clone(), value);
        }
        Ok(out)
    }

    /// A reference's key as the systems know it: with the partition in front where it has one.
    fn whole_key(&self, reference: RefId, partition: Value, key: &Value) -> Value {
        if !self.plan.reference(reference).is_partitioned {
            return key.clone();
        }
        let rest = match key {
            Value::Tuple(parts) => parts.to_vec(),
            single => vec![single.clone()],
        };
        Value::Tuple(std::iter::once(partition).chain(rest).collect())
    }

    /// The partition's canonical value: as the test gives it, else as the row has it.
    async fn partition(&self, side: Side, fields: &[(Slot, Value)], row: &Fields) -> Result<Value, String> {
        let Some(rule) = self.plan.partition else { return Ok(Value::Null) };
        let Some(slot) = self.plan.rule(rule).ends[side].read.slots().first().copied() else { return Ok(Value::Null) };
        if let Some((_, given)) = fields.iter().find(|(it, _)| *it == slot) {
            return Ok(given.clone());
        }
        match row.get(&self.plan.shapes[side].field(slot).name) {
            Some(value) => self.shown(side, slot, value).await,
            None => Ok(Value::Null),
        }
    }

    /// A field's value as tests write it: a reference by its key.
    async fn shown(&self, side: Side, slot: Slot, value: &Value) -> Result<Value, String> {
        let is_lookup = matches!(self.plan.shapes[side].field(slot).kind, Kind::Lookup(_));
        match self.plan.reference_at(side, slot).filter(|_| is_lookup && value.is_value()) {
            Some(reference) => self.ask(Query::KeyOf { reference, id: value.clone() }).await,
            None => Ok(value.clone()),
        }
    }

    async fn ask(&self, query: Query) -> Result<Value, String> {
        let id = PipeId(0);
        let answers = References::default().resolve(&self.deployment.pipes, vec![(id, query.clone())]).await;
        match &answers[&(id, query)] {
            Ok(Resolution::Found(value)) => Ok(value.clone()),
            Ok(Resolution::Missing) => Err("a reference of the test leads nowhere".to_owned()),
            Err(failure) => Err(failure.to_string()),
        }
    }

    /// The row whose key fields are given, else the only one.
    async fn row_to_change(&self, side: Side, fields: &[(Slot, Value)]) -> Result<(RemoteId, Fields), String> {
        let keys: Vec<Slot> = self.plan.key.iter().flat_map(|&id| self.plan.rule(id).ends[side].read.slots()).collect();
        let named: Vec<(Slot, Value)> = fields.iter().filter(|(slot, _)| keys.contains(slot)).cloned().collect();
        let rows = self.systems[side].rows();
        let count = rows.len();
        let mut fitting = Vec::new();
        for (id, row) in rows {
            if count == 1 || self.misses(side, &named, &row).await?.is_empty() {
                fitting.push((id, row));
            }
        }
        match fitting.len() {
            1 => Ok(fitting.remove(0)),
            0 => Err(format!("there is no such row on the {} side; it has {}", side.word(), counted(count))),
            _ => Err(format!("several rows of the {} side fit; name the key fields of one", side.word())),
        }
    }

    /// The fields that are not as they should be, in words.
    async fn misses(&self, side: Side, wanted: &[(Slot, Value)], row: &Fields) -> Result<Vec<String>, String> {
        let mut out = Vec::new();
        for (slot, value) in wanted {
            let name = &self.plan.shapes[side].field(*slot).name;
            let seen = self.shown(side, *slot, row.get(name).unwrap_or(&Value::Null)).await?;
            if seen != *value {
                out.push(format!("`{name}` is {seen}, not {value}"));
            }
        }
        Ok(out)
    }

    async fn expect(&mut self, expectation: &Expectation) -> Result<(), String> {
        match expectation {
            Expectation::Record { side, fields } => self.expect_record(*side, fields).await,
            Expectation::Nothing { side } => {
                let rows = self.systems[*side].rows();
                if rows.is_empty() { Ok(()) } else { Err(format!("expected nothing, but there is {}", counted(rows.len()))) }
            }
            Expectation::Writes(wanted) => self.expect_writes(wanted),
            Expectation::Reject(code) => {
                self.expect_held(&format!("reject {code}"), |code_seen, is_parked| !is_parked && code_seen == Some(code.as_str()))
            }
            Expectation::Park => self.expect_held("park", |_, is_parked| is_parked),
            Expectation::Conflict => self.expect_conflict(),
        }
    }

    async fn expect_record(&mut self, side: Side, fields: &[(Slot, Value)]) -> Result<(), String> {
        let mut nearest: Option<Vec<String>> = None;
        for (_, row) in self.systems[side].rows() {
            let misses = self.misses(side, fields, &row).await?;
            if nearest.as_ref().is_none_or(|it| misses.len() < it.len()) {
                nearest = Some(misses);
            }
        }
        match nearest {
            Some(misses) if misses.is_empty() => Ok(()),
            Some(misses) => Err(format!("{}{}", misses.join(", "), self.held_words())),
            None => Err(format!("there is no row on the {} side{}", side.word(), self.held_words())),
        }
    }

    fn expect_writes(&self, wanted: &[(Option<Side>, u32)]) -> Result<(), String> {
        let now = self.writes();
        let since = |side: Side| now[side] - self.writes_before[side];
        for (side, count) in wanted {
            let (seen, place) = match side {
                Some(side) => (since(*side), format!(" to the {} side", side.word())),
                None => (since(Side::Left) + since(Side::Right), String::new()),
            };
            if seen != u64::from(*count) {
                return Err(format!("expected {count} writes{place}, saw {seen}"));
            }
        }
        Ok(())
    }

    fn held(&mut self) -> Vec<crate::engine::link::Link> {
        let name = self.plan.name.clone();
        self.deployment.store.held(&name, HELD_MAX).unwrap_or_default()
    }

    fn held_words(&mut self) -> String {
        let holds: Vec<String> = self.held().into_iter().filter_map(|it| it.hold).map(|it| it.message).collect();
        if holds.is_empty() { String::new() } else { format!(" (held: {})", holds.join("; ")) }
    }

    fn expect_held(&mut self, what: &str, fits: impl Fn(Option<&str>, bool) -> bool) -> Result<(), String> {
        let held = self.held();
        let is_there =
            held.iter().filter_map(|it| it.hold.as_ref()).any(|hold| fits(hold.code.as_deref(), hold.retry_at.is_some()));
        if is_there { Ok(()) } else { Err(format!("expected {what}, but that did not happen{}", self.held_words())) }
    }

    fn expect_conflict(&mut self) -> Result<(), String> {
        let name = self.plan.name.clone();
        let figures = self.deployment.store.figures(&name).map_err(|it| it.to_string())?;
        let is_held = self.held().iter().any(|it| it.hold.as_ref().is_some_and(|hold| hold.class == Class::Conflict));
        if figures.conflicts > 0 || is_held { Ok(()) } else { Err("expected a conflict, but there is none".to_owned()) }
    }
}

fn counted(rows: usize) -> String {
    if rows == 1 { "1 row".to_owned() } else { format!("{rows} rows") }
}
