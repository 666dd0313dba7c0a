//! The probes of `dwmap doctor`: what a live system shows of itself, beside what is claimed of it. They read and never write.

use crate::change::{Change, Failure, Seen};
use crate::connect::{Capabilities, Connector};
use crate::schema::{Profile, Shape};
use crate::value::{Kind, Slot, Value};

/// Rows of an entity that are looked at.
const ROWS_MAX: usize = 20;
/// Rows with one text that are asked for; where there are more, the text says nothing.
const ALIKE_MAX: usize = 100;

/// What a probe showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// It is as claimed.
    Holds(String),
    /// It is not as claimed.
    Fails(String),
    /// The rows at hand do not tell.
    Open(String),
}

impl std::fmt::Display for Finding {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Holds(text) => write!(out, "yes {text}"),
            Self::Fails(text) => write!(out, "NO  {text}"),
            Self::Open(text) => write!(out, "?   {text}"),
        }
    }
}

/// What was found out about one entity, and what is left of the system's capabilities then.
pub struct Probed {
    pub findings: Vec<Finding>,
    pub capabilities: Capabilities,
}

pub async fn probe(connector: &dyn Connector, shape: &Shape, profile: &Profile) -> Result<Probed, Failure> {
    let mut capabilities = connector.capabilities();
    let (rows, mut findings) = rows(connector, shape).await?;
    findings.push(stored(shape, profile, &rows));
    if !rows.is_empty() {
        let versions = versions(connector, shape, &rows).await?;
        capabilities.conditional_write &= !matches!(versions, Finding::Fails(_));
        findings.push(versions);
        findings.extend(comparison(connector, shape, profile, &rows).await?);
    }
    let feed = feed(connector, shape).await;
    capabilities.ordered_feed &= !matches!(feed, Finding::Fails(_));
    findings.push(feed);
    Ok(Probed { findings, capabilities })
}

/// The feed begins, after what `dwmap run` adds for it where nothing is there yet.
async fn feed(connector: &dyn Connector, shape: &Shape) -> Finding {
    let addition = connector.addition(shape).await;
    match (connector.feed(shape, None).await, addition) {
        (Ok(_), Ok(None)) => Finding::Holds("its changes can be followed".to_owned()),
        (Ok(_), Ok(Some(addition))) => Finding::Holds(format!("its changes can be followed; `dwmap run` adds {addition}")),
        (Err(failure), _) | (_, Err(failure)) => Finding::Fails(format!("its changes cannot be followed: {}", failure.message)),
    }
}

/// The first rows that can be read, and a finding for each that cannot.
async fn rows(connector: &dyn Connector, shape: &Shape) -> Result<(Vec<Seen>, Vec<Finding>), Failure> {
    let (mut rows, mut findings) = (Vec::new(), Vec::new());
    for change in connector.scan(shape, None, ROWS_MAX).await?.changes {
        match change {
            Change::Upsert(Seen { problem: Some(problem), id, .. }) => {
                findings.push(Finding::Fails(format!("row {} is not understood: {problem}", id.0)));
            }
            Change::Upsert(seen) => rows.push(seen),
            Change::Delete { .. } => {}
        }
    }
    Ok((rows, findings))
}

/// Every value has the form that the profile says the store gives it.
fn stored(shape: &Shape, profile: &Profile, rows: &[Seen]) -> Finding {
    let claim = format!("values stand as the profile `{}` says", profile.name);
    if rows.is_empty() {
        return Finding::Open(format!("{claim}: there is no row"));
    }
    for seen in rows {
        for (slot, value) in seen.record.slots().filter(|(_, it)| it.is_known()) {
            let field = shape.field(slot);
            let held = profile.store(&field.kind, value);
            if held != *value {
                let text = format!("{claim}: `{}` of row {} is {value}, and would be {held}", field.name, seen.id.0);
                return Finding::Fails(text);
            }
        }
    }
    Finding::Holds(format!("{claim}, in {} rows", rows.len()))
}

/// A row that nobody touches is found again by its id, in the same version.
async fn versions(connector: &dyn Connector, shape: &Shape, rows: &[Seen]) -> Result<Finding, Failure> {
    let ids: Vec<_> = rows.iter().map(|it| it.id.clone()).collect();
    let again = connector.fetch(shape, &ids).await?;
    let (mut lost, mut moved) = (0, 0);
    for (one, other) in rows.iter().zip(&again) {
        match other {
            None => lost += 1,
            Some(other) => moved += usize::from(other.version != one.version),
        }
    }
    let claim = "rows are found again by their ids, in the version that was read";
    Ok(match (lost, moved) {
        (0, 0) => Finding::Holds(format!("{claim}, all {}", rows.len())),
        // Somebody may be at work on a few; a version that changes by itself changes in every row.
        (0, few) if few < rows.len() => Finding::Open(format!("{claim}: {few} of {} have moved meanwhile", rows.len())),
        _ => Finding::Fails(format!("{claim}: of {} rows, {lost} are not found and {moved} have another version", rows.len())),
    })
}

/// Texts compare as the profile says: another case, and blanks behind.
async fn comparison(connector: &dyn Connector, shape: &Shape, profile: &Profile, rows: &[Seen]) -> Result<Vec<Finding>, Failure> {
    let Some((seen, slot, text)) = telling_text(connector, shape, rows).await? else {
        return Ok(vec![Finding::Open("how texts compare: no row has a text with letters that few rows share".to_owned())]);
    };
    let facts = &profile.text;
    let other_case: String = text.chars().map(flipped).collect();
    let cases = [
        (other_case, facts.compare_ignoring_case, "case"),
        (format!("{text} "), facts.compare_ignoring_trailing_blanks, "blanks at the end"),
    ];
    let mut findings = Vec::new();
    for (asked, ignores, what) in cases {
        let found = connector.find(shape, &[slot], &[Value::text(&asked)], ALIKE_MAX).await?;
        let is_found = found.iter().any(|it| it.id == seen.id);
        let (field, claim) = (&shape.field(slot).name, if ignores { "ignore" } else { "heed" });
        let text = format!("comparisons {claim} {what}, asked for `{field}`");
        findings.push(if is_found == ignores { Finding::Holds(text) } else { Finding::Fails(text) });
    }
    Ok(findings)
}

/// A text that has letters and that is found as it stands.
async fn telling_text<'r>(
    connector: &dyn Connector,
    shape: &Shape,
    rows: &'r [Seen],
) -> Result<Option<(&'r Seen, Slot, &'r str)>, Failure> {
    let is_text = |slot: &Slot| matches!(shape.field(*slot).kind, Kind::Text { .. });
    let texts = rows.iter().flat_map(|seen| {
        let own = seen.record.slots().filter(|(slot, _)| is_text(slot));
        own.filter_map(move |(slot, value)| Some((seen, slot, value.as_text()?)))
    });
    let is_telling = |text: &str| text.trim() == text && text.chars().any(|it| flipped(it) != it);
    for (seen, slot, text) in texts.filter(|it| is_telling(it.2)).take(ROWS_MAX) {
        let found = connector.find(shape, &[slot], &[Value::text(text)], ALIKE_MAX).await?;
        if found.len() < ALIKE_MAX && found.iter().any(|it| it.id == seen.id) {
            return Ok(Some((seen, slot, text)));
        }
    }
    Ok(None)
}

/// The same letter in the other case, of the letters that have one in every system.
fn flipped(letter: char) -> char {
    if letter.is_ascii_uppercase() { letter.to_ascii_lowercase() } else { letter.to_ascii_uppercase() }
}
