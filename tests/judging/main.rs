//! The judging core against other people's: published vectors, `jsonwebtoken`, and the parsers of other languages.
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
mod differential;
mod readings;
mod requests;
mod vectors;

#[test]
fn what_is_forwarded_means_the_same_to_python() {
    readings::read_by("python3", "read.py");
}
