//! What the author wrote of each compiled map: for documentation, and to show what differs between two versions.
//!
//! A plan holds no text, no comment and no order of lines. They are taken from the tree here, beside the plan, while it is known
//! which line became which rule.

use super::built::Built;
use super::uses::Project;
use crate::change::Sides;
use crate::source::{Sources, Span};
use crate::syntax::ast::{self, ClauseKind, ItemKind, MapHead, Member, MemberKind, RowEnd};

/// Most layers upon each other that are looked through.
const LAYERS_MAX: usize = 64;

/// One map as it was written; `extends` is worked in already.
#[derive(Clone, Debug, PartialEq)]
pub struct MapText {
    pub name: String,
    pub docs: Vec<String>,
    /// The file that holds the map, or its outermost layer.
    pub file: String,
    /// `fo.CustomersV3`, `dv.account`
    pub sides: Sides<String>,
    pub arrow: String,
    /// The map that it is built upon, as written.
    pub base: Option<String>,
    pub lines: Vec<Line>,
    /// Rules of the maps below that its layers drop, the outermost layer first.
    pub dropped: Vec<Dropped>,
    pub examples: Vec<Example>,
}

/// `drop msdyn_creditrating because "…"`
#[derive(Clone, Debug, PartialEq)]
pub struct Dropped {
    pub label: String,
    pub because: Option<String>,
}

/// One line of a map.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    pub docs: Vec<String>,
    /// Comments that stand above it, by paragraph.
    pub notes: Vec<String>,
    /// A comment behind it.
    pub remark: Option<String>,
    /// The block that it stands in: `for dataAreaId in { "demf" }`.
    pub within: Option<String>,
    pub body: Body,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    Rule(RuleText),
    /// `filter …`, `partition in …`
    Scope(String),
    Policy(String),
    /// `seal a, b`
    Seal(String),
    /// What the reader of a rendered map sees elsewhere: its version.
    Version,
}

#[derive(Clone, Debug, PartialEq)]
pub struct RuleText {
    /// Its place among the rules of the plan.
    pub index: usize,
    pub left: String,
    pub arrow: String,
    pub right: String,
    /// Without the value map's rows, which stand in `values`.
    pub clauses: Vec<String>,
    pub values: Option<ValuesText>,
}

/// A value map, named or written on the spot.
#[derive(Clone, Debug, PartialEq)]
pub struct ValuesText {
    pub name: Option<String>,
    pub docs: Vec<String>,
    /// Left, arrow, right.
    pub rows: Vec<[String; 3]>,
}

/// A `test` item.
#[derive(Clone, Debug, PartialEq)]
pub struct Example {
    pub name: String,
    pub steps: Vec<String>,
}

impl RuleText {
    /// The rule on one line.
    pub fn line(&self) -> String {
        let clauses: String = self.clauses.iter().map(|it| format!("   {it}")).collect();
        format!("{} {} {}{clauses}", self.left, self.arrow, self.right)
    }
}

impl MapText {
    pub fn rules(&self) -> impl Iterator<Item = &RuleText> {
        self.lines.iter().filter_map(|it| match &it.body {
            Body::Rule(rule) => Some(rule),
            Body::Scope(_) | Body::Policy(_) | Body::Seal(_) | Body::Version => None,
        })
    }
}

pub fn of(project: &Project, sources: &Sources, built: &Built<'_>) -> MapText {
    let cx = Cx { project, sources, built };
    let map = built.map;
    let item = cx.item();
    let file = map.name.span.file;
    let (sides, arrow) = match &map.head {
        MapHead::Sides { left, right, arrow, .. } => (Sides::new(left.to_string(), right.to_string()), arrow.text()),
        MapHead::Extends(base) => (Sides::new(base.to_string(), base.to_string()), ""),
    };
    let mut lines = Vec::new();
    cx.lines(&map.members, None, &mut lines);
    MapText {
        name: map.name.text.clone(),
        docs: item.map(|it| it.docs.clone()).unwrap_or_default(),
        file: sources.file(file).name.clone(),
        sides,
        arrow: arrow.to_owned(),
        base: item.and_then(|it| match &it.kind {
            ItemKind::Map(ast::Map { head: MapHead::Extends(base), .. }) => Some(base.to_string()),
            _ => None,
        }),
        lines,
        dropped: cx.dropped(),
        examples: cx.examples(),
    }
}

struct Cx<'a> {
    project: &'a Project,
    sources: &'a Sources,
    built: &'a Built<'a>,
}

impl Cx<'_> {
    /// The item that declares the map, or its outermost layer.
    fn item(&self) -> Option<&ast::Item> {
        let name = self.built.map.name.span;
        let is_own = |it: &&ast::Item| matches!(&it.kind, ItemKind::Map(map) if map.name.span == name);
        self.project.files.iter().flat_map(|it| &it.items).find(is_own)
    }

    /// What the layers of the map drop; a map that is built upon itself was refused before.
    fn dropped(&self) -> Vec<Dropped> {
        let mut out = Vec::new();
        let mut layer = self.item();
        for _ in 0..LAYERS_MAX {
            let Some(ItemKind::Map(map)) = layer.map(|it| &it.kind) else { break };
            out.extend(map.members.iter().filter_map(|it| match &it.kind {
                MemberKind::Drop { label, because } => {
                    Some(Dropped { label: label.text.clone(), because: because.as_ref().map(|it| it.text.clone()) })
                }
                _ => None,
            }));
            let MapHead::Extends(base) = &map.head else { break };
            layer = self.item_of(&self.project.key(base));
        }
        out
    }

    fn item_of(&self, key: &str) -> Option<&ast::Item> {
        let is_it = |file: &ast::File, item: &ast::Item| matches!(&item.kind, ItemKind::Map(map) if self.project.own_key(file.id, &map.name.text) == key);
        let all = self.project.files.iter().flat_map(|file| file.items.iter().map(move |item| (file, item)));
        all.into_iter().find(|(file, item)| is_it(file, item)).map(|(_, item)| item)
    }

    fn lines(&self, members: &[Member], within: Option<&str>, out: &mut Vec<Line>) {
        for (at, member) in members.iter().enumerate() {
            let before = at.checked_sub(1).map(|it| members[it].span).filter(|it| it.file == member.span.file);
            let notes = self.notes(before, member.span);
            let body = match &member.kind {
                MemberKind::For { field, set, members } => {
                    let block = format!("for {} in {}", field.text, self.flat(set.span));
                    self.lines(members, Some(&block), out);
                    continue;
                }
                MemberKind::Version(_) => Body::Version,
                MemberKind::Partition(rule)
                | MemberKind::Key(rule)
                | MemberKind::Rule(rule)
                | MemberKind::Override { rule, .. } => match self.rule(rule, member.span) {
                    Some(rule) => Body::Rule(rule),
                    None => continue,
                },
                MemberKind::PartitionIn(_) | MemberKind::Filter { .. } => Body::Scope(self.flat(member.span)),
                MemberKind::Policy(policy) => Body::Policy(self.flat(policy.span)),
                MemberKind::Seal(_) => Body::Seal(self.flat(member.span)),
                MemberKind::Drop { .. } => continue,
            };
            let remark = self.remark(member.span);
            out.push(Line { docs: member.docs.clone(), notes, remark, within: within.map(str::to_owned), body });
        }
    }

    fn rule(&self, rule: &ast::Rule, span: Span) -> Option<RuleText> {
        let index = self.built.rules.iter().position(|it| it.span == span)?;
        let mut values = None;
        let mut clauses = Vec::new();
        for clause in &rule.clauses {
            match &clause.kind {
                ClauseKind::ViaRows(rows) => {
                    values = Some(ValuesText { name: None, docs: Vec::new(), rows: self.rows(rows) });
                }
                ClauseKind::Via(path) => {
                    values = values.or_else(|| self.named(path));
                    clauses.push(self.flat(clause.span));
                }
                _ => clauses.push(self.flat(clause.span)),
            }
        }
        let arrow = rule.arrow.text().to_owned();
        Some(RuleText { index, left: self.flat(rule.left.span), arrow, right: self.flat(rule.right.span), clauses, values })
    }

    fn named(&self, path: &ast::Path) -> Option<ValuesText> {
        let key = self.project.key(path);
        for file in &self.project.files {
            for item in &file.items {
                if let ItemKind::Values(values) = &item.kind
                    && path.segments.last().is_some_and(|it| it.text == values.name.text)
                    && self.project.own_key(file.id, &values.name.text) == key
                {
                    let rows = self.rows(&values.rows);
                    return Some(ValuesText { name: Some(values.name.text.clone()), docs: item.docs.clone(), rows });
                }
            }
        }
        None
    }

    fn rows(&self, rows: &[ast::ValueRow]) -> Vec<[String; 3]> {
        let end = |it: &RowEnd| match it {
            RowEnd::Value(expr) => self.flat(expr.span),
            RowEnd::Else(span) => self.flat(*span),
            RowEnd::Action(action) => self.flat(action.span),
        };
        rows.iter().map(|it| [end(&it.left), it.arrow.text().to_owned(), end(&it.right)]).collect()
    }

    fn examples(&self) -> Vec<Example> {
        let own = self.project.files.iter().filter(|it| !self.project.is_library(it.id)).flat_map(|it| &it.items);
        let tests = own.filter_map(|it| if let ItemKind::Test(test) = &it.kind { Some(test) } else { None });
        let name = &self.built.map.name.text;
        let mine = tests.filter(|it| it.map.segments.last().is_some_and(|last| last.text == *name));
        let steps = |test: &ast::Test| test.steps.iter().map(|it| self.flat(it.span)).collect();
        mine.map(|it| Example { name: it.name.text.clone(), steps: steps(it) }).collect()
    }

    /// The comments between what stands before and a line, by paragraph: lines that touch make one.
    fn notes(&self, before: Option<Span>, line: Span) -> Vec<String> {
        let Some(file) = self.project.file(line.file) else { return Vec::new() };
        let head = self.built.map.name.span;
        let start = before.map(|it| it.end).or((head.file == line.file && head.end < line.start).then_some(head.end));
        // The first line of a base's map: what stands above it belongs to that map's head.
        let Some(start) = start else { return Vec::new() };
        let between = &file.comments[file.comments.partition_point(|it| it.span.start < start)..];
        let between = between.iter().take_while(|it| it.span.end <= line.start);
        let mut out: Vec<(usize, String)> = Vec::new();
        for comment in between.filter(|it| !it.is_doc && !it.is_trailing) {
            let number = self.sources.position(comment.span).line;
            let text = words(self.sources.text(comment.span));
            match out.last_mut() {
                Some((last, paragraph)) if *last + 1 == number => {
                    *last = number;
                    paragraph.push(' ');
                    paragraph.push_str(text);
                }
                _ => out.push((number, text.to_owned())),
            }
        }
        out.into_iter().map(|(_, text)| text).collect()
    }

    fn remark(&self, line: Span) -> Option<String> {
        let file = self.project.file(line.file)?;
        let text = self.sources.file(line.file);
        let last = text.position(line.end).line;
        let behind = &file.comments[file.comments.partition_point(|it| it.span.start < line.end)..];
        let mut behind = behind.iter().take_while(|it| text.position(it.span.start).line == last);
        behind.find(|it| it.is_trailing).map(|it| words(self.sources.text(it.span)).to_owned())
    }

    fn flat(&self, span: Span) -> String {
        flat(self.sources.text(span))
    }
}

fn words(comment: &str) -> &str {
    comment.trim_start_matches('/').trim()
}

/// The text on one line; blanks within quotes stay as they are.
fn flat(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let (mut is_quoted, mut is_escaped) = (false, false);
    for letter in text.trim().chars() {
        match letter {
            '"' if !is_escaped => is_quoted = !is_quoted,
            it if it.is_whitespace() && !is_quoted => {
                if !out.ends_with(' ') {
                    out.push(' ');
                }
                continue;
            }
            _ => {}
        }
        is_escaped = is_quoted && letter == '\\' && !is_escaped;
        out.push(letter);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::flat;

    #[test]
    fn a_text_on_one_line_keeps_what_is_quoted() {
        assert_eq!(flat("a ++  \"x  y\"\n   ++ b"), "a ++ \"x  y\" ++ b");
        assert_eq!(flat(r#""\"  "   b"#), r#""\"  " b"#);
    }
}
