//! Areas: which file a map goes to. A map may name those of its own area and of the areas before it, so that files never use each
//! other in a circle.

/// Areas in the order in which they lean on each other, with words of tables and entities that belong to them.
const AREAS: &[(&str, &[&str])] = &[
    (
        "organization",
        &["compan", "currenc", "exchange rate", "internalorganization", "language codes", "units", "location roles"],
    ),
    ("finance", &["ledger", "main account", "chart of accounts", "dimension", "fiscal", "tax", "posting"]),
    ("workers", &["worker", "job", "position", "veteran", "ethnic", "employment"]),
    ("warehouses", &["warehouse", "site", "aisle", "zone", "inventory"]),
    ("products", &["product", "barcode", "unit conversion"]),
    (
        "parties",
        &[
            "part",
            "address",
            "salutation",
            "affix",
            "decision making",
            "loyalty level",
            "personal character",
            "closing",
            "contact",
            "title",
        ],
    ),
    ("terms", &["payment", "terms of", "modes of delivery", "origin", "schedule"]),
    ("vendors", &["vendor"]),
    ("customers", &["customer", "prospect", "lead", "loyalty"]),
    ("assets", &["asset", "functional location", "warrant", "maintenance"]),
    ("purchasing", &["purchase", "receipt"]),
    ("sales", &["sales order", "salesorder", "invoice", "quot"]),
    ("transfers", &["transfer order"]),
    ("attachments", &["attachment", "annotation"]),
    ("other", &[]),
];

/// Where value maps go that several areas use.
pub const COMMON: &str = "common";

/// Words that are looked for first, because the others occur in them.
const FIRST: &[(&str, &str)] = &[
    ("attachment", "attachments"),
    ("asset management", "assets"),
    ("transfer order", "transfers"),
    ("purchase", "purchasing"),
    ("receipt", "purchasing"),
    ("sales order origin", "terms"),
    ("sales order", "sales"),
    ("invoice", "sales"),
    ("sales tax", "finance"),
    ("dimension group", "products"),
    ("product", "products"),
    ("vendor", "vendors"),
    ("payment", "terms"),
    ("terms of", "terms"),
    ("modes of delivery", "terms"),
    ("employment job", "parties"),
    ("loyalty level", "parties"),
    ("customer", "customers"),
    ("prospect", "customers"),
    ("loyalty card", "customers"),
    ("warehouse", "warehouses"),
];

/// The area of a map by its label and its entity set.
pub fn of(label: &str, set: &str) -> &'static str {
    let text = format!("{} {}", label.to_lowercase(), set.to_lowercase());
    if let Some((_, area)) = FIRST.iter().find(|(word, _)| text.contains(word)) {
        return area;
    }
    let found = AREAS.iter().find(|(_, words)| words.iter().any(|it| text.contains(it)));
    found.map_or("other", |(area, _)| area)
}

/// The place of an area among the others.
pub fn rank(area: &str) -> usize {
    AREAS.iter().position(|(it, _)| *it == area).map_or(0, |it| it + 1)
}

/// What the file of an area says about itself.
pub fn title(area: &str) -> String {
    match area {
        COMMON => "Value maps that several areas share.".to_owned(),
        area => format!("{}.", super::names::capital(area)),
    }
}
