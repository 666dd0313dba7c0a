//! Something that is asked of systems beside the work, so that a slow answer holds up nobody.

use tokio::task::JoinSet;

/// A question under way, or its answer, or nothing. At most one; it ends with this value.
pub struct Errand<T> {
    question: JoinSet<T>,
    answer: Option<T>,
}

impl<T> Default for Errand<T> {
    fn default() -> Self {
        Self { question: JoinSet::new(), answer: None }
    }
}

impl<T: Send + 'static> Errand<T> {
    pub fn start(question: impl Future<Output = T> + Send + 'static) -> Self {
        let mut errand = Self::default();
        errand.question.spawn(question);
        errand
    }

    /// Returns when an answer is there; with no question, never.
    pub async fn ready(&mut self) {
        if self.answer.is_some() {
            return;
        }
        match self.question.join_next().await {
            Some(answer) => self.answer = Some(answer.expect("an errand does not panic and is not cancelled")),
            None => std::future::pending().await,
        }
    }

    /// The answer, if it is there; then there is nothing under way any more.
    pub fn take(&mut self) -> Option<T> {
        if let Some(answer) = self.question.try_join_next() {
            self.answer = Some(answer.expect("an errand does not panic and is not cancelled"));
        }
        self.answer.take()
    }

    /// It was asked, and there is no answer yet.
    pub fn is_under_way(&self) -> bool {
        !self.question.is_empty()
    }
}
