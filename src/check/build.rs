//! Maps to plans: sides, scope, rules in order, policies, groups.

use std::collections::HashMap;
use std::sync::Arc;

use indexmap::IndexMap;

use super::built::{Built, Role, Written};
use super::expr::{both, loose};
use super::names::{MapInfo, World, unknown};
use super::rule::{Block, Setting, label, towards};
use super::scope::{FIELDS_MAX, Fields, Scope, SideScope};
use super::table::Rows;
use crate::change::{Side, Sides};
use crate::diag::{Diagnostic, Diagnostics, codes};
use crate::ir::{
    self, Conflict, DeleteAction, EXPRESSION_DEPTH_MAX, Exit, Expr, Fallback, Group, Missing, OnError, Origin, Plan, Rekey, Rule,
    RuleId,
};
use crate::source::{Sources, Span};
use crate::syntax::ast::{self, Arrow, ClauseKind, ConflictKind, ExprKind, MapHead, Member, MemberKind, PolicyKind};
use crate::value::{Kind, Slot, Value};

/// The field of Dataverse's tables that says whether a row is in use, and its member for rows that are not.
const STATE: &str = "statecode";
const INACTIVE: &str = "Inactive";

/// Tries after an error of the other system, where the map does not say.
const RETRIES_DEFAULT: u32 = 5;

/// What is gathered while the members are read.
#[derive(Default)]
struct Gathered<'a> {
    rules: Vec<Rule>,
    written: Vec<Written<'a>>,
    key: Vec<RuleId>,
    partition: Option<RuleId>,
    partition_in: Option<Vec<Value>>,
    scope: Sides<Option<Expr>>,
    version: Option<String>,
    policies: Vec<&'a ast::Policy>,
    /// What rules are called: where it is said, and whether somebody gave the name.
    labels: HashMap<String, (Span, bool)>,
    is_partial: bool,
    /// That there are too many rules was reported.
    is_full: bool,
}

/// A map as plan. One whose sides do not resolve has none.
pub fn map<'a>(
    world: &'a World<'a>,
    sources: &'a Sources,
    values: &IndexMap<String, Option<Rows>>,
    info: &MapInfo<'a>,
    diags: &mut Diagnostics,
) -> Option<Built<'a>> {
    let map = info.map;
    // A layer is reported where names are collected.
    let MapHead::Sides { left, arrow, right, .. } = &map.head else { return None };
    let (left, right) = both(side(world, left, diags), side(world, right, diags))?;
    let writes = towards(*arrow);
    let has_partition = map.members.iter().any(|it| matches!(it.kind, MemberKind::Partition(_)));
    let mut cx = Scope {
        world,
        sources,
        diags,
        values,
        map: map.name.text.clone(),
        sides: Sides::new(left, right),
        rule: None,
        tables: Vec::new(),
        references: Vec::new(),
        has_partition,
        is_key_wrong: false,
        depth: 0,
        grown: 0,
        operands: HashMap::new(),
        locals: None,
        is_wrong: map.is_broken,
    };
    let on_missing = missing_of(&mut cx, &map.members);
    let mut gathered = Gathered::default();
    let setting = Setting { writes: writes.clone(), on_missing, is_key: false };
    members(&mut cx, &map.members, &setting, None, &mut gathered);
    Some(finish(cx, map, info.span, writes, gathered))
}

fn side<'a>(world: &'a World<'a>, path: &ast::Path, diags: &mut Diagnostics) -> Option<SideScope<'a>> {
    let [system_name, name] = path.segments.as_slice() else {
        let message = "a side of a map is named by its system and its entity";
        diags.push(Diagnostic::new(codes::SYNTAX, path.span, message, "this name").advice("write `SYSTEM.Entity`"));
        return None;
    };
    let Some((index, _, system)) = world.systems.get_full(&system_name.text) else {
        let known = world.systems.keys().map(String::as_str);
        diags.push(unknown("system", &system_name.text, system_name.span, known, "not declared"));
        return None;
    };
    let Some(entity) = system.schema.entities.get(&name.text) else {
        if !system.is_unknown {
            let known = system.schema.entities.keys().map(String::as_str);
            let label = system.source.as_ref().map_or_else(|| "not declared".to_owned(), |it| format!("not in {it}"));
            diags.push(unknown("entity", &name.text, name.span, known, &label));
        }
        return None;
    };
    Some(SideScope { system, index: index as u16, entity, fields: Fields::new(&system.schema, entity) })
}

fn missing_of(cx: &mut Scope<'_, '_>, members: &[Member]) -> Missing {
    let mut out = Missing::Park;
    for member in members {
        if let MemberKind::Policy(ast::Policy { kind: PolicyKind::Missing(action), .. }) = &member.kind {
            out = cx.missing(action).unwrap_or(Missing::Park);
        }
    }
    out
}

fn members<'a>(cx: &mut Scope<'a, '_>, list: &'a [Member], setting: &Setting, block: Option<&Block>, out: &mut Gathered<'a>) {
    // What selects by the partition may stand before its line.
    let (first, rest): (Vec<&Member>, Vec<&Member>) = list.iter().partition(|it| matches!(it.kind, MemberKind::Partition(_)));
    for member in first.into_iter().chain(rest) {
        match &member.kind {
            MemberKind::Version(name) => out.version = Some(name.text.clone()),
            MemberKind::Partition(rule) => add(cx, rule, Role::Partition, setting, None, member.span, out),
            MemberKind::Key(rule) => add(cx, rule, Role::Key, setting, None, member.span, out),
            MemberKind::Rule(rule) => add(cx, rule, Role::Ordinary, setting, block, member.span, out),
            MemberKind::PartitionIn(set) => match partition_values(cx, set, member.span, out) {
                Some(values) => out.partition_in = Some(values),
                None => out.is_partial = true,
            },
            MemberKind::Filter { left, arrow, arrow_span, right } => {
                let silent = match arrow {
                    Arrow::Right => right.as_ref(),
                    Arrow::Left => left.as_ref(),
                    Arrow::Both | Arrow::Lossy => None,
                };
                if let Some(ignored) = silent {
                    let message = format!("a filter with `{}` tests one side, and this is the other", arrow.text());
                    let diagnostic = Diagnostic::new(codes::SYNTAX, ignored.span, message, "would not be tested");
                    cx.report(diagnostic.replace("`<->`", *arrow_span, "<->", false));
                    out.is_partial = true;
                }
                let ends = Sides::new(left.as_ref(), right.as_ref());
                let away = [(Side::Left, Arrow::Left), (Side::Right, Arrow::Right)];
                for (side, silent) in away {
                    if let (Some(condition), true) = (ends[side], *arrow != silent) {
                        filter(cx, side, condition, out);
                    }
                }
            }
            MemberKind::Override { label, .. } | MemberKind::Drop { label, .. } => {
                // A layer's own changes are merged before; only a map without a base has some left.
                let message = "this map is built upon no other, so there is no rule to change";
                cx.error(codes::NO_SUCH_RULE, label.span, message, "nothing to change");
                out.is_partial = true;
            }
            MemberKind::Seal(labels) => seal(cx, labels, list),
            MemberKind::For { field, set, members: inner } => match for_block(cx, field, set, out) {
                Some(own) => {
                    let condition = match block {
                        Some(outer) => Expr::And(outer.condition.clone().boxed(), own.boxed()),
                        None => own,
                    };
                    members(cx, inner, setting, Some(&Block { condition }), out);
                }
                None => out.is_partial = true,
            },
            MemberKind::Policy(policy) => out.policies.push(policy),
        }
    }
}

/// Most rules of one map, those of its `for` blocks among them: rules are compared with each other.
const RULES_MAX: usize = 2_000;

fn add<'a>(
    cx: &mut Scope<'a, '_>,
    rule: &'a ast::Rule,
    role: Role,
    setting: &Setting,
    block: Option<&Block>,
    span: Span,
    out: &mut Gathered<'a>,
) {
    if block.is_some() && role != Role::Ordinary {
        cx.error(codes::SYNTAX, span, "key and partition hold for every partition", "inside a `for` block");
        return;
    }
    if out.rules.len() == RULES_MAX {
        if !out.is_full {
            let message = format!("a map has {RULES_MAX} rules at most");
            let diagnostic = Diagnostic::new(codes::SYNTAX, span, message, "the first rule too many");
            cx.report(diagnostic.advice("divide the map by a `filter`, or map fewer fields"));
        }
        cx.is_wrong = true;
        (out.is_partial, out.is_full) = (true, true);
        return;
    }
    let setting = Setting { writes: setting.writes.clone(), is_key: role != Role::Ordinary, ..*setting };
    let lowered = cx.rule(rule, &setting, block).filter(|it| expressions(it).into_iter().all(|it| is_flat(cx, it, span)));
    // A rule with a field too many was given another field.
    let is_full = cx.sides.iter().any(|(_, it)| it.fields.is_full);
    let Some(lowered) = lowered.filter(|_| !is_full) else {
        cx.is_wrong = true;
        cx.is_key_wrong |= role != Role::Ordinary;
        out.is_partial = true;
        return;
    };
    let id = RuleId(out.rules.len() as u16);
    match role {
        Role::Partition if out.partition.is_some() => {
            let message = "a map has one partition";
            cx.error(codes::SYNTAX, span, message, "the second one");
        }
        Role::Partition => {
            out.partition = Some(id);
            out.key.insert(0, id);
        }
        Role::Key => out.key.push(id),
        Role::Ordinary => {}
    }
    if block.is_none() {
        named(cx, rule, &lowered.label, out);
    }
    out.rules.push(lowered);
    out.written.push(Written { rule, role, span });
}

/// A name that was given to a rule means that rule only; what rules are called after their fields may be shared.
fn named(cx: &mut Scope<'_, '_>, rule: &ast::Rule, label: &str, out: &mut Gathered<'_>) {
    let is_given = rule.label.is_some();
    let place = rule.label.as_ref().map_or(rule.span, |it| it.span);
    match out.labels.get(label) {
        Some((first, was_given)) if is_given || *was_given => {
            let diagnostic = Diagnostic::new(codes::SYNTAX, place, format!("two rules are called `{label}`"), "the second one");
            let advice = format!("give one of them another label; a layer replaces a rule with `override {label}:`");
            cx.report(diagnostic.because(*first, "the first one").advice(advice));
        }
        Some(_) => {}
        None => drop(out.labels.insert(label.to_owned(), (place, is_given))),
    }
}

/// Everything of a rule that is worked out.
fn expressions(rule: &Rule) -> Vec<&Expr> {
    let ends = rule.ends.iter().flat_map(|(_, it)| std::iter::once(&it.read).chain(it.write.iter().map(|(_, expr)| expr)));
    let otherwise = rule.otherwise.iter().filter_map(|(_, it)| match it {
        Some(Fallback::Expr(expr)) => Some(&**expr),
        Some(Fallback::Reject | Fallback::Park | Fallback::Skip | Fallback::Value(_)) | None => None,
    });
    ends.chain(otherwise).chain(rule.guard.iter().map(|it| &it.condition)).collect()
}

/// The expression can be worked out without a deep stack, and read back once it is written.
fn is_flat(cx: &mut Scope<'_, '_>, expr: &Expr, span: Span) -> bool {
    let is_flat = ir::is_within(expr, EXPRESSION_DEPTH_MAX);
    if !is_flat {
        let message = format!("an expression nests more than {EXPRESSION_DEPTH_MAX} levels deep, operators in a row counted");
        let diagnostic = Diagnostic::new(codes::SYNTAX, span, message, "nested too deep");
        cx.report(
            diagnostic.advice("write `X in { … }` for many comparisons, a value map for many conditions, or several rules"),
        );
    }
    is_flat
}

/// `partition in { … }`: values of the partition's canonical kind.
fn partition_values(cx: &mut Scope<'_, '_>, set: &ast::Expr, span: Span, out: &Gathered<'_>) -> Option<Vec<Value>> {
    let Some(id) = out.partition else {
        if !cx.has_partition {
            let diagnostic = Diagnostic::new(codes::SYNTAX, span, "this map has no partition to select from", "selects");
            cx.report(diagnostic.advice("write the `partition` line before it"));
        }
        return None;
    };
    let kind = loose(&out.rules[id.index()].kind);
    cx.constants(Side::Left, set, &kind)
}

fn filter<'a>(cx: &mut Scope<'a, '_>, side: Side, condition: &'a ast::Expr, out: &mut Gathered<'a>) {
    cx.grown = 0;
    let Some(typed) = cx.condition(side, condition) else {
        out.is_partial = true;
        return;
    };
    for span in &typed.partial {
        cx.error(codes::PARTIAL, *span, "a filter cannot fail", "can fail");
    }
    let whole = match out.scope[side].take() {
        Some(before) => Expr::And(before.boxed(), typed.expr.boxed()),
        None => typed.expr,
    };
    match is_flat(cx, &whole, condition.span) {
        true => out.scope[side] = Some(whole),
        false => out.is_partial = true,
    }
}

fn seal(cx: &mut Scope<'_, '_>, labels: &[ast::Name], members: &[Member]) {
    let known = rule_labels(cx, members);
    for name in labels.iter().filter(|it| !known.contains(&it.text)) {
        cx.report(unknown("rule", &name.text, name.span, known.iter().map(String::as_str), "no rule has this label"));
    }
}

fn rule_labels(cx: &Scope<'_, '_>, members: &[Member]) -> Vec<String> {
    let mut out = Vec::new();
    for member in members {
        match &member.kind {
            MemberKind::Partition(rule) | MemberKind::Key(rule) | MemberKind::Rule(rule) | MemberKind::Override { rule, .. } => {
                out.push(label(cx, rule));
            }
            MemberKind::For { members, .. } => out.extend(rule_labels(cx, members)),
            MemberKind::Version(_)
            | MemberKind::PartitionIn(_)
            | MemberKind::Filter { .. }
            | MemberKind::Drop { .. }
            | MemberKind::Seal(_)
            | MemberKind::Policy(_) => {}
        }
    }
    out
}

/// `for dataAreaId in { … }`: the condition that its rules hold under.
fn for_block(cx: &mut Scope<'_, '_>, field: &ast::Name, set: &ast::Expr, out: &Gathered<'_>) -> Option<Expr> {
    let Some(id) = out.partition else {
        let message = "a `for` block selects by the partition, and none stands before it";
        let diagnostic = Diagnostic::new(codes::SYNTAX, field.span, message, "no partition");
        cx.report(diagnostic.advice("write the `partition` line first, or use `when` on each rule"));
        return None;
    };
    let written = out.written[id.index()].rule;
    let known: Vec<String> = [&written.left, &written.right].iter().map(|it| cx.text(it.span).to_owned()).collect();
    if !known.contains(&field.text) {
        cx.report(unknown("partition", &field.text, field.span, known.iter().map(String::as_str), "not the map's partition"));
        return None;
    }
    let kind = loose(&out.rules[id.index()].kind);
    let values = cx.constants(Side::Left, set, &kind)?;
    // The stores decide what one company is: where one of them ignores case, so does the block.
    let ignores_case = Side::BOTH.iter().any(|&it| cx.sides[it].system.profile.text.compare_ignoring_case);
    if !ignores_case || !matches!(kind, Kind::Text { .. }) {
        return Some(Expr::In { operand: Expr::Partition.boxed(), set: values });
    }
    let lower = |it: Value| it.as_text().map(|it| Value::text(it.to_lowercase())).unwrap_or(it);
    let operand = Expr::Call { function: "lower".to_owned(), arguments: vec![Expr::Partition] };
    Some(Expr::In { operand: operand.boxed(), set: values.into_iter().map(lower).collect() })
}

fn finish<'a>(mut cx: Scope<'a, '_>, map: &'a ast::Map, span: Span, writes: Sides<bool>, gathered: Gathered<'a>) -> Built<'a> {
    if let Some(side) = Side::BOTH.into_iter().find(|it| cx.sides[*it].fields.is_full) {
        let message = format!("the map uses more than {FIELDS_MAX} fields of `{}`", cx.sides[side].entity.name);
        let diagnostic = Diagnostic::new(codes::SYNTAX, map.name.span, message, "too many fields");
        cx.report(diagnostic.advice("divide the map by a `filter`, or map fewer fields"));
    }
    let policy = policies(&mut cx, &gathered);
    let groups = groups(&gathered.rules, &policy.together, &policy.conflicts);
    let position = cx.sources.position(map.name.span);
    let origin = Origin { file: cx.sources.file(span.file).name.clone(), line: position.line as u32 };
    let is_wrong = cx.is_wrong || gathered.is_partial;
    let [left, right] = cx.sides.0;
    let plan = Plan {
        name: map.name.text.clone(),
        version: gathered.version,
        origin,
        systems: Sides::new(left.index, right.index),
        profiles: Sides::new(left.system.profile.clone(), right.system.profile.clone()),
        shapes: Sides::new(left.fields.into_shape(), right.fields.into_shape()),
        writes,
        rules: gathered.rules,
        groups,
        key: gathered.key,
        partition: gathered.partition,
        partition_in: gathered.partition_in,
        scope: gathered.scope,
        on_exit: policy.on_exit,
        on_delete: policy.on_delete,
        on_rekey: policy.on_rekey,
        on_error: policy.on_error,
        references: cx.references,
        tables: cx.tables,
    };
    Built { plan: Arc::new(plan), map, rules: gathered.written, is_partial: gathered.is_partial || map.is_broken, is_wrong }
}

/// What the map says about everything but values.
struct Policies {
    /// By rule.
    conflicts: Vec<Conflict>,
    /// Rules that a policy ties together.
    together: Vec<Vec<usize>>,
    on_exit: Sides<Option<Exit>>,
    on_delete: Sides<DeleteAction>,
    on_rekey: Rekey,
    on_error: OnError,
}

fn policies(cx: &mut Scope<'_, '_>, gathered: &Gathered<'_>) -> Policies {
    let mut out = Policies {
        conflicts: vec![Conflict::Newest { tie: Side::Left }; gathered.rules.len()],
        together: Vec::new(),
        on_exit: Sides::new(None, None),
        on_delete: Sides::new(DeleteAction::Refuse, DeleteAction::Refuse),
        on_rekey: Rekey::Reject,
        on_error: OnError::Retry(RETRIES_DEFAULT),
    };
    for policy in &gathered.policies {
        if let PolicyKind::Conflict { policy, fields } = &policy.kind
            && fields.is_empty()
            && let Some(conflict) = conflict(cx, &policy.kind)
        {
            out.conflicts.fill(conflict);
        }
    }
    for policy in &gathered.policies {
        one_policy(cx, &policy.kind, gathered, &mut out);
    }
    for (index, written) in gathered.written.iter().enumerate() {
        for clause in &written.rule.clauses {
            if let ClauseKind::OnConflict(own) = &clause.kind {
                out.conflicts[index] = conflict(cx, &own.kind).unwrap_or(out.conflicts[index]);
            }
        }
    }
    out
}

fn conflict(cx: &mut Scope<'_, '_>, kind: &ConflictKind) -> Option<Conflict> {
    match kind {
        ConflictKind::Newest { tie: None } => Some(Conflict::Newest { tie: Side::Left }),
        ConflictKind::Newest { tie: Some(name) } => system_side(cx, name).map(|tie| Conflict::Newest { tie }),
        ConflictKind::Prefer(name) => system_side(cx, name).map(Conflict::Prefer),
        ConflictKind::Manual => Some(Conflict::Manual),
    }
}

fn system_side(cx: &mut Scope<'_, '_>, name: &ast::Name) -> Option<Side> {
    let side = cx.side_of(&name.text);
    if side.is_none() {
        let known: Vec<String> = Side::BOTH.iter().map(|&it| cx.sides[it].system.name.clone()).collect();
        cx.report(unknown("side", &name.text, name.span, known.iter().map(String::as_str), "not a system of this map"));
    }
    side
}

fn one_policy(cx: &mut Scope<'_, '_>, kind: &PolicyKind, gathered: &Gathered<'_>, out: &mut Policies) {
    match kind {
        PolicyKind::Conflict { policy, fields } => {
            if let (false, Some(conflict)) = (fields.is_empty(), conflict(cx, &policy.kind)) {
                let members: Vec<usize> = fields.iter().flat_map(|it| rules_named(cx, it, gathered)).collect();
                for &member in &members {
                    out.conflicts[member] = conflict;
                }
                out.together.push(members);
            }
        }
        PolicyKind::Delete { arrow, action } => {
            let sides = towards(*arrow);
            for side in Side::BOTH.into_iter().filter(|&it| sides[it]) {
                if let Some(action) = delete_action(cx, side, action) {
                    out.on_delete[side.other()] = action;
                }
            }
        }
        PolicyKind::Exit { arrow, action } => {
            let sides = arrow.map_or(Sides::new(true, true), towards);
            for side in Side::BOTH.into_iter().filter(|&it| sides[it]) {
                let Some(exit) = exit(cx, side, action, &gathered.policies) else { return };
                out.on_exit[side.other()] = Some(exit);
            }
        }
        PolicyKind::Rekey(name) => match name.text.as_str() {
            "reject" => out.on_rekey = Rekey::Reject,
            "rename" => {
                out.on_rekey = Rekey::Rename;
                renamed_address(cx, name.span, gathered);
            }
            _ => cx.report(unknown("outcome", &name.text, name.span, ["reject", "rename"], "not known")),
        },
        PolicyKind::Error { action, count } => match action.text.as_str() {
            "retry" => out.on_error = OnError::Retry(count.unwrap_or(RETRIES_DEFAULT)),
            "park" => out.on_error = OnError::Park,
            "pause" => out.on_error = OnError::Pause,
            _ => cx.report(unknown("outcome", &action.text, action.span, ["retry", "park", "pause"], "not known")),
        },
        PolicyKind::Missing(_) => {}
    }
}

/// A system addresses its rows by the primary key, so a row whose primary key changes is another row.
fn renamed_address(cx: &mut Scope<'_, '_>, policy: Span, gathered: &Gathered<'_>) {
    for id in gathered.key.iter().filter(|it| gathered.partition != Some(**it)) {
        let (rule, written) = (&gathered.rules[id.index()], gathered.written[id.index()]);
        for side in Side::BOTH {
            let is_address = |name: &String| cx.sides[side].entity.key.contains(name);
            let mut names = rule.ends[side].write.iter().map(|(slot, _)| cx.field(side, *slot).name.clone());
            let Some(name) = names.find(is_address) else { continue };
            let system = cx.sides[side].system.name.clone();
            let message = format!("`rename` would write `{name}`, by which {system} addresses its rows");
            let end = if side == Side::Left { &written.rule.left } else { &written.rule.right };
            let diagnostic = Diagnostic::new(codes::ACCESS, policy, message, "would make another row of it");
            let diagnostic = diagnostic.because(end.span, "its primary key");
            cx.report(diagnostic.advice("write `on rekey reject`; `rename` is for keys beside a primary key that stays"));
            return;
        }
    }
}

/// Rules by label or by a field that they write.
fn rules_named(cx: &mut Scope<'_, '_>, name: &ast::Name, gathered: &Gathered<'_>) -> Vec<usize> {
    let writes = |rule: &Rule| {
        Side::BOTH.iter().any(|&side| rule.ends[side].write.iter().any(|(slot, _)| cx.field(side, *slot).name == name.text))
    };
    let found: Vec<usize> =
        (0..gathered.rules.len()).filter(|&it| gathered.rules[it].label == name.text || writes(&gathered.rules[it])).collect();
    if found.is_empty() && !gathered.is_partial {
        let known: Vec<String> = gathered.rules.iter().map(|it| it.label.clone()).collect();
        cx.report(unknown("rule", &name.text, name.span, known.iter().map(String::as_str), "no rule writes it"));
    }
    found
}

fn delete_action(cx: &mut Scope<'_, '_>, written: Side, action: &ast::DeleteAction) -> Option<DeleteAction> {
    Some(match action {
        ast::DeleteAction::Delete => DeleteAction::Delete,
        ast::DeleteAction::Refuse => DeleteAction::Refuse,
        ast::DeleteAction::Ignore => DeleteAction::Ignore,
        ast::DeleteAction::Set { field, value } => {
            let path = ast::Path { segments: vec![field.clone()], span: field.span };
            let target = cx.lower(written, &ast::Expr { kind: ExprKind::Path(path), span: field.span }, None)?;
            let slot = cx.sides[written].fields.slot(&field.text)?;
            DeleteAction::Set { slot, value: cx.constant(written, value, &target.kind)? }
        }
    })
}

fn exit(cx: &mut Scope<'_, '_>, kept: Side, name: &ast::Name, policies: &[&ast::Policy]) -> Option<Exit> {
    match name.text.as_str() {
        "detach" => Some(Exit::Detach),
        "deactivate" => deactivation(cx, kept, name.span, policies),
        "delete" => Some(Exit::Delete),
        "reject" => Some(Exit::Reject),
        _ => {
            let known = ["detach", "deactivate", "delete", "reject"];
            cx.report(unknown("outcome", &name.text, name.span, known, "not known"));
            None
        }
    }
}

/// How a row of the kept side is deactivated: as the map marks it after a delete, else by the state of Dataverse's tables.
fn deactivation(cx: &mut Scope<'_, '_>, kept: Side, span: Span, policies: &[&ast::Policy]) -> Option<Exit> {
    let mark = policies.iter().find_map(|it| match &it.kind {
        PolicyKind::Delete { arrow, action: action @ ast::DeleteAction::Set { .. } } => {
            Some(action).filter(|_| towards(*arrow)[kept])
        }
        _ => None,
    });
    if let Some(action) = mark {
        return match delete_action(cx, kept, action)? {
            DeleteAction::Set { slot, value } => Some(Exit::Set { slot, value }),
            DeleteAction::Delete | DeleteAction::Refuse | DeleteAction::Ignore => None,
        };
    }
    let state = cx.sides[kept].entity.fields.get(STATE).and_then(|it| match &it.kind {
        Kind::Enum(members) => members.member(INACTIVE).map(|it| it.value.clone()),
        _ => None,
    });
    if let (Some(value), Some(slot)) = (state, cx.sides[kept].fields.slot(STATE)) {
        return Some(Exit::Set { slot, value });
    }
    let arrow = if kept == Side::Right { "->" } else { "<-" };
    let entity = cx.sides[kept].entity.name.clone();
    let message = format!("nothing says how a row of `{entity}` is deactivated");
    let diagnostic = Diagnostic::new(codes::NO_EXIT, span, message, "by which field?");
    cx.report(
        diagnostic.advice(format!("add `on delete {arrow} set FIELD = VALUE`: a row that leaves is marked in the same way")),
    );
    None
}

/// Rules that write one field, or that a policy ties together, win or lose together.
fn groups(rules: &[Rule], together: &[Vec<usize>], conflicts: &[Conflict]) -> Vec<Group> {
    let mut first_of: Vec<usize> = (0..rules.len()).collect();
    let mut writers: HashMap<(Side, Slot), usize> = HashMap::new();
    for (index, rule) in rules.iter().enumerate().filter(|(_, it)| it.is_two_way()) {
        for (side, end) in rule.ends.iter() {
            for (slot, _) in &end.write {
                let other = *writers.entry((side, *slot)).or_insert(index);
                unite(&mut first_of, other, index);
            }
        }
    }
    for tied in together {
        for pair in tied.windows(2) {
            unite(&mut first_of, pair[0], pair[1]);
        }
    }
    let mut out: IndexMap<usize, Group> = IndexMap::new();
    for (index, conflict) in conflicts.iter().enumerate() {
        let first = first_of_group(&first_of, index);
        let own = out.entry(first).or_insert_with(|| Group { rules: Vec::new(), conflict: *conflict });
        own.rules.push(RuleId(index as u16));
    }
    out.into_values().collect()
}

/// Each rule leads to an earlier one of its group; the first leads to itself.
fn first_of_group(first_of: &[usize], index: usize) -> usize {
    let mut at = index;
    while first_of[at] != at {
        at = first_of[at];
    }
    at
}

fn unite(first_of: &mut [usize], a: usize, b: usize) {
    let (a, b) = (first_of_group(first_of, a), first_of_group(first_of, b));
    first_of[a.max(b)] = a.min(b);
}
