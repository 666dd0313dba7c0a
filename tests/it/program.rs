//! A compiled program that does not fit together is refused, with the place and a way out.

use dwmap::change::Side;
use dwmap::ir::{EXPRESSION_DEPTH_MAX, Exit, Expr, Fallback, Math, PlanId, Program, RefId, RuleId, TableId};
use dwmap::value::{Kind, Slot, Value};

use super::stage;

/// A map with a key, a filter, a value map, a lookup and a guard.
const MAPS: &str = r#"
system a profile exact
system b profile exact

entity a.Group { key Code: text<10> }
entity b.group { key code: text<10> }
entity a.Item {
  key Number: text<20>
  Name:       text<60>
  Kind:       enum { One, Two }
  Price:      decimal<10,2>
  Group:      lookup a.Group?
}
entity b.item {
  key number: text<20>
  name:       text<60>
  kind:       enum { Uno, Due }
  price:      decimal<10,2>
  group:      lookup b.group?
}

map Groups: a.Group <-> b.group {
  key Code <-> code
  on delete <-> refuse
}

map Items: a.Item <-> b.item {
  key Number <-> number
  filter Price > 0 <-> price > 0
  Name  <-> name   when Kind == One
  Kind  <-> kind   via { One <-> Uno, Two <-> Due }
  Price <-> price
  Group <-> group  via Groups   on missing create
  on conflict prefer a
  on delete <-> refuse
  on exit <-> detach
}
"#;

fn good() -> Program {
    stage::program(MAPS)
}

/// The program with a fault, and its hash as it should be, is refused; the message has these words.
fn check_refused(fault: impl FnOnce(&mut Program), words: &[&str]) {
    let mut program = good();
    fault(&mut program);
    program.seal();
    let message = match Program::parse_json(&program.to_json()) {
        Ok(_) => panic!("it is read; expected {words:?}"),
        Err(error) => error.to_string(),
    };
    assert!(words.iter().all(|it| message.contains(it)), "{message}\nexpected {words:?}");
    assert!(message.ends_with("compile it again"), "a way out: {message}");
}

fn rule<'a>(program: &'a mut Program, label: &str) -> &'a mut dwmap::ir::Rule {
    program.plans[1].rules.iter_mut().find(|it| it.label == label).expect("there is such a rule")
}

#[test]
fn what_was_compiled_is_read_back() {
    let program = good();
    assert_eq!(Program::parse_json(&program.to_json()).expect("it fits together"), program);
}

#[test]
fn a_field_that_is_not_there_is_refused() {
    let past = Expr::Slot(Slot(5));
    check_refused(
        |it| rule(it, "name").ends[Side::Left].read = past.clone(),
        &["the map `Items`, the rule `name`, its left end", "the field 5, and `Item` has 5"],
    );
    check_refused(|it| rule(it, "name").ends[Side::Right].write[0].0 = Slot(9), &["its right end", "the field 9"]);
    check_refused(
        |it| rule(it, "name").ends[Side::Right].write[0].1 = Expr::Concat(vec![Expr::It, past.clone()]),
        &["its right end"],
    );
    check_refused(|it| rule(it, "name").guard.as_mut().expect("it has one").condition = past.clone(), &["its `when`"]);
    check_refused(|it| it.plans[1].scope[Side::Right] = Some(past.clone()), &["the filter of the right side"]);
    check_refused(
        |it| rule(it, "name").otherwise[Side::Right] = Some(Fallback::Expr(past.clone().boxed())),
        &["its `else`", "`Item`"],
    );
    check_refused(|it| it.plans[1].shapes[Side::Left].key = vec![Slot(7)], &["the left side", "the field 7"]);
    check_refused(|it| it.plans[1].shapes[Side::Left].modified = Some(Slot(7)), &["the left side", "the field 7"]);
    let mark = Exit::Set { slot: Slot(8), value: Value::Null };
    check_refused(|it| it.plans[1].on_exit[Side::Left] = Some(mark), &["what happens on the left side", "`item`"]);
    check_refused(|it| it.plans[1].references[0].targets[0].columns[0].slot = Slot(4), &["the lookup 0", "the field 4"]);
}

#[test]
fn a_number_of_something_that_is_not_there_is_refused() {
    check_refused(
        |it| rule(it, "name").ends[Side::Left].read = Expr::Table { table: TableId(9), operand: Expr::Slot(Slot(0)).boxed() },
        &["the value map 9"],
    );
    check_refused(
        |it| {
            rule(it, "name").ends[Side::Left].read = Expr::KeyOf { reference: RefId(9), operand: Expr::Slot(Slot(0)).boxed() };
        },
        &["the lookup 9"],
    );
    check_refused(
        |it| it.plans[1].references[1].source.as_mut().expect("it has one").target.columns[0].slot = Slot(9),
        &["the lookup 1", "where missing rows come from", "the field 9"],
    );
    check_refused(|it| it.plans[1].references[1].plan = None, &["the lookup 1", "no map that makes them"]);
    check_refused(|it| it.plans[1].references.iter_mut().for_each(|it| it.source = None), &["`group`", "where from"]);
    check_refused(|it| it.plans[1].key = vec![RuleId(99)], &["its key", "the rule 99"]);
    check_refused(|it| it.plans[1].key.clear(), &["its key", "no rule tells the rows apart"]);
    check_refused(|it| it.plans[1].partition = Some(RuleId(1)), &["its key", "the partition"]);
    check_refused(|it| it.plans[1].groups[0].rules.push(RuleId(99)), &["the groups of its rules", "the rule 99"]);
    check_refused(|it| drop(it.plans[1].groups.pop()), &["the groups of its rules", "in one group"]);
    check_refused(|it| it.plans[1].systems[Side::Right] = 2, &["the right system has the number 2"]);
    check_refused(|it| it.order.push(vec![PlanId(7)]), &["the order"]);
    check_refused(|it| it.plans[0].name = "Items".to_owned(), &["two maps have one name"]);
}

#[test]
fn an_expression_that_cannot_be_worked_out_is_refused() {
    let call = |function: &str, arguments: &[Expr]| Expr::Call { function: function.to_owned(), arguments: arguments.to_vec() };
    let mut broken = vec![
        (call("nonsense", &[]), "no function `nonsense`"),
        (call("lower", &[]), "`lower` takes 1 arguments, not 0"),
        (call("take", &[Expr::Slot(Slot(0)), Expr::Slot(Slot(0))]), "is no constant"),
        (call("take", &[Expr::Slot(Slot(0)), Expr::Const(Value::Int(-1))]), "-1 is no count"),
        (Expr::It, "a value that nobody gives it"),
        (Expr::Part { operand: Expr::Tuple(vec![Expr::Slot(Slot(0))]).boxed(), index: 1 }, "the part 1"),
    ];
    let narrow = Kind::Decimal { precision: 1, scale: 2 };
    broken.push((Expr::Convert { to: narrow, operand: Expr::Slot(Slot(0)).boxed() }, "`decimal<1,2>`"));
    for (expr, words) in broken {
        check_refused(|it| rule(it, "name").ends[Side::Left].read = expr, &["the rule `name`", words]);
    }
}

#[test]
fn a_value_map_that_asks_itself_is_refused() {
    let itself = Expr::Table { table: TableId(0), operand: Expr::Const(Value::text("x")).boxed() };
    check_refused(|it| it.plans[1].tables[0].otherwise = Some(Fallback::Expr(itself.boxed())), &["asks a value map"]);
    check_refused(|it| it.plans[1].tables[0].pairs.reverse(), &["not sorted"]);
}

fn deep(levels: usize) -> Expr {
    (1..levels).fold(Expr::Slot(Slot(1)), |inner, _| Expr::Math { op: Math::Add, left: inner.boxed(), right: Expr::It.boxed() })
}

#[test]
fn the_deepest_expression_is_read_back_and_a_deeper_one_is_refused() {
    let mut program = good();
    rule(&mut program, "price").ends[Side::Right].write[0].1 = deep(EXPRESSION_DEPTH_MAX);
    program.seal();
    assert_eq!(Program::parse_json(&program.to_json()).expect("it is not too deep"), program);
    check_refused(
        |it| rule(it, "price").ends[Side::Right].write[0].1 = deep(EXPRESSION_DEPTH_MAX + 1),
        &["the rule `price`", "nests more than 128 levels deep"],
    );
}

#[test]
fn brackets_without_end_are_refused() {
    for brackets in ["[", "{\"a\":"] {
        let text = format!("{{\"format\": 2, \"plans\": {}", brackets.repeat(1_000_000));
        assert!(Program::parse_json(&text).is_err());
    }
    let closed = format!("{{\"format\": 2, \"plans\": {}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let message = Program::parse_json(&closed).expect_err("it is no program").to_string();
    assert!(message.contains("nest more than"), "{message}");
}
