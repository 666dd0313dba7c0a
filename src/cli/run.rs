//! `dwmap run`

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::output::Color;
use super::progress::Progress;
use super::project::{Project, read_text};
use super::{Exit, Result, Stopped, block_on, systems};
use crate::change::Side;
use crate::diag::Severity;
use crate::ir::Program;
use crate::runtime::config;
use crate::runtime::control::renew::Fresh;
use crate::runtime::control::server;
use crate::runtime::deployment::Deployment;
use crate::runtime::initial;
use crate::runtime::live::Shutdown;
use crate::runtime::receive::{self, Hook, Receiving, Surroundings};
use crate::runtime::world::Real;
use crate::store::{self, Sqlite};

/// What an interrupted process says to its caller.
const EXIT_INTERRUPTED: i32 = 130;

#[derive(clap::Args)]
pub struct Args {
    /// The project's folder, or its files. Default: this folder.
    paths: Vec<PathBuf>,
    /// Run this program that `dwmap compile` wrote, instead of compiling the project's maps.
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
    /// Start maps that never ran: read both sides, match rows by key, make them agree. Then live.
    #[arg(long)]
    initial: bool,
    /// With --initial: the system whose values win where two matched rows differ. Default: each rule's conflict policy.
    #[arg(long, value_name = "SYSTEM", requires = "initial")]
    master: Option<String>,
    /// End when both systems agree and nothing waits.
    #[arg(long)]
    once: bool,
}

pub fn run(args: &Args, color: Color) -> Result {
    let project = Project::find(&args.paths)?;
    let config = project.config()?.clone();
    let program = match &args.program {
        Some(file) => read_program(file)?,
        None => project.compile()?.or_stop(color)?.checked.program,
    };
    let master = args.master.as_deref().map(|it| side_of(&program, it)).transpose()?;
    let connectors = systems::connect(&program, &config, &project.root)?;
    let store = Sqlite::open(project.root.join(&config.store.path)).map_err(Stopped::environment)?;
    let settings = config.sync.settings();
    let progress = Arc::new(Progress::new(&program));
    let mut deployment =
        Deployment::open(program, &connectors, Box::new(store), Arc::new(Real), settings).map_err(Stopped::environment)?;
    deployment.watcher = progress;
    deployment.remind().map_err(Stopped::environment)?;
    say_behind(&deployment);
    let receiver = match &config.receiver {
        Some(it) => Some((it.listen, systems::hooks(&config, &project.root)?)),
        None => None,
    };
    let (file, state) = (project.root.join(config::FILE), project.root.join(&config.store.path));
    deployment.tend_by(file, config);
    if args.program.is_none() {
        let paths = args.paths.clone();
        deployment.renew_by(Arc::new(move || compile_anew(&paths).map_err(|it| it.message)));
    }
    block_on(keep_in_step(args, deployment, master, &state, receiver))
}

/// The maps, parameters and systems of the project as they stand now.
fn compile_anew(paths: &[PathBuf]) -> std::result::Result<Fresh, Stopped> {
    let project = Project::find(paths)?;
    let config = project.config()?.clone();
    let compiled = project.compile()?;
    if compiled.has_errors {
        let errors: Vec<_> = compiled.diagnostics.iter().filter(|it| it.severity == Severity::Error).cloned().collect();
        return Err(Stopped::new(Exit::Found, crate::diag::render::emit(&errors, &compiled.sources, Color::Never.of_messages())));
    }
    let program = compiled.checked.program;
    let systems = systems::connect(&program, &config, &project.root)?;
    Ok(Fresh { program, systems })
}

fn read_program(file: &Path) -> std::result::Result<Program, Stopped> {
    let text = read_text(file)?;
    Program::parse_json(&text).map_err(|error| Stopped::usage(format!("`{}`: {error}", file.display())))
}

async fn keep_in_step(
    args: &Args,
    mut deployment: Deployment,
    master: Option<Side>,
    state: &Path,
    receiver: Option<(SocketAddr, Vec<Hook>)>,
) -> Result {
    if args.once {
        return once(args, deployment, master).await;
    }
    if args.initial {
        deployment.begin_all(master).map_err(Stopped::environment)?;
    }
    let caller = deployment.listen();
    let (programs, world) = (deployment.programs(), deployment.world.clone());
    let serving = server::serve(state.to_owned(), programs, caller, world.as_ref()).await;
    let serving = serving.map_err(|error| {
        Stopped::environment(format!(
            "the local interface for commands cannot be opened: {error}\n  = fix: look at the folder of the state and its rights"
        ))
    })?;
    let receiving = receive(&deployment, state, receiver).await?;
    live(&mut deployment).await?;
    drop((serving, receiving));
    summary(&mut deployment)
}

/// Lets systems tell of changes, if the settings say so.
async fn receive(
    deployment: &Deployment,
    state: &Path,
    receiver: Option<(SocketAddr, Vec<Hook>)>,
) -> std::result::Result<Option<Receiving>, Stopped> {
    let Some((listen, hooks)) = receiver else { return Ok(None) };
    let around = Surroundings { programs: deployment.programs(), world: deployment.world.clone(), bell: deployment.bell() };
    let systems: Vec<String> = hooks.iter().map(|it| it.system().to_owned()).collect();
    let receiving = receive::serve(listen, hooks, state, around).await.map_err(|error| {
        Stopped::environment(format!("{error}\n  = fix: look at `listen` of `[receiver]` in dwmap.toml, which is {listen}"))
    })?;
    for system in systems {
        eprintln!("push messages of `{system}`: http://{}/hooks/{system}", receiving.address);
    }
    if !receiving.address.ip().is_loopback() {
        eprintln!("other machines reach the receiver without encryption; let a proxy that speaks HTTPS stand before it");
    }
    Ok(Some(receiving))
}

/// Until both systems agree. Commands wait for the end.
async fn once(args: &Args, mut deployment: Deployment, master: Option<Side>) -> Result {
    if args.initial {
        deployment.begin_all(master).map_err(Stopped::environment)?;
    }
    if !deployment.has_active() {
        return Err(Stopped::usage(
            "these maps have not had their initial sync\n  = fix: `dwmap run --initial` reads both sides and makes them agree",
        ));
    }
    {
        // Whatever is cut off here is on file, or was not sent: the next start goes on from there.
        let is_done = tokio::select! {
            done = deployment.finish_initial() => Some(done),
            () = interrupted() => None,
        };
        let is_done = is_done.transpose().map_err(|error| stopped(&deployment.program, error))?.is_some();
        if !is_done {
            eprintln!("stopped during the initial sync; `dwmap run --initial` goes on from here");
            return Ok(Exit::Success);
        }
    }
    say_idle(&deployment);
    let done = tokio::select! {
        done = deployment.settle() => done,
        () = interrupted() => Ok(()),
    };
    done.map_err(|error| stopped(&deployment.program, error))?;
    summary(&mut deployment)
}

/// Somebody put an older copy of the state back.
fn say_behind(deployment: &Deployment) {
    let behind = deployment.behind();
    if !behind.is_empty() {
        eprintln!(
            "the state is an older copy of itself ({}): until it has caught up, a row is looked for by its key before it is made; where both sides were edited since the copy, conflicts are decided by the maps",
            behind.join(", ")
        );
    }
}

/// Maps that do nothing, and how to change that.
fn say_idle(deployment: &Deployment) {
    if let Some(text) = deployment.idle() {
        eprintln!("{text}");
    }
}

/// Live sync until Ctrl-C; a second one does not wait for what is under way.
async fn live(deployment: &mut Deployment) -> std::result::Result<(), Stopped> {
    say_idle(deployment);
    eprintln!("live; Ctrl-C ends it");
    let (ender, shutdown) = Shutdown::new();
    let watch = tokio::spawn(async move {
        interrupted().await;
        eprintln!("ending; what is under way is carried to its end");
        ender.end();
        interrupted().await;
        std::process::exit(EXIT_INTERRUPTED);
    });
    let ended = deployment.run(shutdown).await.map_err(Stopped::environment);
    watch.abort();
    ended
}

/// Ctrl-C, or the request of a service manager to end.
async fn interrupted() {
    #[cfg(unix)]
    {
        let terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate());
        if let Ok(mut terminate) = terminate {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    // Without signals nobody can ask; the process is ended from outside, which is safe too.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

pub fn stopped(program: &Program, error: initial::Error) -> Stopped {
    let text = match &error {
        initial::Error::Store(error) => error.to_string(),
        initial::Error::System { plan, side, failure } => {
            let name = |plan: &crate::ir::Plan| program.system(plan, *side);
            let system = program.plans.iter().find(|it| it.name == *plan).map_or("", name);
            format!(
                "system `{system}`, map {plan}: {failure}\n  = fix: look at `[systems.{system}]` of dwmap.toml and at the system itself"
            )
        }
    };
    Stopped::environment(format!("{text}\n  = note: what was done is kept; the same command goes on from here"))
}

fn side_of(program: &Program, name: &str) -> std::result::Result<Side, Stopped> {
    let is = |side: Side| program.plans.iter().all(|it| program.system(it, side) == name);
    match () {
        () if is(Side::Left) => Ok(Side::Left),
        () if is(Side::Right) => Ok(Side::Right),
        () => {
            let known: Vec<&str> = program.systems.iter().map(|it| it.name.as_str()).collect();
            Err(Stopped::usage(format!("`{name}` is not one side of all these maps; the systems are {}", known.join(", "))))
        }
    }
}

/// What this run did, and how it stands.
fn summary(deployment: &mut Deployment) -> Result {
    let mut is_partial = false;
    for id in deployment.pipe_ids() {
        let name = deployment.name(id).to_owned();
        let figures: store::Figures = deployment.store.figures(&name).map_err(Stopped::environment)?;
        let stats = &deployment.stats[id.0];
        eprintln!(
            "{name}: {} created, {} updated, {} deleted, {} skipped; {} linked, {} held, {} conflicts",
            stats.created, stats.updated, stats.deleted, stats.skipped, figures.live, figures.held, figures.conflicts
        );
        is_partial |= figures.held + figures.conflicts > 0;
        if deployment.is_blocked(id) {
            eprintln!("{name}: blocked; `dwmap status` says why, `dwmap resume {name}` lets it go on");
            is_partial = true;
        }
    }
    Ok(if is_partial { Exit::Partial } else { Exit::Success })
}
