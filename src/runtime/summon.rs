//! `on missing create`: where the row is that another one misses, and whether its map can make it now.
//!
//! What is summoned is noted in the transaction that parks the row which misses it, and goes through its own map like a change of
//! the feed, before those that wait there. Whoever waits asks again at its own hours, so nothing rests on the note alone.

use std::collections::BTreeMap;

use futures::StreamExt;

use super::evaluate::{NoAnswer, evaluate};
use super::pipe::{Job, Pipe, PipeId};
use super::references::{find_row, parts};
use super::round::Round;
use crate::change::{Failure, Seen, Side};
use crate::engine::flight::{Event, Summoned};
use crate::engine::link::{Link, LinkState};
use crate::interp::{Query, convert};
use crate::ir::{RefTarget, Source};
use crate::store::{self, Phase, phase_name};
use crate::value::Value;

/// Rows that are looked for at once.
const LOOKS_AT_ONCE: usize = 16;

/// The row that is missed, where its map makes it from.
#[derive(Clone)]
enum Found {
    Row {
        pipe: PipeId,
        side: Side,
        row: Box<Seen>,
    },
    /// Why there is none.
    Nothing(String),
}

impl Round<'_> {
    /// Answers each job whose row misses another one.
    pub(super) async fn summon(&mut self, asked: Vec<(Job, Query)>) -> store::Result<Vec<Job>> {
        let mut each: Vec<(PipeId, Query)> = Vec::new();
        for (job, query) in &asked {
            if !each.iter().any(|(pipe, it)| (*pipe, it) == (job.pipe, query)) {
                each.push((job.pipe, query.clone()));
            }
        }
        let (pipes, phases) = (self.pipes, self.phases);
        let look =
            |(index, (pipe, query)): (usize, (PipeId, Query))| async move { (index, find(pipes, phases, pipe, &query).await) };
        let looks = futures::stream::iter(each.clone().into_iter().enumerate()).map(look);
        let found: BTreeMap<usize, _> = looks.buffer_unordered(LOOKS_AT_ONCE).collect().await;
        let mut answers = Vec::with_capacity(each.len());
        for (_, found) in found {
            answers.push(match found {
                Err(failure) => Event::Failed(failure),
                Ok(Found::Nothing(why)) => Event::Summoned(Summoned::Stays(why)),
                Ok(Found::Row { pipe, side, row }) => self.judge(pipe, side, *row).await?,
            });
        }
        let answer = |job: &Job, query: &Query| {
            let place = each.iter().position(|(pipe, it)| (*pipe, it) == (job.pipe, query));
            answers[place.expect("each question was asked")].clone()
        };
        Ok(asked.into_iter().map(|(job, query)| Job { event: answer(&job, &query), ..job }).collect())
    }

    /// Whether the map takes up a row that is there.
    async fn judge(&mut self, pipe: PipeId, side: Side, row: Seen) -> store::Result<Event> {
        let plan = self.pipes[pipe.0].plan.name.clone();
        let link = self.store.links_of(&plan, side, std::slice::from_ref(&row.id))?.pop().flatten();
        if let Some(why) = link.as_ref().and_then(|it| standing(&plan, it)) {
            return Ok(Event::Summoned(Summoned::Stays(why)));
        }
        let scope = evaluate(self.pipes, self.references, pipe, std::slice::from_ref(&row), |plan, lookups, row| {
            plan.in_scope(lookups, side, &row.record)
        });
        let left_out = || format!("the filter of {plan} leaves it out on the {}", side.word());
        let stays = match scope.await.pop().expect("one row has one answer") {
            Ok(true) => return Ok(Event::Summoned(Summoned::Coming { plan, side, row })),
            Ok(false) | Err(NoAnswer::Skipped) => left_out(),
            Err(NoAnswer::Refused(refusal)) => format!("{plan} cannot tell whether it takes part: {}", refusal.message),
            Err(NoAnswer::Failed(failure)) => return Ok(Event::Failed(failure)),
        };
        Ok(Event::Summoned(Summoned::Stays(stays)))
    }
}

/// Why the link of the row will not make the other one now.
fn standing(plan: &str, link: &Link) -> Option<String> {
    match (link.state, &link.hold) {
        (LinkState::Dead, _) => None,
        (LinkState::Dormant, _) => Some(format!("{plan} has detached it")),
        (LinkState::PendingCreate | LinkState::Live, Some(hold)) => Some(format!("{plan} holds it: {}", hold.message)),
        (LinkState::PendingCreate | LinkState::Live, None) => None,
    }
}

async fn find(pipes: &[Pipe], phases: &[Phase], own: PipeId, query: &Query) -> Result<Found, Failure> {
    let reference = pipes[own.0].plan.reference(query.reference());
    let (Some(plan), Some(source)) = (&reference.plan, &reference.source) else {
        return Ok(Found::Nothing("its map does not make rows on this side".to_owned()));
    };
    let Some(pipe) = pipes.iter().position(|it| it.plan.name == *plan) else {
        return Ok(Found::Nothing(format!("its map {plan} is not here")));
    };
    match phases[pipe] {
        Phase::Running | Phase::CatchingUp => {}
        phase @ (Phase::Stopped | Phase::Initializing | Phase::Paused | Phase::Blocked) => {
            return Ok(Found::Nothing(format!("{plan} cannot make it: it is {}", phase_name(phase))));
        }
    }
    let key = match query {
        Query::IdOf { key, .. } | Query::KeyOf { id: key, .. } => key,
    };
    let nothing = Found::Nothing(format!("nor is there one on the {} of {plan} to make it from", source.side.word()));
    let Some(values) = as_held(&source.target, key) else { return Ok(nothing) };
    match look(&pipes[pipe], source, &values).await? {
        None => Ok(nothing),
        Some(row) => match row.problem {
            Some(problem) => Ok(Found::Nothing(format!("{plan} cannot read it: {problem}"))),
            None => Ok(Found::Row { pipe: PipeId(pipe), side: source.side, row: Box::new(row) }),
        },
    }
}

/// The key in the kinds of these columns; `None`: no row there can have it.
fn as_held(target: &RefTarget, key: &Value) -> Option<Vec<Value>> {
    let held = |(column, value): (&crate::ir::RefColumn, Value)| match &column.via {
        None => convert(&target.shape.field(column.slot).kind, &value).ok(),
        Some(_) => Some(value),
    };
    target.columns.iter().zip(parts(key)).map(held).collect()
}

/// The row as its own map reads it.
async fn look(pipe: &Pipe, source: &Source, values: &[Value]) -> Result<Option<Seen>, Failure> {
    let system = pipe.systems[source.side].as_ref();
    let Some(found) = find_row(system, &source.target, values).await? else { return Ok(None) };
    let rows = system.fetch(&pipe.plan.shapes[source.side], std::slice::from_ref(&found.id)).await?;
    Ok(rows.into_iter().next().flatten())
}
