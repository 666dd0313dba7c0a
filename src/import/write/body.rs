//! One map: its head, its key and scope, its rules by what they are for, its policies.

use super::rules::Line;
use super::{Refused, Writer, comment};
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
}

impl Writer<'_> {
    pub fn body(&mut self) -> String {
        let mapping = self.map.mapping.clone();
        let arrow = self.arrow();
        let mut parts = Parts::default();
        self.partition(&mut parts);
        self.keys(&mut parts);
        let refused = mapping.refused.iter().map(|(number, why)| comment(&format!(", row {number}"), &format!("{why}.")));
        self.missing.extend(refused);
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
            std::mem::take(&mut self.missing),
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
            let mut groups = self.groups(&column).into_iter();
            if let Some(rows) = groups.next() {
                push("key ", self.whole_rule(&rows, true), &mut parts.head);
            }
            for rows in groups {
                push("", self.whole_rule(&rows, false), &mut parts.fields);
            }
        }
    }

    /// The rows of a column of Dataverse, those that make one rule together. A column is written by one rule only, so a row that
    /// writes it again is refused; one of the other direction is a rule of its own.
    fn groups(&mut self, column: &str) -> Vec<Vec<Row>> {
        let rows: Vec<Row> = self.map.rows_of(column).filter(|it| !it.left.is_empty()).cloned().collect();
        let mut groups: Vec<Vec<Row>> = Vec::new();
        for row in rows {
            // The two directions of one row, written apart.
            let is_half = |it: &&mut Row| {
                let is_same = it.left == row.left && it.right == row.right;
                is_same
                    && it.transform == row.transform
                    && it.extra == row.extra
                    && it.direction.with(row.direction) != it.direction
            };
            if let Some(half) = groups.iter_mut().flatten().find(is_half) {
                half.direction = Direction::Both;
                continue;
            }
            let is_part = |group: &&mut Vec<Row>| {
                let is_lookup = |it: &Row| matches!(it.right, Some(Target::Lookup { .. }));
                is_lookup(&row) && group.iter().all(|it| is_lookup(it) && it.right != row.right)
            };
            match groups.iter_mut().find(is_part) {
                Some(group) => group.push(row),
                None => groups.push(vec![row]),
            }
        }
        let mut out: Vec<Vec<Row>> = Vec::new();
        for group in groups {
            match out.iter().find_map(|it| rival(it, &group)) {
                Some(why) => {
                    for row in &group {
                        self.refuse(row, &why);
                    }
                }
                None => out.push(group),
            }
        }
        out
    }

    /// The rule of these rows. If one cannot be said, the others of the same reference are not there either, and each says so.
    fn whole_rule(&mut self, rows: &[Row], is_key: bool) -> Result<Line, Refused> {
        let line = self.rule(rows, is_key);
        if let Err(Refused(number)) = line {
            let why = format!("it belongs to one reference with row {number}, which is not imported");
            for row in rows.iter().filter(|it| it.number != number) {
                self.refuse(row, &why);
            }
        }
        line
    }

    fn row(&mut self, row: &Row, done: &mut Vec<String>, parts: &mut Parts) {
        let is_constant = row.left.is_empty() || row.right.is_none();
        match &row.right {
            Some(target) if !is_constant => {
                if done.iter().any(|it| it == target.column()) {
                    return;
                }
                done.push(target.column().to_owned());
                for rows in self.groups(target.column()) {
                    let is_field = matches!(rows[0].right, Some(Target::Column(_)));
                    let place = if is_field { &mut parts.fields } else { &mut parts.references };
                    push("", self.whole_rule(&rows, false), place);
                }
            }
            Some(_) | None => {
                let line = self.constant_rule(row);
                push("", line, &mut parts.constants);
            }
        }
    }

    /// `Customer -> customertypecode   on create`
    fn constant_rule(&mut self, row: &Row) -> Result<Line, Refused> {
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

    /// Says that a row is not in the text, here and in a comment of the map.
    pub fn refuse(&mut self, row: &Row, why: &str) -> Refused {
        let text = format!("{}: {why}; the row is not imported", row.text());
        self.notes.push(Note::error(&self.map.mapping.identity(), Some(row.number), text));
        self.missing.push(comment(&format!(", row {}", row.number), &format!("`{}`: {why}.", row.text())));
        Refused(row.number)
    }
}

fn push(word: &str, line: Result<Line, Refused>, to: &mut Vec<String>) {
    if let Ok(line) = line {
        to.extend(line.marks);
        to.push(format!("{word}{}", line.text));
    }
}

/// Why the rows of one column cannot be a rule beside others of that column.
fn rival(first: &[Row], second: &[Row]) -> Option<String> {
    let (own, column) = (&first[0], first[0].right.as_ref().map_or("", Target::column));
    if first.iter().any(|it| it.direction.leads_right()) && second.iter().any(|it| it.direction.leads_right()) {
        return Some(format!("row {} writes `{column}` already", own.number));
    }
    let is_copy = |it: &Row| it.left.eq_ignore_ascii_case(&own.left) && it.right == own.right && it.direction.leads_left();
    if own.direction.leads_left() && second.iter().any(is_copy) {
        return Some(format!("row {} writes `{}` already", own.number, own.left));
    }
    let is_lookup = |it: &[Row]| matches!(it[0].right, Some(Target::Lookup { .. }));
    if is_lookup(first) && is_lookup(second) {
        let is_one_way = |it: &[Row]| it.iter().all(|row| row.direction == it[0].direction);
        let has_same = first.len() == second.len() && first.iter().all(|it| second.iter().any(|own| own.right == it.right));
        if !is_one_way(first) || !is_one_way(second) || !has_same {
            return Some(format!("row {} gives the same part of `{column}` already", own.number));
        }
    }
    None
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
