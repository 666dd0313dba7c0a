//! How maps depend on each other: the order in which they are filled, and what is done in two steps where they refer to each
//! other in a circle. As text, and for Graphviz and Mermaid.

use std::collections::BTreeSet;

use crate::change::Side;
use crate::ir::{Expr, Plan, PlanId, Program, RefId, Rule};

/// One reference of a map to another map, or to a table that has none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edge {
    pub from: PlanId,
    pub to: Target,
    /// The rules that refer, by label.
    pub rules: Vec<String>,
    /// A filter refers, too.
    pub in_filter: bool,
    /// The key or the partition refers.
    pub in_key: bool,
    /// A new row can do without it: it is written when the other row is there.
    pub is_deferred: bool,
    /// The fields that are written then.
    pub fields: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    Map(PlanId),
    /// `dv.transactioncurrency`
    Table(String),
}

/// All references of a program.
pub fn edges(program: &Program) -> Vec<Edge> {
    let mut out: Vec<Edge> = Vec::new();
    for (number, plan) in program.plans.iter().enumerate() {
        for (place, _) in plan.references.iter().enumerate() {
            for edge in edges_of(program, PlanId(number as u16), RefId(place as u16)) {
                match out.iter_mut().find(|it| it.from == edge.from && it.to == edge.to) {
                    Some(known) => join(known, edge),
                    None => out.push(edge),
                }
            }
        }
    }
    out
}

/// A map refers to another one on both sides, by several rules; one edge says it all.
fn join(known: &mut Edge, other: Edge) {
    for label in other.rules {
        if !known.rules.contains(&label) {
            known.rules.push(label);
        }
    }
    for field in other.fields {
        if !known.fields.contains(&field) {
            known.fields.push(field);
        }
    }
    known.in_filter |= other.in_filter;
    known.in_key |= other.in_key;
    known.is_deferred |= other.is_deferred;
}

fn edges_of(program: &Program, from: PlanId, id: RefId) -> Vec<Edge> {
    let plan = &program.plans[from.index()];
    let reference = plan.reference(id);
    let users: Vec<&Rule> = plan.rules.iter().filter(|it| uses(it, id)).collect();
    let is_key = |rule: &&Rule| plan.key.iter().any(|&it| std::ptr::eq(plan.rule(it), *rule));
    let written = |rule: &&Rule| {
        let slots = rule.ends[reference.side].write.iter().map(|(slot, _)| *slot);
        slots.map(|it| plan.shapes[reference.side].field(it).name.clone()).collect::<Vec<_>>()
    };
    let fields = if reference.is_deferrable { users.iter().flat_map(written).collect() } else { Vec::new() };
    let edge = |to: Target| Edge {
        from,
        to,
        rules: users.iter().map(|it| it.label.clone()).collect(),
        in_filter: Side::BOTH.iter().any(|&it| plan.scope[it].as_ref().is_some_and(|it| refers(it, id))),
        in_key: users.iter().any(is_key),
        is_deferred: reference.is_deferrable,
        fields: fields.clone(),
    };
    match reference.plan.as_deref().and_then(|name| program.plan(name)) {
        Some((target, _)) => vec![edge(Target::Map(target))],
        None => {
            let system = program.system(plan, reference.side);
            let tables: BTreeSet<String> = reference.targets.iter().map(|it| format!("{system}.{}", it.shape.entity)).collect();
            tables.into_iter().map(|it| edge(Target::Table(it))).collect()
        }
    }
}

fn uses(rule: &Rule, id: RefId) -> bool {
    let ends = rule.ends.iter().any(|(_, end)| refers(&end.read, id) || end.write.iter().any(|(_, it)| refers(it, id)));
    ends || rule.guard.as_ref().is_some_and(|it| refers(&it.condition, id))
}

fn refers(expr: &Expr, id: RefId) -> bool {
    let own = match expr {
        Expr::KeyOf { reference, .. } | Expr::IdOf { reference, .. } => *reference == id,
        _ => false,
    };
    own || expr.operands().into_iter().any(|it| refers(it, id))
}

/// `fo.CustomersV3 <-> dv.account`
pub fn sides(program: &Program, plan: &Plan) -> String {
    let name = |side: Side| format!("{}.{}", program.system(plan, side), plan.shapes[side].entity);
    let arrow = match (plan.writes[Side::Left], plan.writes[Side::Right]) {
        (true, false) => "<-",
        (false, true) => "->",
        (true, true) | (false, false) => "<->",
    };
    format!("{} {arrow} {}", name(Side::Left), name(Side::Right))
}

/// The maps that share an entity with this one on a side, by name.
fn siblings<'p>(program: &'p Program, plan: &Plan, side: Side) -> Vec<&'p str> {
    let shares = |it: &&Plan| {
        it.name != plan.name && it.shapes[side].entity == plan.shapes[side].entity && it.systems[side] == plan.systems[side]
    };
    program.plans.iter().filter(shares).map(|it| it.name.as_str()).collect()
}

/// The order of filling, with what each map waits for.
pub fn to_text(program: &Program) -> String {
    let edges = edges(program);
    let width = program.plans.iter().map(|it| it.name.chars().count()).max().unwrap_or(0);
    let mut out = String::from("Order of the initial sync: a map comes after those that it refers to.\n");
    for (number, group) in program.order.iter().enumerate() {
        out.push('\n');
        if group.len() > 1 {
            let names: Vec<&str> = group.iter().map(|it| program.plans[it.index()].name.as_str()).collect();
            out.push_str(&format!("{:>3}  together, because they refer to each other: {}\n", number + 1, names.join(", ")));
        }
        for &id in group {
            let lead = if group.len() > 1 { String::new() } else { (number + 1).to_string() };
            let plan = &program.plans[id.index()];
            out.push_str(&format!("{lead:>3}  {:width$}   {}\n", plan.name, sides(program, plan)));
            for edge in edges.iter().filter(|it| it.from == id) {
                out.push_str(&format!("       {}\n", edge_text(program, edge)));
            }
            out.push_str(&siblings_text(program, plan));
        }
        out.push_str(&two_steps(program, &edges, group));
    }
    out
}

fn edge_text(program: &Program, edge: &Edge) -> String {
    let target = match &edge.to {
        Target::Map(id) if *id == edge.from => "itself".to_owned(),
        Target::Map(id) => program.plans[id.index()].name.clone(),
        Target::Table(name) => format!("{name}, a table without a map"),
    };
    let mut by = edge.rules.clone();
    if edge.in_filter {
        by.push("the filter".to_owned());
    }
    let key = if edge.in_key { ", for the key" } else { "" };
    format!("refers to {target} by {}{key}", by.join(", "))
}

fn siblings_text(program: &Program, plan: &Plan) -> String {
    let mut out = String::new();
    for side in Side::BOTH {
        let names = siblings(program, plan, side);
        if !names.is_empty() {
            let entity = &plan.shapes[side].entity;
            let how = if plan.scope[side].is_some() { "the filter says which are its own" } else { "without a filter" };
            out.push_str(&format!("       shares the rows of {entity} with {}: {how}\n", names.join(", ")));
        }
    }
    out
}

/// What is left out at first, and written later.
fn two_steps(program: &Program, edges: &[Edge], group: &[PlanId]) -> String {
    let deferred: Vec<&Edge> = edges.iter().filter(|it| it.is_deferred && group.contains(&it.from)).collect();
    if deferred.is_empty() {
        return String::new();
    }
    let mut out = String::from("       in two steps:\n");
    let name = |id: PlanId| program.plans[id.index()].name.as_str();
    for edge in &deferred {
        let (map, fields) = (name(edge.from), edge.fields.join(", "));
        out.push_str(&format!(
            "         first  a new row of {map} is made without {fields} if the row that it refers to is not there\n"
        ));
    }
    for edge in &deferred {
        let Target::Map(target) = edge.to else { continue };
        let fields = edge.fields.join(", ");
        out.push_str(&format!("         then   {fields} is written as soon as {} has linked that row\n", name(target)));
    }
    out
}

/// For Graphviz: an arrow leads from a map to what it refers to; dashed arrows are written in the second step.
pub fn to_dot(program: &Program) -> String {
    let mut out = String::from("digraph maps {\n  rankdir = LR\n  node [shape = box, style = rounded]\n");
    for (number, group) in program.order.iter().enumerate() {
        let nodes = group.iter().map(|it| {
            let plan = &program.plans[it.index()];
            format!("{} [label = {}]", quoted(&plan.name), quoted(&format!("{}\n{}", plan.name, sides(program, plan))))
        });
        if group.len() > 1 {
            out.push_str(&format!("  subgraph cluster_{number} {{\n    style = dashed\n"));
            nodes.for_each(|it| out.push_str(&format!("    {it}\n")));
            out.push_str("  }\n");
        } else {
            nodes.for_each(|it| out.push_str(&format!("  {it}\n")));
        }
    }
    let edges = edges(program);
    let tables: BTreeSet<&str> =
        edges.iter().filter_map(|it| if let Target::Table(name) = &it.to { Some(name.as_str()) } else { None }).collect();
    tables.iter().for_each(|it| out.push_str(&format!("  {} [shape = plaintext]\n", quoted(it))));
    for edge in &edges {
        let style = if edge.is_deferred { ", style = dashed" } else { "" };
        let (from, to) = (quoted(&program.plans[edge.from.index()].name), quoted(target_name(program, edge)));
        out.push_str(&format!("  {from} -> {to} [label = {}{style}]\n", quoted(&labels(edge, "\n"))));
    }
    out.push_str("}\n");
    out
}

/// For Mermaid, which pull requests and wikis draw.
pub fn to_mermaid(program: &Program) -> String {
    let mut out = String::from("flowchart LR\n");
    let mut tables: Vec<&str> = Vec::new();
    for (number, group) in program.order.iter().enumerate() {
        let is_circle = group.len() > 1;
        if is_circle {
            out.push_str(&format!("  subgraph circle{number}[\"refer to each other\"]\n"));
        }
        for id in group {
            let plan = &program.plans[id.index()];
            let label = format!("{}<br/>{}", entities(&plan.name), entities(&sides(program, plan)));
            out.push_str(&format!("  m{}[\"{label}\"]\n", id.0));
        }
        if is_circle {
            out.push_str("  end\n");
        }
    }
    let edges = edges(program);
    for edge in &edges {
        let to = match &edge.to {
            Target::Map(id) => format!("m{}", id.0),
            Target::Table(name) => {
                let number = tables.iter().position(|it| it == name).unwrap_or_else(|| {
                    out.push_str(&format!("  t{}([\"{}\"])\n", tables.len(), entities(name)));
                    tables.push(name);
                    tables.len() - 1
                });
                format!("t{number}")
            }
        };
        let line = if edge.is_deferred { "-.->" } else { "-->" };
        out.push_str(&format!("  m{} {line}|\"{}\"| {to}\n", edge.from.0, entities(&labels(edge, ", "))));
    }
    out
}

fn target_name<'a>(program: &'a Program, edge: &'a Edge) -> &'a str {
    match &edge.to {
        Target::Map(id) => &program.plans[id.index()].name,
        Target::Table(name) => name,
    }
}

fn labels(edge: &Edge, between: &str) -> String {
    let mut out = edge.rules.clone();
    if edge.in_filter {
        out.push("filter".to_owned());
    }
    out.join(between)
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

/// Mermaid reads these letters as its own.
fn entities(text: &str) -> String {
    let mut out = String::new();
    for letter in text.chars() {
        match letter {
            '"' | '<' | '>' | '&' | '#' | ';' | '|' | '`' => out.push_str(&format!("#{};", u32::from(letter))),
            other => out.push(other),
        }
    }
    out
}
