//! Verify while the process works: the same compare as in `verify.rs`, a step at a time between rounds.
//!
//! Systems are asked beside the work. A steady watch goes through all links, a bounded number a minute, while nothing else is to
//! do; what it finds is on file and is what the `drift` alert sees.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use tokio::sync::oneshot;

use super::compare::{self, Comparison, SHOWN_MAX, Suspect};
use super::control::ask::{Answer, Compared, Problem, Reply};
use super::deployment::{Deployment, Note};
use super::errand::Errand;
use super::initial::Error;
use super::pipe::PipeId;
use super::references::References;
use super::round::LINKS_MAX;
use super::verify::{LOOKS_MAX, PAGE_ROWS, Repair, Verification, Verify, sighting};
use crate::change::{RemoteId, Seen, Side, Sides, Token};
use crate::store;
use crate::store::desk::{Sampled, Verified};
use crate::value::Timestamp;

/// Verifies that wait for their turn; the next ones are told that the process is busy.
const ORDERS_MAX: usize = 16;
/// How long feeds are given to be read to their end, and the queue to run dry, before a look that proves nothing is taken.
const CATCH_UP_MAX: Duration = Duration::from_secs(60);
/// Rest of the steady watch after a system could not be asked.
const REST: Duration = Duration::from_secs(60);
const MINUTE: Duration = Duration::from_secs(60);

/// What a system was asked for.
pub enum News {
    /// Rows of a side; the place after them, if there are more.
    Rows {
        side: Side,
        rows: Vec<Seen>,
        next: Option<Token>,
    },
    Compared(Comparison),
}

type Told = Result<News, Error>;

/// The verifies of one process: at most one is under way.
#[derive(Default)]
pub struct Surveys {
    under_way: Option<Survey>,
    waiting: VecDeque<Order>,
    pub(super) errand: Errand<Told>,
    /// The next page of the steady watch is due then.
    next_sample: Option<Timestamp>,
    /// The map whose turn it is.
    turn: usize,
}

/// A verify that somebody waits for.
struct Order {
    maps: VecDeque<PipeId>,
    repair: bool,
    done: Vec<Compared>,
    answer: oneshot::Sender<Answer>,
}

/// Why one map is compared.
enum Cause {
    Order(Order),
    /// A page of the steady watch: how far it came before.
    Watch(Sampled),
}

struct Survey {
    cause: Cause,
    map: PipeId,
    how: Verify,
    step: Step,
    looks: u32,
    /// When the suspects of now were begun to be looked at.
    looked_at: Timestamp,
    suspects: Vec<Suspect>,
    out: Verification,
}

enum Step {
    /// Everything is read, a side after the other.
    Scan {
        side: Side,
        after: Option<Token>,
    },
    /// Rows are fetched and compared, page by page.
    Look {
        pages: VecDeque<(Side, Vec<RemoteId>)>,
        found: Vec<Suspect>,
        purpose: Purpose,
    },
    Rest {
        until: Timestamp,
    },
    /// Until feeds were read to their end since the last look, and everything was carried out.
    CatchUp {
        until: Timestamp,
        is_hastened: bool,
    },
    Mend {
        place: usize,
    },
    End,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// The first look of the steady watch.
    First,
    /// The suspects again; nothing was on its way before it.
    Again { is_up_to_date: bool },
    /// What is left after the repair.
    Check,
}

/// What is fetched of these rows, at most so much at once.
fn pages(rows: impl Iterator<Item = Sides<Option<RemoteId>>>) -> VecDeque<(Side, Vec<RemoteId>)> {
    let mut ids: Sides<Vec<RemoteId>> = Sides::default();
    for row in rows {
        for (side, id) in Side::BOTH.into_iter().zip(row.0) {
            ids[side].extend(id);
        }
    }
    Side::BOTH
        .into_iter()
        .flat_map(|side| ids[side].chunks(PAGE_ROWS).map(move |it| (side, it.to_vec())).collect::<Vec<_>>())
        .collect()
}

impl Surveys {
    /// Ends with a word to those who wait.
    pub(super) fn give_up(&mut self, why: &str) {
        let current = self.under_way.take().and_then(|it| match it.cause {
            Cause::Order(order) => Some(order),
            Cause::Watch(_) => None,
        });
        for order in current.into_iter().chain(self.waiting.drain(..)) {
            drop(order.answer.send(Err(Problem::Failed(why.to_owned()))));
        }
        self.errand = Errand::default();
    }
}

impl Deployment {
    /// Maps are compared in the background from now on; the answer follows at the end.
    pub(super) fn order_survey(&mut self, maps: VecDeque<PipeId>, repair: bool, answer: oneshot::Sender<Answer>) {
        if self.surveys.waiting.len() >= ORDERS_MAX {
            let text = "the process has too many compares to make\n  = fix: try again when one has ended";
            return drop(answer.send(Err(Problem::Failed(text.to_owned()))));
        }
        self.surveys.waiting.push_back(Order { maps, repair, done: Vec::new(), answer });
    }

    /// One step of the compare that is under way, or of the next one. False: nothing could be done now.
    pub(super) async fn survey_turn(&mut self, is_idle: bool) -> store::Result<bool> {
        let Some(mut survey) = self.surveys.under_way.take() else { return self.next_survey(is_idle) };
        let told = self.surveys.errand.take();
        if self.surveys.errand.is_under_way() {
            self.surveys.under_way = Some(survey);
            return Ok(false);
        }
        let stepped = match told {
            Some(Ok(news)) => self.hear(&mut survey, news).map(|()| true),
            Some(Err(error)) => Err(error),
            None => self.step_survey(&mut survey, is_idle).await,
        };
        match stepped {
            Ok(has_stepped) if matches!(survey.step, Step::End) => {
                self.end_survey(survey)?;
                Ok(has_stepped)
            }
            Ok(has_stepped) => {
                self.surveys.under_way = Some(survey);
                Ok(has_stepped)
            }
            Err(Error::Store(error)) => Err(error),
            Err(error) => {
                self.fail_survey(survey, &error);
                Ok(true)
            }
        }
    }

    fn next_survey(&mut self, is_idle: bool) -> store::Result<bool> {
        if let Some(order) = self.surveys.waiting.pop_front() {
            self.begin_order(order);
            return Ok(true);
        }
        let now = self.world.now();
        let per_minute = self.settings.sample_per_minute;
        let is_due = self.surveys.next_sample.is_none_or(|it| it <= now);
        if !is_idle || per_minute == 0 || !is_due {
            return Ok(false);
        }
        let size = usize::try_from(per_minute).unwrap_or(PAGE_ROWS).min(PAGE_ROWS);
        let interval = MINUTE.mul_f64(size as f64 / f64::from(per_minute));
        self.surveys.next_sample = now.checked_add(interval).ok();
        self.surveys.turn = self.surveys.turn.wrapping_add(1);
        let count = self.pipes.len();
        let turn = self.surveys.turn;
        let Some(map) = (0..count).map(|it| PipeId((turn + it) % count)).find(|&it| self.flows(it)) else { return Ok(false) };
        let name = self.name(map).to_owned();
        let mut sampled = self.store.sampled(&name)?.unwrap_or_default();
        let links = self.store.links(&name, sampled.after, size)?;
        sampled.after = links.last().filter(|_| links.len() == size).map(|it| it.id);
        let step = Step::Look { pages: pages(links.into_iter().map(|it| it.ids)), found: Vec::new(), purpose: Purpose::First };
        self.surveys.under_way = Some(self.survey(Cause::Watch(sampled), map, None, step));
        Ok(true)
    }

    fn begin_order(&mut self, mut order: Order) {
        let Some(map) = order.maps.pop_front() else {
            // Whoever asked may be gone.
            return drop(order.answer.send(Ok(Reply::Verified { maps: order.done })));
        };
        let repair = order.repair.then_some(Repair::Newer);
        let step = Step::Scan { side: Side::Left, after: None };
        self.surveys.under_way = Some(self.survey(Cause::Order(order), map, repair, step));
    }

    fn survey(&self, cause: Cause, map: PipeId, repair: Option<Repair>, step: Step) -> Survey {
        let how = Verify { repair, ..Verify::default() };
        let (looked_at, out) = (self.world.now(), Verification::default());
        Survey { cause, map, how, step, looks: 0, looked_at, suspects: Vec::new(), out }
    }

    /// What the systems told, taken in.
    fn hear(&mut self, survey: &mut Survey, news: News) -> Result<(), Error> {
        match news {
            News::Rows { side, rows, next } => {
                if let Step::Scan { side: scanned, after } = &mut survey.step {
                    (*scanned, *after) = match (next, side) {
                        (Some(next), _) => (side, Some(next)),
                        // `Left` and no place comes only at the start: the right has been read when it is compared.
                        (None, Side::Left) => (Side::Right, None),
                        (None, Side::Right) => return self.last_of_scan(survey, rows),
                    };
                }
                self.compare_beside(survey.map, side, rows)
            }
            News::Compared(found) => {
                match &mut survey.step {
                    Step::Look { found: suspects, .. } => suspects.extend(found.suspects.iter().cloned()),
                    Step::Scan { .. } | Step::Rest { .. } | Step::CatchUp { .. } | Step::Mend { .. } | Step::End => {
                        survey.suspects.extend(found.suspects.iter().cloned());
                    }
                }
                if matches!(survey.step, Step::Scan { .. } | Step::Rest { .. } | Step::Look { purpose: Purpose::First, .. }) {
                    for (side, count) in found.rows.iter() {
                        survey.out.rows[side] += count;
                    }
                    survey.out.pairs += found.pairs;
                }
                Ok(())
            }
        }
    }

    fn last_of_scan(&mut self, survey: &mut Survey, rows: Vec<Seen>) -> Result<(), Error> {
        survey.step = Step::Rest { until: self.later(survey.how.wait) };
        self.compare_beside(survey.map, Side::Right, rows)
    }

    fn later(&self, wait: Duration) -> Timestamp {
        self.world.now().checked_add(wait).expect("the calendar is longer than that")
    }

    fn compare_beside(&mut self, map: PipeId, side: Side, rows: Vec<Seen>) -> Result<(), Error> {
        let rows = self.with_links(map, side, rows)?;
        let pipes = self.pipes.clone();
        self.surveys.errand = Errand::start(async move {
            compare::compare_rows(&pipes, &mut References::default(), map, side, rows).await.map(News::Compared)
        });
        Ok(())
    }

    fn ask_beside(&mut self, map: PipeId, side: Side, what: Asked) {
        let pipe = self.pipes[map.0].clone();
        self.surveys.errand = Errand::start(async move {
            let (system, shape) = (pipe.systems[side].as_ref(), &pipe.plan.shapes[side]);
            let told = match what {
                Asked::After(after) => system.scan(shape, after.as_ref(), PAGE_ROWS).await.map(|page| {
                    let next = (!page.is_last).then(|| page.next.clone());
                    (page.into_rows(), next)
                }),
                Asked::Rows(ids) => system.fetch(shape, &ids).await.map(|it| (it.into_iter().flatten().collect(), None)),
            };
            let told = told.map_err(|failure| Error::System { plan: pipe.plan.name.clone(), side, failure });
            told.map(|(rows, next)| News::Rows { side, rows, next })
        });
    }

    async fn step_survey(&mut self, survey: &mut Survey, is_idle: bool) -> Result<bool, Error> {
        let (map, now) = (survey.map, self.world.now());
        match &mut survey.step {
            Step::Scan { side, after } => {
                let (side, after) = (*side, after.clone());
                self.ask_beside(map, side, Asked::After(after));
                Ok(true)
            }
            Step::Look { pages, .. } => {
                match pages.pop_front() {
                    Some((side, ids)) => self.ask_beside(map, side, Asked::Rows(ids)),
                    None => self.have_looked(survey),
                }
                Ok(true)
            }
            Step::Rest { .. } if survey.suspects.is_empty() => {
                survey.step = Step::Mend { place: 0 };
                Ok(true)
            }
            // A map that stands still has differences on their way, and nobody can tell them from others.
            Step::Rest { .. } if survey.looks >= LOOKS_MAX || !self.flows(map) => {
                survey.out.restless = std::mem::take(&mut survey.suspects);
                survey.step = Step::Mend { place: 0 };
                Ok(true)
            }
            Step::Rest { until } if *until <= now => {
                survey.looked_at = now;
                let until = self.later(CATCH_UP_MAX);
                survey.step = Step::CatchUp { until, is_hastened: false };
                Ok(true)
            }
            Step::Rest { .. } => Ok(false),
            Step::CatchUp { until, is_hastened } => {
                let is_late = *until <= now;
                let is_read =
                    Side::BOTH.iter().all(|side| self.read_through.get(&(map, *side)).is_some_and(|it| *it >= survey.looked_at));
                match (is_late, is_read && is_idle, *is_hastened) {
                    (true, ..) => self.look_again(survey, false),
                    (false, false, _) => return Ok(false),
                    (false, true, false) => {
                        self.store.hasten(now)?;
                        survey.step = Step::CatchUp { until: *until, is_hastened: true };
                    }
                    (false, true, true) => {
                        let name = self.name(map).to_owned();
                        let figures = self.store.figures(&name)?;
                        self.look_again(survey, figures.queued == 0 && figures.asked == 0);
                    }
                }
                Ok(true)
            }
            Step::Mend { place } => {
                let Some(repair) = survey.how.repair.filter(|_| *place < survey.out.drift.len()) else {
                    survey.step = Step::End;
                    return Ok(true);
                };
                let end = (*place + LINKS_MAX).min(survey.out.drift.len());
                let part = survey.out.drift[*place..end].to_vec();
                *place = end;
                self.mend_all(map, repair, &part).await?;
                if end == survey.out.drift.len() {
                    let pages = pages(survey.out.drift.iter().map(|it| it.rows.clone()));
                    survey.step = Step::Look { pages, found: Vec::new(), purpose: Purpose::Check };
                }
                Ok(true)
            }
            Step::End => Ok(false),
        }
    }

    fn look_again(&self, survey: &mut Survey, is_up_to_date: bool) {
        survey.looks += 1;
        let pages = pages(survey.suspects.iter().map(|it| it.rows.clone()));
        survey.step = Step::Look { pages, found: Vec::new(), purpose: Purpose::Again { is_up_to_date } };
    }

    /// A look is complete: drift is told from what is on its way.
    fn have_looked(&self, survey: &mut Survey) {
        let Step::Look { found, purpose, .. } = &mut survey.step else { unreachable!("only a look comes here") };
        let (found, purpose) = (std::mem::take(found), *purpose);
        match purpose {
            Purpose::First => survey.suspects = found,
            Purpose::Again { is_up_to_date } => {
                let before: HashMap<_, _> = survey.suspects.iter().map(sighting).collect();
                survey.suspects.clear();
                for suspect in found {
                    if suspect.is_known {
                        survey.out.known.push(suspect);
                    } else if is_up_to_date && before.get(&suspect.rows) == Some(&suspect.versions) {
                        survey.out.drift.push(suspect);
                    } else {
                        survey.suspects.push(suspect);
                    }
                }
            }
            Purpose::Check => {
                survey.out.repaired = (survey.out.drift.len() as u64).saturating_sub(found.len() as u64);
                survey.step = Step::End;
                return;
            }
        }
        survey.step = Step::Rest { until: self.later(survey.how.wait) };
    }

    fn end_survey(&mut self, survey: Survey) -> store::Result<()> {
        let Survey { cause, map, out, .. } = survey;
        match cause {
            Cause::Order(mut order) => {
                order.done.push(self.put_verified(map, out, order.repair)?);
                self.begin_order(order);
            }
            Cause::Watch(before) => {
                let name = self.name(map).to_owned();
                let now = self.world.now();
                let mut sampled =
                    Sampled { links: before.links + out.pairs, drift: before.drift + out.drift.len() as u64, ..before };
                if let Some(first) = out.drift.first() {
                    self.watcher.note(&name, Note::Said(format!("{name}: drift: {}", first.text)));
                }
                if sampled.after.is_none() {
                    sampled = Sampled {
                        after: None,
                        links: 0,
                        drift: 0,
                        last_links: sampled.links,
                        last_drift: sampled.drift,
                        at: Some(now),
                    };
                }
                self.store.set_sampled(&name, Some(&sampled))?;
            }
        }
        Ok(())
    }

    /// What a full compare found, on file and in words.
    pub(super) fn put_verified(&mut self, map: PipeId, found: Verification, repair: bool) -> store::Result<Compared> {
        let name = self.name(map).to_owned();
        let differing = (found.drift.len() + found.known.len()) as u64;
        let left = differing - found.repaired;
        self.store.set_verified(&name, Verified { at: self.world.now(), pairs: found.pairs, differing })?;
        // The steady watch begins anew: what it found was before this.
        self.store.set_sampled(&name, None)?;
        let shown = found.drift.iter().chain(&found.known).take(SHOWN_MAX).map(|it| it.text.clone()).collect();
        let left_after_repair = repair.then_some(left);
        Ok(Compared { map: name, rows: found.rows.0, pairs: found.pairs, differing, shown, left_after_repair })
    }

    fn fail_survey(&mut self, survey: Survey, error: &Error) {
        match survey.cause {
            Cause::Order(order) => drop(order.answer.send(Err(Problem::Failed(error.to_string())))),
            Cause::Watch(_) => self.surveys.next_sample = self.world.now().checked_add(REST).ok(),
        }
    }
}

enum Asked {
    /// The page after this place.
    After(Option<Token>),
    Rows(Vec<RemoteId>),
}
