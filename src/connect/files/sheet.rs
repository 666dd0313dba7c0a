//! The content of one file: columns and rows.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use serde_json::{Map, Value as Json};

use super::{cells, separated};
use crate::schema::{Shape, ShapeField};
use crate::value::{Slot, Value};

/// The mark at the start of a text that some programs write.
const MARK: char = '\u{feff}';

/// How rows stand in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Csv,
    /// One JSON object a line.
    Lines,
}

/// Columns and rows; a cell that is not there is `None`.
#[derive(Clone, Debug, PartialEq)]
pub struct Sheet {
    pub format: Format,
    pub columns: Vec<String>,
    pub rows: Vec<Vec<Option<Json>>>,
    has_mark: bool,
    line_end: &'static str,
}

impl Sheet {
    /// Reads a file's text. The error says on which line something is wrong.
    pub fn parse(format: Format, text: &str) -> Result<Self, String> {
        let line_end = if text.lines().next().is_some_and(|it| text[it.len()..].starts_with("\r\n")) { "\r\n" } else { "\n" };
        let mut sheet = Self { format, columns: Vec::new(), rows: Vec::new(), has_mark: text.starts_with(MARK), line_end };
        let text = text.trim_start_matches(MARK);
        match format {
            Format::Csv => sheet.read_csv(text)?,
            Format::Lines => sheet.read_lines(text)?,
        }
        Ok(sheet)
    }

    fn read_csv(&mut self, text: &str) -> Result<(), String> {
        let mut lines = separated::parse(text)?.into_iter();
        let Some((_, header)) = lines.next() else { return Ok(()) };
        for (number, name) in (1..).zip(header) {
            let name = name.filter(|it| !it.trim().is_empty()).ok_or_else(|| format!("line 1: column {number} has no name"))?;
            if self.columns.contains(&name) {
                return Err(format!("line 1: two columns are called `{name}`"));
            }
            self.columns.push(name);
        }
        for (number, cells) in lines {
            let (has, wants) = (cells.len(), self.columns.len());
            if has != wants {
                return Err(format!("line {number}: {has} cells, where the header has {wants}"));
            }
            self.rows.push(cells.into_iter().map(|it| Some(it.map_or(Json::Null, Json::String))).collect());
        }
        Ok(())
    }

    fn read_lines(&mut self, text: &str) -> Result<(), String> {
        for (number, line) in (1..).zip(text.lines()).filter(|(_, it)| !it.trim().is_empty()) {
            let object: Map<String, Json> = serde_json::from_str(line).map_err(|error| format!("line {number}: {error}"))?;
            let mut row = vec![None; self.columns.len()];
            for (name, json) in object {
                let column = self.column(&name);
                row.resize(self.columns.len().max(column + 1), None);
                row[column] = Some(json);
            }
            self.rows.push(row);
        }
        let width = self.columns.len();
        self.rows.iter_mut().for_each(|it| it.resize(width, None));
        Ok(())
    }

    /// The column of this name; a new one if there is none.
    fn column(&mut self, name: &str) -> usize {
        let found = self.columns.iter().position(|it| it == name);
        found.unwrap_or_else(|| {
            self.columns.push(name.to_owned());
            self.columns.len() - 1
        })
    }

    /// The whole text of the file.
    pub fn text(&self) -> String {
        let mut out = if self.has_mark { MARK.to_string() } else { String::new() };
        match self.format {
            Format::Csv if self.columns.is_empty() => {}
            Format::Csv => {
                separated::write(&mut out, self.columns.iter().map(|it| Some(it.as_str())), self.line_end);
                for row in &self.rows {
                    separated::write(&mut out, row.iter().map(|it| it.as_ref().and_then(Json::as_str)), self.line_end);
                }
            }
            Format::Lines => {
                for row in &self.rows {
                    let named = self.columns.iter().zip(row).filter_map(|(name, it)| Some((name.clone(), it.clone()?)));
                    out.push_str(&Json::Object(named.collect()).to_string());
                    out.push_str(self.line_end);
                }
            }
        }
        out
    }

    /// Columns for the fields of a shape that have none yet, in a file that is new.
    pub fn begin(&mut self, shape: &Shape) {
        if self.columns.is_empty() {
            self.columns = shape.fields.iter().map(|it| it.name.clone()).collect();
        }
    }

    /// Where each field stands. A field of CSV must have its column; in JSON Lines it may be new.
    pub fn places(&mut self, shape: &Shape) -> Result<Vec<usize>, String> {
        shape.fields.iter().map(|it| self.place(it)).collect()
    }

    // Data packages of F&O write names in capitals (Microsoft, data-entities/data-entities-data-packages.md).
    fn place(&mut self, field: &ShapeField) -> Result<usize, String> {
        let alike = |it: &String| it.eq_ignore_ascii_case(&field.name);
        let exact = self.columns.iter().position(|it| *it == field.name);
        let found = exact.or_else(|| self.columns.iter().position(alike));
        match (found, self.format) {
            (Some(place), _) => Ok(place),
            (None, Format::Lines) => {
                let place = self.column(&field.name);
                self.rows.iter_mut().for_each(|it| it.push(None));
                Ok(place)
            }
            (None, Format::Csv) => Err(format!("there is no column `{}`; it has {}", field.name, self.columns.join(", "))),
        }
    }
}

/// What addresses a row: the cells of its key as a JSON list. The error says what is wrong with it.
pub fn address(sheet: &Sheet, shape: &Shape, places: &[usize], row: &[Option<Json>]) -> Result<String, String> {
    let part = |slot: &Slot| {
        let (field, cell) = (shape.field(*slot), row[places[usize::from(slot.0)]].as_ref().unwrap_or(&Json::Null));
        let value = cells::decode(sheet.format, &field.kind, cell);
        let value = value.ok_or_else(|| format!("`{}` is {cell}, which is no {}", field.name, field.kind))?;
        of_key(field, &value)
    };
    shape.key.iter().map(part).collect::<Result<Vec<_>, _>>().map(|it| Json::from(it).to_string())
}

/// The part of an address for a value.
pub fn of_key(field: &ShapeField, value: &Value) -> Result<String, String> {
    match cells::encode(Format::Csv, value) {
        Some(Json::String(text)) => Ok(text),
        _ => Err(format!("the key field `{}` is empty", field.name)),
    }
}

/// Rows by address; rows that share one are told apart from the others.
#[derive(Clone, Debug, Default)]
pub struct Index {
    pub rows: BTreeMap<String, usize>,
    /// Addresses of more than one row, with how many have it.
    pub doubled: BTreeMap<String, usize>,
}

impl Index {
    pub fn of(sheet: &Sheet, shape: &Shape, places: &[usize]) -> Result<Self, String> {
        let mut index = Self { rows: BTreeMap::new(), doubled: BTreeMap::new() };
        for (number, row) in sheet.rows.iter().enumerate() {
            let address = address(sheet, shape, places, row).map_err(|why| format!("row {}: {why}", number + 1))?;
            match index.rows.entry(address) {
                Entry::Vacant(entry) => {
                    entry.insert(number);
                }
                Entry::Occupied(entry) => *index.doubled.entry(entry.key().clone()).or_insert(1) += 1,
            }
        }
        Ok(index)
    }
}
