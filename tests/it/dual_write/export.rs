//! Exporting: the standard maps come back equal in meaning to the facts, the same each time, and what cannot be said is refused.

use std::collections::BTreeMap;

use dwmap::change::Side;
use dwmap::import::export::{self, Exported};
use dwmap::import::{File, import};
use serde_json::Value;

use super::facts::{self, Dialect, Facts};
use super::{check, end, options};

fn standard() -> Vec<File> {
    import(&[("answer.json".to_owned(), facts::answer(Dialect::Full))], &options()).files
}

fn exported(files: &[File]) -> Exported {
    let (trees, checked, _) = check(files);
    export::export(&trees, &checked.schemas)
}

fn refusals(of: &Exported) -> Vec<String> {
    of.notes.iter().filter(|it| it.is_error).map(ToString::to_string).collect()
}

/// What a row says: direction, default, pairs and the lookup's table; numbers and letters alike.
type Meaning = (u8, Option<String>, Option<BTreeMap<String, String>>, Option<String>);

fn plain(text: &str) -> String {
    let number: Option<f64> = text.parse().ok();
    number.map_or_else(|| text.to_lowercase(), |it| it.to_string())
}

fn of_facts(map: &Facts) -> BTreeMap<(String, String), Meaning> {
    let pairs = |it: &serde_json::Map<String, Value>| {
        it.iter().map(|(key, value)| (key.to_lowercase(), plain(value.as_str().expect("a text")))).collect()
    };
    let row = |it: &facts::Row| {
        let meaning = (it.direction(), it.default.as_deref().map(plain), it.values.as_ref().map(pairs), it.lookup.clone());
        ((it.left.to_lowercase(), it.right.to_lowercase()), meaning)
    };
    map.rows.iter().map(row).collect()
}

fn of_leg(leg: &Value) -> BTreeMap<(String, String), Meaning> {
    let row = |it: &Value| {
        let word = |key: &str| it[key].as_str().expect("a text").to_lowercase();
        let transform = &it["valueTransforms"][0];
        let pairs = transform["valueMap"]
            .as_object()
            .map(|it| it.iter().map(|(key, value)| (key.to_lowercase(), plain(value.as_str().expect("a text")))).collect());
        let direction = u8::try_from(it["syncDirection"].as_u64().expect("a number")).expect("a small one");
        let related = it["destinationLookupFieldRelatedEntity"].as_str().map(str::to_owned);
        (
            (word(end(Side::Left)), word(end(Side::Right))),
            (direction, transform["defaultValue"].as_str().map(plain), pairs, related),
        )
    };
    leg["fieldMappings"].as_array().expect("a list").iter().map(row).collect()
}

fn legs(of: &Exported) -> BTreeMap<String, Value> {
    let leg = |it: &File| {
        let row: Value = serde_json::from_str(&it.text).expect("a file is JSON");
        let mapping: Value = serde_json::from_str(row["msdyn_mapping"].as_str().expect("a text")).expect("the column is JSON");
        (row["msdyn_displayname"].as_str().expect("a text").to_owned(), mapping["legs"][0].clone())
    };
    of.files.iter().map(leg).collect()
}

/// A filter without what does not count: blanks, brackets, case, and how often an equal sign is written.
fn words(filter: &str) -> String {
    let kept: String = filter.chars().filter(|it| !it.is_whitespace() && !"()".contains(*it)).collect();
    kept.to_lowercase().replace("==", "=")
}

#[test]
fn all_maps_come_back_equal_in_meaning_to_their_facts() {
    let exported = exported(&standard());
    assert_eq!((exported.maps, refusals(&exported)), (104, Vec::new()));
    let legs = legs(&exported);
    for map in facts::all() {
        let leg = &legs[&map.name];
        let (found, mut wanted) = (of_leg(leg), of_facts(&map));
        for (place, meaning) in &mut wanted {
            // Of the facts, the lookup's table is derived where no row names it.
            meaning.3.clone_from(&found[place].3);
        }
        assert_eq!(found, wanted, "{}", map.name);
        let filters = [("sourceFilter", &map.left_filter), ("reversedSourceFilter", &map.right_filter)];
        for (name, written) in filters {
            let wanted = words(written)
                .replace("associatedcontacttype=1", "associatedcontacttype=\"vendor\"")
                .replace("isb2bprospect=1", "isb2bprospect=\"yes\"");
            assert_eq!(words(leg[name].as_str().expect("a text")), wanted, "{}", map.name);
        }
    }
}

#[test]
fn an_import_of_the_export_is_the_same_text() {
    let files = standard();
    let exported = exported(&files);
    let inputs: Vec<(String, Vec<u8>)> = facts::all()
        .iter()
        .map(|map| exported.files.iter().find(|it| it.text.contains(&format!("\"{}\"", map.name))).expect("each map has a file"))
        .map(|it| (it.name.clone(), it.text.clone().into_bytes()))
        .collect();
    let again = import(&inputs, &options());
    assert_eq!(again.files.len(), files.len());
    for (file, other) in files.iter().zip(&again.files) {
        assert!(file == other, "{} differs:\n{}", file.name, dwmap::syntax::format::diff(&file.name, &file.text, &other.text));
    }
    assert_eq!(self::exported(&again.files).files, exported.files);
}

const HEAD: &str = "\
system fo profile finops
system dv profile dataverse

entity fo.Widgets {
  key Number: text<20>
  First:      text<20>?
  Places:     int32
  Often:      int32?
  Last:       text<20>?
  Hold:       enum { No, All }
}

entity dv.xyz_widget {
  key xyz_widgetid: guid
  unique (xyz_number)
  xyz_number: text<20>?
  xyz_name:   text<41>?
  xyz_places: int32?
  xyz_flag:   bool?
  xyz_hold:   choice { No = 1, All = 2 }?
}

map Widgets: fo.Widgets <-> dv.xyz_widget {
  key Number <-> xyz_number
";

fn refusals_of(lines: &str) -> Vec<String> {
    let text = format!("{HEAD}\n{lines}\n}}\n");
    let files = [File { name: "widgets.dwmap".to_owned(), text: text.clone() }];
    let (_, _, messages) = check(&files);
    assert_eq!(messages, Vec::<String>::new(), "{text}");
    refusals(&exported(&files))
}

const POLICIES: &str = "  on conflict prefer dv\n  on delete <-> delete\n";

#[test]
fn what_dual_write_says_differently_is_written() {
    let rules = "  First <-> xyz_name   modulo trim   else reject\n  Hold <-> xyz_hold ?? No   via { No <-> No, All <-> All }   else reject\n";
    assert_eq!(refusals_of(&format!("{rules}{POLICIES}")), Vec::<String>::new());
}

#[test]
fn what_dual_write_cannot_say_is_refused_with_the_reason() {
    let cases = [
        ("  upper(First) -> xyz_name   else reject", POLICIES, "calculates nothing"),
        ("  First <-> xyz_name   modulo trim, case   else reject", POLICIES, "compares values as they are"),
        ("  First <-> xyz_name ?? \"x\"   modulo trim   else reject", POLICIES, "no other value"),
        ("  Places <-> xyz_places ?? 5", POLICIES, "no other value"),
        ("  Hold <-> xyz_flag ?? true   via { No <-> false, All <-> true }", POLICIES, "no other value"),
        ("  Hold <-> xyz_hold ?? All   via { No <-> No, All <-> All }   else reject", POLICIES, "no other value"),
        ("  First -> xyz_name   when Hold == No", POLICIES, "no conditions"),
        ("  First -> xyz_name   on update", POLICIES, "updates only"),
        ("  First <-> xyz_name   modulo trim   else park", POLICIES, "no other `else`"),
        ("  First -> xyz_name", "  on conflict prefer dv\n  on delete <-> refuse\n", "dual-write deletes"),
    ];
    for (rule, policies, why) in cases {
        let found = refusals_of(&format!("{rule}\n{policies}"));
        assert_eq!(found.len(), 1, "{rule}: {found:?}");
        assert!(found[0].contains(why), "{rule}: {found:?}");
    }
}

#[test]
fn a_default_of_one_direction_is_that_of_the_row() {
    let cases = [
        ("Often ?? 7 -> xyz_places", Some("7")),
        ("Often ?? 7 <-> xyz_places", Some("7")),
        ("Often <- xyz_places ?? 5", Some("5")),
        ("Often <- xyz_places ?? 0", Some("0")),
        ("Places <- xyz_places ?? 5", Some("5")),
        ("Places <- xyz_places ?? 0", None),
        ("Places <-> xyz_places ?? 0", None),
    ];
    for (rule, default) in cases {
        let text = format!("{HEAD}\n  {rule}   else reject\n{POLICIES}}}\n");
        let exported = exported(&[File { name: "widgets.dwmap".to_owned(), text }]);
        assert_eq!(refusals(&exported), Vec::<String>::new(), "{rule}");
        let leg = legs(&exported).into_values().next().expect("a map");
        assert_eq!(leg["fieldMappings"][1]["valueTransforms"][0]["defaultValue"].as_str(), default, "{rule}");
    }
}

#[test]
fn the_version_of_the_map_is_written_and_a_missing_one_is_said() {
    let of = |version: &str| {
        let text = format!("{HEAD}{version}\n  First <-> xyz_name   modulo trim   else reject\n{POLICIES}}}\n");
        let exported = exported(&[File { name: "widgets.dwmap".to_owned(), text }]);
        let row: serde_json::Value = serde_json::from_str(&exported.files[0].text).expect("JSON");
        let notes: Vec<String> = exported.notes.iter().map(ToString::to_string).collect();
        (row["msdyn_version"].as_str().map(str::to_owned), notes)
    };
    assert_eq!(of("  version 2.0.1.7"), (Some("2.0.1.7".to_owned()), Vec::new()));
    let (version, notes) = of("");
    assert_eq!(version.as_deref(), Some("1.0.0.0"));
    assert!(notes.len() == 1 && notes[0].contains("has no `version`, so 1.0.0.0 is written"), "{notes:?}");
}

#[test]
fn two_maps_that_would_be_one_file_are_refused() {
    let rule = format!("  version 1.0.0.0\n  First <-> xyz_name   modulo trim   else reject\n{POLICIES}}}\n");
    let second = HEAD.find("map Widgets").map(|at| HEAD[at..].replace("map Widgets", "map Others")).expect("there is a map");
    let text = format!("{HEAD}\n  filter Places == 1 ->\n{rule}\n{second}\n  filter Places == 2 ->\n{rule}");
    let exported = exported(&[File { name: "widgets.dwmap".to_owned(), text }]);
    assert_eq!((exported.files.len(), exported.maps), (1, 1));
    let refused = refusals(&exported);
    assert!(refused.len() == 1 && refused[0].contains("another map is written as"), "{refused:?}");
}
