//! Rules to flat code. What it has no code for, it leaves to the plain evaluation.

use super::super::eval::{Scope, eval};
use super::super::rules::is_filled;
use super::super::{Cx, Lookups};
use super::code::{
    ASIDE, Code, Expected, List, Make, OPERATIONS_MAX, OfText, OfValue, Operation, REGISTERS, Source, Target, Turn, Verb,
};
use super::run::ARGUMENTS_MAX;
use super::table::Table;
use super::texts::Needle;
use crate::change::Side;
use crate::functions::{self, Pattern, Use};
use crate::ir::{Expr, Fallback, Math, Plan, RuleId, TableId};
use crate::value::{Kind, Record, Slot, Value};

/// Code that makes the fields of a new row, one after another, and the rules that it leaves out.
pub fn outputs(plan: &Plan, towards: Side, order: &[RuleId]) -> (Code, Vec<RuleId>) {
    let slots = plan.shapes[towards].fields.len();
    let mut writers: Vec<Vec<(RuleId, &Expr)>> = vec![Vec::new(); slots];
    for &id in order {
        for (slot, expr) in &plan.rule(id).ends[towards].write {
            writers[usize::from(slot.0)].push((id, expr));
        }
    }
    let is_alone = |id: &RuleId| {
        let write = &plan.rule(*id).ends[towards].write;
        plan.rule(*id).guard.is_none() && write.iter().all(|(slot, _)| writers[usize::from(slot.0)].len() == 1)
    };
    let is_flat = |id: &RuleId| {
        let mut trial = Compiler::new(plan);
        let write = &plan.rule(*id).ends[towards].write;
        is_alone(id) && write.iter().all(|(slot, expr)| trial.field(towards, *id, *slot, expr).is_some())
    };
    let (flat, aside): (Vec<RuleId>, Vec<RuleId>) = order.iter().copied().partition(is_flat);
    let mut compiler = Compiler::new(plan);
    for (slot, writers) in writers.iter().enumerate() {
        match writers.first() {
            Some((id, expr)) if flat.contains(id) => {
                let done = compiler.field(towards, *id, Slot(slot as u16), expr);
                if done.is_none() {
                    return (nothing(plan, towards), order.to_vec());
                }
            }
            Some(_) | None => compiler.nothing(),
        }
    }
    (compiler.code, aside)
}

/// Every field is absent.
pub fn nothing(plan: &Plan, towards: Side) -> Code {
    let mut compiler = Compiler::new(plan);
    plan.shapes[towards].fields.iter().for_each(|_| compiler.nothing());
    compiler.code
}

/// Code that finds which rules see the same on both sides, and the rules that it leaves out.
pub fn compare(plan: &Plan, towards: Side, order: &[RuleId]) -> (Code, Vec<RuleId>) {
    let mut compiler = Compiler::new(plan);
    let compiled = |id: &RuleId| plan.rule(*id).guard.is_none() && compiler.compare(towards, *id).is_some();
    let (_, aside) = order.iter().copied().partition::<Vec<RuleId>, _>(compiled);
    (compiler.code, aside)
}

/// Code for the condition under which a row of this side takes part; `None`: it is not that simple.
pub fn scope(plan: &Plan, side: Side) -> Option<Code> {
    if plan.partition_in.is_some() {
        return None;
    }
    let always = Expr::Const(Value::Bool(true));
    alone(plan, plan.scope[side].as_ref().unwrap_or(&always))
}

/// Code for one value of one record.
pub fn alone(plan: &Plan, expr: &Expr) -> Option<Code> {
    let mut compiler = Compiler::new(plan);
    compiler.value(expr, Target::Output)?;
    compiler.finish(0)?;
    Some(compiler.code)
}

/// Code that makes a rule's fields of this side, one after another, of the value that it is given.
pub fn writer(plan: &Plan, id: RuleId, side: Side) -> Option<Code> {
    let mut compiler = Compiler { is_given: true, ..Compiler::new(plan) };
    for (slot, expr) in &plan.rule(id).ends[side].write {
        let start = compiler.begin(id);
        compiler.value(expr, compiler.output(side, *slot))?;
        compiler.finish(start)?;
    }
    Some(compiler.code)
}

/// Reading this side cannot fail, whatever the record holds.
pub fn never_fails(plan: &Plan, id: RuleId, side: Side) -> bool {
    matches!(plan.rule(id).ends[side].read, Expr::Slot(_) | Expr::Const(_))
}

struct Compiler<'a> {
    plan: &'a Plan,
    code: Code,
    rule: RuleId,
    /// Slots of expressions are those of the row that would be written.
    reads_own: bool,
    /// `It` is the value that a writer is given.
    is_given: bool,
    /// Registers in use.
    registers: usize,
    /// Operations whose failure is not the rule's to answer.
    forced: Vec<usize>,
}

impl<'a> Compiler<'a> {
    fn new(plan: &'a Plan) -> Self {
        let code = Code::default();
        Self { plan, code, rule: RuleId(0), reads_own: false, is_given: false, registers: 0, forced: Vec::new() }
    }

    /// Where a field of a row of this side is made.
    fn output(&self, side: Side, slot: Slot) -> Target {
        if is_filled(self.plan, side, slot) { Target::FilledOutput } else { Target::Output }
    }

    fn nothing(&mut self) {
        let start = self.code.operations.len();
        let absent = self.constant(Value::Absent).expect("constants are few where there is room for a field");
        self.make(Make::Copy(absent), Target::Output).expect("operations are few where there is room for a field");
        self.finish(start).expect("it was just made");
    }

    /// One field of a new row: what the rule reads, and what it makes of that.
    fn field(&mut self, towards: Side, id: RuleId, slot: Slot, write: &Expr) -> Option<()> {
        let rule = self.plan.rule(id);
        let read = &rule.ends[towards.other()].read;
        let start = self.begin(id);
        let target = self.output(towards, slot);
        let answer = match &rule.otherwise[towards] {
            Some(Fallback::Value(value)) => Some(value.clone()),
            Some(Fallback::Reject | Fallback::Park | Fallback::Skip | Fallback::Expr(_)) | None => None,
        };
        // The row that is made has no fields yet.
        let write = write.rewritten(&|it| matches!(it, Expr::Slot(_)).then_some(Expr::Const(Value::Absent)));
        if write == Expr::It {
            self.value(read, target)?;
            self.answer(start, answer, |compiler, value| compiler.value(&Expr::Const(value), target))?;
            return self.finish(start);
        }
        if let Expr::Tuple(parts) = read {
            // A tuple is always there; only what cannot fail may be read part by part.
            let direct = with_parts(&write, parts);
            if has_it(&direct) || !parts.iter().all(|it| self.is_place(it)) {
                return None;
            }
            self.value(&direct, target)?;
            self.answer(start, answer, |compiler, value| compiler.value(&Expr::Const(value), Target::Output))?;
            return self.finish(start);
        }
        let source = self.operand(read)?;
        self.turn(Turn::Known(source))?;
        let written = write.clone();
        let from_read = |compiler: &mut Self, value: Value| {
            let written = written.rewritten(&|it| (*it == Expr::It).then(|| Expr::Const(value.clone())));
            compiler.value(&written, target)
        };
        let middle = self.code.operations.len();
        let it = self.pinned(source);
        self.value(&write.rewritten(&|part| (*part == Expr::It).then(|| it.clone())), target)?;
        let end = self.code.operations.len();
        if let Some(value) = answer {
            let mut handler = u16::try_from(self.code.operations.len()).ok()?;
            self.set_failure(start, middle, handler);
            from_read(self, value.clone())?;
            handler = u16::try_from(self.code.operations.len()).ok()?;
            self.set_failure(middle, end, handler);
            self.value(&Expr::Const(value), Target::Output)?;
        }
        self.finish(start)
    }

    /// Code for the rule's `else`, and the way to it from the operations since `start`.
    fn answer(
        &mut self,
        start: usize,
        answer: Option<Value>,
        handler: impl FnOnce(&mut Self, Value) -> Option<()>,
    ) -> Option<()> {
        let Some(value) = answer else { return Some(()) };
        let end = self.code.operations.len();
        self.set_failure(start, end, u16::try_from(end).ok()?);
        handler(self, value)
    }

    fn set_failure(&mut self, start: usize, end: usize, to: u16) {
        for index in start..end {
            if !self.forced.contains(&index) {
                self.code.operations[index].on_failure = to;
            }
        }
    }

    /// Both sides of a rule, read and compared.
    fn compare(&mut self, towards: Side, id: RuleId) -> Option<()> {
        let rule = self.plan.rule(id);
        let (start, expected) = (self.code.operations.len(), self.code.expected.len());
        let done = match (&rule.ends[towards.other()].read, &rule.ends[towards].read) {
            (Expr::Tuple(from), Expr::Tuple(own)) if from.len() == own.len() => {
                from.iter().zip(own).try_for_each(|(from, own)| self.agree(id, from, own, false))
            }
            (from, own) => self.agree(id, from, own, true),
        };
        if done.is_none() {
            self.code.operations.truncate(start);
            self.code.expected.truncate(expected);
        }
        done
    }

    /// Two values are compared where they stand; one that must be made is held against a field before it is put anywhere.
    fn agree(&mut self, id: RuleId, from: &Expr, own: &Expr, or_unsaid: bool) -> Option<()> {
        let start = self.begin(id);
        let is_made = !self.is_place(from) && self.folded(from).is_none();
        if let (Expr::Slot(own), true) = (own, is_made) {
            self.value(from, Target::Output)?;
            self.code.expected.push(Expected { rule: id, slot: own.0, or_unsaid });
            return self.finish(start);
        }
        let left = self.operand(from)?;
        self.reads_own = true;
        let right = self.operand(own)?;
        self.turn(Turn::Agree { left, right, or_unsaid })?;
        self.finish(start)
    }

    fn begin(&mut self, id: RuleId) -> usize {
        self.rule = id;
        self.registers = 0;
        self.reads_own = false;
        self.code.operations.len()
    }

    /// The operations since `start` are one rule's code for one field.
    fn finish(&mut self, start: usize) -> Option<()> {
        let end = u16::try_from(self.code.operations.len()).ok().filter(|it| usize::from(*it) <= OPERATIONS_MAX)?;
        let operations = &mut self.code.operations[start..];
        let is_making = operations.iter().any(|it| !matches!(it.target, Target::Register(_)));
        operations.iter_mut().for_each(|it| (it.end, it.is_making) = (end, is_making));
        Some(())
    }

    fn push(&mut self, verb: Verb, target: Target) -> Option<()> {
        let operation = Operation { verb, target, on_failure: ASIDE, end: 0, is_making: false, rule: self.rule };
        self.code.operations.push(operation);
        (self.code.operations.len() <= OPERATIONS_MAX).then_some(())
    }

    fn make(&mut self, make: Make, target: Target) -> Option<()> {
        self.push(Verb::Make(make), target)
    }

    fn turn(&mut self, turn: Turn) -> Option<()> {
        self.push(Verb::Turn(turn), Target::Register(0))
    }

    fn here(&self) -> Option<u16> {
        u16::try_from(self.code.operations.len()).ok()
    }

    fn constant(&mut self, value: Value) -> Option<Source> {
        Some(Source::Constant(add(&mut self.code.constants, value)?))
    }

    fn needle(&mut self, part: &str) -> Option<u16> {
        add(&mut self.code.needles, Needle::new(part))
    }

    /// Its value stands somewhere already.
    fn is_place(&self, expr: &Expr) -> bool {
        match expr {
            Expr::Const(_) | Expr::Slot(_) => true,
            Expr::It => self.is_given,
            Expr::Part { operand, .. } => !self.is_given && **operand == Expr::It,
            _ => false,
        }
    }

    /// An expression that stands for a place that holds its value already.
    fn pinned(&self, source: Source) -> Expr {
        match source {
            Source::Field(slot) | Source::Own(slot) => Expr::Slot(Slot(slot)),
            Source::Constant(number) => Expr::Const(self.code.constants[usize::from(number)].clone()),
            // `It` is free once it has been put in its place; the number tells the register.
            Source::Register(number) => Expr::Part { operand: Expr::It.boxed(), index: u16::from(number) },
            Source::Given => Expr::It,
        }
    }

    /// Where the expression's value stands; code is made where it stands nowhere yet.
    fn operand(&mut self, expr: &Expr) -> Option<Source> {
        match expr {
            Expr::Const(value) => return self.constant(value.clone()),
            Expr::Slot(slot) => return Some(if self.reads_own { Source::Own(slot.0) } else { Source::Field(slot.0) }),
            Expr::It if self.is_given => return Some(Source::Given),
            Expr::Part { operand, index } if !self.is_given && **operand == Expr::It => {
                return Some(Source::Register(u8::try_from(*index).ok()?));
            }
            _ => {}
        }
        if let Some(value) = self.folded(expr) {
            return self.constant(value);
        }
        let number = self.registers;
        self.registers += 1;
        if self.registers > REGISTERS {
            return None;
        }
        self.code.registers = self.code.registers.max(self.registers);
        self.value(expr, Target::Register(number as u8))?;
        self.registers = number + 1;
        Some(Source::Register(number as u8))
    }

    /// The value of an expression that looks at nothing.
    fn folded(&self, expr: &Expr) -> Option<Value> {
        if !is_constant(expr) {
            return None;
        }
        let (lookups, record) = (Lookups::default(), Record::absent(0));
        let cx = Cx { plan: self.plan, lookups: &lookups };
        eval(Scope { cx, rule: None, record: &record, it: &Value::Absent, partition: &Value::Absent }, expr).ok()
    }

    /// Code that puts the expression's value there.
    fn value(&mut self, expr: &Expr, target: Target) -> Option<()> {
        if let Some(value) = self.folded(expr) {
            let source = self.constant(value)?;
            return self.make(Make::Copy(source), target);
        }
        let make = match expr {
            it if self.is_place(it) => Make::Copy(self.operand(it)?),
            Expr::Const(_) | Expr::Slot(_) => Make::Copy(self.operand(expr)?),
            Expr::Part { operand, index } => Make::Part(self.operand(operand)?, *index),
            Expr::Tuple(parts) => Make::Tuple(self.operands(parts)?),
            Expr::It | Expr::Partition | Expr::Now | Expr::Fresh(_) | Expr::KeyOf { .. } | Expr::IdOf { .. } => return None,
            Expr::Call { function, arguments } => self.call(function, arguments)?,
            Expr::Convert { to, operand } => self.convert(to, operand)?,
            Expr::Concat(parts) => Make::Concat(self.operands(parts)?),
            Expr::SplitPart { operand, separator, from_end, tail } => {
                let operand = self.operand(operand)?;
                let separator = self.needle(separator)?;
                Make::Text(OfText::Split { separator, from_end: *from_end, tail: *tail }, operand)
            }
            Expr::Math { op, left, right } => self.math(*op, left, right)?,
            Expr::Compare { .. } | Expr::In { .. } | Expr::And(..) | Expr::Or(..) | Expr::Not(_) => {
                let (yes, no) = (Expr::Const(Value::Bool(true)), Expr::Const(Value::Bool(false)));
                return self.either(expr, &yes, &no, target);
            }
            Expr::If { condition, then, otherwise } => return self.either(condition, then, otherwise, target),
            Expr::Coalesce(first, second) => return self.coalesce(first, second, target),
            Expr::Table { table, operand } => self.table(*table, operand)?,
        };
        self.make(make, target)?;
        if let (Make::Table(..), Expr::Table { table, .. }) = (make, expr)
            && matches!(&self.plan.table(*table).otherwise, Some(it) if !matches!(it, Fallback::Value(_)))
        {
            self.forced.push(self.code.operations.len() - 1);
        }
        Some(())
    }

    fn operands(&mut self, exprs: &[Expr]) -> Option<List> {
        let sources = exprs.iter().map(|it| self.operand(it)).collect::<Option<Vec<Source>>>()?;
        let list = List { start: u16::try_from(self.code.lists.len()).ok()?, count: u16::try_from(sources.len()).ok()? };
        self.code.lists.extend(sources);
        Some(list)
    }

    fn table(&mut self, id: TableId, operand: &Expr) -> Option<Make> {
        let operand = self.operand(operand)?;
        let table = Table::new(self.plan.table(id))?;
        Some(Make::Table(operand, add(&mut self.code.tables, table)?))
    }

    fn math(&mut self, op: Math, left: &Expr, right: &Expr) -> Option<Make> {
        let left = self.operand(left)?;
        Some(Make::Math(op, left, self.operand(right)?))
    }

    fn convert(&mut self, to: &Kind, operand: &Expr) -> Option<Make> {
        let operand = self.operand(operand)?;
        Some(match to {
            Kind::Text { max } => Make::Text(OfText::Fit(max.unwrap_or(u32::MAX)), operand),
            Kind::Decimal { precision, scale } => {
                Make::Value(OfValue::FitDecimal { precision: *precision, scale: *scale }, operand)
            }
            other => Make::Value(OfValue::Convert(add(&mut self.code.kinds, other.clone())?), operand),
        })
    }

    fn call(&mut self, name: &str, arguments: &[Expr]) -> Option<Make> {
        if let ("lower", [Expr::Call { function, arguments }]) = (name, arguments)
            && let ("trim", [text]) = (function.as_str(), arguments.as_slice())
        {
            return Some(Make::Text(OfText::TrimLower, self.operand(text)?));
        }
        if let Some(verb) = self.of_text(name, arguments) {
            return Some(Make::Text(verb, self.operand(&arguments[0])?));
        }
        if let Some(verb) = self.of_value(name, arguments) {
            return Some(Make::Value(verb, self.operand(&arguments[0])?));
        }
        if arguments.len() > ARGUMENTS_MAX {
            return None;
        }
        let list = self.operands(arguments)?;
        Some(Make::Call(add(&mut self.code.functions, functions::find(name)?)?, list))
    }

    /// The operation of this function on its first argument, a text.
    fn of_text(&mut self, name: &str, arguments: &[Expr]) -> Option<OfText> {
        Some(match (name, arguments) {
            ("trim", [_]) => OfText::Trim,
            ("lower", [_]) => OfText::Lower,
            ("upper", [_]) => OfText::Upper,
            ("title", [_]) => OfText::Title,
            ("length", [_]) => OfText::Length,
            ("take", [_, Expr::Const(Value::Int(units))]) => OfText::Take(u32::try_from(*units).ok()?),
            ("before", [_, Expr::Const(Value::Text(part))]) => OfText::Before(self.needle(part)?),
            ("after", [_, Expr::Const(Value::Text(part))]) => OfText::After(self.needle(part)?),
            ("parse_date", [_, Expr::Const(Value::Text(pattern))]) => {
                OfText::ParseDate(add(&mut self.code.patterns, Pattern::parse_readable(pattern, Use::Date).ok()?)?)
            }
            _ => return None,
        })
    }

    /// The operation of this function on its first argument, a value of several kinds.
    fn of_value(&mut self, name: &str, arguments: &[Expr]) -> Option<OfValue> {
        Some(match (name, arguments) {
            ("text", [_]) => OfValue::ToText,
            ("int", [_]) => OfValue::ToInt,
            ("date", [_]) => OfValue::Day,
            ("round", [_, Expr::Const(Value::Int(places @ 0..=38))]) => OfValue::Round(*places as u8),
            ("format_date", [_, Expr::Const(Value::Text(pattern))]) => {
                OfValue::FormatDate(add(&mut self.code.patterns, Pattern::parse(pattern, Use::Date).ok()?)?)
            }
            _ => return None,
        })
    }

    fn coalesce(&mut self, first: &Expr, second: &Expr, target: Target) -> Option<()> {
        let first = self.operand(first)?;
        if self.is_place(second) || is_constant(second) {
            let second = self.operand(second)?;
            return self.make(Make::Coalesce(first, second), target);
        }
        let branch = self.code.operations.len();
        self.turn(Turn::BranchValue { operand: first, to: 0 })?;
        self.value(second, target)?;
        let leave = self.leave(target)?;
        self.land(&[branch])?;
        let taken = if let Source::Register(number) = first { Verb::Move(number) } else { Verb::Make(Make::Copy(first)) };
        self.push(taken, target)?;
        self.land(&leave)
    }

    fn either(&mut self, condition: &Expr, then: &Expr, otherwise: &Expr, target: Target) -> Option<()> {
        let mark = self.registers;
        let mut to_otherwise = Vec::new();
        self.branch(condition, false, &mut to_otherwise)?;
        self.registers = mark;
        self.value(then, target)?;
        let leave = self.leave(target)?;
        self.land(&to_otherwise)?;
        self.registers = mark;
        self.value(otherwise, target)?;
        self.land(&leave)
    }

    /// Passes over what follows. A field that is made needs no jump: its code ends there.
    fn leave(&mut self, target: Target) -> Option<Vec<usize>> {
        if !matches!(target, Target::Register(_)) {
            return Some(Vec::new());
        }
        self.turn(Turn::Jump(0))?;
        Some(vec![self.code.operations.len() - 1])
    }

    /// These operations go on here.
    fn land(&mut self, operations: &[usize]) -> Option<()> {
        let here = self.here()?;
        for &index in operations {
            match &mut self.code.operations[index].verb {
                Verb::Turn(
                    Turn::Branch { to, .. }
                    | Turn::BranchCompare { to, .. }
                    | Turn::BranchIn { to, .. }
                    | Turn::BranchValue { to, .. }
                    | Turn::Jump(to),
                ) => *to = here,
                other => unreachable!("{other:?} goes nowhere"),
            }
        }
        Some(())
    }

    /// Code that leaves for a place still to be told where the condition is as wanted, and else goes on.
    fn branch(&mut self, condition: &Expr, wanted: bool, leaving: &mut Vec<usize>) -> Option<()> {
        let turn = match condition {
            Expr::Not(operand) => return self.branch(operand, !wanted, leaving),
            Expr::And(left, right) | Expr::Or(left, right) => {
                // `and` is decided by the first false, `or` by the first true.
                let decides = matches!(condition, Expr::Or(..));
                if decides == wanted {
                    self.branch(left, wanted, leaving)?;
                    return self.branch(right, wanted, leaving);
                }
                let mut passing = Vec::new();
                self.branch(left, decides, &mut passing)?;
                self.branch(right, wanted, leaving)?;
                return self.land(&passing);
            }
            Expr::Compare { op, left, right } => {
                let left = self.operand(left)?;
                Turn::BranchCompare { compare: *op, left, right: self.operand(right)?, is_true: wanted, to: 0 }
            }
            Expr::In { operand, set } => {
                let operand = self.operand(operand)?;
                let members: Vec<Expr> = set.iter().cloned().map(Expr::Const).collect();
                Turn::BranchIn { operand, set: self.operands(&members)?, is_true: wanted, to: 0 }
            }
            other => Turn::Branch { condition: self.operand(other)?, is_true: wanted, to: 0 },
        };
        leaving.push(self.code.operations.len());
        self.turn(turn)
    }
}

fn add<T>(all: &mut Vec<T>, one: T) -> Option<u16> {
    all.push(one);
    u16::try_from(all.len() - 1).ok()
}

fn has_it(expr: &Expr) -> bool {
    *expr == Expr::It || expr.operands().into_iter().any(has_it)
}

/// It looks at no record, no clock, no reference, and a value map's `else` cannot ask for one.
fn is_constant(expr: &Expr) -> bool {
    match expr {
        Expr::Const(_) => true,
        Expr::Slot(_)
        | Expr::It
        | Expr::Partition
        | Expr::Now
        | Expr::Fresh(_)
        | Expr::Table { .. }
        | Expr::KeyOf { .. }
        | Expr::IdOf { .. } => false,
        other => other.operands().into_iter().all(is_constant),
    }
}

/// The parts of a tuple put where they are asked for.
fn with_parts(write: &Expr, parts: &[Expr]) -> Expr {
    let part = |it: &Expr| match it {
        Expr::Part { operand, index } if **operand == Expr::It => parts.get(usize::from(*index)).cloned(),
        _ => None,
    };
    write.rewritten(&part)
}
