//! Maps as flat code, for speed: the same meaning as the plain evaluation, worked out once instead of per record.
//!
//! A rule of one direction becomes a few operations over numbered places; operations that stand for each other are fused, what
//! is constant is computed beforehand, functions and value maps are found before the first record comes. The code knows the
//! usual course only. Where a value is not as usual (a kind that the schema did not promise, a failure that an `else` or a
//! message must answer for), the rule **stands aside**: it is done again by the plain evaluation, which stays the one place that
//! says what a rule means. So do rules that flat code cannot hold at all: guards, references, several rules that share a field.

mod code;
mod compile;
mod ends;
mod run;
mod table;
mod texts;

use std::borrow::Cow;

use super::rules::{self, Rows, Step};
use super::{Cx, Lookups, Stop};
use crate::change::{Side, Sides};
use crate::ir::{Plan, RuleId};
use crate::value::{Record, Slot, Value};
use code::Code;
use ends::{End, Reader};

type Result<T> = std::result::Result<T, Stop>;

/// A plan that is ready to run. It reads as the plan that it was made from.
#[derive(Debug)]
pub struct Prepared {
    plan: Plan,
    puts: Sides<Put>,
    scope: Sides<Option<Code>>,
    /// By rule.
    ends: Vec<Sides<End>>,
    /// By rule: the condition of its `when`, where it has one.
    guards: Vec<Option<Code>>,
}

/// Writing towards one side.
#[derive(Debug)]
struct Put {
    /// A row is made.
    create: Course,
    /// A row is there: what agrees is found to agree.
    update: Course,
    /// The partition's value may fail to be read, which stops the row before any rule does.
    has_difficult_partition: bool,
}

/// The rules of one direction, and the code for those that have some.
#[derive(Debug)]
struct Course {
    /// All rules that take part, as the plain evaluation takes them.
    order: Vec<RuleId>,
    /// Those of them that always stand aside.
    aside: Vec<RuleId>,
    code: Code,
}

impl std::ops::Deref for Prepared {
    type Target = Plan;

    fn deref(&self) -> &Plan {
        &self.plan
    }
}

impl Prepared {
    pub fn new(plan: Plan) -> Self {
        let puts = Sides(Side::BOTH.map(|towards| Put {
            create: Course::new(&plan, towards, true),
            update: Course::new(&plan, towards, false),
            has_difficult_partition: plan.partition.is_some_and(|id| !compile::never_fails(&plan, id, towards.other())),
        }));
        let scope = Sides(Side::BOTH.map(|side| compile::scope(&plan, side)));
        let ends = plan.rule_ids().map(|id| Sides(Side::BOTH.map(|side| End::new(&plan, id, side)))).collect();
        let guard = |id| compile::alone(&plan, &plan.rule(id).guard.as_ref()?.condition);
        let guards = plan.rule_ids().map(guard).collect();
        Self { plan, puts, scope, ends, guards }
    }

    /// A plan without code: everything takes the plain way. For tests and measurements.
    pub fn plain(plan: Plan) -> Self {
        let puts = Sides(Side::BOTH.map(|towards| Put {
            create: Course::plain(&plan, towards, true),
            update: Course::plain(&plan, towards, false),
            has_difficult_partition: true,
        }));
        let ends = plan.rule_ids().map(|id| Sides(Side::BOTH.map(|side| End::plain(&plan, id, side)))).collect();
        let guards = plan.rule_ids().map(|_| None).collect();
        Self { plan, puts, scope: Sides::default(), ends, guards }
    }

    /// The rules towards this side that have no code for making a row, and so always take the plain way.
    pub fn plain_rules(&self, towards: Side) -> &[RuleId] {
        &self.puts[towards].create.aside
    }

    pub fn cx<'a>(&'a self, lookups: &'a Lookups) -> Cx<'a> {
        Cx { plan: &self.plan, lookups }
    }

    /// As [`super::put`].
    pub fn put(&self, lookups: &Lookups, towards: Side, from: &Record, onto: Option<&Record>) -> Result<Record> {
        let put = &self.puts[towards];
        let cx = self.cx(lookups);
        if put.has_difficult_partition {
            rules::partition(cx, towards.other(), from)?;
        }
        let slots = self.plan.shapes[towards].fields.len();
        let course = if onto.is_some() { &put.update } else { &put.create };
        let mut aside = Vec::new();
        let mut out = match onto {
            None => Record::from_values(run::outputs(&course.code, from.values(), slots, &mut aside)),
            Some(own) => {
                run::compare(&course.code, from.values(), own.values(), &mut aside);
                Record::absent(slots)
            }
        };
        if course.aside.is_empty() && aside.is_empty() {
            return Ok(out);
        }
        self.put_aside(cx, towards, from, onto, course, &aside, &mut out)?;
        Ok(out)
    }

    /// Whether both rows show the same by every rule, so that [`put`](Self::put) would say nothing. False: it must be asked.
    pub fn agrees(&self, towards: Side, from: &Record, onto: &Record) -> bool {
        let put = &self.puts[towards];
        if put.has_difficult_partition || !put.update.aside.is_empty() {
            return false;
        }
        let mut aside = Vec::new();
        run::compare(&put.update.code, from.values(), onto.values(), &mut aside);
        aside.is_empty()
    }

    /// The rules that stand aside, the plain way.
    #[expect(clippy::too_many_arguments, reason = "the rest of `put`, apart because it is rare")]
    fn put_aside(
        &self,
        cx: Cx<'_>,
        towards: Side,
        from: &Record,
        onto: Option<&Record>,
        course: &Course,
        also: &[RuleId],
        out: &mut Record,
    ) -> Result<()> {
        for &id in also {
            self.plan.rule(id).ends[towards].write.iter().for_each(|(slot, _)| out.set(*slot, Value::Absent));
        }
        let partition = rules::partition(cx, towards.other(), from)?;
        let blank;
        let own = match onto {
            Some(own) => own,
            None => {
                blank = Record::absent(out.len());
                &blank
            }
        };
        let step = Step { cx, towards, from, onto, own, partition: &partition };
        let stands_aside = |id: &&RuleId| course.aside.contains(id) || also.contains(id);
        course.order.iter().filter(stands_aside).try_for_each(|&id| rules::put_one(step, id, out))
    }

    /// As [`super::in_scope`].
    pub fn in_scope(&self, lookups: &Lookups, side: Side, record: &Record) -> Result<bool> {
        let judged = self.scope[side].as_ref().and_then(|it| run::holds(it, record.values()));
        judged.map_or_else(|| rules::in_scope(self.cx(lookups), side, record), Ok)
    }

    /// The fields of a rule on one side, read or written.
    pub fn slots(&self, id: RuleId, side: Side) -> &[Slot] {
        &self.ends[id.index()][side].slots
    }

    /// As [`super::read`]. What a field shows as it is, is lent.
    pub fn read<'a>(&self, lookups: &Lookups, id: RuleId, side: Side, record: &'a Record) -> Result<Cow<'a, Value>> {
        let made = match &self.ends[id.index()][side].reader {
            Reader::Field(slot) => return Ok(Cow::Borrowed(record.get(*slot))),
            Reader::Code(code) => run::value(code, record.values()),
            Reader::Plain => None,
        };
        made.map_or_else(|| rules::read(self.cx(lookups), id, side, record), Ok).map(Cow::Owned)
    }

    /// As [`super::write`].
    #[expect(clippy::too_many_arguments, reason = "the same as the plain evaluation has")]
    pub fn write(
        &self,
        lookups: &Lookups,
        id: RuleId,
        side: Side,
        canonical: &Value,
        partition: &Value,
        rows: Rows<'_>,
        out: &mut Record,
    ) -> Result<()> {
        if self.ends[id.index()][side].writer.write(canonical, rows.own, out) {
            return Ok(());
        }
        rules::write(self.cx(lookups), id, side, canonical, partition, rows, out)
    }

    /// As [`super::partition`].
    pub fn partition_of(&self, lookups: &Lookups, side: Side, record: &Record) -> Result<Value> {
        let read = |id| self.read(lookups, id, side, record).map(Cow::into_owned);
        self.plan.partition.map_or(Ok(Value::Absent), read)
    }

    /// As [`super::key`].
    pub fn key_of(&self, lookups: &Lookups, side: Side, record: &Record) -> Result<Option<Value>> {
        rules::key_by(&self.plan, |id| self.read(lookups, id, side, record))
    }

    /// As [`super::guard_holds`].
    pub fn guard_holds(&self, lookups: &Lookups, id: RuleId, side: Side, record: &Record) -> Result<bool> {
        let is_asked = self.plan.rule(id).guard.as_ref().is_some_and(|it| it.side == side);
        let judged = self.guards[id.index()].as_ref().filter(|_| is_asked).and_then(|it| run::holds(it, record.values()));
        judged.map_or_else(|| rules::guard_holds(self.cx(lookups), id, side, record), Ok)
    }
}

impl Course {
    fn new(plan: &Plan, towards: Side, is_create: bool) -> Self {
        let order = rules::order(plan, towards, is_create);
        let (code, aside) =
            if is_create { compile::outputs(plan, towards, &order) } else { compile::compare(plan, towards, &order) };
        Self { order, aside, code }
    }

    /// All rules stand aside.
    fn plain(plan: &Plan, towards: Side, is_create: bool) -> Self {
        let order = rules::order(plan, towards, is_create);
        let code = if is_create { compile::nothing(plan, towards) } else { Code::default() };
        Self { aside: order.clone(), order, code }
    }
}
