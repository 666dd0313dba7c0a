//! Diagnostics as text with the source they speak of, for people.

use codespan_reporting::diagnostic as codespan;
use codespan_reporting::files::SimpleFiles;
use codespan_reporting::term::{self, termcolor};

use super::{Diagnostic, Severity};
use crate::source::Sources;

/// Whether the text carries terminal colours. The caller knows the terminal and `NO_COLOR`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Color {
    Always,
    Never,
}

/// The diagnostics in the order given, each with its source text, and a line that counts them.
pub fn emit(diagnostics: &[Diagnostic], sources: &Sources, color: Color) -> String {
    let files = files(sources);
    let mut out = String::new();
    for diagnostic in diagnostics {
        out.push_str(&emit_one(&files, diagnostic, color));
    }
    out.push_str(&summary(diagnostics, sources.files().count()));
    out.push('\n');
    out
}

/// `2 errors, 1 warning in 3 files`
pub fn summary(diagnostics: &[Diagnostic], file_count: usize) -> String {
    let count = |severity: Severity| diagnostics.iter().filter(|it| it.severity == severity).count();
    let parts: Vec<String> = [Severity::Error, Severity::Warning, Severity::Hint]
        .into_iter()
        .filter(|it| count(*it) > 0)
        .map(|it| counted(count(it), it.word()))
        .collect();
    let found = if parts.is_empty() { "no problems".to_owned() } else { parts.join(", ") };
    format!("{found} in {}", counted(file_count, "file"))
}

fn counted(count: usize, word: &str) -> String {
    format!("{count} {word}{}", if count == 1 { "" } else { "s" })
}

type Files<'a> = SimpleFiles<&'a str, &'a str>;

/// The same files with the same numbers: both count from 0 in the order of adding.
fn files(sources: &Sources) -> Files<'_> {
    let mut files = SimpleFiles::new();
    for (_, file) in sources.files() {
        files.add(file.name.as_str(), &*file.text);
    }
    files
}

fn emit_one(files: &Files<'_>, diagnostic: &Diagnostic, color: Color) -> String {
    let config = term::Config::default();
    let message = to_codespan(diagnostic);
    let mut buffer = match color {
        Color::Always => termcolor::Buffer::ansi(),
        Color::Never => termcolor::Buffer::no_color(),
    };
    term::emit_to_write_style(&mut buffer, &config, files, &message)
        .expect("every span lies in its file, and a buffer takes any text");
    let text = String::from_utf8(buffer.into_inner()).expect("sources and messages are text");
    // The library has no hints; its notes are ours.
    if diagnostic.severity == Severity::Hint { text.replacen("note[", "hint[", 1) } else { text }
}

fn to_codespan(diagnostic: &Diagnostic) -> codespan::Diagnostic<usize> {
    let severity = match diagnostic.severity {
        Severity::Error => codespan::Severity::Error,
        Severity::Warning => codespan::Severity::Warning,
        Severity::Hint => codespan::Severity::Note,
    };
    let (primary, secondary): (Vec<_>, Vec<_>) = diagnostic.labels.iter().partition(|it| it.primary);
    let labels = primary.into_iter().chain(secondary).map(|label| {
        let style = if label.primary { codespan::LabelStyle::Primary } else { codespan::LabelStyle::Secondary };
        codespan::Label::new(style, label.span.file.0 as usize, label.span.range()).with_message(&label.message)
    });
    codespan::Diagnostic::new(severity)
        .with_code(diagnostic.code)
        .with_message(&diagnostic.message)
        .with_labels(labels.collect())
        .with_notes(notes(diagnostic))
}

fn notes(diagnostic: &Diagnostic) -> Vec<String> {
    let mut out: Vec<String> = diagnostic.notes.iter().map(|(name, text)| format!("{name}: {text}")).collect();
    out.extend(diagnostic.counterexample.iter().map(|it| format!("counterexample: {it}")));
    out.extend(diagnostic.fixes.iter().map(|it| format!("fix: {}", it.message)));
    out
}
