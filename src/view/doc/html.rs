//! What all pages in HTML share: escaping, the frame of a page, and words of an author.

use super::{Piece, pieces};
pub use crate::functions::html_escape as escaped;

const STYLE: &str = include_str!("style.css");

/// An author's words; what stands between backticks is code.
pub fn words(text: &str) -> String {
    let piece = |it: Piece<'_>| match it {
        Piece::Words(text) => escaped(text),
        Piece::Code(text) => code(text),
    };
    pieces(text).into_iter().map(piece).collect()
}

pub fn code(text: &str) -> String {
    format!("<code>{}</code>", escaped(text))
}

/// A link to the page of a map.
pub fn link(page: &str, text: &str) -> String {
    format!("<a href=\"{page}.html\">{}</a>", escaped(text))
}

/// The same, with places between `Humps` where a long name may go on in a second line.
pub fn humped_link(page: &str, text: &str) -> String {
    let mut out = String::new();
    let mut was_small = false;
    for letter in text.chars() {
        if was_small && letter.is_uppercase() {
            out.push_str("<wbr>");
        }
        was_small = letter.is_lowercase();
        out.push_str(&escaped(letter.encode_utf8(&mut [0; 4])));
    }
    format!("<a href=\"{page}.html\">{out}</a>")
}

/// A whole page. The title is text, the body HTML.
pub fn frame(title: &str, way: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         <a class=\"skip\" href=\"#main\">To the content</a>\n{way}<main id=\"main\">\n{body}</main>\n</body>\n</html>\n",
        escaped(title)
    )
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn no_letter_of_an_author_becomes_a_tag() {
        assert_eq!(words("a < `<b>` & \"c\""), "a &lt; <code>&lt;b&gt;</code> &amp; &quot;c&quot;");
    }
}
