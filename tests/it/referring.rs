//! References to rows of several tables, as a case of the suite that every connector passes.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use dwmap::change::{Answer, Class, LinkId, RemoteId, Write};
use dwmap::schema::Shape;
use dwmap::value::{Record, Slot, Uuid, Value};

use super::connectors::{System, written};

/// A table with a reference to rows of several tables.
pub struct Referring {
    pub shape: Shape,
    pub reference: Slot,
    /// A row of each table, as users made them, with the table's name.
    pub targets: Vec<(&'static str, Uuid)>,
    /// The table that the reference of a row leads to, as the system itself tells.
    pub told: Box<Told>,
}

/// The name of a table, for the id of a row.
type Told = dyn Fn(&RemoteId) -> Option<String> + Send + Sync;

/// The id of the row alone says where a reference leads, in both directions.
pub async fn references_to_several_tables_lead_to_the_right_one(system: &impl System) {
    let Some(Referring { shape, reference, targets, told }) = system.referring() else { return };
    let write = async |write: Write| written(system.connector().write(&shape, &[write]).await.remove(0));
    let to = |value: Value| {
        let mut record = Record::absent(shape.fields.len());
        record.set(reference, value);
        record
    };
    for (number, (table, target)) in targets.iter().enumerate() {
        let made = Write::Create { link: LinkId(Uuid::from_u128(100 + number as u128)), record: to(Value::Guid(*target)) };
        let mut seen = write(made).await;
        assert_eq!(seen.record.get(reference), &Value::Guid(*target));
        assert_eq!(told(&seen.id).as_deref(), Some(*table));
        for (table, other) in targets.iter().rev() {
            let change = Write::Update { id: seen.id.clone(), expected: seen.version.clone(), record: to(Value::Guid(*other)) };
            seen = write(change).await;
            assert_eq!((seen.record.get(reference), told(&seen.id).as_deref()), (&Value::Guid(*other), Some(*table)));
        }
        let fetched = system.connector().fetch(&shape, std::slice::from_ref(&seen.id)).await.unwrap();
        assert_eq!(fetched, [Some(seen.clone())]);
        let none = Write::Update { id: seen.id.clone(), expected: seen.version.clone(), record: to(Value::Null) };
        assert_eq!(write(none).await.record.get(reference), &Value::Null);
        assert_eq!(told(&seen.id), None);
    }
    let nowhere = Write::Create { link: LinkId(Uuid::from_u128(200)), record: to(Value::Guid(Uuid::from_u128(9))) };
    let answer = system.connector().write(&shape, &[nowhere]).await.remove(0);
    assert!(matches!(&answer, Answer::Failed(it) if it.class == Class::Reference), "{answer:?}");
}
