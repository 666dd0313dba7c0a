//! The rows of map tables inside a solution's `customizations.xml`, and the key list of the automation tool's configuration.

use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesStart, Event};

/// Longest value of one column.
const VALUE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// One element: its name without a prefix, its attributes, its text, and how deep it lies.
struct Seen {
    name: String,
    attributes: Vec<(String, String)>,
    text: String,
}

/// The columns of every `<msdyn_dualwriteentitymap>`, in order.
pub fn map_rows(xml: &str) -> Result<Vec<Vec<(String, String)>>, String> {
    let mut rows: Vec<Vec<(String, String)>> = Vec::new();
    let mut inside = false;
    walk(xml, |step| match step {
        Step::Open(seen) if seen.name == ROW => {
            rows.push(seen.attributes.clone());
            inside = true;
        }
        Step::Close(seen) if seen.name == ROW => inside = false,
        Step::Close(seen) if inside => {
            if let Some(row) = rows.last_mut() {
                row.push((seen.name.clone(), seen.text.clone()));
            }
        }
        Step::Open(_) | Step::Close(_) => {}
    })?;
    Ok(rows)
}

const ROW: &str = "msdyn_dualwriteentitymap";

/// `<Map mapName="accounts - Customers V3" keys="accountnumber,…"/>` of the automation tool: the map's name and its keys.
pub fn key_rows(xml: &str) -> Result<Vec<(String, String)>, String> {
    let mut rows = Vec::new();
    walk(xml, |step| {
        if let Step::Open(seen) = step
            && seen.name == "Map"
        {
            let attribute = |name: &str| seen.attributes.iter().find(|(it, _)| it == name).map(|(_, value)| value.clone());
            rows.extend(attribute("mapName").zip(attribute("keys")));
        }
    })?;
    Ok(rows)
}

enum Step<'s> {
    Open(&'s Seen),
    Close(&'s Seen),
}

/// Elements may be nested this deep.
const DEPTH_MAX: usize = 256;

fn walk(xml: &str, mut visit: impl FnMut(Step<'_>)) -> Result<(), String> {
    let mut reader = Reader::from_str(xml);
    let mut open: Vec<Seen> = Vec::new();
    loop {
        let event =
            reader.read_event().map_err(|error| format!("no readable XML at byte {}: {error}", reader.error_position()))?;
        match event {
            Event::Start(start) => {
                open.push(element(&start)?);
                if open.len() > DEPTH_MAX {
                    return Err(format!("elements are nested deeper than {DEPTH_MAX}"));
                }
                visit(Step::Open(open.last().expect("it was pushed just now")));
            }
            Event::Empty(start) => {
                let seen = element(&start)?;
                visit(Step::Open(&seen));
                visit(Step::Close(&seen));
            }
            Event::End(_) => {
                if let Some(seen) = open.pop() {
                    visit(Step::Close(&seen));
                }
            }
            Event::Text(text) => add(open.last_mut(), &text)?,
            Event::CData(text) => add(open.last_mut(), &text)?,
            Event::GeneralRef(reference) => {
                let named = resolve_predefined_entity(&reference).map(str::to_owned);
                let numbered = reference.resolve_char_ref().ok().flatten().map(String::from);
                add(open.last_mut(), &named.or(numbered).ok_or_else(|| format!("`&{};` means nothing", &*reference))?)?;
            }
            Event::Eof => return Ok(()),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
        }
    }
}

fn element(start: &BytesStart<'_>) -> Result<Seen, String> {
    let mut attributes = Vec::new();
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|error| error.to_string())?;
        let value = attribute.normalized_value(quick_xml::XmlVersion::Implicit1_0).map_err(|error| error.to_string())?;
        attributes.push((attribute.key.local_name().into_inner().to_owned(), value.into_owned()));
    }
    Ok(Seen { name: start.local_name().into_inner().to_owned(), attributes, text: String::new() })
}

fn add(seen: Option<&mut Seen>, text: &str) -> Result<(), String> {
    if let Some(seen) = seen {
        if seen.text.len() + text.len() > VALUE_BYTES_MAX {
            return Err(format!("`<{}>` is longer than {VALUE_BYTES_MAX} bytes", seen.name));
        }
        seen.text.push_str(text);
    }
    Ok(())
}
