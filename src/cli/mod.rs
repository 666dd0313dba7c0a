//! The command line: one verb per file.
//!
//! What a command is asked for goes to standard output; messages and progress go to standard error.

mod check;
mod compile;
mod conflicts;
mod deliver;
mod demo;
mod desk;
mod diff;
mod doc;
mod doctor;
mod errors;
mod explain;
mod export;
mod fmt;
mod graph;
mod import;
mod mend;
mod output;
mod plan;
mod probe;
mod progress;
mod project;
mod revision;
mod run;
mod sandbox;
mod schema;
mod standard;
mod states;
mod status;
mod systems;
mod test;
mod trace;
mod verify;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

/// What the process says to its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Success = 0,
    /// Errors were found in maps, or tests failed.
    Found = 1,
    /// The command or the project file is wrong.
    Usage = 2,
    /// A file, a disk, a network or a system.
    Environment = 3,
    /// It worked, but for some records.
    Partial = 4,
    /// `plan --detailed-exitcode`: there is something to do. `deliver`: it is not done yet.
    Pending = 5,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Our own mistake.
const EXIT_BUG: u8 = 70;

/// Why a command stopped: said on standard error.
#[derive(Debug)]
pub struct Stopped {
    pub exit: Exit,
    pub message: String,
}

impl Stopped {
    pub fn new(exit: Exit, message: impl std::fmt::Display) -> Self {
        Self { exit, message: message.to_string() }
    }

    pub fn usage(message: impl std::fmt::Display) -> Self {
        Self::new(Exit::Usage, message)
    }

    pub fn environment(message: impl std::fmt::Display) -> Self {
        Self::new(Exit::Environment, message)
    }
}

type Result = std::result::Result<Exit, Stopped>;

/// Keeps two business systems in step by maps that are text.
#[derive(Parser)]
#[command(name = "dwmap", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
    /// Colours in messages; `auto` follows the terminal and NO_COLOR.
    #[arg(long, global = true, value_enum, default_value_t)]
    color: output::Color,
}

#[derive(Subcommand)]
enum Verb {
    /// Check maps against both schemas.
    Check(check::Args),
    /// Check maps and write the compiled program.
    Compile(compile::Args),
    /// Format maps.
    Fmt(fmt::Args),
    /// Run the `test` items of maps through the real interpreter and engine.
    Test(test::Args),
    /// Compare two versions of maps by what they mean.
    Diff(diff::Args),
    /// Write the documentation of maps, as HTML or Markdown.
    Doc(doc::Args),
    /// Show how maps depend on each other, and in which order they are filled.
    Graph(graph::Args),
    /// Say what a diagnostic code means, or how a map or rule works and what was proved of it.
    Explain(explain::Args),
    /// Keep the systems of a project in step.
    Run(run::Args),
    /// Show what an initial sync would do, before it does anything.
    Plan(plan::Args),
    /// Show how the maps of a project stand.
    Status(status::Args),
    /// Let maps run.
    Start(states::StartArgs),
    /// Let maps stand still; their changes are queued.
    Pause(states::MapsArgs),
    /// Let paused maps go on.
    Resume(states::ResumeArgs),
    /// End maps; nothing is read for them any more.
    Stop(states::MapsArgs),
    /// Let the running process take up changed maps, or read a range of keys of a map again.
    Reload(states::ReloadArgs),
    /// Show the changes that wait.
    Queue(trace::QueueArgs),
    /// Look at held records; try again, mend, or give up.
    Errors(errors::Args),
    /// Look at conflicts that a person must decide, and decide them.
    Conflicts(conflicts::Args),
    /// Show everything that happened to one record.
    Trace(trace::Args),
    /// Carry a row over now, and wait until both sides agree.
    Deliver(deliver::Args),
    /// Compare both sides, and repair what differs.
    Verify(verify::Args),
    /// Show what was done, by whom, and why.
    Activity(trace::ActivityArgs),
    /// Ask the systems of a project what they can do, and say what that is worth.
    Doctor(doctor::Args),
    /// See it work: two simulated systems, the standard maps, a scripted user.
    Demo(demo::Args),
    /// Write maps in the form of another tool.
    Export(export::Args),
    /// Turn saved dual-write maps into text.
    Import(import::Args),
    /// Start simulated systems to work with.
    Sandbox(sandbox::Args),
    /// Lock schema snapshots, or read one from a system's metadata.
    Schema(schema::Args),
    /// Print the completion script of a shell.
    Completions { shell: clap_complete::Shell },
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    std::panic::set_hook(Box::new(|panic| {
        eprintln!("dwmap has a defect and stops: {panic}");
        eprintln!("What was on file stays right; a restart goes on from there. Please report this text.");
    }));
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            drop(error.print());
            return if error.use_stderr() { Exit::Usage.into() } else { Exit::Success.into() };
        }
    };
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::try_from_env("DWMAP_LOG").unwrap_or_else(|_| "off".into()))
        .with_writer(std::io::stderr)
        .init();
    match std::panic::catch_unwind(|| act(cli)) {
        Ok(Ok(exit)) => exit.into(),
        Ok(Err(stopped)) => {
            eprintln!("error: {}", stopped.message);
            stopped.exit.into()
        }
        Err(_) => ExitCode::from(EXIT_BUG),
    }
}

fn act(cli: Cli) -> Result {
    let color = cli.color;
    match cli.verb {
        Verb::Check(args) => check::run(&args, color),
        Verb::Compile(args) => compile::run(&args, color),
        Verb::Fmt(args) => fmt::run(&args, color),
        Verb::Test(args) => test::run(&args, color),
        Verb::Diff(args) => diff::run(&args, color),
        Verb::Doc(args) => doc::run(&args, color),
        Verb::Graph(args) => graph::run(&args, color),
        Verb::Explain(args) => explain::run(&args, color),
        Verb::Run(args) => run::run(&args, color),
        Verb::Plan(args) => plan::run(&args, color),
        Verb::Status(args) => status::run(&args),
        Verb::Start(args) => states::start(&args),
        Verb::Pause(args) => states::pause(&args),
        Verb::Resume(args) => states::resume(&args),
        Verb::Stop(args) => states::stop(&args),
        Verb::Reload(args) => states::reload(&args, color),
        Verb::Queue(args) => trace::queue(&args),
        Verb::Errors(args) => errors::run(&args),
        Verb::Conflicts(args) => conflicts::run(&args),
        Verb::Trace(args) => trace::run(&args),
        Verb::Deliver(args) => deliver::run(&args),
        Verb::Verify(args) => verify::run(&args),
        Verb::Activity(args) => trace::activity(&args),
        Verb::Doctor(args) => doctor::run(&args, color),
        Verb::Demo(args) => demo::run(&args),
        Verb::Export(args) => export::run(&args, color),
        Verb::Import(args) => import::run(&args),
        Verb::Sandbox(args) => sandbox::run(&args),
        Verb::Schema(args) => schema::run(&args, color),
        Verb::Completions { shell } => {
            let mut out = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "dwmap", &mut out);
            output::print(&String::from_utf8_lossy(&out));
            Ok(Exit::Success)
        }
    }
}

/// Runs the asynchronous part of a verb.
fn block_on<T>(work: impl Future<Output = std::result::Result<T, Stopped>>) -> std::result::Result<T, Stopped> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|error| Stopped::environment(format!("no threads to be had: {error}")))?.block_on(work)
}
