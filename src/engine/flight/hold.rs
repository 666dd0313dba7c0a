//! Why a link stands still, and when it is tried again.

use super::*;

impl Flight {
    pub(super) fn stopped(&mut self, at: Moment, stop: Stop) -> Effect {
        match stop {
            Stop::Unresolved(query) => self.resolve(at, vec![query]),
            Stop::Refused(refusal) => self.refused(at, refusal),
            Stop::Skip => self.skip(at),
        }
    }

    pub(super) fn resolve(&mut self, at: Moment, mut queries: Vec<Query>) -> Effect {
        self.resolves += 1;
        let most = resolve_rounds_max(&self.plan);
        if self.resolves > most {
            let failure = Failure::new(Class::Bug, format!("references are still unknown after {most} rounds"));
            return self.hold_failure(at, &failure);
        }
        let mut seen = std::collections::HashSet::new();
        queries.retain(|it| seen.insert(it.clone()));
        Effect::Resolve(queries)
    }

    /// A row that is missed and shall be made is summoned before this one is parked: what comes of it is part of the reason.
    pub(super) fn refused(&mut self, at: Moment, refusal: Refusal) -> Effect {
        match refusal.waits_on.clone().filter(|_| refusal.is_summoned) {
            Some(query) => {
                self.refusal = Some(refusal);
                Effect::Summon(query)
            }
            None => self.refuse(at, refusal),
        }
    }

    pub(super) fn summoned(&mut self, at: Moment, answer: Summoned) -> Effect {
        let mut refusal = self.refusal.take().expect("a row is summoned for a refusal");
        let (word, summons) = match answer {
            Summoned::Stays(why) => (why, None),
            Summoned::Coming { plan, side, row } => {
                (format!("{plan} is asked to make it now"), Some(Summons { plan, side, row, at: at.now }))
            }
        };
        refusal.message = format!("{}; {word}", refusal.message);
        let Effect::Commit(mut commit) = self.refuse(at, refusal) else { unreachable!("a refusal is put on file") };
        if let Some(hold) = &mut commit.link.hold {
            hold.has_summoned = true;
        }
        commit.summons = summons;
        Effect::Commit(commit)
    }

    fn refuse(&mut self, at: Moment, refusal: Refusal) -> Effect {
        let waits_on = refusal.waits_on.as_ref().map(|query| awaited::of_query(&self.plan, query));
        let effect = self.hold(at, refusal.class, Some(refusal.code.to_owned()), Some(refusal.rule), refusal.message);
        let Effect::Commit(mut commit) = effect else { return effect };
        if let Some(hold) = &mut commit.link.hold {
            hold.waits_on = waits_on;
        }
        let effect = Effect::Commit(commit);
        if refusal.is_parked { retried(at, effect) } else { effect }
    }

    pub(super) fn hold_failure(&mut self, at: Moment, failure: &Failure) -> Effect {
        let attempts = self.link.hold.as_ref().map_or(0, |it| it.attempts);
        let exhausted = matches!(self.plan.on_error, OnError::Retry(most) if attempts >= most);
        let effect = self.hold(at, failure.class, None, None, failure.message.clone());
        let Effect::Commit(mut commit) = effect else { return effect };
        if let Some(hold) = commit.link.hold.as_mut().filter(|_| is_worth_retrying(failure.class) && !exhausted) {
            let delay = failure.retry_after.unwrap_or_else(|| retry_delay(attempts));
            hold.retry_at = at.now.checked_add(delay).ok();
        }
        Effect::Commit(commit)
    }

    pub(super) fn hold(
        &mut self,
        at: Moment,
        class: Class,
        code: Option<String>,
        rule: Option<String>,
        message: String,
    ) -> Effect {
        let before = self.link.hold.take();
        self.tally.held = Some((class, message.clone()));
        if before.as_ref().is_none_or(|it| it.message != message) {
            self.is_newly_held = true;
            self.note(at, ActivityKind::Held, message.clone());
        }
        self.link.hold = Some(Hold {
            class,
            code,
            rule,
            message,
            since: before.as_ref().map_or(at.now, |it| it.since),
            attempts: before.map_or(0, |it| it.attempts) + 1,
            retry_at: None,
            waits_on: None,
            has_summoned: false,
        });
        self.commit_then(at, AfterCommit::Finish)
    }

    pub(super) fn release(&mut self, at: Moment) {
        if self.link.hold.take().is_some() {
            self.note(at, ActivityKind::Released, String::new());
        }
    }
}

/// Time or another row's arrival can mend it, without a change of this row.
fn is_worth_retrying(class: Class) -> bool {
    match class {
        Class::Transient | Class::Throttled | Class::Auth | Class::Reference => true,
        Class::Validation | Class::Conflict | Class::Schema | Class::TooLarge | Class::Bug => false,
    }
}

/// The hold of this commit, with an hour: what it waits for is another row, not a change of this one.
pub(super) fn retried(at: Moment, effect: Effect) -> Effect {
    let Effect::Commit(mut commit) = effect else { return effect };
    if let Some(hold) = commit.link.hold.as_mut().filter(|it| it.retry_at.is_none()) {
        hold.retry_at = at.now.checked_add(retry_delay(hold.attempts)).ok();
    }
    Effect::Commit(commit)
}

/// Seconds before the next try: 1, 2, 4, … up to five minutes.
fn retry_delay(attempts: u32) -> std::time::Duration {
    std::time::Duration::from_secs(1u64 << attempts.min(8)).min(std::time::Duration::from_secs(300))
}
