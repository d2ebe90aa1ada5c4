//! The built gateway over real sockets: its database, its upstream and its clients are real programs or bare sockets.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

#[path = "../support/mod.rs"]
mod support;

mod access_log;
mod app_rules;
mod apps_cache;
mod apps_from_file;
mod apps_from_mongodb;
mod balance;
mod bodies;
mod certificates;
mod codes;
mod concurrency;
mod connection_limits;
mod connections;
mod cors;
mod counted;
mod database_faults;
mod ejection;
mod feed;
mod h2c;
mod headers;
mod health;
mod health_checks;
mod lifecycle;
mod proxy_protocol;
mod rate_limits;
mod reload;
mod resolver;
mod service_manager;
mod slow_clients;
mod status;
mod telemetry;
mod tls;
mod tracing;
mod upgrade;
mod upstream_faults;
mod upstream_http2;
