//! Real servers for tests, started by builders and stopped by guards.
//!
//! Nothing here sleeps for readiness: everything is polled, with a deadline. Ports are free ones. What a started
//! program printed is shown when the test that started it fails.
#![allow(dead_code, reason = "each test binary uses its own part of this room")]

pub mod apps_file;
pub mod client;
pub mod config;
pub mod dns;
pub mod feed;
pub mod floods;
pub mod flow;
pub mod gateway;
pub mod h2;
pub mod hpack;
pub mod load;
pub mod manager;
pub mod metrics;
pub mod mongo;
pub mod poll;
pub mod ports;
pub mod process;
pub mod proxy;
pub mod proxy_header;
pub mod tls;
pub mod tokens;
pub mod upstream;
pub mod wire;

/// The app of the customer's document.
pub const APP: &str = "TR21063826";
/// Its user there.
pub const USER: &str = "67deb017-5038-4832-a6b9-aa7e00987b6f";
/// A secret for it.
pub const SECRET: &str = "a-secret-for-tests-with-more-than-32-bytes";

/// The path of the customer's example, for any app.
pub fn setuserid(app: &str) -> String {
    format!("/rtmsAPI/api/v1/app/{app}/setuserid")
}

/// A path of the tests' route without identities.
pub fn plain(app: &str) -> String {
    format!("/rtmsAPI/api/v1/{app}/plain")
}
