//! Customers of Finance & Operations: three real rows, and made ones with the oddities that real ones have.

use serde_json::Value;

use super::random::Random;
use super::{COMPANIES, GROUPS, Row, TERMS, number, row, set, stamp};

const EXPORT: &str = include_str!("customers-v3.csv");

const PER_MILLE: usize = 1000;

const CURRENCIES: &[&str] = &["USD", "EUR", "GBP", "JPY", "CHF", "INR"];
const HEADS: &[&str] = &[
    "Adventure",
    "Alpine",
    "Blue Yonder",
    "Brøndby",
    "Consolidated",
    "Fabrikam",
    "Fourth Coffee",
    "Graphic",
    "Humongous",
    "Ístak",
    "Lamna",
    "Łódzka",
    "Margie's",
    "Northwind",
    "Öresund",
    "Proseware",
    "São Bento",
    "Škoda & Syn",
    "Tailspin",
    "Żabka",
    "東京",
    "Ελλάς",
];
const TAILS: &[&str] = &[
    "Works",
    "Traders",
    "Logistics",
    "Foods",
    "Instruments",
    "Airlines",
    "Insurance",
    "Toys",
    "Mills",
    "Bikes",
    "Optics",
    "Textiles",
];
const FORMS: &[&str] = &["", " Ltd.", " GmbH", " A/S", " S.A.", " Inc.", " AG", " Sp. z o.o.", " K.K."];
const FIRST_NAMES: &[&str] = &["Karin", "Ana", "Bjørn", "Chloé", "Dmitri", "Eva", "Guðrún", "José", "Mei", "Nia", "Olu", "Zoë"];
const LAST_NAMES: &[&str] =
    &["Lamb", "Ito", "O'Neill", "van der Berg", "Nuñez", "Wójcik", "Öberg", "Smith", "D’Angelo", "Li", "Müller-Lüdenscheidt"];
const STREETS: &[&str] =
    &["Hauptstraße", "Way", "Calle Mayor", "Rue de l'Église", "High Street", "Åvej", "Main St", "ul. Łąkowa"];
/// City, state, postal code, country.
const CITIES: &[[&str; 4]] = &[
    ["Redmond", "WA", "98052", "USA"],
    ["Köln", "", "50667", "DEU"],
    ["København", "", "1050", "DNK"],
    ["São Paulo", "SP", "01310-100", "BRA"],
    ["London", "", "SW1A 1AA", "GBR"],
    ["Łódź", "", "90-001", "POL"],
    ["東京", "13", "100-0001", "JPN"],
    ["Montréal", "QC", "H2Y 1C6", "CAN"],
];
const NOTES: &[&str] = &[
    "Prefers e-mail.",
    "  indented by hand",
    "Call before delivery ☎, ask for Zoë.",
    "line one\nline two\n\nline four",
    "\"quoted\", 'single', back\\slash, tab\there",
    "ALL CAPS SINCE 1998",
    "👩‍👩‍👧‍👦 family business",
];

/// The rows of the export, with the fields that the schema has.
pub fn real() -> Vec<Row> {
    let mut reader = csv::Reader::from_reader(EXPORT.as_bytes());
    let names: Vec<String> = reader.headers().expect("the export stands in the program").iter().map(str::to_owned).collect();
    let records = reader.into_records().map(|it| it.expect("the export stands in the program, each row as long as its head"));
    records.map(|record| real_row(&names, &record)).collect()
}

fn real_row(names: &[String], record: &csv::StringRecord) -> Row {
    let mut out = row("CustomersV3");
    let fields: Vec<String> = out.keys().cloned().collect();
    for (name, text) in names.iter().zip(record) {
        let Some(field) = fields.iter().find(|it| it.eq_ignore_ascii_case(name)) else { continue };
        let value = match (&out[field], text) {
            // Exports write company codes in capitals, the service answers in small letters.
            _ if field == "dataAreaId" => Value::from(text.to_lowercase()),
            // An empty cell is a field that nobody filled.
            (_, "") => continue,
            (Value::Number(_), digits) => number(digits),
            (_, text) => Value::from(text),
        };
        out.insert(field.clone(), value);
    }
    out
}

/// `count` customers; the same count and seed give the same rows. References are to rows that exist, but for `dangling`
/// customers in a thousand.
pub fn made(count: usize, seed: u64, dangling: usize) -> Vec<Row> {
    let mut random = Random::new(seed);
    let mut last_organization: [Option<String>; COMPANIES.len()] = [const { None }; COMPANIES.len()];
    (0..count).map(|index| made_row(&mut random, index, dangling, &mut last_organization)).collect()
}

fn made_row(random: &mut Random, index: usize, dangling: usize, organizations: &mut [Option<String>]) -> Row {
    let mut out = row("CustomersV3");
    let company = random.under(COMPANIES.len());
    let account = format!("{}-{:06}", COMPANIES[company].prefix, index + 1);
    set(&mut out, "dataAreaId", COMPANIES[company].code);
    set(&mut out, "CustomerAccount", &account);
    set(&mut out, "ModifiedDateTime", &stamp(index));
    let group = if random.under(PER_MILLE) < dangling { "GONE" } else { GROUPS[random.under(GROUPS.len())].0 };
    set(&mut out, "CustomerGroupId", group);
    set(&mut out, "SalesCurrencyCode", random.pick(CURRENCIES));
    if random.chance(90) {
        set(&mut out, "PaymentTerms", TERMS[random.under(TERMS.len())].name);
    }
    if let (true, Some(earlier)) = (random.chance(5), &organizations[company]) {
        set(&mut out, "InvoiceAccount", earlier);
    }
    let name = if random.chance(15) {
        person(random, &mut out)
    } else {
        organizations[company] = Some(account);
        organization(random, &mut out)
    };
    address(random, &mut out, &name);
    terms(random, &mut out, index);
    out
}

fn organization(random: &mut Random, out: &mut Row) -> String {
    let plain = format!("{} {}{}", random.pick(HEADS), random.pick(TAILS), random.pick(FORMS));
    let name = match random.under(40) {
        0 => format!(" {plain}"),
        1 => plain.to_uppercase(),
        2 => plain.to_lowercase(),
        3 => plain.replace(' ', "  "),
        4 => format!("{plain}, formerly {} {} and its successors", random.pick(HEADS), random.pick(TAILS)),
        _ => plain.clone(),
    };
    set(out, "PartyType", "Organization");
    set(out, "OrganizationName", &cut(&name, 100));
    set(out, "NameAlias", &cut(&plain, 20));
    out.insert("OrganizationNumberOfEmployees".to_owned(), Value::from(random.under(5000)));
    plain
}

fn person(random: &mut Random, out: &mut Row) -> String {
    let (first, last) = (random.pick(FIRST_NAMES), random.pick(LAST_NAMES));
    set(out, "PartyType", "Person");
    set(out, "PersonFirstName", first);
    set(out, "PersonLastName", last);
    if random.chance(20) {
        set(out, "PersonMiddleName", random.pick(FIRST_NAMES));
    }
    set(out, "PersonGender", random.pick(&["Unknown", "Male", "Female", "NonSpecific"]));
    format!("{first} {last}")
}

fn address(random: &mut Random, out: &mut Row, name: &str) {
    let [city, state, code, country] = CITIES[random.under(CITIES.len())];
    if random.chance(92) {
        let line = format!("{} {}", 1 + random.under(300), random.pick(STREETS));
        let street = if random.chance(5) { format!("{line}\nBuilding {}", random.under(9)) } else { line };
        for (field, value) in [
            ("AddressStreet", street.as_str()),
            ("AddressCity", city),
            ("AddressState", state),
            ("AddressZipCode", code),
            ("AddressCountryRegionId", country),
        ] {
            set(out, field, value);
        }
    }
    set(out, "PartyCountry", country);
    if random.chance(88) {
        let local: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
        let local = if local.is_empty() { "info" } else { &local };
        let address = format!("{local}@example.com");
        set(out, "PrimaryContactEmail", &if random.chance(30) { address } else { address.to_lowercase() });
    }
    if random.chance(80) {
        set(
            out,
            "PrimaryContactPhone",
            &format!("+{} {} {:05}", 1 + random.under(98), 100 + random.under(900), random.under(100_000)),
        );
    }
}

fn terms(random: &mut Random, out: &mut Row, index: usize) {
    out.insert("CreditLimit".to_owned(), credit_limit(random));
    let holds = ["No", "Invoice", "All", "Payment", "Requisition", "Never"];
    let hold = match index {
        // Every state occurs, however few customers are asked for.
        early if early < holds.len() => holds[early],
        _ if random.chance(12) => random.pick(&holds),
        _ => "No",
    };
    set(out, "OnHoldStatus", hold);
    set(out, "OrganizationABCCode", ["None", "A", "B", "C"][index % 4]);
    for (field, percent) in [("CreditLimitIsMandatory", 20), ("IsOneTimeCustomer", 4)] {
        set(out, field, if index == 1 || random.chance(percent) { "Yes" } else { "No" });
    }
    set(out, "CreditRating", random.pick(&["", "A+", "BBB", "c", "n/a"]));
    set(
        out,
        "TaxExemptNumber",
        &if random.chance(40) { format!("DE {:03}.{:03}", random.under(1000), random.under(1000)) } else { String::new() },
    );
    set(out, "LanguageId", random.pick(&["en-us", "de", "da", "pl", "ja", "pt-br"]));
    let memo = match random.under(50) {
        0 => "Long story: it began with one pallet. ".repeat(80).trim_end().to_owned(),
        1..20 => random.pick(NOTES).to_owned(),
        _ => String::new(),
    };
    set(out, "SalesMemo", &memo);
}

/// Up to nine digits before the point and sixteen after it: more than a float holds.
fn credit_limit(random: &mut Random) -> Value {
    let whole = random.under(1_000_000_000);
    match random.under(10) {
        0..3 => number("0"),
        3..6 => number(&(whole / 100_000 * 1000).to_string()),
        6..8 => number(&format!("{whole}.{:02}", random.under(100))),
        8 => number(&format!("{whole}.{:06}", random.under(1_000_000))),
        _ => number(&format!("{whole}.{:016}", random.next() % 10_000_000_000_000_000)),
    }
}

/// The first `max` UTF-16 code units, never half a character, without blanks at the end.
fn cut(text: &str, max: usize) -> String {
    let mut length = 0;
    let kept: String = text
        .chars()
        .take_while(|it| {
            length += it.len_utf16();
            length <= max
        })
        .collect();
    kept.trim_end().to_owned()
}
