//! `dwmap plan`: what an initial sync would do, before it does anything.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;

use super::output::{self, Color, Format};
use super::progress::Progress;
use super::project::Project;
use super::run::stopped;
use super::{Exit, Result, Stopped, block_on, systems};
use crate::runtime::control::find;
use crate::runtime::control::plan::{Action, Forecast};
use crate::runtime::deployment::{Deployment, Settings};
use crate::runtime::world::Real;
use crate::store::{Desk as _, Sqlite, Store};

#[derive(clap::Args)]
pub struct Args {
    /// Maps to look at; all of them without a name.
    maps: Vec<String>,
    /// The project's folder.
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    project: PathBuf,
    /// The side (`left`, `right`, or a system) whose values would win where two matched rows differ.
    #[arg(long, value_name = "SIDE")]
    master: Option<String>,
    /// Exit with 5 where there is something to do.
    #[arg(long)]
    detailed_exitcode: bool,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Serialize)]
struct Report {
    format_version: u32,
    maps: Vec<Forecast>,
    /// Records that would be written, or left for a person.
    to_do: u64,
}

pub fn run(args: &Args, color: Color) -> Result {
    let project = Project::find(std::slice::from_ref(&args.project))?;
    let config = project.config()?.clone();
    let program = project.compile()?.or_stop(color)?.checked.program;
    let names: Vec<String> =
        find::plans(&program, &args.maps).map_err(super::desk::stopped)?.into_iter().map(|it| it.name.clone()).collect();
    let scratch = Scratch::new()?;
    let connectors = systems::connect_to_look(&program, &config, &project.root, &scratch.path)?;
    let store = Sqlite::open(scratch.path.join("plan.db")).map_err(Stopped::environment)?;
    let progress = Arc::new(Progress::new(&program));
    let mut deployment = Deployment::open(program, &connectors, Box::new(store), Arc::new(Real), Settings::default())
        .map_err(Stopped::environment)?;
    deployment.watcher = progress;
    let state = project.root.join(&config.store.path);
    let mut known = known(&state)?;
    let maps = block_on(forecast(&mut deployment, &names, known.as_mut(), args.master.as_deref()))?;
    let report = Report { format_version: 1, to_do: maps.iter().map(Forecast::work).sum(), maps };
    match args.format {
        Format::Json => output::print_json(&report),
        Format::Text => report.maps.iter().for_each(show),
    }
    Ok(if args.detailed_exitcode && report.to_do > 0 { Exit::Pending } else { Exit::Success })
}

fn known(state: &Path) -> std::result::Result<Option<Sqlite>, Stopped> {
    if !state.is_file() {
        return Ok(None);
    }
    Sqlite::open_read_only(state).map(Some).map_err(Stopped::environment)
}

async fn forecast(
    deployment: &mut Deployment,
    names: &[String],
    mut known: Option<&mut Sqlite>,
    master: Option<&str>,
) -> std::result::Result<Vec<Forecast>, Stopped> {
    let program = deployment.program.clone();
    let mut out = Vec::new();
    for name in names {
        let plan = find::plan(&program, name).map_err(super::desk::stopped)?;
        let master = master.map(|it| find::side(&program, plan, it)).transpose().map_err(super::desk::stopped)?;
        let id = deployment.pipe_ids().find(|&it| deployment.name(it) == name).expect("every plan has its pipe");
        let is_known = match known.as_deref_mut() {
            Some(store) => store.plans().map_err(Stopped::environment)?.contains(name),
            None => false,
        };
        let store = known.as_deref_mut().filter(|_| is_known).map(|it| it as &mut dyn Store);
        out.push(deployment.forecast(id, store, master).await.map_err(|error| stopped(&program, error))?);
    }
    Ok(out)
}

fn show(it: &Forecast) {
    let [left, right] = it.rows;
    output::print_line(&format!("{}: {left} rows left, {right} right", it.map));
    for (action, count) in &it.actions {
        output::print_line(&format!("  {count} {}", words(*action)));
        for sample in it.samples.iter().filter(|it| it.action == *action && action.is_work()) {
            output::print_line(&format!("    {}: {}", sample.key, sample.text));
        }
    }
}

fn words(action: Action) -> &'static str {
    match action {
        Action::CreateLeft => "to create on the left",
        Action::CreateRight => "to create on the right",
        Action::UpdateLeft => "to update on the left",
        Action::UpdateRight => "to update on the right",
        Action::DeleteLeft => "to delete on the left",
        Action::DeleteRight => "to delete on the right",
        Action::Equal => "equal",
        Action::Ambiguous => "ambiguous: a person says which rows belong together",
        Action::Held => "held: they wait until that is mended",
        Action::Conflict => "in conflict: a person decides",
        Action::OnlyLeft => "only on the left, and to stay so",
        Action::OnlyRight => "only on the right, and to stay so",
    }
}

/// A folder of this command's own; gone with this value.
struct Scratch {
    path: PathBuf,
}

impl Scratch {
    fn new() -> std::result::Result<Self, Stopped> {
        use crate::runtime::world::World;
        let path = std::env::temp_dir().join(format!("dwmap-plan-{}", Real.fresh_id()));
        std::fs::create_dir(&path)
            .map_err(|error| Stopped::environment(format!("`{}` cannot be made for the rows: {error}", path.display())))?;
        Ok(Self { path })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What stays behind in the folder for temporary files harms nobody.
        drop(std::fs::remove_dir_all(&self.path));
    }
}
