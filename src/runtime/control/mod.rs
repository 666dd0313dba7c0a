//! What people ask of a deployment while it runs, and what it tells them.
//!
//! A command is a wish on file. States of maps, decisions about records and loads of key ranges stand in the store; a running
//! process carries them out between two rounds, and a later one when it starts. So nothing here needs to be sent twice, and a
//! process that dies in the middle of a command goes on with it.

pub mod alerts;
pub mod ask;
mod attend;
mod carry;
pub mod client;
pub mod deliver;
pub mod find;
pub mod load;
pub mod place;
pub mod plan;
mod post;
pub mod read;
pub mod renew;
pub mod send;
pub mod server;
pub mod states;
pub mod tend;
mod wishes;

pub use attend::{Call, Caller, next_call};
