//! Layers: `map N extends M` becomes a map of its own, with the base's lines and the layer's changes to them.
//!
//! What comes out is a tree like any other, so that nothing behind knows of layers. Every line keeps its place in the text it
//! came from, and names in it are looked up there. What a rule is called depends on which names are fields, hence the systems.

use std::collections::{BTreeMap, HashSet};

use indexmap::IndexMap;

use super::Given;
use super::expr::single;
use super::label::{Fields, ends, label};
use super::names::{System, unknown};
use super::rule::towards;
use super::uses::Project;
use crate::change::{Side, Sides};
use crate::diag::{Diagnostic, Diagnostics, codes};
use crate::source::{Sources, Span};
use crate::syntax::ast::{self, Expr, ExprKind, MapHead, Member, MemberKind, PolicyKind, Rule};

/// Most layers that stand on one another: each holds everything of those below it.
const LAYERS_MAX: usize = 16;

/// A layer with everything that it took over.
pub struct Layered {
    pub key: String,
    pub map: ast::Map,
    /// The bases below it, the nearest first.
    pub bases: Vec<String>,
    /// No other layer stands on it.
    pub is_active: bool,
    /// The rules that it replaced, as they stand in the base now: by label.
    pub replaced: BTreeMap<String, String>,
    /// The labels that it changed or dropped itself, with their places.
    touched: Vec<(String, Span)>,
    /// Texts that `partition in` selects, where it names them.
    selected: Option<Vec<String>>,
}

impl Layered {
    /// What the lock keeps of its overrides.
    pub fn locked(&self) -> Vec<(String, String)> {
        self.replaced.iter().map(|(label, text)| (format!("{}.{label}", self.map.name.text), text.clone())).collect()
    }
}

/// What a layer finds below it.
struct Base {
    sealed: Vec<ast::Name>,
    labels: Vec<String>,
}

struct Cx<'a, 'd> {
    project: &'a Project,
    sources: &'a Sources,
    systems: &'a IndexMap<String, System>,
    given: &'a Given,
    maps: IndexMap<String, &'a ast::Map>,
    /// Maps of circles that were reported.
    circular: Vec<String>,
    /// Layers that stand on too many others, which is reported once.
    too_high: HashSet<String>,
    diags: &'d mut Diagnostics,
}

/// Merges every layer of the files with its base.
pub fn merge(
    project: &Project,
    sources: &Sources,
    systems: &IndexMap<String, System>,
    given: &Given,
    diags: &mut Diagnostics,
) -> Vec<Layered> {
    let mut maps = IndexMap::new();
    for file in &project.files {
        for item in &file.items {
            if let ast::ItemKind::Map(map) = &item.kind {
                maps.entry(project.own_key(file.id, &map.name.text)).or_insert(map);
            }
        }
    }
    let mut cx = Cx { project, sources, systems, given, maps, circular: Vec::new(), too_high: HashSet::new(), diags };
    let mut out: IndexMap<String, Layered> = IndexMap::new();
    let is_layer = |it: &ast::Map| matches!(it.head, MapHead::Extends(_));
    for key in cx.maps.iter().filter(|(_, it)| is_layer(it)).map(|(key, _)| key.clone()).collect::<Vec<_>>() {
        cx.layer(&key, &mut Vec::new(), &mut out);
    }
    let based: HashSet<String> = out.values().flat_map(|it| it.bases.clone()).collect();
    for layered in out.values_mut() {
        let file = layered.map.name.span.file;
        layered.is_active = !based.contains(&layered.key) && !project.is_library(file);
    }
    let mut out: Vec<Layered> = out.into_values().collect();
    equal_rank(&mut out, cx.diags);
    out
}

impl Cx<'_, '_> {
    /// The map as a whole; a layer is merged on the way. `None`: reported, or no map.
    fn layer(&mut self, key: &str, above: &mut Vec<String>, out: &mut IndexMap<String, Layered>) -> Option<ast::Map> {
        let map = *self.maps.get(key)?;
        let MapHead::Extends(path) = &map.head else { return Some(map.clone()) };
        if let Some(done) = out.get(key) {
            return Some(done.map.clone());
        }
        if above.iter().any(|it| it == key) {
            if !above.iter().any(|it| self.circular.contains(it)) {
                self.circular.extend(above.iter().cloned());
                let message = format!("`{}` is built upon itself", map.name.text);
                self.diags.push(Diagnostic::new(codes::SYNTAX, path.span, message, "leads back to this map"));
            }
            return None;
        }
        let base_key = self.project.key(path);
        if !self.maps.contains_key(&base_key) {
            let known = self.project.written(path.span.file, self.maps.keys().map(String::as_str));
            let known = known.iter().map(String::as_str).filter(|it| *it != map.name.text);
            self.diags.push(unknown("map", &path.to_string(), path.span, known, "not declared"));
            return None;
        }
        if self.too_high.contains(&base_key) || above.len() >= LAYERS_MAX {
            self.is_too_high(key, path.span);
            return None;
        }
        above.push(key.to_owned());
        let base = self.layer(&base_key, above, out);
        above.pop();
        if self.too_high.contains(&base_key) {
            self.too_high.insert(key.to_owned());
        }
        let base = base?;
        let mut bases = vec![base_key.clone()];
        bases.extend(out.get(&base_key).map(|it| it.bases.clone()).unwrap_or_default());
        if bases.len() > LAYERS_MAX {
            self.is_too_high(key, path.span);
            return None;
        }
        let merged = self.merged(key, map, base, bases);
        let whole = merged.map.clone();
        out.insert(key.to_owned(), merged);
        Some(whole)
    }

    fn is_too_high(&mut self, key: &str, place: Span) {
        if self.too_high.is_empty() {
            let message = format!("more than {LAYERS_MAX} layers stand on one another");
            let diagnostic = Diagnostic::new(codes::SYNTAX, place, message, "this layer is one too many");
            self.diags.push(diagnostic.advice("let the layers change one base together, or write some of them as one"));
        }
        self.too_high.insert(key.to_owned());
    }

    fn merged(&mut self, key: &str, layer: &ast::Map, base: ast::Map, bases: Vec<String>) -> Layered {
        let is_broken = layer.is_broken || base.is_broken;
        let map = ast::Map { name: layer.name.clone(), head: base.head, members: base.members, is_broken };
        let mut out = Layered {
            key: key.to_owned(),
            map,
            bases,
            is_active: true,
            replaced: BTreeMap::new(),
            touched: Vec::new(),
            selected: None,
        };
        let fields = self.fields(&out.map);
        let mut labels = Vec::new();
        gather_labels(&out.map.members, &|rule| label(self.sources, &fields, rule), &mut labels);
        let base = Base { sealed: sealed(&out.map.members), labels };
        for member in &layer.members {
            match &member.kind {
                MemberKind::Override { label, rule } => self.replace(&mut out, label, rule, member, &base),
                MemberKind::Drop { label, .. } => self.remove(&mut out, label, &base),
                MemberKind::PartitionIn(set) => {
                    out.selected = texts(set);
                    out.map.members.retain(|it| !matches!(it.kind, MemberKind::PartitionIn(_)));
                    out.map.members.push(member.clone());
                }
                MemberKind::Version(_) => {
                    out.map.members.retain(|it| !matches!(it.kind, MemberKind::Version(_)));
                    out.map.members.push(member.clone());
                }
                MemberKind::Policy(policy) => {
                    let replaces =
                        |it: &Member| matches!(&it.kind, MemberKind::Policy(old) if is_replaced(&old.kind, &policy.kind));
                    out.map.members.retain(|it| !replaces(it));
                    out.map.members.push(member.clone());
                }
                MemberKind::Partition(_)
                | MemberKind::Key(_)
                | MemberKind::Filter { .. }
                | MemberKind::Rule(_)
                | MemberKind::Seal(_)
                | MemberKind::For { .. } => out.map.members.push(member.clone()),
            }
        }
        out
    }

    fn fields(&self, map: &ast::Map) -> Fields<'_> {
        let MapHead::Sides { left, right, .. } = &map.head else { return Sides::new(None, None) };
        let entity = |path: &ast::Path| match path.segments.as_slice() {
            [system, name] => self.systems.get(&system.text)?.schema.entities.get(&name.text),
            _ => None,
        };
        Sides::new(entity(left), entity(right))
    }

    fn has_unknown_field(&self, map: &ast::Map) -> bool {
        let fields = self.fields(map);
        // What a rule writes is a field; what a one-way rule reads may be a member.
        let is_known = |rule: &Rule, side: Side| {
            let end = if side == Side::Left { &rule.left } else { &rule.right };
            let is_field = |name: &str| fields[side].is_some_and(|entity| entity.fields.contains_key(name));
            !towards(rule.arrow)[side] || ends(end).into_iter().filter_map(single).all(is_field)
        };
        let mut rules = map.members.iter().filter_map(|it| match &it.kind {
            MemberKind::Partition(rule) | MemberKind::Key(rule) | MemberKind::Rule(rule) => Some(rule),
            _ => None,
        });
        rules.any(|it| Side::BOTH.into_iter().any(|side| !is_known(it, side)))
    }

    /// Where the rule with this label stands; reports a label that no rule has, and one that is sealed.
    fn find(&mut self, out: &Layered, name: &ast::Name, base: &Base) -> Option<Vec<usize>> {
        let found = {
            let fields = self.fields(&out.map);
            place(&out.map.members, &|rule| label(self.sources, &fields, rule), &name.text)
        };
        let gone = out.touched.iter().find(|(label, _)| *label == name.text).filter(|_| found.is_none());
        if let Some((_, first)) = gone {
            let message = format!("`{}` is dropped by this layer, so there is nothing left to change", name.text);
            let diagnostic =
                Diagnostic::new(codes::NO_SUCH_RULE, name.span, message, "changed here").because(*first, "dropped here");
            let diagnostic = diagnostic.advice("write one of the two: `override` puts another rule in the place of the base's");
            self.diags.push(diagnostic.in_rule(&out.map.name.text, Some(&name.text)));
            return None;
        }
        let Some(place) = found.filter(|_| base.labels.contains(&name.text)) else {
            // A rule is called after its fields: where these are not known, neither is its name.
            if self.has_unknown_field(&out.map) {
                return None;
            }
            let message = format!("the base of `{}` has no rule `{}`", out.map.name.text, name.text);
            let known = base.labels.iter().map(String::as_str);
            let near = unknown("rule", &name.text, name.span, known, "no rule has this label");
            let mut diagnostic = Diagnostic { code: codes::NO_SUCH_RULE, message, notes: Vec::new(), ..near };
            if let Some(locked) = self.given.overrides.get(&format!("{}.{}", out.map.name.text, name.text)) {
                diagnostic = diagnostic.note("base, then", locked);
            }
            diagnostic = diagnostic.note("labels of the base", base.labels.join(", "));
            self.diags.push(diagnostic.in_rule(&out.map.name.text, Some(&name.text)));
            return None;
        };
        if let Some(seal) = base.sealed.iter().find(|it| it.text == name.text) {
            let message = format!("`{}` is sealed, so no layer may change it", name.text);
            let diagnostic = Diagnostic::new(codes::SEALED, name.span, message, "changed here").because(seal.span, "sealed here");
            let diagnostic = diagnostic.advice("leave the rule as it is, or have the base unseal it");
            self.diags.push(diagnostic.in_rule(&out.map.name.text, Some(&name.text)));
            return None;
        }
        Some(place)
    }

    fn replace(&mut self, out: &mut Layered, name: &ast::Name, rule: &Rule, member: &Member, base: &Base) {
        let Some(place) = self.find(out, name, base) else {
            out.map.is_broken = true;
            return;
        };
        if let Some((_, first)) = out.touched.iter().find(|(label, _)| *label == name.text) {
            let message = format!("`{}` is overridden twice", name.text);
            let diagnostic = Diagnostic::new(codes::SYNTAX, name.span, message, "which of the two holds?");
            self.diags.push(diagnostic.because(*first, "the first one").in_rule(&out.map.name.text, Some(&name.text)));
            out.map.is_broken = true;
            return;
        }
        out.touched.push((name.text.clone(), name.span));
        let (map, sources) = (out.map.name.text.clone(), self.sources);
        let Some(target) = member_at(&mut out.map.members, &place) else { return };
        target.span = member.span;
        let Some(old) = rule_of(&mut target.kind) else { return };
        let before = squeezed(sources.text(old.span));
        if let Some(locked) = self.given.overrides.get(&format!("{map}.{}", name.text)).filter(|it| **it != before) {
            let message = format!("the base rule `{}` changed since this override was written", name.text);
            let diagnostic = Diagnostic::new(codes::BASE_CHANGED, name.span, message, "replaces the old rule")
                .because(old.span, "the base rule as it is now")
                .note("base, then", locked)
                .note("base, now", &before)
                .note("override", squeezed(sources.text(rule.span)))
                .advice("bring the override up to date, then run `dwmap schema lock-overrides`");
            self.diags.push(diagnostic.in_rule(&map, Some(&name.text)));
        }
        *old = Rule { label: Some(name.clone()), ..rule.clone() };
        out.replaced.insert(name.text.clone(), before);
    }

    fn remove(&mut self, out: &mut Layered, name: &ast::Name, base: &Base) {
        let Some(place) = self.find(out, name, base) else {
            out.map.is_broken = true;
            return;
        };
        out.touched.push((name.text.clone(), name.span));
        if let Some(diagnostic) = self.needed(out, name, &place) {
            out.map.is_broken = true;
            self.diags.push(diagnostic.in_rule(&out.map.name.text, Some(&name.text)));
            return;
        }
        let Some((index, outer)) = place.split_last() else { return };
        let members = match outer.split_last() {
            None => &mut out.map.members,
            Some(_) => match member_at(&mut out.map.members, outer).map(|it| &mut it.kind) {
                Some(MemberKind::For { members, .. }) => members,
                _ => return,
            },
        };
        members.remove(*index);
    }

    /// Why the rule cannot be dropped.
    fn needed(&mut self, out: &mut Layered, name: &ast::Name, place: &[usize]) -> Option<Diagnostic> {
        let member = member_at(&mut out.map.members, place)?;
        let (role, rule) = match &member.kind {
            MemberKind::Key(rule) => (Some("is the key"), rule.clone()),
            MemberKind::Partition(rule) => (Some("is the partition"), rule.clone()),
            MemberKind::Rule(rule) => (None, rule.clone()),
            _ => return None,
        };
        let why = match role {
            Some(role) => Some((role.to_owned(), rule.span)),
            None => self.fills_needed(&out.map, &rule),
        };
        why.map(|(why, span)| {
            let message = format!("`{}` cannot be dropped: it {why}", name.text);
            let diagnostic = Diagnostic::new(codes::NEEDED, name.span, message, "dropped here").because(span, "needed here");
            diagnostic.advice("keep the rule, or `override` it")
        })
    }

    fn fills_needed(&self, map: &ast::Map, rule: &Rule) -> Option<(String, Span)> {
        let fields = self.fields(map);
        let sides = Sides::new((&rule.left, ast::Arrow::Right), (&rule.right, ast::Arrow::Left));
        for (side, (end, away)) in sides.iter() {
            let Some(entity) = fields[side].filter(|_| rule.arrow != *away) else { continue };
            let mut named = Vec::new();
            super::paths::paths(end, &mut named);
            for path in named {
                let field = &path.segments[path.segments.len() - 1].text;
                if entity.fields.get(field).is_some_and(|it| it.required) {
                    return Some((format!("fills `{field}`, which new rows need"), rule.span));
                }
                if let Some(span) = filters(map, side, field) {
                    return Some((format!("fills `{field}`, which the filter reads"), span));
                }
            }
        }
        None
    }
}

/// Where the map's filter of this side names the field.
fn filters(map: &ast::Map, side: Side, field: &str) -> Option<Span> {
    map.members.iter().find_map(|member| {
        let MemberKind::Filter { left, right, .. } = &member.kind else { return None };
        let condition = if side == Side::Left { left } else { right };
        let mut named = Vec::new();
        super::paths::paths(condition.as_ref()?, &mut named);
        named.iter().any(|it| it.segments[it.segments.len() - 1].text == field).then_some(member.span)
    })
}

/// Index by index to the rule with this label, through `for` blocks.
fn place(members: &[Member], label: &dyn Fn(&Rule) -> String, wanted: &str) -> Option<Vec<usize>> {
    for (index, member) in members.iter().enumerate() {
        match labelled(&member.kind) {
            Labelled::Rule(rule) if label(rule) == wanted => return Some(vec![index]),
            Labelled::Inner(members) => {
                if let Some(mut inner) = place(members, label, wanted) {
                    inner.insert(0, index);
                    return Some(inner);
                }
            }
            Labelled::Rule(_) | Labelled::Nothing => {}
        }
    }
    None
}

fn gather_labels(members: &[Member], label: &dyn Fn(&Rule) -> String, out: &mut Vec<String>) {
    for member in members {
        match labelled(&member.kind) {
            Labelled::Rule(rule) => out.push(label(rule)),
            Labelled::Inner(members) => gather_labels(members, label, out),
            Labelled::Nothing => {}
        }
    }
}

/// What of a line has a label.
enum Labelled<'m> {
    Rule(&'m Rule),
    Inner(&'m [Member]),
    Nothing,
}

fn labelled(kind: &MemberKind) -> Labelled<'_> {
    match kind {
        MemberKind::Partition(rule) | MemberKind::Key(rule) | MemberKind::Rule(rule) => Labelled::Rule(rule),
        MemberKind::For { members, .. } => Labelled::Inner(members),
        MemberKind::Version(_)
        | MemberKind::PartitionIn(_)
        | MemberKind::Filter { .. }
        | MemberKind::Override { .. }
        | MemberKind::Drop { .. }
        | MemberKind::Seal(_)
        | MemberKind::Policy(_) => Labelled::Nothing,
    }
}

fn member_at<'m>(members: &'m mut [Member], place: &[usize]) -> Option<&'m mut Member> {
    let (first, rest) = place.split_first()?;
    let member = members.get_mut(*first)?;
    if rest.is_empty() {
        return Some(member);
    }
    match &mut member.kind {
        MemberKind::For { members, .. } => member_at(members, rest),
        _ => None,
    }
}

fn rule_of(kind: &mut MemberKind) -> Option<&mut Rule> {
    match kind {
        MemberKind::Partition(rule) | MemberKind::Key(rule) | MemberKind::Rule(rule) => Some(rule),
        _ => None,
    }
}

fn sealed(members: &[Member]) -> Vec<ast::Name> {
    let names = members.iter().filter_map(|it| if let MemberKind::Seal(names) = &it.kind { Some(names.clone()) } else { None });
    names.flatten().collect()
}

/// A policy of the layer stands in the place of the base's of the same kind. Per arrow, the later line wins anyway.
fn is_replaced(old: &PolicyKind, new: &PolicyKind) -> bool {
    match (old, new) {
        (PolicyKind::Conflict { fields: old, .. }, PolicyKind::Conflict { fields: new, .. }) => {
            let names = |it: &[ast::Name]| it.iter().map(|it| it.text.clone()).collect::<Vec<_>>();
            names(old) == names(new)
        }
        (PolicyKind::Rekey(_), PolicyKind::Rekey(_))
        | (PolicyKind::Error { .. }, PolicyKind::Error { .. })
        | (PolicyKind::Missing(_), PolicyKind::Missing(_)) => true,
        _ => false,
    }
}

/// The text without its line breaks and runs of blanks, as it is kept in the lock.
pub fn squeezed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn texts(set: &Expr) -> Option<Vec<String>> {
    let ExprKind::Set(parts) = &set.kind else { return None };
    let text = |it: &Expr| if let ExprKind::Text(text) = &it.kind { Some(text.to_lowercase()) } else { None };
    parts.iter().map(text).collect()
}

/// Two layers on one base that change one rule: neither is before the other. Layers for different companies do not meet.
fn equal_rank(layers: &mut Vec<Layered>, diags: &mut Diagnostics) {
    let mut refused = Vec::new();
    for (index, second) in layers.iter().enumerate() {
        for first in
            layers[..index].iter().filter(|it| it.bases.first() == second.bases.first() && it.is_active && second.is_active)
        {
            let is_apart = first.selected.as_ref().zip(second.selected.as_ref());
            if is_apart.is_some_and(|(first, second)| !first.iter().any(|it| second.contains(it))) {
                continue;
            }
            let both = second.touched.iter().find_map(|(label, span)| {
                first.touched.iter().find(|(other, _)| other == label).map(|(_, other)| (label, *span, *other))
            });
            if let Some((label, span, other)) = both {
                let message =
                    format!("`{}` and `{}` both change `{label}` of one base", first.map.name.text, second.map.name.text);
                let diagnostic =
                    Diagnostic::new(codes::EQUAL_RANK, span, message, "changed here too").because(other, "changed here");
                let advice = "build one layer upon the other, or let `partition in` keep them apart";
                diags.push(diagnostic.advice(advice).in_rule(&second.map.name.text, Some(label)));
                refused.push(index);
                break;
            }
        }
    }
    for index in refused.into_iter().rev() {
        layers.remove(index);
    }
}
