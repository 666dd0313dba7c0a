//! Runs flat code.

use super::super::convert::convert;
use super::super::eval;
use super::code::{ASIDE, Code, List, Make, OfText, OfValue, REGISTERS, Source, Target, Turn, Verb};
use super::texts;
use crate::functions::Moment;
use crate::ir::{Compare, RuleId};
use crate::value::{Rounding, Text, Time, Value};

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
}

impl Sink for Vec<Value> {
    fn emit(&mut self, value: Value) {
        self.push(value);
    }
}

impl Sink for Option<Value> {
    fn emit(&mut self, value: Value) {
        *self = Some(value);
    }
}

/// The row that is made; what stands aside is absent in it.
pub fn outputs(code: &Code, from: &[Value], slots: usize, aside: &mut Vec<RuleId>) -> Vec<Value> {
    let mut out = Vec::with_capacity(slots);
    run(Run { from, ..Run::of(code) }, &mut out, aside);
    out
}

/// Finds the rules whose sides do not show the same.
pub fn compare(code: &Code, from: &[Value], own: &[Value], aside: &mut Vec<RuleId>) {
    run(Run { from, own, ..Run::of(code) }, &mut None, aside);
}

/// One value; `None`: the plain evaluation must say.
pub fn value(code: &Code, record: &[Value]) -> Option<Value> {
    let (mut value, mut aside) = (None, Vec::new());
    run(Run { from: record, ..Run::of(code) }, &mut value, &mut aside);
    value.filter(|_| aside.is_empty())
}

/// What a writer makes of the value that it is given, one field after another; `None`: the plain evaluation must say.
pub fn written(code: &Code, own: &[Value], given: &Value, fields: usize) -> Option<Vec<Value>> {
    let (mut out, mut aside) = (Vec::with_capacity(fields), Vec::new());
    run(Run { from: own, given, ..Run::of(code) }, &mut out, &mut aside);
    aside.is_empty().then_some(out)
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

impl<'a> Run<'a> {
    fn of(code: &'a Code) -> Self {
        Self { code, from: &[], own: &[], given: &Value::Absent }
    }

    fn all(&self, registers: &mut Registers, out: &mut impl Sink, aside: &mut Vec<RuleId>) {
        let operations = self.code.operations.as_slice();
        let mut at = 0;
        while let Some(operation) = operations.get(at) {
            let made = match operation.verb {
                Verb::Turn(turn) => match self.turn(registers, turn) {
                    Ok(to) => {
                        at = to.map_or(at + 1, usize::from);
                        continue;
                    }
                    Err(stray) => Err(stray),
                },
                Verb::Move(number) => Ok(std::mem::take(&mut registers[usize::from(number)])),
                Verb::Make(make) => self.make(registers, make),
            };
            at = match (made, operation.target) {
                (Ok(value), Target::Register(number)) => {
                    registers[usize::from(number)] = value;
                    at + 1
                }
                (Ok(value), Target::Output) => {
                    out.emit(value);
                    usize::from(operation.end)
                }
                (Ok(value), Target::FilledOutput) if value.is_value() => {
                    out.emit(value);
                    usize::from(operation.end)
                }
                (Err(Stray::Misfit), _) if operation.on_failure != ASIDE => usize::from(operation.on_failure),
                (Ok(_) | Err(Stray::Misfit | Stray::Odd), _) => {
                    out.emit(Value::Absent);
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

    #[inline(always)]
    fn make(&self, registers: &Registers, make: Make) -> Result<Value> {
        let get = |source: Source| self.get(registers, source);
        Ok(match make {
            Make::Copy(source) => get(source).clone(),
            Make::Text(verb, source) => match get(source) {
                Value::Text(text) => self.of_text(verb, text)?,
                value @ (Value::Null | Value::Absent) => value.clone(),
                _ => return Err(Stray::Odd),
            },
            Make::Value(verb, source) => match get(source) {
                value @ (Value::Null | Value::Absent) => value.clone(),
                value => self.of_value(verb, value)?,
            },
            Make::Concat(list) => self.concat(registers, list),
            Make::Math(op, left, right) => eval::math(op, get(left), get(right)).map_err(|_| Stray::Misfit)?,
            Make::Table(source, table) => match get(source) {
                Value::Absent => Value::Absent,
                value => self.code.tables[usize::from(table)].get(value).ok_or(Stray::Misfit)?.clone(),
            },
            Make::Coalesce(first, second) => {
                let first = get(first);
                if first.is_value() { first.clone() } else { get(second).clone() }
            }
            Make::Tuple(list) => Value::Tuple(self.list(list).iter().map(|it| get(*it).clone()).collect()),
            Make::Part(source, index) => match get(source) {
                Value::Tuple(parts) => parts.get(usize::from(index)).ok_or(Stray::Misfit)?.clone(),
                other => other.clone(),
            },
            Make::Call(function, list) => self.call(registers, function, list)?,
        })
    }

    #[inline(always)]
    fn of_text(&self, verb: OfText, value: &Text) -> Result<Value> {
        let needle = |number: u16| &self.code.needles[usize::from(number)];
        let made = match verb {
            OfText::Trim => Text::new(value.trim()),
            OfText::Lower => texts::lower(value),
            OfText::TrimLower => texts::lower(value.trim()),
            OfText::Upper => texts::upper(value),
            OfText::Title => texts::title(value),
            OfText::Take(units) if value.len() <= units as usize => value.clone(),
            OfText::Take(units) => Text::new(texts::take(value, units)),
            OfText::Before(part) => Text::new(needle(part).split(value, false).map_or(value.as_str(), |(head, _)| head)),
            OfText::After(part) => Text::new(needle(part).split(value, false).map_or("", |(_, tail)| tail)),
            OfText::Split { separator, from_end, tail } => {
                let (head, rest) = needle(separator).split(value, from_end).ok_or(Stray::Misfit)?;
                Text::new(if tail { rest } else { head })
            }
            OfText::Fit(max) if value.len() <= max as usize || texts::length(value) <= max as usize => value.clone(),
            OfText::Fit(_) => return Err(Stray::Misfit),
            OfText::Length => return Ok(Value::Int(texts::length(value) as i64)),
            OfText::ParseDate(pattern) => {
                let moment = self.code.patterns[usize::from(pattern)].read(value).map_err(|_| Stray::Misfit)?;
                return Ok(Value::Date(moment.date));
            }
        };
        Ok(Value::Text(made))
    }

    #[inline(always)]
    fn of_value(&self, verb: OfValue, value: &Value) -> Result<Value> {
        Ok(match (verb, value) {
            (OfValue::ToText, value) => Value::Text(texts::plain(value)),
            (OfValue::ToInt, Value::Int(_)) => value.clone(),
            (OfValue::ToInt, Value::Decimal(number)) => number.to_int().map(Value::Int).ok_or(Stray::Odd)?,
            (OfValue::Round(scale), Value::Decimal(number)) => Value::Decimal(number.round(scale, Rounding::HalfUp)),
            (OfValue::FitDecimal { precision, scale }, Value::Decimal(number)) => {
                let fits = number.scale() <= scale && number.integer_digits() <= u32::from(precision - scale);
                if fits { value.clone() } else { return Err(Stray::Misfit) }
            }
            (OfValue::Convert(kind), value) => convert(&self.code.kinds[usize::from(kind)], value).map_err(|_| Stray::Misfit)?,
            (OfValue::FormatDate(pattern), Value::Date(date)) => {
                let moment = Moment { date: *date, time: Time::midnight() };
                Value::Text(self.code.patterns[usize::from(pattern)].format(&moment))
            }
            (OfValue::Day, Value::Date(_)) => value.clone(),
            (OfValue::Day, Value::DateTime(at)) => Value::Date(jiff::tz::Offset::UTC.to_datetime(*at).date()),
            (OfValue::ToInt | OfValue::Round(_) | OfValue::FitDecimal { .. } | OfValue::FormatDate(_) | OfValue::Day, _) => {
                return Err(Stray::Odd);
            }
        })
    }

    /// Where to go on; `None`: at the next operation.
    #[inline(always)]
    fn turn(&self, registers: &Registers, turn: Turn) -> Result<Option<u16>> {
        let get = |source: Source| self.get(registers, source);
        let (is_taken, to) = match turn {
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
