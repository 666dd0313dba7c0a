//! `dwmap check --fix`: what it changes, what it leaves, and that it never makes a map worse.

use std::fmt::Write;

use super::folder::Folder;

fn map(rules: &str) -> String {
    format!(
        "// The head.\nsystem a profile exact\nsystem b profile exact\n\nentity a.Item {{\n  key Number: text<20>\n  Name:       text<60>\n  Title:      text<60>\n}}\n\n\
         entity b.item {{\n  key number: text<20>\n  name:       text<60>\n  title:      text<60>\n}}\n\n\
         map Items: a.Item <-> b.item {{\n  key Number <-> number\n{rules}  on conflict prefer a\n  on delete <-> refuse\n}}\n"
    )
}

fn with(rules: &str) -> Folder {
    let folder = Folder::new("mend");
    folder.write("items.dwmap", &map(rules));
    folder
}

/// Fixing these rules gives those; a second time changes nothing.
fn check_mended(before: &str, after: &str, exit: i32) {
    let folder = with(before);
    let said = folder.dwmap(&["check", "--fix"]);
    assert_eq!(folder.read("items.dwmap"), map(after), "{}", said.messages);
    assert_eq!(said.exit, Some(exit), "{}", said.messages);
    let again = folder.dwmap(&["check", "--fix"]);
    assert_eq!(folder.read("items.dwmap"), map(after), "{}", again.messages);
    assert!(!again.messages.contains("fixed"), "{}", again.messages);
}

#[test]
fn a_wrong_name_becomes_the_nearest_one() {
    check_mended("  Nane <-> name // said twice\n", "  Name <-> name // said twice\n", 0);
}

#[test]
fn several_fixes_are_made_at_once() {
    check_mended("  Nane <-> nane\n  Titel <-> title\n", "  Name <-> name\n  Title <-> title\n", 0);
}

#[test]
fn an_arrow_that_promises_too_little_becomes_the_other_without_loses() {
    check_mended("  Name <~> name   // why\n    loses \"nothing at all\"\n", "  Name <-> name   // why\n", 0);
    check_mended("  Name <~> name   loses \"nothing\"   modulo trim\n", "  Name <-> name   modulo trim\n", 0);
}

#[test]
fn what_cannot_be_mended_without_asking_stays() {
    check_mended("  Nane <-> name\n  trim(Title) <-> title\n", "  Name <-> name\n  trim(Title) <-> title\n", 1);
}

#[test]
fn a_name_with_two_nearest_ones_stays() {
    let folder = Folder::new("mend");
    let text = map("  Line3 <-> name\n").replace("  Title:", "  Line1: text<60>\n  Line2: text<60>\n  Title:");
    folder.write("items.dwmap", &text);
    assert_eq!(folder.dwmap(&["check", "--fix"]).exit, Some(1));
    assert_eq!(folder.read("items.dwmap"), text);
}

#[test]
fn a_fix_that_brings_another_problem_is_not_made() {
    // `Name` is nearest, but then two rules would write it.
    let rules = "  Name <-> name\n  Nane <-> title\n  Titel <-> title\n";
    let folder = with(rules);
    let said = folder.dwmap(&["check", "--fix"]);
    assert_eq!(said.exit, Some(1));
    let left = said.messages.lines().filter(|it| it.starts_with("left as it is")).count();
    let fixed = said.messages.lines().filter(|it| it.starts_with("fixed")).count();
    assert!(left >= 1 && fixed <= 1, "{}", said.messages);
    let errors = |text: &str| text.matches("error[").count();
    let before = errors(&with(rules).dwmap(&["check"]).messages);
    assert!(errors(&said.messages) <= before, "{}", said.messages);
}

#[test]
fn a_dry_run_and_a_difference_write_nothing() {
    let folder = with("  Nane <-> name\n");
    let before = folder.read("items.dwmap");
    let dry = folder.dwmap(&["check", "--fix", "--dry-run"]);
    assert_eq!((dry.exit, dry.messages.as_str()), (Some(1), "would fix items.dwmap:19:3: `Nane` → `Name` (DW0101)\n"));
    let diff = folder.dwmap(&["check", "--fix", "--diff"]);
    assert_eq!(diff.exit, Some(1));
    assert!(diff.out.contains("-  Nane <-> name\n+  Name <-> name\n"), "{}", diff.out);
    assert_eq!(folder.read("items.dwmap"), before);
    let clean = with("  Name <-> name\n");
    assert_eq!(clean.dwmap(&["check", "--fix", "--dry-run"]).exit, Some(0));
    assert_eq!(clean.dwmap(&["check", "--fix", "--diff"]).out, "");
}

#[test]
fn a_file_keeps_its_permissions_and_a_link_stays_a_link() {
    let folder = with("  Nane <-> name\n");
    let done = folder.shell(
        "mkdir real && mv items.dwmap real/items.txt && ln -s real/items.txt items.dwmap && chmod 640 real/items.txt && \
         dwmap check --fix items.dwmap && stat -c '%F %a' items.dwmap real/items.txt",
    );
    assert_eq!(done.out, "symbolic link 777\nregular file 640\n", "{}", done.messages);
    assert!(folder.read("real/items.txt").contains("  Name <-> name\n"));
}

#[test]
fn a_file_of_another_project_is_not_changed() {
    let folder = with("  Name <-> name\n");
    folder.write("base/base.dwmap", &map("  Nane <-> name\n").replace("map Items", "map Base"));
    folder.write("layer.dwmap", "use \"base/base\" as base\n\nmap Layer extends base.Base {\n}\n");
    let before = folder.read("base/base.dwmap");
    assert_eq!(folder.dwmap(&["check", "--fix", "layer.dwmap"]).exit, Some(1));
    assert_eq!(folder.read("base/base.dwmap"), before);
}

/// Every map of the diagnostics' fixtures has no more problems afterwards than before, and is not touched a second time.
#[test]
fn no_fixture_becomes_worse() {
    let fixtures = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/diagnostics");
    let mut wrong = String::new();
    let mut mended = 0;
    for entry in std::fs::read_dir(fixtures).expect("the fixtures are there") {
        let path = entry.expect("the fixtures can be listed").path();
        if path.is_dir() {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("a fixture can be read");
        let folder = Folder::new("fixture");
        folder.write("a.dwmap", &text);
        let count = |said: &str| said.lines().filter(|it| it.contains("error[") || it.contains("warning[")).count();
        let before = count(&folder.dwmap(&["check", "--format", "short"]).out);
        let after = count(&folder.dwmap(&["check", "--fix", "--format", "short"]).out);
        let once = folder.read("a.dwmap");
        folder.dwmap(&["check", "--fix", "--format", "short"]);
        if after > before || folder.read("a.dwmap") != once {
            writeln!(wrong, "{}: {before} before, {after} after", path.display()).expect("a text takes text");
        }
        mended += usize::from(once != text);
    }
    assert!(wrong.is_empty() && mended > 0, "{mended} mended\n{wrong}");
}
