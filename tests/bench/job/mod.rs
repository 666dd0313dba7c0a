//! The job that is measured: the map, seeded records for it, and the same by hand.

pub mod records;
pub mod twin;

use dwmap::change::Side;
use dwmap::check::{self, NoSchemas};
use dwmap::diag::Diagnostics;
use dwmap::ir::Plan;
use dwmap::source::Sources;
use dwmap::syntax;

const MAP: &str = include_str!("job.dwmap");

macro_rules! slots {
    ($($slot:ident $name:literal)*) => {
        #[expect(non_camel_case_types, clippy::upper_case_acronyms, reason = "they become the constants below")]
        enum Place { $($slot),* }
        $(pub const $slot: u16 = Place::$slot as u16;)*
        pub const NAMES: &[&str] = &[$($name),*];
        pub const COUNT: usize = NAMES.len();
    };
}

/// Where the fields of a customer stand.
pub mod source {
    slots! {
        ACCOUNT "Account" PARTY_TYPE "PartyType" PHONE "Phone" FAX "Fax" WEBSITE "Website" STREET "Street" CITY "City"
        POSTAL_CODE "PostalCode" STATE "State" NAME "Name" EMAIL "Email" COUNTRY "Country" FIRST_NAME "FirstName"
        LAST_NAME "LastName" CONTACT_TITLE "ContactTitle" SALES_PERSON "SalesPerson" NOTES "Notes" HOLD_STATUS "HoldStatus"
        SEGMENT "Segment" LANGUAGE "Language" CURRENCY "Currency" PAYMENT_TERMS "PaymentTerms" EMPLOYEES "Employees"
        LINE_OF_BUSINESS "LineOfBusiness" CREDIT_LIMIT "CreditLimit" BALANCE "Balance" FOUNDED "Founded"
        FIRST_ORDER "FirstOrder" APPROVED "Approved" IS_TAX_EXEMPT "IsTaxExempt" IS_BLOCKED "IsBlocked" VAT "Vat"
        CHANGED "Changed"
    }
}

/// The compiled map. Its slots stand where the twin looks for them.
pub fn plan() -> Plan {
    let mut sources = Sources::default();
    let file = sources.add("job.dwmap", MAP).expect("the text is short");
    let mut diags = Diagnostics::default();
    let tree = syntax::parse(&sources, file, &mut diags);
    let checked = check::check(&[tree], &sources, &NoSchemas, &mut diags);
    assert!(!diags.has_errors(), "the job is a map without errors");
    let plan = checked.program.plans.into_iter().next().expect("the job is one map");
    let names: Vec<&str> = plan.shapes[Side::Left].fields.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, source::NAMES, "the twin knows where the fields stand");
    plan
}
