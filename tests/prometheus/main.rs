//! The dashboards and alerts as a real Prometheus sees them: it scrapes a busy gateway to which everything happens that a
//! panel is there to show, then is asked every expression there is.
//!
//! Apart from `make test`, as it needs Prometheus: `make test-all` installs and runs it. `make panels` draws the pictures of
//! the dashboards in docs/ from a longer run.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

#[path = "../support/mod.rs"]
mod support;

mod dashboards;
mod draw;
mod expressions;
mod promtool;
mod scenario;
mod server;
mod traffic;
