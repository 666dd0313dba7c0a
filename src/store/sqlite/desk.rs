//! The desk of a state file: one method, one transaction.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::image::{Bytes, Nanos, SideNumber};
use super::{Outcome, Sqlite, bound, journal, links, plan_number, views};
use crate::change::{Class, LinkId, Side};
use crate::engine::link::{Commit, LedgerEntry, Link, OpId};
use crate::store::Result;
use crate::store::desk::{Act, Decision, Desk, LeftAlone, Line, Load, Sampled, Standing, Verified};
use crate::value::Timestamp;

impl Desk for Sqlite {
    fn plans(&mut self) -> Result<Vec<String>> {
        self.read(|db| {
            let mut select = db.prepare_cached("SELECT name FROM plan ORDER BY num")?;
            let names = select.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
            Ok(names)
        })
    }

    fn standing(&mut self, plan: &str) -> Result<Standing> {
        self.read(|db| standing(db, plan))
    }

    fn stand(&mut self, plan: &str, standing: &Standing) -> Result<()> {
        self.write("stand", |db| stand(db, plan, standing))
    }

    fn restart(&mut self, plan: &str) -> Result<()> {
        self.write("restart", |db| {
            let plan = plan_number(db, plan)?;
            db.execute("DELETE FROM staged WHERE plan = ?1", [plan])?;
            for side in Side::BOTH {
                journal::move_token(db, plan, side, None, false)?;
            }
            Ok(())
        })
    }

    fn record(&mut self, act: &Act) -> Result<()> {
        self.write("record", |db| put_act(db, act))
    }

    fn acts(&mut self, plan: Option<&str>, limit: usize) -> Result<Vec<Act>> {
        self.read(|db| {
            let mut select = db.prepare_cached(
                "SELECT op, at, plan, link, who, what, why FROM act
                 WHERE ?1 IS NULL OR plan IS NULL OR plan = ?1 ORDER BY num DESC LIMIT ?2",
            )?;
            let acts = select.query_map(params![plan, bound(limit)], act)?.collect::<rusqlite::Result<_>>()?;
            Ok(acts)
        })
    }

    fn acts_on(&mut self, link: LinkId, limit: usize) -> Result<Vec<Act>> {
        self.read(|db| {
            let mut select = db.prepare_cached(
                "SELECT op, at, plan, link, who, what, why FROM act WHERE link = ?1 ORDER BY num DESC LIMIT ?2",
            )?;
            let acts = select.query_map(params![Bytes::from(link), bound(limit)], act)?.collect::<rusqlite::Result<_>>()?;
            Ok(acts)
        })
    }

    fn decide(&mut self, decision: &Decision) -> Result<i64> {
        self.write("decide", |db| {
            db.prepare_cached("INSERT INTO decision(body) VALUES (?1)")?.execute([serde_json::to_string(decision)?])?;
            Ok(db.last_insert_rowid())
        })
    }

    fn decisions(&mut self, limit: usize) -> Result<Vec<(i64, Decision)>> {
        self.read(|db| decisions(db, "SELECT num, body FROM decision ORDER BY num LIMIT ?1", limit))
    }

    fn last_decision(&mut self) -> Result<Option<(i64, Decision)>> {
        self.read(|db| Ok(decisions(db, "SELECT num, body FROM decision ORDER BY num DESC LIMIT ?1", 1)?.pop()))
    }

    fn settle_decision(&mut self, number: i64, commit: Option<&Commit>, act: &Act) -> Result<()> {
        self.write("settle_decision", |db| {
            if let Some(commit) = commit {
                let plan = plan_number(db, &commit.link.plan)?;
                links::put(db, plan, &commit.link)?;
                views::put_ledger(db, plan, &commit.ledger)?;
                views::put_activity(db, &commit.activity)?;
            }
            put_act(db, act)?;
            db.prepare_cached("DELETE FROM decision WHERE num = ?1")?.execute([number])?;
            Ok(())
        })
    }

    fn displace(&mut self, plan: &str, entries: &[LedgerEntry]) -> Result<()> {
        self.write("displace", |db| views::put_ledger(db, plan_number(db, plan)?, entries))
    }

    fn links_with_key(&mut self, plan: &str, key: &str, limit: usize) -> Result<Vec<Link>> {
        self.read(|db| links::with_key(db, plan_number(db, plan)?, key, limit))
    }

    fn conflicted(&mut self, plan: &str, limit: usize) -> Result<Vec<Link>> {
        self.read(|db| links::conflicted(db, plan_number(db, plan)?, limit))
    }

    fn history(&mut self, plan: Option<&str>, limit: usize) -> Result<Vec<Line>> {
        self.read(|db| history(db, plan, limit))
    }

    fn displaced(&mut self, link: LinkId, limit: usize) -> Result<Vec<LedgerEntry>> {
        self.read(|db| views::ledger_of(db, link, limit))
    }

    fn held_since(&mut self, plan: &str, class: Option<Class>, since: Timestamp) -> Result<u64> {
        self.read(|db| held_since(db, plan_number(db, plan)?, class, since))
    }

    fn load(&mut self, plan: &str) -> Result<Option<Load>> {
        self.read(|db| {
            let plan = plan_number(db, plan)?;
            let mut select = db.prepare_cached("SELECT body FROM load WHERE plan = ?1")?;
            let body: Option<String> = select.query_row([plan], |row| row.get(0)).optional()?;
            Ok(body.map(|it| serde_json::from_str(&it)).transpose()?)
        })
    }

    fn set_load(&mut self, plan: &str, load: Option<&Load>) -> Result<()> {
        self.write("set_load", |db| {
            let plan = plan_number(db, plan)?;
            match load {
                Some(load) => db
                    .prepare_cached("INSERT OR REPLACE INTO load(plan, body) VALUES (?1, ?2)")?
                    .execute(params![plan, serde_json::to_string(load)?])?,
                None => db.prepare_cached("DELETE FROM load WHERE plan = ?1")?.execute([plan])?,
            };
            Ok(())
        })
    }

    fn sampled(&mut self, plan: &str) -> Result<Option<Sampled>> {
        self.read(|db| {
            let plan = plan_number(db, plan)?;
            let mut select = db.prepare_cached("SELECT body FROM sampled WHERE plan = ?1")?;
            let body: Option<String> = select.query_row([plan], |row| row.get(0)).optional()?;
            Ok(body.map(|it| serde_json::from_str(&it)).transpose()?)
        })
    }

    fn set_sampled(&mut self, plan: &str, sampled: Option<&Sampled>) -> Result<()> {
        self.write("set_sampled", |db| {
            let plan = plan_number(db, plan)?;
            match sampled {
                Some(it) => db
                    .prepare_cached("INSERT OR REPLACE INTO sampled(plan, body) VALUES (?1, ?2)")?
                    .execute(params![plan, serde_json::to_string(it)?])?,
                None => db.prepare_cached("DELETE FROM sampled WHERE plan = ?1")?.execute([plan])?,
            };
            Ok(())
        })
    }

    fn verified(&mut self, plan: &str) -> Result<Option<Verified>> {
        self.read(|db| {
            let plan = plan_number(db, plan)?;
            let mut select = db.prepare_cached("SELECT at, pairs, differing FROM verified WHERE plan = ?1")?;
            let read = |row: &Row<'_>| {
                let (at, pairs, differing): (Nanos, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
                Ok(Verified { at: at.0, pairs: pairs.unsigned_abs(), differing: differing.unsigned_abs() })
            };
            Ok(select.query_row([plan], read).optional()?)
        })
    }

    fn set_verified(&mut self, plan: &str, it: Verified) -> Result<()> {
        self.write("set_verified", |db| {
            let number = |it: u64| i64::try_from(it).unwrap_or(i64::MAX);
            db.prepare_cached("INSERT OR REPLACE INTO verified(plan, at, pairs, differing) VALUES (?1, ?2, ?3, ?4)")?
                .execute(params![plan_number(db, plan)?, Nanos(it.at), number(it.pairs), number(it.differing)])?;
            Ok(())
        })
    }

    fn firing(&mut self) -> Result<Vec<(String, String, Timestamp)>> {
        self.read(|db| {
            let mut select = db.prepare_cached("SELECT rule, plan, since FROM alert ORDER BY rule, plan")?;
            let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get::<_, Nanos>(2)?.0));
            let alerts = select.query_map([], read)?.collect::<rusqlite::Result<_>>()?;
            Ok(alerts)
        })
    }

    fn set_firing(&mut self, rule: &str, plan: &str, since: Option<Timestamp>) -> Result<()> {
        self.write("set_firing", |db| {
            match since {
                Some(since) => db
                    .prepare_cached("INSERT OR REPLACE INTO alert(rule, plan, since) VALUES (?1, ?2, ?3)")?
                    .execute(params![rule, plan, Nanos(since)])?,
                None => db.prepare_cached("DELETE FROM alert WHERE rule = ?1 AND plan = ?2")?.execute(params![rule, plan])?,
            };
            Ok(())
        })
    }

    fn left_alone(&mut self) -> Result<Vec<(String, LeftAlone)>> {
        self.read(|db| {
            let mut select = db.prepare_cached("SELECT system, body FROM left_alone ORDER BY system")?;
            let mut rows = select.query([])?;
            let mut out = Vec::new();
            while let Some(row) = rows.next()? {
                out.push((row.get(0)?, serde_json::from_str(&row.get::<_, String>(1)?)?));
            }
            Ok(out)
        })
    }

    fn set_left_alone(&mut self, system: &str, how: Option<&LeftAlone>) -> Result<()> {
        self.write("left_alone", |db| {
            match how {
                Some(it) => db
                    .prepare_cached("INSERT OR REPLACE INTO left_alone(system, body) VALUES (?1, ?2)")?
                    .execute(params![system, serde_json::to_string(it)?])?,
                None => db.prepare_cached("DELETE FROM left_alone WHERE system = ?1")?.execute([system])?,
            };
            Ok(())
        })
    }

    fn raise_mark(&mut self) -> Result<()> {
        self.raise_mark_of_file().map_err(|fault| fault.at(&self.path))
    }

    fn is_behind(&mut self, plan: &str) -> Result<bool> {
        self.read(|db| {
            let plan = plan_number(db, plan)?;
            Ok(db.query_row("SELECT EXISTS(SELECT 1 FROM behind WHERE plan = ?1)", [plan], |row| row.get(0))?)
        })
    }

    fn has_caught_up(&mut self, plan: &str) -> Result<()> {
        self.write("caught_up", |db| {
            db.execute("DELETE FROM behind WHERE plan = ?1", [plan_number(db, plan)?])?;
            Ok(())
        })
    }
}

fn decisions(db: &Connection, sql: &str, limit: usize) -> Outcome<Vec<(i64, Decision)>> {
    let mut select = db.prepare_cached(sql)?;
    let mut rows = select.query([bound(limit)])?;
    let mut out = Vec::new();
    while let Some(row) = rows.next()? {
        out.push((row.get(0)?, serde_json::from_str(&row.get::<_, String>(1)?)?));
    }
    Ok(out)
}

fn standing(db: &Connection, plan: &str) -> Outcome<Standing> {
    let (phase, why) = views::phase(db, plan)?;
    let mut select = db.prepare_cached("SELECT since, who, master FROM standing WHERE plan = ?1")?;
    let read = |row: &Row<'_>| {
        let (since, who, master): (Nanos, String, Option<SideNumber>) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok((since.0, who, master.map(|it| it.0)))
    };
    let found = select.query_row([plan_number(db, plan)?], read).optional()?;
    let (since, who, master) = found.map_or((None, String::new(), None), |(since, who, master)| (Some(since), who, master));
    Ok(Standing { phase, why, since, who, master })
}

fn stand(db: &Connection, plan: &str, it: &Standing) -> Outcome<()> {
    views::set_phase(db, plan, it.phase, &it.why)?;
    let Some(since) = it.since else { return Ok(()) };
    db.prepare_cached("INSERT OR REPLACE INTO standing(plan, since, who, master) VALUES (?1, ?2, ?3, ?4)")?.execute(params![
        plan_number(db, plan)?,
        Nanos(since),
        it.who,
        it.master.map(SideNumber)
    ])?;
    Ok(())
}

fn put_act(db: &Connection, act: &Act) -> Outcome<()> {
    db.prepare_cached("INSERT INTO act(at, plan, link, op, who, what, why) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?
        .execute(params![Nanos(act.at), act.plan, act.link.map(Bytes::from), Bytes::from(act.op), act.who, act.what, act.why])?;
    Ok(())
}

fn act(row: &Row<'_>) -> rusqlite::Result<Act> {
    let (op, at, link): (Bytes, Nanos, Option<Bytes>) = (row.get(0)?, row.get(1)?, row.get(3)?);
    Ok(Act {
        op: OpId(op.0),
        at: at.0,
        plan: row.get(2)?,
        link: link.map(|it| LinkId(it.0)),
        who: row.get(4)?,
        what: row.get(5)?,
        why: row.get(6)?,
    })
}

fn history(db: &Connection, plan: Option<&str>, limit: usize) -> Outcome<Vec<Line>> {
    let plan = plan.map(|it| plan_number(db, it)).transpose()?;
    let mut select = db.prepare_cached(
        "SELECT activity.link, op, at, kind, text, plan.name, link.key FROM activity
         JOIN link ON link.id = activity.link JOIN plan ON plan.num = link.plan
         WHERE ?1 IS NULL OR link.plan = ?1 ORDER BY activity.num DESC LIMIT ?2",
    )?;
    let mut rows = select.query(params![plan, bound(limit)])?;
    let mut out = Vec::new();
    while let Some(row) = rows.next()? {
        out.push(Line { activity: views::line(row)?, plan: row.get(5)?, key: row.get(6)? });
    }
    Ok(out)
}

/// Holds are few, and each is a text: so they are read, and no index has to follow every change of one.
fn held_since(db: &Connection, plan: i64, class: Option<Class>, since: Timestamp) -> Outcome<u64> {
    let mut select = db.prepare_cached("SELECT hold FROM hold WHERE plan = ?1")?;
    let mut rows = select.query([plan])?;
    let mut count = 0;
    while let Some(row) = rows.next()? {
        let hold: crate::engine::link::Hold = serde_json::from_str(&row.get::<_, String>(0)?)?;
        count += u64::from(hold.since >= since && class.is_none_or(|it| it == hold.class));
    }
    Ok(count)
}
