//! The tour of README.md, run exactly as it stands there.

use super::folder::Folder;
use super::pages::fences_with_names;

/// The part of the page between two headings.
fn part<'a>(page: &'a str, heading: &str) -> &'a str {
    let after = page.split_once(heading).expect("the page has the heading").1;
    after.split_once("\n## ").map_or(after, |it| it.0)
}

const README: &str = include_str!("../../README.md");

#[test]
fn the_tour_works_as_written() {
    let folder = Folder::new("tour");
    let (mut said, mut files, mut answers) = (None, 0, 0);
    for (name, word, text) in fences_with_names(part(README, "\n## A tour in five minutes\n")) {
        match word.as_str() {
            "dwmap" | "toml" => {
                folder.write(&name.expect("the line before names the file"), &text);
                files += 1;
            }
            "sh" => {
                let done = folder.shell(&format!("set -euo pipefail; exec 2>&1\n{text}"));
                assert_eq!(done.exit, Some(0), "{text}\n{}", done.out);
                said = Some(done.out);
            }
            "text" => {
                assert_eq!(said.take().as_ref(), Some(&text), "the page shows something else than what is said");
                answers += 1;
            }
            other => panic!("the tour has a fence of `{other}`"),
        }
    }
    assert_eq!((files, answers), (2, 3));
}

#[test]
fn the_settings_of_the_page_are_read() {
    let fences = fences_with_names(part(README, "\n## dwmap.toml\n"));
    let (_, _, text) = fences.first().expect("the part has an example");
    let config = dwmap::runtime::config::Config::parse("dwmap.toml".as_ref(), text).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(config.systems.len(), 5);
    let standard = dwmap::runtime::config::Config::default();
    assert_eq!((&config.store.path, config.sync.poll_ms), (&standard.store.path, standard.sync.poll_ms));
}

#[test]
fn every_verb_and_option_stands_on_the_page() {
    let folder = Folder::new("verbs");
    let help = folder.dwmap(&["--help"]).out;
    let verbs = part(README, "\n## Verbs\n");
    let listed = help.lines().skip_while(|it| !it.starts_with("Commands:")).skip(1).take_while(|it| !it.is_empty());
    for verb in listed.filter_map(|it| it.split_whitespace().next()).filter(|it| *it != "help") {
        let row = verbs.lines().filter(|it| it.starts_with(&format!("| `dwmap {verb}"))).collect::<Vec<_>>().join("\n");
        assert!(!row.is_empty(), "{verb} is missing");
        let help = folder.dwmap(&[verb, "--help"]).out;
        let words = help
            .split(|it: char| it.is_whitespace() || matches!(it, ',' | ':' | '.' | '`' | ')'))
            .filter(|it| it.starts_with("--"));
        for option in words.filter(|it| !matches!(*it, "--help" | "--color" | "--output")) {
            // What all commands to a process take stands once, below the table.
            let is_common = matches!(option, "--project" | "--format" | "--by" | "--why") && verbs.contains(option);
            assert!(row.contains(option) || is_common || verb == "sandbox", "{verb} {option} is missing");
        }
    }
}
