//! What the history of a record says of a request that was answered: which edit it carries, by which rule, under which version,
//! and what the system showed afterwards. The line has the name of the operation that the request was sent under.

use super::*;
use crate::engine::link::unmarked;
use crate::ir::RuleId;

impl Flight {
    /// The request had its effect: the row as it is now.
    pub(super) fn note_answer(&mut self, at: Moment, kind: ActivityKind, intent: &Intent, row: &Seen) {
        let shape = &self.plan.shapes[intent.side];
        let mut text = match kind {
            ActivityKind::Created => format!("{} as {}: ", intent.side.word(), row.id.0),
            _ => format!("{}: ", intent.side.word()),
        };
        text.push_str(&describe(shape, &intent.payload));
        if let Some(edit) = self.edit_behind(intent) {
            text.push_str(&format!("; for the edit {edit}"));
        }
        let rules: Vec<&str> = intent.rules.iter().map(|&it| self.plan.rule(RuleId(it)).label.as_str()).collect();
        if !rules.is_empty() {
            text.push_str(&format!("; by {}", rules.join(", ")));
        }
        if let Some(version) = &intent.expected {
            text.push_str(&format!("; sent for version {}", version.0));
        }
        text.push_str(&format!("; answered with version {}", row.version.0));
        if let Some(other) = read_back(shape, &intent.payload, &row.record) {
            text.push_str(&format!("; reads back {other}"));
        }
        self.note(Moment { op: intent.op, ..at }, kind, text);
    }

    /// The fields of the source that differ from the last agreement, with their old and new content.
    fn edit_behind(&self, intent: &Intent) -> Option<String> {
        let source = intent.side.other();
        let shadow = self.link.shadows[source].as_ref()?;
        let shape = &self.plan.shapes[source];
        let mut slots: Vec<Slot> =
            intent.rules.iter().flat_map(|&it| merge::rule_slots(&self.plan, RuleId(it), source)).collect();
        slots.sort_unstable();
        slots.dedup();
        let edited = slots.into_iter().filter(|&it| intent.base.get(it) != unmarked(shadow.get(it)));
        let told: Vec<String> = edited
            .map(|it| {
                format!("{} {}: {} -> {}", source.word(), shape.field(it).name, unmarked(shadow.get(it)), intent.base.get(it))
            })
            .collect();
        (!told.is_empty()).then(|| told.join(", "))
    }
}

/// Sent fields that the system shows otherwise.
fn read_back(shape: &crate::schema::Shape, sent: &Record, row: &Record) -> Option<String> {
    let mut other = Record::absent(row.len());
    for (slot, value) in sent.slots().filter(|(_, value)| value.is_known()) {
        if row.get(slot) != value {
            other.set(slot, row.get(slot).clone());
        }
    }
    let text = describe(shape, &other);
    (!text.is_empty()).then_some(text)
}
