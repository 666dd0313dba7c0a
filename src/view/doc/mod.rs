//! The documentation of maps: a page for each map and one that leads to them, as HTML or Markdown.
//!
//! The pages stand for themselves: no script, no font or style from elsewhere. Everything that an author wrote is text, whatever
//! letters it has.

mod html;
mod index;
mod map;
mod markdown;
mod picture;

use crate::change::Side;
use crate::check::Checked;
use crate::check::texts::{MapText, RuleText};
use crate::import::MARK;
use crate::ir::{Certificate, Plan};
use crate::view::graph::{self, Edge};
use crate::view::words::kind;

/// A file of the documentation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    pub name: String,
    pub text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Html,
    Markdown,
}

/// All pages; the first one leads to the others.
pub fn pages(checked: &Checked, form: Form) -> Vec<Page> {
    let book = Book::new(checked);
    let maps = 0..book.entries.len();
    match form {
        Form::Html => {
            let page = |at: usize| Page { name: format!("{}.html", book.entries[at].page), text: map::page(&book, at) };
            std::iter::once(Page { name: "index.html".to_owned(), text: index::page(&book) }).chain(maps.map(page)).collect()
        }
        Form::Markdown => {
            let page = |at: usize| Page { name: format!("{}.md", book.entries[at].page), text: markdown::map(&book, at) };
            std::iter::once(Page { name: "README.md".to_owned(), text: markdown::index(&book) }).chain(maps.map(page)).collect()
        }
    }
}

/// What all pages are made from.
struct Book<'a> {
    checked: &'a Checked,
    /// In the order of the plans.
    entries: Vec<Entry<'a>>,
    /// Maps by the file that they stand in: its name without ending, and their places.
    areas: Vec<(String, Vec<usize>)>,
    edges: Vec<Edge>,
}

struct Entry<'a> {
    plan: &'a Plan,
    text: &'a MapText,
    /// The name of its page, without ending.
    page: String,
}

impl<'a> Book<'a> {
    fn new(checked: &'a Checked) -> Self {
        let mut entries: Vec<Entry<'a>> = Vec::new();
        for (plan, text) in checked.program.plans.iter().zip(&checked.texts) {
            let page = page_name(&plan.name, &entries);
            entries.push(Entry { plan, text, page });
        }
        let mut areas: Vec<(String, Vec<usize>)> = Vec::new();
        for (at, entry) in entries.iter().enumerate() {
            let area = area(&entry.text.file);
            match areas.iter_mut().find(|(name, _)| *name == area) {
                Some((_, maps)) => maps.push(at),
                None => areas.push((area, vec![at])),
            }
        }
        areas.sort();
        Self { checked, entries, areas, edges: graph::edges(&checked.program) }
    }

    /// The page of the map with this name.
    fn page_of(&self, map: &str) -> Option<&str> {
        self.entries.iter().find(|it| it.plan.name == map).map(|it| it.page.as_str())
    }

    /// The maps that this one refers to, and those that refer to it, each once and without itself.
    fn neighbours(&self, at: usize) -> (Vec<usize>, Vec<usize>) {
        let (mut to, mut from) = (Vec::new(), Vec::new());
        for edge in &self.edges {
            let graph::Target::Map(target) = edge.to else { continue };
            match (edge.from.index(), target.index()) {
                (own, other) if own == at && other != at => to.push(other),
                (other, own) if own == at && other != at => from.push(other),
                _ => {}
            }
        }
        for list in [&mut to, &mut from] {
            list.sort_unstable();
            list.dedup();
        }
        (to, from)
    }
}

/// Letters that every file system takes; two maps never share a page, also where case does not count.
fn page_name(map: &str, taken: &[Entry<'_>]) -> String {
    let plain: String = map.chars().map(|it| if it.is_ascii_alphanumeric() || it == '_' { it } else { '-' }).collect();
    let is_free = |name: &str| {
        let is_index = name.eq_ignore_ascii_case("index") || name.eq_ignore_ascii_case("readme");
        !is_index && taken.iter().all(|it| !it.page.eq_ignore_ascii_case(name))
    };
    let numbered = (1u32..).map(|it| if it == 1 { plain.clone() } else { format!("{plain}-{it}") });
    numbered.into_iter().find(|it| is_free(it)).expect("there are more numbers than maps")
}

/// `maps/customers.dwmap` is the area `customers`.
fn area(file: &str) -> String {
    let name = file.rsplit(['/', '\\']).next().unwrap_or(file);
    name.strip_suffix(".dwmap").unwrap_or(name).to_owned()
}

/// A piece of an author's sentence: words, or code between backticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece<'a> {
    Words(&'a str),
    Code(&'a str),
}

fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('`') {
        let Some((code, behind)) = after.split_once('`') else { break };
        out.push(Piece::Words(before));
        out.push(Piece::Code(code));
        rest = behind;
    }
    out.push(Piece::Words(rest));
    out.retain(|it| !matches!(it, Piece::Words("")));
    out
}

/// Documentation lines as paragraphs: an empty line separates two. What only the way back to dual-write needs is no prose.
fn paragraphs(docs: &[String]) -> Vec<String> {
    let mut out = vec![String::new()];
    for line in docs {
        let line = line.trim();
        if line.starts_with(MARK) {
            continue;
        }
        if line.is_empty() {
            out.push(String::new());
            continue;
        }
        let last = out.last_mut().expect("it begins with one");
        if !last.is_empty() {
            last.push(' ');
        }
        last.push_str(line);
    }
    out.retain(|it| !it.is_empty());
    out
}

/// The name that the map has in dual-write, if it came from there.
fn origin(docs: &[String]) -> Option<&str> {
    docs.iter().find_map(|it| it.trim().strip_prefix(MARK)).map(str::trim)
}

/// `msdyn_creditrating`, and why a layer leaves it out.
fn dropped(text: &MapText) -> impl Iterator<Item = (&str, Option<&str>)> {
    text.dropped.iter().map(|it| (it.label.as_str(), it.because.as_deref()))
}

/// What the arrow promises, in words.
fn promise(arrow: &str) -> &'static str {
    match arrow {
        "<->" => "both ways, nothing is lost",
        "<~>" => "both ways, something is lost",
        "->" => "from left to right",
        _ => "from right to left",
    }
}

/// How it is known that the rule keeps its promise.
fn certificate(certificate: &Certificate) -> String {
    match certificate {
        Certificate::OneWay => "one way".to_owned(),
        Certificate::Proved => "proved".to_owned(),
        Certificate::Enumerated { cases } => format!("all {cases} values tried"),
        Certificate::Tested { cases, .. } => format!("{cases} values tried"),
        Certificate::Assumed => "assumed".to_owned(),
    }
}

/// The fields of one end with their types, by name.
fn fields(plan: &Plan, rule: &RuleText, side: Side) -> Vec<(String, String)> {
    let end = &plan.rules[rule.index].ends[side];
    let mut slots = end.read.slots();
    slots.extend(end.write.iter().map(|(slot, _)| *slot));
    slots.sort_unstable();
    slots.dedup();
    let fields = slots.into_iter().map(|it| plan.shapes[side].field(it));
    fields.map(|it| (it.name.clone(), kind(it))).collect()
}

/// What the rule is for, beyond carrying a value.
fn part(plan: &Plan, rule: &RuleText) -> Option<&'static str> {
    let is = |id: crate::ir::RuleId| id.index() == rule.index;
    match () {
        () if plan.partition.is_some_and(is) => Some("company"),
        () if plan.key.iter().copied().any(is) => Some("key"),
        () => None,
    }
}

/// The map that a `via` clause names, if it is one of the book.
fn via_map<'c>(book: &Book<'_>, clause: &'c str) -> Option<&'c str> {
    let name = clause.strip_prefix("via ")?.trim();
    let last = name.rsplit('.').next()?;
    book.page_of(last).is_some().then_some(last)
}

#[cfg(test)]
mod tests {
    use super::{Piece, paragraphs, pieces};

    #[test]
    fn backticks_hold_code() {
        assert_eq!(pieces("see `a|b` and c"), [Piece::Words("see "), Piece::Code("a|b"), Piece::Words(" and c")]);
        assert_eq!(pieces("one ` only"), [Piece::Words("one ` only")]);
    }

    #[test]
    fn an_empty_line_ends_a_paragraph() {
        let docs = ["One", "sentence.", "", "Another."].map(str::to_owned);
        assert_eq!(paragraphs(&docs), ["One sentence.", "Another."]);
    }
}
