//! How diagnostics look: the table of codes, the text, the JSON.

use dwmap::diag::render::{self, Color};
use dwmap::diag::{Diagnostic, Diagnostics, Severity, codes, report};
use dwmap::source::{Sources, Span};

const TEXT: &str =
    "map Customers: fo.CustomersV3 <-> dv.account {\n  trim(OrganizationName) <-> name\n  City <-> adress1_city\n}\n";

/// The place of a text in [`TEXT`].
fn at(sources: &Sources, text: &str) -> Span {
    let (id, file) = sources.files().next().expect("one file was added");
    let start = file.text.find(text).expect("the text stands in the file");
    Span::new(id, start, start + text.len())
}

fn problems() -> (Sources, Vec<Diagnostic>) {
    let mut sources = Sources::default();
    sources.add("customers.dwmap", TEXT).expect("the text is short");
    let (left, right, city) = (at(&sources, "trim(OrganizationName)"), at(&sources, "name\n"), at(&sources, "adress1_city"));
    let right = Span { end: right.end - 1, ..right };
    let mut diags = Diagnostics::default();
    diags.push(
        Diagnostic::new(codes::UNKNOWN_NAME, city, "`account` has no field `adress1_city`", "not in schemas/dv.json").replace(
            "`address1_city`",
            city,
            "address1_city",
            true,
        ),
    );
    diags.push(
        Diagnostic::new(
            codes::SECTION,
            right,
            "the right side can hold a value that the left side cannot equal",
            "may hold \"b \"",
        )
        .because(left, "always trimmed")
        .counterexample("name = \"b \"  →  OrganizationName = \"b \"  →  trim = \"b\"  ≠  \"b \"")
        .note("effect", "every sync writes again")
        .advice("`OrganizationName <-> name modulo trim`")
        .in_rule("Customers", Some("name")),
    );
    let mut hint = Diagnostic::new(codes::NO_LOSES, left, "a remark", "here");
    hint.severity = Severity::Hint;
    diags.push(hint);
    (sources, diags.sorted())
}

#[test]
fn text_shows_every_label_note_counterexample_and_fix() {
    let (sources, diagnostics) = problems();
    insta::assert_snapshot!(render::emit(&diagnostics, &sources, Color::Never));
}

#[test]
fn json_has_the_documented_fields() {
    let (sources, diagnostics) = problems();
    insta::assert_snapshot!(report::to_json(&diagnostics, &sources));
}

#[test]
fn colour_only_adds_escape_sequences() {
    let (sources, diagnostics) = problems();
    let colored = render::emit(&diagnostics, &sources, Color::Always);
    let mut plain = String::new();
    let mut is_escape = false;
    for letter in colored.chars() {
        match letter {
            '\u{1b}' => is_escape = true,
            'm' if is_escape => is_escape = false,
            _ if is_escape => {}
            _ => plain.push(letter),
        }
    }
    assert_ne!(plain, colored);
    assert_eq!(plain, render::emit(&diagnostics, &sources, Color::Never));
}

#[test]
fn summary_counts_and_says_none() {
    let (_, diagnostics) = problems();
    assert_eq!(render::summary(&diagnostics, 3), "2 errors, 1 hint in 3 files");
    assert_eq!(render::summary(&[], 1), "no problems in 1 file");
}

#[test]
fn codes_are_sorted_and_titled() {
    assert!(codes::ALL.is_sorted_by(|left, right| left.code < right.code), "a number stands twice or out of order");
    for info in codes::ALL {
        assert!(!info.title.is_empty() && !info.title.ends_with('.'), "{}", info.code);
    }
}

/// A page whose examples do not parse would teach the wrong language. The page on syntax shows a text that must not.
#[test]
fn examples_of_every_page_are_in_the_form_of_the_language() {
    for info in codes::ALL {
        let examples: Vec<&str> = info.explanation.split("```dwmap\n").skip(1).filter_map(|it| it.split("```").next()).collect();
        assert!(!examples.is_empty(), "{} has no example", info.code);
        for (index, example) in examples.into_iter().enumerate() {
            let must_fail = info.code == codes::SYNTAX && index == 0;
            assert_eq!(parse_errors(example).is_empty(), !must_fail, "{}: {example}{:?}", info.code, parse_errors(example));
        }
    }
}

/// Rules are put into a map; items stand for themselves.
fn parse_errors(example: &str) -> Vec<String> {
    let is_item = ["map ", "system ", "entity ", "values ", "test "].iter().any(|it| example.starts_with(it));
    let text = if is_item { example.to_owned() } else { format!("map M: fo.A <-> dv.b {{\n{}}}\n", indented(example)) };
    let mut sources = Sources::default();
    let file = sources.add("example.dwmap", text).expect("an example is short");
    let mut diags = Diagnostics::default();
    dwmap::syntax::parse(&sources, file, &mut diags);
    diags.sorted().into_iter().map(|it| it.message).collect()
}

fn indented(text: &str) -> String {
    text.lines().map(|it| format!("  {it}\n")).collect()
}

/// `UPDATE=1 cargo test --test it reference_of_codes` writes it again.
#[test]
fn reference_of_codes_is_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/grammar/codes.md");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, codes::reference()).expect("the reference can be written");
    }
    let written = std::fs::read_to_string(path).expect("the reference is there");
    assert!(
        written == codes::reference(),
        "grammar/codes.md is old; `UPDATE=1 cargo test --test it reference_of_codes` writes it again"
    );
}
