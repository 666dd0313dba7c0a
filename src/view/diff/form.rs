//! A compiled rule in a form that can be compared: names in the place of numbers, and nothing of how it was written.

use crate::change::{Side, Sides};
use crate::ir::{Conflict, Fallback, Missing, Modulo, Plan, RuleId, ValueTable};
use crate::schema::ShapeField;
use crate::value::{Kind, Slot};
use crate::view::words::Words;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Partition,
    Key,
    Ordinary,
}

/// What a rule means.
#[derive(Clone, Debug, PartialEq)]
pub struct Form<'a> {
    pub role: Role,
    pub arrow: &'a str,
    /// Per side: what it reads, and each field that it writes.
    pub equation: Sides<Vec<String>>,
    /// The sides that it writes.
    pub writes: Sides<bool>,
    pub moment: (bool, bool),
    pub modulo: Modulo,
    pub guard: Option<(Side, String)>,
    pub otherwise: Sides<Option<String>>,
    pub missing: Missing,
    pub conflict: Conflict,
    /// Fields that win or lose a conflict together with it.
    pub together: Vec<&'a str>,
    pub fields: Sides<Vec<&'a ShapeField>>,
    pub tables: Vec<&'a ValueTable>,
}

pub fn of(plan: &Plan, id: RuleId) -> Form<'_> {
    let rule = plan.rule(id);
    let words = |side: Side| Words { plan, side };
    let ends = |side: Side| {
        let end = &rule.ends[side];
        let write =
            end.write.iter().map(|(slot, expr)| format!("{} := {}", plan.shapes[side].field(*slot).name, words(side).expr(expr)));
        std::iter::once(words(side).expr(&end.read)).chain(write).collect::<Vec<_>>()
    };
    let fallback = |side: Side| rule.otherwise[side].as_ref().map(|it| words(side).fallback(it));
    let group = plan.groups.iter().find(|it| it.rules.contains(&id)).expect("every rule is in one group");
    let mates = group.rules.iter().filter(|it| **it != id).map(|it| plan.rule(*it).label.as_str());
    Form {
        role: role(plan, id),
        arrow: &rule.arrow,
        equation: Sides::new(ends(Side::Left), ends(Side::Right)),
        writes: Sides::new(rule.writes(Side::Left), rule.writes(Side::Right)),
        moment: (rule.on_create, rule.on_update),
        modulo: rule.modulo,
        guard: rule.guard.as_ref().map(|it| (it.side, words(it.side).expr(&it.condition))),
        otherwise: Sides::new(fallback(Side::Left), fallback(Side::Right)),
        missing: rule.on_missing,
        conflict: group.conflict,
        together: mates.collect(),
        fields: Sides::new(fields(plan, id, Side::Left), fields(plan, id, Side::Right)),
        tables: tables(plan, id),
    }
}

fn role(plan: &Plan, id: RuleId) -> Role {
    if plan.partition == Some(id) {
        Role::Partition
    } else if plan.key.contains(&id) {
        Role::Key
    } else {
        Role::Ordinary
    }
}

fn fields(plan: &Plan, id: RuleId, side: Side) -> Vec<&ShapeField> {
    let end = &plan.rule(id).ends[side];
    let mut slots: Vec<Slot> = end.read.slots();
    slots.extend(end.write.iter().map(|(slot, _)| *slot));
    let mut out: Vec<&ShapeField> = slots.into_iter().map(|it| plan.shapes[side].field(it)).collect();
    out.sort_by(|a, b| a.name.cmp(&b.name));
    out.dedup_by(|a, b| a.name == b.name);
    out
}

/// The value maps of the rule, in the order in which its expressions use them.
fn tables(plan: &Plan, id: RuleId) -> Vec<&ValueTable> {
    fn collect<'a>(plan: &'a Plan, expr: &crate::ir::Expr, out: &mut Vec<&'a ValueTable>) {
        if let crate::ir::Expr::Table { table, .. } = expr {
            out.push(plan.table(*table));
        }
        expr.operands().into_iter().for_each(|it| collect(plan, it, out));
    }
    let rule = plan.rule(id);
    let mut out = Vec::new();
    for (_, end) in rule.ends.iter() {
        collect(plan, &end.read, &mut out);
        end.write.iter().for_each(|(_, it)| collect(plan, it, &mut out));
    }
    out
}

/// What became of a type, as a reader of its values sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Width {
    Same,
    /// Everything that was a value before still is one.
    Wider,
    Other,
}

pub fn width(old: &ShapeField, new: &ShapeField) -> Width {
    let kinds = kind_width(&old.kind, &new.kind);
    match (old.nullable, new.nullable) {
        (true, false) => Width::Other,
        (false, true) => kinds.max(Width::Wider),
        (true, true) | (false, false) => kinds,
    }
}

fn kind_width(old: &Kind, new: &Kind) -> Width {
    match (old, new) {
        (old, new) if old == new => Width::Same,
        (Kind::Text { max: Some(old) }, Kind::Text { max: Some(new) }) if new > old => Width::Wider,
        (Kind::Text { max: Some(_) }, Kind::Text { max: None }) | (Kind::Int32, Kind::Int64) => Width::Wider,
        (Kind::Decimal { precision: p, scale: s }, Kind::Decimal { precision: q, scale: t })
            if t >= s && u16::from(*q) + u16::from(*s) >= u16::from(*p) + u16::from(*t) =>
        {
            Width::Wider
        }
        (Kind::Enum(old), Kind::Enum(new)) | (Kind::Choices(old), Kind::Choices(new)) if old.open == new.open => {
            if old.members == new.members {
                Width::Same
            } else if old.members.iter().all(|it| new.members.contains(it)) {
                Width::Wider
            } else {
                Width::Other
            }
        }
        _ => Width::Other,
    }
}

/// What became of a value map in one direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pairs {
    Same,
    /// Values that were refused before have a partner now.
    Wider(Vec<String>),
    Other(Vec<String>),
}

pub fn pairs(old: &ValueTable, new: &ValueTable) -> Pairs {
    let find = |table: &ValueTable, key| table.pairs.iter().find(|(it, _)| it == key).map(|(_, to)| to.clone());
    let is_refusal = matches!(old.otherwise, None | Some(Fallback::Reject | Fallback::Park | Fallback::Skip));
    let (mut added, mut changed) = (Vec::new(), Vec::new());
    for (from, to) in &new.pairs {
        match find(old, from) {
            None if is_refusal => added.push(format!("{from} → {to} added")),
            None => changed.push(format!("{from} → {to} added, in the place of what `else` said")),
            Some(before) if before != *to => changed.push(format!("{from} → {before} became {from} → {to}")),
            Some(_) => {}
        }
    }
    let gone = old.pairs.iter().filter(|(from, _)| find(new, from).is_none());
    changed.extend(gone.map(|(from, to)| format!("{from} → {to} removed")));
    if old.otherwise != new.otherwise {
        changed.push("what other values become".to_owned());
    }
    if old.ignore_case != new.ignore_case {
        changed.push("whether case counts".to_owned());
    }
    match (added.is_empty(), changed.is_empty()) {
        (true, true) => Pairs::Same,
        (false, true) => Pairs::Wider(added),
        (_, false) => {
            changed.extend(added);
            Pairs::Other(changed)
        }
    }
}
