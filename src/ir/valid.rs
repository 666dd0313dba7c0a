//! Whether a program that was read fits together: every number in it names something that is there.
//!
//! What runs a program looks nothing up twice: a slot is an index, and one that is too large would end the process in the middle of a
//! record. The checker writes no such program. A file that was patched, merged or written by something else may hold one, and its hash
//! may be right; so everything that a run relies on is looked at once, when the file is read.

use std::collections::BTreeSet;

use super::{
    DeleteAction, End, Exit, Expr, Fallback, Group, Missing, Plan, PlanId, Program, RefId, RefTarget, Reference, Rule, RuleId,
    TableId, ValueTable,
};
use crate::change::Side;
use crate::functions;
use crate::schema::{Profile, Shape};
use crate::value::{DIGITS_MAX, Kind, Slot};

/// Deepest expression: so deep may what stands in one rule nest once every function is put in its place.
pub const EXPRESSION_DEPTH_MAX: usize = 128;

/// Most fields, rules, references and tables of a plan, and most plans: they are numbered with 16 bits.
const NUMBERED_MAX: usize = u16::MAX as usize;

/// Longest text that a store fills up with blanks.
const PADDED_MAX: u32 = 8_000;

/// Something in a program that cannot be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw {
    /// Where, from the outside inwards: the map, the rule, the side.
    pub place: String,
    /// What is wrong there.
    pub problem: String,
}

impl std::fmt::Display for Flaw {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}: {}", self.place, self.problem)
    }
}

type Result = std::result::Result<(), Flaw>;

fn flaw(problem: impl Into<String>) -> Flaw {
    Flaw { place: String::new(), problem: problem.into() }
}

fn ensure(holds: bool, problem: impl FnOnce() -> String) -> Result {
    if holds { Ok(()) } else { Err(flaw(problem())) }
}

/// The same, and where it was found.
fn at(place: impl FnOnce() -> String, found: Result) -> Result {
    found.map_err(|it| {
        let inner = if it.place.is_empty() { String::new() } else { format!(", {}", it.place) };
        Flaw { place: format!("{}{inner}", place()), problem: it.problem }
    })
}

/// Everything that running the program relies on; the first thing that is wrong.
pub fn check(program: &Program) -> Result {
    at(|| "the program".to_owned(), whole(program))?;
    for system in &program.systems {
        at(|| format!("the system `{}`", system.name), profile(&system.profile))?;
    }
    for it in &program.plans {
        at(|| format!("the map `{}`", it.name), plan(program, it))?;
    }
    Ok(())
}

fn whole(program: &Program) -> Result {
    few("maps", program.plans.len())?;
    let names: BTreeSet<&str> = program.plans.iter().map(|it| it.name.as_str()).collect();
    ensure(names.len() == program.plans.len(), || "two maps have one name".to_owned())?;
    let ordered: BTreeSet<PlanId> = program.order.iter().flatten().copied().collect();
    let is_each_once = ordered.len() == program.order.iter().map(Vec::len).sum::<usize>();
    let are_there = ordered.last().is_none_or(|it| it.index() < program.plans.len());
    ensure(is_each_once && are_there && ordered.len() == program.plans.len(), || {
        format!("the order does not name each of the {} maps once", program.plans.len())
    })
}

fn few(what: &str, count: usize) -> Result {
    ensure(count <= NUMBERED_MAX, || format!("there are {count} {what}, {NUMBERED_MAX} at most can be numbered"))
}

fn plan(program: &Program, plan: &Plan) -> Result {
    for (what, count) in [("rules", plan.rules.len()), ("lookups", plan.references.len()), ("value maps", plan.tables.len())] {
        few(what, count)?;
    }
    for side in Side::BOTH {
        let system = usize::from(plan.systems[side]);
        ensure(system < program.systems.len(), || {
            format!("the {} system has the number {system}, and there are {}", side.word(), program.systems.len())
        })?;
        at(|| format!("the {} side", side.word()), profile(&plan.profiles[side]).and_then(|()| shape(&plan.shapes[side])))?;
        at(|| format!("the filter of the {} side", side.word()), optional(plan, Reader::of(side), plan.scope[side].as_ref()))?;
        at(|| format!("what happens on the {} side", side.word()), actions(plan, side))?;
    }
    for (index, it) in plan.references.iter().enumerate() {
        at(|| format!("the lookup {index}"), reference(it))?;
    }
    for it in &plan.tables {
        at(|| format!("the value map `{}`", it.name), table(it))?;
    }
    for it in &plan.rules {
        at(|| format!("the rule `{}`", it.label), rule(plan, it))?;
    }
    at(|| "its key".to_owned(), key(plan))?;
    at(|| "the groups of its rules".to_owned(), groups(plan, &plan.groups))
}

fn profile(profile: &Profile) -> Result {
    ensure(profile.text.padded.is_none_or(|it| it <= PADDED_MAX), || {
        format!("the profile `{}` fills texts up to more than {PADDED_MAX} letters", profile.name)
    })?;
    ensure(profile.datetime_step_us >= 0, || format!("the profile `{}` counts time in steps below zero", profile.name))
}

fn shape(shape: &Shape) -> Result {
    few("fields", shape.fields.len())?;
    for field in &shape.fields {
        at(|| format!("the field `{}`", field.name), kind(&field.kind))?;
    }
    shape.key.iter().chain(&shape.modified).try_for_each(|it| slot(shape, *it))
}

fn slot(shape: &Shape, slot: Slot) -> Result {
    ensure(usize::from(slot.0) < shape.fields.len(), || {
        format!("it names the field {}, and `{}` has {}", slot.0, shape.entity, shape.fields.len())
    })
}

fn kind(kind: &Kind) -> Result {
    match kind {
        Kind::Decimal { precision, scale } => ensure(scale <= precision && u32::from(*precision) <= DIGITS_MAX, || {
            format!("there is no kind `decimal<{precision},{scale}>`")
        }),
        Kind::Bool
        | Kind::Int32
        | Kind::Int64
        | Kind::Float64
        | Kind::Text { .. }
        | Kind::Guid
        | Kind::Date
        | Kind::Time
        | Kind::DateTime
        | Kind::Binary
        | Kind::Enum(_)
        | Kind::Choices(_)
        | Kind::Lookup(_) => Ok(()),
    }
}

/// A mark and what a delete writes stand on the other side.
fn actions(plan: &Plan, side: Side) -> Result {
    let other = &plan.shapes[side.other()];
    match &plan.on_exit[side] {
        Some(Exit::Set { slot: it, .. }) => slot(other, *it)?,
        Some(Exit::Detach | Exit::Delete | Exit::Reject) | None => {}
    }
    match &plan.on_delete[side] {
        DeleteAction::Set { slot: it, .. } => slot(other, *it),
        DeleteAction::Delete | DeleteAction::Refuse | DeleteAction::Ignore => Ok(()),
    }
}

fn reference(reference: &Reference) -> Result {
    ensure(!reference.targets.is_empty(), || "it leads nowhere".to_owned())?;
    reference.targets.iter().try_for_each(target)?;
    let Some(source) = &reference.source else { return Ok(()) };
    ensure(reference.plan.is_some(), || "it says where missing rows come from, and no map that makes them".to_owned())?;
    let (own, other) = (reference.targets[0].columns.len(), source.target.columns.len());
    ensure(own == other, || format!("its key has {own} columns, and {other} where missing rows come from"))?;
    at(|| "where missing rows come from".to_owned(), target(&source.target))
}

/// A rule that has missing rows made knows where from.
fn creates(plan: &Plan, rule: &Rule) -> Result {
    let mut refers = Side::BOTH.into_iter().flat_map(|it| rule.refers(it));
    let has_source = |id: RefId| plan.reference(id).source.is_some();
    ensure(rule.on_missing != Missing::Create || refers.any(has_source), || {
        "it has missing rows made, and no lookup that says where from".to_owned()
    })
}

fn target(it: &RefTarget) -> Result {
    at(|| format!("the table `{}`", it.shape.entity), shape(&it.shape))?;
    ensure(!it.columns.is_empty(), || format!("no column of `{}` tells its rows apart", it.shape.entity))?;
    it.columns.iter().try_for_each(|column| {
        slot(&it.shape, column.slot)?;
        column.via.as_deref().map_or(Ok(()), target)
    })
}

fn table(table: &ValueTable) -> Result {
    ensure(table.pairs.is_sorted_by(|left, right| left.0 < right.0), || "its rows are not sorted, or one stands twice".to_owned())
}

fn key(plan: &Plan) -> Result {
    ensure(!plan.key.is_empty(), || "no rule tells the rows apart".to_owned())?;
    let each: BTreeSet<RuleId> = plan.key.iter().copied().collect();
    ensure(each.len() == plan.key.len(), || "a rule stands in it twice".to_owned())?;
    plan.key.iter().try_for_each(|it| rule_id(plan, *it))?;
    ensure(plan.partition.is_none() || plan.partition == plan.key.first().copied(), || {
        "the rule of the partition does not stand first in it".to_owned()
    })
}

fn rule_id(plan: &Plan, id: RuleId) -> Result {
    ensure(id.index() < plan.rules.len(), || format!("it names the rule {}, and there are {}", id.0, plan.rules.len()))
}

fn groups(plan: &Plan, groups: &[Group]) -> Result {
    let all = || groups.iter().flat_map(|it| it.rules.iter().copied());
    all().try_for_each(|it| rule_id(plan, it))?;
    let each: BTreeSet<RuleId> = all().collect();
    ensure(each.len() == plan.rules.len() && all().count() == each.len(), || {
        format!("not every one of the {} rules is in one group", plan.rules.len())
    })
}

fn rule(plan: &Plan, rule: &Rule) -> Result {
    kind(&rule.kind)?;
    for side in Side::BOTH {
        let from = &rule.ends[side.other()];
        at(|| format!("its {} end", side.word()), end(plan, side, &rule.ends[side], from))?;
        ensure(plan.writes[side] || !rule.writes(side), || {
            format!("it writes the {} side, which the map only reads", side.word())
        })?;
        at(|| "its `else`".to_owned(), fallback(plan, Reader::of(side.other()), rule.otherwise[side].as_ref()))?;
    }
    creates(plan, rule)?;
    rule.guard.iter().try_for_each(|it| at(|| "its `when`".to_owned(), expr(plan, Reader::of(it.side), &it.condition)))
}

fn end(plan: &Plan, side: Side, end: &End, from: &End) -> Result {
    expr(plan, Reader::of(side), &end.read)?;
    let writer = Reader { side, is_given: true, parts: parts_of(plan, &from.read) };
    end.write.iter().try_for_each(|(it, value)| slot(&plan.shapes[side], *it).and_then(|()| expr(plan, writer, value)))
}

/// The parts of the tuple that an expression gives, where they can be counted.
fn parts_of(plan: &Plan, expr: &Expr) -> Option<usize> {
    match expr {
        Expr::Tuple(parts) => Some(parts.len()),
        Expr::KeyOf { reference, .. } => {
            let reference = plan.references.get(reference.index())?;
            let columns = reference.targets.first()?.columns.len();
            Some(columns - usize::from(reference.is_partitioned)).filter(|it| *it > 1)
        }
        _ => None,
    }
}

/// What an expression may look at.
#[derive(Clone, Copy)]
struct Reader {
    /// The side whose record it reads.
    side: Side,
    /// A value is given to it.
    is_given: bool,
    /// The parts of that value, where they can be counted.
    parts: Option<usize>,
}

impl Reader {
    fn of(side: Side) -> Self {
        Self { side, is_given: false, parts: None }
    }
}

fn optional(plan: &Plan, reader: Reader, it: Option<&Expr>) -> Result {
    it.map_or(Ok(()), |it| expr(plan, reader, it))
}

fn fallback(plan: &Plan, reader: Reader, it: Option<&Fallback>) -> Result {
    match it {
        Some(Fallback::Expr(it)) => expr(plan, reader, it),
        Some(Fallback::Reject | Fallback::Park | Fallback::Skip | Fallback::Value(_)) | None => Ok(()),
    }
}

fn expr(plan: &Plan, reader: Reader, it: &Expr) -> Result {
    ensure(is_within(it, EXPRESSION_DEPTH_MAX), || format!("an expression nests more than {EXPRESSION_DEPTH_MAX} levels deep"))?;
    part_of(plan, reader, it)
}

/// The expression nests no deeper than so many levels.
pub fn is_within(it: &Expr, levels: usize) -> bool {
    levels > 0 && it.operands().into_iter().all(|operand| is_within(operand, levels - 1))
}

fn part_of(plan: &Plan, reader: Reader, it: &Expr) -> Result {
    match it {
        Expr::Slot(it) => slot(&plan.shapes[reader.side], *it)?,
        Expr::It => ensure(reader.is_given, || "it reads a value that nobody gives it".to_owned())?,
        Expr::Call { function, arguments } => call(function, arguments)?,
        Expr::Convert { to, .. } => kind(to)?,
        Expr::SplitPart { separator, .. } => ensure(!separator.is_empty(), || "it divides a text at nothing".to_owned())?,
        Expr::Part { operand, index } => {
            let parts = if **operand == Expr::It { reader.parts } else { parts_of(plan, operand) };
            ensure(parts.is_none_or(|it| usize::from(*index) < it), || format!("it reads the part {index} of a shorter tuple"))?;
        }
        Expr::Table { table, .. } => table_of(plan, reader, *table)?,
        Expr::KeyOf { reference, .. } | Expr::IdOf { reference, .. } => reference_of(plan, reader, *reference)?,
        Expr::Const(_)
        | Expr::Partition
        | Expr::Now
        | Expr::Fresh(_)
        | Expr::Concat(_)
        | Expr::Math { .. }
        | Expr::Compare { .. }
        | Expr::In { .. }
        | Expr::And(..)
        | Expr::Or(..)
        | Expr::Not(_)
        | Expr::Coalesce(..)
        | Expr::If { .. }
        | Expr::Tuple(_) => {}
    }
    it.operands().into_iter().try_for_each(|operand| part_of(plan, reader, operand))
}

fn call(name: &str, arguments: &[Expr]) -> Result {
    let Some(function) = functions::find(name) else {
        return Err(flaw(format!("there is no function `{name}`")));
    };
    let (expected, found) = (function.parameters.len(), arguments.len());
    ensure(expected == found, || format!("`{name}` takes {expected} arguments, not {found}"))?;
    for (parameter, argument) in function.parameters.iter().zip(arguments).filter(|(it, _)| it.is_constant) {
        let Expr::Const(value) = argument else {
            return Err(flaw(format!("the argument `{}` of `{name}` is no constant", parameter.name)));
        };
        (parameter.check)(value).map_err(|problem| flaw(format!("the argument `{}` of `{name}`: {problem}", parameter.name)))?;
    }
    Ok(())
}

/// A table and its `else`, which reads the record of whoever asks. It may not ask a table again: that could go on for ever.
fn table_of(plan: &Plan, reader: Reader, id: TableId) -> Result {
    let Some(table) = plan.tables.get(id.index()) else {
        return Err(flaw(format!("it names the value map {}, and there are {}", id.0, plan.tables.len())));
    };
    let Some(Fallback::Expr(otherwise)) = &table.otherwise else { return Ok(()) };
    ensure(!has_table(otherwise), || format!("the `else` of the value map `{}` asks a value map", table.name))?;
    at(|| format!("the `else` of the value map `{}`", table.name), expr(plan, reader, otherwise))
}

fn has_table(it: &Expr) -> bool {
    matches!(it, Expr::Table { .. }) || it.operands().into_iter().any(has_table)
}

fn reference_of(plan: &Plan, reader: Reader, id: RefId) -> Result {
    let Some(reference) = plan.references.get(id.index()) else {
        return Err(flaw(format!("it names the lookup {}, and there are {}", id.0, plan.references.len())));
    };
    ensure(reference.side == reader.side, || {
        format!("it reads the {} side by the lookup {}, which is one of the other side", reader.side.word(), id.0)
    })
}
