//! What the grammar was looking for, in the words of a map's author.

use super::{FileParser, Rule};
use crate::diag::{Diagnostic, codes, suggest};
use crate::source::Span;
use crate::syntax::lexer::Token;
use crate::syntax::words;

/// The message for a piece of a file, between two offsets, that one rule of the grammar did not accept.
pub fn syntax_error(file: &FileParser<'_>, rule: Rule, error: &pest::error::Error<Rule>, start: usize, end: usize) -> Diagnostic {
    let at = match error.location {
        pest::error::InputLocation::Pos(at) | pest::error::InputLocation::Span((at, _)) => start + at,
    };
    let positives: &[Rule] = match &error.variant {
        pest::error::ErrorVariant::ParsingError { positives, .. } => positives,
        pest::error::ErrorVariant::CustomError { .. } => &[],
    };
    let first = file.tokens.partition_point(|it| it.start < start);
    let inside = file.tokens[first..].iter().take_while(|it| it.end <= end).filter(|it| !it.is_trivia());
    let found = inside.clone().find(|it| it.start >= at);
    let place = found.or_else(|| inside.last());
    let span = place.map_or(Span::new(file.file, start, end), |it| Span::new(file.file, it.start, it.end));
    let expected = expectation(positives);
    let message = match (expected, found) {
        (Some(expected), Some(it)) => format!("expected {expected}, found `{}`", it.text(file.source)),
        (Some(expected), None) => format!("expected {expected} after this"),
        (None, Some(it)) => format!("`{}` cannot stand here", it.text(file.source)),
        (None, None) => "something is missing after this".to_owned(),
    };
    let diagnostic = Diagnostic::new(codes::SYNTAX, span, message, "here");
    // Between two sides of a rule an arrow was meant.
    let compares = matches!(rule, Rule::filter_line | Rule::function_item)
        || positives.iter().any(|it| matches!(it, Rule::clause | Rule::kw_then));
    if let (true, Some("=")) = (compares, found.map(|it| it.text(file.source))) {
        return diagnostic.replace("`==` compares", span, "==", false);
    }
    let word = found.filter(|it| it.token == Token::Word).map(|it| it.text(file.source));
    match word.and_then(|word| suggest::nearest(word, candidates(positives, rule)).filter(|it| *it != word)) {
        Some(nearest) => diagnostic.replace(format!("`{nearest}`"), span, nearest, false),
        None if rule == Rule::policy_line => {
            diagnostic.advice(policy_form(file.word(first + 1), found.map(|it| it.text(file.source))))
        }
        None => diagnostic.advice(form(rule)),
    }
}

/// What a letter of another language stands for: advice, and the text to write where that leaves no question.
pub fn stray(letter: &str, after: &str) -> (String, Option<&'static str>) {
    let (advice, text) = match (letter, after.chars().next()) {
        ("#" | "--", _) => ("comments begin with `//`", Some("//")),
        ("'" | "\u{2018}" | "\u{2019}" | "\u{201c}" | "\u{201d}", _) => ("texts stand in double quotes: `\"…\"`", None),
        (";", _) => ("leave it out: the end of the line ends a rule", Some("")),
        ("&", _) => ("write `and`", None),
        ("!", _) => ("write `not`, or `!=` to compare", None),
        ("[" | "]", _) => ("a set stands in braces: `{ … }`", None),
        ("~", Some('>')) => ("the arrows are `<->`, `<~>`, `->` and `<-`", None),
        _ => ("remove it, or put it into a quoted text", None),
    };
    (advice.to_owned(), text)
}

/// The most telling of what the grammar could have accepted.
fn expectation(rules: &[Rule]) -> Option<&'static str> {
    const WORDS: &[(&[Rule], &str)] = &[
        (&[Rule::kw_extends], "`:` and the two sides, or `extends`"),
        (&[Rule::colon], "`:`"),
        (&[Rule::equals], "`=`"),
        (&[Rule::arrow], "an arrow (`<->`, `<~>`, `->` or `<-`)"),
        (
            &[Rule::clause, Rule::via_clause],
            "a clause (`via`, `modulo`, `when`, `else`, `loses`, `split`, `on …`) or the end of the line",
        ),
        (&[Rule::from_schema], "`from \"FILE\"`, `profile NAME` or the end of the line"),
        (&[Rule::with_profile], "`profile NAME` or the end of the line"),
        (&[Rule::kw_then], "`then`"),
        (&[Rule::kw_else], "`else`"),
        (&[Rule::kw_as], "`as` and a name"),
        (&[Rule::kw_because], "`because` and a quoted text, or the end of the line"),
        (&[Rule::kw_create], "`create`, `update`, `missing` or `conflict`"),
        (
            &[Rule::policy_conflict, Rule::policy_delete, Rule::kw_rekey],
            "`conflict`, `delete`, `exit`, `rekey`, `error` or `missing`",
        ),
        (&[Rule::delete_action, Rule::kw_refuse], "`delete`, `set FIELD = VALUE`, `refuse` or `ignore`"),
        (&[Rule::conflict, Rule::kw_newest], "`newest`, `prefer SIDE` or `manual`"),
        (&[Rule::given_step, Rule::step_line], "`given`, `edit`, `delete`, `expect` or `roundtrip`"),
        (&[Rule::record], "a record in braces"),
        (&[Rule::ty, Rule::named_type], "a type"),
        (&[Rule::dotted, Rule::count], "a number"),
        (&[Rule::path, Rule::call, Rule::paren, Rule::expr, Rule::action], "a value or a field"),
        (&[Rule::one_way], "`reject`, `park`, `skip`, `null` or a value"),
        (&[Rule::string], "a quoted text"),
        (&[Rule::infix, Rule::coalesce], "an operator"),
        (&[Rule::kw_in], "`in`"),
        (&[Rule::name, Rule::word], "a name"),
        (&[Rule::EOI], "the end of the line"),
    ];
    WORDS.iter().find(|(wanted, _)| rules.iter().any(|it| wanted.contains(it))).map(|(_, words)| *words)
}

/// Words that a mistyped one may have meant: those that can stand there.
fn candidates(rules: &[Rule], rule: Rule) -> impl Iterator<Item = &'static str> {
    let has = |wanted: &[Rule]| rules.iter().any(|it| wanted.contains(it));
    let list: &'static [&'static str] = match rule {
        _ if has(&[Rule::clause]) => words::CLAUSES,
        _ if has(&[Rule::conflict, Rule::kw_newest]) => words::CONFLICTS,
        _ if has(&[Rule::delete_action, Rule::kw_refuse]) => words::DELETIONS,
        _ if has(&[Rule::kw_create]) => words::RULE_EVENTS,
        Rule::policy_line if has(&[Rule::policy_conflict, Rule::policy_delete, Rule::kw_rekey]) => words::MAP_EVENTS,
        Rule::step_line if has(&[Rule::step_line, Rule::given_step]) => words::STEPS,
        Rule::step_line => words::EXPECTATIONS,
        Rule::system_item => &["from", "profile"],
        Rule::map_head => &["extends"],
        Rule::drop_line => &["because"],
        _ => &[],
    };
    list.iter().copied()
}

/// How a policy of this event is written; `found` is what stands where it broke.
fn policy_form(event: &str, found: Option<&str>) -> String {
    if let Some(clause) = found.filter(|it| words::CLAUSES.contains(it)) {
        return format!("`{clause}` belongs to a rule: write it behind the rule's right side");
    }
    let form = match event {
        "conflict" => "write `on conflict newest`, `on conflict prefer SIDE` or `on conflict manual`",
        "delete" => {
            "write `on delete -> delete`, `on delete -> set FIELD = VALUE`, `on delete -> refuse` or `on delete -> ignore`, \
             and `<-` for the other direction"
        }
        "exit" => "write `on exit detach`, `on exit deactivate`, `on exit delete` or `on exit reject`",
        "rekey" => "write `on rekey reject` or `on rekey rename`",
        "error" => "write `on error retry 5`, `on error park` or `on error pause`",
        "missing" => "write `on missing park`, `on missing reject` or `on missing null`",
        "create" | "update" => "`on create` and `on update` stand on the line of their rule, behind its right side",
        _ => form(Rule::policy_line),
    };
    form.to_owned()
}

/// How the piece is written when it is right.
fn form(rule: Rule) -> &'static str {
    match rule {
        Rule::use_item => "write `use \"FILE\" as NAME`",
        Rule::system_item => "write `system NAME from \"SCHEMA\" profile PROFILE`",
        Rule::function_item => "write `fn NAME(argument: type): type = EXPRESSION`",
        Rule::iso_item => "write `iso NAME(argument: type) <-> type { -> EXPRESSION <- EXPRESSION }`",
        Rule::param_item => "write `param NAME: type = VALUE`",
        Rule::profile_head => "begin with `profile NAME {`",
        Rule::entity_head => "begin with `entity SYSTEM.NAME {`",
        Rule::values_head => "begin with `values NAME: SYSTEM.ENUM <-> SYSTEM.ENUM {`",
        Rule::map_head => "begin with `map NAME: SYSTEM.ENTITY <-> SYSTEM.ENTITY {` or `map NAME extends ALIAS.MAP {`",
        Rule::test_head => "begin with `test \"WHAT IS TRUE\" in MAP {`",
        Rule::for_head => "begin with `for FIELD in { VALUE, … } {`",
        Rule::profile_line => "write `text: null is blank, padded 8`",
        Rule::entity_line => "write `Name: text<20> required`, `key Name: type` or `unique (a, b)`",
        Rule::row_line => "write `Left <-> Right`",
        Rule::version_line => "write `version 1.0.0`",
        Rule::partition_line => "write `partition LEFT <-> RIGHT` or `partition in { VALUE, … }`",
        Rule::key_line => "write `key LEFT <-> RIGHT`",
        Rule::filter_line => "write `filter CONDITION <-> CONDITION`, `filter CONDITION ->` or `filter <- CONDITION`",
        Rule::override_line => "write `override LABEL: LEFT <-> RIGHT`",
        Rule::drop_line => "write `drop LABEL because \"WHY\"`",
        Rule::seal_line => "write `seal LABEL, LABEL`",
        Rule::policy_line => {
            "write `on conflict newest`, `on delete -> delete`, `on exit detach`, `on rekey reject`, `on error retry 5` or `on missing park`"
        }
        Rule::step_line => {
            "write `given SIDE { field: VALUE }`, `edit …`, `delete SIDE`, `expect SIDE { … }` or `expect writes 1`"
        }
        _ => "write `LEFT <-> RIGHT`, and its clauses behind it on the same line",
    }
}
