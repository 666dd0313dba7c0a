//! Navigation properties: the names under which lookups are written and expanded.

use crate::schema::{Entity, Field};
use crate::value::Kind;

use super::state::State;

/// The name for a lookup and one of its targets. Names are metadata and follow from nothing; where nobody gave one, it is the
/// column's, with the target behind it where there are several, as `customerid_account`
/// (Microsoft, webapi/associate-disassociate-entities-using-web-api.md).
pub fn name(state: &State, entity: &Entity, field: &Field, target: &str, has_several: bool) -> String {
    let own = state.navigation.get(&format!("{}.{}", entity.name, field.name));
    let own = own.unwrap_or(&field.name);
    if has_several { format!("{own}_{target}") } else { own.clone() }
}

/// All navigation properties of a field, with their targets.
pub fn all(state: &State, entity: &Entity, field: &Field) -> Vec<(String, String)> {
    let Kind::Lookup(targets) = &field.kind else { return Vec::new() };
    targets.iter().map(|it| (name(state, entity, field, it, targets.len() > 1), it.clone())).collect()
}

/// The lookup behind a navigation property: the field's number, the field, and the target.
pub fn lookup<'a>(state: &State, entity: &'a Entity, nav: &str) -> Option<(usize, &'a Field, String)> {
    entity.fields.values().enumerate().find_map(|(number, field)| {
        let target = all(state, entity, field).into_iter().find(|(name, _)| name == nav)?.1;
        Some((number, field, target))
    })
}
