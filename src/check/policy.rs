//! What a map must say beyond its rules: keys, sources of required fields, conflicts, deletes, one writer per field.

mod carried;
mod certify;
mod filters;
mod kin;
mod overlap;
mod siblings;
mod stable;
mod writers;

pub use carried::finer_side;
pub use writers::{Writers, of_map as writers_of};

use std::sync::Arc;

use kin::Kin;

use super::built::{Built, Role, Written};
use super::laws;
use super::names::World;
use super::premise::Premise;
use crate::change::Side;
use crate::diag::{Diagnostic, Diagnostics, Severity, codes};
use crate::functions::{self, Law};
use crate::interp::{self, Cx, Lookups};
use crate::ir::{Expr, Guard, Modulo, Plan, Rule, RuleId, Strength};
use crate::schema::Entity;
use crate::source::Span;
use crate::syntax::ast::{Arrow, ClauseKind, ConflictKind, MemberKind, Policy, PolicyKind};
use crate::value::{Kind, Record, Slot, Value};

/// Checks a map for itself. What is to be said comes back.
pub fn of_map(world: &World<'_>, it: &mut Built<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    if !it.is_partial {
        required(world, it, &mut found);
        keys(world, it, &mut found);
        conflict_policy(it, &mut found);
        delete_policy(it, &mut found);
    }
    filters::check(world, it, &mut found);
    carried::check(world, it, &mut found);
    stable::check(world, it, &mut found);
    partition_rules(world, it, &mut found);
    newest(world, it, &mut found);
    guards(it, &mut found);
    found.retain(|it| laws::are_decided(world) || !laws::SEEN_CODES.contains(&it.code));
    it.is_wrong |= found.iter().any(|found| found.severity == Severity::Error);
    certify::of_map(Arc::make_mut(&mut it.plan));
    let in_rule = |found: Diagnostic| {
        let rule = found.rule.clone();
        found.in_rule(&it.plan.name, rule.as_deref())
    };
    found.into_iter().map(in_rule).collect()
}

/// Checks the maps that write the same rows against each other, and what all of them claim against what is asked for.
pub fn together(
    world: &World<'_>,
    built: &mut [Built<'_>],
    own: &[&Writers],
    strength: Option<Strength>,
    diags: &mut Diagnostics,
) {
    let kin = Kin::new(built);
    if world.premises.hold(Premise::Writers) {
        writers::check(built, own, &kin, diags);
    }
    siblings::check(world, built, &kin, diags);
    carried::references(world, built, diags);
    certify::together(built, own, &kin);
    certify::report(built, strength, diags);
}

/// The entity of this side, where its schema is known.
fn entity<'w>(world: &'w World<'_>, plan: &Plan, side: Side) -> Option<&'w Entity> {
    let (_, system) = world.systems.get_index(usize::from(plan.systems[side]))?;
    if system.is_unknown { None } else { system.schema.entities.get(&plan.shapes[side].entity) }
}

/// Where a field is declared in a file, so that the message can show it.
fn declared(world: &World<'_>, plan: &Plan, side: Side, field: &str) -> Option<Span> {
    let (_, system) = world.systems.get_index(usize::from(plan.systems[side]))?;
    system.places.get(&(plan.shapes[side].entity.clone(), field.to_owned())).copied()
}

/// The row of this side after the rule has carried the other one to where there was none, where no reference is needed for that.
fn carried(plan: &Plan, id: RuleId, towards: Side, source: &Record) -> Option<Record> {
    let lookups = Lookups::default();
    let cx = Cx { plan, lookups: &lookups };
    let wanted = interp::read(cx, id, towards.other(), source).ok()?;
    let blank = Record::absent(plan.shapes[towards].fields.len());
    let mut out = blank.clone();
    interp::write(cx, id, towards, &wanted, &Value::Absent, interp::Rows { own: &blank, from: source }, &mut out).ok()?;
    Some(interp::normalise(plan, towards, &out))
}

fn because(diagnostic: Diagnostic, place: Option<Span>, message: &str) -> Diagnostic {
    match place {
        Some(span) => diagnostic.because(span, message),
        None => diagnostic,
    }
}

/// The arrow that writes to this side.
fn arrow_to(side: Side) -> &'static str {
    match side {
        Side::Left => "<-",
        Side::Right => "->",
    }
}

fn policies<'a>(built: &Built<'a>) -> impl Iterator<Item = &'a Policy> {
    built.map.members.iter().filter_map(|it| if let MemberKind::Policy(policy) = &it.kind { Some(policy) } else { None })
}

fn required(world: &World<'_>, built: &Built<'_>, out: &mut Vec<Diagnostic>) {
    let plan = &built.plan;
    for side in Side::BOTH.into_iter().filter(|side| plan.writes[*side]) {
        let Some(entity) = entity(world, plan, side) else { continue };
        let needed = entity.fields.values().filter(|it| (it.required || entity.key.contains(&it.name)) && !it.readonly);
        for field in needed {
            let is_made = field.kind == Kind::Guid && entity.key.contains(&field.name);
            if is_made || has_source(plan, side, &field.name) {
                continue;
            }
            let why = if field.required { "required" } else { "a key field" };
            let (lack, label) = match guarded(plan, side, &field.name).is_empty() {
                true => ("nothing writes it", format!("no rule writes `{}`", field.name)),
                false => ("no rule writes it where none of the guards holds", format!("some rows get no `{}`", field.name)),
            };
            let message = format!("new rows of `{}` need `{}`, and {lack}", entity.name, field.name);
            let diagnostic = Diagnostic::new(codes::REQUIRED, built.map.name.span, message, label).advice(format!(
                "add a rule that writes `{}` with `{}`, or a constant with `on create`",
                field.name,
                arrow_to(side)
            ));
            out.push(because(diagnostic, declared(world, plan, side, &field.name), why));
        }
    }
}

/// The rules that fill the field of new rows.
fn fillers<'p>(plan: &'p Plan, side: Side, field: &str) -> impl Iterator<Item = &'p Rule> {
    let slot = plan.shapes[side].slot(field);
    plan.rules.iter().filter(move |it| !it.on_update && it.ends[side].write.iter().any(|(own, _)| Some(*own) == slot))
}

fn guarded<'p>(plan: &'p Plan, side: Side, field: &str) -> Vec<&'p Guard> {
    fillers(plan, side, field).filter_map(|it| it.guard.as_ref()).collect()
}

/// A rule fills the field of every new row. Guarded rules do where for every row one of the guards holds.
fn has_source(plan: &Plan, side: Side, field: &str) -> bool {
    let guards = guarded(plan, side, field);
    let of_side = |side: Side| {
        let conditions: Vec<&Expr> = guards.iter().filter(|it| it.side == side).map(|it| &it.condition).collect();
        overlap::cover_all(&conditions, &plan.shapes[side])
            || overlap::cover_partitions(&conditions, plan.partition_in.as_deref())
    };
    fillers(plan, side, field).any(|it| it.guard.is_none()) || Side::BOTH.into_iter().any(of_side)
}

fn keys(world: &World<'_>, built: &Built<'_>, out: &mut Vec<Diagnostic>) {
    let key_rules: Vec<(&Rule, &Written<'_>)> =
        built.plan.rules.iter().zip(&built.rules).filter(|(_, it)| it.role == Role::Key).collect();
    if key_rules.is_empty() {
        let message = format!("the map `{}` has no key", built.map.name.text);
        out.push(
            Diagnostic::new(codes::KEY, built.map.name.span, message, "which row belongs to which?")
                .advice("add `key LEFT <-> RIGHT` with the fields that name a row on both sides"),
        );
        return;
    }
    for (rule, written) in key_rules {
        if let Some(diagnostic) = inexact_key(rule, written) {
            out.push(Diagnostic { rule: Some(rule.label.clone()), ..diagnostic });
        }
    }
    if let Some(diagnostic) = stable::global(world, built) {
        out.push(diagnostic);
        return;
    }
    for side in Side::BOTH.into_iter().filter(|side| built.plan.writes[*side]) {
        unique_key(world, built, side, out);
    }
}

fn inexact_key(rule: &Rule, written: &Written<'_>) -> Option<Diagnostic> {
    let arrow = written.rule.arrow;
    if arrow != Arrow::Both {
        let message = format!("a key is matched both ways, but the arrow is `{}`", arrow.text());
        let diagnostic = Diagnostic::new(codes::KEY, written.rule.arrow_span, message, "must be `<->`");
        return Some(diagnostic.replace("`<->`", written.rule.arrow_span, "<->", false));
    }
    if rule.modulo != Modulo::default() {
        let clause = written.rule.clauses.iter().find(|it| matches!(it.kind, ClauseKind::Modulo(_)));
        let span = clause.map_or(written.rule.span, |it| it.span);
        let diagnostic = Diagnostic::new(codes::KEY, span, "`modulo` on a key makes different keys one", "not on a key");
        return Some(diagnostic.replace("leave `modulo` out: the stores' own comparison is used for keys", span, "", false));
    }
    let lossy = Side::BOTH.into_iter().find_map(|side| Some((side, lossy_function(&rule.ends[side].read)?)));
    lossy.map(|(side, function)| {
        let span = if side == Side::Left { written.rule.left.span } else { written.rule.right.span };
        Diagnostic::new(codes::KEY, span, format!("`{function}` makes different keys one"), "not exact")
            .advice("use the whole field as key")
    })
}

fn lossy_function(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Call { function, .. } if functions::find(function).is_some_and(|it| it.law != Law::Canon) => Some(function),
        other => other.operands().into_iter().find_map(lossy_function),
    }
}

fn unique_key(world: &World<'_>, built: &Built<'_>, side: Side, out: &mut Vec<Diagnostic>) {
    let plan = &built.plan;
    let Some(entity) = entity(world, plan, side) else { return };
    let slots = plan.key.iter().flat_map(|id| plan.rule(*id).ends[side].read.slots());
    let fields: Vec<&str> = slots.map(|slot| plan.shapes[side].field(slot).name.as_str()).collect();
    if entity.keys().any(|key| key.iter().all(|it| fields.contains(&it.as_str()))) {
        return;
    }
    let known: Vec<String> = entity.keys().map(|it| format!("({})", it.join(", "))).collect();
    let key = built
        .rules
        .iter()
        .find(|it| it.role == Role::Key)
        .map_or(built.map.name.span, |it| if side == Side::Left { it.rule.left.span } else { it.rule.right.span });
    let message = format!("several rows of `{}` can have the same {}", entity.name, fields.join(", "));
    out.push(
        Diagnostic::new(codes::KEY_NOT_UNIQUE, key, message, "covers no unique key")
            .note("unique keys", if known.is_empty() { "none".to_owned() } else { known.join(" ") })
            .advice(format!("use one of the unique keys, or declare `unique ({})` if it is so", fields.join(", "))),
    );
}

fn partition_rules(world: &World<'_>, built: &Built<'_>, out: &mut Vec<Diagnostic>) {
    let plan = &built.plan;
    for (rule, written) in plan.rules.iter().zip(&built.rules).filter(|(rule, it)| it.role == Role::Ordinary && !rule.on_create) {
        let writes_partition = |side: Side| {
            let partition = entity(world, plan, side)?.partition.as_deref()?;
            let is_own = |(slot, _): &(Slot, Expr)| plan.shapes[side].field(*slot).name == partition;
            (!has_lookup(rule) && rule.ends[side].write.iter().any(is_own)).then_some(partition)
        };
        if let Some(partition) = Side::BOTH.into_iter().find_map(writes_partition) {
            let message = format!("`{partition}` is the partition column; an ordinary rule would move rows between partitions");
            let diagnostic = Diagnostic::new(codes::PARTITION_RULE, written.rule.span, message, "an ordinary rule")
                .advice("write `partition` before the rule");
            out.push(Diagnostic { rule: Some(rule.label.clone()), ..diagnostic });
        }
    }
}

fn has_lookup(rule: &Rule) -> bool {
    fn within(expr: &Expr) -> bool {
        matches!(expr, Expr::KeyOf { .. } | Expr::IdOf { .. }) || expr.operands().into_iter().any(within)
    }
    Side::BOTH.into_iter().any(|side| within(&rule.ends[side].read) || rule.ends[side].write.iter().any(|(_, it)| within(it)))
}

fn conflict_policy(built: &Built<'_>, out: &mut Vec<Diagnostic>) {
    if !Side::BOTH.into_iter().all(|side| built.plan.writes[side]) {
        return;
    }
    let mut together = Vec::new();
    for policy in policies(built) {
        match &policy.kind {
            PolicyKind::Conflict { fields, .. } if fields.is_empty() => return,
            PolicyKind::Conflict { fields, .. } => together.extend(fields.iter().map(|it| it.text.as_str())),
            _ => {}
        }
    }
    let open = built.plan.rules.iter().zip(&built.rules).find(|(rule, written)| {
        let has_own = written.rule.clauses.iter().any(|it| matches!(it.kind, ClauseKind::OnConflict(_)));
        written.role == Role::Ordinary && rule.is_two_way() && !has_own && !together.contains(&rule.label.as_str())
    });
    if let Some((rule, written)) = open {
        let message = format!("both sides can change `{}`, and no policy says which change wins", rule.label);
        out.push(
            Diagnostic::new(codes::NO_CONFLICT_POLICY, built.map.name.span, message, "no `on conflict`")
                .because(written.rule.arrow_span, "written both ways")
                .advice("add `on conflict newest`, `on conflict prefer SIDE` or `on conflict manual`"),
        );
    }
}

fn delete_policy(built: &Built<'_>, out: &mut Vec<Diagnostic>) {
    for side in Side::BOTH.into_iter().filter(|side| built.plan.writes[*side]) {
        let covers = |arrow: Arrow| match arrow {
            Arrow::Both | Arrow::Lossy => true,
            Arrow::Right => side == Side::Right,
            Arrow::Left => side == Side::Left,
        };
        if !policies(built).any(|it| matches!(it.kind, PolicyKind::Delete { arrow, .. } if covers(arrow))) {
            let from = side.other().word();
            let message = format!("nothing says what a delete on the {from} does to the {} side", side.word());
            out.push(
                Diagnostic::new(
                    codes::NO_DELETE_POLICY,
                    built.map.name.span,
                    message,
                    format!("no `on delete {}`", arrow_to(side)),
                )
                .advice(format!("add `on delete {} delete`, `set field = value`, `refuse` or `ignore`", arrow_to(side))),
            );
        }
    }
}

fn newest(world: &World<'_>, built: &Built<'_>, out: &mut Vec<Diagnostic>) {
    if !Side::BOTH.into_iter().all(|side| built.plan.writes[side]) {
        return;
    }
    let is_newest = |kind: &ConflictKind| matches!(kind, ConflictKind::Newest { .. });
    let of_map = policies(built).filter_map(|it| match &it.kind {
        PolicyKind::Conflict { policy, .. } => Some(policy),
        _ => None,
    });
    let of_rules = built.rules.iter().flat_map(|it| &it.rule.clauses).filter_map(|it| match &it.kind {
        ClauseKind::OnConflict(policy) => Some(policy),
        _ => None,
    });
    let Some(policy) = of_map.chain(of_rules).find(|it| is_newest(&it.kind)) else { return };
    let lacking = |side: &Side| entity(world, &built.plan, *side).is_some_and(|it| it.modified().is_none());
    let names: Vec<String> =
        Side::BOTH.into_iter().filter(lacking).map(|side| format!("`{}`", built.plan.shapes[side].entity)).collect();
    if !names.is_empty() {
        let have = if names.len() == 1 { "has" } else { "have" };
        let message = format!("`newest` has no time of last change to compare: {} {have} none", names.join(" and "));
        out.push(
            Diagnostic::new(codes::NEWEST, policy.span, message, "every conflict goes to the side for ties")
                .advice("mark the field that holds the time with `modified`, or write `prefer SIDE`"),
        );
    }
}

fn guards(built: &Built<'_>, out: &mut Vec<Diagnostic>) {
    for (rule, written) in built.plan.rules.iter().zip(&built.rules) {
        let Some(guard) = rule.guard.as_ref().filter(|_| rule.is_two_way()) else { continue };
        let clause = written.rule.clauses.iter().find(|it| matches!(it.kind, ClauseKind::When(_)));
        let span = clause.map_or(written.rule.span, |it| it.span);
        if let Some(diagnostic) = unanswerable(built, rule, guard, span) {
            out.push(Diagnostic { rule: Some(rule.label.clone()), ..diagnostic });
        }
    }
}

fn unanswerable(built: &Built<'_>, rule: &Rule, guard: &Guard, span: Span) -> Option<Diagnostic> {
    let shape = &built.plan.shapes[guard.side];
    let slots = guard.condition.slots();
    if let Some((own, _)) = rule.ends[guard.side].write.iter().find(|(slot, _)| slots.contains(slot)) {
        let message = format!("this rule writes `{}`, which its own guard reads", shape.field(*own).name);
        return Some(
            Diagnostic::new(codes::GUARD, span, message, "has no answer before the rule has written")
                .advice("test another field, or use a one-way rule"),
        );
    }
    let unfilled = slots.into_iter().find(|slot| !has_source(&built.plan, guard.side, &shape.field(*slot).name))?;
    if built.is_partial {
        return None;
    }
    let name = &shape.field(unfilled).name;
    let message = format!("the guard reads `{name}`, which nothing fills when a row is made on the {}", guard.side.word());
    Some(
        Diagnostic::new(codes::GUARD, span, message, format!("`{name}` is empty then"))
            .advice(format!("add a rule that writes `{name}`, or test a field that is filled")),
    )
}
