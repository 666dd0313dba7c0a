//! `$filter`: comparisons joined by `and`, `or`, `not`; read once, then asked of each row.

use crate::schema::{Entity, Profile};
use crate::value::Value;

use super::address::unquote;
use super::reply::Refusal;
use super::{Dialect, wire};

/// Deepest nesting of a filter.
const DEPTH_MAX: usize = 100;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    Eq,
    Ne,
    Gt,
    Ge,
    Lt,
    Le,
}

/// A condition on one row.
#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    And(Vec<Filter>),
    Or(Vec<Filter>),
    Not(Box<Filter>),
    /// The value is folded already.
    Compare {
        field: usize,
        operator: Operator,
        value: Value,
    },
    /// `eq 'A*'` of F&O: wildcards are said by `*` (Microsoft, data-entities/odata.md). The pattern is folded already.
    Like {
        field: usize,
        pattern: String,
    },
    /// `contains(name,'x')` and its neighbours; the text is folded already. In `$filter` all of them are supported
    /// (Microsoft, webapi/query/filter-rows.md).
    Text {
        field: usize,
        part: Part,
        text: String,
    },
}

/// `*` stands for any text.
fn is_like(whole: &str, pattern: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return whole == pattern };
    let Some(whole) = whole.strip_prefix(start) else { return false };
    whole.char_indices().map(|(at, _)| at).chain([whole.len()]).any(|at| is_like(&whole[at..], rest))
}

/// Where in a text another one stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Anywhere,
    Start,
    End,
}

impl Part {
    fn of_function(name: &str) -> Option<Self> {
        match name {
            "contains" => Some(Self::Anywhere),
            "startswith" => Some(Self::Start),
            "endswith" => Some(Self::End),
            _ => None,
        }
    }

    fn holds(self, whole: &str, text: &str) -> bool {
        match self {
            Self::Anywhere => whole.contains(text),
            Self::Start => whole.starts_with(text),
            Self::End => whole.ends_with(text),
        }
    }
}

impl Filter {
    pub fn is_met(&self, profile: &Profile, row: &[Value]) -> bool {
        match self {
            Self::And(all) => all.iter().all(|it| it.is_met(profile, row)),
            Self::Or(any) => any.iter().any(|it| it.is_met(profile, row)),
            Self::Not(it) => !it.is_met(profile, row),
            Self::Compare { field, operator, value } => compare(*operator, &profile.fold_key(&row[*field]), value),
            Self::Like { field, pattern } => profile.fold_key(&row[*field]).as_text().is_some_and(|it| is_like(it, pattern)),
            Self::Text { field, part, text } => {
                profile.fold_key(&row[*field]).as_text().is_some_and(|whole| part.holds(whole, text))
            }
        }
    }
}

// Null is equal to null and to nothing else; it is neither smaller nor larger than anything.
fn compare(operator: Operator, own: &Value, value: &Value) -> bool {
    match operator {
        Operator::Eq => own == value,
        Operator::Ne => own != value,
        Operator::Gt => own.is_value() && value.is_value() && own > value,
        Operator::Ge => own.is_value() && value.is_value() && own >= value,
        Operator::Lt => own.is_value() && value.is_value() && own < value,
        Operator::Le => own.is_value() && value.is_value() && own <= value,
    }
}

/// Reads a filter over the fields of an entity.
pub fn parse(text: &str, dialect: Dialect, entity: &Entity, profile: &Profile) -> Result<Filter, Refusal> {
    let mut parser = Parser { tokens: tokens(text)?, at: 0, dialect, entity, profile };
    let filter = parser.any(0)?;
    match parser.peek() {
        None => Ok(filter),
        Some(rest) => Err(Refusal::bad_request(format!("Syntax error in $filter at '{rest}'."))),
    }
}

fn tokens(text: &str) -> Result<Vec<String>, Refusal> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '(' | ')' | ',' => 1,
            _ => word_length(rest)?,
        };
        tokens.push(rest[..length].to_owned());
        rest = rest[length..].trim_start();
    }
    Ok(tokens)
}

// A word ends at a blank or parenthesis outside of quotes; a doubled quote opens and closes, which changes nothing.
fn word_length(text: &str) -> Result<usize, Refusal> {
    let mut is_quoted = false;
    for (at, it) in text.char_indices() {
        is_quoted ^= it == '\'';
        if !is_quoted && (it == ' ' || it == '(' || it == ')' || it == ',') {
            return Ok(at);
        }
    }
    if is_quoted { Err(Refusal::bad_request("There is an unterminated string literal in $filter.")) } else { Ok(text.len()) }
}

struct Parser<'a> {
    tokens: Vec<String>,
    at: usize,
    dialect: Dialect,
    entity: &'a Entity,
    profile: &'a Profile,
}

impl Parser<'_> {
    fn peek(&self) -> Option<&str> {
        self.tokens.get(self.at).map(String::as_str)
    }

    fn next(&mut self) -> Result<String, Refusal> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token.ok_or_else(|| Refusal::bad_request("Syntax error: the end of $filter came too early."))
    }

    fn eat(&mut self, token: &str) -> bool {
        let is_next = self.peek() == Some(token);
        self.at += usize::from(is_next);
        is_next
    }

    fn any(&mut self, depth: usize) -> Result<Filter, Refusal> {
        let mut parts = vec![self.all(depth)?];
        while self.eat("or") {
            parts.push(self.all(depth)?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Filter::Or(parts) })
    }

    fn all(&mut self, depth: usize) -> Result<Filter, Refusal> {
        let mut parts = vec![self.one(depth)?];
        while self.eat("and") {
            parts.push(self.one(depth)?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Filter::And(parts) })
    }

    fn one(&mut self, depth: usize) -> Result<Filter, Refusal> {
        if depth > DEPTH_MAX {
            return Err(Refusal::bad_request("The $filter is nested too deeply."));
        }
        if self.eat("not") {
            return Ok(Filter::Not(Box::new(self.one(depth + 1)?)));
        }
        if self.eat("(") {
            let inside = self.any(depth + 1)?;
            return match self.next()?.as_str() {
                ")" => Ok(inside),
                other => Err(Refusal::bad_request(format!("Syntax error in $filter: ')' expected, '{other}' found."))),
            };
        }
        self.comparison()
    }

    // Dataverse stores `""` as null, so a comparison with `''` is one with null there.
    fn settled(&self, value: Value) -> Value {
        if self.dialect == Dialect::Dataverse && value.as_text() == Some("") { Value::Null } else { value }
    }

    fn text_function(&mut self, part: Part) -> Result<Filter, Refusal> {
        let (open, name, comma, literal, close) = (self.next()?, self.next()?, self.next()?, self.next()?, self.next()?);
        if (open.as_str(), comma.as_str(), close.as_str()) != ("(", ",", ")") || !literal.starts_with('\'') {
            return Err(Refusal::bad_request("Syntax error in $filter: a column and a text are expected."));
        }
        let field = field_number(self.dialect, self.entity, &name).ok_or_else(|| unknown(self.entity, &name))?;
        let folded = self.profile.fold_key(&Value::text(unquote(&literal)));
        Ok(Filter::Text { field, part, text: folded.as_text().unwrap_or_default().to_owned() })
    }

    fn comparison(&mut self) -> Result<Filter, Refusal> {
        let name = self.next()?;
        // Microsoft, data-entities/odata.md: F&O has `eq '*x*'` in their place.
        if let Some(part) = Part::of_function(&name).filter(|_| self.dialect == Dialect::Dataverse) {
            return self.text_function(part);
        }
        let field = field_number(self.dialect, self.entity, &name).ok_or_else(|| unknown(self.entity, &name))?;
        let operator = match self.next()?.as_str() {
            "eq" => Operator::Eq,
            "ne" => Operator::Ne,
            "gt" => Operator::Gt,
            "ge" => Operator::Ge,
            "lt" => Operator::Lt,
            "le" => Operator::Le,
            // Microsoft, data-entities/odata.md: `in` and `has` are not there.
            other => return Err(Refusal::bad_request(format!("The operator '{other}' is not supported."))),
        };
        let kind = &self.entity.fields[field].kind;
        let literal = self.next()?;
        let value = match literal.as_str() {
            "null" => Value::Null,
            text => wire::from_literal(self.dialect, kind, &unquote(text)).map_err(Refusal::bad_request)?,
        };
        let stars = value.as_text().filter(|it| it.contains('*') && self.dialect == Dialect::Finops);
        if let (Some(pattern), Operator::Eq) = (stars, operator) {
            let folded = self.profile.fold_key(&Value::text(pattern));
            return Ok(Filter::Like { field, pattern: folded.as_text().unwrap_or_default().to_owned() });
        }
        Ok(Filter::Compare { field, operator, value: self.profile.fold_key(&self.settled(value)) })
    }
}

/// A field by its name on the wire; lookups are `_name_value` (Microsoft, webapi/web-api-properties.md).
pub fn field_number(dialect: Dialect, entity: &Entity, name: &str) -> Option<usize> {
    let plain = || entity.fields.get_index_of(name);
    match (dialect, name.strip_prefix('_').and_then(|it| it.strip_suffix("_value"))) {
        (Dialect::Dataverse, Some(lookup)) => entity.fields.get_index_of(lookup).or_else(plain),
        (Dialect::Dataverse, None) | (Dialect::Finops, _) => plain(),
    }
}

pub fn unknown(entity: &Entity, name: &str) -> Refusal {
    Refusal::new(400, "0x80060888", format!("Could not find a property named '{name}' on type '{}'.", entity.name))
}
