//! The full compare: does every row of both sides agree with its partner, and has every row in scope one?

use std::collections::HashMap;

use super::deployment::Deployment;
use super::evaluate::{NoAnswer, evaluate};
use super::initial::Error;
use super::pipe::{Pipe, PipeId};
use super::references::References;
use crate::change::{LinkId, RemoteId, Seen, Side, Sides, Version};
use crate::engine::link::{Link, LinkState};
use crate::engine::merge::changes_nothing;
use crate::interp::{Lookups, Prepared, Stop};
use crate::store;
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

    pub(super) fn absorb(&mut self, other: Self) {
        for (side, count) in other.rows.iter() {
            self.rows[side] += count;
        }
        self.pairs += other.pairs;
        self.differing += other.differing;
        self.shown.extend(other.shown.into_iter().take(SHOWN_MAX.saturating_sub(self.shown.len())));
        self.suspects.extend(other.suspects.into_iter().take(SUSPECTS_MAX.saturating_sub(self.suspects.len())));
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
        let rows = self.with_links(id, side, rows)?;
        out.absorb(compare_rows(&self.pipes, &mut self.references, id, side, rows).await?);
        Ok(())
    }

    /// Each row with the link that it belongs to.
    pub(super) fn with_links(&mut self, id: PipeId, side: Side, rows: Vec<Seen>) -> store::Result<Vec<(Seen, Option<Link>)>> {
        let ids: Vec<RemoteId> = rows.iter().map(|it| it.id.clone()).collect();
        let links = self.store.links_of(&self.pipes[id.0].plan.name, side, &ids)?;
        Ok(rows.into_iter().zip(links).collect())
    }
}

/// Compares rows of one side, with their links, with what belongs to them. Asks the systems, and not the state.
pub(super) async fn compare_rows(
    pipes: &[Pipe],
    references: &mut References,
    id: PipeId,
    side: Side,
    rows: Vec<(Seen, Option<Link>)>,
) -> Result<Comparison, Error> {
    let mut out = Comparison { rows: Sides::default(), ..Comparison::default() };
    out.rows[side] = rows.len() as u64;
    let (rows, unreadable): (Vec<_>, Vec<_>) = rows.into_iter().partition(|(it, _)| it.problem.is_none());
    for (row, _) in &unreadable {
        out.differ(Suspect { is_known: true, ..Suspect::of(side, row, None, row.problem.clone().unwrap_or_default()) });
    }
    let (linked, alone): (Vec<_>, Vec<_>) = rows.into_iter().partition(|(_, link)| partner(link, side).is_some());
    let alone: Vec<_> = alone.into_iter().filter(|(_, link)| !is_at_rest(link)).collect();
    ask_for_partners(pipes, references, id, side, &alone, &mut out).await;
    match side {
        Side::Left => compare_pairs(pipes, references, id, linked, &mut out).await?,
        Side::Right => miss_partners(&pipes[id.0], linked, &mut out).await?,
    }
    Ok(out)
}

/// Rows without a partner are right only where the map does not ask for one.
async fn ask_for_partners(
    pipes: &[Pipe],
    references: &mut References,
    id: PipeId,
    side: Side,
    rows: &[(Seen, Option<Link>)],
    out: &mut Comparison,
) {
    let plan = &pipes[id.0].plan;
    if !plan.writes[side.other()] {
        return;
    }
    let is_wanted = |plan: &Prepared, lookups: &Lookups, (row, _): &(Seen, _)| plan.in_scope(lookups, side, &row.record);
    let wanted = evaluate(pipes, references, id, rows, is_wanted).await;
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
async fn miss_partners(pipe: &Pipe, rights: Vec<(Seen, Option<Link>)>, out: &mut Comparison) -> Result<(), Error> {
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

async fn compare_pairs(
    pipes: &[Pipe],
    references: &mut References,
    id: PipeId,
    lefts: Vec<(Seen, Option<Link>)>,
    out: &mut Comparison,
) -> Result<(), Error> {
    let pipe = &pipes[id.0];
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
    let answers = evaluate(pipes, references, id, &pairs, |plan, lookups, (left, right, _)| {
        let (left, right) = (&left.record, &right.record);
        Ok([wanted(plan, lookups, Side::Right, left, right)?, wanted(plan, lookups, Side::Left, right, left)?])
    });
    for ((left, right, link), answer) in pairs.iter().zip(answers.await) {
        if let Some(text) = describe(pipe, answer) {
            let text = format!("{} {}: {text}", pipe.plan.shapes[Side::Left].entity, left.id.0);
            let mut suspect = Suspect::of(Side::Left, left, link.as_ref(), text);
            suspect.versions[Side::Right] = Some(right.version.clone());
            out.differ(suspect);
        }
    }
    Ok(())
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
    if !plan.writes[towards] || plan.agrees(towards, from, onto) {
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
