//! The clauses of a rule: each stands once, and says one thing.

use super::lens::Split;
use super::rule::towards;
use super::scope::Scope;
use crate::change::{Side, Sides};
use crate::diag::{Diagnostic, codes};
use crate::ir::{Missing, Modulo};
use crate::source::Span;
use crate::syntax::ast::{self, ClauseKind};

/// The clauses of a rule by their kind.
#[derive(Default)]
pub struct Clauses<'r> {
    pub via: Option<(&'r ClauseKind, Span)>,
    pub modulo: Modulo,
    pub split: Option<Split>,
    pub loses: Option<String>,
    pub when: Option<&'r ast::Expr>,
    pub otherwise: Sides<Option<&'r ast::Action>>,
    pub on_create: bool,
    pub on_update: bool,
    pub on_missing: Option<Missing>,
}

impl<'a> Scope<'a, '_> {
    pub fn clauses(&mut self, rule: &'a ast::Rule) -> Option<Clauses<'a>> {
        let mut out = Clauses::default();
        let mut seen = Vec::new();
        for clause in &rule.clauses {
            let word = std::mem::discriminant(&clause.kind);
            let is_else = matches!(clause.kind, ClauseKind::Else { .. });
            if !is_else && seen.contains(&word) {
                self.error(codes::SYNTAX, clause.span, "each clause stands once in a rule", "the second one");
                return None;
            }
            seen.push(word);
            match &clause.kind {
                ClauseKind::Via(_) | ClauseKind::ViaTables(_) | ClauseKind::ViaRows(_) => {
                    if out.via.replace((&clause.kind, clause.span)).is_some() {
                        self.error(codes::SYNTAX, clause.span, "each clause stands once in a rule", "the second one");
                        return None;
                    }
                }
                ClauseKind::Modulo(names) => out.modulo = self.modulo(names)?,
                ClauseKind::Split(name) => out.split = Some(self.split(name)?),
                ClauseKind::Loses(text) => out.loses = Some(text.text.clone()),
                ClauseKind::When(condition) => out.when = Some(condition),
                ClauseKind::Else { arrow, action } => {
                    let sides = arrow.map_or(Sides::new(true, true), towards);
                    for side in Side::BOTH.into_iter().filter(|&it| sides[it]) {
                        if out.otherwise[side].replace(action).is_some() {
                            let message = format!("the {} side has its `else` already", side.word());
                            self.error(codes::SYNTAX, clause.span, message, "the second one");
                            return None;
                        }
                    }
                }
                ClauseKind::OnCreate => out.on_create = true,
                ClauseKind::OnUpdate => out.on_update = true,
                ClauseKind::OnMissing(action) => out.on_missing = Some(self.missing(action)?),
                ClauseKind::OnConflict(_) => {}
            }
        }
        if out.on_create && out.on_update {
            let message = "a rule `on create` is for new rows only, and `on update` for the others";
            let diagnostic = Diagnostic::new(codes::SYNTAX, rule.span, message, "for no row at all");
            self.report(diagnostic.advice("leave one of them out, or both if the rule is for all rows"));
            return None;
        }
        Some(out)
    }

    fn word<T: Copy>(&mut self, what: &str, name: &ast::Name, known: &[(&str, T)]) -> Option<T> {
        if let Some((_, value)) = known.iter().find(|(word, _)| *word == name.text) {
            return Some(*value);
        }
        self.report(super::names::unknown(what, &name.text, name.span, known.iter().map(|(word, _)| *word), "not known"));
        None
    }

    fn modulo(&mut self, names: &[ast::Name]) -> Option<Modulo> {
        let mut out = Modulo::default();
        for name in names {
            match self.word("difference", name, &[("trim", 0), ("case", 1), ("space", 2)])? {
                0 => out.trim = true,
                1 => out.case = true,
                _ => out.space = true,
            }
        }
        Some(out)
    }

    fn split(&mut self, name: &ast::Name) -> Option<Split> {
        self.word("split", name, &[("first", Split::First), ("last", Split::Last)])
    }
}
