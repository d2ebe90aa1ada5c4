//! Where clients connect: addresses, TLS, how many may come, whom they are for, and what they speak.

mod ahead;
mod application;
pub mod before_tls;
pub mod connections;
pub mod endpoints;
pub mod identity;
pub mod limits;
pub mod patience;
mod preface;
pub mod proxy_protocol;
pub mod times;
pub mod tls;
pub mod trusted;
