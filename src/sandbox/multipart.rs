//! Multipart bodies, as far as batches use them (RFC 2046), read from text.

use super::reply::Refusal;

/// A part: its head, and what follows the empty line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part<'a> {
    /// Names in lower case.
    pub head: Vec<(String, String)>,
    pub body: &'a str,
}

impl Part<'_> {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.iter().find(|(it, _)| it == name).map(|(_, value)| value.as_str())
    }
}

/// The boundary that a content type names, quoted or not.
pub fn boundary(content_type: &str) -> Option<String> {
    let is_multipart = content_type.trim_start().to_ascii_lowercase().starts_with("multipart/mixed");
    let parameters = content_type.split(';').skip(1);
    let value = parameters.filter_map(|it| it.split_once('=')).find(|(name, _)| name.trim().eq_ignore_ascii_case("boundary"))?;
    let text = value.1.trim().trim_matches('"');
    (is_multipart && !text.is_empty()).then(|| text.to_owned())
}

/// The parts between the delimiters, which stand at the starts of lines. A body without its last delimiter was cut off.
pub fn parts<'a>(body: &'a str, boundary: &str) -> Result<Vec<Part<'a>>, Refusal> {
    let (delimiter, last) = (format!("--{boundary}"), format!("--{boundary}--"));
    let (mut parts, mut from, mut at) = (Vec::new(), None, 0);
    for line in body.split_inclusive('\n') {
        let text = line.trim_end();
        if text == delimiter || text == last {
            if let Some(from) = from {
                parts.push(head_and_body(&body[from..at]));
            }
            from = Some(at + line.len());
        }
        at += line.len();
        if text == last {
            return Ok(parts);
        }
    }
    Err(Refusal::bad_request("The batch ends before its last boundary."))
}

/// Splits at the first empty line. A text that begins with one has no head.
pub fn head_and_body(text: &str) -> Part<'_> {
    let (mut head, mut at) = (Vec::new(), 0);
    for line in text.split_inclusive('\n') {
        at += line.len();
        match line.split_once(':') {
            Some((name, value)) if !line.trim().is_empty() => {
                head.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
            }
            _ => break,
        }
    }
    Part { head, body: &text[at..] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_stand_between_delimiters_whatever_the_line_ends() {
        for end in ["\r\n", "\n"] {
            let text = ["", "--b", "A: 1", "", "one", "--b", "", "two --b", "--b--", "rest"].join(end);
            let parts = parts(&text, "b").expect("the last delimiter is there");
            assert_eq!(parts[0].header("a"), Some("1"));
            let bodies: Vec<&str> = parts.iter().map(|it| it.body.trim()).collect();
            assert_eq!(bodies, ["one", "two --b"]);
        }
        assert!(super::parts("--b\r\n\r\none\r\n", "b").is_err());
    }

    #[test]
    fn a_boundary_may_be_quoted() {
        assert_eq!(boundary(r#"multipart/mixed; boundary="x y""#).as_deref(), Some("x y"));
        assert_eq!(boundary("Multipart/Mixed;boundary=b_1").as_deref(), Some("b_1"));
        assert_eq!(boundary("application/json; boundary=b"), None);
    }
}
