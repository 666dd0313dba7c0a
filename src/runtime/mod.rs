//! Carries out what the engine decides: effects to awaits, answers to events.
