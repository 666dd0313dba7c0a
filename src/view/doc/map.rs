//! The page of one map, in HTML.

use super::html::{code, escaped, frame, link, words};
use super::{Book, Entry, certificate, dropped, fields, origin, paragraphs, part, promise, via_map};
use crate::change::Side;
use crate::check::texts::{Body, Line, RuleText, ValuesText};

pub fn page(book: &Book<'_>, at: usize) -> String {
    let entry = &book.entries[at];
    let way = format!(
        "<nav aria-label=\"Way back\"><a href=\"index.html\">Maps</a> / {}</nav>\n",
        escaped(&super::area(&entry.text.file))
    );
    let mut body = format!(
        "<h1>{}</h1>\n<p class=\"sides\"><code>{}</code></p>\n",
        escaped(&entry.plan.name),
        escaped(&crate::view::graph::sides(&book.checked.program, entry.plan))
    );
    for paragraph in paragraphs(&entry.text.docs) {
        body.push_str(&format!("<p>{}</p>\n", words(&paragraph)));
    }
    body.push_str(&facts(book, at));
    body.push_str(&rules(book, entry));
    body.push_str(&lines(entry, "Filters", |it| if let Body::Scope(text) = it { Some(text) } else { None }));
    body.push_str(&lines(entry, "Policies", |it| match it {
        Body::Policy(text) | Body::Seal(text) => Some(text),
        Body::Rule(_) | Body::Scope(_) | Body::Version => None,
    }));
    body.push_str(&left_out(entry));
    body.push_str(&value_maps(entry));
    body.push_str(&examples(entry));
    frame(&format!("{} – map", entry.plan.name), &way, &body)
}

fn facts(book: &Book<'_>, at: usize) -> String {
    let entry = &book.entries[at];
    let mut list = vec![("File", code(&entry.text.file))];
    if let Some(version) = &entry.plan.version {
        list.push(("Version", escaped(version)));
    }
    if let Some(base) = &entry.text.base {
        list.push(("Built upon", code(base)));
    }
    list.extend(origin(&entry.text.docs).map(|it| ("In dual-write", code(it))));
    let links =
        |maps: &[usize]| maps.iter().map(|&it| link(&book.entries[it].page, &book.entries[it].plan.name)).collect::<Vec<_>>();
    let (to, from) = book.neighbours(at);
    for (name, maps) in [("Refers to", links(&to)), ("Referred to by", links(&from))] {
        if !maps.is_empty() {
            list.push((name, maps.join(", ")));
        }
    }
    let rows: String = list.into_iter().map(|(name, text)| format!("<dt>{name}</dt><dd>{text}</dd>\n")).collect();
    format!("<dl class=\"facts\">\n{rows}</dl>\n")
}

fn rules(book: &Book<'_>, entry: &Entry<'_>) -> String {
    let system = |side: Side| {
        let name = book.checked.program.system(entry.plan, side);
        escaped(&format!("{name}.{}", entry.plan.shapes[side].entity))
    };
    let mut out = format!(
        "<h2>Rules</h2>\n<div class=\"scroll\" role=\"region\" aria-label=\"Rules\" tabindex=\"0\">\n<table class=\"rules\">\n<thead><tr><th class=\"left\" scope=\"col\">{}</th>\
         <th class=\"arrow\" scope=\"col\">arrow</th><th class=\"right\" scope=\"col\">{}</th><th scope=\"col\">more</th></tr></thead>\n<tbody>\n",
        system(Side::Left),
        system(Side::Right)
    );
    for line in &entry.text.lines {
        let Body::Rule(rule) = &line.body else { continue };
        for note in &line.notes {
            out.push_str(&format!("<tr class=\"note\"><td colspan=\"4\">{}</td></tr>\n", words(note)));
        }
        out.push_str(&rule_row(book, entry, line, rule));
    }
    out.push_str("</tbody>\n</table>\n</div>\n");
    out
}

fn rule_row(book: &Book<'_>, entry: &Entry<'_>, line: &Line, rule: &RuleText) -> String {
    let class = match rule.arrow.as_str() {
        "<->" => "both",
        "<~>" => "lossy",
        _ => "one",
    };
    let label = escaped(&entry.plan.rules[rule.index].label);
    format!(
        "<tr><td class=\"left\">{}</td><td class=\"arrow {class}\" title=\"{promise}\"><code aria-label=\"{promise}\">{}</code></td>\
         <td class=\"right\">{}</td><td class=\"more\" id=\"rule-{label}\">{}</td></tr>\n",
        end(entry, rule, &rule.left, Side::Left),
        escaped(&rule.arrow),
        end(entry, rule, &rule.right, Side::Right),
        more(book, entry, line, rule),
        promise = promise(&rule.arrow)
    )
}

/// The expression, and below it the types of its fields.
fn end(entry: &Entry<'_>, rule: &RuleText, text: &str, side: Side) -> String {
    let fields = fields(entry.plan, rule, side);
    let types: Vec<String> = match fields.as_slice() {
        [(name, kind)] if name == text => vec![escaped(kind)],
        several => several.iter().map(|(name, kind)| escaped(&format!("{name}: {kind}"))).collect(),
    };
    let types: String = types.iter().map(|it| format!("<span class=\"type\">{it}</span>")).collect();
    format!("{}{types}", code(text))
}

fn more(book: &Book<'_>, entry: &Entry<'_>, line: &Line, rule: &RuleText) -> String {
    let mut out = String::new();
    if let Some(part) = part(entry.plan, rule) {
        out.push_str(&format!("<span class=\"tag\">{part}</span>"));
    }
    for paragraph in paragraphs(&line.docs) {
        out.push_str(&format!("<span>{}</span>", words(&paragraph)));
    }
    out.push_str(&line.within.as_ref().map(|it| format!("<span>{}</span>", code(it))).unwrap_or_default());
    for clause in &rule.clauses {
        out.push_str(&clause_html(book, rule, clause));
    }
    if rule.values.as_ref().is_some_and(|it| it.name.is_none()) {
        out.push_str(&format!("<span><a href=\"#{}\">value map</a></span>", anchor(rule.index)));
    }
    out.push_str(&line.remark.as_ref().map(|it| format!("<span class=\"quiet\">{}</span>", words(it))).unwrap_or_default());
    let certificate = certificate(&entry.plan.rules[rule.index].laws.section);
    out.push_str(&format!("<span class=\"quiet\">{certificate}</span>"));
    out
}

fn clause_html(book: &Book<'_>, rule: &RuleText, clause: &str) -> String {
    if let Some(loss) = clause.strip_prefix("loses ") {
        return format!("<span class=\"loss\">loses {}</span>", words(loss.trim_matches('"')));
    }
    if let Some(map) = via_map(book, clause) {
        let page = book.page_of(map).expect("it was found by its page");
        return format!("<span><code>via <a href=\"{page}.html\">{}</a></code></span>", escaped(map));
    }
    if let (Some(name), true) = (clause.strip_prefix("via "), rule.values.is_some()) {
        return format!("<span><code>via <a href=\"#{}\">{}</a></code></span>", anchor(rule.index), escaped(name));
    }
    format!("<span>{}</span>", code(clause))
}

fn anchor(rule: usize) -> String {
    format!("values-{rule}")
}

/// Lines of the map that are no rules, with the comments around them.
fn lines<'l>(entry: &'l Entry<'_>, title: &str, text: impl Fn(&'l Body) -> Option<&'l String>) -> String {
    let mut out = String::new();
    for line in &entry.text.lines {
        let Some(text) = text(&line.body) else { continue };
        let notes = paragraphs(&line.docs).into_iter().chain(line.notes.iter().cloned()).chain(line.remark.clone());
        let notes: String = notes.map(|it| format!(" <span class=\"quiet\">{}</span>", words(&it))).collect();
        out.push_str(&format!("<li>{}{notes}</li>\n", code(text)));
    }
    if out.is_empty() { out } else { format!("<h2>{title}</h2>\n<ul class=\"list\">\n{out}</ul>\n") }
}

/// Rules of the base that layers drop.
fn left_out(entry: &Entry<'_>) -> String {
    let because = |it: &str| format!(" <span class=\"quiet\">because {}</span>", words(it));
    let line = |(label, why): (&str, Option<&str>)| format!("<li>{}{}</li>\n", code(label), why.map(because).unwrap_or_default());
    let out: String = dropped(entry.text).map(line).collect();
    if out.is_empty() { out } else { format!("<h2>Left out of the base</h2>\n<ul class=\"list\">\n{out}</ul>\n") }
}

/// Each named value map once, with the anchors of all rules that use it.
fn value_maps(entry: &Entry<'_>) -> String {
    let mut seen: Vec<(&ValuesText, Vec<&RuleText>)> = Vec::new();
    for rule in entry.text.rules() {
        let Some(values) = &rule.values else { continue };
        match seen.iter_mut().find(|(it, _)| values.name.is_some() && *it == values) {
            Some((_, users)) => users.push(rule),
            None => seen.push((values, vec![rule])),
        }
    }
    if seen.is_empty() {
        return String::new();
    }
    let mut out = String::from("<h2>Value maps</h2>\n");
    for (values, users) in seen {
        let anchors: String = users.iter().map(|it| format!("<span id=\"{}\"></span>", anchor(it.index))).collect();
        let labels: Vec<String> = users.iter().map(|it| code(&entry.plan.rules[it.index].label)).collect();
        let name = values.name.as_ref().map(|it| format!("{} – ", escaped(it))).unwrap_or_default();
        out.push_str(&format!("<h3>{anchors}{name}{}</h3>\n", labels.join(", ")));
        paragraphs(&values.docs).iter().for_each(|it| out.push_str(&format!("<p>{}</p>\n", words(it))));
        out.push_str("<table class=\"values\">\n<tbody>\n");
        for [left, arrow, right] in &values.rows {
            let cells = (code(left), promise(arrow), escaped(arrow), code(right));
            out.push_str(&format!(
                "<tr><td class=\"left\">{}</td><td class=\"arrow\"><code aria-label=\"{}\">{}</code></td><td>{}</td></tr>\n",
                cells.0, cells.1, cells.2, cells.3
            ));
        }
        out.push_str("</tbody>\n</table>\n");
    }
    out
}

fn examples(entry: &Entry<'_>) -> String {
    if entry.text.examples.is_empty() {
        return String::new();
    }
    let mut out = String::from("<h2>Examples</h2>\n<p>Each is a test that is run.</p>\n");
    for example in &entry.text.examples {
        out.push_str(&format!(
            "<h3>{}</h3>\n<pre><code>{}</code></pre>\n",
            words(&example.name),
            escaped(&example.steps.join("\n"))
        ));
    }
    out
}
