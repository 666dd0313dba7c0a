//! Expressions over one record: slots in, one value out. Total, but for the failures that a rule's `else` names.

use serde::{Deserialize, Serialize};

use super::{RefId, TableId};
use crate::value::{Kind, Slot, Value};

/// Null handling: functions and operators give null for a null operand, unless their entry says otherwise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expr {
    Const(Value),
    /// The record's field.
    Slot(Slot),
    /// The value that a writer shall make readable again: the canonical value of the rule, or the argument of an inverse.
    It,
    /// The canonical value of the map's partition rule.
    Partition,
    /// `now()`: the instant of the step that makes the row.
    Now,
    /// `uuid()`: a fresh id, the same for every look within one step. The number tells two calls of a rule apart.
    Fresh(u32),
    /// A function of the library, by name; the last arguments may be constants.
    Call {
        function: String,
        arguments: Vec<Expr>,
    },
    /// Converts to a kind: `int` to `text`, `decimal` to `int`, …; fails where the value does not fit.
    Convert {
        to: Kind,
        operand: Box<Expr>,
    },
    Concat(Vec<Expr>),
    /// The part of a text before or after a separator: the inverse of `a ++ sep ++ b`.
    SplitPart {
        operand: Box<Expr>,
        separator: String,
        from_end: bool,
        tail: bool,
    },
    Math {
        op: Math,
        left: Box<Expr>,
        right: Box<Expr>,
    },
    /// Two-valued: comparisons with null are false, but for `==` and `!=`.
    Compare {
        op: Compare,
        left: Box<Expr>,
        right: Box<Expr>,
    },
    In {
        operand: Box<Expr>,
        set: Vec<Value>,
    },
    And(Box<Expr>, Box<Expr>),
    Or(Box<Expr>, Box<Expr>),
    Not(Box<Expr>),
    /// `a ?? b`
    Coalesce(Box<Expr>, Box<Expr>),
    If {
        condition: Box<Expr>,
        then: Box<Expr>,
        otherwise: Box<Expr>,
    },
    Tuple(Vec<Expr>),
    /// One part of a tuple.
    Part {
        operand: Box<Expr>,
        index: u16,
    },
    /// A value map in one direction.
    Table {
        table: TableId,
        operand: Box<Expr>,
    },
    /// The key of a referenced row, from the reference that the record holds. One column: its value; several: a tuple.
    KeyOf {
        reference: RefId,
        operand: Box<Expr>,
    },
    /// The reference to the row with this key; the operand has the form that `KeyOf` gives.
    IdOf {
        reference: RefId,
        operand: Box<Expr>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Math {
    Add,
    Subtract,
    Multiply,
    Divide,
}

impl Math {
    pub fn sign(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Compare {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

impl Compare {
    pub fn sign(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessEqual => "<=",
            Self::Greater => ">",
            Self::GreaterEqual => ">=",
        }
    }
}

/// One direction of a value map: sorted pairs, and what an unlisted value becomes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ValueTable {
    /// The map's name, or the rule's label for an inline map; for messages.
    pub name: String,
    /// Sorted by the first value.
    pub pairs: Vec<(Value, Value)>,
    /// The `else` row: a value, or one of the failures; `None` leaves it to the rule's `else`.
    pub otherwise: Option<super::Fallback>,
    /// Text keys compare without case (symbols).
    pub ignore_case: bool,
}

impl Expr {
    pub fn boxed(self) -> Box<Self> {
        Box::new(self)
    }

    /// References that are looked up by key, anywhere in the expression.
    pub fn ids_of(&self) -> Vec<RefId> {
        let here = if let Self::IdOf { reference, .. } = self { Some(*reference) } else { None };
        here.into_iter().chain(self.operands().into_iter().flat_map(Self::ids_of)).collect()
    }

    /// The reference by which a field is read as a key.
    pub fn reference_of(&self, slot: Slot) -> Option<RefId> {
        match self {
            Self::KeyOf { reference, operand } if operand.slots().contains(&slot) => Some(*reference),
            other => other.operands().into_iter().find_map(|it| it.reference_of(slot)),
        }
    }

    /// Somewhere in the expression a reference is read as a key.
    pub fn has_key_of(&self) -> bool {
        matches!(self, Self::KeyOf { .. }) || self.operands().into_iter().any(Self::has_key_of)
    }

    /// The operands, in order.
    pub fn operands(&self) -> Vec<&Expr> {
        match self {
            Self::Const(_) | Self::Slot(_) | Self::It | Self::Partition | Self::Now | Self::Fresh(_) => Vec::new(),
            Self::Call { arguments, .. } => arguments.iter().collect(),
            Self::Concat(parts) | Self::Tuple(parts) => parts.iter().collect(),
            Self::Convert { operand, .. }
            | Self::SplitPart { operand, .. }
            | Self::In { operand, .. }
            | Self::Not(operand)
            | Self::Part { operand, .. }
            | Self::Table { operand, .. }
            | Self::KeyOf { operand, .. }
            | Self::IdOf { operand, .. } => vec![operand],
            Self::Math { left, right, .. } | Self::Compare { left, right, .. } => vec![left, right],
            Self::And(left, right) | Self::Or(left, right) | Self::Coalesce(left, right) => vec![left, right],
            Self::If { condition, then, otherwise } => vec![condition, then, otherwise],
        }
    }

    /// The same expression with some parts put in the place of others: those for which `change` has an answer.
    pub fn rewritten(&self, change: &impl Fn(&Expr) -> Option<Expr>) -> Expr {
        let mut out = self.clone();
        out.rewrite(change);
        out
    }

    fn rewrite(&mut self, change: &impl Fn(&Expr) -> Option<Expr>) {
        match change(self) {
            Some(changed) => *self = changed,
            None => self.operands_mut().into_iter().for_each(|it| it.rewrite(change)),
        }
    }

    fn operands_mut(&mut self) -> Vec<&mut Expr> {
        match self {
            Self::Const(_) | Self::Slot(_) | Self::It | Self::Partition | Self::Now | Self::Fresh(_) => Vec::new(),
            Self::Call { arguments, .. } => arguments.iter_mut().collect(),
            Self::Concat(parts) | Self::Tuple(parts) => parts.iter_mut().collect(),
            Self::Convert { operand, .. }
            | Self::SplitPart { operand, .. }
            | Self::In { operand, .. }
            | Self::Not(operand)
            | Self::Part { operand, .. }
            | Self::Table { operand, .. }
            | Self::KeyOf { operand, .. }
            | Self::IdOf { operand, .. } => vec![operand],
            Self::Math { left, right, .. } | Self::Compare { left, right, .. } => vec![left, right],
            Self::And(left, right) | Self::Or(left, right) | Self::Coalesce(left, right) => vec![left, right],
            Self::If { condition, then, otherwise } => vec![condition, then, otherwise],
        }
    }

    /// Every slot that the expression reads, sorted, each once.
    pub fn slots(&self) -> Vec<Slot> {
        fn collect(expr: &Expr, out: &mut Vec<Slot>) {
            if let Expr::Slot(slot) = expr {
                out.push(*slot);
            }
            for operand in expr.operands() {
                collect(operand, out);
            }
        }
        let mut out = Vec::new();
        collect(self, &mut out);
        out.sort_unstable();
        out.dedup();
        out
    }
}
