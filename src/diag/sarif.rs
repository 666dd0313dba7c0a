//! Diagnostics in SARIF 2.1.0, the form in which code scanners, editors and pull requests take findings.
//!
//! Every code that can be reported is a rule of the tool, so that a viewer can show its page. A fix is carried where it has
//! edits; advice in words stands in the message, like the counterexample, because viewers show the message first.

use std::collections::HashMap;

use serde_json::{Value, json};
use sha2::Digest;

use super::{Diagnostic, Severity, codes};
use crate::source::{SourceFile, Sources, Span};

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

/// The log of one run, as indented JSON.
pub fn to_sarif(diagnostics: &[Diagnostic], sources: &Sources) -> String {
    let mut seen = HashMap::new();
    let results: Vec<Value> = diagnostics.iter().map(|it| result(it, sources, &mut seen)).collect();
    let log = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "dwmap",
                "version": env!("CARGO_PKG_VERSION"),
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": codes::ALL.iter().map(rule).collect::<Vec<_>>(),
            } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    });
    serde_json::to_string_pretty(&log).expect("a log has no map with keys that JSON cannot hold")
}

fn rule(info: &codes::Info) -> Value {
    let help = format!("# {}: {}\n\n{}", info.code, info.title, info.explanation.trim());
    json!({
        "id": info.code.to_string(),
        "shortDescription": { "text": sentence(info.title) },
        "fullDescription": { "text": sentence(info.title) },
        "help": { "text": info.explanation.trim(), "markdown": help },
        "defaultConfiguration": { "level": level(info.severity) },
    })
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Hint => "note",
    }
}

fn result(diagnostic: &Diagnostic, sources: &Sources, seen: &mut HashMap<String, u32>) -> Value {
    let (primary, others): (Vec<_>, Vec<_>) = diagnostic.labels.iter().partition(|it| it.primary);
    let place = |label: &super::Label| json!({ "physicalLocation": physical(label.span, sources), "message": { "text": sentence(&label.message) } });
    let mut locations: Vec<Value> = primary.into_iter().map(place).collect();
    if let (Some(Value::Object(first)), Some(map)) = (locations.first_mut(), &diagnostic.map) {
        first.insert("logicalLocations".to_owned(), logical(map, diagnostic.rule.as_deref()));
    }
    let mut out = json!({
        "ruleId": diagnostic.code.to_string(),
        "ruleIndex": codes::ALL.iter().position(|it| it.code == diagnostic.code),
        "level": level(diagnostic.severity),
        "message": { "text": message(diagnostic) },
        "locations": locations,
        "partialFingerprints": { "primaryLocationLineHash": fingerprint(diagnostic, sources, seen) },
    });
    let related: Vec<Value> = others.into_iter().map(place).collect();
    if !related.is_empty() {
        out["relatedLocations"] = Value::Array(related);
    }
    let fixes: Vec<Value> = diagnostic.fixes.iter().filter(|it| !it.edits.is_empty()).map(|it| fix(it, sources)).collect();
    if !fixes.is_empty() {
        out["fixes"] = Value::Array(fixes);
    }
    out
}

fn logical(map: &str, rule: Option<&str>) -> Value {
    match rule {
        Some(rule) => json!([{ "name": rule, "fullyQualifiedName": format!("{map}.{rule}"), "kind": "member" }]),
        None => json!([{ "name": map, "fullyQualifiedName": map, "kind": "type" }]),
    }
}

/// The message as a sentence, then a line for each note, the counterexample and each way out.
pub(super) fn message(diagnostic: &Diagnostic) -> String {
    let mut lines = vec![sentence(&diagnostic.message)];
    lines.extend(diagnostic.notes.iter().map(|(name, text)| format!("{name}: {}", sentence(text))));
    lines.extend(diagnostic.counterexample.iter().map(|it| format!("counterexample: {}", sentence(it))));
    lines.extend(diagnostic.fixes.iter().map(|it| format!("fix: {}", sentence(&it.message))));
    lines.join("\n")
}

/// Our messages end without a full stop, those of this form with one.
fn sentence(text: &str) -> String {
    let text = text.trim_end();
    if text.ends_with(['.', '?', '!']) { text.to_owned() } else { format!("{text}.") }
}

fn physical(span: Span, sources: &Sources) -> Value {
    let file = sources.file(span.file);
    json!({ "artifactLocation": artifact(file), "region": region(span, file) })
}

fn artifact(file: &SourceFile) -> Value {
    json!({ "uri": uri(&file.name) })
}

fn region(span: Span, file: &SourceFile) -> Value {
    let (start, end) = (file.position(span.start), file.position(span.end));
    json!({ "startLine": start.line, "startColumn": start.column, "endLine": end.line, "endColumn": end.column })
}

fn fix(fix: &super::Fix, sources: &Sources) -> Value {
    let mut changes: Vec<(Span, Vec<Value>)> = Vec::new();
    for edit in &fix.edits {
        let file = sources.file(edit.span.file);
        let replacement = json!({ "deletedRegion": region(edit.span, file), "insertedContent": { "text": edit.text } });
        match changes.iter_mut().find(|(span, _)| span.file == edit.span.file) {
            Some((_, list)) => list.push(replacement),
            None => changes.push((edit.span, vec![replacement])),
        }
    }
    let change = |(span, replacements): (Span, Vec<Value>)| json!({ "artifactLocation": artifact(sources.file(span.file)), "replacements": replacements });
    json!({
        "description": { "text": sentence(&fix.message) },
        "artifactChanges": changes.into_iter().map(change).collect::<Vec<_>>(),
        "properties": { "safe": fix.safe },
    })
}

/// The same finding in the next run, although lines moved: what was said, of what, and how often so far.
fn fingerprint(diagnostic: &Diagnostic, sources: &Sources, seen: &mut HashMap<String, u32>) -> String {
    let span = diagnostic.primary();
    let file = sources.file(span.file);
    let line = file.line(file.position(span.start).line).trim();
    let text = format!("{}\n{}\n{line}\n{}", file.name, diagnostic.code, diagnostic.message);
    let hash: String = sha2::Sha256::digest(text.as_bytes()).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let count = seen.entry(hash.clone()).or_default();
    *count += 1;
    format!("{hash}:{count}")
}

/// A relative name stays relative to the folder in which the check ran; letters that a URI does not hold are escaped.
pub(super) fn uri(name: &str) -> String {
    let name = name.replace('\\', "/");
    let mut out = String::new();
    if name.starts_with('/') {
        out.push_str("file://");
    } else if name.as_bytes().get(1) == Some(&b':') {
        out.push_str("file:///");
    }
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' | b'~' => out.push(char::from(byte)),
            b':' if !out.is_empty() => out.push(':'),
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::uri;

    #[test]
    fn a_file_name_becomes_a_uri() {
        assert_eq!(uri("maps/customers.dwmap"), "maps/customers.dwmap");
        assert_eq!(uri("maps\\größe 1.dwmap"), "maps/gr%C3%B6%C3%9Fe%201.dwmap");
        assert_eq!(uri("/srv/a#b.dwmap"), "file:///srv/a%23b.dwmap");
        assert_eq!(uri("C:\\maps\\a.dwmap"), "file:///C:/maps/a.dwmap");
    }
}
