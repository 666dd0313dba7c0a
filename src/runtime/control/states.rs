//! Start, pause, resume, stop: what a map may become, and what becomes of its queue.

use super::ask::{Answer, Moved, Problem, Reply, Skip};
use super::find;
use crate::change::{Change, Class, LinkId, Side};
use crate::engine::link::{Commit, Hold, Link, LinkState, OpId};
use crate::ir::{Plan, Program};
use crate::runtime::world::World;
use crate::store::desk::{Act, Standing};
use crate::store::{self, Entry, Phase, Store, phase_name};
use crate::value::Timestamp;

/// Queue entries that are put aside in one transaction.
const SKIPPED_AT_ONCE: usize = 200;

/// Who gives a command, and what it works on.
pub struct Hand<'a> {
    pub store: &'a mut dyn Store,
    pub program: &'a Program,
    pub world: &'a dyn World,
    pub who: &'a str,
    pub why: &'a str,
}

/// How a map is to be started.
pub struct Start<'a> {
    pub is_initial: bool,
    /// A side, or a system.
    pub master: Option<&'a str>,
    pub with_dependants: bool,
}

impl Hand<'_> {
    pub fn start(&mut self, maps: &[String], how: &Start<'_>) -> Answer {
        let mut chosen: Vec<String> = find::plans(self.program, maps)?.into_iter().map(|it| it.name.clone()).collect();
        if how.with_dependants {
            add_dependants(self.program, &mut chosen);
        }
        let plans = find::plans(self.program, &chosen)?;
        for plan in &plans {
            self.may_start(plan, how, maps.is_empty() || !maps.contains(&plan.name))?;
        }
        let mut moved = Vec::new();
        for plan in plans {
            moved.push(self.start_one(plan, how, &chosen)?);
        }
        Ok(Reply::Moved { maps: moved })
    }

    /// Everything is looked at before anything is changed: a command is carried out whole, or refused.
    fn may_start(&mut self, plan: &Plan, how: &Start<'_>, is_implied: bool) -> Result<(), Problem> {
        if let Some(master) = how.master {
            find::side(self.program, plan, master)?;
        }
        let name = &plan.name;
        let text = match self.store.standing(name)?.phase {
            Phase::Running | Phase::CatchingUp if how.is_initial && !is_implied => {
                format!("the map {name} runs already\n  = fix: `dwmap reload {name}` reads its rows again while it runs")
            }
            Phase::Paused if !how.is_initial && !is_implied => {
                format!("the map {name} is paused, with its queue\n  = fix: `dwmap resume {name}`")
            }
            Phase::Stopped | Phase::Blocked if !how.is_initial && !self.had_initial_sync(name)? => {
                format!(
                    "the map {name} has not had its initial sync\n  = fix: `dwmap start {name} --initial` reads both sides and makes them agree"
                )
            }
            Phase::Running | Phase::CatchingUp | Phase::Paused | Phase::Stopped | Phase::Blocked | Phase::Initializing => {
                return Ok(());
            }
        };
        Err(Problem::Usage(text))
    }

    fn start_one(&mut self, plan: &Plan, how: &Start<'_>, together: &[String]) -> Result<Moved, Problem> {
        let name = &plan.name;
        let before = self.store.standing(name)?;
        let mut moved = match (before.phase, how.is_initial) {
            (Phase::Running | Phase::CatchingUp | Phase::Initializing, _) => self.stays(plan, &before, "it runs already"),
            (Phase::Paused, false) => self.stays(plan, &before, "it stays paused; `dwmap resume` lets it go on"),
            (Phase::Stopped | Phase::Blocked, false) => self.moves(plan, &before, Phase::CatchingUp, "start", before.master)?,
            (Phase::Stopped | Phase::Blocked | Phase::Paused, true) => {
                let master = how.master.map(|it| find::side(self.program, plan, it)).transpose()?;
                // A reading that was cut off goes on where it was; one that was complete is done again.
                if self.had_initial_sync(name)? {
                    self.store.restart(name)?;
                }
                self.moves(plan, &before, Phase::Initializing, "start --initial", master)?
            }
        };
        for other in plan.references.iter().filter_map(|it| it.plan.as_ref()).filter(|it| !together.contains(it) && *it != name) {
            let phase = self.store.standing(other).map(|it| it.phase).unwrap_or(Phase::Stopped);
            if matches!(phase, Phase::Stopped | Phase::Blocked | Phase::Paused) {
                moved.notes.push(format!("it refers to {other}, which is {}: rows that need its rows wait", phase_name(phase)));
            }
        }
        moved.notes.dedup();
        Ok(moved)
    }

    pub fn pause(&mut self, maps: &[String]) -> Answer {
        self.move_all(maps, "pause", Phase::Paused, |phase| match phase {
            Phase::Running | Phase::CatchingUp | Phase::Initializing | Phase::Blocked => Next::Go,
            Phase::Paused => Next::Stay("it is paused already"),
            Phase::Stopped => Next::Refuse("is stopped: it reads nothing and has nothing to pause".to_owned()),
        })
    }

    pub fn stop(&mut self, maps: &[String]) -> Answer {
        self.move_all(maps, "stop", Phase::Stopped, |phase| match phase {
            Phase::Running | Phase::CatchingUp | Phase::Initializing | Phase::Paused | Phase::Blocked => Next::Go,
            Phase::Stopped => Next::Stay("it is stopped already"),
        })
    }

    pub fn resume(&mut self, maps: &[String], skip: Option<Skip>) -> Answer {
        let is_named = !maps.is_empty();
        let chosen = self.choose(maps, |name, phase| match phase {
            Phase::Paused => Next::Go,
            // Whoever names it has seen why it was blocked.
            Phase::Blocked if is_named => Next::Go,
            Phase::Running | Phase::CatchingUp | Phase::Initializing => Next::Stay("it runs already"),
            Phase::Stopped | Phase::Blocked => {
                Next::Refuse(format!("is {}, not paused\n  = fix: `dwmap start {name}`", phase_name(phase)))
            }
        })?;
        let mut moved = Vec::new();
        for Chosen { plan, before, stays } in chosen {
            if let Some(why) = stays {
                if is_named {
                    moved.push(self.stays(&plan, &before, why));
                }
                continue;
            }
            let skipped = skip.map(|it| self.skip(&plan, it)).transpose()?;
            let is_whole = self.had_initial_sync(&plan.name)?;
            let next = if is_whole { Phase::CatchingUp } else { Phase::Initializing };
            let mut one = self.moves(&plan, &before, next, "resume", before.master)?;
            one.notes.extend(skipped);
            moved.push(one);
        }
        Ok(Reply::Moved { maps: moved })
    }

    fn move_all(&mut self, maps: &[String], what: &str, phase: Phase, next: impl Fn(Phase) -> Next) -> Answer {
        let mut moved = Vec::new();
        for Chosen { plan, before, stays } in self.choose(maps, |_, phase| next(phase))? {
            moved.push(match stays {
                None => self.moves(&plan, &before, phase, what, before.master)?,
                Some(why) => self.stays(&plan, &before, why),
            });
        }
        Ok(Reply::Moved { maps: moved })
    }

    /// What becomes of each map. Everything is looked at before anything is changed. Maps that nobody named are not refused, but
    /// left out.
    fn choose(&mut self, maps: &[String], next: impl Fn(&str, Phase) -> Next) -> Result<Vec<Chosen>, Problem> {
        let plans: Vec<Plan> = find::plans(self.program, maps)?.into_iter().cloned().collect();
        let mut chosen = Vec::new();
        for plan in plans {
            let before = self.store.standing(&plan.name)?;
            let stays = match next(&plan.name, before.phase) {
                Next::Go => None,
                Next::Stay(why) => Some(why),
                Next::Refuse(_) if maps.is_empty() => continue,
                Next::Refuse(why) => return Err(Problem::Usage(format!("the map {} {why}", plan.name))),
            };
            chosen.push(Chosen { plan, before, stays });
        }
        Ok(chosen)
    }

    fn moves(
        &mut self,
        plan: &Plan,
        before: &Standing,
        phase: Phase,
        what: &str,
        master: Option<Side>,
    ) -> Result<Moved, Problem> {
        let at = self.world.moment();
        let standing = Standing { phase, why: self.why.to_owned(), since: Some(at.now), who: self.who.to_owned(), master };
        self.store.stand(&plan.name, &standing)?;
        self.record(at.op, at.now, &plan.name, what)?;
        Ok(Moved {
            map: plan.name.clone(),
            before: phase_name(before.phase).to_owned(),
            now: phase_name(phase).to_owned(),
            notes: Vec::new(),
        })
    }

    fn stays(&self, plan: &Plan, before: &Standing, why: &str) -> Moved {
        let now = phase_name(before.phase).to_owned();
        Moved { map: plan.name.clone(), before: now.clone(), now, notes: vec![why.to_owned()] }
    }

    fn record(&mut self, op: OpId, at: Timestamp, plan: &str, what: &str) -> store::Result<()> {
        let (plan, who, why) = (Some(plan.to_owned()), self.who.to_owned(), self.why.to_owned());
        self.store.record(&Act { op, at, plan, link: None, who, what: what.to_owned(), why })
    }

    fn had_initial_sync(&mut self, plan: &str) -> store::Result<bool> {
        had_initial_sync(self.store, plan)
    }

    /// Puts the queue aside; what was done with it, in words.
    fn skip(&mut self, plan: &Plan, how: Skip) -> Result<String, Problem> {
        let mut count = 0u64;
        loop {
            let entries = self.store.pending(&plan.name, SKIPPED_AT_ONCE)?;
            if entries.is_empty() {
                break;
            }
            let done: Vec<(String, Side, u64)> = entries.iter().map(|it| (plan.name.clone(), it.side, it.seq)).collect();
            count += entries.len() as u64;
            let commits = match how {
                Skip::Discard => Vec::new(),
                Skip::Keep => self.set_aside(plan, entries)?,
            };
            self.store.commit(&commits, &done)?;
        }
        let at = self.world.moment();
        let (what, text) = match how {
            Skip::Keep => (
                format!("skipped {count} queued changes, kept as errors"),
                format!("{count} queued changes are errors now; `dwmap errors list {}`", plan.name),
            ),
            Skip::Discard => (
                format!("discarded {count} queued changes"),
                format!("{count} queued changes were discarded; a record follows again with its next edit"),
            ),
        };
        self.record(at.op, at.now, &plan.name, &what)?;
        Ok(text)
    }

    fn set_aside(&mut self, plan: &Plan, entries: Vec<Entry>) -> Result<Vec<Commit>, Problem> {
        let mut links: Vec<Link> = Vec::new();
        for Entry { side, change, .. } in entries {
            let row = change.id().clone();
            if links.iter().any(|it| it.ids[side].as_ref() == Some(&row)) {
                continue;
            }
            let known = self.store.links_of(&plan.name, side, std::slice::from_ref(&row))?.pop().flatten();
            let link = match (known.filter(|it| it.state != LinkState::Dead), change) {
                (Some(link), _) => link,
                (None, Change::Delete { .. }) => continue,
                (None, Change::Upsert(_)) => Link::new(LinkId(self.world.fresh_id()), &plan.name, side, row),
            };
            if links.iter().all(|it| it.id != link.id) {
                links.push(link);
            }
        }
        let hold = Hold {
            class: Class::Conflict,
            code: None,
            rule: None,
            message: format!("skipped by {} when the map went on; a retry carries it over", self.who),
            since: self.world.now(),
            attempts: 0,
            retry_at: None,
            waits_on: None,
            has_summoned: false,
        };
        let commit = |link: Link| Commit::of(Link { hold: Some(hold.clone()), ..link });
        Ok(links.into_iter().map(commit).collect())
    }
}

enum Next {
    Go,
    Stay(&'static str),
    /// The end of a sentence about the map, and the way out.
    Refuse(String),
}

/// A map that a command is about.
struct Chosen {
    plan: Plan,
    before: Standing,
    /// Why it does not move.
    stays: Option<&'static str>,
}

/// Both sides have been read to their end once, and every row was dealt with.
pub fn had_initial_sync(store: &mut dyn Store, plan: &str) -> store::Result<bool> {
    let is_live = store.stream(plan, Side::Left)?.is_live && store.stream(plan, Side::Right)?.is_live;
    Ok(is_live && store.staged_count(plan)?.0 == [0, 0])
}

/// Maps that refer to these, and those that refer to them.
fn add_dependants(program: &Program, chosen: &mut Vec<String>) {
    loop {
        let refers = |plan: &&Plan| plan.references.iter().filter_map(|it| it.plan.as_ref()).any(|it| chosen.contains(it));
        let more: Vec<String> =
            program.plans.iter().filter(refers).map(|it| it.name.clone()).filter(|it| !chosen.contains(it)).collect();
        if more.is_empty() {
            return;
        }
        chosen.extend(more);
    }
}
