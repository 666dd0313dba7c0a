//! How independence and stability were decided, and the rules of which a law is less sure than somebody asked for.

use std::sync::Arc;

use super::kin::Kin;
use super::overlap::allowed;
use super::writers::{Writers, shared};
use crate::change::Side;
use crate::check::built::Built;
use crate::diag::{Diagnostic, Diagnostics, Severity, codes};
use crate::ir::{Certificate, Expr, Plan, Rule, Strength};
use crate::value::Slot;

/// Writes both certificates of every rule, as if there were no other map.
pub fn of_map(plan: &mut Plan) {
    for index in 0..plan.rules.len() {
        let stability = stability(plan, &plan.rules[index]);
        let laws = &mut plan.rules[index].laws;
        (laws.independence, laws.stability) = (Certificate::Proved, stability);
    }
}

/// Mends them after the rules were compared with each other.
pub fn together(built: &mut [Built<'_>], own: &[&Writers], kin: &Kin) {
    // The parts of several lookups may share a field, and rows of other entities may share a target: both are watched at run time.
    for (map, rule) in shared(built, own, kin) {
        Arc::make_mut(&mut built[map].plan).rules[rule].laws.independence = Certificate::Assumed;
    }
}

/// A rule can take a row out of scope, or make its own guard false, only by a field that these read.
fn stability(plan: &Plan, rule: &Rule) -> Certificate {
    let certificates = Side::BOTH.into_iter().filter(|it| rule.writes(*it)).map(|side| of_side(plan, rule, side));
    certificates.min_by_key(Certificate::strength).unwrap_or(Certificate::Proved)
}

fn of_side(plan: &Plan, rule: &Rule, side: Side) -> Certificate {
    let is_written = |slot: &Slot| rule.ends[side].write.iter().any(|(own, _)| own == slot);
    let guard = rule.guard.as_ref().filter(|it| it.side == side && !rule.on_create).map(|it| &it.condition);
    let conditions = plan.scope[side].iter().chain(guard);
    if !conditions.flat_map(Expr::slots).any(|it| is_written(&it)) {
        return Certificate::Proved;
    }
    let sources = rule.ends[side.other()].read.slots();
    let known = match (sources.as_slice(), &plan.scope[side.other()]) {
        ([], _) => Some(1),
        ([from], Some(near)) if guard.is_none() => {
            let shape = &plan.shapes[side.other()];
            allowed((near, shape), &shape.field(*from).name).map(|it| it.len() as u64)
        }
        _ => None,
    };
    known.map_or(Certificate::Assumed, |cases| Certificate::Enumerated { cases })
}

/// A hint where the round trip was only sampled; an error where the caller asks for more.
pub fn report(built: &mut [Built<'_>], required: Option<Strength>, diags: &mut Diagnostics) {
    for it in built.iter_mut().filter(|it| !it.is_wrong) {
        for index in 0..it.plan.rules.len() {
            let laws = &it.plan.rules[index].laws;
            let is_sampled = laws.section.strength() == Strength::Tested;
            if required.is_none() && !is_sampled {
                continue;
            }
            let (law, certificate) = laws.weakest();
            let is_too_weak = required.is_some_and(|it| certificate.strength() < it);
            if !is_too_weak && !is_sampled {
                continue;
            }
            let (message, severity) = if is_too_weak {
                (format!("{} of this rule is {certificate}, which is less than asked for", law.name()), Severity::Error)
            } else {
                (format!("{} of this rule was tried and not proved", law.name()), Severity::Hint)
            };
            let label = certificate.to_string();
            let diagnostic = Diagnostic::new(codes::SAMPLED, it.rules[index].rule.arrow_span, message, label);
            let (map, rule) = (it.plan.name.clone(), it.plan.rules[index].label.clone());
            let way_out = format!("`dwmap explain {}` shows what was decided, and how", for_shell(&format!("{map}.{rule}")));
            diags.push(Diagnostic { severity, ..diagnostic }.advice(way_out).in_rule(&map, Some(&rule)));
            it.is_wrong |= is_too_weak;
        }
    }
}

/// The words as one argument of a shell.
fn for_shell(argument: &str) -> String {
    let is_plain = argument.chars().all(|it| it.is_alphanumeric() || matches!(it, '.' | '_' | '-'));
    if is_plain { argument.to_owned() } else { format!("'{}'", argument.replace('\'', r"'\''")) }
}
