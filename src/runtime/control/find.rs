//! Finding maps, sides and records by the names that people give them.

use super::ask::Problem;
use crate::change::{LinkId, RemoteId, Side};
use crate::diag::suggest::nearest;
use crate::engine::link::{Link, LinkState};
use crate::ir::{Plan, Program};
use crate::store::Store;
use crate::value::{Uuid, Value, fold_case};

/// Records with one key that are told apart.
const TWINS_MAX: usize = 10;
/// Held records among which a nearest key is looked for.
const KEYS_MAX: usize = 1000;

pub type Found<T> = Result<T, Problem>;

/// The plans of these maps in the order in which they depend on each other; all without a name.
pub fn plans<'a>(program: &'a Program, maps: &[String]) -> Found<Vec<&'a Plan>> {
    for name in maps {
        plan(program, name)?;
    }
    let ordered = program.order.iter().flatten().map(|it| &program.plans[it.index()]);
    Ok(ordered.filter(|it| maps.is_empty() || maps.contains(&it.name)).collect())
}

pub fn plan<'a>(program: &'a Program, name: &str) -> Found<&'a Plan> {
    program.plans.iter().find(|it| it.name == name).ok_or_else(|| {
        let names: Vec<&str> = program.plans.iter().map(|it| it.name.as_str()).collect();
        let help = match nearest(name, names.iter().copied()) {
            Some(near) => format!("`{near}`"),
            None => format!("the maps are {}", names.join(", ")),
        };
        Problem::Usage(format!("there is no map `{name}`\n  = fix: {help}"))
    })
}

/// The side that is called `left`, `right` or by its system.
pub fn side(program: &Program, plan: &Plan, name: &str) -> Found<Side> {
    let is_twofold = plan.systems[Side::Left] == plan.systems[Side::Right];
    let is = |side: &Side| side.word() == name || (!is_twofold && program.system(plan, *side) == name);
    Side::BOTH.into_iter().find(is).ok_or_else(|| {
        let known = Side::BOTH.map(|it| program.system(plan, it));
        let near = nearest(name, known.into_iter().chain(["left", "right"])).map(|it| format!("`{it}`"));
        let help = near.unwrap_or_else(|| format!("`left` is {}, `right` is {}", known[0], known[1]));
        Problem::Usage(format!("`{name}` is no side of the map {}\n  = fix: {help}", plan.name))
    })
}

/// The record with this key, link id or row id.
pub fn link(store: &mut dyn Store, plan: &Plan, text: &str) -> Found<Link> {
    match known(store, plan, text)? {
        Some(link) => Ok(link),
        None => Err(unknown(store, plan, text)?),
    }
}

/// The same, where there need not be one.
pub fn known(store: &mut dyn Store, plan: &Plan, text: &str) -> Found<Option<Link>> {
    if let Ok(id) = Uuid::try_parse(text)
        && let Some(link) = store.link(LinkId(id))?.filter(|it| it.plan == plan.name)
    {
        return Ok(Some(link));
    }
    for key in spellings(text) {
        let mut links = store.links_with_key(&plan.name, &key, TWINS_MAX)?;
        if links.iter().any(|it| it.state != LinkState::Dead) {
            links.retain(|it| it.state != LinkState::Dead);
        } else {
            links.truncate(1);
        }
        match links.len() {
            0 => {}
            1 => return Ok(links.pop()),
            _ => return Err(several(&links, text)),
        }
    }
    for side in Side::BOTH {
        if let Some(link) = store.links_of(&plan.name, side, &[RemoteId(text.to_owned())])?.pop().flatten() {
            return Ok(Some(link));
        }
    }
    Ok(None)
}

/// How the key of a record may be written down: as messages show it, or without its quotes and parentheses.
fn spellings(text: &str) -> Vec<String> {
    let quoted = |it: &str| Value::text(it.trim()).to_string();
    let mut out = vec![text.to_owned(), format!("({text})"), format!("({})", quoted(text))];
    for other in [fold_case(text), text.to_uppercase()] {
        out.push(format!("({})", quoted(&other)));
    }
    if text.contains(',') {
        let parts: Vec<String> = text.split(',').map(quoted).collect();
        let whole = format!("({})", parts.join(", "));
        out.extend([fold_case(&whole), whole.to_uppercase(), whole]);
    }
    out
}

fn several(links: &[Link], text: &str) -> Problem {
    let rows = |it: &Link| it.ids.0.iter().flatten().map(|it| it.0.clone()).collect::<Vec<_>>().join(" and ");
    let named: Vec<String> = links.iter().map(|it| format!("{} (row {})", it.id, rows(it))).collect();
    Problem::Usage(format!("several records have the key `{text}`\n  = fix: name one of them by its link: {}", named.join(", ")))
}

fn unknown(store: &mut dyn Store, plan: &Plan, text: &str) -> Found<Problem> {
    let mut keys: Vec<String> = store.held(&plan.name, KEYS_MAX)?.into_iter().map(|it| it.key).collect();
    keys.extend(store.conflicted(&plan.name, KEYS_MAX)?.into_iter().map(|it| it.key));
    let plain: Vec<String> = keys.iter().map(|it| it.trim_matches(['(', ')']).replace('"', "")).collect();
    let help = match nearest(text, plain.iter().map(String::as_str)) {
        Some(near) => format!("`{near}`"),
        None => format!("`dwmap errors list {0}`, `dwmap conflicts list {0}` and `dwmap activity {0}` show keys", plan.name),
    };
    Ok(Problem::Usage(format!("the map {} has no record `{text}`\n  = fix: {help}", plan.name)))
}
