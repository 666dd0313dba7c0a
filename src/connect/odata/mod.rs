//! OData: the two Dynamics dialects over one set of parts.

mod batch;
pub mod dataverse;
mod discover;
mod error;
pub mod finops;
mod memory;
mod navigation;
pub mod notice;
mod page;
pub mod rows;
mod scan;
mod text;
mod wire;

pub use dataverse::Dataverse;
pub use discover::Discovered;
pub use finops::{Finops, Polling};

/// Which of the two forms values and names take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dialect {
    Dataverse,
    Finops,
}
