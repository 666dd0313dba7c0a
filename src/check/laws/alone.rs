//! One rule taken out of its map: the plan of nothing but what its trial can see.
//!
//! A trial looks at the rule's own fields, value maps and conditions, at both stores, and at whether the rule is part of the key.
//! Everything else is left out here rather than ignored later, so that two rules whose plans are equal have one verdict, and a record
//! is as wide as the rule and not as its map.

use super::construct;
use crate::change::{Side, Sides};
use crate::interp;
use crate::ir::{Certificate, End, Expr, Fallback, Guard, Laws, Origin, Plan, Rule, RuleId, TableId, ValueTable};
use crate::schema::{Shape, ShapeField};
use crate::value::{Record, Slot};

/// The plan of one rule, and the way back to the map's fields.
pub struct Alone {
    pub plan: Plan,
    pub id: RuleId,
    /// The sides on which the rule reads a reference, whose key stands in its place in the plan.
    pub referring: Vec<Side>,
    /// `None`: the plan is the whole map's, because the rule reads what others make.
    moved: Option<Moved>,
}

struct Moved {
    /// The map's slots, by those of the plan.
    slots: Sides<Vec<Slot>>,
    /// Fields of the map's records.
    widths: Sides<usize>,
}

/// Which rows a rule is tried on, as far as the fields that it reads can say.
struct Conditions<'p> {
    guard: Option<&'p Guard>,
    scope: Sides<Option<&'p Expr>>,
}

impl Alone {
    pub fn new(plan: &Plan, id: RuleId) -> Self {
        let conditions = conditions(plan, id);
        if !is_apart(plan, id, &conditions) {
            return Self::among_others(plan, id, &conditions);
        }
        let slots = Sides(Side::BOTH.map(|side| own_slots(plan, id, side)));
        let apart = apart(plan, id, &conditions, &slots);
        let moved = Moved { slots, widths: plan.shapes.map(|it| it.fields.len()) };
        let referring = interp::referring(plan, id);
        Self { plan: strict(apart, RuleId(0)), id: RuleId(0), referring, moved: Some(moved) }
    }

    /// The plan as it is, but for what no trial sees.
    fn among_others(plan: &Plan, id: RuleId, conditions: &Conditions<'_>) -> Self {
        let mut whole = plan.clone();
        whole.rules[id.index()].guard = conditions.guard.cloned();
        whole.scope = conditions.scope.map(|it| it.cloned());
        Self { plan: strict(whole, id), id, referring: interp::referring(plan, id), moved: None }
    }

    /// Nothing but this rule is in the plan.
    pub fn is_apart(&self) -> bool {
        self.moved.is_some()
    }

    /// A record of this plan as one of the map.
    pub fn in_map(&self, side: Side, record: Record) -> Record {
        let Some(moved) = &self.moved else { return record };
        let mut out = Record::absent(moved.widths[side]);
        moved.slots[side].iter().zip(record.values()).for_each(|(slot, value)| out.set(*slot, value.clone()));
        out
    }
}

fn conditions(plan: &Plan, id: RuleId) -> Conditions<'_> {
    let rule = plan.rule(id);
    let covers = |side: Side, expr: &Expr| {
        let read = rule.ends[side].read.slots();
        !construct::needs_partition(expr) && expr.slots().iter().all(|it| read.contains(it))
    };
    Conditions {
        guard: rule.guard.as_ref().filter(|it| covers(it.side, &it.condition)),
        scope: Sides(Side::BOTH.map(|side| plan.scope[side].as_ref().filter(|it| covers(side, it)))),
    }
}

/// What the rule shows and makes depends on no other rule, no name and no row behind a reference. (References of its ends are
/// taken out of every plan.)
fn is_apart(plan: &Plan, id: RuleId, conditions: &Conditions<'_>) -> bool {
    let is_made_elsewhere = |it: &Expr| matches!(it, Expr::Partition | Expr::Now | Expr::Fresh(_));
    let tests = conditions.guard.iter().map(|it| &it.condition).chain(conditions.scope.iter().filter_map(|(_, it)| *it));
    let mut ends = plan.rule(id).ends.iter().flat_map(|(_, it)| expressions(it));
    !ends.any(|it| has(it, &is_made_elsewhere)) && !{ tests }.any(|it| has(it, &|it| is_made_elsewhere(it) || is_reference(it)))
}

fn is_reference(expr: &Expr) -> bool {
    matches!(expr, Expr::KeyOf { .. } | Expr::IdOf { .. })
}

fn expressions(end: &End) -> impl Iterator<Item = &Expr> {
    std::iter::once(&end.read).chain(end.write.iter().map(|(_, it)| it))
}

fn has(expr: &Expr, what: &impl Fn(&Expr) -> bool) -> bool {
    what(expr) || expr.operands().into_iter().any(|it| has(it, what))
}

/// The slots that the rule reads or writes on a side, sorted.
fn own_slots(plan: &Plan, id: RuleId, side: Side) -> Vec<Slot> {
    let end = &plan.rule(id).ends[side];
    let written = end.write.iter().map(|(slot, _)| *slot);
    let mut out: Vec<Slot> = expressions(end).flat_map(Expr::slots).chain(written).collect();
    out.sort_unstable();
    out.dedup();
    out
}

/// The rule as the only one of a plan whose records have these slots. Names are left out: they are for messages.
fn apart(plan: &Plan, id: RuleId, conditions: &Conditions<'_>, slots: &Sides<Vec<Slot>>) -> Plan {
    let rule = plan.rule(id);
    let mut tables = Vec::new();
    let mut place = |side: Side, expr: &Expr| {
        tables_of(expr, &mut tables);
        placed(expr, &slots[side], &tables)
    };
    let mut end = |side: Side| {
        let end = &rule.ends[side];
        let write = end.write.iter().map(|(slot, expr)| (at(*slot, &slots[side]), place(side, expr))).collect();
        End { read: place(side, &end.read), write }
    };
    let ends = Sides::new(end(Side::Left), end(Side::Right));
    let guard = conditions.guard.map(|it| Guard { side: it.side, condition: place(it.side, &it.condition) });
    let scope = Sides(Side::BOTH.map(|side| conditions.scope[side].map(|it| place(side, it))));
    let has_references = rule.ends.iter().flat_map(|(_, it)| expressions(it)).any(|it| has(it, &is_reference));
    Plan {
        name: String::new(),
        version: None,
        origin: nowhere(),
        systems: Sides::new(0, 0),
        profiles: plan.profiles.clone(),
        shapes: Sides(Side::BOTH.map(|side| shape(&plan.shapes[side], &slots[side]))),
        writes: plan.writes.clone(),
        rules: vec![nameless(rule, ends, guard)],
        groups: Vec::new(),
        key: if plan.key.contains(&id) { vec![RuleId(0)] } else { Vec::new() },
        partition: None,
        partition_in: None,
        scope,
        on_exit: Sides::new(None, None),
        on_delete: plan.on_delete.clone(),
        on_rekey: plan.on_rekey,
        on_error: plan.on_error,
        references: if has_references { plan.references.clone() } else { Vec::new() },
        tables: tables.iter().map(|it| ValueTable { name: String::new(), ..plan.table(*it).clone() }).collect(),
    }
}

fn nowhere() -> Origin {
    Origin { file: String::new(), line: 0 }
}

fn nameless(rule: &Rule, ends: Sides<End>, guard: Option<Guard>) -> Rule {
    Rule {
        label: String::new(),
        origin: nowhere(),
        arrow: String::new(),
        kind: rule.kind.clone(),
        ends,
        modulo: rule.modulo,
        guard,
        on_create: rule.on_create,
        on_update: rule.on_update,
        on_missing: rule.on_missing,
        otherwise: rule.otherwise.clone(),
        loses: None,
        laws: Laws::all(Certificate::Assumed),
    }
}

fn shape(shape: &Shape, slots: &[Slot]) -> Shape {
    let nameless = |slot: &Slot| ShapeField { name: String::new(), ..shape.field(*slot).clone() };
    Shape {
        entity: String::new(),
        set: String::new(),
        fields: slots.iter().map(nameless).collect(),
        key: Vec::new(),
        modified: None,
    }
}

/// The value maps that the expression uses, those of earlier expressions first.
fn tables_of(expr: &Expr, out: &mut Vec<TableId>) {
    if let Expr::Table { table, .. } = expr
        && !out.contains(table)
    {
        out.push(*table);
    }
    expr.operands().into_iter().for_each(|it| tables_of(it, out));
}

fn at(slot: Slot, slots: &[Slot]) -> Slot {
    Slot(slots.binary_search(&slot).expect("every slot of the rule was collected") as u16)
}

fn placed(expr: &Expr, slots: &[Slot], tables: &[TableId]) -> Expr {
    expr.rewritten(&|it| match it {
        Expr::Slot(slot) => Some(Expr::Slot(at(*slot, slots))),
        Expr::Table { table, operand } => {
            let index = tables.iter().position(|it| it == table).expect("every value map of the rule was collected");
            Some(Expr::Table { table: TableId(index as u16), operand: placed(operand, slots, tables).boxed() })
        }
        _ => None,
    })
}

/// The plan without fallbacks: what needs one is refused, and a refused sample says nothing.
fn strict(mut plan: Plan, id: RuleId) -> Plan {
    let harden = |it: &mut Option<Fallback>| {
        if matches!(it, Some(Fallback::Value(_) | Fallback::Expr(_))) {
            *it = Some(Fallback::Reject);
        }
    };
    plan.tables.iter_mut().for_each(|it| harden(&mut it.otherwise));
    let rule = &mut plan.rules[id.index()];
    Side::BOTH.into_iter().for_each(|side| harden(&mut rule.otherwise[side]));
    plan.partition_in = None;
    construct::without_references(&mut plan, id);
    plan
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::super::verdict::{Claim, Verdict, Verdicts, tried};
    use super::*;
    use crate::check::premise::Premises;
    use crate::check::{Given, NoSchemas, build, functions, layers, names, table, uses};
    use crate::diag::Diagnostics;
    use crate::source::Sources;
    use crate::syntax;

    /// Both verdicts on every two-way rule of a text, with its label.
    fn verdicts(text: &str, known: &Verdicts) -> Vec<(String, Verdict, Verdict)> {
        let (mut sources, mut diags) = (Sources::default(), Diagnostics::default());
        let file = sources.add("case.dwmap", text).expect("a case is short");
        let files = [syntax::parse(&sources, file, &mut diags)];
        let project = uses::among(&files, &sources, &mut diags);
        let systems = names::systems(&project, &NoSchemas, &mut diags);
        let layered = layers::merge(&project, &sources, &systems, &Given::default(), &mut diags);
        let mut world = names::collect(&project, systems, &layered, &Given::default(), &mut diags);
        world.broken = functions::check(&world, &sources, &mut diags);
        let mut out = Vec::new();
        let values = table::collect(&world, &HashSet::new(), &mut diags);
        let active = world.maps.values().filter(|it| it.is_active);
        for built in active.filter_map(|it| build::map(&world, &sources, &values, it, &mut diags)) {
            for id in built.plan.rule_ids().filter(|it| built.plan.rule(*it).is_two_way()) {
                let claim = Claim { is_lossless: true, is_canon: Sides::new(false, false), premises: Premises::default() };
                let whole = Alone::among_others(&built.plan, id, &conditions(&built.plan, id));
                let label = built.plan.rule(id).label.clone();
                out.push((label, known.of(&built.plan, id, claim.clone()), tried(&whole, &claim)));
            }
        }
        out
    }

    #[test]
    fn a_rule_alone_has_the_verdict_that_it_has_among_others() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/diagnostics");
        let known = Verdicts::default();
        let (mut rules, mut broken) = (0, 0);
        for entry in std::fs::read_dir(folder).expect("the fixtures are there") {
            let path = entry.expect("the folder can be listed").path();
            let Ok(text) = std::fs::read_to_string(&path) else { continue };
            for (label, alone, whole) in verdicts(&text, &known) {
                let place = format!("{}: {label}", path.display());
                assert_eq!(alone.tried, whole.tried, "{place}");
                assert_eq!(format!("{:?}", alone.finding), format!("{:?}", whole.finding), "{place}");
                rules += 1;
                broken += usize::from(whole.finding.is_some());
            }
        }
        assert!(rules > 150 && broken > 15, "only {rules} rules, {broken} of them with a finding");
    }
}
