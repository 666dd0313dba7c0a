//! `use`: other files, whose names are reached through an alias. The caller reads texts; what they mean together is decided here.
//!
//! The files of a project share one space of names. A file that is only used has its own, so that two bases never get into each
//! other's way; a name is looked up in the space of the file in which it is written, also where a layer took the rule over.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::Schemas;
use crate::diag::{Diagnostic, Diagnostics, codes};
use crate::source::{FileId, Sources, Span};
use crate::syntax::{self, ast};

/// The folder of the standard maps.
pub const STANDARD: &str = "std/";
/// Most files that are read because others use them.
const USED_MAX: usize = 1_000;

/// The files of a project, and those that they use.
pub struct Project {
    pub files: Vec<Arc<ast::File>>,
    links: Vec<Link>,
    libraries: HashSet<FileId>,
    /// Maps whose name a layer over them has taken.
    displaced: HashSet<(FileId, String)>,
}

/// One `use` that leads somewhere.
struct Link {
    from: FileId,
    alias: String,
    span: Span,
    to: FileId,
}

/// The file name that a `use` in the file `from` means.
pub fn resolve(from: &str, path: &str) -> String {
    let ended = if path.ends_with(".dwmap") { path.to_owned() } else { format!("{path}.dwmap") };
    if path.starts_with(STANDARD) {
        return ended;
    }
    let folder = from.rsplit_once(['/', '\\']).map_or("", |(folder, _)| folder);
    let mut parts: Vec<&str> = folder.split(['/', '\\']).filter(|it| !matches!(*it, "" | ".")).collect();
    for part in ended.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|it| *it != "..") => drop(parts.pop()),
            other => parts.push(other),
        }
    }
    let root = if folder.starts_with('/') { "/" } else { "" };
    format!("{root}{}", parts.join("/"))
}

/// Reads what the files use, what those use, and so on.
pub fn load(
    files: impl IntoIterator<Item = impl Into<Arc<ast::File>>>,
    sources: &mut Sources,
    texts: &dyn Schemas,
    diags: &mut Diagnostics,
) -> Project {
    let files = files.into_iter().map(Into::into).collect();
    let mut out = Project { files, links: Vec::new(), libraries: HashSet::new(), displaced: HashSet::new() };
    let mut next = 0;
    while next < out.files.len() {
        let file = out.files[next].clone();
        next += 1;
        for (path, alias, span) in uses(&file) {
            let name = resolve(&sources.file(file.id).name, &path.text);
            let known = out.files.iter().find(|it| sources.file(it.id).name == name).map(|it| it.id);
            let found = match known {
                Some(id) => Some(id),
                None if out.libraries.len() >= USED_MAX => None,
                None => read(&mut out, sources, texts, &name, path, diags),
            };
            if let Some(to) = found {
                out.links.push(Link { from: file.id, alias: alias.text.clone(), span, to });
            }
        }
    }
    out.displace();
    out.report_circles(diags);
    out
}

/// The files as they are: a `use` can only name one of them.
pub fn among(files: &[ast::File], sources: &Sources, diags: &mut Diagnostics) -> Project {
    let mut out = Project {
        files: files.iter().cloned().map(Arc::new).collect(),
        links: Vec::new(),
        libraries: HashSet::new(),
        displaced: HashSet::new(),
    };
    for file in files {
        for (path, alias, span) in uses(file) {
            let name = resolve(&sources.file(file.id).name, &path.text);
            match files.iter().find(|it| sources.file(it.id).name == name) {
                Some(target) => out.links.push(Link { from: file.id, alias: alias.text.clone(), span, to: target.id }),
                None => missing(path, &name, "it is not among the files that are checked", diags),
            }
        }
    }
    out.displace();
    out.report_circles(diags);
    out
}

fn uses(file: &ast::File) -> Vec<(&ast::Quoted, &ast::Name, Span)> {
    let mut out = Vec::new();
    for item in &file.items {
        if let ast::ItemKind::Use { path, alias } = &item.kind {
            out.push((path, alias, item.span));
        }
    }
    out
}

fn read(
    out: &mut Project,
    sources: &mut Sources,
    texts: &dyn Schemas,
    name: &str,
    path: &ast::Quoted,
    diags: &mut Diagnostics,
) -> Option<FileId> {
    let added = texts.used(name).and_then(|text| sources.add(name, text).map_err(|it| format!("it has {} bytes", it.bytes)));
    match added {
        Ok(id) => {
            out.files.push(Arc::new(syntax::parse(sources, id, diags)));
            out.libraries.insert(id);
            Some(id)
        }
        Err(why) => {
            missing(path, name, &why, diags);
            None
        }
    }
}

fn missing(path: &ast::Quoted, name: &str, why: &str, diags: &mut Diagnostics) {
    let message = format!("the file `{name}` cannot be used: {why}");
    let advice = "name a file relative to this one, or `std/NAME` for one of the standard maps";
    diags.push(Diagnostic::new(codes::UNKNOWN_NAME, path.span, message, "named here").advice(advice));
}

impl Project {
    /// Files that others use come after them, so that what a layer declares stands first.
    pub fn order(&self) -> Vec<&ast::File> {
        let mut depth: HashMap<FileId, usize> = self.files.iter().map(|it| (it.id, 0)).collect();
        for _ in 0..self.files.len() {
            let mut is_settled = true;
            for link in &self.links {
                let below = (depth[&link.from] + 1).min(self.files.len());
                let own = depth.entry(link.to).or_default();
                is_settled &= below <= *own;
                *own = below.max(*own);
            }
            if is_settled {
                break;
            }
        }
        let mut out: Vec<&ast::File> = self.files.iter().map(|it| &**it).collect();
        out.sort_by_key(|it| depth[&it.id]);
        out
    }

    /// The file with this id.
    pub fn file(&self, id: FileId) -> Option<&ast::File> {
        // The files of a run stand in the order of their ids; those of a caller may be a part of them.
        let own = self.files.get(id.0 as usize).filter(|it| it.id == id);
        own.or_else(|| self.files.iter().find(|it| it.id == id)).map(|it| &**it)
    }

    /// The file is no part of the project itself: nothing of it runs unless a layer builds on it.
    pub fn is_library(&self, file: FileId) -> bool {
        self.libraries.contains(&file)
    }

    /// The aliases of a file with their places.
    pub fn aliases(&self, file: FileId) -> impl Iterator<Item = (&str, Span)> {
        self.links.iter().filter(move |it| it.from == file).map(|it| (it.alias.as_str(), it.span))
    }

    /// What the name means where it is written; the key of nothing where it means nothing.
    pub fn key(&self, path: &ast::Path) -> String {
        match path.segments.as_slice() {
            [name] => self.own_key(path.span.file, &name.text),
            [alias, name] => {
                let link = self.links.iter().find(|it| it.from == path.span.file && it.alias == alias.text);
                link.map_or_else(|| path.to_string(), |it| self.own_key(it.to, &name.text))
            }
            _ => path.to_string(),
        }
    }

    /// The key of a name that this file declares.
    pub fn own_key(&self, file: FileId, name: &str) -> String {
        let has_own = self.is_library(file) || self.displaced.contains(&(file, name.to_owned()));
        if has_own { format!("{}:{name}", file.0) } else { name.to_owned() }
    }

    /// The names that can be written in this file for these keys.
    pub fn written<'k>(&self, file: FileId, keys: impl Iterator<Item = &'k str>) -> Vec<String> {
        let mut out = Vec::new();
        for key in keys {
            let (space, name) = key.split_once(':').map_or((None, key), |(space, name)| (Some(space), name));
            let is_own = if self.is_library(file) { space == Some(&file.0.to_string()) } else { space.is_none() };
            if is_own {
                out.push(name.to_owned());
            }
            let links = self.links.iter().filter(|it| it.from == file && self.own_key(it.to, name) == key);
            out.extend(links.map(|it| format!("{}.{name}", it.alias)));
        }
        out
    }

    /// `map Customers extends base.Customers`: in a project the layer has the name, and the base is reached through the alias.
    fn displace(&mut self) {
        for item in self.files.iter().flat_map(|it| &it.items) {
            if let ast::ItemKind::Map(ast::Map { name, head: ast::MapHead::Extends(base), .. }) = &item.kind
                && let [alias, based] = base.segments.as_slice()
                && based.text == name.text
                && let Some(link) = self.links.iter().find(|it| it.from == base.span.file && it.alias == alias.text)
            {
                self.displaced.insert((link.to, name.text.clone()));
            }
        }
    }

    fn reaches(&self, from: FileId, goal: FileId) -> bool {
        let (mut seen, mut todo) = (HashSet::new(), vec![from]);
        while let Some(next) = todo.pop() {
            if next == goal {
                return true;
            }
            if seen.insert(next) {
                todo.extend(self.links.iter().filter(|it| it.from == next).map(|it| it.to));
            }
        }
        false
    }

    fn report_circles(&mut self, diags: &mut Diagnostics) {
        let mut reported: Vec<FileId> = Vec::new();
        for link in self.links.iter().filter(|it| self.reaches(it.to, it.from)) {
            if reported.iter().any(|it| self.reaches(*it, link.from) && self.reaches(link.from, *it)) {
                continue;
            }
            reported.push(link.from);
            let diagnostic =
                Diagnostic::new(codes::SYNTAX, link.span, "files use each other in a circle", "leads back to this file");
            diags.push(diagnostic.advice("move what both need into a third file"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::resolve;

    #[test]
    fn a_path_is_relative_to_the_file_that_names_it() {
        assert_eq!(resolve("sales/layer.dwmap", "base"), "sales/base.dwmap");
        assert_eq!(resolve("sales/layer.dwmap", "../base"), "base.dwmap");
        assert_eq!(resolve("/a/b.dwmap", "./c.dwmap"), "/a/c.dwmap");
        assert_eq!(resolve("sales/layer.dwmap", "std/customers"), "std/customers.dwmap");
    }
}
