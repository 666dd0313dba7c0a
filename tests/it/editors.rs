//! The editors' grammars know the same words as the language.

use std::collections::BTreeSet;
use std::path::Path;

use dwmap::syntax::words;

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect("the file is in the project")
}

/// All letters-only alternatives that a pattern lists between its parentheses.
fn alternatives(text: &str, open: &str, between: &str, close: &str) -> Vec<Vec<String>> {
    let is_word = |it: &str| !it.is_empty() && it.chars().all(|letter| letter.is_ascii_alphanumeric());
    text.split(open)
        .skip(1)
        .filter_map(|rest| rest.split_once(close))
        .map(|(inside, _)| inside.split(between).map(str::to_owned).collect::<Vec<_>>())
        .filter(|it| it.len() > 4 && it.iter().all(|word| is_word(word)))
        .collect()
}

fn check_lists(name: &str, text: &str, open: &str, between: &str, close: &str) {
    for (table, list_of_words) in words::ALL {
        assert!(text.contains(&list_of_words.join(between)), "{name} does not have the words `{table}`: {list_of_words:?}");
    }
    let known: BTreeSet<&str> = words::ALL.iter().flat_map(|(_, words)| words.iter().copied()).collect();
    let lists = alternatives(text, open, between, close);
    assert!(lists.len() > 3, "{name} has lists of words");
    for word in lists.iter().flatten() {
        assert!(known.contains(word.as_str()), "{name} knows `{word}`, the language does not");
    }
}

#[test]
fn textmate_knows_the_words_of_the_language() {
    check_lists("TextMate", &read("editors/vscode/syntaxes/dwmap.tmLanguage.json"), "(", "|", ")");
}

#[test]
fn vim_knows_the_words_of_the_language() {
    check_lists("Vim", &read("editors/vim/syntax/dwmap.vim"), "\\%(", "\\|", "\\)");
}

#[test]
fn the_grammar_has_the_words_of_the_table() {
    let grammar = read("grammar/dwmap.pest");
    let in_grammar: BTreeSet<&str> = grammar
        .lines()
        .filter_map(|it| it.strip_prefix("kw_"))
        .filter_map(|it| it.split_once([' ', '=']))
        .map(|it| it.0)
        .collect();
    let in_table: BTreeSet<&str> = words::ALL.iter().flat_map(|(_, words)| words.iter().copied()).collect();
    assert_eq!(in_grammar.difference(&in_table).collect::<Vec<_>>(), Vec::<&&str>::new());
}

#[test]
fn the_table_has_every_built_in_type() {
    for name in dwmap::schema::kinds::BUILT_IN {
        assert!(words::TYPES.contains(name), "`{name}` is no word of the table");
    }
}

#[test]
fn the_manifests_are_json() {
    for path in [
        "editors/vscode/package.json",
        "editors/vscode/language-configuration.json",
        "editors/vscode/syntaxes/dwmap.tmLanguage.json",
        "editors/vscode/syntaxes/markdown.tmLanguage.json",
        "editors/vscode/snippets/dwmap.json",
    ] {
        serde_json::from_str::<serde_json::Value>(&read(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    }
}
