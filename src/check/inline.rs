//! Functions that a file defines: a call becomes the function's body, which knows its parameters and nothing else.

use super::expr::Typed;
use super::fit::{self, Fit};
use super::lens::{Given, Split, Writes};
use super::names::World;
use super::scope::Scope;
use crate::change::Side;
use crate::diag::{Diagnostic, codes};
use crate::interp;
use crate::ir::{Compare, Expr};
use crate::schema::kinds;
use crate::source::Span;
use crate::syntax::ast::{self, TypeKind};
use crate::value::{Kind, Value};

/// Most calls inside calls; functions do not call themselves.
const DEPTH_MAX: u32 = 8;

/// Most parts that functions may add to the expressions of one rule.
pub const EXPRESSION_SIZE_MAX: usize = 10_000;

/// How often the value of an `iso` with a range stands in what is made of it, beside once.
const RANGE_COPIES: usize = 2;

/// The kind that a declared type stands for, where it is one that values of several systems can have.
pub fn declared(world: &World<'_>, ty: &ast::Type) -> Option<Kind> {
    let TypeKind::Named { path, arguments } = &ty.kind else { return None };
    match path.segments.as_slice() {
        [name] => kinds::built_in(&name.text, arguments),
        [system, name] => world.systems.get(&system.text)?.schema.enums.get(&name.text).map(|it| Kind::Enum(it.clone())),
        _ => None,
    }
}

/// Within the range of an `iso`, both ends included.
pub fn is_within(range: Option<&(Value, Value)>, value: &Value) -> bool {
    range.is_none_or(|(low, high)| {
        interp::to_decimal(value) >= interp::to_decimal(low) && interp::to_decimal(value) <= interp::to_decimal(high)
    })
}

impl Scope<'_, '_> {
    /// The call of a function that a file defines.
    pub fn inline(
        &mut self,
        side: Side,
        key: &str,
        function: &ast::Function,
        arguments: &[ast::Expr],
        span: Span,
    ) -> Option<Typed> {
        let lifted =
            self.arguments(side, key, &function.name, &function.parameters.iter().collect::<Vec<_>>(), arguments, span)?;
        let locals = function.parameters.iter().zip(&lifted).map(|(it, typed)| (it.name.text.clone(), typed.clone())).collect();
        let lowered = self.body(side, &function.name, &function.body, locals)?;
        self.null_for_null(lowered, &lifted, span)
    }

    /// The call of the first half of an `iso`.
    pub fn inline_iso(&mut self, side: Side, key: &str, iso: &ast::Iso, arguments: &[ast::Expr], span: Span) -> Option<Typed> {
        let lifted = self.arguments(side, key, &iso.name, &[&iso.parameter], arguments, span)?;
        let locals = vec![(iso.parameter.name.text.clone(), lifted[0].clone())];
        let lowered = self.body(side, &iso.name, &iso.forward, locals)?;
        let target = declared(self.world, &iso.target)?;
        let ranged = self.ranged(iso, lowered, &target)?;
        self.null_for_null(ranged, &lifted, span)
    }

    /// The value in the kind of the `iso`'s other half; outside of its range there is none.
    fn ranged(&mut self, iso: &ast::Iso, value: Typed, target: &Kind) -> Option<Typed> {
        let mut out = value;
        if fit::fit(&out.kind, target) != Fit::Same {
            if matches!(fit::fit(&out.kind, target), Fit::Narrow(_)) {
                out.partial.push(out.span);
            }
            out.expr = Expr::Convert { to: target.clone(), operand: out.expr.boxed() };
            out.kind = target.clone();
        }
        if let Some((low, high)) = range(iso, target) {
            for _ in 0..RANGE_COPIES {
                self.grown(&out.expr, out.span).then_some(())?;
            }
            out.partial.push(out.span);
            let compare =
                |op, with: Value| Expr::Compare { op, left: out.expr.clone().boxed(), right: Expr::Const(with).boxed() };
            let is_low = compare(Compare::Less, low.clone());
            let is_high = compare(Compare::Greater, high.clone());
            // There is no expression that only fails; this text is no value of the kind, and says why.
            let why = format!("a value outside the range {low} ..= {high} of {}", iso.name.text);
            let fails = Expr::Convert { to: target.clone(), operand: Expr::Const(Value::text(why)).boxed() };
            let condition = Expr::Or(is_low.boxed(), is_high.boxed()).boxed();
            out.expr = Expr::If { condition, then: fails.boxed(), otherwise: out.expr.boxed() };
        }
        Some(out)
    }

    /// Writing through an `iso` is its second half.
    pub fn write_iso(&mut self, side: Side, iso: &ast::Iso, argument: &ast::Expr, given: Given, split: Split) -> Option<Writes> {
        let (target, kind) = declared(self.world, &iso.target).zip(declared(self.world, &iso.parameter.ty))?;
        let (nullable, span) = (given.nullable, given.span);
        let expr = self.fit_into(side, given, &target, None)?;
        let it = Typed { expr, kind: target.clone(), nullable, constant: None, partial: Vec::new(), span };
        let it = self.ranged(iso, it, &target)?;
        let partial = it.partial.clone();
        let back = self.body(side, &iso.name, &iso.backward, vec![("it".to_owned(), Typed { partial: Vec::new(), ..it })])?;
        if !partial.is_empty() || !back.partial.is_empty() {
            self.may_fail(side, span, &format!("not every value can be taken back through `{}`", iso.name.text));
        }
        let own = Given { expr: back.expr, kind: back.kind, nullable, span };
        let expr = self.fit_into(side, own, &kind, None)?;
        self.writers(side, argument, Given { expr, kind, nullable, span }, split)
    }

    fn arguments(
        &mut self,
        side: Side,
        key: &str,
        name: &ast::Name,
        parameters: &[&ast::Parameter],
        arguments: &[ast::Expr],
        span: Span,
    ) -> Option<Vec<Typed>> {
        if self.world.broken.contains(key) {
            // What is wrong with the function was reported where it stands.
            self.is_wrong = true;
            return None;
        }
        if arguments.len() != parameters.len() {
            let names: Vec<String> = parameters.iter().map(|it| it.name.text.clone()).collect();
            let message = format!("`{}` takes {} arguments, not {}", name.text, parameters.len(), arguments.len());
            let diagnostic = Diagnostic::new(codes::SYNTAX, span, message, "this call").because(name.span, "defined here");
            self.report(diagnostic.advice(format!("write `{}({})`", name.text, names.join(", "))));
            return None;
        }
        let mut out = Vec::new();
        for (parameter, argument) in parameters.iter().zip(arguments) {
            let typed = self.lower(side, argument, None)?;
            out.push(self.taken(side, parameter, typed)?);
        }
        Some(out)
    }

    pub fn body(&mut self, side: Side, name: &ast::Name, body: &ast::Expr, locals: Vec<(String, Typed)>) -> Option<Typed> {
        if self.depth >= DEPTH_MAX {
            let message = format!("`{}` is called within itself, or functions call each other too deep", name.text);
            self.error(codes::SYNTAX, name.span, message, "functions do not recur");
            return None;
        }
        let outer = self.locals.replace(locals);
        self.depth += 1;
        let lowered = self.lower(side, body, None);
        self.depth -= 1;
        self.locals = outer;
        lowered
    }

    /// Own functions give null for null, as those of the library do. What can fail is shown at the call: there stands the rule
    /// that needs the `else`.
    fn null_for_null(&mut self, body: Typed, arguments: &[Typed], span: Span) -> Option<Typed> {
        let nullable: Vec<&Typed> = arguments.iter().filter(|it| it.nullable).collect();
        let mut expr = body.expr;
        for argument in &nullable {
            self.grown(&argument.expr, span).then_some(())?;
            expr = Expr::If {
                condition: Expr::Call { function: "is_null".to_owned(), arguments: vec![argument.expr.clone()] }.boxed(),
                then: Expr::Const(Value::Null).boxed(),
                otherwise: expr.boxed(),
            };
        }
        let partial = if body.partial.is_empty() { Vec::new() } else { vec![span] };
        let nullable = body.nullable || !nullable.is_empty();
        Some(Typed { expr, nullable, span, partial, kind: body.kind, constant: body.constant })
    }

    /// A part is put into the expression once more. Functions that use what they are given several times, called in one another,
    /// double it each time; past [`EXPRESSION_SIZE_MAX`] this is an error, and `false`.
    pub fn grown(&mut self, part: &Expr, span: Span) -> bool {
        let before = self.grown;
        self.grown += size(part, EXPRESSION_SIZE_MAX);
        if self.grown <= EXPRESSION_SIZE_MAX {
            return true;
        }
        self.is_wrong = true;
        if before <= EXPRESSION_SIZE_MAX {
            let message = format!("with all functions in their places this has more than {EXPRESSION_SIZE_MAX} parts");
            let diagnostic = Diagnostic::new(codes::SYNTAX, span, message, "one use too many");
            self.report(diagnostic.advice("use the parameter less often, or call fewer functions within one another"));
        }
        false
    }

    /// The argument as the parameter declares it. One that may not fit needs the rule's `else`, like every value that may not.
    fn taken(&mut self, side: Side, parameter: &ast::Parameter, argument: Typed) -> Option<Typed> {
        let Some(kind) = declared(self.world, &parameter.ty) else { return Some(argument) };
        if argument.is_null() {
            return Some(argument);
        }
        match fit::fit(&argument.kind, &kind) {
            Fit::Same => Some(argument),
            Fit::Narrow(code) if code == codes::DATE_LOSS || !self.has_else(side.other()) => {
                let source = self.text(argument.span).to_owned();
                let message = format!("`{source}` may not fit the parameter `{}` (`{kind}`)", parameter.name.text);
                let mut diagnostic = Diagnostic::new(code, argument.span, message, format!("this is `{}`", argument.kind))
                    .because(parameter.name.span, "declared here");
                if let (Some(end), true) = (self.rule_end(), code != codes::DATE_LOSS) {
                    diagnostic = diagnostic.replace("add `else reject`", end, "   else reject", false);
                }
                self.report(diagnostic);
                None
            }
            Fit::Converted | Fit::Narrow(_) => {
                let expr = Expr::Convert { to: kind.clone(), operand: argument.expr.clone().boxed() };
                Some(Typed { expr, kind, ..argument })
            }
            Fit::Never => {
                self.mismatch(argument.span, &argument.kind, &kind, &fit::bridges(&argument.kind, &kind));
                None
            }
        }
    }
}

/// The declared range of an `iso`, as values of its target.
pub fn range(iso: &ast::Iso, target: &Kind) -> Option<(Value, Value)> {
    let bound = |it: &ast::Expr| match &super::expr::bare(it).kind {
        ast::ExprKind::Number(digits) => interp::convert(target, &Value::text(digits)).ok(),
        ast::ExprKind::Unary { op: ast::UnaryOp::Negate, operand } => match &super::expr::bare(operand).kind {
            ast::ExprKind::Number(digits) => interp::convert(target, &Value::text(format!("-{digits}"))).ok(),
            _ => None,
        },
        _ => None,
    };
    let (low, high) = iso.range.as_ref()?;
    bound(low).zip(bound(high))
}

/// Parts of an expression; counting ends above `max`.
fn size(expr: &Expr, max: usize) -> usize {
    let mut out = 1;
    for operand in expr.operands() {
        if out > max {
            break;
        }
        out += size(operand, max - out.min(max));
    }
    out
}
