//! The full compare: does every row of both sides agree with its partner, and has every row in scope one?

use std::collections::HashMap;

use super::deployment::Deployment;
use super::evaluate::{NoAnswer, evaluate};
use super::initial::Error;
use super::pipe::{Pipe, PipeId};
use crate::change::{LinkId, RemoteId, Seen, Side, Sides, Version};
use crate::engine::link::{Link, LinkState};
use crate::engine::merge::changes_nothing;
use crate::interp::{Lookups, Prepared, Stop};
use crate::value::Record;

/// Rows compared at once.
const PAGE_ROWS: usize = 500;
/// Differences that are shown; the rest are counted.
pub const SHOWN_MAX: usize = 20;

/// Suspects that are named; the rest are counted.
const SUSPECTS_MAX: usize = 100_000;

/// A row, or two that belong together, that is not as the map wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspect {
    pub link: Option<LinkId>,
    pub rows: Sides<Option<RemoteId>>,
    /// What was looked at.
    pub versions: Sides<Option<Version>>,
    pub text: String,
    /// A person knows of it: the link is held, or in conflict.
    pub is_known: bool,
}

impl Suspect {
    fn of(side: Side, row: &Seen, link: Option<&Link>, text: String) -> Self {
        let (mut rows, mut versions) = (link.map_or_else(Sides::default, |it| it.ids.clone()), Sides::default());
        rows[side] = Some(row.id.clone());
        versions[side] = Some(row.version.clone());
        let is_known = link.is_some_and(|it| it.hold.is_some() || !it.conflicts.is_empty());
        Self { link: link.map(|it| it.id), rows, versions, text, is_known }
    }
}

/// What the compare of one map found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    pub rows: Sides<u64>,
    /// Pairs of rows that were compared field by field.
    pub pairs: u64,
    pub differing: u64,
    /// The first differences, in words.
    pub shown: Vec<String>,
    pub suspects: Vec<Suspect>,
}

impl Comparison {
    pub fn agrees(&self) -> bool {
        self.differing == 0
    }

    fn differ(&mut self, suspect: Suspect) {
        self.differing += 1;
        if self.shown.len() < SHOWN_MAX {
            self.shown.push(suspect.text.clone());
        }
        if self.suspects.len() < SUSPECTS_MAX {
            self.suspects.push(suspect);
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

    /// Compares these rows of one side with what belongs to them.
    pub(super) async fn compare_page(
        &mut self,
        id: PipeId,
        side: Side,
        rows: Vec<Seen>,
        out: &mut Comparison,
    ) -> Result<(), Error> {
        let pipe = self.pipes[id.0].clone();
        let (rows, unreadable): (Vec<Seen>, Vec<Seen>) = rows.into_iter().partition(|it| it.problem.is_none());
        unreadable.iter().for_each(|it| {
            out.differ(Suspect { is_known: true, ..Suspect::of(side, it, None, it.problem.clone().unwrap_or_default()) })
        });
        let ids: Vec<RemoteId> = rows.iter().map(|it| it.id.clone()).collect();
        let links = self.store.links_of(&pipe.plan.name, side, &ids)?;
        let (linked, alone): (Vec<_>, Vec<_>) = rows.into_iter().zip(links).partition(|(_, link)| partner(link, side).is_some());
        let alone: Vec<_> = alone.into_iter().filter(|(_, link)| !is_at_rest(link)).collect();
        self.ask_for_partners(id, side, &alone, out).await;
        match side {
            Side::Left => self.compare_pairs(id, linked, out).await,
            Side::Right => self.miss_partners(id, linked, out).await,
        }
    }

    /// Rows without a partner are right only where the map does not ask for one.
    async fn ask_for_partners(&mut self, id: PipeId, side: Side, rows: &[(Seen, Option<Link>)], out: &mut Comparison) {
        let plan = self.pipes[id.0].plan.clone();
        if !plan.writes[side.other()] {
            return;
        }
        let wanted =
            evaluate(&self.pipes, &mut self.references, id, rows, |cx, (row, _)| plan.in_scope(cx.lookups, side, &row.record))
                .await;
        for ((row, link), wanted) in rows.iter().zip(wanted) {
            match wanted {
                Ok(false) => {}
                Ok(true) => {
                    let text = format!("{} {} has no partner", plan.shapes[side].entity, row.id.0);
                    out.differ(Suspect::of(side, row, link.as_ref(), text));
                }
                Err(why) => {
                    let text = format!("{} {} cannot be judged: {why}", plan.shapes[side].entity, row.id.0);
                    out.differ(Suspect::of(side, row, link.as_ref(), text));
                }
            }
        }
    }

    /// Rows of the right whose partner on the left is not there; those that are there were compared from the left.
    async fn miss_partners(&mut self, id: PipeId, rights: Vec<(Seen, Option<Link>)>, out: &mut Comparison) -> Result<(), Error> {
        let pipe = self.pipes[id.0].clone();
        let left = Side::Left;
        let ids: Vec<RemoteId> = rights.iter().filter_map(|(_, link)| partner(link, Side::Right)).collect();
        let lefts = pipe.systems[left].fetch(&pipe.plan.shapes[left], &ids).await;
        let lefts = lefts.map_err(|failure| Error::System { plan: pipe.plan.name.clone(), side: left, failure })?;
        for ((row, link), _) in rights.iter().zip(lefts).filter(|(_, left)| left.is_none()) {
            let text = format!("the partner of {} {} is gone", pipe.plan.shapes[Side::Right].entity, row.id.0);
            out.differ(Suspect::of(Side::Right, row, link.as_ref(), text));
        }
        Ok(())
    }

    async fn compare_pairs(&mut self, id: PipeId, lefts: Vec<(Seen, Option<Link>)>, out: &mut Comparison) -> Result<(), Error> {
        let pipe = self.pipes[id.0].clone();
        let right = Side::Right;
        let ids: Vec<RemoteId> = lefts.iter().filter_map(|(_, link)| partner(link, Side::Left)).collect();
        let rights = pipe.systems[right].fetch(&pipe.plan.shapes[right], &ids).await;
        let rights = rights.map_err(|failure| Error::System { plan: pipe.plan.name.clone(), side: right, failure })?;
        let rights: HashMap<RemoteId, Seen> = rights.into_iter().flatten().map(|it| (it.id.clone(), it)).collect();
        let mut pairs = Vec::with_capacity(lefts.len());
        for ((left, link), id) in lefts.into_iter().zip(ids) {
            match rights.get(&id) {
                Some(right) => pairs.push((left, right.clone(), link)),
                None => {
                    let text = format!("the partner of {} is gone", left.id.0);
                    out.differ(Suspect::of(Side::Left, &left, link.as_ref(), text));
                }
            }
        }
        out.pairs += pairs.len() as u64;
        let answers = evaluate(&self.pipes, &mut self.references, id, &pairs, |cx, (left, right, _)| {
            let (plan, left, right) = (pipe.plan.as_ref(), &left.record, &right.record);
            Ok([wanted(plan, cx.lookups, Side::Right, left, right)?, wanted(plan, cx.lookups, Side::Left, right, left)?])
        });
        for ((left, right, link), answer) in pairs.iter().zip(answers.await) {
            if let Some(text) = describe(&pipe, answer) {
                let text = format!("{} {}: {text}", pipe.plan.shapes[Side::Left].entity, left.id.0);
                let mut suspect = Suspect::of(Side::Left, left, link.as_ref(), text);
                suspect.versions[Side::Right] = Some(right.version.clone());
                out.differ(suspect);
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
fn wanted(plan: &Prepared, lookups: &Lookups, towards: Side, from: &Record, onto: &Record) -> Result<Option<Record>, Stop> {
    if !plan.writes[towards] {
        return Ok(None);
    }
    let change = plan.put(lookups, towards, from, Some(onto))?;
    Ok((!changes_nothing(plan, towards, &change, onto)).then_some(change))
}

fn describe(pipe: &Pipe, answer: Result<[Option<Record>; 2], NoAnswer>) -> Option<String> {
    match answer {
        Ok([None, None]) => None,
        Ok([Some(change), _]) => Some(crate::engine::merge::describe(&pipe.plan.shapes[Side::Right], &change)),
        Ok([None, Some(change)]) => Some(crate::engine::merge::describe(&pipe.plan.shapes[Side::Left], &change)),
        Err(why) => Some(why.to_string()),
    }
}
