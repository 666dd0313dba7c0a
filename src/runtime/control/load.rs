//! Reading a range of keys again while a map runs: page by page, at low priority, by the path that the initial sync takes.
//!
//! Correctness never depends on a page: a row that is read calls for a reconcile of its record, and that looks at both sides.
//! The place after a page is on file only when the page is dealt with, so a restart repeats at most one page.

use std::collections::HashSet;
use std::time::Duration;

use crate::change::{Seen, Side, Sides};
use crate::interp;
use crate::runtime::deployment::{Deployment, Note};
use crate::runtime::evaluate::evaluate;
use crate::runtime::initial::Error;
use crate::runtime::pipe::PipeId;
use crate::store::desk::{Act, Load};
use crate::store::{self, Match};
use crate::value::{Decimal, Value};

/// Rows of a page.
const ROWS_MAX: usize = 100;
/// Rest after a page that could not be read.
const REST: Duration = Duration::from_secs(5);

impl Deployment {
    /// Reads one page of one load of a map that runs. False: there is none.
    pub(in crate::runtime) async fn load_turn(&mut self) -> store::Result<bool> {
        let now = self.world.now();
        if self.loads_rest_until.is_some_and(|it| now < it) {
            return Ok(false);
        }
        let Some(id) = self.pipe_ids().find(|&it| self.has_load[it.0] && self.flows(it)) else { return Ok(false) };
        match self.load_page(id).await {
            Ok(()) => Ok(true),
            Err(Error::Store(error)) => Err(error),
            Err(Error::System { plan, side, failure }) => {
                let retry_in = failure.retry_after.unwrap_or(REST);
                self.loads_rest_until = now.checked_add(retry_in).ok();
                self.watcher.note(&plan, Note::Unreadable { side, message: failure.message, retry_in });
                Ok(false)
            }
        }
    }

    /// Reads every row of both sides, and deals with it, before anything else.
    pub(super) async fn read_all_again(&mut self, id: PipeId) -> Result<(), Error> {
        let name = self.name(id).to_owned();
        let load = Load { from: None, to: None, side: Side::Left, after: None, rows_read: 0, rows_taken: 0 };
        self.store.set_load(&name, Some(&load))?;
        while self.store.load(&name)?.is_some() {
            self.load_page(id).await?;
        }
        while self.work(false).await? {}
        Ok(())
    }

    async fn load_page(&mut self, id: PipeId) -> Result<(), Error> {
        let pipe = self.pipes[id.0].clone();
        let name = pipe.plan.name.clone();
        let Some(load) = self.store.load(&name)? else {
            self.has_load[id.0] = false;
            return Ok(());
        };
        let side = load.side;
        let page = pipe.systems[side].scan(&pipe.plan.shapes[side], load.after.as_ref(), ROWS_MAX).await;
        let page = page.map_err(|failure| Error::System { plan: name.clone(), side, failure })?;
        let (next, is_last) = (page.next.clone(), page.is_last);
        let rows = page.into_rows();
        let rows_read = load.rows_read + rows.len() as u64;
        let rows = self.in_range(id, side, rows, &load).await;
        let rows_taken = load.rows_taken + rows.len() as u64;
        self.look_at_rows(id, side, rows).await?;
        let load = Load { rows_read, rows_taken, ..load };
        let next = match (is_last, side) {
            (false, _) => Some(Load { after: Some(next), ..load }),
            (true, Side::Left) => Some(Load { side: Side::Right, after: None, ..load }),
            (true, Side::Right) => None,
        };
        self.store.set_load(&name, next.as_ref())?;
        if next.is_none() {
            self.has_load[id.0] = false;
            self.record_end(&name, rows_read, rows_taken)?;
        }
        Ok(())
    }

    async fn in_range(&mut self, id: PipeId, side: Side, rows: Vec<Seen>, load: &Load) -> Vec<Seen> {
        if load.from.is_none() && load.to.is_none() {
            return rows;
        }
        let keys = evaluate(&self.pipes, &mut self.references, id, &rows, |cx, row| interp::key(cx, side, &row.record)).await;
        // A row whose key cannot be told is looked at too: the look says what is wrong with it.
        let is_wanted =
            |key: &Option<Value>| key.as_ref().is_none_or(|it| is_within(it, load.from.as_deref(), load.to.as_deref()));
        rows.into_iter().zip(keys).filter(|(_, key)| key.as_ref().map_or(true, is_wanted)).map(|(row, _)| row).collect()
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
