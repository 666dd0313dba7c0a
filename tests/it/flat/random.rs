//! Made-up rules and records: also such as no schema promises.

use dwmap::change::{Side, Sides};
use dwmap::ir::{Compare, Conflict, End, Expr, Fallback, Group, Guard, Math, Plan, Rule, TableId, ValueTable};
use dwmap::value::{Date, Decimal, Kind, Record, Slot, Timestamp, Uuid, Value};

use super::job::records::Seeded;

/// Deepest expression.
const DEPTH: u32 = 3;
/// Rules of a made-up program.
const RULES: u64 = 5;
/// Slots that made-up rules read and write: few, so that they meet.
const SLOTS: u64 = 8;

const TEXTS: &[&str] = &[
    "",
    " ",
    " Contoso GmbH ",
    "Straße 12",
    "ÉCOLE",
    "2024-02-29",
    "2023-02-29",
    "29.02.2024",
    "a-b-c",
    "12",
    "12.50",
    "true",
    "No",
    "no",
    "Payment",
    "a text that is longer than what fits beside its length",
    "😀😀😀",
];

/// A row of the plan; mostly what its schema promises.
pub fn record(it: &mut Seeded, plan: &Plan, side: Side) -> Record {
    let fields = &plan.shapes[side].fields;
    Record::from_values(fields.iter().map(|field| if it.one_in(12) { value(it) } else { of_kind(it, &field.kind) }).collect())
}

fn of_kind(it: &mut Seeded, kind: &Kind) -> Value {
    let number = it.below(200) as i64 - 20;
    match kind {
        Kind::Text { .. } | Kind::Lookup(_) => Value::text(it.pick(TEXTS)),
        Kind::Bool => Value::Bool(it.one_in(2)),
        Kind::Int32 | Kind::Int64 => Value::Int(number),
        Kind::Decimal { .. } | Kind::Float64 => Value::Decimal(Decimal::new(i128::from(number), 2).expect("it is short")),
        Kind::Guid => Value::Guid(Uuid::from_u128(number.unsigned_abs().into())),
        Kind::Date => Value::Date(Date::constant(2024, 2, 1 + (number.unsigned_abs() % 28) as i8)),
        Kind::DateTime => Value::DateTime(Timestamp::from_second(number * 86_399).expect("it is near the epoch")),
        Kind::Enum(members) => members.members[number.unsigned_abs() as usize % members.members.len()].value.clone(),
        Kind::Time | Kind::Binary | Kind::Choices(_) => Value::Null,
    }
}

/// A value of any kind, or none.
fn value(it: &mut Seeded) -> Value {
    match it.below(9) {
        0 => Value::Absent,
        1 => Value::Null,
        2 => of_kind(it, &Kind::Bool),
        3 => of_kind(it, &Kind::Int32),
        4 => of_kind(it, &Kind::Float64),
        5 => of_kind(it, &Kind::Guid),
        6 => of_kind(it, &Kind::Date),
        7 => of_kind(it, &Kind::DateTime),
        _ => of_kind(it, &Kind::Text { max: None }),
    }
}

/// The plan with rules, a filter and value maps that were made up.
pub fn plan(it: &mut Seeded, base: &Plan) -> Plan {
    let mut out = base.clone();
    out.tables.extend((0..2).map(|_| table(it)));
    let tables = out.tables.len() as u64;
    out.rules = (0..=it.below(RULES)).map(|number| rule(it, &base.rules[0], tables, number)).collect();
    out.key.clear();
    for side in Side::BOTH {
        out.scope[side] = if it.one_in(2) { Some(expr(it, tables, false, DEPTH)) } else { None };
        for field in &mut out.shapes[side].fields {
            field.nullable = !it.one_in(3);
        }
    }
    out
}

/// The rules of a plan in groups, with policies.
pub fn groups(it: &mut Seeded, plan: &Plan) -> Vec<Group> {
    let mut out: Vec<Group> = Vec::new();
    for id in plan.rule_ids() {
        let conflict = match it.below(3) {
            0 => Conflict::Manual,
            1 => Conflict::Prefer(Side::BOTH[it.below(2) as usize]),
            _ => Conflict::Newest { tie: Side::BOTH[it.below(2) as usize] },
        };
        match out.last_mut() {
            Some(group) if it.one_in(3) => group.rules.push(id),
            Some(_) | None => out.push(Group { rules: vec![id], conflict }),
        }
    }
    out
}

fn table(it: &mut Seeded) -> ValueTable {
    let mut pairs: Vec<(Value, Value)> = (0..it.below(8)).map(|_| (value(it), value(it))).collect();
    pairs.retain(|(from, _)| from.is_known());
    pairs.sort();
    pairs.dedup_by(|left, right| left.0 == right.0);
    let otherwise = if it.one_in(2) { fallback(it) } else { None };
    ValueTable { name: "T".to_owned(), pairs, otherwise, ignore_case: it.one_in(2) }
}

fn fallback(it: &mut Seeded) -> Option<Fallback> {
    match it.below(6) {
        0 => Some(Fallback::Reject),
        1 => Some(Fallback::Park),
        2 => Some(Fallback::Skip),
        3 => Some(Fallback::Expr(slot(it).boxed())),
        4 => Some(Fallback::Value(value(it))).filter(|it| *it != Fallback::Value(Value::Absent)),
        _ => None,
    }
}

fn slot(it: &mut Seeded) -> Expr {
    Expr::Slot(Slot(it.below(SLOTS) as u16))
}

fn rule(it: &mut Seeded, base: &Rule, tables: u64, number: u64) -> Rule {
    let end = |it: &mut Seeded| {
        let parts = it.below(3);
        let read = match parts {
            2 => Expr::Tuple((0..2).map(|_| if it.one_in(3) { expr(it, tables, false, 1) } else { slot(it) }).collect()),
            _ => expr(it, tables, false, DEPTH),
        };
        (read, parts == 2)
    };
    let (left, right) = (end(it), end(it));
    // What is written is taken from what the other side reads.
    let write = |it: &mut Seeded, is_tuple: bool| {
        let one = |it: &mut Seeded, index: u16| {
            let whole = if is_tuple { Expr::Part { operand: Expr::It.boxed(), index } } else { Expr::It };
            let made = if it.one_in(2) { Expr::It } else { expr(it, tables, true, 2) };
            let made = made.rewritten(&|part| (*part == Expr::It).then(|| whole.clone()));
            (Slot(it.below(SLOTS) as u16), made)
        };
        let mut all: Vec<(Slot, Expr)> = (0..it.below(3) as u16).map(|index| one(it, index % 2)).collect();
        all.sort_by_key(|(slot, _)| *slot);
        all.dedup_by_key(|(slot, _)| *slot);
        all
    };
    let (to_left, to_right) = (write(it, right.1), write(it, left.1));
    let guard = it.one_in(5).then(|| Guard { side: Side::BOTH[it.below(2) as usize], condition: expr(it, tables, false, 1) });
    Rule {
        label: format!("rule {number}"),
        ends: Sides::new(End { read: left.0, write: to_left }, End { read: right.0, write: to_right }),
        guard,
        on_create: it.one_in(6),
        on_update: it.one_in(8),
        otherwise: Sides::new(fallback(it), fallback(it)),
        ..base.clone()
    }
}

/// One-argument functions, and what further literals the others take.
const FUNCTIONS: &[&str] = &["trim", "lower", "upper", "title", "text", "int", "date", "length", "is_blank", "digits", "is_null"];
const KINDS: &[Kind] = &[
    Kind::Text { max: None },
    Kind::Text { max: Some(5) },
    Kind::Int32,
    Kind::Int64,
    Kind::Decimal { precision: 6, scale: 2 },
    Kind::Bool,
    Kind::Date,
    Kind::DateTime,
];

fn expr(it: &mut Seeded, tables: u64, has_it: bool, depth: u32) -> Expr {
    if depth == 0 || it.one_in(6) {
        return match it.below(4) {
            0 => Expr::Const(value(it)),
            1 | 2 if has_it => Expr::It,
            _ => slot(it),
        };
    }
    let part = |it: &mut Seeded| expr(it, tables, has_it, depth - 1).boxed();
    match it.below(16) {
        0 => Expr::Call { function: it.pick(FUNCTIONS).to_owned(), arguments: vec![*part(it)] },
        1 => Expr::Concat((0..=it.below(3)).map(|_| *part(it)).collect()),
        2 => Expr::Convert { to: KINDS[it.below(KINDS.len() as u64) as usize].clone(), operand: part(it) },
        3 => Expr::SplitPart {
            operand: part(it),
            separator: it.pick(&["-", " ", ""]).to_owned(),
            from_end: it.one_in(2),
            tail: it.one_in(2),
        },
        4 => {
            let op = [Math::Add, Math::Subtract, Math::Multiply, Math::Divide][it.below(4) as usize];
            Expr::Math { op, left: part(it), right: part(it) }
        }
        5 => {
            let op = [Compare::Equal, Compare::NotEqual, Compare::Less, Compare::GreaterEqual][it.below(4) as usize];
            Expr::Compare { op, left: part(it), right: part(it) }
        }
        6 => Expr::In { operand: part(it), set: (0..3).map(|_| value(it)).collect() },
        7 => Expr::And(part(it), part(it)),
        8 => Expr::Or(part(it), part(it)),
        9 => Expr::Not(part(it)),
        10 => Expr::Coalesce(part(it), part(it)),
        11 => Expr::If { condition: part(it), then: part(it), otherwise: part(it) },
        12 | 13 => Expr::Table { table: TableId(it.below(tables) as u16), operand: part(it) },
        14 => {
            let function = it.pick(&["parse_date", "format_date"]).to_owned();
            let pattern = it.pick(&["yyyy-MM-dd", "d.M.yyyy", "dd.MM.yyyy"]);
            Expr::Call { function, arguments: vec![*part(it), Expr::Const(Value::text(pattern))] }
        }
        _ => {
            let (function, literal) = [
                ("take", Value::Int(it.below(8) as i64)),
                ("round", Value::Int(it.below(3) as i64)),
                ("before", Value::text("-")),
                ("after", Value::text(" ")),
                ("contains", Value::text("a")),
                ("with_prefix", Value::text("x")),
            ][it.below(6) as usize]
                .clone();
            Expr::Call { function: function.to_owned(), arguments: vec![*part(it), Expr::Const(literal)] }
        }
    }
}
