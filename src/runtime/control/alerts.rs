//! When somebody is to be told: rules of `dwmap.toml`, and what they measure.
//!
//! A rule is measured map by map. It fires once when what it asks for comes to be, and clears once when it has passed; what
//! fires is on file, so that a restart does not tell it twice.

use serde::{Deserialize, Serialize};

use crate::change::Class;

/// One rule.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alert {
    /// Names the rule in messages; no two have the same.
    pub name: String,
    /// Maps that it watches; without any: all.
    #[serde(default)]
    pub maps: Vec<String>,
    pub when: When,
    #[serde(rename = "do")]
    pub actions: Vec<Action>,
}

/// What is asked for; one of these, but for `class` and `minutes`, which belong to `errors`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct When {
    /// So many records came to be held …
    pub errors: Option<u64>,
    /// … for this kind of reason …
    pub class: Option<Class>,
    /// … in the last so many minutes.
    pub minutes: Option<u32>,
    /// The oldest queued change waits longer than this.
    pub queue_age_s: Option<u64>,
    /// What is known of a side is older than this: it cannot be read, or its changes are not carried over.
    pub freshness_s: Option<u64>,
    /// The last full compare found so many differences.
    pub drift: Option<u64>,
    /// The map is blocked.
    pub breaker: Option<bool>,
    /// A system no longer has the shape that the map knows.
    pub profile_broken: Option<bool>,
}

/// What is done when a rule fires. Whom it tells of it, it tells of the end of it too.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// POST with a JSON body.
    Webhook(String),
    /// To this address, by the server of `[mail]`.
    Mail(String),
    Pause,
    Stop,
}

/// What is known of a map when its rules are measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Records held for the rule's reason in its minutes.
    pub errors: u64,
    pub queue_age_s: u64,
    pub freshness_s: u64,
    pub drift: u64,
    pub is_blocked: bool,
    pub has_other_shape: bool,
}

/// What webhooks are told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Told {
    pub format_version: u32,
    pub alert: String,
    pub map: String,
    /// `firing` or `cleared`.
    pub state: &'static str,
    pub text: String,
    pub since: String,
    pub at: String,
}

/// Minutes that errors are counted in where the rule does not say.
pub const MINUTES_DEFAULT: u32 = 5;

impl When {
    /// What is wrong with the condition itself.
    pub fn problem(&self) -> Option<&'static str> {
        let asked = [
            self.errors.is_some(),
            self.queue_age_s.is_some(),
            self.freshness_s.is_some(),
            self.drift.is_some(),
            self.breaker.is_some(),
            self.profile_broken.is_some(),
        ];
        match asked.iter().filter(|it| **it).count() {
            0 => Some("`when` asks for nothing: give it one of errors, queue_age_s, freshness_s, drift, breaker, profile_broken"),
            1 if self.errors.is_none() && (self.class.is_some() || self.minutes.is_some()) => {
                Some("`class` and `minutes` belong to `errors`")
            }
            1 => None,
            _ => Some("`when` asks for several things: make a rule of each"),
        }
    }

    /// The condition holds: in words.
    pub fn holds(&self, facts: &Facts) -> Option<String> {
        let minutes = self.minutes.unwrap_or(MINUTES_DEFAULT);
        let class = self.class.map_or(String::new(), |it| format!(" of class {}", super::read::class_name(it)));
        let over = |limit: Option<u64>, now: u64| limit.filter(|it| now >= (*it).max(1));
        if over(self.errors, facts.errors).is_some() {
            return Some(format!("{} errors{class} in {minutes} minutes", facts.errors));
        }
        if over(self.queue_age_s, facts.queue_age_s).is_some() {
            return Some(format!("the oldest queued change waits for {} s", facts.queue_age_s));
        }
        if over(self.freshness_s, facts.freshness_s).is_some() {
            return Some(format!("what is known of a side is {} s old", facts.freshness_s));
        }
        if over(self.drift, facts.drift).is_some() {
            return Some(format!("a compare found {} records that differ", facts.drift));
        }
        if self.breaker == Some(true) && facts.is_blocked {
            return Some("the map is blocked".to_owned());
        }
        (self.profile_broken == Some(true) && facts.has_other_shape)
            .then(|| "a system no longer has the shape that the map knows".to_owned())
    }
}

impl Alert {
    pub fn watches(&self, map: &str) -> bool {
        self.maps.is_empty() || self.maps.iter().any(|it| it == map)
    }
}

#[cfg(test)]
mod tests {
    use super::{Facts, When};

    #[test]
    fn a_condition_holds_from_its_limit_on() {
        let when = When { errors: Some(3), ..When::default() };
        assert_eq!(when.holds(&Facts { errors: 2, ..Facts::default() }), None);
        assert_eq!(when.holds(&Facts { errors: 3, ..Facts::default() }).as_deref(), Some("3 errors in 5 minutes"));
    }

    #[test]
    fn a_rule_asks_for_one_thing() {
        assert!(When::default().problem().is_some());
        assert!(When { drift: Some(1), breaker: Some(true), ..When::default() }.problem().is_some());
        assert!(When { drift: Some(1), minutes: Some(2), ..When::default() }.problem().is_some());
        assert_eq!(When { drift: Some(1), ..When::default() }.problem(), None);
    }
}
