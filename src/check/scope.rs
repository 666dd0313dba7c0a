//! What is at hand while one map is lowered, and the fields that it turns out to use.

use std::collections::HashMap;

use indexmap::IndexMap;

use super::expr::Typed;
use super::names::{System, World};
use super::premise::Premise;
use super::table::Rows;
use crate::change::{Side, Sides};
use crate::diag::{Code, Diagnostic, Diagnostics, Severity};
use crate::ir::{Reference, ValueTable};
use crate::schema::{Entity, Field, Schema, Shape, ShapeField};
use crate::source::{Sources, Span};
use crate::value::{Kind, Slot, Value};

/// One side of the map.
pub struct SideScope<'a> {
    pub system: &'a System,
    /// Its place among the systems of the program.
    pub index: u16,
    pub entity: &'a Entity,
    pub fields: Fields<'a>,
}

/// The rule that is being lowered.
#[derive(Clone, Debug)]
pub struct Current {
    pub label: String,
    pub span: Span,
    /// The rule says what becomes of a value that does not fit, while this side is written.
    pub has_else: Sides<bool>,
    /// Something on the way to this side can fail, so that its `else` has a use.
    pub can_fail: Sides<std::cell::Cell<bool>>,
    pub is_two_way: bool,
    /// Its ends are tuples.
    pub is_tuple: bool,
    pub on_create: bool,
    /// A key or partition: its null parks the row, so that it needs no `??`, and its arrow can only be `<->`.
    pub is_key: bool,
    /// All fields at this end can be written.
    pub can_write: Sides<bool>,
}

pub struct Scope<'a, 'd> {
    pub world: &'a World<'a>,
    pub sources: &'a Sources,
    pub diags: &'d mut Diagnostics,
    pub values: &'d IndexMap<String, Option<Rows>>,
    pub map: String,
    pub sides: Sides<SideScope<'a>>,
    pub rule: Option<Current>,
    pub tables: Vec<ValueTable>,
    pub references: Vec<Reference>,
    pub has_partition: bool,
    /// The key or partition is wrong or lacks, which was reported: nothing is said of what needs it.
    pub is_key_wrong: bool,
    /// Calls of own functions that are being put in place.
    pub depth: u32,
    /// Parts that own functions have added to the expressions of the rule, see [`Scope::grown`].
    pub grown: usize,
    /// What calculations in the rule are made of: writers ask again for each level of a long sum.
    pub operands: HashMap<Span, (Kind, Option<Value>)>,
    /// The names that the body of an own function knows; it sees no fields.
    pub locals: Option<Vec<(String, Typed)>>,
    /// An error was reported: the map takes no part in the program.
    pub is_wrong: bool,
}

impl Scope<'_, '_> {
    pub fn report(&mut self, diagnostic: Diagnostic) {
        self.is_wrong |= diagnostic.severity == Severity::Error;
        let label = self.rule.as_ref().map(|it| it.label.as_str());
        self.diags.push(diagnostic.in_rule(&self.map, label));
    }

    pub fn error(&mut self, code: Code, span: Span, message: impl Into<String>, label: impl Into<String>) {
        self.report(Diagnostic::new(code, span, message, label));
    }

    /// Asked only where something can fail.
    pub fn has_else(&self, written: Side) -> bool {
        self.rule.as_ref().is_some_and(|it| {
            it.can_fail[written].set(true);
            it.has_else[written]
        })
    }

    pub fn field(&self, side: Side, slot: Slot) -> &ShapeField {
        &self.sides[side].fields.list[slot.0 as usize]
    }

    /// Where the field is declared, if that is in a text.
    pub fn place(&self, side: Side, field: &str) -> Option<Span> {
        let it = &self.sides[side];
        it.system.places.get(&(it.entity.name.clone(), field.to_owned())).copied()
    }

    pub fn text(&self, span: Span) -> &str {
        self.sources.text(span)
    }

    /// Null can be read from this field: it may hold null, or what the store makes null of.
    pub fn is_nullable(&self, side: Side, field: &ShapeField) -> bool {
        field.nullable && !self.is_blank_null(side, &field.kind)
            || self.has_null_date(side, &field.kind)
            || self.makes_blank_null(side, field)
    }

    /// The store gives null where `""` was written, also in a field that takes no null; one that is `required` takes no `""` either.
    fn makes_blank_null(&self, side: Side, field: &ShapeField) -> bool {
        let own = &self.sides[side];
        let is_required = own.entity.fields.get(&field.name).is_some_and(|it| it.required);
        matches!(field.kind, Kind::Text { .. }) && own.system.profile.text.blank_is_null && !is_required
    }

    /// One day stands for null in this store, so that every date of it may be null.
    fn has_null_date(&self, side: Side, kind: &Kind) -> bool {
        self.world.premises.hold(Premise::NullDates)
            && matches!(kind, Kind::Date | Kind::DateTime)
            && self.sides[side].system.profile.null_date.is_some()
    }

    /// Null and `""` are one state of this store, held as `""`.
    pub fn is_blank_null(&self, side: Side, kind: &Kind) -> bool {
        matches!(kind, Kind::Text { .. }) && self.sides[side].system.profile.text.null_is_blank
    }

    /// Null can be written to this field: it is held as null, or as the store's own word for it.
    pub fn takes_null(&self, side: Side, field: &ShapeField) -> bool {
        field.nullable || self.sides[side].system.profile.has_word_for_null(&field.kind)
    }

    /// The side whose system has this name; the left one where both have it.
    pub fn side_of(&self, system: &str) -> Option<Side> {
        Side::BOTH.into_iter().find(|&it| self.sides[it].system.name == system)
    }
}

/// The fields of one entity that are used, in the order of their first use.
pub struct Fields<'a> {
    pub entity: &'a Entity,
    schema: &'a Schema,
    pub list: Vec<ShapeField>,
    by_name: HashMap<String, Slot>,
    /// More than [`FIELDS_MAX`] were asked for; what was asked for last is not among them.
    pub is_full: bool,
}

/// Most fields of one entity that a map uses.
pub const FIELDS_MAX: usize = 5_000;

impl<'a> Fields<'a> {
    /// Starts with the fields that are always needed: the primary key.
    pub fn new(schema: &'a Schema, entity: &'a Entity) -> Self {
        let mut out = Self { entity, schema, list: Vec::new(), by_name: HashMap::new(), is_full: false };
        for field in &entity.key {
            out.slot(field);
        }
        out
    }

    /// Goes on with a shape that was made before.
    pub fn resume(schema: &'a Schema, entity: &'a Entity, shape: &Shape) -> Self {
        let slots = shape.fields.iter().enumerate().map(|(index, it)| (it.name.clone(), Slot(index as u16)));
        Self { entity, schema, list: shape.fields.clone(), by_name: slots.collect(), is_full: false }
    }

    pub fn slot(&mut self, name: &str) -> Option<Slot> {
        if let Some(slot) = self.by_name.get(name) {
            return Some(*slot);
        }
        let field: &Field = self.entity.fields.get(name)?;
        if self.list.len() == FIELDS_MAX {
            // Any field does: nothing is made of a map with too many.
            self.is_full = true;
            return Some(Slot(0));
        }
        let lookup_sets = match &field.kind {
            Kind::Lookup(targets) => targets.iter().map(|it| set_name(self.schema, it)).collect(),
            _ => Vec::new(),
        };
        self.list.push(ShapeField {
            name: field.name.clone(),
            kind: field.kind.clone(),
            nullable: field.nullable,
            readonly: field.readonly,
            lookup_sets,
        });
        let slot = Slot((self.list.len() - 1) as u16);
        self.by_name.insert(name.to_owned(), slot);
        Some(slot)
    }

    pub fn into_shape(mut self) -> Shape {
        let modified = self.entity.modified().map(|it| it.name.clone()).and_then(|it| self.slot(&it));
        let key = self.entity.key.clone().iter().filter_map(|it| self.slot(it)).collect();
        let set = self.entity.set.clone().unwrap_or_else(|| self.entity.name.clone());
        Shape { entity: self.entity.name.clone(), set, fields: self.list, key, modified }
    }
}

fn set_name(schema: &Schema, entity: &str) -> String {
    schema.entities.get(entity).and_then(|it| it.set.clone()).unwrap_or_else(|| entity.to_owned())
}
