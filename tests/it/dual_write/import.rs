//! Importing: both dialects give the text that stands in `maps/dual-write`, in every container that maps travel in.

use std::io::Write;

use dwmap::import::{Imported, Options, import};
use dwmap::syntax::ast::ItemKind;

use super::facts::{self, Dialect};
use super::{check, errors, folder, keys, options, read, zip};

fn standard(dialect: Dialect) -> Imported {
    import(&[("answer.json".to_owned(), facts::answer(dialect))], &options())
}

#[test]
fn both_dialects_of_all_maps_give_the_text_that_stands_in_the_folder() {
    for dialect in [Dialect::Full, Dialect::Sparse] {
        let imported = standard(dialect);
        assert_eq!(imported.maps, 104);
        for file in &imported.files {
            let path = folder().join(&file.name);
            if std::env::var_os("UPDATE").is_some() {
                std::fs::write(&path, &file.text).expect("the folder can be written");
            }
            assert!(read(&path) == file.text, "{dialect:?}: {} differs; UPDATE=1 writes it", file.name);
        }
        let entries = std::fs::read_dir(folder()).expect("the folder is there").map(|it| it.expect("it can be listed").path());
        assert_eq!(entries.filter(|it| it.extension().is_some_and(|it| it == "dwmap")).count(), imported.files.len());
    }
}

#[test]
fn no_row_of_the_standard_maps_is_lost() {
    let imported = standard(Dialect::Full);
    assert_eq!(errors(&imported), Vec::<String>::new());
    assert!(imported.files.iter().all(|it| !it.text.contains("Not imported")));
}

#[test]
fn the_standard_maps_check_without_a_warning_and_all_have_tests() {
    let mut files = standard(Dialect::Full).files;
    let entries = std::fs::read_dir(folder().join("tests")).expect("the folder is there");
    let tests = entries.map(|it| it.expect("it can be listed").path());
    files.extend(tests.map(|it| dwmap::import::File {
        name: format!("tests/{}", it.file_name().expect("a file has a name").display()),
        text: read(&it),
    }));
    let (trees, checked, messages) = check(&files);
    assert_eq!(messages, Vec::<String>::new());
    assert_eq!(checked.program.plans.len(), 104);
    let tested = trees.iter().flat_map(|it| &it.items).filter_map(|it| match &it.kind {
        ItemKind::Test(test) => Some(test.map.to_string()),
        _ => None,
    });
    let tested: Vec<String> = tested.collect();
    for plan in &checked.program.plans {
        assert!(tested.iter().filter(|it| **it == plan.name).count() >= 2, "{} has under two tests", plan.name);
    }
}

#[test]
fn without_schemas_the_inferred_entities_make_it_check() {
    let options = Options { keys: keys(), ..Options::default() };
    let imported = import(&[("answer.json".to_owned(), facts::answer(Dialect::Full))], &options);
    assert_eq!(errors(&imported), Vec::<String>::new());
    let inferred = imported.files.iter().find(|it| it.name == "inferred.dwmap").expect("the entities have a file");
    assert!(inferred.text.starts_with("// Inferred"));
    let (_, checked, messages) = check(&imported.files);
    assert_eq!(messages, Vec::<String>::new());
    assert_eq!(checked.program.plans.len(), 104);
}

#[test]
fn without_keys_each_guess_is_said() {
    let imported = import(&[("answer.json".to_owned(), facts::answer(Dialect::Full))], &Options::default());
    let guesses = imported.notes.iter().filter(|it| it.text.starts_with("the key is a guess")).count();
    let none = imported.notes.iter().filter(|it| it.text.contains("no row that could be the key")).count();
    assert_eq!((imported.maps, guesses + none), (104, 104));
}

/// The first maps as rows of a solution.
fn customizations() -> Vec<u8> {
    let escape = |text: String| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
    let row = |it: &facts::Facts| {
        let column = |name: &str| escape(facts::record(it, Dialect::Sparse)[name].as_str().expect("a text").to_owned());
        let columns = ["msdyn_name", "msdyn_version", "msdyn_mapping", "msdyn_properties"];
        let columns: String = columns.map(|name| format!("<{name}>\n    {}\n  </{name}>", column(name))).concat();
        format!(
            "<msdyn_dualwriteentitymap msdyn_dualwriteentitymapid=\"0\">{columns}<statecode>0</statecode></msdyn_dualwriteentitymap>"
        )
    };
    let rows: String = facts::all().iter().take(12).map(row).collect();
    format!("\u{feff}<ImportExportXml><Entities/><msdyn_dualwriteentitymaps>{rows}</msdyn_dualwriteentitymaps></ImportExportXml>")
        .into_bytes()
}

fn cabinet(name: &str, bytes: &[u8]) -> Vec<u8> {
    let mut builder = cab::CabinetBuilder::new();
    builder.add_folder(cab::CompressionType::MsZip).add_file(name);
    let mut writer = builder.build(std::io::Cursor::new(Vec::new())).expect("memory is there");
    while let Some(mut file) = writer.next_file().expect("memory is there") {
        file.write_all(bytes).expect("memory is there");
    }
    writer.finish().expect("memory is there").into_inner()
}

#[test]
fn a_solution_in_a_cabinet_in_a_zip_in_a_zip_gives_the_same_text() {
    let plain = import(&[("customizations.xml".to_owned(), customizations())], &options());
    assert_eq!((plain.maps, errors(&plain)), (12, Vec::new()));
    let solution = zip(&[("customizations.xml", &customizations())]);
    let package = zip(&[("inner.zip", &zip(&[("maps.cab", &cabinet("managed.zip", &solution))]))]);
    let packed = import(&[("package.zip".to_owned(), package)], &options());
    assert_eq!((packed.files, packed.maps), (plain.files, plain.maps));
}

#[test]
fn containers_are_held_to_their_bounds() {
    let mut deep = zip(&[("customizations.xml", &customizations())]);
    for _ in 0..8 {
        deep = zip(&[("again.zip", &deep)]);
    }
    let imported = import(&[("deep.zip".to_owned(), deep)], &Options::default());
    assert_eq!((imported.maps, errors(&imported).len()), (0, 1));
    assert!(errors(&imported)[0].contains("containers deep"), "{:?}", imported.notes);
    let bomb = zip(&[("customizations.xml", &vec![b' '; 65 * 1024 * 1024])]);
    assert!(bomb.len() < 1_000_000);
    let imported = import(&[("bomb.zip".to_owned(), bomb)], &Options::default());
    assert!(errors(&imported)[0].contains("larger than"), "{:?}", imported.notes);
}
