//! Expressions as people read them, with the names of fields.

use super::{Compare, Expr, Plan};
use crate::change::Side;
use crate::value::{Kind, Value};

/// The expression over a record of this side.
pub fn expr(plan: &Plan, side: Side, it: &Expr) -> String {
    let show = |it: &Expr| expr(plan, side, it);
    let list = |parts: &[Expr]| parts.iter().map(show).collect::<Vec<_>>().join(", ");
    match it {
        Expr::Const(value) => value.to_string(),
        Expr::Slot(slot) => plan.shapes[side].field(*slot).name.clone(),
        Expr::It => "it".to_owned(),
        Expr::Partition => "the partition".to_owned(),
        Expr::Now => "now()".to_owned(),
        Expr::Fresh(_) => "uuid()".to_owned(),
        Expr::Call { function, arguments } => format!("{function}({})", list(arguments)),
        Expr::Convert { to, operand } => format!("{} as {to}", operand_of(plan, side, operand)),
        Expr::Concat(parts) => parts.iter().map(show).collect::<Vec<_>>().join(" ++ "),
        Expr::SplitPart { operand, separator, from_end, tail } => {
            let which = if *from_end { "the last" } else { "the first" };
            format!("what is {} {which} {separator:?} of {}", if *tail { "behind" } else { "before" }, show(operand))
        }
        Expr::Math { op, left, right } => infix(plan, side, op.sign(), left, right),
        Expr::Compare { op, left, right } => comparison(plan, side, *op, left, right),
        Expr::In { operand, set } => {
            let values: Vec<String> = set.iter().map(|it| named(plan, side, operand, it)).collect();
            format!("{} in {{ {} }}", operand_of(plan, side, operand), values.join(", "))
        }
        Expr::And(left, right) => infix(plan, side, "and", left, right),
        Expr::Or(left, right) => infix(plan, side, "or", left, right),
        Expr::Not(operand) => format!("not {}", operand_of(plan, side, operand)),
        Expr::Coalesce(first, second) => infix(plan, side, "??", first, second),
        Expr::If { condition, then, otherwise } => {
            format!("if {} then {} else {}", show(condition), show(then), show(otherwise))
        }
        Expr::Tuple(parts) => format!("({})", list(parts)),
        Expr::Part { operand, index } => format!("part {} of {}", index + 1, operand_of(plan, side, operand)),
        Expr::Table { table, operand } => format!("{} through {}", show(operand), plan.table(*table).name),
        Expr::KeyOf { operand, .. } => format!("the key of the row that {} refers to", show(operand)),
        Expr::IdOf { reference, operand } => {
            let target = plan.reference(*reference).targets.first().map_or("row", |it| it.shape.entity.as_str());
            format!("the {target} with the key {}", show(operand))
        }
    }
}

/// In brackets where something stands beside it.
fn operand_of(plan: &Plan, side: Side, it: &Expr) -> String {
    let is_compound = matches!(
        it,
        Expr::Concat(_)
            | Expr::Convert { .. }
            | Expr::Math { .. }
            | Expr::Compare { .. }
            | Expr::In { .. }
            | Expr::And(..)
            | Expr::Or(..)
            | Expr::Coalesce(..)
            | Expr::If { .. }
    );
    let shown = expr(plan, side, it);
    if is_compound { format!("({shown})") } else { shown }
}

fn infix(plan: &Plan, side: Side, sign: &str, left: &Expr, right: &Expr) -> String {
    format!("{} {sign} {}", operand_of(plan, side, left), operand_of(plan, side, right))
}

/// Members are shown by their names: `customertypecode == 3` is `== Customer`.
fn comparison(plan: &Plan, side: Side, op: Compare, left: &Expr, right: &Expr) -> String {
    let shown = |own: &Expr, other: &Expr| match own {
        Expr::Const(value) => named(plan, side, other, value),
        _ => operand_of(plan, side, own),
    };
    format!("{} {} {}", shown(left, right), op.sign(), shown(right, left))
}

fn named(plan: &Plan, side: Side, beside: &Expr, value: &Value) -> String {
    let member = match beside {
        Expr::Slot(slot) => match &plan.shapes[side].field(*slot).kind {
            Kind::Enum(members) => members.by_value(value).map(|it| it.name.clone()),
            _ => None,
        },
        _ => None,
    };
    member.unwrap_or_else(|| value.to_string())
}
