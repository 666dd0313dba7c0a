//! Lines of a map: rules, clauses and policies.

use std::ops::Range;

use pest::iterators::Pair;

use super::items::part;
use super::{Builder, FileParser, Rule};
use crate::syntax::ast::{
    Action, ActionKind, Arrow, Clause, ClauseKind, ConflictKind, ConflictPolicy, DeleteAction, Expr, ExprKind, Member,
    MemberKind, Name, Policy, PolicyKind, RowEnd, Rule as TreeRule, TableKey, ValueRow,
};
use crate::syntax::lexer::Token;
use crate::syntax::slice::{self, Piece};

impl FileParser<'_> {
    pub(super) fn members(&mut self, body: Range<usize>) -> Vec<Member> {
        self.lines(body, true, false).iter().filter_map(|line| self.member(line)).collect()
    }

    fn member(&mut self, line: &Piece) -> Option<Member> {
        let kind = self.member_kind(line)?;
        Some(Member { docs: self.docs(line), kind, span: self.span(&line.tokens) })
    }

    fn member_kind(&mut self, line: &Piece) -> Option<MemberKind> {
        let Range { start, end } = line.tokens.clone();
        let word = self.word(start);
        let opens_filter = word == "filter"
            && start + 1 < end
            && self.tokens[start + 1].token == Token::Arrow
            && self.source[self.tokens[start + 1].start..].starts_with("<- ");
        if self.is_name(start, end) && !opens_filter {
            return self.line(Rule::rule_line, line, Builder::rule_line);
        }
        match word {
            "version" => self.line(Rule::version_line, line, |it, pair| MemberKind::Version(it.name(part(pair, Rule::dotted)))),
            "partition" => self.line(Rule::partition_line, line, Builder::partition_line),
            "key" => self.line(Rule::key_line, line, |it, pair| MemberKind::Key(it.rule(part(pair, Rule::equation), None))),
            "filter" => self.line(Rule::filter_line, line, Builder::filter_line),
            "override" => self.line(Rule::override_line, line, Builder::override_line),
            // `drop(Name, 2) <-> name` calls the function of that name.
            "drop" if !self.is_call(start, end) => self.line(Rule::drop_line, line, Builder::drop_line),
            "seal" => self.line(Rule::seal_line, line, |it, pair| MemberKind::Seal(it.names(pair))),
            "on" => self.line(Rule::policy_line, line, Builder::policy_line),
            "for" => self.for_block(line),
            _ => self.line(Rule::rule_line, line, Builder::rule_line),
        }
    }

    fn line(&mut self, rule: Rule, line: &Piece, build: fn(Builder, Pair<'_, Rule>) -> MemberKind) -> Option<MemberKind> {
        let (builder, pair) = self.pair(rule, line.tokens.clone())?;
        Some(build(builder, pair))
    }

    fn for_block(&mut self, line: &Piece) -> Option<MemberKind> {
        let braced = slice::braced(self.tokens, line.tokens.clone()).filter(|it| it.is_closed);
        let Some(braced) = braced else {
            self.report(
                self.tokens[line.tokens.start],
                "a `for` block has its rules in braces",
                "write `for FIELD in { … } { … }`",
            );
            return None;
        };
        if slice::bracket_depth(&self.tokens[line.tokens.clone()]) > slice::NESTING_MAX {
            let message = format!("this is nested more than {} levels deep", slice::NESTING_MAX);
            self.report(self.tokens[line.tokens.start], &message, "use one `for` block");
            return None;
        }
        let (builder, pair) = self.pair(Rule::for_head, braced.head)?;
        let mut parts = pair.into_inner().filter(|it| matches!(it.as_rule(), Rule::name | Rule::expr));
        let field = builder.name(parts.next().expect("a `for` names a field"));
        let set = builder.expr(parts.next().expect("a `for` has a set"));
        Some(MemberKind::For { field, set, members: self.members(braced.body) })
    }
}

impl Builder {
    pub(super) fn arrow(self, pair: &Pair<'_, Rule>) -> Arrow {
        match pair.as_str().trim() {
            "<->" => Arrow::Both,
            "<~>" => Arrow::Lossy,
            "->" => Arrow::Right,
            _ => Arrow::Left,
        }
    }

    fn names(self, pair: Pair<'_, Rule>) -> Vec<Name> {
        pair.into_inner().filter(|it| it.as_rule() == Rule::name).map(|it| self.name(it)).collect()
    }

    fn rule_line(self, pair: Pair<'_, Rule>) -> MemberKind {
        let (mut label, mut rule) = (None, None);
        for it in pair.into_inner() {
            match it.as_rule() {
                Rule::label => label = Some(self.name(it)),
                Rule::equation => rule = Some(self.rule(it, label.take())),
                _ => {}
            }
        }
        MemberKind::Rule(rule.expect("the line is a rule"))
    }

    pub(super) fn rule(self, pair: Pair<'_, Rule>, label: Option<Name>) -> TreeRule {
        let span = self.span(&pair);
        let mut parts = pair.into_inner();
        let left = self.expr(parts.next().expect("a rule has a left side"));
        let arrow = parts.next().expect("a rule has an arrow");
        let right = self.expr(parts.next().expect("a rule has a right side"));
        let clauses = parts.map(|it| self.clause(it)).collect();
        TreeRule { label, left, arrow: self.arrow(&arrow), arrow_span: self.span(&arrow), right, clauses, span }
    }

    fn partition_line(self, pair: Pair<'_, Rule>) -> MemberKind {
        let content = pair
            .into_inner()
            .find(|it| matches!(it.as_rule(), Rule::partition_in | Rule::equation))
            .expect("the grammar requires one");
        match content.as_rule() {
            Rule::partition_in => MemberKind::PartitionIn(self.expr(part(content, Rule::expr))),
            _ => MemberKind::Partition(self.rule(content, None)),
        }
    }

    fn filter_line(self, pair: Pair<'_, Rule>) -> MemberKind {
        let is_filter = |it: &Pair<'_, Rule>| matches!(it.as_rule(), Rule::filter_both | Rule::filter_right | Rule::filter_left);
        let filter = pair.into_inner().find(is_filter).expect("the grammar requires one");
        let rule = filter.as_rule();
        let (mut arrow, mut sides) = (None, Vec::new());
        for it in filter.into_inner() {
            match it.as_rule() {
                Rule::arrow => arrow = Some((self.arrow(&it), self.span(&it))),
                _ => sides.push(self.expr(it)),
            }
        }
        let (arrow, arrow_span) = arrow.expect("a filter has an arrow");
        let last = sides.pop();
        let (left, right) = match rule {
            Rule::filter_both => (sides.pop(), last),
            Rule::filter_right => (last, None),
            _ => (None, last),
        };
        MemberKind::Filter { left, arrow, arrow_span, right }
    }

    fn override_line(self, pair: Pair<'_, Rule>) -> MemberKind {
        let mut parts = pair.into_inner().filter(|it| matches!(it.as_rule(), Rule::label | Rule::equation));
        let label = self.name(parts.next().expect("an override names a rule"));
        MemberKind::Override { label, rule: self.rule(parts.next().expect("an override has a rule"), None) }
    }

    fn drop_line(self, pair: Pair<'_, Rule>) -> MemberKind {
        let mut parts = pair.into_inner().filter(|it| matches!(it.as_rule(), Rule::name | Rule::string));
        let label = self.name(parts.next().expect("a drop names a rule"));
        MemberKind::Drop { label, because: parts.next().map(|it| self.quoted(&it)) }
    }

    fn clause(self, pair: Pair<'_, Rule>) -> Clause {
        let clause = pair.into_inner().next().expect("a clause has content");
        let span = self.span(&clause);
        let kind = match clause.as_rule() {
            Rule::via_clause => self.via(clause),
            Rule::modulo_clause => ClauseKind::Modulo(self.names(clause)),
            Rule::split_clause => ClauseKind::Split(self.name(part(clause, Rule::name))),
            Rule::loses_clause => ClauseKind::Loses(self.quoted(&part(clause, Rule::string))),
            Rule::when_clause => ClauseKind::When(self.expr(part(clause, Rule::expr))),
            Rule::on_create => ClauseKind::OnCreate,
            Rule::on_update => ClauseKind::OnUpdate,
            Rule::on_missing => ClauseKind::OnMissing(self.action(part(clause, Rule::action))),
            Rule::on_conflict => ClauseKind::OnConflict(self.conflict(part(clause, Rule::conflict))),
            Rule::else_clause => {
                let (mut arrow, mut action) = (None, None);
                for it in clause.into_inner() {
                    match it.as_rule() {
                        Rule::one_way => arrow = Some(self.arrow(&it)),
                        Rule::action => action = Some(self.action(it)),
                        _ => {}
                    }
                }
                ClauseKind::Else { arrow, action: action.expect("`else` has an action") }
            }
            other => unreachable!("{other:?} is no clause of the grammar"),
        };
        Clause { kind, span }
    }

    fn via(self, pair: Pair<'_, Rule>) -> ClauseKind {
        let target = pair.into_inner().find(|it| it.as_rule() != Rule::kw_via).expect("`via` has a target");
        match target.as_rule() {
            Rule::via_rows => ClauseKind::ViaRows(target.into_inner().map(|it| self.row(it, Vec::new())).collect()),
            Rule::via_tables => ClauseKind::ViaTables(target.into_inner().map(|it| self.table_key(it)).collect()),
            _ => ClauseKind::Via(self.path(target)),
        }
    }

    fn table_key(self, pair: Pair<'_, Rule>) -> TableKey {
        let span = self.span(&pair);
        let mut paths = pair.into_inner().map(|it| self.path(it));
        TableKey { table: paths.next().expect("a table key names a table"), columns: paths.collect(), span }
    }

    pub(super) fn row(self, pair: Pair<'_, Rule>, docs: Vec<String>) -> ValueRow {
        let span = self.span(&pair);
        let mut parts = pair.into_inner();
        let left = parts.next().expect("a row has a left end");
        let arrow = self.arrow(&parts.next().expect("a row has an arrow"));
        let right = parts.next().expect("a row has a right end");
        let is_else = |it: &Pair<'_, Rule>| it.clone().into_inner().next().is_some_and(|it| it.as_rule() == Rule::kw_else);
        let (left_else, right_else) = (is_else(&left), is_else(&right));
        ValueRow { docs, left: self.row_end(left, right_else), arrow, right: self.row_end(right, left_else), span }
    }

    /// Opposite an `else`, a bare action word is an action.
    fn row_end(self, pair: Pair<'_, Rule>, opposite_else: bool) -> RowEnd {
        let span = self.span(&pair);
        let content = pair.into_inner().next().expect("a row's end has content");
        if content.as_rule() == Rule::kw_else {
            return RowEnd::Else(span);
        }
        let value = self.expr(content);
        match action_of(value.clone()) {
            Action { kind: ActionKind::Value(_), .. } => RowEnd::Value(value),
            action if opposite_else => RowEnd::Action(action),
            _ => RowEnd::Value(value),
        }
    }

    fn action(self, pair: Pair<'_, Rule>) -> Action {
        action_of(self.expr(part(pair, Rule::expr)))
    }

    fn conflict(self, pair: Pair<'_, Rule>) -> ConflictPolicy {
        let span = self.span(&pair);
        let mut kind = ConflictKind::Manual;
        for it in pair.into_inner() {
            match it.as_rule() {
                Rule::kw_newest => kind = ConflictKind::Newest { tie: None },
                Rule::tie => kind = ConflictKind::Newest { tie: Some(self.name(part(it, Rule::name))) },
                Rule::name => kind = ConflictKind::Prefer(self.name(it)),
                _ => {}
            }
        }
        ConflictPolicy { kind, span }
    }

    fn policy_line(self, pair: Pair<'_, Rule>) -> MemberKind {
        let policy = pair.into_inner().next().expect("a policy has content");
        let span = self.span(&policy);
        let rule = policy.as_rule();
        let mut parts = policy.into_inner().filter(|it| {
            matches!(it.as_rule(), Rule::conflict | Rule::name | Rule::arrow | Rule::delete_action | Rule::count | Rule::action)
        });
        let mut next = || parts.next().expect("the grammar requires this part");
        let kind = match rule {
            Rule::policy_conflict => {
                PolicyKind::Conflict { policy: self.conflict(next()), fields: parts.map(|it| self.name(it)).collect() }
            }
            Rule::policy_delete => {
                let arrow = self.arrow(&next());
                PolicyKind::Delete { arrow, action: self.delete_action(next()) }
            }
            Rule::policy_exit => {
                let first = next();
                if first.as_rule() == Rule::arrow {
                    PolicyKind::Exit { arrow: Some(self.arrow(&first)), action: self.name(next()) }
                } else {
                    PolicyKind::Exit { arrow: None, action: self.name(first) }
                }
            }
            Rule::policy_rekey => PolicyKind::Rekey(self.name(next())),
            Rule::policy_error => {
                let action = self.name(next());
                PolicyKind::Error { action, count: parts.next().and_then(|it| it.as_str().parse().ok()) }
            }
            Rule::policy_missing => PolicyKind::Missing(self.action(next())),
            other => unreachable!("{other:?} is no policy of the grammar"),
        };
        MemberKind::Policy(Policy { kind, span })
    }

    fn delete_action(self, pair: Pair<'_, Rule>) -> DeleteAction {
        let content = pair.into_inner().next().expect("a delete policy has an action");
        match content.as_rule() {
            Rule::kw_delete => DeleteAction::Delete,
            Rule::kw_refuse => DeleteAction::Refuse,
            Rule::kw_ignore => DeleteAction::Ignore,
            _ => {
                let mut parts = content.into_inner().filter(|it| matches!(it.as_rule(), Rule::name | Rule::expr));
                let field = self.name(parts.next().expect("`set` names a field"));
                DeleteAction::Set { field, value: self.expr(parts.next().expect("`set` gives a value")) }
            }
        }
    }
}

/// `reject`, `park`, `skip`, `null` and `create` as bare words are actions; everything else is a value.
fn action_of(value: Expr) -> Action {
    let span = value.span;
    let word = match &value.kind {
        ExprKind::Path(path) if path.segments.len() == 1 => path.segments[0].text.as_str(),
        ExprKind::Null => "null",
        _ => "",
    };
    let kind = match word {
        "reject" => ActionKind::Reject,
        "park" => ActionKind::Park,
        "skip" => ActionKind::Skip,
        "null" => ActionKind::Null,
        "create" => ActionKind::Create,
        _ => ActionKind::Value(Box::new(value)),
    };
    Action { kind, span }
}
