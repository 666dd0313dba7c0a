//! `fn`, `canon` and `iso` by themselves: their declared types hold, a canoniser changes nothing the second time, and the halves
//! of an `iso` undo each other. The last two are seen on samples, in the declared range.

use std::collections::{HashMap, HashSet};

use indexmap::IndexMap;

use super::expr::Typed;
use super::fit::{self, Fit};
use super::inline::{declared, is_within, range};
use super::laws::samples;
use super::names::{System, World};
use super::scope::{Fields, Scope, SideScope};
use crate::change::{Side, Sides};
use crate::diag::{Diagnostic, Diagnostics, codes};
use crate::interp::{self, Cx, Lookups};
use crate::ir::{Certificate, DeleteAction, End, Expr, Laws, Missing, Modulo, OnError, Origin, Plan, Rekey, Rule, RuleId};
use crate::schema::{Entity, Profile, Schema, Shape, ShapeField};
use crate::source::{Sources, Span};
use crate::syntax::ast;
use crate::value::{Kind, Record, Slot, Value};

/// Checks every function of the files. The keys of those that are wrong come back: their calls are not reported again.
pub fn check(world: &World<'_>, sources: &Sources, diags: &mut Diagnostics) -> HashSet<String> {
    let mut out = HashSet::new();
    for (key, function) in &world.functions {
        if !function_is_right(world, sources, function, diags) {
            out.insert(key.clone());
        }
    }
    for (key, iso) in &world.isos {
        if !iso_is_right(world, sources, iso, diags) {
            out.insert(key.clone());
        }
    }
    out
}

fn function_is_right(world: &World<'_>, sources: &Sources, function: &ast::Function, diags: &mut Diagnostics) -> bool {
    let mut kinds = Vec::new();
    for parameter in &function.parameters {
        let Some(kind) = known_kind(world, &parameter.ty, diags) else { return false };
        kinds.push((parameter.name.text.as_str(), kind));
    }
    let Some(body) = lowered(world, sources, &function.name, &function.body, &kinds, diags) else { return false };
    if let Some(result) = &function.result {
        let Some(kind) = known_kind(world, result, diags) else { return false };
        if !gives(&body, &kind, result.span, &function.name, diags) {
            return false;
        }
    }
    match (function.is_canon, kinds.as_slice()) {
        (false, _) => true,
        (true, [(_, kind)]) => settles(function, &body, kind, diags),
        (true, _) => {
            let message = format!("the canoniser `{}` has one parameter", function.name.text);
            diags.push(Diagnostic::new(codes::SYNTAX, function.name.span, message, "defined here").advice("write `fn` instead"));
            false
        }
    }
}

fn known_kind(world: &World<'_>, ty: &ast::Type, diags: &mut Diagnostics) -> Option<Kind> {
    let kind = declared(world, ty);
    if kind.is_none() {
        let label = "no such type, or its numbers do not fit it";
        diags.push(Diagnostic::new(codes::UNKNOWN_NAME, ty.span, "a function cannot have a value of this type", label));
    }
    kind
}

/// The body as an expression over a record that holds the arguments.
fn lowered(
    world: &World<'_>,
    sources: &Sources,
    name: &ast::Name,
    body: &ast::Expr,
    parameters: &[(&str, Kind)],
    diags: &mut Diagnostics,
) -> Option<Typed> {
    let system = System::nameless();
    let (schema, entity, values) = (Schema::default(), Entity::default(), IndexMap::new());
    let side = || SideScope { system: &system, index: 0, entity: &entity, fields: Fields::new(&schema, &entity) };
    let mut cx = Scope {
        world,
        sources,
        diags,
        values: &values,
        map: name.text.clone(),
        sides: Sides::new(side(), side()),
        rule: None,
        tables: Vec::new(),
        references: Vec::new(),
        has_partition: false,
        is_key_wrong: false,
        depth: 0,
        grown: 0,
        operands: HashMap::new(),
        locals: None,
        is_wrong: false,
    };
    let local = |(index, (name, kind)): (usize, &(&str, Kind))| {
        let expr = Expr::Slot(Slot(index as u16));
        let typed = Typed { expr, kind: kind.clone(), nullable: false, constant: None, partial: Vec::new(), span: body.span };
        ((*name).to_owned(), typed)
    };
    let locals = parameters.iter().enumerate().map(local).collect();
    let out = cx.body(Side::Left, name, body, locals);
    out.filter(|_| !cx.is_wrong)
}

/// The body's values fit the declared result.
fn gives(body: &Typed, kind: &Kind, place: Span, name: &ast::Name, diags: &mut Diagnostics) -> bool {
    let (code, message) = match fit::fit(&body.kind, kind) {
        Fit::Same | Fit::Converted => return true,
        Fit::Narrow(code) => (code, format!("`{}` gives `{}`, which may not fit its result `{kind}`", name.text, body.kind)),
        Fit::Never => (codes::NO_COMMON_TYPE, format!("`{}` gives `{}`, not `{kind}`", name.text, body.kind)),
    };
    let diagnostic =
        Diagnostic::new(code, body.span, message, format!("this is `{}`", body.kind)).because(place, "declared here");
    diags.push(diagnostic.replace(format!("`{}`", body.kind), place, body.kind.to_string(), false));
    false
}

/// What a canoniser makes is left alone by it.
fn settles(function: &ast::Function, body: &Typed, kind: &Kind, diags: &mut Diagnostics) -> bool {
    let bench = Bench::new(&body.expr, kind);
    for value in samples_of(kind, &[&body.expr]) {
        let Some(once) = bench.eval(&value).filter(Value::is_value) else { continue };
        let Some(twice) = bench.eval(&once) else { continue };
        if once != twice {
            let name = &function.name.text;
            let message = format!("the canoniser `{name}` changes what it made itself");
            diags.push(
                Diagnostic::new(codes::NOT_IDEMPOTENT, function.body.span, message, "applied twice, it gives something else")
                    .because(function.name.span, "declared as `canon` here")
                    .counterexample(format!("{value}  →  {once}  →  {twice}"))
                    .advice("apply the functions in an order in which a second time changes nothing, or write `fn`"),
            );
            return false;
        }
    }
    true
}

fn samples_of(kind: &Kind, exprs: &[&Expr]) -> Vec<Value> {
    let mut near = Vec::new();
    for expr in exprs {
        samples::constants(expr, &mut near);
    }
    samples::nasty(kind, &near)
}

fn iso_is_right(world: &World<'_>, sources: &Sources, iso: &ast::Iso, diags: &mut Diagnostics) -> bool {
    let kinds = known_kind(world, &iso.parameter.ty, diags).zip(known_kind(world, &iso.target, diags));
    let Some((kind, target)) = kinds else { return false };
    if iso.range.is_some() && range(iso, &target).is_none() {
        let span = iso.range.as_ref().map_or(iso.name.span, |(low, _)| low.span);
        let message = format!("the range of an `iso` stands between two values of `{target}`");
        diags.push(Diagnostic::new(codes::SYNTAX, span, message, "no such values"));
        return false;
    }
    let parameter = [(iso.parameter.name.text.as_str(), kind.clone())];
    let forward = lowered(world, sources, &iso.name, &iso.forward, &parameter, diags);
    let backward = lowered(world, sources, &iso.name, &iso.backward, &[("it", target.clone())], diags);
    let Some((forward, backward)) = forward.zip(backward) else { return false };
    for (half, wanted, place) in [(&forward, &target, iso.target.span), (&backward, &kind, iso.parameter.ty.span)] {
        if fit::fit(&half.kind, wanted) == Fit::Never && !gives(half, wanted, place, &iso.name, diags) {
            return false;
        }
    }
    undoes(iso, (&forward, &target), (&backward, &kind), diags)
}

/// Every value in the range comes back as itself, and so does every argument whose value is in the range.
fn undoes(iso: &ast::Iso, forward: (&Typed, &Kind), backward: (&Typed, &Kind), diags: &mut Diagnostics) -> bool {
    let (kind, target) = (backward.1, forward.1);
    let range = range(iso, target);
    let there = Bench::new(&converted(&forward.0.expr, target), kind);
    let back = Bench::new(&converted(&backward.0.expr, kind), target);
    let near = [&forward.0.expr, &backward.0.expr];
    let mut targets = samples_of(target, &near);
    if let Some((low, high)) = &range {
        targets.extend([low.clone(), high.clone()]);
    }
    let shown = |it: &Option<Value>| it.as_ref().map_or_else(|| "no value".to_owned(), ToString::to_string);
    for value in targets.into_iter().filter(|it| is_within(range.as_ref(), it)) {
        let argument = back.eval(&value);
        let again = argument.as_ref().and_then(|it| there.eval(it));
        if again.as_ref().is_none_or(|it| !is_same(it, &value)) {
            let steps = format!("{value}  →  {}  →  {}", shown(&argument), shown(&again));
            diags.push(not_undone(iso, &value, &steps));
            return false;
        }
    }
    for value in samples_of(kind, &near) {
        let Some(made) = there.eval(&value).filter(|it| is_within(range.as_ref(), it)) else { continue };
        let again = back.eval(&made);
        if again.as_ref().is_none_or(|it| !is_same(it, &value)) {
            diags.push(not_undone(iso, &value, &format!("{value}  →  {made}  →  {}", shown(&again))));
            return false;
        }
    }
    true
}

fn not_undone(iso: &ast::Iso, value: &Value, steps: &str) -> Diagnostic {
    let message = format!("the halves of `{}` do not undo each other: {value} does not come back", iso.name.text);
    Diagnostic::new(codes::SECTION, iso.name.span, message, "declared as a pair")
        .because(iso.forward.span, "there")
        .because(iso.backward.span, "and back")
        .counterexample(steps)
        .advice("mend one half, or declare the range `in low ..= high` in which they do")
}

fn converted(expr: &Expr, to: &Kind) -> Expr {
    Expr::Convert { to: to.clone(), operand: expr.clone().boxed() }
}

fn is_same(left: &Value, right: &Value) -> bool {
    left == right || interp::to_decimal(left).is_some_and(|it| Some(it) == interp::to_decimal(right))
}

/// A plan with one rule, to run one expression of one value through the interpreter.
struct Bench {
    plan: Plan,
}

impl Bench {
    fn new(expr: &Expr, kind: &Kind) -> Self {
        let field =
            ShapeField { name: "it".to_owned(), kind: kind.clone(), nullable: true, readonly: false, lookup_sets: Vec::new() };
        let shape = Shape { entity: String::new(), set: String::new(), fields: vec![field], key: Vec::new(), modified: None };
        let end = End { read: expr.clone(), write: Vec::new() };
        let origin = Origin { file: String::new(), line: 1 };
        let rule = Rule {
            label: String::new(),
            origin: origin.clone(),
            arrow: String::new(),
            kind: kind.clone(),
            ends: Sides::new(end.clone(), end),
            modulo: Modulo::default(),
            guard: None,
            on_create: false,
            on_update: false,
            on_missing: Missing::Park,
            otherwise: Sides::new(None, None),
            loses: None,
            laws: Laws::all(Certificate::OneWay),
        };
        let plan = Plan {
            name: String::new(),
            version: None,
            origin,
            systems: Sides::new(0, 0),
            profiles: Sides::new(Profile::exact(), Profile::exact()),
            shapes: Sides::new(shape.clone(), shape),
            writes: Sides::new(false, false),
            rules: vec![rule],
            groups: Vec::new(),
            key: Vec::new(),
            partition: None,
            partition_in: None,
            scope: Sides::new(None, None),
            on_exit: Sides::new(None, None),
            on_delete: Sides::new(DeleteAction::Ignore, DeleteAction::Ignore),
            on_rekey: Rekey::Reject,
            on_error: OnError::Park,
            references: Vec::new(),
            tables: Vec::new(),
        };
        Self { plan }
    }

    /// `None`: the expression has no value for this one.
    fn eval(&self, value: &Value) -> Option<Value> {
        let lookups = Lookups::default();
        let record = Record::from_values(vec![value.clone()]);
        interp::read(Cx { plan: &self.plan, lookups: &lookups }, RuleId(0), Side::Left, &record).ok()
    }
}
