//! By hand over `serde_json::Value`.

use std::hint::black_box;

use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::{Map, Number, Value as Json};

use crate::Peer;
use crate::typed_way::{first_100, hold, segment, title};

fn account(from: &Json) -> Option<Json> {
    if from["PartyType"] != "Organization" {
        return None;
    }
    let text = |name: &str| from[name].as_str().expect("it is a text");
    let number = |name: &str| from[name].as_i64().expect("it is a whole number");
    let or = |name: &str, default: &str| if from[name].is_null() { Json::from(default) } else { from[name].clone() };
    let (agent_first, agent_last) = text("SalesPerson").split_once(' ').unwrap_or((text("SalesPerson"), ""));
    let mut out = Map::with_capacity(30);
    let mut put = |name: &str, value: Json| {
        out.insert(name.to_owned(), value);
    };
    put("number", from["Account"].clone());
    put("telephone", from["Phone"].clone());
    put("fax", from["Fax"].clone());
    put("website", from["Website"].clone());
    put("street", from["Street"].clone());
    put("city", from["City"].clone());
    put("postalcode", from["PostalCode"].clone());
    put("state", from["State"].clone());
    put("name", text("Name").trim().into());
    put("emailaddress", text("Email").trim().to_lowercase().into());
    put("country", text("Country").to_uppercase().into());
    put("contact", format!("{} {}", text("FirstName"), text("LastName")).into());
    put("title", title(text("ContactTitle")).into());
    put("agent_first", agent_first.into());
    put("agent_last", agent_last.into());
    put("notes", first_100(text("Notes")).into());
    put("hold", hold(text("HoldStatus")).into());
    put("segment", segment(number("Segment")).into());
    put("language", or("Language", "en-us"));
    put("currency", or("Currency", "EUR"));
    put("terms", or("PaymentTerms", "N30"));
    put("employees", number("Employees").to_string().into());
    put("sic", number("LineOfBusiness").to_string().into());
    put("credit_cents", scaled(from, "CreditLimit", 100.0).into());
    let balance = scaled(from, "Balance", 10_000.0);
    let cents = (balance + 50 * balance.signum()) / 100;
    put("balance", Number::from_f64(cents as f64 / 100.0).expect("it is finite").into());
    put("founded", text("Founded").parse::<Date>().map_or(Json::Null, |it| it.to_string().into()));
    put("first_order", first_order(&from["FirstOrder"]));
    let approved: Timestamp = text("Approved").parse().expect("it is an instant");
    put("approved", approved.to_zoned(jiff::tz::TimeZone::UTC).date().to_string().into());
    let flag = |name: &str| from[name].as_bool().expect("it is a flag");
    put("taxable", (!flag("IsTaxExempt") && !flag("IsBlocked") && !text("Vat").is_empty()).into());
    put("customertype", 3.into());
    Some(Json::Object(out))
}

fn scaled(from: &Json, name: &str, by: f64) -> i64 {
    (from[name].as_f64().expect("it is a number") * by).round() as i64
}

fn first_order(date: &Json) -> Json {
    let Some(text) = date.as_str() else { return Json::Null };
    let date: Date = text.parse().expect("it is a date");
    format!("{:02}.{:02}.{:04}", date.day(), date.month(), date.year()).into()
}

fn parsed(text: &str) -> Json {
    serde_json::from_str(text).expect("it is JSON")
}

/// Values in memory to values in memory.
pub struct Mapped {
    customers: Vec<Json>,
}

impl Mapped {
    pub fn new(texts: &[String]) -> Self {
        Self { customers: texts.iter().map(|it| parsed(it)).collect() }
    }
}

impl Peer for Mapped {
    fn name(&self) -> &'static str {
        "by hand, `serde_json::Value`"
    }

    fn round(&mut self) -> usize {
        self.customers.iter().filter_map(|it| black_box(account(black_box(it)))).count()
    }

    fn account(&mut self, number: usize) -> Option<Json> {
        account(&self.customers[number])
    }
}

/// Text to text.
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
        "by hand, `serde_json::Value`"
    }

    fn round(&mut self) -> usize {
        let mapped = |it: &String| account(&parsed(black_box(it))).map(|it| it.to_string());
        self.texts.iter().filter_map(|it| black_box(mapped(it))).count()
    }

    fn account(&mut self, number: usize) -> Option<Json> {
        account(&parsed(&self.texts[number]))
    }
}
