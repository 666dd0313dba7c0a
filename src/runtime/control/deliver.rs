//! A change that somebody waits for: its row is read and noted, its map takes it up before those that wait, and the answer is given
//! when both sides agree, when it is certain that they will not by themselves, or when the time is up.
//!
//! What was noted is on file. So whatever the answer, and whether anybody hears it, the change is carried over all the same: who asks
//! waits for the work and is no part of it. Nothing is locked meanwhile on either side.
//!
//! Who wants both sides or neither has what was not carried undone: the row gets back what both sides had agreed upon when it was
//! asked for, if nobody has touched it since; what was carried of it meanwhile follows. What was sent to the other side and arrives late is an edit that follows from the row as it was, and is taken
//! back from there by the ordinary way.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::ask::{Answer, Ask, Delivered, Outcome, Problem, Reply};
use super::find;
use crate::change::{Change, Class, Failure, RemoteId, Seen, Side, Version};
use crate::engine::link::{Hold, Link, LinkState};
use crate::interp;
use crate::ir::Plan;
use crate::runtime::deployment::Deployment;
use crate::runtime::pipe::Pipe;
use crate::store::desk::{Decision, Verdict};
use crate::store::{self, Phase, phase_name};
use crate::value::{Record, Slot, Timestamp, Value};

/// Those who wait at once; the next ones are told that the process is busy.
const DELIVERIES_MAX: usize = 32;
/// Longest wait for both sides.
pub const WITHIN_MAX: Duration = Duration::from_secs(50);
/// Shortest time for the look at the row, whatever was asked.
const LOOK_TIME_MIN: Duration = Duration::from_secs(1);
/// How much later than asked an answer may come.
const LATE_MAX: Duration = Duration::from_millis(500);
/// A row that could not be looked at in its time is told with this.
const UNREAD: &str = "the row was not read in time; what its feed tells is carried over all the same";

/// Who waits, and for what.
struct Wanted {
    map: String,
    side: Side,
    row: RemoteId,
    until: Timestamp,
    /// The program under which it was asked.
    generation: u64,
    /// Who wants it undone if it is not carried.
    undo_for: Option<String>,
    answer: oneshot::Sender<Answer>,
}

/// What is on file of it.
struct Noted {
    wanted: Wanted,
    seq: u64,
    /// `None`: it is gone.
    version: Option<Version>,
    /// What both sides had agreed upon by then; `None`: nothing.
    before: Option<Record>,
}

/// The row as it was read.
type Looked = (Wanted, Result<Option<Seen>, Failure>);

/// Everybody who waits.
#[derive(Default)]
pub struct Deliveries {
    looks: JoinSet<Looked>,
    looked: Vec<Looked>,
    noted: Vec<Noted>,
}

impl Deliveries {
    /// Returns when a row was read; with none under way, never.
    pub(in crate::runtime) async fn ready(&mut self) {
        match self.looks.join_next().await {
            Some(looked) => self.looked.push(looked.expect("a look does not panic and is not cancelled")),
            None => std::future::pending().await,
        }
    }

    /// How long until somebody's time is up, at most `most`.
    pub(in crate::runtime) fn rest(&self, now: Timestamp, most: Duration) -> Duration {
        let left = |it: &Noted| Duration::try_from(it.wanted.until.duration_since(now)).unwrap_or(Duration::ZERO);
        self.noted.iter().map(left).min().map_or(most, |it| it.min(most))
    }
}

impl Deployment {
    /// Begins to read the row that is asked for.
    pub(super) fn begin_delivery(
        &mut self,
        (map, system, text): (&str, &str, &str),
        within: Duration,
        undo_for: Option<String>,
        answer: oneshot::Sender<Answer>,
    ) {
        let (side, link) = match self.find_wanted(map, system, text, within) {
            Ok(found) => found,
            Err(problem) => return drop(answer.send(Err(problem))),
        };
        let id = self.pipe_ids().find(|&it| self.name(it) == map).expect("the map was found");
        let until = self.world.now().checked_add(within).expect("the calendar is longer than that");
        // Where a record is gone, another row may have its key by now.
        let is_gone = link.as_ref().is_none_or(|it| it.state == LinkState::Dead);
        let known = link.and_then(|it| it.ids[side].clone());
        let typed = (is_gone || known.is_none()).then(|| text.to_owned());
        let row = known.unwrap_or_else(|| RemoteId(text.to_owned()));
        let mut wanted = Wanted { map: map.to_owned(), side, row, until, generation: self.generation, undo_for, answer };
        let pipe = self.pipes[id.0].clone();
        self.deliveries.looks.spawn(async move {
            let look = look(&pipe, side, &wanted.row, typed.as_deref());
            let seen = tokio::time::timeout(within.max(LOOK_TIME_MIN), look).await;
            let seen = seen.unwrap_or_else(|_| Err(Failure::new(Class::Transient, UNREAD)));
            if let Ok(Some(row)) = &seen {
                wanted.row = row.id.clone();
            }
            (wanted, seen)
        });
    }

    /// The side that is meant, and the record if there is one.
    fn find_wanted(&mut self, map: &str, system: &str, text: &str, within: Duration) -> Result<(Side, Option<Link>), Problem> {
        let program = self.program.clone();
        let plan = find::plan(&program, map)?;
        let side = find::side(&program, plan, system)?;
        if within > WITHIN_MAX {
            let most = WITHIN_MAX.as_secs();
            return Err(Problem::Usage(format!("nobody waits for more than {most} seconds\n  = fix: `--within {most}`")));
        }
        if self.deliveries.looks.len() + self.deliveries.noted.len() >= DELIVERIES_MAX {
            let text = format!("{DELIVERIES_MAX} others wait for their rows\n  = fix: try again in a moment");
            return Err(Problem::Failed(text));
        }
        Ok((side, find::known(self.store.as_mut(), plan, text)?))
    }

    /// Notes the rows that were read, and answers those whose wait is over.
    pub(in crate::runtime) async fn deliver_turn(&mut self) -> store::Result<()> {
        while let Some(looked) = self.deliveries.looks.try_join_next() {
            self.deliveries.looked.push(looked.expect("a look does not panic and is not cancelled"));
        }
        for (wanted, seen) in std::mem::take(&mut self.deliveries.looked) {
            self.note_wanted(wanted, seen)?;
        }
        let now = self.world.now();
        for noted in std::mem::take(&mut self.deliveries.noted) {
            match self.outcome_of(&noted, noted.wanted.until <= now)? {
                None => self.deliveries.noted.push(noted),
                Some(delivered) => {
                    let delivered = self.or_undone(&noted, delivered).await?;
                    drop(noted.wanted.answer.send(Ok(Reply::Delivered(Box::new(delivered)))));
                }
            }
        }
        Ok(())
    }

    fn note_wanted(&mut self, wanted: Wanted, seen: Result<Option<Seen>, Failure>) -> store::Result<()> {
        let row = if wanted.generation == self.generation {
            seen.map_err(|failure| format!("{} cannot be read: {failure}", wanted.row.0))
        } else {
            Err("the maps were taken up anew meanwhile\n  = fix: ask again".to_owned())
        };
        match row {
            Err(text) => drop(wanted.answer.send(Err(Problem::Failed(text)))),
            Ok(row) => {
                let change = row.map_or_else(|| Change::Delete { id: wanted.row.clone() }, Change::Upsert);
                let link = self.store.links_of(&wanted.map, wanted.side, std::slice::from_ref(&wanted.row))?.pop().flatten();
                let before = link.filter(|it| it.state == LinkState::Live).and_then(|it| it.shadows[wanted.side].clone());
                let seq = self.store.note(&wanted.map, wanted.side, &change, self.world.now())?;
                let version = match change {
                    Change::Upsert(seen) => Some(seen.version),
                    Change::Delete { .. } => None,
                };
                self.deliveries.noted.push(Noted { wanted, seq, version, before });
            }
        }
        Ok(())
    }

    /// What has become of it; `None`: nothing certain yet, and there is time.
    fn outcome_of(&mut self, noted: &Noted, is_over: bool) -> store::Result<Option<Delivered>> {
        let Wanted { map, side, row, .. } = &noted.wanted;
        let phase = self.store.phase(map)?.0;
        let is_at_work = matches!(phase, Phase::Running | Phase::CatchingUp);
        let is_waiting = self.store.is_noted(map, *side, noted.seq)?;
        let link = self.store.links_of(map, *side, std::slice::from_ref(row))?.pop().flatten();
        let (outcome, why) = match judge(link.as_ref(), noted.version.is_none()) {
            _ if is_waiting && !is_at_work => (Outcome::Pending, format!("the map is {}", phase_name(phase))),
            _ if is_waiting && !is_over => return Ok(None),
            Some((Outcome::Pending, _)) | None if !is_over => return Ok(None),
            Some((_, why)) if is_waiting => (Outcome::Pending, why),
            Some(found) => found,
            None => (Outcome::Pending, "it waits for its turn".to_owned()),
        };
        let key = link.as_ref().map(|it| it.key.clone()).filter(|it| !it.is_empty());
        let rows = Side::BOTH.map(|it| link.as_ref().and_then(|link| link.ids[it].as_ref()).map(|it| it.0.clone()));
        let versions = Side::BOTH.map(|it| link.as_ref().and_then(|link| link.versions[it].as_ref()).map(|it| it.0.clone()));
        let key = key.unwrap_or_else(|| row.0.clone());
        Ok(Some(Delivered { map: map.clone(), key, outcome, why, rows, versions }))
    }
}

impl Deployment {
    /// What was not carried is undone, if that is wanted: a decision on file, which a later process carries out if this one dies.
    async fn or_undone(&mut self, noted: &Noted, mut delivered: Delivered) -> store::Result<Delivered> {
        let is_open = matches!(delivered.outcome, Outcome::Pending | Outcome::Held);
        let (Some(who), Some(version), true) = (&noted.wanted.undo_for, &noted.version, is_open) else { return Ok(delivered) };
        let Wanted { map, side, row, .. } = &noted.wanted;
        let Some(link) = self.store.links_of(map, *side, std::slice::from_ref(row))?.pop().flatten() else {
            return Ok(delivered);
        };
        let Some(before) = noted.before.clone() else {
            delivered.why = format!("{}; it is not undone: both sides had never agreed on this record", delivered.why);
            return Ok(delivered);
        };
        let (at, why) = (self.world.moment(), delivered.why.clone());
        let what = Verdict::Undo { side: *side, version: version.clone(), before };
        let decision = Decision { op: at.op, plan: map.clone(), link: link.id, who: who.clone(), why, at: at.now, what };
        let number = self.store.decide(&decision)?;
        match self.carry_out_decision(number, &decision).await? {
            Ok(_) => delivered.outcome = Outcome::Undone,
            Err(Problem::Usage(why)) => delivered.why = format!("{}; it is not undone: {}", delivered.why, first_line(&why)),
            Err(Problem::Failed(why)) => delivered.why = format!("{}; it is undone later: {}", delivered.why, first_line(&why)),
        }
        Ok(delivered)
    }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

/// When whoever asks for this is answered at the latest, and what; `None`: it is no delivery.
pub fn late(ask: &Ask) -> Option<(Duration, Reply)> {
    let Ask::Deliver { map, row, within_ms, or_undo, .. } = ask else { return None };
    let delivered = Delivered {
        map: map.clone(),
        key: row.clone(),
        outcome: Outcome::Pending,
        why: format!("the process is in the middle of a round{}", if *or_undo { ", and carries or undoes it then" } else { "" }),
        rows: [None, None],
        versions: [None, None],
    };
    Some((Duration::from_millis(*within_ms) + LATE_MAX, Reply::Delivered(Box::new(delivered))))
}

/// The row with this id, or with the key that was typed.
async fn look(pipe: &Pipe, side: Side, row: &RemoteId, typed: Option<&str>) -> Result<Option<Seen>, Failure> {
    let (system, shape) = (pipe.systems[side].as_ref(), &pipe.plan.shapes[side]);
    let by_id = system.fetch(shape, std::slice::from_ref(row)).await?.into_iter().next().flatten();
    let Some((slots, values)) = typed.filter(|_| by_id.is_none()).and_then(|it| key_of_text(&pipe.plan, side, it)) else {
        return Ok(by_id);
    };
    let mut rows = system.find(shape, &slots, &values, 2).await?;
    match rows.len() {
        0 | 1 => Ok(rows.pop()),
        _ => Err(Failure::new(Class::Conflict, "several rows have this key; name one by its id")),
    }
}

/// The fields of the key and what was typed for them, with commas between them; `None`: that is no key of this map.
fn key_of_text(plan: &Plan, side: Side, text: &str) -> Option<(Vec<Slot>, Vec<Value>)> {
    let slots: Vec<Slot> = plan.key.iter().flat_map(|&id| plan.rule(id).ends[side].read.slots()).collect();
    let parts: Vec<&str> = if slots.len() > 1 { text.split(',').collect() } else { vec![text] };
    let held =
        |(slot, part): (&Slot, &str)| interp::convert(&plan.shapes[side].field(*slot).kind, &Value::text(part.trim())).ok();
    let values: Option<Vec<Value>> = slots.iter().zip(parts.iter().copied()).map(held).collect();
    (slots.len() == parts.len()).then_some((slots, values?))
}

/// What the state says of a row that was looked at.
fn judge(link: Option<&Link>, is_delete: bool) -> Option<(Outcome, String)> {
    let left_out = || "the map does not carry this row: its filter leaves it out, or its direction does".to_owned();
    let Some(link) = link else {
        return Some(if is_delete { (Outcome::Gone, String::new()) } else { (Outcome::LeftOut, left_out()) });
    };
    match (link.state, &link.hold) {
        (LinkState::Dead, _) if is_delete => Some((Outcome::Gone, String::new())),
        (LinkState::Dead, _) => Some((Outcome::LeftOut, left_out())),
        (LinkState::Dormant, _) => Some((Outcome::LeftOut, "the map has detached it".to_owned())),
        (LinkState::PendingCreate | LinkState::Live, Some(hold)) => Some((standing(hold), hold.message.clone())),
        (LinkState::Live, None) if !link.conflicts.is_empty() => {
            let labels: Vec<&str> = link.conflicts.iter().map(|it| it.label.as_str()).collect();
            Some((Outcome::Conflict, format!("both sides have changed {}", labels.join(", "))))
        }
        (LinkState::Live, None) if link.intents.is_empty() => Some((Outcome::Agreed, String::new())),
        (LinkState::PendingCreate | LinkState::Live, None) => None,
    }
}

/// Time alone can mend what is tried again.
fn standing(hold: &Hold) -> Outcome {
    match hold.class {
        Class::Transient | Class::Throttled | Class::Reference if hold.retry_at.is_some() => Outcome::Pending,
        Class::Transient
        | Class::Throttled
        | Class::Reference
        | Class::Auth
        | Class::Validation
        | Class::Conflict
        | Class::Schema
        | Class::TooLarge
        | Class::Bug => Outcome::Held,
    }
}
