//! Finding the files of a project, reading them, and checking them together.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::standard;
use super::{Exit, Stopped};
use crate::check::uses::{self, Project as Files};
use crate::check::{self, Checked, Given, SchemaProblem, Schemas, Setting};
use crate::diag::{Diagnostic, Diagnostics, Severity};
use crate::ir::Strength;
use crate::runtime::config::{self, Config};
use crate::schema::lock::{self, Lock};
use crate::schema::{Schema, snapshot};
use crate::source::{FILE_BYTES_MAX, FileId, SourceFile, Sources, Span};
use crate::syntax::{self, ast};
use crate::value::Value;

/// The ending of map files.
const ENDING: &str = "dwmap";
/// Most files of one project.
const FILES_MAX: usize = 20_000;
/// Deepest folder that is looked into.
const DEPTH_MAX: usize = 32;

/// Files that were found, in order of their names.
pub struct Project {
    /// The folder of `dwmap.toml`, or the current one.
    pub root: PathBuf,
    pub config: Option<Config>,
    pub paths: Vec<PathBuf>,
}

/// A project whose files were read and checked.
pub struct Compiled {
    pub sources: Sources,
    pub diagnostics: Vec<Diagnostic>,
    pub has_errors: bool,
    pub checked: Checked,
    /// The files of the project itself, without those that they only use.
    pub files: Vec<ast::File>,
}

/// A project of which nothing is wanted but what is said of it.
pub struct Looked {
    pub sources: Sources,
    pub diagnostics: Vec<Diagnostic>,
    pub has_errors: bool,
}

/// A project whose files were read and parsed.
struct Read {
    sources: Sources,
    diags: Diagnostics,
    project: Files,
    given: Given,
    files_of: Snapshots,
}

impl Project {
    /// The project that these files and folders make. A folder with `dwmap.toml` brings its settings.
    pub fn find(paths: &[PathBuf]) -> Result<Self, Stopped> {
        let here = [PathBuf::from(".")];
        let paths = if paths.is_empty() { &here[..] } else { paths };
        let config_file = paths.iter().map(|it| it.join(config::FILE)).find(|it| it.is_file());
        let config = config_file.as_deref().map(Config::read).transpose().map_err(Stopped::usage)?;
        let root = config_file.and_then(|it| it.parent().map(Path::to_owned)).unwrap_or_else(|| PathBuf::from("."));
        let mut found = BTreeSet::new();
        for path in paths {
            if path.is_dir() {
                collect(path, 0, &mut found)?;
            } else if path.is_file() {
                found.insert(path.clone());
            } else {
                return Err(Stopped::environment(format!("there is no file or folder `{}`", path.display())));
            }
        }
        if let Some(patterns) = config.as_ref().and_then(|it| it.maps.as_ref()) {
            found.retain(|it| is_listed(&root, it, patterns) || paths.contains(it));
        }
        if found.is_empty() {
            let shown: Vec<String> = paths.iter().map(|it| it.display().to_string()).collect();
            return Err(Stopped::usage(format!("there is no .dwmap file in {}", shown.join(", "))));
        }
        Ok(Self { root, config, paths: found.into_iter().collect() })
    }

    /// Reads and checks all files together.
    pub fn compile(&self) -> Result<Compiled, Stopped> {
        let Read { sources, mut diags, project, given, files_of } = self.read(&BTreeMap::new(), None)?;
        let checked = check::check_project(&project, &given, &sources, &files_of, &mut diags);
        let has_errors = diags.has_errors();
        let files = project.files.into_iter().take(self.paths.len()).map(Arc::unwrap_or_clone).collect();
        Ok(Compiled { sources, diagnostics: diags.sorted(), has_errors, checked, files })
    }

    /// What is to be said of all files together; every law of every rule must be this sure.
    pub fn look(&self, required: Option<Strength>) -> Result<Looked, Stopped> {
        self.look_with(&BTreeMap::new(), required)
    }

    /// The same, with these texts in the place of what stands in the files.
    pub fn look_with(&self, texts: &BTreeMap<PathBuf, String>, required: Option<Strength>) -> Result<Looked, Stopped> {
        let Read { sources, mut diags, project, given, files_of } = self.read(texts, required)?;
        check::look(&project, &given, &sources, &files_of, &mut diags);
        let has_errors = diags.has_errors();
        Ok(Looked { sources, diagnostics: diags.sorted(), has_errors })
    }

    fn read(&self, texts: &BTreeMap<PathBuf, String>, required: Option<Strength>) -> Result<Read, Stopped> {
        let mut sources = Sources::default();
        let mut diags = Diagnostics::default();
        let mut ids = Vec::with_capacity(self.paths.len());
        for path in &self.paths {
            let text = texts.get(path).map_or_else(|| read_text(path), |it| Ok(it.clone()))?;
            let id = sources.add(shown(path), text).map_err(|it| {
                Stopped::usage(format!("`{}` has {} bytes; a map file has at most {FILE_BYTES_MAX}", path.display(), it.bytes))
            })?;
            ids.push(id);
        }
        let files = syntax::parse_all(&sources, &ids, &mut diags).into_iter().map(Arc::new).collect::<Vec<_>>();
        let lock = self.lock()?;
        let overrides = lock.as_ref().map(|it| it.overrides.clone()).unwrap_or_default();
        let mut given = Given { params: self.params(), overrides, required, ..Given::default() };
        let mut files_of = Snapshots { places: Vec::new(), lock, root: self.root.clone() };
        let project = uses::load(files, &mut sources, &files_of, &mut diags);
        files_of.places = places(&sources, &project);
        given.places = self.param_places(&mut sources)?;
        Ok(Read { sources, diags, project, given, files_of })
    }

    fn params(&self) -> BTreeMap<String, Setting> {
        let params = self.config.iter().flat_map(|it| &it.params);
        params.map(|(name, value)| (name.clone(), setting(value))).collect()
    }

    /// Where the parameters are set. The settings become a file like the maps, behind all of them.
    fn param_places(&self, sources: &mut Sources) -> Result<BTreeMap<String, Span>, Stopped> {
        if self.config.as_ref().is_none_or(|it| it.params.is_empty()) {
            return Ok(BTreeMap::new());
        }
        let path = self.root.join(config::FILE);
        let text = read_text(&path)?;
        let places = Config::param_places(&text);
        let Ok(file) = sources.add(shown(&path), text) else { return Ok(BTreeMap::new()) };
        Ok(places.into_iter().map(|(name, it)| (name, Span::new(file, it.start, it.end))).collect())
    }

    fn lock(&self) -> Result<Option<Lock>, Stopped> {
        let path = self.root.join(lock::FILE_NAME);
        if !path.is_file() {
            return Ok(None);
        }
        Lock::parse(&read_text(&path)?).map(Some).map_err(Stopped::usage)
    }

    /// The settings, which this verb cannot do without.
    pub fn config(&self) -> Result<&Config, Stopped> {
        self.config.as_ref().ok_or_else(|| {
            let text = format!(
                "there is no {} here\n  = fix: write one that says which systems the maps' names stand for, see README.md",
                config::FILE
            );
            Stopped::usage(text)
        })
    }
}

impl Compiled {
    /// Prints the diagnostics; stops when maps have errors.
    pub fn or_stop(self, color: super::output::Color) -> Result<Self, Stopped> {
        // Hints are for whoever works on the maps, see `dwmap check`.
        let shown: Vec<Diagnostic> = self.diagnostics.iter().filter(|it| it.severity != Severity::Hint).cloned().collect();
        if !shown.is_empty() {
            eprint!("{}", crate::diag::render::emit(&shown, &self.sources, color.of_messages()));
        }
        if self.has_errors { Err(Stopped::new(Exit::Found, "the maps have errors, so nothing was done")) } else { Ok(self) }
    }
}

/// Where each file stands, by file id.
fn places(sources: &Sources, project: &Files) -> Vec<Place> {
    let place = |(id, file): (FileId, &SourceFile)| {
        if project.is_library(id) && file.name.starts_with(uses::STANDARD) {
            let folder =
                file.name[uses::STANDARD.len()..].rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
            return Place::Standard(folder);
        }
        Place::Folder(Path::new(&file.name).parent().map_or_else(PathBuf::new, Path::to_owned))
    };
    sources.files().map(place).collect()
}

fn setting(param: &config::Param) -> Setting {
    let one = |it: &config::Param| match it {
        config::Param::Bool(it) => Value::Bool(*it),
        config::Param::Int(it) => Value::Int(*it),
        config::Param::Text(it) => Value::text(it),
        // A list within a list has no type that a parameter could have.
        config::Param::Several(_) => Value::Null,
    };
    match param {
        config::Param::Several(list) => Setting::Several(list.iter().map(one).collect()),
        single => Setting::One(one(single)),
    }
}

/// What the lock calls a file: its path from the lock's folder, by the shortest way.
pub fn named(root: &Path, file: &Path) -> String {
    let (root, file) = (straight(root), straight(file));
    file.strip_prefix(&root).unwrap_or(&file).display().to_string()
}

/// The path without steps into a folder and back out of it.
fn straight(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match (part, out.components().next_back()) {
            (Component::CurDir, _) => {}
            (Component::ParentDir, Some(Component::Normal(_))) => drop(out.pop()),
            _ => out.push(part),
        }
    }
    out
}

pub fn shown(path: &Path) -> String {
    path.strip_prefix(".").unwrap_or(path).display().to_string()
}

/// Reads a text file. Says which file, and what is wrong with it.
pub fn read_text(path: &Path) -> Result<String, Stopped> {
    std::fs::read_to_string(path).map_err(|error| Stopped::environment(format!("`{}` cannot be read: {error}", path.display())))
}

fn collect(folder: &Path, depth: usize, out: &mut BTreeSet<PathBuf>) -> Result<(), Stopped> {
    let unreadable = |error| Stopped::environment(format!("`{}` cannot be read: {error}", folder.display()));
    if depth > DEPTH_MAX {
        return Err(Stopped::usage(format!("`{}` lies more than {DEPTH_MAX} folders deep", folder.display())));
    }
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let is_hidden = path.file_name().is_some_and(|it| it.to_string_lossy().starts_with('.'));
        if path.is_dir() && !is_hidden && path.file_name().is_some_and(|it| it != "target" && it != "node_modules") {
            collect(&path, depth + 1, out)?;
        } else if path.extension().is_some_and(|it| it == ENDING) {
            out.insert(path);
        }
        if out.len() > FILES_MAX {
            return Err(Stopped::usage(format!("there are more than {FILES_MAX} map files below `{}`", folder.display())));
        }
    }
    Ok(())
}

/// One of the patterns of `maps` names the file.
fn is_listed(root: &Path, path: &Path, patterns: &[String]) -> bool {
    let relative = path.strip_prefix(root).unwrap_or(path).display().to_string().replace('\\', "/");
    patterns.iter().any(|pattern| matches(pattern, &relative))
}

/// `*` stands for any text without a slash, `**` for any text.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.find('*') {
        None => pattern == text,
        Some(star) => {
            let Some(rest) = text.strip_prefix(&pattern[..star]) else { return false };
            let is_deep = pattern[star..].starts_with("**");
            let after = pattern[star..].trim_start_matches('*').trim_start_matches(if is_deep { "/" } else { "" });
            let reach = if is_deep { rest.len() } else { rest.find('/').unwrap_or(rest.len()) };
            let mut ends = rest.char_indices().map(|(at, _)| at).chain([rest.len()]).filter(|at| *at <= reach);
            ends.any(|at| matches(after, &rest[at..]))
        }
    }
}

/// Where a map file stands.
enum Place {
    Folder(PathBuf),
    /// In the program itself, in this folder of `std/`.
    Standard(String),
}

/// Snapshots and used files, beside the maps that name them.
struct Snapshots {
    /// By file id.
    places: Vec<Place>,
    lock: Option<Lock>,
    root: PathBuf,
}

impl Schemas for Snapshots {
    fn used(&self, name: &str) -> Result<String, String> {
        if let Some(text) = standard::text(name) {
            return Ok(text.to_owned());
        }
        std::fs::read_to_string(name).map_err(|error| error.to_string())
    }

    fn load(&self, from: FileId, path: &str) -> Result<Arc<Schema>, SchemaProblem> {
        let file = match &self.places[from.0 as usize] {
            Place::Standard(folder) => return standard::snapshot_of(&format!("{folder}{path}")),
            Place::Folder(folder) => folder.join(path),
        };
        if !file.is_file() {
            return Err(SchemaProblem::Missing(file.display().to_string()));
        }
        let text = std::fs::read_to_string(&file).map_err(|error| SchemaProblem::Unreadable(error.to_string()))?;
        // A lock of overrides alone locks no snapshot.
        if let Some(lock) = self.lock.as_ref().filter(|it| !it.schemas.is_empty()) {
            match lock.verify(&named(&self.root, &file), &text) {
                Ok(()) => {}
                Err(lock::LockError::Changed { locked, found, .. }) => {
                    return Err(SchemaProblem::LockMismatch { locked, found });
                }
                Err(lock::LockError::Missing { path }) => return Err(SchemaProblem::NotLocked(path)),
                Err(other) => return Err(SchemaProblem::Unreadable(other.to_string())),
            }
        }
        snapshot::parse(&text).map(Arc::new).map_err(|error| SchemaProblem::Unreadable(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn stars_stand_for_names_and_double_stars_for_paths() {
        assert!(matches("*.dwmap", "customers.dwmap"));
        assert!(!matches("*.dwmap", "sales/customers.dwmap"));
        assert!(matches("**/*.dwmap", "sales/deep/customers.dwmap"));
        assert!(matches("**/*.dwmap", "customers.dwmap"));
        assert!(matches("sales/*.dwmap", "sales/customers.dwmap"));
        assert!(!matches("sales/*.dwmap", "stock/customers.dwmap"));
    }
}
