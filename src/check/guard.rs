//! Guards: `when` and the `for` block of a rule, and the side whose record they are asked of.

use super::paths::paths;
use super::rule::Block;
use super::scope::Scope;
use crate::change::Side;
use crate::diag::{Diagnostic, codes};
use crate::ir::{Expr, Guard};
use crate::syntax::ast;

impl<'a> Scope<'a, '_> {
    /// `when` and the `for` block, on the side whose fields the condition names.
    #[expect(clippy::option_option, reason = "no guard is one outcome, a wrong guard another")]
    pub fn guard(&mut self, when: Option<&'a ast::Expr>, block: Option<&Block>) -> Option<Option<Guard>> {
        let Some(when) = when else {
            return Some(block.map(|it| Guard { side: Side::Left, condition: it.condition.clone() }));
        };
        let side = self.guard_side(when)?;
        let condition = self.condition(side, when)?;
        for span in &condition.partial {
            self.error(codes::PARTIAL, *span, "a condition cannot fail", "can fail");
        }
        let condition = match block {
            None => condition.expr,
            Some(block) => Expr::And(block.condition.clone().boxed(), condition.expr.boxed()),
        };
        Some(Some(Guard { side, condition }))
    }

    fn guard_side(&mut self, when: &ast::Expr) -> Option<Side> {
        let mut names = Vec::new();
        paths(when, &mut names);
        let has = |side: Side, path: &ast::Path| match path.segments.as_slice() {
            [system, field] if self.sides[side].system.name == system.text => {
                self.sides[side].entity.fields.contains_key(&field.text)
            }
            [name] => self.sides[side].entity.fields.contains_key(&name.text),
            _ => false,
        };
        let fields: Vec<&&ast::Path> = names.iter().filter(|it| has(Side::Left, it) || has(Side::Right, it)).collect();
        let all = |side: Side| fields.iter().all(|it| has(side, it));
        match (all(Side::Left), all(Side::Right)) {
            (true, true) if fields.is_empty() => Some(Side::Left),
            (true, false) => Some(Side::Left),
            (false, true) => Some(Side::Right),
            (true, true) => {
                let field = fields[0].to_string();
                let message = format!("both sides have `{field}`, so the side of this guard is not clear");
                let diagnostic = Diagnostic::new(codes::UNKNOWN_NAME, fields[0].span, message, "of which side?");
                let fix = format!("{}.{field}", self.sides[Side::Left].system.name);
                let span = fields[0].span;
                self.report(diagnostic.replace(format!("`{fix}`"), span, fix, false));
                None
            }
            (false, false) => {
                let message = "a guard reads one side, and this one names fields of both";
                self.error(codes::GUARD, when.span, message, "fields of both sides");
                None
            }
        }
    }
}
