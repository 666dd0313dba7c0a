//! `param`: a typed constant that a run may set, in place of its default.

use super::names::{Param, World, lower_type, unknown};
use super::{Given, Setting};
use crate::diag::{Diagnostic, Diagnostics, Fix, codes};
use crate::interp;
use crate::schema::Schema;
use crate::source::Span;
use crate::syntax::ast::{self, ExprKind, TypeKind, UnaryOp};
use crate::value::{Kind, Value};

/// The parameter with its value in this run; `None`: its type is wrong, and that was reported.
pub fn lower(
    name: &ast::Name,
    ty: &ast::Type,
    default: Option<&ast::Expr>,
    given: &Given,
    diags: &mut Diagnostics,
) -> Option<Param> {
    let (item, is_set) = match &ty.kind {
        TypeKind::Set(inner) => (&**inner, true),
        TypeKind::Named { .. } | TypeKind::Members { .. } | TypeKind::Lookup(_) => (ty, false),
    };
    let kind = lower_type(item, &name.text, &Schema::default(), diags)?;
    let values = match (given.params.get(&name.text), default) {
        (Some(setting), _) => of_setting(name, setting, given.places.get(&name.text), &kind, is_set, diags),
        (None, Some(default)) => of_default(default, &kind, is_set, diags),
        (None, None) => {
            let message = format!("the parameter `{}` has no value", name.text);
            let diagnostic = Diagnostic::new(codes::SYNTAX, name.span, message, "no default, and nothing sets it");
            diags.push(diagnostic.advice(format!("write a default, or set `{}` in `[params]` of dwmap.toml", name.text)));
            None
        }
    };
    Some(Param { name: name.span, kind, is_set, values })
}

fn of_setting(
    name: &ast::Name,
    setting: &Setting,
    place: Option<&Span>,
    kind: &Kind,
    is_set: bool,
    diags: &mut Diagnostics,
) -> Option<Vec<Value>> {
    let misfit = |why: &str| {
        let message = format!("`{}` is set to what it cannot be: {why}", name.text);
        let advice = "change it in dwmap.toml";
        match place {
            Some(place) => {
                Diagnostic::new(codes::NO_COMMON_TYPE, *place, message, "set here").because(name.span, "declared here")
            }
            None => Diagnostic::new(codes::NO_COMMON_TYPE, name.span, message, "declared here").advice(advice),
        }
    };
    let values = match (setting, is_set) {
        (Setting::One(value), false) => std::slice::from_ref(value),
        (Setting::Several(values), true) => values,
        (Setting::One(_), true) | (Setting::Several(_), false) => {
            let wanted = if is_set { "a list" } else { "one value" };
            diags.push(misfit(&format!("{wanted} is needed")));
            return None;
        }
    };
    let converted: Result<Vec<Value>, String> = values.iter().map(|it| interp::convert(kind, it)).collect();
    if let Err(problem) = &converted {
        diags.push(misfit(problem));
    }
    converted.ok()
}

fn of_default(default: &ast::Expr, kind: &Kind, is_set: bool, diags: &mut Diagnostics) -> Option<Vec<Value>> {
    let parts = match (&default.kind, is_set) {
        (ExprKind::Set(parts), true) => parts.as_slice(),
        (ExprKind::Set(_), false) => {
            diags.push(Diagnostic::new(codes::SYNTAX, default.span, "one value is needed here", "this is a set"));
            return None;
        }
        (_, true) => {
            let diagnostic = Diagnostic::new(codes::SYNTAX, default.span, "a set of values is needed here", "this is no set");
            diags.push(diagnostic.advice("write `{ \"usmf\", \"demf\" }`"));
            return None;
        }
        (_, false) => std::slice::from_ref(default),
    };
    let values: Vec<Option<Value>> = parts.iter().map(|it| fixed(it, kind, diags)).collect();
    values.into_iter().collect()
}

fn fixed(expr: &ast::Expr, kind: &Kind, diags: &mut Diagnostics) -> Option<Value> {
    let literal = match &expr.kind {
        ExprKind::Group(inner) => return fixed(inner, kind, diags),
        ExprKind::Null => Value::Null,
        ExprKind::Bool(it) => Value::Bool(*it),
        ExprKind::Number(digits) => Value::text(digits),
        ExprKind::Text(text) => Value::text(text),
        ExprKind::Unary { op: UnaryOp::Negate, operand } if matches!(operand.kind, ExprKind::Number(_)) => {
            let ExprKind::Number(digits) = &operand.kind else { return None };
            Value::text(format!("-{digits}"))
        }
        _ => {
            diags.push(Diagnostic::new(codes::SYNTAX, expr.span, "a fixed value is needed here", "this is none"));
            return None;
        }
    };
    let is_number = matches!(kind, Kind::Int32 | Kind::Int64 | Kind::Decimal { .. } | Kind::Float64);
    let is_digits = matches!(expr.kind, ExprKind::Number(_) | ExprKind::Unary { .. });
    match interp::convert(kind, &literal) {
        Ok(value) if !value.is_value() || is_digits == is_number => Some(value),
        Ok(_) | Err(_) => {
            let message = format!("this is no value of `{kind}`");
            diags.push(Diagnostic::new(codes::NO_COMMON_TYPE, expr.span, message, format!("`{kind}` is declared")));
            None
        }
    }
}

/// A setting that no parameter has is a slip.
pub fn unknown_settings(world: &World<'_>, given: &Given, diags: &mut Diagnostics) {
    for name in given.params.keys().filter(|it| !world.params.contains_key(*it)) {
        let known = world.params.keys().map(String::as_str);
        if let Some(place) = given.places.get(name) {
            // No tool writes dwmap.toml.
            let found = unknown("parameter", name, *place, known, "no map declares it");
            diags.push(Diagnostic { fixes: found.fixes.into_iter().map(|it| Fix { safe: false, ..it }).collect(), ..found });
            continue;
        }
        let place = world.params.values().map(|it| it.name).chain(world.maps.values().map(|it| it.map.name.span)).next();
        if let Some(span) = place {
            let found = unknown("parameter", name, span, known, "the first parameter or map of the project");
            let mut diagnostic = Diagnostic { fixes: Vec::new(), ..found };
            diagnostic = diagnostic.advice("change `[params]` in dwmap.toml");
            diags.push(diagnostic);
        }
    }
}
