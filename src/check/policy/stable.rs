//! Keys that stay: no rule moves them, the stores tell them apart alike, and a company is not lost on the way.

use super::{because, carried, declared, entity};
use crate::change::Side;
use crate::check::built::{Built, Role};
use crate::check::laws::{samples, show_record};
use crate::check::names::World;
use crate::diag::{Diagnostic, codes};
use crate::interp::{self, Cx, Lookups};
use crate::ir::{Plan, Rule, RuleId};
use crate::schema::profile::TextFacts;
use crate::source::Span;
use crate::syntax::ast::{MemberKind, PolicyKind};
use crate::value::{Record, Slot, Value};

pub fn check(world: &World<'_>, built: &Built<'_>, out: &mut Vec<Diagnostic>) {
    moved(built, out);
    rekeyed(world, built, out);
    for (id, written) in built.plan.rule_ids().zip(&built.rules).filter(|(_, it)| it.role == Role::Key) {
        let found = Difference::ALL.into_iter().find_map(|it| Some((it, colliding(&built.plan, id, it)?)));
        if let Some((difference, (side, rows))) = found {
            let end = if side == Side::Left { &written.rule.left } else { &written.rule.right };
            let diagnostic = collision(built, id, (side, end.span), difference, &rows);
            out.push(Diagnostic { rule: Some(built.plan.rule(id).label.clone()), ..diagnostic });
        }
    }
}

/// What two texts may differ in that one store tells apart and another does not.
#[derive(Clone, Copy)]
enum Difference {
    Case,
    TrailingBlanks,
}

impl Difference {
    const ALL: [Self; 2] = [Self::Case, Self::TrailingBlanks];

    /// Stores with this profile may take such texts for one.
    fn is_ignored(self, facts: &TextFacts) -> bool {
        match self {
            Self::Case => facts.compare_ignoring_case,
            Self::TrailingBlanks => facts.compare_ignoring_trailing_blanks || facts.trailing_blanks_dropped,
        }
    }

    /// The text and others that differ from it in this alone.
    fn pairs(self, text: String) -> Vec<[String; 2]> {
        match self {
            // Every store has a table of its own for the case of other letters.
            Self::Case if !text.is_ascii() => Vec::new(),
            Self::Case => [text.to_lowercase(), text.to_uppercase()].map(|other| [text.clone(), other]).to_vec(),
            Self::TrailingBlanks => vec![[text.trim_end_matches(' ').to_owned(), format!("{} ", text.trim_end_matches(' '))]],
        }
    }
}

fn collision(built: &Built<'_>, id: RuleId, (side, end): (Side, Span), difference: Difference, rows: &[Record; 2]) -> Diagnostic {
    let show = |record: &Record| show_record(&built.plan, id, side, record);
    let (words, example, way_out) = match difference {
        Difference::Case => ("letter case", "`a` from `A`", "`upper(…)` on both sides with `else reject`"),
        Difference::TrailingBlanks => ("trailing blanks", "\"a\" from \"a \"", "`trim(…)` on both sides"),
    };
    let message = format!("two keys of the {} side can be one for the {} side", side.word(), side.other().word());
    let [own, other] = [side, side.other()].map(|it| profile(built, it));
    Diagnostic::new(codes::KEY_COLLISION, end, message, format!("kept apart by {words} here"))
        .counterexample(format!("{} and {}", show(&rows[0]), show(&rows[1])))
        .note("stores", format!("profile `{own}` tells {example}, profile `{other}` does not"))
        .advice(format!("make the key one spelling: {way_out}, and `<->`, for a key loses nothing"))
        .advice("or state in the profile how the store compares")
}

fn profile<'b>(built: &'b Built<'_>, side: Side) -> &'b str {
    &built.plan.profiles[side].name
}

/// The partition of one side is neither mapped nor part of the key, and the other side has none.
pub fn global(world: &World<'_>, built: &Built<'_>) -> Option<Diagnostic> {
    let plan = &built.plan;
    if plan.partition.is_some() {
        return None;
    }
    let partition = |side: Side| entity(world, plan, side).and_then(|it| it.partition.as_deref());
    let (side, name) = match (partition(Side::Left), partition(Side::Right)) {
        (Some(name), None) => (Side::Left, name),
        (None, Some(name)) => (Side::Right, name),
        (None, None) | (Some(_), Some(_)) => return None,
    };
    let slot = plan.shapes[side].slot(name)?;
    let in_key = plan.key.iter().any(|id| plan.rule(*id).ends[side].read.slots().contains(&slot));
    let in_filter = plan.scope[side].as_ref().is_some_and(|it| it.slots().contains(&slot));
    if in_key || in_filter {
        return None;
    }
    let message = format!(
        "`{}` keeps its rows per `{name}`, and the {} side has no such thing",
        plan.shapes[side].entity,
        side.other().word()
    );
    let diagnostic = Diagnostic::new(codes::GLOBAL, built.map.name.span, message, "which company is meant?")
        .advice(format!("map it with `partition`, make `{name}` part of the key, or select one with a `filter`"));
    Some(because(diagnostic, declared(world, plan, side, name), "the partition"))
}

/// An ordinary rule that writes what the key reads: the row would become another one.
fn moved(built: &Built<'_>, out: &mut Vec<Diagnostic>) {
    let plan = &built.plan;
    let keys: Vec<&Rule> =
        plan.rules.iter().zip(&built.rules).filter(|(_, it)| it.role == Role::Key).map(|(rule, _)| rule).collect();
    for (rule, written) in plan.rules.iter().zip(&built.rules).filter(|(rule, it)| it.role == Role::Ordinary && !rule.on_create) {
        let moves = |side: Side| {
            let mut own = rule.ends[side].write.iter().map(|(slot, _)| *slot);
            own.find(|slot| keys.iter().any(|key| key.ends[side].read.slots().contains(slot))).map(|slot| (side, slot))
        };
        if let Some((side, slot)) = Side::BOTH.into_iter().find_map(moves) {
            let name = &plan.shapes[side].field(slot).name;
            let message = format!("this rule writes `{name}`, by which the map knows its rows");
            let diagnostic = Diagnostic::new(codes::NOT_STABLE, written.span, message, "moves the key")
                .advice("drop the rule: the key rule fills the field when a row is made");
            out.push(Diagnostic { rule: Some(rule.label.clone()), ..diagnostic });
        }
    }
}

/// A one-way map needs no unique key where it only reads. A field there that is no key of its entity is as free to change as any.
fn rekeyed(world: &World<'_>, built: &Built<'_>, out: &mut Vec<Diagnostic>) {
    let plan = &built.plan;
    let has_policy = built
        .map
        .members
        .iter()
        .any(|it| matches!(&it.kind, MemberKind::Policy(policy) if matches!(policy.kind, PolicyKind::Rekey(_))));
    for side in Side::BOTH.into_iter().filter(|it| !plan.writes[*it] && !has_policy) {
        let Some(entity) = entity(world, plan, side) else { continue };
        let slots = plan.key.iter().flat_map(|id| plan.rule(*id).ends[side].read.slots());
        let free = slots.map(|slot| plan.shapes[side].field(slot)).find(|field| {
            !field.readonly
                && !entity.keys().any(|key| key.contains(&field.name))
                && entity.partition.as_ref() != Some(&field.name)
        });
        let key = built.rules.iter().find(|it| it.role == Role::Key);
        if let (Some(field), Some(key)) = (free, key) {
            let message =
                format!("`{}` is no key of `{}`, so it can change, and nothing says what then happens", field.name, entity.name);
            let end = if side == Side::Left { &key.rule.left } else { &key.rule.right };
            let diagnostic = Diagnostic::new(codes::REKEY, end.span, message, "can change");
            out.push(diagnostic.advice("write `on rekey reject`, or use a key of the entity"));
        }
    }
}

/// Two rows of a side whose keys its store tells apart by this difference, and the other store does not.
fn colliding(plan: &Plan, id: RuleId, difference: Difference) -> Option<(Side, [Record; 2])> {
    let ignores = |side: Side| difference.is_ignored(&plan.profiles[side].text);
    let side = Side::BOTH.into_iter().find(|&it| plan.writes[it.other()] && !ignores(it) && ignores(it.other()))?;
    let end = &plan.rule(id).ends[side];
    let mut near = Vec::new();
    samples::constants(&end.read, &mut near);
    let values = |slot: &Slot| samples::nasty(&plan.shapes[side].field(*slot).kind, &near);
    let mut simple = Record::absent(plan.shapes[side].fields.len());
    let slots = end.read.slots();
    slots.iter().for_each(|slot| simple.set(*slot, values(slot).first().cloned().unwrap_or(Value::Null)));
    slots.iter().find_map(|slot| {
        let texts = values(slot).into_iter().filter_map(|it| it.as_text().map(str::to_owned));
        let with = |text: String| {
            let mut record = simple.clone();
            record.set(*slot, Value::text(text));
            interp::normalise(plan, side, &record)
        };
        let pairs = texts.flat_map(|it| difference.pairs(it));
        pairs.map(|it| it.map(with)).find(|it| collide(plan, id, side, it)).map(|it| (side, it))
    })
}

fn collide(plan: &Plan, id: RuleId, side: Side, rows: &[Record; 2]) -> bool {
    let lookups = Lookups::default();
    let key = |side: Side, record: &Record| {
        let key = interp::read(Cx { plan, lookups: &lookups }, id, side, record).ok().filter(Value::is_known);
        key.map(|it| plan.profiles[side].fold_key(&it))
    };
    let own = rows.each_ref().map(|it| key(side, it));
    let there = rows.each_ref().map(|it| carried(plan, id, side.other(), it).and_then(|it| key(side.other(), &it)));
    own[0].is_some() && own[1].is_some() && own[0] != own[1] && there[0].is_some() && there[0] == there[1]
}
