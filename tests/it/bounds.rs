//! Text that is out to take time or room: named limits with a message, and never more than a little time for each letter.

use std::time::Duration;

use dwmap::check::{self, NoSchemas};
use dwmap::diag::{Diagnostics, Severity};
use dwmap::source::Sources;
use dwmap::syntax;

/// Longest check of [`BYTES`]: what takes more than its letters deserve takes minutes. How fast a check is, is not asked here.
const TIME_MAX: Duration = Duration::from_secs(20);
/// A build without optimisation gets fewer letters.
const BYTES: usize = if cfg!(debug_assertions) { 60_000 } else { 1_000_000 };
/// As much as the first thread of a program has.
const STACK_BYTES: usize = 8 * 1024 * 1024;

/// The time for which this thread had a processor: a busy machine does not count. Its first number is in nanoseconds (Linux,
/// Documentation/scheduler/sched-stats.rst).
fn time_of_thread() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("the tests run on Linux");
    Duration::from_nanos(text.split_whitespace().next().and_then(|it| it.parse().ok()).expect("it begins with a number"))
}

/// What is said of a text, the errors only, and the time that it took.
fn checked(text: &str) -> (Vec<String>, Duration) {
    let begin = time_of_thread();
    let mut sources = Sources::default();
    let file = sources.add("test.dwmap", text).expect("the text is short");
    let mut diags = Diagnostics::default();
    let tree = syntax::parse(&sources, file, &mut diags);
    check::check(&[tree], &sources, &NoSchemas, &mut diags);
    let took = time_of_thread() - begin;
    let errors = diags.sorted().into_iter().filter(|it| it.severity == Severity::Error);
    let shown = |it: dwmap::diag::Diagnostic| {
        let at = sources.position(it.primary());
        let fixes: Vec<String> = it.fixes.iter().map(|it| format!(" fix: {}", it.message)).collect();
        format!("{}:{} {}: {}{}", at.line, at.column, it.code, it.message, fixes.concat())
    };
    (errors.map(shown).collect(), took)
}

fn on_a_stack<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, work);
        thread.expect("a thread can be started").join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// A project of one map with these lines, between two entities with these fields.
fn map(left: &str, right: &str, lines: &str) -> String {
    format!(
        "system a profile exact\nsystem b profile exact\nentity a.Item {{\n  key Id: text<20>\n{left}}}\nentity b.item {{\n  key id: text<20>\n{right}}}\n\
         map M: a.Item <-> b.item {{\n  key Id <-> id\n{lines}  on conflict prefer a\n  on delete <-> refuse\n}}\n"
    )
}

const LEFT: &str = "  Name: text<200>\n  Other: text<200>\n  Count: int32\n  Price: decimal<18,2>\n";
const RIGHT: &str = "  name: text\n  other: text\n  count: int64\n  price: decimal<38,2>\n";

fn repeated(count: usize, one: impl Fn(usize) -> String) -> String {
    (0..count).map(one).collect()
}

/// There is one error with these words, and a way out.
fn check_bound(lines: &str, words: &[&str]) {
    check_text(&map(LEFT, RIGHT, lines), words);
}

fn check_text(text: &str, words: &[&str]) {
    let (errors, _) = on_a_stack(|| checked(text));
    assert_eq!(errors.len(), 1, "one mistake, one message: {errors:?}");
    assert!(words.iter().all(|it| errors[0].contains(it)), "{errors:?}\nexpected {words:?}");
    assert!(errors[0].contains(" fix: "), "a way out: {errors:?}");
}

#[test]
fn every_limit_is_named_with_its_place_and_a_way_out() {
    let nested = format!("{}  Name -> name\n{}", "for Id in { \"x\" } {\n".repeat(10_000), "}\n".repeat(10_000));
    check_bound(&nested, &["19:1", "nested more than 48 levels deep"]);
    let tuple = |name: &str| format!("({})", vec![name; 10_000].join(", "));
    check_bound(&format!("  {} -> {}\n", tuple("Name"), tuple("name")), &["19:3", "100 parts at most, not 10000"]);
    let joined = vec!["Name"; 100_000].join(" ++ ");
    check_bound(&format!("  {joined} -> name\n"), &["19:3", "nested more than 48 levels deep"]);
    let or = (0..200).map(|it| format!("Count == {it}")).collect::<Vec<_>>().join(" or ");
    check_bound(&format!("  Name -> name   when {or}\n"), &["19:3", "more than 128 levels deep", "X in { … }"]);
    let divided = (0..70).map(|_| "Name").collect::<Vec<_>>().join(" ++ \", \" ++ ");
    check_bound(&format!("  {divided} <~> name   split first   loses \"x\"   else reject\n"), &["19:3", "64 separators at most"]);
    check_bound(
        &repeated(210, |it| format!("  l{it}: Name -> name   when Count == {it}\n")),
        &["more than 200 rules write `name`"],
    );
}

#[test]
fn more_rules_than_a_map_may_have_are_one_message() {
    let fields = repeated(30, |it| format!("  f{it}: int32\n"));
    let rules = repeated(2_100, |it| format!("  l{it}: Count -> f{}   when Count == {it}\n", it % 30));
    check_text(&map(LEFT, &fields, &rules), &["2000 rules at most"]);
}

#[test]
fn more_maps_than_can_be_compared_are_one_message() {
    let sibling = |it: usize| {
        format!(
            "map M{it}: a.Item -> b.item {{\n  key Id <-> id\n  filter Count == {it} ->\n  Name -> name\n  on exit -> detach\n  on delete -> refuse\n}}\n"
        )
    };
    let (errors, _) = on_a_stack(|| {
        checked(&(map(LEFT, RIGHT, "  filter Count == 0 ->\n  on exit -> detach\n") + &repeated(310, |it| sibling(it + 1))))
    });
    assert!(errors.iter().any(|it| it.contains("more than 300 maps on one entity") && it.contains(" fix: ")), "{errors:?}");
}

#[test]
fn more_fields_than_a_map_may_use_are_one_message() {
    let count = 5_100;
    let fields = |name: &str| repeated(count, |it| format!("  {name}{it}: int32\n"));
    let rules = repeated(count / 100, |rule| {
        let part = |name: &str| (0..100).map(|it| format!("{name}{}", rule * 100 + it)).collect::<Vec<_>>().join(", ");
        format!("  ({}) -> ({})\n", part("L"), part("r"))
    });
    let (errors, _) = on_a_stack(|| checked(&map(&fields("L"), &fields("r"), &rules)));
    assert!(errors.len() == 1 && errors[0].contains("more than 5000 fields of `Item`"), "{errors:?}");
}

#[test]
fn functions_that_double_what_they_get_are_stopped() {
    let double = |body: &str| {
        let calls = format!("{}Name{}", "f(".repeat(40), ")".repeat(40));
        format!("fn f(x: text) = {body}\n{}", map(LEFT, RIGHT, &format!("  {calls} -> name\n")))
    };
    for body in ["x ++ x", "if is_null(x) then \"\" else x", "x ++ \"a\" ++ x"] {
        let (errors, took) = on_a_stack(|| checked(&double(body)));
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(errors[0].contains("has more than 10000 parts") && errors[0].contains("fix: "), "{errors:?}");
        assert!(took < TIME_MAX, "{body} took {took:?}");
    }
    // The first call of all nested ones asks of its argument whether it is null; so do the others.
    let nullable = map("  Name: text<200>?\n", RIGHT, &format!("  {}Name{} -> name\n", "g(".repeat(40), ")".repeat(40)));
    let (errors, took) = on_a_stack(|| checked(&format!("fn g(x: text) = trim(x)\n{nullable}")));
    assert!(errors.iter().any(|it| it.contains("has more than 10000 parts")), "{errors:?}");
    assert!(took < TIME_MAX, "{took:?}");
}

/// Texts of about [`BYTES`] by their names.
fn hostile() -> Vec<(&'static str, String)> {
    let fill = |line: &dyn Fn(usize) -> String| {
        let mut out = String::new();
        let mut number = 0;
        while out.len() < BYTES {
            out += &line(number);
            number += 1;
        }
        out
    };
    let rules = |line: &dyn Fn(usize) -> String| map(LEFT, RIGHT, &fill(line));
    let chain = |between: &str, count: usize| vec!["Count"; count].join(between);
    let mut out = vec![
        ("rules", rules(&|_| "  a <-> b\n".to_owned())),
        ("right rules", rules(&|it| format!("  l{it}: Name -> name   when Count == {it}\n"))),
        ("twins", rules(&|it| format!("  l{it}: Name <-> name   when Count == {it}   modulo trim\n"))),
        ("labels", rules(&|_| "  l: Name -> name\n".to_owned())),
        ("sums", rules(&|it| format!("  l{it}: {} -> price\n", chain(" + ", 100)))),
        ("long sums", rules(&|it| format!("  l{it}: {} -> price\n", chain(" + ", 700)))),
        ("undone sums", rules(&|it| format!("  l{it}: Count{} <-> count   else reject\n", " + 1".repeat(110)))),
        ("joins", rules(&|it| format!("  l{it}: {} -> name\n", vec!["Name"; 380].join(" ++ \"x\" ++ ")))),
        ("long conditions", rules(&|_| format!("  Name -> name   when {}\n", vec!["Count == 1"; 120].join(" or ")))),
        (
            "sets",
            rules(&|_| {
                format!(
                    "  Name -> name   when Count in {{ {} }}\n",
                    (0..9_000).map(|it| it.to_string()).collect::<Vec<_>>().join(", ")
                )
            }),
        ),
        ("one set", map(LEFT, RIGHT, &format!("  filter Count in {{ {} }} ->\n", fill(&|it| format!("{it}, "))))),
        ("calls", rules(&|_| format!("  {}Name{} -> name\n", "trim(".repeat(40), ")".repeat(40)))),
        ("brackets", rules(&|_| format!("  {}\n", "(".repeat(200)))),
        ("for", rules(&|_| "for Id in { \"x\" } {\n".to_owned())),
        ("braces", rules(&|_| "{ ".to_owned())),
        ("unknown names", rules(&|it| format!("  nane{it} <-> nome{it}\n"))),
        ("filters", rules(&|_| "  filter Count == 1 ->\n".to_owned())),
        ("policies", rules(&|_| "  on conflict newest for (Name)\n".to_owned())),
        (
            "growth",
            rules(&|_| {
                format!(
                    "  replace({}Name{}, \"a\", \"{}\") -> name\n",
                    "replace(".repeat(3),
                    ", \"a\", \"aaaaaaaaaa\")".repeat(3),
                    "a".repeat(1_000)
                )
            }),
        ),
        ("items", fill(&|it| format!("system s{it}\n"))),
        ("entities", fill(&|it| format!("entity a.E{it} {{ key K: text<9> }}\n"))),
        ("functions", fill(&|it| format!("fn f{it}(x: text) = x ++ \"a\"\n"))),
        (
            "steps",
            format!("{}test \"t\" in M {{\n{}}}\n", map(LEFT, RIGHT, ""), fill(&|_| "  given a { Id: \"x\" }\n".to_owned())),
        ),
        ("comments", fill(&|_| "// c\n/// d\n".to_owned())),
        ("quotes", fill(&|_| "\"\\\n".to_owned())),
    ];
    let members = |name: &str| format!("enum {{ {} }}", fill(&|it| format!("{name}{it}, ")));
    out.push(("members", map(&format!("  K: {}\n", members("M")), "  k: text\n", "  K -> k   via { M1 -> \"x\" }\n")));
    let fields = |name: &str| fill(&|it| format!("  {name}{it}: int32\n"));
    out.push(("fields", map(&fields("F"), &fields("f"), "  F1 <-> f1\n")));
    let rows = fill(&|it| format!("  \"{it}\" <-> {it}\n"));
    out.push((
        "rows",
        format!("{}values V: text <-> int64 {{\n{rows}}}\n", map(LEFT, RIGHT, "  Name <-> count   via V   else reject\n")),
    ));
    // Each field follows from the one before, and none from itself.
    let steps = (0..1_990).map(|it| format!("  L{it} -> r{it}\n  L{} <- r{it}\n", it + 1)).take(995).collect::<String>();
    let line = |name: &str| repeated(1_992, |it| format!("  {name}{it}: int32\n"));
    out.push(("a line of fields", map(&line("L"), &line("r"), &steps)));
    let maps =
        fill(&|it| format!("map M{it}: a.Item -> b.item {{\n  key Id <-> id\n  filter Count == {it} ->\n  Name -> name\n}}\n"));
    out.push(("sibling maps", map(LEFT, RIGHT, "") + &maps));
    out.push(("layers", map(LEFT, RIGHT, "") + &fill(&|it| format!("map L{it} extends M {{\n}}\n"))));
    out.push((
        "towers",
        map(LEFT, RIGHT, "") + "map T0 extends M {\n}\n" + &fill(&|it| format!("map T{} extends T{it} {{\n}}\n", it + 1)),
    ));
    let parts = |from: usize| (0..BYTES / 20).map(|it| format!("\"{}\"", it + from)).collect::<Vec<_>>().join(", ");
    let company = |name: &str, from: usize| {
        format!(
            "map {name}: a.P <-> b.p {{\n  partition C <-> c\n  key K <-> k\n  partition in {{ {} }}\n  V <-> v\n  on conflict prefer a\n  on delete <-> refuse\n}}\n",
            parts(from)
        )
    };
    out.push((
        "companies",
        format!(
            "system a\nsystem b\nentity a.P {{\n  partition key C: text<9>\n  key K: text<9>\n  V: int32\n}}\nentity b.p {{\n  partition key c: text<9>\n  key k: text<9>\n  v: int32\n}}\n{}{}",
            company("A", 0),
            company("B", BYTES)
        ),
    ));
    out
}

#[test]
fn no_text_takes_long() {
    let mut slow = Vec::new();
    for (name, text) in hostile() {
        let (errors, took) = on_a_stack(|| checked(&text));
        println!("{name}: {} KB, {} errors, {took:?}", text.len() / 1_000, errors.len());
        if took > TIME_MAX {
            slow.push(format!("{name} took {took:?}"));
        }
    }
    assert!(slow.is_empty(), "{}", slow.join("\n"));
}
