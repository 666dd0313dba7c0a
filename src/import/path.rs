//! The grammar of `destinationField`: a column, a way through lookups, or a lookup that leads to one of several tables.

/// Most parts of a path.
const PARTS_MAX: usize = 8;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// `name`
    Column(String),
    /// `transactioncurrencyid.isocurrencycode`, `category.hierarchy.name`
    Lookup { column: String, key: Vec<String> },
    /// `customerid.Account(accountnumber).Contact(msdyn_contactpersonid)`
    Several { column: String, tables: Vec<(String, String)> },
}

impl Target {
    /// `None` for an empty text: a constant has no column here.
    pub fn parse(text: &str) -> Result<Option<Self>, String> {
        if text.is_empty() {
            return Ok(None);
        }
        let parts: Vec<&str> = text.split('.').map(str::trim).collect();
        let wrong = || format!("`{text}` is no column, no path of columns, and no `lookup.Table(column)`");
        if parts.len() > PARTS_MAX {
            return Err(format!("`{text}` leads through more than {PARTS_MAX} columns"));
        }
        let (first, rest) = parts.split_first().ok_or_else(wrong)?;
        if !is_word(first) {
            return Err(wrong());
        }
        let column = first.to_lowercase();
        if rest.is_empty() {
            return Ok(Some(Self::Column(column)));
        }
        if rest.iter().all(|it| is_word(it)) {
            return Ok(Some(Self::Lookup { column, key: rest.iter().map(|it| it.to_lowercase()).collect() }));
        }
        let tables: Option<Vec<(String, String)>> = rest.iter().map(|it| table(it)).collect();
        tables.map(|tables| Some(Self::Several { column, tables })).ok_or_else(wrong)
    }

    /// The column of the map's own table.
    pub fn column(&self) -> &str {
        match self {
            Self::Column(column) | Self::Lookup { column, .. } | Self::Several { column, .. } => column,
        }
    }
}

/// `Account(accountnumber)`
fn table(text: &str) -> Option<(String, String)> {
    let (table, column) = text.strip_suffix(')')?.split_once('(')?;
    (is_word(table) && is_word(column)).then(|| (table.to_owned(), column.to_lowercase()))
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|it| it.is_alphanumeric() || it == '_')
}

impl std::fmt::Display for Target {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Column(column) => out.write_str(column),
            Self::Lookup { column, key } => write!(out, "{column}.{}", key.join(".")),
            Self::Several { column, tables } => {
                out.write_str(column)?;
                tables.iter().try_for_each(|(table, key)| write!(out, ".{table}({key})"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Target;

    #[test]
    fn every_form_reads_back_as_it_is_written() {
        for text in ["name", "a.b", "a.b.c", "customerid.Account(accountnumber).Contact(msdyn_contactpersonid)"] {
            let target = Target::parse(text).expect("it is a path").expect("it is not empty");
            assert_eq!(target.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for text in ["a b", "a..b", "a.B(c", "a.b.C(d)", ".a"] {
            assert!(Target::parse(text).is_err(), "{text}");
        }
    }
}
