//! The rules of the house: which layer may use which, where each library stands, and what no file may hold.

use std::path::{Path, PathBuf};

use dwmap::diag::codes;

/// A module uses only modules to its left.
const LAYERS: &[&str] = &[
    "crew",
    "source",
    "diag",
    "value",
    "schema",
    "change",
    "syntax",
    "functions",
    "ir",
    "interp",
    "check",
    "import",
    "view",
    "engine",
    "failpoint",
    "connect",
    "store",
    "runtime",
    "sandbox",
    "console",
    "ide",
    "lsp",
    "cli",
];

/// A library that belongs to one job stands in one place.
const LIBRARIES: &[(&str, &[&str])] = &[
    ("codespan_reporting", &["src/diag/render.rs"]),
    ("pest", &["src/syntax/"]),
    ("pest_derive", &["src/syntax/"]),
    ("logos", &["src/syntax/"]),
    ("similar", &["src/syntax/format/"]),
    ("clap", &["src/cli/"]),
    ("clap_complete", &["src/cli/"]),
    ("indicatif", &["src/cli/progress.rs"]),
    ("reqwest", &["src/connect/http.rs", "src/runtime/control/post.rs", "src/sandbox/hooks.rs"]),
    ("axum", &["src/sandbox/", "src/console/", "src/runtime/control/server.rs", "src/runtime/receive.rs"]),
    ("lettre", &["src/runtime/control/send.rs"]),
    ("rusqlite", &["src/store/sqlite/", "src/connect/sqlite/"]),
    ("quick_xml", &["src/schema/csdl/", "src/import/solution.rs"]),
    ("zip", &["src/import/archive.rs"]),
    ("cab", &["src/import/archive.rs"]),
    ("csv", &["src/sandbox/data/"]),
    ("toml", &["src/schema/lock.rs", "src/runtime/config.rs"]),
    ("tokio_postgres", &["src/connect/postgres/"]),
    ("rcgen", &["src/sandbox/tls.rs"]),
    ("tokio_rustls", &["src/sandbox/tls.rs", "src/connect/postgres/tls.rs"]),
    ("rustls_platform_verifier", &["src/connect/postgres/tls.rs"]),
    ("hdrhistogram", &["src/runtime/stats.rs"]),
    ("mimalloc", &["src/main.rs"]),
];

const LINES_MAX: usize = 800;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All files below a folder of the project, with their paths as the project names them.
fn files(below: &str) -> Vec<(String, String)> {
    let (mut out, mut folders) = (Vec::new(), vec![root().join(below)]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("the folder is there") {
            let path: PathBuf = entry.expect("the folder can be listed").path();
            let name = path.strip_prefix(root()).expect("it lies below").display().to_string();
            // Not ours, or written by a tool: a lock file must name the registry.
            let is_foreign = ["target", ".git", "node_modules", "Cargo.lock"]
                .iter()
                .any(|it| path.file_name().is_some_and(|name| name == *it));
            match () {
                () if is_foreign => {}
                () if path.is_dir() => folders.push(path),
                () => out.extend(std::fs::read_to_string(&path).ok().map(|text| (name, text))),
            }
        }
    }
    out.sort();
    out
}

fn rust(below: &str) -> Vec<(String, String)> {
    files(below).into_iter().filter(|(name, _)| name.ends_with(".rs")).collect()
}

/// The lines that are code, by number.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().filter(|(_, it)| !it.trim_start().starts_with("//")).map(|(index, line)| (index + 1, line))
}

/// Words that follow `crate::`, also within braces.
fn modules_used(line: &str) -> Vec<&str> {
    let is_end = |it: char| !it.is_alphanumeric() && it != '_';
    let mut out = Vec::new();
    for (at, found) in line.match_indices("crate::") {
        let rest = &line[at + found.len()..];
        match rest.strip_prefix('{') {
            Some(list) => out.extend(list.split(',').filter_map(|it| it.trim().split(is_end).next())),
            None => out.extend(rest.split(is_end).next()),
        }
    }
    out
}

fn check_nothing(found: Vec<String>) {
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn a_layer_uses_only_layers_to_its_left() {
    let place = |name: &str| LAYERS.iter().position(|it| *it == name);
    let mut wrong = Vec::new();
    for (name, text) in rust("src") {
        let layer = name.trim_start_matches("src/").split(['/', '.']).next().unwrap_or("");
        if matches!(layer, "lib" | "main") {
            continue;
        }
        let Some(own) = place(layer) else {
            wrong.push(format!("{name}: `{layer}` is no layer"));
            continue;
        };
        for (number, line) in code(&text) {
            let used = modules_used(line).into_iter().filter_map(place);
            wrong.extend(used.filter(|it| *it > own).map(|it| format!("{name}:{number}: {layer} uses {}", LAYERS[it])));
        }
    }
    check_nothing(wrong);
}

#[test]
fn the_layers_stand_in_their_order() {
    let library = files("src").into_iter().find(|(name, _)| name == "src/lib.rs").expect("there is a library").1;
    let listed: Vec<&str> = library.lines().filter_map(|it| it.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    let expected: Vec<&str> = LAYERS.iter().copied().filter(|it| listed.contains(it)).collect();
    assert_eq!(listed, expected);
}

#[test]
fn a_library_stands_in_its_own_module() {
    let mut wrong = Vec::new();
    for (name, text) in rust("src") {
        for (number, line) in code(&text) {
            for (library, places) in LIBRARIES {
                let uses = line
                    .match_indices(&format!("{library}::"))
                    .any(|(at, _)| !line[..at].ends_with(|it: char| it.is_alphanumeric() || matches!(it, '_' | ':')));
                if uses && !places.iter().any(|it| name.starts_with(it)) {
                    wrong.push(format!("{name}:{number}: {library} belongs to {}", places.join(", ")));
                }
            }
        }
    }
    check_nothing(wrong);
}

#[test]
fn a_file_is_not_too_long_and_says_what_it_is_for() {
    let mut wrong = Vec::new();
    for (name, text) in rust("src").into_iter().chain(rust("tests")) {
        let lines = text.lines().count();
        if lines > LINES_MAX {
            wrong.push(format!("{name} has {lines} lines"));
        }
        if !text.starts_with("//! ") {
            wrong.push(format!("{name} does not begin with `//!`"));
        }
    }
    check_nothing(wrong);
}

/// In two parts, so that this file does not hold them.
fn forbidden(below: &str) -> Vec<String> {
    let everywhere = [
        ["to", "do!("],
        ["unimplem", "ented!("],
        ["db", "g!("],
        ["#[ig", "nore"],
        ["#[al", "low("],
        ["TO", "DO"],
        ["FIX", "ME"],
        ["crates", ".io"],
        ["registry.np", "mjs"],
        ["/wo", "rk/"],
        ["/tmp/", "wt"],
        ["/ro", "ot/"],
        ["/ho", "me/"],
    ];
    everywhere.iter().map(|it| it.concat()).chain((below == "src").then(|| [".unw", "rap()"].concat())).collect()
}

#[test]
fn no_file_holds_what_is_forbidden() {
    let mut wrong = Vec::new();
    for below in ["src", "tests", "grammar", "maps", "editors", ".ci"] {
        let words = forbidden(below);
        for (name, text) in files(below) {
            let found = text
                .lines()
                .enumerate()
                .flat_map(|(at, line)| words.iter().filter(|it| line.contains(*it)).map(move |it| (at + 1, it)));
            wrong.extend(found.map(|(number, word)| format!("{name}:{number}: `{word}`")));
        }
    }
    for page in ["README.md", "CHANGELOG.md", "Cargo.toml"] {
        let text = std::fs::read_to_string(root().join(page)).expect("the page is there");
        wrong.extend(forbidden("").iter().filter(|it| text.contains(*it)).map(|it| format!("{page}: `{it}`")));
    }
    check_nothing(wrong);
}

#[test]
fn every_code_has_a_page_with_an_example() {
    let bare = codes::ALL.iter().filter(|it| !it.explanation.contains("```dwmap"));
    check_nothing(bare.map(|it| format!("{} has no example on its page", it.code)).collect());
}

/// `UPDATE=1 cargo test --test it reference_of_functions` writes it again.
#[test]
fn reference_of_functions_is_current() {
    let path = root().join("grammar/functions.md");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, dwmap::functions::reference()).expect("the reference can be written");
    }
    let written = std::fs::read_to_string(path).expect("the reference is there");
    let way_out = "`UPDATE=1 cargo test --test it reference_of_functions` writes it again";
    assert!(written == dwmap::functions::reference(), "grammar/functions.md is old; {way_out}");
}
