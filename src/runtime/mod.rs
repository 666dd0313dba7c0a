//! Carries out what the engine decides: effects to awaits, answers to events.

pub mod compare;
pub mod config;
pub mod confirm;
pub mod control;
pub mod deployment;
pub mod endpoint;
mod errand;
pub mod evaluate;
pub mod guard;
mod hints;
pub mod initial;
pub mod live;
pub mod pipe;
pub mod receive;
pub mod references;
pub mod rehearse;
pub mod round;
pub mod stats;
mod summon;
pub mod survey;
mod take;
pub mod verify;
pub mod world;
