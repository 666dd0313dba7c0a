//! Expressions over one side's record: names to slots and members, operators and functions with their kinds.

use std::sync::Arc;

use super::fit::{self, DIGITS_MAX, bridges, is_number, join};
use super::names::unknown;
use super::premise::Premise;
use super::scope::Scope;
use crate::change::Side;
use crate::diag::{Diagnostic, codes};
use crate::functions::{self, Function};
use crate::interp;
use crate::ir::{Compare, Expr, Math};
use crate::source::Span;
use crate::syntax::ast::{self, BinaryOp, ExprKind, UnaryOp};
use crate::value::{Decimal, EnumType, Kind, Value};

/// Digits after the point that a division may give.
const QUOTIENT_SCALE: u8 = 18;

/// A lowered expression and what is known of its value.
#[derive(Clone, Debug)]
pub struct Typed {
    pub expr: Expr,
    pub kind: Kind,
    pub nullable: bool,
    /// Its value where that does not depend on the record. A literal null has the kind that was expected.
    pub constant: Option<Value>,
    /// Operations in it that can fail.
    pub partial: Vec<Span>,
    pub span: Span,
}

impl Typed {
    pub fn constant(value: Value, kind: Kind, span: Span) -> Self {
        Self {
            expr: Expr::Const(value.clone()),
            kind,
            nullable: !value.is_value(),
            constant: Some(value),
            partial: Vec::new(),
            span,
        }
    }

    fn computed(expr: Expr, kind: Kind, operands: &[&Typed], span: Span) -> Self {
        let nullable = operands.iter().any(|it| it.nullable);
        let partial = operands.iter().flat_map(|it| it.partial.iter().copied()).collect();
        Self { expr, kind, nullable, constant: None, partial, span }
    }

    fn condition(expr: Expr, operands: &[&Typed], span: Span) -> Self {
        Self { nullable: false, ..Self::computed(expr, Kind::Bool, operands, span) }
    }

    pub fn is_null(&self) -> bool {
        self.constant == Some(Value::Null)
    }

    /// The expression, for a larger one to hold: a copy at every level of a long chain would cost its square.
    fn take(&mut self) -> Expr {
        std::mem::replace(&mut self.expr, Expr::It)
    }
}

/// Without the parentheses that group one expression.
pub fn bare(expr: &ast::Expr) -> &ast::Expr {
    match &expr.kind {
        ExprKind::Group(inner) => bare(inner),
        _ => expr,
    }
}

/// The one word of a path.
pub fn single(expr: &ast::Expr) -> Option<&str> {
    match &bare(expr).kind {
        ExprKind::Path(path) if path.segments.len() == 1 => Some(&path.segments[0].text),
        _ => None,
    }
}

impl Scope<'_, '_> {
    /// The expression on this side. `None`: something in it is wrong, and that was reported.
    pub fn lower(&mut self, side: Side, expr: &ast::Expr, expected: Option<&Kind>) -> Option<Typed> {
        let span = expr.span;
        match &expr.kind {
            ExprKind::Null => Some(Typed::constant(Value::Null, expected.cloned().unwrap_or(Kind::Text { max: None }), span)),
            ExprKind::Bool(it) => Some(Typed::constant(Value::Bool(*it), Kind::Bool, span)),
            ExprKind::Number(digits) => self.number(digits, expected, span),
            ExprKind::Text(text) => self.literal_text(text, expected, span),
            ExprKind::Path(path) => self.path(side, path, expected),
            ExprKind::Call { function, arguments } => self.call(side, function, arguments, span),
            ExprKind::Unary { op: UnaryOp::Not, operand } => {
                let mut operand = self.condition(side, operand)?;
                Some(Typed::condition(Expr::Not(operand.take().boxed()), &[&operand], span))
            }
            ExprKind::Unary { op: UnaryOp::Negate, operand } => self.negate(side, operand, expected, span),
            ExprKind::Binary { op, op_span, left, right } => self.binary(side, *op, *op_span, left, right, expected, span),
            ExprKind::In { operand, set } => self.membership(side, operand, set, span),
            ExprKind::If { condition, then, otherwise } => self.choice(side, condition, [then, otherwise], expected, span),
            ExprKind::Group(inner) => self.lower(side, inner, expected),
            ExprKind::Tuple(_) | ExprKind::Set(_) => {
                let message = "a tuple or a set is no single value";
                let diagnostic = Diagnostic::new(codes::SYNTAX, span, message, "one value is needed here");
                self.report(diagnostic.advice("tuples stand on both ends of a rule, sets behind `in`"));
                None
            }
        }
    }

    /// A condition: yes or no.
    pub fn condition(&mut self, side: Side, expr: &ast::Expr) -> Option<Typed> {
        let typed = self.lower(side, expr, Some(&Kind::Bool))?;
        if typed.kind == Kind::Bool {
            return Some(typed);
        }
        self.mismatch(expr.span, &typed.kind, &Kind::Bool, &["X == …", "is_null(X)"]);
        None
    }

    /// A value that no record is needed for, in the form of the kind.
    pub fn constant(&mut self, side: Side, expr: &ast::Expr, kind: &Kind) -> Option<Value> {
        let typed = self.lower(side, expr, Some(kind))?;
        if typed.constant.is_none() {
            let diagnostic =
                Diagnostic::new(codes::SYNTAX, expr.span, "a fixed value is needed here", "this depends on the record");
            self.report(diagnostic.advice("write a text, a number, `true`, `false`, `null` or a member"));
            return None;
        }
        self.fold(typed, kind)?.constant
    }

    /// A constant in the form of the kind; everything else stays as it is.
    pub fn fold(&mut self, typed: Typed, kind: &Kind) -> Option<Typed> {
        let Some(value) = typed.constant.clone() else { return Some(typed) };
        if let (Kind::Enum(members), Value::Int(_) | Value::Text(_)) = (kind, &value)
            && members.by_value(&value).is_none()
            && !(members.open && matches!(value, Value::Int(_)))
        {
            let message = format!("{value} is no member of `{}`", members.name);
            let names = members.members.iter().map(|it| it.name.as_str()).collect::<Vec<_>>().join(", ");
            self.report(Diagnostic::new(codes::UNKNOWN_NAME, typed.span, message, "no such member").note("members", names));
            return None;
        }
        match (interp::convert(kind, &value), fit::fit(&typed.kind, kind)) {
            (Ok(value), _) if is_literal_for(&typed.kind, kind) => Some(Typed::constant(value, kind.clone(), typed.span)),
            (Err(_), fit::Fit::Narrow(code)) => {
                self.error(code, typed.span, format!("{value} does not fit `{kind}`"), "too large, too long or too exact");
                None
            }
            (Ok(_) | Err(_), _) => {
                self.mismatch(typed.span, &typed.kind, kind, &bridges(&typed.kind, kind));
                None
            }
        }
    }

    pub fn mismatch(&mut self, span: Span, found: &Kind, wanted: &Kind, bridges: &[&str]) {
        let message = format!("`{found}` and `{wanted}` have no common type");
        let mut diagnostic = Diagnostic::new(codes::NO_COMMON_TYPE, span, message, format!("this is `{found}`"));
        if !bridges.is_empty() {
            let list = bridges.iter().map(|it| format!("`{it}`")).collect::<Vec<_>>().join(", ");
            diagnostic = diagnostic.advice(format!("a bridge between them: {list}"));
        }
        self.report(diagnostic);
    }

    fn number(&mut self, digits: &str, expected: Option<&Kind>, span: Span) -> Option<Typed> {
        let Ok(decimal) = digits.parse::<Decimal>() else {
            self.error(codes::NARROWS, span, format!("`{digits}` has more digits than a number can hold"), "at most 38 digits");
            return None;
        };
        let typed = match decimal.to_int() {
            Some(whole) if !digits.contains('.') => {
                let kind = if i32::try_from(whole).is_ok() { Kind::Int32 } else { Kind::Int64 };
                Typed::constant(Value::Int(whole), kind, span)
            }
            Some(_) | None => {
                let scale = decimal.scale();
                let precision = (decimal.integer_digits() as u8).saturating_add(scale).clamp(1, DIGITS_MAX);
                Typed::constant(Value::Decimal(decimal), Kind::Decimal { precision, scale }, span)
            }
        };
        match expected {
            Some(kind @ Kind::Enum(_)) => self.fold(typed, kind),
            _ => Some(typed),
        }
    }

    fn literal_text(&mut self, text: &str, expected: Option<&Kind>, span: Span) -> Option<Typed> {
        let typed = Typed::constant(Value::text(text), Kind::Text { max: Some(interp::utf16_length(text) as u32) }, span);
        match expected {
            Some(kind @ (Kind::Date | Kind::DateTime | Kind::Time | Kind::Guid)) => self.fold(typed, kind),
            _ => Some(typed),
        }
    }

    /// A member of the expected set first, else a field.
    fn path(&mut self, side: Side, path: &ast::Path, expected: Option<&Kind>) -> Option<Typed> {
        let name = path.segments.last().expect("a path is never empty");
        if let Some(locals) = &self.locals
            && path.segments.len() == 1
            && let Some((_, typed)) = locals.iter().find(|(local, _)| *local == name.text)
        {
            let typed = typed.clone();
            return self.grown(&typed.expr, path.span).then_some(typed);
        }
        if self.world.params.contains_key(&self.world.project.key(path)) && !self.is_named_otherwise(side, name, expected) {
            return self.parameter(path);
        }
        if path.segments.len() > 1 {
            return self.qualified(side, path);
        }
        let members = match expected {
            Some(Kind::Enum(members)) => Some(members.clone()),
            _ => None,
        };
        let member = members.as_ref().and_then(|it| it.member(&name.text).map(|it| it.value.clone()));
        let is_field = self.sides[side].entity.fields.contains_key(&name.text);
        match (member, is_field) {
            (Some(_), true) => {
                let set = short_name(members.as_ref().expect("the member was found in it"));
                let message = format!("`{}` is a member of `{set}` and a field", name.text);
                let label = "which of the two is not clear";
                let diagnostic = Diagnostic::new(codes::UNKNOWN_NAME, name.span, message, label);
                let entity = &self.sides[side];
                let fix = format!("{set}.{}", name.text);
                let field = format!("{}.{}", entity.system.name, name.text);
                self.report(diagnostic.replace(format!("`{fix}` for the member"), name.span, fix, false).replace(
                    format!("`{field}` for the field"),
                    name.span,
                    field,
                    false,
                ));
                None
            }
            (Some(value), false) => {
                Some(Typed::constant(value, expected.cloned().expect("a member was found in the expected kind"), name.span))
            }
            (None, true) => Some(self.slot(side, &name.text, name.span)),
            (None, false) => {
                self.unknown_field(side, name, members.as_deref());
                None
            }
        }
    }

    /// A member that is expected and a field go before a parameter of the file.
    fn is_named_otherwise(&self, side: Side, name: &ast::Name, expected: Option<&Kind>) -> bool {
        let is_member = matches!(expected, Some(Kind::Enum(members)) if members.member(&name.text).is_some());
        is_member || (self.locals.is_none() && self.sides[side].entity.fields.contains_key(&name.text))
    }

    /// A parameter that holds one value.
    fn parameter(&mut self, path: &ast::Path) -> Option<Typed> {
        let param = &self.world.params[&self.world.project.key(path)];
        match param.values.as_deref() {
            Some([value]) if !param.is_set => Some(Typed::constant(value.clone(), param.kind.clone(), path.span)),
            Some(_) => {
                let diagnostic = Diagnostic::new(
                    codes::SYNTAX,
                    path.span,
                    format!("the parameter `{path}` is a set"),
                    "one value is needed here",
                );
                self.report(diagnostic.because(param.name, "declared here").advice(format!("write `X in {path}`")));
                None
            }
            // That it has no value was reported where it is declared.
            None => {
                self.is_wrong = true;
                None
            }
        }
    }

    fn unknown_field(&mut self, side: Side, name: &ast::Name, members: Option<&EnumType>) {
        if let Some(locals) = &self.locals {
            let names: Vec<String> = locals.iter().map(|(name, _)| name.clone()).collect();
            let diagnostic = unknown(
                "parameter",
                &name.text,
                name.span,
                names.iter().map(String::as_str),
                "the body knows its parameters only",
            );
            self.report(diagnostic);
            return;
        }
        let own = &self.sides[side];
        if own.system.is_unknown || own.system.has_broken(&own.entity.name, &name.text, own.entity) {
            self.is_wrong = true;
            return;
        }
        let source = own.system.source.clone();
        let fields = own.entity.fields.keys().map(String::as_str);
        let known: Vec<&str> =
            fields.chain(members.into_iter().flat_map(|it| it.members.iter().map(|it| it.name.as_str()))).collect();
        let what = if members.is_some() { "field or member" } else { "field" };
        let message = format!("`{}` has no {what} `{}`", own.entity.name, name.text);
        let label = source.map_or_else(|| "not declared".to_owned(), |it| format!("not in {it}"));
        let diagnostic = Diagnostic { message, ..unknown(what, &name.text, name.span, known, &label) };
        self.report(diagnostic);
    }

    /// A field of this side.
    pub fn slot(&mut self, side: Side, name: &str, span: Span) -> Typed {
        let slot = self.sides[side].fields.slot(name).expect("the caller saw the field in the entity");
        let field = self.field(side, slot).clone();
        let nullable = self.is_nullable(side, &field);
        Typed { expr: Expr::Slot(slot), kind: field.kind, nullable, constant: None, partial: Vec::new(), span }
    }

    /// `Enum.Member`, or `system.field` where a bare name is not clear.
    fn qualified(&mut self, side: Side, path: &ast::Path) -> Option<Typed> {
        let (name, owner) = path.segments.split_last().expect("the path has several segments");
        if owner.len() == 1 && owner[0].text == self.sides[side].system.name {
            if self.sides[side].entity.fields.contains_key(&name.text) {
                return Some(self.slot(side, &name.text, path.span));
            }
            self.unknown_field(side, name, None);
            return None;
        }
        let owner_text = owner.iter().map(|it| it.text.as_str()).collect::<Vec<_>>().join(".");
        let Some(members) = self.find_members(&owner_text) else {
            let names: Vec<String> = self.member_sets().iter().map(|it| short_name(it).to_owned()).collect();
            let span = owner[0].span.to(owner[owner.len() - 1].span);
            self.report(unknown("member set", &owner_text, span, names.iter().map(String::as_str), "no enum has this name"));
            return None;
        };
        match members.member(&name.text) {
            Some(member) => Some(Typed::constant(member.value.clone(), Kind::Enum(members.clone()), path.span)),
            None => {
                let known = members.members.iter().map(|it| it.name.as_str());
                let label = format!("not in `{}`", members.name);
                self.report(unknown("member", &name.text, name.span, known, &label));
                None
            }
        }
    }

    fn member_sets(&self) -> Vec<Arc<EnumType>> {
        let mut out = Vec::new();
        for side in Side::BOTH {
            let own = &self.sides[side];
            out.extend(own.system.schema.enums.values().cloned());
            out.extend(own.entity.fields.values().filter_map(|it| match &it.kind {
                Kind::Enum(members) => Some(members.clone()),
                _ => None,
            }));
        }
        out
    }

    fn find_members(&self, name: &str) -> Option<Arc<EnumType>> {
        let sets = self.member_sets();
        let plain = name.split_once('.').filter(|(system, _)| self.side_of(system).is_some()).map_or(name, |(_, rest)| rest);
        sets.iter().find(|it| it.name == plain).or_else(|| sets.iter().find(|it| short_name(it) == plain)).cloned()
    }

    fn negate(&mut self, side: Side, operand: &ast::Expr, expected: Option<&Kind>, span: Span) -> Option<Typed> {
        if let ExprKind::Number(digits) = &bare(operand).kind {
            return self.number(&format!("-{digits}"), expected, span);
        }
        let operand = self.lower(side, operand, None)?;
        let mut operand = self.numeric(operand)?;
        let zero = Expr::Const(Value::Int(0)).boxed();
        let expr = Expr::Math { op: Math::Subtract, left: zero, right: operand.take().boxed() };
        Some(Typed::computed(expr, operand.kind.clone(), &[&operand], span))
    }

    fn numeric(&mut self, typed: Typed) -> Option<Typed> {
        if is_number(&typed.kind) || typed.is_null() {
            return Some(typed);
        }
        let message = format!("a number is needed here, not `{}`", typed.kind);
        let diagnostic = Diagnostic::new(codes::NO_COMMON_TYPE, typed.span, message, format!("this is `{}`", typed.kind));
        self.report(diagnostic.advice("a bridge between them: `int(…)`, `decimal(…, places)`"));
        None
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one node")]
    fn binary(
        &mut self,
        side: Side,
        op: BinaryOp,
        op_span: Span,
        left: &ast::Expr,
        right: &ast::Expr,
        expected: Option<&Kind>,
        span: Span,
    ) -> Option<Typed> {
        match op {
            BinaryOp::Or | BinaryOp::And => {
                let (mut left, mut right) = both(self.condition(side, left), self.condition(side, right))?;
                let (a, b) = (left.take().boxed(), right.take().boxed());
                let expr = if op == BinaryOp::Or { Expr::Or(a, b) } else { Expr::And(a, b) };
                Some(Typed::condition(expr, &[&left, &right], span))
            }
            BinaryOp::Equal => self.compare(side, Compare::Equal, left, right, span),
            BinaryOp::NotEqual => self.compare(side, Compare::NotEqual, left, right, span),
            BinaryOp::Less => self.compare(side, Compare::Less, left, right, span),
            BinaryOp::LessEqual => self.compare(side, Compare::LessEqual, left, right, span),
            BinaryOp::Greater => self.compare(side, Compare::Greater, left, right, span),
            BinaryOp::GreaterEqual => self.compare(side, Compare::GreaterEqual, left, right, span),
            BinaryOp::Coalesce => self.coalesce(side, left, right, expected, span),
            BinaryOp::Concat => self.concat(side, left, right, span),
            BinaryOp::Add => self.math(side, Math::Add, op_span, left, right, span),
            BinaryOp::Subtract => self.math(side, Math::Subtract, op_span, left, right, span),
            BinaryOp::Multiply => self.math(side, Math::Multiply, op_span, left, right, span),
            BinaryOp::Divide => self.math(side, Math::Divide, op_span, left, right, span),
        }
    }

    /// Both operands in one kind. The one that names a field comes first, so that the other can be a bare member.
    fn pair(&mut self, side: Side, left: &ast::Expr, right: &ast::Expr, expected: Option<&Kind>) -> Option<(Typed, Typed, Kind)> {
        let is_field = |it: &ast::Expr| single(it).is_some_and(|it| self.sides[side].entity.fields.contains_key(it));
        let right_first = single(left).is_some() && !is_field(left) && expected.is_none();
        let (mut left, mut right) = if right_first {
            let right = self.lower(side, right, None)?;
            (self.lower(side, left, Some(&right.kind))?, right)
        } else {
            let left = self.lower(side, left, expected)?;
            let right = self.lower(side, right, Some(&left.kind))?;
            (left, right)
        };
        if left.is_null() || right.is_null() {
            let kind = if left.is_null() { right.kind.clone() } else { left.kind.clone() };
            return Some((left, right, kind));
        }
        // A literal takes the form of the other operand where it can: `customertypecode == 3`.
        if left.constant.is_none() && !is_number(&left.kind) && !matches!(left.kind, Kind::Text { .. }) {
            right = self.fold(right, &left.kind)?;
        } else if right.constant.is_none() && !is_number(&right.kind) && !matches!(right.kind, Kind::Text { .. }) {
            left = self.fold(left, &right.kind)?;
        }
        match join(&left.kind, &right.kind) {
            Some(kind) => Some((left, right, kind)),
            None => {
                let found = bridges(&right.kind, &left.kind);
                self.mismatch(right.span, &right.kind, &left.kind, &found);
                None
            }
        }
    }

    fn compare(&mut self, side: Side, op: Compare, left: &ast::Expr, right: &ast::Expr, span: Span) -> Option<Typed> {
        let (mut left, mut right, _) = self.pair(side, left, right, None)?;
        let expr = Expr::Compare { op, left: left.take().boxed(), right: right.take().boxed() };
        Some(Typed::condition(expr, &[&left, &right], span))
    }

    /// `a ?? b`. Where a store holds null as `""`, the empty text is null too.
    fn coalesce(
        &mut self,
        side: Side,
        left: &ast::Expr,
        right: &ast::Expr,
        expected: Option<&Kind>,
        span: Span,
    ) -> Option<Typed> {
        let (mut first, mut second, kind) = self.pair(side, left, right, expected)?;
        let is_blank_null = matches!(first.expr, Expr::Slot(_)) && self.is_blank_null(side, &first.kind);
        if !first.nullable && !is_blank_null {
            let message = format!("`{}` is never null, so this default is never used", self.text(first.span));
            self.error(codes::UNREACHABLE, second.span, message, "never used");
        }
        let expr = if is_blank_null {
            Expr::If {
                condition: self.or_blank(side, &first.expr).boxed(),
                then: second.take().boxed(),
                otherwise: first.take().boxed(),
            }
        } else {
            Expr::Coalesce(first.take().boxed(), second.take().boxed())
        };
        Some(Typed { nullable: second.nullable, ..Typed::computed(expr, kind, &[&first, &second], span) })
    }

    fn concat(&mut self, side: Side, left: &ast::Expr, right: &ast::Expr, span: Span) -> Option<Typed> {
        let (mut left, mut right) = both(self.textual(side, left), self.textual(side, right))?;
        let length = |it: &Typed| match &it.kind {
            Kind::Text { max } => *max,
            _ => None,
        };
        let mut max = length(&left).zip(length(&right)).map(|(a, b)| a.saturating_add(b));
        if !self.world.premises.hold(Premise::Sum) {
            max = length(&left).max(length(&right));
        }
        let mut parts = match left.take() {
            Expr::Concat(parts) => parts,
            other => vec![other],
        };
        match right.take() {
            Expr::Concat(more) => parts.extend(more),
            other => parts.push(other),
        }
        Some(Typed::computed(Expr::Concat(parts), Kind::Text { max }, &[&left, &right], span))
    }

    fn textual(&mut self, side: Side, expr: &ast::Expr) -> Option<Typed> {
        let typed = self.lower(side, expr, None)?;
        if matches!(typed.kind, Kind::Text { .. }) {
            return Some(typed);
        }
        let message = format!("`++` joins texts, and this is `{}`", typed.kind);
        let diagnostic = Diagnostic::new(codes::NO_COMMON_TYPE, expr.span, message, format!("this is `{}`", typed.kind));
        let fix = format!("text({})", self.text(expr.span));
        self.report(diagnostic.replace(format!("`{fix}`"), expr.span, fix, false));
        None
    }

    fn math(&mut self, side: Side, op: Math, op_span: Span, left: &ast::Expr, right: &ast::Expr, span: Span) -> Option<Typed> {
        let (left, right) = both(self.lower(side, left, None), self.lower(side, right, None))?;
        let is_text = |it: &Typed| matches!(it.kind, Kind::Text { .. }) && !it.is_null();
        if op == Math::Add
            && let Some(text) = [&left, &right].into_iter().find(|it| is_text(it))
        {
            let diagnostic = Diagnostic::new(codes::NO_COMMON_TYPE, op_span, "`+` adds numbers", "texts are joined by `++`");
            let diagnostic = diagnostic.because(text.span, format!("this is `{}`", text.kind));
            self.report(diagnostic.replace("`++`", op_span, "++", false));
            return None;
        }
        let (mut left, mut right) = both(self.numeric(left), self.numeric(right))?;
        if self.locals.is_none() {
            self.operands.extend([&left, &right].map(|it| (it.span, (it.kind.clone(), it.constant.clone()))));
        }
        let kind = math_kind(op, &left.kind, &right.kind);
        let expr = Expr::Math { op, left: left.take().boxed(), right: right.take().boxed() };
        let mut out = Typed::computed(expr, kind, &[&left, &right], span);
        let is_zero = |it: &Value| interp::to_decimal(it).is_none_or(Decimal::is_zero);
        if op == Math::Divide && right.constant.as_ref().is_none_or(is_zero) {
            out.partial.push(op_span);
        }
        if out.kind == Kind::Int64 && whole_digits(op, &left, &right) > INT64_SAFE_DIGITS {
            out.partial.push(op_span);
        }
        Some(out)
    }

    fn membership(&mut self, side: Side, operand: &ast::Expr, set: &ast::Expr, span: Span) -> Option<Typed> {
        let mut operand = self.lower(side, operand, None)?;
        let set = self.constants(side, set, &loose(&operand.kind))?;
        let expr = Expr::In { operand: operand.take().boxed(), set };
        Some(Typed::condition(expr, &[&operand], span))
    }

    /// The fixed values of a set.
    pub fn constants(&mut self, side: Side, set: &ast::Expr, kind: &Kind) -> Option<Vec<Value>> {
        if let ExprKind::Path(path) = &bare(set).kind
            && let Some(param) = self.world.params.get(&self.world.project.key(path)).filter(|it| it.is_set)
        {
            return self.set_parameter(set.span, param, kind);
        }
        let ExprKind::Set(parts) = &bare(set).kind else {
            let diagnostic = Diagnostic::new(codes::SYNTAX, set.span, "a set of values is needed here", "this is no set");
            self.report(diagnostic.advice("write `{ \"usmf\", \"demf\" }`"));
            return None;
        };
        let values: Vec<Option<Value>> = parts.iter().map(|it| self.constant(side, it, kind)).collect();
        values.into_iter().collect()
    }

    fn set_parameter(&mut self, span: Span, param: &super::names::Param, kind: &Kind) -> Option<Vec<Value>> {
        let Some(values) = &param.values else {
            self.is_wrong = true;
            return None;
        };
        let converted: Result<Vec<Value>, String> = values.iter().map(|it| interp::convert(kind, it)).collect();
        if converted.is_err() {
            self.mismatch(span, &param.kind, kind, &[]);
        }
        converted.ok()
    }

    fn choice(
        &mut self,
        side: Side,
        condition: &ast::Expr,
        branches: [&ast::Expr; 2],
        expected: Option<&Kind>,
        span: Span,
    ) -> Option<Typed> {
        let condition = self.condition(side, condition);
        let pair = self.pair(side, branches[0], branches[1], expected);
        let (mut condition, (mut then, mut otherwise, kind)) = both(condition, pair)?;
        let expr =
            Expr::If { condition: condition.take().boxed(), then: then.take().boxed(), otherwise: otherwise.take().boxed() };
        let nullable = then.nullable || otherwise.nullable;
        Some(Typed { nullable, ..Typed::computed(expr, kind, &[&condition, &then, &otherwise], span) })
    }

    fn call(&mut self, side: Side, path: &ast::Path, arguments: &[ast::Expr], span: Span) -> Option<Typed> {
        let (name, key) = (path.to_string(), self.world.project.key(path));
        if let Some(function) = self.world.functions.get(&key).copied() {
            return self.inline(side, &key, function, arguments, span);
        }
        if let Some(iso) = self.world.isos.get(&key).copied() {
            return self.inline_iso(side, &key, iso, arguments, span);
        }
        let is_once = self.rule.as_ref().is_some_and(|it| it.on_create && !it.is_two_way);
        if let (true, true, "now" | "uuid") = (is_once, arguments.is_empty(), name.as_str()) {
            let (expr, kind) = if name == "now" { (Expr::Now, Kind::DateTime) } else { (Expr::Fresh(span.start), Kind::Guid) };
            return Some(Typed::computed(expr, kind, &[], span));
        }
        let Some(function) = functions::find(&name) else {
            self.no_function(&name, path.span);
            return None;
        };
        if arguments.len() != function.parameters.len() {
            let names: Vec<&str> = function.parameters.iter().map(|it| it.name).collect();
            let plural = if names.len() == 1 { "" } else { "s" };
            let message = format!("`{name}` takes {} argument{plural}, not {}", names.len(), arguments.len());
            let diagnostic = Diagnostic::new(codes::SYNTAX, span, message, "this call");
            self.report(diagnostic.advice(format!("write `{name}({})`", names.join(", "))));
            return None;
        }
        let lowered: Vec<Option<Typed>> = arguments
            .iter()
            .zip(function.parameters)
            .map(|(argument, parameter)| self.lower(side, argument, parameter.accepts.literal().as_ref()))
            .collect();
        let lowered: Vec<Typed> = lowered.into_iter().collect::<Option<_>>()?;
        if !self.arguments_fit(function, &lowered) {
            return None;
        }
        Some(self.apply(side, function, &lowered, span))
    }

    fn no_function(&mut self, name: &str, span: Span) {
        if matches!(name, "now" | "uuid") {
            let message = format!("`{name}()` stands outside a one-way rule with `on create`");
            let diagnostic = Diagnostic::new(codes::CLOCK, span, message, "gives another value every time");
            self.report(diagnostic.advice("write a one-way rule with `on create`, or use a field that the system fills"));
            return;
        }
        let own = self.world.written(span.file, self.world.functions.keys().chain(self.world.isos.keys()));
        let known: Vec<&str> = functions::all().map(|(_, it)| it.name).chain(own.iter().map(String::as_str)).collect();
        self.report(unknown("function", name, span, known, "not in the library"));
    }

    fn arguments_fit(&mut self, function: &Function, arguments: &[Typed]) -> bool {
        let mut fits = true;
        for (parameter, argument) in function.parameters.iter().zip(arguments) {
            if parameter.is_constant && argument.constant.is_none() {
                let message = format!("`{}` of `{}` is a literal", parameter.name, function.name);
                self.error(codes::SYNTAX, argument.span, message, "this depends on the record");
                fits = false;
            } else if let (true, Some(Err(problem))) =
                (parameter.is_constant, argument.constant.as_ref().map(|it| (parameter.check)(it)))
            {
                let message = format!("`{}` of `{}` cannot be this: {problem}", parameter.name, function.name);
                self.error(codes::SYNTAX, argument.span, message, "not valid here");
                fits = false;
            } else if !parameter.accepts.admits(&argument.kind) && !argument.is_null() {
                let message = format!("`{}` takes {}, not `{}`", function.name, parameter.accepts.words(), argument.kind);
                let diagnostic =
                    Diagnostic::new(codes::NO_COMMON_TYPE, argument.span, message, format!("this is `{}`", argument.kind));
                let bridge = match parameter.accepts {
                    functions::Accepts::Text => "`text(…)`",
                    functions::Accepts::Number => "`int(…)`, `decimal(…, places)`",
                    functions::Accepts::Date => "`date(…)`, `parse_date(…, pattern)`",
                    functions::Accepts::Guid => "`guid(…)`",
                    functions::Accepts::Bool => "`X == …`, `parse_flag(…, yes, no)`",
                    functions::Accepts::Time | functions::Accepts::DateTime | functions::Accepts::Any => {
                        "a field of another type"
                    }
                };
                self.report(diagnostic.advice(format!("a bridge between them: {bridge}")));
                fits = false;
            }
        }
        fits
    }

    fn apply(&mut self, side: Side, function: &Function, arguments: &[Typed], span: Span) -> Typed {
        let kinds: Vec<Kind> = arguments.iter().map(|it| it.kind.clone()).collect();
        let constants: Vec<Option<Value>> = arguments.iter().map(|it| it.constant.clone()).collect();
        let mut kind = (function.result)(&kinds, &constants);
        if !self.world.premises.hold(Premise::Growth) && matches!(kinds[0], Kind::Text { .. }) {
            kind = kinds[0].clone();
        }
        let is_small = |it: &mut Self| (0..BLANK_COPIES).all(|_| it.grown(&arguments[0].expr, span));
        if function.name == "is_null" && self.is_blank_null(side, &kinds[0]) && is_small(self) {
            return Typed::condition(self.or_blank(side, &arguments[0].expr), &[&arguments[0]], span);
        }
        let expr =
            Expr::Call { function: function.name.to_owned(), arguments: arguments.iter().map(|it| it.expr.clone()).collect() };
        let mut out = Typed::computed(expr, kind, &arguments.iter().collect::<Vec<_>>(), span);
        out.nullable &= !function.takes_null;
        if function.is_partial && !never_fails(function, &kinds, &out.kind) {
            out.partial.push(span);
        }
        out
    }

    /// Null, or the text that stands for null in this store: `""`, which a store that pads gives back as blanks.
    fn or_blank(&self, side: Side, expr: &Expr) -> Expr {
        let is_null = Expr::Call { function: "is_null".to_owned(), arguments: vec![expr.clone()] };
        let is_text = |text: String| {
            let text = Expr::Const(Value::text(text));
            Expr::Compare { op: Compare::Equal, left: expr.clone().boxed(), right: text.boxed() }
        };
        let is_empty = Expr::Or(is_null.boxed(), is_text(String::new()).boxed());
        match self.sides[side].system.profile.text.padded {
            Some(length) if length > 0 => Expr::Or(is_empty.boxed(), is_text(" ".repeat(length as usize)).boxed()),
            Some(_) | None => is_empty,
        }
    }
}

/// Some conversions can fail for some kinds only.
fn never_fails(function: &Function, kinds: &[Kind], result: &Kind) -> bool {
    matches!(function.name, "int" | "decimal")
        && (matches!(kinds[0], Kind::Bool) || matches!(fit::fit(&kinds[0], result), fit::Fit::Same | fit::Fit::Converted))
}

/// How often a text stands in the question whether it is null, beside once.
const BLANK_COPIES: usize = 2;

/// Whole numbers with more digits may not fit 64 bits.
const INT64_SAFE_DIGITS: usize = 18;

/// A literal of this kind can stand for a value of the other.
fn is_literal_for(literal: &Kind, kind: &Kind) -> bool {
    match (literal, kind) {
        (Kind::Text { .. }, Kind::Text { .. } | Kind::Date | Kind::DateTime | Kind::Time | Kind::Guid | Kind::Enum(_)) => true,
        (Kind::Int32 | Kind::Int64, Kind::Enum(_)) => true,
        (literal, kind) if is_number(literal) && is_number(kind) => true,
        (literal, kind) => literal == kind || matches!(fit::fit(literal, kind), fit::Fit::Same | fit::Fit::Converted),
    }
}

/// The kind for values that are only compared: without limits.
pub fn loose(kind: &Kind) -> Kind {
    match kind {
        Kind::Text { .. } => Kind::Text { max: None },
        Kind::Int32 => Kind::Int64,
        other => other.clone(),
    }
}

/// Digits that the result may have where both operands are whole.
fn whole_digits(op: Math, left: &Typed, right: &Typed) -> usize {
    let digits = |it: &Typed| match (&it.constant, &it.kind) {
        (Some(Value::Int(number)), _) => number.unsigned_abs().to_string().len(),
        (_, Kind::Int32) => 10,
        _ => 19,
    };
    let (a, b) = (digits(left), digits(right));
    if op == Math::Multiply { a + b } else { a.max(b) + 1 }
}

/// The kind that holds every result of a calculation, as far as decimals go.
pub fn math_kind(op: Math, left: &Kind, right: &Kind) -> Kind {
    let form = |kind: &Kind| match kind {
        Kind::Decimal { precision, scale } => (precision - scale, *scale),
        Kind::Int32 => (10, 0),
        _ => (19, 0),
    };
    if matches!((left, right), (Kind::Int32 | Kind::Int64, Kind::Int32 | Kind::Int64)) && op != Math::Divide {
        return Kind::Int64;
    }
    let ((a, a_scale), (b, b_scale)) = (form(left), form(right));
    let (digits, scale) = match op {
        Math::Add | Math::Subtract => (a.max(b).saturating_add(1), a_scale.max(b_scale)),
        Math::Multiply => (a.saturating_add(b), a_scale.saturating_add(b_scale)),
        Math::Divide => (a.saturating_add(b_scale), QUOTIENT_SCALE),
    };
    let scale = scale.min(DIGITS_MAX);
    Kind::Decimal { precision: digits.saturating_add(scale).clamp(1, DIGITS_MAX), scale }
}

/// Both, so that what is wrong in either is reported.
pub fn both<A, B>(left: Option<A>, right: Option<B>) -> Option<(A, B)> {
    left.zip(right)
}

/// The name behind the entity: `Hold` of `Customer.Hold`.
fn short_name(members: &EnumType) -> &str {
    members.name.rsplit('.').next().unwrap_or(&members.name)
}
