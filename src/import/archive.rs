//! Opens what maps travel in: a zip within a zip within a cabinet, held to bounds so that a small file cannot become a huge one.

use std::io::{Cursor, Read};

/// Containers within containers.
const DEPTH_MAX: usize = 6;
/// Entries of all containers of one input.
const ENTRIES_MAX: usize = 10_000;
/// Bytes of one entry once it is taken out.
const ENTRY_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Bytes of all entries of one input once they are taken out.
const TOTAL_BYTES_MAX: u64 = 512 * 1024 * 1024;

/// One text that was found, with its way through the containers: `package.zip/maps.cab/customizations.xml`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    pub name: String,
    pub text: String,
}

/// What was found in an input, and what in it could not be opened; the one does not hinder the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Opened {
    pub texts: Vec<Text>,
    pub problems: Vec<String>,
}

/// Takes all texts that can hold maps out of an input; an input that is no container is its own text.
pub fn texts(name: &str, bytes: &[u8]) -> Opened {
    let mut opening = Opening { found: Opened::default(), entries: 0, bytes: 0 };
    opening.open(name, bytes, 0);
    opening.found
}

struct Opening {
    found: Opened,
    entries: usize,
    bytes: u64,
}

impl Opening {
    fn open(&mut self, name: &str, bytes: &[u8], depth: usize) {
        let opened = match () {
            () if depth > DEPTH_MAX => Err(format!("`{name}` lies more than {DEPTH_MAX} containers deep")),
            () if bytes.starts_with(b"PK") => self.open_zip(name, bytes, depth),
            () if bytes.starts_with(b"MSCF") => self.open_cabinet(name, bytes, depth),
            () => match text(bytes) {
                Some(text) => {
                    self.found.texts.push(Text { name: name.to_owned(), text });
                    Ok(())
                }
                None => Err(format!("`{name}` is neither text in UTF-8 or UTF-16, nor a zip, nor a cabinet")),
            },
        };
        self.found.problems.extend(opened.err());
    }

    fn open_zip(&mut self, name: &str, bytes: &[u8], depth: usize) -> Result<(), String> {
        let broken = |error: zip::result::ZipError| format!("`{name}` is no readable zip: {error}");
        let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(broken)?;
        for index in 0..archive.len() {
            let entry = archive.by_index(index).map_err(broken)?;
            let own = entry.name().map_err(broken)?.into_owned();
            let inner = format!("{name}/{own}");
            if entry.is_file() && may_hold_maps(&own) {
                let bytes = self.take(&inner, entry)?;
                self.open(&inner, &bytes, depth + 1);
            }
        }
        Ok(())
    }

    fn open_cabinet(&mut self, name: &str, bytes: &[u8], depth: usize) -> Result<(), String> {
        let broken = |error: std::io::Error| format!("`{name}` is no readable cabinet: {error}");
        let mut cabinet = cab::Cabinet::new(Cursor::new(bytes)).map_err(broken)?;
        let entries = cabinet.folder_entries().flat_map(|it| it.file_entries());
        let names: Vec<String> = entries.map(|it| it.name().to_owned()).filter(|it| may_hold_maps(it)).collect();
        for entry in names {
            let inner = format!("{name}/{}", entry.replace('\\', "/"));
            let bytes = self.take(&inner, cabinet.read_file(&entry).map_err(broken)?)?;
            self.open(&inner, &bytes, depth + 1);
        }
        Ok(())
    }

    /// Reads an entry, but never more than the bounds allow, whatever the container says of its length.
    fn take(&mut self, name: &str, entry: impl Read) -> Result<Vec<u8>, String> {
        self.entries += 1;
        if self.entries > ENTRIES_MAX {
            return Err(format!("`{name}`: there are more than {ENTRIES_MAX} files in this input"));
        }
        let bound = ENTRY_BYTES_MAX.min(TOTAL_BYTES_MAX - self.bytes);
        let mut bytes = Vec::new();
        entry.take(bound + 1).read_to_end(&mut bytes).map_err(|error| format!("`{name}` cannot be taken out: {error}"))?;
        if bytes.len() as u64 > bound {
            return Err(format!("`{name}` is larger than {bound} bytes once it is taken out"));
        }
        self.bytes += bytes.len() as u64;
        Ok(bytes)
    }
}

/// UTF-8, or UTF-16 with a mark of its order, which is how Windows' own tools save text.
fn text(bytes: &[u8]) -> Option<String> {
    let wide = |unit: fn([u8; 2]) -> u16| {
        let (pairs, rest) = bytes[2..].as_chunks::<2>();
        let units: Vec<u16> = pairs.iter().map(|it| unit(*it)).collect();
        String::from_utf16(&units).ok().filter(|_| rest.is_empty())
    };
    match bytes {
        [0xff, 0xfe, ..] => wide(u16::from_le_bytes),
        [0xfe, 0xff, ..] => wide(u16::from_be_bytes),
        _ => std::str::from_utf8(bytes).ok().map(|it| it.trim_start_matches('\u{feff}').to_owned()),
    }
}

/// Everything else in a solution (pictures, code, other parts of its description) is passed over.
fn may_hold_maps(name: &str) -> bool {
    let last = name.rsplit(['/', '\\']).next().unwrap_or(name).to_lowercase();
    // A Mac puts a shadow of each file beside it.
    let is_shadow = last.starts_with("._");
    !is_shadow && (last == "customizations.xml" || [".zip", ".cab", ".json"].iter().any(|it| last.ends_with(it)))
}
