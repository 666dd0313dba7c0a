//! Text functions. Lengths count UTF-16 code units, as the stores do; nothing splits a surrogate pair.

use super::{Accepts, Example, Function, Law, constant, int_of, known, parameter, text_of};
use crate::value::{Kind, Value};

/// Longest text that padding makes.
const PADDED_MAX: u32 = 100_000;

/// Upper- or lower-casing one UTF-16 unit gives at most three.
const CASE_GROWTH: u32 = 3;

fn same(kinds: &[Kind], _: &[Option<Value>]) -> Kind {
    kinds[0].clone()
}

fn grown(kinds: &[Kind], _: &[Option<Value>]) -> Kind {
    match &kinds[0] {
        Kind::Text { max: Some(max) } => Kind::Text { max: Some(max.saturating_mul(CASE_GROWTH)) },
        other => other.clone(),
    }
}

fn boolean(_: &[Kind], _: &[Option<Value>]) -> Kind {
    Kind::Bool
}

fn taken(kinds: &[Kind], constants: &[Option<Value>]) -> Kind {
    let limit = known(constants, 1);
    match &kinds[0] {
        Kind::Text { max } => Kind::Text { max: Some(max.map_or(limit, |it| it.min(limit))) },
        other => other.clone(),
    }
}

fn padded(kinds: &[Kind], constants: &[Option<Value>]) -> Kind {
    match &kinds[0] {
        Kind::Text { max } => Kind::Text { max: max.map(|it| it.max(known(constants, 1))) },
        other => other.clone(),
    }
}

fn replaced(kinds: &[Kind], constants: &[Option<Value>]) -> Kind {
    let length = |index: usize| match constants.get(index) {
        Some(Some(Value::Text(text))) => text.encode_utf16().count() as u32,
        _ => 0,
    };
    match &kinds[0] {
        Kind::Text { max: Some(max) } => {
            Kind::Text { max: Some(max.saturating_mul(length(2).div_ceil(length(1).max(1)).max(1))) }
        }
        other => other.clone(),
    }
}

/// The longest prefix of at most `units` UTF-16 units.
fn prefix(text: &str, units: i64) -> &str {
    let mut left = units;
    for (at, letter) in text.char_indices() {
        left -= letter.len_utf16() as i64;
        if left < 0 {
            return &text[..at];
        }
    }
    text
}

fn pad(args: &[Value], on_left: bool) -> Result<Value, String> {
    let text = text_of(&args[0]);
    let width = int_of(&args[1])?.clamp(0, i64::from(PADDED_MAX)) as usize;
    let fill = text_of(&args[2]).chars().next().ok_or("the filling text is empty")?;
    let missing = width.saturating_sub(text.encode_utf16().count()) / fill.len_utf16();
    let fill: String = std::iter::repeat_n(fill, missing).collect();
    Ok(Value::text(if on_left { format!("{fill}{text}") } else { format!("{text}{fill}") }))
}

fn title(text: &str) -> String {
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

const TEXT: &[super::Parameter] = &[parameter("text", Accepts::Text)];
const PAIR: &[super::Parameter] = &[parameter("text", Accepts::Text), parameter("part", Accepts::Text)];
const COUNT: &[super::Parameter] = &[parameter("text", Accepts::Text), constant("count", Accepts::Number)];
const PAD: &[super::Parameter] =
    &[parameter("text", Accepts::Text), constant("width", Accepts::Number), constant("fill", Accepts::Text)];

pub const ALL: &[Function] = &[
    Function {
        name: "trim",
        parameters: TEXT,
        result: same,
        law: Law::Canon,
        takes_null: false,
        is_partial: false,
        doc: "Without white space at both ends.",
        examples: &[Example { call: r#"trim(" Contoso ")"#, result: r#""Contoso""# }],
        eval: |args| Ok(Value::text(text_of(&args[0]).trim())),
    },
    Function {
        name: "upper",
        parameters: TEXT,
        result: grown,
        law: Law::Canon,
        takes_null: false,
        is_partial: false,
        doc: "In upper case; a text can become longer (`ß` gives `SS`).",
        examples: &[Example { call: r#"upper("Straße")"#, result: r#""STRASSE""# }],
        eval: |args| Ok(Value::text(text_of(&args[0]).to_uppercase())),
    },
    Function {
        name: "lower",
        parameters: TEXT,
        result: grown,
        law: Law::Canon,
        takes_null: false,
        is_partial: false,
        doc: "In lower case.",
        examples: &[Example { call: r#"lower("AG")"#, result: r#""ag""# }],
        eval: |args| Ok(Value::text(text_of(&args[0]).to_lowercase())),
    },
    Function {
        name: "title",
        parameters: TEXT,
        result: grown,
        law: Law::OneWay,
        takes_null: false,
        is_partial: false,
        doc: "Each word with a capital first letter.",
        examples: &[Example { call: r#"title("jane DOE")"#, result: r#""Jane Doe""# }],
        eval: |args| Ok(Value::text(title(text_of(&args[0])))),
    },
    Function {
        name: "normalize_space",
        parameters: TEXT,
        result: same,
        law: Law::Canon,
        takes_null: false,
        is_partial: false,
        doc: "Trimmed, and each run of white space as one blank.",
        examples: &[Example { call: r#"normalize_space(" a   b ")"#, result: r#""a b""# }],
        eval: |args| Ok(Value::text(text_of(&args[0]).split_whitespace().collect::<Vec<_>>().join(" "))),
    },
    Function {
        name: "digits",
        parameters: TEXT,
        result: same,
        law: Law::Canon,
        takes_null: false,
        is_partial: false,
        doc: "Only the digits 0 to 9.",
        examples: &[Example { call: r#"digits("+49 30-1234")"#, result: r#""49301234""# }],
        eval: |args| Ok(Value::text(text_of(&args[0]).chars().filter(char::is_ascii_digit).collect::<String>())),
    },
    Function {
        name: "strip",
        parameters: &[parameter("text", Accepts::Text), constant("letters", Accepts::Text)],
        result: same,
        law: Law::Canon,
        takes_null: false,
        is_partial: false,
        doc: "Without any of these letters, wherever they stand.",
        examples: &[Example { call: r#"strip("DE 12.34", " .")"#, result: r#""DE1234""# }],
        eval: |args| {
            let letters = text_of(&args[1]);
            Ok(Value::text(text_of(&args[0]).chars().filter(|it| !letters.contains(*it)).collect::<String>()))
        },
    },
    Function {
        name: "take",
        parameters: COUNT,
        result: taken,
        law: Law::Retract,
        takes_null: false,
        is_partial: false,
        doc: "The first so many units; a shorter text stays whole.",
        examples: &[
            Example { call: r#"take("Contoso", 3)"#, result: r#""Con""# },
            Example { call: r#"take("a", 3)"#, result: r#""a""# },
        ],
        eval: |args| Ok(Value::text(prefix(text_of(&args[0]), int_of(&args[1])?))),
    },
    Function {
        name: "drop",
        parameters: COUNT,
        result: same,
        law: Law::OneWay,
        takes_null: false,
        is_partial: false,
        doc: "Without the first so many units.",
        examples: &[Example { call: r#"drop("Contoso", 3)"#, result: r#""toso""# }],
        eval: |args| {
            let text = text_of(&args[0]);
            Ok(Value::text(&text[prefix(text, int_of(&args[1])?).len()..]))
        },
    },
    Function {
        name: "pad_left",
        parameters: PAD,
        result: padded,
        law: Law::OneWay,
        takes_null: false,
        is_partial: false,
        doc: "Filled up on the left to a width.",
        examples: &[Example { call: r#"pad_left("7", 3, "0")"#, result: r#""007""# }],
        eval: |args| pad(args, true),
    },
    Function {
        name: "pad_right",
        parameters: PAD,
        result: padded,
        law: Law::OneWay,
        takes_null: false,
        is_partial: false,
        doc: "Filled up on the right to a width.",
        examples: &[Example { call: r#"pad_right("7", 3, "0")"#, result: r#""700""# }],
        eval: |args| pad(args, false),
    },
    Function {
        name: "replace",
        parameters: &[parameter("text", Accepts::Text), constant("from", Accepts::Text), constant("to", Accepts::Text)],
        result: replaced,
        law: Law::OneWay,
        takes_null: false,
        is_partial: false,
        doc: "Every occurrence of one text becomes another.",
        examples: &[Example { call: r#"replace("a-b-c", "-", "+")"#, result: r#""a+b+c""# }],
        eval: |args| match text_of(&args[1]) {
            "" => Ok(args[0].clone()),
            from => Ok(Value::text(text_of(&args[0]).replace(from, text_of(&args[2])))),
        },
    },
    Function {
        name: "starts_with",
        parameters: PAIR,
        result: boolean,
        law: Law::OneWay,
        takes_null: false,
        is_partial: false,
        doc: "Whether the text begins with the part.",
        examples: &[Example { call: r#"starts_with("US-001", "US")"#, result: "true" }],
        eval: |args| Ok(Value::Bool(text_of(&args[0]).starts_with(text_of(&args[1])))),
    },
    Function {
        name: "ends_with",
        parameters: PAIR,
        result: boolean,
        law: Law::OneWay,
        takes_null: false,
        is_partial: false,
        doc: "Whether the text ends with the part.",
        examples: &[Example { call: r#"ends_with("US-001", "1")"#, result: "true" }],
        eval: |args| Ok(Value::Bool(text_of(&args[0]).ends_with(text_of(&args[1])))),
    },
    Function {
        name: "contains",
        parameters: PAIR,
        result: boolean,
        law: Law::OneWay,
        takes_null: false,
        is_partial: false,
        doc: "Whether the part stands anywhere in the text.",
        examples: &[Example { call: r#"contains("US-001", "x")"#, result: "false" }],
        eval: |args| Ok(Value::Bool(text_of(&args[0]).contains(text_of(&args[1])))),
    },
    Function {
        name: "length",
        parameters: TEXT,
        result: |_, _| Kind::Int32,
        law: Law::OneWay,
        takes_null: false,
        is_partial: false,
        doc: "How many UTF-16 units the text has.",
        examples: &[Example { call: r#"length("Contoso")"#, result: "7" }],
        eval: |args| Ok(Value::Int(text_of(&args[0]).encode_utf16().count() as i64)),
    },
    Function {
        name: "text",
        parameters: &[parameter("value", Accepts::Any)],
        result: |kinds, _| Kind::Text { max: printed_length(&kinds[0]) },
        law: Law::OneWay,
        takes_null: false,
        is_partial: false,
        doc: "A value as a text, in its plain form.",
        examples: &[Example { call: "text(12.50)", result: r#""12.5""# }],
        eval: |args| match &args[0] {
            Value::Text(_) => Ok(args[0].clone()),
            other => Ok(Value::text(other.to_string())),
        },
    },
];

/// Longest printed form of a kind.
pub fn printed_length(kind: &Kind) -> Option<u32> {
    match kind {
        Kind::Text { max } => *max,
        Kind::Bool => Some(5),
        Kind::Int32 => Some(11),
        Kind::Int64 => Some(20),
        Kind::Decimal { precision, .. } => Some(u32::from(*precision) + 3),
        Kind::Guid => Some(36),
        Kind::Date => Some(10),
        Kind::Time => Some(18),
        Kind::DateTime => Some(30),
        Kind::Enum(members) => members.members.iter().map(|it| it.value.to_string().encode_utf16().count() as u32).max(),
        Kind::Float64 | Kind::Binary | Kind::Choices(_) | Kind::Lookup(_) => None,
    }
}
