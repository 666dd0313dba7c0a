//! What a held link waits for, and what an arriving row has to offer, in one form.
//!
//! The form is coarser than any store's comparison: no arrival is missed, and a link that is woken in vain waits on.

use crate::change::{Seen, Side, Sides};
use crate::interp::{Lookups, Prepared, Query};
use crate::ir::Plan;
use crate::value::{Value, fold_case};

/// The map whose row is waited for, if there is one, and the row.
pub fn of_query(plan: &Plan, query: &Query) -> (String, Value) {
    let reference = plan.reference(query.reference());
    let row = match query {
        Query::IdOf { key, .. } => by_key(key),
        Query::KeyOf { id, .. } => by_id(reference.side, id),
    };
    (reference.plan.clone().unwrap_or_default(), row)
}

/// Under which names the rows of a link may be waited for: its key, with the partition first, and the id of each side.
pub fn arrived(plan: &Prepared, lookups: &Lookups, seen: &Sides<Option<Seen>>) -> Vec<Value> {
    let mut out = Vec::new();
    for (side, row) in seen.iter() {
        let Some(row) = row else { continue };
        // A key that cannot be read on one side is read on the other; a row without any key is referred to by nobody.
        if let Ok(Some(key)) = plan.key_of(lookups, side, &row.record) {
            out.push(by_key(&key));
        }
        let id = plan.shapes[side].key.iter().map(|&slot| row.record.get(slot).clone());
        out.push(by_id(side, &Value::Tuple(id.collect())));
    }
    out.sort();
    out.dedup();
    out
}

fn by_key(key: &Value) -> Value {
    Value::Tuple(flat(key).into())
}

fn by_id(side: Side, id: &Value) -> Value {
    let side = match side {
        Side::Left => "id on the left",
        Side::Right => "id on the right",
    };
    Value::Tuple(std::iter::once(Value::text(side)).chain(flat(id)).collect())
}

/// The parts as texts, without case and outer blanks.
fn flat(value: &Value) -> Vec<Value> {
    match value {
        Value::Tuple(parts) => parts.iter().flat_map(flat).collect(),
        Value::Text(text) => vec![Value::text(fold_case(text.trim()))],
        other => vec![Value::text(other.to_string().to_lowercase())],
    }
}
