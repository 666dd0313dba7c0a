//! What an initial sync would do, before it does anything: every record is taken through the engine itself, and nothing is sent.
//!
//! Both sides are read page by page into a store of its own on disk, so the memory that it takes does not grow with the rows.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::change::{Answer, LinkId, Seen, Side, Sides, Version, Write};
use crate::engine::flight::{Effect, Event, Flight, Summoned, Tally};
use crate::engine::link::{Link, LinkState};
use crate::engine::merge::describe;
use crate::interp;
use crate::runtime::deployment::Deployment;
use crate::runtime::initial::Error;
use crate::runtime::pipe::PipeId;
use crate::runtime::round::LINKS_MAX;
use crate::store::{self, Match, Store};

/// Rows of a page.
const PAGE_ROWS: usize = 500;
/// Samples of each action.
const SAMPLES_MAX: usize = 5;
/// Most steps of one record.
const STEPS_MAX: u32 = 200;

/// What would become of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    CreateLeft,
    CreateRight,
    UpdateLeft,
    UpdateRight,
    DeleteLeft,
    DeleteRight,
    /// Both sides agree.
    Equal,
    /// Several rows of one side have one key.
    Ambiguous,
    /// A rule refuses it, or it waits for another row.
    Held,
    /// A person would have to decide.
    Conflict,
    /// It stays alone: out of scope, or the map does not write the other side.
    OnlyLeft,
    OnlyRight,
}

impl Action {
    /// Something would be written, or be left for a person.
    pub fn is_work(self) -> bool {
        match self {
            Self::CreateLeft
            | Self::CreateRight
            | Self::UpdateLeft
            | Self::UpdateRight
            | Self::DeleteLeft
            | Self::DeleteRight
            | Self::Ambiguous
            | Self::Held
            | Self::Conflict => true,
            Self::Equal | Self::OnlyLeft | Self::OnlyRight => false,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sample {
    pub action: Action,
    pub key: String,
    pub text: String,
}

/// What would become of the records of one map.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Forecast {
    pub map: String,
    pub rows: [u64; 2],
    pub actions: BTreeMap<Action, u64>,
    pub samples: Vec<Sample>,
}

impl Forecast {
    pub fn work(&self) -> u64 {
        self.actions.iter().filter(|(action, _)| action.is_work()).map(|(_, count)| count).sum()
    }

    fn add(&mut self, action: Action, key: &str, text: String) {
        let count = self.actions.entry(action).or_default();
        *count += 1;
        if *count <= SAMPLES_MAX as u64 {
            self.samples.push(Sample { action, key: key.to_owned(), text });
        }
    }
}

impl Deployment {
    /// Looks at every record of a map. The deployment's own store takes the rows and must be empty; `known` is the state of
    /// earlier syncs. Nothing is written to either system.
    pub async fn forecast(
        &mut self,
        id: PipeId,
        known: Option<&mut (dyn Store + '_)>,
        master: Option<Side>,
    ) -> Result<Forecast, Error> {
        let mut known = known;
        let mut out = Forecast { map: self.name(id).to_owned(), ..Forecast::default() };
        for side in Side::BOTH {
            self.read_whole(id, side).await?;
        }
        out.rows = self.store.staged_count(&out.map)?.0;
        loop {
            let groups = self.store.matches(&out.map, LINKS_MAX)?;
            if groups.is_empty() {
                out.samples.sort_by_key(|it| it.action);
                return Ok(out);
            }
            for group in groups {
                let rows: Vec<_> =
                    group.rows.iter().flat_map(|(side, rows)| rows.iter().map(move |it| (side, it.id.clone()))).collect();
                // The reborrow ends with the call; the rows are gone from the store afterwards.
                let known = known.as_mut().map(|it| &mut **it as &mut dyn Store);
                self.foresee_group(id, group, known, master, &mut out).await?;
                self.store.unstage(&out.map, &rows)?;
            }
        }
    }

    /// Scans; a feed would leave its marks in the system.
    async fn read_whole(&mut self, id: PipeId, side: Side) -> Result<(), Error> {
        let mut after = None;
        loop {
            let pipe = self.pipes[id.0].clone();
            let page = pipe.systems[side].scan(&pipe.plan.shapes[side], after.as_ref(), PAGE_ROWS).await;
            let page = page.map_err(|failure| Error::System { plan: pipe.plan.name.clone(), side, failure })?;
            let (next, is_last) = (page.next.clone(), page.is_last);
            self.stage_page(id, side, page).await?;
            if is_last {
                return Ok(());
            }
            after = Some(next);
        }
    }

    async fn foresee_group(
        &mut self,
        id: PipeId,
        group: Match,
        known: Option<&mut (dyn Store + '_)>,
        master: Option<Side>,
        out: &mut Forecast,
    ) -> Result<(), Error> {
        let key = group.key.as_ref().map_or_else(String::new, ToString::to_string);
        if group.rows.iter().any(|(_, rows)| rows.len() > 1) {
            let [left, right] = group.rows.map(Vec::len).0;
            out.add(Action::Ambiguous, &key, format!("{left} rows on the left and {right} on the right have this key"));
            return Ok(());
        }
        let mut seen = group.rows.map(|rows| rows.first().cloned());
        let link = match known {
            Some(store) => known_link(store, &out.map, &seen)?,
            None => None,
        };
        let is_stored = link.is_some();
        let link = match (link, &seen.0) {
            (Some(link), _) => {
                if !self.complete(id, &link, &mut seen).await? {
                    return Ok(());
                }
                link
            }
            (None, [Some(left), Some(right)]) => {
                Link::matched(LinkId(self.world.fresh_id()), &out.map, left.id.clone(), right.id.clone())
            }
            (None, [Some(row), None]) => Link::new(LinkId(self.world.fresh_id()), &out.map, Side::Left, row.id.clone()),
            (None, [None, Some(row)]) => Link::new(LinkId(self.world.fresh_id()), &out.map, Side::Right, row.id.clone()),
            (None, [None, None]) => return Ok(()),
        };
        self.foresee(id, Flight::new(self.pipes[id.0].plan.clone(), link, is_stored, master), seen, &key, out).await;
        Ok(())
    }

    /// The rows of a known link that are not in its group. False: the record is looked at in the group of its left row.
    async fn complete(&mut self, id: PipeId, link: &Link, seen: &mut Sides<Option<Seen>>) -> Result<bool, Error> {
        let had_left = seen[Side::Left].is_some();
        for side in Side::BOTH {
            let Some(row) = link.ids[side].as_ref().filter(|_| seen[side].is_none()) else { continue };
            let pipe = &self.pipes[id.0];
            let rows = pipe.systems[side].fetch(&pipe.plan.shapes[side], std::slice::from_ref(row)).await;
            let rows = rows.map_err(|failure| Error::System { plan: pipe.plan.name.clone(), side, failure })?;
            seen[side] = rows.into_iter().next().flatten();
        }
        Ok(had_left || seen[Side::Left].is_none())
    }

    /// Takes one record through the engine. What it would send is answered as its system would, as far as that can be known.
    async fn foresee(&mut self, id: PipeId, mut flight: Flight, mut seen: Sides<Option<Seen>>, key: &str, out: &mut Forecast) {
        let plan = self.pipes[id.0].plan.clone();
        let mut event = Event::Observed(seen.clone());
        let mut writes = 0;
        for _ in 0..STEPS_MAX {
            event = match flight.step(self.world.moment(), event) {
                Effect::Observe => Event::Observed(seen.clone()),
                Effect::Commit(_) => Event::Committed,
                Effect::Resolve(queries) => self.resolved(id, queries).await,
                Effect::Send { side, write: Write::Update { record, .. } } => {
                    writes += 1;
                    out.add(update_of(side), key, describe(&plan.shapes[side], &record));
                    let mut row = seen[side].clone().expect("an update is planned from two rows");
                    row.record.overlay(&interp::normalise(&plan, side, &record));
                    row.version = Version(format!("{} and {writes} planned writes", row.version.0));
                    seen[side] = Some(row.clone());
                    Event::Answered(Answer::Written(row))
                }
                Effect::Send { side, write: Write::Create { record, .. } } => {
                    return out.add(create_of(side), key, describe(&plan.shapes[side], &record));
                }
                Effect::Send { side, write: Write::Delete { .. } } => {
                    let action = if side == Side::Left { Action::DeleteLeft } else { Action::DeleteRight };
                    return out.add(action, key, "its partner is gone".to_owned());
                }
                Effect::Find { .. } => {
                    return out.add(Action::Held, key, "a create of it was sent and is not answered yet".to_owned());
                }
                Effect::Summon(_) => Event::Summoned(Summoned::Stays("its own map is asked for it".to_owned())),
                Effect::Finish(tally) => return ended(&flight, &tally, &seen, writes, key, out),
            };
        }
        out.add(Action::Held, key, "it came to no end".to_owned());
    }

    async fn resolved(&mut self, id: PipeId, queries: Vec<interp::Query>) -> Event {
        let asked = queries.iter().map(|it| (id, it.clone())).collect();
        let mut answers = self.references.resolve(&self.pipes, asked).await;
        let mut out = Vec::with_capacity(queries.len());
        for query in queries {
            match answers.remove(&(id, query.clone())) {
                Some(Ok(resolution)) => out.push((query, resolution)),
                Some(Err(failure)) => return Event::Failed(failure),
                // Asked twice, answered once.
                None => {}
            }
        }
        Event::Resolved(out)
    }
}

fn known_link(store: &mut dyn Store, plan: &str, seen: &Sides<Option<Seen>>) -> store::Result<Option<Link>> {
    for (side, row) in seen.iter() {
        if let Some(row) = row {
            let links = store.links_of(plan, side, std::slice::from_ref(&row.id))?;
            if let Some(link) = links.into_iter().flatten().find(|it| it.state != LinkState::Dead) {
                return Ok(Some(link));
            }
        }
    }
    Ok(None)
}

fn ended(flight: &Flight, tally: &Tally, seen: &Sides<Option<Seen>>, writes: u32, key: &str, out: &mut Forecast) {
    let is_alone = seen.0.iter().flatten().count() == 1;
    let waits_on = flight.link().hold.as_ref().and_then(|it| it.waits_on.as_ref());
    match (&tally.held, waits_on) {
        // The row that it waits for is another map's to make, and comes first.
        (Some(_), Some((plan, row))) if is_alone => {
            let side = if seen[Side::Left].is_some() { Side::Right } else { Side::Left };
            return out.add(create_of(side), key, format!("after {plan} {row}"));
        }
        (Some((_, message)), _) => return out.add(Action::Held, key, message.clone()),
        (None, _) => {}
    }
    if tally.conflicts > 0 {
        let labels: Vec<&str> = flight.link().conflicts.iter().map(|it| it.label.as_str()).collect();
        return out.add(Action::Conflict, key, labels.join(", "));
    }
    match (&seen.0, writes) {
        (_, 1..) => {}
        ([Some(_), None], _) => out.add(Action::OnlyLeft, key, String::new()),
        ([None, Some(_)], _) => out.add(Action::OnlyRight, key, String::new()),
        ([Some(_), Some(_)] | [None, None], _) => out.add(Action::Equal, key, String::new()),
    }
}

fn create_of(side: Side) -> Action {
    if side == Side::Left { Action::CreateLeft } else { Action::CreateRight }
}

fn update_of(side: Side) -> Action {
    if side == Side::Left { Action::UpdateLeft } else { Action::UpdateRight }
}
