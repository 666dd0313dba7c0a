//! Runs one rule on sample records of both sides, through the interpreter, and sees whether the laws hold.

use std::collections::HashMap;

use indexmap::IndexSet;

use super::alone::Alone;
use super::samples;
use crate::change::{Side, Sides};
use crate::check::premise::{Premise, Premises};
use crate::functions::{self, Law};
use crate::interp::{self, Cx, Lookups};
use crate::ir::{Compare, Expr, Fallback, Missing, Plan, RuleId};
use crate::value::{Kind, Record, Value};

/// Most records that are tried for one side of a rule.
const RECORDS_MAX: usize = 1_500;
/// Constants of a rule whose neighbours are all combined.
const CLOSE_CONSTANTS_MAX: usize = 2;
/// A rule that still writes after so many steps never settles.
const SETTLE_STEPS: usize = 8;
/// An edit may be answered by one write to each side.
const WRITES_MAX: usize = 2;

/// What was seen to go wrong.
#[derive(Clone, Debug)]
pub enum Finding {
    /// What `side` writes does not read back as itself.
    Unstable { side: Side, record: Record, wanted: Value, after: Record, again: Value },
    /// A value of `from` cannot be equalled by the other side.
    Section { from: Side, record: Record, wanted: Value, after: Record, reads: Value },
    /// The records written in turn, beginning with a row of that side; in the end it may come to rest all the same.
    Restless { trace: Vec<(Side, Record)>, comes_to_rest: bool },
    /// Two records of `side` look the same on the other one.
    Lost { side: Side, first: Record, second: Record, both: Record, is_concat: bool },
}

impl Finding {
    /// The same with other records in their places.
    pub fn with_records(self, change: impl Fn(Side, Record) -> Record) -> Self {
        match self {
            Self::Unstable { side, record, wanted, after, again } => {
                Self::Unstable { side, record: change(side, record), wanted, after: change(side, after), again }
            }
            Self::Section { from, record, wanted, after, reads } => {
                Self::Section { from, record: change(from, record), wanted, after: change(from.other(), after), reads }
            }
            Self::Restless { trace, comes_to_rest } => {
                Self::Restless { trace: trace.into_iter().map(|(side, it)| (side, change(side, it))).collect(), comes_to_rest }
            }
            Self::Lost { side, first, second, both, is_concat } => {
                let (first, second) = (change(side, first), change(side, second));
                Self::Lost { side, first, second, both: change(side.other(), both), is_concat }
            }
        }
    }
}

/// One rule with the records to try.
pub struct Trial {
    plan: Plan,
    id: RuleId,
    records: Sides<Vec<Record>>,
    /// Every value that the fields can hold is among the records.
    pub is_complete: bool,
    lookups: Lookups,
    premises: Premises,
    /// The sides on which the rule reads a reference, whose keys stand here in its place.
    referring: Vec<Side>,
}

impl Trial {
    /// Of a plan without fallbacks and references, as [`Alone`] makes it.
    pub fn new(alone: &Alone, premises: Premises) -> Self {
        let Alone { plan, id, referring, .. } = alone;
        let (plan, id, referring) = (plan.clone(), *id, referring.clone());
        let mut near = Vec::new();
        for (_, end) in plan.rule(id).ends.iter().filter(|_| premises.hold(Premise::Constants)) {
            samples::constants(&end.read, &mut near);
            end.write.iter().for_each(|(_, it)| samples::constants(it, &mut near));
        }
        // Where a store pads to is as good a place for errors as a constant.
        let padded = plan.profiles.iter().filter_map(|(_, it)| it.text.padded).map(|it| Value::Int(i64::from(it)));
        near.extend(padded.filter(|_| premises.hold(Premise::Constants)));
        let mut is_complete = true;
        let left = records(&plan, id, Side::Left, &near, premises, &mut is_complete);
        let right = records(&plan, id, Side::Right, &near, premises, &mut is_complete);
        Self { plan, id, records: Sides::new(left, right), is_complete, lookups: Lookups::default(), premises, referring }
    }

    /// Records that show a value: what cannot be read says nothing.
    pub fn cases(&self) -> u64 {
        let shown = |side: Side| self.records[side].iter().filter(|it| self.read(side, it).is_some()).count() as u64;
        shown(Side::Left) + shown(Side::Right)
    }

    /// The first law that fails, in the order of their codes' weight.
    /// What a canoniser of the file makes equal on a side is not lost there: the author has called it inessential.
    pub fn run(&self, is_lossless: bool, is_canon: &Sides<bool>) -> Option<Finding> {
        let each = |premise: Premise, find: fn(&Self, Side) -> Option<Finding>| {
            Side::BOTH.into_iter().filter(|_| self.premises.hold(premise)).find_map(|side| find(self, side))
        };
        let sides = || Side::BOTH.into_iter().filter(|&it| !is_canon[it] && self.premises.hold(Premise::Distinction));
        let lost = || sides().find_map(|side| self.lost(side));
        let ambiguous = || lost().filter(|it| matches!(it, Finding::Lost { is_concat: true, .. }));
        Side::BOTH
            .into_iter()
            .find_map(|side| self.unstable(side))
            .or_else(|| if is_lossless { ambiguous() } else { None })
            .or_else(|| each(Premise::Rest, Self::restless))
            .or_else(|| if is_lossless { each(Premise::Section, Self::section) } else { None })
            .or_else(|| if is_lossless { lost() } else { None })
    }

    fn cx(&self) -> Cx<'_> {
        Cx { plan: &self.plan, lookups: &self.lookups }
    }

    /// What this side shows, where it shows anything.
    fn read(&self, side: Side, record: &Record) -> Option<Value> {
        let is_filled = self.plan.rule(self.id).ends[side].read.slots().into_iter().all(|it| record.get(it).is_known());
        let value = if is_filled { interp::read(self.cx(), self.id, side, record).ok()? } else { return None };
        value.is_known().then_some(value)
    }

    /// The row after the value was written to it, before the store had it.
    fn write(&self, side: Side, value: &Value, own: &Record) -> Option<Record> {
        let mut out = Record::absent(own.len());
        let value = if self.referring.contains(&side) && self.refers_nowhere(value) { &Value::Null } else { value };
        // Fallbacks are taken out of the plan, so nothing reads the row that the value comes from.
        let rows = interp::Rows { own, from: &Record::absent(0) };
        interp::write(self.cx(), self.id, side, value, &Value::Absent, rows, &mut out).ok()?;
        let mut after = own.clone();
        after.overlay(&out);
        Some(after)
    }

    /// The row as the store gives it back.
    fn stored(&self, side: Side, row: &Record) -> Record {
        if self.premises.hold(Premise::Stores) { interp::normalise(&self.plan, side, row) } else { row.clone() }
    }

    fn agree(&self, left: &Value, right: &Value) -> bool {
        interp::refer_alike(&self.plan, &self.referring, left, right) || interp::agree(&self.plan, self.id, left, right)
    }

    /// A reference by a key without a value is none, whatever else stands in the key.
    fn refers_nowhere(&self, key: &Value) -> bool {
        !self.referring.is_empty() && interp::is_no_key(key)
    }

    fn blank(&self, side: Side) -> Record {
        Record::absent(self.plan.shapes[side].fields.len())
    }

    fn unstable(&self, side: Side) -> Option<Finding> {
        self.records[side].iter().find_map(|record| {
            let wanted = self.read(side, record)?;
            // The value must be one that can cross: what the other side refuses never comes back.
            self.write(side.other(), &wanted, &self.blank(side.other()))?;
            let after = self.write(side, &wanted, &self.blank(side))?;
            let again = self.read(side, &after)?;
            let is_stable = self.agree(&wanted, &again) || self.is_defaulted(side, &wanted);
            (!is_stable).then(|| Finding::Unstable { side, record: record.clone(), wanted, after, again })
        })
    }

    fn section(&self, from: Side) -> Option<Finding> {
        let towards = from.other();
        self.records[from].iter().find_map(|record| {
            let wanted = self.read(from, record)?;
            let written = self.write(towards, &wanted, &self.blank(towards))?;
            let after = self.stored(towards, &written);
            let reads = self.read(towards, &after)?;
            let holds = self.agree(&wanted, &reads) || self.is_defaulted(towards, &wanted);
            (!holds).then(|| Finding::Section { from, record: record.clone(), wanted, after, reads })
        })
    }

    /// `??` on a side makes null (and `""`, where the store has no null) its default there: the author has said so.
    fn is_defaulted(&self, side: Side, value: &Value) -> bool {
        fn has_default(expr: &Expr) -> bool {
            is_default(expr) || expr.operands().into_iter().any(has_default)
        }
        let has_blank = match value {
            Value::Tuple(parts) => parts.iter().any(Value::is_blank),
            single => single.is_blank(),
        };
        has_blank && has_default(&self.plan.rule(self.id).ends[side].read)
    }

    /// Lets the two stores answer each other until they agree, or one refuses.
    fn restless(&self, start: Side) -> Option<Finding> {
        let may_miss = self.plan.rule(self.id).on_missing == Missing::Null && !self.referring.is_empty();
        self.restless_with(start, true).or_else(|| if may_miss { self.restless_with(start, false) } else { None })
    }

    /// As it is where references are found by every key, or by none.
    fn restless_with(&self, start: Side, are_found: bool) -> Option<Finding> {
        self.records[start].iter().find_map(|record| {
            let mut rows = Sides::new(self.blank(Side::Left), self.blank(Side::Right));
            rows[start] = record.clone();
            let mut trace = vec![(start, record.clone())];
            let mut from = start;
            let mut comes_to_rest = false;
            for _ in 0..SETTLE_STEPS {
                let towards = from.other();
                let answer = self.answer(towards, &rows, are_found);
                comes_to_rest = answer.is_none();
                let Some(written) = answer else { break };
                rows[towards] = written;
                trace.push((towards, rows[towards].clone()));
                from = towards;
            }
            let writes = trace.len() - 1;
            let is_too_often = writes > WRITES_MAX && self.premises.hold(Premise::OneWrite);
            (is_too_often || !comes_to_rest).then_some(Finding::Restless { trace, comes_to_rest })
        })
    }

    /// What this side holds after the other one was carried over; `None`: they agree, or it is refused.
    fn answer(&self, towards: Side, rows: &Sides<Record>, are_found: bool) -> Option<Record> {
        let wanted = self.read(towards.other(), &rows[towards.other()])?;
        if self.read(towards, &rows[towards]).is_some_and(|there| self.agree(&wanted, &there)) {
            return None;
        }
        let is_missing = !are_found && self.referring.contains(&towards);
        let written = if is_missing { &Value::Null } else { &wanted };
        self.write(towards, written, &rows[towards]).map(|it| self.stored(towards, &it))
    }

    fn lost(&self, side: Side) -> Option<Finding> {
        let mut found = Vec::new();
        culprits(&self.plan.rule(self.id).ends[side].read, &mut found);
        found.into_iter().find_map(|it| self.lost_by(side, it))
    }

    fn lost_by(&self, side: Side, culprit: &Expr) -> Option<Finding> {
        let inputs = self.inputs(side, culprit);
        let is_concat = matches!(culprit, Expr::Concat(_));
        if is_concat && !self.premises.hold(Premise::Joining) {
            return None;
        }
        let mut seen: HashMap<Value, (&Record, Value, Option<Record>)> = HashMap::new();
        self.records[side].iter().find_map(|record| {
            let value = self.read(side, record).filter(|it| !self.refers_nowhere(it))?;
            let input = inputs.read(side, record)?;
            // One that is refused is taken for the other all the same, where that is there already.
            let both = self.write(side.other(), &value, &self.blank(side.other()));
            let (first, earlier, sent) = seen.entry(self.kept(value)).or_insert_with(|| (record, input.clone(), both.clone()));
            let (is_same, both) = (inputs.agree(earlier, &input), both.or_else(|| sent.clone())?);
            (!is_same).then(|| Finding::Lost { side, first: first.clone(), second: record.clone(), both, is_concat })
        })
    }

    /// A number as both stores keep it: two that they round to the same look the same.
    fn kept(&self, value: Value) -> Value {
        match value {
            Value::Decimal(_) if self.premises.hold(Premise::Stores) => {
                let kind = &self.plan.rule(self.id).kind;
                self.plan.profiles.iter().fold(value, |it, (_, profile)| profile.store(kind, &it))
            }
            other => other,
        }
    }

    /// The same rule, reading what goes into the expression that may lose something.
    fn inputs(&self, side: Side, culprit: &Expr) -> Self {
        let mut plan = self.plan.clone();
        let rule = &mut plan.rules[self.id.index()];
        rule.ends[side].read = Expr::Tuple(culprit.operands().into_iter().cloned().collect());
        // What goes in is compared as it is: the stores would round it to what comes out.
        if !matches!(rule.kind, Kind::Text { .. }) {
            rule.kind = Kind::Bool;
        }
        Self {
            plan,
            id: self.id,
            records: Sides::default(),
            is_complete: false,
            lookups: Lookups::default(),
            premises: self.premises,
            referring: Vec::new(),
        }
    }
}

/// The parts of a reader that can make two values one, other than by a canoniser or a default; the outermost first.
fn culprits<'e>(expr: &'e Expr, out: &mut Vec<&'e Expr>) {
    let is_faithful = match expr {
        Expr::Const(_) | Expr::Slot(_) | Expr::It | Expr::Partition | Expr::Now | Expr::Fresh(_) => true,
        Expr::Tuple(_) | Expr::Part { .. } | Expr::Coalesce(..) => true,
        Expr::Call { function, .. } => functions::find(function).is_some_and(|it| it.law == Law::Canon),
        // A text of another length is the same text, or refused.
        Expr::Convert { to: Kind::Text { .. }, .. } => true,
        Expr::Convert { .. }
        | Expr::Concat(_)
        | Expr::SplitPart { .. }
        | Expr::Math { .. }
        | Expr::Compare { .. }
        | Expr::In { .. }
        | Expr::And(..)
        | Expr::Or(..)
        | Expr::Not(_)
        | Expr::If { .. }
        | Expr::Table { .. }
        | Expr::KeyOf { .. }
        | Expr::IdOf { .. } => false,
    };
    match expr {
        Expr::If { then, otherwise, .. } if is_default(expr) => {
            culprits(then, out);
            culprits(otherwise, out);
        }
        other => {
            if !is_faithful {
                out.push(other);
            }
            other.operands().into_iter().for_each(|it| culprits(it, out));
        }
    }
}

/// `a ?? b`; where the store has no null, that is a test for null or `""`.
pub fn is_default(expr: &Expr) -> bool {
    fn tests_blank(expr: &Expr) -> bool {
        match expr {
            Expr::Or(left, right) => tests_blank(left) && tests_blank(right),
            Expr::Compare { op: Compare::Equal, right, .. } => match &**right {
                Expr::Const(Value::Text(text)) => text.as_str().trim_matches(' ').is_empty(),
                _ => false,
            },
            Expr::Call { function, .. } => function == "is_null",
            _ => false,
        }
    }
    match expr {
        Expr::Coalesce(..) => true,
        Expr::If { condition, .. } => tests_blank(condition),
        _ => false,
    }
}

/// Rows of one side as its store would hold them, that the rule applies to.
fn records(plan: &Plan, id: RuleId, side: Side, near: &[Value], premises: Premises, is_complete: &mut bool) -> Vec<Record> {
    let slots = plan.rule(id).ends[side].read.slots();
    let mut columns = Vec::with_capacity(slots.len());
    for &slot in &slots {
        let field = plan.shapes[side].field(slot);
        let listed = if slots.len() == 1 { listed(plan, id, side) } else { None };
        *is_complete &= listed.is_some() || samples::every(&field.kind).is_some();
        let mut values = listed.unwrap_or_else(|| samples::nasty(&field.kind, near));
        if matches!(field.kind, Kind::Text { .. }) && !premises.hold(Premise::Letters) {
            values.retain(|it| it.as_text().is_none_or(|it| it.bytes().all(|it| it.is_ascii_lowercase())));
        }
        if field.nullable {
            values.push(Value::Null);
        }
        columns.push(values);
    }
    let lookups = Lookups::default();
    let cx = Cx { plan, lookups: &lookups };
    let mut out: IndexSet<Record> = IndexSet::new();
    let close = close(&columns, near);
    for row in close.into_iter().chain(combinations(&columns, is_complete)) {
        let mut record = Record::absent(plan.shapes[side].fields.len());
        slots.iter().zip(row).for_each(|(slot, value)| record.set(*slot, value));
        let record = interp::normalise(plan, side, &record);
        let is_meant =
            interp::guard_holds(cx, id, side, &record).unwrap_or(false) && interp::in_scope(cx, side, &record).unwrap_or(false);
        if is_meant {
            out.insert(record);
        }
    }
    out.into_iter().collect()
}

/// The only values that can cross: those that a value map lists, where it refuses all others.
fn listed(plan: &Plan, id: RuleId, side: Side) -> Option<Vec<Value>> {
    let rule = plan.rule(id);
    let table = match (&rule.ends[side].read, rule.ends[side.other()].write.as_slice()) {
        (Expr::Table { table, operand }, _) if matches!(**operand, Expr::Slot(_)) => table,
        (Expr::Slot(_), [(_, Expr::Table { table, operand })]) if **operand == Expr::It => table,
        _ => return None,
    };
    let table = plan.table(*table);
    let refuses = !matches!(table.otherwise, Some(Fallback::Value(_) | Fallback::Expr(_)));
    refuses.then(|| table.pairs.iter().map(|(from, _)| from.clone()).collect())
}

fn few(columns: &[Vec<Value>], wanted: &[Value]) -> Vec<Vec<Value>> {
    columns.iter().map(|column| column.iter().filter(|it| wanted.contains(it)).cloned().collect()).collect()
}

/// All rows of the few texts that stand closest to the rule's constants: where the columns have too many rows to try all of them,
/// these must not be left to chance.
fn close(columns: &[Vec<Value>], near: &[Value]) -> Vec<Vec<Value>> {
    let constants: Vec<&str> = near.iter().filter_map(Value::as_text).take(CLOSE_CONSTANTS_MAX).collect();
    let narrow = constants.iter().flat_map(|it| [(*it).to_owned(), format!("a{it}a")]);
    let wide = constants.iter().flat_map(|it| [format!("a{it}"), format!("{it}a")]);
    let narrow: Vec<Value> = std::iter::once("a".to_owned()).chain(narrow).map(|it| Value::text(&it)).collect();
    let wide: Vec<Value> = std::iter::once(String::new()).chain(wide).map(|it| Value::text(&it)).chain(narrow.clone()).collect();
    let chosen = [wide, narrow].into_iter().map(|wanted| few(columns, &wanted));
    let fits = |columns: &Vec<Vec<Value>>| {
        let all = columns.iter().try_fold(1usize, |product, it| product.checked_mul(it.len()));
        columns.len() >= 2 && all.is_some_and(|it| it <= RECORDS_MAX)
    };
    let Some(columns) = chosen.into_iter().find(fits) else { return Vec::new() };
    combinations(&columns, &mut true)
}

/// All rows of these columns, or as many as are tried, picked by the seed.
fn combinations(columns: &[Vec<Value>], is_complete: &mut bool) -> Vec<Vec<Value>> {
    let all = columns.iter().try_fold(1usize, |product, it| product.checked_mul(it.len())).unwrap_or(usize::MAX);
    let count = all.min(RECORDS_MAX);
    *is_complete &= count == all;
    let mut state = samples::SEED;
    let pick = |index: usize, state: &mut u64| -> Vec<Value> {
        let mut rest = index;
        let row = columns.iter().map(|column| {
            if count < all {
                *state ^= *state << 13;
                *state ^= *state >> 7;
                *state ^= *state << 17;
                return column[(*state % column.len() as u64) as usize].clone();
            }
            let at = rest % column.len();
            rest /= column.len();
            column[at].clone()
        });
        row.collect()
    };
    (0..count).map(|index| pick(index, &mut state)).collect()
}
