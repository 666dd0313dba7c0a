//! Any text: the formatter.
#![no_main]

#[expect(dead_code, reason = "another target uses the rest")]
#[path = "../properties/mod.rs"]
mod properties;

libfuzzer_sys::fuzz_target!(|text: &str| properties::format::hold(text));
