//! Carries out what people decided about records.
//!
//! A decision moves the agreement, never a row by itself: the side that loses is taken as agreed upon, so that only the other
//! one has changed, and the kernel carries that over as it does any edit. What loses is in the ledger before anything is
//! written. An edit made after the decision is an edit, and may conflict again; the decision itself never does.

use std::time::Duration;

use super::ask::{Problem, Reply};
use super::wishes::{line, parse_field, single_field};
use crate::change::{Answer, Seen, Side, Sides, Version, Write};
use crate::engine::flight::Flight;
use crate::engine::link::{ActivityKind, Commit, LedgerEntry, Link, LinkState, unmarked};
use crate::engine::merge::{describe, rule_slots};
use crate::ir::Plan;
use crate::runtime::deployment::Deployment;
use crate::runtime::pipe::{Cause, Job, PipeId};
use crate::store;
use crate::store::desk::{Act, Decision, Verdict};
use crate::value::{Record, Slot, Value};

/// Decisions that are carried out between two rounds.
const DECISIONS_MAX: usize = 100;

/// Rest before decisions are tried again about which a system could not be asked.
const DECISIONS_REST: Duration = Duration::from_secs(30);

/// What is to be committed for a decision, and what to say of it.
type Carried = Result<(Commit, String), Problem>;

impl Deployment {
    /// Carries out all decisions on file. Those that systems could not be asked about stay.
    pub(in crate::runtime) async fn carry_out_decisions(&mut self) -> store::Result<()> {
        for (number, decision) in self.store.decisions(DECISIONS_MAX)? {
            drop(self.carry_out_decision(number, &decision).await?);
        }
        Ok(())
    }

    /// The same, where a system could not be asked before, and time has passed.
    pub(in crate::runtime) async fn carry_out_decisions_again(&mut self) -> store::Result<()> {
        let now = self.world.now();
        if self.decisions_due.take_if(|it| *it <= now).is_some() {
            self.carry_out_decisions().await?;
        }
        Ok(())
    }

    /// The answer says what came of it; after a refusal the decision is closed, with the reason in the activity log.
    pub(in crate::runtime) async fn carry_out_decision(
        &mut self,
        number: i64,
        decision: &Decision,
    ) -> store::Result<Result<Reply, Problem>> {
        let id = self.pipe_ids().find(|&it| self.name(it) == decision.plan);
        let (Some(id), Some(link)) = (id, self.store.link(decision.link)?) else {
            let text = "the record of this decision is not on file any more".to_owned();
            self.store.settle_decision(number, None, &act_of(decision, format!("refused: {text}")))?;
            return Ok(Err(Problem::Usage(text)));
        };
        let key = link.key.clone();
        let carried = self.carry(id, link, decision).await?;
        match carried {
            Ok((commit, text)) => {
                self.store.settle_decision(number, Some(&commit), &act_of(decision, text.clone()))?;
                let flight = Flight::new(self.pipes[id.0].plan.clone(), commit.link, true, None);
                self.fly(vec![Job::new(id, flight, Cause::default())]).await?;
                Ok(Ok(Reply::Decided { map: decision.plan.clone(), key, outcome: text, is_done: true }))
            }
            // The system may be there again later.
            Err(Problem::Failed(text)) => {
                self.decisions_due = self.world.now().checked_add(DECISIONS_REST).ok();
                Ok(Err(Problem::Failed(format!("{text}\n  = note: the decision is on file and is tried again"))))
            }
            Err(Problem::Usage(text)) => {
                self.store.settle_decision(number, None, &act_of(decision, format!("refused: {text}")))?;
                Ok(Err(Problem::Usage(text)))
            }
        }
    }

    async fn carry(&mut self, id: PipeId, link: Link, decision: &Decision) -> store::Result<Carried> {
        let rows = match self.rows_of(id, &link).await {
            Ok(rows) => rows,
            Err(problem) => return Ok(Err(problem)),
        };
        let plan = self.pipes[id.0].plan.clone();
        Ok(match &decision.what {
            Verdict::Take { side, rule } => take(&plan, link, &rows, *side, rule.as_deref(), &How::Wins, decision),
            Verdict::Discard => discard(&plan, link, &rows, decision),
            Verdict::Undo { side, version, before } => self.undo(id, link, &rows, (*side, version, before), decision).await?,
            Verdict::Edit { side, field, value } => match parse_field(&plan, *side, field, value) {
                Ok((slot, value)) => self.write_for(id, link, &rows, *side, slot, value, decision).await?,
                Err(problem) => Err(problem),
            },
            Verdict::Give { rule, value } => {
                let field = single_field(&plan, rule);
                let parsed = field.and_then(|(side, slot)| {
                    parse_field(&plan, side, &plan.shapes[side].field(slot).name, value).map(|(slot, value)| (side, slot, value))
                });
                match parsed {
                    Ok((side, slot, value)) => self.give(id, link, rows, (side, slot, value), rule, decision).await?,
                    Err(problem) => Err(problem),
                }
            }
        })
    }

    /// Both rows as they are now.
    async fn rows_of(&self, id: PipeId, link: &Link) -> Result<Sides<Option<Seen>>, Problem> {
        let pipe = &self.pipes[id.0];
        let mut out = Sides::default();
        for side in Side::BOTH {
            if let Some(row) = &link.ids[side] {
                let rows = pipe.systems[side].fetch(&pipe.plan.shapes[side], std::slice::from_ref(row)).await;
                let rows = rows.map_err(|failure| Problem::Failed(format!("the row cannot be read: {failure}")))?;
                out[side] = rows.into_iter().next().flatten();
            }
        }
        Ok(out)
    }

    /// Writes the value to one side, then lets that side win the rule.
    async fn give(
        &mut self,
        id: PipeId,
        link: Link,
        mut rows: Sides<Option<Seen>>,
        (side, slot, value): (Side, Slot, Value),
        rule: &str,
        decision: &Decision,
    ) -> store::Result<Carried> {
        let plan = self.pipes[id.0].plan.clone();
        let is_there = rows[side].as_ref().is_some_and(|it| *it.record.get(slot) == value);
        if !is_there {
            match self.write_row(id, &link, &rows, side, slot, value.clone(), decision).await? {
                Ok(seen) => rows[side] = Some(seen),
                Err(problem) => return Ok(Err(problem)),
            }
        }
        let given = plan.shapes[side].field(slot).name.clone();
        let how = How::Given { field: &given, value: &value };
        Ok(take(&plan, link, &rows, side, Some(rule), &how, decision))
    }

    #[expect(clippy::too_many_arguments, reason = "one step of a decision, which holds all of this anyway")]
    async fn write_for(
        &mut self,
        id: PipeId,
        mut link: Link,
        rows: &Sides<Option<Seen>>,
        side: Side,
        slot: Slot,
        value: Value,
        decision: &Decision,
    ) -> store::Result<Carried> {
        let field = self.pipes[id.0].plan.shapes[side].field(slot).name.clone();
        let text = format!("{} mended `{field}` to {value}", decision.who);
        if let Err(problem) = self.write_row(id, &link, rows, side, slot, value, decision).await? {
            return Ok(Err(problem));
        }
        if let Some(hold) = &mut link.hold {
            hold.retry_at = Some(self.world.now());
        }
        let activity = vec![line(decision, ActivityKind::Updated, text.clone())];
        Ok(Ok((Commit { activity, ..Commit::of(link) }, text)))
    }

    /// One field of one row, under the version that was seen; the old value is in the ledger first.
    #[expect(clippy::too_many_arguments, reason = "one step of a decision, which holds all of this anyway")]
    async fn write_row(
        &mut self,
        id: PipeId,
        link: &Link,
        rows: &Sides<Option<Seen>>,
        side: Side,
        slot: Slot,
        value: Value,
        decision: &Decision,
    ) -> store::Result<Result<Seen, Problem>> {
        let pipe = self.pipes[id.0].clone();
        let Some(row) = &rows[side] else {
            return Ok(Err(Problem::Usage("the row is gone\n  = fix: `dwmap trace` shows what happened to it".to_owned())));
        };
        let name = &pipe.plan.shapes[side].field(slot).name;
        let entry = displaced(decision, link, side, name, row.record.get(slot), &value, "mended");
        self.store.displace(&pipe.plan.name, &[entry])?;
        let mut record = Record::absent(row.record.len());
        record.set(slot, value);
        Ok(self.write_record(id, side, row, record).await)
    }

    /// What both sides had agreed upon, under the version that is to be undone; what stands there is in the ledger first.
    async fn undo(
        &mut self,
        id: PipeId,
        mut link: Link,
        rows: &Sides<Option<Seen>>,
        (side, version, before): (Side, &Version, &Record),
        decision: &Decision,
    ) -> store::Result<Carried> {
        let plan = self.pipes[id.0].plan.clone();
        let (row, record) = match undone(&plan, rows, side, version, before) {
            Ok(found) => found,
            Err(why) => return Ok(Err(Problem::Usage(why.to_owned()))),
        };
        let lost = record.slots().filter(|(_, value)| value.is_known()).map(|(slot, value)| {
            displaced(decision, &link, side, &plan.shapes[side].field(slot).name, row.record.get(slot), value, "undone")
        });
        self.store.displace(&plan.name, &lost.collect::<Vec<_>>())?;
        let text = format!("undone for {}: {}", decision.who, describe(&plan.shapes[side], &record));
        if let Err(problem) = self.write_record(id, side, row, record).await {
            return Ok(Err(problem));
        }
        if let Some(hold) = &mut link.hold {
            hold.retry_at = Some(self.world.now());
        }
        let activity = vec![line(decision, ActivityKind::Updated, text.clone())];
        Ok(Ok((Commit { activity, ..Commit::of(link) }, text)))
    }

    /// Fields of one row, under the version that was seen.
    async fn write_record(&self, id: PipeId, side: Side, row: &Seen, record: Record) -> Result<Seen, Problem> {
        let pipe = &self.pipes[id.0];
        let write = Write::Update { id: row.id.clone(), expected: row.version.clone(), record };
        let answer = pipe.systems[side].write(&pipe.plan.shapes[side], &[write]).await.pop();
        match answer.expect("a connector answers every write") {
            Answer::Written(seen) => Ok(seen),
            Answer::Moved => {
                Err(Problem::Usage("the row has changed meanwhile\n  = fix: look at it, and decide again".to_owned()))
            }
            Answer::Gone => Err(Problem::Usage("the row is gone\n  = fix: `dwmap trace` shows what happened to it".to_owned())),
            Answer::Failed(failure) if failure.is_retriable() => {
                Err(Problem::Failed(format!("the row cannot be written: {failure}")))
            }
            Answer::Failed(failure) => {
                Err(Problem::Usage(format!("the system refuses the value: {failure}\n  = fix: give another one")))
            }
            other @ (Answer::Deleted | Answer::Exists) => {
                Err(Problem::Failed(format!("an answer that does not fit an update: {other:?}")))
            }
        }
    }
}

/// The row as it was noted, and what of the agreement it does not hold; else why it stays as it is.
fn undone<'r>(
    plan: &Plan,
    rows: &'r Sides<Option<Seen>>,
    side: Side,
    version: &Version,
    before: &Record,
) -> Result<(&'r Seen, Record), &'static str> {
    let Some(row) = rows[side].as_ref().filter(|it| it.version == *version) else {
        return Err("the row has changed since");
    };
    let shape = &plan.shapes[side];
    if before.len() != row.record.len() {
        return Err("the map has other fields since");
    }
    let mut record = Record::absent(row.record.len());
    for (slot, now) in row.record.slots().filter(|(slot, _)| !shape.field(*slot).readonly && !shape.key.contains(slot)) {
        let agreed = unmarked(before.get(slot));
        if agreed.is_known() && agreed != now {
            record.set(slot, agreed.clone());
        }
    }
    let is_changed = record.slots().any(|(_, value)| value.is_known());
    if is_changed { Ok((row, record)) } else { Err("the row holds what both sides had agreed upon") }
}

fn act_of(decision: &Decision, what: String) -> Act {
    Act {
        op: decision.op,
        at: decision.at,
        plan: Some(decision.plan.clone()),
        link: Some(decision.link),
        who: decision.who.clone(),
        what,
        why: decision.why.clone(),
    }
}

/// What a person said of a conflict.
enum How<'a> {
    /// One side is right.
    Wins,
    /// Neither is: this is, and one side has it by now.
    Given { field: &'a str, value: &'a Value },
}

/// One side's values are the agreement of the other side from now on.
fn take(
    plan: &Plan,
    mut link: Link,
    rows: &Sides<Option<Seen>>,
    winner: Side,
    rule: Option<&str>,
    how: &How<'_>,
    decision: &Decision,
) -> Carried {
    let loser = winner.other();
    let (Some(losing), Some(winning)) = (&rows[loser], &rows[winner]) else {
        return Err(Problem::Usage("one of the two rows is gone\n  = fix: `dwmap trace` shows what happened to it".to_owned()));
    };
    let labels: Vec<String> =
        link.conflicts.iter().map(|it| it.label.clone()).filter(|it| rule.is_none_or(|rule| rule == it)).collect();
    if labels.is_empty() {
        return Err(Problem::Usage("the conflict is not there any more: one side has changed since".to_owned()));
    }
    // Rules of one group share fields, and are decided together.
    let groups = plan.groups.iter().filter(|group| group.rules.iter().any(|&it| labels.contains(&plan.rule(it).label)));
    let decided: Vec<_> = groups.flat_map(|it| it.rules.clone()).filter(|&it| plan.rule(it).is_two_way()).collect();
    let mut ledger = Vec::new();
    for &id in &decided {
        let label = &plan.rule(id).label;
        let shadow = link.shadows[loser].get_or_insert_with(|| Record::absent(losing.record.len()));
        for slot in rule_slots(plan, id, loser) {
            shadow.set(slot, losing.record.get(slot).clone());
        }
        let shadow = link.shadows[winner].get_or_insert_with(|| Record::absent(winning.record.len()));
        for slot in rule_slots(plan, id, winner) {
            shadow.set(slot, Value::Absent);
        }
        let value =
            |record: &Record, side: Side| whole(rule_slots(plan, id, side).iter().map(|&it| record.get(it).clone()).collect());
        let (lost, won) = (value(&losing.record, loser), value(&winning.record, winner));
        ledger.push(displaced(decision, &link, loser, label, &lost, &won, "resolved"));
    }
    let all: Vec<&str> = decided.iter().map(|&it| plan.rule(it).label.as_str()).collect();
    link.conflicts.retain(|it| !all.contains(&it.label.as_str()));
    // The look that follows compares anew; nothing of this one is known to it.
    let outcome = match how {
        How::Wins => format!("{} wins", winner.word()),
        How::Given { field, value } => format!("neither side wins, {} `{field}` was given {value}", winner.word()),
    };
    let text = format!("{} resolved {}: {outcome}", decision.who, all.join(", "));
    let activity = vec![line(decision, ActivityKind::Resolved, text.clone())];
    Ok((Commit { ledger, activity, ..Commit::of(link) }, text))
}

/// Both sides stay as they are, and that is the agreement until somebody edits the record.
fn discard(plan: &Plan, mut link: Link, rows: &Sides<Option<Seen>>, decision: &Decision) -> Carried {
    let mut ledger = Vec::new();
    for side in Side::BOTH {
        let Some(row) = &rows[side] else { continue };
        let blank = Record::absent(row.record.len());
        let agreed = link.shadows[side].as_ref().unwrap_or(&blank);
        for (slot, value) in row.record.slots().filter(|(slot, value)| value.is_known() && *value != unmarked(agreed.get(*slot)))
        {
            let field = &plan.shapes[side].field(slot).name;
            ledger.push(displaced(decision, &link, side, field, value, unmarked(agreed.get(slot)), "discarded"));
        }
    }
    match (link.state, rows.0.iter().flatten().count()) {
        (LinkState::Live | LinkState::Dormant, 2) => {
            for side in Side::BOTH {
                link.shadows[side] = rows[side].as_ref().map(|it| it.record.clone());
                link.versions[side] = rows[side].as_ref().map(|it| it.version.clone());
            }
        }
        // One row is left, and stays what it is.
        (LinkState::Live | LinkState::Dormant, 1) => link.state = LinkState::Dormant,
        (LinkState::Live | LinkState::Dormant | LinkState::PendingCreate | LinkState::Dead, _) => {
            link.state = LinkState::Dead;
        }
    }
    link.hold = None;
    link.conflicts.clear();
    let text = format!("{} discarded what was held; both sides stay as they are", decision.who);
    let activity = vec![line(decision, ActivityKind::Released, text.clone())];
    Ok((Commit { ledger, activity, ..Commit::of(link) }, text))
}

fn displaced(decision: &Decision, link: &Link, side: Side, rule: &str, loser: &Value, winner: &Value, what: &str) -> LedgerEntry {
    let why = if decision.why.is_empty() { String::new() } else { format!(": {}", decision.why) };
    LedgerEntry {
        link: link.id,
        op: decision.op,
        at: decision.at,
        rule: rule.to_owned(),
        side,
        loser: loser.clone(),
        winner: winner.clone(),
        policy: format!("{what} by {}{why}", decision.who),
    }
}

fn whole(mut values: Vec<Value>) -> Value {
    if values.len() == 1 { values.remove(0) } else { Value::Tuple(values.into()) }
}
