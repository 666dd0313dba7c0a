//! The road back: maps of this language as the JSON that dual-write stores.
