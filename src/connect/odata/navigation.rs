//! Navigation properties of Dataverse: the names under which lookups are written.
//!
//! They are metadata and follow from nothing: a custom column `new_parentid` is written through `new_ParentId`, and a lookup with
//! several targets has one for each (Microsoft, webapi/web-api-navigation-properties.md).

use std::collections::HashMap;

use serde_json::Value as Json;

use super::{page, text};
use crate::change::{Class, Failure};
use crate::connect::http::Client;

/// Names by column and target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Navigation(HashMap<(String, String), String>);

impl Navigation {
    pub fn name(&self, column: &str, target: &str) -> Result<&str, Failure> {
        let found = self.0.get(&(column.to_owned(), target.to_owned()));
        let missing = || Failure::new(Class::Schema, format!("the system has no relationship from `{column}` to `{target}`"));
        found.map(String::as_str).ok_or_else(missing)
    }
}

/// Reads the names of one table.
pub async fn fetch(client: &Client, root: &str, entity: &str) -> Result<Navigation, Failure> {
    let name = text::escape(&format!("'{}'", entity.replace('\'', "''")));
    let path = format!(
        "{root}EntityDefinitions(LogicalName={name})/ManyToOneRelationships\
         ?$select=ReferencingAttribute,ReferencedEntity,ReferencingEntityNavigationPropertyName"
    );
    let rows = page::objects(client, &format!("reading the relationships of `{entity}`"), &path).await?;
    let mut names = HashMap::with_capacity(rows.len());
    for row in &rows {
        let field = |name: &str| row.get(name).and_then(Json::as_str).map(str::to_owned);
        if let (Some(column), Some(target), Some(name)) =
            (field("ReferencingAttribute"), field("ReferencedEntity"), field("ReferencingEntityNavigationPropertyName"))
        {
            names.insert((column, target), name);
        }
    }
    Ok(Navigation(names))
}
