//! How often memory is asked for: counts, which no machine makes larger or smaller.

use allocation_counter::measure;
use dwmap::change::Side;
use dwmap::interp::{Lookups, Prepared};
use dwmap::value::{Record, Value};

use crate::flat::job;

/// Longest text that a value holds without memory of its own.
const SHORT_MAX: usize = 24;

fn is_long(value: &Value) -> bool {
    value.as_text().is_some_and(|it| it.len() > SHORT_MAX)
}

/// Allocations of one `put`, with what it gave.
fn counted(plan: &Prepared, from: &Record, onto: Option<&Record>) -> (u64, Record) {
    let lookups = Lookups::default();
    let mut out = None;
    let counts = measure(|| out = Some(plan.put(&lookups, Side::Right, from, onto)));
    (counts.count_total, out.expect("it ran").expect("the record can be carried"))
}

#[test]
fn a_new_row_costs_itself_and_its_long_texts() {
    let plan = Prepared::new(job::plan());
    for from in job::records::records(3, 500) {
        let (count, made) = counted(&plan, &from, None);
        let long = made.values().iter().filter(|it| is_long(it)).count() as u64;
        assert!(count <= 1 + long, "{count} allocations for a row of {long} long texts: {made:?}");
    }
}

#[test]
fn a_text_that_is_passed_on_costs_its_copy_only() {
    let plan = Prepared::new(job::plan());
    let short = |value: &Value| if is_long(value) { Value::text("x@example.com") } else { value.clone() };
    for from in job::records::records(3, 500) {
        let from = Record::from_values(from.values().iter().map(short).collect());
        let (count, made) = counted(&plan, &from, None);
        let long = made.values().iter().filter(|it| is_long(it)).count() as u64;
        assert_eq!(count, 1 + long, "the row, and what its rules made longer: {made:?}");
    }
}

#[test]
fn an_echo_costs_the_empty_answer_only() {
    let plan = Prepared::new(job::plan());
    for from in job::records::records(3, 500) {
        let (_, made) = counted(&plan, &from, None);
        let (count, change) = counted(&plan, &from, Some(&made));
        assert_eq!(change, Record::absent(made.len()));
        // What the sides are compared by is made again: the long texts that functions give.
        let long = made.values().iter().filter(|it| is_long(it)).count() as u64;
        assert!(count <= 1 + long, "{count} allocations to find that nothing changed");
    }
}

#[test]
fn a_row_equals_its_shadow_without_memory() {
    let plan = Prepared::new(job::plan());
    for from in job::records::records(3, 500) {
        let shadow = from.clone();
        assert_eq!(measure(|| assert!(std::hint::black_box(&from) == std::hint::black_box(&shadow))).count_total, 0);
        let lookups = Lookups::default();
        assert_eq!(measure(|| assert!(plan.in_scope(&lookups, Side::Left, &from).is_ok())).count_total, 0, "nor does a filter");
    }
}
