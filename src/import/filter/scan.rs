//! The words of a filter.

use super::{Language, Literal, Op};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// A column, a function, or `NoYes::Yes`.
    Name(String),
    Literal(Literal),
    Op(Op),
    And,
    Or,
    Not,
    Like,
    Open,
    Close,
    Comma,
}

impl std::fmt::Display for Word {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Name(name) => out.write_str(name),
            Self::Literal(Literal::Text(text)) => write!(out, "\"{text}\""),
            Self::Literal(Literal::Number(text) | Literal::Date(text) | Literal::Member(text)) => out.write_str(text),
            Self::Literal(Literal::Bool(it)) => write!(out, "{it}"),
            Self::Literal(Literal::Null) => out.write_str("null"),
            Self::Op(op) => out.write_str(op.text()),
            Self::And => out.write_str("and"),
            Self::Or => out.write_str("or"),
            Self::Not => out.write_str("not"),
            Self::Like => out.write_str("like"),
            Self::Open => out.write_str("("),
            Self::Close => out.write_str(")"),
            Self::Comma => out.write_str(","),
        }
    }
}

/// `01234567-89ab-cdef-0123-456789abcdef`
const GUID_LETTERS: usize = 36;

pub fn is_guid(text: &str) -> bool {
    text.len() == GUID_LETTERS && text.parse::<crate::value::Uuid>().is_ok()
}

pub struct Scanner<'t> {
    rest: &'t str,
    language: Language,
}

/// The signs of the query language, the longer ones first.
const SIGNS: &[(&str, Word)] = &[
    ("&&", Word::And),
    ("||", Word::Or),
    ("==", Word::Op(Op::Equal)),
    ("!=", Word::Op(Op::NotEqual)),
    ("<=", Word::Op(Op::LessEqual)),
    (">=", Word::Op(Op::GreaterEqual)),
    ("=", Word::Op(Op::Equal)),
    ("<", Word::Op(Op::Less)),
    (">", Word::Op(Op::Greater)),
    ("!", Word::Not),
];

impl<'t> Scanner<'t> {
    pub fn new(text: &'t str, language: Language) -> Self {
        Self { rest: text, language }
    }

    pub fn words(mut self) -> Result<Vec<Word>, String> {
        let mut out = Vec::new();
        loop {
            self.rest = self.rest.trim_start();
            let Some(first) = self.rest.chars().next() else { return Ok(out) };
            out.push(self.word(first)?);
        }
    }

    fn word(&mut self, first: char) -> Result<Word, String> {
        for (sign, word) in [("(", Word::Open), (")", Word::Close), (",", Word::Comma)] {
            if let Some(rest) = self.rest.strip_prefix(sign) {
                self.rest = rest;
                return Ok(word);
            }
        }
        if first == '\'' || first == '"' {
            return self.text(first);
        }
        if let Some(id) = self.rest.get(..GUID_LETTERS).filter(|it| is_guid(it)) {
            self.rest = &self.rest[GUID_LETTERS..];
            return Ok(Word::Literal(Literal::Text(id.to_owned())));
        }
        if first.is_ascii_digit() || (first == '-' && self.rest[1..].starts_with(|it: char| it.is_ascii_digit())) {
            return Ok(self.number());
        }
        if first.is_alphabetic() || first == '_' {
            return Ok(self.name());
        }
        if self.language == Language::QueryRange
            && let Some((sign, word)) = SIGNS.iter().find(|(sign, _)| self.rest.starts_with(sign))
        {
            self.rest = &self.rest[sign.len()..];
            return Ok(word.clone());
        }
        Err(format!("`{first}` is not understood"))
    }

    /// A quote within a text is written twice, or behind a backslash in the query language.
    fn text(&mut self, quote: char) -> Result<Word, String> {
        let mut text = String::new();
        let mut chars = self.rest.char_indices().skip(1).peekable();
        while let Some((at, it)) = chars.next() {
            let is_escaped = self.language == Language::QueryRange && it == '\\';
            if let Some((_, next)) =
                chars.next_if(|(_, next)| (is_escaped && (*next == quote || *next == '\\')) || (it == quote && *next == quote))
            {
                text.push(next);
            } else if it == quote {
                self.rest = &self.rest[at + it.len_utf8()..];
                return Ok(Word::Literal(Literal::Text(text)));
            } else {
                text.push(it);
            }
        }
        Err("a text is never closed".to_owned())
    }

    /// A number, `23\06\2021`, or `2021-06-23` with or without a time.
    fn number(&mut self) -> Word {
        let end = self
            .rest
            .find(|it: char| !(it.is_ascii_alphanumeric() || matches!(it, '.' | '\\' | '-' | ':')))
            .unwrap_or(self.rest.len());
        let word = &self.rest[..end];
        self.rest = &self.rest[end..];
        let parts: Vec<&str> = word.split('\\').collect();
        Word::Literal(match parts.as_slice() {
            [day, month, year] => Literal::Date(format!("{year}-{month:0>2}-{day:0>2}")),
            _ if word[1..].contains('-') => Literal::Date(word.to_owned()),
            _ => Literal::Number(word.to_owned()),
        })
    }

    fn name(&mut self) -> Word {
        let end = self.rest.find(|it: char| !(it.is_alphanumeric() || matches!(it, '_' | ':' | '.'))).unwrap_or(self.rest.len());
        let word = &self.rest[..end];
        self.rest = &self.rest[end..];
        let is_odata = self.language == Language::OData;
        match word.to_lowercase().as_str() {
            "and" if is_odata => Word::And,
            "or" if is_odata => Word::Or,
            "not" if is_odata => Word::Not,
            "eq" if is_odata => Word::Op(Op::Equal),
            "ne" if is_odata => Word::Op(Op::NotEqual),
            "lt" if is_odata => Word::Op(Op::Less),
            "le" if is_odata => Word::Op(Op::LessEqual),
            "gt" if is_odata => Word::Op(Op::Greater),
            "ge" if is_odata => Word::Op(Op::GreaterEqual),
            "like" if !is_odata => Word::Like,
            _ => Word::Name(word.to_owned()),
        }
    }
}
