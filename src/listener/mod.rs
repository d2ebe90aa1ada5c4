//! Where clients connect: addresses, TLS, and a count of who is there.

pub mod connections;
pub mod patience;
pub mod times;
pub mod tls;
