//! The round-trip laws of two-way rules, decided by the cheapest method that works.
//!
//! By construction where both readers are plain or apply the same function; else by running the real interpreter: on every
//! value where the fields have few, on a nasty corpus where they have many. A counterexample is printed only after it was
//! seen to happen. What a fallback (`else`, an `else` row) catches is outside the laws: the author has said what becomes of
//! it. The same holds for null under `??`.
//!
//! `<~>` says that something is lost, so it need not read back what was written; it must settle, and its sides must be stable.

mod construct;
mod message;
pub mod samples;
mod trial;

use super::built::{Built, Written};
use super::names::World;
use super::policy::finer_side;
use super::premise::Premise;
use crate::change::{Side, Sides};
use crate::diag::{Code, Diagnostic, Diagnostics, Edit, Fix, codes, mend};
use crate::ir::{Certificate, Missing, Rule, RuleId};
use crate::source::Sources;
use crate::syntax::ast::{self, Arrow, ClauseKind};
use construct::Form;
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
    if !world.premises.hold(Premise::Laws) {
        return;
    }
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
        if is_decided {
            continue;
        }
        let premises = world.premises;
        let is_faithful = construct::form(&built.plan, id, premises) == Some(Form::Faithful)
            && finer_side(&built.plan, id).is_none()
            && !forgets_missing(rule);
        if written.rule.arrow == Arrow::Lossy && is_faithful && Side::BOTH.into_iter().all(|it| rule.otherwise[it].is_none()) {
            diags.push(weaker(&written, sources).in_rule(&built.plan.name, Some(&rule.label)));
        }
        let decided = decide(world, built, id);
        if let Some(finding) = &decided.finding {
            diags.push(message::diagnostic(world, built, id, finding, sources));
            built.is_wrong = true;
        }
        let laws = &mut built.plan.rules[id.index()].laws;
        (laws.section, laws.absorption) = (decided.section, decided.absorption);
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

/// How the round trip and the stores' part in it were decided, and what is wrong with the rule.
struct Decided {
    section: Certificate,
    absorption: Certificate,
    finding: Option<Finding>,
}

fn decide(world: &World<'_>, built: &Built<'_>, id: RuleId) -> Decided {
    let form = construct::form(&built.plan, id, world.premises);
    if form == Some(Form::Faithful) {
        return Decided { section: Certificate::Proved, absorption: Certificate::Proved, finding: None };
    }
    let trial = Trial::new(&built.plan, id, world.premises);
    let tried = match (trial.cases(), trial.is_complete) {
        (0, _) => Certificate::Assumed,
        (cases, true) => Certificate::Enumerated { cases },
        (cases, false) => Certificate::Tested { cases, seed: samples::SEED },
    };
    let written = built.rules[id.index()].rule;
    let is_canon = Sides::new(is_own_canon(world, &written.left), is_own_canon(world, &written.right));
    let is_lossless = written.arrow == Arrow::Both;
    let is_settled = form == Some(Form::Settled) && !is_lossless;
    let section = if is_settled { Certificate::Proved } else { tried.clone() };
    let absorption = if is_settled && construct::stores_keep(&built.plan, id) { Certificate::Proved } else { tried };
    // What the form proves is tried all the same where a part is lost: stores change values, too.
    Decided { section, absorption, finding: trial.run(is_lossless, &is_canon) }
}

/// The reference that was not found becomes null, as if there never was one.
fn forgets_missing(rule: &Rule) -> bool {
    rule.on_missing == Missing::Null && Side::BOTH.into_iter().any(|it| rule.ends[it].read.has_key_of())
}

/// The end is read through a `canon` that a file defines.
fn is_own_canon(world: &World<'_>, end: &ast::Expr) -> bool {
    match &super::expr::bare(end).kind {
        ast::ExprKind::Call { function, .. } => world.functions.get(&world.project.key(function)).is_some_and(|it| it.is_canon),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
