//! Runs flat code.

use super::super::convert::convert;
use super::super::eval;
use super::code::{ASIDE, Code, Expected, List, Make, OfText, OfValue, REGISTERS, Source, Target, Turn, Verb};
use super::texts;
use crate::functions::Moment;
use crate::ir::{Compare, RuleId};
use crate::value::{Decimal, Rounding, Text, Time, Value};

/// Most arguments of a function that is called by number.
pub const ARGUMENTS_MAX: usize = 4;

/// Why an operation has no result.
enum Stray {
    /// The plain evaluation calls it a misfit, too: the rule's `else` answers.
    Misfit,
    /// Nothing that this code knows.
    Odd,
}

type Result<T> = std::result::Result<T, Stray>;

/// Where results go.
trait Sink {
    fn emit(&mut self, value: Value);

    /// A text that stands in another one.
    #[inline(always)]
    fn emit_part(&mut self, part: &str) {
        self.emit(Value::Text(Text::new(part)));
    }

    /// A text as it stands.
    #[inline(always)]
    fn emit_text(&mut self, text: &Text) {
        self.emit(Value::Text(text.clone()));
    }
}

/// A row with room for all of its fields.
impl Sink for Vec<Value> {
    #[inline(always)]
    fn emit(&mut self, value: Value) {
        // There is room: code gives each field one value. Said here, it saves every place that makes one a way to grow the row.
        if self.len() < self.capacity() {
            self.push(value);
        } else {
            std::mem::forget(value);
        }
    }
}

impl Sink for Option<Value> {
    fn emit(&mut self, value: Value) {
        *self = Some(value);
    }
}

/// Whether what is made is true.
struct Truth(bool);

impl Sink for Truth {
    #[inline(always)]
    fn emit(&mut self, value: Value) {
        self.0 = value == Value::Bool(true);
    }
}

/// What is made is held against the fields of a row, and no text is copied for that.
struct Against<'a> {
    own: &'a [Value],
    expected: std::slice::Iter<'a, Expected>,
    differing: Vec<RuleId>,
}

impl Against<'_> {
    #[inline(always)]
    fn next(&mut self, is_known: bool, shows: impl FnOnce(&Value) -> bool) {
        let expected = self.expected.next().expect("code that compares has something to hold each value against");
        if !shows(&self.own[usize::from(expected.slot)]) && (is_known || !expected.or_unsaid) {
            self.differing.push(expected.rule);
        }
    }
}

impl Sink for Against<'_> {
    #[inline(always)]
    fn emit(&mut self, value: Value) {
        self.next(value.is_known(), |own| *own == value);
    }

    #[inline(always)]
    fn emit_part(&mut self, part: &str) {
        self.next(true, |own| own.as_text() == Some(part));
    }

    #[inline(always)]
    fn emit_text(&mut self, text: &Text) {
        self.emit_part(text);
    }
}

/// Where the value goes that an operation makes; the answer says whether it was wanted.
trait Keep: Sized {
    fn value(self, value: Value) -> bool;

    #[inline(always)]
    fn part(self, part: &str) -> bool {
        self.value(Value::Text(Text::new(part)))
    }

    #[inline(always)]
    fn text(self, text: &Text) -> bool {
        self.value(Value::Text(text.clone()))
    }
}

/// To the sink, but for what may not stand there.
struct Emit<'a, S> {
    out: &'a mut S,
    is_filled: bool,
}

impl<S: Sink> Keep for Emit<'_, S> {
    #[inline(always)]
    fn value(self, value: Value) -> bool {
        // Nobody but the one place where it goes touches a value: carried from hand to hand, it costs more than it took to make.
        let is_wanted = !self.is_filled || value.is_value();
        if is_wanted {
            self.out.emit(value);
        } else {
            // Null holds nothing that would have to be given back.
            std::mem::forget(value);
        }
        is_wanted
    }

    #[inline(always)]
    fn part(self, part: &str) -> bool {
        self.out.emit_part(part);
        true
    }

    #[inline(always)]
    fn text(self, text: &Text) -> bool {
        self.out.emit_text(text);
        true
    }
}

/// To a register.
struct Hold<'a>(&'a mut Value);

impl Keep for Hold<'_> {
    #[inline(always)]
    fn value(self, value: Value) -> bool {
        *self.0 = value;
        true
    }
}

/// The row that is made; what stands aside is absent in it.
pub fn outputs(code: &Code, from: &[Value], slots: usize, aside: &mut Vec<RuleId>) -> Vec<Value> {
    let mut out = Vec::with_capacity(slots);
    run(Run { from, ..Run::of(code) }, &mut out, aside);
    assert_eq!(out.len(), slots, "code for a row makes each field once");
    out
}

/// Finds the rules whose sides do not show the same.
pub fn compare(code: &Code, from: &[Value], own: &[Value], aside: &mut Vec<RuleId>) {
    let mut against = Against { own, expected: code.expected.iter(), differing: Vec::new() };
    run(Run { from, own, ..Run::of(code) }, &mut against, aside);
    aside.append(&mut against.differing);
}

/// One value; `None`: the plain evaluation must say.
pub fn value(code: &Code, record: &[Value]) -> Option<Value> {
    let (mut value, mut aside) = (None, Vec::new());
    run(Run { from: record, ..Run::of(code) }, &mut value, &mut aside);
    value.filter(|_| aside.is_empty())
}

/// Whether the value is true; `None`: the plain evaluation must say.
pub fn holds(code: &Code, record: &[Value]) -> Option<bool> {
    let (mut truth, mut aside) = (Truth(false), Vec::new());
    run(Run { from: record, ..Run::of(code) }, &mut truth, &mut aside);
    aside.is_empty().then_some(truth.0)
}

/// What a writer makes of the value that it is given, one field after another; `None`: the plain evaluation must say.
pub fn written(code: &Code, own: &[Value], given: &Value, fields: usize) -> Option<Vec<Value>> {
    let (mut out, mut aside) = (Vec::with_capacity(fields), Vec::new());
    run(Run { from: own, given, ..Run::of(code) }, &mut out, &mut aside);
    (aside.is_empty() && out.len() == fields).then_some(out)
}

/// What an operation may look at.
#[derive(Clone, Copy)]
struct Run<'a> {
    code: &'a Code,
    from: &'a [Value],
    own: &'a [Value],
    given: &'a Value,
}

/// Places for values that are under way. What needs few of them does not pay for many.
type Registers = [Value];

fn run(run: Run<'_>, out: &mut impl Sink, aside: &mut Vec<RuleId>) {
    match run.code.registers {
        0 => run.all(&mut [], out, aside),
        1 => run.all(&mut [Value::Absent], out, aside),
        _ => run.all(&mut [const { Value::Absent }; REGISTERS], out, aside),
    }
}

/// Hands over a copy. Said kind by kind, it is made where it is kept.
#[inline(always)]
fn copied(value: &Value, keep: impl Keep) -> bool {
    match value {
        Value::Absent => keep.value(Value::Absent),
        Value::Null => keep.value(Value::Null),
        Value::Bool(it) => keep.value(Value::Bool(*it)),
        Value::Int(it) => keep.value(Value::Int(*it)),
        Value::Decimal(it) => keep.value(Value::Decimal(*it)),
        Value::Float(it) => keep.value(Value::Float(*it)),
        Value::Text(it) => keep.text(it),
        Value::Guid(it) => keep.value(Value::Guid(*it)),
        Value::Date(it) => keep.value(Value::Date(*it)),
        Value::Time(it) => keep.value(Value::Time(*it)),
        Value::DateTime(it) => keep.value(Value::DateTime(*it)),
        Value::Set(_) | Value::Binary(_) | Value::Tuple(_) => keep.value(value.clone()),
    }
}

impl<'a> Run<'a> {
    fn of(code: &'a Code) -> Self {
        Self { code, from: &[], own: &[], given: &Value::Absent }
    }

    fn all(&self, registers: &mut Registers, out: &mut impl Sink, aside: &mut Vec<RuleId>) {
        let operations = self.code.operations.as_slice();
        let mut at = 0;
        while let Some(operation) = operations.get(at) {
            let target = operation.target;
            let done = match (&operation.verb, target) {
                (Verb::Turn(turn), _) => match self.turn(registers, turn) {
                    Ok(to) => {
                        at = to.map_or(at + 1, usize::from);
                        continue;
                    }
                    Err(stray) => Err(stray),
                },
                (Verb::Move(from), Target::Register(to)) => {
                    registers[usize::from(to)] = std::mem::take(&mut registers[usize::from(*from)]);
                    Ok(true)
                }
                (Verb::Move(from), Target::Output | Target::FilledOutput) => {
                    let value = std::mem::take(&mut registers[usize::from(*from)]);
                    Ok(Emit { out, is_filled: target == Target::FilledOutput }.value(value))
                }
                (Verb::Make(make), Target::Register(to)) => {
                    let mut made = Value::Absent;
                    let done = self.make(registers, make, Hold(&mut made));
                    registers[usize::from(to)] = made;
                    done
                }
                (Verb::Make(make), Target::Output | Target::FilledOutput) => {
                    self.make(registers, make, Emit { out, is_filled: target == Target::FilledOutput })
                }
            };
            at = match (done, target) {
                (Ok(true), Target::Register(_)) => at + 1,
                (Ok(true), Target::Output | Target::FilledOutput) => usize::from(operation.end),
                (Err(Stray::Misfit), _) if operation.on_failure != ASIDE => usize::from(operation.on_failure),
                (Ok(false) | Err(Stray::Misfit | Stray::Odd), _) => {
                    if operation.is_making {
                        out.emit(Value::Absent);
                    }
                    aside.push(operation.rule);
                    usize::from(operation.end)
                }
            };
        }
    }

    #[inline(always)]
    fn get<'b>(&self, registers: &'b Registers, source: Source) -> &'b Value
    where
        'a: 'b,
    {
        match source {
            Source::Field(slot) => &self.from[usize::from(slot)],
            Source::Constant(number) => &self.code.constants[usize::from(number)],
            Source::Register(number) => &registers[usize::from(number)],
            Source::Own(slot) => &self.own[usize::from(slot)],
            Source::Given => self.given,
        }
    }

    fn list(&self, list: List) -> &'a [Source] {
        &self.code.lists[usize::from(list.start)..][..usize::from(list.count)]
    }

    /// Hands what is made to `keep`; the answer says whether it was wanted.
    #[inline(always)]
    fn make(&self, registers: &Registers, make: &Make, keep: impl Keep) -> Result<bool> {
        let get = |source: Source| self.get(registers, source);
        Ok(match *make {
            Make::Copy(source) => copied(get(source), keep),
            Make::Text(ref verb, source) => match get(source) {
                Value::Text(text) => return self.of_text(verb, text, keep),
                Value::Null => keep.value(Value::Null),
                Value::Absent => keep.value(Value::Absent),
                _ => return Err(Stray::Odd),
            },
            Make::Value(ref verb, source) => match get(source) {
                Value::Null => keep.value(Value::Null),
                Value::Absent => keep.value(Value::Absent),
                value => return self.of_value(verb, value, keep),
            },
            Make::Concat(list) => keep.value(self.concat(registers, list)),
            Make::Math(op, left, right) => match (get(left), get(right)) {
                // Two whole numbers make a whole one; all others are decimals.
                (Value::Decimal(left), Value::Decimal(right)) => {
                    keep.value(Value::Decimal(eval::reckon(op, *left, *right).map_err(|_| Stray::Misfit)?))
                }
                (Value::Decimal(left), Value::Int(right)) => {
                    keep.value(Value::Decimal(eval::reckon(op, *left, Decimal::from_int(*right)).map_err(|_| Stray::Misfit)?))
                }
                (left, right) => keep.value(eval::math(op, left, right).map_err(|_| Stray::Misfit)?),
            },
            Make::Table(source, table) => match get(source) {
                Value::Absent => keep.value(Value::Absent),
                value => copied(self.code.tables[usize::from(table)].get(value).ok_or(Stray::Misfit)?, keep),
            },
            Make::Coalesce(first, second) => {
                let first = get(first);
                copied(if first.is_value() { first } else { get(second) }, keep)
            }
            Make::Tuple(list) => keep.value(Value::Tuple(self.list(list).iter().map(|it| get(*it).clone()).collect())),
            Make::Part(source, index) => match get(source) {
                Value::Tuple(parts) => keep.value(parts.get(usize::from(index)).ok_or(Stray::Misfit)?.clone()),
                other => keep.value(other.clone()),
            },
            Make::Call(function, list) => keep.value(self.call(registers, function, list)?),
        })
    }

    #[inline(always)]
    fn of_text(&self, verb: &OfText, value: &Text, keep: impl Keep) -> Result<bool> {
        let needle = |number: u16| &self.code.needles[usize::from(number)];
        Ok(match *verb {
            OfText::Trim => keep.part(value.trim()),
            OfText::Take(units) if value.len() > units as usize => keep.part(texts::take(value, units)),
            OfText::Before(separator) => {
                keep.part(needle(separator).split(value, false).map_or(value.as_str(), |(head, _)| head))
            }
            OfText::After(separator) => keep.part(needle(separator).split(value, false).map_or("", |(_, tail)| tail)),
            OfText::Split { separator, from_end, tail } => {
                let (head, rest) = needle(separator).split(value, from_end).ok_or(Stray::Misfit)?;
                keep.part(if tail { rest } else { head })
            }
            OfText::Lower => keep.value(Value::Text(texts::lower(value))),
            OfText::TrimLower => keep.value(Value::Text(texts::lower(value.trim()))),
            OfText::Upper => keep.value(Value::Text(texts::upper(value))),
            OfText::Title => keep.value(Value::Text(texts::title(value))),
            OfText::Take(_) => keep.text(value),
            OfText::Fit(max) if value.len() <= max as usize || texts::length(value) <= max as usize => keep.text(value),
            OfText::Fit(_) => return Err(Stray::Misfit),
            OfText::Length => keep.value(Value::Int(texts::length(value) as i64)),
            OfText::ParseDate(pattern) => {
                let moment = self.code.patterns[usize::from(pattern)].read(value).map_err(|_| Stray::Misfit)?;
                keep.value(Value::Date(moment.date))
            }
        })
    }

    #[inline(always)]
    fn of_value(&self, verb: &OfValue, value: &Value, keep: impl Keep) -> Result<bool> {
        Ok(match (verb, value) {
            (OfValue::ToText, value) => keep.value(Value::Text(texts::plain(value))),
            (OfValue::ToInt, Value::Int(number)) => keep.value(Value::Int(*number)),
            (OfValue::ToInt, Value::Decimal(number)) => keep.value(Value::Int(number.to_int().ok_or(Stray::Odd)?)),
            (OfValue::Round(scale), Value::Decimal(number)) => keep.value(Value::Decimal(number.round(*scale, Rounding::HalfUp))),
            (OfValue::FitDecimal { precision, scale }, Value::Decimal(number)) => {
                let fits = number.scale() <= *scale && number.integer_digits() <= u32::from(*precision - *scale);
                if !fits {
                    return Err(Stray::Misfit);
                }
                keep.value(Value::Decimal(*number))
            }
            (OfValue::Convert(kind), value) => {
                keep.value(convert(&self.code.kinds[usize::from(*kind)], value).map_err(|_| Stray::Misfit)?)
            }
            (OfValue::FormatDate(pattern), Value::Date(date)) => {
                let moment = Moment { date: *date, time: Time::midnight() };
                keep.value(Value::Text(self.code.patterns[usize::from(*pattern)].format(&moment)))
            }
            (OfValue::Day, Value::Date(date)) => keep.value(Value::Date(*date)),
            (OfValue::Day, Value::DateTime(at)) => keep.value(Value::Date(jiff::tz::Offset::UTC.to_datetime(*at).date())),
            (OfValue::ToInt | OfValue::Round(_) | OfValue::FitDecimal { .. } | OfValue::FormatDate(_) | OfValue::Day, _) => {
                return Err(Stray::Odd);
            }
        })
    }

    /// Where to go on; `None`: at the next operation.
    #[inline(always)]
    fn turn(&self, registers: &Registers, turn: &Turn) -> Result<Option<u16>> {
        let get = |source: Source| self.get(registers, source);
        let (is_taken, to) = match *turn {
            Turn::Branch { condition, is_true, to } => ((*get(condition) == Value::Bool(true)) == is_true, to),
            Turn::BranchCompare { compare, left, right, is_true, to } => {
                (eval::compare(compare, get(left), get(right)) == is_true, to)
            }
            Turn::BranchIn { operand, set, is_true, to } => {
                let operand = get(operand);
                let mut set = self.list(set).iter();
                let is_in = operand.is_value() && set.any(|it| eval::compare(Compare::Equal, get(*it), operand));
                (is_in == is_true, to)
            }
            Turn::BranchValue { operand, to } => (get(operand).is_value(), to),
            Turn::Jump(to) => (true, to),
            Turn::Known(source) if get(source).is_known() => return Ok(None),
            Turn::Agree { left, right, or_unsaid } => {
                let (left, right) = (get(left), get(right));
                return if left == right || (or_unsaid && !left.is_known()) { Ok(None) } else { Err(Stray::Odd) };
            }
            Turn::Known(_) => return Err(Stray::Odd),
        };
        Ok(is_taken.then_some(to))
    }

    fn concat(&self, registers: &Registers, list: List) -> Value {
        let parts = self.list(list);
        let length = |source: &Source| self.get(registers, *source).as_text().map_or(0, str::len);
        let mut out = Text::with_capacity(parts.iter().map(length).sum());
        for part in parts {
            match self.get(registers, *part) {
                Value::Text(text) => out.push_str(text),
                value @ (Value::Null | Value::Absent) => return value.clone(),
                other => out.push_str(&texts::plain(other)),
            }
        }
        Value::Text(out)
    }

    fn call(&self, registers: &Registers, function: u16, list: List) -> Result<Value> {
        let function = self.code.functions[usize::from(function)];
        let mut arguments: [Value; ARGUMENTS_MAX] = [const { Value::Absent }; ARGUMENTS_MAX];
        let sources = self.list(list);
        for (argument, source) in arguments.iter_mut().zip(sources) {
            argument.clone_from(self.get(registers, *source));
        }
        let arguments = &arguments[..sources.len()];
        if !function.takes_null && arguments.iter().any(|it| !it.is_value()) {
            return Ok(if arguments.contains(&Value::Absent) { Value::Absent } else { Value::Null });
        }
        (function.eval)(arguments).map_err(|_| Stray::Misfit)
    }
}
