//! Navigation properties of Dataverse: the names under which lookups are written.
//!
//! They are metadata and follow from nothing: a custom column `new_parentid` is written through `new_ParentId`, and a lookup with
//! several targets has one for each (Microsoft, webapi/web-api-navigation-properties.md).

use std::collections::HashMap;

use serde_json::Value as Json;

use super::{page, text};
use crate::change::{Class, Failure};
use crate::connect::http::Client;

/// A relationship from a column to one of its targets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Relationship {
    /// The navigation property.
    pub name: String,
    /// The column of the target that the reference holds: its primary key.
    pub key: String,
}

/// Relationships by column and target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Navigation(HashMap<(String, String), Relationship>);

impl Navigation {
    pub fn to(&self, column: &str, target: &str) -> Result<&Relationship, Failure> {
        let found = self.0.get(&(column.to_owned(), target.to_owned()));
        found.ok_or_else(|| Failure::new(Class::Schema, format!("the system has no relationship from `{column}` to `{target}`")))
    }
}

/// Reads the names of one table.
pub async fn fetch(client: &Client, root: &str, entity: &str) -> Result<Navigation, Failure> {
    let name = text::escape(&format!("'{}'", entity.replace('\'', "''")));
    let path = format!(
        "{root}EntityDefinitions(LogicalName={name})/ManyToOneRelationships\
         ?$select=ReferencingAttribute,ReferencedEntity,ReferencedAttribute,ReferencingEntityNavigationPropertyName"
    );
    let rows = page::objects(client, &format!("reading the relationships of `{entity}`"), &path).await?;
    let mut names = HashMap::with_capacity(rows.len());
    for row in &rows {
        let field = |name: &str| row.get(name).and_then(Json::as_str).map(str::to_owned);
        let (column, target) = (field("ReferencingAttribute"), field("ReferencedEntity"));
        let (key, name) = (field("ReferencedAttribute"), field("ReferencingEntityNavigationPropertyName"));
        if let (Some(column), Some(target), Some(key), Some(name)) = (column, target, key, name) {
            names.insert((column, target), Relationship { name, key });
        }
    }
    Ok(Navigation(names))
}
