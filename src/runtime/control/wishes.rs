//! Decisions about records: looked at, and put on file. A process that holds the systems carries them out.

use super::ask::{Answer, Ask, Choice, Problem, Reply};
use super::find::{self, Found};
use super::states::Hand;
use crate::change::Side;
use crate::diag::suggest::nearest;
use crate::engine::link::{Activity, ActivityKind, Commit, Link, LinkState};
use crate::engine::merge::rule_slots;
use crate::interp;
use crate::ir::{Plan, RuleId};
use crate::store::desk::{Act, Decision, Load, Verdict};
use crate::value::{Slot, Value};

/// Records that one command wakes.
const WOKEN_MAX: usize = 100_000;

impl Hand<'_> {
    /// Puts what is asked on file. `None`: it is no decision about records.
    pub fn wish(&mut self, ask: &Ask) -> Option<Answer> {
        match ask {
            Ask::Retry { map, key } => Some(self.retry(map, key.as_deref())),
            Ask::Discard { map, key } => Some(self.discard(map, key)),
            Ask::Edit { map, key, system, field, value } => Some(self.edit(map, key, system, field, value)),
            Ask::Resolve { map, key, rule, choice } => Some(self.resolve(map, key, rule.as_deref(), choice)),
            Ask::Reload { map, from, to } => Some(self.reload(map, from.clone(), to.clone())),
            Ask::Start { .. }
            | Ask::Pause { .. }
            | Ask::Resume { .. }
            | Ask::Stop { .. }
            | Ask::Renew
            | Ask::Status
            | Ask::Queue { .. }
            | Ask::Errors { .. }
            | Ask::ShowError { .. }
            | Ask::Conflicts { .. }
            | Ask::ShowConflict { .. }
            | Ask::Trace { .. }
            | Ask::Activity { .. }
            | Ask::Verify { .. }
            | Ask::Deliver { .. } => None,
        }
    }

    /// Held records are due now.
    fn retry(&mut self, map: &str, key: Option<&str>) -> Answer {
        let plan = find::plan(self.program, map)?;
        let links = match key {
            Some(key) => vec![self.held(plan, key)?],
            None => self.store.held(&plan.name, WOKEN_MAX)?,
        };
        let at = self.world.moment();
        let mut commits = Vec::with_capacity(links.len());
        for mut link in links {
            let Some(hold) = link.hold.as_mut() else { continue };
            hold.retry_at = Some(at.now);
            commits.push(Commit::of(link));
        }
        self.store.commit(&commits, &[])?;
        let link = key.and_then(|_| commits.first().map(|it| it.link.id));
        let act = self.noted(at, &plan.name, "retry".to_owned());
        self.store.record(&Act { link, ..act })?;
        Ok(Reply::Woken { map: plan.name.clone(), records: commits.len() as u64 })
    }

    fn noted(&self, at: crate::engine::flight::Moment, plan: &str, what: String) -> Act {
        let (plan, who, why) = (Some(plan.to_owned()), self.who.to_owned(), self.why.to_owned());
        Act { op: at.op, at: at.now, plan, link: None, who, what, why }
    }

    fn held(&mut self, plan: &Plan, key: &str) -> Found<Link> {
        let link = find::link(self.store, plan, key)?;
        if link.hold.is_none() {
            let text = format!(
                "the record `{key}` of {0} is not held\n  = fix: `dwmap errors list {0}` shows those that are",
                plan.name
            );
            return Err(Problem::Usage(text));
        }
        Ok(link)
    }

    fn discard(&mut self, map: &str, key: &str) -> Answer {
        let plan = find::plan(self.program, map)?;
        let link = self.held(plan, key)?;
        if link.state == LinkState::PendingCreate && !link.intents.is_empty() {
            let text = format!(
                "a create of `{key}` was sent and may yet arrive, so it cannot be given up\n  = fix: `dwmap errors retry {map} '{key}'`, or delete its source"
            );
            return Err(Problem::Usage(text));
        }
        self.put_on_file(plan, &link, Verdict::Discard)
    }

    fn edit(&mut self, map: &str, key: &str, system: &str, field: &str, value: &str) -> Answer {
        let plan = find::plan(self.program, map)?;
        let side = find::side(self.program, plan, system)?;
        let link = find::link(self.store, plan, key)?;
        if link.ids[side].is_none() {
            let text = format!("the record `{key}` has no row on that side yet\n  = fix: mend the other side's row");
            return Err(Problem::Usage(text));
        }
        parse_field(plan, side, field, value)?;
        self.put_on_file(plan, &link, Verdict::Edit { side, field: field.to_owned(), value: value.to_owned() })
    }

    fn resolve(&mut self, map: &str, key: &str, rule: Option<&str>, choice: &Choice) -> Answer {
        let plan = find::plan(self.program, map)?;
        let link = find::link(self.store, plan, key)?;
        let labels: Vec<&str> = link.conflicts.iter().map(|it| it.label.as_str()).collect();
        if labels.is_empty() {
            let text = format!(
                "the record `{key}` of {0} has no open conflict\n  = fix: `dwmap conflicts list {0}` shows those that have",
                plan.name
            );
            return Err(Problem::Usage(text));
        }
        if let Some(rule) = rule.filter(|it| !labels.contains(it)) {
            let help = nearest(rule, labels.iter().copied())
                .map_or_else(|| format!("in conflict are {}", labels.join(", ")), |it| format!("`{it}`"));
            return Err(Problem::Usage(format!("the record `{key}` has no conflict of `{rule}`\n  = fix: {help}")));
        }
        let verdict = match choice {
            Choice::Take(name) => Verdict::Take { side: find::side(self.program, plan, name)?, rule: rule.map(str::to_owned) },
            Choice::Value(value) => {
                let rule = match (rule, labels.as_slice()) {
                    (Some(rule), _) => rule.to_owned(),
                    (None, [rule]) => (*rule).to_owned(),
                    (None, _) => {
                        let text = format!(
                            "which one is this the value of? In conflict are {}\n  = fix: add `--rule {}`",
                            labels.join(", "),
                            labels[0]
                        );
                        return Err(Problem::Usage(text));
                    }
                };
                let (side, slot) = single_field(plan, &rule)?;
                parse_field(plan, side, &plan.shapes[side].field(slot).name, value)?;
                Verdict::Give { rule, value: value.clone() }
            }
        };
        self.put_on_file(plan, &link, verdict)
    }

    fn put_on_file(&mut self, plan: &Plan, link: &Link, what: Verdict) -> Answer {
        let at = self.world.moment();
        let (who, why) = (self.who.to_owned(), self.why.to_owned());
        self.store.decide(&Decision { op: at.op, plan: plan.name.clone(), link: link.id, who, why, at: at.now, what })?;
        let outcome = "on file; it is carried out when the systems are at hand".to_owned();
        Ok(Reply::Decided { map: plan.name.clone(), key: link.key.clone(), outcome, is_done: false })
    }

    fn reload(&mut self, map: &str, from: Option<String>, to: Option<String>) -> Answer {
        let plan = find::plan(self.program, map)?;
        let standing = self.store.standing(&plan.name)?;
        if !super::states::had_initial_sync(self.store, &plan.name)? {
            let text = format!(
                "the map {0} has not had its initial sync\n  = fix: `dwmap start {0} --initial` reads all its rows",
                plan.name
            );
            return Err(Problem::Usage(text));
        }
        if self.store.load(&plan.name)?.is_some() {
            return Err(Problem::Usage(format!(
                "a reload of {} is under way\n  = fix: wait for its end; `dwmap activity {}` tells of it",
                plan.name, plan.name
            )));
        }
        let range = format!("{}..{}", from.as_deref().unwrap_or(""), to.as_deref().unwrap_or(""));
        let load = Load { from, to, side: Side::Left, after: None, rows_read: 0, rows_taken: 0 };
        self.store.set_load(&plan.name, Some(&load))?;
        let at = self.world.moment();
        let act = self.noted(at, &plan.name, format!("reload {range}"));
        self.store.record(&act)?;
        let outcome = match standing.phase {
            crate::store::Phase::Running | crate::store::Phase::CatchingUp => {
                "the keys are read again beside live sync".to_owned()
            }
            other => format!("on file; the map is {}, and reads them when it runs", crate::store::phase_name(other)),
        };
        Ok(Reply::Loading { map: plan.name.clone(), keys: range, outcome })
    }
}

/// The side and field that hold the value of a rule alone.
pub fn single_field(plan: &Plan, label: &str) -> Found<(Side, Slot)> {
    let rule = rules_of(plan, Some(label)).first().copied();
    let id = rule.ok_or_else(|| Problem::Usage(format!("the map {} has no rule `{label}` any more", plan.name)))?;
    let single = Side::BOTH.into_iter().find_map(|side| match rule_slots(plan, id, side).as_slice() {
        [slot] => Some((side, *slot)),
        [] | [_, _, ..] => None,
    });
    single.ok_or_else(|| {
        Problem::Usage(format!("the rule `{label}` spans several fields on both sides\n  = fix: `--take left` or `--take right`, or mend a field by `dwmap errors edit`"))
    })
}

/// The rule with this label, first of all; without one: every two-way rule.
pub fn rules_of(plan: &Plan, label: Option<&str>) -> Vec<RuleId> {
    plan.rule_ids().filter(|&it| label.is_none_or(|label| plan.rule(it).label == label)).collect()
}

/// The text as the field holds it. `null` empties a field that may be empty.
pub fn parse_field(plan: &Plan, side: Side, field: &str, text: &str) -> Found<(Slot, Value)> {
    let shape = &plan.shapes[side];
    let Some(slot) = shape.slot(field) else {
        let names: Vec<&str> = shape.fields.iter().map(|it| it.name.as_str()).collect();
        let help = nearest(field, names.iter().copied())
            .map_or_else(|| format!("the map uses {}", names.join(", ")), |it| format!("`{it}`"));
        return Err(Problem::Usage(format!(
            "the map {} uses no field `{field}` of {}\n  = fix: {help}",
            plan.name, shape.entity
        )));
    };
    let own = shape.field(slot);
    if own.readonly || shape.key.contains(&slot) {
        return Err(Problem::Usage(format!(
            "`{field}` cannot be written: it is a key, or read-only\n  = fix: mend another field"
        )));
    }
    if text == "null" && own.nullable {
        return Ok((slot, Value::Null));
    }
    let number = text.parse::<i64>().ok().map(Value::Int);
    let member = match &own.kind {
        crate::value::Kind::Enum(members) => members.member(text).map(|it| it.value.clone()).or(number),
        _ => None,
    };
    let value = interp::convert(&own.kind, &member.unwrap_or_else(|| Value::text(text)));
    value.map(|it| (slot, it)).map_err(|why| Problem::Usage(format!("`{field}`: {why}\n  = fix: write it as {}", own.kind)))
}

/// A line in the history of a record for what a person did to it.
pub fn line(decision: &Decision, kind: ActivityKind, text: String) -> Activity {
    Activity { link: decision.link, op: decision.op, at: decision.at, kind, text }
}
