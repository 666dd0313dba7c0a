//! A revision of a Git repository as a folder that can be read: `HEAD~1`, `v1.0:maps`.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use super::Stopped;

/// The files that a project is made of.
const WANTED: &[&str] = &["*.dwmap", "*.json", "*.toml", "*.lock"];

/// Files of a revision, in a folder that is gone with this value.
pub struct Revision {
    folder: PathBuf,
    /// What was asked for, within the folder.
    pub place: PathBuf,
    /// The folder or file of the working tree that stands in the same place.
    pub here: PathBuf,
    pub name: String,
}

impl Drop for Revision {
    fn drop(&mut self) {
        // What stays behind in the folder for temporary files harms nobody.
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

impl Revision {
    /// The files of `REVISION` or `REVISION:PATH`. A path counts from the top of the repository, or from here if it begins with
    /// `./`, as Git has it; without one, it is the current folder.
    pub fn find(text: &str) -> Result<Self, Stopped> {
        let (name, path) = text.split_once(':').map_or((text, None), |(name, path)| (name, Some(path)));
        let commit = git(&["rev-parse", "--verify", "--quiet", "--end-of-options", &format!("{name}^{{commit}}")], &[], None);
        let Ok(commit) = commit else {
            let message = format!("`{text}` is neither a file or folder here, nor a revision of a Git repository");
            return Err(Stopped::usage(message));
        };
        let top = PathBuf::from(git(&["rev-parse", "--show-toplevel"], &[], None)?);
        let prefix = git(&["rev-parse", "--show-prefix"], &[], None)?;
        let path = match path {
            None => prefix,
            Some(path) => path.strip_prefix("./").map_or_else(|| path.to_owned(), |it| format!("{prefix}{it}")),
        };
        let folder = new_folder()?;
        let tree = folder.join("tree");
        let out = Self { place: tree.join(&path), here: top.join(&path), name: name.to_owned(), folder };
        out.export(&commit, &top, &tree)?;
        if out.place.exists() {
            return Ok(out);
        }
        Err(Stopped::environment(format!("revision `{name}` has no map file at `{path}`")))
    }

    /// By an index of its own, so that neither the repository's index nor its working tree is touched.
    fn export(&self, commit: &str, top: &Path, tree: &Path) -> Result<(), Stopped> {
        let index = self.folder.join("index");
        let own = [("GIT_INDEX_FILE", index.as_os_str())];
        git(&["read-tree", commit], &own, Some(top))?;
        let mut list = vec!["ls-files", "-z", "--"];
        list.extend(WANTED);
        let names = self.folder.join("names");
        let listed = run(&list, &own, Some(top), Stdio::null())?;
        let unwritten = |error| Stopped::environment(format!("`{}` cannot be written: {error}", self.folder.display()));
        std::fs::write(&names, listed).map_err(unwritten)?;
        std::fs::create_dir_all(tree).map_err(unwritten)?;
        let prefix = format!("--prefix={}/", tree.display());
        let input = std::fs::File::open(&names).map_err(unwritten)?;
        run(&["checkout-index", "-q", "-f", "-z", "--stdin", &prefix], &own, Some(top), input.into()).map(drop)
    }

    /// A message in which files of this revision are called by its name.
    pub fn named(&self, message: &str) -> String {
        message.replace(&format!("{}/", self.folder.join("tree").display()), &format!("{}:", self.name))
    }
}

fn new_folder() -> Result<PathBuf, Stopped> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("dwmap-revision-{}-{number}", std::process::id()));
    let made = std::fs::create_dir(&path);
    made.map_err(|error| Stopped::environment(format!("`{}` cannot be made: {error}", path.display())))?;
    Ok(path)
}

/// What Git answers, on one line.
fn git(arguments: &[&str], own: &[(&str, &OsStr)], folder: Option<&Path>) -> Result<String, Stopped> {
    let out = run(arguments, own, folder, Stdio::null())?;
    Ok(String::from_utf8_lossy(&out).trim_end_matches('\n').to_owned())
}

fn run(arguments: &[&str], own: &[(&str, &OsStr)], folder: Option<&Path>, input: Stdio) -> Result<Vec<u8>, Stopped> {
    let mut command = Command::new("git");
    command.args(arguments).envs(own.iter().copied()).stdin(input);
    if let Some(folder) = folder {
        command.current_dir(folder);
    }
    let done = command.output().map_err(|error| Stopped::environment(format!("git cannot be started: {error}")))?;
    if done.status.success() {
        return Ok(done.stdout);
    }
    let said = String::from_utf8_lossy(&done.stderr).trim().to_owned();
    Err(Stopped::environment(format!("git {} failed: {said}", arguments.first().unwrap_or(&""))))
}
