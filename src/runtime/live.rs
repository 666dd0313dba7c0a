//! Live sync: feeds are read side by side, pages become journal entries, entries become rounds of reconciles.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::control::next_call;
use super::control::states::had_initial_sync;
use super::deployment::{Deployment, Note};
use super::pipe::PipeId;
use crate::change::{Class, Failure, Page, Side, Token};
use crate::store::{self, Phase};

/// Longest wait between two tries of a feed that fails.
const BACKOFF_MAX: Duration = Duration::from_secs(60);
/// Wait before a feed is read again whose side refuses us: a person must act first.
const REFUSED_WAIT: Duration = Duration::from_secs(60);
/// Longest rest while held links may come due.
const REST_MAX: Duration = Duration::from_secs(1);

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

/// A page, and the position after which it was asked for.
type Reading = (PipeId, Side, Option<Token>, Result<Page, Failure>);

/// The readings under way: one a map and side, so that a slow system holds up nobody else.
struct Feeds {
    under_way: JoinSet<Reading>,
    open: BTreeSet<(PipeId, Side)>,
    failures: BTreeMap<(PipeId, Side), u32>,
}

impl Deployment {
    /// Keeps all maps in step until the end is wished for.
    pub async fn run(&mut self, mut shutdown: Shutdown) -> store::Result<()> {
        let mut feeds = Feeds { under_way: JoinSet::new(), open: BTreeSet::new(), failures: BTreeMap::new() };
        self.carry_out_decisions().await?;
        while !shutdown.is_wished() {
            while let Some(reading) = feeds.under_way.try_join_next() {
                self.take_in(&mut feeds, reading.expect("a reading does not panic and is not cancelled")).await?;
            }
            self.attend().await?;
            self.tend().await?;
            self.read_feeds(&mut feeds)?;
            let has_worked = self.work(false).await?;
            if self.initial_turn().await? || has_worked || self.load_turn().await? {
                continue;
            }
            self.have_caught_up()?;
            tokio::select! {
                Some(reading) = feeds.under_way.join_next() => {
                    self.take_in(&mut feeds, reading.expect("a reading does not panic and is not cancelled")).await?;
                }
                call = next_call(&mut self.calls) => self.serve(call).await?,
                () = shutdown.wished() => {}
                () = tokio::time::sleep(REST_MAX) => {}
            }
        }
        Ok(())
    }

    /// Starts the readings of maps that have come to listen.
    fn read_feeds(&mut self, feeds: &mut Feeds) -> store::Result<()> {
        for id in self.pipe_ids() {
            for side in Side::BOTH {
                if self.listens(id) && !feeds.open.contains(&(id, side)) {
                    self.read_feed(feeds, id, side, Duration::ZERO)?;
                }
            }
        }
        Ok(())
    }

    /// Starts the next reading of a feed, unless this map does not listen to that side.
    fn read_feed(&mut self, feeds: &mut Feeds, id: PipeId, side: Side, after: Duration) -> store::Result<()> {
        if !self.listens(id) {
            return Ok(());
        }
        let pipe = &self.pipes[id.0];
        let (system, plan) = (pipe.systems[side].clone(), pipe.plan.clone());
        let token = self.store.stream(&plan.name, side)?.token;
        feeds.open.insert((id, side));
        feeds.under_way.spawn(async move {
            tokio::time::sleep(after).await;
            let page = system.feed(&plan.shapes[side], token.as_ref()).await;
            (id, side, token, page)
        });
        Ok(())
    }

    async fn take_in(&mut self, feeds: &mut Feeds, (id, side, token, page): Reading) -> store::Result<()> {
        feeds.open.remove(&(id, side));
        let plan = self.name(id).to_owned();
        let stream = self.store.stream(&plan, side)?;
        if !self.listens(id) || stream.token != token {
            // The map was stopped, or starts anew: the page is not what is asked for now.
            return self.read_feed(feeds, id, side, Duration::ZERO);
        }
        let failures = feeds.failures.entry((id, side)).or_default();
        let wait = match page {
            Ok(page) => {
                *failures = 0;
                let wait = if page.is_last { self.settings.poll_every } else { Duration::ZERO };
                if stream.is_live {
                    self.journal(id, side, page)?;
                } else {
                    self.stage_page(id, side, page).await?;
                }
                self.heard(id, side);
                wait
            }
            Err(failure) => {
                let wait = match failure.class {
                    Class::Auth => REFUSED_WAIT,
                    _ => failure.retry_after.unwrap_or_else(|| backoff(*failures)),
                };
                *failures += 1;
                self.feed_failed(id, side, &failure, wait)?;
                wait
            }
        };
        self.read_feed(feeds, id, side, wait)
    }

    fn journal(&mut self, id: PipeId, side: Side, page: Page) -> store::Result<()> {
        let plan = self.name(id).to_owned();
        let stream = self.store.stream(&plan, side)?;
        let is_news = !page.changes.is_empty() || stream.token.as_ref() != Some(&page.next) || !stream.is_live;
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
            self.look_at_all.insert(id);
        }
        self.watcher.note(&plan, Note::Unreadable { side, message: failure.message.clone(), retry_in });
        Ok(())
    }

    /// Reads all feeds and carries out everything, until nothing is new and nothing waits. Bounded by the users' own activity.
    pub async fn settle(&mut self) -> Result<(), super::initial::Error> {
        self.carry_out_decisions().await?;
        loop {
            let mut is_quiet = true;
            for id in self.listening()? {
                for side in Side::BOTH {
                    is_quiet &= !self.read_to_end(id, side).await?;
                }
            }
            while self.work(false).await? {
                is_quiet = false;
            }
            while self.load_turn().await? {
                is_quiet = false;
            }
            if is_quiet {
                self.have_caught_up()?;
                return Ok(());
            }
        }
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
    async fn read_to_end(&mut self, id: PipeId, side: Side) -> Result<bool, super::initial::Error> {
        let pipe = self.pipes[id.0].clone();
        let mut had_news = false;
        loop {
            let token: Option<Token> = self.store.stream(&pipe.plan.name, side)?.token;
            let page = pipe.systems[side].feed(&pipe.plan.shapes[side], token.as_ref()).await;
            let page = page.map_err(|failure| super::initial::Error::System { plan: pipe.plan.name.clone(), side, failure })?;
            let (is_last, is_empty) = (page.is_last, page.changes.is_empty());
            had_news |= !is_empty;
            self.journal(id, side, page)?;
            if is_last {
                return Ok(had_news);
            }
        }
    }
}
