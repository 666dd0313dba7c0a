//! The road in from dual-write, and back: saved maps become text that people read, and text becomes saved maps again.
//!
//! Bytes in, texts and notes out; nothing here reads or writes a file. What dual-write says and the language cannot, or what had to be
//! guessed, becomes a note that names the map and the row. What only the way back needs stands in documentation lines that
//! begin with `dual-write:`.

pub mod archive;
mod area;
pub mod export;
mod filter;
mod infer;
pub mod keys;
pub mod mapping;
mod names;
mod path;
mod plan;
mod records;
mod solution;
mod values;
mod write;

use crate::change::{Side, Sides};
use crate::schema::{Field, Schema};

pub use keys::Keys;
use plan::Planned;

/// The names that the written maps give to the two systems.
pub const LEFT: &str = "fo";
pub const RIGHT: &str = "dv";

/// How a documentation line begins that holds what only dual-write needs.
pub const MARK: &str = "dual-write:";

fn system(side: Side) -> &'static str {
    match side {
        Side::Left => LEFT,
        Side::Right => RIGHT,
    }
}

/// Something that a person should know about an imported map.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Note {
    /// Something of the original is missing in the text.
    pub is_error: bool,
    /// `accounts - Customers V3`, or the file.
    pub map: String,
    /// The row's place in `fieldMappings`, from 1.
    pub row: Option<usize>,
    pub text: String,
}

impl Note {
    pub fn error(map: &str, row: Option<usize>, text: impl Into<String>) -> Self {
        Self { is_error: true, map: map.to_owned(), row, text: text.into() }
    }

    pub fn warning(map: &str, row: Option<usize>, text: impl Into<String>) -> Self {
        Self { is_error: false, map: map.to_owned(), row, text: text.into() }
    }
}

impl std::fmt::Display for Note {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let word = if self.is_error { "error" } else { "warning" };
        match self.row {
            Some(row) => write!(out, "{word}: {}, row {row}: {}", self.map, self.text),
            None => write!(out, "{word}: {}: {}", self.map, self.text),
        }
    }
}

/// What to import with.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub keys: Keys,
    /// A schema that is given is named in the maps; another one is inferred and written out.
    pub schemas: Sides<Option<Schema>>,
}

/// One file to write, by its name within the folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    pub name: String,
    pub text: String,
}

#[derive(Clone, Debug, Default)]
pub struct Imported {
    pub files: Vec<File>,
    pub notes: Vec<Note>,
    pub maps: usize,
}

/// The maps that are planned, and what is known of both systems.
struct World {
    maps: Vec<Planned>,
    schemas: Sides<Schema>,
    is_given: Sides<bool>,
}

impl World {
    /// A field by its name; Finance & Operations does not tell cases apart.
    fn field(&self, side: Side, entity: &str, name: &str) -> Option<&Field> {
        let fields = &self.schemas[side].entities.get(entity)?.fields;
        fields.get(name).or_else(|| fields.values().find(|it| it.name.eq_ignore_ascii_case(name)))
    }
}

/// Imports all maps of the inputs, which are named for messages only.
pub fn import(inputs: &[(String, Vec<u8>)], options: &Options) -> Imported {
    let mut notes = Vec::new();
    let mut mappings = Vec::new();
    for (name, bytes) in inputs {
        let opened = archive::texts(name, bytes);
        notes.extend(opened.problems.into_iter().map(|it| Note::error(name, None, it)));
        for text in opened.texts {
            let records = records::read(&text).unwrap_or_else(|error| vec![Err(error)]);
            for record in records {
                match record {
                    Ok(record) => mappings.extend(mapping::read(&record, &mut notes)),
                    Err(error) => notes.push(Note::error(&text.name, None, error)),
                }
            }
        }
    }
    let (current, older) = versions(mappings);
    let maps = current.len();
    let mut files = write(current, options, &mut notes);
    let mut folders: Vec<String> = Vec::new();
    for mapping in older {
        let version = mapping.version.as_ref().map(|it| format!("-{it}")).unwrap_or_default();
        let plain = format!("{OLDER}/{}{version}", names::pascal(&mapping.identity()));
        let numbered = (2..).map(|it| format!("{plain}-{it}"));
        let mut free = std::iter::once(plain.clone()).chain(numbered).filter(|it| !folders.contains(it));
        let folder = free.next().expect("there are more numbers than folders");
        drop(free);
        folders.push(folder.clone());
        let text = format!("is another version of the same map; it is written into `{folder}`");
        notes.push(Note::warning(&mapping.identity(), None, text));
        // What there is to say of it was said of the version that counts.
        let written = write(vec![mapping], options, &mut Vec::new());
        files.extend(written.into_iter().map(|it| File { name: format!("{folder}/{}", it.name), text: it.text }));
        files.push(File { name: format!("{folder}/{PROJECT}"), text: "maps = [\"*.dwmap\"]\n".to_owned() });
    }
    if files.iter().any(|it| it.name.starts_with(OLDER)) {
        files.push(File { name: PROJECT.to_owned(), text: PROJECT_TEXT.to_owned() });
    }
    notes.sort();
    notes.dedup();
    Imported { files, notes, maps }
}

/// The folder of versions that are not the highest.
const OLDER: &str = "older";
/// Keeps the other versions out of the project: they bear the same names.
const PROJECT: &str = "dwmap.toml";
const PROJECT_TEXT: &str =
    "# The versions that count. The others stand in `older`, each a project of its own.\n\nmaps = [\"*.dwmap\"]\n";

/// One version of each map, and the others. A version such as 9.9.9.9 is parked: it is the highest, and not what runs.
fn versions(mappings: Vec<mapping::Mapping>) -> (Vec<mapping::Mapping>, Vec<mapping::Mapping>) {
    let number = |it: &mapping::Mapping| -> Vec<u64> {
        it.version.iter().flat_map(|it| it.split('.')).map(|it| it.parse().unwrap_or(u64::MAX)).collect()
    };
    let rank = |it: &mapping::Mapping| {
        let parts = number(it);
        let is_parked = parts.len() > 1 && parts.iter().all(|it| *it >= 9 && *it == parts[0]);
        (!is_parked, parts)
    };
    let (mut current, mut older): (Vec<mapping::Mapping>, Vec<_>) = (Vec::new(), Vec::new());
    for mapping in mappings {
        match current.iter_mut().find(|it| it.identity() == mapping.identity()) {
            None => current.push(mapping),
            Some(known) if *known == mapping || older.contains(&mapping) => {}
            Some(known) if rank(known) < rank(&mapping) => older.push(std::mem::replace(known, mapping)),
            Some(_) => older.push(mapping),
        }
    }
    (current, older)
}

fn write(mappings: Vec<mapping::Mapping>, options: &Options, notes: &mut Vec<Note>) -> Vec<File> {
    let maps = plan::plan(mappings, &options.schemas, &options.keys, notes);
    let schemas = infer::schemas(&maps, &options.schemas, notes);
    let is_given = Sides::new(options.schemas[Side::Left].is_some(), options.schemas[Side::Right].is_some());
    let world = World { maps, schemas, is_given };
    write::files(&world, notes)
}
