//! Where a running process is to be found: a small file beside the state, which only its owner may read.
//!
//! The file says port and token. Whether a process runs is not told by it but by the lock of the state, which the system takes
//! back however a process ends; so what a dead process left behind is known for what it is, and its token goes nowhere.

use std::io::Write;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::ask::FORMAT_VERSION;
use crate::store;

/// Largest file that is read.
const BYTES_MAX: u64 = 4096;

/// How to speak to the process that holds a state file.
#[derive(Clone, Debug)]
pub struct Place {
    pub pid: u32,
    pub port: u16,
    pub token: SecretString,
}

#[derive(Serialize, Deserialize)]
struct File {
    format_version: u32,
    pid: u32,
    port: u16,
    token: String,
}

/// Who has the state file.
#[derive(Debug)]
pub enum Holder {
    Nobody,
    Process(Place),
    /// Somebody has it and does not say where to speak to it: it is starting, or it ends by itself (`run --once`).
    Silent,
}

/// The file beside this state file.
pub fn path_of(state: &Path) -> PathBuf {
    let mut beside = state.as_os_str().to_owned();
    beside.push(".process");
    PathBuf::from(beside)
}

pub fn holder(state: &Path) -> Holder {
    if !store::is_held(state) {
        return Holder::Nobody;
    }
    read(&path_of(state)).map_or(Holder::Silent, Holder::Process)
}

fn read(path: &Path) -> Option<Place> {
    if std::fs::metadata(path).ok()?.len() > BYTES_MAX {
        return None;
    }
    let file: File = serde_json::from_str(&std::fs::read_to_string(path).ok()?).ok()?;
    (file.format_version == FORMAT_VERSION).then(|| Place { pid: file.pid, port: file.port, token: file.token.into() })
}

/// The file of this process; gone with this value.
#[derive(Debug)]
pub struct Announced {
    path: PathBuf,
}

impl Announced {
    /// Writes the file whole, for its owner alone, in the place of any that was left behind.
    pub fn write(state: &Path, place: &Place) -> std::io::Result<Self> {
        let path = path_of(state);
        let fresh = PathBuf::from(format!("{}.new", path.display()));
        drop(std::fs::remove_file(&fresh));
        let (format_version, token) = (FORMAT_VERSION, place.token.expose_secret().to_owned());
        let file = File { format_version, pid: place.pid, port: place.port, token };
        let text = serde_json::to_vec(&file).expect("it has text keys only");
        let mut out = private(&fresh)?;
        out.write_all(&text)?;
        out.sync_all()?;
        std::fs::rename(&fresh, &path)?;
        Ok(Self { path })
    }
}

fn private(path: &Path) -> std::io::Result<std::fs::File> {
    let mut options = std::fs::File::options();
    options.create_new(true).write(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options.open(path)
}

impl Drop for Announced {
    fn drop(&mut self) {
        // A file that stays behind is known for what it is: nobody holds the state then.
        drop(std::fs::remove_file(&self.path));
    }
}
