//! Where judged requests go: clusters of peers, chosen by turn, load or app, resolved in the background.

pub mod balance;
pub mod budget;
pub mod cluster;
pub mod ejection;
pub mod health;
mod in_force;
pub mod load;
pub mod names;
pub mod peer;
pub mod resolve;
pub mod standing;
pub mod tls;

pub use cluster::{Choice, Cluster, Tried};
