//! Programs, plans and rules.

use serde::{Deserialize, Serialize};

use super::valid::{self, EXPRESSION_DEPTH_MAX, Flaw};
use super::{Expr, Laws, PlanId, RefId, RuleId, TableId, ValueTable};
use crate::change::{Side, Sides};
use crate::schema::{Profile, Shape};
use crate::value::{Kind, Slot, Value};

/// The version of this form. A reader refuses any other.
pub const FORMAT: u32 = 2;

/// Deepest brackets of a program's text: an expression takes three for each of its levels, and stands in some itself.
const JSON_DEPTH_MAX: usize = 3 * EXPRESSION_DEPTH_MAX + 32;

/// All compiled maps of a project.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Program {
    pub format: u32,
    /// `sha256:…` over the canonical form without this field.
    pub hash: String,
    pub systems: Vec<System>,
    pub plans: Vec<Plan>,
    /// Plans in dependency order; the plans of one group refer to each other.
    pub order: Vec<Vec<PlanId>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct System {
    pub name: String,
    pub profile: Profile,
}

/// One compiled map.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    pub name: String,
    pub version: Option<String>,
    pub origin: Origin,
    /// Index into the program's systems.
    pub systems: Sides<u16>,
    pub profiles: Sides<Profile>,
    pub shapes: Sides<Shape>,
    /// Writes go to this side. One-way maps write one side only.
    pub writes: Sides<bool>,
    pub rules: Vec<Rule>,
    /// Rules that merge as one, because they share fields or a policy says so. Every rule is in exactly one group.
    pub groups: Vec<Group>,
    /// The rules whose canonical values together are the record's key: the partition's first, then the key rules.
    pub key: Vec<RuleId>,
    pub partition: Option<RuleId>,
    /// Canonical partition values that take part; `None`: all.
    pub partition_in: Option<Vec<Value>>,
    /// In scope on this side; gates writes away from this side.
    pub scope: Sides<Option<Expr>>,
    pub on_exit: Sides<Option<Exit>>,
    /// What a delete on this side does to the other one.
    pub on_delete: Sides<DeleteAction>,
    /// What a key that changes on one side means.
    #[serde(default)]
    pub on_rekey: Rekey,
    pub on_error: OnError,
    pub references: Vec<Reference>,
    pub tables: Vec<ValueTable>,
}

/// What a row that leaves the filter on one side means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    /// Stop syncing, keep the link dormant.
    Detach,
    /// `deactivate`: as `Detach`, and the other row is marked until this one returns.
    Set {
        slot: Slot,
        value: Value,
    },
    Delete,
    Reject,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeleteAction {
    Delete,
    /// Write this value into that slot of the other side instead.
    Set {
        slot: Slot,
        value: Value,
    },
    /// Report it and keep the other row; the link stays, parked.
    Refuse,
    /// Forget the link.
    Ignore,
}

/// What becomes of a pair whose key changes on one side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rekey {
    /// The change is refused; the pair stays as it is.
    #[default]
    Reject,
    /// The key of the other row changes with it.
    Rename,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnError {
    /// Try again that often, then park.
    Retry(u32),
    Park,
    Pause,
}

/// Rules that win or lose a conflict together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Group {
    pub rules: Vec<RuleId>,
    pub conflict: Conflict,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Conflict {
    /// The later modification wins; ties and missing times go to this side.
    Newest {
        tie: Side,
    },
    Prefer(Side),
    Manual,
}

/// A place in the author's text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    pub file: String,
    pub line: u32,
}

/// An equation between the two sides.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    pub label: String,
    pub origin: Origin,
    /// `<->`, `<~>`, `->` or `<-`, as written; for people.
    pub arrow: String,
    /// The kind of the canonical value.
    pub kind: Kind,
    pub ends: Sides<End>,
    pub modulo: Modulo,
    pub guard: Option<Guard>,
    /// Only writes rows that it creates; does not count afterwards.
    pub on_create: bool,
    /// Only writes rows that exist already.
    pub on_update: bool,
    pub on_missing: Missing,
    /// What an expression that fails while this side is being written becomes; `None`: the row is rejected as a bug.
    pub otherwise: Sides<Option<Fallback>>,
    pub loses: Option<String>,
    pub laws: Laws,
}

/// One side of a rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct End {
    /// Record to canonical value.
    pub read: Expr,
    /// Canonical value (`It`) and old record (slots) to new field contents. Empty: this side is never written by the rule.
    pub write: Vec<(Slot, Expr)>,
}

/// Differences that do not count when the two sides are compared. What is written is copied verbatim.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Modulo {
    /// Blanks at both ends.
    pub trim: bool,
    pub case: bool,
    /// Runs of white space count as one blank.
    pub space: bool,
}

/// `when` on one side's record, as it will be after the other rules.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Guard {
    pub side: Side,
    pub condition: Expr,
}

/// What a value that cannot be carried becomes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fallback {
    Reject,
    Park,
    /// The rule does not take part for this row.
    Skip,
    Value(Value),
    Expr(Box<Expr>),
}

/// What a reference to a row that is not there becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Missing {
    Park,
    Reject,
    Null,
    /// As [`Park`](Self::Park), and the map that keeps such rows in step is asked to make it now.
    Create,
}

/// A lookup: how a reference to another row is read as that row's key, and back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reference {
    /// The side that holds the reference.
    pub side: Side,
    /// The name of the map that keeps the referenced rows in step, where there is one: parked rows wait for its links.
    pub plan: Option<String>,
    /// Alternatives for polymorphic lookups; usually one.
    pub targets: Vec<RefTarget>,
    /// The first column is the partition: its value is that of the referring record, and it is not part of the key that rules see.
    pub is_partitioned: bool,
    /// The maps refer to each other in a circle, and this reference may be null: a row whose target is missing is made without
    /// it, and gets it as soon as the target is there.
    pub is_deferrable: bool,
    /// Where rows come from that are not there yet, if a rule says `on missing create`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
}

/// The rows from which the map of a [`Reference`] makes those that are referred to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Source {
    /// The side of that map.
    pub side: Side,
    /// The table, and the columns that hold the same key as the reference's own, in the same order.
    pub target: RefTarget,
}

impl Reference {
    /// What the parts of the key that rules see may be, for each table that can be meant.
    pub fn key_kinds(&self) -> Vec<Vec<&Kind>> {
        let seen = usize::from(self.is_partitioned);
        self.targets.iter().map(|it| it.columns.iter().skip(seen).map(|column| it.kind(column)).collect()).collect()
    }
}

impl RefTarget {
    /// What a column shows: of a reference, the key of its row.
    fn kind<'a>(&'a self, column: &'a RefColumn) -> &'a Kind {
        match column.via.as_deref() {
            Some(inner) => inner.kind(&inner.columns[0]),
            None => &self.shape.field(column.slot).kind,
        }
    }
}

/// A table that can be referred to, and the unique key that stands for its rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RefTarget {
    /// The columns' fields by slot, with the primary key.
    pub shape: Shape,
    pub columns: Vec<RefColumn>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RefColumn {
    pub slot: Slot,
    /// The column is itself a reference, read as the key of its target.
    pub via: Option<Box<RefTarget>>,
}

/// Why a compiled program was not read.
#[derive(Debug)]
pub enum ReadError {
    NotAProgram(serde_json::Error),
    OtherFormat {
        found: u64,
    },
    /// Its brackets nest deeper than those of any program.
    TooDeep,
    /// The content does not have the hash it claims.
    Damaged,
    /// It names what is not there, or could not be run for another reason.
    Flawed(Flaw),
}

impl std::fmt::Display for ReadError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotAProgram(error) => write!(out, "not a compiled program: {error}"),
            Self::OtherFormat { found } => {
                write!(out, "the compiled program has format {found}, this dwmap reads format {FORMAT}; compile it again")
            }
            Self::TooDeep => write!(out, "not a compiled program: its brackets nest more than {JSON_DEPTH_MAX} levels deep"),
            Self::Damaged => out.write_str("the compiled program does not have the hash it claims; compile it again"),
            Self::Flawed(flaw) => write!(out, "the compiled program cannot be run: {flaw}; compile it again"),
        }
    }
}

impl std::error::Error for ReadError {}

impl Program {
    /// Puts the hash of the canonical form into the program.
    pub fn seal(&mut self) {
        self.hash = String::new();
        self.hash = Self::hash_of(self);
    }

    fn hash_of(unsealed: &Self) -> String {
        use sha2::Digest;
        let text = serde_json::to_vec(unsealed).expect("a program has no map with keys that JSON cannot hold");
        let digest = sha2::Sha256::digest(&text);
        format!("sha256:{}", digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
    }

    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("a program has no map with keys that JSON cannot hold")
    }

    /// Reads what [`Program::to_json`] wrote. Everything in the program that is read fits together, see [`valid::check`].
    pub fn parse_json(text: &str) -> Result<Self, ReadError> {
        #[derive(Deserialize)]
        struct Head {
            format: u64,
        }
        let head: Head = serde_json::from_str(text).map_err(ReadError::NotAProgram)?;
        if head.format != u64::from(FORMAT) {
            return Err(ReadError::OtherFormat { found: head.format });
        }
        let program = Self::parse_whole(text)?;
        let unsealed = Self { hash: String::new(), ..program.clone() };
        if Self::hash_of(&unsealed) != program.hash {
            return Err(ReadError::Damaged);
        }
        valid::check(&program).map_err(ReadError::Flawed)?;
        Ok(program)
    }

    /// The text as it stands, whatever it says of itself. Its depth is limited here, for the reader's own limit is lower than
    /// what maps may hold.
    fn parse_whole(text: &str) -> Result<Self, ReadError> {
        if json_depth(text) > JSON_DEPTH_MAX {
            return Err(ReadError::TooDeep);
        }
        let mut reader = serde_json::Deserializer::from_str(text);
        reader.disable_recursion_limit();
        let program = Self::deserialize(&mut reader).map_err(ReadError::NotAProgram)?;
        reader.end().map_err(ReadError::NotAProgram)?;
        Ok(program)
    }

    /// The name of the system on one side of a plan.
    pub fn system(&self, plan: &Plan, side: Side) -> &str {
        &self.systems[usize::from(plan.systems[side])].name
    }

    pub fn plan(&self, name: &str) -> Option<(PlanId, &Plan)> {
        let index = self.plans.iter().position(|it| it.name == name)?;
        Some((PlanId(index as u16), &self.plans[index]))
    }
}

impl Plan {
    pub fn rule(&self, id: RuleId) -> &Rule {
        &self.rules[id.index()]
    }

    pub fn reference(&self, id: RefId) -> &Reference {
        &self.references[id.index()]
    }

    /// The reference by which the rules read this field, if they read it as one.
    pub fn reference_at(&self, side: Side, slot: Slot) -> Option<RefId> {
        self.rules.iter().find_map(|it| it.ends[side].read.reference_of(slot))
    }

    pub fn table(&self, id: TableId) -> &ValueTable {
        &self.tables[id.index()]
    }

    pub fn rule_ids(&self) -> impl Iterator<Item = RuleId> {
        (0..self.rules.len()).map(|it| RuleId(it as u16))
    }
}

impl End {
    /// Every field that is read or written, sorted, each once.
    pub fn slots(&self) -> Vec<Slot> {
        let mut slots = self.read.slots();
        slots.extend(self.write.iter().map(|(slot, _)| *slot));
        slots.sort_unstable();
        slots.dedup();
        slots
    }
}

impl Rule {
    pub fn writes(&self, side: Side) -> bool {
        !self.ends[side].write.is_empty()
    }

    pub fn is_two_way(&self) -> bool {
        self.writes(Side::Left) && self.writes(Side::Right)
    }

    /// The canonical value of this side is the key of a row that is referred to.
    pub fn reads_keys(&self, side: Side) -> bool {
        self.ends[side].read.has_key_of()
    }

    /// The references that are looked up by key when this side is written.
    pub fn refers(&self, side: Side) -> Vec<RefId> {
        self.ends[side].write.iter().flat_map(|(_, expr)| expr.ids_of()).collect()
    }
}

/// How deep the brackets of a JSON text nest, those within texts left out.
fn json_depth(text: &str) -> usize {
    let (mut depth, mut deepest, mut is_text, mut is_escaped) = (0usize, 0, false, false);
    for byte in text.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_text => is_escaped = true,
            b'"' => is_text = !is_text,
            b'{' | b'[' if !is_text => depth += 1,
            b'}' | b']' if !is_text => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}
