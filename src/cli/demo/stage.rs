//! What the demo stands on: both sandboxes with their rows, the compiled standard maps, and a state of its own.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::super::progress::Progress;
use super::super::{Stopped, standard};
use crate::change::{RemoteId, Side};
use crate::connect::Connector;
use crate::connect::http::Settings;
use crate::connect::odata::{Dataverse, Finops, Polling};
use crate::runtime::deployment::{self, Deployment, Note, Watcher};
use crate::runtime::world::{Real, World};
use crate::sandbox::{Config, Dialect, Running, Sandbox, data};
use crate::store::Sqlite;
use crate::value::Timestamp;

/// How often Finance & Operations is asked for all its keys, to find deletes: a second, and one for each so many customers.
const CUSTOMERS_PER_SWEEP_SECOND: usize = 4000;
/// Stamps of Finance & Operations have whole seconds.
const OVERLAP: Duration = Duration::from_secs(2);
const POLL_EVERY: Duration = Duration::from_millis(100);
const PAGE_ROWS: usize = 1000;

pub struct Stage {
    pub fo: Running,
    pub dv: Running,
    pub deployment: Deployment,
    pub delays: Arc<Delays>,
    pub sweep_every: Duration,
    folder: PathBuf,
}

impl Stage {
    pub async fn set(customers: usize, seed: u64) -> Result<Self, Stopped> {
        let fo = start(Dialect::Finops, data::finops(customers, seed)).await?;
        let dv = start(Dialect::Dataverse, data::dataverse()).await?;
        let sweep_every = Duration::from_secs(1 + (customers / CUSTOMERS_PER_SWEEP_SECOND) as u64);
        let polling = Polling { page_size: PAGE_ROWS, overlap: OVERLAP, sweep_every };
        let left: Arc<dyn Connector> = Arc::new(Finops::new(settings(&fo), polling).map_err(Stopped::environment)?);
        let right: Arc<dyn Connector> = Arc::new(Dataverse::new(settings(&dv), PAGE_ROWS).map_err(Stopped::environment)?);
        let program = standard::program();
        let progress = Progress::new(&program);
        let connectors: Vec<Arc<dyn Connector>> =
            program.systems.iter().map(|it| if it.name == "fo" { left.clone() } else { right.clone() }).collect();
        let folder = std::env::temp_dir().join(format!("dwmap-demo-{}", std::process::id()));
        std::fs::create_dir_all(&folder).map_err(|error| Stopped::environment(format!("`{}`: {error}", folder.display())))?;
        let store = Sqlite::open(folder.join("state.db")).map_err(Stopped::environment)?;
        let settings = deployment::Settings { poll_every: POLL_EVERY };
        let mut deployment =
            Deployment::open(program, &connectors, Box::new(store), Arc::new(Real), settings).map_err(Stopped::environment)?;
        let delays = Arc::new(Delays::default());
        deployment.watcher = Arc::new(Watching { progress, delays: delays.clone() });
        Ok(Self { fo, dv, deployment, delays, sweep_every, folder })
    }

    /// Something to try while the systems are up.
    pub fn example(&self) -> String {
        format!(
            "  TOKEN=$(curl -s {}/sandbox/oauth2/v2.0/token -d grant_type=client_credentials -d client_id=dwmap -d client_secret=sandbox-secret | sed 's/.*\"access_token\":\"\\([^\"]*\\)\".*/\\1/')\n  \
             curl -s -H \"Authorization: Bearer $TOKEN\" \"{}/api/data/v9.2/accounts?\\$top=3&\\$select=name,accountnumber\"",
            self.dv.url(),
            self.dv.url()
        )
    }

    pub async fn end(self) {
        let Self { fo, dv, deployment, folder, .. } = self;
        drop(deployment);
        fo.stop().await;
        dv.stop().await;
        // It lies in the folder for temporary files; a leftover harms nobody.
        drop(std::fs::remove_dir_all(folder));
    }
}

async fn start(dialect: Dialect, tables: data::Tables) -> Result<Running, Stopped> {
    let schema = standard::schema(dialect);
    let running = Sandbox::start(Config { page_size: PAGE_ROWS, ..Config::new(dialect, schema) }).await;
    let running = running.map_err(Stopped::environment)?;
    for (entity, rows) in tables {
        for row in rows {
            running.insert(entity, row).map_err(|refusal| Stopped::environment(format!("seed row of {entity}: {refusal}")))?;
        }
    }
    Ok(running)
}

fn settings(system: &Running) -> Settings {
    Settings {
        url: system.url().to_owned(),
        token_url: system.token_url(),
        client_id: "dwmap".to_owned(),
        client_secret: "sandbox-secret".to_owned().into(),
        scope: format!("{}/.default", system.url()),
        authority: None,
    }
}

/// From a user's edit to the end of everything it caused, measured by the one clock of this machine.
#[derive(Default)]
pub struct Delays {
    state: Mutex<DelayState>,
}

#[derive(Default)]
struct DelayState {
    open: HashMap<(Side, RemoteId), Timestamp>,
    by_map: HashMap<String, Vec<Duration>>,
}

impl Delays {
    /// A user edited this row now. An edit that is still on its way keeps its own start.
    pub fn edited(&self, side: Side, id: &str) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.open.entry((side, RemoteId(id.to_owned()))).or_insert_with(|| Real.now());
    }

    fn done(&self, map: &str, side: Side, row: RemoteId) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(start) = state.open.remove(&(side, row)) {
            state.by_map.entry(map.to_owned()).or_default().push(Real.since(start));
        }
    }

    /// Half, and all but one in a hundred, of the map's edits took no longer than this.
    pub fn shares(&self, map: &str) -> Option<[Duration; 2]> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all = state.by_map.get(map)?.clone();
        all.sort_unstable();
        let at = |share: f64| all[((all.len() - 1) as f64 * share).round() as usize];
        Some([at(0.5), at(0.99)])
    }
}

struct Watching {
    progress: Progress,
    delays: Arc<Delays>,
}

impl Watcher for Watching {
    fn note(&self, plan: &str, note: Note) {
        match note {
            Note::Done { side, row } => self.delays.done(plan, side, row),
            other => self.progress.note(plan, other),
        }
    }
}
