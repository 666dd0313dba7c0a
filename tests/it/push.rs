//! Conditions that stores evaluate: what is pushed and what is left are together the condition, for any row.

use dwmap::change::Side;
use dwmap::check::{self, NoSchemas};
use dwmap::diag::Diagnostics;
use dwmap::interp::{self, Cx, Lookups};
use dwmap::ir::push::{Dialect, Pushed, push};
use dwmap::ir::{Compare, Expr, Plan};
use dwmap::schema::{Profile, Shape, ShapeField};
use dwmap::source::Sources;
use dwmap::syntax;
use dwmap::value::{Date, Decimal, EnumType, Kind, Member, Record, Slot, Timestamp, Uuid, Value};

const BASE: &str = "system a\nsystem b\n\nentity a.L {\n  key Id: text<20>\n}\n\nentity b.R {\n  key id: text<20>\n}\n\nmap M: a.L <-> b.R {\n  \
                    key Id <-> id\n  on conflict newest\n  on delete <-> refuse\n}\n";

/// A plan whose left side has a field of every kind that conditions ask about.
fn plan(dialect: Dialect, profile: Profile) -> Plan {
    let mut sources = Sources::default();
    let file = sources.add("test.dwmap", BASE).expect("the text is short");
    let mut diags = Diagnostics::default();
    let tree = syntax::parse(&sources, file, &mut diags);
    let mut plan = check::check(&[tree], &sources, &NoSchemas, &mut diags).program.plan("M").expect("the map is right").1.clone();
    let field = |name: &str, kind: Kind| ShapeField {
        name: name.to_owned(),
        kind,
        nullable: dialect != Dialect::Finops,
        readonly: false,
        lookup_sets: Vec::new(),
    };
    plan.shapes[Side::Left] = Shape {
        entity: "L".to_owned(),
        set: "L".to_owned(),
        fields: vec![
            field("Name", Kind::Text { max: Some(20) }),
            field("Count", Kind::Int32),
            field("Big", Kind::Int64),
            field("Amount", Kind::Decimal { precision: 12, scale: 2 }),
            field("Flag", Kind::Bool),
            field("Day", Kind::Date),
            field("At", Kind::DateTime),
            field("Hold", Kind::Enum(hold(dialect))),
            field("Id", Kind::Guid),
            field("Ref", Kind::Lookup(["account".to_owned()].into())),
        ],
        key: vec![Slot(0)],
        modified: None,
    };
    plan.profiles[Side::Left] = profile;
    plan
}

fn hold(dialect: Dialect) -> std::sync::Arc<EnumType> {
    let value = |name: &str, number: i64| match dialect {
        Dialect::Finops | Dialect::OData | Dialect::Sqlite => Value::text(name),
        Dialect::Dataverse => Value::Int(number),
    };
    let member = |name: &str, number: i64| Member { name: name.to_owned(), value: value(name, number) };
    EnumType { name: "Hold".to_owned(), open: true, members: vec![member("No", 0), member("All", 1), member("Payment", 2)] }
        .into()
}

fn divide(dialect: Dialect, profile: Profile, condition: &Expr) -> Pushed {
    let plan = plan(dialect, profile);
    push(dialect, &plan.profiles[Side::Left], &plan.shapes[Side::Left], condition)
}

fn slot(plan: &Plan, name: &str) -> Expr {
    Expr::Slot(plan.shapes[Side::Left].slot(name).expect("a field of the shape"))
}

fn compare(op: Compare, left: Expr, right: Value) -> Expr {
    Expr::Compare { op, left: left.boxed(), right: Expr::Const(right).boxed() }
}

fn not(expr: Expr) -> Expr {
    Expr::Not(expr.boxed())
}

fn filter_of(dialect: Dialect, profile: Profile, condition: impl Fn(&dyn Fn(&str) -> Expr) -> Expr) -> (String, bool) {
    let plan = plan(dialect, profile.clone());
    let pushed = divide(dialect, profile, &condition(&|name| slot(&plan, name)));
    (pushed.filter.unwrap_or_default(), pushed.residue.is_none())
}

#[test]
fn a_comparison_that_is_the_same_everywhere_leaves_nothing() {
    let less = |it: &dyn Fn(&str) -> Expr| compare(Compare::Less, it("Count"), Value::Int(3));
    assert_eq!(filter_of(Dialect::OData, Profile::exact(), less), ("Count lt 3".to_owned(), true));
    assert_eq!(filter_of(Dialect::Dataverse, Profile::dataverse(), less), ("Count lt 3".to_owned(), true));
    assert_eq!(filter_of(Dialect::Finops, Profile::finops(), less), ("Count lt 3".to_owned(), true));
    assert_eq!(filter_of(Dialect::Sqlite, Profile::exact(), less), ("\"Count\" < 3".to_owned(), true));
}

#[test]
fn not_less_is_true_for_null() {
    let not_less = |it: &dyn Fn(&str) -> Expr| not(compare(Compare::Less, it("Count"), Value::Int(3)));
    assert_eq!(filter_of(Dialect::OData, Profile::exact(), not_less), ("(Count eq null or Count ge 3)".to_owned(), true));
    assert_eq!(
        filter_of(Dialect::Sqlite, Profile::exact(), not_less),
        ("(\"Count\" is null or \"Count\" >= 3)".to_owned(), true)
    );
}

#[test]
fn a_store_that_ignores_case_is_asked_for_more_and_never_for_less() {
    let equal = |it: &dyn Fn(&str) -> Expr| compare(Compare::Equal, it("Name"), Value::text("O'Hara"));
    let unequal = |it: &dyn Fn(&str) -> Expr| compare(Compare::NotEqual, it("Name"), Value::text("O'Hara"));
    assert_eq!(filter_of(Dialect::Dataverse, Profile::dataverse(), equal), ("Name eq 'O''Hara'".to_owned(), false));
    assert_eq!(filter_of(Dialect::Dataverse, Profile::dataverse(), unequal), (String::new(), false));
    assert_eq!(filter_of(Dialect::OData, Profile::exact(), equal), ("Name eq 'O''Hara'".to_owned(), true));
}

#[test]
fn enums_of_finance_and_operations_are_written_with_their_names() {
    let all = |it: &dyn Fn(&str) -> Expr| compare(Compare::Equal, it("Hold"), Value::text("All"));
    let wanted = "Hold eq Microsoft.Dynamics.DataEntities.Hold'All'".to_owned();
    assert_eq!(filter_of(Dialect::Finops, Profile::finops(), all), (wanted, true));
    let either = |it: &dyn Fn(&str) -> Expr| Expr::In { operand: it("Count").boxed(), set: vec![Value::Int(1), Value::Int(2)] };
    assert_eq!(filter_of(Dialect::Finops, Profile::finops(), either), ("(Count eq 1 or Count eq 2)".to_owned(), true));
}

#[test]
fn a_set_that_is_too_long_and_a_text_that_no_store_takes_are_left() {
    let long = |it: &dyn Fn(&str) -> Expr| Expr::In { operand: it("Count").boxed(), set: (0..51).map(Value::Int).collect() };
    assert_eq!(filter_of(Dialect::OData, Profile::exact(), long), (String::new(), false));
    let control = |it: &dyn Fn(&str) -> Expr| compare(Compare::Equal, it("Name"), Value::text("a\0"));
    assert_eq!(filter_of(Dialect::Sqlite, Profile::exact(), control), (String::new(), false));
}

#[test]
fn what_cannot_be_pushed_stays_and_the_rest_goes() {
    let plan = plan(Dialect::OData, Profile::exact());
    let length = Expr::Call { function: "length".to_owned(), arguments: vec![slot(&plan, "Name")] };
    let local = compare(Compare::Greater, length, Value::Int(3));
    let condition = Expr::And(compare(Compare::Equal, slot(&plan, "Count"), Value::Int(1)).boxed(), local.clone().boxed());
    let pushed = divide(Dialect::OData, Profile::exact(), &condition);
    assert_eq!(pushed, Pushed { filter: Some("Count eq 1".to_owned()), residue: Some(local) });
}

/// Random numbers from one seed, so that a failure can be repeated.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides as u64) as usize
    }

    fn pick<T: Clone>(&mut self, list: &[T]) -> T {
        list[self.roll(list.len())].clone()
    }
}

fn date(text: &str) -> Value {
    Value::Date(text.parse().expect("a date"))
}

fn at(text: &str) -> Value {
    Value::DateTime(text.parse().expect("an instant"))
}

fn decimal(text: &str) -> Value {
    Value::Decimal(text.parse::<Decimal>().expect("a decimal"))
}

/// Values that a store can hold in a field of this kind; those without null come first.
fn values(kind: &Kind) -> Vec<Value> {
    match kind {
        Kind::Text { .. } => ["a", "A", "a ", "ab", "AB", "it's", "50%", "é", "b\0a", "x_a"].map(Value::text).into(),
        Kind::Int32 | Kind::Int64 => [0, 1, 2, 3, -1].map(Value::Int).into(),
        Kind::Decimal { .. } => ["0", "1.5", "2", "-2.25", "0.5"].map(decimal).into(),
        Kind::Bool => vec![Value::Bool(true), Value::Bool(false)],
        Kind::Date => ["2024-02-29", "2024-03-01", "2023-12-31", "1900-01-01"].map(date).into(),
        Kind::DateTime => {
            ["2024-02-29T12:00:00Z", "2024-02-29T12:00:00.5Z", "2024-02-29T12:00:01Z", "1900-01-01T00:00:00Z"].map(at).into()
        }
        Kind::Enum(members) => {
            members.members.iter().map(|it| it.value.clone()).chain([Value::text("1"), Value::Int(1)]).collect()
        }
        Kind::Guid | Kind::Lookup(_) => [1, 2].map(|it| Value::Guid(Uuid::from_u128(it))).into(),
        Kind::Float64 | Kind::Time | Kind::Binary | Kind::Choices(_) => Vec::new(),
    }
}

fn row(dice: &mut Dice, plan: &Plan, dialect: Dialect) -> Record {
    let profile = &plan.profiles[Side::Left];
    let of = |dice: &mut Dice, field: &ShapeField| {
        if field.nullable && dice.roll(4) == 0 {
            return Value::Null;
        }
        let mut all = values(&field.kind);
        match &field.kind {
            Kind::Text { .. } if profile.text.blank_is_null => all.retain(|it| !it.is_blank()),
            Kind::Text { .. } => all.push(Value::text("")),
            // Finance & Operations sends no member that is a number, Dataverse none that is a symbol.
            Kind::Enum(_) if dialect == Dialect::Dataverse => all.retain(|it| matches!(it, Value::Int(_))),
            Kind::Enum(_) if dialect != Dialect::Sqlite => all.retain(|it| it.as_text().is_some_and(|it| it != "1")),
            _ => {}
        }
        let value = dice.pick(&all);
        // What the store drops at the end of a text, it does not hold.
        if profile.text.trailing_blanks_dropped { profile.store(&field.kind, &value) } else { value }
    };
    let fields = &plan.shapes[Side::Left].fields;
    let values = fields.iter().map(|field| match (&field.kind, dialect) {
        // No date is a date there; the connector reads it as null.
        (Kind::Date | Kind::DateTime, Dialect::Finops) => dice.pick(&values(&field.kind)),
        _ => of(dice, field),
    });
    Record::from_values(values.collect())
}

fn constant(dice: &mut Dice, kind: &Kind) -> Value {
    if dice.roll(8) == 0 {
        return Value::Null;
    }
    let mut all = values(kind);
    all.push(Value::text(""));
    if matches!(kind, Kind::Int32 | Kind::Int64 | Kind::Decimal { .. }) {
        all.extend([decimal("1.5"), Value::Int(2), Value::Int(i64::MIN)]);
    }
    dice.pick(&all)
}

const OPS: [Compare; 6] =
    [Compare::Equal, Compare::NotEqual, Compare::Less, Compare::LessEqual, Compare::Greater, Compare::GreaterEqual];

fn test(dice: &mut Dice, plan: &Plan) -> Expr {
    let fields = &plan.shapes[Side::Left].fields;
    let number = dice.roll(fields.len());
    let (field, operand) = (&fields[number], Expr::Slot(Slot(number as u16)));
    let name = slot(plan, "Name");
    match dice.roll(12) {
        0..=4 => {
            let (op, value) = (dice.pick(&OPS), constant(dice, &field.kind));
            compare(op, operand, value)
        }
        5 => {
            let value = Expr::Const(constant(dice, &field.kind)).boxed();
            Expr::Compare { op: dice.pick(&OPS), left: value, right: operand.boxed() }
        }
        6 => Expr::In { operand: operand.boxed(), set: (0..dice.roll(4)).map(|_| constant(dice, &field.kind)).collect() },
        7 | 8 => {
            let function = dice.pick(&["contains", "starts_with", "ends_with"]).to_owned();
            let part = Expr::Const(dice.pick(&["a", "A", "b", "'", "%", "_", "", "é", " "].map(Value::text)));
            Expr::Call { function, arguments: vec![name, part] }
        }
        9 => Expr::Call { function: "is_null".to_owned(), arguments: vec![operand] },
        10 => {
            let (function, of, value) = dice.pick(&[
                ("year", "Day", Value::Int(2024)),
                ("month", "At", Value::Int(2)),
                ("floor", "Amount", Value::Int(1)),
                ("ceil", "Amount", decimal("2")),
                ("length", "Name", Value::Int(1)),
            ]);
            let call = Expr::Call { function: function.to_owned(), arguments: vec![slot(plan, of)] };
            compare(dice.pick(&OPS), call, value)
        }
        _ => slot(plan, "Flag"),
    }
}

fn condition(dice: &mut Dice, plan: &Plan, depth: usize) -> Expr {
    if depth == 0 {
        return test(dice, plan);
    }
    match dice.roll(5) {
        0 => Expr::And(condition(dice, plan, depth - 1).boxed(), condition(dice, plan, depth - 1).boxed()),
        1 => Expr::Or(condition(dice, plan, depth - 1).boxed(), condition(dice, plan, depth - 1).boxed()),
        2 | 3 => not(condition(dice, plan, depth - 1)),
        _ => test(dice, plan),
    }
}

/// The meaning of the language, by its own interpreter.
fn holds(plan: &mut Plan, condition: Option<&Expr>, row: &Record) -> bool {
    plan.scope[Side::Left] = condition.cloned();
    let lookups = Lookups::default();
    interp::in_scope(Cx { plan, lookups: &lookups }, Side::Left, row).expect("conditions here are total")
}

/// A second evaluator for filters of OData, after the standard's text and not after our code.
struct Server<'a> {
    plan: &'a Plan,
    dialect: Dialect,
    row: &'a Record,
    /// A comparison with null is unknown, as in SQL, and not false.
    null_is_unknown: bool,
    tokens: Vec<String>,
    at: usize,
}

impl Server<'_> {
    fn run(plan: &Plan, dialect: Dialect, row: &Record, null_is_unknown: bool, filter: &str) -> bool {
        let mut server = Server { plan, dialect, row, null_is_unknown, tokens: tokens(filter), at: 0 };
        let result = server.or();
        assert_eq!(server.at, server.tokens.len(), "{filter}");
        result == Some(true)
    }

    fn next(&mut self) -> String {
        self.at += 1;
        self.tokens[self.at - 1].clone()
    }

    fn eat(&mut self, token: &str) -> bool {
        let is_next = self.tokens.get(self.at).is_some_and(|it| it == token);
        self.at += usize::from(is_next);
        is_next
    }

    fn or(&mut self) -> Option<bool> {
        let mut result = self.and();
        while self.eat("or") {
            result = match (result, self.and()) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            };
        }
        result
    }

    fn and(&mut self) -> Option<bool> {
        let mut result = self.one();
        while self.eat("and") {
            result = match (result, self.one()) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            };
        }
        result
    }

    fn one(&mut self) -> Option<bool> {
        if self.eat("not") {
            return self.one().map(|it| !it);
        }
        if self.eat("(") {
            let result = self.or();
            assert!(self.eat(")"));
            return result;
        }
        let word = self.next();
        if matches!(word.as_str(), "contains" | "startswith" | "endswith") {
            assert!(self.eat("("));
            let field = self.next();
            assert!(self.eat(","));
            let part = self.next();
            assert!(self.eat(")"));
            let text = self.value(&field);
            let (text, part) = (self.fold(text.as_text()?), self.fold(&unquoted(&part)));
            return Some(match word.as_str() {
                "contains" => text.contains(&part),
                "startswith" => text.starts_with(&part),
                _ => text.ends_with(&part),
            });
        }
        let left = if self.eat("(") {
            let field = self.next();
            assert!(self.eat(")"));
            applied(&word, &self.value(&field))
        } else {
            self.value(&word)
        };
        let op = self.next();
        let literal = self.next();
        let right = self.literal(&word, &literal);
        self.compare(&op, &left, &right)
    }

    fn compare(&self, op: &str, left: &Value, right: &Value) -> Option<bool> {
        let is_null_test = *right == Value::Null;
        if self.null_is_unknown && !is_null_test && !left.is_value() {
            return None;
        }
        let key = |value: &Value| match value {
            Value::Text(text) => Value::text(self.fold(text)),
            Value::Int(it) => Value::Decimal(Decimal::from_int(*it)),
            other => other.clone(),
        };
        let (left, right) = (key(left), key(right));
        let both = left.is_value() && right.is_value();
        Some(match op {
            "eq" => left == right,
            "ne" => left != right,
            "lt" => both && left < right,
            "le" => both && left <= right,
            "gt" => both && left > right,
            "ge" => both && left >= right,
            other => panic!("no operator: {other}"),
        })
    }

    fn fold(&self, text: &str) -> String {
        let facts = &self.plan.profiles[Side::Left].text;
        let text = if facts.compare_ignoring_trailing_blanks { text.trim_end_matches(' ') } else { text };
        if facts.compare_ignoring_case { text.to_lowercase() } else { text.to_owned() }
    }

    fn field(&self, name: &str) -> Option<Slot> {
        let plain = name.strip_prefix('_').and_then(|it| it.strip_suffix("_value")).unwrap_or(name);
        self.plan.shapes[Side::Left].slot(plain)
    }

    /// A date of Finance & Operations is an instant at noon.
    fn value(&self, name: &str) -> Value {
        let value = self.row.get(self.field(name).unwrap_or_else(|| panic!("no field {name}"))).clone();
        match (self.dialect, value) {
            (Dialect::Finops, Value::Date(day)) => at(&format!("{day}T12:00:00Z")),
            (_, value) => value,
        }
    }

    fn literal(&self, name: &str, text: &str) -> Value {
        let kind = self.field(name).map(|it| self.plan.shapes[Side::Left].field(it).kind.clone());
        match text {
            "null" => return Value::Null,
            "true" => return Value::Bool(true),
            "false" => return Value::Bool(false),
            _ => {}
        }
        if let Some(symbol) = text.strip_prefix("Microsoft.Dynamics.DataEntities.Hold") {
            return Value::text(unquoted(symbol));
        }
        match (&kind, text.parse::<Decimal>()) {
            (Some(Kind::Guid | Kind::Lookup(_)), _) => Value::Guid(text.parse().expect("a GUID")),
            (Some(Kind::Text { .. }), _) => Value::text(unquoted(text)),
            (_, Ok(number)) => Value::Decimal(number),
            (_, Err(_)) => {
                let instant = text.parse::<Timestamp>().map(Value::DateTime);
                instant.unwrap_or_else(|_| Value::Date(text.parse::<Date>().expect("a date")))
            }
        }
    }
}

fn applied(function: &str, value: &Value) -> Value {
    match (function, value) {
        (_, Value::Null) => Value::Null,
        ("year", Value::Date(it)) => Value::Int(i64::from(it.year())),
        ("month", Value::Date(it)) => Value::Int(i64::from(it.month())),
        ("day", Value::Date(it)) => Value::Int(i64::from(it.day())),
        ("floor", Value::Decimal(it)) => Value::Decimal(decimal_of(it.to_float().floor())),
        ("ceiling", Value::Decimal(it)) => Value::Decimal(decimal_of(it.to_float().ceil())),
        other => panic!("no function {other:?}"),
    }
}

fn decimal_of(number: f64) -> Decimal {
    Decimal::from_int(number as i64)
}

fn unquoted(text: &str) -> String {
    text.strip_prefix('\'').and_then(|it| it.strip_suffix('\'')).expect("a text in quotes").replace("''", "'")
}

fn tokens(filter: &str) -> Vec<String> {
    let mut out: Vec<String> = vec![String::new()];
    let mut is_quoted = false;
    for letter in filter.chars() {
        is_quoted ^= letter == '\'';
        match letter {
            ' ' if !is_quoted => out.push(String::new()),
            '(' | ')' | ',' if !is_quoted => out.extend([letter.to_string(), String::new()]),
            other => out.last_mut().expect("never empty").push(other),
        }
    }
    out.retain(|it| !it.is_empty());
    out
}

fn check_odata(dialect: Dialect, profile: Profile, seed: u64) {
    let mut dice = Dice(seed);
    let mut plan = plan(dialect, profile);
    let (mut pushed_whole, mut pushed_part, mut shut_out) = (0, 0, 0);
    for _ in 0..2_000 {
        let condition = condition(&mut dice, &plan, 3);
        let pushed = push(dialect, &plan.profiles[Side::Left], &plan.shapes[Side::Left], &condition);
        pushed_whole += usize::from(pushed.residue.is_none());
        pushed_part += usize::from(pushed.filter.is_some());
        for _ in 0..6 {
            let row = row(&mut dice, &plan, dialect);
            let local = interp::normalise(&plan, Side::Left, &row);
            let wanted = holds(&mut plan, Some(&condition), &local);
            let rest = holds(&mut plan, pushed.residue.as_ref(), &local);
            for null_is_unknown in [false, true] {
                let run = |it: &String| Server::run(&plan, dialect, &row, null_is_unknown, it);
                let passes = pushed.filter.as_ref().is_none_or(run);
                shut_out += usize::from(!passes);
                assert_eq!(passes && rest, wanted, "{condition:?}\n{pushed:?}\n{row:?}\nunknown: {null_is_unknown}");
            }
        }
    }
    assert!(pushed_whole > 100 && pushed_part > 500 && shut_out > 1_000, "{pushed_whole} {pushed_part} {shut_out}");
}

#[test]
fn filter_and_residue_are_the_condition_in_odata() {
    check_odata(Dialect::OData, Profile::exact(), 0x0DA7A);
}

#[test]
fn filter_and_residue_are_the_condition_in_dataverse() {
    check_odata(Dialect::Dataverse, Profile::dataverse(), 0xDA7A);
}

#[test]
fn filter_and_residue_are_the_condition_in_finance_and_operations() {
    check_odata(Dialect::Finops, Profile::finops(), 0xF0);
}

#[test]
fn filter_and_residue_are_the_condition_where_odata_stores_have_other_nulls() {
    let blank =
        Profile { text: dwmap::schema::profile::TextFacts { null_is_blank: true, ..Default::default() }, ..Profile::exact() };
    check_odata(Dialect::OData, blank, 7);
    let dated = Profile { null_date: Some(Date::constant(1900, 1, 1)), datetime_step_us: 1_000_000, ..Profile::exact() };
    check_odata(Dialect::OData, dated, 8);
}

fn cell(value: &Value) -> rusqlite::types::Value {
    match value {
        Value::Null => rusqlite::types::Value::Null,
        Value::Bool(it) => rusqlite::types::Value::Integer(i64::from(*it)),
        Value::Int(it) => rusqlite::types::Value::Integer(*it),
        Value::Text(it) => rusqlite::types::Value::Text(it.to_string()),
        other => rusqlite::types::Value::Text(other.to_string()),
    }
}

/// Real SQLite, with columns that would convert and compare loosely where they are allowed to.
#[test]
fn filter_and_residue_are_the_condition_in_sqlite() {
    let mut dice = Dice(0x5E_1EC7);
    let mut plan = plan(Dialect::Sqlite, Profile::exact());
    let db = rusqlite::Connection::open_in_memory().expect("memory");
    db.execute_batch(
        "create table t (Name text collate nocase, Count integer, Big integer, Amount text, Flag integer, Day text, At text, \
         Hold, Id text, Ref text)",
    )
    .expect("the table is new");
    let rows: Vec<Record> = (0..60).map(|_| row(&mut dice, &plan, Dialect::Sqlite)).collect();
    for row in &rows {
        let cells = row.values().iter().map(cell);
        db.execute("insert into t values (?,?,?,?,?,?,?,?,?,?)", rusqlite::params_from_iter(cells)).expect("a row");
    }
    let (mut pushed_whole, mut shut_out) = (0, 0);
    for _ in 0..1_500 {
        let condition = condition(&mut dice, &plan, 3);
        let pushed = push(Dialect::Sqlite, &plan.profiles[Side::Left], &plan.shapes[Side::Left], &condition);
        pushed_whole += usize::from(pushed.residue.is_none());
        let filter = pushed.filter.as_deref().unwrap_or("1");
        let mut query = db.prepare(&format!("select rowid from t where {filter}")).unwrap_or_else(|it| panic!("{filter}: {it}"));
        let found: std::collections::BTreeSet<usize> =
            query.query_map([], |it| it.get::<_, i64>(0)).expect("runs").map(|it| it.expect("a row") as usize - 1).collect();
        shut_out += rows.len() - found.len();
        for (index, row) in rows.iter().enumerate() {
            let wanted = holds(&mut plan, Some(&condition), row);
            let rest = holds(&mut plan, pushed.residue.as_ref(), row);
            assert_eq!(found.contains(&index) && rest, wanted, "{condition:?}\n{pushed:?}\n{row:?}");
        }
    }
    assert!(pushed_whole > 100 && shut_out > 10_000, "{pushed_whole} {shut_out}");
}
