//! Benchmarks of the pure layers: text to program, record to record, record against its shadow; and of what lies around them.

mod generate;
mod http;
mod job;
mod mapping;
mod systems;

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use criterion::{BatchSize, Criterion, criterion_group};
use dwmap::change::Side;
use dwmap::check::{self, SchemaProblem, Schemas};
use dwmap::diag::{Diagnostics, Severity};
use dwmap::interp::{self, Cx, Lookups, Query, Resolution, Stop};
use dwmap::ir::{Plan, Program};
use dwmap::schema::{Schema, snapshot};
use dwmap::source::{FileId, Sources};
use dwmap::syntax::{self, ast};
use dwmap::value::{Date, Decimal, Kind, Record, Timestamp, Uuid, Value};

/// The snapshots beside the standard maps.
struct Folder(PathBuf);

impl Schemas for Folder {
    fn load(&self, _: FileId, path: &str) -> Result<Arc<Schema>, SchemaProblem> {
        let text = std::fs::read_to_string(self.0.join(path)).map_err(|_| SchemaProblem::Missing(path.to_owned()))?;
        snapshot::parse(&text).map(Arc::new).map_err(|error| SchemaProblem::Unreadable(error.to_string()))
    }
}

fn parse(texts: &[(String, String)]) -> (Vec<ast::File>, Sources, Diagnostics) {
    let mut sources = Sources::default();
    let mut diags = Diagnostics::default();
    let mut files = Vec::new();
    for (name, text) in texts {
        let file = sources.add(name.clone(), text.as_str()).expect("the text is short");
        files.push(syntax::parse(&sources, file, &mut diags));
    }
    (files, sources, diags)
}

fn maps_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("maps")
}

fn standard_maps() -> Vec<(String, String)> {
    ["customers.dwmap", "organization.dwmap"]
        .map(|name| (name.to_owned(), std::fs::read_to_string(maps_folder().join(name)).expect("a standard map")))
        .into()
}

fn program(texts: &[(String, String)]) -> Program {
    let (files, sources, mut diags) = parse(texts);
    let checked = check::check(&files, &sources, &Folder(maps_folder()), &mut diags);
    let wrong: Vec<String> =
        diags.sorted().into_iter().filter(|it| it.severity == Severity::Error).map(|it| it.message).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    checked.program
}

fn front_end(criterion: &mut Criterion) {
    let standard = standard_maps();
    criterion.bench_function("parse/standard maps", |it| it.iter(|| parse(black_box(&standard))));
    let (files, sources, _) = parse(&standard);
    let folder = Folder(maps_folder());
    criterion.bench_function("check/standard maps", |it| {
        it.iter(|| check::check(&files, &sources, &folder, &mut Diagnostics::default()));
    });
    let mut group = criterion.benchmark_group("project of 60 rules a map");
    group.sample_size(10);
    for maps in [10, 100] {
        let text = vec![("project.dwmap".to_owned(), generate::project(maps, 60))];
        group.bench_function(format!("parse/{maps} maps"), |it| it.iter(|| parse(black_box(&text))));
        let (files, sources, diags) = parse(&text);
        assert!(!diags.has_errors());
        group.bench_function(format!("look/{maps} maps"), |it| {
            it.iter(|| {
                let (files, sources, mut diags) = parse(&text);
                let project = check::uses::load(files, &mut sources.clone(), &folder, &mut diags);
                check::look(&project, &check::Given::default(), &sources, &folder, &mut diags);
                assert!(!diags.has_errors());
                diags
            });
        });
        group.bench_function(format!("check/{maps} maps"), |it| {
            it.iter(|| {
                let mut diags = Diagnostics::default();
                let checked = check::check(&files, &sources, &folder, &mut diags);
                assert_eq!(checked.program.plans.len(), maps, "every map is right");
                checked
            });
        });
    }
    group.finish();
}

/// What an editor asks after each change: one rule of one map is another, and everything is to be said anew.
fn session(criterion: &mut Criterion) {
    const EDITED: usize = 508;
    let mut files = generate::files(1_000, 60);
    let mut session = check::Session::default();
    for (name, text) in &files {
        session.put(name, text.as_str()).expect("the text is short");
    }
    let before = session.check(&check::NoSchemas).len();
    let (name, first) = files.swap_remove(EDITED + 1);
    // A map that another one refers to.
    let second = first.replace("  F4 <-> f4\n", "  F4 -> f4\n");
    let mut is_second = false;
    criterion.bench_function("session/one edited rule of 1000 maps of 60 rules", |it| {
        it.iter(|| {
            is_second = !is_second;
            let text = if is_second { &second } else { &first };
            session.put(&name, text.as_str()).expect("the text is short");
            let found = session.check(&check::NoSchemas);
            assert_eq!(found.len(), before);
            found
        });
    });
}

fn hostile(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("hostile text of 1 MB");
    group.sample_size(10);
    for (name, text) in generate::hostile(1 << 20) {
        let text = vec![(name.to_owned(), text)];
        group.bench_function(name, |it| it.iter(|| parse(black_box(&text))));
    }
    group.finish();
}

/// A row with something in every field.
fn row(plan: &Plan, side: Side) -> Record {
    let value = |index: usize, kind: &Kind| match kind {
        Kind::Text { max } => Value::text("Contoso Entertainment System".get(..max.unwrap_or(28).min(28) as usize).unwrap_or("")),
        Kind::Bool => Value::Bool(true),
        Kind::Int32 | Kind::Int64 => Value::Int(index as i64),
        Kind::Decimal { .. } => Value::Decimal(Decimal::from_int(12)),
        Kind::Float64 => Value::Null,
        Kind::Guid | Kind::Lookup(_) => Value::Guid(Uuid::from_u128(index as u128 + 1)),
        Kind::Date => Value::Date(Date::constant(2024, 2, 29)),
        Kind::DateTime => Value::DateTime(Timestamp::constant(1_700_000_000, 0)),
        Kind::Enum(members) => members.members[0].value.clone(),
        Kind::Time | Kind::Binary | Kind::Choices(_) => Value::Null,
    };
    Record::from_values(plan.shapes[side].fields.iter().enumerate().map(|(index, it)| value(index, &it.kind)).collect())
}

/// The row written to the other side, after all references were answered.
fn resolved(plan: &Plan, towards: Side, from: &Record) -> Option<Lookups> {
    let mut lookups = Lookups::default();
    for _ in 0..100 {
        match interp::put(Cx { plan, lookups: &lookups }, towards, from, None) {
            Ok(_) => return Some(lookups),
            Err(Stop::Unresolved(query)) => {
                let answer = match &query {
                    Query::KeyOf { .. } => Value::text("usmf"),
                    Query::IdOf { .. } => Value::Guid(Uuid::from_u128(7)),
                };
                lookups.insert(query, Resolution::Found(answer));
            }
            Err(Stop::Refused(_) | Stop::Skip) => return None,
        }
    }
    None
}

fn records(criterion: &mut Criterion) {
    let standard = program(&standard_maps());
    let generated = program(&[("project.dwmap".to_owned(), generate::project(1, 60))]);
    let plans = standard.plans.iter().chain(&generated.plans);
    for plan in plans {
        for towards in [Side::Right, Side::Left] {
            let from = row(plan, towards.other());
            let Some(lookups) = resolved(plan, towards, &from) else { continue };
            let cx = Cx { plan, lookups: &lookups };
            let name = format!("put/{}/{towards:?}", plan.name);
            criterion.bench_function(&name, |it| it.iter(|| interp::put(cx, towards, black_box(&from), None)));
        }
    }
    let plan = &generated.plans[0];
    let shadow = row(plan, Side::Left);
    criterion.bench_function("shadow/unchanged, 61 fields", |it| {
        it.iter_batched_ref(|| shadow.clone(), |seen| black_box(&shadow) == black_box(&*seen), BatchSize::SmallInput);
    });
}

criterion_group!(
    benches,
    front_end,
    session,
    hostile,
    records,
    mapping::mapping,
    mapping::merging,
    systems::json,
    systems::loading,
    systems::commits,
    systems::engine,
    http::http
);

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.iter().any(|it| it == "--in-turn") {
        let rounds = arguments.iter().skip_while(|it| *it != "--rounds").nth(1);
        return http::in_turn(rounds.map(|it| it.parse().expect("a number of rounds")));
    }
    benches();
    Criterion::default().configure_from_args().final_summary();
}
