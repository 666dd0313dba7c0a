//! The rows that references lead to, and who finds them: the store of their side, by its own comparison.

use std::collections::BTreeMap;

use dwmap::change::Side;
use dwmap::interp::{self, Query, Resolution};
use dwmap::ir::{Plan, RefColumn, RefTarget};
use dwmap::schema::Profile;
use dwmap::value::{Kind, Uuid, Value};

use super::dice::Dice;
use super::values;

/// Rows of each table.
const ROWS: usize = 6;
/// Share of references that lead nowhere.
const DANGLING_PERCENT: usize = 8;

/// The tables that the references of a map lead to, by the names of their entities.
#[derive(Default)]
pub struct World {
    tables: BTreeMap<String, Vec<Row>>,
}

struct Row {
    id: Value,
    columns: BTreeMap<String, Value>,
}

impl World {
    /// A few rows for each table, of which no two have the same key for either store. A profile that treats keys of another
    /// store's rows as one says so of every text; that such rows can then not be told apart is no matter of one rule.
    pub fn draw(dice: &mut Dice, plan: &Plan, spice: &[Value]) -> Self {
        let mut tables: BTreeMap<String, Vec<Row>> = BTreeMap::new();
        for reference in &plan.references {
            for target in &reference.targets {
                let rows = tables.entry(target.shape.entity.clone()).or_default();
                if rows.is_empty() {
                    *rows = draw_rows(dice, plan, reference.side, target, spice);
                }
            }
        }
        Self { tables }
    }

    /// What a reference field of a row may hold: null, a row of its own company, or one that has gone.
    pub fn draw_id(&self, dice: &mut Dice, targets: &[String], company: &str) -> Value {
        let is_near = |it: &&Row| it.columns.get("company").and_then(Value::as_text).is_none_or(|it| it.trim_end() == company);
        let rows: Vec<&Row> = targets.iter().filter_map(|it| self.tables.get(it)).flatten().filter(is_near).collect();
        if rows.is_empty() || dice.percent(15) {
            return Value::Null;
        }
        if dice.percent(DANGLING_PERCENT) {
            return Value::Guid(Uuid::from_u128(u128::MAX));
        }
        dice.pick(&rows).id.clone()
    }

    pub fn answer(&self, plan: &Plan, query: &Query) -> Resolution {
        let reference = plan.reference(query.reference());
        let profile = &plan.profiles[reference.side];
        let found = reference.targets.iter().find_map(|target| {
            let rows = self.tables.get(&target.shape.entity)?;
            match query {
                Query::IdOf { key, .. } => {
                    let is_meant = |it: &&Row| profile.fold_key(&key_of(target, it, 0)) == profile.fold_key(&whole(parts(key)));
                    rows.iter().find(is_meant).map(|it| it.id.clone())
                }
                Query::KeyOf { id, .. } => {
                    let row = rows.iter().find(|it| it.id == *id)?;
                    Some(key_of(target, row, usize::from(reference.is_partitioned)))
                }
            }
        });
        found.map_or(Resolution::Missing, Resolution::Found)
    }
}

fn draw_rows(dice: &mut Dice, plan: &Plan, side: Side, target: &RefTarget, spice: &[Value]) -> Vec<Row> {
    let profile = &plan.profiles[side];
    let mut out: Vec<Row> = Vec::new();
    for number in 0..ROWS {
        let columns: BTreeMap<String, Value> = target
            .columns
            .iter()
            .map(|it| target.shape.field(it.slot))
            .map(|field| {
                let drawn = match field.name.as_str() {
                    "company" => Value::text(dice.pick(&["usmf", "demf"])),
                    _ => values::draw(dice, &field.kind, false, spice),
                };
                (field.name.clone(), profile.store(&field.kind, &drawn))
            })
            .collect();
        let held = |name: &str| columns.get(name).cloned();
        let id = match target.shape.key.as_slice() {
            [slot] if target.shape.field(*slot).kind != Kind::Guid => held(&target.shape.field(*slot).name),
            _ => Some(Value::Guid(Uuid::from_u128(number as u128 + 1))),
        };
        let Some(id) = id else { continue };
        // A store whose own changes do not fit its field: there is none.
        let fits = |it: &RefColumn| {
            let field = target.shape.field(it.slot);
            interp::convert(&field.kind, &columns[&field.name]).is_ok()
        };
        if !target.columns.iter().all(fits) {
            continue;
        }
        let row = Row { id, columns };
        let folded = |row: &Row| whole(parts(&key_of(target, row, 0)).iter().map(|it| folded_by_all(plan, it)).collect());
        let key = folded(&row);
        let is_blank = parts(&key).iter().any(Value::is_blank);
        if !is_blank && !out.iter().any(|it| folded(it) == key) {
            out.push(row);
        }
    }
    out
}

/// One form for all values that one of the stores does not keep or tell apart.
fn folded_by_all(plan: &Plan, value: &Value) -> Value {
    let text = Kind::Text { max: None };
    let fold = |it: Value, profile: &Profile| profile.fold_key(&profile.store(&text, &it));
    (0..2).fold(value.clone(), |it, _| plan.profiles.iter().fold(it, |it, (_, profile)| fold(it, profile)))
}

/// The key columns of a row, but for the first ones.
fn key_of(target: &RefTarget, row: &Row, left_out: usize) -> Value {
    let column = |slot| row.columns[&target.shape.field(slot).name].clone();
    whole(target.columns.iter().skip(left_out).map(|it| column(it.slot)).collect())
}

fn parts(value: &Value) -> Vec<Value> {
    match value {
        Value::Tuple(parts) => parts.to_vec(),
        single => vec![single.clone()],
    }
}

fn whole(mut parts: Vec<Value>) -> Value {
    if parts.len() == 1 { parts.remove(0) } else { Value::Tuple(parts.into()) }
}
