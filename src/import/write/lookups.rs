//! References: the rows of one lookup column become one rule, through the map of the table it leads to, else through its unique key.

use super::rules::Draft;
use super::{Refused, Writer};
use crate::change::Side;
use crate::import::mapping::{Direction, Row};
use crate::import::path::Target;
use crate::import::plan::Planned;
use crate::import::{RIGHT, area, names};
use crate::value::Kind;

impl Writer<'_> {
    pub fn reference_rule(&mut self, rows: &[Row], target: &Target, direction: Direction) -> Result<String, Refused> {
        let column = target.column().to_owned();
        let mut rows: Vec<Row> = rows.to_vec();
        for row in &rows {
            if row.transform.is_some() {
                return Err(self.refuse(row, "a reference with a value map"));
            }
            if std::mem::discriminant(row.right.as_ref().unwrap_or(target)) != std::mem::discriminant(target) {
                return Err(self.refuse(row, &format!("`{column}` is written in more than one way")));
            }
        }
        let Some(field) = self.world.field(Side::Right, &self.map.entities[Side::Right], &column).cloned() else {
            return Err(self.refuse(&rows[0], &format!("`{}` has no column `{column}`", self.map.entities[Side::Right])));
        };
        let (via, leaves_out) = match target {
            Target::Several { tables, .. } => (several(tables), false),
            Target::Lookup { .. } | Target::Column(_) => self.via(&column, &mut rows),
        };
        let mut left = Vec::new();
        let mut can_fail = false;
        for row in &rows {
            let Some(own) = self.world.field(Side::Left, &self.map.entities[Side::Left], &row.left).cloned() else {
                return Err(self.refuse(row, &format!("`{}` has no column `{}`", self.map.entities[Side::Left], row.left)));
            };
            left.push(names::written(&own.name));
            can_fail |= self.differs(row, target, &own.kind);
            can_fail |= direction.leads_left() && own.required && !field.required;
        }
        let left = if left.len() == 1 { left.remove(0) } else { format!("({})", left.join(", ")) };
        let mut draft = Draft::new(left, names::written(&field.name), direction);
        draft.clauses.push(format!("via {via}"));
        self.may_wait |= leaves_out;
        draft.can_fail = can_fail;
        Ok(draft.text())
    }

    /// The key column holds other texts than the field that names the row.
    fn differs(&self, row: &Row, target: &Target, own: &Kind) -> bool {
        let (table, key) = match (target, &row.right) {
            (Target::Several { tables, .. }, _) => (tables[0].0.to_lowercase(), vec![tables[0].1.clone()]),
            (_, Some(Target::Lookup { column, key })) => (self.map.targets[column].clone(), key.clone()),
            (Target::Lookup { .. } | Target::Column(_), _) => return false,
        };
        self.key_kind(&table, &key).is_some_and(|kind| kind != *own)
    }

    fn key_kind(&self, table: &str, key: &[String]) -> Option<Kind> {
        let (first, rest) = key.split_first()?;
        let kind = self.world.field(Side::Right, table, first)?.kind.clone();
        match &kind {
            Kind::Lookup(targets) if !rest.is_empty() => self.key_kind(targets.first()?, rest),
            _ => Some(kind),
        }
    }

    /// `via Map`, with the rows in the order of its key; else `via dv.table(column, …)`. Second: a filter of the map leaves rows
    /// out that could be referred to.
    fn via(&mut self, column: &str, rows: &mut [Row]) -> (String, bool) {
        let table = self.map.targets[column].clone();
        if let Some(map) = self.map_of(&table, rows) {
            let (area, name, order, has_filter) =
                (map.area, map.name.clone(), key_paths(map), !map.mapping.left_filter.trim().is_empty());
            rows.sort_by_key(|row| order.iter().position(|it| Some(it) == key(row).as_ref()));
            return (self.name_in(area, &name), has_filter);
        }
        let columns: Vec<String> =
            rows.iter().filter_map(key).map(|it| it.split('.').map(names::written).collect::<Vec<_>>().join(".")).collect();
        (format!("{RIGHT}.{}({})", names::written(&table), columns.join(", ")), false)
    }

    /// The one map whose key is exactly what these rows give, if it stands in this file or one before it.
    fn map_of(&self, table: &str, rows: &[Row]) -> Option<&Planned> {
        let mut wanted: Vec<String> = rows.iter().filter_map(key).collect();
        wanted.sort();
        let fits = |map: &&Planned| {
            let mut own = key_paths(map);
            own.sort();
            map.entities[Side::Right] == table && own == wanted
        };
        let mut found = self.world.maps.iter().filter(fits);
        let (one, other) = (found.next()?, found.next());
        let is_before = area::rank(one.area) <= area::rank(self.map.area);
        let is_kept_alike = one.partition.is_none() || self.map.partition.is_some();
        (other.is_none() && is_before && is_kept_alike).then_some(one)
    }
}

/// What stands behind the lookup column of a row: `msdyn_hierarchy.msdyn_name`.
fn key(row: &Row) -> Option<String> {
    match &row.right {
        Some(Target::Lookup { key, .. }) => Some(key.join(".")),
        Some(Target::Column(_) | Target::Several { .. }) | None => None,
    }
}

/// The paths of a map's key, in the order in which its key lines name them.
fn key_paths(map: &Planned) -> Vec<String> {
    let rows = map.key.iter().flat_map(|it| map.rows_of(it));
    rows.filter_map(|it| it.right.as_ref().map(Target::to_string)).collect()
}

fn several(tables: &[(String, String)]) -> String {
    let one = |(table, column): &(String, String)| {
        format!("{RIGHT}.{}({})", names::written(&table.to_lowercase()), names::written(column))
    };
    tables.iter().map(one).collect::<Vec<_>>().join(" | ")
}
