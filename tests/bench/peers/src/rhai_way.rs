//! Rhai, a scripting language for Rust: `job.rhai`.

use std::hint::black_box;

use rhai::{AST, Dynamic, Engine, Map, OptimizationLevel, Scope};
use serde_json::Value as Json;

use crate::Peer;

/// Values in memory to values in memory.
pub struct Mapped {
    engine: Engine,
    ast: AST,
    customers: Vec<Dynamic>,
}

impl Mapped {
    pub fn new(texts: &[String]) -> Self {
        let mut engine = Engine::new();
        engine.set_optimization_level(OptimizationLevel::Full);
        let ast = engine.compile(include_str!("job.rhai")).expect("it compiles");
        let customer = |text: &String| dynamic(&serde_json::from_str(text).expect("it is JSON")).into_shared();
        Self { customers: texts.iter().map(customer).collect(), engine, ast }
    }

    fn made(&self, customer: &Dynamic) -> Option<Map> {
        // What is shared is handed over without a copy.
        let made: Dynamic = self.engine.call_fn(&mut Scope::new(), &self.ast, "account", (customer.clone(),)).expect("it runs");
        made.try_cast::<Map>()
    }
}

fn dynamic(json: &Json) -> Dynamic {
    match json {
        Json::Null => Dynamic::UNIT,
        Json::Bool(it) => (*it).into(),
        Json::Number(it) => it.as_i64().map_or_else(|| it.as_f64().expect("it is a number").into(), Dynamic::from),
        Json::String(it) => it.as_str().into(),
        Json::Array(it) => it.iter().map(dynamic).collect::<Vec<_>>().into(),
        Json::Object(it) => it.iter().map(|(name, it)| (name.as_str().into(), dynamic(it))).collect::<Map>().into(),
    }
}

fn json(value: &Dynamic) -> Json {
    if value.is_unit() {
        return Json::Null;
    }
    if let Ok(flag) = value.as_bool() {
        return flag.into();
    }
    if let Ok(number) = value.as_int() {
        return number.into();
    }
    if let Ok(number) = value.as_float() {
        return number.into();
    }
    value.clone().into_string().expect("the job has nothing else").into()
}

impl Peer for Mapped {
    fn name(&self) -> &'static str {
        "Rhai"
    }

    fn round(&mut self) -> usize {
        self.customers.iter().filter_map(|it| black_box(self.made(black_box(it)))).count()
    }

    fn account(&mut self, number: usize) -> Option<Json> {
        let made = self.made(&self.customers[number])?;
        Some(Json::Object(made.iter().map(|(name, it)| (name.to_string(), json(it))).collect()))
    }

    fn has_floats_only(&self) -> bool {
        true
    }
}
