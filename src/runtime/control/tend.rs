//! What a running process does beside its work: it reads its settings again, measures alerts, and forgets old histories.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::task::JoinSet;

use super::alerts::{Action, Alert, Facts, MINUTES_DEFAULT, Told};
use super::ask::FORMAT_VERSION;
use super::send::{To, send};
use super::states::Hand;
use crate::change::{Class, Side};
use crate::runtime::config::Config;
use crate::runtime::deployment::{Deployment, Note};
use crate::runtime::pipe::PipeId;
use crate::store::desk::Act;
use crate::store::{self, Phase};
use crate::value::Timestamp;

/// Between two looks at the settings and the alerts.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Between two rounds of forgetting, and what one forgets at most.
const FORGET_EVERY: Duration = Duration::from_secs(60);
const FORGOTTEN_MAX: usize = 5_000;
/// Messages that are under way at once; a turn that would need more is not taken before the next look.
const SENDING_MAX: usize = 64;
const DAY: Duration = Duration::from_secs(24 * 3600);

/// The settings that can change while a process runs, and what follows from them.
pub struct Tending {
    file: PathBuf,
    text: String,
    config: Config,
    next_look: Option<Timestamp>,
    next_forgetting: Option<Timestamp>,
    /// When each side was last read to its end.
    heard: BTreeMap<(PipeId, Side), Timestamp>,
    started: Timestamp,
    sending: JoinSet<(Told, Result<(), String>)>,
}

impl Tending {
    pub fn new(file: PathBuf, config: Config, now: Timestamp) -> Self {
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        Self {
            file,
            text,
            config,
            next_look: None,
            next_forgetting: None,
            heard: BTreeMap::new(),
            started: now,
            sending: JoinSet::new(),
        }
    }
}

/// One rule that changed its mind about one map.
struct Turn {
    alert: Alert,
    map: String,
    text: String,
    since: Timestamp,
    is_firing: bool,
}

impl Deployment {
    /// Looks after settings and alerts while it runs. The folder of the file is where secrets are looked for.
    pub fn tend_by(&mut self, file: PathBuf, config: Config) {
        self.tending = Some(Tending::new(file, config, self.world.now()));
    }

    pub(in crate::runtime) fn heard(&mut self, id: PipeId, side: Side) {
        let now = self.world.now();
        if let Some(tending) = &mut self.tending {
            tending.heard.insert((id, side), now);
        }
    }

    /// Does what is due.
    pub(in crate::runtime) async fn tend(&mut self) -> store::Result<()> {
        let now = self.world.now();
        let Some(mut tending) = self.tending.take() else { return Ok(()) };
        if tending.next_look.is_none_or(|it| it <= now) {
            tending.next_look = now.checked_add(LOOK_EVERY).ok();
            self.read_settings_again(&mut tending)?;
            self.hear_what_was_sent(&mut tending)?;
            let turns = self.measure(&tending, now)?;
            for turn in turns {
                // The condition is measured again at the next look; what is not on file as told will be told then.
                if tending.has_room_for(&turn.alert) {
                    self.turn(&mut tending, turn, now).await?;
                }
            }
        }
        if tending.next_forgetting.is_none_or(|it| it <= now) {
            tending.next_forgetting = now.checked_add(FORGET_EVERY).ok();
            if let Ok(before) = now.checked_sub(DAY * tending.config.store.keep_days) {
                self.store.forget_activity(before, FORGOTTEN_MAX)?;
            }
            self.store.raise_mark()?;
            // A system that could not be asked then may be there now.
            self.carry_out_decisions().await?;
        }
        self.tending = Some(tending);
        Ok(())
    }

    /// A broken file changes nothing, and is reported once.
    fn read_settings_again(&mut self, tending: &mut Tending) -> store::Result<()> {
        let Ok(text) = std::fs::read_to_string(&tending.file) else { return Ok(()) };
        if text == tending.text {
            return Ok(());
        }
        tending.text = text;
        let (what, why) = match Config::parse(&tending.file, &tending.text) {
            Err(error) => ("settings are broken; the old ones stay in force", error.to_string()),
            Ok(config) => {
                let [for_reload, for_start] = tending.config.differences_that_wait(&config);
                self.set_settings(config.sync.settings());
                tending.config = config;
                let waits = [(for_reload, "`dwmap reload` or the next start"), (for_start, "the next start")];
                let waits = waits.into_iter().filter(|(what, _)| !what.is_empty());
                let why: Vec<String> = waits.map(|(what, when)| format!("{} count from {when} on", what.join(", "))).collect();
                ("settings were read again", why.join("; "))
            }
        };
        self.say(what, &why)
    }

    fn say(&mut self, what: &str, why: &str) -> store::Result<()> {
        let text = if why.is_empty() { what.to_owned() } else { format!("{what}: {why}") };
        self.watcher.note("", Note::Said(text));
        let at = self.world.moment();
        let (who, what, why) = ("dwmap".to_owned(), what.to_owned(), why.to_owned());
        self.store.record(&Act { op: at.op, at: at.now, plan: None, link: None, who, what, why })
    }

    fn hear_what_was_sent(&mut self, tending: &mut Tending) -> store::Result<()> {
        while let Some(sent) = tending.sending.try_join_next() {
            let Ok((told, Err(error))) = sent else { continue };
            self.say(&format!("alert `{}` could not be told", told.alert), &error)?;
        }
        Ok(())
    }

    /// Rules whose condition holds and did not, or held and does not any more.
    fn measure(&mut self, tending: &Tending, now: Timestamp) -> store::Result<Vec<Turn>> {
        let firing = self.store.firing()?;
        for (rule, map, _) in firing.iter().filter(|(rule, ..)| !tending.config.alerts.iter().any(|it| it.name == *rule)) {
            // The rule is gone; nobody is to be told of its end.
            self.store.set_firing(rule, map, None)?;
        }
        let mut turns = Vec::new();
        for alert in &tending.config.alerts {
            for id in self.pipe_ids().filter(|&it| alert.watches(self.name(it))).collect::<Vec<_>>() {
                let map = self.name(id).to_owned();
                let facts = self.facts(tending, alert, id, now)?;
                let was = firing.iter().find(|(rule, plan, _)| *rule == alert.name && *plan == map).map(|it| it.2);
                let (alert, is_firing) = (alert.clone(), was.is_none());
                match (alert.when.holds(&facts), was) {
                    (Some(text), None) => turns.push(Turn { alert, map, text, since: now, is_firing }),
                    (None, Some(since)) => {
                        turns.push(Turn { alert, map, text: "it has passed".to_owned(), since, is_firing });
                    }
                    (Some(_), Some(_)) | (None, None) => {}
                }
            }
        }
        Ok(turns)
    }

    fn facts(&mut self, tending: &Tending, alert: &Alert, id: PipeId, now: Timestamp) -> store::Result<Facts> {
        let map = self.name(id).to_owned();
        let (when, age) = (&alert.when, |it: Timestamp| now.duration_since(it).as_secs().max(0).unsigned_abs());
        let window = Duration::from_secs(u64::from(when.minutes.unwrap_or(MINUTES_DEFAULT)) * 60);
        let since = now.checked_sub(window).unwrap_or(Timestamp::MIN);
        let queued = self.store.pending(&map, 1)?.first().map_or(0, |it| age(it.at));
        let is_read = self.listens(id);
        let heard = Side::BOTH.map(|side| tending.heard.get(&(id, side)).copied().unwrap_or(tending.started));
        let silent = heard.into_iter().map(age).max().filter(|_| is_read).unwrap_or(0);
        Ok(Facts {
            errors: if when.errors.is_some() { self.store.held_since(&map, when.class, since)? } else { 0 },
            queue_age_s: queued,
            freshness_s: queued.max(silent),
            drift: if when.drift.is_some() { self.drift(&map)? } else { 0 },
            is_blocked: self.phases[id.0] == Phase::Blocked,
            has_other_shape: when.profile_broken.is_some()
                && self.store.held_since(&map, Some(Class::Schema), Timestamp::MIN)? > 0,
        })
    }

    /// What the last full compare found, or the steady watch since.
    fn drift(&mut self, map: &str) -> store::Result<u64> {
        let verified = self.store.verified(map)?.map_or(0, |it| it.differing);
        let sampled = self.store.sampled(map)?.map_or(0, |it| it.drift.max(it.last_drift));
        Ok(verified.max(sampled))
    }

    /// Puts the turn on file, then tells of it: what is told twice after a crash is better than what is not told.
    async fn turn(&mut self, tending: &mut Tending, turn: Turn, now: Timestamp) -> store::Result<()> {
        let Turn { alert, map, text, since, is_firing } = turn;
        let state = if is_firing { "firing" } else { "cleared" };
        let told = Told {
            format_version: FORMAT_VERSION,
            alert: alert.name.clone(),
            map: map.clone(),
            state,
            text: text.clone(),
            since: since.to_string(),
            at: now.to_string(),
        };
        for action in &alert.actions {
            match action {
                Action::Webhook(address) => tending.send(To::Webhook(address.clone()), told.clone()),
                Action::Mail(address) => {
                    if let Some(to) = tending.mail_to(address) {
                        tending.send(to, told.clone());
                    }
                }
                Action::Pause | Action::Stop if !is_firing => {}
                Action::Pause => self.halt(&map, &alert, &text, false)?,
                Action::Stop => self.halt(&map, &alert, &text, true)?,
            }
        }
        self.store.set_firing(&alert.name, &map, is_firing.then_some(since))?;
        self.say(&format!("alert `{}` {state} for {map}", alert.name), &text)
    }

    fn halt(&mut self, map: &str, alert: &Alert, text: &str, is_stop: bool) -> store::Result<()> {
        let (program, world) = (self.program.clone(), self.world.clone());
        let who = format!("alert `{}`", alert.name);
        let mut hand = Hand { store: self.store.as_mut(), program: &program, world: world.as_ref(), who: &who, why: text };
        let maps = [map.to_owned()];
        let done = if is_stop { hand.stop(&maps) } else { hand.pause(&maps) };
        if let Err(problem) = done {
            self.say(&format!("{who} could not halt {map}"), &problem.to_string())?;
        }
        self.refresh_phases()
    }
}

impl Tending {
    /// Maps have other numbers now, or are gone.
    pub(in crate::runtime) fn renumber(&mut self, place: impl Fn(PipeId) -> Option<PipeId>) {
        let heard = std::mem::take(&mut self.heard).into_iter();
        self.heard = heard.filter_map(|((pipe, side), at)| Some(((place(pipe)?, side), at))).collect();
    }

    /// There is room for all that the rule tells, or nothing else is under way.
    fn has_room_for(&self, alert: &Alert) -> bool {
        self.sending.is_empty() || self.sending.len() + alert.actions.len() <= SENDING_MAX
    }

    fn send(&mut self, to: To, told: Told) {
        self.sending.spawn(async move {
            let sent = send(&to, &told).await;
            (told, sent)
        });
    }

    /// `None`: there is no mail server any more; the settings were checked when they were read.
    fn mail_to(&self, address: &str) -> Option<To> {
        let server = self.config.mail.clone()?;
        let folder = self.file.parent().unwrap_or(Path::new("."));
        let password = server.password.as_ref().and_then(|it| it.fetch(folder).ok());
        Some(To::Mail { server, password, address: address.to_owned() })
    }
}
