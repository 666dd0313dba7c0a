//! How answers are written: colours, JSON, and a reader that went away.

use std::io::{IsTerminal, Write};

use clap::ValueEnum;

use super::Exit;
use crate::diag::render;

/// When messages carry terminal colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    #[default]
    Auto,
    Always,
    Never,
}

impl Color {
    /// For what is written to standard error.
    pub fn of_messages(self) -> render::Color {
        let is_wanted = match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => {
                std::io::stderr().is_terminal()
                    && std::env::var_os("NO_COLOR").is_none_or(|it| it.is_empty())
                    && std::env::var_os("TERM").is_none_or(|it| it != "dumb")
            }
        };
        if is_wanted { render::Color::Always } else { render::Color::Never }
    }
}

/// Text for people, or JSON for programs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    #[default]
    Text,
    Json,
}

/// Writes to standard output. A reader that stopped reading is no error of ours; a full disk ends the program.
pub fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            eprintln!("error: the output cannot be written: {error}");
            std::process::exit(Exit::Environment as i32)
        }
        Ok(()) | Err(_) => {}
    }
}

/// Writes a line to standard output.
pub fn print_line(text: &str) {
    print(&format!("{text}\n"));
}

/// Pretty JSON with a line end.
pub fn print_json(value: &impl serde::Serialize) {
    let text = serde_json::to_string_pretty(value).expect("what we print has text keys only");
    print_line(&text);
}
