//! What the state remembers of a compiled map, so that a later version of it can take over what is on file.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::change::{Side, Sides};
use crate::engine::link::rebased;
use crate::engine::merge::rule_slots;
use crate::ir::{Plan, RuleId};
use crate::schema::Shape;
use crate::value::{Record, Slot};
use crate::view::diff::form;
use crate::view::words::Words;

/// A map as far as its state depends on it. Names and hashes stand in the place of the rules themselves.
#[derive(Clone, Debug, PartialEq)]
pub struct Outline {
    pub shapes: Sides<Shape>,
    pub rules: Vec<RuleOutline>,
    /// Which rows take part, and by which key they are matched.
    pub scope: String,
    /// What conflicts, deletes, exits and errors lead to.
    pub policies: String,
}

/// A rule, by its number in the plan.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleOutline {
    pub known: KnownRule,
    /// The fields whose agreement stands or falls with the rule.
    pub agreed: Sides<Vec<Slot>>,
    /// The fields that the rule writes.
    pub written: Sides<Vec<Slot>>,
}

/// What tells a rule from others: the label that people know, and a hash of what it means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownRule {
    pub label: String,
    pub form: String,
}

/// What a map's new version changed on file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Revision {
    /// The state did not know the map.
    pub is_new: bool,
    /// Labels of rules that are new, or mean something else: what the two sides hold is compared by them.
    pub rules: Vec<String>,
    /// Labels of rules that are gone.
    pub gone: Vec<String>,
    /// Other rows take part than before: all rows are read again.
    pub has_other_scope: bool,
    /// Conflicts, deletes, exits or errors lead to something else.
    pub has_other_policies: bool,
}

impl Revision {
    /// Nothing on file has another meaning than before.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty() && self.gone.is_empty() && !self.has_other_scope && !self.has_other_policies
    }
}

impl Outline {
    pub fn of(plan: &Plan) -> Self {
        let scope = plan.scope.iter().map(|(side, it)| it.as_ref().map(|it| Words { plan, side }.expr(it)));
        let key = |id: &RuleId| {
            let form = form::of(plan, *id);
            format!("{:?}", (form.role, &form.equation, form.modulo, &form.guard, &form.tables))
        };
        let keys: Vec<String> = plan.key.iter().map(key).collect();
        let scope = (scope.collect::<Vec<_>>(), &plan.partition_in, &plan.writes, keys);
        let slot_name = |side: Side, slot: &Slot| plan.shapes[side].field(*slot).name.clone();
        let policies = Side::BOTH.map(|side| {
            use crate::ir::{DeleteAction, Exit};
            let delete = match &plan.on_delete[side] {
                DeleteAction::Set { slot, value } => format!("set {} {value}", slot_name(side.other(), slot)),
                other @ (DeleteAction::Delete | DeleteAction::Refuse | DeleteAction::Ignore) => format!("{other:?}"),
            };
            let exit = match &plan.on_exit[side] {
                Some(Exit::Set { slot, value }) => format!("set {} {value}", slot_name(side.other(), slot)),
                other @ (Some(Exit::Detach | Exit::Delete | Exit::Reject) | None) => format!("{other:?}"),
            };
            (delete, exit)
        });
        let labels = |rules: &[RuleId]| rules.iter().map(|&it| plan.rule(it).label.clone()).collect::<Vec<_>>();
        let mut groups: Vec<_> = plan.groups.iter().map(|it| (labels(&it.rules), it.conflict)).collect();
        groups.sort_by(|one, other| one.0.cmp(&other.0));
        Self {
            shapes: plan.shapes.clone(),
            rules: plan.rule_ids().map(|it| RuleOutline::of(plan, it)).collect(),
            scope: hash(&format!("{scope:?}")),
            policies: hash(&format!("{:?}", (policies, groups, plan.on_rekey, plan.on_error))),
        }
    }
}

impl RuleOutline {
    fn of(plan: &Plan, id: RuleId) -> Self {
        let rule = plan.rule(id);
        let written = |side: Side| rule.ends[side].write.iter().map(|(slot, _)| *slot).collect::<Vec<_>>();
        let written = Sides::new(written(Side::Left), written(Side::Right));
        let agreed = match () {
            // It does not count once the row is there.
            () if rule.on_create => Sides::default(),
            () if rule.is_two_way() => Sides::new(rule_slots(plan, id, Side::Left), rule_slots(plan, id, Side::Right)),
            () => written.clone(),
        };
        let form = form::of(plan, id);
        // Who wins a conflict does not change what the two sides agree upon.
        let meaning = (
            (form.role, &form.equation, form.moment, form.modulo, &form.guard),
            (&form.otherwise, form.missing, &form.fields, &form.tables),
        );
        let known = KnownRule { label: rule.label.clone(), form: hash(&format!("{meaning:?}")) };
        Self { known, agreed, written }
    }
}

/// From the rules of one version of a map to those of the next: what is on file keeps its meaning, and what has a new meaning is
/// looked at anew.
#[derive(Debug)]
pub struct Succession<'a> {
    new: &'a Outline,
    /// For each old rule, its number now.
    successor: Vec<Option<u16>>,
    /// New rules that mean what no old one meant.
    changed: Vec<usize>,
    /// Their fields, which are to be looked at anew.
    marks: Sides<Vec<Slot>>,
}

impl<'a> Succession<'a> {
    pub fn new(old: &[KnownRule], new: &'a Outline) -> Self {
        let find = |is_it: &dyn Fn(&KnownRule) -> bool| new.rules.iter().position(|it| is_it(&it.known)).map(|it| it as u16);
        // A rule with another label and the same meaning is the same rule; one that kept its label took the place of the old one.
        let successor = |rule: &KnownRule| {
            find(&|it| it == rule).or_else(|| find(&|it| it.form == rule.form)).or_else(|| find(&|it| it.label == rule.label))
        };
        let is_changed = |index: &usize| old.iter().all(|it| it.form != new.rules[*index].known.form);
        let changed: Vec<usize> = (0..new.rules.len()).filter(is_changed).collect();
        let marks = Sides(Side::BOTH.map(|side| changed.iter().flat_map(|&it| new.rules[it].agreed[side].clone()).collect()));
        Self { new, successor: old.iter().map(successor).collect(), changed, marks }
    }

    /// Labels of rules that are new, or mean something else.
    pub fn changed(&self) -> Vec<String> {
        self.changed.iter().map(|&it| self.new.rules[it].known.label.clone()).collect()
    }

    /// The old rules that nothing came of.
    pub fn gone<'b>(&self, old: &'b [KnownRule]) -> Vec<&'b KnownRule> {
        old.iter().zip(&self.successor).filter(|(_, to)| to.is_none()).map(|(it, _)| it).collect()
    }

    /// The rules of a request, by their numbers now. One whose rule is gone belongs to the rules that write its fields now. Without
    /// any, its fields are none of the map's business, and neither is it.
    pub fn rules(&self, side: Side, rules: &[u16], payload: &Record) -> Vec<u16> {
        let mut now: Vec<u16> = rules.iter().filter_map(|&it| self.successor.get(usize::from(it)).copied().flatten()).collect();
        if now.len() < rules.len() {
            let writes = |it: &usize| self.new.rules[*it].written[side].iter().any(|&slot| payload.get(slot).is_known());
            now.extend((0..self.new.rules.len()).filter(writes).map(|it| it as u16));
        }
        now.sort_unstable();
        now.dedup();
        now
    }

    /// No field of this side is to be looked at anew.
    pub fn has_no_marks(&self, side: Side) -> bool {
        self.marks[side].is_empty()
    }

    /// The agreement on one side, with marks on the fields of changed rules. A create that is under way (`is_pending`) has none
    /// yet, and is told what will not be agreed upon. `None`: nothing is to be marked.
    pub fn marked(&self, side: Side, shadow: Option<Record>, is_pending: bool) -> Option<Record> {
        if self.has_no_marks(side) || (shadow.is_none() && !is_pending) {
            return None;
        }
        let mut shadow = shadow.unwrap_or_else(|| Record::absent(self.new.shapes[side].fields.len()));
        for &slot in &self.marks[side] {
            let value = rebased(shadow.get(slot));
            shadow.set(slot, value);
        }
        Some(shadow)
    }
}

/// As much of a hash as tells the rules of one map apart.
fn hash(text: &str) -> String {
    Sha256::digest(text).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}
