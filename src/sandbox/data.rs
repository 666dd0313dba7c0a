//! Rows for the sandbox: a small group of companies as Finance & Operations would hold it, and what Dataverse already has.
//!
//! Fields are named as in the schemas of the standard maps, every row has every field of its entity, and the same seed
//! gives the same rows.

mod customers;
mod random;

use std::sync::LazyLock;

use serde_json::{Map, Value};

use crate::schema::{Field, Schema, snapshot};
use crate::value::Kind;

/// One row, by field.
pub type Row = Map<String, Value>;

/// Entities with their rows, in the order in which they can be filled.
pub type Tables = Vec<(&'static str, Vec<Row>)>;

/// What the rows should be like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Customers in all; the first three are real ones.
    pub customers: usize,
    pub seed: u64,
    /// In a thousand made customers, how many refer to a group that does not exist, to show what is parked.
    pub dangling_per_mille: usize,
}

static FINOPS: LazyLock<Schema> = LazyLock::new(|| schema(include_str!("../../maps/schemas/fo.json")));
static DATAVERSE: LazyLock<Schema> = LazyLock::new(|| schema(include_str!("../../maps/schemas/dv.json")));

fn schema(text: &str) -> Schema {
    snapshot::parse(text).expect("the snapshot stands in the program and a test reads it")
}

struct Company {
    /// As `dataAreaId` holds it.
    code: &'static str,
    id: &'static str,
    name: &'static str,
    /// Begins the customers' accounts.
    prefix: &'static str,
}

const COMPANIES: [Company; 3] = [
    Company { code: "usmf", id: "USMF", name: "Contoso Entertainment System USA", prefix: "US" },
    Company { code: "gbsi", id: "GBSI", name: "Contoso Retail Services", prefix: "GB" },
    Company { code: "demf", id: "DEMF", name: "Contoso Entertainment System Germany", prefix: "DE" },
];

/// Code, name, symbol. The last one means "none" and stays where it is.
const CURRENCIES: &[[&str; 3]] = &[
    ["USD", "US Dollar", "$"],
    ["EUR", "Euro", "€"],
    ["GBP", "Pound Sterling", "£"],
    ["JPY", "Japanese Yen", "¥"],
    ["CHF", "Swiss Franc", "CHF"],
    ["INR", "Indian Rupee", "₹"],
    ["999", "No currency", "-"],
];

struct Term {
    name: &'static str,
    description: &'static str,
    method: &'static str,
    days: i64,
    months: i64,
}

/// One of each way to count.
const TERMS: &[Term] = &[
    Term { name: "Net10", description: "Net 10 days", method: "Net", days: 10, months: 0 },
    Term { name: "Net30", description: "Net 30 days", method: "Net", days: 30, months: 0 },
    Term { name: "Net45", description: "Net 45 days", method: "Net", days: 45, months: 0 },
    Term { name: "CM+15", description: "Current month plus 15 days", method: "CurrentMth", days: 15, months: 0 },
    Term { name: "CQ", description: "End of the quarter", method: "CurrentQuart", days: 0, months: 0 },
    Term { name: "CY", description: "End of the year", method: "CurrentYear", days: 0, months: 0 },
    Term { name: "CW", description: "End of the week", method: "CurrentWeek", days: 0, months: 0 },
    Term { name: "COD", description: "Cash on delivery", method: "COD", days: 0, months: 0 },
    Term { name: "Cut-off", description: "The 25th, a month later", method: "CutOffDate", days: 0, months: 1 },
];

/// Code, description, default term.
const GROUPS: &[(&str, &str, &str)] = &[
    ("10", "Wholesale customers", "Net30"),
    ("20", "Major customers", "Net45"),
    ("30", "Retail customers", "COD"),
    ("40", "Internet customers", "Net10"),
    ("80", "Other customers", ""),
    ("90", "Intercompany customers", "CM+15"),
];

/// What Finance & Operations holds, with every reference to a row that exists.
pub fn finops(customers: usize, seed: u64) -> Tables {
    finops_with(Options { customers, seed, dangling_per_mille: 0 })
}

pub fn finops_with(options: Options) -> Tables {
    let mut rows = customers::real();
    rows.truncate(options.customers);
    rows.extend(customers::made(options.customers - rows.len(), options.seed, options.dangling_per_mille));
    vec![
        ("LegalEntities", COMPANIES.iter().map(legal_entity).collect()),
        ("Currencies", CURRENCIES.iter().map(currency).collect()),
        ("PaymentTerms", COMPANIES.iter().flat_map(|company| TERMS.iter().map(|it| payment_term(company, it))).collect()),
        ("CustomerGroups", COMPANIES.iter().flat_map(|company| GROUPS.iter().map(|it| customer_group(company, *it))).collect()),
        ("CustomersV3", rows),
    ]
}

/// What Dataverse holds before the first synchronisation: one company and two currencies, to be matched and not made again.
pub fn dataverse() -> Tables {
    let mut company = blank(&DATAVERSE, "cdm_company", &Value::Null);
    set(&mut company, "cdm_companyid", "c0000000-0000-4000-8000-000000000001");
    set(&mut company, "cdm_companycode", "USMF");
    // Older than the name that Finance & Operations has now.
    set(&mut company, "cdm_name", "Contoso Entertainment");
    let currency = |(index, [code, name, symbol]): (usize, &[&str; 3])| {
        let mut out = blank(&DATAVERSE, "transactioncurrency", &Value::Null);
        set(&mut out, "transactioncurrencyid", &format!("c1000000-0000-4000-8000-{:012}", index + 1));
        set(&mut out, "isocurrencycode", code);
        set(&mut out, "currencyname", name);
        set(&mut out, "currencysymbol", symbol);
        out.insert("currencyprecision".to_owned(), Value::from(2));
        out.insert("exchangerate".to_owned(), number(if *code == "USD" { "1.0000000000" } else { "0.9213000000" }));
        out
    };
    let currencies = CURRENCIES.iter().take(2).enumerate().map(currency).collect();
    vec![("cdm_company", vec![company]), ("transactioncurrency", currencies)]
}

fn legal_entity(company: &Company) -> Row {
    let mut out = row("LegalEntities");
    set(&mut out, "LegalEntityId", company.id);
    set(&mut out, "Name", company.name);
    out
}

fn currency([code, name, symbol]: &[&str; 3]) -> Row {
    let mut out = row("Currencies");
    set(&mut out, "CurrencyCode", code);
    set(&mut out, "Name", name);
    set(&mut out, "Symbol", symbol);
    out
}

fn payment_term(company: &Company, term: &Term) -> Row {
    let mut out = row("PaymentTerms");
    set(&mut out, "dataAreaId", company.code);
    set(&mut out, "Name", term.name);
    set(&mut out, "Description", term.description);
    set(&mut out, "PaymentMethodType", term.method);
    set(&mut out, "IsCashPayment", if term.method == "COD" { "Yes" } else { "No" });
    out.insert("NumberOfDays".to_owned(), Value::from(term.days));
    out.insert("NumberOfMonths".to_owned(), Value::from(term.months));
    out.insert("CutoffDayOfMonth".to_owned(), Value::from(if term.method == "CutOffDate" { 25 } else { 0 }));
    out
}

fn customer_group(company: &Company, (code, description, term): (&str, &str, &str)) -> Row {
    let mut out = row("CustomerGroups");
    set(&mut out, "dataAreaId", company.code);
    set(&mut out, "CustomerGroupId", code);
    set(&mut out, "Description", description);
    set(&mut out, "PaymentTermId", term);
    out
}

/// A row of Finance & Operations with every field as it is when nobody filled it.
fn row(entity: &str) -> Row {
    let mut out = blank(&FINOPS, entity, &Value::from(""));
    set(&mut out, "ModifiedDateTime", &stamp(0));
    out
}

/// A row with every field that can be written. `unfilled_text` is what a text holds that nobody filled: `""` in Finance &
/// Operations, which has no null in texts; null in Dataverse.
fn blank(schema: &Schema, entity: &str, unfilled_text: &Value) -> Row {
    let fields = schema.entities.get(entity).expect("the snapshot has the entities of this file").fields.values();
    let written = fields.filter(|it| !(it.readonly && it.nullable));
    let content = |it: &Field| match &it.kind {
        Kind::Text { .. } if it.nullable => unfilled_text.clone(),
        _ if it.nullable => Value::Null,
        kind => unfilled(kind),
    };
    written.map(|it| (it.name.clone(), content(it))).collect()
}

/// What the store puts into a field that cannot be null.
fn unfilled(kind: &Kind) -> Value {
    match kind {
        Kind::Bool => Value::Bool(false),
        Kind::Int32 | Kind::Int64 | Kind::Decimal { .. } | Kind::Float64 => Value::from(0),
        Kind::Text { .. } => Value::from(""),
        Kind::Enum(members) => match members.members.first().map(|it| &it.value) {
            Some(crate::value::Value::Int(number)) => Value::from(*number),
            Some(symbol) => Value::from(symbol.as_text().unwrap_or_default()),
            None => Value::Null,
        },
        Kind::Guid | Kind::Date | Kind::Time | Kind::DateTime | Kind::Binary | Kind::Choices(_) | Kind::Lookup(_) => Value::Null,
    }
}

fn set(row: &mut Row, field: &str, text: &str) {
    row.insert(field.to_owned(), Value::from(text));
}

/// Digits as they stand, never through a float.
fn number(digits: &str) -> Value {
    Value::Number(digits.parse().expect("only digits, with a point, are given"))
}

/// The time of last change: one second later for each row, from a Monday morning on.
fn stamp(index: usize) -> String {
    let start = crate::value::Timestamp::constant(1_767_600_000, 0);
    let at = start.checked_add(jiff::SignedDuration::from_secs(index as i64)).unwrap_or(start);
    at.to_string()
}
