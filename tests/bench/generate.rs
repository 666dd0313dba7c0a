//! Texts of any size: a project of many maps, and texts that were made to be slow.

use std::fmt::Write as _;

/// Fields of one entity that a rule uses.
const KINDS: &[(&str, &str)] = &[
    ("text<60>", "text<60>"),
    ("text<20>", "text<40>"),
    ("int32", "int32"),
    ("int32", "int64"),
    ("bool", "bool"),
    ("date", "date"),
    ("datetime", "datetime"),
    ("decimal<12,2>", "decimal<12,2>"),
    ("text<100>", "text<100>"),
    ("text<200>", "text<100>"),
];

/// One file with so many maps of so many rules each; every tenth map refers to the one before it.
pub fn project(maps: usize, rules: usize) -> String {
    let mut out = SYSTEMS.to_owned();
    (0..maps).for_each(|map| one(&mut out, map, rules));
    out
}

/// The same as a file for each map, with their names.
pub fn files(maps: usize, rules: usize) -> Vec<(String, String)> {
    let file = |map: usize| {
        let mut text = String::new();
        one(&mut text, map, rules);
        (format!("map{map}.dwmap"), text)
    };
    std::iter::once(("systems.dwmap".to_owned(), SYSTEMS.to_owned())).chain((0..maps).map(file)).collect()
}

const SYSTEMS: &str = "system fo\nsystem dv\n\n";

fn one(out: &mut String, map: usize, rules: usize) {
    entities(out, map, rules);
    writeln!(out, "map Map{map}: fo.Left{map} <-> dv.right{map} {{\n  key Id <-> id").expect("a string takes all");
    if map % 10 == 9 {
        writeln!(out, "  Other <-> other via Map{}", map - 1).expect("a string takes all");
    }
    for rule in 0..rules {
        writeln!(out, "  {}", line(rule)).expect("a string takes all");
    }
    out.push_str("  on conflict newest\n  on delete <-> refuse\n}\n\n");
}

fn entities(out: &mut String, map: usize, rules: usize) {
    for (index, entity) in [format!("fo.Left{map}"), format!("dv.right{map}")].into_iter().enumerate() {
        let (key, prefix, other) = if index == 0 { ("Id", "F", "Other") } else { ("id", "f", "other") };
        writeln!(out, "entity {entity} {{\n  key {key}: text<20>").expect("a string takes all");
        if map % 10 == 9 {
            let target = if index == 0 { format!("fo.Left{}", map - 1) } else { format!("dv.right{}", map - 1) };
            writeln!(out, "  {other}: lookup {target}?").expect("a string takes all");
        }
        for rule in 0..rules {
            let pair = KINDS[rule % KINDS.len()];
            let kind = if index == 0 { pair.0 } else { pair.1 };
            writeln!(out, "  {prefix}{rule}: {kind}").expect("a string takes all");
        }
        out.push_str("}\n\n");
    }
}

fn line(rule: usize) -> String {
    match rule % KINDS.len() {
        0 => format!("F{rule} <-> f{rule} modulo trim, case"),
        1 => format!("F{rule} -> f{rule}"),
        3 => format!("F{rule} -> f{rule}"),
        8 => format!("upper(take(F{rule}, 30)) -> f{rule}"),
        9 => format!("take(F{rule}, 100) <~> f{rule}   loses \"text after 100 characters\""),
        _ => format!("F{rule} <-> f{rule}"),
    }
}

/// A text of about that many bytes, with a name.
pub fn hostile(bytes: usize) -> Vec<(&'static str, String)> {
    let map = "map M: a.A <-> b.B {\n";
    let repeated = |part: &str| part.repeat(bytes / part.len());
    let nested: String = (0..40).map(|_| "for a in { 1 } {\n").collect();
    vec![
        ("open brackets", repeated("(")),
        ("closed brackets", repeated(")")),
        ("brackets in a rule", format!("{map}  {} -> b\n}}\n", repeated("("))),
        ("braces", format!("{map}{}", repeated("{\n"))),
        ("quotes", repeated("\"")),
        ("quotes on lines", format!("{map}{}", repeated("a <-> \"b\n"))),
        ("nested for", format!("{map}{nested}{}{}}}\n", repeated("a <-> b\n"), "}\n".repeat(40))),
        ("many for", format!("{map}{}}}\n", repeated("for a in { 1 } { a <-> b }\n"))),
        ("valid rules", format!("{map}{}}}\n", repeated("a <-> b\n"))),
        ("broken lines", format!("{map}{}}}\n", repeated("a <-> <-> b\n"))),
        ("operators", format!("{map}  a{} -> b\n}}\n", repeated(" + a"))),
        ("items", repeated("map M: a.A <-> b.B {}\n")),
        ("comments", repeated("// a\n")),
        ("documentation", format!("{}map M: a.A <-> b.B {{}}\n", repeated("/// a\n"))),
        ("one word", repeated("a")),
        ("stray letters", repeated("\u{1}")),
    ]
}
