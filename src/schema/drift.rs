//! How a system differs from its snapshot: what maps were checked against, and what is there now.

use super::{Entity, Field, Meaning, Schema};
use crate::value::{EnumType, Kind};

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drift {
    pub entity: String,
    /// `None`: it concerns the whole entity.
    pub field: Option<String>,
    /// What the snapshot says, and what is there.
    pub text: String,
}

/// The differences that matter to a map that was checked against `old`. Fields that only the system has are passed over, unless
/// a create cannot do without them: a snapshot holds what its maps use.
pub fn drift(old: &Schema, new: &Schema) -> Vec<Drift> {
    let mut out = Vec::new();
    for entity in old.entities.values() {
        match new.entities.get(&entity.name) {
            Some(now) => of_entity(entity, now, &mut out),
            None => out.push(Drift { entity: entity.name.clone(), field: None, text: "is not there any more".to_owned() }),
        }
    }
    out
}

fn of_entity(old: &Entity, new: &Entity, out: &mut Vec<Drift>) {
    let mut say = |field: Option<&str>, text: String| {
        out.push(Drift { entity: old.name.clone(), field: field.map(str::to_owned), text });
    };
    let set = |it: &Entity| it.set.clone().unwrap_or_else(|| it.name.clone());
    if set(old) != set(new) {
        say(None, format!("its set was `{}` and is `{}`", set(old), set(new)));
    }
    if old.key != new.key {
        say(None, format!("its key was ({}) and is ({})", old.key.join(", "), new.key.join(", ")));
    }
    for key in old.unique.iter().filter(|it| !new.unique.contains(it)) {
        say(None, format!("the alternate key ({}) is not there, or not active", key.join(", ")));
    }
    for field in old.fields.values() {
        match new.fields.get(&field.name) {
            Some(now) => of_field(field, now).into_iter().for_each(|text| say(Some(&field.name), text)),
            None => say(Some(&field.name), "is not there any more".to_owned()),
        }
    }
    for field in new.fields.values().filter(|it| it.required && !old.fields.contains_key(&it.name)) {
        say(Some(&field.name), "is new, and required".to_owned());
    }
}

fn of_field(old: &Field, new: &Field) -> Vec<String> {
    let mut out = match (&old.kind, &new.kind) {
        (Kind::Enum(was), Kind::Enum(is)) | (Kind::Choices(was), Kind::Choices(is)) => members(was, is),
        (was, is) if was == is => Vec::new(),
        (was, is) => vec![format!("was {was} and is {is}")],
    };
    match (old.meaning == Some(Meaning::WallClock), new.meaning == Some(Meaning::WallClock)) {
        (false, true) if old.kind == Kind::DateTime => out.push("was an instant and is the time of a wall clock".to_owned()),
        (true, false) if new.kind == Kind::DateTime => out.push("was the time of a wall clock and is an instant".to_owned()),
        _ => {}
    }
    if new.required && !old.required {
        out.push("is required now".to_owned());
    }
    if new.readonly && !old.readonly {
        out.push("can only be read now".to_owned());
    }
    if new.nullable && !old.nullable {
        out.push("can be null now".to_owned());
    }
    out
}

fn members(was: &EnumType, is: &EnumType) -> Vec<String> {
    let gone = was.members.iter().filter(|it| is.by_value(&it.value).is_none());
    let gone = gone.map(|it| format!("has no member {} ({}) any more", it.name, it.value));
    let fresh = is.members.iter().filter(|it| was.by_value(&it.value).is_none());
    gone.chain(fresh.map(|it| format!("has a new member {} ({})", it.name, it.value))).collect()
}

#[cfg(test)]
mod tests {
    use super::super::snapshot;
    use super::*;

    fn texts(new: &str) -> Vec<String> {
        let old = r#"{"format_version": 1, "enums": {"hold": {"members": {"No": 0, "All": 1}}}, "entities": {"account": {
            "set": "accounts", "key": ["id"], "unique": [["number"]],
            "fields": {"id": "guid", "number": "text<20>?", "hold": "hold", "note": "text?",
                "seen": "datetime?", "due": {"type": "datetime?", "meaning": "wall-clock"}}}}}"#;
        let parse = |text: &str| snapshot::parse(text).expect("a snapshot");
        let shown = |it: Drift| format!("{}: {}", it.field.unwrap_or_default(), it.text);
        drift(&parse(old), &parse(&new.replace("OLD", &old[1..]))).into_iter().map(shown).collect()
    }

    #[test]
    fn the_same_schema_has_no_drift_and_new_fields_do_not_count() {
        assert_eq!(texts("{OLD"), Vec::<String>::new());
    }

    #[test]
    fn each_difference_is_told_once() {
        let new = r#"{"format_version": 1, "enums": {"hold": {"members": {"No": 0, "Some": 2}}}, "entities": {"account": {
            "set": "accounts", "key": ["id"], "unique": [],
            "fields": {"id": "guid", "number": "text<10>?", "hold": "hold", "more": {"type": "text", "required": true}, "free": "text?",
                "due": "datetime?", "seen": {"type": "datetime?", "meaning": "wall-clock"}}}}}"#;
        let expected = [
            ": the alternate key (number) is not there, or not active",
            "number: was text<20> and is text<10>",
            "hold: has no member All (1) any more",
            "hold: has a new member Some (2)",
            "note: is not there any more",
            "seen: was an instant and is the time of a wall clock",
            "due: was the time of a wall clock and is an instant",
            "more: is new, and required",
        ];
        assert_eq!(texts(new), expected);
        let none = r#"{"format_version": 1, "entities": {}}"#;
        assert_eq!(texts(none), [": is not there any more"]);
    }
}
