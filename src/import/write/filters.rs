//! Filters: both languages become this one, as one equation where the map itself keeps both sides of it.

use crate::change::{Side, Sides};
use crate::import::filter::{self, Condition, Language, Literal, Op};
use crate::import::mapping::{Mapping, Transform};
use crate::import::{Note, names, values};
use crate::value::Kind;

use super::{Writer, comment};

/// Both filters of a mapping; one that is not understood is said and left out.
pub fn parse(mapping: &Mapping, notes: &mut Vec<Note>) -> Sides<Option<Condition>> {
    let mut read = |text: &str, language: Language| {
        filter::parse(text, language).unwrap_or_else(|error| {
            notes.push(Note::error(&mapping.identity(), None, format!("the filter `{text}` is left out: {error}")));
            None
        })
    };
    Sides::new(read(&mapping.left_filter, Language::QueryRange), read(&mapping.right_filter, Language::OData))
}

impl Writer<'_> {
    /// The filter lines of the map.
    pub fn filters(&mut self) -> Vec<String> {
        let said = self.notes.len();
        let conditions = parse(&self.map.mapping, self.notes);
        let texts = Sides::new(
            self.condition_text(Side::Left, &conditions[Side::Left]),
            self.condition_text(Side::Right, &conditions[Side::Right]),
        );
        let left_out = self.notes[said..].iter().filter(|it| it.is_error);
        self.missing.extend(left_out.map(|it| comment("", &format!("{}. The map runs without it.", it.text))));
        match (&texts[Side::Left], &texts[Side::Right]) {
            (Some(left), Some(right)) if Side::BOTH.iter().all(|&side| self.keeps(side, conditions[side].as_ref())) => {
                vec![format!("filter {left} <-> {right}")]
            }
            (left, right) => {
                let left = left.as_ref().map(|it| format!("filter {it} ->"));
                let right = right.as_ref().map(|it| format!("filter <- {it}"));
                left.into_iter().chain(right).collect()
            }
        }
    }

    fn condition_text(&mut self, side: Side, condition: &Option<Condition>) -> Option<String> {
        let condition = condition.as_ref()?;
        match self.text_of(side, condition) {
            Ok(text) => Some(text),
            Err(error) => {
                let written = if side == Side::Left { &self.map.mapping.left_filter } else { &self.map.mapping.right_filter };
                self.notes.push(Note::error(
                    &self.map.mapping.identity(),
                    None,
                    format!("the filter `{written}` is left out: {error}"),
                ));
                None
            }
        }
    }

    /// Every row that enters this side through the map is in its scope: each part of the condition has its constant, or is a key.
    fn keeps(&self, side: Side, condition: Option<&Condition>) -> bool {
        match condition {
            Some(Condition::And(parts)) => parts.iter().all(|it| self.keeps(side, Some(it))),
            Some(Condition::Compare { column, op: Op::Equal, value }) => {
                self.constant(side, column).is_some_and(|constant| is_same(&constant, value))
            }
            Some(Condition::Compare { column, op: Op::NotEqual, value: Literal::Null }) => {
                self.map.key.contains(&column.to_lowercase())
            }
            Some(Condition::Compare { .. } | Condition::Call { .. } | Condition::Not(_) | Condition::Or(_)) | None => false,
        }
    }

    /// The constant that the map gives to a column of this side.
    fn constant(&self, side: Side, column: &str) -> Option<String> {
        self.map.mapping.rows.iter().find_map(|row| match (&row.transform, side, &row.right) {
            (Some(Transform::Default(value)), Side::Left, None) if row.left.eq_ignore_ascii_case(column) => Some(value.clone()),
            (Some(Transform::Default(value)), Side::Right, Some(target))
                if row.left.is_empty() && target.column().eq_ignore_ascii_case(column) =>
            {
                Some(value.clone())
            }
            _ => None,
        })
    }

    fn text_of(&mut self, side: Side, condition: &Condition) -> Result<String, String> {
        match condition {
            Condition::Compare { column, op, value } => self.comparison(side, column, *op, value),
            Condition::Call { function, column, text } => {
                let field = self.filter_field(side, column)?;
                Ok(format!("{}({}, {})", function.text(), names::written(&field.0), names::quoted(text)))
            }
            Condition::Not(inner) => Ok(format!("not ({})", self.text_of(side, inner)?)),
            Condition::And(parts) => {
                let texts: Result<Vec<String>, String> = parts.iter().map(|it| self.operand(side, it)).collect();
                Ok(texts?.join(" and "))
            }
            Condition::Or(parts) => match self.membership(side, parts) {
                Some(text) => text,
                None => {
                    let texts: Result<Vec<String>, String> = parts.iter().map(|it| self.text_of(side, it)).collect();
                    Ok(texts?.join(" or "))
                }
            },
        }
    }

    /// `a == x or a == y` is `a in { x, y }`.
    fn membership(&mut self, side: Side, parts: &[Condition]) -> Option<Result<String, String>> {
        let mut column: Option<&str> = None;
        let mut literals = Vec::new();
        for part in parts {
            let Condition::Compare { column: own, op: Op::Equal, value } = part else { return None };
            if column.is_some_and(|it| !it.eq_ignore_ascii_case(own)) || *value == Literal::Null {
                return None;
            }
            column = Some(own);
            literals.push(value);
        }
        let column = column?;
        let texts: Result<Vec<String>, String> = literals.iter().map(|it| self.literal(side, column, it)).collect();
        let field = self.filter_field(side, column);
        Some(texts.and_then(|texts| Ok(format!("{} in {{ {} }}", names::written(&field?.0), texts.join(", ")))))
    }

    fn operand(&mut self, side: Side, condition: &Condition) -> Result<String, String> {
        let text = self.text_of(side, condition)?;
        Ok(if matches!(condition, Condition::Or(_)) && text.contains(" or ") { format!("({text})") } else { text })
    }

    fn comparison(&mut self, side: Side, column: &str, op: Op, value: &Literal) -> Result<String, String> {
        let name = self.filter_field(side, column)?.0;
        Ok(format!("{} {} {}", names::written(&name), op.text(), self.literal(side, column, value)?))
    }

    fn filter_field(&self, side: Side, column: &str) -> Result<(String, Kind), String> {
        let field = self.world.field(side, &self.map.entities[side], column);
        field
            .map(|it| (it.name.clone(), it.kind.clone()))
            .ok_or_else(|| format!("`{}` has no column `{column}`", self.map.entities[side]))
    }

    fn literal(&mut self, side: Side, column: &str, literal: &Literal) -> Result<String, String> {
        let kind = self.filter_field(side, column)?.1;
        let text = match literal {
            Literal::Null => return Ok("null".to_owned()),
            Literal::Bool(it) => it.to_string(),
            Literal::Text(text) | Literal::Number(text) | Literal::Member(text) | Literal::Date(text) => text.clone(),
        };
        let is_numbered = matches!(literal, Literal::Number(_));
        if let (Kind::Enum(_) | Kind::Text { .. }, true, Side::Left) = (&kind, is_numbered, side) {
            return self.numbered(column, &kind, &text);
        }
        if let (Kind::Bool, true) = (&kind, is_numbered) {
            return Ok((text != "0").to_string());
        }
        values::value(&kind, &text).ok_or_else(|| format!("`{text}` is no value of `{kind}`"))
    }

    /// Finance & Operations compares enums with their numbers, too, which are not in its metadata.
    fn numbered(&mut self, column: &str, kind: &Kind, number: &str) -> Result<String, String> {
        let symbol = match (self.constant(Side::Left, column), kind) {
            (Some(constant), _) => constant,
            (None, Kind::Enum(members)) => {
                let place: Option<usize> = number.parse().ok();
                let member = place.and_then(|it| members.members.get(it));
                member.map(|it| it.name.clone()).ok_or_else(|| format!("`{}` has no member {number}", members.name))?
            }
            (None, _) => return Ok(names::quoted(number)),
        };
        let text = format!("the filter compares `{column}` with the number {number}, taken to be `{symbol}`");
        self.notes.push(Note::warning(&self.map.mapping.identity(), None, text));
        values::value(kind, &symbol).ok_or_else(|| format!("`{symbol}` is no value of `{kind}`"))
    }
}

/// A constant and a literal of a filter mean the same value.
fn is_same(constant: &str, literal: &Literal) -> bool {
    match literal {
        Literal::Text(text) | Literal::Member(text) => constant.eq_ignore_ascii_case(text),
        Literal::Number(text) => names::number(constant) == names::number(text),
        Literal::Bool(it) => names::truth(constant) == Some(*it),
        Literal::Null | Literal::Date(_) => false,
    }
}
