//! A nasty corpus of values for each kind, simple ones first, so that the first witness is easy to read.

use crate::functions;
use crate::ir::Expr;
use crate::value::{Date, Decimal, Float, Kind, Text, Time, Timestamp, Uuid, Value};

/// Where more combinations exist than are tried, this seed picks them; the certificate names it.
pub const SEED: u64 = 0x00D7_3A9D;

/// Longest text that is tried.
const TEXT_UNITS_MAX: u32 = 5_000;
/// Constants of a rule that are set beside each other and at its cuts.
const PAIRED_MAX: usize = 4;
/// Longest field that is filled to its end around a cut.
const FILLED_MAX: usize = 100;

/// All values of a small kind, or `None`.
pub fn every(kind: &Kind) -> Option<Vec<Value>> {
    match kind {
        Kind::Bool => Some(vec![Value::Bool(false), Value::Bool(true)]),
        Kind::Enum(members) => Some(members.members.iter().map(|it| it.value.clone()).collect()),
        Kind::Int32
        | Kind::Int64
        | Kind::Decimal { .. }
        | Kind::Float64
        | Kind::Text { .. }
        | Kind::Guid
        | Kind::Date
        | Kind::Time
        | Kind::DateTime
        | Kind::Binary
        | Kind::Choices(_)
        | Kind::Lookup(_) => None,
    }
}

/// Values that have shown errors in such rules. `near` holds the constants of the rule: its lengths, separators and numbers.
pub fn nasty(kind: &Kind, near: &[Value]) -> Vec<Value> {
    match kind {
        Kind::Bool | Kind::Enum(_) => every(kind).expect("these kinds have few values"),
        Kind::Text { max } => texts(*max, near),
        Kind::Int32 => ints(near, i64::from(i32::MIN), i64::from(i32::MAX)),
        Kind::Int64 => ints(near, i64::MIN, i64::MAX),
        Kind::Decimal { precision, scale } => decimals(*precision, *scale),
        Kind::Float64 => [0.0, 1.0, 1.5, -2.25].into_iter().map(|it| Value::Float(Float(it))).collect(),
        Kind::Guid => [1, u128::MAX].into_iter().map(|it| Value::Guid(Uuid::from_u128(it))).collect(),
        Kind::Date => {
            parsed::<Date>(&["2024-02-29", "2024-03-01", "1900-01-01", "1753-01-01", "9999-12-30"]).map(Value::Date).collect()
        }
        Kind::Time => parsed::<Time>(&["00:00:00", "12:30:00", "23:59:59", "23:59:59.999"]).map(Value::Time).collect(),
        Kind::DateTime => {
            let instants = [
                "2024-02-29T00:00:00Z",
                "2024-02-29T23:59:59Z",
                "2024-03-31T01:00:00Z",
                "2024-02-29T12:00:00Z",
                "2024-02-29T12:00:00.123456Z",
                "1900-01-01T00:00:00Z",
            ];
            parsed::<Timestamp>(&instants).map(Value::DateTime).collect()
        }
        Kind::Choices(members) => {
            let numbers: Vec<i64> =
                members.members.iter().filter_map(|it| if let Value::Int(it) = it.value { Some(it) } else { None }).collect();
            vec![Value::Set([].into()), Value::Set(numbers.iter().take(1).copied().collect()), Value::Set(numbers.into())]
        }
        Kind::Binary => vec![Value::Binary([].into()), Value::Binary([0, 255].into())],
        Kind::Lookup(_) => vec![Value::text("A"), Value::text("B")],
    }
}

fn parsed<T: std::str::FromStr>(texts: &[&str]) -> impl Iterator<Item = T> {
    texts.iter().filter_map(|it| it.parse().ok())
}

fn texts(max: Option<u32>, near: &[Value]) -> Vec<Value> {
    let limit = max.map_or(TEXT_UNITS_MAX, |it| it.min(TEXT_UNITS_MAX)) as usize;
    let plain = [
        "a",
        "b ",
        " b",
        "",
        "b",
        "a b",
        "b b",
        "AB",
        "Ab",
        "abc d",
        "a  b",
        "1",
        "01",
        "1.50",
        "true",
        "2024-02-29",
        "e\u{301}",
        "é",
        "ß",
        "İ",
        "a\u{a0}b",
        "\u{a0}a",
        "a\tb",
        "a\n",
        "-a-",
        "0a0",
        "A@B.Cd",
        "İİİİ",
        " ",
        "\t",
        "a\nb",
        ".",
        "-",
        "0",
        "\n",
    ];
    let mut out: Vec<String> = plain.map(str::to_owned).into();
    for constant in near {
        match constant {
            Value::Int(units) => out.extend(around_cut(usize::try_from(*units).unwrap_or(0).min(limit))),
            Value::Text(part) => out.extend(around_part(part)),
            _ => {}
        }
    }
    out.extend(paired(near, limit));
    out.extend(["x".repeat(limit), format!("{} ", "x".repeat(limit.saturating_sub(1)))]);
    out.retain(|it| it.encode_utf16().count() <= limit);
    let mut values: Vec<Value> = Vec::new();
    for text in out {
        let value = Value::Text(Text::new(text));
        if !values.contains(&value) {
            values.push(value);
        }
    }
    values
}

/// Texts of about so many units.
fn around_cut(units: usize) -> Vec<String> {
    let mut out = Vec::new();
    out.extend([units.saturating_sub(1), units].map(|it| format!("{} {}", "x".repeat(it), "x")));
    out.extend(["x".repeat(units), "x".repeat(units + 1), format!("{}y", "x".repeat(units))]);
    let one_less = "x".repeat(units.saturating_sub(1));
    out.extend([format!("x {one_less}"), "İ".repeat(units), "ß".repeat(units), format!("ß{one_less}")]);
    out.extend([format!("İ{one_less}"), format!("{one_less}İ"), format!("{one_less}ß")]);
    // Of these a function that keeps letters or digits leaves one, and padding moves it.
    let dots = ".".repeat(units.saturating_sub(1));
    out.extend([format!("{dots}1"), format!("1{dots}")]);
    // A letter of two units is never cut in half: it is left out.
    out.extend([format!("{one_less}😀x"), format!("x😀{one_less}"), one_less]);
    out
}

/// A constant, alone and among other letters.
fn around_part(part: &str) -> Vec<String> {
    vec![
        part.to_string(),
        format!("a{part}b"),
        format!("b{part}b"),
        format!("a{part}a"),
        format!("a{part}b{part}a"),
        format!("a{part} b{part}a"),
        format!("a{part}b {part}a"),
        format!("a{part}"),
        format!("{part}a"),
        format!("{part} a"),
        format!("a {part}"),
        format!("{part}{part}"),
        format!("{part} "),
        format!(" {part}"),
        format!("a\u{a0}{part}"),
        format!("{part}\u{a0}a"),
        part.to_uppercase(),
        part.to_lowercase(),
    ]
}

/// Two constants beside each other, and a text just within and just behind a cut, from either end.
fn paired(near: &[Value], limit: usize) -> Vec<String> {
    let mut parts: Vec<&str> = Vec::new();
    near.iter().filter_map(Value::as_text).filter(|it| !it.is_empty()).for_each(|it| {
        if parts.len() < PAIRED_MAX && !parts.contains(&it) {
            parts.push(it);
        }
    });
    let mut out = Vec::new();
    for (index, first) in parts.iter().enumerate() {
        let others = parts.iter().enumerate().filter(|(other, _)| *other != index);
        out.extend(others.map(|(_, second)| format!("{first}{second}")));
    }
    for units in near.iter().filter_map(|it| if let Value::Int(it) = it { usize::try_from(*it).ok() } else { None }) {
        for part in &parts {
            let within = units.min(limit).saturating_sub(part.encode_utf16().count());
            let filled = "x".repeat(within);
            out.extend([
                format!("{filled}{part}x"),
                format!("x{part}{filled}"),
                format!("x{filled}{part}"),
                format!("{part}{filled}x"),
            ]);
            // Blanks that a store drops from a piece stand beside a constant.
            let one_less = filled.get(1..).unwrap_or("");
            out.extend([format!("{one_less} {part}"), format!("{part} {one_less}")]);
            // A store that pads moves the cut, but for a text that fills its field.
            if limit <= FILLED_MAX {
                let rest = "x".repeat(limit.saturating_sub(units));
                out.extend([format!("{rest}{part}{filled}"), format!("{filled}{part}{rest}")]);
            }
        }
    }
    out
}

fn ints(near: &[Value], low: i64, high: i64) -> Vec<Value> {
    let mut out = vec![0, 1, -1, 7, 1_000, low, high];
    for constant in near {
        if let Value::Int(it) = constant {
            out.extend([it.saturating_sub(1), *it, it.saturating_add(1)]);
        }
    }
    out.retain(|it| (low..=high).contains(it));
    out.sort_by_key(|it| (it.unsigned_abs(), *it));
    out.dedup();
    out.into_iter().map(Value::Int).collect()
}

/// Whole and broken numbers at every scale that fits, and the largest.
fn decimals(precision: u8, scale: u8) -> Vec<Value> {
    let mut out = vec![Decimal::ZERO, Decimal::from_int(1), Decimal::from_int(-1)];
    for places in 1..=scale {
        out.extend([1, 4, 5, 9, -5, 15].iter().filter_map(|it| Decimal::new(*it, places).ok()));
    }
    let largest = 10i128.pow(u32::from(precision.min(38))) - 1;
    out.extend([largest, -largest].iter().filter_map(|it| Decimal::new(*it, scale).ok()));
    out.retain(|it| it.integer_digits() <= u32::from(precision - scale));
    out.dedup();
    out.into_iter().map(Value::Decimal).collect()
}

/// Every constant of an expression, and behind them what its functions look for.
pub fn constants(expr: &Expr, out: &mut Vec<Value>) {
    literals(expr, out);
    sought(expr, out);
}

fn literals(expr: &Expr, out: &mut Vec<Value>) {
    if let Expr::Const(value) = expr {
        out.push(value.clone());
    }
    if let Expr::SplitPart { separator, .. } = expr {
        out.push(Value::text(separator));
    }
    if let Expr::In { set, .. } = expr {
        out.extend(set.iter().cloned());
    }
    expr.operands().into_iter().for_each(|it| literals(it, out));
}

fn sought(expr: &Expr, out: &mut Vec<Value>) {
    if let Expr::Call { function, .. } = expr {
        out.extend(functions::find(function).into_iter().flat_map(|it| it.sought).map(Value::text));
    }
    expr.operands().into_iter().for_each(|it| sought(it, out));
}
