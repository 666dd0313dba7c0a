//! People who work on both sides at once.

use std::sync::Arc;

use dwmap::change::RemoteId;
use dwmap::connect::memory::{Fields, Memory};
use dwmap::value::Value;

use super::faulty::{Shared, lock};
use super::history::{WATCHED, number};

/// The names of a side's tables and fields.
struct Names {
    customers: &'static str,
    groups: &'static str,
    id: &'static str,
    code: &'static str,
    name: &'static str,
    note: &'static str,
    group: &'static str,
    payer: &'static str,
    /// What references to a customer and to a group hold.
    customer_key: &'static str,
    group_key: &'static str,
}

const NAMES: [Names; 2] = [
    Names {
        customers: "Customer",
        groups: "Group",
        id: "Id",
        code: "Code",
        name: "Name",
        note: "Note",
        group: "Group",
        payer: "Payer",
        customer_key: "Id",
        group_key: "Code",
    },
    Names {
        customers: "account",
        groups: "grp",
        id: "number",
        code: "code",
        name: "name",
        note: "note",
        group: "grp",
        payer: "payer",
        customer_key: "accountid",
        group_key: "grpid",
    },
];

pub struct Users {
    pub systems: [Arc<Memory>; 2],
    pub shared: Shared,
    /// Keys that were given out.
    keys: u64,
}

impl Users {
    pub fn new(systems: [Arc<Memory>; 2], shared: Shared) -> Self {
        Self { systems, shared, keys: 0 }
    }

    fn below(&self, limit: u64) -> u64 {
        lock(&self.shared).random.below(limit)
    }

    fn fresh(&self, seen: Option<u64>) -> Value {
        lock(&self.shared).history.fresh(seen)
    }

    fn key(&mut self) -> Value {
        self.keys += 1;
        Value::text(format!("k{}", self.keys))
    }

    /// The content of this field in some row; null now and then.
    fn some(&self, side: usize, entity: &str, field: &str) -> Value {
        let rows = self.systems[side].rows(entity);
        let nth = self.below(rows.len() as u64 + 1) as usize;
        rows.get(nth).and_then(|(_, row)| row.get(field)).cloned().unwrap_or(Value::Null)
    }

    fn some_reference(&self, side: usize, entity: &str, field: &str) -> Value {
        // On the left a key can be typed before its row is there.
        if side == 0 && self.below(6) == 0 {
            return Value::text(format!("k{}", self.keys + 1 + self.below(3)));
        }
        self.some(side, entity, field)
    }

    /// Somebody does something.
    pub fn act(&mut self) {
        let side = self.below(2) as usize;
        let names = &NAMES[side];
        match self.below(20) {
            0..4 => self.create_customer(side),
            4 => self.create_group(side),
            5 => self.delete(side),
            6 => self.edit(side, names.groups, names.name),
            7..12 => self.edit(side, names.customers, names.name),
            12..16 => self.edit(side, names.customers, names.note),
            16..18 => {
                let value = self.some_reference(side, names.groups, names.group_key);
                self.refer(side, names.group, value);
            }
            _ => {
                let value = self.some_reference(side, names.customers, names.customer_key);
                self.refer(side, names.payer, value);
            }
        }
    }

    fn create_customer(&mut self, side: usize) {
        let names = &NAMES[side];
        let id = self.key();
        let fields: Fields = [
            (names.id, id),
            (names.name, self.fresh(None)),
            (names.note, self.fresh(None)),
            (names.group, self.some_reference(side, names.groups, names.group_key)),
            (names.payer, self.some_reference(side, names.customers, names.customer_key)),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        self.insert(side, names.customers, fields);
    }

    fn create_group(&mut self, side: usize) {
        let names = &NAMES[side];
        let fields = [(names.code, self.key()), (names.name, self.fresh(None))];
        self.insert(side, names.groups, fields.map(|(name, value)| (name.to_owned(), value)).into());
    }

    fn insert(&self, side: usize, entity: &str, fields: Fields) {
        lock(&self.shared).say(format!("user inserts {entity} {fields:?}"));
        self.systems[side].insert(entity, fields).expect("keys are given out once");
    }

    fn pick(&self, side: usize, entity: &str) -> Option<(RemoteId, Fields)> {
        let mut rows = self.systems[side].rows(entity);
        let nth = self.below(rows.len().max(1) as u64) as usize;
        (nth < rows.len()).then(|| rows.swap_remove(nth))
    }

    fn edit(&self, side: usize, entity: &str, field: &str) {
        assert!(WATCHED.contains(&field), "{field} has no history");
        let Some((id, row)) = self.pick(side, entity) else { return };
        let value = self.fresh(row.get(field).and_then(number));
        self.update(side, entity, &id, field, value);
    }

    fn refer(&self, side: usize, field: &str, value: Value) {
        let entity = NAMES[side].customers;
        if let Some((id, _)) = self.pick(side, entity) {
            self.update(side, entity, &id, field, value);
        }
    }

    fn update(&self, side: usize, entity: &str, id: &RemoteId, field: &str, value: Value) {
        lock(&self.shared).say(format!("user edits {entity} {} {field} = {value}", id.0));
        self.systems[side].update(entity, id, [(field.to_owned(), value)].into()).expect("the row is there");
    }

    fn delete(&self, side: usize) {
        let entity = NAMES[side].customers;
        let Some((id, row)) = self.pick(side, entity) else { return };
        let mut turmoil = lock(&self.shared);
        turmoil.say(format!("user deletes {entity} {}", id.0));
        turmoil.history.removed_by_a_user(&row);
        self.systems[side].delete(entity, &id).expect("the row is there");
    }

    /// References to rows that are not there are emptied. True: there were some.
    pub fn mend(&self) -> bool {
        let mut did = false;
        for (side, names) in NAMES.iter().enumerate() {
            for (field, entity, key) in
                [(names.group, names.groups, names.group_key), (names.payer, names.customers, names.customer_key)]
            {
                let there: Vec<Value> =
                    self.systems[side].rows(entity).into_iter().filter_map(|(_, row)| row.get(key).cloned()).collect();
                for (id, row) in self.systems[side].rows(names.customers) {
                    if row.get(field).is_some_and(|it| it.is_value() && !there.contains(it)) {
                        self.update(side, names.customers, &id, field, Value::Null);
                        did = true;
                    }
                }
            }
        }
        did
    }
}
