//! The process: what is started in which order, when it is ready, and how it stops.

mod admin;
pub mod bootstrap;
pub mod drain;
pub mod handover;
pub mod listeners;
pub mod notify;
mod parts;
mod pid_file;
pub mod preflight;
pub mod readiness;
pub mod reload;
pub mod renewal;
pub mod services;
pub mod shutdown;
pub mod sockets;
pub mod stages;

pub use bootstrap::run;
