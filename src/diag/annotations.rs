//! Diagnostics as lines that build servers turn into remarks beside the code: GitHub Actions and Azure Pipelines.

use super::{Diagnostic, Severity, sarif};
use crate::source::{Sources, Span};

/// `::error file=a.dwmap,line=3,col=5,endLine=3,endColumn=8,title=DW0101::message`
pub fn to_github(diagnostics: &[Diagnostic], sources: &Sources) -> String {
    diagnostics.iter().map(|it| github(it, sources)).collect()
}

fn github(diagnostic: &Diagnostic, sources: &Sources) -> String {
    let word = match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Hint => "notice",
    };
    let (name, start, end) = place(diagnostic.primary(), sources);
    let columns = if start.line == end.line { format!(",col={},endColumn={}", start.column, end.column) } else { String::new() };
    let title = format!("{} {}", diagnostic.code, diagnostic.message);
    format!(
        "::{word} file={},line={},endLine={}{columns},title={}::{}\n",
        github_property(name),
        start.line,
        end.line,
        github_property(&title),
        github_data(&whole(diagnostic, sources))
    )
}

fn github_data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn github_property(text: &str) -> String {
    github_data(text).replace(':', "%3A").replace(',', "%2C")
}

/// `##vso[task.logissue type=error;sourcepath=a.dwmap;linenumber=3;columnnumber=5;code=DW0101;]message`
///
/// Azure Pipelines knows errors and warnings; a hint stays a plain line of the log.
pub fn to_azure(diagnostics: &[Diagnostic], sources: &Sources) -> String {
    diagnostics.iter().map(|it| azure(it, sources)).collect()
}

fn azure(diagnostic: &Diagnostic, sources: &Sources) -> String {
    let (name, start, _) = place(diagnostic.primary(), sources);
    let word = match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Hint => {
            let message = &diagnostic.message;
            return format!("{name}:{}:{}: hint[{}]: {message}\n", start.line, start.column, diagnostic.code);
        }
    };
    format!(
        "##vso[task.logissue type={word};sourcepath={};linenumber={};columnnumber={};code={};]{}\n",
        azure_property(name),
        start.line,
        start.column,
        diagnostic.code,
        azure_data(&whole(diagnostic, sources))
    )
}

/// The agent takes `%AZP25` back for `%`.
fn azure_data(text: &str) -> String {
    text.replace('%', "%AZP25").replace('\r', "%0D").replace('\n', "%0A")
}

fn azure_property(text: &str) -> String {
    azure_data(text).replace(']', "%5D").replace(';', "%3B")
}

fn place(span: Span, sources: &Sources) -> (&str, crate::source::Position, crate::source::Position) {
    let file = sources.file(span.file);
    (&file.name, file.position(span.start), file.position(span.end))
}

/// A remark stands at one place, so the other places are named in its text.
fn whole(diagnostic: &Diagnostic, sources: &Sources) -> String {
    let mut out = sarif::message(diagnostic);
    for label in diagnostic.labels.iter().filter(|it| !it.primary) {
        let (name, start, _) = place(label.span, sources);
        out.push_str(&format!("\nsee {name}:{}:{}: {}", start.line, start.column, label.message));
    }
    out
}
