//! From planned maps to files: one for each area, with the value maps that only this area uses.

mod body;
mod entities;
pub mod filters;
mod lookups;
mod rules;

use std::collections::BTreeSet;

pub use rules::NOTHING;

use super::area::{self, COMMON};
use super::plan::Planned;
use super::values::{self, Shared, ValueMaps};
use super::{File, LEFT, Note, RIGHT, World};
use crate::change::Side;
use crate::syntax::format;

/// A row that is not in the text, by its number; a note and a comment say why.
#[derive(Debug)]
struct Refused(usize);

/// What stands in a map in the place of something that is not there: one line, whatever the text holds.
fn comment(of: &str, text: &str) -> String {
    format!("// Not imported{of}: {}", text.split(char::is_control).collect::<Vec<_>>().join(" "))
}

/// What the writers of maps share.
struct Writer<'w> {
    world: &'w World,
    values: &'w ValueMaps,
    map: &'w Planned,
    /// Areas that the file names.
    uses: BTreeSet<&'static str>,
    /// A rule of this map can refer to a row that the filter of another one leaves out.
    may_wait: bool,
    /// What could not be said, as comments.
    missing: Vec<String>,
    notes: &'w mut Vec<Note>,
}

impl Writer<'_> {
    /// A name of another file, behind the alias that this file gives it.
    fn name_in(&mut self, area: &'static str, name: &str) -> String {
        if area == self.map.area {
            return name.to_owned();
        }
        self.uses.insert(area);
        format!("{area}.{name}")
    }
}

pub fn files(world: &World, notes: &mut Vec<Note>) -> Vec<File> {
    let values = values::collect(world, notes);
    let inferred = entities::text(world);
    let mut areas: Vec<&'static str> = world.maps.iter().map(|it| it.area).collect();
    areas.dedup();
    let mut out: Vec<File> = Vec::new();
    let shared: Vec<&Shared> = values.list.iter().filter(|it| it.area == COMMON).collect();
    if !shared.is_empty() {
        out.push(file(world, COMMON, &BTreeSet::new(), &shared, &[]));
    }
    for area in areas {
        let mut uses = BTreeSet::new();
        let mut maps = Vec::new();
        for map in world.maps.iter().filter(|it| it.area == area) {
            let mut writer =
                Writer { world, values: &values, map, uses: BTreeSet::new(), may_wait: false, missing: Vec::new(), notes };
            maps.push(writer.body());
            uses.append(&mut writer.uses);
        }
        let own: Vec<&Shared> = values.list.iter().filter(|it| it.area == area).collect();
        out.push(file(world, area, &uses, &own, &maps));
    }
    if !inferred.is_empty() {
        out.push(File { name: "inferred.dwmap".to_owned(), text: formatted("inferred", &inferred) });
    }
    out
}

fn file(world: &World, area: &str, uses: &BTreeSet<&'static str>, values: &[&Shared], maps: &[String]) -> File {
    let mut text = format!("// {}\n\n", area::title(area));
    let mut used: Vec<&&str> = uses.iter().collect();
    used.sort_by_key(|it| area::rank(it));
    for used in &used {
        text.push_str(&format!("use \"{used}\" as {used}\n"));
    }
    if !used.is_empty() {
        text.push('\n');
    }
    text.push_str(&systems(world));
    for it in values {
        text.push('\n');
        text.push_str(&it.text());
    }
    for map in maps {
        text.push('\n');
        text.push_str(map);
    }
    File { name: format!("{area}.dwmap"), text: formatted(area, &text) }
}

/// Both systems, with their schemas where they were given.
fn systems(world: &World) -> String {
    let line = |side: Side, name: &str, profile: &str| {
        let schema = if world.is_given[side] { format!(" from \"schemas/{name}.json\"") } else { String::new() };
        format!("system {name}{schema} profile {profile}\n")
    };
    line(Side::Left, LEFT, "finops") + &line(Side::Right, RIGHT, "dataverse")
}

/// The text in its one form. What was written here parses, or the writer is wrong.
fn formatted(name: &str, text: &str) -> String {
    match format::format_text(name, text) {
        Ok(text) => text,
        Err(format::Unformatted::TooLong(_)) => text.to_owned(),
        Err(format::Unformatted::Broken { diagnostics, .. }) => {
            let first = diagnostics.iter().next().map(|it| it.message.clone()).unwrap_or_default();
            debug_assert!(false, "an imported map does not parse: {first}\n{text}");
            text.to_owned()
        }
    }
}
