//! Which maps keep rows of one entity: the only ones that can get in each other's way.

use std::collections::BTreeMap;

use crate::change::{Side, Sides};
use crate::check::built::Built;

pub struct Kin {
    /// Maps by their places, in order; the groups by system and entity.
    groups: Sides<Vec<Vec<usize>>>,
    /// The group of each map.
    of: Sides<Vec<usize>>,
}

impl Kin {
    pub fn new(built: &[Built<'_>]) -> Self {
        let mut out = Self { groups: Sides::default(), of: Sides::new(vec![0; built.len()], vec![0; built.len()]) };
        for side in Side::BOTH {
            let mut groups: BTreeMap<(u16, &str), Vec<usize>> = BTreeMap::new();
            for (place, it) in built.iter().enumerate() {
                groups.entry((it.plan.systems[side], &it.plan.shapes[side].entity)).or_default().push(place);
            }
            out.groups[side] = groups.into_values().collect();
            for (group, members) in out.groups[side].iter().enumerate() {
                members.iter().for_each(|it| out.of[side][*it] = group);
            }
        }
        out
    }

    pub fn groups(&self, side: Side) -> &[Vec<usize>] {
        &self.groups[side]
    }

    /// The maps on the entity of this one, itself among them.
    pub fn of(&self, side: Side, map: usize) -> &[usize] {
        &self.groups[side][self.of[side][map]]
    }

    pub fn are_kin(&self, side: Side, first: usize, second: usize) -> bool {
        self.of[side][first] == self.of[side][second]
    }
}
