//! The names that stand in expressions.

use crate::syntax::ast::{self, ExprKind};

/// Every path that an expression names; what stands in a written set is a value, not a field.
pub fn paths<'e>(expr: &'e ast::Expr, out: &mut Vec<&'e ast::Path>) {
    let (mut found, mut sets) = (Vec::new(), Vec::new());
    visit(expr, &mut |it| match &it.kind {
        ExprKind::Path(path) => found.push(path),
        ExprKind::Set(_) => sets.push(it.span.range()),
        _ => {}
    });
    out.extend(found.into_iter().filter(|path| !sets.iter().any(|it| it.contains(&path.span.range().start))));
}

/// The expression and everything in it.
pub fn visit<'e>(expr: &'e ast::Expr, see: &mut dyn FnMut(&'e ast::Expr)) {
    see(expr);
    match &expr.kind {
        ExprKind::Path(_) | ExprKind::Null | ExprKind::Bool(_) | ExprKind::Number(_) | ExprKind::Text(_) => {}
        ExprKind::Call { arguments, .. } | ExprKind::Tuple(arguments) | ExprKind::Set(arguments) => {
            for it in arguments {
                visit(it, see);
            }
        }
        ExprKind::Unary { operand, .. } | ExprKind::Group(operand) => visit(operand, see),
        ExprKind::In { operand, set } => {
            visit(operand, see);
            visit(set, see);
        }
        ExprKind::Binary { left, right, .. } => {
            visit(left, see);
            visit(right, see);
        }
        ExprKind::If { condition, then, otherwise } => {
            for it in [condition, then, otherwise] {
                visit(it, see);
            }
        }
    }
}
