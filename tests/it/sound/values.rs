//! Random values of a kind: small ones from a nasty alphabet, those at the kind's limits, and those around a rule's constants.
//!
//! Nothing here comes from the samples that the checker tries.

use dwmap::value::{Date, Decimal, Kind, Time, Timestamp, Value};

use super::dice::Dice;

const LETTERS: &[&str] = &[
    " ", " ", "a", "b", "A", "B", "z", "1", "0", "-", ".", ",", "/", "@", ":", "#", "ß", "é", "É", "e\u{301}", "İ", "ı", "ſ",
    "K", "ﬁ", "\t", "\u{a0}", "\n", "Σ", "ς", "😀",
];

pub fn draw(dice: &mut Dice, kind: &Kind, nullable: bool, spice: &[Value]) -> Value {
    if nullable && dice.percent(12) {
        return Value::Null;
    }
    match kind {
        Kind::Bool => Value::Bool(dice.percent(50)),
        Kind::Int32 => Value::Int(int(dice, i64::from(i32::MIN), i64::from(i32::MAX), spice)),
        Kind::Int64 => Value::Int(int(dice, i64::MIN, i64::MAX, spice)),
        Kind::Decimal { precision, scale } => Value::Decimal(decimal(dice, *precision, *scale)),
        Kind::Text { max } => Value::text(text(dice, max.unwrap_or(40) as usize, spice)),
        Kind::Date => {
            let days = ["2024-02-29", "2024-03-01", "1900-01-01", "1753-01-01", "2031-12-31", "1999-07-04"];
            Value::Date(dice.pick(&days).parse::<Date>().expect("these are days"))
        }
        Kind::Time => {
            let times = ["00:00:00", "12:30:00", "23:59:59.999", "07:00:01"];
            Value::Time(dice.pick(&times).parse::<Time>().expect("these are times"))
        }
        Kind::DateTime => {
            let day = dice.pick(&["2024-02-29", "2024-03-31", "1900-01-01", "1969-12-31"]);
            let time = dice.pick(&["00:00:00", "23:59:59", "12:00:00.25", "01:30:00.999999", "06:00:00.5"]);
            Value::DateTime(format!("{day}T{time}Z").parse::<Timestamp>().expect("these are instants"))
        }
        Kind::Enum(members) if members.open && dice.percent(10) => Value::Int(90 + dice.below(3) as i64),
        Kind::Enum(members) => dice.pick(&members.members).value.clone(),
        Kind::Float64 | Kind::Guid | Kind::Binary | Kind::Choices(_) | Kind::Lookup(_) => {
            unreachable!("no family has fields of the kind {kind}")
        }
    }
}

fn int(dice: &mut Dice, low: i64, high: i64, spice: &[Value]) -> i64 {
    let near: Vec<i64> = spice.iter().filter_map(|it| if let Value::Int(it) = it { Some(*it) } else { None }).collect();
    let drawn = match dice.below(10) {
        0..=3 if !near.is_empty() => dice.pick(&near).saturating_add(dice.below(3) as i64 - 1),
        0..=4 => dice.below(20) as i64 - 5,
        5 => low,
        6 => high,
        7 => high / (1 + dice.below(1_000) as i64),
        _ => dice.below(1_000_000) as i64 - 500_000,
    };
    drawn.clamp(low, high)
}

fn decimal(dice: &mut Dice, precision: u8, scale: u8) -> Decimal {
    let digits = match dice.below(6) {
        0 => u32::from(precision),
        1 => u32::from(scale) + 1,
        _ => dice.between(1, usize::from(precision).min(8)) as u32,
    };
    let top = 10i128.pow(digits.min(u32::from(precision)));
    let number = if dice.percent(15) { top - 1 } else { i128::from(dice.below(1_000_000_000) as i64) * 7 % top };
    let places = dice.between(0, usize::from(scale)) as u8;
    let whole = u32::from(precision - scale);
    let number = number % 10i128.pow(whole + u32::from(places));
    let sign = if dice.percent(30) { -1 } else { 1 };
    Decimal::new(sign * number, places).expect("the digits fit the kind")
}

fn text(dice: &mut Dice, max: usize, spice: &[Value]) -> String {
    let near: Vec<&str> = spice.iter().filter_map(Value::as_text).collect();
    let pieces = match dice.below(10) {
        0 => 0,
        1 => max,
        _ => dice.between(1, 5),
    };
    let repeated = if dice.percent(15) { Some(*dice.pick(LETTERS)) } else { None };
    let mut out = String::new();
    for _ in 0..pieces {
        match repeated {
            Some(letter) => out += letter,
            None if !near.is_empty() && dice.percent(30) => out += &bent(dice, &near),
            None => out += LETTERS[dice.below(LETTERS.len())],
        }
    }
    if !near.is_empty() && dice.percent(25) {
        out = bent(dice, &near);
    }
    cut(&out, max)
}

/// A constant as it is, or in another case, or with blanks about it.
fn bent(dice: &mut Dice, near: &[&str]) -> String {
    let text = *dice.pick(near);
    match dice.below(8) {
        0 => text.to_uppercase(),
        1 => text.to_lowercase(),
        2 => format!("{text} "),
        3 => format!(" {text}"),
        _ => text.to_owned(),
    }
}

fn cut(text: &str, max: usize) -> String {
    let mut units = 0;
    text.chars()
        .take_while(|it| {
            units += it.len_utf16();
            units <= max
        })
        .collect()
}
