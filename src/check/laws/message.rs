//! What is said of a law that fails: both places, what was seen, and what to write instead.

use super::trial::Finding;
use crate::change::Side;
use crate::check::built::{Built, Role, Written};
use crate::check::names::World;
use crate::diag::{Diagnostic, Edit, Fix, codes};
use crate::functions::{self, Law};
use crate::ir::{Plan, RuleId};
use crate::source::{Sources, Span};
use crate::syntax::ast::{Arrow, ClauseKind, Expr, ExprKind, Path, RowEnd, ValueRow};
use crate::value::{Kind, Record, Value};

/// Longest text that a counterexample shows in full.
const SHOWN_MAX: usize = 40;

pub fn diagnostic(world: &World<'_>, built: &Built<'_>, id: RuleId, finding: &Finding, sources: &Sources) -> Diagnostic {
    let (plan, written) = (&built.plan, built.rules[id.index()]);
    let show = |side: Side, record: &Record| show_record(plan, id, side, record);
    let diagnostic = match finding {
        Finding::Unstable { side, record, wanted, after, again } => unstable(&written, *side).counterexample(format!(
            "{}  →  {}  →  {}  →  {}",
            show(*side, record),
            shown(wanted),
            show(*side, after),
            shown(again)
        )),
        Finding::Section { from, record, wanted, after, reads } => section(world, &written, *from, wanted, sources)
            .counterexample(format!(
                "{}  →  {}  →  reads as {}  ≠  {}",
                show(*from, record),
                show(from.other(), after),
                shown(reads),
                shown(wanted)
            )),
        Finding::Restless { trace, comes_to_rest } => {
            let steps: Vec<String> =
                trace.iter().take(4).map(|(side, it)| format!("{} {}", system(world, plan, *side), show(*side, it))).collect();
            let (message, label, end_of_trace) = match comes_to_rest {
                true => ("one edit makes this rule write a side twice", "each side answers the other", ""),
                false => ("this rule never settles", "each side answers the other, for ever", " → …"),
            };
            Diagnostic::new(codes::ABSORPTION, written.rule.arrow_span, message, label)
                .because(end(&written, Side::Left).span, format!("stored as profile `{}` says", plan.profiles[Side::Left].name))
                .because(end(&written, Side::Right).span, format!("stored as profile `{}` says", plan.profiles[Side::Right].name))
                .note("trace", format!("{}{end_of_trace}", steps.join(" → ")))
                .advice("compare loosely (`modulo trim`, `modulo case`), or write the same function on both sides")
        }
        Finding::Lost { side, first, second, both, is_concat } => {
            let pair = format!("{} and {}", show(*side, first), show(*side, second));
            let diagnostic = rows(world, plan, id, *side, &written, [first, second])
                .into_iter()
                .fold(lost(&written, *side, *is_concat), |it, row| it.because(row, "leads to the same value"));
            diagnostic.counterexample(format!("{pair}  →  {}", show(side.other(), both)))
        }
    };
    let diagnostic = if written.role == Role::Ordinary { diagnostic } else { for_key(diagnostic) };
    let shows_kinds = matches!(finding, Finding::Section { .. } | Finding::Lost { .. });
    let diagnostic = if shows_kinds { with_fields(world, plan, id, diagnostic) } else { diagnostic };
    diagnostic.in_rule(&plan.name, Some(&plan.rule(id).label))
}

/// A key is matched exactly and both ways: neither `<~>` nor `modulo` can be its way out.
fn for_key(diagnostic: Diagnostic) -> Diagnostic {
    let is_possible = |it: &Fix| !it.message.contains("<~>") && !it.message.contains("modulo");
    let fixes: Vec<Fix> = diagnostic.fixes.iter().filter(|it| is_possible(it)).cloned().collect();
    let has_none = fixes.is_empty();
    let diagnostic = Diagnostic { fixes, ..diagnostic };
    match has_none {
        true => diagnostic.advice("a key is matched both ways: use the whole field, or the same function on both sides"),
        false => diagnostic,
    }
}

/// Where the rule's fields are declared, in a map or in a snapshot.
fn with_fields(world: &World<'_>, plan: &Plan, id: RuleId, mut diagnostic: Diagnostic) -> Diagnostic {
    for side in Side::BOTH {
        let Some((_, system)) = world.systems.get_index(usize::from(plan.systems[side])) else { continue };
        for slot in plan.rule(id).ends[side].read.slots() {
            let field = plan.shapes[side].field(slot);
            let null = if field.nullable { "?" } else { "" };
            diagnostic = match (system.places.get(&(plan.shapes[side].entity.clone(), field.name.clone())), &system.source) {
                (Some(place), _) => diagnostic.because(*place, format!("declared as `{}{null}`", field.kind)),
                (None, Some(source)) => {
                    diagnostic.note("schema", format!("{source}: `{}` is `{}{null}`", field.name, field.kind))
                }
                (None, None) => diagnostic,
            };
        }
    }
    diagnostic
}

fn unstable(written: &Written<'_>, side: Side) -> Diagnostic {
    let place = end(written, side).span;
    let message = format!("what the {} side writes does not read back as itself", side.word());
    Diagnostic::new(codes::NOT_IDEMPOTENT, place, message, "applied twice, it gives something else")
        .advice("apply the functions in an order in which a second time changes nothing, such as `trim(take(…))`")
}

fn section(world: &World<'_>, written: &Written<'_>, from: Side, wanted: &Value, sources: &Sources) -> Diagnostic {
    let message = format!("the {} side can hold a value that the {} side cannot equal", from.word(), from.other().word());
    let (holder, reader) = (end(written, from), end(written, from.other()));
    let diagnostic = Diagnostic::new(codes::SECTION, holder.span, message, format!("may hold {}", shown(wanted)))
        .because(reader.span, format!("never reads as {}", shown(wanted)));
    match &reader.kind {
        ExprKind::Call { function, arguments } if is_canon(world, function) && !arguments.is_empty() => {
            with_canon_fixes(diagnostic, written, holder, (reader, &function.to_string(), &arguments[0]), sources)
        }
        _ if written.rule.arrow == Arrow::Both => {
            diagnostic.replace("write `<~>` and say what is lost with `loses`", written.rule.arrow_span, "<~>", false)
        }
        _ => diagnostic.advice("make the rule one-way, or map the field without what is done to it"),
    }
}

/// Applied to both sides, the function makes them comparable: it changes nothing when it is applied again, and forgets nothing that
/// matters.
fn is_canon(world: &World<'_>, function: &Path) -> bool {
    match world.functions.get(&world.project.key(function)) {
        Some(own) => own.is_canon,
        None => functions::find(&function.to_string()).is_some_and(|it| it.law == Law::Canon),
    }
}

/// `trim(Name) <-> name`: compare trimmed and copy verbatim, or trim both.
fn with_canon_fixes(
    mut diagnostic: Diagnostic,
    written: &Written<'_>,
    holder: &Expr,
    (reader, name, inner): (&Expr, &str, &Expr),
    sources: &Sources,
) -> Diagnostic {
    let plain = sources.text(inner.span).to_owned();
    if let Some(word) = functions::find(name).and_then(|it| it.modulo) {
        let modulo = written.rule.clauses.iter().find(|it| matches!(it.kind, ClauseKind::Modulo(_)));
        let addition = match modulo {
            Some(clause) => insert(clause.span.end, clause.span, format!(", {word}")),
            None => insert(written.rule.right.span.end.max(reader.span.end), reader.span, format!(" modulo {word}")),
        };
        let message = format!("`{plain}` with `modulo {word}`      compare without this difference, copy verbatim");
        diagnostic.fixes.push(Fix { message, edits: vec![Edit { span: reader.span, text: plain }, addition], safe: false });
    }
    let call = sources.text(reader.span);
    let (before, after) =
        (&call[..(inner.span.start - reader.span.start) as usize], &call[(inner.span.end - reader.span.start) as usize..]);
    let wrapped = format!("{before}{}{after}", sources.text(holder.span));
    diagnostic.replace(format!("`{wrapped}`      store it so on both sides"), holder.span, wrapped, false)
}

fn insert(at: u32, near: Span, text: String) -> Edit {
    Edit { span: Span { file: near.file, start: at, end: at }, text }
}

fn lost(written: &Written<'_>, side: Side, is_concat: bool) -> Diagnostic {
    let (seen, other) = (side.word(), side.other().word());
    if is_concat {
        let message = "this text can be taken apart in more than one way";
        return Diagnostic::new(codes::AMBIGUOUS_SPLIT, end(written, side).span, message, "joined here")
            .because(end(written, side.other()).span, "must be divided again when this changes")
            .advice("write `<~>` with `split first` or `split last`, and say what is lost");
    }
    let message = format!("`<->` claims that nothing is lost, but two {seen} values look the same on the {other}");
    let arrow = written.rule.arrow_span;
    Diagnostic::new(codes::LOST, arrow, message, "nothing may be lost here")
        .because(end(written, side).span, "cannot be told apart from the other side")
        .note("effect", format!("an edit on the {other} can turn one of them into the other"))
        .replace("write `<~>` and say what is lost with `loses`", arrow, "<~>", false)
}

/// The rows of a value map that lead from these two records.
fn rows(world: &World<'_>, plan: &Plan, id: RuleId, side: Side, written: &Written<'_>, records: [&Record; 2]) -> Vec<Span> {
    let slots = plan.rule(id).ends[side].read.slots();
    let [slot] = slots.as_slice() else { return Vec::new() };
    let names = records.map(|it| shown_as(it.get(*slot), &plan.shapes[side].field(*slot).kind));
    let rows = written.rule.clauses.iter().find_map(|it| match &it.kind {
        ClauseKind::Via(path) => world.values.get(&world.project.key(path)).map(|it| &it.rows),
        ClauseKind::ViaRows(rows) => Some(rows),
        _ => None,
    });
    let names_row = |row: &&ValueRow| match if side == Side::Left { &row.left } else { &row.right } {
        RowEnd::Value(Expr { kind: ExprKind::Path(path), .. }) => names.contains(&path.segments[path.segments.len() - 1].text),
        _ => false,
    };
    rows.into_iter().flatten().filter(names_row).map(|it| it.span).collect()
}

fn end<'a>(written: &Written<'a>, side: Side) -> &'a Expr {
    match side {
        Side::Left => &written.rule.left,
        Side::Right => &written.rule.right,
    }
}

fn system<'a>(world: &'a World<'_>, plan: &Plan, side: Side) -> &'a str {
    world.systems.get_index(usize::from(plan.systems[side])).map_or(side.word(), |(name, _)| name)
}

/// `FirstName = "a", LastName = "b"`: the fields that the rule looks at or writes.
pub fn show_record(plan: &Plan, id: RuleId, side: Side, record: &Record) -> String {
    let end = &plan.rule(id).ends[side];
    let mut slots = end.read.slots();
    slots.extend(end.write.iter().map(|(slot, _)| *slot));
    slots.sort_unstable();
    slots.dedup();
    let field = |slot| {
        let field = plan.shapes[side].field(slot);
        format!("{} = {}", field.name, shown_as(record.get(slot), &field.kind))
    };
    slots.into_iter().filter(|slot| record.get(*slot).is_known()).map(field).collect::<Vec<_>>().join(", ")
}

/// A member by its name, any other value as it is.
fn shown_as(value: &Value, kind: &Kind) -> String {
    match kind {
        Kind::Enum(members) => members.by_value(value).map_or_else(|| shown(value), |it| it.name.clone()),
        _ => shown(value),
    }
}

/// A value, a long text by its ends.
fn shown(value: &Value) -> String {
    let text = value.to_string();
    let letters = text.chars().count();
    if letters <= SHOWN_MAX {
        return text;
    }
    let head: String = text.chars().take(12).collect();
    let tail: String = text.chars().skip(letters - 8).collect();
    format!("{head}…{tail} ({letters} characters)")
}
