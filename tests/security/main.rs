//! What attackers and broken clients send, and what must happen: tables of requests over raw sockets, against the
//! built gateway and an upstream that records every byte.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

#[path = "../support/mod.rs"]
mod support;

mod authorization;
mod body;
mod claims;
mod encoding;
mod framing;
mod header;
mod http2;
mod places;
mod secrets;
mod spoofing;
mod table;
mod target;
mod uniform;
