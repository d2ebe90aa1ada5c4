//! The feed misses no change and applies none twice, whatever happens to the database or the way to it; and requests
//! find their way past peers that are sick.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

#[path = "../support/mod.rs"]
mod support;

mod auth;
mod exactly_once;
mod faults;
mod flood;
mod floods;
mod peers;
mod scenarios;
