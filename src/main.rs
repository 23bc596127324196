//! `countersign`: argv and environment; nothing else.

fn main() -> std::process::ExitCode {
    countersign::cli::main()
}
