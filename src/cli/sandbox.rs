//! `dwmap sandbox`

use std::path::{Path, PathBuf};

use clap::ValueEnum;

use super::project::read_text;
use super::{Exit, Result, Stopped, block_on, output, standard};
use crate::sandbox::{Config, Dialect, Running, Sandbox, data};
use crate::schema::snapshot;

#[derive(clap::Args)]
pub struct Args {
    /// Which system to simulate. Default: both, with the schemas and rows of the standard maps.
    #[arg(value_enum)]
    system: Option<System>,
    /// Where to listen on 127.0.0.1; 0: any free port.
    #[arg(long, default_value_t = 0, requires = "system")]
    port: u16,
    /// A schema snapshot of your own; the tables are empty then.
    #[arg(long, value_name = "FILE", requires = "system")]
    schema: Option<PathBuf>,
    /// Serve over HTTPS. The certificate of the authority that clients must trust is written to this file.
    #[arg(long, value_name = "FILE", requires = "system")]
    tls: Option<PathBuf>,
    /// Customers in Finance & Operations.
    #[arg(long, default_value_t = 100)]
    customers: u32,
    /// The same seed gives the same rows.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum System {
    Finops,
    Dataverse,
}

pub fn run(args: &Args) -> Result {
    block_on(serve(args))
}

async fn serve(args: &Args) -> Result {
    let wanted = match args.system {
        Some(System::Finops) => vec![Dialect::Finops],
        Some(System::Dataverse) => vec![Dialect::Dataverse],
        None => vec![Dialect::Finops, Dialect::Dataverse],
    };
    let mut running = Vec::new();
    for dialect in wanted {
        running.push((dialect, start(args, dialect).await?));
    }
    output::print_line("# Put this into dwmap.toml. Everything is held in memory and gone when this ends.");
    for (dialect, system) in &running {
        output::print_line(&settings(*dialect, system, args.tls.as_deref()));
    }
    if args.schema.is_none() {
        eprintln!("it serves the tables of the six maps of `maps/` alone; `--schema FILE` serves others");
    }
    eprintln!("export SANDBOX_SECRET=sandbox-secret   # what the settings above refer to\nCtrl-C ends it");
    // Without signals nobody can ask for the end; then there is none but the process's own.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
    for (_, system) in running {
        system.stop().await;
    }
    Ok(Exit::Success)
}

async fn start(args: &Args, dialect: Dialect) -> std::result::Result<Running, Stopped> {
    let schema = match &args.schema {
        Some(path) => {
            let text = read_text(path)?;
            snapshot::parse(&text).map_err(|error| Stopped::usage(format!("`{}` is no snapshot: {error}", path.display())))?
        }
        None => standard::schema(dialect),
    };
    let running = Sandbox::start(Config { port: args.port, is_encrypted: args.tls.is_some(), ..Config::new(dialect, schema) })
        .await
        .map_err(Stopped::environment)?;
    if let (Some(path), Some(authority)) = (&args.tls, running.authority()) {
        std::fs::write(path, authority)
            .map_err(|error| Stopped::environment(format!("`{}` cannot be written: {error}", path.display())))?;
    }
    if args.schema.is_none() {
        let tables = match dialect {
            Dialect::Finops => data::finops(args.customers as usize, args.seed),
            Dialect::Dataverse => data::dataverse(),
        };
        for (entity, rows) in tables {
            for row in rows {
                running.insert(entity, row).map_err(|it| Stopped::environment(format!("seed row of {entity}: {it}")))?;
            }
        }
    }
    Ok(running)
}

fn settings(dialect: Dialect, system: &Running, authority: Option<&Path>) -> String {
    let (name, connector) = match dialect {
        Dialect::Finops => ("fo", "finops"),
        Dialect::Dataverse => ("dv", "dataverse"),
    };
    // A quoted literal: a path of Windows has backslashes.
    let absolute = |it: &Path| std::path::absolute(it).unwrap_or_else(|_| it.to_owned());
    let authority = authority.map_or_else(String::new, |it| format!("\nauthority = '{}'", absolute(it).display()));
    format!(
        "\n[systems.{name}]\nconnector = \"{connector}\"\nurl = \"{}\"\nauth = {{ token_url = \"{}\", client_id = \"dwmap\", client_secret = {{ env = \"SANDBOX_SECRET\" }} }}{authority}",
        system.url(),
        system.token_url()
    )
}
