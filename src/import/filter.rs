//! The filters of both languages, read into one form: query ranges of Finance & Operations, OData of Dataverse.

mod scan;

pub use scan::is_guid;

use scan::{Scanner, Word};

/// What a filter says, whichever language said it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    Compare {
        column: String,
        op: Op,
        value: Literal,
    },
    /// `startswith(a, 'b')`, `a like "b*"`
    Call {
        function: Function,
        column: String,
        text: String,
    },
    Not(Box<Condition>),
    And(Vec<Condition>),
    Or(Vec<Condition>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

impl Op {
    /// As this language writes it.
    pub fn text(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessEqual => "<=",
            Self::Greater => ">",
            Self::GreaterEqual => ">=",
        }
    }

    /// As OData writes it.
    pub fn odata(self) -> &'static str {
        match self {
            Self::Equal => "eq",
            Self::NotEqual => "ne",
            Self::Less => "lt",
            Self::LessEqual => "le",
            Self::Greater => "gt",
            Self::GreaterEqual => "ge",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    StartsWith,
    EndsWith,
    Contains,
}

impl Function {
    /// As this language writes it.
    pub fn text(self) -> &'static str {
        match self {
            Self::StartsWith => "starts_with",
            Self::EndsWith => "ends_with",
            Self::Contains => "contains",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Literal {
    Text(String),
    Number(String),
    Bool(bool),
    Null,
    /// `NoYes::Yes`
    Member(String),
    /// `23\06\2021`, as `yyyy-MM-dd`
    Date(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// `((PartyType == "Person") && (A != 1))`
    QueryRange,
    /// `msdyn_sellable eq true and a ne null`
    OData,
}

/// Conditions within conditions.
const DEPTH_MAX: usize = 64;

/// Reads a filter; an empty one is none.
pub fn parse(text: &str, language: Language) -> Result<Option<Condition>, String> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    let mut parser = Parser { words: Scanner::new(text, language).words()?, at: 0, language, depth: 0 };
    let condition = parser.either()?;
    match parser.words.get(parser.at) {
        None => Ok(Some(condition)),
        Some(word) => Err(format!("`{word}` is not understood there")),
    }
}

struct Parser {
    words: Vec<Word>,
    at: usize,
    language: Language,
    depth: usize,
}

impl Parser {
    fn either(&mut self) -> Result<Condition, String> {
        let mut parts = vec![self.all()?];
        while self.take(&Word::Or) {
            parts.push(self.all()?);
        }
        Ok(joined(parts, Condition::Or))
    }

    fn all(&mut self) -> Result<Condition, String> {
        let mut parts = vec![self.one()?];
        while self.take(&Word::And) {
            parts.push(self.one()?);
        }
        Ok(joined(parts, Condition::And))
    }

    fn one(&mut self) -> Result<Condition, String> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(format!("conditions are nested deeper than {DEPTH_MAX}"));
        }
        let condition = self.plain();
        self.depth -= 1;
        condition
    }

    fn plain(&mut self) -> Result<Condition, String> {
        if self.take(&Word::Not) {
            return Ok(Condition::Not(Box::new(self.one()?)));
        }
        if self.take(&Word::Open) {
            let inner = self.either()?;
            self.need(&Word::Close)?;
            return Ok(inner);
        }
        let Some(Word::Name(name)) = self.next() else {
            return Err("a column is expected".to_owned());
        };
        if self.take(&Word::Open) {
            return self.call(&name);
        }
        if self.take(&Word::Like) {
            return self.like(name);
        }
        let Some(Word::Op(op)) = self.next() else {
            return Err(format!("a comparison is expected behind `{name}`"));
        };
        let value = self.literal()?;
        Ok(Condition::Compare { column: name, op, value })
    }

    /// `startswith(column, 'text')`
    fn call(&mut self, name: &str) -> Result<Condition, String> {
        let function = match name.to_lowercase().as_str() {
            "startswith" => Function::StartsWith,
            "endswith" => Function::EndsWith,
            "contains" => Function::Contains,
            _ => return Err(format!("there is no filter function `{name}`")),
        };
        let Some(Word::Name(column)) = self.next() else { return Err(format!("`{name}` wants a column first")) };
        self.need(&Word::Comma)?;
        let Literal::Text(text) = self.literal()? else { return Err(format!("`{name}` wants a text")) };
        self.need(&Word::Close)?;
        Ok(Condition::Call { function, column, text })
    }

    /// `column like "A*"`: stars at the ends only.
    fn like(&mut self, column: String) -> Result<Condition, String> {
        let Literal::Text(pattern) = self.literal()? else { return Err("`like` wants a text".to_owned()) };
        let inner = pattern.trim_matches('*');
        if inner.contains(['*', '?']) || inner.is_empty() {
            return Err(format!("`like \"{pattern}\"` has wildcards in other places than its ends"));
        }
        let text = inner.to_owned();
        Ok(match (pattern.starts_with('*'), pattern.ends_with('*')) {
            (true, true) => Condition::Call { function: Function::Contains, column, text },
            (true, false) => Condition::Call { function: Function::EndsWith, column, text },
            (false, true) => Condition::Call { function: Function::StartsWith, column, text },
            (false, false) => Condition::Compare { column, op: Op::Equal, value: Literal::Text(text) },
        })
    }

    fn literal(&mut self) -> Result<Literal, String> {
        match self.next() {
            Some(Word::Literal(literal)) => Ok(literal),
            Some(Word::Name(name)) => match (name.to_lowercase().as_str(), self.language) {
                ("true", _) => Ok(Literal::Bool(true)),
                ("false", _) => Ok(Literal::Bool(false)),
                ("null", _) => Ok(Literal::Null),
                (_, Language::QueryRange) if name.contains("::") => {
                    Ok(Literal::Member(name.rsplit("::").next().unwrap_or_default().to_owned()))
                }
                _ => Err(format!("`{name}` is no value; columns are compared with values only")),
            },
            Some(other) => Err(format!("`{other}` is no value")),
            None => Err("a value is missing at the end".to_owned()),
        }
    }

    fn next(&mut self) -> Option<Word> {
        let word = self.words.get(self.at).cloned();
        self.at += 1;
        word
    }

    fn take(&mut self, word: &Word) -> bool {
        let is_there = self.words.get(self.at) == Some(word);
        self.at += usize::from(is_there);
        is_there
    }

    fn need(&mut self, word: &Word) -> Result<(), String> {
        if self.take(word) { Ok(()) } else { Err(format!("`{word}` is missing")) }
    }
}

fn joined(mut parts: Vec<Condition>, join: fn(Vec<Condition>) -> Condition) -> Condition {
    if parts.len() == 1 { parts.remove(0) } else { join(parts) }
}

#[cfg(test)]
mod tests {
    use super::{Condition, Language, Literal, Op, parse};

    fn compare(column: &str, op: Op, value: Literal) -> Condition {
        Condition::Compare { column: column.to_owned(), op, value }
    }

    #[test]
    fn both_languages_say_the_same() {
        let text = |it: &str| Literal::Text(it.to_owned());
        let wanted = Condition::Or(vec![compare("a", Op::Equal, text("x")), compare("a", Op::NotEqual, text("y"))]);
        assert_eq!(parse(r#"((a == "x") || (a != 'y'))"#, Language::QueryRange), Ok(Some(wanted.clone())));
        assert_eq!(parse("(a eq 'x')  or a ne 'y'", Language::OData), Ok(Some(wanted)));
    }

    #[test]
    fn one_equal_sign_is_an_equality_and_enum_members_are_values() {
        let wanted = compare("A", Op::Equal, Literal::Member("Yes".to_owned()));
        assert_eq!(parse("(A = NoYes::Yes)", Language::QueryRange), Ok(Some(wanted)));
    }

    #[test]
    fn patterns_and_dates_are_read() {
        assert!(matches!(parse(r#"!(name like "*A*")"#, Language::QueryRange), Ok(Some(Condition::Not(_)))));
        let date = compare("D", Op::LessEqual, Literal::Date("2021-06-23".to_owned()));
        assert_eq!(parse(r"(D <= 23\06\2021)", Language::QueryRange), Ok(Some(date)));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for text in ["a eq", "a eq b", "(a eq 1", "a eq 1 b", "year(a) eq 1", "a / 2 eq 1"] {
            assert!(parse(text, Language::OData).is_err(), "{text}");
        }
    }
}
