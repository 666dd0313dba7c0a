//! Asks the process that holds a state file.

use std::time::Duration;

use super::ask::{Answer, Ask, Problem, Request};
use super::place::Place;
use super::post::post;
use super::server::PATH;

/// A little longer than the process allows itself.
const TIME_MAX: Duration = Duration::from_secs(70);
const VERIFY_TIME_MAX: Duration = Duration::from_secs(6 * 3600 + 60);

/// Gives the command to the process, and waits for its answer.
pub async fn ask(place: &Place, request: &Request) -> Answer {
    let address = format!("http://127.0.0.1:{}{PATH}", place.port);
    let limit = if matches!(request.ask, Ask::Verify { .. }) { VERIFY_TIME_MAX } else { TIME_MAX };
    let answered = post(&address, Some(&place.token), request, limit, true).await;
    let (_, body) = answered.map_err(|error| {
        Problem::Failed(format!(
            "the process {} holds the state and does not answer: {error}\n  = fix: look at that process",
            place.pid
        ))
    })?;
    serde_json::from_slice::<Answer>(&body).unwrap_or_else(|error| {
        Err(Problem::Failed(format!(
            "the process {} answers what nobody understands: {error}\n  = fix: use the same dwmap for both",
            place.pid
        )))
    })
}
