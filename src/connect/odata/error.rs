//! What an answer that is no success means.

use serde_json::Value as Json;

use crate::change::{Class, Failure};
use crate::connect::http::{self, Answer, Client};

/// An error body, read as far as it can be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorBody {
    pub code: String,
    pub message: String,
}

/// Reads an error body. A gateway may send HTML or nothing.
pub fn body(answer: &Answer) -> ErrorBody {
    let Ok(json) = serde_json::from_slice::<Json>(&answer.body) else { return ErrorBody::default() };
    let text = |it: &Json| it.as_str().unwrap_or_default().to_owned();
    let error = &json["error"];
    // The outer message of F&O says only that there was an error; the Infolog stands inside.
    let inner = text(&error["innererror"]["message"]);
    let message = if inner.is_empty() { text(&error["message"]) } else { inner };
    ErrorBody { code: text(&error["code"]).to_lowercase(), message }
}

/// The failure that an answer stands for.
pub fn failure(client: &Client, what: &str, answer: &Answer) -> Failure {
    let body = body(answer);
    let class = class(answer.status, &body);
    let detail = if body.message.is_empty() { "no details".to_owned() } else { client.without_secret(&body.message) };
    let code = if body.code.is_empty() { String::new() } else { format!(" {}", body.code) };
    let mut failure = Failure::new(class, format!("{what}: {}{code}: {detail}", answer.status));
    failure.retry_after = http::retry_after(&answer.headers);
    failure
}

fn class(status: u16, body: &ErrorBody) -> Class {
    // Codes: Microsoft, webapi/compose-http-requests-handle-errors.md and the pages of the features.
    match body.code.as_str() {
        // The version stamp of a delta token has expired.
        "0x80044352" => return Class::Schema,
        // A generic SQL error (often a deadlock) and a SQL time-out.
        "0x80044150" | "0x80044151" => return Class::Transient,
        // A duplicate: of a key, of an alternate key, found by a duplicate rule.
        "0x80040237" | "0x80060892" | "0x80040333" => return Class::Validation,
        "0x80040220" | "0x80048306" => return Class::Auth,
        // The URL names a property or segment that is not there.
        "0x80060888" if status != 412 => return Class::Schema,
        _ => {}
    }
    // A business rule of F&O refuses with 400 or 500; trying again does not help.
    if status == 500 && body.message.contains("Infolog") {
        return Class::Validation;
    }
    http::class_of(status)
}
