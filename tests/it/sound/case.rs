//! A random project: two systems with profiles, an entity on each side, and a map of one to three rules.

use dwmap::change::{Side, Sides};
use dwmap::value::Value;

use super::dice::Dice;
use super::families::{self, Family};

/// Rules of one map.
const RULES_MAX: usize = 3;
/// Share of the cases whose two stores keep everything as it is.
const EXACT_PERCENT: usize = 35;

/// A map with what a reader of it would expect of each rule.
pub struct Case {
    pub rules: Vec<Drawn>,
    pub profiles: Sides<Facts>,
}

/// What a store does.
#[derive(Clone, Default)]
pub struct Facts {
    pub text: Vec<String>,
    pub other: Vec<&'static str>,
    /// A profile that needs no declaration.
    pub built_in: Option<&'static str>,
    /// Fields must have room for the padding.
    pub padded: u32,
}

/// A rule as text, the fields that it needs, and what it admits.
#[derive(Clone, Default)]
pub struct Drawn {
    pub label: String,
    pub family: Option<Family>,
    /// Declarations before the map.
    pub items: String,
    pub fields: Sides<Vec<String>>,
    pub text: String,
    /// The arrow is `<->`: nothing may be lost.
    pub is_lossless: bool,
    /// The rule says itself that a value may be refused while this side is written.
    pub may_refuse: Sides<bool>,
    /// The rule says itself that it may stand aside.
    pub may_skip: bool,
    /// The rule looks up rows, which may not be there.
    pub refers: bool,
    /// What the rule adds to the filters of the map, one for each side.
    pub filter: Option<Sides<String>>,
    /// Differences that the rule calls inessential.
    pub admits: Vec<Admitted>,
    /// Constants of the rule, around which errors gather.
    pub spice: Vec<Value>,
}

/// A difference that a rule calls inessential.
#[derive(Clone, Debug)]
pub enum Admitted {
    Trim,
    Case,
    Space,
    /// What this function of the library makes equal.
    Function(&'static str, Vec<Value>),
    /// Null stands for this value.
    Default(Value),
    /// Anything: a fallback answers.
    Anything,
}

impl Drawn {
    /// The fields of this rule have its label in their names.
    pub fn owns(&self, field: &str) -> bool {
        field.get(1..).is_some_and(|it| it.starts_with(&self.label))
    }
}

impl Case {
    pub fn draw(seed: u64, family: Option<Family>) -> Self {
        let mut dice = Dice::new(seed);
        let profiles = if dice.percent(EXACT_PERCENT) {
            Sides::default()
        } else {
            Sides::new(Facts::draw(&mut dice), Facts::draw(&mut dice))
        };
        let count = if family.is_some() { 1 } else { dice.between(1, RULES_MAX) };
        let rules = (0..count)
            .map(|index| {
                let family = family.unwrap_or_else(|| *dice.pick(Family::ALL));
                families::draw(&mut dice, family, &format!("x{index}"), &profiles)
            })
            .collect();
        Self { rules, profiles }
    }

    /// The project in one file.
    pub fn text(&self) -> String {
        let mut out = String::new();
        for (side, facts) in self.profiles.iter() {
            out += &facts.profile(name(side));
            out += &format!("system {0} profile {1}\n", name(side), facts.built_in.unwrap_or(&format!("store_{}", name(side))));
        }
        for rule in &self.rules {
            out += &rule.items;
        }
        for (side, entity) in [(Side::Left, "left.L"), (Side::Right, "right.R")] {
            out += &format!("entity {entity} {{\n  key Number: int64\n  partition key company: text<8>\n");
            for field in self.rules.iter().flat_map(|it| &it.fields[side]) {
                out += &format!("  {field}\n");
            }
            out += "}\n";
        }
        out += "map M: left.L <-> right.R {\n  partition company <-> company\n  key Number <-> Number\n";
        for rule in &self.rules {
            out += &format!("  {}\n", rule.text);
        }
        let filters: Vec<&Sides<String>> = self.rules.iter().filter_map(|it| it.filter.as_ref()).collect();
        for it in &filters {
            out += &format!("  filter {} <-> {}\n", it[Side::Left], it[Side::Right]);
        }
        if !filters.is_empty() {
            out += "  on exit detach\n";
        }
        out + "  on conflict prefer left\n  on delete <-> ignore\n}\n"
    }
}

pub fn name(side: Side) -> &'static str {
    match side {
        Side::Left => "left",
        Side::Right => "right",
    }
}

impl Facts {
    fn draw(dice: &mut Dice) -> Self {
        match dice.below(10) {
            0 | 1 => return Self { built_in: Some("finops"), ..Self::default() },
            2 | 3 => return Self { built_in: Some("dataverse"), ..Self::default() },
            4 => return Self { built_in: Some("exact"), ..Self::default() },
            _ => {}
        }
        let mut out = Self::default();
        match dice.below(4) {
            0 => out.text.push("null is blank".to_owned()),
            1 => out.text.push("blank is null".to_owned()),
            _ => {}
        }
        if dice.percent(20) {
            out.padded = *dice.pick(&[4, 8]);
            out.text.push(format!("padded {}", out.padded));
        }
        for (chance, fact) in [
            (30, "trailing blanks dropped"),
            (15, "leading blanks dropped"),
            (30, "compare ignoring case"),
            (20, "compare ignoring trailing blanks"),
        ] {
            if dice.percent(chance) {
                out.text.push(fact.to_owned());
            }
        }
        match dice.below(12) {
            0 => out.text.push("upper".to_owned()),
            1 => out.text.push("lower".to_owned()),
            _ => {}
        }
        for (chance, fact) in [(25, "date: null is 1900-01-01"), (40, "datetime: precision 1s"), (30, "decimal: scale 2")] {
            if dice.percent(chance) {
                out.other.push(fact);
            }
        }
        out
    }

    /// The store turns `""` into null.
    pub fn has_no_blank(&self) -> bool {
        self.built_in == Some("dataverse") || self.text.iter().any(|it| it == "blank is null")
    }

    fn is_so(&self, fact: &str) -> bool {
        matches!(self.built_in, Some("finops" | "dataverse")) || self.text.iter().any(|it| it == fact)
    }

    /// The store finds `A` where `a` is looked for.
    pub fn ignores_case(&self) -> bool {
        self.is_so("compare ignoring case")
    }

    /// The store finds `A` where `A ` is looked for.
    pub fn ignores_trailing_blanks(&self) -> bool {
        self.is_so("compare ignoring trailing blanks")
    }

    fn profile(&self, name: &str) -> String {
        if self.built_in.is_some() {
            return String::new();
        }
        let mut out = format!("profile store_{name} {{\n");
        if !self.text.is_empty() {
            out += &format!("  text: {}\n", self.text.join(", "));
        }
        for fact in &self.other {
            out += &format!("  {fact}\n");
        }
        out + "}\n"
    }
}
