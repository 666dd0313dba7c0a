//! `on missing create`: where rows come from that a reference misses, and why there may be none.

use super::fit;
use super::lookup::{self, Column, Problem};
use super::names::{MapInfo, System, World};
use super::rule::towards;
use super::scope::Scope;
use crate::change::Side;
use crate::diag::{Diagnostic, codes};
use crate::ir::{RefId, RefTarget, Source};
use crate::schema::Entity;
use crate::source::Span;
use crate::syntax::ast::{self, ClauseKind, MapHead, MemberKind, TableKey};
use crate::value::Kind;

/// Why no row can be made; `None`: the other map is wrong, and that was reported.
type Unmade = Option<Box<Problem>>;

/// A map that is asked for rows.
struct Maker<'a> {
    world: &'a World<'a>,
    name: &'a ast::Path,
    map: &'a ast::Map,
    /// What asks for them.
    place: Span,
}

impl Scope<'_, '_> {
    /// The side of a map, and the columns there, from which it makes the rows that this reference leads to.
    pub fn source_of(&self, name: &ast::Path, id: RefId, place: Span) -> Result<Source, Unmade> {
        let reference = &self.references[usize::from(id.0)];
        let target = &reference.targets[0];
        let info = &self.world.maps[&self.world.map_key(name).expect("the rule was lowered with this map")];
        let maker = Maker { world: self.world, name, map: info.map, place };
        if !info.is_active {
            let found =
                maker.problem(format!("`{name}` is used for its layers only, and makes no rows itself"), "asks it for rows");
            return Err(Some(Box::new(found.advice("name a map that runs"))));
        }
        let kind = Kind::Lookup(vec![target.shape.entity.clone()].into());
        let (made, _) = lookup::map_side(self.world, info.map, self.sides[reference.side].system, &kind, name.span)?;
        maker.makes(made)?;
        maker.keeps_its_key()?;
        let side = made.other();
        let (system, entity) = maker.table(side).ok_or(None)?;
        let columns = maker.columns(side, system, entity)?;
        maker.compare(target, &columns, side)?;
        Ok(Source { side, target: lookup::target(system, entity, columns) })
    }

    /// `via dv.account(accountnumber) on missing create`: a table makes no rows.
    pub fn no_map(&self, keys: &[TableKey], via: Span, place: Span) -> Problem {
        let tables: Vec<String> = keys.iter().map(|it| it.table.to_string()).collect();
        let message = format!("`via` names the table `{}`, and no map that makes rows of it", tables.join(" | "));
        let found = Diagnostic::new(codes::NOBODY_MAKES, place, message, "nobody is asked").because(via, "a table");
        let makes = |info: &MapInfo<'_>| {
            let MapHead::Sides { left, arrow, right, .. } = &info.map.head else { return false };
            let mut sides = [(Side::Left, left), (Side::Right, right)].into_iter();
            info.is_active && sides.any(|(side, path)| towards(*arrow)[side] && tables.contains(&path.to_string()))
        };
        let makers = self.world.maps.iter().filter(|(_, info)| makes(info)).map(|(key, _)| key);
        let makers: Vec<String> = self.world.written(via.file, makers).iter().map(|it| format!("`via {it}`")).collect();
        match makers.as_slice() {
            [] => found.advice("write `on missing park`, or a map that makes such rows"),
            [..] => found.advice(format!("name the map: {}", makers.join(" or "))),
        }
    }
}

impl<'a> Maker<'a> {
    fn problem(&self, message: String, label: &str) -> Problem {
        Diagnostic::new(codes::NOBODY_MAKES, self.place, message, label)
    }

    /// It writes the side on which the row is missed.
    fn makes(&self, side: Side) -> Result<(), Unmade> {
        let MapHead::Sides { arrow, arrow_span, .. } = &self.map.head else { return Err(None) };
        if towards(*arrow)[side] {
            return Ok(());
        }
        let message = format!("`{}` never makes rows on its {} side, where one can be missing", self.name, side.word());
        let found = self.problem(message, "never made").because(*arrow_span, "one-way");
        Err(Some(Box::new(found.advice("write `on missing park`, or let the map write that side"))))
    }

    /// The values of its key are the same on both sides.
    fn keeps_its_key(&self) -> Result<(), Unmade> {
        let rules = self.map.members.iter().filter_map(|it| match &it.kind {
            MemberKind::Partition(rule) | MemberKind::Key(rule) => Some(rule),
            _ => None,
        });
        let translates = |it: &&ast::Clause| match &it.kind {
            ClauseKind::ViaRows(_) => true,
            ClauseKind::Via(path) => self.world.map_key(path).is_none(),
            _ => false,
        };
        let Some(clause) = rules.flat_map(|it| &it.clauses).find(translates) else { return Ok(()) };
        let message = format!("the key of `{}` goes through a value map, so the row cannot be found by it", self.name);
        let found = self.problem(message, "cannot be found").because(clause.span, "translates the key");
        Err(Some(Box::new(found.advice("write `on missing park`"))))
    }

    fn table(&self, side: Side) -> Option<(&'a System, &'a Entity)> {
        let MapHead::Sides { left, right, .. } = &self.map.head else { return None };
        let [system, name] = (if side == Side::Left { left } else { right }).segments.as_slice() else { return None };
        let system = self.world.systems.get(&system.text)?;
        Some((system, system.schema.entities.get(&name.text)?))
    }

    fn columns(&self, side: Side, system: &System, entity: &Entity) -> Result<Vec<Column>, Unmade> {
        let found = lookup::key_columns(self.world, self.map, side, system, entity, self.name.span, 0);
        let (partition, columns) = found.map_err(|why| {
            let message = format!("the key of `{}` is not made of fields on its {} side", self.name, side.word());
            let found = self.problem(message, "cannot be found");
            let reasons = why.labels.into_iter().filter(|it| !it.primary);
            let found = reasons.fold(found, |found, it| found.because(it.span, it.message));
            Some(Box::new(found.advice("write `on missing park`")))
        })?;
        Ok(partition.into_iter().chain(columns).collect())
    }

    /// Both sides hold the key in as many columns of the same kinds.
    fn compare(&self, target: &RefTarget, columns: &[Column], side: Side) -> Result<(), Unmade> {
        let fits = |(own, other): (&crate::ir::RefColumn, &Column)| {
            own.via.is_some() || fit::join(&target.shape.field(own.slot).kind, &other.kind).is_some()
        };
        if columns.len() == target.columns.len() && target.columns.iter().zip(columns).all(fits) {
            return Ok(());
        }
        let message = format!("the key of `{}` has another form on its {} side", self.name, side.word());
        Err(Some(Box::new(self.problem(message, "cannot be found").advice("write `on missing park`"))))
    }
}

/// `on missing` of the rule itself.
pub fn clause(rule: &ast::Rule) -> Option<Span> {
    rule.clauses.iter().find(|it| matches!(it.kind, ClauseKind::OnMissing(_))).map(|it| it.span)
}
