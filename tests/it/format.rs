//! The formatter: one form, the same tree, every comment.

use dwmap::syntax::format;
use proptest::prelude::*;

use super::fuzz::properties::format::formatted as check_format;

fn check_becomes(text: &str, expected: &str) {
    let formatted = check_format(text).unwrap_or_else(|| panic!("the text does not parse:\n{text}"));
    assert!(formatted == expected, "{}", format::diff("expected", expected, &formatted));
}

const CUSTOMERS: &str = include_str!("../corpus/syntax/customers.dwmap");
const LAYER: &str = include_str!("../corpus/syntax/layer.dwmap");
const ENTITIES: &str = include_str!("../corpus/syntax/entities.dwmap");

#[test]
fn every_corpus_file_keeps_its_tree() {
    let mut folders = vec![std::path::PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus"))];
    let mut count = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("the corpus is there") {
            let path = entry.expect("the folder can be read").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "dwmap") {
                check_format(&std::fs::read_to_string(&path).expect("the file can be read"));
                count += 1;
            }
        }
    }
    assert!(count >= 3);
}

#[test]
fn a_map_in_the_common_form() {
    insta::assert_snapshot!(check_format(CUSTOMERS).expect("the file parses"));
}

#[test]
fn a_layer_in_the_common_form() {
    insta::assert_snapshot!(check_format(LAYER).expect("the file parses"));
}

#[test]
fn entities_and_profiles_in_the_common_form() {
    insta::assert_snapshot!(check_format(ENTITIES).expect("the file parses"));
}

#[test]
fn arrows_of_a_block_stand_below_each_other() {
    check_becomes(
        "map M: a.A <-> b.B {\nname<->title\nid  ->  number\nx<-y on create\n\nlonger ++ \"!\" -> z\n}\n",
        "map M: a.A <-> b.B {\n  name <-> title\n  id    -> number\n  x    <-  y   on create\n\n  longer ++ \"!\" -> z\n}\n",
    );
}

#[test]
fn a_label_beyond_its_column_stays() {
    let text = "map A extends b.C {\n  override abcdefghijklmno: a <-> b\n}\n";
    check_becomes(text, text);
}

#[test]
fn a_very_long_side_moves_no_neighbour() {
    let long = "replace(normalize_space(strip(Name, \".-\")), \"&\", \"and\")";
    check_becomes(
        &format!("map M: a.A -> b.B {{\n a -> b\n {long} -> c\n abc -> d\n}}"),
        &format!("map M: a.A -> b.B {{\n  a   -> b\n  {long} -> c\n  abc -> d\n}}\n"),
    );
}

#[test]
fn a_long_rule_goes_on_before_a_clause_word() {
    let lost = "x".repeat(100);
    check_becomes(
        &format!("map M: a.A <-> b.B {{\n take(Name, 40) <~> name loses \"{lost}\" on create else -> park when Kind == 1\n}}"),
        &format!(
            "map M: a.A <-> b.B {{\n  take(Name, 40) <~> name\n    loses \"{lost}\"   on create\n    else -> park   when Kind == 1\n}}\n"
        ),
    );
}

#[test]
fn a_short_rule_goes_back_to_one_line() {
    check_becomes(
        "map M: a.A <-> b.B {\n Name <-> name\n   modulo trim, case\n}",
        "map M: a.A <-> b.B {\n  Name <-> name   modulo trim, case\n}\n",
    );
}

#[test]
fn comments_stay_where_they_are() {
    check_becomes(
        "// first\nsystem fo // side\n/// About the map.\nmap M: a.A <-> b.B { // head\n// own\n a <-> b // one\n abc <-> b // two\n\n\n\n // last\n} // end\n// after\n",
        "// first\nsystem fo   // side\n\n/// About the map.\nmap M: a.A <-> b.B {   // head\n  // own\n  a   <-> b   // one\n  abc <-> b   // two\n\n  // last\n}   // end\n// after\n",
    );
}

#[test]
fn a_comment_inside_a_rule_keeps_its_place() {
    check_becomes(
        "map M: a.A <-> b.B {\n a <-> b // why\n // more\n modulo trim\n c <-> d\n}\n",
        "map M: a.A <-> b.B {\n  a <-> b   // why\n    // more\n    modulo trim\n  c <-> d\n}\n",
    );
}

#[test]
fn a_bracket_opened_at_a_line_end_keeps_its_lines() {
    check_becomes(
        "test \"t\" in M {\n given fo {\n a: 1,\n b: \"x\"\n }\n expect dv {c:1,d:2}\n expect writes fo 1,dv 1\n}\n",
        "test \"t\" in M {\n  given fo {\n    a: 1,\n    b: \"x\"\n  }\n  expect dv { c: 1, d: 2 }\n  expect writes fo 1, dv 1\n}\n",
    );
}

#[test]
fn signs_that_mean_two_things_keep_their_meaning() {
    check_becomes(
        "fn f(a:decimal < 18 , 2 >?,b:set< text<4>>):int64= -a-  - 1<2\nparam p:set<text<4>>={\"a\"}\nentity a.B {\n x:enum{A=1<2,B=-2}?\n key y : choice { C }\n}\n",
        "fn f(a: decimal<18,2>?, b: set<text<4>>): int64 = -a - -1 < 2\nparam p: set<text<4>> = { \"a\" }\n\nentity a.B {\n  x:     enum { A = 1 < 2, B = -2 }?\n  key y: choice { C }\n}\n",
    );
}

#[test]
fn backticks_escapes_and_parentheses_stay() {
    check_becomes(
        "map M: a.`odd name` <-> b.B {\n `key`<->((a))++\"q\\\"\\n\\\\\"\n (`via`) -> `when`\n}\n",
        "map M: a.`odd name` <-> b.B {\n  `key`   <-> ((a)) ++ \"q\\\"\\n\\\\\"\n  (`via`)  -> `when`\n}\n",
    );
}

#[test]
fn rows_of_values_stand_on_their_own_lines() {
    check_becomes(
        "values V: a.X <-> b.Y {A<->1,B->2, reject<-else}",
        "values V: a.X <-> b.Y {\n  A      <-> 1\n  B       -> 2\n  reject <-  else\n}\n",
    );
}

#[test]
fn words_of_a_profile_stay_whole() {
    check_becomes(
        "profile p {\n date:null is 1900-01-01,  precision 1s\n text : padded 8\n}\n",
        "profile p {\n  date: null is 1900-01-01, precision 1s\n  text: padded 8\n}\n",
    );
}

#[test]
fn a_broken_file_is_not_formatted() {
    let refused = format::format_text("m.dwmap", "map M: a.A <-> b.B {\n  a <->\n}\n");
    assert!(matches!(refused, Err(format::Unformatted::Broken { diagnostics, .. }) if diagnostics.has_errors()));
}

#[test]
fn the_difference_is_unified() {
    assert_eq!(format::diff("m", "a\n", "a\n"), "");
    assert_eq!(format::diff("m.dwmap", "a\nb\n", "a\nc\n"), "--- m.dwmap\n+++ m.dwmap\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n");
}

/// Expressions with and without blanks, where both are allowed.
fn expression() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "a",
        "Name",
        "`odd name`",
        "`when`",
        "fo.Enum",
        "0",
        "12.50",
        "\"x\"",
        "\"a\\\"// b\"",
        "null",
        "true",
        "it",
        "when",
        "via",
        "{}",
        "upper(a)",
        "f()",
    ])
    .prop_map(str::to_owned);
    leaf.prop_recursive(4, 24, 3, |inner| {
        let sign = prop::sample::select(vec![
            "+", " + ", "-", " -", "- ", "*", "/", " / ", "++", "??", "==", " != ", "<", " < ", "<=", ">", " >= ", " and ",
            " or ", " in ",
        ]);
        prop_oneof![
            (inner.clone(), sign, inner.clone()).prop_map(|(a, sign, b)| format!("{a}{sign}{b}")),
            inner.clone().prop_map(|a| format!("-{a}")),
            inner.clone().prop_map(|a| format!("not {a}")),
            inner.clone().prop_map(|a| format!("({a})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a},{b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{{\n{a} , // c\n{b}}}")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("take( {a},{b} )")),
            (inner.clone(), inner.clone(), inner).prop_map(|(a, b, c)| format!("if({a})then {b} else {c}")),
        ]
    })
}

fn clause() -> impl Strategy<Value = String> {
    let plain = prop::sample::select(vec![
        "via Companies",
        "\n via{No<->false,Yes->true}",
        "via dv.account(number)|dv.contact(a.b,c)",
        "modulo trim,case",
        "\nmodulo case",
        "split last",
        "loses \"x\"",
        "\n// why\nelse -> park",
        "else reject",
        "on create",
        "on update",
        "on missing park",
        "on conflict newest else prefer dv",
        "// c\n when a",
    ])
    .prop_map(str::to_owned);
    prop_oneof![plain, expression().prop_map(|it| format!("when {it}")), expression().prop_map(|it| format!("else {it}"))]
}

fn member() -> impl Strategy<Value = String> {
    let arrow = prop::sample::select(vec!["<->", " <~> ", "->", "<-", " <- "]);
    let opening = prop::sample::select(vec!["", "", "", "key ", "partition ", "label: ", "override x:"]);
    let rule = (opening, expression(), arrow, expression(), prop::collection::vec(clause(), 0..4))
        .prop_map(|(opening, left, arrow, right, clauses)| format!("{opening}{left}{arrow}{right} {}", clauses.join(" ")));
    let fixed = prop::sample::select(vec![
        "version 1.0.0.5",
        "partition in{ \"a\" }",
        "drop name because \"x\"",
        "seal a,b",
        "on delete->set a=1",
        "on exit<->detach",
        "on conflict prefer fo for(a,b)",
        "on error retry 5",
        "// own",
        "/// documentation",
        "",
        "",
        "for a in {1} {\n a->b // c\n\n}",
    ])
    .prop_map(str::to_owned);
    prop_oneof![3 => rule, 2 => fixed, 1 => expression().prop_map(|it| format!("filter {it}->"))]
}

fn map_text() -> impl Strategy<Value = String> {
    (prop::collection::vec(member(), 0..8), prop::sample::select(vec!["\n", " // c\n", "\n\n\n", " /// d\n"]))
        .prop_map(|(members, end)| format!("map M : a.A<->b.B {{{end}{}\n}}{end}system x", members.join(end)))
}

/// A corpus file whose blanks were changed at some places.
fn disturbed() -> impl Strategy<Value = String> {
    let blank =
        prop::sample::select(vec!["", " ", "   ", "\n", "\n\n", "\n\n\n", " // c\n", "\n// c\n", " /// d\n", "\r\n", "\t"]);
    let changes = prop::collection::vec((any::<prop::sample::Index>(), blank), 0..6);
    (prop::sample::select(vec![CUSTOMERS, LAYER, ENTITIES]), changes).prop_map(|(text, changes)| {
        let mut text = text.to_owned();
        for (index, blank) in changes {
            let places: Vec<usize> = text.match_indices([' ', '\n', '(', ',']).map(|(at, _)| at).collect();
            text.insert_str(places[index.index(places.len())], blank);
        }
        text
    })
}

const SOUP: &[&str] = &[
    "map ",
    "\nmap M: a.A <-> b.B {",
    "\nvalues V: a.A <-> b.B {",
    "\ntest \"t\" in M {",
    "\nentity a.B {",
    "\nprofile p {",
    "\nsystem s",
    "}",
    "{",
    "(",
    ")",
    "\n",
    " ",
    "<->",
    "<~>",
    "->",
    "<-",
    "a",
    "b.c",
    "`x`",
    "`",
    "\"t\"",
    "\"",
    "1",
    "1.0.0",
    ":",
    ",",
    ".",
    "if ",
    "then ",
    "else ",
    "not ",
    "via ",
    "modulo ",
    "when ",
    "on ",
    "create",
    "// c\n",
    "/// d\n",
    "<",
    ">",
    ">=",
    "=",
    "-",
    "+",
    "??",
    "?",
    "|",
    "..=",
    "text<20>",
    "é",
    "\u{feff}",
    "\r\n",
    "\t",
    "§",
    "\\",
    "key ",
    "filter ",
    "for ",
    "in ",
    "iso ",
    "fn ",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_map_keeps_its_tree_and_comments(text in map_text()) {
        check_format(&text);
    }

    #[test]
    fn any_expression_keeps_its_tree(text in expression()) {
        check_format(&format!("map M: a.A <-> b.B {{\n x <- {text}\n}}\nfn f(a: set<text<4>>):int64={text}\nparam p:text<2>={text}\nentity a.B {{\n x:choice{{A={text},B}}\n}}\n"));
    }

    #[test]
    fn a_corpus_file_with_other_blanks_keeps_its_tree(text in disturbed()) {
        check_format(&text);
    }

    #[test]
    fn no_soup_of_tokens_stops_the_parser(parts in prop::collection::vec(prop::sample::select(SOUP), 0..60)) {
        check_format(&parts.concat());
    }

    #[test]
    fn no_bytes_stop_the_parser(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        check_format(&String::from_utf8_lossy(&bytes));
    }
}
