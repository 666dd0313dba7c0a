//! Changes one part of a JSON tree: a number, a word, a member more or less, a part in the place of another.

use serde_json::Value;

/// Numbers at which something ends.
const NUMBERS: &[i64] = &[0, 1, 2, 3, 5, 7, 8, 37, 38, 39, 127, 128, 255, 256, 2_000, 65_534, 65_535, -1, i64::MIN, i64::MAX];
/// Texts that are hard to carry.
const TEXTS: &[&str] = &["", " ", "ß", "İ", "ς", "😀", "a", "yyyy-MM-dd", "2024-02-29", "1e9", "-0", "%", "[", "(", "\u{301}", "\u{0}"];
/// Forms that an expression has.
const FORMS: &[&str] = &[
    r#""it""#,
    r#""partition""#,
    r#""now""#,
    r#"{"slot":0}"#,
    r#"{"slot":9}"#,
    r#"{"fresh":0}"#,
    r#"{"const":"null"}"#,
    r#"{"const":"absent"}"#,
    r#"{"const":{"text":"x"}}"#,
    r#"{"const":{"int":7}}"#,
    r#"{"const":{"dec":"0.5"}}"#,
    r#"{"part":{"operand":"it","index":1}}"#,
    r#"{"table":{"table":0,"operand":{"slot":0}}}"#,
    r#"{"key_of":{"reference":0,"operand":{"slot":0}}}"#,
    r#"{"id_of":{"reference":0,"operand":"it"}}"#,
    r#"{"call":{"function":"lower","arguments":[{"slot":0}]}}"#,
    r#"{"call":{"function":"replace","arguments":[{"slot":0},{"const":{"text":"a"}},{"const":{"text":"aa"}}]}}"#,
    r#"{"convert":{"to":{"Decimal":{"precision":9,"scale":2}},"operand":{"slot":0}}}"#,
    r#"{"math":{"op":"divide","left":{"slot":0},"right":{"slot":1}}}"#,
];

/// The text with one change, which `seed` chooses; `None`: it is no JSON.
pub fn changed(text: &[u8], seed: u32) -> Option<Vec<u8>> {
    let mut tree: Value = serde_json::from_slice(text).ok()?;
    let mut dice = Dice(u64::from(seed) | 1 << 40);
    for _ in 0..=dice.below(3) {
        let donor = nth(&tree, dice.below(count(&tree))).clone();
        let place = dice.below(count(&tree));
        change(nth_mut(&mut tree, place), donor, &mut dice);
    }
    serde_json::to_vec(&tree).ok()
}

struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound.max(1)
    }

    fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }
}

fn children(tree: &Value) -> Vec<&Value> {
    match tree {
        Value::Array(parts) => parts.iter().collect(),
        Value::Object(members) => members.values().collect(),
        _ => Vec::new(),
    }
}

fn count(tree: &Value) -> usize {
    1 + children(tree).into_iter().map(count).sum::<usize>()
}

fn nth(tree: &Value, mut number: usize) -> &Value {
    if number == 0 {
        return tree;
    }
    number -= 1;
    for child in children(tree) {
        let own = count(child);
        if number < own {
            return nth(child, number);
        }
        number -= own;
    }
    tree
}

fn nth_mut(tree: &mut Value, mut number: usize) -> &mut Value {
    if number == 0 {
        return tree;
    }
    number -= 1;
    let sizes: Vec<usize> = children(tree).into_iter().map(count).collect();
    let mut at = 0;
    while number >= sizes[at] {
        number -= sizes[at];
        at += 1;
    }
    let child = match tree {
        Value::Array(parts) => &mut parts[at],
        Value::Object(members) => members.values_mut().nth(at).expect("the children were counted"),
        _ => unreachable!("only these have children"),
    };
    nth_mut(child, number)
}

fn change(at: &mut Value, donor: Value, dice: &mut Dice) {
    match (dice.below(6), &mut *at) {
        (0, _) => *at = donor,
        (1, _) => *at = serde_json::from_str(dice.pick(FORMS)).expect("the forms are JSON"),
        (2, Value::Array(parts)) if !parts.is_empty() => {
            let place = dice.below(parts.len());
            drop(parts.remove(place));
        }
        (3, Value::Array(parts)) => {
            let place = dice.below(parts.len() + 1);
            parts.insert(place, donor);
        }
        (4, Value::Array(parts)) if parts.len() > 1 => {
            let place = dice.below(parts.len());
            parts.swap(0, place);
        }
        (_, Value::Number(_)) => *at = dice.pick(NUMBERS).into(),
        (_, Value::String(_)) => *at = dice.pick(TEXTS).into(),
        (_, Value::Bool(it)) => *it = !*it,
        (_, Value::Null) => *at = donor,
        (_, Value::Array(_) | Value::Object(_)) => *at = donor,
    }
}
