//! Single columns and references of a row, under addresses of their own.

use axum::http::Method;
use serde_json::{Map, Value as Json, json};

use crate::schema::Entity;

use super::address::KeyText;
use super::filter;
use super::reply::{Refusal, Reply};
use super::route::{self, Request, root};
use super::state::State;
use super::{read, write};

/// `accounts(id)/name`: read, set or clear one column (Microsoft, webapi/update-delete-entities-using-web-api.md).
pub fn column(state: &mut State, entity: &Entity, key: &KeyText, name: &str, request: &Request<'_>) -> Result<Reply, Refusal> {
    let row_key = state.find(entity, key)?.ok_or_else(|| route::missing(state, entity, key))?;
    let field = filter::field_number(state.dialect, entity, name).ok_or_else(|| filter::unknown(entity, name))?;
    let value = match *request.method {
        Method::GET => {
            let row =
                state.table(entity).get(&row_key).map(|row| read::all_fields(state.dialect, entity, row)).unwrap_or_default();
            let value = row.get(name).cloned().unwrap_or_default();
            let context = format!("{}{}$metadata#{}/{name}", state.url, root(state.dialect), entity.name);
            return Ok(if value.is_null() {
                Reply::empty(204)
            } else {
                Reply::json(200, json!({"@odata.context": context, "value": value}))
            });
        }
        Method::PUT => request.json()?.remove("value").ok_or_else(|| Refusal::bad_request("The body has no 'value'."))?,
        Method::DELETE => Json::Null,
        _ => return Err(route::not_allowed(request.method)),
    };
    let name = entity.fields.get_index(field).map(|(name, _)| name.clone()).unwrap_or_default();
    write::update(state, entity, &row_key, &Map::from_iter([(name, value)]))?;
    Ok(Reply::empty(204))
}

/// `accounts(id)/primarycontactid/$ref`: set or clear a reference
/// (Microsoft, webapi/associate-disassociate-entities-using-web-api.md).
pub fn reference(state: &mut State, entity: &Entity, key: &KeyText, nav: &str, request: &Request<'_>) -> Result<Reply, Refusal> {
    let row_key = state.find(entity, key)?.ok_or_else(|| route::missing(state, entity, key))?;
    let target = match *request.method {
        Method::PUT => request.json()?.remove("@odata.id").ok_or_else(|| Refusal::bad_request("The body has no '@odata.id'."))?,
        Method::DELETE => Json::Null,
        _ => return Err(route::not_allowed(request.method)),
    };
    write::update(state, entity, &row_key, &Map::from_iter([(format!("{nav}@odata.bind"), target)]))?;
    Ok(Reply::empty(204))
}
