//! Files, spans and positions: where in the author's text something stands.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A file in [`Sources`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FileId(pub u32);

/// A half-open range of bytes in one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    pub file: FileId,
    pub start: u32,
    pub end: u32,
}

impl Span {
    pub fn new(file: FileId, start: usize, end: usize) -> Self {
        let offset = |at: usize| u32::try_from(at).expect("a source file is under 4 GB: Sources::add refuses larger ones");
        assert!(start <= end, "a span ends after it starts");
        Self { file, start: offset(start), end: offset(end) }
    }

    /// The smallest span that holds both; they must stand in one file.
    pub fn to(self, other: Self) -> Self {
        assert_eq!(self.file, other.file, "spans of two files cannot be joined");
        Self { file: self.file, start: self.start.min(other.start), end: self.end.max(other.end) }
    }

    pub fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// A line and column, both from 1. Columns count Unicode scalar values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    pub line: usize,
    pub column: usize,
}

/// One text with its display name.
#[derive(Clone, Debug)]
pub struct SourceFile {
    pub name: String,
    pub text: Arc<str>,
    line_starts: Vec<u32>,
}

/// Longest accepted source file in bytes.
pub const FILE_BYTES_MAX: usize = 16 * 1024 * 1024;

impl SourceFile {
    fn new(name: String, text: Arc<str>) -> Self {
        let line_starts = std::iter::once(0)
            .chain(text.bytes().enumerate().filter(|&(_, byte)| byte == b'\n').map(|(at, _)| at as u32 + 1))
            .collect();
        Self { name, text, line_starts }
    }

    /// Line and column of a byte offset; an offset past the end is the end.
    pub fn position(&self, offset: u32) -> Position {
        let offset = offset.min(self.text.len() as u32);
        let line = self.line_starts.partition_point(|&start| start <= offset) - 1;
        let start = self.line_starts[line] as usize;
        Position { line: line + 1, column: self.text[start..offset as usize].chars().count() + 1 }
    }

    /// The text of a line, counted from 1, without its line end.
    pub fn line(&self, line: usize) -> &str {
        let start = self.line_starts[line - 1] as usize;
        let end = self.line_starts.get(line).map_or(self.text.len(), |&next| next as usize);
        self.text[start..end].trim_end_matches(['\n', '\r'])
    }
}

/// All texts of one run, in the order they were added.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    files: Vec<SourceFile>,
}

/// A text too long to be a source file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong {
    pub bytes: usize,
}

impl Sources {
    /// Adds a text and returns its id, or refuses one longer than [`FILE_BYTES_MAX`].
    pub fn add(&mut self, name: impl Into<String>, text: impl Into<Arc<str>>) -> Result<FileId, TooLong> {
        let text = text.into();
        if text.len() > FILE_BYTES_MAX {
            return Err(TooLong { bytes: text.len() });
        }
        let id = FileId(self.files.len() as u32);
        self.files.push(SourceFile::new(name.into(), text));
        Ok(id)
    }

    /// Puts another text in the place of a file's own.
    pub fn replace(&mut self, id: FileId, text: impl Into<Arc<str>>) -> Result<(), TooLong> {
        let text = text.into();
        if text.len() > FILE_BYTES_MAX {
            return Err(TooLong { bytes: text.len() });
        }
        let name = std::mem::take(&mut self.files[id.0 as usize].name);
        self.files[id.0 as usize] = SourceFile::new(name, text);
        Ok(())
    }

    /// How many files there are.
    pub fn count(&self) -> usize {
        self.files.len()
    }

    /// Forgets all but the first files.
    pub fn truncate(&mut self, count: usize) {
        self.files.truncate(count);
    }

    pub fn file(&self, id: FileId) -> &SourceFile {
        &self.files[id.0 as usize]
    }

    pub fn files(&self) -> impl Iterator<Item = (FileId, &SourceFile)> {
        self.files.iter().enumerate().map(|(index, file)| (FileId(index as u32), file))
    }

    /// A line by its file's name and its number, counted from 1, without the blanks around it. `None`: there is no such line.
    pub fn line_span(&self, name: &str, line: usize) -> Option<Span> {
        let (id, file) = self.files().find(|(_, it)| it.name == name)?;
        let start = *file.line_starts.get(line.checked_sub(1)?)? as usize;
        let text = file.line(line);
        let indent = text.len() - text.trim_start().len();
        Some(Span::new(id, start + indent, start + indent + text.trim().len()))
    }

    pub fn text(&self, span: Span) -> &str {
        &self.file(span.file).text[span.range()]
    }

    pub fn position(&self, span: Span) -> Position {
        self.file(span.file).position(span.start)
    }
}
