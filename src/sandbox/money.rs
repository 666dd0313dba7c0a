//! Amounts of money: the currency of their row, their digits, and their equivalents in the base currency.
//!
//! Rules: Microsoft, transaction-currency-currency-entity.md. "All money properties in a record share the same transaction currency. For
//! each money attribute in a table, Dataverse automatically creates a corresponding read-only, system calculated, money attribute that is
//! called the base", `creditlimit_base = creditlimit / exchangerate`. Here it is kept where the schema has it.

use serde_json::Value as Json;

use crate::schema::{Entity, Field, Meaning};
use crate::value::{Decimal, Rounding, Value};

use super::Dialect;
use super::state::State;

/// What the name of an equivalent ends with.
pub const BASE: &str = "_base";
/// The reference to the currency, in each table that has amounts.
pub const CURRENCY: &str = "transactioncurrencyid";
const CURRENCIES: &str = "transactioncurrency";
const RATE: &str = "exchangerate";
const DIGITS: &str = "currencyprecision";
/// Digits after the point on the wire: `5000000.0000` (Microsoft, webapi/create-entity-web-api.md).
const DIGITS_ON_THE_WIRE: usize = 4;

pub fn is_money(field: &Field) -> bool {
    field.meaning == Some(Meaning::Money)
}

/// The system works it out: an equivalent, or the rate of a row with amounts.
pub fn is_computed(dialect: Dialect, entity: &Entity, field: &Field) -> bool {
    let has_amounts = || entity.fields.values().any(is_money);
    dialect == Dialect::Dataverse
        && (is_money(field) && field.name.ends_with(BASE) || field.name == RATE && entity.name != CURRENCIES && has_amounts())
}

/// The currencies of the schema say how many digits they have.
pub fn rounds_by_currency(state: &State) -> bool {
    state.schema.entities.get(CURRENCIES).is_some_and(|it| it.fields.contains_key(DIGITS))
}

/// Rounds the amounts of a row to the digits of its currency, and works out what follows from them.
pub fn settle(state: &State, entity: &Entity, values: &mut [Value]) {
    if state.dialect != Dialect::Dataverse || !entity.fields.values().any(is_money) {
        return;
    }
    let of_currency = |name: &str| {
        let currencies = state.schema.entities.get(CURRENCIES)?;
        let id = &values[entity.fields.get_index_of(CURRENCY)?];
        let row = state.table(currencies).get(&vec![id.clone()])?;
        row.values.get(currencies.fields.get_index_of(name)?).filter(|it| it.is_value()).cloned()
    };
    let digits = of_currency(DIGITS).and_then(|it| if let Value::Int(it) = it { u8::try_from(it).ok() } else { None });
    let rate = of_currency(RATE).and_then(|it| if let Value::Decimal(it) = it { Some(it) } else { None });
    for (number, field) in entity.fields.values().enumerate().filter(|(_, it)| is_money(it) && !it.name.ends_with(BASE)) {
        if let (Value::Decimal(amount), Some(digits)) = (&values[number], digits) {
            values[number] = Value::Decimal(amount.round(digits, Rounding::HalfUp));
        }
        if let Some(base) = entity.fields.get_index_of(&format!("{}{BASE}", field.name)) {
            values[base] = equivalent(&values[number], rate);
        }
    }
    if let (Some(own), Some(rate)) = (entity.fields.get_index_of(RATE), rate) {
        values[own] = Value::Decimal(rate);
    }
}

fn equivalent(amount: &Value, rate: Option<Decimal>) -> Value {
    let Value::Decimal(amount) = amount else { return Value::Null };
    let base = amount.checked_div(rate.unwrap_or_else(|| Decimal::from_int(1)));
    base.map_or(Value::Null, |it| Value::Decimal(it.round(DIGITS_ON_THE_WIRE as u8, Rounding::HalfUp)))
}

/// An amount as it is shown: always with four digits.
pub fn to_json(amount: Decimal) -> Json {
    let text = amount.to_string();
    let (whole, digits) = text.split_once('.').unwrap_or((&text, ""));
    let shown = format!("{whole}.{digits:0<DIGITS_ON_THE_WIRE$}");
    Json::Number(shown.parse().expect("digits around a point are a JSON number"))
}
