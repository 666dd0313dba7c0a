//! One JSON request to one address: to the process beside us, or to a webhook.

use std::time::Duration;

use reqwest::Client;
use reqwest::redirect::Policy;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);
/// Largest answer that is read.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What went wrong, and whether anybody was there.
#[derive(Debug)]
pub enum Failed {
    /// Nobody answered at all.
    Unreachable(String),
    Other(String),
}

impl std::fmt::Display for Failed {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unreachable(text) | Self::Other(text) => out.write_str(text),
        }
    }
}

/// The status and body of the answer. Nothing is followed elsewhere, and no proxy is asked where `is_local`.
pub async fn post(
    address: &str,
    token: Option<&SecretString>,
    body: &impl Serialize,
    limit: Duration,
    is_local: bool,
) -> Result<(u16, Vec<u8>), Failed> {
    let client = Client::builder().connect_timeout(CONNECT_TIME_MAX).timeout(limit).redirect(Policy::none());
    let client = if is_local { client.no_proxy() } else { client };
    let client = client.build().map_err(|error| Failed::Other(format!("no requests can be made: {error}")))?;
    let mut request = client.post(address).json(body);
    if let Some(token) = token {
        request = request.bearer_auth(token.expose_secret());
    }
    let mut answer = request.send().await.map_err(failed)?;
    let (status, mut out) = (answer.status().as_u16(), Vec::new());
    while let Some(piece) = answer.chunk().await.map_err(failed)? {
        if out.len() + piece.len() > ANSWER_BYTES_MAX {
            return Err(Failed::Other(format!("the answer has more than {ANSWER_BYTES_MAX} bytes")));
        }
        out.extend_from_slice(&piece);
    }
    Ok((status, out))
}

/// The address may hold a secret, so it is not part of the text.
fn failed(error: reqwest::Error) -> Failed {
    let is_unreachable = error.is_connect();
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    if is_unreachable { Failed::Unreachable(text) } else { Failed::Other(text) }
}
