//! Runs flat code.

use super::super::convert::convert;
use super::super::eval;
use super::code::{ASIDE, Code, List, REGISTERS, Source, Target, Verb};
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
    run(Run { code, from, own: &[] }, &mut out, aside);
    out
}

/// Finds the rules whose sides do not show the same.
pub fn compare(code: &Code, from: &[Value], own: &[Value], aside: &mut Vec<RuleId>) {
    run(Run { code, from, own }, &mut None, aside);
}

/// A condition; `None`: the plain evaluation must judge.
pub fn judge(code: &Code, record: &[Value]) -> Option<bool> {
    let (mut verdict, mut aside) = (None, Vec::new());
    run(Run { code, from: record, own: &[] }, &mut verdict, &mut aside);
    verdict.filter(|_| aside.is_empty()).map(|it| it == Value::Bool(true))
}

/// What an operation may look at.
#[derive(Clone, Copy)]
struct Run<'a> {
    code: &'a Code,
    from: &'a [Value],
    own: &'a [Value],
}

/// What comes after an operation.
enum Next {
    Result(Value),
    /// The next operation.
    On,
    To(u16),
}

fn run(run: Run<'_>, out: &mut impl Sink, aside: &mut Vec<RuleId>) {
    let mut registers: [Value; REGISTERS] = [const { Value::Absent }; REGISTERS];
    let operations = run.code.operations.as_slice();
    let mut at = 0;
    while let Some(operation) = operations.get(at) {
        let next = run.step(&operation.verb, &mut registers);
        at = match (next, operation.target) {
            (Ok(Next::On), _) => at + 1,
            (Ok(Next::To(to)), _) => usize::from(to),
            (Ok(Next::Result(value)), Target::Register(number)) => {
                registers[usize::from(number) % REGISTERS] = value;
                at + 1
            }
            (Ok(Next::Result(value)), Target::FilledOutput) if !value.is_value() => {
                out.emit(Value::Absent);
                aside.push(operation.rule);
                usize::from(operation.end)
            }
            (Ok(Next::Result(value)), Target::Output | Target::FilledOutput) => {
                out.emit(value);
                usize::from(operation.end)
            }
            (Err(Stray::Misfit), _) if operation.on_failure != ASIDE => usize::from(operation.on_failure),
            (Err(Stray::Misfit | Stray::Odd), _) => {
                out.emit(Value::Absent);
                aside.push(operation.rule);
                usize::from(operation.end)
            }
        };
    }
}

impl<'a> Run<'a> {
    fn get<'b>(&self, registers: &'b [Value; REGISTERS], source: Source) -> &'b Value
    where
        'a: 'b,
    {
        match source {
            Source::Field(slot) => &self.from[usize::from(slot)],
            Source::Constant(number) => &self.code.constants[usize::from(number)],
            Source::Register(number) => &registers[usize::from(number) % REGISTERS],
            Source::Own(slot) => &self.own[usize::from(slot)],
        }
    }

    fn list(&self, list: List) -> &'a [Source] {
        &self.code.lists[usize::from(list.start)..][..usize::from(list.count)]
    }

    #[inline(always)]
    #[expect(clippy::too_many_lines, reason = "one arm for each operation")]
    fn step(&self, verb: &Verb, registers: &mut [Value; REGISTERS]) -> Result<Next> {
        if let Verb::Move(number) = verb {
            return Ok(Next::Result(std::mem::take(&mut registers[usize::from(*number) % REGISTERS])));
        }
        let registers = &*registers;
        let get = |source: Source| self.get(registers, source);
        let result = match *verb {
            Verb::Copy(source) => get(source).clone(),
            Verb::Move(_) => unreachable!("it is dealt with above"),
            Verb::Trim(source) => of_text(get(source), |it| Text::new(it.trim()))?,
            Verb::Lower(source) => of_text(get(source), texts::lower)?,
            Verb::TrimLower(source) => of_text(get(source), |it| texts::lower(it.trim()))?,
            Verb::Upper(source) => of_text(get(source), texts::upper)?,
            Verb::Title(source) => of_text(get(source), texts::title)?,
            Verb::Take(source, units) => match get(source) {
                value @ Value::Text(text) if text.len() <= units as usize => value.clone(),
                _ => of_text(get(source), |it| Text::new(texts::take(it, units)))?,
            },
            Verb::Before(source, part) => {
                let part = self.text(part)?;
                of_text(get(source), |it| Text::new(it.split_once(part).map_or(it, |(head, _)| head)))?
            }
            Verb::After(source, part) => {
                let part = self.text(part)?;
                of_text(get(source), |it| Text::new(it.split_once(part).map_or("", |(_, tail)| tail)))?
            }
            Verb::Concat(list) => self.concat(registers, list),
            Verb::Split { operand, separator, from_end, tail } => {
                let Value::Text(text) = get(operand) else { return Ok(Next::Result(get(operand).clone())) };
                let separator = self.text(separator)?;
                let found = if from_end { text.rsplit_once(separator) } else { text.split_once(separator) };
                let (head, rest) = found.ok_or(Stray::Misfit)?;
                Value::Text(Text::new(if tail { rest } else { head }))
            }
            Verb::ToText(source) => match get(source) {
                value @ (Value::Null | Value::Absent) => value.clone(),
                value => Value::Text(texts::plain(value)),
            },
            Verb::ToInt(source) => match get(source) {
                value @ (Value::Null | Value::Absent | Value::Int(_)) => value.clone(),
                Value::Decimal(number) => number.to_int().map(Value::Int).ok_or(Stray::Odd)?,
                _ => return Err(Stray::Odd),
            },
            Verb::Round(source, scale) => match get(source) {
                value @ (Value::Null | Value::Absent) => value.clone(),
                Value::Decimal(number) => Value::Decimal(number.round(scale, Rounding::HalfUp)),
                _ => return Err(Stray::Odd),
            },
            Verb::FitText(source, max) => match get(source) {
                value @ (Value::Null | Value::Absent) => value.clone(),
                value @ Value::Text(text) if text.len() <= max as usize || texts::length(text) <= max as usize => value.clone(),
                Value::Text(_) => return Err(Stray::Misfit),
                _ => return Err(Stray::Odd),
            },
            Verb::FitDecimal { operand, precision, scale } => match get(operand) {
                value @ (Value::Null | Value::Absent) => value.clone(),
                value @ Value::Decimal(number) => {
                    let fits = number.scale() <= scale && number.integer_digits() <= u32::from(precision - scale);
                    if fits { value.clone() } else { return Err(Stray::Misfit) }
                }
                _ => return Err(Stray::Odd),
            },
            Verb::Convert(source, kind) => {
                convert(&self.code.kinds[usize::from(kind)], get(source)).map_err(|_| Stray::Misfit)?
            }
            Verb::ParseDate(source, pattern) => match get(source) {
                value @ (Value::Null | Value::Absent) => value.clone(),
                Value::Text(text) => {
                    let moment = self.code.patterns[usize::from(pattern)].read(text).map_err(|_| Stray::Misfit)?;
                    Value::Date(moment.date)
                }
                _ => return Err(Stray::Odd),
            },
            Verb::FormatDate(source, pattern) => match get(source) {
                value @ (Value::Null | Value::Absent) => value.clone(),
                Value::Date(date) => {
                    Value::Text(self.code.patterns[usize::from(pattern)].format(&Moment { date: *date, time: Time::midnight() }))
                }
                _ => return Err(Stray::Odd),
            },
            Verb::Day(source) => match get(source) {
                value @ (Value::Null | Value::Absent | Value::Date(_)) => value.clone(),
                Value::DateTime(at) => Value::Date(jiff::tz::Offset::UTC.to_datetime(*at).date()),
                _ => return Err(Stray::Odd),
            },
            Verb::Length(source) => match get(source) {
                value @ (Value::Null | Value::Absent) => value.clone(),
                Value::Text(text) => Value::Int(texts::length(text) as i64),
                _ => return Err(Stray::Odd),
            },
            Verb::Math(op, left, right) => eval::math(op, get(left), get(right)).map_err(|_| Stray::Misfit)?,
            Verb::Table(source, table) => match get(source) {
                Value::Absent => Value::Absent,
                value => self.code.tables[usize::from(table)].get(value).ok_or(Stray::Misfit)?.clone(),
            },
            Verb::Coalesce(first, second) => {
                let first = get(first);
                if first.is_value() { first.clone() } else { get(second).clone() }
            }
            Verb::Call(function, list) => self.call(registers, function, list)?,
            Verb::Branch { condition, is_true, to } => return Ok(turn((*get(condition) == Value::Bool(true)) == is_true, to)),
            Verb::BranchCompare { compare, left, right, is_true, to } => {
                return Ok(turn(eval::compare(compare, get(left), get(right)) == is_true, to));
            }
            Verb::BranchIn { operand, set, is_true, to } => {
                let operand = get(operand);
                let mut set = self.list(set).iter();
                let is_in = operand.is_value() && set.any(|it| eval::compare(Compare::Equal, get(*it), operand));
                return Ok(turn(is_in == is_true, to));
            }
            Verb::BranchValue { operand, to } => return Ok(turn(get(operand).is_value(), to)),
            Verb::Jump(to) => return Ok(Next::To(to)),
            Verb::Known(source) => return if get(source).is_known() { Ok(Next::On) } else { Err(Stray::Odd) },
            Verb::Agree { left, right, or_unsaid } => {
                let (left, right) = (get(left), get(right));
                return if left == right || (or_unsaid && !left.is_known()) { Ok(Next::On) } else { Err(Stray::Odd) };
            }
        };
        Ok(Next::Result(result))
    }

    fn text(&self, constant: u16) -> Result<&'a str> {
        self.code.constants[usize::from(constant)].as_text().ok_or(Stray::Odd)
    }

    fn concat(&self, registers: &[Value; REGISTERS], list: List) -> Value {
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

    fn call(&self, registers: &[Value; REGISTERS], function: u16, list: List) -> Result<Value> {
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

/// A text function; of no text, nothing follows.
#[inline(always)]
fn of_text(value: &Value, make: impl Fn(&str) -> Text) -> Result<Value> {
    match value {
        Value::Text(text) => Ok(Value::Text(make(text))),
        Value::Null | Value::Absent => Ok(value.clone()),
        _ => Err(Stray::Odd),
    }
}

fn turn(is_taken: bool, to: u16) -> Next {
    if is_taken { Next::To(to) } else { Next::On }
}
