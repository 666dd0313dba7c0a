//! From the systems that a project names to connectors.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::Stopped;
use crate::connect::Connector;
use crate::connect::http::Settings;
use crate::connect::odata::{Dataverse, Finops, Polling};
use crate::connect::sqlite::{self, Sqlite};
use crate::diag::suggest::nearest;
use crate::ir::Program;
use crate::runtime::config::{Auth, Config, System};

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
        System::Dataverse { url, auth } => {
            let settings = settings(url, auth, root)?;
            Ok(Arc::new(Dataverse::new(settings, PAGE_ROWS).map_err(Stopped::usage)?))
        }
        System::Finops { url, auth } => {
            let settings = settings(url, auth, root)?;
            Ok(Arc::new(Finops::new(settings, Polling::default()).map_err(Stopped::usage)?))
        }
    }
}

fn settings(url: &str, auth: &Auth, root: &Path) -> Result<Settings, Stopped> {
    Ok(Settings {
        url: url.trim_end_matches('/').to_owned(),
        token_url: auth.token_address().map_err(Stopped::usage)?,
        client_id: auth.client_id.clone(),
        client_secret: auth.client_secret.fetch(root).map_err(Stopped::environment)?,
        scope: format!("{}/.default", url.trim_end_matches('/')),
    })
}
