//! From the systems that a project names to connectors.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::Stopped;
use super::project::read_text;
use crate::connect::Connector;
use crate::connect::files::Files;
use crate::connect::http::Settings;
use crate::connect::odata::notice::Sender;
use crate::connect::odata::{Dataverse, Discovered, Finops, Polling};
use crate::connect::postgres::{self, Postgres};
use crate::connect::sqlite::{self, Sqlite};
use crate::diag::suggest::nearest;
use crate::ir::Program;
use crate::runtime::config::{Auth, Config, Secret, System};
use crate::runtime::receive::Hook;

/// Rows of a page that are asked for.
const PAGE_ROWS: usize = 1000;

/// A connector for each system of the program, in its order.
pub fn connect(program: &Program, config: &Config, root: &Path) -> Result<Vec<Arc<dyn Connector>>, Stopped> {
    connect_by(program, config, |_, bound| one(bound, root))
}

/// The same to look only: nothing is left in any system. Databases are copied into the folder `copies`, because a database that
/// is read gets the triggers that will tell of its changes.
pub fn connect_to_look(
    program: &Program,
    config: &Config,
    root: &Path,
    copies: &Path,
) -> Result<Vec<Arc<dyn Connector>>, Stopped> {
    connect_by(program, config, |name, bound| match bound {
        System::Sqlite { path } => {
            let copy = copies.join(format!("{name}.db"));
            sqlite::copy(&root.join(path), &copy).map_err(Stopped::environment)?;
            one(&System::Sqlite { path: copy }, Path::new(""))
        }
        System::Postgres { url, password, authority } => {
            Ok(Arc::new(postgres(url, password.as_ref(), authority.as_deref(), root)?.only_looking()))
        }
        System::Files { path } => {
            let files = Files::open(root.join(path)).map_err(Stopped::environment)?;
            Ok(Arc::new(files.only_looking()))
        }
        System::Dataverse { .. } | System::Finops { .. } => one(bound, root),
    })
}

/// The same to probe: each system is read where it is, and nothing is added to it.
pub fn connect_to_probe(program: &Program, config: &Config, root: &Path) -> Result<Vec<Arc<dyn Connector>>, Stopped> {
    connect_by(program, config, |_, bound| match bound {
        System::Sqlite { path } => Ok(Arc::new(Sqlite::open_to_look(root.join(path)).map_err(Stopped::environment)?)),
        System::Postgres { url, password, authority } => {
            Ok(Arc::new(postgres(url, password.as_ref(), authority.as_deref(), root)?.only_looking()))
        }
        System::Files { path } => {
            let files = Files::open(root.join(path)).map_err(Stopped::environment)?;
            Ok(Arc::new(files.only_looking()))
        }
        System::Dataverse { .. } | System::Finops { .. } => one(bound, root),
    })
}

fn connect_by(
    program: &Program,
    config: &Config,
    one: impl Fn(&str, &System) -> Result<Arc<dyn Connector>, Stopped>,
) -> Result<Vec<Arc<dyn Connector>>, Stopped> {
    for name in config.systems.keys() {
        if !program.systems.iter().any(|it| it.name == *name) {
            let near = nearest(name, program.systems.iter().map(|it| it.name.as_str()));
            let help = near.map_or_else(String::new, |it| format!("\n  = fix: `{it}`"));
            return Err(Stopped::usage(format!("no map speaks of the system `{name}` of dwmap.toml{help}")));
        }
    }
    let mut made: BTreeMap<&str, Arc<dyn Connector>> = BTreeMap::new();
    for system in &program.systems {
        let Some(bound) = config.systems.get(&system.name) else {
            let text = format!(
                "dwmap.toml does not say what the system `{0}` is\n  = fix: add `[systems.{0}]` with `connector = …`",
                system.name
            );
            return Err(Stopped::usage(text));
        };
        let connector = one(&system.name, bound)
            .map_err(|it| Stopped { message: format!("system `{}`: {}", system.name, it.message), ..it })?;
        made.insert(&system.name, connector);
    }
    Ok(program.systems.iter().map(|it| made[it.name.as_str()].clone()).collect())
}

fn one(system: &System, root: &Path) -> Result<Arc<dyn Connector>, Stopped> {
    match system {
        System::Sqlite { path } => Ok(Arc::new(Sqlite::open(root.join(path)).map_err(Stopped::environment)?)),
        System::Files { path } => Ok(Arc::new(Files::open(root.join(path)).map_err(Stopped::environment)?)),
        System::Postgres { url, password, authority } => {
            Ok(Arc::new(postgres(url, password.as_ref(), authority.as_deref(), root)?))
        }
        System::Dataverse { url, auth, authority, .. } => {
            let settings = settings(url, auth, authority.as_deref(), root)?;
            Ok(Arc::new(Dataverse::new(settings, PAGE_ROWS).map_err(Stopped::usage)?))
        }
        System::Finops { url, auth, authority, .. } => {
            let settings = settings(url, auth, authority.as_deref(), root)?;
            Ok(Arc::new(Finops::new(settings, Polling::default()).map_err(Stopped::usage)?))
        }
    }
}

/// The systems that send push messages, and the keys by which these are known.
pub fn hooks(config: &Config, root: &Path) -> Result<Vec<Hook>, Stopped> {
    let mut hooks = Vec::new();
    for (name, system) in &config.systems {
        let (sender, webhook) = match system {
            System::Dataverse { webhook: Some(it), .. } => (Sender::Dataverse, it),
            System::Finops { webhook: Some(it), .. } => (Sender::Finops, it),
            System::Dataverse { .. }
            | System::Finops { .. }
            | System::Sqlite { .. }
            | System::Files { .. }
            | System::Postgres { .. } => continue,
        };
        let of_system = |text: String| Stopped::environment(format!("webhook of system `{name}`: {text}"));
        let keys = webhook.keys.iter().map(|it| it.fetch(root)).collect::<Result<_, _>>().map_err(of_system)?;
        let (auth, names) = (webhook.auth.clone(), webhook.events.clone());
        hooks.push(Hook::new(name.clone(), sender, auth, keys, names).map_err(of_system)?);
    }
    Ok(hooks)
}

/// The schema of a live system: these entities, or all of them.
pub async fn discover(system: &System, root: &Path, wanted: &[String]) -> Result<Discovered, Stopped> {
    match system {
        System::Sqlite { path } => {
            let schema = sqlite::discover(root.join(path)).map_err(Stopped::environment)?;
            Ok(Discovered { schema, notes: Vec::new() })
        }
        System::Files { path } => {
            let schema = Files::open(root.join(path)).and_then(|it| it.discover()).map_err(Stopped::environment)?;
            Ok(Discovered { schema, notes: Vec::new() })
        }
        System::Postgres { url, password, authority } => {
            let schema =
                postgres(url, password.as_ref(), authority.as_deref(), root)?.discover().await.map_err(Stopped::environment)?;
            Ok(Discovered { schema, notes: Vec::new() })
        }
        System::Dataverse { url, auth, authority, .. } => {
            let settings = settings(url, auth, authority.as_deref(), root)?;
            let system = Dataverse::new(settings, PAGE_ROWS).map_err(Stopped::usage)?;
            system.discover(wanted).await.map_err(Stopped::environment)
        }
        System::Finops { url, auth, authority, .. } => {
            let settings = settings(url, auth, authority.as_deref(), root)?;
            let system = Finops::new(settings, Polling::default()).map_err(Stopped::usage)?;
            system.discover(wanted).await.map_err(Stopped::environment)
        }
    }
}

fn postgres(url: &str, password: Option<&Secret>, authority: Option<&Path>, root: &Path) -> Result<Postgres, Stopped> {
    let password = password.map(|it| it.fetch(root)).transpose().map_err(Stopped::environment)?;
    let authority = authority.map(|it| read_text(&root.join(it))).transpose()?;
    Postgres::new(&postgres::Settings { url: url.to_owned(), password, authority }).map_err(Stopped::usage)
}

fn settings(url: &str, auth: &Auth, authority: Option<&Path>, root: &Path) -> Result<Settings, Stopped> {
    Ok(Settings {
        url: url.trim_end_matches('/').to_owned(),
        token_url: auth.token_address().map_err(Stopped::usage)?,
        client_id: auth.client_id.clone(),
        client_secret: auth.client_secret.fetch(root).map_err(Stopped::environment)?,
        scope: format!("{}/.default", url.trim_end_matches('/')),
        authority: authority.map(|it| read_text(&root.join(it))).transpose()?,
    })
}
