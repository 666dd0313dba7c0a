//! One system of a test: its own table in memory, and made-up rows for whatever is referred to.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use super::coverage::Taken;
use crate::change::{Answer, Failure, Page, RemoteId, Seen, Side, Token, Write};
use crate::connect::memory::{Fields, Memory};
use crate::connect::{Capabilities, Connector};
use crate::ir::{Plan, RefTarget};
use crate::schema::{Entity, Field, Profile, Schema, Shape};
use crate::value::{Kind, Slot, Value};

pub struct System {
    pub own: Memory,
    pub entity: String,
    made_up: Memory,
    side: Side,
    /// What the engine wrote since this was last asked for.
    taken: Mutex<Vec<Taken>>,
    /// Names for keys that a made-up row needs and nobody gave.
    count: AtomicI64,
}

impl System {
    pub fn new(plan: &Plan, side: Side) -> Self {
        let shape = &plan.shapes[side];
        let keys = plan.key.iter().flat_map(|&id| plan.rule(id).ends[side].read.slots());
        let unique: Vec<String> = keys.map(|slot| shape.field(slot).name.clone()).collect();
        let (mut own, mut made_up) = (Schema::default(), Schema::default());
        add_entity(&mut own, shape, unique);
        for reference in plan.references.iter().filter(|it| it.side == side) {
            reference.targets.iter().for_each(|it| add_target(&mut made_up, it));
        }
        Self {
            own: Memory::new(&own, plan.profiles[side].clone()),
            entity: shape.entity.clone(),
            made_up: Memory::new(&made_up, Profile::exact()),
            side,
            taken: Mutex::default(),
            count: AtomicI64::new(1),
        }
    }

    pub fn rows(&self) -> Vec<(RemoteId, Fields)> {
        self.own.rows(&self.entity)
    }

    /// What the engine wrote since the last call.
    pub fn take_writes(&self) -> Vec<Taken> {
        std::mem::take(&mut self.taken.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn make_up(&self, shape: &Shape, slots: &[Slot], values: &[Value]) -> Result<(), Failure> {
        let given = slots.iter().zip(values).map(|(slot, value)| (shape.field(*slot).name.clone(), value.clone()));
        let mut fields: Fields = given.collect();
        for slot in &shape.key {
            let field = shape.field(*slot);
            let number = self.count.fetch_add(1, Ordering::Relaxed);
            fields.entry(field.name.clone()).or_insert_with(|| fresh_key(&field.kind, number));
        }
        self.made_up.insert(&shape.entity, fields).map(drop)
    }
}

fn fresh_key(kind: &Kind, number: i64) -> Value {
    match kind {
        Kind::Text { .. } => Value::text(format!("made-up-{number}")),
        Kind::Guid => Value::Guid(crate::value::Uuid::from_u128(number.unsigned_abs().into())),
        _ => Value::Int(number),
    }
}

fn add_entity(schema: &mut Schema, shape: &Shape, unique: Vec<String>) {
    let entity = schema.entities.entry(shape.entity.clone()).or_insert_with(|| Entity {
        name: shape.entity.clone(),
        set: Some(shape.set.clone()),
        key: shape.key.iter().map(|slot| shape.field(*slot).name.clone()).collect(),
        ..Entity::default()
    });
    for (index, it) in shape.fields.iter().enumerate() {
        let field = Field {
            name: it.name.clone(),
            kind: it.kind.clone(),
            nullable: it.nullable,
            required: false,
            readonly: it.readonly,
            modified: shape.modified == Some(Slot(index as u16)),
            meaning: None,
            doc: None,
        };
        entity.fields.entry(it.name.clone()).or_insert(field);
    }
    if !unique.is_empty() && unique != entity.key && !entity.unique.contains(&unique) {
        entity.unique.push(unique);
    }
}

fn add_target(schema: &mut Schema, target: &RefTarget) {
    add_entity(schema, &target.shape, Vec::new());
    target.columns.iter().filter_map(|it| it.via.as_deref()).for_each(|it| add_target(schema, it));
}

#[async_trait]
impl Connector for System {
    fn capabilities(&self) -> Capabilities {
        self.own.capabilities()
    }

    async fn feed(&self, shape: &Shape, after: Option<&Token>) -> Result<Page, Failure> {
        self.own.feed(shape, after).await
    }

    async fn fetch(&self, shape: &Shape, ids: &[RemoteId]) -> Result<Vec<Option<Seen>>, Failure> {
        self.own.fetch(shape, ids).await
    }

    /// Rows of the map's own entity, else made-up ones. The engine asks for the map's own rows with the map's own shape.
    async fn find(&self, shape: &Shape, slots: &[Slot], values: &[Value], limit: usize) -> Result<Vec<Seen>, Failure> {
        if shape.entity == self.entity {
            let own = self.own.find(shape, slots, values, limit).await?;
            if !own.is_empty() {
                return Ok(own);
            }
        }
        let known = self.made_up.find(shape, slots, values, limit).await;
        match known {
            Ok(rows) if rows.is_empty() => {
                self.make_up(shape, slots, values)?;
                self.made_up.find(shape, slots, values, limit).await
            }
            other => other,
        }
    }

    async fn find_created(&self, shape: &Shape, write: &Write) -> Result<Option<Seen>, Failure> {
        self.own.find_created(shape, write).await
    }

    async fn write(&self, shape: &Shape, writes: &[Write]) -> Vec<Answer> {
        let answers = self.own.write(shape, writes).await;
        let taken = writes.iter().zip(&answers).filter_map(|(write, answer)| match answer {
            Answer::Written(seen) => Taken::new(self.side, write, seen),
            Answer::Deleted | Answer::Exists | Answer::Moved | Answer::Gone | Answer::Failed(_) => None,
        });
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).extend(taken);
        answers
    }

    async fn scan(&self, shape: &Shape, after: Option<&Token>, limit: usize) -> Result<Page, Failure> {
        self.own.scan(shape, after, limit).await
    }
}
