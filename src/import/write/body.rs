//! One map: its head, its key and scope, its rules by what they are for, its policies.

use super::Writer;
use super::rules::Line;
use crate::change::Side;
use crate::import::mapping::{Direction, Row, Transform};
use crate::import::path::Target;
use crate::import::plan::{COMPANY_CODE, COMPANY_TABLE};
use crate::import::{LEFT, MARK, Note, RIGHT, area, names};

/// The parts of a body, in the order in which they stand.
#[derive(Default)]
struct Parts {
    head: Vec<String>,
    constants: Vec<String>,
    fields: Vec<String>,
    references: Vec<String>,
    /// What could not be said.
    missing: Vec<String>,
}

impl Writer<'_> {
    pub fn body(&mut self) -> String {
        let mapping = self.map.mapping.clone();
        let arrow = self.arrow();
        let mut parts = Parts::default();
        self.partition(&mut parts);
        self.keys(&mut parts);
        let filters = self.filters();
        let has_filter = !filters.is_empty();
        parts.head.extend(filters);
        let mut done: Vec<String> = self.map.key.clone();
        for row in &mapping.rows {
            self.row(row, &mut done, &mut parts);
        }
        let mut text = String::new();
        if let Some(description) = &mapping.description {
            text.push_str(&format!("/// {description}\n"));
        }
        text.push_str(&format!("/// {MARK} {}\n", mapping.full_name));
        let entities = &self.map.entities;
        let (left, right) = (names::written(&entities[Side::Left]), names::written(&entities[Side::Right]));
        text.push_str(&format!("map {}: {LEFT}.{left} {} {RIGHT}.{right} {{\n", self.map.name, symbol(arrow)));
        let version = mapping.version.iter().map(|it| format!("version {it}")).collect();
        for part in [
            version,
            parts.head,
            parts.constants,
            parts.fields,
            parts.references,
            parts.missing,
            policies(arrow, has_filter, self.may_wait),
        ] {
            if !part.is_empty() {
                text.push_str(&format!("  {}\n\n", part.join("\n  ")));
            }
        }
        text.trim_end().to_owned() + "\n}\n"
    }

    /// The map goes one way if every row that carries values does.
    pub fn arrow(&self) -> Direction {
        let carrying = self.map.mapping.rows.iter().filter(|it| !it.left.is_empty() && it.right.is_some());
        carrying.map(|it| it.direction).reduce(Direction::with).unwrap_or(Direction::Both)
    }

    fn partition(&mut self, parts: &mut Parts) {
        let Some(company) = &self.map.partition else { return };
        let companies = self.world.maps.iter().find(|it| {
            let is_earlier = area::rank(it.area) <= area::rank(self.map.area);
            it.entities[Side::Right] == COMPANY_TABLE && it.key == [COMPANY_CODE] && is_earlier && it.name != self.map.name
        });
        let via = match companies {
            Some(map) => self.name_in(map.area, &map.name),
            None => format!("{RIGHT}.{COMPANY_TABLE}({COMPANY_CODE})"),
        };
        let (left, right) = (names::written(&company[Side::Left]), names::written(&company[Side::Right]));
        parts.head.push(format!("partition {left} <-> {right} via {via}"));
    }

    fn keys(&mut self, parts: &mut Parts) {
        for column in self.map.key.clone() {
            let rows: Vec<Row> = self.map.rows_of(&column).cloned().collect();
            let line = self.rule(&rows, true);
            push("key ", line, &mut parts.head, &mut parts.missing);
        }
    }

    fn row(&mut self, row: &Row, done: &mut Vec<String>, parts: &mut Parts) {
        let is_constant = row.left.is_empty() || row.right.is_none();
        match &row.right {
            Some(target) if !is_constant => {
                if done.iter().any(|it| it == target.column()) {
                    return;
                }
                done.push(target.column().to_owned());
                let rows: Vec<Row> = self.map.rows_of(target.column()).cloned().collect();
                let line = self.rule(&rows, false);
                let place = if matches!(target, Target::Column(_)) { &mut parts.fields } else { &mut parts.references };
                push("", line, place, &mut parts.missing);
            }
            Some(_) | None => {
                let line = self.constant_rule(row);
                push("", line, &mut parts.constants, &mut parts.missing);
            }
        }
    }

    /// `Customer -> customertypecode   on create`
    fn constant_rule(&mut self, row: &Row) -> Result<Line, String> {
        let Some(Transform::Default(value)) = &row.transform else {
            return Err(self.refuse(row, "a constant has a value"));
        };
        let side = if row.left.is_empty() { Side::Right } else { Side::Left };
        let column = row.right.as_ref().map_or(row.left.as_str(), Target::column);
        if matches!(row.right, Some(Target::Lookup { .. } | Target::Several { .. })) {
            return Err(self.refuse(row, "a constant reference: a rule refers to a row by a field"));
        }
        let Some(field) = self.world.field(side, &self.map.entities[side], column).cloned() else {
            return Err(self.refuse(row, &format!("`{}` has no column `{column}`", self.map.entities[side])));
        };
        let Some(literal) = crate::import::values::value(&field.kind, value) else {
            return Err(self.refuse(row, &format!("`{value}` is no value of `{}`", field.kind)));
        };
        let name = names::written(&field.name);
        let text = match side {
            Side::Right => format!("{literal} -> {name}   on create"),
            Side::Left => format!("{name} <- {literal}   on create"),
        };
        Ok(Line { marks: self.marks(&[row], row.direction), text })
    }

    /// Says that a row is not in the text, and returns what stands there instead.
    pub fn refuse(&mut self, row: &Row, why: &str) -> String {
        let text = format!("{}: {why}; the row is not imported", row.text());
        self.notes.push(Note::error(&self.map.mapping.identity(), Some(row.number), text));
        format!("// Not imported, row {}: `{}`: {why}.", row.number, row.text())
    }
}

fn push(word: &str, line: Result<Line, String>, to: &mut Vec<String>, missing: &mut Vec<String>) {
    match line {
        Ok(line) => {
            to.extend(line.marks);
            to.push(format!("{word}{}", line.text));
        }
        Err(comment) => missing.push(comment),
    }
}

pub fn symbol(direction: Direction) -> &'static str {
    match direction {
        Direction::Both => "<->",
        Direction::Right => "->",
        Direction::Left => "<-",
    }
}

/// What dual-write does without saying so: Dataverse is the master of an initial sync, deletes are carried over.
fn policies(arrow: Direction, has_filter: bool, may_wait: bool) -> Vec<String> {
    let exit = has_filter.then(|| match arrow {
        Direction::Both => "on exit <-> detach".to_owned(),
        one_way => format!("on exit {} detach", symbol(one_way)),
    });
    let mut lines = match arrow {
        Direction::Both => vec![format!("on conflict prefer {RIGHT}"), "on delete <-> delete".to_owned()],
        one_way => vec![format!("on delete {} delete", symbol(one_way))],
    };
    lines.extend(exit);
    // A row that a filter leaves out may never come; dual-write's row fails for as long.
    lines.extend(may_wait.then(|| "on missing park".to_owned()));
    lines
}
