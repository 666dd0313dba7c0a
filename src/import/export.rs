//! The road back: maps of this language as the rows that dual-write stores, in the dialect that its service writes.
//!
//! What dual-write cannot express is refused with the reason, rule by rule; a map with a refusal is not written.

mod condition;
mod row;
mod wire;

use std::collections::{BTreeMap, HashMap};

use super::mapping::Mapping;
use super::{File, MARK, Note, names};
use crate::change::{Side, Sides};
use crate::schema::Schema;
use crate::syntax::ast::{self, ActionKind, Arrow, DeleteAction, ItemKind, MapHead, Member, MemberKind, PolicyKind};

/// What was made of the maps of a project.
#[derive(Clone, Debug, Default)]
pub struct Exported {
    /// One for each map.
    pub files: Vec<File>,
    pub notes: Vec<Note>,
    pub maps: usize,
}

const UNVERSIONED: &str =
    "has no `version`, so 1.0.0.0 is written; say `version` and a number in the map to tell its states apart";

/// What maps name: value maps and other maps, by their names.
struct Project<'p> {
    values: HashMap<&'p str, &'p ast::Values>,
    maps: HashMap<&'p str, &'p ast::Map>,
    schemas: &'p BTreeMap<String, Schema>,
}

/// Writes the maps of these files; they must be free of errors. The schemas are those of the check.
pub fn export(files: &[ast::File], schemas: &BTreeMap<String, Schema>) -> Exported {
    let items = || files.iter().flat_map(|it| &it.items);
    let mut project = Project { values: HashMap::new(), maps: HashMap::new(), schemas };
    for item in items() {
        match &item.kind {
            ItemKind::Values(values) => drop(project.values.insert(&values.name.text, values)),
            ItemKind::Map(map) => drop(project.maps.insert(&map.name.text, map)),
            _ => {}
        }
    }
    let mut out = Exported::default();
    for item in items() {
        if let ItemKind::Map(map) = &item.kind {
            let mut notes = Vec::new();
            let mapping = Exporter { project: &project, map, notes: &mut notes }.mapping(item);
            match mapping.filter(|_| notes.iter().all(|it| !it.is_error)) {
                Some(mapping) => {
                    let file = File { name: wire::file_name(&mapping), text: wire::text(&mapping) };
                    if mapping.version.is_none() {
                        notes.push(Note::warning(&map.name.text, None, UNVERSIONED));
                    }
                    if out.files.iter().any(|it| it.name == file.name) {
                        let why = format!("another map is written as `{}` already, which would be lost", file.name);
                        notes.push(Note::error(&map.name.text, None, why));
                    } else {
                        out.maps += 1;
                        out.files.push(file);
                    }
                }
                None => notes.push(Note::warning(&map.name.text, None, "is not written")),
            }
            out.notes.append(&mut notes);
        }
    }
    out
}

/// One map on its way out.
struct Exporter<'p, 'n> {
    project: &'p Project<'p>,
    map: &'p ast::Map,
    notes: &'n mut Vec<Note>,
}

/// The entities of a map and the schemas that they stand in.
struct Ends<'p> {
    entities: Sides<&'p str>,
    schemas: Sides<&'p Schema>,
}

impl<'p> Exporter<'p, '_> {
    fn refuse(&mut self, what: &str, why: impl std::fmt::Display) {
        self.notes.push(Note::error(&self.map.name.text, None, format!("{what}: {why}")));
    }

    fn mapping(&mut self, item: &ast::Item) -> Option<Mapping> {
        let (ends, arrow) = self.ends()?;
        let full_name = marks(&item.docs).into_iter().next().unwrap_or_else(|| full_name(&ends));
        let (set, label) = identity(&full_name, &ends);
        let description =
            item.docs.iter().filter(|it| !it.trim_start().starts_with(MARK)).map(|it| it.trim()).collect::<Vec<_>>().join(" ");
        let mut mapping = Mapping {
            full_name,
            label,
            set,
            version: None,
            description: Some(description).filter(|it| !it.is_empty()),
            left_filter: String::new(),
            right_filter: String::new(),
            rows: Vec::new(),
            refused: Vec::new(),
        };
        for member in &self.map.members {
            self.member(member, arrow, &ends, &mut mapping);
        }
        for (index, row) in mapping.rows.iter_mut().enumerate() {
            row.number = index + 1;
        }
        Some(mapping)
    }

    /// The two entities, if a finance system stands on the left and one with entity sets on the right.
    fn ends(&mut self) -> Option<(Ends<'p>, Arrow)> {
        let MapHead::Sides { left, arrow, right, .. } = &self.map.head else {
            self.refuse("the map", "is a layer; dual-write knows whole maps only");
            return None;
        };
        let find = |path: &'p ast::Path| -> Option<(&'p str, &'p Schema)> {
            let [system, entity] = path.segments.as_slice() else { return None };
            Some((entity.text.as_str(), self.project.schemas.get(&system.text)?))
        };
        let (left, right) = find(left).zip(find(right))?;
        Some((Ends { entities: Sides::new(left.0, right.0), schemas: Sides::new(left.1, right.1) }, *arrow))
    }

    fn member(&mut self, member: &'p Member, head: Arrow, ends: &Ends<'p>, mapping: &mut Mapping) {
        match &member.kind {
            MemberKind::Version(version) => mapping.version = Some(version.text.clone()),
            // The company comes from the context; it is never mapped.
            MemberKind::Partition(_) | MemberKind::Seal(_) => {}
            MemberKind::PartitionIn(_) => self.refuse("`partition in`", "dual-write cannot keep a map to some companies"),
            MemberKind::Key(rule) => {
                let implied = if head == Arrow::Both { Arrow::Both } else { head };
                self.rule(rule, implied, &member.docs, ends, mapping);
            }
            MemberKind::Rule(rule) => self.rule(rule, rule.arrow, &member.docs, ends, mapping),
            MemberKind::Filter { left, right, .. } => self.filter(left.as_ref(), right.as_ref(), ends, mapping),
            MemberKind::Override { label, .. } | MemberKind::Drop { label, .. } => {
                self.refuse(&format!("`{}`", label.text), "changes a rule of another map");
            }
            MemberKind::For { .. } => self.refuse("`for`", "dual-write has the same rules for all companies"),
            MemberKind::Policy(policy) => self.policy(&policy.kind),
        }
    }

    fn filter(&mut self, left: Option<&ast::Expr>, right: Option<&ast::Expr>, ends: &Ends<'p>, mapping: &mut Mapping) {
        for (side, expr) in [(Side::Left, left), (Side::Right, right)] {
            let Some(expr) = expr else { continue };
            let text = condition::text(expr, side, ends);
            let to = if side == Side::Left { &mut mapping.left_filter } else { &mut mapping.right_filter };
            match text {
                Ok(text) if to.is_empty() => *to = text,
                Ok(text) => *to = condition::both(side, to, &text),
                Err(why) => self.refuse("the filter", why),
            }
        }
    }

    /// Dual-write has one way for each of these. Another one would be lost.
    fn policy(&mut self, kind: &PolicyKind) {
        match kind {
            PolicyKind::Conflict { fields, .. } if fields.is_empty() => {}
            PolicyKind::Conflict { .. } => self.refuse("`on conflict … for`", "dual-write has no policy for some columns"),
            PolicyKind::Delete { action: DeleteAction::Delete, .. } => {}
            PolicyKind::Delete { .. } => self.refuse("`on delete`", "dual-write deletes, and knows nothing else"),
            PolicyKind::Exit { action, .. } if action.text == "detach" => {}
            PolicyKind::Exit { .. } => self.refuse("`on exit`", "dual-write leaves a row that left the filter as it is"),
            PolicyKind::Rekey(action) if action.text == "reject" => {}
            PolicyKind::Rekey(_) => self.refuse("`on rekey`", "dual-write does not follow a key that changes"),
            PolicyKind::Error { .. } => self.refuse("`on error`", "this is set up in dual-write's alerts"),
            PolicyKind::Missing(action) if matches!(action.kind, ActionKind::Reject | ActionKind::Park) => {}
            PolicyKind::Missing(_) => self.refuse("`on missing`", "dual-write fails a row whose reference is missing"),
        }
    }
}

/// The documentation lines that hold what only dual-write needs.
fn marks(docs: &[String]) -> Vec<String> {
    docs.iter().filter_map(|it| it.trim().strip_prefix(MARK)).map(|it| it.trim().to_owned()).collect()
}

/// The set of a table, as it stands in addresses.
fn set_of(schema: &Schema, table: &str) -> String {
    schema.entities.get(table).and_then(|it| it.set.clone()).unwrap_or_else(|| plural(table))
}

/// The usual set of a table.
fn plural(table: &str) -> String {
    match table.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'o', 'u']) => format!("{stem}ies"),
        _ if ["s", "x", "sh", "ch"].iter().any(|it| table.ends_with(it)) => format!("{table}es"),
        _ => format!("{table}s"),
    }
}

/// A name for a map that was never one of dual-write's.
fn full_name(ends: &Ends<'_>) -> String {
    let set = set_of(ends.schemas[Side::Right], ends.entities[Side::Right]);
    let entity = ends.schemas[Side::Left].entities.get(ends.entities[Side::Left]);
    let doc = entity.and_then(|it| it.doc.as_deref()).and_then(|it| it.split_once(" (")).map(|it| it.0);
    format!("{}_[{set} - {}]", PREFIX, doc.unwrap_or(ends.entities[Side::Left]))
}

/// The publisher of maps that name none.
const PREFIX: &str = "dwmap";

/// Entity set and label from `msdyn_[accounts - Customers V3]`.
fn identity(full_name: &str, ends: &Ends<'_>) -> (String, String) {
    let inner = full_name.split_once('[').and_then(|(_, it)| it.strip_suffix(']')).unwrap_or(full_name);
    inner.split_once(" - ").map_or_else(
        || (set_of(ends.schemas[Side::Right], ends.entities[Side::Right]), inner.to_owned()),
        |(set, label)| (set.to_owned(), label.to_owned()),
    )
}

/// The name of a path of one segment.
fn single(expr: &ast::Expr) -> Option<&str> {
    match &bare(expr).kind {
        ast::ExprKind::Path(path) if path.segments.len() == 1 => Some(&path.segments[0].text),
        _ => None,
    }
}

/// What stands inside parentheses.
fn bare(expr: &ast::Expr) -> &ast::Expr {
    match &expr.kind {
        ast::ExprKind::Group(inner) => bare(inner),
        _ => expr,
    }
}

/// A literal as dual-write's texts have it. Members of a choice are numbers there, those of an enum their symbols.
fn literal(expr: &ast::Expr, kind: Option<&crate::value::Kind>) -> Option<String> {
    use crate::value::{Kind, Value};
    match &bare(expr).kind {
        ast::ExprKind::Bool(it) => Some(if *it { "True" } else { "False" }.to_owned()),
        ast::ExprKind::Number(digits) => Some(digits.clone()),
        ast::ExprKind::Text(text) => Some(text.clone()),
        ast::ExprKind::Unary { op: ast::UnaryOp::Negate, operand } => literal(operand, kind).map(|it| format!("-{it}")),
        ast::ExprKind::Path(path) => {
            let word = &path.segments.last()?.text;
            let Some(Kind::Enum(set)) = kind else { return None };
            match &set.member(word)?.value {
                Value::Int(number) => Some(number.to_string()),
                _ => Some(names::capital(word)),
            }
        }
        _ => None,
    }
}
