//! All standard maps at work together: rows are made in dependency order, carried over, and agree; nothing echoes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use dwmap::change::{Side, Sides};
use dwmap::connect::Connector;
use dwmap::connect::memory::{Fields, Memory};
use dwmap::import::import;
use dwmap::ir::{Plan, Program, RefTarget};
use dwmap::runtime::deployment::{Deployment, Settings};
use dwmap::runtime::pipe::PipeId;
use dwmap::runtime::world::Scripted;
use dwmap::schema::{Field, Profile, Schema};
use dwmap::store::Sqlite;
use dwmap::value::{Date, Decimal, Float, Kind, Timestamp, Value};

use super::facts::{self, Dialect};
use super::{check, options, schema};

/// Rows of one entity bear these numbers, unless it has its own below.
const NUMBERS: std::ops::RangeInclusive<usize> = 1..=6;

/// Entities that share a table with another one bring rows of their own numbers, because their rows must not be the same ones.
fn numbers(entity: &str) -> Vec<usize> {
    match entity {
        "CDSContactsV2" => vec![1, 2, 5, 6],
        "OperatingUnit" => vec![7, 8],
        "CustomerAttachments" => vec![1, 2],
        "SalesOrderHeaderDocumentAttachments" => vec![3, 4],
        "VendorDocumentAttachments" => vec![5, 6],
        _ => NUMBERS.collect(),
    }
}

/// Values that a row must have to be in the scope of its map.
fn fixed(entity: &str, field: &str, number: usize) -> Option<Value> {
    match (entity, field.to_lowercase().as_str()) {
        ("CustomersV3", "partytype") => Some(Value::text(if matches!(number, 3 | 4) { "Person" } else { "Organization" })),
        ("CDSContactsV2", "associatedcontacttype") => Some(Value::text("Vendor")),
        ("Prospects", "isb2bprospect") => Some(Value::text("Yes")),
        (_, "typeid" | "documentattachmenttypecode") => Some(Value::text("Note")),
        _ => None,
    }
}

/// Keys of value maps over texts, by field.
fn words() -> BTreeMap<String, Vec<String>> {
    let rows = facts::all().into_iter().flat_map(|it| it.rows);
    rows.filter_map(|it| Some((it.left.to_lowercase(), it.values?.keys().cloned().collect()))).collect()
}

fn value(entity: &str, field: &Field, number: usize, words: &BTreeMap<String, Vec<String>>) -> Value {
    if let Some(fixed) = fixed(entity, &field.name, number) {
        return fixed;
    }
    let small = i64::try_from(number).expect("the numbers are small");
    match &field.kind {
        Kind::Bool => Value::Bool(number.is_multiple_of(2)),
        Kind::Int32 | Kind::Int64 => Value::Int(small),
        Kind::Decimal { .. } => Value::Decimal(format!("{number}.25").parse::<Decimal>().expect("a decimal")),
        Kind::Float64 => Value::Float(Float(f64::from(u8::try_from(number).expect("the numbers are small")))),
        Kind::Text { .. } => match words.get(&field.name.to_lowercase()).filter(|_| is_coded(field)) {
            Some(words) => Value::text(&words[number % words.len()]),
            None => Value::text(format!("R{number}")),
        },
        Kind::Date => Value::Date(Date::constant(2026, 3, i8::try_from(number).expect("small"))),
        Kind::DateTime => Value::DateTime(format!("2026-03-0{number}T08:00:00Z").parse::<Timestamp>().expect("a time")),
        Kind::Enum(set) => set.members[number % set.members.len()].value.clone(),
        Kind::Guid | Kind::Time | Kind::Binary | Kind::Choices(_) | Kind::Lookup(_) => Value::Null,
    }
}

/// Languages and countries are texts that a value map translates.
fn is_coded(field: &Field) -> bool {
    field.kind == Kind::Text { max: Some(10) }
}

/// Both systems with their users, however they are reached.
pub trait Pair {
    fn connector(&self, side: Side) -> Arc<dyn Connector>;
    /// A user makes a row.
    fn insert(&self, side: Side, entity: &str, fields: Fields);
    fn is_empty(&self, side: Side, entity: &str) -> bool;
    /// The id of the row of `cdm_company` with this code.
    fn company(&self, code: &str) -> Value;
    /// Contacts that nobody said of whether one sells to them are as a column's default makes them: one does not.
    fn default_contacts(&self);
    /// Writes of the engine.
    fn writes(&self, side: Side) -> u64;
}

struct InMemory {
    systems: Sides<Arc<Memory>>,
    schemas: Sides<Schema>,
}

impl InMemory {
    fn new() -> Self {
        let schemas = Sides::new(schema("fo"), schema("dv"));
        let fo = Arc::new(Memory::new(&schemas[Side::Left], Profile::finops()));
        let dv = Arc::new(Memory::new(&schemas[Side::Right], Profile::dataverse()));
        Self { systems: Sides::new(fo, dv), schemas }
    }
}

impl Pair for InMemory {
    fn connector(&self, side: Side) -> Arc<dyn Connector> {
        self.systems[side].clone()
    }

    fn insert(&self, side: Side, entity: &str, fields: Fields) {
        self.systems[side].insert(entity, fields).unwrap_or_else(|error| panic!("{entity}: {error:?}"));
    }

    fn is_empty(&self, side: Side, entity: &str) -> bool {
        self.systems[side].rows(entity).is_empty()
    }

    fn company(&self, code: &str) -> Value {
        let rows = self.systems[Side::Right].rows("cdm_company");
        let row = rows.iter().find(|(_, it)| it["cdm_companycode"] == Value::text(code)).expect("the company was made");
        row.1["cdm_companyid"].clone()
    }

    fn default_contacts(&self) {
        for (id, row) in self.systems[Side::Right].rows("contact") {
            if row.get("msdyn_sellable").is_none_or(|it| !it.is_value()) {
                let change = [("msdyn_sellable", Value::Bool(false))];
                self.systems[Side::Right].update("contact", &id, crate::stage::fields_of(&change)).expect("the row is there");
            }
        }
    }

    fn writes(&self, side: Side) -> u64 {
        self.schemas[side].entities.keys().map(|it| self.systems[side].engine_writes(it)).sum()
    }
}

struct Stage<'p> {
    pair: &'p dyn Pair,
    schemas: Sides<Schema>,
    program: Program,
    words: BTreeMap<String, Vec<String>>,
}

impl<'p> Stage<'p> {
    fn set(pair: &'p dyn Pair) -> Self {
        let files = import(&[("answer.json".to_owned(), facts::answer(Dialect::Full))], &options()).files;
        let (_, checked, messages) = check(&files);
        assert_eq!(messages, Vec::<String>::new());
        Self { pair, schemas: Sides::new(schema("fo"), schema("dv")), program: checked.program, words: words() }
    }

    fn open(&self, world: &Arc<Scripted>) -> Deployment {
        let side = |name: &str| if name == "fo" { Side::Left } else { Side::Right };
        let connectors: Vec<_> = self.program.systems.iter().map(|it| self.pair.connector(side(&it.name))).collect();
        let store = Sqlite::in_memory().expect("memory is there");
        Deployment::open(self.program.clone(), &connectors, Box::new(store), world.clone(), Settings::default())
            .expect("an empty state can be opened")
    }

    fn fill(&self, entity: &str) {
        for number in numbers(entity) {
            let fields = self.schemas[Side::Left].entities[entity].fields.values();
            let fields = fields.map(|it| (it.name.clone(), value(entity, it, number, &self.words)));
            self.pair.insert(Side::Left, entity, fields.filter(|(_, it)| it.is_value()).collect());
        }
    }

    /// Rows that maps refer to and no map makes, with the key that the references look for.
    fn fill_targets(&self) {
        let made: Vec<&str> = self.program.plans.iter().map(|it| it.shapes[Side::Right].entity.as_str()).collect();
        for target in self.program.plans.iter().flat_map(|it| &it.references).flat_map(|it| &it.targets) {
            self.fill_target(target, &made);
        }
        // Persons are no accounts, but orders and receipts name them as if they were.
        for number in [3, 4] {
            let row = [("accountnumber", Value::text(format!("R{number}"))), ("msdyn_company", self.company(number))];
            self.pair.insert(Side::Right, "account", crate::stage::fields_of(&row));
        }
    }

    fn fill_target(&self, target: &RefTarget, made: &[&str]) {
        let table = target.shape.entity.as_str();
        target.columns.iter().filter_map(|it| it.via.as_deref()).for_each(|it| self.fill_target(it, made));
        if made.contains(&table) || !self.pair.is_empty(Side::Right, table) {
            return;
        }
        for number in NUMBERS {
            let column = |name: &str| match &self.schemas[Side::Right].entities[table].fields[name].kind {
                Kind::Lookup(_) => self.company(number),
                Kind::Text { .. } => Value::text(format!("R{number}")),
                other => panic!("{table}.{name} is `{other}`"),
            };
            let names = target.columns.iter().map(|it| target.shape.field(it.slot).name.clone());
            self.pair.insert(Side::Right, table, names.map(|it| (it.clone(), column(&it))).collect());
        }
    }

    fn company(&self, number: usize) -> Value {
        self.pair.company(&format!("R{number}"))
    }

    fn writes(&self) -> [u64; 2] {
        Side::BOTH.map(|it| self.pair.writes(it))
    }
}

fn plans_in_order(program: &Program) -> impl Iterator<Item = &Plan> {
    program.order.iter().flatten().map(|it| &program.plans[it.index()])
}

/// No row is held, and every row of both sides agrees with its partner. Returns how many pairs there are.
async fn check_agreement(deployment: &mut Deployment) -> u64 {
    let ids: Vec<PipeId> = deployment.pipe_ids().collect();
    let mut held = Vec::new();
    for &id in &ids {
        let name = deployment.name(id).to_owned();
        let links = deployment.store.held(&name, 10).expect("the state can be read");
        held.extend(links.into_iter().filter_map(|it| it.hold).map(|it| format!("{name}: {}", it.message)));
    }
    assert!(held.is_empty(), "{} are held:\n{}", held.len(), held.join("\n"));
    let mut pairs = 0;
    for id in ids {
        let comparison = deployment.compare(id).await.expect("both systems answer");
        assert!(comparison.agrees(), "{}: {:?}", deployment.name(id), comparison.shown);
        assert!(comparison.pairs > 0, "{} has no pairs", deployment.name(id));
        pairs += comparison.pairs;
    }
    pairs
}

/// Rows are made in dependency order and carried over, `batch` entities at a time; both sides agree then, and reading everything
/// again writes nothing.
pub async fn check_full_agreement(pair: &dyn Pair, batch: usize) {
    let stage = Stage::set(pair);
    stage.fill("LegalEntities");
    let world = Arc::new(Scripted::default());
    let mut deployment = stage.open(&world);
    deployment.initial(None).await.expect("both systems answer");
    stage.fill_targets();
    let (mut filled, mut fed) = (vec!["LegalEntities".to_owned()], Vec::new());
    for plan in plans_in_order(&stage.program) {
        let [entity, table] = Side::BOTH.map(|it| plan.shapes[it].entity.as_str());
        if filled.iter().any(|it| it == entity) {
            continue;
        }
        // Two maps that make rows of one table take turns, as their users do: an order line is there before it is deleted.
        if fed.len() >= batch || fed.contains(&table) {
            deployment.settle().await.expect("both systems answer");
            fed.clear();
        }
        stage.fill(entity);
        filled.push(entity.to_owned());
        fed.push(table);
    }
    deployment.settle().await.expect("both systems answer");
    // Rows that name a row of a later area waited for it, and look again after a while.
    for _ in 0..3 {
        world.advance(Duration::from_secs(24 * 60 * 60));
        deployment.settle().await.expect("both systems answer");
    }
    // The map of vendors' contacts filters by a column that it never sets.
    pair.default_contacts();
    deployment.settle().await.expect("both systems answer");
    let pairs = check_agreement(&mut deployment).await;
    assert!(pairs > 500, "{pairs}");
    let before = stage.writes();
    assert_eq!(before[0], 0, "nobody edited anything in Dataverse, so nothing is written to Finance & Operations");
    deployment.replay().await.expect("both systems answer");
    deployment.settle().await.expect("both systems answer");
    assert_eq!(stage.writes(), before, "reading everything again writes nothing");
    let mut fresh = stage.open(&world);
    fresh.initial(None).await.expect("both systems answer");
    assert_eq!(stage.writes(), before, "a first sync of systems in step writes nothing");
    check_agreement(&mut fresh).await;
}

#[tokio::test]
async fn all_standard_maps_come_to_full_agreement_and_nothing_echoes() {
    check_full_agreement(&InMemory::new(), 1).await;
}
