//! The three-way compare by prepared code finds what it finds by the plain evaluation.

use dwmap::change::{RemoteId, Seen, Side, Sides, Version};
use dwmap::engine::link::{rebased, stale};
use dwmap::engine::merge::{Blocked, Look, Merge, merge};
use dwmap::interp::{self, Cx, Lookups, Prepared, Rows, Stop};
use dwmap::ir::{Plan, RuleId};
use dwmap::value::{Record, Timestamp, Value};

use super::job::records::Seeded;
use super::{Answers, ROUNDS, answer, asked, random};

/// One plan with code and without.
pub struct Both {
    pub prepared: Prepared,
    plain: Prepared,
}

impl Both {
    pub fn new(plan: Plan) -> Self {
        Self { prepared: Prepared::new(plan.clone()), plain: Prepared::plain(plan) }
    }

    /// Each rule alone: read, written, asked for its guard; and the key of the row.
    pub fn check_rules(&self, it: &mut Seeded, place: &str) {
        let plan = &self.prepared;
        for side in Side::BOTH {
            let (record, from) = (random::record(it, plan, side), random::record(it, plan, side.other()));
            let asked = |ask: &dyn Fn(&Lookups) -> Answers<Value>| asked(ask, || place.to_owned());
            let same = |ask: &dyn Fn(&Lookups) -> Answers<Value>| {
                let _ = asked(ask);
            };
            let key = |it: Result<Option<Value>, Stop>| it.map(|it| it.unwrap_or(Value::Absent));
            same(&|known| (key(plan.key_of(known, side, &record)), key(interp::key(plan.cx(known), side, &record))));
            same(&|known| (plan.partition_of(known, side, &record), interp::partition(plan.cx(known), side, &record)));
            for id in plan.rule_ids() {
                let read = |known: &Lookups| plan.read(known, id, side, &record).map(|it| it.into_owned());
                same(&|known| (read(known), interp::read(plan.cx(known), id, side, &record)));
                let holds = |it: Result<bool, Stop>| it.map(Value::Bool);
                let plainly = |cx: Cx<'_>| holds(interp::guard_holds(cx, id, side, &record));
                same(&|known| (holds(plan.guard_holds(known, id, side, &record)), plainly(plan.cx(known))));
                let value = asked(&|known| {
                    let read = interp::read(plan.cx(known), id, side.other(), &from);
                    (read.clone(), read)
                });
                let value = value.unwrap_or(Value::Null);
                let there = if it.one_in(3) { random::record(it, plan, side) } else { Record::absent(record.len()) };
                self.check_write(id, side, &value, Rows { own: &record, from: &from }, &there, place);
            }
        }
    }

    fn check_write(&self, id: RuleId, side: Side, value: &Value, rows: Rows<'_>, there: &Record, place: &str) {
        let plan = &self.prepared;
        let written = |result: Result<(), Stop>, out: Record| result.map(|()| Value::Tuple(out.values().into()));
        let one = |known: &Lookups| {
            let mut out = there.clone();
            written(plan.write(known, id, side, value, &Value::Absent, rows, &mut out), out)
        };
        let other = |known: &Lookups| {
            let mut out = there.clone();
            written(interp::write(plan.cx(known), id, side, value, &Value::Absent, rows, &mut out), out)
        };
        let _ = asked(&|known| (one(known), other(known)), || place.to_owned());
    }

    /// Both rows against what was agreed: nothing, the same rows, or such as are like them.
    pub fn check_merge(&self, it: &mut Seeded, place: &str) {
        let plan = &self.prepared;
        let left = random::record(it, plan, Side::Left);
        let right = match interp::put(plan.cx(&Lookups::default()), Side::Right, &left, None) {
            Ok(made) if it.one_in(2) => made,
            Ok(_) | Err(_) => random::record(it, plan, Side::Right),
        };
        let seen = Sides::new(seen(it, left), seen(it, right));
        let shadows = Sides(Side::BOTH.map(|side| (!it.one_in(8)).then(|| shadow(it, plan, side, &seen[side].record))));
        let master = if it.one_in(4) { Some(Side::BOTH[it.below(2) as usize]) } else { None };
        let mut lookups = Lookups::default();
        for _ in 0..ROUNDS {
            let look = |plan| {
                let seen = Sides::new(&seen[Side::Left], &seen[Side::Right]);
                merge(&Look { plan, lookups: &lookups, seen, shadows: shadows.as_ref(), master })
            };
            let (found, expected) = (look(&self.prepared), look(&self.plain));
            let text = |it: &Result<Merge, Blocked>| format!("{it:#?}");
            assert_eq!(text(&found), text(&expected), "{place}: {seen:?}, agreed {shadows:?}");
            let Err(Blocked::Unresolved(queries)) = expected else { return };
            for query in queries {
                let known = answer(&query);
                lookups.insert(query, known);
            }
        }
        panic!("{place}: references without end");
    }
}

fn seen(it: &mut Seeded, record: Record) -> Seen {
    let modified = (!it.one_in(3)).then(|| Timestamp::from_second(it.below(3) as i64).expect("it is near the epoch"));
    Seen { id: RemoteId("1".into()), version: Version("1".into()), record, modified, correlation: None, problem: None }
}

/// What was agreed: mostly what is seen now, with some fields that were otherwise, and some with marks.
fn shadow(it: &mut Seeded, plan: &Plan, side: Side, now: &Record) -> Record {
    let before = random::record(it, plan, side);
    let mut out = now.clone();
    for (slot, old) in before.slots() {
        let value = match it.below(16) {
            0 => old.clone(),
            1 => stale(now.get(slot)),
            2 if it.one_in(4) => rebased(old),
            3 if it.one_in(4) => Value::Absent,
            _ => continue,
        };
        out.set(slot, value);
    }
    out
}
