//! A compiled map or rule in words: how each side is read and written, what is lost, how the laws were decided, and which part
//! of a filter each system evaluates itself.

use crate::change::Side;
use crate::functions::{self, Law as FunctionLaw};
use crate::ir::push::{self, Dialect};
use crate::ir::{Conflict, Expr, Fallback, Law, Missing, Modulo, Plan, Program, Rule, RuleId, show};
use crate::value::{Kind, Value};

/// Width of the names before the values.
const NAME_WIDTH: usize = 18;

/// The filters of a map and its rules, a line each.
pub fn map(program: &Program, plan: &Plan) -> String {
    let mut out = format!("{} ({}:{})\n", plan.name, plan.origin.file, plan.origin.line);
    for side in Side::BOTH {
        out += &line("", program.system(plan, side), &plan.shapes[side].entity);
    }
    out += &filters(program, plan);
    out += "\n";
    for rule in &plan.rules {
        let (law, certificate) = rule.laws.weakest();
        let what = match certificate.strength() {
            crate::ir::Strength::Proved => certificate.to_string(),
            _ => format!("{certificate}: {}", law.name()),
        };
        out += &format!("  {:<4} {:<28} {what}\n", rule.arrow, rule.label);
    }
    out
}

/// Everything that is known of one rule.
pub fn rule(program: &Program, plan: &Plan, id: RuleId) -> String {
    let rule = plan.rule(id);
    let mut out = format!("{}.{} {} ({}:{})\n", plan.name, rule.label, rule.arrow, rule.origin.file, rule.origin.line);
    for side in Side::BOTH {
        out += &end(program, plan, rule, side);
    }
    out += &terms(program, plan, id);
    for law in Law::ALL {
        out += &line("", law.name(), &rule.laws.get(law).to_string());
    }
    for lost in losses(plan, rule) {
        out += &line("", "lost", &lost);
    }
    out + &filters(program, plan)
}

fn line(indent: &str, name: &str, value: &str) -> String {
    format!("{indent}  {name:<NAME_WIDTH$} {value}\n")
}

fn end(program: &Program, plan: &Plan, rule: &Rule, side: Side) -> String {
    let name = program.system(plan, side);
    let mut out = line("", &format!("{name} shows"), &show::expr(plan, side, &rule.ends[side].read));
    for (slot, written) in &rule.ends[side].write {
        let field = &plan.shapes[side].field(*slot).name;
        out += &line("", &format!("{name} is written"), &format!("{field} := {}", show::expr(plan, side, written)));
    }
    if rule.ends[side].write.is_empty() {
        out += &line("", &format!("{name} is written"), "never by this rule");
    }
    out
}

/// What the rule's clauses and the map's policies say.
fn terms(program: &Program, plan: &Plan, id: RuleId) -> String {
    let rule = plan.rule(id);
    let mut out = line("", "compared as", &format!("{}{}", rule.kind, modulo(rule.modulo)));
    if let Some(guard) = &rule.guard {
        out += &line("", "when", &show::expr(plan, guard.side, &guard.condition));
    }
    if rule.on_create || rule.on_update {
        out += &line("", "only", if rule.on_create { "when a row is made" } else { "when a row is there already" });
    }
    for side in Side::BOTH {
        if let Some(otherwise) = &rule.otherwise[side] {
            let name = format!("else, to {}", program.system(plan, side));
            out += &line("", &name, &fallback(plan, side.other(), otherwise));
        }
    }
    let refers = Side::BOTH.into_iter().any(|it| !rule.refers(it).is_empty());
    if refers {
        out += &line("", "on missing", missing(rule.on_missing));
    }
    let group = plan.groups.iter().find(|it| it.rules.contains(&id));
    if let (Some(group), true) = (group, rule.is_two_way()) {
        let others: Vec<&str> = group.rules.iter().filter(|it| **it != id).map(|it| plan.rule(*it).label.as_str()).collect();
        let together = if others.is_empty() { String::new() } else { format!(", together with {}", others.join(", ")) };
        out += &line("", "on conflict", &format!("{}{together}", conflict(program, plan, group.conflict)));
    }
    out
}

fn modulo(modulo: Modulo) -> String {
    let words = [(modulo.trim, "trim"), (modulo.case, "case"), (modulo.space, "space")];
    let named: Vec<&str> = words.into_iter().filter(|(is_on, _)| *is_on).map(|(_, word)| word).collect();
    if named.is_empty() { String::new() } else { format!(", modulo {}", named.join(", ")) }
}

fn fallback(plan: &Plan, source: Side, it: &Fallback) -> String {
    match it {
        Fallback::Reject => "reject the row".to_owned(),
        Fallback::Park => "park the row".to_owned(),
        Fallback::Skip => "leave the field alone".to_owned(),
        Fallback::Value(value) => value.to_string(),
        Fallback::Expr(expr) => show::expr(plan, source, expr),
    }
}

fn missing(it: Missing) -> &'static str {
    match it {
        Missing::Park => "park the row until the other is there",
        Missing::Reject => "reject the row",
        Missing::Null => "write null",
        Missing::Create => "have its own map make it, and park the row until then",
    }
}

fn conflict(program: &Program, plan: &Plan, it: Conflict) -> String {
    match it {
        Conflict::Newest { tie } => format!("the newest wins, {} on a tie", program.system(plan, tie)),
        Conflict::Prefer(side) => format!("{} wins", program.system(plan, side)),
        Conflict::Manual => "a person decides".to_owned(),
    }
}

/// What the author says, and what the rule's parts make one.
fn losses(plan: &Plan, rule: &Rule) -> Vec<String> {
    let mut out: Vec<String> = rule.loses.iter().map(|it| format!("{it:?}, as the map says")).collect();
    for side in Side::BOTH {
        merged(plan, rule, side, &rule.ends[side].read, &mut out);
    }
    if out.is_empty() && rule.is_two_way() {
        out.push("nothing".to_owned());
    }
    out
}

fn merged(plan: &Plan, rule: &Rule, side: Side, expr: &Expr, out: &mut Vec<String>) {
    match expr {
        Expr::Table { table, operand } => {
            let pairs = &plan.table(*table).pairs;
            let mut targets: Vec<&Value> = pairs.iter().map(|(_, to)| to).collect();
            targets.sort_unstable();
            targets.dedup();
            for target in targets {
                let sources: Vec<String> =
                    pairs.iter().filter(|(_, to)| to == target).map(|(from, _)| member(plan, side, operand, from)).collect();
                if sources.len() > 1 {
                    let target = member(plan, side.other(), &rule.ends[side.other()].read, target);
                    out.push(format!("which of {}: all become {target}", sources.join(", ")));
                }
            }
        }
        Expr::Call { function, .. } if functions::find(function).is_some_and(|it| it.law == FunctionLaw::Retract) => {
            out.push(format!("what {} leaves out", show::expr(plan, side, expr)));
        }
        other => other.operands().into_iter().for_each(|it| merged(plan, rule, side, it, out)),
    }
}

fn member(plan: &Plan, side: Side, operand: &Expr, value: &Value) -> String {
    let named = match operand {
        Expr::Slot(slot) => match &plan.shapes[side].field(*slot).kind {
            Kind::Enum(members) => members.by_value(value).map(|it| it.name.clone()),
            _ => None,
        },
        _ => None,
    };
    named.unwrap_or_else(|| value.to_string())
}

/// Which part of the map's filter each system is asked for, and which part is tested here.
fn filters(program: &Program, plan: &Plan) -> String {
    let mut out = String::new();
    for side in Side::BOTH {
        let Some(scope) = &plan.scope[side] else { continue };
        let name = program.system(plan, side);
        out += &line("", &format!("filter, {name}"), &show::expr(plan, side, scope));
        let Some(dialect) = Dialect::of_profile(&plan.profiles[side].name) else {
            out += &line("", "  asked of it", "nothing: how it is asked is not known");
            continue;
        };
        let pushed = push::push(dialect, &plan.profiles[side], &plan.shapes[side], scope);
        out += &line("", "  asked of it", pushed.filter.as_deref().unwrap_or("nothing, so every row is read"));
        let rest = pushed.residue.map_or_else(|| "nothing".to_owned(), |it| show::expr(plan, side, &it));
        out += &line("", "  tested here", &rest);
    }
    out
}
