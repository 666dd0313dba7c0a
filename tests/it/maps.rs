//! The standard maps: every file parses, and the schemas beside them are in the form that dwmap writes.

use std::path::{Path, PathBuf};

use dwmap::diag::Diagnostics;
use dwmap::schema::lock::{self, Lock};
use dwmap::schema::{Schema, snapshot};
use dwmap::source::Sources;
use dwmap::syntax::{self, ast};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("maps")
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn files() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder()).expect("the folder of maps is there");
    let mut files: Vec<PathBuf> = entries.map(|it| it.expect("the folder can be read").path()).collect();
    files.retain(|it| it.extension().is_some_and(|it| it == "dwmap"));
    files.sort();
    files
}

fn schema(name: &str) -> Schema {
    snapshot::parse(&text(&folder().join("schemas").join(name))).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn every_standard_map_parses() {
    let files = files();
    assert_eq!(files.len(), 2);
    for path in files {
        let mut sources = Sources::default();
        let mut diags = Diagnostics::default();
        let file = sources.add(path.display().to_string(), text(&path)).expect("the file is short");
        let tree = syntax::parse(&sources, file, &mut diags);
        let messages: Vec<String> =
            diags.sorted().into_iter().map(|it| format!("{}: {}", sources.text(it.primary()), it.message)).collect();
        assert_eq!(messages, Vec::<String>::new(), "{}", path.display());
        let maps = tree.items.iter().filter_map(|it| match &it.kind {
            ast::ItemKind::Map(map) => Some(&map.name.text),
            _ => None,
        });
        for map in maps {
            let is_of_map = |it: &&ast::Item| matches!(&it.kind, ast::ItemKind::Test(test) if test.map.to_string() == *map);
            assert!(tree.items.iter().filter(is_of_map).count() >= 2, "{map} has under two tests");
        }
    }
}

#[test]
fn the_snapshots_stand_as_dwmap_writes_them() {
    for name in ["fo.json", "dv.json"] {
        let written = text(&folder().join("schemas").join(name));
        let head: serde_json::Value = serde_json::from_str(&written).expect("a snapshot is JSON");
        let head = |key: &str| head[key].as_str().expect("the head is text").to_owned();
        assert_eq!(snapshot::to_json(&schema(name), &head("system"), &head("source")), written, "{name}");
    }
}

#[test]
fn every_lookup_of_the_snapshots_leads_to_an_entity() {
    let dataverse = schema("dv.json");
    for entity in dataverse.entities.values() {
        for field in entity.fields.values() {
            if let dwmap::value::Kind::Lookup(targets) = &field.kind {
                assert!(targets.iter().all(|it| dataverse.entities.contains_key(it)), "{}.{}", entity.name, field.name);
            }
        }
        assert!(entity.modified().is_some(), "{} has no stamp for `newest`", entity.name);
    }
}

#[test]
fn the_lock_holds_the_snapshots_as_they_are() {
    let written = text(&folder().join(lock::FILE_NAME));
    let lock = Lock::parse(&written).unwrap_or_else(|error| panic!("{error}"));
    for name in ["schemas/fo.json", "schemas/dv.json"] {
        assert_eq!(lock.verify(name, &text(&folder().join(name))), Ok(()));
    }
    assert_eq!(lock.schemas.len(), 2);
    assert_eq!(lock.format(), written);
}
