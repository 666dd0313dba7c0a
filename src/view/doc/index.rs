//! The page that leads to the others, in HTML.

use super::html::{escaped, frame, humped_link, link, words};
use super::{Book, paragraphs, picture, promise};
use crate::view::graph::{self, Target};

pub fn page(book: &Book<'_>) -> String {
    let mut body = format!("<h1>Maps</h1>\n<p>{}</p>\n", summary(book));
    body.push_str(&contents(book));
    for (number, (area, maps)) in book.areas.iter().enumerate() {
        body.push_str(&format!("<h2 id=\"area-{number}\">{}</h2>\n<ul class=\"area\">\n", escaped(area)));
        maps.iter().for_each(|&at| body.push_str(&card(book, at)));
        body.push_str("</ul>\n");
    }
    body.push_str("<h2 id=\"picture\">How the maps refer to each other</h2>\n<p>A map is filled after those that it refers to. Faint arrows are references of the \
                   key; dashed ones are written in a second step, when the other row is there.</p>\n");
    body.push_str(&format!(
        "<figure tabindex=\"0\" aria-label=\"Picture of the references, can be scrolled\">\n{}</figure>\n",
        picture::draw(book)
    ));
    body.push_str(&order(book));
    body.push_str(&legend());
    frame("Maps", "", &body)
}

/// Where on this page what stands; one area needs none.
fn contents(book: &Book<'_>) -> String {
    if book.areas.len() < 2 {
        return String::new();
    }
    let area = |(number, (area, maps)): (usize, &(String, Vec<usize>))| {
        format!("<li><a href=\"#area-{number}\">{}</a> <span class=\"quiet\">{}</span></li>\n", escaped(area), maps.len())
    };
    let areas: String = book.areas.iter().enumerate().map(area).collect();
    format!(
        "<ul class=\"contents\" aria-label=\"On this page\">\n{areas}<li><a href=\"#picture\">picture of the references</a></li>\n\
         <li><a href=\"#order\">order in words</a></li>\n</ul>\n"
    )
}

fn summary(book: &Book<'_>) -> String {
    let rules: usize = book.entries.iter().map(|it| it.plan.rules.len()).sum();
    let systems: Vec<String> = book.checked.program.systems.iter().map(|it| escaped(&it.name)).collect();
    format!("{} maps with {rules} rules between {}.", book.entries.len(), systems.join(" and "))
}

fn card(book: &Book<'_>, at: usize) -> String {
    let entry = &book.entries[at];
    let first = paragraphs(&entry.text.docs).into_iter().next().map(|it| format!("<p>{}</p>", words(&it))).unwrap_or_default();
    let sides = escaped(&graph::sides(&book.checked.program, entry.plan));
    format!("<li>{}<div class=\"quiet\">{sides}</div>{first}</li>\n", humped_link(&entry.page, &entry.plan.name))
}

/// The picture in words.
fn order(book: &Book<'_>) -> String {
    let mut out = String::from("<h3 id=\"order\">The order in words</h3>\n<ol class=\"list\">\n");
    let map = |at: usize| link(&book.entries[at].page, &book.entries[at].plan.name);
    for group in &book.checked.program.order {
        let mut lines = Vec::new();
        for id in group {
            let (mut targets, mut tables): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
            for edge in book.edges.iter().filter(|it| it.from == *id) {
                let later = if edge.is_deferred { " in a second step" } else { "" };
                match &edge.to {
                    Target::Map(to) if to == id => targets.push(format!("itself{later}")),
                    Target::Map(to) => targets.push(format!("{}{later}", map(to.index()))),
                    Target::Table(name) => tables.push(format!("<code>{}</code>", escaped(name))),
                }
            }
            targets.extend(tables);
            let refers = if targets.is_empty() { String::new() } else { format!(" refers to {}", targets.join(", ")) };
            lines.push(format!("{}{refers}", map(id.index())));
        }
        out.push_str(&format!("<li>{}</li>\n", lines.join("; together with ")));
    }
    out.push_str("</ol>\n");
    out
}

fn legend() -> String {
    let mut out = String::from("<h2>Arrows</h2>\n<table class=\"legend\">\n<tbody>\n");
    for (arrow, class) in [("<->", "both"), ("<~>", "lossy"), ("->", "one"), ("<-", "one")] {
        let arrow_text = escaped(arrow);
        out.push_str(&format!(
            "<tr><td class=\"arrow {class}\"><code>{arrow_text}</code></td><td>{}</td></tr>\n",
            promise(arrow)
        ));
    }
    out.push_str("</tbody>\n</table>\n");
    out
}
