//! Diagnostics as JSON, for tools: `dwmap check --format json`.

use serde::Serialize;

use super::{Diagnostic, Severity};
use crate::source::{Position, Sources, Span};

/// The version of this form. A field may be added within a version; none changes or goes.
pub const FORMAT_VERSION: u32 = 1;

#[derive(Debug, Serialize)]
pub struct Report<'a> {
    pub format_version: u32,
    pub diagnostics: Vec<Entry<'a>>,
    pub summary: Summary,
}

/// One diagnostic with its primary place spelled out.
#[derive(Debug, Serialize)]
pub struct Entry<'a> {
    pub code: String,
    pub severity: &'static str,
    pub message: &'a str,
    #[serde(flatten)]
    pub place: Place<'a>,
    pub map: Option<&'a str>,
    pub rule: Option<&'a str>,
    pub labels: Vec<LabelEntry<'a>>,
    pub notes: Vec<Note<'a>>,
    pub counterexample: Option<&'a str>,
    pub fixes: Vec<FixEntry<'a>>,
}

/// Lines and columns count from 1; the end is the place after the last letter.
#[derive(Debug, Serialize)]
pub struct Place<'a> {
    pub file: &'a str,
    pub line: usize,
    pub column: usize,
    pub end_line: usize,
    pub end_column: usize,
}

#[derive(Debug, Serialize)]
pub struct LabelEntry<'a> {
    pub message: &'a str,
    pub primary: bool,
    #[serde(flatten)]
    pub place: Place<'a>,
}

#[derive(Debug, Serialize)]
pub struct Note<'a> {
    pub name: &'a str,
    pub text: &'a str,
}

#[derive(Debug, Serialize)]
pub struct FixEntry<'a> {
    pub message: &'a str,
    /// A tool may apply it without asking.
    pub safe: bool,
    pub edits: Vec<EditEntry<'a>>,
}

#[derive(Debug, Serialize)]
pub struct EditEntry<'a> {
    pub text: &'a str,
    #[serde(flatten)]
    pub place: Place<'a>,
}

#[derive(Debug, Serialize)]
pub struct Summary {
    pub errors: usize,
    pub warnings: usize,
    pub hints: usize,
}

/// The report of these diagnostics, in the order given.
pub fn report<'a>(diagnostics: &'a [Diagnostic], sources: &'a Sources) -> Report<'a> {
    let count = |severity: Severity| diagnostics.iter().filter(|it| it.severity == severity).count();
    Report {
        format_version: FORMAT_VERSION,
        diagnostics: diagnostics.iter().map(|it| entry(it, sources)).collect(),
        summary: Summary { errors: count(Severity::Error), warnings: count(Severity::Warning), hints: count(Severity::Hint) },
    }
}

/// The report as indented JSON.
pub fn to_json(diagnostics: &[Diagnostic], sources: &Sources) -> String {
    serde_json::to_string_pretty(&report(diagnostics, sources)).expect("a report has no map with keys that JSON cannot hold")
}

fn entry<'a>(diagnostic: &'a Diagnostic, sources: &'a Sources) -> Entry<'a> {
    let label = |it: &'a super::Label| LabelEntry { message: &it.message, primary: it.primary, place: place(it.span, sources) };
    Entry {
        code: diagnostic.code.to_string(),
        severity: diagnostic.severity.word(),
        message: &diagnostic.message,
        place: place(diagnostic.primary(), sources),
        map: diagnostic.map.as_deref(),
        rule: diagnostic.rule.as_deref(),
        labels: diagnostic.labels.iter().map(label).collect(),
        notes: diagnostic.notes.iter().map(|(name, text)| Note { name, text }).collect(),
        counterexample: diagnostic.counterexample.as_deref(),
        fixes: diagnostic.fixes.iter().map(|it| fix(it, sources)).collect(),
    }
}

fn fix<'a>(fix: &'a super::Fix, sources: &'a Sources) -> FixEntry<'a> {
    let edits = fix.edits.iter().map(|it| EditEntry { text: &it.text, place: place(it.span, sources) });
    FixEntry { message: &fix.message, safe: fix.safe, edits: edits.collect() }
}

fn place(span: Span, sources: &Sources) -> Place<'_> {
    let file = sources.file(span.file);
    let (Position { line, column }, end) = (file.position(span.start), file.position(span.end));
    Place { file: &file.name, line, column, end_line: end.line, end_column: end.column }
}
