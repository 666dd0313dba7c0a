//! The crash points of one worker, one script each. The feed is its own journal here, so that the first two are one.

use dwmap::change::{RemoteId, Side};
use dwmap::engine::flight::INTENTS_MAX;
use dwmap::engine::link::LinkState;
use dwmap::value::{Slot, Value};

use super::checks;
use super::driver::{Driver, Store};
use super::plans::Case;
use super::world::{Halt, Point, number};

const NAME: Slot = Slot(1);
const AMOUNT: Slot = Slot(2);

struct Script {
    driver: Driver,
    left: RemoteId,
}

impl Script {
    /// A row that a user made on the left; nobody has seen it yet.
    fn with_a_new_row() -> Self {
        Self::of(Case::Plain)
    }

    fn of(case: Case) -> Self {
        let mut driver = Driver::new(1, &case.setup());
        driver.world.is_always_late = true;
        let left = driver.world.user_creates(Side::Left);
        Self { driver, left }
    }

    /// Two linked rows at rest.
    fn with_a_pair() -> Self {
        let mut script = Self::with_a_new_row();
        script.work();
        assert_eq!(script.writes(), [0, 1]);
        script
    }

    fn work(&mut self) {
        self.driver.settle().expect("nothing crashes here");
    }

    /// Works until the worker dies at the n-th passing of this point.
    fn crash(&mut self, point: Point, nth: u32) {
        self.driver.world.crash_at = Some((point, nth));
        assert_eq!(self.driver.settle(), Err(Halt::Crash));
    }

    /// Works until the worker stands still at the n-th passing of this point, and another takes over.
    fn stall(&mut self, point: Point, nth: u32) {
        self.driver.world.has_rivals = true;
        self.driver.world.crash_at = Some((point, nth));
        self.driver.world.is_stall = true;
        assert_eq!(self.driver.settle(), Err(Halt::Stall));
        self.driver.world.is_stall = false;
        self.driver.restart();
    }

    /// The worker that stood still goes on, and ends.
    fn go_on(&mut self) {
        assert_eq!(self.driver.stalled.len(), 1);
        self.driver.end_stalled().expect("nothing crashes here");
    }

    fn restore(&mut self, copy: &Store) {
        self.driver.restore(copy).expect("nobody is under way");
    }

    fn rows(&self) -> [usize; 2] {
        self.driver.world.systems.0.each_ref().map(|it| it.rows.len())
    }

    fn edit(&mut self, side: Side, slot: Slot) -> u64 {
        let id = self.id(side);
        number(&self.driver.world.user_edits(side, &id, slot)).expect("users write numbered values")
    }

    fn id(&self, side: Side) -> RemoteId {
        match side {
            Side::Left => self.left.clone(),
            Side::Right => self.driver.world.systems[side].rows.keys().next().expect("the row is there").clone(),
        }
    }

    fn delete(&mut self, side: Side) {
        let id = self.id(side);
        self.driver.world.user_deletes(side, &id);
    }

    fn value(&self, side: Side, slot: Slot) -> Option<u64> {
        let row = self.driver.world.systems[side].rows.values().next()?;
        number(row.record.get(slot))
    }

    fn writes(&self) -> [u64; 2] {
        self.driver.world.systems.map(|it| it.engine_writes).0
    }

    fn intents(&self) -> usize {
        self.driver.store.links.values().map(|it| it.intents.len()).sum()
    }

    fn is_in_ledger(&self, number: u64) -> bool {
        self.driver.store.ledger.contains(&number)
    }

    /// Every request has landed, the worker rests, and all promises hold.
    fn finish(mut self) {
        while !self.driver.world.late.is_empty() {
            self.driver.world.land();
        }
        self.work();
        assert_eq!(checks::check(&mut self.driver), Ok(()));
    }
}

#[test]
fn row_1_and_2_entry_read_and_nothing_done_is_taken_again() {
    let mut script = Script::with_a_new_row();
    script.crash(Point::Take, 1);
    assert!(script.driver.store.links.is_empty());
    assert_eq!(script.driver.store.offsets[Side::Left], 0);
    script.work();
    assert_eq!(script.writes(), [0, 1]);
    script.finish();
}

#[test]
fn row_3_crash_after_observe_leaves_nothing() {
    let mut script = Script::with_a_pair();
    let edit = script.edit(Side::Left, NAME);
    let before = script.driver.store.links.clone();
    script.crash(Point::BeforeCommit, 1);
    assert_eq!(script.driver.store.links, before);
    script.work();
    assert_eq!(script.value(Side::Right, NAME), Some(edit));
    script.finish();
}

#[test]
fn row_4_intent_that_was_never_sent_is_sent_once() {
    let mut script = Script::with_a_pair();
    let edit = script.edit(Side::Left, NAME);
    script.crash(Point::Committed, 1);
    assert_eq!((script.intents(), script.writes()), (1, [0, 1]));
    script.work();
    assert_eq!((script.intents(), script.writes()), (0, [0, 2]));
    assert_eq!(script.value(Side::Right, NAME), Some(edit));
    script.finish();
}

#[test]
fn row_5_late_request_cannot_undo_a_newer_one() {
    let mut script = Script::with_a_pair();
    script.edit(Side::Left, NAME);
    script.crash(Point::BeforeSend, 1);
    let newer = script.edit(Side::Left, NAME);
    script.work();
    script.driver.world.land();
    script.work();
    assert_eq!(script.value(Side::Right, NAME), Some(newer));
    script.finish();
}

#[test]
fn row_5_late_request_that_lands_first_is_settled_by_content() {
    let mut script = Script::with_a_pair();
    script.edit(Side::Left, NAME);
    script.crash(Point::BeforeSend, 1);
    let newer = script.edit(Side::Left, NAME);
    script.driver.world.land();
    script.work();
    assert_eq!((script.value(Side::Right, NAME), script.value(Side::Left, NAME)), (Some(newer), Some(newer)));
    assert_eq!(script.intents(), 0);
    script.finish();
}

#[test]
fn row_6_applied_write_is_adopted_without_another() {
    let mut script = Script::with_a_pair();
    script.edit(Side::Left, NAME);
    script.crash(Point::Applied, 1);
    let before = script.writes();
    script.work();
    assert_eq!((script.writes(), script.intents()), (before, 0));
    script.finish();
}

#[test]
fn row_7_edit_on_top_of_an_applied_write_wins_and_flows_back() {
    let mut script = Script::with_a_pair();
    let ours = script.edit(Side::Left, NAME);
    script.crash(Point::Applied, 1);
    let theirs = script.edit(Side::Right, NAME);
    script.work();
    assert_eq!((script.value(Side::Left, NAME), script.value(Side::Right, NAME)), (Some(theirs), Some(theirs)));
    assert!(script.is_in_ledger(ours));
    script.finish();
}

#[test]
fn row_8_edit_of_a_created_twin_counts_as_an_edit() {
    let mut script = Script::with_a_new_row();
    script.crash(Point::Applied, 1);
    let edit = script.edit(Side::Right, NAME);
    script.work();
    assert_eq!(script.value(Side::Left, NAME), Some(edit));
    assert_eq!(script.driver.world.systems[Side::Right].rows.len(), 1);
    script.finish();
}

#[test]
fn row_8_source_edited_after_the_create_flows_to_the_twin() {
    let mut script = Script::with_a_new_row();
    script.crash(Point::Applied, 1);
    let edit = script.edit(Side::Left, NAME);
    script.work();
    assert_eq!(script.value(Side::Right, NAME), Some(edit));
    assert_eq!(script.driver.world.systems[Side::Right].rows.len(), 1);
    script.finish();
}

#[test]
fn row_9_late_create_of_a_deleted_row_is_undone() {
    let mut script = Script::with_a_new_row();
    script.crash(Point::BeforeSend, 1);
    script.delete(Side::Left);
    script.work();
    script.driver.world.land();
    let twin = script.value(Side::Right, NAME).expect("the create landed");
    script.work();
    assert!(script.driver.world.systems[Side::Right].rows.is_empty());
    assert!(script.is_in_ledger(twin));
    script.finish();
}

#[test]
fn row_10_second_direction_is_done_by_the_next_worker() {
    let mut script = Script::with_a_pair();
    let (name, amount) = (script.edit(Side::Left, NAME), script.edit(Side::Right, AMOUNT));
    script.crash(Point::Applied, 1);
    script.work();
    assert_eq!((script.value(Side::Right, NAME), script.value(Side::Left, AMOUNT)), (Some(name), Some(amount)));
    assert_eq!(script.writes(), [1, 2]);
    assert!(script.driver.store.ledger.is_empty());
    script.finish();
}

#[test]
fn row_11_applied_delete_is_noticed() {
    let mut script = Script::with_a_pair();
    script.delete(Side::Left);
    script.crash(Point::Applied, 1);
    let before = script.writes();
    script.work();
    let states: Vec<LinkState> = script.driver.store.links.values().map(|it| it.state).collect();
    assert_eq!((script.writes(), states), (before, vec![LinkState::Dead]));
    script.finish();
}

#[test]
fn row_12_entry_told_again_is_known_by_its_token() {
    let mut script = Script::with_a_pair();
    script.edit(Side::Left, NAME);
    script.crash(Point::BeforeRelease, 1);
    let (links, writes) = (script.driver.store.links.clone(), script.writes());
    // A flight would pass this point.
    script.driver.world.crash_at = Some((Point::Observed, 1));
    script.work();
    assert_eq!((&script.driver.store.links, script.writes()), (&links, writes));
    assert_eq!(script.driver.world.crash_at.take(), Some((Point::Observed, 1)));
    script.finish();
}

#[test]
fn row_13_write_of_a_worker_that_was_taken_over_cannot_displace_a_newer_one() {
    let mut script = Script::with_a_pair();
    script.edit(Side::Left, NAME);
    script.stall(Point::BeforeSend, 1);
    let newer = script.edit(Side::Left, NAME);
    script.work();
    let (links, writes) = (script.driver.store.links.clone(), script.writes());
    script.go_on();
    assert_eq!((script.writes(), script.value(Side::Right, NAME)), (writes, Some(newer)), "the version that it names has passed");
    assert_eq!(script.driver.store.links, links, "and it has no say in the state");
    script.finish();
}

#[test]
fn row_13_write_that_lands_before_the_next_worker_looks_is_settled_by_it() {
    let mut script = Script::with_a_pair();
    let edit = script.edit(Side::Left, NAME);
    script.stall(Point::BeforeSend, 1);
    script.go_on();
    let writes = script.writes();
    assert_eq!(script.value(Side::Right, NAME), Some(edit));
    script.work();
    assert_eq!((script.writes(), script.intents()), (writes, 0));
    script.finish();
}

#[test]
fn row_13_agreement_of_a_worker_that_was_taken_over_is_refused() {
    let mut script = Script::with_a_pair();
    script.edit(Side::Left, NAME);
    script.stall(Point::Applied, 1);
    let theirs = script.edit(Side::Right, NAME);
    script.work();
    let links = script.driver.store.links.clone();
    script.go_on();
    assert_eq!(script.driver.store.links, links);
    assert_eq!((script.value(Side::Left, NAME), script.value(Side::Right, NAME)), (Some(theirs), Some(theirs)));
    script.finish();
}

#[test]
fn row_13_create_of_a_worker_that_was_taken_over_makes_no_second_row() {
    let mut script = Script::with_a_new_row();
    script.stall(Point::BeforeSend, 1);
    script.work();
    script.go_on();
    assert_eq!((script.writes(), script.rows()), ([0, 1], [1, 1]));
    script.finish();
}

#[test]
fn row_14_older_state_adopts_what_agrees_already() {
    let mut script = Script::with_a_pair();
    let copy = script.driver.store.clone();
    script.edit(Side::Left, NAME);
    script.edit(Side::Right, AMOUNT);
    script.work();
    let writes = script.writes();
    script.restore(&copy);
    script.work();
    assert_eq!(script.writes(), writes);
    assert!(script.driver.store.ledger.is_empty(), "{:?}", script.driver.store.ledger);
    script.finish();
}

#[test]
fn row_14_rows_whose_link_is_lost_are_linked_again_and_not_doubled() {
    let mut script = Script::with_a_pair();
    let copy = script.driver.store.clone();
    for side in Side::BOTH {
        script.driver.world.user_creates(side);
    }
    script.work();
    let writes = script.writes();
    script.restore(&copy);
    assert_eq!(script.driver.store.links.len(), 1);
    script.work();
    assert_eq!((script.writes(), script.rows()), (writes, [3, 3]));
    script.finish();
}

#[test]
fn row_14_row_that_is_gone_since_is_not_made_again() {
    let mut script = Script::with_a_pair();
    let copy = script.driver.store.clone();
    script.delete(Side::Left);
    script.work();
    assert_eq!(script.rows(), [0, 0]);
    script.restore(&copy);
    script.work();
    assert_eq!(script.rows(), [0, 0]);
    script.finish();
}

/// The price of an older state: it takes a value that it carried itself for an edit of the other side.
#[test]
fn row_14_newer_value_that_loses_to_an_older_one_is_in_the_ledger() {
    let mut script = Script::with_a_pair();
    let copy = script.driver.store.clone();
    let older = script.edit(Side::Right, AMOUNT);
    script.work();
    assert_eq!(script.value(Side::Left, AMOUNT), Some(older));
    let newer = script.edit(Side::Left, AMOUNT);
    script.restore(&copy);
    script.work();
    assert_eq!((script.value(Side::Left, AMOUNT), script.value(Side::Right, AMOUNT)), (Some(older), Some(older)));
    assert!(script.is_in_ledger(newer));
}

/// A dead link whose delete was written down and not sent is not done with.
#[test]
fn delete_of_a_twin_that_was_not_sent_is_sent_by_the_next_worker() {
    let mut script = Script::with_a_new_row();
    script.crash(Point::Applied, 1);
    // The twin's own entry is taken while its source cannot be fetched, and is done with.
    let twin = script.id(Side::Right);
    script.driver.store.offsets[Side::Right] = script.driver.world.systems[Side::Right].log.len();
    script.delete(Side::Left);
    script.driver.store.offsets[Side::Left] = script.driver.world.systems[Side::Left].log.len() - 1;
    script.crash(Point::Committed, 1);
    script.work();
    assert!(!script.driver.world.systems[Side::Right].rows.contains_key(&twin));
    script.finish();
}

#[test]
fn repeated_time_outs_leave_one_intent() {
    let mut script = Script::with_a_pair();
    script.edit(Side::Left, NAME);
    for _ in 0..3 {
        script.crash(Point::BeforeSend, 1);
    }
    assert_eq!(script.intents(), 1);
    assert_ne!(script.value(Side::Right, NAME), None::<u64>);
    assert_eq!(script.driver.world.late.len(), 3);
    script.finish();
}

#[test]
fn field_that_follows_a_write_back_is_nobodys_loss() {
    let mut script = Script::of(Case::Derived);
    script.work();
    let edit = script.edit(Side::Right, NAME);
    script.work();
    assert_eq!((script.value(Side::Left, NAME), script.value(Side::Right, Slot(4))), (Some(edit), Some(edit)));
    assert!(script.driver.store.ledger.is_empty(), "{:?}", script.driver.store.ledger);
    script.finish();
}

#[test]
fn requests_without_an_answer_do_not_pile_up() {
    let mut script = Script::with_a_pair();
    let mut newest = 0;
    for _ in 0..INTENTS_MAX + 8 {
        newest = script.edit(Side::Left, NAME);
        script.crash(Point::BeforeSend, 1);
    }
    assert_eq!(script.intents(), INTENTS_MAX);
    script.work();
    assert_eq!((script.value(Side::Right, NAME), script.intents()), (Some(newest), 0));
    script.finish();
}

#[test]
fn absent_values_never_reach_a_store() {
    let script = Script::with_a_pair();
    for system in &script.driver.world.systems.0 {
        assert!(system.rows.values().all(|it| it.record.values().iter().all(|value| *value != Value::Absent)));
    }
}
