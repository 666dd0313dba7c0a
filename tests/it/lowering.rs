//! Rules to plans: what each form writes in both directions, and what is said about rules that cannot be right.

use dwmap::change::Side;
use dwmap::check::{self, Checked, NoSchemas};
use dwmap::diag::{Diagnostic, Diagnostics, Severity};
use dwmap::interp::{self, Cx, Lookups, Query, Resolution, Stop};
use dwmap::ir::Plan;
use dwmap::source::Sources;
use dwmap::syntax;
use dwmap::value::{Record, Value};

const CUSTOMERS: &str = include_str!("../corpus/lowering/customers.dwmap");

/// Two entities with a field of every kind; tests add a map with the rule in question.
const FIELDS: &str = include_str!("../corpus/lowering/fields.dwmap");

fn check_text(text: &str) -> (Checked, Vec<Diagnostic>, Sources) {
    let mut sources = Sources::default();
    let file = sources.add("test.dwmap", text).expect("the text is short");
    let mut diags = Diagnostics::default();
    let tree = syntax::parse(&sources, file, &mut diags);
    let checked = check::check(&[tree], &sources, &NoSchemas, &mut diags);
    (checked, diags.sorted(), sources)
}

fn with_rules(rules: &str) -> String {
    format!(
        "{FIELDS}\nmap M: a.Left <-> b.right {{\n  key Id <-> id\n{rules}\n  on conflict newest\n  on delete <-> refuse\n}}\n"
    )
}

fn errors(diags: &[Diagnostic], sources: &Sources) -> Vec<String> {
    let errors = diags.iter().filter(|it| it.severity == Severity::Error);
    errors.map(|it| format!("{} {}: {}", it.code, sources.text(it.primary()), it.message)).collect()
}

fn plan_of(rules: &str) -> Plan {
    let (checked, diags, sources) = check_text(&with_rules(rules));
    assert_eq!(errors(&diags, &sources), Vec::<String>::new(), "{rules}");
    checked.program.plan("M").expect("a map without errors is in the program").1.clone()
}

fn record(plan: &Plan, side: Side, fields: &[(&str, Value)]) -> Record {
    let shape = &plan.shapes[side];
    let mut out = Record::from_values(vec![Value::Null; shape.fields.len()]);
    out.set(shape.key[0], Value::text("1"));
    for (name, value) in fields {
        out.set(shape.slot(name).unwrap_or_else(|| panic!("the plan uses {name}")), value.clone());
    }
    out
}

/// What is written to `towards`, without the key.
fn put(plan: &Plan, towards: Side, from: &[(&str, Value)], onto: Option<&[(&str, Value)]>) -> Result<Vec<(String, Value)>, Stop> {
    let mut lookups = Lookups::default();
    let from = record(plan, towards.other(), from);
    let onto = onto.map(|it| record(plan, towards, it));
    for _ in 0..10 {
        match interp::put(Cx { plan, lookups: &lookups }, towards, &from, onto.as_ref()) {
            // The row with the key k has the id #k.
            Err(Stop::Unresolved(query)) => {
                let found = match &query {
                    Query::KeyOf { id, .. } => Value::text(id.as_text().expect("ids are texts here").trim_start_matches('#')),
                    Query::IdOf { key, .. } => {
                        Value::text(format!("#{}", key.as_text().map_or_else(|| key.to_string(), str::to_owned)))
                    }
                };
                lookups.insert(query, Resolution::Found(found));
            }
            Err(stop) => return Err(stop),
            Ok(out) => {
                let named =
                    |(slot, value): (dwmap::value::Slot, &Value)| (plan.shapes[towards].field(slot).name.clone(), value.clone());
                let is_key = |name: &str| name.eq_ignore_ascii_case("id");
                return Ok(out.slots().filter(|(_, it)| it.is_known()).map(named).filter(|(name, _)| !is_key(name)).collect());
            }
        }
    }
    panic!("the references do not resolve");
}

fn check_put(rules: &str, towards: Side, from: &[(&str, Value)], onto: Option<&[(&str, Value)]>, expected: &[(&str, Value)]) {
    let plan = plan_of(rules);
    let expected: Vec<(String, Value)> = expected.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    assert_eq!(put(&plan, towards, from, onto), Ok(expected), "{rules} towards {towards:?}");
}

/// The rule draws exactly one error, with this code, at this text; the other rule draws none.
fn check_error(wrong: &str, code: &str, marked: &str, right: &str) {
    let (checked, diags, sources) = check_text(&with_rules(wrong));
    let found: Vec<(String, &str)> = diags
        .iter()
        .filter(|it| it.severity == Severity::Error)
        .map(|it| (it.code.to_string(), sources.text(it.primary())))
        .collect();
    assert_eq!(found, [(code.to_owned(), marked)], "{wrong}: {:?}", errors(&diags, &sources));
    assert!(checked.program.plan("M").is_none(), "a map with an error is not in the program");
    plan_of(right);
}

fn text(it: &str) -> Value {
    Value::text(it)
}

fn decimal(it: &str) -> Value {
    Value::Decimal(it.parse().expect("the literal is a decimal"))
}

use Side::{Left, Right};

#[test]
fn the_first_example_has_no_error() {
    let (checked, diags, sources) = check_text(CUSTOMERS);
    assert_eq!(errors(&diags, &sources), Vec::<String>::new());
    assert_eq!(checked.program.plans.len(), 3);
    assert_eq!(checked.tests.len(), 2);
    let (_, plan) = checked.program.plan("Customers").expect("the map has no error");
    assert_eq!(plan.key.len(), 2);
    assert_eq!(plan.references.len(), 3);
    assert!(plan.references[2].is_partitioned);
}

#[test]
fn a_plain_field_is_copied_both_ways() {
    check_put("  Text <-> text", Right, &[("Text", text("x"))], None, &[("text", text("x"))]);
    check_put("  Text <-> text", Left, &[("text", text("y"))], None, &[("Text", text("y"))]);
}

#[test]
fn a_side_that_agrees_is_not_touched() {
    check_put("  Text <-> text modulo trim", Right, &[("Text", text(" x"))], Some(&[("text", text("x"))]), &[]);
}

#[test]
fn a_canoniser_writes_what_it_reads() {
    check_put("  upper(Text) <-> upper(long)   else reject", Right, &[("Text", text("ab"))], None, &[("long", text("AB"))]);
}

#[test]
fn a_cut_text_keeps_its_tail_where_nothing_changed() {
    let rule = "  take(Long, 10) <~> text   loses \"the tail\"";
    check_put(rule, Left, &[("text", text("0123456789"))], Some(&[("Long", text("0123456789abc"))]), &[]);
    check_put(rule, Left, &[("text", text("new"))], Some(&[("Long", text("0123456789abc"))]), &[("Long", text("new"))]);
}

#[test]
fn a_rounded_number_keeps_its_digits_where_nothing_changed() {
    let rule = "  round(Fine, 2) <~> coarse   loses \"digits\"   else reject";
    check_put(rule, Right, &[("Fine", decimal("1.2345"))], None, &[("coarse", decimal("1.23"))]);
    check_put(rule, Left, &[("coarse", decimal("1.23"))], Some(&[("Fine", decimal("1.2345"))]), &[]);
}

#[test]
fn a_default_stands_for_null() {
    let rule = "  Maybe ?? \"none\" <-> text";
    check_put(rule, Right, &[("Maybe", Value::Null)], None, &[("text", text("none"))]);
    check_put(rule, Left, &[("text", text("none"))], Some(&[("Maybe", Value::Null)]), &[]);
    check_put(rule, Left, &[("text", text("x"))], Some(&[("Maybe", Value::Null)]), &[("Maybe", text("x"))]);
}

#[test]
fn a_joined_text_is_divided_at_the_separator() {
    let join = |split: &str| format!("  Text ++ \" \" ++ Long <~> maybe   split {split}   loses \"where it ends\"   else park");
    let from = [("maybe", text("a b c"))];
    check_put(&join("first"), Left, &from, None, &[("Text", text("a")), ("Long", text("b c"))]);
    check_put(&join("last"), Left, &from, None, &[("Text", text("a b")), ("Long", text("c"))]);
    check_put(&join("last"), Right, &[("Text", text("a")), ("Long", text("b"))], None, &[("maybe", text("a b"))]);
}

#[test]
fn a_finer_member_is_kept_while_the_coarse_one_stands() {
    let rule = "  Hold <~> hold   via { No <-> None, All <-> Full, Some -> Full }   loses \"All or Some\"   else reject";
    check_put(rule, Right, &[("Hold", text("Some"))], None, &[("hold", Value::Int(1))]);
    check_put(rule, Left, &[("hold", Value::Int(1))], Some(&[("Hold", text("Some"))]), &[]);
    check_put(rule, Left, &[("hold", Value::Int(0))], Some(&[("Hold", text("Some"))]), &[("Hold", text("No"))]);
}

#[test]
fn tuples_are_compared_and_written_part_by_part() {
    let rule = "  (Text, Count) <-> (text, number)";
    check_put(
        rule,
        Right,
        &[("Text", text("x")), ("Count", Value::Int(2))],
        None,
        &[("text", text("x")), ("number", Value::Int(2))],
    );
}

#[test]
fn a_reference_is_written_by_the_key_of_its_row() {
    let rule = "  Code <-> ref   via b.currency(code)";
    check_put(rule, Right, &[("Code", text("EUR"))], None, &[("ref", text("#EUR"))]);
    check_put(rule, Left, &[("ref", text("#USD"))], None, &[("Code", text("USD"))]);
}

#[test]
fn conversions_go_back() {
    let rule = "  text(Count) <~> text   loses \"zeros in front\"   else reject";
    check_put(rule, Right, &[("Count", Value::Int(7))], None, &[("text", text("7"))]);
    check_put(rule, Left, &[("text", text("8"))], None, &[("Count", Value::Int(8))]);
}

#[test]
fn numbers_of_other_form_are_converted() {
    check_put("  Count <-> coarse   else reject", Right, &[("Count", Value::Int(7))], None, &[("coarse", decimal("7"))]);
    check_put("  Count <-> coarse   else reject", Left, &[("coarse", decimal("8"))], None, &[("Count", Value::Int(8))]);
}

#[test]
fn a_guard_holds_back_its_rule() {
    let rule = "  Count <- number\n  Text <-> text   when Count > 1";
    check_put(rule, Right, &[("Text", text("x")), ("Count", Value::Int(1))], None, &[]);
    check_put(rule, Right, &[("Text", text("x")), ("Count", Value::Int(2))], None, &[("text", text("x"))]);
}

#[test]
fn a_constant_is_written_on_create_only() {
    let rule = "  Full -> hold   on create";
    check_put(rule, Right, &[], None, &[("hold", Value::Int(1))]);
    check_put(rule, Right, &[], Some(&[]), &[]);
}

#[test]
fn an_else_answers_from_the_source_record() {
    let rule = "  int(Text) -> number   else Count";
    check_put(rule, Right, &[("Text", text("x")), ("Count", Value::Int(5))], None, &[("number", Value::Int(5))]);
    check_put(rule, Right, &[("Text", text("9")), ("Count", Value::Int(5))], None, &[("number", Value::Int(9))]);
}

#[test]
fn an_unknown_field_is_named_with_its_nearest() {
    check_error("  Txet -> text", "DW0101", "Txet", "  Text -> text");
}

#[test]
fn a_name_that_is_member_and_field_must_be_told_apart() {
    check_error("  Hold <- Both", "DW0101", "Both", "  Hold <- Hold.Both");
}

#[test]
fn a_readonly_field_is_not_written() {
    check_error("  Text -> fixed", "DW0102", "fixed", "  Text <- fixed");
}

#[test]
fn text_and_number_need_a_bridge() {
    check_error("  Count -> text", "DW0103", "Count", "  text(Count) -> text");
    check_error("  Count <-> text", "DW0103", "text", "  text(Count) <~> text   loses \"zeros in front\"   else reject");
}

#[test]
fn a_null_needs_an_answer() {
    check_error("  Maybe -> text", "DW0202", "Maybe", "  Maybe ?? \"\" -> text");
}

#[test]
fn a_text_that_may_be_too_long_needs_an_answer() {
    check_error("  Long -> text", "DW0203", "Long", "  take(Long, 20) -> text");
    check_error("  upper(Text) -> text", "DW0203", "upper(Text)", "  upper(Text) -> text   else reject");
    check_error("  Text ++ Text -> text", "DW0203", "Text ++ Text", "  Text ++ Text -> long");
}

#[test]
fn a_number_that_may_not_fit_needs_an_answer() {
    check_error("  Fine -> coarse", "DW0204", "Fine", "  Fine -> coarse   else reject");
}

#[test]
fn a_time_of_day_is_not_lost_silently() {
    check_error("  At -> day", "DW0205", "At", "  date(At) -> day");
    check_error("  At <-> day", "DW0205", "At", "  date(At) <~> day   loses \"the time\"");
}

#[test]
fn an_operation_that_can_fail_needs_an_answer() {
    check_error("  int(Text) -> number64", "DW0206", "int(Text)", "  int(Text) -> number64   else null");
}

#[test]
fn a_value_map_covers_its_source() {
    let rows = |rows: &str| format!("  Hold -> hold   via {{ {rows} }}");
    check_error(
        &rows("No -> None, All -> Full"),
        "DW0207",
        "via { No -> None, All -> Full }",
        &rows("No -> None, All -> Full, Some -> Full, Both -> Full"),
    );
}

#[test]
fn a_value_map_yields_known_members() {
    check_error(
        "  Hold -> hold   via { No -> Nome, else -> None }",
        "DW0208",
        "Nome",
        "  Hold -> hold   via { No -> None, else -> None }",
    );
}

#[test]
fn an_open_set_needs_an_else_row() {
    let rows = "No <- None, All <- Full";
    let marked = format!("via {{ {rows} }}");
    check_error(
        &format!("  Hold <- hold   {marked}"),
        "DW0209",
        &marked,
        &format!("  Hold <- hold   via {{ {rows}, reject <- else }}"),
    );
}

#[test]
fn every_right_member_has_a_preferred_reverse() {
    let marked = "via { No <- None, reject <- else }";
    check_error("  Hold <- hold   via { No <- None }", "DW0309", "via { No <- None }", &format!("  Hold <- hold   {marked}"));
}

#[test]
fn a_one_way_function_has_no_place_in_a_two_way_rule() {
    check_error("  title(Text) <-> long   else reject", "DW0304", "title", "  title(Text) -> long");
}

#[test]
fn via_leads_to_a_unique_key() {
    check_error("  Code <-> ref   via b.currency(name)", "DW0407", "b.currency(name)", "  Code <-> ref   via b.currency(code)");
    check_error("  Code <-> ref   via Currencies", "DW0407", "Currencies", "  Code <-> ref   via b.currency(code)");
}

#[test]
fn the_clock_stands_in_one_way_rules_on_create_only() {
    check_error("  now() -> at", "DW0803", "now", "  At -> at");
}

/// Two partitioned entities; the company of the right one is a reference.
fn partitioned(lines: &str) -> String {
    format!(
        "system a profile finops\nsystem b profile dataverse\n\nentity a.Item {{\n  partition key area: text<4>\n  key Id: text<20>\n  Name: text<20>\n  \
         Kind: enum {{ Good, Bad }}\n}}\n\nentity b.company {{\n  key id: guid\n  unique (code)\n  code: text<4>\n}}\n\n\
         entity b.item {{\n  key itemid: guid\n  unique (id, company)\n  id: text<20>?\n  company: lookup b.company?\n  name: text<20>\n  \
         region: text<10>?\n  gone: bool?\n}}\n\nmap M: a.Item <-> b.item {{\n  partition area <-> company via b.company(code)\n  \
         key Id <-> id\n{lines}\n}}\n"
    )
}

fn partitioned_plan(lines: &str) -> Plan {
    let (checked, diags, sources) = check_text(&partitioned(lines));
    assert_eq!(errors(&diags, &sources), Vec::<String>::new(), "{lines}");
    checked.program.plan("M").expect("a map without errors is in the program").1.clone()
}

#[test]
fn a_for_block_holds_for_its_partitions_only() {
    let plan =
        partitioned_plan("  for area in { \"demf\" } {\n    \"DE\" -> region\n  }\n  on conflict newest\n  on delete <-> refuse");
    for (area, region) in [("DEMF", Some(text("DE"))), ("usmf", None)] {
        let out = put(&plan, Right, &[("area", text(area)), ("Id", text("1"))], None).expect("the row can be carried");
        assert_eq!(out.into_iter().find(|(name, _)| name == "region").map(|(_, it)| it), region, "{area}");
    }
}

#[test]
fn filters_and_selected_partitions_decide_what_takes_part() {
    let plan = partitioned_plan(
        "  partition in { \"usmf\" }\n  filter Kind == Good ->\n  on exit detach\n  on conflict newest\n  on delete <-> refuse",
    );
    let lookups = Lookups::default();
    let in_scope = |area: &str, kind: &str| {
        let row = record(&plan, Left, &[("area", text(area)), ("Kind", text(kind))]);
        interp::in_scope(Cx { plan: &plan, lookups: &lookups }, Left, &row)
    };
    assert_eq!(in_scope("usmf", "Good"), Ok(true));
    assert_eq!(in_scope("usmf", "Bad"), Ok(false));
    assert_eq!(in_scope("demf", "Good"), Ok(false));
    assert_eq!(plan.scope[Right], None);
}

#[test]
fn policies_are_kept_by_the_side_where_something_happened() {
    use dwmap::ir::{Conflict, DeleteAction, Exit, OnError};
    let plan = partitioned_plan(
        "  Name <-> name   on conflict prefer b\n  on conflict newest else prefer b\n  on delete -> set gone = true\n  on delete <- ignore\n  \
         on exit <- reject\n  on error park",
    );
    let gone = plan.shapes[Right].slot("gone").expect("the policy uses it");
    assert_eq!(plan.on_delete[Left], DeleteAction::Set { slot: gone, value: Value::Bool(true) });
    assert_eq!(plan.on_delete[Right], DeleteAction::Ignore);
    assert_eq!((&plan.on_exit[Left], &plan.on_exit[Right]), (&None, &Some(Exit::Reject)));
    assert_eq!(plan.on_error, OnError::Park);
    let conflicts: Vec<Conflict> = plan.groups.iter().map(|it| it.conflict).collect();
    assert_eq!(conflicts, [Conflict::Newest { tie: Right }, Conflict::Newest { tie: Right }, Conflict::Prefer(Right)]);
}

#[test]
fn a_one_way_map_writes_one_side_and_still_matches_by_key() {
    let one_way = with_rules("  Text -> text").replace("a.Left <-> b.right", "a.Left -> b.right");
    let (checked, diags, sources) = check_text(&one_way);
    assert_eq!(errors(&diags, &sources), Vec::<String>::new());
    let plan = checked.program.plan("M").expect("the map is right").1;
    assert!(!plan.writes[Left] && plan.rules.iter().all(|it| !it.writes(Left)));
    let (_, diags, sources) = check_text(&one_way.replace("Text -> text", "Text <-> text"));
    assert_eq!(
        diags.iter().map(|it| (it.code.to_string(), sources.text(it.primary()))).collect::<Vec<_>>(),
        [("DW0102".to_owned(), "<->")],
        "a one-way map has no conflicts, so its policy for them is nothing to speak of"
    );
}

#[test]
fn own_functions_are_put_in_place() {
    let items = "fn loud(s: text<20>): text<23> = s ++ \"!!!\"\ncanon vat(s: text<20>): text<60> = upper(strip(s, \" .\"))\n";
    let text_of = |rule: &str| format!("{items}\n{}", with_rules(rule));
    let plan = |rule: &str| {
        let (checked, diags, sources) = check_text(&text_of(rule));
        assert_eq!(errors(&diags, &sources), Vec::<String>::new(), "{rule}");
        checked.program.plan("M").expect("the map is right").1.clone()
    };
    let loud = put(&plan("  loud(Text) -> long"), Right, &[("Text", text("a"))], None);
    assert_eq!(loud, Ok(vec![("long".to_owned(), text("a!!!"))]));
    let vat = plan("  vat(Text) <-> vat(long)   else reject");
    assert_eq!(put(&vat, Right, &[("Text", text("de 1.2"))], None), Ok(vec![("long".to_owned(), text("DE12"))]));
    assert_eq!(put(&vat, Left, &[("long", text("DE12"))], Some(&[("Text", text("de 1.2"))])), Ok(Vec::new()));
    let (_, diags, sources) = check_text(&text_of("  loud(Text) <-> long   else reject"));
    assert_eq!(
        diags
            .iter()
            .filter(|it| it.severity == Severity::Error)
            .map(|it| (it.code.to_string(), sources.text(it.primary())))
            .collect::<Vec<_>>(),
        [("DW0304".to_owned(), "loud")]
    );
    let (_, diags, _) = check_text(&format!("fn again(s: text) = again(s)\n{}", with_rules("  again(Text) -> long")));
    assert_eq!(
        diags.iter().filter(|it| it.severity == Severity::Error).map(|it| it.code.to_string()).collect::<Vec<_>>(),
        ["DW0001"]
    );
}

#[test]
fn a_decimal_can_be_held_in_whole_units() {
    let rule = "  Fine * 100 <-> number64   else reject";
    check_put(rule, Right, &[("Fine", decimal("1.25"))], None, &[("number64", Value::Int(125))]);
    check_put(rule, Left, &[("number64", Value::Int(125))], None, &[("Fine", decimal("1.25"))]);
}

#[test]
fn an_else_for_one_direction_answers_that_direction_only() {
    check_error("  Long <-> text   else <- reject", "DW0203", "Long", "  Long <-> text   else -> reject");
    let plan = plan_of("  Long <~> text   loses \"long texts\"   else -> \"too long\"");
    let long = "a text of more than twenty units";
    assert_eq!(put(&plan, Right, &[("Long", text(long))], None), Ok(vec![("text".to_owned(), text("too long"))]));
}

#[test]
fn one_mistake_makes_one_message_and_spares_other_maps() {
    let text = with_rules("  Txet -> text").replace("map M:", "map Wrong:") + &with_rules("  Text -> text").replace(FIELDS, "");
    let (checked, diags, sources) = check_text(&text);
    assert_eq!(errors(&diags, &sources).len(), 1);
    assert_eq!(checked.program.plans.iter().map(|it| it.name.as_str()).collect::<Vec<_>>(), ["M"]);
}

#[test]
fn a_rule_is_called_by_its_right_field() {
    let label = |rule: &str| plan_of(rule).rules[1].label.clone();
    assert_eq!(label("  Text -> text"), "text");
    assert_eq!(label("  Text <- fixed"), "fixed");
    assert_eq!(label("  Hold <- No   on create"), "Hold");
    assert_eq!(label("  mine: Text -> text"), "mine");
}

#[test]
fn the_parts_of_a_tuple_that_agree_are_not_touched() {
    let rule = "  (Maybe ?? \"x\", Text) <-> (long, text)   else reject";
    let from = [("long", text("x")), ("text", text("new"))];
    check_put(rule, Left, &from, Some(&[("Maybe", Value::Null), ("Text", text("old"))]), &[("Text", text("new"))]);
    let both = [("long", text("y")), ("text", text("new"))];
    let row = [("Maybe", Value::Null), ("Text", text("old"))];
    check_put(rule, Left, &both, Some(&row), &[("Maybe", text("y")), ("Text", text("new"))]);
}

#[test]
fn a_fixed_text_around_a_value_is_taken_off_again() {
    let rule = "  \"No. \" ++ Text ++ \"!\" <-> long   else reject";
    check_put(rule, Right, &[("Text", text("7"))], None, &[("long", text("No. 7!"))]);
    check_put(rule, Left, &[("long", text("No. 8!"))], None, &[("Text", text("8"))]);
    let refused = put(&plan_of(rule), Left, &[("long", text("Nr. 8!"))], None);
    assert!(matches!(&refused, Err(Stop::Refused(it)) if it.message.contains("No. ")), "{refused:?}");
}

#[test]
fn a_value_map_that_refuses_names_the_value() {
    let rule = "  Hold <- hold   via { No <- None, All <- Full, reject <- else }";
    let refused = put(&plan_of(rule), Left, &[("hold", Value::Int(7))], None);
    assert!(matches!(&refused, Err(Stop::Refused(it)) if it.message.contains("refuses 7")), "{refused:?}");
}

#[test]
fn a_value_map_has_a_limit() {
    let rows = |count: usize| (0..count).map(|it| format!("{it} -> {it}\n")).collect::<String>();
    let text = |count: usize| format!("{FIELDS}\nvalues Many: a.Left.Id <-> b.right.id {{\n{}}}\n", rows(count));
    let said = |count: usize| {
        let (_, diags, sources) = check_text(&text(count));
        errors(&diags, &sources).into_iter().filter(|it| it.contains("at most")).collect::<Vec<_>>()
    };
    assert_eq!(said(2_000), Vec::<String>::new());
    assert_eq!(said(2_001), ["DW0001 2000 -> 2000: `Many` has 2001 rows, and a value map has 2000 at most"]);
}

#[test]
fn a_map_has_a_limit() {
    let said = |count: usize| {
        let rules: String = (1..count).map(|it| format!("  x{it}: \"a\" -> text on create\n")).collect();
        let (_, diags, sources) = check_text(&with_rules(&rules));
        errors(&diags, &sources).into_iter().filter(|it| it.contains("at most")).collect::<Vec<_>>()
    };
    assert_eq!(said(2_000), Vec::<String>::new());
    assert_eq!(said(2_002), ["DW0001 x2000: \"a\" -> text on create: a map has 2000 rules at most"]);
}
