//! The shapes of rules. Each is drawn so that most are right, and some are wrong in a way that people get wrong.

mod outward;

use dwmap::change::{Side, Sides};
use dwmap::value::Value;

use super::case::{Admitted, Drawn, Facts};
use super::dice::Dice;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// A field and a field of the same kind.
    Plain,
    /// Kinds that differ: lengths, digits, numbers of another kind.
    Resized,
    /// The same canoniser on both sides.
    Canon,
    /// Different functions on the two sides, or one on one side.
    Mixed,
    Modulo,
    /// A function that forgets something, with `<~>`.
    Retract,
    /// Texts that are joined and divided.
    Joined,
    /// A fixed text before or behind.
    Affixed,
    /// Enums and choices through a value map.
    Members,
    /// Texts and numbers through a value map.
    Codes,
    /// `??`
    Default,
    /// `* 100`, `+ 5`
    Scaled,
    Dates,
    Tuple,
    /// `fn`, `canon`, `iso` and `param` of the file.
    Own,
    /// `for` and `when`.
    Guarded,
    /// A two-way rule and another that writes one of its fields.
    Twins,
    /// Value maps with `else` rows in both directions, also as an item of their own.
    Elses,
    /// References, by a table's unique key or through a map.
    Referred,
    /// Rules over what a filter reads.
    Filtered,
}

impl Family {
    pub const ALL: &[Self] = &[
        Self::Plain,
        Self::Resized,
        Self::Canon,
        Self::Mixed,
        Self::Modulo,
        Self::Retract,
        Self::Joined,
        Self::Affixed,
        Self::Members,
        Self::Codes,
        Self::Default,
        Self::Scaled,
        Self::Dates,
        Self::Tuple,
        Self::Own,
        Self::Guarded,
        Self::Twins,
        Self::Elses,
        Self::Referred,
        Self::Filtered,
    ];
}

/// Functions that may stand on both sides of `<->`, with further arguments.
const CANONS: &[(&str, &str)] = &[
    ("trim", ""),
    ("trim_start", ""),
    ("trim_end", ""),
    ("upper", ""),
    ("lower", ""),
    ("normalize_space", ""),
    ("remove_space", ""),
    ("one_line", ""),
    ("digits", ""),
    ("letters", ""),
    ("letters_digits", ""),
    ("strip", " .-"),
    ("trim_zeros", ""),
    ("phone", ""),
    ("email", ""),
    ("iban", ""),
    ("tax_number", ""),
    ("with_prefix", "C-"),
    ("with_suffix", "!"),
];
const SEPARATORS: &[&str] = &[" ", "-", ", ", "/", "ab", "  ", "."];

/// A rule while it is written.
struct Pen<'d> {
    dice: &'d mut Dice,
    room: u32,
    /// The store turns `""` into null, so that no text of it is without null.
    has_no_blank: Sides<bool>,
    out: Drawn,
}

pub fn draw(dice: &mut Dice, family: Family, label: &str, profiles: &Sides<Facts>) -> Drawn {
    let room = profiles.iter().map(|(_, it)| it.padded).max().unwrap_or(0);
    let has_no_blank = profiles.map(Facts::has_no_blank);
    let out = Drawn { label: label.to_owned(), family: Some(family), ..Drawn::default() };
    let mut pen = Pen { dice, room, has_no_blank, out };
    match family {
        Family::Plain => pen.plain(),
        Family::Resized => pen.resized(),
        Family::Canon => pen.canon(),
        Family::Mixed => pen.mixed(),
        Family::Modulo => pen.modulo(),
        Family::Retract => pen.retract(),
        Family::Joined => pen.joined(),
        Family::Affixed => pen.affixed(),
        Family::Members => pen.members(),
        Family::Codes => pen.codes(),
        Family::Default => pen.default(),
        Family::Scaled => pen.scaled(),
        Family::Dates => pen.dates(),
        Family::Tuple => pen.tuple(),
        Family::Own => pen.own(),
        Family::Guarded => pen.guarded(),
        Family::Twins => pen.twins(),
        Family::Elses => pen.elses(),
        Family::Referred => pen.referred(profiles),
        Family::Filtered => pen.filtered(),
    }
    pen.out
}

/// A function's call as text.
fn call(function: (&str, &str), inner: &str) -> String {
    let (name, text) = function;
    if text.is_empty() { format!("{name}({inner})") } else { format!("{name}({inner}, \"{text}\")") }
}

impl Pen<'_> {
    /// Declares a field and gives its name.
    fn field(&mut self, side: Side, ty: &str) -> String {
        let letter = if side == Side::Left { 'l' } else { 'r' };
        let name = format!("{letter}{}{}", self.out.label, ["a", "b", "c", "d", "e"][self.out.fields[side].len()]);
        let null = if self.has_no_blank[side] && ty.starts_with("text") && !ty.ends_with('?') { "?" } else { "" };
        self.out.fields[side].push(format!("{name}: {ty}{null}"));
        name
    }

    fn left(&mut self, ty: &str) -> String {
        self.field(Side::Left, ty)
    }

    fn right(&mut self, ty: &str) -> String {
        self.field(Side::Right, ty)
    }

    /// A length for a text that the stores' padding does not overflow.
    fn length(&mut self) -> u32 {
        let drawn = *self.dice.pick(&[1, 3, 4, 6, 8, 10, 12, 20, 30, 60]);
        drawn.max(self.room)
    }

    fn null(&mut self, chance: usize) -> &'static str {
        if self.dice.percent(chance) { "?" } else { "" }
    }

    fn spice(&mut self, text: &str) {
        self.out.spice.push(Value::text(text));
    }

    /// `else reject`, most of the time where it is needed.
    fn otherwise(&mut self, chance: usize) -> &'static str {
        if !self.dice.percent(chance) {
            return "";
        }
        self.out.may_refuse = Sides::new(true, true);
        match self.dice.below(12) {
            0 => "   else park",
            1 => {
                self.out.may_refuse[Side::Right] = false;
                "   else <- reject"
            }
            2 => {
                self.out.may_refuse[Side::Left] = false;
                "   else -> reject"
            }
            3 => {
                self.out.may_refuse = Sides::default();
                self.out.may_skip = true;
                "   else skip"
            }
            _ => "   else reject",
        }
    }

    fn both(&mut self, left: &str, right: &str, clauses: &str) {
        self.out.is_lossless = true;
        self.write(left, "<->", right, clauses);
    }

    fn lossy(&mut self, left: &str, right: &str, clauses: &str) {
        self.write(left, "<~>", right, &format!("{clauses}   loses \"something\""));
    }

    fn either(&mut self, lossless: usize, left: &str, right: &str, clauses: &str) {
        if self.dice.percent(lossless) { self.both(left, right, clauses) } else { self.lossy(left, right, clauses) }
    }

    fn write(&mut self, left: &str, arrow: &str, right: &str, clauses: &str) {
        self.out.text = format!("{}: {left} {arrow} {right} {clauses}", self.out.label);
    }

    fn kind(&mut self) -> String {
        match self.dice.below(10) {
            0..=3 => format!("text<{}>", self.length()),
            4 => "int32".to_owned(),
            5 => "int64".to_owned(),
            6 => (*self.dice.pick(&["decimal<10,2>", "decimal<18,4>", "decimal<5,0>", "decimal<38,10>"])).to_owned(),
            7 => "bool".to_owned(),
            8 => "date".to_owned(),
            _ => "datetime".to_owned(),
        }
    }

    fn plain(&mut self) {
        let kind = self.kind();
        let (left, right) = if self.dice.percent(80) {
            let null = self.null(40);
            (self.left(&format!("{kind}{null}")), self.right(&format!("{kind}{null}")))
        } else {
            let (a, b) = (self.null(50), self.null(50));
            (self.left(&format!("{kind}{a}")), self.right(&format!("{kind}{b}")))
        };
        let otherwise = self.otherwise(15);
        self.either(85, &left, &right, otherwise);
    }

    fn resized(&mut self) {
        let pairs = [
            ("int32", "int64"),
            ("int64", "int32"),
            ("int32", "decimal<12,2>"),
            ("decimal<10,2>", "decimal<18,4>"),
            ("decimal<18,4>", "decimal<10,2>"),
            ("decimal<9,0>", "int32"),
            ("decimal<9,0>", "int64"),
            ("decimal<10,0>", "int32"),
            ("decimal<6,2>", "decimal<5,2>"),
            ("decimal<30,10>", "decimal<38,2>"),
        ];
        let (a, b) = if self.dice.percent(50) {
            let (a, b) = (self.length(), self.length());
            (format!("text<{a}>"), format!("text<{b}>"))
        } else {
            let (a, b) = self.dice.pick(&pairs);
            ((*a).to_owned(), (*b).to_owned())
        };
        let null = self.null(30);
        let (left, right) = (self.left(&format!("{a}{null}")), self.right(&format!("{b}{null}")));
        let otherwise = self.otherwise(85);
        self.either(70, &left, &right, otherwise);
    }

    fn canon(&mut self) {
        let function = *self.dice.pick(CANONS);
        let (a, growing) = (self.length(), self.dice.between(0, 3) as u32);
        let b = if growing == 0 { self.length() } else { a };
        let null = self.null(35);
        let (left, right) = (self.left(&format!("text<{a}>{null}")), self.right(&format!("text<{b}>{null}")));
        self.admit(function);
        let (mut l, mut r) = (call(function, &left), call(function, &right));
        if self.dice.percent(20) {
            let second = *self.dice.pick(CANONS);
            self.admit(second);
            (l, r) = (call(second, &l), call(second, &r));
        }
        if self.dice.percent(10) {
            r = right;
        }
        let otherwise = self.otherwise(90);
        self.either(80, &l, &r, otherwise);
    }

    fn admit(&mut self, function: (&'static str, &str)) {
        let (name, text) = function;
        let arguments = if text.is_empty() { Vec::new() } else { vec![Value::text(text)] };
        self.out.admits.push(Admitted::Function(name, arguments));
        self.spice(if text.is_empty() { "a@B.Com" } else { text });
    }

    fn admit_default(&mut self, literal: &str) {
        let admitted = match literal.parse::<dwmap::value::Decimal>() {
            Ok(number) => number.to_int().map_or(Value::Decimal(number), Value::Int),
            Err(_) => Value::text(literal.trim_matches('"')),
        };
        self.out.spice.push(admitted.clone());
        self.out.admits.push(Admitted::Default(admitted));
    }

    fn mixed(&mut self) {
        let length = self.length();
        let null = self.null(35);
        let (left, right) = (self.left(&format!("text<{length}>{null}")), self.right(&format!("text<{length}>{null}")));
        let mut ends = [left, right];
        for end in &mut ends {
            for _ in 0..self.dice.below(3) {
                *end = match self.dice.below(4) {
                    0 => format!("take({end}, {})", self.dice.between(1, length as usize + 1)),
                    1 => format!("take_last({end}, {})", self.dice.between(1, length as usize + 1)),
                    _ => call(*self.dice.pick(CANONS), end),
                };
            }
            if null == "?" && self.dice.percent(30) {
                *end = format!("{end} ?? \"{}\"", self.dice.pick(&["en", "", " ", "A-"]));
            }
        }
        self.spice("C-");
        self.spice("en");
        self.spice("A-!");
        self.out.admits.push(Admitted::Anything);
        let otherwise = self.otherwise(90);
        self.either(25, &ends[0], &ends[1], otherwise);
    }

    fn modulo(&mut self) {
        let length = self.length();
        let null = self.null(35);
        let (left, right) = (self.left(&format!("text<{length}>{null}")), self.right(&format!("text<{length}>{null}")));
        let mut words = Vec::new();
        for (word, admitted) in [("trim", Admitted::Trim), ("case", Admitted::Case), ("space", Admitted::Space)] {
            if self.dice.percent(50) {
                words.push(word);
                self.out.admits.push(admitted);
            }
        }
        if words.is_empty() {
            words.push("case");
            self.out.admits.push(Admitted::Case);
        }
        let otherwise = self.otherwise(20);
        let clauses = format!("  modulo {}{otherwise}", words.join(", "));
        if self.dice.percent(80) {
            self.both(&left, &right, &clauses);
        } else {
            let function = *self.dice.pick(CANONS);
            self.admit(function);
            // What is compared loosely is what the function gives.
            self.out.admits.rotate_right(1);
            let (left, right) = (call(function, &left), call(function, &right));
            self.either(70, &left, &right, &clauses);
        }
    }

    fn retract(&mut self) {
        let null = self.null(30);
        let (left, right) = if self.dice.percent(50) {
            let (a, b) = (self.length(), self.length());
            let (left, right) = (self.left(&format!("text<{a}>{null}")), self.right(&format!("text<{b}>{null}")));
            let places = self.dice.between(1, b as usize);
            let function = *self.dice.pick(&["take", "take", "take_last"]);
            self.out.spice.push(Value::text("x".repeat(places)));
            if self.dice.percent(12) {
                self.both(&format!("{function}({left}, {places})"), &format!("{function}({right}, {places})"), "   else reject");
                self.out.may_refuse = Sides::new(true, true);
                return;
            }
            let inner = if self.dice.percent(25) {
                let canon = *self.dice.pick(CANONS);
                self.admit(canon);
                call(canon, &left)
            } else {
                left
            };
            let outer = format!("{function}({inner}, {places})");
            (if self.dice.percent(20) { format!("trim({outer})") } else { outer }, right)
        } else {
            let left = self.left(&format!("decimal<12,4>{null}"));
            let scale = *self.dice.pick(&[0, 2, 4]);
            let right = self.right(&format!("decimal<12,{scale}>{null}"));
            let places = self.dice.below(4);
            let function = *self.dice.pick(&["round", "round_even", "floor", "ceil", "trunc", "abs"]);
            let rounds = function.starts_with("round");
            (if rounds { format!("{function}({left}, {places})") } else { format!("{function}({left})") }, right)
        };
        let otherwise = self.otherwise(90);
        self.either(5, &left, &right, otherwise);
    }

    fn joined(&mut self) {
        let separator = *self.dice.pick(SEPARATORS);
        let null = self.null(15);
        let parts: Vec<String> = (0..self.dice.between(2, 3))
            .map(|_| {
                let length = self.length();
                self.left(&format!("text<{length}>{null}"))
            })
            .collect();
        self.spice(separator);
        self.spice(&format!("a{separator}"));
        let ends: Vec<String> = parts
            .into_iter()
            .map(|it| match self.dice.below(12) {
                0 => format!("trim({it})"),
                1 if null == "?" => format!("({it} ?? \"x\")"),
                _ => it,
            })
            .collect();
        let length = *self.dice.pick(&[30, 100, 200]);
        let right = self.right(&format!("text<{length}>{null}"));
        let split = *self.dice.pick(&["", "  split first", "  split last", "  split last"]);
        let otherwise = self.otherwise(92);
        let left = ends.join(&format!(" ++ \"{separator}\" ++ "));
        self.either(6, &left, &right, &format!("{split}{otherwise}"));
    }

    fn affixed(&mut self) {
        let text = *self.dice.pick(&["C-", " ", "AB", "/x"]);
        let length = self.length();
        let null = self.null(30);
        let left = self.left(&format!("text<{length}>{null}"));
        let right = self.right(&format!("text<{}>{null}", length + text.len() as u32));
        self.spice(text);
        let joined = if self.dice.percent(50) { format!("\"{text}\" ++ {left}") } else { format!("{left} ++ \"{text}\"") };
        let otherwise = self.otherwise(92);
        self.either(70, &joined, &right, otherwise);
    }

    fn members(&mut self) {
        let names = ["No", "Some", "All", "Never"];
        let (left_count, right_count) = (self.dice.between(2, 4), self.dice.between(2, 4));
        let left = self.left(&format!("enum {{ {} }}", names[..left_count].join(", ")));
        let is_open = self.dice.percent(50);
        let numbered: Vec<String> = (0..right_count).map(|it| format!("m{it} = {it}")).collect();
        let right = match is_open {
            true => self.right(&format!("choice {{ {} }}", numbered.join(", "))),
            false => self.right(&format!("enum {{ {} }}", ["m0", "m1", "m2", "m3"][..right_count].join(", "))),
        };
        let mut rows = Vec::new();
        for (index, name) in names[..left_count].iter().enumerate() {
            if index < right_count {
                rows.push(format!("{name} <-> m{index}"));
            } else {
                rows.push(format!("{name} -> m{}", self.dice.below(right_count)));
                self.out.admits.push(Admitted::Anything);
            }
        }
        rows.extend((left_count..right_count).map(|it| format!("{} <- m{it}", self.dice.pick(&names[..left_count]))));
        if right_count > left_count {
            self.out.admits.push(Admitted::Anything);
        }
        if is_open && self.dice.percent(90) {
            self.out.may_refuse[Side::Left] = true;
            rows.push(match self.dice.below(3) {
                0 => {
                    self.out.admits.push(Admitted::Anything);
                    "No <- else".to_owned()
                }
                _ => "reject <- else".to_owned(),
            });
        }
        if self.dice.percent(12) {
            rows.remove(self.dice.below(rows.len()));
        }
        let refuses_unknown = self.out.may_refuse[Side::Left];
        let otherwise = self.otherwise(20);
        // What the value map refuses needs no word of the clause.
        self.out.may_refuse[Side::Left] |= refuses_unknown;
        let is_one_to_one = left_count == right_count;
        let via = format!("  via {{ {} }}{otherwise}", rows.join(", "));
        self.either(if is_one_to_one { 90 } else { 10 }, &left, &right, &via);
    }

    fn codes(&mut self) {
        let length = self.length().max(4);
        let null = self.null(30);
        let left = self.left(&format!("text<{length}>{null}"));
        let keys: Vec<&str> = ["A", "b", "Ab", "a b", "x "][..self.dice.between(2, 5)].to_vec();
        keys.iter().for_each(|it| self.spice(it));
        let (ty, values): (String, Vec<String>) = match self.dice.below(3) {
            0 => ("int32".to_owned(), (0..keys.len()).map(|it| (it * 10).to_string()).collect()),
            1 => (format!("text<{length}>"), (0..keys.len()).map(|it| format!("\"c{it}\"")).collect()),
            _ => ("enum { m0, m1, m2, m3, m4 }".to_owned(), (0..keys.len()).map(|it| format!("m{it}")).collect()),
        };
        (0..keys.len()).for_each(|it| {
            self.spice(&format!("c{it}"));
            self.out.spice.push(Value::Int(it as i64 * 10));
        });
        let right = self.right(&format!("{ty}{null}"));
        let mut rows: Vec<String> = keys.iter().zip(&values).map(|(key, value)| format!("\"{key}\" <-> {value}")).collect();
        for (chance, row) in [(35, format!("else -> {}", values[0])), (35, format!("\"{}\" <- else", keys[0]))] {
            if self.dice.percent(chance) {
                self.out.admits.push(Admitted::Anything);
                rows.push(row);
            }
        }
        let otherwise = self.otherwise(80);
        self.either(60, &left, &right, &format!("  via {{ {} }}{otherwise}", rows.join(", ")));
    }

    fn default(&mut self) {
        let (kind, defaults): (String, &[&str]) = match self.dice.below(4) {
            0 => ("int32".to_owned(), &["0", "7"]),
            1 => ("decimal<10,2>".to_owned(), &["0", "1.5"]),
            _ => (format!("text<{}>", self.length().max(5)), &["\"en\"", "\"en-us\"", "\" \"", "\"\""]),
        };
        let null = self.null(75);
        let (left, right) = (self.left(&format!("{kind}?")), self.right(&format!("{kind}{null}")));
        let value = *self.dice.pick(defaults);
        self.admit_default(value);
        let (mut l, mut r) = (left, right);
        if kind.starts_with("text") && self.dice.percent(40) {
            let function = *self.dice.pick(CANONS);
            self.admit(function);
            l = call(function, &l);
            if self.dice.percent(60) {
                r = call(function, &r);
            }
        }
        l = format!("{l} ?? {value}");
        if null == "?" && self.dice.percent(60) {
            let other = if self.dice.percent(80) { value } else { *self.dice.pick(defaults) };
            self.admit_default(other);
            r = format!("{r} ?? {other}");
        }
        let otherwise = self.otherwise(60);
        self.either(50, &l, &r, otherwise);
    }

    fn scaled(&mut self) {
        let null = self.null(30);
        let a = *self.dice.pick(&["decimal<10,2>", "decimal<18,4>", "int32", "int64", "decimal<6,0>"]);
        let b = *self.dice.pick(&["decimal<20,2>", "decimal<30,6>", "int64", "int32", "decimal<12,0>"]);
        let (left, right) = (self.left(&format!("{a}{null}")), self.right(&format!("{b}{null}")));
        let number = *self.dice.pick(&["100", "10", "0.01", "3", "1000"]);
        let end = match self.dice.below(6) {
            0 => format!("{left} + {number}"),
            1 => format!("{left} - {number}"),
            2 => format!("{left} / {number}"),
            3 => format!("round({left} * {number}, 0)"),
            4 => format!("{left} * {number} + 1"),
            _ => format!("{left} * {number}"),
        };
        let otherwise = self.otherwise(95);
        self.either(55, &end, &right, otherwise);
    }

    fn dates(&mut self) {
        let null = self.null(50);
        let (l, r, kinds) = match self.dice.below(6) {
            0 => ("", "", ["date", "datetime"]),
            1 => ("date", "", ["datetime", "date"]),
            2 => ("start_of_month", "", ["date", "date"]),
            3 => ("whole_seconds", "", ["datetime", "datetime"]),
            4 => ("start_of_day", "", ["datetime", "datetime"]),
            _ => ("", "", ["datetime", "datetime"]),
        };
        let (left, right) = (self.left(&format!("{}{null}", kinds[0])), self.right(&format!("{}{null}", kinds[1])));
        let wrap = |function: &str, end: String| if function.is_empty() { end } else { format!("{function}({end})") };
        let (left, right) = (wrap(l, left), wrap(r, right));
        let otherwise = self.otherwise(50);
        self.either(if l.is_empty() { 60 } else { 5 }, &left, &right, otherwise);
    }

    fn tuple(&mut self) {
        let (mut left, mut right) = (Vec::new(), Vec::new());
        for _ in 0..self.dice.between(2, 3) {
            let kind = if self.dice.percent(60) { format!("text<{}>", self.length()) } else { self.kind() };
            let null = self.null(40);
            let (mut l, mut r) = (self.left(&format!("{kind}{null}")), self.right(&format!("{kind}{null}")));
            if kind.starts_with("text") && self.dice.percent(30) {
                let function = *self.dice.pick(&CANONS[..3]);
                self.admit(function);
                l = call(function, &l);
                if self.dice.percent(80) {
                    r = call(function, &r);
                }
            }
            left.push(l);
            right.push(r);
        }
        let modulo = if self.dice.percent(25) {
            self.out.admits.push(Admitted::Trim);
            "  modulo trim"
        } else {
            ""
        };
        let otherwise = self.otherwise(40);
        let (left, right) = (format!("({})", left.join(", ")), format!("({})", right.join(", ")));
        self.either(75, &left, &right, &format!("{modulo}{otherwise}"));
    }

    fn own(&mut self) {
        let label = self.out.label.clone();
        match self.dice.below(4) {
            0 => {
                let function = *self.dice.pick(CANONS);
                let second = *self.dice.pick(CANONS);
                let body = call(second, &call(function, "s"));
                let growth = 60 + function.1.len() + second.1.len();
                self.out.items = format!("canon own_{label}(s: text<20>): text<{growth}> = {body}\n");
                let (left, right) = (self.left("text<20>"), self.right("text<20>"));
                self.admit(function);
                self.admit(second);
                let otherwise = self.otherwise(95);
                self.both(&format!("own_{label}({left})"), &format!("own_{label}({right})"), otherwise);
            }
            1 => {
                let (factor, kind) =
                    *self.dice.pick(&[("100", "decimal<10,2>"), ("1000", "decimal<10,2>"), ("10", "decimal<10,2>")]);
                self.out.items = format!(
                    "iso own_{label}(d: {kind}) <-> int64 in -9999999999 ..= 9999999999 {{\n  -> int(d * {factor})\n  <- decimal(it, 2) / {factor}\n}}\n"
                );
                let (left, right) = (self.left(kind), self.right("int64"));
                let otherwise = self.otherwise(90);
                self.either(60, &format!("own_{label}({left})"), &right, otherwise);
            }
            2 => {
                let value = *self.dice.pick(&["en", "EN ", ""]);
                self.out.items = format!("param own_{label}: text<4> = \"{value}\"\n");
                self.out.admits.push(Admitted::Default(Value::text(value)));
                self.spice(value);
                let length = self.length().max(4);
                let (left, right) = (self.left(&format!("text<{length}>?")), self.right(&format!("text<{length}>?")));
                let r = if self.dice.percent(60) { format!("{right} ?? own_{label}") } else { right };
                let otherwise = self.otherwise(30);
                self.either(60, &format!("{left} ?? own_{label}"), &r, otherwise);
            }
            _ => {
                self.out.items = format!("fn own_{label}(s: text<20>): text<20> = take(trim(s), {})\n", self.dice.between(1, 20));
                let (left, right) = (self.left("text<20>"), self.right("text<20>"));
                let otherwise = self.otherwise(50);
                self.lossy(&format!("own_{label}({left})"), &right, otherwise);
            }
        }
    }

    fn guarded(&mut self) {
        let kind = self.kind();
        let null = self.null(40);
        let (left, right) = (self.left(&format!("{kind}{null}")), self.right(&format!("{kind}{null}")));
        if self.dice.percent(35) {
            self.both(&left, &right, "");
            self.out.text = format!("for company in {{ \"demf\" }} {{\n    {}\n  }}", self.out.text);
            return;
        }
        let side = if self.dice.percent(50) { Side::Left } else { Side::Right };
        let (ty, test) = *self.dice.pick(&[
            ("bool", "FIELD"),
            ("enum { No, Yes }", "FIELD == Yes"),
            ("text<4>", "FIELD != \"USA\""),
            ("int32?", "FIELD > 3"),
            ("text<4>?", "is_null(FIELD)"),
            ("text<4>", "FIELD in { \"a\", \"USA\" }"),
            ("int32?", "FIELD >= 2 and FIELD < 9"),
            ("enum { No, Yes }", "FIELD != No"),
            ("bool", "not FIELD"),
        ]);
        self.spice("USA");
        let ty = &ty.replace("text<4>", &format!("text<{}>", self.room.max(4)));
        let ends = [self.left(ty), self.right(ty)];
        let field = if self.dice.percent(90) { &ends[side as usize] } else { &left };
        let otherwise = self.otherwise(15);
        let clauses = format!("  when {}{otherwise}", test.replace("FIELD", field));
        self.either(80, &left, &right, &clauses);
        let label = &self.out.label;
        self.out.text = match ty.starts_with("enum") {
            true => format!("{}\n  {label}asked: {} <-> {} via {{ No <-> No, Yes <-> Yes }}", self.out.text, ends[0], ends[1]),
            false => format!("{}\n  {label}asked: {} <-> {}", self.out.text, ends[0], ends[1]),
        };
    }

    fn twins(&mut self) {
        let length = self.length();
        let kind = format!("text<{length}>");
        let (left, right, third) = (self.left(&kind), self.right(&kind), self.left(&kind));
        let label = self.out.label.clone();
        self.both(&left, &right, "");
        let second = match self.dice.below(5) {
            0 => format!("{label}second: {third} -> {right}"),
            1 => format!("{label}second: {third} <- {right}"),
            2 => {
                let derived = self.right(&format!("text<{}>", length * 3));
                format!("{label}second: upper({left}) -> {derived}")
            }
            3 => format!("{label}second: \"x\" -> {right} on create"),
            _ => {
                let derived = self.right(&kind);
                format!("{label}second: {left} -> {derived}")
            }
        };
        self.out.text = format!("{}\n  {second}", self.out.text);
    }
}
