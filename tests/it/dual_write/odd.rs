//! What real files hold that they should not, and maps that are not in the standard set: each is said, none is lost silently.

use dwmap::import::{Imported, Options, import};
use serde_json::{Value, json};

use super::{check, errors, zip};

fn mapping(rows: Value) -> Value {
    json!({ "name": "[Widgets] - [xyz_widgets]", "legs": [{
        "sourceSchema": "Widgets", "sourceFilter": "", "destinationSchema": "xyz_widgets", "reversedSourceFilter": "", "fieldMappings": rows,
    }] })
}

fn row(direction: Value, left: &str, right: &str) -> Value {
    json!({ "syncDirection": direction, "sourceField": left, "destinationField": right, "isSystemGenerated": false })
}

fn imported(value: &Value) -> Imported {
    import(&[("widgets.json".to_owned(), value.to_string().into_bytes())], &Options::default())
}

fn number() -> Value {
    row(json!(3), "WIDGETNUMBER", "xyz_number")
}

/// The text of the file that holds the map.
fn text(of: &Imported) -> &str {
    &of.files.iter().find(|it| it.text.contains("map Widgets")).expect("the map has a file").text
}

#[test]
fn a_bare_mapping_of_another_publisher_checks() {
    let rows = json!([
        number(),
        row(json!("3"), "CURRENCYCODE", "transactioncurrencyid.isocurrencycode"),
        { "syncDirection": 3, "sourceField": "ISBLOCKED", "destinationField": "xyz_isblocked", "valueTransforms":
            [{ "transformType": "ValueMap", "valueMap": { "no": "False", "yes": "True" } }] },
        { "syncDirection": 1, "sourceField": "", "destinationField": "xyz_kind", "valueTransforms": [{ "transformType": "Default", "defaultValue": "100000001" }] },
    ]);
    let imported = imported(&mapping(rows));
    assert_eq!((imported.maps, errors(&imported)), (1, Vec::new()));
    assert_eq!(check(&imported.files).2, Vec::<String>::new());
    assert!(text(&imported).contains("100000001 -> xyz_kind"), "{}", text(&imported));
}

#[test]
fn a_direction_is_not_guessed() {
    let imported = imported(&mapping(json!([number(), row(json!("Bidirectional"), "NA\nME", "xyz_name")])));
    assert!(text(&imported).contains("// Not imported, row 2: NA ME"), "{}", text(&imported));
    assert_eq!(check(&imported.files).2, Vec::<String>::new());
    assert_eq!(errors(&imported).len(), 1);
    assert!(errors(&imported)[0].contains("row 2") && errors(&imported)[0].contains("Bidirectional"), "{:?}", imported.notes);
}

#[test]
fn broken_properties_do_not_lose_the_map() {
    let value = json!({ "msdyn_name": "xyz_[xyz_widgets - Widgets]", "msdyn_mapping": mapping(json!([number()])).to_string(), "msdyn_properties": "{\"Tags\":[" });
    let imported = imported(&value);
    assert_eq!((imported.maps, errors(&imported)), (1, Vec::new()));
    assert!(imported.notes.iter().any(|it| it.text.contains("msdyn_properties is no readable JSON")));
    assert!(text(&imported).contains("/// dual-write: xyz_[xyz_widgets - Widgets]"));
}

#[test]
fn json_within_json_within_json_is_read() {
    let once = mapping(json!([number()])).to_string();
    let value = json!({ "msdyn_name": "xyz_[xyz_widgets - Widgets]", "msdyn_mapping": Value::String(json!(once).to_string()) });
    assert_eq!(imported(&value).maps, 1);
}

#[test]
fn what_is_not_understood_stands_in_the_notes_with_its_row() {
    let rows = json!([
        number(),
        { "syncDirection": 3, "sourceField": "A", "destinationField": "xyz_a", "valueTransforms": [{ "transformType": "Truncate", "length": 3 }] },
        row(json!(3), "", "xyz_b"),
        row(json!(1), "C", "xyz c"),
        { "syncDirection": 3, "sourceField": "D", "destinationField": "xyz_d", "valueTransforms": [
            { "transformType": "Default", "defaultValue": "1" }, { "transformType": "ValueMap", "valueMap": { "a": "b" } }] },
    ]);
    let imported = imported(&mapping(rows));
    let rows: Vec<Option<usize>> = imported.notes.iter().filter(|it| it.is_error).map(|it| it.row).collect();
    assert_eq!(rows, [Some(2), Some(3), Some(4), Some(5)], "{:?}", imported.notes);
    for row in 2..=5 {
        assert!(text(&imported).contains(&format!("// Not imported, row {row}: ")), "{row}: {}", text(&imported));
    }
    assert_eq!(check(&imported.files).2, Vec::<String>::new());
}

#[test]
fn a_filter_that_is_not_understood_is_said() {
    let mut value = mapping(json!([number()]));
    value["legs"][0]["sourceFilter"] = json!("(WidgetType == strLen(Name))");
    let imported = imported(&value);
    assert_eq!(errors(&imported).len(), 1);
    assert!(errors(&imported)[0].contains("the filter"), "{:?}", imported.notes);
    assert!(text(&imported).contains("// Not imported: the filter `(WidgetType == strLen(Name))`"), "{}", text(&imported));
}

#[test]
fn a_map_goes_to_dataverse_only_if_all_its_rows_do() {
    let imported = imported(&mapping(json!([row(json!(1), "WIDGETNUMBER", "xyz_number"), row(json!(1), "NAME", "xyz_name")])));
    assert!(text(&imported).contains("map Widgets: fo.Widgets -> dv.xyz_widget"), "{}", text(&imported));
    assert_eq!(check(&imported.files).2, Vec::<String>::new());
}

#[test]
fn a_value_map_that_does_not_invert_says_what_it_loses() {
    let rows = json!([number(), { "syncDirection": 3, "sourceField": "HOLD", "destinationField": "xyz_hold", "valueTransforms":
        [{ "transformType": "ValueMap", "valueMap": { "no": "1", "all": "2", "payment": "2" } }] }]);
    let imported = imported(&mapping(rows));
    assert!(
        text(&imported).contains("<~> xyz_hold ?? No") && text(&imported).contains("loses \"which of All, Payment\""),
        "{}",
        text(&imported)
    );
    assert_eq!(check(&imported.files).2, Vec::<String>::new());
}

#[test]
fn the_highest_version_is_the_map_unless_it_is_parked() {
    let version = |it: &str| json!({ "msdyn_name": "xyz_[xyz_widgets - Widgets]", "msdyn_version": it, "msdyn_mapping": mapping(json!([number()])).to_string() });
    let imported = imported(&json!({ "value": [version("1.0.0.2"), version("9.9.9.9"), version("1.0.0.10")] }));
    assert!(text(&imported).contains("version 1.0.0.10"), "{}", text(&imported));
    let mut older: Vec<&str> =
        imported.files.iter().filter_map(|it| it.name.strip_prefix("older/")).filter(|it| it.ends_with("/other.dwmap")).collect();
    older.sort_unstable();
    assert_eq!(older, ["XyzWidgetsWidgets-1.0.0.2/other.dwmap", "XyzWidgetsWidgets-9.9.9.9/other.dwmap"]);
}

#[test]
fn unknown_keys_of_a_row_come_back_on_export() {
    let mut own = row(json!(3), "NAME", "xyz_name");
    own["isSystemGenerated"] = json!(true);
    own["futureKey"] = json!({ "a": [1, 2] });
    let imported = imported(&mapping(json!([number(), own])));
    let (trees, checked, _) = check(&imported.files);
    let exported = dwmap::import::export::export(&trees, &checked.schemas);
    let row: Value = serde_json::from_str(&exported.files[0].text).expect("JSON");
    let inner: Value = serde_json::from_str(row["msdyn_mapping"].as_str().expect("a text")).expect("JSON");
    let field = &inner["legs"][0]["fieldMappings"][1];
    assert_eq!((&field["isSystemGenerated"], &field["futureKey"]), (&json!(true), &json!({ "a": [1, 2] })));
}

#[test]
fn what_holds_no_map_is_said() {
    for text in ["", "{}", "[1]", "<a/>", "<a", "not json", "{\"legs\": []}"] {
        let imported = import(&[("x".to_owned(), text.as_bytes().to_vec())], &Options::default());
        assert_eq!(imported.maps, 0, "{text}");
        assert!(!imported.notes.is_empty() || text == "<a/>", "{text}");
    }
}

/// A row of the map table with this mapping.
fn record(name: &str, mapping: &str) -> Value {
    json!({ "msdyn_name": name, "msdyn_version": "1.0.0.0", "msdyn_mapping": mapping })
}

#[test]
fn a_row_that_cannot_be_read_does_not_lose_the_others() {
    let whole = mapping(json!([number(), 5, null, {}])).to_string();
    let rows =
        [("a", "{\"legs\":[{"), ("b", "null"), ("c", "[]"), ("d", "{\"legs\":\"no\"}"), ("xyz_[xyz_widgets - Widgets]", &whole)];
    let mut rows: Vec<Value> = rows.map(|(name, text)| record(name, text)).into();
    rows.push(json!({ "msdyn_name": "without a mapping" }));
    let imported = imported(&json!({ "value": rows }));
    assert_eq!(imported.maps, 1);
    assert_eq!(errors(&imported).len(), 5 + 3, "five maps and three rows are no such: {:?}", imported.notes);
    assert_eq!(check(&imported.files).2, Vec::<String>::new());
}

#[test]
fn text_as_windows_saves_it_is_read() {
    let text = mapping(json!([number()])).to_string();
    let little: Vec<u8> = [0xff, 0xfe].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    let big: Vec<u8> = [0xfe, 0xff].into_iter().chain(text.encode_utf16().flat_map(u16::to_be_bytes)).collect();
    let marked = format!("\u{feff}{text}").into_bytes();
    for bytes in [little.clone(), big, marked] {
        let imported = import(&[("widgets.json".to_owned(), bytes)], &Options::default());
        assert_eq!((imported.maps, errors(&imported)), (1, Vec::new()));
    }
    let cut = import(&[("widgets.json".to_owned(), little[..little.len() - 1].to_vec())], &Options::default());
    assert_eq!((cut.maps, errors(&cut).len()), (0, 1), "half a letter is no text");
}

#[test]
fn a_broken_container_does_not_lose_what_stands_beside_it() {
    let good = mapping(json!([number()])).to_string().into_bytes();
    let package = zip(&[
        ("broken.zip", b"PK\x03\x04 and no more"),
        ("maps/widgets.json", &good),
        ("__MACOSX/._widgets.json", b"\x00\x05\xff"),
    ]);
    let imported = import(&[("package.zip".to_owned(), package)], &Options::default());
    assert_eq!(imported.maps, 1);
    assert_eq!(errors(&imported).len(), 1, "{:?}", imported.notes);
    assert!(errors(&imported)[0].contains("broken.zip"), "{:?}", imported.notes);
}

#[test]
fn other_versions_are_projects_of_their_own() {
    let row = |version: &str, field: &str| {
        let text = mapping(json!([number(), row(json!(3), field, "xyz_name")])).to_string();
        json!({ "msdyn_name": "xyz_[xyz_widgets - Widgets]", "msdyn_version": version, "msdyn_mapping": text })
    };
    let rows = [("1.0", "A"), ("2.0", "B"), ("1.0", "A"), ("1.0", "C"), ("", "D"), ("v3", "E")]
        .map(|(version, field)| row(version, field));
    let imported = imported(&json!({ "value": rows }));
    let mut names: Vec<&str> = imported.files.iter().map(|it| it.name.as_str()).filter(|it| it.ends_with("dwmap.toml")).collect();
    names.sort_unstable();
    let folders = [
        "",
        "older/XyzWidgetsWidgets-1.0-2/",
        "older/XyzWidgetsWidgets-1.0/",
        "older/XyzWidgetsWidgets-2/",
        "older/XyzWidgetsWidgets/",
    ];
    assert_eq!(names, folders.map(|it| format!("{it}dwmap.toml")));
    let folder = crate::folder::Folder::new("versions");
    imported.files.iter().for_each(|it| folder.write(&it.name, &it.text));
    for place in folders {
        let checked = folder.dwmap(&["check", if place.is_empty() { "." } else { place }]);
        assert_eq!(checked.exit, Some(0), "{place}: {}", checked.messages);
    }
}

#[test]
fn ids_and_times_in_filters_are_no_texts() {
    let filters = [
        ("xyz_owner eq 0b5f0000-0000-0000-0000-00000000000a", "xyz_owner == \"0b5f0000-0000-0000-0000-00000000000a\"", "guid?"),
        ("xyz_owner eq b05f0000-0000-0000-0000-00000000000a", "xyz_owner == \"b05f0000-0000-0000-0000-00000000000a\"", "guid?"),
        ("xyz_since gt 2020-01-01T00:00:00Z", "xyz_since > \"2020-01-01T00:00:00Z\"", "datetime?"),
        ("xyz_since gt 2020-01-01", "xyz_since > \"2020-01-01\"", "date?"),
    ];
    for (filter, written, kind) in filters {
        let mut value = mapping(json!([number()]));
        value["legs"][0]["reversedSourceFilter"] = json!(filter);
        let imported = imported(&value);
        assert_eq!(errors(&imported), Vec::<String>::new(), "{filter}");
        assert!(text(&imported).contains(written), "{}", text(&imported));
        let inferred = &imported.files.iter().find(|it| it.name == "inferred.dwmap").expect("the entities are there").text;
        assert!(inferred.contains(kind), "{filter}: {inferred}");
        assert_eq!(check(&imported.files).2, Vec::<String>::new(), "{filter}");
    }
}

#[test]
fn a_lookup_whose_key_bears_its_own_name_leads_to_another_table() {
    let imported = imported(&mapping(json!([number(), row(json!(3), "OWNER", "xyz_owner.xyz_owner")])));
    assert_eq!((imported.maps, errors(&imported)), (1, Vec::new()));
    assert!(text(&imported).contains("via dv.xyz_owner(xyz_owner)"), "{}", text(&imported));
    assert_eq!(check(&imported.files).2, Vec::<String>::new());
}

#[test]
fn a_row_that_writes_a_column_again_is_said_with_its_place() {
    let rows = json!([
        number(),
        row(json!(3), "DESCRIPTION", "xyz_desc"),
        row(json!(3), "X", "xyz_desc"),
        row(json!(3), "A", "ownerid.domainname"),
        row(json!(3), "OWNER", "ownerid"),
        row(json!(1), "B", "ownerid.domainname"),
    ]);
    let imported = imported(&mapping(rows));
    let rows: Vec<Option<usize>> = imported.notes.iter().filter(|it| it.is_error).map(|it| it.row).collect();
    assert_eq!(rows, [Some(3), Some(5), Some(6)], "{:?}", imported.notes);
    for kept in [
        "DESCRIPTION <-> xyz_desc",
        "A <-> ownerid",
        "// Not imported, row 3: `X = xyz_desc`",
        "// Not imported, row 5",
        "// Not imported, row 6",
    ] {
        assert!(text(&imported).contains(kept), "{kept}: {}", text(&imported));
    }
    assert_eq!(check(&imported.files).2, Vec::<String>::new());
}

#[test]
fn rows_of_one_column_that_go_different_ways_are_rules_of_their_own() {
    for column in ["xyz_s", "xyz_s.xyz_k"] {
        let rows = json!([number(), row(json!(1), "A", column), row(json!(2), "B", column)]);
        let imported = imported(&mapping(rows.clone()));
        assert_eq!(errors(&imported), Vec::<String>::new());
        let words = text(&imported).split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains("A -> xyz_s") && words.contains("B <- xyz_s"), "{words}");
        assert_eq!(there_and_back(&imported), directions(&rows), "{}", text(&imported));
    }
}

/// Direction and columns of each row.
fn directions(rows: &Value) -> Vec<(String, String, String)> {
    let one = |it: &Value| ["syncDirection", "sourceField", "destinationField"].map(|key| it[key].to_string()).into();
    rows.as_array().expect("a list").iter().map(one).collect()
}

/// The same of what an export of the import writes.
fn there_and_back(imported: &Imported) -> Vec<(String, String, String)> {
    let (trees, checked, found) = check(&imported.files);
    assert_eq!(found, Vec::<String>::new());
    let exported = dwmap::import::export::export(&trees, &checked.schemas);
    // These columns came without a version of their map.
    assert!(exported.notes.iter().all(|it| it.text.starts_with("has no `version`")), "{:?}", exported.notes);
    directions(&fields(&exported.files[0].text))
}

/// The rows of an exported map.
fn fields(text: &str) -> Value {
    let row: Value = serde_json::from_str(text).expect("JSON");
    let inner: Value = serde_json::from_str(row["msdyn_mapping"].as_str().expect("a text")).expect("JSON");
    inner["legs"][0]["fieldMappings"].clone()
}

#[test]
fn no_part_of_a_reference_that_cannot_be_said_is_lost_silently() {
    let mut mapped = row(json!(3), "B", "xyz_s.xyz_j");
    mapped["valueTransforms"] = json!([{ "transformType": "ValueMap", "valueMap": { "a": "b" } }]);
    let imported = imported(&mapping(json!([number(), row(json!(3), "A", "xyz_s.xyz_k"), mapped])));
    let rows: Vec<Option<usize>> = imported.notes.iter().filter(|it| it.is_error).map(|it| it.row).collect();
    assert_eq!(rows, [Some(2), Some(3)], "{:?}", imported.notes);
    assert!(text(&imported).contains("// Not imported, row 2") && text(&imported).contains("// Not imported, row 3"));
}

#[test]
fn a_map_with_its_sides_exchanged_is_refused() {
    let mut value = mapping(json!([number()]));
    value["legs"][0]["sourceEnvironmentType"] = json!("CRM");
    value["legs"][0]["destinationEnvironmentType"] = json!("AX");
    let imported = imported(&value);
    assert_eq!((imported.maps, errors(&imported).len()), (0, 1));
    assert!(errors(&imported)[0].contains("exchange both sides"), "{:?}", imported.notes);
}

#[test]
fn a_key_that_the_text_does_not_carry_is_said() {
    let mut inner = mapping(json!([number()]));
    inner["order"] = json!(5);
    inner["leftPartitionName"] = json!("usmf");
    inner["centerPartitionName"] = json!(null);
    inner["legs"][0]["deleteNonMatchingData"] = json!(true);
    inner["legs"][0]["entityFileFormat"] = json!(0);
    let mut value = record("xyz_[xyz_widgets - Widgets]", &inner.to_string());
    value["msdyn_properties"] = json!(json!({ "Description": "x", "Tags": ["A"], "TargetVersionInfo": null }).to_string());
    let imported = imported(&value);
    let said: Vec<&str> = imported
        .notes
        .iter()
        .filter(|it| it.text.contains("does not carry"))
        .map(|it| it.text.split('`').nth(1).unwrap_or_default())
        .collect();
    assert_eq!(said, ["Tags", "deleteNonMatchingData", "leftPartitionName", "order"]);
    assert_eq!(errors(&imported), Vec::<String>::new());
}

#[test]
fn two_rows_for_the_two_directions_are_one_rule() {
    for column in ["xyz_s", "xyz_s.xyz_k"] {
        let imported = imported(&mapping(json!([number(), row(json!(1), "A", column), row(json!(2), "A", column)])));
        assert_eq!(errors(&imported), Vec::<String>::new());
        let whole = json!([number(), row(json!(3), "A", column)]);
        assert_eq!(there_and_back(&imported), directions(&whole), "{}", text(&imported));
    }
}
