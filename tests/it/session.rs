//! A session says after every edit what a check of all files from the beginning says.

use std::path::Path;

use dwmap::check::{self, Given, NoSchemas, Session, uses};
use dwmap::diag::{Diagnostic, Diagnostics};
use dwmap::source::Sources;
use dwmap::syntax;

use crate::sound::dice::Dice;

const BASE: &str = r#"entity fo.Groups {
  key Id: text<10>
  Name: text<60>
  Size: enum { Small, Large }
}

entity dv.group {
  key id: text<10>
  name: text<40>?
  size: choice { Few = 1, Many = 2 }
}

map Groups: fo.Groups <-> dv.group {
  key Id <-> id
  Name <~> name   loses "text after 40 characters"   else reject
  Size <-> size via sizes   else reject
  on conflict prefer fo
  on delete <-> refuse
}

values sizes: fo.Groups.Size <-> dv.group.size {
  Small <-> Few
  Large <-> Many
}
"#;

const SYSTEMS: &str = "system fo profile finops\nsystem dv profile dataverse\n\nfn shorter(it: text<60>): text = take(it, 20)\nparam company: text = \"usmf\"\n";

const PEOPLE: &str = r#"entity fo.People {
  key Id: text<10>
  Group: lookup fo.Groups?
  First: text<20>
  Last: text<20>
  Mail: text<80>
  Born: date?
}

entity dv.person {
  key id: text<10>
  group: lookup dv.group?
  name: text<60>?
  mail: text<80>?
  born: date?
  short: text<20>?
}

map People: fo.People <-> dv.person {
  key Id <-> id
  Group <-> group via Groups
  First ++ " " ++ Last <~> name   split last   loses "blanks"   else reject
  post: lower(trim(Mail)) <-> lower(trim(mail))   else reject
  Born <-> born
  shorter(take(Mail, 60)) -> short
  on conflict prefer fo
  on delete <-> refuse
}

test "a person" in People {
  given fo { Id: "1", First: "A", Last: "B", Mail: "a@b" }
  expect dv { id: "1", mail: "a@b" }
}
"#;

const LAYER: &str = r#"map Acme extends People {
  override born: Born -> born
  drop post because "nobody reads it"
}
"#;

const OTHER: &str = r#"entity fo.Teams {
  key Id: text<10>
  Leader: lookup fo.People?
  Name: text<60>
}

map Teams: fo.Teams <-> dv.group {
  key Id <-> id
  take(Name, 40) -> name
  filter Name != "" ->
  on conflict prefer fo
  on delete <-> refuse
  on exit detach
}
"#;

fn fresh(files: &[(String, String)]) -> Vec<Diagnostic> {
    let (mut sources, mut diags) = (Sources::default(), Diagnostics::default());
    let mut trees = Vec::new();
    for (name, text) in files {
        let file = sources.add(name.as_str(), text.as_str()).expect("the text is short");
        trees.push(syntax::parse(&sources, file, &mut diags));
    }
    let project = uses::load(trees, &mut sources, &NoSchemas, &mut diags);
    check::look(&project, &Given::default(), &sources, &NoSchemas, &mut diags);
    diags.sorted()
}

/// Takes a line away, doubles it, moves it, takes it from another file, or changes a word or an arrow in it.
fn edit(dice: &mut Dice, files: &mut [(String, String)]) {
    let all: Vec<String> = files.iter().flat_map(|(_, text)| text.lines().map(str::to_owned)).collect();
    let file = dice.below(files.len());
    let mut lines: Vec<String> = files[file].1.lines().map(str::to_owned).collect();
    if lines.is_empty() {
        lines.push(String::new());
    }
    let at = dice.below(lines.len());
    match dice.below(8) {
        0 => drop(lines.remove(at)),
        1 => lines.insert(at, lines[at].clone()),
        2 => {
            let other = dice.below(lines.len());
            lines.swap(at, other);
        }
        3 => lines.insert(at, dice.pick(&all).clone()),
        4 => lines.insert(at, (*dice.pick(&["", "// a remark", "  /// for people"])).to_owned()),
        5 => {
            let arrows = ["<->", "<~>", "->", "<-"];
            let (old, new) = (*dice.pick(&arrows), *dice.pick(&arrows));
            lines[at] = lines[at].replace(old, new);
        }
        6 => lines[at] = lines[at].replacen(|it: char| it.is_ascii_digit(), &dice.below(10).to_string(), 1),
        _ => {
            let words: Vec<&str> = lines[at].split(' ').filter(|it| !it.is_empty()).collect();
            let pool: Vec<&str> = all.iter().flat_map(|it| it.split(' ')).filter(|it| !it.is_empty()).collect();
            if !words.is_empty() {
                let (old, new) = ((*dice.pick(&words)).to_owned(), (*dice.pick(&pool)).to_owned());
                lines[at] = lines[at].replacen(&old, &new, 1);
            }
        }
    }
    files[file].1 = lines.join("\n") + "\n";
}

/// Edits the files so many times; now and then the first texts come back.
fn check_edits(seed: u64, start: &[(String, String)], edits: usize) -> usize {
    let mut dice = Dice::new(seed);
    let mut session = Session::default();
    let mut files = start.to_vec();
    let mut clean = 0;
    for number in 0..edits {
        for (name, text) in &files {
            let is_known = session.sources().files().any(|(_, it)| it.name == *name && *it.text == **text);
            if !is_known {
                session.put(name, text.as_str()).expect("the text is short");
            }
        }
        let (own, all) = (session.check(&NoSchemas), fresh(&files));
        assert!(own == all, "seed {seed}, edit {number}:\n{own:#?}\nfrom the beginning:\n{all:#?}\n{files:#?}");
        clean += usize::from(all.is_empty());
        if dice.percent(15) {
            files = start.to_vec();
        } else {
            edit(&mut dice, &mut files);
        }
    }
    clean
}

fn project() -> Vec<(String, String)> {
    let files = [("base", BASE), ("layer", LAYER), ("other", OTHER), ("people", PEOPLE), ("systems", SYSTEMS)];
    files.map(|(name, text)| (format!("{name}.dwmap"), text.to_owned())).into()
}

#[test]
fn a_session_says_what_a_check_of_all_files_says() {
    let seeds = if cfg!(debug_assertions) { 12 } else { 60 };
    let first = fresh(&project());
    assert!(first.iter().all(|it| it.severity != dwmap::diag::Severity::Error), "{first:#?}");
    for seed in 0..seeds {
        check_edits(seed, &project(), 40);
    }
}

#[test]
fn a_session_over_the_fixtures_says_what_a_check_says() {
    let mut fixtures = Vec::new();
    for folder in ["tests/diagnostics", "tests/corpus/clauses"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        for entry in std::fs::read_dir(folder).expect("the fixtures are there") {
            let path = entry.expect("a folder can be listed").path();
            // Folders hold what fixtures use.
            if path.is_dir() {
                continue;
            }
            let name = path.file_name().expect("a listed file has a name").to_string_lossy().into_owned();
            fixtures.push((name, std::fs::read_to_string(&path).expect("a fixture is text")));
        }
    }
    fixtures.sort();
    for (seed, pair) in fixtures.chunks(2).enumerate() {
        check_edits(seed as u64, &pair[..1], 4);
        check_edits(seed as u64, pair, 6);
    }
}

#[test]
fn a_file_that_is_gone_has_an_empty_text() {
    let mut session = Session::default();
    for (name, text) in project() {
        session.put(&name, text).expect("the text is short");
    }
    let whole = session.check(&NoSchemas);
    session.put("base.dwmap", "").expect("the text is short");
    let without: Vec<(String, String)> = project()
        .into_iter()
        .map(|(name, text)| if name == "base.dwmap" { (name, String::new()) } else { (name, text) })
        .collect();
    assert_eq!(session.check(&NoSchemas), fresh(&without));
    session.put("base.dwmap", BASE).expect("the text is short");
    assert_eq!(session.check(&NoSchemas), whole);
}
