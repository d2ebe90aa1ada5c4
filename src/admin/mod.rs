//! The admin address: `/metrics`, `/livez`, `/readyz`, `/status`, for scrapers, probes and people.
//!
//! It judges nothing and changes nothing: it reads what the other rooms tell. No secret, connection string or token
//! is shown here. Whoever binds the socket serves [`http::router`].

pub mod http;
mod listener;
mod live;
pub mod status;
mod upgrade;

pub use http::{AdminState, Readiness, router};
pub use status::{About, LastReload};
pub use upgrade::{Upgrade, UpgradePage};
