//! Expressions and types.

use std::sync::LazyLock;

use pest::iterators::Pair;
use pest::pratt_parser::{Assoc, Op, PrattParser};

use super::{Builder, Rule, unescape};
use crate::syntax::ast::{BinaryOp, Expr, ExprKind, Type, TypeKind, UnaryOp};

/// From the loosest to the tightest.
static PRECEDENCE: LazyLock<PrattParser<Rule>> = LazyLock::new(|| {
    let left = |rule| Op::infix(rule, Assoc::Left);
    PrattParser::new()
        .op(left(Rule::kw_or))
        .op(left(Rule::kw_and))
        .op(Op::prefix(Rule::kw_not))
        .op(left(Rule::equal)
            | left(Rule::not_equal)
            | left(Rule::less)
            | left(Rule::less_equal)
            | left(Rule::greater)
            | left(Rule::greater_equal)
            | left(Rule::kw_in))
        .op(Op::infix(Rule::coalesce, Assoc::Right))
        .op(left(Rule::concat))
        .op(left(Rule::add) | left(Rule::subtract))
        .op(left(Rule::multiply) | left(Rule::divide))
        .op(Op::prefix(Rule::negate))
});

impl Builder {
    pub(super) fn expr(self, pair: Pair<'_, Rule>) -> Expr {
        PRECEDENCE
            .map_primary(|it| self.primary(it))
            .map_prefix(|op, operand| {
                let span = self.span(&op).to(operand.span);
                let op = if op.as_rule() == Rule::kw_not { UnaryOp::Not } else { UnaryOp::Negate };
                Expr { kind: ExprKind::Unary { op, operand: Box::new(operand) }, span }
            })
            .map_infix(|left, op, right| self.infix(left, &op, right))
            .parse(pair.into_inner())
    }

    fn infix(self, left: Expr, op: &Pair<'_, Rule>, right: Expr) -> Expr {
        let span = left.span.to(right.span);
        let (left, right) = (Box::new(left), Box::new(right));
        let binary = match op.as_rule() {
            Rule::kw_in => return Expr { kind: ExprKind::In { operand: left, set: right }, span },
            Rule::kw_or => BinaryOp::Or,
            Rule::kw_and => BinaryOp::And,
            Rule::equal => BinaryOp::Equal,
            Rule::not_equal => BinaryOp::NotEqual,
            Rule::less => BinaryOp::Less,
            Rule::less_equal => BinaryOp::LessEqual,
            Rule::greater => BinaryOp::Greater,
            Rule::greater_equal => BinaryOp::GreaterEqual,
            Rule::coalesce => BinaryOp::Coalesce,
            Rule::concat => BinaryOp::Concat,
            Rule::add => BinaryOp::Add,
            Rule::subtract => BinaryOp::Subtract,
            Rule::multiply => BinaryOp::Multiply,
            Rule::divide => BinaryOp::Divide,
            other => unreachable!("{other:?} is no infix operator of the grammar"),
        };
        Expr { kind: ExprKind::Binary { op: binary, op_span: self.span(op), left, right }, span }
    }

    fn primary(self, pair: Pair<'_, Rule>) -> Expr {
        let span = self.span(&pair);
        let kind = match pair.as_rule() {
            Rule::string => ExprKind::Text(unescape(pair.as_str())),
            Rule::number => ExprKind::Number(pair.as_str().to_owned()),
            Rule::kw_null => ExprKind::Null,
            Rule::kw_true => ExprKind::Bool(true),
            Rule::kw_false => ExprKind::Bool(false),
            Rule::path => ExprKind::Path(self.path(pair)),
            Rule::call => {
                let mut parts = pair.into_inner();
                let function = self.path(parts.next().expect("a call begins with its function"));
                let arguments = parts.next().map_or_else(Vec::new, |it| self.exprs(it));
                ExprKind::Call { function, arguments }
            }
            Rule::set => ExprKind::Set(self.exprs(pair)),
            Rule::paren => {
                let mut parts = self.exprs(pair);
                if parts.len() == 1 { ExprKind::Group(Box::new(parts.remove(0))) } else { ExprKind::Tuple(parts) }
            }
            Rule::conditional => {
                let mut parts = pair.into_inner().filter(|it| it.as_rule() == Rule::expr).map(|it| Box::new(self.expr(it)));
                let mut part = || parts.next().expect("a condition has three parts");
                ExprKind::If { condition: part(), then: part(), otherwise: part() }
            }
            other => unreachable!("{other:?} is no primary expression of the grammar"),
        };
        Expr { kind, span }
    }

    pub(super) fn exprs(self, pair: Pair<'_, Rule>) -> Vec<Expr> {
        pair.into_inner().filter(|it| it.as_rule() == Rule::expr).map(|it| self.expr(it)).collect()
    }

    pub(super) fn ty(self, pair: Pair<'_, Rule>) -> Type {
        let span = self.span(&pair);
        let mut parts = pair.into_inner();
        let kind = self.type_kind(parts.next().expect("a type has a kind"));
        Type { kind, nullable: parts.next().is_some(), span }
    }

    fn type_kind(self, pair: Pair<'_, Rule>) -> TypeKind {
        match pair.as_rule() {
            Rule::lookup_type => {
                TypeKind::Lookup(pair.into_inner().filter(|it| it.as_rule() == Rule::path).map(|it| self.path(it)).collect())
            }
            Rule::set_type => {
                let inner = pair.into_inner().find(|it| it.as_rule() == Rule::ty).expect("a set has a type");
                TypeKind::Set(Box::new(self.ty(inner)))
            }
            Rule::member_type => {
                let mut parts = pair.into_inner();
                let word = self.name(parts.next().expect("a member set begins with its word"));
                let member = |it: Pair<'_, Rule>| {
                    let mut parts = it.into_inner();
                    let name = self.name(parts.next().expect("a member has a name"));
                    (name, parts.next().map(|it| self.expr(it)))
                };
                TypeKind::Members { word, members: parts.map(member).collect() }
            }
            Rule::named_type => {
                let mut parts = pair.into_inner();
                let path = self.path(parts.next().expect("a type has a name"));
                // A number too large for any type is as wrong as zero, and is reported where types are checked.
                TypeKind::Named { path, arguments: parts.map(|it| it.as_str().parse().unwrap_or(u32::MAX)).collect() }
            }
            other => unreachable!("{other:?} is no type of the grammar"),
        }
    }
}
