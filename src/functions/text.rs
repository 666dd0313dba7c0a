//! Text functions that give a text. Lengths count UTF-16 code units, as the stores do; nothing splits a surrogate pair.

use super::results::{cased, grown, joined, known, length, literal_length, printed, same, taken};
use super::{
    Accepts, COUNT_MAX, Example, Function, Law, PLAIN, Parameter, WHITE, count, filled, int_of, parameter, text_of, units, words,
};
use crate::value::{Kind, Value};

fn padded(kinds: &[Kind], constants: &[Option<Value>]) -> Kind {
    Kind::Text { max: length(&kinds[0]).map(|it| it.max(known(constants, 1))) }
}

fn replaced(kinds: &[Kind], constants: &[Option<Value>]) -> Kind {
    let growth = literal_length(constants, 2).div_ceil(literal_length(constants, 1).max(1));
    grown(&kinds[0], growth.max(1), 0)
}

/// The longest prefix of at most `units` UTF-16 units.
pub fn prefix(text: &str, units: i64) -> &str {
    let mut left = units;
    for (at, letter) in text.char_indices() {
        left -= letter.len_utf16() as i64;
        if left < 0 {
            return &text[..at];
        }
    }
    text
}

/// The longest suffix of at most `units` UTF-16 units.
fn suffix(text: &str, units: i64) -> &str {
    let mut left = units;
    for (at, letter) in text.char_indices().rev() {
        left -= letter.len_utf16() as i64;
        if left < 0 {
            return &text[at + letter.len_utf8()..];
        }
    }
    text
}

fn pad(args: &[Value], on_left: bool) -> Result<Value, String> {
    let text = text_of(&args[0]);
    let width = int_of(&args[1])?.clamp(0, COUNT_MAX) as usize;
    let fill = text_of(&args[2]).chars().next().ok_or("the filling text is empty")?;
    let missing = width.saturating_sub(units(text)) / fill.len_utf16();
    let fill: String = std::iter::repeat_n(fill, missing).collect();
    Ok(Value::text(if on_left { format!("{fill}{text}") } else { format!("{text}{fill}") }))
}

/// Each word with a capital first letter.
pub fn title(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut at_start = true;
    for letter in text.chars() {
        if at_start {
            out.extend(letter.to_uppercase());
        } else {
            out.extend(letter.to_lowercase());
        }
        at_start = !letter.is_alphanumeric();
    }
    out
}

/// Only the letters that pass.
fn only(args: &[Value], passes: impl Fn(char) -> bool) -> Result<Value, String> {
    Ok(Value::text(text_of(&args[0]).chars().filter(|it| passes(*it)).collect::<String>()))
}

const TEXT: &[Parameter] = &[parameter("text", Accepts::Text)];
const COUNT: &[Parameter] = &[parameter("text", Accepts::Text), count("count")];
const PAD: &[Parameter] = &[parameter("text", Accepts::Text), count("width"), filled("fill")];
const FIXED: &[Parameter] = &[parameter("text", Accepts::Text), words("part")];

pub const ALL: &[Function] = &[
    Function {
        name: "trim",
        parameters: TEXT,
        result: same,
        law: Law::Canon,
        sought: WHITE,
        modulo: Some("trim"),
        doc: "Without white space at both ends.",
        examples: &[Example { call: r#"trim(" Contoso ")"#, result: r#""Contoso""# }],
        eval: |args| Ok(Value::text(text_of(&args[0]).trim())),
        ..PLAIN
    },
    Function {
        name: "trim_start",
        parameters: TEXT,
        result: same,
        law: Law::Canon,
        sought: WHITE,
        doc: "Without white space at the beginning.",
        examples: &[Example { call: r#"trim_start(" a ")"#, result: r#""a ""# }],
        eval: |args| Ok(Value::text(text_of(&args[0]).trim_start())),
        ..PLAIN
    },
    Function {
        name: "trim_end",
        parameters: TEXT,
        result: same,
        law: Law::Canon,
        sought: WHITE,
        doc: "Without white space at the end.",
        examples: &[Example { call: r#"trim_end(" a ")"#, result: r#"" a""# }],
        eval: |args| Ok(Value::text(text_of(&args[0]).trim_end())),
        ..PLAIN
    },
    Function {
        name: "upper",
        parameters: TEXT,
        result: cased,
        law: Law::Canon,
        modulo: Some("case"),
        doc: "In upper case; a text can become longer (`ß` gives `SS`).",
        examples: &[Example { call: r#"upper("Straße")"#, result: r#""STRASSE""# }],
        eval: |args| Ok(Value::text(text_of(&args[0]).to_uppercase())),
        ..PLAIN
    },
    Function {
        name: "lower",
        parameters: TEXT,
        result: cased,
        law: Law::Canon,
        modulo: Some("case"),
        doc: "In lower case.",
        examples: &[Example { call: r#"lower("AG")"#, result: r#""ag""# }],
        eval: |args| Ok(Value::text(text_of(&args[0]).to_lowercase())),
        ..PLAIN
    },
    Function {
        name: "title",
        parameters: TEXT,
        result: cased,
        doc: "Each word with a capital first letter.",
        examples: &[Example { call: r#"title("jane DOE")"#, result: r#""Jane Doe""# }],
        eval: |args| Ok(Value::text(title(text_of(&args[0])))),
        ..PLAIN
    },
    Function {
        name: "normalize_space",
        parameters: TEXT,
        result: same,
        law: Law::Canon,
        sought: WHITE,
        modulo: Some("space"),
        doc: "Trimmed, and each run of white space as one blank.",
        examples: &[Example { call: r#"normalize_space(" a   b ")"#, result: r#""a b""# }],
        eval: |args| Ok(Value::text(text_of(&args[0]).split_whitespace().collect::<Vec<_>>().join(" "))),
        ..PLAIN
    },
    Function {
        name: "remove_space",
        parameters: TEXT,
        result: same,
        law: Law::Canon,
        doc: "Without any white space.",
        examples: &[Example { call: r#"remove_space("1 000 ")"#, result: r#""1000""# }],
        eval: |args| only(args, |it| !it.is_whitespace()),
        ..PLAIN
    },
    Function {
        name: "one_line",
        parameters: TEXT,
        result: same,
        law: Law::Canon,
        sought: WHITE,
        doc: "Each line break as one blank.",
        examples: &[Example { call: r#"one_line("a\nb")"#, result: r#""a b""# }],
        eval: |args| Ok(Value::text(text_of(&args[0]).replace("\r\n", "\n").replace(['\r', '\n'], " "))),
        ..PLAIN
    },
    Function {
        name: "unix_lines",
        parameters: TEXT,
        result: same,
        law: Law::Canon,
        doc: "Line breaks as one line feed each, as Dataverse holds them.",
        examples: &[Example { call: r#"unix_lines("a")"#, result: r#""a""# }],
        eval: |args| Ok(Value::text(text_of(&args[0]).replace("\r\n", "\n").replace('\r', "\n"))),
        ..PLAIN
    },
    Function {
        name: "digits",
        parameters: TEXT,
        result: same,
        law: Law::Canon,
        doc: "Only the digits 0 to 9.",
        examples: &[Example { call: r#"digits("+49 30-1234")"#, result: r#""49301234""# }],
        eval: |args| Ok(Value::text(text_of(&args[0]).chars().filter(char::is_ascii_digit).collect::<String>())),
        ..PLAIN
    },
    Function {
        name: "letters",
        parameters: TEXT,
        result: same,
        law: Law::Canon,
        doc: "Only letters, of any script.",
        examples: &[Example { call: r#"letters("A-12 é")"#, result: r#""Aé""# }],
        eval: |args| only(args, char::is_alphabetic),
        ..PLAIN
    },
    Function {
        name: "letters_digits",
        parameters: TEXT,
        result: same,
        law: Law::Canon,
        doc: "Only letters and digits, of any script.",
        examples: &[Example { call: r#"letters_digits("A-12 é")"#, result: r#""A12é""# }],
        eval: |args| only(args, char::is_alphanumeric),
        ..PLAIN
    },
    Function {
        name: "strip",
        parameters: &[parameter("text", Accepts::Text), words("letters")],
        result: same,
        law: Law::Canon,
        doc: "Without any of these letters, wherever they stand.",
        examples: &[Example { call: r#"strip("DE 12.34", " .")"#, result: r#""DE1234""# }],
        eval: |args| {
            let letters = text_of(&args[1]);
            Ok(Value::text(text_of(&args[0]).chars().filter(|it| !letters.contains(*it)).collect::<String>()))
        },
        ..PLAIN
    },
    Function {
        name: "trim_zeros",
        parameters: TEXT,
        result: same,
        law: Law::Canon,
        looks_at_ends: true,
        sought: &["0", "01"],
        doc: "Without leading zeros; the last digit stays.",
        examples: &[
            Example { call: r#"trim_zeros("00070")"#, result: r#""70""# },
            Example { call: r#"trim_zeros("000")"#, result: r#""0""# },
        ],
        eval: |args| {
            let text = text_of(&args[0]);
            let rest = text.trim_start_matches('0');
            Ok(Value::text(if rest.is_empty() && !text.is_empty() { "0" } else { rest }))
        },
        ..PLAIN
    },
    Function {
        name: "take",
        parameters: COUNT,
        result: taken,
        law: Law::Retract,
        doc: "The first so many units; a shorter text stays whole.",
        examples: &[
            Example { call: r#"take("Contoso", 3)"#, result: r#""Con""# },
            Example { call: r#"take("a", 3)"#, result: r#""a""# },
        ],
        eval: |args| Ok(Value::text(prefix(text_of(&args[0]), int_of(&args[1])?))),
        ..PLAIN
    },
    Function {
        name: "take_last",
        parameters: COUNT,
        result: taken,
        law: Law::Retract,
        doc: "The last so many units; a shorter text stays whole.",
        examples: &[Example { call: r#"take_last("US-001", 3)"#, result: r#""001""# }],
        eval: |args| Ok(Value::text(suffix(text_of(&args[0]), int_of(&args[1])?))),
        ..PLAIN
    },
    Function {
        name: "drop",
        parameters: COUNT,
        result: same,
        doc: "Without the first so many units.",
        examples: &[Example { call: r#"drop("Contoso", 3)"#, result: r#""toso""# }],
        eval: |args| {
            let text = text_of(&args[0]);
            Ok(Value::text(&text[prefix(text, int_of(&args[1])?).len()..]))
        },
        ..PLAIN
    },
    Function {
        name: "drop_last",
        parameters: COUNT,
        result: same,
        doc: "Without the last so many units.",
        examples: &[Example { call: r#"drop_last("US-001", 4)"#, result: r#""US""# }],
        eval: |args| {
            let text = text_of(&args[0]);
            Ok(Value::text(&text[..text.len() - suffix(text, int_of(&args[1])?).len()]))
        },
        ..PLAIN
    },
    Function {
        name: "pad_left",
        parameters: PAD,
        result: padded,
        doc: "Filled up on the left to a width.",
        examples: &[Example { call: r#"pad_left("7", 3, "0")"#, result: r#""007""# }],
        eval: |args| pad(args, true),
        ..PLAIN
    },
    Function {
        name: "pad_right",
        parameters: PAD,
        result: padded,
        doc: "Filled up on the right to a width.",
        examples: &[Example { call: r#"pad_right("7", 3, "0")"#, result: r#""700""# }],
        eval: |args| pad(args, false),
        ..PLAIN
    },
    Function {
        name: "replace",
        parameters: &[parameter("text", Accepts::Text), filled("from"), words("to")],
        result: replaced,
        doc: "Every occurrence of one text becomes another.",
        examples: &[Example { call: r#"replace("a-b-c", "-", "+")"#, result: r#""a+b+c""# }],
        eval: |args| match text_of(&args[1]) {
            "" => Ok(args[0].clone()),
            from => Ok(Value::text(text_of(&args[0]).replace(from, text_of(&args[2])))),
        },
        ..PLAIN
    },
    Function {
        name: "with_prefix",
        parameters: FIXED,
        result: joined,
        law: Law::Canon,
        looks_at_ends: true,
        doc: "With this beginning, put there where it is missing.",
        examples: &[
            Example { call: r#"with_prefix("1", "C-")"#, result: r#""C-1""# },
            Example { call: r#"with_prefix("C-1", "C-")"#, result: r#""C-1""# },
        ],
        eval: |args| {
            let (text, part) = (text_of(&args[0]), text_of(&args[1]));
            Ok(if text.starts_with(part) { args[0].clone() } else { Value::text(format!("{part}{text}")) })
        },
        ..PLAIN
    },
    Function {
        name: "with_suffix",
        parameters: FIXED,
        result: joined,
        law: Law::Canon,
        looks_at_ends: true,
        doc: "With this end, put there where it is missing.",
        examples: &[Example { call: r#"with_suffix("docs", "/")"#, result: r#""docs/""# }],
        eval: |args| {
            let (text, part) = (text_of(&args[0]), text_of(&args[1]));
            Ok(if text.ends_with(part) { args[0].clone() } else { Value::text(format!("{text}{part}")) })
        },
        ..PLAIN
    },
    Function {
        name: "remove_prefix",
        parameters: FIXED,
        result: same,
        doc: "Without this beginning, once, where it is there.",
        examples: &[Example { call: r#"remove_prefix("C-1", "C-")"#, result: r#""1""# }],
        eval: |args| {
            let text = text_of(&args[0]);
            Ok(Value::text(text.strip_prefix(text_of(&args[1])).unwrap_or(text)))
        },
        ..PLAIN
    },
    Function {
        name: "remove_suffix",
        parameters: FIXED,
        result: same,
        doc: "Without this end, once, where it is there.",
        examples: &[Example { call: r#"remove_suffix("docs/", "/")"#, result: r#""docs""# }],
        eval: |args| {
            let text = text_of(&args[0]);
            Ok(Value::text(text.strip_suffix(text_of(&args[1])).unwrap_or(text)))
        },
        ..PLAIN
    },
    Function {
        name: "reverse",
        parameters: TEXT,
        result: same,
        doc: "From the last character to the first.",
        examples: &[Example { call: r#"reverse("abc")"#, result: r#""cba""# }],
        eval: |args| Ok(Value::text(text_of(&args[0]).chars().rev().collect::<String>())),
        ..PLAIN
    },
    Function {
        name: "join",
        parameters: &[words("separator"), parameter("first", Accepts::Text), parameter("second", Accepts::Text)],
        result: |kinds, constants| {
            let parts = length(&kinds[1]).zip(length(&kinds[2])).map(|(a, b)| a.saturating_add(b));
            Kind::Text { max: parts.map(|it| it.saturating_add(literal_length(constants, 0))) }
        },
        takes_null: true,
        doc: "Both texts with the separator between them; a blank or missing one leaves no separator.",
        examples: &[
            Example { call: r#"join(", ", "Suite 4", "Main St")"#, result: r#""Suite 4, Main St""# },
            Example { call: r#"join(", ", null, "Main St")"#, result: r#""Main St""# },
        ],
        eval: |args| {
            let parts: Vec<&str> = args[1..].iter().filter(|it| !it.is_blank()).map(text_of).collect();
            Ok(Value::text(parts.join(text_of(&args[0]))))
        },
        ..PLAIN
    },
    Function {
        name: "text",
        parameters: &[parameter("value", Accepts::Any)],
        result: |kinds, _| Kind::Text { max: printed(&kinds[0]) },
        doc: "A value as a text, in its plain form.",
        examples: &[Example { call: "text(12.50)", result: r#""12.5""# }],
        eval: |args| match &args[0] {
            Value::Text(_) => Ok(args[0].clone()),
            other => Ok(Value::text(other.to_string())),
        },
        ..PLAIN
    },
];
