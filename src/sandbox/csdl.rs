//! `$metadata`: the schema as CSDL.

use std::fmt::Write as _;

use crate::schema::{Entity, Field};
use crate::value::Kind;

use super::state::State;
use super::{Dialect, money, navigation, rules, wire};

/// The document.
pub fn document(state: &State) -> String {
    let namespace = match state.dialect {
        Dialect::Dataverse => "Microsoft.Dynamics.CRM",
        Dialect::Finops => wire::ENUM_NAMESPACE,
    };
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<edmx:Edmx Version=\"4.0\" \
         xmlns:edmx=\"http://docs.oasis-open.org/odata/ns/edmx\"><edmx:DataServices>\
         <Schema Namespace=\"{namespace}\" xmlns=\"http://docs.oasis-open.org/odata/ns/edm\">\n"
    );
    if state.dialect == Dialect::Finops {
        enums(&mut out, state);
    }
    for entity in state.schema.entities.values() {
        entity_type(&mut out, state, namespace, entity);
    }
    container(&mut out, state, namespace);
    out.push_str("</Schema></edmx:DataServices></edmx:Edmx>\n");
    out
}

fn enums(out: &mut String, state: &State) {
    for members in state.schema.enums.values().filter(|it| !wire::is_numbered(it)) {
        push(out, format_args!("<EnumType Name=\"{}\">", escape(&members.name)));
        for (number, member) in members.members.iter().enumerate() {
            push(out, format_args!("<Member Name=\"{}\" Value=\"{number}\"/>", escape(&member.name)));
        }
        out.push_str("</EnumType>\n");
    }
}

fn entity_type(out: &mut String, state: &State, namespace: &str, entity: &Entity) {
    push(out, format_args!("<EntityType Name=\"{}\"><Key>", escape(&entity.name)));
    for key in &entity.key {
        push(out, format_args!("<PropertyRef Name=\"{}\"/>", escape(key)));
    }
    out.push_str("</Key>\n");
    for field in entity.fields.values() {
        property(out, state.dialect, entity, field);
        if state.dialect == Dialect::Dataverse {
            navigations(out, state, namespace, entity, field);
        }
    }
    out.push_str("</EntityType>\n");
}

fn property(out: &mut String, dialect: Dialect, entity: &Entity, field: &Field) {
    let name = match (&field.kind, dialect) {
        (Kind::Lookup(_), Dialect::Dataverse) => format!("_{}_value", field.name),
        _ => field.name.clone(),
    };
    push(out, format_args!("<Property Name=\"{}\" Type=\"{}\"", escape(&name), wire::edm(dialect, &field.kind)));
    if !field.nullable {
        out.push_str(" Nullable=\"false\"");
    }
    match field.kind {
        // Microsoft, webapi/web-api-properties.md: `$metadata` of Dataverse has no lengths.
        Kind::Text { max: Some(max) } if dialect == Dialect::Finops => push(out, format_args!(" MaxLength=\"{max}\"")),
        Kind::Decimal { scale, .. } => push(out, format_args!(" Scale=\"{scale}\"")),
        _ => {}
    }
    if field.readonly || rules::is_kept(dialect, field) || money::is_computed(dialect, entity, field) {
        // Microsoft, webapi/web-api-properties.md.
        out.push_str("><Annotation Term=\"Org.OData.Core.V1.Computed\" Bool=\"true\"/></Property>\n");
    } else {
        out.push_str("/>\n");
    }
}

fn navigations(out: &mut String, state: &State, namespace: &str, entity: &Entity, field: &Field) {
    for (name, target) in navigation::all(state, entity, field) {
        let key = state.schema.entities.get(&target).and_then(|it| it.key.first()).map_or("", String::as_str);
        push(out, format_args!("<NavigationProperty Name=\"{}\" Type=\"{namespace}.{}\">", escape(&name), escape(&target)));
        push(
            out,
            format_args!(
                "<ReferentialConstraint Property=\"_{}_value\" ReferencedProperty=\"{}\"/></NavigationProperty>\n",
                escape(&field.name),
                escape(key)
            ),
        );
    }
}

fn container(out: &mut String, state: &State, namespace: &str) {
    out.push_str("<EntityContainer Name=\"System\">\n");
    for entity in state.schema.entities.values() {
        let set = entity.set.as_deref().unwrap_or(&entity.name);
        push(out, format_args!("<EntitySet Name=\"{}\" EntityType=\"{namespace}.{}\"/>\n", escape(set), escape(&entity.name)));
    }
    out.push_str("</EntityContainer>");
}

fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("writing to a string cannot fail");
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
