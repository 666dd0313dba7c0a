//! A difference as text.

use super::{Change, Difference, Fate, Level, MapDifference};

pub fn to_text(difference: &Difference) -> String {
    if difference.maps.is_empty() {
        return format!("no difference: {} the same\n", counted(difference.unchanged, "map is", "maps are"));
    }
    let mut out = String::new();
    for map in &difference.maps {
        out.push_str(&map_text(map));
        out.push('\n');
    }
    out.push_str(&again(difference));
    out.push_str(&summary(difference));
    out
}

fn map_text(map: &MapDifference) -> String {
    let sign = match map.fate {
        Fate::Added => '+',
        Fate::Removed => '-',
        Fate::Changed => '~',
    };
    let mut out = format!("{sign} {}   {}   {}\n", map.map, map.level.word(), versions(map));
    let width = map.changes.iter().filter_map(|it| it.rule.as_ref()).map(|it| it.chars().count()).max().unwrap_or(0).min(40);
    for change in &map.changes {
        out.push_str(&change_text(change, width));
    }
    out
}

fn versions(map: &MapDifference) -> String {
    let stated = match (&map.old_version, &map.new_version) {
        (None, None) => return "no version is stated".to_owned(),
        (None, Some(new)) => format!("version {new}"),
        (Some(old), None) if map.fate == Fate::Removed => format!("version {old}"),
        (Some(old), None) => format!("version {old} is no longer stated"),
        (Some(old), Some(new)) if old == new => format!("version {old} was not raised"),
        (Some(old), Some(new)) => format!("version {old} → {new}"),
    };
    match &map.version_wanted {
        Some(least) => format!("{stated}: must be {least} at least"),
        None => stated,
    }
}

fn change_text(change: &Change, width: usize) -> String {
    let rule = change.rule.as_deref().unwrap_or("");
    let lead = if width == 0 { String::new() } else { format!("{rule:width$}  ") };
    let mut out = format!("    {:5}  {lead}{}\n", change.level.word(), change.what);
    for (sign, text) in [('-', &change.old), ('+', &change.new)] {
        if let Some(text) = text {
            out.push_str(&format!("             {sign} {text}\n"));
        }
    }
    out
}

/// What has to be synchronised again before both sides agree as the new version says.
fn again(difference: &Difference) -> String {
    let mut out = String::new();
    for map in &difference.maps {
        if let Some(why) = &map.initial_sync {
            out.push_str(&format!("    {}: initial sync, because {why}\n", map.map));
        } else if !map.compare_again.is_empty() {
            let rules: Vec<String> = map.compare_again.iter().map(|it| format!("`{it}`")).collect();
            let rows = "compare the linked rows again, for";
            out.push_str(&format!("    {}: {rows} {}\n", map.map, rules.join(", ")));
        }
    }
    if out.is_empty() {
        "Nothing has to be synchronised again.\n\n".to_owned()
    } else {
        format!("To be synchronised again:\n{out}\n")
    }
}

fn summary(difference: &Difference) -> String {
    let at = |level: Level| difference.maps.iter().filter(|it| it.level == level).count();
    let levels = [Level::Major, Level::Minor, Level::Patch].into_iter().filter(|it| at(*it) > 0);
    let parts: Vec<String> = levels.map(|it| format!("{} {}", at(it), it.word())).collect();
    let same = counted(difference.unchanged, "is", "are");
    let lead = counted(difference.maps.len(), "map differs", "maps differ");
    let few = difference.maps.iter().filter(|it| it.version_wanted.is_some()).count();
    let verdict = match few {
        0 => String::new(),
        few => format!("; {} to be raised", counted(few, "version has", "versions have")),
    };
    format!("{lead} ({}), {same} the same{verdict}\n", parts.join(", "))
}

fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}
