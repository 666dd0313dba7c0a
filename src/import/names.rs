//! Names and literals of the language, made from those of dual-write.

/// `Released products V2` is `ReleasedProductsV2`.
pub fn pascal(text: &str) -> String {
    let words = text.split(|it: char| !it.is_alphanumeric()).filter(|it| !it.is_empty());
    let name: String = words.map(capital).collect();
    if name.starts_with(|it: char| it.is_ascii_digit()) || name.is_empty() { format!("Map{name}") } else { name }
}

/// The word with its first letter a capital.
pub fn capital(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// A name without its publisher's prefix: `msdyn_onholdstatus` is `onholdstatus`.
pub fn without_prefix(name: &str) -> &str {
    match name.split_once('_') {
        Some((prefix, rest)) if !rest.is_empty() && prefix.len() <= PREFIX_MAX => rest,
        _ => name,
    }
}

/// Longest prefix that Dataverse gives to a publisher.
const PREFIX_MAX: usize = 8;

/// The table of an entity set. Dataverse makes sets by adding an ending; this takes it off again.
pub fn singular(set: &str) -> String {
    if let Some(stem) = set.strip_suffix("ies") {
        return format!("{stem}y");
    }
    let has_long_ending = ["sses", "shes", "ches", "xes", "tuses", "ntses"].iter().any(|it| set.ends_with(it));
    let cut = if has_long_ending { 2 } else { usize::from(set.ends_with('s')) };
    set[..set.len() - cut].to_owned()
}

/// Words that mean something at the start of a line or of an expression.
const WORDS: &[&str] = &[
    "and",
    "or",
    "not",
    "in",
    "if",
    "then",
    "else",
    "null",
    "true",
    "false",
    "it",
    "key",
    "partition",
    "filter",
    "version",
    "on",
    "via",
    "modulo",
    "when",
    "loses",
    "split",
    "override",
    "drop",
    "seal",
    "for",
    "unique",
    "enum",
    "choice",
    "choices",
    "reject",
    "park",
    "skip",
    "create",
];

/// The name as it may be written: in backticks where it could be taken for something else.
pub fn written(name: &str) -> String {
    let is_word =
        name.starts_with(|it: char| it.is_alphabetic() || it == '_') && name.chars().all(|it| it.is_alphanumeric() || it == '_');
    if is_word && !WORDS.contains(&name) { name.to_owned() } else { format!("`{}`", name.replace('`', "'")) }
}

/// A text literal.
pub fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for it in text.chars() {
        match it {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

/// A number as the language writes it, without zeros that say nothing; `None`: it is none.
pub fn number(text: &str) -> Option<String> {
    let text = text.trim();
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_number = !whole.is_empty() && (whole.bytes().chain(fraction.bytes())).all(|it| it.is_ascii_digit());
    let fraction = fraction.trim_end_matches('0');
    let sign = if digits.len() == text.len() { "" } else { "-" };
    is_number.then(|| if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") })
}

/// The truth value that a text of dual-write stands for.
pub fn truth(text: &str) -> Option<bool> {
    match text.to_lowercase().as_str() {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{number, pascal, quoted, singular, written};

    #[test]
    fn a_label_becomes_a_name() {
        assert_eq!(pascal("Released products V2"), "ReleasedProductsV2");
        assert_eq!(pascal("Organization hierarchy - published"), "OrganizationHierarchyPublished");
        assert_eq!(pascal("3PL orders"), "Map3PLOrders");
    }

    #[test]
    fn a_set_becomes_its_table() {
        for (set, table) in [
            ("accounts", "account"),
            ("msdyn_warehouses", "msdyn_warehouse"),
            ("cdm_companies", "cdm_company"),
            ("cdm_veteranstatuses", "cdm_veteranstatus"),
            ("msdyn_chartofaccountses", "msdyn_chartofaccounts"),
            ("msdyn_partypostaladdresses", "msdyn_partypostaladdress"),
        ] {
            assert_eq!(singular(set), table);
        }
    }

    #[test]
    fn names_and_literals_are_written_so_that_they_read_back() {
        assert_eq!((written("name").as_str(), written("key").as_str(), written("a b").as_str()), ("name", "`key`", "`a b`"));
        assert_eq!(quoted("a\"b\\"), r#""a\"b\\""#);
        assert_eq!((number("1.0000000000").as_deref(), number("-0.50").as_deref(), number("x")), (Some("1"), Some("-0.5"), None));
    }
}
