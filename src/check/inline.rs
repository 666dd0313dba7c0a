//! Functions that a file defines: a call becomes the function's body with the arguments in it.

use super::expr::Typed;
use super::fit::{self, Fit};
use super::scope::Scope;
use crate::change::Side;
use crate::diag::{Diagnostic, codes};
use crate::ir::Expr;
use crate::schema::kinds;
use crate::source::Span;
use crate::syntax::ast::{self, ExprKind, TypeKind};
use crate::value::Value;

/// Most calls inside calls; functions do not call themselves.
const DEPTH_MAX: u32 = 8;

impl Scope<'_, '_> {
    /// The call of a function that a file defines.
    pub fn inline(&mut self, side: Side, function: &ast::Function, arguments: &[ast::Expr], span: Span) -> Option<Typed> {
        let name = &function.name.text;
        if arguments.len() != function.parameters.len() {
            let message = format!("`{name}` takes {} arguments, not {}", function.parameters.len(), arguments.len());
            let diagnostic = Diagnostic::new(codes::SYNTAX, span, message, "this call");
            self.report(diagnostic.because(function.name.span, "defined here"));
            return None;
        }
        if self.depth >= DEPTH_MAX {
            let message = format!("`{name}` is called within itself, or functions call each other too deep");
            self.error(codes::SYNTAX, function.name.span, message, "functions do not recur");
            return None;
        }
        let mut lifted = Vec::new();
        for (parameter, argument) in function.parameters.iter().zip(arguments) {
            let typed = self.lower(side, argument, None)?;
            self.takes(parameter, &typed)?;
            lifted.push(typed);
        }
        let body = substitute(&function.body, &function.parameters, arguments);
        self.depth += 1;
        let lowered = self.lower(side, &body, None);
        self.depth -= 1;
        let lowered = lowered?;
        let nullable: Vec<&Typed> = lifted.iter().filter(|it| it.nullable).collect();
        let expr = nullable.iter().fold(lowered.expr, |body, argument| Expr::If {
            condition: Expr::Call { function: "is_null".to_owned(), arguments: vec![argument.expr.clone()] }.boxed(),
            then: Expr::Const(Value::Null).boxed(),
            otherwise: body.boxed(),
        });
        let nullable = lowered.nullable || !nullable.is_empty();
        // What can fail is shown where the function is called: there stands the rule that needs the `else`.
        let partial = if lowered.partial.is_empty() { Vec::new() } else { vec![span] };
        Some(Typed { expr, nullable, span, partial, ..lowered })
    }

    /// Lengths and digits of the argument are kept: the body is checked with them, so only the family must be right.
    fn takes(&mut self, parameter: &ast::Parameter, argument: &Typed) -> Option<()> {
        let TypeKind::Named { path, arguments } = &parameter.ty.kind else { return Some(()) };
        let Some(kind) = kinds::built_in(&path.to_string(), arguments) else { return Some(()) };
        if argument.is_null() || fit::fit(&argument.kind, &kind) != Fit::Never {
            return Some(());
        }
        self.mismatch(argument.span, &argument.kind, &kind, &fit::bridges(&argument.kind, &kind));
        None
    }
}

/// The body with the arguments in the places of the parameters.
fn substitute(expr: &ast::Expr, parameters: &[ast::Parameter], arguments: &[ast::Expr]) -> ast::Expr {
    let inner = |it: &ast::Expr| substitute(it, parameters, arguments);
    let boxed = |it: &ast::Expr| Box::new(inner(it));
    let all = |list: &[ast::Expr]| list.iter().map(inner).collect::<Vec<_>>();
    let kind = match &expr.kind {
        ExprKind::Path(path) if path.segments.len() == 1 => {
            let index = parameters.iter().position(|it| it.name.text == path.segments[0].text);
            return index.map_or_else(|| expr.clone(), |it| arguments[it].clone());
        }
        ExprKind::Null | ExprKind::Bool(_) | ExprKind::Number(_) | ExprKind::Text(_) | ExprKind::Path(_) => expr.kind.clone(),
        ExprKind::Call { function, arguments } => ExprKind::Call { function: function.clone(), arguments: all(arguments) },
        ExprKind::Unary { op, operand } => ExprKind::Unary { op: *op, operand: boxed(operand) },
        ExprKind::Binary { op, op_span, left, right } => {
            ExprKind::Binary { op: *op, op_span: *op_span, left: boxed(left), right: boxed(right) }
        }
        ExprKind::In { operand, set } => ExprKind::In { operand: boxed(operand), set: boxed(set) },
        ExprKind::If { condition, then, otherwise } => {
            ExprKind::If { condition: boxed(condition), then: boxed(then), otherwise: boxed(otherwise) }
        }
        ExprKind::Tuple(parts) => ExprKind::Tuple(all(parts)),
        ExprKind::Set(parts) => ExprKind::Set(all(parts)),
        ExprKind::Group(it) => ExprKind::Group(boxed(it)),
    };
    ast::Expr { kind, span: expr.span }
}
