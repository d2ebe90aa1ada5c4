//! What is forwarded, read by Node. Needs `node`, which building this crate doesn't.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests fail by panicking, and these tell what they tried"
)]

#[path = "../support/mod.rs"]
mod support;

mod core;
mod readings;
mod requests;

#[test]
fn what_is_forwarded_means_the_same_to_node() {
    readings::read_by("node", "read.js");
}
