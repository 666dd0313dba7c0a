//! OData CSDL (`$metadata`) to a schema: Finance & Operations, Dataverse, and others that keep to the standard.
//!
//! An entity of Dataverse has the name of its type (`account`; the set is `accounts`); everywhere else it has the name of
//! its set (`CustomersV3`). Dataverse shows a lookup as a read-only `_x_value` and one navigation property per target: here
//! it is one field `x`. What a record cannot hold (streams, collections, complex values) is left out.

mod tree;

use std::collections::HashMap;
use std::sync::Arc;

use indexmap::IndexMap;

use super::{Entity, Field, Schema};
use crate::value::{EnumType, Kind, Member, Value};
use tree::Element;

pub use tree::{BYTES_MAX, DEPTH_MAX, ELEMENTS_MAX};

/// Longest chain of base types.
const BASE_TYPES_MAX: usize = 32;

/// Digits of a decimal whose metadata names none.
const PRECISION_DEFAULT: u8 = 38;

/// Digits after the point where the scale is `variable`: the most that Finance & Operations stores.
const SCALE_VARIABLE: u8 = 16;

/// Why metadata was not read; says where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CsdlError {
    /// From 1.
    pub line: usize,
    /// In bytes.
    pub offset: usize,
    pub message: String,
}

impl CsdlError {
    fn at(text: &str, offset: usize, message: String) -> Self {
        let offset = offset.min(text.len());
        let line = text.as_bytes()[..offset].iter().filter(|byte| **byte == b'\n').count() + 1;
        Self { line, offset, message }
    }
}

impl std::fmt::Display for CsdlError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "line {} (byte {}): {}", self.line, self.offset, self.message)
    }
}

impl std::error::Error for CsdlError {}

/// Reads a `$metadata` answer.
pub fn parse(text: &str) -> Result<Schema, CsdlError> {
    let root = tree::parse(text, is_read)?;
    let schemas: Vec<&Element> = root.all("DataServices").flat_map(|it| it.all("Schema")).collect();
    if root.name != "Edmx" || schemas.is_empty() {
        return Err(CsdlError::at(text, root.at, "no `<Schema>` inside `<Edmx>`; is this a `$metadata` answer?".to_owned()));
    }
    let model = Model::new(&schemas, text);
    let mut entities = IndexMap::new();
    for set in model.sets() {
        let entity = model.entity(set)?;
        entities.entry(entity.name.clone()).or_insert(entity);
    }
    Ok(Schema { entities, enums: model.enums })
}

/// The elements that carry something for a schema; all others (functions, actions, complex types) are passed over.
fn is_read(name: &str) -> bool {
    const NAMES: &[&str] = &[
        "Edmx",
        "DataServices",
        "Schema",
        "EntityType",
        "Key",
        "PropertyRef",
        "Property",
        "NavigationProperty",
        "ReferentialConstraint",
        "EnumType",
        "Member",
        "EntityContainer",
        "EntitySet",
        "Annotations",
        "Annotation",
        "Collection",
        "Record",
        "PropertyValue",
        "EnumMember",
        "String",
        "Bool",
        "PropertyPath",
    ];
    NAMES.contains(&name)
}

struct Model<'a> {
    text: &'a str,
    schemas: &'a [&'a Element],
    /// Type by its name with the namespace.
    types: HashMap<String, &'a Element>,
    /// The namespace behind each alias.
    aliases: HashMap<&'a str, &'a str>,
    /// Annotations that stand apart from what they describe, by target.
    apart: HashMap<String, Vec<&'a Element>>,
    enums: IndexMap<String, Arc<EnumType>>,
    is_dataverse: bool,
}

impl<'a> Model<'a> {
    fn new(schemas: &'a [&'a Element], text: &'a str) -> Self {
        let namespace = |it: &&'a Element| it.attribute("Namespace").map(|name| (*it, name));
        let named = || schemas.iter().filter_map(namespace);
        let aliases = named().filter_map(|(it, name)| Some((it.attribute("Alias")?, name))).collect();
        let types = named()
            .flat_map(|(schema, namespace)| {
                schema.all("EntityType").filter_map(move |it| Some((format!("{namespace}.{}", it.attribute("Name")?), it)))
            })
            .collect();
        let mut model = Self {
            text,
            schemas,
            types,
            aliases,
            apart: HashMap::new(),
            enums: enums(schemas),
            is_dataverse: named().any(|(_, name)| name == "Microsoft.Dynamics.CRM"),
        };
        for annotations in schemas.iter().flat_map(|it| it.all("Annotations")) {
            if let Some(target) = annotations.attribute("Target") {
                let target = model.full_name(target);
                model.apart.entry(target).or_default().extend(annotations.all("Annotation"));
            }
        }
        model
    }

    /// A type's name with its namespace in place of an alias.
    fn full_name(&self, name: &str) -> String {
        match name.split_once('.') {
            Some((alias, rest)) if self.aliases.contains_key(alias) => format!("{}.{rest}", self.aliases[alias]),
            _ => name.to_owned(),
        }
    }

    fn sets(&self) -> impl Iterator<Item = &'a Element> + use<'a> {
        self.schemas.iter().flat_map(|it| it.all("EntityContainer")).flat_map(|it| it.all("EntitySet"))
    }

    fn entity(&self, set: &'a Element) -> Result<Entity, CsdlError> {
        let set_name = self.need(set, "Name")?;
        let type_name = self.full_name(self.need(set, "EntityType")?);
        let lineage = self.lineage(set, &type_name)?;
        let name = if self.is_dataverse { last_segment(&type_name) } else { set_name };
        let mut fields = IndexMap::new();
        for (own_name, ty) in &lineage {
            for property in ty.all("Property") {
                if let Some(field) = self.field(property, own_name, &lineage)? {
                    fields.insert(field.name.clone(), field);
                }
            }
        }
        let key: Vec<String> = lineage
            .iter()
            .rev()
            .find_map(|(_, ty)| ty.first("Key"))
            .map(|key| key.all("PropertyRef").filter_map(|it| it.attribute("Name").map(str::to_owned)).collect())
            .unwrap_or_default();
        let known = |columns: &[String]| columns.iter().all(|it| fields.contains_key(it));
        if !known(&key) {
            return Err(self.error(set, format!("`{name}` has a key of `{}`, which are not all its properties", key.join(", "))));
        }
        let unique = self.alternate_keys(set, set_name, &lineage).into_iter().filter(|it| known(it)).collect();
        Ok(Entity {
            name: name.to_owned(),
            set: (set_name != name).then(|| set_name.to_owned()),
            doc: lineage.last().and_then(|(name, it)| self.description(it, name)),
            partition: key.iter().find(|it| it.eq_ignore_ascii_case("dataAreaId")).cloned(),
            key,
            unique,
            fields,
        })
    }

    /// The type and its base types, the farthest first.
    fn lineage(&self, set: &Element, name: &str) -> Result<Vec<(String, &'a Element)>, CsdlError> {
        let mut lineage = Vec::new();
        let mut next = Some(name.to_owned());
        while let Some(name) = next.take() {
            let Some(ty) = self.types.get(&name) else {
                return Err(self.error(set, format!("there is no entity type `{name}`")));
            };
            if lineage.len() >= BASE_TYPES_MAX {
                return Err(self.error(ty, format!("`{name}` has more than {BASE_TYPES_MAX} base types, or is its own")));
            }
            next = ty.attribute("BaseType").map(|it| self.full_name(it));
            lineage.push((name, *ty));
        }
        lineage.reverse();
        Ok(lineage)
    }

    /// The field of a property; `None`: nothing that a record can hold.
    fn field(&self, property: &'a Element, owner: &str, lineage: &[(String, &'a Element)]) -> Result<Option<Field>, CsdlError> {
        let written = self.need(property, "Name")?;
        let readonly = self.is_readonly(property, &format!("{owner}/{written}"));
        let doc = self.description(property, &format!("{owner}/{written}"));
        let lookup = if self.is_dataverse { lookup_name(written) } else { None };
        let targets = lookup.map(|_| self.lookup_targets(written, lineage)).unwrap_or_default();
        if let (Some(name), false) = (lookup, targets.is_empty()) {
            // The property itself is always computed; it is written through the navigation property.
            let kind = Kind::Lookup(targets.into());
            let field = Field { name: name.to_owned(), nullable: true, ..plain(kind, doc) };
            return Ok(Some(field));
        }
        let Some(kind) = self.kind(property)? else { return Ok(None) };
        let modified = kind == Kind::DateTime && is_modified_stamp(written);
        let nullable = property.attribute("Nullable") != Some("false");
        let readonly = readonly || modified;
        Ok(Some(Field { name: written.to_owned(), nullable, readonly, modified, ..plain(kind, doc) }))
    }

    /// The entities behind the navigation properties that this column constrains.
    fn lookup_targets(&self, column: &str, lineage: &[(String, &'a Element)]) -> Vec<String> {
        let constrains =
            |it: &&Element| it.all("ReferentialConstraint").any(|constraint| constraint.attribute("Property") == Some(column));
        let navigations = lineage.iter().flat_map(|(_, ty)| ty.all("NavigationProperty")).filter(constrains);
        let mut targets: Vec<String> = Vec::new();
        for ty in navigations.filter_map(|it| it.attribute("Type")) {
            let target = last_segment(ty).to_owned();
            if !targets.contains(&target) {
                targets.push(target);
            }
        }
        targets
    }

    fn kind(&self, property: &Element) -> Result<Option<Kind>, CsdlError> {
        let ty = self.need(property, "Type")?;
        let Some(primitive) = ty.strip_prefix("Edm.") else {
            let own = self.enums.get(last_segment(ty)).cloned();
            return Ok(own.map(Kind::Enum));
        };
        let kind = match primitive {
            "Boolean" => Kind::Bool,
            "SByte" | "Byte" | "Int16" | "Int32" => Kind::Int32,
            "Int64" => Kind::Int64,
            "Single" | "Double" => Kind::Float64,
            "Decimal" => self.decimal(property)?,
            "String" => Kind::Text { max: self.max_length(property)? },
            "Guid" => Kind::Guid,
            "Date" => Kind::Date,
            "TimeOfDay" => Kind::Time,
            "DateTimeOffset" | "DateTime" => Kind::DateTime,
            "Binary" => Kind::Binary,
            _ => return Ok(None),
        };
        Ok(Some(kind))
    }

    fn max_length(&self, property: &Element) -> Result<Option<u32>, CsdlError> {
        match property.attribute("MaxLength") {
            // Dataverse writes a huge number for a memo without a limit.
            None | Some("max" | "-1" | "0" | "2147483647") => Ok(None),
            Some(_) => self.number(property, "MaxLength"),
        }
    }

    fn decimal(&self, property: &Element) -> Result<Kind, CsdlError> {
        let precision = self.number::<u8>(property, "Precision")?.unwrap_or(PRECISION_DEFAULT).clamp(1, PRECISION_DEFAULT);
        let scale = match property.attribute("Scale") {
            Some(word) if word.eq_ignore_ascii_case("variable") || word.eq_ignore_ascii_case("floating") => SCALE_VARIABLE,
            Some(_) => self.number::<u8>(property, "Scale")?.unwrap_or(0),
            // The standard says 0, but a service that names neither does not mean whole numbers.
            None if property.attribute("Precision").is_none() => SCALE_VARIABLE,
            None => 0,
        };
        Ok(Kind::Decimal { precision, scale: scale.min(precision) })
    }

    /// Computed by the service, or a client may only read it.
    fn is_readonly(&self, property: &Element, target: &str) -> bool {
        self.annotations(property, target).any(|it| match it.attribute("Term").map(last_two) {
            Some("V1.Computed") => it.attribute("Bool").or_else(|| it.first("Bool").map(|it| it.text.trim())) != Some("false"),
            Some("V1.Permissions") => {
                let permissions = it.attribute("EnumMember").or_else(|| it.first("EnumMember").map(|it| it.text.trim()));
                permissions.is_some_and(|it| it.split_whitespace().all(|it| it.ends_with("/Read") || it.ends_with("/None")))
            }
            Some(_) | None => false,
        })
    }

    fn description(&self, element: &Element, target: &str) -> Option<String> {
        let own = self.annotations(element, target).find(|it| it.attribute("Term").map(last_two) == Some("V1.Description"))?;
        own.attribute("String").or_else(|| own.first("String").map(|it| it.text.trim())).map(str::to_owned)
    }

    /// `Org.OData.Core.V1.AlternateKeys`, on the set, its type, or apart from both.
    fn alternate_keys(&self, set: &Element, set_name: &str, lineage: &[(String, &'a Element)]) -> Vec<Vec<String>> {
        let mut keys = Vec::new();
        let places = lineage.iter().map(|(name, ty)| (*ty, name.as_str())).chain([(set, set_name)]);
        for (element, target) in places {
            for annotation in
                self.annotations(element, target).filter(|it| it.attribute("Term").map(last_two) == Some("V1.AlternateKeys"))
            {
                keys.extend(annotation.all("Collection").flat_map(|it| it.all("Record")).map(alternate_key));
            }
        }
        keys.retain(|it: &Vec<String>| !it.is_empty());
        keys
    }

    fn annotations<'e>(&'e self, element: &'e Element, target: &str) -> impl Iterator<Item = &'e Element> {
        element.all("Annotation").chain(self.apart.get(target).into_iter().flatten().copied())
    }

    fn number<T: std::str::FromStr>(&self, element: &Element, attribute: &str) -> Result<Option<T>, CsdlError> {
        let Some(text) = element.attribute(attribute) else { return Ok(None) };
        let name = element.attribute("Name").unwrap_or_default();
        let wrong = |_| self.error(element, format!("`{name}`: `{attribute}` should be a number, not `{text}`"));
        text.parse().map(Some).map_err(wrong)
    }

    fn need<'e>(&self, element: &'e Element, attribute: &str) -> Result<&'e str, CsdlError> {
        element.attribute(attribute).ok_or_else(|| self.error(element, format!("`<{}>` has no `{attribute}`", element.name)))
    }

    fn error(&self, element: &Element, message: String) -> CsdlError {
        CsdlError::at(self.text, element.at, message)
    }
}

/// The enums by their short names. A set of flags travels as `A,B` and stays a text.
fn enums(schemas: &[&Element]) -> IndexMap<String, Arc<EnumType>> {
    let all = schemas.iter().flat_map(|it| it.all("EnumType")).filter(|it| it.attribute("IsFlags") != Some("true"));
    let member = |it: &Element| {
        let name = it.attribute("Name")?.to_owned();
        Some(Member { value: Value::text(&name), name })
    };
    all.filter_map(|it| {
        let name = it.attribute("Name")?.to_owned();
        let members = it.all("Member").filter_map(member).collect();
        Some((name.clone(), Arc::new(EnumType { name, open: false, members })))
    })
    .collect()
}

/// `Key` of an alternate key's record: a collection of references to properties.
fn alternate_key(record: &Element) -> Vec<String> {
    let key = record.all("PropertyValue").filter(|it| it.attribute("Property") == Some("Key"));
    let parts = key.flat_map(|it| it.all("Collection")).flat_map(|it| it.all("Record"));
    let names = parts.flat_map(|it| it.all("PropertyValue")).filter(|it| it.attribute("Property") == Some("Name"));
    names
        .filter_map(|it| it.attribute("PropertyPath").or_else(|| it.first("PropertyPath").map(|it| it.text.trim())))
        .map(|path| lookup_name(path).unwrap_or(path).to_owned())
        .collect()
}

/// `x` of `_x_value`.
fn lookup_name(property: &str) -> Option<&str> {
    property.strip_prefix('_')?.strip_suffix("_value").filter(|it| !it.is_empty())
}

fn is_modified_stamp(name: &str) -> bool {
    ["modifiedon", "ModifiedDateTime", "ModifiedDateTime1"].contains(&name)
}

fn last_segment(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

/// `V1.Computed` of `Org.OData.Core.V1.Computed`: services differ in the alias that stands before it.
fn last_two(term: &str) -> &str {
    let mut dots = term.rmatch_indices('.').map(|(at, _)| at);
    match (dots.next(), dots.next()) {
        (Some(_), Some(second)) => &term[second + 1..],
        (_, _) => term,
    }
}

/// A field of which nothing else is known.
fn plain(kind: Kind, doc: Option<String>) -> Field {
    let name = String::new();
    Field { name, kind, nullable: false, required: false, readonly: false, modified: false, meaning: None, doc }
}
