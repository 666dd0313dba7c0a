//! What is shown with a `canon` or an `iso` that a file declares and the checker refuses. Its bodies are put into one-way rules as they
//! are written, and must do step by step what is printed.

use dwmap::change::Side;
use dwmap::check::premise::Premises;
use dwmap::diag::{Diagnostic, codes};
use dwmap::interp::{self, Cx, Lookups};
use dwmap::value::{Record, Slot, Value};

use super::printed::{same, value};
use super::refused::Doubt;
use crate::diagnostics::compiled;

/// `name(parameter: kind)` and what stands behind it.
struct Head<'t> {
    parameter: &'t str,
    kind: &'t str,
    rest: &'t str,
}

/// Whether the refusal is of a function of a file, and shows values.
pub fn is_of_function(it: &Diagnostic) -> bool {
    it.map.is_none() && it.counterexample.is_some() && (it.code == codes::NOT_IDEMPOTENT || it.code == codes::SECTION)
}

/// The refusal is taken at its word.
pub fn judge(text: &str, refusal: &Diagnostic) -> Result<(), Doubt> {
    let shown = refusal.counterexample.as_deref().unwrap_or_default();
    let steps: Vec<&str> = shown.split("  →  ").collect();
    let [first, second, third] = steps.as_slice() else { return Err(format!("{shown} has no three steps")) };
    if refusal.code == codes::NOT_IDEMPOTENT {
        let head = head(text, refusal.labels[1].span.start as usize)?;
        let at = refusal.primary();
        let body = &text[at.start as usize..at.end as usize];
        let kind = head.rest.trim_start_matches([':', ' ']).split(" =").next().unwrap_or_default();
        same("once", &run(text, (head.parameter, head.kind), kind, body, first)?, second)?;
        same("twice", &run(text, (head.parameter, head.kind), kind, body, second)?, third)?;
        return if second == third { Err("it is left alone".to_owned()) } else { Ok(()) };
    }
    let head = head(text, refusal.primary().start as usize)?;
    let half = |index: usize| {
        let at = refusal.labels[index].span;
        &text[at.start as usize..at.end as usize]
    };
    let target = head.rest.trim_start_matches([' ', '<', '-', '>']).split([' ', '{']).next().unwrap_or_default();
    let there = |it: &str| run(text, (head.parameter, head.kind), target, half(1), it);
    let back_body: String = words(half(2)).map(|it| if it == "it" { "given" } else { it }).collect();
    let back = |it: &str| run(text, ("given", target), head.kind, &back_body, it);
    let step = |run: &dyn Fn(&str) -> Result<String, Doubt>, it: &str| {
        if it == "no value" { it.to_owned() } else { run(it).unwrap_or_else(|_| "no value".to_owned()) }
    };
    // It is shown from the one end or from the other.
    let is_shown = |first_run: &dyn Fn(&str) -> Result<String, Doubt>, second_run: &dyn Fn(&str) -> Result<String, Doubt>| {
        is_number_alike(&step(first_run, first), second) && is_number_alike(&step(second_run, second), third)
    };
    if !is_shown(&back, &there) && !is_shown(&there, &back) {
        return Err(format!("{first} becomes {} or {}", step(&back, first), step(&there, first)));
    }
    if is_number_alike(first, third) { Err("it comes back".to_owned()) } else { Ok(()) }
}

/// Numbers are printed with as many places as they have.
fn is_number_alike(left: &str, right: &str) -> bool {
    let number = |it: &str| it.parse::<dwmap::value::Decimal>().ok();
    left == right || (number(left).is_some() && number(left) == number(right))
}

fn head(text: &str, name: usize) -> Result<Head<'_>, Doubt> {
    let (_, inside) = text[name..].split_once('(').ok_or("a function has parameters")?;
    let (parameter, kind) = inside.split_once(": ").ok_or("a parameter has a kind")?;
    let (kind, rest) = kind.split_once(')').ok_or("the parameters end")?;
    Ok(Head { parameter, kind, rest })
}

/// Words and what stands between them.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let is_word = |it: char| it.is_alphanumeric() || it == '_';
    let mut rest = text;
    std::iter::from_fn(move || {
        let starts = is_word(rest.chars().next()?);
        let end = rest.find(|it| is_word(it) != starts).unwrap_or(rest.len());
        let (word, behind) = rest.split_at(end);
        rest = behind;
        Some(word)
    })
}

/// What a one-way rule with this body writes for a printed value.
fn run(text: &str, from: (&str, &str), to: &str, body: &str, printed: &str) -> Result<String, Doubt> {
    let (parameter, kind) = from;
    let functions: String = text.lines().filter(|it| it.starts_with("fn ")).map(|it| format!("{it}\n")).collect();
    let bench = format!(
        "{functions}system bench\nsystem table\nentity bench.B {{\n  key Number: int64\n  {parameter}: {kind}\n}}\n\
         entity table.T {{\n  key Number: int64\n  made: {to}\n}}\n\
         map M: bench.B -> table.T {{\n  key Number <-> Number\n  {body} -> made   else reject\n  on delete -> ignore\n}}\n"
    );
    let (_, checked, found) = compiled("bench.dwmap", &bench, Premises::default());
    let plan = checked.program.plans.first().ok_or_else(|| format!("no plan: {found:?}\n{bench}"))?;
    let (value, rest) = value(printed, &plan.shapes[Side::Left].field(Slot(1)).kind)?;
    if !rest.is_empty() {
        return Err(format!("`{rest}` is left over"));
    }
    let lookups = Lookups::default();
    let row = Record::from_values(vec![Value::Int(1), value]);
    let made = interp::put(Cx { plan, lookups: &lookups }, Side::Right, &row, None).map_err(|it| format!("{it:?}"))?;
    Ok(made.get(Slot(1)).to_string())
}

/// Functions that the checker refuses, for what it shows.
pub fn texts() -> Vec<(String, String)> {
    let canons = [
        "canon f(s: text<20>): text<20> = drop(s, 1)",
        "canon f(s: text<20>): text<20> = take(trim(s), 4)",
        "canon f(s: text<20>): text<21> = s ++ \"!\"",
        "canon f(s: text<20>): text<60> = replace(upper(s), \"AB\", \"A\")",
        "canon f(s: text<20>): text<20> = if s == \"a\" then \"b\" else if s == \"b\" then \"c\" else s",
        "canon f(n: int64): int64 = n + 1",
        "canon f(n: decimal<10,2>): decimal<20,2> = n * 2",
        "fn g(s: text<20>): text<21> = \"-\" ++ s\ncanon f(s: text<20>): text<21> = g(s)",
    ];
    let iso = |kinds: (&str, &str), range: &str, forward: &str, back: &str| {
        format!("iso f(d: {}) <-> {}{range} {{\n  -> {forward}\n  <- {back}\n}}", kinds.0, kinds.1)
    };
    let range = " in -999999999999999999 ..= 999999999999999999";
    let isos = [
        iso(("decimal<18,2>", "int64"), range, "int(d * 100)", "decimal(it, 2) / 10"),
        iso(("decimal<18,2>", "int64"), "", "int(d * 100)", "decimal(it, 2) / 100"),
        iso(("int64", "int64"), " in -1000 ..= 1000", "d + 1", "it - 2"),
        iso(("int64", "int64"), " in -1000 ..= 1000", "abs(d)", "it"),
        iso(("text<10>", "text<11>"), "", "d ++ \"!\"", "take(it, 10)"),
        iso(("text<10>", "text<10>"), "", "d", "trim(it)"),
    ];
    let all = canons.into_iter().map(str::to_owned).chain(isos);
    all.enumerate().map(|(index, it)| (format!("function {index}"), format!("{it}\n"))).collect()
}
