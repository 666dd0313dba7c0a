//! Conditions as query ranges of Finance & Operations, and as OData.

use super::{Ends, bare, literal, single};
use crate::change::Side;
use crate::import::filter::Op;
use crate::syntax::ast::{BinaryOp, Expr, ExprKind, UnaryOp};
use crate::value::Kind;

/// Two conditions of one side.
pub fn both(side: Side, first: &str, second: &str) -> String {
    match side {
        Side::Left => format!("({first} && {second})"),
        Side::Right => format!("({first}) and ({second})"),
    }
}

/// The condition as the filter of its side; the error says what has no form there.
pub fn text(expr: &Expr, side: Side, ends: &Ends<'_>) -> Result<String, String> {
    let inner = part(expr, side, ends)?;
    Ok(if side == Side::Left && !inner.starts_with('(') { format!("({inner})") } else { inner })
}

fn part(expr: &Expr, side: Side, ends: &Ends<'_>) -> Result<String, String> {
    match &bare(expr).kind {
        ExprKind::Binary { op: BinaryOp::And, left, right, .. } => joined(side, "&&", "and", &[left, right], ends),
        ExprKind::Binary { op: BinaryOp::Or, left, right, .. } => joined(side, "||", "or", &[left, right], ends),
        ExprKind::Binary { op, left, right, .. } => compare(*op, left, right, side, ends),
        ExprKind::Unary { op: UnaryOp::Not, operand } => {
            let inner = part(operand, side, ends)?;
            Ok(if side == Side::Left { format!("(!({inner}))") } else { format!("not ({inner})") })
        }
        ExprKind::In { operand, set } => membership(operand, set, side, ends),
        ExprKind::Call { function, arguments } => call(&function.to_string(), arguments, side, ends),
        _ => Err("it is no comparison of a column with a value".to_owned()),
    }
}

fn joined(side: Side, finops: &str, odata: &str, parts: &[&Expr], ends: &Ends<'_>) -> Result<String, String> {
    let texts: Result<Vec<String>, String> = parts.iter().map(|it| part(it, side, ends)).collect();
    Ok(match side {
        Side::Left => format!("({})", texts?.join(&format!(" {finops} "))),
        Side::Right => format!("({})", texts?.join(&format!(" {odata} "))),
    })
}

fn column<'e>(expr: &'e Expr, side: Side, ends: &Ends<'e>) -> Result<(&'e str, &'e Kind), String> {
    let name = single(expr).ok_or("a column is compared with a value, nothing else")?;
    let field = ends.schemas[side].entities.get(ends.entities[side]).and_then(|it| it.fields.get(name));
    field.map(|it| (name, &it.kind)).ok_or_else(|| format!("`{name}` is no column"))
}

fn compare(op: BinaryOp, left: &Expr, right: &Expr, side: Side, ends: &Ends<'_>) -> Result<String, String> {
    let op = match op {
        BinaryOp::Equal => Op::Equal,
        BinaryOp::NotEqual => Op::NotEqual,
        BinaryOp::Less => Op::Less,
        BinaryOp::LessEqual => Op::LessEqual,
        BinaryOp::Greater => Op::Greater,
        BinaryOp::GreaterEqual => Op::GreaterEqual,
        BinaryOp::And
        | BinaryOp::Or
        | BinaryOp::Coalesce
        | BinaryOp::Concat
        | BinaryOp::Add
        | BinaryOp::Subtract
        | BinaryOp::Multiply
        | BinaryOp::Divide => return Err("dual-write's filters do not calculate".to_owned()),
    };
    let (name, kind) = column(left, side, ends)?;
    let value = value(right, kind, side)?;
    Ok(match side {
        Side::Left => format!("({name} {} {value})", op.text()),
        Side::Right => format!("{name} {} {value}", op.odata()),
    })
}

fn value(expr: &Expr, kind: &Kind, side: Side) -> Result<String, String> {
    if matches!(bare(expr).kind, ExprKind::Null) {
        return if side == Side::Right { Ok("null".to_owned()) } else { Ok("\"\"".to_owned()) };
    }
    let text = literal(expr, Some(kind)).ok_or("a column is compared with a fixed value, nothing else")?;
    let is_symbol = matches!(kind, Kind::Enum(set) if set.members.iter().any(|it| it.value.as_text().is_some()));
    Ok(match (kind, side) {
        (Kind::Bool, _) => text.to_lowercase(),
        (Kind::Text { .. }, Side::Left) => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
        (Kind::Text { .. } | Kind::Guid, Side::Right) => format!("'{}'", text.replace('\'', "''")),
        (Kind::Enum(_), Side::Left) if is_symbol => format!("\"{text}\""),
        (Kind::Date | Kind::DateTime, Side::Left) => {
            let parts: Vec<&str> = text.get(..10).unwrap_or(&text).split('-').collect();
            parts.iter().rev().copied().collect::<Vec<_>>().join("\\")
        }
        _ => text,
    })
}

fn membership(operand: &Expr, set: &Expr, side: Side, ends: &Ends<'_>) -> Result<String, String> {
    let (name, kind) = column(operand, side, ends)?;
    let ExprKind::Set(members) = &bare(set).kind else { return Err("a set of fixed values is needed".to_owned()) };
    let texts: Result<Vec<String>, String> = members.iter().map(|it| value(it, kind, side)).collect();
    Ok(match side {
        Side::Left => format!("({})", texts?.iter().map(|it| format!("({name} == {it})")).collect::<Vec<_>>().join(" || ")),
        Side::Right => format!("({})", texts?.iter().map(|it| format!("{name} eq {it}")).collect::<Vec<_>>().join(" or ")),
    })
}

fn call(function: &str, arguments: &[Expr], side: Side, ends: &Ends<'_>) -> Result<String, String> {
    let [first, second] = arguments else { return Err(format!("there is no filter for `{function}`")) };
    let name = column(first, side, ends)?.0;
    let ExprKind::Text(text) = &bare(second).kind else { return Err(format!("`{function}` needs a fixed text")) };
    let (odata, before, after) = match function {
        "starts_with" => ("startswith", "", "*"),
        "ends_with" => ("endswith", "*", ""),
        "contains" => ("contains", "*", "*"),
        _ => return Err(format!("there is no filter for `{function}`")),
    };
    Ok(match side {
        Side::Left => format!("({name} like \"{before}{text}{after}\")"),
        Side::Right => format!("{odata}({name}, '{}')", text.replace('\'', "''")),
    })
}
