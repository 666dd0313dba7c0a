//! One side of one rule, ready to be read and written alone, as the three-way compare does.

use super::compile;
use super::run;
use crate::change::Side;
use crate::ir::{Expr, Plan, RuleId};
use crate::value::{Record, Slot, Value};

use super::super::rules::is_filled;
use super::Code;

/// A rule's fields on one side, and the code for them.
#[derive(Debug)]
pub struct End {
    /// Fields that are read or written.
    pub slots: Vec<Slot>,
    pub reader: Reader,
    pub writer: Writer,
}

#[derive(Debug)]
pub enum Reader {
    /// A field as it is.
    Field(Slot),
    Code(Box<Code>),
    /// There is no code for it.
    Plain,
}

#[derive(Debug)]
pub enum Writer {
    /// One field, which takes the value as it is.
    Field {
        slot: Slot,
        /// Neither null nor a word for it may stand there.
        is_filled: bool,
    },
    Code {
        slots: Vec<Slot>,
        code: Box<Code>,
    },
    /// There is no code for it.
    Plain,
}

impl End {
    pub fn new(plan: &Plan, id: RuleId, side: Side) -> Self {
        let end = &plan.rule(id).ends[side];
        let reader = match &end.read {
            Expr::Slot(slot) => Reader::Field(*slot),
            other => compile::alone(plan, other).map_or(Reader::Plain, |it| Reader::Code(Box::new(it))),
        };
        let writer = match end.write.as_slice() {
            [(slot, Expr::It)] => Writer::Field { slot: *slot, is_filled: is_filled(plan, side, *slot) },
            write => {
                let slots = write.iter().map(|(slot, _)| *slot).collect();
                compile::writer(plan, id, side).map_or(Writer::Plain, |code| Writer::Code { slots, code: Box::new(code) })
            }
        };
        Self { slots: end.slots(), reader, writer }
    }

    /// Every value takes the plain way.
    pub fn plain(plan: &Plan, id: RuleId, side: Side) -> Self {
        Self { slots: plan.rule(id).ends[side].slots(), reader: Reader::Plain, writer: Writer::Plain }
    }
}

impl Writer {
    /// Sets the fields of this side so that it reads as the value. False: nothing was set, and the plain evaluation must say.
    pub fn write(&self, value: &Value, own: &Record, out: &mut Record) -> bool {
        // Where another rule has written something else, the row is refused in words.
        let is_free = |out: &Record, slot: Slot, value: &Value| !out.get(slot).is_known() || out.get(slot) == value;
        match self {
            Self::Field { slot, is_filled } => {
                let is_usual = is_free(out, *slot, value) && (value.is_value() || !is_filled);
                if is_usual {
                    out.set(*slot, value.clone());
                }
                is_usual
            }
            Self::Code { slots, code } => {
                let Some(made) = run::written(code, own.values(), value, slots.len()) else { return false };
                let is_usual = slots.iter().zip(&made).all(|(slot, value)| is_free(out, *slot, value));
                if is_usual {
                    slots.iter().zip(made).for_each(|(slot, value)| out.set(*slot, value));
                }
                is_usual
            }
            Self::Plain => false,
        }
    }
}
