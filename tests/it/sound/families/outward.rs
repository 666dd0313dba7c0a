//! Rules that look beyond their own two fields: value maps that answer for what they do not know, references, filters.

use dwmap::change::{Side, Sides};
use dwmap::value::Value;

use super::super::case::{Admitted, Facts, name};
use super::{CANONS, Pen, call};

impl Pen<'_> {
    /// An `else` row toward a side, with what it makes of the value.
    fn else_row(&mut self, towards: Side, member: &str, may_be_null: bool) -> String {
        let action = match self.dice.below(6) {
            0 => "park",
            1 => {
                self.out.admits.push(Admitted::Anything);
                member
            }
            2 => {
                self.out.may_skip = true;
                "skip"
            }
            3 if may_be_null => {
                self.out.admits.push(Admitted::Anything);
                "null"
            }
            _ => "reject",
        };
        self.out.may_refuse[towards] |= matches!(action, "park" | "reject");
        if towards == Side::Left { format!("{action} <- else") } else { format!("else -> {action}") }
    }

    pub(super) fn elses(&mut self) {
        let count = self.dice.between(2, 4);
        let set = |pen: &mut Self, letter: char| match pen.dice.below(4) {
            0 => {
                let names: Vec<String> = (0..count).map(|it| format!("{letter}{it}")).collect();
                (format!("enum {{ {} }}", names.join(", ")), names)
            }
            1 => {
                let length = pen.length().max(4);
                let names = (0..count).map(|it| format!("\"{letter}{it}\"")).collect();
                (0..count).for_each(|it| pen.spice(&format!("{letter}{it}")));
                (format!("text<{length}>"), names)
            }
            _ => {
                let names: Vec<String> = (0..count).map(|it| format!("{letter}{it}")).collect();
                let members: Vec<String> = (0..count).map(|it| format!("{letter}{it} = {it}")).collect();
                (format!("choice {{ {} }}", members.join(", ")), names)
            }
        };
        let ((left_kind, left_names), (right_kind, right_names)) = (set(self, 'm'), set(self, 'n'));
        let null = self.null(40);
        let (left, right) = (self.left(&format!("{left_kind}{null}")), self.right(&format!("{right_kind}{null}")));
        let mut rows: Vec<String> =
            left_names.iter().zip(&right_names).map(|(left, right)| format!("{left} <-> {right}")).collect();
        if self.dice.percent(20) {
            let index = self.dice.below(rows.len());
            let arrow = *self.dice.pick(&["->", "<-"]);
            rows[index] = rows[index].replace("<->", arrow);
            self.out.admits.push(Admitted::Anything);
        }
        for (towards, names) in [(Side::Right, &right_names), (Side::Left, &left_names)] {
            if self.dice.percent(75) {
                let member = self.dice.pick(names).clone();
                let row = self.else_row(towards, &member, null == "?");
                rows.push(row);
            }
        }
        let said = (self.out.may_refuse.clone(), self.out.may_skip);
        let otherwise = self.otherwise(45);
        self.out.may_refuse = Sides::new(
            self.out.may_refuse[Side::Left] | said.0[Side::Left],
            self.out.may_refuse[Side::Right] | said.0[Side::Right],
        );
        self.out.may_skip |= said.1;
        let is_named = left_kind.starts_with('c') && right_kind.starts_with('c') && self.dice.percent(50);
        let via = if is_named {
            let name = format!("V{}", self.out.label);
            self.out.items = format!("values {name}: left.L.{left} <-> right.R.{right} {{\n  {}\n}}\n", rows.join("\n  "));
            format!("  via {name}{otherwise}")
        } else {
            format!("  via {{ {} }}{otherwise}", rows.join(", "))
        };
        self.either(70, &left, &right, &via);
    }

    pub(super) fn referred(&mut self, profiles: &Sides<Facts>) {
        self.out.refers = true;
        if profiles.iter().any(|(_, it)| it.ignores_case()) {
            self.out.admits.push(Admitted::Case);
        }
        if profiles.iter().any(|(_, it)| it.ignores_trailing_blanks()) {
            self.out.admits.push(Admitted::Trim);
        }
        let holder = if self.dice.percent(65) { Side::Right } else { Side::Left };
        let side = name(holder);
        let table = format!("T{}", self.out.label);
        let (code, other) = if self.dice.percent(25) {
            ("int32".to_owned(), "int32".to_owned())
        } else {
            let length = self.length();
            let other = if self.dice.percent(70) { length } else { self.length() };
            (format!("text<{length}>"), format!("text<{other}>"))
        };
        let needs_null = self.has_no_blank[holder] && code.starts_with("text");
        let optional = if needs_null { "?" } else { "" };
        let null = self.null(60);
        let missing = *self.dice.pick(&["", "", "   on missing park", "   on missing reject", "   on missing null"]);
        let form = self.dice.below(8);
        let (key, columns) = match form {
            // The code is the primary key.
            0 => (format!("  key code: {code}\n"), "code"),
            1 => (
                format!("  key id: guid\n  unique (company, code)\n  partition company: text<8>\n  code: {code}{optional}\n"),
                "code",
            ),
            2 => (format!("  key id: guid\n  unique (code, area)\n  code: {code}{optional}\n  area: int32\n"), "code, area"),
            _ => (format!("  key id: guid\n  unique (code)\n  code: {code}{optional}\n"), "code"),
        };
        self.out.items = format!("entity {side}.{table} {{\n{key}}}\n");
        let reference = self.field(holder, &format!("lookup {side}.{table}?"));
        let end = self.field(holder.other(), &format!("{other}{null}"));
        let mut end = if form == 2 { format!("({end}, {})", self.field(holder.other(), &format!("int32{null}"))) } else { end };
        if form > 2 && code.starts_with("text") && self.dice.percent(30) {
            let function = *self.dice.pick(CANONS);
            self.admit(function);
            end = call(function, &end);
        }
        let via = if form == 7 && code == "int32" {
            // Through a map of its own.
            let own = name(holder.other());
            self.out.items += &format!("entity {own}.S{} {{\n  key code: int32\n}}\n", self.out.label);
            let (left, right) = if holder == Side::Right {
                (format!("left.S{}", self.out.label), format!("right.{table}"))
            } else {
                (format!("left.{table}"), format!("right.S{}", self.out.label))
            };
            self.out.items += &format!(
                "map K{}: {left} <-> {right} {{\n  key code <-> code\n  on conflict prefer left\n  on delete <-> ignore\n}}\n",
                self.out.label
            );
            format!("K{}", self.out.label)
        } else {
            format!("{side}.{table}({columns})")
        };
        let otherwise = self.otherwise(60);
        let (left, right) = if holder == Side::Right { (end, reference) } else { (reference, end) };
        self.either(85, &left, &right, &format!("  via {via}{missing}{otherwise}"));
    }

    pub(super) fn filtered(&mut self) {
        let null = self.null(40);
        let (kind, members, spice): (String, [(&str, &str); 2], &str) = match self.dice.below(5) {
            0 => ("bool".to_owned(), [("true", "true"), ("false", "false")], ""),
            1 => ("enum { No, Yes, Some }".to_owned(), [("No", "No"), ("Yes", "Yes")], ""),
            2 => ("int32".to_owned(), [("3", "3"), ("4", "4")], ""),
            3 => (format!("text<{}>", self.length().max(4)), [("\"en\"", "\"en\""), ("\"En \"", "\"en\"")], "en"),
            _ => (format!("text<{}>", self.length().max(4)), [("\"A\"", "\"A\""), ("\"A\"", "\"B\"")], "A"),
        };
        if !spice.is_empty() {
            self.spice(spice);
            self.spice(&spice.to_uppercase());
        }
        self.out.spice.push(Value::Int(3));
        let (left, right) = (self.left(&format!("{kind}{null}")), self.right(&format!("{kind}{null}")));
        let (l, r) = *self.dice.pick(&members);
        let (first, second) = members[0];
        let test = |field: &str, value: &str, form: usize| match form {
            0 => format!("{field} != {value}"),
            1 => format!("{field} in {{ {value} }}"),
            2 => format!("{field} == {value} or {field} == {}", if value == l { first } else { second }),
            3 if null == "?" => format!("not is_null({field})"),
            _ => format!("{field} == {value}"),
        };
        let form = self.dice.below(9);
        let other = if self.dice.percent(85) { form } else { self.dice.below(9) };
        self.out.filter = Some(Sides::new(test(&left, l, form), test(&right, r, other)));
        let otherwise = self.otherwise(15);
        let clauses = match (kind.as_str(), self.dice.below(6)) {
            ("enum { No, Yes, Some }", 0..4) => format!("  via {{ No <-> No, Yes <-> Yes, Some <-> Some }}{otherwise}"),
            (kind, 0) if kind.starts_with("text") => {
                self.out.admits.push(Admitted::Case);
                format!("  modulo case{otherwise}")
            }
            _ => otherwise.to_owned(),
        };
        self.both(&left, &right, &clauses);
    }
}
