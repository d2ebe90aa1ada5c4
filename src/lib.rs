//! An edge gateway for the IMIconnect (Webex Connect) real-time messaging API.
//!
//! Phones and browsers call `/rtmsAPI/...` with a JWT that the app's owner minted. The gateway finds the app in
//! the path, takes its HS256 secret from an in-memory snapshot that a MongoDB change stream keeps current,
//! verifies the token and binds it to the identities the request names, and forwards or rejects.
//!
//! The request's way:
//!
//! ```text
//!  client                                                                       rtmsAPI
//!    |                                                                             ^
//!    v                                                                             |
//!  listener -> request::target -> routing::table -> auth::decision -> request::body -> upstream
//!               one reading         most specific    app, token,       identities       peer, retry,
//!               or 400              or 404, 405      claims, 38-40     in the body      502-504
//!                                                        ^
//!                                                        | one load, no lock
//!                                                  apps::snapshot <- apps::feed <- MongoDB | file
//! ```
//!
//! Arrows go one way: `gateway` uses `request`, `routing`, `auth` and `upstream`; `auth` uses `apps::snapshot`.
//! The judging core (everything without the `server` feature) knows neither Pingora nor the MongoDB driver.

pub mod apps;
pub mod auth;
pub mod json;
pub mod limit;
pub mod percent;
pub mod reason;
pub mod request;
pub mod routing;
pub mod scan;

#[cfg(feature = "server")]
pub mod admin;
#[cfg(feature = "server")]
pub mod certificates;
#[cfg(feature = "server")]
pub mod cli;
#[cfg(feature = "server")]
pub mod config;
#[cfg(feature = "server")]
pub mod error;
#[cfg(feature = "server")]
pub mod gateway;
#[cfg(feature = "server")]
pub mod listener;
#[cfg(feature = "server")]
mod pem;
#[cfg(feature = "server")]
pub mod profiles;
#[cfg(feature = "server")]
pub mod server;
#[cfg(feature = "server")]
mod stamp;
#[cfg(feature = "server")]
pub mod telemetry;
#[cfg(feature = "server")]
pub mod upstream;
