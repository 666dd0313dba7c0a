//! Conditions as filters that a store evaluates itself, and what is left to evaluate here.
//!
//! A store's filter may let through more rows than the condition, never fewer: `filter and residue` is the condition. Negations
//! are carried down to the single tests, so that a test which is unknown (null) in the store counts as false wherever it
//! stands, whatever logic the store has. A test is left out where the store might answer it in another manner for any value:
//! stores that ignore case get equality as a first sieve, and inequality not at all.

mod literal;
mod test;

use super::Expr;
use crate::schema::{Profile, Shape};

/// Longest filter in bytes; addresses have limits of a few thousand.
const FILTER_BYTES_MAX: usize = 4_000;

/// Deepest nesting that is followed.
const DEPTH_MAX: usize = 32;

/// How a store writes conditions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// OData 4 as the standard has it.
    OData,
    Dataverse,
    /// Finance & Operations: no null, enums by qualified name, no `in`, no functions.
    Finops,
    Sqlite,
}

impl Dialect {
    /// How stores with this profile are asked, where that is known.
    pub fn of_profile(name: &str) -> Option<Self> {
        match name {
            "odata" => Some(Self::OData),
            "dataverse" => Some(Self::Dataverse),
            "finops" => Some(Self::Finops),
            "sqlite" => Some(Self::Sqlite),
            _ => None,
        }
    }
}

/// A condition in two parts: `filter and residue`.
#[derive(Clone, Debug, PartialEq)]
pub struct Pushed {
    /// In the store's own words, not escaped for an address; `None`: every row must be read.
    pub filter: Option<String>,
    /// What must still be asked of each row; `None`: nothing.
    pub residue: Option<Expr>,
}

/// The store that a condition is written for.
#[derive(Clone, Copy)]
struct Store<'a> {
    dialect: Dialect,
    profile: &'a Profile,
    shape: &'a Shape,
}

/// A condition in the store's words.
#[derive(Debug)]
struct Lowered {
    text: String,
    /// It lets through the rows of the condition and no others.
    is_exact: bool,
}

/// Divides a condition over rows of this shape.
pub fn push(dialect: Dialect, profile: &Profile, shape: &Shape, condition: &Expr) -> Pushed {
    let store = Store { dialect, profile, shape };
    let mut filter = String::new();
    let mut residue: Option<Expr> = None;
    for part in conjuncts(condition) {
        let lowered = lower(store, part.expr, part.is_negated, 0).filter(|it| filter.len() + it.text.len() <= FILTER_BYTES_MAX);
        if !lowered.as_ref().is_some_and(|it| it.is_exact) {
            let rest = part.whole();
            residue = Some(match residue.take() {
                Some(earlier) => Expr::And(earlier.boxed(), rest.boxed()),
                None => rest,
            });
        }
        if let Some(lowered) = lowered {
            if !filter.is_empty() {
                filter.push_str(" and ");
            }
            filter.push_str(&lowered.text);
        }
    }
    Pushed { filter: Some(filter).filter(|it| !it.is_empty()), residue }
}

/// A condition, or its negation.
struct Part<'a> {
    expr: &'a Expr,
    is_negated: bool,
}

impl Part<'_> {
    fn whole(&self) -> Expr {
        if self.is_negated { Expr::Not(self.expr.clone().boxed()) } else { self.expr.clone() }
    }
}

/// The conditions that must all hold, from left to right.
fn conjuncts(condition: &Expr) -> Vec<Part<'_>> {
    let mut out = Vec::new();
    let mut waiting = vec![Part { expr: condition, is_negated: false }];
    while let Some(part) = waiting.pop() {
        match (part.expr, part.is_negated) {
            (Expr::And(left, right), false) | (Expr::Or(left, right), true) => {
                waiting.push(Part { expr: right, ..part });
                waiting.push(Part { expr: left, ..part });
            }
            (Expr::Not(inner), is_negated) => waiting.push(Part { expr: inner, is_negated: !is_negated }),
            _ => out.push(part),
        }
    }
    out
}

fn lower(store: Store<'_>, expr: &Expr, is_negated: bool, depth: usize) -> Option<Lowered> {
    if depth > DEPTH_MAX {
        return None;
    }
    let inner = |expr: &Expr| lower(store, expr, is_negated, depth + 1);
    match (expr, is_negated) {
        (Expr::And(left, right), false) | (Expr::Or(left, right), true) => both(inner(left), inner(right)),
        (Expr::And(left, right), true) | (Expr::Or(left, right), false) => any(vec![inner(left)?, inner(right)?]),
        (Expr::Not(operand), _) => lower(store, operand, !is_negated, depth + 1),
        (other, _) => test::lower(store, other, is_negated),
    }
}

/// Where only one of two conditions can be said, it still keeps rows away.
fn both(left: Option<Lowered>, right: Option<Lowered>) -> Option<Lowered> {
    match (left, right) {
        (Some(left), Some(right)) => {
            Some(Lowered { text: format!("{} and {}", left.text, right.text), is_exact: left.is_exact && right.is_exact })
        }
        (Some(one), None) | (None, Some(one)) => Some(Lowered { is_exact: false, ..one }),
        (None, None) => None,
    }
}

fn any(parts: Vec<Lowered>) -> Option<Lowered> {
    let texts: Vec<&str> = parts.iter().map(|it| it.text.as_str()).collect();
    let text = if texts.len() == 1 { texts[0].to_owned() } else { format!("({})", texts.join(" or ")) };
    (!texts.is_empty()).then(|| Lowered { text, is_exact: parts.iter().all(|it| it.is_exact) })
}
