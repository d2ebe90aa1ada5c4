//! The gateway's binary: flags, exit codes, and nothing else.

use std::process::ExitCode;

use clap::Parser as _;
use rtms_gateway::cli::Cli;

fn main() -> ExitCode {
    Cli::parse().execute()
}
