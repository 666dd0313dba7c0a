//! Questions about null and blank.

use super::{Accepts, Example, Function, Law, Parameter, parameter};
use crate::value::{Kind, Value};

const ANY: &[Parameter] = &[parameter("value", Accepts::Any)];

fn boolean(_: &[Kind], _: &[Option<Value>]) -> Kind {
    Kind::Bool
}

pub const ALL: &[Function] = &[
    Function {
        name: "is_null",
        parameters: ANY,
        result: boolean,
        law: Law::OneWay,
        takes_null: true,
        is_partial: false,
        doc: "Whether there is no value.",
        examples: &[Example { call: "is_null(null)", result: "true" }],
        eval: |args| Ok(Value::Bool(!args[0].is_value())),
    },
    Function {
        name: "is_blank",
        parameters: ANY,
        result: boolean,
        law: Law::OneWay,
        takes_null: true,
        is_partial: false,
        doc: "Whether there is no value, or a text of nothing but white space.",
        examples: &[Example { call: r#"is_blank("  ")"#, result: "true" }],
        eval: |args| Ok(Value::Bool(args[0].is_blank())),
    },
];
