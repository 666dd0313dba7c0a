//! The function library: every example through the whole language, every promise on random arguments.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use dwmap::change::Side;
use dwmap::check::{self, NoSchemas};
use dwmap::diag::{Diagnostics, Severity};
use dwmap::functions::{self, Accepts, Function, Law, Parameter};
use dwmap::interp::{self, Cx, Lookups};
use dwmap::ir::Plan;
use dwmap::source::Sources;
use dwmap::syntax;
use dwmap::value::{Decimal, EnumType, Float, Kind, Member, Record, Time, Timestamp, Uuid, Value};
use proptest::prelude::*;

/// A map whose one rule writes the text of the expression.
fn map_with(expression: &str, is_partial: bool) -> String {
    let otherwise = if is_partial { " else reject" } else { "" };
    format!(
        "system a\nsystem b\n\nentity a.L {{\n  key Id: text<20>\n}}\n\nentity b.R {{\n  key id: text<20>\n  out: text?\n}}\n\n\
         map M: a.L <-> b.R {{\n  key Id <-> id\n  text({expression}) -> out{otherwise}\n  on conflict newest\n  \
         on delete <-> refuse\n}}\n"
    )
}

fn compile(text: &str) -> Result<Plan, Vec<String>> {
    let mut sources = Sources::default();
    let file = sources.add("test.dwmap", text).expect("the text is short");
    let mut diags = Diagnostics::default();
    let tree = syntax::parse(&sources, file, &mut diags);
    let checked = check::check(&[tree], &sources, &NoSchemas, &mut diags);
    let errors: Vec<String> = diags
        .sorted()
        .into_iter()
        .filter(|it| it.severity == Severity::Error)
        .map(|it| format!("{} {}", it.code, it.message))
        .collect();
    match checked.program.plan("M") {
        Some((_, plan)) if errors.is_empty() => Ok(plan.clone()),
        Some(_) | None => Err(errors),
    }
}

/// What the call gives, in the form in which the table writes results.
fn value_of(expression: &str, is_partial: bool) -> Result<String, Vec<String>> {
    let plan = compile(&map_with(expression, is_partial))?;
    let lookups = Lookups::default();
    let row = Record::from_values(vec![Value::text("1"); plan.shapes[Side::Left].fields.len()]);
    let out =
        interp::put(Cx { plan: &plan, lookups: &lookups }, Side::Right, &row, None).map_err(|stop| vec![format!("{stop:?}")])?;
    let slot = plan.shapes[Side::Right].slot("out").expect("the rule writes it");
    Ok(out.get(slot).as_text().map_or_else(|| out.get(slot).to_string(), str::to_owned))
}

#[test]
fn every_example_gives_its_result() {
    let mut wrong = Vec::new();
    for (_, function) in functions::all() {
        assert!(!function.examples.is_empty(), "{} has no example", function.name);
        for example in function.examples {
            let expected = match serde_json::from_str::<String>(example.result) {
                Ok(text) => text,
                Err(_) => example.result.to_owned(),
            };
            assert!(example.call.starts_with(&format!("{}(", function.name)), "{}", example.call);
            let found = value_of(example.call, function.is_partial);
            if found.as_ref() != Ok(&expected) {
                wrong.push(format!("{} = {found:?}, not {expected:?}", example.call));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn there_are_many_functions_and_each_has_one_name() {
    let names: Vec<&str> = functions::all().map(|(_, it)| it.name).collect();
    let distinct: BTreeSet<&str> = names.iter().copied().collect();
    assert_eq!(names.len(), distinct.len());
    assert!(names.len() >= 80, "{}", names.len());
    for (_, function) in functions::all() {
        assert!(
            !function.name.is_empty()
                && function.name.bytes().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'_')
        );
        assert!(function.doc.ends_with('.'), "{}", function.name);
        assert!(!function.parameters.is_empty(), "{}", function.name);
    }
}

#[test]
fn the_page_says_what_the_table_says() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/grammar/functions.md");
    let wanted = functions::reference();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, &wanted).expect("the folder is there");
    }
    let found = std::fs::read_to_string(path).expect("the page is there");
    assert!(found == wanted, "grammar/functions.md differs from the table; UPDATE=1 writes it anew");
}

fn refused(expression: &str) -> Vec<String> {
    value_of(expression, true).expect_err("the literal is wrong")
}

#[test]
fn wrong_literals_are_seen_when_the_map_is_checked() {
    assert_eq!(
        refused(r#"matches("a", "(")"#),
        ["DW0001 `pattern` of `matches` cannot be this: no regular expression: unclosed group"]
    );
    assert_eq!(
        refused(r#"parse_date("a", "yyyy-mm-dd")"#),
        ["DW0001 `pattern` of `parse_date` cannot be this: a date has no hours, minutes and seconds"]
    );
    assert_eq!(
        refused(r#"format_date("2024-02-29", "YYYY")"#)[0].split(": ").nth(1),
        Some("`Y` means nothing in a date pattern; put letters that stand for themselves in single quotes")
    );
    assert_eq!(refused(r#"in_zone("2024-07-01T12:00:00Z", "Mars/Olympus")"#).len(), 1);
    assert_eq!(refused(r#"take("a", -1)"#), ["DW0001 `count` of `take` cannot be this: -1 is no count from 0 to 100000"]);
    assert_eq!(refused("round(1.5, 39)").len(), 1);
    assert_eq!(refused(r#"pad_left("a", 3, "")"#).len(), 1);
}

#[test]
fn a_text_literal_is_a_date_where_a_date_is_wanted() {
    assert_eq!(value_of(r#"year("2024-02-29")"#, false).as_deref(), Ok("2024"));
    assert_eq!(value_of(r#"year("2024-02-30")"#, false).expect_err("no such day").len(), 1);
}

#[test]
fn what_cannot_be_is_an_error_of_the_row() {
    for call in [
        r#"parse_date("30.02.2024", "dd.MM.yyyy")"#,
        r#"parse_date("1.1.2024", "dd.MM.yyyy")"#,
        r#"add_days("9999-12-31", 1)"#,
        r#"base64_decode("a")"#,
        r#"base64_decode("YR==")"#,
        r#"url_decode("%4")"#,
        r#"split_part("a", ";", 2)"#,
        r#"mod(1, 0)"#,
        r#"json_get("{}", "a")"#,
        r#"extract("a", "[0-9]")"#,
        r#"decimal("1.25", 1)"#,
        r#"guid("x")"#,
    ] {
        assert!(value_of(call, true).expect_err(call)[0].contains("Refused"), "{call}");
    }
}

/// Random numbers from one seed, so that a failure can be repeated.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides as u64) as usize
    }

    fn pick<T: Clone>(&mut self, list: &[T]) -> T {
        list[self.roll(list.len())].clone()
    }
}

const LETTERS: &[&str] = &[
    "a", "b", "Z", "0", "7", "9", " ", "\t", "\n", "\r", "-", ".", ",", "+", "@", "/", ";", ":", "%", "=", "'", "\"", "{", "}",
    "é", "e\u{301}", "ß", "İ", "Σ", "ς", "ŉ", "ǆ", "ﬃ", "😀", "\u{a0}", "\u{0}", "\u{2028}", "٣",
];

/// Literals of which each constant parameter takes at least one.
const LITERALS: &[&str] = &[
    "",
    "-",
    "a",
    "ab",
    " .",
    "C-",
    "😀",
    ".",
    ",",
    ";",
    "yyyy-MM-dd",
    "d.M.yyyy",
    "HH:mm",
    "yyyy-MM-dd HH:mm:ss.SSS",
    "'year' yyyy",
    "Europe/Berlin",
    "UTC",
    "America/New_York",
    "[0-9]+",
    "(a)|b",
    "a.0.b",
];

const WHOLE_TEXTS: &[&str] = &[
    "2024-02-29",
    "1.1.2024",
    "0930",
    "12:30",
    "2024-02-29 12:30:00.000",
    "-12.50",
    "1.234,50",
    "42",
    "SGkh",
    "4869",
    "a%20b",
    "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
    "{\"a\":[{\"b\":7}]}",
    "+49 30",
    "0049",
    "jane@Contoso.com",
    "GB82 WEST 1234 5698 7654 32",
];

fn text(dice: &mut Dice, max: Option<u32>) -> Value {
    let mut out = if dice.roll(3) == 0 { dice.pick(WHOLE_TEXTS).to_owned() } else { String::new() };
    for _ in 0..dice.roll(14) {
        out.push_str(dice.pick(LETTERS));
    }
    while max.is_some_and(|max| out.encode_utf16().count() > max as usize) {
        out.pop();
    }
    Value::text(out)
}

fn members() -> std::sync::Arc<EnumType> {
    let member = |name: &str, value: i64| Member { name: name.to_owned(), value: Value::Int(value) };
    EnumType { name: "Hold".to_owned(), open: true, members: vec![member("None", 0), member("All", 1)] }.into()
}

fn kind_for(dice: &mut Dice, accepts: Accepts) -> Kind {
    let numbers = [
        Kind::Int32,
        Kind::Int64,
        Kind::Decimal { precision: 12, scale: 2 },
        Kind::Decimal { precision: 18, scale: 6 },
        Kind::Decimal { precision: 5, scale: 0 },
        Kind::Float64,
    ];
    let texts = [Kind::Text { max: Some(3) }, Kind::Text { max: Some(20) }, Kind::Text { max: None }];
    match accepts {
        Accepts::Text => dice.pick(&texts),
        Accepts::Number => dice.pick(&numbers),
        Accepts::Bool => Kind::Bool,
        Accepts::Guid => Kind::Guid,
        Accepts::Date => dice.pick(&[Kind::Date, Kind::DateTime]),
        Accepts::Time => dice.pick(&[Kind::Time, Kind::DateTime]),
        Accepts::DateTime => Kind::DateTime,
        Accepts::Any => {
            let others = [Kind::Bool, Kind::Guid, Kind::Date, Kind::Time, Kind::DateTime, Kind::Enum(members())];
            let all: Vec<Kind> = numbers.into_iter().chain(texts).chain(others).collect();
            dice.pick(&all)
        }
    }
}

fn value(dice: &mut Dice, kind: &Kind) -> Value {
    match kind {
        Kind::Text { max } => text(dice, *max),
        Kind::Bool => Value::Bool(dice.roll(2) == 0),
        Kind::Int32 => Value::Int(dice.pick(&[0, 1, -1, 5, 97, i64::from(i32::MIN), i64::from(i32::MAX)])),
        Kind::Int64 | Kind::Enum(_) => Value::Int(dice.pick(&[0, 1, -1, 86_400, i64::MIN, i64::MIN + 1, i64::MAX])),
        Kind::Decimal { precision, scale } => {
            let largest = 10i128.pow(u32::from(*precision)) - 1;
            let mantissa = dice.pick(&[0, 1, -1, 5, -5, 15, 25, -25, 12_345, largest, -largest]);
            Value::Decimal(Decimal::new(mantissa.clamp(-largest, largest), *scale).expect("within the kind"))
        }
        Kind::Float64 => Value::Float(Float(dice.pick(&[0.0, -0.0, 0.5, 1.5, -2.5, 2.675, 1e15, 1e300, -1e300, 1e-300, 0.1]))),
        Kind::Guid => Value::Guid(Uuid::from_u128(u128::from(dice.0))),
        Kind::Date => {
            let texts = ["2024-02-29", "2023-12-31", "0001-01-01", "9999-12-31", "1900-01-01", "2024-03-31"];
            Value::Date(dice.pick(&texts).parse().expect("a date"))
        }
        Kind::Time => Value::Time(dice.pick(&[Time::midnight(), Time::MAX, Time::constant(9, 5, 0, 1)])),
        Kind::DateTime => {
            let texts =
                ["2024-02-29T23:59:59.999999999Z", "0001-01-02T00:00:00Z", "9999-12-30T22:00:00Z", "2024-03-31T01:30:00Z"];
            Value::DateTime(dice.pick(&texts).parse::<Timestamp>().expect("an instant"))
        }
        Kind::Binary | Kind::Choices(_) | Kind::Lookup(_) => Value::Null,
    }
}

type Literals = Vec<(Kind, Value)>;

/// The literals that each constant parameter takes, with their kinds. Trying a pattern means compiling it, so each is tried once.
static TAKEN: LazyLock<BTreeMap<(&str, &str), Literals>> = LazyLock::new(|| {
    let constants =
        functions::all().flat_map(|(_, it)| it.parameters.iter().filter(|it| it.is_constant).map(|one| (it.name, one)));
    constants.map(|(function, parameter)| ((function, parameter.name), taken(function, parameter))).collect()
});

fn taken(function: &str, parameter: &Parameter) -> Literals {
    let all: Literals = match parameter.accepts {
        Accepts::Text => {
            LITERALS.iter().map(|it| (Kind::Text { max: Some(it.encode_utf16().count() as u32) }, Value::text(it))).collect()
        }
        Accepts::Number => [-18, -2, -1, 0, 1, 2, 3, 18, 38, 120].map(|it| (Kind::Int32, Value::Int(it))).into(),
        Accepts::Guid => vec![(Kind::Guid, Value::Guid(Uuid::from_u128(7)))],
        other => panic!("{function}: no literals for {other:?}"),
    };
    let taken: Literals = all.into_iter().filter(|(_, it)| (parameter.check)(it).is_ok()).collect();
    assert!(!taken.is_empty(), "{function}: no literal for {}", parameter.name);
    taken
}

/// The value has exactly this kind; no conversion is needed.
fn is_of(kind: &Kind, value: &Value) -> bool {
    let same_form = match kind {
        Kind::Int32 | Kind::Int64 => matches!(value, Value::Int(_)),
        Kind::Decimal { .. } => matches!(value, Value::Decimal(_)),
        Kind::Float64 => matches!(value, Value::Float(_)),
        Kind::Text { .. } => matches!(value, Value::Text(_)),
        _ => true,
    };
    same_form && interp::convert(kind, value).as_ref() == Ok(value)
}

fn check_promises(function: &Function, dice: &mut Dice) {
    let mut kinds = Vec::new();
    let mut args = Vec::new();
    let mut constants = Vec::new();
    for parameter in function.parameters {
        let (kind, value, constant) = if parameter.is_constant {
            let (kind, value) = dice.pick(&TAKEN[&(function.name, parameter.name)]);
            (kind, value.clone(), Some(value))
        } else {
            let kind = kind_for(dice, parameter.accepts);
            let value = if function.takes_null && dice.roll(4) == 0 { Value::Null } else { value(dice, &kind) };
            (kind, value, None)
        };
        kinds.push(kind);
        args.push(value);
        constants.push(constant);
    }
    let shown = format!("{}({args:?})", function.name);
    let kind = (function.result)(&kinds, &constants);
    let result = match (function.eval)(&args) {
        Ok(result) => result,
        Err(error) => {
            assert!(function.is_partial, "{shown} is not partial, but: {error}");
            assert!(!error.is_empty() && !error.contains('\n'), "{shown}: {error}");
            return;
        }
    };
    assert!(is_of(&kind, &result), "{shown} = {result:?} is no {kind}");
    if function.law != Law::OneWay {
        assert!(function.parameters[0].accepts.admits(&kind), "{shown}: {kind} cannot be given to it again");
        args[0] = result.clone();
        assert_eq!((function.eval)(&args), Ok(result), "{shown} is not idempotent");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn no_function_breaks_its_promises(seed in 1u64..) {
        let mut dice = Dice(seed);
        for (_, function) in functions::all() {
            for _ in 0..10 {
                check_promises(function, &mut dice);
            }
        }
    }

    #[test]
    fn a_date_that_was_formatted_reads_as_itself(days in 0i32..3_652_058) {
        use jiff::ToSpan;
        let date = jiff::civil::date(1, 1, 1).checked_add(days.days()).expect("within the calendar");
        let pattern = Value::text("dd.MM.yyyy");
        let format = functions::find("format_date").expect("an entry");
        let parse = functions::find("parse_date").expect("an entry");
        let text = (format.eval)(&[Value::Date(date), pattern.clone()]).expect("total");
        prop_assert_eq!((parse.eval)(&[text, pattern]), Ok(Value::Date(date)));
    }

    #[test]
    fn what_was_encoded_decodes_as_itself(text in any::<String>()) {
        for (encode, decode) in [("base64_encode", "base64_decode"), ("url_encode", "url_decode"), ("hex_encode", "hex_decode")] {
            let encode = functions::find(encode).expect("an entry");
            let decode = functions::find(decode).expect("an entry");
            let encoded = (encode.eval)(&[Value::text(&text)]).expect("total");
            prop_assert_eq!((decode.eval)(&[encoded]), Ok(Value::text(&text)));
        }
    }

    #[test]
    fn no_text_as_a_pattern_makes_a_panic(pattern in any::<String>(), text in any::<String>()) {
        for (_, function) in functions::all() {
            for parameter in function.parameters.iter().filter(|it| it.is_constant) {
                (parameter.check)(&Value::text(&pattern)).ok();
            }
            let args: Vec<Value> = function.parameters.iter().enumerate().map(|(at, _)| Value::text(if at == 0 { &text } else { &pattern })).collect();
            (function.eval)(&args).ok();
        }
    }
}
