//! The `dwmap` program.

fn main() -> std::process::ExitCode {
    dwmap::cli::main()
}
