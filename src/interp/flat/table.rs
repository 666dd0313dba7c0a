//! Value maps: found by one look where the keys allow it.

use crate::ir::{Fallback, ValueTable};
use crate::value::{Text, Value};

/// Widest span of whole numbers that gets a place each.
const SPAN_MAX: i64 = 1_024;
/// Most texts that are placed without collisions.
const TEXTS_MAX: usize = 256;
/// Arrangements that are tried.
const SEEDS_MAX: u64 = 512;

/// One direction of a value map.
#[derive(Debug)]
pub struct Table {
    finder: Finder,
    pairs: Vec<(Value, Value)>,
    ignore_case: bool,
    otherwise: Option<Value>,
    has_else: bool,
}

/// Null becomes null where neither a row nor an `else` says otherwise.
const NULL: Value = Value::Null;

#[derive(Debug)]
enum Finder {
    /// The number, less the lowest one, is the place.
    Direct {
        low: i64,
        places: Vec<Option<u16>>,
    },
    /// Each text has a place of its own.
    Perfect {
        seed: u64,
        places: Vec<Option<u16>>,
    },
    Sorted,
}

impl Table {
    /// `None`: too many rows.
    pub fn new(table: &ValueTable) -> Option<Self> {
        let otherwise = match &table.otherwise {
            Some(Fallback::Reject | Fallback::Park | Fallback::Skip | Fallback::Expr(_)) | None => None,
            Some(Fallback::Value(value)) => Some(value.clone()),
        };
        if table.pairs.len() > usize::from(u16::MAX) {
            return None;
        }
        let finder = direct(&table.pairs).or_else(|| perfect(&table.pairs)).unwrap_or(Finder::Sorted);
        let (pairs, has_else) = (table.pairs.clone(), table.otherwise.is_some());
        Some(Self { finder, pairs, ignore_case: table.ignore_case, otherwise, has_else })
    }

    /// What the value becomes; `None`: a failure, or for the table's `else` to say.
    pub fn get(&self, value: &Value) -> Option<&Value> {
        let place = match (&self.finder, value) {
            (Finder::Direct { low, places }, Value::Int(number)) => {
                usize::try_from(number.wrapping_sub(*low)).ok().and_then(|it| *places.get(it)?)
            }
            (Finder::Perfect { seed, places }, Value::Text(text)) => {
                places[place(*seed, text, places.len())].filter(|it| self.pairs[usize::from(*it)].0.as_text() == Some(text))
            }
            _ => self.pairs.binary_search_by(|(from, _)| from.cmp(value)).ok().map(|it| it as u16),
        };
        match (place, value) {
            (Some(place), _) => Some(&self.pairs[usize::from(place)].1),
            (None, Value::Text(text)) if self.ignore_case => self.folded(text).or(self.otherwise.as_ref()),
            (None, Value::Null) if !self.has_else => Some(&NULL),
            (None, _) => self.otherwise.as_ref(),
        }
    }

    fn folded(&self, text: &Text) -> Option<&Value> {
        let same = |from: &Value| from.as_text().is_some_and(|it| it.eq_ignore_ascii_case(text));
        self.pairs.iter().find(|(from, _)| same(from)).map(|(_, to)| to)
    }
}

fn direct(pairs: &[(Value, Value)]) -> Option<Finder> {
    let numbers: Option<Vec<i64>> =
        pairs.iter().map(|(from, _)| if let Value::Int(it) = from { Some(*it) } else { None }).collect();
    let numbers = numbers?;
    let (low, high) = (*numbers.iter().min()?, *numbers.iter().max()?);
    let span = high.checked_sub(low).filter(|it| *it < SPAN_MAX)?;
    let mut places = vec![None; span as usize + 1];
    for (index, number) in numbers.iter().enumerate() {
        places[(number - low) as usize] = Some(index as u16);
    }
    Some(Finder::Direct { low, places })
}

fn perfect(pairs: &[(Value, Value)]) -> Option<Finder> {
    let texts: Option<Vec<&str>> = pairs.iter().map(|(from, _)| from.as_text()).collect();
    let texts = texts.filter(|it| !it.is_empty() && it.len() <= TEXTS_MAX)?;
    let size = (texts.len() * 2).next_power_of_two();
    (0..SEEDS_MAX).find_map(|seed| {
        let mut places = vec![None; size];
        for (index, text) in texts.iter().enumerate() {
            let place = &mut places[place(seed, text, size)];
            if place.replace(index as u16).is_some() {
                return None;
            }
        }
        Some(Finder::Perfect { seed, places })
    })
}

/// From the length and both ends of a text: names that people give differ there.
fn place(seed: u64, text: &str, size: usize) -> usize {
    let bytes = text.as_bytes();
    let (head, tail) = match bytes {
        [] => (0, 0),
        [head, .., tail] if bytes.len() < 4 => (u64::from(*head), u64::from(*tail) | u64::from(bytes[1]) << 8),
        [only] => (u64::from(*only), 0),
        _ => {
            let head = bytes.first_chunk::<4>().expect("four bytes are there");
            let tail = bytes.last_chunk::<4>().expect("four bytes are there");
            (u64::from(u32::from_le_bytes(*head)), u64::from(u32::from_le_bytes(*tail)))
        }
    };
    let mixed = (head | tail << 32)
        .wrapping_add(bytes.len() as u64)
        .wrapping_mul(0x9E37_79B9_7F4A_7C15 ^ (seed << 1 | 1).rotate_left(17));
    ((mixed ^ (mixed >> 29)) >> 32) as usize & (size - 1)
}
