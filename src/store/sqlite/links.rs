//! Links: the small row that every change touches, and the parts that hang on it.

use rusqlite::{CachedStatement, Connection, OptionalExtension, Params, Row, params};

use super::image::{Bytes, Nanos, SideNumber, read_record, write_record, write_value};
use super::{Fault, Outcome, bound};
use crate::change::{LinkId, RemoteId, Side, Sides, Version};
use crate::engine::link::{Intent, Link, LinkState, OpId};
use crate::failpoint;
use crate::value::{Timestamp, Value};

/// The one shard of a state file; a shared database has more.
const SHARD: i64 = 0;

pub fn state_number(state: LinkState) -> i64 {
    match state {
        LinkState::PendingCreate => 0,
        LinkState::Live => 1,
        LinkState::Dormant => 2,
        LinkState::Dead => 3,
    }
}

fn state_of(number: i64) -> Outcome<LinkState> {
    match number {
        0 => Ok(LinkState::PendingCreate),
        1 => Ok(LinkState::Live),
        2 => Ok(LinkState::Dormant),
        3 => Ok(LinkState::Dead),
        other => Err(Fault::Said(format!("a link has the unknown state {other}; use the dwmap that wrote it"))),
    }
}

macro_rules! select_links {
    ($rest:literal) => {
        concat!(
            "SELECT link.id, plan.name, state, left_row, right_row, left_version, right_version, link.key ",
            "FROM link JOIN plan ON plan.num = link.plan ",
            $rest
        )
    };
}

pub fn link(db: &Connection, id: LinkId) -> Outcome<Option<Link>> {
    let select = db.prepare_cached(select_links!("WHERE link.id = ?1"))?;
    Ok(read(db, select, params![Bytes::from(id)])?.pop())
}

pub fn links(db: &Connection, plan: i64, after: Option<LinkId>, limit: usize) -> Outcome<Vec<Link>> {
    let select = db.prepare_cached(select_links!("WHERE link.plan = ?1 AND link.id > ?2 ORDER BY link.id LIMIT ?3"))?;
    let after = after.map_or(Vec::new(), |it| it.0.as_bytes().to_vec());
    read(db, select, params![plan, after, bound(limit)])
}

pub fn links_of(db: &Connection, plan: i64, side: Side, ids: &[RemoteId]) -> Outcome<Vec<Option<Link>>> {
    let (now, dead) = match side {
        Side::Left => (
            select_links!("WHERE link.plan = ?1 AND left_row = ?2 AND state <> 3"),
            select_links!("WHERE link.plan = ?1 AND left_row = ?2 AND state = 3 ORDER BY link.id DESC LIMIT 1"),
        ),
        Side::Right => (
            select_links!("WHERE link.plan = ?1 AND right_row = ?2 AND state <> 3"),
            select_links!("WHERE link.plan = ?1 AND right_row = ?2 AND state = 3 ORDER BY link.id DESC LIMIT 1"),
        ),
    };
    let find = |id: &RemoteId| {
        let living = read(db, db.prepare_cached(now)?, params![plan, id.0])?.pop();
        match living {
            Some(link) => Ok(Some(link)),
            None => Ok(read(db, db.prepare_cached(dead)?, params![plan, id.0])?.pop()),
        }
    };
    ids.iter().map(find).collect()
}

pub fn due(db: &Connection, plan: i64, now: Timestamp, limit: usize) -> Outcome<Vec<Link>> {
    let select = db.prepare_cached(select_links!(
        "JOIN hold ON hold.link = link.id WHERE hold.plan = ?1 AND retry_at <= ?2 ORDER BY retry_at, link.id LIMIT ?3"
    ))?;
    read(db, select, params![plan, Nanos(now), bound(limit)])
}

pub fn asked(db: &Connection, plan: i64, now: Timestamp, limit: usize) -> Outcome<Vec<Link>> {
    let select = db.prepare_cached(select_links!(
        "JOIN asked ON asked.link = link.id WHERE asked.plan = ?1 AND due <= ?2 ORDER BY due, link.id LIMIT ?3"
    ))?;
    read(db, select, params![plan, Nanos(now), bound(limit)])
}

pub fn waiting_for(db: &Connection, awaited: &str, key: Option<&Value>, limit: usize) -> Outcome<Vec<Link>> {
    match key {
        Some(key) => {
            let select = db.prepare_cached(select_links!(
                "JOIN hold ON hold.link = link.id WHERE waits_plan = ?1 AND waits_key = ?2 ORDER BY link.id LIMIT ?3"
            ))?;
            read(db, select, params![awaited, write_value(key), bound(limit)])
        }
        None => {
            let select = db.prepare_cached(select_links!(
                "JOIN hold ON hold.link = link.id WHERE waits_plan = ?1 ORDER BY waits_key, link.id LIMIT ?2"
            ))?;
            read(db, select, params![awaited, bound(limit)])
        }
    }
}

pub fn held(db: &Connection, plan: i64, limit: usize) -> Outcome<Vec<Link>> {
    let select =
        db.prepare_cached(select_links!("JOIN hold ON hold.link = link.id WHERE hold.plan = ?1 ORDER BY link.id LIMIT ?2"))?;
    read(db, select, params![plan, bound(limit)])
}

pub fn conflicted(db: &Connection, plan: i64, limit: usize) -> Outcome<Vec<Link>> {
    let select = db.prepare_cached(select_links!(
        "JOIN conflict ON conflict.link = link.id WHERE conflict.plan = ?1 ORDER BY link.id LIMIT ?2"
    ))?;
    read(db, select, params![plan, bound(limit)])
}

/// The living first: those that were buried are of interest only where nothing took their place.
pub fn with_key(db: &Connection, plan: i64, key: &str, limit: usize) -> Outcome<Vec<Link>> {
    let select =
        db.prepare_cached(select_links!("WHERE link.plan = ?1 AND link.key = ?2 ORDER BY state = 3, link.id DESC LIMIT ?3"))?;
    read(db, select, params![plan, key, bound(limit)])
}

/// The links that `select` finds, with all their parts.
fn read(db: &Connection, mut select: CachedStatement<'_>, params: impl Params) -> Outcome<Vec<Link>> {
    let mut rows = select.query(params)?;
    let mut out = Vec::new();
    while let Some(row) = rows.next()? {
        let mut link = bare(row)?;
        add_parts(db, &mut link)?;
        out.push(link);
    }
    Ok(out)
}

fn bare(row: &Row<'_>) -> Outcome<Link> {
    let id: Bytes = row.get(0)?;
    Ok(Link {
        id: LinkId(id.0),
        plan: row.get(1)?,
        state: state_of(row.get(2)?)?,
        ids: Sides::new(row.get::<_, Option<String>>(3)?.map(RemoteId), row.get::<_, Option<String>>(4)?.map(RemoteId)),
        versions: Sides::new(row.get::<_, Option<String>>(5)?.map(Version), row.get::<_, Option<String>>(6)?.map(Version)),
        shadows: Sides::default(),
        intents: Vec::new(),
        hold: None,
        conflicts: Vec::new(),
        key: row.get(7)?,
    })
}

fn add_parts(db: &Connection, link: &mut Link) -> Outcome<()> {
    let id = Bytes::from(link.id);
    let mut shadows = db.prepare_cached("SELECT side, image FROM shadow WHERE link = ?1")?;
    let mut rows = shadows.query(params![id])?;
    while let Some(row) = rows.next()? {
        let side: SideNumber = row.get(0)?;
        link.shadows[side.0] = Some(read_record(row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?)?);
    }
    link.intents = intents(db, id)?;
    let text = |sql| Ok::<_, Fault>(db.prepare_cached(sql)?.query_row(params![id], |row| row.get::<_, String>(0)).optional()?);
    if let Some(hold) = text("SELECT hold FROM hold WHERE link = ?1")? {
        link.hold = Some(serde_json::from_str(&hold)?);
    }
    if let Some(conflicts) = text("SELECT rules FROM conflict WHERE link = ?1")? {
        link.conflicts = serde_json::from_str(&conflicts)?;
    }
    Ok(())
}

fn intents(db: &Connection, id: Bytes) -> Outcome<Vec<Intent>> {
    let mut select = db.prepare_cached(
        "SELECT op, side, expected, payload, base, rules, is_delete FROM intent WHERE link = ?1 ORDER BY place",
    )?;
    let mut rows = select.query(params![id])?;
    let mut out = Vec::new();
    while let Some(row) = rows.next()? {
        let (op, side): (Bytes, SideNumber) = (row.get(0)?, row.get(1)?);
        out.push(Intent {
            op: OpId(op.0),
            side: side.0,
            expected: row.get::<_, Option<String>>(2)?.map(Version),
            payload: read_record(&row.get::<_, String>(3)?)?,
            base: read_record(&row.get::<_, String>(4)?)?,
            rules: serde_json::from_str(&row.get::<_, String>(5)?)?,
            is_delete: row.get(6)?,
        });
    }
    Ok(out)
}

/// Writes the link and all its parts as they are now. Returns the links that gave up their row to it, or it itself if it had
/// to: a row belongs to one link, and a link that still waits for its other side gives way to one that has both.
pub fn put(db: &Connection, plan: i64, link: &Link) -> Outcome<Vec<LinkId>> {
    let mut gone = Vec::new();
    match link.state {
        LinkState::PendingCreate => {
            if owners(db, plan, link)?.iter().any(|(_, state)| *state != LinkState::PendingCreate) {
                put_whole(db, plan, &buried(link.clone()))?;
                return Ok(vec![link.id]);
            }
        }
        LinkState::Live | LinkState::Dormant => {
            for (id, _) in owners(db, plan, link)?.into_iter().filter(|(_, state)| *state == LinkState::PendingCreate) {
                if let Some(other) = self::link(db, id)? {
                    put_whole(db, plan, &buried(other))?;
                    gone.push(id);
                }
            }
        }
        LinkState::Dead => {}
    }
    put_whole(db, plan, link)?;
    Ok(gone)
}

/// The other links, not dead, that have one of this link's rows. Nearly always there is none, and every write asks: no more is
/// read of them than who they are.
fn owners(db: &Connection, plan: i64, link: &Link) -> Outcome<Vec<(LinkId, LinkState)>> {
    let mut out = Vec::new();
    for (side, row) in link.ids.iter() {
        let Some(row) = row else { continue };
        let mut select = db.prepare_cached(owners_of(side))?;
        let mut rows = select.query(params![plan, row.0, Bytes::from(link.id)])?;
        while let Some(row) = rows.next()? {
            let id: Bytes = row.get(0)?;
            out.push((LinkId(id.0), state_of(row.get(1)?)?));
        }
    }
    Ok(out)
}

/// The living links of a row of this side, but for one.
fn owners_of(side: Side) -> &'static str {
    match side {
        Side::Left => "SELECT id, state FROM link WHERE plan = ?1 AND left_row = ?2 AND state <> 3 AND id <> ?3",
        Side::Right => "SELECT id, state FROM link WHERE plan = ?1 AND right_row = ?2 AND state <> 3 AND id <> ?3",
    }
}

/// A link that gave up its row. What it sent may land later; it is undone then, because the link is still known.
fn buried(link: Link) -> Link {
    Link { state: LinkState::Dead, intents: Vec::new(), hold: None, conflicts: Vec::new(), ..link }
}

fn put_whole(db: &Connection, plan: i64, link: &Link) -> Outcome<()> {
    let text = |it: &Option<RemoteId>| it.as_ref().map(|it| it.0.clone());
    let version = |it: &Option<Version>| it.as_ref().map(|it| it.0.clone());
    db.prepare_cached(
        "INSERT INTO link(id, plan, shard, state, left_row, right_row, left_version, right_version, key)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
         ON CONFLICT(id) DO UPDATE SET plan = excluded.plan, state = excluded.state, left_row = excluded.left_row,
           right_row = excluded.right_row, left_version = excluded.left_version, right_version = excluded.right_version,
           key = excluded.key",
    )?
    .execute(params![
        Bytes::from(link.id),
        plan,
        SHARD,
        state_number(link.state),
        text(&link.ids[Side::Left]),
        text(&link.ids[Side::Right]),
        version(&link.versions[Side::Left]),
        version(&link.versions[Side::Right]),
        link.key,
    ])
    .map_err(|error| taken(error, link))?;
    failpoint::pass("link", "row");
    put_shadows(db, link)?;
    failpoint::pass("link", "shadows");
    put_intents(db, link)?;
    failpoint::pass("link", "intents");
    put_hold(db, plan, link)?;
    failpoint::pass("link", "hold");
    put_conflicts(db, plan, link)
}

/// Two links of one map must never own the same row: each would undo what the other does.
fn taken(error: rusqlite::Error, link: &Link) -> Fault {
    if error.sqlite_error_code() == Some(rusqlite::ErrorCode::ConstraintViolation) {
        let rows: Vec<&str> = link.ids.0.iter().flatten().map(|it| it.0.as_str()).collect();
        let (plan, id) = (&link.plan, link.id);
        return Fault::Said(format!(
            "map `{plan}`: another link owns a row of link {id} already ({}); nothing was changed",
            rows.join(", ")
        ));
    }
    Fault::Sql(error)
}

fn put_shadows(db: &Connection, link: &Link) -> Outcome<()> {
    for (side, shadow) in link.shadows.iter() {
        match shadow {
            Some(record) => db
                .prepare_cached(
                    "INSERT INTO shadow(link, side, image) VALUES (?1, ?2, ?3)
                     ON CONFLICT DO UPDATE SET image = excluded.image WHERE image <> excluded.image",
                )?
                .execute(params![Bytes::from(link.id), SideNumber(side), write_record(record)])?,
            None => db
                .prepare_cached("DELETE FROM shadow WHERE link = ?1 AND side = ?2")?
                .execute(params![Bytes::from(link.id), SideNumber(side)])?,
        };
    }
    Ok(())
}

fn put_intents(db: &Connection, link: &Link) -> Outcome<()> {
    let id = Bytes::from(link.id);
    db.prepare_cached("DELETE FROM intent WHERE link = ?1")?.execute(params![id])?;
    for (place, intent) in (0i64..).zip(&link.intents) {
        db.prepare_cached(
            "INSERT INTO intent(link, place, op, side, expected, payload, base, rules, is_delete)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?
        .execute(params![
            id,
            place,
            Bytes::from(intent.op),
            SideNumber(intent.side),
            intent.expected.as_ref().map(|it| it.0.as_str()),
            write_record(&intent.payload),
            write_record(&intent.base),
            serde_json::to_string(&intent.rules)?,
            intent.is_delete,
        ])?;
    }
    Ok(())
}

fn put_hold(db: &Connection, plan: i64, link: &Link) -> Outcome<()> {
    let Some(hold) = &link.hold else {
        db.prepare_cached("DELETE FROM hold WHERE link = ?1")?.execute(params![Bytes::from(link.id)])?;
        return Ok(());
    };
    db.prepare_cached(
        "INSERT OR REPLACE INTO hold(link, plan, retry_at, waits_plan, waits_key, hold) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![
        Bytes::from(link.id),
        plan,
        hold.retry_at.map(Nanos),
        hold.waits_on.as_ref().map(|(plan, _)| plan.as_str()),
        hold.waits_on.as_ref().map(|(_, key)| write_value(key)),
        serde_json::to_string(hold)?,
    ])?;
    Ok(())
}

fn put_conflicts(db: &Connection, plan: i64, link: &Link) -> Outcome<()> {
    if link.conflicts.is_empty() {
        db.prepare_cached("DELETE FROM conflict WHERE link = ?1")?.execute(params![Bytes::from(link.id)])?;
        return Ok(());
    }
    db.prepare_cached("INSERT OR REPLACE INTO conflict(link, plan, rules) VALUES (?1, ?2, ?3)")?.execute(params![
        Bytes::from(link.id),
        plan,
        serde_json::to_string(&link.conflicts)?
    ])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;

    use super::*;
    use crate::store::sqlite::Sqlite;
    use crate::value::{Record, Uuid};

    const PLAN: i64 = 1;
    const SHADOWS: &str = "SELECT side, image FROM shadow WHERE link = ?1";

    fn store() -> Sqlite {
        let store = Sqlite::in_memory().expect("memory is there");
        let plan = "INSERT INTO plan(num, name, left_shape, right_shape, phase, why) VALUES (?1, 'Plan', '', '', '', '')";
        store.db.execute(plan, params![PLAN]).expect("the table is there");
        store
    }

    fn link_of(number: u128, rows: [Option<&str>; 2]) -> Link {
        let ids = Sides(rows.map(|it| it.map(|it| RemoteId(it.to_owned()))));
        let is_whole = ids.iter().all(|(_, it)| it.is_some());
        Link {
            id: LinkId(Uuid::from_u128(number)),
            plan: "Plan".to_owned(),
            state: if is_whole { LinkState::Live } else { LinkState::PendingCreate },
            shadows: ids.map(|it| it.as_ref().map(|_| Record::from_values(vec![Value::Int(7)]))),
            ids,
            versions: Sides::default(),
            intents: Vec::new(),
            hold: None,
            conflicts: Vec::new(),
            key: String::new(),
        }
    }

    /// How often a statement was run.
    fn runs(store: &Sqlite, sql: &str) -> i32 {
        store.db.prepare_cached(sql).expect("the tables are there").get_status(StatementStatus::Run)
    }

    #[test]
    fn other_owners_of_a_row_are_looked_for_without_their_parts() {
        let store = store();
        for number in 0..10 {
            let row = number.to_string();
            put(&store.db, PLAN, &link_of(number, [Some(&row), Some(&row)])).expect("nobody has the row");
        }
        // A row that is taken: the link that waits gives way, and nothing of the other is read but who it is.
        let late = link_of(99, [Some("3"), None]);
        assert_eq!(put(&store.db, PLAN, &late).expect("it gives way"), [late.id]);
        assert_eq!(Side::BOTH.map(|side| runs(&store, owners_of(side))), [11, 10]);
        assert_eq!(runs(&store, SHADOWS), 0);
    }

    #[test]
    fn a_link_that_waits_gives_its_row_up_and_is_kept() {
        let store = store();
        let waiting = link_of(1, [Some("3"), None]);
        put(&store.db, PLAN, &waiting).expect("nobody has the row");
        assert_eq!(put(&store.db, PLAN, &link_of(2, [Some("3"), Some("4")])).expect("the row is given up"), [waiting.id]);
        let kept = link(&store.db, waiting.id).expect("it is read");
        assert_eq!(kept, Some(Link { state: LinkState::Dead, ..waiting }));
        assert_eq!(runs(&store, SHADOWS), 2, "the one that gave way, and the look just now");
    }

    #[test]
    fn owners_of_a_row_are_found_by_its_index() {
        let store = store();
        for (side, index) in Side::BOTH.into_iter().zip(["link_left", "link_right"]) {
            let explain = format!("EXPLAIN QUERY PLAN {}", owners_of(side));
            let row = |row: &Row<'_>| row.get::<_, String>(3);
            let id = Bytes::from(LinkId(Uuid::from_u128(1)));
            let steps = store.db.prepare(&explain).and_then(|mut it| it.query_map(params![PLAN, "1", id], row)?.collect());
            let steps: Vec<String> = steps.expect("it is explained");
            assert!(matches!(steps.as_slice(), [one] if one.contains(&format!("USING INDEX {index} "))), "{steps:?}");
        }
    }
}
