//! Questions about null and blank.

use super::results::{boolean, literal_length, same};
use super::{Accepts, Example, Function, PLAIN, Parameter, filled, parameter, text_of, words};
use crate::value::{Kind, Value};

const ANY: &[Parameter] = &[parameter("value", Accepts::Any)];

pub const ALL: &[Function] = &[
    Function {
        name: "is_null",
        parameters: ANY,
        result: boolean,
        takes_null: true,
        doc: "Whether there is no value.",
        examples: &[Example { call: "is_null(null)", result: "true" }],
        eval: |args| Ok(Value::Bool(!args[0].is_value())),
        ..PLAIN
    },
    Function {
        name: "is_blank",
        parameters: ANY,
        result: boolean,
        takes_null: true,
        doc: "Whether there is no value, or a text of nothing but white space.",
        examples: &[Example { call: r#"is_blank("  ")"#, result: "true" }],
        eval: |args| Ok(Value::Bool(args[0].is_blank())),
        ..PLAIN
    },
    Function {
        name: "if_blank",
        parameters: &[parameter("text", Accepts::Text), words("default")],
        result: |kinds, constants| match same(kinds, constants) {
            Kind::Text { max: Some(max) } => Kind::Text { max: Some(max.max(literal_length(constants, 1))) },
            other => other,
        },
        takes_null: true,
        doc: "The text, or the default where it is blank or missing.",
        examples: &[
            Example { call: r#"if_blank("  ", "none")"#, result: r#""none""# },
            Example { call: r#"if_blank(null, "none")"#, result: r#""none""# },
        ],
        eval: |args| Ok(args[usize::from(args[0].is_blank())].clone()),
        ..PLAIN
    },
    Function {
        name: "flag_text",
        parameters: &[parameter("flag", Accepts::Bool), words("yes"), words("no")],
        result: |_, constants| Kind::Text { max: Some(literal_length(constants, 1).max(literal_length(constants, 2))) },
        doc: "One text for yes and one for no.",
        examples: &[Example { call: r#"flag_text(1 == 1, "Y", "N")"#, result: r#""Y""# }],
        eval: |args| Ok(args[if args[0] == Value::Bool(true) { 1 } else { 2 }].clone()),
        ..PLAIN
    },
    Function {
        name: "parse_flag",
        parameters: &[parameter("text", Accepts::Text), filled("yes"), words("no")],
        result: boolean,
        is_partial: true,
        doc: "Whether the text is the one for yes; fails where it is neither.",
        examples: &[Example { call: r#"parse_flag("N", "Y", "N")"#, result: r#"false"# }],
        eval: |args| match text_of(&args[0]) {
            text if text == text_of(&args[1]) => Ok(Value::Bool(true)),
            text if text == text_of(&args[2]) => Ok(Value::Bool(false)),
            text => Err(format!("{text:?} is neither {} nor {}", args[1], args[2])),
        },
        ..PLAIN
    },
];
