//! The pages in Markdown, for wikis and repositories.

use super::{Book, Entry, Piece, certificate, dropped, fields, origin, paragraphs, part, pieces, promise, via_map};
use crate::change::Side;
use crate::check::texts::{Body, Line, RuleText, ValuesText};
use crate::view::graph;

/// Words with nothing in them that Markdown or HTML would take for its own.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '~' | '!' => {
                out.push('\\');
                out.push(letter);
            }
            other => out.push(other),
        }
    }
    out
}

fn words(text: &str) -> String {
    let piece = |it: Piece<'_>| match it {
        Piece::Words(text) => escaped(text),
        Piece::Code(text) => code(text),
    };
    pieces(text).into_iter().map(piece).collect()
}

/// Code between more backticks than it holds; in tables a bar has to be escaped also there.
fn code(text: &str) -> String {
    let longest = text.split(|it| it != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    let blank = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    format!("{fence}{blank}{}{blank}{fence}", text.replace('|', "\\|"))
}

fn link(page: &str, text: &str) -> String {
    format!("[{}]({page}.md)", escaped(text))
}

pub fn index(book: &Book<'_>) -> String {
    let mut out = String::from("# Maps\n");
    for (area, maps) in &book.areas {
        out.push_str(&format!("\n## {}\n\n| map | sides | |\n|---|---|---|\n", escaped(area)));
        for &at in maps {
            let entry = &book.entries[at];
            let first = paragraphs(&entry.text.docs).into_iter().next().map(|it| words(&it)).unwrap_or_default();
            let sides = code(&graph::sides(&book.checked.program, entry.plan));
            out.push_str(&format!("| {} | {sides} | {first} |\n", link(&entry.page, &entry.plan.name)));
        }
    }
    let picture = graph::to_mermaid(&book.checked.program);
    out.push_str(&format!("\n## How the maps refer to each other\n\n```mermaid\n{picture}```\n"));
    out.push_str("\n## Arrows\n\n| arrow | |\n|---|---|\n");
    for arrow in ["<->", "<~>", "->", "<-"] {
        out.push_str(&format!("| {} | {} |\n", code(arrow), promise(arrow)));
    }
    out
}

pub fn map(book: &Book<'_>, at: usize) -> String {
    let entry = &book.entries[at];
    let sides = code(&graph::sides(&book.checked.program, entry.plan));
    let mut out = format!("[Maps](README.md)\n\n# {}\n\n{sides}\n", escaped(&entry.plan.name));
    for paragraph in paragraphs(&entry.text.docs) {
        out.push_str(&format!("\n{}\n", words(&paragraph)));
    }
    out.push_str(&facts(book, at));
    out.push_str(&rules(book, entry));
    out.push_str(&lines(entry, "Filters", |it| if let Body::Scope(text) = it { Some(text) } else { None }));
    out.push_str(&lines(entry, "Policies", |it| match it {
        Body::Policy(text) | Body::Seal(text) => Some(text),
        Body::Rule(_) | Body::Scope(_) | Body::Version => None,
    }));
    out.push_str(&left_out(entry));
    out.push_str(&value_maps(entry));
    if !entry.text.examples.is_empty() {
        out.push_str("\n## Examples\n\nEach is a test that is run.\n");
    }
    for example in &entry.text.examples {
        let steps: String = example.steps.iter().map(|it| format!("    {it}\n")).collect();
        out.push_str(&format!("\n### {}\n\n{steps}", words(&example.name)));
    }
    out
}

fn facts(book: &Book<'_>, at: usize) -> String {
    let entry = &book.entries[at];
    let mut list = vec![format!("File: {}", code(&entry.text.file))];
    list.extend(entry.plan.version.as_ref().map(|it| format!("Version: {}", escaped(it))));
    list.extend(entry.text.base.as_ref().map(|it| format!("Built upon: {}", code(it))));
    list.extend(origin(&entry.text.docs).map(|it| format!("In dual-write: {}", code(it))));
    let links = |maps: Vec<usize>| {
        maps.into_iter().map(|it| link(&book.entries[it].page, &book.entries[it].plan.name)).collect::<Vec<_>>()
    };
    let (to, from) = book.neighbours(at);
    for (name, maps) in [("Refers to", links(to)), ("Referred to by", links(from))] {
        if !maps.is_empty() {
            list.push(format!("{name}: {}", maps.join(", ")));
        }
    }
    format!("\n{}", list.into_iter().map(|it| format!("- {it}\n")).collect::<String>())
}

fn rules(book: &Book<'_>, entry: &Entry<'_>) -> String {
    let side = |side: Side| {
        let system = book.checked.program.system(entry.plan, side);
        escaped(&format!("{system}.{}", entry.plan.shapes[side].entity))
    };
    let head = format!("| {} | | {} | |\n", side(Side::Left), side(Side::Right));
    let mut out = format!("\n## Rules\n\n{head}|---:|:---:|---|---|\n");
    for line in &entry.text.lines {
        let Body::Rule(rule) = &line.body else { continue };
        for note in &line.notes {
            out.push_str(&format!("| | | | *{}* |\n", words(note)));
        }
        let (left, right) = (end(entry, rule, &rule.left, Side::Left), end(entry, rule, &rule.right, Side::Right));
        out.push_str(&format!("| {left} | {} | {right} | {} |\n", code(&rule.arrow), more(book, entry, line, rule)));
    }
    out
}

fn end(entry: &Entry<'_>, rule: &RuleText, text: &str, side: Side) -> String {
    let fields = fields(entry.plan, rule, side);
    let types: Vec<String> = match fields.as_slice() {
        [] => return code(text),
        [(name, kind)] if name == text => vec![escaped(kind)],
        several => several.iter().map(|(name, kind)| escaped(&format!("{name}: {kind}"))).collect(),
    };
    format!("{}<br>{}", code(text), types.join("<br>"))
}

fn more(book: &Book<'_>, entry: &Entry<'_>, line: &Line, rule: &RuleText) -> String {
    let mut out: Vec<String> = part(entry.plan, rule).map(|it| format!("**{it}**")).into_iter().collect();
    out.extend(paragraphs(&line.docs).iter().map(|it| words(it)));
    out.extend(line.within.as_ref().map(|it| code(it)));
    out.extend(rule.clauses.iter().map(|it| match via_map(book, it) {
        Some(map) => format!("via {}", link(book.page_of(map).expect("it was found by its page"), map)),
        None => code(it),
    }));
    if rule.values.as_ref().is_some_and(|it| it.name.is_none()) {
        out.push("value map below".to_owned());
    }
    out.extend(line.remark.as_ref().map(|it| words(it)));
    out.push(certificate(&entry.plan.rules[rule.index].laws.section));
    out.join("<br>")
}

fn lines<'l>(entry: &'l Entry<'_>, title: &str, text: impl Fn(&'l Body) -> Option<&'l String>) -> String {
    let mut out = String::new();
    for line in &entry.text.lines {
        let Some(text) = text(&line.body) else { continue };
        let notes = paragraphs(&line.docs).into_iter().chain(line.notes.iter().cloned()).chain(line.remark.clone());
        let notes: String = notes.map(|it| format!(" – {}", words(&it))).collect();
        out.push_str(&format!("- {}{notes}\n", code(text)));
    }
    if out.is_empty() { out } else { format!("\n## {title}\n\n{out}") }
}

/// Rules of the base that layers drop.
fn left_out(entry: &Entry<'_>) -> String {
    let because = |it: &str| format!(" – because {}", words(it));
    let line = |(label, why): (&str, Option<&str>)| format!("- {}{}\n", code(label), why.map(because).unwrap_or_default());
    let out: String = dropped(entry.text).map(line).collect();
    if out.is_empty() { out } else { format!("\n## Left out of the base\n\n{out}") }
}

fn value_maps(entry: &Entry<'_>) -> String {
    let mut seen: Vec<&ValuesText> = Vec::new();
    let mut out = String::new();
    for rule in entry.text.rules() {
        let Some(values) = rule.values.as_ref().filter(|it| it.name.is_none() || !seen.contains(it)) else { continue };
        seen.push(values);
        let name = values.name.clone().unwrap_or_else(|| format!("of `{}`", entry.plan.rules[rule.index].label));
        out.push_str(&format!("\n### {}\n", words(&name)));
        paragraphs(&values.docs).iter().for_each(|it| out.push_str(&format!("\n{}\n", words(it))));
        out.push_str("\n| | | |\n|---:|:---:|---|\n");
        for [left, arrow, right] in &values.rows {
            out.push_str(&format!("| {} | {} | {} |\n", code(left), code(arrow), code(right)));
        }
    }
    if out.is_empty() { out } else { format!("\n## Value maps\n{out}") }
}
