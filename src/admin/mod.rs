//! The admin address: `/metrics`, `/livez`, `/readyz`, `/status`, for scrapers, probes and people.
//!
//! It judges nothing and changes nothing: it reads what the other rooms tell. No secret, connection string or token
//! is shown here. Whoever binds the socket serves [`http::router`].

mod about;
mod apps;
pub mod http;
mod listener;
mod live;
mod negotiation;
mod page;
mod recent;
pub mod status;
mod traffic;
mod upgrade;

pub use about::{About, LastReload};
pub use http::{AdminState, Readiness, router};
pub use recent::Recent;
pub use upgrade::{Upgrade, UpgradePage};
