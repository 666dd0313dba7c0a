//! What the commands to a deployment have in common: whom to ask, how to say who asks, and how the answer is shown.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

use super::output::{self, Format};
use super::project::Project;
use super::{Exit, Stopped, block_on};
use crate::ir::Program;
use crate::runtime::config::StorePlace;
use crate::runtime::control::ask::{Answer, Ask, FORMAT_VERSION, Problem, Reply, Request};
use crate::runtime::control::place::{Holder, Place, holder};
use crate::runtime::control::states::Hand;
use crate::runtime::control::{client, find, read};
use crate::runtime::world::Real;
use crate::store::{Outline, Sqlite, Store};

/// How long a process that has just started is waited for.
const PATIENCE: Duration = Duration::from_secs(3);
const LOOK_EVERY: Duration = Duration::from_millis(50);

#[derive(clap::Args)]
pub struct Common {
    /// The project's folder.
    #[arg(long, global = true, value_name = "FOLDER", default_value = ".")]
    pub project: PathBuf,
    #[arg(long, global = true, value_enum, default_value_t)]
    pub format: Format,
    /// Who gives the command, for the activity log. Default: the user's name.
    #[arg(long, global = true, value_name = "NAME")]
    pub by: Option<String>,
    /// Why, for the activity log.
    #[arg(long, global = true, value_name = "TEXT", default_value = "")]
    pub why: String,
}

/// Who answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// The running process.
    Process,
    /// The state file; no process runs.
    State,
}

/// An answer and where it came from.
#[derive(Serialize)]
pub struct Answered {
    pub format_version: u32,
    pub via: Via,
    #[serde(flatten)]
    pub reply: Reply,
}

/// The project, its maps, and where its state is.
pub struct Desk {
    pub project: Project,
    pub program: Program,
    pub state: PathBuf,
    /// Some maps have errors, and are not in the program.
    has_errors: bool,
}

impl Desk {
    pub fn find(common: &Common) -> Result<Self, Stopped> {
        Self::of(std::slice::from_ref(&common.project))
    }

    pub fn of(paths: &[PathBuf]) -> Result<Self, Stopped> {
        let project = Project::find(paths)?;
        let place = project.config.as_ref().map_or_else(StorePlace::default, |it| it.store.clone());
        let state = project.root.join(&place.path);
        let compiled = project.compile()?;
        let has_errors = compiled.has_errors;
        if has_errors {
            let names: Vec<String> = compiled.checked.wrong.iter().map(|it| format!("`{}`", it.name)).collect();
            let which = if names.is_empty() { String::new() } else { format!(": {}", names.join(", ")) };
            eprintln!("note: maps with errors are not shown where no process runs{which}; see `dwmap check`");
        }
        Ok(Self { project, program: compiled.checked.program, state, has_errors })
    }

    /// Asks the process that runs, else the state.
    pub fn ask(&self, request: &Request) -> Result<Answered, Stopped> {
        let holder = self.holder();
        // A process has its maps as they were when it took them up: what is wrong in the files by now is not wrong for it.
        if !(self.has_errors && matches!(holder, Holder::Process(_))) {
            self.names(&request.ask).map_err(|it| stopped(self.or_has_errors(it)))?;
        }
        let (via, answer) = match (holder, request.ask.is_question()) {
            (Holder::Process(place), _) => (Via::Process, block_on(async { Ok(client::ask(&place, request).await) })?),
            (Holder::Nobody | Holder::Silent, true) => (Via::State, self.look(&request.ask)?),
            (Holder::Nobody, false) if request.ask == Ask::Renew => {
                return Err(Stopped::usage("no process runs\n  = note: the next `dwmap run` takes up the maps as they stand"));
            }
            (Holder::Nobody, false) => (Via::State, self.put(request)?),
            (Holder::Silent, false) => return Err(Stopped::environment(silent(&self.state))),
        };
        Ok(Answered { format_version: FORMAT_VERSION, via, reply: answer.map_err(stopped)? })
    }

    /// A wrong name is wrong whoever would be asked; the nearest one is told without asking.
    fn names(&self, ask: &Ask) -> Result<(), Problem> {
        match ask {
            Ask::Start { maps, .. }
            | Ask::Pause { maps }
            | Ask::Resume { maps, .. }
            | Ask::Stop { maps }
            | Ask::Queue { maps, .. }
            | Ask::Errors { maps, .. }
            | Ask::Conflicts { maps, .. }
            | Ask::Activity { maps, .. }
            | Ask::Verify { maps, .. } => find::plans(&self.program, maps).map(drop),
            Ask::Reload { map, .. }
            | Ask::ShowError { map, .. }
            | Ask::Retry { map, .. }
            | Ask::Discard { map, .. }
            | Ask::Edit { map, .. }
            | Ask::ShowConflict { map, .. }
            | Ask::Resolve { map, .. }
            | Ask::Trace { map, .. }
            | Ask::Deliver { map, .. } => find::plan(&self.program, map).map(drop),
            Ask::Status | Ask::Renew => Ok(()),
        }
    }

    /// A map that is not there may be one with errors.
    fn or_has_errors(&self, problem: Problem) -> Problem {
        match problem {
            Problem::Usage(text) if self.has_errors => {
                Problem::Usage(format!("{text}\n  = note: maps with errors are not among them; see `dwmap check`"))
            }
            other => other,
        }
    }

    /// Who has the state; a process that is just starting gets a moment.
    pub fn holder(&self) -> Holder {
        let mut waited = Duration::ZERO;
        loop {
            match holder(&self.state) {
                Holder::Silent if waited < PATIENCE => {
                    std::thread::sleep(LOOK_EVERY);
                    waited += LOOK_EVERY;
                }
                found => return found,
            }
        }
    }

    pub fn must_exist(&self) -> Result<(), Stopped> {
        if self.state.is_file() {
            return Ok(());
        }
        Err(Stopped::environment(format!(
            "there is no state at `{}` yet\n  = fix: `dwmap run --initial` makes it",
            self.state.display()
        )))
    }

    fn look(&self, ask: &Ask) -> Result<Answer, Stopped> {
        self.must_exist()?;
        let mut store = Sqlite::open_read_only(&self.state).map_err(Stopped::environment)?;
        Ok(read::answer(&mut store, &self.program, ask))
    }

    fn put(&self, request: &Request) -> Result<Answer, Stopped> {
        let mut store = Sqlite::open(&self.state).map_err(Stopped::environment)?;
        for plan in &self.program.plans {
            store.open_plan(&plan.name, &Outline::of(plan)).map_err(Stopped::environment)?;
        }
        let (who, why) = (request.who.as_str(), request.why.as_str());
        Ok(Hand { store: &mut store, program: &self.program, world: &Real, who, why }.act(&request.ask))
    }
}

fn silent(state: &Path) -> String {
    format!(
        "a dwmap holds `{}` and takes no commands: `run --once` and the compare of both sides end by themselves\n  = fix: wait for its end",
        state.display()
    )
}

pub fn stopped(problem: Problem) -> Stopped {
    match problem {
        Problem::Usage(text) => Stopped::usage(text),
        Problem::Failed(text) => Stopped::environment(text),
    }
}

pub fn request(common: &Common, ask: Ask) -> Request {
    let name = || ["USER", "LOGNAME", "USERNAME"].iter().find_map(|it| std::env::var(it).ok()).filter(|it| !it.is_empty());
    let who = common.by.clone().or_else(name).unwrap_or_else(|| "somebody".to_owned());
    Request { format_version: FORMAT_VERSION, who, why: common.why.clone(), ask }
}

/// Asks, and says on standard error who answered.
pub fn ask(common: &Common, ask: Ask) -> Result<Reply, Stopped> {
    let desk = Desk::find(common)?;
    let request = request(common, ask);
    let answered = desk.ask(&request)?;
    if common.format == Format::Json {
        output::print_json(&answered);
    } else {
        say(answered.via, request.ask.is_question(), &desk);
    }
    Ok(answered.reply)
}

fn say(via: Via, is_question: bool, desk: &Desk) {
    match (via, is_question) {
        (Via::Process, _) => {
            if let Holder::Process(Place { pid, .. }) = holder(&desk.state) {
                eprintln!("answered by the process {pid}");
            }
        }
        (Via::State, true) => eprintln!("no process runs; read from the state"),
        (Via::State, false) => eprintln!("no process runs; on file for the next `dwmap run`"),
    }
}

/// Asks, and shows the answer by `show` unless JSON is wanted.
pub fn ask_and_show(common: &Common, what: Ask, show: impl FnOnce(&Reply)) -> super::Result {
    let reply = ask(common, what)?;
    if common.format == Format::Text {
        show(&reply);
    }
    Ok(Exit::Success)
}
