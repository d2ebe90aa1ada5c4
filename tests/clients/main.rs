//! What the vendor's SDKs send, and what somebody makes of it who would be another: through the built gateway with the
//! routes that are shipped, in front of an upstream that records every byte.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

#[path = "../support/mod.rs"]
mod support;

mod calls;
mod foreign;
mod genuine;
mod peculiar;
mod respelled;
