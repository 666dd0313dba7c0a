//! Text functions that find: tests, positions and the parts between separators.

use super::results::{boolean, int32, same};
use super::{Accepts, Example, Function, Law, PLAIN, Parameter, Push, constant, filled, int_of, parameter, text_of, units};
use crate::value::{Value, fold_case};

const TEXT: &[Parameter] = &[parameter("text", Accepts::Text)];
const PAIR: &[Parameter] = &[parameter("text", Accepts::Text), parameter("part", Accepts::Text)];
const FIXED: &[Parameter] = &[parameter("text", Accepts::Text), filled("part")];

pub const ALL: &[Function] = &[
    Function {
        name: "starts_with",
        parameters: PAIR,
        result: boolean,
        push: Push {
            odata: Some("startswith({0},{1})"),
            dataverse: Some("startswith({0},{1})"),
            finops: None,
            sql: Some("substr(cast({0} as blob),1,length(cast({1} as blob))) = cast({1} as blob)"),
        },
        doc: "Whether the text begins with the part.",
        examples: &[Example { call: r#"starts_with("US-001", "US")"#, result: "true" }],
        eval: |args| Ok(Value::Bool(text_of(&args[0]).starts_with(text_of(&args[1])))),
        ..PLAIN
    },
    Function {
        name: "ends_with",
        parameters: PAIR,
        result: boolean,
        push: Push {
            odata: Some("endswith({0},{1})"),
            dataverse: Some("endswith({0},{1})"),
            finops: None,
            sql: Some("substr(cast({0} as blob),-length(cast({1} as blob))) = cast({1} as blob)"),
        },
        doc: "Whether the text ends with the part.",
        examples: &[Example { call: r#"ends_with("US-001", "1")"#, result: "true" }],
        eval: |args| Ok(Value::Bool(text_of(&args[0]).ends_with(text_of(&args[1])))),
        ..PLAIN
    },
    Function {
        name: "contains",
        parameters: PAIR,
        result: boolean,
        push: Push {
            odata: Some("contains({0},{1})"),
            dataverse: Some("contains({0},{1})"),
            finops: None,
            sql: Some("instr({0},{1}) > 0"),
        },
        doc: "Whether the part stands anywhere in the text.",
        examples: &[Example { call: r#"contains("US-001", "x")"#, result: "false" }],
        eval: |args| Ok(Value::Bool(text_of(&args[0]).contains(text_of(&args[1])))),
        ..PLAIN
    },
    Function {
        name: "equals_ignoring_case",
        parameters: PAIR,
        result: boolean,
        doc: "Whether both are the same text in lower case.",
        examples: &[Example { call: r#"equals_ignoring_case("AG", "ag")"#, result: r#"true"# }],
        eval: |args| Ok(Value::Bool(fold_case(text_of(&args[0])) == fold_case(text_of(&args[1])))),
        ..PLAIN
    },
    Function {
        name: "length",
        parameters: TEXT,
        result: int32,
        doc: "How many UTF-16 units the text has.",
        examples: &[Example { call: r#"length("Contoso")"#, result: "7" }],
        eval: |args| Ok(Value::Int(units(text_of(&args[0])) as i64)),
        ..PLAIN
    },
    Function {
        name: "position",
        parameters: PAIR,
        result: int32,
        doc: "Where the part first begins, counted from 1; 0 where it is not there.",
        examples: &[
            Example { call: r#"position("US-001", "-")"#, result: r#"3"# },
            Example { call: r#"position("a", "x")"#, result: r#"0"# },
        ],
        eval: |args| {
            let text = text_of(&args[0]);
            Ok(Value::Int(text.find(text_of(&args[1])).map_or(0, |at| units(&text[..at]) as i64 + 1)))
        },
        ..PLAIN
    },
    Function {
        name: "before",
        parameters: FIXED,
        result: same,
        law: Law::Retract,
        doc: "What stands before the first such part; the whole text where there is none.",
        examples: &[Example { call: r#"before("jane@x.org", "@")"#, result: r#""jane""# }],
        eval: |args| {
            let text = text_of(&args[0]);
            Ok(Value::text(text.split_once(text_of(&args[1])).map_or(text, |(head, _)| head)))
        },
        ..PLAIN
    },
    Function {
        name: "after",
        parameters: FIXED,
        result: same,
        doc: "What stands behind the first such part; nothing where there is none.",
        examples: &[Example { call: r#"after("jane@x.org", "@")"#, result: r#""x.org""# }],
        eval: |args| {
            let text = text_of(&args[0]);
            Ok(Value::text(text.split_once(text_of(&args[1])).map_or("", |(_, tail)| tail)))
        },
        ..PLAIN
    },
    Function {
        name: "before_last",
        parameters: FIXED,
        result: same,
        doc: "What stands before the last such part; the whole text where there is none.",
        examples: &[Example { call: r#"before_last("a/b/c", "/")"#, result: r#""a/b""# }],
        eval: |args| {
            let text = text_of(&args[0]);
            Ok(Value::text(text.rsplit_once(text_of(&args[1])).map_or(text, |(head, _)| head)))
        },
        ..PLAIN
    },
    Function {
        name: "after_last",
        parameters: FIXED,
        result: same,
        law: Law::Retract,
        doc: "What stands behind the last such part; the whole text where there is none.",
        examples: &[Example { call: r#"after_last("a/b/c", "/")"#, result: r#""c""# }],
        eval: |args| {
            let text = text_of(&args[0]);
            Ok(Value::text(text.rsplit_once(text_of(&args[1])).map_or(text, |(_, tail)| tail)))
        },
        ..PLAIN
    },
    Function {
        name: "split_part",
        parameters: &[parameter("text", Accepts::Text), filled("separator"), constant("number", Accepts::Number, is_part_number)],
        result: same,
        is_partial: true,
        doc: "The part with this number, from 1, or from the end with -1; fails where there are fewer.",
        examples: &[
            Example { call: r#"split_part("a;b;c", ";", 2)"#, result: r#""b""# },
            Example { call: r#"split_part("a;b;c", ";", -1)"#, result: r#""c""# },
        ],
        eval: |args| split_part(text_of(&args[0]), text_of(&args[1]), int_of(&args[2])?),
        ..PLAIN
    },
];

fn is_part_number(value: &Value) -> Result<(), String> {
    match int_of(value)? {
        0 => Err("parts are counted from 1, or from the end with -1".to_owned()),
        _ => Ok(()),
    }
}

fn split_part(text: &str, separator: &str, number: i64) -> Result<Value, String> {
    if separator.is_empty() {
        return Err("the separator is empty".to_owned());
    }
    let index = usize::try_from(number.unsigned_abs()).unwrap_or(usize::MAX).saturating_sub(1);
    let found = if number > 0 { text.split(separator).nth(index) } else { text.rsplit(separator).nth(index) };
    found.map(Value::text).ok_or_else(|| format!("{text:?} has no part {number} between {separator:?}"))
}
