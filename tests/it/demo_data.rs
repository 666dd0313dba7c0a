//! The sandbox's rows: the same each time, with unique keys, and fit for their schemas.

use std::collections::HashSet;
use std::path::Path;

use dwmap::sandbox::data::{self, Options, Row, Tables};
use dwmap::schema::{Entity, Field, Schema, snapshot};
use dwmap::value::{Kind, Value};

fn schema(name: &str) -> Schema {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("maps/schemas").join(name);
    snapshot::parse(&std::fs::read_to_string(path).expect("the snapshot is there")).expect("the snapshot reads")
}

fn rows<'a>(tables: &'a Tables, entity: &str) -> &'a [Row] {
    &tables.iter().find(|(name, _)| *name == entity).expect("the entity has rows").1
}

fn text<'a>(row: &'a Row, field: &str) -> &'a str {
    row[field].as_str().unwrap_or_else(|| panic!("`{field}` is no text"))
}

/// What is wrong with a value, if anything.
fn misfit(field: &Field, value: &serde_json::Value) -> Option<&'static str> {
    let fits = match (&field.kind, value) {
        (_, serde_json::Value::Null) => field.nullable,
        (Kind::Text { max }, serde_json::Value::String(it)) => {
            max.is_none_or(|max| it.encode_utf16().count() <= max as usize) && !(field.required && it.trim().is_empty())
        }
        (Kind::Enum(members), serde_json::Value::String(it)) => members.members.iter().any(|own| own.value == Value::text(it)),
        (Kind::Enum(members), it) => it.as_i64().is_some_and(|it| members.by_value(&Value::Int(it)).is_some()),
        (Kind::Int32, it) => it.as_i64().is_some_and(|it| i32::try_from(it).is_ok()),
        (Kind::Decimal { precision, scale }, serde_json::Value::Number(it)) => {
            let digits = it.to_string();
            let (whole, fraction) = digits.split_once('.').unwrap_or((&digits, ""));
            whole.len() <= usize::from(precision - scale) && fraction.len() <= usize::from(*scale)
        }
        (Kind::Bool, it) => it.is_boolean(),
        (Kind::DateTime, serde_json::Value::String(it)) => it.parse::<dwmap::value::Timestamp>().is_ok(),
        (Kind::Guid, serde_json::Value::String(it)) => it.parse::<dwmap::value::Uuid>().is_ok(),
        (_, _) => false,
    };
    (!fits).then_some("does not fit")
}

fn misfits(entity: &Entity, rows: &[Row]) -> Vec<String> {
    let of_row = |row: &Row| -> Vec<String> {
        let unknown = row.keys().filter(|it| !entity.fields.contains_key(*it)).map(|it| format!("{it} is no field"));
        let wrong = entity.fields.values().filter_map(|field| {
            let value = row.get(&field.name)?;
            Some(format!("{}: {value} {}", field.name, misfit(field, value)?))
        });
        unknown.chain(wrong).collect()
    };
    rows.iter().flat_map(of_row).collect()
}

#[test]
fn the_same_seed_gives_the_same_rows_and_another_seed_others() {
    assert_eq!(data::finops(200, 7), data::finops(200, 7));
    assert_ne!(data::finops(200, 7), data::finops(200, 8));
    assert_eq!(data::dataverse(), data::dataverse());
}

#[test]
fn every_row_fits_its_schema() {
    for (schema, tables) in [(schema("fo.json"), data::finops(3000, 1)), (schema("dv.json"), data::dataverse())] {
        for (name, rows) in tables {
            assert_eq!(misfits(&schema.entities[name], &rows), Vec::<String>::new(), "{name}");
        }
    }
}

#[test]
fn keys_are_unique_without_regard_to_case() {
    let schema = schema("fo.json");
    for (name, rows) in data::finops(3000, 2) {
        let mut seen = HashSet::new();
        for row in &rows {
            let key: Vec<String> = schema.entities[name].key.iter().map(|it| text(row, it).to_lowercase()).collect();
            assert!(seen.insert(key.clone()), "{name} has {key:?} twice");
        }
    }
}

#[test]
fn references_are_to_rows_that_exist() {
    let tables = data::finops(3000, 3);
    let keys = |entity: &str, fields: [&str; 2]| -> HashSet<String> {
        rows(&tables, entity).iter().map(|it| fields.map(|field| text(it, field)).join("/")).collect()
    };
    let groups = keys("CustomerGroups", ["dataAreaId", "CustomerGroupId"]);
    let terms = keys("PaymentTerms", ["dataAreaId", "Name"]);
    let currencies = keys("Currencies", ["CurrencyCode", "CurrencyCode"]);
    let organizations: HashSet<String> = rows(&tables, "CustomersV3")
        .iter()
        .filter(|it| text(it, "PartyType") == "Organization")
        .map(|it| format!("{}/{}", text(it, "dataAreaId"), text(it, "CustomerAccount")))
        .collect();
    for row in rows(&tables, "CustomersV3") {
        let own = |field: &str| format!("{}/{}", text(row, "dataAreaId"), text(row, field));
        let currency = text(row, "SalesCurrencyCode");
        assert!(groups.contains(&own("CustomerGroupId")) && currencies.contains(&format!("{currency}/{currency}")), "{row:?}");
        for (field, known) in [("PaymentTerms", &terms), ("InvoiceAccount", &organizations)] {
            assert!(text(row, field).is_empty() || known.contains(&own(field)), "{field} of {row:?}");
        }
    }
}

#[test]
fn references_into_nothing_are_made_only_when_asked_for() {
    let tables = data::finops_with(Options { customers: 3000, seed: 3, dangling_per_mille: 5 });
    let dangling = rows(&tables, "CustomersV3").iter().filter(|it| text(it, "CustomerGroupId") == "GONE").count();
    assert!((5..40).contains(&dangling), "{dangling}");
}

#[test]
fn the_oddities_of_real_data_occur() {
    let tables = data::finops(1000, 42);
    let customers = rows(&tables, "CustomersV3");
    let share = |is: &dyn Fn(&Row) -> bool| customers.iter().filter(|it| is(it)).count();
    assert!((100..200).contains(&share(&|it| text(it, "PartyType") == "Person")));
    assert!(share(&|it| text(it, "SalesMemo").encode_utf16().count() > 2000) > 5);
    assert!(share(&|it| text(it, "OrganizationName").starts_with(' ')) > 5);
    assert!(share(&|it| it["CreditLimit"].to_string().split_once('.').is_some_and(|(_, it)| it.len() == 16)) > 30);
    let holds: HashSet<&str> = customers.iter().map(|it| text(it, "OnHoldStatus")).collect();
    assert_eq!(holds.len(), 6);
}

#[test]
fn the_real_rows_come_first_and_count() {
    let accounts = |count: usize| -> Vec<String> {
        rows(&data::finops(count, 1), "CustomersV3")
            .iter()
            .map(|it| format!("{} {}", text(it, "dataAreaId"), text(it, "CustomerAccount")))
            .collect()
    };
    assert_eq!(accounts(2), ["usmf IMP-110143", "gbsi IMP-110143"]);
    assert_eq!(accounts(4).len(), 4);
    assert_eq!(accounts(0), Vec::<String>::new());
    let tables = data::finops(1, 1);
    let real = &rows(&tables, "CustomersV3")[0];
    assert_eq!(
        (text(real, "OrganizationName"), text(real, "PaymentTerms"), text(real, "CustomerGroupId")),
        ("Import - 110142-1", "Net30", "10")
    );
}
