//! The round-trip laws of two-way rules, decided by the cheapest method that works.
//!
//! By construction where both readers are plain or apply the same canoniser; else by running the real interpreter: on every
//! value where the fields have few, on a nasty corpus where they have many. A counterexample is printed only after it was
//! seen to happen. What a fallback (`else`, an `else` row) catches is outside the laws: the author has said what becomes of
//! it. The same holds for null under `??`.
//!
//! `<~>` says that something is lost, so it need not read back what was written; it must settle, and its sides must be stable.

mod message;
pub mod samples;
mod trial;

use super::built::{Built, Role, Written};
use super::names::World;
use crate::change::{Side, Sides};
use crate::diag::{Code, Diagnostic, Diagnostics, Edit, Fix, codes, mend};
use crate::functions::{self, Law};
use crate::ir::{Certificate, Expr, Rule, RuleId};
use crate::source::Sources;
use crate::syntax::ast::{self, Arrow, ClauseKind};
use crate::value::Kind;
use trial::{Finding, Trial};

/// The codes of which a rule gets at most one.
const LAW_CODES: [Code; 7] = [
    codes::ONE_WAY_FUNCTION,
    codes::NOT_IDEMPOTENT,
    codes::PREFERRED_REVERSE,
    codes::AMBIGUOUS_SPLIT,
    codes::ABSORPTION,
    codes::SECTION,
    codes::LOST,
];

/// Decides the laws of every two-way rule, reports what fails, and records how each was decided.
pub fn check(world: &World<'_>, built: &mut Built<'_>, sources: &Sources, diags: &mut Diagnostics) {
    for id in built.plan.rule_ids().collect::<Vec<_>>() {
        let written = built.rules[id.index()];
        let rule = built.plan.rule(id);
        if !rule.is_two_way() {
            continue;
        }
        if written.rule.arrow == Arrow::Lossy && rule.loses.is_none() {
            diags.push(no_loses(&written).in_rule(&built.plan.name, Some(&rule.label)));
        }
        let is_decided = diags.iter().any(|it| {
            LAW_CODES.contains(&it.code)
                && written.span.range().contains(&it.primary().range().start)
                && it.primary().file == written.span.file
        });
        if is_decided || written.role == Role::Partition {
            continue;
        }
        if written.rule.arrow == Arrow::Lossy && is_proved(rule) && Side::BOTH.into_iter().all(|it| rule.otherwise[it].is_none())
        {
            diags.push(weaker(&written, sources).in_rule(&built.plan.name, Some(&rule.label)));
        }
        let (certificate, finding) = decide(world, built, id);
        if let Some(finding) = finding {
            diags.push(message::diagnostic(world, built, id, &finding, sources));
            built.is_wrong = true;
        }
        built.plan.rules[id.index()].certificate = certificate;
    }
}

fn no_loses(written: &Written<'_>) -> Diagnostic {
    Diagnostic::new(
        codes::NO_LOSES,
        written.rule.arrow_span,
        "`<~>` loses something, but the rule does not say what",
        "what is lost here?",
    )
    .advice("add `loses \"…\"` in words that the approver of the map understands")
}

fn weaker(written: &Written<'_>, sources: &Sources) -> Diagnostic {
    let arrow = written.rule.arrow_span;
    let diagnostic = Diagnostic::new(codes::WEAKER, arrow, "nothing is lost by this rule", "promises less than it holds");
    let mut edits = vec![Edit { span: arrow, text: "<->".to_owned() }];
    let said = written.rule.clauses.iter().filter(|it| matches!(it.kind, ClauseKind::Loses(_)));
    edits.extend(said.map(|it| Edit { span: mend::with_blanks(sources, it.span), text: String::new() }));
    let message = if edits.len() > 1 { "`<->`, without `loses`" } else { "`<->`" };
    Diagnostic { fixes: vec![Fix { message: message.to_owned(), edits, safe: true }], ..diagnostic }
}

/// How the rule was decided, and what is wrong with it.
fn decide(world: &World<'_>, built: &Built<'_>, id: RuleId) -> (Certificate, Option<Finding>) {
    let rule = built.plan.rule(id);
    if has_lookup(rule) || is_proved(rule) {
        return (Certificate::Proved, None);
    }
    let trial = Trial::new(&built.plan, id);
    let certificate = if trial.is_complete {
        Certificate::Enumerated { cases: trial.cases() }
    } else {
        Certificate::Tested { cases: trial.cases(), seed: samples::SEED }
    };
    let written = built.rules[id.index()].rule;
    let is_canon = Sides::new(is_own_canon(world, &written.left), is_own_canon(world, &written.right));
    (certificate, trial.run(written.arrow == Arrow::Both, &is_canon))
}

/// The end is read through a `canon` that a file defines.
fn is_own_canon(world: &World<'_>, end: &ast::Expr) -> bool {
    match &super::expr::bare(end).kind {
        ast::ExprKind::Call { function, .. } => world.functions.get(&world.project.key(function)).is_some_and(|it| it.is_canon),
        _ => false,
    }
}

/// References are resolved by unique keys: what `via` reads is what it writes.
fn has_lookup(rule: &Rule) -> bool {
    fn within(expr: &Expr) -> bool {
        matches!(expr, Expr::KeyOf { .. } | Expr::IdOf { .. } | Expr::Partition) || expr.operands().into_iter().any(within)
    }
    Side::BOTH.into_iter().any(|side| within(&rule.ends[side].read) || rule.ends[side].write.iter().any(|(_, it)| within(it)))
}

/// Both sides read one field, plainly or through the same single canoniser, and write what they are given.
fn is_proved(rule: &Rule) -> bool {
    let canon = |side: Side| match &rule.ends[side].read {
        Expr::Slot(_) => Some(None),
        Expr::Call { function, arguments } => {
            let is_canon = functions::find(function).is_some_and(|it| it.law == Law::Canon);
            let is_plain =
                matches!(arguments.first(), Some(Expr::Slot(_))) && arguments[1..].iter().all(|it| matches!(it, Expr::Const(_)));
            (is_canon && is_plain).then(|| Some((function, &arguments[1..])))
        }
        _ => None,
    };
    let writes_plainly = |side: Side| match rule.ends[side].write.as_slice() {
        [(slot, Expr::It)] => rule.ends[side].read.slots() == [*slot],
        [(slot, Expr::Convert { operand, to })] => {
            rule.ends[side].read.slots() == [*slot] && **operand == Expr::It && is_same_family(to, &rule.kind)
        }
        _ => false,
    };
    let (left, right) = (canon(Side::Left), canon(Side::Right));
    left.is_some() && left == right && Side::BOTH.into_iter().all(writes_plainly)
}

/// A conversion between these only refuses; it never changes the value.
fn is_same_family(to: &Kind, from: &Kind) -> bool {
    let whole = |it: &Kind| matches!(it, Kind::Int32 | Kind::Int64 | Kind::Decimal { .. });
    matches!((to, from), (Kind::Text { .. }, Kind::Text { .. })) || (whole(to) && whole(from)) || to == from
}

#[cfg(test)]
mod tests;
