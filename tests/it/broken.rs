//! Text that does not parse: one good message for each broken piece, and no way to stop the parser.

use dwmap::diag::Diagnostics;
use dwmap::source::Sources;
use dwmap::syntax::{self, ast};

fn parse(text: &str) -> (ast::File, Vec<String>) {
    let mut sources = Sources::default();
    let id = sources.add("test.dwmap", text).expect("the text is short");
    let mut diags = Diagnostics::default();
    let tree = syntax::parse(&sources, id, &mut diags);
    let message = |it: dwmap::diag::Diagnostic| {
        let at = sources.position(it.primary());
        let fixes: Vec<String> = it.fixes.iter().map(|fix| format!("\n    fix: {}", fix.message)).collect();
        let shown: String = sources.text(it.primary()).chars().take(20).collect();
        format!("{}:{} {} `{shown}`: {}{}", at.line, at.column, it.code, it.message, fixes.concat())
    };
    (tree, diags.sorted().into_iter().map(message).collect())
}

const HALF_TYPED: &str = r#"usee "std/customers" as std
use "std/customers"
system fo form "schemas/fo.json"
system dv profile
entity fo.Customer {
  key Number text<20>
  Name: text<100
  Limit: decimal<32,6>? required
  Hold: enum { No Invoice, }
}
values Hold fo.A <-> dv.b {
  No <-> None
  Invoice Invoicing
  All <-
}
canon vat(s: text<20>: text<60> = upper(s)
fn f(a: text) = if a == "x" then 1
param p: set<text<4>> = { "usmf"
map Customers fo.CustomersV3 <-> dv.account {
  Name <-> name
}
map Customers: fo.CustomersV3 <-> dv.account {
  version one
  OrganizationName name
  OrganizationName <->
  OrganizationName <-> name modul trim
  OrganizationName <-> name modulo
  take(Notes, 2000 <~> description
  Notes <~> description loses text
  Hold <-> hold via
  Hold <-> hold via { No <-> }
  Limit <-> limit else
  Group <-> group on missin park
  "open <-> text
  a + <-> b
  a § b
  on conflict newer
  on delete -> erase
  on delete refuse
  on something
  filter a == 1
  seal
  drop name becase "x"
  for x in { 1 }
  good <-> fine
}
test "rename" Customers {
  given fo name: "x" }
}
test "rename" in Customers {
  given fo { name "x" }
  expect fo
  expct fo { name: "x" }
  roundtrip many
}
"#;

#[test]
fn a_half_typed_file_gets_a_message_for_each_broken_piece() {
    let (tree, messages) = parse(HALF_TYPED);
    assert!(tree.is_broken);
    insta::assert_snapshot!(messages.join("\n"));
}

#[test]
fn a_broken_rule_leaves_its_neighbours() {
    let (tree, messages) = parse("map M: a.A <-> b.B {\n  a <-> b\n  c <->\n  d <-> e\n}\n");
    assert_eq!(messages.len(), 1);
    let ast::ItemKind::Map(map) = &tree.items[0].kind else { panic!("the item is a map") };
    assert_eq!((map.members.len(), map.is_broken), (2, true));
}

#[test]
fn deep_nesting_is_a_message() {
    let deep = |text: String| {
        let (_, messages) = parse(&format!("map M: a.A <-> b.B {{\n  x <- {text}\n}}\n"));
        assert!(!messages.is_empty() && messages.iter().all(|it| it.contains("DW0001")), "{messages:?}");
    };
    deep("(".repeat(100_000));
    deep("not ".repeat(100_000));
    deep("- ".repeat(100_000));
    deep("{".repeat(100_000));
    deep("if a then ".repeat(100_000));
    deep(format!("{}a{}", "(".repeat(100_000), ")".repeat(100_000)));
    deep(format!("{}a", "f(".repeat(100_000)));
    deep(format!("a{}", " + a".repeat(100_000)));
    deep(format!("a{}", " and a".repeat(100_000)));
    deep(format!("a{}", " in a".repeat(100_000)));
    deep(format!("{}a{}", "not (".repeat(40), ")".repeat(40)));
    let (_, messages) = parse(&"set<".repeat(100_000).replacen("set", "param p: set", 1));
    assert!(messages.iter().any(|it| it.contains("DW0001")), "{messages:?}");
    let (_, messages) = parse(&format!("map M: a.A <-> b.B {{\n{}", "for a in { 1 } {\n".repeat(100_000)));
    assert!(messages.iter().any(|it| it.contains("DW0001")), "{messages:?}");
}

#[test]
fn nesting_that_people_write_is_fine() {
    let chain = (1..30).map(|it| format!("if a == {it} then {it} else ")).collect::<String>();
    let sum = (0..200).map(|it| format!("a{it} ++ \", \" ++ ")).collect::<String>();
    let (_, messages) = parse(&format!("map M: a.A <-> b.B {{\n  x <- {chain}0\n  y <- {sum}\"\"\n}}\n"));
    assert_eq!(messages, Vec::<String>::new());
}

#[test]
fn a_long_list_is_not_deep() {
    let members = (0..3000).map(|it| format!("M{it} = {it}, ")).collect::<String>();
    let rules = (0..1000).map(|it| format!("    a{it} ++ \"x\" -> b{it}\n")).collect::<String>();
    let text =
        format!("entity a.B {{\n  x: choice {{ {members}}}\n}}\nmap M: a.A -> b.B {{\n  for a in {{ 1 }} {{\n{rules}  }}\n}}\n");
    let (_, messages) = parse(&text);
    assert_eq!(messages, Vec::<String>::new());
}

#[test]
fn an_open_bracket_hides_no_other_line() {
    let (tree, messages) =
        parse("map M: a.A <-> b.B {\n  take(a, 2 <-> b\n  c <-> d\n  e <-> f via { A <-> B\n  g) <-> h\n  i <-> j\n}\n");
    assert_eq!(messages.len(), 3, "{messages:?}");
    let ast::ItemKind::Map(map) = &tree.items[0].kind else { panic!("the item is a map") };
    assert_eq!(map.members.len(), 2);
}

#[test]
fn a_rule_may_begin_with_the_function_drop() {
    let (_, messages) = parse("map M: a.A -> b.B {\n  drop(Name, 2) -> name\n  drop name because \"x\"\n}\n");
    assert_eq!(messages, Vec::<String>::new());
}

#[test]
fn an_else_with_a_direction_may_begin_a_line() {
    let (tree, messages) = parse("map M: a.A <-> b.B {\n  a <-> b\n    else -> park\n    else <- skip\n}\n");
    assert_eq!(messages, Vec::<String>::new());
    let ast::ItemKind::Map(map) = &tree.items[0].kind else { panic!("the item is a map") };
    assert_eq!(map.members.len(), 1);
}

#[test]
fn documentation_behind_a_rule_does_not_belong_to_the_next() {
    let (tree, _) = parse("map M: a.A <-> b.B {\n  a <-> b /// of nobody\n  c <-> d\n}\n");
    let ast::ItemKind::Map(map) = &tree.items[0].kind else { panic!("the item is a map") };
    assert_eq!(map.members[1].docs, Vec::<String>::new());
}

#[test]
fn a_file_of_nonsense_gets_a_bounded_number_of_messages() {
    let (tree, messages) = parse(&format!("map M: a.A <-> b.B {{\n{}}}\n", "a\n".repeat(5_000)));
    assert!(tree.is_broken);
    assert_eq!(messages.len(), syntax::ERRORS_PER_FILE_MAX);
}
