//! The process: what is started in which order, when it is ready, and how it stops.

pub mod bootstrap;
pub mod preflight;
pub mod readiness;
pub mod reload;
pub mod renewal;
pub mod services;
pub mod shutdown;

pub use bootstrap::run;
