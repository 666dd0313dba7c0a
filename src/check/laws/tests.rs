//! Rules built by hand, decided by the laws.

use super::super::names;
use super::*;
use crate::change::Sides;
use crate::check::built::Role;
use crate::check::{Given, NoSchemas, uses};
use crate::ir::{
    Conflict, DeleteAction, End, Expr, Group, Laws, Missing, Modulo, OnError, Origin, Plan, Rule, TableId, ValueTable,
};
use crate::schema::ShapeField;
use crate::schema::{Profile, Shape, profile::TextFacts};
use crate::source::Sources;
use crate::syntax::{self, ast};
use crate::value::{EnumType, Kind, Member, Slot, Value};
use std::sync::Arc;

/// A rule's text and its compiled ends over the fields `l0, l1, …` and `r0, r1, …`.
struct Case<'a> {
    text: &'a str,
    left: Vec<Kind>,
    right: Vec<Kind>,
    ends: Sides<End>,
    modulo: Modulo,
    profiles: Sides<Profile>,
    tables: Vec<ValueTable>,
}

fn text(max: u32) -> Kind {
    Kind::Text { max: Some(max) }
}

fn call(function: &str, operand: Expr, rest: &[Value]) -> Expr {
    let arguments = std::iter::once(operand).chain(rest.iter().cloned().map(Expr::Const)).collect();
    Expr::Call { function: function.to_owned(), arguments }
}

fn field() -> Expr {
    Expr::Slot(Slot(0))
}

fn writes(read: Expr) -> End {
    End { read, write: vec![(Slot(0), Expr::It)] }
}

impl Case<'_> {
    /// Two texts of 20 units between exact stores.
    fn texts(text_of_rule: &str, left: Expr, right: Expr) -> Case<'_> {
        Case {
            text: text_of_rule,
            left: vec![text(20)],
            right: vec![text(20)],
            ends: Sides::new(writes(left), writes(right)),
            modulo: Modulo::default(),
            profiles: Sides::new(Profile::exact(), Profile::exact()),
            tables: Vec::new(),
        }
    }

    fn plan(&self, rule: Rule) -> Plan {
        let shape = |letter: char, kinds: &[Kind]| Shape {
            entity: letter.to_string(),
            set: letter.to_string(),
            fields: kinds.iter().enumerate().map(|(index, kind)| shape_field(format!("{letter}{index}"), kind.clone())).collect(),
            key: Vec::new(),
            modified: None,
        };
        Plan {
            name: "M".to_owned(),
            version: None,
            origin: origin(),
            systems: Sides::new(0, 1),
            profiles: self.profiles.clone(),
            shapes: Sides::new(shape('l', &self.left), shape('r', &self.right)),
            writes: Sides::new(true, true),
            rules: vec![rule],
            groups: vec![Group { rules: vec![RuleId(0)], conflict: Conflict::Manual }],
            key: Vec::new(),
            partition: None,
            partition_in: None,
            scope: Sides::new(None, None),
            on_exit: Sides::new(None, None),
            on_delete: Sides::new(DeleteAction::Refuse, DeleteAction::Refuse),
            on_rekey: crate::ir::Rekey::Reject,
            on_error: OnError::Park,
            references: Vec::new(),
            tables: self.tables.clone(),
        }
    }

    fn rule(&self, arrow: &str, loses: Option<String>) -> Rule {
        Rule {
            label: "r0".to_owned(),
            origin: origin(),
            arrow: arrow.to_owned(),
            kind: self.right[0].clone(),
            ends: self.ends.clone(),
            modulo: self.modulo,
            guard: None,
            on_create: false,
            on_update: false,
            on_missing: Missing::Park,
            otherwise: Sides::new(None, None),
            loses,
            laws: Laws::all(Certificate::Assumed),
        }
    }
}

fn origin() -> Origin {
    Origin { file: "test.dwmap".to_owned(), line: 1 }
}

fn shape_field(name: String, kind: Kind) -> ShapeField {
    ShapeField { name, kind, nullable: true, readonly: false, lookup_sets: Vec::new() }
}

/// What the laws say: the codes with their counterexamples or traces, and the certificate.
fn decided(case: &Case<'_>) -> (Vec<Diagnostic>, Certificate) {
    let mut sources = Sources::default();
    let source = format!("system a\nsystem b\nmap M: a.l <-> b.r {{\n  {}\n}}\n", case.text);
    let file = sources.add("test.dwmap", source).expect("the text is short");
    let mut diags = Diagnostics::default();
    let files = [syntax::parse(&sources, file, &mut diags)];
    let project = uses::among(&files, &sources, &mut diags);
    let systems = names::systems(&project, &NoSchemas, &mut diags);
    let world = names::collect(&project, systems, &[], &Given::default(), &mut diags);
    assert!(!diags.has_errors(), "{:?}", diags.sorted());
    let map = world.maps["M"].map;
    let ast::MemberKind::Rule(rule) = &map.members[0].kind else { panic!("the text is one rule") };
    let loses = rule.clauses.iter().find_map(|it| match &it.kind {
        ast::ClauseKind::Loses(words) => Some(words.text.clone()),
        _ => None,
    });
    let plan = case.plan(case.rule(rule.arrow.text(), loses));
    let written = Written { rule, role: Role::Ordinary, span: rule.span };
    let mut built = Built { plan: plan.into(), map, rules: vec![written], is_partial: false, is_wrong: false };
    let told = decide(&world, &mut built, &Verdicts::default(), &sources);
    tell(std::slice::from_mut(&mut built), &[&told], &mut diags);
    (diags.sorted(), built.plan.rules[0].laws.section.clone())
}

fn codes_of(case: &Case<'_>) -> Vec<Code> {
    decided(case).0.iter().map(|it| it.code).collect()
}

#[test]
fn plain_fields_are_proved() {
    let case = Case::texts("l0 <-> r0", field(), field());
    assert_eq!(decided(&case), (Vec::new(), Certificate::Proved));
}

#[test]
fn the_same_canoniser_on_both_sides_is_proved() {
    let case = Case::texts("lower(l0) <-> lower(r0)", call("lower", field(), &[]), call("lower", field(), &[]));
    assert_eq!(decided(&case), (Vec::new(), Certificate::Proved));
}

#[test]
fn a_canoniser_on_one_side_fails_with_the_value_and_two_fixes() {
    let case = Case::texts("trim(l0) <-> r0", call("trim", field(), &[]), field());
    let (found, certificate) = decided(&case);
    assert_eq!(found.iter().map(|it| it.code).collect::<Vec<_>>(), [codes::SECTION]);
    assert_eq!(found[0].counterexample.as_deref(), Some(r#"r0 = "b "  →  l0 = "b "  →  reads as "b"  ≠  "b ""#));
    assert_eq!(found[0].fixes.len(), 2);
    assert_eq!(found[0].fixes[1].edits[0].text, "trim(r0)");
    assert!(matches!(certificate, Certificate::Tested { .. }));
}

#[test]
fn modulo_forgives_what_it_names() {
    let mut case = Case::texts("trim(l0) <-> r0 modulo trim", call("trim", field(), &[]), field());
    case.modulo.trim = true;
    assert_eq!(codes_of(&case), []);
}

#[test]
fn a_cut_under_the_equal_arrow_shows_two_texts() {
    let mut case = Case::texts("take(l0, 5) <-> r0", call("take", field(), &[Value::Int(5)]), field());
    case.right = vec![text(5)];
    let (found, _) = decided(&case);
    assert_eq!(found[0].code, codes::LOST);
    let shown = found[0].counterexample.as_deref().expect("two records are shown");
    assert!(shown.contains(" and "), "{shown}");
}

#[test]
fn a_cut_under_the_lossy_arrow_passes_when_it_says_what_is_lost() {
    let cut = || call("take", field(), &[Value::Int(5)]);
    assert_eq!(codes_of(&Case::texts("take(l0, 5) <~> r0 loses \"the tail\"", cut(), field())), []);
    assert_eq!(codes_of(&Case::texts("take(l0, 5) <~> r0", cut(), field())), [codes::NO_LOSES]);
}

#[test]
fn cutting_after_trimming_is_not_stable() {
    let cut = || call("take", call("trim", field(), &[]), &[Value::Int(4)]);
    let case = Case::texts("take(trim(l0), 4) <~> take(trim(r0), 4) loses \"the tail\"", cut(), cut());
    let (found, _) = decided(&case);
    assert_eq!(found[0].code, codes::NOT_IDEMPOTENT);
    assert_eq!(found[0].counterexample.as_deref(), Some(r#"l0 = "abc d"  →  "abc "  →  l0 = "abc "  →  "abc""#));
}

#[test]
fn what_both_stores_change_settles() {
    let mut case = Case::texts("l0 <-> r0", field(), field());
    let padded = TextFacts { padded: Some(8), ..TextFacts::default() };
    case.profiles = Sides::new(Profile { text: padded, ..Profile::exact() }, Profile::finops());
    assert_eq!(codes_of(&case), []);
}

#[test]
fn a_joined_text_has_two_splits() {
    let joined = Expr::Concat(vec![field(), Expr::Const(Value::text(" ")), Expr::Slot(Slot(1))]);
    let part = |tail: bool| Expr::SplitPart { operand: Expr::It.boxed(), separator: " ".to_owned(), from_end: true, tail };
    let end = End { read: joined, write: vec![(Slot(0), part(false)), (Slot(1), part(true))] };
    let mut case = Case::texts("l0 ++ \" \" ++ l1 <-> r0", field(), field());
    case.left = vec![text(20), text(20)];
    case.right = vec![text(41)];
    case.ends[Side::Left] = end;
    assert_eq!(codes_of(&case), [codes::AMBIGUOUS_SPLIT]);
    case.text = "l0 ++ \" \" ++ l1 <~> r0 loses \"where the first name ends\"";
    assert_eq!(codes_of(&case), []);
}

#[test]
fn a_value_map_that_joins_members_is_enumerated_and_shown() {
    let members = |names: &[&str]| {
        let members = names.iter().map(|it| Member { name: (*it).to_owned(), value: Value::text(it) }).collect();
        Kind::Enum(Arc::new(EnumType { name: "e".to_owned(), open: false, members }))
    };
    let table = |pairs: &[(&str, &str)]| ValueTable {
        name: "hold".to_owned(),
        pairs: pairs.iter().map(|(from, to)| (Value::text(from), Value::text(to))).collect(),
        otherwise: None,
        ignore_case: false,
    };
    let via = |table: u16, operand: Expr| Expr::Table { table: TableId(table), operand: operand.boxed() };
    let mut case = Case::texts("l0 <-> r0", field(), field());
    case.left = vec![members(&["All", "No", "Payment"])];
    case.right = vec![members(&["Everything", "None"])];
    case.ends = Sides::new(End { read: via(0, field()), write: vec![(Slot(0), via(1, Expr::It))] }, writes(field()));
    case.tables = vec![
        table(&[("All", "Everything"), ("No", "None"), ("Payment", "Everything")]),
        table(&[("Everything", "All"), ("None", "No")]),
    ];
    let (found, certificate) = decided(&case);
    assert_eq!(found[0].code, codes::LOST);
    assert_eq!(found[0].counterexample.as_deref(), Some("l0 = All and l0 = Payment  →  r0 = Everything"));
    assert!(matches!(certificate, Certificate::Enumerated { .. }));
    case.text = "l0 <~> r0 loses \"whether All or Payment\"";
    assert_eq!(codes_of(&case), []);
}

#[test]
fn a_default_for_null_is_no_loss() {
    let read = Expr::Coalesce(field().boxed(), Expr::Const(Value::text("en-us")).boxed());
    assert_eq!(codes_of(&Case::texts("l0 ?? \"en-us\" <-> r0", read, field())), []);
}

/// One store keeps upper case and the other lower case, inside a tuple whose parts are not folded.
#[test]
fn a_rule_that_never_settles_prints_its_trace() {
    let pair = || End {
        read: Expr::Tuple(vec![field(), Expr::Slot(Slot(1))]),
        write: [0, 1].map(|index| (Slot(index), Expr::Part { operand: Expr::It.boxed(), index })).into(),
    };
    let keeps = |text: TextFacts| Profile { text, ..Profile::exact() };
    let mut case = Case::texts("(l0, l1) <-> (r0, r1)", field(), field());
    case.left = vec![Kind::Bool, text(20)];
    case.right = case.left.clone();
    case.ends = Sides::new(pair(), pair());
    case.profiles = Sides::new(
        keeps(TextFacts { upper: true, ..TextFacts::default() }),
        keeps(TextFacts { lower: true, ..TextFacts::default() }),
    );
    let (found, _) = decided(&case);
    assert_eq!(found[0].code, codes::ABSORPTION);
    let (name, trace) = &found[0].notes[0];
    assert_eq!(name, "trace");
    assert!(trace.starts_with("a l0 = false, l1 = \"A\" → b r0 = false, r1 = \"a\" → a l0 = false"), "{trace}");
}

/// What is cut off may end at white space that no store drops: cut shorter on the other side, it is trimmed once more.
#[test]
fn a_cut_that_ends_at_a_tab_is_tried() {
    let cut = |units: i64| call("take_last", field(), &[Value::Int(units)]);
    let mut case =
        Case::texts("take_last(l0, 4) <~> trim(take_last(r0, 12)) loses \"the head\"", cut(4), call("trim", cut(12), &[]));
    case.profiles[Side::Left].text = TextFacts { blank_is_null: true, leading_blanks_dropped: true, ..TextFacts::default() };
    case.profiles[Side::Right] = Profile::dataverse();
    assert_eq!(codes_of(&case), [codes::ABSORPTION]);
}

/// `0!` loses its zero, for there is a letter behind it.
#[test]
fn what_a_function_looks_for_is_tried_beside_the_constants() {
    let end = || call("with_suffix", call("trim_zeros", field(), &[]), &[Value::text("!")]);
    let case = Case::texts("with_suffix(trim_zeros(l0), \"!\") <-> with_suffix(trim_zeros(r0), \"!\")", end(), end());
    let (found, _) = decided(&case);
    assert_eq!(found[0].code, codes::NOT_IDEMPOTENT);
    assert_eq!(found[0].counterexample.as_deref(), Some(r#"l0 = "0"  →  "0!"  →  l0 = "0!"  →  "!""#));
}
