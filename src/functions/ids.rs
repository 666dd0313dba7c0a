//! GUIDs and ids made from names.

use super::results::{boolean, guid};
use super::{Accepts, Example, Function, PLAIN, Parameter, constant, parameter, text_of};
use crate::value::{Kind, Uuid, Value};

const TEXT: &[Parameter] = &[parameter("text", Accepts::Text)];
const GUID: &[Parameter] = &[parameter("guid", Accepts::Guid)];

fn read(value: &Value) -> Result<Uuid, String> {
    match value {
        Value::Guid(it) => Ok(*it),
        other => Uuid::try_parse(text_of(other)).map_err(|_| format!("{other} is no GUID")),
    }
}

pub const ALL: &[Function] = &[
    Function {
        name: "guid",
        parameters: TEXT,
        result: guid,
        is_partial: true,
        doc: "A GUID from a text, with or without braces and dashes.",
        examples: &[Example {
            call: r#"guid("{3F2504E0-4F89-11D3-9A0C-0305E82C3301}")"#,
            result: r#"3f2504e0-4f89-11d3-9a0c-0305e82c3301"#,
        }],
        eval: |args| read(&args[0]).map(Value::Guid),
        ..PLAIN
    },
    Function {
        name: "guid_text",
        parameters: GUID,
        result: |_, _| Kind::Text { max: Some(36) },
        doc: "The form with dashes, in lower case.",
        examples: &[Example {
            call: r#"guid_text("3F2504E0-4F89-11D3-9A0C-0305E82C3301")"#,
            result: r#""3f2504e0-4f89-11d3-9a0c-0305e82c3301""#,
        }],
        eval: |args| Ok(Value::text(read(&args[0])?.hyphenated().to_string())),
        ..PLAIN
    },
    Function {
        name: "guid_plain",
        parameters: GUID,
        result: |_, _| Kind::Text { max: Some(32) },
        doc: "The 32 digits without dashes.",
        examples: &[Example {
            call: r#"guid_plain("3f2504e0-4f89-11d3-9a0c-0305e82c3301")"#,
            result: r#""3f2504e04f8911d39a0c0305e82c3301""#,
        }],
        eval: |args| Ok(Value::text(read(&args[0])?.simple().to_string())),
        ..PLAIN
    },
    Function {
        name: "guid_braced",
        parameters: GUID,
        result: |_, _| Kind::Text { max: Some(38) },
        doc: "The form in braces.",
        examples: &[Example {
            call: r#"guid_braced("3f2504e0-4f89-11d3-9a0c-0305e82c3301")"#,
            result: r#""{3f2504e0-4f89-11d3-9a0c-0305e82c3301}""#,
        }],
        eval: |args| Ok(Value::text(read(&args[0])?.braced().to_string())),
        ..PLAIN
    },
    Function {
        name: "uuid_v5",
        parameters: &[constant("namespace", Accepts::Guid, |value| read(value).map(|_| ())), parameter("name", Accepts::Text)],
        result: guid,
        doc: "The id that this name always has in this namespace (RFC 9562, version 5).",
        examples: &[Example {
            call: r#"uuid_v5("6ba7b810-9dad-11d1-80b4-00c04fd430c8", "www.example.com")"#,
            result: r#"2ed6657d-e927-568b-95e1-2665a8aea6a2"#,
        }],
        eval: |args| Ok(Value::Guid(Uuid::new_v5(&read(&args[0])?, text_of(&args[1]).as_bytes()))),
        ..PLAIN
    },
    Function {
        name: "is_guid",
        parameters: TEXT,
        result: boolean,
        doc: "Whether the text is a GUID, with or without braces and dashes.",
        examples: &[Example { call: r#"is_guid("x")"#, result: r#"false"# }],
        eval: |args| Ok(Value::Bool(read(&args[0]).is_ok())),
        ..PLAIN
    },
];
