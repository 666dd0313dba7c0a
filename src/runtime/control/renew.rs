//! A running process takes up the maps as they stand now: compiled beside the work, put in force between two rounds.
//!
//! Maps that cannot be compiled change nothing. What is queued, sent, held or in conflict keeps its meaning; what rules that are
//! new or changed make of the records is looked at record by record, and written only where the two sides differ by them.

use std::sync::Arc;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::ask::{Answer, Problem, Renewed, Reply, Request};
use crate::connect::Connector;
use crate::ir::Program;
use crate::runtime::deployment::{Deployment, Note};
use crate::store::desk::Act;
use crate::store::{self, Revision};

/// A project that was compiled, with a connector for each system of the program.
pub struct Fresh {
    pub program: Program,
    pub systems: Vec<Arc<dyn Connector>>,
}

/// Compiles the project anew; the text says why that cannot be. It is called on a thread of its own.
pub type Compiler = Arc<dyn Fn() -> Result<Fresh, String> + Send + Sync>;

/// A compilation that somebody waits for.
pub struct Renewal {
    request: Request,
    answer: oneshot::Sender<Answer>,
    compiled: JoinHandle<Result<Fresh, String>>,
}

/// The end of the compilation that is under way; without one there is none, ever.
pub async fn next_renewal(renewal: &mut Option<Renewal>) -> Result<Fresh, String> {
    match renewal {
        Some(it) => (&mut it.compiled).await.unwrap_or_else(|_| Err("the compiler has a defect; please report it".to_owned())),
        None => std::future::pending().await,
    }
}

impl Deployment {
    /// Lets the maps be taken up again while it runs.
    pub fn renew_by(&mut self, compiler: Compiler) {
        self.compiler = Some(compiler);
    }

    pub(super) fn begin_renewal(&mut self, request: Request, answer: oneshot::Sender<Answer>) {
        let refusal = match (&self.compiler, &self.renewal) {
            (None, _) => Some("this process runs a compiled program\n  = fix: start it again with the new one"),
            (Some(_), Some(_)) => Some("the maps are being compiled already\n  = fix: try again in a moment"),
            (Some(_), None) => None,
        };
        if let Some(text) = refusal {
            // Whoever asked may be gone.
            return drop(answer.send(Err(Problem::Failed(text.to_owned()))));
        }
        let compiler = self.compiler.clone().expect("it was looked for above");
        let compiled = tokio::task::spawn_blocking(move || compiler());
        self.renewal = Some(Renewal { request, answer, compiled });
    }

    /// The end of a compilation that came while something else was done.
    pub(in crate::runtime) async fn renew(&mut self) -> store::Result<()> {
        if self.renewal.as_ref().is_some_and(|it| it.compiled.is_finished()) {
            let fresh = next_renewal(&mut self.renewal).await;
            self.finish_renewal(fresh)?;
        }
        Ok(())
    }

    pub(in crate::runtime) fn finish_renewal(&mut self, fresh: Result<Fresh, String>) -> store::Result<()> {
        let Some(Renewal { request, answer, .. }) = self.renewal.take() else { return Ok(()) };
        let told = match fresh {
            Ok(fresh) => Ok(Reply::Renewed { maps: self.take_up_for(fresh, &request)? }),
            Err(text) => Err(Problem::Usage(format!("{text}\n  = note: the process goes on with the maps that it has"))),
        };
        drop(answer.send(told));
        Ok(())
    }

    fn take_up_for(&mut self, fresh: Fresh, request: &Request) -> store::Result<Vec<Renewed>> {
        let gone = |program: &Program| {
            let names = self.pipe_ids().map(|it| self.name(it).to_owned());
            names.filter(|it| program.plan(it).is_none()).collect::<Vec<_>>()
        };
        let gone = gone(&fresh.program);
        let revisions = self.take_up(fresh.program, &fresh.systems)?;
        let mut out: Vec<Renewed> = revisions.iter().map(|(map, revision)| renewed(map, revision)).collect();
        out.extend(gone.into_iter().map(|map| Renewed {
            map,
            state: "gone".to_owned(),
            rules: Vec::new(),
            notes: vec!["it does nothing any more; what is on file stays there".to_owned()],
        }));
        for it in out.iter().filter(|it| it.state != "unchanged") {
            let at = self.world.moment();
            let what = match it.rules.is_empty() {
                true => format!("new version of the map: {}", it.state),
                false => format!("new version of the map: {} ({})", it.state, it.rules.join(", ")),
            };
            let (plan, who, why) = (Some(it.map.clone()), request.who.clone(), request.why.clone());
            self.store.record(&Act { op: at.op, at: at.now, plan, link: None, who, what, why })?;
            self.watcher.note(&it.map, Note::Said(format!("{}: {}", it.map, it.state)));
        }
        Ok(out)
    }
}

fn renewed(map: &str, revision: &Revision) -> Renewed {
    let state = match () {
        () if revision.is_new => "new",
        () if revision.is_empty() => "unchanged",
        () => "changed",
    };
    let mut notes = Vec::new();
    if revision.is_new {
        notes.push(format!("it is stopped; `dwmap start {map} --initial` lets it run"));
    }
    if !revision.gone.is_empty() {
        notes.push(format!("rules that are gone: {}", revision.gone.join(", ")));
    }
    if revision.has_other_scope {
        notes.push("other rows take part: all rows are read again".to_owned());
    }
    if !revision.is_new && !revision.is_empty() {
        notes.push("each record is looked at again, and written only where the two sides differ".to_owned());
    }
    let rules = if revision.is_new { Vec::new() } else { revision.rules.clone() };
    Renewed { map: map.to_owned(), state: state.to_owned(), rules, notes }
}
