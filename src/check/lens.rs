//! Writing back: from the value that an end shall read as to the fields of the record.

use super::expr::{Typed, bare, single};
use super::fit::{self, Fit, bridges};
use super::premise::Premise;
use super::scope::Scope;
use crate::change::{Side, Sides};
use crate::diag::{Diagnostic, Edit, Fix, codes};
use crate::functions::{self, Law};
use crate::ir::{Expr, Math};
use crate::source::Span;
use crate::syntax::ast::{self, BinaryOp, ExprKind};
use crate::value::{Kind, Slot, Value};

/// The value that a writer is given, and what is known of it.
#[derive(Clone, Debug)]
pub struct Given {
    pub expr: Expr,
    pub kind: Kind,
    pub nullable: bool,
    /// Where the value comes from: the other end of the rule.
    pub span: Span,
}

impl Given {
    /// The same, after a step back towards the field. The value is moved on and never copied, so that a long chain of steps
    /// costs no more than its length.
    pub fn then(self, kind: Kind, step: impl FnOnce(Expr) -> Expr) -> Self {
        Self { expr: step(self.expr), kind, ..self }
    }

    fn converted(self, to: Kind) -> Self {
        self.then(to.clone(), |operand| Expr::Convert { to, operand: operand.boxed() })
    }
}

/// Which occurrence of a separator divides a joined text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    First,
    Last,
}

pub type Writes = Vec<(Slot, Expr)>;

/// Most separators at which a joined text is taken apart again: each part is what the one before it leaves.
const SEPARATORS_MAX: usize = 64;

impl Scope<'_, '_> {
    /// The writers that make `end` read as the given value.
    pub fn writers(&mut self, side: Side, end: &ast::Expr, given: Given, split: Split) -> Option<Writes> {
        let span = end.span;
        match &end.kind {
            ExprKind::Group(inner) => self.writers(side, inner, given, split),
            ExprKind::Path(_) => self.write_field(side, end, given),
            ExprKind::Call { function, arguments } => self.write_call(side, function, arguments, given, split),
            ExprKind::Binary { op: BinaryOp::Coalesce, left, .. } => {
                // The default is written as it is: a record that is null already reads as the default, agrees and is not
                // touched; a new record gets the value that the other side shows.
                self.writers(side, left, given, split)
            }
            ExprKind::Binary { op: BinaryOp::Concat, .. } => self.write_joined(side, end, given, split),
            ExprKind::Binary { op: BinaryOp::Add, left, right, .. } => {
                self.write_math(side, Math::Subtract, left, right, given, true, split, span)
            }
            ExprKind::Binary { op: BinaryOp::Subtract, left, right, .. } => {
                self.write_math(side, Math::Add, left, right, given, false, split, span)
            }
            ExprKind::Binary { op: BinaryOp::Multiply, left, right, .. } => {
                self.write_math(side, Math::Divide, left, right, given, true, split, span)
            }
            ExprKind::Binary { op: BinaryOp::Divide, left, right, .. } => {
                self.write_math(side, Math::Multiply, left, right, given, false, split, span)
            }
            ExprKind::Binary {
                op:
                    BinaryOp::Or
                    | BinaryOp::And
                    | BinaryOp::Equal
                    | BinaryOp::NotEqual
                    | BinaryOp::Less
                    | BinaryOp::LessEqual
                    | BinaryOp::Greater
                    | BinaryOp::GreaterEqual,
                op_span,
                ..
            } => self.one_way(*op_span, "this comparison"),
            ExprKind::Unary { .. } | ExprKind::In { .. } | ExprKind::If { .. } => self.one_way(span, "this expression"),
            ExprKind::Null | ExprKind::Bool(_) | ExprKind::Number(_) | ExprKind::Text(_) => self.one_way(span, "a fixed value"),
            ExprKind::Tuple(_) | ExprKind::Set(_) => self.one_way(span, "a tuple inside an expression"),
        }
    }

    fn one_way(&mut self, span: Span, what: &str) -> Option<Writes> {
        let message = format!("{what} cannot be undone, so it cannot stand in a two-way rule");
        let diagnostic = Diagnostic::new(codes::ONE_WAY_FUNCTION, span, message, "one way only");
        self.report(diagnostic.advice("make the rule one-way (`->` or `<-`), or map the field without it"));
        None
    }

    /// The field that a path names, as slot. The reader was lowered before, so the name is right.
    fn target(&mut self, side: Side, end: &ast::Expr) -> Option<(Slot, Span)> {
        let ExprKind::Path(path) = &bare(end).kind else { return None };
        let name = path.segments.last().expect("a path is never empty");
        let slot = self.sides[side].fields.slot(&name.text)?;
        Some((slot, path.span))
    }

    fn write_field(&mut self, side: Side, end: &ast::Expr, given: Given) -> Option<Writes> {
        let Some((slot, span)) = self.target(side, end) else { return self.one_way(end.span, "a fixed value") };
        let field = self.field(side, slot).clone();
        if field.readonly {
            let message = format!("`{}` cannot be written, and this rule writes it", field.name);
            let mut diagnostic = Diagnostic::new(codes::ACCESS, span, message, "read only");
            if let Some(place) = self.place(side, &field.name) {
                diagnostic = diagnostic.because(place, "declared here");
            }
            let rule = self.rule.as_ref();
            let (can_other, is_two_way) = rule.map_or((false, false), |it| (it.can_write[side.other()], it.is_two_way));
            let arrow = if side == Side::Right { "<-" } else { "->" };
            let diagnostic = match can_other {
                true => diagnostic.advice(format!("read it only: write `{arrow}`")),
                false => diagnostic.advice("leave the rule out: the field at its other end cannot be written either"),
            };
            match can_other || !is_two_way || side == Side::Left {
                true => self.report(diagnostic),
                // The other end was reported, and it says all.
                false => self.is_wrong = true,
            }
            return None;
        }
        let (is_nullable, from) = (given.nullable, given.span);
        let expr = self.fit_into(side, given, &field.kind, Some((&field.name, span)))?;
        if is_nullable && !self.takes_null(side, &field) {
            self.null_meets(side, from, &field.name, span);
        }
        Some(vec![(slot, expr)])
    }

    fn null_meets(&mut self, side: Side, from: Span, field: &str, span: Span) {
        let is_answered = self.has_else(side) || self.rule.as_ref().is_none_or(|it| it.is_key);
        if is_answered || !self.world.premises.hold(Premise::Nulls) {
            return;
        }
        let message = format!("`{}` may be null, and `{field}` may not", self.text(from));
        let mut diagnostic = Diagnostic::new(codes::NULLABLE, from, message, "may be null").because(span, "takes no null");
        if let Some(place) = self.place(side, field) {
            diagnostic = diagnostic.because(place, "declared here without `?`");
        }
        if let Some(end) = self.rule_end() {
            diagnostic = diagnostic.replace("add `else reject`", end, "   else reject", false);
        }
        self.report(diagnostic.advice("or give a default with `??`"));
    }

    /// The empty place behind the rule.
    pub fn rule_end(&self) -> Option<Span> {
        self.rule.as_ref().map(|it| Span { start: it.span.end, ..it.span })
    }

    /// The given value in the form of a kind; what may not fit needs the rule's `else`.
    pub fn fit_into(&mut self, side: Side, given: Given, to: &Kind, target: Option<(&str, Span)>) -> Option<Expr> {
        let converted = |given: Given| Some(given.converted(to.clone()).expr);
        match fit::fit(&given.kind, to) {
            Fit::Same => Some(given.expr),
            Fit::Converted => converted(given),
            Fit::Narrow(code) if code != codes::DATE_LOSS && self.has_else(side) => converted(given),
            Fit::Narrow(codes::TOO_LONG) if !self.world.premises.hold(Premise::Lengths) => converted(given),
            Fit::Narrow(codes::NARROWS) if !self.world.premises.hold(Premise::Digits) => converted(given),
            Fit::Narrow(code) => {
                self.narrows(side, code, &given, to, target);
                None
            }
            Fit::Never => {
                let mut ends = Sides::new(&given.kind, to);
                if side == Side::Left {
                    ends.0.reverse();
                }
                let ways = self.ways_of_reference(&ends);
                let ways: Vec<&str> = ways.iter().map(String::as_str).collect();
                let found = if ways.is_empty() { bridges(&given.kind, to) } else { ways };
                self.mismatch(given.span, &given.kind, to, &found);
                None
            }
        }
    }

    fn narrows(&mut self, side: Side, code: crate::diag::Code, given: &Given, to: &Kind, target: Option<(&str, Span)>) {
        let source = self.text(given.span).to_owned();
        let name = target.map_or_else(|| "the target".to_owned(), |(name, _)| format!("`{name}`"));
        let may_not_fit = format!("`{source}` may not fit {name} (`{to}`)");
        let (message, cut) = match (code, to) {
            (codes::TOO_LONG, Kind::Text { max }) => {
                let max = max.unwrap_or(0);
                (format!("`{source}` may be longer than {name} ({max})"), Some(("take", Some(i64::from(max)))))
            }
            (codes::DATE_LOSS, _) => (format!("the time of day of `{source}` is lost in {name}"), Some(("date", None))),
            (_, Kind::Decimal { scale, .. }) => (may_not_fit, Some(("round", Some(i64::from(*scale))))),
            (_, Kind::Int32 | Kind::Int64) => (may_not_fit, Some(("round", Some(0)))),
            _ => (may_not_fit, None),
        };
        let mut diagnostic = Diagnostic::new(code, given.span, message, format!("this is `{}`", given.kind));
        if let Some((name, span)) = target {
            diagnostic = diagnostic.because(span, format!("this is `{to}`"));
            if let Some(place) = self.place(side, name) {
                diagnostic = diagnostic.because(place, "declared here");
            }
        }
        if let (Some(from), Some(into)) = (fit::whole_digits(&given.kind), fit::whole_digits(to))
            && from > into
        {
            diagnostic = diagnostic.note("digits", format!("{from} may stand before the point, and {into} have room there"));
        }
        if let (codes::TOO_LONG, Some(function)) = (code, lengthening(&source)) {
            diagnostic =
                diagnostic.note("length", format!("`{function}` can make a text longer: of one letter it can make several"));
        }
        let end = self.rule_end().filter(|_| code != codes::DATE_LOSS);
        diagnostic.fixes.extend(cut.and_then(|cut| self.cut_fix(given, to, cut, end)));
        if let Some(end) = end {
            diagnostic = diagnostic.replace("add `else reject`", end, "   else reject", false);
        }
        self.report(diagnostic);
    }

    /// The source within a function with its limit, where that leaves values that fit.
    fn cut_fix(&self, given: &Given, to: &Kind, (function, limit): (&str, Option<i64>), end: Option<Span>) -> Option<Fix> {
        let source = self.text(given.span);
        // A key is carried whole.
        if self.rule.as_ref().is_some_and(|it| it.is_key) {
            return None;
        }
        let arguments = limit.map_or(source.to_owned(), |limit| format!("{source}, {limit}"));
        let call = format!("{function}({arguments})");
        let is_two_way = self.rule.as_ref().is_some_and(|it| it.is_two_way);
        let with = if is_two_way { " with `<~>` and `loses \"…\"`" } else { "" };
        let mut fix = Fix { message: format!("`{call}`{with}"), edits: vec![Edit { span: given.span, text: call }], safe: false };
        match Reach::of(function, limit, &given.kind, to) {
            Reach::Fits => {}
            Reach::FitsMore => {
                fix.message.push_str(", and `else reject` for what is too large");
                fix.edits.push(Edit { span: end?, text: "   else reject".to_owned() });
            }
            Reach::Nothing => return None,
        }
        Some(fix)
    }

    /// A step of a writer that can fail needs the rule's `else`.
    pub fn may_fail(&mut self, side: Side, span: Span, what: &str) {
        if self.has_else(side) {
            return;
        }
        let message = format!("{what}, and the rule does not say what then happens");
        let mut diagnostic = Diagnostic::new(codes::PARTIAL, span, message, "can fail");
        if let Some(end) = self.rule_end() {
            diagnostic = diagnostic.replace("add `else reject`", end, "   else reject", false);
        }
        self.report(diagnostic.advice("or `else park`, `else skip`, `else null`, `else` and a value"));
    }

    fn write_call(
        &mut self,
        side: Side,
        path: &ast::Path,
        arguments: &[ast::Expr],
        given: Given,
        split: Split,
    ) -> Option<Writes> {
        let (name, key) = (path.to_string(), self.world.project.key(path));
        if let Some(iso) = self.world.isos.get(&key).copied() {
            return self.write_iso(side, iso, &arguments[0], given, split);
        }
        if let Some(own) = self.world.functions.get(&key) {
            // A `canon` writes the value as it is: what it would change is what it calls inessential.
            return match arguments {
                [argument] if own.is_canon => self.writers(side, argument, given, split),
                _ => self.one_way(path.span, &format!("`{name}`")),
            };
        }
        let function = functions::find(&name).expect("the reader was lowered before, so the function exists");
        match (name.as_str(), function.law) {
            ("text" | "int" | "decimal" | "date", _) => self.write_converted(side, &name, &arguments[0], given, split),
            (_, Law::Canon | Law::Retract) => self.writers(side, &arguments[0], given, split),
            (_, Law::OneWay) => self.one_way(path.span, &format!("`{name}`")),
        }
    }

    /// The inverse of a conversion converts back.
    fn write_converted(&mut self, side: Side, name: &str, argument: &ast::Expr, given: Given, split: Split) -> Option<Writes> {
        let inner = self.lower(side, argument, None)?;
        let back = |given: Given| given.converted(inner.kind.clone());
        match (name, &inner.kind, &given.kind) {
            ("text", Kind::Text { .. }, _) | ("date", Kind::Date, _) => self.writers(side, argument, given, split),
            ("text", kind, _) => {
                if !matches!(kind, Kind::Bool) || !matches!(given.kind, Kind::Bool) {
                    self.may_fail(side, given.span, &format!("not every text is `{kind}`"));
                }
                self.writers(side, argument, back(given), split)
            }
            ("date", Kind::DateTime, Kind::Date) => self.writers(side, argument, back(given), split),
            ("int" | "decimal", Kind::Text { max }, _) => {
                let length = functions::find("text").map(|it| (it.result)(std::slice::from_ref(&given.kind), &[None]));
                match (length, max) {
                    (Some(Kind::Text { max: Some(length) }), Some(max)) if length > *max => {
                        let printed = Given { kind: Kind::Text { max: Some(length) }, ..back(given) };
                        self.writers(side, argument, printed, split)
                    }
                    _ => self.writers(side, argument, back(given), split),
                }
            }
            _ => self.writers(side, argument, given, split),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one node")]
    fn write_math(
        &mut self,
        side: Side,
        inverse: Math,
        left: &ast::Expr,
        right: &ast::Expr,
        given: Given,
        commutes: bool,
        split: Split,
        span: Span,
    ) -> Option<Writes> {
        let (a, b) = super::expr::both(self.operand(side, left), self.operand(side, right))?;
        let (constant, operand, inner) = match (&a.1, &b.1) {
            (None, Some(constant)) => (constant, left, &a.0),
            (Some(constant), None) if commutes => (constant, right, &b.0),
            _ => return self.one_way(span, "this calculation"),
        };
        if matches!(inverse, Math::Divide | Math::Multiply) && crate::interp::to_decimal(constant).is_none_or(|it| it.is_zero()) {
            return self.one_way(span, "this calculation");
        }
        // Undoing can leave what the field holds (one cent divided by three), so it converts and may fail.
        if inverse == Math::Divide {
            self.may_fail(side, given.span, "not every number can be divided without a rest");
        }
        let result = undone_kind(inverse, &given.kind, constant);
        if matches!(fit::fit(&result, inner), Fit::Narrow(_)) && inverse != Math::Divide {
            self.may_fail(side, given.span, "not every result fits the field");
        }
        let (constant, to) = (Expr::Const(constant.clone()), inner.clone());
        let undo = |left: Expr| Expr::Math { op: inverse, left: left.boxed(), right: constant.boxed() };
        self.writers(side, operand, given.then(to.clone(), undo).converted(to), split)
    }

    /// The kind of an operand and its value where it is fixed, as they were when the end was read.
    fn operand(&mut self, side: Side, operand: &ast::Expr) -> Option<(Kind, Option<Value>)> {
        if let Some(known) = self.operands.get(&operand.span) {
            return Some(known.clone());
        }
        self.lower(side, operand, None).map(|it| (it.kind, it.constant))
    }

    /// `a ++ ", " ++ b`: divided at its separators.
    fn write_joined(&mut self, side: Side, end: &ast::Expr, given: Given, split: Split) -> Option<Writes> {
        let mut parts = Vec::new();
        flatten(end, &mut parts);
        let (head, tail) = fixed_ends(&mut parts);
        let Some((fields, separators)) = alternate(&parts) else {
            self.nothing_between(side, end.span, &parts);
            return None;
        };
        if separators.len() > SEPARATORS_MAX {
            let message = format!("a text is taken apart at {SEPARATORS_MAX} separators at most, not {}", separators.len());
            let diagnostic = Diagnostic::new(codes::SYNTAX, end.span, message, "joined here");
            self.report(diagnostic.advice("make the rule one-way, or join fewer fields"));
            return None;
        }
        let has_ends = !head.is_empty() || !tail.is_empty();
        if has_ends {
            self.may_fail(side, given.span, "a text that does not begin and end so cannot be taken apart");
        }
        let Given { expr, kind, nullable, span } = given;
        let whole = if has_ends { without_ends(&expr, &head, &tail) } else { expr };
        if !separators.is_empty() && !has_ends {
            self.may_fail(side, span, "a text without the separator cannot be divided");
        }
        let pieces = divide(&whole, &separators, split);
        let mut out = Vec::new();
        for (field, piece) in fields.iter().zip(pieces) {
            out.extend(self.writers(side, field, Given { expr: piece, kind: kind.clone(), nullable, span }, split)?);
        }
        Some(out)
    }

    /// Two values of a joined text that nothing keeps apart: the first letter of the second could be the last of the first.
    fn nothing_between(&mut self, side: Side, span: Span, parts: &[&ast::Expr]) {
        let is_fixed = |it: &ast::Expr| matches!(&it.kind, ExprKind::Text(text) if !text.is_empty());
        let pair = parts.windows(2).find(|it| !is_fixed(it[0]) && !is_fixed(it[1]));
        let Some([first, second]) = pair.and_then(|it| <[&ast::Expr; 2]>::try_from(it).ok()) else {
            self.error(codes::AMBIGUOUS_SPLIT, span, "this text cannot be taken apart again", "joined here");
            return;
        };
        let message = "nothing stands between two values of this text, so it can be taken apart in more than one way";
        let mut diagnostic = Diagnostic::new(codes::AMBIGUOUS_SPLIT, span, message, "joined here")
            .because(first.span, "where does this end,")
            .because(second.span, "and this begin?");
        if self.holds_letters(side, first) && self.holds_letters(side, second) {
            let (a, b) = (self.text(first.span), self.text(second.span));
            diagnostic =
                diagnostic.counterexample(format!("{a} = \"a\", {b} = \"bc\" and {a} = \"ab\", {b} = \"c\"  →  \"abc\""));
        }
        let advice = "put a fixed text between them and say `split first` or `split last`, or make the rule one-way";
        self.report(diagnostic.advice(advice));
    }

    /// A text field with room for two letters.
    fn holds_letters(&mut self, side: Side, expr: &ast::Expr) -> bool {
        let Some((slot, _)) = self.target(side, expr) else { return false };
        matches!(self.field(side, slot).kind, Kind::Text { max } if max.is_none_or(|it| it >= 2))
    }

    /// The end of a one-way rule, a field that is written.
    pub fn is_field(&self, side: Side, end: &ast::Expr) -> bool {
        match &bare(end).kind {
            ExprKind::Path(path) if path.segments.len() == 2 => path.segments[0].text == self.sides[side].system.name,
            _ => single(end).is_some(),
        }
    }

    /// Reading can fail: the rule needs an `else` toward the side that is written.
    pub fn reading_may_fail(&mut self, written: Side, typed: &Typed) {
        for span in &typed.partial {
            let what = format!("`{}` has no value for some records", self.text(*span));
            self.may_fail(written, *span, &what);
        }
    }
}

/// A function called in this text whose result can be longer than what it is given.
fn lengthening(source: &str) -> Option<&'static str> {
    let one = Kind::Text { max: Some(1) };
    let is_longer = |it: &functions::Function| {
        it.parameters.len() == 1 && matches!((it.result)(std::slice::from_ref(&one), &[None]), Kind::Text { max: Some(2..) })
    };
    let called = source.split('(').map(|it| it.rsplit(|letter: char| !letter.is_alphanumeric() && letter != '_').next());
    called
        .flatten()
        .filter_map(functions::find)
        .find(|it| it.parameters[..].first().is_some_and(|it| it.accepts == functions::Accepts::Text) && is_longer(it))
        .map(|it| it.name)
}

/// How far a function goes towards values that fit. A call that changes nothing is no way out.
enum Reach {
    Fits,
    /// The digits after the point fit, those before it may be too many.
    FitsMore,
    Nothing,
}

impl Reach {
    fn of(function: &str, limit: Option<i64>, from: &Kind, to: &Kind) -> Self {
        let (kinds, constants) = ([from.clone(), Kind::Int64], [None, limit.map(Value::Int)]);
        let Some(result) = functions::find(function).map(|it| (it.result)(&kinds, &constants)) else { return Self::Nothing };
        match fit::fit(&result, to) {
            Fit::Same | Fit::Converted => Self::Fits,
            Fit::Narrow(_) if result != *from => Self::FitsMore,
            Fit::Narrow(_) | Fit::Never => Self::Nothing,
        }
    }
}

/// What a calculation with a constant makes of a value, with no more digits than the constant has.
fn undone_kind(op: Math, given: &Kind, constant: &Value) -> Kind {
    let Some(number) = crate::interp::to_decimal(constant).filter(|_| *given != Kind::Float64) else { return given.clone() };
    let (digits, scale) = (number.integer_digits().max(1) as u8, number.scale());
    super::expr::math_kind(op, given, &Kind::Decimal { precision: digits.saturating_add(scale), scale })
}

fn flatten<'e>(expr: &'e ast::Expr, out: &mut Vec<&'e ast::Expr>) {
    match &expr.kind {
        ExprKind::Group(inner) => flatten(inner, out),
        ExprKind::Binary { op: BinaryOp::Concat, left, right, .. } => {
            flatten(left, out);
            flatten(right, out);
        }
        _ => out.push(expr),
    }
}

/// Takes the fixed texts off that stand before the first and behind the last value.
fn fixed_ends(parts: &mut Vec<&ast::Expr>) -> (String, String) {
    let (mut head, mut tail) = (String::new(), String::new());
    while let Some(ast::Expr { kind: ExprKind::Text(text), .. }) = parts.first() {
        head.push_str(text);
        parts.remove(0);
    }
    while let Some(ast::Expr { kind: ExprKind::Text(text), .. }) = parts.last() {
        tail.insert_str(0, text);
        parts.pop();
    }
    (head, tail)
}

/// The text between a fixed beginning and end; fails where it has not these, so that nothing is cut off by mistake.
fn without_ends(whole: &Expr, head: &str, tail: &str) -> Expr {
    let fixed = |it: &str| Expr::Const(Value::text(it));
    let test =
        |function: &str, with: &str| Expr::Call { function: function.to_owned(), arguments: vec![whole.clone(), fixed(with)] };
    let cut = |operand: Expr, at: &str, from_end: bool| {
        if at.is_empty() {
            return operand;
        }
        Expr::SplitPart { operand: operand.boxed(), separator: at.to_owned(), from_end, tail: !from_end }
    };
    let inner = cut(cut(whole.clone(), head, false), tail, true);
    let why = format!("a text that does not begin with \"{head}\" and end with \"{tail}\"");
    let fails = Expr::Convert { to: Kind::Int64, operand: fixed(&why).boxed() };
    let has_both = Expr::And(test("starts_with", head).boxed(), test("ends_with", tail).boxed());
    let checked = Expr::If { condition: has_both.boxed(), then: inner.boxed(), otherwise: fails.boxed() };
    let is_null = Expr::Call { function: "is_null".to_owned(), arguments: vec![whole.clone()] };
    Expr::If { condition: is_null.boxed(), then: null().boxed(), otherwise: checked.boxed() }
}

/// Values and the fixed texts between each two of them; `None`: another form.
fn alternate<'e>(parts: &[&'e ast::Expr]) -> Option<(Vec<&'e ast::Expr>, Vec<String>)> {
    let (mut fields, mut separators) = (Vec::new(), Vec::new());
    for (index, part) in parts.iter().enumerate() {
        match &part.kind {
            ExprKind::Text(text) if index % 2 == 1 && !text.is_empty() => separators.push(text.clone()),
            ExprKind::Text(_) => return None,
            _ if index % 2 == 0 => fields.push(*part),
            _ => return None,
        }
    }
    (fields.len() == separators.len() + 1).then_some((fields, separators))
}

/// The pieces of a text between separators, taken from its start or from its end.
pub fn divide(whole: &Expr, separators: &[String], split: Split) -> Vec<Expr> {
    let part = |rest: &Expr, separator: &str, tail: bool| Expr::SplitPart {
        operand: rest.clone().boxed(),
        separator: separator.to_owned(),
        from_end: split == Split::Last,
        tail,
    };
    let mut rest = whole.clone();
    let mut out = Vec::new();
    match split {
        Split::First => {
            for separator in separators {
                out.push(part(&rest, separator, false));
                rest = part(&rest, separator, true);
            }
            out.push(rest);
        }
        Split::Last => {
            for separator in separators.iter().rev() {
                out.push(part(&rest, separator, true));
                rest = part(&rest, separator, false);
            }
            out.push(rest);
            out.reverse();
        }
    }
    out
}

/// One part of a tuple that is written.
pub fn part(whole: Expr, index: usize, count: usize) -> Expr {
    if count == 1 { whole } else { Expr::Part { operand: whole.boxed(), index: index as u16 } }
}

/// A tuple, or the one value.
pub fn whole(mut parts: Vec<Expr>) -> Expr {
    if parts.len() == 1 { parts.remove(0) } else { Expr::Tuple(parts) }
}

/// A value that stands for nothing: what `else null` gives.
pub fn null() -> Expr {
    Expr::Const(Value::Null)
}
