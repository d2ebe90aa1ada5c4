//! The token: read from the header, verified, and bound to what the request names.
//!
//! Knows neither Pingora nor MongoDB: everything here works on plain bytes.

pub mod bearer;
pub mod binding;
pub mod decision;
#[cfg(feature = "reference")]
pub mod provider;
pub mod rejection;
#[cfg(feature = "server")]
pub mod self_check;
pub mod token;
