//! The order in which maps are filled: a map comes after those that it refers to.

use crate::ir::{Plan, PlanId};

/// Groups in dependency order; maps that refer to each other share a group.
pub fn order(plans: &[Plan]) -> Vec<Vec<PlanId>> {
    let needs: Vec<Vec<usize>> = plans.iter().map(|plan| needs(plan, plans)).collect();
    let reach: Vec<Vec<bool>> = (0..plans.len()).map(|start| reachable(start, &needs)).collect();
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

fn needs(plan: &Plan, plans: &[Plan]) -> Vec<usize> {
    let named = plan.references.iter().filter_map(|it| it.plan.as_ref());
    named.filter_map(|name| plans.iter().position(|it| it.name == *name)).collect()
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
