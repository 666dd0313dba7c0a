//! `test` items: what is written to which side, and what must come of it.

use std::collections::HashMap;
use std::sync::Arc;

use super::built::Built;
use super::names::{World, unknown};
use super::scope::{Fields, Scope, SideScope};
use crate::change::{Side, Sides};
use crate::diag::{Diagnostic, Diagnostics, codes};
use crate::ir::{self, Expectation, Origin, PlanId, TestStep};
use crate::source::Sources;
use crate::syntax::ast::{self, ExprKind, StepKind};
use crate::value::{Kind, Slot, Value};

/// Lowers the tests of the maps that are right; a field that only a test names joins its map's shape.
pub fn lower<'a>(world: &'a World<'a>, sources: &'a Sources, built: &mut [Built<'a>], diags: &mut Diagnostics) -> Vec<ir::Test> {
    let mut out = Vec::new();
    for (test, _) in &world.tests {
        let name = test.map.to_string();
        let Some(key) = world.map_key(&test.map) else {
            let known = world.written(test.map.span.file, world.maps.keys());
            diags.push(unknown("map", &name, test.map.span, known.iter().map(String::as_str), "not declared"));
            continue;
        };
        let name = &world.maps[&key].map.name.text;
        // A wrong map has its messages; its tests wait until it is right.
        let Some(index) = built.iter().position(|it| it.plan.name == *name) else { continue };
        out.extend(one(world, sources, Arc::make_mut(&mut built[index].plan), PlanId(index as u16), test, diags));
    }
    out
}

fn one<'a>(
    world: &'a World<'a>,
    sources: &'a Sources,
    plan: &mut ir::Plan,
    id: PlanId,
    test: &'a ast::Test,
    diags: &mut Diagnostics,
) -> Option<ir::Test> {
    let side = |side: Side| {
        let system = &world.systems[plan.systems[side] as usize];
        let entity = &system.schema.entities[&plan.shapes[side].entity];
        let fields = Fields::resume(&system.schema, entity, &plan.shapes[side]);
        SideScope { system, index: plan.systems[side], entity, fields }
    };
    let values = indexmap::IndexMap::new();
    let mut cx = Scope {
        world,
        sources,
        diags,
        values: &values,
        map: plan.name.clone(),
        sides: Sides::new(side(Side::Left), side(Side::Right)),
        rule: None,
        tables: Vec::new(),
        references: Vec::new(),
        has_partition: plan.partition.is_some(),
        is_key_wrong: false,
        depth: 0,
        grown: 0,
        operands: HashMap::new(),
        locals: None,
        is_wrong: false,
    };
    let steps: Vec<Option<(Origin, TestStep)>> = test
        .steps
        .iter()
        .map(|step| {
            let line = sources.position(step.span).line as u32;
            let origin = Origin { file: sources.file(step.span.file).name.clone(), line };
            Some((origin, lower_step(&mut cx, plan, step)?))
        })
        .collect();
    let [left, right] = cx.sides.0;
    plan.shapes[Side::Left].fields = left.fields.list;
    plan.shapes[Side::Right].fields = right.fields.list;
    Some(ir::Test { name: test.name.text.clone(), plan: id, steps: steps.into_iter().collect::<Option<_>>()? })
}

fn lower_step(cx: &mut Scope<'_, '_>, plan: &ir::Plan, step: &ast::Step) -> Option<TestStep> {
    Some(match &step.kind {
        StepKind::Given { system, record } => {
            let (side, fields) = on_side(cx, plan, system, Some(record))?;
            TestStep::Given { side, fields }
        }
        StepKind::Edit { system, record } => {
            let (side, fields) = on_side(cx, plan, system, Some(record))?;
            TestStep::Edit { side, fields }
        }
        StepKind::Delete { system, record } => {
            let (side, fields) = on_side(cx, plan, system, record.as_ref())?;
            TestStep::Delete { side, fields }
        }
        StepKind::Expect { system, record } => {
            let (side, fields) = on_side(cx, plan, system, Some(record))?;
            TestStep::Expect(Expectation::Record { side, fields })
        }
        StepKind::ExpectNothing { system } => TestStep::Expect(Expectation::Nothing { side: side_named(cx, system)? }),
        StepKind::ExpectWrites(counts) => {
            let mut out = Vec::new();
            for (system, count) in counts {
                let side = match system {
                    Some(name) => Some(side_named(cx, name)?),
                    None => None,
                };
                out.push((side, *count));
            }
            TestStep::Expect(Expectation::Writes(out))
        }
        StepKind::ExpectReject(code) => TestStep::Expect(Expectation::Reject(code.text.clone())),
        StepKind::ExpectPark => TestStep::Expect(Expectation::Park),
        StepKind::ExpectConflict => TestStep::Expect(Expectation::Conflict),
        StepKind::Roundtrip { count, seed } => TestStep::Roundtrip { count: *count, seed: *seed },
    })
}

fn side_named(cx: &mut Scope<'_, '_>, name: &ast::Name) -> Option<Side> {
    let side = cx.side_of(&name.text);
    if side.is_none() {
        let known: Vec<String> = Side::BOTH.iter().map(|&it| cx.sides[it].system.name.clone()).collect();
        cx.report(unknown("side", &name.text, name.span, known.iter().map(String::as_str), "not a system of the map"));
    }
    side
}

fn on_side(
    cx: &mut Scope<'_, '_>,
    plan: &ir::Plan,
    system: &ast::Name,
    record: Option<&ast::RecordLiteral>,
) -> Option<(Side, Vec<(Slot, Value)>)> {
    let side = side_named(cx, system)?;
    let mut fields = Vec::new();
    for (name, value) in record.map_or(&[][..], |it| &it.fields) {
        let path = ast::Path { segments: vec![name.clone()], span: name.span };
        let field = cx.lower(side, &ast::Expr { kind: ExprKind::Path(path), span: name.span }, None)?;
        let slot = cx.sides[side].fields.slot(&name.text)?;
        let value = match plan.reference_at(side, slot) {
            Some(reference) if matches!(field.kind, Kind::Lookup(_)) => key(cx, side, value, plan.reference(reference))?,
            _ => known(cx, side, value, &field.kind)?,
        };
        fields.push((slot, value));
    }
    Some((side, fields))
}

/// A lookup is given as the key of its row, as the rules see it: without the company where the record's own is meant.
fn key(cx: &mut Scope<'_, '_>, side: Side, value: &ast::Expr, reference: &ir::Reference) -> Option<Value> {
    let value = super::expr::bare(value);
    if matches!(value.kind, ExprKind::Null) {
        return Some(Value::Null);
    }
    let parts = match &value.kind {
        ExprKind::Tuple(parts) => parts.as_slice(),
        _ => std::slice::from_ref(value),
    };
    let targets = reference.key_kinds();
    let count = targets[0].len();
    if parts.len() != count {
        let (message, advice) = key_words(reference, count, parts.len());
        cx.report(Diagnostic::new(codes::SYNTAX, value.span, message, "another number of parts").advice(advice));
        return None;
    }
    let mut out = Vec::new();
    for (index, part) in parts.iter().enumerate() {
        out.push(match targets.as_slice() {
            [kinds] => known(cx, side, part, kinds[index])?,
            // Their keys may differ in kind.
            _ => any(cx, side, part)?,
        });
    }
    Some(if out.len() == 1 { out.remove(0) } else { Value::Tuple(out.into()) })
}

fn key_words(reference: &ir::Reference, count: usize, given: usize) -> (String, String) {
    let target = &reference.targets[0];
    let columns = target.columns.iter().map(|it| target.shape.field(it.slot).name.as_str());
    let names: Vec<&str> = columns.skip(usize::from(reference.is_partitioned)).collect();
    let parts = |count: usize| if count == 1 { "1 part".to_owned() } else { format!("{count} parts") };
    let message = format!("the key of `{}` has {} here, not {given}", target.shape.entity, parts(count));
    let whose = if reference.is_partitioned { "; its company is that of the record" } else { "" };
    let form = if count == 1 { names[0].to_owned() } else { format!("({})", names.join(", ")) };
    (message, format!("give the value of `{form}`{whose}"))
}

fn known(cx: &mut Scope<'_, '_>, side: Side, value: &ast::Expr, kind: &Kind) -> Option<Value> {
    if matches!(kind, Kind::Lookup(_)) { any(cx, side, value) } else { cx.constant(side, value, kind) }
}

/// A fixed value of whatever kind.
fn any(cx: &mut Scope<'_, '_>, side: Side, value: &ast::Expr) -> Option<Value> {
    let typed = cx.lower(side, value, None)?;
    if typed.constant.is_none() {
        let diagnostic = Diagnostic::new(codes::SYNTAX, value.span, "a fixed value is needed here", "this depends on the record");
        cx.report(diagnostic.advice("write the key of the row that is referred to"));
    }
    typed.constant
}
