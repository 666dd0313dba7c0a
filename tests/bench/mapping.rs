//! The job, record by record: by hand, by the plain evaluation of the tree, by prepared code.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use dwmap::change::{RemoteId, Seen, Side, Sides, Version};
use dwmap::engine::merge::{Look, Merge, merge};
use dwmap::interp::{self, Cx, Lookups, Prepared};
use dwmap::value::{Record, Slot, Value};

use super::job;

/// More than the caches hold, as in an initial load.
const RECORDS: usize = 10_000;
/// Few enough for the caches, as rows are that were just read.
const FRESH: usize = 100;

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
    group.bench_function("found to agree, prepared", |it| {
        it.iter(|| pairs.iter().filter(|(from, made)| prepared.agrees(Side::Right, black_box(from), black_box(made))).count());
    });
    group.bench_function("unchanged, plain tree", |it| {
        it.iter(|| pairs.iter().map(|(from, made)| interp::put(cx, Side::Right, from, Some(made))).map(black_box).count());
    });
    let shadows: Vec<Record> = pairs.iter().map(|(from, _)| (*from).clone()).collect();
    group.bench_function("against its shadow", |it| {
        it.iter(|| pairs.iter().zip(&shadows).filter(|((from, _), shadow)| black_box(*from) == black_box(*shadow)).count());
    });
    let fresh: Vec<(Record, Record)> = records.iter().take(FRESH).map(|it| (it.clone(), it.clone())).collect();
    group.throughput(Throughput::Elements(FRESH as u64));
    group.bench_function("against its shadow, both just read", |it| {
        it.iter(|| fresh.iter().filter(|(row, shadow)| black_box(row) == black_box(shadow)).count());
    });
    group.finish();
    criterion.bench_function("prepare/job", |it| it.iter(|| Prepared::new(black_box(plan.clone()))));
}

/// A pair of rows with what was agreed on them.
struct Pair {
    rows: Sides<Seen>,
    agreed: Sides<Record>,
}

fn seen(record: Record) -> Seen {
    let (id, version) = (RemoteId("1".to_owned()), Version("1".to_owned()));
    Seen { id, version, record, modified: None, correlation: None, problem: None }
}

fn merged(plan: &Prepared, pair: &Pair, has_agreement: bool) -> Merge {
    let (lookups, seen) = (Lookups::default(), Sides::new(&pair.rows[Side::Left], &pair.rows[Side::Right]));
    let agreed = |side: Side| has_agreement.then_some(&pair.agreed[side]);
    let shadows = Sides::new(agreed(Side::Left), agreed(Side::Right));
    merge(&Look { plan, lookups: &lookups, seen, shadows, master: Some(Side::Left) }).expect("it is right")
}

/// The three-way compare of pairs of the job: nothing was done, one field was edited, no agreement is known yet.
pub fn merging(criterion: &mut Criterion) {
    let (prepared, plain, lookups) = (Prepared::new(job::plan()), Prepared::plain(job::plan()), Lookups::default());
    let pair = |from: Record| {
        let made = flat(&prepared, &lookups, &from)?;
        Some(Pair { agreed: Sides::new(from.clone(), made.clone()), rows: Sides::new(seen(from), seen(made)) })
    };
    let mut pairs: Vec<Pair> = job::records::records(7, RECORDS).into_iter().filter_map(pair).collect();
    let mut group = criterion.benchmark_group("merge");
    group.sample_size(20).throughput(Throughput::Elements(pairs.len() as u64));
    let mut both = |name: &str, pairs: &[Pair], has_agreement: bool| {
        for (way, plan) in [("prepared", &prepared), ("plain tree", &plain)] {
            group.bench_function(format!("{name}, {way}"), |it| {
                it.iter(|| pairs.iter().map(|it| merged(plan, black_box(it), has_agreement)).map(black_box).count());
            });
        }
    };
    both("nothing done", &pairs, true);
    both("no agreement yet", &pairs, false);
    for pair in &mut pairs {
        pair.rows[Side::Left].record.set(Slot(job::source::PHONE), Value::text("+1 555 0100"));
    }
    both("one field edited", &pairs, true);
    group.finish();
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
