//! The sandbox's own controls, under `/sandbox/`: faults to inject and the clock. They need no token; the sandbox listens on
//! this machine alone.

use std::time::Duration;

use axum::http::Method;
use serde::Deserialize;
use serde_json::json;

use super::fault::{Fault, Target};
use super::reply::{Refusal, Reply};
use super::route::Request;
use super::state::State;

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
        (&Method::GET, "counters") => Ok(counters(state)),
        _ => Err(Refusal::new(404, "", "There are POST /sandbox/faults, POST /sandbox/clock and GET /sandbox/counters.")),
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

fn counters(state: &State) -> Reply {
    let one = |(client, it): (&String, &super::Counters)| {
        let counts = json!({"requests": it.requests, "writes": it.writes, "throttled": it.throttled, "tokens": it.tokens});
        (client.clone(), counts)
    };
    Reply::json(200, state.counters.iter().map(one).collect::<serde_json::Map<_, _>>().into())
}
