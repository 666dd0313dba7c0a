//! Answers and refusals, and the form in which each system writes its errors.

use std::borrow::Cow;

use serde_json::{Value as Json, json};

use super::Dialect;

/// Why a request was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub status: u16,
    /// The system's own number for it; empty where it has none.
    pub code: Cow<'static, str>,
    pub message: String,
}

impl Refusal {
    pub fn new(status: u16, code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self { status, code: code.into(), message: message.into() }
    }

    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "", message)
    }

    /// The system's error body.
    pub fn body(&self, dialect: Dialect) -> Json {
        match dialect {
            // Microsoft, webapi/compose-http-requests-handle-errors.md: code and message, no inner error since 2020.
            Dialect::Dataverse => json!({"error": {"code": self.code, "message": self.message}}),
            Dialect::Finops => json!({"error": {
                "code": "",
                "message": "An error has occurred.",
                "innererror": {
                    "message": self.message,
                    "type": "Microsoft.Dynamics.Platform.Integration.Services.OData.ODataException",
                    "stacktrace": "",
                },
            }}),
        }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{} {}", self.status, self.message)
    }
}

impl std::error::Error for Refusal {}

/// An answer before it is put into HTTP.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Body,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub enum Body {
    #[default]
    Empty,
    Json(Json),
    Xml(String),
    Html(String),
    Plain(String),
    /// The answer to a batch.
    Multipart {
        boundary: String,
        text: String,
    },
}

impl Reply {
    pub fn empty(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    pub fn json(status: u16, body: Json) -> Self {
        Self { status, body: Body::Json(body), ..Self::default() }
    }

    pub fn with(mut self, header: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((header, value.into()));
        self
    }
}

impl Reply {
    pub fn refused(dialect: Dialect, refusal: &Refusal) -> Self {
        Self::json(refusal.status, refusal.body(dialect))
    }
}
