//! The gateway's binary: flags, exit codes, and nothing else.

use std::process::ExitCode;

use clap::Parser as _;
use rtms_gateway::cli::Cli;

/// A request makes a hundred small allocations, most of them in Pingora: mimalloc does them in two thirds of the time that
/// the C library takes, see `docs/performance.md`. Without huge pages, with which it is twice as much in memory.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    Cli::parse().execute()
}
