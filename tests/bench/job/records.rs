//! Seeded records of the job: the same seed gives the same records on every machine.

use dwmap::value::{Date, Decimal, Record, Text, Timestamp, Value};

use super::source as at;

const WORDS: &[&str] =
    &["Contoso", "Fabrikam", "Northwind", "Trading", "Systems", "Holding", "Müller", "Søndergård", "Tailspin", "Entertainment"];
const FORMS: &[&str] = &["GmbH", "AG", "Ltd", "Inc", "S.A.", "Oy"];
const FIRST: &[&str] = &["Jane", "Ole", "Maria", "José", "Amélie", "Wei"];
const LAST: &[&str] = &["Doe", "Nordmann", "García", "Schmidt", "O'Neil", "Zhang"];
const STREETS: &[&str] = &["Hauptstraße", "Elm Street", "Rue de la Paix", "Long Industrial Estate Road"];
const CITIES: &[&str] = &["Berlin", "København", "Seattle", "São Paulo", "Villingen-Schwenningen"];
const COUNTRIES: &[&str] = &["DE", "dk", "US", "br"];
const TITLES: &[&str] = &["head of sales", "BUYER", "Managing director", "cfo"];
const HOLDS: &[&str] = &["No", "Invoice", "All", "Never", "Payment", "Requisition"];
const NOTE: &str = "Delivers on weekdays between eight and four; call before the truck leaves, the gate is locked. ";

/// A stream of numbers (SplitMix64).
pub struct Seeded(pub u64);

impl Seeded {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut it = self.0;
        it = (it ^ (it >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        it = (it ^ (it >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        it ^ (it >> 31)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub fn one_in(&mut self, of: u64) -> bool {
        self.below(of) == 0
    }

    pub fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len() as u64) as usize]
    }
}

/// So many records.
pub fn records(seed: u64, count: usize) -> Vec<Record> {
    let mut seeded = Seeded(seed);
    (0..count).map(|number| record(&mut seeded, number)).collect()
}

fn record(it: &mut Seeded, number: usize) -> Record {
    let mut out = Record::absent(at::COUNT);
    let mut set = |slot, value| out.set(dwmap::value::Slot(slot), value);
    let text = |text: String| Value::Text(Text::from(text));
    let (first, last, word, other) = (it.pick(FIRST), it.pick(LAST), it.pick(WORDS), it.pick(WORDS));
    let blank = if it.one_in(8) { " " } else { "" };
    set(at::ACCOUNT, text(format!("US-{number:06}")));
    set(at::PARTY_TYPE, Value::text(if it.one_in(10) { "Person" } else { "Organization" }));
    set(at::PHONE, text(format!("+49 30 {:07}", it.below(10_000_000))));
    set(at::FAX, Value::text(""));
    set(at::WEBSITE, text(format!("https://www.{}.example.com/", word.to_lowercase())));
    set(at::STREET, text(format!("{} {}", it.pick(STREETS), it.below(200) + 1)));
    set(at::CITY, Value::text(it.pick(CITIES)));
    set(at::POSTAL_CODE, text(format!("{:05}", it.below(100_000))));
    set(at::STATE, Value::text(if it.one_in(3) { "BE" } else { "" }));
    set(at::NAME, text(format!("{blank}{word} {other} {}{blank}", it.pick(FORMS))));
    set(at::EMAIL, text(format!("{first}.{last}@{}.example.com{blank}", word.to_lowercase())));
    set(at::COUNTRY, Value::text(it.pick(COUNTRIES)));
    set(at::FIRST_NAME, Value::text(first));
    set(at::LAST_NAME, Value::text(last));
    set(at::CONTACT_TITLE, Value::text(it.pick(TITLES)));
    set(at::SALES_PERSON, text(format!("{} {}", it.pick(FIRST), it.pick(LAST))));
    let notes = it.below(3) as usize;
    set(at::NOTES, text(NOTE.repeat(notes)));
    set(at::HOLD_STATUS, Value::text(it.pick(HOLDS)));
    set(at::SEGMENT, Value::Int(it.below(6) as i64));
    let mut optional = |slot, word| set(slot, if it.one_in(3) { Value::Null } else { Value::text(word) });
    optional(at::LANGUAGE, "de");
    optional(at::CURRENCY, "USD");
    optional(at::PAYMENT_TERMS, "N60");
    set(at::EMPLOYEES, Value::Int(it.below(5_000) as i64));
    set(at::LINE_OF_BUSINESS, Value::Int(it.below(100_000_000) as i64));
    let decimal = |digits: u64, scale| Value::Decimal(Decimal::new(i128::from(digits), scale).expect("it is short"));
    set(at::CREDIT_LIMIT, decimal(it.below(10_000_000), 2));
    set(at::BALANCE, decimal(it.below(1_000_000_000), 4));
    let (year, month, day) = (1950 + it.below(70), it.below(12) + 1, it.below(28) + 1);
    set(at::FOUNDED, text(format!("{year:04}-{month:02}-{day:02}")));
    let day = Date::constant(2000 + it.below(25) as i16, it.below(12) as i8 + 1, it.below(28) as i8 + 1);
    set(at::FIRST_ORDER, if it.one_in(5) { Value::Null } else { Value::Date(day) });
    let instant = Timestamp::from_second(1_500_000_000 + it.below(200_000_000) as i64).expect("it is in our century");
    set(at::APPROVED, Value::DateTime(instant));
    set(at::IS_TAX_EXEMPT, Value::Bool(it.one_in(4)));
    set(at::IS_BLOCKED, Value::Bool(it.one_in(9)));
    set(at::VAT, if it.one_in(6) { Value::text("") } else { text(format!("DE{:09}", it.below(1_000_000_000))) });
    set(at::CHANGED, Value::DateTime(instant));
    out
}
