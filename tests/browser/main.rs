//! The gateway as pages see it: a real browser, which keeps to the rules of CORS as no client of our own would. And the
//! gateway's own page, as people see it.
//!
//! Apart from `make test`, as it needs Chromium: `make test-all` installs and runs it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

#[path = "../support/mod.rs"]
mod support;

mod chromium;
mod page;
mod pages;
mod session;
mod status;
