//! What is remembered between two checks of one project, so that after an edit only the maps that it concerns are looked at again.
//!
//! The simplest that works, and no more: a map's part is kept under a digest of everything it was worked out from. That is its own
//! text with its place, the texts of the maps that it refers to, and the surroundings: everything that is declared and is no map,
//! and which maps there are. Where the surroundings change, all is forgotten. What maps mean to each other is always worked out
//! anew, from the parts. A check without a memory is one with an empty memory, so there are no two ways that could differ.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use indexmap::IndexMap;
use sha2::{Digest as _, Sha256};

use super::built::{Built, Role, Written};
use super::layers::{self, Layered};
use super::names::{self, MapInfo, System, World};
use super::policy::{self, Writers};
use super::table::{self, Rows};
use super::usage::{self, Used};
use super::uses::Project;
use super::{Given, Schemas, build, functions, graph, laws, tests};
use crate::crew;
use crate::diag::{Diagnostic, Diagnostics, codes};
use crate::ir;
use crate::source::{Sources, Span};
use crate::syntax::ast::{self, ClauseKind, ItemKind, MapHead, Member, MemberKind, Rule};

/// Maps that are looked at by one hand before it takes others.
const MAPS_AT_A_TIME: usize = 8;
/// Maps whose texts are digested by one hand before it takes others.
const TEXTS_AT_A_TIME: usize = 64;

type Digest = [u8; 32];

/// What earlier checks found out. It grows with the project and not with the number of checks.
#[derive(Default)]
pub struct Memory {
    verdicts: laws::Verdicts,
    declared: Option<Declared>,
    /// What all parts were worked out from, besides the maps.
    surroundings: Digest,
    parts: HashMap<String, Part>,
    used: HashMap<String, (Digest, Arc<Used>)>,
}

/// What the items that are no maps declare.
struct Declared {
    digest: Digest,
    systems: IndexMap<String, System>,
    of_systems: Vec<Diagnostic>,
    /// Wrong functions, and what is said of them; `None`: not looked at yet.
    broken: Option<(HashSet<String>, Vec<Diagnostic>)>,
}

/// What one map comes to by itself.
struct Part {
    own: Digest,
    /// The maps that it refers to, at whatever distance.
    near: Vec<(String, Digest)>,
    map: Option<Kept>,
    said: Arc<Said>,
}

/// A [`Built`] without its tree.
struct Kept {
    plan: Arc<ir::Plan>,
    /// The place of each rule among all of the tree.
    rules: Vec<(usize, Role, Span)>,
    is_partial: bool,
    is_wrong: bool,
}

/// What is said of a map by itself, by the stage that says it.
struct Said {
    lowered: Vec<Diagnostic>,
    laws: Vec<laws::Told>,
    policies: Vec<Diagnostic>,
    writers: Option<Writers>,
}

/// What a check came to, before it is put together.
pub struct Judged<'a> {
    pub world: &'a World<'a>,
    pub layered: &'a [Layered],
    pub built: Vec<Built<'a>>,
    pub wrong: Vec<Built<'a>>,
    pub tests: Vec<ir::Test>,
}

impl Memory {
    /// Checks a project; what follows from it is up to the caller.
    pub fn judge<R>(
        &mut self,
        project: &Project,
        given: &Given,
        sources: &Sources,
        schemas: &dyn Schemas,
        diags: &mut Diagnostics,
        finish: impl FnOnce(Judged<'_>) -> R,
    ) -> R {
        let mut declared = self.declared(project, sources, schemas);
        declared.of_systems.iter().for_each(|it| diags.push(it.clone()));
        let layered = layers::merge(project, sources, &declared.systems, given, diags);
        let mut world = names::collect(project, std::mem::take(&mut declared.systems), &layered, given, diags);
        let (broken, of_functions) = declared.broken.take().unwrap_or_else(|| {
            let mut found = Diagnostics::default();
            (functions::check(&world, sources, &mut found), found.into_list())
        });
        of_functions.iter().for_each(|it| diags.push(it.clone()));
        world.broken.clone_from(&broken);
        let out = self.judge_maps(&world, &layered, &declared.digest, given, sources, diags, finish);
        leave_out_unread(project, sources, diags);
        let systems = world.systems;
        self.declared = Some(Declared { systems, broken: Some((broken, of_functions)), ..declared });
        out
    }

    #[expect(clippy::too_many_arguments, reason = "the second half of `judge`, which holds all of this")]
    fn judge_maps<'a, R>(
        &mut self,
        world: &'a World<'a>,
        layered: &'a [Layered],
        declared: &Digest,
        given: &Given,
        sources: &'a Sources,
        diags: &mut Diagnostics,
        finish: impl FnOnce(Judged<'a>) -> R,
    ) -> R {
        let own: HashMap<&str, Digest> = digests(world, sources);
        let surroundings = surroundings(world, given, sources, declared);
        if self.surroundings != surroundings {
            (self.parts, self.used) = (HashMap::new(), HashMap::new());
            self.surroundings = surroundings;
        }
        let used = self.used(world, &own);
        let values = table::collect(world, &used.keys, diags);
        let (mut built, said) = self.parts(world, &values, &own, sources, diags);
        let told: Vec<&[laws::Told]> = said.iter().map(|it| it.laws.as_slice()).collect();
        laws::tell(&mut built, &told, diags);
        said.iter().flat_map(|it| &it.policies).for_each(|it| diags.push(it.clone()));
        let writers: Vec<&Writers> = said.iter().filter_map(|it| it.writers.as_ref()).collect();
        policy::together(world, &mut built, &writers, given.required, diags);
        usage::check(world, &used, diags);
        graph::defer(world, &mut built, diags);
        let (wrong, mut built): (Vec<Built<'a>>, Vec<Built<'a>>) = built.into_iter().partition(|it| it.is_wrong);
        graph::adopt(&mut built);
        let tests = tests::lower(world, sources, &mut built, diags);
        finish(Judged { world, layered, built, wrong, tests })
    }

    fn declared(&mut self, project: &Project, sources: &Sources, schemas: &dyn Schemas) -> Declared {
        let digest = declarations(project, sources);
        if let Some(known) = self.declared.take().filter(|it| it.digest == digest) {
            return known;
        }
        let mut found = Diagnostics::default();
        let systems = names::systems(project, schemas, &mut found);
        Declared { digest, systems, of_systems: found.into_list(), broken: None }
    }

    /// What is used by anything that runs.
    fn used(&mut self, world: &World<'_>, own: &HashMap<&str, Digest>) -> Used {
        let active: Vec<(&String, &MapInfo<'_>)> = world.maps.iter().filter(|(_, it)| it.is_active).collect();
        let of_map = |(key, info): &(&String, &MapInfo<'_>)| {
            let digest = own[key.as_str()];
            let known = self.used.get(*key).filter(|(it, _)| *it == digest);
            (digest, known.map_or_else(|| Arc::new(usage::of_map(world, info.map)), |(_, it)| it.clone()))
        };
        let found = crew::each(&active, MAPS_AT_A_TIME, of_map);
        self.used = active.iter().zip(found).map(|((key, _), it)| ((*key).clone(), it)).collect();
        usage::together(world, self.used.values().map(|(_, it)| &**it))
    }

    /// Every map that runs with what is said of it; what is said of maps that have no plan is said here.
    fn parts<'a>(
        &mut self,
        world: &'a World<'a>,
        values: &IndexMap<String, Option<Rows>>,
        own: &HashMap<&str, Digest>,
        sources: &'a Sources,
        diags: &mut Diagnostics,
    ) -> (Vec<Built<'a>>, Vec<Arc<Said>>) {
        let active: Vec<(&String, &'a MapInfo<'a>)> = world.maps.iter().filter(|(_, it)| it.is_active).collect();
        let part = |(key, info): &(&String, &'a MapInfo<'a>)| {
            let is_same = |(key, digest): &(String, Digest)| own.get(key.as_str()) == Some(digest);
            let known = self.parts.get(*key).filter(|it| it.own == own[key.as_str()] && it.near.iter().all(is_same));
            match known {
                Some(part) => (part.map.as_ref().map(|it| it.again(info.map)), part.said.clone(), None),
                None => {
                    let (built, said) = one(world, sources, values, info, &self.verdicts);
                    let near = near(world, info.map).into_iter().map(|it| (it.clone(), own[it.as_str()])).collect();
                    (built, Arc::new(said), Some(near))
                }
            }
        };
        let found = crew::each(&active, MAPS_AT_A_TIME, part);
        let mut before = std::mem::take(&mut self.parts);
        let mut out = (Vec::with_capacity(found.len()), Vec::with_capacity(found.len()));
        for ((key, info), (built, said, near)) in active.into_iter().zip(found) {
            said.lowered.iter().for_each(|it| diags.push(it.clone()));
            let part = match near {
                Some(near) => {
                    let map = built.as_ref().map(|it| Kept::of(it, info.map));
                    Some(Part { own: own[key.as_str()], near, map, said: said.clone() })
                }
                None => before.remove(key),
            };
            self.parts.extend(part.map(|it| (key.clone(), it)));
            if let Some(built) = built {
                out.0.push(built);
                out.1.push(said);
            }
        }
        out
    }
}

impl Kept {
    fn of(built: &Built<'_>, map: &ast::Map) -> Self {
        let places: HashMap<*const Rule, usize> =
            rules(&map.members).into_iter().enumerate().map(|(place, it)| (std::ptr::from_ref(it), place)).collect();
        let rule = |it: &Written<'_>| (places[&std::ptr::from_ref(it.rule)], it.role, it.span);
        Self {
            plan: built.plan.clone(),
            rules: built.rules.iter().map(rule).collect(),
            is_partial: built.is_partial,
            is_wrong: built.is_wrong,
        }
    }

    /// The same with a tree that was made of the same text.
    fn again<'a>(&self, map: &'a ast::Map) -> Built<'a> {
        let tree = rules(&map.members);
        let rules = self.rules.iter().map(|(place, role, span)| Written { rule: tree[*place], role: *role, span: *span });
        let (is_partial, is_wrong) = (self.is_partial, self.is_wrong);
        Built { plan: self.plan.clone(), map, rules: rules.collect(), is_partial, is_wrong }
    }
}

/// A map by itself: lowered, its laws decided, its own policies asked for.
fn one<'a>(
    world: &'a World<'a>,
    sources: &'a Sources,
    values: &IndexMap<String, Option<Rows>>,
    info: &MapInfo<'a>,
    verdicts: &laws::Verdicts,
) -> (Option<Built<'a>>, Said) {
    let mut diags = Diagnostics::default();
    let mut built = build::map(world, sources, values, info, &mut diags);
    let mut said = Said { lowered: diags.into_list(), laws: Vec::new(), policies: Vec::new(), writers: None };
    if let Some(it) = &mut built {
        said.laws = laws::decide(world, it, verdicts, sources);
        said.policies = policy::of_map(world, it);
        said.writers = Some(policy::writers_of(it));
    }
    (built, said)
}

/// Every rule of a map, in the order of the text.
fn rules(members: &[Member]) -> Vec<&Rule> {
    fn collect<'a>(members: &'a [Member], out: &mut Vec<&'a Rule>) {
        for member in members {
            match &member.kind {
                MemberKind::Partition(rule)
                | MemberKind::Key(rule)
                | MemberKind::Rule(rule)
                | MemberKind::Override { rule, .. } => out.push(rule),
                MemberKind::For { members, .. } => collect(members, out),
                MemberKind::Version(_)
                | MemberKind::PartitionIn(_)
                | MemberKind::Filter { .. }
                | MemberKind::Drop { .. }
                | MemberKind::Seal(_)
                | MemberKind::Policy(_) => {}
            }
        }
    }
    let mut out = Vec::new();
    collect(members, &mut out);
    out
}

/// The maps that a map refers to, those that these refer to, and so on.
fn near<'w>(world: &'w World<'_>, map: &ast::Map) -> HashSet<&'w String> {
    let (mut out, mut todo) = (HashSet::new(), vec![map]);
    while let Some(next) = todo.pop() {
        for clause in rules(&next.members).into_iter().flat_map(|it| &it.clauses) {
            let ClauseKind::Via(path) = &clause.kind else { continue };
            let known = world.map_key(path).and_then(|it| world.maps.get_key_value(&it));
            if let Some((key, info)) = known
                && out.insert(key)
            {
                todo.push(info.map);
            }
        }
    }
    out
}

/// Collects what something is worked out from.
struct Digester(Sha256);

impl Digester {
    fn new() -> Self {
        Self(Sha256::new())
    }

    /// With its length, so that no two lists of texts look the same.
    fn text(&mut self, text: &str) {
        self.number(text.len());
        self.0.update(text.as_bytes());
    }

    fn number(&mut self, number: usize) {
        self.0.update((number as u64).to_le_bytes());
    }

    /// A piece of text with the place that messages show.
    fn piece(&mut self, sources: &Sources, span: Span) {
        let place = [span.file.0 as usize, span.start as usize, sources.position(span).line];
        place.into_iter().for_each(|it| self.number(it));
        self.text(sources.text(span));
    }

    fn finish(self) -> Digest {
        self.0.finalize().into()
    }
}

/// Of all items that are no maps and no tests.
fn declarations(project: &Project, sources: &Sources) -> Digest {
    let mut out = Digester::new();
    for file in &project.files {
        out.text(&sources.file(file.id).name);
        out.number(file.id.0 as usize);
        out.number(usize::from(project.is_library(file.id)));
        for item in &file.items {
            match &item.kind {
                ItemKind::Map(_) | ItemKind::Test(_) => {}
                ItemKind::Use { .. }
                | ItemKind::System { .. }
                | ItemKind::Function(_)
                | ItemKind::Iso(_)
                | ItemKind::Param { .. }
                | ItemKind::Profile(_)
                | ItemKind::Entity(_)
                | ItemKind::Values(_) => {
                    item.docs.iter().for_each(|it| out.text(it));
                    out.piece(sources, item.span);
                }
            }
        }
        // Lines that did not parse are in the texts, unless there were too many before them.
        out.number(usize::from(file.is_broken));
    }
    out.finish()
}

/// A name that stands in a line that did not parse may be declared there: that line has its message, and the name needs none.
fn leave_out_unread(project: &Project, sources: &Sources, diags: &mut Diagnostics) {
    let unread = |word: &str| project.files.iter().any(|it| it.unread.contains(word));
    if project.files.iter().any(|it| !it.unread.is_empty()) {
        let names_missing = [codes::UNKNOWN_NAME, codes::LOOKUP, codes::NO_SUCH_RULE];
        diags.leave_out(|it| {
            let name = sources.text(it.primary()).rsplit('.').next().unwrap_or_default();
            names_missing.contains(&it.code) && unread(name.trim_matches('`'))
        });
    }
}

/// Of everything that a map is worked out from, but for maps.
fn surroundings(world: &World<'_>, given: &Given, sources: &Sources, declared: &Digest) -> Digest {
    let mut out = Digester::new();
    out.0.update(declared);
    out.text(&format!("{:?} {:?}", given.params, given.premises));
    for (key, info) in &world.maps {
        out.text(key);
        out.number(usize::from(info.is_active));
        out.text(info.layer.as_deref().unwrap_or_default());
        head(&mut out, &info.map.head, sources);
    }
    for key in world.values.keys() {
        out.text(key);
    }
    out.finish()
}

fn head(out: &mut Digester, head: &MapHead, sources: &Sources) {
    match head {
        MapHead::Sides { left, arrow, right, .. } => {
            [sources.text(left.span), arrow.text(), sources.text(right.span)].into_iter().for_each(|it| out.text(it));
        }
        MapHead::Extends(base) => out.text(sources.text(base.span)),
    }
}

/// Of every map, by its key.
fn digests<'w>(world: &'w World<'_>, sources: &Sources) -> HashMap<&'w str, Digest> {
    let maps: Vec<(&String, &MapInfo<'_>)> = world.maps.iter().collect();
    let digests = crew::each(&maps, TEXTS_AT_A_TIME, |(_, it)| own(it, sources));
    maps.into_iter().zip(digests).map(|((key, _), it)| (key.as_str(), it)).collect()
}

/// Of a map alone: its text; for a layer, that of every line that it has or took over.
fn own(info: &MapInfo<'_>, sources: &Sources) -> Digest {
    let mut out = Digester::new();
    out.piece(sources, info.span);
    head(&mut out, &info.map.head, sources);
    // Too many errors before it in its file leave lines out.
    out.number(usize::from(info.map.is_broken));
    out.number(rules(&info.map.members).len());
    let is_within =
        |it: &Member| it.span.file == info.span.file && info.span.start <= it.span.start && it.span.end <= info.span.end;
    if !info.map.members.iter().all(is_within) {
        lines(&mut out, &info.map.members, sources);
    }
    out.finish()
}

fn lines(out: &mut Digester, members: &[Member], sources: &Sources) {
    out.number(members.len());
    for member in members {
        out.piece(sources, member.span);
        if let MemberKind::For { members, .. } = &member.kind {
            lines(out, members, sources);
        }
    }
}
