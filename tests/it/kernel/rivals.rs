//! Workers that stood still while another took over, and go on: they read and write the systems, but not the state.
//!
//! Such a worker is a flight in the middle of its way. What it sends, the systems carry out, as they know nothing of workers. Its
//! way ends at the first change of the state, which the epoch refuses.

use dwmap::change::{Side, Sides};
use dwmap::engine::flight::{Effect, Event, Flight};
use dwmap::value::Slot;

use super::driver::Driver;
use super::mutants::Mutant;
use super::world::Halt;

/// More steps than any flight needs.
const STEPS_MAX: u32 = 400;

/// What a worker was about to do when it stood still.
pub enum Next {
    Do(Effect),
    Hear(Event),
}

/// A worker of an earlier epoch.
pub struct Stalled {
    epoch: u64,
    flight: Flight,
    next: Option<Next>,
    /// It knows from a look before it stood still that the epoch is its own.
    has_checked: bool,
    /// What its version of the map leaves alone.
    unmapped: Option<Slot>,
}

impl Stalled {
    pub fn new(epoch: u64, flight: Flight, next: Next, unmapped: Option<Slot>) -> Self {
        let has_checked = matches!(next, Next::Do(Effect::Commit(_)));
        Self { epoch, flight, next: Some(next), has_checked, unmapped }
    }
}

impl Driver {
    /// One step of some stalled worker.
    pub fn go_on(&mut self) -> Result<(), Halt> {
        let index = self.world.random.below(self.stalled.len() as u64) as usize;
        let stalled = self.stalled.swap_remove(index);
        let goes_on = self.step_stalled(stalled)?;
        self.stalled.extend(goes_on);
        Ok(())
    }

    /// All of them, to their ends.
    pub fn end_stalled(&mut self) -> Result<(), Halt> {
        for _ in 0..STEPS_MAX * (1 + self.stalled.len() as u32) {
            if self.stalled.is_empty() {
                return Ok(());
            }
            self.go_on()?;
        }
        Err(Halt::Broken("a worker that was taken over never ends".to_owned()))
    }

    fn step_stalled(&mut self, mut stalled: Stalled) -> Result<Option<Stalled>, Halt> {
        let effect = match stalled.next.take().expect("a stalled worker has something to do") {
            Next::Do(effect) => effect,
            Next::Hear(event) => self.step(&mut stalled.flight, event),
        };
        self.world.say(|| format!("  STALLED {effect:?}"));
        let event = match effect {
            Effect::Observe => {
                let link = stalled.flight.link();
                Event::Observed(Sides::new(self.row(link, Side::Left), self.row(link, Side::Right)))
            }
            Effect::Resolve(queries) => self.resolved(queries),
            Effect::Summon(query) => self.summon(&query),
            Effect::Find { side, write, slots, values } => self.find(side, &write, &slots, &values),
            Effect::Send { side, write } => Event::Answered(self.world.apply_as(side, &write, stalled.unmapped)),
            Effect::Commit(_) if self.is_fenced(&stalled) => return Ok(None),
            Effect::Commit(commit) => {
                self.commit(*commit)?;
                Event::Committed
            }
            Effect::Finish(_) => return Ok(None),
        };
        Ok(Some(Stalled { next: Some(Next::Hear(event)), has_checked: false, ..stalled }))
    }

    fn is_fenced(&self, stalled: &Stalled) -> bool {
        let is_let_in = self.world.is(Mutant::NoFence) || (self.world.is(Mutant::FencedTooEarly) && stalled.has_checked);
        stalled.epoch != self.store.epoch && !is_let_in
    }
}
