//! Answers the interpreter's questions about references by asking the systems.

use std::collections::HashMap;

use futures::StreamExt;
use futures::future::BoxFuture;

use super::pipe::{Pipe, PipeId};
use crate::change::{Class, Failure, Seen};
use crate::connect::Connector;
use crate::interp::{Query, Resolution};
use crate::ir::{RefTarget, Reference};
use crate::schema::Shape;
use crate::value::Value;

/// Most remembered answers; then all are forgotten.
const ANSWERS_MAX: usize = 100_000;
/// Questions to one deployment's systems that are under way at once.
const QUESTIONS_AT_ONCE: usize = 16;

/// Answers that were given lately. Only rows that are there are remembered: one that is missing may come at any time.
#[derive(Default)]
pub struct References {
    known: HashMap<(PipeId, Query), Value>,
}

/// A question and its answer, or why there is none.
pub type Answered = (Query, Result<Resolution, Failure>);

impl References {
    /// Forgets everything: a referenced row may have gone.
    pub fn forget(&mut self) {
        self.known.clear();
    }

    /// Answers each question once, whoever asked it.
    pub async fn resolve(
        &mut self,
        pipes: &[Pipe],
        queries: Vec<(PipeId, Query)>,
    ) -> HashMap<(PipeId, Query), Result<Resolution, Failure>> {
        let mut out = HashMap::new();
        let mut open = Vec::new();
        for query in queries {
            match self.known.get(&query) {
                Some(value) => drop(out.insert(query, Ok(Resolution::Found(value.clone())))),
                None if out.contains_key(&query) || open.contains(&query) => {}
                None => open.push(query),
            }
        }
        let asked = futures::stream::iter(open).map(|(id, query)| async move {
            let answer = ask(&pipes[id.0], &query).await;
            ((id, query), answer)
        });
        let answers: Vec<_> = asked.buffer_unordered(QUESTIONS_AT_ONCE).collect().await;
        if self.known.len() + answers.len() > ANSWERS_MAX {
            self.known.clear();
        }
        for (query, answer) in answers {
            if let Ok(Resolution::Found(value)) = &answer {
                self.known.insert(query.clone(), value.clone());
            }
            out.insert(query, answer);
        }
        out
    }
}

async fn ask(pipe: &Pipe, query: &Query) -> Result<Resolution, Failure> {
    let reference = pipe.plan.reference(query.reference());
    let system = pipe.systems[reference.side].as_ref();
    let found = match query {
        Query::IdOf { key, .. } => id_of(system, reference, key).await?,
        Query::KeyOf { id, .. } => key_of(system, reference, id).await?,
    };
    Ok(found.map_or(Resolution::Missing, Resolution::Found))
}

async fn id_of(system: &dyn Connector, reference: &Reference, key: &Value) -> Result<Option<Value>, Failure> {
    for target in &reference.targets {
        if let Some(id) = row_id(system, target, &parts(key)).await? {
            return Ok(Some(id));
        }
    }
    Ok(None)
}

/// The primary key of the one row whose columns have these values.
async fn row_id(system: &dyn Connector, target: &RefTarget, values: &[Value]) -> Result<Option<Value>, Failure> {
    let row = find_row(system, target, values).await?;
    Ok(row.map(|it| primary_key(&target.shape, &it.record)))
}

/// The one row whose columns have these values.
pub fn find_row<'a>(
    system: &'a dyn Connector,
    target: &'a RefTarget,
    values: &'a [Value],
) -> BoxFuture<'a, Result<Option<Seen>, Failure>> {
    Box::pin(async move {
        assert_eq!(target.columns.len(), values.len(), "the checker compares the number of key columns");
        let mut wanted = Vec::with_capacity(values.len());
        for (column, value) in target.columns.iter().zip(values) {
            match &column.via {
                None => wanted.push(value.clone()),
                Some(_) if !value.is_value() => wanted.push(Value::Null),
                Some(inner) => match row_id(system, inner, std::slice::from_ref(value)).await? {
                    Some(id) => wanted.push(id),
                    None => return Ok(None),
                },
            }
        }
        let slots: Vec<_> = target.columns.iter().map(|it| it.slot).collect();
        let mut rows = system.find(&target.shape, &slots, &wanted, 2).await?;
        match rows.len() {
            0 => Ok(None),
            1 => Ok(rows.pop()),
            _ => {
                let named: Vec<String> = values.iter().map(Value::to_string).collect();
                let message = format!("more than one {} has the key {}", target.shape.entity, named.join(", "));
                Err(Failure::new(Class::Reference, message))
            }
        }
    })
}

async fn key_of(system: &dyn Connector, reference: &Reference, id: &Value) -> Result<Option<Value>, Failure> {
    for target in &reference.targets {
        if let Some(mut key) = row_key(system, target, id).await? {
            if reference.is_partitioned {
                key.remove(0);
            }
            return Ok(Some(whole(key)));
        }
    }
    Ok(None)
}

/// The key columns of the row with this primary key.
fn row_key<'a>(
    system: &'a dyn Connector,
    target: &'a RefTarget,
    id: &'a Value,
) -> BoxFuture<'a, Result<Option<Vec<Value>>, Failure>> {
    Box::pin(async move {
        let rows = system.find(&target.shape, &target.shape.key, &parts(id), 1).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let mut key = Vec::with_capacity(target.columns.len());
        for column in &target.columns {
            let value = row.record.get(column.slot);
            match &column.via {
                Some(inner) if value.is_value() => match row_key(system, inner, value).await? {
                    Some(inner_key) => key.push(whole(inner_key)),
                    None => return Ok(None),
                },
                Some(_) | None => key.push(value.clone()),
            }
        }
        Ok(Some(key))
    })
}

fn primary_key(shape: &Shape, record: &crate::value::Record) -> Value {
    whole(shape.key.iter().map(|&slot| record.get(slot).clone()).collect())
}

pub fn parts(value: &Value) -> Vec<Value> {
    match value {
        Value::Tuple(parts) => parts.to_vec(),
        single => vec![single.clone()],
    }
}

fn whole(mut parts: Vec<Value>) -> Value {
    match parts.len() {
        1 => parts.remove(0),
        _ => Value::Tuple(parts.into()),
    }
}
