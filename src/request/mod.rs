//! The request, read before anything is decided: its target, and where it names identities.

pub mod body;
pub mod head;
pub mod identities;
pub mod request_id;
pub mod target;
