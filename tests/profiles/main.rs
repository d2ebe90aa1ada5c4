//! The app profiles API through the built binary, on a real database: every call, who may make it, rotation under load,
//! two gateways, and what is written to the logs.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

#[path = "../support/mod.rs"]
mod support;

mod access;
mod calls;
mod cli;
mod cli_failures;
mod cli_lists;
mod cli_strangers;
mod cli_tls;
mod conflicts;
mod connections;
mod description;
mod ends;
mod faults;
mod file_source;
mod rotation;
mod two_gateways;
mod waits;
