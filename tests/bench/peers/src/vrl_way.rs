//! VRL, the language of Vector: `job.vrl`.

use std::collections::BTreeMap;
use std::hint::black_box;

use serde_json::Value as Json;
use vrl::compiler::runtime::Runtime;
use vrl::compiler::{Program, TargetValueRef, TimeZone};
use vrl::value::{Secrets, Value};

use crate::Peer;

struct Vrl {
    program: Program,
    runtime: Runtime,
    metadata: Value,
    secrets: Secrets,
}

impl Vrl {
    fn new() -> Self {
        let compiled = vrl::compiler::compile(include_str!("job.vrl"), &vrl::stdlib::all());
        let program = compiled.unwrap_or_else(|diagnostics| panic!("{diagnostics:?}")).program;
        let metadata = Value::Object(BTreeMap::new());
        Self { program, runtime: Runtime::default(), metadata, secrets: Secrets::default() }
    }

    /// The program makes its result of what it reads, and changes nothing.
    fn account(&mut self, customer: &mut Value) -> Option<Value> {
        let mut target = TargetValueRef { value: customer, metadata: &mut self.metadata, secrets: &mut self.secrets };
        let made = self.runtime.resolve(&mut target, &self.program, &TimeZone::default()).expect("it runs");
        self.runtime.clear();
        matches!(made, Value::Object(_)).then_some(made)
    }
}

fn parsed(text: &str) -> Value {
    serde_json::from_str::<Json>(text).expect("it is JSON").into()
}

fn shown(value: Value) -> Json {
    value.try_into().expect("it is JSON")
}

/// Values in memory to values in memory.
pub struct Mapped {
    vrl: Vrl,
    customers: Vec<Value>,
}

impl Mapped {
    pub fn new(texts: &[String]) -> Self {
        Self { vrl: Vrl::new(), customers: texts.iter().map(|it| parsed(it)).collect() }
    }
}

impl Peer for Mapped {
    fn name(&self) -> &'static str {
        "VRL"
    }

    fn round(&mut self) -> usize {
        self.customers.iter_mut().filter_map(|it| black_box(self.vrl.account(black_box(it)))).count()
    }

    fn account(&mut self, number: usize) -> Option<Json> {
        self.vrl.account(&mut self.customers[number]).map(shown)
    }

    fn has_floats_only(&self) -> bool {
        true
    }
}

/// Text to text.
pub struct Whole<'a> {
    vrl: Vrl,
    texts: &'a [String],
}

impl<'a> Whole<'a> {
    pub fn new(texts: &'a [String]) -> Self {
        Self { vrl: Vrl::new(), texts }
    }
}

impl Peer for Whole<'_> {
    fn name(&self) -> &'static str {
        "VRL"
    }

    fn round(&mut self) -> usize {
        let vrl = &mut self.vrl;
        let mut mapped = |it: &String| {
            let made = vrl.account(&mut parsed(black_box(it)));
            made.map(|it| serde_json::to_string(&it).expect("it is JSON"))
        };
        self.texts.iter().filter_map(|it| black_box(mapped(it))).count()
    }

    fn account(&mut self, number: usize) -> Option<Json> {
        self.vrl.account(&mut parsed(&self.texts[number])).map(shown)
    }

    fn has_floats_only(&self) -> bool {
        true
    }
}
