//! The sandbox's own controls, under `/sandbox/`: faults to inject and the clock. They need no token; the sandbox listens on
//! this machine alone.

use std::time::Duration;

use axum::http::Method;
use serde::Deserialize;
use serde_json::json;

use super::fault::{Fault, Target};
use super::hooks::Mishap;
use super::reply::{Refusal, Reply};
use super::route::Request;
use super::state::State;

/// Most webhooks, and most mishaps that wait.
const HOOKS_MAX: usize = 16;
const MISHAPS_MAX: usize = 10_000;

/// The next `count` requests of this kind get this answer.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Injected {
    #[serde(default = "once")]
    count: usize,
    #[serde(default = "any")]
    target: Target,
    fault: Fault,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    seconds: u64,
}

/// The next push message fares like this.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Mislaid {
    mishap: Mishap,
}

fn once() -> usize {
    1
}

fn any() -> Target {
    Target::Any
}

/// The answer to a request of the person who runs the sandbox.
pub fn answer(state: &mut State, what: &str, request: &Request<'_>) -> Reply {
    let done = match (request.method, what) {
        (&Method::POST, "faults") => inject(state, request),
        (&Method::POST, "clock") => advance(state, request),
        (&Method::POST, "webhooks") => add_hook(state, request),
        (&Method::POST, "mishaps") => mislay(state, request),
        (&Method::GET, "counters") => Ok(counters(state)),
        _ => {
            Err(Refusal::new(404, "", "There are POST /sandbox/faults, clock, webhooks and mishaps, and GET /sandbox/counters."))
        }
    };
    done.unwrap_or_else(|it| Reply::json(it.status, json!({"error": it.message})))
}

fn read<'a, T: Deserialize<'a>>(request: &Request<'a>) -> Result<T, Refusal> {
    serde_json::from_slice(request.body).map_err(|error| Refusal::bad_request(format!("The body cannot be read: {error}")))
}

fn inject(state: &mut State, request: &Request<'_>) -> Result<Reply, Refusal> {
    let Injected { count, target, fault } = read(request)?;
    state.faults.add(count, target, &fault);
    Ok(Reply::empty(204))
}

fn advance(state: &mut State, request: &Request<'_>) -> Result<Reply, Refusal> {
    let Advance { seconds } = read(request)?;
    state.clock.advance(Duration::from_secs(seconds));
    Ok(Reply::empty(204))
}

fn add_hook(state: &mut State, request: &Request<'_>) -> Result<Reply, Refusal> {
    if state.outbox.hooks.len() >= HOOKS_MAX {
        return Err(Refusal::bad_request(format!("There are {HOOKS_MAX} webhooks, which is the most.")));
    }
    state.outbox.hooks.push(read(request)?);
    Ok(Reply::empty(204))
}

fn mislay(state: &mut State, request: &Request<'_>) -> Result<Reply, Refusal> {
    let Mislaid { mishap } = read(request)?;
    if state.outbox.mishaps.len() >= MISHAPS_MAX {
        return Err(Refusal::bad_request(format!("{MISHAPS_MAX} mishaps wait, which is the most.")));
    }
    state.outbox.mishaps.push_back(mishap);
    Ok(Reply::empty(204))
}

fn counters(state: &State) -> Reply {
    let one = |(client, it): (&String, &super::Counters)| {
        let counts = json!({"requests": it.requests, "writes": it.writes, "throttled": it.throttled, "tokens": it.tokens});
        (client.clone(), counts)
    };
    Reply::json(200, state.counters.iter().map(one).collect::<serde_json::Map<_, _>>().into())
}
