//! `dwmap explain` of maps and rules, and `dwmap check --require`.

use super::folder::Folder;

const MAP: &str = r#"system erp profile exact
system shop profile sqlite

entity erp.Item {
  key Number: text<20>
  Name:       text<100> required
  Weight:     int32
  Hold:       enum { No, Payment, All }
  Note:       text<50>
}

entity shop.product {
  key sku: text<20>
  title:   text<100> required
  grams:   int64
  blocked: bool
  kind:    text<10>
  note:    text<20>
}

map Items: erp.Item <-> shop.product {
  key    Number <-> sku
  filter <- kind == "item" and length(kind) > 2

  Name           <-> title   modulo trim
  Hold           <~> blocked via { No <-> false, All <-> true, Payment -> true }   loses "whether All or Payment"
  Weight * 1000  <-> grams   else reject
  take(Note, 20) <~> note    loses "the tail"
  "item"          -> kind    on create

  on conflict prefer erp
  on delete <-> refuse
  on exit detach
}
"#;

fn folder() -> Folder {
    let folder = Folder::new("explain");
    folder.write("items.dwmap", MAP);
    folder
}

/// A map with a wrong rule is explained all the same, after what is wrong with it.
#[test]
fn a_map_with_errors_is_explained_as_far_as_it_was_read() {
    let folder = Folder::new("explain-wrong");
    folder.write("items.dwmap", &MAP.replace("Weight * 1000  <-> grams ", "Wait * 1000  <-> grams "));
    let map = folder.dwmap(&["explain", "Items"]);
    assert_eq!(map.exit, Some(1), "{map:?}");
    assert!(map.messages.contains("`Item` has no field `Wait`"), "{map:?}");
    assert!(map.out.contains("`Items` has errors") && map.out.contains("blocked"), "{map:?}");
    let right = folder.dwmap(&["explain", "Items.title"]);
    assert_eq!(right.exit, Some(1), "{right:?}");
    assert!(right.out.contains("errors elsewhere") && right.out.contains("nothing of it runs"), "{right:?}");
    assert_eq!(right.messages, "");
    let wrong = folder.dwmap(&["explain", "Items.grams"]);
    assert!(wrong.exit == Some(1) && wrong.messages.contains("Wait") && wrong.out.is_empty(), "{wrong:?}");
}

#[test]
fn values_that_become_one_are_named_as_members() {
    let folder = Folder::new("explain-members");
    let rules = MAP.replace("blocked: bool", "blocked: choice { Free = 1, Held = 2 }");
    let rules = rules
        .replace("No <-> false, All <-> true, Payment -> true }", "No <-> Free, All <-> Held, Payment -> Held } else reject");
    folder.write("items.dwmap", &rules);
    let said = folder.dwmap(&["explain", "Items.blocked"]);
    assert!(said.exit == Some(0) && said.out.contains("which of All, Payment: all become Held"), "{said:?}");
}

/// Every one of the lines stands in the answer, whatever stands between its words.
fn check_said(arguments: &[&str], lines: &[&str]) {
    let said = folder().dwmap(arguments);
    assert_eq!(said.exit, Some(0), "{said:?}");
    let squeezed: Vec<String> = said.out.lines().map(|it| it.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    for line in lines {
        assert!(squeezed.iter().any(|it| it == line), "`{line}` is missing in\n{}", said.out);
    }
}

#[test]
fn a_rule_is_shown_with_readers_writers_laws_and_losses() {
    check_said(
        &["explain", "Items.blocked"],
        &[
            "Items.blocked <~> (items.dwmap:26)",
            "erp shows Hold through blocked",
            "erp is written Hold := it through blocked",
            "shop shows blocked",
            "shop is written blocked := it",
            "L1 section enumerated (5 cases, all there are)",
            "L2 absorption enumerated (5 cases, all there are)",
            "L3 independence proved",
            "L4 stability proved",
            "lost \"whether All or Payment\", as the map says",
            "lost which of All, Payment: all become true",
            "on conflict erp wins",
        ],
    );
}

#[test]
fn the_filter_is_divided_between_the_system_and_this_program() {
    check_said(
        &["explain", "Items.title"],
        &[
            "compared as text<100>, modulo trim",
            "L1 section proved",
            "lost nothing",
            "filter, shop (kind == \"item\") and (length(kind) > 2)",
            "asked of it \"kind\" collate binary = 'item'",
            "tested here length(kind) > 2",
        ],
    );
}

#[test]
fn a_map_is_shown_with_how_sure_its_rules_are() {
    check_said(
        &["explain", "Items"],
        &[
            "<-> sku proved",
            "<~> blocked enumerated (5 cases, all there are): L1 section",
            "<~> note proved",
            "-> kind enumerated (1 cases, all there are): L4 stability",
        ],
    );
}

#[test]
fn unknown_maps_and_rules_get_the_nearest_name() {
    for (name, answer) in [
        ("Itms", "error: there is no map `Itms`\n  = fix: `Items`\n"),
        ("Items.titel", "error: there is no rule `titel`\n  = fix: `title`\n"),
        ("dw0316x", "error: there is no code `dw0316x`\n  = fix: `DW0316`\n"),
    ] {
        let said = folder().dwmap(&["explain", name]);
        assert_eq!((said.exit, said.messages.as_str()), (Some(2), answer));
    }
}

#[test]
fn more_can_be_required_than_was_tried() {
    let plain = folder().dwmap(&["check", "--format", "short"]);
    assert_eq!(plain.exit, Some(0), "{plain:?}");
    assert!(plain.out.contains("hint[DW0316]: L1 section of this rule was tried and not proved"), "{}", plain.out);
    assert_eq!(folder().dwmap(&["check", "--require", "tested"]).exit, Some(0));
    let sure = folder().dwmap(&["check", "--require", "enumerated", "--format", "short"]);
    let errors: Vec<&str> = sure.out.lines().filter(|it| it.contains(": error")).collect();
    assert_eq!(sure.exit, Some(1));
    assert_eq!(errors.len(), 1, "{}", sure.out);
    assert!(errors[0].starts_with("items.dwmap:27:18: error[DW0316]: L1 section of this rule is tested"), "{}", errors[0]);
    let all = folder().dwmap(&["check", "--require", "proved", "--format", "short"]);
    assert_eq!(all.out.lines().filter(|it| it.contains(": error[DW0316]")).count(), 3, "{}", all.out);
}
