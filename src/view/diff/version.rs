//! The `version` of a map, and whether it was raised by as much as the map changed.

use super::Level;

/// How the versions of a changed map stand to what changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Raise {
    /// The map states no version, so there is nothing to raise.
    Unstated,
    Enough,
    /// The least version that would do.
    TooLittle {
        least: String,
    },
}

/// Before the first major version, the second number says what the first one says later.
pub fn raise(old: Option<&str>, new: Option<&str>, level: Level) -> Raise {
    let Some(old) = old else { return if new.is_some() { Raise::Enough } else { Raise::Unstated } };
    let before = numbers(old);
    let is_first = before.first() == Some(&0);
    let place = match level {
        Level::Major if is_first => 1,
        Level::Major => 0,
        Level::Minor if is_first => 2,
        Level::Minor => 1,
        Level::Patch => 2,
    };
    let after = new.map(numbers).unwrap_or_default();
    if raised_at(&before, &after).is_some_and(|it| it <= place.max(if level == Level::Patch { usize::MAX } else { 0 })) {
        return Raise::Enough;
    }
    let mut least = before;
    if level == Level::Patch {
        // The last number, whichever it is: dual-write counts with four.
        match least.last_mut() {
            Some(last) => *last += 1,
            None => least.push(1),
        }
    } else {
        least.resize(least.len().max(place + 1), 0);
        least[place] += 1;
        least[place + 1..].fill(0);
    }
    Raise::TooLittle { least: least.iter().map(u64::to_string).collect::<Vec<_>>().join(".") }
}

/// The first number that is higher, if no earlier one is lower.
fn raised_at(before: &[u64], after: &[u64]) -> Option<usize> {
    let number = |list: &[u64], at: usize| list.get(at).copied().unwrap_or(0);
    let at = (0..before.len().max(after.len())).find(|&it| number(before, it) != number(after, it))?;
    (number(after, at) > number(before, at)).then_some(at)
}

fn numbers(version: &str) -> Vec<u64> {
    version.split('.').map(|it| it.parse().unwrap_or(0)).collect()
}

#[cfg(test)]
mod tests {
    use super::{Raise, raise};
    use crate::view::diff::Level;

    fn check(old: &str, new: &str, level: Level, least: Option<&str>) {
        let expected = least.map_or(Raise::Enough, |it| Raise::TooLittle { least: it.to_owned() });
        assert_eq!(raise(Some(old), Some(new), level), expected, "{old} → {new} {level:?}");
    }

    #[test]
    fn a_version_is_raised_by_as_much_as_the_map_changed() {
        check("1.0.0.5", "2.0.0.0", Level::Major, None);
        check("1.0.0.5", "1.1.0.0", Level::Major, Some("2.0.0.0"));
        check("1.0.0.5", "1.1.0.0", Level::Minor, None);
        check("1.0.0.5", "1.0.0.6", Level::Minor, Some("1.1.0.0"));
        check("1.0.0.5", "1.0.0.6", Level::Patch, None);
        check("1.0.0.5", "1.0.0.5", Level::Patch, Some("1.0.0.6"));
        check("2.0.0", "1.9.0", Level::Patch, Some("2.0.1"));
        check("1.9.0", "1.10.0", Level::Minor, None);
        check("0.1.0", "0.2.0", Level::Major, None);
        check("0.1.0", "0.1.1", Level::Major, Some("0.2.0"));
        check("0.1.0", "0.1.1", Level::Minor, None);
        check("1", "1", Level::Minor, Some("1.1"));
    }

    #[test]
    fn a_map_without_version_has_nothing_to_raise() {
        assert_eq!(raise(None, None, Level::Major), Raise::Unstated);
        assert_eq!(raise(None, Some("1.0.0"), Level::Major), Raise::Enough);
        assert!(matches!(raise(Some("1.0.0"), None, Level::Patch), Raise::TooLittle { .. }));
    }
}
