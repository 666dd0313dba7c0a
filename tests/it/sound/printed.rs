//! Reads values as messages print them, and prints them so.

use dwmap::value::{Date, Float, Kind, Time, Timestamp, Uuid, Value};

use super::refused::Doubt;

/// A longer text is shown by its ends.
const WHOLE_MAX: usize = 40;

pub fn same(what: &str, found: &str, printed: &str) -> Result<(), Doubt> {
    if found == printed { Ok(()) } else { Err(format!("{what} is {found}, printed as {printed}")) }
}

/// A value as messages show it.
pub fn shown(value: &Value) -> String {
    let text = value.to_string();
    let letters: Vec<char> = text.chars().collect();
    if letters.len() <= WHOLE_MAX {
        return text;
    }
    let (head, tail): (String, String) = (letters[..12].iter().collect(), letters[letters.len() - 8..].iter().collect());
    format!("{head}…{tail} ({} characters)", letters.len())
}

/// The printed value of a field, and what stands behind it.
pub fn value<'t>(printed: &'t str, kind: &Kind) -> Result<(Value, &'t str), Doubt> {
    let wrong = || format!("`{printed}` begins with no `{kind}`");
    if let Some((full, rest)) = unshortened(printed) {
        return Ok((Value::text(unquoted(&full).ok_or_else(wrong)?), rest));
    }
    if printed.starts_with('"') {
        let end = closing(printed).ok_or_else(wrong)?;
        let text = unquoted(&printed[..end]).ok_or_else(wrong)?;
        return Ok((Value::text(text), &printed[end..]));
    }
    let end = [", ", " and "].iter().filter_map(|it| printed.find(it)).min().unwrap_or(printed.len());
    let end = if printed.starts_with('{') { printed.find('}').map_or(end, |it| it + 1) } else { end };
    let (word, rest) = printed.split_at(end);
    let number = || word.parse::<i64>().ok().map(Value::Int);
    let found = match kind {
        _ if word == "null" => Some(Value::Null),
        Kind::Bool => word.parse().ok().map(Value::Bool),
        Kind::Int32 | Kind::Int64 => number(),
        Kind::Decimal { .. } => word.parse().ok().map(Value::Decimal),
        Kind::Float64 => word.parse().ok().map(|it| Value::Float(Float(it))),
        Kind::Text { .. } | Kind::Binary => None,
        Kind::Guid => word.parse::<Uuid>().ok().map(Value::Guid),
        Kind::Date => word.parse::<Date>().ok().map(Value::Date),
        Kind::Time => word.parse::<Time>().ok().map(Value::Time),
        Kind::DateTime => word.parse::<Timestamp>().ok().map(Value::DateTime),
        Kind::Enum(members) => members.members.iter().find(|it| it.name == word).map(|it| it.value.clone()).or_else(number),
        Kind::Choices(_) => {
            let numbers = word.trim_matches(['{', '}']).split(", ").filter(|it| !it.is_empty());
            numbers.map(|it| it.parse::<i64>().ok()).collect::<Option<Vec<_>>>().map(|it| Value::Set(it.into()))
        }
        Kind::Lookup(_) => number().or_else(|| word.parse::<Uuid>().ok().map(Value::Guid)),
    };
    Ok((found.ok_or_else(wrong)?, rest))
}

/// `"xxxxxxxxxxx…xxxxxxx" (62 characters)` in full: the samples that are so long repeat one letter between their ends.
fn unshortened(printed: &str) -> Option<(String, &str)> {
    let letters: Vec<char> = printed.chars().take(21).collect();
    if !printed.starts_with('"') || letters.get(12) != Some(&'…') {
        return None;
    }
    let behind: &str = &printed[letters.iter().map(|it| it.len_utf8()).sum()..];
    let (count, rest) = behind.strip_prefix(" (")?.split_once(" characters)")?;
    let count: usize = count.parse().ok()?;
    let (head, tail): (String, String) = (letters[..12].iter().collect(), letters[13..].iter().collect());
    // What repeats is whichever of the two ends is longer of one letter.
    let filler = if letters[10] == letters[11] { letters[11] } else { letters[13] };
    Some((format!("{head}{}{tail}", filler.to_string().repeat(count.checked_sub(20)?)), rest))
}

/// Where the text that begins with a quote ends, behind its closing quote.
fn closing(printed: &str) -> Option<usize> {
    let mut is_escaped = false;
    printed.char_indices().skip(1).find_map(|(index, letter)| {
        let ends = letter == '"' && !is_escaped;
        is_escaped = letter == '\\' && !is_escaped;
        ends.then_some(index + 1)
    })
}

fn unquoted(quoted: &str) -> Option<String> {
    let mut out = String::new();
    let mut letters = quoted.strip_prefix('"')?.strip_suffix('"')?.chars();
    while let Some(letter) = letters.next() {
        if letter != '\\' {
            out.push(letter);
            continue;
        }
        out.push(match letters.next()? {
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            '0' => '\0',
            'u' => {
                let code: String = letters.by_ref().skip(1).take_while(|it| *it != '}').collect();
                char::from_u32(u32::from_str_radix(&code, 16).ok()?)?
            }
            other => other,
        });
    }
    Some(out)
}
