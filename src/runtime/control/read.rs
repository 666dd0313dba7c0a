//! Answers that stand in the state: no system is asked, nothing is changed.

use std::collections::BTreeMap;

use super::ask::{
    Answer, Ask, Conflicted, Displaced, Dispute, Group, Held, Line, MapStatus, Open, Problem, Queue, Reply, Trace, TraceSide,
    Waiting,
};
use super::find;
use crate::change::{Change, Class, Side};
use crate::engine::link::{ActivityKind, Intent, LedgerEntry, Link, LinkState, OpId, OpenConflict, unmarked};
use crate::ir::{Plan, Program};
use crate::store::desk::Act;
use crate::store::{Store, phase_name};
use crate::value::Timestamp;

/// Held records that a status shows of each map.
const HELD_SHOWN_MAX: usize = 20;
/// Most lines of any answer.
pub const LINES_MAX: usize = 10_000;

/// The answer to a question; other asks are not for the state alone.
pub fn answer(store: &mut dyn Store, program: &Program, ask: &Ask) -> Answer {
    match ask {
        Ask::Status => status(store, program),
        Ask::Queue { maps, limit } => queue(store, program, maps, *limit),
        Ask::Errors { maps, limit } => errors(store, program, maps, *limit),
        Ask::Conflicts { maps, limit } => conflicts(store, program, maps, *limit),
        Ask::ShowError { map, key } | Ask::ShowConflict { map, key } => trace(store, program, map, key, HELD_SHOWN_MAX),
        Ask::Trace { map, key, limit } => trace(store, program, map, key, *limit),
        Ask::Activity { maps, limit } => activity(store, program, maps, *limit),
        Ask::Start { .. }
        | Ask::Pause { .. }
        | Ask::Resume { .. }
        | Ask::Stop { .. }
        | Ask::Reload { .. }
        | Ask::Renew
        | Ask::Retry { .. }
        | Ask::Discard { .. }
        | Ask::Edit { .. }
        | Ask::Resolve { .. }
        | Ask::Verify { .. }
        | Ask::Deliver { .. } => {
            Err(Problem::Failed("this command changes something; the state alone cannot answer it".to_owned()))
        }
    }
}

fn status(store: &mut dyn Store, program: &Program) -> Answer {
    let maps: Result<Vec<MapStatus>, Problem> = program.plans.iter().map(|it| map_status(store, it)).collect();
    Ok(Reply::Status { maps: maps? })
}

fn map_status(store: &mut dyn Store, plan: &Plan) -> Result<MapStatus, Problem> {
    let name = &plan.name;
    let standing = store.standing(name)?;
    let figures = store.figures(name)?;
    let held_records = store.held(name, HELD_SHOWN_MAX)?.iter().filter_map(held).collect();
    Ok(MapStatus {
        map: name.clone(),
        state: phase_name(standing.phase).to_owned(),
        why: standing.why,
        since: standing.since.map(|it| it.to_string()),
        who: standing.who,
        linked: figures.live,
        pending: figures.pending,
        detached: figures.dormant,
        held: figures.held,
        conflicts: figures.conflicts,
        queued: figures.queued,
        oldest_queued: figures.oldest_queued.map(|it| it.to_string()),
        ledger: figures.ledger,
        staged: store.staged_count(name)?.0,
        held_records,
    })
}

fn queue(store: &mut dyn Store, program: &Program, maps: &[String], limit: usize) -> Answer {
    let mut out = Vec::new();
    for plan in find::plans(program, maps)? {
        let figures = store.figures(&plan.name)?;
        let entries = store.pending(&plan.name, limit.min(LINES_MAX))?;
        let next = entries.into_iter().map(|it| Waiting {
            system: program.system(plan, it.side).to_owned(),
            row: it.change.id().0.clone(),
            is_delete: matches!(it.change, Change::Delete { .. }),
            seen: it.at.to_string(),
        });
        let oldest = figures.oldest_queued.map(|it| it.to_string());
        out.push(Queue { map: plan.name.clone(), queued: figures.queued, oldest, next: next.collect() });
    }
    Ok(Reply::Queue { maps: out })
}

fn errors(store: &mut dyn Store, program: &Program, maps: &[String], limit: usize) -> Answer {
    let (mut records, mut groups) = (Vec::new(), BTreeMap::<_, Group>::new());
    for plan in find::plans(program, maps)? {
        for it in store.held(&plan.name, LINES_MAX)?.iter().filter_map(held) {
            let fingerprint = (it.map.clone(), it.class.clone(), it.rule.clone(), it.code.clone());
            let group = groups.entry(fingerprint).or_insert_with(|| Group {
                map: it.map.clone(),
                class: it.class.clone(),
                rule: it.rule.clone(),
                code: it.code.clone(),
                records: 0,
                example: it.message.clone(),
            });
            group.records += 1;
            if records.len() < limit {
                records.push(it);
            }
        }
    }
    Ok(Reply::Errors { groups: groups.into_values().collect(), records })
}

/// Why the record stands still; `None`: it does not.
pub fn held(link: &Link) -> Option<Held> {
    let hold = link.hold.as_ref()?;
    Some(Held {
        map: link.plan.clone(),
        key: if link.key.is_empty() { rows(link) } else { link.key.clone() },
        link: link.id.to_string(),
        class: class_name(hold.class),
        rule: hold.rule.clone(),
        code: hold.code.clone(),
        message: hold.message.clone(),
        since: hold.since.to_string(),
        attempts: hold.attempts,
        retry_at: hold.retry_at.map(|it| it.to_string()),
        waits_for: hold.waits_on.as_ref().map(|(plan, key)| format!("{plan} {key}")),
    })
}

fn rows(link: &Link) -> String {
    link.ids.0.iter().flatten().map(|it| it.0.clone()).collect::<Vec<_>>().join(" and ")
}

/// The name of a class in answers and settings.
pub fn class_name(class: Class) -> String {
    match serde_json::to_value(class) {
        Ok(serde_json::Value::String(name)) => name,
        other => panic!("a class is written as a word: {other:?}"),
    }
}

fn conflicts(store: &mut dyn Store, program: &Program, maps: &[String], limit: usize) -> Answer {
    let mut records = Vec::new();
    for plan in find::plans(program, maps)? {
        let room = limit.min(LINES_MAX).saturating_sub(records.len());
        records.extend(store.conflicted(&plan.name, room)?.iter().map(conflicted));
    }
    Ok(Reply::Conflicts { records })
}

fn conflicted(link: &Link) -> Conflicted {
    let rules = link.conflicts.iter().map(dispute).collect();
    Conflicted { map: link.plan.clone(), key: link.key.clone(), link: link.id.to_string(), rules }
}

fn dispute(it: &OpenConflict) -> Dispute {
    Dispute {
        rule: it.label.clone(),
        left: it.values[Side::Left].to_string(),
        right: it.values[Side::Right].to_string(),
        agreed: it.agreed.as_ref().map(ToString::to_string),
    }
}

/// Everything that is on file of one record.
pub fn trace(store: &mut dyn Store, program: &Program, map: &str, key: &str, limit: usize) -> Answer {
    let plan = find::plan(program, map)?;
    let link = find::link(store, plan, key)?;
    let limit = limit.min(LINES_MAX);
    let own = |it: crate::engine::link::Activity| Line {
        at: it.at.to_string(),
        map: link.plan.clone(),
        key: link.key.clone(),
        op: it.op.0.to_string(),
        what: kind_name(it.kind).to_owned(),
        text: it.text,
        who: String::new(),
        decided: decided(it.op),
    };
    let mut lines: Vec<Line> = store.activity(link.id, limit)?.into_iter().map(own).collect();
    lines.extend(store.acts_on(link.id, limit)?.into_iter().map(|it| line_of_act(it, &link.key)));
    lines.sort_by(|one, other| other.at.cmp(&one.at));
    let ledger = store.displaced(link.id, limit)?;
    Ok(Reply::Record(Box::new(Trace {
        map: link.plan.clone(),
        key: link.key.clone(),
        link: link.id.to_string(),
        state: state_name(link.state).to_owned(),
        sides: Side::BOTH.map(|side| trace_side(program, plan, &link, side)),
        held: held(&link),
        conflicts: link.conflicts.iter().map(dispute).collect(),
        open: link.intents.iter().map(|it| open(program, plan, it)).collect(),
        lines,
        displaced: ledger.into_iter().map(|it| displaced(program, plan, it)).collect(),
    })))
}

fn trace_side(program: &Program, plan: &Plan, link: &Link, side: Side) -> TraceSide {
    let fields = link.shadows[side].iter().flat_map(|shadow| {
        let known = shadow.slots().filter(|(slot, value)| value.is_known() && (slot.0 as usize) < plan.shapes[side].fields.len());
        known.map(|(slot, value)| (plan.shapes[side].field(slot).name.clone(), unmarked(value).to_string()))
    });
    TraceSide {
        system: program.system(plan, side).to_owned(),
        row: link.ids[side].as_ref().map(|it| it.0.clone()),
        version: link.versions[side].as_ref().map(|it| it.0.clone()),
        agreed: fields.collect(),
    }
}

fn open(program: &Program, plan: &Plan, intent: &Intent) -> Open {
    let label = |rule: &u16| plan.rules.get(usize::from(*rule)).map(|it| it.label.clone());
    let sends = match (intent.is_delete, &intent.expected) {
        (true, _) => "a delete".to_owned(),
        (false, None) => format!("a new row with {}", crate::engine::merge::describe(&plan.shapes[intent.side], &intent.payload)),
        (false, Some(_)) => crate::engine::merge::describe(&plan.shapes[intent.side], &intent.payload),
    };
    Open {
        op: intent.op.0.to_string(),
        system: program.system(plan, intent.side).to_owned(),
        sends,
        rules: intent.rules.iter().filter_map(label).collect(),
        expected: intent.expected.as_ref().map(|it| it.0.clone()),
    }
}

fn displaced(program: &Program, plan: &Plan, it: LedgerEntry) -> Displaced {
    Displaced {
        op: it.op.0.to_string(),
        at: it.at.to_string(),
        rule: it.rule,
        system: program.system(plan, it.side).to_owned(),
        loser: it.loser.to_string(),
        winner: it.winner.to_string(),
        policy: it.policy,
    }
}

fn activity(store: &mut dyn Store, program: &Program, maps: &[String], limit: usize) -> Answer {
    let plans = find::plans(program, maps)?;
    let limit = limit.min(LINES_MAX);
    let mut lines = Vec::new();
    for plan in plans {
        let own = |it: crate::store::desk::Line| Line {
            at: it.activity.at.to_string(),
            map: it.plan,
            key: it.key,
            op: it.activity.op.0.to_string(),
            what: kind_name(it.activity.kind).to_owned(),
            text: it.activity.text,
            who: String::new(),
            decided: decided(it.activity.op),
        };
        lines.extend(store.history(Some(&plan.name), limit)?.into_iter().map(own));
    }
    let is_asked_for = |it: &Act| maps.is_empty() || it.plan.as_ref().is_none_or(|it| maps.contains(it));
    lines.extend(store.acts(None, limit)?.into_iter().filter(is_asked_for).map(|it| line_of_act(it, "")));
    lines.sort_by(|one, other| other.at.cmp(&one.at));
    lines.truncate(limit);
    Ok(Reply::Activity { lines })
}

fn line_of_act(act: Act, key: &str) -> Line {
    Line {
        at: act.at.to_string(),
        map: act.plan.unwrap_or_default(),
        key: key.to_owned(),
        op: act.op.0.to_string(),
        what: act.what,
        text: act.why,
        who: act.who,
        decided: decided(act.op),
    }
}

/// Names of operations rise with time, and tell it.
fn decided(op: OpId) -> Option<String> {
    let (seconds, nanos) = op.0.get_timestamp()?.to_unix();
    let at = Timestamp::new(i64::try_from(seconds).ok()?, i32::try_from(nanos).ok()?).ok()?;
    Some(at.to_string())
}

fn kind_name(kind: ActivityKind) -> &'static str {
    match kind {
        ActivityKind::Linked => "linked",
        ActivityKind::Created => "created",
        ActivityKind::Updated => "updated",
        ActivityKind::Deleted => "deleted",
        ActivityKind::Adopted => "adopted",
        ActivityKind::Held => "held",
        ActivityKind::Released => "released",
        ActivityKind::Conflict => "conflict",
        ActivityKind::Resolved => "resolved",
        ActivityKind::Detached => "detached",
    }
}

fn state_name(state: LinkState) -> &'static str {
    match state {
        LinkState::PendingCreate => "being made",
        LinkState::Live => "linked",
        LinkState::Dormant => "detached",
        LinkState::Dead => "gone",
    }
}
