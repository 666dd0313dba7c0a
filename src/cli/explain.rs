//! `dwmap explain`

use super::{Exit, Result, Stopped, output};
use crate::diag::codes;
use crate::diag::suggest::nearest;

#[derive(clap::Args)]
pub struct Args {
    /// A code, such as DW0305; without one, all codes are listed.
    code: Option<String>,
}

pub fn run(args: &Args) -> Result {
    let Some(wanted) = &args.code else {
        for info in codes::ALL {
            output::print_line(&format!("{} {}", info.code, info.title));
        }
        return Ok(Exit::Success);
    };
    let names: Vec<String> = codes::ALL.iter().map(|it| it.code.to_string()).collect();
    match codes::ALL.iter().find(|it| it.code.to_string().eq_ignore_ascii_case(wanted)) {
        Some(info) => {
            output::print_line(&format!(
                "{}: {} ({})\n\n{}",
                info.code,
                info.title,
                info.severity.word(),
                info.explanation.trim()
            ));
            Ok(Exit::Success)
        }
        None => {
            let near = nearest(&wanted.to_uppercase(), names.iter().map(String::as_str));
            let help = near.map_or_else(|| "\n  = fix: `dwmap explain` lists all".to_owned(), |it| format!("\n  = fix: `{it}`"));
            Err(Stopped::usage(format!("there is no code `{wanted}`{help}")))
        }
    }
}
