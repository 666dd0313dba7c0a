//! The maps that the model runs, built by hand, and what each of their fields is for.

use std::sync::Arc;

use dwmap::change::{Side, Sides};
use dwmap::interp::Prepared;
use dwmap::ir::{
    Certificate, Compare, Conflict, DeleteAction, End, Exit, Expr, Group, Laws, Missing, Modulo, OnError, Origin, Plan,
    RefColumn, RefId, RefTarget, Reference, Rule, RuleId, Source,
};
use dwmap::schema::profile::TextFacts;
use dwmap::schema::{Profile, Shape};
use dwmap::value::{Kind, Slot, Value};

/// What the model does with a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// Letters, unique per row, never edited.
    Key,
    /// A text that starts with the number of the write that made it: `17`, `17a`, `17a `.
    Text,
    /// A number whose whole part is the number of the write that made it: `17`, `17.4`.
    Amount,
    /// `on` or `off`, so that values repeat.
    Toggle,
    /// Written by the map alone, from the name.
    Derived,
    /// Another row of the same side: by its key on the left, by its address on the right.
    Parent,
    /// `on`: in scope. Only the left side has it, and no rule reads it.
    Active,
    /// `IN`, or `OUT` while the partner is out of scope. Only the right side has it, no rule reads it, and people leave it alone.
    State,
}

/// One map of the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    /// A key and three two-way rules, with deletes both ways.
    Plain,
    /// And a field whose values repeat.
    Toggles,
    /// The last rule's conflicts are decided by a person.
    Manual,
    /// The right side has a field that follows from the name.
    Derived,
    /// Rows leave and enter the left filter.
    Filter,
    /// The same, and the right row is marked meanwhile.
    Marked,
    /// Rows refer to each other, to themselves, and to rows that are not there.
    Lookup,
    /// The same, and a row that is missed is made before its turn.
    Summoned,
    /// No store can say which create made a row: rows are told apart by their key.
    NaturalKey,
    /// Systems that do not compare versions when they write.
    Unguarded,
    /// Name and code win or lose together.
    Grouped,
    /// The map turns into another version of itself, and back: the first does not map the code.
    Renewed,
    /// Older copies of the state are put in its place.
    Restored,
}

pub struct Setup {
    pub case: Case,
    /// The map, and later versions of it.
    pub versions: Vec<Arc<Prepared>>,
    pub fields: Sides<Vec<Field>>,
}

const SHARED: [(&str, Field); 4] = [("key", Field::Key), ("name", Field::Text), ("amount", Field::Amount), ("code", Field::Text)];

const NAME: u16 = 1;
const AMOUNT: u16 = 2;
/// The last of the fields that all maps share.
pub const CODE: u16 = 3;
/// Fields that win or lose together where the map says so.
pub const GROUPED: [Slot; 2] = [Slot(NAME), Slot(CODE)];

/// The right store: upper case, no trailing blanks, whole numbers.
fn lossy() -> Profile {
    let text = TextFacts { trailing_blanks_dropped: true, upper: true, ..TextFacts::default() };
    Profile { text, decimal_scale: Some(0), ..Profile::exact() }
}

fn kind(field: Field) -> Kind {
    match field {
        Field::Amount => Kind::Decimal { precision: 20, scale: 1 },
        Field::Key | Field::Text | Field::Toggle | Field::Derived | Field::Active | Field::State | Field::Parent => {
            Kind::Text { max: None }
        }
    }
}

fn shape(entity: &str, fields: &[(&str, Field)]) -> Shape {
    let field = |(name, field): &(&str, Field)| dwmap::schema::ShapeField {
        name: (*name).to_owned(),
        kind: kind(*field),
        nullable: true,
        readonly: false,
        lookup_sets: Vec::new(),
    };
    Shape {
        entity: entity.to_owned(),
        set: entity.to_owned(),
        fields: fields.iter().map(field).collect(),
        key: vec![Slot(0)],
        modified: None,
    }
}

fn rule(label: &str, kind: Kind, left: End, right: End) -> Rule {
    Rule {
        label: label.to_owned(),
        origin: Origin { file: "model.dwmap".to_owned(), line: 1 },
        arrow: "<->".to_owned(),
        kind,
        ends: Sides::new(left, right),
        modulo: Modulo::default(),
        guard: None,
        on_create: false,
        on_update: false,
        on_missing: Missing::Park,
        otherwise: Sides::new(None, None),
        loses: None,
        laws: Laws::all(Certificate::Assumed),
    }
}

fn both_ways(slot: u16) -> End {
    End { read: Expr::Slot(Slot(slot)), write: vec![(Slot(slot), Expr::It)] }
}

fn copied(label: &str, field: Field, slot: u16) -> Rule {
    rule(label, kind(field), both_ways(slot), both_ways(slot))
}

/// `upper(name) -> shout`, written to the slot behind the shared ones.
fn derived(from: u16, slot: u16) -> Rule {
    let upper = Expr::Call { function: "upper".to_owned(), arguments: vec![Expr::Slot(Slot(from))] };
    rule("shout", kind(Field::Derived), End { read: upper, write: Vec::new() }, both_ways(slot))
}

/// `parent <-> parent via Model`, in the slot behind the shared ones.
fn parent(slot: u16) -> Rule {
    let read = Expr::KeyOf { reference: RefId(0), operand: Expr::Slot(Slot(slot)).boxed() };
    let write = vec![(Slot(slot), Expr::IdOf { reference: RefId(0), operand: Expr::It.boxed() })];
    rule("parent", kind(Field::Parent), both_ways(slot), End { read, write })
}

impl Case {
    /// A field that this version of the map leaves alone.
    pub fn is_unmapped(self, version: usize, slot: Slot) -> bool {
        self == Self::Renewed && version == 0 && slot == Slot(CODE)
    }

    /// The field that a derived one follows.
    pub fn shouted(self, version: usize) -> Slot {
        Slot(if self == Self::Renewed && version == 1 { CODE } else { NAME })
    }

    pub fn setup(self) -> Setup {
        let mut left = SHARED.to_vec();
        let mut right = SHARED.to_vec();
        let mut rules: Vec<Rule> = SHARED.iter().zip(0..).map(|((name, field), slot)| copied(name, *field, slot)).collect();
        let extra = rules.len() as u16;
        match self {
            Self::Plain | Self::Manual | Self::NaturalKey | Self::Unguarded | Self::Grouped | Self::Restored => {}
            Self::Toggles => {
                left.push(("flag", Field::Toggle));
                right.push(("flag", Field::Toggle));
                rules.push(copied("flag", Field::Toggle, extra));
            }
            Self::Derived => {
                right.push(("shout", Field::Derived));
                rules.push(derived(NAME, extra));
            }
            Self::Renewed => {
                right.push(("shout", Field::Derived));
                rules.remove(usize::from(CODE));
                rules.push(derived(NAME, extra));
            }
            Self::Lookup | Self::Summoned => {
                left.push(("parent", Field::Parent));
                right.push(("parent", Field::Parent));
                rules.push(parent(extra));
            }
            Self::Filter => left.push(("active", Field::Active)),
            Self::Marked => {
                left.push(("active", Field::Active));
                right.push(("state", Field::State));
            }
        }
        let shapes = Sides::new(shape("left", &left), shape("right", &right));
        let mut plan = plan(shapes.clone(), rules);
        if matches!(self, Self::Lookup | Self::Summoned) {
            plan.references.push(to_itself(&plan, self == Self::Summoned));
        }
        if self == Self::Summoned {
            plan.rules[usize::from(extra)].on_missing = Missing::Create;
        }
        if self == Self::Manual {
            plan.groups[3].conflict = Conflict::Manual;
        }
        if matches!(self, Self::Filter | Self::Marked) {
            let active = Expr::Slot(Slot(extra)).boxed();
            let on = Expr::Const(Value::text("on")).boxed();
            plan.scope[Side::Left] = Some(Expr::Compare { op: Compare::Equal, left: active, right: on });
            plan.on_exit[Side::Left] = Some(Exit::Detach);
        }
        if self == Self::Marked {
            plan.on_exit[Side::Left] = Some(Exit::Set { slot: Slot(extra), value: Value::text("OUT") });
        }
        if self == Self::Grouped {
            plan.groups[usize::from(NAME)].rules.push(RuleId(CODE));
            plan.groups.remove(usize::from(CODE));
        }
        let mut versions = vec![plan];
        if self == Self::Renewed {
            versions.push(later_version(shapes, extra));
        }
        let versions = versions.into_iter().map(|it| Arc::new(Prepared::new(it))).collect();
        let kinds = |fields: &[(&str, Field)]| fields.iter().map(|(_, field)| *field).collect();
        Setup { case: self, versions, fields: Sides::new(kinds(&left), kinds(&right)) }
    }
}

/// The reference of the right side to its own rows.
fn to_itself(plan: &Plan, has_source: bool) -> Reference {
    let target = RefTarget { shape: plan.shapes[Side::Left].clone(), columns: vec![RefColumn { slot: Slot(0), via: None }] };
    Reference {
        side: Side::Right,
        plan: Some(plan.name.clone()),
        targets: Vec::new(),
        is_partitioned: false,
        is_deferrable: true,
        source: has_source.then_some(Source { side: Side::Left, target }),
    }
}

/// Its rules stand in another order, the code is mapped, and what is shouted is the code.
fn later_version(shapes: Sides<Shape>, extra: u16) -> Plan {
    let shared = |slot: u16| copied(SHARED[usize::from(slot)].0, SHARED[usize::from(slot)].1, slot);
    let rules = vec![shared(CODE), derived(CODE, extra), shared(AMOUNT), shared(NAME), shared(0)];
    Plan { key: vec![RuleId(4)], ..plan(shapes, rules) }
}

/// The same map with every rule on its own.
pub fn torn_apart(plan: &Plan) -> Arc<Prepared> {
    let conflict = Conflict::Prefer(Side::Left);
    let of = |group: &Group| group.rules.iter().map(|&it| Group { rules: vec![it], conflict }).collect::<Vec<_>>();
    Arc::new(Prepared::new(Plan { groups: plan.groups.iter().flat_map(of).collect(), ..plan.clone() }))
}

/// Every rule merges on its own; the left side wins the even ones, the right side the odd ones.
fn plan(shapes: Sides<Shape>, rules: Vec<Rule>) -> Plan {
    let policy = |index: usize| Conflict::Prefer(if index % 2 == 1 { Side::Left } else { Side::Right });
    let groups = (0..rules.len()).map(|it| Group { rules: vec![RuleId(it as u16)], conflict: policy(it) }).collect();
    Plan {
        name: "Model".to_owned(),
        version: None,
        origin: Origin { file: "model.dwmap".to_owned(), line: 1 },
        systems: Sides::new(0, 1),
        profiles: Sides::new(Profile::exact(), lossy()),
        shapes,
        writes: Sides::new(true, true),
        rules,
        groups,
        key: vec![RuleId(0)],
        partition: None,
        partition_in: None,
        scope: Sides::new(None, None),
        on_exit: Sides::new(None, None),
        on_delete: Sides::new(DeleteAction::Delete, DeleteAction::Delete),
        on_rekey: dwmap::ir::Rekey::Reject,
        on_error: OnError::Retry(u32::MAX),
        references: Vec::new(),
        tables: Vec::new(),
    }
}
