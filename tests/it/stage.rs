//! Maps of a text at work between two systems in memory, for tests of the real deployment.

use std::sync::Arc;

use dwmap::change::RemoteId;
use dwmap::check::{self, NoSchemas};
use dwmap::connect::Connector;
use dwmap::connect::memory::{Fields, Memory};
use dwmap::diag::{Diagnostics, Severity};
use dwmap::ir::{Program, RefTarget};
use dwmap::runtime::deployment::{Deployment, Settings};
use dwmap::runtime::world::Scripted;
use dwmap::schema::{Entity, Field, Profile, Schema, Shape};
use dwmap::source::Sources;
use dwmap::store::Sqlite;
use dwmap::syntax;
use dwmap::value::{Slot, Value};

/// Both systems, the first two of the program, and what keeps them in step.
pub struct Stage {
    pub systems: [Arc<Memory>; 2],
    pub deployment: Deployment,
}

/// The program of a text without errors.
pub fn program(text: &str) -> Program {
    let mut sources = Sources::default();
    let file = sources.add("test.dwmap", text.to_owned()).expect("the text is short");
    let mut diags = Diagnostics::default();
    let tree = syntax::parse(&sources, file, &mut diags);
    let checked = check::check(&[tree], &sources, &NoSchemas, &mut diags);
    let errors: Vec<String> =
        diags.sorted().into_iter().filter(|it| it.severity == Severity::Error).map(|it| it.message).collect();
    assert_eq!(errors, Vec::<String>::new(), "{text}");
    checked.program
}

/// A system with every entity that the maps use of it.
pub fn memory(program: &Program, system: u16) -> Memory {
    let mut schema = Schema::default();
    for plan in &program.plans {
        for (side, shape) in plan.shapes.iter().filter(|(side, _)| plan.systems[*side] == system) {
            let keys = plan.key.iter().flat_map(|&id| plan.rule(id).ends[side].read.slots());
            let unique: Vec<String> = keys.map(|slot| shape.field(slot).name.clone()).collect();
            add_entity(&mut schema, shape, &unique);
        }
        for reference in plan.references.iter().filter(|it| plan.systems[it.side] == system) {
            reference.targets.iter().for_each(|it| add_target(&mut schema, it));
        }
    }
    let profile = program.systems.get(usize::from(system)).map_or_else(Profile::exact, |it| it.profile.clone());
    Memory::new(&schema, profile)
}

fn add_entity(schema: &mut Schema, shape: &Shape, unique: &[String]) {
    let entity = schema.entities.entry(shape.entity.clone()).or_insert_with(|| Entity {
        name: shape.entity.clone(),
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
    if !unique.is_empty() && unique != entity.key && !entity.unique.iter().any(|it| it == unique) {
        entity.unique.push(unique.to_vec());
    }
}

fn add_target(schema: &mut Schema, target: &RefTarget) {
    add_entity(schema, &target.shape, &[]);
    target.columns.iter().filter_map(|it| it.via.as_deref()).for_each(|it| add_target(schema, it));
}

impl Stage {
    pub fn new(text: &str) -> Self {
        let program = program(text);
        let systems = [0, 1].map(|it| Arc::new(memory(&program, it)));
        let connectors = systems.clone().map(|it| -> Arc<dyn Connector> { it });
        let store = Sqlite::in_memory().expect("memory is there");
        let deployment =
            Deployment::open(program, &connectors, Box::new(store), Arc::new(Scripted::default()), Settings::default());
        Self { systems, deployment: deployment.expect("an empty state can be opened") }
    }

    /// A field of the one row whose key field has this value.
    pub fn value(&self, system: usize, entity: &str, key: (&str, &str), field: &str) -> Value {
        let rows = self.systems[system].rows(entity);
        let mut found = rows.iter().filter(|(_, row)| row.get(key.0) == Some(&Value::text(key.1)));
        let row = found.next().unwrap_or_else(|| panic!("{entity} has a row {key:?}: {rows:?}"));
        assert!(found.next().is_none(), "{entity} has two rows {key:?}");
        row.1.get(field).cloned().unwrap_or(Value::Null)
    }

    pub fn insert(&self, system: usize, entity: &str, fields: &[(&str, Value)]) -> RemoteId {
        self.systems[system].insert(entity, fields_of(fields)).expect("the row is new")
    }
}

pub fn fields_of(fields: &[(&str, Value)]) -> Fields {
    fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}
