//! Live sync: feeds are read side by side, pages become journal entries, entries become rounds of reconciles.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::confirm::STALE_MAX;
use super::control::next_call;
use super::control::renew::next_renewal;
use super::control::states::had_initial_sync;
use super::deployment::{Deployment, Note};
use super::pipe::PipeId;
use crate::change::{Class, Failure, Page, Side, Token};
use crate::failpoint;
use crate::store::{self, Phase};
use crate::value::Timestamp;

/// Longest wait between two tries of a feed that fails.
const BACKOFF_MAX: Duration = Duration::from_secs(60);
/// Wait before a feed is read again whose side refuses us: a person must act first.
const REFUSED_WAIT: Duration = Duration::from_secs(60);
/// Longest rest while held links may come due.
const REST_MAX: Duration = Duration::from_secs(1);
/// Shortest wait for a system that is left alone.
const POLL_MIN: Duration = Duration::from_millis(10);
/// Changes of one feed that wait; beyond it the feed is not read on until there are fewer.
const BACKLOG_MAX: u64 = 100_000;
/// Longest time in all that [`Deployment::settle`] waits for systems that are left alone.
const SYSTEMS_WAIT_MAX: Duration = Duration::from_secs(300);
/// The same where the system did not ask for time but fails: a person may have to act first.
const FAILING_WAIT_MAX: Duration = Duration::from_secs(60);

/// Half a second, doubled with every try, up to a minute.
pub fn backoff(tries: u32) -> Duration {
    Duration::from_millis(500u64 << tries.min(10)).min(BACKOFF_MAX)
}

/// The wish to end. All holders see it; what is under way is carried to its end first.
#[derive(Clone, Debug)]
pub struct Shutdown {
    wished: watch::Receiver<bool>,
}

/// Ends what holds the [`Shutdown`]s that belong to it.
#[derive(Debug)]
pub struct Ender {
    wish: watch::Sender<bool>,
}

impl Shutdown {
    pub fn new() -> (Ender, Self) {
        let (wish, wished) = watch::channel(false);
        (Ender { wish }, Self { wished })
    }

    pub fn is_wished(&self) -> bool {
        *self.wished.borrow()
    }

    /// Returns when the end is wished for; also when nobody is left who could wish for it.
    pub async fn wished(&mut self) {
        // An error says that the ender is gone, which is the same wish.
        drop(self.wished.wait_for(|it| *it).await);
    }
}

impl Ender {
    pub fn end(&self) {
        self.wish.send_replace(true);
    }
}

/// A page, the position after which it was asked for, and when. No page: there was no room for more; maybe there is now.
type Reading = (PipeId, Side, Option<Token>, Option<Result<Page, Failure>>, Timestamp);

/// How long a feed is left alone.
#[derive(Clone, Copy, Debug)]
struct Rest {
    time: Duration,
    /// There was nothing new; a message that there is something now cuts the rest short.
    is_idle: bool,
}

impl Rest {
    const NONE: Self = Self { time: Duration::ZERO, is_idle: false };
}

/// The readings under way, under one program: one a map and side, so that a slow system holds up nobody else.
struct Feeds {
    under_way: JoinSet<Reading>,
    open: BTreeSet<(PipeId, Side)>,
    failures: BTreeMap<(PipeId, Side), u32>,
    generation: u64,
}

impl Feeds {
    fn new(generation: u64) -> Self {
        Self { under_way: JoinSet::new(), open: BTreeSet::new(), failures: BTreeMap::new(), generation }
    }
}

impl Deployment {
    /// Keeps all maps in step until the end is wished for.
    pub async fn run(&mut self, mut shutdown: Shutdown) -> store::Result<()> {
        let mut feeds = Feeds::new(self.generation);
        let bell = self.bell();
        self.carry_out_decisions().await?;
        while !shutdown.is_wished() {
            while let Some(reading) = feeds.under_way.try_join_next() {
                self.take_in(&mut feeds, reading.expect("a reading does not panic and is not cancelled")).await?;
            }
            self.attend().await?;
            self.renew().await?;
            self.tend().await?;
            if feeds.generation != self.generation {
                // Pages of the old maps' fields are of no use; they are read again from where each feed stands.
                feeds = Feeds::new(self.generation);
            }
            self.hint_turn()?;
            self.carry_out_decisions_again().await?;
            self.deliver_turn().await?;
            self.read_feeds(&mut feeds)?;
            let has_worked = self.work(false).await?;
            if self.initial_turn().await? || has_worked || self.load_turn().await? {
                self.survey_turn(false).await?;
                continue;
            }
            if self.survey_turn(true).await? {
                continue;
            }
            self.have_caught_up()?;
            let rest = self.deliveries.rest(self.world.now(), REST_MAX);
            tokio::select! {
                Some(reading) = feeds.under_way.join_next() => {
                    self.take_in(&mut feeds, reading.expect("a reading does not panic and is not cancelled")).await?;
                }
                call = next_call(&mut self.calls) => self.serve(call).await?,
                () = self.surveys.errand.ready() => {}
                () = bell.notified() => {}
                () = self.deliveries.ready() => {}
                () = self.hints.errand.ready() => {}
                () = self.loading.ready() => {}
                fresh = next_renewal(&mut self.renewal) => {
                    self.finish_renewal(fresh)?;
                    feeds = Feeds::new(self.generation);
                }
                () = shutdown.wished() => {}
                () = tokio::time::sleep(rest) => {}
            }
        }
        Ok(())
    }

    /// Starts the readings of maps that have come to listen.
    fn read_feeds(&mut self, feeds: &mut Feeds) -> store::Result<()> {
        for id in self.pipe_ids() {
            for side in Side::BOTH {
                if self.listens(id) && !feeds.open.contains(&(id, side)) {
                    self.read_feed(feeds, id, side, Rest::NONE)?;
                }
            }
        }
        Ok(())
    }

    /// Starts the next reading of a feed, unless this map does not listen to that side.
    fn read_feed(&mut self, feeds: &mut Feeds, id: PipeId, side: Side, rest: Rest) -> store::Result<()> {
        if !self.listens(id) {
            return Ok(());
        }
        let pipe = &self.pipes[id.0];
        let (system, plan) = (pipe.systems[side].clone(), pipe.plan.clone());
        let stream = self.store.stream(&plan.name, side)?;
        let (token, is_full) = (stream.token, stream.last_seq.saturating_sub(stream.done_seq) > BACKLOG_MAX);
        feeds.open.insert((id, side));
        let (world, bell) = (self.world.clone(), self.hints.feed_bell(id, side));
        feeds.under_way.spawn(async move {
            let rested = tokio::time::sleep(if is_full { rest.time.max(REST_MAX) } else { rest.time });
            tokio::select! {
                () = rested => {}
                () = bell.notified(), if rest.is_idle && !is_full => {}
            }
            let began = world.now();
            let page = if is_full { None } else { Some(system.feed(&plan.shapes[side], token.as_ref()).await) };
            (id, side, token, page, began)
        });
        Ok(())
    }

    async fn take_in(&mut self, feeds: &mut Feeds, (id, side, token, page, began): Reading) -> store::Result<()> {
        feeds.open.remove(&(id, side));
        let plan = self.name(id).to_owned();
        let stream = self.store.stream(&plan, side)?;
        if !self.listens(id) || stream.token != token {
            // The map was stopped, or starts anew: the page is not what is asked for now.
            return self.read_feed(feeds, id, side, Rest::NONE);
        }
        let failures = feeds.failures.entry((id, side)).or_default();
        let rest = match page {
            None => Rest::NONE,
            Some(Ok(page)) => {
                *failures = 0;
                let is_last = page.is_last;
                let rest = if is_last { Rest { time: self.settings.poll_every, is_idle: true } } else { Rest::NONE };
                if stream.is_live {
                    self.journal(id, side, page)?;
                    if is_last {
                        self.read_through.insert((id, side), began);
                    }
                } else {
                    self.stage_page(id, side, page).await?;
                }
                self.heard(id, side);
                rest
            }
            Some(Err(failure)) => {
                let wait = match failure.class {
                    Class::Auth => REFUSED_WAIT,
                    _ => failure.retry_after.unwrap_or_else(|| backoff(*failures)),
                };
                *failures += 1;
                self.feed_failed(id, side, &failure, wait)?;
                Rest { time: wait, is_idle: false }
            }
        };
        self.read_feed(feeds, id, side, rest)
    }

    fn journal(&mut self, id: PipeId, side: Side, page: Page) -> store::Result<()> {
        failpoint::pass("page", if page.changes.is_empty() { "empty" } else { "read" });
        let plan = self.name(id).to_owned();
        let stream = self.store.stream(&plan, side)?;
        let is_news = !page.changes.is_empty() || stream.token.as_ref() != Some(&page.next) || !stream.is_live;
        if stream.is_live && stream.token.is_none() {
            // The feed had lost its place, and maybe a delete with it. The page was read after that, and no look in half a minute
            // can show an older state than the page.
            let due = self.world.now().checked_add(STALE_MAX).expect("the calendar is longer than that");
            self.store.ask_for_all(&plan, due)?;
        }
        if is_news {
            let is_live = stream.is_live || page.is_last;
            self.store.append(&plan, side, &page.changes, &page.next, is_live, self.world.now())?;
        }
        Ok(())
    }

    fn feed_failed(&mut self, id: PipeId, side: Side, failure: &Failure, retry_in: Duration) -> store::Result<()> {
        let plan = self.name(id).to_owned();
        tracing::warn!(map = plan, ?side, class = ?failure.class, "feed: {failure}");
        if failure.class == Class::Schema {
            // The position is too old for the system to know: everything is read again; shadows keep this quiet.
            self.store.rewind(&plan, side)?;
        }
        self.watcher.note(&plan, Note::Unreadable { side, message: failure.message.clone(), retry_in });
        Ok(())
    }

    /// Reads all feeds and carries out everything, until nothing is new and nothing waits. Bounded by the users' own activity, and
    /// by [`SYSTEMS_WAIT_MAX`] where a system stays away: what waits for it then stays on file.
    pub async fn settle(&mut self) -> Result<(), super::initial::Error> {
        self.is_hasty = true;
        let done = self.settle_hastily().await;
        self.is_hasty = false;
        done
    }

    async fn settle_hastily(&mut self) -> Result<(), super::initial::Error> {
        self.carry_out_decisions().await?;
        let mut is_hastened = false;
        let mut waited = Duration::ZERO;
        loop {
            let mut is_quiet = !self.look_at_hints().await?;
            for id in self.listening()? {
                for side in Side::BOTH {
                    is_quiet &= !self.read_to_end(id, side).await?;
                }
            }
            while self.work(false).await? {
                is_quiet = false;
            }
            is_quiet &= !self.finish_loads().await?;
            if let Some((wait, most)) = self.wait_for_systems()? {
                if waited >= most {
                    return Ok(());
                }
                waited += wait;
                tokio::time::sleep(wait).await;
                self.world.waited(wait);
                continue;
            }
            if is_quiet && is_hastened {
                self.have_caught_up()?;
                return Ok(());
            }
            if is_quiet {
                // What was told and not seen is looked at once more now, rather than at its hour.
                self.store.hasten(self.world.now())?;
                is_hastened = true;
            }
        }
    }

    /// How long a map with changes that wait is kept from them by a system that is left alone, and how long it is worth waiting.
    fn wait_for_systems(&mut self) -> store::Result<Option<(Duration, Duration)>> {
        let now = self.world.now();
        let (mut wait, mut most): (Option<Duration>, _) = (None, FAILING_WAIT_MAX);
        for id in self.pipe_ids() {
            let Some(until) = self.shut_until(id, now) else { continue };
            let plan = self.name(id).to_owned();
            let figures = self.store.figures(&plan)?;
            if figures.queued > 0 {
                let own = Duration::try_from(until.duration_since(now)).unwrap_or(Duration::ZERO).max(POLL_MIN);
                wait = Some(wait.map_or(own, |it| it.min(own)));
                most = if self.has_asked_for_time(id, now) { SYSTEMS_WAIT_MAX } else { most };
            }
        }
        Ok(wait.map(|it| (it, most)))
    }

    /// Maps whose feeds tell changes: they run, or queue what comes after their first reading.
    fn listening(&mut self) -> store::Result<Vec<PipeId>> {
        let mut out = Vec::new();
        for id in self.pipe_ids() {
            let plan = self.name(id).to_owned();
            let is_listening = match self.phases[id.0] {
                Phase::Running | Phase::CatchingUp => true,
                Phase::Paused | Phase::Blocked => had_initial_sync(self.store.as_mut(), &plan)?,
                Phase::Stopped | Phase::Initializing => false,
            };
            if is_listening {
                out.push(id);
            }
        }
        Ok(out)
    }

    /// Reads all feeds from their start and looks at every row again. What is in step is not written.
    pub async fn replay(&mut self) -> Result<(), super::initial::Error> {
        for id in self.pipe_ids() {
            for side in Side::BOTH {
                let plan = self.name(id).to_owned();
                self.store.rewind(&plan, side)?;
                self.read_to_end(id, side).await?;
            }
        }
        while self.work(true).await? {}
        Ok(())
    }

    /// Journals a feed up to now. True: there was something.
    pub(super) async fn read_to_end(&mut self, id: PipeId, side: Side) -> Result<bool, super::initial::Error> {
        let pipe = self.pipes[id.0].clone();
        let (mut had_news, mut is_read_anew) = (false, false);
        loop {
            let token: Option<Token> = self.store.stream(&pipe.plan.name, side)?.token;
            let page = pipe.systems[side].feed(&pipe.plan.shapes[side], token.as_ref()).await;
            let page = match page {
                Ok(page) => page,
                // The position is too old for the system to know. It is lost once: a reading from the start has none.
                Err(failure) if failure.class == Class::Schema && token.is_some() && !is_read_anew => {
                    is_read_anew = true;
                    self.feed_failed(id, side, &failure, Duration::ZERO)?;
                    continue;
                }
                Err(failure) => return Err(super::initial::Error::System { plan: pipe.plan.name.clone(), side, failure }),
            };
            let (is_last, is_empty) = (page.is_last, page.changes.is_empty());
            had_news |= !is_empty;
            self.journal(id, side, page)?;
            if is_last {
                return Ok(had_news);
            }
        }
    }
}
