//! What differs between two versions of a project, by meaning: compiled maps are compared, not texts.
//!
//! *Patch*: nothing that is synchronised changes (words, labels, order, what is said to be lost). *Minor*: what was carried before is
//! carried as before, and something more is (a new map or rule, a wider value map or type, another answer to failures and
//! conflicts). *Major*: something that was carried is not, or otherwise (a rule removed, another key, filter, arrow, type, pair
//! of values or delete policy).

mod compare;
pub mod form;
mod show;
mod version;

use std::collections::BTreeSet;

use serde::Serialize;

pub use show::to_text;
pub use version::Raise;

use crate::check::Checked;
use crate::check::texts::MapText;
use crate::ir::Plan;

/// The version of the JSON form. A field may be added within a version; none changes or goes.
pub const FORMAT_VERSION: u32 = 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    Patch,
    Minor,
    Major,
}

impl Level {
    pub fn word(self) -> &'static str {
        match self {
            Self::Patch => "patch",
            Self::Minor => "minor",
            Self::Major => "major",
        }
    }
}

/// Two versions of a project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    pub format_version: u32,
    /// The highest of all maps; nothing: they mean and read the same.
    pub level: Option<Level>,
    /// Every changed map's version was raised accordingly.
    pub versions_are_raised: bool,
    pub maps: Vec<MapDifference>,
    /// How many maps are the same.
    pub unchanged: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MapDifference {
    pub map: String,
    pub level: Level,
    pub fate: Fate,
    pub old_version: Option<String>,
    pub new_version: Option<String>,
    /// The version that the map must have at least, where it has less.
    pub version_wanted: Option<String>,
    pub changes: Vec<Change>,
    /// Why all rows must be matched and carried again.
    pub initial_sync: Option<String>,
    /// Rules whose two sides must be compared again in all linked rows, by label.
    pub compare_again: BTreeSet<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Fate {
    Added,
    Removed,
    Changed,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    pub level: Level,
    /// The rule, by label; nothing for what concerns the whole map.
    pub rule: Option<String>,
    pub what: String,
    pub old: Option<String>,
    pub new: Option<String>,
}

/// One map of one version: what it does, and how that was written.
#[derive(Clone, Copy)]
struct Version<'a> {
    checked: &'a Checked,
    plan: &'a Plan,
    text: &'a MapText,
}

pub fn difference(old: &Checked, new: &Checked) -> Difference {
    let (before, after) = (versions(old), versions(new));
    let mut maps = Vec::new();
    let mut unchanged = 0;
    for new in &after {
        match before.iter().find(|it| it.plan.name == new.plan.name) {
            None => maps.push(added(new)),
            Some(old) => match compare::maps(*old, *new) {
                Some(difference) => maps.push(difference),
                None => unchanged += 1,
            },
        }
    }
    let is_gone = |it: &&Version<'_>| after.iter().all(|new| new.plan.name != it.plan.name);
    maps.extend(before.iter().filter(is_gone).map(removed));
    maps.sort_by(|a, b| b.level.cmp(&a.level).then_with(|| a.map.cmp(&b.map)));
    Difference {
        format_version: FORMAT_VERSION,
        level: maps.iter().map(|it| it.level).max(),
        versions_are_raised: maps.iter().all(|it| it.version_wanted.is_none()),
        maps,
        unchanged,
    }
}

fn versions(checked: &Checked) -> Vec<Version<'_>> {
    checked.program.plans.iter().zip(&checked.texts).map(|(plan, text)| Version { checked, plan, text }).collect()
}

fn added(new: &Version<'_>) -> MapDifference {
    let what = format!("new map {}", crate::view::graph::sides(&new.checked.program, new.plan));
    MapDifference {
        map: new.plan.name.clone(),
        level: Level::Minor,
        fate: Fate::Added,
        old_version: None,
        new_version: new.plan.version.clone(),
        version_wanted: None,
        changes: vec![Change { level: Level::Minor, rule: None, what, old: None, new: None }],
        initial_sync: Some("the map is new".to_owned()),
        compare_again: BTreeSet::new(),
    }
}

fn removed(old: &Version<'_>) -> MapDifference {
    let what = format!("map removed {}", crate::view::graph::sides(&old.checked.program, old.plan));
    MapDifference {
        map: old.plan.name.clone(),
        level: Level::Major,
        fate: Fate::Removed,
        old_version: old.plan.version.clone(),
        new_version: None,
        version_wanted: None,
        changes: vec![Change { level: Level::Major, rule: None, what, old: None, new: None }],
        initial_sync: None,
        compare_again: BTreeSet::new(),
    }
}
