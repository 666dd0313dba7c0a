//! By hand over typed structures: texts are borrowed wherever they are passed on.

use std::borrow::Cow;
use std::hint::black_box;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value as Json;

use crate::Peer;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Customer<'a> {
    #[serde(borrow)]
    account: Cow<'a, str>,
    #[serde(borrow)]
    party_type: Cow<'a, str>,
    #[serde(borrow)]
    phone: Cow<'a, str>,
    #[serde(borrow)]
    fax: Cow<'a, str>,
    #[serde(borrow)]
    website: Cow<'a, str>,
    #[serde(borrow)]
    street: Cow<'a, str>,
    #[serde(borrow)]
    city: Cow<'a, str>,
    #[serde(borrow)]
    postal_code: Cow<'a, str>,
    #[serde(borrow)]
    state: Cow<'a, str>,
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    email: Cow<'a, str>,
    #[serde(borrow)]
    country: Cow<'a, str>,
    #[serde(borrow)]
    first_name: Cow<'a, str>,
    #[serde(borrow)]
    last_name: Cow<'a, str>,
    #[serde(borrow)]
    contact_title: Cow<'a, str>,
    #[serde(borrow)]
    sales_person: Cow<'a, str>,
    #[serde(borrow)]
    notes: Cow<'a, str>,
    #[serde(borrow)]
    hold_status: Cow<'a, str>,
    segment: i64,
    #[serde(borrow)]
    language: Option<Cow<'a, str>>,
    #[serde(borrow)]
    currency: Option<Cow<'a, str>>,
    #[serde(borrow)]
    payment_terms: Option<Cow<'a, str>>,
    employees: i64,
    line_of_business: i64,
    /// In hundredths.
    #[serde(deserialize_with = "hundredths")]
    credit_limit: i64,
    /// In ten-thousandths.
    #[serde(deserialize_with = "ten_thousandths")]
    balance: i64,
    #[serde(borrow)]
    founded: Cow<'a, str>,
    first_order: Option<Date>,
    approved: Timestamp,
    is_tax_exempt: bool,
    is_blocked: bool,
    #[serde(borrow)]
    vat: Cow<'a, str>,
}

// A double of at most 15 digits is its decimal, so that rounding gives it back.
fn hundredths<'de, D: Deserializer<'de>>(from: D) -> Result<i64, D::Error> {
    f64::deserialize(from).map(|it| (it * 100.0).round() as i64)
}

fn ten_thousandths<'de, D: Deserializer<'de>>(from: D) -> Result<i64, D::Error> {
    f64::deserialize(from).map(|it| (it * 10_000.0).round() as i64)
}

#[derive(Serialize)]
struct Account<'a> {
    number: &'a str,
    telephone: &'a str,
    fax: &'a str,
    website: &'a str,
    street: &'a str,
    city: &'a str,
    postalcode: &'a str,
    state: &'a str,
    name: &'a str,
    emailaddress: String,
    country: String,
    contact: String,
    title: String,
    agent_first: &'a str,
    agent_last: &'a str,
    notes: &'a str,
    hold: i64,
    segment: &'static str,
    language: &'a str,
    currency: &'a str,
    terms: &'a str,
    employees: String,
    sic: String,
    credit_cents: i64,
    balance: f64,
    founded: Option<Date>,
    first_order: Option<String>,
    approved: Date,
    taxable: bool,
    customertype: i64,
}

fn account<'a>(from: &'a Customer<'_>) -> Option<Account<'a>> {
    if from.party_type != "Organization" {
        return None;
    }
    let (agent_first, agent_last) = from.sales_person.split_once(' ').unwrap_or((&from.sales_person, ""));
    Some(Account {
        number: &from.account,
        telephone: &from.phone,
        fax: &from.fax,
        website: &from.website,
        street: &from.street,
        city: &from.city,
        postalcode: &from.postal_code,
        state: &from.state,
        name: from.name.trim(),
        emailaddress: from.email.trim().to_lowercase(),
        country: from.country.to_uppercase(),
        contact: [&from.first_name, " ", &from.last_name].concat(),
        title: title(&from.contact_title),
        agent_first,
        agent_last,
        notes: first_100(&from.notes),
        hold: hold(&from.hold_status),
        segment: segment(from.segment),
        language: from.language.as_deref().unwrap_or("en-us"),
        currency: from.currency.as_deref().unwrap_or("EUR"),
        terms: from.payment_terms.as_deref().unwrap_or("N30"),
        employees: from.employees.to_string(),
        sic: from.line_of_business.to_string(),
        credit_cents: from.credit_limit,
        // Half away from zero.
        balance: ((from.balance + 50 * from.balance.signum()) / 100) as f64 / 100.0,
        founded: from.founded.parse().ok(),
        first_order: from.first_order.map(day_first),
        approved: from.approved.to_zoned(jiff::tz::TimeZone::UTC).date(),
        taxable: !from.is_tax_exempt && !from.is_blocked && !from.vat.is_empty(),
        customertype: 3,
    })
}

fn day_first(date: Date) -> String {
    format!("{:02}.{:02}.{:04}", date.day(), date.month(), date.year())
}

pub fn title(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut at_start = true;
    for letter in text.chars() {
        if at_start {
            out.extend(letter.to_uppercase())
        } else {
            out.extend(letter.to_lowercase())
        }
        at_start = !letter.is_alphanumeric();
    }
    out
}

/// The first 100 UTF-16 units.
pub fn first_100(text: &str) -> &str {
    let mut left = 100;
    for (at, letter) in text.char_indices() {
        if letter.len_utf16() > left {
            return &text[..at];
        }
        left -= letter.len_utf16();
    }
    text
}

pub fn hold(symbol: &str) -> i64 {
    match symbol {
        "No" | "Never" => 0,
        "Invoice" => 1,
        "All" | "Payment" | "Requisition" => 2,
        other => panic!("no such hold status: {other}"),
    }
}

pub fn segment(number: i64) -> &'static str {
    match number {
        1 => "retail",
        2 => "wholesale",
        3 => "public",
        _ => "other",
    }
}

fn customer(text: &str) -> Customer<'_> {
    sonic_rs::from_str(text).expect("it is a customer")
}

fn shown(text: &str) -> Option<Json> {
    account(&customer(text)).map(|it| serde_json::to_value(it).expect("it is JSON"))
}

/// Customers in memory to accounts in memory.
pub struct Mapped<'a> {
    texts: &'a [String],
    customers: Vec<Customer<'a>>,
}

impl<'a> Mapped<'a> {
    pub fn new(texts: &'a [String]) -> Self {
        Self { texts, customers: texts.iter().map(|it| customer(it)).collect() }
    }
}

impl Peer for Mapped<'_> {
    fn name(&self) -> &'static str {
        "by hand, typed structures that borrow"
    }

    fn round(&mut self) -> usize {
        self.customers.iter().filter_map(|it| black_box(account(black_box(it)))).count()
    }

    fn account(&mut self, number: usize) -> Option<Json> {
        shown(&self.texts[number])
    }
}

/// Text to text, with sonic-rs.
pub struct Whole<'a> {
    texts: &'a [String],
}

impl<'a> Whole<'a> {
    pub fn new(texts: &'a [String]) -> Self {
        Self { texts }
    }
}

impl Peer for Whole<'_> {
    fn name(&self) -> &'static str {
        "by hand, typed structures that borrow, sonic-rs"
    }

    fn round(&mut self) -> usize {
        let mapped = |it: &String| account(&customer(black_box(it))).map(|it| sonic_rs::to_vec(&it).expect("it is JSON"));
        self.texts.iter().filter_map(|it| black_box(mapped(it))).count()
    }

    fn account(&mut self, number: usize) -> Option<Json> {
        shown(&self.texts[number])
    }
}
