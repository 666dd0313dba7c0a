//! The order in which maps are filled: a map comes after those that it refers to. Where maps refer to each other in a circle, a
//! new row does without the reference at first.

use std::collections::HashMap;
use std::sync::Arc;

use super::built::Built;
use super::circles;
use super::names::World;
use crate::change::Side;
use crate::diag::{Diagnostic, Diagnostics, codes};
use crate::ir::{Missing, Plan, PlanId, RefId, Rule};

/// Marks the references that a new row can do without, and reports circles in which there is none.
pub fn defer(world: &World<'_>, built: &mut [Built<'_>], diags: &mut Diagnostics) {
    let circles = Circles::new(built.iter().map(|it| &*it.plan));
    let mut marked: Vec<(usize, RefId)> = Vec::new();
    // By map: the maps whose rows must be there before a row of this one can be made.
    let mut needed = vec![Vec::new(); built.len()];
    for (index, it) in built.iter().enumerate() {
        for (id, target) in circles.references(index, &it.plan) {
            let side = it.plan.reference(id).side;
            let users: Vec<&Rule> = it.plan.rules.iter().filter(|rule| rule.refers(side).contains(&id)).collect();
            if users.is_empty() || !it.plan.writes[side] {
                continue;
            }
            if users.iter().all(|rule| can_wait(world, &it.plan, side, rule)) {
                marked.push((index, id));
            } else if users.iter().any(|rule| rule.on_missing != Missing::Null) {
                needed[index].push((target, id));
            }
        }
    }
    for (index, id) in marked {
        Arc::make_mut(&mut built[index].plan).references[id.index()].is_deferrable = true;
        tell(&built[index], id, diags);
    }
    deadlocks(built, &needed, diags);
}

/// `via dv.account(accountnumber)`, where one map alone makes rows of that table: it is filled first, and its links are waited for,
/// as if the map had been named. A circle is closed only by maps that name each other, so such a reference is left as it is.
pub fn adopt(built: &mut [Built<'_>]) {
    let mut needs: Vec<Vec<usize>> = {
        let places = places(built.iter().map(|it| &*it.plan));
        built.iter().map(|it| self::needs(&it.plan, &places)).collect()
    };
    for index in 0..built.len() {
        for place in 0..built[index].plan.references.len() {
            let Some(maker) = maker(built, &built[index].plan, RefId(place as u16)) else { continue };
            if maker != index && !reachable(maker, &needs)[index] {
                needs[index].push(maker);
                let name = built[maker].plan.name.clone();
                Arc::make_mut(&mut built[index].plan).references[place].plan = Some(name);
            }
        }
    }
}

/// The one map that makes rows of the table to which this reference leads, which no map was named for.
fn maker(built: &[Built<'_>], own: &Plan, id: RefId) -> Option<usize> {
    let reference = own.reference(id);
    let [target] = reference.targets.as_slice() else { return None };
    if reference.plan.is_some() {
        return None;
    }
    let side = reference.side;
    let makes =
        |it: &Plan| it.writes[side] && it.systems[side] == own.systems[side] && it.shapes[side].entity == target.shape.entity;
    let mut makers = (0..built.len()).filter(|&it| makes(&built[it].plan));
    let first = makers.next()?;
    makers.next().is_none().then_some(first)
}

/// The rule writes fields that may stay empty in a new row, and would wait for a missing row.
fn can_wait(world: &World<'_>, plan: &Plan, side: Side, rule: &Rule) -> bool {
    let is_key = plan.key.iter().any(|&id| std::ptr::eq(plan.rule(id), rule));
    let (_, system) = world.systems.get_index(usize::from(plan.systems[side])).expect("a plan's systems are declared");
    let entity = system.schema.entities.get(&plan.shapes[side].entity);
    let is_required = |name: &str| entity.and_then(|it| it.fields.get(name)).is_some_and(|it| it.required);
    let may_be_empty = |slot| {
        let field = plan.shapes[side].field(slot);
        field.nullable && !is_required(&field.name)
    };
    let waits = matches!(rule.on_missing, Missing::Park | Missing::Create);
    waits && !is_key && !rule.on_create && rule.ends[side].write.iter().all(|(slot, _)| may_be_empty(*slot))
}

fn tell(built: &Built<'_>, id: RefId, diags: &mut Diagnostics) {
    let plan = &built.plan;
    let reference = plan.reference(id);
    let target = reference.plan.as_deref().expect("only references to maps are deferred");
    let users = plan.rules.iter().zip(&built.rules).filter(|(rule, _)| rule.refers(reference.side).contains(&id));
    for (rule, written) in users {
        let entity = &plan.shapes[reference.side].entity;
        let fields: Vec<String> = rule.ends[reference.side]
            .write
            .iter()
            .map(|(slot, _)| format!("`{}`", plan.shapes[reference.side].field(*slot).name))
            .collect();
        let fields = fields.join(", ");
        let message = format!("`{}` refers to `{target}` in a circle, so a row may come before the one it refers to", rule.label);
        let diagnostic = Diagnostic::new(codes::TWO_PHASES, written.span, message, "written in two steps where it has to be")
            .note("first", format!("a new row of `{entity}` is made without {fields} if the other row is not there yet"))
            .note("then", format!("{fields} is written as soon as `{target}` has linked the other row"));
        diags.push(diagnostic.in_rule(&plan.name, Some(&rule.label)));
    }
}

/// Reports each circle in which every map needs a row of the next one before it can make its own.
fn deadlocks(built: &mut [Built<'_>], needed: &[Vec<(usize, RefId)>], diags: &mut Diagnostics) {
    let edges: Vec<Vec<usize>> = needed.iter().map(|it| it.iter().map(|(target, _)| *target).collect()).collect();
    let circles = circles::of(&edges);
    for index in 0..built.len() {
        if circles[index].is_none() || circles[..index].contains(&circles[index]) {
            continue;
        }
        let Some(&(target, id)) = needed[index].iter().find(|(target, _)| circles[*target] == circles[index]) else {
            continue;
        };
        let it = &built[index];
        let side = it.plan.reference(id).side;
        let user = it.plan.rules.iter().zip(&it.rules).find(|(rule, _)| rule.refers(side).contains(&id));
        let (rule, written) = user.expect("a reference that is needed has a rule");
        let path = path(index, target, &edges, &circles, built);
        let message = format!("no row of `{}` can be made first: each needs another one that is there already", it.plan.name);
        let diagnostic =
            Diagnostic::new(codes::NO_WAY_IN, written.span, message, "needed in every new row").note("circle", path).advice(
                "let one field of the circle be empty in new rows (`?` in the schema, not in the key), or set `on missing null`",
            );
        diags.push(diagnostic.in_rule(&it.plan.name, Some(&rule.label)));
        built[index].is_wrong = true;
    }
}

/// The maps on the way from one to itself, by name.
fn path(start: usize, first: usize, edges: &[Vec<usize>], circles: &[Option<usize>], built: &[Built<'_>]) -> String {
    let mut names = vec![built[start].plan.name.as_str()];
    let mut at = first;
    while at != start && names.len() <= edges.len() {
        names.push(&built[at].plan.name);
        let leads_back = |it: &&usize| circles[**it] == circles[start];
        at = *edges[at].iter().find(leads_back).expect("the way leads back to its start");
    }
    names.push(&built[start].plan.name);
    names.join(" → ")
}

/// The maps by name, and the circle that each is in.
struct Circles {
    places: HashMap<String, usize>,
    of_map: Vec<Option<usize>>,
}

impl Circles {
    fn new<'a>(plans: impl Iterator<Item = &'a Plan> + Clone) -> Self {
        let places = places(plans.clone());
        let needs: Vec<Vec<usize>> = plans.map(|it| needs(it, &places)).collect();
        Self { of_map: circles::of(&needs), places }
    }

    /// The references of a map that lead to a map from which a way leads back.
    fn references(&self, index: usize, plan: &Plan) -> Vec<(RefId, usize)> {
        let mut out = Vec::new();
        for (place, reference) in plan.references.iter().enumerate() {
            let target = reference.plan.as_ref().and_then(|name| self.places.get(name).copied());
            if let Some(target) = target.filter(|&it| self.of_map[it].is_some() && self.of_map[it] == self.of_map[index]) {
                out.push((RefId(place as u16), target));
            }
        }
        out
    }
}

/// Groups in dependency order; maps that refer to each other share a group.
pub fn order(plans: &[Plan]) -> Vec<Vec<PlanId>> {
    let places = places(plans.iter());
    let needs: Vec<Vec<usize>> = plans.iter().map(|it| needs(it, &places)).collect();
    let reach: Vec<Vec<bool>> = (0..needs.len()).map(|start| reachable(start, &needs)).collect();
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut is_placed = vec![false; plans.len()];
    // Each pass places at least one group: among the rest, some group needs nothing outside it.
    while let Some(next) = (0..plans.len()).find(|&it| {
        !is_placed[it] && (0..plans.len()).all(|other| is_placed[other] || !reach[it][other] || reach[other][it] || other == it)
    }) {
        let group: Vec<usize> =
            (0..plans.len()).filter(|&it| it == next || (!is_placed[it] && reach[next][it] && reach[it][next])).collect();
        for &it in &group {
            is_placed[it] = true;
        }
        groups.push(group);
    }
    groups.into_iter().map(|group| group.into_iter().map(|it| PlanId(it as u16)).collect()).collect()
}

fn needs(plan: &Plan, places: &HashMap<String, usize>) -> Vec<usize> {
    let named = plan.references.iter().filter_map(|it| it.plan.as_ref());
    named.filter_map(|name| places.get(name).copied()).collect()
}

/// Where each plan stands, by its name; of two with one name the first.
fn places<'a>(plans: impl Iterator<Item = &'a Plan>) -> HashMap<String, usize> {
    let mut out = HashMap::new();
    for (place, plan) in plans.enumerate() {
        out.entry(plan.name.clone()).or_insert(place);
    }
    out
}

fn reachable(start: usize, needs: &[Vec<usize>]) -> Vec<bool> {
    let mut seen = vec![false; needs.len()];
    let mut todo = needs[start].clone();
    while let Some(next) = todo.pop() {
        if !std::mem::replace(&mut seen[next], true) {
            todo.extend(&needs[next]);
        }
    }
    seen
}
