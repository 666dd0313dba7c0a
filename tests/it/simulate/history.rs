//! What users wrote and knew, and what became of it. Knows nothing of the engine but its ledger.

use std::collections::{BTreeMap, HashMap, HashSet};

use dwmap::connect::memory::Fields;
use dwmap::value::Value;

/// Fields whose every value was written by a user, once.
pub const WATCHED: [&str; 4] = ["Name", "name", "Note", "note"];

#[derive(Default)]
pub struct History {
    /// By number: the value that its writer saw, or 0.
    parents: Vec<u64>,
    /// What the engine wrote over: old and new.
    overwritten: Vec<(u64, u64)>,
    /// What went with rows that the engine deleted.
    removed: Vec<u64>,
    /// What went with rows that users deleted.
    abandoned: Vec<u64>,
}

/// The number of the write that made this value.
pub fn number(value: &Value) -> Option<u64> {
    value.as_text()?.strip_prefix('n')?.parse().ok()
}

/// The numbers in the watched fields of a row, by field.
pub fn numbers(row: &Fields) -> BTreeMap<&str, u64> {
    WATCHED.iter().filter_map(|name| Some((*name, number(row.get(*name)?)?))).collect()
}

/// Every number that is named in a text, such as the ledger's word on a whole row.
pub fn numbers_in(text: &str) -> Vec<u64> {
    let words = text.split(|it: char| !it.is_ascii_alphanumeric());
    words.filter_map(|it| it.strip_prefix('n')?.parse().ok()).collect()
}

impl History {
    /// A value that was never there, by somebody who saw this one.
    pub fn fresh(&mut self, seen: Option<u64>) -> Value {
        if self.parents.is_empty() {
            self.parents.push(0);
        }
        self.parents.push(seen.unwrap_or(0));
        Value::text(format!("n{}", self.parents.len() - 1))
    }

    /// The engine changed a row.
    pub fn changed(&mut self, before: &Fields, after: &Fields) {
        let (before, after) = (numbers(before), numbers(after));
        for (name, old) in before {
            if let Some(new) = after.get(name).filter(|it| **it != old) {
                self.overwritten.push((old, *new));
            }
        }
    }

    pub fn removed_by_the_engine(&mut self, row: &Fields) {
        self.removed.extend(numbers(row).into_values());
    }

    pub fn removed_by_a_user(&mut self, row: &Fields) {
        self.abandoned.extend(numbers(row).into_values());
    }

    /// `old` is `new`, or was seen by the writer of `new` or of one before it.
    fn descends(&self, new: u64, old: u64) -> bool {
        let chain = std::iter::successors(Some(new), |it| Some(self.parents[*it as usize]).filter(|it| *it != 0));
        chain.into_iter().any(|it| it == old)
    }

    /// Every displaced value was known to the writer of the new one, or is in the ledger; and none was displaced by an older one.
    pub fn check(&self, ledger: &HashSet<u64>) -> Result<(), String> {
        for &(old, new) in &self.overwritten {
            if self.descends(old, new) {
                return Err(format!("n{old} was put back to the older n{new}"));
            }
            if !self.descends(new, old) && !ledger.contains(&old) {
                return Err(format!("n{old} was overwritten by n{new} and is not in the ledger"));
            }
        }
        for &removed in &self.removed {
            let is_known = self.abandoned.iter().any(|it| self.descends(*it, removed));
            if !is_known && !ledger.contains(&removed) {
                return Err(format!("n{removed} was deleted with its row and is not in the ledger"));
            }
        }
        Ok(())
    }
}

/// A value stands in one row of a table only.
pub fn check_single(rows: &[Fields]) -> Result<(), String> {
    let mut seen = HashMap::new();
    for row in rows {
        for (name, number) in numbers(row) {
            if seen.insert(number, name).is_some() {
                return Err(format!("n{number} stands in two rows: {rows:?}"));
            }
        }
    }
    Ok(())
}
