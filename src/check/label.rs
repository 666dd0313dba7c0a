//! What messages, tests and layers call a rule.

use super::expr::bare;
use crate::change::{Side, Sides};
use crate::schema::Entity;
use crate::source::Sources;
use crate::syntax::ast::{self, ExprKind};

/// The entities of both sides, where they are known.
pub type Fields<'e> = Sides<Option<&'e Entity>>;

/// The ends of a tuple, or the one end.
pub fn ends(expr: &ast::Expr) -> Vec<&ast::Expr> {
    match &bare(expr).kind {
        ExprKind::Tuple(parts) => parts.iter().collect(),
        _ => vec![expr],
    }
}

/// The first field of its right end, else of its left; what was written before the rule goes first.
pub fn label(sources: &Sources, fields: &Fields<'_>, rule: &ast::Rule) -> String {
    if let Some(written) = &rule.label {
        return written.text.clone();
    }
    let field = |side: Side, end: &ast::Expr| match &bare(ends(end)[0]).kind {
        ExprKind::Path(path) => {
            let name = &path.segments[path.segments.len() - 1].text;
            fields[side].is_some_and(|it| it.fields.contains_key(name)).then(|| name.clone())
        }
        _ => None,
    };
    let found = field(Side::Right, &rule.right).or_else(|| field(Side::Left, &rule.left));
    found.unwrap_or_else(|| sources.text(rule.right.span).to_owned())
}
