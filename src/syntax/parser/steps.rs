//! Steps of a test.

use pest::iterators::Pair;

use super::items::part;
use super::{Builder, Rule};
use crate::syntax::ast::{RecordLiteral, Step, StepKind};

impl Builder {
    pub(super) fn step(self, pair: Pair<'_, Rule>) -> Step {
        let step = pair.into_inner().next().expect("a step has content");
        let span = self.span(&step);
        let kind = match step.as_rule() {
            Rule::given_step => {
                let (system, record) = self.target(step);
                StepKind::Given { system, record: record.expect("`given` has a record") }
            }
            Rule::edit_step => {
                let (system, record) = self.target(step);
                StepKind::Edit { system, record: record.expect("`edit` has a record") }
            }
            Rule::delete_step => {
                let (system, record) = self.target(step);
                StepKind::Delete { system, record }
            }
            Rule::roundtrip_step => {
                let mut counts = step.into_inner().filter(|it| it.as_rule() == Rule::count);
                let count = counts.next().and_then(|it| it.as_str().parse().ok()).unwrap_or(u32::MAX);
                StepKind::Roundtrip { count, seed: counts.next().and_then(|it| it.as_str().parse().ok()).unwrap_or(0) }
            }
            Rule::expect_step => self.expectation(step),
            other => unreachable!("{other:?} is no step of the grammar"),
        };
        Step { kind, span }
    }

    fn target(self, pair: Pair<'_, Rule>) -> (crate::syntax::ast::Name, Option<RecordLiteral>) {
        let mut parts = pair.into_inner().filter(|it| matches!(it.as_rule(), Rule::name | Rule::record));
        let system = self.name(parts.next().expect("a step names a system"));
        (system, parts.next().map(|it| self.record(it)))
    }

    fn expectation(self, pair: Pair<'_, Rule>) -> StepKind {
        let content = pair.into_inner().find(|it| it.as_rule() != Rule::kw_expect).expect("`expect` has content");
        match content.as_rule() {
            Rule::kw_park => StepKind::ExpectPark,
            Rule::kw_conflict => StepKind::ExpectConflict,
            Rule::expect_reject => StepKind::ExpectReject(self.name(part(content, Rule::name))),
            Rule::expect_nothing => StepKind::ExpectNothing { system: self.name(part(content, Rule::name)) },
            Rule::expect_record => {
                let (system, record) = self.target(content);
                StepKind::Expect { system, record: record.expect("an expected record") }
            }
            _ => {
                let count = |it: Pair<'_, Rule>| {
                    let (mut name, mut count) = (None, 0);
                    for part in it.into_inner() {
                        match part.as_rule() {
                            Rule::name => name = Some(self.name(part)),
                            _ => count = part.as_str().parse().unwrap_or(u32::MAX),
                        }
                    }
                    (name, count)
                };
                StepKind::ExpectWrites(content.into_inner().filter(|it| it.as_rule() == Rule::write_count).map(count).collect())
            }
        }
    }

    fn record(self, pair: Pair<'_, Rule>) -> RecordLiteral {
        let span = self.span(&pair);
        let field = |it: Pair<'_, Rule>| {
            let mut parts = it.into_inner().filter(|it| it.as_rule() != Rule::colon);
            let name = self.name(parts.next().expect("a field has a name"));
            (name, self.expr(parts.next().expect("a field has a value")))
        };
        RecordLiteral { fields: pair.into_inner().map(field).collect(), span }
    }
}
