//! Rate limits: how often somebody may do something, and how long to wait after too often.
//!
//! The generic cell rate algorithm (ITU-T I.371): what is remembered of somebody is one moment, the one at which
//! all of their budget is back. Memory is bounded: whoever has all of their budget is forgotten.

mod keyed;
mod network;
mod rate;

pub use keyed::Keyed;
pub use network::network;
pub use rate::Rate;
