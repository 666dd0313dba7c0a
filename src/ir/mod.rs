//! The compiled form: everything that execution needs and nothing else.
//!
//! A rule is an equation between a *reader* on each side; where it may be written there are *writers*, one
//! expression per written field. All names are slots, all member names are values. The form is data: it is
//! serialised, versioned and hashed, and read back or refused: one that is read fits together, and running it cannot fail for its own
//! fault.

mod certificate;
mod expr;
mod program;
pub mod push;
pub mod show;
mod test;
mod valid;

pub use certificate::{Certificate, Law, Laws, Strength};
pub use expr::{Compare, Expr, Math, ValueTable};
pub use program::{
    Conflict, DeleteAction, End, Exit, FORMAT, Fallback, Group, Guard, Missing, Modulo, OnError, Origin, Plan, Program,
    ReadError, RefColumn, RefTarget, Reference, Rekey, Rule, Source, System,
};
pub use test::{Expectation, Test, TestStep};
pub use valid::{EXPRESSION_DEPTH_MAX, Flaw, check as check_valid, is_within};

use serde::{Deserialize, Serialize};

macro_rules! index {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u16);

        impl $name {
            pub fn index(self) -> usize {
                self.0 as usize
            }
        }
    };
}

index!(
    /// A plan of the program.
    PlanId
);
index!(
    /// A rule of a plan.
    RuleId
);
index!(
    /// A reference (lookup) of a plan.
    RefId
);
index!(
    /// A value table of a plan.
    TableId
);
