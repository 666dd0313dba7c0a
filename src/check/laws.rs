//! The round-trip laws of two-way rules, decided by the cheapest method that works.
//!
//! By construction where both readers are plain or apply the same function; else by running the real interpreter: on every
//! value where the fields have few, on a nasty corpus where they have many. A counterexample is printed only after it was
//! seen to happen. What a fallback (`else`, an `else` row) catches is outside the laws: the author has said what becomes of
//! it. The same holds for null under `??`.
//!
//! `<~>` says that something is lost, so it need not read back what was written; it must settle, and its sides must be stable.

mod alone;
mod construct;
mod message;
pub mod samples;
mod trial;
mod verdict;

use std::collections::BTreeSet;
use std::sync::Arc;

use super::built::{Built, Role, Written};
use super::names::World;
use super::policy::finer_side;
use super::premise::Premise;
use crate::change::{Side, Sides};
use crate::diag::{Code, Diagnostic, Diagnostics, Edit, Fix, Severity, codes, mend};
use crate::ir::{Certificate, Missing, Rule, RuleId};
use crate::source::{FileId, Sources, Span};
use crate::syntax::ast::{self, Arrow, ClauseKind};
use construct::Form;
use trial::Finding;
use verdict::{Claim, Verdict};

pub use message::show_record;
pub use verdict::Verdicts;

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

/// Codes outside of the laws that stand for what was seen to happen to a row.
pub const SEEN_CODES: [Code; 3] = [codes::IMAGE_OUT_OF_SCOPE, codes::DATE_LOSS, codes::KEY_COLLISION];

/// Otherwise a rule that would be refused for what happens to its rows is compiled, so that it can be run.
pub fn are_decided(world: &World<'_>) -> bool {
    world.premises.hold(Premise::Laws)
}

/// What is to be said of one rule.
#[derive(Clone)]
pub struct Told {
    /// Where the rule stands.
    span: Span,
    /// Said in any case.
    no_loses: Option<Diagnostic>,
    /// Said unless an error about its laws was reported: a hint, or such an error.
    other: Option<Diagnostic>,
}

/// Decides the laws of every two-way rule of a map, and records how each was decided. What is to be said comes back.
pub fn decide(world: &World<'_>, built: &mut Built<'_>, verdicts: &Verdicts, sources: &Sources) -> Vec<Told> {
    let mut out = Vec::new();
    if !are_decided(world) {
        return out;
    }
    let two_way: Vec<RuleId> = built.plan.rule_ids().filter(|&id| built.plan.rule(id).is_two_way()).collect();
    for id in two_way {
        let decided = decide_one(world, built, id, verdicts);
        let (written, rule) = (built.rules[id.index()], built.plan.rule(id));
        let is_weaker = decided.is_weaker && !forgets_missing(rule);
        // A key's arrow must be another one anyway, and where nothing is lost there is nothing to name.
        let is_key = written.role != Role::Ordinary;
        let is_silent = written.rule.arrow == Arrow::Lossy && rule.loses.is_none() && !is_weaker && !is_key;
        let no_loses = is_silent.then(|| no_loses(&written).in_rule(&built.plan.name, Some(&rule.label)));
        let other = match &decided.finding {
            Some(finding) => Some(message::diagnostic(world, built, id, finding, sources)),
            None => (is_weaker && !is_key).then(|| weaker(&written, sources).in_rule(&built.plan.name, Some(&rule.label))),
        };
        if no_loses.is_some() || other.is_some() {
            out.push(Told { span: written.span, no_loses, other });
        }
        let laws = &mut Arc::make_mut(&mut built.plan).rules[id.index()].laws;
        (laws.section, laws.absorption) = (decided.section, decided.absorption);
    }
    out
}

/// Says it, map by map. A rule within whose text an error about laws stands already is left out: a layer may bring a rule that its
/// base had.
pub fn tell(built: &mut [Built<'_>], told: &[&[Told]], diags: &mut Diagnostics) {
    let law_errors = diags.iter().filter(|it| LAW_CODES.contains(&it.code)).map(Diagnostic::primary);
    let mut failed: BTreeSet<(FileId, u32)> = law_errors.map(|it| (it.file, it.start)).collect();
    for (built, told) in built.iter_mut().zip(told) {
        for it in *told {
            it.no_loses.iter().for_each(|it| diags.push(it.clone()));
            let Span { file, start, end } = it.span;
            let Some(other) = it.other.as_ref().filter(|_| failed.range((file, start)..(file, end)).next().is_none()) else {
                continue;
            };
            if other.severity == Severity::Error {
                failed.insert((other.primary().file, other.primary().start));
                built.is_wrong = true;
            }
            diags.push(other.clone());
        }
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

/// How the round trip of one rule and the stores' part in it were decided, and what is wrong with the rule.
struct Decided {
    section: Certificate,
    absorption: Certificate,
    finding: Option<Finding>,
    /// `<~>` where `<->` would hold.
    is_weaker: bool,
}

fn decide_one(world: &World<'_>, built: &Built<'_>, id: RuleId, verdicts: &Verdicts) -> Decided {
    let (written, rule) = (built.rules[id.index()].rule, built.plan.rule(id));
    let form = construct::form(&built.plan, id, world.premises);
    if form == Some(Form::Faithful) {
        let is_weaker = written.arrow == Arrow::Lossy
            && finer_side(&built.plan, id).is_none()
            && Side::BOTH.into_iter().all(|it| rule.otherwise[it].is_none());
        let (section, absorption) = (Certificate::Proved, Certificate::Proved);
        return Decided { section, absorption, finding: None, is_weaker };
    }
    let is_lossless = written.arrow == Arrow::Both;
    let is_canon = Sides::new(is_own_canon(world, &written.left), is_own_canon(world, &written.right));
    let Verdict { tried, finding } = verdicts.of(&built.plan, id, Claim { is_lossless, is_canon, premises: world.premises });
    let is_settled = form == Some(Form::Settled) && !is_lossless;
    let section = if is_settled { Certificate::Proved } else { tried.clone() };
    let absorption = if is_settled && construct::stores_keep(&built.plan, id) { Certificate::Proved } else { tried };
    // What the form proves is tried all the same where a part is lost: stores change values, too.
    Decided { section, absorption, finding, is_weaker: false }
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
