//! The inputs that the fuzz targets kept, through the same properties: no special compiler is needed.

#[path = "../fuzz/properties/mod.rs"]
pub mod properties;

use std::path::Path;

/// Stack of what holds one input.
const STACK_BYTES: usize = 8 * 1024 * 1024;

/// Runs every kept input of a target. Each has a name, and a failure says it.
fn replay(target: &str, hold: fn(&str)) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(target);
    let mut inputs: Vec<_> = std::fs::read_dir(&folder)
        .expect("the inputs are there")
        .map(|it| it.expect("the inputs can be listed").path())
        .collect();
    inputs.sort();
    assert!(inputs.len() > 20, "{} inputs of {target}", inputs.len());
    let mut failed = Vec::new();
    for path in inputs {
        let bytes = std::fs::read(&path).expect("an input can be read");
        // As the targets do: what is no text is no input.
        let Ok(text) = std::str::from_utf8(&bytes) else { continue };
        // As deep a stack as the first thread of a program has.
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
        let text = text.to_owned();
        let done = thread.spawn(move || hold(&text)).expect("a thread can be started").join();
        if done.is_err() {
            failed.push(path.display().to_string());
        }
    }
    assert!(failed.is_empty(), "the inputs are {failed:#?}");
}

#[test]
fn what_the_parser_met_keeps_its_properties() {
    replay("parse", properties::parse::hold);
}

#[test]
fn what_the_formatter_met_keeps_its_properties() {
    replay("format", properties::format::hold);
}

#[test]
fn what_the_checker_met_keeps_its_properties() {
    replay("check", properties::check::hold);
}

#[test]
fn what_the_reader_of_programs_met_keeps_its_properties() {
    replay("program", properties::program::hold);
}

#[test]
fn the_inputs_are_few() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus");
    let sizes = |target: &str| {
        let entries = std::fs::read_dir(folder.join(target)).expect("the inputs are there");
        entries.map(|it| it.and_then(|it| it.metadata()).expect("an input can be looked at").len()).sum::<u64>()
    };
    let all: u64 = ["parse", "format", "check", "program"].into_iter().map(sizes).sum();
    assert!(all < 500_000, "{all} bytes: keep those that reach something new, see tests/README.md");
}
