//! Encodings of texts, and single values out of JSON.

use super::results::grown;
use super::{Accepts, Example, Function, PLAIN, Parameter, constant, parameter, text_of};
use crate::value::{Kind, Value};

/// Longest path into a JSON text.
const PATH_STEPS_MAX: usize = 32;

const TEXT: &[Parameter] = &[parameter("text", Accepts::Text)];

fn utf8(bytes: Vec<u8>) -> Result<Value, String> {
    String::from_utf8(bytes).map(Value::text).map_err(|_| "the bytes are no UTF-8 text".to_owned())
}

pub const ALL: &[Function] = &[
    Function {
        name: "base64_encode",
        parameters: TEXT,
        result: |kinds, _| grown(&kinds[0], 4, 4),
        doc: "The UTF-8 bytes in base 64, with padding.",
        examples: &[
            Example { call: r#"base64_encode("Hi!")"#, result: r#""SGkh""# },
            Example { call: r#"base64_encode("a")"#, result: r#""YQ==""# },
        ],
        eval: |args| Ok(Value::text(base64_encode(text_of(&args[0]).as_bytes()))),
        ..PLAIN
    },
    Function {
        name: "base64_decode",
        parameters: TEXT,
        result: |kinds, _| grown(&kinds[0], 1, 0),
        is_partial: true,
        doc: "The text whose UTF-8 bytes this is in base 64.",
        examples: &[Example { call: r#"base64_decode("SGkh")"#, result: r#""Hi!""# }],
        eval: |args| utf8(base64_decode(text_of(&args[0]))?),
        ..PLAIN
    },
    Function {
        name: "url_encode",
        parameters: TEXT,
        result: |kinds, _| grown(&kinds[0], 9, 0),
        doc: "For a URL: all but letters, digits and `-_.~` as `%XX`.",
        examples: &[Example { call: r#"url_encode("a b&c")"#, result: r#""a%20b%26c""# }],
        eval: |args| Ok(Value::text(url_encode(text_of(&args[0])))),
        ..PLAIN
    },
    Function {
        name: "url_decode",
        parameters: TEXT,
        result: |kinds, _| grown(&kinds[0], 1, 0),
        is_partial: true,
        doc: "Each `%XX` as its byte.",
        examples: &[Example { call: r#"url_decode("a%20b")"#, result: r#""a b""# }],
        eval: |args| utf8(url_decode(text_of(&args[0]))?),
        ..PLAIN
    },
    Function {
        name: "hex_encode",
        parameters: TEXT,
        result: |kinds, _| grown(&kinds[0], 6, 0),
        doc: "The UTF-8 bytes as two lower-case digits each.",
        examples: &[Example { call: r#"hex_encode("Hi")"#, result: r#""4869""# }],
        eval: |args| Ok(Value::text(hex(text_of(&args[0]).as_bytes()))),
        ..PLAIN
    },
    Function {
        name: "hex_decode",
        parameters: TEXT,
        result: |kinds, _| grown(&kinds[0], 1, 0),
        is_partial: true,
        doc: "The text whose UTF-8 bytes these digits are.",
        examples: &[Example { call: r#"hex_decode("4869")"#, result: r#""Hi""# }],
        eval: |args| utf8(hex_decode(text_of(&args[0]))?),
        ..PLAIN
    },
    Function {
        name: "sha256",
        parameters: TEXT,
        result: |_, _| Kind::Text { max: Some(64) },
        doc: "The SHA-256 digest of the UTF-8 bytes, as 64 digits.",
        examples: &[Example {
            call: r#"sha256("")"#,
            result: r#""e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855""#,
        }],
        eval: |args| {
            use sha2::Digest;
            Ok(Value::text(hex(&sha2::Sha256::digest(text_of(&args[0]).as_bytes()))))
        },
        ..PLAIN
    },
    Function {
        name: "html_escape",
        parameters: TEXT,
        result: |kinds, _| grown(&kinds[0], 6, 0),
        doc: "With `&`, `<`, `>` and both quotes as entities.",
        examples: &[Example { call: r#"html_escape("a<b")"#, result: r#""a&lt;b""# }],
        eval: |args| Ok(Value::text(html_escape(text_of(&args[0])))),
        ..PLAIN
    },
    Function {
        name: "json_text",
        parameters: TEXT,
        result: |kinds, _| grown(&kinds[0], 6, 2),
        doc: "The text as a JSON string, with its quotes.",
        examples: &[Example { call: r#"json_text("a")"#, result: r#""\"a\"""# }],
        eval: |args| Ok(Value::text(serde_json::Value::from(text_of(&args[0])).to_string())),
        ..PLAIN
    },
    Function {
        name: "json_get",
        parameters: &[parameter("text", Accepts::Text), constant("path", Accepts::Text, is_path)],
        result: |kinds, _| grown(&kinds[0], 1, 0),
        is_partial: true,
        doc: "The value at a path into a JSON text, as a text; fails where there is none.",
        examples: &[Example { call: r#"json_get("{\"a\":[{\"b\":7}]}", "a.0.b")"#, result: r#""7""# }],
        eval: |args| json_get(text_of(&args[0]), text_of(&args[1])),
        ..PLAIN
    },
];

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn base64_encode(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let group = (byte(0) << 16) | (byte(1) << 8) | byte(2);
        for digit in 0..4 {
            let is_padding = digit > chunk.len();
            let index = (group >> (18 - 6 * digit as u32)) & 63;
            out.push(if is_padding { '=' } else { char::from(DIGITS[index as usize]) });
        }
    }
    out
}

fn base64_decode(text: &str) -> Result<Vec<u8>, String> {
    let wrong = || "no text in base 64".to_owned();
    let body = text.trim_end_matches('=');
    if !text.len().is_multiple_of(4) || text.len() - body.len() > 2 {
        return Err(wrong());
    }
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count) = (0u32, 0u32);
    for letter in body.bytes() {
        let digit = DIGITS.iter().position(|it| *it == letter).ok_or_else(wrong)?;
        bits = (bits << 6) | digit as u32;
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    if bits == 0 && count < 6 { Ok(out) } else { Err(wrong()) }
}

fn url_encode(text: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02X}").expect("writing to a string cannot fail");
        }
    }
    out
}

fn url_decode(text: &str) -> Result<Vec<u8>, String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let pair = [bytes.next().unwrap_or(b' '), bytes.next().unwrap_or(b' ')];
        out.push(hex_byte(&pair)?);
    }
    Ok(out)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn hex_byte(pair: &[u8]) -> Result<u8, String> {
    let digit = |byte: u8| char::from(byte).to_digit(16).ok_or_else(|| "no pairs of digits 0 to 9 and a to f".to_owned());
    match pair {
        [high, low] => Ok((digit(*high)? * 16 + digit(*low)?) as u8),
        _ => Err("an odd number of digits".to_owned()),
    }
}

fn hex_decode(text: &str) -> Result<Vec<u8>, String> {
    text.as_bytes().chunks(2).map(hex_byte).collect()
}

/// A text as it can stand between tags and in a quoted attribute of HTML.
pub fn html_escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

fn is_path(value: &Value) -> Result<(), String> {
    let steps = text_of(value).split('.').count();
    if text_of(value).is_empty() || steps > PATH_STEPS_MAX {
        return Err(format!("the path has 1 to {PATH_STEPS_MAX} names or numbers with dots between them"));
    }
    Ok(())
}

fn json_get(text: &str, path: &str) -> Result<Value, String> {
    let root: serde_json::Value = serde_json::from_str(text).map_err(|error| format!("no JSON: {error}"))?;
    let mut at = &root;
    for step in path.split('.') {
        let next = match at {
            serde_json::Value::Object(fields) => fields.get(step),
            serde_json::Value::Array(items) => step.parse::<usize>().ok().and_then(|it| items.get(it)),
            _ => None,
        };
        at = next.ok_or_else(|| format!("nothing stands at `{path}`"))?;
    }
    match at {
        serde_json::Value::String(text) => Ok(Value::text(text)),
        serde_json::Value::Null => Err(format!("null stands at `{path}`")),
        other => Ok(Value::text(other.to_string())),
    }
}
