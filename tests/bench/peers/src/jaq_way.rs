//! jaq, jq in Rust: `job.jq`.

use std::hint::black_box;

use jaq_core::load::{Arena, File, Loader};
use jaq_core::{Compiler, Ctx, Vars, data, unwrap_valr};
use jaq_json::{Val, read};
use serde_json::Value as Json;

use crate::Peer;

type Filter = jaq_core::compile::Filter<jaq_core::Native<data::JustLut<Val>>>;

struct Jaq {
    filter: Filter,
}

impl Jaq {
    fn new() -> Self {
        let defs = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs());
        let funs = jaq_core::funs().chain(jaq_std::funs()).chain(jaq_json::funs());
        let arena = Arena::default();
        let modules = Loader::new(defs).load(&arena, File { code: include_str!("job.jq"), path: () }).expect("it parses");
        let filter = Compiler::default().with_funs(funs).compile(modules).expect("it compiles");
        Self { filter }
    }

    fn account(&self, customer: Val) -> Option<Val> {
        let cx = Ctx::<data::JustLut<Val>>::new(&self.filter.lut, Vars::new([]));
        self.filter.id.run((cx, customer)).map(unwrap_valr).next().map(|it| it.expect("it runs"))
    }
}

fn parsed(text: &str) -> Val {
    read::parse_single(text.as_bytes()).expect("it is JSON")
}

fn shown(value: &Val) -> Json {
    serde_json::from_str(&value.to_string()).expect("it is JSON")
}

/// Values in memory to values in memory.
pub struct Mapped {
    jaq: Jaq,
    customers: Vec<Val>,
}

impl Mapped {
    pub fn new(texts: &[String]) -> Self {
        Self { jaq: Jaq::new(), customers: texts.iter().map(|it| parsed(it)).collect() }
    }
}

impl Peer for Mapped {
    fn name(&self) -> &'static str {
        "jaq"
    }

    fn round(&mut self) -> usize {
        self.customers.iter().filter_map(|it| black_box(self.jaq.account(black_box(it).clone()))).count()
    }

    fn account(&mut self, number: usize) -> Option<Json> {
        self.jaq.account(self.customers[number].clone()).as_ref().map(shown)
    }

    fn has_floats_only(&self) -> bool {
        true
    }
}

/// Text to text.
pub struct Whole<'a> {
    jaq: Jaq,
    texts: &'a [String],
}

impl<'a> Whole<'a> {
    pub fn new(texts: &'a [String]) -> Self {
        Self { jaq: Jaq::new(), texts }
    }
}

impl Peer for Whole<'_> {
    fn name(&self) -> &'static str {
        "jaq"
    }

    fn round(&mut self) -> usize {
        let mapped = |it: &String| self.jaq.account(parsed(black_box(it))).map(|it| it.to_string());
        self.texts.iter().filter_map(|it| black_box(mapped(it))).count()
    }

    fn account(&mut self, number: usize) -> Option<Json> {
        self.jaq.account(parsed(&self.texts[number])).as_ref().map(shown)
    }

    fn has_floats_only(&self) -> bool {
        true
    }
}
