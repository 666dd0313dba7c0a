//! `$batch`: many writes in one request, each on its own.
//!
//! Each write keeps its condition (`If-Match`, `If-None-Match`) and its own answer with the row as the system holds it, so nothing that
//! the engine relies on is given up for the requests that are saved. The other ways of writing many rows give something up, and are not
//! used:
//!
//! - A change set is one transaction (webapi/execute-batch-operations-using-web-api.md): one refused row takes back the others, which
//!   have nothing to do with it.
//! - `CreateMultiple` answers with ids and `UpdateMultiple` with nothing (bulk-operations.md). Neither tells the version of a row that was
//!   written, so an edit of the moment after it could not be told from our own write; and no target can carry `If-Match`.

use futures::future::BoxFuture;

use super::{error, page};
use crate::change::{Class, Failure};
use crate::connect::http::{Answer, Client, Method, Request};

/// A batch may hold 1000 requests (webapi/execute-batch-operations-using-web-api.md), and small ones with more of them under way at once
/// are advised (api-limits.md).
pub const OPERATIONS_MAX: usize = 10;

const WHAT: &str = "sending a batch";
/// No body can hold this line: JSON writes no line end inside of a text.
const BOUNDARY: &str = "batch_dwmap";
const CONTENT_TYPE: &str = "multipart/mixed; boundary=batch_dwmap";

/// Sends the requests in their order; the answers stand in the same order. A batch that is refused as a whole is halved until what cannot be
/// taken stands alone; a single request is sent as it is.
pub fn send<'a>(client: &'a Client, root: &'a str, requests: &'a [Request]) -> BoxFuture<'a, Vec<Result<Answer, Failure>>> {
    Box::pin(async move {
        match requests {
            [] => return Vec::new(),
            [single] => return vec![client.send(single).await],
            [_, _, ..] => {}
        }
        let told = match exchange(client, root, requests).await {
            Ok(told) => told,
            Err(failure) if is_refused(&failure) => return halves(client, root, requests).await,
            Err(failure) => return requests.iter().map(|_| Err(failure.clone())).collect(),
        };
        let mut answers: Vec<_> = told.answers.into_iter().map(|it| client.checked(it)).collect();
        let open = &requests[answers.len()..];
        match told.rest {
            Rest::Untouched => answers.extend(send(client, root, open).await),
            Rest::Unknown => answers.extend(open.iter().map(|_| Err(cut_off()))),
        }
        answers
    })
}

async fn halves(client: &Client, root: &str, requests: &[Request]) -> Vec<Result<Answer, Failure>> {
    let (first, second) = requests.split_at(requests.len() / 2);
    let mut answers = send(client, root, first).await;
    answers.extend(send(client, root, second).await);
    answers
}

/// Nothing of it was carried out, and less may be.
fn is_refused(failure: &Failure) -> bool {
    match failure.class {
        Class::Validation | Class::TooLarge => !failure.is_ambiguous,
        Class::Transient | Class::Throttled | Class::Auth | Class::Reference | Class::Conflict | Class::Schema | Class::Bug => {
            false
        }
    }
}

fn cut_off() -> Failure {
    let text = format!("{WHAT}: the answer ends before its last part");
    Failure { is_ambiguous: true, ..Failure::new(Class::Transient, text) }
}

/// What a batch was answered with: at least one answer, at most one for each request.
struct Told {
    answers: Vec<Answer>,
    rest: Rest,
}

/// What became of requests without an answer.
enum Rest {
    /// The system stopped at a failure before them.
    Untouched,
    Unknown,
}

async fn exchange(client: &Client, root: &str, requests: &[Request]) -> Result<Told, Failure> {
    let request = page::request(client, Method::POST, &format!("{root}$batch"))?
        .with("prefer", "odata.continue-on-error")
        .with_parts(CONTENT_TYPE, text_of(requests));
    let answer = client.send(&request).await?;
    let unreadable = |why: &str| {
        let text = format!("{WHAT}: the answer cannot be read: {why}");
        Failure { is_ambiguous: true, ..Failure::new(Class::Transient, text) }
    };
    let kind = answer.header("content-type").unwrap_or_default();
    let boundary = match boundary(kind) {
        // Whatever the status says of the whole: a system that stops at a failure gives the batch the status of that one.
        Some(boundary) => boundary,
        None if answer.is_success() => return Err(unreadable("it is not in parts")),
        None => {
            let failure = error::failure(client, WHAT, &answer);
            return Err(Failure { is_ambiguous: failure.class == Class::Transient, ..failure });
        }
    };
    let body = std::str::from_utf8(&answer.body).map_err(|_| unreadable("it is not UTF-8"))?;
    let (parts, is_whole) = parts(body, boundary);
    let answers: Option<Vec<Answer>> = parts.into_iter().map(inner).collect();
    let answers = answers.ok_or_else(|| unreadable("a part of it is no answer"))?;
    match answers.last() {
        None if is_whole => Err(unreadable("there is no part in it")),
        None => Err(cut_off()),
        Some(_) if answers.len() > requests.len() => Err(unreadable("it has more parts than there were requests")),
        // Microsoft, webapi/execute-batch-operations-using-web-api.md: without the preference "more requests won't be processed" after
        // the first failure.
        Some(last) => {
            let rest = if is_whole && last.status >= 400 { Rest::Untouched } else { Rest::Unknown };
            Ok(Told { answers, rest })
        }
    }
}

fn text_of(requests: &[Request]) -> String {
    let mut text = String::new();
    for request in requests {
        let query = request.url.query().map(|it| format!("?{it}")).unwrap_or_default();
        text.push_str(&format!("--{BOUNDARY}\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"));
        text.push_str(&format!("{} {}{query} HTTP/1.1\r\n", request.method, request.url.path()));
        for (name, value) in &request.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        if request.body.is_some() {
            text.push_str(&format!("content-type: {}\r\n", request.content_type));
        }
        text.push_str(&format!("\r\n{}\r\n", request.body.as_deref().unwrap_or_default()));
    }
    text.push_str(&format!("--{BOUNDARY}--\r\n"));
    text
}

/// The boundary that a content type names, quoted or not.
fn boundary(content_type: &str) -> Option<&str> {
    let mut pieces = content_type.split(';').map(str::trim);
    let is_in_parts = pieces.next()?.eq_ignore_ascii_case("multipart/mixed");
    let (_, text) = pieces.filter_map(|it| it.split_once('=')).find(|(name, _)| name.trim().eq_ignore_ascii_case("boundary"))?;
    let text = text.trim().trim_matches('"');
    (is_in_parts && !text.is_empty()).then_some(text)
}

/// The texts between the delimiters, and whether the last delimiter is there. What follows the last line that arrived is no part.
fn parts<'a>(body: &'a str, boundary: &str) -> (Vec<&'a str>, bool) {
    let (mut parts, mut from, mut at) = (Vec::new(), None, 0);
    for line in body.split_inclusive('\n') {
        let text = line.trim_end();
        let tail = text.strip_prefix("--").and_then(|it| it.strip_prefix(boundary)).filter(|it| matches!(*it, "" | "--"));
        if let Some(tail) = tail {
            parts.extend(from.map(|from| &body[from..at]));
            from = Some(at + line.len());
            if tail == "--" {
                return (parts, true);
            }
        }
        at += line.len();
    }
    (parts, false)
}

/// The answer in a part: its own head, a status line, headers and a body.
fn inner(part: &str) -> Option<Answer> {
    let (_, rest) = head(part);
    let (line, rest) = rest.split_once('\n')?;
    let status = line.strip_prefix("HTTP/")?.split_whitespace().nth(1)?.parse().ok()?;
    let (headers, body) = head(rest);
    Some(Answer::of(status, &headers, body.trim().as_bytes().to_vec()))
}

/// Headers up to the first empty line, and what follows it.
fn head(text: &str) -> (Vec<(&str, &str)>, &str) {
    let (mut headers, mut at) = (Vec::new(), 0);
    for line in text.split_inclusive('\n') {
        at += line.len();
        match line.split_once(':') {
            Some((name, value)) if !line.trim().is_empty() => headers.push((name.trim(), value.trim())),
            _ => break,
        }
    }
    (headers, &text[at..])
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = "--r\r\nContent-Type: application/http\r\n\r\nHTTP/1.1 204 No Content\r\nOData-Version: 4.0\r\n\r\n\r\n\
         --r\r\nContent-Type: application/http\r\n\r\nHTTP/1.1 412 Precondition Failed\r\nretry-after: 7\r\n\r\n{\"a\": 1}\r\n--r--\r\n";

    #[test]
    fn an_answer_is_read_part_by_part_whatever_its_line_ends() {
        for text in [ANSWER.to_owned(), ANSWER.replace("\r\n", "\n")] {
            let (parts, is_whole) = parts(&text, "r");
            assert!(is_whole);
            let answers: Vec<Answer> = parts.into_iter().map(|it| inner(it).expect("an answer")).collect();
            let told: Vec<(u16, &[u8])> = answers.iter().map(|it| (it.status, it.body.as_slice())).collect();
            assert_eq!(told, [(204, &b""[..]), (412, b"{\"a\": 1}")]);
            assert_eq!(answers[1].header("Retry-After"), Some("7"));
        }
    }

    #[test]
    fn an_answer_that_is_cut_anywhere_shows_whole_parts_only() {
        for length in 0..ANSWER.trim_end().len() {
            let (parts, is_whole) = parts(&ANSWER[..length], "r");
            assert!(!is_whole, "{length}");
            assert!(parts.iter().all(|it| inner(it).is_some_and(|it| it.status == 204 || it.body == b"{\"a\": 1}")), "{length}");
        }
    }

    #[test]
    fn a_boundary_is_named_in_any_form() {
        assert_eq!(boundary("multipart/mixed; boundary=batchresponse_1"), Some("batchresponse_1"));
        assert_eq!(boundary("Multipart/Mixed;Boundary=\"x y\""), Some("x y"));
        assert_eq!(boundary("application/json; boundary=x"), None);
        assert_eq!(boundary("multipart/mixed"), None);
    }
}
