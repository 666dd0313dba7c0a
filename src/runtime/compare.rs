//! The full compare: does every row of both sides agree with its partner, and has every row in scope one?

use std::collections::HashMap;

use super::deployment::Deployment;
use super::evaluate::{NoAnswer, evaluate};
use super::initial::Error;
use super::pipe::{Pipe, PipeId};
use crate::change::{RemoteId, Seen, Side, Sides};
use crate::engine::link::{Link, LinkState};
use crate::engine::merge::changes_nothing;
use crate::interp;
use crate::value::Record;

/// Rows compared at once.
const PAGE_ROWS: usize = 500;
/// Differences that are shown; the rest are counted.
const SHOWN_MAX: usize = 20;

/// What the compare of one map found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    pub rows: Sides<u64>,
    /// Pairs of rows that were compared field by field.
    pub pairs: u64,
    pub differing: u64,
    /// The first differences, in words.
    pub shown: Vec<String>,
}

impl Comparison {
    pub fn agrees(&self) -> bool {
        self.differing == 0
    }

    fn differ(&mut self, text: String) {
        self.differing += 1;
        if self.shown.len() < SHOWN_MAX {
            self.shown.push(text);
        }
    }
}

impl Deployment {
    /// Compares everything, writing nothing.
    pub async fn compare(&mut self, id: PipeId) -> Result<Comparison, Error> {
        let mut out = Comparison::default();
        for side in Side::BOTH {
            let pipe = self.pipes[id.0].clone();
            let mut after = None;
            loop {
                let page = pipe.systems[side].scan(&pipe.plan.shapes[side], after.as_ref(), PAGE_ROWS).await;
                let page = page.map_err(|failure| Error::System { plan: pipe.plan.name.clone(), side, failure })?;
                let next = (!page.is_last).then(|| page.next.clone());
                let rows = page.into_rows();
                out.rows[side] += rows.len() as u64;
                self.compare_page(id, side, rows, &mut out).await?;
                if next.is_none() {
                    break;
                }
                after = next;
            }
        }
        Ok(out)
    }

    async fn compare_page(&mut self, id: PipeId, side: Side, rows: Vec<Seen>, out: &mut Comparison) -> Result<(), Error> {
        let pipe = self.pipes[id.0].clone();
        let (rows, unreadable): (Vec<Seen>, Vec<Seen>) = rows.into_iter().partition(|it| it.problem.is_none());
        unreadable.into_iter().filter_map(|it| it.problem).for_each(|it| out.differ(it));
        let ids: Vec<RemoteId> = rows.iter().map(|it| it.id.clone()).collect();
        let links = self.store.links_of(&pipe.plan.name, side, &ids)?;
        let (linked, alone): (Vec<_>, Vec<_>) = rows.into_iter().zip(links).partition(|(_, link)| partner(link, side).is_some());
        let alone: Vec<Seen> = alone.into_iter().filter(|(_, link)| !is_at_rest(link)).map(|(row, _)| row).collect();
        self.ask_for_partners(id, side, &alone, out).await;
        if side == Side::Left {
            self.compare_pairs(id, linked, out).await?;
        }
        Ok(())
    }

    /// Rows without a partner are right only where the map does not ask for one.
    async fn ask_for_partners(&mut self, id: PipeId, side: Side, rows: &[Seen], out: &mut Comparison) {
        let plan = self.pipes[id.0].plan.clone();
        if !plan.writes[side.other()] {
            return;
        }
        let wanted =
            evaluate(&self.pipes, &mut self.references, id, rows, |cx, row| interp::in_scope(cx, side, &row.record)).await;
        for (row, wanted) in rows.iter().zip(wanted) {
            match wanted {
                Ok(false) => {}
                Ok(true) => out.differ(format!("{} {} has no partner", plan.shapes[side].entity, row.id.0)),
                Err(why) => out.differ(format!("{} {} cannot be judged: {why}", plan.shapes[side].entity, row.id.0)),
            }
        }
    }

    async fn compare_pairs(&mut self, id: PipeId, lefts: Vec<(Seen, Option<Link>)>, out: &mut Comparison) -> Result<(), Error> {
        let pipe = self.pipes[id.0].clone();
        let right = Side::Right;
        let ids: Vec<RemoteId> = lefts.iter().filter_map(|(_, link)| partner(link, Side::Left)).collect();
        let rights = pipe.systems[right].fetch(&pipe.plan.shapes[right], &ids).await;
        let rights = rights.map_err(|failure| Error::System { plan: pipe.plan.name.clone(), side: right, failure })?;
        let rights: HashMap<RemoteId, Seen> = rights.into_iter().flatten().map(|it| (it.id.clone(), it)).collect();
        let mut pairs = Vec::with_capacity(lefts.len());
        for ((left, _), id) in lefts.into_iter().zip(ids) {
            match rights.get(&id) {
                Some(right) => pairs.push((left, right.clone())),
                None => out.differ(format!("the partner of {} is gone", left.id.0)),
            }
        }
        out.pairs += pairs.len() as u64;
        let answers = evaluate(&self.pipes, &mut self.references, id, &pairs, |cx, (left, right)| {
            Ok([wanted(cx, Side::Right, &left.record, &right.record)?, wanted(cx, Side::Left, &right.record, &left.record)?])
        });
        for ((left, _), answer) in pairs.iter().zip(answers.await) {
            if let Some(text) = describe(&pipe, answer) {
                out.differ(format!("{} {}: {text}", pipe.plan.shapes[Side::Left].entity, left.id.0));
            }
        }
        Ok(())
    }
}

/// The other side's row of a link that syncs.
fn partner(link: &Option<Link>, side: Side) -> Option<RemoteId> {
    link.as_ref().filter(|it| it.state == LinkState::Live).and_then(|it| it.ids[side.other()].clone())
}

/// Detached rows are none of the map's business any more.
fn is_at_rest(link: &Option<Link>) -> bool {
    link.as_ref().is_some_and(|it| it.state == LinkState::Dormant)
}

/// What a write toward this side would still change.
fn wanted(cx: interp::Cx<'_>, towards: Side, from: &Record, onto: &Record) -> Result<Option<Record>, interp::Stop> {
    if !cx.plan.writes[towards] {
        return Ok(None);
    }
    let change = interp::put(cx, towards, from, Some(onto))?;
    Ok((!changes_nothing(cx.plan, towards, &change, onto)).then_some(change))
}

fn describe(pipe: &Pipe, answer: Result<[Option<Record>; 2], NoAnswer>) -> Option<String> {
    match answer {
        Ok([None, None]) => None,
        Ok([Some(change), _]) => Some(crate::engine::merge::describe(&pipe.plan.shapes[Side::Right], &change)),
        Ok([None, Some(change)]) => Some(crate::engine::merge::describe(&pipe.plan.shapes[Side::Left], &change)),
        Err(why) => Some(why.to_string()),
    }
}
