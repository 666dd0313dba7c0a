//! A lowered map beside the text it came from: what the law and policy checks look at.

use std::sync::Arc;

use crate::ir;
use crate::source::Span;
use crate::syntax::ast;

/// A lowered map.
pub struct Built<'a> {
    /// Shared with what is remembered of the map, until somebody changes it.
    pub plan: Arc<ir::Plan>,
    pub map: &'a ast::Map,
    /// The text of each rule, in the order of `plan.rules`.
    pub rules: Vec<Written<'a>>,
    /// A member did not parse or resolve: nothing is said of what may have been in it.
    pub is_partial: bool,
    /// The map has an error and takes no part in the program.
    pub is_wrong: bool,
}

/// Where a lowered rule stands in the text.
#[derive(Clone, Copy)]
pub struct Written<'a> {
    pub rule: &'a ast::Rule,
    pub role: Role,
    pub span: Span,
}

/// What a rule is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Partition,
    Key,
    Ordinary,
}
