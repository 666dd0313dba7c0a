//! What each map becomes before it is written: its name, area, entities, key, partition, and the tables that its lookups lead to.

use std::collections::BTreeMap;

use super::keys::{self, Keys};
use super::mapping::{Mapping, Row};
use super::path::Target;
use super::{Note, area, names};
use crate::change::{Side, Sides};
use crate::schema::Schema;
use crate::value::Kind;

/// A map and what was decided about it.
#[derive(Clone, Debug)]
pub struct Planned {
    pub mapping: Mapping,
    pub name: String,
    pub area: &'static str,
    /// The entity of Finance & Operations, the table of Dataverse.
    pub entities: Sides<String>,
    /// The company columns, where the map is kept per company.
    pub partition: Option<Sides<String>>,
    /// First columns of the key's paths on the right, in order.
    pub key: Vec<String>,
    /// The table that each lookup column leads to.
    pub targets: BTreeMap<String, String>,
}

impl Planned {
    /// The rows whose path begins with this column.
    pub fn rows_of<'p>(&'p self, column: &'p str) -> impl Iterator<Item = &'p Row> {
        self.mapping.rows.iter().filter(move |it| it.right.as_ref().is_some_and(|it| it.column() == column))
    }
}

/// The columns by which a company is meant, on either side.
pub const COMPANY_TABLE: &str = "cdm_company";
pub const COMPANY_CODE: &str = "cdm_companycode";
pub const COMPANY_LEFT: &str = "dataAreaId";
pub const COMPANY_RIGHT: &str = "msdyn_company";

/// Decides for all maps together, because lookups lead from one to another.
pub fn plan(mappings: Vec<Mapping>, given: &Sides<Option<Schema>>, keys: &Keys, notes: &mut Vec<Note>) -> Vec<Planned> {
    let names = map_names(&mappings);
    let mut maps: Vec<Planned> = mappings
        .into_iter()
        .zip(names)
        .map(|(mapping, name)| Planned {
            name,
            area: area::of(&mapping.label, &mapping.set),
            entities: Sides::new(left_entity(&mapping.label, given), table_of(&mapping.set, given)),
            partition: None,
            key: Vec::new(),
            targets: BTreeMap::new(),
            mapping,
        })
        .collect();
    for map in &mut maps {
        let found = keys::find(map, given, keys, notes);
        map.partition = found.company.map(|right| Sides::new(left_company(&map.entities, given), right));
        map.key = found.columns;
    }
    let targets: Vec<_> = maps.iter().map(|it| targets(it, &maps, given, notes)).collect();
    for (map, targets) in maps.iter_mut().zip(targets) {
        map.targets = targets;
    }
    maps.sort_by_key(|it| area::rank(it.area));
    maps
}

/// The label as a name; with the table behind it where several maps share an entity.
fn map_names(mappings: &[Mapping]) -> Vec<String> {
    let short: Vec<String> = mappings.iter().map(|it| names::pascal(&it.label)).collect();
    let is_shared = |name: &String| short.iter().filter(|it| it.eq_ignore_ascii_case(name)).count() > 1;
    let full = |(mapping, name): (&Mapping, &String)| {
        if is_shared(name) { format!("{name}{}", names::pascal(names::without_prefix(&mapping.set))) } else { name.clone() }
    };
    mappings.iter().zip(&short).map(full).collect()
}

/// The entity of a label: one whose documentation begins with it, else one of that name.
fn left_entity(label: &str, given: &Sides<Option<Schema>>) -> String {
    let name = names::pascal(label);
    let Some(schema) = &given[Side::Left] else { return name };
    let is_labelled = |doc: &str| {
        doc.get(..label.len()).is_some_and(|it| it.eq_ignore_ascii_case(label))
            && !doc[label.len()..].starts_with(|it: char| it.is_alphanumeric())
            && !doc[label.len()..].starts_with(" V")
    };
    let by_doc = schema.entities.values().find(|it| it.doc.as_deref().is_some_and(is_labelled));
    let by_name = || schema.entities.values().find(|it| it.name.eq_ignore_ascii_case(&name));
    by_doc.or_else(by_name).map_or(name, |it| it.name.clone())
}

/// The table of an entity set.
fn table_of(set: &str, given: &Sides<Option<Schema>>) -> String {
    let known = given[Side::Right].iter().flat_map(|it| it.entities.values());
    let found = known.into_iter().find(|it| it.set.as_deref().unwrap_or(&it.name).eq_ignore_ascii_case(set));
    found.map_or_else(|| names::singular(&set.to_lowercase()), |it| it.name.clone())
}

fn left_company(entities: &Sides<String>, given: &Sides<Option<Schema>>) -> String {
    let entity = given[Side::Left].as_ref().and_then(|it| it.entities.get(&entities[Side::Left]));
    entity.and_then(|it| it.partition.clone()).unwrap_or_else(|| COMPANY_LEFT.to_owned())
}

/// The company's column in a table: a lookup to the companies, the usual name first.
pub fn right_company(table: &str, schema: &Schema) -> Option<String> {
    let entity = schema.entities.get(table)?;
    let leads = |name: &str| match entity.fields.get(name).map(|it| &it.kind) {
        Some(Kind::Lookup(targets)) => targets.iter().any(|it| it == COMPANY_TABLE),
        Some(_) | None => false,
    };
    let keyed = entity.keys().flatten().find(|it| leads(it));
    keyed.cloned().or_else(|| Some(COMPANY_RIGHT.to_owned()).filter(|it| leads(it)))
}

fn targets(map: &Planned, all: &[Planned], given: &Sides<Option<Schema>>, notes: &mut Vec<Note>) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    for row in &map.mapping.rows {
        if let Some(Target::Lookup { column, key }) = &row.right
            && !out.contains_key(column)
        {
            out.insert(column.clone(), target(map, row, column, &key[0], all, given, notes));
        }
    }
    out
}

/// The table that a lookup leads to: as the schema says, as a row says, else the one that is known to have the key column.
fn target(
    map: &Planned,
    row: &Row,
    column: &str,
    key: &str,
    all: &[Planned],
    given: &Sides<Option<Schema>>,
    notes: &mut Vec<Note>,
) -> String {
    let schema = given[Side::Right].as_ref();
    let field = schema.and_then(|it| it.entities.get(&map.entities[Side::Right])?.fields.get(column));
    if let Some(Kind::Lookup(targets)) = field.map(|it| &it.kind) {
        let has_key =
            |it: &&String| schema.is_some_and(|schema| schema.entities.get(*it).is_some_and(|it| it.fields.contains_key(key)));
        return targets.iter().find(has_key).or_else(|| targets.first()).cloned().unwrap_or_default();
    }
    let said = map.rows_of(column).find_map(|it| it.related.as_deref());
    if let Some(set) = said {
        return table_of(set, given);
    }
    if key == COMPANY_CODE {
        return COMPANY_TABLE.to_owned();
    }
    let has = |it: &&Planned| it.rows_of(key).any(|it| matches!(it.right, Some(Target::Column(_))));
    if has(&map) {
        return map.entities[Side::Right].clone();
    }
    let keyed: Vec<&Planned> = all.iter().filter(|it| it.key.first().is_some_and(|it| it == key)).collect();
    let own = names::without_prefix(column).trim_end_matches("id");
    let alike =
        |it: &&&Planned| it.entities[Side::Right].contains(own) || own.contains(names::without_prefix(&it.entities[Side::Right]));
    let found = keyed.iter().find(alike).or_else(|| if keyed.len() == 1 { keyed.first() } else { None });
    found.map_or_else(
        || {
            let text = format!("{}: nothing says which table `{column}` leads to; a table of that name is taken", row.text());
            notes.push(Note::warning(&map.mapping.identity(), Some(row.number), text));
            column.trim_end_matches("id").to_owned()
        },
        |it| it.entities[Side::Right].clone(),
    )
}
