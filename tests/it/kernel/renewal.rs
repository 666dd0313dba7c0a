//! Another version of the map is taken up while work is under way: what the store does with what is on file, by the product's own rules.

use dwmap::change::Side;
use dwmap::engine::link::LinkState;
use dwmap::store::outline::{KnownRule, Outline, Succession};
use dwmap::value::{Slot, Value};

use super::driver::Driver;
use super::mutants::Mutant;
use super::plans::CODE;

impl Driver {
    /// Goes on with the next version of the map, and after the last one with the first.
    pub fn renew(&mut self) {
        let next = (self.version + 1) % self.versions.len();
        self.world.say(|| format!("VERSION {next}"));
        let (old, new) = (Outline::of(&self.plan), Outline::of(&self.versions[next]));
        let old: Vec<KnownRule> = old.rules.into_iter().map(|it| it.known).collect();
        // One of any two versions leaves the code alone.
        if !self.world.keeps_unmapped {
            self.forget_code();
        }
        self.carry(&Succession::new(&old, &new));
        self.version = next;
        self.world.unmapped = Some(Slot(CODE)).filter(|it| self.case.is_unmapped(next, *it));
        self.plan = self.versions[next].clone();
    }

    /// A shape without the code keeps nothing of it, neither in what was agreed upon nor in what was sent.
    fn forget_code(&mut self) {
        for link in self.store.links.values_mut() {
            let sent = link.intents.iter_mut().flat_map(|it| [&mut it.payload, &mut it.base]);
            let records = link.shadows.0.iter_mut().flatten().chain(sent);
            records.filter(|it| !it.is_empty()).for_each(|it| it.set(Slot(CODE), Value::Absent));
        }
    }

    fn carry(&mut self, succession: &Succession<'_>) {
        let world = &self.world;
        for link in self.store.links.values_mut() {
            if !world.is(Mutant::NotRenumbered) {
                link.intents.retain_mut(|it| {
                    let is_for_rules = !it.rules.is_empty();
                    it.rules = succession.rules(it.side, &it.rules, &it.payload);
                    !is_for_rules || !it.rules.is_empty()
                });
            }
            let is_pending = link.state == LinkState::PendingCreate;
            for side in Side::BOTH.into_iter().filter(|_| !world.is(Mutant::NotMarked)) {
                if let Some(marked) = succession.marked(side, link.shadows[side].clone(), is_pending) {
                    link.shadows[side] = Some(marked);
                }
            }
            if link.state != LinkState::Dead && !world.is(Mutant::NotAskedFor) {
                self.store.asked.insert(link.id);
            }
        }
    }
}
