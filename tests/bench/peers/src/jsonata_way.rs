//! JSONata, run by node: `job.jsonata` by way of `jsonata.mjs`.

use std::io::{self, BufRead, BufReader, Lines, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde::Deserialize;
use serde_json::Value as Json;

use crate::Peer;

/// Objects in memory to objects in memory, in a process of its own that takes its own time.
pub struct Mapped {
    node: Child,
    to: ChildStdin,
    from: Lines<BufReader<ChildStdout>>,
    accounts: Vec<Option<Json>>,
}

#[derive(Deserialize)]
struct Round {
    accounts: usize,
    ns: i64,
}

impl Mapped {
    /// The error says why it cannot be run on this machine, and what to install.
    pub fn start(texts: &[String]) -> Result<Self, String> {
        let home = Path::new(env!("CARGO_MANIFEST_DIR"));
        if !home.join("node_modules/jsonata/package.json").is_file() {
            return Err("its package is not here; install it by `npm install --no-package-lock` in tests/bench/peers".to_owned());
        }
        let mut command = Command::new("node");
        command.arg(home.join("src/jsonata.mjs")).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut node = command.spawn().map_err(|cause| match cause.kind() {
            io::ErrorKind::NotFound => "there is no `node` on the path; install Node.js, 20 or later".to_owned(),
            _ => format!("`node` cannot be started: {cause}"),
        })?;
        let mut to = node.stdin.take().expect("it is piped");
        let mut from = BufReader::new(node.stdout.take().expect("it is piped")).lines();
        // node answers after the empty line only, so that neither waits for the other.
        writeln!(to, "{}\n", texts.join("\n")).expect("node reads");
        let accounts = texts.iter().map(|_| answer(&mut from)).collect();
        Ok(Self { node, to, from, accounts })
    }
}

fn answer<T: for<'a> Deserialize<'a>>(from: &mut Lines<BufReader<ChildStdout>>) -> T {
    let line = from.next().expect("node goes on").expect("node writes text");
    serde_json::from_str(&line).expect("it is JSON")
}

impl Drop for Mapped {
    fn drop(&mut self) {
        // Where it has ended by itself, there is nothing to do.
        let _ = self.node.kill();
        let _ = self.node.wait();
    }
}

impl Peer for Mapped {
    fn name(&self) -> &'static str {
        "JSONata"
    }

    fn round(&mut self) -> usize {
        self.timed().0
    }

    /// All threads of the process count: what collects and compiles for it as well.
    fn timed(&mut self) -> (usize, i64) {
        writeln!(self.to, "round").expect("node reads");
        let Round { accounts, ns } = answer(&mut self.from);
        (accounts, ns)
    }

    fn account(&mut self, number: usize) -> Option<Json> {
        self.accounts[number].clone()
    }

    fn has_floats_only(&self) -> bool {
        true
    }
}
