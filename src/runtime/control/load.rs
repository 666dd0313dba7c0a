//! Reading a range of keys again while a map runs: page by page, at low priority, by the path that the initial sync takes.
//!
//! Correctness never depends on a page: a row that is read calls for a reconcile of its record, and that looks at both sides.
//! The place after a page is on file only when the page is dealt with, so a restart repeats at most one page.

use std::collections::HashSet;
use std::time::Duration;

use crate::change::{Failure, Seen, Side, Sides, Token};
use crate::interp::{Lookups, Prepared};
use crate::runtime::deployment::{Deployment, Note};
use crate::runtime::errand::Errand;
use crate::runtime::evaluate::evaluate;
use crate::runtime::pipe::{Pipe, PipeId};
use crate::runtime::references::References;
use crate::store::desk::{Act, Load};
use crate::store::{self, Match};
use crate::value::{Decimal, Value};

/// Rows of a page.
const ROWS_MAX: usize = 100;
/// Rest after a page that could not be read.
const REST: Duration = Duration::from_secs(5);

/// Rows of a page of a load that are wanted.
pub struct Part {
    id: PipeId,
    /// As it was when they were asked for.
    load: Load,
    next: Option<Token>,
    rows_read: u64,
    rows: Vec<Seen>,
}

/// A page, or the map and side that could not be read.
pub type Told = Result<Part, (String, Side, Failure)>;

/// Reads the next page of a load.
async fn part(pipes: Vec<Pipe>, id: PipeId, load: Load) -> Told {
    let (pipe, side) = (&pipes[id.0], load.side);
    let page = pipe.systems[side].scan(&pipe.plan.shapes[side], load.after.as_ref(), ROWS_MAX).await;
    let page = page.map_err(|failure| (pipe.plan.name.clone(), side, failure))?;
    let next = (!page.is_last).then(|| page.next.clone());
    let rows = page.into_rows();
    let rows_read = rows.len() as u64;
    let rows = in_range(&pipes, id, side, rows, &load).await;
    Ok(Part { id, load, next, rows_read, rows })
}

async fn in_range(pipes: &[Pipe], id: PipeId, side: Side, rows: Vec<Seen>, load: &Load) -> Vec<Seen> {
    if load.from.is_none() && load.to.is_none() {
        return rows;
    }
    let key = |plan: &Prepared, lookups: &Lookups, row: &Seen| plan.key_of(lookups, side, &row.record);
    let keys = evaluate(pipes, &mut References::default(), id, &rows, key).await;
    // A row whose key cannot be told is looked at too: the look says what is wrong with it.
    let is_wanted = |key: &Option<Value>| key.as_ref().is_none_or(|it| is_within(it, load.from.as_deref(), load.to.as_deref()));
    rows.into_iter().zip(keys).filter(|(_, key)| key.as_ref().map_or(true, is_wanted)).map(|(row, _)| row).collect()
}

impl Deployment {
    /// Deals with a page of one load of a map that runs, or asks for it. False: there is none, or it is not there yet.
    pub(in crate::runtime) async fn load_turn(&mut self) -> store::Result<bool> {
        let now = self.world.now();
        match self.loading.take() {
            Some(Ok(part)) => return self.take_part(part).await.map(|()| true),
            Some(Err((plan, side, failure))) => {
                let retry_in = failure.retry_after.unwrap_or(REST);
                self.loads_rest_until = now.checked_add(retry_in).ok();
                self.watcher.note(&plan, Note::Unreadable { side, message: failure.message, retry_in });
                return Ok(false);
            }
            None => {}
        }
        if self.loading.is_under_way() || self.loads_rest_until.is_some_and(|it| now < it) {
            return Ok(false);
        }
        let Some(id) = self.pipe_ids().find(|&it| self.has_load[it.0] && self.flows(it)) else { return Ok(false) };
        let name = self.name(id).to_owned();
        match self.store.load(&name)? {
            Some(load) => self.loading = Errand::start(part(self.pipes.clone(), id, load)),
            None => self.has_load[id.0] = false,
        }
        Ok(false)
    }

    /// Until all loads are done.
    pub(in crate::runtime) async fn finish_loads(&mut self) -> store::Result<bool> {
        let mut was_any = false;
        loop {
            if self.load_turn().await? {
                was_any = true;
            } else if self.loading.is_under_way() {
                self.loading.ready().await;
            } else {
                return Ok(was_any);
            }
        }
    }

    /// Rows of a load that were read. What was asked for may be something else by now.
    async fn take_part(&mut self, Part { id, load, next, rows_read, rows }: Part) -> store::Result<()> {
        let name = self.name(id).to_owned();
        if self.store.load(&name)?.as_ref() != Some(&load) || !self.flows(id) {
            return Ok(());
        }
        let (rows_read, rows_taken) = (load.rows_read + rows_read, load.rows_taken + rows.len() as u64);
        self.look_at_rows(id, load.side, rows).await?;
        let side = load.side;
        let load = Load { rows_read, rows_taken, ..load };
        let next = match (next, side) {
            (Some(next), _) => Some(Load { after: Some(next), ..load }),
            (None, Side::Left) => Some(Load { side: Side::Right, after: None, ..load }),
            (None, Side::Right) => None,
        };
        self.store.set_load(&name, next.as_ref())?;
        if next.is_none() {
            self.has_load[id.0] = false;
            self.record_end(&name, rows_read, rows_taken)?;
        }
        Ok(())
    }

    async fn look_at_rows(&mut self, id: PipeId, side: Side, rows: Vec<Seen>) -> store::Result<()> {
        let (mut jobs, mut busy) = (Vec::with_capacity(rows.len()), HashSet::new());
        for row in rows {
            let mut group = Match { key: None, rows: Sides::default() };
            group.rows[side].push(row);
            jobs.extend(self.job_for(id, group, None)?.filter(|it| busy.insert(it.link())));
        }
        self.fly(jobs).await
    }

    fn record_end(&mut self, plan: &str, read: u64, taken: u64) -> store::Result<()> {
        let at = self.world.moment();
        let what = format!("reload ended: {read} rows read, {taken} looked at");
        let (plan, who, why) = (Some(plan.to_owned()), String::new(), String::new());
        self.store.record(&Act { op: at.op, at: at.now, plan, link: None, who, what, why })
    }
}

/// The key lies between the two, both included: by number where all three are numbers, else by text without case.
fn is_within(key: &Value, from: Option<&str>, to: Option<&str>) -> bool {
    let key = plain(key);
    let is_above = |low: &str| order(&key, low).is_ge();
    let is_below = |high: &str| order(&key, high).is_le();
    from.is_none_or(is_above) && to.is_none_or(is_below)
}

fn order(one: &str, other: &str) -> std::cmp::Ordering {
    match (one.parse::<Decimal>(), other.parse::<Decimal>()) {
        (Ok(one), Ok(other)) => one.cmp(&other),
        (Ok(_) | Err(_), _) => one.to_lowercase().cmp(&other.to_lowercase()),
    }
}

/// The key as people type it: its parts with commas between them.
fn plain(key: &Value) -> String {
    match key {
        Value::Tuple(parts) => parts.iter().map(plain).collect::<Vec<_>>().join(","),
        Value::Text(text) => text.to_string(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::is_within;
    use crate::value::Value;

    fn key(text: &str) -> Value {
        Value::Tuple(vec![Value::text(text)].into())
    }

    #[test]
    fn both_ends_of_a_range_belong_to_it() {
        assert!(is_within(&key("A-2"), Some("A-2"), Some("A-2")));
        assert!(!is_within(&key("A-1"), Some("A-2"), None));
        assert!(!is_within(&key("B-1"), None, Some("A-9")));
    }

    #[test]
    fn numbers_are_ordered_as_numbers() {
        assert!(is_within(&key("9"), Some("8"), Some("10")));
        assert!(!is_within(&key("100"), Some("8"), Some("10")));
    }
}
