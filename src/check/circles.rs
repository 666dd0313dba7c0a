//! What leads back to itself, in anything that leads from one thing to others: fields that follow from fields, maps that refer to maps.

/// By place: the circle that it is in, where it is in one. Places that lead to each other have one number. `leads` has the places
/// to which each leads.
pub fn of(leads: &[Vec<usize>]) -> Vec<Option<usize>> {
    let mut back = vec![Vec::new(); leads.len()];
    for (from, all) in leads.iter().enumerate() {
        all.iter().for_each(|to| back[*to].push(from));
    }
    // Twice through all: first in the order in which they are left, then backwards from the last one left (Kosaraju).
    let mut left = Vec::with_capacity(leads.len());
    let mut seen = vec![false; leads.len()];
    for start in 0..leads.len() {
        walk(start, leads, &mut seen, |it| left.push(it));
    }
    let (mut out, mut seen) = (vec![None; leads.len()], vec![false; leads.len()]);
    for (number, start) in left.into_iter().rev().enumerate() {
        let mut members = Vec::new();
        walk(start, &back, &mut seen, |it| members.push(it));
        if members.len() > 1 || leads[start].contains(&start) {
            members.into_iter().for_each(|it| out[it] = Some(number));
        }
    }
    out
}

/// Visits what can be reached and was not seen, and tells each when everything behind it was visited.
fn walk(start: usize, leads: &[Vec<usize>], seen: &mut [bool], mut leave: impl FnMut(usize)) {
    if std::mem::replace(&mut seen[start], true) {
        return;
    }
    let mut way = vec![(start, 0)];
    while let Some((at, next)) = way.last_mut() {
        match leads[*at].get(*next) {
            Some(&to) => {
                *next += 1;
                if !std::mem::replace(&mut seen[to], true) {
                    way.push((to, 0));
                }
            }
            None => {
                leave(*at);
                way.pop();
            }
        }
    }
}
