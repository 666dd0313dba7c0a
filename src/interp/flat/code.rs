//! The operations of flat code.

use crate::functions::{Function, Pattern};
use crate::ir::{Compare, Math, RuleId};
use crate::value::{Kind, Value};

use super::table::Table;
use super::texts::Needle;

/// Values that one rule may hold at a time.
pub const REGISTERS: usize = 8;
/// Operations of one piece of code.
pub const OPERATIONS_MAX: usize = 60_000;
/// No place in the code: the rule stands aside.
pub const ASIDE: u16 = u16::MAX;

/// Operations over the fields of a record, and what they need.
#[derive(Debug, Default)]
pub struct Code {
    pub operations: Vec<Operation>,
    /// Registers that are used.
    pub registers: usize,
    pub constants: Vec<Value>,
    pub tables: Vec<Table>,
    pub kinds: Vec<Kind>,
    pub patterns: Vec<Pattern>,
    pub needles: Vec<Needle>,
    pub functions: Vec<&'static Function>,
    /// Operands of operations that have many.
    pub lists: Vec<Source>,
    /// Of code that compares: what each value that is made is held against, in their order.
    pub expected: Vec<Expected>,
}

/// A field that shows what is made, or does not.
#[derive(Clone, Copy, Debug)]
pub struct Expected {
    pub rule: RuleId,
    /// Of the row that would be written.
    pub slot: u16,
    /// It is enough that nothing is said.
    pub or_unsaid: bool,
}

/// Where an operand stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Source {
    /// A field of the record that is read.
    Field(u16),
    /// A field of the row that would be written, as it is.
    Own(u16),
    Constant(u16),
    Register(u8),
    /// The value that a writer is given.
    Given,
}

/// Where a result goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Target {
    Register(u8),
    /// The next field of the row that is made; the rest of the rule's code for it is passed over.
    Output,
    /// As `Output`, for a field that cannot be null.
    FilledOutput,
}

#[derive(Clone, Copy, Debug)]
pub struct Operation {
    pub verb: Verb,
    pub target: Target,
    /// Where a failure leads: to the code of the rule's `else`, or [`ASIDE`].
    pub on_failure: u16,
    /// The first operation that is not for this field.
    pub end: u16,
    /// The code of which this is a part makes a value; where it fails, an absent one stands for it.
    pub is_making: bool,
    pub rule: RuleId,
}

/// A run of `Code::lists`.
#[derive(Clone, Copy, Debug)]
pub struct List {
    pub start: u16,
    pub count: u16,
}

#[derive(Clone, Copy, Debug)]
pub enum Verb {
    Make(Make),
    /// Makes a value of a register that is not read again.
    Move(u8),
    /// Makes nothing.
    Turn(Turn),
}

/// How a value is made.
#[derive(Clone, Copy, Debug)]
pub enum Make {
    Copy(Source),
    /// Of a text. Null and what was not said stay as they are, and any other value is not for this code.
    Text(OfText, Source),
    /// Of any value. Null and what was not said stay as they are.
    Value(OfValue, Source),
    Concat(List),
    Math(Math, Source, Source),
    Table(Source, u16),
    Coalesce(Source, Source),
    Tuple(List),
    /// One part of a tuple.
    Part(Source, u16),
    /// Any other function, by number.
    Call(u16, List),
}

/// Texts to values.
#[derive(Clone, Copy, Debug)]
pub enum OfText {
    Trim,
    Lower,
    TrimLower,
    Upper,
    Title,
    /// The first so many UTF-16 units.
    Take(u32),
    /// What stands before the first such part, or all.
    Before(u16),
    /// What stands after the first such part, or nothing.
    After(u16),
    /// One side of the first or last such part, which must be there.
    Split {
        separator: u16,
        from_end: bool,
        tail: bool,
    },
    /// It has at most so many UTF-16 units.
    Fit(u32),
    Length,
    ParseDate(u16),
}

/// Values of several kinds to values.
#[derive(Clone, Copy, Debug)]
pub enum OfValue {
    ToText,
    ToInt,
    Round(u8),
    FitDecimal { precision: u8, scale: u8 },
    Convert(u16),
    FormatDate(u16),
    Day,
}

/// What goes on where.
#[derive(Clone, Copy, Debug)]
pub enum Turn {
    /// Goes on at `to` where the value is true, or where it is not.
    Branch {
        condition: Source,
        is_true: bool,
        to: u16,
    },
    BranchCompare {
        compare: Compare,
        left: Source,
        right: Source,
        is_true: bool,
        to: u16,
    },
    /// The operand is one of these.
    BranchIn {
        operand: Source,
        set: List,
        is_true: bool,
        to: u16,
    },
    /// There is a value.
    BranchValue {
        operand: Source,
        to: u16,
    },
    Jump(u16),
    /// Of what was not said, the plain evaluation says what follows.
    Known(Source),
    /// Both sides show the same; or, where that is enough, the left says nothing.
    Agree {
        left: Source,
        right: Source,
        or_unsaid: bool,
    },
}
