//! The forms in which `dwmap check` gives its messages to other programs.

use insta::assert_snapshot;
use serde_json::Value;

use super::folder::Folder;

/// A map with an error that has a fix and a second place, a counterexample, a warning and a hint. Some letters mean something
/// to the readers of these forms.
const WRONG: &str = "\
system a profile exact
system b profile exact

entity a.Item {
  key Number: text<20>
  Name:       text<60>
  Note:       text<60>
  Kind:       enum { Small, Large }
}

entity b.item {
  key number: text<20>
  name:       text<60>
  note:       text<60>
  kind:       text<60>
}

map Items: a.Item <-> b.item {
  key Number <-> number
  Nane       <-> name
  trim(Note) <-> note   // 100 %: a, b; [c]
  Kind       <~> kind   via { Small <-> \"s\", Large <-> \"l\" }   else reject   loses \"nothing\"
  on conflict prefer a
  on delete <-> refuse
}
";

fn said(format: &str) -> String {
    let folder = Folder::new("forms");
    folder.write("größe 1.dwmap", WRONG);
    let said = folder.dwmap(&["check", "--format", format]);
    assert_eq!((said.exit, said.messages.as_str()), (Some(1), ""), "{}", said.out);
    said.out
}

#[test]
fn sarif_holds_all_rules_and_every_place_and_fix() {
    let mut log: Value = serde_json::from_str(&said("sarif")).expect("a log is JSON");
    let rules = log["runs"][0]["tool"]["driver"]["rules"].take();
    let rules = rules.as_array().expect("the tool has rules");
    assert_eq!(rules.len(), dwmap::diag::codes::ALL.len());
    assert!(rules.iter().all(|it| it["help"]["markdown"].as_str().is_some_and(|it| it.contains("```dwmap"))));
    for result in log["runs"][0]["results"].as_array().expect("a run has results") {
        let index = result["ruleIndex"].as_u64().expect("a result has a rule") as usize;
        assert_eq!(rules[index]["id"], result["ruleId"]);
    }
    let shown = serde_json::to_string_pretty(&log).expect("it was JSON").replace(env!("CARGO_PKG_VERSION"), "VERSION");
    assert_snapshot!(shown);
}

#[test]
fn sarif_of_a_clean_project_has_no_results() {
    let folder = Folder::of_corpus("sqlite-pair");
    let said = folder.dwmap(&["check", "--format", "sarif"]);
    let log: Value = serde_json::from_str(&said.out).expect("a log is JSON");
    assert_eq!((said.exit, &log["runs"][0]["results"]), (Some(0), &Value::Array(Vec::new())));
}

#[test]
fn a_finding_keeps_its_fingerprint_when_lines_move() {
    let prints = |text: &str| -> Vec<Value> {
        let folder = Folder::new("prints");
        folder.write("a.dwmap", text);
        let log: Value = serde_json::from_str(&folder.dwmap(&["check", "--format", "sarif"]).out).expect("a log is JSON");
        let results = log["runs"][0]["results"].as_array().expect("a run has results").clone();
        results.into_iter().map(|mut it| it["partialFingerprints"].take()).collect()
    };
    let (one, two) = (prints(WRONG), prints(&format!("// A new first line.\n\n{WRONG}")));
    assert_eq!(one, two);
    let distinct: std::collections::HashSet<String> = one.iter().map(Value::to_string).collect();
    assert_eq!(distinct.len(), one.len());
}

#[test]
fn github_annotations_escape_what_ends_a_property() {
    assert_snapshot!(said("github"));
}

#[test]
fn azure_annotations_escape_what_ends_a_property() {
    assert_snapshot!(said("azure"));
}
