//! References: which row a lookup means, and the unique key that stands for it on the other side.

use super::expr::{Typed, bare, single};
use super::fit;
use super::layers::squeezed;
use super::names::{MapInfo, System, World, unknown};
use super::scope::{Fields, Scope};
use crate::change::{Side, Sides};
use crate::diag::{Diagnostic, codes};
use crate::ir::{RefColumn, RefId, RefTarget, Reference};
use crate::schema::Entity;
use crate::source::Span;
use crate::syntax::ast::{self, ClauseKind, ExprKind, MapHead, MemberKind, TableKey};
use crate::value::Kind;

/// Most references that one key column leads through.
const DEPTH_MAX: u32 = 8;

/// A reference of the plan, and the kinds of the key that rules see.
pub struct Referred {
    pub id: RefId,
    pub kinds: Vec<Kind>,
}

/// One key column: its field, and what it refers to itself.
pub(super) struct Column {
    field: String,
    via: Option<Box<RefTarget>>,
    pub(super) kind: Kind,
}

/// Why there is no such key: text and place, not yet reported.
pub(super) type Problem = Diagnostic;

impl Scope<'_, '_> {
    /// `via dv.table(column, a.b) | …` for the lookup that this end holds.
    pub fn refer_to_tables(&mut self, side: Side, end: &ast::Expr, kind: &Kind, keys: &[TableKey]) -> Option<Referred> {
        if self.leads_nowhere(side, end, kind) {
            self.is_wrong = true;
            return None;
        }
        let mut targets = Vec::new();
        let mut kinds: Vec<Kind> = Vec::new();
        let mut is_partitioned = false;
        for key in keys {
            let (target, own_kinds, partitioned) = match self.table_target(side, end, kind, key) {
                Ok(it) => it,
                Err(problem) => {
                    self.report(*problem);
                    return None;
                }
            };
            if !targets.is_empty()
                && (own_kinds.len() != kinds.len() || own_kinds.iter().zip(&kinds).any(|(a, b)| fit::join(a, b).is_none()))
            {
                let message = "the tables of one `via` have keys of one form";
                self.error(codes::LOOKUP, key.span, message, "its key is of another type");
                return None;
            }
            is_partitioned |= partitioned;
            kinds = own_kinds;
            targets.push(target);
        }
        Some(self.refer(Reference { side, plan: None, targets, is_partitioned, is_deferrable: false, source: None }, kinds))
    }

    /// A lookup that a file declares to an entity that there is not, which was reported there.
    fn leads_nowhere(&self, side: Side, end: &ast::Expr, kind: &Kind) -> bool {
        let Kind::Lookup(targets) = kind else { return false };
        let is_declared = single(end).is_some_and(|it| self.place(side, it).is_some());
        is_declared && !targets.iter().any(|it| self.sides[side].system.schema.entities.contains_key(it))
    }

    fn refer(&mut self, reference: Reference, kinds: Vec<Kind>) -> Referred {
        let same = |it: &Reference| {
            (it.side, &it.plan, &it.targets, it.is_partitioned)
                == (reference.side, &reference.plan, &reference.targets, reference.is_partitioned)
        };
        let id = self.references.iter().position(same).unwrap_or_else(|| {
            self.references.push(reference);
            self.references.len() - 1
        });
        Referred { id: RefId(id as u16), kinds }
    }

    fn table_target(
        &self,
        side: Side,
        end: &ast::Expr,
        kind: &Kind,
        key: &TableKey,
    ) -> Result<(RefTarget, Vec<Kind>, bool), Box<Problem>> {
        let system = self.sides[side].system;
        let entity = entity(system, &key.table)?;
        self.holds(end, kind, &entity.name, key.span)?;
        let mut columns = Vec::new();
        for path in &key.columns {
            columns.push(column(system, entity, &path.segments, 0)?);
        }
        let kinds = columns.iter().map(|it| it.kind.clone()).collect();
        let mut is_partitioned = false;
        if let Some(partition) = entity.partition.as_ref().filter(|it| !columns.iter().any(|column| column.field == **it))
            && self.has_partition
        {
            columns.insert(0, partition_column(system, entity, partition));
            is_partitioned = true;
        }
        let named: Vec<&str> = columns.iter().map(|it| it.field.as_str()).collect();
        if !entity.keys().any(|unique| unique.iter().all(|it| named.contains(&it.as_str()))) {
            let known: Vec<String> = entity.keys().map(|it| format!("({})", it.join(", "))).collect();
            let message = format!("`{}` is not unique by ({})", entity.name, named.join(", "));
            let diagnostic = Diagnostic::new(codes::LOOKUP, key.span, message, "can mean several rows");
            return Err(Box::new(diagnostic.note("unique", known.join(", ")).advice("name the columns of a unique key")));
        }
        Ok((target(system, entity, columns), kinds, is_partitioned))
    }

    /// The end is a lookup that may refer to this entity.
    fn holds(&self, end: &ast::Expr, kind: &Kind, entity: &str, via: Span) -> Result<(), Box<Problem>> {
        match kind {
            Kind::Lookup(targets) if targets.iter().any(|it| it == entity) => Ok(()),
            Kind::Lookup(targets) => {
                let message = format!("`{}` refers to `{}`, not to `{entity}`", self.text(end.span), targets.join(" | "));
                Err(Box::new(
                    Diagnostic::new(codes::LOOKUP, via, message, "another table").because(end.span, format!("this is `{kind}`")),
                ))
            }
            _ => {
                let message = format!("`{}` is no lookup, so `via` has nothing to follow", self.text(end.span));
                Err(Box::new(
                    Diagnostic::new(codes::LOOKUP, via, message, "follows a lookup")
                        .because(end.span, format!("this is `{kind}`")),
                ))
            }
        }
    }

    /// `via Map` for the lookup that this end holds. `width`: how many values stand at the other end.
    pub fn refer_to_map(&mut self, side: Side, end: &ast::Expr, kind: &Kind, name: &ast::Path, width: usize) -> Option<Referred> {
        if self.leads_nowhere(side, end, kind) {
            self.is_wrong = true;
            return None;
        }
        match self.map_target(side, end, kind, name, width) {
            Ok((reference, kinds)) => Some(self.refer(reference, kinds)),
            Err(_) if self.is_key_wrong && !self.has_partition => {
                self.is_wrong = true;
                None
            }
            Err(problem) => {
                // What lacks is said once.
                self.is_key_wrong |= !self.has_partition;
                self.report(*problem);
                None
            }
        }
    }

    /// How this map would write the partition line of another one. `None`: it has not the fields for it.
    fn partition_like(&self, map: &ast::Map) -> Option<String> {
        let rule = map.members.iter().find_map(|it| match &it.kind {
            MemberKind::Partition(rule) => Some(rule),
            _ => None,
        })?;
        let has = |side: Side, end: &ast::Expr| single(end).is_some_and(|it| self.sides[side].entity.fields.contains_key(it));
        (has(Side::Left, &rule.left) && has(Side::Right, &rule.right)).then(|| squeezed(self.text(rule.span)))
    }

    fn map_target(
        &self,
        side: Side,
        end: &ast::Expr,
        kind: &Kind,
        name: &ast::Path,
        width: usize,
    ) -> Result<(Reference, Vec<Kind>), Box<Problem>> {
        let key = self.world.map_key(name).expect("the caller saw the map");
        let info = &self.world.maps[&key];
        let map = info.map;
        let system = self.sides[side].system;
        let (own, entity) = map_side(self.world, map, system, kind, name.span)?;
        self.holds(end, kind, &entity.name, name.span)?;
        let (partition, mut columns) = key_columns(self.world, map, own, system, entity, name.span, 0)?;
        let mut is_partitioned = false;
        if let Some(partition) = partition {
            is_partitioned = width == columns.len();
            if is_partitioned && !self.has_partition {
                let message = format!("`{name}` is kept per partition, and `{}` has none", self.map);
                let advice = match self.partition_like(map) {
                    Some(rule) => format!("add `partition {rule}`, as `{name}` has it"),
                    None => "add a `partition` line, or give the partition as the first value of a tuple".to_owned(),
                };
                return Err(Box::new(Diagnostic::new(codes::LOOKUP, name.span, message, "needs a partition").advice(advice)));
            }
            columns.insert(0, partition);
        }
        let kinds = columns.iter().skip(usize::from(is_partitioned)).map(|it| it.kind.clone()).collect();
        let targets = vec![target(system, entity, columns)];
        let plan = info.is_active.then(|| map.name.text.clone());
        Ok((Reference { side, plan, targets, is_partitioned, is_deferrable: false, source: None }, kinds))
    }
}

impl Scope<'_, '_> {
    pub fn no_via(&mut self, left: &Typed, right: &Typed) {
        let message = "a reference means a row of its own system, so the other side needs its key";
        let diagnostic = Diagnostic::new(codes::NO_COMMON_TYPE, right.span, message, format!("this is `{}`", right.kind));
        let diagnostic = diagnostic.because(left.span, format!("this is `{}`", left.kind));
        let diagnostic = self.with_bridges(diagnostic, left, right);
        self.report(diagnostic);
    }

    /// What can stand between the two ends of a two-way rule: what the project has for a lookup, else functions.
    pub fn with_bridges(&self, mut diagnostic: Diagnostic, left: &Typed, right: &Typed) -> Diagnostic {
        let ways = self.ways_of_reference(&Sides::new(&left.kind, &right.kind));
        if let (Some(way), true) = (ways.first(), self.rule.as_ref().is_some_and(|it| it.is_tuple)) {
            let (left, right) = (self.text(left.span), self.text(right.span));
            let is_partition = |(side, name): (Side, &str)| self.sides[side].entity.partition.as_deref() == Some(name);
            let word = match self.rule.as_ref().is_some_and(|it| it.is_key) {
                true if [(Side::Left, left), (Side::Right, right)].into_iter().any(is_partition) => "partition ",
                true => "key ",
                false => "",
            };
            return diagnostic.advice(format!("a reference stands in a line of its own: `{word}{left} <-> {right}   {way}`"));
        }
        if let (false, Some(end)) = (ways.is_empty(), self.rule_end()) {
            return ways
                .into_iter()
                .fold(diagnostic, |it, way| it.replace(format!("add `{way}`"), end, format!("   {way}"), false));
        }
        let mut found = fit::bridges(&left.kind, &right.kind);
        for it in fit::bridges(&right.kind, &left.kind) {
            if !found.contains(&it) {
                found.push(it);
            }
        }
        if !found.is_empty() {
            let list = found.iter().map(|it| format!("`{it}`")).collect::<Vec<_>>().join(", ");
            diagnostic = diagnostic.advice(format!("a bridge between them: {list}"));
        }
        diagnostic
    }

    /// Every `via` of the project that leads from one of these ends to the other.
    pub fn ways_of_reference(&self, ends: &Sides<&Kind>) -> Vec<String> {
        if !ends.iter().any(|(_, it)| matches!(it, Kind::Lookup(_))) {
            return Vec::new();
        }
        let maps = self.world.maps.values().filter(|it| it.is_active);
        let through_map = |info: &MapInfo<'_>| {
            let MapHead::Sides { left, right, .. } = &info.map.head else { return None };
            let joins = |near: &ast::Path, far: &ast::Path| {
                let fits = |side: Side, path: &ast::Path| match ends[side] {
                    Kind::Lookup(targets) => is_path_of(path, &self.sides[side].system.name, targets),
                    _ => path.segments[0].text == self.sides[side].system.name && info.map.name.text != self.map,
                };
                fits(Side::Left, near) && fits(Side::Right, far)
            };
            (joins(left, right) || joins(right, left)).then(|| format!("via {}", info.map.name.text))
        };
        let mut out: Vec<String> = maps.filter_map(through_map).collect();
        for side in Side::BOTH {
            out.extend(self.ways_through_tables(side, ends[side], ends[side.other()]));
        }
        out
    }

    /// `via SYSTEM.table(column)` for a lookup whose table has a unique column of the other end's form.
    fn ways_through_tables(&self, side: Side, lookup: &Kind, other: &Kind) -> Vec<String> {
        let system = self.sides[side].system;
        let Kind::Lookup(targets) = lookup else { return Vec::new() };
        let entities = targets.iter().filter_map(|it| system.schema.entities.get(it));
        let columns = entities.flat_map(|entity| entity.keys().filter(|it| it.len() == 1).map(move |it| (entity, &it[0])));
        let is_of_form = |(entity, column): &(&Entity, &String)| {
            entity.fields.get(*column).is_some_and(|it| fit::join(&it.kind, other).is_some())
        };
        columns.filter(is_of_form).map(|(it, column)| format!("via {}.{}({column})", system.name, it.name)).collect()
    }
}

/// `dv.account` for a lookup of `dv` that refers to `account`.
fn is_path_of(path: &ast::Path, system: &str, entities: &[String]) -> bool {
    matches!(path.segments.as_slice(), [own, name] if own.text == system && entities.contains(&name.text))
}

fn entity<'s>(system: &'s System, path: &ast::Path) -> Result<&'s Entity, Box<Problem>> {
    let name = path.segments.last().expect("a path is never empty");
    system.schema.entities.get(&name.text).ok_or_else(|| {
        let known = system.schema.entities.keys().map(String::as_str);
        let diagnostic = unknown("table", &name.text, name.span, known, "not in the schema");
        Box::new(Diagnostic { code: codes::LOOKUP, ..diagnostic })
    })
}

fn column(system: &System, owner: &Entity, path: &[ast::Name], depth: u32) -> Result<Column, Box<Problem>> {
    let (name, rest) = path.split_first().expect("a path is never empty");
    let Some(field) = owner.fields.get(&name.text) else {
        let known = owner.fields.keys().map(String::as_str);
        let message = format!("`{}` has no field `{}`", owner.name, name.text);
        return Err(Box::new(Diagnostic { message, ..unknown("field", &name.text, name.span, known, "not in the table") }));
    };
    if rest.is_empty() {
        return Ok(Column { field: field.name.clone(), via: None, kind: field.kind.clone() });
    }
    let next = match &field.kind {
        Kind::Lookup(targets) if depth < DEPTH_MAX => targets.first().and_then(|it| system.schema.entities.get(it)),
        _ => None,
    };
    let Some(next) = next else {
        let message = format!("`{}` leads to no table of the schema", name.text);
        return Err(Box::new(Diagnostic::new(codes::LOOKUP, name.span, message, "no lookup, or its table is unknown")));
    };
    let inner = column(system, next, rest, depth + 1)?;
    let kind = inner.kind.clone();
    Ok(Column { field: field.name.clone(), via: Some(Box::new(target(system, next, vec![inner]))), kind })
}

/// The partition of a table as a key column. Where it refers to a row, as `msdyn_company` does, that row's own code stands for it.
fn partition_column(system: &System, entity: &Entity, partition: &str) -> Column {
    let kind = entity.fields[partition].kind.clone();
    let referred = match &kind {
        Kind::Lookup(targets) => targets.first().and_then(|it| system.schema.entities.get(it)),
        _ => None,
    };
    let code = referred.and_then(|it| Some((it, it.unique.iter().find(|unique| unique.len() == 1)?.first()?)));
    let via = code.map(|(it, code)| {
        let column = Column { field: code.clone(), via: None, kind: it.fields[code].kind.clone() };
        Box::new(target(system, it, vec![column]))
    });
    Column { field: partition.to_owned(), via, kind }
}

pub(super) fn target(system: &System, entity: &Entity, columns: Vec<Column>) -> RefTarget {
    let mut fields = Fields::new(&system.schema, entity);
    let mut out = Vec::new();
    for column in columns {
        let slot = fields.slot(&column.field).expect("the column was found in the entity");
        out.push(RefColumn { slot, via: column.via });
    }
    RefTarget { shape: fields.into_shape(), columns: out }
}

/// The side of the map that keeps the referred entity of this system.
pub(super) fn map_side<'w>(
    world: &'w World<'_>,
    map: &ast::Map,
    system: &System,
    kind: &Kind,
    via: Span,
) -> Result<(Side, &'w Entity), Box<Problem>> {
    let MapHead::Sides { left, right, .. } = &map.head else {
        return Err(Box::new(Diagnostic::new(codes::LOOKUP, via, "the map of a `via` names its two sides", "a layer")));
    };
    let mut found = None;
    for (side, path) in [(Side::Left, left), (Side::Right, right)] {
        let [system_name, name] = path.segments.as_slice() else { continue };
        let entity = world.systems.get(&system_name.text).and_then(|it| it.schema.entities.get(&name.text));
        let is_meant = matches!(kind, Kind::Lookup(targets) if targets.contains(&name.text));
        if let Some(entity) = entity.filter(|_| system_name.text == system.name && (is_meant || found.is_none())) {
            found = Some((side, entity));
        }
    }
    found.ok_or_else(|| {
        let message = format!("`{}` keeps no table of `{}`", map.name.text, system.name);
        Box::new(Diagnostic::new(codes::LOOKUP, via, message, "not the map of what is referred to"))
    })
}

/// The columns of a map's key on one side: its partition, and the rest.
pub(super) fn key_columns(
    world: &World<'_>,
    map: &ast::Map,
    side: Side,
    system: &System,
    entity: &Entity,
    via: Span,
    depth: u32,
) -> Result<(Option<Column>, Vec<Column>), Box<Problem>> {
    let (mut partition, mut columns) = (None, Vec::new());
    for member in &map.members {
        match &member.kind {
            MemberKind::Partition(rule) => partition = end_columns(world, rule, side, system, entity, via, depth)?.pop(),
            MemberKind::Key(rule) => columns.extend(end_columns(world, rule, side, system, entity, via, depth)?),
            _ => {}
        }
    }
    if columns.is_empty() {
        let message = format!("`{}` has no key, so nothing stands for its rows", map.name.text);
        return Err(Box::new(Diagnostic::new(codes::LOOKUP, via, message, "has no key").because(map.name.span, "this map")));
    }
    Ok((partition, columns))
}

fn end_columns(
    world: &World<'_>,
    rule: &ast::Rule,
    side: Side,
    system: &System,
    entity: &Entity,
    via: Span,
    depth: u32,
) -> Result<Vec<Column>, Box<Problem>> {
    let end = if side == Side::Left { &rule.left } else { &rule.right };
    let parts = match &bare(end).kind {
        ExprKind::Tuple(parts) => parts.iter().collect(),
        _ => vec![end],
    };
    let mut out = Vec::new();
    for part in parts {
        let Some(field) = single(part).and_then(|it| entity.fields.get(it)) else {
            let message = "the key of a map that `via` names is made of fields";
            return Err(Box::new(Diagnostic::new(codes::LOOKUP, via, message, "its key is not").because(part.span, "no field")));
        };
        let nested = match &field.kind {
            Kind::Lookup(_) => nested(world, rule, system, &field.kind, via, depth)?,
            _ => None,
        };
        let kind = nested.as_ref().map_or_else(|| field.kind.clone(), |(_, kind)| kind.clone());
        out.push(Column { field: field.name.clone(), via: nested.map(|(it, _)| Box::new(it)), kind });
    }
    Ok(out)
}

/// What a lookup in a key refers to itself.
fn nested(
    world: &World<'_>,
    rule: &ast::Rule,
    system: &System,
    kind: &Kind,
    via: Span,
    depth: u32,
) -> Result<Option<(RefTarget, Kind)>, Box<Problem>> {
    let clause = rule.clauses.iter().find_map(|it| match &it.kind {
        ClauseKind::Via(path) => world.map_key(path).map(|it| Err(world.maps[&it].map)),
        ClauseKind::ViaTables(keys) => keys.first().map(Ok),
        _ => None,
    });
    let (entity, mut columns) = match clause {
        Some(Ok(key)) => {
            let entity = entity(system, &key.table)?;
            let columns: Result<Vec<Column>, _> = key.columns.iter().map(|it| column(system, entity, &it.segments, 0)).collect();
            (entity, columns?)
        }
        Some(Err(map)) if depth < DEPTH_MAX => {
            let (own, entity) = map_side(world, map, system, kind, via)?;
            (entity, key_columns(world, map, own, system, entity, via, depth + 1)?.1)
        }
        Some(Err(_)) | None => return Ok(None),
    };
    let Some(last) = columns.pop().filter(|_| columns.is_empty()) else {
        let message = "a key that refers to a row with several key columns is not understood";
        return Err(Box::new(Diagnostic::new(codes::LOOKUP, via, message, "leads there")));
    };
    let kind = last.kind.clone();
    Ok(Some((target(system, entity, vec![last]), kind)))
}
