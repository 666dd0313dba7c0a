//! What the files declare: systems with their schemas, value maps, maps.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use indexmap::IndexMap;

use super::layers::Layered;
use super::params;
use super::premise::Premises;
use super::uses::Project;
use super::{Given, SchemaProblem, Schemas, once};
use crate::diag::suggest::{is_ambiguous, nearest};
use crate::diag::{Diagnostic, Diagnostics, codes};
use crate::functions;
use crate::interp;
use crate::schema::profile::TextFacts;
use crate::schema::{Entity, Field, Profile, Schema, kinds};
use crate::source::{FileId, Span};
use crate::syntax::ast::{self, EntityMember, ExprKind, ItemKind, MapHead, TypeKind};
use crate::value::{EnumType, Kind, Member, Value};

/// Everything that has a name. The keys are those of [`Project::key`].
pub struct World<'a> {
    pub project: &'a Project,
    pub systems: IndexMap<String, System>,
    pub values: IndexMap<String, &'a ast::Values>,
    pub maps: IndexMap<String, MapInfo<'a>>,
    pub functions: IndexMap<String, &'a ast::Function>,
    pub isos: IndexMap<String, &'a ast::Iso>,
    pub params: IndexMap<String, Param>,
    pub tests: Vec<(&'a ast::Test, Span)>,
    /// Functions that are wrong, which was reported.
    pub broken: HashSet<String>,
    pub premises: Premises,
}

pub struct System {
    pub name: String,
    pub schema: Schema,
    pub profile: Profile,
    /// Where fields and entities stand that were declared in a file.
    pub places: HashMap<(String, String), Span>,
    /// The snapshot that the rest comes from.
    pub source: Option<String>,
    /// Its schema could not be read: nothing is said about its names.
    pub is_unknown: bool,
}

impl System {
    /// The field stands in a file, but its type is none, which was reported there.
    pub fn has_broken(&self, entity: &str, field: &str, known: &Entity) -> bool {
        !known.fields.contains_key(field) && self.places.contains_key(&(entity.to_owned(), field.to_owned()))
    }

    /// The system of functions, which belong to none.
    pub fn nameless() -> Self {
        Self {
            name: String::new(),
            schema: Schema::default(),
            profile: Profile::exact(),
            places: HashMap::new(),
            source: None,
            is_unknown: false,
        }
    }
}

pub struct MapInfo<'a> {
    pub map: &'a ast::Map,
    pub span: Span,
    /// It runs: it stands in the project, and no layer is built on it.
    pub is_active: bool,
    /// The layer that runs in its place, where there is one.
    pub layer: Option<String>,
    /// It runs itself, or in layers.
    pub runs: bool,
}

/// A parameter with the value that it has in this run.
pub struct Param {
    pub name: Span,
    pub kind: Kind,
    pub is_set: bool,
    /// `None`: it has none, and that was reported.
    pub values: Option<Vec<Value>>,
}

impl World<'_> {
    /// The key of the map that runs under this name.
    pub fn map_key(&self, path: &ast::Path) -> Option<String> {
        let key = self.project.key(path);
        let info = self.maps.get(&key)?;
        Some(info.layer.clone().unwrap_or(key))
    }

    /// The names of all keys as this file writes them.
    pub fn written<'k>(&self, file: FileId, keys: impl Iterator<Item = &'k String>) -> Vec<String> {
        self.project.written(file, keys.map(String::as_str))
    }
}

/// The systems with their schemas. What a layer declares of a system stands before what its base says.
pub fn systems(project: &Project, schemas: &dyn Schemas, diags: &mut Diagnostics) -> IndexMap<String, System> {
    let mut out = IndexMap::new();
    let files = project.order();
    let profiles = profiles(&files, diags);
    let mut own: HashSet<&str> = HashSet::new();
    for (file, item) in items(&files) {
        if let ItemKind::System { name, schema, profile } = &item.kind {
            let is_library = project.is_library(file);
            if is_library && own.contains(name.text.as_str()) {
                continue;
            }
            if !is_library {
                own.insert(&name.text);
            }
            system(&mut out, file, name, schema.as_ref(), profile.as_ref(), &profiles, schemas, diags);
        }
    }
    let mut declared = Vec::new();
    for (file, item) in items(&files) {
        if let ItemKind::Entity(entity) = &item.kind {
            let is_replaced = project.is_library(file) && own.contains(entity.path.segments[0].text.as_str());
            if !is_replaced {
                declare_entity(&mut out, entity, item, diags);
                declared.push(entity);
            }
        }
    }
    for field in declared.into_iter().flat_map(|it| &it.members) {
        if let EntityMember::Field(ast::EntityField { ty: ast::Type { kind: TypeKind::Lookup(paths), .. }, .. }) = field {
            paths.iter().filter_map(|path| no_target(&out, path)).for_each(|it| diags.push(it));
        }
    }
    out
}

/// What is wrong with the entity that a declared lookup names.
fn no_target(systems: &IndexMap<String, System>, path: &ast::Path) -> Option<Diagnostic> {
    let [system_name, name] = path.segments.as_slice() else { return None };
    let Some(system) = systems.get(&system_name.text) else {
        let known = systems.keys().map(String::as_str);
        return Some(unknown("system", &system_name.text, system_name.span, known, "not declared"));
    };
    if system.is_unknown || system.schema.entities.contains_key(&name.text) {
        return None;
    }
    let known = system.schema.entities.keys().map(String::as_str);
    let label = system.source.as_ref().map_or_else(|| "not declared".to_owned(), |it| format!("not in {it}"));
    let message = format!("this lookup leads to `{path}`, and there is no such entity");
    Some(Diagnostic { message, ..unknown("entity", &name.text, name.span, known, &label) })
}

/// Collects the declarations of all files; layers are merged already.
pub fn collect<'a>(
    project: &'a Project,
    systems: IndexMap<String, System>,
    layered: &'a [Layered],
    given: &Given,
    diags: &mut Diagnostics,
) -> World<'a> {
    let mut world = World {
        project,
        systems,
        values: IndexMap::new(),
        maps: IndexMap::new(),
        functions: IndexMap::new(),
        isos: IndexMap::new(),
        params: IndexMap::new(),
        tests: Vec::new(),
        broken: HashSet::new(),
        premises: given.premises,
    };
    let by_key: HashMap<&String, &Layered> = layered.iter().rev().map(|it| (&it.key, it)).collect();
    let mut above: HashMap<&String, Vec<&Layered>> = HashMap::new();
    for it in layered {
        it.bases.iter().for_each(|base| above.entry(base).or_default().push(it));
    }
    for (file, item) in project.files.iter().flat_map(|file| file.items.iter().map(move |item| (file.id, item))) {
        let key = |name: &ast::Name| project.own_key(file, &name.text);
        match &item.kind {
            ItemKind::Values(values) => {
                if let Some(first) = world.values.insert(key(&values.name), values) {
                    twice(&values.name, "value map", Some(first.name.span), diags);
                }
            }
            ItemKind::Map(map) => {
                once::check(map, diags);
                let key = key(&map.name);
                let map = match &map.head {
                    MapHead::Sides { .. } => Some(map),
                    MapHead::Extends(_) => by_key.get(&key).map(|it| &it.map),
                };
                // A layer without a base was reported where layers are merged.
                let Some(map) = map else { continue };
                let layers = above.get(&key);
                let is_active = !project.is_library(file) && layers.is_none();
                let running: Vec<&Layered> = layers.into_iter().flatten().copied().filter(|it| it.is_active).collect();
                let runs = is_active || !running.is_empty();
                let layer = if let [one] = running.as_slice() { Some(one.key.clone()) } else { None };
                if let Some(first) = world.maps.insert(key, MapInfo { map, span: item.span, is_active, layer, runs }) {
                    twice(&map.name, "map", Some(first.map.name.span), diags);
                }
            }
            // What a library tests, its own project does.
            ItemKind::Test(_) if project.is_library(file) => {}
            ItemKind::Test(test) => world.tests.push((test, item.span)),
            ItemKind::Function(function) => {
                if functions::find(&function.name.text).is_some() {
                    twice(&function.name, "function", None, diags);
                } else if let Some(first) = world.functions.insert(key(&function.name), function) {
                    twice(&function.name, "function", Some(first.name.span), diags);
                }
            }
            ItemKind::Iso(iso) => {
                let function = world.functions.get(&key(&iso.name)).map(|it| it.name.span);
                if functions::find(&iso.name.text).is_some() {
                    twice(&iso.name, "function", None, diags);
                } else if let Some(first) = function.or(world.isos.insert(key(&iso.name), iso).map(|it| it.name.span)) {
                    twice(&iso.name, "function", Some(first), diags);
                }
            }
            ItemKind::Param { name, ty, default } => {
                if let Some(param) = params::lower(name, ty, default.as_ref(), given, diags)
                    && let Some(first) = world.params.insert(key(name), param)
                {
                    twice(name, "parameter", Some(first.name), diags);
                }
            }
            ItemKind::System { .. } | ItemKind::Entity(_) | ItemKind::Profile(_) | ItemKind::Use { .. } => {}
        }
    }
    params::unknown_settings(&world, given, diags);
    count_maps(&mut world.maps, diags);
    world
}

/// Most maps that run, and most of them on one entity: each is compared with all others on it.
const MAPS_MAX: usize = 5_000;
const MAPS_OF_AN_ENTITY_MAX: usize = 300;

/// Maps past the limits do not run; the first of them is reported.
fn count_maps(maps: &mut IndexMap<String, MapInfo<'_>>, diags: &mut Diagnostics) {
    let (mut all, mut of_entity, mut is_said) = (0, HashMap::<String, usize>::new(), false);
    for info in maps.values_mut().filter(|it| it.is_active) {
        let MapHead::Sides { left, right, .. } = &info.map.head else { continue };
        all += 1;
        let counts = [left, right].map(|it| {
            let count = of_entity.entry(it.to_string()).or_default();
            *count += 1;
            *count
        });
        let message = match counts.into_iter().max().filter(|it| *it > MAPS_OF_AN_ENTITY_MAX) {
            Some(_) => format!("there are more than {MAPS_OF_AN_ENTITY_MAX} maps on one entity"),
            None if all > MAPS_MAX => format!("there are more than {MAPS_MAX} maps in the project"),
            None => continue,
        };
        info.is_active = false;
        if !std::mem::replace(&mut is_said, true) {
            let diagnostic = Diagnostic::new(codes::SYNTAX, info.map.name.span, message, "the first map too many");
            diags.push(diagnostic.advice("make one map of several, or divide the project"));
        }
    }
}

fn items<'a>(files: &[&'a ast::File]) -> impl Iterator<Item = (FileId, &'a ast::Item)> {
    files.iter().flat_map(|file| file.items.iter().map(move |item| (file.id, item)))
}

/// `first`: where the other one stands; a function may be one of the language.
fn twice(name: &ast::Name, what: &str, first: Option<Span>, diags: &mut Diagnostics) {
    let message = match first {
        Some(_) => format!("there are two {what}s named `{}`", name.text),
        None => format!("the language has a {what} `{}`", name.text),
    };
    let label = if first.is_some() { "the second one" } else { "named like it" };
    let mut diagnostic = Diagnostic::new(codes::SYNTAX, name.span, message, label);
    if let Some(first) = first {
        diagnostic = diagnostic.because(first, "the first one");
    }
    diags.push(diagnostic.advice("give one of them another name"));
}

/// A part of the language that this version does not carry out. It says so instead of doing something else.
pub fn not_yet(span: Span, what: &str, diags: &mut Diagnostics) {
    let message = format!("{what} is understood, but not carried out by this version of dwmap");
    diags.push(Diagnostic::new(codes::SYNTAX, span, message, "not carried out yet"));
}

#[expect(clippy::too_many_arguments, reason = "the parts of one item, used once")]
fn system(
    systems: &mut IndexMap<String, System>,
    file: FileId,
    name: &ast::Name,
    schema: Option<&ast::Quoted>,
    profile: Option<&ast::Name>,
    profiles: &IndexMap<String, Profile>,
    schemas: &dyn Schemas,
    diags: &mut Diagnostics,
) {
    let profile = match profile {
        None => Profile::exact(),
        Some(named) => match profiles.get(&named.text).cloned().or_else(|| Profile::built_in(&named.text)) {
            Some(profile) => profile,
            None => {
                let known = Profile::BUILT_IN.iter().copied().chain(profiles.keys().map(String::as_str));
                let known: Vec<&str> = known.collect();
                diags.push(unknown("profile", &named.text, named.span, known.iter().copied(), "no such profile"));
                // What follows is said of the profile that was meant.
                let meant = nearest(&named.text, known);
                meant.and_then(|it| profiles.get(it).cloned().or_else(|| Profile::built_in(it))).unwrap_or_else(Profile::exact)
            }
        },
    };
    let (loaded, is_unknown) = match schema {
        None => (Schema::default(), false),
        Some(path) => match schemas.load(file, &path.text) {
            Ok(schema) => (Arc::unwrap_or_clone(schema), false),
            Err(problem) => {
                diags.push(schema_problem(path, &problem));
                (Schema::default(), true)
            }
        },
    };
    if let Some(known) = systems.get_mut(&name.text) {
        // Each file names its systems; the same name is the same system.
        for (entity, it) in loaded.entities {
            known.schema.entities.entry(entity).or_insert(it);
        }
        known.schema.enums.extend(loaded.enums);
        known.is_unknown |= is_unknown;
        return;
    }
    let system = System {
        name: name.text.clone(),
        schema: loaded,
        profile,
        places: HashMap::new(),
        source: schema.map(|it| it.text.clone()),
        is_unknown,
    };
    systems.insert(name.text.clone(), system);
}

fn schema_problem(path: &ast::Quoted, problem: &SchemaProblem) -> Diagnostic {
    let (message, advice) = match problem {
        SchemaProblem::Missing(tried) => (
            format!("there is no schema `{}`", path.text),
            format!("put the snapshot at {tried}, or declare the entities in this file with `entity`"),
        ),
        SchemaProblem::Unreadable(why) => {
            (format!("the schema `{}` cannot be read: {why}", path.text), "mend the file, or make the snapshot again".to_owned())
        }
        SchemaProblem::LockMismatch { locked, found } => (
            format!("the schema `{}` is not the one that dwmap.lock names ({found} instead of {locked})", path.text),
            "review what changed, then run `dwmap schema lock`".to_owned(),
        ),
        SchemaProblem::NotLocked(file) => (
            format!("the schema `{}` is not among those that dwmap.lock names", path.text),
            format!("review the snapshot, then run `dwmap schema lock {file}` where dwmap.lock stands"),
        ),
    };
    Diagnostic::new(codes::SCHEMA, path.span, message, "named here").advice(advice)
}

/// Most names that a message lists.
const LISTED_MAX: usize = 20;

/// A name that does not exist, with the nearest one that does; where none is near, with those that there are.
pub fn unknown<'n>(what: &str, word: &str, span: Span, known: impl IntoIterator<Item = &'n str>, label: &str) -> Diagnostic {
    let diagnostic = Diagnostic::new(codes::UNKNOWN_NAME, span, format!("there is no {what} `{word}`"), label);
    let known: Vec<&str> = known.into_iter().collect();
    match nearest(word, known.iter().copied()) {
        Some(name) => diagnostic.replace(format!("`{name}`"), span, name, !is_ambiguous(word, known)),
        None if known.is_empty() || known.len() > LISTED_MAX => diagnostic,
        None => diagnostic.note("there are", known.join(", ")),
    }
}

fn profiles(files: &[&ast::File], diags: &mut Diagnostics) -> IndexMap<String, Profile> {
    let mut out = IndexMap::new();
    for (_, item) in items(files) {
        if let ItemKind::Profile(profile) = &item.kind {
            out.insert(profile.name.text.clone(), lower_profile(profile, diags));
        }
    }
    out
}

/// Units of the widest text that a store fills up with blanks.
const PADDED_MAX: u32 = 8_000;

fn lower_profile(profile: &ast::Profile, diags: &mut Diagnostics) -> Profile {
    let mut out = Profile { name: profile.name.text.clone(), ..Profile::exact() };
    for line in &profile.facts {
        for fact in &line.facts {
            let words: Vec<&str> = fact.iter().map(|it| it.text.as_str()).collect();
            if !apply_fact(&mut out, &line.kind.text, &words) {
                let message = format!("`{}: {}` is no fact that a profile can state", line.kind.text, words.join(" "));
                let span = fact.first().map_or(line.kind.span, |it| it.span);
                diags.push(Diagnostic::new(codes::UNKNOWN_NAME, span, message, "this fact").advice(
                    "text: null is blank, blank is null, padded N (at most 8000), trailing blanks dropped, leading blanks dropped, upper, lower, compare ignoring case, \
                     compare ignoring trailing blanks; date: null is YYYY-MM-DD; datetime: precision 1s | 1ms; decimal: scale N",
                ));
            }
        }
    }
    out
}

fn apply_fact(profile: &mut Profile, kind: &str, words: &[&str]) -> bool {
    let text: &mut TextFacts = &mut profile.text;
    match (kind, words) {
        ("text", ["null", "is", "blank"]) => text.null_is_blank = true,
        ("text", ["blank", "is", "null"]) => text.blank_is_null = true,
        ("text", ["padded", length]) => match length.parse() {
            Ok(length @ 0..=PADDED_MAX) => text.padded = Some(length),
            Ok(_) | Err(_) => return false,
        },
        ("text", ["trailing", "blanks", "dropped"]) => text.trailing_blanks_dropped = true,
        ("text", ["leading", "blanks", "dropped"]) => text.leading_blanks_dropped = true,
        ("text", ["upper"]) => text.upper = true,
        ("text", ["lower"]) => text.lower = true,
        ("text", ["compare", "ignoring", "case"]) => text.compare_ignoring_case = true,
        ("text", ["compare", "ignoring", "trailing", "blanks"]) => text.compare_ignoring_trailing_blanks = true,
        ("date", ["null", "is", date]) => match date.parse() {
            Ok(date) => profile.null_date = Some(date),
            Err(_) => return false,
        },
        ("datetime", ["precision", "1s"]) => profile.datetime_step_us = 1_000_000,
        ("datetime", ["precision", "1ms"]) => profile.datetime_step_us = 1_000,
        ("decimal", ["scale", scale]) => match scale.parse() {
            Ok(scale) => profile.decimal_scale = Some(scale),
            Err(_) => return false,
        },
        _ => return false,
    }
    true
}

fn declare_entity(systems: &mut IndexMap<String, System>, entity: &ast::Entity, item: &ast::Item, diags: &mut Diagnostics) {
    let [system_name, name] = entity.path.segments.as_slice() else {
        let message = "an entity is named by its system and its own name";
        diags.push(
            Diagnostic::new(codes::SYNTAX, entity.path.span, message, "this name").advice("write `entity SYSTEM.Name { … }`"),
        );
        return;
    };
    let known: Vec<String> = systems.keys().cloned().collect();
    let Some(system) = systems.get_mut(&system_name.text) else {
        let diagnostic = unknown("system", &system_name.text, system_name.span, known.iter().map(String::as_str), "not declared");
        let name = &system_name.text;
        diags.push(diagnostic.advice(format!("declare it: `system {name} profile PROFILE`, or `system {name} from \"SCHEMA\"`")));
        // Once is enough.
        systems.insert(name.clone(), System { name: name.clone(), is_unknown: true, ..System::nameless() });
        return;
    };
    if system.is_unknown {
        return;
    }
    let mut declared = system.schema.entities.swap_remove(&name.text).unwrap_or_default();
    declared.name.clone_from(&name.text);
    if !item.docs.is_empty() {
        declared.doc = Some(item.docs.join(" "));
    }
    for member in &entity.members {
        match member {
            EntityMember::Unique { is_primary, fields, .. } => {
                let fields: Vec<String> = fields.iter().map(|it| it.text.clone()).collect();
                match is_primary {
                    true => declared.key = fields,
                    false if !declared.unique.contains(&fields) => declared.unique.push(fields),
                    false => {}
                }
            }
            EntityMember::Field(field) => {
                let first = system.places.insert((name.text.clone(), field.name.text.clone()), field.name.span);
                let before = declared.fields.get(&field.name.text).cloned().zip(first);
                declare_field(&mut declared, field, &name.text, &mut system.schema, diags);
                let now = declared.fields.get(&field.name.text);
                if let (Some((before, first)), Some(now)) = (before, now)
                    && !is_same(&before, now)
                {
                    diags.push(declared_otherwise(field, &before, first));
                }
            }
        }
    }
    let keys = entity.members.iter().filter_map(|it| match it {
        EntityMember::Unique { fields, .. } => Some(fields),
        EntityMember::Field(_) => None,
    });
    let is_declared = |it: &str| declared.fields.contains_key(it) || system.has_broken(&name.text, it, &declared);
    for missing in keys.flatten().filter(|it| !is_declared(&it.text)) {
        let known = declared.fields.keys().map(String::as_str);
        diags.push(unknown("field", &missing.text, missing.span, known, "a key of this entity names it"));
    }
    system.schema.entities.insert(name.text.clone(), declared);
}

/// The field as it stands in two pieces of an entity.
fn is_same(first: &Field, second: &Field) -> bool {
    let facts = |it: &Field| (it.kind.clone(), it.nullable, it.required, it.readonly, it.modified);
    facts(first) == facts(second)
}

fn declared_otherwise(field: &ast::EntityField, before: &Field, first: Span) -> Diagnostic {
    let null = if before.nullable { "?" } else { "" };
    let message = format!("`{}` is declared twice, and not alike", field.name.text);
    Diagnostic::new(codes::SYNTAX, field.name.span, message, "the second one")
        .because(first, format!("`{}{null}` here", before.kind))
        .advice("leave one of them out, or let both say the same")
}

fn declare_field(entity: &mut Entity, field: &ast::EntityField, owner: &str, schema: &mut Schema, diags: &mut Diagnostics) {
    let Some(kind) = lower_type(&field.ty, &format!("{owner}.{}", field.name.text), schema, diags) else { return };
    let marked = |mark: &str| field.marks.iter().any(|it| it.text == mark);
    for mark in field.marks.iter().filter(|it| !matches!(it.text.as_str(), "required" | "readonly" | "modified")) {
        diags.push(unknown("mark", &mark.text, mark.span, ["required", "readonly", "modified"], "no such mark"));
    }
    let name = field.name.text.clone();
    if field.is_partition {
        entity.partition = Some(name.clone());
    }
    // An entity may be declared in several pieces, and a piece may come again.
    if (field.is_key || field.is_partition) && !entity.key.contains(&name) {
        entity.key.push(name.clone());
    }
    let own = vec![name.clone()];
    if field.is_unique && !entity.unique.contains(&own) {
        entity.unique.push(own);
    }
    let doc = (!field.docs.is_empty()).then(|| field.docs.join(" "));
    let field = Field {
        name: name.clone(),
        kind,
        nullable: field.ty.nullable,
        required: marked("required"),
        readonly: marked("readonly"),
        modified: marked("modified"),
        meaning: entity.fields.get(&name).and_then(|it| it.meaning),
        doc,
    };
    entity.fields.insert(name, field);
}

/// A written type as a kind; enums declared in place get the field's name.
pub fn lower_type(ty: &ast::Type, owner: &str, schema: &Schema, diags: &mut Diagnostics) -> Option<Kind> {
    match &ty.kind {
        TypeKind::Lookup(paths) => {
            let target = |it: &ast::Path| it.segments.last().expect("a path is never empty").text.clone();
            Some(Kind::Lookup(paths.iter().map(target).collect()))
        }
        TypeKind::Members { word, members } => {
            let numbered = |(name, value): &(ast::Name, Option<ast::Expr>)| {
                let value = match value.as_ref().map(|it| &it.kind) {
                    None => Value::text(&name.text),
                    Some(ExprKind::Number(number)) => interp::convert(&Kind::Int64, &Value::text(number)).unwrap_or(Value::Null),
                    Some(ExprKind::Text(text)) => Value::text(text),
                    Some(_) => Value::Null,
                };
                Member { name: name.text.clone(), value }
            };
            let open = word.text == "choice";
            let mut listed: Vec<Member> = members.iter().map(numbered).collect();
            let mut by_value: BTreeMap<Value, usize> = BTreeMap::new();
            for (index, (name, _)) in members.iter().enumerate() {
                let first = *by_value.entry(listed[index].value.clone()).or_insert(index);
                if listed[first].name != name.text {
                    let message = format!("`{}` and `{}` have one number", listed[first].name, name.text);
                    let diagnostic = Diagnostic::new(codes::SYNTAX, name.span, message, "the second of them");
                    diags.push(
                        diagnostic.because(members[first].0.span, "the first").advice("give each member a number of its own"),
                    );
                    // So that nothing is said of the rows of value maps that name it.
                    listed[index].value = Value::text(&name.text);
                }
            }
            let members = Arc::new(EnumType { name: owner.to_owned(), open, members: listed });
            Some(if word.text == "choices" { Kind::Choices(members) } else { Kind::Enum(members) })
        }
        TypeKind::Set(inner) => {
            not_yet(inner.span, "a set as a field's type", diags);
            None
        }
        TypeKind::Named { path, arguments } => {
            let name = path.segments.last().expect("a path is never empty");
            let kind =
                kinds::built_in(&name.text, arguments).or_else(|| schema.enums.get(&name.text).map(|it| Kind::Enum(it.clone())));
            if kind.is_none() {
                diags.push(no_type(&name.text, ty.span, schema));
            }
            kind
        }
    }
}

fn no_type(name: &str, span: Span, schema: &Schema) -> Diagnostic {
    if let Some(form) = kinds::form(name) {
        let message = format!("`{name}` is not written so");
        return Diagnostic::new(codes::UNKNOWN_NAME, span, message, "not a type").advice(format!("write {form}"));
    }
    let known = kinds::BUILT_IN.iter().copied().chain(schema.enums.keys().map(String::as_str));
    unknown("type", name, span, known, "no such type")
}
