//! Schemas as far as the maps imply them, for a side whose schema was not given: enough for the result to be checked.
//!
//! A value map tells an enum from a choice and both from a boolean; a path tells a lookup. Everything else is text on both sides,
//! which claims nothing: the mapping does not say of what type a column is.

use std::sync::Arc;

use indexmap::{IndexMap, IndexSet};

use super::filter::{Condition, Literal, is_guid};
use super::mapping::{Row, Transform};
use super::path::Target;
use super::plan::{COMPANY_CODE, COMPANY_TABLE, Planned};
use super::write::filters;
use super::{Note, names};
use crate::change::{Side, Sides};
use crate::schema::{Entity, Field, Schema};
use crate::value::{EnumType, Kind, Member, Value};

/// Length of a company's code, as Finance & Operations has it.
const COMPANY_LENGTH: u32 = 4;

/// The given schemas, and inferred ones in the place of those that are missing.
pub fn schemas(maps: &[Planned], given: &Sides<Option<Schema>>, notes: &mut Vec<Note>) -> Sides<Schema> {
    let mut out = Inferred {
        is_given: Sides::new(given[Side::Left].is_some(), given[Side::Right].is_some()),
        schemas: Sides::new(given[Side::Left].clone().unwrap_or_default(), given[Side::Right].clone().unwrap_or_default()),
    };
    for map in maps {
        out.heads(map);
    }
    for map in maps {
        map.mapping.rows.iter().for_each(|row| out.row(map, row));
        out.filters(map, notes);
    }
    for map in maps {
        out.lookups(map);
    }
    out.schemas
}

struct Inferred {
    is_given: Sides<bool>,
    schemas: Sides<Schema>,
}

impl Inferred {
    fn heads(&mut self, map: &Planned) {
        let left = &map.entities[Side::Left];
        let right = &map.entities[Side::Right];
        self.table(Side::Left, left);
        self.table(Side::Right, right);
        if let Some(company) = &map.partition {
            self.table(Side::Right, COMPANY_TABLE);
            let code = Kind::Text { max: Some(COMPANY_LENGTH) };
            self.add(Side::Right, COMPANY_TABLE, COMPANY_CODE, code.clone(), true);
            self.unique(COMPANY_TABLE, vec![COMPANY_CODE.to_owned()]);
            self.add(Side::Left, left, &company[Side::Left], code, false);
            self.add(Side::Right, right, &company[Side::Right], Kind::Lookup([COMPANY_TABLE.to_owned()].into()), true);
            if !self.is_given[Side::Left] {
                self.schemas[Side::Left].entities[left].partition = Some(company[Side::Left].clone());
            }
            if !self.is_given[Side::Right] {
                self.schemas[Side::Right].entities[right].partition = Some(company[Side::Right].clone());
            }
        }
        let mut key: Vec<String> = map.key.clone();
        key.extend(map.partition.as_ref().map(|it| it[Side::Right].clone()));
        if !map.key.is_empty() {
            self.unique(right, key);
        }
        if !self.is_given[Side::Left] {
            let own = map.key.iter().flat_map(|it| map.rows_of(it)).map(|it| it.left.clone());
            let key: Vec<String> = map.partition.iter().map(|it| it[Side::Left].clone()).chain(own).collect();
            let entity = &mut self.schemas[Side::Left].entities[left];
            if entity.key.is_empty() {
                entity.key = key;
            } else if entity.key != key {
                entity.unique.push(key);
            }
        }
    }

    fn table(&mut self, side: Side, name: &str) {
        if self.is_given[side] || self.schemas[side].entities.contains_key(name) {
            return;
        }
        let mut entity = Entity { name: name.to_owned(), ..Entity::default() };
        if side == Side::Right {
            let id = format!("{name}id");
            entity.fields.insert(id.clone(), field(&id, Kind::Guid, false));
            entity.key = vec![id];
        }
        self.schemas[side].entities.insert(name.to_owned(), entity);
    }

    fn unique(&mut self, table: &str, columns: Vec<String>) {
        if self.is_given[Side::Right] {
            return;
        }
        let entity = &mut self.schemas[Side::Right].entities[table];
        let is_known = entity.unique.iter().any(|it| it.iter().all(|own| columns.contains(own)));
        if !is_known {
            entity.unique.push(columns);
        }
    }

    fn add(&mut self, side: Side, entity: &str, name: &str, kind: Kind, nullable: bool) {
        if self.is_given[side] {
            return;
        }
        let fields = &mut self.schemas[side].entities[entity].fields;
        match fields.get_mut(name) {
            Some(known) => known.kind = merged(&known.kind, kind),
            None => drop(fields.insert(name.to_owned(), field(name, kind, nullable))),
        }
    }

    fn row(&mut self, map: &Planned, row: &Row) {
        let (left, right) = kinds(map, row);
        if !row.left.is_empty() {
            let nullable = matches!((&row.transform, &left), (Some(Transform::Default(_)), _) | (_, Kind::Text { .. }));
            let is_key = row.right.as_ref().is_some_and(|it| map.key.iter().any(|key| key == it.column()));
            self.add(Side::Left, &map.entities[Side::Left], &row.left, left, nullable && !is_key);
        }
        if let Some(target) = &row.right {
            self.add(Side::Right, &map.entities[Side::Right], target.column(), right, true);
        }
    }

    fn filters(&mut self, map: &Planned, notes: &mut Vec<Note>) {
        let conditions = filters::parse(&map.mapping, notes);
        for side in Side::BOTH {
            let mut seen = Vec::new();
            if let Some(condition) = &conditions[side] {
                columns(condition, &mut seen);
            }
            for (column, literal) in seen {
                let entity = map.entities[side].clone();
                let fields = &self.schemas[side].entities.get(&entity).map(|it| &it.fields);
                let is_known = fields.is_some_and(|it| it.keys().any(|it| it.eq_ignore_ascii_case(&column)));
                if !is_known {
                    let name = if side == Side::Left { column.to_uppercase() } else { column };
                    self.add(side, &entity, &name, kind_of(&literal), true);
                }
            }
        }
    }

    /// The tables that lookups lead to, with the columns that stand for their rows.
    fn lookups(&mut self, map: &Planned) {
        let mut keys: IndexMap<&str, Vec<&[String]>> = IndexMap::new();
        for row in &map.mapping.rows {
            match &row.right {
                Some(Target::Lookup { column, key }) => keys.entry(column).or_default().push(key),
                Some(Target::Several { tables, .. }) => {
                    for (table, column) in tables {
                        let table = table.to_lowercase();
                        self.table(Side::Right, &table);
                        self.add(Side::Right, &table, column, text(), true);
                        self.unique(&table, vec![column.clone()]);
                    }
                }
                Some(Target::Column(_)) | None => {}
            }
        }
        for (column, keys) in keys {
            let table = map.targets[column].clone();
            self.table(Side::Right, &table);
            for key in &keys {
                self.path(&table, key);
            }
            let columns: IndexSet<String> = keys.iter().map(|it| it[0].clone()).collect();
            let columns = columns.into_iter().collect();
            self.unique(&table, columns);
        }
    }

    /// A key column, through the lookups before it.
    fn path(&mut self, table: &str, key: &[String]) {
        if self.is_given[Side::Right] {
            return;
        }
        let Some((column, rest)) = key.split_first() else { return };
        if rest.is_empty() {
            return self.add(Side::Right, table, column, text(), true);
        }
        let known = self.schemas[Side::Right].entities[table].fields.get(column).map(|it| it.kind.clone());
        let next = match known {
            Some(Kind::Lookup(targets)) => targets[0].clone(),
            Some(_) | None => column.trim_end_matches("id").to_owned(),
        };
        self.table(Side::Right, &next);
        self.add(Side::Right, table, column, Kind::Lookup([next.clone()].into()), true);
        self.path(&next, rest);
        self.unique(&next, vec![rest[0].clone()]);
    }
}

fn field(name: &str, kind: Kind, nullable: bool) -> Field {
    Field { name: name.to_owned(), kind, nullable, required: false, readonly: false, modified: false, meaning: None, doc: None }
}

fn text() -> Kind {
    Kind::Text { max: None }
}

/// What a row implies for its two columns.
fn kinds(map: &Planned, row: &Row) -> (Kind, Kind) {
    match (&row.right, &row.transform) {
        (Some(Target::Lookup { column, .. }), _) => (text(), Kind::Lookup([map.targets[column].clone()].into())),
        (Some(Target::Several { tables, .. }), _) => {
            (text(), Kind::Lookup(tables.iter().map(|it| it.0.to_lowercase()).collect()))
        }
        (_, None) => (text(), text()),
        (Some(_), Some(Transform::Default(value))) => {
            let right = kind_of(&literal(value));
            (if row.left.is_empty() { text() } else { right.clone() }, right)
        }
        (None, Some(Transform::Default(_))) => (text(), text()),
        (_, Some(Transform::Values(pairs))) => value_kinds(map, row, pairs),
    }
}

/// A text of dual-write as the value that it looks like.
fn literal(text: &str) -> Literal {
    match (names::truth(text), names::number(text)) {
        (Some(it), _) => Literal::Bool(it),
        (None, Some(number)) => Literal::Number(number),
        (None, None) => Literal::Text(text.to_owned()),
    }
}

fn kind_of(literal: &Literal) -> Kind {
    match literal {
        Literal::Bool(_) => Kind::Bool,
        Literal::Number(digits) if digits.contains('.') => Kind::Decimal { precision: 38, scale: 10 },
        Literal::Number(_) => Kind::Int32,
        Literal::Date(it) if it.contains(['T', ':']) => Kind::DateTime,
        Literal::Date(_) => Kind::Date,
        Literal::Text(it) if is_guid(it) => Kind::Guid,
        Literal::Text(_) | Literal::Null | Literal::Member(_) => text(),
    }
}

fn value_kinds(map: &Planned, row: &Row, pairs: &IndexMap<String, String>) -> (Kind, Kind) {
    let is_word =
        |it: &String| it.starts_with(|it: char| it.is_alphabetic()) && it.chars().all(|it| it.is_alphanumeric() || it == '_');
    let are_truths = |mut it: indexmap::map::Values<'_, String, String>| it.all(|it| names::truth(it).is_some());
    let numbers: Option<Vec<i64>> = pairs.values().map(|it| it.parse().ok()).collect();
    let right_name = format!("{}.{}", map.entities[Side::Right], row.right.as_ref().map_or("", Target::column));
    let right = if are_truths(pairs.values()) {
        Kind::Bool
    } else if let Some(numbers) = &numbers {
        choice(right_name, pairs.keys(), numbers)
    } else {
        return (text(), text());
    };
    let left = if pairs.keys().all(|it| names::truth(it).is_some()) {
        Kind::Bool
    } else if pairs.keys().all(is_word) {
        let mut symbols: Vec<String> = pairs.keys().map(|it| names::capital(it)).collect();
        if symbols.len() == 2 && symbols.contains(&"Yes".to_owned()) && symbols.contains(&"No".to_owned()) {
            symbols.sort();
        }
        let members = symbols.into_iter().map(|name| Member { value: Value::text(&name), name }).collect();
        Kind::Enum(Arc::new(EnumType { name: format!("{}.{}", map.entities[Side::Left], row.left), open: false, members }))
    } else {
        text()
    };
    (left, right)
}

/// A choice whose members bear the names of their partners.
fn choice<'k>(name: String, keys: impl Iterator<Item = &'k String>, numbers: &[i64]) -> Kind {
    let mut members: Vec<Member> = Vec::new();
    for (key, number) in keys.zip(numbers) {
        if members.iter().any(|it| it.value == Value::Int(*number)) {
            continue;
        }
        let word = names::pascal(key);
        let word = if word == "Map" || members.iter().any(|it| it.name == word) { format!("Value{number}") } else { word };
        members.push(Member { name: word, value: Value::Int(*number) });
    }
    Kind::Enum(Arc::new(EnumType { name, open: true, members }))
}

/// What two maps imply together: the surer of the two, and of two sets all members.
fn merged(known: &Kind, new: Kind) -> Kind {
    match (known, new) {
        (Kind::Text { .. }, new) if !matches!(new, Kind::Text { .. }) => new,
        (Kind::Enum(known), Kind::Enum(new)) => {
            let mut all = EnumType::clone(known);
            for member in &new.members {
                if !all.members.iter().any(|it| it.name == member.name || it.value == member.value) {
                    all.members.push(member.clone());
                }
            }
            Kind::Enum(Arc::new(all))
        }
        (known, _) => known.clone(),
    }
}

/// The columns that a filter reads, each with a value that it is compared with.
fn columns(condition: &Condition, out: &mut Vec<(String, Literal)>) {
    match condition {
        Condition::Compare { column, value, .. } => out.push((column.clone(), value.clone())),
        Condition::Call { column, text, .. } => out.push((column.clone(), Literal::Text(text.clone()))),
        Condition::Not(inner) => columns(inner, out),
        Condition::And(parts) | Condition::Or(parts) => parts.iter().for_each(|it| columns(it, out)),
    }
}
