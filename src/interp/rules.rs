//! Rules and whole records: reading the canonical value, writing it, comparing it.

use std::borrow::Cow;

use super::eval::{Scope, Trouble, eval, settle_trouble};
use super::{Cx, Query, Refusal, Stop};
use crate::change::{Class, Side};
use crate::ir::{Expr, Plan, RuleId};
use crate::value::{Record, Value, fold_case};

type Result<T> = std::result::Result<T, Stop>;

/// The canonical value of a rule as this side shows it.
pub fn read(cx: Cx<'_>, id: RuleId, side: Side, record: &Record) -> Result<Value> {
    let rule = cx.plan.rule(id);
    let partition = if needs_partition(cx.plan, &rule.ends[side].read) && cx.plan.partition != Some(id) {
        partition(cx, side, record)?
    } else {
        Value::Absent
    };
    let scope = Scope { cx, rule: Some(rule), record, it: &Value::Absent, partition: &partition };
    eval(scope, &rule.ends[side].read).or_else(|trouble| settle_trouble(scope, rule.otherwise[side.other()].as_ref(), trouble))
}

/// The two rows that a write is between.
#[derive(Clone, Copy)]
pub struct Rows<'a> {
    /// The row that is written, as it is; all absent on create.
    pub own: &'a Record,
    /// The row that the value comes from, whose fields an `else` may read.
    pub from: &'a Record,
}

/// Sets the fields of this side so that it reads as the canonical value.
pub fn write(
    cx: Cx<'_>,
    id: RuleId,
    side: Side,
    canonical: &Value,
    partition: &Value,
    rows: Rows<'_>,
    out: &mut Record,
) -> Result<()> {
    write_parts(cx, id, side, canonical, partition, rows, &[], out)
}

/// As [`write`], but for the parts of a tuple that agree already: what is written from them only stays as it is.
#[expect(clippy::too_many_arguments, reason = "one step of `put`, which holds all of this anyway")]
fn write_parts(
    cx: Cx<'_>,
    id: RuleId,
    side: Side,
    canonical: &Value,
    partition: &Value,
    rows: Rows<'_>,
    agreeing: &[u16],
    out: &mut Record,
) -> Result<()> {
    let rule = cx.plan.rule(id);
    let scope = Scope { cx, rule: Some(rule), record: rows.own, it: canonical, partition };
    let source = Scope { record: rows.from, ..scope };
    let mut values = Vec::with_capacity(rule.ends[side].write.len());
    let stays =
        |expr: &Expr| !agreeing.is_empty() && parts_of(expr).is_some_and(|it| it.iter().all(|part| agreeing.contains(part)));
    for (slot, expr) in rule.ends[side].write.iter().filter(|(_, expr)| !stays(expr)) {
        let value = match eval(scope, expr) {
            Ok(value) => value,
            Err(trouble) => settle_trouble(source, rule.otherwise[side].as_ref(), trouble)?,
        };
        if !value.is_value() && is_filled(cx.plan, side, *slot) {
            let name = &cx.plan.shapes[side].field(*slot).name;
            let trouble = Trouble::Misfit(format!("`{name}` cannot be null"));
            values.push((*slot, settle_trouble(source, rule.otherwise[side].as_ref(), trouble)?));
        } else {
            values.push((*slot, value));
        }
    }
    for (slot, value) in &values {
        let there = out.get(*slot);
        if there.is_known() && there != value {
            return Err(Stop::Refused(Refusal {
                code: "DW0213",
                rule: rule.label.clone(),
                message: format!(
                    "two rules give `{}` different values: {there} and {value}",
                    cx.plan.shapes[side].field(*slot).name
                ),
                class: Class::Validation,
                is_parked: false,
                waits_on: None,
                is_summoned: false,
            }));
        }
    }
    for (slot, value) in values {
        out.set(slot, value);
    }
    Ok(())
}

/// The parts of the canonical tuple that an expression reads; `None`: the whole of it, or nothing.
fn parts_of(expr: &Expr) -> Option<Vec<u16>> {
    fn collect(expr: &Expr, out: &mut Vec<u16>) -> bool {
        match expr {
            Expr::Part { operand, index } if **operand == Expr::It => {
                out.push(*index);
                true
            }
            Expr::It => false,
            other => other.operands().into_iter().all(|it| collect(it, out)),
        }
    }
    let mut out = Vec::new();
    (collect(expr, &mut out) && !out.is_empty()).then_some(out)
}

/// Which parts of two tuples are equal for the rule.
fn agreeing(plan: &Plan, id: RuleId, left: &Value, right: &Value) -> Vec<u16> {
    let (Value::Tuple(left), Value::Tuple(right)) = (left, right) else { return Vec::new() };
    let pairs = left.iter().zip(right.iter()).enumerate();
    pairs.filter(|(_, (left, right))| agree(plan, id, left, right)).map(|(index, _)| index as u16).collect()
}

/// The field always holds a value: it may not be null, and its store has no word for null either.
pub(super) fn is_filled(plan: &Plan, side: Side, slot: crate::value::Slot) -> bool {
    let field = plan.shapes[side].field(slot);
    !field.nullable && !plan.profiles[side].has_word_for_null(&field.kind)
}

/// Two canonical values are the same for this rule: equal after `modulo` and after what either store does to them; for a
/// key, equal under both stores' comparison. Behind a reference, a key without a value refers to nothing, and two keys that the
/// store of the referenced rows does not tell apart are one.
///
/// What a store cannot keep apart cannot be a difference; otherwise a padded or rounded value would come back for ever.
pub fn agree(plan: &Plan, id: RuleId, left: &Value, right: &Value) -> bool {
    if left == right {
        return true;
    }
    if !left.is_known() || !right.is_known() {
        return false;
    }
    let rule = plan.rule(id);
    let stored = |value: Value| plan.profiles.iter().fold(value, |it, (_, profile)| profile.store(&rule.kind, &it));
    // Stored before and after: a text in another case may be longer, and then another number of blanks fills it up.
    let fold = |value: &Value| unpadded(plan, rule.modulo, stored(fold_modulo(rule.modulo, &stored(value.clone()))));
    if plan.key.contains(&id) && fold_key(plan, left) == fold_key(plan, right) {
        return true;
    }
    if refer_alike(plan, &referring(plan, id), left, right) {
        return true;
    }
    if has_one_empty(plan) && is_empty(left) && is_empty(right) {
        return true;
    }
    let (left, right) = (fold(left), fold(right));
    left == right || (is_empty(&left) && is_empty(&right) && has_one_empty(plan)) || same_tuple(plan, id, &left, &right)
}

fn same_tuple(plan: &Plan, id: RuleId, left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Tuple(left), Value::Tuple(right)) => {
            left.len() == right.len() && left.iter().zip(right.iter()).all(|(left, right)| agree(plan, id, left, right))
        }
        (Value::Int(_) | Value::Decimal(_), Value::Int(_) | Value::Decimal(_)) => {
            super::convert::to_decimal(left) == super::convert::to_decimal(right)
        }
        _ => false,
    }
}

/// The sides on which the rule reads a reference as a key.
pub fn referring(plan: &Plan, id: RuleId) -> Vec<Side> {
    Side::BOTH.into_iter().filter(|it| plan.rule(id).ends[*it].read.has_key_of()).collect()
}

/// References with these keys, held on these sides, lead to the same row.
pub fn refer_alike(plan: &Plan, sides: &[Side], left: &Value, right: &Value) -> bool {
    let is_one = |side: &Side| plan.profiles[*side].fold_key(left) == plan.profiles[*side].fold_key(right);
    !sides.is_empty() && (is_no_key(left) && is_no_key(right) || sides.iter().all(is_one))
}

/// A reference with this key leads nowhere, see `id_of`.
pub fn is_no_key(value: &Value) -> bool {
    match value {
        Value::Tuple(parts) => parts.iter().any(Value::is_blank),
        single => single.is_blank(),
    }
}

/// `""` or null.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Text(text) => text.is_empty(),
        _ => false,
    }
}

/// One of the stores does not tell null from `""`.
fn has_one_empty(plan: &Plan) -> bool {
    plan.profiles.iter().any(|(_, it)| it.text.null_is_blank || it.text.blank_is_null)
}

/// In the other case a text can be longer, so that a store pads it with fewer blanks.
fn unpadded(plan: &Plan, modulo: crate::ir::Modulo, value: Value) -> Value {
    let is_padded = modulo.case && plan.profiles.iter().any(|(_, it)| it.text.padded.is_some());
    match &value {
        Value::Text(text) if is_padded => Value::text(text.trim_end_matches(' ')),
        _ => value,
    }
}

fn fold_modulo(modulo: crate::ir::Modulo, value: &Value) -> Value {
    let Value::Text(text) = value else { return value.clone() };
    let mut text = Cow::Borrowed(text.as_str());
    if modulo.trim {
        text = text.trim().to_owned().into();
    }
    if modulo.case {
        text = fold_case(&text).into();
    }
    if modulo.space {
        text = text.split_whitespace().collect::<Vec<_>>().join(" ").into();
    }
    Value::text(text)
}

/// The canonical value of the map's partition rule; absent where there is none.
pub fn partition(cx: Cx<'_>, side: Side, record: &Record) -> Result<Value> {
    cx.plan.partition.map_or(Ok(Value::Absent), |id| read(cx, id, side, record))
}

/// The folded key: equal for two rows that belong together. `None`: a part of it is empty.
pub fn key(cx: Cx<'_>, side: Side, record: &Record) -> Result<Option<Value>> {
    key_by(cx.plan, |id| read(cx, id, side, record).map(Cow::Owned))
}

/// The folded key from what the key's rules read.
pub(super) fn key_by<'a>(plan: &Plan, read: impl Fn(RuleId) -> Result<Cow<'a, Value>>) -> Result<Option<Value>> {
    let mut parts = Vec::with_capacity(plan.key.len());
    for &id in &plan.key {
        let value = read(id)?;
        if is_no_key(&value) {
            return Ok(None);
        }
        parts.push(fold_key(plan, &value));
    }
    Ok(Some(Value::Tuple(parts.into())))
}

/// The form in which both stores compare keys.
fn fold_key(plan: &Plan, value: &Value) -> Value {
    plan.profiles.iter().fold(value.clone(), |it, (_, profile)| profile.fold_key(&it))
}

/// The row takes part: it passes this side's filter and is in a selected partition.
pub fn in_scope(cx: Cx<'_>, side: Side, record: &Record) -> Result<bool> {
    if let Some(selected) = &cx.plan.partition_in {
        let own = partition(cx, side, record)?;
        if !selected.iter().any(|it| fold_key(cx.plan, it) == fold_key(cx.plan, &own)) {
            return Ok(false);
        }
    }
    match &cx.plan.scope[side] {
        None => Ok(true),
        Some(condition) => test(cx, None, side, record, condition),
    }
}

/// The rule's `when` on the record that it names; without one it always holds.
pub fn guard_holds(cx: Cx<'_>, id: RuleId, side: Side, record: &Record) -> Result<bool> {
    match &cx.plan.rule(id).guard {
        Some(guard) if guard.side == side => test(cx, Some(id), side, record, &guard.condition),
        Some(_) | None => Ok(true),
    }
}

fn test(cx: Cx<'_>, id: Option<RuleId>, side: Side, record: &Record, condition: &Expr) -> Result<bool> {
    let partition = if needs_partition(cx.plan, condition) { partition(cx, side, record)? } else { Value::Absent };
    let rule = id.map(|it| cx.plan.rule(it));
    let scope = Scope { cx, rule, record, it: &Value::Absent, partition: &partition };
    match eval(scope, condition) {
        Ok(value) => Ok(value == Value::Bool(true)),
        Err(trouble) => settle_trouble(scope, None, trouble).map(|it| it == Value::Bool(true)),
    }
}

fn needs_partition(plan: &Plan, expr: &Expr) -> bool {
    let here = match expr {
        Expr::Partition => true,
        Expr::KeyOf { reference, .. } | Expr::IdOf { reference, .. } => plan.reference(*reference).is_partitioned,
        _ => false,
    };
    here || expr.operands().into_iter().any(|it| needs_partition(plan, it))
}

/// What must be written to `towards` so that it agrees with `from`. Absent fields stay as they are; without `onto` a row is made.
pub fn put(cx: Cx<'_>, towards: Side, from: &Record, onto: Option<&Record>) -> Result<Record> {
    let plan = cx.plan;
    let blank = Record::absent(plan.shapes[towards].fields.len());
    let own = onto.unwrap_or(&blank);
    let partition = partition(cx, towards.other(), from)?;
    let mut out = Record::absent(plan.shapes[towards].fields.len());
    let step = Step { cx, towards, from, onto, own, partition: &partition };
    order(plan, towards, onto.is_none()).into_iter().try_for_each(|id| put_one(step, id, &mut out))?;
    Ok(out)
}

/// The rules that take part in a `put`, in their order: those with a guard come last, for it may ask what the others made.
pub(super) fn order(plan: &Plan, towards: Side, is_create: bool) -> Vec<RuleId> {
    let takes_part = |id: &RuleId| {
        let rule = plan.rule(*id);
        rule.writes(towards) && if is_create { !rule.on_update } else { !rule.on_create }
    };
    let (guarded, free): (Vec<RuleId>, Vec<RuleId>) =
        plan.rule_ids().filter(takes_part).partition(|&id| plan.rule(id).guard.is_some());
    free.into_iter().chain(guarded).collect()
}

/// What the rules of one `put` share.
#[derive(Clone, Copy)]
pub(super) struct Step<'a> {
    pub cx: Cx<'a>,
    pub towards: Side,
    pub from: &'a Record,
    /// The row that is there.
    pub onto: Option<&'a Record>,
    /// That row; all absent where there is none.
    pub own: &'a Record,
    pub partition: &'a Value,
}

/// One rule's part of a `put`.
pub(super) fn put_one(step: Step<'_>, id: RuleId, out: &mut Record) -> Result<()> {
    let Step { cx, towards, from, onto, own, .. } = step;
    if !guard_after(cx, id, towards, from, own, out)? {
        return Ok(());
    }
    match put_rule(step, id, out) {
        Ok(()) | Err(Stop::Skip) => Ok(()),
        Err(stop) if onto.is_none() && (is_deferred(cx.plan, &stop) || is_left_out(cx.plan, id, towards, &stop)) => Ok(()),
        Err(stop) => Err(stop),
    }
}

/// A new row can do without this reference for now.
fn is_deferred(plan: &Plan, stop: &Stop) -> bool {
    match stop {
        Stop::Refused(Refusal { waits_on: Some(Query::IdOf { reference, .. }), .. }) => plan.reference(*reference).is_deferrable,
        Stop::Refused(_) | Stop::Unresolved(_) | Stop::Skip => false,
    }
}

/// The row that is read refers to one that is not there. What the rule writes may be empty, so the new row does without it until
/// the other one comes. A key cannot be left out.
fn is_left_out(plan: &Plan, id: RuleId, towards: Side, stop: &Stop) -> bool {
    let is_dangling = matches!(stop, Stop::Refused(Refusal { waits_on: Some(Query::KeyOf { .. }), .. }));
    is_dangling && may_be_left_out(plan, id, towards)
}

/// A new row can be made without what this rule writes there.
pub fn may_be_left_out(plan: &Plan, id: RuleId, towards: Side) -> bool {
    let fields = &plan.shapes[towards].fields;
    !plan.key.contains(&id) && plan.rule(id).ends[towards].write.iter().all(|(slot, _)| fields[slot.0 as usize].nullable)
}

/// The guard, on the record as it will be.
fn guard_after(cx: Cx<'_>, id: RuleId, towards: Side, from: &Record, own: &Record, out: &Record) -> Result<bool> {
    let Some(guard) = &cx.plan.rule(id).guard else { return Ok(true) };
    if guard.side != towards {
        return guard_holds(cx, id, guard.side, from);
    }
    let mut after = own.clone();
    after.overlay(out);
    // The store may hold something else than it is given: `""` as null, for one.
    guard_holds(cx, id, towards, &normalise(cx.plan, towards, &after))
}

fn put_rule(step: Step<'_>, id: RuleId, out: &mut Record) -> Result<()> {
    let Step { cx, towards, from, onto, own, partition } = step;
    let wanted = read(cx, id, towards.other(), from)?;
    if !wanted.is_known() {
        return Ok(());
    }
    let mut kept = Vec::new();
    if let Some(row) = onto {
        match read(cx, id, towards, row) {
            Ok(there) if agree(cx.plan, id, &wanted, &there) => return Ok(()),
            Ok(there) => kept = agreeing(cx.plan, id, &wanted, &there),
            Err(Stop::Refused(_) | Stop::Skip) => {}
            Err(stop @ Stop::Unresolved(_)) => return Err(stop),
        }
    }
    write_parts(cx, id, towards, &wanted, partition, Rows { own, from }, &kept, out)
}

/// The record as this side's store would return it.
pub fn normalise(plan: &Plan, side: Side, record: &Record) -> Record {
    let shape = &plan.shapes[side];
    Record::from_values(record.slots().map(|(slot, value)| plan.profiles[side].store(&shape.field(slot).kind, value)).collect())
}
