//! The job, record by record: by hand, by the plain evaluation of the tree, by prepared code.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use dwmap::change::Side;
use dwmap::interp::{self, Cx, Lookups, Prepared};
use dwmap::value::Record;

use super::job;

/// More than the caches hold, as in an initial load.
const RECORDS: usize = 10_000;

pub fn mapping(criterion: &mut Criterion) {
    let plan = job::plan();
    let lookups = Lookups::default();
    let cx = Cx { plan: &plan, lookups: &lookups };
    let records = job::records::records(7, RECORDS);
    let mut group = criterion.benchmark_group("job");
    group.sample_size(20).throughput(Throughput::Elements(RECORDS as u64));
    group.bench_function("by hand", |it| {
        it.iter(|| {
            records.iter().filter_map(|it| job::twin::account(black_box(it)).expect("it is right")).map(black_box).count()
        });
    });
    group.bench_function("plain tree", |it| {
        it.iter(|| records.iter().filter_map(|it| plain(cx, black_box(it))).map(black_box).count())
    });
    let prepared = Prepared::new(plan.clone());
    group.bench_function("prepared", |it| {
        it.iter(|| records.iter().filter_map(|it| flat(&prepared, &lookups, black_box(it))).map(black_box).count());
    });
    let pairs: Vec<(&Record, Record)> = records.iter().filter_map(|it| Some((it, flat(&prepared, &lookups, it)?))).collect();
    group.throughput(Throughput::Elements(pairs.len() as u64));
    group.bench_function("unchanged, prepared", |it| {
        it.iter(|| pairs.iter().map(|(from, made)| prepared.put(&lookups, Side::Right, from, Some(made))).map(black_box).count());
    });
    group.bench_function("unchanged, plain tree", |it| {
        it.iter(|| pairs.iter().map(|(from, made)| interp::put(cx, Side::Right, from, Some(made))).map(black_box).count());
    });
    let shadows: Vec<Record> = pairs.iter().map(|(from, _)| (*from).clone()).collect();
    group.bench_function("against its shadow", |it| {
        it.iter(|| pairs.iter().zip(&shadows).filter(|((from, _), shadow)| black_box(*from) == black_box(*shadow)).count());
    });
    group.finish();
    criterion.bench_function("prepare/job", |it| it.iter(|| Prepared::new(black_box(plan.clone()))));
}

/// The account of a customer, by the oracle.
fn plain(cx: Cx<'_>, from: &Record) -> Option<Record> {
    let in_scope = interp::in_scope(cx, Side::Left, from).expect("it is right");
    in_scope.then(|| interp::put(cx, Side::Right, from, None).expect("it is right"))
}

/// The same by prepared code.
fn flat(plan: &Prepared, lookups: &Lookups, from: &Record) -> Option<Record> {
    let in_scope = plan.in_scope(lookups, Side::Left, from).expect("it is right");
    in_scope.then(|| plan.put(lookups, Side::Right, from, None).expect("it is right"))
}
