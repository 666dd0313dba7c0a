//! A project that is checked again and again while somebody edits it.

use std::sync::Arc;

use super::memory::Memory;
use super::{Given, Schemas, uses};
use crate::diag::{Diagnostic, Diagnostics};
use crate::source::{FileId, Sources, TooLong};
use crate::syntax::{self, ast};

/// The files of a project as they are in an editor. A check after an edit looks at the file and at the maps that the edit concerns;
/// it says the same as a check of all files from the beginning.
///
/// The session keeps what the schemas said: after a snapshot or a file outside of the session has changed, begin a new one.
#[derive(Default)]
pub struct Session {
    given: Given,
    sources: Sources,
    files: Vec<Parsed>,
    memory: Memory,
}

/// A file with what is said of its form.
struct Parsed {
    tree: Arc<ast::File>,
    found: Vec<Diagnostic>,
}

impl Session {
    pub fn new(given: Given) -> Self {
        Self { given, ..Self::default() }
    }

    /// A file's text, for the first time or after an edit. Files that are gone have an empty text.
    pub fn put(&mut self, name: &str, text: impl Into<Arc<str>>) -> Result<FileId, TooLong> {
        let known = self.sources.files().find(|(_, it)| it.name == name).map(|(id, _)| id);
        let id = match known {
            Some(id) => {
                self.sources.replace(id, text)?;
                id
            }
            None => self.sources.add(name, text)?,
        };
        let mut diags = Diagnostics::default();
        let parsed = Parsed { tree: Arc::new(syntax::parse(&self.sources, id, &mut diags)), found: diags.into_list() };
        match self.files.get_mut(id.0 as usize) {
            Some(file) => *file = parsed,
            None => self.files.push(parsed),
        }
        Ok(id)
    }

    /// Everything that is to be said of the project as it is now, in the order of the texts.
    pub fn check(&mut self, schemas: &dyn Schemas) -> Vec<Diagnostic> {
        let mut diags = Diagnostics::default();
        self.files.iter().flat_map(|it| &it.found).for_each(|it| diags.push(it.clone()));
        let files = self.files.iter().map(|it| it.tree.clone());
        let project = uses::load(files, &mut self.sources, schemas, &mut diags);
        self.memory.judge(&project, &self.given, &self.sources, schemas, &mut diags, |_| ());
        // Files that others use are read anew each time.
        self.sources.truncate(self.files.len());
        diags.sorted()
    }

    /// The texts that the places of messages are in.
    pub fn sources(&self) -> &Sources {
        &self.sources
    }
}
