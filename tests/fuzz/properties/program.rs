//! Of reading a compiled program: it is refused with a reason, or nothing that is done with it can end the process.

use dwmap::change::Side;
use dwmap::interp::{self, Lookups, Prepared, Query, Resolution, Stamp, Stop};
use dwmap::ir::{Plan, Program};
use dwmap::value::{Date, Decimal, Float, Kind, Record, Time, Timestamp, Uuid, Value};

/// Rounds of references that lead to further ones.
const ROUNDS_MAX: usize = 40;
/// Records of each side that every plan is given.
const RECORDS: u64 = 6;

/// The text as it stands, and the same with the hash that it should have: otherwise a change would hardly ever get that far.
pub fn hold(text: &str) {
    if let Ok(program) = Program::parse_json(text) {
        runs(&program);
    }
    let mut reader = serde_json::Deserializer::from_str(text);
    if let Ok(mut program) = <Program as serde::Deserialize>::deserialize(&mut reader) {
        program.seal();
        match Program::parse_json(&program.to_json()) {
            Ok(read) => {
                assert!(read == program, "the program that is read back is another");
                runs(&read);
            }
            Err(error) => assert!(!error.to_string().is_empty(), "a reason is given"),
        }
    }
}

/// Rows of both sides are looked at, made, and written over one another, by either way of running.
pub fn runs(program: &Program) {
    for plan in &program.plans {
        let plan = Prepared::new(plan.clone());
        for seed in 0..RECORDS {
            for towards in Side::BOTH {
                let dice = &mut Dice(seed);
                let (from, onto) = (record(dice, &plan, towards.other()), record(dice, &plan, towards));
                looks(&plan, towards.other(), &from);
                put(&plan, towards, &from, Some(&onto));
                if let Some(made) = put(&plan, towards, &from, None) {
                    let stored = interp::normalise(&plan, towards, &made);
                    put(&plan, towards, &from, Some(&stored));
                    put(&plan, towards.other(), &stored, Some(&from));
                }
            }
        }
    }
}

fn looks(plan: &Prepared, side: Side, record: &Record) {
    answered(&|known| (plan.in_scope(known, side, record), interp::in_scope(plan.cx(known), side, record)));
    answered(&|known| (plan.key_of(known, side, record), interp::key(plan.cx(known), side, record)));
    for id in plan.rule_ids() {
        answered(&|known| (plan.guard_holds(known, id, side, record), interp::guard_holds(plan.cx(known), id, side, record)));
    }
}

fn put(plan: &Prepared, towards: Side, from: &Record, onto: Option<&Record>) -> Option<Record> {
    answered(&|known| (plan.put(known, towards, from, onto), interp::put(plan.cx(known), towards, from, onto)))
}

type Answers<T> = (Result<T, Stop>, Result<T, Stop>);

/// Both ways agree, once all references were answered.
fn answered<T: PartialEq + std::fmt::Debug>(ask: &dyn Fn(&Lookups) -> Answers<T>) -> Option<T> {
    let mut lookups = Lookups::default();
    lookups.begin(Stamp { now: Timestamp::UNIX_EPOCH, op: Uuid::from_u128(1) });
    for _ in 0..ROUNDS_MAX {
        let (prepared, plain) = ask(&lookups);
        assert_eq!(prepared, plain, "prepared code does something else");
        match plain {
            Err(Stop::Unresolved(query)) => {
                let known = answer(&query);
                lookups.insert(query, known);
            }
            settled => return settled.ok(),
        }
    }
    None
}

/// An answer that depends on nothing but the question; some rows are missing.
fn answer(query: &Query) -> Resolution {
    let text = format!("{query:?}");
    let number = text.bytes().fold(0u128, |it, byte| it.wrapping_mul(31).wrapping_add(u128::from(byte)));
    match query {
        _ if number % 5 == 0 => Resolution::Missing,
        Query::KeyOf { .. } if number % 3 == 0 => Resolution::Found(Value::Tuple([Value::text("k"), Value::Int(1)].into())),
        Query::KeyOf { .. } => Resolution::Found(Value::text(format!("k{}", number % 1_000))),
        Query::IdOf { .. } => Resolution::Found(Value::Guid(Uuid::from_u128(number))),
    }
}

struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound.max(1)
    }

    fn pick<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())].clone()
    }
}

/// A row of the plan; mostly what its schema promises.
fn record(dice: &mut Dice, plan: &Plan, side: Side) -> Record {
    let fields = &plan.shapes[side].fields;
    Record::from_values(fields.iter().map(|it| if dice.below(5) == 0 { any(dice) } else { of_kind(dice, &it.kind) }).collect())
}

const TEXTS: &[&str] =
    &["", " ", " Contoso ", "Straße", "İ ς Σ", "2024-02-29", "29.02.2024", "a-b-c", "12.50", "true", "😀\u{301}", "a a"];

fn of_kind(dice: &mut Dice, kind: &Kind) -> Value {
    let numbers = [0, 1, -1, 7, i64::from(i32::MAX), i64::MAX, i64::MIN];
    let number = dice.pick(&numbers);
    match kind {
        Kind::Text { .. } => Value::text(dice.pick(TEXTS)),
        Kind::Bool => Value::Bool(number > 0),
        Kind::Int32 | Kind::Int64 => Value::Int(number),
        Kind::Decimal { .. } => Value::Decimal(Decimal::new(i128::from(number), 2).expect("it is short")),
        Kind::Float64 => Value::Float(Float(dice.pick(&[0.0, -0.0, 1.5, f64::MAX, f64::MIN_POSITIVE, f64::NAN, f64::INFINITY]))),
        Kind::Guid | Kind::Lookup(_) => Value::Guid(Uuid::from_u128(u128::from(number.unsigned_abs()))),
        Kind::Date => Value::Date(dice.pick(&[Date::MIN, Date::MAX, Date::constant(1900, 1, 1), Date::constant(2024, 2, 29)])),
        Kind::Time => Value::Time(dice.pick(&[Time::MIN, Time::MAX, Time::midnight()])),
        Kind::DateTime => Value::DateTime(dice.pick(&[Timestamp::MIN, Timestamp::MAX, Timestamp::UNIX_EPOCH])),
        Kind::Binary => Value::Binary([0, 255].into()),
        Kind::Choices(_) => Value::Set([1, 2].into()),
        Kind::Enum(members) => {
            let values: Vec<Value> = members.members.iter().map(|it| it.value.clone()).collect();
            if values.is_empty() { Value::Int(number) } else { dice.pick(&values) }
        }
    }
}

/// A value of any kind, or none.
fn any(dice: &mut Dice) -> Value {
    let kinds = [
        Kind::Text { max: None },
        Kind::Bool,
        Kind::Int64,
        Kind::Decimal { precision: 38, scale: 2 },
        Kind::Float64,
        Kind::Guid,
        Kind::Date,
        Kind::Time,
        Kind::DateTime,
        Kind::Binary,
    ];
    match dice.below(12) {
        0 => Value::Absent,
        1 => Value::Null,
        2 => Value::Tuple([Value::Null, Value::text("t")].into()),
        _ => {
            let kind = dice.pick(&kinds);
            of_kind(dice, &kind)
        }
    }
}
