//! The configuration, from the file to the normal form: mistakes, defaults, shipped files, the reference, and the
//! `check` command.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]
#![allow(clippy::too_many_lines, reason = "tables of cases are long")]

mod apps_cache;
mod apps_file;
mod certificates;
mod check;
mod cors;
mod deployed;
mod files;
mod listeners;
mod mistakes;
mod mistakes_in_routes;
mod profiles;
mod reference;
mod routes_page;
mod settings;
mod shipped;
mod telemetry;
mod tracing;
mod upstreams;
