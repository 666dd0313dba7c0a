//! Canonical forms of phone numbers, addresses and numbers with check digits.

use super::results::{boolean, length, same};
use super::{Accepts, Example, Function, Law, PLAIN, Parameter, parameter, text_of};
use crate::value::{Kind, Value};

const TEXT: &[Parameter] = &[parameter("text", Accepts::Text)];

pub const ALL: &[Function] = &[
    Function {
        name: "phone",
        parameters: TEXT,
        result: same,
        law: Law::Canon,
        sought: &["00", "+", "1a"],
        doc: "Only the digits of a phone number, with `+` where the number is international (`+` or `00`).",
        examples: &[
            Example { call: r#"phone("0049 (30) 12-34")"#, result: r#""+49301234""# },
            Example { call: r#"phone("030 1234")"#, result: r#""0301234""# },
        ],
        eval: |args| Ok(Value::text(phone(text_of(&args[0])))),
        ..PLAIN
    },
    Function {
        name: "email",
        parameters: TEXT,
        result: same,
        law: Law::Canon,
        sought: &["@A"],
        doc: "Trimmed, with the domain in lower case; what stands before the `@` is the receiver's own business.",
        examples: &[Example { call: r#"email(" Jane@Contoso.COM ")"#, result: r#""Jane@contoso.com""# }],
        eval: |args| Ok(Value::text(email(text_of(&args[0])))),
        ..PLAIN
    },
    Function {
        name: "email_domain",
        parameters: TEXT,
        result: same,
        is_partial: true,
        doc: "What stands behind the last `@`, in lower case; fails without one.",
        examples: &[Example { call: r#"email_domain("jane@Contoso.com")"#, result: r#""contoso.com""# }],
        eval: |args| match text_of(&args[0]).trim().rsplit_once('@') {
            Some((_, domain)) => Ok(Value::text(domain.to_ascii_lowercase())),
            None => Err(format!("{} has no `@`", args[0])),
        },
        ..PLAIN
    },
    Function {
        name: "is_email",
        parameters: TEXT,
        result: boolean,
        doc: "Whether it looks like one e-mail address: one `@`, no blanks, a dot in the domain.",
        examples: &[
            Example { call: r#"is_email("jane@contoso.com")"#, result: r#"true"# },
            Example { call: r#"is_email("jane@contoso")"#, result: r#"false"# },
        ],
        eval: |args| Ok(Value::Bool(is_email(text_of(&args[0])))),
        ..PLAIN
    },
    Function {
        name: "iban",
        parameters: TEXT,
        result: same,
        law: Law::Canon,
        doc: "A bank account number without blanks, in upper case.",
        examples: &[Example { call: r#"iban("gb82 WEST 1234 5698 7654 32")"#, result: r#""GB82WEST12345698765432""# }],
        eval: |args| Ok(Value::text(compact(text_of(&args[0]), char::is_whitespace))),
        ..PLAIN
    },
    Function {
        name: "iban_groups",
        parameters: TEXT,
        result: |kinds, _| Kind::Text { max: length(&kinds[0]).map(|it| it.saturating_add(it / 4)) },
        law: Law::Canon,
        doc: "A bank account number in groups of four, in upper case.",
        examples: &[Example { call: r#"iban_groups("gb82west12345698765432")"#, result: r#""GB82 WEST 1234 5698 7654 32""# }],
        eval: |args| Ok(Value::text(groups(&compact(text_of(&args[0]), char::is_whitespace)))),
        ..PLAIN
    },
    Function {
        name: "is_iban",
        parameters: TEXT,
        result: boolean,
        doc: "Whether length, letters and check digits are those of a bank account number (ISO 13616).",
        examples: &[
            Example { call: r#"is_iban("GB82 WEST 1234 5698 7654 32")"#, result: r#"true"# },
            Example { call: r#"is_iban("GB83WEST12345698765432")"#, result: r#"false"# },
        ],
        eval: |args| Ok(Value::Bool(is_iban(&compact(text_of(&args[0]), char::is_whitespace)))),
        ..PLAIN
    },
    Function {
        name: "tax_number",
        parameters: TEXT,
        result: same,
        law: Law::Canon,
        doc: "A tax number without blanks, dots, dashes and slashes, in upper case.",
        examples: &[Example { call: r#"tax_number("de 123.456-789")"#, result: r#""DE123456789""# }],
        eval: |args| Ok(Value::text(compact(text_of(&args[0]), |it| it.is_whitespace() || matches!(it, '.' | '-' | '/')))),
        ..PLAIN
    },
    Function {
        name: "is_luhn",
        parameters: TEXT,
        result: boolean,
        doc: "Whether the last digit is the check digit of the others (ISO 7812); blanks and dashes do not count.",
        examples: &[Example { call: r#"is_luhn("4539 1488 0343 6467")"#, result: r#"true"# }],
        eval: |args| Ok(Value::Bool(is_luhn(text_of(&args[0])))),
        ..PLAIN
    },
];

fn phone(text: &str) -> String {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let first = text.chars().find(|it| *it == '+' || it.is_ascii_digit());
    match (first, digits.strip_prefix("00")) {
        (Some('+'), _) => format!("+{digits}"),
        (_, Some(rest)) => format!("+{rest}"),
        (_, None) => digits,
    }
}

fn email(text: &str) -> String {
    let text = text.trim();
    match text.rsplit_once('@') {
        Some((local, domain)) => format!("{local}@{}", domain.to_ascii_lowercase()),
        None => text.to_owned(),
    }
}

fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else { return false };
    let has_dot = domain.split('.').count() > 1 && domain.split('.').all(|it| !it.is_empty());
    !local.is_empty() && has_dot && !domain.contains('@') && !text.contains(char::is_whitespace)
}

fn compact(text: &str, is_noise: impl Fn(char) -> bool) -> String {
    text.chars().filter(|it| !is_noise(*it)).map(|it| it.to_ascii_uppercase()).collect()
}

fn groups(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 5 / 4);
    for (index, letter) in text.chars().enumerate() {
        if index > 0 && index % 4 == 0 {
            out.push(' ');
        }
        out.push(letter);
    }
    out
}

/// The country and the check digits go to the end, letters count from 10, and the rest by 97 is 1.
fn is_iban(text: &str) -> bool {
    let has_form = (15..=34).contains(&text.len())
        && text.bytes().all(|it| it.is_ascii_alphanumeric())
        && text.bytes().take(2).all(|it| it.is_ascii_alphabetic())
        && text.bytes().skip(2).take(2).all(|it| it.is_ascii_digit());
    let value = |rest: u32, letter: char| {
        let digit = letter.to_digit(36).unwrap_or(0);
        (rest * if digit > 9 { 100 } else { 10 } + digit) % 97
    };
    has_form && text[4..].chars().chain(text[..4].chars()).fold(0, value) == 1
}

fn is_luhn(text: &str) -> bool {
    let significant = || text.chars().filter(|it| !it.is_whitespace() && *it != '-');
    let digits: Option<Vec<u32>> = significant().map(|it| it.to_digit(10)).collect();
    let Some(digits) = digits.filter(|it| it.len() > 1) else { return false };
    let weighed = |(index, digit): (usize, &u32)| match (index % 2, digit * 2) {
        (0, _) => *digit,
        (_, doubled) if doubled > 9 => doubled - 9,
        (_, doubled) => doubled,
    };
    digits.iter().rev().enumerate().map(weighed).sum::<u32>() % 10 == 0
}
