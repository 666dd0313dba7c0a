//! The integration key of each map. The mapping itself does not hold it: it comes from a key list, from the schema, or is proposed.

use std::collections::BTreeMap;

use serde_json::Value;

use super::mapping::{Direction, Mapping, Row, Transform};
use super::path::Target;
use super::plan::{COMPANY_CODE, COMPANY_RIGHT, Planned, right_company};
use super::{Note, solution};
use crate::change::{Side, Sides};
use crate::schema::Schema;

/// Paths of the key columns by `accounts - Customers V3`, or by `accounts` for every map to that table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keys(BTreeMap<String, Vec<String>>);

impl Keys {
    /// Reads a list: a JSON object from names to lists of columns (also the body that the service takes, with its
    /// `integrationKeys`), or the automation tool's XML.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim_start_matches('\u{feff}').trim();
        if text.starts_with('<') {
            let rows = solution::key_rows(text)?;
            let columns = |list: String| list.split(',').map(|it| it.trim().to_lowercase()).filter(|it| !it.is_empty()).collect();
            return Ok(Self(rows.into_iter().map(|(name, list)| (name, columns(list))).collect()));
        }
        let value: Value = serde_json::from_str(text).map_err(|error| format!("no readable JSON: {error}"))?;
        let object =
            value.get("integrationKeys").unwrap_or(&value).as_object().ok_or("no JSON object from map names to key columns")?;
        let mut keys = BTreeMap::new();
        for (name, list) in object {
            let columns: Option<Vec<String>> =
                list.as_array().and_then(|it| it.iter().map(|it| it.as_str().map(|it| it.trim().to_lowercase())).collect());
            keys.insert(name.clone(), columns.ok_or_else(|| format!("the key of `{name}` is no list of columns"))?);
        }
        Ok(Self(keys))
    }

    fn of(&self, mapping: &Mapping) -> Option<&[String]> {
        self.0.get(&mapping.identity()).or_else(|| self.0.get(&mapping.set)).map(Vec::as_slice)
    }
}

/// The key of one map.
pub struct Found {
    /// First columns on the right; none where no row could be the key.
    pub columns: Vec<String>,
    /// The company's column on the right.
    pub company: Option<String>,
}

/// Finds the key of a map, and says so where it is a guess.
pub fn find(map: &Planned, given: &Sides<Option<Schema>>, keys: &Keys, notes: &mut Vec<Note>) -> Found {
    let identity = map.mapping.identity();
    let schema = given[Side::Right].as_ref();
    let by_schema = schema.and_then(|it| right_company(&map.entities[Side::Right], it));
    // A map that fills the company's column itself says which company its rows are about, not to which they belong.
    let by_schema = by_schema.filter(|it| map.rows_of(it).next().is_none());
    if let Some(paths) = keys.of(&map.mapping) {
        return listed(map, paths, by_schema, notes);
    }
    if let Some(columns) = schema.and_then(|it| unique(map, it, by_schema.as_deref())) {
        return Found { columns, company: by_schema };
    }
    let Some(row) = proposed(&map.mapping) else {
        notes.push(Note::error(&identity, None, "has no row that could be the key"));
        return Found { columns: Vec::new(), company: by_schema };
    };
    let text = format!("the key is a guess: {}; confirm it, or give a key list with --keys", row.text());
    notes.push(Note::warning(&identity, Some(row.number), text));
    if schema.is_none() {
        notes.push(Note::warning(&identity, None, "is taken to be shared by all companies; add a `partition` line if it is not"));
    }
    Found { columns: row.right.iter().map(|it| it.column().to_owned()).collect(), company: by_schema }
}

fn listed(map: &Planned, paths: &[String], by_schema: Option<String>, notes: &mut Vec<Note>) -> Found {
    let mut columns: Vec<String> = Vec::new();
    let (mut company, mut has_nested_company) = (None, false);
    for path in paths {
        let first = path.split('.').next().unwrap_or(path).to_owned();
        let rest = &path[first.len()..];
        if rest.trim_start_matches('.') == COMPANY_CODE {
            company = Some(first);
        } else if rest.ends_with(COMPANY_CODE) {
            // The company of a row that is referred to: the reference brings it, and the row is of the same company.
            has_nested_company = true;
        } else if map.rows_of(&first).next().is_none() {
            notes.push(Note::error(&map.mapping.identity(), None, format!("the key column `{path}` is not mapped")));
        } else if !columns.contains(&first) {
            columns.push(first);
        }
    }
    // A table that keeps its own rows per company does so whatever the list says of the rows it refers to.
    let implied = has_nested_company.then(|| COMPANY_RIGHT.to_owned());
    Found { columns, company: company.or(by_schema).or(implied) }
}

/// The first unique key of the table whose columns are all mapped.
fn unique(map: &Planned, schema: &Schema, company: Option<&str>) -> Option<Vec<String>> {
    let entity = schema.entities.get(&map.entities[Side::Right])?;
    let plain = |key: &Vec<String>| key.iter().filter(|it| Some(it.as_str()) != company).cloned().collect::<Vec<_>>();
    entity.unique.iter().map(plain).find(|key| !key.is_empty() && key.iter().all(|it| map.rows_of(it).next().is_some()))
}

/// Endings of columns that identify, the surest first.
const ENDINGS: &[&[&str]] = &[&["number", "id"], &["code", "symbol"], &["name"]];

/// A row that could be the key: both ways if the map goes both ways, named as a number, code or id, else as a name.
fn proposed(mapping: &Mapping) -> Option<&Row> {
    let goes_both_ways = mapping.rows.iter().any(|it| it.direction == Direction::Both);
    let is_fit = |row: &&Row| {
        let is_plain = matches!(row.right, Some(Target::Column(_))) && !row.left.is_empty();
        is_plain && !matches!(row.transform, Some(Transform::Default(_))) && (row.direction == Direction::Both || !goes_both_ways)
    };
    let fit: Vec<&Row> = mapping.rows.iter().filter(is_fit).collect();
    let ends = |row: &Row, endings: &[&str]| {
        let column = row.right.as_ref().map_or("", Target::column);
        endings.iter().any(|it| row.left.to_lowercase().ends_with(it) || column.ends_with(it))
    };
    let named = ENDINGS.iter().find_map(|endings| fit.iter().find(|row| row.transform.is_none() && ends(row, endings)));
    named.or_else(|| fit.first()).copied()
}
