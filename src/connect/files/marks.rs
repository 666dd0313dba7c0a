//! What is remembered of a file beside it: versions, links, and what is gone.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::change::{LinkId, Version};
use crate::value::Uuid;

/// The version of this file's form.
const FORMAT: u32 = 1;
/// Rows that are gone, of which that is remembered; older tokens expire.
const GONE_MAX: usize = 100_000;
/// The folder of these files, beside the data.
const FOLDER: &str = ".dwmap";

/// What is remembered of one file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Marks {
    format: u32,
    /// Another one for each beginning, so that tokens of an earlier one are known.
    pub born: Uuid,
    /// The fields that address a row.
    pub key: Vec<String>,
    /// The number of the last change.
    pub seq: u64,
    /// Changes up to this number may be forgotten.
    pub since: u64,
    pub rows: BTreeMap<String, Mark>,
    /// Rows that are gone, by their number in the order of changes.
    pub gone: BTreeMap<u64, Gone>,
}

/// What is remembered of a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    pub digest: Uuid,
    pub seq: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<LinkId>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gone {
    pub address: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<LinkId>,
}

impl Mark {
    /// The number never comes again; the digest keeps versions apart even where everything but the data was lost.
    pub fn version(&self) -> Version {
        Version(format!("{}-{}", self.seq, self.digest.simple()))
    }
}

/// A digest of bytes.
pub fn digest(bytes: &[u8]) -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_OID, bytes)
}

impl Marks {
    pub fn new(born: Uuid, key: Vec<String>) -> Self {
        Self { format: FORMAT, born, key, ..Self::default() }
    }

    /// The row is now like this.
    pub fn set(&mut self, address: &str, digest: Uuid, link: Option<LinkId>) {
        self.seq += 1;
        self.rows.insert(address.to_owned(), Mark { digest, seq: self.seq, link });
    }

    pub fn remove(&mut self, address: &str) {
        let Some(mark) = self.rows.remove(address) else { return };
        self.seq += 1;
        self.gone.insert(self.seq, Gone { address: address.to_owned(), link: mark.link });
        while self.gone.len() > GONE_MAX {
            self.since = self.gone.pop_first().map_or(self.since, |(seq, _)| seq);
        }
    }

    pub fn is_gone(&self, link: LinkId) -> bool {
        self.gone.values().any(|it| it.link == Some(link))
    }

    pub fn by_link(&self, link: LinkId) -> Option<&str> {
        self.rows.iter().find(|(_, mark)| mark.link == Some(link)).map(|(address, _)| address.as_str())
    }

    /// Changes after this number in their order: the addresses of rows, each once, with the number of its last change.
    pub fn after(&self, seq: u64, limit: usize) -> Vec<(u64, &str)> {
        let rows = self.rows.iter().filter(|(_, it)| it.seq > seq).map(|(address, it)| (it.seq, address.as_str()));
        let gone = self.gone.range(seq + 1..).map(|(seq, it)| (*seq, it.address.as_str()));
        let gone: BTreeMap<&str, u64> =
            gone.filter(|(_, it)| !self.rows.contains_key(*it)).map(|(seq, address)| (address, seq)).collect();
        let mut changes: Vec<_> = rows.chain(gone.into_iter().map(|(address, seq)| (seq, address))).collect();
        changes.sort_unstable();
        changes.truncate(limit);
        changes
    }
}

/// What is on file: the marks, and those that hold once the data has this digest. Data are written between the two, so that a process
/// that ends there knows its own rows again.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct OnFile {
    marks: Marks,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    next: Option<(Uuid, Marks)>,
}

/// Where the marks of a file are.
pub fn path(data: &Path) -> PathBuf {
    let name = data.file_name().map_or_else(String::new, |it| it.to_string_lossy().into_owned());
    data.with_file_name(FOLDER).join(format!("{name}.json"))
}

/// Reads the marks that belong to data of this digest; `None`: there are none that can be used.
pub fn load(path: &Path, data: Uuid) -> std::io::Result<Option<Marks>> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    // What cannot be read is made anew: older tokens expire, and every row is read again.
    let Ok(OnFile { marks, next }) = serde_json::from_slice(&text) else { return Ok(None) };
    let marks = next.filter(|(digest, _)| *digest == data).map_or(marks, |(_, next)| next);
    Ok((marks.format == FORMAT).then_some(marks))
}

/// Writes the marks, with those that hold once the data has this digest.
pub fn save(path: &Path, marks: &Marks, next: Option<(Uuid, &Marks)>) -> std::io::Result<()> {
    let next = next.map(|(digest, it)| (digest, it.clone()));
    let text = serde_json::to_vec(&OnFile { marks: marks.clone(), next }).map_err(std::io::Error::other)?;
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    replace(path, &text)
}

/// Puts a file in the place of another one, whole or not at all.
pub fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let name = path.file_name().map_or_else(String::new, |it| it.to_string_lossy().into_owned());
    let new = path.with_file_name(format!(".{name}.dwmap-new"));
    let mut file = std::fs::File::create(&new)?;
    std::io::Write::write_all(&mut file, bytes)?;
    if let Ok(old) = std::fs::metadata(path) {
        file.set_permissions(old.permissions())?;
    }
    file.sync_all()?;
    std::fs::rename(&new, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_that_were_saved_before_the_data_count_if_the_data_came_to_be() {
        let folder = std::env::temp_dir().join(format!("dwmap-marks-{}", std::process::id()));
        let path = path(&folder.join("item.csv"));
        let (before, after) = (digest(b"before"), digest(b"after"));
        let old = Marks::new(before, vec!["code".to_owned()]);
        let mut new = old.clone();
        new.set("[\"a\"]", digest(b"row"), Some(LinkId(Uuid::from_u128(1))));
        save(&path, &old, Some((after, &new))).expect("the folder for temporary files can be written");
        for (data, expected) in [(before, &old), (after, &new), (digest(b"somebody else's"), &old)] {
            assert_eq!(load(&path, data).expect("it can be read").as_ref(), Some(expected));
        }
        std::fs::write(&path, "{\"marks\": 1").expect("it can be written");
        assert_eq!(load(&path, after).expect("it can be read"), None);
        std::fs::remove_dir_all(&folder).expect("it is ours");
    }

    #[test]
    fn what_is_gone_is_told_once_and_forgotten_in_order() {
        let mut marks = Marks::new(digest(b""), Vec::new());
        let link = LinkId(Uuid::nil());
        marks.set("a", digest(b"x"), Some(link));
        marks.remove("a");
        marks.set("a", digest(b"x"), None);
        assert_eq!((marks.after(0, 10), marks.is_gone(link)), (vec![(3, "a")], true));
        marks.remove("a");
        assert_eq!(marks.after(0, 10), [(4, "a")]);
        for number in 0..GONE_MAX - 1 {
            let address = number.to_string();
            marks.set(&address, digest(b"x"), None);
            marks.remove(&address);
        }
        assert_eq!((marks.gone.len(), marks.since, marks.is_gone(link)), (GONE_MAX, 2, false));
    }
}
