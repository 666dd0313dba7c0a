//! `dwmap diff`: what is patch, minor or major, which version is due, and what must be synchronised again.

use insta::assert_snapshot;

use super::folder::{Folder, Said};

const MAP: &str = r#"system a profile exact
system b profile exact

entity a.Item {
  key Number: text<20>
  Name:       text<60>
  Kind:       enum { Small, Large, Huge }
  Price:      decimal<18,4>
  Note:       text<60>
  Country:    text<10>
}

entity b.item {
  key number: text<20>
  name:       text<60>
  kind:       text<10>?
  price:      decimal<18,4>
  note:       text<60>
  country:    text<10>
}

values Kinds: a.Item.Kind <-> b.item.kind {
  Small  <-> "s"
  Large  <-> "l"
  reject <-  else
  else    -> reject
}

/// Items.
map Items: a.Item <-> b.item {
  version 1.2.3

  key Number <-> number
  filter Country != "XX" <-> country != "XX"

  Name    <-> name
  Price   <-> price
  Kind    <-> kind      via Kinds   else reject
  Country <-> country

  on conflict prefer a
  on delete <-> refuse
  on exit <-> detach
}
"#;

fn difference(old: &str, new: &str, more: &[&str]) -> Said {
    let folder = Folder::new("diff");
    folder.write("old/items.dwmap", old);
    folder.write("new/items.dwmap", new);
    folder.dwmap(&[&["diff", "old", "new"], more].concat())
}

/// Replacing a text of the map makes a change of this level, which is said so.
fn check(from: &str, to: &str, level: &str, what: &str) {
    assert!(MAP.contains(from), "the map has `{from}`");
    let said = difference(MAP, &MAP.replace(from, to), &["--format", "json"]);
    assert!(said.exit == Some(1), "{from} → {to}: {}{}", said.out, said.messages);
    let json: serde_json::Value = serde_json::from_str(&said.out).expect("the answer is JSON");
    let all: Vec<&str> =
        json["maps"][0]["changes"].as_array().expect("a list").iter().filter_map(|it| it["what"].as_str()).collect();
    assert_eq!(json["level"], level, "{from} → {to}: {all:?}");
    assert!(all.iter().any(|it| it.contains(what)), "{from} → {to}: {all:?}");
}

#[test]
fn the_same_maps_have_no_difference() {
    let said = difference(MAP, MAP, &[]);
    assert_eq!((said.exit, said.out.as_str()), (Some(0), "no difference: 1 map is the same\n"));
}

#[test]
fn white_space_and_comments_are_no_difference() {
    let new = MAP.replace("  Name    <-> name", "  // Who.\n  Name   <->   name");
    assert_eq!(difference(MAP, &new, &[]).out, "no difference: 1 map is the same\n");
}

#[test]
fn words_and_order_are_patches() {
    check("/// Items.", "/// All items.", "patch", "the documentation");
    check(
        "  Name    <-> name\n  Price   <-> price\n",
        "  Price   <-> price\n  Name    <-> name\n",
        "patch",
        "the order of the rules",
    );
    check("  Name    <-> name\n", "  title: Name <-> name\n", "patch", "another label");
    check("  Name    <-> name\n", "  (Name) <-> name\n", "patch", "with the same meaning");
}

#[test]
fn more_of_the_same_is_minor() {
    check("  Country <-> country\n", "  Country <-> country\n  Note <-> note\n", "minor", "new rule");
    check("  Large  <-> \"l\"\n", "  Large  <-> \"l\"\n  Huge <-> \"h\"\n", "minor", "added");
    check("  on conflict prefer a\n", "  on conflict prefer b\n", "minor", "another side wins");
    check("  Name    <-> name\n", "  Name    <-> name   modulo trim\n", "minor", "forgiven");
    check("  Price   <-> price\n", "  Price   <-> price   else park\n", "minor", "cannot be carried");
}

#[test]
fn less_or_other_is_major() {
    check("  Price   <-> price\n", "", "major", "rule removed");
    check("  Price   <-> price\n", "  Price -> price\n", "major", "another direction");
    check("  Price   <-> price\n", "  round(Price, 2) <~> price   loses \"digits\"   else reject\n", "major", "promises less");
    check("  Large  <-> \"l\"\n", "  Large  <-> \"x\"\n", "major", "became");
    check("  Large  <-> \"l\"\n", "", "major", "removed");
    check(
        "Country != \"XX\" <-> country != \"XX\"",
        "Country != \"YY\" <-> country != \"YY\"",
        "major",
        "the filter of a changed",
    );
    check("  on delete <-> refuse\n", "  on delete <-> ignore\n", "major", "what a delete in a does");
    check("  Price   <-> price\n", "  Price   <-> price   when Country != \"US\"\n", "major", "other rows");
    check("decimal<18,4>", "decimal<18,2>", "major", "the type of Price");
}

#[test]
fn another_name_is_another_map() {
    let said = difference(MAP, &MAP.replace("map Items:", "map Things:"), &[]);
    assert_eq!(said.exit, Some(0));
    assert_snapshot!(said.out);
}

#[test]
fn a_wider_type_is_minor() {
    check("text<60>", "text<80>", "minor", "text<60> became text<80>");
}

#[test]
fn text_names_the_version_that_is_due_and_what_to_synchronise() {
    let new = MAP
        .replace("version 1.2.3", "version 1.3.0")
        .replace("  Large  <-> \"l\"\n", "  Large  <-> \"l\"\n  Huge   <-> \"h\"\n")
        .replace("  Price   <-> price\n", "  round(Price, 2) <~> price   loses \"digits\"   else reject\n")
        .replace("  Country <-> country\n", "  Country <-> country\n  Note    <-> note\n");
    let said = difference(MAP, &new, &[]);
    assert_eq!(said.exit, Some(1));
    assert_snapshot!(said.out);
}

#[test]
fn json_has_its_documented_fields() {
    let new = MAP.replace("filter Country != \"XX\" <-> country != \"XX\"\n", "").replace("  on exit <-> detach\n", "");
    assert_snapshot!(difference(MAP, &new, &["--format", "json"]).out);
}

#[test]
fn a_version_that_was_raised_enough_is_no_error() {
    let new = MAP.replace("version 1.2.3", "version 2.0.0").replace("  Price   <-> price\n", "");
    assert_eq!(difference(MAP, &new, &[]).exit, Some(0));
    assert_eq!(difference(MAP, &new, &["--deny", "major"]).exit, Some(1));
    let minor = MAP
        .replace("version 1.2.3", "version 1.3.0")
        .replace("  Country <-> country\n", "  Country <-> country\n  Note <-> note\n");
    assert_eq!(difference(MAP, &minor, &["--deny", "major"]).exit, Some(0));
    assert_eq!(difference(MAP, &minor, &["--deny", "minor"]).exit, Some(1));
}

#[test]
fn a_version_with_errors_is_not_compared() {
    let said = difference(MAP, &MAP.replace("Name    <->", "Nane    <->"), &[]);
    assert_eq!((said.exit, said.out.as_str()), (Some(1), ""));
    assert!(said.messages.contains("the new version has errors, so nothing was compared"), "{}", said.messages);
}

/// A repository with two commits; the working folder has a third state.
fn repository() -> Folder {
    let folder = Folder::new("git");
    let commit = "git add -A && git -c user.name=n -c user.email=n@example.org commit -qm change";
    folder.write("maps/items.dwmap", MAP);
    folder.write("maps/dwmap.toml", "maps = [\"*.dwmap\"]\n");
    assert_eq!(folder.shell(&format!("git init -q . && {commit}")).exit, Some(0));
    folder.write("maps/items.dwmap", &MAP.replace("/// Items.", "/// All items."));
    assert_eq!(folder.shell(commit).exit, Some(0));
    folder.write("maps/items.dwmap", &MAP.replace("  Price   <-> price\n", ""));
    folder
}

#[test]
fn revisions_are_compared_with_each_other_and_with_what_is_there_now() {
    let folder = repository();
    let level = |arguments: &[&str]| {
        let said = folder.dwmap(&[&["diff", "--format", "json"], arguments].concat());
        let json: serde_json::Value = serde_json::from_str(&said.out).unwrap_or_else(|_| panic!("{}", said.messages));
        json["level"].as_str().unwrap_or("none").to_owned()
    };
    assert_eq!(level(&["HEAD~1", "HEAD"]), "patch");
    assert_eq!(level(&["HEAD~1:maps", "HEAD:maps"]), "patch");
    assert_eq!(level(&["HEAD:maps/items.dwmap", "maps/items.dwmap"]), "major");
    assert_eq!(level(&["HEAD"]), "major");
    assert_eq!(level(&["HEAD:maps"]), "major");
    assert_eq!(level(&["HEAD", "HEAD"]), "none");
    let inside = folder.shell("cd maps && dwmap diff HEAD~1 HEAD; dwmap diff HEAD:./items.dwmap HEAD; git status --short");
    assert!(inside.out.contains("patch") && inside.out.contains("no difference"), "{}{}", inside.out, inside.messages);
    assert!(inside.out.ends_with(" M items.dwmap\n"), "the index is as it was: {}", inside.out);
}

#[test]
fn what_is_neither_file_nor_revision_is_said() {
    let said = repository().dwmap(&["diff", "nothing"]);
    assert_eq!(said.exit, Some(2));
    assert!(said.messages.contains("`nothing` is neither a file or folder here, nor a revision"), "{}", said.messages);
    let said = repository().dwmap(&["diff", "HEAD:nothing"]);
    assert_eq!(said.exit, Some(3));
    assert!(said.messages.contains("revision `HEAD` has no map file at `nothing`"), "{}", said.messages);
}

#[test]
fn errors_of_a_revision_name_it() {
    let folder = repository();
    folder.write("maps/items.dwmap", &MAP.replace("Name    <->", "Nane    <->"));
    folder.shell("git add -A && git -c user.name=n -c user.email=n@example.org commit -qm broken");
    folder.write("maps/items.dwmap", MAP);
    let said = folder.dwmap(&["diff", "HEAD"]);
    assert_eq!(said.exit, Some(1));
    assert!(said.messages.contains("HEAD:maps/items.dwmap:36"), "{}", said.messages);
}
