//! Carries out what the engine decides: effects to awaits, answers to events.

pub mod compare;
pub mod config;
pub mod control;
pub mod deployment;
pub mod evaluate;
pub mod initial;
pub mod live;
pub mod pipe;
pub mod references;
pub mod rehearse;
pub mod round;
pub mod stats;
mod take;
pub mod world;
