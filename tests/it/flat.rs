//! Prepared code does what the plain evaluation of the tree does, on every record, bit by bit.

#[path = "../bench/job/mod.rs"]
mod job;

use dwmap::change::Side;
use dwmap::interp::{self, Cx, Lookups};

/// Records of the job that are compared.
const RECORDS: usize = 2_000;

#[test]
fn the_job_by_hand_is_the_job() {
    let plan = job::plan();
    let lookups = Lookups::default();
    let cx = Cx { plan: &plan, lookups: &lookups };
    for from in job::records::records(1, RECORDS) {
        let in_scope = interp::in_scope(cx, Side::Left, &from).expect("the filter can be judged");
        let mapped = in_scope.then(|| interp::put(cx, Side::Right, &from, None).expect("the record can be carried"));
        assert_eq!(job::twin::account(&from), Ok(mapped), "{from:?}");
    }
}
