//! LuaJIT: `job.lua`.

use std::hint::black_box;

use mlua::{Function, Lua, Table, Value};
use serde_json::{Map, Value as Json};

use crate::Peer;

/// Tables in memory to tables in memory. What is dropped is collected as Lua goes, within the rounds.
pub struct Mapped {
    /// What the others live in.
    _lua: Lua,
    account: Function,
    customers: Vec<Table>,
}

impl Mapped {
    pub fn new(texts: &[String]) -> Self {
        let lua = Lua::new();
        let account = lua.load(include_str!("job.lua")).set_name("=job.lua").call(Value::NULL).expect("it compiles");
        let customers = texts.iter().map(|it| table(&lua, it)).collect();
        Self { _lua: lua, account, customers }
    }

    fn made(&self, customer: &Table) -> Option<Table> {
        self.account.call(customer).expect("it runs")
    }
}

fn table(lua: &Lua, text: &str) -> Table {
    let fields: Map<String, Json> = serde_json::from_str(text).expect("it is JSON");
    let out = lua.create_table_with_capacity(0, fields.len()).expect("there is memory");
    for (name, value) in &fields {
        let value = match value {
            Json::Null => Value::NULL,
            Json::Bool(it) => Value::Boolean(*it),
            Json::Number(it) => Value::Number(it.as_f64().expect("it is a number")),
            Json::String(it) => Value::String(lua.create_string(it).expect("there is memory")),
            Json::Array(_) | Json::Object(_) => unreachable!("the job has nothing else"),
        };
        out.raw_set(name.as_str(), value).expect("there is memory");
    }
    out
}

fn json(value: &Value) -> Json {
    match value {
        Value::Boolean(it) => (*it).into(),
        Value::Integer(it) => (*it).into(),
        Value::Number(it) => (*it).into(),
        Value::String(it) => it.to_string_lossy().into(),
        it if it.is_null() => Json::Null,
        other => unreachable!("the job has no {other:?}"),
    }
}

impl Peer for Mapped {
    fn name(&self) -> &'static str {
        "LuaJIT"
    }

    fn round(&mut self) -> usize {
        self.customers.iter().filter_map(|it| black_box(self.made(black_box(it)))).count()
    }

    fn account(&mut self, number: usize) -> Option<Json> {
        let made = self.made(&self.customers[number])?;
        let field = |it: mlua::Result<(String, Value)>| it.map(|(name, it)| (name, json(&it))).expect("it has a name");
        Some(Json::Object(made.pairs().map(field).collect()))
    }

    fn has_floats_only(&self) -> bool {
        true
    }
}
