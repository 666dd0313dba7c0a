//! The operations of flat code.

use crate::functions::{Function, Pattern};
use crate::ir::{Compare, Math, RuleId};
use crate::value::{Kind, Value};

use super::table::Table;

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
    pub constants: Vec<Value>,
    pub tables: Vec<Table>,
    pub kinds: Vec<Kind>,
    pub patterns: Vec<Pattern>,
    pub functions: Vec<&'static Function>,
    /// Operands of operations that have many.
    pub lists: Vec<Source>,
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
    Copy(Source),
    /// A register that is not read again.
    Move(u8),
    Trim(Source),
    Lower(Source),
    TrimLower(Source),
    Upper(Source),
    Title(Source),
    /// The first so many UTF-16 units.
    Take(Source, u32),
    Before(Source, u16),
    After(Source, u16),
    Concat(List),
    Split {
        operand: Source,
        separator: u16,
        from_end: bool,
        tail: bool,
    },
    ToText(Source),
    ToInt(Source),
    Round(Source, u8),
    FitText(Source, u32),
    FitDecimal {
        operand: Source,
        precision: u8,
        scale: u8,
    },
    Convert(Source, u16),
    ParseDate(Source, u16),
    FormatDate(Source, u16),
    Day(Source),
    Length(Source),
    Math(Math, Source, Source),
    Table(Source, u16),
    Coalesce(Source, Source),
    /// Any other function, by number.
    Call(u16, List),
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
