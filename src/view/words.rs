//! Compiled expressions in the words of the language. Two expressions that mean different things read differently, so that the
//! words of two programs can be compared; slots, tables and references go by name, because their numbers differ from one
//! compilation to the next.

use crate::change::Side;
use crate::ir::{Expr, Fallback, Plan, RefColumn, RefId, RefTarget};
use crate::schema::ShapeField;
use crate::value::Kind;

/// Expressions over the record of one side of a plan.
#[derive(Clone, Copy)]
pub struct Words<'a> {
    pub plan: &'a Plan,
    pub side: Side,
}

impl Words<'_> {
    pub fn expr(&self, expr: &Expr) -> String {
        match expr {
            Expr::Const(value) => value.to_string(),
            Expr::Slot(slot) => self.plan.shapes[self.side].field(*slot).name.clone(),
            Expr::It => "it".to_owned(),
            Expr::Partition => "partition".to_owned(),
            Expr::Now => "now()".to_owned(),
            Expr::Fresh(_) => "uuid()".to_owned(),
            Expr::Call { function, arguments } => format!("{function}({})", self.list(arguments)),
            Expr::Convert { to, operand } => format!("{to}({})", self.expr(operand)),
            Expr::Concat(parts) => format!("({})", parts.iter().map(|it| self.expr(it)).collect::<Vec<_>>().join(" ++ ")),
            Expr::SplitPart { operand, separator, from_end, tail } => {
                let (end, part) = (if *from_end { "last" } else { "first" }, if *tail { "behind" } else { "before" });
                format!("part {part} {end} {separator:?} of {}", self.expr(operand))
            }
            Expr::Math { op, left, right } => self.pair(left, op.sign(), right),
            Expr::Compare { op, left, right } => self.pair(left, op.sign(), right),
            Expr::In { operand, set } => {
                let set: Vec<String> = set.iter().map(ToString::to_string).collect();
                format!("{} in {{ {} }}", self.expr(operand), set.join(", "))
            }
            Expr::And(left, right) => self.pair(left, "and", right),
            Expr::Or(left, right) => self.pair(left, "or", right),
            Expr::Not(operand) => format!("not ({})", self.expr(operand)),
            Expr::Coalesce(left, right) => self.pair(left, "??", right),
            Expr::If { condition, then, otherwise } => {
                format!("(if {} then {} else {})", self.expr(condition), self.expr(then), self.expr(otherwise))
            }
            Expr::Tuple(parts) => format!("({})", self.list(parts)),
            Expr::Part { operand, index } => format!("{}.{index}", self.expr(operand)),
            Expr::Table { operand, .. } => format!("values({})", self.expr(operand)),
            Expr::KeyOf { reference, operand } => format!("key of {} by {}", self.expr(operand), self.reference(*reference)),
            Expr::IdOf { reference, operand } => format!("row of {} with key {}", self.reference(*reference), self.expr(operand)),
        }
    }

    fn list(&self, parts: &[Expr]) -> String {
        parts.iter().map(|it| self.expr(it)).collect::<Vec<_>>().join(", ")
    }

    fn pair(&self, left: &Expr, op: &str, right: &Expr) -> String {
        format!("({} {op} {})", self.expr(left), self.expr(right))
    }

    /// The referenced tables with the columns that stand for a row, and the map that keeps them in step.
    pub fn reference(&self, id: RefId) -> String {
        let reference = self.plan.reference(id);
        let targets: Vec<String> = reference.targets.iter().map(target).collect();
        let map = reference.plan.as_ref().map(|it| format!("{it}: ")).unwrap_or_default();
        let company = if reference.is_partitioned { " of the company" } else { "" };
        format!("{map}{}{company}", targets.join(" | "))
    }

    pub fn fallback(&self, fallback: &Fallback) -> String {
        match fallback {
            Fallback::Reject => "reject".to_owned(),
            Fallback::Park => "park".to_owned(),
            Fallback::Skip => "skip".to_owned(),
            Fallback::Value(value) => value.to_string(),
            Fallback::Expr(expr) => self.expr(expr),
        }
    }
}

fn target(target: &RefTarget) -> String {
    let column = |it: &RefColumn| {
        let name = &target.shape.field(it.slot).name;
        it.via.as_ref().map_or_else(|| name.clone(), |via| format!("{name}.{}", self::target(via)))
    };
    format!("{}({})", target.shape.entity, target.columns.iter().map(column).collect::<Vec<_>>().join(", "))
}

/// The type of a field as the language writes it, with `?` where it may be null. A set that belongs to the field alone shows
/// no name.
pub fn kind(field: &ShapeField) -> String {
    let text = match &field.kind {
        Kind::Enum(it) if it.name.contains('.') => if it.open { "choice" } else { "enum" }.to_owned(),
        other => other.to_string(),
    };
    format!("{text}{}", if field.nullable { "?" } else { "" })
}
