//! What is lost or left waiting on the way: fractions of a second, dates that mean none, references to rows outside of a filter,
//! and filters that the system answers only in part.

use std::collections::HashMap;

use super::filters::place;
use super::{because, carried, declared, entity};
use crate::change::Side;
use crate::check::built::{Built, Role};
use crate::check::laws::{samples, show_record};
use crate::check::names::World;
use crate::check::premise::Premise;
use crate::diag::{Diagnostic, Diagnostics, Severity, codes};
use crate::interp;
use crate::ir::push::{self, Dialect};
use crate::ir::{Expr, Missing, Plan, Rule, RuleId, show};
use crate::schema::ShapeField;
use crate::syntax::ast::{self, Arrow, ClauseKind, PolicyKind};
use crate::value::{Date, Kind, Record, Value};

/// What one map says of itself.
pub fn check(world: &World<'_>, built: &Built<'_>, out: &mut Vec<Diagnostic>) {
    residue(world, built, out);
    for (index, rule) in built.plan.rules.iter().enumerate() {
        let fractions = if world.premises.hold(Premise::Instants) { fractions(built, index) } else { None };
        let found = fractions.or_else(|| no_date(built, index));
        out.extend(found.map(|it| Diagnostic { rule: Some(rule.label.clone()), ..it }));
    }
}

/// A filter that must be tested here in part, so that more rows are read than are in scope.
fn residue(world: &World<'_>, built: &Built<'_>, out: &mut Vec<Diagnostic>) {
    let plan = &built.plan;
    for side in Side::BOTH {
        let (Some(scope), Some(dialect)) = (&plan.scope[side], Dialect::of_profile(&plan.profiles[side].name)) else { continue };
        let pushed = push::push(dialect, &plan.profiles[side], &plan.shapes[side], scope);
        let (Some(rest), Some(_)) = (pushed.residue, entity(world, plan, side)) else { continue };
        let shown = show::expr(plan, side, &rest);
        let (message, asked) = match pushed.filter {
            Some(filter) => (format!("the {} system can answer only a part of this filter", side.word()), filter),
            None => (format!("the {} system can answer no part of this filter", side.word()), "nothing".to_owned()),
        };
        let diagnostic = Diagnostic::new(codes::PARTLY_PUSHED, place(built, side), message, "every row that may pass is read")
            .note("asked", asked)
            .note("tested here", shown);
        out.push(match numberless(plan, side, &rest) {
            Some(field) => {
                let why = format!("the members of `{}` have no numbers, by which this system would be asked", field.name);
                let diagnostic = because(diagnostic, declared(world, plan, side, &field.name), "members without numbers");
                diagnostic.note("reason", why).advice("give them their numbers, as in `choice { Active = 0, Inactive = 1 }`")
            }
            None => diagnostic,
        });
    }
}

/// A field of the condition that Dataverse would be asked about by numbers, which its members do not have here.
fn numberless<'p>(plan: &'p Plan, side: Side, rest: &Expr) -> Option<&'p ShapeField> {
    if Dialect::of_profile(&plan.profiles[side].name) != Some(Dialect::Dataverse) {
        return None;
    }
    let has_no_numbers = |it: &&ShapeField| match &it.kind {
        Kind::Enum(members) => members.members.iter().any(|it| it.value.as_text().is_some()),
        _ => false,
    };
    rest.slots().into_iter().map(|it| plan.shapes[side].field(it)).find(has_no_numbers)
}

/// One side holds finer instants than the other, and the arrow says that nothing is lost.
fn fractions(built: &Built<'_>, index: usize) -> Option<Diagnostic> {
    let (plan, written) = (&built.plan, &built.rules[index]);
    if written.rule.arrow != Arrow::Both {
        return None;
    }
    let finer = finer_side(plan, RuleId(index as u16))?;
    let (holder, other) = match finer {
        Side::Left => (&written.rule.left, &written.rule.right),
        Side::Right => (&written.rule.right, &written.rule.left),
    };
    let message =
        format!("the {} side keeps whole seconds, and the {} side may hold fractions of one", finer.other().word(), finer.word());
    let arrow = written.rule.arrow_span;
    let diagnostic = Diagnostic::new(codes::DATE_LOSS, holder.span, message, "may hold fractions of a second")
        .because(other.span, format!("stored as profile `{}` says", plan.profiles[finer.other()].name));
    let diagnostic = match cut_instant(plan, RuleId(index as u16), finer) {
        Some(shown) => diagnostic.counterexample(shown),
        None => diagnostic,
    };
    Some(diagnostic.replace("write `<~>` and say what is lost with `loses`", arrow, "<~>", false))
}

/// A row of the finer side, and what the rule makes of it.
fn cut_instant(plan: &Plan, id: RuleId, finer: Side) -> Option<String> {
    let at = Value::DateTime("2024-02-29T12:30:00.25Z".parse().expect("this is an instant"));
    let mut source = Record::absent(plan.shapes[finer].fields.len());
    for slot in plan.rule(id).ends[finer].read.slots() {
        let kind = &plan.shapes[finer].field(slot).kind;
        let value = if *kind == Kind::DateTime { Some(at.clone()) } else { samples::nasty(kind, &[]).into_iter().next() };
        source.set(slot, value?);
    }
    let source = interp::normalise(plan, finer, &source);
    let cut = carried(plan, id, finer.other(), &source)?;
    let back = carried(plan, id, finer, &cut)?;
    let show = |side: Side, record: &Record| show_record(plan, id, side, record);
    (back != source).then(|| format!("{}  →  {}", show(finer, &source), show(finer.other(), &cut)))
}

/// The side whose instants are finer than the other's, in a rule that writes both ways.
pub fn finer_side(plan: &Plan, id: RuleId) -> Option<Side> {
    let rule = plan.rule(id);
    let holds_instant = |side: Side, expr: &Expr| {
        let mut shown = expr;
        while let Expr::Coalesce(inner, _) = shown {
            shown = inner;
        }
        matches!(shown, Expr::Slot(slot) if plan.shapes[side].field(*slot).kind == Kind::DateTime)
    };
    let [left, right] = Side::BOTH.map(|side| match &rule.ends[side].read {
        Expr::Tuple(parts) => parts.as_slice(),
        single => std::slice::from_ref(single),
    });
    let step = |side: Side| plan.profiles[side].datetime_step_us.max(1);
    let finer = Side::BOTH.into_iter().find(|side| step(*side) < step(side.other()))?;
    // What the coarser side shows may be calculated: its store cuts what comes from the finer side all the same.
    let keeps_instant =
        |side: Side, expr: &Expr| expr.slots().iter().any(|it| plan.shapes[side].field(*it).kind == Kind::DateTime);
    let is_cut = |(left, right): (&Expr, &Expr)| match finer {
        Side::Left => holds_instant(Side::Left, left) && keeps_instant(Side::Right, right),
        Side::Right => holds_instant(Side::Right, right) && keeps_instant(Side::Left, left),
    };
    (rule.is_two_way() && left.iter().zip(right).any(is_cut)).then_some(finer)
}

/// A fixed date that the store holds for "no date".
fn no_date(built: &Built<'_>, index: usize) -> Option<Diagnostic> {
    let (plan, rule) = (&built.plan, &built.plan.rules[index]);
    let side = Side::BOTH.into_iter().find(|it| rule.writes(*it) && !rule.writes(it.other()))?;
    let stands_for_none = plan.profiles[side].null_date?;
    let Expr::Const(value) = &rule.ends[side.other()].read else { return None };
    if day(value)? != stands_for_none {
        return None;
    }
    let name = &plan.profiles[side].name;
    let message = format!("profile `{name}` holds {stands_for_none} where there is no date, so this writes none");
    Some(
        Diagnostic::new(codes::DATE_LOSS, built.rules[index].span, message, "the date is lost")
            .advice("write `null`, or another date"),
    )
}

fn day(value: &Value) -> Option<Date> {
    match value {
        Value::Date(date) => Some(*date),
        Value::DateTime(at) => Some(at.to_zoned(jiff::tz::TimeZone::UTC).date()),
        _ => None,
    }
}

/// `via Map`, where that map does not run, or its filter leaves rows out that can be referred to: they never get a partner.
pub fn references(world: &World<'_>, built: &[Built<'_>], diags: &mut Diagnostics) {
    let mut places: HashMap<&str, usize> = HashMap::new();
    for (place, it) in built.iter().enumerate() {
        places.entry(&it.plan.name).or_insert(place);
    }
    for it in built.iter().filter(|it| !it.plan.references.is_empty() && !it.is_partial && !says_missing(it)) {
        for (rule, written) in it.plan.rules.iter().zip(&it.rules) {
            let has_own = written.rule.clauses.iter().any(|it| matches!(it.kind, ClauseKind::OnMissing(_)));
            if has_own || rule.on_missing != Missing::Park {
                continue;
            }
            // Companies are set up by hand, and are there before anything is kept in step.
            if let Some(found) = not_running(world, written.rule).filter(|_| written.role != Role::Partition) {
                diags.push(found.in_rule(&it.plan.name, Some(&rule.label)));
            }
            let Some((other, side)) = excluding(built, &places, it, rule) else { continue };
            let via = written.rule.clauses.iter().find(|it| matches!(it.kind, ClauseKind::Via(_)));
            let span = via.map_or(written.rule.span, |it| it.span);
            let message = format!(
                "a row can refer to one that the filter of `{}` leaves out on the {}, and then waits for it",
                other.plan.name,
                side.word()
            );
            let diagnostic = Diagnostic::new(codes::LOOKUP, span, message, "such a row has no partner")
                .because(place(other, side), "leaves rows out")
                .advice("say what then happens: `on missing park`, `reject` or `null`");
            let diagnostic = Diagnostic { severity: Severity::Warning, ..diagnostic };
            diags.push(diagnostic.in_rule(&it.plan.name, Some(&rule.label)));
        }
    }
}

/// A base that no layer takes over is there to be read, and keeps nothing in step.
fn not_running(world: &World<'_>, rule: &ast::Rule) -> Option<Diagnostic> {
    let (path, span) = rule.clauses.iter().find_map(|it| match &it.kind {
        ClauseKind::Via(path) => Some((path, it.span)),
        _ => None,
    })?;
    let key = world.map_key(path)?;
    let info = world.maps.get(&key).filter(|it| !it.runs)?;
    let name = &info.map.name.text;
    let message = format!("`{name}` does not run in this project, so nobody here makes the rows that are referred to");
    let diagnostic =
        Diagnostic::new(codes::LOOKUP, span, message, "keeps nothing in step").because(info.map.name.span, "a base only");
    let base = world.written(rule.span.file, std::iter::once(&key)).into_iter().next().unwrap_or(key);
    let base = if base.contains('.') { base } else { format!("ALIAS.{base}") };
    let diagnostic = diagnostic.advice(format!("take it over as it is: `map {name} extends {base} {{` and `}}`"));
    let diagnostic = diagnostic.advice("or say that others make these rows: `on missing park`, for the rule or for the map");
    Some(Diagnostic { severity: Severity::Warning, ..diagnostic })
}

fn says_missing(built: &Built<'_>) -> bool {
    super::policies(built).any(|it| matches!(it.kind, PolicyKind::Missing(_)))
}

/// The map that the rule refers through, and the side whose rows its filter does not send.
fn excluding<'b, 'a>(
    built: &'b [Built<'a>],
    places: &HashMap<&str, usize>,
    own: &Built<'_>,
    rule: &Rule,
) -> Option<(&'b Built<'a>, Side)> {
    Side::BOTH.into_iter().find_map(|towards| {
        let reference = own.plan.reference(*rule.refers(towards).first()?);
        let other = &built[*places.get(reference.plan.as_deref()?)?];
        let side = towards.other();
        let is_same_system = other.plan.systems[side] == own.plan.systems[side];
        (is_same_system && other.plan.scope[side].is_some()).then_some((other, side))
    })
}
