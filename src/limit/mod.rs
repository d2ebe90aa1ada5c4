//! Limits: how often somebody may do something, and how long to wait after too often; and how much at a time.
//!
//! Rates are the generic cell rate algorithm (ITU-T I.371): what is remembered of somebody is one moment, the one at which
//! all of their budget is back. Memory is bounded: whoever has all of their budget, or holds nothing, is forgotten.

mod held;
mod in_flight;
mod keyed;
mod network;
mod rate;

pub use held::{Held, Hold};
pub use in_flight::{Flight, InFlight};
pub use keyed::Keyed;
pub use network::network;
pub use rate::Rate;
