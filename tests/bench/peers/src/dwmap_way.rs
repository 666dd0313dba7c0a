//! dwmap: the map as it stands, and the same by hand over its own records.

use std::hint::black_box;

use dwmap::change::Side;
use dwmap::connect::odata::rows::{Columns, Part};
use dwmap::interp::{Lookups, Prepared};
use dwmap::value::Record;
use serde_json::Value as Json;

use crate::job::{self, twin};
use crate::{Peer, wire};

fn shown(plan: &Prepared, made: &Record) -> Json {
    let names = plan.shapes[Side::Right].fields.iter().map(|it| it.name.clone());
    Json::Object(names.zip(made.values().iter().map(wire::json)).collect())
}

fn account(plan: &Prepared, lookups: &Lookups, from: &Record) -> Option<Record> {
    let is_in_scope = plan.in_scope(lookups, Side::Left, from).expect("it is right");
    is_in_scope.then(|| plan.put(lookups, Side::Right, from, None).expect("it is right"))
}

/// Records in memory to records in memory.
pub struct Mapped<'a> {
    plan: Prepared,
    lookups: Lookups,
    records: &'a [Record],
}

impl<'a> Mapped<'a> {
    pub fn new(records: &'a [Record]) -> Self {
        Self { plan: Prepared::new(job::plan()), lookups: Lookups::default(), records }
    }
}

impl Peer for Mapped<'_> {
    fn name(&self) -> &'static str {
        "dwmap"
    }

    fn round(&mut self) -> usize {
        self.records.iter().filter_map(|it| black_box(account(&self.plan, &self.lookups, black_box(it)))).count()
    }

    fn account(&mut self, number: usize) -> Option<Json> {
        account(&self.plan, &self.lookups, &self.records[number]).map(|it| shown(&self.plan, &it))
    }
}

/// By hand over the records of dwmap.
pub struct ByHand<'a> {
    plan: Prepared,
    records: &'a [Record],
}

impl<'a> ByHand<'a> {
    pub fn new(records: &'a [Record]) -> Self {
        Self { plan: Prepared::new(job::plan()), records }
    }
}

impl Peer for ByHand<'_> {
    fn name(&self) -> &'static str {
        "by hand, records of dwmap"
    }

    fn round(&mut self) -> usize {
        let account = |it| twin::account(black_box(it)).expect("it is right");
        self.records.iter().filter_map(|it| black_box(account(it))).count()
    }

    fn account(&mut self, number: usize) -> Option<Json> {
        twin::account(&self.records[number]).expect("it is right").map(|it| shown(&self.plan, &it))
    }
}

/// Text to text, by the code that reads and writes the rows of both Dynamics systems.
pub struct Whole<'a> {
    plan: Prepared,
    lookups: Lookups,
    texts: &'a [String],
}

impl<'a> Whole<'a> {
    pub fn new(texts: &'a [String]) -> Self {
        Self { plan: Prepared::new(job::plan()), lookups: Lookups::default(), texts }
    }

    /// `columns`: of the row that is read, and of the one that is written.
    fn mapped(&self, columns: [&Columns<'_>; 2], text: &str) -> Option<String> {
        let (from, problem) = columns[0].row(text.as_bytes()).expect("it is JSON").record();
        assert_eq!(problem, None);
        let made = account(&self.plan, &self.lookups, &from)?;
        Some(columns[1].body(&made, |_, _| Ok(Part::Plain)).expect("all of it can be sent"))
    }
}

impl Peer for Whole<'_> {
    fn name(&self) -> &'static str {
        "dwmap"
    }

    fn round(&mut self) -> usize {
        let (from, to) = (Columns::finops(&self.plan.shapes[Side::Left]), Columns::dataverse(&self.plan.shapes[Side::Right]));
        self.texts.iter().filter_map(|it| black_box(self.mapped([&from, &to], black_box(it)))).count()
    }

    fn account(&mut self, number: usize) -> Option<Json> {
        let (from, to) = (Columns::finops(&self.plan.shapes[Side::Left]), Columns::dataverse(&self.plan.shapes[Side::Right]));
        let made = self.mapped([&from, &to], &self.texts[number])?;
        Some(serde_json::from_str(&made).expect("it is JSON"))
    }
}
