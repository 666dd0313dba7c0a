//! Runs a pure question over many rows, and looks up the references that it turns out to need.

use super::pipe::{Pipe, PipeId};
use super::references::References;
use crate::change::{Class, Failure};
use crate::engine::flight::resolve_rounds_max;
use crate::interp::{Lookups, Prepared, Refusal, Stop};

/// Why a row has no answer.
#[derive(Clone, Debug, PartialEq)]
pub enum NoAnswer {
    /// A rule refuses the row.
    Refused(Refusal),
    /// A rule of the row does not take part (`else skip`).
    Skipped,
    /// A system could not be asked.
    Failed(Failure),
}

impl std::fmt::Display for NoAnswer {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refused(refusal) => write!(out, "{}: {}", refusal.code, refusal.message),
            Self::Skipped => out.write_str("the rule does not take part"),
            Self::Failed(failure) => failure.fmt(out),
        }
    }
}

/// The answer for each item, in order.
pub async fn evaluate<T, A>(
    pipes: &[Pipe],
    references: &mut References,
    pipe: PipeId,
    items: &[T],
    question: impl Fn(&Prepared, &Lookups, &T) -> Result<A, Stop>,
) -> Vec<Result<A, NoAnswer>> {
    let plan = pipes[pipe.0].plan.as_ref();
    let mut lookups = Lookups::default();
    let mut answers: Vec<Option<Result<A, NoAnswer>>> = items.iter().map(|_| None).collect();
    for _ in 0..=resolve_rounds_max(plan) {
        let mut open = Vec::new();
        for (item, answer) in items.iter().zip(&mut answers).filter(|(_, answer)| answer.is_none()) {
            match question(plan, &lookups, item) {
                Ok(it) => *answer = Some(Ok(it)),
                Err(Stop::Refused(refusal)) => *answer = Some(Err(NoAnswer::Refused(refusal))),
                Err(Stop::Skip) => *answer = Some(Err(NoAnswer::Skipped)),
                Err(Stop::Unresolved(query)) => open.push((pipe, query)),
            }
        }
        if open.is_empty() {
            break;
        }
        for ((_, query), resolution) in references.resolve(pipes, open).await {
            match resolution {
                Ok(resolution) => lookups.insert(query, resolution),
                Err(failure) => {
                    for answer in answers.iter_mut().filter(|it| it.is_none()) {
                        *answer = Some(Err(NoAnswer::Failed(failure.clone())));
                    }
                }
            }
        }
    }
    let endless = || Err(NoAnswer::Failed(Failure::new(Class::Bug, "references of this row lead to ever new references")));
    answers.into_iter().map(|it| it.unwrap_or_else(endless)).collect()
}
