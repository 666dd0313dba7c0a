//! Any compiled program: read or refused, and what was read is run.
#![no_main]

mod mutate;
#[expect(dead_code, reason = "another target uses the rest")]
#[path = "../properties/mod.rs"]
mod properties;

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};

fuzz_target!(|text: &str| properties::program::hold(text));

// Bytes that are changed at random are hardly ever a program: mostly, a part of the tree is changed instead.
fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let changed = if seed % 8 == 0 { None } else { mutate::changed(&data[..size], seed) };
    match changed {
        Some(text) if text.len() <= max_size => {
            data[..text.len()].copy_from_slice(&text);
            text.len()
        }
        _ => fuzzer_mutate(data, size, max_size),
    }
});
