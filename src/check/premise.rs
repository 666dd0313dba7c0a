//! What the checker relies on when it accepts a rule, piece by piece, so that each piece can be taken away.
//!
//! A soundness test is worth what it catches: with any one of these gone, the checker accepts rules that break their promises, and
//! the test must see it. Nothing but such a test takes one away.

/// One piece of the argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Premise {
    /// What one side holds, the other can equal.
    Section,
    /// The two sides come to rest.
    Rest,
    /// And they do so after one write to each side.
    OneWrite,
    /// Two values of one side do not look the same on the other.
    Distinction,
    /// The stores change what is written to them.
    Stores,
    /// A store that pads or cuts moves the place where a function adds something.
    Affixes,
    /// The parts of a tuple have kinds of their own, which the stores change in their own ways.
    Parts,
    /// The same function on both sides may forget something all the same.
    Forgetting,
    /// Joining texts may forget where one ends.
    Joining,
    /// The constants of a rule are where errors gather.
    Constants,
    /// Letters are not only small and Latin, and there are blanks.
    Letters,
    /// Texts have a length.
    Lengths,
    /// Numbers have digits.
    Digits,
    /// A function may make its text longer.
    Growth,
    /// Two texts joined are longer than one.
    Sum,
    /// Null may meet a field that takes none.
    Nulls,
    /// A day of some stores stands for null.
    NullDates,
    /// A value map has a row for every member, in each direction that is used.
    Coverage,
    /// Members may be added to an open set.
    OpenSets,
    /// One store holds finer instants than another.
    Instants,
    /// One rule writes a field.
    Writers,
    /// What a rule carries from a row in scope is in scope.
    Image,
    /// The laws are decided at all. Without them a refused rule can be run, to see whether it deserved it.
    Laws,
    /// `on missing null` forgets which row was meant.
    Missing,
}

/// The premises that hold: all, or all but one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Premises {
    missing: Option<Premise>,
}

impl Premises {
    pub fn without(missing: Premise) -> Self {
        Self { missing: Some(missing) }
    }

    pub fn hold(self, premise: Premise) -> bool {
        self.missing != Some(premise)
    }
}
