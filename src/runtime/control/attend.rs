//! How a running deployment hears what is asked of it: between two rounds, one command after the other.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::ask::{Answer, Ask, Compared, Problem, Reply, Request};
use super::deliver;
use super::find;
use super::states::{Hand, Start};
use crate::change::Side;
use crate::runtime::deployment::{Deployment, Note};
use crate::runtime::pipe::PipeId;
use crate::runtime::verify::{Repair, Verify};
use crate::store::{self, Phase};

/// Commands that wait for their turn; the next ones are told that the process is busy.
const WAITING_MAX: usize = 64;

/// A command and where its answer goes.
pub struct Call {
    request: Request,
    answer: oneshot::Sender<Answer>,
}

/// Asks a deployment that runs elsewhere in this process.
#[derive(Clone)]
pub struct Caller {
    calls: mpsc::Sender<Call>,
}

impl Caller {
    pub async fn ask(&self, request: Request) -> Answer {
        let (answer, answered) = oneshot::channel();
        let late = deliver::late(&request.ask);
        let busy =
            |_| Problem::Failed("the process has too many commands to carry out\n  = fix: try again in a moment".to_owned());
        self.calls.try_send(Call { request, answer }).map_err(busy)?;
        let answered = async {
            answered.await.unwrap_or_else(|_| {
                Err(Problem::Failed("the process ended before it could answer; what was on file stays".to_owned()))
            })
        };
        match late {
            None => answered.await,
            // Whoever waits for a time is told when it is over, whatever the process is busy with.
            Some((time, reply)) => tokio::time::timeout(time, answered).await.unwrap_or(Ok(reply)),
        }
    }
}

/// The next command; without a line to the outside there is none, ever.
pub async fn next_call(calls: &mut Option<mpsc::Receiver<Call>>) -> Call {
    if let Some(line) = calls
        && let Some(call) = line.recv().await
    {
        return call;
    }
    std::future::pending().await
}

impl Deployment {
    /// Opens the line on which commands come.
    pub fn listen(&mut self) -> Caller {
        let (calls, line) = mpsc::channel(WAITING_MAX);
        self.calls = Some(line);
        Caller { calls }
    }

    /// Carries out the commands that came meanwhile.
    pub(in crate::runtime) async fn attend(&mut self) -> store::Result<()> {
        while let Some(call) = self.calls.as_mut().and_then(|it| it.try_recv().ok()) {
            self.serve(call).await?;
        }
        Ok(())
    }

    pub(in crate::runtime) async fn serve(&mut self, call: Call) -> store::Result<()> {
        if call.request.ask == Ask::Renew {
            self.begin_renewal(call.request, call.answer);
            return Ok(());
        }
        if let Ask::Verify { maps, repair } = &call.request.ask {
            match find::plans(&self.program, maps) {
                Ok(plans) => {
                    let names: Vec<&str> = plans.iter().map(|it| it.name.as_str()).collect();
                    let ids = self.pipe_ids().filter(|&it| names.contains(&self.name(it))).collect();
                    self.order_survey(ids, *repair, call.answer);
                }
                Err(problem) => drop(call.answer.send(Err(problem))),
            }
            return Ok(());
        }
        if let Ask::Deliver { map, system, row, within_ms, or_undo } = &call.request.ask {
            let undo_for = or_undo.then(|| call.request.who.clone());
            self.begin_delivery((map, system, row), Duration::from_millis(*within_ms), undo_for, call.answer);
            return Ok(());
        }
        let answer = self.answer(&call.request).await;
        self.refresh_phases()?;
        // Whoever asked may be gone; what was asked is done all the same.
        drop(call.answer.send(answer));
        Ok(())
    }

    /// Carries out one command.
    pub async fn answer(&mut self, request: &Request) -> Answer {
        if request.ask.is_question() {
            let program = self.program.clone();
            return super::read::answer(self.store.as_mut(), &program, &request.ask);
        }
        if let Ask::Verify { maps, repair } = &request.ask {
            return self.verify_maps(maps, *repair).await;
        }
        let (program, world) = (self.program.clone(), self.world.clone());
        let mut hand =
            Hand { store: self.store.as_mut(), program: &program, world: world.as_ref(), who: &request.who, why: &request.why };
        let answer = hand.act(&request.ask)?;
        if let Reply::Decided { is_done: false, .. } = &answer
            && let Some((number, decision)) = self.store.last_decision()?
        {
            return self.carry_out_decision(number, &decision).await?;
        }
        Ok(answer)
    }

    /// What the maps are to do by now, as the store has it.
    pub(in crate::runtime) fn refresh_phases(&mut self) -> store::Result<()> {
        for id in self.pipe_ids() {
            let name = self.name(id).to_owned();
            self.has_load[id.0] = self.store.load(&name)?.is_some();
            let phase = self.store.phase(&name)?.0;
            let before = std::mem::replace(&mut self.phases[id.0], phase);
            if matches!(before, Phase::Paused | Phase::Blocked) && self.flows(id) {
                self.release(id)?;
            }
            if self.flows(id) && !matches!(before, Phase::Running | Phase::CatchingUp) {
                self.wake_summoners(id)?;
            }
            if before != phase {
                self.watcher.note(&name, Note::Phase(phase));
            }
        }
        Ok(())
    }

    /// Changes of this map are carried over now.
    pub(in crate::runtime) fn flows(&self, id: PipeId) -> bool {
        match self.phases[id.0] {
            Phase::Running | Phase::CatchingUp => true,
            Phase::Stopped | Phase::Initializing | Phase::Paused | Phase::Blocked => false,
        }
    }

    /// The feeds of this map are read: a map that is paused has a queue.
    pub(in crate::runtime) fn listens(&self, id: PipeId) -> bool {
        self.phases[id.0] != Phase::Stopped
    }

    /// Lets every map run, whatever it did before and without an initial sync: both sides are empty, or told change by change.
    pub fn let_all_run(&mut self) -> store::Result<()> {
        for id in self.pipe_ids() {
            let name = self.name(id).to_owned();
            self.store.set_phase(&name, Phase::Running, "")?;
        }
        self.refresh_phases()
    }

    /// At least one map does something.
    pub fn has_active(&self) -> bool {
        self.phases.iter().any(|it| *it != Phase::Stopped)
    }

    /// A guard or a changed system stopped the map, and a person lets it go on.
    pub fn is_blocked(&self, id: PipeId) -> bool {
        self.phases[id.0] == Phase::Blocked
    }

    /// Maps that do nothing or stand still, and how to change that; `None`: there are none.
    pub fn idle(&self) -> Option<String> {
        let of = |phase: Phase| {
            let names: Vec<&str> = self.pipe_ids().filter(|it| self.phases[it.0] == phase).map(|it| self.name(it)).collect();
            (!names.is_empty()).then(|| names.join(", "))
        };
        let stopped = of(Phase::Stopped)
            .map(|it| format!("stopped: {it}; `dwmap start --initial` reads their rows, `dwmap start` goes on"));
        let paused = of(Phase::Paused).map(|it| format!("paused: {it}; `dwmap resume` lets them go on"));
        let all: Vec<String> = stopped.into_iter().chain(paused).collect();
        (!all.is_empty()).then(|| all.join("\n"))
    }

    /// Nothing waits: who was catching up has caught up.
    pub(in crate::runtime) fn have_caught_up(&mut self) -> store::Result<()> {
        for id in self.pipe_ids().filter(|it| self.phases[it.0] == Phase::CatchingUp).collect::<Vec<_>>() {
            let name = self.name(id).to_owned();
            if self.store.pending(&name, 1)?.is_empty() {
                let standing = self.store.standing(&name)?;
                self.store.stand(&name, &store::desk::Standing { phase: Phase::Running, ..standing })?;
            }
        }
        for id in self.pipe_ids().filter(|it| self.behind[it.0]).collect::<Vec<_>>() {
            let is_read = |side: &Side| self.is_hasty || self.read_through.contains_key(&(id, *side));
            let name = self.name(id).to_owned();
            let figures = self.store.figures(&name)?;
            if self.flows(id) && Side::BOTH.iter().all(is_read) && figures.queued + figures.pending == 0 {
                self.store.has_caught_up(&name)?;
                self.behind[id.0] = false;
            }
        }
        self.refresh_phases()
    }

    async fn verify_maps(&mut self, maps: &[String], repair: bool) -> Answer {
        let program = self.program.clone();
        let names: Vec<String> = find::plans(&program, maps)?.into_iter().map(|it| it.name.clone()).collect();
        let mut out = Vec::new();
        for id in self.pipe_ids().filter(|&it| names.iter().any(|name| name == self.name(it))).collect::<Vec<_>>() {
            out.push(self.compared(id, repair).await?);
        }
        Ok(Reply::Verified { maps: out })
    }

    /// What differs and stays so. A difference that is on its way is none.
    async fn compared(&mut self, id: PipeId, repair: bool) -> Result<Compared, Problem> {
        let how = Verify { repair: repair.then_some(Repair::Newer), ..Verify::default() };
        let found = self.verify(id, how).await.map_err(|error| Problem::Failed(error.to_string()))?;
        Ok(self.put_verified(id, found, repair)?)
    }
}

impl Hand<'_> {
    /// Changes states, or puts decisions on file.
    pub fn act(&mut self, ask: &Ask) -> Answer {
        match ask {
            Ask::Start { maps, initial, master, with_dependants } => {
                let how = Start { is_initial: *initial, master: master.as_deref(), with_dependants: *with_dependants };
                self.start(maps, &how)
            }
            Ask::Pause { maps } => self.pause(maps),
            Ask::Resume { maps, skip } => self.resume(maps, *skip),
            Ask::Stop { maps } => self.stop(maps),
            other => self.wish(other).unwrap_or_else(|| {
                Err(Problem::Failed("this command needs the systems, and no process runs\n  = fix: `dwmap run`".to_owned()))
            }),
        }
    }
}
