//! One map in two versions.

use std::collections::BTreeSet;

use super::form::{self, Form, Pairs, Role, Width};
use super::{Change, Fate, Level, MapDifference, Raise, Version, version};
use crate::change::Side;
use crate::ir::{DeleteAction, Exit, RuleId};
use crate::view::words::{Words, kind};

/// What was found so far.
#[derive(Default)]
struct Found {
    changes: Vec<Change>,
    initial_sync: Option<String>,
    compare_again: BTreeSet<String>,
}

impl Found {
    fn map(&mut self, level: Level, what: &str, old: Option<String>, new: Option<String>) {
        self.changes.push(Change { level, rule: None, what: what.to_owned(), old, new });
    }

    /// The first reason stands; one initial sync deals with all.
    fn initial(&mut self, why: &str) {
        self.initial_sync.get_or_insert_with(|| why.to_owned());
    }
}

/// Nothing, if the two are the same in every respect that a person could see.
pub fn maps(old: Version<'_>, new: Version<'_>) -> Option<MapDifference> {
    let mut found = Found::default();
    sides(old, new, &mut found);
    scopes(old, new, &mut found);
    policies(old, new, &mut found);
    rules(old, new, &mut found);
    words(old, new, &mut found);
    let level = found.changes.iter().map(|it| it.level).max()?;
    found.changes.sort_by_key(|it| std::cmp::Reverse(it.level));
    let (before, after) = (old.plan.version.clone(), new.plan.version.clone());
    let version_wanted = match version::raise(before.as_deref(), after.as_deref(), level) {
        Raise::TooLittle { least } => Some(least),
        Raise::Unstated | Raise::Enough => None,
    };
    // An initial sync compares every rule.
    let compare_again = if found.initial_sync.is_some() { BTreeSet::new() } else { found.compare_again };
    Some(MapDifference {
        map: new.plan.name.clone(),
        level,
        fate: Fate::Changed,
        old_version: before,
        new_version: after,
        version_wanted,
        changes: found.changes,
        initial_sync: found.initial_sync,
        compare_again,
    })
}

fn sides(old: Version<'_>, new: Version<'_>, found: &mut Found) {
    let name = |it: Version<'_>| crate::view::graph::sides(&it.checked.program, it.plan);
    let (before, after) = (name(old), name(new));
    let is_same = |side: Side| old.plan.shapes[side].entity == new.plan.shapes[side].entity;
    if !Side::BOTH.into_iter().all(is_same) {
        found.map(Level::Major, "other entities", Some(before), Some(after));
        found.initial("the map is between other entities");
    } else if old.plan.writes != new.plan.writes {
        found.map(Level::Major, "another direction", Some(before), Some(after));
        found.initial("rows are carried in another direction");
    } else if before != after {
        found.map(Level::Patch, "a system has another name", Some(before), Some(after));
    }
    for side in Side::BOTH {
        if old.plan.profiles[side] != new.plan.profiles[side] {
            let what = format!("the profile of {} says something else", system(new, side));
            found.map(Level::Minor, &what, None, None);
            found.compare_again.extend(new.plan.rules.iter().map(|it| it.label.clone()));
        }
    }
}

fn system(version: Version<'_>, side: Side) -> String {
    version.checked.program.system(version.plan, side).to_owned()
}

fn scopes(old: Version<'_>, new: Version<'_>, found: &mut Found) {
    for side in Side::BOTH {
        let text = |it: Version<'_>| it.plan.scope[side].as_ref().map(|expr| Words { plan: it.plan, side }.expr(expr));
        let (before, after) = (text(old), text(new));
        if before != after {
            let what = format!("the filter of {} changed", system(new, side));
            found.map(Level::Major, &what, Some(or_all(before)), Some(or_all(after)));
            found.initial("the filter changed, so other rows are in scope");
        }
    }
    let (before, after) = (&old.plan.partition_in, &new.plan.partition_in);
    if before == after {
        return;
    }
    let list = |it: &Option<Vec<crate::value::Value>>| {
        it.as_ref().map_or_else(|| "all".to_owned(), |it| it.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
    };
    let is_wider = match (before, after) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(before), Some(after)) => before.iter().all(|it| after.contains(it)),
    };
    let level = if is_wider { Level::Minor } else { Level::Major };
    found.map(level, "other companies take part", Some(list(before)), Some(list(after)));
    found.initial("other companies take part");
}

fn or_all(filter: Option<String>) -> String {
    filter.unwrap_or_else(|| "every row".to_owned())
}

fn exit_text(of: Version<'_>, side: Side, exit: &Exit) -> String {
    match exit {
        Exit::Detach => "detach".to_owned(),
        Exit::Delete => "delete".to_owned(),
        Exit::Reject => "reject".to_owned(),
        Exit::Set { slot, value } => format!("set {} = {value}", of.plan.shapes[side.other()].field(*slot).name),
    }
}

fn policies(old: Version<'_>, new: Version<'_>, found: &mut Found) {
    for side in Side::BOTH {
        let delete = |it: Version<'_>| match &it.plan.on_delete[side] {
            DeleteAction::Delete => "delete".to_owned(),
            DeleteAction::Refuse => "refuse".to_owned(),
            DeleteAction::Ignore => "ignore".to_owned(),
            DeleteAction::Set { slot, value } => {
                format!("set {} = {value}", it.plan.shapes[side.other()].field(*slot).name)
            }
        };
        let (before, after) = (delete(old), delete(new));
        if before != after {
            let what = format!("what a delete in {} does", system(new, side));
            found.map(Level::Major, &what, Some(before), Some(after));
        }
        let exit = |it: Version<'_>| it.plan.on_exit[side].as_ref().map(|exit| exit_text(it, side, exit));
        if exit(old) != exit(new) {
            let what = format!("what happens when a row of {} leaves the filter", system(new, side));
            found.map(Level::Major, &what, exit(old), exit(new));
        }
    }
    if old.plan.on_rekey != new.plan.on_rekey {
        let text = |it: Version<'_>| Some(format!("{:?}", it.plan.on_rekey).to_lowercase());
        found.map(Level::Major, "what a changed key means", text(old), text(new));
    }
    if old.plan.on_error != new.plan.on_error {
        let text = |it: Version<'_>| Some(format!("{:?}", it.plan.on_error).to_lowercase());
        found.map(Level::Minor, "what a failing write does", text(old), text(new));
    }
}

/// Rules go together by label; among the rest, those that mean the same only have another label.
fn rules(old: Version<'_>, new: Version<'_>, found: &mut Found) {
    let by_label = |version: Version<'_>, label: &str| version.plan.rule_ids().find(|&it| version.plan.rule(it).label == label);
    let label = |version: Version<'_>, id: RuleId| version.plan.rule(id).label.clone();
    let mut gone: Vec<RuleId> = old.plan.rule_ids().filter(|&it| by_label(new, &label(old, it)).is_none()).collect();
    for id in new.plan.rule_ids() {
        let name = label(new, id);
        let after = form::of(new.plan, id);
        if let Some(before) = by_label(old, &name) {
            rule(old, before, new, id, found);
        } else if let Some(at) = gone.iter().position(|&it| means_the_same(&form::of(old.plan, it), &after)) {
            let before = label(old, gone.remove(at));
            let (old, new) = (Some(before), Some(name.clone()));
            found.changes.push(Change { level: Level::Patch, rule: Some(name), what: "another label".to_owned(), old, new });
        } else {
            let is_key = after.role != Role::Ordinary;
            let level = if is_key { Level::Major } else { Level::Minor };
            let what = if is_key { "new part of the key" } else { "new rule" };
            let new = written(new, id);
            found.changes.push(Change { level, rule: Some(name.clone()), what: what.to_owned(), old: None, new });
            if is_key {
                found.initial("the key changed, so other rows belong together");
            } else if after.moment.0 {
                // Rows that exist already are not touched by it.
            } else {
                found.compare_again.insert(name);
            }
        }
    }
    for id in gone {
        let is_key = form::of(old.plan, id).role != Role::Ordinary;
        let what = if is_key { "part of the key removed" } else { "rule removed" };
        let (rule, old) = (Some(label(old, id)), written(old, id));
        found.changes.push(Change { level: Level::Major, rule, what: what.to_owned(), old, new: None });
        if is_key {
            found.initial("the key changed, so other rows belong together");
        }
    }
}

fn means_the_same(a: &Form<'_>, b: &Form<'_>) -> bool {
    let tables = |form: &Form<'_>| form.tables.iter().map(|it| (it.pairs.clone(), it.otherwise.clone())).collect::<Vec<_>>();
    plain(a) == plain(b) && tables(a) == tables(b)
}

/// Without the names of value maps and of other rules.
fn plain<'f>(form: &Form<'f>) -> Form<'f> {
    Form { together: Vec::new(), tables: Vec::new(), ..form.clone() }
}

/// The rule as its author wrote it.
fn written(version: Version<'_>, id: RuleId) -> Option<String> {
    version.text.rules().find(|it| it.index == id.index()).map(crate::check::texts::RuleText::line)
}

fn rule(old: Version<'_>, before: RuleId, new: Version<'_>, after: RuleId, found: &mut Found) {
    let (a, b) = (form::of(old.plan, before), form::of(new.plan, after));
    let mut said = Vec::new();
    let must_compare = equation(&a, &b, &mut said);
    answers(&a, &b, &mut said);
    let name = new.plan.rule(after).label.clone();
    if a.role != b.role {
        said.push((Level::Major, "its part in the key changed".to_owned()));
    }
    if (a.role, b.role) != (Role::Ordinary, Role::Ordinary) && (must_compare || a.role != b.role) {
        found.initial("the key changed, so other rows belong together");
    } else if must_compare {
        found.compare_again.insert(name.clone());
    }
    let (old_text, new_text) = (written(old, before), written(new, after));
    if said.is_empty() && old_text != new_text {
        let is_words = old.plan.rule(before).loses != new.plan.rule(after).loses;
        let what = if is_words { "other words for what is lost" } else { "written otherwise, with the same meaning" };
        said.push((Level::Patch, what.to_owned()));
    }
    let Some(level) = said.iter().map(|(level, _)| *level).max() else { return };
    let what = said.into_iter().map(|(_, what)| what).collect::<Vec<_>>().join("; ");
    let is_shown = old_text != new_text;
    let (old, new) = (old_text.filter(|_| is_shown), new_text.filter(|_| is_shown));
    found.changes.push(Change { level, rule: Some(name), what, old, new });
}

/// What the rule carries. True: rows that agreed before may not agree now.
fn equation(a: &Form<'_>, b: &Form<'_>, said: &mut Vec<(Level, String)>) -> bool {
    let start = said.len();
    if a.writes != b.writes {
        said.push((Level::Major, format!("another direction: `{}` became `{}`", a.arrow, b.arrow)));
    } else if a.arrow != b.arrow {
        let is_weaker = b.arrow == "<~>";
        let level = if is_weaker { Level::Major } else { Level::Minor };
        let what = if is_weaker { "promises less" } else { "promises more" };
        said.push((level, format!("the arrow {what}: `{}` became `{}`", a.arrow, b.arrow)));
    }
    let is_arrow_only = said.len() > start && a.writes == b.writes;
    if a.equation != b.equation {
        said.push((Level::Major, "carries something else".to_owned()));
    }
    if a.guard != b.guard {
        said.push((Level::Major, "holds for other rows (`when`)".to_owned()));
    }
    if a.moment != b.moment {
        said.push((Level::Major, "acts at another moment (`on create`, `on update`)".to_owned()));
    }
    if a.modulo != b.modulo {
        said.push((Level::Minor, "other differences are forgiven (`modulo`)".to_owned()));
    }
    types(a, b, said);
    tables(a, b, said);
    said.len() > start + usize::from(is_arrow_only)
}

fn types(a: &Form<'_>, b: &Form<'_>, said: &mut Vec<(Level, String)>) {
    for side in Side::BOTH {
        for new in &b.fields[side] {
            let Some(old) = a.fields[side].iter().find(|it| it.name == new.name) else { continue };
            let level = match form::width(old, new) {
                Width::Same => continue,
                Width::Wider => Level::Minor,
                Width::Other => Level::Major,
            };
            let (before, after) = (kind(old), kind(new));
            let types = if before == after { "other members".to_owned() } else { format!("{before} became {after}") };
            said.push((level, format!("the type of {}: {types}", new.name)));
        }
    }
}

fn tables(a: &Form<'_>, b: &Form<'_>, said: &mut Vec<(Level, String)>) {
    if a.tables.len() != b.tables.len() {
        said.push((Level::Major, "another value map".to_owned()));
        return;
    }
    let (mut level, mut lines) = (Level::Minor, Vec::new());
    for (old, new) in a.tables.iter().zip(&b.tables) {
        let found = match form::pairs(old, new) {
            Pairs::Same => continue,
            Pairs::Wider(lines) => lines,
            Pairs::Other(lines) => {
                level = Level::Major;
                lines
            }
        };
        for line in found {
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
    }
    if !lines.is_empty() {
        said.push((level, format!("the value map: {}", lines.join(", "))));
    }
}

/// What happens to values that cannot be carried, and to conflicts.
fn answers(a: &Form<'_>, b: &Form<'_>, said: &mut Vec<(Level, String)>) {
    if a.otherwise != b.otherwise {
        said.push((Level::Minor, "another answer to values that cannot be carried (`else`)".to_owned()));
    }
    if a.missing != b.missing {
        said.push((Level::Minor, "another answer to missing rows (`on missing`)".to_owned()));
    }
    if a.conflict != b.conflict {
        said.push((Level::Minor, "another side wins a conflict".to_owned()));
    }
    if a.together != b.together {
        said.push((Level::Minor, "wins or loses together with other rules".to_owned()));
    }
}

/// What only people see.
fn words(old: Version<'_>, new: Version<'_>, found: &mut Found) {
    if old.text.docs != new.text.docs {
        found.map(Level::Patch, "the documentation", None, None);
    }
    let labels = |version: Version<'_>, other: Version<'_>| -> Vec<String> {
        let known = |it: &String| other.plan.rules.iter().any(|rule| rule.label == *it);
        version.plan.rules.iter().map(|it| it.label.clone()).filter(known).collect()
    };
    if labels(old, new) != labels(new, old) {
        found.map(Level::Patch, "the order of the rules", None, None);
    }
}
